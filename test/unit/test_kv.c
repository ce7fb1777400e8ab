/*
 * The kv service: what each operation means, and what happens when memory runs out.
 */
#include "kv_world.h"

static void each_operation_does_what_it_says(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    bool replaced;
    int64_t number;
    w->watch = true;
    assert_value(w, "a", NULL);
    assert_int_equal(del(w, "a"), REDOUBT_NOT_FOUND);
    assert_int_equal(put(w, "a", "one"), REDOUBT_OK);
    assert_true(kv_put_result_decode(w->result.data, w->result.bytes, &replaced) && !replaced);
    assert_value(w, "a", "one");
    assert_int_equal(put(w, "a", ""), REDOUBT_OK);
    assert_true(kv_put_result_decode(w->result.data, w->result.bytes, &replaced) && replaced);
    assert_value(w, "a", "");
    assert_int_equal(del(w, "a"), REDOUBT_OK);
    assert_value(w, "a", NULL);

    assert_int_equal(increment(w, "n", 5), REDOUBT_OK);
    assert_true(kv_increment_result_decode(w->result.data, w->result.bytes, &number) && number == 5);
    assert_int_equal(increment(w, "n", -15), REDOUBT_OK);
    assert_value(w, "n", "-10");
    assert_int_equal(increment(w, "n", INT64_MIN), REDOUBT_CONFLICT);
    assert_conflict(w, KV_REASON_OVERFLOW, 0, NULL);
    assert_value(w, "n", "-10");
    assert_int_equal(put(w, "n", "12 "), REDOUBT_OK);
    assert_int_equal(increment(w, "n", 1), REDOUBT_CONFLICT);
    assert_conflict(w, KV_REASON_NOT_A_NUMBER, 0, NULL);

    assert_int_equal(cas(w, "c", some("x"), some("y")), REDOUBT_CONFLICT);
    assert_conflict(w, KV_REASON_DIFFERS, 0, NULL);
    assert_int_equal(cas(w, "c", none, some("y")), REDOUBT_OK);
    assert_int_equal(cas(w, "c", none, some("z")), REDOUBT_CONFLICT);
    assert_conflict(w, KV_REASON_DIFFERS, 0, "y");
    assert_int_equal(cas(w, "c", some("y"), some("z")), REDOUBT_OK);
    assert_value(w, "c", "z");
    assert_int_equal(cas(w, "c", some("z"), none), REDOUBT_OK);
    assert_value(w, "c", NULL);
    assert_int_equal(cas(w, "c", none, none), REDOUBT_OK);
    assert_int_equal(cas(w, "c", some(""), none), REDOUBT_CONFLICT);

    struct slice keys[] = {text("n"), text("missing"), text("n")};
    struct kv_items items;
    struct kv_value_item item;
    assert_int_equal(run(w, kv_multi_get_encode(w->request, 100, keys, 3)), REDOUBT_OK);
    assert_true(kv_multi_get_result_open(&items, w->result.data, w->result.bytes));
    assert_int_equal(items.count, 3);
    assert_true(kv_multi_get_result_next(&items, &item) && item.found == KV_PRESENT && item.value_len == 3);
    assert_memory_equal(item.value, "12 ", 3);
    assert_true(kv_multi_get_result_next(&items, &item) && item.found == KV_ABSENT);
    assert_true(kv_multi_get_result_next(&items, &item) && item.found == KV_PRESENT);
    assert_false(kv_multi_get_result_next(&items, &item));
    world_free(w);
}

static void batch_is_all_or_nothing(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    uint8_t created[REDOUBT_DIGEST_BYTES];
    uint8_t failed[REDOUBT_DIGEST_BYTES];
    w->watch = true;
    kv->leaf_digest(w->state, 0, created);
    assert_int_equal(run(w, sample_batch(w, some("?"))), REDOUBT_CONFLICT);
    assert_conflict(w, KV_REASON_DIFFERS, 5, NULL);
    kv->leaf_digest(w->state, 0, failed);
    assert_memory_equal(created, failed, sizeof created); /* the hash key is not drawn either */

    put(w, "b", "old");
    put(w, "c", "x");
    assert_int_equal(run(w, sample_batch(w, some("y"))), REDOUBT_CONFLICT);
    assert_value(w, "a", NULL);
    assert_value(w, "b", "old");
    assert_value(w, "c", "x");
    assert_int_equal(run(w, sample_batch(w, some("x"))), REDOUBT_OK);
    struct kv_items items;
    struct kv_step_item item;
    assert_true(kv_batch_result_open(&items, w->result.data, w->result.bytes));
    assert_int_equal(items.count, 6);
    static const struct kv_step_item expected[] = {{KV_PUT, false, 0},    {KV_INCREMENT, true, 42},
                                                   {KV_DELETE, true, 0},  {KV_PUT, false, 0},
                                                   {KV_DELETE, false, 0}, {KV_CAS, true, 0}};
    for (size_t i = 0; i < 6; i++) {
        assert_true(kv_batch_result_next(&items, &item));
        assert_int_equal(item.opcode, expected[i].opcode);
        assert_int_equal(item.existed, expected[i].existed);
        assert_int_equal(item.number, expected[i].number);
    }
    assert_value(w, "a", "42");
    assert_value(w, "b", "again");
    assert_value(w, "c", "new");
    kv_store_validate(w->state);

    struct kv_batch batch; /* not writable in a batch: a get */
    kv_batch_begin(&batch, w->request, 100);
    kv_batch_delete(&batch, "a", 1);
    size_t bytes = kv_batch_end(&batch);
    w->request[3] = KV_GET;
    assert_int_equal(run(w, bytes), REDOUBT_INVALID);
    assert_value(w, "a", "42");
    world_free(w);
}

