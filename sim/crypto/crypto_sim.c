/*
 * crypto.h for the simulator: fast, deterministic from a seed, and unforgeable by construction.
 *
 * Digests are a well-mixed 256-bit hash without cryptographic claims: nobody in the simulator searches for collisions.
 * Signatures and key agreement need no curve: a registry that only this file reads knows the secret behind every public
 * key. A signature is a keyed hash under the secret, and checking it looks the secret up; an agreement hashes both
 * secrets. So a strategy can sign only with key structs that it holds, which is all that "unforgeable" means.
 */
#include "crypto_sim.h"

#include <assert.h>
#include <string.h>

#include "base/check.h"
#include "crypto/crypto.h"

/* ------------------------------------------------------------------------------------------------ hash */

struct hash {
    uint64_t lane[4];
    uint64_t total;
    uint8_t waiting[32];
    uint32_t have;
};
static_assert(sizeof(struct hash) <= sizeof(((struct digest_state *)0)->opaque), "state fits");

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static const uint64_t odd[4] = {0xa0761d6478bd642full, 0xe7037ed1a0b428dbull, 0x8ebc6af09c88c6e3ull,
                                0x589965cc75374cc3ull};

static void hash_begin(struct hash *h, const uint8_t key[32], const char *tag)
{
    uint64_t words[4] = {0};
    size_t len = strlen(tag);
    if (key)
        memcpy(words, key, sizeof words);
    for (size_t i = 0; i < len; i++)
        words[i % 4] = mix(words[i % 4] ^ (uint64_t)(uint8_t)tag[i] ^ i << 8, odd[i % 4]) + (uint8_t)tag[i];
    for (int i = 0; i < 4; i++)
        h->lane[i] = mix(words[i] ^ odd[i], odd[(i + 1) % 4] ^ len) + words[(i + 1) % 4];
    h->total = 0;
    h->have = 0;
}

static void hash_block(struct hash *h, const uint8_t *data)
{
    uint64_t w[4];
    memcpy(w, data, sizeof w);
    uint64_t carried = h->lane[3];
    for (int i = 0; i < 4; i++) {
        uint64_t next = mix(h->lane[i] ^ w[i] ^ odd[i], carried ^ odd[(i + 2) % 4]) + w[i];
        carried = h->lane[i];
        h->lane[i] = next + (next >> 29);
    }
}

static void hash_add(struct hash *h, const void *data, size_t len)
{
    const uint8_t *from = data;
    h->total += len;
    if (h->have) {
        size_t part = 32 - h->have < len ? 32 - h->have : len;
        memcpy(h->waiting + h->have, from, part);
        h->have += (uint32_t)part;
        from += part;
        len -= part;
        if (h->have < 32)
            return;
        hash_block(h, h->waiting);
        h->have = 0;
    }
    for (; len >= 32; from += 32, len -= 32)
        hash_block(h, from);
    if (len)
        memcpy(h->waiting, from, len);
    h->have = (uint32_t)len;
}

static void hash_end(struct hash *h, uint8_t out[32])
{
    uint8_t last[32] = {0};
    memcpy(last, h->waiting, h->have);
    hash_block(h, last);
    for (int round = 0; round < 2; round++) {
        uint64_t l[4] = {h->total + (uint64_t)round, h->lane[0], h->lane[1], h->lane[2]};
        hash_block(h, (const uint8_t *)l);
    }
    memcpy(out, h->lane, 32);
}

static void hash_of(uint8_t out[32], const uint8_t key[32], const char *tag, const void *data, size_t len)
{
    struct hash h;
    hash_begin(&h, key, tag);
    if (len)
        hash_add(&h, data, len);
    hash_end(&h, out);
}

/* ------------------------------------------------------------------------------------------------ registry */

#define KEYS_MAX 8192u

static struct {
    uint8_t public[32];
    uint8_t secret[32];
    bool used;
} registry[KEYS_MAX];
static uint32_t registered[KEYS_MAX / 2];
static uint32_t registered_count;
static uint64_t drawn;
static uint8_t draw_key[32];

void crypto_sim_reset(uint64_t seed)
{
    for (uint32_t i = 0; i < registered_count; i++)
        registry[registered[i]].used = false;
    registered_count = 0;
    drawn = 0;
    hash_of(draw_key, NULL, "seed", &seed, sizeof seed);
}

