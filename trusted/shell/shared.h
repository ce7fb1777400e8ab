/*
 * The memory that a compartment's process shares with its host: a header, then the two rings.
 *
 *   host writes                          compartment writes
 *   config   (before the start)          ready, sandbox
 *   now_us   (with every kick)           verdicts[]
 *   in.head, out.tail                    in.tail, out.head
 *   host_sleeps, host_wants_room         bell, last_words          (flags: set by one, cleared by the other)
 *
 * The host made this memory and can write all of it at any time. The compartment reads the config once,
 * copies frames before it looks at them, checks cursors and lengths, and takes everything else here for a
 * hint: nonsense costs the host the service of its own compartment and nothing more. The host in turn
 * believes nothing here either: a compartment that was taken over can write all of it too.
 */
#ifndef SHELL_SHARED_H
#define SHELL_SHARED_H

#include <stdatomic.h>

#include "base/limits.h"
#include "base/verdict.h"
#include "shell/ring.h"

/* Descriptors that a compartment inherits: two always, one more where Execution and an application share memory (link.h), three more
 * for a Troxy (troxy/main.c). All are closed or fenced in before the first frame. */
enum { SHARED_FD = 3, EVENT_FD = 4, LINK_FD = 5 };
enum { SETTINGS_FD = 5, TLS_KEY_FD = 6, ORIGIN_KEY_FD = 7 };

#define SHARED_MAGIC        0x726564756f756274u /* of this layout; host and compartments are of one build */
#define SERVICE_OPTIONS_MAX 8192u
#define LAST_WORDS_MAX      512u

/* What the process of a compartment is told at its start. */
struct shared_config {
    uint64_t magic;
    uint64_t epoch;
    uint64_t memory_bytes;
    uint32_t kind;
    uint32_t replica;
    int32_t core;     /* -1: any */
    int32_t host_pid; /* whose end is ours */
    uint32_t one_domain;
    uint32_t spin; /* look this often before sleeping */
    uint32_t durable;
    uint32_t linked;            /* LINK_FD is there */
    uint32_t keeps_stable;      /* Execution with hybster */
    uint8_t sealing_secret[32]; /* wiped by the compartment once it has read it ... */
    uint8_t domain_seed[32];    /* ... and so is this; used with one_domain */
    uint8_t admin_public[32];
    char service_options[SERVICE_OPTIONS_MAX];
};

/* What of the sandbox took hold (bits). Seccomp and no-new-privileges always do, or the compartment does not
 * start. */
enum sandbox_bit {
    SANDBOX_SECCOMP = 1u,
    SANDBOX_LANDLOCK = 2u,
    SANDBOX_NAMESPACES = 4u,
    SANDBOX_OWN_UID = 8u,
    SANDBOX_SANITIZER = 16u, /* a build for tests whose system call filter is wider */
};

struct shared {
    struct shared_config config;

    _Alignas(64) _Atomic uint64_t now_us;
    _Alignas(64) _Atomic uint32_t bell;        /* futex word: see bell.h */
    _Alignas(64) _Atomic uint32_t host_sleeps; /* set by the host before it polls */
    _Atomic uint32_t host_wants_room;          /* set by the host when the in ring was full */

    _Alignas(64) _Atomic uint32_t ready;      /* 1: locked down and initialised */
    _Atomic uint32_t sandbox;                 /* enum sandbox_bit */
    _Atomic uint64_t verdicts[VERDICT_COUNT]; /* frames by verdict */
    _Alignas(64) _Atomic uint32_t last_words_len;
    char last_words[LAST_WORDS_MAX];
};

#define SHARED_PAGE         4096u
#define SHARED_ROUND(bytes) (((bytes) + SHARED_PAGE - 1) / SHARED_PAGE * SHARED_PAGE)
#define SHARED_RING_BYTES   SHARED_ROUND(sizeof(struct ring) + RING_BYTES)
#define SHARED_IN_AT        SHARED_ROUND(sizeof(struct shared)) /* host to compartment */
#define SHARED_OUT_AT       (SHARED_IN_AT + SHARED_RING_BYTES)  /* compartment to host */
#define SHARED_BYTES        (SHARED_OUT_AT + SHARED_RING_BYTES)

static inline struct ring *shared_in(struct shared *shared)
{
    return (struct ring *)(void *)((uint8_t *)shared + SHARED_IN_AT);
}

static inline struct ring *shared_out(struct shared *shared)
{
    return (struct ring *)(void *)((uint8_t *)shared + SHARED_OUT_AT);
}

#endif
