/*
 * redoubt replace: another machine in the place of a replica. Four steps, each of which a later run finds done or not:
 *
 *   1  DIR/replica-N.new: link key and platform key of the new machine        (a folder, renamed when it is whole), and what its
 *      front needs (files, each made when it is not there)
 *   2  the cluster takes those keys: the machine before can renew nothing     (RECONFIG, executed: the chain says so)
 *   3  the cluster takes away the say of the compartments of before           (RECONFIG, executed: the chain says so)
 *   4  addresses in cluster.yaml, endpoints.json; replica-N.new becomes replica-N
 *
 * Then the new machine comes in as a replica that died comes back: `redoubt replica DIR --id N --rejoin`, which `redoubt up` does by itself.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "change.h"
#include "commands.h"
#include "config_edit.h"
#include "front_files.h"
#include "pages.h"
#include "ordering/hosts.h"
#include "platform.h"

static const char help[] = "usage: redoubt replace DIR --id N [--host H] [--again] [--wait S]\n\n"
                           "Puts another machine into the place of replica N of a running cluster, whether N "
                           "runs or is dead. Draws keys\n"
                           "for it, has the cluster take them and lock the machine of before out, and leaves "
                           "DIR/replica-N for the new\n"
                           "one. Under `redoubt up` the new replica starts by itself; otherwise the last "
                           "line says what to copy and run.\n"
                           "The new replica gets its state from the others, and clients go on.\n\n"
                           "Broken off at any point, run it again: it goes on from there. A replacement that "
                           "is done is not done twice.\n\n"
                           "  --host H   the new machine's name or address (default: as cluster.yaml says)\n"
                           "  --again    replace the replica once more, though a replacement is done\n"
                           "  --wait S   give up waiting after S seconds (default 300)\n\n"
                           "example: redoubt replace /srv/redoubt --id 2 --host 10.0.0.15\n";

#define TEXT_MAX 1024u

struct replacement {
    struct change change;
    const char *wanted_host; /* NULL: as it is */
    char host[HOST_NAME_BYTES];
    char begun[64];
    char peer[ADDRESS_BYTES_MAX + 1], client[ADDRESS_BYTES_MAX + 1];
    uint8_t link_public[32], platform_public[32];
};

/* ---------------------------------------------------------------- 1: the folder */

/* Says when it was begun, and for which host: "2026-01-31T12:00:00Z HOST". */
static int note_read(struct replacement *p, const char *suffix, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (change_path(path, &p->change, suffix, "replaced", error) || file_read(&file, path, TEXT_MAX, error))
        return -1;
    int fields = sscanf((const char *)file.data, "%63s %255s", p->begun, p->host);
    file_free(&file);
    return fields == 2 ? 0 : error_set(error, "%s: not what `redoubt replace` wrote", path);
}

static int note_write(struct replacement *p, const char *folder, struct error *error)
{
    char path[PATH_BYTES], text[TEXT_MAX];
    struct tm now;
    time_t seconds = time(NULL);
    gmtime_r(&seconds, &now);
    strftime(p->begun, sizeof p->begun, "%Y-%m-%dT%H:%M:%SZ", &now);
    int len = snprintf(text, sizeof text, "%s %s\n", p->begun, p->host);
    return path_make(path, "%s/replaced", folder) ? file_write(path, text, (size_t)len, 0644, error) : -1;
}

static int folder_make(struct replacement *p, struct error *error)
{
    char begun[PATH_BYTES], folder[PATH_BYTES], platform[PATH_BYTES];
    struct secret_key secret;
    const struct config *config = &p->change.admin.config;
    snprintf(p->host, sizeof p->host, "%s",
             p->wanted_host ? p->wanted_host : config->replica[p->change.id].host);
    if (change_path(begun, &p->change, ".begun", "", error) ||
        change_path(folder, &p->change, ".new", "", error) ||
        change_path(platform, &p->change, ".begun", "platform.key", error))
        return -1;
    change_remove(begun); /* of a run that ended by force */
    if (mkdir(begun, 0700) != 0)
        return error_set(error, "%s: %s", begun, strerror(errno));
    crypto_random(secret.bytes, sizeof secret.bytes);
    int result = file_write(platform, secret.bytes, sizeof secret.bytes, 0600, error);
    crypto_wipe(&secret, sizeof secret);
    if (result == 0)
        result = change_draw_link(begun, p->change.id, error);
    if (result == 0)
        result = note_write(p, begun, error);
    if (result == 0 && rename(begun, folder) != 0)
        result = error_set(error, "%s: %s", folder, strerror(errno));
    if (result)
        change_remove(begun);
    return result;
}

