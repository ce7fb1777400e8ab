/*
 * The front with the echo service: connections over plain listeners. TLS has test_troxy_tls.c.
 */
#include "front_world.h"
#include "testing.h"

static struct front_world world;

static int setup(void **state)
{
    (void)state;
    front_world_open(&world, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    front_world_close_all(&world);
    assert_int_equal(echo_open, 0);
    front_world_close(&world);
    return 0;
}

static void say(uint32_t connection, const char *text)
{
    assert_verdict(front_world_bytes(&world, connection, text, strlen(text), false), ACCEPT);
}

/* All that was written so far, and nothing else. */
static void hears(uint32_t connection, const char *text)
{
    struct front_socket *s = &world.socket[connection];
    front_world_run(&world);
    assert_int_equal(s->len, strlen(text));
    if (s->len)
        assert_memory_equal(s->data, text, s->len);
    s->len = 0;
}

static void line_in_line_out(void **state)
{
    (void)state;
    assert_verdict(front_world_opened(&world, 7, LISTENER_REDIS), ACCEPT);
    say(7, "hello\nPING\n");
    hears(7, "PONG\n1:hello\n");
    say(7, "again\n");
    hears(7, "2:again\n");
    assert_verdict(front_world_opened(&world, 8, LISTENER_HTTP), ACCEPT);
    say(8, "READY\n");
    hears(8, "YES\n");
}

static void bytes_come_one_by_one(void **state)
{
    (void)state;
    const char *text = "one\ntwo\nPING\n";
    front_world_opened(&world, 0, LISTENER_REDIS);
    for (size_t i = 0; text[i]; i++) {
        assert_verdict(front_world_bytes(&world, 0, text + i, 1, false), ACCEPT);
        front_world_run(&world);
    }
    hears(0, "1:one\n2:two\nPONG\n");
}

/* More than may be under way: the rest waits, in order. */
static void pipelined(void **state)
{
    (void)state;
    static char text[16384], expected[16384];
    size_t len = 0, wanted = 0;
    for (int i = 1; i <= 1000; i++) {
        len += (size_t)sprintf(text + len, "op%d\n", i);
        wanted += (size_t)sprintf(expected + wanted, "%d:op%d\n", i, i);
    }
    front_world_opened(&world, 3, LISTENER_REDIS);
    say(3, text);
    hears(3, expected);
    assert_true(world.told.operations >= FRONT_OPS_MAX);
}

static void closes_after_what_was_written(void **state)
{
    (void)state;
    front_world_opened(&world, 1, LISTENER_REDIS);
    say(1, "PING\nQUIT\nPING\n");
    hears(1, "PONG\nBYE\n");
    assert_true(world.socket[1].closed);
    assert_int_equal(world.socket[1].reason, END_DONE);
    /* Bytes that were under way do no harm; its number is free once the host has said so. */
    assert_verdict(front_world_bytes(&world, 1, "PING\n", 5, false), STALE);
    assert_verdict(front_world_opened(&world, 1, LISTENER_REDIS), UNEXPECTED);
    assert_verdict(front_world_closed(&world, 1), ACCEPT);
    assert_verdict(front_world_closed(&world, 1), UNEXPECTED);
    assert_verdict(front_world_opened(&world, 1, LISTENER_REDIS), ACCEPT);
    say(1, "PING\n");
    hears(1, "PONG\n");
}

static void host_closes_first(void **state)
{
    (void)state;
    front_world_opened(&world, 1, LISTENER_REDIS);
    say(1, "one\n"); /* under way: its outcome is told nobody */
    assert_verdict(front_world_closed(&world, 1), ACCEPT);
    assert_int_equal(echo_open, 0);
    assert_verdict(front_world_opened(&world, 1, LISTENER_REDIS), ACCEPT);
    say(1, "two\n");
    hears(1, "2:two\n");
}

/* The client says that it sends no more: it still gets what it asked for. */
static void half_closed(void **state)
{
    (void)state;
    front_world_opened(&world, 1, LISTENER_REDIS);
    assert_verdict(front_world_bytes(&world, 1, "one\nPING\n", 9, true), ACCEPT);
    hears(1, "PONG\n1:one\n");
    assert_true(world.socket[1].closed);
    front_world_opened(&world, 2, LISTENER_REDIS);
    assert_verdict(front_world_bytes(&world, 2, "unfinish", 8, true), ACCEPT);
    hears(2, "");
    assert_true(world.socket[2].closed);
}

/* Many who begin a request and do not end it: before they have all memory, the first of them is cut off, and others are served. */
static void unfinished_requests_give_way(void **state)
{
    static uint8_t bytes[48000];
    (void)state;
    front_world_close(&world);
    front_world_open_beside(&world, NULL, (size_t)6 << 30); /* as a Troxy's front lies beside its access */
    memset(bytes, 'a', sizeof bytes);
    uint32_t count = WORLD_ARENA / (128u * 1024u); /* which is what two pieces take */
    for (uint32_t i = 0; i < count; i++) {
        front_world_opened(&world, i, LISTENER_REDIS);
        for (unsigned piece = 0; piece < 2; piece++) {
            assert_verdict(front_world_bytes(&world, i, bytes, sizeof bytes, false), ACCEPT);
            front_world_run(&world);
        }
        assert_false(world.socket[i].closed);
    }
    assert_true(world.socket[0].closed);
    assert_int_equal(world.socket[0].reason, END_SLOW);
    assert_int_equal(front_world_opened(&world, count, LISTENER_REDIS), VERDICT_ACCEPT);
    say(count, "PING\n");
    hears(count, "PONG\n");
}

static void input_has_a_window(void **state)
{
    (void)state;
    static char bytes[FRONT_IN_WINDOW + 1];
    memset(bytes, 'a', sizeof bytes);
    front_world_opened(&world, 1, LISTENER_REDIS);
    assert_verdict(front_world_bytes(&world, 1, bytes, sizeof bytes, false), LIMIT);
    assert_verdict(front_world_bytes(&world, 1, bytes, FRONT_IN_WINDOW, false), ACCEPT);
    assert_verdict(front_world_bytes(&world, 1, bytes, 1, false), LIMIT);
    front_world_run(&world);
    assert_int_equal(world.socket[1].credit,
                     FRONT_IN_WINDOW); /* a line that is longer still: nothing is under way */
    say(1, "\n");
    front_world_run(&world);
    assert_int_equal(world.socket[1].len, FRONT_IN_WINDOW + 3);
}

static void output_has_a_window(void **state)
{
    (void)state;
    struct front_socket *s = &world.socket[1];
    front_world_opened(&world, 1, LISTENER_REDIS);
    say(1, "FILL 1000000\nPING\n");
    front_world_run(&world);
    assert_in_range(s->written, FRONT_OUT_WINDOW, FRONT_OUT_WINDOW + FRONT_CHUNK_BYTES);
    for (int i = 0; i < 100 && s->written < 1000001 + 5; i++) {
        assert_verdict(front_world_credit(&world, 1, s->len), ACCEPT);
        s->len = 0;
        front_world_run(&world);
    }
    assert_int_equal(s->written, 1000001 + 5);
    assert_verdict(front_world_credit(&world, 1, s->len + 1), UNEXPECTED); /* more than was ever out */
}

/* Who does not read holds up itself: what it asks for waits, then it is cut off. */
static void a_client_that_never_reads(void **state)
{
    (void)state;
    front_world_opened(&world, 1, LISTENER_REDIS);
    front_world_opened(&world, 2, LISTENER_REDIS);
    for (int i = 0; i < 3; i++)
        say(1, "FILL 1000000\n");
    front_world_run(&world);
    say(2, "PING\n");
    hears(2, "PONG\n");
    front_world_wait(&world, 29000000);
    assert_false(world.socket[1].closed);
    front_world_wait(&world, 2000000);
    assert_true(world.socket[1].closed);
    assert_int_equal(world.socket[1].reason, END_SLOW);
    assert_false(world.socket[2].closed);
}

static void too_much_output(void **state)
{
    (void)state;
    front_world_opened(&world, 1, LISTENER_REDIS);
    say(1, "FILL 17000000\nPING\n");
    front_world_run(&world);
    assert_true(world.socket[1].closed);
    assert_int_equal(world.socket[1].reason, END_SLOW);
}

static void patience_ends(void **state)
{
    (void)state;
    front_world_opened(&world, 1, LISTENER_REDIS);
    say(1, "unfinished");
    front_world_opened(&world, 2, LISTENER_REDIS);
    front_world_run(&world);
    assert_int_equal(world.wakes_us, world.now_us + 20000000);
    front_world_wait(&world, 19000000);
    say(1, " still"); /* a byte now and then does not help */
    front_world_run(&world);
    assert_false(world.socket[1].closed);
    front_world_wait(&world, 1000000);
    assert_true(world.socket[1].closed);
    assert_int_equal(world.socket[1].reason, END_SLOW);
    assert_false(world.socket[2].closed);
    front_world_wait(&world, 279000000);
    assert_false(world.socket[2].closed);
    front_world_wait(&world, 1000000);
    assert_true(world.socket[2].closed);
    assert_int_equal(world.socket[2].reason, END_IDLE);
}

static void secure_listeners_need_a_certificate(void **state)
{
    (void)state;
    assert_verdict(front_world_opened(&world, 1, LISTENER_HTTPS), LIMIT);
    assert_true(world.socket[1].closed);
    assert_verdict(front_world_closed(&world, 1), ACCEPT);
}

static void all_connections_at_once(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i += 97) {
        assert_verdict(front_world_opened(&world, i, LISTENER_REDIS), ACCEPT);
        say(i, "PING\n");
    }
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i += 97)
        hears(i, "PONG\n");
}

