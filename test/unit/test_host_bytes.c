/* What the host does with bytes: buffers, frames in a stream, JSON of others, frames that a faulty host sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fault.h"
#include "file.h"
#include "json.h"
#include "sockets.h"
#include "wire/messages.h"

static void a_buffer_is_a_queue(void **state)
{
    struct buffer b = {0};
    uint64_t in = 0, out = 0;
    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        for (int n = rand() % 50; n > 0; n--) {
            buffer_append(&b, &in, sizeof in);
            in++;
        }
        for (int n = rand() % 52; n > 0 && b.len > 0; n--) {
            uint64_t got;
            memcpy(&got, buffer_data(&b), sizeof got);
            assert_int_equal(got, out++);
            buffer_consume(&b, sizeof got);
        }
    }
    assert_int_equal(b.len, (in - out) * sizeof in);
    buffer_free(&b);
}

static void frames_come_out_as_they_went_in(void **state)
{
    struct buffer b = {0};
    struct slice frame;
    uint8_t data[300] = {WIRE_VERSION};
    size_t at = 0;
    (void)state;
    for (size_t len = FRAME_HEADER_BYTES; len < sizeof data; len += 13) {
        struct slice parts[2] = {{data, 20}, {data + 20, len - 20}};
        frame_append(&b, parts, 2);
    }
    for (size_t len = FRAME_HEADER_BYTES; len < sizeof data; len += 13) {
        assert_int_equal(frame_split(buffer_data(&b), b.len, 300, &at, &frame), SPLIT_FRAME);
        assert_int_equal(frame.len, len);
        assert_memory_equal(frame.data, data, len);
    }
    assert_int_equal(frame_split(buffer_data(&b), b.len, 300, &at, &frame), SPLIT_MORE);
    for (size_t cut = 0; cut < 4 + FRAME_HEADER_BYTES; cut++) {
        at = 0;
        assert_int_equal(frame_split(buffer_data(&b), cut, 300, &at, &frame), SPLIT_MORE);
        assert_int_equal(at, 0);
    }
    buffer_free(&b);
}

static void garbage_is_no_frame(void **state)
{
    static const uint8_t too_short[] = {31, 0, 0, 0, 1}, too_long[] = {0, 0, 1, 0, 1},
                         other_version[] = {40, 0, 0, 0, 9};
    struct slice frame;
    size_t at = 0;
    (void)state;
    assert_int_equal(frame_split(too_short, 5, 65535, &at, &frame), SPLIT_GARBAGE);
    assert_int_equal(frame_split(too_long, 5, 65535, &at, &frame), SPLIT_GARBAGE);
    assert_int_equal(frame_split(other_version, 5, 65535, &at, &frame), SPLIT_GARBAGE);
    assert_int_equal(frame_split((const uint8_t *)"GET / HTTP", 10, FRAME_MAX, &at, &frame), SPLIT_GARBAGE);
}

static void json_of_others(void **state)
{
    static struct json json;
    static const char good[] = " {\"a\": 12, \"b\": [1, {\"c\": \"x\\\"y\"}, true], \"d\": {}, \"e\": []} ";
    static const char *const bad[] = {"",
                                      "{",
                                      "[1,]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "[1 2]",
                                      "\"a",
                                      "\"a\n\"",
                                      "1 1",
                                      "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
                                      "{\"a\":1,}",
                                      "\"\\"};
    char text[16];
    (void)state;
    assert_true(json_parse(&json, good, strlen(good)));
    assert_int_equal(json_number(&json, json_member(&json, 0, "a"), 0), 12);
    uint32_t b = json_member(&json, 0, "b");
    assert_int_equal(json_number(&json, json_element(&json, b, 0), 0), 1);
    assert_string_equal(
        json_string(&json, json_member(&json, json_element(&json, b, 1), "c"), text, sizeof text), "x\\\"y");
    assert_int_equal(json_number(&json, json_element(&json, b, 2), 77), 77);
    assert_int_equal(json_element(&json, b, 3), 0);
    assert_int_equal(json_member(&json, 0, "z"), 0);
    assert_int_equal(json_member(&json, 0, "c"), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(json_parse(&json, bad[i], strlen(bad[i])));
    for (size_t cut = 1; cut < strlen(good) - 1; cut++)
        assert_false(json_parse(&json, good, cut));
}

/* ---------------------------------------------------------------- faults */

static struct {
    uint32_t to_peer, to_client, true_to_peer, true_to_client;
    struct sender last_sender;
} seen;
static uint8_t original[256];
static size_t original_len;

static bool is_original(const struct slice *parts, unsigned count)
{
    struct buffer b = {0};
    for (unsigned i = 0; i < count; i++)
        buffer_append(&b, parts[i].data, parts[i].len);
    struct frame frame;
    assert_true(frame_decode(buffer_data(&b), b.len, &frame));
    seen.last_sender = frame.sender;
    bool same = b.len == original_len && memcmp(buffer_data(&b), original, b.len) == 0;
    buffer_free(&b);
    return same;
}

