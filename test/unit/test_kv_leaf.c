/*
 * Leaves of the kv service: their digests, and state that comes from a peer, who may lie.
 */
#include "kv_world.h"

/* Loads the leaves of `from` with leaf `changed` replaced; true when the engine would take the result for the same. */
static bool load_with(struct world *from, struct world *to, uint64_t changed, const uint8_t *data,
                      size_t bytes)
{
    struct fake_sink sink;
    uint64_t leaves = kv->leaf_count(from->state);
    bool good = true;
    fake_sink_init(&sink);
    kv->reset(to->state, leaves);
    for (uint64_t i = 0; good && i < leaves; i++) {
        save(from, i, &sink);
        good = i == changed ? kv->leaf_load(to->state, i, data, bytes)
                            : kv->leaf_load(to->state, i, sink.data, sink.bytes);
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
    static const uint8_t no_key_one_entry[17 + 4 + 6 + 2] = {
        [17] = 1, [21] = 1, [23] = 1, [27] = 'k', [28] = 'v'};
    static const uint8_t key_without_mark[17 + 4] = {[1] = 1};
    static const uint8_t mark_of_two[17 + 4] = {2};
    static const uint8_t empty[4];
    uint8_t swapped[17 + 4 + 16];
    struct fake_sink sink;
    fake_sink_init(&sink);

    kv->reset(other->state, 1);
    assert_false(kv->leaf_load(other->state, 0, no_key_one_entry, sizeof no_key_one_entry));
    kv->reset(other->state, 1);
    assert_false(kv->leaf_load(other->state, 0, key_without_mark, sizeof key_without_mark));
    assert_false(kv->leaf_load(other->state, 0, (const uint8_t[21]){0}, 21)); /* refused until reset */
    kv->reset(other->state, 1);
    assert_false(kv->leaf_load(other->state, 0, mark_of_two, sizeof mark_of_two));
    kv->reset(other->state, 1);
    assert_true(kv->leaf_load(other->state, 0, (const uint8_t[21]){0}, 21));
    assert_false(kv->leaf_load(other->state, 0, (const uint8_t[21]){0}, 21)); /* twice */
    assert_false(kv->leaf_load(other->state, 1, empty, sizeof empty));        /* beyond the last */
    kv->reset(other->state, 3);
    assert_false(kv->leaf_load(other->state, 1, empty, sizeof empty)); /* out of order */
    kv->reset(other->state, 0);
    assert_false(kv->leaf_load(other->state, 0, empty, sizeof empty));
    kv->reset(other->state, UINT64_MAX);
    assert_false(kv->leaf_load(other->state, 0, empty, sizeof empty));

    put(w, "a", "1");
    put(w, "b", "2");
    save(w, 0, &sink);
    assert_int_equal(sink.bytes, sizeof swapped);
    memcpy(swapped, sink.data, 21);
    memcpy(swapped + 21, sink.data + 29, 8);
    memcpy(swapped + 29, sink.data + 21, 8);
    assert_false(load_with(w, other, 0, swapped, sizeof swapped));
    memcpy(swapped + 21, sink.data + 29, 8);
    memcpy(swapped + 29, sink.data + 29, 8); /* the same key twice */
    assert_false(load_with(w, other, 0, swapped, sizeof swapped));
    assert_true(load_with(w, other, 0, sink.data, sink.bytes));

    /* More keys than 16 a leaf: some leaf would have been split. */
    fill(w, 16 * 4);
    struct kv_store *store = w->state;
    assert_int_equal(store->leaves, 5);
    store->keys = 0; /* keep it from splitting */
    fill(other, 1);
    for (uint32_t i = 0; i < 40; i++)
        put(w, (char[]){(char)('A' + i), 'x', '\0'}, "v");
    assert_int_equal(store->leaves, 5);
    assert_false(copy_state(w, other));
    store->keys = 66 + 40;
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
    uint8_t leaf0[17 + 4 + 6 + 20 + 60];
    fake_sink_init(&sink);
    fill(w, 20);
    assert_int_equal(kv->leaf_count(w->state), 2);
    save(w, 0, &sink);
    memcpy(leaf0, sink.data, 17);
    memcpy(leaf0 + 17, (const uint8_t[]){1, 0, 0, 0}, 4);
    save(w, 1, &sink);
    size_t bytes = 6u + sink.data[4] + sink.data[6];
    memcpy(leaf0 + 21, sink.data + 4, bytes);
    kv->reset(w->state, 2);
    assert_false(kv->leaf_load(w->state, 0, leaf0, 21 + bytes));
    fake_sink_free(&sink);
    world_free(w);
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
        cmocka_unit_test(tampered_leaves_are_refused),  cmocka_unit_test(only_the_canonical_form_is_taken),
        cmocka_unit_test(entries_stay_in_their_leaf),   cmocka_unit_test(digests_tell_all_apart),
        cmocka_unit_test(hash_key_comes_from_the_seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
