/*
 * Leaves of the kv service: their digests, and state that comes from a peer, who may lie.
 */
#include "kv_world.h"

/* Would the engine take these bytes for leaf `leaf` of `from`? */
static bool judged_good(struct world *from, struct world *to, uint64_t leaf, const uint8_t *data,
                        size_t bytes)
{
    uint8_t wanted[REDOUBT_DIGEST_BYTES], digest[REDOUBT_DIGEST_BYTES];
    kv->leaf_digest(from->state, leaf, wanted);
    return kv->saved_digest(to->state, leaf, data, bytes, digest) &&
           memcmp(digest, wanted, sizeof digest) == 0;
}

/* Loads the leaves of `from` with leaf `changed` replaced; true when the engine would take the result for the same. */
static bool load_with(struct world *from, struct world *to, uint64_t changed, const uint8_t *data,
                      size_t bytes)
{
    struct fake_sink sink;
    uint64_t leaves = kv->leaf_count(from->state);
    bool good = true;
    fake_sink_init(&sink);
    assert_true(kv->reset(to->state, leaves, false));
    for (uint64_t i = 0; good && i < leaves; i++) {
        save(from, i, &sink);
        if (i == changed)
            good = judged_good(from, to, i, data, bytes) && kv->leaf_load(to->state, i, data, bytes);
        else
            good = kv->leaf_load(to->state, i, sink.data, sink.bytes);
    }
    fake_sink_free(&sink);
    return good && leaves_equal(from, to);
}

static void tampered_leaves_are_refused(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct world *other = world_new("");
    fill(w, 40);
    assert_int_equal(kv->leaf_count(w->state), 3);
    for (uint64_t leaf = 0; leaf < 3; leaf++) {
        struct fake_sink sink;
        fake_sink_init(&sink);
        save(w, leaf, &sink);
        uint8_t *copy = need(malloc(sink.bytes + 1));
        memcpy(copy, sink.data, sink.bytes);
        copy[sink.bytes] = 0;
        assert_true(load_with(w, other, leaf, copy, sink.bytes));
        assert_false(load_with(w, other, leaf, copy, sink.bytes + 1));
        for (size_t i = 0; i < sink.bytes; i++) {
            assert_false(load_with(w, other, leaf, copy, i));
            copy[i] ^= (uint8_t)(1u << (i % 8));
            assert_false(load_with(w, other, leaf, copy, sink.bytes));
            copy[i] ^= (uint8_t)(1u << (i % 8));
        }
        free(copy);
        fake_sink_free(&sink);
    }
    world_free(w);
    world_free(other);
}

/* Forms that say the same in another way, or what no history leads to. */
static void only_the_canonical_form_is_taken(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct world *other = world_new("");
    static const uint8_t no_key_one_entry[25 + 4 + 6 + 2] = {
        [25] = 1, [29] = 1, [31] = 1, [35] = 'k', [36] = 'v'};
    static const uint8_t key_without_mark[25 + 4] = {[1] = 1};
    static const uint8_t collections_without_mark[25 + 4] = {[17] = 1};
    static const uint8_t mark_of_two[25 + 4] = {2};
    static const uint8_t empty[4];
    uint8_t swapped[25 + 4 + 16];
    struct fake_sink sink;
    fake_sink_init(&sink);

    uint8_t digest[REDOUBT_DIGEST_BYTES];
    assert_true(kv->reset(other->state, 1, false));
    assert_false(kv->leaf_load(other->state, 0, no_key_one_entry, sizeof no_key_one_entry));
    assert_false(kv->saved_digest(other->state, 0, key_without_mark, sizeof key_without_mark, digest));
    assert_false(kv->leaf_load(other->state, 0, key_without_mark, sizeof key_without_mark));
    assert_false(kv->saved_digest(other->state, 0, collections_without_mark, sizeof collections_without_mark,
                                  digest));
    assert_false(kv->saved_digest(other->state, 0, mark_of_two, sizeof mark_of_two, digest));
    assert_false(kv->leaf_load(other->state, 0, mark_of_two, sizeof mark_of_two));
    assert_true(kv->leaf_load(other->state, 0, (const uint8_t[29]){0}, 29));
    assert_true(kv->leaf_load(other->state, 0, (const uint8_t[29]){0}, 29)); /* in its own place */
    assert_false(kv->leaf_load(other->state, 1, empty, sizeof empty));       /* beyond the last */
    assert_true(kv->reset(other->state, 3, false));
    assert_true(kv->leaf_load(other->state, 1, empty, sizeof empty)); /* in any order */
    assert_false(kv->reset(other->state, 2, true));                   /* there is no way back */
    assert_false(kv->reset(other->state, 0, false));
    assert_false(kv->leaf_load(other->state, 0, empty, sizeof empty));
    assert_false(kv->reset(other->state, UINT64_MAX, false));
    assert_false(kv->leaf_load(other->state, 0, empty, sizeof empty));
    assert_false(kv->reset(other->state, 3, true)); /* what is broken is not kept */

    put(w, "a", "1");
    put(w, "b", "2");
    save(w, 0, &sink);
    assert_int_equal(sink.bytes, sizeof swapped);
    memcpy(swapped, sink.data, 29);
    memcpy(swapped + 29, sink.data + 37, 8);
    memcpy(swapped + 37, sink.data + 29, 8);
    assert_false(load_with(w, other, 0, swapped, sizeof swapped));
    memcpy(swapped + 29, sink.data + 37, 8);
    memcpy(swapped + 37, sink.data + 37, 8); /* the same key twice */
    assert_false(load_with(w, other, 0, swapped, sizeof swapped));
    assert_true(load_with(w, other, 0, sink.data, sink.bytes));
    fake_sink_free(&sink);
    world_free(w);
    world_free(other);
}

