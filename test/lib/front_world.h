/*
 * A front with the echo service behind it, and a host's side of it in memory: for tests and fuzzing.
 */
#ifndef TEST_FRONT_WORLD_H
#define TEST_FRONT_WORLD_H

#include "base/compartment.h"
#include "echo_conversation.h"
#include "troxy/alone.h"
#include "troxy/reception.h"

#define WORLD_ARENA ((size_t)192 << 20)

struct front_socket {
    uint8_t *data; /* what was written, and not taken by the test */
    size_t len, cap;
    uint64_t written; /* in all */
    uint64_t credit;  /* given for what came */
    bool closed;
    uint8_t reason;
};

struct front_world {
    void *memory;
    size_t memory_bytes;
    struct arena arena;
    struct outbox out;
    struct troxy_start start;
    void *state;
    uint64_t now_us;
    uint64_t wakes_us;
    struct local_front told;
    struct front_socket socket[FRONT_CONNECTIONS_MAX];
};

/* Times: handshake 10 s, request 20 s, output 30 s, idle 300 s. `tls` may be NULL. */
void front_world_open(struct front_world *w, struct tls_server *tls);
/* The same, in an arena of which somebody else took so much. */
void front_world_open_beside(struct front_world *w, struct tls_server *tls, size_t taken);
void front_world_close(struct front_world *w);

enum verdict front_world_give(struct front_world *w, enum frame_type type, struct slice body,
                              struct slice attachment);
enum verdict front_world_opened(struct front_world *w, uint32_t connection, unsigned listener);
enum verdict front_world_bytes(struct front_world *w, uint32_t connection, const void *data, size_t len,
                               bool last);
enum verdict front_world_credit(struct front_world *w, uint32_t connection, size_t bytes);
enum verdict front_world_closed(struct front_world *w, uint32_t connection);
/* Whatever is open. */
void front_world_close_all(struct front_world *w);
/* Turns until there is nothing more to do (at most 1000), checking everything; takes what comes out. */
void front_world_run(struct front_world *w);
/* Later, and then front_world_run. */
void front_world_wait(struct front_world *w, uint64_t us);

#endif
