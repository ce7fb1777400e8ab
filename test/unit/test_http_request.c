/*
 * The HTTP parser: what is taken, what is refused and with which status, and that where the bytes are cut makes no difference.
 */
#include "testing.h"

#include "http_transcript.h"
#include "troxy/http/request.h"
#include "troxy/text.h"

#define H "Host: a\r\n"

static struct http_transcript whole, cut;

static void same_transcript(size_t first, size_t step)
{
    if (text_equal((struct slice){whole.text, whole.out.len}, (struct slice){cut.text, cut.out.len}))
        return;
    print_error("cut into %zu and %zu each:\n%.*s\n", first, step, (int)cut.out.len, (const char *)cut.text);
    fail();
}

/* The transcript of the bytes in one piece, which is that of every way to cut them in two, and of single bytes. */
static void read_all_ways(struct slice input)
{
    http_transcript_make(&whole, input, 0, SIZE_MAX);
    for (size_t first = 1; first < input.len; first++) {
        http_transcript_make(&cut, input, first, SIZE_MAX);
        same_transcript(first, SIZE_MAX);
    }
    for (size_t step = 1; step <= 3; step++) {
        http_transcript_make(&cut, input, 0, step);
        same_transcript(0, step);
    }
}

static void expect_text(const char *input, const char *expected)
{
    read_all_ways(text_of(input));
    struct slice got = {whole.text, whole.out.len};
    if (text_is(got, expected))
        return;
    print_error("%s\ngave\n%.*s\nnot\n%s\n", input, (int)got.len, (const char *)got.data, expected);
    fail();
}

static void requests_are_read(void **unused)
{
    (void)unused;
    expect_text("", "== idle\n");
    expect_text("GET / HTTP/1.1\r\n" H "\r\n", "GET / HTTP/1.1 stays\nHost: a\n\n\n-- 27\n== idle\n");
    expect_text("GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0 closes\n\n\n-- 18\n== idle\n");
    expect_text("\r\nGET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.0 closes\n\n\n-- 20\n== idle\n");
    expect_text("GET / HTTP/1.1\r\nhost:\ta \r\nX:\r\nY:  \r\nA: b\tc \xe4\r\n\r\n",
                "GET / HTTP/1.1 stays\nhost: a\nX: \nY: \nA: b\tc \xe4\n\n\n-- 48\n== idle\n");
    expect_text("PUT /k HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhelloGET",
                "PUT /k HTTP/1.1 stays\nHost: a\nContent-Length: 5\n\nhello\n-- 52\n== more\n");
    expect_text("POST /k HTTP/1.1\r\n" H "Content-Length: 005\r\n\r\nhello",
                "POST /k HTTP/1.1 stays\nHost: a\nContent-Length: 005\n\nhello\n-- 55\n== idle\n");
    expect_text("DELETE /k HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n",
                "DELETE /k HTTP/1.1 stays\nHost: a\nContent-Length: 0\n\n\n-- 50\n== idle\n");
    expect_text(
        "GET /k HTTP/1.1\r\n" H "\r\nHEAD /l HTTP/1.1\r\n" H "\r\nGET",
        "GET /k HTTP/1.1 stays\nHost: a\n\n\n-- 28\nHEAD /l HTTP/1.1 stays\nHost: a\n\n\n-- 57\n== more\n");
}

