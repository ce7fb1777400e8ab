/*
 * Prophecy, in whole clusters: what one replica's word is worth. Stale at times, never wrong, never going back (sim/prophecy.c looks
 * at each answer).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "report.h"

#define SEEDS 8u

static void options_init(struct sim_options *o, bool prophecy)
{
    sim_options_init(o);
    o->seconds = 5;
    o->tolerated = 1;
    o->faulty[CELL_P] = o->faulty[CELL_C] = o->faulty[CELL_E] = 0;
    o->hosts = 0;
    o->faults = FAULTS_NETWORK;
    o->fast_reads = 1;
    o->troxies = 1;
    o->prophecy = prophecy;
}

static void run_all(struct sim_options *o, struct sim_result *sum)
{
    memset(sum, 0, sizeof *sum);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_result result;
        o->seed = seed;
        world_run(o, &result);
        if (result.violation || result.stuck)
            print_error("seed %u: %s\n", (unsigned)seed, result.text);
        assert_false(result.violation);
        assert_false(result.stuck);
        sum->fast_reads += result.fast_reads;
        sum->stale_reads += result.stale_reads;
    }
}

static void a_read_may_be_stale_but_is_never_wrong_and_never_goes_back(void **state)
{
    struct sim_options o;
    struct sim_result sum;
    (void)state;
    options_init(&o, true);
    run_all(&o, &sum);
    assert_true(sum.fast_reads > 100);
    assert_true(sum.stale_reads > 0);
}

static void a_lying_replica_makes_it_stale_and_no_more(void **state)
{
    struct sim_options o;
    struct sim_result sum;
    (void)state;
    options_init(&o, true);
    o.faults |= FAULTS_BYZANTINE;
    o.faulty[CELL_E] = 1;
    o.hosts = 1;
    run_all(&o, &sum);
    assert_true(sum.fast_reads > 100);
    assert_true(sum.stale_reads > 0);
}

/* Its twin: of the read quorum nothing is ever stale; the ledger itself looks. */
static void the_quorum_of_a_troxy_is_never_stale(void **state)
{
    struct sim_options o;
    struct sim_result sum;
    (void)state;
    options_init(&o, false);
    run_all(&o, &sum);
    assert_true(sum.fast_reads > 100);
    assert_int_equal(sum.stale_reads, 0);
}

static void who_does_not_compare_is_found(void **state)
{
    struct sim_options o;
    struct sim_result result = {.violation = false};
    (void)state;
    options_init(&o, true);
    o.mutant = MUTANT_SKETCH_NOT_COMPARED;
    for (o.seed = 1; o.seed <= SEEDS && !result.violation; o.seed++)
        world_run(&o, &result);
    assert_true(result.violation);
    assert_non_null(strstr(result.text, "every replica knew better"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_read_may_be_stale_but_is_never_wrong_and_never_goes_back),
        cmocka_unit_test(a_lying_replica_makes_it_stale_and_no_more),
        cmocka_unit_test(the_quorum_of_a_troxy_is_never_stale),
        cmocka_unit_test(who_does_not_compare_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
