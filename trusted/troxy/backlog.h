/*
 * Bytes that wait: appended at the end, taken from the front, in one piece of an arena's memory. An empty one has none.
 */
#ifndef TROXY_BACKLOG_H
#define TROXY_BACKLOG_H

#include "base/arena.h"
#include "base/types.h"

struct backlog {
    uint8_t *memory;
    size_t start;
    size_t len;
    size_t cap;
};

/* False when the arena is full; nothing has changed then. */
bool backlog_append(struct backlog *backlog, struct arena *arena, const void *data, size_t len);
void backlog_take(struct backlog *backlog, struct arena *arena, size_t len);
void backlog_free(struct backlog *backlog, struct arena *arena);

static inline uint8_t *backlog_data(const struct backlog *backlog)
{
    return backlog->memory ? backlog->memory + backlog->start : NULL;
}

#endif
