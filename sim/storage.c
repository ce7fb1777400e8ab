/*
 * Disks that do not keep what they were given: the faults of storage, and who may have them. Resuming assumes that at most f hosts
 * give back less than they had: so it is the same few in all of a run, and they count among the f that may fail.
 *
 * A log that is damaged is an error, and its replica does not start. At the next loss of power its operator may have removed
 * the log: then it has nothing, which is one more way of giving back less.
 */
#include "disk_image.h"
#include "world.h"

static const char *const names[] = {
    [DISK_SOUND] = "is sound",
    [DISK_ROT] = "has a bit turned over",
    [DISK_OLD_ROT] = "has a bit turned over",
    [DISK_LOST_WRITE] = "lost a write that it had synced",
    [DISK_MISDIRECTED_WRITE] = "wrote to the wrong place",
    [DISK_ROLLED_BACK] = "is what it was earlier",
    [DISK_OLD_LOG] = "has an earlier log",
    [DISK_SHORTENED] = "has lost the end of its log",
    [DISK_WIPED] = "has nothing any more",
    [DISK_OLD_CHECKPOINT] = "has an earlier checkpoint",
    [DISK_ROTTEN_CHECKPOINT] = "has a bit turned over in its checkpoint",
};

bool storage_is_forgetful(const struct world *w, replica_id r)
{
    return w->options.rot_everywhere || w->forgetful >> r & 1;
}

void storage_init(struct world *w)
{
    struct dice *d = &w->disk_dice;
    if (!w->durable || !w->crashes_left || !dice_chance(d, 0.6))
        return;
    w->crashes_left--;
    replica_id r = dice_below(d, w->n);
    for (uint32_t i = 0; i < w->n; i++, r = (r + 1) % w->n) {
        bool used = false;
        for (uint32_t k = 0; k < CELLS; k++)
            used = used || w->replica[r].cell[k].faulty;
        if (!used)
            break;
    }
    w->forgetful = 1u << r;
}

/* ------------------------------------------------------------------------------------------------ earlier states */

static void rows_copy(struct disk_rows *to, const struct disk_rows *from)
{
    *to = (struct disk_rows){.row = malloc((from->count + 1) * sizeof *to->row), .cap = from->count + 1};
    CHECK(to->row != NULL);
    for (; to->count < from->count; to->count++) {
        to->row[to->count] = from->row[to->count];
        parcel_hold(to->row[to->count].bytes);
    }
}

/* What is durable now, and the saved checkpoint. */
static struct disk *copy_make(const struct disk *d)
{
    struct disk *copy = calloc(1, sizeof *copy);
    CHECK(copy != NULL);
    copy->first = d->first;
    for (uint64_t i = 0; i < d->count && d->first + i < d->durable; i++)
        disk_keep(copy, &d->record[i], d->group[i], parcel_hold(d->bytes[i]));
    rows_copy(&copy->saved, &d->saved);
    copy->saved_slot = d->saved_slot;
    copy->durable = copy->first + copy->count;
    return copy;
}

void storage_free(struct replica *replica)
{
    if (!replica->earlier)
        return;
    disk_free(replica->earlier);
    free(replica->earlier);
    replica->earlier = NULL;
}

void storage_synced(struct world *w, replica_id r)
{
    if (!storage_is_forgetful(w, r) || !dice_chance(&w->disk_dice, 0.005))
        return;
    storage_free(&w->replica[r]);
    w->replica[r].earlier = copy_make(&w->replica[r].disk);
}

static void take_saved(struct disk *d, const struct disk *from)
{
    struct disk old = {.saved = d->saved};
    rows_copy(&d->saved, &from->saved);
    d->saved_slot = from->saved_slot;
    disk_free(&old);
}

/* Log, checkpoint or both are what they were. A log of before a change of size does not know all members that a checkpoint of after it names. */
static void roll_back(struct replica *replica, bool log, bool saved)
{
    if (!replica->earlier)
        return;
    struct disk *copy = copy_make(replica->earlier);
    if (saved)
        take_saved(&replica->disk, copy);
    if (log)
        disk_take_log(&replica->disk, copy);
    disk_free(copy);
    free(copy);
}

static void shorten(struct world *w, struct disk *d)
{
    if (d->count)
        disk_cut(d, d->first + dice_below(&w->disk_dice, (uint32_t)d->count));
}

static void rot_checkpoint(struct world *w, struct disk *d)
{
    if (!d->saved.count)
        return;
    struct disk_row *row = &d->saved.row[dice_below(&w->disk_dice, (uint32_t)d->saved.count)];
    struct parcel *rotten = parcel_of(parcel_slice(row->bytes));
    if (rotten->len)
        rotten->data[dice_below(&w->disk_dice, rotten->len)] ^= (uint8_t)(1u << dice_below(&w->disk_dice, 8));
    parcel_drop(row->bytes);
    row->bytes = rotten;
    d->rotten = true;
}

/* ------------------------------------------------------------------------------------------------ a loss of power */

static enum disk_fault draw(struct world *w, replica_id r)
{
    const struct disk *d = &w->replica[r].disk;
    if (w->options.rot_everywhere)
        return d->damaged ? DISK_SOUND : DISK_OLD_ROT;
    for (replica_id i = 0; i < w->n; i++)
        if (w->replica[i].newcomer)
            return DISK_SOUND; /* that one has no log yet: it is one of the f */
    if (!storage_is_forgetful(w, r))
        return DISK_SOUND;
    if (d->damaged)
        return dice_chance(&w->disk_dice, 0.7) ? DISK_WIPED : DISK_SOUND;
    return (enum disk_fault)dice_below(&w->disk_dice, DISK_FAULTS);
}

/* Before the log is read: what does not need its bytes. */
static void harm(struct world *w, replica_id r, enum disk_fault fault)
{
    struct replica *replica = &w->replica[r];
    switch (fault) {
    case DISK_ROLLED_BACK:
        roll_back(replica, true, true);
        break;
    case DISK_OLD_LOG:
        roll_back(replica, true, false);
        replica->disk.rotten |= w->closed_life > 0; /* it may have been before */
        break;
    case DISK_OLD_CHECKPOINT:
        roll_back(replica, false, true);
        break;
    case DISK_SHORTENED:
        shorten(w, &replica->disk);
        break;
    case DISK_WIPED:
        disk_wipe(&replica->disk);
        break;
    case DISK_ROTTEN_CHECKPOINT:
        rot_checkpoint(w, &replica->disk);
        break;
    default: /* disk_image.c */
        break;
    }
}

void storage_power_loss(struct world *w, replica_id r)
{
    struct disk *d = &w->replica[r].disk;
    enum disk_fault fault = draw(w, r);
    if (fault != DISK_SOUND) {
        world_fault(w);
        world_trace(w, "fault: the disk of replica %u %s", r, names[fault]);
    }
    disk_power_loss(d);
    harm(w, r, fault);
    if (!d->damaged)
        d->damaged = !disk_image_survives(w, d, fault);
    if (d->damaged)
        world_trace(w, "r%u finds its log damaged, and does not start", r);
    disk_reopened(d);
}