static int front_make(struct replacement *p, struct error *error)
{
    char folder[PATH_BYTES];
    const struct config *config = &p->change.admin.config;
    if (!config->front)
        return 0;
    return change_path(folder, &p->change, ".new", "", error) ||
                   front_give(config->dir, folder, p->change.id, p->host, error) < 0
               ? -1
               : 0;
}

static int keys_read(struct replacement *p, const char *suffix, struct error *error)
{
    char folder[PATH_BYTES], platform[PATH_BYTES];
    struct file file;
    struct platform_keys keys;
    if (change_path(folder, &p->change, suffix, "", error) ||
        change_path(platform, &p->change, suffix, "platform.key", error) ||
        change_link_public(p->link_public, folder, error) ||
        file_read_secret(&file, platform, TEXT_MAX, error))
        return -1;
    int result = platform_keys_of(&keys, file.data, file.len)
                     ? 0
                     : error_set(error, "%s: not a platform key: such a key has 32 bytes", platform);
    file_free(&file);
    if (result == 0)
        memcpy(p->platform_public, keys.attestation.public, 32);
    crypto_wipe(&keys, sizeof keys);
    return result;
}

/* A peer or client address whose host was the replica's goes along with it. */
static int address_moved(char out[ADDRESS_BYTES_MAX + 1], const struct replica_config *replica,
                         const struct address *address, const char *host, struct error *error)
{
    struct address moved = *address;
    if (strcmp(address->host, replica->host) == 0)
        snprintf(moved.host, sizeof moved.host, "%s", host);
    return address_print(out, &moved) ? 0 : error_set(error, "--host %s: too long", host);
}

/* ---------------------------------------------------------------- 2 and 3: the cluster */

static bool keys_taken(const struct change *c, const void *context)
{
    const struct replacement *p = context;
    return host_has(c->admin.held, c->id, p->link_public, p->platform_public);
}

static struct slice keys_order(struct change *c, const void *context)
{
    const struct replacement *p = context;
    return change_host(c, p->link_public, p->platform_public);
}

static bool locked_out(const struct change *c, const void *context)
{
    const struct configuration *held = c->admin.held;
    (void)context;
    for (unsigned k = KIND_PREPARATION - KIND_HOST; k < MEMBER_KINDS; k++)
        if (held->member[k][c->id].epoch <= held->host[c->id].before[k])
            return false;
    return true;
}

static struct slice lock_order(struct change *c, const void *context)
{
    (void)context;
    return change_lock_out(c);
}

static int order(struct replacement *p, struct error *error)
{
    struct change *c = &p->change;
    change_catch_up(c);
    if (!keys_taken(c, p) && change_await_others(c, error))
        return -1;
    if (change_carry_out(c, keys_taken, keys_order, p, p->peer, p->client, "new keys", error))
        return -1;
    if (!locked_out(c, p))
        fprintf(stderr, "replica %u: the cluster has the new keys (configuration %llu)\n", c->id,
                (unsigned long long)c->admin.held->number);
    if (change_carry_out(c, locked_out, lock_order, p, "", "", "locking out", error))
        return -1;
    fprintf(stderr, "replica %u: the machine of before is locked out (configuration %llu)\n", c->id,
            (unsigned long long)c->admin.held->number);
    return 0;
}

/* ---------------------------------------------------------------- 4: the folder's turn */

static int files_change(struct replacement *p, struct error *error)
{
    struct administrator *a = &p->change.admin;
    char path[PATH_BYTES];
    if (administrator_save(a, error) || config_set_host(&a->config, p->change.id, p->host, error) ||
        endpoints_write(&a->config, error))
        return -1;
    if (change_path(path, &p->change, ".new", "manifest", error) ||
        file_write(path, a->manifest.data, a->manifest.len, 0644, error))
        return -1;
    return change_path(path, &p->change, ".new", "members", error) || members_write(&a->members, path, error)
               ? -1
               : 0;
}

