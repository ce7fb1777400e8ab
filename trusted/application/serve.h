/*
 * The application's side: carries out the calls of Execution (call.h) on a service, and answers them. It keeps of the
 * engine's knowledge what it was told by FREEZE and SERVE: which leaves' digests and bytes are wanted before they change.
 */
#ifndef APPLICATION_SERVE_H
#define APPLICATION_SERVE_H

#include "application/call.h"
#include "base/arena.h"

#define SERVE_EVENTS_BYTES (64u * 1024u)

struct application {
    struct redoubt_env env;
    const struct redoubt_service *service;
    void *state; /* NULL: not created */
    struct arena *arena;
    bool refused; /* it had less memory than the service asked for */
    struct application_link link;
    bool changing; /* a call that may touch leaves is being carried out */
    uint64_t last_touched;
    uint64_t freeze_leaves, serve_leaves; /* FREEZE, SERVE: of leaves below */
    size_t group_bytes;                   /* results of the group of RUNs under way */
    size_t events, incoming;              /* bytes */
    size_t outgoing, outgoing_needed;     /* the same, if they differ the leaf was too large */
    uint64_t pending[LEAVES_MAX / 64];    /* FREEZE */
    uint64_t saved[LEAVES_MAX / 64];      /* since SERVE */
    uint8_t event[SERVE_EVENTS_BYTES];    /* TOUCHES to come */
    uint8_t result[REPLY_BODY_MAX + OP_MAX];
    uint8_t touched[BUNDLE_OPS_MAX * TOUCHED_BYTES_MAX];
    uint8_t in[LEAF_BYTES_MAX];
    uint8_t out[LEAF_BYTES_MAX];
};

/* `a` is zeroed and page-aligned memory, which is touched as it is needed; *link is copied. */
void application_init(struct application *a, const struct redoubt_service *service, struct arena *arena,
                      const struct application_link *link);
/* Carries out one call; a malformed one ends in link.fail. */
void application_on_call(struct application *a, const uint8_t *frame, size_t len);

#endif
