/*
 * Errors as `application/problem+json` (RFC 9457): {"type":"about:blank","title":...,"status":...,"detail":...}. Pure.
 */
#ifndef TROXY_HTTP_PROBLEM_H
#define TROXY_HTTP_PROBLEM_H

#include "troxy/http/response.h"

/* Ends a response (begun, with other fields or none) with such a body. The detail may be any bytes, a client's too: they are
 * escaped, what is not UTF-8 becomes U+FFFD, and what is too long is cut between characters; none when it is empty. */
bool http_problem_end(struct http_response *response, struct slice detail);
/* The whole answer to a request that the parser refused. */
bool http_problem_refusal(struct http_response *response, void *memory, size_t cap,
                          const struct http_refusal *refusal, uint64_t date_s);

/* Text between the quotes of a JSON string; as much of it as fits into `most` bytes. */
void put_json_text(struct writer *w, struct slice text, size_t most);

#endif