static uint32_t place_of(const uint8_t public[32])
{
    uint64_t prefix;
    memcpy(&prefix, public, sizeof prefix);
    uint32_t at = (uint32_t)(prefix % KEYS_MAX);
    while (registry[at].used && memcmp(registry[at].public, public, 32) != 0)
        at = (at + 1) % KEYS_MAX;
    return at;
}

static const uint8_t *secret_of(const uint8_t public[32])
{
    uint32_t at = place_of(public);
    return registry[at].used ? registry[at].secret : NULL;
}

static void enter(uint8_t public[32], const uint8_t secret[32], const char *tag)
{
    hash_of(public, NULL, tag, secret, 32);
    uint32_t at = place_of(public);
    if (registry[at].used)
        return;
    CHECK(registered_count < KEYS_MAX / 2);
    registered[registered_count++] = at;
    memcpy(registry[at].public, public, 32);
    memcpy(registry[at].secret, secret, 32);
    registry[at].used = true;
}

/* ------------------------------------------------------------------------------------------------ the facade */

int crypto_start(void)
{
    return 0;
}

void crypto_random(void *out, size_t len)
{
    uint8_t *to = out;
    while (len) {
        uint8_t block[32];
        size_t part = len < sizeof block ? len : sizeof block;
        drawn++;
        hash_of(block, draw_key, "random", &drawn, sizeof drawn);
        memcpy(to, block, part);
        to += part;
        len -= part;
    }
}

void crypto_wipe(void *memory, size_t len)
{
    memset(memory, 0, len);
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return memcmp(a, b, len) == 0;
}

void digest_begin(struct digest_state *state, const char *tag)
{
    hash_begin((struct hash *)(void *)state->opaque, NULL, tag);
}

void digest_add(struct digest_state *state, const void *data, size_t len)
{
    if (len)
        hash_add((struct hash *)(void *)state->opaque, data, len);
}

void digest_end(struct digest_state *state, struct digest *out)
{
    hash_end((struct hash *)(void *)state->opaque, out->bytes);
}

void digest_of(struct digest *out, const char *tag, const void *data, size_t len)
{
    hash_of(out->bytes, NULL, tag, data, len);
}

void digest_many(struct digest *out, const char *tag, const struct slice *in, size_t count)
{
    for (size_t i = 0; i < count; i++)
        digest_of(&out[i], tag, in[i].data, in[i].len);
}

void mac_make(uint8_t out[MAC_BYTES], const struct secret_key *key, const void *data, size_t len)
{
    uint8_t full[32];
    hash_of(full, key->bytes, "mac", data, len);
    memcpy(out, full, MAC_BYTES);
}

bool mac_check(const uint8_t mac[MAC_BYTES], const struct secret_key *key, const void *data, size_t len)
{
    uint8_t expected[MAC_BYTES];
    mac_make(expected, key, data, len);
    return memcmp(expected, mac, MAC_BYTES) == 0;
}

void key_derive(struct secret_key *out, const struct secret_key *from, const char *label, const void *data,
                size_t len)
{
    hash_of(out->bytes, from->bytes, label, data, len);
}

void sign_keypair_from(struct sign_key *key, const uint8_t seed[32])
{
    memset(key, 0, sizeof *key);
    memcpy(key->secret, seed, 32);
    enter(key->public, key->secret, "sign key");
}

void sign_keypair(struct sign_key *key)
{
    uint8_t seed[32];
    crypto_random(seed, sizeof seed);
    sign_keypair_from(key, seed);
}

void sign_make(uint8_t out[SIGNATURE_BYTES], const struct sign_key *key, const void *data, size_t len)
{
    memset(out, 0, SIGNATURE_BYTES);
    hash_of(out, key->secret, "signature", data, len);
}

bool sign_check(const uint8_t signature[SIGNATURE_BYTES], const uint8_t public[32], const void *data,
                size_t len)
{
    uint8_t expected[SIGNATURE_BYTES] = {0};
    const uint8_t *secret = secret_of(public);
    if (!secret)
        return false;
    hash_of(expected, secret, "signature", data, len);
    return memcmp(expected, signature, SIGNATURE_BYTES) == 0;
}

