/*
 * How a replica's compartments come to be: the cores that are its own, the compartments' executables and memory, and the keys
 * that they show.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "application/proxy.h"
#include "certificate.h"
#include "execution/execution.h"
#include "hybster/orderer.h"
#include "rejoin.h"
#include "troxy/troxy.h"

enum kind seat_kind(const struct replica *r, int index)
{
    return member_kind(r->config.protocol, index + 1);
}

const char *seat_name(const struct replica *r, int index)
{
    bool orderer = r->config.protocol == PROTOCOL_HYBSTER && index == 0;
    return orderer ? "orderer" : kind_name(seat_kind(r, index));
}

static const struct compartment_type *seat_type(const struct replica *r, int index)
{
    static const struct compartment_type *const types[] = {&preparation_type, &confirmation_type,
                                                           &execution_type};
    static const struct compartment_type *const hybster_types[] = {&orderer_type, &counter_type,
                                                                   &execution_type};
    return (r->config.protocol == PROTOCOL_HYBSTER ? hybster_types : types)[index];
}

/* The share of this machine's cores that belongs to this replica: with more replicas than cores, one core; otherwise a
 * row of them. Fills `set`; returns the core when it is one, or -1. */
static int cores_choose(const struct config *config, replica_id id, cpu_set_t *set)
{
    cpu_set_t allowed;
    unsigned cores[CPU_SETSIZE], count = 0, mates = 0, place = 0;
    CPU_ZERO(set);
    if (config->replica[id].core >= 0) {
        CPU_SET((unsigned)config->replica[id].core, set);
        return config->replica[id].core;
    }
    if (config->affinity == AFFINITY_NONE || sched_getaffinity(0, sizeof allowed, &allowed) != 0)
        return -1;
    for (unsigned i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &allowed))
            cores[count++] = i;
    for (replica_id i = 0; i < config->replicas; i++) {
        if (strcmp(config->replica[i].host, config->replica[id].host) != 0)
            continue;
        place += i < id;
        mates++;
    }
    unsigned share = count / mates;
    if (count == 0 || share >= 4) /* room enough: the kernel does it better */
        return -1;
    if (share <= 1) {
        CPU_SET(cores[place % count], set);
        return (int)cores[place % count];
    }
    for (unsigned i = 0; i < share; i++)
        CPU_SET(cores[place * share + i], set);
    return -1;
}

static int cores_take(struct replica *r, int *core, struct error *error)
{
    cpu_set_t set;
    *core = cores_choose(&r->config, r->options.id, &set);
    if (CPU_COUNT(&set) > 0 && sched_setaffinity(0, sizeof set, &set) != 0)
        return error_set(error, "replica %u: cannot run on core %d: %s", r->options.id, *core,
                         strerror(errno));
    return 0;
}

static int binary_path(char *out, const struct replica *r, enum kind kind, struct error *error)
{
    bool fits, split = r->config.split_app;
    if (kind == KIND_EXECUTION && split)
        fits = path_make(out, "%s/redoubt-execution", r->options.bin_dir);
    else if (kind != KIND_EXECUTION && kind != KIND_APPLICATION)
        fits = path_make(out, "%s/redoubt-%s", r->options.bin_dir, kind_name(kind));
    else if (strchr(r->config.service, '/'))
        fits = r->config.service[0] == '/' ? path_make(out, "%s", r->config.service)
                                           : path_make(out, "%s/%s", r->config.dir, r->config.service);
    else
        fits = path_make(out, "%s/redoubt-%s-%s", r->options.bin_dir, kind_name(kind), r->config.service);
    if (!fits)
        return error_set(error, "%s: name too long", r->options.bin_dir);
    if (access(out, X_OK) != 0)
        return error_set(error, "%s: %s", out, strerror(errno));
    return 0;
}

static int seat_open(struct replica *r, int index, int core, const uint8_t domain_seed[32],
                     struct error *error)
{
    const struct compartment_type *type = seat_type(r, index);
    struct seat *seat = &r->seat[index];
    enum kind kind = seat_kind(r, index);
    const bool hybster = r->config.protocol == PROTOCOL_HYBSTER;
    char binary[PATH_BYTES], application[PATH_BYTES], why[512];
    struct compartment_spec spec = {
        .kind = kind,
        /* The orderer is of the host's fault domain, and runs in its thread. */
        .isolation = hybster && index == 0 ? ISOLATION_INLINE : (enum isolation)r->config.isolation,
        .type = type,
        .config = {.kind = kind,
                   .replica = r->options.id,
                   .epoch = r->epoch,
                   .durable = r->disk.on,
                   .one_domain = one_domain_with(r->config.protocol),
                   .keeps_stable = hybster && kind == KIND_EXECUTION,
                   .service_options = r->config.service_options},
        .memory_bytes = type->arena_bytes,
        .core = core,
        .spin = r->config.spin,
    };
    memcpy(spec.config.admin_public, r->admin_public, 32);
    if (kind != KIND_COUNTER) /* whose keys are its own: nobody has the seed who need not */
        memcpy(spec.config.domain_seed, domain_seed, 32);
    if (r->disk.on)
        memcpy(spec.config.sealing_secret, r->platform.sealing.bytes, sizeof spec.config.sealing_secret);
    if (spec.config.keeps_stable)
        spec.memory_bytes += KEEP_STABLE_BYTES;
    if (kind == KIND_EXECUTION) {
        spec.application_bytes = SERVICE_BYTES_MIN + ((size_t)r->config.memory_mb << 20);
        spec.memory_bytes += r->config.split_app ? PROXY_BYTES : (size_t)r->config.memory_mb << 20;
        spec.config.service = r->options.service;
    }
    if (spec.isolation == ISOLATION_PROCESS) {
        if (binary_path(binary, r, kind, error))
            return -1;
        spec.binary = binary;
        if (kind == KIND_EXECUTION && r->config.split_app) {
            if (binary_path(application, r, KIND_APPLICATION, error))
                return -1;
            spec.application = application;
        }
    } else if (kind == KIND_EXECUTION && !r->options.service) {
        return error_set(error, "service %s: a program of its own runs under isolation: process only",
                         r->config.service);
    }
    int opened = compartment_open(&seat->compartment, &spec, why, sizeof why);
    crypto_wipe(spec.config.sealing_secret, sizeof spec.config.sealing_secret);
    crypto_wipe(spec.config.domain_seed, sizeof spec.config.domain_seed);
    if (opened < 0)
        return error_set(error, "%s of replica %u: %s", seat_name(r, index), r->options.id, why);
    return 0;
}

