/*
 * A replica's disk in the simulator: the log of records, what waits for them to be durable, and the saved checkpoint. A power loss
 * leaves what was synced and, of the group under way, what chance will have (disk_image.c); some disks lose more (storage.c).
 */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "parcel.h"
#include "resume.h"

struct world;

struct disk_waiting {
    enum action_kind kind;
    uint32_t to;
    bool local;
    uint64_t after; /* records that must be durable */
    struct parcel *parcel;
};

struct disk_row {
    unsigned what; /* RECALL_* */
    uint64_t number;
    uint32_t part;
    struct parcel *bytes;
};

struct disk_rows {
    struct disk_row *row;
    size_t count, cap;
};

enum disk_fault {
    DISK_SOUND,
    DISK_ROT,
    DISK_OLD_ROT, /* in a group that another followed */
    DISK_LOST_WRITE,
    DISK_MISDIRECTED_WRITE,
    DISK_ROLLED_BACK,
    DISK_OLD_LOG,
    DISK_OLD_CHECKPOINT,
    DISK_SHORTENED,
    DISK_WIPED,
    DISK_ROTTEN_CHECKPOINT,
    DISK_FAULTS
};

struct disk {
    struct resume_record *record;
    struct parcel **bytes;
    uint64_t *group;     /* number of the first record of its group commit */
    uint64_t first;      /* number of record[0] */
    uint64_t count, cap; /* kept */
    uint64_t durable;    /* records below this number are */
    uint64_t syncing;    /* will be when the sync under way ends; 0: none */
    uint64_t step_first; /* next number when the engine's step began */
    struct disk_waiting *waiting;
    size_t waitings, waiting_cap;
    uint64_t life;
    bool damaged;         /* its log is, as was found when it was read */
    bool rotten;          /* its saved checkpoint may be, or does not fit its log */
    bool failed;          /* a sync did: this replica votes no more */
    bool ignored_failure; /* only a mutant: what is written from now on is lost */
    uint64_t full_until_us;
    uint64_t stalled_until_us;
    struct writer chain; /* CONFIGURATIONs: u32 length and frame each, CHAIN_BYTES_MAX */
    /* Saving. */
    bool storing; /* a piece */
    struct disk_rows saved, staged;
    slot_no saved_slot, base_slot;
    uint64_t base_at, base_number; /* E's latest base: where the log may begin, and its number */
    uint64_t full_at[2];           /* latest full record of P and C */
    uint64_t records_at_save;
    bool save_asked;
    uint64_t saves;
};

void disk_free(struct disk *disk);
void disk_step(struct disk *disk);
void disk_append(struct world *w, uint32_t r, const struct action *action);
/* Does this have to wait? Then it is kept. */
bool disk_holds(struct world *w, uint32_t r, const struct disk_waiting *action);
void disk_on_due(struct world *w, uint32_t r, uint64_t life);
/* A piece of a checkpoint is stored: E is asked for the next. */
void disk_on_stored(struct world *w, uint32_t r, uint32_t piece, uint64_t life);
/* A piece of a checkpoint, from E. */
bool disk_takes_piece(struct world *w, uint32_t r, struct parcel *parcel);
/* A sync fails: EVENT_STOP_VOTING. */
void disk_fail(struct world *w, uint32_t r);
/* No room for so long: EVENT_STOP_VOTING, and EVENT_VOTE_AGAIN at the end. */
void disk_fill(struct world *w, uint32_t r, uint64_t for_us);
/* A sync takes so long. */
void disk_stall(struct world *w, uint32_t r, uint64_t for_us);
/* Makes everything durable that waits for it, at once; false: the disk cannot. */
bool disk_sync_now(struct world *w, uint32_t r);
/* What is in memory only is gone. */
void disk_power_loss(struct disk *disk);
/* The log was read back: all that it has is durable. */
void disk_reopened(struct disk *disk);
void disk_wipe(struct disk *disk);
/* For what happens to a disk: keeps a record (the bytes are the disk's from now on), drops those from a number on, takes over
 * another's log. */
void disk_keep(struct disk *disk, const struct resume_record *record, uint64_t group, struct parcel *bytes);
void disk_cut(struct disk *disk, uint64_t number);
void disk_take_log(struct disk *disk, struct disk *from);
/* What a START that resumes makes needless. */
void disk_chain_cut(struct disk *disk);
/* To the compartments, before START; to the engine, after it. */
void disk_recall(struct world *w, uint32_t r, bool rejoins);
void disk_resume_engine(struct world *w, uint32_t r);

#endif