/* A name that is free, for the folder of before: what is in it is of no use to anybody, but it is not ours to throw away. */
static int name_for_before(char out[PATH_BYTES], const struct change *c, struct error *error)
{
    for (unsigned i = 1; i < 10000; i++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, ".before-%u", i);
        if (change_path(out, c, suffix, "", error))
            return -1;
        if (!file_exists(out))
            return 0;
    }
    return error_set(error, "%s: there are too many of them: delete some", out);
}

/* Of each machine of before, also when an earlier run was broken off. The one that is running has come in by then, or is elsewhere. */
static void fronts_retire(const struct replacement *p)
{
    char before[PATH_BYTES], suffix[32];
    struct error ignored;
    const struct change *c = &p->change;
    for (unsigned i = 1; i < 10000; i++) {
        snprintf(suffix, sizeof suffix, ".before-%u", i);
        if (change_path(before, c, suffix, "", &ignored))
            return;
        front_retire(c->admin.config.dir, before, c->id);
    }
}

static int folder_swap(struct replacement *p, struct error *error)
{
    char now[PATH_BYTES], next[PATH_BYTES], before[PATH_BYTES];
    if (change_path(now, &p->change, "", "", error) || change_path(next, &p->change, ".new", "", error) ||
        name_for_before(before, &p->change, error))
        return -1;
    if (file_exists(now) && rename(now, before) != 0)
        return error_set(error, "%s: %s", now, strerror(errno));
    if (rename(next, now) != 0)
        return error_set(error, "%s: %s", next, strerror(errno));
    return 0;
}

/* ---------------------------------------------------------------- after it */

/* Are its compartments its own, and not the ones that nobody has? */
static bool came_in(const struct change *c)
{
    const struct configuration *held = c->admin.held;
    const struct host_keys *host = &held->host[c->id];
    epoch_no highest = 0;
    for (unsigned k = 1; k < MEMBER_KINDS; k++)
        if (host->before[k] > highest)
            highest = host->before[k];
    if (highest == 0) /* START names them: the whole cluster began anew since */
        return true;
    for (unsigned k = 1; k < MEMBER_KINDS; k++)
        if (held->member[k][c->id].epoch <= highest + 1)
            return false;
    return true;
}

static bool is_full(const struct replica_config *replica)
{
    char *body = NULL;
    struct error ignored;
    bool full = page_fetch(&replica->metrics, "/status", 1000, &body, &ignored) == 200 &&
                strstr(body, "\"full\":true") != NULL;
    free(body);
    return full;
}

static int await_coming_in(struct replacement *p, struct error *error)
{
    struct change *c = &p->change;
    const struct replica_config *replica = &c->admin.config.replica[c->id];
    while (!came_in(c) || !is_full(replica)) {
        if (change_timed_out(c))
            return error_set(
                error,
                "replica %u: it did not come in within the time given: look at its log; run this "
                "again to go on waiting",
                c->id);
        change_progress(c,
                        came_in(c) ? "replica %u: gets its state from the others"
                                   : "replica %u: waits for the new one to come in",
                        c->id);
        administrator_attend(&c->admin, 200);
    }
    fronts_retire(p);
    fprintf(stderr, "replica %u: replaced, and full again (configuration %llu)\n", c->id,
            (unsigned long long)c->admin.held->number);
    return 0;
}

static void say_what_to_copy(const struct replacement *p)
{
    const char *dir = p->change.admin.config.dir;
    fronts_retire(p);
    fprintf(stderr,
            "replica %u: copy %s/cluster.yaml, %s/admin.pub and %s/replica-%u to %s, and run there: redoubt "
            "replica "
            "DIR --id %u --rejoin\n",
            p->change.id, dir, dir, dir, p->change.id, p->host, p->change.id);
    if (p->change.admin.config.protocol == PROTOCOL_HYBSTER)
        fprintf(stderr,
                "replica %u: then bring its replica-%u/hello to %s/replica-%u, run `redoubt start %s --id "
                "%u`, and bring "
                "%s/replica-%u/counter-key there\n",
                p->change.id, p->change.id, dir, p->change.id, dir, p->change.id, dir, p->change.id);
}

