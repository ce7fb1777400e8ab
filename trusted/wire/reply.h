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

/* Plaintext of the attachment: per operation u8 status (enum redoubt_status or RESULT_RETRY), u8 form, u32 length, bytes.
 * form 0: the result; form 1: its digest (32 bytes) under RESULT_TAG. */
enum { RESULT_FULL = 0, RESULT_DIGEST = 1 };
enum { RESULT_RETRY = 64 }; /* not executed, and known never to be: ask again in another bundle */
#define RESULT_TAG "result"
/* Results up to this length are always sent in full. */
#define RESULT_SHORT 64u

enum verdict reply_check(const struct frame *frame, struct reply *reply);
/* Nonce and associated data (header sender and the whole body) of the attachment. */
void reply_nonce(uint8_t nonce[12], uint64_t counter);

#endif
