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
        assert_int_equal(result.fast_reads, 0); /* none without floors */
        ops += result.ops;
        faults += result.faults;
    }
    assert_true(ops > 50 && faults > 50);
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
                                       cmocka_unit_test(one_reply_is_too_few)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
