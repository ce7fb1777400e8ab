#include "front_files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "client/loop.h"
#include "file.h"
#include "keys.h"
#include "ordering/configuration.h"
#include "redoubt/client.h"

#define RETIRE_MS 10000u

static int too_long(const char *dir, struct error *error)
{
    return error_set(error, "%s: name too long", dir);
}

bool front_spare_path(char *out, const char *dir, uint32_t origin)
{
    return path_make(out, "%s/fronts/%03u.key", dir, origin);
}

int front_certify(const char *dir, const char *folder, uint32_t id, const char *host, struct error *error)
{
    char key[PATH_BYTES], certificate[PATH_BYTES], ca_key[PATH_BYTES], ca[PATH_BYTES], name[64];
    const char *const hosts[] = {"localhost", "127.0.0.1", "::1", host, NULL};
    snprintf(name, sizeof name, "Redoubt replica %u front", id);
    if (!path_make(key, "%s/tls.key", folder) || !path_make(certificate, "%s/tls.crt", folder) ||
        !path_make(ca_key, "%s/ca.key", dir) || !path_make(ca, "%s/ca.pem", dir))
        return too_long(dir, error);
    return certificate_issue(key, certificate, name, hosts, ca_key, ca, error);
}

static int none(uint32_t id, const char *why, const char *dir)
{
    fprintf(stderr, "replica %u: it gets no front: %s/%s\n", id, dir, why);
    return 1;
}

/* One rename: however this is broken off, a key is in one place. */
static int take_spare(const char *dir, const char *to, uint32_t id, struct error *error)
{
    char from[PATH_BYTES];
    for (uint32_t origin = 0; origin < ORIGINS_MAX; origin++) {
        if (!front_spare_path(from, dir, origin))
            return too_long(dir, error);
        if (rename(from, to) == 0)
            return 0;
        if (errno != ENOENT)
            return error_set(error, "%s: %s", from, strerror(errno));
    }
    return none(id, "fronts: no key is left in it", dir);
}

int front_give(const char *dir, const char *folder, uint32_t id, const char *host, struct error *error)
{
    char ca_key[PATH_BYTES], certificate[PATH_BYTES], key[PATH_BYTES];
    if (!path_make(ca_key, "%s/ca.key", dir) || !path_make(certificate, "%s/tls.crt", folder) ||
        !path_make(key, "%s/troxy.key", folder))
        return too_long(dir, error);
    if (!file_exists(key)) {
        if (!file_exists(ca_key) && !file_exists(certificate))
            return none(id, "ca.key: it is not there to sign a certificate", dir);
        int taken = take_spare(dir, key, id, error);
        if (taken)
            return taken;
    }
    return file_exists(certificate) ? 0 : front_certify(dir, folder, id, host, error);
}

/* ---------------------------------------------------------------- the key of a machine that went */

/* DIR/clients.pub; checked, and with one entry at least. */
static int origins_read(struct file *file, char path[PATH_BYTES], const char *dir, struct error *error)
{
    if (!path_make(path, "%s/clients.pub", dir))
        return too_long(dir, error);
    if (file_read(file, path, ORIGINS_MAX * origin_entry_BYTES, error))
        return -1;
    if (origin_entry_list_ok((struct slice){file->data, file->len}, ORIGINS_MAX) && file->len > 0)
        return 0;
    file_free(file);
    return error_set(error, "%s: not a list of client keys", path);
}

/* The number of the origin that has this key, as DIR/clients.pub lists it; -1: none. */
static int origin_of(const char *dir, const uint8_t sign_public[32])
{
    char path[PATH_BYTES];
    struct file file;
    struct error ignored;
    int origin = -1;
    if (origins_read(&file, path, dir, &ignored))
        return -1;
    struct slice list = {file.data, file.len};
    for (uint32_t i = 0; i < origin_entry_count(list); i++) {
        struct origin_entry entry = origin_entry_at(list, i);
        if (memcmp(entry.sign_public.bytes, sign_public, 32) == 0 && (entry.access & ACCESS_TROXY))
            origin = (int)entry.id;
    }
    file_free(&file);
    return origin;
}

/* In DIR/clients.pub this origin may do nothing from now on: no later founding lists it (origin_is_withdrawn). The entry stays where it is,
 * and says whose it was. */
