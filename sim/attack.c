/*
 * Attacks: what a coordinated attacker does once it has the compartments' hosts in its hands. Each begins by bringing the
 * compartments together in some view (so that it knows where it strikes), and each is aimed: at the quorums, at the view
 * change, at checkpoints, at bodies. Dice choose sides, views and what is held back.
 */
#include "takeover.h"

struct item *takeover_add_forged(struct takeover *t, struct parcel *parcel, replica_id by, uint32_t cell,
                                 uint64_t to);

/* ------------------------------------------------------------------------------------------------ places */

static uint64_t bits(const struct takeover *t, uint32_t replicas, unsigned cells)
{
    uint64_t to = 0;
    for (replica_id r = 0; r < t->w->n; r++)
        for (uint32_t k = 0; k < CELLS; k++)
            if (replicas >> r & 1 && cells >> k & 1)
                to |= takeover_bit(r, k);
    return to;
}

static uint32_t everyone(const struct takeover *t)
{
    return (1u << t->w->n) - 1;
}

static view_no highest_view(const struct takeover *t)
{
    view_no view = 0;
    for (replica_id r = 0; r < t->w->n; r++) {
        view = takeover_p(t, r)->view > view ? takeover_p(t, r)->view : view;
        view = takeover_c(t, r)->view > view ? takeover_c(t, r)->view : view;
    }
    return view;
}

static bool primary_faulty(const struct takeover *t, view_no view)
{
    replica_id primary = (replica_id)(view % t->w->n);
    return takeover_up(t, primary) && takeover_faulty(t, primary, CELL_P);
}

/* The next view above `above`, if possible one whose primary is faulty. */
static view_no view_after(const struct takeover *t, view_no above, bool faulty)
{
    for (view_no view = above + 1; faulty && view <= above + t->w->n; view++)
        if (primary_faulty(t, view))
            return view;
    return above + 1;
}

static replica_id pick_faulty(const struct takeover *t, uint32_t cell)
{
    replica_id first = dice_below(t->dice, t->w->n);
    for (uint32_t i = 0; i < t->w->n; i++) {
        replica_id r = (first + i) % t->w->n;
        if (takeover_up(t, r) && takeover_faulty(t, r, cell))
            return r;
    }
    return t->w->n;
}

static replica_id pick_correct(const struct takeover *t, uint32_t cell)
{
    replica_id first = dice_below(t->dice, t->w->n);
    for (uint32_t i = 0; i < t->w->n; i++) {
        replica_id r = (first + i) % t->w->n;
        if (takeover_up(t, r) && !takeover_faulty(t, r, cell))
            return r;
    }
    return t->w->n;
}

/* The primary's host asks for an empty batch. */
static void propose_empty(struct takeover *t, replica_id primary)
{
    uint8_t body[64], bytes[128];
    struct sender self = {KIND_HOST, primary, 1};
    struct writer w = writer_to(body, sizeof body);
    local_propose_put(&w, &(struct local_propose){.time_us = t->w->now_us + dice_below(t->dice, 50000)});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_PROPOSE, &self, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    takeover_deliver(t, primary, CELL_P, (struct slice){bytes, len});
}

/* A list, as a host hands it to its E. */
static void hand_list(struct takeover *t, uint32_t replicas, slot_no slot, const struct digest *batch,
                      struct slice list)
{
    static uint8_t bytes[BATCH_BYTES_MAX + 256];
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    vote_put(&w, &(struct vote){.slot = slot, .batch = *batch});
    for (replica_id r = 0; r < t->w->n; r++) {
        struct sender self = {KIND_HOST, r, 1};
        size_t len = frame_encode(bytes, sizeof bytes, FRAME_PRE_PREPARE, &self, AUTH_NONE,
                                  (struct slice){body, w.len}, (struct slice){NULL, 0}, list);
        if (len && replicas >> r & 1)
            takeover_deliver(t, r, CELL_E, (struct slice){bytes, len});
    }
}

/* ------------------------------------------------------------------------------------------------ two faces */

