/*
 * The normal case: proposing what has queued up, passing votes on, handing lists and bodies to E.
 */
#include "splitbft/broker.h"

/* What a PRE-PREPARE, or Hybster's PREPARE, proposes. */
static bool proposal_decode(const struct frame *frame, struct vote *vote)
{
    struct hybster_prepare prepare;
    if (frame->type != FRAME_HYBSTER_PREPARE)
        return vote_decode(frame->body, vote);
    *vote = (struct vote){.view = 0};
    if (!hybster_prepare_decode(frame->body, &prepare))
        return false;
    *vote = (struct vote){.view = prepare.view, .slot = prepare.slot, .batch = prepare.batch};
    return true;
}

static bool is_primary(const struct broker *b)
{
    return b->in_view && primary_of(b->configuration, b->view) == b->config.replica;
}

static bool may_propose(const struct broker *b, const struct bundle_entry *entry)
{
    return entry->state == BUNDLE_QUEUED && entry->frame.data && !entry->refused &&
           (entry->is_signed || !origin_on_signatures(b, entry->origin));
}

/* Takes the oldest bundles that may go; one that wants to be alone goes alone. */
static uint32_t gather(struct broker *b, struct writer *entries)
{
    uint32_t count = 0;
    size_t bytes = 0;
    for (uint32_t at = b->queue.head; at && count < BATCH_BUNDLES_MAX; at = b->bundle[at - 1].queue_next) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        if (!may_propose(b, entry) || (entry->alone && count))
            continue;
        if (count && bytes + entry->frame.len > BATCH_BODY_BYTES_MAX)
            break;
        batch_entry_put(entries, &(struct batch_entry){.origin = entry->origin,
                                                       .epoch = entry->epoch,
                                                       .bundle_no = entry->bundle_no,
                                                       .bundle = entry->digest});
        entry->state = BUNDLE_PROPOSED;
        entry->listed_until = broker_is_hybster(b) ? b->tick + LISTING_TICKS : 0;
        b->unproposed--;
        bytes += entry->frame.len;
        count++;
        if (entry->alone)
            break;
    }
    return count;
}

/* Slots under way at once. Bundles that want to be alone cannot share the next batch, so more may be. */
static uint32_t pipeline(const struct broker *b)
{
    bool alone = b->queue.head && b->bundle[b->queue.head - 1].alone;
    return alone ? ALONE_PIPELINE * b->config.pipeline : b->config.pipeline;
}

static void propose(struct broker *b, struct slice entries)
{
    uint8_t body[BATCH_BUNDLES_MAX * batch_entry_BYTES + 16];
    struct writer w = writer_to(body, sizeof body);
    local_propose_put(&w, &(struct local_propose){.time_us = b->now_us, .entries = entries});
    CHECK(!w.bad);
    broker_give(b, KIND_PREPARATION,
                broker_frame(b, FRAME_LOCAL_PROPOSE, (struct slice){body, w.len}, (struct slice){NULL, 0}),
                false);
    b->awaiting_p++;
    b->counters.batches_proposed++;
}

void ordering_propose(struct broker *b)
{
    if (!b->voting || !is_primary(b))
        return;
    /* A primary whose own E lags still orders for the others. */
    slot_no elsewhere = broker_executed_elsewhere(b);
    slot_no executed = b->executed > elsewhere ? b->executed : elsewhere;
    for (;;) {
        uint8_t list[BATCH_BUNDLES_MAX * batch_entry_BYTES];
        struct writer entries = writer_to(list, sizeof list);
        slot_no top = b->proposed > executed ? b->proposed : executed;
        if (top - executed + b->awaiting_p >= pipeline(b) || top + b->awaiting_p >= b->stable + WINDOW)
            return;
        if (top + b->awaiting_p >= configuration_last_slot(&b->held))
            return;
        bool fill = top + b->awaiting_p < b->fill_until;
        uint32_t count = b->unproposed ? gather(b, &entries) : 0;
        if (!count && !fill)
            return;
        propose(b, (struct slice){list, entries.len});
    }
}

