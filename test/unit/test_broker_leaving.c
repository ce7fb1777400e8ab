/* The broker: when it leaves a view, whom it follows, and what it shows to others then. */
#include "broker_alone.h"

static unsigned leaves(void)
{
    return count(ACTION_GIVE, P, FRAME_LOCAL_LEAVE);
}

static void unsigned_bundles_change_no_view(void **state)
{
    (void)state;
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 1, 1))), ACCEPT);
    time_passes(10 * TIMEOUT);
    assert_int_equal(leaves(), 0);
    assert_true(count(ACTION_SEND_CLIENT, 9, FRAME_SIGN_WANTED) >= 1);
}

static void a_signed_bundle_that_waits_changes_the_view(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_bundle_again(c, cluster_incr(c, 0, 1, 1), FORM_SIGNED);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    time_passes(3 * TIMEOUT);
    assert_int_equal(leaves(), 0); /* own P has not confirmed it yet */
    assert_verdict(client(9, bundle(b)), DUPLICATE);
    p_says(b, true, VERDICT_ACCEPT);
    time_passes(TIMEOUT / 2);
    assert_int_equal(leaves(), 0);
    time_passes(TIMEOUT);
    assert_int_equal(leaves(), 1);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_LOCAL_LEAVE), 1);
    time_passes(5 * TIMEOUT); /* nobody else left: no reason to go on to the next view */
    assert_int_equal(leaves(), 1);
}

static void a_bundle_that_was_executed_changes_nothing(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_bundle_again(c, cluster_incr(c, 0, 1, 1), FORM_SIGNED);
    struct digest digest;
    assert_verdict(client(9, bundle(b)), ACCEPT);
    p_says(b, true, VERDICT_ACCEPT);
    assert_verdict(peer(0, pre_prepare(0, 0, 1, &b, 1, &digest)), ACCEPT);
    e_executed(1, 0, &digest);
    time_passes(10 * TIMEOUT);
    assert_int_equal(leaves(), 0);
    forget();
    assert_verdict(client(9, bundle(b)), DUPLICATE); /* asked again: E has the reply */
    assert_int_equal(count(ACTION_GIVE, E, FRAME_FETCH_REPLY), 1);
}

static void f_plus_1_partings_are_joined(void **state)
{
    (void)state;
    assert_verdict(peer(2, forge_parting(c, 2, 4, NULL, NULL, 0)), ACCEPT);
    assert_int_equal(leaves(), 0); /* one may lie */
    assert_verdict(peer(2, forge_parting(c, 3, 4, NULL, NULL, 0)),
                   ACCEPT); /* passed on by the same host: no other voice */
    assert_int_equal(leaves(), 0);
    assert_verdict(peer(3, forge_parting(c, 3, 2, NULL, NULL, 0)), ACCEPT);
    assert_int_equal(leaves(), 1);
    struct local_leave m;
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i].frame.type == FRAME_LOCAL_LEAVE) {
            assert_true(local_leave_decode(seen[i].frame.body, &m));
            assert_int_equal(m.view, 3); /* where f+1 are, not where one says it is */
        }
    assert_int_equal(count(ACTION_GIVE, C, FRAME_PARTING), 3);
}

/* Replica 3 says that it waits in `view`; own P enters what is left for. Returns how long until then, at most `most` timeouts. */
static uint64_t left_for_who_is_alone(view_no view, slot_no stands_at, uint64_t most)
{
    unsigned before = leaves();
    uint64_t since = now;
    while (leaves() == before && now - since < most * TIMEOUT) {
        struct status status = {.view = view, .in_view = 0, .executed = stands_at};
        (void)peer(3, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE));
        time_passes(TIMEOUT / 2);
    }
    return now - since;
}

