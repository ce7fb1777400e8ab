/*
 * The one interface between a protocol's untrusted core and whoever drives it (host/replica.c, sim/).
 *
 * Contract
 *   - `step` takes one event and the time, and emits actions. The same events give the same actions.
 *   - Actions are carried out in the order emitted. A PERSIST is durable before any later SEND_PEER, and any later GIVE with
 *     `held`, is carried out. Other GIVEs need not wait: what a compartment of this replica makes of them comes behind it in
 *     the same log, and a log is lost from its end only. Nor need SEND_CLIENT: E executes only what 2f+1 C committed to,
 *     each COMMIT durable before E saw it. (With `durability: memory` nothing is persisted and none is emitted.)
 *   - Inputs are borrowed for the call. Slices in an action are valid during `emit` only: the driver copies them into
 *     its ring or socket buffer there and then.
 *   - An engine opens nothing, reads no clock, and allocates only from the arena it was given.
 *   - What an engine decides can cost liveness only; safety is the compartments'.
 */
#ifndef PROTOCOL_ENGINE_H
#define PROTOCOL_ENGINE_H

#include "base/arena.h"
#include "ordering/configuration.h"
#include "wire/local.h"

enum event_kind {
    EVENT_PEER,        /* frame from the host of replica `from` (the link says who) */
    EVENT_CLIENT,      /* frame from client connection `from`; the administrator comes this way too */
    EVENT_CLIENT_GONE, /* client connection `from` closed */
    EVENT_COMPARTMENT, /* frame from this replica's compartment of kind `from` */
    EVENT_PEER_UP,     /* link to replica `from` was (re)established */
    EVENT_TIMER,       /* the time asked for by ACTION_TIMER has come */
    EVENT_RUN_END,     /* the driver has delivered all that waited: batching decisions are taken now */
    EVENT_RECONFIG,    /* a RECONFIG of this replica's own launcher */
    EVENT_STOP_VOTING, /* a compartment of this replica died, or its disk failed: no more proposals or leaving of views */
    EVENT_VOTE_AGAIN, /* the disk has room again */
};

struct event {
    enum event_kind kind;
    uint32_t from;
    uint64_t now_us;
    struct slice frame;
};

enum action_kind {
    ACTION_PERSIST, /* `parts` (a record `to`, enum persist_kind) durable before what follows; see the contract */
    ACTION_SEND_PEER,   /* to the host of replica `to`, or PEER_ALL others */
    ACTION_SEND_CLIENT, /* to client connection `to` */
    ACTION_DROP_CLIENT, /* close client connection `to`: it sent what no correct client sends */
    ACTION_GIVE, /* to this replica's compartment of kind `to`; `local`: comes from a co-located compartment */
    ACTION_TIMER, /* wake me at `at_us` (replaces the earlier one) */
    ACTION_TRACE, /* a line for the trace, in parts[0] */
};

#define PEER_ALL UINT32_MAX

struct action {
    enum action_kind kind;
    uint32_t to;
    bool local;
    bool held; /* GIVE: waits for the PERSISTs before it */
    uint64_t at_us;
    struct slice parts[2]; /* the frame, or the record, in one or two pieces */
    /* PERSIST. */
    bool
        full; /* earlier records of this kind are needed no more; E's: once the checkpoint at `slot` is stored */
    slot_no slot;         /* which it is about */
    struct digest digest; /* of the batch or bundle */
};

/* Records of a replica's log; the sealed ones by the kind of their compartment. */
enum persist_kind {
    PERSIST_PREPARATION = KIND_PREPARATION,
    PERSIST_CONFIRMATION = KIND_CONFIRMATION,
    PERSIST_EXECUTION = KIND_EXECUTION,
    PERSIST_LIST = 5,   /* a batch: the attachment of its PRE-PREPARE */
    PERSIST_BUNDLE = 6, /* a bundle's frame */
    PERSIST_CONFIGURATION =
        7, /* a CONFIGURATION's frame: kept until a later START; durable at once, not in the log */
};

struct actions {
    void (*emit)(struct actions *actions, const struct action *action);
};

struct engine_config {
    replica_id replica;
    uint64_t
        request_timeout_us; /* how long a bundle may wait before it is asked for signed, and then before the view is left */
    uint32_t pipeline;       /* slots under way at once; 0: default */
    uint64_t body_bytes_max; /* bundles kept in memory; 0: default */
    uint64_t state_rate;     /* bytes of state in a second for replicas that lag; 0: default */
    bool trace;
    bool durable; /* durability: sync */
};

struct engine_status {
    view_no view;
    bool in_view;
    bool voting; /* false after EVENT_STOP_VOTING */
    slot_no executed;
    slot_no stable;
    slot_no newest; /* highest slot heard of */
    slot_no lag;    /* behind the f+1-st highest of the others */
    uint64_t batches_proposed, bundles_received, bundles_refused, retransmissions, view_changes,
        origins_on_signatures;
    uint64_t bodies_held, body_bytes;
    uint64_t state_transfers;
    uint64_t state_bytes_served;
    struct local_transfer transfer; /* of the state that this replica fetches, or fetched last */
    configuration_no configuration; /* the highest held */
    slot_no activation;             /* of the latest change; pending while `stable` is below */
    epoch_no epoch[3];              /* of this replica's P, C and E, as listed */
    bool full; /* all that is listed is in force, and P has entered a view since it started */
};

struct engine_type {
    const char *name;
    size_t (*arena_bytes)(const struct engine_config *config);
    void *(*init)(struct arena *arena, const struct engine_config *config);
    /* The signed manifest, once (copied), and its frame, for clients that know an earlier one; before it every event but RUN_END is
     * refused. */
    void (*start)(void *engine, const struct configuration *configuration, struct slice manifest,
                  uint64_t now_us, struct actions *actions);
    /* Between start and the first step, when there is a log: where own E stands, then CONFIGURATIONs, lists and bundles. */
    void (*resume)(void *engine, slot_no executed, slot_no stable);
    void (*recall)(void *engine, enum persist_kind kind, slot_no slot, struct slice bytes);
    void (*step)(void *engine, const struct event *event, struct actions *actions);
    void (*status)(const void *engine, struct engine_status *status);
    /* The highest configuration held; its number rises. NULL before `start`. */
    const struct configuration *(*configuration)(const void *engine);
    /* Verdicts on frames that the engine itself refused. */
    const uint64_t *(*verdicts)(const void *engine);
    void (*validate)(const void *engine);
};

extern const struct engine_type splitbft_engine;

#endif
