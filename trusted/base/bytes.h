/*
 * Reading and writing little-endian bytes with a sticky error: after the first overrun every further call does
 * nothing, and reader_done()/writer_done() say so once at the end. Nothing is allocated; a slice that was read points
 * into the input.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <string.h>

#include "base/types.h"

struct reader {
    const uint8_t *data;
    size_t len;
    size_t at;
    bool bad;
};

struct writer {
    uint8_t *data;
    size_t cap;
    size_t len;
    bool bad;
};

static inline struct reader reader_of(const void *data, size_t len)
{
    return (struct reader){.data = data, .len = len};
}

static inline struct writer writer_to(void *data, size_t cap)
{
    return (struct writer){.data = data, .cap = cap};
}

/* Takes the next `len` bytes; NULL (and the error) when there are fewer. */
const uint8_t *reader_take(struct reader *r, size_t len);
/* Reserves the next `len` bytes for writing; NULL (and the error) when they do not fit. */
uint8_t *writer_take(struct writer *w, size_t len);

static inline size_t reader_left(const struct reader *r)
{
    return r->bad ? 0 : r->len - r->at;
}

/* True when everything was read and nothing was missing. */
static inline bool reader_done(const struct reader *r)
{
    return !r->bad && r->at == r->len;
}

uint8_t get_u8(struct reader *r);
uint16_t get_u16(struct reader *r);
uint32_t get_u32(struct reader *r);
uint64_t get_u64(struct reader *r);
void get_raw(struct reader *r, void *out, size_t len);
struct digest get_digest(struct reader *r);
/* A u32 length and that many bytes. */
struct slice get_slice(struct reader *r);

void put_u8(struct writer *w, uint8_t value);
void put_u16(struct writer *w, uint16_t value);
void put_u32(struct writer *w, uint32_t value);
void put_u64(struct writer *w, uint64_t value);
void put_raw(struct writer *w, const void *data, size_t len);
void put_digest(struct writer *w, const struct digest *digest);
void put_slice(struct writer *w, struct slice slice);

static inline bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

static inline bool digest_is_zero(const struct digest *d)
{
    static const struct digest zero;
    return digest_equal(d, &zero);
}

/* For hash tables: digests are uniform, any eight bytes do. */
static inline uint64_t digest_prefix(const struct digest *d)
{
    uint64_t prefix;
    memcpy(&prefix, d->bytes, sizeof prefix);
    return prefix;
}

#endif
