/*
 * A leaf towards the engine: its digest, and its bytes when it moves to another replica.
 *
 *   leaf 0:     u8 hash_known, hash_key[16], then as every leaf
 *   every leaf: u32 count, (u16 key_len, u32 value_len, key, value)*     ascending by (tag, key)
 *
 *   entry digest = H(u16 key_len, u32 value_len, key, value)             value up to 2 KiB, else H(value) in its place
 *   leaf digest  = H(entry digests), leaf 0: H(u8 hash_known, hash_key, H(entry digests))
 *
 * Two different contents with the same digest are a collision of H: the lengths say where a key ends and a value begins,
 * and whether a value or its digest stands there; which of the two forms a leaf has follows from its number.
 */
#include <string.h>

#include "base/bytes.h"
#include "kv_codec.h"
#include "kv_store.h"

#define VALUE_INLINE_MAX 2048u
#define ENTRY_HEAD       6u
#define PREFETCH_BYTES   1024u
#define LEAF0_HEAD       (1u + KV_HASH_KEY_BYTES)

static void pair_digest(const struct kv_store *store, struct slice key, struct slice value,
                        uint8_t out[REDOUBT_DIGEST_BYTES])
{
    uint8_t text[ENTRY_HEAD + KV_KEY_MAX + VALUE_INLINE_MAX];
    struct writer w = writer_to(text, sizeof text);
    put_u16(&w, (uint16_t)key.len);
    put_u32(&w, (uint32_t)value.len);
    put_raw(&w, key.data, key.len);
    if (value.len <= VALUE_INLINE_MAX) {
        put_raw(&w, value.data, value.len);
    } else {
        uint8_t digest[REDOUBT_DIGEST_BYTES];
        store->env->digest(digest, value.data, value.len);
        put_raw(&w, digest, sizeof digest);
    }
    store->env->digest(out, text, w.len);
}

static void entry_digest(const struct kv_store *store, const struct kv_entry *entry,
                         uint8_t out[REDOUBT_DIGEST_BYTES])
{
    pair_digest(store, (struct slice){entry->key, entry->key_len}, kv_entry_value(entry), out);
}

/* Fills in entry digests that are not known yet: a cache, so the state does not change in any way that can be seen. */
void kv_leaf_digest(const struct kv_store *store, uint64_t number, uint8_t out[REDOUBT_DIGEST_BYTES])
{
    const struct kv_leaf *leaf = kv_store_leaf(store, number);
    uint8_t text[LEAF0_HEAD + REDOUBT_DIGEST_BYTES];
    for (size_t at = 0; at < (size_t)leaf->count * REDOUBT_DIGEST_BYTES && at < PREFETCH_BYTES; at += 64)
        __builtin_prefetch(kv_leaf_digests(leaf) + at); /* needed at the end; the entries come first */
    for (uint32_t i = 0; i < leaf->count; i++) {
        if (kv_leaf_known(leaf)[i])
            continue;
        entry_digest(store, kv_leaf_entries(leaf)[i],
                     kv_leaf_digests(leaf) + (size_t)i * REDOUBT_DIGEST_BYTES);
        kv_leaf_known(leaf)[i] = 1;
    }
    const uint8_t *digests = leaf->count ? kv_leaf_digests(leaf) : text;
    store->env->digest(out, digests, (size_t)leaf->count * REDOUBT_DIGEST_BYTES);
    if (number == 0) {
        text[0] = store->hash_known;
        memcpy(text + 1, store->hash_key, KV_HASH_KEY_BYTES);
        memcpy(text + LEAF0_HEAD, out, REDOUBT_DIGEST_BYTES);
        store->env->digest(out, text, sizeof text);
    }
}

void kv_leaf_save(const struct kv_store *store, uint64_t number, struct redoubt_sink *sink)
{
    const struct kv_leaf *leaf = kv_store_leaf(store, number);
    uint8_t text[LEAF0_HEAD + 4];
    struct writer w = writer_to(text, sizeof text);
    if (number == 0) {
        put_u8(&w, store->hash_known);
        put_raw(&w, store->hash_key, KV_HASH_KEY_BYTES);
    }
    put_u32(&w, leaf->count);
    sink->write(sink, text, w.len);
    for (uint32_t i = 0; i < leaf->count; i++) {
        const struct kv_entry *entry = kv_leaf_entries(leaf)[i];
        uint8_t head[ENTRY_HEAD + KV_KEY_MAX];
        w = writer_to(head, sizeof head);
        put_u16(&w, entry->key_len);
        put_u32(&w, entry->value_len);
        put_raw(&w, entry->key, entry->key_len);
        sink->write(sink, head, w.len);
        if (entry->value_len)
            sink->write(sink, entry->value, entry->value_len);
    }
}

