/*
 * redoubt-explorer: searches the rules of the SplitBFT view change, alone, for a way to commit two digests at one slot.
 *
 * The simulator runs the real compartments, with bodies, MACs, timers and clients; a view change that goes wrong only
 * in one interleaving of a million is hard to come by there. So here the protocol is cut down to its votes: no
 * messages in flight (what a correct compartment has said may be used by anybody, at any time, or never), no time, no
 * payloads, no signatures. What is left is small enough to try every interleaving of a tiny bound, and millions of
 * random ones beyond.
 *
 *      mutant     which rule is broken, if any
 *      model      the state: votes, PARTINGs, VIEW-CHANGEs, NEW-VIEWs of the correct compartments
 *      selection  what NEW-VIEW must propose, from a set of VIEW-CHANGEs
 *      rules      one action: allowed or not, and its effect
 *      checker    agreement; nobody stuck
 *      moves, canonical, visited, exhaustive    every action, each state once, depth first
 *      walk                                     random runs, each from its own seed
 *      shrink, trace                            a red run, short and in words
 *      search, options, main                    what both modes share, the command line, this
 *
 * The adversary owns the network, f P and f C on different hosts. See docs/EXPLORER.md.
 */
#include "options.h"
#include "trace.h"

#include <inttypes.h>
#include <stdio.h>

enum { EXIT_GREEN = 0, EXIT_RED = 1, EXIT_USAGE = 2, EXIT_MEMORY = 3 };

static void list_mutants(void)
{
    for (int mutant = MUTANT_NONE + 1; mutant < MUTANT_END; mutant++)
        printf("%s\n", mutant_name((enum mutant)mutant));
}

static void print_json(const struct options *o, const struct search_report *r)
{
    const struct bounds *b = &o->search.bounds;

    printf("{\"mode\":\"%s\",\"replicas\":%u,\"faults\":%u,\"slots\":%u,\"views\":%u,\"mutant\":\"%s\",",
           o->exhaustive ? "exhaustive" : "random", b->replicas, b->faults, b->slots, b->views,
           mutant_name(b->mutant));
    if (o->exhaustive)
        printf("\"placements\":%" PRIu64 ",\"states\":%" PRIu64 ",\"exhausted\":%s,", r->runs, r->states,
               r->exhausted ? "true" : "false");
    else
        printf("\"seed\":%" PRIu64 ",\"steps\":%u,\"runs\":%" PRIu64 ",\"commits\":%" PRIu64
               ",\"commits_above_view_0\":%" PRIu64 ",\"new_views\":%" PRIu64 ",",
               o->search.seed, o->search.steps, r->runs, r->tally.commits, r->tally.commits_above_view_0,
               r->tally.new_views);
    if (!o->exhaustive && search_report_red(r) > 0)
        printf("\"first_red_seed\":%" PRIu64 ",", r->first_red.seed);
    printf("\"transitions\":%" PRIu64 ",\"violations\":%" PRIu64 ",\"stuck_selections\":%" PRIu64
           ",\"stuck_claims\":%" PRIu64 ",\"seconds\":%.2f}\n",
           r->transitions, r->conflicts, r->stuck_selections, r->stuck_claims, r->seconds);
}

static void print_text(const struct options *o, const struct search_report *r)
{
    const struct bounds *b = &o->search.bounds;

    printf("%s n=%u slots=%u views=%u mutant=%s: ", o->exhaustive ? "exhaustive" : "random", b->replicas,
           b->slots, b->views, mutant_name(b->mutant));
    if (o->exhaustive)
        printf("%" PRIu64 " states, %" PRIu64 " transitions, %" PRIu64 " placements, bound %s", r->states,
               r->transitions, r->runs, r->exhausted ? "exhausted" : "NOT exhausted");
    else
        printf("%" PRIu64 " runs from seed %" PRIu64 ", %" PRIu64 " commits (%" PRIu64
               " above view 0), %" PRIu64 " new views",
               r->runs, o->search.seed, r->tally.commits, r->tally.commits_above_view_0, r->tally.new_views);
    printf(", %.2f s: %" PRIu64 " violations, %" PRIu64 " stuck selections, %" PRIu64 " stuck claims\n",
           r->seconds, r->conflicts, r->stuck_selections, r->stuck_claims);
    if (!o->exhaustive && search_report_red(r) > 0)
        printf("first red run: --faults %u --slots %u --views %u --steps %u --seed %" PRIu64
               " --runs 1 --mutant %s\n",
               b->faults, b->slots, b->views, o->search.steps, r->first_red.seed, mutant_name(b->mutant));
}

static int explore(const struct options *o)
{
    struct search_report report;
    int result = o->exhaustive ? exhaustive_run(&o->search, &report) : walk_run(&o->search, &report);
    bool is_red = search_report_red(&report) > 0;

    if (result < 0)
        fprintf(stderr, "redoubt-explorer: out of memory\n");
    else if (o->json)
        print_json(o, &report);
    else
        print_text(o, &report);
    if (result == 0 && o->trace && report.first_red.actions != NULL)
        trace_print(&report.first_red.start, report.first_red.actions, report.first_red.count);
    search_report_deinit(&report);
    if (result < 0)
        return EXIT_MEMORY;
    return is_red == (o->search.bounds.mutant != MUTANT_NONE) ? EXIT_GREEN : EXIT_RED;
}

int main(int argc, char **argv)
{
    struct options options;

    switch (options_parse(&options, argc, argv)) {
    case OPTIONS_HELP:
        options_print_help();
        return EXIT_GREEN;
    case OPTIONS_LIST_MUTANTS:
        list_mutants();
        return EXIT_GREEN;
    case OPTIONS_RUN:
        return explore(&options);
    case OPTIONS_WRONG:
        break;
    }
    return EXIT_USAGE;
}
