/*
 * PREPARE: the leader gives the next slot to what its host puts forward, and says so under its counter. Whoever gets one checks it on
 * the spot (place, list, time), has its certificate checked by N, and keeps it; commit.c votes for it when its turn comes.
 */
#include "hybster/orderer.h"

#include "counter/trinx.h"

void prepare_content(const struct orderer *o, view_no view, slot_no slot, const struct digest *batch,
                     epoch_no epoch, struct digest *content)
{
    struct sender leader = {.kind = KIND_COUNTER, .id = primary_of(&o->configuration, view), .epoch = epoch};
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    hybster_prepare_put(&w, &(struct hybster_prepare){.view = view, .slot = slot, .batch = *batch});
    orderer_content(o, FRAME_HYBSTER_PREPARE, &leader, (struct slice){body, w.len}, content);
}

/* --- the leader --------------------------------------------------------------------------------------------------- */

/* The slot's batch, of the present view, is certified; false when there is no room. */
static bool certify(struct orderer *o, struct hyb_slot *s)
{
    struct digest content;
    prepare_content(o, o->view, s->slot, &s->batch, o->counter.epoch, &content);
    return calls_certify_slot(o, JOB_CERTIFY_PREPARE, s, &content);
}

bool prepare_again(struct orderer *o, slot_no slot)
{
    struct hyb_slot *s = orderer_slot(o, slot);
    s->batch = *core_at(&o->core, slot);
    return certify(o, s);
}

/* The list of the next slot: time and those bundles that are admitted. False: none of them is. */
static bool list_make(struct orderer *o, const struct local_propose *propose, uint64_t now_us,
                      struct writer *w)
{
    uint64_t time_us = propose->time_us > now_us + TIME_AHEAD_MAX_US ? now_us : propose->time_us;
    if (time_us <= o->last_time_us)
        time_us = o->last_time_us + 1; /* rises, so that even null batches differ */
    put_u64(w, time_us);
    uint32_t count = 0, asked = batch_entry_count(propose->entries);
    for (uint32_t i = 0; i < asked; i++) {
        struct batch_entry entry = batch_entry_at(propose->entries, i);
        if (!admission_has(&o->admission, &entry))
            continue;
        batch_entry_put(w, &entry);
        count++;
    }
    if (asked && !count)
        return false;
    o->last_time_us = time_us;
    return true;
}

static enum verdict propose_batch(struct orderer *o, const struct frame *frame, uint64_t now_us)
{
    struct local_propose propose;
    if (!local_propose_decode(frame->body, &propose) ||
        !batch_entry_list_ok(propose.entries, BATCH_BUNDLES_MAX))
        return VERDICT_MALFORMED;
    if (!o->in_view || !orderer_leads(o, o->view))
        return VERDICT_UNEXPECTED;
    if (window_check(orderer_stable(o), o->next_slot) != VERDICT_ACCEPT ||
        o->next_slot > configuration_last_slot(&o->configuration) ||
        !orderer_counts(o, &o->counter, o->view, o->next_slot))
        return VERDICT_EARLY;
    if (orderer_next_vote(o, slot_pillar(o->next_slot, orderer_pillars(o))) < o->next_slot)
        return VERDICT_EARLY; /* what the NEW-VIEW decided goes first */
    struct hyb_slot *s = orderer_slot(o, o->next_slot);
    struct writer w = writer_to(s->list, BATCH_BYTES_MAX);
    if (o->jobs == JOBS_MAX || !list_make(o, &propose, now_us, &w))
        return VERDICT_UNEXPECTED;
    s->list_len = (uint32_t)w.len;
    batch_digest(&s->batch, (struct slice){s->list, s->list_len});
    if (!certify(o, s))
        return VERDICT_LIMIT;
    o->next_slot++;
    return VERDICT_ACCEPT;
}

/* The host counts on an answer to every proposal: a PREPARE, or where the orderer stands. */
enum verdict orderer_on_propose(struct orderer *o, const struct frame *frame, uint64_t now_us,
                                struct outbox *out)
{
    enum verdict verdict = propose_batch(o, frame, now_us);
    if (verdict != VERDICT_ACCEPT)
        orderer_tell_view(o, out);
    return verdict;
}

