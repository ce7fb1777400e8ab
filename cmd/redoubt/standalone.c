/*
 * redoubt standalone: the same service and front, unreplicated, in one process.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "certificate.h"
#include "commands.h"
#include "fronts.h"
#include "log.h"
#include "troxy.h"
#include "troxy/alone.h"

static const char help[] =
    "usage: redoubt standalone --service S [OPTION...]\n\n"
    "Runs a service behind the front that a cluster has, in one process: not replicated, nothing on a disk.\n"
    "Prints `ready` when it serves; Ctrl-C ends it.\n\n"
    "  --service S       which service\n"
    "  --https PORT      HTTPS on that port of all addresses\n"
    "  --rediss PORT     RESP over TLS\n"
    "  --http PORT       HTTP without TLS, on 127.0.0.1 only\n"
    "  --redis PORT      RESP without TLS, on 127.0.0.1 only\n"
    "  --cert FILE       certificate chain, and ...\n"
    "  --key FILE        ... its key (PEM). Without these two a CA and a certificate are made in DIR\n"
    "  --dir DIR         for DIR/ca.pem and the like; default: redoubt-standalone\n"
    "  --host NAME       name or address in a certificate that is made, beside localhost\n"
    "  --client-ca FILE  clients must show a certificate that it signed\n"
    "  --memory-mb N     for the service, default 1024\n"
    "  --idle-s N        connections on which nothing happens are closed after so long, default 300; 0: "
    "never\n\n"
    "SIGHUP: reads certificate and key again.\n\n"
    "example: redoubt standalone --service kv --rediss 6380 &\n"
    "         redis-cli --tls --cacert redoubt-standalone/ca.pem -p 6380 set greeting hello\n";

struct standalone {
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t second;
    uv_signal_t on_term, on_int, on_hup;
    struct troxy troxy;
};

enum { ROUNDS_MAX = 64 };

static uint64_t wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---------------------------------------------------------------- the loop */

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct standalone *s = prepare->data;
    uint64_t now_us = wall_us();
    for (int round = 0; round < ROUNDS_MAX && troxy_turn(&s->troxy, now_us); round++)
        ;
    troxy_flush(&s->troxy);
    bool busy = troxy_before_poll(&s->troxy);
    if (busy && !uv_is_active((uv_handle_t *)&s->idle))
        uv_idle_start(&s->idle, on_idle);
    else if (!busy && uv_is_active((uv_handle_t *)&s->idle))
        uv_idle_stop(&s->idle);
}

static void on_check(uv_check_t *check)
{
    struct standalone *s = check->data;
    troxy_after_poll(&s->troxy);
}

static void on_second(uv_timer_t *timer)
{
    struct standalone *s = timer->data;
    troxy_second(&s->troxy, wall_us());
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct standalone *s = handle->data;
    struct error error;
    if (number != SIGHUP) {
        uv_stop(&s->loop);
        return;
    }
    if (troxy_reload(&s->troxy, &error))
        log_line(LOG_ERROR, "%s", error.text);
}

static void loop_open(struct standalone *s)
{
    uv_signal_t *const signals[] = {&s->on_term, &s->on_int, &s->on_hup};
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    CHECK(uv_loop_init(&s->loop) == 0);
    uv_prepare_init(&s->loop, &s->prepare);
    uv_check_init(&s->loop, &s->check);
    uv_idle_init(&s->loop, &s->idle);
    uv_timer_init(&s->loop, &s->second);
    s->prepare.data = s->check.data = s->second.data = s;
    for (int i = 0; i < 3; i++) {
        uv_signal_init(&s->loop, signals[i]);
        signals[i]->data = s;
        uv_signal_start(signals[i], on_signal, numbers[i]);
    }
}

