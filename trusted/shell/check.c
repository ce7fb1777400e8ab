/* Alone in its file, so that a program that brings its own check_failed can still link the rest of the shell.
 * */
#include "base/check.h"
#include "shell/words.h"

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    shell_check_failed(expression, file, line);
}
