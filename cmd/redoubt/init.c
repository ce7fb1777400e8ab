/*
 * redoubt init: makes a cluster's folder.
 *
 *   DIR/cluster.yaml           what people edit; nothing secret
 *   DIR/endpoints.json         what programs read
 *   DIR/ca.pem  ca.key         for the front that stock clients talk to
 *   DIR/admin.pub  admin.key   signs manifests
 *   DIR/backup.key  backup.pub  opens backups; what they are encrypted for
 *   DIR/clients.pub            public keys of the clients, as the manifest will name them
 *   DIR/clients/NNN.key        a client's secrets
 *   DIR/replica-N/             the secrets of replica N alone; tls.crt, tls.key, troxy.key for its front
 *   DIR/fronts/NNN.key         for the fronts of machines that come later: front_files.h
 *
 * Everything is made in DIR.new beside it and renamed at the end, so that DIR is there as a whole or not at all.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certificate.h"
#include "commands.h"
#include "config.h"
#include "front_files.h"
#include "fronts.h"
#include "init.h"
#include "keys.h"
#include "pages.h"
#include "wire/front.h"
#include "wire/start.h"

static const char help[] =
    "usage: redoubt init DIR [OPTION...]\n\n"
    "Makes the folder of a new cluster: DIR/cluster.yaml (edit it; no secrets in it), keys and "
    "certificates.\n"
    "DIR/replica-N holds the secrets of replica N alone. Refuses to overwrite anything.\n\n"
    "  --protocol P      splitbft (default), pbft; or hybster: fewer replicas, each with a trusted counter, "
    "but their hosts\n"
    "                    can read what the service holds (docs/HYBSTER.md)\n"
    "  --faults F        faults to survive, 1 (default) to 3; there will be 3F+1 replicas, with hybster "
    "2F+1\n"
    "  --pillars P       hybster: counters of each replica, 1 (default) to 8; slots are spread over them\n"
    "  --service S       kv (default), counter\n"
    "  --isolation I     process (default), inline (default for pbft, which knows no other)\n"
    "  --split-app       the service in a process of its own, without keys (isolation process)\n"
    "  --durability D    sync (default): on the disk before it counts; memory (default for hybster, which "
    "knows no other yet)\n"
    "  --base-port N     first port, default 7700; replica N has the ports from there + 10 * N on\n"
    "  --hosts H0,H1,... one host name or address per replica; default: all on 127.0.0.1\n"
    "  --clients N       client keys to make, default 256, at most 1024\n"
    "  --front on|off    stock clients (HTTPS, Redis over TLS) are served; default: on where the service has "
    "a front\n"
    "  --plain           HTTP and RESP without TLS as well, on loopback: for measuring only\n\n"
    "example: redoubt init demo --faults 1 --service kv\n";

struct request {
    const char *dir;
    unsigned protocol, isolation;
    uint32_t faults, replicas, clients, pillars;
    const char *service;
    uint32_t base_port;
    char hosts[REPLICAS_MAX][HOST_NAME_BYTES];
    enum durability durability;
    const struct init_extra *extra; /* may be NULL */
    bool split_app, front, plain;
};

/* Ports of a replica, from its first one on. */
enum {
    PORT_PEER,
    PORT_CLIENT,
    PORT_HTTPS,
    PORT_REDISS,
    PORT_HTTP,
    PORT_REDIS,
    PORT_METRICS,
    PORTS_EACH = 10
};

/* ---------------------------------------------------------------- the files */

static int write_text(const char *dir, const char *name, struct buffer *text, struct error *error)
{
    char path[PATH_BYTES];
    int result = path_make(path, "%s/%s", dir, name)
                     ? file_write(path, buffer_data(text), text->len, 0644, error)
                     : error_set(error, "%s: name too long", dir);
    buffer_free(text);
    return result;
}

static const char *const listener_names[LISTENERS] = {"https", "rediss", "http", "redis"};

static bool has_listener(const struct request *q, int listener)
{
    const struct service_front *front = q->front ? front_of_service(q->service) : NULL;
    bool http = listener == LISTENER_HTTPS || listener == LISTENER_HTTP;
    bool plain = listener == LISTENER_HTTP || listener == LISTENER_REDIS;
    return front && (http ? front->http : front->resp) && (!plain || q->plain);
}

