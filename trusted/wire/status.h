/*
 * STATUS and FETCH: what hosts tell and ask each other. They carry no weight in safety; the link (TLS) says who speaks.
 */
#ifndef WIRE_STATUS_H
#define WIRE_STATUS_H

#include "base/limits.h"
#include "wire/frame.h"

#define STATUS_FIELDS(F)                                                                                     \
    F(u64, view) F(u8, in_view) F(u64, executed) F(u64, stable) F(u64, newest) F(u64, configuration)
WIRE_STRUCT(status, STATUS_FIELDS)

/* what 0: a batch; 1: a bundle. */
#define FETCH_FIELDS(F) F(u8, what) F(digest, digest)
WIRE_STRUCT(fetch, FETCH_FIELDS)
enum { FETCH_BATCH = 0, FETCH_BUNDLE = 1 };

#endif
