/*
 * What stands in the lines of a request's head; for http/request.c, which finds the lines. Each function says what is wrong, or
 * HTTP_FINE. Lines lie in request->head and have no control characters but tabs in them.
 */
#ifndef TROXY_HTTP_HEAD_H
#define TROXY_HTTP_HEAD_H

#include "troxy/http/request.h"

void http_head_clear(struct http_request *request);
struct http_refusal http_head_request_line(struct http_request *request, struct slice line);
struct http_refusal http_head_field(struct http_request *request, struct slice line);
/* After the last line: how the body is framed, whether the connection stays, whom it is for. */
struct http_refusal http_head_complete(struct http_request *request);

#endif
