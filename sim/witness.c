/*
 * The witness in each Troxy (hybster with fast reads): the real one (trusted/troxy/witness.h), in the middle of its replica's host. What a correct
 * host gives it comes in order. A Byzantine one keeps it in the dark for a while, leaves steps out, tells of other writes or places than there
 * were, pretends that what it left out never was, tells old steps again, and starts it anew.
 */
#include "world.h"

void sim_arena_init(struct arena *arena, size_t bytes);
void sim_arena_free(struct arena *arena);

static bool is_evil(const struct world *w, replica_id r)
{
    return w->replica[r].host_faulty && !w->healing && !w->options.plain_network;
}

static void begin(struct world *w, replica_id r)
{
    struct sim_witness *witness = &w->witness[r];
    sim_arena_init(&witness->arena, witness_arena_bytes());
    witness->state = witness_new(&witness->arena, r);
}

void witnesses_init(struct world *w)
{
    w->witness_dice = dice_from(w->options.seed, 12);
    for (replica_id r = 0; w->certifies && r < w->n; r++)
        begin(w, r);
}

void witnesses_start(struct world *w)
{
    for (replica_id r = 0; w->certifies && r < w->n; r++)
        CHECK(witness_start(w->witness[r].state, &w->configuration));
}

void witnesses_free(struct world *w)
{
    for (replica_id r = 0; r < REPLICAS_MAX; r++) {
        struct sim_witness *witness = &w->witness[r];
        for (uint32_t i = 0; i < STEPS_SEEN; i++)
            parcel_drop(witness->seen[i]);
        if (witness->state)
            sim_arena_free(&witness->arena);
    }
}

/* --- what a Byzantine host does ----------------------------------------------------------------------------------------------- */

/* Another life of it, with nothing of before; a key that outlived it would be the end of it. */
static void begin_anew(struct world *w, replica_id r)
{
    struct sim_witness *witness = &w->witness[r];
    const struct box_key box = witness->state->box;
    uint64_t counter = witness->state->counter;
    world_trace(w, "attack: replica %u starts its Troxy anew", r);
    sim_arena_free(&witness->arena);
    begin(w, r);
    if (mutant(MUTANT_WITNESS_OF_ANOTHER_LIFE)) {
        witness->state->box = box;
        witness->state->counter = counter + 1000;
    }
    (void)witness_start(witness->state, &w->configuration);
}

static struct parcel *step_of(replica_id r, const struct local_certify *m, struct slice raised)
{
    static uint8_t bytes[FRAME_HEADER_BYTES + 128 + RAISED_BYTES_MAX];
    uint8_t body[128];
    struct writer b = writer_to(body, sizeof body);
    struct sender self = {KIND_EXECUTION, r, 1};
    local_certify_put(&b, m);
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_CERTIFY, &self, AUTH_NONE,
                              (struct slice){body, b.len}, (struct slice){NULL, 0}, raised);
    CHECK(len > 0);
    return parcel_of((struct slice){bytes, len});
}

/* Only the first of what was written, or nothing at all. */
static void hide(struct dice *d, struct local_certify *m, struct slice *raised)
{
    struct reader r = reader_of(raised->data, raised->len);
    struct raised one;
    if (dice_chance(d, 0.3))
        (void)raised_next(&r, &one);
    raised->len -= reader_left(&r);
    digest_of(&m->raised, RAISED_TAG, raised->data, raised->len);
}

/* The caller's to drop; NULL: nothing is shown. */
static struct parcel *lie_of(struct world *w, replica_id r, const struct frame *frame)
{
    struct sim_witness *witness = &w->witness[r];
    struct dice *d = &w->witness_dice;
    struct slice raised = frame->attachment;
    struct local_certify m;
    if (!local_certify_decode(frame->body, &m))
        return NULL;
    switch (dice_below(d, 10)) {
    case 0:
        return NULL;
    case 1:
        raised.len = 0;
        break;
    case 2:
    case 3:
        hide(d, &m, &raised);
        break;
    case 4: /* as if it were the next */
    case 5:
        m.before = witness->state->head;
        break;
    case 6:
        hide(d, &m, &raised);
        m.before = witness->state->head;
        break;
    case 7:
        m.slot += dice_chance(d, 0.5) ? 1 + dice_below(d, 3) : 0;
        m.index = dice_below(d, 4);
        break;
    case 8:
        m.bundle_no += 1 + dice_below(d, 2);
        break;
    default:
        m.slot = m.slot > 3 ? m.slot - 1 - dice_below(d, 3) : m.slot;
        break;
    }
    return step_of(r, &m, raised);
}

