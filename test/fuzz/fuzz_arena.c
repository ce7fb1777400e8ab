/*
 * The arena: any sequence of requests and returns. Blocks lie inside, are aligned, keep what was written into them, and never
 * overlap; the lists hold; and when everything has come back, all of it is one block again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REGION (256u * 1024u)
#define BLOCKS 256u

static _Alignas(64) uint8_t region[REGION];

struct block {
    uint8_t *memory;
    size_t bytes;
    uint8_t mark;
};

static void need(bool condition)
{
    if (!condition)
        abort();
}

static void give_back(struct arena *arena, struct block *block)
{
    for (size_t i = 0; i < block->bytes; i++)
        need(block->memory[i] == block->mark);
    arena_free(arena, block->memory, block->bytes);
    block->memory = NULL;
}

static void ask(struct arena *arena, struct block *block, size_t bytes, uint8_t mark)
{
    *block = (struct block){.memory = arena_alloc(arena, bytes), .bytes = bytes, .mark = mark};
    if (!block->memory)
        return;
    need((uintptr_t)block->memory % 16 == 0);
    need(block->memory >= region && block->memory + bytes <= region + arena->used &&
         arena->used <= arena->size);
    memset(block->memory, mark, bytes);
}

/* Input, three bytes each: which block; its size, as a mantissa of four bits behind a shift of so many. The region is what it was
 * left as: nothing rests on its being zero. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct block block[BLOCKS] = {{0}};
    arena_init(&arena, region, REGION);
    for (size_t at = 0; at + 3 <= size && at < 6000; at += 3) {
        struct block *b = &block[data[at] % BLOCKS];
        if (b->memory)
            give_back(&arena, b);
        else
            ask(&arena, b, ((size_t)(data[at + 1] & 15) << (data[at + 1] >> 4) % 15) + data[at + 2] % 16,
                data[at + 2]);
        if (at % 96 == 0)
            arena_validate(&arena);
    }
    for (uint32_t i = 0; i < BLOCKS; i++)
        if (block[i].memory)
            give_back(&arena, &block[i]);
    arena_validate(&arena);
    need(arena.live == 0);
    /* One block, of all that was ever used, once a request that nothing fits has made it look at the blocks that are kept. */
    if (arena.used) {
        size_t used = arena.used;
        need(arena_alloc(&arena, arena.size) == NULL && arena.used == used);
        need(arena_alloc(&arena, used - used / 5) == region && arena.used == used);
    }
    return 0;
}
