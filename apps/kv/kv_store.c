#include "kv_store.h"

#include <assert.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"

#define SLOT_BYTES                                                                                           \
    (REDOUBT_DIGEST_BYTES + sizeof(struct kv_entry *) + sizeof(uint32_t) + 1) /* without its group */
/* Bound of a key's share of its leaf: the block may be 5/4 of what it holds and 3/2 of what it should be (see
 * leaf_trim), and 1/16 of struct kv_leaf. */
#define SLOT_CHARGE  112u
#define PAGE_BYTES   (KV_PAGE_LEAVES * sizeof(struct kv_leaf))
#define MOVES        0x80u /* mark in kv_leaf_known during a split */
#define EXPIRY_BYTES 8u

static_assert(sizeof(struct kv_leaf) == 16, "a page is 64 KiB");
static_assert((SLOT_BYTES + REDOUBT_DIGEST_BYTES / KV_GROUP_SLOTS) * 15 / 8 + 1 <= SLOT_CHARGE,
              "a key is charged for all its memory");
static_assert(3 * sizeof(struct kv_change) <= SLOT_CHARGE + sizeof(struct kv_entry),
              "an undo log takes no more than what was charged for the keys in it");

/* -------------------------------------------------------------------------------------------------------- memory */

/* Rounds up to 16, 32, 48, 64 and then four sizes per power of two. */
static size_t kv_size(size_t bytes)
{
    if (bytes <= 64)
        return bytes ? (bytes + 15) & ~(size_t)15 : 16;
    unsigned top = 63u - (unsigned)__builtin_clzll((unsigned long long)(bytes - 1));
    size_t step = (size_t)1 << (top - 2);
    return (bytes + step - 1) & ~(step - 1);
}

static size_t entry_size(size_t key_len)
{
    return kv_size(offsetof(struct kv_entry, key) + key_len);
}

static size_t value_size(size_t value_len)
{
    return value_len ? kv_size(value_len) : 0;
}

static size_t slots_bytes(uint32_t slots)
{
    return slots * SLOT_BYTES + (size_t)kv_groups(slots) * REDOUBT_DIGEST_BYTES;
}

static size_t block_size(uint32_t slots)
{
    return kv_size(slots_bytes(slots));
}

/* How many slots a block of this size holds. */
static uint32_t block_slots(size_t bytes)
{
    uint32_t slots = (uint32_t)(bytes / SLOT_BYTES);
    while (slots_bytes(slots) > bytes)
        slots--;
    return slots;
}

static uint64_t charge(size_t key_len, size_t value_len)
{
    return entry_size(key_len) + value_size(value_len) + SLOT_CHARGE;
}

static void *take(const struct kv_store *store, size_t bytes)
{
    return store->env->alloc(store->env, bytes);
}

static void give_back(const struct kv_store *store, void *memory, size_t bytes)
{
    if (memory)
        store->env->release(store->env, memory, bytes);
}

static void entry_free(const struct kv_store *store, struct kv_entry *entry)
{
    if (!entry)
        return;
    give_back(store, entry->value, value_size(entry->value_len));
    give_back(store, entry, entry_size(entry->key_len));
}

struct slice kv_entry_value(const struct kv_entry *entry)
{
    size_t head = entry->mark & KV_EXPIRES ? EXPIRY_BYTES : 0;
    return (struct slice){.data = head ? entry->value + head : entry->value, .len = entry->value_len - head};
}

uint64_t kv_entry_expires(const struct kv_entry *entry)
{
    if (!(entry->mark & KV_EXPIRES))
        return 0;
    struct reader r = reader_of(entry->value, EXPIRY_BYTES);
    return get_u64(&r);
}

/* Bytes of the block that holds it. */
static size_t stored_len(const struct kv_content *content)
{
    return content->value.len + (content->expires_us ? EXPIRY_BYTES : 0);
}

static uint8_t mark_of(const struct kv_content *content)
{
    return content->mark | (content->expires_us ? KV_EXPIRES : 0);
}

static void value_write(uint8_t *out, const struct kv_content *content)
{
    if (content->expires_us) {
        struct writer w = writer_to(out, EXPIRY_BYTES);
        put_u64(&w, content->expires_us);
        out += EXPIRY_BYTES;
    }
    if (content->value.len)
        memcpy(out, content->value.data, content->value.len);
}

