/*
 * Service `counter`: one number per origin, and their sum. The smallest service that shows whether an operation was
 * lost, executed twice or out of order, and the one that measures everything around the service: requests and results
 * can be as large as one likes.
 *
 * Leaf 0 holds the sum, leaf 1+i the numbers of origins 16 i .. 16 i + 15. Every leaf is its numbers in little-endian;
 * its digest is the hash of that. A sum beyond 64 bits is a conflict.
 *
 * Options: "reply_bytes=N", the size of results to requests that do not name one (default and least: 16).
 */
#include "counter.h"

#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "counter_codec.h"

#define PER_LEAF 16u
#define LEAVES   (1u + COUNTER_ORIGINS_MAX / PER_LEAF)

struct counter {
    const struct redoubt_env *env;
    uint32_t reply_bytes;
    uint64_t global;
    uint64_t own[COUNTER_ORIGINS_MAX];
};

static bool digits_read(const char *text, uint32_t *number)
{
    uint64_t value = 0;
    if (*text == '\0')
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        value = value * 10 + (uint64_t)(*text - '0');
        if (value > REDOUBT_OP_MAX_BYTES)
            return false;
    }
    *number = (uint32_t)value;
    return true;
}

static bool options_read(const char *text, uint32_t *reply_bytes)
{
    static const char name[] = "reply_bytes=";
    *reply_bytes = COUNTER_RESULT_BYTES;
    if (*text == '\0')
        return true;
    if (strlen(text) < sizeof name || memcmp(text, name, sizeof name - 1) != 0)
        return false;
    return digits_read(text + sizeof name - 1, reply_bytes);
}

static void *counter_create(const struct redoubt_env *env, const char *options)
{
    uint32_t reply_bytes;
    if (!options_read(options, &reply_bytes))
        return NULL;
    struct counter *counter = env->alloc(env, sizeof *counter);
    if (!counter)
        return NULL;
    memset(counter, 0, sizeof *counter);
    counter->env = env;
    counter->reply_bytes = reply_bytes;
    return counter;
}

static bool add(struct counter *counter, uint32_t origin, uint64_t amount)
{
    uint64_t global;
    if (__builtin_add_overflow(counter->global, amount, &global))
        return false;
    counter->env->touch(counter->env, 0);
    counter->env->touch(counter->env, 1 + origin / PER_LEAF);
    counter->global = global;
    counter->own[origin] += amount; /* never more than the sum */
    return true;
}

static enum redoubt_status open_request(struct counter_request *request, const struct redoubt_op *op,
                                        struct redoubt_result *result)
{
    CHECK(result->capacity >= REDOUBT_OP_MAX_BYTES);
    result->bytes = 0;
    if (op->bytes > REDOUBT_OP_MAX_BYTES || !counter_request_decode(request, op->data, op->bytes) ||
        request->reply_bytes > REDOUBT_OP_MAX_BYTES)
        return REDOUBT_INVALID;
    return op->origin < COUNTER_ORIGINS_MAX ? REDOUBT_OK : REDOUBT_FULL;
}

static enum redoubt_status answer(const struct counter *counter, const struct counter_request *request,
                                  const struct redoubt_op *op, struct redoubt_result *result)
{
    struct counter_result numbers = {.global = counter->global, .own = counter->own[op->origin]};
    size_t reply_bytes = request->reply_bytes ? request->reply_bytes : counter->reply_bytes;
    result->bytes = counter_result_encode(result->data, result->capacity, &numbers, reply_bytes);
    return REDOUBT_OK;
}

static enum redoubt_status counter_execute(void *state, const struct redoubt_op *op,
                                           struct redoubt_result *result)
{
    struct counter_request request;
    enum redoubt_status status = open_request(&request, op, result);
    if (status != REDOUBT_OK)
        return status;
    if (request.opcode == COUNTER_INCR && !add(state, op->origin, request.amount))
        return REDOUBT_CONFLICT;
    return answer(state, &request, op, result);
}

static enum redoubt_status counter_read(const void *state, const struct redoubt_op *op,
                                        struct redoubt_result *result)
{
    struct counter_request request;
    enum redoubt_status status = open_request(&request, op, result);
    if (status != REDOUBT_OK)
        return status;
    return request.opcode == COUNTER_GET ? answer(state, &request, op, result) : REDOUBT_INVALID;
}

