/*
 * A service apart: what is told in advance about leaves, and an application that lies, is cut short or says nothing.
 */
#include "testing.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "application_pair.h"
#include "../../apps/counter/counter.h"
#include "../../apps/counter/counter_codec.h"
#include "../../apps/kv/kv.h"
#include "../../apps/kv/kv_codec.h"
#include "fake_env.h"
#include "wire/reply.h"

static struct fake_env fake;
static struct application_pair *pair;
static struct proxy *proxy;
static uint8_t seed[32];
static uint8_t room[OP_MAX + REPLY_BODY_MAX];

/* --- how it ends ------------------------------------------------------------------------------------------------------ */

static jmp_buf ended;
static char words[128];

static void on_fail(void *context, const char *what)
{
    (void)context;
    snprintf(words, sizeof words, "%s", what);
    longjmp(ended, 1);
}

/* The statement ends the compartment, with these words. */
#define ENDS(expected, statement)                                                                            \
    do {                                                                                                     \
        words[0] = 0;                                                                                        \
        if (!setjmp(ended)) {                                                                                \
            statement;                                                                                       \
            fail_msg("it went on");                                                                          \
        }                                                                                                    \
        assert_string_equal(words, expected);                                                                \
    } while (0)

/* --- a pair ----------------------------------------------------------------------------------------------------------- */

static void use(const struct redoubt_service *service, const char *options)
{
    fake_env_init(&fake);
    pair = application_pair_new(service, 64u << 20);
    pair->on_fail = on_fail;
    struct application_link link = application_pair_link(pair);
    application_proxy_use(&link);
    proxy = application_proxy.create(&fake.env, options);
}

static int setup(void **state)
{
    (void)state;
    use(&redoubt_service_kv, "memory_mb=32");
    return proxy == NULL;
}

static int teardown(void **state)
{
    (void)state;
    if (proxy)
        free((uint8_t *)proxy - FAKE_HEAD);
    application_pair_free(pair);
    return 0;
}

static struct redoubt_op op_of(size_t bytes)
{
    return (struct redoubt_op){.data = room, .bytes = bytes, .seed = seed, .slot = 1};
}

static enum redoubt_status put(const char *key, const char *value)
{
    static uint8_t data[OP_MAX];
    struct redoubt_result result = {.data = data, .capacity = sizeof data};
    struct redoubt_op op = op_of(kv_put_encode(room, OP_MAX, key, strlen(key), value, strlen(value)));
    return application_proxy.execute(proxy, &op, &result);
}

static struct slice touched; /* by what was finished last */

static void run_all(const struct call_run *run, size_t len, struct writer *w)
{
    application_apart.begin(proxy, run, (struct slice){room, len});
    assert_true(application_apart.finish(proxy, (struct slice){room, len}, w, &touched));
}

static size_t operation_put(size_t at, const char *key)
{
    uint8_t *to = room + at;
    size_t len = kv_put_encode(to + 4, 1000, key, strlen(key), "v", 1);
    struct writer w = writer_to(to, 4);
    put_u32(&w, (uint32_t)len);
    return at + 4 + len;
}

/* --- what it does ------------------------------------------------------------------------------------------------------ */

static void operations_of_a_bundle_cost_one_wait(void **state)
{
    (void)state;
    static uint8_t out[REPLY_BODY_MAX];
    struct writer w = writer_to(out, sizeof out);
    size_t len = 0;
    char key[16];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key%d", i);
        len = operation_put(len, key);
    }
    const struct call_run run = {.mode = RUN_EXECUTE, .op = {.seed = seed, .slot = 1}};
    uint64_t waits = pair->waits;
    run_all(&run, len, &w);
    assert_true(pair->waits - waits <= 2); /* touches, results */
    assert_int_equal(w.len, 100 * (6 + 1));
    struct redoubt_result result = {.data = out, .capacity = OP_MAX};
    struct redoubt_op op = op_of(kv_get_encode(room, OP_MAX, "key77", 5));
    assert_int_equal(application_proxy.read(proxy, &op, &result), REDOUBT_OK);
    assert_memory_equal(out, "v", 1);
}

