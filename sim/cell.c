/*
 * A compartment in the simulator: the real one, called directly. What it is given waits in its input until it wakes; then
 * it handles all of it and is flushed until it has nothing left to do.
 */
#include <sys/mman.h>

#include "world.h"

#define VALIDATE_EVERY 8u /* steps; the end of every wake-up is always validated */

static const struct compartment_type *const split_types[CELLS] = {&preparation_type, &confirmation_type,
                                                                  &execution_type};
static const struct compartment_type *const hybster_types[CELLS] = {&orderer_type, &counter_type,
                                                                    &execution_type};

static const struct compartment_type *type_of(const struct world *w, uint32_t k)
{
    return (w->hybster ? hybster_types : split_types)[k];
}

enum kind cell_kind(const struct world *w, uint32_t k)
{
    return type_of(w, k)->kind;
}

uint32_t cell_of_kind(uint32_t kind)
{
    return kind == KIND_COUNTER ? CELL_N : kind - KIND_PREPARATION;
}

/* Arenas are kept from run to run: their pages are dear. */
static struct {
    void *memory;
    size_t bytes;
    bool used;
} pool[8 * REPLICAS_MAX];

static void *pool_take(size_t bytes)
{
    for (size_t i = 0; i < sizeof pool / sizeof *pool; i++) {
        if (pool[i].used || (pool[i].memory && pool[i].bytes != bytes))
            continue;
        if (!pool[i].memory) {
            pool[i].memory =
                mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            pool[i].bytes = bytes;
            CHECK(pool[i].memory != MAP_FAILED);
        }
        pool[i].used = true;
        return pool[i].memory;
    }
    CHECK(false); /* more cells than a world has */
    return NULL;
}

static void pool_give(void *memory)
{
    for (size_t i = 0; i < sizeof pool / sizeof *pool; i++)
        if (pool[i].memory == memory)
            pool[i].used = false;
}

void sim_arena_init(struct arena *arena, size_t bytes)
{
    arena_init(arena, pool_take(bytes), bytes);
}

void sim_arena_free(struct arena *arena)
{
    if (arena->base) {
        memset(arena->base, 0, arena->used); /* a compartment finds zeroed memory */
        if (arena->edge)
            memset(arena->edge, 0, arena->size / 128 + 1); /* a bit for each 16 bytes */
        pool_give(arena->base);
    }
    arena->base = NULL;
}

/* Takes everything out of the outbox, frame by frame. */
static void drain(struct world *w, replica_id r, uint32_t cell)
{
    size_t at = 0;
    struct slice frame;
    struct parcel *out[512];
    size_t count = 0;
    while (outbox_next(&w->outbox, &at, &frame)) {
        CHECK(count < sizeof out / sizeof *out);
        out[count++] = parcel_of(frame);
    }
    w->outbox.len = 0;
    for (size_t i = 0; i < count; i++) {
        replica_on_output(w, r, cell, out[i]);
        parcel_drop(out[i]);
    }
}

void cell_init(struct world *w, replica_id r, uint32_t k)
{
    struct cell *cell = &w->replica[r].cell[k];
    struct compartment_config config = {
        .kind = cell_kind(w, k),
        .replica = r,
        .epoch = w->life + w->replica[r].incarnation,
        .durable = w->durable,
        .one_domain = w->whole,
        .keeps_stable = w->hybster && k == CELL_E,
        .service = k == CELL_E ? &w->service : NULL,
        .service_options = "",
    };
    memcpy(config.admin_public, w->admin.public, 32);
    struct dice d = dice_from(w->options.seed, 1000 + r + 100 * (w->life - 1 + w->replica[r].incarnation));
    for (int i = 0; i < 32; i++)
        config.domain_seed[i] = (uint8_t)dice_u64(&d);
    memset(config.sealing_secret, 17 + (int)r, sizeof config.sealing_secret);
    cell->type = type_of(w, k);
    size_t bytes = cell->type->arena_bytes + (config.keeps_stable ? KEEP_STABLE_BYTES : 0);
    cell->arena = calloc(1, sizeof *cell->arena);
    CHECK(cell->arena != NULL);
    sim_arena_init(cell->arena, bytes);
    cell->state = cell->type->init(cell->arena, &config, &w->outbox);
    size_t at = 0;
    struct slice hello;
    CHECK(cell->state && outbox_next(&w->outbox, &at, &hello));
    founding_hello(w, r, k, hello);
    w->outbox.len = 0;
}

void cell_free(struct cell *cell)
{
    for (size_t i = 0; i < cell->inputs; i++)
        parcel_drop(cell->input[i].parcel);
    free(cell->input);
    if (cell->arena)
        sim_arena_free(cell->arena);
    free(cell->arena);
    memset(cell, 0, sizeof *cell);
}

void cell_give(struct world *w, replica_id r, uint32_t k, struct parcel *parcel, bool local)
{
    struct cell *cell = &w->replica[r].cell[k];
    if (cell->inputs == cell->input_cap) {
        cell->input_cap = cell->input_cap ? 2 * cell->input_cap : 16;
        cell->input = realloc(cell->input, cell->input_cap * sizeof *cell->input);
        CHECK(cell->input != NULL);
    }
    cell->input[cell->inputs++] = (struct given){parcel_hold(parcel), local};
    if (!cell->waking)
        world_later(w, 1 + dice_below(&w->host_dice, 20), DUE_WAKE, r, k, 0, NULL);
    cell->waking = true;
}