/* A copy of the value; false when memory is lacking. */
static bool value_new(const struct kv_store *store, const struct kv_content *content, uint8_t **out)
{
    *out = NULL;
    if (stored_len(content) == 0)
        return true;
    *out = take(store, value_size(stored_len(content)));
    if (*out)
        value_write(*out, content);
    return *out != NULL;
}

static struct kv_entry *entry_new(const struct kv_store *store, struct slice key,
                                  const struct kv_content *content)
{
    struct kv_entry *entry = take(store, entry_size(key.len));
    if (!entry)
        return NULL;
    if (!value_new(store, content, &entry->value)) {
        give_back(store, entry, entry_size(key.len));
        return NULL;
    }
    entry->left = entry->right = NULL;
    entry->tilt = 0;
    entry->value_len = (uint32_t)stored_len(content) & 0xffffffu;
    entry->mark = mark_of(content) & KV_MARKS;
    entry->key_len = (uint16_t)key.len;
    memcpy(entry->key, key.data, key.len);
    return entry;
}

/* -------------------------------------------------------------------------------------------- slots of one leaf */

/* Moves the slots into a block for at least `slots` of them; false, with nothing changed, when memory is lacking. */
static bool leaf_resize(const struct kv_store *store, struct kv_leaf *leaf, uint32_t slots)
{
    size_t bytes = block_size(slots);
    struct kv_leaf fresh = {.block = take(store, bytes), .count = leaf->count};
    if (!fresh.block)
        return false;
    fresh.capacity = block_slots(bytes);
    if (leaf->count) {
        memcpy(kv_leaf_digests(&fresh), kv_leaf_digests(leaf), (size_t)leaf->count * REDOUBT_DIGEST_BYTES);
        memcpy(kv_leaf_entries(&fresh), kv_leaf_entries(leaf), leaf->count * sizeof(struct kv_entry *));
        memcpy(kv_leaf_tags(&fresh), kv_leaf_tags(leaf), leaf->count * sizeof(uint32_t));
        memcpy(kv_leaf_known(&fresh), kv_leaf_known(leaf), leaf->count);
        memcpy(kv_leaf_group_digests(&fresh), kv_leaf_group_digests(leaf),
               (size_t)kv_groups(leaf->count) * REDOUBT_DIGEST_BYTES);
    }
    give_back(store, leaf->block, leaf->block ? block_size(leaf->capacity) : 0);
    *leaf = fresh;
    return true;
}

static void leaf_free_block(const struct kv_store *store, struct kv_leaf *leaf)
{
    give_back(store, leaf->block, leaf->block ? block_size(leaf->capacity) : 0);
    *leaf = (struct kv_leaf){0};
}

/* Gives memory back when much of the block is empty. If there is none for a smaller block the larger one stays. */
static void leaf_trim(const struct kv_store *store, struct kv_leaf *leaf)
{
    if (leaf->count == 0)
        leaf_free_block(store, leaf);
    else if (2 * block_size(leaf->capacity) > 3 * block_size(leaf->count))
        (void)leaf_resize(store, leaf, leaf->count);
}

static bool leaf_reserve(const struct kv_store *store, struct kv_leaf *leaf)
{
    return leaf->count < leaf->capacity || leaf_resize(store, leaf, leaf->count + 1);
}

/* The digests of the groups from that of `slot` on are no longer true. */
static void groups_forget(struct kv_leaf *leaf, uint32_t slot)
{
    for (uint32_t i = slot / KV_GROUP_SLOTS * KV_GROUP_SLOTS; i < leaf->count; i++)
        kv_leaf_known(leaf)[i] &= (uint8_t)~KV_GROUP_KNOWN;
}

/* Opens a slot; there must be room. */
static void leaf_insert(struct kv_leaf *leaf, uint32_t slot, struct kv_entry *entry, uint32_t tag)
{
    CHECK(leaf->count < leaf->capacity && slot <= leaf->count);
    size_t behind = leaf->count - slot;
    uint8_t *digest = kv_leaf_digests(leaf) + (size_t)slot * REDOUBT_DIGEST_BYTES;
    struct kv_entry **entries = kv_leaf_entries(leaf) + slot;
    uint32_t *tags = kv_leaf_tags(leaf) + slot;
    uint8_t *known = kv_leaf_known(leaf) + slot;
    memmove(digest + REDOUBT_DIGEST_BYTES, digest, behind * REDOUBT_DIGEST_BYTES);
    memmove(entries + 1, entries, behind * sizeof *entries);
    memmove(tags + 1, tags, behind * sizeof *tags);
    memmove(known + 1, known, behind);
    *entries = entry;
    *tags = tag;
    *known = 0;
    leaf->count++;
    groups_forget(leaf, slot);
}

