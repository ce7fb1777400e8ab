/*
 * Sleeping and waking over shared memory, without lost wake-ups and without a system call while the other
 * side is awake.
 *
 * Both directions are the same handshake. Who wants to sleep says so and then looks once more; who has news
 * shows them and then looks whether the other sleeps. All four accesses are sequentially consistent, so at
 * least one of the two sees the other:
 *
 *   compartment                            host
 *   bell = WANTS_INPUT                     in.head = ...          (ring_publish)
 *   in.head again? then do not sleep       bell == WANTS_INPUT?  then clear it and FUTEX_WAKE
 *   FUTEX_WAIT(bell, WANTS_INPUT)
 *
 *   host                                   compartment
 *   host_sleeps = 1                        out.head = ...         (ring_publish)
 *   out.head again? then do not sleep      host_sleeps == 1?     then clear it and write the eventfd
 *   epoll_wait
 *
 * A compartment that found its out ring full waits for room instead (WANTS_ROOM, rung after ring_release),
 * and does not touch its input meanwhile. The host never waits for a compartment, so the two cannot wait for
 * each other.
 */
#ifndef SHELL_BELL_H
#define SHELL_BELL_H

#include "shell/shared.h"

enum bell { BELL_AWAKE = 0, BELL_WANTS_INPUT = 1, BELL_WANTS_ROOM = 2 };

/* Compartment: announces the wish to sleep. The caller then looks once more, and sleeps or calls it off. */
void bell_announce(struct shared *shared, enum bell wish);
void bell_call_off(struct shared *shared);
/* Returns when rung, or for no reason. */
void bell_sleep(struct shared *shared, enum bell wish);

/* Host: wakes the compartment if it sleeps with this wish. */
void bell_ring(struct shared *shared, enum bell wish);

/* Compartment: wakes the host if it sleeps. */
void host_notify(struct shared *shared, int event_fd);
/* What host_notify writes; the system call filter knows its address. */
extern const uint64_t host_notify_value;

#endif
