#include "config.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#include "wire/start.h"

#define CONFIG_MAX_BYTES (1024u * 1024u)

struct parse {
    yaml_document_t *document;
    const char *path;
    struct config *config;
    struct error *error;
};

static const char *const protocol_names[] = {NULL, "splitbft", "pbft", "hybster", NULL};
static const char *const isolation_names[] = {NULL, "inline", "process", "kvm", "sgx", NULL};
static const char *const durability_names[] = {"memory", "sync", NULL};

static int number_of(const char *const *names, int first, const char *name)
{
    for (int i = first; names[i]; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

const char *protocol_name(unsigned protocol)
{
    return protocol_names[protocol];
}
const char *isolation_text(unsigned isolation)
{
    return isolation_names[isolation];
}
const char *durability_name(enum durability durability)
{
    return durability_names[durability];
}
int protocol_number(const char *name)
{
    return number_of(protocol_names, 1, name);
}
int isolation_number(const char *name)
{
    return number_of(isolation_names, 1, name);
}
int durability_number(const char *name)
{
    return number_of(durability_names, 0, name);
}

uint32_t replicas_needed(unsigned protocol, uint32_t faults)
{
    return (protocol == PROTOCOL_HYBSTER ? 2 : 3) * faults + 1;
}

/* ---------------------------------------------------------------- complaints */

static bool complain_at(struct parse *p, const yaml_mark_t *mark, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool complain_at(struct parse *p, const yaml_mark_t *mark, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(p->error, "%s:%zu:%zu: %s", p->path, mark->line + 1, mark->column + 1, text);
    return false;
}

#define complain(p, node, ...) complain_at(p, &(node)->start_mark, __VA_ARGS__)

/* ---------------------------------------------------------------- scalars */

static const char *scalar(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

/* A string without NULs in it, shorter than `cap`. */
static bool get_string(struct parse *p, const yaml_node_t *node, const char *what, char *out, size_t cap)
{
    const char *text = scalar(node);
    if (!text)
        return complain(p, node, "`%s` must be a string", what);
    size_t len = node->data.scalar.length;
    if (len >= cap || memchr(text, 0, len))
        return complain(p, node, "`%s` is too long", what);
    memcpy(out, text, len + 1);
    return true;
}

/* Decimal digits only: 010, 0x10, +1 and "1" are mistakes more often than numbers. */
static bool digits(const char *text, uint32_t *value)
{
    uint64_t sum = 0;
    if (!isdigit((unsigned char)text[0]) || (text[0] == '0' && text[1]))
        return false;
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text) || sum > UINT32_MAX)
            return false;
        sum = 10 * sum + (uint64_t)(*text - '0');
    }
    *value = (uint32_t)sum;
    return sum <= UINT32_MAX;
}

static bool get_number(struct parse *p, const yaml_node_t *node, const char *what, uint32_t least,
                       uint32_t most, uint32_t *value)
{
    const char *text = scalar(node);
    if (!text || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || !digits(text, value))
        return complain(p, node, "`%s` must be a whole number", what);
    if (*value < least || *value > most)
        return complain(p, node, "`%s` is %s, but must be from %u to %u", what, text, least, most);
    return true;
}

static bool get_switch(struct parse *p, const yaml_node_t *node, const char *what, bool *value)
{
    const char *text = scalar(node);
    bool on = text && (strcmp(text, "on") == 0 || strcmp(text, "true") == 0);
    if (!on && (!text || (strcmp(text, "off") != 0 && strcmp(text, "false") != 0)))
        return complain(p, node, "`%s` must be on or off", what);
    *value = on;
    return true;
}

static bool get_choice(struct parse *p, const yaml_node_t *node, const char *what, const char *const *names,
                       int first, int *value)
{
    const char *text = scalar(node);
    *value = text ? number_of(names, first, text) : -1;
    if (*value >= 0)
        return true;
    char list[128] = "";
    for (int i = first; names[i]; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i > first ? ", " : "", names[i]);
    return complain(p, node, "`%s` is `%s`, but must be one of: %s", what, text ? text : "a list", list);
}

/* PORT, HOST:PORT or [HOST]:PORT. A port alone belongs to `host`. */
static bool get_address(struct parse *p, const yaml_node_t *node, const char *what, const char *host,
                        struct address *address)
{
    char text[HOST_NAME_BYTES + 16];
    if (!get_string(p, node, what, text, sizeof text))
        return false;
    char *port = text;
    char *colon = strrchr(text, ':');
    if (colon) {
        *colon = 0;
        port = colon + 1;
        size_t len = strlen(text);
        if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
            text[len - 1] = 0;
            memmove(text, text + 1, len - 1);
        } else if (strchr(text, ':')) {
            return complain(p, node, "`%s`: write an IPv6 address as [ADDRESS]:PORT", what);
        }
        host = text;
    }
    uint32_t number;
    if (!digits(port, &number) || number < 1 || number > 65535)
        return complain(p, node, "bad port `%s` for `%s`: must be from 1 to 65535", port, what);
    if (!*host || strlen(host) >= sizeof address->host)
        return complain(p, node, "`%s`: no host", what);
    memmove(address->host, host, strlen(host) + 1);
    address->port = (uint16_t)number;
    return true;
}

