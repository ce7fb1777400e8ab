/*
 * Many stock clients in one thread: connections to the fronts of a cluster, each with one request under way, over RESP or HTTP, with TLS or
 * without. A connection that ends counts one error and is made again, to the next replica.
 */
#ifndef CMD_STOCK_H
#define CMD_STOCK_H

#include "base/types.h"
#include "error.h"

struct stock_request {
    bool writes; /* else it reads */
    struct slice key, value;
};

struct stock_options {
    const char *dir; /* endpoints.json and ca.pem are there */
    const char *via; /* https, http, rediss, redis: a field of endpoints.json */
    uint32_t clients;
    void *context;
    /* The next request of a client; false: it makes no more. */
    bool (*next)(void *context, uint32_t client, struct stock_request *request);
    /* `why`: NULL when the answer was a good one. */
    void (*done)(void *context, uint32_t client, uint64_t latency_us, uint64_t now_us, const char *why);
};

/* Returns when no client makes requests any more. -1 and the error: it could not begin. */
int stock_run(const struct stock_options *options, struct error *error);

#endif
