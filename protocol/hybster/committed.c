/*
 * COMMITTED: a commit certificate. One's own tells the host that the slot is final; the host keeps it for those who lack it, whatever
 * view they are in. Another's is checked, and then as good.
 */
#include "hybster/orderer.h"

#include "counter/trinx.h"

void committed_tell(struct orderer *o, view_no view, slot_no slot, const struct digest *batch, epoch_no epoch,
                    const struct tag16 *prepare, const struct hybster_voter *voters, uint32_t count,
                    struct outbox *out)
{
    uint8_t body[128 + REPLICAS_MAX * hybster_voter_BYTES], list[REPLICAS_MAX * hybster_voter_BYTES];
    struct writer w = writer_to(body, sizeof body), l = writer_to(list, sizeof list);
    for (uint32_t i = 0; i < count; i++)
        hybster_voter_put(&l, &voters[i]);
    hybster_committed_put(&w, &(struct hybster_committed){.view = view,
                                                          .slot = slot,
                                                          .batch = *batch,
                                                          .epoch = epoch,
                                                          .prepare = *prepare,
                                                          .commits = {list, l.len}});
    CHECK(!w.bad && !l.bad);
    orderer_emit(out, orderer_frame(o, FRAME_HYBSTER_COMMITTED, (struct slice){body, w.len},
                                    (struct slice){NULL, 0}, (struct slice){NULL, 0}));
}

static struct sender counter_of(replica_id r, epoch_no epoch)
{
    return (struct sender){.kind = KIND_COUNTER, .id = r, .epoch = epoch};
}

/* A quorum of replicas, the leader once and not among the others, each by the N that counts there. */
static enum verdict voters_check(const struct orderer *o, const struct hybster_committed *c)
{
    replica_id leader = primary_of(&o->configuration, c->view);
    struct sender by = counter_of(leader, c->epoch);
    uint32_t votes = 1;
    if (!orderer_counts(o, &by, c->view, c->slot))
        return VERDICT_UNKNOWN_SENDER;
    for (uint32_t i = 0; i < hybster_voter_count(c->commits); i++) {
        struct hybster_voter voter = hybster_voter_at(c->commits, i);
        by = counter_of(voter.replica, voter.epoch);
        if (voter.replica == leader || !orderer_counts(o, &by, c->view, c->slot))
            return VERDICT_UNKNOWN_SENDER;
        votes++;
    }
    return votes >= o->quorum ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}

static void ask(struct orderer *o, struct job *job, const struct hybster_committed *c)
{
    struct sender leader = counter_of(primary_of(&o->configuration, c->view), c->epoch);
    struct counted value = counted_slot(o, c->view, c->slot);
    struct digest content;
    prepare_content(o, c->view, c->slot, &c->batch, c->epoch, &content);
    calls_check(o, job, TRINX_INDEPENDENT, &leader, value, NULL, &c->prepare, &content);
    for (uint32_t i = 0; i < hybster_voter_count(c->commits); i++) {
        uint8_t body[64];
        struct writer w = writer_to(body, sizeof body);
        job->voter[i] = hybster_voter_at(c->commits, i);
        struct sender by = counter_of(job->voter[i].replica, job->voter[i].epoch);
        hybster_commit_put(&w, &(struct hybster_commit){.view = c->view, .slot = c->slot, .batch = c->batch});
        orderer_content(o, FRAME_HYBSTER_COMMIT, &by, (struct slice){body, w.len}, &content);
        calls_check(o, job, TRINX_INDEPENDENT, &by, value, NULL, &job->voter[i].mac, &content);
        job->voters++;
    }
}

enum verdict orderer_on_committed(struct orderer *o, const struct frame *frame)
{
    struct hybster_committed c;
    enum verdict verdict = hybster_committed_check(frame, &c);
    if (verdict == VERDICT_ACCEPT)
        verdict = window_check(orderer_stable(o), c.slot);
    if (verdict == VERDICT_ACCEPT)
        verdict = voters_check(o, &c);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct hyb_slot *s = orderer_slot(o, c.slot);
    if (s->settling || (s->committed && (s->prepared || c.view != o->core.view)))
        return VERDICT_DUPLICATE;
    struct job *job =
        calls_have_room(o, REPLICAS_MAX + 1) ? calls_begin(o, JOB_CHECK_COMMITTED, false) : NULL;
    if (!job)
        return VERDICT_LIMIT;
    job->view = c.view;
    job->slot = c.slot;
    job->batch = c.batch;
    job->epoch = c.epoch;
    job->mac = c.prepare;
    ask(o, job, &c);
    s->settling = true;
    return VERDICT_ACCEPT;
}

/* In the view that it is of, its PREPARE is one that may be voted for: it is lacking, and votes have no gaps. */
static void prepare_take(struct orderer *o, struct hyb_slot *s, const struct job *job)
{
    if (job->view != o->core.view || s->prepared || s->checking || orderer_leads(o, job->view) ||
        !core_agrees(&o->core, job->slot, &job->batch))
        return;
    s->prepared = true;
    s->batch = job->batch;
    s->epoch = job->epoch;
    s->mac = job->mac;
    s->list_len = 0;
}

void committed_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out)
{
    if (window_check(orderer_stable(o), job->slot) != VERDICT_ACCEPT)
        return;
    struct hyb_slot *s = orderer_slot(o, job->slot);
    s->settling = false;
    if (!good)
        return;
    if (!s->committed)
        committed_tell(o, job->view, job->slot, &job->batch, job->epoch, &job->mac, job->voter, job->voters,
                       out);
    s->committed = true;
    s->committed_batch = job->batch;
    prepare_take(o, s, job);
}
