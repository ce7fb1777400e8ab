/*
 * The signed messages of a view change. A PARTING, VIEW-CHANGE or NEW-VIEW is believed for what stands in it and what is
 * attached, down to every bit; invented claims, borrowed support and another selection are refused.
 */
#include "testing.h"

#include "cluster.h"

#define K CHECKPOINT_INTERVAL

static struct cluster *cluster;
static struct digest d1, d2;

static int setup(void **state)
{
    (void)state;
    cluster = cluster_new(NULL);
    d1 = test_digest(1);
    d2 = test_digest(2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(cluster);
    return 0;
}

static enum verdict parting(struct slice bytes)
{
    struct frame frame;
    struct parting m;
    return frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_PARTING
               ? evidence_parting(&cluster->configuration, &frame, &m)
               : VERDICT_MALFORMED;
}

static enum verdict view_change(struct slice bytes, struct shown_certificate *highest)
{
    static struct shown_certificate ignored;
    struct frame frame;
    struct view_change m;
    return frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_VIEW_CHANGE
               ? evidence_view_change(&cluster->configuration, &frame, &m, highest ? highest : &ignored)
               : VERDICT_MALFORMED;
}

static struct selection selection;
static struct shown_certificate shown;

static enum verdict new_view(struct slice bytes)
{
    struct frame frame;
    struct new_view m;
    return frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_NEW_VIEW
               ? evidence_new_view(&cluster->configuration, &frame, &m, &selection, &shown)
               : VERDICT_MALFORMED;
}

static void flip_all(struct slice bytes, enum verdict (*check)(struct slice))
{
    uint8_t *at = (uint8_t *)(uintptr_t)bytes.data;
    assert_verdict(check(bytes), ACCEPT);
    for (size_t i = 0; i < bytes.len; i++) {
        at[i] ^= (uint8_t)(1u << i % 8);
        assert_refused(check(bytes), i);
        at[i] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t len = 0; len < bytes.len; len++)
        assert_refused(check((struct slice){bytes.data, len}), len);
    assert_verdict(check(bytes), ACCEPT);
}

static struct stable_claim stable_at(slot_no slot, uint32_t signers)
{
    struct stable_claim s = {.slot = slot, .root = test_digest(77)};
    s.signers = forge_signers(cluster, slot, &s.root, signers);
    return s;
}

/* PARTINGs of `count` P, all listing (1, d1) for view 0. */
static void partings_for(struct slice *out, uint32_t count, view_no view)
{
    for (replica_id r = 0; r < count; r++)
        out[r] = forge_parting(cluster, r, 2, NULL, &(struct slot_view){1, view, d1}, 1);
}

static enum verdict check_view_change(struct slice bytes)
{
    return view_change(bytes, NULL);
}

/* --- PARTING ---------------------------------------------------------------------------------------------------- */

static void a_parting_counts_to_the_last_bit(void **state)
{
    (void)state;
    struct stable_claim stable = stable_at(K, 3);
    struct slot_view votes[2] = {{K + 1, 0, d1}, {K + 5, 2, d2}};
    flip_all(forge_parting(cluster, 1, 2, &stable, votes, 2), parting);
}

static void a_parting_needs_its_certificate(void **state)
{
    (void)state;
    struct stable_claim stable = stable_at(K, 2);
    assert_verdict(parting(forge_parting(cluster, 1, 2, &stable, NULL, 0)), MISMATCH);
    stable = stable_at(K, 3);
    assert_verdict(parting(forge_parting(cluster, 1, 2, &stable, NULL, 0)), ACCEPT);
    stable.slot = 2 * K;
    assert_verdict(parting(forge_parting(cluster, 1, 2, &stable, NULL, 0)), BAD_SIGNATURE);
    stable.slot = K;
    stable.root = d2;
    assert_verdict(parting(forge_parting(cluster, 1, 2, &stable, NULL, 0)), BAD_SIGNATURE);
}

static void lists_means_this_batch_in_this_view_or_later(void **state)
{
    (void)state;
    struct slot_view votes[5] = {{2, 1, d1}, {3, 5, d1}, {3, 2, d2}, {3, 9, {{9}}}, {7, 1, d1}};
    struct slice bytes = forge_parting(cluster, 1, 9, NULL, votes, 5);
    struct frame frame;
    struct parting m;
    assert_true(frame_decode(bytes.data, bytes.len, &frame) && parting_decode(frame.body, &m));
    assert_true(parting_lists(&m, &(struct slot_view){3, 5, d1}));
    assert_true(parting_lists(&m, &(struct slot_view){3, 0, d1}));
    assert_true(parting_lists(&m, &(struct slot_view){3, 2, d2}));
    assert_true(parting_lists(&m, &(struct slot_view){2, 1, d1}));
    assert_true(parting_lists(&m, &(struct slot_view){7, 1, d1}));
    assert_false(parting_lists(&m, &(struct slot_view){3, 6, d1})); /* only earlier */
    assert_false(parting_lists(&m, &(struct slot_view){3, 3, d2}));
    assert_false(parting_lists(&m, &(struct slot_view){4, 0, d1}));
    assert_false(parting_lists(&m, &(struct slot_view){1, 0, d1}));
    assert_false(parting_lists(&m, &(struct slot_view){8, 0, d1}));
    assert_false(parting_lists(&(struct parting){0}, &(struct slot_view){1, 0, d1}));
}

/* --- VIEW-CHANGE ------------------------------------------------------------------------------------------------ */

static void a_view_change_counts_to_the_last_bit(void **state)
{
    (void)state;
    struct slice partings[2];
    partings_for(partings, 2, 1);
    flip_all(forge_view_change(cluster, 1, 3, NULL, &(struct slot_view){1, 1, d1}, 1, partings, 2),
             check_view_change);
}

static void a_claim_needs_f_plus_1_partings(void **state)
{
    (void)state;
    struct slice partings[4];
    struct slot_view claim = {1, 1, d1};
    partings_for(partings, 4, 1);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, &claim, 1, partings, 0), NULL),
                   MISMATCH);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, &claim, 1, partings, 1), NULL),
                   MISMATCH);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, &claim, 1, partings, 2), NULL), ACCEPT);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, &claim, 1, partings, 4), NULL), ACCEPT);
    /* No claims, no need of PARTINGs: what it hides is what the others' claims must bring. */
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, NULL, 0, NULL, 0), NULL), ACCEPT);
    /* One P twice is one P. */
    partings[1] = partings[0];
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, &claim, 1, partings, 2), NULL),
                   MALFORMED);
}