/* ---------------------------------------------------------------- mappings */

struct field {
    const char *name;
    bool required;
};

/* Fills values[] with the node of each known field (NULL where absent). */
static bool get_fields(struct parse *p, const yaml_node_t *mapping, const char *what,
                       const struct field *fields, size_t count, yaml_node_t **values)
{
    if (mapping->type != YAML_MAPPING_NODE)
        return complain(p, mapping, "%s must be a mapping (key: value)", what);
    memset(values, 0, count * sizeof *values);
    for (const yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
         pair < mapping->data.mapping.pairs.top; pair++) {
        const yaml_node_t *key = yaml_document_get_node(p->document, pair->key);
        const char *name = scalar(key);
        size_t i = 0;
        while (i < count && !(name && strcmp(fields[i].name, name) == 0))
            i++;
        if (i == count)
            return complain(p, key, "unknown key `%s`", name ? name : "(not a name)");
        if (values[i])
            return complain(p, key, "duplicate key `%s` (first at line %zu)", name,
                            values[i]->start_mark.line + 1);
        values[i] = yaml_document_get_node(p->document, pair->value);
    }
    for (size_t i = 0; i < count; i++)
        if (fields[i].required && !values[i])
            return complain(p, mapping, "missing key `%s` in %s", fields[i].name, what);
    return true;
}

enum {
    R_ID,
    R_HOST,
    R_PEER,
    R_CLIENT,
    R_METRICS,
    R_CORE,
    R_HTTPS, /* four, in the order of enum front_listener */
    R_REDISS,
    R_HTTP,
    R_REDIS,
    R_COUNT
};
static const struct field replica_fields[R_COUNT] = {
    {"id", true},    {"host", true},   {"peer", true},    {"client", true}, {"metrics", true},
    {"core", false}, {"https", false}, {"rediss", false}, {"http", false},  {"redis", false}};

/* What goes without TLS listens on this machine alone, whatever is asked for. */
static bool is_loopback(const struct address *address)
{
    return strcmp(address->host, "localhost") == 0 || strcmp(address->host, "::1") == 0 ||
           strncmp(address->host, "127.", 4) == 0;
}

static bool get_front(struct parse *p, yaml_node_t **v, struct replica_config *replica)
{
    for (int i = 0; i < 4; i++) {
        const char *name = replica_fields[R_HTTPS + i].name;
        bool plain = R_HTTPS + i == R_HTTP || R_HTTPS + i == R_REDIS;
        const yaml_node_t *node = v[R_HTTPS + i];
        if (!node)
            continue;
        if (!get_address(p, node, name, plain ? "127.0.0.1" : replica->host, &replica->front[i]))
            return false;
        if (plain && !is_loopback(&replica->front[i]))
            return complain(p, node, "`%s` is without TLS: it may listen on loopback only", name);
    }
    return true;
}

