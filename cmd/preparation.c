/* The Preparation compartment's own binary; see trusted/shell/shell.h. */
#include "shell/shell.h"

int main(void)
{
    return shell_main(&preparation_type, NULL);
}