/* Whoever may only read is refused what would write; and nothing was written. */
static void a_reader_writes_nothing(void **state)
{
    (void)state;
    static uint8_t out[REPLY_BODY_MAX];
    struct writer w = writer_to(out, sizeof out);
    const struct call_run run = {.mode = RUN_READ_ONLY, .op = {.seed = seed, .slot = 1}};
    uint64_t touches = fake.touches;
    run_all(&run, operation_put(0, "a"), &w);
    assert_int_equal(out[0], REDOUBT_DENIED);
    assert_int_equal(fake.touches, touches);
}

/* As much is executed as Execution itself would: the rest is to be asked again. */
static void results_beyond_the_limit_are_to_be_asked_again(void **state)
{
    (void)state;
    static uint8_t out[REPLY_BODY_MAX];
    struct writer w = writer_to(out, sizeof out);
    static uint8_t value[700 * 1024];
    struct redoubt_result result = {.data = out, .capacity = OP_MAX};
    struct redoubt_op op = op_of(kv_put_encode(room, OP_MAX, "a", 1, value, sizeof value));
    assert_int_equal(application_proxy.execute(proxy, &op, &result), REDOUBT_OK);
    size_t len = 0;
    for (int i = 0; i < 3; i++) {
        size_t bytes = kv_get_encode(room + len + 4, 100, "a", 1);
        struct writer head = writer_to(room + len, 4);
        put_u32(&head, (uint32_t)bytes);
        len += 4 + bytes;
    }
    const struct call_run run = {.mode = RUN_EXECUTE, .op = {.seed = seed, .slot = 2}};
    run_all(&run, len, &w);
    assert_int_equal(w.len, 2 * (6 + sizeof value) + 6);
    assert_int_equal(out[2 * (6 + sizeof value)], RESULT_RETRY);
}

