/* The broker: what it writes down and recalls, checkpoints on their way, and backups. */
#include "backups.h"
#include "broker_alone.h"

/* --- the log ---------------------------------------------------------------------------------------------------------- */

static unsigned persisted(uint32_t what, slot_no slot, const struct digest *digest)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen_count; i++)
        n += seen[i].kind == ACTION_PERSIST && seen[i].to == what && seen[i].slot == slot &&
             (!digest || digest_equal(&seen[i].digest, digest));
    return n;
}

static void sealed(enum kind kind, bool full, slot_no slot)
{
    struct local_sealed m = {.full = full, .slot = slot};
    assert_verdict(own(kind, forge_plain(c, cluster_auth(c, kind, 1), FRAME_LOCAL_SEALED,
                                         cluster_body(c, local_sealed, &m),
                                         (struct slice){(const uint8_t *)"sealed", 6})),
                   ACCEPT);
    assert_int_equal(persisted(kind, slot, NULL), 1);
}

/* The log is cut where E's base record stands: what is listed above its slot is written once more, and a bundle that was listed
 * below it is so when a later batch lists it again. */
static void what_is_listed_behind_a_cut_is_written_again(void **state)
{
    (void)state;
    struct test_bundle *below = cluster_incr(c, 0, 1, 1), *above = cluster_incr(c, 0, 2, 1);
    struct digest one, two, again;
    assert_verdict(client(9, bundle(below)), ACCEPT);
    assert_verdict(client(9, bundle(above)), ACCEPT);
    assert_int_equal(persisted_any(PERSIST_BUNDLE), 0); /* nobody lists them */
    assert_verdict(peer(0, pre_prepare(0, 0, 1, &below, 1, &one)), ACCEPT);
    assert_verdict(peer(0, pre_prepare(0, 0, 2, &above, 1, &two)), ACCEPT);
    assert_int_equal(persisted(PERSIST_LIST, 1, &one) + persisted(PERSIST_LIST, 2, &two), 2);
    assert_int_equal(persisted_any(PERSIST_BUNDLE), 2);
    e_executed(1, 0, &one);
    forget();
    sealed(P, true, 1);
    sealed(E, false, 1);
    assert_int_equal(persisted_any(PERSIST_LIST) + persisted_any(PERSIST_BUNDLE), 0);
    forget();
    sealed(E, true, 1);
    assert_int_equal(persisted(PERSIST_LIST, 2, &two), 1);
    assert_int_equal(persisted(PERSIST_BUNDLE, 0, &above->entry.bundle), 1);
    assert_int_equal(persisted_any(PERSIST_LIST) + persisted_any(PERSIST_BUNDLE), 2);
    assert_int_equal(seen[seen_count - 1].to, E); /* the record comes behind what it would cut off */
    forget();
    now++;
    assert_verdict(peer(0, pre_prepare(0, 0, 3, &below, 1, &again)), ACCEPT);
    assert_int_equal(persisted(PERSIST_LIST, 3, &again), 1);
    assert_int_equal(persisted(PERSIST_BUNDLE, 0, &below->entry.bundle), 1);
    assert_verdict(peer(0, pre_prepare(0, 0, 4, &below, 1, &again)),
                   ACCEPT); /* behind the cut it is there now */
    assert_int_equal(persisted_any(PERSIST_BUNDLE), 1);
}

