/*
 * The digests that a service is given (include/redoubt/app.h), and those that it gives, wherever it runs.
 */
#ifndef CRYPTO_SERVICE_H
#define CRYPTO_SERVICE_H

#include <redoubt/app.h>
#include <string.h>

#include "crypto/crypto.h"

#define SERVICE_TAG "leaf"

static inline void service_digest(uint8_t out[REDOUBT_DIGEST_BYTES], const void *data, size_t bytes)
{
    struct digest digest;
    digest_of(&digest, SERVICE_TAG, data, bytes);
    memcpy(out, digest.bytes, sizeof digest.bytes);
}

static inline void service_digests(uint8_t (*out)[REDOUBT_DIGEST_BYTES], const struct redoubt_bytes *in, size_t count)
{
    struct slice slice[REDOUBT_EXPECT_MAX];
    struct digest digest[REDOUBT_EXPECT_MAX];
    for (size_t at = 0, here; at < count; at += here) {
        here = count - at < REDOUBT_EXPECT_MAX ? count - at : REDOUBT_EXPECT_MAX;
        for (size_t i = 0; i < here; i++)
            slice[i] = (struct slice){in[at + i].data, in[at + i].bytes};
        digest_many(digest, SERVICE_TAG, slice, here);
        memcpy(out + at, digest, here * sizeof *digest);
    }
}

/* Digests of at most REDOUBT_EXPECT_MAX leaves. */
static inline void service_leaf_digests(const struct redoubt_service *service, const void *state, const uint64_t *leaf,
                                        size_t count, uint8_t (*out)[REDOUBT_DIGEST_BYTES])
{
    if (service->expect_leaves && count > 1)
        service->expect_leaves(state, leaf, count);
    if (service->leaf_digests) {
        service->leaf_digests(state, leaf, count, out);
        return;
    }
    for (size_t i = 0; i < count; i++)
        service->leaf_digest(state, leaf[i], out[i]);
}

#endif
