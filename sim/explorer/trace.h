/* Trace: actions in words, one line each. */
#ifndef EXPLORER_TRACE_H
#define EXPLORER_TRACE_H

#include "rules.h"

#include <stddef.h>

/* Replays the actions on a copy of start and prints those that are taken, and what they lead to. */
void trace_print(const struct model *start, const struct action *actions, size_t count);

#endif