/* Gives E the list and those bodies that are here; the others are wanted. */
void ordering_hand_over(struct broker *b, slot_no slot, const struct digest *digest, struct slice list)
{
    struct batch batch;
    if (slot <= b->executed || !batch_decode(list, &batch))
        return;
    for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
        struct batch_entry listed = batch_entry_at(batch.entries, i);
        struct bundle_entry *entry = bundles_want(b, &listed, slot);
        if (!entry)
            continue;
        if (entry->frame.data && entry->state != BUNDLE_EXECUTED)
            broker_give(b, KIND_EXECUTION, blob_slice(&entry->frame), false);
        else if (!entry->frame.data)
            entry->wanted_by_e = true;
    }
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    vote_put(&w, &(struct vote){.slot = slot, .batch = *digest});
    broker_give(b, KIND_EXECUTION, broker_frame(b, FRAME_PRE_PREPARE, (struct slice){body, w.len}, list),
                false);
}

/*
 * P votes for what its host holds: a batch may list a bundle that P admitted long ago and whose body was executed and
 * forgotten since (a replay, proposed again). Voted for without its body it could be committed, and never executed.
 */
bool ordering_bodies_held(struct broker *b, slot_no slot, struct slice list)
{
    struct batch batch;
    bool held = true;
    if (!batch_decode(list, &batch))
        return true; /* nothing is listed, or P will refuse it */
    for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
        struct batch_entry listed = batch_entry_at(batch.entries, i);
        struct bundle_entry *entry = bundles_want(b, &listed, slot);
        /* What own E executed every correct E did, before it comes to this slot. */
        bool executed_here = broker_is_hybster(b) && entry && entry->state == BUNDLE_EXECUTED;
        held = held && entry && (entry->frame.data || executed_here);
    }
    return held;
}

/* Nobody votes for slots up to here. With hybster votes have no gaps, so it takes those between checkpoint and executed too. */
static slot_no settled(const struct broker *b)
{
    return broker_is_hybster(b) ? b->stable : b->executed;
}

/* The orderer keeps what it is given until it can vote for it: once will do. (P forgets a PRE-PREPARE whose bundles it has not admitted.) Else
 * each bundle that comes late would bring it a window of them, and who lags is the one to whom they come late. Should it have dropped
 * one, that comes again from the leader, since this replica's STATUS stands still then. */
static bool was_handed(const struct broker *b, const struct slot_entry *s)
{
    return broker_is_hybster(b) && s->handed;
}

static void note_handed(const struct broker *b, struct slot_entry *s)
{
    s->handed = s->slot <= b->stable + WINDOW; /* above, it does not take it yet */
}

void ordering_retry(struct broker *b)
{
    if (primary_of(b->configuration, b->view) == b->config.replica)
        return;
    for (unsigned i = 0; i < LOG_SLOTS; i++) {
        struct slot_entry *s = &b->slot[i];
        struct frame frame;
        if (s->slot > settled(b) && s->pre_prepare.data && s->pre_prepare_view == b->view &&
            !was_handed(b, s) && frame_decode(s->pre_prepare.data, s->pre_prepare.len, &frame) &&
            ordering_bodies_held(b, s->slot, frame.attachment)) {
            broker_give(b, KIND_PREPARATION, blob_slice(&s->pre_prepare), false);
            note_handed(b, s);
        }
    }
}

