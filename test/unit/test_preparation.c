/*
 * Preparation: admission, proposing as primary, voting as backup, parting, and entering a view.
 */
#include "testing.h"

#include "cluster.h"

#define P KIND_PREPARATION
#define K CHECKPOINT_INTERVAL

static struct cluster *c;

static int setup(void **state)
{
    (void)state;
    c = cluster_new(NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(c);
    return 0;
}

/* The primary's word to P_1, with this list. */
static struct slice pre_prepare(replica_id from, view_no view, slot_no slot, struct slice list,
                                const struct digest *digest)
{
    return forge_vote(c, FRAME_PRE_PREPARE, from, (struct vote){.view = view, .slot = slot, .batch = *digest},
                      P, 1, list);
}

/* An empty batch; `n` makes it another one. */
static struct slice batch(unsigned n, struct digest *digest)
{
    return cluster_list(c, c->now_us + n, NULL, 0, digest);
}

static enum verdict give_batch(slot_no slot, unsigned n)
{
    struct digest digest;
    struct slice list = batch(n, &digest);
    return cluster_give(c, P, 1, pre_prepare(0, 0, slot, list, &digest));
}

static unsigned prepares(void)
{
    return cluster_count(c, P, 1, FRAME_PREPARE);
}

static struct vote last_vote(replica_id r, enum frame_type type)
{
    struct vote vote = {0};
    const struct sent *sent = cluster_last(c, P, r, type);
    assert_non_null(sent);
    assert_true(vote_decode(sent->frame.body, &vote));
    return vote;
}

static struct slice stripped(const struct test_bundle *b)
{
    return test_bundle_stripped(c, b);
}

/* --- admission -------------------------------------------------------------------------------------------------- */

static bool admitted(replica_id r, const struct test_bundle *b)
{
    return admission_has(&cluster_p(c, r)->admission, &b->entry);
}

static void a_bundle_is_admitted_by_mac_or_by_signature(void **state)
{
    (void)state;
    struct test_bundle *mac = cluster_incr(c, 0, 1, 1);
    struct test_bundle *other = cluster_incr(c, 0, 2, 1);
    struct test_bundle *is_signed = cluster_bundle_again(c, other, FORM_SIGNED);
    assert_memory_equal(&other->entry.bundle, &is_signed->entry.bundle, 32); /* the same bundle */
    assert_false(admitted(1, mac));
    assert_verdict(cluster_give(c, P, 1, stripped(mac)), ACCEPT);
    assert_true(admitted(1, mac));
    assert_null(cluster_last(c, P, 1, FRAME_LOCAL_ADMITTED)); /* that is the rule, and not worth a word */
    assert_verdict(cluster_give(c, P, 1, stripped(is_signed)), ACCEPT);
    assert_true(admitted(1, other));
    struct local_admitted told;
    assert_true(local_admitted_decode(cluster_last(c, P, 1, FRAME_LOCAL_ADMITTED)->frame.body, &told));
    assert_int_equal(told.verdict, VERDICT_ACCEPT);
    assert_int_equal(told.is_signed, 1);
    assert_memory_equal(&told.bundle, &other->entry.bundle, 32);
}

static void a_bad_mac_is_told_and_the_signed_form_helps(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    uint8_t *mac = (uint8_t *)(uintptr_t)b->frame.auth.data;
    mac[mac_entry_BYTES + 5] ^= 1; /* the one for P_1 */
    assert_verdict(cluster_give(c, P, 0, stripped(b)), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, stripped(b)), BAD_MAC);
    assert_false(admitted(1, b));
    struct local_admitted told;
    assert_true(local_admitted_decode(cluster_last(c, P, 1, FRAME_LOCAL_ADMITTED)->frame.body, &told));
    assert_int_equal(told.verdict, VERDICT_BAD_MAC);
    assert_int_equal(told.is_signed, 0);
    assert_verdict(cluster_give(c, P, 1, stripped(cluster_bundle_again(c, b, FORM_SIGNED))), ACCEPT);
    assert_true(admitted(1, b));
}

