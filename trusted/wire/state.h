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

/* slot 0: whatever checkpoint you serve. `what` 0: the head (origins, time); else the leaves from `leaf` on. */
#define ASK_STATE_FIELDS(F) F(u32, replica) F(u64, slot) F(u8, what) F(u64, leaf) F(u32, offset)
WIRE_STRUCT(ask_state, ASK_STATE_FIELDS)

#define STATE_FIELDS(F)                                                                                          \
    F(u32, replica) F(u64, slot) F(u8, what) F(u64, leaf) F(u32, offset) F(u64, count) \
    F(u64, leaf_count) F(u64, nonce)
WIRE_STRUCT(state, STATE_FIELDS)

#endif
