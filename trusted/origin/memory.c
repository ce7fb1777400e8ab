#include "origin/memory.h"

#include <string.h>

#define LEAST_BYTES 512u

static void *arena_take_some(void *context, size_t bytes)
{
    return arena_alloc(context, bytes);
}

static void arena_give(void *context, void *memory, size_t bytes)
{
    arena_free(context, memory, bytes);
}

struct client_memory client_memory_of_arena(struct arena *arena)
{
    return (struct client_memory){.context = arena, .take = arena_take_some, .give = arena_give};
}

bool client_bytes_reserve(struct client_bytes *bytes, const struct client_memory *memory, size_t cap)
{
    if (cap <= bytes->cap)
        return true;
    size_t wanted = bytes->cap ? bytes->cap : LEAST_BYTES;
    while (wanted < cap)
        wanted *= 2;
    uint8_t *data = memory_take(memory, wanted);
    if (!data)
        return false;
    if (bytes->len)
        memcpy(data, bytes->data, bytes->len);
    memory_give(memory, bytes->data, bytes->cap);
    bytes->data = data;
    bytes->cap = wanted;
    return true;
}

void client_bytes_free(struct client_bytes *bytes, const struct client_memory *memory)
{
    memory_give(memory, bytes->data, bytes->cap);
    *bytes = (struct client_bytes){NULL, 0, 0};
}
