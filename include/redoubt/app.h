/*
 * A replicated service: what Redoubt's Execution compartment calls.
 *
 * A service is a deterministic state machine. Every replica runs the same operations in the same order and must
 * reach the same state, byte for byte; so a service reads no clock, draws no randomness and opens nothing: time and
 * randomness come with the operation. It runs inside the Execution compartment, behind a system call filter, and
 * allocates only through the environment it was given.
 *
 * The state is shown as numbered *leaves* (about 16 keys each in kv). The engine keeps one digest per leaf in a Merkle
 * tree, asks only for the digests of leaves that were touched since the last checkpoint, and moves single leaves to
 * replicas that lag. So: call `env->touch(env, leaf)` BEFORE the first change of a leaf in an operation (calling it
 * again is cheap and harmless). At that moment the leaf must still have its old content.
 *
 * Ownership: pointers in arguments are borrowed for the call. What `alloc` returned belongs to the service.
 */
#ifndef REDOUBT_APP_H
#define REDOUBT_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REDOUBT_APP_ABI      4u
#define REDOUBT_DIGEST_BYTES 32
/* An operation (request) and its result are at most this long. */
#define REDOUBT_OP_MAX_BYTES (1024u * 1024u + 4096u)
/* Operations or leaves that a service is told of in advance, see `expect`. */
#define REDOUBT_EXPECT_MAX 32
/* Keys named by one operation, see struct redoubt_keys. */
#define REDOUBT_KEYS_MAX 64

/* Outcome of one operation, as seen by the client. The service returns one of the first four. */
enum redoubt_status {
    REDOUBT_OK = 0,
    REDOUBT_NOT_FOUND = 1, /* executed; there is no such key */
    REDOUBT_CONFLICT = 2,  /* executed; a condition did not hold, nothing was changed */
    REDOUBT_INVALID = 3,   /* the operation is malformed or unknown to this service, nothing was changed */
    REDOUBT_DENIED = 4,    /* the origin may not do this (set by the engine) */
    REDOUBT_FULL = 5       /* the service's memory limit is reached, nothing was changed */
};

/* Borrowed bytes. */
struct redoubt_bytes {
    const void *data;
    size_t bytes;
};

/* What the engine gives a service; lives as long as the service. */
struct redoubt_env {
    void *engine; /* the engine's own */
    void *(*alloc)(const struct redoubt_env *env,
                   size_t bytes); /* NULL when the arena is full; 16-byte aligned */
    void (*release)(const struct redoubt_env *env, void *memory, size_t bytes); /* bytes as given to alloc */
    void (*touch)(const struct redoubt_env *env,
                  uint64_t leaf); /* before a leaf changes, appears or vanishes; this leaf, and others,
                                     * may be asked for their digests and bytes during it */
    void (*digest)(uint8_t out[REDOUBT_DIGEST_BYTES], const void *data,
                   size_t bytes); /* collision-resistant */
    /* `count` digests, each as `digest` gives it, for less than one after the other. */
    void (*digests)(uint8_t (*out)[REDOUBT_DIGEST_BYTES], const struct redoubt_bytes *in, size_t count);
};

/* One operation in its place in the total order. */
struct redoubt_op {
    const uint8_t *data; /* the request, `bytes` long */
    size_t bytes;
    uint32_t origin;     /* who asked: number of the client in the manifest */
    uint64_t slot;       /* place in the order: batch ... */
    uint32_t index;      /* ... and operation within the batch */
    uint64_t time_us;    /* the batch's agreed time, microseconds since 1970, never falling */
    const uint8_t *seed; /* 32 bytes, the same at every replica, unpredictable before the batch was ordered */
};

/* Where a result goes; the service writes at most `capacity` bytes to `data` and sets `bytes`. */
struct redoubt_result {
    uint8_t *data;
    size_t capacity; /* at least REDOUBT_OP_MAX_BYTES */
    size_t bytes;
    /* False before the call. The service sets it when the same operation on the same keys could give another result merely since
     * time passes, though nobody writes what `keys` names: a key that was read has an expiry, or the result tells the time or was
     * drawn from the seed. Nobody may then answer a later operation with this result. Part of what replicas must agree on. */
    bool is_volatile;
};

