/*
 * kv and pages over HTTP: requests in, answers out, through the whole conversation and the service behind it; in one piece, byte by
 * byte, and pipelined.
 */
#include "testing.h"

#include "fake_env.h"
#include "fake_front.h"
#include "kv/front/kv_front.h"
#include "kv/kv_http.h"
#include "kv/kv_store.h"
#include "pages/front/pages_front.h"
#include "pages/pages_codec.h"
#include "troxy/user.h"

static struct fake_front front;
static struct fake_connection *c;
static bool byte_by_byte;

static void open_front_with(const struct service_front *service, const char *options)
{
    fake_front_init(&front, service->service, options);
    c = fake_connection_open(&front, service->http);
}

static void open_front(const struct service_front *service)
{
    open_front_with(service, "memory_mb=8");
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

/* The fake front's time at its start, a second before and one after. */
#define T0     "Tue, 14 Nov 2023 22:13:20 GMT"
#define BEFORE "Tue, 14 Nov 2023 22:13:19 GMT"
#define AFTER  "Tue, 14 Nov 2023 22:13:21 GMT"

static void next_second(void)
{
    front.time_us += 1000000;
}

/* A request with one line more, in which %s is the page's tag. */
static void assert_conditional_at(const char *begin, const char *fields, const char *tag, unsigned status,
                                  int line)
{
    char text[1024];
    const char *at = strstr(fields, "%s");
    int before = (int)(at ? (size_t)(at - fields) : strlen(fields));
    bool body = begin[0] == 'P';
    snprintf(text, sizeof text, "%s" H "%s%.*s%s%s\n\n%s", begin, body ? "Content-Length: 1\n" : "", before,
             fields, at ? tag : "", at ? at + 2 : "", body ? "x" : "");
    assert_answer_at(text, status, NULL, line);
}
#define assert_conditional(begin, fields, tag, status)                                                       \
    assert_conditional_at(begin, fields, tag, status, __LINE__)

/* RFC 9110, section 13: dates for who has no tag. */
static void pages_have_dates_for_conditions(void **unused)
{
    (void)unused;
    static const struct {
        const char *fields; /* %s: the page's tag */
        unsigned status;
    } gets[] = {
        {"If-Modified-Since: " T0, 304},
        {"If-Modified-Since: " AFTER, 304},
        {"If-Modified-Since: " BEFORE, 200},
        {"If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT", 304},
        {"If-Modified-Since: Tuesday, 14-Nov-23 22:13:19 GMT", 200},
        {"If-Modified-Since: Tue Nov 14 22:13:20 2023", 304},
        {"If-Modified-Since: Tue Nov 14 22:13:19 2023", 200},
        {"If-Modified-Since: Tue, 14 Nov 2023 22:13:20 UTC", 200}, /* no date */
        {"If-Modified-Since: " T0 "\nIf-Modified-Since: " T0, 200},
        {"If-Modified-Since: " T0 "\nIf-None-Match: \"x\"", 200},
        {"If-Modified-Since: " BEFORE "\nIf-None-Match: %s", 304},
        {"If-Unmodified-Since: " T0, 200},
        {"If-Unmodified-Since: " AFTER, 200},
        {"If-Unmodified-Since: " BEFORE, 412},
        {"If-Unmodified-Since: 14 Nov 2023", 200},
        {"If-Unmodified-Since: " BEFORE "\nIf-Unmodified-Since: " BEFORE, 200},
        {"If-Unmodified-Since: " BEFORE "\nIf-Match: %s", 200},
        {"If-Unmodified-Since: " T0 "\nIf-Match: \"x\"", 412},
        {"If-Unmodified-Since: " T0 "\nIf-Modified-Since: " T0, 304},
        {"If-Unmodified-Since: " BEFORE "\nIf-Modified-Since: " T0, 412},
        {"If-Unmodified-Since: " T0 "\nIf-None-Match: %s", 304},
        {"If-Unmodified-Since: " T0 "\nIf-None-Match: \"x\"", 200},
        {"If-Unmodified-Since: " BEFORE "\nIf-None-Match: %s", 412},
        {"If-Unmodified-Since: " BEFORE "\nIf-None-Match: \"x\"", 412},
        {"Range: bytes=0-0\nIf-Range: " T0, 206},
        {"Range: bytes=0-0\nIf-Range: Tuesday, 14-Nov-23 22:13:20 GMT", 206},
        {"Range: bytes=0-0\nIf-Range: " BEFORE, 200},
        {"Range: bytes=0-0\nIf-Range: " AFTER, 200},
        {"Range: bytes=0-0\nIf-Range: yesterday", 200},
    };
    open_front(&pages_front);
    assert_answer("PUT /p" H "Content-Length: 3\n\none", 201, NULL);
    front.time_us += 10000000;
    const char *tag = etag_of(ask("HEAD /p" H "\n"));
    for (size_t i = 0; i < sizeof gets / sizeof *gets; i++) {
        assert_conditional("GET /p", gets[i].fields, tag, gets[i].status);
        bool in_part = gets[i].status == 206; /* no parts for HEAD */
        assert_conditional("HEAD /p", gets[i].fields, tag, in_part ? 200 : gets[i].status);
        assert_conditional("GET /q", gets[i].fields, tag, 404);
    }
    char line[80];
    snprintf(line, sizeof line, "ETag: %s\r\n", tag);
    assert_answer("GET /p" H "If-Modified-Since: " T0 "\n\n", 304, "Last-Modified: " T0 "\r\n\r\n");
    assert_answer("GET /p" H "If-Modified-Since: " T0 "\n\n", 304, line);
    assert_answer("GET /p" H "If-Modified-Since: " T0 "\n\n", 304, "Cache-Control: no-cache\r\n");
    fake_front_free(&front);
}

static void pages_are_written_on_conditions_of_dates(void **unused)
{
    (void)unused;
    open_front(&pages_front);
    assert_conditional("PUT /p", "If-Unmodified-Since: " BEFORE, "", 201); /* what is not there has no date */
    const char *tag = etag_of(ask("HEAD /p" H "\n"));
    next_second();
    assert_conditional("PUT /p", "If-Unmodified-Since: " BEFORE, "", 412);
    assert_conditional("PUT /p", "If-Unmodified-Since: " BEFORE "\nIf-Match: \"x\"", "", 412);
    assert_conditional("DELETE /p", "If-Unmodified-Since: " BEFORE, "", 412);
    assert_conditional("PUT /p", "If-Unmodified-Since: " BEFORE "\nIf-None-Match: \"x\"", "", 412);
    assert_conditional("PUT /p", "If-Unmodified-Since: " T0 "\nIf-None-Match: %s", tag, 412);
    assert_answer("GET /p" H "\n", 200, "Last-Modified: " T0);
    assert_conditional("PUT /p", "If-Unmodified-Since: " T0 "\nIf-None-Match: *", "", 412);
    assert_conditional("PUT /p", "If-Unmodified-Since: " BEFORE "\nIf-Match: %s", tag, 204);
    assert_answer("GET /p" H "\n", 200, "Last-Modified: " AFTER);
    assert_conditional("PUT /p", "If-Unmodified-Since: never", "", 204); /* none, so none to keep */
    assert_conditional("PUT /r", "X: y", "", 201);
    assert_conditional("PUT /r", "If-Unmodified-Since: " AFTER "\nIf-None-Match: \"x\"", "", 204);
    assert_conditional("PUT /p", "If-Modified-Since: " AFTER, "", 204); /* not of PUT */
    assert_conditional("DELETE /q", "If-Unmodified-Since: " BEFORE, "", 404);
    next_second();
    assert_conditional("DELETE /p", "If-Unmodified-Since: " T0, "", 412);
    assert_conditional("DELETE /p", "If-Unmodified-Since: Tue, 14 Nov 2023 22:13:22 GMT", "", 204);
    fake_front_free(&front);
}

/* A date has whole seconds: it must not stand for two pages, or a write is lost, or what is old is taken for new. */
static void a_date_stands_for_one_page(void **unused)
{
    (void)unused;
    open_front(&pages_front);
    assert_answer("PUT /p" H "Content-Length: 1\n\n1", 201, NULL);
    assert_conditional("GET /p", "If-Modified-Since: " T0, "", 304);
    front.time_us += 999999;
    assert_conditional("PUT /p", "If-Unmodified-Since: " T0, "",
                       204); /* of two with the same date the first wins */
    assert_conditional("PUT /p", "If-Unmodified-Since: " T0, "", 412);
    assert_answer("GET /p" H "\n", 200, "Last-Modified: " T0);
    assert_conditional("GET /p", "If-Modified-Since: " T0, "", 200);
    assert_conditional("GET /p", "If-Modified-Since: " AFTER, "", 304);
    assert_conditional("GET /p", "If-Unmodified-Since: " T0, "", 412);
    assert_conditional("GET /p", "Range: bytes=0-0\nIf-Range: " T0, "", 200);
    front.time_us += 1;
    assert_conditional("PUT /p", "If-Unmodified-Since: " AFTER, "", 204);
    assert_conditional("GET /p", "If-Modified-Since: " T0, "", 200);
    assert_conditional("GET /p", "If-Modified-Since: " AFTER, "", 304);
    assert_conditional("GET /p", "Range: bytes=0-0\nIf-Range: " AFTER, "", 206);
    assert_conditional("DELETE /p", "If-Unmodified-Since: " AFTER, "", 204);
    assert_conditional("PUT /p", "X: y", "", 201); /* another one in the second in which one went */
    assert_conditional("GET /p", "If-Modified-Since: " AFTER, "", 200);
    next_second();
    assert_conditional("PUT /p", "X: y", "", 204);
    assert_conditional("GET /p", "If-Modified-Since: Tue, 14 Nov 2023 22:13:22 GMT", "", 304);
    fake_front_free(&front);
}

#define LATER "Tue, 14 Nov 2023 22:13:22 GMT"

/* What is kept of an erased page counts for a page of that second, and for no other. */
static void an_erasure_counts_in_its_second(void **unused)
{
    (void)unused;
    open_front(&pages_front);
    assert_conditional("PUT /p", "X: y", "", 201);
    assert_conditional("DELETE /p", "X: y", "", 204);
    assert_conditional("PUT /q", "X: y", "", 201); /* another path */
    assert_conditional("GET /q", "If-Modified-Since: " T0, "", 304);
    next_second();
    assert_conditional("PUT /p", "X: y", "", 201); /* the next second */
    assert_conditional("GET /p", "If-Modified-Since: " AFTER, "", 304);
    assert_conditional("DELETE /p", "X: y", "", 204);
    assert_conditional("PUT /p", "X: y", "", 201); /* a second erasure, in another second than the first */
    assert_conditional("GET /p", "If-Modified-Since: " AFTER, "", 200);
    assert_conditional("DELETE /q", "X: y", "",
                       204); /* it was put in another second: no date is that of two */
    assert_conditional("PUT /q", "X: y", "", 201);
    assert_conditional("GET /q", "If-Modified-Since: " T0, "", 200);
    assert_conditional("GET /q", "If-Modified-Since: " AFTER, "", 304);
    fake_front_free(&front);
}

static uint64_t pieces(void)
{
    const struct kv_store *store = front.state;
    return store->keys - store->clients;
}

/* A page with a name of its own; where it is. */
static const char *post_page(void)
{
    static char path[64];
    const char *answer = ask("POST /" H "Content-Length: 1\n\nx");
    assert_memory_equal(answer, "HTTP/1.1 201", 12);
    const char *at = strstr(answer, "Location: ");
    assert_non_null(at);
    snprintf(path, sizeof path, "%.33s", at + 10);
    return path;
}

static void posted_pages_have_dates(void **unused)
{
    (void)unused;
    char get[80], put[80], delete[80];
    open_front(&pages_front);
    const char *path = post_page();
    snprintf(get, sizeof get, "GET %s", path);
    snprintf(put, sizeof put, "PUT %s", path);
    snprintf(delete, sizeof delete, "DELETE %s", path);
    assert_conditional(get, "If-Modified-Since: " BEFORE, "", 200);
    assert_conditional(get, "If-Modified-Since: " T0, "", 304);
    assert_conditional(get, "Range: bytes=0-0\nIf-Range: " T0, "", 206);
    assert_conditional(put, "If-Unmodified-Since: " T0, "", 204); /* another in the same second */
    assert_conditional(get, "If-Modified-Since: " T0, "", 200);
    assert_conditional(get, "If-Modified-Since: " AFTER, "", 304);
    next_second();
    path = post_page();
    snprintf(get, sizeof get, "GET %s", path);
    snprintf(put, sizeof put, "PUT %s", path);
    snprintf(delete, sizeof delete, "DELETE %s", path);
    assert_conditional(delete, "If-Unmodified-Since: " AFTER, "", 204);
    assert_conditional(put, "X: y", "", 201);
    assert_conditional(get, "If-Modified-Since: " AFTER, "", 200);
    assert_conditional(get, "If-Modified-Since: " LATER, "", 304);
    fake_front_free(&front);
}

/* What is kept of erased pages is bounded: as many as there are hashes, which all new pages of the second meet then, posted ones, too. */
static void erasures_take_bounded_room(void **unused)
{
    (void)unused;
    char text[128];
    open_front(&pages_front);
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "PUT /%u" H "Content-Length: 1\n\nx", i);
        assert_answer(text, 201, NULL);
        snprintf(text, sizeof text, "DELETE /%u" H "\n", i);
        assert_answer(text, 204, NULL);
    }
    assert_int_equal(pieces(), 1024);
    snprintf(text, sizeof text, "GET %s", post_page());
    assert_conditional(text, "If-Modified-Since: " T0, "", 200);
    assert_conditional(text, "If-Modified-Since: " AFTER, "", 304);
    next_second();
    snprintf(text, sizeof text, "GET %s", post_page());
    assert_conditional(text, "If-Modified-Since: " AFTER, "", 304);
    fake_front_free(&front);
    open_front(&pages_front);
    assert_conditional("PUT /p", "X: y", "", 201);
    next_second();
    assert_conditional("DELETE /p", "X: y", "", 204);
    assert_int_equal(pieces(), 0); /* nothing is kept of a page of an earlier second */
    fake_front_free(&front);
}

