/*
 * Memory of a compartment: one region handed over at init, never grown. Bump allocation for what lives as long as the
 * compartment, and size-class free lists on top for what comes and goes (service state, kept replies).
 * Size classes are four per power of two, so at most 25 % is lost to rounding; freed blocks are reused for their own
 * class only, so a block never moves and both operations take constant time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/types.h"

#define ARENA_CLASSES 128

struct arena {
    uint8_t *base;
    size_t size;
    size_t used; /* bump pointer */
    size_t live; /* bytes handed out and not freed, rounded */
    void *free[ARENA_CLASSES];
};

/* `memory` must be 64-byte aligned and all zero (fresh pages are), and stays the caller's. */
void arena_init(struct arena *arena, void *memory, size_t size);
/* Zeroed memory for ever (init time); fails an assert when the region is too small: that is our own sizing bug. */
void *arena_take(struct arena *arena, size_t bytes);
/* Memory to be freed later; NULL when the arena is full. 16-byte aligned, not zeroed. */
void *arena_alloc(struct arena *arena, size_t bytes);
void arena_free(struct arena *arena, void *memory, size_t bytes);

#endif
