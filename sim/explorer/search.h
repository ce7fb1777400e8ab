/*
 * Search: what both modes are asked for and what they report.
 */
#ifndef EXPLORER_SEARCH_H
#define EXPLORER_SEARCH_H

#include "checker.h"
#include "rules.h"

#include <stddef.h>

enum { RUN_STEPS_MAX = 1024 };

struct search_options {
    struct bounds bounds;
    uint64_t runs;  /* random: 0 is no limit */
    unsigned steps; /* random: at most RUN_STEPS_MAX; a step is an action of up to n replicas */
    uint64_t seed;
    double seconds; /* 0 is no limit */
    size_t memory_max_bytes;
    bool wants_run; /* random: keep the actions of the last run though it is green */
};

/* A run that can be printed: where it began and what was done. Shrunk if it is red. */
struct search_run {
    uint64_t seed;
    struct model start;
    struct action *actions;
    size_t count;
};

struct search_report {
    uint64_t runs;
    uint64_t states;      /* exhaustive: different canonical ones */
    uint64_t transitions; /* actions taken */
    bool exhausted;       /* exhaustive: the bound was searched to its end */
    uint64_t conflicts;
    uint64_t stuck_selections;
    uint64_t stuck_claims;
    struct tally tally;
    double seconds;
    struct search_run first_red; /* actions is NULL if there was none and none was wanted */
};

/* Both return -1 when memory is short. They stop at the first red run if the rules carry a mutant, and the exhaustive
 * one always. search_report_deinit frees what the report holds. */
int exhaustive_run(const struct search_options *options, struct search_report *report);
int walk_run(const struct search_options *options, struct search_report *report);
void search_report_deinit(struct search_report *report);

static inline uint64_t search_report_red(const struct search_report *report)
{
    return report->conflicts + report->stuck_selections + report->stuck_claims;
}

/* Counts the verdict; true if it is red. */
bool search_report_count(struct search_report *report, enum checker_verdict verdict);

/* Copies and shrinks a run into first_red; -1 when memory is short. */
int search_report_keep(struct search_report *report, const struct search_run *run,
                       enum checker_verdict verdict);

/* Seconds on a clock of no particular origin. */
double search_clock(void);

#endif