static void lists_have_dates(void **unused)
{
    (void)unused;
    open_front(&pages_front);
    assert_conditional("PUT /a", "X: y", "", 201);
    next_second();
    assert_conditional("PUT /b", "X: y", "", 201);
    assert_conditional("PUT /b", "X: y", "", 204);
    assert_answer("GET /?" H "\n", 200, "\"href\":\"/a\",\"bytes\":1,\"changed\":1700000000,\"tag\":\"");
    assert_answer("GET /?" H "\n", 200, "\"href\":\"/b\",\"bytes\":1,\"changed\":1700000001,\"tag\":\"");
    fake_front_free(&front);
}

/* An operation of a native client. */
static enum redoubt_status execute(const uint8_t *data, size_t bytes)
{
    static uint8_t room[REDOUBT_OP_MAX_BYTES];
    static const uint8_t seed[32];
    struct redoubt_result result = {.data = room, .capacity = sizeof room};
    uint8_t *copy = malloc(bytes); /* which ends where the operation does, for a sanitizer */
    assert_non_null(copy);
    memcpy(copy, data, bytes);
    struct redoubt_op op = {.data = copy, .bytes = bytes, .seed = seed, .time_us = front.time_us};
    enum redoubt_status status = front.service->execute(front.state, &op, &result);
    free(copy);
    return status;
}

