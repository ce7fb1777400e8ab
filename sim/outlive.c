/*
 * A plot against fast reads over a loss of power. A Troxy outlives it, for its host has power of its own; what it knew before is of a time
 * at which E were further than they are when they come back: a reply does not wait for the disk, so what E executed last they execute again
 * when they get the COMMITs once more. Until then they attest what was before a write that is acknowledged.
 *
 * Hosts work together: for a while before the loss the Troxy gets no replies, in half of the plots, so that reads of its clients are
 * executed and unanswered. Power is lost in the moment in which a write elsewhere is acknowledged, while
 * syncs take long. After it hosts hold back from their E all
 * that would bring it beyond the first of these reads (else: at all), and see to it that the Troxy learns of the START at once. What it
 * kept from before, or learns now by a vote on a bundle of before, their attestations agree with.
 */
#include "world.h"

#define SOON_US  300000u /* the loss comes after at most so long ... */
#define LEAST_US 20000u  /* ... and at least so long: there is to be something unanswered */
#define STALL_US 100000u
#define HELD_US  1500000u /* E are held back for so long after it */

static bool reads_there(const struct world *w, uint32_t t)
{
    return w->troxy[t].access && !w->troxy[t].faulty && w->replica[t].host_faulty && !w->replica[t].crashed;
}

bool outlive_begin(struct world *w)
{
    struct dice *d = &w->plot_dice;
    if (w->outlive.on)
        return true; /* one at a time */
    if (!w->plots || !w->troxies || w->healing || w->plot.on || w->massacre)
        return false;
    uint32_t reader = dice_below(d, w->n);
    if (!reads_there(w, reader))
        return false;
    w->outlive = (struct outlive){.on = true, .reader = reader, .unanswered = dice_chance(d, 0.5)};
    world_fault(w);
    world_trace(w, "fault: plot: troxy %u will outlive a loss of power%s", reader,
                w->outlive.unanswered ? ", with reads unanswered" : "");
    w->outlive.since_us = w->now_us;
    world_later(w, SOON_US, DUE_RESTART, REPLICAS_MAX, 0, w->life, NULL);
    return true;
}

void outlive_acknowledged(struct world *w, uint32_t troxy)
{
    struct outlive *o = &w->outlive;
    if (!o->stalls || o->lost || o->resumed || o->reader == troxy)
        return;
    o->lost = true;
    world_later(w, 1, DUE_RESTART, REPLICAS_MAX, 0, w->life, NULL);
}

bool outlive_wants_writes(const struct world *w, uint32_t troxy)
{
    return w->outlive.on && !w->outlive.resumed && w->outlive.reader != troxy;
}

bool outlive_spares(const struct world *w, uint32_t troxy)
{
    return w->outlive.on && w->outlive.reader == troxy;
}

/* Any reply that names a higher number makes a client ask for what leads there; this one is nobody's. */
static struct parcel *hint_made(struct world *w, replica_id from)
{
    uint8_t body[64], bytes[FRAME_HEADER_BYTES + sizeof body];
    const struct member *e = founding_member(from, CELL_E);
    const struct sender sender = {.kind = KIND_EXECUTION, .id = from, .epoch = e->epoch};
    const struct reply reply = {.origin = w->troxy[w->outlive.reader].number,
                                .configuration = w->configuration.number};
    struct writer b = writer_to(body, sizeof body);
    reply_put(&b, &reply);
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_REPLY, &sender, AUTH_NONE,
                              (struct slice){body, b.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    CHECK(len > 0);
    return parcel_of((struct slice){bytes, len});
}

void outlive_resumed(struct world *w)
{
    const struct sim_troxy *troxy = &w->troxy[w->outlive.reader];
    if (!w->outlive.on)
        return;
    w->outlive.resumed = true;
    w->outlive.until_us = w->now_us + HELD_US;
    world_trace(w, "fault: plot: E are kept at slot %llu", (unsigned long long)w->outlive.slot);
    for (replica_id r = 0; r < w->n; r++) {
        struct parcel *hint = hint_made(w, r);
        world_later(w, 1000, DUE_TO_TROXY, w->outlive.reader, r, troxy->incarnation, hint);
    }
}

static bool ends(struct world *w)
{
    if (w->outlive.on && (w->healing || (w->outlive.resumed && w->now_us >= w->outlive.until_us)))
        w->outlive = (struct outlive){0};
    return !w->outlive.on;
}

/* E has just executed a write that it has on no disk yet. */
static void stall_all(struct world *w, replica_id from, slot_no slot)
{
    const struct execution *e = w->replica[from].cell[CELL_E].state;
    if (w->outlive.stalls || e->versions.whole < version_of(slot, 0))
        return;
    for (replica_id r = 0; r < w->n; r++)
        disk_stall(w, r, STALL_US);
    w->outlive.stalls = true;
}

bool outlive_keeps_reply(struct world *w, uint32_t troxy, replica_id from, const struct parcel *parcel)
{
    struct frame frame;
    struct reply reply;
    struct outlive *o = &w->outlive;
    if (ends(w) || o->resumed || !frame_decode(parcel->data, parcel->len, &frame) ||
        frame.type != FRAME_REPLY || !reply_decode(frame.body, &reply))
        return false;
    if (o->reader == troxy && o->unanswered) {
        if (!o->slot)
            o->slot = reply.slot;
        return true;
    }
    if (o->reader != troxy && w->now_us >= o->since_us + LEAST_US && reply.slot > o->slot &&
        (o->slot || !o->unanswered))
        stall_all(w, from, reply.slot);
    return false;
}

uint64_t outlive_keeps_from_execution(struct world *w, replica_id r, const struct parcel *parcel)
{
    struct frame frame;
    struct vote vote;
    if (ends(w) || !w->outlive.resumed || !w->replica[r].host_faulty ||
        !frame_decode(parcel->data, parcel->len, &frame))
        return 0;
    bool commit = frame.type == FRAME_COMMIT && vote_decode(frame.body, &vote);
    bool brings_on = commit ? vote.slot > w->outlive.slot
                            : frame.type == FRAME_EXECUTED || frame.type == FRAME_CHECKPOINT ||
                                  frame.type == FRAME_LOCAL_CHECKPOINT || frame.type == FRAME_LOCAL_CATCH_UP;
    return brings_on ? w->outlive.until_us - w->now_us : 0;
}
