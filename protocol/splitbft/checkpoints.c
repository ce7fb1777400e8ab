/*
 * CHECKPOINTs: kept for peers that lack them, and handed on without haste.
 *
 * Every compartment checks every signature for itself, and so does the host before it keeps one: a dozen checks, each as
 * costly as some hundred operations. Nobody waits for a certificate but the end of the window, which is far. So each link's
 * CHECKPOINTs queue up, and each turn of the loop takes one step: the host's check, or one compartment's. Near the
 * end of the window they are handed on at once.
 */
#include "splitbft/broker.h"

#define STEP_US 500u /* between steps when nothing else turns the loop */

/* Steps of the frame in front. */
enum { CHECK, GIVE_E, GIVE_P, GIVE_C, DONE };

static enum verdict look(const struct broker *b, const struct frame *frame, struct checkpoint *checkpoint)
{
    enum verdict verdict = checkpoint_check(frame, checkpoint);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (frame->sender.id >= b->configuration->replicas)
        return VERDICT_UNKNOWN_SENDER;
    if (frame->attachment.len || frame->auth.len != SIGNATURE_BYTES)
        return VERDICT_MALFORMED;
    return checkpoint->slot <= b->stable ? VERDICT_STALE : VERDICT_ACCEPT;
}

/* Kept for retransmission when it comes from its own host and is not from far ahead; others may relay it. */
static void keep(struct broker *b, const struct frame *frame, slot_no slot, uint32_t from)
{
    slot_no top =
        (b->executed > b->stable ? b->executed : b->stable) + CHECKPOINTS_KEPT * CHECKPOINT_INTERVAL;
    unsigned at = (unsigned)(slot / CHECKPOINT_INTERVAL % CHECKPOINTS_KEPT);
    replica_id sender = frame->sender.id;
    if (sender != from || slot > top || b->checkpoint_slot[sender][at] >= slot)
        return;
    blob_set(b, &b->checkpoint[sender][at], frame->whole);
    b->checkpoint_slot[sender][at] = slot;
}

/* One step of the frame in front of a link's queue. Returns the next one. */
static unsigned step(struct broker *b, const struct checkpoint_queue *queue, uint32_t from)
{
    struct frame frame;
    struct checkpoint checkpoint;
    const struct blob *blob = &queue->frame[queue->first];
    bool own = from == b->config.replica;
    enum verdict verdict = VERDICT_MALFORMED;
    if (frame_decode(blob->data, blob->len, &frame))
        verdict = look(b, &frame, &checkpoint); /* again: it may have become stable meanwhile */
    /* Kept only when it is what it says: a forged one for a slot far away would keep true ones out for good. */
    if (verdict == VERDICT_ACCEPT && queue->step == CHECK && !own)
        verdict = auth_check_signature_at(b->configuration, &frame, checkpoint.slot);
    if (verdict != VERDICT_ACCEPT && verdict != VERDICT_STALE) {
        b->verdict[verdict]++;
        return DONE;
    }
    /* What is stable for own E, own P and C may still lack: E may have learned it with its state. */
    if (verdict == VERDICT_STALE && queue->step == CHECK)
        return GIVE_P;
    switch (queue->step) {
    case CHECK:
        keep(b, &frame, checkpoint.slot, from);
        break;
    case GIVE_E:
        broker_give(b, KIND_EXECUTION, frame.whole, false);
        break;
    case GIVE_P:
        broker_give(b, KIND_PREPARATION, frame.whole, false);
        break;
    default:
        broker_give(b, KIND_CONFIRMATION, frame.whole, false);
        break;
    }
    return queue->step + 1;
}

/* Of the link whose turn it is; false when nothing waits. */
static bool take_step(struct broker *b)
{
    struct checkpoint_queue *queue = NULL;
    for (uint32_t i = 0; i < REPLICAS_MAX; i++) {
        queue = &b->checkpoint_queue[b->checkpoint_turn];
        if (queue->count)
            break;
        b->checkpoint_turn = (b->checkpoint_turn + 1) % REPLICAS_MAX;
    }
    if (!queue || !queue->count)
        return false;
    queue->step = step(b, queue, b->checkpoint_turn);
    if (queue->step == DONE) {
        blob_clear(b, &queue->frame[queue->first]);
        queue->first = (queue->first + 1) % CHECKPOINTS_QUEUED;
        queue->count--;
        queue->step = CHECK;
        b->checkpoints_waiting--;
        b->checkpoint_turn = (b->checkpoint_turn + 1) % REPLICAS_MAX;
    }
    return true;
}

