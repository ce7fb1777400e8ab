/*
 * The sockets of a front: listeners for stock clients, and what passes between their connections and the Troxy, as frames
 * (wire/front.h). The host sees ciphertext and counts it; what it means is not its business.
 *
 * A connection's number is used again once both sides have said LOCAL-CLOSED. At most FRONT_IN_WINDOW bytes of one connection are
 * with the Troxy; until it gives credit the socket is not read.
 */
#ifndef HOST_DOORS_H
#define HOST_DOORS_H

#include "sockets.h"
#include "wire/front.h"

#define DOOR_STALLED_MS 30000u /* a client that reads nothing of what waits for it */
#define DOOR_LINGER_MS                                                                                       \
    2000u /* after the last byte out: what still comes is read, or the client would lose its end */

struct door;
struct doors;

struct doors_events {
    void *context;
    /* To the Troxy; never refused. */
    void (*give)(void *context, const struct slice *parts, unsigned count);
};

struct doors_listener {
    struct listener listener; /* first */
    enum front_listener kind;
    uint16_t port;
    bool open;
};

struct doors {
    uv_loop_t *loop;
    struct doors_events events;
    struct doors_listener listener[LISTENERS];
    struct door *at[FRONT_CONNECTIONS_MAX]; /* NULL: there is no socket */
    bool awaited[FRONT_CONNECTIONS_MAX];    /* ... but the Troxy's last word is still to come */
    uint32_t free[FRONT_CONNECTIONS_MAX];
    uint32_t free_count;
    uint32_t dirty[FRONT_CONNECTIONS_MAX]; /* with something to flush */
    uint32_t dirty_count;
    uv_timer_t timer;
    bool open, paused;
    uint32_t count; /* sockets */
    uint64_t accepted, refused, bytes_in, bytes_out;
    uint64_t ended[FRONT_ENDS]; /* by the Troxy */
};

/* Takes the descriptors over; -1: no such listener. */
void doors_open(struct doors *doors, uv_loop_t *loop, const int fd[LISTENERS], const uint16_t port[LISTENERS],
                const struct doors_events *events);
void doors_close(struct doors *doors);

/* A frame of the Troxy; false: not about connections. */
bool doors_on_frame(struct doors *doors, const struct frame *frame);
/* Writes what waits, once for each connection. */
void doors_flush(struct doors *doors);
/* Stops reading everywhere. */
void doors_pause(struct doors *doors, bool paused);
/* The Troxy is gone, and with it what it knew: all connections end, all numbers are free. */
void doors_forget(struct doors *doors);

#endif
