#include "change.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "certificate.h"
#include "hello_file.h"
#include "pages.h"

#define SHOW_MS     500u  /* so often the same RECONFIG is shown */
#define ANEW_MS     4000u /* executed in vain, perhaps: too much was pending */
#define PROGRESS_MS 5000u
#define STATUS_MS   1000u

uint64_t change_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void clock_set(struct change *c, unsigned wait_s)
{
    c->begun_ms = change_now_ms();
    c->deadline_ms = c->begun_ms + (uint64_t)wait_s * 1000;
}

int change_open_any_size(struct change *c, const char *dir, unsigned wait_s, struct error *error)
{
    clock_set(c, wait_s);
    if (administrator_open(&c->admin, dir, true, error))
        return -1;
    if (c->admin.config.protocol == PROTOCOL_HYBSTER)
        return error_set(error, "protocol hybster: how many replicas there are cannot be changed yet");
    return 0;
}

int change_open(struct change *c, const char *dir, replica_id id, unsigned wait_s, struct error *error)
{
    c->id = id;
    clock_set(c, wait_s);
    if (administrator_open(&c->admin, dir, false, error))
        return -1;
    if (id >= c->admin.config.replicas)
        return error_set(error, "--id %u: there are %u replicas, numbered from 0", id,
                         c->admin.config.replicas);
    if (c->admin.held->fixed)
        return error_set(error,
                         "%s: with durability sync the members of a running cluster cannot be changed yet: "
                         "stop all replicas, change the folder, and start the cluster again",
                         dir);
    return 0;
}

void change_close(struct change *c)
{
    administrator_close(&c->admin);
}

bool change_timed_out(const struct change *c)
{
    return change_now_ms() > c->deadline_ms;
}

