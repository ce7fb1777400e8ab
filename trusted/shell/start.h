/*
 * The first steps of a compartment's process, the same for all: its shared memory, its configuration, its core, its
 * cryptography. What cannot be ends the process with last words.
 */
#ifndef SHELL_START_H
#define SHELL_START_H

#include "base/types.h"
#include "shell/shared.h"

/* What a host started this process as; KIND_NONE when no host did. It is a claim, see start_process. */
enum kind start_asked_for(void);
/* Says on standard error what this program is; 2. */
int start_say(enum kind kind);
/* Maps the shared memory and takes the configuration out of it: one copy, after which the shared one is not looked at again.
 * NULL when no host started this process. */
struct shared *start_process(struct shared_config *config, enum kind kind);
/* Zeroed memory for the process' life. */
void *start_memory(size_t bytes, const char *what_if_not);

#endif
