#include "scenario.h"
bool scenario_run(const char *path, FILE *out) { (void)path; (void)out; return false; }
