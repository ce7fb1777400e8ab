/*
 * The broker's routes for Hybster: what the orderer, the counter and other orderers say, and where it goes. The rest of the broker is the
 * same for all protocols. Untrusted like all of it; what it holds back costs liveness only.
 */
#include "splitbft/broker.h"

/* --- the order -------------------------------------------------------------------------------------------------------- */

static void tell_committed(struct broker *b, slot_no slot, const struct digest *batch)
{
    uint8_t body[40];
    struct writer w = writer_to(body, sizeof body);
    local_committed_put(&w, &(struct local_committed){.slot = slot, .batch = *batch});
    broker_give(b, KIND_EXECUTION,
                broker_frame(b, FRAME_LOCAL_COMMITTED, (struct slice){body, w.len}, (struct slice){NULL, 0}),
                false);
}

static enum verdict on_commit(struct broker *b, const struct frame *frame, uint32_t from, bool own)
{
    struct hybster_commit commit;
    enum verdict verdict = hybster_commit_check(frame, &commit);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (!own && frame->sender.id != from)
        return VERDICT_UNEXPECTED; /* nobody hands them on, and the orderer looks at one of each at a time */
    if (!own) {
        broker_give(b, KIND_PREPARATION, frame->whole, false);
        return VERDICT_ACCEPT;
    }
    struct slot_entry *s = slots_at(b, commit.slot);
    if (s) {
        blob_set(b, &s->prepare, frame->whole);
        s->voted = commit.batch;
        slots_pin_list(b, commit.slot, &commit.batch);
    }
    broker_send(b, PEER_ALL, frame->whole);
    return VERDICT_ACCEPT;
}

/* From the own orderer it is checked: E executes it, and peers that lack it are sent it. */
static enum verdict on_committed(struct broker *b, const struct frame *frame, bool own)
{
    struct hybster_committed committed;
    enum verdict verdict = hybster_committed_check(frame, &committed);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct slot_entry *s = slots_at(b, committed.slot);
    if (!own && (!s || committed.slot <= b->executed))
        return VERDICT_STALE;
    if (!own) {
        b->newest = committed.slot > b->newest ? committed.slot : b->newest;
        broker_give(b, KIND_PREPARATION, frame->whole, false);
        return VERDICT_ACCEPT;
    }
    if (s)
        blob_set(b, &s->commit, frame->whole);
    tell_committed(b, committed.slot, &committed.batch);
    return VERDICT_ACCEPT;
}

void hybster_tell_again(struct broker *b)
{
    for (slot_no slot = b->executed + 1; slot <= b->executed + RESEND_SLOTS; slot++) {
        const struct slot_entry *s = &b->slot[slot % LOG_SLOTS];
        struct frame frame;
        struct hybster_committed committed;
        if (s->slot == slot && s->commit.data && frame_decode(s->commit.data, s->commit.len, &frame) &&
            hybster_committed_decode(frame.body, &committed))
            tell_committed(b, slot, &committed.batch);
    }
}

/* Some at a time, and round again: which one it lacks it does not say. */
void hybster_resend(struct broker *b, replica_id to, const struct status *status)
{
    struct peer *peer = &b->peer[to];
    if (!b->in_view || primary_of(b->configuration, b->view) != b->config.replica ||
        b->proposed <= status->executed)
        return;
    if (peer->resent < status->stable || peer->resent >= b->proposed)
        peer->resent = status->stable;
    for (unsigned i = 0; i < RESEND_SLOTS && peer->resent < b->proposed; i++) {
        const struct slot_entry *s = &b->slot[++peer->resent % LOG_SLOTS];
        if (s->slot == peer->resent)
            broker_send(b, to, blob_slice(&s->own_pre_prepare));
    }
}

/* --- views ------------------------------------------------------------------------------------------------------------ */

/* Nothing changes by it until f+1 suspect; the host says so until then, at each tick. */
void hybster_suspect(struct broker *b, view_no view)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    local_leave_put(&w, &(struct local_leave){.view = view});
    broker_give(b, KIND_PREPARATION,
                broker_frame(b, FRAME_LOCAL_LEAVE, (struct slice){body, w.len}, (struct slice){NULL, 0}),
                false);
}

/* The own, and those of others that the orderer hands on. */
static enum verdict on_suspect(struct broker *b, const struct frame *frame, bool own)
{
    struct hybster_suspect suspect;
    enum verdict verdict = hybster_suspect_check(frame, &suspect);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (!own) {
        broker_give(b, KIND_PREPARATION, frame->whole, false);
        return VERDICT_ACCEPT;
    }
    if (frame->sender.id == b->config.replica)
        blob_set(b, &b->parting, frame->whole);
    broker_send(b, PEER_ALL, frame->whole);
    return VERDICT_ACCEPT;
}

