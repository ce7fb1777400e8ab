#include "kv_render.h"

#include "kv/kv_reply.h"

#define ROOM      4096u
#define ITEM_MAX  512u /* everything but what stands in bulk strings and lines */
#define WHOLE_MAX 256u /* strings up to here go through the room */

struct rendering {
    struct conversation *conversation;
    struct resp_reply reply;
    uint8_t room[ROOM];
};

static void flush(struct rendering *r)
{
    struct slice part = {r->room, r->reply.out.len};
    if (part.len)
        r->conversation->front->write(r->conversation->front, r->conversation, &part, 1);
    r->reply.out.len = 0;
}

static void long_bulk(struct rendering *r, struct slice bytes)
{
    struct conversation *c = r->conversation;
    struct writer *w = &r->reply.out;
    uint8_t digits[20];
    size_t at = sizeof digits, len = bytes.len;
    for (; len; len /= 10)
        digits[--at] = (uint8_t)('0' + len % 10);
    put_u8(w, '$');
    put_raw(w, digits + at, sizeof digits - at);
    put_raw(w, "\r\n", 2);
    const struct slice parts[] = {{r->room, w->len}, bytes, {(const uint8_t *)"\r\n", 2}};
    c->front->write(c->front, c, parts, 3);
    w->len = 0;
}

/* A head of several is followed by its values; pairs in RESP3 by an array of two each, which is begun here. */
static void head(struct rendering *r, const struct kv_reply_item *item)
{
    switch (item->kind) {
    case KV_REPLY_SET:
        put_resp_set(&r->reply, item->count);
        break;
    case KV_REPLY_MAP:
        put_resp_map(&r->reply, item->count);
        break;
    case KV_REPLY_PAIRS:
        put_resp_array(&r->reply, r->reply.version == RESP_2 ? 2 * (uint64_t)item->count : item->count);
        break;
    default:
        put_resp_array(&r->reply, item->count);
    }
}

static void value(struct rendering *r, const struct kv_reply_item *item)
{
    struct resp_reply *out = &r->reply;
    struct slice text = item->bytes;
    switch (item->kind) {
    case KV_REPLY_NIL:
        put_resp_null(out);
        break;
    case KV_REPLY_NIL_ARRAY:
        put_resp_null_array(out);
        break;
    case KV_REPLY_INTEGER:
        put_resp_integer(out, item->integer);
        break;
    case KV_REPLY_BULK:
        if (text.len > WHOLE_MAX)
            long_bulk(r, text);
        else
            put_resp_bulk(out, text);
        break;
    case KV_REPLY_SIMPLE:
    case KV_REPLY_ERROR:
        text.len = text.len < WHOLE_MAX ? text.len : WHOLE_MAX;
        if (item->kind == KV_REPLY_SIMPLE)
            put_resp_simple(out, text);
        else
            put_resp_error(out, text);
        break;
    case KV_REPLY_NUMBER:
        put_resp_double(out, text);
        break;
    default:
        head(r, item);
    }
}

bool kv_render(struct conversation *conversation, enum resp_version version, const uint8_t *data,
               size_t bytes)
{
    struct rendering r;
    struct reader in = reader_of(data, bytes);
    struct kv_reply_item item;
    uint64_t left = 1, paired = 0; /* values of pairs that are still to come */
    r.conversation = conversation;
    r.reply = resp_reply_to(r.room, sizeof r.room, version);
    for (; left && kv_reply_next(&in, &item); left--) {
        if (r.reply.out.cap - r.reply.out.len < ITEM_MAX)
            flush(&r);
        if (paired && paired-- % 2 == 0 && version == RESP_3)
            put_resp_array(&r.reply, 2);
        value(&r, &item);
        left += kv_reply_values(&item);
        if (item.kind == KV_REPLY_PAIRS)
            paired = 2 * (uint64_t)item.count;
    }
    flush(&r);
    return left == 0 && reader_done(&in) && !r.reply.out.bad;
}