/* What stands before the entries of leaf 0. */
struct leaf_head {
    bool hash_known;
    uint8_t hash_key[KV_HASH_KEY_BYTES];
};

static bool read_head(struct leaf_head *head, struct reader *r)
{
    static const uint8_t none[KV_HASH_KEY_BYTES];
    uint8_t known = get_u8(r);
    get_raw(r, head->hash_key, KV_HASH_KEY_BYTES);
    head->hash_known = known == 1;
    return !r->bad && (known == 1 || (known == 0 && memcmp(head->hash_key, none, sizeof none) == 0));
}

static bool read_entry(struct reader *r, struct slice *key, struct slice *value)
{
    key->len = get_u16(r);
    value->len = get_u32(r);
    if (r->bad || key->len < 1 || key->len > KV_KEY_MAX || value->len > KV_VALUE_MAX)
        return false;
    key->data = reader_take(r, key->len);
    value->data = reader_take(r, value->len);
    return !r->bad;
}

/* --- the digest of saved bytes */

static bool digests_of(const struct kv_store *store, struct reader *r, uint32_t count, uint8_t *digests)
{
    struct slice key, value;
    for (uint32_t i = 0; i < count; i++) {
        if (!read_entry(r, &key, &value))
            return false;
        pair_digest(store, key, value, digests + (size_t)i * REDOUBT_DIGEST_BYTES);
    }
    return reader_done(r);
}

bool kv_leaf_saved_digest(const struct kv_store *store, uint64_t number, const uint8_t *data, size_t bytes,
                          uint8_t out[REDOUBT_DIGEST_BYTES])
{
    struct reader r = reader_of(data, bytes);
    struct leaf_head head = {0};
    uint8_t few[4 * KV_KEYS_PER_LEAF * REDOUBT_DIGEST_BYTES], text[LEAF0_HEAD + REDOUBT_DIGEST_BYTES];
    if (number == 0 && !read_head(&head, &r))
        return false;
    uint32_t count = get_u32(&r);
    if (r.bad || count > bytes / ENTRY_HEAD) /* no memory for what cannot be there */
        return false;
    size_t room = (size_t)count * REDOUBT_DIGEST_BYTES;
    uint8_t *digests = room <= sizeof few ? few : store->env->alloc(store->env, room);
    bool good = digests && digests_of(store, &r, count, digests);
    if (good)
        store->env->digest(out, digests, room);
    if (good && number == 0) {
        text[0] = head.hash_known;
        memcpy(text + 1, head.hash_key, KV_HASH_KEY_BYTES);
        memcpy(text + LEAF0_HEAD, out, REDOUBT_DIGEST_BYTES);
        store->env->digest(out, text, sizeof text);
    }
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
        kv_store_empty_others(store);
    store->hash_known = head.hash_known;
    memcpy(store->hash_key, head.hash_key, KV_HASH_KEY_BYTES);
    return true;
}

static bool load_leaf(struct kv_store *store, uint64_t number, struct reader *r)
{
    struct slice key, value;
    if (number == 0 && !load_hash_key(store, r))
        return false;
    uint32_t count = get_u32(r);
    for (uint32_t i = 0; i < count; i++)
        if (!read_entry(r, &key, &value) || !kv_store_append(store, number, key, value))
            return false;
    return reader_done(r);
}

bool kv_leaf_load(struct kv_store *store, uint64_t number, const uint8_t *data, size_t bytes)
{
    if (store->broken || number >= store->leaves)
        return false;
    struct reader r = reader_of(data, bytes);
    store->env->touch(store->env, number);
    kv_store_empty(store, number);
    if (load_leaf(store, number, &r))
        return true;
    kv_store_empty(store, number);
    return false;
}