/* Several bundles on one wait; those beyond the limit of results are left, and nothing of them has happened. */
static void bundles_of_a_group_run_until_the_limit(void **state)
{
    (void)state;
    static uint8_t out[4][REPLY_BODY_MAX], value[200 * 1024];
    struct redoubt_result result = {.data = out[0], .capacity = OP_MAX};
    struct redoubt_op op = op_of(kv_put_encode(room, OP_MAX, "a", 1, value, sizeof value));
    assert_int_equal(application_proxy.execute(proxy, &op, &result), REDOUBT_OK);
    struct writer head = writer_to(room, 4);
    size_t get = 4 + kv_get_encode(room + 4, 100, "a", 1);
    put_u32(&head, (uint32_t)get - 4);
    size_t set = operation_put(get, "b") - get;
    const struct slice bundle[] = {{room, get}, {room, get}, {room + get, set}};
    uint64_t touches = fake.touches;
    for (unsigned i = 0; i < 3; i++) {
        const struct call_run run = {.mode = RUN_EXECUTE, .follows = i > 0, .op = {.seed = seed, .slot = 3}};
        application_apart.begin(proxy, &run, bundle[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct writer w = writer_to(out[i], REPLY_BODY_MAX);
        assert_int_equal(application_apart.finish(proxy, bundle[i], &w, &touched), i < 2);
        assert_int_equal(w.len, i < 2 ? 6 + sizeof value : 0);
    }
    assert_int_equal(fake.touches, touches);
    struct writer w = writer_to(out[0], REPLY_BODY_MAX);
    const struct call_run again = {.mode = RUN_EXECUTE, .op = {.seed = seed, .slot = 3}};
    application_apart.begin(proxy, &again, bundle[2]);
    assert_true(application_apart.finish(proxy, bundle[2], &w, &touched));
    assert_int_equal(w.len, 7);
}

static uint8_t digest_then[REDOUBT_DIGEST_BYTES];
static struct fake_sink bytes_then;
static bool wants_digest, wants_bytes;

static void on_touch(void *context, uint64_t leaf)
{
    (void)context;
    if (wants_digest)
        application_proxy.leaf_digest(proxy, leaf, digest_then);
    if (wants_bytes)
        application_proxy.leaf_save(proxy, leaf, &bytes_then.sink);
    wants_digest = wants_bytes = false;
}

/* What a leaf was before it changed is there when it is touched, if it was asked for in advance. */
static void a_touch_brings_the_leaf_as_it_was(void **state)
{
    (void)state;
    uint8_t before[REDOUBT_DIGEST_BYTES], after[REDOUBT_DIGEST_BYTES];
    struct fake_sink saved;
    const uint64_t all = 1;
    fake_sink_init(&saved);
    fake_sink_init(&bytes_then);
    assert_int_equal(put("a", "old"), REDOUBT_OK);
    application_proxy.leaf_digest(proxy, 0, before);
    application_proxy.leaf_save(proxy, 0, &saved.sink);
    application_apart.freeze(proxy, &all, 1);
    application_apart.serve(proxy, 1);
    fake.on_touch = on_touch;
    wants_digest = wants_bytes = true;
    assert_int_equal(put("a", "new"), REDOUBT_OK);
    assert_false(wants_digest);
    assert_memory_equal(digest_then, before, sizeof before);
    assert_int_equal(bytes_then.bytes, saved.bytes);
    assert_memory_equal(bytes_then.data, saved.data, saved.bytes);
    application_proxy.leaf_digest(proxy, 0, after);
    assert_memory_not_equal(after, before, sizeof before);
    fake.on_touch = NULL;
    fake_sink_free(&saved);
    fake_sink_free(&bytes_then);
}

/* Once, and not when the digest was asked for since. */
static void a_touch_does_not_bring_what_was_not_asked_for(void **state)
{
    (void)state;
    const uint64_t all = 1;
    assert_int_equal(put("a", "old"), REDOUBT_OK);
    application_apart.freeze(proxy, &all, 1);
    application_proxy.leaf_digest(proxy, 0, digest_then);
    fake.on_touch = on_touch;
    wants_digest = true;
    ENDS("a touch without its digest", put("a", "new"));
}

static void a_touch_brings_no_bytes_twice(void **state)
{
    (void)state;
    assert_int_equal(put("a", "old"), REDOUBT_OK);
    application_apart.serve(proxy, 1);
    assert_int_equal(put("a", "new"), REDOUBT_OK);
    fake.on_touch = on_touch;
    wants_digest = false;
    wants_bytes = true;
    ENDS("a touch without its bytes", put("a", "newer"));
    wants_bytes = false;
}

static void stop_serving(void *context, uint64_t leaf)
{
    (void)context, (void)leaf;
    application_apart.serve(proxy, 0);
}

/* Execution may give up serving while a touch is told: the application hears of it before the next call. */
static void serving_ends_within_a_touch(void **state)
{
    (void)state;
    assert_int_equal(put("a", "1"), REDOUBT_OK);
    application_apart.serve(proxy, 1);
    fake.on_touch = stop_serving;
    assert_int_equal(put("a", "2"), REDOUBT_OK);
    fake.on_touch = NULL;
    assert_int_equal(pair->application->serve_leaves, 1);
    assert_int_equal(put("a", "3"), REDOUBT_OK);
    assert_int_equal(pair->application->serve_leaves, 0);
}

static void leaves_of_many_pieces_pass(void **state)
{
    (void)state;
    static uint8_t value[1024 * 1024];
    struct fake_sink sink;
    static uint8_t out[REPLY_BODY_MAX];
    uint8_t digest[REDOUBT_DIGEST_BYTES], judged[REDOUBT_DIGEST_BYTES];
    memset(value, 7, sizeof value);
    for (uint8_t i = 0; i < 5; i++) {
        struct redoubt_result result = {.data = out, .capacity = OP_MAX};
        struct redoubt_op op = op_of(kv_put_encode(room, OP_MAX, &i, 1, value, sizeof value));
        assert_int_equal(application_proxy.execute(proxy, &op, &result), REDOUBT_OK);
    }
    fake_sink_init(&sink);
    application_proxy.leaf_save(proxy, 0, &sink.sink);
    assert_true(sink.bytes > 5 * sizeof value);
    application_proxy.leaf_digest(proxy, 0, digest);
    assert_true(application_proxy.saved_digest(proxy, 0, sink.data, sink.bytes, judged));
    assert_memory_equal(judged, digest, sizeof digest);
    sink.data[sink.bytes - 1] ^= 1;
    assert_true(application_proxy.saved_digest(proxy, 0, sink.data, sink.bytes, judged));
    assert_memory_not_equal(judged, digest, sizeof digest);
    sink.data[sink.bytes - 1] ^= 1;
    assert_false(application_proxy.saved_digest(proxy, 0, sink.data, sink.bytes - 1, judged));
    assert_true(application_proxy.reset(proxy, 1, false));
    assert_true(application_proxy.leaf_load(proxy, 0, sink.data, sink.bytes));
    application_proxy.leaf_digest(proxy, 0, judged);
    assert_memory_equal(judged, digest, sizeof digest);
    assert_false(application_proxy.leaf_load(proxy, 0, sink.data, sink.bytes - 1));
    fake_sink_free(&sink);
}

static void keys_are_named(void **state)
{
    (void)state;
    struct redoubt_keys keys, wanted;
    struct redoubt_op op = op_of(kv_put_encode(room, OP_MAX, "name", 4, "v", 1));
    assert_true(application_proxy.keys(&op, &keys));
    assert_true(redoubt_service_kv.keys(&op, &wanted));
    assert_int_equal(keys.count, 1);
    assert_ptr_equal(keys.entry[0].key, wanted.entry[0].key);
    assert_int_equal(keys.entry[0].bytes, wanted.entry[0].bytes);
    assert_int_equal(keys.entry[0].write, wanted.entry[0].write);
    op.bytes--;
    assert_false(application_proxy.keys(&op, &keys));
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    use(&redoubt_service_kv, "memory_mb=nonsense");
    assert_null(proxy);
    assert_int_equal(fake.live_bytes, 0);
    application_pair_free(pair);
    use(&redoubt_service_counter, "reply_bytes=100");
    assert_non_null(proxy);
}

/* By then the store may hold far more: what it would answer now, others need not. Values that are given back are found again. */
static void memory_that_runs_out_ends_it(void **state)
{
    static char value[500001];
    (void)state;
    use(&redoubt_service_kv, "memory_mb=1024"); /* in 64 MiB */
    memset(value, 'v', sizeof value - 1);
    char key[16];
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "key%d", i % 60);
        value[100000 + 200 * i] = 0; /* of another length each time */
        assert_int_equal(put(key, value), REDOUBT_OK);
        value[100000 + 200 * i] = 'v';
    }
    ENDS(
        "memory ran out below the service's own limit", for (int i = 0; i < 1000; i++) {
            snprintf(key, sizeof key, "more%d", i);
            assert_int_equal(put(key, value), REDOUBT_OK);
        });
}

