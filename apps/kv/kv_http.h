/*
 * Commands behind the HTTP front: values with their tags, and writes on conditions. A tag is 16 bytes that differ when the value,
 * its type or its expiry does.
 *
 *   fetch key                     -> array of tag and value, or nil
 *   store key conditions value    -> array of integer (1: the key is new) and tag, or integer 0: a condition does not hold
 *   erase key conditions          -> integer 1, or nil: no such key, or integer 0: a condition does not hold
 *   add key number idempotency    -> integer: the sum; the idempotency key may be empty
 *
 *   conditions := (u8 kind, u8 tags, tag*)*        all of them must hold
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
};

/* False: malformed. *holds says whether all of them hold for a key with this tag; `tag` is NULL when it is not there. */
bool kv_conditions_hold(struct slice conditions, const uint8_t *tag, bool *holds);

#endif