void box_keypair_from(struct box_key *key, const uint8_t secret[32])
{
    memcpy(key->secret, secret, 32);
    enter(key->public, key->secret, "box key");
}

void box_keypair(struct box_key *key)
{
    uint8_t secret[32];
    crypto_random(secret, sizeof secret);
    box_keypair_from(key, secret);
}

bool box_agree(struct secret_key *out, const struct box_key *mine, const uint8_t peer_public[32])
{
    const uint8_t *theirs = secret_of(peer_public);
    uint8_t both[64];
    if (!theirs)
        return false;
    bool mine_first = memcmp(mine->secret, theirs, 32) < 0;
    memcpy(both, mine_first ? mine->secret : theirs, 32);
    memcpy(both + 32, mine_first ? theirs : mine->secret, 32);
    hash_of(out->bytes, NULL, "agree", both, sizeof both);
    return true;
}

static void stream(uint8_t *out, const struct secret_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
                   const uint8_t *in, size_t len)
{
    uint8_t start[32];
    uint64_t s[2];
    hash_of(start, key->bytes, "stream", nonce, AEAD_NONCE_BYTES);
    memcpy(s, start, sizeof s);
    for (size_t at = 0; at < len; at += 8) {
        uint64_t pad = mix(s[0] + (at + 1) * odd[0], s[1] ^ odd[1]);
        size_t part = len - at < 8 ? len - at : 8;
        uint64_t word = 0;
        memcpy(&word, in + at, part);
        word ^= pad;
        memcpy(out + at, &word, part);
    }
}

static void seal_tag(uint8_t tag[AEAD_TAG_BYTES], const struct secret_key *key,
                     const uint8_t nonce[AEAD_NONCE_BYTES], const void *ad, size_t ad_len,
                     const uint8_t *sealed, size_t len)
{
    struct hash h;
    uint8_t full[32];
    hash_begin(&h, key->bytes, "aead");
    hash_add(&h, nonce, AEAD_NONCE_BYTES);
    hash_add(&h, &ad_len, sizeof ad_len);
    if (ad_len)
        hash_add(&h, ad, ad_len);
    if (len)
        hash_add(&h, sealed, len);
    hash_end(&h, full);
    memcpy(tag, full, AEAD_TAG_BYTES);
}

void aead_seal(uint8_t *out, const struct secret_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
               const void *ad, size_t ad_len, const uint8_t *plain, size_t len)
{
    stream(out, key, nonce, plain, len);
    seal_tag(out + len, key, nonce, ad, ad_len, out, len);
}

bool aead_open(uint8_t *out, const struct secret_key *key, const uint8_t nonce[AEAD_NONCE_BYTES],
               const void *ad, size_t ad_len, const uint8_t *sealed, size_t sealed_len)
{
    uint8_t tag[AEAD_TAG_BYTES];
    if (sealed_len < AEAD_TAG_BYTES)
        return false;
    size_t len = sealed_len - AEAD_TAG_BYTES;
    seal_tag(tag, key, nonce, ad, ad_len, sealed, len);
    if (memcmp(tag, sealed + len, AEAD_TAG_BYTES) != 0)
        return false;
    stream(out, key, nonce, sealed, len);
    return true;
}

/* out = ephemeral public (32), sealed, tag (16). */
void box_seal(uint8_t *out, const uint8_t peer_public[32], const void *data, size_t len)
{
    static_assert(SEAL_BYTES == 32 + AEAD_TAG_BYTES, "public key and tag");
    static const uint8_t nonce[AEAD_NONCE_BYTES];
    struct box_key once;
    struct secret_key key = {{0}};
    box_keypair(&once);
    bool agreed = box_agree(&key, &once, peer_public);
    CHECK(agreed);
    memcpy(out, once.public, 32);
    aead_seal(out + 32, &key, nonce, NULL, 0, data, len);
}

bool box_open(uint8_t *out, const struct box_key *mine, const uint8_t *sealed, size_t sealed_len)
{
    static const uint8_t nonce[AEAD_NONCE_BYTES];
    struct secret_key key;
    return sealed_len >= SEAL_BYTES && box_agree(&key, mine, sealed) &&
           aead_open(out, &key, nonce, NULL, 0, sealed + 32, sealed_len - 32);
}