static bool get_replica(struct parse *p, const yaml_node_t *node, uint32_t id)
{
    yaml_node_t *v[R_COUNT];
    struct replica_config *replica = &p->config->replica[id];
    uint32_t number, core;
    if (!get_fields(p, node, "a replica", replica_fields, R_COUNT, v))
        return false;
    if (!get_number(p, v[R_ID], "id", 0, REPLICAS_MAX - 1, &number))
        return false;
    if (number != id)
        return complain(p, v[R_ID], "`id` is %u, but replicas are numbered in order and this is replica %u",
                        number, id);
    replica->line = (int)node->start_mark.line + 1;
    replica->core = -1;
    if (v[R_CORE]) {
        if (!get_number(p, v[R_CORE], "core", 0, 1023, &core))
            return false;
        replica->core = (int)core;
    }
    return get_string(p, v[R_HOST], "host", replica->host, sizeof replica->host) &&
           get_address(p, v[R_PEER], "peer", replica->host, &replica->peer) &&
           get_address(p, v[R_CLIENT], "client", replica->host, &replica->client) &&
           get_address(p, v[R_METRICS], "metrics", "127.0.0.1", &replica->metrics) &&
           get_front(p, v, replica);
}

/* All addresses of a replica; those from LOOPBACK_AT on may be on the loopback of different machines. */
enum { ADDRESSES = 7, LOOPBACK_AT = 4 };
static const struct address *address_at(const struct replica_config *r, uint32_t i)
{
    const struct address *const all[ADDRESSES] = {&r->peer,    &r->client,   &r->front[0], &r->front[1],
                                                  &r->metrics, &r->front[2], &r->front[3]};
    return all[i];
}

static bool ports_differ(struct parse *p, const yaml_node_t *list)
{
    for (uint32_t i = 0; i < p->config->replicas * ADDRESSES; i++) {
        const struct replica_config *ri = &p->config->replica[i / ADDRESSES];
        const struct address *a = address_at(ri, i % ADDRESSES);
        for (uint32_t j = 0; j < i && a->port; j++) {
            const struct replica_config *rj = &p->config->replica[j / ADDRESSES];
            const struct address *b = address_at(rj, j % ADDRESSES);
            /* Addresses on loopback of different machines do not meet. */
            bool apart = strcmp(ri->host, rj->host) != 0 &&
                         (i % ADDRESSES >= LOOPBACK_AT || j % ADDRESSES >= LOOPBACK_AT);
            if (a->port != b->port || strcmp(a->host, b->host) != 0 || apart)
                continue;
            const yaml_node_t *node =
                yaml_document_get_node(p->document, list->data.sequence.items.start[i / ADDRESSES]);
            return complain(p, node, "port %u of %s is used twice (by replica %u, too)", a->port, a->host,
                            j / ADDRESSES);
        }
    }
    return true;
}

static bool get_replicas(struct parse *p, const yaml_node_t *node)
{
    struct config *config = p->config;
    if (node->type != YAML_SEQUENCE_NODE)
        return complain(p, node, "`replicas` must be a list");
    size_t count = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    uint32_t needed = replicas_needed(config->protocol, config->faults);
    uint32_t most = replicas_needed(config->protocol, config->faults + 1) - 1;
    if (most > REPLICAS_MAX)
        most = REPLICAS_MAX;
    if (count < needed || count > most)
        return complain(p, node, "%s replicas: %zu listed, but %s with faults: %u needs %u to %u",
                        count < needed ? "too few" : "too many", count, protocol_name(config->protocol),
                        config->faults, needed, most);
    config->replicas = (uint32_t)count;
    for (uint32_t i = 0; i < count; i++)
        if (!get_replica(p, yaml_document_get_node(p->document, node->data.sequence.items.start[i]), i))
            return false;
    return ports_differ(p, node);
}

