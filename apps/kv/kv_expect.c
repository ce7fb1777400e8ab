/*
 * What is about to be used is fetched into the cache: a million keys do not fit it, and a lookup is a chain of five places in
 * memory, each found through the one before. For one key that is five waits; for a group of keys the first places of
 * all are asked for, then the second ones, and so on, so that a whole group waits about as long as one key would.
 *
 * Nothing here changes or decides anything: only addresses are computed, all of them of memory that the store owns.
 */
#include <string.h>

#include "base/check.h"
#include "kv_store.h"

#define LINE         64u
#define KEYS_MIN     8192u /* a smaller store is in the cache anyway */
#define GROUP_BYTES  (KV_GROUP_SLOTS * REDOUBT_DIGEST_BYTES)
#define GROUPS_AHEAD (KV_KEYS_PER_LEAF / KV_GROUP_SLOTS * REDOUBT_DIGEST_BYTES)
#define VALUE_AHEAD  512u /* bytes of a value; what is longer comes by itself, as it is read in order */

/* Inlined by force: the compiler takes a function that only prefetches for one without effect, and drops its calls. */
__attribute__((always_inline)) static inline void fetch(const void *from, size_t bytes)
{
    const uint8_t *p = from;
    for (size_t at = 0; at < bytes; at += LINE)
        __builtin_prefetch(p + at);
    if (bytes)
        __builtin_prefetch(p + bytes - 1);
}

__attribute__((always_inline)) static inline void fetch_value(const struct kv_entry *entry)
{
    if (entry->value_len)
        fetch(entry->value, entry->value_len < VALUE_AHEAD ? entry->value_len : VALUE_AHEAD);
}

/* The first slot with this tag: almost always that of the key that is looked for. The number of slots if there is none. */
static uint32_t slot_of_tag(const struct kv_leaf *leaf, uint32_t tag)
{
    const uint32_t *tags = kv_leaf_tags(leaf);
    for (uint32_t slot = 0; slot < leaf->count; slot++)
        if (tags[slot] == tag)
            return slot;
    return leaf->count;
}

struct ahead {
    const struct kv_leaf *leaf;
    const struct kv_entry *const *place;
    uint32_t tag;
};

__attribute__((always_inline)) static inline void fetch_slots(const struct ahead *ahead)
{
    if (ahead->leaf->count)
        fetch(kv_leaf_tags(ahead->leaf), ahead->leaf->capacity * (sizeof(uint32_t) + 1));
}

__attribute__((always_inline)) static inline void fetch_place(struct ahead *ahead)
{
    uint32_t slot = ahead->leaf->count ? slot_of_tag(ahead->leaf, ahead->tag) : 0;
    ahead->place = slot < ahead->leaf->count
                       ? (const struct kv_entry *const *)kv_leaf_entries(ahead->leaf) + slot
                       : NULL;
    if (ahead->place)
        __builtin_prefetch(ahead->place);
}

void kv_store_expect(const struct kv_store *store, const struct slice *keys, size_t count)
{
    struct ahead ahead[REDOUBT_EXPECT_MAX];
    CHECK(count <= REDOUBT_EXPECT_MAX);
    if (store->keys < KEYS_MIN)
        return;
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = kv_hash(store->hash_key, keys[i].data, keys[i].len);
        ahead[i].leaf = kv_store_leaf(store, kv_store_leaf_of(store, hash));
        ahead[i].tag = kv_tag(hash, false);
        __builtin_prefetch(ahead[i].leaf);
    }
    for (size_t i = 0; i < count; i++)
        fetch_slots(&ahead[i]);
    for (size_t i = 0; i < count; i++)
        fetch_place(&ahead[i]);
    for (size_t i = 0; i < count; i++)
        if (ahead[i].place)
            fetch(*ahead[i].place, sizeof(struct kv_entry) + keys[i].len);
    for (size_t i = 0; i < count; i++)
        if (ahead[i].place)
            fetch_value(*ahead[i].place);
}

void kv_store_expect_leaves(const struct kv_store *store, const uint64_t *leaves, size_t count)
{
    const struct kv_leaf *leaf[REDOUBT_EXPECT_MAX];
    CHECK(count <= REDOUBT_EXPECT_MAX);
    if (store->keys < KEYS_MIN)
        return;
    for (size_t i = 0; i < count; i++) {
        leaf[i] = kv_store_leaf(store, leaves[i]);
        __builtin_prefetch(leaf[i]);
    }
    for (size_t i = 0; i < count; i++)
        if (leaf[i]->count) {
            __builtin_prefetch(kv_leaf_known(leaf[i]));
            fetch(kv_leaf_entries(leaf[i]), leaf[i]->count * sizeof(struct kv_entry *));
        }
    for (size_t i = 0; i < count; i++) {
        if (leaf[i]->count)
            fetch(kv_leaf_group_digests(leaf[i]), GROUPS_AHEAD);
        for (uint32_t slot = 0; slot < leaf[i]->count; slot++)
            if (!kv_leaf_known(leaf[i])[slot]) {
                fetch(kv_leaf_digests(leaf[i]) + slot / KV_GROUP_SLOTS * GROUP_BYTES, GROUP_BYTES);
                fetch(kv_leaf_entries(leaf[i])[slot], sizeof(struct kv_entry) + LINE / 4);
            }
    }
    for (size_t i = 0; i < count; i++)
        for (uint32_t slot = 0; slot < leaf[i]->count; slot++)
            if (!kv_leaf_known(leaf[i])[slot])
                fetch_value(kv_leaf_entries(leaf[i])[slot]);
}
