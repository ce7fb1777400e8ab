/*
 * HTTP/1.1 responses, written into the caller's memory. In order: begin, fields, one of the ends. Pure.
 *
 * What a client or a service chose may be among the values, so nothing that would break out of its line gets into one: such a
 * field, like memory that does not suffice, makes the whole response fail, which the end says.
 *
 * Bodies follow the request: none for HEAD, 1xx, 204 and 304, whatever is handed in; Content-Length is written wherever it
 * may stand.
 */
#ifndef TROXY_HTTP_RESPONSE_H
#define TROXY_HTTP_RESPONSE_H

#include "base/bytes.h"
#include "troxy/http/request.h"

struct http_response {
    struct writer out;
    unsigned status;
    bool head_only;  /* the request was HEAD */
    bool close;      /* the connection ends after it: says so. May be set until the end. */
    bool says_stays; /* HTTP/1.0 wants to be told */
};

/* The phrase of a status; "Unknown" for one without. */
const char *http_status_phrase(unsigned status);

/* `request` is NULL when none was understood; then the connection closes. `date_s` is the time, in seconds since 1970. */
void http_response_begin(struct http_response *response, void *memory, size_t cap,
                         const struct http_request *request, unsigned status, uint64_t date_s);
void http_response_field(struct http_response *response, const char *name, struct slice value);
void http_response_number(struct http_response *response, const char *name, uint64_t value);
/* The end with a body (which may be empty). False: it failed, and nothing of it may be sent. Otherwise out.len bytes are. */
bool http_response_end(struct http_response *response, struct slice body);
/* The end of the head alone; the caller sends that many bytes of body himself, if http_response_has_body. */
bool http_response_end_head(struct http_response *response, uint64_t content_length);
bool http_response_has_body(const struct http_response *response);

/* "HTTP/1.1 100 Continue", whole. */
struct slice http_response_continue(void);

#endif
