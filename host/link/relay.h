/*
 * The sockets of an emulated line: takes connections, and passes on to a service what they send, and back, when
 * link/emulation.h says that it arrives.
 *
 *     client  <-- end 0 --[ way 0 ]--> end 1 -->  service
 *                       <-[ way 1 ]--
 *
 * Ends and breaks of connections travel like bytes. libuv's timers know milliseconds only, so a timerfd wakes the loop when the
 * next piece is due.
 */
#ifndef HOST_LINK_RELAY_H
#define HOST_LINK_RELAY_H

#include <uv.h>

#include "link/emulation.h"
#include "sockets.h"

#define RELAY_CONNECTIONS_MAX 10000u

struct relay {
    uv_loop_t *loop;
    struct socket_address to;
    struct emulation emulation;
    struct listener listener;
    uv_poll_t alarm;
    uv_prepare_t prepare;
    uv_timer_t retry; /* to accept again after descriptors ran out */
    int alarm_fd;
    uint64_t alarm_us; /* when it rings; UINT64_MAX: not */
    struct pair *pairs;

    /* Counters: connections, and bytes to the service and back. */
    uint64_t now_open, opened, turned_away, unreachable, broken;
    uint64_t bytes[2];
    /* By how much a piece is passed on later than it should be. */
    void (*on_late)(struct relay *relay, uint64_t late_us);
};

/* Listens. 0, or -1 and the error. The caller has set nothing but on_late. */
int relay_open(struct relay *relay, uv_loop_t *loop, const struct address *listen, const struct address *to,
               const struct emulation_rules *rules, struct error *error);
/* Resets all connections; the loop has to run until it has nothing left, and then relay_deinit ends it. */
void relay_close(struct relay *relay);
void relay_deinit(struct relay *relay);

#endif
