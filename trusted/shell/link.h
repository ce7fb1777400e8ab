/*
 * Memory that an Execution compartment shares with its application, and with nobody else: the host makes it, hands it to both at
 * their start, and keeps no way to it. Two rings and one word each to sleep at. Neither side believes the other (ring.h).
 *
 * Execution waits for answers, at most LINK_PATIENCE_S seconds from one frame to the next; the application waits for calls
 * for ever. What is sent is shown, and the other side woken, when this side waits itself: so all calls of a run cost one wake-up.
 */
#ifndef SHELL_LINK_H
#define SHELL_LINK_H

#include "application/call.h"
#include "shell/bell.h"
#include "shell/lockdown.h"
#include "shell/ring.h"

#define LINK_PATIENCE_S  10u
#define LINK_WAKEUPS_MAX 100000u /* for nothing, in one wait: the other side rings and says nothing */
/* What is sent is shown at the latest when it makes up so much. */
#define LINK_SHOW_BYTES (64u * 1024u)

struct link_shared {
    _Alignas(64) bell_word execution; /* each side sleeps at its own */
    _Alignas(64) bell_word application;
};

#define LINK_CALLS_AT   SHARED_ROUND(sizeof(struct link_shared))
#define LINK_ANSWERS_AT (LINK_CALLS_AT + SHARED_RING_BYTES)
#define LINK_BYTES      (LINK_ANSWERS_AT + SHARED_RING_BYTES)

struct link {
    bell_word *own, *other;
    struct ring_reader in;
    struct ring_writer out;
    uint8_t *frame; /* FRAME_MAX: the one that was received last */
    uint32_t spin;
    bool patient; /* waits for ever */
};

/* Maps it, before the lock-down, and says what that must allow for it. `kind`: whose side this is. */
void link_open(struct link *link, enum kind kind, uint32_t spin, struct lockdown_doors *doors);
/* As struct application_link wants them; `context` is the link. */
void link_send(void *context, const struct slice *parts, unsigned count);
struct slice link_receive(void *context);
void link_fail(void *context, const char *what);

#endif
