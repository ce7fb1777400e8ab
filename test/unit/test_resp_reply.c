/*
 * Replies to Redis clients, in both versions, to the byte; hiredis reads those of version 2.
 */
#include "testing.h"

#include <hiredis/hiredis.h>

#include "troxy/resp/reply.h"
#include "troxy/text.h"

static uint8_t memory[1024];
static struct resp_reply reply;

static void begin(enum resp_version version)
{
    reply = resp_reply_to(memory, sizeof memory, version);
}

static void expect(const char *text)
{
    struct slice got = {memory, reply.out.len};
    assert_false(reply.out.bad);
    if (!text_is(got, text))
        print_error("%.*s\ninstead of\n%s\n", (int)got.len, (const char *)memory, text);
    assert_true(text_is(got, text));
}

/* Calls a function in both versions. */
#define EXPECT(call, in_2, in_3)                                                                             \
    do {                                                                                                     \
        begin(RESP_2);                                                                                       \
        call;                                                                                                \
        expect(in_2);                                                                                        \
        begin(RESP_3);                                                                                       \
        call;                                                                                                \
        expect(in_3);                                                                                        \
    } while (0)

static void every_shape_in_both_versions(void **unused)
{
    (void)unused;
    EXPECT(put_resp_simple(&reply, text_of("OK")), "+OK\r\n", "+OK\r\n");
    EXPECT(put_resp_error(&reply, text_of("ERR no")), "-ERR no\r\n", "-ERR no\r\n");
    EXPECT(put_resp_integer(&reply, 0), ":0\r\n", ":0\r\n");
    EXPECT(put_resp_integer(&reply, -7), ":-7\r\n", ":-7\r\n");
    EXPECT(put_resp_integer(&reply, INT64_MAX), ":9223372036854775807\r\n", ":9223372036854775807\r\n");
    EXPECT(put_resp_integer(&reply, INT64_MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n");
    EXPECT(put_resp_bulk(&reply, text_of("a\r\nb")), "$4\r\na\r\nb\r\n", "$4\r\na\r\nb\r\n");
    EXPECT(put_resp_bulk(&reply, SLICE_NONE), "$0\r\n\r\n", "$0\r\n\r\n");
    EXPECT(put_resp_verbatim(&reply, text_of("a")), "$1\r\na\r\n", "=5\r\ntxt:a\r\n");
    EXPECT(put_resp_null(&reply), "$-1\r\n", "_\r\n");
    EXPECT(put_resp_null_array(&reply), "*-1\r\n", "_\r\n");
    EXPECT(put_resp_boolean(&reply, true), ":1\r\n", "#t\r\n");
    EXPECT(put_resp_boolean(&reply, false), ":0\r\n", "#f\r\n");
    EXPECT(put_resp_array(&reply, 3), "*3\r\n", "*3\r\n");
    EXPECT(put_resp_map(&reply, 3), "*6\r\n", "%3\r\n");
    EXPECT(put_resp_set(&reply, 3), "*3\r\n", "~3\r\n");
    EXPECT(put_resp_push(&reply, 3), "*3\r\n", ">3\r\n");
}

static void doubles_are_numbers(void **unused)
{
    (void)unused;
    static const char *const good[] = {"0", "-1.5", "3e+20", "1.5e-7", "inf", "-inf", "nan"};
    static const char *const bad[] = {"", "-", "e", "1\r\n", "1 ", "infx", "0x1", "NaN", "1,5"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char in_2[64], in_3[64];
        snprintf(in_2, sizeof in_2, "$%zu\r\n%s\r\n", strlen(good[i]), good[i]);
        snprintf(in_3, sizeof in_3, ",%s\r\n", good[i]);
        EXPECT(put_resp_double(&reply, text_of(good[i])), in_2, in_3);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        begin(RESP_3);
        put_resp_double(&reply, text_of(bad[i]));
        assert_true(reply.out.bad);
    }
}

static void nothing_breaks_out_of_a_line(void **unused)
{
    (void)unused;
    EXPECT(put_resp_error(&reply, text_of("ERR a\r\n+OK\t\x7f")), "-ERR a  +OK  \r\n", "-ERR a  +OK  \r\n");
    EXPECT(put_resp_simple(&reply, text_of("a\nb\xff")), "+a b\xff\r\n", "+a b\xff\r\n");
}

static void memory_that_is_too_small_fails_the_whole(void **unused)
{
    (void)unused;
    for (size_t cap = 0; cap < 9; cap++) {
        reply = resp_reply_to(memory, cap, RESP_2);
        put_resp_bulk(&reply, text_of("abc"));
        assert_int_equal(reply.out.bad, cap < 9);
        put_resp_null(&reply);
        assert_true(reply.out.bad);
        assert_true(reply.out.len <= cap);
    }
}

static void hiredis_reads_version_2(void **unused)
{
    (void)unused;
    begin(RESP_2);
    put_resp_array(&reply, 6);
    put_resp_simple(&reply, text_of("OK"));
    put_resp_error(&reply, text_of("ERR no"));
    put_resp_integer(&reply, -7);
    put_resp_null(&reply);
    put_resp_null_array(&reply);
    put_resp_map(&reply, 1);
    put_resp_bulk(&reply, text_of("k"));
    put_resp_double(&reply, text_of("1.5"));
    redisReader *reader = redisReaderCreate();
    redisReply *read = NULL;
    assert_int_equal(redisReaderFeed(reader, (const char *)memory, reply.out.len), REDIS_OK);
    assert_int_equal(redisReaderGetReply(reader, (void **)&read), REDIS_OK);
    assert_non_null(read);
    assert_int_equal(read->elements, 6);
    static const int types[] = {REDIS_REPLY_STATUS, REDIS_REPLY_ERROR, REDIS_REPLY_INTEGER,
                                REDIS_REPLY_NIL,    REDIS_REPLY_NIL,   REDIS_REPLY_ARRAY};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(read->element[i]->type, types[i]);
    assert_int_equal(read->element[2]->integer, -7);
    assert_int_equal(read->element[5]->elements, 2);
    assert_string_equal(read->element[5]->element[1]->str, "1.5");
    freeReplyObject(read);
    redisReaderFree(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_in_both_versions),
        cmocka_unit_test(doubles_are_numbers),
        cmocka_unit_test(nothing_breaks_out_of_a_line),
        cmocka_unit_test(memory_that_is_too_small_fails_the_whole),
        cmocka_unit_test(hiredis_reads_version_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
