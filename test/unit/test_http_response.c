/*
 * HTTP responses: to the byte, with and without bodies, and that nothing breaks out of a line. Dates against libc.
 */
#include "testing.h"

#include <time.h>

#include "json.h"
#include "troxy/http/date.h"
#include "troxy/http/problem.h"
#include "troxy/text.h"

#define DATE_S    784111777u
#define DATE_LINE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static uint8_t memory[4096];
static struct http_request request;

static const struct http_request *asked(enum http_request_method method, bool version_1_0, bool keep_alive)
{
    request.method = method;
    request.version_1_0 = version_1_0;
    request.keep_alive = keep_alive;
    return &request;
}

static void expect(const struct http_response *r, const char *text)
{
    struct slice got = {memory, r->out.len};
    if (!text_is(got, text))
        print_error("%.*s\ninstead of\n%s\n", (int)got.len, (const char *)memory, text);
    assert_true(text_is(got, text));
}

static void dates_are_those_of_libc(void **unused)
{
    (void)unused;
    uint64_t random = 1;
    for (int i = 0; i < 20000; i++) {
        uint64_t second = i == 0   ? 0
                          : i == 1 ? DATE_S
                          : i == 2 ? 253402300799u
                                   : test_random(&random) % 253402300800u;
        if (i > 10000) /* around the ends of days, also of February */
            second -= second % 86400 + 1 - (uint64_t)(i & 1);
        char expected[64];
        uint8_t out[HTTP_DATE_BYTES];
        struct writer w = writer_to(out, sizeof out);
        time_t at = (time_t)second;
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&at));
        put_http_date(&w, second);
        assert_false(w.bad);
        assert_int_equal(w.len, HTTP_DATE_BYTES);
        assert_int_equal(strlen(expected), HTTP_DATE_BYTES);
        assert_memory_equal(out, expected, HTTP_DATE_BYTES);
    }
    uint8_t out[HTTP_DATE_BYTES];
    struct writer w = writer_to(out, sizeof out);
    put_http_date(&w, UINT64_MAX);
    assert_memory_equal(out, "Fri, 31 Dec 9999 23:59:59 GMT", HTTP_DATE_BYTES);
    w = writer_to(out, sizeof out - 1);
    put_http_date(&w, 0);
    assert_true(w.bad);
}

static void bodies_follow_the_request(void **unused)
{
    (void)unused;
    struct http_response r;
    http_response_begin(&r, memory, sizeof memory, asked(HTTP_METHOD_GET, false, true), 200, DATE_S);
    http_response_field(&r, "ETag", text_of("\"a\""));
    assert_true(http_response_end(&r, text_of("hello")));
    expect(&r, "HTTP/1.1 200 OK\r\n" DATE_LINE "ETag: \"a\"\r\nContent-Length: 5\r\n\r\nhello");

    http_response_begin(&r, memory, sizeof memory, asked(HTTP_METHOD_HEAD, false, true), 200, DATE_S);
    assert_true(http_response_end(&r, text_of("hello")));
    assert_false(http_response_has_body(&r));
    expect(&r, "HTTP/1.1 200 OK\r\n" DATE_LINE "Content-Length: 5\r\n\r\n");

    static const unsigned without[] = {204, 304, 101};
    for (unsigned i = 0; i < 3; i++) {
        char text[200];
        snprintf(text, sizeof text, "HTTP/1.1 %u %s\r\n" DATE_LINE "\r\n", without[i],
                 http_status_phrase(without[i]));
        http_response_begin(&r, memory, sizeof memory, asked(HTTP_METHOD_GET, false, true), without[i],
                            DATE_S);
        assert_true(http_response_end(&r, text_of("hello")));
        expect(&r, text);
    }

    http_response_begin(&r, memory, sizeof memory, asked(HTTP_METHOD_GET, false, true), 206, DATE_S);
    http_response_number(&r, "X", 18446744073709551615u);
    assert_true(http_response_end_head(&r, 1u << 20));
    assert_true(http_response_has_body(&r));
    expect(&r, "HTTP/1.1 206 Partial Content\r\n" DATE_LINE
               "X: 18446744073709551615\r\nContent-Length: 1048576\r\n\r\n");
    assert_true(text_is(http_response_continue(), "HTTP/1.1 100 Continue\r\n\r\n"));
}

