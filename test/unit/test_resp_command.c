/*
 * The RESP parser: what is taken, what is refused and with which words, and that where the bytes are cut makes no difference.
 */
#include "testing.h"

#include "resp_transcript.h"
#include "troxy/resp/command.h"
#include "troxy/text.h"

static struct resp_transcript whole, cut;

static void same_transcript(size_t first, size_t step)
{
    if (text_equal((struct slice){whole.text, whole.out.len}, (struct slice){cut.text, cut.out.len}))
        return;
    print_error("cut into %zu and %zu each:\n%.*s\n", first, step, (int)cut.out.len, (const char *)cut.text);
    fail();
}

static void read_all_ways(struct slice input)
{
    resp_transcript_make(&whole, input, 0, SIZE_MAX);
    for (size_t first = 1; first < input.len; first++) {
        resp_transcript_make(&cut, input, first, SIZE_MAX);
        same_transcript(first, SIZE_MAX);
    }
    for (size_t step = 1; step <= 3; step++) {
        resp_transcript_make(&cut, input, 0, step);
        same_transcript(0, step);
    }
}

/* What is taken, hiredis takes alike. */
static void hiredis_agrees(struct slice input)
{
    static uint8_t memory[4096];
    for (unsigned i = 0; i < whole.commands; i++) {
        struct writer out = writer_to(memory, sizeof memory);
        struct slice one = {input.data + whole.command[i].start,
                            whole.command[i].end - whole.command[i].start};
        struct slice ours = {whole.text + whole.command[i].text,
                             whole.command[i].text_after - whole.command[i].text};
        assert_true(other_resp_read(&out, one));
        assert_true(text_equal(ours, (struct slice){memory, out.len}));
    }
}

static void expect(const char *input, size_t len, const char *expected)
{
    struct slice bytes = {(const uint8_t *)input, len};
    read_all_ways(bytes);
    struct slice got = {whole.text, whole.out.len};
    if (!text_is(got, expected))
        print_error("%s\ngave\n%.*s\nnot\n%s\n", input, (int)got.len, (const char *)got.data, expected);
    assert_true(text_is(got, expected));
    hiredis_agrees(bytes);
}

#define EXPECT(input, expected) expect(input, sizeof(input) - 1, expected)

static void arrays_are_read(void **unused)
{
    (void)unused;
    EXPECT("", "== idle\n");
    EXPECT("*1\r\n$4\r\nPING\r\n", "(PING) 14\n== idle\n");
    EXPECT("*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n*", "(GET)(a) 20\n(PING) 34\n== more\n");
    EXPECT("*1\r\n$0\r\n\r\n", "() 10\n== idle\n");
    EXPECT("*1\r\n$6\r\n\r\n$1\r\n\r\n", "(\r\n$1\r\n) 16\n== idle\n");
    EXPECT("*0\r\n*1\r\n$1\r\na\r\n", " 4\n(a) 15\n== idle\n");
    EXPECT("*10\r\n"
           "$1\r\n0\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n"
           "$1\r\n5\r\n$1\r\n6\r\n$1\r\n7\r\n$1\r\n8\r\n$1\r\n9\r\n",
           "(0)(1)(2)(3)(4)(5)(6)(7)(8)(9) 75\n== idle\n");
}

static void arrays_that_are_not_whole_are_waited_for(void **unused)
{
    (void)unused;
    static const char command[] = "*2\r\n$3\r\nGET\r\n$10\r\n0123456789\r\n";
    for (size_t len = 1; len < sizeof command - 1; len++)
        expect(command, len, "== more\n");
    expect(command, sizeof command - 1, "(GET)(0123456789) 30\n== idle\n");
}

