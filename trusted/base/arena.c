#include "base/arena.h"

#include <string.h>

#include "base/check.h"

#define GRANULE 16u /* smallest block */

/*
 * A free block of so many granules:
 *
 *   first granule   u64 next, u64 previous of its list: (granule + 1) * 2, or 0; plus 1 in both when the block is one granule long
 *   else            u64 granules, behind them
 *   last granule    its second u64: granules * 2
 *
 * So the second word of the granule before a block in use tells how long the free block is that ends there.
 */
#define SINGLE 1u

static size_t align_up(size_t value, size_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* Class of a size and the size it is rounded to: 16, then four steps per power of two. */
static unsigned size_class(size_t bytes, size_t *rounded)
{
    if (bytes <= 4 * GRANULE) {
        size_t steps = bytes ? (bytes + GRANULE - 1) / GRANULE : 1;
        *rounded = steps * GRANULE;
        return (unsigned)steps - 1; /* 0..3 */
    }
    unsigned top = 63u - (unsigned)__builtin_clzll((unsigned long long)(bytes - 1)); /* 2^top <= bytes-1 */
    size_t step = (size_t)1 << (top - 2);
    size_t quarter = (bytes - 1 - ((size_t)1 << top)) / step; /* 0..3 */
    *rounded = ((size_t)1 << top) + (quarter + 1) * step;
    return 4 + (top - 6) * 4 + (unsigned)quarter;
}

/* The largest class that a free block of this size fills. The last one takes all that is larger. */
static unsigned class_filled(size_t bytes)
{
    size_t rounded;
    unsigned class = size_class(bytes, &rounded);
    class -= rounded > bytes;
    return class < ARENA_CLASSES ? class : ARENA_CLASSES - 1;
}

void arena_init(struct arena *arena, void *memory, size_t size)
{
    memset(arena, 0, sizeof *arena);
    arena->base = memory;
    arena->size = size;
}

/* Nothing free begins or ends in what is used from now on. */
static void edges_clear_all(struct arena *arena, size_t from, size_t to)
{
    for (size_t granule = from / GRANULE; granule * GRANULE < to;) {
        if (granule % 64 == 0 && (granule + 64) * GRANULE <= to) {
            arena->edge[granule / 64] = 0;
            granule += 64;
        } else {
            arena->edge[granule / 64] &= ~(1ull << granule % 64);
            granule++;
        }
    }
}

static void *arena_bump(struct arena *arena, size_t bytes, size_t alignment)
{
    size_t at = align_up(arena->used, alignment);
    if (at > arena->size || arena->size - at < bytes)
        return NULL;
    if (arena->edge)
        edges_clear_all(arena, arena->used, at + bytes);
    arena->used = at + bytes;
    return arena->base + at;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    void *memory = arena_bump(arena, bytes, 64);
    CHECK(memory != NULL);
    return memory; /* zero because the region was: never handed out before */
}

/* ---------------------------------------------------------------- the bits */

/* The first allocation takes them off the end. */
static bool edge_make(struct arena *arena)
{
    size_t whole = arena->size & ~(size_t)7, bits = align_up(whole / GRANULE / 8 + 1, 8);
    if (arena->edge)
        return true;
    if (arena->used > whole || whole - arena->used < bits)
        return false;
    arena->edge = (uint64_t *)(void *)(arena->base + whole - bits);
    arena->size = whole - bits;
    if (arena->used) /* what was taken before ends there */
        edges_clear_all(arena, (arena->used - 1) & ~(size_t)(GRANULE - 1), arena->used);
    return true;
}

/* Of a granule below `used`. */
static bool is_edge(const struct arena *arena, size_t granule)
{
    return arena->edge[granule / 64] >> granule % 64 & 1;
}

static void edges_set(struct arena *arena, size_t first, size_t granules)
{
    size_t last = first + granules - 1;
    arena->edge[first / 64] |= 1ull << first % 64;
    arena->edge[last / 64] |= 1ull << last % 64;
}

static void edges_clear(struct arena *arena, size_t first, size_t granules)
{
    size_t last = first + granules - 1;
    arena->edge[first / 64] &= ~(1ull << first % 64);
    arena->edge[last / 64] &= ~(1ull << last % 64);
}

/* ---------------------------------------------------------------- free blocks */

static uint64_t word_at(const struct arena *arena, size_t granule, unsigned word)
{
    uint64_t value;
    memcpy(&value, arena->base + granule * GRANULE + 8 * word, sizeof value);
    return value;
}

static void word_put(struct arena *arena, size_t granule, unsigned word, uint64_t value)
{
    memcpy(arena->base + granule * GRANULE + 8 * word, &value, sizeof value);
}

enum { NEXT, PREVIOUS, LENGTH, BEHIND = PREVIOUS };

static uint64_t link_to(size_t granule)
{
    return 2 * (granule + 1);
}

static size_t link_granule(uint64_t link)
{
    return (size_t)(link / 2 - 1);
}

static size_t length_from_first(const struct arena *arena, size_t first)
{
    return word_at(arena, first, NEXT) & SINGLE ? 1 : (size_t)word_at(arena, first, LENGTH);
}

static size_t length_from_last(const struct arena *arena, size_t last)
{
    uint64_t behind = word_at(arena, last, BEHIND);
    return behind & SINGLE ? 1 : (size_t)(behind / 2);
}

/* Changes one link of a block, which keeps its mark. */
static void relink(struct arena *arena, size_t granule, unsigned word, uint64_t link)
{
    word_put(arena, granule, word, link | (word_at(arena, granule, word) & SINGLE));
}

static void list_add(struct arena *arena, size_t first, size_t granules)
{
    unsigned class = class_filled(granules * GRANULE);
    uint64_t head = arena->free[class], single = granules == 1 ? SINGLE : 0;
    word_put(arena, first, NEXT, head | single);
    word_put(arena, first, PREVIOUS, single);
    if (!single) {
        word_put(arena, first, LENGTH, granules);
        word_put(arena, first + granules - 1, BEHIND, 2 * (uint64_t)granules);
    }
    if (head)
        relink(arena, link_granule(head), PREVIOUS, link_to(first));
    arena->free[class] = link_to(first);
    arena->filled[class / 64] |= 1ull << class % 64;
    edges_set(arena, first, granules);
}

static void list_remove(struct arena *arena, size_t first, size_t granules)
{
    unsigned class = class_filled(granules * GRANULE);
    uint64_t next = word_at(arena, first, NEXT) & ~(uint64_t)SINGLE;
    uint64_t previous = word_at(arena, first, PREVIOUS) & ~(uint64_t)SINGLE;
    if (next)
        relink(arena, link_granule(next), PREVIOUS, previous);
    if (previous)
        relink(arena, link_granule(previous), NEXT, next);
    else
        arena->free[class] = next;
    if (!arena->free[class])
        arena->filled[class / 64] &= ~(1ull << class % 64);
    edges_clear(arena, first, granules);
}

/* The first class from this one on that has a free block; ARENA_CLASSES: none. */
static unsigned class_find(const struct arena *arena, unsigned class)
{
    uint64_t here = arena->filled[class / 64] >> class % 64;
    if (here)
        return class + (unsigned)__builtin_ctzll(here);
    for (unsigned word = class / 64 + 1; word < ARENA_CLASSES / 64; word++)
        if (arena->filled[word])
            return 64 * word + (unsigned)__builtin_ctzll(arena->filled[word]);
    return ARENA_CLASSES;
}

/* Takes one out of the lists and gives back what is not needed; NULL: there is none. */
static void *free_take(struct arena *arena, unsigned class, size_t granules)
{
    unsigned found = class_find(arena, class);
    if (found == ARENA_CLASSES)
        return NULL;
    size_t first = link_granule(arena->free[found]), length = length_from_first(arena, first);
    list_remove(arena, first, length);
    if (length > granules)
        list_add(arena, first + granules, length - granules);
    return arena->base + first * GRANULE;
}

/* Into the lists, in one piece with the free blocks beside it. */
static void merge(struct arena *arena, void *memory, size_t granules)
{
    size_t first = (size_t)((uint8_t *)memory - arena->base) / GRANULE;
    if ((first + granules) * GRANULE < arena->used && is_edge(arena, first + granules)) {
        size_t next = first + granules, length = length_from_first(arena, next);
        list_remove(arena, next, length);
        granules += length;
    }
    if (first > 0 && is_edge(arena, first - 1)) {
        size_t length = length_from_last(arena, first - 1);
        list_remove(arena, first - length, length);
        first -= length;
        granules += length;
    }
    list_add(arena, first, granules);
}

/* What each class up to ARENA_KEPT is rounded to. */
static size_t class_bytes(unsigned class)
{
    return class < 4 ? (class + 1) * GRANULE : ((size_t)(class % 4 + 5) << (class / 4 - 1 + 4));
}

static bool merge_kept(struct arena *arena)
{
    bool any = arena->kept_of != 0;
    for (; arena->kept_of; arena->kept_of &= arena->kept_of - 1) {
        unsigned class = (unsigned)__builtin_ctzll(arena->kept_of);
        merge(arena, arena->kept[class], class_bytes(class) / GRANULE);
    }
    return any;
}

static void *kept_take(struct arena *arena, unsigned class)
{
    if (class >= ARENA_KEPT || !(arena->kept_of >> class & 1))
        return NULL;
    arena->kept_of &= ~(1ull << class);
    return arena->kept[class];
}

/* What was kept before; NULL: nothing. */
static void *kept_put(struct arena *arena, unsigned class, void *memory)
{
    void *before = kept_take(arena, class);
    arena->kept_of |= 1ull << class;
    arena->kept[class] = memory;
    return before;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    size_t rounded;
    if (bytes > arena->size || !edge_make(arena))
        return NULL;
    unsigned class = size_class(bytes, &rounded);
    if (class >= ARENA_CLASSES - 1) /* blocks of the last list may be too short for it */
        return NULL;
    void *memory = kept_take(arena, class);
    if (!memory)
        memory = free_take(arena, class, rounded / GRANULE);
    if (!memory && merge_kept(arena))
        memory = free_take(arena, class, rounded / GRANULE);
    if (!memory)
        memory = arena_bump(arena, rounded, GRANULE);
    if (memory)
        arena->live += rounded;
    return memory;
}

void arena_free(struct arena *arena, void *memory, size_t bytes)
{
    size_t rounded;
    if (!memory)
        return;
    unsigned class = size_class(bytes, &rounded);
    CHECK(arena->live >= rounded);
    arena->live -= rounded;
    if (class < ARENA_KEPT)
        memory = kept_put(arena, class, memory);
    if (memory)
        merge(arena, memory, rounded / GRANULE);
}

/* ---------------------------------------------------------------- invariants */

static size_t list_validate(const struct arena *arena, unsigned class)
{
    size_t bytes = 0;
    uint64_t previous = 0;
    for (uint64_t at = arena->free[class]; at;) {
        size_t first = link_granule(at), length = length_from_first(arena, first);
        CHECK(length > 0 && (first + length) * GRANULE <= arena->used);
        CHECK(class_filled(length * GRANULE) == class);
        CHECK((word_at(arena, first, PREVIOUS) & ~(uint64_t)SINGLE) == previous);
        CHECK(length_from_last(arena, first + length - 1) == length);
        CHECK(is_edge(arena, first) && is_edge(arena, first + length - 1));
        /* Neighbours are in use: what is free is merged. */
        CHECK((first + length) * GRANULE >= arena->used || !is_edge(arena, first + length));
        CHECK(first == 0 || !is_edge(arena, first - 1));
        bytes += length * GRANULE;
        previous = at;
        at = word_at(arena, first, NEXT) & ~(uint64_t)SINGLE;
    }
    return bytes;
}

void arena_validate(const struct arena *arena)
{
    size_t bytes = 0;
    CHECK(arena->used <= arena->size);
    for (unsigned class = 0; class < ARENA_KEPT; class ++) {
        size_t rounded;
        CHECK(size_class(class_bytes(class), &rounded) == class && rounded == class_bytes(class));
        if (arena->kept_of >> class & 1)
            bytes += rounded;
    }
    for (unsigned class = 0; class < ARENA_CLASSES; class ++) {
        CHECK((arena->filled[class / 64] >> class % 64 & 1) == (arena->free[class] != 0));
        bytes += list_validate(arena, class);
    }
    CHECK(bytes + arena->live <= arena->used);
}