static void the_connection_is_told(void **unused)
{
    (void)unused;
    static const struct {
        bool request, version_1_0, keep_alive, close;
        const char *line;
    } cases[] = {
        {true, false, true, false, ""},
        {true, false, true, true, "Connection: close\r\n"},
        {true, false, false, false, "Connection: close\r\n"},
        {true, true, false, false, "Connection: close\r\n"},
        {true, true, true, false, "Connection: keep-alive\r\n"},
        {true, true, true, true, "Connection: close\r\n"},
        {false, false, false, false, "Connection: close\r\n"},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_response r;
        char text[200];
        const struct http_request *from = asked(HTTP_METHOD_GET, cases[i].version_1_0, cases[i].keep_alive);
        http_response_begin(&r, memory, sizeof memory, cases[i].request ? from : NULL, 201, DATE_S);
        r.close |= cases[i].close;
        assert_true(http_response_end(&r, SLICE_NONE));
        snprintf(text, sizeof text, "HTTP/1.1 201 Created\r\n" DATE_LINE "Content-Length: 0\r\n%s\r\n",
                 cases[i].line);
        expect(&r, text);
    }
}

static void nothing_breaks_out_of_a_line(void **unused)
{
    (void)unused;
    static const struct {
        const char *name, *value;
        bool good;
    } cases[] = {
        {"A", "", true},      {"A", "b c\t\xff", true}, {"A", "b\r\nSet-Cookie: x", false},
        {"A", "b\n", false},  {"A", "b\rc", false},     {"A", "\x01", false},
        {"A", "\x7f", false}, {"A b", "c", false},      {"A:", "c", false},
        {"", "c", false},     {"A\r\nB", "c", false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct http_response r;
        http_response_begin(&r, memory, sizeof memory, asked(HTTP_METHOD_GET, false, true), 200, DATE_S);
        http_response_field(&r, cases[i].name, text_of(cases[i].value));
        assert_int_equal(http_response_end(&r, SLICE_NONE), cases[i].good);
    }
}

static void memory_that_is_too_small_fails_the_whole(void **unused)
{
    (void)unused;
    struct http_response r;
    http_response_begin(&r, memory, sizeof memory, asked(HTTP_METHOD_GET, true, true), 404, DATE_S);
    assert_true(http_problem_end(&r, text_of("no such object")));
    size_t need = r.out.len;
    for (size_t cap = 0; cap < need; cap++) {
        uint8_t *small = malloc(cap ? cap : 1);
        assert_non_null(small);
        http_response_begin(&r, small, cap, asked(HTTP_METHOD_GET, true, true), 404, DATE_S);
        assert_false(http_problem_end(&r, text_of("no such object")));
        free(small);
    }
}

static void problems_are_json(void **unused)
{
    (void)unused;
    struct http_response r;
    http_response_begin(&r, memory, sizeof memory, asked(HTTP_METHOD_GET, false, true), 404, DATE_S);
    assert_true(http_problem_end(&r, text_of("no \"k\\y\"\n\x01\x7f\xc3\xa4")));
    expect(&r, "HTTP/1.1 404 Not Found\r\n" DATE_LINE
               "Content-Type: application/problem+json\r\nContent-Length: 99\r\n\r\n"
               "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
               "\"detail\":\"no \\\"k\\\\y\\\"\\u000a\\u0001\\u007f\xc3\xa4\"}\n");
    http_response_begin(&r, memory, sizeof memory, asked(HTTP_METHOD_HEAD, false, true), 599, DATE_S);
    assert_true(http_problem_end(&r, SLICE_NONE));
    expect(&r, "HTTP/1.1 599 Unknown\r\n" DATE_LINE
               "Content-Type: application/problem+json\r\nContent-Length: 54\r\n\r\n");
    const struct http_refusal refusal = HTTP_NO(431, "too many headers");
    assert_true(http_problem_refusal(&r, memory, sizeof memory, &refusal, DATE_S));
    expect(&r, "HTTP/1.1 431 Request Header Fields Too Large\r\n" DATE_LINE
               "Content-Type: application/problem+json\r\nContent-Length: 106\r\nConnection: close\r\n\r\n"
               "{\"type\":\"about:blank\",\"title\":\"Request Header Fields Too Large\",\"status\":431,"
               "\"detail\":\"too many headers\"}\n");
}

static void json_text(const char *text, const char *expected)
{
    struct writer w = writer_to(memory, sizeof memory);
    put_json_text(&w, text_of(text), 64);
    assert_false(w.bad);
    if (!text_is((struct slice){memory, w.len}, expected))
        print_error("%s gave %.*s\n", text, (int)w.len, (const char *)memory);
    assert_true(text_is((struct slice){memory, w.len}, expected));
}

#define BAD "\xef\xbf\xbd"

static void what_is_not_utf_8_is_replaced(void **unused)
{
    (void)unused;
    json_text("\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf",
              "\xc2\x80 \xdf\xbf \xe0\xa0\x80 \xed\x9f\xbf \xee\x80\x80 \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf");
    json_text("a\x80z", "a" BAD "z");
    json_text("\xc3", BAD);
    json_text("\xc3z", BAD "z");
    json_text("\xe2\x82", BAD BAD);
    json_text("\xe2\x82z", BAD BAD "z");
    json_text("\xc0\xaf", BAD BAD);
    json_text("\xc1\x81", BAD BAD);
    json_text("\xe0\x9f\x80", BAD BAD BAD);
    json_text("\xed\xa0\x80", BAD BAD BAD);
    json_text("\xf0\x8f\x80\x80", BAD BAD BAD BAD);
    json_text("\xf4\x90\x80\x80", BAD BAD BAD BAD);
    json_text("\xf5\x80\x80\x80", BAD BAD BAD BAD);
    json_text("\xff", BAD);
    /* Cut between characters. */
    struct writer w = writer_to(memory, sizeof memory);
    put_json_text(&w, text_of("ab\xc3\xa4"), 3);
    assert_int_equal(w.len, 2);
}

/* Whatever the detail is: JSON that another parser takes, in the memory that was promised. */
static void any_detail_makes_json(void **unused)
{
    (void)unused;
    uint64_t random = 7;
    static uint8_t detail[2000];
    static struct json json;
    for (int i = 0; i < 2000; i++) {
        struct http_response r;
        size_t len = test_random(&random) % sizeof detail;
        test_random_bytes(&random, detail, len);
        if (i % 2)
            memset(detail, '"', len);
        http_response_begin(&r, memory, sizeof memory, NULL, 431, DATE_S);
        assert_true(http_problem_end(&r, (struct slice){detail, len}));
        const uint8_t *body = (const uint8_t *)memmem(memory, r.out.len, "\r\n\r\n", 4) + 4;
        assert_true(json_parse(&json, (const char *)body, r.out.len - (size_t)(body - memory)));
        assert_int_equal(json_number(&json, json_member(&json, 0, "status"), 0), 431);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_those_of_libc),
        cmocka_unit_test(bodies_follow_the_request),
        cmocka_unit_test(the_connection_is_told),
        cmocka_unit_test(nothing_breaks_out_of_a_line),
        cmocka_unit_test(memory_that_is_too_small_fails_the_whole),
        cmocka_unit_test(problems_are_json),
        cmocka_unit_test(what_is_not_utf_8_is_replaced),
        cmocka_unit_test(any_detail_makes_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
