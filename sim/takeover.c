#include "takeover.h"

static uint64_t everywhere(uint32_t n, unsigned cells)
{
    uint64_t to = 0;
    for (replica_id r = 0; r < n; r++)
        for (uint32_t k = 0; k < CELLS; k++)
            if (cells >> k & 1)
                to |= takeover_bit(r, k);
    return to;
}

/* Which compartments have use for a frame. */
static uint64_t audience(const struct takeover *t, const struct frame *frame, replica_id from)
{
    uint32_t n = t->w->n;
    struct reader r = reader_of(frame->body.data, frame->body.len);
    replica_id to;
    switch (frame->type) {
    case FRAME_PRE_PREPARE:
        return everywhere(n, 7);
    case FRAME_PREPARE:
        return everywhere(n, 2);
    case FRAME_COMMIT:
        return everywhere(n, 4);
    case FRAME_CHECKPOINT:
        return everywhere(n, 7);
    case FRAME_PARTING:
        return everywhere(n, 2);
    case FRAME_VIEW_CHANGE:
        return everywhere(n, 1);
    case FRAME_NEW_VIEW:
        return everywhere(n, 3);
    case FRAME_ASK_EXECUTED:
    case FRAME_ASK_STATE:
    case FRAME_STATE:
        to = get_u32(&r);
        return to < n && to != from ? takeover_bit(to, CELL_E) : 0;
    case FRAME_EXECUTED:
        to = frame->auth.len >= 2 ? frame->auth.data[1] : n;
        return to < n && to != from ? takeover_bit(to, CELL_E) : 0;
    default:
        return 0;
    }
}

static struct item *add(struct takeover *t, struct parcel *parcel, replica_id from, uint32_t cell,
                        bool forged)
{
    if (t->items == ITEMS_MAX)
        return NULL;
    struct item *item = &t->item[t->items];
    *item = (struct item){.from = from, .cell = cell, .forged = forged};
    if (!frame_decode(parcel->data, parcel->len, &item->frame))
        return NULL;
    item->parcel = parcel_hold(parcel);
    item->has_vote = item->frame.type >= FRAME_PRE_PREPARE && item->frame.type <= FRAME_EXECUTED &&
                     vote_decode(item->frame.body, &item->vote);
    item->to = audience(t, &item->frame, from);
    t->items++;
    return item;
}

struct item *takeover_add_forged(struct takeover *t, struct parcel *parcel, replica_id by, uint32_t cell,
                                 uint64_t to);

struct item *takeover_add_forged(struct takeover *t, struct parcel *parcel, replica_id by, uint32_t cell,
                                 uint64_t to)
{
    struct item *item = add(t, parcel, by, cell, true);
    if (item)
        item->to = to;
    world_fault(t->w);
    return item;
}

/* ------------------------------------------------------------------------------------------------ hosts' part */

static const struct parcel *body_on_disk(const struct disk *d, const struct digest *digest)
{
    for (uint64_t i = d->count; i-- > 0;)
        if (d->record[i].kind == PERSIST_BUNDLE && digest_equal(&d->record[i].digest, digest))
            return d->bytes[i];
    return NULL;
}

/* Has its host got this body on its disk? If not, it asks the others. */
static bool host_keeps_body(struct takeover *t, replica_id r, const struct digest *digest)
{
    struct world *w = t->w;
    for (replica_id i = 0; i < w->n; i++) {
        const struct parcel *body = body_on_disk(&w->replica[(r + i) % w->n].disk, digest);
        if (body && i > 0)
            disk_append(w, r,
                        &(struct action){.kind = ACTION_PERSIST,
                                         .to = PERSIST_BUNDLE,
                                         .digest = *digest,
                                         .parts = {parcel_slice(body)}});
        if (body)
            return true;
    }
    return false;
}

/* Who shows a compartment a batch writes list and bodies down first: with durability sync that is a host's duty, and attackers who
 * hold more than f hosts do it, too. False: it does not have a body, so it does not show the batch. */
static bool host_keeps(struct takeover *t, replica_id r, const struct frame *frame)
{
    struct vote vote;
    struct batch batch;
    struct digest digest;
    if (!t->w->durable || frame->type != FRAME_PRE_PREPARE || frame->attachment.len == 0 ||
        !vote_decode(frame->body, &vote) || !batch_decode(frame->attachment, &batch))
        return true;
    for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
        struct batch_entry entry = batch_entry_at(batch.entries, i);
        if (!host_keeps_body(t, r, &entry.bundle))
            return false;
    }
    batch_digest(&digest, frame->attachment);
    const struct disk *d = &t->w->replica[r].disk;
    for (uint64_t i = d->count; i-- > 0;)
        if (d->record[i].kind == PERSIST_LIST && d->record[i].slot == vote.slot &&
            digest_equal(&d->record[i].digest, &digest))
            return true;
    disk_append(t->w, r,
                &(struct action){.kind = ACTION_PERSIST,
                                 .to = PERSIST_LIST,
                                 .slot = vote.slot,
                                 .digest = digest,
                                 .parts = {frame->attachment}});
    return true;
}

