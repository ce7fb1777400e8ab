/*
 * Liveness is the host's: when to ask for signed forms, when to leave a view, what to send again.
 *
 * A bundle that waits makes its host ask for the signed form; only signed bundles (checked by own P) run a view-change
 * timer, else a client with MACs that are bad at the primary only, or replays, could change views for ever. After leaving, a
 * NEW-VIEW is waited for once 2f+1 have left too; then the next view is tried, with twice the patience. Execution of
 * anything in the view resets it.
 */
#include "splitbft/broker.h"

static uint64_t patience(const struct broker *b)
{
    return b->timeout_us * (mutant(MUTANT_NO_BACK_OFF) ? 1 : b->back_off);
}

/* View that this replica is in or heading for. */
view_no liveness_heading(const struct broker *b)
{
    return b->leaving > b->view ? b->leaving : b->view;
}

static view_no heading(const struct broker *b)
{
    return liveness_heading(b);
}

/* --- leaving and joining -------------------------------------------------------------------------------------- */

/* Origins whose unsigned bundles lie in the slot that does not move: from now on only signed ones count. */
static void suspect_origins(struct broker *b)
{
    struct slot_entry *s = &b->slot[(b->executed + 1) % LOG_SLOTS];
    if (s->slot != b->executed + 1)
        return;
    for (unsigned i = 0; i < LISTS_PER_SLOT; i++) {
        struct batch batch;
        if (!s->list[i].bytes.data || !batch_decode(blob_slice(&s->list[i].bytes), &batch))
            continue;
        for (uint32_t k = 0; k < batch_entry_count(batch.entries); k++) {
            struct batch_entry listed = batch_entry_at(batch.entries, k);
            struct bundle_entry *entry = bundles_find(b, &listed.bundle);
            if (listed.origin >= ORIGINS_MAX || (entry && entry->is_signed))
                continue;
            b->counters.origins_on_signatures += !origin_on_signatures(b, listed.origin);
            b->origin[listed.origin].on_signatures_until_us = b->now_us + 60 * b->timeout_us;
        }
    }
}

/* One more view that did not do. */
static void give_up(struct broker *b)
{
    suspect_origins(b);
    b->new_view_since_us = 0;
    b->latency_us = 0;
    b->latency_samples = 0;
    b->counters.view_changes++;
    if (b->back_off < BACK_OFF_MAX)
        b->back_off *= 2;
}

/* Who knows of a RECONFIG leaves for a view of its configuration: the first one with the leader that it would have had, as it may be the
 * very replica that is out that leads the first of them. */
static view_no of_configuration(const struct broker *b, view_no view)
{
    view_no first = configuration_view(&b->held);
    uint32_t n = b->held.replicas;
    return view < first ? first + (n + primary_of(&b->held, view) - primary_of(&b->held, first)) % n : view;
}

void liveness_leave(struct broker *b, view_no view)
{
    if (broker_is_hybster(b))
        view = of_configuration(b, view);
    if (!b->voting || view <= heading(b) || chain_closed(b))
        return;
    if (broker_is_hybster(b)) {
        if (view > b->suspected)
            give_up(b);
        b->suspected = view > b->suspected ? view : b->suspected;
        hybster_suspect(b, view);
        return;
    }
    give_up(b);
    b->leaving = view;
    b->in_view = false;
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    local_leave_put(&w, &(struct local_leave){.view = view});
    struct slice frame =
        broker_frame(b, FRAME_LOCAL_LEAVE, (struct slice){body, w.len}, (struct slice){NULL, 0});
    broker_give(b, KIND_PREPARATION, frame, false);
    broker_give(b, KIND_CONFIRMATION, frame, false);
}