static void leaf_remove(struct kv_leaf *leaf, uint32_t slot, uint32_t slots)
{
    CHECK(slots <= leaf->count && slot <= leaf->count - slots);
    size_t behind = leaf->count - slot - slots;
    uint8_t *digest = kv_leaf_digests(leaf) + (size_t)slot * REDOUBT_DIGEST_BYTES;
    struct kv_entry **entries = kv_leaf_entries(leaf) + slot;
    uint32_t *tags = kv_leaf_tags(leaf) + slot;
    uint8_t *known = kv_leaf_known(leaf) + slot;
    memmove(digest, digest + slots * REDOUBT_DIGEST_BYTES, behind * REDOUBT_DIGEST_BYTES);
    memmove(entries, entries + slots, behind * sizeof *entries);
    memmove(tags, tags + slots, behind * sizeof *tags);
    memmove(known, known + slots, behind);
    leaf->count -= slots;
    groups_forget(leaf, slot);
}

static int slot_compare(const struct kv_leaf *leaf, uint32_t slot, uint32_t tag, struct slice key)
{
    uint32_t other = kv_leaf_tags(leaf)[slot];
    if (other != tag)
        return other < tag ? -1 : 1;
    const struct kv_entry *entry = kv_leaf_entries(leaf)[slot];
    return kv_key_compare(entry->key, entry->key_len, key.data, key.len);
}

/* First slot that is not below (tag, key); true when it holds that key. */
static bool leaf_search(const struct kv_leaf *leaf, uint32_t tag, struct slice key, uint32_t *slot)
{
    uint32_t low = 0;
    uint32_t high = leaf->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = slot_compare(leaf, middle, tag, key);
        if (order == 0) {
            *slot = middle;
            return true;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *slot = low;
    return false;
}

/* ------------------------------------------------------------------------------------------------- linear hashing */

/* Largest power of two that is at most `leaves`. */
static uint64_t level_of(uint64_t leaves)
{
    return (uint64_t)1 << (63 - __builtin_clzll((unsigned long long)leaves));
}

static uint64_t leaf_of(uint64_t hash, uint64_t leaves)
{
    uint64_t level = level_of(leaves);
    uint64_t leaf = hash & (2 * level - 1);
    return leaf < leaves ? leaf : leaf - level;
}

/* The page of a leaf exists; false when memory is lacking. */
static bool page_reserve(struct kv_store *store, uint64_t leaf)
{
    struct kv_leaf **page = &store->page[leaf / KV_PAGE_LEAVES];
    if (*page)
        return true;
    *page = take(store, PAGE_BYTES);
    if (*page)
        memset(*page, 0, PAGE_BYTES);
    return *page != NULL;
}

/* Marks the entries of a leaf that will move to leaf `store->leaves`; returns their number. */
static uint32_t split_mark(const struct kv_store *store, const struct kv_leaf *leaf)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < leaf->count; i++) {
        const struct kv_entry *entry = kv_leaf_entries(leaf)[i];
        uint64_t hash = kv_hash(store->hash_key, entry->key, entry->key_len);
        if (leaf_of(hash, store->leaves + 1) == store->leaves) {
            kv_leaf_known(leaf)[i] |= MOVES;
            count++;
        }
    }
    return count;
}

static void slot_copy(struct kv_leaf *to, uint32_t at, const struct kv_leaf *from, uint32_t slot)
{
    memmove(kv_leaf_digests(to) + (size_t)at * REDOUBT_DIGEST_BYTES,
            kv_leaf_digests(from) + (size_t)slot * REDOUBT_DIGEST_BYTES, REDOUBT_DIGEST_BYTES);
    kv_leaf_entries(to)[at] = kv_leaf_entries(from)[slot];
    kv_leaf_tags(to)[at] = kv_leaf_tags(from)[slot];
    kv_leaf_known(to)[at] = kv_leaf_known(from)[slot] & KV_DIGEST_KNOWN;
}

