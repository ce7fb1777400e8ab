/*
 * CHECKPOINT: E signs the root of its state after a slot, and the chain digest of the configuration that is known by then
 * (with all its pending changes). 2f+1 equal ones are a stable certificate.
 */
#ifndef WIRE_CHECKPOINT_H
#define WIRE_CHECKPOINT_H

#include "base/limits.h"
#include "wire/frame.h"

#define CHECKPOINT_FIELDS(F) F(u64, configuration) F(digest, chain) F(u64, slot) F(digest, root)
WIRE_STRUCT(checkpoint, CHECKPOINT_FIELDS)

/* A signer of a certificate; with slot and root of the certificate it makes a CHECKPOINT again. */
#define SIGNER_FIELDS(F) F(u32, replica) F(u64, epoch) F(u64, configuration) F(signature, signature)
WIRE_STRUCT(signer, SIGNER_FIELDS)
WIRE_LIST(signer, SIGNER_FIELDS)

enum verdict checkpoint_check(const struct frame *frame, struct checkpoint *checkpoint);

#endif
