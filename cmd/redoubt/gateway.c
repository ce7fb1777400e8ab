/*
 * redoubt gateway: stock clients in front of the client library, which votes here ("BL"), or in front of Prophecy's table of
 * sketches.
 */
#include <getopt.h>
#include <string.h>
#include <time.h>

#include "certificate.h"
#include "client/loop.h"
#include "commands.h"
#include "fronts.h"
#include "gateway/library.h"
#include "gateway/prophecy.h"
#include "log.h"
#include "pages.h"
#include "serving.h"
#include "troxy/alone.h"

#define REACH_TRIES    200
#define REACH_EVERY_MS 50
#define MEMORY_BYTES   ((size_t)1 << 30) /* of the front, taken as it is touched */

static const char help[] =
    "usage: redoubt gateway DIR --mode client|prophecy [OPTION...]\n\n"
    "Serves stock clients with a cluster, outside of its replicas: what the Troxies of a cluster are "
    "measured "
    "against. Prints\n"
    "`ready` when it serves; Ctrl-C ends it.\n\n"
    "  --mode client     the client library votes here: every operation is ordered, and answered when a "
    "quorum "
    "gave equal replies\n"
    "    --http PORT       HTTP without TLS, on 127.0.0.1 only\n"
    "    --resp PORT       RESP without TLS, on 127.0.0.1 only\n"
    "    --delay-ms M      emulates a distance to the replicas: each way, in user space, default 0 ...\n"
    "    --jitter-ms J     ... give or take up to so much\n"
    "  --mode prophecy   a middlebox after Prophecy: a read that was ordered before is answered when ONE "
    "replica, "
    "drawn by lot,\n"
    "                    says that nothing has changed.\n"
    "                    WARNING: reads are delay-once, not linearizable. A replica that lags or lies makes "
    "them "
    "stale: a client\n"
    "                    may not see what it has just written itself. For reads that are right use a "
    "replica's "
    "own front.\n"
    "    --https PORT      HTTPS\n"
    "    --rediss PORT     RESP over TLS\n"
    "    --cert FILE       certificate chain, and ...\n"
    "    --key FILE        ... its key (PEM); default: DIR/gateway.crt and .key, which are made if "
    "DIR/ca.key is "
    "there\n"
    "    --sketch-mb N     for what is known of requests, default 64; the oldest go first\n"
    "    --metrics PORT    GET /metrics, on 127.0.0.1 only\n"
    "  --origin N        the client whose key is used; default: the first that is free\n"
    "  --timeout MS      until the outcome of an operation is unknown, and its connection ends; default "
    "5000\n"
    "  --idle-s N        connections on which nothing happens are closed after so long, default 300; 0: "
    "never\n\n"
    "Whoever may connect does what that client may do: there are no users and no passwords. DIR is the "
    "cluster's "
    "folder, or a copy\n"
    "of its cluster.yaml, endpoints.json, manifest, admin.pub and a key in clients.\n\n"
    "example: redoubt gateway demo --mode client --resp 6390 &\n"
    "         redis-benchmark -p 6390 -t get,set\n";

struct gateway {
    const char *dir;
    struct client_loop_options loop;
    struct redoubt_client_options client;
    struct troxy_options troxy;
    uint16_t port[LISTENERS];
    uint16_t metrics;
    size_t sketch_bytes;
    enum mode { MODE_NONE, MODE_CLIENT, MODE_PROPHECY } mode;
    struct config config;
};

/* ---------------------------------------------------------------- the client library */

static void library_start(void *context, uv_loop_t *loop, void (*wake)(void *waker), void *waker)
{
    (void)loop;
    library_wakes(context, wake, waker);
}

