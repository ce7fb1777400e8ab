#include "troxy/cache.h"

#include "base/check.h"

#define BLOCKS_MIN     16u
#define BYTES_PER_SLOT (CACHE_BLOCK_BYTES + sizeof(struct cache_entry) + 3 * sizeof(uint32_t))

static uint32_t size_of(size_t bytes)
{
    size_t size = bytes / BYTES_PER_SLOT;
    return size < BLOCKS_MIN ? BLOCKS_MIN : size > UINT32_MAX / 4 ? UINT32_MAX / 4 : (uint32_t)size;
}

static uint32_t buckets_for(uint32_t size)
{
    uint32_t buckets = 1;
    while (buckets < size)
        buckets *= 2;
    return buckets;
}

size_t cache_arena_bytes(size_t bytes)
{
    uint32_t size = size_of(bytes);
    return size * BYTES_PER_SLOT + buckets_for(size) * sizeof(uint32_t) + 4096;
}

static void lists_init(struct cache *c)
{
    for (uint32_t i = 0; i < c->size; i++) {
        c->next[i] = i + 1 < c->size ? i + 2 : 0;
        c->entry[i] = (struct cache_entry){.chain = i + 1 < c->size ? i + 2 : 0};
    }
    c->free_entry = c->free_block = 1;
}

void cache_init(struct cache *c, struct arena *arena, size_t bytes)
{
    memset(c, 0, sizeof *c);
    c->size = size_of(bytes);
    c->buckets = buckets_for(c->size);
    c->entry = arena_take(arena, c->size * sizeof *c->entry);
    c->bucket = arena_take(arena, c->buckets * sizeof *c->bucket);
    c->block = arena_take(arena, (size_t)c->size * CACHE_BLOCK_BYTES);
    c->next = arena_take(arena, c->size * sizeof *c->next);
    crypto_random(c->key.bytes, sizeof c->key.bytes);
    lists_init(c);
}

static uint64_t hash_of(const struct cache *c, struct slice request)
{
    uint8_t mac[MAC_BYTES];
    uint64_t hash;
    mac_make(mac, &c->key, request.data, request.len);
    memcpy(&hash, mac, sizeof hash);
    return hash;
}

/* --- blocks: `skip` bytes into the chain ------------------------------------------------------------------------------- */

static uint8_t *block_at(const struct cache *c, uint32_t block)
{
    return c->block + (size_t)(block - 1) * CACHE_BLOCK_BYTES;
}

static uint32_t blocks_for(size_t bytes)
{
    return bytes ? (uint32_t)((bytes + CACHE_BLOCK_BYTES - 1) / CACHE_BLOCK_BYTES) : 1;
}

static void chain_write(struct cache *c, uint32_t block, size_t at, struct slice from)
{
    for (; at >= CACHE_BLOCK_BYTES; at -= CACHE_BLOCK_BYTES)
        block = c->next[block - 1];
    while (from.len) {
        size_t len = CACHE_BLOCK_BYTES - at < from.len ? CACHE_BLOCK_BYTES - at : from.len;
        memcpy(block_at(c, block) + at, from.data, len);
        from = (struct slice){from.data + len, from.len - len};
        at = 0;
        block = c->next[block - 1];
    }
}

static bool request_is(const struct cache *c, const struct cache_entry *entry, struct slice request)
{
    uint32_t block = entry->blocks;
    if (entry->request_len != request.len)
        return false;
    while (request.len) {
        size_t len = request.len < CACHE_BLOCK_BYTES ? request.len : CACHE_BLOCK_BYTES;
        if (memcmp(block_at(c, block), request.data, len) != 0)
            return false;
        request = (struct slice){request.data + len, request.len - len};
        block = c->next[block - 1];
    }
    return true;
}

void cache_result(const struct cache *c, const struct cache_entry *entry, uint8_t *to)
{
    uint32_t block = entry->blocks;
    size_t at = entry->request_len, left = entry->result_len;
    for (; at >= CACHE_BLOCK_BYTES; at -= CACHE_BLOCK_BYTES)
        block = c->next[block - 1];
    while (left) {
        size_t len = CACHE_BLOCK_BYTES - at < left ? CACHE_BLOCK_BYTES - at : left;
        memcpy(to, block_at(c, block) + at, len);
        to += len;
        left -= len;
        at = 0;
        block = c->next[block - 1];
    }
}

/* --- who was asked for when -------------------------------------------------------------------------------------------- */

