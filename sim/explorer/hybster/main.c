/*
 * redoubt-explorer-hybster: searches the rules of Hybster's view change, alone, for two commands committed at one order.
 *
 *      mutant          which rule is broken, if any
 *      model           the state: what correct replicas said, where the counters of faulty ones are
 *      view_change     valid VIEW-CHANGEs, and the core that a NEW-VIEW makes of some
 *      moves           all that can happen, and what it does
 *      checker         agreement; nobody forced, refused or stuck
 *      fingerprint_of  each state once
 *      search          every order of every move, or random runs; shrinking
 *
 * The adversary owns the network, all timers and f hosts with intact counters. See docs/EXPLORER.md.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "search.h"

enum { EXIT_GREEN = 0, EXIT_RED = 1, EXIT_USAGE = 2, EXIT_MEMORY = 3 };

static const char HELP[] =
    "redoubt-explorer-hybster - searches Hybster's view change for two commands committed at one order\n"
    "\n"
    "usage: redoubt-explorer-hybster [options]\n"
    "\n"
    "  --mode exhaustive|random  every order of every move of a small bound, or random runs (default: "
    "random)\n"
    "  --faults F      1 (n = 3) or 2 (n = 5); default 1\n"
    "  --orders K      1 to 4; default 4, exhaustive 1\n"
    "  --views V       1 to 6; default 4, exhaustive 3\n"
    "  --pillars P     1 or 2, each with its counter; default 2, exhaustive 1\n"
    "  --window L      1 to 4: orders above a checkpoint that are voted on; default 3, exhaustive: all\n"
    "  --renewal R     the faulty replica has fresh counters, too, by a RECONFIG at order R; F = 1 only; 0: "
    "not (default)\n"
    "  --suspects 0|1  model SUSPECT, too; else any correct replica leaves when it likes (default: random 1, "
    "exhaustive 0)\n"
    "  --nulls 0|1     leaders propose null, too (default 0)\n"
    "  --runs N        stop after N random runs; 0 is no limit (default: 0)\n"
    "  --steps S       of a random run, at most 512; default 12 for each view\n"
    "  --seed X        seed of the first random run, the next has X+1 (default: 1)\n"
    "  --mutant NAME   break one rule and stop when that shows; `--mutant list` lists them\n"
    "  --seconds T     stop after T seconds; 0 is no limit (default: random 10, exhaustive 0)\n"
    "  --memory-mb M   limit of the exhaustive mode's table (default: 1024)\n"
    "  --trace         print the red run, shrunk\n"
    "  --help          this text\n"
    "\n"
    "exit status: 0 nothing found, 1 violation or stuck (with --mutant: 0 found, 1 not found), 2 usage, 3 no "
    "memory\n";

struct options {
    struct search_options search;
    bool exhaustive, trace;
};

struct number {
    const char *name;
    unsigned min, max;
    unsigned value; /* UINT32_MAX: not given */
};

enum {
    FAULTS,
    ORDERS,
    VIEWS,
    PILLARS,
    WINDOW,
    RENEWAL,
    SUSPECTS,
    NULLS,
    STEPS,
    MEMORY,
    SECONDS,
    RUNS,
    SEED,
    NUMBERS
};

static struct number number[NUMBERS] = {
    [FAULTS] = {"--faults", 1, 2, UINT32_MAX},
    [ORDERS] = {"--orders", 1, ORDERS_MAX, UINT32_MAX},
    [VIEWS] = {"--views", 1, VIEWS_MAX, UINT32_MAX},
    [PILLARS] = {"--pillars", 1, PILLARS_MAX, UINT32_MAX},
    [WINDOW] = {"--window", 1, ORDERS_MAX, UINT32_MAX},
    [RENEWAL] = {"--renewal", 0, ORDERS_MAX, UINT32_MAX},
    [SUSPECTS] = {"--suspects", 0, 1, UINT32_MAX},
    [NULLS] = {"--nulls", 0, 1, UINT32_MAX},
    [STEPS] = {"--steps", 1, PATH_MAX_LENGTH, UINT32_MAX},
    [MEMORY] = {"--memory-mb", 16, 65536, UINT32_MAX},
    [SECONDS] = {"--seconds", 0, 1000000, UINT32_MAX},
    [RUNS] = {"--runs", 0, UINT32_MAX - 1, UINT32_MAX},
    [SEED] = {"--seed", 0, UINT32_MAX - 1, UINT32_MAX},
};

static unsigned given(unsigned which, unsigned otherwise)
{
    return number[which].value == UINT32_MAX ? otherwise : number[which].value;
}

static bool parse_number(const char *name, const char *text)
{
    char *end;
    unsigned long long value = strtoull(text, &end, 10);
    for (unsigned i = 0; i < NUMBERS; i++) {
        if (strcmp(number[i].name, name) != 0)
            continue;
        if (end == text || *end || *text == '-' || value < number[i].min || value > number[i].max) {
            fprintf(stderr, "redoubt-explorer-hybster: %s needs a number from %u to %u, not '%s'\n", name,
                    number[i].min, number[i].max, text);
            return false;
        }
        number[i].value = (unsigned)value;
        return true;
    }
    fprintf(stderr, "redoubt-explorer-hybster: no option '%s'; see --help\n", name);
    return false;
}