static void frames_that_no_host_sends(void **state)
{
    (void)state;
    uint8_t body[16] = {0};
    assert_verdict(front_world_opened(&world, FRONT_CONNECTIONS_MAX, LISTENER_REDIS), MALFORMED);
    assert_verdict(front_world_opened(&world, 1, LISTENERS), MALFORMED);
    assert_verdict(front_world_bytes(&world, 1, "x", 1, false), UNEXPECTED);
    assert_verdict(front_world_bytes(&world, FRONT_CONNECTIONS_MAX, "x", 1, false), MALFORMED);
    assert_verdict(front_world_credit(&world, 1, 1), STALE);
    assert_verdict(front_world_closed(&world, 1), UNEXPECTED);
    for (enum frame_type type = FRAME_LOCAL_OPENED; type <= FRAME_LOCAL_CLOSED; type++)
        for (size_t len = 0; len < sizeof body; len++) {
            enum verdict verdict = front_world_give(&world, type, (struct slice){body, len}, SLICE_NONE);
            bool fits = len == (type == FRAME_LOCAL_CREDIT ? 8 : 5);
            if (!fits)
                assert_verdict(verdict, MALFORMED);
            if (fits)
                assert_int_not_equal(verdict, VERDICT_MALFORMED);
        }
    assert_verdict(front_world_give(&world, FRAME_STATUS, SLICE_NONE, SLICE_NONE), UNEXPECTED);
}

