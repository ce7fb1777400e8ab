/*
 * What a Byzantine replica does to Hybster with its counter intact: it courts one correct replica while the others hear nothing, then
 * another, and in between forgets what it voted for, or makes up a checkpoint; and as a leader it proposes against its own core, or what no client ever sent. Its orderer is the real one, with something else
 * in its head; so everything that it says bears a certificate that its counter really made.
 */
#include "takeover.h"
#include "world.h"

static replica_id pick_faulty(struct world *w)
{
    replica_id first = dice_below(&w->attack_dice, w->n);
    for (uint32_t i = 0; i < w->n; i++) {
        replica_id r = (first + i) % w->n;
        if (w->replica[r].host_faulty && replica_is_up(w, r))
            return r;
    }
    return w->n;
}

/* The faulty one and as many as make a quorum with it are by themselves; the rest are cut off from everybody. */
static void court(struct world *w, replica_id faulty)
{
    uint32_t set = 1u << faulty;
    network_heal(w);
    while ((uint32_t)__builtin_popcount(set) < w->n / 2 + 1)
        set |= 1u << dice_below(&w->attack_dice, w->n);
    for (replica_id a = 0; a < w->n; a++)
        for (replica_id b = 0; b < w->n; b++)
            w->link[a][b].cut = a != b && !(set >> a & set >> b & 1);
    world_trace(w, "attack: replica %u courts %x", faulty, set & ~(1u << faulty));
}

/* What of its votes a replica forgets; with one pillar always all. */
enum forgetting { FORGET_ALL, FORGET_PILLAR, FORGET_SLOT, FORGETTINGS };

static enum forgetting draw_forgetting(struct world *w, const struct orderer *o)
{
    const char *only = w->options.only_attack ? w->options.only_attack : "";
    if (orderer_pillars(o) == 1)
        return FORGET_ALL;
    if (strcmp(only, "forget-pillar") == 0)
        return FORGET_PILLAR;
    if (strcmp(only, "forget-slot") == 0)
        return FORGET_SLOT;
    return (enum forgetting)dice_below(&w->attack_dice, FORGETTINGS);
}

static bool is_forgotten(const struct orderer *o, enum forgetting what, slot_no from, slot_no slot)
{
    uint32_t pillars = orderer_pillars(o);
    if (what == FORGET_SLOT)
        return slot == from;
    return slot >= from && (what == FORGET_ALL || slot_pillar(slot, pillars) == slot_pillar(from, pillars));
}

/* Some slot above the stable one; or one of the last that it voted for, which not all others know of, and a single one so that it voted for
 * later ones of its pillar. */
static slot_no pick_slot(struct world *w, const struct orderer *o, enum forgetting what)
{
    slot_no last = orderer_stable(o), back = dice_below(&w->attack_dice, WINDOW / 4);
    if (what == FORGET_ALL)
        return last + 1 + back;
    if (what == FORGET_SLOT)
        back = orderer_pillars(o) + back % (2 * orderer_pillars(o));
    for (uint32_t p = 0; p < orderer_pillars(o); p++)
        last = o->asked[p] > last ? o->asked[p] : last;
    return last > orderer_stable(o) + back ? last - back : orderer_stable(o) + 1;
}

/* Votes from some slot on never happened. */
static slot_no forget(struct world *w, replica_id faulty, enum forgetting what)
{
    struct orderer *o = w->replica[faulty].cell[CELL_P].state;
    slot_no from = pick_slot(w, o, what);
    w->concealed = what == FORGET_SLOT ? from : 0;
    for (unsigned i = 0; i < WINDOW; i++) {
        struct hyb_slot *s = &o->slot[i];
        if (is_forgotten(o, what, from, s->slot))
            *s = (struct hyb_slot){.slot = s->slot, .list = s->list};
    }
    world_trace(w, "attack: replica %u forgets %s slot %llu", faulty,
                what == FORGET_ALL      ? "all from"
                : what == FORGET_PILLAR ? "of one pillar from"
                                        : "only",
                (unsigned long long)from);
    return from;
}

bool hybster_conceals(const struct world *w, const struct parcel *parcel)
{
    struct frame frame;
    struct hybster_committed committed;
    return w->concealed && frame_decode(parcel->data, parcel->len, &frame) &&
           frame.type == FRAME_HYBSTER_COMMITTED && hybster_committed_decode(frame.body, &committed) &&
           committed.slot == w->concealed;
}

/* A stable checkpoint that nobody signed. */
static void invent(struct world *w, replica_id faulty)
{
    struct orderer *o = w->replica[faulty].cell[CELL_P].state;
    o->stable.certificate.slot += CHECKPOINT_INTERVAL * (1 + dice_below(&w->attack_dice, 2));
    o->stable.certificate.root.bytes[0] ^= 1;
    orderer_truncated(o);
    world_trace(w, "attack: replica %u makes up checkpoint %llu", faulty,
                (unsigned long long)orderer_stable(o));
}

/*
 * The faulty host starts its counter compartment anew, under the same epoch, and even gets the administrator's key for it: so its counters are
 * where they began, and the orderer may vote once more for other batches in the slots that it voted in, and for whom it likes.
 */