static bool in_haste(const struct broker *b)
{
    slot_no far = b->newest > b->executed ? b->newest : b->executed;
    return far > b->stable + WINDOW - WINDOW / 4 || b->executed < b->stable;
}

void checkpoints_turn(struct broker *b)
{
    while (take_step(b) && in_haste(b))
        ;
}

uint64_t checkpoints_due(const struct broker *b)
{
    uint64_t due = b->nudge_at_us ? b->nudge_at_us : UINT64_MAX;
    return b->checkpoints_waiting && b->now_us + STEP_US < due ? b->now_us + STEP_US : due;
}

enum verdict broker_on_checkpoint(struct broker *b, const struct frame *frame, uint32_t from, bool own)
{
    struct checkpoint checkpoint;
    enum verdict verdict = look(b, frame, &checkpoint);
    bool last = verdict == VERDICT_STALE && checkpoint.slot == b->stable; /* P and C may lack it, see step() */
    if (verdict != VERDICT_ACCEPT && !last)
        return verdict;
    struct checkpoint_queue *queue = &b->checkpoint_queue[own ? b->config.replica : from];
    if (own) {
        keep(b, frame, checkpoint.slot, b->config.replica);
        broker_send(b, PEER_ALL, frame->whole);
    }
    if (queue->count == CHECKPOINTS_QUEUED)
        return VERDICT_LIMIT; /* it comes again, after this peer's next status */
    struct blob *blob = &queue->frame[(queue->first + queue->count) % CHECKPOINTS_QUEUED];
    blob_set(b, blob, frame->whole);
    if (!blob->data)
        return VERDICT_LIMIT;
    queue->count++;
    b->checkpoints_waiting++;
    return VERDICT_ACCEPT;
}

/* --- the checkpoint under way ---------------------------------------------------------------------------------- */

#define IDLE_US        5000u /* without a slot, before E is told to go on without one */
#define NUDGE_US       1000u
#define LEAVES_A_NUDGE 256u

void checkpoints_progress(struct broker *b, bool digesting, bool executing)
{
    b->digesting = digesting;
    b->nudge_at_us = digesting ? b->now_us + (executing ? IDLE_US : NUDGE_US) : 0;
}

/* Now and then without an answer: it may have been lost. */
void checkpoints_tick(struct broker *b)
{
    if (b->digesting && !b->nudge_at_us)
        b->nudge_at_us = b->now_us;
}

void checkpoints_nudge(struct broker *b)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    if (!b->nudge_at_us || b->now_us < b->nudge_at_us)
        return;
    /* E answers. Else nudges would pile up before an E that is busy, and keep it busy. */
    b->nudge_at_us = 0;
    local_checkpoint_put(&w, &(struct local_checkpoint){.leaves = LEAVES_A_NUDGE});
    broker_give(b, KIND_EXECUTION,
                broker_frame(b, FRAME_LOCAL_CHECKPOINT, (struct slice){body, w.len}, (struct slice){NULL, 0}),
                false);
}

/* --- retransmission -------------------------------------------------------------------------------------------- */

/* CHECKPOINTs above the peer's stable one: it may lack the certificate, or some of the next. The last one too if it is in no view: after
 * a power loss its P and C may know less than its E, and then they have no window in which to vote. */
void checkpoints_resend(struct broker *b, replica_id to, slot_no above)
{
    slot_no from = b->peer[to].in_view || above == 0 ? above + 1 : above;
    if (mutant(MUTANT_PARTING_WITHOUT_CERTIFICATE))
        return; /* the other way by which a C would come to know: without both, it waits for ever */
    for (replica_id r = 0; r < b->configuration->replicas; r++)
        for (unsigned i = 0; i < CHECKPOINTS_KEPT; i++)
            if (b->checkpoint_slot[r][i] >= b->stable && b->checkpoint_slot[r][i] >= from)
                broker_send(b, to, blob_slice(&b->checkpoint[r][i]));
}
