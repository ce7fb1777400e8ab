/* The Execution compartment of the counter service, in its own binary; see trusted/shell/shell.h. */
#include "counter/counter.h"
#include "shell/shell.h"

int main(void)
{
    return shell_main(&execution_type, &redoubt_service_counter);
}