/* The view that at least `count` of the others have left for, or are in. */
static view_no others_at_least(const struct broker *b, uint32_t count)
{
    view_no views[REPLICAS_MAX] = {0};
    uint32_t known = 0;
    for (replica_id r = 0; r < b->configuration->replicas; r++) {
        if (r == b->config.replica)
            continue;
        uint32_t at = known++;
        for (; at > 0 && views[at - 1] < b->peer[r].parting; at--)
            views[at] = views[at - 1];
        views[at] = b->peer[r].parting;
    }
    return count && count <= known ? views[count - 1] : 0;
}

static void join(struct broker *b)
{
    view_no view = others_at_least(b, b->configuration->faults + 1);
    if (view > heading(b) && !mutant(MUTANT_NO_JOINING))
        liveness_leave(b, view);
}

static void await_new_view(struct broker *b)
{
    if (b->in_view || heading(b) == 0) /* started anew: it enters with the others, and drives nobody */
        return;
    if (!b->new_view_since_us && others_at_least(b, quorum_vote(b->configuration) - 1) >= heading(b))
        b->new_view_since_us = b->now_us;
    if (b->new_view_since_us && b->now_us - b->new_view_since_us > patience(b))
        liveness_leave(b, heading(b) + 1);
}

/* --- the primary ---------------------------------------------------------------------------------------------- */

static bool timer_expired(const struct broker *b, const struct bundle_entry *entry)
{
    if (mutant(MUTANT_TIMERS_ON_UNSIGNED) && entry->state != BUNDLE_WANTED)
        return b->now_us - entry->known_us > patience(b);
    /* Behind a stable checkpoint, or behind what a correct one has executed, it may have been executed without own E, which another view does
     * not help. So this replica hardly leaves alone, and is there to vote for what brings it the state; f+1 correct ones are not behind. */
    bool behind = b->executed < b->stable || b->executed < broker_executed_elsewhere(b);
    uint64_t times = behind ? LAG_PATIENCE : 1;
    return entry->signed_ok && b->now_us - entry->signed_us > times * patience(b);
}

/* A primary that orders what it is given, but slowly, is replaced like a silent one. */
static bool primary_is_slow(const struct broker *b)
{
    return b->latency_samples >= 64 && b->latency_us > patience(b) / 2;
}

/* --- checkpoints for those who lag ----------------------------------------------------------------------------- */

/* It must fetch state: it says that it is behind a stable checkpoint, and stands still. */
static bool lags(const struct broker *b, replica_id r)
{
    const struct peer *peer = &b->peer[r];
    if (r == b->config.replica)
        return b->executed < b->stable && b->stalled_ticks >= 3;
    bool there = peer->known && b->now_us - peer->heard_us < 4 * b->timeout_us;
    return there && peer->executed < b->stable && peer->executed == peer->executed_before;
}

/* The one that the others come to next; 0: they are at one. */
static slot_no next_checkpoint(const struct broker *b)
{
    slot_no elsewhere = broker_executed_elsewhere(b);
    slot_no top = b->executed > elsewhere ? b->executed : elsewhere;
    return top % CHECKPOINT_INTERVAL ? (top / CHECKPOINT_INTERVAL + 1) * CHECKPOINT_INTERVAL : 0;
}

/*
 * A replica that must fetch state gets it at a checkpoint: an idle primary fills up to the next one, once for each checkpoint
 * and replica (itself too). Not once for each stable one: the laggard asks one replica at a time, so those that it asks
 * later need another checkpoint, and without its signature none may become stable.
 */
static void fill_for_laggards(struct broker *b)
{
    slot_no next = next_checkpoint(b);
    for (replica_id r = 0; next && r < b->configuration->replicas; r++) {
        if (lags(b, r) && b->peer[r].filled_for < next) {
            b->peer[r].filled_for = next;
            b->fill_until = next;
        }
    }
}

/*
 * A peer waits for the next checkpoint, and it does not come: the primary does not fill up to it, or too few vote for
 * it in this view. No bundle's timer need run for that. The peer's word is its host's, who may lie: each view left for
 * the same checkpoint doubles the wait, whatever else goes on, so views do not change for ever.
 */
