#include "disk.h"

#include "world.h"

static uint64_t next_number(const struct disk *d)
{
    return d->first + d->count;
}

static void rows_clear(struct disk_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++)
        parcel_drop(rows->row[i].bytes);
    rows->count = 0;
}

static void rows_add(struct disk_rows *rows, const struct disk_row *row)
{
    if (rows->count == rows->cap) {
        rows->cap = rows->cap ? 2 * rows->cap : 64;
        rows->row = realloc(rows->row, rows->cap * sizeof *rows->row);
        CHECK(rows->row != NULL);
    }
    rows->row[rows->count++] = *row;
}

static void waiting_clear(struct disk *d)
{
    for (size_t i = 0; i < d->waitings; i++)
        parcel_drop(d->waiting[i].parcel);
    d->waitings = 0;
}

void disk_cut(struct disk *d, uint64_t number)
{
    while (d->count && next_number(d) > number)
        parcel_drop(d->bytes[--d->count]);
    d->durable = d->durable < next_number(d) ? d->durable : next_number(d);
}

void disk_keep(struct disk *d, const struct resume_record *record, uint64_t group, struct parcel *bytes)
{
    if (d->count == d->cap) {
        d->cap = d->cap ? 2 * d->cap : 256;
        d->record = realloc(d->record, d->cap * sizeof *d->record);
        d->bytes = realloc(d->bytes, d->cap * sizeof *d->bytes);
        d->group = realloc(d->group, d->cap * sizeof *d->group);
        CHECK(d->record && d->bytes && d->group);
    }
    d->record[d->count] = *record;
    d->group[d->count] = group;
    d->bytes[d->count++] = bytes;
}

static void log_free(struct disk *d)
{
    disk_cut(d, d->first);
    free(d->record);
    free(d->bytes);
    free(d->group);
}

void disk_take_log(struct disk *d, struct disk *from)
{
    log_free(d);
    d->record = from->record;
    d->bytes = from->bytes;
    d->group = from->group;
    d->first = from->first;
    d->count = from->count;
    d->cap = from->cap;
    d->durable = next_number(d);
    from->record = NULL;
    from->bytes = NULL;
    from->group = NULL;
    from->count = from->cap = 0;
}

void disk_wipe(struct disk *d)
{
    disk_cut(d, d->first);
    rows_clear(&d->saved);
    d->saved_slot = 0;
    d->durable = next_number(d);
    d->damaged = d->rotten = false;
    d->chain.len = 0;
}

void disk_free(struct disk *d)
{
    waiting_clear(d);
    log_free(d);
    rows_clear(&d->saved);
    rows_clear(&d->staged);
    free(d->waiting);
    free(d->chain.data);
    free(d->saved.row);
    free(d->staged.row);
    memset(d, 0, sizeof *d);
}

void disk_step(struct disk *d)
{
    d->step_first = next_number(d);
}

/* ------------------------------------------------------------------------------------------------ syncing */

static void sync_begin(struct world *w, replica_id r)
{
    struct disk *d = &w->replica[r].disk;
    uint64_t delay = 50 + (dice_chance(&w->disk_dice, 0.1) ? dice_below(&w->disk_dice, 20000)
                                                           : dice_below(&w->disk_dice, 1500));
    if (d->syncing || d->failed || d->durable == next_number(d))
        return;
    if (d->full_until_us > w->now_us)
        delay += d->full_until_us - w->now_us;
    d->syncing = next_number(d);
    world_later(w, delay, DUE_DISK, r, 0, d->life, NULL);
}

#define CHAIN_BYTES_MAX   (1024u * 1024u)
#define SAVE_DELAY_MAX_US 20000u

static void chain_append(struct disk *d, struct slice frame)
{
    if (!d->chain.data)
        d->chain = writer_to(calloc(1, CHAIN_BYTES_MAX), CHAIN_BYTES_MAX);
    CHECK(d->chain.data);
    put_slice(&d->chain, frame);
    CHECK(!d->chain.bad);
}

void disk_chain_cut(struct disk *d)
{
    d->chain.len = 0;
}

void disk_append(struct world *w, replica_id r, const struct action *action)
{
    struct disk *d = &w->replica[r].disk;
    if (d->ignored_failure)
        return;
    if (action->to == PERSIST_CONFIGURATION) {
        chain_append(d, action->parts[0]);
        return;
    }
    uint64_t number = next_number(d);
    if (action->full && action->to == PERSIST_EXECUTION) {
        d->base_slot = action->slot;
        d->base_at = d->step_first;
        d->base_number = number;
    } else if (action->full) {
        d->full_at[action->to - PERSIST_PREPARATION] = number;
    }
    struct resume_record record = {.kind = (enum persist_kind)action->to,
                                   .full = action->full,
                                   .slot = action->slot,
                                   .digest = action->digest};
    disk_keep(d, &record, d->syncing ? d->syncing : d->durable, parcel_new(action->parts, 2));
    sync_begin(w, r);
}

