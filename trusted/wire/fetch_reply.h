/*
 * FETCH-REPLY: the origin (the frame sender) asks an E for its reply to a bundle again, in full. Unauthenticated: the
 * reply is encrypted to the session, so at worst an E does one encryption too many.
 */
#ifndef WIRE_FETCH_REPLY_H
#define WIRE_FETCH_REPLY_H

#include "base/limits.h"
#include "wire/frame.h"

#define FETCH_REPLY_FIELDS(F) F(u64, bundle_no)
WIRE_STRUCT(fetch_reply, FETCH_REPLY_FIELDS)

#endif