/* A batch that inserts thousands of keys and then fails leaves neither keys nor memory behind. */
static void failed_batch_gives_its_memory_back(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    put(w, "number", "x");
    put(w, "spare", "y");
    uint64_t before = w->fake.live_bytes;
    for (int conflict = 1; conflict >= 0; conflict--) {
        struct kv_batch batch;
        kv_batch_begin(&batch, w->request, REDOUBT_OP_MAX_BYTES);
        kv_batch_delete(&batch, "spare", 5);
        for (uint32_t i = 0; i < 5000; i++)
            kv_batch_put(&batch, &i, sizeof i, "value", 5);
        if (conflict)
            kv_batch_increment(&batch, "number", 6, 1);
        size_t bytes = kv_batch_end(&batch);
        assert_int_equal(run(w, bytes), conflict ? REDOUBT_CONFLICT : REDOUBT_OK);
        kv_store_validate(w->state);
        if (conflict)
            assert_int_equal(w->fake.live_bytes, before);
    }
    assert_int_equal(kv->leaf_count(w->state), 5001 / 16 + 1);
    world_free(w);
}

/* Reads one page of a list; returns the number of keys and the last of them. */
static uint32_t list_page(struct world *w, const char *prefix, char *after, uint32_t limit, bool values,
                          bool *more)
{
    struct kv_items items;
    struct kv_list_item item;
    size_t bytes = kv_list_encode(w->request, REDOUBT_OP_MAX_BYTES, text(prefix), text(after), limit, values);
    assert_int_equal(run_read(w, bytes), REDOUBT_OK);
    assert_true(kv_list_result_open(&items, w->result.data, w->result.bytes));
    uint32_t count = 0;
    *more = items.more;
    assert_int_equal(items.values, values);
    while (kv_list_result_next(&items, &item)) {
        assert_int_equal(item.value.present, values);
        assert_true(kv_key_compare(item.key.data, item.key.len, (uint8_t *)after, strlen(after)) > 0);
        memcpy(after, item.key.data, item.key.len);
        after[item.key.len] = '\0';
        count++;
    }
    return count;
}

static void list_continues_where_it_stopped(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    char key[32];
    bool more;
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "user:%d", i);
        put(w, key, "v");
    }
    put(w, "user", "v");
    put(w, "usez", "v");
    for (uint32_t limit = 1; limit < 2000; limit = limit * 3 + 1) {
        char after[KV_KEY_MAX + 1] = "";
        uint32_t total = 0;
        do {
            total += list_page(w, "user:", after, limit, limit % 2, &more);
        } while (more);
        assert_int_equal(total, 1000);
        assert_string_equal(after, "user:999");
    }
    char after[KV_KEY_MAX + 1] = "zzz"; /* behind the prefix: nothing */
    assert_int_equal(list_page(w, "user:", after, 10, false, &more), 0);
    assert_false(more);
    strcpy(after, "a"); /* before the prefix: all */
    assert_int_equal(list_page(w, "user:1", after, 1000, false, &more), 111);
    strcpy(after, "");
    assert_int_equal(list_page(w, "", after, 1001, false, &more), 1001);
    assert_true(more);
    assert_int_equal(list_page(w, "", after, 1001, false, &more), 1);
    assert_string_equal(after, "usez");
    assert_false(more);
    world_free(w);
}