static int withdraw(const char *dir, int origin, struct error *error)
{
    static uint8_t bytes[ORIGINS_MAX * origin_entry_BYTES];
    char path[PATH_BYTES];
    struct file file;
    if (origins_read(&file, path, dir, error))
        return -1;
    struct slice list = {file.data, file.len};
    struct writer w = writer_to(bytes, sizeof bytes);
    for (uint32_t i = 0; i < origin_entry_count(list); i++) {
        struct origin_entry entry = origin_entry_at(list, i);
        if ((int)entry.id == origin)
            entry.access &= ~(uint32_t)(ACCESS_WRITE | ACCESS_READ);
        origin_entry_put(&w, &entry);
    }
    bool changed = w.len != file.len || memcmp(bytes, file.data, w.len) != 0;
    file_free(&file);
    return changed ? file_write(path, bytes, w.len, 0644, error) : 0;
}

static int origin_in(const char *dir, const char *key, struct error *error)
{
    struct file file;
    struct sign_key sign;
    if (file_read_secret(&file, key, CLIENT_KEY_BYTES, error))
        return -1;
    int origin = -1;
    if (file.len == CLIENT_KEY_BYTES) {
        sign_keypair_from(&sign, file.data);
        origin = origin_of(dir, sign.public);
        crypto_wipe(&sign, sizeof sign);
    }
    file_free(&file);
    return origin >= 0 ? origin : error_set(error, "%s: not the key of a Troxy of this cluster", key);
}

/* As a client of that number, for one operation that no service takes. */
static int close_origin(const char *dir, int origin, const struct box_key *session, struct error *error)
{
    struct client_loop_options loop_options = {.core = -1};
    struct redoubt_client_options options;
    struct redoubt_client *client;
    struct redoubt_outcome outcome;
    struct client_loop *loop;
    redoubt_client_options_init(&options);
    options.origin = origin;
    if (client_loop_new(&loop, &loop_options, error))
        return -1;
    bool ordered = false;
    int failed = client_open_again(&client, loop, dir, &options, session);
    if (failed) {
        error_set(error, "%s", redoubt_client_error(NULL));
    } else {
        failed = redoubt_call(client, "", 0, RETIRE_MS, &outcome);
        ordered = !failed && outcome.kind == REDOUBT_COMMITTED;
        redoubt_outcome_clear(&outcome);
        redoubt_client_close(client);
        error_set(error,
                  "no quorum of replicas answered: run this again; if it stays so, somebody else may have "
                  "taken the last session that this key can have, and it is open until the cluster is "
                  "founded anew: with durability: memory by stopping and starting all replicas, with sync "
                  "by backup and restore into another folder");
    }
    client_loop_free(loop);
    return ordered ? 0 : -1;
}

/* Has a replica of now the key of that origin, as when somebody brought it over from the machine of before? */
static bool is_in_use(const char *dir, int origin)
{
    char key[PATH_BYTES];
    struct error ignored;
    for (unsigned id = 0; id < REPLICAS_MAX; id++)
        if (path_make(key, "%s/replica-%u/troxy.key", dir, id) && file_exists(key) &&
            origin_in(dir, key, &ignored) == origin)
            return true;
    return false;
}

/* What closing a key needs, in DIR/clients. */
struct closing {
    int origin;
    struct tag16 cluster; /* as it was founded last */
    bool listed;          /* by DIR/manifest: else no replica takes anything of that origin */
    /* NNN.key: a second name of the key */
    char own[PATH_BYTES];
    /* NNN.epoch, as every client has one; stays, so that nobody uses a lower one */
    char epoch[PATH_BYTES];
    /* NNN.closing: the secret of the last session there can be, until it is known to be open */
    char session[PATH_BYTES];
    /* NNN.closed: the id of the cluster whose replicas said that it is open. One that is founded anew knows nothing of it */
    char closed[PATH_BYTES];
};

static int closing_paths(struct closing *c, const char *dir, struct error *error)
{
    return client_key_path(c->own, dir, (origin_id)c->origin) &&
                   path_make(c->epoch, "%s/clients/%03d.epoch", dir, c->origin) &&
                   path_make(c->session, "%s/clients/%03d.closing", dir, c->origin) &&
                   path_make(c->closed, "%s/clients/%03d.closed", dir, c->origin)
               ? 0
               : too_long(dir, error);
}

