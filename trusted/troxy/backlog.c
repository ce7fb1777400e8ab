#include "troxy/backlog.h"

#include <string.h>

#include "base/check.h"

#define LEAST_BYTES 1024u

static bool grow(struct backlog *backlog, struct arena *arena, size_t wanted)
{
    size_t cap = backlog->cap ? backlog->cap : LEAST_BYTES;
    while (cap < wanted)
        cap *= 2;
    uint8_t *memory = arena_alloc(arena, cap);
    if (!memory)
        return false;
    if (backlog->len)
        memcpy(memory, backlog->memory + backlog->start, backlog->len);
    arena_free(arena, backlog->memory, backlog->cap);
    backlog->memory = memory;
    backlog->start = 0;
    backlog->cap = cap;
    return true;
}

bool backlog_append(struct backlog *backlog, struct arena *arena, const void *data, size_t len)
{
    if (len == 0)
        return true;
    if (backlog->start + backlog->len + len > backlog->cap) {
        /* Moved to the front only when that frees half: else bytes that wait long would be moved for each few that come. */
        if (backlog->len + len <= backlog->cap / 2) {
            memmove(backlog->memory, backlog->memory + backlog->start, backlog->len);
            backlog->start = 0;
        } else if (!grow(backlog, arena, backlog->len + len)) {
            return false;
        }
    }
    memcpy(backlog->memory + backlog->start + backlog->len, data, len);
    backlog->len += len;
    return true;
}

void backlog_take(struct backlog *backlog, struct arena *arena, size_t len)
{
    CHECK(len <= backlog->len);
    backlog->start += len;
    backlog->len -= len;
    if (backlog->len == 0)
        backlog_free(backlog, arena);
}

void backlog_free(struct backlog *backlog, struct arena *arena)
{
    arena_free(arena, backlog->memory, backlog->cap);
    *backlog = (struct backlog){NULL, 0, 0, 0};
}
