/*
 * kv and pages over HTTP: requests in, answers out, through the whole conversation and the service behind it; in one piece, byte by
 * byte, and pipelined.
 */
#include "testing.h"

#include "fake_front.h"
#include "kv/front/kv_front.h"
#include "kv/kv_store.h"
#include "pages/front/pages_front.h"
#include "troxy/user.h"

static struct fake_front front;
static struct fake_connection *c;
static bool byte_by_byte;

static void open_front(const struct service_front *service)
{
    fake_front_init(&front, service->service, "memory_mb=8");
    c = fake_connection_open(&front, service->http);
}

static void send_text(const char *text)
{
    size_t len = strlen(text);
    if (!byte_by_byte)
        fake_connection_feed(&front, c, text, len);
    for (size_t i = 0; byte_by_byte && i < len; i++)
        fake_connection_feed(&front, c, text + i, 1);
    fake_front_run(&front, 1000);
}

/* The answer to a request; the latest one. Lines end with LF alone here, for reading. */
static const char *ask(const char *lines)
{
    static char request[8192], answer[65536];
    size_t len = 0;
    bool body = false;
    for (const char *p = lines; *p; p++) {
        if (*p == '\n' && !body) {
            request[len++] = '\r';
            body = p[1] == '\n';
            if (body) {
                memcpy(request + len, "\n\r\n", 3);
                len += 3;
                p++;
                continue;
            }
        }
        request[len++] = *p;
    }
    request[len] = '\0';
    fake_connection_forget_output(c);
    send_text(request);
    assert_true(c->out_len < sizeof answer);
    memcpy(answer, c->out, c->out_len);
    answer[c->out_len] = '\0';
    return answer;
}

#define H " HTTP/1.1\nHost: h\n"

static void assert_answer_at(const char *lines, unsigned status, const char *part, int line)
{
    char begin[32];
    const char *answer = ask(lines);
    snprintf(begin, sizeof begin, "HTTP/1.1 %u ", status);
    bool good = strncmp(answer, begin, strlen(begin)) == 0 && (!part || strstr(answer, part));
    if (!good) {
        print_error("%s\n-> %s\nexpected %u and %s\n", lines, answer, status, part ? part : "anything");
        _fail(__FILE__, line);
    }
}
#define assert_answer(lines, status, part) assert_answer_at(lines, status, part, __LINE__)

static const char *etag_of(const char *answer)
{
    static char etag[64];
    const char *at = strstr(answer, "ETag: ");
    assert_non_null(at);
    snprintf(etag, sizeof etag, "%.34s", at + 6);
    return etag;
}

static void kv_is_read_and_written(void **unused)
{
    (void)unused;
    for (int i = 0; i < 2; i++) {
        byte_by_byte = i;
        open_front(&kv_front);
        assert_answer("GET /kv/a" H "\n", 404, "application/problem+json");
        assert_answer("PUT /kv/a" H "Content-Length: 5\n\nhello", 201, "ETag: \"");
        assert_answer("PUT /kv/a" H "Content-Length: 6\n\nhello!", 204, "ETag: \"");
        assert_answer("GET /kv/a" H "\n", 200, "Content-Length: 6\r\n\r\nhello!");
        assert_answer("HEAD /kv/a" H "\n", 200, "Content-Length: 6\r\n\r\n");
        assert_null(strstr(ask("HEAD /kv/a" H "\n"), "hello"));
        assert_answer("GET /kv/a" H "Range: bytes=1-2\n\n", 206, "Content-Range: bytes 1-2/6\r\n");
        assert_answer("GET /kv/a" H "Range: bytes=9-\n\n", 416, "bytes */6");
        assert_answer("PUT /kv/a%2Fb%20c%00" H "Transfer-Encoding: chunked\n\n3\r\nabc\r\n0\r\n\r\n", 201,
                      NULL);
        assert_answer("GET /kv/a/b%20c%00" H "\n", 200, "\r\n\r\nabc");
        assert_answer("DELETE /kv/a" H "\n", 204, NULL);
        assert_answer("DELETE /kv/a" H "\n", 404, NULL);
        assert_answer("PATCH /kv/a" H "\n", 405, "Allow: GET, HEAD, PUT, DELETE, POST");
        assert_answer("GET /" H "\n", 404, NULL);
        assert_answer("GET /healthz" H "\n", 200, "ok");
        assert_answer("GET /readyz" H "\n", 200, "ok");
        front.ready = false;
        assert_answer("GET /readyz" H "\n", 503, "Retry-After: 1");
        front.ready = true;
        kv_store_validate(front.state);
        assert_false(c->closed);
        assert_int_equal(front.arena.live, 0); /* an idle connection has no memory */
        fake_front_free(&front);
    }
    byte_by_byte = false;
}