static void who_left_alone_is_followed_ever_more_rarely(void **state)
{
    (void)state;
    uint64_t waited[4];
    (void)left_for_who_is_alone(1, 0, 100);
    assert_int_equal(leaves(), 0); /* its host says so, its P does not */
    for (unsigned i = 0; i < 4; i++) {
        assert_verdict(peer(3, forge_parting(c, 3, i, NULL, NULL, 0)), ACCEPT);
        waited[i] = left_for_who_is_alone(i + 1, 0, 1000);
        assert_int_equal(leaves(), i + 1);
        p_is_in(i + 1, 1, true);
    }
    assert_in_range(waited[0], LAG_PATIENCE * TIMEOUT, (LAG_PATIENCE + 2) * TIMEOUT);
    for (unsigned i = 1; i < 4; i++)
        assert_true(waited[i] > waited[i - 1] + waited[i - 1] / 2);
}

static void who_could_not_vote_is_not_followed_and_nobody_too_far(void **state)
{
    (void)state;
    struct digest digest = {{1}};
    struct local_leave m = {0};
    e_executed(WINDOW, WINDOW, &digest);
    assert_verdict(peer(3, forge_parting(c, 3, 1ull << 40, NULL, NULL, 0)), ACCEPT);
    (void)left_for_who_is_alone(1ull << 40, 0, 100);
    assert_int_equal(leaves(), 0);
    (void)left_for_who_is_alone(1ull << 40, 1, 100);
    assert_int_equal(leaves(), 1);
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i].frame.type == FRAME_LOCAL_LEAVE)
            assert_true(local_leave_decode(seen[i].frame.body, &m));
    assert_in_range(m.view, 1, 64);
}

static void a_replica_that_lost_a_compartment_leaves_no_view(void **state)
{
    (void)state;
    event(EVENT_STOP_VOTING, 0, SLICE_NONE);
    assert_verdict(peer(2, forge_parting(c, 2, 4, NULL, NULL, 0)), ACCEPT);
    assert_verdict(peer(3, forge_parting(c, 3, 4, NULL, NULL, 0)), ACCEPT);
    assert_int_equal(leaves(), 0);
    struct engine_status status;
    splitbft_engine.status(broker, &status);
    assert_false(status.voting);
}

static void the_next_view_is_tried_with_more_patience(void **state)
{
    (void)state;
    assert_verdict(peer(2, forge_parting(c, 2, 0, NULL, NULL, 0)), ACCEPT);
    assert_verdict(peer(3, forge_parting(c, 3, 0, NULL, NULL, 0)), ACCEPT);
    p_is_in(1, 1, false);
    assert_int_equal(leaves(), 1);
    uint64_t waited[4] = {0};
    for (unsigned i = 0; i < 4; i++) { /* 2f others follow each time, and no NEW-VIEW comes */
        for (replica_id r = 2; r < 4; r++)
            (void)peer(r, forge_parting(c, r, i, NULL, NULL, 0));
        uint64_t since = now;
        while (leaves() == 1 + i && now - since < 100 * TIMEOUT)
            time_passes(TIMEOUT / 8);
        waited[i] = now - since;
        p_is_in(2 + i, 1, false);
    }
    assert_in_range(waited[0], TIMEOUT, 5 * TIMEOUT);
    for (unsigned i = 1; i < 4; i++)
        assert_true(waited[i] > waited[i - 1] + waited[i - 1] / 2);
}

/* Replica 3 says again and again where it stands. Returns how long until a view is left, at most 200 timeouts. */
static uint64_t left_for_a_laggard(slot_no stands_at)
{
    unsigned before = leaves();
    uint64_t since = now;
    while (leaves() == before && now - since < 200 * TIMEOUT) {
        struct status status = {.view = 0, .in_view = 1, .executed = stands_at};
        (void)peer(3, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE));
        time_passes(TIMEOUT / 2);
    }
    return now - since;
}

static void a_checkpoint_that_does_not_come_changes_the_view_ever_more_rarely(void **state)
{
    (void)state;
    struct digest digest = {{1}};
    uint64_t waited[4];
    for (unsigned i = 0; i < 4;
         i++) { /* something is executed between: what is doubled is not the back-off */
        e_executed(CHECKPOINT_INTERVAL + 1 + i, CHECKPOINT_INTERVAL, &digest);
        waited[i] = left_for_a_laggard(0);
        assert_int_equal(leaves(), i + 1);
        p_is_in(i + 1, CHECKPOINT_INTERVAL + 2 + i, true);
    }
    assert_in_range(waited[0], LAG_PATIENCE * TIMEOUT, (LAG_PATIENCE + 2) * TIMEOUT);
    for (unsigned i = 1; i < 4; i++)
        assert_true(waited[i] > waited[i - 1] + waited[i - 1] / 2);
}

