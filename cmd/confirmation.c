/* The Confirmation compartment's own binary; see trusted/shell/shell.h. */
#include "shell/shell.h"

int main(void)
{
    return shell_main(&confirmation_type, NULL);
}