/* The first entry of leaf 1, offered in leaf 0. */
static void entries_stay_in_their_leaf(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct fake_sink sink;
    uint8_t leaf0[25 + 4 + 6 + 20 + 60];
    fake_sink_init(&sink);
    fill(w, 20);
    assert_int_equal(kv->leaf_count(w->state), 2);
    save(w, 0, &sink);
    memcpy(leaf0, sink.data, 25);
    memcpy(leaf0 + 25, (const uint8_t[]){1, 0, 0, 0}, 4);
    save(w, 1, &sink);
    size_t bytes = 6u + sink.data[4] + sink.data[6];
    memcpy(leaf0 + 29, sink.data + 4, bytes);
    assert_true(kv->reset(w->state, 2, false));
    assert_false(kv->leaf_load(w->state, 0, leaf0, 29 + bytes));
    fake_sink_free(&sink);
    world_free(w);
}

/* Brings `to` from its own past or from anything else to the state of `from`; returns the leaves that had to move. */
static uint64_t catch_up(struct world *from, struct world *to)
{
    uint64_t leaves = kv->leaf_count(from->state), moved = 0;
    uint8_t a[REDOUBT_DIGEST_BYTES], b[REDOUBT_DIGEST_BYTES];
    struct fake_sink sink;
    if (!kv->reset(to->state, leaves, true))
        assert_true(kv->reset(to->state, leaves, false));
    fake_sink_init(&sink);
    for (uint64_t leaf = 0; leaf < leaves; leaf++) {
        kv->leaf_digest(from->state, leaf, a);
        kv->leaf_digest(to->state, leaf, b);
        if (memcmp(a, b, sizeof a) == 0)
            continue;
        save(from, leaf, &sink);
        assert_true(judged_good(from, to, leaf, sink.data, sink.bytes));
        assert_true(kv->leaf_load(to->state, leaf, sink.data, sink.bytes));
        moved++;
    }
    fake_sink_free(&sink);
    assert_true(leaves_equal(from, to));
    kv_store_validate(to->state);
    return moved;
}

static void leaves_are_replaced_in_a_living_state(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct world *lags = world_new("");
    fill(w, 2000);
    fill(lags, 2000);
    assert_int_equal(catch_up(w, lags), 0);
    put(w, "key 7", "other");
    assert_int_equal(catch_up(w, lags), 1);
    /* As many leaves again: what was not changed is regrouped, not moved. */
    for (uint32_t i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %u", i);
        if (i % 10 == 0)
            del(w, key);
    }
    assert_true(catch_up(w, lags) <= 126);
    for (uint32_t i = 0; i < 40; i++) {
        char key[32];
        snprintf(key, sizeof key, "late %u", i);
        put(w, key, "x");
    }
    fill(w, 2600);
    assert_true(kv->leaf_count(w->state) > kv->leaf_count(lags->state));
    (void)catch_up(w, lags);
    /* The other way round there is no regrouping, and all moves. */
    struct world *small = world_new("");
    fill(small, 20);
    assert_int_equal(catch_up(small, lags), 2);
    assert_int_equal(kv->leaf_count(lags->state), 2);
    world_free(w);
    world_free(lags);
    world_free(small);
}

