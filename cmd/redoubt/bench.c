/*
 * redoubt bench: a closed loop of many callers over the client library. Every caller has one operation under way; its outcome
 * makes the next one, on the loop's thread, so the load costs little beside what it measures.
 *
 * Only what completes between the end of the warm-up and the end of the run counts as operations; errors (rejected, unknown,
 * or an answer that is not "ok") count whenever they come. Latencies are from submission to outcome.
 */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "client/loop.h"
#include "commands.h"
#include "config.h"
#include "histogram.h"
#include "settle.h"
#include "stock.h"
#include "workload.h"

#define NEAR_CHECKPOINT 8u /* slots after a checkpoint's */
#define TIMEOUT_MS      10000u
#define LOADS_MAX       64u
#define CONNECT_WAIT_US 3000000u

static const char help[] =
    "usage: redoubt bench DIR --workload counter|ycsb-a|ycsb-b|ycsb-c|ycsb-f|get|set [OPTION...]\n\n"
    "Loads a running cluster and prints operations per second and latencies.\n\n"
    "  --via V            library (default); https, http, rediss, redis: stock clients of the front, one "
    "connection each\n"
    "  --clients N        callers, each with one operation under way (64)\n"
    "  --origins N        clients with keys of their own, over which callers are spread (1)\n"
    "  --keys N           written before the run (1000); ycsb: zipfian, 0.99, scattered; get, set: uniform\n"
    "  --seconds S        length of the run (10)\n"
    "  --warmup S         before it, not counted (1)\n"
    "  --value-bytes N    length of values; counter: padding of requests (100; counter 0)\n"
    "  --reply-bytes N    counter: length of results (as the service is set)\n"
    "  --batching on|off  off: one operation a bundle, one bundle a slot\n"
    "  --read-mode M      how the library reads: ordered (default), sound, published (may be stale: to "
    "compare)\n"
    "  --delay-ms M, --jitter-ms J   hold back every frame for M ms, give or take J, in each direction\n"
    "  --pin CORE         keep the load generator on one processor\n"
    "  --json             one JSON document on standard output\n\n"
    "checkpoint_p99_us is over operations in the checkpoint's slot (a multiple of 128) and the 8 after it, "
    "rest_p99_us over the\n"
    "others; longest_gap_us is the longest time in which operations were under way and none completed. A "
    "read-modify-write\n"
    "of ycsb-f counts once, with the latency of both halves.\n\n"
    "example: redoubt bench demo --workload ycsb-a --clients 200 --seconds 10 --json\n";

struct bench;

struct caller {
    struct bench *bench;
    struct redoubt_client *client;
    struct workload_caller state;
    uint64_t first_half_us;
};

struct bench {
    const char *dir;
    const char *workload_name;
    const char *via; /* NULL: the library */
    struct config config;
    struct workload workload;
    uint32_t callers;
    uint32_t origins;
    uint64_t seconds, warmup, delay_ms, jitter_ms;
    int core;
    bool batching, json;
    enum redoubt_read_mode read_mode;

    struct client_loop *loop;
    struct redoubt_client **clients;
    struct caller *caller;

    /* The loop's thread, while it runs; afterwards main. */
    uint64_t begin_us, end_us;
    uint64_t last_us; /* of a completion */
    uint64_t longest_gap_us;
    uint64_t ops, errors;
    struct histogram all, near, rest;
    char first_error[128];
    uint64_t loaded, load_at;
    bool load_failed;

    pthread_mutex_t lock;
    pthread_cond_t ended;
    uint32_t outstanding; /* the loop's thread only, but for its reaching 0 */
    bool idle;
};

/* ------------------------------------------------------------------------------------------------ under way */

static void caller_done(struct bench *bench)
{
    if (--bench->outstanding)
        return;
    pthread_mutex_lock(&bench->lock);
    bench->idle = true;
    pthread_cond_signal(&bench->ended);
    pthread_mutex_unlock(&bench->lock);
}

