/*
 * HTTP/1.1 requests (RFC 9112), read strictly: bytes in pieces of any size in, events out. Pure; allocates nothing, and takes
 * no memory by a length that was announced.
 *
 *   MORE ... HEAD [EXPECT] BODY* END    HEAD ... END    HEAD ... REFUSED
 *
 * Strict, because two programs that cut the same bytes into different requests let a client smuggle one past the other.
 * Whatever has two readings is refused: lines that end in a bare LF, folded headers, a space before a colon, Content-Length
 * twice or beside Transfer-Encoding, any coding but "chunked", a coding in HTTP/1.0. The table of refusals is in
 * test/unit/test_http_request.c.
 *
 * Lenient where clients need it: one empty line before a request; `|`, `[`, `]`, `{`, `}`, `^` and '`' in targets, which
 * browsers send as they are.
 */
#ifndef TROXY_HTTP_REQUEST_H
#define TROXY_HTTP_REQUEST_H

#include "base/limits.h"
#include "troxy/http/chunked.h"
#include "troxy/http/refusal.h"

/* CONNECT and TRACE are not for servers like this: they get 501 as any unknown method does. */
enum http_request_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_OPTIONS,
};

struct http_field {
    struct slice name;  /* as it came: letters of either case */
    struct slice value; /* without spaces around it */
};

/*
 * A request without its body. Lent to the parser from a request's first byte to its last; slices point into `head`, so it must
 * not move meanwhile. Everything is as the client wrote it unless said otherwise.
 */
struct http_request {
    enum http_request_method method;
    bool version_1_0;
    bool keep_alive; /* the client wants the connection to stay */
    bool chunked;
    bool expects_continue;   /* and has a body to send */
    uint64_t content_length; /* 0 when chunked */
    struct slice target;
    struct slice
        authority;      /* "host:port": of an absolute target, else of Host; empty: HTTP/1.0 without either */
    struct slice path;  /* percent-encoded; "/..." or, for OPTIONS, "*" */
    struct slice query; /* percent-encoded, without "?"; data is NULL when there is none */
    uint32_t fields;
    struct http_field field[HTTP_FIELDS_MAX];
    uint32_t head_len; /* lines without their ends */
    uint8_t head[HTTP_HEAD_MAX];
};

enum http_event {
    HTTP_EVENT_MORE,   /* the input is used up; nothing to say yet */
    HTTP_EVENT_HEAD,   /* the request stands, but for its body */
    HTTP_EVENT_EXPECT, /* the client waits for "100 Continue" (or a final answer) before it sends the body */
    HTTP_EVENT_BODY,   /* a piece of the body: points into the input */
    HTTP_EVENT_END,    /* the request is complete; what is left of the input belongs to the next */
    HTTP_EVENT_REFUSED, /* answer parser.refusal and close: nothing after it can be understood. Repeats itself. */
};

enum http_state {
    HTTP_BETWEEN, /* nothing of a request was read */
    HTTP_HEAD_LINES,
    HTTP_EXPECTING,
    HTTP_FIXED_BODY,
    HTTP_CHUNKED_BODY,
    HTTP_REFUSED,
};

struct http_request_parser {
    enum http_state state;
    bool skipped_line;  /* the one empty line before a request */
    bool carriage;      /* the byte before was CR */
    uint32_t line;      /* where the current line starts in head */
    uint64_t body_left; /* of a body of known length */
    struct chunked chunked;
    struct http_refusal refusal;
};

void http_request_parser_init(struct http_request_parser *parser);
/* True between requests: no request is lent to the parser. */
bool http_request_parser_is_idle(const struct http_request_parser *parser);
/*
 * One step: takes what it needs from the front of `input`, which moves up, and says what came of it. To be called again until
 * it says MORE; END, HEAD and EXPECT may take no bytes at all. `piece` is set with BODY.
 */
enum http_event http_request_step(struct http_request_parser *parser, struct http_request *request,
                                  struct slice *input, struct slice *piece);

/* The first field of a name (lower-case) behind `after` (NULL: from the start); NULL when there is none. */
const struct http_field *http_request_field(const struct http_request *request, const char *name,
                                            const struct http_field *after);

#endif