static int write_cluster(const struct request *q, const char *dir, struct error *error)
{
    struct buffer b = {0};
    buffer_print(&b, "# A Redoubt cluster. Nothing in this file is secret: it is the same on every host.\n"
                     "# Who is a member, and with which keys, stands in the signed manifest, which `redoubt "
                     "up` or `redoubt start` makes.\n\n");
    buffer_print(&b, "protocol: %s        # splitbft, pbft, hybster\n", protocol_name(q->protocol));
    buffer_print(&b,
                 "faults: %u                 # replicas that may fail in any way; there are at least %u * "
                 "faults + 1\n",
                 q->faults, q->protocol == PROTOCOL_HYBSTER ? 2 : 3);
    if (q->protocol == PROTOCOL_HYBSTER)
        buffer_print(
            &b, "pillars: %u                # counters and logs that the order is spread over, 1 to %u\n",
            q->pillars, PILLARS_MAX);
    buffer_print(&b,
                 "service: %s               # kv, pages, counter, or the path of a program built with "
                 "libredoubt-service\n",
                 q->service);
    buffer_print(&b, "service_options: \"\"       # what the service is told at its start\n");
    buffer_print(
        &b,
        "isolation: %s        # process: compartments are sandboxed processes; inline: functions (pbft)\n",
        isolation_text(q->isolation));
    buffer_print(&b,
                 "split_app: %s           # on: the service runs in a process of its own, without keys "
                 "(isolation: process)\n",
                 q->split_app ? "on" : "off");
    buffer_print(
        &b,
        "durability: %-13s # sync: all may lose power at once; memory: nothing survives when more than "
        "`faults` replicas stop\n",
        durability_name(q->durability));
    buffer_print(&b,
                 "fast_reads: %-3s           # on: stock clients' reads may skip ordering, and every write "
                 "waits for 2 * faults + 1 replies\n",
                 q->front && q->protocol != PROTOCOL_HYBSTER ? "on" : "off");
    buffer_print(&b,
                 "request_timeout_ms: 1000  # how long a request may wait before the primary is suspected\n");
    buffer_print(&b,
                 "memory_mb: 4096           # what the service may fill, per replica; taken as it is used\n");
    buffer_print(
        &b, "catch_up_mb: 64           # MiB of state in a second for replicas that lag; an eighth of it "
            "while clients are served\n");
    buffer_print(&b, "log_mb: 1024              # durability sync: the log takes about this much of the "
                     "disk, per replica\n");
    buffer_print(&b, "affinity: spread          # spread: replicas on one host share its cores out; none: "
                     "the kernel decides\n");
    buffer_print(&b, "spin: off                 # on: compartments look around before they sleep; only with "
                     "cores to spare\n");
    buffer_print(&b, "log: text                 # text, json\n");
    buffer_print(&b,
                 "front: %-3s                # on: stock clients are served at `https` and `rediss` of each "
                 "replica\n\n",
                 q->front ? "on" : "off");
    buffer_print(
        &b, "# A port alone is one of `host`; metrics listen on 127.0.0.1 unless HOST:PORT says otherwise.\n"
            "# `core: N` pins a replica to one core.\nreplicas:\n");
    for (uint32_t i = 0; i < q->replicas; i++) {
        uint32_t port = q->base_port + PORTS_EACH * i;
        buffer_print(&b, "  - id: %u\n    host: %s\n    peer: %u\n    client: %u\n    metrics: %u\n", i,
                     q->hosts[i], port + PORT_PEER, port + PORT_CLIENT, port + PORT_METRICS);
        for (int listener = 0; listener < LISTENERS; listener++)
            if (has_listener(q, listener))
                buffer_print(&b, "    %s: %u\n", listener_names[listener],
                             port + PORT_HTTPS + (uint32_t)listener);
    }
    return write_text(dir, "cluster.yaml", &b, error);
}

static void print_endpoint(struct buffer *b, const char *name, const char *host, uint32_t port)
{
    buffer_print(b, strchr(host, ':') ? ", \"%s\": \"[%s]:%u\"" : ", \"%s\": \"%s:%u\"", name, host, port);
}