/* ---------------------------------------------------------------- the whole */

/* One that was ordered and taken: is there anything left to do? 1: no, it was said; 0: there was, and it is done. */
static int finished(struct replacement *p, struct error *error)
{
    struct change *c = &p->change;
    if (came_in(c)) {
        fronts_retire(p);
        fprintf(stderr,
                "replica %u: the replacement of %s is done (configuration %llu); --again for another\n",
                c->id, p->begun, (unsigned long long)c->admin.held->number);
        return 0;
    }
    if (change_is_up(c))
        return await_coming_in(p, error);
    say_what_to_copy(p);
    return 0;
}

static int carry_on(struct replacement *p, struct error *error)
{
    struct change *c = &p->change;
    const struct replica_config *replica = &c->admin.config.replica[c->id];
    if (p->wanted_host && strcmp(p->wanted_host, p->host) != 0)
        return error_set(
            error,
            "replica %u: a replacement for host %s was begun at %s: run it to its end first, without "
            "--host",
            c->id, p->host, p->begun);
    if (front_make(p, error) || keys_read(p, ".new", error) ||
        address_moved(p->peer, replica, &replica->peer, p->host, error) ||
        address_moved(p->client, replica, &replica->client, p->host, error))
        return -1;
    bool up = change_is_up(c); /* before cluster.yaml becomes another file */
    if (order(p, error) || files_change(p, error) || folder_swap(p, error))
        return -1;
    if (up)
        return await_coming_in(p, error);
    say_what_to_copy(p);
    return 0;
}

static int replace(struct replacement *p, struct error *error)
{
    char path[PATH_BYTES];
    struct change *c = &p->change;
    if (change_path(path, c, ".new", "replaced", error))
        return -1;
    if (file_exists(path)) {
        if (note_read(p, ".new", error))
            return -1;
        fprintf(stderr, "replica %u: goes on with the replacement of %s\n", c->id, p->begun);
        return carry_on(p, error);
    }
    if (change_path(path, c, "", "replaced", error))
        return -1;
    if (file_exists(path) && !c->again) {
        if (note_read(p, "", error) || keys_read(p, "", error))
            return -1;
        change_catch_up(c);
        if (keys_taken(c, p))
            return finished(p, error);
    }
    return folder_make(p, error) || carry_on(p, error) ? -1 : 0;
}

static bool host_possible(const char *host)
{
    size_t len = strlen(host);
    return len > 0 && len < ADDRESS_BYTES_MAX - 8 &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") == len;
}

int cmd_replace(int argc, char **argv)
{
    static const struct option options[] = {
        {"id", required_argument, NULL, 'i'}, {"host", required_argument, NULL, 'o'},
        {"again", no_argument, NULL, 'a'},    {"wait", required_argument, NULL, 'w'},
        {"help", no_argument, NULL, 'h'},     {0}};
    static struct replacement p;
    uint64_t id = UINT64_MAX, wait_s = 300;
    struct error error;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c == 'a')
            p.change.again = true;
        else if (c == 'o')
            p.wanted_host = optarg;
        else if (c != 'i' && c != 'w')
            return say_usage("replace", "%s: unknown option or no value", argv[optind - 1]);
        else if (c == 'i' && !number_read(optarg, 0, REPLICAS_MAX - 1, &id))
            return say_usage("replace", "--id %s: must be from 0 to %d", optarg, REPLICAS_MAX - 1);
        else if (c == 'w' && !number_read(optarg, 1, 86400, &wait_s))
            return say_usage("replace", "--wait %s: must be from 1 to 86400", optarg);
    }
    if (optind + 1 != argc || id == UINT64_MAX)
        return say_usage("replace", "exactly one DIR and --id are needed");
    if (p.wanted_host && !host_possible(p.wanted_host))
        return say_usage("replace", "--host %s: not a name or an address", p.wanted_host);
    int result = change_open(&p.change, argv[optind], (replica_id)id, (unsigned)wait_s, &error);
    if (result == 0)
        result = replace(&p, &error);
    change_close(&p.change);
    return result ? say_failed("%s", error.text) : 0;
}
