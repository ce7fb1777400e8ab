/*
 * The shape of a compartment: a state machine that is given frames and time and leaves frames in an outbox. It reads
 * no clock, opens nothing, allocates only from its arena, and calls nothing outside itself but its service.
 *
 *   init    draws keys, leaves a HELLO in the outbox (public keys, evidence)
 *   step    one frame. The first that matters is START (the manifest); before it everything else is refused
 *   flush   after the last frame of a run: deferred work. Returns true when it wants to be called again
 *
 * The same source runs under every isolation: called directly (`inline`, simulator) or by trusted/shell (`process`).
 * Time comes with every call. Local commands of the replica's own host are frames too (see wire/frame.h, LOCAL_*):
 * they are unauthenticated and may only cost liveness.
 */
#ifndef BASE_COMPARTMENT_H
#define BASE_COMPARTMENT_H

#include "base/arena.h"
#include "base/types.h"
#include "base/verdict.h"

/* Frames that a compartment leaves: records of u32 length, u32 zero, the frame, padding to 8 bytes. */
struct outbox {
    uint8_t *data;
    size_t cap;
    size_t len;
};

/* An outbox must have room for this before every step and flush: one largest frame and the small ones beside it. */
#define OUTBOX_MIN_BYTES (6u * 1024u * 1024u)

struct redoubt_service;
struct service_apart;
struct troxy_start;

struct compartment_config {
    enum kind kind;
    replica_id replica;
    epoch_no epoch;
    uint8_t admin_public[32]; /* whose START is obeyed; part of the evidence */
    bool one_domain; /* pbft: frames from co-located compartments come unauthenticated, and all three ... */
    uint8_t domain_seed[32]; /* ... derive the same keys from this seed, which their host drew */
    bool keeps_stable; /* hybster, Execution only: the state of the stable checkpoint is kept for peers */
    bool durable;      /* durability: sync: what is promised is sealed and given to the host first */
    uint8_t
        sealing_secret[32]; /* of the platform, for this replica; the host keeps it for its compartments */
    const struct redoubt_service *service; /* Execution only */
    const struct service_apart *apart;     /* Execution only; NULL but for a service in another process */
    const char *service_options;           /* Execution and `standalone` only, never NULL */
    const struct troxy_start *troxy;       /* Troxy only */
};

struct compartment_input {
    const uint8_t *frame;
    size_t len;
    bool local; /* handed over by a co-located compartment; believed only when one_domain */
    uint64_t now_us;
};

struct compartment_type {
    enum kind kind;
    size_t arena_bytes; /* least arena for init */
    /* State lives in the arena. */
    void *(*init)(struct arena *arena, const struct compartment_config *config, struct outbox *out);
    enum verdict (*step)(void *state, const struct compartment_input *in, struct outbox *out);
    bool (*flush)(void *state, uint64_t now_us, struct outbox *out);
    /* Checks every invariant; fails an assert. For tests and the simulator. */
    void (*validate)(const void *state);
};

/* Reserves a record for a frame of up to `max` bytes and returns where it goes; outbox_commit gives its true length. */
uint8_t *outbox_reserve(struct outbox *out, size_t max);
void outbox_commit(struct outbox *out, size_t len);

/* Walks the records: *at starts at 0; false at the end. */
bool outbox_next(const struct outbox *out, size_t *at, struct slice *frame);

extern const struct compartment_type preparation_type;
extern const struct compartment_type confirmation_type;
extern const struct compartment_type execution_type;
extern const struct compartment_type counter_type;

#endif
