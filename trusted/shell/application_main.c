/*
 * main() of an application's process: a service that answers Execution's calls, and shares nothing with the host but its
 * configuration and its last words.
 */
#include "application/serve.h"
#include "shell/link.h"
#include "shell/shell.h"
#include "shell/start.h"
#include "shell/words.h"

static struct shared_config config;
static struct arena arena;
static struct link link;

static struct application *prepare(const struct redoubt_service *service)
{
    struct application *application =
        start_memory(sizeof *application, "cannot reserve memory for calls and answers");
    arena_init(&arena, start_memory(config.memory_bytes, "cannot reserve the configured memory"),
               config.memory_bytes);
    application_init(application, service, &arena,
                     &(struct application_link){.context = &link, .send = link_send, .fail = link_fail});
    return application;
}

int shell_application_main(const struct redoubt_service *service)
{
    struct shared *shared = start_process(&config, KIND_APPLICATION);
    if (!shared)
        return start_say(KIND_APPLICATION);
    struct lockdown_doors doors = {
        .event_fd = EVENT_FD, .event_value = &host_notify_value, .host_pid = config.host_pid};
    link_open(&link, KIND_APPLICATION, config.spin, &doors);
    struct application *application = prepare(service);
    atomic_store_explicit(&shared->sandbox, lockdown(&doors), memory_order_relaxed);
    atomic_store_explicit(&shared->ready, 1, memory_order_seq_cst);
    host_notify(shared, EVENT_FD);
    for (;;) {
        struct slice call = link_receive(&link);
        application_on_call(application, call.data, call.len);
    }
}
