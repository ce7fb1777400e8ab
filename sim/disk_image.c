/*
 * What a disk gives back after a loss of power: the log as it would lie in files (protocol/log_format.h, the journal's own code),
 * with the end of the last group torn and whatever a faulty disk did to it, read back by the rules that the journal reads by.
 */
#include "disk_image.h"

#include "log_format.h"
#include "world.h"

#define FILE_BYTES   (256u * 1024u)
#define FILES_MAX    256u
#define SECTOR_BYTES 512u

struct place {
    uint32_t file;
    uint32_t at, len;
};

struct image {
    uint8_t *file[FILES_MAX];
    uint32_t end[FILES_MAX]; /* behind its last record */
    uint32_t files;
    struct place *place; /* by record */
};

static void file_begin(struct image *image, uint64_t sequence)
{
    CHECK(image->files < FILES_MAX);
    uint32_t i = image->files++;
    image->file[i] = calloc(1, FILE_BYTES);
    CHECK(image->file[i] != NULL);
    /* A file that is used again holds what it held. */
    if (i % 2 == 1)
        memcpy(image->file[i], image->file[i - 1], FILE_BYTES);
    log_header_put(image->file[i], i + 1, sequence);
    image->end[i] = LOG_HEADER_BYTES;
}

static void record_put(struct image *image, const struct disk *d, uint64_t i)
{
    const struct resume_record *record = &d->record[i];
    struct log_head head = {.len = d->bytes[i]->len,
                            .kind = (uint8_t)record->kind,
                            .full = record->full,
                            .sequence = d->first + i + 1,
                            .group = d->group[i] + 1,
                            .slot = record->slot,
                            .digest = record->digest};
    uint32_t bytes = (uint32_t)log_record_bytes(head.len);
    CHECK(bytes <= FILE_BYTES - LOG_HEADER_BYTES);
    if (!image->files || image->end[image->files - 1] + bytes > FILE_BYTES)
        file_begin(image, head.sequence);
    uint32_t file = image->files - 1, at = image->end[file];
    uint8_t *to = image->file[file] + at;
    memset(to, 0, bytes);
    log_head_put(to, &head);
    memcpy(to + LOG_HEAD_BYTES, d->bytes[i]->data, head.len);
    log_seal(to, file + 1, at);
    image->place[i] = (struct place){file, at, bytes};
    image->end[file] += bytes;
}

static void image_make(struct image *image, const struct disk *d)
{
    memset(image, 0, sizeof *image);
    image->place = malloc((d->count + 1) * sizeof *image->place);
    CHECK(image->place != NULL);
    for (uint64_t i = 0; i < d->count; i++)
        record_put(image, d, i);
}

static void image_free(struct image *image)
{
    for (uint32_t i = 0; i < FILES_MAX; i++)
        free(image->file[i]);
    free(image->place);
}

/* ------------------------------------------------------------------------------------------------ a torn end */

/* Power went while this file was written to: those before it are synced, none is behind it. Of what was written any sector may have
 * arrived. */
static void tear(struct world *w, struct image *image, const struct disk *d)
{
    if (d->durable == d->first + d->count)
        return;
    struct dice *dice = &w->disk_dice;
    uint64_t group = d->durable - d->first;
    uint32_t file = image->place[group + dice_below(dice, (uint32_t)(d->count - group))].file;
    double arrives = (double)dice_below(dice, 5) / 4;
    while (image->place[group].file < file)
        group++;
    for (uint32_t i = file + 1; i < image->files; i++) {
        free(image->file[i]);
        image->file[i] = NULL;
    }
    image->files = file + 1;
    uint32_t from = image->place[group].at;
    for (uint32_t at = from; at < image->end[file];) {
        uint32_t next = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        next = next < image->end[file] ? next : image->end[file];
        if (!dice_chance(dice, arrives))
            memset(image->file[file] + at, 0, next - at);
        at = next;
    }
    if (from == LOG_HEADER_BYTES && arrives == 0 && dice_chance(dice, 0.5))
        memset(image->file[file], 0, LOG_HEADER_BYTES);
}

/* ------------------------------------------------------------------------------------------------ faulty disks */

