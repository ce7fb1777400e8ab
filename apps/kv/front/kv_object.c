#include "kv_object.h"

#include "base/check.h"
#include "troxy/http/date.h"
#include "troxy/http/etag.h"
#include "troxy/http/problem.h"
#include "troxy/http/range.h"
#include "troxy/text.h"

static const char hex[] = "0123456789abcdef";

void kv_etag_write(uint8_t out[KV_ETAG_BYTES], const uint8_t tag[KV_TAG_BYTES])
{
    out[0] = out[KV_ETAG_BYTES - 1] = '"';
    for (size_t i = 0; i < KV_TAG_BYTES; i++) {
        out[1 + 2 * i] = (uint8_t)hex[tag[i] >> 4];
        out[2 + 2 * i] = (uint8_t)hex[tag[i] & 15];
    }
}

/* False: none of ours. */
static bool tag_read(struct slice text, uint8_t tag[KV_TAG_BYTES])
{
    if (text.len != 2 * KV_TAG_BYTES)
        return false;
    for (size_t i = 0; i < KV_TAG_BYTES; i++) {
        int high = text_hex_digit(text.data[2 * i]), low = text_hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        tag[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ conditions */

/* All fields of a name as one condition; false: malformed. Weak tags match none of ours when strong ones are wanted. */
static bool encode_field(const struct http_request *request, const char *name, bool strong, uint8_t any,
                         uint8_t listed, struct writer *w)
{
    const struct http_field *field = http_request_field(request, name, NULL);
    if (!field)
        return true;
    size_t begin = w->len;
    unsigned count = 0;
    put_u8(w, listed);
    put_u8(w, 0);
    for (; field; field = http_request_field(request, name, field)) {
        struct slice list = field->value;
        struct http_etag etag;
        enum http_etags next;
        while ((next = http_etag_next(&list, &etag)) == HTTP_ETAGS_ONE) {
            uint8_t tag[KV_TAG_BYTES];
            if (etag.any) {
                w->data[begin] = any;
                continue;
            }
            if ((etag.weak && strong) || !tag_read(etag.text, tag))
                continue;
            if (++count > KV_TAGS_MAX)
                return false;
            put_raw(w, tag, sizeof tag);
        }
        if (next == HTTP_ETAGS_BAD)
            return false;
    }
    if (w->data[begin] == any && count)
        return false;
    w->data[begin + 1] = (uint8_t)count;
    return !w->bad;
}

bool kv_conditions_encode(struct http_exchange *x, uint8_t out[KV_CONDITIONS_BYTES], size_t *len)
{
    struct writer w = writer_to(out, KV_CONDITIONS_BYTES);
    bool good = encode_field(x->request, "if-match", true, KV_IF_THERE, KV_IF_ONE_OF, &w) &&
                encode_field(x->request, "if-none-match", false, KV_IF_NOT_THERE, KV_IF_NONE_OF, &w);
    *len = w.len;
    if (!good)
        http_exchange_problem(x, 400, "malformed or too many entity tags");
    return good;
}

/* The date of a field; false: there is none, or several, or it is none, and the RFC wants it ignored. */
static bool date_of(const struct http_request *request, const char *name, uint64_t *date_s)
{
    const struct http_field *field = http_request_field(request, name, NULL);
    return field && !http_request_field(request, name, field) && http_date_read(field->value, date_s);
}

void kv_conditions_add_date(const struct http_exchange *x, uint8_t out[KV_CONDITIONS_BYTES], size_t *len)
{
    struct writer w = writer_to(out + *len, KV_CONDITIONS_BYTES - *len);
    uint64_t date_s;
    if (http_request_field(x->request, "if-match", NULL) ||
        !date_of(x->request, "if-unmodified-since", &date_s))
        return;
    put_u8(&w, KV_IF_NO_LATER);
    put_u8(&w, 0);
    put_u64(&w, date_s);
    CHECK(!w.bad);
    *len += w.len;
}

/* ------------------------------------------------------------------------------------------------ objects */

static void put_fields(struct http_answer *answer, const struct kv_object *object, bool with_type)
{
    uint8_t etag[KV_ETAG_BYTES], date[HTTP_DATE_BYTES];
    kv_etag_write(etag, object->tag);
    http_response_field(&answer->response, "ETag", (struct slice){etag, sizeof etag});
    /* A browser that kept it is to ask. Without this it may go by Last-Modified, and show what was there long ago. */
    http_response_field(&answer->response, "Cache-Control", text_of("no-cache"));
    if (object->changed_s) {
        struct writer w = writer_to(date, sizeof date);
        put_http_date(&w, object->changed_s);
        http_response_field(&answer->response, "Last-Modified", (struct slice){date, w.len});
    }
    if (with_type) {
        http_response_field(&answer->response, "Content-Type", object->type);
        http_response_field(&answer->response, "Accept-Ranges", text_of("bytes"));
    }
}

static void put_content_range(struct http_answer *answer, bool satisfiable, uint64_t first, uint64_t last,
                              uint64_t size)
{
    uint8_t text[80];
    struct writer w = writer_to(text, sizeof text);
    put_text(&w, "bytes ");
    if (satisfiable) {
        put_number(&w, first);
        put_text(&w, "-");
        put_number(&w, last);
    } else {
        put_text(&w, "*");
    }
    put_text(&w, "/");
    put_number(&w, size);
    http_response_field(&answer->response, "Content-Range", (struct slice){text, w.len});
}

/* If-Range names this object: by a strong tag, or by exactly its date, which is as good where it stands for this one alone. */
static bool is_named(const struct http_request *request, struct slice name, const struct kv_object *object,
                     const struct http_etag *current)
{
    struct http_etag etag;
    uint64_t date_s;
    if (date_of(request, "if-range", &date_s))
        return object->once && object->changed_s == date_s;
    return http_etag_next(&name, &etag) == HTTP_ETAGS_ONE && !etag.any &&
           http_etag_equal(&etag, current, HTTP_COMPARE_STRONG);
}

/* Range counts for GET, and only while If-Range names this object, if it is there. */
static struct http_range range_of(const struct http_exchange *x, const struct kv_object *object,
                                  const struct http_etag *current)
{
    const struct http_field *range = http_request_field(x->request, "range", NULL);
    const struct http_field *condition = http_request_field(x->request, "if-range", NULL);
    struct http_range whole = {.kind = HTTP_RANGE_WHOLE};
    if (!range || x->request->method != HTTP_METHOD_GET || http_request_field(x->request, "range", range))
        return whole;
    if (condition && !is_named(x->request, condition->value, object, current))
        return whole;
    return http_range_read(range->value);
}

static void answer_bytes(struct http_exchange *x, const struct kv_object *object,
                         const struct http_etag *current)
{
    struct http_answer answer;
    struct slice body = object->bytes;
    struct http_range range = range_of(x, object, current);
    uint64_t first, last;
    switch (http_range_fit(&range, body.len, &first, &last)) {
    case HTTP_RANGE_ALL:
        http_answer_begin(&answer, x, 200);
        put_fields(&answer, object, true);
        break;
    case HTTP_RANGE_PART:
        http_answer_begin(&answer, x, 206);
        put_fields(&answer, object, true);
        put_content_range(&answer, true, first, last, body.len);
        body = (struct slice){body.data + first, (size_t)(last - first + 1)};
        break;
    case HTTP_RANGE_UNSATISFIABLE:
        http_answer_begin(&answer, x, 416);
        put_content_range(&answer, false, 0, 0, body.len);
        body.len = 0;
        break;
    }
    http_answer_end(&answer, x, &body, 1);
}

/* What a date in a field says of the object: MATCH_YES, it is as it was then; ABSENT: nothing. */
static enum http_match date_match(const struct http_exchange *x, const char *name,
                                  const struct kv_object *object)
{
    uint64_t date_s;
    if (!object->changed_s || !date_of(x->request, name, &date_s))
        return HTTP_MATCH_ABSENT;
    return object->changed_s + !object->once <= date_s ? HTTP_MATCH_YES : HTTP_MATCH_NO;
}

/* RFC 9110, section 13.2.2: a date is looked at only where the field with tags that stands for it is not there. */
void kv_object_answer(struct http_exchange *x, const struct kv_object *object)
{
    uint8_t text[KV_ETAG_BYTES];
    struct http_answer answer;
    kv_etag_write(text, object->tag);
    const struct http_etag current = {.text = {text + 1, KV_ETAG_BYTES - 2}};
    enum http_match wanted = http_etag_match(x->request, "if-match", &current, HTTP_COMPARE_STRONG);
    enum http_match known = http_etag_match(x->request, "if-none-match", &current, HTTP_COMPARE_WEAK);
    if (wanted == HTTP_MATCH_ABSENT)
        wanted = date_match(x, "if-unmodified-since", object);
    if (known == HTTP_MATCH_ABSENT)
        known = date_match(x, "if-modified-since", object);
    if (wanted == HTTP_MATCH_BAD || known == HTTP_MATCH_BAD) {
        http_exchange_problem(x, 400, "malformed entity tags");
    } else if (wanted == HTTP_MATCH_NO) {
        http_exchange_problem(x, 412, "it is another one by now");
    } else if (known == HTTP_MATCH_YES) {
        http_answer_begin(&answer, x, 304);
        put_fields(&answer, object, false);
        http_answer_end(&answer, x, NULL, 0);
    } else {
        answer_bytes(x, object, &current);
    }
}

void kv_object_stored(struct http_exchange *x, bool created, const uint8_t *tag, struct slice location)
{
    struct http_answer answer;
    uint8_t etag[KV_ETAG_BYTES];
    kv_etag_write(etag, tag);
    http_answer_begin(&answer, x, created ? 201 : 204);
    http_response_field(&answer.response, "ETag", (struct slice){etag, sizeof etag});
    if (location.len)
        http_response_field(&answer.response, "Location", location);
    http_answer_end(&answer, x, NULL, 0);
}

/* ------------------------------------------------------------------------------------------------ lists */

bool kv_list_query_read(struct http_exchange *x, struct kv_list_query *query)
{
    uint8_t limit[20];
    size_t len;
    bool found;
    uint64_t number = KV_LIST_LIMIT;
    bool good =
        http_exchange_query(x, "prefix", query->prefix, sizeof query->prefix, &query->prefix_len, &found) &&
        http_exchange_query(x, "after", query->after, sizeof query->after, &query->after_len, &found) &&
        http_exchange_query(x, "limit", limit, sizeof limit, &len, &found);
    if (good && found)
        good = text_number((struct slice){limit, len}, &number) && number > 0;
    query->limit = number < KV_LIST_LIMIT ? (uint32_t)number : KV_LIST_LIMIT;
    if (!good)
        http_exchange_problem(x, 400, "malformed query: prefix, after and limit are known");
    return good;
}

void kv_put_encoded(struct writer *w, struct slice text)
{
    static const char plain[] = "-._~/!$'()*,;:@";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (text_is_letter(c) || text_is_digit(c) || memchr(plain, c, sizeof plain - 1)) {
            put_u8(w, c);
        } else {
            put_u8(w, '%');
            put_u8(w, (uint8_t)hex[c >> 4]);
            put_u8(w, (uint8_t)hex[c & 15]);
        }
    }
}

bool kv_list_answer_begin(struct kv_list_answer *list, struct http_exchange *x)
{
    uint8_t *room = arena_alloc(x->base.front->arena, KV_LIST_BODY_MAX);
    if (!room) {
        http_exchange_problem(x, 503, "there is no memory for this list");
        return false;
    }
    *list = (struct kv_list_answer){.out = writer_to(room, KV_LIST_BODY_MAX - 64), .first = true};
    put_text(&list->out, "{\"keys\":[");
    return true;
}

bool kv_list_answer_add(struct kv_list_answer *list, const char *path, struct slice key, struct slice more)
{
    size_t begin = list->out.len;
    put_text(&list->out, list->first ? "\n{\"key\":\"" : ",\n{\"key\":\"");
    put_json_text(&list->out, key, SIZE_MAX);
    put_text(&list->out, "\",\"href\":\"");
    put_text(&list->out, path);
    kv_put_encoded(&list->out, key);
    put_text(&list->out, "\"");
    put_raw(&list->out, more.data, more.len);
    put_text(&list->out, "}");
    if (!list->out.bad) {
        list->first = false;
        return true;
    }
    list->out.len = begin;
    list->out.bad = false;
    list->more = true;
    return false;
}

void kv_list_answer_end(struct kv_list_answer *list, struct http_exchange *x, bool more)
{
    struct http_answer answer;
    list->out.cap += 64;
    put_text(&list->out, more || list->more ? "],\"more\":true}\n" : "],\"more\":false}\n");
    CHECK(!list->out.bad);
    const struct slice body = {list->out.data, list->out.len};
    http_answer_begin(&answer, x, 200);
    http_response_field(&answer.response, "Content-Type", text_of("application/json"));
    http_answer_end(&answer, x, &body, 1);
    arena_free(x->base.front->arena, list->out.data, KV_LIST_BODY_MAX);
}