static void every_bit_of_a_bundle_counts(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct slice one_mac = forge_mac(c, &c->origin[0].auth, FRAME_BUNDLE, b->frame.body, P, 1, SLICE_NONE);
    struct slice is_signed = forge_signed(c, &c->origin[0].auth, FRAME_BUNDLE, b->frame.body, SLICE_NONE);
    struct slice forms[2] = {one_mac, is_signed};
    for (unsigned f = 0; f < 2; f++) {
        uint8_t *bytes = (uint8_t *)(uintptr_t)forms[f].data;
        for (size_t bit = 0; bit < 8 * forms[f].len; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_refused(cluster_give(c, P, 1, forms[f]), bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t len = 0; len < forms[f].len; len++)
            assert_refused(cluster_give(c, P, 1, (struct slice){forms[f].data, len}), len);
        assert_false(admitted(1, b));
    }
    assert_verdict(cluster_give(c, P, 1, one_mac), ACCEPT);
    assert_true(admitted(1, b));
}

static void nobody_else_may_send_an_origins_bundle(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct auth liar = c->origin[3].auth; /* with its own keys, under another's name */
    liar.self.id = 0;
    assert_verdict(cluster_give(c, P, 1, forge_mac(c, &liar, FRAME_BUNDLE, b->frame.body, P, 1, SLICE_NONE)),
                   BAD_MAC);
    assert_verdict(cluster_give(c, P, 1, forge_signed(c, &liar, FRAME_BUNDLE, b->frame.body, SLICE_NONE)),
                   BAD_SIGNATURE);
    liar.self.id = 900; /* nobody's number */
    assert_verdict(cluster_give(c, P, 1, forge_signed(c, &liar, FRAME_BUNDLE, b->frame.body, SLICE_NONE)),
                   UNKNOWN_SENDER);
    struct auth *p2 = cluster_auth(c, P, 2);
    assert_verdict(cluster_give(c, P, 1, forge_mac(c, p2, FRAME_BUNDLE, b->frame.body, P, 1, SLICE_NONE)),
                   WRONG_KIND);
    assert_false(admitted(1, b));
}

static void a_replay_pushes_nothing_out(void **state)
{
    (void)state;
    struct test_bundle *old = cluster_incr(c, 0, 36, 1), *new = cluster_incr(c, 0, 36 + BUNDLE_WINDOW, 1);
    assert_verdict(cluster_give(c, P, 1, stripped(old)), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, stripped(new)), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, stripped(old)), STALE);
    assert_true(admitted(1, new) && !admitted(1, old));
    /* A client that started again: its former incarnation may still be under way, but not the one before that. */
    cluster_origin_renew(c, 0, 8);
    struct test_bundle *second = cluster_incr(c, 0, 36, 1);
    assert_verdict(cluster_give(c, P, 1, stripped(second)), ACCEPT);
    assert_true(admitted(1, new) && admitted(1, second));
    cluster_origin_renew(c, 0, 9);
    struct test_bundle *third = cluster_incr(c, 0, 36, 1);
    assert_verdict(cluster_give(c, P, 1, stripped(third)), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, stripped(new)), STALE);
    assert_true(admitted(1, second) && admitted(1, third) && !admitted(1, new));
}

/* --- the primary ------------------------------------------------------------------------------------------------ */

static void the_primary_gives_the_next_slot(void **state)
{
    (void)state;
    struct test_bundle *b[2] = {cluster_incr(c, 0, 1, 1), cluster_incr(c, 3, 1, 1)};
    cluster_admit(c, b[0]);
    cluster_admit(c, b[1]);
    for (slot_no slot = 1; slot <= 3; slot++) {
        assert_verdict(cluster_propose(c, 0, b, 2), ACCEPT);
        struct vote vote = last_vote(0, FRAME_PRE_PREPARE);
        const struct frame *frame = &cluster_last(c, P, 0, FRAME_PRE_PREPARE)->frame;
        struct batch list;
        struct digest digest;
        batch_digest(&digest, frame->attachment);
        assert_int_equal(vote.slot, slot);
        assert_int_equal(vote.view, 0);
        assert_memory_equal(&vote.batch, &digest, sizeof digest);
        assert_true(batch_decode(frame->attachment, &list));
        assert_int_equal(list.time_us, c->now_us + slot - 1); /* always a little later than the one before */
        assert_int_equal(batch_entry_count(list.entries), 2);
    }
}

static void only_the_primary_proposes(void **state)
{
    (void)state;
    for (replica_id r = 1; r < 4; r++) {
        assert_verdict(cluster_propose(c, r, NULL, 0), UNEXPECTED);
        assert_null(cluster_last(c, P, r, FRAME_PRE_PREPARE));
        assert_non_null(cluster_last(c, P, r, FRAME_LOCAL_VIEW)); /* the host learns where it stands */
    }
}

static void what_is_not_admitted_is_left_out(void **state)
{
    (void)state;
    struct test_bundle *b[3] = {cluster_incr(c, 0, 1, 1), cluster_incr(c, 0, 2, 1), cluster_incr(c, 0, 3, 1)};
    assert_verdict(cluster_propose(c, 0, b, 3), UNEXPECTED);
    assert_null(cluster_last(c, P, 0, FRAME_PRE_PREPARE));
    cluster_admit(c, b[1]);
    assert_verdict(cluster_propose(c, 0, b, 3), ACCEPT);
    struct batch list;
    assert_true(batch_decode(cluster_last(c, P, 0, FRAME_PRE_PREPARE)->frame.attachment, &list));
    assert_int_equal(batch_entry_count(list.entries), 1);
    assert_int_equal(batch_entry_at(list.entries, 0).bundle_no, 2);
    assert_int_equal(last_vote(0, FRAME_PRE_PREPARE).slot, 1); /* the refusal took no slot */
}

