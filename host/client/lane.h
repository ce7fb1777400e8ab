/*
 * Lanes: operations of one client that keep their order (redoubt/client.h). A lane has at most one bundle under way:
 *
 *     submitted -> waiting, in order -> in the core: as many from the front as go into one bundle -> outcome
 *                        ^                                                             |
 *                        +------- the next ones, when all of these have one -----------+
 *
 * Within a bundle Execution keeps the order, and what it wants in another one (always all from some operation on) goes into
 * one bundle again, see core.c. On the loop's thread, but for lane_client.
 */
#ifndef HOST_CLIENT_LANE_H
#define HOST_CLIENT_LANE_H

#include "client/instance.h"

struct redoubt_client *lane_client(const struct redoubt_lane *lane);

/* Why operations of a lane are rejected after one of unknown outcome. */
extern const char lane_broken[];

/* Takes an operation (copied), or closes the lane. 0; -EAGAIN: too many wait, or no memory; -EPIPE: it is broken. Then the
 * callback will not run. */
int lane_on_inbox(const struct client_submission *submission, const void *op);
/* Gives the core what it may have now. Before the core is flushed. */
void lanes_flush(struct redoubt_client *client);
/* The core was closed: rejects what waits, and frees all lanes. */
void lanes_close(struct redoubt_client *client);

/* client.c: into the inbox, from another thread. 0 or a negative errno value. */
int client_hand_over(struct redoubt_client *client, const struct client_submission *submission,
                     const void *op);

#endif
