/*
 * Entity tags (RFC 9110, section 8.8.3), and the lists of them in If-Match and If-None-Match. Pure; slices point into the
 * input.
 */
#ifndef TROXY_HTTP_ETAG_H
#define TROXY_HTTP_ETAG_H

#include "troxy/http/request.h"

struct http_etag {
    bool weak;
    bool any;          /* "*" */
    struct slice text; /* between the quotes */
};

enum http_etags { HTTP_ETAGS_ONE, HTTP_ETAGS_END, HTTP_ETAGS_BAD };

/* The next tag of a list; moves `list` on. Empty elements are left out; "*" stands alone. */
enum http_etags http_etag_next(struct slice *list, struct http_etag *etag);

/* How tags are compared: If-Match takes strong ones only, If-None-Match does not care. */
enum http_comparison { HTTP_COMPARE_STRONG, HTTP_COMPARE_WEAK };
bool http_etag_equal(const struct http_etag *a, const struct http_etag *b, enum http_comparison comparison);

enum http_match {
    HTTP_MATCH_ABSENT, /* no such field */
    HTTP_MATCH_YES,
    HTTP_MATCH_NO,
    HTTP_MATCH_BAD, /* malformed: answer 400 */
};

/* All fields of the name (lower-case) against the current tag, NULL when the object does not exist. */
enum http_match http_etag_match(const struct http_request *request, const char *name,
                                const struct http_etag *current, enum http_comparison comparison);

#endif
