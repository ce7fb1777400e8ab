/*
 * The kv service against a naive model, over many random operations.
 */
#include "kv_world.h"

#define POOL            400u
#define MODEL_VALUE_MAX 3100u
#define MODEL_STEPS     10u

struct model_value {
    bool present;
    size_t len;
    uint8_t bytes[MODEL_VALUE_MAX];
};

struct model {
    struct slice key[POOL]; /* ascending */
    struct model_value value[POOL];
};

static int slice_compare(const void *a, const void *b)
{
    const struct slice *x = a;
    const struct slice *y = b;
    return kv_key_compare(x->data, x->len, y->data, y->len);
}

static struct model *model_new(void)
{
    struct model *m = need(calloc(1, sizeof *m));
    for (uint32_t i = 0; i < POOL; i++) {
        size_t len = i % 97 == 0 ? KV_KEY_MAX : 3 + below(20);
        uint8_t *key = need(malloc(len));
        for (size_t k = 0; k < len; k++)
            key[k] = (uint8_t)("ab\xff"[below(3)]); /* many common prefixes */
        key[0] = (uint8_t)i;
        key[2] = (uint8_t)(i >> 8); /* distinct all the same */
        m->key[i] = (struct slice){key, len};
    }
    qsort(m->key, POOL, sizeof *m->key, slice_compare);
    return m;
}

static void model_free(struct model *m)
{
    for (uint32_t i = 0; i < POOL; i++)
        free((void *)(uintptr_t)m->key[i].data);
    free(m);
}

static void random_value(struct model_value *v)
{
    static const char *const numbers[] = {"0",  "-7", "41", "9223372036854775800", "-9223372036854775800",
                                          "12x"};
    uint32_t kind = below(10);
    v->present = true;
    if (kind < 3) {
        const char *number = numbers[below(6)];
        v->len = strlen(number);
        memcpy(v->bytes, number, v->len);
        return;
    }
    v->len = kind < 6 ? below(20) : kind < 9 ? 90 + below(30) : 2000 + below(1100);
    memset(v->bytes, (int)below(256), v->len);
}

static struct kv_maybe maybe_of(const struct model_value *v)
{
    return (struct kv_maybe){.present = v->present, .bytes = {v->bytes, v->len}};
}

/* One write, in the model's terms. */
struct move {
    enum kv_opcode opcode;
    uint32_t at;
    int64_t delta;
    struct model_value value;
    struct model_value expected;
};

static void random_move(const struct model *m, struct move *move)
{
    static const enum kv_opcode opcodes[] = {KV_PUT,    KV_PUT,       KV_PUT, KV_DELETE,
                                             KV_DELETE, KV_INCREMENT, KV_CAS};
    move->opcode = opcodes[below(7)];
    move->at = below(POOL);
    move->delta = below(4) ? (int64_t)below(100) - 50 : (int64_t)random_next();
    random_value(&move->value);
    move->expected = m->value[move->at];
    if (move->opcode != KV_CAS)
        return;
    if (below(4) == 0)
        random_value(&move->expected);
    if (below(4) == 0)
        move->value = (struct model_value){.present = false};
}

static void move_add(const struct model *m, const struct move *move, struct kv_batch *batch)
{
    struct slice key = m->key[move->at];
    switch (move->opcode) {
    case KV_PUT:
        kv_batch_put(batch, key.data, key.len, move->value.bytes, move->value.len);
        break;
    case KV_DELETE:
        kv_batch_delete(batch, key.data, key.len);
        break;
    case KV_INCREMENT:
        kv_batch_increment(batch, key.data, key.len, move->delta);
        break;
    default:
        kv_batch_cas(batch, key.data, key.len, maybe_of(&move->expected), maybe_of(&move->value));
        break;
    }
}

/* The naive meaning of a move; false (and nothing changed) on a conflict. */
static bool model_apply(struct model *m, const struct move *move, struct kv_step_item *item)
{
    struct model_value *v = &m->value[move->at];
    *item = (struct kv_step_item){.opcode = move->opcode, .existed = v->present};
    if (move->opcode == KV_PUT || move->opcode == KV_DELETE) {
        *v = move->value;
        v->present = move->opcode == KV_PUT;
    } else if (move->opcode == KV_INCREMENT) {
        char digits[MODEL_VALUE_MAX + 1];
        char back[32];
        char *end;
        memcpy(digits, v->bytes, v->len);
        digits[v->present ? v->len : 0] = '\0';
        long long old = v->present ? strtoll(digits, &end, 10) : 0;
        snprintf(back, sizeof back, "%lld", old);
        if (v->present && (v->len != strlen(back) || memcmp(back, digits, v->len) != 0))
            return false;
        __int128 sum = (__int128)old + move->delta;
        if (sum > INT64_MAX || sum < INT64_MIN)
            return false;
        item->number = (int64_t)sum;
        v->present = true;
        v->len = (size_t)snprintf((char *)v->bytes, 32, "%lld", (long long)sum);
    } else {
        if (v->present != move->expected.present)
            return false;
        if (v->present &&
            (v->len != move->expected.len || memcmp(v->bytes, move->expected.bytes, v->len) != 0))
            return false;
        *v = move->value;
    }
    return true;
}

