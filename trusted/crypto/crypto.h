/*
 * Cryptography as the trusted code sees it: a thin facade over one library. crypto_sodium.c is the real one;
 * sim/crypto/ holds another implementation of this header for the simulator, fast and unforgeable by construction.
 *
 * Keys are plain structs so that they can live in an arena; whoever drops one wipes it. Comparisons of MACs and keys
 * take constant time. Randomness is seeded in crypto_start, before a sandbox closes.
 */
#ifndef CRYPTO_CRYPTO_H
#define CRYPTO_CRYPTO_H

#include "base/types.h"

#define MAC_BYTES        16
#define SIGNATURE_BYTES  64
#define AEAD_TAG_BYTES   16
#define AEAD_NONCE_BYTES 12
#define SEAL_BYTES       48 /* what sealing a message adds */

struct secret_key { /* symmetric: MAC, AEAD or derivation */
    uint8_t bytes[32];
};
struct sign_key {
    uint8_t secret[64];
    uint8_t public[32];
};
struct box_key {
    uint8_t secret[32];
    uint8_t public[32];
};
struct digest_state {
    _Alignas(64) uint8_t opaque[448];
};

/* Once per process; 0, or -1 when the library does not work on this machine. */
int crypto_start(void);
void crypto_random(void *out, size_t len);
void crypto_wipe(void *memory, size_t len);
bool crypto_equal(const void *a, const void *b, size_t len);

/* Collision-resistant digest (BLAKE2b, 32 bytes). `tag` (a string literal of at most 16 characters) separates domains. */
void digest_of(struct digest *out, const char *tag, const void *data, size_t len);
/* `count` digests, which together cost less than one after the other; `out` does not overlap what is digested. */
void digest_many(struct digest *out, const char *tag, const struct slice *in, size_t count);
void digest_begin(struct digest_state *state, const char *tag);
void digest_add(struct digest_state *state, const void *data, size_t len);
void digest_end(struct digest_state *state, struct digest *out);

/* Keyed hash: pairwise authentication and key derivation. */
void mac_make(uint8_t out[MAC_BYTES], const struct secret_key *key, const void *data, size_t len);
bool mac_check(const uint8_t mac[MAC_BYTES], const struct secret_key *key, const void *data, size_t len);
void key_derive(struct secret_key *out, const struct secret_key *from, const char *label, const void *data,
                size_t len);

/* Signatures (Ed25519). */
void sign_keypair(struct sign_key *key);
void sign_keypair_from(struct sign_key *key, const uint8_t seed[32]);
void sign_make(uint8_t out[SIGNATURE_BYTES], const struct sign_key *key, const void *data, size_t len);
bool sign_check(const uint8_t signature[SIGNATURE_BYTES], const uint8_t public[32], const void *data,
                size_t len);

/* Key agreement (X25519, hashed with both public keys in canonical order, so both sides get the same);
 * false for a degenerate public key. */
void box_keypair(struct box_key *key);
void box_keypair_from(struct box_key *key, const uint8_t secret[32]);
bool box_agree(struct secret_key *out, const struct box_key *mine, const uint8_t peer_public[32]);

/* Anonymous sealing to a public key: `out` takes len + SEAL_BYTES. */
void box_seal(uint8_t *out, const uint8_t peer_public[32], const void *data, size_t len);
bool box_open(uint8_t *out, const struct box_key *mine, const uint8_t *sealed, size_t sealed_len);

/* Authenticated encryption (ChaCha20-Poly1305): `out` takes len + AEAD_TAG_BYTES; in place is allowed. A nonce must not
 * repeat under one key. */
void aead_seal(uint8_t *out, const struct secret_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
               const void *ad, size_t ad_len, const uint8_t *plain, size_t len);
bool aead_open(uint8_t *out, const struct secret_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
               const void *ad, size_t ad_len, const uint8_t *sealed, size_t sealed_len);

#endif
