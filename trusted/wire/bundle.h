/*
 * BUNDLE: operations of one origin that queued up together. Its digest (the content digest of the frame) stands for
 * it in the order; it does not cover MACs or signature, so a bundle that is sent again signed is the same bundle. The
 * operations are the attachment, encrypted to the Execution group; P sees the frame without it.
 */
#ifndef WIRE_BUNDLE_H
#define WIRE_BUNDLE_H

#include "base/limits.h"
#include "wire/frame.h"

#define BUNDLE_FIELDS(F) F(u64, bundle_no) F(key, session_public) F(u32, flags) F(digest, operations)
WIRE_STRUCT(bundle, BUNDLE_FIELDS)

enum {
    BUNDLE_ALONE = 1,   /* wants a slot of its own (measuring without batching) */
    BUNDLE_VERSIONS = 2 /* the reply is to say how old reads are (ordering/versions.h) */
};

/* On the message alone: flags known, the attachment (when there is one) bounded and of the digest named. */
enum verdict bundle_check(const struct frame *frame, struct bundle *bundle);

/* Digest under which an attachment goes into `operations`. */
#define BUNDLE_OPERATIONS_TAG "operations"

/* Plaintext of the attachment: operations, each a u32 length and its bytes. The AEAD nonce is the bundle number, the
 * associated data origin, epoch and bundle number. */
void bundle_nonce(uint8_t nonce[12], uint64_t bundle_no);
void bundle_ad(uint8_t ad[20], origin_id origin, epoch_no epoch, uint64_t bundle_no);

#endif
