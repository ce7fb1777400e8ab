/*
 * The client side of ordering: bundles operations, sends them to all replicas, and votes on what comes back.
 * Pure: frames and time in, frames and outcomes out. It reads no clock, opens nothing, and takes memory only from where
 * it was told to; many can live in one thread. host/client puts threads and sockets around one, sim/ a fake network.
 *
 *   submit    queues an operation
 *   flush     sends bundles, as long as fewer than `bundles_in_flight` are under way. Call it after every run of the
 *             others: what was submitted in one run goes together, so a lone operation leaves at once in a bundle of one
 *   on_frame  a frame from the connection to a replica
 *   on_timer  when now reaches next_timer
 *
 * It trusts nobody in particular: an outcome is told when `write_quorum` replicas gave equal answers under their own
 * pairwise keys, never because one said so. What a replica sends wrongly is a verdict, and counted.
 *
 * Callbacks run inside on_frame, on_timer and close. From an outcome's callback only client_core_submit may be called.
 */
#ifndef ORIGIN_CORE_H
#define ORIGIN_CORE_H

#include "base/verdict.h"
#include "origin/flight.h"
#include "origin/queue.h"

#define CLIENT_TO_ALL UINT32_MAX

/* Where frames go: the parts, put together, are one frame; they are borrowed for the call. */
struct client_wire {
    void *context;
    void (*send)(void *context, replica_id replica, const struct slice *parts, unsigned count);
};

struct client_core_options {
    uint32_t bundles_in_flight; /* 1 .. BUNDLE_WINDOW */
    uint32_t bundle_ops_max;    /* 1 .. BUNDLE_OPS_MAX */
    bool alone;                 /* every bundle asks for a slot of its own */
    bool versions;              /* replies are to say how old reads are: `learn` is told */
    /* What replicas want in another bundle is told as rejected, reason client_asked_again, instead of being sent again: then whoever
     * submits keeps the order. */
    bool hand_back;
    size_t queue_max; /* operations that wait */
    size_t queue_max_bytes;
    uint64_t retry_us; /* first retransmission, signed, then doubling */
    uint64_t fetch_us; /* least wait after the vote for full results that do not come by themselves */
};

extern const char client_asked_again[];

/* A result of a full vote that may be kept until its version is another one (with hybster, until something above it was written: then the version
 * is the place of the read itself), of an operation that was sent under the configuration
 * which is held; just before its outcome is told. `op` is its context; bytes are borrowed. */
typedef void (*client_learn)(void *learner, void *op, enum redoubt_status status, uint64_t version,
                             struct slice result);

struct client_core_config {
    const struct configuration *configuration; /* kept, not copied */
    origin_id origin;
    epoch_no epoch; /* higher than any that this origin has used */
    const struct sign_key *sign;
    const struct box_key *box;
    /* NULL: one is drawn. Else of an instance before, whose one bundle is sent again: with the same epoch and the same operations, or a
     * nonce repeats. */
    const struct box_key *session;
    struct client_memory memory;
    struct client_wire wire;
    struct client_core_options options;
    client_learn learn; /* with options.versions */
    void *learner;
};

struct client_core_counters {
    uint64_t bundles, retransmissions, signed_bundles;
    uint64_t replies;             /* authentic and counted */
    uint64_t bad_replies;         /* not authentic, malformed, of another configuration */
    uint64_t conflicting_replies; /* of a replica that said something else before, or than the quorum */
    uint64_t fetched_results;     /* bundles whose full results had to be asked for */
    uint64_t retried_operations;  /* sent again in another bundle because replicas said so */
    uint64_t newer_configuration; /* replies that name one which is not held yet: it is asked for */
};

struct client_core {
    struct auth auth;
    const struct configuration *configuration;
    struct configuration *followed; /* own copy, once a CONFIGURATION came */
    uint64_t configuration_asked_us[REPLICAS_MAX];
    struct client_memory memory;
    struct client_wire wire;
    struct client_core_options options;
    client_learn learn;
    void *learner;
    struct client_core_counters counters;
    struct box_key session; /* mostly one per instance, so a nonce never repeats */
    struct secret_key content_key;
    struct secret_key reply_key[REPLICAS_MAX];
    struct secret_key attest_key[REPLICAS_MAX]; /* known when reply_key is */
    struct secret_key read_key[REPLICAS_MAX];   /* and this one */
    /* With their Troxies, where these certify: of certificates and attestations. */
    struct secret_key certify_key[REPLICAS_MAX], floors_key[REPLICAS_MAX];
    bool reply_key_known[REPLICAS_MAX];
    bool slow_results[REPLICAS_MAX]; /* its full results had to be fetched elsewhere last time */
    struct client_queue queue;
    struct client_flight *flight[BUNDLE_WINDOW]; /* by bundle number modulo BUNDLE_WINDOW */
    uint32_t flights;
    uint64_t oldest;             /* no lower bundle number is under way */
    uint64_t next;               /* number of the next bundle */
    uint32_t sign_first;         /* bundles that go out signed at once, since replicas want that of us */
    struct client_flight *spare; /* one emptied flight, kept */
    struct client_bytes opened;
    struct client_bytes scratch;
    bool session_open; /* a bundle was executed: a quorum knows the session ... */
    configuration_no
        session_number; /* ... and has executed all that was acknowledged before this number came to be held */
    bool closed;
};

void client_core_options_init(struct client_core_options *options);

/* False when memory is lacking or the configuration has no such origin or a degenerate key. */
bool client_core_init(struct client_core *core, const struct client_core_config *config);
/* Ends everything: what was sent as unknown, what was not as rejected. Then only deinit may follow. */
void client_core_close(struct client_core *core, uint64_t now_us);
void client_core_deinit(struct client_core *core);

/* Queues an operation (copied). 0; -EMSGSIZE, -EAGAIN or -ECANCELED, and `done` will not run. */
int client_core_submit(struct client_core *core, const void *op, size_t len, uint64_t deadline_us,
                       redoubt_done done, void *context, uint64_t now_us);
void client_core_flush(struct client_core *core, uint64_t now_us);

/* A frame that came from `replica`'s host. */
enum verdict client_core_on_frame(struct client_core *core, replica_id replica, const uint8_t *data,
                                  size_t len, uint64_t now_us);
/* A connection came up: it is sent what is under way. */
void client_core_on_connected(struct client_core *core, replica_id replica, uint64_t now_us);
/* A newer configuration; a lower number than the one held is refused (false), votes under the old one are dropped. */
bool client_core_on_configuration(struct client_core *core, const struct configuration *configuration);

void client_core_on_timer(struct client_core *core, uint64_t now_us);
/* UINT64_MAX: never. */
uint64_t client_core_next_timer(const struct client_core *core);

/* Would an operation of this length go into the same bundle as the one that was queued last? */
bool client_core_joins(const struct client_core *core, size_t len);

/* Asks this replica's host for what comes after the configuration held; not too often. */
void client_core_ask_configuration(struct client_core *core, replica_id replica, uint64_t now_us);

/* Operations queued and not yet sent; operations are told their outcome once, in all. */
static inline size_t client_core_waiting(const struct client_core *core)
{
    return core->queue.ops;
}

/* Checks every invariant; fails an assert. For tests and the simulator. */
void client_core_validate(const struct client_core *core);

#endif
