/*
 * The saved checkpoint of a replica's Execution compartment, in LMDB: sealed rows (head, origin table, leaves), replaced piece by
 * piece in one transaction, which is committed with the last piece. A thread of its own does the writing.
 *
 * Rows come in the order in which they are to be given back: head, origins, leaves ascending.
 */
#ifndef HOST_STORE_SAVED_H
#define HOST_STORE_SAVED_H

#include "base/types.h"
#include "error.h"

struct saved;

enum saved_state { SAVED_IDLE, SAVED_BUSY, SAVED_STORED, SAVED_NO_ROOM, SAVED_FAILED };

/* `bytes_max`: of the whole; address space is taken for it. */
int saved_open(struct saved **saved, const char *dir, uint64_t bytes_max, struct error *error);
void saved_close(struct saved *saved);

/* Slot of the checkpoint that is there; 0: none. */
slot_no saved_slot(const struct saved *saved);
/* Walks all rows; -1 and the error when they cannot be read. */
int saved_each(struct saved *saved,
               void (*row)(void *context, unsigned what, uint64_t number, struct slice bytes), void *context,
               struct error *error);

/* Hands a piece (list of struct saved_item) to the thread; only while nothing is under way. Piece 1 begins anew. `last`: commits;
 * leaves from `leaf_count` on are dropped. The piece is copied. */
void saved_put(struct saved *saved, slot_no slot, uint64_t number, bool last, uint64_t leaf_count,
               struct slice items);
/* Readable when the thread has done it. */
int saved_fd(const struct saved *saved);
/* STORED or worse after a piece; IDLE or BUSY else. NO_ROOM: what was begun is given up, and may be begun again. */
enum saved_state saved_poll(struct saved *saved);
const char *saved_problem(const struct saved *saved);
uint64_t saved_bytes(const struct saved *saved);

#endif