/* --- an application that lies ------------------------------------------------------------------------------------------- */

/* Instead of the application's, these answers come; then none. */
static struct frame_queue script;
static uint8_t scripted[FRAME_MAX];

static struct slice scripted_receive(void *context)
{
    struct slice frame;
    if (!frame_queue_take(&script, &frame))
        on_fail(context, "the application does not answer");
    memcpy(scripted, frame.data, frame.len);
    return (struct slice){scripted, frame.len};
}

static void swallow(void *context, const struct slice *parts, unsigned count)
{
    (void)context, (void)parts, (void)count;
}

static const struct application_link liar = {.send = swallow, .receive = scripted_receive, .fail = on_fail};

static void say(const void *data, size_t len)
{
    frame_queue_add(&script, &(struct slice){data, len}, 1);
}

static void say_done(enum call call, uint64_t leaves, const void *payload, size_t len)
{
    static uint8_t frame[FRAME_MAX];
    struct writer w = writer_to(frame, sizeof frame);
    put_u8(&w, ANSWER_DONE);
    put_u8(&w, (uint8_t)call);
    put_u64(&w, leaves);
    put_raw(&w, payload, len);
    assert_false(w.bad);
    say(frame, w.len);
}

/* Results, and what so many operations touched: nothing. */
static void say_run(const void *results, size_t len, unsigned operations)
{
    static uint8_t payload[FRAME_MAX];
    struct writer w = writer_to(payload, sizeof payload);
    put_slice(&w, (struct slice){results, len});
    for (unsigned i = 0; i < operations; i++)
        touched_put(&w, &(struct touched){.known = true});
    assert_false(w.bad);
    say_done(CALL_RUN, 4, payload, w.len);
}

