/* redoubt-application-kv: the kv service in a process of its own, called by redoubt-execution. */
#include "kv/kv.h"
#include "shell/shell.h"

int main(void)
{
    return shell_application_main(&redoubt_service_kv);
}
