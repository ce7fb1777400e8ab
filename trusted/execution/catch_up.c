/*
 * A lagging E, on its host's word, asks a peer: for EXECUTED of slots in the window, or for its state.
 */
#include "execution/execution.h"

/* A state ahead of this E's that could be believed: behind a stable checkpoint, or vouched for by a correct E. */
static bool later_state_known(const struct execution *e)
{
    slot_no stable = exec_stable_slot(e);
    struct digest root;
    if (stable > e->executed)
        return true;
    for (slot_no s = (e->executed / CHECKPOINT_INTERVAL + 1) * CHECKPOINT_INTERVAL; s <= stable + WINDOW;
         s += CHECKPOINT_INTERVAL)
        if (stable_vouched(&e->stable, s, quorum_one_correct(&e->configuration), &root))
            return true;
    return false;
}

enum verdict execution_on_catch_up(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct local_catch_up catch_up;
    if (!local_catch_up_decode(frame->body, &catch_up))
        return VERDICT_MALFORMED;
    if (catch_up.peer >= e->configuration.replicas || catch_up.peer == e->config.replica)
        return VERDICT_UNEXPECTED;
    /* Ask the host again for whatever it should have brought. */
    e->slot[(e->executed + 1) % WINDOW].need_told = false;
    if (!e->group_known)
        return VERDICT_EARLY; /* sessions could not be restored without it */
    if (catch_up.state) {
        if (mutant(MUTANT_NO_STATE_TRANSFER) || (!state_unusable(e) && !later_state_known(e))) {
            e->fetch.phase = TRANSFER_NONE;
            return VERDICT_UNEXPECTED;
        }
        e->fetch.patience_us = catch_up.patience_us;
        fetch_from(e, catch_up.peer, out);
        return VERDICT_ACCEPT;
    }
    struct ask_executed ask = {
        .replica = catch_up.peer, .first = e->executed + 1, .last = e->executed + CHECKPOINT_INTERVAL};
    uint8_t body[32];
    struct writer w = writer_to(body, sizeof body);
    ask_executed_put(&w, &ask);
    auth_emit_mac(&e->auth, out, FRAME_ASK_EXECUTED, (struct slice){body, w.len}, KIND_EXECUTION,
                  catch_up.peer, (struct slice){NULL, 0});
    return VERDICT_ACCEPT;
}

enum verdict execution_on_ask_executed(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct ask_executed ask;
    if (!ask_executed_decode(frame->body, &ask) || ask.first == 0 || ask.last < ask.first)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION || ask.replica != e->config.replica)
        return VERDICT_UNEXPECTED;
    enum verdict verdict = auth_check_mac(&e->auth, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    slot_no first = ask.first;
    if (e->executed >= REMEMBERED_SLOTS && first <= e->executed - REMEMBERED_SLOTS)
        return VERDICT_STALE;
    if (first < e->remembered_from)
        return VERDICT_STALE;
    for (slot_no slot = first; slot <= ask.last && slot <= e->executed && slot - first < CHECKPOINT_INTERVAL;
         slot++) {
        struct vote vote = {.configuration = e->configuration.number,
                            .view = 0,
                            .slot = slot,
                            .batch = e->remembered[slot % REMEMBERED_SLOTS]};
        uint8_t body[64];
        struct writer w = writer_to(body, sizeof body);
        vote_put(&w, &vote);
        auth_emit_mac(&e->auth, out, FRAME_EXECUTED, (struct slice){body, w.len}, KIND_EXECUTION,
                      frame->sender.id, (struct slice){NULL, 0});
    }
    return VERDICT_ACCEPT;
}
