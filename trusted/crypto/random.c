#include "crypto/random.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "crypto/crypto.h"

#define BLOCK_BYTES 512u
#define KEY_BYTES   32u

static struct {
    uint8_t block[BLOCK_BYTES]; /* the first bytes are the key of the next block */
    size_t used;                /* bytes of the block that are key or were handed out */
} generator;

static void refill(void)
{
    static const uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
    uint8_t key[KEY_BYTES];
    memcpy(key, generator.block, KEY_BYTES);
    crypto_stream_chacha20(generator.block, BLOCK_BYTES, nonce, key);
    crypto_wipe(key, sizeof key);
    generator.used = KEY_BYTES;
}

static void generator_fill(void *out, size_t len)
{
    uint8_t *to = out;
    while (len > 0) {
        if (generator.used == BLOCK_BYTES)
            refill();
        size_t part = BLOCK_BYTES - generator.used < len ? BLOCK_BYTES - generator.used : len;
        memcpy(to, generator.block + generator.used, part);
        crypto_wipe(generator.block + generator.used, part); /* what was handed out is not kept */
        generator.used += part;
        to += part;
        len -= part;
    }
}

static const char *generator_name(void)
{
    return "redoubt";
}

static uint32_t generator_u32(void)
{
    uint32_t value;
    generator_fill(&value, sizeof value);
    return value;
}

int crypto_random_alone(void)
{
    static randombytes_implementation implementation = {
        .implementation_name = generator_name,
        .random = generator_u32,
        .buf = generator_fill,
    };
    static_assert(crypto_stream_chacha20_KEYBYTES == KEY_BYTES, "as the library has it");
    randombytes_buf(generator.block, KEY_BYTES); /* from the kernel, this once */
    generator.used = BLOCK_BYTES;
    randombytes_close();
    return randombytes_set_implementation(&implementation);
}