static void inline_commands_are_split_as_redis_does(void **unused)
{
    (void)unused;
    EXPECT("PING\r\n", "(PING) 6\n== idle\n");
    EXPECT("PING\n", "(PING) 5\n== idle\n");
    EXPECT("\r\n\nPING\n", " 2\n 3\n(PING) 8\n== idle\n");
    EXPECT(" \t set  a\tb \r\n", "(set)(a)(b) 14\n== idle\n");
    EXPECT("a\rb\n", "(a)(b) 4\n== idle\n");
    EXPECT("a\vb \v c\n", "(a\vb)(c) 8\n== idle\n");
    EXPECT("set k \"a b\"\n", "(set)(k)(a b) 12\n== idle\n");
    EXPECT("set k 'a \" b'\n", "(set)(k)(a \" b) 14\n== idle\n");
    EXPECT("\"\" ''\n", "()() 6\n== idle\n");
    EXPECT("a\"b c\" d'e'\r\n", "(ab c)(de) 13\n== idle\n");
    EXPECT("\"\\n\\r\\t\\b\\a\\\\\\\"\\q\"\n", "(\n\r\t\b\a\\\"q) 19\n== idle\n");
    EXPECT("\"\\x41\\x7A\\x4\\xg1\"\n", "(Azx4xg1) 18\n== idle\n");
    EXPECT("'\\n\\' \\x'\n", "(\\n' \\x) 10\n== idle\n");
    EXPECT("a\\b\n", "(a\\b) 4\n== idle\n");
    EXPECT("\xc3\xa4 \x01\n", "(\xc3\xa4)(\x01) 5\n== idle\n");
    EXPECT("a\n*1\r\n$1\r\nb\r\nc\n", "(a) 2\n(b) 13\n(c) 15\n== idle\n");
}

#define PROTOCOL "== ERR Protocol error: "
#define COUNT    PROTOCOL "the number of arguments is malformed or too large\n"
#define LENGTH   PROTOCOL "the length of an argument is malformed or too large\n"
#define LINE_END PROTOCOL "an argument is longer than announced, or CR LF is missing behind it\n"
#define QUOTES   PROTOCOL "a quote is not closed, or not followed by a space\n"

/* Every line here is one change away from a command that is taken. */
static void everything_else_is_refused(void **unused)
{
    (void)unused;
    EXPECT("*1000000\r\n", COUNT);
    EXPECT("*4097\r\n", COUNT);
    EXPECT("*99999999999", COUNT);
    EXPECT("*18446744073709551617\r\n$1\r\na\r\n", COUNT);
    EXPECT("*-1\r\n", COUNT);
    EXPECT("*+1\r\n$1\r\na\r\n", COUNT);
    EXPECT("*01\r\n$1\r\na\r\n", COUNT);
    EXPECT("* 1\r\n$1\r\na\r\n", COUNT);
    EXPECT("*1 \r\n$1\r\na\r\n", COUNT);
    EXPECT("*\r\n", COUNT);
    EXPECT("*1\n$1\r\na\r\n", COUNT);
    EXPECT("*1\rx$1\r\na\r\n", COUNT);
    EXPECT("*1\0\r\n$1\r\na\r\n", COUNT);
    EXPECT("*1\r\n:1\r\na\r\n", PROTOCOL "expected '$' before an argument\n");
    EXPECT("*1\r\n*1\r\n$1\r\na\r\n", PROTOCOL "expected '$' before an argument\n");
    EXPECT("*1\r\n$9223372036854775807\r\na\r\n", LENGTH);
    EXPECT("*1\r\n$1048577\r\na\r\n", LENGTH);
    EXPECT("*1\r\n$-1\r\n", LENGTH);
    EXPECT("*1\r\n$+1\r\na\r\n", LENGTH);
    EXPECT("*1\r\n$01\r\na\r\n", LENGTH);
    EXPECT("*1\r\n$00\r\n\r\n", LENGTH);
    EXPECT("*1\r\n$1 \r\na\r\n", LENGTH);
    EXPECT("*1\r\n$\r\na\r\n", LENGTH);
    EXPECT("*1\r\n$x\r\na\r\n", LENGTH);
    EXPECT("*1\r\n$1\na\r\n", LENGTH);
    EXPECT("*1\r\n$1\r\nab\r\n", LINE_END);
    EXPECT("*1\r\n$1\r\na\n", LINE_END);
    EXPECT("*1\r\n$1\r\na\rb", LINE_END);
    EXPECT("*2\r\n$1\r\na$1\r\nb\r\n", LINE_END);
    EXPECT("PING\n*1\r\n$1\r\nab\r\n", "(PING) 5\n" LINE_END);
    EXPECT("\"a\n", QUOTES);
    EXPECT("'a\n", QUOTES);
    EXPECT("\"a'\n", QUOTES);
    EXPECT("\"a\"b\n", QUOTES);
    EXPECT("'a'b\n", QUOTES);
    EXPECT("\"a\\\"\n", QUOTES);
    EXPECT("\"a\\\n", QUOTES);
    EXPECT("'a\\'\n", QUOTES);
    EXPECT("a\0b\n", PROTOCOL "a NUL in an inline command\n");
}