static void say_touch(uint64_t leaf, unsigned bits, size_t digest_bytes)
{
    static const uint8_t digest[32];
    uint8_t frame[64];
    struct writer w = writer_to(frame, sizeof frame);
    put_u8(&w, ANSWER_TOUCHES);
    put_u64(&w, leaf);
    put_u8(&w, (uint8_t)bits);
    put_raw(&w, digest, digest_bytes);
    say(frame, w.len);
}

static void say_leaf(uint64_t leaf, uint32_t total, uint32_t at, size_t len)
{
    static uint8_t frame[4096];
    struct writer w = writer_to(frame, sizeof frame);
    put_u8(&w, ANSWER_LEAF);
    put_u64(&w, leaf);
    put_u32(&w, total);
    put_u32(&w, at);
    (void)writer_take(&w, len);
    say(frame, w.len);
}

/* A proxy of a state with 4 leaves, whose application says from now on what the test says. */
static int setup_liar(void **state)
{
    (void)state;
    fake_env_init(&fake);
    frame_queue_free(&script);
    pair = NULL;
    application_proxy_use(&liar);
    say_done(CALL_CREATE, 4, "\1", 1);
    proxy = application_proxy.create(&fake.env, "");
    return proxy == NULL;
}

static int teardown_liar(void **state)
{
    frame_queue_free(&script);
    return teardown(state);
}

static void run_two(void)
{
    static uint8_t out[REPLY_BODY_MAX];
    struct writer w = writer_to(out, sizeof out);
    const struct call_run run = {.mode = RUN_EXECUTE, .op = {.seed = seed, .slot = 1}};
    run_all(&run, operation_put(operation_put(0, "a"), "b"), &w);
    assert_int_equal(w.len, 13);
}

#define TWO_RESULTS "\0\0\1\0\0\0x\1\0\0\0\0\0"

static void results_are_as_many_as_operations(void **state)
{
    (void)state;
    say_run(TWO_RESULTS, 13, 2); /* as it should be */
    run_two();
    say_run(TWO_RESULTS, 7, 2);
    ENDS("a malformed result", run_two());
    say_done(CALL_RUN, 4, "", 0);
    ENDS("no results", run_two());
    say_run(TWO_RESULTS "\0\0\0\0\0\0", 19, 2);
    ENDS("more results than operations", run_two());
    say_run("\0\0\xff\xff\xff\xffx\1\0\0\0\0\0", 13, 2);
    ENDS("a malformed result", run_two());
    say_run("\0\1\1\0\0\0x\1\0\0\0\0\0", 13, 2); /* a digest: only replies have that */
    ENDS("a malformed result", run_two());
    say_run("\6\0\1\0\0\0x\1\0\0\0\0\0", 13, 2);
    ENDS("a result that cannot be", run_two());
    say_run("\x40\0\0\0\0\0\0\0\1\0\0\0x", 13, 2); /* there was room */
    ENDS("a result that cannot be", run_two());
    say_done(CALL_RUN, 4, "\15\0\0\0" TWO_RESULTS, 16);
    ENDS("a malformed answer", run_two());
}

static void say_touched(const char *what, size_t len)
{
    uint8_t payload[64];
    struct writer w = writer_to(payload, sizeof payload);
    put_slice(&w, (struct slice){(const uint8_t *)TWO_RESULTS, 13});
    put_raw(&w, what, len);
    say_done(CALL_RUN, 4, payload, w.len);
}

static void what_was_touched_is_said_of_each_operation(void **state)
{
    (void)state;
    static const char missing[] = "it is not said what an operation touched";
    say_touched("\1\0", 2); /* one of two */
    ENDS(missing, run_two());
    say_touched("\1\0\x10\0", 4); /* an unknown flag */
    ENDS(missing, run_two());
    say_touched("\1\0\1\x41", 4); /* too many */
    ENDS(missing, run_two());
    say_touched("\1\0\1\1\xff\xff\xff\x7f", 8); /* no such cell */
    ENDS(missing, run_two());
    say_touched("\1\0\4\0", 4); /* writes all, touches less */
    ENDS(missing, run_two());
    say_touched("\1\0\0\1\0\0\0\0", 8); /* malformed, with keys */
    ENDS(missing, run_two());
    say_run(TWO_RESULTS, 13, 3);
    ENDS("more is said to be touched than there are operations", run_two());
}