static int write_endpoints(const struct request *q, const char *dir, struct error *error)
{
    struct buffer b = {0};
    buffer_print(&b, "{\"ca\": \"ca.pem\", \"replicas\": [\n");
    for (uint32_t i = 0; i < q->replicas; i++) {
        uint32_t port = q->base_port + PORTS_EACH * i;
        buffer_print(&b, "  {\"id\": %u", i);
        print_endpoint(&b, "peer", q->hosts[i], port + PORT_PEER);
        print_endpoint(&b, "client", q->hosts[i], port + PORT_CLIENT);
        for (int listener = 0; listener < LISTENERS; listener++)
            if (has_listener(q, listener))
                print_endpoint(&b, listener_names[listener],
                               listener < LISTENER_HTTP ? q->hosts[i] : "127.0.0.1",
                               port + PORT_HTTPS + (uint32_t)listener);
            else
                buffer_print(&b, ", \"%s\": null", listener_names[listener]);
        print_endpoint(&b, "metrics", "127.0.0.1", port + PORT_METRICS);
        buffer_print(&b, "}%s\n", i + 1 < q->replicas ? "," : "");
    }
    buffer_print(&b, "]}\n");
    return write_text(dir, "endpoints.json", &b, error);
}

static int make_dir(char *path, mode_t mode, struct error *error)
{
    return mkdir(path, mode) == 0 ? 0 : error_set(error, "%s: %s", path, strerror(errno));
}

static int write_clients(const struct request *q, const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    struct client_keys keys;
    size_t bytes = (size_t)q->clients * origin_entry_BYTES;
    uint8_t *list = malloc(bytes);
    struct writer w = writer_to(list, list ? bytes : 0);
    if (!list || !path_make(path, "%s/clients", dir) || make_dir(path, 0700, error)) {
        free(list);
        return -1;
    }
    int result = 0;
    for (origin_id i = 0; i < q->clients && result == 0; i++) {
        result = client_keys_make(&keys, dir, i, error);
        struct origin_entry entry = {.id = i, .access = ACCESS_WRITE | ACCESS_READ};
        memcpy(entry.sign_public.bytes, keys.sign.public, 32);
        memcpy(entry.box_public.bytes, keys.box.public, 32);
        origin_entry_put(&w, &entry);
    }
    client_keys_wipe(&keys);
    if (result == 0)
        result = path_make(path, "%s/clients.pub", dir) ? file_write(path, list, w.len, 0644, error) : -1;
    free(list);
    return result;
}

static int write_replica(const char *dir, uint32_t id, struct error *error)
{
    char path[PATH_BYTES], key[PATH_BYTES], certificate[PATH_BYTES], name[64];
    snprintf(name, sizeof name, "Redoubt replica %u", id);
    if (!path_make(path, "%s/replica-%u", dir, id) || !path_make(key, "%s/host.key", path) ||
        !path_make(certificate, "%s/host.crt", path))
        return error_set(error, "%s: name too long", dir);
    return make_dir(path, 0700, error) || certificate_make(key, certificate, name, false, error) ? -1 : 0;
}

/* What its front needs: a certificate for the names by which clients may call it, and its keys as an origin. */
static int write_front(const struct request *q, const char *dir, uint32_t id, struct client_keys *keys,
                       struct error *error)
{
    char folder[PATH_BYTES], key[PATH_BYTES];
    if (!path_make(folder, "%s/replica-%u", dir, id) || !path_make(key, "%s/troxy.key", folder))
        return error_set(error, "%s: name too long", dir);
    if (front_certify(dir, folder, id, q->hosts[id], error))
        return -1;
    return client_keys_make_at(keys, key, error);
}

/* For the machine that comes in the place of one of these, or beside them. */
static int write_spare(const char *dir, origin_id origin, struct client_keys *keys, struct error *error)
{
    char key[PATH_BYTES];
    return front_spare_path(key, dir, origin) ? client_keys_make_at(keys, key, error)
                                              : error_set(error, "%s: name too long", dir);
}

static int write_troxies(const struct request *q, const char *dir, origin_id first, uint32_t count,
                         struct writer *w, struct error *error)
{
    char folder[PATH_BYTES];
    struct client_keys keys;
    int result = path_make(folder, "%s/fronts", dir) ? make_dir(folder, 0700, error)
                                                     : error_set(error, "%s: name too long", dir);
    for (uint32_t i = 0; i < count && result == 0; i++) {
        result = i < q->replicas ? write_front(q, dir, i, &keys, error)
                                 : write_spare(dir, first + i, &keys, error);
        struct origin_entry entry = {.id = first + i, .access = ACCESS_WRITE | ACCESS_READ | ACCESS_TROXY};
        memcpy(entry.sign_public.bytes, keys.sign.public, 32);
        memcpy(entry.box_public.bytes, keys.box.public, 32);
        origin_entry_put(w, &entry);
    }
    client_keys_wipe(&keys);
    return result;
}