/* Both halves keep their order, and digests of entries stay true: they do not depend on the leaf. */
static void split_move(struct kv_leaf *from, struct kv_leaf *to)
{
    uint32_t stay = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        if (kv_leaf_known(from)[i] & MOVES)
            slot_copy(to, to->count++, from, i);
        else
            slot_copy(from, stay++, from, i);
    }
    from->count = stay;
}

static bool leaf_split(struct kv_store *store)
{
    uint64_t source = store->leaves - level_of(store->leaves);
    if (!page_reserve(store, store->leaves))
        return false;
    struct kv_leaf *from = kv_store_leaf(store, source);
    struct kv_leaf *to = kv_store_leaf(store, store->leaves);
    store->env->touch(store->env, source);
    store->env->touch(store->env, store->leaves);
    uint32_t moving = split_mark(store, from);
    if (moving && !leaf_resize(store, to, moving))
        return false;
    split_move(from, to);
    leaf_trim(store, from);
    store->leaves++;
    return true;
}

void kv_store_grow(struct kv_store *store)
{
    while (store->keys > KV_KEYS_PER_LEAF * store->leaves && store->leaves < KV_LEAVES_MAX) {
        if (!leaf_split(store)) {
            store->broken = true; /* this replica is no longer equal to the others */
            return;
        }
    }
}

/* ----------------------------------------------------------------------------------------------------- lifecycle */

bool kv_store_init(struct kv_store *store, const struct redoubt_env *env, uint64_t limit)
{
    memset(store, 0, sizeof *store);
    store->env = env;
    store->limit = limit;
    store->leaves = 1;
    return page_reserve(store, 0);
}

static void leaf_empty(const struct kv_store *store, struct kv_leaf *leaf)
{
    for (uint32_t i = 0; i < leaf->count; i++)
        entry_free(store, kv_leaf_entries(leaf)[i]);
    leaf_free_block(store, leaf);
}

/* Frees everything but the first page. */
static void store_clear(struct kv_store *store)
{
    for (uint64_t i = 0; i < store->leaves; i++)
        leaf_empty(store, kv_store_leaf(store, i));
    for (uint32_t i = 1; i < KV_PAGES_MAX; i++) {
        give_back(store, store->page[i], PAGE_BYTES);
        store->page[i] = NULL;
    }
    store->index.root = store->inner.root = NULL;
    store->used = store->keys = store->clients = store->expiring = store->dead = store->collections = 0;
    store->leaves = 1;
    store->hash_known = false;
    memset(store->hash_key, 0, sizeof store->hash_key);
}

static bool store_regroup(struct kv_store *store, uint64_t leaves)
{
    if (store->broken || leaves < store->leaves || leaves > KV_LEAVES_MAX)
        return false;
    while (store->leaves < leaves)
        if (!leaf_split(store))
            return false;
    return true;
}

bool kv_store_reset(struct kv_store *store, uint64_t leaves, bool keep)
{
    if (keep)
        return store_regroup(store, leaves);
    for (uint64_t i = 0; i < store->leaves; i++)
        store->env->touch(store->env, i);
    store_clear(store);
    store->broken = leaves == 0 || leaves > KV_LEAVES_MAX;
    for (uint64_t i = 0; !store->broken && i < leaves; i += KV_PAGE_LEAVES)
        store->broken = !page_reserve(store, i);
    if (store->broken)
        return false;
    store->leaves = leaves;
    for (uint64_t i = 0; i < leaves; i++)
        store->env->touch(store->env, i);
    return true;
}

static struct kv_index *index_of(struct kv_store *store, const struct kv_entry *entry)
{
    return entry->mark & KV_INNER ? &store->inner : &store->index;
}

/* What is said of an entry in sums; an index is not changed. `one` is 1, or that less 2. */
static void count_entry(struct kv_store *store, const struct kv_entry *entry, uint64_t one)
{
    store->used += one * charge(entry->key_len, entry->value_len);
    store->keys += one;
    store->clients += entry->mark & KV_INNER ? 0 : one;
    store->expiring += entry->mark & KV_EXPIRES ? one : 0;
    store->dead += entry->mark == KV_DEAD ? one : 0;
}

#define LESS UINT64_MAX /* minus one */