/* From the service's keys, as Execution would have them. */
static void an_application_says_what_operations_touch(void **state)
{
    (void)state;
    static uint8_t out[REPLY_BODY_MAX];
    struct writer w = writer_to(out, sizeof out);
    struct touched first, second;
    size_t len = operation_put(0, "a"), get = kv_get_encode(room + len + 4, 100, "b", 1);
    struct writer head = writer_to(room + len, 4);
    put_u32(&head, (uint32_t)get);
    const struct call_run run = {.mode = RUN_EXECUTE, .op = {.seed = seed, .slot = 1}};
    run_all(&run, len + 4 + get, &w);
    struct reader r = reader_of(touched.data, touched.len);
    assert_true(touched_get(&r, &first) && touched_get(&r, &second) && reader_done(&r));
    assert_true(first.known && first.writes && first.count == 1 && first.cell[0] == version_cell("a", 1));
    assert_true(second.known && !second.writes && second.count == 1 &&
                second.cell[0] == version_cell("b", 1));
}

static void one_result_fits(void **state)
{
    (void)state;
    uint8_t small[1], *long_one = calloc(1, OP_MAX + 16);
    struct redoubt_result result = {.data = small, .capacity = 1};
    struct redoubt_op op = op_of(3);
    say_run(TWO_RESULTS, 7, 1);
    assert_int_equal(application_proxy.execute(proxy, &op, &result), REDOUBT_OK);
    assert_int_equal(result.bytes, 1);
    say_run("\0\0\2\0\0\0xy", 8, 1);
    ENDS("a result too long", application_proxy.execute(proxy, &op, &result));
    say_run(TWO_RESULTS, 13, 1);
    ENDS("a malformed result", application_proxy.read(proxy, &op, &result));
    struct writer w = writer_to(long_one, 6);
    put_u16(&w, 0);
    put_u32(&w, OP_MAX + 1);
    say_run(long_one, 6 + OP_MAX + 1, 1);
    result.capacity = SIZE_MAX;
    ENDS("a result too long", application_proxy.execute(proxy, &op, &result));
    free(long_one);
}

static void answers_fit_their_calls(void **state)
{
    (void)state;
    uint8_t digest[REDOUBT_DIGEST_BYTES], many[64] = {0};
    const uint64_t leaves[2] = {0, 1};
    ENDS("the application does not answer", application_proxy.reset(proxy, 2, true));
    say_done(CALL_LOAD, 4, "\1", 1);
    ENDS("an answer to something else", application_proxy.reset(proxy, 2, true));
    say_done(CALL_RESET, 2, "\2", 1);
    ENDS("neither yes nor no", application_proxy.reset(proxy, 2, true));
    say_done(CALL_RESET, 2, "", 0);
    ENDS("neither yes nor no", application_proxy.reset(proxy, 2, true));
    say_done(CALL_RESET, 3, "\1", 1);
    ENDS("another number of leaves than asked for", application_proxy.reset(proxy, 2, true));
    say_done(CALL_RESET, 0, "\1", 1);
    ENDS("a state without leaves", application_proxy.reset(proxy, 0, true));
    say_done(CALL_RESET, LEAVES_MAX + 1ull, "\1", 1);
    ENDS("more leaves than a state may have", application_proxy.reset(proxy, 2, true));
    say_done(CALL_RESET, 2, "\1", 1);
    assert_true(application_proxy.reset(proxy, 2, true));
    assert_int_equal(application_proxy.leaf_count(proxy), 2);
    say_done(CALL_DIGESTS, 3, many, 64);
    ENDS("another number of leaves, unasked", application_proxy.expect_leaves(proxy, leaves, 2));
    assert_int_equal(application_proxy.leaf_count(proxy), 2);
    say_done(CALL_DIGESTS, 2, many, 63);
    ENDS("not as many digests as leaves", application_proxy.expect_leaves(proxy, leaves, 2));
    say_done(CALL_DIGESTS, 2, many, 64);
    ENDS("not as many digests as leaves", application_proxy.leaf_digest(proxy, 0, digest));
    say_done(CALL_JUDGE, 2, many, 32);
    ENDS("neither yes nor no", application_proxy.saved_digest(proxy, 0, many, 3, digest));
    say("\7", 1);
    ENDS("no answer at all", application_proxy.reset(proxy, 2, true));
    say("", 0);
    ENDS("no answer at all", application_proxy.reset(proxy, 2, true));
    say("\3\6", 2);
    ENDS("an answer to something else", application_proxy.reset(proxy, 2, true));
}