/* A primary has one batch for a slot of its view. Every other one would be another list on the disks of all. */
static void a_primary_that_shows_many_batches_fills_no_disk(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest first, other;
    assert_verdict(client(9, bundle(b)), ACCEPT);
    struct slice good = pre_prepare(0, 0, 1, &b, 1, &first);
    struct slice spoilt = cluster_copy(c, good.data, good.len);
    ((uint8_t *)(uintptr_t)spoilt.data)[FRAME_HEADER_BYTES + 30] ^= 1; /* its list is not its batch */
    assert_verdict(peer(0, spoilt), ACCEPT);
    assert_int_equal(persisted_any(PERSIST_LIST), 0);
    assert_verdict(peer(0, good), ACCEPT);
    for (unsigned i = 0; i < 100; i++) {
        now++;
        assert_verdict(peer(0, pre_prepare(0, 0, 1, &b, 1, &other)), EQUIVOCATION);
    }
    assert_int_equal(persisted_any(PERSIST_LIST), 1);
    forget();
    assert_verdict(peer(0, good), ACCEPT); /* sent again */
    assert_int_equal(count(ACTION_GIVE, P, FRAME_PRE_PREPARE), 1);
    assert_int_equal(persisted_any(PERSIST_LIST), 0);
    p_is_in(2, 1, true);
    assert_verdict(peer(2, pre_prepare(2, 2, 1, &b, 1, &other)),
                   ACCEPT); /* the next view's is another matter */
    assert_int_equal(persisted(PERSIST_LIST, 1, &other), 1);
}

/* After a power loss nobody sends the CHECKPOINTs of before again: E learns of a stable one by a PARTING. */
static void a_parting_that_shows_a_later_checkpoint_goes_to_own_e(void **state)
{
    (void)state;
    struct stable_claim stable = {.slot = CHECKPOINT_INTERVAL, .root = test_digest(1)};
    stable.signers = forge_signers(c, stable.slot, &stable.root, 3);
    assert_verdict(peer(2, forge_parting(c, 2, 0, NULL, NULL, 0)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_PARTING), 0);
    assert_verdict(peer(2, forge_parting(c, 2, 1, &stable, NULL, 0)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_PARTING), 1);
    e_executed(CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL, &stable.root);
    assert_verdict(peer(2, forge_parting(c, 2, 2, &stable, NULL, 0)), ACCEPT); /* E knows it */
    assert_int_equal(count(ACTION_GIVE, E, FRAME_PARTING), 1);
}

/* A resumed cluster goes on to its next checkpoint by itself; to where a log that begins now is whole, if one was lost. */
static void a_resumed_cluster_fills_to_where_its_logs_are_whole(void **state)
{
    (void)state;
    struct broker *b = broker;
    b->held.resumed = 1;
    for (unsigned k = 0; k < MEMBER_KINDS; k++)
        for (replica_id r = 0; r < 4; r++)
            b->held.member[k][r].head = test_digest(1 + r);
    splitbft_engine.resume(broker, 5, 0);
    assert_int_equal(b->fill_until, CHECKPOINT_INTERVAL);
    memset(&b->held.member[C - KIND_HOST][3].head, 0, sizeof(struct digest));
    splitbft_engine.resume(broker, 5, 0);
    assert_int_equal(b->fill_until, CHECKPOINT_INTERVAL + WINDOW);
    b->held.member[C - KIND_HOST][3].after = 7; /* that one came by a RECONFIG: it is another matter */
    splitbft_engine.resume(broker, 5, 0);
    assert_int_equal(b->fill_until, CHECKPOINT_INTERVAL);
}

/* --- checkpoints ------------------------------------------------------------------------------------------------------ */

static void turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        event(EVENT_RUN_END, 0, SLICE_NONE);
}

static unsigned checkpoints_given(void)
{
    return count(ACTION_GIVE, P, FRAME_CHECKPOINT) + count(ACTION_GIVE, C, FRAME_CHECKPOINT) +
           count(ACTION_GIVE, E, FRAME_CHECKPOINT);
}

/* The others' CHECKPOINTs of a slot. */
static void hear_checkpoints(slot_no slot)
{
    struct digest root = test_digest(1);
    for (replica_id r = 0; r < 4; r++)
        if (r != 1)
            assert_verdict(peer(r, forge_checkpoint(c, r, slot, &root)), ACCEPT);
}

static void checkpoints_are_handed_on_without_haste(void **state)
{
    (void)state;
    hear_checkpoints(CHECKPOINT_INTERVAL);
    assert_int_equal(checkpoints_given(), 0);
    for (unsigned i = 0; i < 100; i++) {
        unsigned before = checkpoints_given();
        turns(1);
        assert_true(checkpoints_given() <= before + 1);
    }
    assert_int_equal(checkpoints_given(), 9);
}