static void kv_conditions_are_kept(void **unused)
{
    (void)unused;
    char text[512], old[64];
    open_front(&kv_front);
    assert_answer("PUT /kv/a" H "If-Match: *\nContent-Length: 1\n\n1", 412, NULL);
    assert_answer("PUT /kv/a" H "If-None-Match: *\nContent-Length: 1\n\n1", 201, NULL);
    assert_answer("PUT /kv/a" H "If-None-Match: *\nContent-Length: 1\n\n2", 412, NULL);
    snprintf(old, sizeof old, "%s", etag_of(ask("GET /kv/a" H "\n")));
    snprintf(text, sizeof text, "GET /kv/a" H "If-None-Match: W/%s\n\n", old);
    assert_answer(text, 304, "ETag");
    assert_answer(text, 304, "Cache-Control: no-cache\r\n");
    snprintf(text, sizeof text, "PUT /kv/a" H "If-Match: \"x\", %s\nContent-Length: 1\n\n2", old);
    assert_answer(text, 204, NULL);
    assert_answer(text, 412, NULL); /* the same tag again */
    snprintf(text, sizeof text, "PUT /kv/a" H "If-Match: W/%s\nContent-Length: 1\n\n2",
             etag_of(ask("GET /kv/a" H "\n")));
    assert_answer(text, 412, NULL); /* a weak tag is none */
    snprintf(text, sizeof text, "DELETE /kv/a" H "If-Match: %s\n\n", old);
    assert_answer(text, 412, NULL);
    snprintf(text, sizeof text, "GET /kv/a" H "If-Match: %s\n\n", old);
    assert_answer(text, 412, NULL);
    snprintf(text, sizeof text, "DELETE /kv/a" H "If-None-Match: %s\n\n", old);
    assert_answer(text, 204, NULL);
    assert_answer("PUT /kv/a" H "If-Match: oops\nContent-Length: 1\n\n1", 400, NULL);
    assert_answer("PUT /kv/a" H "If-Match: *, \"x\"\nContent-Length: 1\n\n1", 400, NULL);
    fake_front_free(&front);
}

static void kv_posts_once(void **unused)
{
    (void)unused;
    open_front(&kv_front);
    assert_answer("POST /kv/n?incr=5" H "\n", 200, "\r\n\r\n5\n");
    assert_answer("POST /kv/n?incr=-7" H "Idempotency-Key: abc\n\n", 200, "\r\n\r\n-2\n");
    assert_answer("POST /kv/n?incr=-7" H "Idempotency-Key: abc\n\n", 200, "\r\n\r\n-2\n");
    assert_answer("POST /kv/n?incr=-8" H "Idempotency-Key: abc\n\n", 422, NULL);
    assert_answer("GET /kv/n" H "\n", 200, "\r\n\r\n-2");
    assert_answer("POST /kv/n" H "\n", 400, NULL);
    assert_answer("POST /kv/n?incr=x" H "\n", 409, NULL);
    assert_answer("POST /kv/n?incr=9223372036854775807" H "\n", 200, NULL);
    assert_answer("POST /kv/n?incr=9223372036854775807" H "\n", 409, NULL);
    assert_answer("POST /kv/n?incr=1" H "Idempotency-Key:\n\n", 400, NULL);
    fake_front_free(&front);
}