static enum redoubt_status execute_with(uint8_t opcode, const uint8_t *conditions, size_t len)
{
    uint8_t data[256];
    struct writer w = writer_to(data, sizeof data);
    put_u8(&w, opcode);
    put_slice(&w, (struct slice){(const uint8_t *)"p", 1});
    put_slice(&w, (struct slice){conditions, len});
    if (opcode == PAGES_STORE) {
        put_slice(&w, (struct slice){(const uint8_t *)"", 0});
        put_slice(&w, (struct slice){(const uint8_t *)"x", 1});
    }
    assert_false(w.bad);
    for (size_t i = 0; i < w.len; i++) /* nor is a beginning a request */
        assert_int_equal(execute(data, i ? i : 1), REDOUBT_INVALID);
    return execute(data, w.len);
}

/* Conditions of a native client: whole ones, or none. */
static void conditions_are_whole(void **unused)
{
    (void)unused;
    static const uint8_t opcodes[] = {PAGES_STORE, PAGES_ERASE};
    uint8_t text[64];
    for (unsigned i = 0; i < 2; i++) {
        open_front(&pages_front);
        assert_conditional("PUT /p", "X: y", "", 201);
        struct writer w = writer_to(text, sizeof text);
        put_u8(&w, KV_IF_NONE_OF);
        put_u8(&w, 1);
        memset(writer_take(&w, KV_TAG_BYTES), 0, KV_TAG_BYTES);
        size_t of_tags = w.len;
        put_u8(&w, KV_IF_NO_LATER);
        put_u8(&w, 0);
        put_u64(&w, UINT64_MAX);
        size_t len = w.len;
        for (size_t at = 1; at < len; at++)
            if (at != of_tags)
                assert_int_equal(execute_with(opcodes[i], text, at), REDOUBT_INVALID);
        text[of_tags + 1] = 1; /* a date has no tags, though one stood there */
        memset(text + len, 0, KV_TAG_BYTES);
        assert_int_equal(execute_with(opcodes[i], text, len), REDOUBT_INVALID);
        assert_int_equal(execute_with(opcodes[i], text, len + KV_TAG_BYTES), REDOUBT_INVALID);
        text[of_tags + 1] = 0;
        assert_int_equal(execute_with(opcodes[i], text, len), REDOUBT_OK);
        kv_store_validate(front.state);
        fake_front_free(&front);
    }
}

