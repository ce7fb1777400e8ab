/*
 * Requests and results of the kv service, both directions: what clients write the service reads, and back.
 *
 * All integers are little-endian and of fixed width; docs/SERVICES.md has the byte formats. Encoders return the number
 * of bytes written, or 0 when an argument is out of range or `cap` is too small. Decoders are strict: every length is
 * checked, nothing may be left over, and false means that the bytes are not of that format. What they hand out points
 * into their input. Nothing is allocated.
 */
#ifndef KV_CODEC_H
#define KV_CODEC_H

#include "base/bytes.h"
#include "redoubt/app.h"

#define KV_KEY_MAX   1024u
#define KV_VALUE_MAX (1024u * 1024u)
#define KV_STEPS_MAX 65535u /* keys of a multi-get, steps of a batch */
#define KV_LIST_MAX  10000u /* keys in one answer to a list; a larger limit counts as this */

/* The numbers are part of the format. */
enum kv_opcode {
    KV_GET = 1,
    KV_PUT = 2,
    KV_DELETE = 3,
    KV_INCREMENT = 4,
    KV_CAS = 5,
    KV_MULTI_GET = 6,
    KV_BATCH = 7,
    KV_LIST = 8,
    KV_COMMAND = 9, /* what Redis clients want: kv_command.h */
};

/* Why an operation ended with REDOUBT_CONFLICT. */
enum kv_reason {
    KV_REASON_NOT_A_NUMBER = 1, /* increment: the value is not the decimal text of a signed 64-bit integer */
    KV_REASON_OVERFLOW = 2,     /* increment: the sum is not a signed 64-bit integer */
    KV_REASON_DIFFERS = 3,      /* compare-and-swap: the key's value is not the expected one */
    KV_REASON_WRONG_TYPE = 4,   /* increment, compare-and-swap: the key is a hash, list, set or sorted set */
};

/* An optional byte string, such as the old value of a compare-and-swap. */
struct kv_maybe {
    bool present;
    struct slice bytes;
};

/* ------------------------------------------------------------------------------------------- requests, client side */

size_t kv_get_encode(uint8_t *out, size_t cap, const void *key, size_t key_len);
size_t kv_put_encode(uint8_t *out, size_t cap, const void *key, size_t key_len, const void *value,
                     size_t value_len);
size_t kv_delete_encode(uint8_t *out, size_t cap, const void *key, size_t key_len);
size_t kv_increment_encode(uint8_t *out, size_t cap, const void *key, size_t key_len, int64_t delta);
/* If the key's value is `expected` (or the key is absent and so is `expected`), it becomes `value` (or is deleted). */
size_t kv_cas_encode(uint8_t *out, size_t cap, const void *key, size_t key_len, struct kv_maybe expected,
                     struct kv_maybe value);
size_t kv_multi_get_encode(uint8_t *out, size_t cap, const struct slice *keys, size_t count);
/* Keys that begin with `prefix` (empty: all) and are greater than `after` (empty: no such bound), at most `limit`. */
size_t kv_list_encode(uint8_t *out, size_t cap, struct slice prefix, struct slice after, uint32_t limit,
                      bool values);

/* A batch is built step by step; kv_batch_end returns 0 when anything did not fit. */
struct kv_batch {
    struct writer out;
    uint32_t steps;
};
void kv_batch_begin(struct kv_batch *batch, uint8_t *out, size_t cap);
void kv_batch_put(struct kv_batch *batch, const void *key, size_t key_len, const void *value,
                  size_t value_len);
void kv_batch_delete(struct kv_batch *batch, const void *key, size_t key_len);
void kv_batch_increment(struct kv_batch *batch, const void *key, size_t key_len, int64_t delta);
void kv_batch_cas(struct kv_batch *batch, const void *key, size_t key_len, struct kv_maybe expected,
                  struct kv_maybe value);
size_t kv_batch_end(struct kv_batch *batch);

/* ------------------------------------------------------------------------------------------ requests, service side */

/* A request on one key, or one step of a batch. */
struct kv_step {
    enum kv_opcode opcode;
    struct slice key;
    struct kv_maybe value;    /* put, compare-and-swap */
    struct kv_maybe expected; /* compare-and-swap */
    int64_t delta;            /* increment */
};