static struct slice built;

static struct writer *build(void)
{
    static uint8_t memory[3u << 20];
    static struct writer w;
    w = writer_to(memory, sizeof memory);
    built.data = memory;
    return &w;
}

/* Refused or not, by itself and in pieces of 997 bytes. */
static bool takes(struct writer *w)
{
    assert_false(w->bad);
    built.len = w->len;
    resp_transcript_make(&whole, built, 0, SIZE_MAX);
    resp_transcript_make(&cut, built, 0, 9973);
    same_transcript(0, 9973);
    return !whole.refused;
}

static void fill(struct writer *w, size_t len)
{
    uint8_t *to = writer_take(w, len);
    assert_non_null(to);
    memset(to, 'x', len);
}

static void put_bulk(struct writer *w, size_t len)
{
    put_text(w, "$");
    put_number(w, len);
    put_text(w, "\r\n");
    fill(w, len);
    put_text(w, "\r\n");
}

static void limits_hold_to_the_byte(void **unused)
{
    (void)unused;
    for (unsigned over = 0; over < 2; over++) {
        struct writer *w = build();
        put_text(w, "*");
        put_number(w, RESP_ARGS_MAX + over);
        put_text(w, "\r\n");
        for (unsigned i = 0; i < RESP_ARGS_MAX + over; i++)
            put_bulk(w, 1);
        assert_int_equal(takes(w), !over);

        w = build();
        for (unsigned i = 0; i < RESP_ARGS_MAX + over; i++)
            put_text(w, "a ");
        put_text(w, "\n");
        assert_int_equal(takes(w), !over);

        w = build();
        put_text(w, "*1\r\n");
        put_bulk(w, RESP_ARG_MAX + over);
        assert_int_equal(takes(w), !over);

        w = build();
        put_text(w, "*2\r\n");
        put_bulk(w, RESP_ARG_MAX);
        put_bulk(w, RESP_COMMAND_MAX - w->len - strlen("$00000\r\n\r\n") + over);
        assert_int_equal(w->len, RESP_COMMAND_MAX + over);
        assert_int_equal(takes(w), !over);

        w = build();
        fill(w, RESP_INLINE_MAX + over);
        assert_int_equal(takes(w), !over);
        put_text(w, "\n");
        assert_int_equal(takes(w), !over);
    }
}

/* A length alone must not make anybody keep memory: a parser that waits for much waits with what is there. */
static void announced_lengths_take_no_memory(void **unused)
{
    (void)unused;
    static struct resp_command command;
    struct resp_parser parser;
    uint8_t text[] = "*4096\r\n$1048576\r\nabc";
    resp_parser_init(&parser);
    assert_int_equal(resp_parse(&parser, text, sizeof text - 1, &command), RESP_MORE);
    assert_int_equal(parser.at, 17);
    assert_int_equal(resp_parse(&parser, text, sizeof text - 1, &command), RESP_MORE);
    assert_true(sizeof parser <= 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_read),
        cmocka_unit_test(arrays_that_are_not_whole_are_waited_for),
        cmocka_unit_test(inline_commands_are_split_as_redis_does),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(announced_lengths_take_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
