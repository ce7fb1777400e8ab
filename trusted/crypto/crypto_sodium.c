/*
 * The facade over libsodium.
 */
#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "base/check.h"
#include "crypto/crypto.h"
#include "crypto/lanes.h"

static_assert(sizeof(crypto_generichash_state) <= sizeof(((struct digest_state *)0)->opaque), "state fits");

int crypto_start(void)
{
    return sodium_init() < 0 ? -1 : 0;
}

void crypto_random(void *out, size_t len)
{
    randombytes_buf(out, len);
}

void crypto_wipe(void *memory, size_t len)
{
    sodium_memzero(memory, len);
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

static crypto_generichash_state *hash_state(struct digest_state *state)
{
    return (crypto_generichash_state *)(void *)state->opaque;
}

static const uint8_t salt[crypto_generichash_blake2b_SALTBYTES] = "redoubt 1";

/* In BLAKE2's own parameter for it: as good as a prefix, and a short message stays one block. */
static void put_tag(uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES], const char *tag)
{
    size_t len = strlen(tag);
    CHECK(len <= crypto_generichash_blake2b_PERSONALBYTES);
    memset(personal, 0, crypto_generichash_blake2b_PERSONALBYTES);
    memcpy(personal, tag, len);
}

void digest_begin(struct digest_state *state, const char *tag)
{
    uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES];
    put_tag(personal, tag);
    crypto_generichash_blake2b_init_salt_personal(hash_state(state), NULL, 0, sizeof(struct digest), salt,
                                                  personal);
}

void digest_add(struct digest_state *state, const void *data, size_t len)
{
    if (len)
        crypto_generichash_update(hash_state(state), data, len);
}

void digest_end(struct digest_state *state, struct digest *out)
{
    crypto_generichash_final(hash_state(state), out->bytes, sizeof out->bytes);
}

void digest_of(struct digest *out, const char *tag, const void *data, size_t len)
{
    struct digest_state state;
    digest_begin(&state, tag);
    digest_add(&state, data, len);
    digest_end(&state, out);
}

void digest_many(struct digest *out, const char *tag, const struct slice *in, size_t count)
{
    uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES];
    put_tag(personal, tag);
    size_t i = 0;
    for (; lanes_supported() && count - i >= LANES_PAY; i += count - i < LANES ? count - i : LANES) {
        struct slice lane[LANES] = {{NULL, 0}};
        struct digest digest[LANES];
        size_t here = count - i < LANES ? count - i : LANES;
        memcpy(lane, in + i, here * sizeof *lane);
        lanes_digest(digest, lane, salt, personal);
        memcpy(out + i, digest, here * sizeof *digest);
    }
    for (; i < count; i++)
        digest_of(&out[i], tag, in[i].data, in[i].len);
}

void mac_make(uint8_t out[MAC_BYTES], const struct secret_key *key, const void *data, size_t len)
{
    crypto_generichash(out, MAC_BYTES, data, len, key->bytes, sizeof key->bytes);
}

bool mac_check(const uint8_t mac[MAC_BYTES], const struct secret_key *key, const void *data, size_t len)
{
    uint8_t expected[MAC_BYTES];
    mac_make(expected, key, data, len);
    return crypto_equal(expected, mac, MAC_BYTES);
}

void key_derive(struct secret_key *out, const struct secret_key *from, const char *label, const void *data,
                size_t len)
{
    crypto_generichash_state state;
    uint8_t length = (uint8_t)strlen(label);
    crypto_generichash_init(&state, from->bytes, sizeof from->bytes, sizeof out->bytes);
    crypto_generichash_update(&state, &length, 1);
    crypto_generichash_update(&state, (const uint8_t *)label, length);
    if (len)
        crypto_generichash_update(&state, data, len);
    crypto_generichash_final(&state, out->bytes, sizeof out->bytes);
    crypto_wipe(&state, sizeof state);
}

void sign_keypair(struct sign_key *key)
{
    crypto_sign_keypair(key->public, key->secret);
}

void sign_keypair_from(struct sign_key *key, const uint8_t seed[32])
{
    crypto_sign_seed_keypair(key->public, key->secret, seed);
}

void sign_make(uint8_t out[SIGNATURE_BYTES], const struct sign_key *key, const void *data, size_t len)
{
    crypto_sign_detached(out, NULL, data, len, key->secret);
}

bool sign_check(const uint8_t signature[SIGNATURE_BYTES], const uint8_t public[32], const void *data,
                size_t len)
{
    return crypto_sign_verify_detached(signature, data, len, public) == 0;
}

void box_keypair(struct box_key *key)
{
    crypto_box_keypair(key->public, key->secret);
}

void box_keypair_from(struct box_key *key, const uint8_t secret[32])
{
    memcpy(key->secret, secret, 32);
    crypto_scalarmult_base(key->public, secret);
}

bool box_agree(struct secret_key *out, const struct box_key *mine, const uint8_t peer_public[32])
{
    struct secret_key shared;
    if (crypto_scalarmult(shared.bytes, mine->secret, peer_public) != 0)
        return false;
    uint8_t both[64];
    bool mine_first = memcmp(mine->public, peer_public, 32) < 0;
    memcpy(both, mine_first ? mine->public : peer_public, 32);
    memcpy(both + 32, mine_first ? peer_public : mine->public, 32);
    key_derive(out, &shared, "redoubt agree", both, sizeof both);
    crypto_wipe(&shared, sizeof shared);
    return true;
}

void box_seal(uint8_t *out, const uint8_t peer_public[32], const void *data, size_t len)
{
    static_assert(SEAL_BYTES == crypto_box_SEALBYTES, "as the library has it");
    CHECK(crypto_box_seal(out, data, len, peer_public) == 0);
}

bool box_open(uint8_t *out, const struct box_key *mine, const uint8_t *sealed, size_t sealed_len)
{
    return sealed_len >= SEAL_BYTES &&
           crypto_box_seal_open(out, sealed, sealed_len, mine->public, mine->secret) == 0;
}

void aead_seal(uint8_t *out, const struct secret_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
               const void *ad, size_t ad_len, const uint8_t *plain, size_t len)
{
    crypto_aead_chacha20poly1305_ietf_encrypt(out, NULL, plain, len, ad, ad_len, NULL, nonce, key->bytes);
}

bool aead_open(uint8_t *out, const struct secret_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
               const void *ad, size_t ad_len, const uint8_t *sealed, size_t sealed_len)
{
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, sealed, sealed_len, ad, ad_len, nonce,
                                                     key->bytes) == 0;
}
