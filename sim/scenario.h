/*
 * Scenarios: short stories in text files, with what must be seen (see docs/SIMULATOR.md for the language).
 */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

#include <stdbool.h>
#include <stdio.h>

/* Prints the trace of the story; false (and a line on standard error) when the file is wrong or the run fails. */
bool scenario_run(const char *path, FILE *out);

#endif
