/* redoubt-execution: Execution without a service; an application's process has it. */
#include "shell/shell.h"

int main(void)
{
    return shell_split_main();
}
