/*
 * The broker: what it routes and what it refuses; bundles, and the slots they come into. Whatever it is sent, it stays within its memory.
 */
#include "broker_alone.h"

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void nothing_before_the_start(void **state)
{
    (void)state;
    event(EVENT_CLIENT, 1, bundle(cluster_incr(c, 0, 1, 1)));
    event(EVENT_PEER, 0, forge_checkpoint(c, 0, CHECKPOINT_INTERVAL, &(struct digest){{1}}));
    event(EVENT_RUN_END, 0, SLICE_NONE);
    event(EVENT_TIMER, 0, SLICE_NONE);
    assert_int_equal(seen_count, 0);
}

static void only_what_is_permitted_passes(void **state)
{
    (void)state;
    static const struct {
        enum frame_type type;
        unsigned from; /* 1 client, 2 peer, 4 P, 8 C, 16 E */
    } table[] = {
        {FRAME_BUNDLE, 3},
        {FRAME_FETCH_REPLY, 1},
        {FRAME_PRE_PREPARE, 6},
        {FRAME_PREPARE, 6},
        {FRAME_COMMIT, 10},
        {FRAME_CHECKPOINT, 18},
        {FRAME_PARTING, 6},
        {FRAME_VIEW_CHANGE, 10},
        {FRAME_NEW_VIEW, 6},
        {FRAME_EXECUTED, 18},
        {FRAME_ASK_EXECUTED, 18},
        {FRAME_ASK_STATE, 18},
        {FRAME_STATE, 18},
        {FRAME_REPLY, 16},
        {FRAME_ASK_ATTEST, 1},
        {FRAME_ATTEST, 16}, /* or, as CERTIFIED and LOCAL-CERTIFY, where Troxies certify */
        {FRAME_ASK_READ, 1},
        {FRAME_READ_ANSWER, 16},
        {FRAME_ASK_BACKUP, 1},
        {FRAME_BACKUP, 16},
        {FRAME_STATUS, 2},
        {FRAME_FETCH, 2},
        {FRAME_BATCH, 2},
        {FRAME_LOCAL_ADMITTED, 4},
        {FRAME_LOCAL_VIEW, 12},
        {FRAME_LOCAL_PROGRESS, 16},
        {FRAME_LOCAL_NEED, 16},
        {FRAME_LOCAL_SEALED, 28},
        {FRAME_LOCAL_SETTLED, 16},
        {FRAME_LOCAL_TRANSFER, 16},
        {FRAME_RECONFIG, 3},
        {FRAME_CONFIGURATION, 18},
        {FRAME_GROUP_KEY, 18},
        {FRAME_ASK_CONFIGURATION, 3},
        {FRAME_LOCAL_RECONFIGURED, 16},
    };
    static const struct {
        enum event_kind kind;
        uint32_t from;
    } sources[] = {{EVENT_CLIENT, 9},
                   {EVENT_PEER, 2},
                   {EVENT_COMPARTMENT, P},
                   {EVENT_COMPARTMENT, C},
                   {EVENT_COMPARTMENT, E}};
    for (unsigned type = 0; type < 256; type++) {
        unsigned permitted = 0;
        if (!frame_type_name((enum frame_type)type))
            continue;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
            permitted |= table[i].type == type ? table[i].from : 0;
        for (unsigned s = 0; s < 5; s++) {
            if (permitted >> s & 1)
                continue;
            struct slice frame = cluster_local(c, (enum frame_type)type, SLICE_NONE, SLICE_NONE);
            forget();
            assert_verdict(verdict_of(sources[s].kind, sources[s].from, frame), UNEXPECTED);
            assert_int_equal(dropped(9), s == 0); /* a client that does this is cut off */
            assert_int_equal(seen_count, s == 0);
        }
    }
}

static void frames_that_are_none(void **state)
{
    (void)state;
    uint8_t garbage[64] = {1};
    for (size_t len = 0; len < sizeof garbage; len++) {
        assert_verdict(peer(0, (struct slice){garbage, len}), MALFORMED);
        assert_verdict(client(5, (struct slice){garbage, len}), MALFORMED);
    }
    assert_int_equal(dropped(5), sizeof garbage);
    assert_int_equal(seen_count, sizeof garbage);
    /* Links that cannot be. */
    struct slice good = forge_checkpoint(c, 0, CHECKPOINT_INTERVAL, &(struct digest){{1}});
    assert_int_equal(peer(1, good), VERDICT_COUNT);
    assert_int_equal(peer(4, good), VERDICT_COUNT);
    assert_int_equal(peer(UINT32_MAX, good), VERDICT_COUNT);
    assert_int_equal(own(KIND_ORIGIN, good), VERDICT_UNEXPECTED);
}

