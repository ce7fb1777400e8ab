/*
 * CERTIFIED: a Troxy to the origin of a bundle, beside the REPLY of the E next to it: this bundle is at (slot, index), and I was shown all
 * that `head` is the digest of (troxy/witness.h). Sealed, with nothing inside, under a key of the origin's and T's that is for this alone; T
 * numbers what it says, and of two about one bundle the later counts.
 */
#ifndef WIRE_CERTIFIED_H
#define WIRE_CERTIFIED_H

#include "base/limits.h"
#include "wire/frame.h"

#define CERTIFIED_FIELDS(F)                                                                                  \
    F(u32, origin)                                                                                           \
    F(u64, epoch) F(u64, bundle_no) F(u64, slot) F(u32, index) F(digest, head) F(u64, counter)
WIRE_STRUCT(certified, CERTIFIED_FIELDS)

/* On the message alone. */
enum verdict certified_check(const struct frame *frame, struct certified *certified);

#endif
