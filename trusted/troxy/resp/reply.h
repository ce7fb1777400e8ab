/*
 * Replies to Redis clients, in RESP2 or, after HELLO 3, in RESP3; written into the caller's memory behind a sticky error, as
 * base/bytes.h does it. What only RESP3 has is written to others in the shape that Redis gives it there. Pure.
 *
 * Arrays, maps, sets and pushes are headers: so many elements (pairs, for a map) have to follow.
 */
#ifndef TROXY_RESP_REPLY_H
#define TROXY_RESP_REPLY_H

#include "base/bytes.h"

enum resp_version { RESP_2 = 2, RESP_3 = 3 };

struct resp_reply {
    struct writer out;
    enum resp_version version;
};

static inline struct resp_reply resp_reply_to(void *memory, size_t cap, enum resp_version version)
{
    return (struct resp_reply){.out = writer_to(memory, cap), .version = version};
}

/* One line each: control characters in it become spaces. An error starts with its kind: "ERR no such key". */
void put_resp_simple(struct resp_reply *r, struct slice text);
void put_resp_error(struct resp_reply *r, struct slice text);
void put_resp_integer(struct resp_reply *r, int64_t number);
void put_resp_bulk(struct resp_reply *r, struct slice bytes);
/* Text for people, as INFO answers; RESP2: a bulk string. */
void put_resp_verbatim(struct resp_reply *r, struct slice text);
/* No value; and no list, which RESP2 writes differently. */
void put_resp_null(struct resp_reply *r);
void put_resp_null_array(struct resp_reply *r);
/* RESP2: 1 or 0. */
void put_resp_boolean(struct resp_reply *r, bool value);
/*
 * RESP2: a bulk string. The number's text comes from the service, so that all replicas' texts are one: digits, "-", ".",
 * exponent, "inf", "-inf", "nan". Anything else is our bug and fails the reply.
 */
void put_resp_double(struct resp_reply *r, struct slice text);

void put_resp_array(struct resp_reply *r, uint64_t elements);
/* RESP2: an array of twice as many elements. */
void put_resp_map(struct resp_reply *r, uint64_t pairs);
/* RESP2: an array. */
void put_resp_set(struct resp_reply *r, uint64_t elements);
/* What the client did not ask for: messages of channels, invalidations. RESP2: an array. */
void put_resp_push(struct resp_reply *r, uint64_t elements);

#endif
