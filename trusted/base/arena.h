/*
 * Memory of a compartment: one region handed over at init, never grown. Bump allocation for what lives as long as the
 * compartment, and on top of it blocks that come and go (service state, connections, kept requests).
 *
 * A request is rounded up to its size class, four per power of two, so at most 25 % is lost to rounding. A block that is freed is
 * merged with its free neighbours, whatever their sizes, and goes into the list of the largest class that it fills; a request takes the
 * first block of the first list, from its own class on, that is not empty, and gives back what it does not need. Both
 * operations take constant time, whatever came before, and a block never moves. The last block of each small class that was freed is kept
 * as it is, for the next request of that class, until a request finds no other: most blocks are replaced by one of their size. Nothing stands before a block: free blocks hold
 * their own links and sizes, and one bit for each 16 bytes, at the end of the region, says where they begin and end.
 *
 *      | taken | block | free: links, size ... size | block | ...   used |  not yet touched  | bits |
 *
 * What fragmentation can take. A request fails only when no free block holds it: where each block in use keeps a gap below the requested
 * size on either side of itself. No allocator that does not move blocks is free of this: with blocks of 16 bytes to n * 16 an
 * adversary can make any of them need (log2(n) / 2 + 1) times what is in use (Robson, 1971). So whoever must answer the
 * same on every replica cannot answer by whether memory is there: what is full must follow from contents (docs/SERVICES.md), and
 * memory that runs out below that limit ends the replica (apps/kv/kv_store.h).
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/types.h"

#define ARENA_CLASSES 128
#define ARENA_KEPT    44 /* classes of which a block is kept: up to 64 KiB */

struct arena {
    uint8_t *base;
    size_t size; /* without the bits, once there are some */
    size_t used; /* bump pointer */
    size_t live; /* bytes handed out and not freed, rounded */
    uint64_t *
        edge; /* behind `size`, a bit for each 16 bytes: a free block begins or ends there. NULL: nothing was allocated yet */
    uint64_t kept_of; /* classes of which a block is kept, a bit each */
    void *kept[ARENA_KEPT];
    uint64_t filled[ARENA_CLASSES / 64]; /* classes whose list is not empty */
    uint64_t free[ARENA_CLASSES];        /* first of each list, as links are */
};

/* `memory` must be 64-byte aligned and, for arena_take, all zero (fresh pages are); it stays the caller's. */
void arena_init(struct arena *arena, void *memory, size_t size);
/* Zeroed memory for ever (init time); fails an assert when the region is too small: that is our own sizing bug. */
void *arena_take(struct arena *arena, size_t bytes);
/* Memory to be freed later; NULL when the arena is full. 16-byte aligned, not zeroed. */
void *arena_alloc(struct arena *arena, size_t bytes);
/* `bytes` as asked for. */
void arena_free(struct arena *arena, void *memory, size_t bytes);

/* Checks every invariant of the lists, in time linear in them; fails a CHECK. For tests. */
void arena_validate(const struct arena *arena);

#endif
