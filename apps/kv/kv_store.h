/*
 * The keys and values of the kv service: leaves by linear hashing, an ordered index beside them, and changes that can
 * be taken back.
 *
 *      hash(key) ---> leaf ---> sorted slots: entry | tag | known | digest | groups' digests     (one block per leaf)
 *                                              |
 *                        kv_index (AVL) ---> entry: links, key ---> value       (neither ever moves)
 *
 * Leaves. Linear hashing (Litwin 1980) grows the table one leaf at a time: with n leaves and 2^L <= n < 2^(L+1), a key
 * belongs to leaf (hash mod 2^(L+1)) if there is such a leaf, else to (hash mod 2^L); the next split moves the keys of
 * leaf n - 2^L that belong to n now. A leaf is split whenever there are more than 16 keys per leaf on average, so no
 * operation ever pays for the whole table, and the number of leaves follows from the history of operations alone. It
 * never shrinks.
 *
 * Hash key. Drawn from the seed of the operation that inserts the first key, hence unpredictable to whoever prepared
 * keys beforehand, the same at every replica, and part of the state (leaf 0). Someone who learns it can still fill one
 * leaf; lookups stay logarithmic then, and only digests, splits and saves of that leaf grow with what he stored.
 *
 * Marks. An entry is a value of some type, or a piece of a collection: a field of a hash, an element of a list. Pieces lie among
 * the keys in leaves, but in an index of their own, and are named by the number of their collection (kv_collection.h). A value
 * that expires has the time before its bytes. Nothing here reads time: who asks for an entry looks at it.
 *
 * Digests. An entry's digest covers its lengths, mark, key and value; a leaf's digest covers those of its
 * groups, each of which covers those of four entries, in the order of (tag, key), tag being the upper half of the hash.
 * Digests of entries and groups are kept, and recomputed when asked for after a change: one changed key in a leaf costs one
 * entry, 4 * 32 and 4 * 32 bytes, wherever the rest of the leaf lies in memory.
 *
 * Memory. Every allocation has one of the sizes of kv_size(), four per power of two. `used` charges each key with what it
 * holds and a bound of what it costs in its leaf, from lengths alone, so that every replica finds the store full at the
 * same operation.
 *
 * An environment that gives 2 * `limit` + 4 MiB in such sizes never refuses memory before that: keys take `limit` at most, and so do those
 * that the operation under way has removed, together with what is left; its undo log takes less than `limit` besides. For each removed
 * or inserted key it has one struct kv_change, three times that at the moment it grows, and some more in all, and a key is charged
 * more (asserted in kv_store.c).
 *
 * It is not gathered in one piece, though: what comes and goes in many sizes leaves gaps. An environment that runs out for that reason has to
 * say so to nobody but its own replica, which ends and comes back with its state loaded afresh: here it is REDOUBT_FULL, and the engine
 * lets nothing of it out (trusted/execution/execute.c). What every replica answers is by `used` alone.
 */
#ifndef KV_STORE_H
#define KV_STORE_H

#include "kv_hash.h"
#include "kv_index.h"
#include "redoubt/app.h"

#define KV_KEYS_PER_LEAF 16u
#define KV_PAGE_LEAVES   4096u
#define KV_PAGES_MAX     4096u
#define KV_LEAVES_MAX    ((uint64_t)KV_PAGE_LEAVES * KV_PAGES_MAX)

/* Four slots are a group, which has a digest of its own. */
#define KV_GROUP_SLOTS 4u
/* Marks of a slot: its digest is that of its entry; its digest stands in that of its group. */
#define KV_DIGEST_KNOWN 1u
#define KV_GROUP_KNOWN  2u

/* `capacity` slots in one block: entries, tags, marks, digests, digests of groups; what a lookup needs lies together at the
 * front. No block when the capacity is 0. */
struct kv_leaf {
    uint8_t *block;
    uint32_t count;
    uint32_t capacity;
};

/* The longest key of a piece: number of the collection, kind, a score, a member. */
#define KV_INNER_KEY_MAX (8u + 1u + 8u + 1024u)
/* The longest value with what may stand before it. */
#define KV_STORED_MAX (1024u * 1024u + 1024u)

struct kv_store {
    const struct redoubt_env *env;
    uint64_t limit; /* bytes that may be charged */
    uint64_t used;
    uint64_t keys;        /* entries, pieces of collections among them */
    uint64_t clients;     /* of them, those that clients see */
    uint64_t expiring;    /* of them, those with a time */
    uint64_t dead;        /* collections that are gone, but for their pieces */
    uint64_t collections; /* that there ever were; in leaf 0 */
    uint64_t leaves;
    bool broken; /* memory ran out where it must not: only a reset helps */
    bool hash_known;
    uint8_t hash_key[KV_HASH_KEY_BYTES];
    struct kv_index index; /* of clients' keys */
    struct kv_index inner; /* of pieces of collections */
    struct kv_leaf *page[KV_PAGES_MAX];
};

/* Where a key is, or would be. Valid until the store changes. */
struct kv_place {
    struct kv_entry *entry; /* NULL when the key is not there */
    uint64_t leaf;
    uint32_t tag;
    uint32_t slot;
};

/* What is stored under a key. */
struct kv_content {
    struct slice value;
    uint8_t mark;        /* but for KV_EXPIRES */
    uint64_t expires_us; /* 0: never */
    bool always; /* never refused for want of room: it takes no more than what went in the same operation */
};

