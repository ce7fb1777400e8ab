#include "ledger.h"

#include "world.h"

static uint64_t place_of(slot_no slot, uint32_t index)
{
    return slot << 20 | index;
}

void ledger_free(struct ledger *l)
{
    for (uint64_t i = 0; i < l->slots; i++)
        free(l->slot[i].ops);
    for (unsigned k = 0; k < MODEL_KEYS; k++)
        free(l->history[k].at);
    free(l->slot);
    free(l->op);
    memset(l, 0, sizeof *l);
}

static struct slot_record *slot_at(struct ledger *l, slot_no slot)
{
    CHECK(slot < 1u << 24);
    if (slot >= l->slot_cap) {
        uint64_t cap = 2 * slot + 256;
        l->slot = realloc(l->slot, cap * sizeof *l->slot);
        CHECK(l->slot != NULL);
        memset(l->slot + l->slot_cap, 0, (cap - l->slot_cap) * sizeof *l->slot);
        l->slot_cap = cap;
    }
    if (slot >= l->slots)
        l->slots = slot + 1;
    return &l->slot[slot];
}

uint64_t ledger_issue(struct world *w, uint32_t client, const uint8_t *request, size_t len, bool must_finish)
{
    return ledger_issue_as(w, client, w->client[client].number, request, len, must_finish);
}

uint64_t ledger_issue_as(struct world *w, uint32_t label, uint32_t origin, const uint8_t *request, size_t len,
                         bool must_finish)
{
    struct ledger *l = &w->ledger;
    if (l->ops + 2 >= l->op_cap) {
        l->op_cap = l->op_cap ? 2 * l->op_cap : 4096;
        l->op = realloc(l->op, l->op_cap * sizeof *l->op);
        CHECK(l->op != NULL);
    }
    CHECK(len <= OP_BYTES_MAX);
    uint64_t number = ++l->ops;
    l->op[number] = (struct op_record){
        .client = label,
        .origin = origin,
        .issued_us = w->now_us,
        .after = l->acknowledged_place,
        .must_finish = must_finish,
        .len = (uint16_t)len,
    };
    memcpy(l->op[number].request, request, len);
    l->must_finish += must_finish;
    return number;
}

/* ------------------------------------------------------------------------------------------------ clients */

static void committed(struct world *w, uint64_t number, struct op_record *op,
                      const struct redoubt_outcome *outcome)
{
    struct ledger *l = &w->ledger;
    struct digest result;
    result_digest(&result, outcome->status, outcome->result, outcome->result_bytes);
    l->committed++;
    if (op->place == 0)
        world_violation(w, "operation %llu of client %u was acknowledged, but no correct replica executed it",
                        (unsigned long long)number, op->client);
    if (outcome->slot != op->place >> 20)
        world_violation(w, "operation %llu was acknowledged for slot %llu, but stands in slot %llu",
                        (unsigned long long)number, (unsigned long long)outcome->slot,
                        (unsigned long long)(op->place >> 20));
    if (!digest_equal(&result, &op->result))
        world_violation(w, "client %u was told a wrong result of operation %llu (slot %llu)", op->client,
                        (unsigned long long)number, (unsigned long long)outcome->slot);
    if (op->place <= op->after)
        world_violation(w, "operation %llu took effect before one that was acknowledged before it was issued",
                        (unsigned long long)number);
    if (op->place > l->acknowledged_place)
        l->acknowledged_place = op->place;
}

void ledger_outcome(struct world *w, uint64_t number, const struct redoubt_outcome *outcome)
{
    struct ledger *l = &w->ledger;
    struct op_record *op = &l->op[number];
    if (op->state != OP_ISSUED)
        world_violation(w, "client %u was told two outcomes of operation %llu", op->client,
                        (unsigned long long)number);
    if (op->must_finish)
        l->must_finish--;
    if (outcome->kind == REDOUBT_COMMITTED) {
        op->state = OP_COMMITTED;
        committed(w, number, op, outcome);
    } else if (outcome->kind == REDOUBT_REJECTED) {
        op->state = OP_REJECTED;
        l->rejected++;
        if (op->place)
            world_violation(w, "operation %llu was told to be rejected, but stands in slot %llu",
                            (unsigned long long)number, (unsigned long long)(op->place >> 20));
    } else {
        op->state = OP_UNKNOWN;
        l->unknown++;
    }
}