/*
 * The great one. At one slot of one view: a faulty primary shows two batches (or one), votes reach whom the dice let them reach,
 * faulty C commit to both; so that, often, one batch is executed at few E. Then the view is changed: faulty P part with lies,
 * faulty C hide or invent claims, a VIEW-CHANGE that knows better is held back; and the new primary, faulty or not,
 * goes on with whatever follows.
 */
struct two_faces {
    view_no next;      /* the view after */
    uint32_t early;    /* E that may see commits of the first view */
    uint32_t favoured; /* which of the batches the attack wants in the next view */
    bool late_votes;   /* first-view votes reach C only after they left */
};
static struct two_faces two;

static bool about_slot(const struct takeover *t, const struct item *item, view_no view)
{
    return item->has_vote && item->vote.slot == t->slot && item->vote.view == view;
}

/* First view: votes at the slot pass by the dice; nothing of a view change yet. */
static bool first_view_rule(struct takeover *t, const struct item *item, replica_id to, uint32_t cell)
{
    if (item->frame.type == FRAME_PARTING || item->frame.type == FRAME_VIEW_CHANGE)
        return false;
    if (!item->has_vote || item->vote.slot < t->slot)
        return true;
    if (item->vote.slot > t->slot)
        return false;
    if (item->frame.type == FRAME_PREPARE)
        return !two.late_votes && t->gate[item->from] >> (CELLS * to + cell) & 1;
    if (item->frame.type == FRAME_COMMIT)
        return two.early >> to & 1;
    return item->frame.type == FRAME_PRE_PREPARE || item->frame.type == FRAME_EXECUTED;
}

/* Leaving: the truth of faulty compartments is replaced by their lies, one VIEW-CHANGE is held back. */
static bool leaving_rule(struct takeover *t, const struct item *item, replica_id to, uint32_t cell)
{
    bool view_change = item->frame.type == FRAME_PARTING || item->frame.type == FRAME_VIEW_CHANGE;
    (void)to;
    (void)cell;
    if (view_change && !item->forged && takeover_faulty(t, item->from, item->cell))
        return false;
    if (item->frame.type == FRAME_VIEW_CHANGE && !item->forged && t->blocked_vc >> item->from & 1)
        return false;
    if (item->frame.type == FRAME_NEW_VIEW && !item->forged && takeover_faulty(t, item->from, CELL_P))
        return false;
    return view_change || item->frame.type == FRAME_NEW_VIEW;
}

/* The next view, with votes for the favoured batch only. */
static bool next_view_rule(struct takeover *t, const struct item *item, replica_id to, uint32_t cell)
{
    if (item->frame.type == FRAME_VIEW_CHANGE && !item->forged && t->blocked_vc >> item->from & 1)
        return false;
    if (item->has_vote && item->vote.slot == t->slot && item->vote.view == t->view)
        return false;
    if (about_slot(t, item, two.next) && item->frame.type != FRAME_COMMIT && two.favoured < 2 &&
        !digest_equal(&item->vote.batch, &t->batch[two.favoured]))
        return false;
    (void)to;
    (void)cell;
    return item->frame.type != FRAME_PARTING || item->forged || !takeover_faulty(t, item->from, CELL_P);
}

/* Late votes of the first view: to C that have left, and from there to the E that have executed nothing. */
static bool late_rule(struct takeover *t, const struct item *item, replica_id to, uint32_t cell)
{
    if (!about_slot(t, item, t->view))
        return false;
    return cell == CELL_C || (cell == CELL_E && two.early >> to & 1);
}

static void draw_gates(struct takeover *t)
{
    static const double chances[] = {0.4, 0.6, 0.8, 1.0};
    double chance = chances[dice_below(t->dice, 4)];
    for (replica_id r = 0; r < t->w->n; r++) {
        t->gate[r] = 0;
        for (uint32_t b = 0; b < CELLS * t->w->n; b++)
            if (dice_chance(t->dice, chance))
                t->gate[r] |= 1ull << b;
    }
}

static void draw_sides(struct takeover *t)
{
    uint32_t all = everyone(t);
    uint32_t other = dice_chance(t->dice, 0.4) ? 0 : 1u << dice_below(t->dice, t->w->n);
    if (dice_chance(t->dice, 0.4))
        other = dice_below(t->dice, all);
    t->side[0] = all & ~other;
    t->side[1] = other;
}

