#include "execution/kept.h"

#include <string.h>

#include "base/check.h"

void kept_init(struct kept_pool *pool, struct arena *arena, uint32_t replies_max)
{
    uint32_t count = (KEPT_BYTES_MAX + REPLY_BODY_MAX) / KEPT_CHUNK_BYTES + replies_max + 2;
    pool->chunk = arena_take(arena, (size_t)count * KEPT_CHUNK_BYTES);
    pool->next = arena_take(arena, count * sizeof *pool->next);
    for (uint32_t i = 0; i < count; i++)
        pool->next[i] = i + 1 < count ? i + 2 : 0;
    pool->free = 1;
}

static uint8_t *chunk_at(const struct kept_pool *pool, uint32_t handle)
{
    return pool->chunk + (size_t)(handle - 1) * KEPT_CHUNK_BYTES;
}

uint32_t kept_store(struct kept_pool *pool, const uint8_t *data, size_t len)
{
    uint32_t first = 0;
    uint32_t *link = &first;
    for (size_t at = 0; at < len; at += KEPT_CHUNK_BYTES) {
        uint32_t handle = pool->free;
        CHECK(handle != 0);
        pool->free = pool->next[handle - 1];
        size_t part = len - at < KEPT_CHUNK_BYTES ? len - at : KEPT_CHUNK_BYTES;
        memcpy(chunk_at(pool, handle), data + at, part);
        *link = handle;
        link = &pool->next[handle - 1];
    }
    *link = 0;
    return first;
}

void kept_copy(const struct kept_pool *pool, uint32_t handle, size_t len, uint8_t *out)
{
    for (size_t at = 0; at < len; at += KEPT_CHUNK_BYTES, handle = pool->next[handle - 1]) {
        size_t part = len - at < KEPT_CHUNK_BYTES ? len - at : KEPT_CHUNK_BYTES;
        memcpy(out + at, chunk_at(pool, handle), part);
    }
}

void kept_digest(const struct kept_pool *pool, uint32_t handle, size_t len, struct digest *digest)
{
    struct digest_state state;
    digest_begin(&state, KEPT_TAG);
    for (size_t at = 0; at < len; at += KEPT_CHUNK_BYTES, handle = pool->next[handle - 1])
        digest_add(&state, chunk_at(pool, handle), len - at < KEPT_CHUNK_BYTES ? len - at : KEPT_CHUNK_BYTES);
    digest_end(&state, digest);
}

void kept_drop(struct kept_pool *pool, uint32_t handle)
{
    while (handle) {
        uint32_t next = pool->next[handle - 1];
        pool->next[handle - 1] = pool->free;
        pool->free = handle;
        handle = next;
    }
}