/* What leaves a replica is on its disk. */
static bool may_leave(struct takeover *t, const struct item *item)
{
    return !t->w->durable || item->forged || mutant(MUTANT_SEND_BEFORE_PERSIST) ||
           disk_sync_now(t->w, item->from);
}

/* E asks its host for a list or a body. */
static void serve_need(struct takeover *t, replica_id r, const struct frame *frame)
{
    struct local_need need;
    if (!local_need_decode(frame->body, &need))
        return;
    for (uint32_t i = 0; need.what == FETCH_BATCH && i < t->items + MEMORY_FRAMES; i++) {
        struct frame at = {0};
        struct vote vote;
        struct digest digest;
        struct parcel *parcel = i < t->items ? t->item[i].parcel : t->w->memory[i - t->items];
        if (!parcel || !frame_decode(parcel->data, parcel->len, &at) || at.type != FRAME_PRE_PREPARE ||
            at.attachment.len == 0 || !vote_decode(at.body, &vote) ||
            !digest_equal(&vote.batch, &need.digest))
            continue;
        batch_digest(&digest, at.attachment);
        uint8_t body[64];
        static uint8_t bytes[BATCH_BYTES_MAX + 256];
        struct writer w = writer_to(body, sizeof body);
        vote_put(&w, &(struct vote){.slot = need.slot, .batch = need.digest});
        struct sender self = {KIND_HOST, r, 1};
        size_t len = frame_encode(bytes, sizeof bytes, FRAME_PRE_PREPARE, &self, AUTH_NONE,
                                  (struct slice){body, w.len}, (struct slice){NULL, 0}, at.attachment);
        if (len && digest_equal(&digest, &need.digest)) {
            takeover_deliver(t, r, CELL_E, (struct slice){bytes, len});
            return;
        }
    }
    for (uint32_t i = 0; need.what == FETCH_BUNDLE && i < 256; i++) {
        struct parcel *parcel = t->w->old_bundle[i];
        struct frame at;
        struct digest digest;
        if (!parcel || !frame_decode(parcel->data, parcel->len, &at))
            continue;
        auth_content(&t->w->configuration.cluster, at.type, &at.sender, at.body, &digest);
        if (digest_equal(&digest, &need.digest)) {
            takeover_deliver(t, r, CELL_E, parcel_slice(parcel));
            return;
        }
    }
}

static void on_output(struct world *w, replica_id from, uint32_t cell, struct parcel *parcel)
{
    (void)add(w->takeover, parcel, from, cell, false);
}

void takeover_deliver(struct takeover *t, replica_id to, uint32_t cell, struct slice frame)
{
    struct frame shown;
    if (!takeover_up(t, to) || (frame_decode(frame.data, frame.len, &shown) && !host_keeps(t, to, &shown)))
        return;
    struct parcel *hold = parcel_of(frame);
    (void)cell_step(t->w, to, cell, parcel_slice(hold), false);
    cell_flush(t->w, to, cell);
    parcel_drop(hold);
}

static void arrive(struct takeover *t, uint32_t index, replica_id to, uint32_t cell)
{
    struct item *item = &t->item[index];
    struct parcel *parcel = parcel_hold(item->parcel);
    bool local = t->w->whole && !item->forged && to == item->from;
    bool forged = item->forged;
    replica_id from = item->from;
    /* Its host hears it first: a host that is carried away by an attack still holds what its compartments were given. */
    bool first = !(item->done & 7ull << CELLS * to);
    bool body = item->frame.type == FRAME_PRE_PREPARE;
    struct frame frame = item->frame;
    item->done |= takeover_bit(to, cell);
    t->steps++;
    if (to != from && first && (forged || body || takeover_faulty(t, from, item->cell)))
        replica_event(t->w, to, EVENT_PEER, from, parcel_slice(parcel));
    if (cell == CELL_C || host_keeps(t, to, &frame)) {
        (void)cell_step(t->w, to, cell, parcel_slice(parcel), local);
        cell_flush(t->w, to, cell);
    }
    parcel_drop(parcel);
}

bool takeover_all(struct takeover *t, const struct item *item, replica_id to, uint32_t cell)
{
    (void)t;
    (void)item;
    (void)to;
    (void)cell;
    return true;
}