/* Lists are kept and handed over for the view that P is in only: what other primaries say costs nothing until then. */
static void use_pre_prepare(struct broker *b, struct slot_entry *s, const struct frame *frame,
                            const struct vote *vote, bool own)
{
    struct digest digest;
    bool held = ordering_bodies_held(b, vote->slot, frame->attachment);
    s->handed = false;
    if (!own && held) {
        broker_give(b, KIND_PREPARATION, frame->whole, false);
        note_handed(b, s);
    }
    if (frame->attachment.len == 0)
        return;
    batch_digest(&digest, frame->attachment);
    if (!digest_equal(&digest, &vote->batch))
        return;
    if (own)
        s->voted = vote->batch;
    slots_add_list(b, vote->slot, &vote->batch, frame->attachment);
    ordering_hand_over(b, vote->slot, &vote->batch, frame->attachment);
}

void ordering_entered(struct broker *b)
{
    bundles_drop_wanted(b);
    for (unsigned i = 0; i < LOG_SLOTS; i++) {
        struct slot_entry *s = &b->slot[i];
        struct frame frame;
        struct vote vote;
        if (s->slot <= settled(b) || !s->early.data || s->early_view != b->view)
            continue;
        blob_clear(b, &s->pre_prepare);
        s->pre_prepare = s->early;
        s->pre_prepare_view = s->early_view;
        s->early = (struct blob){0};
        if (frame_decode(s->pre_prepare.data, s->pre_prepare.len, &frame) && proposal_decode(&frame, &vote))
            use_pre_prepare(b, s, &frame, &vote, false);
    }
}

static enum verdict pre_prepare_place(const struct broker *b, const struct frame *frame,
                                      const struct vote *vote, uint32_t from, bool own)
{
    struct batch batch;
    replica_id primary = primary_of(b->configuration, vote->view);
    if (primary != (own ? b->config.replica : from) || frame->sender.id != primary)
        return VERDICT_UNEXPECTED;
    if (frame->attachment.len && !batch_decode(frame->attachment, &batch))
        return VERDICT_MALFORMED;
    if (frame->auth.len > AUTH_BYTES_MAX)
        return VERDICT_LIMIT; /* it is kept per slot */
    if (own)
        return VERDICT_ACCEPT;
    if (vote->view < liveness_heading(b))
        return VERDICT_STALE;
    return vote->view - liveness_heading(b) > b->configuration->replicas ? VERDICT_EARLY : VERDICT_ACCEPT;
}

/* A primary has one batch for a slot of its view, and this is none of it. Every list that is used is written down: with many of them a
 * primary could fill the disks. (One whose list was not its batch was not used.) */
static bool is_another(const struct slot_entry *s, const struct vote *vote)
{
    struct frame frame;
    struct vote first;
    struct digest used;
    if (!s->pre_prepare.data || s->pre_prepare_view != vote->view ||
        !frame_decode(s->pre_prepare.data, s->pre_prepare.len, &frame) || !proposal_decode(&frame, &first) ||
        digest_equal(&first.batch, &vote->batch))
        return false;
    batch_digest(&used, frame.attachment);
    return digest_equal(&used, &first.batch);
}

enum verdict broker_on_pre_prepare(struct broker *b, const struct frame *frame, uint32_t from, bool own)
{
    struct vote vote;
    enum verdict verdict = vote_check(frame, &vote);
    return verdict == VERDICT_ACCEPT ? ordering_on_proposal(b, frame, from, own) : verdict;
}

enum verdict ordering_on_proposal(struct broker *b, const struct frame *frame, uint32_t from, bool own)
{
    struct vote vote;
    CHECK(proposal_decode(frame, &vote));
    enum verdict verdict = pre_prepare_place(b, frame, &vote, from, own);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct slot_entry *s = slots_at(b, vote.slot);
    if (own && frame->attachment.len) {
        b->awaiting_p -= b->awaiting_p > 0;
        if (vote.slot > b->proposed)
            b->proposed = vote.slot;
    }
    if (!s)
        return VERDICT_STALE;
    if (!own && b->in_view && vote.view == b->view && is_another(s, &vote))
        return VERDICT_EQUIVOCATION;
    if (vote.slot > b->newest)
        b->newest = vote.slot;
    broker_give_stripped(b, KIND_CONFIRMATION, frame, own);
    if (own) {
        blob_set(b, &s->own_pre_prepare, frame->whole);
        broker_send(b, PEER_ALL, frame->whole);
    } else if (b->in_view && vote.view == b->view) {
        blob_set(b, &s->pre_prepare, frame->whole);
        s->pre_prepare_view = vote.view;
    } else if (!s->early.data || vote.view >= s->early_view) {
        blob_set(b, &s->early, frame->whole);
        s->early_view = vote.view;
        return VERDICT_EARLY;
    }
    use_pre_prepare(b, s, frame, &vote, own);
    return VERDICT_ACCEPT;
}