static void lists_go_on_where_they_stopped(void **unused)
{
    (void)unused;
    open_front(&kv_front);
    ask("PUT /kv/x%2F1" H "Content-Length: 1\n\n1");
    ask("PUT /kv/x%2F%222" H "Content-Length: 1\n\n1");
    ask("PUT /kv/y" H "Content-Length: 1\n\n1");
    assert_answer("GET /kv/?prefix=x/" H "\n", 200,
                  "{\"keys\":[\n{\"key\":\"x/\\\"2\",\"href\":\"/kv/x/%222\"},\n{\"key\":\"x/1\",\"href\":\"/"
                  "kv/x/1\"}],"
                  "\"more\":false}\n");
    assert_answer("GET /kv/?limit=1" H "\n", 200, "\"more\":true");
    assert_answer("GET /kv/?limit=1&after=x%2F1" H "\n", 200, "{\"key\":\"y\"");
    assert_answer("GET /kv/?limit=0" H "\n", 400, NULL);
    assert_answer("GET /kv/?limit=x" H "\n", 400, NULL);
    assert_answer("DELETE /kv/" H "\n", 405, NULL);
    fake_front_free(&front);
}

static void pages_are_served(void **unused)
{
    (void)unused;
    char text[512];
    for (int i = 0; i < 2; i++) {
        byte_by_byte = i;
        open_front(&pages_front);
        assert_answer("GET /index.html" H "\n", 404, NULL);
        assert_answer("PUT /index.html" H "Content-Type: text/html\nContent-Length: 11\n\n<h1>hi</h1>", 201,
                      NULL);
        assert_answer("GET /" H "\n", 200, "Content-Type: text/html\r\n");
        assert_answer("GET /index.html" H "\n", 200, "Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n");
        assert_answer("GET /index.html" H "\n", 200, "Cache-Control: no-cache\r\n");
        assert_answer("GET /index.html" H "Range: bytes=-5\n\n", 206, "\r\n\r\n</h1>");
        snprintf(text, sizeof text, "GET /index.html" H "Range: bytes=0-3\nIf-Range: %s\n\n",
                 etag_of(ask("HEAD /index.html" H "\n")));
        assert_answer(text, 206, "\r\n\r\n<h1>");
        assert_answer("GET /index.html" H "Range: bytes=0-3\nIf-Range: \"x\"\n\n", 200, NULL);
        assert_answer("PUT /index.html" H "If-None-Match: *\nContent-Length: 1\n\nx", 412, NULL);
        assert_answer("PUT /a%20b" H "Content-Length: 1\n\nx", 201, NULL);
        assert_answer("PUT /a%20b" H "Content-Length: 2\n\nxy", 204, NULL);
        assert_answer("GET /?" H "\n", 200,
                      "{\"key\":\"a b\",\"href\":\"/a%20b\",\"bytes\":2,\"changed\":1700000000,\"tag\":\"");
        assert_answer("PUT /folder/" H "Content-Length: 1\n\nx", 405, NULL);
        assert_answer("POST /folder/" H "Idempotency-Key: k\nContent-Length: 1\n\nx", 201,
                      "Location: /folder/");
        snprintf(text, sizeof text, "%s",
                 strstr(ask("POST /folder/" H "Idempotency-Key: k\nContent-Length: 1\n\nx"), "Location: "));
        assert_answer("POST /folder/" H "Idempotency-Key: k\nContent-Length: 1\n\nx", 201, NULL);
        *strchr(text, '\r') = '\0';
        assert_answer("POST /folder/" H "Idempotency-Key: k\nContent-Length: 1\n\nx", 201, text);
        assert_answer("POST /folder/" H "Idempotency-Key: k\nContent-Length: 1\n\ny", 422, NULL);
        assert_answer("POST /a" H "\n", 405, NULL);
        assert_answer("DELETE /index.html" H "\n", 204, NULL);
        assert_answer("DELETE /index.html" H "\n", 404, NULL);
        assert_answer("OPTIONS *" H "\n", 405, NULL);
        kv_store_validate(front.state);
        assert_int_equal(front.arena.live, 0);
        fake_front_free(&front);
    }
    byte_by_byte = false;
}

