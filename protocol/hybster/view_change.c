/*
 * VIEW-CHANGE: leaving, and showing all that was voted for; and those of the others. The leader of the new view keeps what it can use; the
 * rest only say that somebody left.
 */
#include "hybster/orderer.h"

#include "counter/trinx.h"

/* --- the own ---------------------------------------------------------------------------------------------------------- */

void view_change_leave(struct orderer *o, view_no view, struct outbox *out)
{
    CHECK(view > o->view);
    o->view = view;
    o->in_view = false;
    o->change_due = true;
    orderer_tell_view(o, out);
}

/* The leader's PREPAREs of the last view that was accepted, from the stable checkpoint on: those that were voted for, which is what the
 * counters say, and what others can be shown the bundles of. */
static void put_prepares(const struct orderer *o, struct writer *w)
{
    bool ended[PILLARS_MAX] = {false};
    for (slot_no slot = orderer_stable(o) + 1; slot <= orderer_stable(o) + WINDOW; slot++) {
        const struct hyb_slot *s = &o->slot[slot % WINDOW];
        bool *end = &ended[slot_pillar(slot, orderer_pillars(o))];
        bool voted = s->slot == slot && s->prepared && s->asked;
        *end = !voted || (*end && !mutant(MUTANT_HYBSTER_PILLAR_GAP));
        if (!*end)
            hybster_shown_put(w, &(struct hybster_shown){.above = (uint32_t)(slot - orderer_stable(o)),
                                                         .batch = s->batch,
                                                         .mac = s->mac});
    }
}

/* Not while certificates are under way: N counts them as votes already, and so they must be shown. Nor before it would count. */
void view_change_make(struct orderer *o)
{
    uint8_t prepares[WINDOW * hybster_shown_BYTES];
    struct writer p = writer_to(prepares, sizeof prepares);
    struct writer w = writer_to(o->own_change.frame, HYBSTER_VIEW_CHANGE_BYTES_MAX);
    struct digest content;
    if (!o->change_due || o->certifying || !orderer_takes_part(o, o->view) ||
        !orderer_counts_from(o, &o->counter, o->view, orderer_stable(o)))
        return;
    struct job *job = calls_begin(o, JOB_CERTIFY_VIEW_CHANGE, true);
    if (!job)
        return;
    put_prepares(o, &p);
    hybster_view_change_put(
        &w, &(struct hybster_view_change){
                .view = o->view,
                .from = o->core.view,
                .core = o->core.digest,
                .stable_slot = orderer_stable(o),
                .stable_root = o->stable.certificate.root,
                .signers = certificate_signers(&o->stable.certificate),
                .epoch = orderer_counter(o, primary_of(&o->configuration, o->core.view), o->core.view).epoch,
                .prepares = {prepares, p.len}});
    CHECK(!w.bad && !p.bad);
    o->own_change.view = o->view;
    o->own_change.from = o->core.view;
    o->own_change.len = (uint32_t)w.len;
    job->view = o->view;
    orderer_content(o, FRAME_HYBSTER_VIEW_CHANGE, &o->counter, (struct slice){o->own_change.frame, w.len},
                    &content);
    for (uint32_t pillar = 0; pillar < orderer_pillars(o); pillar++)
        calls_certify(o, job, TRINX_CONTINUING, counted_change(o->view, pillar), &content);
    o->certifying++;
    o->change_due = false;
}

static void keep(struct kept *kept, view_no view, view_no from, struct slice frame)
{
    CHECK(frame.len <= HYBSTER_VIEW_CHANGE_BYTES_MAX);
    kept->view = view;
    kept->from = from;
    kept->len = (uint32_t)frame.len;
    memcpy(kept->frame, frame.data, frame.len);
}

void view_change_certified(struct orderer *o, const struct job *job,
                           const struct hybster_continuing part[PILLARS_MAX], struct outbox *out)
{
    uint8_t auth[PILLARS_MAX * hybster_continuing_BYTES];
    struct writer a = writer_to(auth, sizeof auth);
    for (uint32_t p = 0; p < orderer_pillars(o); p++)
        hybster_continuing_put(&a, &part[p]);
    struct slice frame =
        orderer_frame(o, FRAME_HYBSTER_VIEW_CHANGE, (struct slice){o->own_change.frame, o->own_change.len},
                      (struct slice){auth, a.len}, (struct slice){NULL, 0});
    keep(&o->change[o->config.replica], o->own_change.view, o->own_change.from, frame);
    orderer_emit(out, frame);
    suspect_note(o, o->config.replica, job->view, NULL, out);
}

