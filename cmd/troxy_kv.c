/* The Troxy of the kv service, in its own binary; see trusted/shell/troxy/main.c. */
#include "kv/front/kv_front.h"
#include "shell/shell.h"

int main(void)
{
    return shell_troxy_main(&kv_front);
}
