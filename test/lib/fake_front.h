/*
 * A front without a network: connections of one conversation type, and behind them the service itself, called in order. What a test
 * feeds is offered as the front does it: what was left of it again, with what came since. Operations wait until fake_front_run, so
 * that pipelines, and outcomes that are missing, can be seen.
 */
#ifndef FAKE_FRONT_H
#define FAKE_FRONT_H

#include "fake_env.h"
#include "troxy/conversation.h"

#define FAKE_FRONT_ARENA (8u << 20)

struct fake_connection {
    struct fake_connection *next;
    struct conversation *conversation;
    uint8_t *in; /* offered, and not taken */
    size_t in_len;
    uint8_t *out; /* written */
    size_t out_len;
    size_t out_cap;
    bool closed; /* by the conversation */
    uint64_t submitted;
};

struct fake_op;

struct fake_front {
    struct conversation_front front; /* first */
    const struct redoubt_service *service;
    struct fake_env env;
    void *state;
    struct arena arena;
    void *memory;
    struct fake_connection *connections;
    struct fake_op *first; /* operations that wait */
    struct fake_op *last;
    unsigned waiting;
    unsigned most_waiting; /* more are refused with -EAGAIN; default 64 */
    bool ready;
    bool is_volatile;                    /* of the latest result */
    enum redoubt_outcome_kind next_kind; /* what becomes of operations; default committed */
    uint64_t time_us;
    uint64_t slot;
    uint64_t seed;
    uint32_t numbers;
};

void fake_front_init(struct fake_front *front, const struct redoubt_service *service, const char *options);
/* Closes what is open, and checks that all memory of conversations came back. */
void fake_front_free(struct fake_front *front);

struct fake_connection *fake_connection_open(struct fake_front *front, const struct conversation_type *type);
void fake_connection_close(struct fake_front *front, struct fake_connection *connection);
/* More bytes from the client; offered together with what was left. */
void fake_connection_feed(struct fake_front *front, struct fake_connection *connection, const void *data,
                          size_t len);
/* Carries out what waits, `most` operations at most, and tells the outcomes. */
void fake_front_run(struct fake_front *front, unsigned most);
void fake_connection_forget_output(struct fake_connection *connection);

#endif
