/*
 * kv over HTTP:
 *
 *   GET, HEAD, PUT, DELETE /kv/KEY         a value; the key is percent-encoded and may hold "/"
 *   POST /kv/KEY?incr=N                    adds N to a number; Idempotency-Key
 *   GET /kv/?prefix=&after=&limit=         keys, as JSON
 */
#include "kv_http_front.h"

#include "kv/kv_codec.h"
#include "kv/kv_remember.h"
#include "kv_object.h"
#include "troxy/http/target.h"
#include "troxy/text.h"

#define PATH "/kv/"

/* What was asked for, from request to result. */
enum asked { ASKED_FETCH = 1, ASKED_STORE, ASKED_ERASE, ASKED_ADD, ASKED_LIST };

static const struct slice octets = {(const uint8_t *)"application/octet-stream", 24};

/* u32 len, bytes; the bytes are parts of their own. */
struct parts {
    struct slice part[16];
    unsigned count;
    uint8_t lengths[8][4];
    unsigned used;
    uint8_t head[8];
};

static void begin(struct parts *p, uint32_t command, uint32_t args)
{
    struct writer w = writer_to(p->head, sizeof p->head);
    put_u8(&w, KV_COMMAND);
    put_u8(&w, 0);
    put_u8(&w, (uint8_t)command);
    put_u16(&w, (uint16_t)args);
    p->part[0] = (struct slice){p->head, w.len};
    p->count = 1;
    p->used = 0;
}

static void add(struct parts *p, struct slice bytes)
{
    struct writer w = writer_to(p->lengths[p->used], 4);
    put_u32(&w, (uint32_t)bytes.len);
    p->part[p->count++] = (struct slice){p->lengths[p->used++], 4};
    p->part[p->count++] = bytes;
}

static void submit(struct http_exchange *x, const struct parts *p, enum asked asked)
{
    x->note = asked;
    http_exchange_submit(x, p->part, p->count);
}

static void list(struct http_exchange *x)
{
    struct kv_list_query query;
    uint8_t room[2 * KV_KEY_MAX + 64];
    if (x->request->method != HTTP_METHOD_GET && x->request->method != HTTP_METHOD_HEAD) {
        http_exchange_wrong_method(x, "GET, HEAD");
        return;
    }
    if (!kv_list_query_read(x, &query))
        return;
    const struct slice part = {
        room, kv_list_encode(room, sizeof room, (struct slice){query.prefix, query.prefix_len},
                             (struct slice){query.after, query.after_len}, query.limit, false)};
    x->note = ASKED_LIST;
    http_exchange_submit(x, &part, 1);
}

static void fetch(struct http_exchange *x, struct slice key)
{
    struct parts p;
    begin(&p, KV_DO_FETCH, 1);
    add(&p, key);
    submit(x, &p, ASKED_FETCH);
}

static void store(struct http_exchange *x, struct slice key)
{
    uint8_t conditions[KV_CONDITIONS_BYTES];
    struct parts p;
    size_t len;
    if (!kv_conditions_encode(x, conditions, &len))
        return;
    begin(&p, KV_DO_STORE, 3);
    add(&p, key);
    add(&p, (struct slice){conditions, len});
    add(&p, (struct slice){x->body, x->body_len});
    submit(x, &p, ASKED_STORE);
}

static void erase(struct http_exchange *x, struct slice key)
{
    uint8_t conditions[KV_CONDITIONS_BYTES];
    struct parts p;
    size_t len;
    if (!kv_conditions_encode(x, conditions, &len))
        return;
    begin(&p, KV_DO_ERASE, 2);
    add(&p, key);
    add(&p, (struct slice){conditions, len});
    submit(x, &p, ASKED_ERASE);
}

static void increment(struct http_exchange *x, struct slice key)
{
    const struct http_field *field = http_request_field(x->request, "idempotency-key", NULL);
    struct slice idempotency = field ? field->value : (struct slice){0};
    uint8_t number[32];
    struct parts p;
    size_t len;
    bool found;
    if (!http_exchange_query(x, "incr", number, sizeof number, &len, &found) || !found || len == 0) {
        http_exchange_problem(x, 400, "POST wants ?incr=NUMBER");
        return;
    }
    if (idempotency.len > KV_IDEMPOTENCY_KEY_MAX || (field && idempotency.len == 0)) {
        http_exchange_problem(x, 400, "an Idempotency-Key has 1 to 255 characters");
        return;
    }
    begin(&p, KV_DO_ADD, 3);
    add(&p, key);
    add(&p, (struct slice){number, len});
    add(&p, idempotency);
    submit(x, &p, ASKED_ADD);
}