static void touches_have_their_form(void **state)
{
    (void)state;
    say_touch(3, TOUCH_DIGEST, 32); /* as it should be */
    say_run(TWO_RESULTS, 13, 2);
    run_two();
    assert_int_equal(fake.touches, 1);
    say_touch(3, TOUCH_DIGEST, 31);
    ENDS("a malformed touch", run_two());
    say_touch(3, 4, 0);
    ENDS("a malformed touch", run_two());
    say_touch(LEAVES_MAX, 0, 0);
    ENDS("a malformed touch", run_two());
    say_touch(UINT64_MAX, 0, 0);
    ENDS("a malformed touch", run_two());
    say_touch(3, TOUCH_BYTES, 0);
    ENDS("a touch without its bytes", run_two());
    say("\1", 1);
    ENDS("an empty list of touches", run_two());
    say_touch(3, 0, 0);
    ENDS("a touch, unasked", application_proxy.leaf_digest(proxy, 0, room));
    assert_int_equal(fake.touches, 1);
}

static void save_one(uint64_t leaf)
{
    struct fake_sink sink;
    fake_sink_init(&sink);
    application_proxy.leaf_save(proxy, leaf, &sink.sink);
    assert_int_equal(sink.bytes, 10);
    fake_sink_free(&sink);
}

static void leaves_come_whole_and_in_order(void **state)
{
    (void)state;
    say_leaf(2, 10, 0, 6); /* as it should be */
    say_leaf(2, 10, 6, 4);
    say_done(CALL_SAVE, 4, "", 0);
    save_one(2);
    save_one(2); /* not asked for again */
    say_leaf(1, 10, 0, 6);
    say_done(CALL_SAVE, 4, "", 0);
    ENDS("a leaf that is not whole", save_one(1));
    say_leaf(3, 10, 0, 10);
    say_done(CALL_SAVE, 4, "", 0);
    ENDS("a leaf that is not whole", save_one(1)); /* another one */
    say_leaf(1, 10, 0, 6);
    say_leaf(1, 10, 5, 5);
    ENDS("pieces of a leaf out of order", save_one(1));
    say_leaf(1, 10, 0, 11);
    ENDS("pieces of a leaf out of order", save_one(1));
    say_leaf(1, 10, 0, 6);
    say_leaf(1, 11, 6, 4);
    ENDS("pieces of a leaf out of order", save_one(1));
    say_leaf(1, 10, 4, 6);
    ENDS("pieces of a leaf out of order", save_one(1));
    say_leaf(1, 10, 0, 0);
    ENDS("an empty piece of a leaf", save_one(1));
    say_leaf(1, LEAF_BYTES_MAX + 1, 0, 10);
    ENDS("a leaf too large", save_one(1));
    say_leaf(LEAVES_MAX, 10, 0, 10);
    ENDS("a leaf too large", save_one(1));
    say_done(CALL_SAVE, 4, "x", 1);
    ENDS("a leaf that is not whole", save_one(1));
    say_leaf(1, 10, 0, 10);
    ENDS("a leaf, unasked", application_proxy.leaf_digest(proxy, 0, room));
}