/* Troxies are origins like any client: they come behind the clients in clients.pub. */
static int write_fronts(const struct request *q, const char *dir, struct error *error)
{
    static uint8_t bytes[ORIGINS_MAX * origin_entry_BYTES];
    char path[PATH_BYTES];
    struct file file;
    if (!path_make(path, "%s/clients.pub", dir) || file_read(&file, path, sizeof bytes, error))
        return -1;
    const struct slice list = {file.data, file.len};
    uint32_t entries = origin_entry_count(list);
    origin_id first = entries ? origin_entry_at(list, entries - 1).id + 1 : 0;
    uint32_t room = ORIGINS_MAX - first, count = q->replicas + FRONT_SPARES;
    struct writer w = writer_to(bytes, sizeof bytes);
    put_raw(&w, file.data, file.len);
    file_free(&file);
    if (room < q->replicas)
        return error_set(error, "%s: no room for %u more clients, the fronts of replicas", path, q->replicas);
    if (write_troxies(q, dir, first, count < room ? count : room, &w, error))
        return -1;
    return file_write(path, bytes, w.len, 0644, error);
}

static int write_all(const struct request *q, const char *dir, struct error *error)
{
    char key[PATH_BYTES], certificate[PATH_BYTES];
    struct sign_key admin;
    if (!path_make(key, "%s/ca.key", dir) || !path_make(certificate, "%s/ca.pem", dir))
        return error_set(error, "%s: name too long", dir);
    bool own_clients = !q->extra || !q->extra->clients;
    if (write_cluster(q, dir, error) || write_endpoints(q, dir, error) ||
        certificate_make(key, certificate, "Redoubt cluster CA", true, error) ||
        admin_key_make(&admin, dir, error) || backup_key_make(dir, admin.public, error) ||
        (own_clients ? write_clients(q, dir, error) : q->extra->clients(q->extra->context, dir, error)))
        return -1;
    crypto_wipe(&admin, sizeof admin);
    for (uint32_t i = 0; i < q->replicas; i++)
        if (write_replica(dir, i, error))
            return -1;
    if (q->front && write_fronts(q, dir, error))
        return -1;
    return q->extra ? q->extra->write(q->extra->context, dir, q->replicas, error) : 0;
}

/* Removes what was begun; knows every name that it may hold. */
static void remove_begun(const struct request *q, const char *dir)
{
    static const char *const names[] = {"cluster.yaml", "endpoints.json", "ca.pem",
                                        "ca.key",       "admin.key",      "admin.pub",
                                        "clients.pub",  "backup.key",     "backup.pub"};
    char path[PATH_BYTES];
    if (q->extra)
        q->extra->remove(q->extra->context, dir, q->replicas);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (path_make(path, "%s/%s", dir, names[i]))
            unlink(path);
    for (origin_id i = 0; i < (q->extra ? ORIGINS_MAX : q->clients); i++)
        if (client_key_path(path, dir, i))
            unlink(path);
    for (origin_id i = 0; i < ORIGINS_MAX; i++)
        if (front_spare_path(path, dir, i))
            unlink(path);
    if (path_make(path, "%s/clients", dir))
        rmdir(path);
    if (path_make(path, "%s/fronts", dir))
        rmdir(path);
    for (uint32_t i = 0; i < q->replicas; i++) {
        static const char *const secrets[] = {"host.key", "host.crt", "tls.key", "tls.crt", "troxy.key"};
        for (size_t j = 0; j < sizeof secrets / sizeof secrets[0]; j++)
            if (path_make(path, "%s/replica-%u/%s", dir, i, secrets[j]))
                unlink(path);
        if (path_make(path, "%s/replica-%u", dir, i))
            rmdir(path);
    }
    rmdir(dir);
}

static int init(const struct request *q, struct error *error)
{
    char begun[PATH_BYTES], target[PATH_BYTES];
    size_t len = strlen(q->dir);
    while (len > 1 && q->dir[len - 1] == '/')
        len--;
    if (!path_make(target, "%.*s", (int)len, q->dir) ||
        !path_make(begun, "%s.new-%ld", target, (long)getpid()))
        return error_set(error, "%s: name too long", q->dir);
    /* An empty folder may be filled; rename() refuses any other. */
    struct stat st;
    if (lstat(target, &st) == 0 && !S_ISDIR(st.st_mode))
        return error_set(error, "%s: it exists and is no folder", target);
    if (make_dir(begun, 0755, error))
        return -1;
    int result = write_all(q, begun, error);
    if (result == 0 && rename(begun, target) != 0)
        result = error_set(error, "%s: %s", target,
                           errno == ENOTEMPTY || errno == EEXIST
                               ? "it exists and is not empty: nothing was changed"
                               : strerror(errno));
    if (result)
        remove_begun(q, begun);
    return result;
}

