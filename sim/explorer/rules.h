/*
 * Rules: the step machines of P and C. Anybody may propose an action; the rules apply it or refuse it.
 *
 * An action carries all that its step depends on, so a list of actions replays to the same state, and a list with
 * holes replays too (what no longer holds is refused), which is what makes shrinking a trace easy.
 */
#ifndef EXPLORER_RULES_H
#define EXPLORER_RULES_H

#include "model.h"
#include "selection.h"

enum action_kind {
    ACTION_VOTE,        /* P votes (view, slot, digest); the primary's vote is its PRE-PREPARE */
    ACTION_COMMIT,      /* C commits (view, slot, digest) */
    ACTION_PART,        /* P parts from view */
    ACTION_VIEW_CHANGE, /* C leaves all views below view and sends VIEW-CHANGE(view) */
    ACTION_ENTER,   /* P accepts NEW-VIEW(view) built on evidence, or the one that a correct primary made */
    ACTION_LEARN_P, /* P learns the checkpoint certificate of slot */
    ACTION_LEARN_C
};

struct action {
    enum action_kind kind;
    uint8_t replica;
    uint8_t view;
    uint8_t slot;
    uint8_t digest;
    struct evidence evidence; /* ACTION_ENTER only */
};

enum rules_outcome {
    RULES_REFUSED, /* the model is untouched */
    RULES_TAKEN,
    RULES_STUCK /* refused, and wrongly so: S held 2f+1 correct VIEW-CHANGEs and still did not do */
};

enum rules_outcome rules_apply(struct model *model, const struct action *action);

#endif
