/*
 * A replica's disk under `durability: sync`: the log (store/journal.h) and the saved checkpoint (store/saved.h) of one replica, and what
 * waits for them.
 *
 *   engine: PERSIST --> journal (one group commit at a time, in its thread) --> durable: what waited behind it is carried out
 *   E: pieces of a checkpoint --> saved (a transaction, in its thread) --> the log below it is forgotten once it is stable
 *
 * All records of a loop run are one group, and all that come while a sync is under way are the next. A full disk stops this replica's
 * voting until there is room; a failed write or sync stops it for good.
 */
#ifndef HOST_DISK_H
#define HOST_DISK_H

#include <uv.h>

#include "buffer.h"
#include "engine.h"
#include "error.h"
#include "store/journal.h"
#include "store/saved.h"

struct replica;

struct disk {
    bool on;
    struct journal *journal;
    struct saved *saved;
    uv_poll_t journal_poll, saved_poll;
    struct buffer waiting;   /* struct waiting_head, bytes */
    enum journal_state told; /* to the engine */
    bool found;              /* records of an earlier life */
    struct buffer chain;     /* what DIR/replica-N/chain holds */
    uint64_t step_first;     /* next sequence number when the engine's step began */
    slot_no base_slot;
    uint64_t base_at, base_sequence, full_at[2];
    uint64_t appended, appended_at_save; /* bytes */
    uint64_t saving_since_us, saved_us, saves;
    bool save_asked, saved_failed, chain_failed;
    bool save_refused; /* the last one, for lack of room */
    uint64_t save_heard_us; /* when E was asked, or last gave or got something */
    bool save_begun;   /* E has come to the checkpoint at which it saves */
    bool too_long;     /* the log: P and C are given nothing */
    uint64_t piece;    /* in the hands of `saved` */
    bool last_piece;
};

/* Opens log and checkpoint. */
int disk_open(struct replica *r, struct error *error);
/* Gives the compartments what is there, and takes the HELLOs with which they answer: frames[1..3], in `kept`. */
int disk_recall(struct replica *r, struct slice frames[], uint8_t kept[][65536], struct error *error);
/* After START was given and the engine started. */
int disk_start(struct replica *r, struct error *error);
void disk_close(struct replica *r);

void disk_step(struct disk *disk);
void disk_persist(struct replica *r, const struct action *action);
/* Must this wait for what was persisted before it? Then it was copied, and is carried out later. */
bool disk_holds(struct disk *disk, const struct action *action);
/* No room, or worse: what comes from outside is not taken in, so that nothing grows; peers send it again. */
bool disk_is_deaf(const struct disk *disk);
/* Is that compartment not given this, so that it promises nothing? */
bool disk_starves(const struct disk *disk, const struct action *action);
/* Once per round: what was appended starts on its way. */
void disk_push(struct disk *disk);
/* Once a second. */
void disk_tick(struct replica *r);
/* A LOCAL-SAVED of own E; true when the frame was one. */
bool disk_takes_piece(struct replica *r, struct slice frame);

#endif
