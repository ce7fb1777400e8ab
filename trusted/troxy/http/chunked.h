/*
 * A chunked body (RFC 9112, section 7.1), decoded as it comes. Extensions and trailers are checked, counted and dropped.
 */
#ifndef TROXY_HTTP_CHUNKED_H
#define TROXY_HTTP_CHUNKED_H

#include "base/types.h"
#include "troxy/http/refusal.h"

enum chunked_state {
    CHUNKED_SIZE,
    CHUNKED_EXTENSION,
    CHUNKED_SIZE_LF,
    CHUNKED_DATA,
    CHUNKED_DATA_CR,
    CHUNKED_DATA_LF,
    CHUNKED_TRAILER, /* start of a line */
    CHUNKED_TRAILER_NAME,
    CHUNKED_TRAILER_VALUE,
    CHUNKED_TRAILER_LF,
    CHUNKED_LAST_LF,
};

struct chunked {
    enum chunked_state state;
    uint32_t digits;    /* of the current size */
    uint32_t extension; /* bytes of all extensions */
    uint32_t trailer;   /* bytes of all trailers */
    uint64_t left;      /* of the current chunk; while its size is read: the size so far */
    uint64_t body;      /* bytes of all chunks, the current one included once its size is known */
    struct http_refusal refusal;
};

enum chunked_event { CHUNKED_MORE, CHUNKED_PIECE, CHUNKED_END, CHUNKED_REFUSED };

void chunked_init(struct chunked *chunked);
/* As http_request_step. */
enum chunked_event chunked_step(struct chunked *chunked, struct slice *input, struct slice *piece);

#endif