static void wait_idle(struct bench *bench)
{
    pthread_mutex_lock(&bench->lock);
    while (!bench->idle)
        pthread_cond_wait(&bench->ended, &bench->lock);
    bench->idle = false;
    pthread_mutex_unlock(&bench->lock);
}

static void count_error(struct bench *bench, const char *why)
{
    if (bench->errors++ == 0)
        snprintf(bench->first_error, sizeof bench->first_error, "%s", why);
}

static void count_outcome(struct bench *bench, struct caller *caller, const struct redoubt_outcome *outcome,
                          uint64_t now)
{
    if (outcome->kind != REDOUBT_COMMITTED || outcome->status != REDOUBT_OK) {
        count_error(bench, outcome->kind != REDOUBT_COMMITTED ? outcome->reason
                                                              : "the service did not answer \"ok\"");
        caller->first_half_us = 0;
        caller->state.writes_next = false;
        return;
    }
    uint64_t latency_us = outcome->latency_us + caller->first_half_us;
    if (!workload_complete(&bench->workload, &caller->state)) {
        caller->first_half_us = latency_us;
        return;
    }
    caller->first_half_us = 0;
    if (now < bench->begin_us || now >= bench->end_us)
        return;
    if (bench->last_us < bench->begin_us)
        bench->last_us = bench->begin_us;
    if (now - bench->last_us > bench->longest_gap_us)
        bench->longest_gap_us = now - bench->last_us;
    bench->last_us = now;
    bench->ops++;
    histogram_add(&bench->all, latency_us);
    bool near = outcome->slot && outcome->slot % CHECKPOINT_INTERVAL <= NEAR_CHECKPOINT;
    histogram_add(near ? &bench->near : &bench->rest, latency_us);
}

static void on_outcome(void *context, const struct redoubt_outcome *outcome);

static void caller_next(struct caller *caller)
{
    struct bench *bench = caller->bench;
    size_t len = workload_next(&bench->workload, &caller->state);
    bool reads = bench->workload.kind != WORKLOAD_COUNTER && !bench->workload.value;
    int failed = (reads ? redoubt_submit_read : redoubt_submit)(caller->client, bench->workload.op, len,
                                                                TIMEOUT_MS, on_outcome, caller);
    if (failed) {
        count_error(bench, strerror(-failed));
        caller_done(bench);
    }
}

static void on_outcome(void *context, const struct redoubt_outcome *outcome)
{
    struct caller *caller = context;
    uint64_t now = client_loop_now(caller->bench->loop);
    count_outcome(caller->bench, caller, outcome, now);
    if (now < caller->bench->end_us)
        caller_next(caller);
    else
        caller_done(caller->bench);
}

static void run_begin(void *context)
{
    struct bench *bench = context;
    bench->begin_us = client_clock_us() + bench->warmup * 1000000u;
    bench->end_us = bench->begin_us + bench->seconds * 1000000u;
    bench->outstanding = bench->callers;
    for (uint32_t i = 0; i < bench->callers; i++)
        caller_next(&bench->caller[i]);
}

/* ------------------------------------------------------------------------------------------------ loading */

static void on_loaded(void *context, const struct redoubt_outcome *outcome);

static void load_next(struct bench *bench)
{
    struct caller *caller = &bench->caller[0];
    size_t len = workload_load(&bench->workload, &bench->load_at, &caller->state);
    if (redoubt_submit(caller->client, bench->workload.op, len, TIMEOUT_MS, on_loaded, bench) != 0) {
        bench->load_failed = true;
        caller_done(bench);
    }
}

