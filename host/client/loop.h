/*
 * The thread that clients live on: sockets, time, and the way in from other threads. The public library gives each client
 * a loop of its own; whoever runs many clients (the benchmark) puts them on one, so that one wake-up serves them all.
 *
 *     other threads            the loop's thread
 *     -------------            ------------------------------------------------
 *     redoubt_submit --------> inbox (one lock, one wake-up per burst)
 *     client_loop_call ------> tasks
 *                              per run: sockets -> frames -> cores -> outcomes
 *                                       inboxes and tasks, timers,
 *                                       flush of the cores touched, one write per link touched
 */
#ifndef HOST_CLIENT_LOOP_H
#define HOST_CLIENT_LOOP_H

#include "client/folder.h"
#include "redoubt/client.h"

struct client_loop;

struct client_loop_options {
    uint64_t delay_us; /* added to each frame in each direction */
    uint64_t jitter_us;
    int core; /* processor to stay on, -1: any */
};

int client_loop_new(struct client_loop **loop, const struct client_loop_options *options,
                    struct error *error);
/* Every client on it was closed. */
void client_loop_free(struct client_loop *loop);

/* As redoubt_client_open, on a loop that the caller keeps until the client is closed. */
int client_open_on(struct redoubt_client **client, struct client_loop *loop, const char *dir,
                   const struct redoubt_client_options *options);
/* With a session of before, to send its one operation again (client_core_config); NULL: with one of its own. */
int client_open_again(struct redoubt_client **client, struct client_loop *loop, const char *dir,
                      const struct redoubt_client_options *options, const struct box_key *session);

/* Runs a function on the loop's thread and waits for it; from that thread it is a call. */
void client_loop_call(struct client_loop *loop, void (*run)(void *context), void *context);
/* The loop's clock, read at the start of the run or frame; for its own thread. */
uint64_t client_loop_now(const struct client_loop *loop);
uint64_t client_clock_us(void);

#endif
