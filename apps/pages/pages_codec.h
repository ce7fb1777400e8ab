/*
 * Requests and results of the pages service. A page has a path of 1 to 1024 bytes, a content type of at most 255, at most 1 MiB of
 * bytes, a tag that follows from type and bytes, and the time of its last change; `once` says that no other page was put under its
 * path in that second.
 *
 * All integers little-endian; `slice` is u32 len, bytes.
 *
 *   fetch    1, slice path                                                OK: page; NOT_FOUND
 *   store    2, slice path, slice conditions, slice type, slice bytes     OK: u8 created, tag[16]; CONFLICT: a condition does not hold; FULL
 *   erase    3, slice path, slice conditions                              OK; NOT_FOUND; CONFLICT
 *   create   4, slice prefix, slice idempotency, slice type, slice bytes  OK: tag[16], slice path; CONFLICT: the idempotency key was used
 *                                                                         otherwise; FULL. The path is the prefix and 32 digits that nobody knew before.
 *   list     5, slice prefix, slice after, u32 limit                      OK: u8 more, u32 count, (slice path, u32 bytes, u64 changed_us, tag[16])*
 *
 *   page       := tag[16], u64 changed_us | once << 63, u8 type_len, type, bytes
 *   conditions := as in apps/kv/kv_http.h
 */
#ifndef PAGES_CODEC_H
#define PAGES_CODEC_H

#include "base/bytes.h"

#define PAGES_PATH_MAX  1024u
#define PAGES_TYPE_MAX  255u
#define PAGES_BYTES_MAX (1024u * 1024u)
#define PAGES_TAG_BYTES 16u
#define PAGES_LIST_MAX  10000u
#define PAGES_NAME      32u /* digits of a created page */
#define PAGES_HEAD      (PAGES_TAG_BYTES + 8u + 1u)
#define PAGES_ONCE      (1ull << 63)

enum pages_opcode { PAGES_FETCH = 1, PAGES_STORE = 2, PAGES_ERASE = 3, PAGES_CREATE = 4, PAGES_LIST = 5 };

struct pages_request {
    enum pages_opcode opcode;
    struct slice path; /* create, list: the prefix */
    struct slice conditions;
    struct slice idempotency;
    struct slice type;
    struct slice bytes;
    struct slice after;
    uint32_t limit;
};

/* False: not of this format, or beyond a limit. */
bool pages_request_decode(struct pages_request *request, const uint8_t *data, size_t bytes);

struct pages_page {
    const uint8_t *tag;
    uint64_t changed_us;
    bool once;
    struct slice type;
    struct slice bytes;
};
bool pages_page_decode(struct pages_page *page, struct slice data);

/* The second of the change, as a date has it; and the first date that stands for this page and for none that was there before. */
static inline uint64_t pages_changed_s(const struct pages_page *page)
{
    return page->changed_us / 1000000;
}

static inline uint64_t pages_since_s(const struct pages_page *page)
{
    return pages_changed_s(page) + !page->once;
}

#endif
