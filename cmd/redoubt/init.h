/*
 * `init` with more in the folder: for `restore`.
 */
#ifndef CMD_INIT_H
#define CMD_INIT_H

#include "base/types.h"
#include "error.h"

struct init_extra {
    void *context;
    const char *service; /* which it has to be */
    /* Makes DIR/clients and DIR/clients.pub; NULL: new clients, as `init` makes them. */
    int (*clients)(void *context, const char *dir, struct error *error);
    /* Into the complete folder, before it gets its name; and what removes all that this or `clients` made there. */
    int (*write)(void *context, const char *dir, uint32_t replicas, struct error *error);
    void (*remove)(void *context, const char *dir, uint32_t replicas);
};

/* The command line of `init`; its exit code. */
int init_run(int argc, char **argv, const struct init_extra *extra);

#endif
