/*
 * The primary gives the next slot to the bundles that its host puts forward. What to propose and when is the host's
 * choice (it can hurt only liveness); P leaves out what it has not admitted.
 */
#include "preparation/preparation.h"

void preparation_add_vote(struct prep_slot *s, const struct digest *batch, view_no view)
{
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < s->votes; i++) {
        if (digest_equal(&s->vote[i].batch, batch)) {
            s->vote[i].view = view;
            return;
        }
        if (s->vote[i].view < s->vote[oldest].view)
            oldest = i;
    }
    uint32_t at = s->votes < PARTING_DIGESTS_PER_SLOT ? s->votes++ : oldest;
    s->vote[at] = (struct prep_vote){.batch = *batch, .view = view};
}

void preparation_vote(struct preparation *p, slot_no slot, const struct digest *batch, struct slice list,
                      struct outbox *out)
{
    struct prep_slot *s = prep_slot_at(p, slot);
    if (s->parked)
        p->parked--;
    s->parked = false;
    s->voted = true;
    s->voted_view = p->view;
    s->voted_batch = *batch;
    preparation_add_vote(s, batch, p->view);
    preparation_write_vote(p, slot, batch, out);
    struct vote vote = {
        .configuration = p->configuration.number, .view = p->view, .slot = slot, .batch = *batch};
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    vote_put(&w, &vote);
    struct slice content = {body, w.len};
    if (prep_is_primary(p))
        auth_emit_macs(&p->auth, out, FRAME_PRE_PREPARE, content, TO_P | TO_C, list);
    else
        auth_emit_macs(&p->auth, out, FRAME_PREPARE, content, TO_C, (struct slice){NULL, 0});
}

static enum verdict propose_batch(struct preparation *p, const struct frame *frame, uint64_t now_us,
                                  struct outbox *out)
{
    struct local_propose propose;
    if (!local_propose_decode(frame->body, &propose) ||
        !batch_entry_list_ok(propose.entries, BATCH_BUNDLES_MAX))
        return VERDICT_MALFORMED;
    if (!p->in_view || !prep_is_primary(p))
        return VERDICT_UNEXPECTED;
    if (p->next_slot <= prep_stable_slot(p))
        p->next_slot = prep_stable_slot(p) + 1;
    if (window_check(prep_stable_slot(p), p->next_slot) != VERDICT_ACCEPT ||
        p->next_slot > configuration_last_slot(&p->configuration))
        return VERDICT_EARLY;
    uint8_t list[BATCH_BYTES_MAX];
    struct writer w = writer_to(list, sizeof list);
    uint64_t time_us = propose.time_us > now_us + TIME_AHEAD_MAX_US ? now_us : propose.time_us;
    if (time_us <= p->last_time_us)
        time_us = p->last_time_us + 1; /* rises, so that even null batches differ */
    put_u64(&w, time_us);
    uint32_t count = 0, asked = batch_entry_count(propose.entries);
    for (uint32_t i = 0; i < asked; i++) {
        struct batch_entry entry = batch_entry_at(propose.entries, i);
        if (!admission_has(&p->admission, &entry))
            continue;
        batch_entry_put(&w, &entry);
        count++;
    }
    if (asked && !count)
        return VERDICT_UNEXPECTED;
    p->last_time_us = time_us;
    struct slice attachment = {list, w.len};
    struct digest digest;
    batch_digest(&digest, attachment);
    preparation_vote(p, p->next_slot++, &digest, attachment, out);
    return VERDICT_ACCEPT;
}

/* The host counts on an answer to every proposal: a PRE-PREPARE, or where P stands. */
enum verdict preparation_on_propose(struct preparation *p, const struct frame *frame, uint64_t now_us,
                                    struct outbox *out)
{
    enum verdict verdict = propose_batch(p, frame, now_us, out);
    if (verdict != VERDICT_ACCEPT)
        preparation_tell_view(p, out);
    return verdict;
}
