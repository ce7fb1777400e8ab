/*
 * A kv service under test: operations in one line each, and a watch over its leaves. In each operation that is watched a
 * leaf must be touched before it changes, and no leaf may change that was not touched.
 */
#ifndef KV_WORLD_H
#define KV_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fake_env.h"
#include "kv/kv.h"
#include "kv/kv_codec.h"
#include "kv/kv_store.h"

#define LEAVES_WATCHED 4096u

/* KV_APART: the same through trusted/application, as with `split_app`. */
#ifdef KV_APART
#include "application_pair.h"
static const struct redoubt_service *const kv = &application_proxy;
#else
static const struct redoubt_service *const kv = &redoubt_service_kv;
#endif

/* One service instance, and what is known of its leaves between operations. */
struct world {
    struct fake_env fake;
    void *state;
    struct kv_store *store;
#ifdef KV_APART
    struct application_pair *pair;
#endif
    uint8_t seed[32];
    uint8_t *request;
    struct redoubt_result result;
    bool watch; /* check leaf digests and touches at every operation */
    uint64_t leaves;
    uint8_t (*digest)[REDOUBT_DIGEST_BYTES];
    bool *touched;
    bool untrue; /* a leaf was touched after it had changed */
};

static inline void *need(void *memory)
{
    assert_non_null(memory);
    return memory;
}

static inline void world_on_touch(void *context, uint64_t leaf)
{
    struct world *w = context;
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    if (!w->watch || leaf >= LEAVES_WATCHED || w->touched[leaf])
        return;
    w->touched[leaf] = true;
    if (leaf >= w->leaves)
        return;
    kv->leaf_digest(w->state, leaf, digest);
    if (memcmp(digest, w->digest[leaf], sizeof digest) != 0)
        w->untrue = true;
}

static inline struct world *world_new(const char *options)
{
    struct world *w = need(calloc(1, sizeof *w));
    fake_env_init(&w->fake);
    w->fake.on_touch = world_on_touch;
    w->fake.context = w;
    memset(w->seed, 7, sizeof w->seed);
    w->request = need(malloc(REDOUBT_OP_MAX_BYTES + 1));
    w->result.data = need(malloc(REDOUBT_OP_MAX_BYTES));
    w->result.capacity = REDOUBT_OP_MAX_BYTES;
    w->digest = need(calloc(LEAVES_WATCHED, sizeof *w->digest));
    w->touched = need(calloc(LEAVES_WATCHED, sizeof *w->touched));
#ifdef KV_APART
    w->pair = application_pair_new(&redoubt_service_kv, 64u << 20);
    struct application_link link = application_pair_link(w->pair);
    application_proxy_use(&link);
    w->state = need(kv->create(&w->fake.env, options));
    w->store = w->pair->application->state;
#else
    w->state = need(kv->create(&w->fake.env, options));
    w->store = w->state;
#endif
    return w;
}

/* Services live as long as their environment; here the memory is counted and must all come back. */
static inline void world_free(struct world *w)
{
    w->watch = false;
    assert_true(kv->reset(w->state, 1, false));
#ifdef KV_APART
    application_pair_free(w->pair);
    free((uint8_t *)w->state - FAKE_HEAD); /* the proxy */
#else
    w->fake.env.release(&w->fake.env, w->store->page[0], KV_PAGE_LEAVES * sizeof(struct kv_leaf));
    w->fake.env.release(&w->fake.env, w->store, sizeof *w->store);
    assert_int_equal(w->fake.live_bytes, 0);
#endif
    free(w->request);
    free(w->result.data);
    free(w->digest);
    free(w->touched);
    free(w);
}

static inline void digests_record(struct world *w)
{
    w->leaves = kv->leaf_count(w->state);
    assert_true(w->leaves <= LEAVES_WATCHED);
    for (uint64_t i = 0; i < w->leaves; i++) {
        kv->expect_leaves(w->state, &i, 1);
        kv->leaf_digest(w->state, i, w->digest[i]);
    }
#ifdef KV_APART
    static uint64_t all[LEAVES_WATCHED / 64];
    memset(all, 0xff, sizeof all);
    application_apart.freeze(w->state, all, w->leaves); /* on_touch looks at all of them */
#endif
}

/* A leaf that is not what it was must have been touched. */
static inline void digests_compare(struct world *w)
{
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    uint64_t leaves = kv->leaf_count(w->state);
    assert_false(w->untrue);
    assert_true(leaves >= w->leaves);
    for (uint64_t i = 0; i < leaves; i++) {
        kv->leaf_digest(w->state, i, digest);
        bool same = i < w->leaves && memcmp(digest, w->digest[i], sizeof digest) == 0;
        if (!same && !w->touched[i])
            fail_msg("leaf %llu changed without touch", (unsigned long long)i);
        w->touched[i] = false;
        memcpy(w->digest[i], digest, sizeof digest);
    }
    w->leaves = leaves;
}

static inline enum redoubt_status run(struct world *w, size_t bytes)
{
    struct redoubt_op op = {.data = w->request, .bytes = bytes, .seed = w->seed};
    assert_true(bytes > 0);
    if (w->watch)
        digests_record(w);
    if (kv->expect)
        kv->expect(w->state, &op, 1); /* changes nothing, whatever the operation is */
    enum redoubt_status status = kv->execute(w->state, &op, &w->result);
    if (w->watch)
        digests_compare(w);
    return status;
}