/* PREPARE goes to every C, COMMIT to every E; own ones are kept for retransmission. */
enum verdict broker_on_vote(struct broker *b, const struct frame *frame, bool own)
{
    struct vote vote;
    enum verdict verdict = vote_check(frame, &vote);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    bool prepare = frame->type == FRAME_PREPARE;
    if (own) {
        struct slot_entry *s = slots_at(b, vote.slot);
        if (s)
            blob_set(b, prepare ? &s->prepare : &s->commit, frame->whole);
        if (s && prepare) {
            s->voted = vote.batch;
            slots_pin_list(b, vote.slot, &vote.batch);
        }
        broker_send(b, PEER_ALL, frame->whole);
    }
    /* Own E is to count own COMMIT only when it is durable, like everybody else's. */
    broker_emit(b, &(struct action){.kind = ACTION_GIVE,
                                    .to = prepare ? KIND_CONFIRMATION : KIND_EXECUTION,
                                    .local = own,
                                    .held = own && !prepare,
                                    .parts = {frame->whole}});
    return VERDICT_ACCEPT;
}

void ordering_slot_executed(struct broker *b, slot_no slot, const struct digest *digest)
{
    struct slot_list *list = slots_list(b, slot, digest);
    struct batch batch;
    if (!list || !batch_decode(blob_slice(&list->bytes), &batch))
        return;
    list->pinned = true;
    for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
        struct batch_entry entry = batch_entry_at(batch.entries, i);
        bundles_executed(b, &entry, slot);
    }
}

/* E says so after every slot; a jump is a state transfer. */
enum verdict broker_on_progress(struct broker *b, const struct frame *frame)
{
    struct local_progress progress;
    if (!local_progress_decode(frame->body, &progress))
        return VERDICT_MALFORMED;
    checkpoints_progress(b, progress.digesting, progress.executed > b->executed);
    if (progress.stable > b->stable)
        b->stable = progress.stable;
    chain_own(b, KIND_EXECUTION, progress.configuration);
    if (progress.executed <= b->executed)
        return VERDICT_ACCEPT;
    bool jump = progress.jumped || progress.executed != b->executed + 1;
    b->executed = progress.executed;
    if (jump) {
        b->counters.state_transfers++;
        bundles_drop_waiting(b);
    } else {
        ordering_slot_executed(b, progress.executed, &progress.batch);
    }
    b->progress_us = b->now_us;
    if (jump)
        catch_up_jumped(b);
    else if (b->transfer.phase == TRANSFER_HEAD)
        b->transfer.phase = TRANSFER_NONE; /* votes were quicker */
    catch_up_executed(b);
    if (b->in_view)
        b->back_off = 1;
    bundles_forget_old(b);
    return VERDICT_ACCEPT;
}

void ordering_fetch(struct broker *b, unsigned what, const struct digest *digest)
{
    uint8_t body[40];
    struct writer w = writer_to(body, sizeof body);
    fetch_put(&w, &(struct fetch){.what = (uint8_t)what, .digest = *digest});
    broker_send(b, PEER_ALL,
                broker_frame(b, FRAME_FETCH, (struct slice){body, w.len}, (struct slice){NULL, 0}));
}