/* ---------------------------------------------------------------- users */

enum { U_NAME, U_SALT, U_HASH, U_COUNT };
static const struct field user_fields[U_COUNT] = {{"name", true}, {"salt", true}, {"hash", true}};

bool config_user_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= FRONT_USER_NAME_MAX && name[0] != '.' && name[0] != '-' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@+-") == len;
}

int config_user_find(const struct config *config, const char *name)
{
    for (uint32_t i = 0; i < config->users; i++)
        if (strcmp(config->user[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int hex_digit(char c)
{
    if (isdigit((unsigned char)c))
        return c - '0';
    return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

static bool get_hex(struct parse *p, const yaml_node_t *node, const char *what, uint8_t *out, size_t len)
{
    const char *text = scalar(node);
    bool good = text && node->data.scalar.length == 2 * len;
    for (size_t i = 0; good && i < len; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        good = high >= 0 && low >= 0;
        if (good)
            out[i] = (uint8_t)(16 * high + low);
    }
    return good || complain(p, node, "`%s` must be %zu hexadecimal digits", what, 2 * len);
}

static bool get_user(struct parse *p, const yaml_node_t *node, struct user_config *user)
{
    yaml_node_t *v[U_COUNT];
    if (!get_fields(p, node, "a user", user_fields, U_COUNT, v) ||
        !get_string(p, v[U_NAME], "name", user->name, sizeof user->name))
        return false;
    if (!config_user_name(user->name))
        return complain(p, v[U_NAME],
                        "bad name `%s`: must be letters, digits and ._@+-, and begin with none of . and -",
                        user->name);
    int same = config_user_find(p->config, user->name);
    if (same >= 0)
        return complain(p, v[U_NAME], "duplicate user `%s` (first at line %d)", user->name,
                        p->config->user[same].line);
    user->line = (int)node->start_mark.line + 1;
    return get_hex(p, v[U_SALT], "salt", user->salt, sizeof user->salt) &&
           get_hex(p, v[U_HASH], "hash", user->hash, sizeof user->hash);
}

/* An empty list is a mistake: one may mean that nobody is let in, another that everybody is. */
static bool get_users(struct parse *p, const yaml_node_t *list)
{
    struct config *config = p->config;
    if (list->type != YAML_SEQUENCE_NODE)
        return complain(p, list, "`users` must be a list");
    const yaml_node_item_t *items = list->data.sequence.items.start;
    size_t count = (size_t)(list->data.sequence.items.top - items);
    if (count == 0)
        return complain(p, list, "`users` names nobody: leave it out where nobody has to say who he is");
    for (size_t i = 0; i < count; i++) {
        const yaml_node_t *node = yaml_document_get_node(p->document, items[i]);
        if (i == FRONT_USERS_MAX)
            return complain(p, node, "too many users: %zu listed, at most %u", count, FRONT_USERS_MAX);
        if (!get_user(p, node, &config->user[i]))
            return false;
        config->users++;
    }
    return true;
}

/* ---------------------------------------------------------------- the whole */

enum {
    F_PROTOCOL,
    F_FAULTS,
    F_PILLARS,
    F_SERVICE,
    F_OPTIONS,
    F_ISOLATION,
    F_DURABILITY,
    F_FAST_READS,
    F_RESTART,
    F_TIMEOUT,
    F_MEMORY,
    F_CATCH_UP,
    F_LOG_MB,
    F_AFFINITY,
    F_SPIN,
    F_SPLIT_APP,
    F_LOG,
    F_FRONT,
    F_CLIENT_CA,
    F_FRONT_IDLE,
    F_FRONT_REQUEST,
    F_FRONT_OPERATION,
    F_USERS,
    F_REPLICAS,
    F_COUNT
};
static const struct field top_fields[F_COUNT] = {{"protocol", true},
                                                 {"faults", true},
                                                 {"pillars", false},
                                                 {"service", true},
                                                 {"service_options", false},
                                                 {"isolation", true},
                                                 {"durability", true},
                                                 {"fast_reads", false},
                                                 {"restart", false},
                                                 {"request_timeout_ms", false},
                                                 {"memory_mb", false},
                                                 {"catch_up_mb", false},
                                                 {"log_mb", false},
                                                 {"affinity", false},
                                                 {"spin", false},
                                                 {"split_app", false},
                                                 {"log", false},
                                                 {"front", false},
                                                 {"client_ca", false},
                                                 {"front_idle_s", false},
                                                 {"front_request_s", false},
                                                 {"front_operation_ms", false},
                                                 {"users", false},
                                                 {"replicas", true}};

static bool get_service(struct parse *p, const yaml_node_t *node)
{
    char *service = p->config->service;
    if (!get_string(p, node, "service", service, sizeof p->config->service))
        return false;
    if (strcmp(service, "kv") != 0 && strcmp(service, "pages") != 0 && strcmp(service, "counter") != 0 &&
        !strchr(service, '/'))
        return complain(p, node,
                        "unknown service `%s`: kv, pages, counter, or the path of a program built with "
                        "libredoubt-service",
                        service);
    return true;
}

static bool get_front_keys(struct parse *p, yaml_node_t **v)
{
    struct config *config = p->config;
    if (v[F_FRONT] && !get_switch(p, v[F_FRONT], "front", &config->front))
        return false;
    if (config->front && (strcmp(config->service, "counter") == 0 || strchr(config->service, '/')))
        return complain(p, v[F_FRONT], "`front` is on, but service %s has no front for stock clients",
                        config->service);
    if (v[F_CLIENT_CA] &&
        !get_string(p, v[F_CLIENT_CA], "client_ca", config->client_ca, sizeof config->client_ca))
        return false;
    if (v[F_FRONT_IDLE] && !get_number(p, v[F_FRONT_IDLE], "front_idle_s", 0, 86400, &config->front_idle_s))
        return false;
    if (v[F_FRONT_REQUEST] &&
        !get_number(p, v[F_FRONT_REQUEST], "front_request_s", 1, 3600, &config->front_request_s))
        return false;
    if (v[F_USERS] && !get_users(p, v[F_USERS]))
        return false;
    return !v[F_FRONT_OPERATION] ||
           get_number(p, v[F_FRONT_OPERATION], "front_operation_ms", 100, 60000, &config->front_operation_ms);
}

/* What hybster does not do, or not yet: said where it stands in the file. */
static bool hybster_possible(struct parse *p, yaml_node_t **v)
{
    struct config *config = p->config;
    if (config->protocol != PROTOCOL_HYBSTER)
        return true;
    if (config->isolation == ISOLATION_INLINE)
        return complain(
            p, v[F_ISOLATION],
            "`isolation` is inline, but with hybster everything rests on counters that the host cannot "
            "reach: use process");
    if (config->durability != DURABILITY_MEMORY)
        return complain(p, v[F_DURABILITY],
                        "`durability` is sync, but hybster keeps nothing on a disk yet: use memory");
    if (config->fast_reads)
        return complain(p, v[F_FAST_READS], "`fast_reads` is on, but hybster has none yet");
    if (config->split_app)
        return complain(p, v[F_SPLIT_APP], "`split_app` is on, but hybster does not have it yet");
    return true;
}

static bool get_pillars(struct parse *p, const yaml_node_t *node)
{
    struct config *config = p->config;
    if (node && !get_number(p, node, "pillars", 1, PILLARS_MAX, &config->pillars))
        return false;
    return config->pillars == 1 || config->protocol == PROTOCOL_HYBSTER ||
           complain(p, node, "`pillars` is %u, but %s has none: it is for hybster", config->pillars,
                    protocol_name(config->protocol));
}

static bool get_top(struct parse *p, const yaml_node_t *root)
{
    static const char *const affinities[] = {"spread", "none", NULL};
    static const char *const logs[] = {"text", "json", NULL};
    struct config *config = p->config;
    yaml_node_t *v[F_COUNT];
    int number;
    if (!get_fields(p, root, "the cluster file", top_fields, F_COUNT, v))
        return false;
    if (!get_choice(p, v[F_PROTOCOL], "protocol", protocol_names, 1, &number))
        return false;
    config->protocol = (unsigned)number;
    if (!get_number(p, v[F_FAULTS], "faults", 1, FAULTS_MAX, &config->faults) ||
        !get_pillars(p, v[F_PILLARS]) || !get_service(p, v[F_SERVICE]))
        return false;
    if (v[F_OPTIONS] && !get_string(p, v[F_OPTIONS], "service_options", config->service_options,
                                    sizeof config->service_options))
        return false;
    if (!get_choice(p, v[F_ISOLATION], "isolation", isolation_names, 1, &number))
        return false;
    config->isolation = (unsigned)number;
    if (config->protocol == PROTOCOL_PBFT && config->isolation != ISOLATION_INLINE)
        return complain(p, v[F_ISOLATION], "`isolation` is %s, but pbft runs inline only",
                        isolation_text(config->isolation));
    if (!get_choice(p, v[F_DURABILITY], "durability", durability_names, 0, &number))
        return false;
    config->durability = (enum durability)number;
    if (v[F_FAST_READS] && !get_switch(p, v[F_FAST_READS], "fast_reads", &config->fast_reads))
        return false;
    static const char *const restarts[] = {"never", "rejoin", NULL};
    number = 1;
    if (v[F_RESTART] && !get_choice(p, v[F_RESTART], "restart", restarts, 0, &number))
        return false;
    config->restart = number == 1;
    if (v[F_TIMEOUT] &&
        !get_number(p, v[F_TIMEOUT], "request_timeout_ms", 10, 600000, &config->request_timeout_ms))
        return false;
    if (v[F_MEMORY] && !get_number(p, v[F_MEMORY], "memory_mb", 64, 1024 * 1024, &config->memory_mb))
        return false;
    if (v[F_CATCH_UP] && !get_number(p, v[F_CATCH_UP], "catch_up_mb", 1, 100000, &config->catch_up_mb))
        return false;
    if (v[F_LOG_MB] && !get_number(p, v[F_LOG_MB], "log_mb", 64, 65536, &config->log_mb))
        return false;
    if (v[F_AFFINITY]) {
        if (!get_choice(p, v[F_AFFINITY], "affinity", affinities, 0, &number))
            return false;
        config->affinity = (enum affinity)number;
    }
    if (v[F_SPIN] && !get_switch(p, v[F_SPIN], "spin", &config->spin))
        return false;
    if (v[F_SPLIT_APP] && !get_switch(p, v[F_SPLIT_APP], "split_app", &config->split_app))
        return false;
    if (config->split_app && config->isolation != ISOLATION_PROCESS)
        return complain(p, v[F_SPLIT_APP],
                        "`split_app` is on, but isolation is %s: a service in a process of its own needs "
                        "isolation: process%s",
                        isolation_text(config->isolation),
                        config->protocol == PROTOCOL_PBFT ? ", which pbft does not know" : "");
    if (v[F_LOG]) {
        if (!get_choice(p, v[F_LOG], "log", logs, 0, &number))
            return false;
        config->log_json = number == 1;
    }
    return get_front_keys(p, v) && hybster_possible(p, v) && get_replicas(p, v[F_REPLICAS]);
}

/* ---------------------------------------------------------------- the file */

static bool parse_documents(struct parse *p, yaml_parser_t *parser)
{
    static const yaml_mark_t top = {0, 0, 0};
    yaml_document_t document, second;
    if (!yaml_parser_load(parser, &document))
        return complain_at(p, &parser->problem_mark, "%s", parser->problem ? parser->problem : "not YAML");
    p->document = &document;
    yaml_node_t *root = yaml_document_get_root_node(&document);
    bool ok = root ? get_top(p, root) : complain_at(p, &top, "empty");
    if (ok) {
        ok = yaml_parser_load(parser, &second) != 0;
        if (!ok) {
            complain_at(p, &parser->problem_mark, "%s", parser->problem ? parser->problem : "not YAML");
        } else {
            yaml_node_t *more = yaml_document_get_root_node(&second);
            if (more)
                ok = complain(p, more, "a second document: a cluster file has one");
            yaml_document_delete(&second);
        }
    }
    yaml_document_delete(&document);
    return ok;
}

int config_parse(struct config *config, const char *path, const char *text, size_t len, struct error *error)
{
    struct parse p = {NULL, path, config, error};
    yaml_parser_t parser;
    config->request_timeout_ms = 1000;
    config->pillars = 1;
    config->memory_mb = 4096;
    config->catch_up_mb = 64;
    config->log_mb = 1024;
    config->front_idle_s = 300;
    config->front_request_s = 30;
    config->front_operation_ms = 5000;
    config->users = 0;
    if (!yaml_parser_initialize(&parser))
        return error_set(error, "%s: out of memory", path);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    bool ok = parse_documents(&p, &parser);
    yaml_parser_delete(&parser);
    return ok ? 0 : -1;
}

int config_read(struct config *config, const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    memset(config, 0, sizeof *config);
    if (!path_make(path, "%s/cluster.yaml", dir) || !path_make(config->dir, "%s", dir))
        return error_set(error, "%s: name too long", dir);
    if (file_read(&file, path, CONFIG_MAX_BYTES, error))
        return -1;
    int result = config_parse(config, path, (const char *)file.data, file.len, error);
    file_free(&file);
    return result;
}

/* What kv and pages may hold, by their option, and as much for undoing and for gaps. More is better: apps/kv/kv_store.h. */
static int memory_supported(const struct config *config, struct error *error)
{
    static const char option[] = "memory_mb=";
    const char *given = config->service_options;
    uint64_t limit = 1024;
    if (strcmp(config->service, "kv") != 0 && strcmp(config->service, "pages") != 0)
        return 0;
    if (strncmp(given, option, sizeof option - 1) == 0)
        limit = strtoull(given + sizeof option - 1, NULL, 10);
    if (limit > UINT32_MAX || config->memory_mb >= 2 * limit)
        return 0; /* what the option may be the service says itself */
    return error_set(
        error,
        "memory_mb is %u, but service %s may hold %u MiB (`service_options: \"memory_mb=N\"`) and "
        "wants twice that at least",
        config->memory_mb, config->service, (unsigned)limit);
}

int config_supported(const struct config *config, struct error *error)
{
    if (memory_supported(config, error))
        return -1;
    if (config->isolation == ISOLATION_KVM || config->isolation == ISOLATION_SGX)
        return error_set(error, "isolation %s: not built yet: use process",
                         isolation_text(config->isolation));
    return 0;
}

int config_check_secrets(const struct config *config, replica_id id, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (!path_make(path, "%s/replica-%u/host.key", config->dir, id))
        return error_set(error, "%s: name too long", config->dir);
    if (file_read_secret(&file, path, 65536, error))
        return -1;
    file_free(&file);
    if (!path_make(path, "%s/replica-%u/host.crt", config->dir, id))
        return error_set(error, "%s: name too long", config->dir);
    if (file_read(&file, path, 65536, error))
        return -1;
    file_free(&file);
    return 0;
}