static void vote_in(struct takeover *t, view_no view)
{
    replica_id primary = (replica_id)(view % t->w->n);
    for (uint32_t i = 0; i < 2; i++) {
        /* Other faulty P vote for both, to each C what its side was told. */
        for (replica_id r = 0; r < t->w->n; r++)
            if (takeover_up(t, r) && takeover_faulty(t, r, CELL_P) && r != primary)
                forge_vote(t, r, CELL_P, FRAME_PREPARE, view, t->slot, &t->batch[i], (struct slice){NULL, 0},
                           bits(t, t->side[i], 2));
        for (replica_id r = 0; r < t->w->n; r++)
            if (takeover_up(t, r) && takeover_faulty(t, r, CELL_C))
                forge_vote(t, r, CELL_C, FRAME_COMMIT, view, t->slot, &t->batch[i], (struct slice){NULL, 0},
                           bits(t, t->side[i], 4));
    }
}

static void first_view(struct takeover *t)
{
    replica_id primary = (replica_id)(t->view % t->w->n);
    forge_batches(t);
    draw_sides(t);
    draw_gates(t);
    two.early =
        dice_chance(t->dice, 0.7) ? 1u << dice_below(t->dice, t->w->n) : dice_below(t->dice, everyone(t) + 1);
    two.late_votes = dice_chance(t->dice, 0.25);
    for (uint32_t i = 0; i < 2; i++) {
        hand_list(t, everyone(t), t->slot, &t->batch[i], t->list[i]);
        forge_vote(t, primary, CELL_P, FRAME_PRE_PREPARE, t->view, t->slot, &t->batch[i], t->list[i],
                   bits(t, t->side[i], 3));
    }
    vote_in(t, t->view);
    takeover_settle(t, first_view_rule);
}

static void lie_in_parting(struct takeover *t, view_no next)
{
    uint8_t votes[4 * slot_view_BYTES];
    for (replica_id r = 0; r < t->w->n; r++) {
        if (!takeover_up(t, r) || !takeover_faulty(t, r, CELL_P))
            continue;
        struct writer w = writer_to(votes, sizeof votes);
        if (dice_chance(t->dice, 0.8))
            for (uint32_t i = 0; i < 2; i++)
                slot_view_put(&w,
                              &(struct slot_view){.slot = t->slot, .view = next - 1, .batch = t->batch[i]});
        forge_parting(t, r, next - 1, (struct slice){votes, w.len}, bits(t, everyone(t), 2));
    }
}

static void lie_in_view_change(struct takeover *t, view_no next)
{
    replica_id primary = (replica_id)(next % t->w->n);
    for (replica_id r = 0; r < t->w->n; r++) {
        if (!takeover_up(t, r) || !takeover_faulty(t, r, CELL_C))
            continue;
        struct slot_view claim = {.slot = t->slot,
                                  .view = dice_chance(t->dice, 0.5) ? t->view : next - 1,
                                  .batch = t->batch[dice_below(t->dice, 2)]};
        forge_view_change(t, r, next, dice_chance(t->dice, 0.4) ? NULL : &claim,
                          takeover_bit(primary, CELL_P));
    }
}

static void change_view(struct takeover *t)
{
    view_no next = two.next;
    replica_id primary = (replica_id)(next % t->w->n);
    bool faulty = primary_faulty(t, next);
    t->blocked_vc = dice_chance(t->dice, 0.8) ? 1u << dice_below(t->dice, t->w->n) : 0;
    if (faulty && dice_chance(t->dice, 0.3)) /* proposed before there is a NEW-VIEW */
        forge_vote(t, primary, CELL_P, FRAME_PRE_PREPARE, next, t->slot, &t->batch[two.favoured % 2],
                   t->list[two.favoured % 2], bits(t, everyone(t), 3));
    takeover_settle(t, next_view_rule);
    lie_in_parting(t, next);
    for (replica_id r = 0; r < t->w->n; r++)
        takeover_leave(t, r, CELL_P, next);
    takeover_settle(t, leaving_rule);
    for (replica_id r = 0; r < t->w->n; r++)
        if (r != primary || dice_chance(t->dice, 0.9))
            takeover_leave(t, r, CELL_C, next);
    lie_in_view_change(t, next);
    takeover_settle(t, leaving_rule);
    static const struct digest null;
    if (faulty && dice_chance(t->dice, 0.6))
        (void)forge_new_view(t, primary, next,
                             dice_chance(t->dice, 0.5) ? &null : &t->batch[two.favoured % 2],
                             bits(t, everyone(t), 3));
}