/*
 * A faulty replica may show a PREPARE whose batch nobody else has ever seen, or whose bundles nobody sent: it is well certified, and E asks nobody
 * who sent what is final. So this host hands a VIEW-CHANGE to its orderer to make a NEW-VIEW of, and a NEW-VIEW, only with all lists and bodies
 * held, and only when each batch was decided by NEW-VIEW(from), is final, or could be voted for here: its bundles signed by their origins, its time
 * plausible. Those of correct replicas are: they voted with the bodies held and signed, or for what was decided, or final. What is missing is
 * fetched; peers send again.
 */
static void list_ask(struct broker *b, slot_no slot, const struct digest *batch, uint32_t from)
{
    struct slot_entry *s = slots_at(b, slot);
    if (!s ||
        (s->shown[from].asked_us && b->now_us - s->shown[from].asked_us < b->timeout_us / TICKS_PER_TIMEOUT))
        return; /* nobody makes this host ask for more than that */
    s->shown[from] = (struct shown){.batch = *batch, .asked_us = b->now_us};
    ordering_fetch(b, FETCH_BATCH, batch);
}

static bool batch_held(struct broker *b, slot_no slot, const struct digest *batch, uint32_t from)
{
    if (slot <= b->executed || digest_is_zero(batch))
        return true;
    const struct slot_list *list = slots_list(b, slot, batch);
    if (list)
        return ordering_bodies_held(b, slot, blob_slice(&list->bytes));
    list_ask(b, slot, batch, from);
    return false;
}

static bool is_final(struct broker *b, slot_no slot, const struct digest *batch)
{
    const struct slot_entry *s = slots_at(b, slot);
    struct frame frame;
    struct hybster_committed committed;
    return s && s->commit.data && frame_decode(s->commit.data, s->commit.len, &frame) &&
           hybster_committed_decode(frame.body, &committed) && digest_equal(&committed.batch, batch);
}

/* All of its bundles were sent by their origins. RECONFIGs bear their authority in themselves, and E looks at it. */
static bool is_authentic(struct broker *b, const struct slot_list *list)
{
    struct batch batch;
    bool good = true;
    if (!batch_decode(blob_slice(&list->bytes), &batch) || batch.time_us > b->now_us + TIME_AHEAD_MAX_US)
        return false;
    for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
        struct batch_entry listed = batch_entry_at(batch.entries, i);
        struct bundle_entry *entry = bundles_find(b, &listed.bundle);
        if (listed.origin == ORIGIN_RECONFIG || (entry && entry->state == BUNDLE_EXECUTED))
            continue;
        if (entry)
            bundles_authenticate(b, entry);
        good = good && entry && entry->authentic;
    }
    return good;
}

/* A NEW-VIEW or VIEW-CHANGE that is looked at: who handed it on, and what NEW-VIEW(from) decided. */
struct showing {
    uint32_t by;
    struct core from;
};

static bool may_build_on(struct broker *b, const struct showing *showing, slot_no slot,
                         const struct digest *batch)
{
    const struct digest *decided = core_at(&showing->from, slot);
    if (!batch_held(b, slot, batch, showing->by))
        return false;
    if (slot <= b->executed || digest_is_zero(batch) || (decided && digest_equal(decided, batch)) ||
        is_final(b, slot, batch) || mutant(MUTANT_HYBSTER_ADMISSION_ON_CORE))
        return true;
    return is_authentic(b, slots_list(b, slot, batch));
}

static bool shown_held(struct broker *b, const struct hybster_view_change *vc, slot_no above,
                       const struct showing *showing)
{
    bool held = true;
    for (uint32_t i = 0; i < hybster_shown_count(vc->prepares); i++) {
        struct hybster_shown shown = hybster_shown_at(vc->prepares, i);
        slot_no slot = vc->stable_slot + shown.above;
        held = (slot <= above || may_build_on(b, showing, slot, &shown.batch)) && held;
    }
    return held;
}

/* The VIEW-CHANGEs in a NEW-VIEW; 0: there is one that the orderer would refuse. */
static uint32_t changes_in(const struct broker *b, const struct frame *frame, struct change *changes)
{
    uint32_t count = 0;
    size_t at = 0;
    struct slice inner;
    struct frame change;
    while (count < REPLICAS_MAX && frame_list_next(frame->attachment, &at, &inner)) {
        if (!frame_decode(inner.data, inner.len, &change) ||
            !change_of(&change, b->configuration->pillars, &changes[count]))
            return 0;
        count++;
    }
    return count;
}

