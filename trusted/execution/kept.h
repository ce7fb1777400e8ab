/*
 * Memory for kept results: chains of small chunks of one size, so that no sequence of lengths can fragment it. Enough
 * for KEPT_BYTES_MAX, one partly filled chunk per reply, and the reply under execution: storing never fails as long as
 * the byte budget is kept.
 */
#ifndef EXECUTION_KEPT_H
#define EXECUTION_KEPT_H

#include "base/arena.h"
#include "base/limits.h"
#include "crypto/crypto.h"

#define KEPT_CHUNK_BYTES 512u
#define KEPT_TAG         "kept" /* of the digest */

struct kept_pool {
    uint8_t *chunk;
    uint32_t *next; /* index + 1 */
    uint32_t free;
};

void kept_init(struct kept_pool *pool, struct arena *arena, uint32_t replies_max);
/* Returns the handle (0 for no bytes). */
uint32_t kept_store(struct kept_pool *pool, const uint8_t *data, size_t len);
void kept_copy(const struct kept_pool *pool, uint32_t handle, size_t len, uint8_t *out);
void kept_digest(const struct kept_pool *pool, uint32_t handle, size_t len, struct digest *digest);
void kept_drop(struct kept_pool *pool, uint32_t handle);

#endif
