/*
 * VIEW-CHANGE: C leaves all views below `view` and claims, per slot above its stable checkpoint that it saw prepared, the
 * batch and the highest view. The attachment holds the PARTINGs that prove the claims.
 */
#ifndef WIRE_VIEW_CHANGE_H
#define WIRE_VIEW_CHANGE_H

#include "base/limits.h"
#include "wire/frame.h"

#define VIEW_CHANGE_FIELDS(F)                                                                                \
    F(u64, configuration)                                                                                    \
    F(u64, view)                                                                                             \
    F(u64, stable_slot) F(digest, stable_root) F(slice, signers) F(slice, claims) F(digest, partings)
WIRE_STRUCT(view_change, VIEW_CHANGE_FIELDS)

#define VIEW_CHANGE_PARTINGS_TAG "partings"

/* On the message alone: claims strictly ascend by slot, lie in (stable_slot, stable_slot + WINDOW] and in views below
 * `view`; the attachment has the digest named and is a list of at most REPLICAS_MAX frames. */
enum verdict view_change_check(const struct frame *frame, struct view_change *view_change);

#endif