/* --- bundles -------------------------------------------------------------------------------------------------------- */

static void p_sees_a_bundle_without_its_operations(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
    assert_int_equal(seen[0].frame.attachment.len, 0);
    assert_memory_equal(seen[0].frame.body.data, b->frame.body.data, b->frame.body.len);
    assert_int_equal(seen_count, 1); /* nothing else happens: the client sends it to all by itself */
    assert_verdict(client(9, bundle(b)), DUPLICATE);
    assert_int_equal(seen_count, 1);
}

/* It has no use for them, and would come to the NEW-VIEW that it waits for behind their signatures. */
static void a_p_in_no_view_gets_bundles_when_it_is_in_one(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    p_is_in(1, 1, false);
    forget();
    assert_verdict(client(9, bundle(b)), ACCEPT);
    assert_verdict(client(9, bundle(cluster_bundle_again(c, b, FORM_SIGNED))), ACCEPT);
    time_passes(4 * TIMEOUT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 0);
    p_is_in(1, 1, true);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
}

static void bundles_that_no_correct_client_sends(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct slice copy = cluster_copy(c, b->data, b->len);
    ((uint8_t *)(uintptr_t)copy.data)[copy.len - 1] ^= 1;
    assert_verdict(client(1, copy), MISMATCH);
    assert_verdict(client(2, test_bundle_stripped(c, b)), MALFORMED);
    assert_int_equal(dropped(1) + dropped(2), 2);
    copy = cluster_copy(c, b->data, b->len);
    ((uint8_t *)(uintptr_t)copy.data)[5] = 1; /* origin 256: nobody */
    assert_verdict(client(3, copy), UNKNOWN_SENDER);
    assert_int_equal(dropped(3), 0);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 0);
}

static void what_p_refuses_is_asked_for_signed(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1), *is_signed = cluster_bundle_again(c, b, FORM_SIGNED);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    p_says(b, false, VERDICT_BAD_MAC);
    assert_int_equal(count(ACTION_SEND_CLIENT, 9, FRAME_SIGN_WANTED), 1);
    forget();
    assert_verdict(client(9, bundle(is_signed)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
    p_says(b, true, VERDICT_ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 1); /* all others get that form */
    p_says(b, true, VERDICT_ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 1);
}

static void forged_bundles_do_not_crowd_out_an_origin(void **state)
{
    (void)state;
    /* A peer makes up bundles of origin 0; own P refuses each. */
    for (uint64_t n = 1; n <= 1000; n++) {
        struct test_bundle *b = cluster_incr(c, 0, n, n);
        assert_verdict(peer(3, bundle(b)), ACCEPT);
        p_says(b, false, VERDICT_BAD_MAC);
    }
    forget();
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 2000, 1))), ACCEPT);
}

static void replays_that_nobody_orders_expire(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (peer(3, bundle(cluster_incr(c, 0, n, n))) == VERDICT_ACCEPT)
        n++;
    assert_in_range(n, 64, 1000);                                        /* bounded per origin ... */
    assert_verdict(client(9, bundle(cluster_incr(c, 3, 1, 1))), ACCEPT); /* ... and no other is touched */
    time_passes(20 * TIMEOUT);
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 5000, 1))), ACCEPT);
}

static void large_bodies_stay_within_the_limit(void **state)
{
    (void)state;
    static uint8_t large[300000];
    struct engine_status status;
    for (uint64_t n = 1; n <= 60; n++) {
        large[0] = (uint8_t)n;
        struct slice op = {large, 100000 + 3000 * n};
        struct test_bundle *b = cluster_bundle(c, n % 2 ? 0 : 3, n, &op, 1, FORM_MACS);
        (void)client(9, bundle(b));
        splitbft_engine.status(broker, &status);
        assert_true(status.body_bytes <= 4u << 20);
        forget();
    }
    assert_in_range(status.bodies_held, 5, 40);
}

/* --- ordering ------------------------------------------------------------------------------------------------------- */

static void a_lone_bundle_is_proposed_at_once(void **state)
{
    (void)state;
    p_is_in(1, 1, true); /* replica 1 leads */
    forget();
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 0);
    event(EVENT_RUN_END, 0, SLICE_NONE);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 1);
    struct local_propose m;
    assert_true(local_propose_decode(seen[seen_count - 1].frame.body, &m));
    assert_int_equal(batch_entry_count(m.entries), 1);
    struct batch_entry entry = batch_entry_at(m.entries, 0);
    assert_memory_equal(&entry.bundle, &b->entry.bundle, 32);
    event(EVENT_RUN_END, 0, SLICE_NONE);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 1);
}