static void next_view(struct takeover *t)
{
    view_no next = two.next;
    replica_id primary = (replica_id)(next % t->w->n);
    takeover_settle(t, leaving_rule);
    if (two.late_votes) {
        if (dice_chance(t->dice, 0.5)) /* hosts that ask C to go back */
            for (replica_id r = 0; r < t->w->n; r++)
                takeover_leave(t, r, CELL_C, t->view);
        takeover_settle(t, late_rule);
    }
    if (primary_faulty(t, next) && dice_chance(t->dice, 0.7))
        forge_vote(t, primary, CELL_P, FRAME_PRE_PREPARE, next, t->slot, &t->batch[two.favoured % 2],
                   t->list[two.favoured % 2], bits(t, everyone(t), 3));
    vote_in(t, next);
    takeover_settle(t, next_view_rule);
    if (takeover_up(t, primary)) {
        propose_empty(t, primary);
        takeover_settle(t, next_view_rule);
    }
}

static void attack_two_faces(struct takeover *t)
{
    if (!takeover_gather(t, view_after(t, highest_view(t), true)) || !primary_faulty(t, t->view))
        return;
    two = (struct two_faces){.favoured = dice_below(t->dice, 3)};
    two.next = t->view + 1 + dice_below(t->dice, 3);
    if (dice_chance(t->dice, 0.5))
        two.next = view_after(t, two.next, true);
    first_view(t);
    change_view(t);
    next_view(t);
}

/* ------------------------------------------------------------------------------------------------ checkpoints */

static replica_id victim;  /* its E lags */
static uint32_t learns[2]; /* P, and C, of these learn of checkpoints */

static bool lagging_rule(struct takeover *t, const struct item *item, replica_id to, uint32_t cell)
{
    (void)t;
    if (item->frame.type == FRAME_CHECKPOINT && cell != CELL_E)
        return learns[cell] >> to & 1;
    if (to == victim && cell == CELL_E &&
        (item->frame.type == FRAME_COMMIT || item->frame.type == FRAME_CHECKPOINT))
        return false;
    return true;
}

/* Runs on to the next checkpoint, without the victim. */
static bool run_to_checkpoint(struct takeover *t)
{
    replica_id primary = (replica_id)(t->view % t->w->n);
    slot_no until = (t->slot / CHECKPOINT_INTERVAL + 1) * CHECKPOINT_INTERVAL;
    for (slot_no slot = t->slot; slot <= until; slot++) {
        propose_empty(t, primary);
        takeover_settle(t, lagging_rule);
    }
    for (replica_id r = 0; r < t->w->n; r++)
        if (r != victim && takeover_up(t, r) && takeover_e(t, r)->executed < until)
            return false;
    return true;
}

/*
 * Slots that a NEW-VIEW's checkpoint covers, proposed again to those who did not hear of the checkpoint otherwise: whoever
 * votes at or below h can make the E that lags execute something else.
 */
