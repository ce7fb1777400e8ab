/* The Execution compartment of the kv service, in its own binary; see trusted/shell/shell.h. */
#include "kv/kv.h"
#include "shell/shell.h"

int main(void)
{
    return shell_main(&execution_type, &redoubt_service_kv);
}