static void on_loaded(void *context, const struct redoubt_outcome *outcome)
{
    struct bench *bench = context;
    uint64_t tenth = bench->workload.keys / 10;
    if (outcome->kind != REDOUBT_COMMITTED || outcome->status != REDOUBT_OK) {
        if (!bench->load_failed)
            say_failed("bench: loading keys: %s", outcome->kind != REDOUBT_COMMITTED ? outcome->reason
                                                  : outcome->status == REDOUBT_FULL
                                                      ? "the service's memory limit is reached"
                                                      : "the service did not answer \"ok\"");
        bench->load_failed = true;
    }
    if (bench->workload.keys >= 100000 && bench->load_at / tenth > bench->loaded) {
        bench->loaded = bench->load_at / tenth;
        fprintf(stderr, "bench: %llu of %llu keys written\n", (unsigned long long)bench->load_at,
                (unsigned long long)bench->workload.keys);
    }
    if (!bench->load_failed && bench->load_at < bench->workload.keys)
        load_next(bench);
    else
        caller_done(bench);
}

static void load_begin(void *context)
{
    struct bench *bench = context;
    bench->outstanding = LOADS_MAX + 1;
    for (uint32_t i = 0; i < LOADS_MAX; i++) {
        if (bench->load_at < bench->workload.keys)
            load_next(bench);
        else
            caller_done(bench);
    }
    caller_done(bench);
}

/* ------------------------------------------------------------------------------------------------ clients */

static void client_options(const struct bench *bench, struct redoubt_client_options *options)
{
    uint32_t each = (bench->callers + bench->origins - 1) / bench->origins;
    redoubt_client_options_init(options);
    options->queue_max = (size_t)each + LOADS_MAX + 1;
    options->read_mode = bench->read_mode;
    if (bench->batching)
        return;
    options->bundle_ops_max = 1;
    options->alone = 1;
    options->bundles_in_flight = each < BUNDLE_WINDOW ? each : BUNDLE_WINDOW;
}

static int clients_open(struct bench *bench)
{
    struct redoubt_client_options options;
    struct client_loop_options loop = {
        .delay_us = bench->delay_ms * 1000, .jitter_us = bench->jitter_ms * 1000, .core = bench->core};
    struct error error;
    if (client_loop_new(&bench->loop, &loop, &error))
        return say_failed("%s", error.text);
    client_options(bench, &options);
    for (uint32_t i = 0; i < bench->origins; i++)
        if (client_open_on(&bench->clients[i], bench->loop, bench->dir, &options) != 0)
            return say_failed("%s", redoubt_client_error(NULL));
    for (uint32_t i = 0; i < bench->callers; i++)
        bench->caller[i] = (struct caller){.bench = bench,
                                           .client = bench->clients[i % bench->origins],
                                           .state = {.random = 0x5eed0000u + i}};
    return 0;
}

static void clients_close(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->origins; i++)
        redoubt_client_close(bench->clients[i]);
    if (bench->loop)
        client_loop_free(bench->loop);
}