int seats_open_troxy(struct replica *r, struct error *error)
{
    const struct config *c = &r->config;
    struct troxy_options o = {.isolation = (enum isolation)c->isolation,
                              .type = &troxy_type,
                              .front = r->options.front,
                              .core = r->core,
                              .spin = c->spin,
                              .service_options = "",
                              .replica = r->options.id,
                              .idle_ms = c->front_idle_s * 1000,
                              .request_ms = c->front_request_s * 1000,
                              .operation_ms = c->front_operation_ms,
                              .users = c->user,
                              .user_count = c->users};
    memcpy(o.admin_public, r->admin_public, sizeof o.admin_public);
    bool relative = c->client_ca[0] && c->client_ca[0] != '/';
    if (!path_make(o.binary, "%s/redoubt-troxy-%s", r->options.bin_dir, c->service) ||
        !path_make(o.tls_key, "%s/replica-%u/tls.key", c->dir, o.replica) ||
        !path_make(o.tls_certificate, "%s/replica-%u/tls.crt", c->dir, o.replica) ||
        !path_make(o.origin_key, "%s/replica-%u/troxy.key", c->dir, o.replica) ||
        !path_make(o.client_ca, "%s%s%s", relative ? c->dir : "", relative ? "/" : "", c->client_ca))
        return error_set(error, "%s: name too long", c->dir);
    if (o.isolation == ISOLATION_PROCESS && access(o.binary, X_OK) != 0)
        return error_set(error, "%s: %s", o.binary, strerror(errno));
    if (o.isolation == ISOLATION_INLINE && !o.front)
        return error_set(error, "service %s: it has no front", c->service);
    return troxy_open(&r->troxy, &r->loop, &o, c, error);
}

int seats_open(struct replica *r, struct error *error)
{
    struct slice frames[MEMBER_KINDS];
    static uint8_t kept[MEMBER_KINDS][65536];
    struct sign_key host_key;
    char path[PATH_BYTES];
    uint8_t domain_seed[32] = {0};
    int result = 0;
    if (cores_take(r, &r->core, error) ||
        platform_keys_open(&r->platform, r->config.dir, r->options.id, r->disk.found, error))
        return -1;
    if (one_domain_with(r->config.protocol)) /* all of it derive the same keys from it */
        crypto_random(domain_seed, sizeof domain_seed);
    for (int i = 0; i < COMPARTMENTS && result == 0; i++)
        result = seat_open(r, i, r->core, domain_seed, error);
    crypto_wipe(domain_seed, sizeof domain_seed);
    crypto_wipe(&r->platform.sealing, sizeof r->platform.sealing);
    if (result)
        return result;
    if (!path_make(path, "%s/replica-%u/host.key", r->config.dir, r->options.id) ||
        certificate_key_read(&host_key, path, error))
        return -1;
    frames[0] = (struct slice){kept[0], hello_of_host(kept[0], &host_key, r->options.id, r->epoch,
                                                      r->platform.attestation.public, r->admin_public)};
    crypto_wipe(&host_key, sizeof host_key);
    for (int i = 0; i < COMPARTMENTS; i++) {
        if (!compartment_take(r->seat[i].compartment, &frames[i + 1]) || frames[i + 1].len > sizeof kept[0])
            return error_set(error, "%s of replica %u: it shows no keys", seat_name(r, i), r->options.id);
        memcpy(kept[i + 1], frames[i + 1].data, frames[i + 1].len);
        frames[i + 1].data = kept[i + 1];
    }
    result = disk_recall(r, frames, kept, error);
    for (int i = 0; i < MEMBER_KINDS && result == 0; i++)
        result = hello_check(&r->hellos.member[i], frames[i], member_kind(r->config.protocol, i),
                             r->options.id, r->admin_public, error);
    /* Who comes back asks nobody for a manifest; but a counter needs a key of the administrator. */
    if (result || (r->options.rejoin && r->config.protocol != PROTOCOL_HYBSTER))
        return result;
    struct slice chain = {buffer_data(&r->disk.chain), r->disk.chain.len};
    return hellos_write(r->config.dir, r->options.id, frames, chain, error);
}
