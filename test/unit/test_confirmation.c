/*
 * Confirmation: quorums of distinct P, leaving, claims and the PARTINGs they wait for, NEW-VIEW.
 */
#include "testing.h"

#include "cluster.h"

#define C KIND_CONFIRMATION
#define K CHECKPOINT_INTERVAL

static struct cluster *c;
static struct digest d1, d2;

static int setup(void **state)
{
    (void)state;
    c = cluster_new(NULL);
    d1 = test_digest(1);
    d2 = test_digest(2);
    return 0;
}

static int setup_pbft(void **state)
{
    setup(state);
    cluster_free(c);
    c = cluster_new(&(struct cluster_options){.protocol = PROTOCOL_PBFT});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(c);
    return 0;
}

/* To C_1: the primary's vote is its PRE-PREPARE. */
static struct slice vote_bytes(replica_id from, view_no view, slot_no slot, const struct digest *batch)
{
    enum frame_type type = from == view % 4 ? FRAME_PRE_PREPARE : FRAME_PREPARE;
    return forge_vote(c, type, from, (struct vote){.view = view, .slot = slot, .batch = *batch}, C, 1,
                      SLICE_NONE);
}

static enum verdict vote(replica_id from, view_no view, slot_no slot, const struct digest *batch)
{
    return cluster_give(c, C, 1, vote_bytes(from, view, slot, batch));
}

static unsigned commits(void)
{
    return cluster_count(c, C, 1, FRAME_COMMIT);
}

static struct vote last_commit(void)
{
    struct vote m;
    assert_true(vote_decode(cluster_last(c, C, 1, FRAME_COMMIT)->frame.body, &m));
    return m;
}

static void prepare_slot(view_no view, slot_no slot, const struct digest *batch)
{
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(vote(r, view, slot, batch), ACCEPT);
}

/* --- votes ------------------------------------------------------------------------------------------------------- */

