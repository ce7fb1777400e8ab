/*
 * A Byzantine host: what it may do to frames on their way to its compartments and to peers. It never loses what is meant
 * for its own compartments, it keeps it: when healing begins everything is handed over, late.
 */
#include "world.h"

static void hold(struct replica *replica, uint32_t cell, struct parcel *parcel, bool local)
{
    if (replica->helds == replica->held_cap) {
        replica->held_cap = replica->held_cap ? 2 * replica->held_cap : 64;
        replica->held = realloc(replica->held, replica->held_cap * sizeof *replica->held);
        CHECK(replica->held != NULL);
    }
    replica->held[replica->helds++] = (struct held){parcel_hold(parcel), cell, local};
}

/* A byte turned over somewhere: header, body, MACs, attachment. */
static struct parcel *tampered(struct dice *d, const struct parcel *parcel)
{
    struct parcel *bad = parcel_of(parcel_slice(parcel));
    if (bad->len == 0)
        return bad;
    if (dice_chance(d, 0.2))
        bad->len = dice_below(d, bad->len);
    else
        bad->data[dice_below(d, bad->len)] ^= (uint8_t)(1u << dice_below(d, 8));
    return bad;
}

bool host_meddles_give(struct world *w, replica_id r, uint32_t cell, struct parcel *parcel, bool local)
{
    struct replica *replica = &w->replica[r];
    struct dice *d = &w->fault_dice;
    if (replica->mischief == 0 || !dice_chance(d, replica->mischief))
        return false;
    /* What hosts tell their own compartments is not turned into nonsense: a P in view 2^40 would be lost for good. */
    bool command = parcel->len > 1 && parcel->data[1] >= FRAME_LOCAL_PROPOSE;
    if (parcel->len > 1 && (parcel->data[1] == FRAME_LOCAL_COUNT || parcel->data[1] == FRAME_LOCAL_COUNTED))
        return false; /* an orderer without its counter says nothing any more */
    world_fault(w);
    struct parcel *bad;
    switch (command ? 0 : dice_below(d, 4)) {
    case 0:
        hold(replica, cell, parcel, local);
        return true;
    case 1:
        cell_give(w, r, cell, parcel, local);
        return false; /* twice */
    case 2:
        bad = tampered(d, parcel);
        cell_give(w, r, cell, bad, false);
        parcel_drop(bad);
        return false;
    default:
        cell_give(w, r, dice_below(d, CELLS), parcel, false); /* to the wrong one as well */
        return false;
    }
}

bool host_meddles_send(struct world *w, replica_id r, uint32_t to, struct parcel *parcel)
{
    struct replica *replica = &w->replica[r];
    struct dice *d = &w->fault_dice;
    (void)to;
    if (replica->mischief == 0 || !dice_chance(d, replica->mischief))
        return false;
    world_fault(w);
    struct parcel *bad;
    switch (dice_below(d, 3)) {
    case 0:
        return true; /* lost */
    case 1:
        bad = tampered(d, parcel);
        for (replica_id peer = 0; peer < w->n; peer++)
            if (peer != r)
                network_send(w, r, peer, bad);
        parcel_drop(bad);
        return false;
    default:
        for (replica_id peer = 0; peer < w->n; peer++)
            if (peer != r && dice_chance(d, 0.5))
                network_send(w, r, peer, parcel); /* to whoever */
        return false;
    }
}

static struct parcel *host_frame(replica_id r, enum frame_type type, struct slice body)
{
    uint8_t bytes[512];
    struct sender self = {KIND_HOST, r, 1};
    size_t len = frame_encode(bytes, sizeof bytes, type, &self, AUTH_NONE, body, (struct slice){NULL, 0},
                              (struct slice){NULL, 0});
    CHECK(len > 0);
    return parcel_of((struct slice){bytes, len});
}