static void near_the_end_of_the_window_they_are_handed_on_at_once(void **state)
{
    (void)state;
    struct digest digest = test_digest(1);
    e_executed(WINDOW - 1, 0, &digest);
    hear_checkpoints(CHECKPOINT_INTERVAL);
    turns(1);
    assert_int_equal(checkpoints_given(), 9);
}

/* Own E may have learned it with its state, while own P and C have not. */
static void what_is_stable_for_own_e_still_goes_to_own_p_and_c(void **state)
{
    (void)state;
    struct digest digest = test_digest(1);
    hear_checkpoints(CHECKPOINT_INTERVAL);
    e_executed(CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL, &digest);
    turns(100);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_CHECKPOINT), 3);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_CHECKPOINT), 3);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_CHECKPOINT), 0);
}

/* The last one that is stable, when own E knows that it is: P and C that learned wrote nothing of it, and nothing later comes to them
 * as long as they have no window. */
static void the_last_checkpoint_goes_to_own_p_and_c(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    e_executed(2 * CHECKPOINT_INTERVAL, 2 * CHECKPOINT_INTERVAL, &root);
    assert_verdict(peer(0, forge_checkpoint(c, 0, CHECKPOINT_INTERVAL, &root)), STALE);
    assert_verdict(peer(0, forge_checkpoint(c, 0, 2 * CHECKPOINT_INTERVAL, &root)), ACCEPT);
    assert_verdict(own(E, forge_checkpoint(c, 1, 2 * CHECKPOINT_INTERVAL, &root)), ACCEPT);
    turns(100);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_CHECKPOINT), 2);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_CHECKPOINT), 2);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_CHECKPOINT), 0);
}

/* And to a peer that is in no view, whose P and C may lack it; to others it is of no use. */
static void the_last_checkpoint_is_sent_again_to_who_is_in_no_view(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    const slot_no last = 2 * CHECKPOINT_INTERVAL;
    e_executed(last, last, &root);
    assert_verdict(own(E, forge_checkpoint(c, 1, last, &root)), ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_CHECKPOINT), 1);
    turns(100);
    forget();
    for (unsigned in_view = 0; in_view < 2; in_view++) {
        struct status status = {.view = 0, .in_view = (uint8_t)in_view, .executed = last, .stable = last};
        struct slice still = cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE);
        assert_verdict(peer(3, still), ACCEPT);
        forget();
        assert_verdict(peer(3, still), ACCEPT);
        assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_CHECKPOINT), !in_view);
    }
    e_executed(last + CHECKPOINT_INTERVAL, last + CHECKPOINT_INTERVAL,
               &root); /* it is not the last any more */
    struct status status = {.view = 0, .in_view = 0, .executed = last, .stable = last};
    forget();
    assert_verdict(peer(3, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE)),
                   ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_CHECKPOINT), 0);
}

static void without_other_work_a_timer_hands_them_on(void **state)
{
    (void)state;
    hear_checkpoints(CHECKPOINT_INTERVAL);
    turns(1);
    time_passes(TIMEOUT / 8);
    assert_int_equal(checkpoints_given(), 9);
}

static void a_link_queues_only_so_many_checkpoints(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    struct slice frame = forge_checkpoint(c, 3, CHECKPOINT_INTERVAL, &root);
    for (unsigned i = 0; i < 32; i++)
        assert_verdict(peer(3, frame), ACCEPT);
    assert_verdict(peer(3, frame), LIMIT);
    assert_verdict(peer(2, forge_checkpoint(c, 2, CHECKPOINT_INTERVAL, &root)), ACCEPT);
    turns(1000);
    assert_verdict(peer(3, frame), ACCEPT);
}