void takeover_settle(struct takeover *t, takeover_rule rule)
{
    bool moved = true;
    while (moved && t->steps < 20000) {
        moved = false;
        for (uint32_t i = 0; i < t->items; i++) {
            if (t->item[i].frame.type == FRAME_LOCAL_NEED && !t->item[i].done) {
                struct frame frame = t->item[i].frame;
                replica_id from = t->item[i].from;
                t->item[i].done = 1;
                serve_need(t, from, &frame);
            }
            for (uint64_t left = t->item[i].to & ~t->item[i].done; left; left &= left - 1) {
                unsigned bit = (unsigned)__builtin_ctzll(left);
                replica_id to = bit / CELLS;
                uint32_t cell = bit % CELLS;
                if (!takeover_up(t, to) || !rule(t, &t->item[i], to, cell) || !may_leave(t, &t->item[i]))
                    continue;
                arrive(t, i, to, cell);
                moved = true;
            }
        }
    }
}

void takeover_leave(struct takeover *t, replica_id r, uint32_t cell, view_no view)
{
    uint8_t body[8], bytes[64];
    struct sender self = {KIND_HOST, r, 1};
    struct writer w = writer_to(body, sizeof body);
    local_leave_put(&w, &(struct local_leave){.view = view});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_LEAVE, &self, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    takeover_deliver(t, r, cell, (struct slice){bytes, len});
}

bool takeover_gather(struct takeover *t, view_no view)
{
    for (replica_id r = 0; r < t->w->n; r++) {
        takeover_leave(t, r, CELL_P, view);
        takeover_leave(t, r, CELL_C, view);
    }
    takeover_settle(t, takeover_all);
    t->view = view;
    slot_no top = 0;
    uint32_t in_view = 0, at_top = 0;
    for (replica_id r = 0; r < t->w->n; r++) {
        if (!takeover_up(t, r))
            continue;
        in_view +=
            takeover_p(t, r)->in_view && takeover_p(t, r)->view == view && takeover_c(t, r)->entered == view;
        if (!takeover_faulty(t, r, CELL_E) && takeover_e(t, r)->executed > top)
            top = takeover_e(t, r)->executed;
    }
    for (replica_id r = 0; r < t->w->n; r++)
        at_top += takeover_up(t, r) && takeover_e(t, r)->executed == top;
    t->slot = top + 1;
    replica_id primary = (replica_id)(view % t->w->n);
    return in_view >= quorum_of(t->w->n) && at_top >= 2 && takeover_up(t, primary) &&
           takeover_p(t, primary)->next_slot == t->slot &&
           t->slot <= prep_stable_slot(takeover_p(t, primary)) + WINDOW;
}

static void run_one(struct takeover *t, const struct attack *attack)
{
    struct world *w = t->w;
    w->attacks++;
    world_fault(w);
    world_trace(w, "attack: %s", attack->name);
    attack->run(t);
    takeover_settle(t, takeover_all); /* what was held back arrives after all */
    world_trace(w, "attack ends after %u steps", t->steps);
}

static const struct attack *choose(struct world *w)
{
    unsigned protocol = w->hybster ? 4 : w->whole ? 2 : 1;
    for (unsigned tries = 0; tries < 200; tries++) {
        const struct attack *attack = &attacks[dice_below(&w->attack_dice, attack_count)];
        if (!(attack->protocols & protocol))
            continue;
        if (!w->options.only_attack || strcmp(w->options.only_attack, attack->name) == 0)
            return attack;
    }
    return NULL;
}

static void take_over(struct world *w, const struct attack *attack)
{
    static struct item items[ITEMS_MAX];
    static uint8_t forge_memory[OUTBOX_MIN_BYTES + 4096];
    static struct takeover takeover;
    struct takeover *t = &takeover;
    memset(t, 0, sizeof *t);
    t->w = w;
    t->dice = &w->attack_dice;
    t->item = items;
    t->forge = (struct outbox){forge_memory, sizeof forge_memory, 0};
    for (replica_id r = 0; r < w->n; r++)
        if (replica_is_up(w, r))
            t->up |= 1u << r;
    w->in_takeover = true;
    w->takeover = t;
    w->takeover_output = on_output;
    run_one(t, attack);
    w->in_takeover = false;
    for (uint32_t i = 0; i < t->items; i++)
        parcel_drop(t->item[i].parcel);
}

void takeover_run(struct world *w)
{
    const struct attack *attack = choose(w);
    if (attack)
        take_over(w, attack);
}

void takeover_with(struct world *w, void (*run)(struct takeover *t), const char *name)
{
    struct attack attack = {name, 3, run};
    take_over(w, &attack);
}
