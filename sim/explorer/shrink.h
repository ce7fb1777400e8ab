/* Shrink: takes actions out of a red run for as long as it stays red in the same way. */
#ifndef EXPLORER_SHRINK_H
#define EXPLORER_SHRINK_H

#include "checker.h"
#include "rules.h"

#include <stddef.h>

/* What the actions lead to from start; those that the rules refuse are passed over. */
enum checker_verdict shrink_replay(const struct model *start, const struct action *actions, size_t count);

/* Shortens actions in place and returns the new count. */
size_t shrink_run(const struct model *start, struct action *actions, size_t count,
                  enum checker_verdict verdict);

#endif
