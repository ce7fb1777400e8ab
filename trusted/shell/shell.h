/*
 * main() of a compartment's process.
 *
 *   host/compartment_process.c            this process
 *   memfd (rings, config)  ---- fd 3 -->  map it, read the config once
 *   eventfd                ---- fd 4 -->  start cryptography, map the arena
 *                                         lock down (lockdown.h)
 *                                         type->init, its HELLO into the out ring, ready = 1
 *   frames                 ---- ring -->  copy, type->step, ..., type->flush; publish once, notify once; sleep
 *
 * A run takes at most 256 frames or stops at 64 KiB of output, so that the host hears of the first results
 * while the rest is worked on.
 */
#ifndef SHELL_SHELL_H
#define SHELL_SHELL_H

#include "base/compartment.h"

#define RUN_FRAMES_MAX 256u
#define RUN_OUTPUT_MAX (64u * 1024u)

struct lockdown_doors;
struct troxy_start;
struct service_front;

/* Where the service is that an Execution compartment calls; and what a Troxy starts with. */
struct shell_service {
    const struct redoubt_service *service; /* NULL for other compartments */
    const struct service_apart *apart;     /* NULL unless it is in another process */
    const struct troxy_start *troxy;       /* NULL for other compartments */
    /* May be NULL: takes what was handed over beside the shared memory, before the lock-down. */
    void (*connect)(struct lockdown_doors *doors, uint32_t spin);
};

int shell_run(const struct compartment_type *type, const struct shell_service *service);

/* Never returns when started by a host; says what this program is and returns 2 otherwise. `service` is NULL
 * but for an Execution compartment. */
int shell_main(const struct compartment_type *type, const struct redoubt_service *service);
/* The same for an Execution compartment whose service runs in an application's process, and for that process. */
int shell_split_main(void);
int shell_application_main(const struct redoubt_service *service);
/* The same for a Troxy. */
int shell_troxy_main(const struct service_front *front);

#endif
