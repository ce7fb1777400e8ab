/* The Troxy of the pages service, in its own binary; see trusted/shell/troxy/main.c. */
#include "pages/front/pages_front.h"
#include "shell/shell.h"

int main(void)
{
    return shell_troxy_main(&pages_front);
}
