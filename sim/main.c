/*
 * redoubt-sim: the command line of the simulator (`redoubt sim` runs it).
 */
#include <errno.h>
#include <getopt.h>

#include "report.h"
#include "scenario.h"

static const char usage[] =
    "usage: redoubt sim [--protocol splitbft|pbft|hybster] [--seed N] [--runs R] [--seconds SIMULATED]\n"
    "                   [--faults none|crash|network|storage|byzantine|restart|survival|all] [--mutant "
    "NAME|list] "
    "[--trace] "
    "[--json]\n"
    "                   [--replicas N] [--pillars P] [--resizes] [--scenario FILE]\n"
    "\n"
    "Runs whole clusters in one thread, one after the other, from seeds N, N+1, ... N+R-1; exits 1 and names "
    "the seed on the\n"
    "first violation or stuck run. The same seed gives the same trace.\n"
    "--pillars: of hybster (else drawn, mostly 1).\n"
    "--replicas: so many to begin with (else 3f+1, or a little more); --resizes: with disks, replicas are "
    "added and removed in every "
    "run.\n"
    "\n"
    "  redoubt sim --protocol splitbft --seed 1 --runs 100 --seconds 60 --faults all --json\n"
    "  redoubt sim --mutant no-objections      a seeded bug: exits 0 when it is found\n";

struct arguments {
    struct sim_options options;
    uint64_t runs;
    const char *mutant;
    const char *scenario;
    bool json, trace, given_seed;
};

static _Noreturn void wrong_usage(const char *what, const char *why)
{
    fprintf(stderr, "redoubt: %s: %s\n", what, why);
    exit(2);
}

static uint64_t number(const char *what, const char *text, uint64_t least, uint64_t most)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end || *text == '-' || value < least || value > most)
        wrong_usage(what, "not a number in its range");
    return value;
}

static void set_faults(struct arguments *a, const char *text)
{
    static const struct {
        const char *name;
        unsigned faults;
    } kinds[] = {{"none", 0},
                 {"crash", FAULTS_CRASH},
                 {"network", FAULTS_NETWORK},
                 {"byzantine", FAULTS_BYZANTINE},
                 {"restart", FAULTS_RESTART},
                 {"storage", FAULTS_STORAGE},
                 {"survival", FAULTS_NETWORK | FAULTS_STORAGE | FAULTS_RESTART},
                 {"all", FAULTS_ALL | FAULTS_RESTART}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(text, kinds[i].name) == 0) {
            a->options.faults = kinds[i].faults;
            return;
        }
    wrong_usage("--faults", "not one of none, crash, network, storage, byzantine, restart, all");
}

static void set_protocol(struct arguments *a, const char *text)
{
    if (strcmp(text, "splitbft") == 0)
        a->options.protocol = PROTOCOL_SPLITBFT;
    else if (strcmp(text, "pbft") == 0)
        a->options.protocol = PROTOCOL_PBFT;
    else if (strcmp(text, "hybster") == 0)
        a->options.protocol = PROTOCOL_HYBSTER;
    else
        wrong_usage("--protocol", "not one of splitbft, pbft, hybster");
}

static void parse(struct arguments *a, int argc, char **argv)
{
    static const struct option known[] = {
        {"protocol", required_argument, NULL, 'p'}, {"seed", required_argument, NULL, 's'},
        {"runs", required_argument, NULL, 'r'},     {"seconds", required_argument, NULL, 't'},
        {"faults", required_argument, NULL, 'f'},   {"mutant", required_argument, NULL, 'm'},
        {"scenario", required_argument, NULL, 'c'}, {"trace", no_argument, NULL, 'T'},
        {"json", no_argument, NULL, 'j'},           {"replicas", required_argument, NULL, 'n'},
        {"pillars", required_argument, NULL, 'P'},  {"resizes", no_argument, NULL, 'R'},
        {"help", no_argument, NULL, 'h'},           {NULL, 0, NULL, 0},
    };
    sim_options_init(&a->options);
    a->options.reads = -1;
    a->runs = 1;
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (c) {
        case 'p':
            set_protocol(a, optarg);
            break;
        case 's':
            a->options.seed = number("--seed", optarg, 0, UINT64_MAX - 10000000);
            a->given_seed = true;
            break;
        case 'r':
            a->runs = number("--runs", optarg, 1, 10000000);
            break;
        case 't':
            a->options.seconds = (uint32_t)number("--seconds", optarg, 1, 100000);
            break;
        case 'f':
            set_faults(a, optarg);
            break;
        case 'm':
            a->mutant = optarg;
            break;
        case 'c':
            a->scenario = optarg;
            break;
        case 'P':
            a->options.pillars = (uint32_t)number("--pillars", optarg, 1, PILLARS_MAX);
            break;
        case 'T':
            a->trace = true;
            break;
        case 'j':
            a->json = true;
            break;
        case 'n':
            a->options.replicas = (int)number("--replicas", optarg, HYBSTER_REPLICAS_MIN, REPLICAS_MAX);
            break;
        case 'R':
            a->options.resizes = 1;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            fputs(usage, stderr);
            exit(2);
        }
    }
    if (optind < argc)
        wrong_usage(argv[optind], "unknown argument");
    if (a->options.pillars > 1 && a->options.protocol != PROTOCOL_HYBSTER)
        wrong_usage("--pillars", "hybster has them only");
    if (a->trace)
        a->options.trace = a->json ? stderr : stdout;
}

