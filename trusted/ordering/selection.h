/*
 * Selection: what a NEW-VIEW must say, computed from a set S of VIEW-CHANGEs of a quorum of distinct C (q of n:
 * any two quorums share f+1; 2f+1 of 3f+1). The same
 * function at the sender and at every receiver.
 *
 *   h = the highest certified checkpoint in S. For each slot s in (h, highest claimed]: go through the claims for s by
 *   falling view (equal views: lowest digest first). A VIEW-CHANGE *objects* to (s,d,v) if it claims s with a higher view, or
 *   with v and another digest. Take the first claim to which at least q of S do not object; if there is none and at
 *   least q of S claim nothing for s, null; else S does not do yet.
 *
 * Safe: if d committed at (v,s), any q of S include a correct C that committed it and claims it in v or, by induction,
 * later, so a different d' would have to be claimed in some v' > v with a correct P's vote in v'; but a correct P votes in v'
 * only what NEW-VIEW(v') selected, by induction d. Null is excluded the same way. Live: once the VIEW-CHANGEs of
 * q correct C are in S, the highest correct claim meets no objection from them.
 */
#ifndef ORDERING_SELECTION_H
#define ORDERING_SELECTION_H

#include "base/limits.h"
#include "wire/messages.h"

struct selection_input {
    slot_no stable_slot;
    slot_no parting_stable_slot; /* highest certificate inside its PARTINGs, 0 if none is higher */
    struct slice claims;         /* ascending by slot */
};

struct selection {
    slot_no stable_slot;
    uint32_t count;              /* slots stable_slot+1 .. stable_slot+count are selected */
    struct digest batch[WINDOW]; /* zero digest: null */
};

/* False: this set does not do yet. `quorum` is q. */
bool selection_compute(struct selection *selection, const struct selection_input *inputs, uint32_t count,
                       uint32_t quorum);

#endif
