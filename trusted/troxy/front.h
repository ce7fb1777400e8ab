/*
 * The front: connections of stock clients, from bytes of a socket to operations and back.
 *
 *   frames of the host (wire/front.h)        per connection
 *     LOCAL-BYTES  --> [TLS] --> plaintext --> conversation.on_bytes --> access.submit
 *     LOCAL-BYTES  <-- [TLS] <-- plaintext <-- conversation writes   <-- on_outcome
 *
 * What a client may cost is bounded, each one by itself: bytes that are not worked off (FRONT_IN_MAX; the host is given no credit and stops reading
 * before that, while operations are under way), bytes that it does not read (FRONT_OUT_MAX), operations under way (FRONT_OPS_MAX), time for a
 * handshake, for a request that it began, for reading, for doing nothing. When memory is short all the same, whoever has taken
 * longest over an unfinished request, or over reading, is cut off.
 *
 * Pure: frames and time in, frames out. In one turn (front_flush) it makes at most FRONT_HANDSHAKES_PER_RUN handshakes and
 * writes at most FRONT_CHUNK_BYTES for each connection.
 */
#ifndef TROXY_FRONT_H
#define TROXY_FRONT_H

#include "base/compartment.h"
#include "troxy/access.h"
#include "troxy/backlog.h"
#include "troxy/conversation.h"
#include "troxy/tls.h"
#include "wire/front.h"

struct front_options {
    uint64_t handshake_us;
    uint64_t request_us;   /* from its first byte until it is one */
    uint64_t output_us;    /* for FRONT_CHUNK_BYTES, or what there is */
    uint64_t idle_us;      /* nothing under way; 0: for ever */
    uint64_t operation_us; /* until its outcome is unknown */
};

struct front_config {
    struct arena *arena;
    const struct service_front *service;
    const struct access *access;
    struct tls_server *tls; /* NULL: secure listeners are refused */
    struct front_options options;
    const struct conversation_user *users;
    uint32_t user_count;
    replica_id replica;
};

enum connection_state {
    CONNECTION_FREE,
    CONNECTION_HANDSHAKE, /* its `in` is ciphertext */
    CONNECTION_OPEN,
    CONNECTION_CLOSING, /* nothing more is read; ends when `out` is empty */
    CONNECTION_OVER,    /* LOCAL-CLOSED was sent: waits for the host's */
};

enum patience { PATIENCE_HANDSHAKE, PATIENCE_REQUEST, PATIENCE_OUTPUT, PATIENCE_IDLE, PATIENCES };
#define NO_CONNECTION UINT32_MAX

/* Lists that a connection can be in, by its number. */
enum row_name { ROW_PATIENCE, ROW_TURN, ROW_DIRTY, ROWS };
struct row {
    uint32_t first, last;
};
struct row_place {
    struct row *in; /* NULL: in none */
    uint32_t before, after;
};

struct connection {
    enum connection_state state;
    uint8_t listener;
    uint8_t end;        /* enum front_end, of one that is broken */
    bool broken;        /* to be cut off, which cannot be done inside its conversation */
    bool ended;         /* the client sends nothing more */
    bool begun;         /* bytes came, and nothing came of them yet */
    bool stuck;         /* the conversation takes no more before something happens */
    bool starved;       /* ... because the access took no more */
    uint64_t since_us;  /* it waits for what its list of patience says */
    uint32_t received;  /* and no credit given yet */
    uint32_t unwritten; /* given to the host, which has not written it yet */
    uint32_t written;   /* since `since_us` */
    uint32_t operations;
    struct conversation *conversation; /* NULL but in OPEN and CLOSING */
    struct tls_session *tls;           /* NULL: plain, or nothing came yet */
    struct backlog in;
    struct backlog out;
    struct row_place place[ROWS];
};

struct front_counters {
    uint64_t opened, handshakes, operations, unknown;
    uint64_t ended[FRONT_ENDS];
};

struct front {
    struct conversation_front shown; /* first: what conversations see */
    struct front_config config;
    struct sender self;
    struct tls_sink sink;
    uint8_t *plain;                 /* FRONT_CHUNK_BYTES: what was just decrypted */
    struct connection *at;          /* FRONT_CONNECTIONS_MAX */
    struct row patience[PATIENCES]; /* what connections wait for, each ordered by time */
    struct row turns;               /* handshakes to be gone on with */
    struct row dirty;               /* something to do in this turn */
    uint64_t retry_us;              /* to offer again what the access did not take; UINT64_MAX: nothing */
    size_t out_total;
    size_t room;        /* of the arena, for connections */
    size_t live_before; /* in the arena, and not connections' */
    uint32_t count;     /* connections that are not free */
    struct front_counters counters;
};

/* Takes all its memory but that of connections from config->arena, which must have FRONT_BYTES. */
#define FRONT_BYTES ((size_t)FRONT_CONNECTIONS_MAX * sizeof(struct connection) + 512u * 1024u)
void front_init(struct front *front, const struct front_config *config);

/* A frame of the host; VERDICT_UNEXPECTED for those that are not about connections. */
enum verdict front_on_frame(struct front *front, const struct frame *frame, uint64_t now_us,
                            struct outbox *out);
/* An access_done; `front` is the context. */
void front_on_outcome(void *front, uint32_t connection, uint64_t ticket,
                      const struct redoubt_outcome *outcome);
/* Before the access sends: offers what was left, makes handshakes. After it: writes what there is. Both leave off when the outbox is
 * nearly full; true: there is more to do. */
bool front_take_in(struct front *front, uint64_t now_us, struct outbox *out);
bool front_give_out(struct front *front, uint64_t now_us, struct outbox *out);

/* When front_take_in has to be called though nothing came; UINT64_MAX: never. */
uint64_t front_next_timer(const struct front *front);
void front_validate(const struct front *front);

/* Between front.c and its other files. */
void row_add(struct front *front, enum row_name name, struct row *row, uint32_t number);
void row_leave(struct front *front, enum row_name name, uint32_t number);
/* It has something to do in this turn. */
void connection_touch(struct front *front, uint32_t number);
/* It is to be cut off, for the first reason given. */
void connection_break(struct front *front, uint32_t number, enum front_end end);
/* Once no callback of its conversation is under way. */
void connection_end(struct front *front, uint32_t number, enum front_end end, struct outbox *out);

/* front_input.c */
void connection_receive(struct front *front, uint32_t number, struct slice bytes, struct outbox *out);
void connection_shake_hands(struct front *front, uint32_t number, struct outbox *out);
/* Offers what was left to its conversation once more. */
void connection_offer(struct front *front, uint32_t number);

/* front_output.c */
void front_emit(struct front *front, enum frame_type type, struct slice body, struct slice attachment,
                struct outbox *out);
void connection_send_sink(struct front *front, uint32_t number, struct outbox *out);
void connection_write(struct conversation_front *shown, const struct conversation *conversation,
                      const struct slice *parts, unsigned count);
/* As much of `out` as may go in one turn; true: there could go more. */
bool connection_pump(struct front *front, uint32_t number, struct outbox *out);
/* Room for more, as far as its conversation can be trusted with it. */
void connection_give_credit(struct front *front, uint32_t number, struct outbox *out);

#endif
