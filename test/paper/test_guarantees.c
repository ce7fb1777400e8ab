/*
 * What SplitBFT promises over PBFT, each promise with its tight counterpart: the same cluster with one fault more must be
 * broken by the same attacks, or the attacks prove nothing.
 *
 *   integrity   with every host malicious and no compartment faulty
 *               with f faulty Preparation, f faulty Confirmation and f faulty Execution compartments on 3f different hosts
 *               (slides: "tolerates up to f faulty compartments of each kind")
 *   tight       f+1 of any one kind, f of the others; PBFT with those 3f hosts faulty
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report.h"

static struct sim_options options_for(unsigned protocol, int p, int c, int e)
{
    struct sim_options o;
    sim_options_init(&o);
    o.protocol = protocol;
    o.seconds = 20;
    o.tolerated = 1;
    o.faulty[CELL_P] = p;
    o.faulty[CELL_C] = c;
    o.faulty[CELL_E] = e;
    o.hosts = 4;
    o.faults = FAULTS_NETWORK | FAULTS_BYZANTINE;
    o.attacks_per_s = 2;
    o.safety_only = true;
    return o;
}

/* Runs seeds until one is violated; says how many runs that took, 0 for none. */
static uint64_t violated_within(struct sim_options o, uint64_t runs)
{
    struct sim_totals totals;
    struct sim_result failing;
    sim_run_many(&o, runs, 2, 0, &totals, &failing);
    if (totals.violations)
        print_message("seed %llu: %s\n", (unsigned long long)totals.failing_seed, failing.text);
    else
        assert_int_equal(totals.runs, runs);
    return totals.violations ? totals.runs : 0;
}

static void all_hosts_byzantine_is_safe(void **state)
{
    (void)state;
    assert_int_equal(violated_within(options_for(PROTOCOL_SPLITBFT, 0, 0, 0), 12), 0);
}

static void f_faulty_of_each_kind_on_3f_hosts_is_safe(void **state)
{
    (void)state;
    assert_int_equal(violated_within(options_for(PROTOCOL_SPLITBFT, 1, 1, 1), 24), 0);
}

static void two_faulty_of_each_kind_among_seven_is_safe(void **state)
{
    struct sim_options o = options_for(PROTOCOL_SPLITBFT, 2, 2, 2);
    (void)state;
    o.tolerated = 2;
    o.hosts = 7;
    o.seconds = 10;
    assert_int_equal(violated_within(o, 6), 0);
}

static void one_more_faulty_preparation_breaks_it(void **state)
{
    struct sim_options o = options_for(PROTOCOL_SPLITBFT, 2, 1, 1);
    (void)state;
    o.only_attack = "two-faces";
    assert_int_not_equal(violated_within(o, 200), 0);
}

static void one_more_faulty_confirmation_breaks_it(void **state)
{
    struct sim_options o = options_for(PROTOCOL_SPLITBFT, 1, 2, 1);
    (void)state;
    o.only_attack = "two-faces";
    assert_int_not_equal(violated_within(o, 200), 0);
}

static void one_more_faulty_execution_breaks_it(void **state)
{
    struct sim_options o = options_for(PROTOCOL_SPLITBFT, 1, 1, 2);
    (void)state;
    o.only_attack = "false-witness";
    assert_int_not_equal(violated_within(o, 200), 0);
}

static void pbft_with_f_faulty_replicas_is_safe(void **state)
{
    struct sim_options o = options_for(PROTOCOL_PBFT, -1, -1, -1);
    (void)state;
    o.faulty_replicas = 1;
    assert_int_equal(violated_within(o, 24), 0);
}

static void pbft_with_those_3f_hosts_faulty_breaks(void **state)
{
    struct sim_options o = options_for(PROTOCOL_PBFT, -1, -1, -1);
    (void)state;
    o.faulty_replicas = 3;
    assert_int_not_equal(violated_within(o, 50), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_hosts_byzantine_is_safe),
        cmocka_unit_test(f_faulty_of_each_kind_on_3f_hosts_is_safe),
        cmocka_unit_test(two_faulty_of_each_kind_among_seven_is_safe),
        cmocka_unit_test(one_more_faulty_preparation_breaks_it),
        cmocka_unit_test(one_more_faulty_confirmation_breaks_it),
        cmocka_unit_test(one_more_faulty_execution_breaks_it),
        cmocka_unit_test(pbft_with_f_faulty_replicas_is_safe),
        cmocka_unit_test(pbft_with_those_3f_hosts_faulty_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