/* It is in every list and sum from now on. */
static void enter_entry(struct kv_store *store, struct kv_entry *entry)
{
    kv_index_add(index_of(store, entry), entry);
    count_entry(store, entry, 1);
}

/* It is in none any more. */
static void forget_entry(struct kv_store *store, struct kv_entry *entry)
{
    kv_index_remove(index_of(store, entry), entry);
    count_entry(store, entry, LESS);
}

void kv_store_empty(struct kv_store *store, uint64_t number)
{
    struct kv_leaf *leaf = kv_store_leaf(store, number);
    if (leaf->count)
        store->env->touch(store->env, number);
    for (uint32_t i = 0; i < leaf->count; i++)
        forget_entry(store, kv_leaf_entries(leaf)[i]);
    leaf_empty(store, leaf);
}

/* Without looking anything up: all of it goes. */
void kv_store_empty_all(struct kv_store *store)
{
    for (uint64_t i = 0; i < store->leaves; i++) {
        struct kv_leaf *leaf = kv_store_leaf(store, i);
        if (leaf->count)
            store->env->touch(store->env, i);
        leaf_empty(store, leaf);
    }
    store->index.root = store->inner.root = NULL;
    store->used = store->keys = store->clients = store->expiring = store->dead = 0;
}

/* ------------------------------------------------------------------------------------------------- finding, changing */

uint64_t kv_store_leaf_of(const struct kv_store *store, uint64_t hash)
{
    return leaf_of(hash, store->leaves);
}

static struct kv_place find_in(const struct kv_store *store, struct slice key, bool inner)
{
    struct kv_place place = {0};
    if (!store->hash_known)
        return place;
    uint64_t hash = kv_hash(store->hash_key, key.data, key.len);
    place.leaf = leaf_of(hash, store->leaves);
    place.tag = kv_tag(hash, inner);
    const struct kv_leaf *leaf = kv_store_leaf(store, place.leaf);
    if (leaf_search(leaf, place.tag, key, &place.slot))
        place.entry = kv_leaf_entries(leaf)[place.slot];
    return place;
}

struct kv_place kv_store_find(const struct kv_store *store, struct slice key)
{
    return find_in(store, key, false);
}

struct kv_place kv_store_find_inner(const struct kv_store *store, struct slice key)
{
    return find_in(store, key, true);
}

static void draw_hash_key(struct kv_store *store, const uint8_t *seed)
{
    static const uint8_t purpose[] = "redoubt kv hash key";
    uint8_t text[sizeof purpose + 32];
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    memcpy(text, purpose, sizeof purpose);
    memcpy(text + sizeof purpose, seed, 32);
    store->env->digest(digest, text, sizeof text);
    store->env->touch(store->env, 0);
    memcpy(store->hash_key, digest, sizeof store->hash_key);
    store->hash_known = true;
}

static void forget_hash_key(struct kv_store *store)
{
    store->hash_known = false;
    memset(store->hash_key, 0, sizeof store->hash_key);
}

static bool insert(struct kv_store *store, struct kv_place place, struct slice key,
                   const struct kv_content *content)
{
    struct kv_leaf *leaf = kv_store_leaf(store, place.leaf);
    if (!leaf_reserve(store, leaf))
        return false;
    struct kv_entry *entry = entry_new(store, key, content);
    if (!entry)
        return false;
    store->env->touch(store->env, place.leaf);
    leaf_insert(leaf, place.slot, entry, place.tag);
    enter_entry(store, entry);
    return true;
}

/* The number of a collection that is gone takes no more than its key did: it may always be written down. No limit is asked for what is
 * always kept, so replicas agree on it whatever they hold. */
static bool has_room(const struct kv_store *store, struct slice key, const struct kv_content *content)
{
    return content->mark == KV_DEAD || content->always ||
           (store->used <= store->limit &&
            charge(key.len, stored_len(content)) <= store->limit - store->used);
}

static bool put_new(struct kv_store *store, struct kv_place place, struct slice key,
                    const struct kv_content *content, const uint8_t *seed, struct kv_change *change)
{
    bool draw = !store->hash_known;
    if (draw) {
        draw_hash_key(store, seed);
        place = find_in(store, key, content->mark & KV_INNER);
    }
    if (!has_room(store, key, content) || !insert(store, place, key, content)) {
        if (draw)
            forget_hash_key(store);
        return false;
    }
    if (change)
        *change = (struct kv_change){.kind = KV_INSERTED,
                                     .drew_hash_key = draw,
                                     .entry = kv_leaf_entries(kv_store_leaf(store, place.leaf))[place.slot],
                                     .leaf = place.leaf,
                                     .tag = place.tag};
    return true;
}

