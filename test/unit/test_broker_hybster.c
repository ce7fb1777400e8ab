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

/* Of the view's leader; own orderer looks at the certificate. */
static struct slice prepare_in(view_no view, slot_no slot, struct test_bundle *b)
{
    static uint8_t frame[64 * 1024];
    static const uint8_t mac[16];
    const struct sender leader = {KIND_COUNTER, (replica_id)view % 4, 1};
    struct hybster_prepare m = {.view = view, .slot = slot};
    struct slice list = cluster_list(c, now, &b, b ? 1 : 0, &m.batch);
    size_t len = frame_encode(frame, sizeof frame, FRAME_HYBSTER_PREPARE, &leader, AUTH_COUNTER,
                              cluster_body(c, hybster_prepare, &m), (struct slice){mac, sizeof mac}, list);
    assert_true(len > 0);
    return (struct slice){frame, len};
}

static struct slice prepare(slot_no slot, struct test_bundle *b)
{
    return prepare_in(0, slot, b);
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

/* --- what was put forward ------------------------------------------------------------------------------------------- */

static bool others_get(const struct test_bundle *b)
{
    struct fetch want = {FETCH_BUNDLE, b->entry.bundle};
    forget();
    assert_verdict(peer(3, cluster_local(c, FRAME_FETCH, cluster_body(c, fetch, &want), SLICE_NONE)), ACCEPT);
    return count(ACTION_SEND_PEER, 3, FRAME_BUNDLE);
}

/* Put forward, and own P cannot admit the form that is here. */
static struct test_bundle *refused(uint64_t n)
{
    struct test_bundle *b = cluster_incr(c, 0, n, n);
    assert_verdict(peer(3, bundle(b)), ACCEPT);
    event(EVENT_RUN_END, 0, SLICE_NONE);
    p_says(b, false, VERDICT_BAD_MAC);
    return b;
}

/* It admitted another form long ago: so it lists the bundle, and nobody else may have the body. */
static void what_p_refuses_and_lists_is_kept(void **state)
{
    (void)state;
    p_is_in(1, 1, true);
    struct test_bundle *b = refused(1);
    time_passes(TIMEOUT / TICKS_PER_TIMEOUT); /* the counter of hybster's P takes a while */
    p_is_in(1, 2, true);                      /* and what P says meanwhile overtakes it */
    assert_verdict(own(P, prepare_in(1, 1, b)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_BUNDLE), 1);
    time_passes(20 * TIMEOUT);
    assert_true(others_get(b));
}

/* State that comes in between changes nothing about that. */
static void what_was_put_forward_outlives_a_jump(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest digest = {{1}};
    p_is_in(1, 1, true);
    assert_verdict(peer(3, bundle(b)), ACCEPT);
    event(EVENT_RUN_END, 0, SLICE_NONE);
    e_executed(20, 0, &digest);
    assert_verdict(own(P, prepare_in(1, 21, b)), ACCEPT);
    assert_true(others_get(b));
}

static void what_p_refuses_and_does_not_list_is_forgotten(void **state)
{
    (void)state;
    p_is_in(1, 1, true);
    struct test_bundle *b = refused(1);
    assert_verdict(own(P, prepare_in(1, 1, NULL)), ACCEPT);
    time_passes((LISTING_TICKS + 1) * TIMEOUT / TICKS_PER_TIMEOUT);
    assert_false(others_get(b));
}

/* What is kept for a while does not crowd its origin out. */
static void forged_bundles_crowd_nobody_out(void **state)
{
    (void)state;
    p_is_in(1, 1, true);
    for (uint64_t n = 1; n <= 1000; n++) {
        (void)refused(n);
        p_is_in(1, 1, true); /* none of it is admitted: no batch */
    }
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 2000, 1))), ACCEPT);
}

/* --- what others show ------------------------------------------------------------------------------------------------ */

/* Of `by`, that leaves view 0 for `view` and shows this for slot 1. */
static struct slice change(replica_id by, view_no view, const struct digest *batch)
{
    static uint8_t frames[REPLICAS_MAX][1024];
    uint8_t shown[64], auth[hybster_continuing_BYTES] = {0};
    struct writer w = writer_to(shown, sizeof shown);
    struct sender n = {KIND_COUNTER, by, 1};
    hybster_shown_put(&w, &(struct hybster_shown){.above = 1, .batch = *batch});
    struct hybster_view_change m = {.view = view, .epoch = 1, .prepares = {shown, w.len}};
    size_t len =
        frame_encode(frames[by], sizeof frames[by], FRAME_HYBSTER_VIEW_CHANGE, &n, AUTH_COUNTER,
                     cluster_body(c, hybster_view_change, &m), (struct slice){auth, sizeof auth}, SLICE_NONE);
    assert_true(len > 0);
    return (struct slice){frames[by], len};
}