static void random_batch(struct world *w, struct model *m)
{
    static struct move moves[MODEL_STEPS];
    static struct model_value saved[MODEL_STEPS];
    struct kv_step_item expected[MODEL_STEPS];
    struct kv_batch batch;
    uint32_t steps = 1 + below(MODEL_STEPS);
    uint32_t done = 0;
    kv_batch_begin(&batch, w->request, REDOUBT_OP_MAX_BYTES);
    for (uint32_t i = 0; i < steps; i++) {
        random_move(m, &moves[i]);
        if (i && below(3) == 0)
            moves[i].at = moves[i - 1].at;
        if (moves[i].opcode == KV_INCREMENT && below(3))
            moves[i].opcode = KV_DELETE; /* else nearly all batches would fail */
        move_add(m, &moves[i], &batch);
    }
    size_t bytes = kv_batch_end(&batch);
    for (; done < steps; done++) {
        saved[done] = m->value[moves[done].at];
        if (!model_apply(m, &moves[done], &expected[done]))
            break;
    }
    enum redoubt_status status = run(w, bytes);
    if (done < steps) {
        struct kv_conflict conflict;
        assert_int_equal(status, REDOUBT_CONFLICT);
        assert_true(kv_conflict_decode(w->result.data, w->result.bytes, &conflict));
        assert_int_equal(conflict.step, done);
        while (done--)
            m->value[moves[done].at] = saved[done];
        return;
    }
    struct kv_items items;
    struct kv_step_item item;
    assert_int_equal(status, REDOUBT_OK);
    assert_true(kv_batch_result_open(&items, w->result.data, w->result.bytes));
    for (uint32_t i = 0; i < steps; i++) {
        assert_true(kv_batch_result_next(&items, &item));
        assert_int_equal(item.opcode, expected[i].opcode);
        assert_int_equal(item.existed, expected[i].existed);
        assert_int_equal(item.number, expected[i].number);
    }
}

static void random_single(struct world *w, struct model *m)
{
    static struct move move;
    struct kv_batch batch;
    struct kv_step_item expected;
    random_move(m, &move);
    bool was = m->value[move.at].present;
    kv_batch_begin(&batch, w->request, REDOUBT_OP_MAX_BYTES);
    move_add(m, &move, &batch);
    size_t bytes = kv_batch_end(&batch) - 3;
    memmove(w->request, w->request + 3, bytes); /* a step of a batch has the form of a request */
    bool good = model_apply(m, &move, &expected);
    enum redoubt_status status = run(w, bytes);
    if (!good) {
        assert_int_equal(status, REDOUBT_CONFLICT);
        return;
    }
    assert_int_equal(status, move.opcode == KV_DELETE && !was ? REDOUBT_NOT_FOUND : REDOUBT_OK);
    int64_t number;
    bool replaced;
    if (move.opcode == KV_INCREMENT)
        assert_true(kv_increment_result_decode(w->result.data, w->result.bytes, &number) &&
                    number == expected.number);
    if (move.opcode == KV_PUT)
        assert_true(kv_put_result_decode(w->result.data, w->result.bytes, &replaced) && replaced == was);
}

static void random_get(struct world *w, const struct model *m)
{
    uint32_t at = below(POOL);
    const struct model_value *v = &m->value[at];
    size_t bytes = kv_get_encode(w->request, REDOUBT_OP_MAX_BYTES, m->key[at].data, m->key[at].len);
    assert_int_equal(run_read(w, bytes), v->present ? REDOUBT_OK : REDOUBT_NOT_FOUND);
    assert_int_equal(w->result.bytes, v->present ? v->len : 0);
    if (v->present)
        assert_memory_equal(w->result.data, v->bytes, v->len);
}

