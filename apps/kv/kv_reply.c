#include "kv_reply.h"

void kv_reply_nil(struct writer *w)
{
    put_u8(w, KV_REPLY_NIL);
}

void kv_reply_nil_array(struct writer *w)
{
    put_u8(w, KV_REPLY_NIL_ARRAY);
}

void kv_reply_integer(struct writer *w, int64_t number)
{
    put_u8(w, KV_REPLY_INTEGER);
    put_u64(w, (uint64_t)number);
}

static void put_bytes(struct writer *w, enum kv_reply_kind kind, struct slice bytes)
{
    put_u8(w, (uint8_t)kind);
    put_slice(w, bytes);
}

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

void kv_reply_bulk(struct writer *w, struct slice bytes)
{
    put_bytes(w, KV_REPLY_BULK, bytes);
}

void kv_reply_simple(struct writer *w, const char *text)
{
    put_bytes(w, KV_REPLY_SIMPLE, slice_of(text));
}

void kv_reply_error(struct writer *w, const char *text)
{
    put_bytes(w, KV_REPLY_ERROR, slice_of(text));
}

void kv_reply_number(struct writer *w, struct slice text)
{
    put_bytes(w, KV_REPLY_NUMBER, text);
}

size_t kv_reply_begin(struct writer *w, enum kv_reply_kind kind, uint64_t count)
{
    put_u8(w, (uint8_t)kind);
    put_u32(w, (uint32_t)count);
    return w->len - 4;
}

void kv_reply_end(struct writer *w, size_t begin, uint64_t count)
{
    if (w->bad)
        return;
    struct writer head = writer_to(w->data + begin, 4);
    put_u32(&head, (uint32_t)count);
}

uint64_t kv_reply_values(const struct kv_reply_item *item)
{
    switch (item->kind) {
    case KV_REPLY_ARRAY:
    case KV_REPLY_SET:
        return item->count;
    case KV_REPLY_MAP:
    case KV_REPLY_PAIRS:
        return 2 * (uint64_t)item->count;
    default:
        return 0;
    }
}

bool kv_reply_next(struct reader *r, struct kv_reply_item *item)
{
    *item = (struct kv_reply_item){.kind = (enum kv_reply_kind)get_u8(r)};
    switch (item->kind) {
    case KV_REPLY_NIL:
    case KV_REPLY_NIL_ARRAY:
        break;
    case KV_REPLY_INTEGER:
        item->integer = (int64_t)get_u64(r);
        break;
    case KV_REPLY_BULK:
    case KV_REPLY_SIMPLE:
    case KV_REPLY_ERROR:
    case KV_REPLY_NUMBER:
        item->bytes = get_slice(r);
        break;
    case KV_REPLY_ARRAY:
    case KV_REPLY_SET:
    case KV_REPLY_MAP:
    case KV_REPLY_PAIRS:
        item->count = get_u32(r);
        break;
    default:
        r->bad = true;
    }
    return !r->bad;
}

bool kv_reply_is_well_formed(const uint8_t *data, size_t bytes)
{
    struct reader r = reader_of(data, bytes);
    struct kv_reply_item item;
    uint64_t left = 1;
    for (; left && kv_reply_next(&r, &item); left--) {
        left += kv_reply_values(&item);
        if (left > bytes) /* each of them takes a byte at least */
            return false;
    }
    return left == 0 && reader_done(&r);
}