/* Saves all leaves; each has the digest of the state, and with a bit changed another one or none. */
static uint64_t save_state(struct fake_sink *saved, uint64_t most)
{
    const struct redoubt_service *service = front.service;
    uint8_t digest[REDOUBT_DIGEST_BYTES], of_saved[REDOUBT_DIGEST_BYTES];
    uint64_t leaves = service->leaf_count(front.state);
    assert_true(leaves <= most);
    for (uint64_t leaf = 0; leaf < leaves; leaf++) {
        struct fake_sink *s = &saved[leaf];
        fake_sink_init(s);
        service->leaf_save(front.state, leaf, &s->sink);
        service->leaf_digest(front.state, leaf, digest);
        assert_true(service->saved_digest(front.state, leaf, s->data, s->bytes, of_saved));
        assert_memory_equal(digest, of_saved, sizeof digest);
        for (size_t i = 0; i < s->bytes; i++) {
            s->data[i] ^= 0x80;
            if (service->saved_digest(front.state, leaf, s->data, s->bytes, of_saved))
                assert_memory_not_equal(digest, of_saved, sizeof digest);
            s->data[i] ^= 0x80;
        }
    }
    return leaves;
}

static void load_state(struct fake_sink *saved, uint64_t leaves)
{
    assert_true(front.service->reset(front.state, leaves, false));
    for (uint64_t leaf = 0; leaf < leaves; leaf++) {
        assert_true(front.service->leaf_load(front.state, leaf, saved[leaf].data, saved[leaf].bytes));
        fake_sink_free(&saved[leaf]);
    }
}

