/*
 * Whoever says which versions cells have now: asked under a nonce, answers that authentically or not at all. The Execution
 * compartments of the replicas, from executed state; or with hybster their Troxies, from floors (troxy/witness.h).
 */
#ifndef TROXY_ATTESTOR_H
#define TROXY_ATTESTOR_H

#include "origin/core.h"
#include "wire/attestation.h"

/* An answer, authentic. */
struct attestation {
    replica_id from;
    uint64_t nonce;
    configuration_no number; /* of the configuration that its sender acts by */
    struct slice versions;   /* u64 each, in the order of the questions; in `room` */
    uint8_t room[8 * QUESTIONS_MAX + AEAD_TAG_BYTES];
};

struct attestor {
    void *self;
    /* Sends these questions to one of them. */
    void (*ask)(void *self, replica_id replica, uint64_t nonce, struct slice questions);
    /* VERDICT_ACCEPT, or why not. */
    enum verdict (*open)(void *self, const struct frame *frame, struct attestation *answer);
};

/* The Execution compartments, by the session of this core (kept, not copied). */
struct attestor attestor_execution(struct client_core *core);
/* The Troxies, by the keys that this core has with them. */
struct attestor attestor_troxy(struct client_core *core);

#endif
