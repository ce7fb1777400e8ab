/*
 * Checker: what must never be, after any move.
 */
#ifndef EXPLORER_HYBSTER_CHECKER_H
#define EXPLORER_HYBSTER_CHECKER_H

#include "moves.h"

#define FINDINGS(F)                                                                                          \
    F(NONE, "none")                                                                                          \
    F(CONFLICT, "two commands committed at one order")                                                       \
    F(INVENTED, "a correct replica has a checkpoint of what was not committed")                              \
    F(OUTSIDE, "a core reaches beyond its window")                                                           \
    F(FORCED, "a correct replica left a view that no correct one suspects")                                  \
    F(REFUSED, "the VIEW-CHANGE of a correct replica is not valid")                                          \
    F(STUCK, "all correct replicas wait for a NEW-VIEW that cannot be made")

enum finding {
#define F(name, text) FINDING_##name,
    FINDINGS(F)
#undef F
        FINDING_END
};

const char *finding_text(enum finding finding);

/* After `move` led to this model. */
enum finding checker_look(const struct model *model, const struct move *move);

#endif
