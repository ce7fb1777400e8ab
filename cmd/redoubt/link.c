/*
 * redoubt link: a slow, thin or bad line to any TCP service, in user space. The rules are host/link/emulation.c's, the sockets
 * host/link/relay.c's; here are options, signals and statistics.
 */
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "commands.h"
#include "histogram.h"
#include "link/relay.h"
#include "members.h"

#define DELAY_MAX_US 60000000u
#define RATE_MAX     100000000000u /* bits per second */
#define TURN_NS      100000u       /* the shortest that kernels grant */

static const char help[] =
    "usage: redoubt link --listen HOST:PORT --to HOST:PORT --delay-ms M [OPTION...]\n\n"
    "Emulates a wide-area line: takes TCP connections and passes them on to a service, late. Prints `ready` "
    "when it listens;\n"
    "Ctrl-C ends it.\n\n"
    "  --delay-ms M     each way, so a round trip takes twice that (0); 0.5 is half a millisecond\n"
    "  --jitter-ms J    more or less than that, by chance, up to J (0); order within a connection is kept\n"
    "  --rate-mbit R    megabits a second, each way, all connections together (no limit)\n"
    "  --loss P         share of segments that are lost, as 0.01 or 1% (0). TCP repeats them, so nothing is "
    "missing in the end:\n"
    "                   what was in them, and what came after, arrives later by a round trip and 200 ms, or "
    "more\n"
    "  --seed N         of chance (1)\n"
    "  --json           statistics at the end, one JSON document on standard output\n\n"
    "Opening a connection takes a round trip, too: its first bytes arrive no earlier than they would. When a "
    "sender is faster\n"
    "than the line it is held up, so memory stays bounded. SIGUSR1 prints the statistics on standard "
    "error.\n\n"
    "example: redoubt link --listen 127.0.0.1:9000 --to 127.0.0.1:7702 --delay-ms 100 --jitter-ms 20\n";

struct link {
    struct relay relay;
    struct address listen, to;
    struct emulation_rules rules;
    bool json;
    const char *scheduling;
    uv_loop_t loop;
    uv_signal_t signals[3];
    struct histogram late_us;
};

static void on_late(struct relay *relay, uint64_t late_us)
{
    histogram_add(&((struct link *)relay)->late_us, late_us);
}

static void print_statistics(const struct link *link, FILE *out)
{
    const struct histogram *late = &link->late_us;
    const struct relay *relay = &link->relay;
    fprintf(out,
            "{\"listen\":\"%s:%u\",\"to\":\"%s:%u\",\"delay_ms\":%.3f,\"jitter_ms\":%.3f,\"rate_mbit\":%.3f,"
            "\"loss\":%.6f,\"seed\":%llu,\"connections\":{\"open\":%llu,\"opened\":%llu,\"turned_away\":%llu,"
            "\"unreachable\":%llu,\"broken\":%llu},\"bytes\":{\"there\":%llu,\"back\":%llu},"
            "\"segments_lost\":%llu,\"held_bytes\":%zu,\"held_max_bytes\":%zu,\"scheduling\":\"%s\","
            "\"late_us\":{\"pieces\":%llu,\"p50\":%llu,\"p99\":%llu,\"max\":%llu}}\n",
            link->listen.host, link->listen.port, link->to.host, link->to.port,
            (double)link->rules.delay_us / 1e3, (double)link->rules.jitter_us / 1e3,
            (double)link->rules.bits_per_s / 1e6, (double)link->rules.loss_ppm / 1e6,
            (unsigned long long)link->rules.seed, (unsigned long long)relay->now_open,
            (unsigned long long)relay->opened, (unsigned long long)relay->turned_away,
            (unsigned long long)relay->unreachable, (unsigned long long)relay->broken,
            (unsigned long long)relay->bytes[0], (unsigned long long)relay->bytes[1],
            (unsigned long long)relay->emulation.lost, relay->emulation.bytes[0] + relay->emulation.bytes[1],
            relay->emulation.most, link->scheduling, (unsigned long long)late->count,
            (unsigned long long)histogram_at(late, 0.5), (unsigned long long)histogram_at(late, 0.99),
            (unsigned long long)late->max);
    fflush(out);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct link *link = handle->data;
    if (number == SIGUSR1)
        print_statistics(link, stderr);
    else
        uv_stop(&link->loop);
}

/*
 * A line does not wait for the machine's other work, so this process should not either: it asks for real-time scheduling (which
 * the kernel grants to root and by limits) or else for short turns, after which newer kernels (6.12) let it run soon when it
 * wakes. Returns what it got. Whoever started it with scheduling of his own knew why.
 */
static const char *scheduling_ask(void)
{
    const struct sched_param first = {.sched_priority = 1};
    struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t runtime_ns, deadline_ns, period_ns;
    } turns = {.size = sizeof turns, .nice = getpriority(PRIO_PROCESS, 0), .runtime_ns = TURN_NS};
    if (sched_getscheduler(0) != SCHED_OTHER)
        return "as-started";
    if (sched_setscheduler(0, SCHED_RR, &first) == 0)
        return "real-time";
    return syscall(SYS_sched_setattr, 0, &turns, 0) == 0 ? "short-turns" : "ordinary";
}

