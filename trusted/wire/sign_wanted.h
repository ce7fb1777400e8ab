/*
 * SIGN-WANTED: a host whose P could not admit a bundle asks its origin for the same bundle signed. Unauthenticated; the
 * origin answers at most once per bundle and host.
 */
#ifndef WIRE_SIGN_WANTED_H
#define WIRE_SIGN_WANTED_H

#include "base/limits.h"
#include "wire/frame.h"

#define SIGN_WANTED_FIELDS(F) F(u32, origin) F(u64, bundle_no)
WIRE_STRUCT(sign_wanted, SIGN_WANTED_FIELDS)

#endif