static void keys_lie_in_their_operation(void **state)
{
    (void)state;
    struct redoubt_keys keys;
    struct redoubt_op op = op_of(5);
    static uint8_t many[3 + 65 * 9] = {1};
    say_done(CALL_KEYS, 4, "\1\0\0\1\0\0\0\4\0\0\0\1", 12); /* as it should be */
    assert_true(application_proxy.keys(&op, &keys));
    assert_int_equal(keys.entry[0].bytes, 4);
    say_done(CALL_KEYS, 4, "\1\0\0\2\0\0\0\4\0\0\0\1", 12);
    ENDS("a key outside its operation", application_proxy.keys(&op, &keys));
    say_done(CALL_KEYS, 4, "\1\0\0\6\0\0\0\0\0\0\0\1", 12);
    ENDS("a key outside its operation", application_proxy.keys(&op, &keys));
    say_done(CALL_KEYS, 4, "\1\0\0\1\0\0\0\4\0\0\0", 11);
    ENDS("a key outside its operation", application_proxy.keys(&op, &keys));
    say_done(CALL_KEYS, 4, many, sizeof many);
    ENDS("a key outside its operation", application_proxy.keys(&op, &keys));
    say_done(CALL_KEYS, 4, "\1\0", 2);
    ENDS("malformed keys", application_proxy.keys(&op, &keys));
}

/* --- an Execution that lies ----------------------------------------------------------------------------------------------- */

static void call(const void *data, size_t len)
{
    application_on_call(pair->application, data, len);
}

static void malformed_calls_end_the_application(void **state)
{
    (void)state;
    uint8_t big[64] = {CALL_DIGESTS};
    ENDS("an unknown call, or one before CREATE", call("\0", 1));
    ENDS("an unknown call, or one before CREATE", call("\x0c", 1));
    ENDS("an unknown call, or one before CREATE", call("", 0));
    ENDS("created twice, or with too many options", call("\1", 1));
    ENDS("a malformed call", call("\2\1", 2));
    ENDS("a malformed call", call("\4", 1));
    ENDS("a malformed call", call("\4\0\0\0\0\0\0\0\0\0", 10));
    big[1] = 1; /* there is leaf 0 only */
    ENDS("the digest of a leaf that there is not", call(big, 9));
    big[0] = CALL_SAVE;
    ENDS("the bytes of a leaf that there is not", call(big, 9));
    ENDS("a malformed call", call(big, 8));
    ENDS("a malformed call", call("\6\1", 2));
    big[0] = CALL_FREEZE; /* one leaf, no bitmap */
    ENDS("a malformed call", call(big, 9));
    big[0] = CALL_SERVE;
    big[8] = 1;
    ENDS("a malformed call", call(big, 9));
    application_pair_free(pair);
    pair = application_pair_new(&redoubt_service_kv, 64u << 20);
    pair->on_fail = on_fail;
    ENDS("an unknown call, or one before CREATE", call("\4", 1));
}

#define WITH(name, how) cmocka_unit_test_setup_teardown(name, how, teardown)
#define LIES(name)      cmocka_unit_test_setup_teardown(name, setup_liar, teardown_liar)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(operations_of_a_bundle_cost_one_wait, setup),
        WITH(a_reader_writes_nothing, setup),
        WITH(results_beyond_the_limit_are_to_be_asked_again, setup),
        WITH(bundles_of_a_group_run_until_the_limit, setup),
        WITH(an_application_says_what_operations_touch, setup),
        WITH(a_touch_brings_the_leaf_as_it_was, setup),
        WITH(a_touch_does_not_bring_what_was_not_asked_for, setup),
        WITH(a_touch_brings_no_bytes_twice, setup),
        WITH(serving_ends_within_a_touch, setup),
        WITH(leaves_of_many_pieces_pass, setup),
        WITH(keys_are_named, setup),
        WITH(wrong_options_are_refused, NULL),
        WITH(memory_that_runs_out_ends_it, NULL),
        LIES(results_are_as_many_as_operations),
        LIES(what_was_touched_is_said_of_each_operation),
        LIES(one_result_fits),
        LIES(answers_fit_their_calls),
        LIES(touches_have_their_form),
        LIES(leaves_come_whole_and_in_order),
        LIES(keys_lie_in_their_operation),
        WITH(malformed_calls_end_the_application, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