/* ---------------------------------------------------------------- the command line */

static int hosts_read(struct request *q, const char *list)
{
    uint32_t count = 0;
    while (*list && count < REPLICAS_MAX) {
        size_t len = strcspn(list, ",");
        if (len == 0 || len >= HOST_NAME_BYTES || strcspn(list, " \t\n#\"'{}[]&*!|>%@`") < len)
            return say_usage("init", "--hosts: host %u is not a name or an address", count);
        snprintf(q->hosts[count++], HOST_NAME_BYTES, "%.*s", (int)len, list);
        list += len;
        if (*list == ',' && *++list == 0)
            return say_usage("init", "--hosts: it ends with a comma");
    }
    if (*list || count != q->replicas)
        return say_usage("init", "--hosts: %u replicas need exactly %u hosts", q->replicas, q->replicas);
    return 0;
}

enum {
    O_PROTOCOL = 1,
    O_FAULTS,
    O_PILLARS,
    O_SERVICE,
    O_ISOLATION,
    O_DURABILITY,
    O_PORT,
    O_HOSTS,
    O_PLAIN,
    O_CLIENTS,
    O_SPLIT_APP,
    O_FRONT,
    O_HELP
};

static const struct option options[] = {{"protocol", required_argument, NULL, O_PROTOCOL},
                                        {"faults", required_argument, NULL, O_FAULTS},
                                        {"pillars", required_argument, NULL, O_PILLARS},
                                        {"service", required_argument, NULL, O_SERVICE},
                                        {"isolation", required_argument, NULL, O_ISOLATION},
                                        {"durability", required_argument, NULL, O_DURABILITY},
                                        {"base-port", required_argument, NULL, O_PORT},
                                        {"hosts", required_argument, NULL, O_HOSTS},
                                        {"plain", no_argument, NULL, O_PLAIN},
                                        {"clients", required_argument, NULL, O_CLIENTS},
                                        {"split-app", no_argument, NULL, O_SPLIT_APP},
                                        {"front", required_argument, NULL, O_FRONT},
                                        {"help", no_argument, NULL, O_HELP},
                                        {0}};

static int not_built(const char *what)
{
    return say_failed("%s: not built yet", what);
}

/* What can be said of the whole request; 0 when it can be done. */
static int request_check(struct request *q, int isolation, const char *hosts, int durability,
                         const char *front)
{
    if (isolation < 0)
        isolation = q->protocol == PROTOCOL_PBFT ? ISOLATION_INLINE : ISOLATION_PROCESS;
    q->isolation = (unsigned)isolation;
    if (q->protocol == PROTOCOL_PBFT && isolation != ISOLATION_INLINE)
        return say_usage("init", "--isolation %s: pbft runs inline only", isolation_text(q->isolation));
    if (q->protocol == PROTOCOL_HYBSTER && isolation == ISOLATION_INLINE)
        return say_usage(
            "init", "--isolation inline: hybster rests on counters that the host cannot reach: process only");
    if (q->pillars > 1 && q->protocol != PROTOCOL_HYBSTER)
        return say_usage("init", "--pillars %u: %s has none, it is for hybster", q->pillars,
                         protocol_name(q->protocol));
    if (isolation == ISOLATION_KVM || isolation == ISOLATION_SGX)
        return not_built(isolation == ISOLATION_KVM ? "--isolation kvm" : "--isolation sgx");
    if (q->split_app && isolation != ISOLATION_PROCESS)
        return say_usage("init", "--split-app: needs --isolation process%s",
                         q->protocol == PROTOCOL_PBFT ? ", which pbft does not know" : "");
    if (durability < 0)
        durability = q->protocol == PROTOCOL_HYBSTER ? DURABILITY_MEMORY : DURABILITY_SYNC;
    q->durability = (enum durability)durability;
    if (q->protocol == PROTOCOL_HYBSTER && (q->split_app || durability == DURABILITY_SYNC))
        return say_usage("init", "%s: not built yet for hybster",
                         q->split_app ? "--split-app" : "--durability sync");
    if (q->protocol == PROTOCOL_HYBSTER && q->extra)
        return say_usage("init", "--protocol hybster: it cannot begin with a backup yet");
    if (strcmp(q->service, "kv") != 0 && strcmp(q->service, "pages") != 0 &&
        strcmp(q->service, "counter") != 0)
        return say_usage("init", "--service %s: must be kv, pages or counter", q->service);
    bool has_front = front_of_service(q->service) != NULL;
    if (front && strcmp(front, "on") != 0 && strcmp(front, "off") != 0)
        return say_usage("init", "--front %s: must be on or off", front);
    if (front && strcmp(front, "on") == 0 && !has_front)
        return say_usage("init", "--front on: service %s has no front", q->service);
    q->front = has_front && !(front && strcmp(front, "off") == 0);
    if (q->plain && !q->front)
        return say_usage("init", "--plain: there is no front");
    q->replicas = replicas_needed(q->protocol, q->faults);
    if (q->base_port + PORTS_EACH * q->replicas > 65536)
        return say_usage("init", "--base-port %u: the ports of %u replicas go beyond 65535", q->base_port,
                         q->replicas);
    for (uint32_t i = 0; i < q->replicas; i++)
        snprintf(q->hosts[i], HOST_NAME_BYTES, "127.0.0.1");
    return hosts ? hosts_read(q, hosts) : 0;
}