static void roll_back(struct world *w, replica_id faulty)
{
    struct replica *replica = &w->replica[faulty];
    struct orderer *o = replica->cell[CELL_P].state;
    bool waking = replica->cell[CELL_N].waking;
    cell_free(&replica->cell[CELL_N]);
    cell_init(w, faulty, CELL_N);
    replica->cell[CELL_N].waking = waking;
    struct parcel *key = founding_counter_key(w, faulty);
    cell_give(w, faulty, CELL_N, key, false);
    parcel_drop(key);
    o->jobs = o->certifying = 0; /* their answers will not come */
    o->answered = o->calls;
    o->change_due = o->own_candidate.busy = false;
    for (unsigned i = 0; i < CANDIDATES; i++)
        o->candidate[i].busy = false;
    o->commands.len = o->checks.len = 0;
    for (unsigned i = 0; i < WINDOW; i++) {
        o->slot[i].checking = o->slot[i].settling = false;
        memset(o->slot[i].counting, 0, sizeof o->slot[i].counting);
    }
    for (replica_id r = 0; r < w->n; r++)
        o->changing[r].view = 0;
    o->view = o->core.view; /* back in the last view that it was in, before it voted for some of its slots */
    o->in_view = true;
    o->next_slot = forget(w, faulty, FORGET_ALL);
    for (uint32_t p = 0; p < orderer_pillars(o); p++)
        o->asked[p] = o->next_slot - 1;
    world_trace(w, "attack: replica %u has its counters where they began", faulty);
}

/* Its orderer takes it for admitted, as one of an epoch below the client's. */
static void admit_all_the_same(struct orderer *o, const struct batch_entry *entry)
{
    struct admitted_origin *origin = &o->admission.origin[entry->origin];
    origin->epoch[1] = entry->epoch;
    memset(origin->bundle[1], 0, sizeof origin->bundle[1]);
    origin->bundle[1][entry->bundle_no % BUNDLE_WINDOW] =
        (struct admitted_bundle){.bundle_no = entry->bundle_no, .bundle = entry->bundle};
}