static void dates_go_with_the_state(void **unused)
{
    (void)unused;
    struct fake_sink saved[4];
    open_front(&pages_front);
    assert_conditional("PUT /once", "X: y", "", 201);
    assert_conditional("PUT /twice", "X: y", "", 201);
    assert_conditional("PUT /twice", "X: y", "", 204);
    assert_conditional("PUT /gone", "X: y", "", 201);
    assert_conditional("DELETE /gone", "X: y", "", 204);
    uint64_t leaves = save_state(saved, 4);
    fake_front_free(&front);
    open_front(&pages_front);
    load_state(saved, leaves);
    assert_conditional("GET /once", "If-Modified-Since: " T0, "", 304);
    assert_conditional("GET /twice", "If-Modified-Since: " T0, "", 200);
    assert_conditional("GET /twice", "If-Modified-Since: " AFTER, "", 304);
    assert_conditional("PUT /gone", "X: y", "", 201); /* when one went is known, too */
    assert_conditional("GET /gone", "If-Modified-Since: " T0, "", 200);
    kv_store_validate(front.state);
    fake_front_free(&front);
}

/* Pages of earlier versions do not say that they were the only one in their second. */
static void pages_of_before_are_served(void **unused)
{
    (void)unused;
    struct fake_sink saved[4];
    uint8_t changed[8];
    open_front(&pages_front);
    struct writer w = writer_to(changed, sizeof changed);
    put_u64(&w, front.time_us | PAGES_ONCE);
    assert_conditional("PUT /p", "X: y", "", 201);
    uint64_t leaves = save_state(saved, 4);
    uint8_t *at = memmem(saved[0].data, saved[0].bytes, changed, sizeof changed);
    assert_true(leaves == 1 && at);
    at[7] ^= 0x80;
    fake_front_free(&front);
    open_front(&pages_front);
    load_state(saved, leaves);
    assert_conditional("GET /p", "If-Modified-Since: " T0, "", 200);
    assert_conditional("GET /p", "If-Modified-Since: " AFTER, "", 304);
    assert_answer("GET /p" H "\n", 200, "Last-Modified: " T0 "\r\n");
    next_second();
    assert_conditional("PUT /p", "X: y", "", 204);
    assert_conditional("GET /p", "If-Modified-Since: " AFTER, "", 304);
    fake_front_free(&front);
}

