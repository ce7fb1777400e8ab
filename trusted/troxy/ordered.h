/*
 * An `access` that orders every operation: the client core of any native client, as one origin, under the front.
 *
 * Bundles of one origin may be executed in another order than they were sent in, and what one has no room for is sent again later.
 * So that a connection's operations take effect in its order, connections are dealt out to a few lanes, and a lane sends its next
 * bundle only when everything of the one before was told. What was submitted meanwhile goes together.
 */
#ifndef TROXY_ORDERED_H
#define TROXY_ORDERED_H

#include "base/compartment.h"
#include "crypto/crypto.h"
#include "ordering/configuration.h"
#include "troxy/access.h"

struct ordered;

struct ordered_wire {
    void *context;
    /* To one replica's client port, or to all (FRONT_TO_ALL). May drop it. */
    void (*send)(void *context, uint32_t replica, const struct slice *parts, unsigned count);
};

/* Takes memory from the arena, and what it needs of it later. */
struct ordered *ordered_new(struct arena *arena, const struct ordered_wire *wire, access_done done,
                            void *context);
void ordered_access(struct ordered *ordered, struct access *access);

/* From START on: `configuration` is kept, not copied. False when it does not list these keys as an origin's. */
bool ordered_begin(struct ordered *ordered, const struct configuration *configuration,
                   const struct sign_key *sign, const struct box_key *box, epoch_no epoch);

/* A frame from the client port of a replica, and whether it is reached. */
enum verdict ordered_on_frame(struct ordered *ordered, replica_id replica, const uint8_t *data, size_t len,
                              uint64_t now_us);
void ordered_on_link(struct ordered *ordered, replica_id replica, bool up, uint64_t now_us);

/* Sends what waits, as far as it may; ends what has no time left. */
void ordered_run(struct ordered *ordered, uint64_t now_us);
/* UINT64_MAX: never. */
uint64_t ordered_next_timer(const struct ordered *ordered);
void ordered_validate(const struct ordered *ordered);

#endif