static void the_pipeline_is_bounded_and_what_waits_goes_together(void **state)
{
    (void)state;
    p_is_in(1, 1, true);
    forget();
    for (uint64_t n = 1; n <= 20; n++) {
        assert_verdict(client(9, bundle(cluster_incr(c, 0, n, 1))), ACCEPT);
        event(EVENT_RUN_END, 0, SLICE_NONE);
    }
    unsigned proposed = count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE);
    assert_in_range(proposed, 1, 8);
    for (slot_no slot = 1; slot <= proposed; slot++) { /* P's answers, and their execution */
        struct digest digest;
        assert_verdict(own(P, pre_prepare(1, 1, slot, NULL, 0, &digest)), ACCEPT);
        e_executed(slot, 0, &digest);
    }
    forget();
    event(EVENT_RUN_END, 0, SLICE_NONE);
    struct local_propose m;
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 1);
    assert_true(local_propose_decode(seen[seen_count - 1].frame.body, &m));
    assert_int_equal(batch_entry_count(m.entries), 20 - proposed);
}

static void a_backup_proposes_nothing(void **state)
{
    (void)state;
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 1, 1))), ACCEPT);
    event(EVENT_RUN_END, 0, SLICE_NONE);
    p_is_in(1, 1, false); /* its view, but not entered */
    event(EVENT_RUN_END, 0, SLICE_NONE);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 0);
}

static void a_pre_prepare_goes_to_all_three(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest digest;
    assert_verdict(client(9, bundle(b)), ACCEPT);
    forget();
    struct slice frame = pre_prepare(0, 0, 1, &b, 1, &digest);
    assert_verdict(peer(0, frame), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_PRE_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_PRE_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_PRE_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_BUNDLE), 1);
    for (size_t i = 0; i < seen_count; i++) /* C needs the vote only */
        assert_int_equal(seen[i].frame.attachment.len == 0, seen[i].to == C);
}

static void a_pre_prepare_comes_from_its_primary(void **state)
{
    (void)state;
    struct digest digest;
    struct slice frame = pre_prepare(0, 0, 1, NULL, 0, &digest);
    assert_verdict(peer(2, frame), UNEXPECTED);
    assert_verdict(peer(2, pre_prepare(2, 0, 1, NULL, 0, &digest)), UNEXPECTED);
    assert_int_equal(seen_count, 0);
    assert_verdict(peer(0, frame), ACCEPT);
}

/* What is kept per slot is bounded, whatever a primary sends. */
static void huge_pre_prepares_are_refused(void **state)
{
    (void)state;
    static uint8_t large[3000000];
    struct digest digest;
    struct vote vote = {.configuration = 1, .slot = 1};
    batch_digest(&vote.batch, (struct slice){large, sizeof large});
    struct slice body = cluster_body(c, vote, &vote);
    struct sender from = cluster_auth(c, P, 0)->self;
    uint8_t *frame = malloc(FRAME_MAX);
    size_t len = frame_encode(frame, FRAME_MAX, FRAME_PRE_PREPARE, &from, AUTH_MACS, body, SLICE_NONE,
                              (struct slice){large, sizeof large});
    assert_refused(peer(0, (struct slice){frame, len}), 0);
    struct slice list = cluster_list(c, now, NULL, 0, &digest);
    vote.batch = digest;
    body = cluster_body(c, vote, &vote);
    len = frame_encode(frame, FRAME_MAX, FRAME_PRE_PREPARE, &from, AUTH_MACS, body,
                       (struct slice){large, sizeof large}, list);
    assert_refused(peer(0, (struct slice){frame, len}), 1);
    free(frame);
}

static void missing_bodies_are_fetched(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest digest;
    assert_verdict(peer(0, pre_prepare(0, 0, 1, &b, 1, &digest)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_PRE_PREPARE), 0); /* P votes for what its host holds */
    time_passes(TIMEOUT / 2);
    assert_true(count(ACTION_SEND_PEER, PEER_ALL, FRAME_FETCH) >= 1);
    forget();
    assert_verdict(peer(2, bundle(b)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_PRE_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_BUNDLE), 1);
}

static void others_may_fetch(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest digest, unknown = test_digest(9);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    assert_verdict(peer(0, pre_prepare(0, 0, 1, &b, 1, &digest)), ACCEPT);
    forget();
    struct fetch wants[] = {{FETCH_BUNDLE, b->entry.bundle},
                            {FETCH_BATCH, digest},
                            {FETCH_BUNDLE, unknown},
                            {FETCH_BATCH, unknown}};
    for (size_t i = 0; i < 4; i++)
        assert_verdict(peer(3, cluster_local(c, FRAME_FETCH, cluster_body(c, fetch, &wants[i]), SLICE_NONE)),
                       ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_BUNDLE), 1);
    assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_BATCH), 1);
    assert_int_equal(seen_count, 2);
    /* What came that way is believed by its digest only. */
    struct batch_frame m = {1, digest};
    struct slice list = cluster_list(c, now + 1, NULL, 0, &unknown);
    assert_verdict(peer(3, cluster_local(c, FRAME_BATCH, cluster_body(c, batch_frame, &m), list)), MISMATCH);
    assert_verdict(peer(3, cluster_local(c, FRAME_BATCH, cluster_body(c, batch_frame, &m), SLICE_NONE)),
                   MALFORMED);
}

