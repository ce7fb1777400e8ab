/*
 * Memory of a client core: handed in, so that the core calls no allocator by itself, and growable byte buffers on it.
 * Taking may fail (NULL); what was taken is given back with the size it was taken with.
 */
#ifndef ORIGIN_MEMORY_H
#define ORIGIN_MEMORY_H

#include "base/arena.h"

struct client_memory {
    void *context;
    void *(*take)(void *context, size_t bytes);
    void (*give)(void *context, void *memory, size_t bytes);
};

/* On an arena of the caller. */
struct client_memory client_memory_of_arena(struct arena *arena);

static inline void *memory_take(const struct client_memory *m, size_t bytes)
{
    return m->take(m->context, bytes);
}

static inline void memory_give(const struct client_memory *m, void *memory, size_t bytes)
{
    if (memory)
        m->give(m->context, memory, bytes);
}

struct client_bytes {
    uint8_t *data;
    size_t len;
    size_t cap;
};

/* Makes room for `cap` bytes in all, keeping what is there; false when memory is lacking (nothing has changed then). */
bool client_bytes_reserve(struct client_bytes *bytes, const struct client_memory *memory, size_t cap);
void client_bytes_free(struct client_bytes *bytes, const struct client_memory *memory);

#endif
