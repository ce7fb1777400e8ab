#include "backups.h"

#include <stdlib.h>
#include <sys/mman.h>

#define E KIND_EXECUTION

struct slice backup_test_request(struct backup_test *t, const struct ask_backup *ask,
                                 const struct sign_key *admin)
{
    static struct auth as;
    as.self = (struct sender){.kind = KIND_ADMIN};
    as.cluster = t->cluster->id;
    as.sign = *admin;
    struct slice body = cluster_body(t->cluster, ask_backup, ask);
    return forge_signed(t->cluster, &as, FRAME_ASK_BACKUP, body, (struct slice){NULL, 0});
}

void backup_test_raw(struct backup_test *t, struct slice bytes)
{
    if (t->cap < t->len + bytes.len) {
        t->cap = 2 * (t->len + bytes.len + 4096);
        t->file = realloc(t->file, t->cap);
        CHECK(t->file != NULL);
    }
    if (bytes.len)
        memcpy(t->file + t->len, bytes.data, bytes.len);
    t->len += bytes.len;
}

void backup_test_append(struct backup_test *t, struct slice frame)
{
    uint8_t length[4];
    struct writer w = writer_to(length, sizeof length);
    put_u32(&w, (uint32_t)frame.len);
    backup_test_raw(t, (struct slice){length, sizeof length});
    backup_test_raw(t, frame);
}

void backup_test_file(struct backup_test *t)
{
    struct frame start;
    uint8_t bare[65536];
    CHECK(frame_decode(t->cluster->start.data, t->cluster->start.len, &start));
    size_t len = frame_strip(bare, sizeof bare, &start);
    CHECK(len > 0);
    t->len = 0;
    backup_test_raw(t, (struct slice){(const uint8_t *)BACKUP_MAGIC, 16});
    backup_test_raw(t, (struct slice){t->cluster->admin.public, 32});
    backup_test_append(t, (struct slice){bare, len});
    backup_test_append(t, backup_test_request(t, &t->ask, &t->cluster->admin));
}

void backup_test_begin(struct backup_test *t, struct cluster *cluster, replica_id from)
{
    if (!t->cluster)
        box_keypair(&t->key);
    t->cluster = cluster;
    t->ask = (struct ask_backup){.replica = from,
                                 .number = 1,
                                 .asked_us = t->ask.asked_us + 1,
                                 .until_us = cluster->now_us + 3600000000u};
    memcpy(t->ask.backup_public.bytes, t->key.public, 32);
    crypto_random(t->ask.session.bytes, sizeof t->ask.session.bytes);
    backup_test_file(t);
}

const struct sent *backup_test_next(struct backup_test *t)
{
    cluster_forget(t->cluster);
    (void)cluster_give(t->cluster, E, t->ask.replica, backup_test_request(t, &t->ask, &t->cluster->admin));
    const struct sent *sent = cluster_last(t->cluster, E, t->ask.replica, FRAME_BACKUP);
    t->ask.number += sent != NULL;
    return sent;
}

void backup_test_take(struct backup_test *t)
{
    for (int idle = 0;;) {
        struct backup piece;
        const struct sent *sent = backup_test_next(t);
        if (!sent) {
            slot_no executed = cluster_e(t->cluster, 0)->executed;
            cluster_fill(t->cluster, (executed / CHECKPOINT_INTERVAL + 1) * CHECKPOINT_INTERVAL);
            cluster_run(t->cluster);
            CHECK(++idle < 3); /* else none comes */
            continue;
        }
        backup_test_append(t, sent_slice(sent));
        CHECK(backup_decode(sent->frame.body, &piece));
        if (piece.what == BACKUP_HEAD)
            return;
    }
}

void backup_test_free(struct backup_test *t)
{
    free(t->file);
    *t = (struct backup_test){0};
}

static bool find_service(void *context, const char *name, const struct redoubt_service **service,
                         const void **state)
{
    struct cluster *c = ((struct backup_test *)context)->cluster;
    *service = cluster_e(c, 0)->service;
    *state = cluster_e(c, 0)->service_state;
    return strcmp((*service)->name, name) == 0;
}

static struct {
    void (*on_part)(void *, uint64_t, const struct leaf_part *);
    void *context;
} parts;

static void on_part(void *context, uint64_t number, const struct leaf_part *part)
{
    (void)context;
    if (parts.on_part)
        parts.on_part(parts.context, number, part);
}

enum backup_result backup_test_read(struct backup_test *t, struct slice file, const struct box_key *key,
                                    struct backup_reader **reader,
                                    void (*part)(void *, uint64_t, const struct leaf_part *), void *context)
{
    static struct backup_reader r;
    static struct arena arena;
    static void *memory;
    if (memory)
        munmap(memory, BACKUP_ARENA_BYTES);
    memory = NULL;
    if (key) {
        memory = mmap(NULL, BACKUP_ARENA_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        CHECK(memory != MAP_FAILED);
        arena_init(&arena, memory, BACKUP_ARENA_BYTES);
    }
    backup_reader_init(&r, &arena, key);
    parts.on_part = part;
    parts.context = context;
    r.find_service = find_service;
    r.on_part = on_part;
    r.context = t;
    *reader = &r;
    return backup_read_all(&r, file, t->cluster->admin.public);
}
