/*
 * Search: every order of every move within a bound, each state once; or random runs beyond it, each from its own seed.
 */
#ifndef EXPLORER_HYBSTER_SEARCH_H
#define EXPLORER_HYBSTER_SEARCH_H

#include "checker.h"

#include <stddef.h>

enum { PATH_MAX_LENGTH = 512 };

struct search_options {
    struct bounds bounds;
    uint64_t seed;
    uint64_t runs;       /* random: 0 is no limit */
    unsigned steps;      /* random: of a run */
    double seconds;      /* 0 is no limit */
    size_t memory_bytes; /* exhaustive: of the table */
};

struct search_report {
    enum finding finding; /* of the first red run; the search ends with it */
    uint64_t red_seed;
    unsigned faulty; /* the faulty replicas of that run, as bits */
    unsigned path_length;
    struct move path[PATH_MAX_LENGTH];
    uint64_t states; /* exhaustive */
    uint64_t transitions;
    uint64_t runs; /* random */
    uint64_t new_views;
    uint64_t commits; /* runs that ended with a commit above view 0 */
    bool exhausted;
    double seconds;
};

/* -1: no memory. */
int search_exhaustive(const struct search_options *options, struct search_report *report);
void search_random(const struct search_options *options, struct search_report *report);

/* Takes every move out of the red path that it can do without. */
void search_shrink(const struct search_options *options, struct search_report *report);

#endif
