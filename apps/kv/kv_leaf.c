/*
 * A leaf towards the engine: its digest, and its bytes when it moves to another replica.
 *
 *   leaf 0:     u8 hash_known, hash_key[16], u64 collections, then as every leaf
 *   every leaf: u32 count, (u16 key_len, u32 value_len | mark << 24, key, value)*     ascending by (tag, key)
 *
 *   entry digest = H(u16 key_len, u32 value_len | mark << 24, key, value)     value up to 2 KiB, else H(value) in its place
 *   group digest = H(entry digests)                                           of four entries, the last group of the rest
 *   leaf digest  = H(group digests), leaf 0: H(u8 hash_known, hash_key, u64 collections, H(group digests))
 *
 * A value that expires has the time, u64, as its first eight bytes. The mark of a plain value is 0.
 *
 * Two different contents with the same digest are a collision of H: the lengths say where a key ends and a value begins,
 * and whether a value or its digest stands there; which of the two forms a leaf has follows from its number.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "kv_codec.h"
#include "kv_collection.h"
#include "kv_store.h"

#define VALUE_INLINE_MAX 2048u
#define ENTRY_HEAD       6u
#define WANTED           32u
#define WANTED_TEXT      256u /* an entry that is longer is digested alone */
#define MERGED_MAX                                                                                           \
    1024u /* a leaf with more is emptied first: making room in its middle, again and again, is slow */
#define LEAF0_HEAD (1u + KV_HASH_KEY_BYTES + 8u)
#define LEN_BITS   24u
#define LEN_MASK   ((1u << LEN_BITS) - 1)

/* As it lies in a leaf: `value` with the time before it. */
struct pair {
    struct slice key;
    struct slice value;
    uint8_t mark;
};

static struct pair pair_of(const struct kv_entry *entry)
{
    return (struct pair){
        {entry->key, entry->key_len}, {entry->value, entry->value_len}, (uint8_t)entry->mark};
}

static void put_lengths(struct writer *w, const struct pair *pair)
{
    put_u16(w, (uint16_t)pair->key.len);
    put_u32(w, (uint32_t)pair->value.len | (uint32_t)pair->mark << LEN_BITS);
}

static size_t pair_text(const struct kv_store *store, const struct pair *pair, uint8_t *text, size_t cap)
{
    struct slice key = pair->key, value = pair->value;
    struct writer w = writer_to(text, cap);
    put_lengths(&w, pair);
    put_raw(&w, key.data, key.len);
    if (value.len <= VALUE_INLINE_MAX) {
        put_raw(&w, value.data, value.len);
    } else {
        uint8_t digest[REDOUBT_DIGEST_BYTES];
        store->env->digest(digest, value.data, value.len);
        put_raw(&w, digest, sizeof digest);
    }
    return w.len;
}

static void pair_digest(const struct kv_store *store, const struct pair *pair,
                        uint8_t out[REDOUBT_DIGEST_BYTES])
{
    uint8_t text[ENTRY_HEAD + KV_INNER_KEY_MAX + VALUE_INLINE_MAX];
    store->env->digest(out, text, pair_text(store, pair, text, sizeof text));
}

/* Digests that are wanted, made together: see redoubt_env. */
struct wanted {
    const struct kv_store *store;
    size_t count;
    struct redoubt_bytes in[WANTED];
    uint8_t *out[WANTED];
    uint8_t text[WANTED][WANTED_TEXT];
};

static void wanted_finish(struct wanted *w)
{
    uint8_t digest[WANTED][REDOUBT_DIGEST_BYTES];
    w->store->env->digests(digest, w->in, w->count);
    for (size_t i = 0; i < w->count; i++)
        memcpy(w->out[i], digest[i], REDOUBT_DIGEST_BYTES);
    w->count = 0;
}

static void wanted_add(struct wanted *w, const uint8_t *data, size_t bytes, uint8_t *out)
{
    w->in[w->count] = (struct redoubt_bytes){data, bytes};
    w->out[w->count++] = out;
    if (w->count == WANTED)
        wanted_finish(w);
}

