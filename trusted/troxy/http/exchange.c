#include "troxy/http/exchange.h"

#include <errno.h>

#include "base/check.h"
#include "troxy/http/problem.h"
#include "troxy/http/target.h"
#include "troxy/text.h"
#include "troxy/user.h"

#define BODY_LEAST     4096u
#define CREDENTIAL_MAX 512u /* name and password */

static struct http_exchange *exchange_of(struct conversation *conversation)
{
    return (struct http_exchange *)conversation;
}

static const struct http_application *application_of(const struct http_exchange *x)
{
    return ((const struct http_type *)x->base.type)->application;
}

static void write_parts(struct http_exchange *x, const struct slice *parts, unsigned count)
{
    x->base.front->write(x->base.front, &x->base, parts, count);
}

static void end(struct http_exchange *x)
{
    if (!x->closing)
        x->base.front->close(x->base.front, &x->base);
    x->closing = true;
}

static uint64_t date_of(const struct http_exchange *x)
{
    return x->base.front->now_us / 1000000;
}

/* ------------------------------------------------------------------------------------------------ memory */

static void drop_body(struct http_exchange *x)
{
    arena_free(x->base.front->arena, x->body, x->body_cap);
    x->body = NULL;
    x->body_len = x->body_cap = 0;
}

static void drop_request(struct http_exchange *x)
{
    drop_body(x);
    if (x->request)
        arena_free(x->base.front->arena, x->request, sizeof *x->request);
    x->request = NULL;
}

static bool take_piece(struct http_exchange *x, struct slice piece)
{
    size_t cap = x->body_cap ? x->body_cap : BODY_LEAST;
    while (cap < x->body_len + piece.len)
        cap *= 2;
    if (cap != x->body_cap) {
        uint8_t *body = arena_alloc(x->base.front->arena, cap);
        if (!body)
            return false;
        if (x->body_len)
            memcpy(body, x->body, x->body_len);
        arena_free(x->base.front->arena, x->body, x->body_cap);
        x->body = body;
        x->body_cap = cap;
    }
    memcpy(x->body + x->body_len, piece.data, piece.len);
    x->body_len += piece.len;
    return true;
}

/* ------------------------------------------------------------------------------------------------ answers */

void http_answer_begin(struct http_answer *answer, struct http_exchange *x, unsigned status)
{
    http_response_begin(&answer->response, answer->head, sizeof answer->head, x->request, status, date_of(x));
}

static void finish(struct http_exchange *x, bool close)
{
    x->answered = true;
    if (close)
        end(x);
}

void http_answer_end(struct http_answer *answer, struct http_exchange *x, const struct slice *body,
                     unsigned pieces)
{
    struct slice part[8];
    uint64_t len = 0;
    CHECK(pieces < 8 && !x->answered);
    for (unsigned i = 0; i < pieces; i++)
        len += body[i].len;
    if (!http_response_end_head(&answer->response, len)) { /* what others stored is no header's value */
        http_exchange_problem(x, 502, "the answer does not fit into headers");
        return;
    }
    part[0] = (struct slice){answer->head, answer->response.out.len};
    for (unsigned i = 0; i < pieces; i++)
        part[1 + i] = body[i];
    write_parts(x, part, http_response_has_body(&answer->response) ? 1 + pieces : 1);
    finish(x, answer->response.close);
}

static void end_with_problem(struct http_answer *answer, struct http_exchange *x, const char *detail)
{
    CHECK(!x->answered && http_problem_end(&answer->response, text_of(detail)));
    const struct slice part = {answer->head, answer->response.out.len};
    write_parts(x, &part, 1);
    finish(x, answer->response.close);
}

static void problem(struct http_exchange *x, unsigned status, const char *name, const char *value,
                    const char *detail)
{
    struct http_answer answer;
    http_answer_begin(&answer, x, status);
    if (name)
        http_response_field(&answer.response, name, text_of(value));
    end_with_problem(&answer, x, detail);
}

void http_exchange_problem(struct http_exchange *x, unsigned status, const char *detail)
{
    problem(x, status, NULL, NULL, detail);
}