static void random_list(struct world *w, const struct model *m)
{
    struct slice prefix = m->key[below(POOL)];
    struct slice after = m->key[below(POOL)];
    struct kv_items items;
    struct kv_list_item item;
    uint32_t limit = 1 + below(30);
    prefix.len = below(3);
    after.len = below(2) ? after.len : 0;
    size_t bytes = kv_list_encode(w->request, REDOUBT_OP_MAX_BYTES, prefix, after, limit, true);
    assert_int_equal(run_read(w, bytes), REDOUBT_OK);
    assert_true(kv_list_result_open(&items, w->result.data, w->result.bytes));
    uint32_t count = 0;
    bool more = false;
    for (uint32_t i = 0; i < POOL && !more; i++) {
        struct slice key = m->key[i];
        if (!m->value[i].present || key.len < prefix.len || memcmp(key.data, prefix.data, prefix.len) != 0)
            continue;
        if (after.len && slice_compare(&key, &after) <= 0)
            continue;
        more = count++ == limit;
        if (more)
            continue;
        assert_true(kv_list_result_next(&items, &item));
        assert_int_equal(slice_compare(&item.key, &key), 0);
        assert_int_equal(item.value.bytes.len, m->value[i].len);
        assert_memory_equal(item.value.bytes.data, m->value[i].bytes, m->value[i].len);
    }
    assert_false(kv_list_result_next(&items, &item));
    assert_int_equal(items.more, more);
}

/* The whole state equals the model; it moves to a fresh replica, which then is equal in every leaf. */
static void check_all(struct world *w, const struct model *m)
{
    struct world *fresh = world_new("");
    uint64_t keys = 0;
    kv_store_validate(w->store);
    for (uint32_t i = 0; i < POOL; i++) {
        struct kv_place place = kv_store_find(w->store, m->key[i]);
        assert_int_equal(place.entry != NULL, m->value[i].present);
        if (place.entry) {
            assert_int_equal(place.entry->value_len, m->value[i].len);
            assert_memory_equal(place.entry->value, m->value[i].bytes, m->value[i].len);
            keys++;
        }
    }
    assert_int_equal(w->store->keys, keys);
    assert_true(copy_state(w, fresh));
    assert_true(leaves_equal(w, fresh));
    kv_store_validate(fresh->store);
    world_free(fresh);
}

static void random_operations_agree_with_a_model(void **unused)
{
    (void)unused;
    enum { OPERATIONS = 220000 };
    struct world *w = world_new("");
    struct model *m = model_new();
    w->watch = true;
    for (uint32_t i = 0; i < OPERATIONS; i++) {
        uint32_t kind = below(10);
        if (kind < 2)
            random_batch(w, m);
        else if (kind < 7)
            random_single(w, m);
        else if (kind < 9)
            random_get(w, m);
        else
            random_list(w, m);
        if (i % 1000 == 0)
            check_all(w, m);
        if (i % 20000 == 19999) { /* go on with a state that came by transfer, and from few keys again */
            struct world *next = world_new("");
            assert_true(copy_state(w, next));
            next->watch = true;
            world_free(w);
            w = next;
            for (uint32_t k = 0; k < POOL; k++) {
                m->value[k].present = false;
                run(w, kv_delete_encode(w->request, REDOUBT_OP_MAX_BYTES, m->key[k].data, m->key[k].len));
            }
        }
    }
    check_all(w, m);
    model_free(m);
    world_free(w);
}

/* Growth to many leaves: every one is split at the right moment and memory stays within what is charged. */
static void growth_is_steady(void **unused)
{
    (void)unused;
    struct world *w = world_new("");
    struct kv_store *store = w->store;
    uint64_t empty = w->fake.live_bytes;
    for (uint32_t i = 0; i < 100000; i++) {
        uint64_t touches = w->fake.touches;
        assert_int_equal(run(w, kv_put_encode(w->request, 100, &i, sizeof i, "0123456789", 10)), REDOUBT_OK);
        assert_true(w->fake.touches - touches <= 4); /* the key's leaf, two for a split, leaf 0 once */
    }
    assert_int_equal(kv->leaf_count(w->state), 100000 / 16);
    for (uint64_t first = 0; first < 100000 / 16;
         first += REDOUBT_EXPECT_MAX) { /* so many do not fit the cache */
        uint64_t leaf[REDOUBT_EXPECT_MAX];
        for (uint64_t i = 0; i < REDOUBT_EXPECT_MAX; i++)
            leaf[i] = (first + i) % (100000 / 16);
        kv->expect_leaves(w->state, leaf, REDOUBT_EXPECT_MAX);
    }
    assert_true(w->fake.live_bytes - empty <= store->used + store->used / 100);
    assert_true(w->fake.live_bytes - empty <=
                130 * 100000u); /* an entry of 48 bytes, a value of 16, the leaf; apart: nothing */
    kv_store_validate(store);
    uint32_t largest = 0;
    for (uint64_t i = 0; i < store->leaves; i++)
        if (kv_store_leaf(store, i)->count > largest)
            largest = kv_store_leaf(store, i)->count;
    assert_true(largest < 80);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(growth_is_steady),
        cmocka_unit_test(random_operations_agree_with_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
