/*
 * Connections of native clients: plain TCP with frames (u32 length, frame) both ways. Everything in them is authenticated
 * or encrypted from end to end, so there is no TLS here; a connection says nothing about who its client is.
 */
#ifndef HOST_CLIENTS_H
#define HOST_CLIENTS_H

#include "sockets.h"

#define CLIENTS_MAX 2048u /* connections; the process has 4096 descriptors for all */
#define CLIENT_OUT_MAX                                                                                       \
    (8u * 1024u * 1024u) /* waiting to be sent to one client; beyond it the connection is closed */
#define CLIENT_FRAME_MAX    (BUNDLE_BODY_MAX + 65536u)
#define CLIENT_IN_TOTAL_MAX (256u * 1024u * 1024u) /* incomplete frames of all clients together */
#define CLIENT_FRAME_MS     10000u                 /* a frame that was begun has to be complete by then */

struct client;

struct clients_events {
    void *context;
    void (*on_frame)(void *context, uint32_t connection, struct slice frame);
    void (*on_gone)(void *context, uint32_t connection);
};

struct clients {
    uv_loop_t *loop;
    uint16_t port;
    struct clients_events events;
    struct listener listener;
    struct client *at[CLIENTS_MAX];
    uint32_t free[CLIENTS_MAX];
    uint32_t free_count;
    uint32_t dirty[CLIENTS_MAX]; /* connections with something to flush */
    uint32_t dirty_count;
    uint32_t count;
    size_t in_total;
    uv_timer_t timer;
    bool open, paused;
    uint64_t bytes_in, bytes_out, garbage, refused;
};

void clients_open(struct clients *clients, uv_loop_t *loop, uint16_t port, int listen_fd,
                  const struct clients_events *events);
void clients_close(struct clients *clients);

void clients_send(struct clients *clients, uint32_t connection, const struct slice *parts, unsigned count);
void clients_drop(struct clients *clients, uint32_t connection, const char *why);
void clients_flush(struct clients *clients);
void clients_pause(struct clients *clients, bool paused);

#endif
