#include "offline.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "commands.h"
#include "counter/counter.h"
#include "kv/kv.h"
#include "pages/pages.h"

#define SERVICE_ARENA_BYTES (1ull << 30) /* address space; an empty state and one leaf's digests are in it */

/* --- a service without a cluster ----------------------------------------------------------------------------------------- */

static void *env_alloc(const struct redoubt_env *env, size_t bytes)
{
    struct offline *o = env->engine;
    return arena_alloc(&o->service_arena, bytes);
}

static void env_release(const struct redoubt_env *env, void *memory, size_t bytes)
{
    struct offline *o = env->engine;
    arena_free(&o->service_arena, memory, bytes);
}

static void env_touch(const struct redoubt_env *env, uint64_t leaf)
{
    (void)env, (void)leaf;
}

static void env_digest(uint8_t out[REDOUBT_DIGEST_BYTES], const void *data, size_t bytes)
{
    struct digest digest;
    digest_of(&digest, "leaf", data, bytes);
    memcpy(out, digest.bytes, sizeof digest.bytes);
}

static void *address_space(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED && "out of memory");
    return memory;
}

struct callbacks {
    struct offline *offline;
    void (*on_part)(void *context, uint64_t number, const struct leaf_part *part);
    void *context;
};

static bool find_service(void *context, const char *name, const struct redoubt_service **service,
                         const void **state)
{
    static const struct redoubt_service *const known[] = {&redoubt_service_kv, &redoubt_service_pages,
                                                          &redoubt_service_counter};
    struct offline *o = ((struct callbacks *)context)->offline;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(known[i]->name, name) != 0)
            continue;
        o->service_memory = address_space(SERVICE_ARENA_BYTES);
        arena_init(&o->service_arena, o->service_memory, SERVICE_ARENA_BYTES);
        o->env = (struct redoubt_env){.engine = o,
                                      .alloc = env_alloc,
                                      .release = env_release,
                                      .touch = env_touch,
                                      .digest = env_digest};
        *service = known[i];
        *state = known[i]->create(&o->env, "");
        return *state != NULL;
    }
    return false;
}

static void on_part(void *context, uint64_t number, const struct leaf_part *part)
{
    struct callbacks *c = context;
    if (c->on_part)
        c->on_part(c->context, number, part);
}

/* --- how old it is -------------------------------------------------------------------------------------------------------- */

const char *time_text(char out[TIME_TEXT_BYTES], uint64_t time_us)
{
    time_t seconds = (time_t)(time_us / 1000000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || !strftime(out, TIME_TEXT_BYTES, "%Y-%m-%dT%H:%M:%SZ", &tm))
        snprintf(out, TIME_TEXT_BYTES, "?");
    return out;
}

const char *hex_text(char *out, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
    return out;
}