/* --- of others -------------------------------------------------------------------------------------------------------- */

/* The N that it says certified its PREPAREs. */
static struct sender leader_of(const struct orderer *o, const struct hybster_view_change *vc)
{
    return (struct sender){
        .kind = KIND_COUNTER, .id = primary_of(&o->configuration, vc->from), .epoch = vc->epoch};
}

enum verdict change_in_order(const struct orderer *o, const struct frame *frame, const struct change *change,
                             const struct core *from)
{
    const struct hybster_view_change *vc = &change->vc;
    struct sender leader = leader_of(o, vc);
    if (!orderer_counts_from(o, &frame->sender, vc->view, vc->stable_slot) ||
        !orderer_counts(o, &leader, vc->from, 0))
        return VERDICT_UNKNOWN_SENDER;
    if (!change_possible(change, from))
        return VERDICT_MISMATCH;
    if (mutant(MUTANT_HYBSTER_CHECKPOINT_UNCHECKED))
        return VERDICT_ACCEPT;
    return certificate_check(&o->configuration, vc->stable_slot, &vc->stable_root, vc->signers);
}

void change_ask(struct orderer *o, struct job *job, const struct frame *frame, const struct change *change,
                bool all)
{
    const struct hybster_view_change *vc = &change->vc;
    struct sender leader = leader_of(o, vc);
    struct digest content;
    orderer_content(o, frame->type, &frame->sender, frame->body, &content);
    for (uint32_t p = 0; p < change->pillars && !(p && mutant(MUTANT_HYBSTER_PILLAR_PART_MISSING)); p++)
        calls_check(o, job, TRINX_CONTINUING, &frame->sender, counted_change(vc->view, p), &change->part[p],
                    NULL, &content);
    for (uint32_t i = 0; all && i < hybster_shown_count(vc->prepares); i++) {
        struct hybster_shown shown = hybster_shown_at(vc->prepares, i);
        slot_no slot = change_slot(change, i);
        prepare_content(o, vc->from, slot, &shown.batch, vc->epoch, &content);
        calls_check(o, job, TRINX_INDEPENDENT, &leader, counted_slot(o, vc->from, slot), NULL, &shown.mac,
                    &content);
    }
}

static bool is_news(const struct kept *kept, const struct hybster_view_change *vc)
{
    return vc->view > kept->view || (vc->view == kept->view && vc->from > kept->from);
}

/* All of it is checked only by who can make a NEW-VIEW with it. */
static bool is_usable(const struct orderer *o, const struct frame *frame, const struct change *change)
{
    return orderer_leads(o, change->vc.view) && is_news(&o->change[frame->sender.id], &change->vc) &&
           change_in_order(o, frame, change, &o->core) == VERDICT_ACCEPT;
}

enum verdict orderer_on_view_change(struct orderer *o, const struct frame *frame)
{
    struct change change;
    enum verdict verdict = hybster_view_change_check(frame, &change.vc);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    replica_id r = frame->sender.id;
    if (!change_of(frame, orderer_pillars(o), &change))
        return VERDICT_MALFORMED;
    if (r == o->config.replica ||
        !orderer_counts_from(o, &frame->sender, change.vc.view, change.vc.stable_slot))
        return VERDICT_UNKNOWN_SENDER;
    if (change.vc.view < o->view || (change.vc.view == o->view && o->in_view))
        return VERDICT_STALE;
    bool all = is_usable(o, frame, &change);
    if (o->changing[r].view || (!all && change.vc.view <= o->suspicion[r].view))
        return VERDICT_DUPLICATE;
    struct job *job =
        calls_have_room(o, WINDOW + orderer_pillars(o)) ? calls_begin(o, JOB_CHECK_VIEW_CHANGE, false) : NULL;
    if (!job)
        return VERDICT_LIMIT;
    keep(&o->changing[r], change.vc.view, change.vc.from, frame->whole);
    job->view = change.vc.view;
    job->replica = r;
    job->all = all;
    change_ask(o, job, frame, &change, all);
    return VERDICT_ACCEPT;
}

void view_change_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out)
{
    struct kept *checked = &o->changing[job->replica], *accepted = &o->change[job->replica];
    if (good && job->all) {
        struct kept before = *accepted;
        *accepted = *checked;
        *checked = before;
    }
    checked->view = 0;
    if (good)
        suspect_note(o, job->replica, job->view, NULL, out);
}
