/* Dates as HTTP writes them: "Sun, 06 Nov 1994 08:49:37 GMT". Pure: the time is the caller's. */
#ifndef TROXY_HTTP_DATE_H
#define TROXY_HTTP_DATE_H

#include "base/bytes.h"

#define HTTP_DATE_BYTES 29u

/* Seconds since 1970, UTC, without leap seconds; what lies behind the year 9999 is written as its last second. */
void put_http_date(struct writer *w, uint64_t unix_s);

#endif