static uint64_t proposed_time(uint64_t host_us)
{
    struct slice body = cluster_body(c, local_propose, &(struct local_propose){.time_us = host_us});
    assert_verdict(cluster_give(c, P, 0, cluster_local(c, FRAME_LOCAL_PROPOSE, body, SLICE_NONE)), ACCEPT);
    struct batch list;
    assert_true(batch_decode(cluster_last(c, P, 0, FRAME_PRE_PREPARE)->frame.attachment, &list));
    return list.time_us;
}

static void the_primarys_time_never_falls(void **state)
{
    (void)state;
    uint64_t now = c->now_us;
    assert_int_equal(proposed_time(now), now);
    assert_int_equal(proposed_time(now - 5), now + 1);
    assert_int_equal(proposed_time(now + 5), now + 5);
    assert_int_equal(proposed_time(now + 60 * TIME_AHEAD_MAX_US), now + 6); /* not believed */
    assert_int_equal(proposed_time(UINT64_MAX), now + 7);
    assert_int_equal(proposed_time(0), now + 8);
}

static void the_window_ends_proposing(void **state)
{
    (void)state;
    for (slot_no slot = 1; slot <= WINDOW; slot++)
        assert_verdict(cluster_propose(c, 0, NULL, 0), ACCEPT);
    assert_int_equal(last_vote(0, FRAME_PRE_PREPARE).slot, WINDOW);
    assert_verdict(cluster_propose(c, 0, NULL, 0), EARLY);
    struct digest root = test_digest(1);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, P, 0, forge_checkpoint(c, r, K, &root)), ACCEPT);
    assert_verdict(cluster_propose(c, 0, NULL, 0), ACCEPT);
    assert_int_equal(last_vote(0, FRAME_PRE_PREPARE).slot, WINDOW + 1);
}

static void malformed_proposals(void **state)
{
    (void)state;
    static uint8_t entries[(BATCH_BUNDLES_MAX + 1) * batch_entry_BYTES];
    static const size_t wrong[] = {1, batch_entry_BYTES - 1, sizeof entries};
    for (size_t i = 0; i < 3; i++) {
        struct slice body =
            cluster_body(c, local_propose, &(struct local_propose){.entries = {entries, wrong[i]}});
        assert_verdict(cluster_give(c, P, 0, cluster_local(c, FRAME_LOCAL_PROPOSE, body, SLICE_NONE)),
                       MALFORMED);
    }
}

/* --- a backup --------------------------------------------------------------------------------------------------- */

static void a_backup_votes_once(void **state)
{
    (void)state;
    assert_verdict(give_batch(1, 0), ACCEPT);
    assert_int_equal(prepares(), 1);
    assert_int_equal(last_vote(1, FRAME_PREPARE).slot, 1);
    assert_verdict(give_batch(1, 0), DUPLICATE);
    assert_verdict(give_batch(1, 1), EQUIVOCATION);
    assert_verdict(give_batch(1, 2), EQUIVOCATION);
    assert_verdict(give_batch(1, 0), DUPLICATE);
    assert_int_equal(prepares(), 1);
    assert_verdict(give_batch(2, 1), ACCEPT); /* the next slot is another matter */
    assert_int_equal(prepares(), 2);
}

static void every_bit_of_a_pre_prepare_counts(void **state)
{
    (void)state;
    struct digest digest;
    struct slice list = batch(0, &digest);
    struct slice good = pre_prepare(0, 0, 1, list, &digest);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(cluster_give(c, P, 1, good), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < good.len; len++)
        assert_refused(cluster_give(c, P, 1, (struct slice){good.data, len}), len);
    assert_int_equal(prepares(), 0);
    assert_verdict(cluster_give(c, P, 1, good), ACCEPT);
    assert_int_equal(prepares(), 1);
}

static void only_the_views_primary_is_heard(void **state)
{
    (void)state;
    struct digest digest;
    struct slice list = batch(0, &digest);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 0, 1, list, &digest)), UNEXPECTED);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(3, 0, 1, list, &digest)), UNEXPECTED);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, 1, list, &digest)), EARLY); /* not entered */
    struct vote vote = {.configuration = 1, .slot = 1, .batch = digest};
    struct slice body = cluster_body(c, vote, &vote);
    struct auth *c0 = cluster_auth(c, KIND_CONFIRMATION, 0);
    assert_verdict(cluster_give(c, P, 1, forge_mac(c, c0, FRAME_PRE_PREPARE, body, P, 1, list)), WRONG_KIND);
    assert_verdict(cluster_give(c, P, 0, pre_prepare(0, 0, 1, list, &digest)),
                   UNEXPECTED); /* its own word, back */
    assert_verdict(cluster_give(c, P, 2, pre_prepare(0, 0, 1, list, &digest)), BAD_MAC); /* meant for P_1 */
    assert_int_equal(prepares(), 0);
}