static void invented_claims_are_refused(void **state)
{
    (void)state;
    struct slice partings[3];
    partings_for(partings, 3, 1);
    const struct slot_view invented[] = {{1, 1, d2}, {2, 1, d1}, {1, 2, d1}};
    for (size_t i = 0; i < sizeof invented / sizeof *invented; i++)
        assert_verdict(
            view_change(forge_view_change(cluster, 1, 3, NULL, &invented[i], 1, partings, 3), NULL),
            MISMATCH);
    struct slot_view both[2] = {{1, 1, d1}, {2, 1, d1}}; /* each claim needs its own support */
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, both, 2, partings, 3), NULL), MISMATCH);
}

static void partings_inside_are_checked_themselves(void **state)
{
    (void)state;
    struct slice partings[2];
    struct slot_view claim = {1, 1, d1};
    partings_for(partings, 2, 1);
    struct frame frame;
    assert_true(frame_decode(partings[1].data, partings[1].len, &frame));
    uint8_t *signature = (uint8_t *)(uintptr_t)frame.auth.data;
    signature[5] ^= 1;
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, &claim, 1, partings, 2), NULL),
                   BAD_SIGNATURE);
    signature[5] ^= 1;
    struct stable_claim weak = stable_at(K, 2);
    partings[1] = forge_parting(cluster, 1, 2, &weak, NULL, 0);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, NULL, 0, partings, 2), NULL), MISMATCH);
    /* A PARTING that a C signed, and something that is no PARTING. */
    struct slice body = cluster_body(cluster, parting, &(struct parting){.configuration = 1, .view = 2});
    partings[1] =
        forge_signed(cluster, cluster_auth(cluster, KIND_CONFIRMATION, 1), FRAME_PARTING, body, SLICE_NONE);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, NULL, 0, partings, 2), NULL),
                   WRONG_KIND);
    partings[1] = forge_checkpoint(cluster, 1, K, &d1);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, NULL, 0, partings, 2), NULL),
                   MALFORMED);
    partings[1] = (struct slice){partings[0].data, 10};
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, NULL, 0, partings, 2), NULL),
                   MALFORMED);
}

