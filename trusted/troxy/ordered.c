#include "troxy/ordered.h"

#include <string.h>

#include "base/check.h"
#include "origin/core.h"
#include "troxy/waiting.h"

#define LANES 4u
/* A lane's bundle: what a chunk of the core's queue holds, so that it is one bundle. */
#define LANE_BYTES_MAX (BUNDLE_BODY_MAX - AEAD_TAG_BYTES)
/* Nothing was told for so long while something is under way: it does not look as if a quorum were there. */
#define SILENT_US 3000000u

static const char reason_never_sent[] = "the deadline passed while it waited; it was never sent";

struct lane {
    struct waiting waiting;
    uint32_t under_way;
};

struct ordered {
    struct client_core core;
    bool begun;
    uint32_t replicas;
    uint32_t links; /* bits: replicas that are reached */
    struct lane lane[LANES];
    uint32_t next_lane; /* who may send first in the next run */
    uint32_t under_way; /* of all lanes */
    uint64_t heard_us;  /* an outcome, or the first that was sent after there was nothing under way */
    struct waiting_budget budget;
    struct ordered_wire wire;
    access_done done;
    void *context;
};

static struct lane *lane_of(struct ordered *ordered, uint32_t connection)
{
    return &ordered->lane[connection % LANES];
}

/* ---------------------------------------------------------------- access */

static int submit(void *self, uint32_t connection, uint64_t ticket, const struct slice *parts, unsigned count,
                  uint64_t deadline_us, uint64_t now_us)
{
    struct ordered *ordered = self;
    const struct waiting_op head = {
        .connection = connection, .ticket = ticket, .deadline_us = deadline_us, .submitted_us = now_us};
    return waiting_add(&lane_of(ordered, connection)->waiting, &ordered->budget, &head, parts, count);
}

static void forget(void *self, uint32_t connection)
{
    struct ordered *ordered = self;
    waiting_forget(&ordered->budget, connection);
}

static bool is_ready(const void *self, uint64_t now_us)
{
    const struct ordered *ordered = self;
    bool silent = ordered->under_way && now_us > ordered->heard_us + SILENT_US;
    return ordered->begun && !silent &&
           (uint32_t)__builtin_popcount(ordered->links) >= quorum_of(ordered->replicas);
}

void ordered_access(struct ordered *ordered, struct access *access)
{
    *access = (struct access){.self = ordered, .submit = submit, .forget = forget, .is_ready = is_ready};
}

/* ---------------------------------------------------------------- beginning */

struct ordered *ordered_new(struct arena *arena, const struct ordered_wire *wire, access_done done,
                            void *context)
{
    struct ordered *ordered = arena_take(arena, sizeof *ordered);
    ordered->wire = *wire;
    ordered->done = done;
    ordered->context = context;
    ordered->budget.arena = arena;
    return ordered;
}

static void core_send(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    struct ordered *ordered = context;
    ordered->wire.send(ordered->wire.context, replica, parts, count);
}

bool ordered_begin(struct ordered *ordered, const struct configuration *configuration,
                   const struct sign_key *sign, const struct box_key *box, epoch_no epoch)
{
    struct client_core_config config = {.configuration = configuration,
                                        .epoch = epoch,
                                        .sign = sign,
                                        .box = box,
                                        .memory = client_memory_of_arena(ordered->budget.arena),
                                        .wire = {.context = ordered, .send = core_send}};
    for (config.origin = 0; config.origin < configuration->origins; config.origin++) {
        const struct origin_keys *keys = &configuration->origin[config.origin];
        if (keys->present && crypto_equal(keys->sign_public, sign->public, 32) &&
            crypto_equal(keys->box_public, box->public, 32))
            break;
    }
    client_core_options_init(&config.options);
    config.options.bundles_in_flight = LANES;
    if (config.origin == configuration->origins || !client_core_init(&ordered->core, &config))
        return false;
    ordered->replicas = configuration->replicas;
    ordered->begun = true;
    return true;
}

/* ---------------------------------------------------------------- what comes back */

static void on_done(void *context, const struct redoubt_outcome *outcome);

/* An operation under way, and of whom; the core knows one pointer. */
struct flying {
    struct ordered *ordered;
    struct waiting_op *op;
};

static void tell(struct ordered *ordered, const struct waiting_op *op, const struct redoubt_outcome *outcome)
{
    if (waiting_is_wanted(&ordered->budget, op))
        ordered->done(ordered->context, op->connection, op->ticket, outcome);
}