/* Of the leader of view `view`, with one VIEW-CHANGE of replica 2's in it; `decided`: what NEW-VIEW(0) is said to have, or NULL. */
static struct slice new_view(view_no view, const struct digest *batch, const struct digest *decided)
{
    static uint8_t frame[4096];
    uint8_t list[2048], command[hybster_command_BYTES], mac[16] = {0};
    struct writer w = writer_to(list, sizeof list), cw = writer_to(command, sizeof command);
    struct sender n = {KIND_COUNTER, (replica_id)view % 4, 1};
    put_slice(&w, change(2, view, batch));
    if (decided)
        hybster_command_put(&cw, &(struct hybster_command){.batch = *decided});
    struct hybster_new_view m = {.view = view, .commands = {command, cw.len}};
    digest_of(&m.view_changes, HYBSTER_VIEW_CHANGES_TAG, list, w.len);
    size_t len = frame_encode(frame, sizeof frame, FRAME_HYBSTER_NEW_VIEW, &n, AUTH_COUNTER,
                              cluster_body(c, hybster_new_view, &m), (struct slice){mac, 16},
                              (struct slice){list, w.len});
    assert_true(len > 0);
    return (struct slice){frame, len};
}

static struct slice batch_of(slot_no slot, const struct digest *batch, struct slice list)
{
    static uint8_t frame[8192];
    struct sender h = {KIND_HOST, 2, 1};
    struct batch_frame m = {.slot = slot, .batch = *batch};
    size_t len = frame_encode(frame, sizeof frame, FRAME_BATCH, &h, AUTH_NONE,
                              cluster_body(c, batch_frame, &m), SLICE_NONE, list);
    assert_true(len > 0);
    return (struct slice){frame, len};
}

/* The list of what is shown comes from replica 2. */
static void list_comes(const struct digest *batch, struct slice list)
{
    assert_verdict(peer(2, change(2, 1, batch)), EARLY);
    assert_verdict(peer(2, batch_of(1, batch, list)), ACCEPT);
}

static void expect_refused(const struct digest *batch)
{
    forget();
    assert_verdict(peer(2, change(2, 1, batch)), EARLY);
    assert_verdict(peer(2, new_view(2, batch, NULL)), EARLY);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_VIEW_CHANGE), 0);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_NEW_VIEW), 0);
}

static void expect_given(const struct digest *batch)
{
    forget();
    assert_verdict(peer(2, change(2, 1, batch)), ACCEPT);
    assert_verdict(peer(2, new_view(2, batch, NULL)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_VIEW_CHANGE), 1);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_NEW_VIEW), 1);
}

/* One faulty leader can certify and show what it likes. E asks nobody who sent it, so nobody builds on what its origin did not sign. */
static void what_nobody_signed_is_not_built_on(void **state)
{
    (void)state;
    struct digest batch;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1), *b_signed = cluster_bundle_again(c, b, FORM_SIGNED);
    struct slice list = cluster_list(c, now, &b, 1, &batch);
    list_comes(&batch, list);
    expect_refused(&batch); /* its body is not here */
    p_is_in(0, 1, false);
    forget();
    assert_verdict(peer(2, bundle(b)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1); /* though the orderer is in no view */
    expect_refused(&batch);                                   /* it has not said anything */
    p_says(b, false, VERDICT_BAD_MAC);
    now += TIMEOUT;
    forget();
    assert_verdict(peer(2, change(2, 1, &batch)), EARLY);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_FETCH), 1); /* who voted for it has it signed */
    expect_refused(&batch);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_FETCH), 0); /* not for each frame */
    assert_verdict(peer(3, bundle(b_signed)), ACCEPT);
    expect_refused(&batch);
    p_says(b, true, VERDICT_BAD_SIGNATURE);
    expect_refused(&batch);
    assert_verdict(peer(3, bundle(b_signed)), ACCEPT);
    p_says(b, true, VERDICT_ACCEPT);
    expect_given(&batch);
    p_says(b, true, VERDICT_BAD_SIGNATURE);
    assert_verdict(peer(3, bundle(b)), DUPLICATE); /* nothing takes its place now */
    expect_given(&batch);
}