static void library_stop(void *context)
{
    library_wakes(context, NULL, NULL);
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

static int library_serve(struct gateway *g, struct redoubt_client *client)
{
    struct error error;
    struct library *library = library_new(client);
    if (!library)
        return say_failed("gateway: out of memory");
    const struct access_source source = library_source(library);
    const struct serving_options serving = {.troxy = &g->troxy,
                                            .port = g->port,
                                            .start = library_start,
                                            .stop = library_stop,
                                            .second = second,
                                            .context = library};
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

static int library_run(struct gateway *g)
{
    struct client_loop *loop;
    struct redoubt_client *client;
    struct error error;
    if (client_loop_new(&loop, &g->loop, &error))
        return say_failed("%s", error.text);
    int result = client_open_on(&client, loop, g->dir, &g->client)
                     ? say_failed("%s", redoubt_client_error(NULL))
                     : library_serve(g, client);
    client_loop_free(loop);
    return result;
}

/* ---------------------------------------------------------------- Prophecy */

struct middlebox {
    struct prophecy *prophecy;
    struct pages pages;
    uint16_t port; /* of the metrics; 0: none */
    int fd;
};

static int render(void *context, const char *path, struct buffer *body, const char **type)
{
    const struct middlebox *m = context;
    if (strcmp(path, "/metrics") != 0)
        return 404;
    *type = "text/plain; version=0.0.4";
    prophecy_print(m->prophecy, body);
    return 200;
}

static void middlebox_start(void *context, uv_loop_t *loop, void (*wake)(void *waker), void *waker)
{
    struct middlebox *m = context;
    log_line(
        LOG_WARNING,
        "prophecy: reads are delay-once, not linearizable: one replica that lags or lies makes them stale");
    prophecy_start(m->prophecy, loop, wake, waker);
    if (m->port)
        pages_open(&m->pages, loop, m->port, m->fd, m, render);
}

static void middlebox_stop(void *context)
{
    struct middlebox *m = context;
    prophecy_stop(m->prophecy);
    if (m->port)
        pages_close(&m->pages);
}

/* One that the cluster's own CA signed, so that clients believe it as they believe a replica's. */
static int certificate_find(struct gateway *g, struct error *error)
{
    char ca[PATH_BYTES], ca_key[PATH_BYTES];
    const char *const hosts[] = {"localhost", "127.0.0.1", "::1", NULL};
    struct troxy_options *o = &g->troxy;
    if (*o->tls_key)
        return 0;
    if (!path_make(ca, "%s/ca.pem", g->dir) || !path_make(ca_key, "%s/ca.key", g->dir) ||
        !path_make(o->tls_certificate, "%s/gateway.crt", g->dir) ||
        !path_make(o->tls_key, "%s/gateway.key", g->dir))
        return error_set(error, "%s: name too long", g->dir);
    if (file_exists(o->tls_certificate) && file_exists(o->tls_key))
        return 0;
    if (!file_exists(ca_key))
        return error_set(error, "%s: not there to sign a certificate with: give --cert and --key", ca_key);
    return certificate_issue(o->tls_key, o->tls_certificate, "Redoubt gateway", hosts, ca_key, ca, error);
}

static int metrics_listen(struct middlebox *m, struct error *error)
{
    struct address address = {.port = m->port};
    strcpy(address.host, "127.0.0.1");
    m->fd = m->port ? socket_listen(&address, "metrics", error) : -1;
    return m->port && m->fd < 0 ? -1 : 0;
}

static int prophecy_run(struct gateway *g)
{
    static struct middlebox m;
    struct error error;
    m.port = g->metrics;
    if (certificate_find(g, &error) || prophecy_new(&m.prophecy, &g->config, g->dir, g->client.origin,
                                                    g->troxy.front->service, g->sketch_bytes, &error))
        return say_failed("%s", error.text);
    const struct access_source source = prophecy_source(m.prophecy);
    const struct serving_options serving = {
        .troxy = &g->troxy, .port = g->port, .start = middlebox_start, .stop = middlebox_stop, .context = &m};
    g->troxy.source = &source;
    int result = metrics_listen(&m, &error);
    if (result == 0)
        result = serving_run(&serving, &error);
    prophecy_free(m.prophecy);
    return result ? say_failed("%s", error.text) : 0;
}

/* ---------------------------------------------------------------- the command line */

enum {
    O_MODE = 1,
    O_CERT,
    O_KEY,
    O_HELP,
    O_HTTP, /* numbers from here on, as in `limits` */
    O_RESP,
    O_HTTPS,
    O_REDISS,
    O_METRICS,
    O_SKETCH,
    O_ORIGIN,
    O_TIMEOUT,
    O_IDLE,
    O_DELAY,
    O_JITTER
};

static const struct option options[] = {{"mode", required_argument, NULL, O_MODE},
                                        {"http", required_argument, NULL, O_HTTP},
                                        {"resp", required_argument, NULL, O_RESP},
                                        {"https", required_argument, NULL, O_HTTPS},
                                        {"rediss", required_argument, NULL, O_REDISS},
                                        {"cert", required_argument, NULL, O_CERT},
                                        {"key", required_argument, NULL, O_KEY},
                                        {"sketch-mb", required_argument, NULL, O_SKETCH},
                                        {"metrics", required_argument, NULL, O_METRICS},
                                        {"origin", required_argument, NULL, O_ORIGIN},
                                        {"timeout", required_argument, NULL, O_TIMEOUT},
                                        {"idle-s", required_argument, NULL, O_IDLE},
                                        {"delay-ms", required_argument, NULL, O_DELAY},
                                        {"jitter-ms", required_argument, NULL, O_JITTER},
                                        {"help", no_argument, NULL, O_HELP},
                                        {0}};

/* From O_HTTP on. */
static const struct {
    uint64_t least, most;
} limits[] = {{1, 65535},           {1, 65535},   {1, 65535}, {1, 65535}, {1, 65535}, {1, 4096},
              {0, ORIGINS_MAX - 1}, {1, 3600000}, {0, 86400}, {0, 10000}, {0, 10000}};

static int mode_take(struct gateway *g)
{
    g->mode = strcmp(optarg, "client") == 0     ? MODE_CLIENT
              : strcmp(optarg, "prophecy") == 0 ? MODE_PROPHECY
                                                : MODE_NONE;
    return g->mode ? 0 : say_usage("gateway", "--mode %s: must be client or prophecy", optarg);
}

static int path_take(char out[PATH_BYTES], const char *name)
{
    return path_make(out, "%s", optarg) ? 0 : say_usage("gateway", "--%s: too long", name);
}

/* 0, or what to exit with. */
static int option_take(struct gateway *g, int option, int which)
{
    uint64_t value;
    if (option == O_MODE)
        return mode_take(g);
    if (option == O_CERT)
        return path_take(g->troxy.tls_certificate, "cert");
    if (option == O_KEY)
        return path_take(g->troxy.tls_key, "key");
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
    case O_HTTPS:
        g->port[LISTENER_HTTPS] = (uint16_t)value;
        break;
    case O_REDISS:
        g->port[LISTENER_REDISS] = (uint16_t)value;
        break;
    case O_METRICS:
        g->metrics = (uint16_t)value;
        break;
    case O_SKETCH:
        g->sketch_bytes = (size_t)value << 20;
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

/* Do the options go with the mode? */
static int options_check(const struct gateway *g)
{
    bool plain = g->port[LISTENER_HTTP] || g->port[LISTENER_REDIS];
    bool secure = g->port[LISTENER_HTTPS] || g->port[LISTENER_REDISS];
    if (g->mode == MODE_CLIENT && (secure || g->metrics || *g->troxy.tls_key || *g->troxy.tls_certificate))
        return say_usage("gateway", "--mode client: it has --http and --resp, and neither TLS nor metrics");
    if (g->mode == MODE_CLIENT && !plain)
        return say_usage("gateway", "no port to serve on: --http or --resp");
    if (g->mode == MODE_PROPHECY && (plain || g->loop.delay_us || g->loop.jitter_us))
        return say_usage("gateway", "--mode prophecy: it has --https and --rediss, and no --delay-ms");
    if (g->mode == MODE_PROPHECY && !secure)
        return say_usage("gateway", "no port to serve on: --https or --rediss");
    if (!*g->troxy.tls_key != !*g->troxy.tls_certificate)
        return say_usage("gateway", "--cert and --key go together");
    if (g->loop.jitter_us > g->loop.delay_us)
        return say_usage("gateway", "--jitter-ms: must not be more than --delay-ms");
    return 0;
}

/* What stock clients can be served with. */
static int front_find(struct gateway *g)
{
    struct error error;
    if (config_read(&g->config, g->dir, &error))
        return say_failed("%s", error.text);
    g->troxy.front = front_of_service(g->config.service);
    if (!g->troxy.front)
        return say_failed("gateway: the service %s has no front for stock clients", g->config.service);
    if ((g->port[LISTENER_HTTP] || g->port[LISTENER_HTTPS]) && !g->troxy.front->http)
        return say_failed("gateway: the service %s does not speak HTTP", g->config.service);
    if ((g->port[LISTENER_REDIS] || g->port[LISTENER_REDISS]) && !g->troxy.front->resp)
        return say_failed("gateway: the service %s does not speak RESP", g->config.service);
    return 0;
}

int cmd_gateway(int argc, char **argv)
{
    static struct gateway g;
    int option, which = 0, result;
    g = (struct gateway){.loop = {.core = -1},
                         .sketch_bytes = (size_t)64 << 20,
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
    if (optind + 1 != argc || !g.mode)
        return say_usage("gateway", "DIR and --mode are needed");
    if ((result = options_check(&g)) != 0)
        return result;
    g.dir = argv[optind];
    if ((result = front_find(&g)) != 0)
        return result;
    return g.mode == MODE_CLIENT ? library_run(&g) : prophecy_run(&g);
}
