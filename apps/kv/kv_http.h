/*
 * Commands behind the HTTP front: values with their tags, and writes on conditions. A tag is 16 bytes that differ when the value,
 * its type or its expiry does.
 *
 *   fetch key                     -> array of tag and value, or nil
 *   store key conditions value    -> array of integer (1: the key is new) and tag, or integer 0: a condition does not hold
 *   erase key conditions          -> integer 1, or nil: no such key, or integer 0: a condition does not hold
 *   add key number idempotency    -> integer: the sum; the idempotency key may be empty
 *
 *   conditions := (u8 kind, u8 tags, tag* | 5, 0, u64 seconds since 1970)*        all of them must hold
 */
#ifndef KV_HTTP_H
#define KV_HTTP_H

#include "kv_command.h"

#define KV_TAG_BYTES KV_MARK_BYTES
#define KV_TAGS_MAX  32u /* in one condition */

enum kv_condition_kind {
    KV_IF_THERE = 1,     /* If-Match: * */
    KV_IF_NOT_THERE = 2, /* If-None-Match: * */
    KV_IF_ONE_OF = 3,    /* If-Match: "..." */
    KV_IF_NONE_OF = 4,   /* If-None-Match: "..." */
    KV_IF_NO_LATER = 5,  /* If-Unmodified-Since; holds where there is no time of a change */
};

/* What conditions are about. */
struct kv_current {
    const uint8_t *tag; /* NULL: it is not there */
    bool dated;         /* it has a time of its last change ... */
    uint64_t since_s;   /* ... and this is the first date that stands for it and no older one */
};

/* False: malformed. *holds says whether all of them hold. */
bool kv_conditions_hold(struct slice conditions, const struct kv_current *current, bool *holds);

#endif
