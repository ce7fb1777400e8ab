/*
 * Fingerprint: what a state is remembered by. 128 bits, well mixed, of words that are added one after the other.
 */
#ifndef EXPLORER_FINGERPRINT_H
#define EXPLORER_FINGERPRINT_H

#include <stdint.h>

struct fingerprint {
    uint64_t high;
    uint64_t low;
};

static inline uint64_t fingerprint_mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static inline void fingerprint_word(struct fingerprint *fingerprint, uint64_t word)
{
    fingerprint->high = fingerprint_mix(fingerprint->high ^ word) + UINT64_C(0x9e3779b97f4a7c15);
    fingerprint->low = fingerprint_mix(fingerprint->low + word * UINT64_C(0xd6e8feb86659fd93));
}

#endif
