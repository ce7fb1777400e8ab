/*
 * One client's HTTP/1.1 connection: what all services have in common. A request is read whole, then the application (struct
 * http_application) answers it or submits an operation for it, and answers when that is done. One request at a time: what is pipelined
 * behind it stays with the front until it is answered. Memory is taken while a request is there, and grows with what has arrived of
 * its body; an idle connection has none.
 *
 * Answered here: /healthz (this process is there), /readyz (it reaches a quorum), Basic authorization if the cluster has users, what
 * the parser refuses, operations that are not carried out. An operation whose outcome is unknown is a 504 and the connection's end.
 */
#ifndef TROXY_HTTP_EXCHANGE_H
#define TROXY_HTTP_EXCHANGE_H

#include "troxy/conversation.h"
#include "troxy/http/request.h"
#include "troxy/http/response.h"

#define HTTP_ANSWER_HEAD_MAX 4096u

struct http_exchange;

struct http_application {
    /* The request is complete: answer it, or submit. */
    void (*on_request)(struct http_exchange *x);
    /* Its operation was executed, with this status and result. */
    void (*on_result)(struct http_exchange *x, enum redoubt_status status, struct slice result);
};

struct http_exchange {
    struct conversation base;
    struct http_request_parser parser;
    struct http_request *request; /* NULL between requests */
    uint8_t *body;
    size_t body_len;
    size_t body_cap;
    uint64_t tickets;
    bool submitted; /* and not yet told */
    bool answered;
    bool closing;
    uint32_t note; /* the application's, from on_request to on_result */
};

/* The application in the types that have one: `struct http_type`, whose first member is what the front knows. */
struct http_type {
    struct conversation_type type;
    const struct http_application *application;
};
void http_exchange_open(struct conversation *conversation);
size_t http_exchange_on_bytes(struct conversation *conversation, uint8_t *data, size_t len);
void http_exchange_on_outcome(struct conversation *conversation, uint64_t ticket,
                              const struct redoubt_outcome *outcome);
void http_exchange_on_close(struct conversation *conversation);
void http_exchange_validate(const struct conversation *conversation);
#define HTTP_TYPE(app)                                                                                       \
    {                                                                                                        \
        .type = {.name = "http",                                                                             \
                 .bytes = sizeof(struct http_exchange),                                                      \
                 .open = http_exchange_open,                                                                 \
                 .on_bytes = http_exchange_on_bytes,                                                         \
                 .on_outcome = http_exchange_on_outcome,                                                     \
                 .on_close = http_exchange_on_close,                                                         \
                 .validate = http_exchange_validate},                                                        \
        .application = (app),                                                                                \
    }

/* --- for applications; each request is answered exactly once */

/* An operation, in pieces. When it cannot be submitted the request is answered here. */
void http_exchange_submit(struct http_exchange *x, const struct slice *parts, unsigned count);

/* An answer: begin, fields, end with its body. The body is not copied but written at once. */
struct http_answer {
    struct http_response response;
    uint8_t head[HTTP_ANSWER_HEAD_MAX];
};
void http_answer_begin(struct http_answer *answer, struct http_exchange *x, unsigned status);
void http_answer_end(struct http_answer *answer, struct http_exchange *x, const struct slice *body,
                     unsigned pieces);

void http_exchange_problem(struct http_exchange *x, unsigned status, const char *detail);
/* 405, with the methods that are allowed. */
void http_exchange_wrong_method(struct http_exchange *x, const char *allowed);
/* Is the request's path this, or does it begin like that? */
bool http_exchange_path_is(const struct http_exchange *x, const char *path);
/* The value of a name in the query, decoded; false: malformed or longer than `cap`. *found is false when it is not there. */
bool http_exchange_query(const struct http_exchange *x, const char *name, uint8_t *out, size_t cap,
                         size_t *len, bool *found);

#endif