static void unlink_use(struct cache *c, struct cache_entry *e)
{
    *(e->newer ? &c->entry[e->newer - 1].older : &c->newest) = e->older;
    *(e->older ? &c->entry[e->older - 1].newer : &c->oldest) = e->newer;
    e->newer = e->older = 0;
}

static void link_newest(struct cache *c, struct cache_entry *e)
{
    uint32_t number = (uint32_t)(e - c->entry) + 1;
    e->older = c->newest;
    *(c->newest ? &c->entry[c->newest - 1].newer : &c->oldest) = number;
    c->newest = number;
}

/* --- entries ------------------------------------------------------------------------------------------------------------ */

static uint32_t *bucket_of(struct cache *c, uint64_t hash)
{
    return &c->bucket[hash & (c->buckets - 1)];
}

static void drop(struct cache *c, struct cache_entry *e)
{
    uint32_t number = (uint32_t)(e - c->entry) + 1, *link = bucket_of(c, e->hash);
    while (*link != number)
        link = &c->entry[*link - 1].chain;
    *link = e->chain;
    unlink_use(c, e);
    uint32_t last = e->blocks, count = 1;
    for (; c->next[last - 1]; last = c->next[last - 1])
        count++;
    c->next[last - 1] = c->free_block;
    c->free_block = e->blocks;
    c->blocks_used -= count;
    c->entries_used--;
    *e = (struct cache_entry){.chain = c->free_entry};
    c->free_entry = number;
}

static struct cache_entry *find(struct cache *c, struct slice request, uint64_t hash)
{
    for (uint32_t at = *bucket_of(c, hash); at; at = c->entry[at - 1].chain)
        if (c->entry[at - 1].hash == hash && request_is(c, &c->entry[at - 1], request))
            return &c->entry[at - 1];
    return NULL;
}

struct cache_entry *cache_find(struct cache *c, struct slice request)
{
    struct cache_entry *e = find(c, request, hash_of(c, request));
    if (e) {
        unlink_use(c, e);
        link_newest(c, e);
    }
    return e;
}

/* So many blocks, in a chain; there are as many free. */
static uint32_t blocks_take(struct cache *c, uint32_t count)
{
    uint32_t first = c->free_block, last = first;
    for (uint32_t i = 1; i < count; i++)
        last = c->next[last - 1];
    c->free_block = c->next[last - 1];
    c->next[last - 1] = 0;
    c->blocks_used += count;
    return first;
}

void cache_forget(struct cache *c, struct slice request)
{
    struct cache_entry *e = find(c, request, hash_of(c, request));
    if (e)
        drop(c, e);
}

void cache_put(struct cache *c, struct slice request, enum redoubt_status status, version_no version,
               struct slice result)
{
    uint64_t hash = hash_of(c, request);
    struct cache_entry *e = find(c, request, hash);
    uint32_t count = blocks_for(request.len + result.len);
    if (e && e->version > version)
        return;
    if (e)
        drop(c, e);
    if (count > c->size / CACHE_PART)
        return;
    while (c->size - c->blocks_used < count)
        drop(c, &c->entry[c->oldest - 1]);
    e = &c->entry[c->free_entry - 1]; /* each has a block, so there are as many */
    c->free_entry = e->chain;
    *e = (struct cache_entry){.hash = hash,
                              .version = version,
                              .chain = *bucket_of(c, hash),
                              .blocks = blocks_take(c, count),
                              .request_len = (uint32_t)request.len,
                              .result_len = (uint32_t)result.len,
                              .status = (uint8_t)status,
                              .used = true};
    *bucket_of(c, hash) = (uint32_t)(e - c->entry) + 1;
    link_newest(c, e);
    c->entries_used++;
    chain_write(c, e->blocks, 0, request);
    chain_write(c, e->blocks, request.len, result);
}

void cache_clear(struct cache *c)
{
    memset(c->bucket, 0, c->buckets * sizeof *c->bucket);
    c->newest = c->oldest = 0;
    c->blocks_used = c->entries_used = 0;
    lists_init(c);
}

void cache_validate(const struct cache *c)
{
    uint32_t blocks = 0, entries = 0, before = 0;
    for (uint32_t at = c->newest; at; before = at, at = c->entry[at - 1].older) {
        const struct cache_entry *e = &c->entry[at - 1];
        CHECK(e->used && e->newer == before && entries++ < c->size);
        blocks += blocks_for((size_t)e->request_len + e->result_len);
    }
    CHECK(before == c->oldest && entries == c->entries_used);
    CHECK(blocks == c->blocks_used && blocks <= c->size);
}
