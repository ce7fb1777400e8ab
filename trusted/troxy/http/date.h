/*
 * Dates of HTTP (RFC 9110, section 5.6.7): written as "Sun, 06 Nov 1994 08:49:37 GMT", and read in that form and the two obsolete ones. Pure:
 * the time is the caller's.
 */
#ifndef TROXY_HTTP_DATE_H
#define TROXY_HTTP_DATE_H

#include "base/bytes.h"

#define HTTP_DATE_BYTES 29u

/* Seconds since 1970, UTC, without leap seconds; what lies behind the year 9999 is written as its last second. */
void put_http_date(struct writer *w, uint64_t unix_s);

/*
 * False: none of the three forms, or no such day or time. The name of the day is not compared with the date. What lies before 1970 is read as
 * its first second; a leap second is the one behind it. Two digits of a year are 1970 to 2069: the RFC has them move with the reader's clock,
 * which is the host's here; where it is 2019 or later, this is one of the readings that it allows.
 */
bool http_date_read(struct slice text, uint64_t *unix_s);

#endif
