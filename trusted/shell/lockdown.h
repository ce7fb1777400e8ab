/*
 * The sandbox of a compartment's process: everything is given up that is not needed to read and write memory,
 * sleep on one futex, and wake the host through one eventfd.
 *
 * In this order, because each step needs rights that a later one takes away:
 *
 *   namespaces   user (only when not root), network, ipc, mount, uts, cgroup                where allowed
 *   own uid      as root: a uid and gid that nobody else has; no groups                     where root
 *   limits       no core dump, no child, no new descriptor
 *   capabilities none
 *   prctl        not dumpable (no ptrace, no /proc/pid/mem by others), dies with its host, no new privileges
 *   Landlock     no file, no port, no signal, no abstract socket                            where the kernel can
 *   descriptors  all closed but the eventfd
 *   seccomp      any system call kills the process, but: FUTEX_WAIT on the one word, write of the one value to
 *                the one eventfd, exit_group; with a link FUTEX_WAIT and FUTEX_WAKE on its two words, and going on with
 *                an interrupted wait. Arguments are compared, addresses included.
 */
#ifndef SHELL_LOCKDOWN_H
#define SHELL_LOCKDOWN_H

#include "base/types.h"

struct lockdown_doors {
    int event_fd;
    const void *event_value; /* the eight bytes written to it */
    const void *futex_word;  /* to wait at, without a timeout; NULL: none */
    int host_pid;
    /* Of a link (link.h), NULL where there is none: the word to wait at (with that timeout, or without any), and the one at
     * which the other side is woken. */
    const void *link_word;
    const void *link_patience;
    const void *link_other;
};

/* Returns what took hold (enum sandbox_bit). What must hold and does not ends the process with last words. */
uint32_t lockdown(const struct lockdown_doors *doors);

/* Closes all descriptors from `first` on; false when the kernel cannot. */
bool lockdown_close_from(unsigned first);

#endif
