#include "troxy/alone.h"

#include <string.h>

#include "base/check.h"
#include "crypto/service.h"
#include "troxy/reception.h"
#include "troxy/waiting.h"

#define RUN_OPS_MAX  256u
#define RESULT_BYTES (REDOUBT_OP_MAX_BYTES + 65536u)

struct alone {
    const struct redoubt_service *service;
    void *state;
    struct redoubt_env env;
    struct waiting waiting;
    struct waiting_budget budget;
    access_done done;
    void *context;
    uint8_t *result;
    uint64_t slot;
    uint64_t time_us;
};

/* ---------------------------------------------------------------- the service's environment */

static void *env_alloc(const struct redoubt_env *env, size_t bytes)
{
    return arena_alloc(env->engine, bytes);
}

static void env_release(const struct redoubt_env *env, void *memory, size_t bytes)
{
    arena_free(env->engine, memory, bytes);
}

/* Nobody wants to know the state's digest. */
static void env_touch(const struct redoubt_env *env, uint64_t leaf)
{
    (void)env, (void)leaf;
}

/* ---------------------------------------------------------------- access */

static int submit(void *self, uint32_t connection, uint64_t ticket, const struct slice *parts, unsigned count,
                  uint64_t deadline_us, uint64_t now_us)
{
    struct alone *alone = self;
    const struct waiting_op head = {
        .connection = connection, .ticket = ticket, .deadline_us = deadline_us, .submitted_us = now_us};
    return waiting_add(&alone->waiting, &alone->budget, &head, parts, count);
}

static void forget(void *self, uint32_t connection)
{
    struct alone *alone = self;
    waiting_forget(&alone->budget, connection);
}

static bool is_ready(const void *self, uint64_t now_us)
{
    (void)self, (void)now_us;
    return true;
}

struct alone *alone_new(struct arena *arena, const struct redoubt_service *service, const char *options)
{
    struct alone *alone = arena_take(arena, sizeof *alone);
    alone->service = service;
    alone->budget.arena = arena;
    alone->result = arena_take(arena, RESULT_BYTES);
    alone->env = (struct redoubt_env){.engine = arena,
                                      .alloc = env_alloc,
                                      .release = env_release,
                                      .touch = env_touch,
                                      .digest = service_digest,
                                      .digests = service_digests};
    alone->state = service->create(&alone->env, options);
    return alone->state ? alone : NULL;
}

static void execute(struct alone *alone, const struct waiting_op *waiting, uint64_t now_us)
{
    uint8_t seed[32];
    crypto_random(seed, sizeof seed);
    alone->time_us = now_us > alone->time_us ? now_us : alone->time_us;
    const struct redoubt_op op = {.data = waiting->data,
                                  .bytes = waiting->len,
                                  .slot = ++alone->slot,
                                  .time_us = alone->time_us,
                                  .seed = seed};
    struct redoubt_result result = {.data = alone->result, .capacity = RESULT_BYTES};
    enum redoubt_status status = alone->service->execute(alone->state, &op, &result);
    const struct redoubt_outcome outcome = {.kind = REDOUBT_COMMITTED,
                                            .status = status,
                                            .result = result.data,
                                            .result_bytes = result.bytes,
                                            .slot = op.slot,
                                            .latency_us = now_us - waiting->submitted_us};
    CHECK(result.bytes <= RESULT_BYTES);
    if (waiting_is_wanted(&alone->budget, waiting))
        alone->done(alone->context, waiting->connection, waiting->ticket, &outcome);
}

static void begin(void *self, access_done done, void *context)
{
    struct alone *alone = self;
    alone->done = done;
    alone->context = context;
}

static bool run(void *self, uint64_t now_us)
{
    struct alone *alone = self;
    struct waiting_op *op;
    for (unsigned i = 0; i < RUN_OPS_MAX && (op = waiting_take(&alone->waiting)) != NULL; i++) {
        execute(alone, op, now_us);
        waiting_free(&alone->budget, op);
    }
    return alone->waiting.first != NULL;
}

struct access_source alone_source(struct alone *alone)
{
    return (struct access_source){
        .access = {.self = alone, .submit = submit, .forget = forget, .is_ready = is_ready},
        .begin = begin,
        .run = run};
}

/* ---------------------------------------------------------------- the compartment */

struct standalone {
    struct reception reception; /* first: an outcome's context is its front */
    struct access_source source;
};

static void *standalone_init(struct arena *arena, const struct compartment_config *config, struct outbox *out)
{
    (void)out;
    const struct troxy_start *start = config->troxy;
    struct standalone *s = arena_take(arena, sizeof *s);
    if (start->source) {
        s->source = *start->source;
    } else {
        struct alone *alone = alone_new(arena, start->front->service, config->service_options);
        if (!alone)
            return NULL;
        s->source = alone_source(alone);
    }
    s->source.begin(s->source.access.self, front_on_outcome, s);
    return reception_init(&s->reception, arena, start, &s->source.access, config->replica) ? s : NULL;
}

static enum verdict standalone_step(void *state, const struct compartment_input *in, struct outbox *out)
{
    struct standalone *s = state;
    struct frame frame;
    if (!frame_decode(in->frame, in->len, &frame))
        return VERDICT_MALFORMED;
    return reception_on_frame(&s->reception, &frame, in->now_us, out);
}

static bool standalone_flush(void *state, uint64_t now_us, struct outbox *out)
{
    struct standalone *s = state;
    bool more = front_take_in(&s->reception.front, now_us, out);
    more = s->source.run(s->source.access.self, now_us) || more;
    more = front_give_out(&s->reception.front, now_us, out) || more;
    reception_tell(&s->reception, now_us, UINT64_MAX, true, out);
    return more;
}

static void standalone_validate(const void *state)
{
    const struct standalone *s = state;
    front_validate(&s->reception.front);
}

const struct compartment_type standalone_type = {
    .kind = KIND_TROXY,
    .arena_bytes =
        FRONT_BYTES + sizeof(struct standalone) + sizeof(struct alone) + RESULT_BYTES + (64u << 20),
    .init = standalone_init,
    .step = standalone_step,
    .flush = standalone_flush,
    .validate = standalone_validate,
};
