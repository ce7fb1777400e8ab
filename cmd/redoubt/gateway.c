/*
 * redoubt gateway: stock clients on this machine in front of the client library, which votes here ("BL").
 */
#include <getopt.h>
#include <string.h>
#include <time.h>

#include "client/loop.h"
#include "commands.h"
#include "fronts.h"
#include "gateway/library.h"
#include "log.h"
#include "serving.h"
#include "troxy/alone.h"

#define REACH_TRIES    200
#define REACH_EVERY_MS 50
#define MEMORY_BYTES   ((size_t)1 << 30) /* of the front, taken as it is touched */

static const char help[] =
    "usage: redoubt gateway DIR --mode client [OPTION...]\n\n"
    "Serves stock clients on this machine with a cluster, through the client library: it votes here, not in "
    "a replica.\n"
    "So redis-benchmark, wrk or JMeter can drive the library and be compared with a Troxy. Prints `ready` "
    "when "
    "a quorum\n"
    "of replicas is connected and it serves; Ctrl-C ends it.\n\n"
    "  --mode client     what it is: operations are ordered, and answered when a quorum gave equal replies\n"
    "  --http PORT       HTTP without TLS, on 127.0.0.1 only\n"
    "  --resp PORT       RESP without TLS, on 127.0.0.1 only\n"
    "  --origin N        the client whose key is used; default: the first that is free\n"
    "  --timeout MS      until the outcome of an operation is unknown, and its connection ends; default "
    "5000\n"
    "  --idle-s N        connections on which nothing happens are closed after so long, default 300; 0: "
    "never\n"
    "  --delay-ms M      emulates a distance to the replicas: each way, in user space, default 0 ...\n"
    "  --jitter-ms J     ... give or take up to so much\n\n"
    "Whoever may connect to these ports does what that client may do: there are no users and no passwords. "
    "DIR "
    "is the cluster's\n"
    "folder, or a copy of its cluster.yaml, endpoints.json, manifest, admin.pub and a key in clients.\n\n"
    "example: redoubt gateway demo --mode client --resp 6390 &\n"
    "         redis-benchmark -p 6390 -t get,set\n";

struct gateway {
    const char *dir;
    struct client_loop_options loop;
    struct redoubt_client_options client;
    struct troxy_options troxy;
    uint16_t port[LISTENERS];
    bool mode_given;
};

/* ---------------------------------------------------------------- serving */

static void wakes(void *context, void (*wake)(void *waker), void *waker)
{
    library_wakes(context, wake, waker);
}

static void second(void *context)
{
    library_look(context);
}

