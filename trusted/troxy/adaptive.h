/*
 * When reads change too often to be worth asking about: the share of conflicts among the last reads that were asked about. Above one
 * threshold reads are ordered at once, but for a few that go on probing; below a lower one fast reads come back. Pure.
 */
#ifndef TROXY_ADAPTIVE_H
#define TROXY_ADAPTIVE_H

#include "base/types.h"

#define ADAPTIVE_WINDOW 64u /* reads */

struct adaptive_options {
    uint32_t off_percent; /* conflicts among the last that switch fast reads off */
    uint32_t on_percent;  /* ... and on again; lower */
    uint32_t probe_every; /* one of so many is asked about while they are off */
    uint32_t least_known; /* no decision on fewer, at most the window */
};

struct adaptive {
    struct adaptive_options options;
    uint64_t conflicts; /* the last, a bit each */
    uint32_t known;     /* of them, since the last switch */
    uint32_t passed;    /* reads that were not asked about since the last probe */
    bool off;
    uint64_t switches;
};

void adaptive_options_init(struct adaptive_options *options);
void adaptive_init(struct adaptive *adaptive, const struct adaptive_options *options);
/* Is this read to be asked about? Each is counted. */
bool adaptive_asks(struct adaptive *adaptive);
void adaptive_learn(struct adaptive *adaptive, bool conflict);
/* Conflicts among the last, of 1000. */
uint32_t adaptive_permille(const struct adaptive *adaptive);

#endif