static bool checkpoint_overdue(struct broker *b)
{
    slot_no next = next_checkpoint(b);
    bool wanted = false;
    for (replica_id r = 0; r < b->configuration->replicas; r++)
        wanted = wanted || (r != b->config.replica && lags(b, r));
    if (next && next != b->overdue) {
        b->overdue = next;
        b->overdue_leaves = 0;
    }
    if (!next || !wanted || !b->in_view || b->overdue_view != b->view || b->overdue_executed != b->executed) {
        b->overdue_view = b->view;
        b->overdue_executed = b->executed;
        b->overdue_since_us = b->now_us;
    }
    if (b->now_us - b->overdue_since_us <= (LAG_PATIENCE * patience(b)) << b->overdue_leaves)
        return false;
    b->overdue_since_us = b->now_us;
    b->overdue_leaves += b->overdue_leaves < OVERDUE_LEAVES_MAX;
    return true;
}

static void watch_requests(struct broker *b)
{
    bool expired = false;
    unsigned looked = 0;
    for (uint32_t at = b->queue.head; at && looked < 4096; at = b->bundle[at - 1].queue_next) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        looked += entry->state != BUNDLE_WANTED;
        if (b->now_us - entry->known_us < b->timeout_us / 2)
            break; /* by age: the rest is younger */
        bool ask = b->now_us - entry->asked_us > b->timeout_us;
        if (entry->state == BUNDLE_WANTED && ask) {
            entry->asked_us = b->now_us;
            ordering_fetch(b, FETCH_BUNDLE, &entry->digest);
        } else if (ask && broker_is_hybster(b) && entry->slot > b->executed && !entry->authentic &&
                   (!entry->is_signed || entry->refused)) {
            bundles_authenticate(b, entry); /* whoever voted for it holds a better form */
        } else if (!entry->is_signed && ask) {
            broker_ask_signed(b, entry);
        } else if (ask) {
            /* Does own P still stand by it? A later incarnation of its origin may have pushed it out. */
            entry->asked_us = b->now_us;
            struct frame frame;
            if (b->in_view && frame_decode(entry->frame.data, entry->frame.len, &frame))
                broker_give_stripped(b, KIND_PREPARATION, &frame, false);
            /* And was it executed without this host's noticing? */
            broker_ask_reply(b, entry->origin, entry->epoch, entry->bundle_no);
        }
        expired = expired || timer_expired(b, entry);
    }
    expired = checkpoint_overdue(b) || expired;
    if (b->in_view && (expired || primary_is_slow(b)))
        liveness_leave(b, heading(b) + 1);
}

/* Bodies that a batch lists and that have not come: a short wait, then from the others. */
static void fetch_wanted(struct broker *b)
{
    unsigned asked = 0;
    for (uint32_t at = b->queue.head; at && asked < 64; at = b->bundle[at - 1].queue_next) {
        struct bundle_entry *entry = &b->bundle[at - 1];
        if (entry->state != BUNDLE_WANTED || b->now_us - entry->known_us < b->timeout_us / 16)
            continue;
        if (entry->asked_us && b->now_us - entry->asked_us < b->timeout_us / 4)
            continue;
        entry->asked_us = b->now_us;
        ordering_fetch(b, FETCH_BUNDLE, &entry->digest);
        asked++;
    }
}

/* --- status ------------------------------------------------------------------------------------------------- */

void liveness_send_status(struct broker *b, uint32_t to)
{
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    status_put(&w, &(struct status){.view = heading(b),
                                    .in_view = b->in_view,
                                    .executed = b->executed,
                                    .stable = b->stable,
                                    .newest = b->newest,
                                    .configuration = b->configuration->number});
    broker_send(b, to, broker_frame(b, FRAME_STATUS, (struct slice){body, w.len}, (struct slice){NULL, 0}));
}

/* A view in which a resumed cluster does not come to its next checkpoint is left, though nobody has a request that waits: else those
 * who need the state, and are in another view already, would never be joined. */
