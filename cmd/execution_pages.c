/* The Execution compartment of the pages service, in its own binary; see trusted/shell/shell.h. */
#include "pages/pages.h"
#include "shell/shell.h"

int main(void)
{
    return shell_main(&execution_type, &redoubt_service_pages);
}
