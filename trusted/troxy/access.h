/*
 * How a Troxy's front gets at the service: operations in, outcomes out, whatever lies behind. `replicated` orders operations or
 * answers them from the fast-read cache; `alone` calls a service in the same process (`redoubt standalone`).
 *
 * Of one connection: operations take effect and are told in the order in which they were submitted.
 */
#ifndef TROXY_ACCESS_H
#define TROXY_ACCESS_H

#include "base/types.h"
#include "redoubt/client.h"

/* Called inside the implementation's own steps, never inside `submit`; `result` is borrowed. */
typedef void (*access_done)(void *context, uint32_t connection, uint64_t ticket,
                            const struct redoubt_outcome *outcome);

struct access {
    void *self;
    /* 0; -EAGAIN: too much waits; -EMSGSIZE. Pieces are copied. */
    int (*submit)(void *self, uint32_t connection, uint64_t ticket, const struct slice *parts, unsigned count,
                  uint64_t deadline_us, uint64_t now_us);
    /* The connection is over: its number may be used again, and nothing more is told about it. What was submitted may yet be
     * executed. */
    void (*forget)(void *self, uint32_t connection);
    /* Reaches a quorum, as far as it can tell. */
    bool (*is_ready)(const void *self, uint64_t now_us);
};

#endif
