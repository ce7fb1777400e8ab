/*
 * A front without a cluster: `access` over a service in the same process, and the compartment that `redoubt standalone` runs. Operations are executed
 * one after the other as they come, with the time of the turn; nothing is replicated and nothing is kept on a disk.
 *
 * The compartment takes another source of outcomes, too: `redoubt gateway` gives it the client library.
 */
#ifndef TROXY_ALONE_H
#define TROXY_ALONE_H

#include "base/compartment.h"
#include "redoubt/app.h"
#include "troxy/access.h"

struct alone;

/* NULL: the service refused its options, or memory is lacking. Takes memory from the arena, and all that is left of it as it is used. */
struct alone *alone_new(struct arena *arena, const struct redoubt_service *service, const char *options);
struct access_source alone_source(struct alone *alone);

/* The compartment; its config has `troxy`, whose settings need no origin's keys. */
extern const struct compartment_type standalone_type;

#endif