/* When a page went is kept in the state, and takes room there: no more than the page gives back. */
static void a_full_store_can_be_emptied(void **unused)
{
    (void)unused;
    char text[128];
    unsigned pages = 0;
    open_front(&pages_front);
    const char *answer;
    do {
        snprintf(text, sizeof text, "PUT /%u" H "Content-Length: 1\nContent-Type:a\n\nx", ++pages);
        answer = ask(text);
    } while (strncmp(answer, "HTTP/1.1 201", 12) == 0 && pages < 100000);
    assert_memory_equal(answer, "HTTP/1.1 507", 12);
    const struct kv_store *store = front.state;
    uint64_t used = store->used;
    assert_conditional("DELETE /1", "X: y", "", 204);
    assert_conditional("DELETE /2", "X: y", "", 204);
    assert_true(pieces() == 2 && store->used <= used);
    kv_store_validate(front.state);
    fake_front_free(&front);
}

/* A state that was saved under a greater limit. What is kept of its pages takes room that is not there, and is no reason to keep them. */
static void a_store_above_its_limit_can_be_emptied(void **unused)
{
    (void)unused;
    static struct fake_sink saved[64];
    static char text[8192];
    const unsigned pages = 300;
    open_front(&pages_front);
    for (unsigned i = 0; i < pages; i++) {
        int len = snprintf(text, sizeof text, "PUT /%u" H "Content-Length: 5000\n\n", i);
        memset(text + len, 'x', 5000);
        text[len + 5000] = '\0';
        assert_answer(text, 201, NULL);
    }
    uint64_t leaves = front.service->leaf_count(front.state);
    assert_true(leaves <= sizeof saved / sizeof *saved);
    for (uint64_t leaf = 0; leaf < leaves; leaf++) {
        fake_sink_init(&saved[leaf]);
        front.service->leaf_save(front.state, leaf, &saved[leaf].sink);
    }
    fake_front_free(&front);
    open_front_with(&pages_front, "memory_mb=1");
    load_state(saved, leaves);
    const struct kv_store *store = front.state;
    assert_true(store->used > store->limit);
    assert_conditional("PUT /another", "X: y", "", 507);
    assert_conditional("PUT /0", "X: y", "", 204); /* less than before */
    for (unsigned i = 0; i < pages; i++) {
        uint64_t used = store->used;
        snprintf(text, sizeof text, "DELETE /%u" H "\n", i);
        assert_answer(text, 204, NULL);
        assert_true(store->used < used);
    }
    assert_int_equal(store->clients, 0);
    assert_true(pieces() > 0);
    assert_conditional("PUT /1", "X: y", "", 201); /* what was kept is known */
    assert_conditional("GET /1", "If-Modified-Since: " T0, "", 200);
    kv_store_validate(front.state);
    fake_front_free(&front);
}

/* kv knows no time of a change, and what is not known is no condition. */
static void kv_knows_no_dates(void **unused)
{
    (void)unused;
    open_front(&kv_front);
    assert_conditional("PUT /kv/a", "If-Unmodified-Since: " T0, "", 201);
    assert_conditional("PUT /kv/a", "If-Unmodified-Since: " BEFORE, "", 204);
    assert_conditional("GET /kv/a", "If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT", "", 200);
    assert_conditional("GET /kv/a", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT", "", 200);
    assert_conditional("GET /kv/a", "Range: bytes=0-0\nIf-Range: " T0, "", 200);
    assert_null(strstr(ask("GET /kv/a" H "\n"), "Last-Modified"));
    fake_front_free(&front);
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
        cmocka_unit_test(pages_have_dates_for_conditions),
        cmocka_unit_test(pages_are_written_on_conditions_of_dates),
        cmocka_unit_test(a_date_stands_for_one_page),
        cmocka_unit_test(an_erasure_counts_in_its_second),
        cmocka_unit_test(posted_pages_have_dates),
        cmocka_unit_test(erasures_take_bounded_room),
        cmocka_unit_test(lists_have_dates),
        cmocka_unit_test(conditions_are_whole),
        cmocka_unit_test(dates_go_with_the_state),
        cmocka_unit_test(pages_of_before_are_served),
        cmocka_unit_test(a_full_store_can_be_emptied),
        cmocka_unit_test(a_store_above_its_limit_can_be_emptied),
        cmocka_unit_test(kv_knows_no_dates),
        cmocka_unit_test(a_content_type_stays_in_its_line),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(what_is_not_done_is_not_an_answer),
        cmocka_unit_test(users_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