static void slots_outside_the_window(void **state)
{
    (void)state;
    assert_verdict(give_batch(0, 0), MALFORMED);
    assert_verdict(give_batch(WINDOW + 1, 0), EARLY);
    assert_verdict(give_batch(UINT64_MAX, 0), EARLY);
    assert_verdict(give_batch(WINDOW, 0), ACCEPT);
    struct digest root = test_digest(1);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, P, 1, forge_checkpoint(c, r, K, &root)), ACCEPT);
    assert_verdict(give_batch(K, 0), STALE);
    assert_verdict(give_batch(K + 1, 0), ACCEPT);
    assert_verdict(give_batch(K + WINDOW, 0), ACCEPT);
    assert_verdict(give_batch(K + WINDOW + 1, 0), EARLY);
}

static void lists_that_are_not_the_batch(void **state)
{
    (void)state;
    struct digest digest, wrong = test_digest(3);
    struct slice list = batch(0, &digest);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, list, &wrong)), MISMATCH);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, SLICE_NONE, &digest)), MALFORMED);
    struct slice cut = {list.data, list.len - 1};
    batch_digest(&digest, cut);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, cut, &digest)), MALFORMED);
    static uint8_t large[8 + (BATCH_BUNDLES_MAX + 1) * batch_entry_BYTES];
    struct slice too_many = {large, sizeof large};
    batch_digest(&digest, too_many);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, too_many, &digest)), MALFORMED);
    assert_int_equal(prepares(), 0);
    assert_verdict(give_batch(1, 0), ACCEPT); /* none of this used the slot up */
}

static enum verdict at_time(slot_no slot, uint64_t time_us)
{
    struct digest digest;
    struct slice list = cluster_list(c, time_us, NULL, 0, &digest);
    return cluster_give(c, P, 1, pre_prepare(0, 0, slot, list, &digest));
}

static void times_must_be_plausible(void **state)
{
    (void)state;
    uint64_t now = c->now_us, lag = c->configuration.view_timeout_us;
    assert_verdict(at_time(1, now + TIME_AHEAD_MAX_US + 1), MISMATCH);
    assert_verdict(at_time(1, UINT64_MAX), MISMATCH);
    assert_verdict(at_time(1, now - lag - 1), MISMATCH);
    assert_verdict(at_time(1, 0), MISMATCH);
    assert_verdict(at_time(1, now + TIME_AHEAD_MAX_US), ACCEPT);
    assert_verdict(at_time(2, now - lag), ACCEPT);
}

static void a_batch_waits_for_its_bundles(void **state)
{
    (void)state;
    struct test_bundle *b[2] = {cluster_incr(c, 0, 1, 1), cluster_incr(c, 0, 2, 1)};
    struct digest digest, other;
    struct slice list = cluster_list(c, c->now_us, b, 2, &digest);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, list, &digest)), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, list, &digest)),
                   ACCEPT); /* a repeat is harmless */
    struct slice second = batch(9, &other);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, second, &other)),
                   EQUIVOCATION); /* also while it waits */
    cluster_flush(c, P, 1);
    assert_int_equal(prepares(), 0);
    assert_verdict(cluster_give(c, P, 1, stripped(b[0])), ACCEPT);
    cluster_flush(c, P, 1);
    assert_int_equal(prepares(), 0);
    assert_verdict(cluster_give(c, P, 1, stripped(b[1])), ACCEPT);
    cluster_flush(c, P, 1);
    assert_int_equal(prepares(), 1);
    struct vote vote = last_vote(1, FRAME_PREPARE);
    assert_memory_equal(&vote.batch, &digest, sizeof digest);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, list, &digest)), DUPLICATE);
}

static void a_waiting_batch_is_forgotten_when_the_view_is_left(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest digest;
    struct slice list = cluster_list(c, c->now_us, &b, 1, &digest);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, list, &digest)), ACCEPT);
    assert_verdict(cluster_leave(c, P, 1, 1), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, stripped(b)), ACCEPT);
    cluster_flush(c, P, 1);
    assert_int_equal(prepares(), 0);
    /* And so are those below a stable checkpoint. */
    struct digest root = test_digest(1);
    assert_verdict(cluster_give(c, P, 2,
                                forge_vote(c, FRAME_PRE_PREPARE, 0, (struct vote){.slot = 1, .batch = digest},
                                           P, 2, list)),
                   ACCEPT);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, P, 2, forge_checkpoint(c, r, K, &root)), ACCEPT);
    assert_verdict(cluster_give(c, P, 2, stripped(b)), ACCEPT);
    cluster_flush(c, P, 2);
    assert_int_equal(cluster_count(c, P, 2, FRAME_PREPARE), 0);
}

/* --- parting ---------------------------------------------------------------------------------------------------- */

static struct parting last_parting(replica_id r)
{
    struct parting parting;
    const struct sent *sent = cluster_last(c, P, r, FRAME_PARTING);
    assert_non_null(sent);
    assert_verdict(evidence_parting(&c->configuration, &sent->frame, &parting), ACCEPT);
    return parting;
}

