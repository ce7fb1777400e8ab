/*
 * Moves: all that can happen next, and what it does.
 */
#ifndef EXPLORER_HYBSTER_MOVES_H
#define EXPLORER_HYBSTER_MOVES_H

#include "model.h"

enum move_kind {
    MOVE_SUSPECT, /* a correct replica's timer: SUSPECT(view) */
    MOVE_LEAVE,   /* a correct replica leaves for `view` and issues its VIEW-CHANGE */
    MOVE_VOTE,    /* PREPARE by the leader, with `command`, or COMMIT; by anybody. A counter's [view|order] */
    MOVE_CHECKPOINT, /* a correct replica learns of the certificate for `order` */
    MOVE_NEW_VIEW, /* its leader makes `core` of a view, of VIEW-CHANGEs that are there or that faulty replicas issue now */
    MOVE_ENTER, /* a correct replica accepts it, in time or late */
    MOVE_KINDS
};

struct move {
    uint8_t kind, replica, view, order, command;
    uint8_t base;  /* enter, new-view: which core */
    uint8_t leave; /* new-view: faulty replicas whose counters come to [view|0] by it, as bits */
    struct core core;
};

enum { MOVES_MAX = 4096 };

/* Every move that is possible; the number of them. More than MOVES_MAX are cut off. */
unsigned moves_list(const struct model *model, struct move moves[MOVES_MAX]);
/* The move must be one of those. */
void moves_apply(struct model *model, const struct move *move);
/* Is it? By its parts: the core of a NEW-VIEW must be possible. */
bool moves_possible(const struct model *model, const struct move *move);

/* May this correct replica accept that core of the view, in time or late? */
bool moves_may_enter(const struct model *model, unsigned replica, unsigned view, unsigned base);

void moves_print(const struct model *model, unsigned number, const struct move *move);

#endif