static bool reach_quorum(struct library *library)
{
    const struct timespec pause = {.tv_nsec = REACH_EVERY_MS * 1000000};
    for (int i = 0; i < REACH_TRIES; i++) {
        if (library_look(library))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static int serve(struct gateway *g, struct redoubt_client *client)
{
    struct error error;
    struct library *library = library_new(client);
    if (!library)
        return say_failed("gateway: out of memory");
    const struct access_source source = library_source(library);
    const struct serving_options serving = {
        .troxy = &g->troxy, .port = g->port, .wakes = wakes, .second = second, .context = library};
    g->troxy.source = &source;
    int result = 0;
    if (!reach_quorum(library))
        result =
            say_failed("gateway: no quorum of replicas can be reached: %s", redoubt_client_error(client));
    else if (serving_run(&serving, &error))
        result = say_failed("%s", error.text);
    redoubt_client_close(client); /* what is under way is told nobody */
    library_free(library);
    return result;
}

static int run(struct gateway *g)
{
    struct client_loop *loop;
    struct redoubt_client *client;
    struct error error;
    if (client_loop_new(&loop, &g->loop, &error))
        return say_failed("%s", error.text);
    int result = client_open_on(&client, loop, g->dir, &g->client)
                     ? say_failed("%s", redoubt_client_error(NULL))
                     : serve(g, client);
    client_loop_free(loop);
    return result;
}

/* ---------------------------------------------------------------- the command line */

enum { O_MODE = 1, O_HTTP, O_RESP, O_ORIGIN, O_TIMEOUT, O_IDLE, O_DELAY, O_JITTER, O_HELP };

static const struct option options[] = {{"mode", required_argument, NULL, O_MODE},
                                        {"http", required_argument, NULL, O_HTTP},
                                        {"resp", required_argument, NULL, O_RESP},
                                        {"origin", required_argument, NULL, O_ORIGIN},
                                        {"timeout", required_argument, NULL, O_TIMEOUT},
                                        {"idle-s", required_argument, NULL, O_IDLE},
                                        {"delay-ms", required_argument, NULL, O_DELAY},
                                        {"jitter-ms", required_argument, NULL, O_JITTER},
                                        {"help", no_argument, NULL, O_HELP},
                                        {0}};

/* In the order of O_HTTP and so on. */
static const struct {
    uint64_t least, most;
} limits[] = {{1, 65535}, {1, 65535}, {0, ORIGINS_MAX - 1}, {1, 3600000}, {0, 86400}, {0, 10000}, {0, 10000}};

/* 0, or what to exit with. */
static int option_take(struct gateway *g, int option, int which)
{
    uint64_t value;
    if (option == O_MODE) {
        g->mode_given = strcmp(optarg, "client") == 0;
        return g->mode_given ? 0 : say_usage("gateway", "--mode %s: must be client", optarg);
    }
    if (!number_read(optarg, limits[option - O_HTTP].least, limits[option - O_HTTP].most, &value))
        return say_usage("gateway", "--%s %s: must be from %llu to %llu", options[which].name, optarg,
                         (unsigned long long)limits[option - O_HTTP].least,
                         (unsigned long long)limits[option - O_HTTP].most);
    switch (option) {
    case O_HTTP:
        g->port[LISTENER_HTTP] = (uint16_t)value;
        break;
    case O_RESP:
        g->port[LISTENER_REDIS] = (uint16_t)value;
        break;
    case O_ORIGIN:
        g->client.origin = (int)value;
        break;
    case O_TIMEOUT:
        g->troxy.operation_ms = (uint32_t)value;
        break;
    case O_IDLE:
        g->troxy.idle_ms = (uint32_t)value * 1000;
        break;
    case O_DELAY:
        g->loop.delay_us = value * 1000;
        break;
    default:
        g->loop.jitter_us = value * 1000;
        break;
    }
    return 0;
}

/* What stock clients can be served with. */
static int front_find(struct gateway *g)
{
    static struct config config;
    struct error error;
    if (config_read(&config, g->dir, &error))
        return say_failed("%s", error.text);
    g->troxy.front = front_of_service(config.service);
    if (!g->troxy.front)
        return say_failed("gateway: the service %s has no front for stock clients", config.service);
    if (g->port[LISTENER_HTTP] && !g->troxy.front->http)
        return say_failed("gateway: the service %s does not speak HTTP", config.service);
    if (g->port[LISTENER_REDIS] && !g->troxy.front->resp)
        return say_failed("gateway: the service %s does not speak RESP", config.service);
    return 0;
}

int cmd_gateway(int argc, char **argv)
{
    static struct gateway g;
    int option, which = 0, result;
    g = (struct gateway){.loop = {.core = -1},
                         .troxy = {.isolation = ISOLATION_INLINE,
                                   .type = &standalone_type,
                                   .core = -1,
                                   .memory_bytes = MEMORY_BYTES,
                                   .idle_ms = 300000,
                                   .request_ms = 30000,
                                   .operation_ms = 5000}};
    redoubt_client_options_init(&g.client);
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, &which)) != -1) {
        if (option == O_HELP)
            return say_help(help);
        if (option == '?')
            return say_usage("gateway", "%s: unknown option or no value", argv[optind - 1]);
        if ((result = option_take(&g, option, which)) != 0)
            return result;
    }
    if (optind + 1 != argc || !g.mode_given)
        return say_usage("gateway", "DIR and --mode are needed");
    if (!g.port[LISTENER_HTTP] && !g.port[LISTENER_REDIS])
        return say_usage("gateway", "no port to serve on: --http or --resp");
    if (g.loop.jitter_us > g.loop.delay_us)
        return say_usage("gateway", "--jitter-ms: must not be more than --delay-ms");
    g.dir = argv[optind];
    result = front_find(&g);
    return result ? result : run(&g);
}
