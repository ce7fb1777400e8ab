/*
 * The Prophecy middlebox, behind a front: reads that were ordered before are answered on one replica's word.
 *
 *   its own thread's loop: reach.h's sockets --> what arrived --> run: sketches, votes --> outcomes
 *
 * A sketch is what a request gave when it was ordered last (by a full vote), and the version of what it reads. A request that has
 * one is not ordered: one replica, drawn by lot among those that answer, says which version that is now. The same one: answered. Any
 * other answer, or none in time: ordered, and the sketch is of then. Writes do not touch the table. So a read may be stale: the
 * replica may lag, or lie. It is what the request gave once, and of no earlier time than what this middlebox told of the same
 * request before ("delay-once" consistency).
 *
 * In the published design the replica executes the read and sends its reply, of which the table has a digest. Here Execution
 * attests the version, as to a Troxy's fast read, and the table has the reply: nothing that a Troxy does not need is asked of the
 * replicas, and a lying replica can decide only when a read is stale, as there.
 */
#ifndef HOST_GATEWAY_PROPHECY_H
#define HOST_GATEWAY_PROPHECY_H

#include "config.h"
#include "reach.h"
#include "troxy/access.h"

struct prophecy;

/* With the key of client `origin` of the cluster in config->dir (-1: the first that is free), and so many bytes for sketches. `config` and
 * `service` stay the caller's. -1 and the error. */
int prophecy_new(struct prophecy **out, const struct config *config, const char *dir, int origin,
                 const struct redoubt_service *service, size_t sketch_bytes, struct error *error);
struct access_source prophecy_source(struct prophecy *prophecy);
/* On this loop, in whose turns the source runs: `wake` asks for one. Until prophecy_stop. */
void prophecy_start(struct prophecy *prophecy, uv_loop_t *loop, void (*wake)(void *waker), void *waker);
/* Before the loop is closed. Outcomes that are missing are told nobody. */
void prophecy_stop(struct prophecy *prophecy);
void prophecy_free(struct prophecy *prophecy);

/* Appends its counters, for Prometheus. */
void prophecy_print(const struct prophecy *prophecy, struct buffer *body);

#endif
