/*
 * main() of a user's service: libredoubt-service holds everything but `redoubt_service`, which the user's own file defines
 * (see examples/). The same program is either the Execution compartment with the service in it, or, with `split_app: true`, the
 * application that another Execution calls.
 */
#include <redoubt/app.h>

#include "shell/shell.h"
#include "shell/start.h"

int main(void)
{
    if (start_asked_for() == KIND_APPLICATION)
        return shell_application_main(&redoubt_service);
    return shell_main(&execution_type, &redoubt_service);
}