static void watch_filling(struct broker *b)
{
    uint64_t since = b->fill_since_us > b->progress_us ? b->fill_since_us : b->progress_us;
    since = b->entered_us > since ? b->entered_us : since;
    if (b->in_view && b->fill_since_us && b->executed < b->fill_until && b->now_us - since > patience(b))
        liveness_leave(b, heading(b) + 1);
}

static void resend_view_change(struct broker *b, uint32_t to)
{
    if (mutant(MUTANT_NO_RETRANSMISSION))
        return;
    broker_send(b, to, blob_slice(&b->parting));
    replica_id primary = primary_of(b->configuration, b->view_change_view);
    if (b->view_change.data && broker_is_hybster(b)) /* everybody counts who left */
        broker_send(b, to, blob_slice(&b->view_change));
    else if (b->view_change.data && primary != b->config.replica && (to == PEER_ALL || to == primary))
        broker_send(b, primary, blob_slice(&b->view_change));
}

enum verdict broker_on_status(struct broker *b, const struct frame *frame, uint32_t from)
{
    struct status status;
    if (!status_decode(frame->body, &status))
        return VERDICT_MALFORMED;
    struct peer *peer = &b->peer[from];
    bool still = peer->known && status.executed == peer->executed;
    peer->executed_before = peer->known ? peer->executed : 0;
    peer->known = true;
    peer->heard_us = b->now_us;
    peer->view = status.view;
    peer->in_view = status.in_view;
    peer->executed = status.executed;
    peer->stable = status.stable;
    peer->newest = status.newest;
    if (mutant(MUTANT_NO_RETRANSMISSION))
        return VERDICT_ACCEPT;
    bool behind = status.view < heading(b) || (status.view == heading(b) && !status.in_view);
    if (behind && b->in_view && b->new_view.data && b->new_view_view == b->view)
        broker_send(b, from, blob_slice(&b->new_view));
    else if (behind && !b->in_view)
        resend_view_change(b, from);
    chain_help(b, from, &status);
    if (behind && b->in_view)
        broker_send(b, from, blob_slice(&b->parting));
    if (still || status.stable < b->stable)
        checkpoints_resend(b, from, status.stable);
    if (still)
        slots_resend(b, from, status.executed);
    if (still && broker_is_hybster(b))
        hybster_resend(b, from, &status);
    return VERDICT_ACCEPT;
}

/* --- the tick ------------------------------------------------------------------------------------------------- */

void liveness_tick(struct broker *b)
{
    b->tick++;
    b->next_tick_us = b->now_us + b->timeout_us / TICKS_PER_TIMEOUT;
    for (replica_id r = 0; r < b->configuration->replicas; r++)
        b->peer[r].new_views = 0;
    watch_requests(b);
    fetch_wanted(b);
    if (broker_is_hybster(b))
        bundles_hand_on(b);
    bundles_expire(b);
    join(b);
    await_new_view(b);
    catch_up_tick(b);
    fill_for_laggards(b);
    checkpoints_tick(b);
    watch_filling(b);
    follow_tick(b);
    chain_tick(b);
    bundles_forget_old(b);
    bool waiting =
        chain_pending(b) || b->queue.head || !b->in_view || b->newest > b->executed || catch_up_behind(b);
    if (waiting || b->tick % TICKS_PER_TIMEOUT == 0)
        liveness_send_status(b, PEER_ALL);
    if (!b->in_view)
        resend_view_change(b, PEER_ALL);
    ordering_propose(b);
}

/* --- messages of the view change ------------------------------------------------------------------------------ */