static void the_highest_certificate_is_shown(void **state)
{
    (void)state;
    struct shown_certificate highest;
    struct stable_claim low = stable_at(K, 3), high = stable_at(2 * K, 3);
    struct slice partings[2] = {forge_parting(cluster, 0, 2, &high, NULL, 0),
                                forge_parting(cluster, 1, 2, NULL, NULL, 0)};
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, &low, NULL, 0, partings, 2), &highest),
                   ACCEPT);
    assert_int_equal(highest.slot, 2 * K);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, &high, NULL, 0, &partings[1], 1), &highest),
                   ACCEPT);
    assert_int_equal(highest.slot, 2 * K);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, NULL, NULL, 0, NULL, 0), &highest), ACCEPT);
    assert_int_equal(highest.slot, 0);
    struct stable_claim weak = stable_at(K, 2);
    assert_verdict(view_change(forge_view_change(cluster, 1, 3, &weak, NULL, 0, NULL, 0), &highest),
                   MISMATCH);
}

/* --- NEW-VIEW --------------------------------------------------------------------------------------------------- */

static void view_changes_for(struct slice out[4], view_no view)
{
    struct slice partings[2];
    partings_for(partings, 2, 0);
    for (replica_id r = 0; r < 4; r++)
        out[r] =
            r < 3 ? forge_view_change(cluster, r, view, NULL, &(struct slot_view){1, 0, d1}, 1, partings, 2)
                  : forge_view_change(cluster, r, view, NULL, NULL, 0, NULL, 0);
}

static void a_new_view_counts_to_the_last_bit(void **state)
{
    (void)state;
    struct slice vcs[4];
    view_changes_for(vcs, 1);
    flip_all(forge_new_view(cluster, 1, 1, 0, &d1, 1, vcs, 3), new_view);
    assert_int_equal(selection.count, 1);
    assert_memory_equal(&selection.batch[0], &d1, sizeof d1);
}

static void a_new_view_needs_a_quorum_of_distinct_c(void **state)
{
    (void)state;
    struct slice vcs[4];
    view_changes_for(vcs, 1);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &d1, 1, vcs, 2)), MISMATCH);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &d1, 1, vcs, 4)), ACCEPT);
    struct slice twice[3] = {vcs[0], vcs[1], vcs[1]};
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &d1, 1, twice, 3)), MISMATCH);
}

static void another_selection_is_refused(void **state)
{
    (void)state;
    struct slice vcs[4];
    struct digest two[2] = {d1, {{0}}}, null = {{0}};
    view_changes_for(vcs, 1);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &d1, 1, vcs, 4)), ACCEPT);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &d2, 1, vcs, 4)), MISMATCH);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &null, 1, vcs, 4)), MISMATCH);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, NULL, 0, vcs, 4)), MISMATCH);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, two, 2, vcs, 4)), MISMATCH);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, K, &d1, 1, vcs, 4)), MISMATCH);
}

