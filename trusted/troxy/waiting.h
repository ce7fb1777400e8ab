/*
 * Operations that were submitted and are not under way yet, in order, each with whose it is. A connection's number is used again, so
 * each use has a life of its own: what belongs to one that is over is told nobody.
 */
#ifndef TROXY_WAITING_H
#define TROXY_WAITING_H

#include "base/arena.h"
#include "base/limits.h"
#include "base/types.h"

#define WAITING_OPS_MAX   65536u
#define WAITING_BYTES_MAX (64u * 1024u * 1024u)

struct waiting_op {
    struct waiting_op *next;
    uint64_t ticket;
    uint64_t deadline_us;
    uint64_t submitted_us;
    uint32_t connection;
    uint32_t life;
    uint32_t len;
    uint8_t data[];
};

/* Shared by all lists of one access. */
struct waiting_budget {
    struct arena *arena;
    uint32_t life[FRONT_CONNECTIONS_MAX];
    uint32_t ops;
    size_t bytes;
};

struct waiting {
    struct waiting_op *first, *last;
};

/* 0, -EMSGSIZE, -EAGAIN. Whether an operation counts as waiting ends with waiting_free. */
int waiting_add(struct waiting *waiting, struct waiting_budget *budget, const struct waiting_op *head,
                const struct slice *parts, unsigned count);
/* The first one out of the list; NULL when there is none. */
struct waiting_op *waiting_take(struct waiting *waiting);
void waiting_free(struct waiting_budget *budget, struct waiting_op *op);

static inline void waiting_forget(struct waiting_budget *budget, uint32_t connection)
{
    budget->life[connection]++;
}
static inline bool waiting_is_wanted(const struct waiting_budget *budget, const struct waiting_op *op)
{
    return budget->life[op->connection] == op->life;
}

#endif
