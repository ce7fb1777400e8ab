/*
 * The counter service against two plain numbers, and everything that it must refuse.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "counter/counter.h"
#include "counter/counter_codec.h"
#include "fake_env.h"

#define LEAVES 65u

static const struct redoubt_service *const counter = &redoubt_service_counter;
static uint8_t request[REDOUBT_OP_MAX_BYTES + 1];
static uint8_t result_data[REDOUBT_OP_MAX_BYTES];
static struct redoubt_result result = {.data = result_data, .capacity = sizeof result_data};
static bool touched[LEAVES];

static void on_touch(void *context, uint64_t leaf)
{
    (void)context;
    assert_true(leaf < LEAVES);
    touched[leaf] = true;
}

static void *counter_new(struct fake_env *fake, const char *options)
{
    fake_env_init(fake);
    fake->on_touch = on_touch;
    void *state = counter->create(&fake->env, options);
    assert_non_null(state);
    assert_int_equal(counter->leaf_count(state), LEAVES);
    return state;
}

static void counter_free(struct fake_env *fake, void *state)
{
    fake->env.release(&fake->env, state, fake->live_bytes);
}

static enum redoubt_status run(void *state, uint32_t origin, struct counter_request q)
{
    struct redoubt_op op = {.data = request, .origin = origin};
    op.bytes = counter_request_encode(request, sizeof request, &q);
    assert_true(op.bytes > 0);
    return counter->execute(state, &op, &result);
}

static void assert_result(uint64_t global, uint64_t own, size_t bytes)
{
    struct counter_result r;
    assert_int_equal(result.bytes, bytes);
    assert_true(counter_result_decode(&r, result.data, result.bytes));
    assert_int_equal(r.global, global);
    assert_int_equal(r.own, own);
}

static void counts_per_origin_and_in_all(void **unused)
{
    (void)unused;
    struct fake_env fake;
    void *state = counter_new(&fake, "");
    uint64_t own[1100] = {0};
    uint64_t global = 0;
    uint8_t before[LEAVES][REDOUBT_DIGEST_BYTES];
    uint8_t after[REDOUBT_DIGEST_BYTES];
    for (uint32_t i = 0; i < 3000; i++) {
        uint32_t origin = i * 7919 % 1100;
        struct counter_request q = {.opcode = i % 3 ? COUNTER_INCR : COUNTER_GET, .amount = i % 3 ? i : 0};
        for (uint64_t leaf = 0; leaf < LEAVES; leaf++)
            counter->leaf_digest(state, leaf, before[leaf]);
        memset(touched, 0, sizeof touched);
        enum redoubt_status status = run(state, origin, q);
        assert_int_equal(status, origin < 1024 ? REDOUBT_OK : REDOUBT_FULL);
        if (origin < 1024) {
            own[origin] += q.amount;
            global += q.amount;
            assert_result(global, own[origin], 16);
        }
        for (uint64_t leaf = 0; leaf < LEAVES; leaf++) {
            counter->leaf_digest(state, leaf, after);
            bool changes = status == REDOUBT_OK && q.amount && (leaf == 0 || leaf == 1 + origin / 16);
            assert_int_equal(memcmp(before[leaf], after, sizeof after) != 0, changes);
            assert_int_equal(touched[leaf], changes);
        }
    }
    counter_free(&fake, state);
}

static void sizes_are_as_asked(void **unused)
{
    (void)unused;
    struct fake_env fake;
    void *state = counter_new(&fake, "reply_bytes=1000");
    assert_int_equal(run(state, 1, (struct counter_request){.opcode = COUNTER_INCR, .amount = 1}),
                     REDOUBT_OK);
    assert_result(1, 1, 1000);
    struct counter_request q = {.opcode = COUNTER_INCR, .amount = 1, .reply_bytes = 5, .padding_len = 10000};
    assert_int_equal(run(state, 1, q), REDOUBT_OK);
    assert_result(2, 2, 16);
    q.reply_bytes = REDOUBT_OP_MAX_BYTES;
    q.padding_len = REDOUBT_OP_MAX_BYTES - COUNTER_REQUEST_BYTES;
    assert_int_equal(run(state, 2, q), REDOUBT_OK);
    assert_result(3, 1, REDOUBT_OP_MAX_BYTES);
    q.reply_bytes++;
    assert_int_equal(run(state, 2, q), REDOUBT_INVALID);
    q.padding_len++;
    assert_int_equal(counter_request_encode(request, sizeof request, &q), 0);
    counter_free(&fake, state);
}

static void overflow_is_a_conflict(void **unused)
{
    (void)unused;
    struct fake_env fake;
    void *state = counter_new(&fake, "");
    assert_int_equal(run(state, 1, (struct counter_request){.opcode = COUNTER_INCR, .amount = UINT64_MAX}),
                     REDOUBT_OK);
    assert_int_equal(run(state, 2, (struct counter_request){.opcode = COUNTER_INCR, .amount = 1}),
                     REDOUBT_CONFLICT);
    assert_int_equal(run(state, 2, (struct counter_request){.opcode = COUNTER_GET}), REDOUBT_OK);
    assert_result(UINT64_MAX, 0, 16);
    counter_free(&fake, state);
}

static void reads_only_get(void **unused)
{
    (void)unused;
    struct fake_env fake;
    void *state = counter_new(&fake, "");
    static struct redoubt_keys keys;
    struct counter_request q = {.opcode = COUNTER_INCR, .amount = 3};
    struct redoubt_op op = {.data = request};
    op.bytes = counter_request_encode(request, sizeof request, &q);
    assert_int_equal(counter->read(state, &op, &result), REDOUBT_INVALID);
    assert_true(counter->keys(&op, &keys) && keys.count == 1 && keys.entry[0].write);
    assert_int_equal(counter->execute(state, &op, &result), REDOUBT_OK);
    q = (struct counter_request){.opcode = COUNTER_GET};
    op.bytes = counter_request_encode(request, sizeof request, &q);
    assert_int_equal(counter->read(state, &op, &result), REDOUBT_OK);
    assert_result(3, 3, 16);
    assert_true(counter->keys(&op, &keys) && keys.count == 1 && !keys.entry[0].write);
    op.bytes--;
    assert_false(counter->keys(&op, &keys));
    counter_free(&fake, state);
}

static void decoders_refuse_every_other_length(void **unused)
{
    (void)unused;
    struct counter_request q = {.opcode = COUNTER_INCR, .amount = 1, .padding_len = 9};
    struct counter_request back;
    struct counter_result r = {.global = 5, .own = 4};
    size_t bytes = counter_request_encode(request, 100, &q);
    for (size_t len = 0; len <= bytes + 1; len++)
        assert_int_equal(counter_request_decode(&back, request, len), len == bytes);
    for (size_t cap = 0; cap < bytes; cap++)
        assert_int_equal(counter_request_encode(request, cap, &q), 0);
    q = (struct counter_request){.opcode = COUNTER_GET, .amount = 1};
    assert_false(counter_request_decode(&back, request, counter_request_encode(request, 100, &q)));
    q = (struct counter_request){.opcode = (enum counter_opcode)3};
    assert_false(counter_request_decode(&back, request, counter_request_encode(request, 100, &q)));
    bytes = counter_result_encode(request, 100, &r, 30);
    assert_int_equal(bytes, 30);
    for (size_t len = 0; len <= bytes; len++)
        assert_int_equal(counter_result_decode(&r, request, len), len >= 16);
    request[29] = 1;
    assert_false(counter_result_decode(&r, request, bytes));
}

/* Loads all leaves of `from` into `to`, with one byte of leaf `changed` flipped when `at` is within it. True: as the engine
 * would have it. */