/* Whatever a host says, in whatever order: invariants are checked after each step. */
static void anything(void **state)
{
    (void)state;
    uint64_t seed = 1;
    static const char *const texts[] = {"PING\n", "op\n", "FILL 70000\n", "part", "\n", "QUIT\n", "READY\n"};
    for (int i = 0; i < 4000; i++) {
        uint32_t connection = (uint32_t)(test_random(&seed) % 5);
        const char *text = texts[test_random(&seed) % 7];
        switch (test_random(&seed) % 8) {
        case 0:
            front_world_opened(&world, connection, (unsigned)(test_random(&seed) % LISTENERS));
            break;
        case 1:
            front_world_credit(&world, connection, (size_t)(test_random(&seed) % 100000));
            break;
        case 2:
            front_world_closed(&world, connection);
            break;
        case 3:
            front_world_wait(&world, test_random(&seed) % 3000000);
            break;
        default:
            front_world_bytes(&world, connection, text, strlen(text), test_random(&seed) % 50 == 0);
        }
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(line_in_line_out),
        T(bytes_come_one_by_one),
        T(pipelined),
        T(closes_after_what_was_written),
        T(host_closes_first),
        T(half_closed),
        T(input_has_a_window),
        T(unfinished_requests_give_way),
        T(output_has_a_window),
        T(a_client_that_never_reads),
        T(too_much_output),
        T(patience_ends),
        T(secure_listeners_need_a_certificate),
        T(all_connections_at_once),
        T(frames_that_no_host_sends),
        T(anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