/* The largest values, alone and together; what does not fit into a result is said to be left out. */
static void values_of_a_mebibyte_fit(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    uint8_t *value = need(malloc(KV_VALUE_MAX + 1));
    uint8_t key[KV_KEY_MAX + 1];
    memset(value, 'v', KV_VALUE_MAX + 1);
    memset(key, 'k', sizeof key);
    for (uint8_t i = 0; i < 3; i++) {
        key[0] = (uint8_t)('a' + i);
        size_t bytes = kv_put_encode(w->request, REDOUBT_OP_MAX_BYTES, key, KV_KEY_MAX, value, KV_VALUE_MAX);
        assert_int_equal(run(w, bytes), REDOUBT_OK);
    }
    assert_int_equal(
        kv_put_encode(w->request, REDOUBT_OP_MAX_BYTES, key, KV_KEY_MAX, value, KV_VALUE_MAX + 1), 0);
    assert_int_equal(kv_put_encode(w->request, REDOUBT_OP_MAX_BYTES, key, KV_KEY_MAX + 1, value, 1), 0);
    assert_int_equal(kv_put_encode(w->request, REDOUBT_OP_MAX_BYTES, key, 0, value, 1), 0);
    put(w, "z", "small");

    assert_int_equal(run(w, kv_get_encode(w->request, REDOUBT_OP_MAX_BYTES, key, KV_KEY_MAX)), REDOUBT_OK);
    assert_int_equal(w->result.bytes, KV_VALUE_MAX);
    assert_memory_equal(w->result.data, value, KV_VALUE_MAX);

    struct slice keys[] = {{key, KV_KEY_MAX}, {key, KV_KEY_MAX}, text("z")};
    struct kv_items items;
    struct kv_value_item item;
    assert_int_equal(run(w, kv_multi_get_encode(w->request, REDOUBT_OP_MAX_BYTES, keys, 3)), REDOUBT_OK);
    assert_true(kv_multi_get_result_open(&items, w->result.data, w->result.bytes));
    assert_true(kv_multi_get_result_next(&items, &item) && item.found == KV_PRESENT &&
                item.value_len == KV_VALUE_MAX);
    assert_true(kv_multi_get_result_next(&items, &item) && item.found == KV_OMITTED &&
                item.value_len == KV_VALUE_MAX);
    assert_true(kv_multi_get_result_next(&items, &item) && item.found == KV_PRESENT && item.value_len == 5);

    char after[KV_KEY_MAX + 1] = "";
    bool more;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(list_page(w, "", after, 100, true, &more), i == 2 ? 2 : 1);
        assert_int_equal(more, i < 2);
    }
    /* A change beside a large value does not hash it again. */
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    kv->leaf_digest(w->state, 0, digest);
    put(w, "z", "other");
    uint64_t hashed = fake_digest_bytes;
    kv->leaf_digest(w->state, 0, digest);
    assert_true(fake_digest_bytes - hashed < 1000);
    free(value);
    world_free(w);
}

static void keys_are_named(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    static struct redoubt_keys keys;
    struct redoubt_op op = {.data = w->request};
    op.bytes = kv_get_encode(w->request, 100, "abc", 3);
    assert_true(kv->keys(&op, &keys));
    assert_int_equal(keys.count, 1);
    assert_int_equal(keys.entry[0].bytes, 3);
    assert_ptr_equal(keys.entry[0].key, w->request + 3);
    assert_false(keys.entry[0].write || keys.reads_all || keys.writes_all);
    op.bytes = sample_batch(w, none);
    assert_true(kv->keys(&op, &keys));
    assert_int_equal(keys.count, 6);
    assert_true(keys.entry[5].write && !keys.writes_all);
    op.bytes = kv_list_encode(w->request, 100, text("p"), text(""), 3, false);
    assert_true(kv->keys(&op, &keys));
    assert_true(keys.count == 0 && keys.reads_all && !keys.writes_all);
    for (uint32_t steps = REDOUBT_KEYS_MAX; steps <= REDOUBT_KEYS_MAX + 1; steps++) {
        struct kv_batch batch;
        kv_batch_begin(&batch, w->request, REDOUBT_OP_MAX_BYTES);
        for (uint32_t i = 0; i < steps; i++)
            kv_batch_delete(&batch, &i, sizeof i);
        op.bytes = kv_batch_end(&batch);
        assert_true(kv->keys(&op, &keys));
        assert_int_equal(keys.writes_all, steps > REDOUBT_KEYS_MAX);
    }
    op.bytes--;
    assert_false(kv->keys(&op, &keys));
    world_free(w);
}

static void reads_never_write(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    put(w, "a", "1");
    assert_int_equal(run_read(w, kv_put_encode(w->request, 100, "a", 1, "2", 1)), REDOUBT_INVALID);
    assert_int_equal(run_read(w, kv_delete_encode(w->request, 100, "a", 1)), REDOUBT_INVALID);
    assert_int_equal(run_read(w, kv_increment_encode(w->request, 100, "a", 1, 1)), REDOUBT_INVALID);
    assert_int_equal(run_read(w, kv_cas_encode(w->request, 100, "a", 1, some("1"), none)), REDOUBT_INVALID);
    assert_int_equal(run_read(w, sample_batch(w, none)), REDOUBT_INVALID);
    assert_value(w, "a", "1");
    world_free(w);
}