void http_exchange_wrong_method(struct http_exchange *x, const char *allowed)
{
    problem(x, 405, "Allow", allowed, "this is not done here");
}

static void say_text(struct http_exchange *x, unsigned status, const char *text)
{
    struct http_answer answer;
    const struct slice body = text_of(text);
    http_answer_begin(&answer, x, status);
    http_response_field(&answer.response, "Content-Type", text_of("text/plain"));
    http_response_field(&answer.response, "Cache-Control", text_of("no-store"));
    http_answer_end(&answer, x, &body, 1);
}

/* ------------------------------------------------------------------------------------------------ who it is */

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (text_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static bool base64_decode(struct slice text, uint8_t *out, size_t cap, size_t *len)
{
    uint32_t bits = 0;
    unsigned count = 0;
    *len = 0;
    while (text.len && text.data[text.len - 1] == '=')
        text.len--;
    for (size_t i = 0; i < text.len; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0)
            return false;
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        if (*len == cap)
            return false;
        out[(*len)++] = (uint8_t)(bits >> count);
    }
    return true;
}

static bool is_known(const struct http_exchange *x)
{
    uint8_t pair[CREDENTIAL_MAX];
    size_t len;
    if (x->base.front->user_count == 0)
        return true;
    const struct http_field *field = http_request_field(x->request, "authorization", NULL);
    if (!field || http_request_field(x->request, "authorization", field) || field->value.len < 6 ||
        !text_is_any_case((struct slice){field->value.data, 6}, "basic "))
        return false;
    if (!base64_decode(text_trim(text_from(field->value, 6)), pair, sizeof pair, &len))
        return false;
    const uint8_t *colon = len ? memchr(pair, ':', len) : NULL;
    if (!colon)
        return false;
    size_t name = (size_t)(colon - pair);
    return conversation_user_find(x->base.front, (struct slice){pair, name},
                                  (struct slice){colon + 1, len - name - 1}) != NULL;
}

/* ------------------------------------------------------------------------------------------------ requests */

bool http_exchange_path_is(const struct http_exchange *x, const char *path)
{
    return text_is(x->request->path, path);
}

bool http_exchange_query(const struct http_exchange *x, const char *name, uint8_t *out, size_t cap,
                         size_t *len, bool *found)
{
    struct slice query = x->request->query, one, value;
    *found = false;
    *len = 0;
    while (query.data && http_query_next(&query, &one, &value)) {
        if (!text_is(one, name))
            continue;
        if (*found || !http_percent_decode(value, HTTP_PLUS_IS_SPACE, out, cap, len))
            return false;
        *found = true;
    }
    return true;
}

void http_exchange_submit(struct http_exchange *x, const struct slice *parts, unsigned count)
{
    int error = x->base.front->submit(x->base.front, &x->base, x->tickets, parts, count);
    if (error == 0) {
        x->tickets++;
        x->submitted = true;
        drop_body(x);
    } else if (error == -EAGAIN) {
        problem(x, 503, "Retry-After", "1", "too much is under way; nothing was done");
    } else {
        http_exchange_problem(x, 413, "the request is too large");
    }
}

static bool is_probe(struct http_exchange *x)
{
    bool ready = http_exchange_path_is(x, "/readyz");
    if (!ready && !http_exchange_path_is(x, "/healthz"))
        return false;
    if (x->request->method != HTTP_METHOD_GET && x->request->method != HTTP_METHOD_HEAD)
        http_exchange_wrong_method(x, "GET, HEAD");
    else if (ready && !x->base.front->is_ready(x->base.front))
        problem(x, 503, "Retry-After", "1", "this replica does not reach a quorum");
    else
        say_text(x, 200, "ok\n");
    return true;
}

static void on_complete(struct http_exchange *x)
{
    if (is_probe(x))
        return;
    if (!is_known(x))
        problem(x, 401, "WWW-Authenticate", "Basic realm=\"redoubt\"",
                "a user's name and password are wanted");
    else
        application_of(x)->on_request(x);
}

