/*
 * Byte ranges (RFC 9110, section 14): one range of one object. Several ranges, other units and what is malformed count as no
 * range at all, which the RFC allows: the whole object is a right answer. Pure.
 */
#ifndef TROXY_HTTP_RANGE_H
#define TROXY_HTTP_RANGE_H

#include "base/types.h"

enum http_range_kind {
    HTTP_RANGE_WHOLE,  /* none was asked for */
    HTTP_RANGE_FROM,   /* "bytes=FIRST-" or "bytes=FIRST-LAST" */
    HTTP_RANGE_SUFFIX, /* "bytes=-LAST": so many bytes at the end */
};

struct http_range {
    enum http_range_kind kind;
    uint64_t first;
    uint64_t last; /* of "bytes=FIRST-": UINT64_MAX */
};

struct http_range http_range_read(struct slice value);

enum http_range_fit { HTTP_RANGE_ALL, HTTP_RANGE_PART, HTTP_RANGE_UNSATISFIABLE };

/*
 * Of an object of `size` bytes. PART: answer 206 with the bytes from *first to *last; UNSATISFIABLE: answer 416; both with a
 * Content-Range.
 */
enum http_range_fit http_range_fit(const struct http_range *range, uint64_t size, uint64_t *first,
                                   uint64_t *last);

#endif