static void options_are_checked(void **unused)
{
    (void)unused;
    struct fake_env fake;
    const char *bad[] = {"memory_mb",         "memory_mb=",
                         "memory_mb=0",       "memory_mb=-1",
                         "memory_mb=x",       "memory_mb=1 ",
                         "memory_mb=1048577", "memory_mb=99999999999999999999",
                         "other=1",           " "};
    fake_env_init(&fake);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(kv->create(&fake.env, bad[i]));
    assert_int_equal(fake.live_bytes, 0);
    for (uint64_t allocs = 0; allocs < 2; allocs++) {
        fake.allocs_left = allocs;
        assert_null(kv->create(&fake.env, ""));
        assert_int_equal(fake.live_bytes, 0);
    }
}

/* --------------------------------------------------------------------------------------------------------- memory */

/* Fills a small store: it says FULL by what was charged, keeps to it, and goes on when keys are deleted. */
static void full_store_refuses_and_recovers(void **unused)
{
    (void)unused;
    struct world *w = world_new("memory_mb=1");
    uint64_t empty = w->fake.live_bytes;
    struct kv_store *store = w->state;
    static uint8_t value[3000];
    uint32_t stored = 0;
    for (int round = 0; round < 4; round++) {
        uint32_t next = stored;
        size_t bytes;
        do {
            bytes = kv_put_encode(w->request, REDOUBT_OP_MAX_BYTES, &next, sizeof next, value,
                                  below(round ? 3000 : 40));
            next++;
        } while (run(w, bytes) == REDOUBT_OK);
        uint64_t used = store->used;
        assert_int_equal(run(w, bytes), REDOUBT_FULL);
        assert_int_equal(store->used, used);
        assert_true(used > (1u << 20) - 4000u && used <= 1u << 20);
        assert_true(w->fake.live_bytes - empty <= used + used / 100);
        kv_store_validate(store);
        for (uint32_t i = stored; i + 1 < next; i++)
            if (i % 4 < 3)
                assert_int_equal(run(w, kv_delete_encode(w->request, 100, &i, sizeof i)), REDOUBT_OK);
        assert_true(w->fake.live_bytes - empty <= used + used / 100);
        stored = next;
    }
    /* A batch that does not fit is undone. */
    struct kv_batch batch;
    uint64_t keys = store->keys;
    kv_batch_begin(&batch, w->request, REDOUBT_OP_MAX_BYTES);
    for (uint32_t i = 0; i < 2; i++)
        kv_batch_put(&batch, i ? "big1" : "big0", 4, value, 10);
    for (uint32_t i = 0; i < 300; i++)
        kv_batch_put(&batch, &i, 3, value, 3000);
    assert_int_equal(run(w, kv_batch_end(&batch)), REDOUBT_FULL);
    assert_int_equal(store->keys, keys);
    assert_value(w, "big0", NULL);
    kv_store_validate(store);
    world_free(w);
}

/* Every operation, with memory running out at every allocation in turn: it changes nothing or everything. */
static void lack_of_memory_changes_nothing(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct world *twin = world_new("");
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 400; i++) {
        struct kv_batch batch;
        uint32_t key = below(i < 300 ? 12 : 200); /* no splits at first */
        kv_batch_begin(&batch, w->request, REDOUBT_OP_MAX_BYTES);
        for (uint32_t k = 0; k < 1 + i % 4; k++, key++)
            kv_batch_put(&batch, &key, sizeof key, w->result.data, below(300));
        size_t bytes = kv_batch_end(&batch);
        struct kv_store *store = w->state;
        for (uint64_t allocs = 0;; allocs++) {
            w->fake.allocs_left = allocs;
            enum redoubt_status status = run(w, bytes);
            w->fake.allocs_left = UINT64_MAX;
            if (store->broken) { /* in a split: only a state transfer helps */
                assert_int_equal(run(w, bytes), REDOUBT_FULL);
                world_free(w);
                world_free(twin);
                assert_true(refused > 50);
                return;
            }
            if (status == REDOUBT_OK)
                break;
            assert_int_equal(status, REDOUBT_FULL);
            assert_true(leaves_equal(w, twin));
            kv_store_validate(store);
            refused++;
        }
        memcpy(twin->request, w->request, bytes);
        assert_int_equal(run(twin, bytes), REDOUBT_OK);
        assert_true(leaves_equal(w, twin));
    }
    fail_msg("memory never ran out in a split");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_operation_does_what_it_says),
        cmocka_unit_test(batch_is_all_or_nothing),
        cmocka_unit_test(failed_batch_gives_its_memory_back),
        cmocka_unit_test(list_continues_where_it_stopped),
        cmocka_unit_test(values_of_a_mebibyte_fit),
        cmocka_unit_test(keys_are_named),
        cmocka_unit_test(reads_never_write),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(full_store_refuses_and_recovers),
        cmocka_unit_test(lack_of_memory_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