/* Digests that are not known yet are filled in: a cache, so the state does not change in any way that can be seen. */
static void entries_wanted(struct wanted *w, const struct kv_leaf *leaf)
{
    for (uint32_t i = 0; i < leaf->count; i++) {
        if (kv_leaf_known(leaf)[i] & KV_DIGEST_KNOWN)
            continue;
        const struct pair pair = pair_of(kv_leaf_entries(leaf)[i]);
        uint8_t *out = kv_leaf_digests(leaf) + (size_t)i * REDOUBT_DIGEST_BYTES, *text = w->text[w->count];
        if (ENTRY_HEAD + pair.key.len + pair.value.len > WANTED_TEXT)
            pair_digest(w->store, &pair, out);
        else
            wanted_add(w, text, pair_text(w->store, &pair, text, WANTED_TEXT), out);
        kv_leaf_known(leaf)[i] |= KV_DIGEST_KNOWN;
    }
}

/* The groups of a leaf, whose entries' digests are known by now. */
static void groups_wanted(struct wanted *w, const struct kv_leaf *leaf)
{
    uint8_t *known = leaf->count ? kv_leaf_known(leaf) : NULL;
    for (uint32_t first = 0; first < leaf->count; first += KV_GROUP_SLOTS) {
        uint32_t slots = leaf->count - first < KV_GROUP_SLOTS ? leaf->count - first : KV_GROUP_SLOTS;
        bool true_yet = true;
        for (uint32_t i = first; i < first + slots; i++) {
            true_yet &= (known[i] & KV_GROUP_KNOWN) != 0;
            known[i] |= KV_GROUP_KNOWN;
        }
        if (!true_yet)
            wanted_add(w, kv_leaf_digests(leaf) + (size_t)first * REDOUBT_DIGEST_BYTES,
                       slots * REDOUBT_DIGEST_BYTES,
                       kv_leaf_group_digests(leaf) + (size_t)(first / KV_GROUP_SLOTS) * REDOUBT_DIGEST_BYTES);
    }
}

/* What stands before the entries of leaf 0. */
struct leaf_head {
    bool hash_known;
    uint8_t hash_key[KV_HASH_KEY_BYTES];
    uint64_t collections;
};

static struct leaf_head head_of(const struct kv_store *store)
{
    struct leaf_head head = {.hash_known = store->hash_known, .collections = store->collections};
    memcpy(head.hash_key, store->hash_key, sizeof head.hash_key);
    return head;
}

static void put_head(struct writer *w, const struct leaf_head *head)
{
    put_u8(w, head->hash_known);
    put_raw(w, head->hash_key, sizeof head->hash_key);
    put_u64(w, head->collections);
}

static void first_leaf_digest(const struct redoubt_env *env, const struct leaf_head *head,
                              uint8_t digest[REDOUBT_DIGEST_BYTES])
{
    uint8_t text[LEAF0_HEAD + REDOUBT_DIGEST_BYTES];
    struct writer w = writer_to(text, sizeof text);
    put_head(&w, head);
    put_raw(&w, digest, REDOUBT_DIGEST_BYTES);
    env->digest(digest, text, w.len);
}

void kv_leaves_digest(const struct kv_store *store, const uint64_t *leaves, size_t count,
                      uint8_t (*out)[REDOUBT_DIGEST_BYTES])
{
    struct redoubt_bytes in[REDOUBT_EXPECT_MAX];
    struct wanted wanted;
    wanted.store = store;
    wanted.count = 0;
    CHECK(count <= REDOUBT_EXPECT_MAX);
    for (size_t i = 0; i < count; i++)
        entries_wanted(&wanted, kv_store_leaf(store, leaves[i]));
    wanted_finish(&wanted);
    for (size_t i = 0; i < count; i++)
        groups_wanted(&wanted, kv_store_leaf(store, leaves[i]));
    wanted_finish(&wanted);
    for (size_t i = 0; i < count; i++) {
        const struct kv_leaf *leaf = kv_store_leaf(store, leaves[i]);
        in[i].data = leaf->count ? kv_leaf_group_digests(leaf) : NULL;
        in[i].bytes = (size_t)kv_groups(leaf->count) * REDOUBT_DIGEST_BYTES;
    }
    store->env->digests(out, in, count);
    const struct leaf_head head = head_of(store);
    for (size_t i = 0; i < count; i++)
        if (leaves[i] == 0)
            first_leaf_digest(store->env, &head, out[i]);
}