/* A PREPARE of a view that was left since is sent all the same: it may be shown that this counter made it. */
void prepare_certified(struct orderer *o, const struct job *job, const struct tag16 *mac, struct outbox *out)
{
    struct hyb_slot *s = &o->slot[job->slot % WINDOW];
    bool here = s->slot == job->slot && job->view == o->core.view;
    struct slice list = {NULL, 0};
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    if (here && s->list_len)
        list = (struct slice){s->list, s->list_len};
    hybster_prepare_put(&w,
                        &(struct hybster_prepare){.view = job->view, .slot = job->slot, .batch = job->batch});
    orderer_emit(out, orderer_frame(o, FRAME_HYBSTER_PREPARE, (struct slice){body, w.len},
                                    (struct slice){mac->bytes, sizeof mac->bytes}, list));
    if (!here)
        return;
    s->prepared = true;
    s->epoch = o->counter.epoch;
    s->mac = *mac;
    commit_try(o, s, out);
}

/* --- the others ----------------------------------------------------------------------------------------------------- */

static enum verdict place_check(const struct orderer *o, const struct frame *frame,
                                const struct hybster_prepare *p)
{
    if (p->view != o->core.view)
        return p->view < o->core.view ? VERDICT_STALE : VERDICT_EARLY;
    if (frame->sender.id != primary_of(&o->configuration, p->view) || frame->sender.id == o->config.replica)
        return VERDICT_UNEXPECTED;
    if (!orderer_counts(o, &frame->sender, p->view, p->slot))
        return VERDICT_UNKNOWN_SENDER;
    if (p->slot > configuration_last_slot(&o->configuration))
        return VERDICT_EARLY;
    return window_check(orderer_stable(o), p->slot);
}

/* The agreed time may run ahead of this clock a little, and lag it by what a view can take. */
static bool time_plausible(const struct orderer *o, uint64_t time_us, uint64_t now_us)
{
    return time_us <= now_us + TIME_AHEAD_MAX_US && time_us + o->configuration.view_timeout_us >= now_us;
}

/* The list, and its time; for a slot of core(view) it is that batch, and no list is needed. */
static enum verdict list_check(const struct orderer *o, const struct frame *frame,
                               const struct hybster_prepare *p, uint64_t now_us)
{
    const struct digest *decided = core_at(&o->core, p->slot);
    const struct hyb_slot *s = &o->slot[p->slot % WINDOW];
    struct batch batch;
    struct digest digest;
    if (!core_agrees(&o->core, p->slot, &p->batch))
        return VERDICT_MISMATCH;
    if (decided)
        return VERDICT_ACCEPT;
    if (!batch_decode(frame->attachment, &batch))
        return VERDICT_MALFORMED;
    batch_digest(&digest, frame->attachment);
    if (!digest_equal(&digest, &p->batch))
        return VERDICT_MISMATCH;
    if (s->slot == p->slot && s->committed && digest_equal(&s->committed_batch, &p->batch))
        return VERDICT_ACCEPT; /* others found its time good enough */
    return time_plausible(o, batch.time_us, now_us) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}

enum verdict orderer_on_prepare(struct orderer *o, const struct frame *frame, uint64_t now_us)
{
    struct hybster_prepare p;
    enum verdict verdict = hybster_prepare_check(frame, &p);
    if (verdict == VERDICT_ACCEPT)
        verdict = place_check(o, frame, &p);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct hyb_slot *s = orderer_slot(o, p.slot);
    if (s->prepared)
        return digest_equal(&s->batch, &p.batch) ? VERDICT_DUPLICATE : VERDICT_EQUIVOCATION;
    if (s->checking)
        return VERDICT_DUPLICATE;
    verdict = list_check(o, frame, &p, now_us);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct job *job = calls_have_room(o, 1) ? calls_begin(o, JOB_CHECK_PREPARE, false) : NULL;
    struct digest content;
    if (!job)
        return VERDICT_LIMIT;
    job->view = p.view;
    job->slot = p.slot;
    job->batch = p.batch;
    job->epoch = frame->sender.epoch;
    memcpy(job->mac.bytes, frame->auth.data, sizeof job->mac.bytes);
    orderer_content(o, frame->type, &frame->sender, frame->body, &content);
    calls_check(o, job, TRINX_INDEPENDENT, &frame->sender, counted_slot(o, p.view, p.slot), NULL, &job->mac,
                &content);
    s->checking = true;
    s->list_len = core_at(&o->core, p.slot) ? 0 : (uint32_t)frame->attachment.len;
    if (s->list_len)
        memcpy(s->list, frame->attachment.data, s->list_len);
    return VERDICT_ACCEPT;
}

void prepare_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out)
{
    struct hyb_slot *s = &o->slot[job->slot % WINDOW];
    if (s->slot != job->slot || job->view != o->core.view)
        return;
    s->checking = false;
    if (!good || s->prepared)
        return;
    s->prepared = true;
    s->batch = job->batch;
    s->epoch = job->epoch;
    s->mac = job->mac;
    commit_try(o, s, out);
}
