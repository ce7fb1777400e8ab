#define _GNU_SOURCE 1
#include "shell/bell.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

const uint64_t host_notify_value = 1;

const struct timespec bell_patience = {.tv_sec = 1};

void bell_announce(bell_word *bell, enum bell wish)
{
    atomic_store_explicit(bell, (uint32_t)wish, memory_order_seq_cst);
}

void bell_call_off(bell_word *bell)
{
    atomic_store_explicit(bell, BELL_AWAKE, memory_order_relaxed);
}

void bell_sleep(bell_word *bell, enum bell wish)
{
    syscall(SYS_futex, bell, (long)FUTEX_WAIT, (long)wish, NULL, NULL, 0L);
    bell_call_off(bell);
}

bool bell_sleep_a_while(bell_word *bell, enum bell wish)
{
    long result = syscall(SYS_futex, bell, (long)FUTEX_WAIT, (long)wish, &bell_patience, NULL, 0L);
    bool passed = result != 0 && errno == ETIMEDOUT;
    bell_call_off(bell);
    return !passed;
}

void bell_ring(bell_word *bell, enum bell wish)
{
    uint32_t seen = (uint32_t)wish;
    if (atomic_load_explicit(bell, memory_order_seq_cst) != seen)
        return;
    if (atomic_compare_exchange_strong_explicit(bell, &seen, BELL_AWAKE, memory_order_seq_cst,
                                                memory_order_seq_cst))
        syscall(SYS_futex, bell, (long)FUTEX_WAKE, 1L, NULL, NULL, 0L);
}

void host_notify(struct shared *shared, int event_fd)
{
    if (atomic_load_explicit(&shared->host_sleeps, memory_order_seq_cst) == 0)
        return;
    if (atomic_exchange_explicit(&shared->host_sleeps, 0, memory_order_seq_cst) == 0)
        return;
    ssize_t written = write(event_fd, &host_notify_value, sizeof host_notify_value);
    (void)written; /* fails only when the counter is about to overflow, and then the host has been woken */
}