static void on_request(struct http_exchange *x)
{
    uint8_t room[KV_KEY_MAX];
    struct slice path = x->request->path, key = {room, 0};
    size_t prefix = sizeof PATH - 1;
    if (path.len < prefix || memcmp(path.data, PATH, prefix) != 0) {
        http_exchange_problem(x, 404, "values are at /kv/KEY");
        return;
    }
    if (path.len == prefix) {
        list(x);
        return;
    }
    if (!http_percent_decode(text_from(path, prefix), HTTP_PLUS_IS_PLUS, room, sizeof room, &key.len)) {
        http_exchange_problem(x, 414, "a key has at most 1024 bytes");
        return;
    }
    switch (x->request->method) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
        fetch(x, key);
        break;
    case HTTP_METHOD_PUT:
        store(x, key);
        break;
    case HTTP_METHOD_DELETE:
        erase(x, key);
        break;
    case HTTP_METHOD_POST:
        increment(x, key);
        break;
    default:
        http_exchange_wrong_method(x, "GET, HEAD, PUT, DELETE, POST");
    }
}

/* ------------------------------------------------------------------------------------------------ results */

static void on_error(struct http_exchange *x, struct slice text)
{
    static const char other[] = "WRONGTYPE", room[] = "OOM", used[] = "IDEMPOTENCY";
    if (text.len >= sizeof other - 1 && memcmp(text.data, other, sizeof other - 1) == 0)
        http_exchange_problem(x, 409, "the key holds a hash, list, set or sorted set");
    else if (text.len >= sizeof room - 1 && memcmp(text.data, room, sizeof room - 1) == 0)
        http_exchange_problem(x, 507, "the service's memory is full");
    else if (text.len >= sizeof used - 1 && memcmp(text.data, used, sizeof used - 1) == 0)
        http_exchange_problem(x, 422, "the Idempotency-Key was used for another request");
    else
        http_exchange_problem(x, 409,
                              x->note == ASKED_ADD ? "not numbers of 64 bits, or their sum is none"
                                                   : "the service refused it");
}

static void on_nothing(struct http_exchange *x)
{
    http_exchange_problem(x, 404, "there is no such key");
}

static void on_number(struct http_exchange *x, int64_t number)
{
    uint8_t text[32];
    struct writer w = writer_to(text, sizeof text);
    struct http_answer answer;
    if (x->note != ASKED_ADD && number == 0) {
        http_exchange_problem(x, 412, "a condition does not hold");
        return;
    }
    if (x->note == ASKED_ERASE) {
        http_answer_begin(&answer, x, 204);
        http_answer_end(&answer, x, NULL, 0);
        return;
    }
    if (number < 0)
        put_u8(&w, '-');
    put_number(&w, number < 0 ? 0 - (uint64_t)number : (uint64_t)number);
    put_u8(&w, '\n');
    const struct slice body = {text, w.len};
    http_answer_begin(&answer, x, 200);
    http_response_field(&answer.response, "Content-Type", text_of("text/plain"));
    http_answer_end(&answer, x, &body, 1);
}

/* Two values: tag and bytes, or whether it is new and tag. */
static bool on_two(struct http_exchange *x, struct reader *r)
{
    struct kv_reply_item a, b;
    if (!kv_reply_next(r, &a) || !kv_reply_next(r, &b) || !reader_done(r))
        return false;
    if (x->note == ASKED_FETCH && a.bytes.len == KV_TAG_BYTES) {
        const struct kv_object object = {.tag = a.bytes.data, .type = octets, .bytes = b.bytes};
        kv_object_answer(x, &object);
        return true;
    }
    if (x->note == ASKED_STORE && b.bytes.len == KV_TAG_BYTES) {
        kv_object_stored(x, a.integer == 1, b.bytes.data, (struct slice){0});
        return true;
    }
    return false;
}

static bool on_list(struct http_exchange *x, struct slice result)
{
    struct kv_list_answer answer;
    struct kv_items items;
    struct kv_list_item item;
    if (!kv_list_result_open(&items, result.data, result.len))
        return false;
    if (!kv_list_answer_begin(&answer, x))
        return true;
    while (kv_list_result_next(&items, &item))
        if (!kv_list_answer_add(&answer, PATH, item.key, (struct slice){0}))
            break;
    kv_list_answer_end(&answer, x, items.more);
    return true;
}

static bool show(struct http_exchange *x, struct slice result)
{
    struct reader r = reader_of(result.data, result.len);
    struct kv_reply_item item;
    if (x->note == ASKED_LIST)
        return on_list(x, result);
    if (!kv_reply_next(&r, &item))
        return false;
    if (item.kind == KV_REPLY_ARRAY && item.count == 2)
        return on_two(x, &r);
    if (item.kind == KV_REPLY_ERROR)
        on_error(x, item.bytes);
    else if (item.kind == KV_REPLY_NIL)
        on_nothing(x);
    else if (item.kind == KV_REPLY_INTEGER)
        on_number(x, item.integer);
    else
        return false;
    return true;
}

static void on_result(struct http_exchange *x, enum redoubt_status status, struct slice result)
{
    if (status != REDOUBT_OK || !show(x, result))
        http_exchange_problem(x, 502, "the service's answer is not understood");
}

static const struct http_application application = {.on_request = on_request, .on_result = on_result};

const struct http_type kv_http_type = HTTP_TYPE(&application);
