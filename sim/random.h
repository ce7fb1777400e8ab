/*
 * The simulator's dice: one stream per purpose, all from the seed, so that a change in one part leaves the others alone.
 */
#ifndef SIM_RANDOM_H
#define SIM_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct dice {
    uint64_t state;
};

static inline uint64_t dice_u64(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static inline struct dice dice_from(uint64_t seed, uint64_t stream)
{
    struct dice d = {seed * 0x9e3779b97f4a7c15ull ^ stream * 0xd1342543de82ef95ull};
    (void)dice_u64(&d);
    return d;
}

/* 0 .. n-1; n > 0. */
static inline uint32_t dice_below(struct dice *d, uint32_t n)
{
    return (uint32_t)((dice_u64(d) >> 32) * n >> 32);
}

/* low .. high. */
static inline uint64_t dice_between(struct dice *d, uint64_t low, uint64_t high)
{
    return low + dice_u64(d) % (high - low + 1);
}

static inline bool dice_chance(struct dice *d, double probability)
{
    return (double)(dice_u64(d) >> 11) * 0x1p-53 < probability;
}

#endif
