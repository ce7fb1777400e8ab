/*
 * A front in a process of its own, until SIGTERM or SIGINT: the loop of `redoubt standalone` and `redoubt gateway`. SIGHUP reads
 * certificate and key again.
 */
#ifndef CMD_SERVING_H
#define CMD_SERVING_H

#include "troxy.h"

struct serving_options {
    const struct troxy_options *troxy;
    const uint16_t *port; /* LISTENERS of them, 0: none; those without TLS listen on 127.0.0.1 only */
    /* All may be NULL. `start`, before anything else: `wake` may be called from any thread and makes a turn, until `stop`. */
    void (*start)(void *context, uv_loop_t *loop, void (*wake)(void *waker), void *waker);
    void (*stop)(void *context);
    void (*second)(void *context);
    void *context;
};

/* Prints `ready` when it serves. -1 and the error: it could not. */
int serving_run(const struct serving_options *options, struct error *error);

#endif