static void value_set(struct kv_store *store, struct kv_place place, uint8_t *value, size_t value_len,
                      uint8_t mark)
{
    struct kv_entry *entry = place.entry;
    count_entry(store, entry, LESS);
    entry->value = value;
    entry->value_len = (uint32_t)value_len & 0xffffffu;
    entry->mark = mark & KV_MARKS;
    count_entry(store, entry, 1);
    kv_leaf_known(kv_store_leaf(store, place.leaf))[place.slot] = 0;
}

/* For good. */
static bool value_replace(struct kv_store *store, struct kv_place place, const struct kv_content *content)
{
    uint8_t *old = place.entry->value, *fresh = old;
    size_t old_size = value_size(place.entry->value_len);
    bool same_block = value_size(stored_len(content)) == old_size;
    if (!same_block && !value_new(store, content, &fresh))
        return false;
    store->env->touch(store->env, place.leaf);
    if (same_block)
        value_write(old, content);
    value_set(store, place, fresh, stored_len(content), mark_of(content));
    if (!same_block)
        give_back(store, old, old_size);
    return true;
}

bool kv_store_put(struct kv_store *store, struct kv_place place, struct slice key, struct slice value,
                  const uint8_t *seed, struct kv_change *change)
{
    const struct kv_content content = {.value = value};
    return kv_store_set(store, place, key, &content, seed, change);
}

bool kv_store_set(struct kv_store *store, struct kv_place place, struct slice key,
                  const struct kv_content *content, const uint8_t *seed, struct kv_change *change)
{
    struct kv_entry *entry = place.entry;
    if (!entry)
        return put_new(store, place, key, content, seed, change);

    size_t size = value_size(stored_len(content));
    size_t old_size = value_size(entry->value_len);
    if (size > old_size && (store->used > store->limit || size - old_size > store->limit - store->used))
        return false;
    if (!change)
        return value_replace(store, place, content);
    *change = (struct kv_change){.kind = KV_REPLACED,
                                 .old_mark = (uint8_t)entry->mark,
                                 .old_len = entry->value_len,
                                 .old_value = entry->value,
                                 .entry = entry,
                                 .leaf = place.leaf,
                                 .tag = place.tag};
    uint8_t *fresh;
    if (!value_new(store, content, &fresh))
        return false;
    store->env->touch(store->env, place.leaf);
    value_set(store, place, fresh, stored_len(content), mark_of(content));
    return true;
}

static void detach(struct kv_store *store, struct kv_place place)
{
    forget_entry(store, place.entry);
    leaf_remove(kv_store_leaf(store, place.leaf), place.slot, 1);
}

static void change_commit(struct kv_store *store, const struct kv_change *change)
{
    if (change->kind == KV_REPLACED) {
        give_back(store, change->old_value, value_size(change->old_len));
    } else if (change->kind == KV_REMOVED) {
        entry_free(store, change->entry);
        leaf_trim(store, kv_store_leaf(store, change->leaf));
    }
}

void kv_store_remove(struct kv_store *store, struct kv_place place, struct kv_change *change)
{
    struct kv_change removed = {
        .kind = KV_REMOVED, .entry = place.entry, .leaf = place.leaf, .tag = place.tag};
    store->env->touch(store->env, place.leaf);
    detach(store, place);
    if (change)
        *change = removed;
    else
        change_commit(store, &removed);
}

void kv_changes_commit(struct kv_store *store, const struct kv_change *changes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        change_commit(store, &changes[i]);
}

/* Allocates nothing: blocks of leaves do not shrink before all changes are taken back. */
static void change_undo(struct kv_store *store, const struct kv_change *change)
{
    struct kv_entry *entry = change->entry;
    struct kv_place place = {.entry = entry, .leaf = change->leaf, .tag = change->tag};
    struct kv_leaf *leaf = kv_store_leaf(store, change->leaf);
    struct slice key = {.data = entry->key, .len = entry->key_len};
    bool there = leaf_search(leaf, change->tag, key, &place.slot);
    CHECK(there == (change->kind != KV_REMOVED));
    switch (change->kind) {
    case KV_INSERTED:
        detach(store, place);
        entry_free(store, entry);
        if (change->drew_hash_key)
            forget_hash_key(store);
        break;
    case KV_REPLACED:
        give_back(store, entry->value, value_size(entry->value_len));
        value_set(store, place, change->old_value, change->old_len, change->old_mark);
        break;
    case KV_REMOVED:
        leaf_insert(leaf, place.slot, entry, change->tag);
        enter_entry(store, entry);
        break;
    }
}