bool disk_holds(struct world *w, replica_id r, const struct disk_waiting *action)
{
    struct disk *d = &w->replica[r].disk;
    if (mutant(MUTANT_SEND_BEFORE_PERSIST))
        return false;
    if (!w->durable || (d->durable == next_number(d) && !d->waitings && !d->failed))
        return false;
    if (d->waitings == d->waiting_cap) {
        d->waiting_cap = d->waiting_cap ? 2 * d->waiting_cap : 64;
        d->waiting = realloc(d->waiting, d->waiting_cap * sizeof *d->waiting);
        CHECK(d->waiting != NULL);
    }
    if (d->failed)
        return true; /* what it promised cannot be kept: nothing leaves any more */
    d->waiting[d->waitings] = *action;
    d->waiting[d->waitings].after = next_number(d);
    d->waiting[d->waitings++].parcel = parcel_hold(action->parcel);
    return true;
}

static void release(struct world *w, replica_id r)
{
    struct disk *d = &w->replica[r].disk;
    size_t ready = 0;
    while (ready < d->waitings && d->waiting[ready].after <= d->durable)
        ready++;
    if (!ready)
        return;
    for (size_t i = 0; i < ready; i++) {
        replica_carry_out(w, r, &d->waiting[i]);
        parcel_drop(d->waiting[i].parcel);
    }
    memmove(d->waiting, d->waiting + ready, (d->waitings - ready) * sizeof *d->waiting);
    d->waitings -= ready;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The log begins at what is still needed: the base of the checkpoint that is saved and stable, and the last full records. */
static void truncate(struct world *w, replica_id r)
{
    struct disk *d = &w->replica[r].disk;
    struct engine_status status;
    splitbft_engine.status(w->replica[r].engine, &status);
    if (!d->saved_slot || d->base_slot != d->saved_slot || status.stable < d->saved_slot ||
        d->base_number >= d->durable)
        return;
    if (d->full_at[0] >= d->durable || d->full_at[1] >= d->durable)
        return; /* without them the full records before them are still needed */
    uint64_t to = least(d->base_at, least(d->full_at[0], d->full_at[1]));
    if (to <= d->first)
        return;
    uint64_t drop = to - d->first;
    for (uint64_t i = 0; i < drop; i++)
        parcel_drop(d->bytes[i]);
    memmove(d->record, d->record + drop, (d->count - drop) * sizeof *d->record);
    memmove(d->bytes, d->bytes + drop, (d->count - drop) * sizeof *d->bytes);
    memmove(d->group, d->group + drop, (d->count - drop) * sizeof *d->group);
    d->count -= drop;
    d->first = to;
}

static void give_save(struct world *w, replica_id r, uint64_t number)
{
    uint8_t body[8], bytes[64];
    struct sender self = {KIND_HOST, r, 0};
    struct writer b = writer_to(body, sizeof body);
    local_save_put(&b, &(struct local_save){.number = number});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_SAVE, &self, AUTH_NONE,
                              (struct slice){body, b.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    struct parcel *parcel = parcel_of((struct slice){bytes, len});
    cell_give(w, r, CELL_E, parcel, false);
    parcel_drop(parcel);
}

void disk_on_due(struct world *w, replica_id r, uint64_t life)
{
    struct disk *d = &w->replica[r].disk;
    if (life != d->life || d->failed)
        return;
    if (d->full_until_us > w->now_us) {
        world_later(w, d->full_until_us - w->now_us, DUE_DISK, r, 0, d->life, NULL);
        return;
    }
    if (d->stalled_until_us > w->now_us) {
        world_later(w, d->stalled_until_us - w->now_us, DUE_DISK, r, 0, d->life, NULL);
        return;
    }
    if (d->full_until_us) {
        d->full_until_us = 0;
        replica_event(w, r, EVENT_VOTE_AGAIN, 0, (struct slice){NULL, 0});
    }
    d->durable = d->syncing > d->durable ? d->syncing : d->durable;
    d->syncing = 0;
    storage_synced(w, r);
    release(w, r);
    truncate(w, r);
    if (!d->save_asked && next_number(d) - d->records_at_save > 300) {
        d->save_asked = true;
        give_save(w, r, 0);
    }
    sync_begin(w, r);
}

bool disk_sync_now(struct world *w, replica_id r)
{
    struct disk *d = &w->replica[r].disk;
    if (d->failed || d->full_until_us > w->now_us || d->stalled_until_us > w->now_us)
        return false;
    d->durable = next_number(d);
    release(w, r);
    return true;
}

void disk_fill(struct world *w, replica_id r, uint64_t for_us)
{
    struct disk *d = &w->replica[r].disk;
    d->full_until_us = w->now_us + for_us;
    replica_event(w, r, EVENT_STOP_VOTING, 0, (struct slice){NULL, 0});
    if (!d->syncing)
        world_later(w, for_us, DUE_DISK, r, 0, d->life, NULL);
}

void disk_stall(struct world *w, replica_id r, uint64_t for_us)
{
    w->replica[r].disk.stalled_until_us = w->now_us + for_us;
}

void disk_fail(struct world *w, replica_id r)
{
    struct disk *d = &w->replica[r].disk;
    if (mutant(MUTANT_FSYNC_ERROR_IGNORED)) {
        /* What waits is taken for written, and nothing is any more. */
        disk_cut(d, d->durable);
        d->ignored_failure = true;
        d->durable = d->syncing = 0;
        d->durable = next_number(d);
        for (size_t i = 0; i < d->waitings; i++)
            d->waiting[i].after = 0;
        release(w, r);
        return;
    }
    d->failed = true;
    waiting_clear(d);
    replica_event(w, r, EVENT_STOP_VOTING, 0, (struct slice){NULL, 0});
}

/* ------------------------------------------------------------------------------------------------ saving */

static bool replaced(const struct disk *d, const struct disk_row *row, uint64_t leaf_count)
{
    if (row->what != RECALL_LEAF || row->number >= leaf_count)
        return true;
    for (size_t i = 0; i < d->staged.count; i++)
        if (d->staged.row[i].what == RECALL_LEAF && d->staged.row[i].number == row->number)
            return true;
    return false;
}

static unsigned rank(unsigned what)
{
    return what == RECALL_SAVED ? 0 : what == RECALL_ORIGINS ? 1 : 2;
}

static int row_order(const void *a, const void *b)
{
    const struct disk_row *x = a, *y = b;
    if (rank(x->what) != rank(y->what))
        return rank(x->what) < rank(y->what) ? -1 : 1;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->part < y->part ? -1 : x->part > y->part;
}

static void commit_saved(struct disk *d, slot_no slot, uint64_t leaf_count)
{
    size_t kept = 0;
    for (size_t i = 0; i < d->saved.count; i++) {
        if (replaced(d, &d->saved.row[i], leaf_count))
            parcel_drop(d->saved.row[i].bytes);
        else
            d->saved.row[kept++] = d->saved.row[i];
    }
    d->saved.count = kept;
    for (size_t i = 0; i < d->staged.count; i++)
        rows_add(&d->saved, &d->staged.row[i]);
    d->staged.count = 0;
    qsort(d->saved.row, d->saved.count, sizeof *d->saved.row, row_order);
    d->saved_slot = slot;
    d->save_asked = false;
    d->records_at_save = next_number(d);
    d->saves++;
}

bool disk_takes_piece(struct world *w, replica_id r, struct parcel *parcel)
{
    struct disk *d = &w->replica[r].disk;
    struct frame frame;
    struct local_saved saved;
    if (!frame_decode(parcel->data, parcel->len, &frame) || frame.type != FRAME_LOCAL_SAVED)
        return false;
    CHECK(local_saved_decode(frame.body, &saved));
    struct reader reader = reader_of(frame.attachment.data, frame.attachment.len);
    CHECK(!d->storing);
    d->storing = true;
    if (saved.number == 1)
        rows_clear(&d->staged);
    while (reader_left(&reader)) {
        struct saved_item item;
        saved_item_get(&reader, &item);
        CHECK(!reader.bad);
        struct disk_row row = {.what = item.what, .number = item.number};
        const struct disk_row *last = d->staged.count ? &d->staged.row[d->staged.count - 1] : NULL;
        if (last && last->what == row.what && last->number == row.number)
            row.part = last->part + 1;
        row.bytes = parcel_of(item.bytes);
        rows_add(&d->staged, &row);
    }
    if (saved.last)
        commit_saved(d, saved.slot, saved.leaf_count);
    world_later(w, dice_below(&w->disk_dice, SAVE_DELAY_MAX_US), DUE_SAVE, r, (uint32_t)saved.number, d->life,
                NULL);
    return true;
}

void disk_on_stored(struct world *w, replica_id r, uint32_t piece, uint64_t life)
{
    struct disk *d = &w->replica[r].disk;
    if (life != d->life)
        return;
    d->storing = false;
    give_save(w, r, piece);
}

/* ------------------------------------------------------------------------------------------------ power */

void disk_power_loss(struct disk *d)
{
    uint64_t written = d->syncing > d->durable ? d->syncing : d->durable;
    disk_cut(d, d->ignored_failure ? d->durable : written);
    d->syncing = 0;
    d->life++;
    d->failed = false;
    d->ignored_failure = false;
    d->full_until_us = 0;
    d->save_asked = d->storing = false;
    d->base_slot = UINT64_MAX; /* of this life, once it is written */
    waiting_clear(d);
    rows_clear(&d->staged);
}

void disk_reopened(struct disk *d)
{
    d->durable = next_number(d);
    d->full_at[0] = d->full_at[1] = d->first;
    d->records_at_save = d->durable;
}

struct reading {
    struct world *w;
    replica_id r;
    uint32_t seen;
};

static struct slice read_record(void *context, uint32_t i)
{
    struct reading *at = context;
    struct disk *d = &at->w->replica[at->r].disk;
    return parcel_slice(d->bytes[i]);
}

static void take_hello(struct world *w, replica_id r, uint32_t k)
{
    size_t at = 0;
    struct slice frame;
    while (outbox_next(&w->outbox, &at, &frame))
        if (frame.data[1] == FRAME_HELLO)
            founding_hello(w, r, k, frame);
    w->outbox.len = 0;
}

static void give(void *context, enum kind kind, struct slice frame)
{
    struct reading *at = context;
    struct world *w = at->w;
    uint32_t k = kind - KIND_PREPARATION;
    struct cell *cell = &w->replica[at->r].cell[k];
    struct compartment_input in = {.frame = frame.data, .len = frame.len, .now_us = w->now_us};
    enum verdict verdict = cell->type->step(cell->state, &in, &w->outbox);
    if (w->options.trace && verdict != VERDICT_ACCEPT)
        world_trace_frame(w, kind_name(kind), at->r, frame, verdict_name(verdict));
    take_hello(w, at->r, k);
    if (kind == KIND_EXECUTION && !cell->faulty)
        ledger_recalled(w, at->r);
}

static void give_saved(void *context)
{
    struct reading *at = context;
    static uint8_t scratch[FRAME_MAX];
    struct disk *d = &at->w->replica[at->r].disk;
    for (size_t i = 0; i < d->saved.count; i++) {
        size_t len = resume_frame(scratch, sizeof scratch, d->saved.row[i].what, d->saved.row[i].number,
                                  parcel_slice(d->saved.row[i].bytes));
        give(at, KIND_EXECUTION, (struct slice){scratch, len});
    }
}

void disk_recall(struct world *w, replica_id r, bool rejoins)
{
    static uint8_t scratch[FRAME_MAX];
    struct disk *d = &w->replica[r].disk;
    struct reading at = {w, r, 0};
    struct resume_log log = {d->record, (uint32_t)d->count, read_record, &at};
    struct resume_sink sink = {.give = give, .give_saved = give_saved, .context = &at, .scratch = scratch};
    sink.order = malloc((d->count + 1) * sizeof *sink.order);
    CHECK(sink.order != NULL);
    resume_compartments(&log, d->saved_slot, rejoins, &sink);
    free(sink.order);
    const struct cell *cell = &w->replica[r].cell[CELL_E];
    if (!cell->faulty && !d->rotten && ((const struct execution *)cell->state)->save.failed)
        world_violation(w, "E%u: the checkpoint that it saved at slot %llu is not what it was", r,
                        (unsigned long long)d->saved_slot);
}

void disk_resume_engine(struct world *w, replica_id r)
{
    struct disk *d = &w->replica[r].disk;
    const struct execution *e = w->replica[r].cell[CELL_E].state;
    struct reading at = {w, r, 0};
    struct resume_log log = {d->record, (uint32_t)d->count, read_record, &at};
    size_t next = 0;
    struct slice frame;
    while (frame_list_next((struct slice){d->chain.data, d->chain.len}, &next, &frame))
        splitbft_engine.recall(w->replica[r].engine, PERSIST_CONFIGURATION, 0, frame);
    resume_engine(&log, &splitbft_engine, w->replica[r].engine, e->executed, e->stable.certificate.slot);
}
