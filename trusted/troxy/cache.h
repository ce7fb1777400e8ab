/*
 * Results that were voted on: request -> (status, result, version). What is in here is true as of its version; whether it still is,
 * attestors say. Bounded in bytes: an entry lies in a chain of blocks of one size, so that no sequence of lengths can fragment the
 * memory, and whoever was not asked for longest makes room. Requests are what strangers send: they are hashed under a secret key.
 */
#ifndef TROXY_CACHE_H
#define TROXY_CACHE_H

#include "base/arena.h"
#include "crypto/crypto.h"
#include "ordering/versions.h"

#define CACHE_BLOCK_BYTES 512u
#define CACHE_PART        8u /* no entry takes more than this part of all blocks */

struct cache_entry {
    uint64_t hash;
    version_no version;
    uint32_t chain;  /* the next of the same bucket; index + 1, as all that follow */
    uint32_t newer;  /* asked for later */
    uint32_t older;  /* ... and earlier */
    uint32_t blocks; /* request, then result */
    uint32_t request_len, result_len;
    uint8_t status;
    bool used;
    bool attested; /* only a mutant looks at this */
};

struct cache {
    struct secret_key key;
    struct cache_entry *entry;
    uint32_t *bucket;
    uint32_t buckets; /* a power of two */
    uint8_t *block;
    uint32_t *next; /* of a block */
    uint32_t size;  /* blocks, and entries */
    uint32_t free_entry, free_block;
    uint32_t blocks_used, entries_used;
    uint32_t newest, oldest;
};

/* Takes about so many bytes, at least a few blocks. */
void cache_init(struct cache *cache, struct arena *arena, size_t bytes);
/* What the arena must have for it. */
size_t cache_arena_bytes(size_t bytes);
/* NULL: not there. Finding is asking for. Valid until the next put or clear. */
struct cache_entry *cache_find(struct cache *cache, struct slice request);
/* Of a full vote. An entry that is there already stays if its version is higher. */
void cache_put(struct cache *cache, struct slice request, enum redoubt_status status, version_no version,
               struct slice result);
/* What is kept of it, if anything. */
void cache_forget(struct cache *cache, struct slice request);
/* Copies entry->result_len bytes. */
void cache_result(const struct cache *cache, const struct cache_entry *entry, uint8_t *to);
void cache_clear(struct cache *cache);
void cache_validate(const struct cache *cache);

static inline size_t cache_bytes_used(const struct cache *cache)
{
    return (size_t)cache->blocks_used * CACHE_BLOCK_BYTES;
}

#endif