static void own_votes_go_to_all_and_are_sent_again(void **state)
{
    (void)state;
    struct digest digest = test_digest(1);
    struct vote vote = {.configuration = 1, .slot = 1, .batch = digest};
    struct slice body = cluster_body(c, vote, &vote);
    struct slice prepare = forge_macs(c, cluster_auth(c, P, 1), FRAME_PREPARE, body, TO_C, SLICE_NONE);
    struct slice commit = forge_macs(c, cluster_auth(c, C, 1), FRAME_COMMIT, body, TO_E, SLICE_NONE);
    assert_verdict(own(P, prepare), ACCEPT);
    assert_verdict(own(C, commit), ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_PREPARE), 1);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_COMMIT), 1);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_COMMIT), 1);
    for (size_t i = 0; i < seen_count; i++)
        assert_int_equal(seen[i].local, seen[i].kind == ACTION_GIVE);
    forget();
    struct status status = {.view = 0, .in_view = 1};
    struct slice still = cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE);
    assert_verdict(peer(3, still), ACCEPT);
    assert_verdict(peer(3, still), ACCEPT); /* it has not moved since */
    assert_true(count(ACTION_SEND_PEER, 3, FRAME_PREPARE) >= 1);
    assert_true(count(ACTION_SEND_PEER, 3, FRAME_COMMIT) >= 1);
    assert_int_equal(count(ACTION_SEND_PEER, 2, FRAME_COMMIT), 0);
}

static void odd_statuses_do_no_harm(void **state)
{
    (void)state;
    static const uint64_t odd[] = {0, 1, WINDOW, UINT64_MAX - 40, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < 6; k++)
            for (unsigned twice = 0; twice < 2; twice++) {
                struct status status = {odd[k], 1, odd[i], odd[k], odd[i], 1};
                assert_verdict(
                    peer(2, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE)),
                    ACCEPT);
                time_passes(TIMEOUT / 4);
                forget();
            }
}

/* The largest question about state, hints and all, comes to E; a larger one is nobody's. */
static void questions_about_state_are_let_in_up_to_the_largest(void **state)
{
    (void)state;
    static uint8_t wanted[STATE_ASK_BITS / 8], hints[STATE_HINTS_MAX + 512];
    p_is_in(0, 1, true);
    for (size_t more = 0; more <= 512; more += 512) {
        struct ask_state ask = {.replica = 0,
                                .slot = UINT64_MAX,
                                .what = STATE_NODES,
                                .number = UINT64_MAX,
                                .level = 1,
                                .wanted = {wanted, sizeof wanted},
                                .hints = {hints, STATE_HINTS_MAX + more}};
        struct slice frame = forge_mac(c, cluster_auth(c, E, 2), FRAME_ASK_STATE,
                                       cluster_body(c, ask_state, &ask), E, 0, SLICE_NONE);
        forget();
        if (more)
            assert_verdict(peer(2, frame), MALFORMED);
        else
            assert_verdict(peer(2, frame), ACCEPT);
        time_passes(1000000);
        assert_int_equal(count(ACTION_GIVE, E, FRAME_ASK_STATE), more == 0);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(questions_about_state_are_let_in_up_to_the_largest),
        cmocka_unit_test_setup_teardown(nothing_before_the_start, setup_unstarted, teardown),
        T(only_what_is_permitted_passes),
        T(frames_that_are_none),
        T(p_sees_a_bundle_without_its_operations),
        T(a_p_in_no_view_gets_bundles_when_it_is_in_one),
        T(bundles_that_no_correct_client_sends),
        T(what_p_refuses_is_asked_for_signed),
        T(forged_bundles_do_not_crowd_out_an_origin),
        T(replays_that_nobody_orders_expire),
        T(large_bodies_stay_within_the_limit),
        T(a_lone_bundle_is_proposed_at_once),
        T(the_pipeline_is_bounded_and_what_waits_goes_together),
        T(a_backup_proposes_nothing),
        T(a_pre_prepare_goes_to_all_three),
        T(a_pre_prepare_comes_from_its_primary),
        T(huge_pre_prepares_are_refused),
        T(missing_bodies_are_fetched),
        T(others_may_fetch),
        T(own_votes_go_to_all_and_are_sent_again),
        T(odd_statuses_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
