/*
 * The four votes: PRE-PREPARE, PREPARE (of P), COMMIT (of C), EXECUTED (of E). Same body, told apart by the frame type,
 * which every MAC covers. A PRE-PREPARE carries its batch as attachment; `batch` is that attachment digest.
 * The configuration number is informational here: the epoch in force at the slot decides whether a vote counts.
 */
#ifndef WIRE_VOTE_H
#define WIRE_VOTE_H

#include "base/limits.h"
#include "wire/frame.h"

#define VOTE_FIELDS(F) F(u64, configuration) F(u64, view) F(u64, slot) F(digest, batch)
WIRE_STRUCT(vote, VOTE_FIELDS)

/* On the message alone: right kind of sender for the type, slot not 0. */
enum verdict vote_check(const struct frame *frame, struct vote *vote);

#endif
