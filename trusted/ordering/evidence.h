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

/* Highest stable certificate that a VIEW-CHANGE shows: its own, or one inside its PARTINGs. */
struct shown_certificate {
    slot_no slot;
    struct digest root;
    struct slice signers;
};

/* VIEW-CHANGE: message, signature, certificate, PARTINGs, f+1 of them behind every claim. */
enum verdict evidence_view_change(const struct configuration *configuration, const struct frame *frame,
                                  struct view_change *vc, struct shown_certificate *highest);

/* NEW-VIEW: message, signature of the primary, 2f+1 valid VIEW-CHANGEs of distinct C for this view and configuration, and the
 * selection that follows from them. */
enum verdict evidence_new_view(const struct configuration *configuration, const struct frame *frame,
                               struct new_view *nv, struct selection *selection,
                               struct shown_certificate *highest);

#endif
