/*
 * pages over HTTP:
 *
 *   GET, HEAD, PUT, DELETE /PATH       a page; percent-encoded. GET of a path that ends with "/" is of the "index.html" there.
 *   POST /PREFIX/                      a new page with a name that is made up; Idempotency-Key
 *   GET /?prefix=&after=&limit=        a list, as JSON; the "?" makes it one
 */
#include "pages_front.h"

#include "kv/front/kv_object.h"
#include "kv/kv_remember.h"
#include "pages/pages.h"
#include "pages/pages_codec.h"
#include "troxy/http/target.h"
#include "troxy/text.h"

#define INDEX "index.html"

/* Slices as the service reads them, the long ones as parts of their own. */
struct parts {
    struct slice part[12];
    unsigned count;
    uint8_t lengths[6][4];
    unsigned used;
    uint8_t opcode;
};

static void begin(struct parts *p, enum pages_opcode opcode)
{
    p->opcode = (uint8_t)opcode;
    p->part[0] = (struct slice){&p->opcode, 1};
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

static void submit(struct http_exchange *x, const struct parts *p)
{
    x->note = p->opcode;
    http_exchange_submit(x, p->part, p->count);
}

static void list(struct http_exchange *x)
{
    struct kv_list_query query;
    uint8_t limit[4];
    struct writer w = writer_to(limit, sizeof limit);
    struct parts p;
    if (!kv_list_query_read(x, &query))
        return;
    put_u32(&w, query.limit);
    begin(&p, PAGES_LIST);
    add(&p, (struct slice){query.prefix, query.prefix_len});
    add(&p, (struct slice){query.after, query.after_len});
    p.part[p.count++] = (struct slice){limit, sizeof limit};
    submit(x, &p);
}

static void fetch(struct http_exchange *x, struct slice path)
{
    struct parts p;
    begin(&p, PAGES_FETCH);
    add(&p, path);
    submit(x, &p);
}

/* False: too long, and it is answered. */
static bool content_type(struct http_exchange *x, struct slice *type)
{
    const struct http_field *field = http_request_field(x->request, "content-type", NULL);
    *type = field && field->value.len ? field->value : text_of("application/octet-stream");
    if (type->len <= PAGES_TYPE_MAX)
        return true;
    http_exchange_problem(x, 415, "a content type has at most 255 characters");
    return false;
}

static void store(struct http_exchange *x, struct slice path)
{
    uint8_t conditions[KV_CONDITIONS_BYTES];
    struct slice type;
    struct parts p;
    size_t len;
    if (!content_type(x, &type) || !kv_conditions_encode(x, conditions, &len))
        return;
    kv_conditions_add_date(x, conditions, &len);
    begin(&p, PAGES_STORE);
    add(&p, path);
    add(&p, (struct slice){conditions, len});
    add(&p, type);
    add(&p, (struct slice){x->body, x->body_len});
    submit(x, &p);
}

static void erase(struct http_exchange *x, struct slice path)
{
    uint8_t conditions[KV_CONDITIONS_BYTES];
    struct parts p;
    size_t len;
    if (!kv_conditions_encode(x, conditions, &len))
        return;
    kv_conditions_add_date(x, conditions, &len);
    begin(&p, PAGES_ERASE);
    add(&p, path);
    add(&p, (struct slice){conditions, len});
    submit(x, &p);
}

static void create(struct http_exchange *x, struct slice prefix)
{
    const struct http_field *field = http_request_field(x->request, "idempotency-key", NULL);
    struct slice idempotency = field ? field->value : (struct slice){0}, type;
    struct parts p;
    if (prefix.len > PAGES_PATH_MAX - PAGES_NAME) {
        http_exchange_problem(x, 414, "the path is too long");
        return;
    }
    if (idempotency.len > KV_IDEMPOTENCY_KEY_MAX || (field && idempotency.len == 0)) {
        http_exchange_problem(x, 400, "an Idempotency-Key has 1 to 255 characters");
        return;
    }
    if (!content_type(x, &type))
        return;
    begin(&p, PAGES_CREATE);
    add(&p, prefix);
    add(&p, idempotency);
    add(&p, type);
    add(&p, (struct slice){x->body, x->body_len});
    submit(x, &p);
}

static void on_page(struct http_exchange *x, struct slice path)
{
    switch (x->request->method) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
        fetch(x, path);
        break;
    case HTTP_METHOD_PUT:
        store(x, path);
        break;
    case HTTP_METHOD_DELETE:
        erase(x, path);
        break;
    default:
        http_exchange_wrong_method(x, "GET, HEAD, PUT, DELETE");
    }
}

/* A path that ends with "/". */
static void on_folder(struct http_exchange *x, uint8_t *room, struct slice path)
{
    switch (x->request->method) {
    case HTTP_METHOD_GET:
    case HTTP_METHOD_HEAD:
        if (path.len == 0 && x->request->query.data) {
            list(x);
        } else if (path.len + sizeof INDEX - 1 > PAGES_PATH_MAX) {
            http_exchange_problem(x, 414, "the path is too long");
        } else {
            memcpy(room + path.len, INDEX, sizeof INDEX - 1);
            fetch(x, (struct slice){room, path.len + sizeof INDEX - 1});
        }
        break;
    case HTTP_METHOD_POST:
        create(x, path);
        break;
    default:
        http_exchange_wrong_method(x, "GET, HEAD, POST");
    }
}