static void a_parting_lists_all_votes(void **state)
{
    (void)state;
    struct digest digest[3];
    static const slot_no slots[3] = {1, 2, WINDOW};
    for (unsigned i = 0; i < 3; i++) {
        struct slice list = batch(i, &digest[i]);
        assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, slots[i], list, &digest[i])), ACCEPT);
    }
    assert_verdict(cluster_leave(c, P, 1, 0), STALE);
    assert_verdict(cluster_leave(c, P, 1, 3), ACCEPT);
    struct parting parting = last_parting(1);
    assert_int_equal(parting.view, 2); /* all views up to this one are left */
    assert_int_equal(parting.stable_slot, 0);
    assert_int_equal(slot_view_count(parting.votes), 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct slot_view vote = slot_view_at(parting.votes, i);
        assert_int_equal(vote.slot, slots[i]);
        assert_int_equal(vote.view, 0);
        assert_memory_equal(&vote.batch, &digest[i], 32);
    }
    assert_verdict(cluster_leave(c, P, 1, 3), STALE);
    assert_verdict(cluster_leave(c, P, 1, 2), STALE);
    assert_verdict(cluster_leave(c, P, 1, 4), ACCEPT);
    assert_int_equal(slot_view_count(last_parting(1).votes), 3); /* still */
}

static void a_primary_parts_from_its_proposals_too(void **state)
{
    (void)state;
    assert_verdict(cluster_propose(c, 0, NULL, 0), ACCEPT);
    assert_verdict(cluster_leave(c, P, 0, 1), ACCEPT);
    assert_int_equal(slot_view_count(last_parting(0).votes), 1);
}

static void nothing_is_voted_after_parting(void **state)
{
    (void)state;
    assert_verdict(cluster_leave(c, P, 1, 1), ACCEPT);
    assert_verdict(give_batch(1, 0), STALE);
    struct digest digest;
    struct slice list = batch(0, &digest);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, 1, list, &digest)), EARLY);
    assert_verdict(cluster_leave(c, P, 1, 2), ACCEPT); /* heading for that view is not being in it */
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, 1, list, &digest)), EARLY);
    assert_int_equal(prepares(), 0);
    assert_verdict(cluster_leave(c, P, 0, 4), ACCEPT); /* whose primary it is, without NEW-VIEW */
    assert_verdict(cluster_propose(c, 0, NULL, 0), UNEXPECTED);
    assert_null(cluster_last(c, P, 0, FRAME_PRE_PREPARE));
}

/* A batch that was voted before is listed once, for the latest view; another one beside it. */
static void a_parting_names_the_latest_view_of_each_batch(void **state)
{
    (void)state;
    struct digest digest;
    struct slice list = batch(0, &digest);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(0, 0, 1, list, &digest)), ACCEPT);
    struct slice vcs[3];
    for (replica_id r = 0; r < 3; r++)
        vcs[r] = forge_view_change(c, r, 2, NULL, NULL, 0, NULL, 0);
    assert_verdict(cluster_give(c, P, 1, forge_new_view(c, 2, 2, 0, NULL, 0, vcs, 3)), ACCEPT);
    struct digest other;
    struct slice another = batch(5, &other);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, 1, another, &other)), ACCEPT);
    for (replica_id r = 0; r < 3; r++)
        vcs[r] = forge_view_change(c, r, 3, NULL, NULL, 0, NULL, 0);
    assert_verdict(cluster_give(c, P, 1, forge_new_view(c, 3, 3, 0, NULL, 0, vcs, 3)), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(3, 3, 1, list, &digest)), ACCEPT);
    assert_verdict(cluster_leave(c, P, 1, 4), ACCEPT);
    struct parting parting = last_parting(1);
    assert_int_equal(slot_view_count(parting.votes), 2);
    assert_true(parting_lists(&parting, &(struct slot_view){1, 3, digest}));
    assert_true(parting_lists(&parting, &(struct slot_view){1, 2, other}));
    assert_false(parting_lists(&parting, &(struct slot_view){1, 3, other}));
}

static void a_parting_carries_the_certificate(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    assert_verdict(give_batch(1, 0), ACCEPT);
    assert_verdict(give_batch(K + 1, 0), ACCEPT);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, P, 1, forge_checkpoint(c, r, K, &root)), ACCEPT);
    assert_verdict(cluster_leave(c, P, 1, 1), ACCEPT);
    struct parting parting = last_parting(1); /* its certificate was checked */
    assert_int_equal(parting.stable_slot, K);
    assert_int_equal(slot_view_count(parting.votes), 1); /* what is settled is not listed */
    assert_int_equal(slot_view_at(parting.votes, 0).slot, K + 1);
}

/* --- a new view -------------------------------------------------------------------------------------------------- */

/* VIEW-CHANGEs of C_0..C_2 that claim (1, digest) in view 0. */
static void claims_of(struct slice vcs[3], view_no view, const struct digest *digest)
{
    struct slot_view claim = {1, 0, *digest};
    struct slice partings[2] = {forge_parting(c, 0, view - 1, NULL, &claim, 1),
                                forge_parting(c, 2, view - 1, NULL, &claim, 1)};
    for (replica_id r = 0; r < 3; r++)
        vcs[r] = forge_view_change(c, r, view, NULL, &claim, 1, partings, 2);
}