static void propose_alone(struct world *w, replica_id faulty, const struct batch_entry *entry)
{
    struct sender self = {KIND_HOST, faulty, 0};
    uint8_t list[batch_entry_BYTES], body[256], bytes[512];
    struct writer l = writer_to(list, sizeof list), b = writer_to(body, sizeof body);
    batch_entry_put(&l, entry);
    local_propose_put(&b, &(struct local_propose){.time_us = w->now_us, .entries = {list, l.len}});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_PROPOSE, &self, AUTH_NONE,
                              (struct slice){body, b.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    struct parcel *propose = parcel_of((struct slice){bytes, len});
    cell_give(w, faulty, CELL_P, propose, false);
    parcel_drop(propose);
}

/* As a leader it certifies a PREPARE that lists a bundle which no client ever sent. Nobody votes for that; but it can show it in its
 * VIEW-CHANGE, and it gives the body to whoever would look at that (`show_imposed`). */
static bool impose(struct world *w, replica_id faulty)
{
    struct orderer *o = w->replica[faulty].cell[CELL_P].state;
    struct takeover t = {.w = w, .dice = &w->impose_dice};
    struct frame frame;
    if (!o->started || !o->in_view || !orderer_leads(o, o->view))
        return false;
    origin_id origin = w->client[dice_below(&w->impose_dice, w->clients)].number;
    parcel_drop(w->imposed);
    w->imposed = forge_bundle(&t, origin);
    if (!w->imposed || !frame_decode(w->imposed->data, w->imposed->len, &frame))
        return false;
    struct batch_entry entry = {.origin = origin, .epoch = frame.sender.epoch, .bundle_no = 1};
    auth_content(&w->configuration.cluster, frame.type, &frame.sender, frame.body, &entry.bundle);
    admit_all_the_same(o, &entry);
    propose_alone(w, faulty, &entry);
    world_trace(w, "attack: replica %u imposes a bundle of nobody's, in the name of origin %u", faulty,
                origin);
    return true;
}

static void show_imposed(struct world *w, replica_id faulty)
{
    if (!w->imposed || !dice_chance(&w->impose_dice, 0.2))
        return;
    for (replica_id to = 0; to < w->n; to++)
        if (to != faulty)
            network_send(w, faulty, to, w->imposed);
}

static bool imposes(struct world *w)
{
    struct dice d = dice_from(w->options.seed, 3002);
    if (w->options.only_attack && strcmp(w->options.only_attack, "impose") == 0)
        return dice_chance(&w->impose_dice, 0.7);
    return dice_chance(&d, 0.5) && dice_chance(&w->impose_dice, 0.4);
}

/* In some runs, so that it is not all that there is to see; or when that is looked for. */
static bool rolls_back(struct world *w)
{
    struct dice d = dice_from(w->options.seed, 3000);
    if (w->options.only_attack && strcmp(w->options.only_attack, "roll-back") == 0)
        return dice_chance(&w->rejoin_dice, 0.5);
    return dice_chance(&d, 0.3) && dice_chance(&w->rejoin_dice, 0.2);
}

static bool has_asked(const struct orderer *o)
{
    bool asked = false;
    for (uint32_t p = 0; p < orderer_pillars(o); p++)
        asked = asked || o->asked[p];
    return asked;
}

void hybster_after_step(struct world *w, replica_id r)
{
    struct orderer *o = w->replica[r].cell[CELL_P].state;
    show_imposed(w, r);
    if (!o->started || !o->in_view || has_asked(o) || !o->core.count || !orderer_leads(o, o->view) ||
        !dice_chance(&w->attack_dice, 0.3))
        return;
    world_fault(w);
    world_trace(w, "attack: replica %u denies the core of view %llu", r, (unsigned long long)o->view);
    o->core.count = 0;
    o->next_slot = 1 + (o->core.base > orderer_stable(o) ? o->core.base : orderer_stable(o));
}

void hybster_fault(struct world *w)
{
    replica_id faulty = pick_faulty(w);
    if (faulty == w->n)
        return;
    world_fault(w);
    if (rolls_back(w)) {
        roll_back(w, faulty);
        court(w, faulty);
        return;
    }
    if (imposes(w) && impose(w, faulty)) {
        if (dice_chance(&w->impose_dice, 0.7))
            court(w, faulty);
        return;
    }
    switch (dice_below(&w->attack_dice, 8)) {
    case 0:
    case 1:
    case 2:
        court(w, faulty);
        break;
    case 3:
    case 4:
    case 5:
        (void)forget(w, faulty, draw_forgetting(w, w->replica[faulty].cell[CELL_P].state));
        if (dice_chance(&w->attack_dice, 0.7))
            court(w, faulty);
        break;
    case 6:
        if (dice_chance(&w->attack_dice, 0.1))
            invent(w, faulty);
        break;
    default:
        network_heal(w);
    }
}

/* --- rules that no wrong answer shows at once ------------------------------------------------------------------------------------ */

/* By what the cluster has executed: does N of that epoch count there? */
static bool counts(const struct world *w, replica_id r, epoch_no epoch, view_no view, slot_no slot,
                   slot_no stable)
{
    slot_no until;
    const struct member_keys *keys = configuration_counter(&w->known, r, view, &until);
    if (!keys)
        return true; /* too long ago to know */
    return keys->epoch == epoch && (slot == 0 || (slot > keys->after && slot <= until)) &&
           stable >= keys->after;
}

static void check_committed(struct world *w, replica_id r, const struct frame *frame)
{
    struct hybster_committed c;
    CHECK(hybster_committed_decode(frame->body, &c));
    bool good = counts(w, primary_of(&w->known, c.view), c.epoch, c.view, c.slot, UINT64_MAX);
    for (uint32_t i = 0; i < hybster_voter_count(c.commits); i++) {
        struct hybster_voter voter = hybster_voter_at(c.commits, i);
        good = good && counts(w, voter.replica, voter.epoch, c.view, c.slot, UINT64_MAX);
    }
    if (!good)
        world_violation(w, "replica %u counts a vote in slot %llu of view %llu that counts for nothing", r,
                        (unsigned long long)c.slot, (unsigned long long)c.view);
}

static void check_new_view(struct world *w, replica_id r, const struct frame *frame)
{
    struct hybster_new_view nv;
    size_t at = 0;
    struct slice bytes;
    slot_no base = 0;
    CHECK(hybster_new_view_decode(frame->body, &nv));
    while (frame_list_next(frame->attachment, &at, &bytes)) {
        struct frame inner;
        struct hybster_view_change vc;
        CHECK(frame_decode(bytes.data, bytes.len, &inner) && hybster_view_change_decode(inner.body, &vc));
        base = vc.stable_slot > base ? vc.stable_slot : base;
        if (!counts(w, inner.sender.id, inner.sender.epoch, vc.view, 0, vc.stable_slot))
            world_violation(w, "replica %u builds view %llu on a VIEW-CHANGE that counts for nothing", r,
                            (unsigned long long)nv.view);
    }
    if (!counts(w, frame->sender.id, frame->sender.epoch, nv.view, 0, base))
        world_violation(w, "replica %u enters view %llu by a counter that counts for nothing", r,
                        (unsigned long long)nv.view);
}

void hybster_check_output(struct world *w, replica_id r, const struct frame *frame)
{
    const struct orderer *o = w->replica[r].cell[CELL_P].state;
    struct hybster_commit vote; /* a PREPARE has the same fields */
    bool votes = frame->type == FRAME_HYBSTER_COMMIT || frame->type == FRAME_HYBSTER_PREPARE;
    if (votes && frame->sender.epoch != w->life + w->replica[r].incarnation)
        world_violation(w, "replica %u votes with the keys of an earlier life", r);
    if (votes && hybster_commit_decode(frame->body, &vote))
        rejoin_check_slot(w, r, vote.slot, &o->configuration);
    if (frame->type == FRAME_HYBSTER_COMMITTED)
        check_committed(w, r, frame);
    if (frame->type == FRAME_HYBSTER_NEW_VIEW)
        check_new_view(w, r, frame);
}