void kv_leaf_save(const struct kv_store *store, uint64_t number, struct redoubt_sink *sink)
{
    const struct kv_leaf *leaf = kv_store_leaf(store, number);
    uint8_t text[LEAF0_HEAD + 4];
    struct writer w = writer_to(text, sizeof text);
    const struct leaf_head first = head_of(store);
    if (number == 0)
        put_head(&w, &first);
    put_u32(&w, leaf->count);
    sink->write(sink, text, w.len);
    for (uint32_t i = 0; i < leaf->count; i++) {
        const struct pair pair = pair_of(kv_leaf_entries(leaf)[i]);
        uint8_t head[ENTRY_HEAD + KV_INNER_KEY_MAX];
        w = writer_to(head, sizeof head);
        put_lengths(&w, &pair);
        put_raw(&w, pair.key.data, pair.key.len);
        sink->write(sink, head, w.len);
        if (pair.value.len)
            sink->write(sink, pair.value.data, pair.value.len);
    }
}

static bool read_head(struct leaf_head *head, struct reader *r)
{
    static const uint8_t none[KV_HASH_KEY_BYTES];
    uint8_t known = get_u8(r);
    get_raw(r, head->hash_key, KV_HASH_KEY_BYTES);
    head->hash_known = known == 1;
    head->collections = get_u64(r);
    if (known == 0)
        return !r->bad && head->collections == 0 && memcmp(head->hash_key, none, sizeof none) == 0;
    return !r->bad && known == 1;
}

/* Collections are what kv_collection.h says; a wrong one must not be met later. */
static bool is_shaped(const struct kv_content *content)
{
    switch (content->mark) {
    case KV_TYPE_STRING:
    case KV_PIECE:
        return true;
    case KV_TYPE_HASH:
    case KV_TYPE_LIST:
    case KV_TYPE_SET:
    case KV_TYPE_ZSET:
        return content->value.len == KV_COLLECTION_BYTES;
    case KV_DEAD:
        return content->value.len == 0;
    default:
        return false;
    }
}

static bool read_entry(struct reader *r, struct pair *pair, struct kv_content *content)
{
    pair->key.len = get_u16(r);
    uint32_t lengths = get_u32(r);
    pair->value.len = lengths & LEN_MASK;
    pair->mark = (uint8_t)(lengths >> LEN_BITS);
    bool inner = pair->mark & KV_INNER;
    if (r->bad || pair->key.len < 1 || pair->key.len > (inner ? KV_INNER_KEY_MAX : KV_KEY_MAX) ||
        pair->value.len > KV_STORED_MAX || (inner && pair->mark & KV_EXPIRES))
        return false;
    pair->key.data = reader_take(r, pair->key.len);
    pair->value.data = reader_take(r, pair->value.len);
    if (r->bad)
        return false;
    struct reader value = reader_of(pair->value.data, pair->value.len);
    *content = (struct kv_content){.mark = pair->mark & (uint8_t)~KV_EXPIRES};
    content->expires_us = pair->mark & KV_EXPIRES ? get_u64(&value) : 0;
    content->value.len = reader_left(&value);
    content->value.data = reader_take(&value, content->value.len);
    return !value.bad && (content->expires_us != 0) == ((pair->mark & KV_EXPIRES) != 0) && is_shaped(content);
}

/* --- the digest of saved bytes */