static void connections_stay_or_close(void **unused)
{
    (void)unused;
    static const struct {
        const char *version, *connection;
        bool stays;
    } cases[] = {
        {"1.1", "", true},
        {"1.1", "Connection: close\r\n", false},
        {"1.1", "Connection: Close\r\n", false},
        {"1.1", "connection: te,\tCLOSE ,x\r\n", false},
        {"1.1", "Connection: te\r\nConnection: close\r\n", false},
        {"1.1", "Connection: keep-alive\r\n", true},
        {"1.1", "Connection: keep-alive, close\r\n", false},
        {"1.1", "Connection: closed\r\n", true},
        {"1.1", "Connection: ,\r\n", true},
        {"1.1", "Connection:\r\n", true},
        {"1.0", "", false},
        {"1.0", "Connection: Keep-Alive\r\n", true},
        {"1.0", "Connection: keep-alive, close\r\n", false},
        {"1.0", "Connection: x\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char input[200];
        snprintf(input, sizeof input, "GET / HTTP/%s\r\n" H "%s\r\n", cases[i].version, cases[i].connection);
        read_all_ways(text_of(input));
        assert_int_equal(whole.status, 0);
        assert_int_equal(whole.requests, 1);
        const char *line_end = memchr(whole.text, '\n', whole.out.len);
        assert_non_null(line_end);
        assert_memory_equal(line_end - 6, cases[i].stays ? " stays" : "closes", 6);
    }
}

static void chunked_bodies_are_read(void **unused)
{
    (void)unused;
#define CHUNKED      "POST / HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"
#define CHUNKED_TEXT "POST / HTTP/1.1 stays\nHost: a\nTransfer-Encoding: Chunked\n\n"
    expect_text(CHUNKED "0\r\n\r\n", CHUNKED_TEXT "\n-- 61\n== idle\n");
    expect_text(CHUNKED "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", CHUNKED_TEXT "hello!\n-- 77\n== idle\n");
    expect_text(CHUNKED "00A;x=\"y\tz\";\r\n0123456789\r\n0000;a\r\nX:\ty\r\nDate:\r\n\r\nGET / H",
                CHUNKED_TEXT "0123456789\n-- 105\n== more\n");
    expect_text(CHUNKED "0001\r\na\r\n00001\r\nb\r\n000000\r\n\r\n", CHUNKED_TEXT "ab\n-- 85\n== idle\n");
    expect_text(CHUNKED "5\r\nhel", CHUNKED_TEXT "hel== more\n");
}

static void expectations_are_told(void **unused)
{
    (void)unused;
    expect_text(
        "PUT / HTTP/1.1\r\n" H "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
        "PUT / HTTP/1.1 stays\nHost: a\nExpect: 100-Continue\nContent-Length: 1\n\nx\n-- expected at 68\n"
        "-- 69\n== idle\n");
    expect_text("PUT / HTTP/1.1\r\n" H "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "PUT / HTTP/1.1 stays\nHost: a\nExpect: 100-continue\nTransfer-Encoding: chunked\n\n\n"
                "-- expected at 77\n-- 82\n== idle\n");
    /* Nothing to wait for, and nothing that HTTP/1.0 knows. */
    expect_text("GET / HTTP/1.1\r\n" H "Expect: 100-continue\r\n\r\n",
                "GET / HTTP/1.1 stays\nHost: a\nExpect: 100-continue\n\n\n-- 49\n== idle\n");
    expect_text("PUT / HTTP/1.0\r\nExpect: 7\r\nContent-Length: 1\r\n\r\nx",
                "PUT / HTTP/1.0 closes\nExpect: 7\nContent-Length: 1\n\nx\n-- 49\n== idle\n");
}

/* Every line here is one change away from a request that is taken. */
static void everything_else_is_refused(void **unused)
{
    (void)unused;
    static const struct {
        unsigned status;
        const char *input;
    } cases[] = {
        /* the request line */
        {400, "\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n"},
        {400, "\nGET / HTTP/1.1\r\n" H "\r\n"},
        {400, " GET / HTTP/1.1\r\n" H "\r\n"},
        {400, "GET  / HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /  HTTP/1.1\r\n" H "\r\n"},
        {400, "GET / HTTP/1.1 \r\n" H "\r\n"},
        {400, "GET\t/ HTTP/1.1\r\n" H "\r\n"},
        {400, "GET / HTTP/1.1\n" H "\r\n"},
        {400, "GET / HTTP/1.1\r" H "\r\n"},
        {400, "GET / HTTP/1.1\r\r\n" H "\r\n"},
        {400, "GET /\r\n" H "\r\n"},
        {400, "GET\r\n" H "\r\n"},
        {400, "GET / http/1.1\r\n" H "\r\n"},
        {400, "GET / HTTP/1\r\n" H "\r\n"},
        {400, "GET / HTTP/1.10\r\n" H "\r\n"},
        {400, "GET / HTTP/x.1\r\n" H "\r\n"},
        {400, "GET / HTTP/1,1\r\n" H "\r\n"},
        {400, "GET / HTTP/1.x\r\n" H "\r\n"},
        {505, "GET / HTTP/2.0\r\n" H "\r\n"},
        {505, "PRI * HTTP/2.0\r\n\r\n"},
        {505, "GET / HTTP/1.2\r\n" H "\r\n"},
        {505, "GET / HTTP/0.9\r\n" H "\r\n"},
        {400, "G(T / HTTP/1.1\r\n" H "\r\n"},
        {400, " / HTTP/1.1\r\n" H "\r\n"},
        {501, "get / HTTP/1.1\r\n" H "\r\n"},
        {501, "GETS / HTTP/1.1\r\n" H "\r\n"},
        {501, "GE / HTTP/1.1\r\n" H "\r\n"},
        {501, "TRACE / HTTP/1.1\r\n" H "\r\n"},
        {501, "CONNECT a:1 HTTP/1.1\r\n" H "\r\n"},
        {400, "GET * HTTP/1.1\r\n" H "\r\n"},
        {400, "OPTIONS ** HTTP/1.1\r\n" H "\r\n"},
        {400, "GET a HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /%4 HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /%4g HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /%g4 HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /a\tb HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /#a HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /a\\b HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /\x01 HTTP/1.1\r\n" H "\r\n"},
        {400, "GET /\x7f HTTP/1.1\r\n" H "\r\n"},
        {400, "GET http:// HTTP/1.1\r\n" H "\r\n"},
        {400, "GET http:///a HTTP/1.1\r\n" H "\r\n"},
        {400, "GET http://u@a/ HTTP/1.1\r\n" H "\r\n"},
        {400, "GET ftp://a/ HTTP/1.1\r\n" H "\r\n"},
        {400, "\x16\x03\x01\x02"},
        /* headers */
        {400, "GET / HTTP/1.1\r\n" H "A : b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A\t: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H " A: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A: b\r\n c\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A: b\r\n\tc\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n " H "\r\n"},
        {400, "GET / HTTP/1.1\r\n" H ": b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A@: b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A: b\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A: b\r\n\n"},
        {400, "GET / HTTP/1.1\r\n" H "A: b\rc\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A: b\x08\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H "A: b\x7f\r\n\r\n"},
        /* Host */
        {400, "GET / HTTP/1.1\r\n\r\n"},
        {400, "GET http://a/ HTTP/1.1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\n" H H "\r\n"},
        {400, "GET / HTTP/1.0\r\n" H H "\r\n"},
        {400, "GET / HTTP/1.1\r\nHost:\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: []\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n"},
        {400, "GET / HTTP/1.1\r\nHost: [::1]80\r\n\r\n"},
        /* framing */
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: +5\r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: -5\r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: 0x5\r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: 5 5\r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: 5,5\r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: \r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: 5.0\r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
        {413, "PUT / HTTP/1.1\r\n" H "Content-Length: 1048577\r\n\r\nhello"},
        {413, "PUT / HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\nhello"},
        {413, "PUT / HTTP/1.1\r\n" H "Content-Length: 18446744073709551621\r\n\r\nhello"},
        {413, "PUT / HTTP/1.1\r\n" H "Content-Length: 99999999999999999999999999\r\n\r\nhello"},
        {400, "PUT / HTTP/1.1\r\n" H "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {400, "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"},
        {400,
         "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {400, "PUT / HTTP/1.0\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
        {501, "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
        {501, "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"},
        {501, "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"},
        {501, "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
        {501, "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"},
        {501, "PUT / HTTP/1.1\r\n" H "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"},
        {501, "PUT / HTTP/1.1\r\n" H "Transfer-Encoding:\r\n\r\n0\r\n\r\n"},
        {417, "PUT / HTTP/1.1\r\n" H "Expect: 200-ok\r\nContent-Length: 1\r\n\r\nx"},
        {417,
         "PUT / HTTP/1.1\r\n" H "Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"},
        /* chunks */
        {400, CHUNKED "\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED ";a\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "\r\n\r\n"},
        {400, CHUNKED ";a\r\n\r\n"},
        {400, CHUNKED "5\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "5 \r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED " 5\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "+5\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "-5\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "0x5\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "g\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "000000005\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "10000000000000005\r\nhello\r\n0\r\n\r\n"},
        {413, CHUNKED "100001\r\nhello\r\n0\r\n\r\n"},
        {413, CHUNKED "ffffffff\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "5\rhello\r\n0\r\n\r\n"},
        {400, CHUNKED "5;a\nb\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "5;a\x01\r\nhello\r\n0\r\n\r\n"},
        {400, CHUNKED "5\r\nhello0\r\n\r\n"},
        {400, CHUNKED "5\r\nhello\n0\r\n\r\n"},
        {400, CHUNKED "5\r\nhello!\r\n0\r\n\r\n"},
        {400, CHUNKED "5\r\nhello\r0\r\n\r\n"},
        {400, CHUNKED "5\r\nhello\r\n0\r\n\n"},
        {400, CHUNKED "5\r\nhello\r\n0\r\n\rX"},
        {400, CHUNKED "5\r\nhello\r\n0\r\n X: y\r\n\r\n"},
        {400, CHUNKED "5\r\nhello\r\n0\r\n: y\r\n\r\n"},
        {400, CHUNKED "5\r\nhello\r\n0\r\nX y\r\n\r\n"},
        {400, CHUNKED "5\r\nhello\r\n0\r\nX : y\r\n\r\n"},
        {400, CHUNKED "5\r\nhello\r\n0\r\nX: y\n\r\n"},
        {400, CHUNKED "5\r\nhello\r\n0\r\nX: y\rz\r\n\r\n"},
        {400, CHUNKED "5\r\nhello\r\n0\r\nX: y\x02\r\n\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        read_all_ways(text_of(cases[i].input));
        if (whole.status == cases[i].status)
            continue;
        print_error("%s\ngave %u instead of %u\n", cases[i].input, whole.status, cases[i].status);
        fail();
    }
}

/* Whoever debugs a client is told what is wrong with it, and where reading stopped. */
static void refusals_say_why(void **unused)
{
    (void)unused;
    expect_text("GET / HTTP/1.1\n", "== refused 400 at 15: a line that does not end with CR LF\n");
    expect_text("GET / HTTP/1.1\r\n" H " b\r\n", "== refused 400 at 29: a folded header\n");
    expect_text("GET / HTTP/1.1\r\n" H "A\x01", "== refused 400 at 27: a control character in the head\n");
    expect_text("GET / HTTP/1.1\r\n" H "\r\nGET / HTTP/3.0\r\n",
                "GET / HTTP/1.1 stays\nHost: a\n\n\n-- 27\n"
                "== refused 505 at 43: HTTP/1.1 and HTTP/1.0 are spoken here\n");
}

static void a_nul_is_refused_anywhere_in_a_head(void **unused)
{
    (void)unused;
    static const char request[] = "GET /abc HTTP/1.1\r\nHost: abc\r\nA: b\r\n\r\n";
    for (size_t at = 0; at < sizeof request - 1; at++) {
        uint8_t changed[sizeof request];
        memcpy(changed, request, sizeof request);
        changed[at] = 0;
        read_all_ways((struct slice){changed, sizeof request - 1});
        assert_int_equal(whole.status, 400);
        assert_int_equal(whole.requests, 0);
    }
}

/* `fill` times a byte between two texts. */
static struct slice padded(const char *before, size_t fill, const char *after)
{
    static uint8_t input[1u << 21];
    struct writer w = writer_to(input, sizeof input);
    put_text(&w, before);
    uint8_t *to = writer_take(&w, fill);
    assert_non_null(to);
    memset(to, 'x', fill);
    put_text(&w, after);
    return (struct slice){input, w.len};
}

static unsigned status_of(struct slice input)
{
    http_transcript_make(&whole, input, 0, SIZE_MAX);
    http_transcript_make(&cut, input, 0, 1000);
    same_transcript(0, 1000);
    return whole.status;
}

static void limits_hold_to_the_byte(void **unused)
{
    (void)unused;
    size_t line = HTTP_REQUEST_LINE_MAX - strlen("GET / HTTP/1.1");
    assert_int_equal(status_of(padded("GET /", line, " HTTP/1.1\r\n" H "\r\n")), 0);
    assert_int_equal(status_of(padded("GET /", line + 1, " HTTP/1.1\r\n" H "\r\n")), 414);
    assert_int_equal(status_of(padded("GET /", line + 1, "")), 0); /* it could have been the last */
    assert_int_equal(status_of(padded("GET /", HTTP_REQUEST_LINE_MAX, "")), 414);

    size_t head = HTTP_HEAD_MAX - strlen("GET / HTTP/1.1"
                                         "Host: a"
                                         "X: ");
    assert_int_equal(status_of(padded("GET / HTTP/1.1\r\n" H "X: ", head, "\r\n\r\n")), 0);
    assert_int_equal(status_of(padded("GET / HTTP/1.1\r\n" H "X: ", head + 1, "\r\n\r\n")), 431);

    static uint8_t many[4096];
    for (unsigned fields = HTTP_FIELDS_MAX - 1; fields <= HTTP_FIELDS_MAX; fields++) {
        struct writer w = writer_to(many, sizeof many);
        put_text(&w, "GET / HTTP/1.1\r\n" H);
        for (unsigned i = 0; i < fields; i++)
            put_text(&w, "X:\r\n");
        put_text(&w, "\r\n");
        assert_int_equal(status_of((struct slice){many, w.len}), fields < HTTP_FIELDS_MAX ? 0 : 431);
    }

    size_t body = HTTP_BODY_MAX;
    char text[200];
    snprintf(text, sizeof text, "PUT / HTTP/1.1\r\n" H "Content-Length: %zu\r\n\r\n", body);
    struct slice input = padded(text, body / 2, "");
    http_transcript_make(&whole, input, 0, 5000); /* a whole one would not fit a transcript */
    assert_int_equal(whole.status, 0);

    assert_int_equal(status_of(padded(CHUNKED "1;", HTTP_CHUNK_EXTENSIONS_MAX, "\r\nx\r\n0\r\n\r\n")), 0);
    assert_int_equal(whole.requests, 1);
    assert_int_equal(status_of(padded(CHUNKED "1;", HTTP_CHUNK_EXTENSIONS_MAX + 1, "\r\nx\r\n0\r\n\r\n")),
                     400);
    assert_int_equal(
        status_of(padded(CHUNKED "1;y\r\nx\r\n1;", HTTP_CHUNK_EXTENSIONS_MAX, "\r\nx\r\n0\r\n\r\n")), 400);

    assert_int_equal(status_of(padded(CHUNKED "0\r\nX:", HTTP_TRAILERS_MAX - 3, "\r\n\r\n")), 0);
    assert_int_equal(whole.requests, 1);
    assert_int_equal(status_of(padded(CHUNKED "0\r\nX:", HTTP_TRAILERS_MAX - 2, "\r\n\r\n")), 431);
}

static void chunks_together_stay_below_the_limit(void **unused)
{
    (void)unused;
    struct chunked chunked;
    struct slice piece;
    for (int over = 0; over < 2; over++) {
        chunked_init(&chunked);
        chunked.body = HTTP_BODY_MAX - 16;
        struct slice input = text_of(over ? "11\r\n" : "10\r\n0123456789abcdef\r\n0\r\n\r\n");
        enum chunked_event event = chunked_step(&chunked, &input, &piece);
        assert_int_equal(event, over ? CHUNKED_REFUSED : CHUNKED_PIECE);
        assert_int_equal(chunked.refusal.status, over ? 413 : 0);
        assert_int_equal(chunked_step(&chunked, &input, &piece), over ? CHUNKED_REFUSED : CHUNKED_END);
    }
}

static struct http_request request;

static void read_head(const char *text)
{
    struct http_request_parser parser;
    struct slice input = text_of(text), piece;
    http_request_parser_init(&parser);
    assert_true(http_request_parser_is_idle(&parser));
    assert_int_equal(http_request_step(&parser, &request, &input, &piece), HTTP_EVENT_HEAD);
    assert_false(http_request_parser_is_idle(&parser));
}

static void targets_are_taken_apart(void **unused)
{
    (void)unused;
    static const struct {
        const char *target, *authority, *path, *query;
    } cases[] = {
        {"/", "h:80", "/", NULL},
        {"/a/b%20c", "h:80", "/a/b%20c", NULL},
        {"/a?", "h:80", "/a", ""},
        {"/a?b=c&d?e/f", "h:80", "/a", "b=c&d?e/f"},
        {"/{a}|[b]^`", "h:80", "/{a}|[b]^`", NULL},
        {"//x/y", "h:80", "//x/y", NULL},
        {"http://o/p?q", "o", "/p", "q"},
        {"HTTPS://o:443/p", "o:443", "/p", NULL},
        {"http://[::1]:8080/", "[::1]:8080", "/", NULL},
        {"http://[::ffff:1.2.3.4]/", "[::ffff:1.2.3.4]", "/", NULL},
        {"http://o", "o", "/", NULL},
        {"http://o?q", "o", "/", "q"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h:80\r\n\r\n", cases[i].target);
        read_head(text);
        assert_true(text_is(request.target, cases[i].target));
        assert_true(text_is(request.authority, cases[i].authority));
        assert_true(text_is(request.path, cases[i].path));
        assert_int_equal(request.query.data != NULL, cases[i].query != NULL);
        assert_true(text_is(request.query, cases[i].query ? cases[i].query : ""));
    }
    read_head("OPTIONS * HTTP/1.1\r\nHost: a.b-c_d\r\n\r\n");
    assert_true(text_is(request.path, "*"));
    read_head("GET / HTTP/1.0\r\n\r\n");
    assert_int_equal(request.authority.len, 0);
}

static void fields_are_found(void **unused)
{
    (void)unused;
    read_head("GET / HTTP/1.1\r\nHost: h\r\naCCept: a\r\nAccept-X: n\r\nAccept: b\r\n\r\n");
    const struct http_field *field = http_request_field(&request, "accept", NULL);
    assert_non_null(field);
    assert_true(text_is(field->value, "a"));
    field = http_request_field(&request, "accept", field);
    assert_non_null(field);
    assert_true(text_is(field->value, "b"));
    assert_null(http_request_field(&request, "accept", field));
    assert_null(http_request_field(&request, "accept-y", NULL));
}

/* What is left over from an earlier request does not show in the next. */
static void requests_do_not_leak_into_each_other(void **unused)
{
    (void)unused;
    struct http_request_parser parser;
    struct slice piece,
        input = text_of("PUT /a?b HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"
                        "GET /c HTTP/1.1\r\nHost: i\r\nConnection: close\r\n\r\n");
    enum http_event events[6];
    http_request_parser_init(&parser);
    for (unsigned i = 0; i < 6; i++)
        events[i] = http_request_step(&parser, &request, &input, &piece);
    static const enum http_event wanted[] = {HTTP_EVENT_HEAD, HTTP_EVENT_BODY, HTTP_EVENT_END,
                                             HTTP_EVENT_HEAD, HTTP_EVENT_END,  HTTP_EVENT_MORE};
    assert_memory_equal(events, wanted, sizeof wanted);
    assert_int_equal(request.method, HTTP_METHOD_GET);
    assert_int_equal(request.fields, 2);
    assert_int_equal(request.content_length, 0);
    assert_null(request.query.data);
    assert_true(text_is(request.authority, "i"));
    assert_false(request.version_1_0 || request.keep_alive || request.chunked || request.expects_continue);
}

/* What ours takes, http-parser takes alike: over all requests of this file that are taken (the fuzz target has more). */
static void http_parser_agrees(void **unused)
{
    (void)unused;
    static const char *const inputs[] = {
        "GET / HTTP/1.1\r\n" H "\r\n",
        "\r\nGET /a?b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost:\ta \r\nX:\r\nY:  \r\nA: b\tc \xe4\r\n\r\n",
        "PUT /k HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nhello",
        "PATCH http://x:1/k HTTP/1.1\r\n" H "Content-Length: 005 \r\n\r\nhello",
        CHUNKED "00A;x=\"y z\";\r\n0123456789\r\n0000;a\r\nX: y\r\nDate:\r\n\r\n",
        "DELETE /{a}|[b]^` HTTP/1.1\r\n" H "Connection: te, CLOSE ,x\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        static uint8_t memory[4096];
        struct writer out = writer_to(memory, sizeof memory);
        http_transcript_make(&whole, text_of(inputs[i]), 0, SIZE_MAX);
        assert_int_equal(whole.requests, 1);
        const char *why = other_http_read(&out, text_of(inputs[i]));
        if (why)
            print_error("%s: %s\n", inputs[i], why);
        assert_null(why);
        struct slice ours = {whole.text, whole.request[0].text_after};
        if (!text_equal(ours, (struct slice){memory, out.len}))
            print_error("%.*s\nbut http-parser:\n%.*s\n", (int)ours.len, (const char *)ours.data,
                        (int)out.len, (const char *)memory);
        assert_true(text_equal(ours, (struct slice){memory, out.len}));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(connections_stay_or_close),
        cmocka_unit_test(chunked_bodies_are_read),
        cmocka_unit_test(expectations_are_told),
        cmocka_unit_test(everything_else_is_refused),
        cmocka_unit_test(refusals_say_why),
        cmocka_unit_test(a_nul_is_refused_anywhere_in_a_head),
        cmocka_unit_test(limits_hold_to_the_byte),
        cmocka_unit_test(chunks_together_stay_below_the_limit),
        cmocka_unit_test(targets_are_taken_apart),
        cmocka_unit_test(fields_are_found),
        cmocka_unit_test(requests_do_not_leak_into_each_other),
        cmocka_unit_test(http_parser_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