static int link_start(struct link *link, struct error *error)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGUSR1};
    descriptors_raise(2 * RELAY_CONNECTIONS_MAX + 64);
    link->scheduling = scheduling_ask();
    link->relay.on_late = on_late;
    CHECK(uv_loop_init(&link->loop) == 0);
    if (relay_open(&link->relay, &link->loop, &link->listen, &link->to, &link->rules, error))
        return -1;
    for (unsigned i = 0; i < 3; i++) {
        uv_signal_init(&link->loop, &link->signals[i]);
        link->signals[i].data = link;
        uv_signal_start(&link->signals[i], on_signal, numbers[i]);
    }
    return 0;
}

static void link_end(struct link *link)
{
    relay_close(&link->relay);
    for (unsigned i = 0; i < 3; i++)
        uv_close((uv_handle_t *)&link->signals[i], NULL);
    uv_run(&link->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&link->loop) == 0);
    relay_deinit(&link->relay);
}

/* ---------------------------------------------------------------- the command */

/* A decimal number times a power of ten, no more digits behind the point than that has. False: none, or above `most`. */
static bool decimal_read(const char *text, size_t len, unsigned power, uint64_t most, uint64_t *value)
{
    uint64_t sum = 0;
    bool point = false, digit = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && !point) {
            point = true;
            continue;
        }
        if (text[i] < '0' || text[i] > '9' || (point && power == 0) || sum > most)
            return false;
        digit = true;
        sum = 10 * sum + (uint64_t)(text[i] - '0');
        power -= point;
    }
    for (; power && sum <= most; power--)
        sum *= 10;
    *value = sum;
    return digit && sum <= most;
}

/* "0.01" or "1%", in millionths. */
static bool share_read(const char *text, uint64_t *ppm)
{
    size_t len = strlen(text);
    bool per_cent = len && text[len - 1] == '%';
    return decimal_read(text, per_cent ? len - 1 : len, per_cent ? 4 : 6, 999999, ppm);
}

enum { OPT_LISTEN = 1, OPT_TO, OPT_DELAY, OPT_JITTER, OPT_RATE, OPT_LOSS, OPT_SEED, OPT_JSON, OPT_HELP };

static const struct option options[] = {{"listen", required_argument, NULL, OPT_LISTEN},
                                        {"to", required_argument, NULL, OPT_TO},
                                        {"delay-ms", required_argument, NULL, OPT_DELAY},
                                        {"jitter-ms", required_argument, NULL, OPT_JITTER},
                                        {"rate-mbit", required_argument, NULL, OPT_RATE},
                                        {"loss", required_argument, NULL, OPT_LOSS},
                                        {"seed", required_argument, NULL, OPT_SEED},
                                        {"json", no_argument, NULL, OPT_JSON},
                                        {"help", no_argument, NULL, OPT_HELP},
                                        {0}};

/* One option; NULL, or what its value must be. */
static const char *take_option(struct link *link, int option, const char *value)
{
    struct emulation_rules *rules = &link->rules;
    switch (option) {
    case OPT_LISTEN:
        return address_read(&link->listen, value) ? NULL : "must be HOST:PORT";
    case OPT_TO:
        return address_read(&link->to, value) ? NULL : "must be HOST:PORT";
    case OPT_DELAY:
        return decimal_read(value, strlen(value), 3, DELAY_MAX_US, &rules->delay_us)
                   ? NULL
                   : "must be milliseconds, from 0 to 60000";
    case OPT_JITTER:
        return decimal_read(value, strlen(value), 3, DELAY_MAX_US, &rules->jitter_us)
                   ? NULL
                   : "must be milliseconds, from 0 to 60000";
    case OPT_RATE:
        return decimal_read(value, strlen(value), 6, RATE_MAX, &rules->bits_per_s) &&
                       rules->bits_per_s >= 1000
                   ? NULL
                   : "must be megabits a second, from 0.001 to 100000";
    case OPT_LOSS:
        return share_read(value, &rules->loss_ppm) ? NULL : "must be below 1, as 0.01, or below 100%, as 1%";
    case OPT_SEED:
        return number_read(value, 0, UINT64_MAX, &rules->seed) ? NULL : "must be a whole number";
    default:
        link->json = true;
        return NULL;
    }
}

int cmd_link(int argc, char **argv)
{
    static struct link link;
    struct error error;
    int option, which = 0;
    link.rules.seed = 1;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "", options, &which)) != -1) {
        if (option == OPT_HELP)
            return say_help(help);
        if (option == '?')
            return say_usage("link", "%s: unknown option or no value", argv[optind - 1]);
        const char *wrong = take_option(&link, option, optarg);
        if (wrong)
            return say_usage("link", "--%s %s: %s", options[which].name, optarg, wrong);
    }
    if (optind != argc)
        return say_usage("link", "%s: not expected here", argv[optind]);
    if (!link.listen.port || !link.to.port)
        return say_usage("link", "--listen and --to are needed");
    if (link.rules.jitter_us > link.rules.delay_us)
        return say_usage("link", "--jitter-ms: must not be more than --delay-ms");
    if (link_start(&link, &error))
        return say_failed("link: %s", error.text);
    FILE *out = link.json ? stderr : stdout;
    fputs("ready\n", out);
    fflush(out);
    uv_run(&link.loop, UV_RUN_DEFAULT);
    if (link.json)
        print_statistics(&link, stdout);
    link_end(&link);
    return 0;
}
