/*
 * HELLO: a compartment that just drew its keys shows their public halves. Signed with the key that it shows; names
 * the administrator that it obeys, so that a host cannot start a compartment of ours under an administrator of its own.
 * `evidence` is the attestation of (keys, epoch, administrator); empty where the isolation has none.
 *
 * A compartment that was given the records of an earlier life shows what they say: `head`, a digest over them; the highest
 * `view` that it voted in or left for; the `slot` that it executed up to (E) and its `stable` checkpoint. All zero: none.
 */
#ifndef WIRE_HELLO_H
#define WIRE_HELLO_H

#include "base/limits.h"
#include "wire/frame.h"

#define HELLO_FIELDS(F)                                                                                      \
    F(key, sign_public)                                                                                      \
    F(key, box_public)                                                                                       \
    F(key, admin_public)                                                                                     \
    F(digest, measurement) F(slice, evidence) F(u64, view) F(u64, slot) F(u64, stable) F(digest, head)
WIRE_STRUCT(hello, HELLO_FIELDS)

#endif
