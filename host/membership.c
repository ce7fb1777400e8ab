#include "membership.h"

#include <string.h>
#include <unistd.h>

#include "certificate.h"
#include "log.h"

static bool path_of(char *out, const struct replica *r, const char *name)
{
    return path_make(out, "%s/replica-%u/%s", r->config.dir, r->options.id, name);
}

static void pin(struct tls_pins *pins, const struct host_keys *host, replica_id r)
{
    memcpy(pins->key[r], host->link_public, 32);
    memcpy(pins->before[r], host->link_before, 32);
    pins->has_before[r] = host->rotated;
}

int membership_open(struct replica *r, struct tls_pins *pins, struct error *error)
{
    char path[PATH_BYTES];
    memset(&r->members, 0, sizeof r->members);
    members_follow(&r->members, &r->configuration);
    r->members_number = r->configuration.number;
    if (!path_of(path, r, "members"))
        return error_set(error, "%s: name too long", r->config.dir);
    if (members_read(&r->members, path, error))
        return -1;
    members_address(&r->members, &r->config);
    *pins = (struct tls_pins){.count = r->members.count, .self = r->options.id};
    for (replica_id i = 0; i < r->members.count; i++)
        pin(pins, &r->members.host[i], i);
    return 0;
}

/* ---------------------------------------------------------------- others */

static void changed(struct replica *r, replica_id i)
{
    const struct host_keys *host = &r->members.host[i];
    log_line(LOG_INFO, "replica %u %s%s%s (configuration %llu)", i,
             host->rotated ? "has a new link key" : "was replaced by another machine",
             *host->peer ? " at " : "", host->peer, (unsigned long long)r->members_number);
    if (i != r->options.id)
        links_pin(&r->links, i, host->link_public, host->rotated ? host->link_before : NULL);
}

void membership_follow(struct replica *r)
{
    const struct configuration *held = r->started ? r->engine_type->configuration(r->engine) : NULL;
    char path[PATH_BYTES];
    struct error error;
    if (!held || held->number == r->members_number)
        return;
    r->members_number = held->number;
    uint32_t bits = members_follow(&r->members, held);
    if (!bits)
        return;
    members_address(&r->members, &r->config);
    if (path_of(path, r, "members") && members_write(&r->members, path, &error))
        log_line(LOG_WARNING, "%s", error.text);
    for (replica_id i = 0; i < r->members.count; i++)
        if (bits >> i & 1)
            changed(r, i);
    membership_tick(r);
}

/* ---------------------------------------------------------------- itself */

void membership_mend(const char *dir, replica_id id)
{
    char key[PATH_BYTES], next[PATH_BYTES], certificate[PATH_BYTES];
    if (path_make(key, "%s/replica-%u/next/host.key", dir, id) &&
        path_make(next, "%s/replica-%u/next/host.crt", dir, id) &&
        path_make(certificate, "%s/replica-%u/host.crt", dir, id) && !file_exists(key) && file_exists(next))
        (void)rename(next, certificate);
}

static bool next_fits(const struct replica *r, const char *key_path, struct error *error)
{
    struct sign_key key;
    if (!file_exists(key_path) || certificate_key_read(&key, key_path, error))
        return false;
    bool fits = memcmp(key.public, r->members.host[r->options.id].link_public, 32) == 0;
    crypto_wipe(&key, sizeof key);
    return fits;
}

/* The key first: where that is gone from, the rest is known to belong with it (membership_mend). */
static int next_take(struct replica *r, const char *key_path, struct error *error)
{
    char next[PATH_BYTES], key[PATH_BYTES], certificate[PATH_BYTES];
    if (!path_of(next, r, "next/host.crt") || !path_of(key, r, "host.key") ||
        !path_of(certificate, r, "host.crt"))
        return error_set(error, "%s: name too long", r->config.dir);
    SSL_CTX *tls = tls_context_new(key_path, next, error);
    if (!tls)
        return -1;
    if (rename(key_path, key) != 0 || rename(next, certificate) != 0) {
        SSL_CTX_free(tls);
        return error_set(error, "%s: cannot be moved to its place", key_path);
    }
    links_use(&r->links, tls);
    SSL_CTX_free(r->tls); /* links that use it hold it */
    r->tls = tls;
    return 0;
}

void membership_tick(struct replica *r)
{
    const struct host_keys *own = &r->members.host[r->options.id];
    uint8_t *mine = r->hellos.member[0].hello.sign_public.bytes;
    char path[PATH_BYTES];
    struct error error = {.text = ""};
    if (!r->started || memcmp(own->link_public, mine, 32) == 0 || !path_of(path, r, "next/host.key"))
        return;
    if (next_fits(r, path, &error) && next_take(r, path, &error) == 0) {
        memcpy(mine, own->link_public, 32);
        log_line(LOG_INFO, "goes on with its new link key");
        return;
    }
    if (r->members_told == own->epoch)
        return;
    r->members_told = own->epoch;
    if (*error.text)
        log_line(LOG_ERROR, "%s", error.text);
    else if (own->rotated)
        log_line(LOG_WARNING, "this host has a new link key, which is not here yet: bring %s", path);
    else
        log_line(LOG_ERROR,
                 "this replica was replaced by another machine: nobody talks to this one any more");
}
