/* What the broker does otherwise with hybster: its orderer keeps what it is given, so it is given it once. */
#include "broker_alone.h"

static struct configuration configuration;

static int setup_hybster(void **state)
{
    (void)state;
    setup_started(false);
    configuration = c->configuration;
    configuration.protocol = PROTOCOL_HYBSTER;
    splitbft_engine.start(broker, &configuration, c->start, now, &actions);
    p_is_in(0, 1, true);
    forget();
    return 0;
}

/* Of the leader of view 0; own orderer looks at the certificate. */
static struct slice prepare(slot_no slot, struct test_bundle *b)
{
    static uint8_t frame[64 * 1024];
    static const struct sender leader = {KIND_COUNTER, 0, 1};
    static const uint8_t mac[16];
    struct hybster_prepare m = {.slot = slot};
    struct slice list = cluster_list(c, now, &b, b ? 1 : 0, &m.batch);
    size_t len = frame_encode(frame, sizeof frame, FRAME_HYBSTER_PREPARE, &leader, AUTH_COUNTER,
                              cluster_body(c, hybster_prepare, &m), (struct slice){mac, sizeof mac}, list);
    assert_true(len > 0);
    return (struct slice){frame, len};
}

enum { SLOTS = 40 };

static struct test_bundle *listed[SLOTS + 1];

/* Each lists a bundle that is not here yet. */
static void prepares_without_bodies(void)
{
    for (slot_no slot = 1; slot <= SLOTS; slot++) {
        listed[slot] = cluster_incr(c, 0, slot, 1);
        assert_verdict(peer(0, prepare(slot, listed[slot])), ACCEPT);
    }
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_PREPARE), 0);
}

/* A replica to which all bundles come late is not given a window of PREPAREs at each. */
static void a_late_bundle_brings_its_own_prepare_only(void **state)
{
    (void)state;
    prepares_without_bodies();
    for (slot_no slot = 1; slot <= SLOTS; slot++) {
        forget();
        assert_verdict(peer(2, bundle(listed[slot])), ACCEPT);
        assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_PREPARE), 1);
    }
}

/* The leader sends it again where this replica stands still: so what the orderer dropped is not lost. */
static void what_is_sent_again_is_given_again(void **state)
{
    (void)state;
    prepares_without_bodies();
    assert_verdict(peer(2, bundle(listed[1])), ACCEPT);
    forget();
    assert_verdict(peer(0, prepare(1, listed[1])), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_PREPARE), 1);
}

/* Above its window the orderer takes none yet, so that is tried again. */
static void what_comes_too_early_is_given_again(void **state)
{
    (void)state;
    struct digest batch = {{1}};
    struct test_bundle *late = cluster_incr(c, 0, 1, 1);
    e_executed(20, 0, &batch);
    assert_verdict(peer(0, prepare(WINDOW + 1, NULL)), ACCEPT);
    assert_verdict(peer(0, prepare(WINDOW, NULL)), ACCEPT);
    assert_verdict(peer(0, prepare(21, late)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_PREPARE), 2);
    forget();
    assert_verdict(peer(2, bundle(late)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_PREPARE), 2); /* that of 21, and the early one */
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_hybster, teardown)
    const struct CMUnitTest tests[] = {
        T(a_late_bundle_brings_its_own_prepare_only),
        T(what_is_sent_again_is_given_again),
        T(what_comes_too_early_is_given_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