static void on_refused(struct http_exchange *x)
{
    struct http_answer answer;
    if (http_problem_refusal(&answer.response, answer.head, sizeof answer.head, &x->parser.refusal,
                             date_of(x))) {
        const struct slice part = {answer.head, answer.response.out.len};
        write_parts(x, &part, 1);
    }
    end(x);
}

static void give_up(struct http_exchange *x)
{
    x->request->keep_alive = false;
    problem(x, 503, "Retry-After", "1", "there is no memory for this request");
}

/* The next thing in the input; false: nothing more comes of it now. */
static bool step(struct http_exchange *x, struct slice *input)
{
    struct slice piece, go_on = http_response_continue();
    switch (http_request_step(&x->parser, x->request, input, &piece)) {
    case HTTP_EVENT_MORE:
        return false;
    case HTTP_EVENT_HEAD:
        break;
    case HTTP_EVENT_EXPECT:
        write_parts(x, &go_on, 1);
        break;
    case HTTP_EVENT_BODY:
        if (!take_piece(x, piece))
            give_up(x);
        break;
    case HTTP_EVENT_END:
        on_complete(x);
        break;
    case HTTP_EVENT_REFUSED:
        on_refused(x);
        break;
    }
    return !x->closing && !x->submitted && !x->answered;
}

/* A request that is answered makes room for the next. */
static void next_request(struct http_exchange *x)
{
    if (!x->answered)
        return;
    x->answered = false;
    drop_request(x);
}

size_t http_exchange_on_bytes(struct conversation *conversation, uint8_t *data, size_t len)
{
    struct http_exchange *x = exchange_of(conversation);
    struct slice input = {data, len};
    while (input.len && !x->closing && !x->submitted) {
        if (!x->request && !(x->request = arena_alloc(x->base.front->arena, sizeof *x->request))) {
            end(x);
            break;
        }
        while (step(x, &input))
            ;
        if (!x->answered)
            break;
        next_request(x);
    }
    return x->closing ? len : len - input.len;
}

static void on_not_done(struct http_exchange *x, const struct redoubt_outcome *outcome)
{
    if (outcome->kind == REDOUBT_UNKNOWN) {
        x->request->keep_alive = false;
        http_exchange_problem(x, 504, "no answer in time; it is not known whether this was done");
    } else {
        problem(x, 503, "Retry-After", "1", "not taken at the moment; nothing was done");
    }
}

void http_exchange_on_outcome(struct conversation *conversation, uint64_t ticket,
                              const struct redoubt_outcome *outcome)
{
    struct http_exchange *x = exchange_of(conversation);
    CHECK(x->submitted && ticket + 1 == x->tickets);
    x->submitted = false;
    if (x->closing)
        return;
    if (outcome->kind != REDOUBT_COMMITTED)
        on_not_done(x, outcome);
    else if (outcome->status == REDOUBT_DENIED)
        http_exchange_problem(x, 403, "this replica's front may not do this");
    else if (outcome->status == REDOUBT_FULL)
        http_exchange_problem(x, 507, "the service's memory is full");
    else if (outcome->status == REDOUBT_INVALID)
        http_exchange_problem(x, 400, "the service does not take this request");
    else
        application_of(x)->on_result(x, outcome->status,
                                     (struct slice){outcome->result, outcome->result_bytes});
    CHECK(x->answered);
    next_request(x);
}

void http_exchange_open(struct conversation *conversation)
{
    http_request_parser_init(&exchange_of(conversation)->parser);
}

void http_exchange_on_close(struct conversation *conversation)
{
    drop_request(exchange_of(conversation));
}

void http_exchange_validate(const struct conversation *conversation)
{
    const struct http_exchange *x = (const struct http_exchange *)conversation;
    CHECK(x->body_len <= x->body_cap && x->body_cap <= 2 * HTTP_BODY_MAX);
    CHECK((x->body != NULL) == (x->body_cap > 0));
    CHECK(!x->submitted || x->request);
    CHECK(x->closing || !x->answered);
}