/* What one change replaced, until it is committed or taken back. */
enum kv_change_kind { KV_INSERTED, KV_REPLACED, KV_REMOVED };
struct kv_change {
    enum kv_change_kind kind;
    bool drew_hash_key;
    uint8_t old_mark;
    uint32_t old_len;
    uint8_t *old_value;
    struct kv_entry *entry;
    uint64_t leaf;
    uint32_t tag;
};

/* False when memory is lacking. */
bool kv_store_init(struct kv_store *store, const struct redoubt_env *env, uint64_t limit);
/* `leaves` leaves: with the content as it is (`keep`), or empty. False: memory is lacking, or there cannot be so many (few). */
bool kv_store_reset(struct kv_store *store, uint64_t leaves, bool keep);
/* Empties one leaf; all of them. */
void kv_store_empty(struct kv_store *store, uint64_t leaf);
void kv_store_empty_all(struct kv_store *store);

/* The leaf of a key with this hash. */
uint64_t kv_store_leaf_of(const struct kv_store *store, uint64_t hash);
struct kv_place kv_store_find(const struct kv_store *store, struct slice key);
/* The same for a piece of a collection. */
struct kv_place kv_store_find_inner(const struct kv_store *store, struct slice key);
/* Without the time. */
struct slice kv_entry_value(const struct kv_entry *entry);
/* When it expires; 0: never. */
uint64_t kv_entry_expires(const struct kv_entry *entry);

/* Sets the key at `place` (as just found) to `value`; false, with nothing changed, when the store is full. `seed` is the
 * operation's. The change is final when `change` is NULL; otherwise it must be committed or taken back. */
bool kv_store_put(struct kv_store *store, struct kv_place place, struct slice key, struct slice value,
                  const uint8_t *seed, struct kv_change *change);
/* The same for anything but a plain value. */
bool kv_store_set(struct kv_store *store, struct kv_place place, struct slice key,
                  const struct kv_content *content, const uint8_t *seed, struct kv_change *change);
/* Removes the key at `place`, which must be there. */
void kv_store_remove(struct kv_store *store, struct kv_place place, struct kv_change *change);
/* All changes of one operation, in the order in which they were made. */
void kv_changes_commit(struct kv_store *store, const struct kv_change *changes, uint32_t count);
void kv_changes_undo(struct kv_store *store, const struct kv_change *changes, uint32_t count);
/* Splits leaves until there are enough of them; at the end of every operation that was committed. */
void kv_store_grow(struct kv_store *store);

/* kv_expect.c: has what these keys (at most REDOUBT_EXPECT_MAX) or leaves need on its way to the cache. */
void kv_store_expect(const struct kv_store *store, const struct slice *keys, size_t count);
void kv_store_expect_leaves(const struct kv_store *store, const uint64_t *leaves, size_t count);

/* The functions of struct redoubt_service of the same names. */
void kv_leaves_digest(const struct kv_store *store, const uint64_t *leaves, size_t count,
                      uint8_t (*out)[REDOUBT_DIGEST_BYTES]);
void kv_leaf_save(const struct kv_store *store, uint64_t leaf, struct redoubt_sink *sink);
bool kv_leaf_saved_digest(const struct kv_store *store, uint64_t leaf, const uint8_t *data, size_t bytes,
                          uint8_t out[REDOUBT_DIGEST_BYTES]);
bool kv_leaf_load(struct kv_store *store, uint64_t leaf, const uint8_t *data, size_t bytes);

/* Checks all invariants in time linear in the state: for tests. Fails a CHECK when one does not hold. */
void kv_store_validate(const struct kv_store *store);

/* What a key is sorted by in its leaf: the upper half of its hash, and whether it is a piece's. */
static inline uint32_t kv_tag(uint64_t hash, bool inner)
{
    return ((uint32_t)(hash >> 32) & ~1u) | inner;
}

/* For kv_leaf.c. */
static inline struct kv_leaf *kv_store_leaf(const struct kv_store *store, uint64_t leaf)
{
    return &store->page[leaf / KV_PAGE_LEAVES][leaf % KV_PAGE_LEAVES];
}

static inline struct kv_entry **kv_leaf_entries(const struct kv_leaf *leaf)
{
    return (struct kv_entry **)(void *)leaf->block;
}

static inline uint32_t *kv_leaf_tags(const struct kv_leaf *leaf)
{
    return (uint32_t *)(void *)(kv_leaf_entries(leaf) + leaf->capacity);
}

static inline uint32_t kv_groups(uint32_t slots)
{
    return (slots + KV_GROUP_SLOTS - 1) / KV_GROUP_SLOTS;
}

/* The marks. */
static inline uint8_t *kv_leaf_known(const struct kv_leaf *leaf)
{
    return (uint8_t *)(kv_leaf_tags(leaf) + leaf->capacity);
}

static inline uint8_t *kv_leaf_digests(const struct kv_leaf *leaf)
{
    return kv_leaf_known(leaf) + leaf->capacity;
}

static inline uint8_t *kv_leaf_group_digests(const struct kv_leaf *leaf)
{
    return kv_leaf_digests(leaf) + (size_t)leaf->capacity * REDOUBT_DIGEST_BYTES;
}

/* A leaf that is being loaded, key by key in the order of its slots: this one belongs at `slot`, and what stands there up to it is
 * gone. What stays keeps its place in the index, where finding one costs more than all the rest. False when the key does
 * not belong there, or memory is lacking. While a state is being replaced it may hold more than the limit. */
bool kv_store_merge(struct kv_store *store, uint64_t leaf, uint32_t slot, struct slice key,
                    const struct kv_content *content);
void kv_store_drop(struct kv_store *store, uint64_t leaf, uint32_t slot, uint32_t slots);

#endif