static void entering_votes_for_what_was_selected(void **state)
{
    (void)state;
    struct test_bundle *never_admitted = cluster_incr(c, 0, 1, 1);
    struct slice vcs[3];
    struct digest digest;
    (void)cluster_list(c, 1, &never_admitted, 1, &digest); /* at a time long past, too */
    claims_of(vcs, 2, &digest);
    struct slice good = forge_new_view(c, 2, 2, 0, &digest, 1, vcs, 3);
    struct digest wrong = test_digest(5);
    assert_verdict(cluster_give(c, P, 1, forge_new_view(c, 2, 2, 0, &wrong, 1, vcs, 3)), MISMATCH);
    assert_verdict(cluster_give(c, P, 1, forge_new_view(c, 2, 2, 0, NULL, 0, vcs, 3)), MISMATCH);
    assert_verdict(cluster_give(c, P, 1, forge_new_view(c, 2, 2, 0, &digest, 1, vcs, 2)), MISMATCH);
    assert_int_equal(cluster_p(c, 1)->view, 0); /* none of which made it leave */
    assert_verdict(cluster_give(c, P, 1, good), ACCEPT);
    assert_int_equal(prepares(), 1);
    struct vote vote = last_vote(1, FRAME_PREPARE);
    assert_int_equal(vote.view, 2);
    assert_int_equal(vote.slot, 1);
    assert_memory_equal(&vote.batch, &digest, 32);
    assert_verdict(cluster_give(c, P, 1, good), DUPLICATE);
    assert_int_equal(prepares(), 1);
    /* The view before it is left. */
    assert_verdict(give_batch(2, 0), STALE);
    /* The primary's PRE-PREPARE for it says nothing new; another batch is equivocation. */
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, 1, SLICE_NONE, &digest)), DUPLICATE);
    struct digest other;
    struct slice list = batch(3, &other);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, 1, list, &other)), EQUIVOCATION);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, 2, list, &other)), ACCEPT); /* and on it goes */
}

static void an_old_new_view_is_stale(void **state)
{
    (void)state;
    struct slice vcs[3];
    struct digest digest = test_digest(1);
    claims_of(vcs, 2, &digest);
    assert_verdict(cluster_leave(c, P, 1, 3), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, forge_new_view(c, 2, 2, 0, &digest, 1, vcs, 3)), STALE);
    assert_int_equal(prepares(), 0);
}

static void a_null_slot_is_voted_like_any_other(void **state)
{
    (void)state;
    struct digest digest = test_digest(1), selected[2] = {{{0}}, digest};
    struct slot_view claim = {2, 0, digest};
    struct slice partings[2] = {forge_parting(c, 0, 1, NULL, &claim, 1),
                                forge_parting(c, 2, 1, NULL, &claim, 1)},
                 vcs[3];
    for (replica_id r = 0; r < 3; r++)
        vcs[r] = forge_view_change(c, r, 2, NULL, &claim, 1, partings, 2);
    assert_verdict(cluster_give(c, P, 1, forge_new_view(c, 2, 2, 0, selected, 2, vcs, 3)), ACCEPT);
    assert_int_equal(prepares(), 2);
    assert_verdict(cluster_leave(c, P, 1, 3), ACCEPT);
    struct parting parting = last_parting(1);
    assert_true(parting_lists(&parting, &(struct slot_view){1, 2, {{0}}}));
}

static void entering_adopts_h(void **state)
{
    (void)state;
    struct stable_claim stable = {.slot = K, .root = test_digest(77)};
    stable.signers = forge_signers(c, K, &stable.root, 3);
    struct slice vcs[3];
    for (replica_id r = 0; r < 3; r++)
        vcs[r] = forge_view_change(c, r, 2, r == 1 ? &stable : NULL, NULL, 0, NULL, 0);
    assert_verdict(give_batch(1, 0), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, forge_new_view(c, 2, 2, K, NULL, 0, vcs, 3)), ACCEPT);
    assert_int_equal(prep_stable_slot(cluster_p(c, 1)), K);
    struct digest digest;
    struct slice list = batch(1, &digest);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, K, list, &digest)), STALE);
    assert_verdict(cluster_give(c, P, 1, pre_prepare(2, 2, K + 1, list, &digest)), ACCEPT);
}