static inline enum redoubt_status run_read(struct world *w, size_t bytes)
{
    struct redoubt_op op = {.data = w->request, .bytes = bytes, .seed = w->seed};
    assert_true(bytes > 0);
    return kv->read(w->state, &op, &w->result);
}

static inline struct slice text(const char *s)
{
    return (struct slice){.data = (const uint8_t *)s, .len = strlen(s)};
}

static inline struct kv_maybe some(const char *s)
{
    return (struct kv_maybe){.present = true, .bytes = text(s)};
}

static const struct kv_maybe none;

static inline enum redoubt_status put(struct world *w, const char *key, const char *value)
{
    return run(w, kv_put_encode(w->request, REDOUBT_OP_MAX_BYTES, key, strlen(key), value, strlen(value)));
}

static inline enum redoubt_status increment(struct world *w, const char *key, int64_t delta)
{
    return run(w, kv_increment_encode(w->request, REDOUBT_OP_MAX_BYTES, key, strlen(key), delta));
}

static inline enum redoubt_status cas(struct world *w, const char *key, struct kv_maybe expected,
                                      struct kv_maybe value)
{
    return run(w, kv_cas_encode(w->request, REDOUBT_OP_MAX_BYTES, key, strlen(key), expected, value));
}

static inline enum redoubt_status del(struct world *w, const char *key)
{
    return run(w, kv_delete_encode(w->request, REDOUBT_OP_MAX_BYTES, key, strlen(key)));
}

/* The key's value is `value`, or it is not there (NULL); by execute and by read. */
static inline void assert_value(struct world *w, const char *key, const char *value)
{
    size_t bytes = kv_get_encode(w->request, REDOUBT_OP_MAX_BYTES, key, strlen(key));
    for (int i = 0; i < 2; i++) {
        enum redoubt_status status = i ? run_read(w, bytes) : run(w, bytes);
        assert_int_equal(status, value ? REDOUBT_OK : REDOUBT_NOT_FOUND);
        assert_int_equal(w->result.bytes, value ? strlen(value) : 0);
        if (value)
            assert_memory_equal(w->result.data, value, strlen(value));
    }
}

static inline void assert_conflict(struct world *w, enum kv_reason reason, uint32_t step, const char *current)
{
    struct kv_conflict c;
    assert_true(kv_conflict_decode(w->result.data, w->result.bytes, &c));
    assert_int_equal(c.reason, reason);
    assert_int_equal(c.step, step);
    assert_int_equal(c.current.present, current != NULL);
    if (current) {
        assert_int_equal(c.current.bytes.len, strlen(current));
        assert_memory_equal(c.current.bytes.data, current, strlen(current));
    }
}

static uint64_t random_state = 88172645463325252u;

static inline uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static inline uint32_t below(uint32_t bound)
{
    return (uint32_t)((random_next() >> 16) % bound);
}

static inline size_t sample_batch(struct world *w, struct kv_maybe expected)
{
    struct kv_batch batch;
    kv_batch_begin(&batch, w->request, REDOUBT_OP_MAX_BYTES);
    kv_batch_put(&batch, "a", 1, "1", 1);
    kv_batch_increment(&batch, "a", 1, 41); /* sees the step before */
    kv_batch_delete(&batch, "b", 1);
    kv_batch_put(&batch, "b", 1, "again", 5);
    kv_batch_delete(&batch, "missing", 7);
    kv_batch_cas(&batch, "c", 1, expected, some("new"));
    return kv_batch_end(&batch);
}

static inline bool leaves_equal(struct world *a, struct world *b)
{
    uint8_t da[REDOUBT_DIGEST_BYTES];
    uint8_t db[REDOUBT_DIGEST_BYTES];
    uint64_t leaves = kv->leaf_count(a->state);
    if (leaves != kv->leaf_count(b->state))
        return false;
    for (uint64_t i = 0; i < leaves; i++) {
        kv->leaf_digest(a->state, i, da);
        kv->leaf_digest(b->state, i, db);
        if (memcmp(da, db, sizeof da) != 0)
            return false;
    }
    return true;
}

static inline void save(struct world *w, uint64_t leaf, struct fake_sink *sink)
{
    fake_sink_clear(sink);
    kv->leaf_save(w->state, leaf, &sink->sink);
}

static inline bool copy_state(struct world *from, struct world *to)
{
    struct fake_sink sink;
    uint64_t leaves = kv->leaf_count(from->state);
    fake_sink_init(&sink);
    bool good = kv->reset(to->state, leaves, false);
    for (uint64_t i = 0; good && i < leaves; i++) {
        save(from, i, &sink);
        good = kv->leaf_load(to->state, i, sink.data, sink.bytes);
    }
    fake_sink_free(&sink);
    return good;
}

static inline void fill(struct world *w, uint32_t keys)
{
    char key[32];
    char value[64];
    for (uint32_t i = 0; i < keys; i++) {
        snprintf(key, sizeof key, "key %u", i);
        snprintf(value, sizeof value, "%0*u", 1 + (int)(i % 60), i);
        assert_int_equal(put(w, key, value), REDOUBT_OK);
    }
}

#endif
