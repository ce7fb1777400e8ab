/* Moves: everything that may happen next in a model, for the exhaustive mode. */
#ifndef EXPLORER_MOVES_H
#define EXPLORER_MOVES_H

#include "rules.h"

/* Called for each candidate; the rules may still refuse it. */
typedef void moves_visit(void *context, const struct action *action);

/* Only n = 4: S is enumerated with one faulty C. */
void moves_each(const struct model *model, moves_visit *visit, void *context);

/* The votes of one replica in one view only. */
void moves_votes(const struct model *model, unsigned replica, unsigned view, moves_visit *visit,
                 void *context);

#endif