static void a_quorum_and_not_one_less(void **state)
{
    (void)state;
    assert_verdict(vote(0, 0, 1, &d1), ACCEPT);
    assert_verdict(vote(2, 0, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 0);
    assert_verdict(vote(3, 0, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 1);
    struct vote m = last_commit();
    assert_int_equal(m.slot, 1);
    assert_int_equal(m.view, 0);
    assert_memory_equal(&m.batch, &d1, 32);
    assert_verdict(vote(1, 0, 1, &d1), ACCEPT); /* the last one changes nothing */
    assert_int_equal(commits(), 1);
}

static void votes_count_by_sender(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(vote(2, 0, 1, &d1), i ? VERDICT_DUPLICATE : VERDICT_ACCEPT);
    assert_verdict(vote(2, 0, 1, &d2), EQUIVOCATION);
    assert_verdict(vote(3, 0, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 0);
    assert_verdict(vote(1, 0, 1, &d2), ACCEPT); /* for something else */
    assert_int_equal(commits(), 0);
    assert_verdict(vote(0, 0, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 1);
}

static void a_prepare_of_the_primary_does_not_count(void **state)
{
    (void)state;
    struct vote m = {.slot = 1, .batch = d1};
    assert_verdict(cluster_give(c, C, 1, forge_vote(c, FRAME_PREPARE, 0, m, C, 1, SLICE_NONE)), UNEXPECTED);
    assert_verdict(cluster_give(c, C, 1, forge_vote(c, FRAME_PRE_PREPARE, 2, m, C, 1, SLICE_NONE)),
                   UNEXPECTED);
    assert_verdict(vote(2, 0, 1, &d1), ACCEPT);
    assert_verdict(vote(3, 0, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 0);
}

static void votes_of_different_views_do_not_mix(void **state)
{
    (void)state;
    assert_verdict(vote(0, 0, 1, &d1), ACCEPT);
    assert_verdict(vote(2, 0, 1, &d1), ACCEPT);
    assert_verdict(vote(3, 1, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 0);
    assert_verdict(vote(3, 0, 1, &d1), STALE); /* it is further on, by its own word */
    assert_verdict(vote(1, 0, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 1);
    assert_int_equal(last_commit().view, 0);
}

static void every_bit_of_a_vote_counts(void **state)
{
    (void)state;
    assert_verdict(vote(0, 0, 1, &d1), ACCEPT);
    assert_verdict(vote(2, 0, 1, &d1), ACCEPT);
    struct slice good = vote_bytes(3, 0, 1, &d1);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(cluster_give(c, C, 1, good), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < good.len; len++)
        assert_refused(cluster_give(c, C, 1, (struct slice){good.data, len}), len);
    assert_int_equal(commits(), 0);
    assert_verdict(cluster_give(c, C, 1, good), ACCEPT);
    assert_int_equal(commits(), 1);
}

static void a_vote_for_another_c_is_none(void **state)
{
    (void)state;
    assert_verdict(cluster_give(c, C, 2, vote_bytes(0, 0, 1, &d1)), BAD_MAC);
    /* Nor is "handed over by a neighbour" believed outside one fault domain. */
    struct vote m = {.slot = 1, .batch = d1};
    struct slice bare = forge_plain(c, cluster_auth(c, KIND_PREPARATION, 1), FRAME_PREPARE,
                                    cluster_body(c, vote, &m), SLICE_NONE);
    assert_verdict(cluster_give_local(c, C, 1, bare), BAD_MAC);
}

static void in_one_domain_the_neighbour_is_believed(void **state)
{
    (void)state;
    struct vote m = {.configuration = 1, .slot = 1, .batch = d1};
    struct slice body = cluster_body(c, vote, &m);
    struct slice bare = forge_plain(c, cluster_auth(c, KIND_PREPARATION, 1), FRAME_PREPARE, body, SLICE_NONE);
    struct slice of_another =
        forge_plain(c, cluster_auth(c, KIND_PREPARATION, 2), FRAME_PREPARE, body, SLICE_NONE);
    assert_verdict(cluster_give(c, C, 1, bare), BAD_MAC); /* not when it came from outside */
    assert_verdict(cluster_give_local(c, C, 1, of_another), BAD_MAC);
    assert_verdict(cluster_give_local(c, C, 1, bare), ACCEPT);
    assert_verdict(vote(0, 0, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 0);
    assert_verdict(vote(3, 0, 1, &d1), ACCEPT);
    assert_int_equal(commits(), 1);
}

static void the_window_has_two_edges(void **state)
{
    (void)state;
    assert_verdict(vote(0, 0, WINDOW, &d1), ACCEPT);
    assert_verdict(vote(0, 0, WINDOW + 1, &d1), EARLY);
    assert_verdict(vote(0, 0, 0, &d1), MALFORMED);
    assert_verdict(vote(0, 0, UINT64_MAX, &d1), EARLY);
    struct digest root = test_digest(3);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, C, 1, forge_checkpoint(c, r, K, &root)), ACCEPT);
    assert_verdict(vote(0, 0, K, &d1), STALE);
    assert_verdict(vote(0, 0, K + 1, &d1), ACCEPT);
    assert_verdict(vote(0, 0, K + WINDOW, &d1), ACCEPT);
    assert_verdict(vote(0, 0, K + WINDOW + 1, &d1), EARLY);
}

static void committing_in_a_view_leaves_the_lower_ones(void **state)
{
    (void)state;
    assert_verdict(vote(0, 0, 2, &d1), ACCEPT);
    assert_verdict(vote(2, 0, 2, &d1), ACCEPT);
    prepare_slot(2, 1, &d1);
    assert_int_equal(commits(), 1);
    assert_int_equal(cluster_c(c, 1)->view, 2);
    assert_verdict(vote(3, 0, 2, &d1), STALE);
    assert_int_equal(commits(), 1);
}

static void a_slot_may_be_committed_again_in_a_later_view(void **state)
{
    (void)state;
    prepare_slot(0, 1, &d1);
    prepare_slot(1, 1, &d1);
    assert_int_equal(commits(), 2);
    assert_int_equal(last_commit().view, 1);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(vote(r, 1, 1, &d1), DUPLICATE);
    assert_int_equal(commits(), 2);
}

/* --- leaving ----------------------------------------------------------------------------------------------------- */

static struct slice parting(replica_id from, view_no left, const struct digest *batch)
{
    struct slot_view listed = {1, 0, *batch};
    return forge_parting(c, from, left, NULL, &listed, 1);
}

static struct view_change last_view_change(void)
{
    const struct sent *sent = cluster_last(c, C, 1, FRAME_VIEW_CHANGE);
    struct view_change vc;
    struct shown_certificate shown;
    assert_non_null(sent);
    assert_verdict(evidence_view_change(&c->configuration, &sent->frame, &vc, &shown), ACCEPT);
    return vc;
}

static void nothing_is_committed_after_leaving(void **state)
{
    (void)state;
    assert_verdict(vote(0, 0, 1, &d1), ACCEPT);
    assert_verdict(vote(2, 0, 1, &d1), ACCEPT);
    assert_verdict(cluster_leave(c, C, 1, 1), ACCEPT);
    assert_verdict(vote(3, 0, 1, &d1), STALE);
    assert_int_equal(commits(), 0);
    assert_int_equal(slot_view_count(last_view_change().claims), 0); /* it was not prepared */
    assert_verdict(cluster_leave(c, C, 1, 1), STALE);
    assert_verdict(cluster_leave(c, C, 1, 0), STALE);
}

static void with_nothing_to_claim_it_goes_at_once(void **state)
{
    (void)state;
    assert_verdict(cluster_leave(c, C, 1, 3), ACCEPT);
    struct view_change vc = last_view_change();
    assert_int_equal(vc.view, 3);
    assert_int_equal(vc.stable_slot, 0);
    assert_int_equal(cluster_last(c, C, 1, FRAME_VIEW_CHANGE)->frame.attachment.len, 0);
}

static void a_claim_waits_for_its_partings(void **state)
{
    (void)state;
    prepare_slot(0, 1, &d1);
    assert_verdict(cluster_leave(c, C, 1, 1), ACCEPT);
    assert_null(cluster_last(c, C, 1, FRAME_VIEW_CHANGE));
    assert_verdict(cluster_give(c, C, 1, parting(2, 0, &d1)), ACCEPT);
    assert_null(cluster_last(c, C, 1, FRAME_VIEW_CHANGE));
    assert_verdict(cluster_give(c, C, 1, parting(2, 0, &d1)), DUPLICATE); /* the same P again */
    assert_verdict(cluster_give(c, C, 1, parting(3, 0, &d2)), ACCEPT);    /* lists another batch */
    assert_null(cluster_last(c, C, 1, FRAME_VIEW_CHANGE));
    assert_verdict(cluster_give(c, C, 1, parting(0, 0, &d1)), ACCEPT);
    struct view_change vc = last_view_change();
    assert_int_equal(slot_view_count(vc.claims), 1);
    struct slot_view claim = slot_view_at(vc.claims, 0);
    assert_int_equal(claim.slot, 1);
    assert_int_equal(claim.view, 0);
    assert_memory_equal(&claim.batch, &d1, 32);
    assert_verdict(cluster_give(c, C, 1, parting(1, 0, &d1)), ACCEPT);
    assert_int_equal(cluster_count(c, C, 1, FRAME_VIEW_CHANGE), 1); /* sent once */
}

static void partings_may_come_first(void **state)
{
    (void)state;
    prepare_slot(0, 1, &d1);
    assert_verdict(cluster_give(c, C, 1, parting(2, 0, &d1)), ACCEPT);
    assert_verdict(cluster_give(c, C, 1, parting(0, 0, &d1)), ACCEPT);
    assert_null(cluster_last(c, C, 1, FRAME_VIEW_CHANGE)); /* C itself has not left */
    assert_verdict(cluster_leave(c, C, 1, 1), ACCEPT);
    assert_int_equal(slot_view_count(last_view_change().claims), 1);
}

static void every_bit_of_a_parting_counts(void **state)
{
    (void)state;
    struct slice good = parting(2, 0, &d1);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(cluster_give(c, C, 1, good), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_verdict(cluster_give(c, C, 1, good), ACCEPT);
    struct slice by_c =
        forge_signed(c, cluster_auth(c, C, 2), FRAME_PARTING,
                     cluster_body(c, parting, &(struct parting){.configuration = 1}), SLICE_NONE);
    assert_verdict(cluster_give(c, C, 1, by_c), UNKNOWN_SENDER);
    /* With something large behind it. */
    static uint8_t large[PARTING_BYTES_MAX];
    struct slice body = cluster_body(c, parting, &(struct parting){.configuration = 1, .view = 9});
    assert_verdict(cluster_give(c, C, 1,
                                forge_signed(c, cluster_auth(c, KIND_PREPARATION, 3), FRAME_PARTING, body,
                                             (struct slice){large, sizeof large})),
                   LIMIT);
}

static void a_higher_claim_replaces_the_lower(void **state)
{
    (void)state;
    prepare_slot(0, 1, &d1);
    prepare_slot(2, 1, &d2);
    assert_verdict(cluster_leave(c, C, 1, 3), ACCEPT);
    struct slot_view late = {1, 2, d2}, early = {1, 1, d2};
    assert_verdict(cluster_give(c, C, 1, forge_parting(c, 0, 2, NULL, &late, 1)), ACCEPT);
    assert_verdict(cluster_give(c, C, 1, forge_parting(c, 1, 2, NULL, &early, 1)),
                   ACCEPT); /* of too low a view */
    assert_null(cluster_last(c, C, 1, FRAME_VIEW_CHANGE));
    assert_verdict(cluster_give(c, C, 1, forge_parting(c, 2, 2, NULL, &late, 1)), ACCEPT);
    struct slot_view claim = slot_view_at(last_view_change().claims, 0);
    assert_int_equal(claim.view, 2);
    assert_memory_equal(&claim.batch, &d2, 32);
}

/* A P that is ahead lists no settled slot any more; its certificate settles the claim. */
static void a_partings_certificate_is_adopted(void **state)
{
    (void)state;
    prepare_slot(0, 1, &d1);
    assert_verdict(cluster_leave(c, C, 1, 1), ACCEPT);
    assert_null(cluster_last(c, C, 1, FRAME_VIEW_CHANGE));
    struct stable_claim stable = {.slot = K, .root = test_digest(77)};
    stable.signers = forge_signers(c, K, &stable.root, 3);
    assert_verdict(cluster_give(c, C, 1, forge_parting(c, 2, 0, &stable, NULL, 0)), ACCEPT);
    struct view_change vc = last_view_change();
    assert_int_equal(vc.stable_slot, K);
    assert_int_equal(slot_view_count(vc.claims), 0);
}

static void a_view_change_that_was_overtaken_is_not_sent(void **state)
{
    (void)state;
    prepare_slot(0, 1, &d1);
    assert_verdict(cluster_leave(c, C, 1, 1), ACCEPT);
    for (replica_id r = 1; r < 4; r++) /* the others are in view 1 already */
        assert_verdict(vote(r, 1, 2, &d1), ACCEPT);
    assert_int_equal(commits(), 2);
    assert_verdict(cluster_give(c, C, 1, parting(2, 0, &d1)), ACCEPT);
    assert_verdict(cluster_give(c, C, 1, parting(0, 0, &d1)), ACCEPT);
    assert_null(cluster_last(c, C, 1, FRAME_VIEW_CHANGE));
}

/* --- NEW-VIEW ---------------------------------------------------------------------------------------------------- */

static struct slice new_view(view_no view, const struct stable_claim *stable, uint32_t votes)
{
    struct slice vcs[4];
    for (replica_id r = 0; r < votes; r++)
        vcs[r] = forge_view_change(c, r, view, stable, NULL, 0, NULL, 0);
    return forge_new_view(c, (replica_id)(view % 4), view, stable ? stable->slot : 0, NULL, 0, vcs, votes);
}

static void a_new_view_is_checked_and_entered(void **state)
{
    (void)state;
    assert_verdict(vote(0, 0, 1, &d1), ACCEPT);
    assert_verdict(vote(2, 0, 1, &d1), ACCEPT);
    assert_verdict(cluster_give(c, C, 1, new_view(2, NULL, 2)), MISMATCH);
    assert_int_equal(cluster_c(c, 1)->view, 0);
    assert_verdict(cluster_give(c, C, 1, new_view(2, NULL, 3)), ACCEPT);
    assert_int_equal(cluster_c(c, 1)->view, 2);
    struct local_view told;
    assert_true(local_view_decode(cluster_last(c, C, 1, FRAME_LOCAL_VIEW)->frame.body, &told));
    assert_int_equal(told.view, 2);
    assert_int_equal(told.in_view, 1);
    assert_verdict(vote(3, 0, 1, &d1), STALE);
    assert_verdict(cluster_give(c, C, 1, new_view(2, NULL, 3)), DUPLICATE);
    assert_verdict(cluster_give(c, C, 1, new_view(1, NULL, 3)), STALE);
    prepare_slot(2, 1, &d2);
    assert_int_equal(commits(), 1);
}

static void a_new_views_h_is_adopted(void **state)
{
    (void)state;
    struct stable_claim stable = {.slot = K, .root = test_digest(77)};
    stable.signers = forge_signers(c, K, &stable.root, 3);
    prepare_slot(0, 1, &d1);
    assert_verdict(cluster_give(c, C, 1, new_view(2, &stable, 3)), ACCEPT);
    assert_int_equal(conf_stable_slot(cluster_c(c, 1)), K);
    assert_verdict(vote(0, 2, K, &d1), STALE);
    assert_verdict(cluster_leave(c, C, 1, 3), ACCEPT);
    assert_int_equal(last_view_change().stable_slot, K);
    assert_int_equal(slot_view_count(last_view_change().claims), 0);
}

static void a_checkpoint_settles_claims_that_wait(void **state)
{
    (void)state;
    prepare_slot(0, 1, &d1);
    assert_verdict(cluster_leave(c, C, 1, 1), ACCEPT);
    struct digest root = test_digest(3);
    for (replica_id r = 0; r < 3; r++) {
        assert_null(cluster_last(c, C, 1, FRAME_VIEW_CHANGE));
        assert_verdict(cluster_give(c, C, 1, forge_checkpoint(c, r, K, &root)), ACCEPT);
    }
    assert_int_equal(last_view_change().stable_slot, K);
}

static void the_fullest_view_change_fits(void **state)
{
    (void)state;
    static struct slot_view listed[WINDOW];
    for (slot_no slot = 1; slot <= WINDOW; slot++) {
        struct digest batch = test_digest((unsigned)slot);
        listed[slot - 1] = (struct slot_view){slot, 0, batch};
        prepare_slot(0, slot, &batch);
    }
    assert_verdict(cluster_leave(c, C, 1, 1), ACCEPT);
    assert_verdict(cluster_give(c, C, 1, forge_parting(c, 0, 0, NULL, listed, WINDOW)), ACCEPT);
    assert_verdict(cluster_give(c, C, 1, forge_parting(c, 3, 0, NULL, listed, WINDOW)), ACCEPT);
    assert_int_equal(slot_view_count(last_view_change().claims), WINDOW);
    assert_true(cluster_last(c, C, 1, FRAME_VIEW_CHANGE)->len < VIEW_CHANGE_BYTES_MAX);
}

static void what_is_not_for_c_is_unexpected(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++)
        if (frame_type_name((enum frame_type)type))
            assert_refused(
                cluster_give(c, C, 1, cluster_local(c, (enum frame_type)type, SLICE_NONE, SLICE_NONE)), type);
    struct vote m = {.slot = 1, .batch = d1};
    assert_verdict(cluster_give(c, C, 1, forge_vote(c, FRAME_COMMIT, 2, m, C, 1, SLICE_NONE)), UNEXPECTED);
    assert_verdict(cluster_give(c, C, 1, forge_vote(c, FRAME_EXECUTED, 2, m, C, 1, SLICE_NONE)), UNEXPECTED);
    /* A C that says PREPARE. */
    struct slice body = cluster_body(c, vote, &m);
    assert_verdict(
        cluster_give(c, C, 1, forge_mac(c, cluster_auth(c, C, 2), FRAME_PREPARE, body, C, 1, SLICE_NONE)),
        WRONG_KIND);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_quorum_and_not_one_less),
        T(votes_count_by_sender),
        T(a_prepare_of_the_primary_does_not_count),
        T(votes_of_different_views_do_not_mix),
        T(every_bit_of_a_vote_counts),
        T(a_vote_for_another_c_is_none),
        cmocka_unit_test_setup_teardown(in_one_domain_the_neighbour_is_believed, setup_pbft, teardown),
        T(the_window_has_two_edges),
        T(committing_in_a_view_leaves_the_lower_ones),
        T(a_slot_may_be_committed_again_in_a_later_view),
        T(nothing_is_committed_after_leaving),
        T(with_nothing_to_claim_it_goes_at_once),
        T(a_claim_waits_for_its_partings),
        T(partings_may_come_first),
        T(every_bit_of_a_parting_counts),
        T(a_higher_claim_replaces_the_lower),
        T(a_partings_certificate_is_adopted),
        T(a_view_change_that_was_overtaken_is_not_sent),
        T(a_new_view_is_checked_and_entered),
        T(a_new_views_h_is_adopted),
        T(a_checkpoint_settles_claims_that_wait),
        T(the_fullest_view_change_fits),
        T(what_is_not_for_c_is_unexpected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
