/*
 * `access` on a cluster: operations are ordered, or, for reads whose result is known from before, asked about. An origin
 * (origin/core.h) that also keeps results. Pure: frames and time in, frames and outcomes out.
 *
 *   submit                       queues an operation on its connection
 *   replicated_on_frame, ...     what comes from replicas; outcomes are told in here, and in on_timer and close
 *   replicated_flush             after every run of the others: sends what waits; may tell outcomes too
 *
 * Of one connection:
 *   - operations are ordered in runs; a run is one bundle, and the next one waits for it: so two bundles of one connection are never in
 *     flight together, and nobody's order but ours decides
 *   - reads behind one another that are known from before are asked about together, in one round; what comes behind them, another
 *     read too, waits until all are told. When one of them has to be ordered after all, those behind it are asked about anew, after it
 *
 * A fast read is an entry of the cache (a full vote of write_quorum: status, result, version) and, from read_quorum replicas, each
 * counted once, an attestation made after the read came in (a fresh nonce) that its cells have this version. Anything else orders
 * the read: no entry, another version, no answer in time. The rule and why it holds stands in docs/PROTOCOL.md.
 */
#ifndef TROXY_REPLICATED_H
#define TROXY_REPLICATED_H

#include "troxy/access.h"
#include "troxy/adaptive.h"
#include "troxy/attestor.h"
#include "troxy/cache.h"

struct replicated;

struct replicated_options {
    struct client_core_options core; /* `versions` and `hand_back` are set here */
    uint32_t connections_max;        /* their numbers lie below */
    uint32_t operations_max;         /* that wait or are under way, of all connections */
    uint32_t connection_operations_max;
    size_t bytes_max; /* of these operations */
    size_t cache_bytes;
    bool fast_reads; /* false: every read is ordered, whatever the cluster allows */
    uint32_t
        attestors; /* 0: as many as the read quorum has, as in every Troxy. 1: Prophecy, for which one replica's word is enough:
                         * reads can be stale, see docs/CLIENT.md */
    struct adaptive_options adaptive;
    uint64_t attest_us;     /* patience with an attestation at first; follows what is measured ... */
    uint64_t attest_max_us; /* ... up to here */
    uint64_t sick_us;       /* who did not answer in time is not asked for so long, if others are there */
    uint64_t
        refresh_us; /* a read is ordered when nothing was for so long: replicas forget sessions that are idle longest */
};

struct replicated_config {
    const struct configuration *configuration; /* kept, not copied */
    origin_id origin;
    epoch_no epoch;
    const struct sign_key *sign;
    const struct box_key *box;
    replica_id replica;                    /* whose E is the local one; REPLICAS_MAX: of none */
    const struct redoubt_service *service; /* only `keys` is called */
    struct client_wire wire;
    access_done done;
    void *context;
    struct replicated_options options;
};

struct replicated_counters {
    uint64_t reads, writes;
    uint64_t hits, misses; /* of reads that could be fast: is there an entry? */
    uint64_t passed; /* hits that were ordered because reads conflict too often, or to refresh the session */
    uint64_t fast;   /* reads that were answered by entry and attestations */
    uint64_t conflicts;         /* attested versions differ from the entry's, or from each other */
    uint64_t timeouts;          /* reads about which not enough answers came in time */
    uint64_t rounds, questions; /* sent */
    uint64_t inserted;
    uint64_t renewed;          /* sessions begun anew, since nothing was answered in the one before */
    uint64_t bad_attestations; /* not authentic, or malformed */
    uint64_t stale_attestations;
    /* As they are now. */
    uint64_t switches;
    uint32_t conflict_permille, hit_permille; /* hits: of the last reads */
    bool fast_off;                            /* switched off by conflicts */
    uint32_t cache_entries;
    uint64_t cache_bytes;
};

void replicated_options_init(struct replicated_options *options);
/* Address space that it wants from its arena; what is touched is far less. */
size_t replicated_arena_bytes(const struct replicated_options *options);

/* Takes everything from `arena` at once. Whoever holds the origin's key must give it epochs that are further apart than sessions are
 * renewed: each raises the epoch by one, at most every ten seconds. NULL: the configuration has no such origin, or a degenerate key. */
struct replicated *replicated_new(struct arena *arena, const struct replicated_config *config);
/* Ends everything: outcomes are told as client_core_close has it. Nothing may follow. */
void replicated_close(struct replicated *r, uint64_t now_us);

struct access replicated_access(struct replicated *r);

enum verdict replicated_on_frame(struct replicated *r, replica_id replica, const uint8_t *data, size_t len,
                                 uint64_t now_us);
/* The connection to a replica's client port came up, or went down. */
void replicated_on_connected(struct replicated *r, replica_id replica, uint64_t now_us);
void replicated_on_disconnected(struct replicated *r, replica_id replica);
void replicated_flush(struct replicated *r, uint64_t now_us);
void replicated_on_timer(struct replicated *r, uint64_t now_us);
uint64_t replicated_next_timer(const struct replicated *r);

void replicated_counters(const struct replicated *r, struct replicated_counters *counters);
const struct client_core *replicated_core(const struct replicated *r);

/* Checks every invariant; fails an assert. For tests and the simulator. */
void replicated_validate(const struct replicated *r);

#endif
