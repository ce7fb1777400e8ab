/*
 * Using a Redoubt cluster from C.
 *
 *     struct redoubt_client *client;
 *     if (redoubt_client_open(&client, "DIR", NULL) != 0) { puts(redoubt_client_error(NULL)); ... }
 *     struct redoubt_outcome outcome;
 *     redoubt_call(client, op, op_bytes, 1000, &outcome);
 *     if (outcome.kind == REDOUBT_COMMITTED) use(outcome.status, outcome.result, outcome.result_bytes);
 *     redoubt_outcome_clear(&outcome);
 *     redoubt_client_close(client);
 *
 * A client is one origin with keys of its own, connected to every replica. Operations that wait while earlier bundles
 * are under way form the next bundle; a lone one leaves at once. An outcome is never a guess: an operation is committed
 * (enough replicas gave equal answers), rejected (known never to execute) or unknown (the deadline passed; it may yet
 * execute). All functions may be called from any thread.
 */
#ifndef REDOUBT_CLIENT_H
#define REDOUBT_CLIENT_H

#include <redoubt/app.h>

#ifdef __cplusplus
extern "C" {
#endif

struct redoubt_client;

/* How redoubt_submit_read and redoubt_call_read read. */
enum redoubt_read_mode {
    REDOUBT_READ_ORDERED = 0,  /* as every operation: in its place in the order (the default) */
    REDOUBT_READ_SOUND = 1,    /* without an order where that is just as good; else ordered */
    REDOUBT_READ_PUBLISHED = 2 /* f+1 equal answers, as papers have it: MAY BE STALE, for comparisons only */
};

struct redoubt_client_options {
    size_t struct_bytes; /* sizeof(struct redoubt_client_options), for later versions */
    int origin;          /* number of the client in the cluster; -1 (default): the first that is free */
    unsigned bundles_in_flight; /* default 4, at most 64 */
    unsigned bundle_ops_max;    /* default and at most 1024; 1: no bundling */
    int alone;                  /* 1: every bundle asks for a slot of its own (to measure without batching) */
    size_t queue_max;           /* operations that may wait; default 65536; more are rejected */
    unsigned retry_ms;          /* first retransmission, then doubling; default 300 */
    enum redoubt_read_mode
        read_mode; /* SOUND: opening fails with -ENOTSUP where `fast_reads` is off (hybster apart) */
};

enum redoubt_outcome_kind {
    REDOUBT_COMMITTED = 0, /* status and result are those of the replicated service */
    REDOUBT_REJECTED = 1,  /* known never to execute: too large, queue full, client closing */
    REDOUBT_UNKNOWN = 2    /* the deadline passed */
};

struct redoubt_outcome {
    enum redoubt_outcome_kind kind;
    enum redoubt_status status; /* when committed */
    const uint8_t *result;      /* when committed; redoubt_call: yours until redoubt_outcome_clear,
                                     in a callback: borrowed for its duration */
    size_t result_bytes;
    uint64_t slot;      /* place in the order, when committed; 0: read without an order */
    const char *reason; /* when not committed: one clear sentence, static */
    uint64_t latency_us;
};

/* Fills in the defaults. */
void redoubt_client_options_init(struct redoubt_client_options *options);

/* Connects to the cluster described in `dir` (endpoints.json, the signed manifest, a client key). `options` may be
 * NULL. Returns 0, or a negative errno value; redoubt_client_error(NULL) then says what is wrong (per thread). */
int redoubt_client_open(struct redoubt_client **client, const char *dir,
                        const struct redoubt_client_options *options);

/* Ends all operations under way as unknown (their callbacks run) and frees the client. */
void redoubt_client_close(struct redoubt_client *client);

/* Called once per operation, on the client's own thread; must not block and must not call redoubt_call or close. */
typedef void (*redoubt_done)(void *context, const struct redoubt_outcome *outcome);

/* Queues an operation; `op` is copied. Returns 0; or a negative errno value and the callback will not run (-EMSGSIZE: too
 * large; -EAGAIN: queue full; -ECANCELED: closing). `timeout_ms` 0 stands for 5000. */
int redoubt_submit(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                   redoubt_done done, void *context);

/* The same, waiting for the outcome. Returns 0 and the outcome (which may be rejected or unknown). */
int redoubt_call(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                 struct redoubt_outcome *outcome);
void redoubt_outcome_clear(struct redoubt_outcome *outcome);

/* The same for operations that only read, in the read_mode that the client was opened with. What would write, or depends on
 * time, is ordered as by redoubt_submit, and so is whatever the replicas do not agree on at once. */
int redoubt_submit_read(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                        redoubt_done done, void *context);
int redoubt_call_read(struct redoubt_client *client, const void *op, size_t op_bytes, unsigned timeout_ms,
                      struct redoubt_outcome *outcome);

/* Counters: what this client saw. */
struct redoubt_client_counters {
    size_t struct_bytes;
    uint64_t bundles, retransmissions, signed_bundles, replies, bad_replies, conflicting_replies,
        fetched_results;
    unsigned replicas_connected, replicas;
    unsigned quorum; /* so many replicas that answer alike are needed */
    uint64_t unordered_reads, ordered_reads; /* of those submitted as reads, unless read_mode is ordered */
};
void redoubt_client_counters(struct redoubt_client *client, struct redoubt_client_counters *counters);

/*
 * Order. What a client has under way at the same time may be executed in any order. The operations of one *lane* are executed, and
 * told, in the order in which they were submitted to it: those that wait together travel in one bundle, and the next follow when all
 * of these have an outcome. So a lane is for one connection or one user who relies on order; there may be many thousands, and
 * those of different lanes share bundles. Behind an operation whose outcome is unknown nothing more of its lane is sent: all that is
 * there, or comes, is rejected, and a lane that was opened anew goes on. An operation's deadline is never before that of the one before it.
 */
struct redoubt_lane;

/* NULL: out of memory. */
struct redoubt_lane *redoubt_lane_open(struct redoubt_client *client);
/* As redoubt_submit; -EPIPE: an earlier one's outcome is unknown. */
int redoubt_lane_submit(struct redoubt_lane *lane, const void *op, size_t op_bytes, unsigned timeout_ms,
                        redoubt_done done, void *context);
/* The lane is not used any more. What was submitted goes on, and its callbacks run. Before the client is closed. */
void redoubt_lane_close(struct redoubt_lane *lane);

/* What went wrong last (client NULL: in redoubt_client_open on this thread). Never NULL. */
const char *redoubt_client_error(const struct redoubt_client *client);

#ifdef __cplusplus
}
#endif

#endif
