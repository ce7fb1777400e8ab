/*
 * LOCAL-COUNTED: the answer to a LOCAL-COUNT; see counter_ask.h.
 */
#ifndef WIRE_COUNTER_ANSWER_H
#define WIRE_COUNTER_ANSWER_H

#include "base/limits.h"
#include "wire/frame.h"

/* `verdicts`: one byte for each check. */
#define LOCAL_COUNTED_FIELDS(F) F(u64, number) F(slice, made) F(slice, verdicts) F(slice, signatures)
WIRE_STRUCT(local_counted, LOCAL_COUNTED_FIELDS)

/* What became of a command. On ACCEPT its certificate: what the host did not know of it yet. Else zeroes. */
#define COUNTER_MADE_FIELDS(F)                                                                               \
    F(u8, verdict)                                                                                           \
    F(u64, previous_view) F(u64, previous_order) F(u64, act_view) F(u64, act_order) F(tag16, mac)
WIRE_STRUCT(counter_made, COUNTER_MADE_FIELDS)
WIRE_LIST(counter_made, COUNTER_MADE_FIELDS)

#define COUNTER_SIGNATURE_FIELDS(F) F(signature, signature)
WIRE_STRUCT(counter_signature, COUNTER_SIGNATURE_FIELDS)
WIRE_LIST(counter_signature, COUNTER_SIGNATURE_FIELDS)

/* All three lists: right size, not too long. */
enum verdict local_counted_check(const struct frame *frame, struct local_counted *counted);

#endif