void kv_changes_undo(struct kv_store *store, const struct kv_change *changes, uint32_t count)
{
    for (uint32_t i = count; i > 0; i--)
        change_undo(store, &changes[i - 1]);
    for (uint32_t i = 0; i < count; i++)
        leaf_trim(store, kv_store_leaf(store, changes[i].leaf));
}

void kv_store_drop(struct kv_store *store, uint64_t number, uint32_t slot, uint32_t slots)
{
    struct kv_leaf *leaf = kv_store_leaf(store, number);
    if (slots == 0)
        return;
    store->env->touch(store->env, number);
    for (uint32_t i = slot; i < slot + slots; i++) {
        struct kv_entry *entry = kv_leaf_entries(leaf)[i];
        forget_entry(store, entry);
        entry_free(store, entry);
    }
    leaf_remove(leaf, slot, slots);
    leaf_trim(store, leaf);
}

/* The same, and its digest stays known. */
static bool holds(const struct kv_entry *entry, const struct kv_content *content)
{
    struct slice old = kv_entry_value(entry);
    return entry->mark == mark_of(content) && kv_entry_expires(entry) == content->expires_us &&
           old.len == content->value.len &&
           (old.len == 0 || memcmp(old.data, content->value.data, old.len) == 0);
}

bool kv_store_merge(struct kv_store *store, uint64_t leaf, uint32_t slot, struct slice key,
                    const struct kv_content *content)
{
    if (!store->hash_known)
        return false;
    struct kv_place place = find_in(store, key, content->mark & KV_INNER);
    if (place.leaf != leaf || place.slot < slot)
        return false;
    kv_store_drop(store, leaf, slot, place.slot - slot);
    place.slot = slot;
    if (!place.entry)
        return insert(store, place, key, content);
    return holds(place.entry, content) || value_replace(store, place, content);
}

/* ----------------------------------------------------------------------------------------------------- invariants */

static void leaf_validate(const struct kv_store *store, uint64_t number)
{
    const struct kv_leaf *leaf = kv_store_leaf(store, number);
    CHECK(leaf->count <= leaf->capacity && (leaf->block != NULL) == (leaf->capacity > 0));
    for (uint32_t i = 0; i < leaf->count; i++) {
        const struct kv_entry *entry = kv_leaf_entries(leaf)[i];
        struct slice key = {.data = entry->key, .len = entry->key_len};
        uint64_t hash = kv_hash(store->hash_key, key.data, key.len);
        CHECK(leaf_of(hash, store->leaves) == number);
        uint32_t tag = kv_tag(hash, entry->mark & KV_INNER);
        CHECK(kv_leaf_tags(leaf)[i] == tag);
        CHECK(i == 0 || slot_compare(leaf, i - 1, tag, key) < 0);
        CHECK(kv_leaf_known(leaf)[i] <= (KV_DIGEST_KNOWN | KV_GROUP_KNOWN));
    }
}

void kv_store_validate(const struct kv_store *store)
{
    struct kv_store sum = {.leaves = 0};
    for (uint64_t i = 0; i < store->leaves; i++) {
        leaf_validate(store, i);
        const struct kv_leaf *leaf = kv_store_leaf(store, i);
        for (uint32_t slot = 0; slot < leaf->count; slot++)
            count_entry(&sum, kv_leaf_entries(leaf)[slot], 1);
    }
    CHECK(sum.keys == store->keys && sum.used == store->used && sum.used <= store->limit);
    CHECK(sum.clients == store->clients && sum.expiring == store->expiring && sum.dead == store->dead);
    CHECK(sum.keys <= KV_KEYS_PER_LEAF * store->leaves || store->leaves == KV_LEAVES_MAX);
    CHECK(kv_index_validate(&store->index) == sum.clients);
    CHECK(kv_index_validate(&store->inner) == sum.keys - sum.clients);
}