int init_run(int argc, char **argv, const struct init_extra *extra)
{
    static struct request q = {.protocol = PROTOCOL_SPLITBFT,
                               .faults = 1,
                               .pillars = 1,
                               .clients = 256,
                               .service = "kv",
                               .base_port = 7700};
    int isolation = -1, durability = -1, number = 0, c;
    const char *hosts = NULL, *front = NULL;
    uint64_t value;
    q.extra = extra;
    if (extra)
        q.service = extra->service;
    opterr = 0;
    optind = 1;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case O_PROTOCOL:
            if ((number = protocol_number(optarg)) < 0)
                return say_usage("init", "--protocol %s: must be splitbft, pbft or hybster", optarg);
            q.protocol = (unsigned)number;
            break;
        case O_FAULTS:
            if (!number_read(optarg, 1, FAULTS_MAX, &value))
                return say_usage("init", "--faults %s: must be from 1 to %d", optarg, FAULTS_MAX);
            q.faults = (uint32_t)value;
            break;
        case O_PILLARS:
            if (!number_read(optarg, 1, PILLARS_MAX, &value))
                return say_usage("init", "--pillars %s: must be from 1 to %u", optarg, PILLARS_MAX);
            q.pillars = (uint32_t)value;
            break;
        case O_SERVICE:
            q.service = optarg;
            break;
        case O_ISOLATION:
            if ((isolation = isolation_number(optarg)) < 0)
                return say_usage("init", "--isolation %s: must be process, inline, kvm or sgx", optarg);
            break;
        case O_DURABILITY:
            if ((durability = durability_number(optarg)) < 0)
                return say_usage("init", "--durability %s: must be memory or sync", optarg);
            break;
        case O_PORT:
            if (!number_read(optarg, 1, 65535, &value))
                return say_usage("init", "--base-port %s: must be from 1 to 65535", optarg);
            q.base_port = (uint32_t)value;
            break;
        case O_HOSTS:
            hosts = optarg;
            break;
        case O_PLAIN:
            q.plain = true;
            break;
        case O_CLIENTS:
            if (!number_read(optarg, 1, ORIGINS_MAX, &value))
                return say_usage("init", "--clients %s: must be from 1 to %u", optarg, ORIGINS_MAX);
            q.clients = (uint32_t)value;
            break;
        case O_FRONT:
            front = optarg;
            break;
        case O_SPLIT_APP:
            q.split_app = true;
            break;
        case O_HELP:
            return say_help(help);
        default:
            return say_usage("init", "%s: unknown option or no value", argv[optind - 1]);
        }
    }
    if (optind + 1 != argc || !*argv[optind])
        return say_usage("init", "exactly one DIR is needed");
    q.dir = argv[optind];
    struct error error;
    if (extra && strcmp(q.service, extra->service) != 0)
        return say_usage("restore", "--service %s: the backup is of service %s", q.service, extra->service);
    int result = request_check(&q, isolation, hosts, durability, front);
    if (result)
        return result;
    if (init(&q, &error))
        return say_failed("%s", error.text);
    fprintf(stderr, "%s: %u replicas of %s, %s, surviving %u fault%s. Next: redoubt up %s\n", q.dir,
            q.replicas, q.service, protocol_name(q.protocol), q.faults, q.faults == 1 ? "" : "s", q.dir);
    return 0;
}

int cmd_init(int argc, char **argv)
{
    return init_run(argc, argv, NULL);
}