/* Once for each type of frame: retransmissions would fill a page. */
static void tell_refusal(struct world *w, replica_id r, struct cell *cell, struct slice frame,
                         enum verdict verdict)
{
    uint64_t bit = 1ull << frame.data[1] % 64;
    if (!(cell->refused & bit))
        world_story(w, "r%u %s refuses a %s: %s", r, kind_name(cell->type->kind),
                    frame_type_name((enum frame_type)frame.data[1]), verdict_name(verdict));
    cell->refused |= bit;
}

/* What goes to the new incarnation; but calls to a counter, and its answers, are each incarnation's own. */
static bool ghost_hears(const struct world *w, replica_id r, uint32_t k, struct slice frame)
{
    if (!w->replica[r].ghost[k].state)
        return false;
    return !w->hybster || (k != CELL_N && frame.data[1] != FRAME_LOCAL_COUNTED);
}

enum verdict cell_step(struct world *w, replica_id r, uint32_t k, struct slice frame, bool local)
{
    struct cell *cell = &w->replica[r].cell[k];
    struct compartment_input in = {
        .frame = frame.data, .len = frame.len, .local = local, .now_us = w->now_us};
    if (ghost_hears(w, r, k, frame))
        cell_ghost_step(w, r, k, frame);
    if (k == CELL_E && cell->faulty)
        liar_before_step(w, r, frame);
    enum verdict verdict = cell->type->step(cell->state, &in, &w->outbox);
    if (k == CELL_E && cell->faulty)
        liar_after_step(w, r);
    if (k == CELL_P && w->hybster && w->replica[r].host_faulty)
        hybster_after_step(w, r);
    cell->verdict[verdict]++;
    w->result->events++;
    if (w->options.trace && verdict != VERDICT_ACCEPT && verdict != VERDICT_DUPLICATE)
        world_trace_frame(w, kind_name(cell->type->kind), r, frame, verdict_name(verdict));
    if (verdict == VERDICT_EQUIVOCATION || verdict == VERDICT_BAD_MAC)
        tell_refusal(w, r, cell, frame, verdict);
    if (w->result->events % VALIDATE_EVERY == 0)
        cell->type->validate(cell->state);
    if (k == CELL_E && !cell->faulty)
        ledger_observe(w, r);
    drain(w, r, k);
    return verdict;
}

void cell_ghost_step(struct world *w, replica_id r, uint32_t k, struct slice frame)
{
    struct cell *ghost = &w->replica[r].ghost[k];
    struct compartment_input in = {.frame = frame.data, .len = frame.len, .now_us = w->now_us};
    size_t at = 0;
    struct slice out;
    struct parcel *said[512];
    size_t count = 0;
    if (plot_keeps_from_clone(w, r, k, frame.len > 1 ? frame.data[1] : 0))
        return;
    (void)ghost->type->step(ghost->state, &in, &w->outbox);
    for (unsigned i = 0; i < 100 && ghost->type->flush(ghost->state, w->now_us, &w->outbox); i++)
        ;
    while (outbox_next(&w->outbox, &at, &out)) {
        CHECK(count < sizeof said / sizeof *said);
        said[count++] = parcel_of(out);
    }
    w->outbox.len = 0;
    for (size_t i = 0; i < count; i++) {
        rejoin_ghost_output(w, r, k, said[i]);
        parcel_drop(said[i]);
    }
}

void cell_flush(struct world *w, replica_id r, uint32_t k)
{
    struct cell *cell = &w->replica[r].cell[k];
    for (unsigned i = 0;; i++) {
        bool more = cell->type->flush(cell->state, w->now_us, &w->outbox);
        if (k == CELL_E && !cell->faulty)
            ledger_observe(w, r);
        drain(w, r, k);
        if (!more)
            break;
        if (i > 10000)
            world_violation(w, "replica %u: a compartment's flush does not come to an end", r);
    }
}

void cell_wake(struct world *w, replica_id r, uint32_t k)
{
    struct cell *cell = &w->replica[r].cell[k];
    cell->waking = false;
    size_t count = cell->inputs;
    for (size_t i = 0; i < count; i++) {
        struct given given = cell->input[i];
        (void)cell_step(w, r, k, parcel_slice(given.parcel), given.local);
    }
    /* Not before: a violation leaves by longjmp, and then all that is listed is dropped. */
    for (size_t i = 0; i < count; i++)
        parcel_drop(cell->input[i].parcel);
    memmove(cell->input, cell->input + count, (cell->inputs - count) * sizeof *cell->input);
    cell->inputs -= count;
    if (cell->inputs && !cell->waking) {
        cell->waking = true;
        world_later(w, 1, DUE_WAKE, r, k, 0, NULL);
    }
    cell_flush(w, r, k);
    cell->type->validate(cell->state);
}