/* A native client can store any content type: it must not get out of its line, nor end the front. */
static void a_content_type_stays_in_its_line(void **unused)
{
    (void)unused;
    static const uint8_t request[] = "\2\1\0\0\0a\0\0\0\0\4\0\0\0x\r\nY\1\0\0\0b";
    uint8_t seed[32] = {0};
    static uint8_t room[REDOUBT_OP_MAX_BYTES];
    struct redoubt_op op = {.data = request, .bytes = sizeof request - 1, .seed = seed, .time_us = 1};
    struct redoubt_result result = {.data = room, .capacity = sizeof room};
    open_front(&pages_front);
    assert_int_equal(pages_front.service->execute(front.state, &op, &result), REDOUBT_OK);
    assert_answer("GET /a" H "\n", 502, NULL);
    assert_answer("HEAD /healthz" H "\n", 200, NULL);
    fake_front_free(&front);
}

/* Requests in one piece get their answers in order; the second waits for the first. */
static void pipelined_requests_are_answered_in_order(void **unused)
{
    (void)unused;
    open_front(&kv_front);
    send_text(
        "PUT /kv/a HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\n1GET /kv/a HTTP/1.1\r\nHost: h\r\n\r\n"
        "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\nGET /kv/a HTTP/1.1\r\nHost: h\r\n\r\n");
    const char *created = memmem(c->out, c->out_len, "201 Created", 11),
               *ok = memmem(c->out, c->out_len, "\r\n\r\n1", 5);
    assert_true(created && ok && created < ok);
    assert_non_null(memmem(c->out, c->out_len, "\r\n\r\nok\n", 7));
    assert_true(c->closed);
    assert_int_equal(c->submitted, 2);
    fake_front_free(&front);
}

static void what_is_not_done_is_not_an_answer(void **unused)
{
    (void)unused;
    open_front(&kv_front);
    front.next_kind = REDOUBT_REJECTED;
    assert_answer("PUT /kv/a" H "Content-Length: 1\n\n1", 503, "Retry-After");
    assert_false(c->closed);
    front.next_kind = REDOUBT_COMMITTED;
    front.most_waiting = 0;
    assert_answer("PUT /kv/a" H "Content-Length: 1\n\n1", 503, "Retry-After");
    front.most_waiting = 64;
    assert_answer("GET /kv/a" H "\n", 404, NULL);
    front.next_kind = REDOUBT_UNKNOWN;
    assert_answer("PUT /kv/a" H "Content-Length: 1\n\n1", 504, "Connection: close");
    assert_true(c->closed);
    fake_front_free(&front);
    open_front(&kv_front);
    assert_answer("GET /kv/a HTTP/1.1\n\n", 400, "no Host");
    assert_true(c->closed);
    fake_front_free(&front);
    open_front(&kv_front);
    assert_answer("PUT /kv/a" H "Content-Length: 1\nExpect: 100-continue\n\n", 100, NULL);
    assert_answer("x", 201, NULL);
    fake_front_free(&front);
}

static void users_are_asked_for(void **unused)
{
    (void)unused;
    struct conversation_user user = {.name = {(const uint8_t *)"ann", 3}, .salt = {1, 2, 3}};
    conversation_user_hash(user.hash, user.salt, (struct slice){(const uint8_t *)"secret", 6});
    open_front(&kv_front);
    front.front.users = &user;
    front.front.user_count = 1;
    assert_answer("GET /kv/a" H "\n", 401, "WWW-Authenticate: Basic");
    assert_answer("GET /kv/a" H "Authorization: Basic YW5uOnNlY3JldA==\n\n", 404, NULL); /* ann:secret */
    assert_answer("GET /kv/a" H "Authorization: Basic YW5uOnNlY3JldQ==\n\n", 401, NULL); /* ann:secreu */
    assert_answer("GET /kv/a" H "Authorization: Basic Ym9iOnNlY3JldA==\n\n", 401, NULL); /* bob:secret */
    assert_answer("GET /kv/a" H "Authorization: Basic ?\n\n", 401, NULL);
    assert_answer("GET /kv/a" H "Authorization: Bearer x\n\n", 401, NULL);
    assert_answer("GET /healthz" H "\n", 200, NULL);
    fake_front_free(&front);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kv_is_read_and_written),
        cmocka_unit_test(kv_conditions_are_kept),
        cmocka_unit_test(kv_posts_once),
        cmocka_unit_test(lists_go_on_where_they_stopped),
        cmocka_unit_test(pages_are_served),
        cmocka_unit_test(a_content_type_stays_in_its_line),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(what_is_not_done_is_not_an_answer),
        cmocka_unit_test(users_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
