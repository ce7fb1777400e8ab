/* redoubt-application-pages: the pages service in a process of its own, called by redoubt-execution. */
#include "pages/pages.h"
#include "shell/shell.h"

int main(void)
{
    return shell_application_main(&redoubt_service_pages);
}