enum verdict broker_on_view(struct broker *b, const struct frame *frame, enum kind from)
{
    struct local_view view;
    if (!local_view_decode(frame->body, &view))
        return VERDICT_MALFORMED;
    chain_own(b, from, view.configuration);
    if (from != KIND_PREPARATION)
        return VERDICT_ACCEPT; /* C follows by the same messages */
    if (b->awaiting_p)
        bundles_requeue_unlisted(b);
    b->awaiting_p = 0;
    bool entered = view.in_view && (!b->in_view || view.view > b->view) && view.view >= b->leaving;
    b->view = view.view;
    b->in_view = view.in_view && view.view >= b->leaving;
    b->proposed = view.next_slot ? view.next_slot - 1 : 0;
    if (!entered)
        return VERDICT_ACCEPT;
    b->new_view_since_us = 0;
    b->latency_us = 0;
    b->latency_samples = 0;
    bundles_requeue(b);
    bundles_give_kept(b);
    /* Timers start anew under the new primary. */
    for (uint32_t at = b->queue.head; at; at = b->bundle[at - 1].queue_next)
        b->bundle[at - 1].signed_us = b->now_us;
    if (b->new_view_seen.data && b->new_view_seen_view == b->view) {
        blob_clear(b, &b->new_view);
        b->new_view = b->new_view_seen;
        b->new_view_view = b->view;
        b->new_view_seen = (struct blob){0};
    }
    chain_entered(b);
    ordering_entered(b);
    return VERDICT_ACCEPT;
}

enum verdict broker_on_parting(struct broker *b, const struct frame *frame, uint32_t from, bool own)
{
    struct parting parting;
    enum verdict verdict = parting_check(frame, &parting);
    /* Views are joined on it: only on the word of the other P itself, which its host cannot make up. */
    if (verdict == VERDICT_ACCEPT && !own)
        verdict = auth_check_signature(b->configuration, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (own) {
        blob_set(b, &b->parting, frame->whole);
        broker_send(b, PEER_ALL, frame->whole);
    } else if (frame->sender.id == from && parting.view + 1 > b->peer[from].parting) {
        b->peer[from].parting = parting.view + 1;
    }
    broker_give(b, KIND_CONFIRMATION, frame->whole, false);
    if (b->config.durable && parting.stable_slot > b->stable)
        broker_give(b, KIND_EXECUTION, frame->whole, false);
    if (!own)
        join(b);
    return VERDICT_ACCEPT;
}

/* Only the primary of the new view has use for a VIEW-CHANGE. */
enum verdict broker_on_view_change(struct broker *b, const struct frame *frame, bool own)
{
    struct view_change vc;
    if (!view_change_decode(frame->body, &vc))
        return VERDICT_MALFORMED;
    replica_id primary = primary_of(b->configuration, vc.view);
    if (own) {
        blob_set(b, &b->view_change, frame->whole);
        b->view_change_view = vc.view;
        if (primary != b->config.replica)
            broker_send(b, primary, frame->whole);
    }
    if (primary == b->config.replica)
        broker_give(b, KIND_PREPARATION, frame->whole, false);
    return VERDICT_ACCEPT;
}

enum verdict broker_on_new_view(struct broker *b, const struct frame *frame, bool own)
{
    struct new_view nv;
    if (!new_view_decode(frame->body, &nv))
        return VERDICT_MALFORMED;
    if (frame->sender.id != primary_of(b->configuration, nv.view))
        return VERDICT_UNEXPECTED;
    if (own) {
        blob_set(b, &b->new_view, frame->whole);
        b->new_view_view = nv.view;
        broker_send(b, PEER_ALL, frame->whole);
        broker_give(b, KIND_CONFIRMATION, frame->whole, false);
        return VERDICT_ACCEPT;
    }
    if (nv.view < heading(b) || (nv.view == b->view && b->in_view))
        return VERDICT_STALE;
    /* Kept for others only when own P accepts it. */
    blob_set(b, &b->new_view_seen, frame->whole);
    b->new_view_seen_view = nv.view;
    broker_give(b, KIND_PREPARATION, frame->whole, false);
    broker_give(b, KIND_CONFIRMATION, frame->whole, false);
    return VERDICT_ACCEPT;
}
