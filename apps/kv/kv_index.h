/*
 * Ordered index: all entries in ascending order of their keys, for listing by prefix.
 *
 * An AVL tree whose links lie in the entries themselves, so adding and removing allocates nothing and cannot fail, and
 * costs O(log n) in the worst case whatever keys a client chooses (a skip list or treap would need secret randomness
 * for that). New values for a key that is there do not touch it. Its shape depends on history and is no part of the
 * state.
 */
#ifndef KV_INDEX_H
#define KV_INDEX_H

#include "base/types.h"

#define KV_INDEX_DEPTH 64u /* an AVL tree of 2^40 entries is less than 60 deep */

/* What an entry is; part of the form of leaves. */
#define KV_TYPE_MASK 7u
#define KV_EXPIRES   8u /* the time, u64 in microseconds since 1970, stands before the value */
#define KV_INNER                                                                                             \
    16u /* no key of a client but a piece of a collection: in an index and a name space of its own */
#define KV_MARKS       31u
#define KV_TYPE_STRING 0u
#define KV_TYPE_HASH   1u
#define KV_TYPE_LIST   2u
#define KV_TYPE_SET    3u
#define KV_TYPE_ZSET   4u
#define KV_PIECE       (KV_INNER | 0u) /* an element */
#define KV_DEAD        (KV_INNER | 1u) /* the number of a collection that is gone, until its pieces are */

/* One key and its value. Followed by the key; the value lies in a block of its own, so that an entry never moves. */
struct kv_entry {
    struct kv_entry *left;
    struct kv_entry *right;
    uint8_t *value;          /* NULL when empty */
    uint32_t value_len : 24; /* of the block: with the time before the value */
    uint32_t tilt : 2;       /* height(right) - height(left) + 1 */
    uint32_t mark : 6;
    uint16_t key_len;
    uint8_t key[];
};

struct kv_index {
    struct kv_entry *root;
};

/* Order of keys: bytewise, a prefix before its extensions. */
int kv_key_compare(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len);

/* The key must not be there. */
void kv_index_add(struct kv_index *index, struct kv_entry *entry);
/* The entry must be there. */
void kv_index_remove(struct kv_index *index, struct kv_entry *entry);
/* Checks order and balance of the whole tree: for tests. Returns the number of entries; fails a CHECK when wrong. */
uint64_t kv_index_validate(const struct kv_index *index);

/* Walks upwards from a key. Valid until the index changes. */
struct kv_cursor {
    const struct kv_entry *next; /* NULL at the end */
    const struct kv_entry *above[KV_INDEX_DEPTH];
    uint32_t depth;
};
/* Starts at the first key that is at least `key`, or, when `beyond`, greater than it. */
void kv_cursor_seek(struct kv_cursor *cursor, const struct kv_index *index, struct slice key, bool beyond);
void kv_cursor_advance(struct kv_cursor *cursor);
/* The same downwards: from the last key that is less than `key`, or from the last of all when it is empty. */
void kv_cursor_seek_down(struct kv_cursor *cursor, const struct kv_index *index, struct slice key);
void kv_cursor_retreat(struct kv_cursor *cursor);

#endif