static void close_any(uv_handle_t *handle, void *unused)
{
    (void)unused;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void loop_close(struct standalone *s)
{
    troxy_close(&s->troxy);
    uv_walk(&s->loop, close_any, NULL);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    uv_loop_close(&s->loop);
}

/* ---------------------------------------------------------------- certificates */

static int certificates_make(struct troxy_options *o, const char *dir, const char *host, struct error *error)
{
    char ca[PATH_BYTES], ca_key[PATH_BYTES], name[64] = "localhost";
    const char *hosts[] = {"localhost", "127.0.0.1", "::1", host, NULL};
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return error_set(error, "%s: %s", dir, strerror(errno));
    if (!path_make(ca, "%s/ca.pem", dir) || !path_make(ca_key, "%s/ca.key", dir) ||
        !path_make(o->tls_certificate, "%s/tls.crt", dir) || !path_make(o->tls_key, "%s/tls.key", dir))
        return error_set(error, "%s: name too long", dir);
    if (!file_exists(ca) && certificate_make(ca_key, ca, "Redoubt standalone CA", true, error))
        return -1;
    if (file_exists(o->tls_certificate) && file_exists(o->tls_key))
        return 0;
    return certificate_issue(o->tls_key, o->tls_certificate, name, hosts, ca_key, ca, error);
}

/* ---------------------------------------------------------------- the command line */

enum {
    O_SERVICE = 1,
    O_HTTPS, /* the four in the order of enum front_listener */
    O_REDISS,
    O_HTTP,
    O_REDIS,
    O_CERT,
    O_KEY,
    O_DIR,
    O_HOST,
    O_CLIENT_CA,
    O_MEMORY,
    O_IDLE,
    O_HELP
};
static const struct option options[] = {{"service", required_argument, NULL, O_SERVICE},
                                        {"https", required_argument, NULL, O_HTTPS},
                                        {"rediss", required_argument, NULL, O_REDISS},
                                        {"http", required_argument, NULL, O_HTTP},
                                        {"redis", required_argument, NULL, O_REDIS},
                                        {"cert", required_argument, NULL, O_CERT},
                                        {"key", required_argument, NULL, O_KEY},
                                        {"dir", required_argument, NULL, O_DIR},
                                        {"host", required_argument, NULL, O_HOST},
                                        {"client-ca", required_argument, NULL, O_CLIENT_CA},
                                        {"memory-mb", required_argument, NULL, O_MEMORY},
                                        {"idle-s", required_argument, NULL, O_IDLE},
                                        {"help", no_argument, NULL, O_HELP},
                                        {0}};

struct request {
    struct troxy_options troxy;
    uint16_t port[LISTENERS];
    const char *dir, *host;
};

static bool path_take(char out[PATH_BYTES], const char *text)
{
    return (size_t)snprintf(out, PATH_BYTES, "%s", text) < PATH_BYTES;
}

/* 0, or what to exit with. */
/* The service keeps to its limit, and the front has room of its own besides. */
static void memory_set(struct request *q, uint64_t mb)
{
    static char service_options[40];
    snprintf(service_options, sizeof service_options, "memory_mb=%" PRIu64, mb);
    q->troxy.service_options = service_options;
    q->troxy.memory_bytes = (size_t)(mb + mb / 8 + 512) << 20;
}

static int option_take(struct request *q, int option)
{
    uint64_t value = 0;
    switch (option) {
    case O_SERVICE:
        q->troxy.front = front_of_service(optarg);
        return q->troxy.front ? 0
                              : say_usage("standalone", "--service %s: no such service with a front", optarg);
    case O_HTTPS:
    case O_REDISS:
    case O_HTTP:
    case O_REDIS:
        if (!number_read(optarg, 1, 65535, &value))
            return say_usage("standalone", "%s: not a port", optarg);
        q->port[option - O_HTTPS] = (uint16_t)value;
        return 0;
    case O_CERT:
        return path_take(q->troxy.tls_certificate, optarg) ? 0 : say_usage("standalone", "--cert: too long");
    case O_KEY:
        return path_take(q->troxy.tls_key, optarg) ? 0 : say_usage("standalone", "--key: too long");
    case O_CLIENT_CA:
        return path_take(q->troxy.client_ca, optarg) ? 0 : say_usage("standalone", "--client-ca: too long");
    case O_DIR:
        q->dir = optarg;
        return 0;
    case O_HOST:
        q->host = optarg;
        return 0;
    case O_MEMORY:
        if (!number_read(optarg, 64, 1024 * 1024, &value))
            return say_usage("standalone", "--memory-mb %s: must be from 64 to 1048576", optarg);
        memory_set(q, value);
        return 0;
    case O_IDLE:
        if (!number_read(optarg, 0, 86400, &value))
            return say_usage("standalone", "--idle-s %s: must be from 0 to 86400", optarg);
        q->troxy.idle_ms = (uint32_t)value * 1000;
        return 0;
    default:
        return say_usage("standalone", "wrong option");
    }
}

static int ports_open(const struct request *q, int fd[LISTENERS], struct error *error)
{
    static const char *const names[LISTENERS] = {"https", "rediss", "http", "redis"};
    for (int i = 0; i < LISTENERS; i++) {
        struct address address = {.port = q->port[i]};
        bool plain = i == LISTENER_HTTP || i == LISTENER_REDIS;
        strcpy(address.host, plain ? "127.0.0.1" : "0.0.0.0");
        if (q->port[i] && (fd[i] = socket_listen(&address, names[i], error)) < 0)
            return -1;
    }
    return 0;
}

static int run(struct request *q)
{
    static struct standalone s;
    struct error error;
    int fd[LISTENERS] = {-1, -1, -1, -1};
    if (!*q->troxy.tls_key && (q->port[LISTENER_HTTPS] || q->port[LISTENER_REDISS]) &&
        certificates_make(&q->troxy, q->dir, q->host, &error))
        return say_failed("%s", error.text);
    if (ports_open(q, fd, &error))
        return say_failed("%s", error.text);
    log_init(false, LOG_INFO, -1);
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise(4096 + FRONT_CONNECTIONS_MAX);
    loop_open(&s);
    int result = troxy_open(&s.troxy, &s.loop, &q->troxy, NULL, &error);
    if (result == 0) {
        uv_prepare_start(&s.prepare, on_prepare);
        uv_check_start(&s.check, on_check);
        uv_timer_start(&s.second, on_second, 1000, 1000);
        troxy_serve(&s.troxy, (struct slice){NULL, 0}, fd, q->port);
        puts("ready");
        fflush(stdout);
        uv_run(&s.loop, UV_RUN_DEFAULT);
    }
    loop_close(&s);
    return result ? say_failed("%s", error.text) : 0;
}

int cmd_standalone(int argc, char **argv)
{
    static struct request q;
    int option, result = 0;
    q = (struct request){.troxy = {.isolation = ISOLATION_INLINE,
                                   .type = &standalone_type,
                                   .core = -1,
                                   .idle_ms = 300000,
                                   .request_ms = 30000,
                                   .operation_ms = 5000},
                         .dir = "redoubt-standalone"};
    memory_set(&q, 1024);
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == O_HELP)
            return say_help(help);
        if ((result = option_take(&q, option)) != 0)
            return result;
    }
    if (optind < argc)
        return say_usage("standalone", "unexpected `%s`", argv[optind]);
    if (!q.troxy.front)
        return say_usage("standalone", "--service is missing");
    if (!*q.troxy.tls_key != !*q.troxy.tls_certificate)
        return say_usage("standalone", "--cert and --key go together");
    if (!q.port[0] && !q.port[1] && !q.port[2] && !q.port[3])
        return say_usage("standalone", "no port to serve on: --https, --rediss, --http or --redis");
    if ((q.port[LISTENER_HTTPS] || q.port[LISTENER_HTTP]) && !q.troxy.front->http)
        return say_usage("standalone", "this service does not speak HTTP");
    if ((q.port[LISTENER_REDISS] || q.port[LISTENER_REDIS]) && !q.troxy.front->resp)
        return say_usage("standalone", "this service does not speak RESP");
    return run(&q);
}