static void the_next_primary_makes_the_new_view(void **state)
{
    (void)state;
    struct slice vcs[3];
    struct digest digest = test_digest(1);
    claims_of(vcs, 1, &digest);
    assert_verdict(cluster_give(c, P, 2, vcs[0]), UNEXPECTED); /* not its view */
    assert_verdict(cluster_give(c, P, 1, vcs[0]), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, vcs[0]), DUPLICATE);
    assert_verdict(cluster_give(c, P, 1, vcs[1]), ACCEPT);
    assert_null(cluster_last(c, P, 1, FRAME_NEW_VIEW));
    assert_verdict(cluster_give(c, P, 1, vcs[2]), ACCEPT);
    const struct sent *sent = cluster_last(c, P, 1, FRAME_NEW_VIEW);
    assert_non_null(sent);
    struct new_view nv;
    static struct selection selection;
    struct shown_certificate shown;
    assert_verdict(evidence_new_view(&c->configuration, &sent->frame, &nv, &selection, &shown), ACCEPT);
    assert_int_equal(selection.count, 1);
    struct vote vote = last_vote(1, FRAME_PRE_PREPARE); /* for what was selected */
    assert_int_equal(vote.view, 1);
    assert_int_equal(vote.slot, 1);
    assert_memory_equal(&vote.batch, &digest, 32);
    assert_verdict(cluster_give(c, P, 1, vcs[0]), STALE);
    assert_int_equal(cluster_count(c, P, 1, FRAME_NEW_VIEW), 1);
    /* It goes on after the selected slots. */
    assert_verdict(cluster_propose(c, 1, NULL, 0), ACCEPT);
    assert_int_equal(last_vote(1, FRAME_PRE_PREPARE).slot, 2);
}

static void every_bit_of_a_view_change_counts(void **state)
{
    (void)state;
    struct slice vcs[3];
    struct digest digest = test_digest(1);
    claims_of(vcs, 1, &digest);
    uint8_t *bytes = (uint8_t *)(uintptr_t)vcs[0].data;
    for (size_t at = 0; at < vcs[0].len; at++) {
        bytes[at] ^= (uint8_t)(1u << at % 8);
        assert_refused(cluster_give(c, P, 1, vcs[0]), at);
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, P, 1, vcs[r]), ACCEPT);
    assert_non_null(cluster_last(c, P, 1, FRAME_NEW_VIEW));
}

static void views_that_do_not_fit_a_set_are_waited_for(void **state)
{
    (void)state;
    /* Claims that object to each other: three VIEW-CHANGEs are not enough, the fourth decides. */
    struct digest d1 = test_digest(1), d2 = test_digest(2);
    struct slot_view first = {1, 0, d1}, second = {1, 0, d2};
    struct slice p1[2] = {forge_parting(c, 0, 4, NULL, &first, 1), forge_parting(c, 1, 4, NULL, &first, 1)};
    struct slice p2[2] = {forge_parting(c, 2, 4, NULL, &second, 1), forge_parting(c, 3, 4, NULL, &second, 1)};
    assert_verdict(cluster_give(c, P, 1, forge_view_change(c, 0, 5, NULL, &first, 1, p1, 2)), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, forge_view_change(c, 1, 5, NULL, &second, 1, p2, 2)), ACCEPT);
    assert_verdict(cluster_give(c, P, 1, forge_view_change(c, 2, 5, NULL, NULL, 0, NULL, 0)), ACCEPT);
    assert_null(cluster_last(c, P, 1, FRAME_NEW_VIEW));
    assert_verdict(cluster_give(c, P, 1, forge_view_change(c, 3, 5, NULL, &first, 1, p1, 2)), ACCEPT);
    assert_non_null(cluster_last(c, P, 1, FRAME_NEW_VIEW));
    struct vote vote = last_vote(1, FRAME_PRE_PREPARE);
    assert_memory_equal(&vote.batch, &d1, 32);
}

static void a_large_window_fits_a_new_view(void **state)
{
    (void)state;
    struct slot_view claims[WINDOW];
    for (unsigned i = 0; i < WINDOW; i++)
        claims[i] = (struct slot_view){1 + i, 0, test_digest(i)};
    struct slice partings[4];
    for (replica_id r = 0; r < 4; r++)
        partings[r] = forge_parting(c, r, 0, NULL, claims, WINDOW);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, P, 1, forge_view_change(c, r, 1, NULL, claims, WINDOW, partings, 4)),
                       ACCEPT);
    const struct sent *sent = cluster_last(c, P, 1, FRAME_NEW_VIEW);
    assert_non_null(sent);
    assert_verdict(cluster_give(c, P, 3, sent_slice(sent)), ACCEPT);
    assert_int_equal(cluster_count(c, P, 3, FRAME_PREPARE), WINDOW);
}

/* --- other frames ------------------------------------------------------------------------------------------------ */

static void what_is_not_for_p_is_unexpected(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        if (!frame_type_name((enum frame_type)type))
            continue;
        struct slice frame = cluster_local(c, (enum frame_type)type, SLICE_NONE, SLICE_NONE);
        enum verdict verdict = cluster_give(c, P, 1, frame);
        assert_refused(verdict, type);
    }
    struct digest root = test_digest(1);
    struct slice commit =
        forge_vote(c, FRAME_COMMIT, 2, (struct vote){.slot = 1, .batch = root}, P, 1, SLICE_NONE);
    assert_verdict(cluster_give(c, P, 1, commit), UNEXPECTED);
    struct slice prepare =
        forge_vote(c, FRAME_PREPARE, 2, (struct vote){.slot = 1, .batch = root}, P, 1, SLICE_NONE);
    assert_verdict(cluster_give(c, P, 1, prepare), UNEXPECTED);
}

