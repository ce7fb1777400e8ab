/* The counter compartment's own binary (TrInX); see trusted/shell/shell.h. */
#include "shell/shell.h"

int main(void)
{
    return shell_main(&counter_type, NULL);
}
