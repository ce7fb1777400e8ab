/*
 * From a Troxy to the client port of every replica, its own one's included: plain TCP with frames both ways, like any native client.
 * Everything in them is authenticated or encrypted from end to end. Connects again and again, with back-off.
 */
#ifndef HOST_REACH_H
#define HOST_REACH_H

#include "sockets.h"

#define REACH_OUT_MAX (16u * 1024u * 1024u) /* for a replica that does not read; more is dropped, and sent again by the Troxy */

struct reach_link;

struct reach_events {
    void *context;
    void (*on_frame)(void *context, replica_id replica, struct slice frame);
    void (*on_link)(void *context, replica_id replica, bool up);
};

struct reach {
    uv_loop_t *loop;
    const struct config *config; /* addresses, as they are when it connects */
    struct reach_events events;
    struct reach_link *link[REPLICAS_MAX];
    uint64_t retry_at_ms[REPLICAS_MAX];
    uint32_t backoff_ms[REPLICAS_MAX];
    uv_timer_t timer;
    bool open, paused;
};

void reach_open(struct reach *reach, uv_loop_t *loop, const struct config *config,
                const struct reach_events *events);
void reach_close(struct reach *reach);
/* To one replica, or to all (FRONT_TO_ALL). Without a connection it is dropped. */
void reach_send(struct reach *reach, uint32_t replica, struct slice frame);
void reach_flush(struct reach *reach);
void reach_pause(struct reach *reach, bool paused);
/* Tells once more which are up: to a Troxy that has just begun. */
void reach_tell(struct reach *reach);

#endif