static void attack_old_slots(struct takeover *t)
{
    if (!takeover_gather(t, highest_view(t) + 1))
        return;
    victim = pick_correct(t, CELL_E);
    replica_id witness = pick_correct(t, CELL_C);
    if (victim >= t->w->n || witness >= t->w->n)
        return;
    learns[CELL_P] = 0; /* or its PARTING would tell every C */
    learns[CELL_C] = 1u << witness;
    slot_no old = t->slot;
    if (!run_to_checkpoint(t) || takeover_e(t, victim)->executed >= old)
        return;
    view_no next = view_after(t, t->view, true);
    if (!primary_faulty(t, next))
        return;
    for (replica_id r = 0; r < t->w->n; r++) {
        takeover_leave(t, r, CELL_P, next);
        takeover_leave(t, r, CELL_C, next);
    }
    takeover_settle(t, lagging_rule);
    replica_id primary = (replica_id)(next % t->w->n);
    t->view = next;
    t->slot = old;
    forge_batches(t);
    t->side[0] = everyone(t);
    t->side[1] = 0;
    hand_list(t, everyone(t), old, &t->batch[0], t->list[0]);
    forge_vote(t, primary, CELL_P, FRAME_PRE_PREPARE, next, old, &t->batch[0], t->list[0],
               bits(t, everyone(t), 3));
    vote_in(t, next);
    takeover_settle(t, lagging_rule);
    /* Now the victim may hear of the new view's commits. */
    for (uint32_t i = 0; i < t->items; i++)
        if (t->item[i].has_vote && t->item[i].frame.type == FRAME_COMMIT && t->item[i].vote.view == next)
            takeover_deliver(t, victim, CELL_E, parcel_slice(t->item[i].parcel));
}

/* Changes the state of a faulty E behind its back: from now on it lies in replies, checkpoints and state transfer. */
static void corrupt(struct takeover *t, replica_id r)
{
    struct execution *e = takeover_e(t, r);
    uint8_t request[64] = {0};
    static uint8_t out[REDOUBT_OP_MAX_BYTES];
    static const uint8_t seed[32];
    struct redoubt_result result = {.data = out, .capacity = sizeof out};
    size_t len = workload_draw(t->w, 0, request + 8, sizeof request - 8);
    struct redoubt_op op = {.data = request,
                            .bytes = len + 8,
                            .origin = 1,
                            .slot = e->executed + 1,
                            .time_us = e->time_us,
                            .seed = seed};
    if (!e->state_bad && !e->fetch.active)
        (void)e->service->execute(e->service_state, &op, &result);
    world_fault(t->w);
}

static void ask_state(struct takeover *t, replica_id who, replica_id peer)
{
    uint8_t body[16], bytes[64];
    struct sender self = {KIND_HOST, who, 1};
    struct writer w = writer_to(body, sizeof body);
    local_catch_up_put(
        &w, &(struct local_catch_up){.peer = peer, .state = 1, .patience_us = t->w->request_timeout_us});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_CATCH_UP, &self, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    takeover_deliver(t, who, CELL_E, (struct slice){bytes, len});
}

static bool from_liar_rule(struct takeover *t, const struct item *item, replica_id to, uint32_t cell)
{
    if (to == victim && cell == CELL_E && item->frame.type == FRAME_CHECKPOINT)
        return takeover_faulty(t, item->from, CELL_E);
    return lagging_rule(t, item, to, cell) || item->frame.type == FRAME_STATE;
}

/* An E that lags is sent to a liar for its state; first with the liar's word for the root alone, then with everybody's. */
static void attack_bad_state(struct takeover *t)
{
    replica_id liar = pick_faulty(t, CELL_E);
    if (liar >= t->w->n || !takeover_gather(t, highest_view(t) + 1))
        return;
    corrupt(t, liar);
    victim = pick_correct(t, CELL_E);
    if (victim >= t->w->n)
        return;
    learns[CELL_P] = learns[CELL_C] = everyone(t);
    if (!run_to_checkpoint(t))
        return;
    takeover_settle(t, from_liar_rule);
    ask_state(t, victim, liar);
    takeover_settle(t, from_liar_rule);
    for (uint32_t i = 0; i < t->items; i++)
        if (t->item[i].frame.type == FRAME_CHECKPOINT)
            takeover_deliver(t, victim, CELL_E, parcel_slice(t->item[i].parcel));
    ask_state(t, victim, liar);
    takeover_settle(t, from_liar_rule);
}

/* ------------------------------------------------------------------------------------------------ lies to one E */

