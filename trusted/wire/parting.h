/*
 * PARTING: P leaves all views up to `view` for good and lists every (slot, batch) above its stable checkpoint that it
 * voted for, with the latest view in which it did.
 */
#ifndef WIRE_PARTING_H
#define WIRE_PARTING_H

#include "base/limits.h"
#include "wire/frame.h"

#define PARTING_FIELDS(F)                                                                                    \
    F(u64, configuration)                                                                                    \
    F(u64, view) F(u64, stable_slot) F(digest, stable_root) F(slice, signers) F(slice, votes)
WIRE_STRUCT(parting, PARTING_FIELDS)

/* "For this slot I voted for this batch, last in this view." Also the form of a claim in a VIEW-CHANGE. */
#define SLOT_VIEW_FIELDS(F) F(u64, slot) F(u64, view) F(digest, batch)
WIRE_STRUCT(slot_view, SLOT_VIEW_FIELDS)
WIRE_LIST(slot_view, SLOT_VIEW_FIELDS)

#define PARTING_VOTES_MAX (PARTING_DIGESTS_PER_SLOT * WINDOW) /* all of them */

/* On the message alone: votes ascend by slot, lie in (stable_slot, stable_slot + WINDOW] and in views up to `view`. */
enum verdict parting_check(const struct frame *frame, struct parting *parting);

#endif
