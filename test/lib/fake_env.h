/*
 * An environment for services under test: memory from malloc, digests by BLAKE2b, and a record of what the service did.
 * A release whose size differs from what was allocated ends the program.
 */
#ifndef FAKE_ENV_H
#define FAKE_ENV_H

#include "redoubt/app.h"

struct fake_env {
    struct redoubt_env env; /* hand this to the service; first, so that the service's pointer is also ours */
    uint64_t live_bytes;    /* allocated and not released */
    uint64_t peak_bytes;
    uint64_t allocs_left; /* allocations until alloc returns NULL; UINT64_MAX: never */
    uint64_t touches;
    void (*on_touch)(void *context, uint64_t leaf); /* may be NULL */
    void *context;
};

/* Bytes before every allocation. */
#define FAKE_HEAD 16u

void fake_env_init(struct fake_env *fake);

/* Digests made by all environments together: `digest` is told no environment. */
extern uint64_t fake_digests;
extern uint64_t fake_digest_bytes;

/* A growing buffer that collects what leaf_save writes. */
struct fake_sink {
    struct redoubt_sink sink;
    uint8_t *data;
    size_t bytes;
    size_t capacity;
};
void fake_sink_init(struct fake_sink *sink);
void fake_sink_clear(struct fake_sink *sink);
void fake_sink_free(struct fake_sink *sink);

#endif
