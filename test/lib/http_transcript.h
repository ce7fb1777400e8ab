/*
 * What the HTTP parser makes of bytes that come in pieces, as text: two ways to cut the same bytes must give the same text. And
 * what other parsers make of a request, as text that can be compared with that.
 */
#ifndef TEST_HTTP_TRANSCRIPT_H
#define TEST_HTTP_TRANSCRIPT_H

#include "base/bytes.h"

#define TRANSCRIPT_BYTES    (1u << 20)
#define TRANSCRIPT_REQUESTS 256u

/*
 * Per request
 *     GET /path HTTP/1.1 stays
 *     name: value
 *                                 (an empty line)
 *     the body
 *     -- expected at 80           (when 100-continue was asked for, and where)
 *     -- 97                       (bytes of input up to its end)
 * and at the end "== idle", "== more", or "== refused 400 at 12: why".
 */
struct http_transcript {
    struct writer out;
    unsigned requests; /* complete ones; those beyond the table are in the text only */
    unsigned status;   /* 0, or of the refusal */
    size_t refused_at; /* its last byte */
    struct {
        size_t start, end;       /* of the input */
        size_t text, text_after; /* of `out`: from its method to the end of its body */
        bool trailers;
    } request[TRANSCRIPT_REQUESTS];
    uint8_t text[TRANSCRIPT_BYTES];
};

/* Cuts the input into a piece of `first` bytes and others of `step`. Each piece lies alone in memory and is gone afterwards. */
void http_transcript_make(struct http_transcript *transcript, struct slice input, size_t first, size_t step);

/*
 * What http-parser makes of the bytes of one request: the text from its method to the end of its body. NULL when they are exactly
 * one request, else what it says.
 */
const char *other_http_read(struct writer *out, struct slice request);

#endif
