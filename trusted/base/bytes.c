#include "base/bytes.h"

const uint8_t *reader_take(struct reader *r, size_t len)
{
    if (r->bad || r->len - r->at < len) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->data + r->at;
    r->at += len;
    return p;
}

uint8_t *writer_take(struct writer *w, size_t len)
{
    if (w->bad || w->cap - w->len < len) {
        w->bad = true;
        return NULL;
    }
    uint8_t *p = w->data + w->len;
    w->len += len;
    return p;
}

uint8_t get_u8(struct reader *r)
{
    const uint8_t *p = reader_take(r, 1);
    return p ? p[0] : 0;
}

uint16_t get_u16(struct reader *r)
{
    const uint8_t *p = reader_take(r, 2);
    return p ? (uint16_t)((unsigned)p[0] | (unsigned)p[1] << 8) : 0;
}

uint32_t get_u32(struct reader *r)
{
    const uint8_t *p = reader_take(r, 4);
    if (!p)
        return 0;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

uint64_t get_u64(struct reader *r)
{
    uint64_t low = get_u32(r);
    uint64_t high = get_u32(r);
    return low | high << 32;
}

void get_raw(struct reader *r, void *out, size_t len)
{
    const uint8_t *p = reader_take(r, len);
    if (p && len)
        memcpy(out, p, len);
    else
        memset(out, 0, len);
}

struct digest get_digest(struct reader *r)
{
    struct digest d;
    get_raw(r, d.bytes, sizeof d.bytes);
    return d;
}

struct slice get_slice(struct reader *r)
{
    uint32_t len = get_u32(r);
    const uint8_t *p = reader_take(r, len);
    return (struct slice){.data = p, .len = p ? len : 0};
}

void put_u8(struct writer *w, uint8_t value)
{
    uint8_t *p = writer_take(w, 1);
    if (p)
        p[0] = value;
}

void put_u16(struct writer *w, uint16_t value)
{
    uint8_t *p = writer_take(w, 2);
    if (!p)
        return;
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

void put_u32(struct writer *w, uint32_t value)
{
    uint8_t *p = writer_take(w, 4);
    if (!p)
        return;
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(value >> (8 * i));
}

void put_u64(struct writer *w, uint64_t value)
{
    put_u32(w, (uint32_t)value);
    put_u32(w, (uint32_t)(value >> 32));
}

void put_raw(struct writer *w, const void *data, size_t len)
{
    uint8_t *p = writer_take(w, len);
    if (p && len)
        memcpy(p, data, len);
}

void put_digest(struct writer *w, const struct digest *digest)
{
    put_raw(w, digest->bytes, sizeof digest->bytes);
}

void put_slice(struct writer *w, struct slice slice)
{
    if (slice.len > UINT32_MAX) {
        w->bad = true;
        return;
    }
    put_u32(w, (uint32_t)slice.len);
    put_raw(w, slice.data, slice.len);
}
