/*
 * The service that the simulated replicas run: a real one (kv or counter), with a number in front of every operation so
 * that the ledger can follow it.
 */
#include "counter/counter.h"
#include "kv/kv.h"
#include "world.h"

struct wrapped {
    struct world *w;
    replica_id replica;
    void *inner;
};

static void *wrapped_create(const struct redoubt_env *env, const char *options)
{
    const struct execution *e = env->engine;
    struct wrapped *s = env->alloc(env, sizeof *s);
    CHECK(s != NULL);
    s->w = world_current;
    s->replica = e->config.replica;
    s->inner = s->w->inner->create(env, options);
    return s->inner ? s : NULL;
}

/* Of an Execution compartment that should be gone: what it does is not that of a correct one. */
static bool of_ghost(const struct wrapped *s)
{
    const struct execution *ghost = s->w->replica[s->replica].ghost[CELL_E].state;
    return ghost && ghost->service_state == s;
}

static enum redoubt_status wrapped_execute(void *state, const struct redoubt_op *op,
                                           struct redoubt_result *result)
{
    struct wrapped *s = state;
    struct redoubt_op inner = *op;
    size_t skip = op->bytes < 8 ? op->bytes : 8;
    inner.data += skip;
    inner.bytes -= skip;
    enum redoubt_status status = s->w->inner->execute(s->inner, &inner, result);
    if (!world_is_faulty(s->w, s->replica, CELL_E) && !of_ghost(s))
        ledger_executed(s->w, s->replica, op, status, result);
    return status;
}

static enum redoubt_status wrapped_read(const void *state, const struct redoubt_op *op,
                                        struct redoubt_result *result)
{
    const struct wrapped *s = state;
    struct redoubt_op inner = *op;
    size_t skip = op->bytes < 8 ? op->bytes : 8;
    inner.data += skip;
    inner.bytes -= skip;
    return s->w->inner->read(s->inner, &inner, result);
}

static bool wrapped_keys(const struct redoubt_op *op, struct redoubt_keys *keys)
{
    struct redoubt_op inner = *op;
    size_t skip = op->bytes < 8 ? op->bytes : 8;
    inner.data += skip;
    inner.bytes -= skip;
    return world_current->inner->keys(&inner, keys);
}

static uint64_t wrapped_leaf_count(const void *state)
{
    const struct wrapped *s = state;
    return s->w->inner->leaf_count(s->inner);
}

static void wrapped_leaf_digest(const void *state, uint64_t leaf, uint8_t out[REDOUBT_DIGEST_BYTES])
{
    const struct wrapped *s = state;
    s->w->inner->leaf_digest(s->inner, leaf, out);
}

static void wrapped_leaf_save(const void *state, uint64_t leaf, struct redoubt_sink *sink)
{
    const struct wrapped *s = state;
    s->w->inner->leaf_save(s->inner, leaf, sink);
}

static bool wrapped_reset(void *state, uint64_t leaf_count, bool keep)
{
    struct wrapped *s = state;
    return s->w->inner->reset(s->inner, leaf_count, keep);
}

static bool wrapped_saved_digest(const void *state, uint64_t leaf, const uint8_t *data, size_t bytes,
                                 uint8_t out[REDOUBT_DIGEST_BYTES])
{
    const struct wrapped *s = state;
    return s->w->inner->saved_digest(s->inner, leaf, data, bytes, out);
}

static bool wrapped_leaf_load(void *state, uint64_t leaf, const uint8_t *data, size_t bytes)
{
    struct wrapped *s = state;
    return s->w->inner->leaf_load(s->inner, leaf, data, bytes);
}

void service_wrap(struct world *w)
{
    w->inner = w->options.service == SERVICE_COUNTER ? &redoubt_service_counter : &redoubt_service_kv;
    w->service = (struct redoubt_service){
        .abi = REDOUBT_APP_ABI,
        .name = w->inner->name,
        .create = wrapped_create,
        .execute = wrapped_execute,
        .read = wrapped_read,
        .keys = wrapped_keys,
        .leaf_count = wrapped_leaf_count,
        .leaf_digest = wrapped_leaf_digest,
        .leaf_save = wrapped_leaf_save,
        .reset = wrapped_reset,
        .saved_digest = wrapped_saved_digest,
        .leaf_load = wrapped_leaf_load,
    };
}