static void only_the_views_primary_makes_it(void **state)
{
    (void)state;
    struct slice vcs[4];
    view_changes_for(vcs, 1);
    for (replica_id r = 0; r < 4; r++)
        assert_int_equal(new_view(forge_new_view(cluster, r, 1, 0, &d1, 1, vcs, 3)),
                         r == 1 ? VERDICT_ACCEPT : VERDICT_UNEXPECTED);
    /* From VIEW-CHANGEs for another view. */
    assert_verdict(new_view(forge_new_view(cluster, 1, 5, 0, &d1, 1, vcs, 3)), MISMATCH);
    /* A C in the place of a P. */
    struct frame frame;
    struct slice good = forge_new_view(cluster, 1, 1, 0, &d1, 1, vcs, 3);
    assert_true(frame_decode(good.data, good.len, &frame));
    assert_verdict(new_view(forge_signed(cluster, cluster_auth(cluster, KIND_CONFIRMATION, 1), FRAME_NEW_VIEW,
                                         frame.body, frame.attachment)),
                   WRONG_KIND);
}

static void configurations_must_be_the_same(void **state)
{
    (void)state;
    struct slice vcs[4];
    view_changes_for(vcs, 1);
    cluster->configuration.number = 2;
    vcs[0] = forge_view_change(cluster, 0, 1, NULL, NULL, 0, NULL, 0);
    cluster->configuration.number = 1;
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &d1, 1, vcs, 4)), EARLY);
}

static void a_hidden_claim_does_not_win_over_a_quorum(void **state)
{
    (void)state;
    /* d1 committed: three C have it. One of them lies and hides it; two others and a fourth, ignorant one are heard. */
    struct slice vcs[4], null_try[3];
    struct digest null = {{0}};
    view_changes_for(vcs, 1);
    vcs[0] = forge_view_change(cluster, 0, 1, NULL, NULL, 0, NULL, 0);
    memcpy(null_try, (struct slice[]){vcs[0], vcs[3], vcs[1]}, sizeof null_try);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &d1, 1, null_try, 3)), ACCEPT);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, &null, 1, null_try, 3)), MISMATCH);
    assert_verdict(new_view(forge_new_view(cluster, 1, 1, 0, NULL, 0, null_try, 3)), MISMATCH);
}

static void a_list_cut_short_is_refused(void **state)
{
    (void)state;
    struct slice vcs[4];
    view_changes_for(vcs, 1);
    struct slice good = forge_new_view(cluster, 1, 1, 0, &d1, 1, vcs, 3);
    struct frame frame;
    struct new_view nv;
    assert_true(frame_decode(good.data, good.len, &frame) && new_view_decode(frame.body, &nv));
    for (size_t cut = 1; cut < frame.attachment.len; cut += 97) {
        struct slice list = {frame.attachment.data, frame.attachment.len - cut};
        digest_of(&nv.view_changes, NEW_VIEW_VIEW_CHANGES_TAG, list.data, list.len);
        assert_refused(new_view(forge_signed(cluster, cluster_auth(cluster, KIND_PREPARATION, 1),
                                             FRAME_NEW_VIEW, cluster_body(cluster, new_view, &nv), list)),
                       cut);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_parting_counts_to_the_last_bit),
        T(a_parting_needs_its_certificate),
        T(lists_means_this_batch_in_this_view_or_later),
        T(a_view_change_counts_to_the_last_bit),
        T(a_claim_needs_f_plus_1_partings),
        T(invented_claims_are_refused),
        T(partings_inside_are_checked_themselves),
        T(the_highest_certificate_is_shown),
        T(a_new_view_counts_to_the_last_bit),
        T(a_new_view_needs_a_quorum_of_distinct_c),
        T(another_selection_is_refused),
        T(only_the_views_primary_makes_it),
        T(configurations_must_be_the_same),
        T(a_hidden_claim_does_not_win_over_a_quorum),
        T(a_list_cut_short_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