/* E lacks something. */
enum verdict broker_on_need(struct broker *b, const struct frame *frame)
{
    struct local_need need;
    if (!local_need_decode(frame->body, &need))
        return VERDICT_MALFORMED;
    if (need.what == FETCH_BATCH) {
        struct slot_list *list = slots_list(b, need.slot, &need.digest);
        struct slot_entry *s = slots_at(b, need.slot);
        if (s)
            s->needed = need.digest;
        if (list)
            ordering_hand_over(b, need.slot, &need.digest, blob_slice(&list->bytes));
        else
            ordering_fetch(b, FETCH_BATCH, &need.digest);
        return VERDICT_ACCEPT;
    }
    struct bundle_entry *entry = bundles_find(b, &need.digest);
    if (entry && entry->frame.data) {
        broker_give(b, KIND_EXECUTION, blob_slice(&entry->frame), false);
        return VERDICT_ACCEPT;
    }
    if (entry) {
        entry->wanted_by_e = true;
        entry->needed = true;
    }
    ordering_fetch(b, FETCH_BUNDLE, &need.digest);
    return VERDICT_ACCEPT;
}

static struct slot_list *find_list(struct broker *b, const struct digest *batch, slot_no *slot)
{
    for (unsigned i = 0; i < LOG_SLOTS; i++)
        for (unsigned k = 0; k < LISTS_PER_SLOT; k++) {
            struct slot_list *list = &b->slot[i].list[k];
            if (!b->slot[i].slot || !list->bytes.data || !digest_equal(&list->batch, batch))
                continue;
            *slot = b->slot[i].slot;
            return list;
        }
    return NULL;
}

enum verdict broker_on_fetch(struct broker *b, const struct frame *frame, uint32_t from)
{
    struct fetch fetch;
    if (!fetch_decode(frame->body, &fetch))
        return VERDICT_MALFORMED;
    if (fetch.what == FETCH_BUNDLE) {
        struct bundle_entry *entry = bundles_find(b, &fetch.digest);
        if (entry && entry->frame.data)
            broker_send(b, from, blob_slice(&entry->frame));
        return VERDICT_ACCEPT;
    }
    slot_no slot;
    struct slot_list *list = find_list(b, &fetch.digest, &slot);
    if (list) {
        uint8_t body[40];
        struct writer w = writer_to(body, sizeof body);
        batch_frame_put(&w, &(struct batch_frame){.slot = slot, .batch = fetch.digest});
        broker_send(b, from,
                    broker_frame(b, FRAME_BATCH, (struct slice){body, w.len}, blob_slice(&list->bytes)));
    }
    return VERDICT_ACCEPT;
}

static bool is_shown(const struct slot_entry *s, const struct digest *batch)
{
    bool found = false;
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        found = found || (s->shown[r].asked_us && digest_equal(&s->shown[r].batch, batch));
    return found;
}

enum verdict broker_on_batch(struct broker *b, const struct frame *frame)
{
    struct batch_frame m;
    struct batch batch;
    struct digest digest;
    if (!batch_frame_decode(frame->body, &m) || !batch_decode(frame->attachment, &batch))
        return VERDICT_MALFORMED;
    batch_digest(&digest, frame->attachment);
    if (!digest_equal(&digest, &m.batch))
        return VERDICT_MISMATCH;
    /* Two slots may hold equal batches (nulls of one time): it is for whichever needs it. */
    enum verdict verdict = VERDICT_STALE;
    for (unsigned i = 0; i < LOG_SLOTS; i++) {
        struct slot_entry *s = &b->slot[i];
        if (s->slot <= b->executed || (!digest_equal(&s->needed, &m.batch) && !is_shown(s, &m.batch)))
            continue;
        slots_add_list(b, s->slot, &m.batch, frame->attachment);
        slots_pin_list(b, s->slot, &m.batch);
        ordering_hand_over(b, s->slot, &m.batch, frame->attachment);
        verdict = VERDICT_ACCEPT;
    }
    return verdict;
}