/* The cluster of now, and whether it has that origin. */
static int cluster_read(struct closing *c, const char *dir, struct error *error)
{
    static struct configuration configuration;
    char path[PATH_BYTES];
    uint8_t admin_public[32];
    struct file file;
    struct frame start;
    if (!path_make(path, "%s/manifest", dir))
        return too_long(dir, error);
    if (admin_public_read(admin_public, dir, error) ||
        manifest_read(&configuration, &start, &file, path, admin_public, error))
        return -1;
    file_free(&file);
    c->cluster = configuration.cluster;
    c->listed = configuration.origin[c->origin].present;
    return 0;
}

/* Was it closed by an earlier run, as by way of another folder that had the same key? Only what such a run wrote says so. */
static bool closed_before(const struct closing *c)
{
    struct file file;
    struct error ignored;
    if (!file_exists(c->closed) || file_read(&file, c->closed, sizeof c->cluster.bytes, &ignored))
        return false;
    bool same = file.len == sizeof c->cluster.bytes && memcmp(file.data, c->cluster.bytes, file.len) == 0;
    file_free(&file);
    return same;
}

/* The session of an earlier run, which replicas may have opened after that run had given up: under the same epoch they answer no other. */
static int session_take(struct box_key *session, const struct closing *c, struct error *error)
{
    uint8_t secret[32];
    struct file file;
    if (!file_exists(c->session)) {
        crypto_random(secret, sizeof secret);
        int written = file_write(c->session, secret, sizeof secret, 0600, error);
        box_keypair_from(session, secret);
        crypto_wipe(secret, sizeof secret);
        return written;
    }
    if (file_read_secret(&file, c->session, sizeof secret, error))
        return -1;
    bool whole = file.len == sizeof secret;
    if (whole)
        box_keypair_from(session, file.data);
    file_free(&file);
    return whole ? 0 : error_set(error, "%s: not what an earlier run wrote", c->session);
}

static int close_by(const struct box_key *session, const char *dir, const char *key, const struct closing *c,
                    struct error *error)
{
    char last[32];
    /* The next one is the highest that there is. */
    int len = snprintf(last, sizeof last, "%" PRIu64 "\n", UINT64_MAX - 1);
    int result = file_write(c->epoch, last, (size_t)len, 0600, error);
    if (result == 0 && link(key, c->own) != 0 &&
        errno != EEXIST) /* there already: an earlier run ended by force */
        result = error_set(error, "%s: %s", c->own, strerror(errno));
    if (result == 0)
        result = close_origin(dir, c->origin, session, error);
    unlink(c->own);
    return result ? result : file_write(c->closed, c->cluster.bytes, sizeof c->cluster.bytes, 0644, error);
}

static int close_key(const char *dir, const char *key, const struct closing *c, struct error *error)
{
    struct box_key session = {0};
    int result = session_take(&session, c, error);
    if (result == 0)
        result = close_by(&session, dir, key, c, error);
    crypto_wipe(&session, sizeof session);
    return result;
}

/* In this order: until the replicas have answered, the list alone keeps a key that somebody else holds open from outliving the next
 * founding; and however this is broken off, another run finds the key, and goes through it again. */
static int retire(const char *dir, const char *key, struct error *error)
{
    struct closing c = {.origin = origin_in(dir, key, error)};
    if (c.origin < 0)
        return -1;
    if (is_in_use(dir, c.origin))
        return error_set(error, "%s: another folder has it, too", key);
    if (closing_paths(&c, dir, error) || cluster_read(&c, dir, error) || withdraw(dir, c.origin, error))
        return -1;
    if (c.listed && !closed_before(&c) && close_key(dir, key, &c, error))
        return -1;
    unlink(c.session);
    unlink(key);
    return 0;
}

void front_retire(const char *dir, const char *folder, uint32_t id)
{
    char key[PATH_BYTES];
    struct error error;
    if (!path_make(key, "%s/troxy.key", folder) || !file_exists(key))
        return;
    if (retire(dir, key, &error))
        fprintf(stderr, "replica %u: the key of the front of before could not be closed: %s\n", id,
                error.text);
    else
        fprintf(stderr, "replica %u: the key of the front of before is closed for good\n", id);
}