void change_progress(struct change *c, const char *format, ...)
{
    va_list arguments;
    if (change_now_ms() < c->told_ms + PROGRESS_MS)
        return;
    c->told_ms = change_now_ms();
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

int change_path(char *out, const struct change *c, const char *suffix, const char *name, struct error *error)
{
    return path_make(out, "%s/replica-%u%s%s%s", c->admin.config.dir, c->id, suffix, *name ? "/" : "", name)
               ? 0
               : error_set(error, "%s: name too long", c->admin.config.dir);
}

void change_catch_up(struct change *c)
{
    configuration_no before;
    administrator_attend(&c->admin, 1000);
    do {
        before = c->admin.held->number;
        administrator_attend(&c->admin, 600);
    } while (c->admin.held->number > before);
}

/* ---------------------------------------------------------------- keys */

void change_remove(const char *folder)
{
    char path[PATH_BYTES];
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
        if (entry->d_type == DT_REG && path_make(path, "%s/%s", folder, entry->d_name))
            unlink(path);
    if (dir)
        closedir(dir);
    rmdir(folder);
}

int change_draw_link(const char *folder, replica_id id, struct error *error)
{
    char key[PATH_BYTES], certificate[PATH_BYTES], name[64];
    snprintf(name, sizeof name, "Redoubt replica %u", id);
    if (!path_make(key, "%s/host.key", folder) || !path_make(certificate, "%s/host.crt", folder))
        return error_set(error, "%s: name too long", folder);
    return certificate_make(key, certificate, name, false, error);
}

int change_link_public(uint8_t public[32], const char *folder, struct error *error)
{
    char path[PATH_BYTES];
    struct sign_key key;
    if (!path_make(path, "%s/host.key", folder))
        return error_set(error, "%s: name too long", folder);
    if (certificate_key_read(&key, path, error))
        return -1;
    memcpy(public, key.public, 32);
    crypto_wipe(&key, sizeof key);
    return 0;
}

/* ---------------------------------------------------------------- what is ordered */

static uint8_t fields[RENEWALS_MAX * renewal_BYTES];

struct slice change_host(struct change *c, const uint8_t link_public[32], const uint8_t *platform_public)
{
    struct writer w = writer_to(fields, sizeof fields);
    struct renewal host = {.kind = KIND_HOST, .epoch = c->admin.held->host[c->id].epoch + 1};
    memcpy(host.sign_public.bytes, link_public, 32);
    if (platform_public)
        memcpy(host.box_public.bytes, platform_public, 32);
    renewal_put(&w, &host);
    CHECK(!w.bad);
    return (struct slice){fields, w.len};
}

/* One epoch for all three, as one fault domain wants it; barely above theirs, so that any clock is later. */
struct slice change_lock_out(struct change *c)
{
    struct writer w = writer_to(fields, sizeof fields);
    struct sign_key sign;
    struct box_key box;
    epoch_no epoch = 0;
    for (unsigned k = KIND_PREPARATION - KIND_HOST; k < MEMBER_KINDS; k++)
        if (c->admin.held->member[k][c->id].epoch >= epoch)
            epoch = c->admin.held->member[k][c->id].epoch + 1;
    sign_keypair(&sign);
    box_keypair(&box);
    for (unsigned k = KIND_PREPARATION - KIND_HOST; k < MEMBER_KINDS; k++) {
        struct renewal renewal = {.kind = (uint32_t)member_kind(c->admin.held->protocol, (int)k),
                                  .epoch = epoch,
                                  .measurement = c->admin.held->member[k][c->id].measurement};
        memcpy(renewal.sign_public.bytes, sign.public, 32);
        memcpy(renewal.box_public.bytes, box.public, 32);
        renewal_put(&w, &renewal);
    }
    crypto_wipe(&sign, sizeof sign);
    crypto_wipe(&box, sizeof box);
    CHECK(!w.bad);
    return (struct slice){fields, w.len};
}

/* Rises: hosts go by the latest attempt about a replica. */
static uint64_t attempt_draw(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void wait_said(struct change *c, const char *what)
{
    struct administrator *a = &c->admin;
    uint32_t reached = (uint32_t)__builtin_popcount(administrator_reached(a));
    if (reached < quorum_vote(a->held))
        change_progress(c, "%s: waits: only %u of %u replicas can be reached, and %u are needed", what,
                        reached, a->held->replicas, quorum_vote(a->held));
    else if (change_now_ms() > c->begun_ms + 2000)
        change_progress(
            c, "%s: waits for the cluster (configuration %llu; only so many changes are made at a time)",
            what, (unsigned long long)a->held->number);
}

int change_carry_out(struct change *c, bool (*done)(const struct change *, const void *),
                     struct slice (*make)(struct change *, const void *), const void *context,
                     const char *peer, const char *client, const char *what, struct error *error)
{
    struct administrator *a = &c->admin;
    uint8_t kept[sizeof fields];
    struct slice members = {kept, 0};
    configuration_no number = 0;
    uint64_t next_ms = 0;
    while (!done(c, context)) {
        if (change_timed_out(c))
            return error_set(error, "%s: not done within the time given: run it again, it goes on from here",
                             what);
        bool anew = number != a->held->number || change_now_ms() > c->shown_ms + ANEW_MS;
        if (anew) {
            struct slice made = make(c, context);
            memcpy(kept, made.data, made.len);
            members.len = made.len;
            number = a->held->number;
            c->attempt = attempt_draw();
            c->shown_ms = change_now_ms();
        }
        if (anew || change_now_ms() >= next_ms) {
            administrator_reconfigure(a, c->id, c->attempt, members, peer, client);
            next_ms = change_now_ms() + SHOW_MS;
        }
        administrator_attend(a, 100);
        wait_said(c, what);
    }
    return 0;
}

/* ---------------------------------------------------------------- the others */

enum health { HEALTH_UNKNOWN, HEALTH_GOOD, HEALTH_BAD };

/* What it says of itself, where its metrics port can be asked from here. */
static enum health health_of(const struct replica_config *replica)
{
    char *body = NULL;
    struct error ignored;
    if (page_fetch(&replica->metrics, "/status", STATUS_MS, &body, &ignored) != 200) {
        free(body);
        return HEALTH_UNKNOWN;
    }
    bool well = strstr(body, "\"full\":true") && strstr(body, "\"voting\":true");
    free(body);
    return well ? HEALTH_GOOD : HEALTH_BAD;
}

int change_await_all(struct change *c, replica_id but, struct error *error)
{
    struct administrator *a = &c->admin;
    for (;;) {
        replica_id missing = 0;
        while (missing < a->held->replicas && (missing == but || administrator_reached(a) >> missing & 1))
            missing++;
        if (missing == a->held->replicas)
            return 0;
        if (change_timed_out(c))
            return error_set(error,
                             "replica %u cannot be reached, and all start again when their number changes: "
                             "bring it back, or `redoubt replace` it, first",
                             missing);
        change_progress(c, "waits: replica %u cannot be reached", missing);
        administrator_attend(a, 500);
    }
}

int change_await_others(struct change *c, struct error *error)
{
    struct administrator *a = &c->admin;
    for (;;) {
        uint32_t well = 0;
        administrator_attend(a, 500);
        for (replica_id r = 0; r < a->held->replicas; r++)
            if (r != c->id && administrator_reached(a) >> r & 1)
                well += health_of(&a->config.replica[r]) != HEALTH_BAD;
        if (well >= quorum_vote(a->held))
            return 0;
        if (change_timed_out(c))
            return error_set(error,
                             "only %u of the other %u replicas are well, and %u must be before replica %u is "
                             "taken out: bring them back first (see `redoubt status %s`)",
                             well, a->held->replicas - 1, quorum_vote(a->held), c->id, a->config.dir);
        change_progress(c, "waits: only %u of the other %u replicas are well, and %u must be", well,
                        a->held->replicas - 1, quorum_vote(a->held));
    }
}

bool change_is_up(const struct change *c)
{
    char path[PATH_BYTES];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = path_make(path, "%s/cluster.yaml", c->admin.config.dir) ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    bool up = fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return up;
}

/* ---------------------------------------------------------------- endpoints.json */

static void print_endpoint(struct buffer *b, const char *name, const struct address *address)
{
    if (address->port == 0)
        buffer_print(b, ", \"%s\": null", name);
    else
        buffer_print(b, strchr(address->host, ':') ? ", \"%s\": \"[%s]:%u\"" : ", \"%s\": \"%s:%u\"", name,
                     address->host, address->port);
}

int endpoints_write(const struct config *config, struct error *error)
{
    char path[PATH_BYTES];
    struct buffer b = {0};
    if (!path_make(path, "%s/endpoints.json", config->dir))
        return error_set(error, "%s: name too long", config->dir);
    buffer_print(&b, "{\"ca\": \"ca.pem\", \"replicas\": [\n");
    for (replica_id r = 0; r < config->replicas; r++) {
        buffer_print(&b, "  {\"id\": %u", r);
        print_endpoint(&b, "peer", &config->replica[r].peer);
        print_endpoint(&b, "client", &config->replica[r].client);
        static const char *const names[] = {"https", "rediss", "http", "redis"};
        for (int i = 0; i < 4; i++)
            print_endpoint(&b, names[i], &config->replica[r].front[i]);
        print_endpoint(&b, "metrics", &config->replica[r].metrics);
        buffer_print(&b, "}%s\n", r + 1 < config->replicas ? "," : "");
    }
    buffer_print(&b, "]}\n");
    int result = file_write(path, buffer_data(&b), b.len, 0644, error);
    buffer_free(&b);
    return result;
}
