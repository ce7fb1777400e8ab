/*
 * Running many seeds, over two processes, and saying what became of them.
 */
#ifndef SIM_REPORT_H
#define SIM_REPORT_H

#include "world.h"

struct sim_totals {
    uint64_t runs, events, ops, fast_reads, read_conflicts, unordered_reads, resizes, faults, simulated_us,
        violations, stuck;
    bool failed;
    uint64_t failing_seed;
};

/* The defaults: every choice is drawn from the seed. */
void sim_options_init(struct sim_options *options);

/*
 * Runs `runs` seeds from options->seed on, in that order as far as results go, and stops at the first that fails. Progress goes
 * to standard error. `seconds_max` of real time, 0: no limit.
 */
void sim_run_many(const struct sim_options *options, uint64_t runs, unsigned processes, unsigned seconds_max,
                  struct sim_totals *totals, struct sim_result *failing);

enum sim_search {
    SEARCH_FOUND,
    SEARCH_NOT_FOUND,
    SEARCH_UNMUTATED, /* the seed that seemed to show it fails without it too: a bug that nobody seeded */
};

/*
 * The control run: the same seed with the same faults, every seeded bug off. False, with the failing run in `failing`, when
 * that fails as well.
 */
bool sim_control(const struct sim_options *options, uint64_t seed, struct sim_result *failing);

/* `--mutant NAME`. `failing` is the run that showed it, or, for SEARCH_UNMUTATED, the control run. */
enum sim_search sim_find_mutant(enum mutant mutant, const struct sim_options *given, bool given_seed,
                                struct sim_totals *totals, struct sim_result *failing);
enum mutant sim_mutant_named(const char *name);
void sim_mutants_print(FILE *out);
const char *sim_mutant_name(enum mutant mutant);
bool sim_mutant_is_safety(enum mutant mutant);

#endif