static void own_e_is_told_to_go_on_with_its_checkpoint_only_when_idle(void **state)
{
    (void)state;
    struct local_progress progress = {.digesting = 1};
    struct slice frame = SLICE_NONE;
    for (unsigned i = 0; i < 10; i++) { /* slots are executed all the time */
        progress.executed = CHECKPOINT_INTERVAL + i;
        frame =
            cluster_local(c, FRAME_LOCAL_PROGRESS, cluster_body(c, local_progress, &progress), SLICE_NONE);
        assert_verdict(own(E, frame), ACCEPT);
        time_passes(2000);
    }
    assert_int_equal(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT), 0);
    time_passes(20000);
    /* No more before it answers, but for one a tick, as the word may have been lost. */
    assert_in_range(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT), 1, 1 + 20000 / (TIMEOUT / 8) + 1);
    forget();
    assert_verdict(own(E, frame), ACCEPT);
    turns(1);
    time_passes(1000);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT), 1);
    progress.digesting = 0;
    assert_verdict(own(E, cluster_local(c, FRAME_LOCAL_PROGRESS, cluster_body(c, local_progress, &progress),
                                        SLICE_NONE)),
                   ACCEPT);
    forget();
    time_passes(20000);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT), 0);
}

static void a_word_to_own_e_that_was_lost_is_said_again(void **state)
{
    (void)state;
    struct local_progress progress = {.digesting = 1, .executed = CHECKPOINT_INTERVAL};
    assert_verdict(own(E, cluster_local(c, FRAME_LOCAL_PROGRESS, cluster_body(c, local_progress, &progress),
                                        SLICE_NONE)),
                   ACCEPT);
    time_passes(20000);
    assert_true(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT) > 0);
    for (unsigned i = 0; i < 3; i++) {
        forget();
        time_passes(TIMEOUT);
        assert_true(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT) > 0);
    }
}

static void checkpoints_that_were_handed_on_leave_no_memory_behind(void **state)
{
    (void)state;
    size_t live = 0;
    for (unsigned round = 0; round < 5; round++) { /* the first ones are kept for others */
        hear_checkpoints(CHECKPOINT_INTERVAL);
        if (round > 0)
            assert_true(arena.live > live);
        turns(100);
        assert_int_equal(checkpoints_given(), 9 * (round + 1));
        if (round > 0)
            assert_int_equal(arena.live, live);
        live = arena.live;
    }
}

static void forged_checkpoints_do_not_keep_true_ones_out(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    for (replica_id r = 0; r < 4; r++) { /* one host makes words up for all E, for a slot far away */
        struct slice forged = forge_checkpoint(c, r, (slot_no)CHECKPOINT_INTERVAL << 40, &root);
        ((uint8_t *)(uintptr_t)forged.data)[forged.len - 1] ^= 1;
        assert_verdict(peer(3, forged), ACCEPT); /* is looked at later */
    }
    turns(100);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_CHECKPOINT), 0);
    assert_int_equal(splitbft_engine.verdicts(broker)[VERDICT_BAD_SIGNATURE], 4);
    for (replica_id r = 0; r < 3; r++)
        if (r != 1)
            assert_verdict(peer(r, forge_checkpoint(c, r, CHECKPOINT_INTERVAL, &root)), ACCEPT);
    assert_verdict(own(E, forge_checkpoint(c, 1, CHECKPOINT_INTERVAL, &root)), ACCEPT);
    turns(100);
    e_executed(CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL, &root);
    forget();
    struct status behind = {.view = 0, .in_view = 1};
    assert_verdict(peer(3, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &behind), SLICE_NONE)),
                   ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_CHECKPOINT), 3);
}

/* --- backups ---------------------------------------------------------------------------------------------------------- */

static struct backup_test t;

static struct slice request(const struct sign_key *admin)
{
    return backup_test_request(&t, &t.ask, admin);
}

static struct slice piece_of_e(void)
{
    struct slice body = cluster_body(c, backup, &(struct backup){.session = t.ask.session, .number = 1});
    return forge_signed(c, cluster_auth(c, E, 1), FRAME_BACKUP, body, SLICE_NONE);
}

