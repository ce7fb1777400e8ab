/* What the service kv and the service pages have in common: everything but their operations. State is a struct kv_store. */
#ifndef KV_SERVICE_H
#define KV_SERVICE_H

#include "kv.h"

void *kv_create(const struct redoubt_env *env, const char *options);
uint64_t kv_leaf_count(const void *state);
void kv_service_leaf_digest(const void *state, uint64_t leaf, uint8_t out[REDOUBT_DIGEST_BYTES]);
void kv_service_leaf_digests(const void *state, const uint64_t *leaves, size_t count,
                             uint8_t (*out)[REDOUBT_DIGEST_BYTES]);
void kv_service_leaf_save(const void *state, uint64_t leaf, struct redoubt_sink *sink);
bool kv_reset(void *state, uint64_t leaf_count, bool keep);
bool kv_service_saved_digest(const void *state, uint64_t leaf, const uint8_t *data, size_t bytes,
                             uint8_t out[REDOUBT_DIGEST_BYTES]);
bool kv_service_leaf_load(void *state, uint64_t leaf, const uint8_t *data, size_t bytes);
void kv_expect_leaves(const void *state, const uint64_t *leaves, size_t count);

#endif
