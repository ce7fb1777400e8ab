/*
 * Stock clients of Hybster: what their Troxies tell them while a replica is faulty as a whole, beside its own Troxy or another; and that
 * who believes one reply less than f+1 is found out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ordering/configuration.h"
#include "report.h"

#define SEEDS 6u

static struct sim_options options_of(uint64_t seed)
{
    struct sim_options o;
    sim_options_init(&o);
    o.protocol = PROTOCOL_HYBSTER;
    o.seed = seed;
    o.seconds = 4;
    o.faults = FAULTS_NETWORK | FAULTS_BYZANTINE;
    o.tolerated = o.faulty_replicas = 1;
    o.replicas = 3;
    o.troxies = 1;
    o.fast_reads = 0;
    o.clients = 1;
    o.safety_only = true;
    return o;
}

static void a_faulty_replica_deceives_nobody(void **state)
{
    uint64_t ops = 0, faults = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_options o = options_of(seed);
        struct sim_result result;
        world_run(&o, &result);
        assert_string_equal(result.text, "");
        assert_false(result.violation);
        assert_int_equal(result.fast_reads, 0); /* off */
        ops += result.ops;
        faults += result.faults;
    }
    assert_true(ops > 50 && faults > 50);
}

static void fast_reads_are_right_though_a_host_lies_to_its_troxy(void **state)
{
    uint64_t fast = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= 2 * SEEDS; seed++) {
        struct sim_options o = options_of(seed);
        struct sim_result result;
        o.fast_reads = 1;
        o.replicas = seed % 4 == 0 ? 4 : 3;
        world_run(&o, &result);
        assert_string_equal(result.text, "");
        assert_false(result.violation);
        fast += result.fast_reads;
    }
    assert_true(fast > 100);
}

/* Nobody waits for a certificate for ever. */
static void all_requests_finish_when_the_faults_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct sim_options o = options_of(seed);
        struct sim_result result;
        o.fast_reads = 1;
        o.faults |= FAULTS_CRASH;
        o.safety_only = false;
        world_run(&o, &result);
        assert_string_equal(result.text, "");
        assert_false(result.stuck);
    }
}

static bool found_in(enum mutant mutant, uint64_t seeds)
{
    bool found = false;
    for (uint64_t seed = 1; seed <= seeds && !found; seed++) {
        struct sim_options o = options_of(seed);
        struct sim_result result;
        o.fast_reads = 1;
        o.seconds = 10;
        o.mutant = mutant;
        world_run(&o, &result);
        found = result.violation;
    }
    return found;
}

static void without_floors_reads_are_old(void **state)
{
    (void)state;
    assert_true(found_in(MUTANT_FLOORS_FORGOTTEN, 4));
}

/* What is the same with SplitBFT, and sought there by redoubt-sim. */
static void each_troxy_counts_once_and_all_of_a_quorum_are_asked(void **state)
{
    (void)state;
    assert_true(found_in(MUTANT_ATTESTOR_COUNTED_TWICE, 20));
    assert_true(found_in(MUTANT_READ_QUORUM_ONE_SHORT, 20));
}

static void one_reply_is_too_few(void **state)
{
    bool found = false;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS && !found; seed++) {
        struct sim_options o = options_of(seed);
        struct sim_result result;
        o.mutant = MUTANT_REPLY_QUORUM_ONE_SHORT;
        world_run(&o, &result);
        found = result.violation;
    }
    assert_true(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_faulty_replica_deceives_nobody),
                                       cmocka_unit_test(fast_reads_are_right_though_a_host_lies_to_its_troxy),
                                       cmocka_unit_test(all_requests_finish_when_the_faults_end),
                                       cmocka_unit_test(without_floors_reads_are_old),
                                       cmocka_unit_test(each_troxy_counts_once_and_all_of_a_quorum_are_asked),
                                       cmocka_unit_test(one_reply_is_too_few)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
