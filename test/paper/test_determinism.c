/*
 * The simulator is worth what its determinism is worth: the same seed gives the same trace, another seed another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report.h"

static uint64_t trace_of(unsigned protocol, uint64_t seed, struct sim_result *result)
{
    struct sim_options o;
    sim_options_init(&o);
    o.protocol = protocol;
    o.seed = seed;
    o.seconds = 8;
    o.safety_only = true;
    o.trace = fopen("/dev/null", "w");
    assert_non_null(o.trace);
    world_run(&o, result);
    fclose(o.trace);
    assert_false(result->violation);
    return result->trace_hash;
}

static void same_seed_same_trace(void **state)
{
    static const unsigned protocols[] = {PROTOCOL_SPLITBFT, PROTOCOL_PBFT};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sim_result a, b, other;
        uint64_t first = trace_of(protocols[i], 11, &a);
        assert_int_not_equal(first, trace_of(protocols[i], 12, &other)); /* and something ran in between */
        assert_int_equal(first, trace_of(protocols[i], 11, &b));
        assert_int_equal(a.events, b.events);
        assert_int_equal(a.ops, b.ops);
        assert_int_equal(a.faults, b.faults);
        assert_true(a.ops > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_seed_same_trace)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
