/* Alone in its file, so that a program that brings its own check_failed can still link the rest of the library. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "libredoubt: a bug in it: %s:%d: %s\n", file, line, expression);
    abort();
}