static void to_peer(void *context, replica_id to, const struct slice *parts, unsigned count)
{
    (void)context, (void)to;
    seen.to_peer++;
    seen.true_to_peer += is_original(parts, count);
}

static void to_client(void *context, uint32_t connection, const struct slice *parts, unsigned count)
{
    (void)context, (void)connection;
    seen.to_client++;
    seen.true_to_client += is_original(parts, count);
}

static struct slice make(enum frame_type type, enum kind kind)
{
    static const uint8_t body[64];
    const struct sender sender = {kind, 0, 1};
    original_len =
        frame_encode(original, sizeof original, type, &sender, AUTH_NONE, (struct slice){body, sizeof body},
                     (struct slice){NULL, 0}, (struct slice){NULL, 0});
    return (struct slice){original, original_len};
}

static void faults_do_what_they_say(void **state)
{
    const struct fault_outputs out = {NULL, to_peer, to_client};
    struct fault f;
    (void)state;
    fault_init(&f, 0, 4, &out);
    assert_false(fault_active(&f));

    fault_set(&f, FAULT_SILENT);
    struct slice frame = make(FRAME_COMMIT, KIND_CONFIRMATION);
    fault_to_peer(&f, 1, &frame, 1, 0);
    fault_to_client(&f, 1, &frame, 1, 0);
    assert_int_equal(seen.to_peer + seen.to_client, 0);

    fault_set(&f, FAULT_LIE); /* the true vote, and one in another's name */
    fault_to_peer(&f, 1, &frame, 1, 0);
    assert_int_equal(seen.to_peer, 2);
    assert_int_equal(seen.true_to_peer, 1);
    assert_int_equal(seen.last_sender.id, 1);
    frame = make(FRAME_REPLY, KIND_EXECUTION);
    fault_to_client(&f, 1, &frame, 1, 0);
    assert_int_equal(seen.to_client, 1);
    assert_int_equal(seen.true_to_client, 0);

    memset(&seen, 0, sizeof seen);
    fault_set(&f, FAULT_EQUIVOCATE);
    frame = make(FRAME_PRE_PREPARE, KIND_PREPARATION);
    fault_to_peer(&f, 1, &frame, 1, 0);
    assert_int_equal(seen.true_to_peer, 0);
    fault_to_peer(&f, 2, &frame, 1, 0);
    assert_int_equal(seen.true_to_peer, 1);

    memset(&seen, 0, sizeof seen);
    fault_set(&f, FAULT_SLOW);
    fault_to_peer(&f, 1, &frame, 1, 1000000);
    assert_true(fault_tick(&f, 1299999));
    assert_int_equal(seen.to_peer, 0);
    fault_set(&f, FAULT_NONE);
    assert_true(fault_active(&f)); /* what is under way still arrives */
    assert_false(fault_tick(&f, 1300000));
    assert_int_equal(seen.true_to_peer, 1);
    assert_false(fault_active(&f));
    fault_deinit(&f);
}

static void a_file_holds_one_number(void **state)
{
    static const struct {
        const char *text;
        bool good;
        uint64_t number;
    } cases[] = {
        {"0", true, 0},
        {"41\n", true, 41},
        {"18446744073709551614\n", true, UINT64_MAX - 1},
        {"18446744073709551615\n", false, 0}, /* above what is asked for */
        {"18446744073709551616\n", false, 0},
        {"99999999999999999999999999\n", false, 0},
        {"", false, 0},
        {"\n", false, 0},
        {"-1\n", false, 0},
        {" 1\n", false, 0},
        {"1 \n", false, 0},
        {"1\n2\n", false, 0},
        {"one\n", false, 0},
        {"000000000000000000000000000000000000001\n", false, 0}, /* longer than any number */
    };
    char path[] = "/tmp/redoubt-number-XXXXXX";
    struct error error;
    uint64_t number = 7;
    (void)state;
    close(mkstemp(path));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(file_write(path, cases[i].text, strlen(cases[i].text), 0600, &error), 0);
        number = 7;
        assert_int_equal(file_read_number(&number, path, UINT64_MAX - 1, &error) == 0, cases[i].good);
        assert_true(number == (cases[i].good ? cases[i].number : 7));
        if (!cases[i].good)
            assert_non_null(strstr(error.text, path));
    }
    assert_int_equal(file_write_number(path, UINT64_MAX, 0600, &error), 0);
    assert_int_equal(file_read_number(&number, path, UINT64_MAX, &error), 0);
    assert_true(number == UINT64_MAX);
    assert_int_equal(file_write(path, "18446744073709551616\n", 21, 0600, &error), 0);
    assert_int_not_equal(file_read_number(&number, path, UINT64_MAX, &error), 0); /* too large for any variable */
    unlink(path);
    number = 7;
    assert_int_equal(file_read_number(&number, path, UINT64_MAX, &error), 0);
    assert_int_equal(number, 7); /* no file, no number */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_is_a_queue),     cmocka_unit_test(frames_come_out_as_they_went_in),
        cmocka_unit_test(garbage_is_no_frame),     cmocka_unit_test(json_of_others),
        cmocka_unit_test(faults_do_what_they_say), cmocka_unit_test(a_file_holds_one_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
