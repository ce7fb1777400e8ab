/* redoubt-application-counter: the counter service in a process of its own, called by redoubt-execution. */
#include "counter/counter.h"
#include "shell/shell.h"

int main(void)
{
    return shell_application_main(&redoubt_service_counter);
}
