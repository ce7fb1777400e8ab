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

/* What became of reads that could be fast: hits and misses in the cache; of the hits, those that were ordered all the same
 * since reads conflict too often (passed), and those that were asked about: answered (fast), or ordered after all, since versions
 * differed (conflicts) or too few attested in time (timeouts). The rates are of the last reads, beside the thresholds between
 * which fast reads are switched off and on. */
struct access_reads {
    uint64_t hits, misses, passed, fast, conflicts, timeouts, cache_bytes;
    uint32_t hit_permille, conflict_permille, off_permille, on_permille;
    bool fast_off;
};

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
    /* NULL: reads are no different from writes. */
    void (*reads)(const void *self, struct access_reads *reads);
};

/* An access that needs nothing of a Troxy but its turns: `begin` before all else, and `run` once in each turn, where it tells outcomes;
 * true: there is more to do. */
struct access_source {
    struct access access; /* its `self` is that of all */
    void (*begin)(void *self, access_done done, void *context);
    bool (*run)(void *self, uint64_t now_us);
};

#endif
