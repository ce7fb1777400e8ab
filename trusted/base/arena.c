#include "base/arena.h"

#include <string.h>

#include "base/check.h"

#define MIN_BYTES 16u

static size_t align_up(size_t value, size_t to)
{
    return (value + to - 1) & ~(to - 1);
}

/* Class of a size and the size it is rounded to: 16, then four steps per power of two. */
static unsigned size_class(size_t bytes, size_t *rounded)
{
    if (bytes <= 4 * MIN_BYTES) {
        size_t steps = bytes ? (bytes + MIN_BYTES - 1) / MIN_BYTES : 1;
        *rounded = steps * MIN_BYTES;
        return (unsigned)steps - 1; /* 0..3 */
    }
    unsigned top = 63u - (unsigned)__builtin_clzll((unsigned long long)(bytes - 1)); /* 2^top <= bytes-1 */
    size_t step = (size_t)1 << (top - 2);
    size_t quarter = (bytes - 1 - ((size_t)1 << top)) / step; /* 0..3 */
    *rounded = ((size_t)1 << top) + (quarter + 1) * step;
    return 4 + (top - 6) * 4 + (unsigned)quarter;
}

void arena_init(struct arena *arena, void *memory, size_t size)
{
    memset(arena, 0, sizeof *arena);
    arena->base = memory;
    arena->size = size;
}

static void *arena_bump(struct arena *arena, size_t bytes, size_t alignment)
{
    size_t at = align_up(arena->used, alignment);
    if (at > arena->size || arena->size - at < bytes)
        return NULL;
    arena->used = at + bytes;
    return arena->base + at;
}

void *arena_take(struct arena *arena, size_t bytes)
{
    void *memory = arena_bump(arena, bytes, 64);
    CHECK(memory != NULL);
    return memory; /* zero because the region was: never handed out before */
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    if (bytes > arena->size)
        return NULL;
    size_t rounded;
    unsigned class = size_class(bytes, &rounded);
    CHECK(class < ARENA_CLASSES);
    void *memory = arena->free[class];
    if (memory)
        memcpy(&arena->free[class], memory, sizeof(void *));
    else
        memory = arena_bump(arena, rounded, MIN_BYTES);
    if (memory)
        arena->live += rounded;
    return memory;
}

void arena_free(struct arena *arena, void *memory, size_t bytes)
{
    if (!memory)
        return;
    size_t rounded;
    unsigned class = size_class(bytes, &rounded);
    CHECK(arena->live >= rounded);
    memcpy(memory, &arena->free[class], sizeof(void *));
    arena->free[class] = memory;
    arena->live -= rounded;
}
