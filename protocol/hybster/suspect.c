/*
 * SUSPECT: the host would rather be in another view. Nothing changes by it until f+1 replicas say so, by SUSPECT or by a VIEW-CHANGE:
 * then one of them is correct, and everybody leaves. Whoever leaves hands on the SUSPECTs that it counted, so that others do too.
 */
#include "hybster/orderer.h"

#include "counter/trinx.h"

static void suspect_content(const struct orderer *o, const struct sender *by, view_no view,
                            struct digest *content)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    hybster_suspect_put(&w, &(struct hybster_suspect){.view = view});
    orderer_content(o, FRAME_HYBSTER_SUSPECT, by, (struct slice){body, w.len}, content);
}

static void show(struct orderer *o, replica_id r, struct outbox *out)
{
    const struct suspicion *s = &o->suspicion[r];
    struct sender by = orderer_counter(o, r, s->view);
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    if (!s->shown)
        return;
    hybster_suspect_put(&w, &(struct hybster_suspect){.view = s->view});
    size_t len = frame_encode(o->scratch, FRAME_MAX, FRAME_HYBSTER_SUSPECT, &by, AUTH_COUNTER,
                              (struct slice){body, w.len}, (struct slice){s->mac.bytes, sizeof s->mac.bytes},
                              (struct slice){NULL, 0});
    orderer_emit(out, (struct slice){o->scratch, len});
}

/* The host says so again and again while it waits: then what was said is said again. */
enum verdict orderer_on_leave(struct orderer *o, const struct frame *frame, struct outbox *out)
{
    struct local_leave leave;
    struct digest content;
    if (!local_leave_decode(frame->body, &leave) || leave.view > HYBSTER_VIEW_MAX)
        return VERDICT_MALFORMED;
    if (leave.view <= o->view)
        return VERDICT_STALE;
    if (!orderer_takes_part(o, leave.view))
        return VERDICT_EARLY; /* a learner's word counts for nothing */
    if (leave.view <= o->suspected) {
        for (replica_id r = 0; r < o->configuration.replicas; r++)
            show(o, r, out);
        return VERDICT_DUPLICATE;
    }
    struct job *job = calls_begin(o, JOB_CERTIFY_SUSPECT, true);
    if (!job)
        return VERDICT_LIMIT;
    o->suspected = leave.view;
    job->view = leave.view;
    suspect_content(o, &o->counter, leave.view, &content);
    calls_certify(o, job, TRINX_MAC, (struct counted){0}, &content);
    return VERDICT_ACCEPT;
}

/* The highest view that a quorum's worth of correct ones, f+1, would be in, or in one above. */
static view_no wanted(const struct orderer *o)
{
    view_no view[REPLICAS_MAX] = {0};
    for (replica_id r = 0; r < o->configuration.replicas; r++) {
        uint32_t at = r;
        for (; at > 0 && view[at - 1] < o->suspicion[r].view; at--)
            view[at] = view[at - 1];
        view[at] = o->suspicion[r].view;
    }
    return view[o->configuration.faults];
}

void suspect_note(struct orderer *o, replica_id r, view_no view, const struct tag16 *mac, struct outbox *out)
{
    struct suspicion *s = &o->suspicion[r];
    if (view > s->view || (view == s->view && mac && !s->shown)) {
        s->view = view;
        s->shown = mac != NULL;
        if (mac)
            s->mac = *mac;
    }
    if (wanted(o) <= o->view)
        return;
    view_change_leave(o, wanted(o), out);
    for (replica_id other = 0; other < o->configuration.replicas; other++)
        show(o, other, out);
}

void suspect_certified(struct orderer *o, const struct job *job, const struct tag16 *mac, struct outbox *out)
{
    suspect_note(o, o->config.replica, job->view, mac, out);
    show(o, o->config.replica, out);
}

enum verdict orderer_on_suspect(struct orderer *o, const struct frame *frame)
{
    struct hybster_suspect suspect;
    struct digest content;
    enum verdict verdict = hybster_suspect_check(frame, &suspect);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (!orderer_counts(o, &frame->sender, suspect.view, 0))
        return VERDICT_UNKNOWN_SENDER;
    if (suspect.view <= o->suspicion[frame->sender.id].view || suspect.view <= o->view)
        return VERDICT_STALE;
    struct job *job = calls_have_room(o, 1) ? calls_begin(o, JOB_CHECK_SUSPECT, false) : NULL;
    if (!job)
        return VERDICT_LIMIT;
    job->view = suspect.view;
    job->replica = frame->sender.id;
    memcpy(job->mac.bytes, frame->auth.data, sizeof job->mac.bytes);
    suspect_content(o, &frame->sender, suspect.view, &content);
    calls_check(o, job, TRINX_MAC, &frame->sender, (struct counted){0}, NULL, &job->mac, &content);
    return VERDICT_ACCEPT;
}

void suspect_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out)
{
    if (good)
        suspect_note(o, job->replica, job->view, &job->mac, out);
}