/* What it shows above its base: the highest checkpoint in it. What NEW-VIEW(from) decided f+1 vouch for, the orderer sees to that. */
static bool new_view_held(struct broker *b, const struct frame *frame, const struct hybster_new_view *nv,
                          uint32_t by)
{
    struct change changes[REPLICAS_MAX];
    struct showing showing = {.by = by};
    const struct core *from = &showing.from;
    slot_no base = nv->base;
    bool held = true;
    uint32_t count = changes_in(b, frame, changes);
    core_load(&showing.from, nv->from, nv->base, nv->commands);
    for (uint32_t i = 0; i < count; i++)
        base = changes[i].vc.stable_slot > base ? changes[i].vc.stable_slot : base;
    for (uint32_t i = 0; i < count; i++)
        held = shown_held(b, &changes[i].vc, base, &showing) && held;
    for (uint32_t i = 0; i < from->count; i++)
        held = (from->base + 1 + i <= base || batch_held(b, from->base + 1 + i, &from->batch[i], by)) && held;
    return count && held;
}

/* Own orderer computed the same. */
static void core_follow(struct broker *b, const struct frame *frame, const struct hybster_new_view *nv)
{
    struct change changes[REPLICAS_MAX];
    struct core from;
    core_load(&from, nv->from, nv->base, nv->commands);
    core_select(&b->core, nv->view, &from, changes, changes_in(b, frame, changes));
}

/* By what this replica accepted last: its orderer uses those from there only. */
static bool change_held(struct broker *b, const struct hybster_view_change *vc, uint32_t by)
{
    struct showing showing = {.by = by};
    if (vc->from == b->core.view)
        showing.from = b->core;
    return shown_held(b, vc, 0, &showing);
}

static enum verdict on_view_change(struct broker *b, const struct frame *frame, uint32_t from, bool own)
{
    struct hybster_view_change vc;
    enum verdict verdict = hybster_view_change_check(frame, &vc);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (own) {
        blob_set(b, &b->view_change, frame->whole);
        b->view_change_view = vc.view;
        broker_send(b, PEER_ALL, frame->whole);
        return VERDICT_ACCEPT;
    }
    if (frame->sender.id != from)
        return VERDICT_UNEXPECTED;
    if (vc.view > b->peer[from].parting)
        b->peer[from].parting = vc.view;
    if (vc.from < b->new_view_view) /* what it builds on is not the last */
        broker_send(b, from, blob_slice(&b->new_view));
    if (primary_of(b->configuration, vc.view) == b->config.replica && vc.view >= b->view &&
        !change_held(b, &vc, from))
        return VERDICT_EARLY;
    broker_give(b, KIND_PREPARATION, frame->whole, false);
    return VERDICT_ACCEPT;
}

/* From the own orderer: it accepted it, or made it. */
static enum verdict on_new_view(struct broker *b, const struct frame *frame, uint32_t from, bool own)
{
    struct hybster_new_view nv;
    enum verdict verdict = hybster_new_view_check(frame, &nv);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (nv.view <= b->new_view_view)
        return VERDICT_STALE;
    if (!own && !new_view_held(b, frame, &nv, from))
        return VERDICT_EARLY;
    if (!own && b->peer[from].new_views++ >= NEW_VIEWS_PER_TICK)
        return VERDICT_LIMIT; /* anybody may hand one on, and only N sees whether it is one */
    if (!own) {
        broker_give(b, KIND_PREPARATION, frame->whole, false);
        return VERDICT_ACCEPT;
    }
    blob_set(b, &b->new_view, frame->whole);
    b->new_view_view = nv.view;
    core_follow(b, frame, &nv);
    if (frame->sender.id == b->config.replica)
        broker_send(b, PEER_ALL, frame->whole);
    return VERDICT_ACCEPT;
}

/* --- the table -------------------------------------------------------------------------------------------------------- */

enum verdict broker_on_hybster(struct broker *b, const struct frame *frame, uint32_t from, bool own)
{
    struct hybster_prepare prepare;
    enum verdict verdict;
    if (!broker_is_hybster(b))
        return VERDICT_UNEXPECTED;
    switch (frame->type) {
    case FRAME_HYBSTER_PREPARE:
        verdict = hybster_prepare_check(frame, &prepare);
        if (verdict != VERDICT_ACCEPT)
            return verdict;
        return ordering_on_proposal(b, frame, from, own);
    case FRAME_HYBSTER_COMMIT:
        return on_commit(b, frame, from, own);
    case FRAME_HYBSTER_COMMITTED:
        return on_committed(b, frame, own);
    case FRAME_HYBSTER_SUSPECT:
        return on_suspect(b, frame, own);
    case FRAME_HYBSTER_VIEW_CHANGE:
        return on_view_change(b, frame, from, own);
    case FRAME_HYBSTER_NEW_VIEW:
        return on_new_view(b, frame, from, own);
    case FRAME_LOCAL_COUNT:
        broker_give(b, KIND_COUNTER, frame->whole, false);
        return VERDICT_ACCEPT;
    case FRAME_LOCAL_COUNTED:
        broker_give(b, KIND_PREPARATION, frame->whole, false);
        return VERDICT_ACCEPT;
    default:
        return VERDICT_UNEXPECTED;
    }
}
