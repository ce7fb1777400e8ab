/*
 * State transfer between E compartments: ASK-EXECUTED, ASK-STATE and STATE. `replica` is the addressee. What is sent is
 * encrypted pairwise (STATE: the attachment) and believed only when the whole gives the root of a stable certificate.
 */
#ifndef WIRE_STATE_H
#define WIRE_STATE_H

#include "base/limits.h"
#include "wire/frame.h"

#define ASK_EXECUTED_FIELDS(F) F(u32, replica) F(u64, first) F(u64, last)
WIRE_STRUCT(ask_executed, ASK_EXECUTED_FIELDS)

/* STATE_HEAD: of a checkpoint above `slot`. STATE_ORIGINS: from `offset` on. STATE_LEAVES: leaf `leaf` from `offset` on, and
 * more. The last two name the slot of the head. */
enum { STATE_HEAD = 0, STATE_ORIGINS = 1, STATE_LEAVES = 2 };
#define ASK_STATE_FIELDS(F) F(u32, replica) F(u64, slot) F(u8, what) F(u64, leaf) F(u32, offset)
WIRE_STRUCT(ask_state, ASK_STATE_FIELDS)

#define STATE_FIELDS(F)                                                                                      \
    F(u32, replica)                                                                                          \
    F(u64, slot) F(u8, what) F(u64, leaf) F(u32, offset) F(u64, count) F(u64, leaf_count) F(u64, nonce)
WIRE_STRUCT(state, STATE_FIELDS)

/* Attachment of a head, in clear form: which root the whole must give, and who says so (no signers: the asker has to
 * know the root from CHECKPOINTs of its own). */
#define STATE_HEAD_FIELDS(F) F(u64, time_us) F(digest, root) F(slice, signers) F(u32, origins_len)
WIRE_STRUCT(state_head, STATE_HEAD_FIELDS)

#endif