static void backups_are_the_administrator_s(void **state)
{
    (void)state;
    struct sign_key stranger;
    sign_keypair(&stranger);
    backup_test_begin(&t, c, 1);
    assert_verdict(client(9, request(&stranger)), BAD_SIGNATURE);
    assert_int_equal(dropped(9), 1);
    assert_verdict(own(E, piece_of_e()), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, REPLICAS_MAX, FRAME_BACKUP), 0); /* nobody asked */
    assert_verdict(client(7, request(&c->admin)), ACCEPT);
    time_passes(1000); /* the budget for state */
    event(EVENT_RUN_END, 0, SLICE_NONE);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_ASK_BACKUP), 1);
    assert_verdict(own(E, piece_of_e()), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, 7, FRAME_BACKUP), 1);
    /* Who heard the request and repeats it gets nothing, as long as the administrator is there. */
    assert_verdict(client(8, request(&c->admin)), DUPLICATE);
    assert_verdict(own(E, piece_of_e()), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, 8, FRAME_BACKUP), 0);
    event(EVENT_CLIENT_GONE, 7, SLICE_NONE);
    assert_verdict(own(E, piece_of_e()), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, REPLICAS_MAX, FRAME_BACKUP), 2);
    /* A later session ends it; what is too old is refused. */
    struct slice kept = request(&c->admin);
    backup_test_begin(&t, c, 1);
    assert_verdict(client(8, request(&c->admin)), ACCEPT);
    assert_verdict(client(8, kept), STALE);
    t.ask.asked_us++;
    t.ask.until_us = now - 1;
    assert_verdict(client(8, request(&c->admin)), STALE);
    backup_test_free(&t);
}

/* Asked for at another replica: this one, the primary's backup, only knows that a checkpoint is wanted; not for ever. */
static void a_request_fills_up_to_checkpoints_so_many_times(void **state)
{
    (void)state;
    static struct digest null;
    struct broker *b = broker;
    backup_test_begin(&t, c, 3);
    for (unsigned i = 1; i <= 70; i++) {
        assert_verdict(client(7, request(&c->admin)), ACCEPT);
        assert_verdict(client(7, request(&c->admin)), ACCEPT);
        assert_int_equal(b->fill_until, (i < 64 ? i : 64) * CHECKPOINT_INTERVAL);
        e_executed(i * CHECKPOINT_INTERVAL, 0, &null);
    }
    assert_int_equal(count(ACTION_GIVE, E, FRAME_ASK_BACKUP), 0);
    backup_test_begin(&t, c, 3);
    assert_verdict(client(7, request(&c->admin)), ACCEPT);
    assert_int_equal(b->fill_until, 71 * CHECKPOINT_INTERVAL);
    backup_test_free(&t);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_listed_behind_a_cut_is_written_again, setup_durable,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_primary_that_shows_many_batches_fills_no_disk, setup_durable,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_parting_that_shows_a_later_checkpoint_goes_to_own_e, setup_durable,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_resumed_cluster_fills_to_where_its_logs_are_whole, setup_durable,
                                        teardown),
        T(the_last_checkpoint_goes_to_own_p_and_c),
        T(the_last_checkpoint_is_sent_again_to_who_is_in_no_view),
        T(backups_are_the_administrator_s),
        T(a_request_fills_up_to_checkpoints_so_many_times),
        T(checkpoints_are_handed_on_without_haste),
        T(near_the_end_of_the_window_they_are_handed_on_at_once),
        T(without_other_work_a_timer_hands_them_on),
        T(what_is_stable_for_own_e_still_goes_to_own_p_and_c),
        T(a_link_queues_only_so_many_checkpoints),
        T(own_e_is_told_to_go_on_with_its_checkpoint_only_when_idle),
        T(a_word_to_own_e_that_was_lost_is_said_again),
        T(checkpoints_that_were_handed_on_leave_no_memory_behind),
        T(forged_checkpoints_do_not_keep_true_ones_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
