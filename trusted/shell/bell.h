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
 *
 * Between Execution and an application (link.h) both directions are the first of the two.
 */
#ifndef SHELL_BELL_H
#define SHELL_BELL_H

#include <stdatomic.h>
#include <time.h>

#include "shell/shared.h"

enum bell { BELL_AWAKE = 0, BELL_WANTS_INPUT = 1, BELL_WANTS_ROOM = 2 };

/* The word that a side sleeps on, in shared memory. */
typedef _Atomic uint32_t bell_word;

/* Compartment: announces the wish to sleep. The caller then looks once more, and sleeps or calls it off. */
void bell_announce(bell_word *bell, enum bell wish);
void bell_call_off(bell_word *bell);
/* Returns when rung, or for no reason. */
void bell_sleep(bell_word *bell, enum bell wish);
/* The same, but for bell_patience at most; false when that has passed. The system call filter knows its address. */
bool bell_sleep_a_while(bell_word *bell, enum bell wish);
extern const struct timespec bell_patience;

/* The other side: wakes who sleeps there with this wish. */
void bell_ring(bell_word *bell, enum bell wish);

/* Between two looks. */
static inline void bell_pause(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Compartment: wakes the host if it sleeps. */
void host_notify(struct shared *shared, int event_fd);
/* What host_notify writes; the system call filter knows its address. */
extern const uint64_t host_notify_value;

#endif