/* Its origin has begun anew twice since: it is not admitted, but who voted for it before must be able to show it. */
static void what_was_signed_long_ago_is_built_on(void **state)
{
    (void)state;
    struct digest batch;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct slice list = cluster_list(c, now, &b, 1, &batch);
    list_comes(&batch, list);
    assert_verdict(peer(2, bundle(cluster_bundle_again(c, b, FORM_SIGNED))), ACCEPT);
    expect_refused(&batch);
    p_says(b, true, VERDICT_STALE);
    expect_given(&batch);
}

/* Nor on a time that nobody would vote for: E would keep it. */
static void a_time_far_ahead_is_not_built_on(void **state)
{
    (void)state;
    struct digest batch;
    struct slice list = cluster_list(c, now + TIME_AHEAD_MAX_US + 1, NULL, 0, &batch);
    list_comes(&batch, list);
    expect_refused(&batch);
    now++;
    expect_given(&batch);
}

/* What is final somebody correct voted for. */
static void what_is_final_is_built_on(void **state)
{
    (void)state;
    struct digest batch, other = {{9}};
    struct slice list = cluster_list(c, now + 2 * TIME_AHEAD_MAX_US, NULL, 0, &batch);
    struct sender n = {KIND_COUNTER, 1, 1};
    struct hybster_committed m = {.slot = 1, .batch = other, .epoch = 1};
    list_comes(&batch, list);
    for (int same = 0; same < 2; same++) {
        uint8_t frame[1024];
        m.batch = same ? batch : other;
        size_t len = frame_encode(frame, sizeof frame, FRAME_HYBSTER_COMMITTED, &n, AUTH_NONE,
                                  cluster_body(c, hybster_committed, &m), SLICE_NONE, SLICE_NONE);
        expect_refused(&batch);
        assert_verdict(own(P, (struct slice){frame, len}), ACCEPT);
    }
    expect_given(&batch);
}

/* One whose VIEW-CHANGEs have not a part of each pillar goes nowhere. */
static void a_new_view_has_parts_of_all_pillars(void **state)
{
    (void)state;
    struct digest batch;
    struct slice list = cluster_list(c, now, NULL, 0, &batch);
    list_comes(&batch, list);
    ((struct broker *)broker)->held.pillars = 2;
    forget();
    assert_verdict(peer(2, new_view(2, &batch, NULL)), EARLY);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_HYBSTER_NEW_VIEW), 0);
    ((struct broker *)broker)->held.pillars = 1;
    expect_given(&batch);
}

/* And what NEW-VIEW(from) decided: f+1 say that it did. Here, a leader, only what it decided by own word. */
static void what_was_decided_is_built_on(void **state)
{
    (void)state;
    struct digest batch, other = {{9}};
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct slice list = cluster_list(c, now, &b, 1, &batch);
    list_comes(&batch, list);
    assert_verdict(peer(2, bundle(b)), ACCEPT);
    assert_verdict(peer(2, new_view(2, &batch, NULL)), EARLY);
    assert_verdict(peer(2, new_view(2, &batch, &other)), EARLY);
    assert_verdict(peer(2, new_view(2, &batch, &batch)), ACCEPT);
    assert_verdict(own(P, new_view(2, &batch, NULL)), ACCEPT);
    assert_int_equal(((struct broker *)broker)->core.view, 2);
    assert_int_equal(((struct broker *)broker)->core.count, 1);
    assert_memory_equal(&((struct broker *)broker)->core.batch[0], &batch, sizeof batch);
    assert_verdict(peer(2, change(2, 5, &batch)), EARLY); /* from 0, where nothing had been decided */
    struct slice from_2 = change(2, 5, &batch);
    struct frame frame;
    assert_true(frame_decode(from_2.data, from_2.len, &frame));
    ((uint8_t *)(uintptr_t)frame.body.data)[8] = 2; /* `from`, the second field, little-endian */
    assert_verdict(peer(2, from_2), ACCEPT);
}

/* Nobody looked at the certificate of what a peer shows yet; so what one makes up takes no other's place, and is not asked for at each frame. */
static void one_peer_does_not_push_out_what_another_shows(void **state)
{
    (void)state;
    struct digest batch, other = {{66}}, more = {{67}};
    struct slice list = cluster_list(c, now, NULL, 0, &batch);
    assert_verdict(peer(2, change(2, 1, &batch)), EARLY);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_FETCH), 1);
    assert_verdict(peer(3, change(3, 1, &other)), EARLY);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_FETCH), 2);
    assert_verdict(peer(3, change(3, 1, &more)), EARLY);
    assert_verdict(peer(3, new_view(2, &more, NULL)), EARLY);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_FETCH), 2);
    assert_verdict(peer(2, batch_of(1, &batch, list)), ACCEPT);
    expect_given(&batch);
    now += TIMEOUT;
    forget();
    assert_verdict(peer(3, change(3, 1, &more)), EARLY);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_FETCH), 1);
}

