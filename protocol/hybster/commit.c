/*
 * COMMIT: votes for the leader's PREPAREs, in each pillar in order and without gaps, so that its counter's value says that everything below was
 * voted for too. A PREPARE and COMMITs of others that together are a quorum make a batch final.
 */
#include "hybster/orderer.h"

#include "counter/trinx.h"

static void commit_content(const struct orderer *o, const struct sender *by, view_no view, slot_no slot,
                           const struct digest *batch, struct digest *content)
{
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    hybster_commit_put(&w, &(struct hybster_commit){.view = view, .slot = slot, .batch = *batch});
    orderer_content(o, FRAME_HYBSTER_COMMIT, by, (struct slice){body, w.len}, content);
}

/* --- the own vote ------------------------------------------------------------------------------------------------- */

/* A batch that is final was voted for by a correct replica. What a NEW-VIEW decided the host has looked at before it handed it over: whether it
 * was decided before, is final, or is of bundles that own admission found authentic (routes.c). */
static bool may_vote(const struct orderer *o, const struct hyb_slot *s)
{
    struct batch batch;
    if (!s->prepared || s->slot > configuration_last_slot(&o->configuration) ||
        !core_agrees(&o->core, s->slot, &s->batch))
        return false;
    if (core_at(&o->core, s->slot) || (s->committed && digest_equal(&s->committed_batch, &s->batch)))
        return true;
    return batch_decode((struct slice){s->list, s->list_len}, &batch) &&
           admission_has_all(&o->admission, batch.entries);
}

static bool certify(struct orderer *o, struct hyb_slot *s)
{
    struct digest content;
    commit_content(o, &o->counter, o->view, s->slot, &s->batch, &content);
    return calls_certify_slot(o, JOB_CERTIFY_COMMIT, s, &content);
}

static slot_no next_vote(const struct orderer *o, uint32_t pillar)
{
    slot_no next = orderer_next_vote(o, pillar);
    if (mutant(MUTANT_HYBSTER_GAP))
        while (next < orderer_stable(o) + WINDOW &&
               (o->slot[next % WINDOW].slot != next || !o->slot[next % WINDOW].prepared))
            next += orderer_pillars(o);
    return next;
}

static void vote_in(struct orderer *o, uint32_t pillar)
{
    bool leads = orderer_leads(o, o->view);
    for (;;) {
        slot_no next = next_vote(o, pillar);
        struct hyb_slot *s = &o->slot[next % WINDOW];
        if (window_check(orderer_stable(o), next) != VERDICT_ACCEPT ||
            !orderer_counts(o, &o->counter, o->view, next))
            return;
        if (leads ? !core_at(&o->core, next) || !prepare_again(o, next)
                  : s->slot != next || !may_vote(o, s) || !certify(o, s))
            return;
    }
}

void commit_vote(struct orderer *o)
{
    for (uint32_t p = 0; o->in_view && p < orderer_pillars(o); p++)
        vote_in(o, p);
}

static void vote_keep(struct hyb_slot *s, replica_id r, epoch_no epoch, const struct digest *batch,
                      const struct tag16 *mac)
{
    s->voted[r] = true;
    s->vote_epoch[r] = epoch;
    s->vote[r] = *batch;
    s->vote_mac[r] = *mac;
}

void commit_certified(struct orderer *o, const struct job *job, const struct tag16 *mac, struct outbox *out)
{
    struct hyb_slot *s = &o->slot[job->slot % WINDOW];
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    hybster_commit_put(&w,
                       &(struct hybster_commit){.view = job->view, .slot = job->slot, .batch = job->batch});
    orderer_emit(out, orderer_frame(o, FRAME_HYBSTER_COMMIT, (struct slice){body, w.len},
                                    (struct slice){mac->bytes, sizeof mac->bytes}, (struct slice){NULL, 0}));
    if (s->slot != job->slot || job->view != o->core.view)
        return;
    vote_keep(s, o->config.replica, o->counter.epoch, &job->batch, mac);
    commit_try(o, s, out);
}

/* --- others' votes ---------------------------------------------------------------------------------------------------- */

static enum verdict place_check(const struct orderer *o, const struct frame *frame,
                                const struct hybster_commit *c)
{
    if (c->view != o->core.view)
        return c->view < o->core.view ? VERDICT_STALE : VERDICT_EARLY;
    if (frame->sender.id >= o->configuration.replicas || frame->sender.id == o->config.replica ||
        frame->sender.id == primary_of(&o->configuration, c->view))
        return VERDICT_UNEXPECTED; /* the leader's PREPARE is its vote */
    if (!orderer_counts(o, &frame->sender, c->view, c->slot))
        return VERDICT_UNKNOWN_SENDER;
    return window_check(orderer_stable(o), c->slot);
}

enum verdict orderer_on_commit(struct orderer *o, const struct frame *frame)
{
    struct hybster_commit c;
    enum verdict verdict = hybster_commit_check(frame, &c);
    if (verdict == VERDICT_ACCEPT)
        verdict = place_check(o, frame, &c);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct hyb_slot *s = orderer_slot(o, c.slot);
    if (s->committed || s->voted[frame->sender.id] || s->counting[frame->sender.id])
        return VERDICT_DUPLICATE;
    struct job *job = calls_have_room(o, 1) ? calls_begin(o, JOB_CHECK_COMMIT, false) : NULL;
    struct digest content;
    if (!job)
        return VERDICT_LIMIT;
    job->view = c.view;
    job->slot = c.slot;
    job->batch = c.batch;
    job->replica = frame->sender.id;
    job->epoch = frame->sender.epoch;
    memcpy(job->mac.bytes, frame->auth.data, sizeof job->mac.bytes);
    commit_content(o, &frame->sender, c.view, c.slot, &c.batch, &content);
    calls_check(o, job, TRINX_INDEPENDENT, &frame->sender, counted_slot(o, c.view, c.slot), NULL, &job->mac,
                &content);
    s->counting[frame->sender.id] = true;
    return VERDICT_ACCEPT;
}

void commit_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out)
{
    struct hyb_slot *s = &o->slot[job->slot % WINDOW];
    if (s->slot != job->slot || job->view != o->core.view)
        return;
    s->counting[job->replica] = false;
    if (!good || s->voted[job->replica])
        return;
    vote_keep(s, job->replica, job->epoch, &job->batch, &job->mac);
    commit_try(o, s, out);
}

/* --- final ------------------------------------------------------------------------------------------------------------- */

void commit_try(struct orderer *o, struct hyb_slot *s, struct outbox *out)
{
    struct hybster_voter voter[REPLICAS_MAX];
    uint32_t votes = 1 + (mutant(MUTANT_HYBSTER_QUORUM_AT_F) ? 1 : 0), voters = 0; /* the leader's */
    if (!s->prepared || s->committed)
        return;
    for (replica_id r = 0; r < o->configuration.replicas && votes < o->quorum; r++) {
        if (!s->voted[r] || !digest_equal(&s->vote[r], &s->batch))
            continue;
        voter[voters++] =
            (struct hybster_voter){.replica = r, .epoch = s->vote_epoch[r], .mac = s->vote_mac[r]};
        votes++;
    }
    if (votes < o->quorum)
        return;
    s->committed = true;
    s->committed_batch = s->batch;
    committed_tell(o, o->core.view, s->slot, &s->batch, s->epoch, &s->mac, voter, voters, out);
}