static void a_checkpoint_truncates(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    for (slot_no slot = 1; slot <= WINDOW; slot++)
        assert_verdict(give_batch(slot, 0), ACCEPT);
    for (replica_id r = 0; r < 3; r++) {
        assert_int_equal(prep_stable_slot(cluster_p(c, 1)), 0);
        assert_verdict(cluster_give(c, P, 1, forge_checkpoint(c, r, K, &root)), ACCEPT);
    }
    assert_int_equal(prep_stable_slot(cluster_p(c, 1)), K);
    assert_verdict(give_batch(K + 1, 0), DUPLICATE); /* still known */
    assert_verdict(give_batch(K + 1, 1), EQUIVOCATION);
    assert_verdict(give_batch(WINDOW + 1, 1), ACCEPT); /* where slot 1 was */
}

/* A RECONFIG of replica 2's P, by its launcher, or signed by the administrator. */
static struct slice reconfig(bool by_admin)
{
    uint8_t members[renewal_BYTES], body[RECONFIG_BYTES_MAX], signature[SIGNATURE_BYTES], bytes[2048];
    struct writer mw = writer_to(members, sizeof members), bare = writer_to(body, sizeof body);
    struct sender admin = {.kind = KIND_ADMIN};
    renewal_put(&mw, &(struct renewal){.kind = P, .epoch = 1000});
    struct reconfig m = {.configuration = 1, .replica = 2, .members = {members, mw.len}};
    reconfig_put(&bare, &m);
    if (by_admin) {
        struct digest_state state;
        struct digest content;
        struct auth auth = {.sign = c->admin};
        digest_begin(&state, RECONFIG_TAG);
        digest_add(&state, c->configuration.cluster.bytes, sizeof c->configuration.cluster.bytes);
        digest_add(&state, body, bare.len);
        digest_end(&state, &content);
        auth_sign_content(&auth, &content, signature);
        m.signature = (struct slice){signature, sizeof signature};
    }
    struct writer w = writer_to(body, sizeof body);
    reconfig_put(&w, &m);
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_RECONFIG, &admin, AUTH_NONE,
                              (struct slice){body, w.len}, SLICE_NONE, SLICE_NONE);
    assert_true(len > 0);
    return cluster_copy(c, bytes, len);
}

/* Whoever starts anew walks through all changes since START, and hosts keep so many: so many a launcher can bring about. */
static void a_launcher_brings_about_only_so_many_changes(void **state)
{
    (void)state;
    struct preparation *p = cluster_p(c, 1);
    p->configuration.fixed = false;
    p->admission.founded = configuration_ordered(&p->configuration) - LAUNCHER_CHANGES_MAX + 1;
    assert_verdict(cluster_give(c, P, 1, reconfig(false)),
                   WRONG_KIND); /* it was looked at: there is no platform key */
    p->admission.founded--;
    assert_verdict(cluster_give(c, P, 1, reconfig(false)), LIMIT);
    assert_verdict(cluster_give(c, P, 1, reconfig(true)), ACCEPT);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_bundle_is_admitted_by_mac_or_by_signature),
        T(a_bad_mac_is_told_and_the_signed_form_helps),
        T(every_bit_of_a_bundle_counts),
        T(nobody_else_may_send_an_origins_bundle),
        T(a_replay_pushes_nothing_out),
        T(the_primary_gives_the_next_slot),
        T(only_the_primary_proposes),
        T(what_is_not_admitted_is_left_out),
        T(the_primarys_time_never_falls),
        T(the_window_ends_proposing),
        T(malformed_proposals),
        T(a_backup_votes_once),
        T(every_bit_of_a_pre_prepare_counts),
        T(only_the_views_primary_is_heard),
        T(slots_outside_the_window),
        T(lists_that_are_not_the_batch),
        T(times_must_be_plausible),
        T(a_batch_waits_for_its_bundles),
        T(a_waiting_batch_is_forgotten_when_the_view_is_left),
        T(a_parting_lists_all_votes),
        T(a_primary_parts_from_its_proposals_too),
        T(nothing_is_voted_after_parting),
        T(a_parting_names_the_latest_view_of_each_batch),
        T(a_parting_carries_the_certificate),
        T(entering_votes_for_what_was_selected),
        T(an_old_new_view_is_stale),
        T(a_null_slot_is_voted_like_any_other),
        T(entering_adopts_h),
        T(the_next_primary_makes_the_new_view),
        T(every_bit_of_a_view_change_counts),
        T(views_that_do_not_fit_a_set_are_waited_for),
        T(a_large_window_fits_a_new_view),
        T(what_is_not_for_p_is_unexpected),
        T(a_launcher_brings_about_only_so_many_changes),
        T(a_checkpoint_truncates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