/* Every faulty E says that a batch was executed, every faulty C that it was committed, in view after view. */
static void attack_false_witness(struct takeover *t)
{
    replica_id to = pick_correct(t, CELL_E);
    if (to >= t->w->n)
        return;
    struct execution *e = takeover_e(t, to);
    t->slot = e->executed + 1;
    t->view = highest_view(t);
    forge_batches(t);
    hand_list(t, 1u << to, t->slot, &t->batch[0], t->list[0]);
    for (replica_id r = 0; r < t->w->n; r++) {
        if (takeover_up(t, r) && takeover_faulty(t, r, CELL_E) && r != to)
            forge_vote(t, r, CELL_E, FRAME_EXECUTED, 0, t->slot, &t->batch[0], (struct slice){NULL, 0},
                       takeover_bit(to, CELL_E));
        for (view_no v = t->view; v < t->view + 4; v++)
            if (takeover_up(t, r) && takeover_faulty(t, r, CELL_C))
                forge_vote(t, r, CELL_C, FRAME_COMMIT, v, t->slot, &t->batch[0], (struct slice){NULL, 0},
                           takeover_bit(to, CELL_E));
    }
    takeover_settle(t, takeover_all);
}

/* Faulty E simply compute something else. */
static void attack_corrupt(struct takeover *t)
{
    for (replica_id r = 0; r < t->w->n; r++)
        if (takeover_up(t, r) && takeover_faulty(t, r, CELL_E))
            corrupt(t, r);
}

/* ------------------------------------------------------------------------------------------------ bundles */

/* A faulty primary gives a slot to these entries, and time. */
static void propose_list(struct takeover *t, uint64_t time_us, const struct batch_entry *entries,
                         uint32_t count)
{
    replica_id primary = (replica_id)(t->view % t->w->n);
    struct writer w = writer_to(t->list_bytes[0], BATCH_BYTES_MAX);
    put_u64(&w, time_us);
    for (uint32_t i = 0; i < count; i++)
        batch_entry_put(&w, &entries[i]);
    t->list[0] = (struct slice){t->list_bytes[0], w.len};
    batch_digest(&t->batch[0], t->list[0]);
    hand_list(t, everyone(t), t->slot, &t->batch[0], t->list[0]);
    forge_vote(t, primary, CELL_P, FRAME_PRE_PREPARE, t->view, t->slot, &t->batch[0], t->list[0],
               bits(t, everyone(t), 3));
    takeover_settle(t, takeover_all);
    t->slot++;
}

static bool faulty_primary(struct takeover *t)
{
    return takeover_gather(t, view_after(t, highest_view(t), true)) && primary_faulty(t, t->view);
}

static void give_bundle(struct takeover *t, struct parcel *parcel)
{
    for (replica_id r = 0; r < t->w->n; r++) {
        struct frame frame;
        if (!frame_decode(parcel->data, parcel->len, &frame))
            return;
        if (takeover_up(t, r))
            replica_event(t->w, r, EVENT_PEER, (r + 1) % t->w->n, parcel_slice(parcel));
        takeover_deliver(t, r, CELL_P, parcel_slice(parcel));
        takeover_deliver(t, r, CELL_E, parcel_slice(parcel));
    }
}

/* Operations that no client ever sent. */
static void attack_forged_bundle(struct takeover *t)
{
    if (!faulty_primary(t))
        return;
    uint32_t c = dice_below(t->dice, t->w->clients);
    struct parcel *parcel = forge_bundle(t, t->w->client[c].number);
    struct frame frame;
    CHECK(parcel && frame_decode(parcel->data, parcel->len, &frame));
    struct batch_entry entry = {
        .origin = t->w->client[c].number, .epoch = frame.sender.epoch, .bundle_no = 1};
    auth_content(&t->w->configuration.cluster, frame.type, &frame.sender, frame.body, &entry.bundle);
    give_bundle(t, parcel);
    propose_list(t, t->w->now_us, &entry, 1);
    parcel_drop(parcel);
}