/* A record that had been synced. `old`: a group follows its own that had been, too. */
static bool synced_record(struct world *w, const struct image *image, const struct disk *d, bool old,
                          uint64_t *record)
{
    uint64_t synced = d->durable - d->first;
    while (synced && image->place[synced - 1].file >= image->files)
        synced--;
    if (synced && old) {
        uint64_t group = d->group[synced - 1];
        while (synced && d->group[synced - 1] == group)
            synced--;
    }
    if (synced)
        *record = dice_below(&w->disk_dice, (uint32_t)synced);
    return synced > 0;
}

static void rot(struct world *w, struct image *image, const struct disk *d, bool old)
{
    uint64_t i;
    if (!synced_record(w, image, d, old, &i))
        return;
    const struct place *p = &image->place[i];
    image->file[p->file][p->at + dice_below(&w->disk_dice, p->len)] ^=
        (uint8_t)(1u << dice_below(&w->disk_dice, 8));
}

static void rot_anywhere(struct world *w, struct image *image)
{
    uint32_t file = dice_below(&w->disk_dice, image->files);
    image->file[file][dice_below(&w->disk_dice, image->end[file])] ^=
        (uint8_t)(1u << dice_below(&w->disk_dice, 8));
}

/* A group commit that the disk said it had done. */
static void lose_write(struct world *w, struct image *image, const struct disk *d)
{
    uint64_t i;
    if (!synced_record(w, image, d, false, &i))
        return;
    for (uint64_t k = 0; k < d->count; k++) {
        const struct place *p = &image->place[k];
        if (d->group[k] == d->group[i] && p->file == image->place[i].file && p->file < image->files)
            memset(image->file[p->file] + p->at, 0, p->len);
    }
}

/* One that went elsewhere: what was there is overwritten, where it should be is nothing. */
static void misdirect(struct world *w, struct image *image, const struct disk *d)
{
    uint64_t i, over;
    if (!synced_record(w, image, d, false, &i) || !synced_record(w, image, d, false, &over))
        return;
    const struct place *from = &image->place[i], *to = &image->place[over];
    uint32_t len = from->len;
    if (len > image->end[to->file] - to->at)
        len = image->end[to->file] - to->at;
    uint8_t *bytes = malloc(len);
    CHECK(bytes != NULL);
    memcpy(bytes, image->file[from->file] + from->at, len);
    memset(image->file[from->file] + from->at, 0, from->len);
    memcpy(image->file[to->file] + to->at, bytes, len);
    free(bytes);
}

static void harm(struct world *w, struct image *image, const struct disk *d, enum disk_fault fault)
{
    if (!image->files)
        return;
    if (fault == DISK_ROT)
        rot_anywhere(w, image);
    else if (fault == DISK_OLD_ROT)
        rot(w, image, d, true);
    else if (fault == DISK_LOST_WRITE)
        lose_write(w, image, d);
    else if (fault == DISK_MISDIRECTED_WRITE)
        misdirect(w, image, d);
}

/* ------------------------------------------------------------------------------------------------ reading back */

struct reading {
    struct disk *disk;
    const uint8_t *file;
};

static void found(void *context, const struct log_head *head, uint64_t at)
{
    struct reading *reading = context;
    struct resume_record record = {.kind = (enum persist_kind)head->kind,
                                   .full = head->full,
                                   .slot = head->slot,
                                   .digest = head->digest};
    struct slice payload = {reading->file + at + LOG_HEAD_BYTES, head->len};
    if (reading->disk->count == 0)
        reading->disk->first = head->sequence - 1;
    disk_keep(reading->disk, &record, head->group - 1, parcel_of(payload));
}

static bool read_back(const struct image *image, struct disk *into)
{
    struct reading reading = {.disk = into};
    struct log_scan scan = {.found = found, .context = &reading};
    for (uint32_t i = 0; i < image->files; i++) {
        struct log_file file = {i + 1, image->file[i], FILE_BYTES, i == 0, i + 1 == image->files};
        reading.file = image->file[i];
        enum log_verdict verdict = log_scan(&file, &scan);
        if (verdict != LOG_GOOD && verdict != LOG_UNBEGUN)
            return false;
    }
    return true;
}

bool disk_image_survives(struct world *w, struct disk *d, enum disk_fault fault)
{
    struct image image;
    struct disk read = {.first = d->first};
    image_make(&image, d);
    tear(w, &image, d);
    harm(w, &image, d, fault);
    bool good = read_back(&image, &read);
    image_free(&image);
    if (good)
        disk_take_log(d, &read);
    else
        disk_free(&read);
    return good;
}