static void nobody_asked_for_that_list(void **state)
{
    (void)state;
    struct digest batch;
    struct slice list = cluster_list(c, now, NULL, 0, &batch);
    assert_verdict(peer(2, batch_of(1, &batch, list)), STALE);
}

/* Only N sees whether a NEW-VIEW is one: a peer has it look at a few in a tick. And at COMMITs of its own only. */
static void a_peer_keeps_the_counter_busy_no_more_than_it_may(void **state)
{
    (void)state;
    struct digest batch;
    struct slice list = cluster_list(c, now, NULL, 0, &batch);
    struct sender n = {KIND_COUNTER, 2, 1};
    struct hybster_commit m = {.slot = 1, .batch = batch};
    uint8_t commit[256], mac[16] = {0};
    list_comes(&batch, list);
    for (unsigned i = 0; i < NEW_VIEWS_PER_TICK; i++)
        assert_verdict(peer(3, new_view(2, &batch, NULL)), ACCEPT);
    assert_verdict(peer(3, new_view(2, &batch, NULL)), LIMIT);
    assert_verdict(peer(2, new_view(2, &batch, NULL)), ACCEPT); /* another's are its own */
    time_passes(TIMEOUT);
    assert_verdict(peer(3, new_view(2, &batch, NULL)), ACCEPT);
    size_t len = frame_encode(commit, sizeof commit, FRAME_HYBSTER_COMMIT, &n, AUTH_COUNTER,
                              cluster_body(c, hybster_commit, &m), (struct slice){mac, 16}, SLICE_NONE);
    assert_verdict(peer(3, (struct slice){commit, len}), UNEXPECTED);
    assert_verdict(peer(2, (struct slice){commit, len}), ACCEPT);
}

/* --- what waits for the leader ---------------------------------------------------------------------------------- */

static struct test_bundle *from_its_client(uint64_t n)
{
    struct test_bundle *b = cluster_bundle_again(c, cluster_incr(c, 0, n, n), FORM_SIGNED);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    p_says(b, true, VERDICT_ACCEPT);
    return b;
}

/* Its origin sent it to all: what is ordered soon need not come from each of the others as well. */
static void a_bundle_is_handed_on_once_it_waits(void **state)
{
    (void)state;
    (void)from_its_client(1);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 0);
    time_passes(TIMEOUT / 2);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 1);
    time_passes(TIMEOUT / 4); /* and once is enough */
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 1);
}

static void a_listed_bundle_is_not_handed_on(void **state)
{
    (void)state;
    struct test_bundle *b = from_its_client(1);
    assert_verdict(peer(0, prepare(1, b)), ACCEPT);
    time_passes(TIMEOUT / 2);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 0);
}

/* Whoever got it from another tells the leader at once: that one may be the first whom the other told. */
static void what_another_hands_on_goes_to_the_leader(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_bundle_again(c, cluster_incr(c, 0, 1, 1), FORM_SIGNED);
    assert_verdict(peer(3, bundle(b)), ACCEPT);
    p_says(b, true, VERDICT_ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 0, FRAME_BUNDLE), 1);
    time_passes(TIMEOUT / 2);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup_hybster, teardown)
    const struct CMUnitTest tests[] = {
        T(a_late_bundle_brings_its_own_prepare_only),
        T(what_is_sent_again_is_given_again),
        T(what_comes_too_early_is_given_again),
        T(what_p_refuses_and_lists_is_kept),
        T(what_was_put_forward_outlives_a_jump),
        T(what_p_refuses_and_does_not_list_is_forgotten),
        T(forged_bundles_crowd_nobody_out),
        T(what_nobody_signed_is_not_built_on),
        T(what_was_signed_long_ago_is_built_on),
        T(a_time_far_ahead_is_not_built_on),
        T(what_is_final_is_built_on),
        T(a_new_view_has_parts_of_all_pillars),
        T(what_was_decided_is_built_on),
        T(one_peer_does_not_push_out_what_another_shows),
        T(nobody_asked_for_that_list),
        T(a_peer_keeps_the_counter_busy_no_more_than_it_may),
        T(a_bundle_is_handed_on_once_it_waits),
        T(a_listed_bundle_is_not_handed_on),
        T(what_another_hands_on_goes_to_the_leader),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