static bool parse_valued(struct options *o, const char *name, const char *value)
{
    if (strcmp(name, "--mode") == 0) {
        o->exhaustive = strcmp(value, "exhaustive") == 0;
        if (o->exhaustive || strcmp(value, "random") == 0)
            return true;
        fprintf(stderr, "redoubt-explorer-hybster: --mode is exhaustive or random, not '%s'\n", value);
        return false;
    }
    if (strcmp(name, "--mutant") == 0) {
        o->search.bounds.mutant = mutant_find(value);
        if (o->search.bounds.mutant != MUTANT_END)
            return true;
        fprintf(stderr, "redoubt-explorer-hybster: no mutant '%s'; see --mutant list\n", value);
        return false;
    }
    return parse_number(name, value);
}

static void fill_in(struct options *o)
{
    struct search_options *s = &o->search;
    struct bounds *b = &s->bounds;
    bool small = o->exhaustive;
    b->faults = given(FAULTS, 1);
    b->replicas = 2 * b->faults + 1;
    b->orders = given(ORDERS, small ? 1 : 4);
    b->views = given(VIEWS, small ? 3 : 4);
    b->pillars = given(PILLARS, small ? 1 : 2);
    b->window = given(WINDOW, small || b->orders < 3 ? b->orders : 3);
    b->renewal = b->faults == 1 ? given(RENEWAL, 0) : 0;
    b->suspects = given(SUSPECTS, !small);
    b->nulls = given(NULLS, 0);
    s->steps = given(STEPS, 12 * b->views);
    s->seconds = given(SECONDS, small ? 0 : 10);
    s->runs = given(RUNS, 0);
    s->seed = given(SEED, 1);
    s->memory_bytes = (size_t)given(MEMORY, 1024) << 20;
}

static void print(const struct options *o, const struct search_report *r)
{
    const struct bounds *b = &o->search.bounds;
    printf("%s n=%u orders=%u views=%u pillars=%u window=%u renewal=%u suspects=%u nulls=%u mutant=%s: ",
           o->exhaustive ? "exhaustive" : "random", b->replicas, b->orders, b->views, b->pillars, b->window,
           b->renewal, b->suspects, b->nulls, mutant_name(b->mutant));
    if (o->exhaustive)
        printf("%" PRIu64 " states, %" PRIu64 " transitions, %" PRIu64 " placements, bound %s", r->states,
               r->transitions, r->runs, r->exhausted ? "exhausted" : "NOT exhausted");
    else
        printf("%" PRIu64 " runs from seed %" PRIu64 ", %" PRIu64 " new views, %" PRIu64
               " runs with a commit above view 0",
               r->runs, o->search.seed, r->new_views, r->commits);
    printf(", %.2f s: %s\n", r->seconds,
           r->finding == FINDING_NONE ? "nothing found" : finding_text(r->finding));
}

static void print_trace(const struct options *o, const struct search_report *r)
{
    struct model model;
    model_init(&model, &o->search.bounds, r->faulty);
    printf("faulty:");
    for (unsigned i = 0; i < o->search.bounds.replicas; i++)
        if (r->faulty >> i & 1)
            printf(" R%u", i);
    printf("; leader(v) is R(v mod %u)\n", o->search.bounds.replicas);
    for (unsigned i = 0; i < r->path_length; i++) {
        moves_print(&model, i + 1, &r->path[i]);
        moves_apply(&model, &r->path[i]);
    }
}

static int explore(const struct options *o)
{
    static struct search_report report;
    if (!o->exhaustive) {
        search_random(&o->search, &report);
    } else if (search_exhaustive(&o->search, &report) < 0) {
        fprintf(stderr, "redoubt-explorer-hybster: out of memory\n");
        return EXIT_MEMORY;
    }
    print(o, &report);
    if (!o->exhaustive && report.finding != FINDING_NONE)
        printf("red run: seed %" PRIu64 "\n", report.red_seed);
    if (o->trace && report.finding != FINDING_NONE) {
        search_shrink(&o->search, &report);
        print_trace(o, &report);
    }
    bool wanted = o->search.bounds.mutant != MUTANT_NONE;
    return (report.finding != FINDING_NONE) == wanted ? EXIT_GREEN : EXIT_RED;
}

int main(int argc, char **argv)
{
    struct options o = {.trace = false};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(HELP, stdout);
            return EXIT_GREEN;
        }
        if (strcmp(argv[i], "--trace") == 0) {
            o.trace = true;
            continue;
        }
        if (i + 1 == argc) {
            fprintf(stderr, "redoubt-explorer-hybster: '%s' needs a value or is no option; see --help\n",
                    argv[i]);
            return EXIT_USAGE;
        }
        if (strcmp(argv[i], "--mutant") == 0 && strcmp(argv[i + 1], "list") == 0) {
            for (int mutant = MUTANT_NONE + 1; mutant < MUTANT_END; mutant++)
                puts(mutant_name((enum mutant)mutant));
            return EXIT_GREEN;
        }
        if (!parse_valued(&o, argv[i], argv[i + 1]))
            return EXIT_USAGE;
        i++;
    }
    fill_in(&o);
    return explore(&o);
}
