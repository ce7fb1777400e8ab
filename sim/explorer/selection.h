/*
 * Selection: what a NEW-VIEW must propose, computed from a set S of VIEW-CHANGEs by its sender and by every receiver.
 */
#ifndef EXPLORER_SELECTION_H
#define EXPLORER_SELECTION_H

#include "model.h"

/* A faulty C may try to have two of its VIEW-CHANGEs counted. */
enum { FORGED_MAX = 2 * FAULTS_MAX };

/*
 * S: the VIEW-CHANGEs that correct C have sent for this view, by sender (bit 1 << i), and those that faulty C make up.
 * Equal claims are decided by the lower digest; as no model digest is lower by nature, `b_first` says which one is.
 */
struct evidence {
    uint8_t correct;
    uint8_t forged_count;
    bool b_first;
    struct view_change forged[FORGED_MAX];
};

enum selection_verdict {
    SELECTION_DONE,
    SELECTION_WAIT,   /* S is valid but does not do yet: the primary waits for more VIEW-CHANGEs */
    SELECTION_INVALID /* S is no set of 2f+1 valid VIEW-CHANGEs of distinct C */
};

/* Fills out only when the verdict is SELECTION_DONE. */
enum selection_verdict selection_run(const struct model *model, unsigned view,
                                     const struct evidence *evidence, struct new_view *out);

/* Whether anybody who checks PARTINGs lets this claim pass in a VIEW-CHANGE for `view`. */
bool selection_claim_is_valid(const struct model *model, unsigned view, unsigned slot, struct claim claim);

/* The number of VIEW-CHANGEs in S that are from correct C. */
unsigned selection_correct_count(const struct evidence *evidence);

#endif
