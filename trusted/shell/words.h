/*
 * How a compartment dies of its own accord: the reason goes to the last-words area of the shared memory, and
 * the process exits. The host prints it (as text that it does not trust).
 */
#ifndef SHELL_WORDS_H
#define SHELL_WORDS_H

#include "shell/shared.h"

#define SHELL_EXIT_STATUS 70

/* Where words go; before that, to standard error. */
void words_open(struct shared *shared);

/* Says "what" or "what: detail" and ends the process. */
_Noreturn void shell_fail(const char *what, const char *detail);
/* Our own bug: the check_failed of a compartment. */
_Noreturn void shell_check_failed(const char *expression, const char *file, int line);

#endif
