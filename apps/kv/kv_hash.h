/*
 * SipHash-1-3 (Aumasson and Bernstein; one round per word, three at the end): places keys in leaves.
 * It spreads keys against clients that do not know the hash key; it is no part of any digest.
 */
#ifndef KV_HASH_H
#define KV_HASH_H

#include <stddef.h>
#include <stdint.h>

#define KV_HASH_KEY_BYTES 16u

uint64_t kv_hash(const uint8_t hash_key[KV_HASH_KEY_BYTES], const uint8_t *data, size_t len);

#endif
