/*
 * One client's side of a connection above TLS: an application protocol as a state machine. Bytes come in, operations go out;
 * their outcomes come in, bytes go out. Pure: time and memory come from the front, which knows sockets and TLS.
 *
 *   front:  on_bytes ......... what has arrived; it says how much it took
 *           on_outcome ....... of an operation, in the order in which the connection submitted them
 *           on_close ......... the connection is over: give memory back; outcomes that are missing do not come
 *   conversation (inside those calls only): submit, write, close, is_ready
 *
 * A service has one for each protocol that it speaks (struct service_front).
 */
#ifndef TROXY_CONVERSATION_H
#define TROXY_CONVERSATION_H

#include "base/arena.h"
#include "base/types.h"
#include "redoubt/client.h"

struct conversation;

/* A user of the cluster file's `users`, for AUTH and for HTTP's Basic. */
struct conversation_user {
    struct slice name;
    uint8_t salt[16];
    uint8_t hash
        [32]; /* crypto_pwhash (argon2id) is too slow for a step: keyed BLAKE2b of the password under the salt */
};

/* The front as its conversations see it. */
struct conversation_front {
    struct arena *arena;                   /* for what a connection keeps; take may fail */
    uint64_t now_us;                       /* since 1970, set before every call */
    const struct conversation_user *users; /* none: nobody has to say who he is */
    uint32_t user_count;

    /* One operation, in pieces, copied. Its outcome comes by on_outcome with this ticket, never before submit returned.
     * 0; -EAGAIN: too much is under way: leave the bytes where they are, they are offered again; -EMSGSIZE. */
    int (*submit)(struct conversation_front *front, const struct conversation *conversation, uint64_t ticket,
                  const struct slice *parts, unsigned count);
    /* Bytes to the client, copied. Whoever does not read them is cut off by the front. */
    void (*write)(struct conversation_front *front, const struct conversation *conversation,
                  const struct slice *parts, unsigned count);
    /* Nothing more is read; the connection ends when what was written is out. */
    void (*close)(struct conversation_front *front, const struct conversation *conversation);
    /* Can this replica serve: does it reach a quorum, is it up to date? */
    bool (*is_ready)(const struct conversation_front *front);
};

/* First member of each protocol's own struct. */
struct conversation {
    const struct conversation_type *type;
    struct conversation_front *front;
    uint32_t connection; /* the front's number of it */
    bool is_secure;      /* TLS, not one of the plain listeners for measuring */
};

struct conversation_type {
    const char *name; /* "http", "resp" */
    size_t bytes;     /* of its own struct; zeroed before open, but for the first member */
    void (*open)(struct conversation *conversation);
    /* Takes bytes from the front of `data`, which it may change, and returns how many. What it leaves is offered again, with
     * what has arrived since or after the next outcome: so whoever has enough under way takes nothing. */
    size_t (*on_bytes)(struct conversation *conversation, uint8_t *data, size_t len);
    void (*on_outcome)(struct conversation *conversation, uint64_t ticket,
                       const struct redoubt_outcome *outcome);
    void (*on_close)(struct conversation *conversation);
    void (*validate)(const struct conversation *conversation);
};

/* What a Troxy's binary links for its service (cmd/troxy_*.c). */
struct service_front {
    const struct redoubt_service *service; /* its `keys` says what an operation reads and writes */
    const struct conversation_type *http;  /* NULL: it does not speak it */
    const struct conversation_type *resp;
};

#endif
