/*
 * A cluster's folder and, behind its addresses, one thread that plays all Execution compartments: it opens bundles and echoes
 * each operation as its result. For tests of the client library with real sockets and files.
 */
#ifndef TEST_FAKE_REPLICAS_H
#define TEST_FAKE_REPLICAS_H

#include <pthread.h>
#include <stdatomic.h>

#include "ordering/auth.h"

#define FAKE_N 4u

struct fake_replicas {
    char dir[64];
    struct sign_key admin;
    struct box_key group;
    struct box_key execution[FAKE_N];
    struct tag16 cluster;
    uint32_t origins;
    int listener[FAKE_N];
    uint16_t port[FAKE_N];
    pthread_t thread;
    atomic_bool stopping;
    atomic_uint silent;    /* bit per replica: does not answer */
    atomic_uint lying;     /* answers something else */
    atomic_uint garbage;   /* sends what is no frame, then hangs up */
    atomic_bool hang_up;   /* closes every connection once */
    atomic_bool backwards; /* of bundles that arrive together answers the last one first */
};

/* A folder under /tmp with `origins` client keys, listeners, and the thread. */
struct fake_replicas *fake_replicas_new(uint32_t origins);
void fake_replicas_free(struct fake_replicas *replicas);
/* Writes endpoints.json and the manifest again. */
void fake_replicas_write(struct fake_replicas *replicas);

#endif