struct kv_request {
    enum kv_opcode opcode;
    struct kv_step step; /* get, put, delete, increment, compare-and-swap */
    uint32_t count;      /* multi-get: keys, batch: steps; walk them with kv_request_next */
    struct reader rest;
    struct slice prefix; /* list */
    struct slice after;
    uint32_t limit;
    bool values;
};

/* Checks the whole request, each step of it included. */
bool kv_request_decode(struct kv_request *request, const uint8_t *data, size_t bytes);
/* The next key (in `step->key`, of a multi-get) or step (of a batch); false after the last. */
bool kv_request_next(struct kv_request *request, struct kv_step *step);
bool kv_opcode_writes(enum kv_opcode opcode);

/* ------------------------------------------------------------------------------------------------ results */

/* A get that ended with REDOUBT_OK is the value itself; delete, and a compare-and-swap that ended with REDOUBT_OK, have
 * an empty result. */

size_t kv_put_result_encode(uint8_t *out, size_t cap, bool replaced);
bool kv_put_result_decode(const uint8_t *data, size_t bytes, bool *replaced);

size_t kv_increment_result_encode(uint8_t *out, size_t cap, int64_t value);
bool kv_increment_result_decode(const uint8_t *data, size_t bytes, int64_t *value);

/* The result of an increment, a compare-and-swap or a batch that ended with REDOUBT_CONFLICT. `step` counts from 0 and
 * is 0 outside batches. `current` is the value found, for a compare-and-swap outside batches. */
struct kv_conflict {
    enum kv_reason reason;
    uint32_t step;
    struct kv_maybe current;
};
size_t kv_conflict_encode(uint8_t *out, size_t cap, const struct kv_conflict *conflict);
bool kv_conflict_decode(const uint8_t *data, size_t bytes, struct kv_conflict *conflict);

/* Multi-get: one entry per key asked, in that order. */
enum kv_found {
    KV_ABSENT = 0,
    KV_PRESENT = 1,
    KV_OMITTED = 2, /* present, but its value did not fit into the result: ask for it alone */
};
struct kv_value_item {
    enum kv_found found;
    uint32_t value_len; /* also when omitted */
    const uint8_t *value;
};

/* Batch that ended with REDOUBT_OK: one entry per step. */
struct kv_step_item {
    enum kv_opcode opcode;
    bool existed;   /* the key was there before this step */
    int64_t number; /* increment: the new value, else 0 */
};

/* List: keys in ascending order, with their values if asked for. */
struct kv_list_item {
    struct slice key;
    struct kv_maybe value;
};

/* Reads such a result item by item. `open` checks the whole result first. */
struct kv_items {
    struct reader in;
    uint32_t count; /* items not yet read */
    bool values;    /* list: items have values */
    bool more;      /* list: keys follow; continue with `after` = the last key */
};
bool kv_multi_get_result_open(struct kv_items *items, const uint8_t *data, size_t bytes);
bool kv_multi_get_result_next(struct kv_items *items, struct kv_value_item *item);
bool kv_batch_result_open(struct kv_items *items, const uint8_t *data, size_t bytes);
bool kv_batch_result_next(struct kv_items *items, struct kv_step_item *item);
bool kv_list_result_open(struct kv_items *items, const uint8_t *data, size_t bytes);
bool kv_list_result_next(struct kv_items *items, struct kv_list_item *item);

/* The service's side of the same: begin, items, end. An item that does not fit changes nothing and returns false. */
void kv_multi_get_result_begin(struct writer *out, uint32_t count);
void kv_multi_get_result_add(struct writer *out, uint32_t items_left, const struct kv_maybe *value);
void kv_batch_result_begin(struct writer *out, uint32_t count);
void kv_batch_result_add(struct writer *out, const struct kv_step_item *item);
void kv_list_result_begin(struct writer *out, bool values);
bool kv_list_result_add(struct writer *out, struct slice key, struct slice value, bool values);
void kv_list_result_end(struct writer *out, uint32_t count, bool values, bool more);

#endif
