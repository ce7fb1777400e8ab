#include "front_files.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "file.h"
#include "keys.h"
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

/* The number of the origin that has this key, as DIR/clients.pub lists it; -1: none. */
static int origin_of(const char *dir, const uint8_t sign_public[32])
{
    char path[PATH_BYTES];
    struct file file;
    struct error ignored;
    int origin = -1;
    if (!path_make(path, "%s/clients.pub", dir) ||
        file_read(&file, path, ORIGINS_MAX * origin_entry_BYTES, &ignored))
        return -1;
    struct slice list = {file.data, file.len};
    for (uint32_t i = 0; origin_entry_list_ok(list, ORIGINS_MAX) && i < origin_entry_count(list); i++) {
        struct origin_entry entry = origin_entry_at(list, i);
        if (memcmp(entry.sign_public.bytes, sign_public, 32) == 0 && (entry.access & ACCESS_TROXY))
            origin = (int)entry.id;
    }
    file_free(&file);
    return origin;
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
static int close_origin(const char *dir, int origin, struct error *error)
{
    struct redoubt_client_options options;
    struct redoubt_client *client;
    struct redoubt_outcome outcome;
    redoubt_client_options_init(&options);
    options.origin = origin;
    if (redoubt_client_open(&client, dir, &options))
        return error_set(error, "%s", redoubt_client_error(NULL));
    int failed = redoubt_call(client, "", 0, RETIRE_MS, &outcome);
    bool ordered = !failed && outcome.kind == REDOUBT_COMMITTED;
    redoubt_outcome_clear(&outcome);
    redoubt_client_close(client);
    return ordered ? 0 : error_set(error, "no quorum of replicas answered");
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

static int retire(const char *dir, const char *key, struct error *error)
{
    char own[PATH_BYTES], epoch[PATH_BYTES], last[32];
    int origin = origin_in(dir, key, error);
    if (origin < 0)
        return -1;
    if (is_in_use(dir, origin))
        return error_set(error, "%s: another folder has it, too", key);
    if (!client_key_path(own, dir, (origin_id)origin) ||
        !path_make(epoch, "%s/clients/%03d.epoch", dir, origin))
        return too_long(dir, error);
    /* The next one is the highest that there is. */
    int len = snprintf(last, sizeof last, "%" PRIu64 "\n", UINT64_MAX - 1);
    if (file_write(epoch, last, (size_t)len, 0600, error))
        return -1;
    if (link(key, own) != 0 && errno != EEXIST) /* there already: an earlier run ended by force */
        return error_set(error, "%s: %s", own, strerror(errno));
    int result = close_origin(dir, origin, error);
    unlink(own);
    unlink(result ? epoch : key); /* its epoch stays: nobody shall use a lower one */
    return result;
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