/* Every result shows the sum, so all operations meet in one key. */
static bool counter_keys(const struct redoubt_op *op, struct redoubt_keys *keys)
{
    static const uint8_t sum[] = "sum";
    struct counter_request request;
    keys->count = 1;
    keys->reads_all = keys->writes_all = false;
    keys->entry[0].key = sum;
    keys->entry[0].bytes = sizeof sum - 1;
    if (op->bytes > REDOUBT_OP_MAX_BYTES || !counter_request_decode(&request, op->data, op->bytes))
        return false;
    keys->entry[0].write = request.opcode == COUNTER_INCR;
    return true;
}

static uint64_t counter_leaf_count(const void *state)
{
    (void)state;
    return LEAVES;
}

/* Numbers of a leaf, and how many. */
static uint64_t *leaf_numbers(struct counter *counter, uint64_t leaf, uint32_t *count)
{
    CHECK(leaf < LEAVES);
    *count = leaf ? PER_LEAF : 1;
    return leaf ? counter->own + (leaf - 1) * PER_LEAF : &counter->global;
}

static size_t leaf_text(const struct counter *counter, uint64_t leaf, uint8_t text[8 * PER_LEAF])
{
    struct writer w = writer_to(text, 8 * PER_LEAF);
    uint32_t count;
    const uint64_t *numbers = leaf_numbers((struct counter *)(uintptr_t)counter, leaf, &count);
    for (uint32_t i = 0; i < count; i++)
        put_u64(&w, numbers[i]);
    return w.len;
}

static void counter_leaf_digest(const void *state, uint64_t leaf, uint8_t out[REDOUBT_DIGEST_BYTES])
{
    const struct counter *counter = state;
    uint8_t text[8 * PER_LEAF];
    counter->env->digest(out, text, leaf_text(counter, leaf, text));
}

static void counter_leaf_save(const void *state, uint64_t leaf, struct redoubt_sink *sink)
{
    uint8_t text[8 * PER_LEAF];
    sink->write(sink, text, leaf_text(state, leaf, text));
}

static bool counter_reset(void *state, uint64_t leaf_count, bool keep)
{
    struct counter *counter = state;
    if (leaf_count != LEAVES || keep)
        return leaf_count == LEAVES;
    for (uint64_t leaf = 0; leaf < LEAVES; leaf++)
        counter->env->touch(counter->env, leaf);
    counter->global = 0;
    memset(counter->own, 0, sizeof counter->own);
    return true;
}

static size_t leaf_bytes(uint64_t leaf)
{
    return leaf ? 8 * PER_LEAF : 8;
}

static bool counter_saved_digest(const void *state, uint64_t leaf, const uint8_t *data, size_t bytes,
                                 uint8_t out[REDOUBT_DIGEST_BYTES])
{
    const struct counter *counter = state;
    if (leaf >= LEAVES || bytes != leaf_bytes(leaf))
        return false;
    counter->env->digest(out, data, bytes);
    return true;
}

static bool counter_leaf_load(void *state, uint64_t leaf, const uint8_t *data, size_t bytes)
{
    struct counter *counter = state;
    struct reader r = reader_of(data, bytes);
    uint32_t count;
    if (leaf >= LEAVES || bytes != leaf_bytes(leaf))
        return false;
    counter->env->touch(counter->env, leaf);
    uint64_t *numbers = leaf_numbers(counter, leaf, &count);
    for (uint32_t i = 0; i < count; i++)
        numbers[i] = get_u64(&r);
    return true;
}

const struct redoubt_service redoubt_service_counter = {
    .abi = REDOUBT_APP_ABI,
    .name = "counter",
    .create = counter_create,
    .execute = counter_execute,
    .read = counter_read,
    .keys = counter_keys,
    .leaf_count = counter_leaf_count,
    .leaf_digest = counter_leaf_digest,
    .leaf_save = counter_leaf_save,
    .reset = counter_reset,
    .saved_digest = counter_saved_digest,
    .leaf_load = counter_leaf_load,
};