static int check_newer(const struct offline *o, struct error *error)
{
    uint64_t slot;
    struct tm tm = {0};
    char is[TIME_TEXT_BYTES];
    if (!o->newer_than)
        return 0;
    if (number_read(o->newer_than, 0, UINT64_MAX, &slot))
        return o->reader.slot > slot ? 0
                                     : error_set(error,
                                                 "%s: refused: stale: it is of slot %" PRIu64
                                                 ", and was to be newer than slot %" PRIu64,
                                                 o->path, o->reader.slot, slot);
    const char *end = strptime(o->newer_than, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (!end || *end)
        return error_set(error, "--newer-than %s: neither a slot nor a time like 2026-11-21T07:00:00Z",
                         o->newer_than);
    return (int64_t)(o->reader.time_us / 1000000) > (int64_t)timegm(&tm)
               ? 0
               : error_set(error, "%s: refused: stale: it is of %s, and was to be newer than %s", o->path,
                           time_text(is, o->reader.time_us), o->newer_than);
}

/* Lines: cluster id, slot, time, root, file. */
static int check_ledger(const struct offline *o, struct error *error)
{
    char cluster[33], own[33], file[PATH_BYTES];
    uint64_t slot;
    int result = 0;
    if (!o->ledger_path)
        return 0;
    FILE *in = fopen(o->ledger_path, "re");
    if (!in)
        return error_set(error, "%s: %s", o->ledger_path, strerror(errno));
    hex_text(own, o->reader.configuration.cluster.bytes, 16);
    char line[PATH_BYTES + 256];
    while (result == 0 && fgets(line, sizeof line, in)) {
        if (sscanf(line, "%32s %" SCNu64 " %*s %*s %4095[^\n]", cluster, &slot, file) != 3)
            result = error_set(error, "%s: not a list of backups", o->ledger_path);
        else if (strcmp(cluster, own) == 0 && slot > o->reader.slot)
            result = error_set(error,
                               "%s: refused: stale: it is of slot %" PRIu64 ", and %s of slot %" PRIu64
                               " was taken later (%s)",
                               o->path, o->reader.slot, file, slot, o->ledger_path);
    }
    fclose(in);
    return result;
}

int ledger_add(const char *dir, const struct backup_reader *r, const char *file, struct error *error)
{
    char path[PATH_BYTES], line[PATH_BYTES + 256], cluster[33], root[65], when[TIME_TEXT_BYTES];
    if (!path_make(path, "%s/backups", dir))
        return error_set(error, "%s: name too long", dir);
    int len = snprintf(line, sizeof line, "%s %" PRIu64 " %s %s %s\n",
                       hex_text(cluster, r->configuration.cluster.bytes, 16), r->slot,
                       time_text(when, r->time_us), hex_text(root, r->root.bytes, 32), file);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0644);
    bool good = fd >= 0 && len > 0 && (size_t)len < sizeof line && write(fd, line, (size_t)len) == len;
    int result = good ? 0 : error_set(error, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    return result;
}

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

static void show_progress(uint64_t bytes, uint64_t of)
{
    static time_t told;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (now.tv_sec < told + 2)
        return;
    if (told)
        fprintf(stderr, "read %" PRIu64 " of %" PRIu64 " MiB\n", bytes >> 20, of >> 20);
    told = now.tv_sec;
}

int offline_open(struct offline *o, struct error *error)
{
    if (!o->key_path)
        return 0;
    o->has_key = true;
    return backup_key_read(&o->key, o->key_path, error);
}

static void memory_release(struct offline *o)
{
    if (o->memory)
        munmap(o->memory, BACKUP_ARENA_BYTES);
    if (o->service_memory)
        munmap(o->service_memory, SERVICE_ARENA_BYTES);
    o->memory = o->service_memory = NULL;
}

int offline_read(struct offline *o,
                 void (*part)(void *context, uint64_t number, const struct leaf_part *part), void *context,
                 struct error *error)
{
    struct callbacks callbacks = {.offline = o, .on_part = part, .context = context};
    struct file admin = {NULL, 0};
    const uint8_t *admin_public = o->has_key ? o->key.admin_public : NULL;
    struct stat st;
    memory_release(o);
    if (o->admin_path) {
        if (file_read(&admin, o->admin_path, 4096, error))
            return -1;
        if (admin.len != 32) {
            file_free(&admin);
            return error_set(error, "%s: not a public key of 32 bytes", o->admin_path);
        }
        admin_public = admin.data;
    }
    o->admin_known = admin_public != NULL;
    if (o->has_key) {
        o->memory = address_space(BACKUP_ARENA_BYTES);
        arena_init(&o->arena, o->memory, BACKUP_ARENA_BYTES);
    }
    backup_reader_init(&o->reader, &o->arena, o->has_key ? &o->key.box : NULL);
    o->reader.find_service = find_service;
    o->reader.on_part = on_part;
    o->reader.context = &callbacks;
    int result =
        backup_file_read(&o->reader, o->path, admin_public, o->progress ? show_progress : NULL, error);
    file_free(&admin);
    o->bytes = stat(o->path, &st) == 0 ? (uint64_t)st.st_size : 0;
    return result || check_newer(o, error) || check_ledger(o, error) ? -1 : 0;
}

void offline_close(struct offline *o)
{
    memory_release(o);
    crypto_wipe(&o->key, sizeof o->key);
    crypto_wipe(&o->reader.content, sizeof o->reader.content);
}
