/*
 * Execution without a service: what it calls runs in an application's process.
 */
#include "application/proxy.h"
#include "shell/link.h"
#include "shell/shell.h"

static struct link link;

static void connect(struct lockdown_doors *doors, uint32_t spin)
{
    link_open(&link, KIND_EXECUTION, spin, doors);
    application_proxy_use(&(struct application_link){
        .context = &link, .send = link_send, .receive = link_receive, .fail = link_fail});
}

int shell_split_main(void)
{
    return shell_run(&execution_type, &(struct shell_service){.service = &application_proxy,
                                                              .apart = &application_apart,
                                                              .connect = connect});
}
