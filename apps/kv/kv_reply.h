/*
 * Replies of KV_COMMAND: a small tree of values with types, written front to back, which a conversation shows as RESP2 or RESP3.
 *
 *   nil, nil_array                                      nothing
 *   integer                                             i64
 *   bulk, simple, error, number (a floating point text) u32 len, bytes
 *   array, set                                          u32 count, then so many values
 *   map                                                 u32 count, then twice as many values
 *   pairs                                               the same; RESP2: flat, RESP3: an array of arrays of two
 */
#ifndef KV_REPLY_H
#define KV_REPLY_H

#include "base/bytes.h"

/* The numbers are part of the format. */
enum kv_reply_kind {
    KV_REPLY_NIL = 1,
    KV_REPLY_NIL_ARRAY = 2,
    KV_REPLY_INTEGER = 3,
    KV_REPLY_BULK = 4,
    KV_REPLY_SIMPLE = 5,
    KV_REPLY_ERROR = 6,
    KV_REPLY_NUMBER = 7,
    KV_REPLY_ARRAY = 8,
    KV_REPLY_SET = 9,
    KV_REPLY_MAP = 10,
    KV_REPLY_PAIRS = 11,
};

void kv_reply_nil(struct writer *w);
void kv_reply_nil_array(struct writer *w);
void kv_reply_integer(struct writer *w, int64_t number);
void kv_reply_bulk(struct writer *w, struct slice bytes);
void kv_reply_simple(struct writer *w, const char *text);
void kv_reply_error(struct writer *w, const char *text);
void kv_reply_number(struct writer *w, struct slice text);
/* Array, set, map or pairs; returns where to write the count if it is not known yet. */
size_t kv_reply_begin(struct writer *w, enum kv_reply_kind kind, uint64_t count);
void kv_reply_end(struct writer *w, size_t begin, uint64_t count);

/* One value, or the head of several. */
struct kv_reply_item {
    enum kv_reply_kind kind;
    int64_t integer;
    struct slice bytes;
    uint32_t count;
};
/* The next of them. False: malformed; counts are not checked against what follows. */
bool kv_reply_next(struct reader *r, struct kv_reply_item *item);
/* The whole is one value and nothing is left over. */
bool kv_reply_is_well_formed(const uint8_t *data, size_t bytes);
/* How many values follow such a head. */
uint64_t kv_reply_values(const struct kv_reply_item *item);

#endif
