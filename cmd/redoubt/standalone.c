/*
 * redoubt standalone: the same service and front, unreplicated, in one process.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificate.h"
#include "commands.h"
#include "fronts.h"
#include "serving.h"
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

static int run(struct request *q)
{
    struct error error;
    if (!*q->troxy.tls_key && (q->port[LISTENER_HTTPS] || q->port[LISTENER_REDISS]) &&
        certificates_make(&q->troxy, q->dir, q->host, &error))
        return say_failed("%s", error.text);
    const struct serving_options serving = {.troxy = &q->troxy, .port = q->port};
    return serving_run(&serving, &error) ? say_failed("%s", error.text) : 0;
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
