/* Options: see options.h. */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char HELP[] =
    "redoubt-explorer - searches the SplitBFT view change for two digests committed at one slot\n"
    "\n"
    "usage: redoubt-explorer [options]\n"
    "\n"
    "  --mode exhaustive|random  every interleaving of a tiny bound, or random runs (default: random)\n"
    "  --faults F      1 (n = 4) or 2 (n = 7, random only); default 1\n"
    "  --replicas N    from 3F+1 (default) to 3F+3, at most 7\n"
    "  --slots S       1 to 3, at most in random runs; default 2, exhaustive 1\n"
    "  --views V       1 to 6, at most in random runs; default 4, exhaustive 2\n"
    "  --runs N        stop after N random runs; 0 is no limit (default: 0)\n"
    "  --steps K       steps of a random run, 1 to 1024; default 24 for each view and fault\n"
    "  --seed X        seed of the first random run, the next has X+1 (default: 1)\n"
    "  --mutant NAME   break one rule and stop when that shows; `--mutant list` lists them\n"
    "  --seconds T     stop after T seconds; 0 is no limit (default: random 20, exhaustive 0)\n"
    "  --memory-mb M   limit of the exhaustive mode's table (default: 1024)\n"
    "  --trace         print the first red run, shrunk; if none was red, the last random run\n"
    "  --json          print the result as one JSON object\n"
    "  --help          this text\n"
    "\n"
    "exit status: 0 nothing found, 1 violation or stuck (with --mutant: 0 found, 1 not found), 2 usage, 3 no "
    "memory\n"
    "\n"
    "example: redoubt-explorer --mutant no-objections --trace\n";

void options_print_help(void)
{
    fputs(HELP, stdout);
}

static bool parse_number(const char *name, const char *text, uint64_t min, uint64_t max, uint64_t *out)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value < min || value > max) {
        fprintf(stderr, "redoubt-explorer: %s needs a number from %llu to %llu, not '%s'\n", name,
                (unsigned long long)min, (unsigned long long)max, text);
        return false;
    }
    *out = value;
    return true;
}

static bool parse_small(const char *name, const char *text, unsigned min, unsigned max, unsigned *out)
{
    uint64_t value;

    if (!parse_number(name, text, min, max, &value))
        return false;
    *out = (unsigned)value;
    return true;
}

static bool parse_mode(const char *text, bool *exhaustive)
{
    *exhaustive = strcmp(text, "exhaustive") == 0;
    if (*exhaustive || strcmp(text, "random") == 0)
        return true;
    fprintf(stderr, "redoubt-explorer: --mode is exhaustive or random, not '%s'\n", text);
    return false;
}

static bool parse_mutant(const char *text, enum mutant *mutant)
{
    *mutant = mutant_find(text);
    if (*mutant != MUTANT_END)
        return true;
    fprintf(stderr, "redoubt-explorer: no mutant '%s'; see --mutant list\n", text);
    return false;
}

static bool parse_seconds(const char *text, double *seconds)
{
    char *end;

    *seconds = strtod(text, &end);
    if (end != text && *end == '\0' && *seconds >= 0 && *seconds < 1e9)
        return true;
    fprintf(stderr, "redoubt-explorer: --seconds needs a number that is not negative, not '%s'\n", text);
    return false;
}

static bool parse_valued(struct options *o, const char *name, const char *value)
{
    struct search_options *search = &o->search;
    uint64_t memory_mb;

    if (strcmp(name, "--mode") == 0)
        return parse_mode(value, &o->exhaustive);
    if (strcmp(name, "--faults") == 0)
        return parse_small(name, value, 1, FAULTS_MAX, &search->bounds.faults);
    if (strcmp(name, "--replicas") == 0)
        return parse_small(name, value, 4, REPLICAS_MAX, &search->bounds.replicas);
    if (strcmp(name, "--slots") == 0)
        return parse_small(name, value, 1, SLOTS_MAX, &search->bounds.slots);
    if (strcmp(name, "--views") == 0)
        return parse_small(name, value, 1, VIEWS_MAX, &search->bounds.views);
    if (strcmp(name, "--runs") == 0)
        return parse_number(name, value, 0, UINT64_MAX, &search->runs);
    if (strcmp(name, "--steps") == 0)
        return parse_small(name, value, 1, RUN_STEPS_MAX, &search->steps);
    if (strcmp(name, "--seed") == 0)
        return parse_number(name, value, 0, UINT64_MAX, &search->seed);
    if (strcmp(name, "--mutant") == 0)
        return parse_mutant(value, &search->bounds.mutant);
    if (strcmp(name, "--seconds") == 0)
        return parse_seconds(value, &search->seconds);
    if (strcmp(name, "--memory-mb") == 0) {
        if (!parse_number(name, value, 16, 1 << 20, &memory_mb))
            return false;
        search->memory_max_bytes = (size_t)memory_mb << 20;
        return true;
    }
    fprintf(stderr, "redoubt-explorer: no option '%s'; see --help\n", name);
    return false;
}

/* What is still zero was not given; for seconds, which may be given as zero, -1 says so. */
static bool fill_in(struct options *o)
{
    struct search_options *search = &o->search;
    struct bounds *bounds = &search->bounds;

    if (bounds->replicas == 0)
        bounds->replicas = 3 * bounds->faults + 1;
    if ((bounds->replicas - 1) / 3 != bounds->faults) {
        fprintf(stderr, "redoubt-explorer: --replicas %u does not go with --faults %u\n", bounds->replicas,
                bounds->faults);
        return false;
    }
    if (bounds->slots == 0)
        bounds->slots = o->exhaustive ? 1 : 2;
    if (bounds->views == 0)
        bounds->views = o->exhaustive ? 2 : 4;
    if (search->steps == 0)
        search->steps = 24 * bounds->views * bounds->faults;
    if (search->seconds < 0)
        search->seconds = o->exhaustive ? 0 : 20;
    search->wants_run = o->trace;
    if (o->exhaustive && bounds->faults != 1) {
        fprintf(stderr, "redoubt-explorer: the exhaustive mode is for --faults 1 only\n");
        return false;
    }
    return true;
}

static bool parse_flag(struct options *o, const char *name)
{
    if (strcmp(name, "--trace") == 0)
        o->trace = true;
    else if (strcmp(name, "--json") == 0)
        o->json = true;
    else
        return false;
    return true;
}

enum options_verdict options_parse(struct options *options, int argc, char **argv)
{
    *options = (struct options){.search = {.seed = 1, .seconds = -1, .memory_max_bytes = (size_t)1 << 30}};
    options->search.bounds.faults = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return OPTIONS_HELP;
        if (parse_flag(options, argv[i]))
            continue;
        if (i + 1 == argc) {
            fprintf(stderr, "redoubt-explorer: '%s' needs a value or is no option; see --help\n", argv[i]);
            return OPTIONS_WRONG;
        }
        if (strcmp(argv[i], "--mutant") == 0 && strcmp(argv[i + 1], "list") == 0)
            return OPTIONS_LIST_MUTANTS;
        if (!parse_valued(options, argv[i], argv[i + 1]))
            return OPTIONS_WRONG;
        i++;
    }
    return fill_in(options) ? OPTIONS_RUN : OPTIONS_WRONG;
}