static bool load_flipped(void *from, void *to, uint64_t changed, size_t at)
{
    struct fake_sink sink;
    uint8_t wanted[REDOUBT_DIGEST_BYTES], digest[REDOUBT_DIGEST_BYTES];
    fake_sink_init(&sink);
    bool good = counter->reset(to, LEAVES, false);
    for (uint64_t leaf = 0; good && leaf < LEAVES; leaf++) {
        fake_sink_clear(&sink);
        counter->leaf_save(from, leaf, &sink.sink);
        if (leaf == changed && at < sink.bytes)
            sink.data[at] ^= 1;
        counter->leaf_digest(from, leaf, wanted);
        good = counter->saved_digest(to, leaf, sink.data, sink.bytes, digest) &&
               memcmp(digest, wanted, sizeof digest) == 0 &&
               counter->leaf_load(to, leaf, sink.data, sink.bytes);
    }
    fake_sink_free(&sink);
    return good;
}

static void state_moves_and_tampering_shows(void **unused)
{
    (void)unused;
    struct fake_env fake[2];
    void *from = counter_new(&fake[0], "");
    void *to = counter_new(&fake[1], "");
    uint8_t a[REDOUBT_DIGEST_BYTES];
    uint8_t b[REDOUBT_DIGEST_BYTES];
    static const uint8_t zeros[129];
    for (uint32_t origin = 0; origin < 1024; origin += 5)
        run(from, origin, (struct counter_request){.opcode = COUNTER_INCR, .amount = origin});
    for (uint64_t leaf = 0; leaf < LEAVES; leaf++) {
        assert_true(load_flipped(from, to, 0, SIZE_MAX));
        counter->leaf_digest(from, leaf, a);
        counter->leaf_digest(to, leaf, b);
        assert_memory_equal(a, b, sizeof a);
        assert_false(load_flipped(from, to, leaf, 3));
    }
    assert_true(counter->reset(to, LEAVES, true));      /* as it is */
    assert_true(counter->leaf_load(to, 1, zeros, 128)); /* in any order */
    assert_false(counter->leaf_load(to, 0, zeros, 7));
    assert_false(counter->saved_digest(to, 0, zeros, 7, a));
    assert_true(counter->leaf_load(to, 0, zeros, 8));
    assert_false(counter->leaf_load(to, 1, zeros, 129));
    assert_false(counter->saved_digest(to, 1, zeros, 129, a));
    assert_false(counter->leaf_load(to, LEAVES, zeros, 128));
    assert_false(counter->saved_digest(to, LEAVES, zeros, 128, a));
    assert_false(counter->reset(to, LEAVES + 1, true));
    assert_false(counter->reset(to, LEAVES + 1, false));
    counter_free(&fake[0], from);
    counter_free(&fake[1], to);
}

static void options_are_checked(void **unused)
{
    (void)unused;
    struct fake_env fake;
    const char *bad[] = {"reply_bytes",
                         "reply_bytes=",
                         "reply_bytes=x",
                         "reply_bytes=-1",
                         "reply_bytes=1052673",
                         "reply_bytes=99999999999999999999999",
                         "x=1",
                         " "};
    fake_env_init(&fake);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_null(counter->create(&fake.env, bad[i]));
    fake.allocs_left = 0;
    assert_null(counter->create(&fake.env, ""));
    assert_int_equal(fake.live_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_per_origin_and_in_all),
        cmocka_unit_test(sizes_are_as_asked),
        cmocka_unit_test(overflow_is_a_conflict),
        cmocka_unit_test(reads_only_get),
        cmocka_unit_test(decoders_refuse_every_other_length),
        cmocka_unit_test(state_moves_and_tampering_shows),
        cmocka_unit_test(options_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
