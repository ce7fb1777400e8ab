/*
 * What makes the TLS library do without a kernel: memory from an arena, randomness from crypto_random. It knows one of each for the
 * whole process, so this file has the one variable of the trusted code that is not handed from call to call.
 */
#define OPENSSL_SUPPRESS_DEPRECATED 1 /* a source of randomness as a provider would be ten times this */
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <string.h>

#include "crypto/crypto.h"
#include "troxy/tls.h"

/* In front of each block, since blocks are given back without their size. */
#define HEAD_BYTES 16u

static struct arena *tls_memory;

static void *take(size_t bytes, const char *file, int line)
{
    (void)file, (void)line;
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return NULL;
    uint8_t *block = arena_alloc(tls_memory, HEAD_BYTES + bytes);
    if (!block)
        return NULL;
    memcpy(block, &bytes, sizeof bytes);
    return block + HEAD_BYTES;
}

static size_t size_of(const uint8_t *memory)
{
    size_t bytes;
    memcpy(&bytes, memory - HEAD_BYTES, sizeof bytes);
    return bytes;
}

static void give(void *memory, const char *file, int line)
{
    (void)file, (void)line;
    if (memory)
        arena_free(tls_memory, (uint8_t *)memory - HEAD_BYTES, HEAD_BYTES + size_of(memory));
}

static void *resize(void *memory, size_t bytes, const char *file, int line)
{
    if (!memory)
        return take(bytes, file, line);
    if (bytes == 0) {
        give(memory, file, line);
        return NULL;
    }
    void *other = take(bytes, file, line);
    if (!other)
        return NULL;
    size_t before = size_of(memory);
    memcpy(other, memory, before < bytes ? before : bytes);
    give(memory, file, line);
    return other;
}

static int draw(unsigned char *out, int len)
{
    if (len > 0)
        crypto_random(out, (size_t)len);
    return 1;
}

static int is_seeded(void)
{
    return 1;
}

int tls_alone(struct arena *memory)
{
    static const RAND_METHOD randomness = {.bytes = draw, .pseudorand = draw, .status = is_seeded};
    tls_memory = memory;
    if (CRYPTO_set_mem_functions(take, resize, give) != 1 ||
        OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL) != 1 ||
        RAND_set_rand_method(&randomness) != 1)
        return -1;
    return 0;
}