/* Operations that were executed long ago, again. */
static void attack_old_bundles(struct takeover *t)
{
    uint32_t have = t->w->old_bundles < 256 ? t->w->old_bundles : 256;
    if (!have || !faulty_primary(t))
        return;
    struct batch_entry entries[8];
    uint32_t count = 0;
    for (uint32_t tries = 0; tries < 24 && count < 8; tries++) {
        struct parcel *parcel = t->w->old_bundle[dice_below(t->dice, have)];
        struct frame frame;
        struct bundle bundle;
        if (!parcel || !frame_decode(parcel->data, parcel->len, &frame) ||
            bundle_check(&frame, &bundle) != VERDICT_ACCEPT)
            continue;
        struct batch_entry entry = {
            .origin = frame.sender.id, .epoch = frame.sender.epoch, .bundle_no = bundle.bundle_no};
        auth_content(&t->w->configuration.cluster, frame.type, &frame.sender, frame.body, &entry.bundle);
        give_bundle(t, parcel);
        uint32_t admitted = 0;
        for (replica_id r = 0; r < t->w->n; r++)
            admitted += admission_has(&takeover_p(t, r)->admission, &entry);
        if (admitted >= quorum_of(t->w->n))
            entries[count++] = entry;
    }
    if (count)
        propose_list(t, t->w->now_us, entries, count);
}

/* Times that jump ahead and fall back, as far as backups let them. */
static void attack_time(struct takeover *t)
{
    if (!faulty_primary(t))
        return;
    propose_list(t, t->w->now_us + TIME_AHEAD_MAX_US - dice_below(t->dice, 1000), NULL, 0);
    propose_list(t, t->w->now_us - t->w->request_timeout_us / 2, NULL, 0);
}

/* ------------------------------------------------------------------------------------------------ type confusion */

static enum kind kind_for(enum frame_type type)
{
    return type == FRAME_COMMIT     ? KIND_CONFIRMATION
           : type == FRAME_EXECUTED ? KIND_EXECUTION
                                    : KIND_PREPARATION;
}

/*
 * Votes of one kind relabelled as votes of another. In one fault domain, where the steps of a replica share their keys, only
 * the domain separation of content digests keeps them apart.
 */
static void attack_relabel(struct takeover *t)
{
    if (!faulty_primary(t))
        return;
    first_view(t);
    uint32_t count = t->items;
    for (uint32_t i = 0; i < count; i++) {
        static const enum frame_type types[] = {FRAME_PREPARE, FRAME_COMMIT, FRAME_EXECUTED,
                                                FRAME_PRE_PREPARE};
        if (!t->item[i].has_vote || t->item[i].vote.slot != t->slot)
            continue;
        struct parcel *parcel = parcel_of(parcel_slice(t->item[i].parcel));
        enum frame_type type = types[dice_below(t->dice, 4)];
        parcel->data[1] = (uint8_t)type;
        parcel->data[2] = (uint8_t)kind_for(type);
        (void)takeover_add_forged(t, parcel, t->item[i].from, t->item[i].cell,
                                  bits(t, everyone(t), type == FRAME_PREPARE ? 2 : 4));
        parcel_drop(parcel);
    }
    takeover_settle(t, takeover_all);
}

/* Anything of the recent past to anybody, in any order. */
static void attack_replay(struct takeover *t)
{
    uint32_t have = t->w->remembered < MEMORY_FRAMES ? t->w->remembered : MEMORY_FRAMES;
    for (uint32_t i = 0; have && i < 200; i++) {
        struct parcel *parcel = t->w->memory[dice_below(t->dice, have)];
        if (parcel)
            takeover_deliver(t, dice_below(t->dice, t->w->n), dice_below(t->dice, CELLS),
                             parcel_slice(parcel));
        world_fault(t->w);
    }
    takeover_settle(t, takeover_all);
}

const struct attack attacks[] = {
    {"two-faces", 3, attack_two_faces},     {"two-faces", 3, attack_two_faces},
    {"two-faces", 3, attack_two_faces},     {"old-slots", 3, attack_old_slots},
    {"bad-state", 3, attack_bad_state},     {"false-witness", 3, attack_false_witness},
    {"corrupt", 3, attack_corrupt},         {"forged-bundle", 3, attack_forged_bundle},
    {"old-bundles", 3, attack_old_bundles}, {"time", 3, attack_time},
    {"relabel", 3, attack_relabel},         {"replay", 3, attack_replay},
};
const unsigned attack_count = sizeof attacks / sizeof *attacks;
