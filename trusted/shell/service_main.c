/*
 * main() of the Execution compartment of a user's service: libredoubt-service holds everything but
 * `redoubt_service`, which the user's own file defines (see examples/).
 */
#include <redoubt/app.h>

#include "shell/shell.h"

int main(void)
{
    return shell_main(&execution_type, &redoubt_service);
}