static const char *protocol_name(unsigned protocol)
{
    return protocol == PROTOCOL_HYBSTER ? "hybster" : protocol == PROTOCOL_PBFT ? "pbft" : "splitbft";
}

static void print_json(const struct arguments *a, const struct sim_totals *t)
{
    printf("{\"protocol\":\"%s\",\"first_seed\":%llu,\"runs\":%llu,\"simulated_s\":%llu,\"events\":%llu,"
           "\"ops\":%llu,"
           "\"resizes\":%llu,\"fast_reads\":%llu,\"read_conflicts\":%llu,\"unordered_reads\":%llu,"
           "\"faults_injected\":%llu,"
           "\"violations\":%llu,\"stuck\":%llu,\"failing_seed\":",
           protocol_name(a->options.protocol), (unsigned long long)a->options.seed,
           (unsigned long long)t->runs, (unsigned long long)(t->simulated_us / 1000000),
           (unsigned long long)t->events, (unsigned long long)t->ops, (unsigned long long)t->resizes,
           (unsigned long long)t->fast_reads, (unsigned long long)t->read_conflicts,
           (unsigned long long)t->unordered_reads, (unsigned long long)t->faults,
           (unsigned long long)t->violations, (unsigned long long)t->stuck);
    if (t->failed)
        printf("%llu}\n", (unsigned long long)t->failing_seed);
    else
        printf("null}\n");
}

static void print_failure(const struct sim_totals *t, const struct sim_result *failing)
{
    if (t->failed)
        fprintf(stderr, "redoubt: seed %llu: %s: %s\n", (unsigned long long)t->failing_seed,
                failing->violation ? "violation" : "stuck", failing->text);
}

static int run_mutant(const struct arguments *a)
{
    struct sim_totals totals;
    struct sim_result failing;
    if (strcmp(a->mutant, "list") == 0) {
        sim_mutants_print(stdout);
        return 0;
    }
    enum mutant mutant = sim_mutant_named(a->mutant);
    if (mutant == MUTANT_NONE)
        wrong_usage(a->mutant, "no such mutant (--mutant list)");
    enum sim_search search = sim_find_mutant(mutant, &a->options, a->given_seed, &totals, &failing);
    bool found = search == SEARCH_FOUND;
    print_failure(&totals, &failing);
    if (a->json)
        print_json(a, &totals);
    if (search == SEARCH_UNMUTATED)
        fprintf(stderr,
                "redoubt: seed %llu fails like this WITHOUT %s too, under the faults that it is looked for "
                "with: a bug that nobody seeded\n",
                (unsigned long long)totals.failing_seed, a->mutant);
    fprintf(a->json ? stderr : stdout, "%s: %s after %llu runs\n", a->mutant, found ? "found" : "not found",
            (unsigned long long)totals.runs);
    return found ? 0 : 1;
}

int main(int argc, char **argv)
{
    struct arguments a = {0};
    struct sim_totals totals;
    struct sim_result failing;
    parse(&a, argc, argv);
    if (a.scenario)
        return scenario_run(a.scenario, stdout) ? 0 : 1;
    if (!a.mutant || strcmp(a.mutant, "list") != 0)
        fprintf(stderr, "seed %llu\n", (unsigned long long)a.options.seed);
    if (a.mutant)
        return run_mutant(&a);
    sim_run_many(&a.options, a.runs, 2, 0, &totals, &failing);
    print_failure(&totals, &failing);
    if (totals.runs < a.runs && !totals.failed) {
        fprintf(stderr, "redoubt: sim: a run ended unexpectedly after %llu runs\n",
                (unsigned long long)totals.runs);
        return 1;
    }
    if (a.json)
        print_json(&a, &totals);
    else if (!a.trace)
        printf(
            "%llu runs, %llu simulated seconds, %llu operations, %llu faults: %llu violations, %llu stuck\n",
            (unsigned long long)totals.runs, (unsigned long long)(totals.simulated_us / 1000000),
            (unsigned long long)totals.ops, (unsigned long long)totals.faults,
            (unsigned long long)totals.violations, (unsigned long long)totals.stuck);
    return totals.failed ? 1 : 0;
}
