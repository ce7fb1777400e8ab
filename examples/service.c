/*
 * A replicated service of your own: 256 locks with leases. Build it against the installed library:
 *     cc -O2 service.c $(pkg-config --cflags --libs redoubt-service) -o lock-service
 * Operation: a lock's number (one byte) shows it; number and lease in seconds (two bytes) takes or renews it, lease 0
 * gives it back. Result: until when it is held (us since 1970; time comes with operations, never from a clock) and by
 * whom (client + 1), 8 bytes each, little-endian: the form in which locks are kept, hashed and sent.
 */
#include <redoubt/app.h>
#include <string.h>

#define LOCK_BYTES 16
#define LEAF_BYTES (16 * LOCK_BYTES)

struct table {
    const struct redoubt_env *env;
    uint8_t leaf[16][LEAF_BYTES]; /* of 16 locks each */
};

static uint64_t number_read(const uint8_t *in)
{
    uint64_t number = 0;
    for (int i = 7; i >= 0; i--)
        number = number << 8 | in[i];
    return number;
}

static void number_write(uint8_t *out, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(number >> (8 * i));
}

static void *create(const struct redoubt_env *env, const char *options)
{
    struct table *table = options[0] ? NULL : env->alloc(env, sizeof *table); /* there are no options */
    if (table)
        *table = (struct table){.env = env};
    return table;
}

static enum redoubt_status show(const void *state, const struct redoubt_op *op, struct redoubt_result *result)
{
    if (op->bytes != 1)
        return REDOUBT_INVALID;
    const struct table *table = state;
    memcpy(result->data, table->leaf[op->data[0] / 16] + op->data[0] % 16 * LOCK_BYTES,
           result->bytes = LOCK_BYTES);
    return REDOUBT_OK;
}

static enum redoubt_status execute(void *state, const struct redoubt_op *op, struct redoubt_result *result)
{
    if (op->bytes != 2)
        return show(state, op, result);
    struct table *table = state;
    uint8_t *lock = table->leaf[op->data[0] / 16] + op->data[0] % 16 * LOCK_BYTES;
    uint64_t lease_us = op->data[1] * UINT64_C(1000000), me = (uint64_t)op->origin + 1;
    if (number_read(lock) > op->time_us && number_read(lock + 8) != me)
        return REDOUBT_CONFLICT;
    table->env->touch(table->env, op->data[0] / 16); /* before the change */
    number_write(lock, lease_us ? op->time_us + lease_us : 0);
    number_write(lock + 8, lease_us ? me : 0);
    return show(table, &(struct redoubt_op){.data = op->data, .bytes = 1}, result);
}

static bool keys(const struct redoubt_op *op, struct redoubt_keys *keys)
{
    *keys = (struct redoubt_keys){.count = 1, .entry = {{op->data, 1, .write = op->bytes == 2}}};
    return op->bytes == 1 || op->bytes == 2;
}

static uint64_t leaf_count(const void *state)
{
    return state ? 16 : 0;
}

static void leaf_digest(const void *state, uint64_t leaf, uint8_t out[REDOUBT_DIGEST_BYTES])
{
    ((const struct table *)state)->env->digest(out, ((const struct table *)state)->leaf[leaf], LEAF_BYTES);
}

static void leaf_save(const void *state, uint64_t leaf, struct redoubt_sink *sink)
{
    sink->write(sink, ((const struct table *)state)->leaf[leaf], LEAF_BYTES);
}

static bool reset(void *state, uint64_t leaves, bool keep)
{
    memset(((struct table *)state)->leaf, 0, keep ? 0 : 16 * LEAF_BYTES);
    return leaves == 16;
}

static bool saved_digest(const void *state, uint64_t leaf, const uint8_t *data, size_t bytes, uint8_t *out)
{
    ((const struct table *)state)->env->digest(out, data, bytes);
    return leaf < 16 && bytes == LEAF_BYTES;
}

static bool leaf_load(void *state, uint64_t leaf, const uint8_t *data, size_t bytes)
{
    return leaf < 16 && bytes == LEAF_BYTES && memcpy(((struct table *)state)->leaf[leaf], data, bytes);
}

const struct redoubt_service redoubt_service = {
    REDOUBT_APP_ABI, "locks",     create,    execute, show,         keys,
    leaf_count,      leaf_digest, leaf_save, reset,   saved_digest, leaf_load};
