/*
 * DIR/replica-N/control: a socket for the replica's owner alone (0600), over which a replica that was started with
 * --allow-faults is asked to misbehave. One line in ("fault lie"), one line out ("ok", or what is wrong).
 */
#ifndef HOST_CONTROL_H
#define HOST_CONTROL_H

#include "fault.h"
#include "sockets.h"

struct visit;

struct control {
    struct listener listener;
    struct visit *visit;
    struct fault *fault;
    uv_loop_t *loop;
    char path[PATH_BYTES];
    bool open;
};

int control_open(struct control *control, uv_loop_t *loop, const char *dir, replica_id id,
                 struct fault *fault, struct error *error);
void control_close(struct control *control);

/* The asker's side. */
int control_ask(const char *dir, replica_id id, enum fault_kind kind, struct error *error);

#endif