static void on_request(struct http_exchange *x)
{
    uint8_t room[PAGES_PATH_MAX];
    struct slice path = {room, 0}, wanted = x->request->path;
    if (wanted.len == 0 || wanted.data[0] != '/') {
        http_exchange_wrong_method(x, "GET, HEAD, PUT, DELETE, POST"); /* OPTIONS of "*" */
        return;
    }
    if (!http_percent_decode(text_from(wanted, 1), HTTP_PLUS_IS_PLUS, room, sizeof room, &path.len)) {
        http_exchange_problem(x, 414, "a path has at most 1024 bytes");
        return;
    }
    if (path.len == 0 || room[path.len - 1] == '/')
        on_folder(x, room, path);
    else
        on_page(x, path);
}

/* ------------------------------------------------------------------------------------------------ results */

static bool on_fetched(struct http_exchange *x, struct slice result)
{
    struct pages_page page;
    if (!pages_page_decode(&page, result))
        return false;
    const struct kv_object object = {.tag = page.tag,
                                     .type = page.type,
                                     .changed_s = pages_changed_s(&page),
                                     .once = page.once,
                                     .bytes = page.bytes};
    kv_object_answer(x, &object);
    return true;
}

static bool on_stored(struct http_exchange *x, struct slice result)
{
    struct reader r = reader_of(result.data, result.len);
    bool created = get_u8(&r);
    const uint8_t *tag = reader_take(&r, PAGES_TAG_BYTES);
    if (!reader_done(&r))
        return false;
    kv_object_stored(x, created, tag, (struct slice){0});
    return true;
}

static bool on_created(struct http_exchange *x, struct slice result)
{
    uint8_t room[3 * PAGES_PATH_MAX + 1];
    struct writer w = writer_to(room, sizeof room);
    struct reader r = reader_of(result.data, result.len);
    (void)get_u8(&r);
    const uint8_t *tag = reader_take(&r, PAGES_TAG_BYTES);
    struct slice path = get_slice(&r);
    if (!reader_done(&r) || path.len > PAGES_PATH_MAX)
        return false;
    put_u8(&w, '/');
    kv_put_encoded(&w, path);
    kv_object_stored(x, true, tag, (struct slice){room, w.len});
    return true;
}

static bool on_listed(struct http_exchange *x, struct slice result)
{
    struct reader r = reader_of(result.data, result.len);
    struct kv_list_answer answer;
    bool more = get_u8(&r);
    uint32_t count = get_u32(&r);
    if (r.bad || !kv_list_answer_begin(&answer, x))
        return !r.bad;
    bool room_left = true;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t text[128], etag[KV_ETAG_BYTES];
        struct writer w = writer_to(text, sizeof text);
        struct slice path = get_slice(&r);
        uint32_t bytes = get_u32(&r);
        uint64_t changed_us = get_u64(&r);
        const uint8_t *tag = reader_take(&r, PAGES_TAG_BYTES);
        if (r.bad)
            break;
        kv_etag_write(etag, tag);
        put_text(&w, ",\"bytes\":");
        put_number(&w, bytes);
        put_text(&w, ",\"changed\":");
        put_number(&w, changed_us / 1000000);
        put_text(&w, ",\"tag\":");
        put_raw(&w, etag, sizeof etag);
        room_left = room_left && kv_list_answer_add(&answer, "/", path, (struct slice){text, w.len});
    }
    kv_list_answer_end(&answer, x, more);
    return true;
}

static void on_erased(struct http_exchange *x)
{
    struct http_answer answer;
    http_answer_begin(&answer, x, 204);
    http_answer_end(&answer, x, NULL, 0);
}

static bool on_ok(struct http_exchange *x, struct slice result)
{
    switch (x->note) {
    case PAGES_FETCH:
        return on_fetched(x, result);
    case PAGES_STORE:
        return on_stored(x, result);
    case PAGES_ERASE:
        on_erased(x);
        return true;
    case PAGES_CREATE:
        return on_created(x, result);
    default:
        return on_listed(x, result);
    }
}

static void on_result(struct http_exchange *x, enum redoubt_status status, struct slice result)
{
    if (status == REDOUBT_NOT_FOUND)
        http_exchange_problem(x, 404, "there is no such page");
    else if (status == REDOUBT_CONFLICT && x->note == PAGES_CREATE)
        http_exchange_problem(x, 422, "the Idempotency-Key was used for another request");
    else if (status == REDOUBT_CONFLICT)
        http_exchange_problem(x, 412, "a condition does not hold");
    else if (!on_ok(x, result))
        http_exchange_problem(x, 502, "the service's answer is not understood");
}

static const struct http_application application = {.on_request = on_request, .on_result = on_result};
static const struct http_type http = HTTP_TYPE(&application);

const struct service_front pages_front = {
    .service = &redoubt_service_pages, .http = &http.type, .resp = NULL};