static void leave(struct world *w, replica_id r)
{
    struct dice *d = &w->fault_dice;
    const void *first = w->replica[r].cell[CELL_P].state;
    view_no view =
        w->hybster ? ((const struct orderer *)first)->view : ((const struct preparation *)first)->view;
    uint8_t body[8];
    struct writer bw = writer_to(body, sizeof body);
    struct local_leave m = {.view = view + dice_below(d, 3)};
    local_leave_put(&bw, &m);
    struct parcel *parcel = host_frame(r, FRAME_LOCAL_LEAVE, (struct slice){body, bw.len});
    if (dice_chance(d, 0.7))
        cell_give(w, r, CELL_P, parcel, false);
    if (dice_chance(d, 0.7))
        cell_give(w, r, CELL_C, parcel, false);
    parcel_drop(parcel);
}

static void lie_in_status(struct world *w, replica_id r)
{
    struct dice *d = &w->fault_dice;
    const struct execution *e = w->replica[r].cell[CELL_E].state;
    uint8_t body[64];
    struct writer bw = writer_to(body, sizeof body);
    struct status m = {
        .view = dice_below(d, 20),
        .in_view = (uint8_t)dice_below(d, 2),
        .executed = e->executed + dice_below(d, 100),
        .stable = e->executed + dice_below(d, 100),
        .newest = e->executed + dice_below(d, 1000),
    };
    if (dice_chance(d, 0.1))
        m.newest = m.executed = UINT64_MAX - dice_below(d, 3);
    status_put(&bw, &m);
    struct parcel *parcel = host_frame(r, FRAME_STATUS, (struct slice){body, bw.len});
    for (replica_id peer = 0; peer < w->n; peer++)
        if (peer != r && dice_chance(d, 0.7))
            network_send(w, r, peer, parcel);
    parcel_drop(parcel);
}

static struct parcel *remembered(struct world *w)
{
    uint32_t have = w->remembered < MEMORY_FRAMES ? w->remembered : MEMORY_FRAMES;
    return have ? w->memory[dice_below(&w->fault_dice, have)] : NULL;
}

static void replay(struct world *w, replica_id r)
{
    struct dice *d = &w->fault_dice;
    for (uint32_t i = dice_below(d, 30); i > 0; i--) {
        struct parcel *parcel = remembered(w);
        if (!parcel)
            return;
        if (dice_chance(d, 0.6))
            cell_give(w, r, dice_below(d, CELLS), parcel, false);
        else
            network_send(w, r, dice_below(d, w->n), parcel);
        world_fault(w);
    }
}

/* Old bundles again, as if their clients had sent them. */
static void replay_bundles(struct world *w, replica_id r)
{
    struct dice *d = &w->fault_dice;
    uint32_t have = w->old_bundles < 256 ? w->old_bundles : 256;
    for (uint32_t i = 0; have && i < 5; i++) {
        struct parcel *parcel = w->old_bundle[dice_below(d, have)];
        for (replica_id to = 0; parcel && to < w->n; to++)
            if (to != r)
                network_send(w, r, to, parcel);
        world_fault(w);
    }
}

static void release_some(struct world *w, replica_id r, uint32_t percent)
{
    struct replica *replica = &w->replica[r];
    struct dice *d = &w->fault_dice;
    size_t kept = 0;
    for (size_t i = 0; i < replica->helds; i++) {
        struct held held = replica->held[i];
        if (dice_below(d, 100) >= percent) {
            replica->held[kept++] = held;
            continue;
        }
        cell_give(w, r, held.cell, held.parcel, held.local);
        parcel_drop(held.parcel);
    }
    replica->helds = kept;
}

void host_releases(struct world *w, replica_id r)
{
    if (!w->replica[r].crashed)
        release_some(w, r, 100);
}

void host_acts_up(struct world *w, replica_id r)
{
    struct dice *d = &w->fault_dice;
    if (w->replica[r].crashed)
        return;
    world_fault(w);
    switch (dice_below(d, 6)) {
    case 0:
        leave(w, r);
        break;
    case 1:
        lie_in_status(w, r);
        break;
    case 2:
        replay(w, r);
        break;
    case 3:
        replay_bundles(w, r);
        break;
    case 4:
        release_some(w, r, 50);
        break;
    default:
        w->replica[r].mischief = dice_chance(d, 0.5) ? 0 : (double)dice_below(d, 100) / 500;
    }
}
