/*
 * REPLY: outcome of one bundle at one E, encrypted with the pairwise key of the session and that E. One replica (the
 * bundle digest modulo n) sends results in full, the others digests of the long ones.
 */
#ifndef WIRE_REPLY_H
#define WIRE_REPLY_H

#include "base/limits.h"
#include "wire/frame.h"

#define REPLY_FIELDS(F)                                                                                      \
    F(u32, origin)                                                                                           \
    F(u64, epoch)                                                                                            \
    F(u64, bundle_no) F(u64, configuration) F(u64, view) F(u64, slot) F(u64, nonce) F(u8, outcome)
WIRE_STRUCT(reply, REPLY_FIELDS)

enum reply_outcome {
    REPLY_EXECUTED = 0,
    REPLY_STALE = 1,      /* bundle number below what is remembered: nothing was executed now */
    REPLY_UNREADABLE = 2, /* did not decrypt or parse: the same no-op at every E */
};

/* Plaintext of the attachment: per operation u8 status (enum redoubt_status or RESULT_RETRY), u8 form, u32 length, bytes, and with
 * RESULT_VERSION u64 version. Form: the result, or its digest (32 bytes) under RESULT_TAG; RESULT_VERSION is added to either when the
 * bundle asked for versions and the result may be kept: that of a read which did not depend on time. (That of a write is at
 * its own place, as the slot says.) */
enum { RESULT_FULL = 0, RESULT_DIGEST = 1, RESULT_VERSION = 2 };
enum { RESULT_RETRY = 64 }; /* not executed, and known never to be: ask again in another bundle */
#define RESULT_TAG "result"
/* Results up to this length are always sent in full. */
#define RESULT_SHORT 64u

enum verdict reply_check(const struct frame *frame, struct reply *reply);
/* Nonce and associated data (header sender and the whole body) of the attachment. */
void reply_nonce(uint8_t nonce[12], uint64_t counter);

#endif