/* Both went their own ways: keys that only one has, values that differ in length, in bytes, or not at all. */
static void what_both_have_stays_what_differs_is_replaced(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct world *lags = world_new("");
    uint32_t dice = 12345;
    char value[300];
    memset(value, 'x', sizeof value);
    fill(w, 600);
    fill(lags, 600);
    for (uint32_t round = 0; round < 30; round++) {
        for (uint32_t i = 0; i < 200; i++) {
            char key[32];
            struct world *one = (dice = dice * 1664525u + 1013904223u) >> 31 ? w : lags;
            snprintf(key, sizeof key, "key %u", (dice >> 8) % 700);
            size_t len = (dice >> 20) % sizeof value;
            value[len] = 0;
            if ((dice >> 4) % 4 == 0)
                del(one, key);
            else
                put(one, key, value);
            value[len] = 'x';
        }
        (void)catch_up(w, lags);
        assert_int_equal(catch_up(w, lags), 0);
    }
    world_free(w);
    world_free(lags);
}

/* Under another hash key every key has another place: leaf 0 says so, and empties the others. */
static void another_hash_key_empties_the_rest(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct world *other = world_new("");
    other->seed[3] = 200;
    fill(w, 500);
    fill(other, 500);
    other->fake.touches = 0;
    assert_int_equal(catch_up(w, other), kv->leaf_count(w->state));
    assert_true(other->fake.touches >= 2 * kv->leaf_count(w->state) - 2);
    world_free(w);
    world_free(other);
}

/* A leaf for which there is no memory is empty, and comes in when there is. More than the limit is no obstacle on the way. */
static void memory_that_is_lacking_half_way(void **unused)
{
    (void)unused;
    struct world *w = world_new("memory_mb=1");
    struct world *other = world_new("memory_mb=1");
    struct fake_sink sink;
    char value[4000];
    memset(value, 'v', sizeof value - 1);
    value[sizeof value - 1] = 0;
    for (uint32_t i = 0; i < 180; i++) {
        char key[32];
        snprintf(key, sizeof key, "%c%u", 'a', i);
        assert_int_equal(put(w, key, value), REDOUBT_OK);
        assert_int_equal(put(other, key, value), REDOUBT_OK);
    }
    for (uint32_t i = 0; i < 180; i++) {
        char key[32];
        snprintf(key, sizeof key, "%c%u", 'a', i);
        del(w, key);
        snprintf(key, sizeof key, "%c%u", 'b', i);
        assert_int_equal(put(w, key, value), REDOUBT_OK);
    }
    fake_sink_init(&sink);
    save(w, 1, &sink);
    other->fake.allocs_left = 3;
    assert_false(kv->leaf_load(other->state, 1, sink.data, sink.bytes));
    kv_store_validate(other->state);
    other->fake.allocs_left = UINT64_MAX;
    (void)catch_up(w, other);
    fake_sink_free(&sink);
    world_free(w);
    world_free(other);
}

/* Contents that a careless digest would take for one another. */
static void digests_tell_all_apart(void **unused)
{
    (void)unused;
    struct world *a = world_new("");
    struct world *b = world_new("");
    static const uint8_t large[3000];
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    a->fake.env.digest(digest, large, sizeof large);
    run(a, kv_put_encode(a->request, 9999, "k", 1, large, sizeof large));
    run(b, kv_put_encode(b->request, 9999, "k", 1, digest, sizeof digest));
    assert_false(leaves_equal(a, b));
    put(a, "k", "v");
    put(b, "kv", "");
    del(b, "k");
    assert_false(leaves_equal(a, b));
    del(a, "k");
    del(b, "kv");
    assert_true(leaves_equal(a, b)); /* the same hash key, no entries */
    struct world *c = world_new("");
    assert_false(leaves_equal(a, c)); /* no hash key yet */
    c->seed[0]++;
    put(c, "k", "v");
    del(c, "k");
    assert_false(leaves_equal(a, c)); /* another one */
    world_free(a);
    world_free(b);
    world_free(c);
}

/* The same operations and seeds give the same leaves; another seed spreads the keys differently. */
static void hash_key_comes_from_the_seed(void **unused)
{
    (void)unused;
    struct world *a = world_new("");
    struct world *b = world_new("");
    struct world *c = world_new("");
    c->seed[0] = 1;
    fill(a, 100);
    fill(b, 1);
    b->seed[5] = 99; /* only the first insertion counts */
    fill(b, 100);
    fill(c, 100);
    assert_true(leaves_equal(a, b));
    assert_false(leaves_equal(a, c));
    world_free(a);
    world_free(b);
    world_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tampered_leaves_are_refused),
        cmocka_unit_test(only_the_canonical_form_is_taken),
        cmocka_unit_test(entries_stay_in_their_leaf),
        cmocka_unit_test(digests_tell_all_apart),
        cmocka_unit_test(hash_key_comes_from_the_seed),
        cmocka_unit_test(leaves_are_replaced_in_a_living_state),
        cmocka_unit_test(what_both_have_stays_what_differs_is_replaced),
        cmocka_unit_test(another_hash_key_empties_the_rest),
        cmocka_unit_test(memory_that_is_lacking_half_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