uint64_t ledger_place(const struct world *w, uint64_t number)
{
    return w->ledger.op[number].place;
}

/* The last entry at or below a place; -1: none. */
static long history_at(const struct key_history *h, uint64_t place)
{
    long low = -1, high = (long)h->count;
    while (high - low > 1) {
        long middle = (low + high) / 2;
        if (h->at[middle].place <= place)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void history_note(struct ledger *l, uint64_t place)
{
    for (unsigned k = 0; k < MODEL_KEYS; k++) {
        struct key_history *h = &l->history[k];
        static const struct model_key nothing;
        const struct model_key *last = h->count ? &h->at[h->count - 1].key : &nothing;
        if (memcmp(last, &l->key[k], sizeof *last) == 0)
            continue;
        if (h->count == h->cap) {
            h->cap = h->cap ? 2 * h->cap : 64;
            h->at = realloc(h->at, h->cap * sizeof *h->at);
            CHECK(h->at != NULL);
        }
        h->at[h->count++] = (struct key_at){place, l->key[k]};
    }
}

/* All keys as they are at a place, and a way to the places after it at which one of them changes. */
struct walk {
    const struct ledger *l;
    uint64_t place;
    long at[MODEL_KEYS];
    struct model_key key[MODEL_KEYS];
};

static void walk_start(struct walk *walk, const struct ledger *l, uint64_t place)
{
    memset(walk, 0, sizeof *walk);
    walk->l = l;
    walk->place = place;
    for (unsigned k = 0; k < MODEL_KEYS; k++) {
        walk->at[k] = history_at(&l->history[k], place);
        if (walk->at[k] >= 0)
            walk->key[k] = l->history[k].at[walk->at[k]].key;
    }
}

static bool walk_on(struct walk *walk)
{
    uint64_t next = UINT64_MAX;
    for (unsigned k = 0; k < MODEL_KEYS; k++) {
        const struct key_history *h = &walk->l->history[k];
        if (walk->at[k] + 1 < (long)h->count && h->at[walk->at[k] + 1].place < next)
            next = h->at[walk->at[k] + 1].place;
    }
    if (next == UINT64_MAX)
        return false;
    walk->place = next;
    for (unsigned k = 0; k < MODEL_KEYS; k++) {
        const struct key_history *h = &walk->l->history[k];
        if (walk->at[k] + 1 < (long)h->count && h->at[walk->at[k] + 1].place == next)
            walk->key[k] = h->at[++walk->at[k]].key;
    }
    return true;
}

bool ledger_could_read(const struct world *w, uint64_t after, const uint8_t *request, size_t len,
                       const struct redoubt_outcome *outcome, uint64_t *place)
{
    struct walk walk;
    walk_start(&walk, &w->ledger, after);
    do {
        *place = walk.place;
        if (model_read_gives(walk.key, request, len, outcome))
            return true;
    } while (walk_on(&walk));
    return false;
}

/* Reads of one key alone and of all of them are looked for in the same way: at every place behind `after` at which anything changed.
 * These are few, since nobody waits long. */
uint64_t ledger_read(struct world *w, const char *whose, uint32_t label, uint64_t after,
                     const uint8_t *request, size_t len, const struct redoubt_outcome *outcome)
{
    struct ledger *l = &w->ledger;
    uint64_t place;
    l->reads++;
    if (ledger_could_read(w, after, request, len, outcome, &place)) {
        if (place > l->acknowledged_place)
            l->acknowledged_place = place;
        return place;
    }
    world_violation(w, "%s %u read what was not there at any time since it asked (slot %llu)", whose, label,
                    (unsigned long long)(after >> 20));
}

/* ------------------------------------------------------------------------------------------------ replicas */

/* The number of an operation of a correct client; 0 for one of a faulty origin. Anything else was made up. */
static uint64_t issued(struct world *w, replica_id r, const struct redoubt_op *op)
{
    struct ledger *l = &w->ledger;
    uint64_t number = 0;
    for (uint32_t i = 0; i < w->clients; i++)
        if (w->client[i].number == op->origin && w->client[i].faulty)
            return 0;
    bool faulty_troxy, of_troxy = troxy_is_origin(w, op->origin, &faulty_troxy);
    if (of_troxy && faulty_troxy)
        return 0;
    if (op->bytes >= 8)
        memcpy(&number, op->data, 8);
    if ((of_troxy || w->read_mode != REDOUBT_READ_ORDERED) && number == 0 && op->bytes > 8 &&
        model_reads(op->data + 8, op->bytes - 8))
        return 0;
    if (number == 0 || number > l->ops || l->op[number].origin != op->origin ||
        l->op[number].len != op->bytes - 8 || memcmp(l->op[number].request, op->data + 8, op->bytes - 8) != 0)
        world_violation(w, "replica %u executed in slot %llu an operation that client %u never issued", r,
                        (unsigned long long)op->slot, op->origin);
    return number;
}

static void first_to_execute(struct world *w, replica_id r, const struct redoubt_op *op, uint64_t number,
                             struct slot_op *entry)
{
    struct op_record *record = number ? &w->ledger.op[number] : NULL;
    struct digest expected;
    if (record && record->place)
        world_violation(w,
                        "replica %u executed operation %llu in slot %llu, which stands in slot %llu already",
                        r, (unsigned long long)number, (unsigned long long)op->slot,
                        (unsigned long long)(record->place >> 20));
    if (record && record->state == OP_REJECTED)
        world_violation(w, "operation %llu was rejected, and executed afterwards",
                        (unsigned long long)number);
    model_apply(w, op->origin, op->time_us, op->data + (op->bytes >= 8 ? 8 : 0),
                op->bytes >= 8 ? op->bytes - 8 : 0, &expected);
    history_note(&w->ledger, place_of(op->slot, op->index));
    if (!digest_equal(&expected, &entry->result))
        world_violation(
            w, "replica %u: result of operation %llu in slot %llu is not what the service's model gives", r,
            (unsigned long long)number, (unsigned long long)op->slot);
    if (record) {
        record->place = place_of(op->slot, op->index);
        record->result = entry->result;
    }
}

void ledger_executed(struct world *w, replica_id r, const struct redoubt_op *op, enum redoubt_status status,
                     const struct redoubt_result *result)
{
    struct ledger *l = &w->ledger;
    struct slot_record *slot = slot_at(l, op->slot);
    if (op->time_us < l->time_us[r])
        world_violation(w, "replica %u: time fell in slot %llu", r, (unsigned long long)op->slot);
    l->time_us[r] = op->time_us;
    struct slot_op entry = {.index = op->index, .op = issued(w, r, op)};
    digest_of(&entry.what, "sim op", op->data, op->bytes);
    result_digest(&entry.result, status, result->data, result->bytes);
    if (slot->done[r] < slot->count) {
        struct slot_op *known = &slot->ops[slot->done[r]];
        if (known->index != entry.index || !digest_equal(&known->what, &entry.what) ||
            slot->time_us != op->time_us)
            world_violation(w, "replica %u executes another operation in slot %llu than others did", r,
                            (unsigned long long)op->slot);
        if (!digest_equal(&known->result, &entry.result))
            world_violation(w, "replica %u: another result in slot %llu than others had", r,
                            (unsigned long long)op->slot);
    } else {
        if (slot->finished)
            world_violation(w, "replica %u executes more operations in slot %llu than others did", r,
                            (unsigned long long)op->slot);
        if (slot->count == slot->cap) {
            slot->cap = slot->cap ? 2 * slot->cap : 4;
            slot->ops = realloc(slot->ops, slot->cap * sizeof *slot->ops);
            CHECK(slot->ops != NULL);
        }
        slot->time_us = op->time_us;
        first_to_execute(w, r, op, entry.op, &entry);
        slot->ops[slot->count++] = entry;
    }
    slot->done[r]++;
}

static void slot_done(struct world *w, replica_id r, slot_no no, const struct digest *batch)
{
    struct ledger *l = &w->ledger;
    struct slot_record *slot = slot_at(l, no);
    uint32_t count = slot->done[r];
    if (slot->known && !digest_equal(&slot->batch, batch))
        world_violation(w, "replica %u executed another batch in slot %llu than others did", r,
                        (unsigned long long)no);
    slot->known = true;
    slot->batch = *batch;
    if (slot->finished ? count != slot->count : count < slot->count)
        world_violation(w, "replica %u executed %u operations in slot %llu, others %u", r, count,
                        (unsigned long long)no, slot->count);
    slot->finished = true;
    world_story(w, "r%u executes slot %llu: %u operations", r, (unsigned long long)no, count);
    if (no > l->top)
        l->top = no;
}

static void rooted(struct world *w, replica_id r, slot_no no, const struct digest *root)
{
    struct slot_record *slot = slot_at(&w->ledger, no);
    if (slot->rooted && !digest_equal(&slot->root, root))
        world_violation(w, "replica %u has another state after slot %llu than others", r,
                        (unsigned long long)no);
    slot->rooted = true;
    slot->root = *root;
}

/* After a transfer every leaf that was not touched since is what its digest in the tree says. */
static void check_leaves(struct world *w, replica_id r, const struct execution *e)
{
    for (uint64_t leaf = 0; leaf < e->service->leaf_count(e->service_state); leaf++) {
        struct digest digest;
        if ((e->dirty[leaf / 64] | e->pending[leaf / 64]) >> leaf % 64 & 1)
            continue;
        e->service->leaf_digest(e->service_state, leaf, digest.bytes);
        if (!digest_equal(&digest, &e->leaves.level[0].node[leaf]))
            world_violation(w,
                            "replica %u took over leaf %llu of the state after slot %llu as nobody signed it",
                            r, (unsigned long long)leaf, (unsigned long long)e->checkpoint_slot);
    }
}

/* A transfer that was begun for a later state and ended with an earlier one, because nobody could serve the other: what is
 * above it will be executed once more, and the same. */
static void execute_again(struct world *w, replica_id r, slot_no after)
{
    for (uint64_t i = after + 1; i < w->ledger.slots; i++)
        w->ledger.slot[i].done[r] = 0;
}

void ledger_observe(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    const struct execution *e = replica->cell[CELL_E].state;
    if (e->fetch.transfers != replica->seen_transfers) {
        replica->seen_transfers = e->fetch.transfers;
        replica->seen_executed = replica->seen_checkpoint = e->checkpoint_slot;
        w->result->state_transfers++;
        world_story(w, "r%u has the state after slot %llu by transfer", r,
                    (unsigned long long)e->checkpoint_slot);
        world_trace(w, "r%u E has the state after slot %llu by transfer", r,
                    (unsigned long long)e->checkpoint_slot);
        if (!slot_at(&w->ledger, e->checkpoint_slot)->finished)
            world_violation(w,
                            "replica %u took over a state after slot %llu, which no correct replica executed",
                            r, (unsigned long long)e->checkpoint_slot);
        rooted(w, r, e->checkpoint_slot, &e->root);
        check_leaves(w, r, e);
        execute_again(w, r, e->checkpoint_slot);
        w->ledger.time_us[r] = e->time_us;
    }
    if (!e->fetch.active && !e->state_bad) {
        if (e->time_us < w->ledger.time_us[r])
            world_violation(w, "replica %u: time fell after slot %llu", r, (unsigned long long)e->executed);
        w->ledger.time_us[r] = e->time_us;
    }
    while (replica->seen_executed < e->executed) {
        slot_no slot = ++replica->seen_executed;
        CHECK(e->executed - slot < REMEMBERED_SLOTS);
        slot_done(w, r, slot, &e->remembered[slot % REMEMBERED_SLOTS]);
    }
    if (e->checkpoint_slot != replica->seen_checkpoint) {
        replica->seen_checkpoint = e->checkpoint_slot;
        rooted(w, r, e->checkpoint_slot, &e->root);
    }
}

void ledger_finish(struct world *w)
{
    struct ledger *l = &w->ledger;
    for (uint64_t i = 1; i <= l->ops; i++)
        if (l->op[i].state == OP_COMMITTED && l->op[i].place == 0)
            world_violation(w, "acknowledged operation %llu is lost", (unsigned long long)i);
}

void ledger_forget_replica(struct world *w, replica_id r)
{
    for (uint64_t i = 0; i < w->ledger.slots; i++)
        w->ledger.slot[i].done[r] = 0;
    w->ledger.time_us[r] = 0;
}

void ledger_recalled(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    const struct execution *e = replica->cell[CELL_E].state;
    if (e->state_bad || replica->seen_executed + 1 >= e->remembered_from) {
        ledger_observe(w, r);
        return;
    }
    /* A saved checkpoint. */
    replica->seen_executed = replica->seen_checkpoint = e->checkpoint_slot;
    if (!slot_at(&w->ledger, e->checkpoint_slot)->finished)
        world_violation(w, "replica %u had saved a state after slot %llu, which no correct replica executed",
                        r, (unsigned long long)e->checkpoint_slot);
    rooted(w, r, e->checkpoint_slot, &e->root);
    w->ledger.time_us[r] = e->time_us;
}