static bool digests_of(const struct kv_store *store, struct reader *r, uint32_t count, uint8_t *digests)
{
    struct pair pair;
    struct kv_content content;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_entry(r, &pair, &content))
            return false;
        pair_digest(store, &pair, digests + (size_t)i * REDOUBT_DIGEST_BYTES);
    }
    return reader_done(r);
}

/* Puts the digests of the groups in the place of those of the entries; returns their bytes. */
static size_t groups_of(const struct redoubt_env *env, uint8_t *digests, uint32_t count)
{
    for (uint32_t first = 0; first < count; first += KV_GROUP_SLOTS) {
        uint32_t slots = count - first < KV_GROUP_SLOTS ? count - first : KV_GROUP_SLOTS;
        uint8_t digest[REDOUBT_DIGEST_BYTES];
        env->digest(digest, digests + (size_t)first * REDOUBT_DIGEST_BYTES, slots * REDOUBT_DIGEST_BYTES);
        memcpy(digests + (size_t)(first / KV_GROUP_SLOTS) * REDOUBT_DIGEST_BYTES, digest, sizeof digest);
    }
    return (size_t)kv_groups(count) * REDOUBT_DIGEST_BYTES;
}

bool kv_leaf_saved_digest(const struct kv_store *store, uint64_t number, const uint8_t *data, size_t bytes,
                          uint8_t out[REDOUBT_DIGEST_BYTES])
{
    struct reader r = reader_of(data, bytes);
    struct leaf_head head = {0};
    uint8_t few[4 * KV_KEYS_PER_LEAF * REDOUBT_DIGEST_BYTES];
    if (number == 0 && !read_head(&head, &r))
        return false;
    uint32_t count = get_u32(&r);
    if (r.bad || count > bytes / ENTRY_HEAD) /* no memory for what cannot be there */
        return false;
    size_t room = (size_t)count * REDOUBT_DIGEST_BYTES;
    uint8_t *digests = room <= sizeof few ? few : store->env->alloc(store->env, room);
    bool good = digests && digests_of(store, &r, count, digests);
    if (good)
        store->env->digest(out, digests, groups_of(store->env, digests, count));
    if (good && number == 0)
        first_leaf_digest(store->env, &head, out);
    if (digests && digests != few)
        store->env->release(store->env, digests, room);
    return good;
}

/* --- loading */

/* Under another hash key no key of any leaf is in its place any more. */
static bool load_hash_key(struct kv_store *store, struct reader *r)
{
    struct leaf_head head;
    if (!read_head(&head, r))
        return false;
    if (store->hash_known &&
        (!head.hash_known || memcmp(head.hash_key, store->hash_key, KV_HASH_KEY_BYTES) != 0))
        kv_store_empty_all(store);
    store->hash_known = head.hash_known;
    memcpy(store->hash_key, head.hash_key, KV_HASH_KEY_BYTES);
    store->collections = head.collections;
    return true;
}

static bool load_leaf(struct kv_store *store, uint64_t number, struct reader *r)
{
    struct pair pair;
    struct kv_content content;
    if (number == 0 && !load_hash_key(store, r))
        return false;
    uint32_t count = get_u32(r);
    if (kv_store_leaf(store, number)->count > MERGED_MAX)
        kv_store_empty(store, number);
    for (uint32_t i = 0; i < count; i++)
        if (!read_entry(r, &pair, &content) || !kv_store_merge(store, number, i, pair.key, &content))
            return false;
    const struct kv_leaf *leaf = kv_store_leaf(store, number);
    kv_store_drop(store, number, count, leaf->count - count);
    return reader_done(r);
}

bool kv_leaf_load(struct kv_store *store, uint64_t number, const uint8_t *data, size_t bytes)
{
    if (store->broken || number >= store->leaves)
        return false;
    struct reader r = reader_of(data, bytes);
    store->env->touch(store->env, number);
    if (load_leaf(store, number, &r))
        return true;
    kv_store_empty(store, number);
    return false;
}
