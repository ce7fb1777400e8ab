/*
 * The control run: a seed shows a seeded bug only when it is well without it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report.h"

static struct sim_options attacked(int faulty_execution)
{
    struct sim_options o;
    sim_options_init(&o);
    o.seconds = 20;
    o.tolerated = 1;
    o.faulty[CELL_P] = o.faulty[CELL_C] = 1;
    o.faulty[CELL_E] = faulty_execution;
    o.faults = FAULTS_NETWORK | FAULTS_BYZANTINE;
    o.attacks_per_s = 2;
    o.safety_only = true;
    o.only_attack = "false-witness";
    return o;
}

/* With the mutant named in the options, which the control switches off. */
static void a_seed_that_only_a_mutant_fails_passes(void **state)
{
    struct sim_options o = attacked(1);
    struct sim_totals totals;
    struct sim_result failing;
    (void)state;
    o.mutant = MUTANT_VOTES_BY_MESSAGE;
    sim_run_many(&o, 200, 2, 0, &totals, &failing);
    assert_true(failing.violation);
    struct sim_result before = failing;
    assert_true(sim_control(&o, totals.failing_seed, &failing));
    assert_string_equal(failing.text, before.text);
}

/* One faulty Execution too many: broken with or without a mutant. */
static void a_seed_that_fails_without_it_does_not_pass(void **state)
{
    struct sim_options o = attacked(2);
    struct sim_totals totals;
    struct sim_result failing = {0};
    (void)state;
    sim_run_many(&o, 200, 2, 0, &totals, &failing);
    assert_true(failing.violation);
    o.mutant = MUTANT_TIME_FALLS;
    memset(&failing, 0, sizeof failing);
    assert_false(sim_control(&o, totals.failing_seed, &failing));
    assert_true(failing.violation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_that_only_a_mutant_fails_passes),
        cmocka_unit_test(a_seed_that_fails_without_it_does_not_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
