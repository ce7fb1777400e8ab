#include "fake_env.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define HEAD FAKE_HEAD /* keeps 16-byte alignment and remembers the size */

static struct fake_env *fake_of(const struct redoubt_env *env)
{
    return env->engine;
}

static void *fake_alloc(const struct redoubt_env *env, size_t bytes)
{
    struct fake_env *fake = fake_of(env);
    if (fake->allocs_left == 0)
        return NULL;
    if (fake->allocs_left != UINT64_MAX)
        fake->allocs_left--;
    uint8_t *memory = malloc(bytes + HEAD);
    if (!memory)
        return NULL;
    memcpy(memory, &bytes, sizeof bytes);
    memset(memory + HEAD, 0xa5, bytes < 4096 ? bytes : 4096); /* nobody may count on zeros */
    fake->live_bytes += bytes;
    if (fake->live_bytes > fake->peak_bytes)
        fake->peak_bytes = fake->live_bytes;
    return memory + HEAD;
}

static void fake_release(const struct redoubt_env *env, void *memory, size_t bytes)
{
    uint8_t *start = (uint8_t *)memory - HEAD;
    size_t allocated;
    memcpy(&allocated, start, sizeof allocated);
    if (allocated != bytes)
        abort();
    fake_of(env)->live_bytes -= bytes;
    free(start);
}

static void fake_touch(const struct redoubt_env *env, uint64_t leaf)
{
    struct fake_env *fake = fake_of(env);
    fake->touches++;
    if (fake->on_touch)
        fake->on_touch(fake->context, leaf);
}

uint64_t fake_digests;
uint64_t fake_digest_bytes;

static void fake_digest(uint8_t out[REDOUBT_DIGEST_BYTES], const void *data, size_t bytes)
{
    fake_digests++;
    fake_digest_bytes += bytes;
    crypto_generichash(out, REDOUBT_DIGEST_BYTES, data, bytes, NULL, 0);
}

static void fake_digests_of(uint8_t (*out)[REDOUBT_DIGEST_BYTES], const struct redoubt_bytes *in,
                            size_t count)
{
    for (size_t i = 0; i < count; i++)
        fake_digest(out[i], in[i].data, in[i].bytes);
}

void fake_env_init(struct fake_env *fake)
{
    if (sodium_init() < 0)
        abort();
    memset(fake, 0, sizeof *fake);
    fake->allocs_left = UINT64_MAX;
    fake->env = (struct redoubt_env){.engine = fake,
                                     .alloc = fake_alloc,
                                     .release = fake_release,
                                     .touch = fake_touch,
                                     .digest = fake_digest,
                                     .digests = fake_digests_of};
}

static void fake_sink_write(struct redoubt_sink *sink, const void *data, size_t bytes)
{
    struct fake_sink *fake = sink->context;
    if (fake->bytes + bytes > fake->capacity) {
        fake->capacity = 2 * (fake->bytes + bytes) + 256;
        fake->data = realloc(fake->data, fake->capacity);
        if (!fake->data)
            abort();
    }
    memcpy(fake->data + fake->bytes, data, bytes);
    fake->bytes += bytes;
}

void fake_sink_init(struct fake_sink *sink)
{
    *sink = (struct fake_sink){.sink = {.context = sink, .write = fake_sink_write}};
}

void fake_sink_clear(struct fake_sink *sink)
{
    sink->bytes = 0;
}

void fake_sink_free(struct fake_sink *sink)
{
    free(sink->data);
    *sink = (struct fake_sink){0};
}