/* Until all replicas are connected, or for a while: a replica may be down on purpose. */
static int clients_wait(struct bench *bench)
{
    struct redoubt_client_counters counters = {.struct_bytes = sizeof counters};
    uint64_t end = client_clock_us() + CONNECT_WAIT_US;
    bool all = false;
    while (!all && client_clock_us() < end) {
        all = true;
        for (uint32_t i = 0; i < bench->origins && all; i++) {
            redoubt_client_counters(bench->clients[i], &counters);
            all = counters.replicas_connected == counters.replicas;
        }
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    if (all)
        return 0;
    if (counters.replicas_connected == 0)
        return say_failed("bench: no replica can be reached: %s", redoubt_client_error(bench->clients[0]));
    fprintf(stderr, "redoubt: bench: not every replica is connected: %s\n",
            redoubt_client_error(bench->clients[0]));
    return 0;
}

/* ------------------------------------------------------------------------------------------------ report */

static void warn_of(const struct bench *bench)
{
    struct redoubt_client_counters sum = {0};
    for (uint32_t i = 0; i < bench->origins; i++) {
        struct redoubt_client_counters c = {.struct_bytes = sizeof c};
        redoubt_client_counters(bench->clients[i], &c);
        sum.bundles += c.bundles;
        sum.retransmissions += c.retransmissions;
        sum.bad_replies += c.bad_replies;
        sum.conflicting_replies += c.conflicting_replies;
        sum.fetched_results += c.fetched_results;
    }
    if (bench->errors)
        fprintf(stderr, "redoubt: bench: %llu errors, the first: %s\n", (unsigned long long)bench->errors,
                bench->first_error);
    if (sum.retransmissions || sum.bad_replies || sum.conflicting_replies || sum.fetched_results)
        fprintf(stderr,
                "redoubt: bench: %llu bundles, %llu retransmissions, %llu bad and %llu conflicting replies, "
                "results of %llu "
                "bundles asked for\n",
                (unsigned long long)sum.bundles, (unsigned long long)sum.retransmissions,
                (unsigned long long)sum.bad_replies, (unsigned long long)sum.conflicting_replies,
                (unsigned long long)sum.fetched_results);
}

static const char *read_mode_name(enum redoubt_read_mode mode)
{
    return mode == REDOUBT_READ_SOUND ? "sound" : mode == REDOUBT_READ_PUBLISHED ? "published" : "ordered";
}

static void reads_sum(const struct bench *bench, uint64_t *unordered, uint64_t *ordered)
{
    *unordered = *ordered = 0;
    for (uint32_t i = 0; i < bench->origins; i++) {
        struct redoubt_client_counters c = {.struct_bytes = sizeof c};
        redoubt_client_counters(bench->clients[i], &c);
        *unordered += c.unordered_reads;
        *ordered += c.ordered_reads;
    }
}

static void report_json(const struct bench *bench, double seconds)
{
    const struct histogram *h = &bench->all;
    printf("{\"workload\":\"%s\",\"via\":\"%s\",\"protocol\":\"%s\",\"isolation\":\"%s\",\"durability\":"
           "\"%s\",\"clients\":%u,"
           "\"seconds\":%.3f,\"ops\":%llu,\"ops_per_s\":%.1f,\"errors\":%llu,",
           bench->workload_name, bench->via ? bench->via : "library", protocol_name(bench->config.protocol),
           isolation_text(bench->config.isolation), durability_name(bench->config.durability), bench->callers,
           seconds, (unsigned long long)bench->ops, (double)bench->ops / seconds,
           (unsigned long long)bench->errors);
    printf(
        "\"latency_us\":{\"mean\":%.1f,\"p50\":%llu,\"p95\":%llu,\"p99\":%llu,\"p999\":%llu,\"max\":%llu},",
        histogram_mean(h), (unsigned long long)histogram_at(h, 0.5),
        (unsigned long long)histogram_at(h, 0.95), (unsigned long long)histogram_at(h, 0.99),
        (unsigned long long)histogram_at(h, 0.999), (unsigned long long)h->max);
    printf("\"checkpoint_p99_us\":%llu,\"rest_p99_us\":%llu,\"longest_gap_us\":%llu",
           (unsigned long long)histogram_at(&bench->near, 0.99),
           (unsigned long long)histogram_at(&bench->rest, 0.99), (unsigned long long)bench->longest_gap_us);
    if (bench->read_mode != REDOUBT_READ_ORDERED) {
        uint64_t unordered, ordered;
        reads_sum(bench, &unordered, &ordered);
        printf(",\"read_mode\":\"%s\",\"unordered_reads\":%llu,\"ordered_reads\":%llu",
               read_mode_name(bench->read_mode), (unsigned long long)unordered, (unsigned long long)ordered);
    }
    puts("}");
}

static void report_text(const struct bench *bench, double seconds)
{
    const struct histogram *h = &bench->all;
    printf("%s via %s, %s %s, durability %s: %u callers, %u origins, %.1f s\n", bench->workload_name,
           bench->via ? bench->via : "library", protocol_name(bench->config.protocol),
           isolation_text(bench->config.isolation), durability_name(bench->config.durability), bench->callers,
           bench->origins, seconds);
    printf("  %.0f ops/s (%llu operations, %llu errors)\n", (double)bench->ops / seconds,
           (unsigned long long)bench->ops, (unsigned long long)bench->errors);
    printf("  latency us: mean %.0f, p50 %llu, p95 %llu, p99 %llu, p999 %llu, max %llu\n", histogram_mean(h),
           (unsigned long long)histogram_at(h, 0.5), (unsigned long long)histogram_at(h, 0.95),
           (unsigned long long)histogram_at(h, 0.99), (unsigned long long)histogram_at(h, 0.999),
           (unsigned long long)h->max);
    printf("  p99 near checkpoints %llu us, of the rest %llu us; longest gap %llu us\n",
           (unsigned long long)histogram_at(&bench->near, 0.99),
           (unsigned long long)histogram_at(&bench->rest, 0.99), (unsigned long long)bench->longest_gap_us);
}

static int report(struct bench *bench)
{
    double seconds = (double)(bench->end_us - bench->begin_us) / 1e6;
    uint64_t last = bench->last_us > bench->begin_us ? bench->last_us : bench->begin_us;
    if (bench->end_us - last > bench->longest_gap_us)
        bench->longest_gap_us = bench->end_us - last;
    warn_of(bench);
    bench->json ? report_json(bench, seconds) : report_text(bench, seconds);
    if (fflush(stdout) != 0)
        return say_failed("standard output: %s", strerror(errno));
    return bench->ops ? 0 : say_failed("bench: no operation completed");
}

/* ------------------------------------------------------------------------------------------------ stock clients */

static bool stock_next(void *context, uint32_t client, struct stock_request *request)
{
    struct bench *bench = context;
    struct workload *w = &bench->workload;
    if (client_clock_us() >= bench->end_us)
        return false;
    (void)workload_next(w, &bench->caller[client].state);
    *request = (struct stock_request){.writes = w->value != NULL,
                                      .key = {w->key, sizeof w->key},
                                      .value = {w->value, w->value ? w->value_bytes : 0}};
    return true;
}

/* They do not learn the slot: all count as far from a checkpoint. */
static void stock_done(void *context, uint32_t client, uint64_t latency_us, uint64_t now_us, const char *why)
{
    struct bench *bench = context;
    const struct redoubt_outcome outcome = {.kind = why ? REDOUBT_UNKNOWN : REDOUBT_COMMITTED,
                                            .reason = why,
                                            .slot = NEAR_CHECKPOINT + 1,
                                            .latency_us = latency_us};
    count_outcome(bench, &bench->caller[client], &outcome, now_us);
}

/* In this thread; the library's clients, which wrote the keys, have nothing more to do. */
static int stock_clients_run(struct bench *bench)
{
    const struct stock_options options = {.dir = bench->dir,
                                          .via = bench->via,
                                          .clients = bench->callers,
                                          .context = bench,
                                          .next = stock_next,
                                          .done = stock_done};
    struct error error;
    bench->begin_us = client_clock_us() + bench->warmup * 1000000u;
    bench->end_us = bench->begin_us + bench->seconds * 1000000u;
    if (stock_run(&options, &error))
        return say_failed("%s", error.text);
    return report(bench);
}

static int bench_run(struct bench *bench)
{
    int failed = clients_open(bench);
    if (!failed)
        failed = clients_wait(bench);
    if (!failed && bench->workload.kind != WORKLOAD_COUNTER) {
        client_loop_call(bench->loop, load_begin, bench);
        wait_idle(bench);
        failed = bench->load_failed;
        if (!failed)
            settle_wait(&bench->config);
    }
    if (failed)
        return failed;
    if (bench->via)
        return stock_clients_run(bench);
    client_loop_call(bench->loop, run_begin, bench);
    wait_idle(bench);
    return report(bench);
}

/* ------------------------------------------------------------------------------------------------ command line */

enum {
    OPT_WORKLOAD = 1,
    OPT_VIA,
    OPT_CLIENTS,
    OPT_ORIGINS,
    OPT_KEYS,
    OPT_SECONDS,
    OPT_WARMUP,
    OPT_VALUE,
    OPT_REPLY,
    OPT_BATCHING,
    OPT_READ_MODE,
    OPT_DELAY,
    OPT_JITTER,
    OPT_PIN,
    OPT_JSON,
    OPT_HELP
};

static const struct option options[] = {{"workload", required_argument, NULL, OPT_WORKLOAD},
                                        {"via", required_argument, NULL, OPT_VIA},
                                        {"clients", required_argument, NULL, OPT_CLIENTS},
                                        {"origins", required_argument, NULL, OPT_ORIGINS},
                                        {"keys", required_argument, NULL, OPT_KEYS},
                                        {"seconds", required_argument, NULL, OPT_SECONDS},
                                        {"warmup", required_argument, NULL, OPT_WARMUP},
                                        {"value-bytes", required_argument, NULL, OPT_VALUE},
                                        {"reply-bytes", required_argument, NULL, OPT_REPLY},
                                        {"batching", required_argument, NULL, OPT_BATCHING},
                                        {"read-mode", required_argument, NULL, OPT_READ_MODE},
                                        {"delay-ms", required_argument, NULL, OPT_DELAY},
                                        {"jitter-ms", required_argument, NULL, OPT_JITTER},
                                        {"pin", required_argument, NULL, OPT_PIN},
                                        {"json", no_argument, NULL, OPT_JSON},
                                        {"help", no_argument, NULL, OPT_HELP},
                                        {0}};

/* Options that are numbers, with their limits. */
static const struct {
    int option;
    uint64_t least, most;
} numbers[] = {
    {OPT_CLIENTS, 1, 100000}, {OPT_ORIGINS, 1, ORIGINS_MAX}, {OPT_KEYS, 1, 100000000},
    {OPT_SECONDS, 1, 86400},  {OPT_WARMUP, 0, 3600},         {OPT_VALUE, 0, 1048576},
    {OPT_REPLY, 16, 1048576}, {OPT_DELAY, 0, 10000},         {OPT_JITTER, 0, 10000},
    {OPT_PIN, 0, 1023},
};

static const char *option_name(int option)
{
    for (const struct option *o = options; o->name; o++)
        if (o->val == option)
            return o->name;
    return "?";
}

/* 0, -1 when it is no number option, or the exit code of a usage error. */
static int number_option(struct bench *bench, int option, const char *text)
{
    uint64_t value;
    size_t i = 0;
    while (i < sizeof numbers / sizeof numbers[0] && numbers[i].option != option)
        i++;
    if (i == sizeof numbers / sizeof numbers[0])
        return -1;
    if (!number_read(text, numbers[i].least, numbers[i].most, &value))
        return say_usage("bench", "--%s %s: must be from %llu to %llu", option_name(option), text,
                         (unsigned long long)numbers[i].least, (unsigned long long)numbers[i].most);
    switch (option) {
    case OPT_CLIENTS:
        bench->callers = (uint32_t)value;
        break;
    case OPT_ORIGINS:
        bench->origins = (uint32_t)value;
        break;
    case OPT_KEYS:
        bench->workload.keys = value;
        break;
    case OPT_SECONDS:
        bench->seconds = value;
        break;
    case OPT_WARMUP:
        bench->warmup = value;
        break;
    case OPT_VALUE:
        bench->workload.value_bytes = bench->workload.padding_bytes = (uint32_t)value;
        break;
    case OPT_REPLY:
        bench->workload.reply_bytes = (uint32_t)value;
        break;
    case OPT_DELAY:
        bench->delay_ms = value;
        break;
    case OPT_JITTER:
        bench->jitter_ms = value;
        break;
    default:
        bench->core = (int)value;
        break;
    }
    return 0;
}

static bool one_of(const char *text, const char *names)
{
    size_t len = strlen(text);
    for (const char *at = names; (at = strstr(at, text)) != NULL; at++)
        if (len && (at == names || at[-1] == '|') && (at[len] == '|' || at[len] == 0))
            return true;
    return false;
}

static int word_option(struct bench *bench, int option, const char *text)
{
    switch (option) {
    case OPT_WORKLOAD:
        bench->workload_name = text;
        bench->workload.kind = workload_kind_of(text);
        if (bench->workload.kind == WORKLOAD_NONE)
            return say_usage(
                "bench", "--workload %s: must be counter, ycsb-a, ycsb-b, ycsb-c, ycsb-f, get or set", text);
        return 0;
    case OPT_VIA:
        if (!one_of(text, "library|https|http|rediss|redis"))
            return say_usage("bench", "--via %s: must be library, https, http, rediss or redis", text);
        bench->via = strcmp(text, "library") == 0 ? NULL : text;
        return 0;
    case OPT_BATCHING:
        if (!one_of(text, "on|off"))
            return say_usage("bench", "--batching %s: must be on or off", text);
        bench->batching = strcmp(text, "on") == 0;
        return 0;
    case OPT_READ_MODE:
        if (!one_of(text, "ordered|published|sound"))
            return say_usage("bench", "--read-mode %s: must be ordered, published or sound", text);
        bench->read_mode = strcmp(text, "sound") == 0       ? REDOUBT_READ_SOUND
                           : strcmp(text, "published") == 0 ? REDOUBT_READ_PUBLISHED
                                                            : REDOUBT_READ_ORDERED;
        return 0;
    default:
        return -1;
    }
}

static int options_read(struct bench *bench, int argc, char **argv)
{
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == OPT_HELP)
            return say_help(help) == 0 ? -2 : 1;
        if (c == OPT_JSON) {
            bench->json = true;
            continue;
        }
        if (c == '?')
            return say_usage("bench", "%s: unknown option or no value", argv[optind - 1]);
        int failed = number_option(bench, c, optarg);
        if (failed == -1)
            failed = word_option(bench, c, optarg);
        if (failed)
            return failed;
    }
    if (optind + 1 != argc || bench->workload.kind == WORKLOAD_NONE)
        return say_usage("bench", "DIR and --workload are needed");
    if (bench->origins > bench->callers)
        return say_usage("bench", "--origins %u: more than --clients %u", bench->origins, bench->callers);
    if (bench->via && bench->workload.kind == WORKLOAD_COUNTER)
        return say_usage("bench", "--via %s: the counter has no front", bench->via);
    if (bench->via && bench->read_mode != REDOUBT_READ_ORDERED)
        return say_usage("bench", "--read-mode: is the library's, not --via %s's", bench->via);
    bench->dir = argv[optind];
    return 0;
}

