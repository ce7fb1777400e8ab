#include "histogram.h"

#include <stddef.h>

/* Values below HISTOGRAM_STEPS have a bucket each; then HISTOGRAM_STEPS buckets a power of two. */
static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (size_t)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - 7u; /* value >> shift is 128 .. 255 */
    size_t bucket = (size_t)(shift + 1) * HISTOGRAM_STEPS + (size_t)((value >> shift) - HISTOGRAM_STEPS);
    size_t last = HISTOGRAM_STEPS * HISTOGRAM_POWERS - 1;
    return bucket < last ? bucket : last;
}

/* The largest value of a bucket. */
static uint64_t bucket_end(size_t bucket)
{
    if (bucket < HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((step + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count++;
    h->sum += value;
    if (value > h->max)
        h->max = value;
    h->bucket[bucket_of(value)]++;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t wanted = (uint64_t)(share * (double)h->count);
    if (h->count == 0)
        return 0;
    if ((double)wanted < share * (double)h->count)
        wanted++;
    uint64_t seen = 0;
    for (size_t i = 0; i < HISTOGRAM_STEPS * HISTOGRAM_POWERS; i++) {
        seen += h->bucket[i];
        if (seen >= wanted && seen > 0)
            return bucket_end(i) < h->max ? bucket_end(i) : h->max;
    }
    return h->max;
}

double histogram_mean(const struct histogram *h)
{
    return h->count ? (double)h->sum / (double)h->count : 0;
}