/* Only in some runs: a Troxy of another life is silent, and there is nothing more to see of it. */
static bool has_another_life(struct world *w)
{
    struct dice d = dice_from(w->options.seed, 3003);
    if (w->options.only_attack && strcmp(w->options.only_attack, "another-life") == 0)
        return true;
    return dice_chance(&d, 0.2) && dice_chance(&w->witness_dice, 0.2);
}

static bool is_kept_dark(struct world *w, replica_id r)
{
    struct sim_witness *witness = &w->witness[r];
    struct dice *d = &w->witness_dice;
    if (witness->dark_until_us <= w->now_us) {
        if (!dice_chance(d, 0.05))
            return false;
        witness->dark_until_us = w->now_us + dice_between(d, 20000, 1500000);
        witness->pretends = dice_chance(d, 0.5);
        witness->leaks = dice_chance(d, 0.5);
        if (w->options.only_attack && strcmp(w->options.only_attack, "pretend") == 0)
            witness->pretends = true;
        if (has_another_life(w)) {
            begin_anew(w, r);
            witness->pretends = witness->leaks = false;
        }
    }
    return !witness->leaks || dice_chance(d, 0.9);
}

static void later(struct world *w, replica_id r, uint64_t delay_us, struct parcel *parcel)
{
    world_later(w, delay_us, DUE_WITNESS, r, 0, 0, parcel_hold(parcel));
}

/* True: it has dealt with this one itself. */
static bool host_lies(struct world *w, replica_id r, struct parcel *parcel)
{
    struct sim_witness *witness = &w->witness[r];
    struct dice *d = &w->witness_dice;
    struct frame frame;
    if (!is_evil(w, r) || !frame_decode(parcel->data, parcel->len, &frame))
        return false;
    if (frame.type != FRAME_LOCAL_CERTIFY) {
        if (dice_chance(d, 0.1))
            later(w, r, 100 + dice_below(d, 200000), parcel); /* as well */
        return dice_chance(d, 0.05);
    }
    struct parcel **seen = &witness->seen[witness->steps++ % STEPS_SEEN];
    parcel_drop(*seen);
    *seen = parcel_hold(parcel);
    if (is_kept_dark(w, r)) {
        struct local_certify m;
        struct slice raised = frame.attachment;
        world_fault(w);
        if (!witness->pretends || !local_certify_decode(frame.body, &m))
            return true;
        hide(d, &m, &raised);
        m.before = witness->state->head;
        struct parcel *other = step_of(r, &m, raised);
        later(w, r, 20, other);
        parcel_drop(other);
        return true;
    }
    if (dice_chance(d, 0.05)) {
        uint32_t kept = witness->steps < STEPS_SEEN ? witness->steps : STEPS_SEEN;
        later(w, r, 10, witness->seen[dice_below(d, kept)]);
        world_fault(w);
    }
    if (!dice_chance(d, 0.1))
        return false;
    struct parcel *lie = lie_of(w, r, &frame);
    world_fault(w);
    if (lie)
        later(w, r, 20, lie);
    if (lie)
        parcel_drop(lie);
    return dice_chance(d, 0.7);
}

/* --- frames -------------------------------------------------------------------------------------------------------------------------- */

void witness_give(struct world *w, replica_id r, struct parcel *parcel)
{
    struct sim_witness *witness = &w->witness[r];
    if (!w->certifies || host_lies(w, r, parcel))
        return;
    uint64_t at = w->now_us + 1 + dice_below(&w->witness_dice, 30);
    witness->given_us = at > witness->given_us ? at : witness->given_us; /* in order */
    later(w, r, witness->given_us - w->now_us, parcel);
}

void witness_on_due(struct world *w, replica_id r, struct parcel *parcel)
{
    struct witness *state = w->witness[r].state;
    struct frame frame;
    struct parcel *out[4];
    size_t count = 0, at = 0;
    struct slice said;
    if (!frame_decode(parcel->data, parcel->len, &frame))
        return;
    if (frame.type == FRAME_LOCAL_CERTIFY)
        (void)witness_on_certify(state, &frame, &w->outbox);
    else if (frame.type == FRAME_ASK_ATTEST)
        (void)witness_on_ask(state, &frame, &w->outbox);
    witness_validate(state);
    while (count < sizeof out / sizeof *out && outbox_next(&w->outbox, &at, &said))
        out[count++] = parcel_of(said);
    w->outbox.len = 0;
    for (size_t i = 0; i < count; i++) {
        replica_event(w, r, EVENT_COMPARTMENT, KIND_TROXY, parcel_slice(out[i]));
        parcel_drop(out[i]);
    }
}