static void no_view_is_left_for_who_lags_when_that_helps_nobody(void **state)
{
    (void)state;
    struct digest digest = {{1}};
    e_executed(CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL, &digest); /* the checkpoint is there: it may fetch */
    (void)left_for_a_laggard(0);
    assert_int_equal(leaves(), 0);
    e_executed(CHECKPOINT_INTERVAL + 1, CHECKPOINT_INTERVAL, &digest);
    (void)left_for_a_laggard(CHECKPOINT_INTERVAL); /* that one needs no state */
    assert_int_equal(leaves(), 0);
    time_passes(200 * TIMEOUT); /* and this one is not heard of any more */
    assert_int_equal(leaves(), 0);
}

static void behind_a_stable_checkpoint_bundles_wait_longer(void **state)
{
    (void)state;
    struct digest digest = {{1}};
    struct test_bundle *b = cluster_bundle_again(c, cluster_incr(c, 0, 1, 1), FORM_SIGNED);
    e_executed(1, CHECKPOINT_INTERVAL, &digest);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    p_says(b, true, VERDICT_ACCEPT);
    time_passes((LAG_PATIENCE - 1) * TIMEOUT);
    assert_int_equal(leaves(), 0);
    time_passes(3 * TIMEOUT);
    assert_int_equal(leaves(), 1);
}

static void a_new_view_is_shown_to_those_who_lack_it(void **state)
{
    (void)state;
    struct slice vcs[3];
    for (replica_id r = 0; r < 3; r++)
        vcs[r] = forge_view_change(c, r, 2, NULL, NULL, 0, NULL, 0);
    struct slice good = forge_new_view(c, 2, 2, 0, NULL, 0, vcs, 3);
    struct slice far_away = forge_new_view(c, 3, 7, 0, NULL, 0, vcs, 3); /* of no view that was changed to */
    assert_verdict(peer(2, good), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_NEW_VIEW), 1);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_NEW_VIEW), 1);
    p_is_in(2, 1, true);
    (void)peer(3, far_away);
    forget();
    struct status behind = {.view = 1, .in_view = 0};
    assert_verdict(peer(0, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &behind), SLICE_NONE)),
                   ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 0, FRAME_NEW_VIEW), 1);
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i].frame.type == FRAME_NEW_VIEW)
            assert_int_equal(seen[i].len, good.len);
}

static void view_changes_go_to_the_next_primary(void **state)
{
    (void)state;
    assert_verdict(own(C, forge_view_change(c, 1, 2, NULL, NULL, 0, NULL, 0)), ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 2, FRAME_VIEW_CHANGE), 1);
    assert_int_equal(seen_count, 1);
    forget();
    assert_verdict(own(C, forge_view_change(c, 1, 5, NULL, NULL, 0, NULL, 0)), ACCEPT); /* its own view */
    assert_int_equal(count(ACTION_GIVE, P, FRAME_VIEW_CHANGE), 1);
    assert_verdict(peer(0, forge_view_change(c, 0, 5, NULL, NULL, 0, NULL, 0)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_VIEW_CHANGE), 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(unsigned_bundles_change_no_view),
        T(a_signed_bundle_that_waits_changes_the_view),
        T(a_bundle_that_was_executed_changes_nothing),
        T(f_plus_1_partings_are_joined),
        T(who_left_alone_is_followed_ever_more_rarely),
        T(who_could_not_vote_is_not_followed_and_nobody_too_far),
        T(a_replica_that_lost_a_compartment_leaves_no_view),
        T(the_next_view_is_tried_with_more_patience),
        T(a_checkpoint_that_does_not_come_changes_the_view_ever_more_rarely),
        T(no_view_is_left_for_who_lags_when_that_helps_nobody),
        T(behind_a_stable_checkpoint_bundles_wait_longer),
        T(a_new_view_is_shown_to_those_who_lack_it),
        T(view_changes_go_to_the_next_primary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
