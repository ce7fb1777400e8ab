/*
 * Visited: a set of fingerprints in bounded memory (open addressing, doubling up to a limit).
 *
 * Fingerprints stand for states: with 128 bits, even 2^30 states have a chance below 2^-68 that two share one.
 */
#ifndef EXPLORER_VISITED_H
#define EXPLORER_VISITED_H

#include "fingerprint.h"

#include <stdbool.h>
#include <stddef.h>

struct visited {
    struct fingerprint *table;
    size_t capacity; /* a power of two */
    size_t capacity_max;
    size_t count;
};

enum visited_add { VISITED_NEW, VISITED_KNOWN, VISITED_FULL };

/* -1 when memory is short. */
int visited_init(struct visited *visited, size_t memory_max_bytes);
void visited_deinit(struct visited *visited);

/* VISITED_FULL means that the fingerprint was not taken: the search is no longer exhaustive. */
enum visited_add visited_add(struct visited *visited, struct fingerprint fingerprint);

#endif