/* Keys that an operation reads and writes; `everything` or a prefix stands for the whole key space. */
struct redoubt_keys {
    struct {
        const uint8_t *key; /* into the operation, or to what stays */
        size_t bytes;
        bool write;
    } entry[REDOUBT_KEYS_MAX];
    uint32_t count;
    bool reads_all; /* a prefix, a listing, or more keys than fit */
    bool writes_all;
};

/* Receives a leaf's bytes piece by piece. */
struct redoubt_sink {
    void *context;
    void (*write)(struct redoubt_sink *sink, const void *data, size_t bytes);
};

struct redoubt_service {
    uint32_t abi;     /* REDOUBT_APP_ABI */
    const char *name; /* "kv" */

    /* Makes the empty state. `options` is the text after `service_options:` in the cluster file, never NULL.
     * Returns NULL when the options are wrong or memory is lacking. */
    void *(*create)(const struct redoubt_env *env, const char *options);

    /* Executes one ordered operation: changes the state, writes the result. */
    enum redoubt_status (*execute)(void *state, const struct redoubt_op *op, struct redoubt_result *result);

    /* Answers a read-only operation from the current state without changing it; REDOUBT_INVALID for an operation that
     * would write. */
    enum redoubt_status (*read)(const void *state, const struct redoubt_op *op,
                                struct redoubt_result *result);

    /* Names the keys of an operation; false when it is malformed. */
    bool (*keys)(const struct redoubt_op *op, struct redoubt_keys *keys);

    /* Leaves 0 .. leaf_count-1 hold the whole state. The count may change during execute (touch what moves). */
    uint64_t (*leaf_count)(const void *state);
    void (*leaf_digest)(const void *state, uint64_t leaf, uint8_t out[REDOUBT_DIGEST_BYTES]);
    void (*leaf_save)(const void *state, uint64_t leaf, struct redoubt_sink *sink);

    /*
     * Catching up: reset to the number of leaves that the others have, then leaf_load for every leaf that differs, leaf 0
     * before all others, these in any order. Nothing is executed or read until all of it is done.
     *
     * `reset` with `keep`: the same content regrouped into `leaf_count` leaves, so that leaves which nobody changed
     * since are what others have; false when that cannot be done, and the engine tries without `keep`: everything is
     * dropped, `leaf_count` empty leaves remain; false when there can be no state of so many leaves. Touches what it changes.
     */
    bool (*reset)(void *state, uint64_t leaf_count, bool keep);
    /* The digest that leaf `leaf` would have if `data` were what leaf_save wrote of it. The bytes come from a peer and
     * may be anything: false when no leaf is saved like that. The state does not change. */
    bool (*saved_digest)(const void *state, uint64_t leaf, const uint8_t *data, size_t bytes,
                         uint8_t out[REDOUBT_DIGEST_BYTES]);
    /* Replaces the content of one leaf by bytes whose saved_digest is what 2f+1 replicas signed. A leaf 0 that moves the
     * keys of other leaves empties those, touching them. False when memory is lacking, or when the bytes do not belong
     * here all the same; the leaf is empty then. */
    bool (*leaf_load)(void *state, uint64_t leaf, const uint8_t *data, size_t bytes);

    /* Optional, may be NULL: these operations are about to be executed, these leaves about to be digested, in this
     * order and at most REDOUBT_EXPECT_MAX of them. A service whose state is larger than the processor's cache can have
     * all that they need on its way at once, instead of waiting for one piece after the other. They change nothing. */
    void (*expect)(const void *state, const struct redoubt_op *ops, size_t count);
    void (*expect_leaves)(const void *state, const uint64_t *leaves, size_t count);
    /* Optional, may be NULL: leaf_digest of at most REDOUBT_EXPECT_MAX leaves. */
    void (*leaf_digests)(const void *state, const uint64_t *leaves, size_t count,
                         uint8_t (*out)[REDOUBT_DIGEST_BYTES]);
};

/* A service's own binary defines this symbol (see examples/service.c). */
extern const struct redoubt_service redoubt_service;

#endif
