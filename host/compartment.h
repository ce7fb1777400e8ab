/*
 * A compartment as its replica's loop sees it, the same for every isolation: frames in, frames out.
 *
 *   struct compartment *preparation;
 *   if (compartment_open(&preparation, &spec, error, sizeof error) < 0) ...    its HELLO waits to be taken
 *
 *   each turn of the loop:
 *     while (compartment_take(c, &frame)) ...      what it has to say
 *     compartment_give(c, parts, count, local)     as often as wanted; false: full, give it again later
 *     compartment_kick(c, now_us)                  once: shows all that was given, wakes it if it sleeps
 *     busy |= compartment_before_poll(c)           true: something waits already, do not sleep
 *     poll (compartment_fd readable: output; compartment_death_fd readable: it died)
 *     compartment_after_poll(c)
 *
 * `inline` is a call: frames are handled inside kick (and take, when there is more output than fits at once).
 * `process` is a sandboxed process of its own binary (trusted/shell): kick and take cost no system call while
 * both sides are busy. Nothing here waits for a compartment, except open.
 *
 * One thread: the one that calls compartment_open makes all other calls too, and a `process` dies with it.
 */
#ifndef HOST_COMPARTMENT_H
#define HOST_COMPARTMENT_H

#include <sys/types.h>

#include "base/compartment.h"
#include "base/limits.h"

enum isolation { ISOLATION_INLINE = 1, ISOLATION_PROCESS = 2 };

const char *isolation_name(enum isolation isolation);

#define GIVEN_MAX 3u

struct compartment_spec {
    enum kind kind;
    enum isolation isolation;
    const struct compartment_type *type; /* inline: what to call; process: not used */
    const char *binary;                  /* process: path of the compartment's executable; inline: not used */
    const char *application;  /* process, Execution: executable of the service's own process; NULL: none */
    size_t application_bytes; /* memory of the service then */
    const int *given;     /* process: descriptors that it inherits beside its memory, from LINK_FD on */
    unsigned given_count; /* at most GIVEN_MAX */
    struct compartment_config config; /* .kind is taken from above; .service and .troxy are for inline only */
    size_t memory_bytes;              /* arena: reserved, not touched */
    int core;                         /* process: run on this core only; -1: any */
    bool spin; /* process: look around a little before sleeping; only with cores to spare */
};

struct compartment;

/* Starts it and waits until it is locked down and has its HELLO ready. A negative errno value on failure, and
 * one line that names what went wrong. Keeps of the spec `type`, and for inline what `config` points to. */
int compartment_open(struct compartment **out, const struct compartment_spec *spec, char *error,
                     size_t error_bytes);
/* Ends it (by its process id) and frees everything. NULL is fine. */
void compartment_close(struct compartment *c);

/* Appends one frame, gathered from parts, at most FRAME_MAX bytes. False: full (or dead), nothing was given;
 * when there is room again, before_poll says so or the loop is woken. */
bool compartment_give(struct compartment *c, const struct slice *parts, unsigned count, bool local);
void compartment_kick(struct compartment *c, uint64_t now_us);
/* The next output frame, valid until the next take, kick or close. False: none now. */
bool compartment_take(struct compartment *c, struct slice *frame);

/* Readable when there is output (never read it: after_poll does); -1 for inline. */
int compartment_fd(const struct compartment *c);
/* Readable when the process has died; -1 for inline, and where the kernel has no pidfd: then ask
 * compartment_alive at times. */
int compartment_death_fd(const struct compartment *c);
/* Asks to be woken. True: do not wait, there is output, or room again after a refused give. */
bool compartment_before_poll(struct compartment *c);
void compartment_after_poll(struct compartment *c);

/* False once the process has ended, or was killed because it broke the rules of the rings. One system call. */
bool compartment_alive(struct compartment *c);
/* How it ended and its last words, in one printable line; "" while it lives. The words are its own claim. */
const char *compartment_obituary(struct compartment *c);

/* The service's own process, for the questions below; NULL when there is none. It lives and dies with its compartment:
 * when one of the two has ended, both have. */
const struct compartment *compartment_application(const struct compartment *c);

pid_t compartment_pid(const struct compartment *c); /* 0 for inline */
/* What of the sandbox took hold, as it says itself: "seccomp, landlock, namespaces, own uid"; "none" for inline. */
const char *compartment_sandbox(const struct compartment *c);
/* Frames by verdict since the start. */
uint64_t compartment_verdicts(const struct compartment *c, enum verdict verdict);
/* Resident memory of the process; for inline, what was taken of the arena. */
size_t compartment_resident_bytes(const struct compartment *c);
/* Digest of the bytes of its executable (inline: of this one), taken at open; with an application, of both digests. */
const struct digest *compartment_measurement(const struct compartment *c);

/* The same digest of any file. Negative errno value on failure. */
int measure_file(struct digest *out, const char *path);

#endif