static void on_done(void *context, const struct redoubt_outcome *outcome)
{
    struct flying flying = *(struct flying *)context;
    struct ordered *ordered = flying.ordered;
    arena_free(ordered->budget.arena, context, sizeof flying);
    lane_of(ordered, flying.op->connection)->under_way--;
    ordered->under_way--;
    tell(ordered, flying.op, outcome);
    waiting_free(&ordered->budget, flying.op);
}

enum verdict ordered_on_frame(struct ordered *ordered, replica_id replica, const uint8_t *data, size_t len,
                              uint64_t now_us)
{
    if (!ordered->begun || replica >= ordered->replicas)
        return VERDICT_UNEXPECTED;
    uint32_t before = ordered->under_way;
    enum verdict verdict = client_core_on_frame(&ordered->core, replica, data, len, now_us);
    if (ordered->under_way < before)
        ordered->heard_us = now_us;
    return verdict;
}

void ordered_on_link(struct ordered *ordered, replica_id replica, bool up, uint64_t now_us)
{
    if (replica >= REPLICAS_MAX)
        return;
    ordered->links = up ? ordered->links | 1u << replica : ordered->links & ~(1u << replica);
    if (up && ordered->begun && replica < ordered->replicas)
        client_core_on_connected(&ordered->core, replica, now_us);
}

/* ---------------------------------------------------------------- what goes out */

/* Those of closed connections that were never sent need not be. */
static void lane_expire(struct ordered *ordered, struct lane *lane, uint64_t now_us)
{
    const struct redoubt_outcome never = {.kind = REDOUBT_REJECTED, .reason = reason_never_sent};
    while (lane->waiting.first && (lane->waiting.first->deadline_us <= now_us ||
                                   !waiting_is_wanted(&ordered->budget, lane->waiting.first))) {
        struct waiting_op *op = waiting_take(&lane->waiting);
        tell(ordered, op, &never);
        waiting_free(&ordered->budget, op);
    }
}

static bool lane_add(struct ordered *ordered, struct lane *lane, uint64_t now_us)
{
    struct waiting_op *op = lane->waiting.first;
    struct flying *flying = arena_alloc(ordered->budget.arena, sizeof *flying);
    if (!flying)
        return false;
    *flying = (struct flying){.ordered = ordered, .op = op};
    if (client_core_submit(&ordered->core, op->data, op->len, op->deadline_us, on_done, flying, now_us) !=
        0) {
        arena_free(ordered->budget.arena, flying, sizeof *flying);
        return false;
    }
    (void)waiting_take(&lane->waiting);
    lane->under_way++;
    if (ordered->under_way++ == 0)
        ordered->heard_us = now_us;
    return true;
}

static void lane_send(struct ordered *ordered, struct lane *lane, uint64_t now_us)
{
    size_t bytes = 0;
    unsigned count = 0;
    while (lane->waiting.first && count < BUNDLE_OPS_MAX &&
           bytes + 4 + lane->waiting.first->len <= LANE_BYTES_MAX) {
        bytes += 4 + (size_t)lane->waiting.first->len;
        if (!lane_add(ordered, lane, now_us))
            break;
        count++;
    }
    client_core_flush(&ordered->core, now_us);
}

void ordered_run(struct ordered *ordered, uint64_t now_us)
{
    for (unsigned i = 0; i < LANES; i++)
        lane_expire(ordered, &ordered->lane[i], now_us);
    if (!ordered->begun)
        return;
    if (client_core_next_timer(&ordered->core) <= now_us)
        client_core_on_timer(&ordered->core, now_us);
    client_core_flush(&ordered->core, now_us);
    for (unsigned i = 0; i < LANES; i++) {
        struct lane *lane = &ordered->lane[(ordered->next_lane + i) % LANES];
        /* What is left in the core's queue was sent back: a bundle must not be made of two lanes' operations. */
        if (!lane->under_way && lane->waiting.first && client_core_waiting(&ordered->core) == 0)
            lane_send(ordered, lane, now_us);
    }
    ordered->next_lane = (ordered->next_lane + 1) % LANES;
}

uint64_t ordered_next_timer(const struct ordered *ordered)
{
    uint64_t at = ordered->begun ? client_core_next_timer(&ordered->core) : UINT64_MAX;
    for (unsigned i = 0; i < LANES; i++) {
        const struct waiting_op *first = ordered->lane[i].waiting.first;
        at = first && first->deadline_us < at ? first->deadline_us : at;
    }
    return at;
}

void ordered_validate(const struct ordered *ordered)
{
    uint32_t under_way = 0;
    for (unsigned i = 0; i < LANES; i++)
        under_way += ordered->lane[i].under_way;
    CHECK(under_way == ordered->under_way && under_way <= ordered->budget.ops);
    if (ordered->begun)
        client_core_validate(&ordered->core);
}
