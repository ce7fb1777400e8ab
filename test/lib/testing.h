/*
 * What the unit tests of the trusted code share: cmocka, verdicts by name, random numbers that are the same in every run.
 */
#ifndef TEST_TESTING_H
#define TEST_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/verdict.h"

static inline void assert_verdict_at(enum verdict actual, enum verdict expected, const char *file, int line)
{
    if (actual == expected)
        return;
    print_error("%s, but expected %s\n", verdict_name(actual), verdict_name(expected));
    _fail(file, line);
}
#define assert_verdict(actual, expected) assert_verdict_at(actual, VERDICT_##expected, __FILE__, __LINE__)

static inline void assert_refused_at(enum verdict actual, size_t what, const char *file, int line)
{
    if (actual != VERDICT_ACCEPT)
        return;
    print_error("accepted, though %zu was changed\n", what);
    _fail(file, line);
}
/* Anything but ACCEPT; `what` names the byte or case that was changed. */
#define assert_refused(actual, what) assert_refused_at(actual, what, __FILE__, __LINE__)

/* splitmix64 */
static inline uint64_t test_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline void test_random_bytes(uint64_t *state, void *out, size_t len)
{
    uint8_t *to = out;
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)test_random(state);
}

#define SLICE_NONE ((struct slice){NULL, 0})

#endif
