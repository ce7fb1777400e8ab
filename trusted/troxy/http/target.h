/*
 * What a request is for: its target (RFC 9112, section 3.2), and what is percent-encoded in it. Pure; slices point into the
 * input.
 */
#ifndef TROXY_HTTP_TARGET_H
#define TROXY_HTTP_TARGET_H

#include "base/types.h"

struct http_target {
    bool asterisk;          /* path is "*" */
    struct slice authority; /* of "http://AUTHORITY/...", else empty */
    struct slice path;      /* "/" where an absolute target has none */
    struct slice query;     /* data is NULL when there is no "?" */
};

/* "/path?query", "http://host:port/path?query" (or https) or "*"; false for anything else, a bad "%" escape included. */
bool http_target_read(struct http_target *target, struct slice text);
/* "host", "host:port", "[ipv6]:port", without a user's name; not empty. */
bool http_authority_is_valid(struct slice text);

/* What "+" stands for: itself in paths, a space in the queries that forms make. */
enum http_plus { HTTP_PLUS_IS_PLUS, HTTP_PLUS_IS_SPACE };

/* Decodes "%XX" into out[0..cap), any byte, NUL too. False: a bad escape, or `cap` is too small. */
bool http_percent_decode(struct slice text, enum http_plus plus, uint8_t *out, size_t cap, size_t *len);
/* The next "name=value" of a query, both still encoded; moves `query` on. False at its end. Empty parts ("&&") are left out. */
bool http_query_next(struct slice *query, struct slice *name, struct slice *value);

#endif