static int bench_prepare(struct bench *bench)
{
    struct error error;
    if (config_read(&bench->config, bench->dir, &error))
        return say_failed("%s", error.text);
    if (strcmp(bench->config.service, workload_service(bench->workload.kind)) != 0)
        return say_failed("bench: --workload %s: needs the service %s, and this cluster runs %s",
                          bench->workload_name, workload_service(bench->workload.kind),
                          bench->config.service);
    bench->clients = calloc(bench->origins, sizeof(struct redoubt_client *));
    bench->caller = calloc(bench->callers, sizeof *bench->caller);
    if (!bench->clients || !bench->caller || !workload_init(&bench->workload))
        return say_failed("bench: out of memory");
    return 0;
}

int cmd_bench(int argc, char **argv)
{
    struct bench *bench = calloc(1, sizeof *bench);
    if (!bench)
        return say_failed("bench: out of memory");
    bench->workload = (struct workload){.kind = WORKLOAD_NONE, .keys = 1000, .value_bytes = 100};
    bench->callers = 64;
    bench->origins = 1;
    bench->seconds = 10;
    bench->warmup = 1;
    bench->core = -1;
    bench->batching = true;
    pthread_mutex_init(&bench->lock, NULL);
    pthread_cond_init(&bench->ended, NULL);
    int code = options_read(bench, argc, argv);
    if (code == 0)
        code = bench_prepare(bench);
    if (code == 0) {
        code = bench_run(bench);
        clients_close(bench);
    }
    workload_deinit(&bench->workload);
    free(bench->clients);
    free(bench->caller);
    free(bench);
    return code == -2 ? 0 : code;
}
