/*
 * HELLO: a compartment that just drew its keys shows their public halves. Signed with the key that it shows; names
 * the administrator that it obeys, so that a host cannot start a compartment of ours under an administrator of its own.
 * `evidence` is the attestation of (keys, epoch, administrator); empty where the isolation has none.
 */
#ifndef WIRE_HELLO_H
#define WIRE_HELLO_H

#include "base/limits.h"
#include "wire/frame.h"

#define HELLO_FIELDS(F)                                                                                      \
    F(key, sign_public) F(key, box_public) F(key, admin_public) F(digest, measurement) F(slice, evidence)
WIRE_STRUCT(hello, HELLO_FIELDS)

#endif
