/*
 * A backup checks the primary's PRE-PREPARE and answers with a PREPARE: one batch per (view, slot), all its bundles
 * admitted, its time plausible. If bundles are missing the PRE-PREPARE is parked until they come.
 */
#include "preparation/preparation.h"

static enum verdict place_check(const struct preparation *p, const struct frame *frame,
                                const struct vote *vote)
{
    if (vote->view < p->view && !mutant(MUTANT_VIEWS_FALL))
        return VERDICT_STALE;
    if (vote->view > p->view && !mutant(MUTANT_P_WITHOUT_NEW_VIEW))
        return VERDICT_EARLY;
    if (!p->in_view && !mutant(MUTANT_P_WITHOUT_NEW_VIEW))
        return VERDICT_EARLY;
    if (frame->sender.id != primary_of(&p->configuration, vote->view) ||
        frame->sender.id == p->config.replica)
        return VERDICT_UNEXPECTED;
    if (vote->slot > configuration_last_slot(&p->configuration))
        return VERDICT_EARLY;
    return window_check(prep_stable_slot(p), vote->slot);
}

/* The agreed time may run ahead of this clock a little, and lag it by what a view can take. */
static bool time_plausible(const struct preparation *p, uint64_t time_us, uint64_t now_us)
{
    return time_us <= now_us + TIME_AHEAD_MAX_US && time_us + p->configuration.view_timeout_us >= now_us;
}

static void park(struct preparation *p, struct prep_slot *s, const struct vote *vote, struct slice list)
{
    if (!s->parked)
        p->parked++;
    s->parked = true;
    s->parked_batch = vote->batch;
    s->parked_len = (uint32_t)list.len;
    memcpy(s->parked_list, list.data, list.len);
}

enum verdict preparation_on_pre_prepare(struct preparation *p, const struct frame *frame, bool local,
                                        uint64_t now_us, struct outbox *out)
{
    struct vote vote;
    enum verdict verdict = vote_check(frame, &vote);
    if (verdict == VERDICT_ACCEPT)
        verdict = place_check(p, frame, &vote);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    (void)local; /* a backup's own host never hands it the primary's word as co-located */
    struct prep_slot *s = prep_slot_at(p, vote.slot);
    bool voted = s->voted && s->voted_view == vote.view;
    if (voted && digest_equal(&s->voted_batch, &vote.batch))
        return VERDICT_DUPLICATE;
    verdict = auth_check_mac_at(&p->auth, frame, vote.slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (voted && !mutant(MUTANT_P_VOTES_TWICE))
        return VERDICT_EQUIVOCATION;
    struct batch batch;
    struct digest digest;
    if (!batch_decode(frame->attachment, &batch))
        return VERDICT_MALFORMED;
    batch_digest(&digest, frame->attachment);
    if (!digest_equal(&digest, &vote.batch))
        return VERDICT_MISMATCH;
    if (!time_plausible(p, batch.time_us, now_us))
        return VERDICT_MISMATCH;
    if (s->parked && !digest_equal(&s->parked_batch, &vote.batch))
        return VERDICT_EQUIVOCATION;
    if (mutant(MUTANT_P_WITHOUT_NEW_VIEW) && vote.view > p->view) {
        p->view = vote.view;
        p->in_view = true;
    }
    if (mutant(MUTANT_VIEWS_FALL))
        p->view = vote.view;
    if (!admission_has_all(&p->admission, batch.entries)) {
        park(p, s, &vote, frame->attachment);
        return VERDICT_ACCEPT;
    }
    preparation_vote(p, vote.slot, &vote.batch, (struct slice){NULL, 0}, out);
    return VERDICT_ACCEPT;
}

void preparation_retry_parked(struct preparation *p, struct outbox *out)
{
    for (slot_no slot = prep_stable_slot(p) + 1; p->parked && slot <= prep_stable_slot(p) + WINDOW; slot++) {
        struct prep_slot *s = &p->slot[slot % WINDOW];
        struct batch batch;
        if (s->slot != slot || !s->parked || !p->in_view)
            continue;
        CHECK(batch_decode((struct slice){s->parked_list, s->parked_len}, &batch));
        struct digest digest = s->parked_batch;
        if (admission_has_all(&p->admission, batch.entries))
            preparation_vote(p, slot, &digest, (struct slice){NULL, 0}, out);
    }
}
