/*
 * Latencies in buckets of fixed relative width: 128 per power of two, so a figure read from it is off by less than 1 %. Fixed
 * memory, constant time, no value left out (the last bucket has no upper end).
 */
#ifndef CMD_HISTOGRAM_H
#define CMD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS  128u
#define HISTOGRAM_POWERS 32u

struct histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t max;
    uint64_t bucket[HISTOGRAM_STEPS * HISTOGRAM_POWERS];
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The least value that `share` (0 to 1) of all values do not exceed; 0 when there are none. */
uint64_t histogram_at(const struct histogram *histogram, double share);
double histogram_mean(const struct histogram *histogram);

#endif
