/*
 * The signed messages of a view change, checked against the configuration: what a C may claim, what a NEW-VIEW must
 * contain. Pure functions over frames; used by P and C alike.
 */
#ifndef ORDERING_EVIDENCE_H
#define ORDERING_EVIDENCE_H

#include "ordering/auth.h"
#include "ordering/selection.h"
#include "ordering/stable.h"

/* PARTING: message, signature, certificate. */
enum verdict evidence_parting(const struct configuration *configuration, const struct frame *frame,
                              struct parting *parting);

/* Does the PARTING list (slot, batch) for `view` or a later one? */
bool parting_lists(const struct parting *parting, const struct slot_view *claim);
/* ... and does it count? What an epoch says counts for slots at which it is in force. */
bool parting_supports(const struct configuration *configuration, const struct sender *sender,
                      const struct parting *parting, const struct slot_view *claim);

/* The number that a VIEW-CHANGE or NEW-VIEW names must be the one held: EARLY above, STALE below. */
enum verdict evidence_number(const struct configuration *configuration, configuration_no number);

/* Highest stable certificate that a VIEW-CHANGE shows: its own, or one inside its PARTINGs. */
struct shown_certificate {
    slot_no slot;
    struct digest root;
    struct slice signers;
};

/* VIEW-CHANGE: message, configuration number, signature by the latest epoch of that C, certificate (at or above the slot
 * from which that epoch is in force: what it does not claim below it cannot know), PARTINGs, f+1 of them behind every claim. */
enum verdict evidence_view_change(const struct configuration *configuration, const struct frame *frame,
                                  struct view_change *vc, struct shown_certificate *highest);

/* NEW-VIEW: message, signature of the primary, 2f+1 valid VIEW-CHANGEs of distinct C for this view and configuration, and the
 * selection that follows from them. */
enum verdict evidence_new_view(const struct configuration *configuration, const struct frame *frame,
                               struct new_view *nv, struct selection *selection,
                               struct shown_certificate *highest);

#endif
