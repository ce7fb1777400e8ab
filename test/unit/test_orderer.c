/*
 * Hybster's orderer, with real counters: votes in order, quorums, what a VIEW-CHANGE must show, what a NEW-VIEW may say; and for each
 * the twin that is refused.
 */
#include "testing.h"

#include "counter/trinx.h"
#include "orderers.h"

static struct orderers *o;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(crypto_start(), 0);
    o = orderers_new(3);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    orderers_free(o);
    return 0;
}

static bool same(slot_no slot, replica_id a, replica_id b)
{
    return orderers_committed(o, a, slot) &&
           digest_equal(&o->at[a].committed[slot], &o->at[b].committed[slot]);
}

static struct slice copy_of(const struct orderers_frame *sent)
{
    static uint8_t bytes[FRAME_MAX];
    assert_non_null(sent);
    memcpy(bytes, sent->data, sent->len);
    return (struct slice){bytes, sent->len};
}

/* --- the normal case --------------------------------------------------------------------------------------------- */

static void three_slots_are_final_everywhere(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    for (slot_no slot = 1; slot <= 3; slot++)
        assert_true(same(slot, 0, 1) && same(slot, 0, 2));
    assert_verdict(orderers_propose(o, 1), UNEXPECTED); /* no leader */
}

static bool drop_all(const struct orderers_frame *sent, replica_id to)
{
    (void)sent;
    (void)to;
    return true;
}

/* Each byte of a PREPARE turned over: nothing is committed to. */
static void a_tampered_prepare_is_not_voted_for(void **state)
{
    (void)state;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    const struct orderers_frame *prepare = orderers_last(o, 0, FRAME_HYBSTER_PREPARE);
    for (size_t at = 0; at < prepare->len; at++) {
        struct slice bad = copy_of(prepare);
        ((uint8_t *)(uintptr_t)bad.data)[at] ^= 0x10;
        (void)orderers_give(o, 1, bad);
        assert_false(orderers_committed(o, 1, 1));
        assert_null(orderers_last(o, 1, FRAME_HYBSTER_COMMIT));
    }
    assert_verdict(orderers_give(o, 1, copy_of(prepare)), ACCEPT);
    assert_true(orderers_committed(o, 1, 1));
}

static void a_tampered_commit_does_not_count(void **state)
{
    (void)state;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    assert_verdict(orderers_give(o, 1, copy_of(orderers_last(o, 0, FRAME_HYBSTER_PREPARE))), ACCEPT);
    const struct orderers_frame *commit = orderers_last(o, 1, FRAME_HYBSTER_COMMIT);
    for (size_t at = 0; at < commit->len; at++) {
        struct slice bad = copy_of(commit);
        ((uint8_t *)(uintptr_t)bad.data)[at] ^= 1;
        (void)orderers_give(o, 0, bad);
        assert_false(orderers_committed(o, 0, 1));
    }
    assert_verdict(orderers_give(o, 0, copy_of(commit)), ACCEPT);
    assert_true(orderers_committed(o, 0, 1));
    assert_verdict(orderers_give(o, 0, copy_of(commit)), DUPLICATE);
}

static void nobody_votes_across_a_gap(void **state)
{
    (void)state;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    struct slice first = orderers_slice(orderers_last(o, 0, FRAME_HYBSTER_PREPARE));
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    struct slice second = orderers_slice(orderers_last(o, 0, FRAME_HYBSTER_PREPARE));
    assert_verdict(orderers_give(o, 1, second), ACCEPT);
    assert_null(orderers_last(o, 1, FRAME_HYBSTER_COMMIT));
    assert_verdict(orderers_give(o, 1, first), ACCEPT);
    assert_true(orderers_committed(o, 1, 1) && orderers_committed(o, 1, 2));
}

static void a_slot_beyond_the_window_is_early_until_a_checkpoint_is_stable(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WINDOW; i++)
        assert_verdict(orderers_propose(o, 0), ACCEPT);
    assert_verdict(orderers_propose(o, 0), EARLY);
    orderers_run(o);
    orderers_checkpoint(o, 1, CHECKPOINT_INTERVAL);
    assert_verdict(orderers_propose(o, 0), EARLY); /* one is no certificate */
    orderers_checkpoint(o, 2, CHECKPOINT_INTERVAL);
    assert_int_equal(orderer_stable(orderers_at(o, 2)), CHECKPOINT_INTERVAL);
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    assert_true(same(WINDOW + 1, 1, 2));
}

/* Somebody who got nothing of the view is shown what is final. */
static void a_certificate_stands_for_the_votes(void **state)
{
    (void)state;
    o->down = 4;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    o->down = 0;
    const struct orderers_frame *shown = orderers_last(o, 1, FRAME_HYBSTER_COMMITTED);
    for (size_t at = FRAME_HEADER_BYTES; at < shown->len; at++) { /* who hands it on does not matter */
        struct slice bad = copy_of(shown);
        ((uint8_t *)(uintptr_t)bad.data)[at] ^= 4;
        (void)orderers_give(o, 2, bad);
        assert_false(orderers_committed(o, 2, 1) || orderers_committed(o, 2, 2));
    }
    assert_verdict(orderers_give(o, 2, orderers_slice(shown)), ACCEPT);
    assert_true(same(2, 1, 2) && !orderers_committed(o, 2, 1));
    assert_null(orderers_last(o, 2, FRAME_HYBSTER_COMMIT)); /* there is a gap below */
}

static void a_certificate_without_enough_votes_is_none(void **state)
{
    (void)state;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    o->down = 4;
    orderers_run(o);
    const struct orderers_frame *shown = orderers_last(o, 1, FRAME_HYBSTER_COMMITTED);
    struct hybster_committed c;
    uint8_t body[512], bytes[1024];
    assert_true(hybster_committed_decode(shown->frame.body, &c));
    for (int twin = 0; twin < 2; twin++) {
        struct hybster_committed bare = c;
        struct writer w = writer_to(body, sizeof body);
        if (twin == 0)
            bare.commits.len = 0;
        hybster_committed_put(&w, &bare);
        size_t len = frame_encode(bytes, sizeof bytes, FRAME_HYBSTER_COMMITTED, &shown->frame.sender,
                                  AUTH_NONE, (struct slice){body, w.len}, SLICE_NONE, SLICE_NONE);
        assert_int_equal(orderers_give(o, 2, (struct slice){bytes, len}),
                         twin ? VERDICT_ACCEPT : VERDICT_MISMATCH);
        assert_int_equal(orderers_committed(o, 2, 1), twin);
    }
}

static void an_answer_that_was_not_asked_for_is_refused(void **state)
{
    (void)state;
    uint8_t body[64], bytes[256];
    struct writer w = writer_to(body, sizeof body);
    local_counted_put(&w, &(struct local_counted){.number = 1});
    struct sender n = {KIND_COUNTER, 0, 1};
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_LOCAL_COUNTED, &n, AUTH_NONE,
                              (struct slice){body, w.len}, SLICE_NONE, SLICE_NONE);
    assert_verdict(orderers_give(o, 0, (struct slice){bytes, len}), UNEXPECTED);
}

/* --- views ------------------------------------------------------------------------------------------------------------ */

static void one_alone_changes_no_view(void **state)
{
    (void)state;
    assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
    orderers_run(o);
    for (replica_id r = 0; r < 3; r++)
        assert_true(orderers_at(o, r)->in_view && orderers_at(o, r)->view == 0);
    assert_verdict(orderers_propose(o, 0), ACCEPT); /* and the view goes on */
    orderers_run(o);
    assert_true(same(1, 1, 2));
    assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
    orderers_run(o);
    for (replica_id r = 0; r < 3; r++)
        assert_true(orderers_at(o, r)->in_view && orderers_at(o, r)->view == 1);
}

static bool only_replica_1(const struct orderers_frame *sent, replica_id to)
{
    return sent->frame.type != FRAME_HYBSTER_PREPARE || sent->from != 0 || to != 1;
}

/* Slot 1 became final at replica 1 alone; then the leader is gone. */
static void what_is_final_anywhere_stays(void **state)
{
    (void)state;
    o->drop = only_replica_1;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    o->drop = NULL;
    assert_true(orderers_committed(o, 1, 1) && !orderers_committed(o, 2, 1));
    o->down = 1;
    assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
    assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
    orderers_run(o);
    assert_true(orderers_at(o, 1)->in_view && orderers_at(o, 2)->in_view);
    assert_int_equal(orderers_at(o, 2)->view, 1);
    assert_int_equal(orderers_at(o, 1)->core.count, 1);
    assert_true(same(1, 1, 2));
    assert_verdict(orderers_propose(o, 1), ACCEPT);
    orderers_run(o);
    assert_true(same(2, 1, 2));
}

/* Replica 0 voted for slot 1, as leader, and leaves it out of its VIEW-CHANGE: with its counter's word for how far it voted
 * nobody makes a NEW-VIEW of that. The twin shows it, and the leader goes on. */
static void votes_cannot_be_left_out(void **state)
{
    (void)state;
    for (int honest = 0; honest < 2; honest++) {
        if (honest) {
            orderers_free(o);
            o = orderers_new(3);
        }
        o->drop = only_replica_1;
        assert_verdict(orderers_propose(o, 0), ACCEPT);
        orderers_run(o);
        o->drop = NULL;
        o->down = 2; /* the only other one that knows of it */
        if (!honest)
            orderers_at(o, 0)->slot[1].prepared = false;
        assert_verdict(orderers_leave(o, 0, 2), ACCEPT);
        assert_verdict(orderers_leave(o, 2, 2), ACCEPT);
        orderers_run(o);
        assert_int_equal(orderers_at(o, 2)->in_view, honest);
        assert_int_equal(orderers_at(o, 2)->view, 2);
        if (honest) {
            assert_int_equal(orderers_at(o, 2)->core.count, 1);
            assert_true(same(1, 1, 2));
        }
    }
}

/* Of replicas 1 and 2, which would leave; taken before one of them leaves and hands on the other's. */
static void exchange_suspects(void)
{
    const struct orderers_frame *first = orderers_last(o, 1, FRAME_HYBSTER_SUSPECT);
    const struct orderers_frame *second = orderers_last(o, 2, FRAME_HYBSTER_SUSPECT);
    assert_true(first && second);
    assert_verdict(orderers_give(o, 1, orderers_slice(second)), ACCEPT);
    assert_verdict(orderers_give(o, 2, orderers_slice(first)), ACCEPT);
}

/* Everybody left for view 2 before NEW-VIEW(1) arrives: it is built on all the same. */
static void a_new_view_that_comes_late_is_the_base(void **state)
{
    (void)state;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    o->down = 1;
    o->drop = NULL;
    assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
    assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
    /* Replica 1 makes NEW-VIEW(1); replica 2 has it only when both have left for view 2. */
    exchange_suspects();
    assert_verdict(orderers_give(o, 1, orderers_slice(orderers_last(o, 2, FRAME_HYBSTER_VIEW_CHANGE))),
                   ACCEPT);
    const struct orderers_frame *late = orderers_last(o, 1, FRAME_HYBSTER_NEW_VIEW);
    assert_non_null(late);
    assert_true(orderers_at(o, 1)->in_view);
    for (unsigned i = 0; i < o->frames; i++)
        o->sent[i].done = 7;
    assert_verdict(orderers_leave(o, 1, 2), ACCEPT);
    assert_verdict(orderers_leave(o, 2, 2), ACCEPT);
    orderers_run(o);
    assert_int_equal(orderers_at(o, 2)->view, 2);
    assert_false(
        orderers_at(o, 2)->in_view); /* replica 1 builds on view 1, replica 2 on view 0: no unanimity */
    assert_verdict(orderers_give(o, 2, orderers_slice(late)), ACCEPT);
    assert_int_equal(orderers_at(o, 2)->core.view, 1);
    assert_verdict(orderers_give(o, 2, orderers_slice(orderers_last(o, 1, FRAME_HYBSTER_VIEW_CHANGE))),
                   ACCEPT);
    orderers_run(o);
    assert_true(orderers_at(o, 1)->in_view && orderers_at(o, 2)->in_view);
    assert_int_equal(orderers_at(o, 1)->view, 2);
    assert_int_equal(orderers_at(o, 1)->core.count, 1);
}

static void a_tampered_new_view_is_refused(void **state)
{
    (void)state;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    o->down = 1 | 4;
    o->drop = NULL;
    assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
    assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
    exchange_suspects();
    assert_verdict(orderers_give(o, 1, orderers_slice(orderers_last(o, 2, FRAME_HYBSTER_VIEW_CHANGE))),
                   ACCEPT);
    const struct orderers_frame *nv = orderers_last(o, 1, FRAME_HYBSTER_NEW_VIEW);
    assert_non_null(nv);
    for (size_t at = 0; at < nv->len; at++) {
        struct slice bad = copy_of(nv);
        ((uint8_t *)(uintptr_t)bad.data)[at] ^= 2;
        (void)orderers_give(o, 2, bad);
        assert_int_equal(orderers_at(o, 2)->core.view, 0);
    }
    assert_verdict(orderers_give(o, 2, orderers_slice(nv)), ACCEPT);
    assert_int_equal(orderers_at(o, 2)->core.view, 1);
    assert_verdict(orderers_give(o, 2, orderers_slice(nv)), STALE);
}

/* Slot 1 is final in view 0; replicas 1 and 2 left for view 1, and all but replica 2's VIEW-CHANGE is there for NEW-VIEW(1). */
static void leave_for_view_1(void)
{
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    o->down = 1 | 4;
    assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
    assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
    exchange_suspects();
}

static const struct orderers_frame *new_view_1(void)
{
    assert_verdict(orderers_give(o, 1, orderers_slice(orderers_last(o, 2, FRAME_HYBSTER_VIEW_CHANGE))),
                   ACCEPT);
    return orderers_last(o, 1, FRAME_HYBSTER_NEW_VIEW);
}

/* A PREPARE [1|1] of replica 1, the leader, with an empty batch of this time. */
static size_t lie_about_slot_1(uint64_t time_us, uint8_t *bytes, size_t cap)
{
    uint8_t list[64], body[64];
    struct writer l = writer_to(list, sizeof list), w = writer_to(body, sizeof body);
    struct hybster_prepare prepare = {.view = 1, .slot = 1};
    struct sender n = orderers_at(o, 1)->counter;
    struct counter_command command = {
        .kind = TRINX_INDEPENDENT, .counter = COUNTER_ORDER, .view = 1, .order = 1};
    struct counter_made made;
    put_u64(&l, time_us);
    batch_digest(&prepare.batch, (struct slice){list, l.len});
    hybster_prepare_put(&w, &prepare);
    prepare_content(orderers_at(o, 1), 1, 1, &prepare.batch, n.epoch, &command.digest);
    assert_verdict(orderers_certify(o, 1, &command, &made), ACCEPT);
    return frame_encode(bytes, cap, FRAME_HYBSTER_PREPARE, &n, AUTH_COUNTER, (struct slice){body, w.len},
                        (struct slice){made.mac.bytes, sizeof made.mac.bytes}, (struct slice){list, l.len});
}

/* The leader's counter certifies another batch for a slot of its own core: ORDER and CORE are two counters. Nobody votes for it; nor, in the twin,
 * for nothing. */
static void a_follower_votes_for_the_cores_batch_only(void **state)
{
    (void)state;
    uint8_t lie[512];
    for (int honest = 0; honest < 2; honest++) {
        if (honest) {
            orderers_free(o);
            o = orderers_new(3);
        }
        leave_for_view_1();
        size_t len = honest ? 0 : lie_about_slot_1(o->now_us + 7, lie, sizeof lie);
        assert_verdict(orderers_give(o, 2, orderers_slice(new_view_1())), ACCEPT);
        assert_int_equal(orderers_at(o, 2)->core.count, 1);
        if (honest)
            assert_verdict(orderers_give(o, 2, orderers_slice(orderers_last(o, 1, FRAME_HYBSTER_PREPARE))),
                           ACCEPT);
        else
            assert_verdict(orderers_give(o, 2, (struct slice){lie, len}), MISMATCH);
        struct hybster_commit vote;
        const struct orderers_frame *commit = orderers_last(o, 2, FRAME_HYBSTER_COMMIT);
        assert_true(commit && hybster_commit_decode(commit->frame.body, &vote));
        assert_int_equal(vote.view, honest); /* else the one of view 0 is its last */
        assert_int_equal(orderers_at(o, 2)->slot[1].prepared, honest);
    }
}

/* As its check above, at the vote: whatever way such a PREPARE came in. */
static void what_contradicts_the_core_is_not_voted_for_either(void **state)
{
    (void)state;
    leave_for_view_1();
    assert_verdict(orderers_give(o, 2, orderers_slice(new_view_1())), ACCEPT);
    struct hyb_slot *s = orderer_slot(orderers_at(o, 2), 1);
    s->prepared = true;
    s->batch = (struct digest){{9}};
    commit_vote(orderers_at(o, 2));
    assert_int_equal(orderers_at(o, 2)->asked[0], 0);
    s->batch = *core_at(&orderers_at(o, 2)->core, 1);
    commit_vote(orderers_at(o, 2));
    assert_int_equal(orderers_at(o, 2)->asked[0], 1);
}

/* NEW-VIEW(1) counts with an Independent certificate on CORE of just [1|0]. The counter gives that once; with whatever else it gives for
 * the same content, it is refused. */
static void there_is_one_core_per_view(void **state)
{
    (void)state;
    leave_for_view_1();
    const struct orderers_frame *nv = new_view_1();
    struct counter_command again = {
        .kind = TRINX_INDEPENDENT, .counter = COUNTER_CORE, .view = 1, .order = 0};
    struct counter_command other[] = {
        {.kind = TRINX_CONTINUING, .counter = COUNTER_CORE, .view = 1, .order = 0},
        {.kind = TRINX_MAC},
        {.kind = TRINX_INDEPENDENT, .counter = COUNTER_CORE, .view = 1, .order = 1},
        {.kind = TRINX_INDEPENDENT, .counter = COUNTER_ORDER, .view = 2, .order = 0},
    };
    struct counter_made made;
    orderer_content(orderers_at(o, 1), FRAME_HYBSTER_NEW_VIEW, &nv->frame.sender, nv->frame.body,
                    &again.digest);
    assert_verdict(orderers_certify(o, 1, &again, &made), STALE);
    for (unsigned i = 0; i < sizeof other / sizeof *other; i++) {
        struct slice bad = copy_of(nv);
        other[i].digest = again.digest;
        assert_verdict(orderers_certify(o, 1, &other[i], &made), ACCEPT);
        memcpy((uint8_t *)(uintptr_t)bad.data + (nv->frame.auth.data - nv->data), made.mac.bytes,
               sizeof made.mac.bytes);
        (void)orderers_give(o, 2, bad);
        assert_int_equal(orderers_at(o, 2)->core.view, 0);
    }
    assert_verdict(orderers_give(o, 2, orderers_slice(nv)), ACCEPT);
    assert_int_equal(orderers_at(o, 2)->core.view, 1);
}

/* --- configurations ------------------------------------------------------------------------------------------------- */

#define NEXT                                                                                                 \
    ((view_no)1 << 32) /* the first view of configuration 2; replica 1 leads it, replica 2 the one above */

/* Replica 2 began anew, and a RECONFIG names what it is now. */
static void renew_replica_2(void)
{
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    orderers_restart(o, 2);
    for (unsigned i = 0; i < o->frames; i++)
        o->sent[i].done = 7;
    struct slice configuration = orderers_configuration(o, 2, false);
    for (replica_id r = 0; r < 3; r++) {
        assert_verdict(orderers_give(o, r, configuration), ACCEPT);
        assert_verdict(orderers_give(o, r, configuration), DUPLICATE);
        assert_int_equal(orderer_stable(orderers_at(o, r)), CHECKPOINT_INTERVAL);
    }
}

static void leave_for(view_no view)
{
    assert_verdict(orderers_leave(o, 0, view), ACCEPT);
    assert_verdict(orderers_leave(o, 1, view), ACCEPT);
    orderers_run(o);
}

/* Who began anew is told what is final, and says nothing: its counter is not listed. */
static void a_learner_learns(void **state)
{
    (void)state;
    orderers_restart(o, 2);
    assert_false(orderers_at(o, 2)->in_view);
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    assert_true(same(1, 0, 2));
    assert_verdict(orderers_leave(o, 2, 1), EARLY);
    leave_for(1);
    assert_true(orderers_at(o, 0)->in_view && orderers_at(o, 1)->in_view);
    assert_int_equal(orderers_at(o, 2)->core.view, 1);
    assert_false(orderers_at(o, 2)->in_view);
    assert_null(orderers_last(o, 2, FRAME_HYBSTER_COMMIT));
    assert_null(orderers_last(o, 2, FRAME_HYBSTER_VIEW_CHANGE));
    assert_int_not_equal(orderers_last(o, 2, FRAME_HYBSTER_SUSPECT)->frame.sender.id, 2); /* handed on */
    assert_verdict(orderers_propose(o, 1), ACCEPT);
    orderers_run(o);
    assert_true(same(2, 0, 2));
}

/* Each byte of a CONFIGURATION turned over: nobody comes to another number by it. */
static void a_tampered_configuration_changes_nothing(void **state)
{
    (void)state;
    static uint8_t bad[8192];
    struct frame frame;
    struct slice good = orderers_configuration(o, 2, true);
    assert_true(frame_decode(good.data, good.len, &frame));
    for (size_t at = 0; at < frame.body.len; at++) {
        memcpy(bad, good.data, good.len);
        bad[(size_t)(frame.body.data - good.data) + at] ^= 4;
        assert_int_not_equal(orderers_give(o, 0, (struct slice){bad, good.len}), VERDICT_ACCEPT);
        assert_int_equal(orderers_at(o, 0)->configuration.number, 1);
    }
    assert_verdict(orderers_give(o, 0, good), ACCEPT);
    assert_int_equal(orderers_at(o, 0)->configuration.number, 2);
    assert_int_equal(configuration_view(&orderers_at(o, 0)->configuration), NEXT);
}

/* Fresh counters count in views of their configuration, above their activation slot; there with half of the votes. */
static void fresh_counters_count_in_later_views_above_their_slot(void **state)
{
    (void)state;
    renew_replica_2();
    assert_false(orderers_at(o, 2)->in_view); /* in view 0 the ones before it count */
    leave_for(NEXT);
    for (replica_id r = 0; r < 3; r++)
        assert_true(orderers_at(o, r)->in_view && orderers_at(o, r)->view == NEXT);
    assert_null(orderers_last(o, 2, FRAME_HYBSTER_VIEW_CHANGE)); /* too early */
    assert_verdict(orderers_propose(o, 1), ACCEPT);
    orderers_run(o);
    assert_true(same(CHECKPOINT_INTERVAL + 1, 0, 2));
    assert_int_equal(orderers_last(o, 2, FRAME_HYBSTER_COMMIT)->frame.sender.epoch, 1); /* of before */
    orderers_checkpoint(o, 3, ORDERERS_ACTIVE);
    o->down = 1;
    assert_verdict(orderers_propose(o, 1), ACCEPT);
    orderers_run(o);
    assert_int_equal(orderers_last(o, 2, FRAME_HYBSTER_COMMIT)->frame.sender.epoch, 2);
    assert_true(same(ORDERERS_ACTIVE + 1, 1, 2));
}

/* What its host may do: asks the counter for a vote all the same. It is not counted up to the activation slot, nor in views of before. */
static enum verdict commit_of_2(view_no view, slot_no slot, const struct digest *batch)
{
    uint8_t body[64], bytes[256];
    struct writer w = writer_to(body, sizeof body);
    struct sender n = orderers_at(o, 2)->counter;
    struct counter_command command = {
        .kind = TRINX_INDEPENDENT, .counter = COUNTER_ORDER, .view = view, .order = slot};
    struct counter_made made;
    hybster_commit_put(&w, &(struct hybster_commit){.view = view, .slot = slot, .batch = *batch});
    orderer_content(orderers_at(o, 2), FRAME_HYBSTER_COMMIT, &n, (struct slice){body, w.len},
                    &command.digest);
    assert_verdict(orderers_certify(o, 2, &command, &made), ACCEPT);
    size_t len =
        frame_encode(bytes, sizeof bytes, FRAME_HYBSTER_COMMIT, &n, AUTH_COUNTER, (struct slice){body, w.len},
                     (struct slice){made.mac.bytes, sizeof made.mac.bytes}, SLICE_NONE);
    return orderers_give(o, 1, (struct slice){bytes, len});
}

static void votes_of_fresh_counters_elsewhere_are_refused(void **state)
{
    (void)state;
    struct digest batch = {{1}};
    renew_replica_2();
    assert_verdict(commit_of_2(0, CHECKPOINT_INTERVAL + 1, &batch), UNKNOWN_SENDER);
    leave_for(NEXT);
    assert_verdict(commit_of_2(NEXT, CHECKPOINT_INTERVAL + 1, &batch), UNKNOWN_SENDER);
    assert_verdict(commit_of_2(NEXT, ORDERERS_ACTIVE, &batch), UNKNOWN_SENDER);
    orderers_checkpoint(o, 3, CHECKPOINT_INTERVAL * 2);
    assert_verdict(commit_of_2(NEXT, ORDERERS_ACTIVE + 1, &batch),
                   ACCEPT); /* the twin: within the window, and it counts */
}

/* A fresh leader begins a view when a checkpoint at its activation slot is stable. One that thinks that it may before is not believed. */
static void a_fresh_leader_needs_its_slot_to_be_stable(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        if (early) {
            orderers_free(o);
            o = orderers_new(3);
        }
        renew_replica_2();
        if (early)
            orderers_at(o, 2)->configuration.member[member_row(KIND_COUNTER)][2].after = 0;
        leave_for(NEXT + 1);
        assert_int_equal(orderers_last(o, 2, FRAME_HYBSTER_NEW_VIEW) != NULL, early);
        for (replica_id r = 0; r < 2; r++)
            assert_int_equal(orderers_at(o, r)->core.view, 0);
        if (early)
            continue;
        orderers_checkpoint(o, 3, ORDERERS_ACTIVE);
        orderers_run(o);
        for (replica_id r = 0; r < 3; r++)
            assert_true(orderers_at(o, r)->in_view && orderers_at(o, r)->view == NEXT + 1);
        assert_int_equal(orderers_at(o, 0)->core.base, ORDERERS_ACTIVE);
    }
}

static void change_take(struct kept *to, const struct kept *from)
{
    to->view = from->view;
    to->from = from->from;
    to->len = from->len;
    memcpy(to->frame, from->frame, from->len);
}

/* It makes one of the others' VIEW-CHANGEs alone, which are from below its slot. In the twin it has no such slot. */
static void a_fresh_leader_may_not_leave_itself_out(void **state)
{
    (void)state;
    renew_replica_2();
    leave_for(NEXT + 1);
    struct orderer *leader = orderers_at(o, 2);
    change_take(&leader->change[2], &leader->change[0]);
    change_take(&leader->change[0], &leader->change[1]);
    leader->change_due = false;
    (void)orderers_leave(o, 2, 1); /* so that it looks */
    const struct orderers_frame *nv = orderers_last(o, 2, FRAME_HYBSTER_NEW_VIEW);
    assert_non_null(nv);
    assert_verdict(orderers_give(o, 0, copy_of(nv)), MISMATCH);
    assert_int_equal(orderers_at(o, 0)->core.view, 0);
    orderers_at(o, 0)->configuration.member[member_row(KIND_COUNTER)][2].after = 0;
    assert_verdict(orderers_give(o, 0, copy_of(nv)), ACCEPT);
    assert_int_equal(orderers_at(o, 0)->core.view, NEXT + 1);
}

/* A counter that was replaced goes on, and its orderer thinks that it counts. Where nothing was replaced it does. */
static void a_counter_that_was_replaced_does_not_count_on(void **state)
{
    (void)state;
    for (int replaced = 0; replaced < 2; replaced++) {
        orderers_free(o);
        o = orderers_new(3);
        struct slice configuration = orderers_configuration(o, replaced ? 2 : 1, true);
        assert_verdict(orderers_give(o, 0, configuration), ACCEPT);
        assert_verdict(orderers_give(o, 1, configuration), ACCEPT);
        assert_verdict(orderers_give(o, 2, configuration), ACCEPT);
        orderers_at(o, 2)->configuration.member[member_row(KIND_COUNTER)][2].since = 0;
        orderers_at(o, 2)->configuration.member[member_row(KIND_COUNTER)][2].epoch = 1;
        assert_verdict(orderers_leave(o, 2, NEXT), ACCEPT);
        assert_int_equal(orderers_give(o, 0, copy_of(orderers_last(o, 2, FRAME_HYBSTER_SUSPECT))),
                         replaced ? VERDICT_UNKNOWN_SENDER : VERDICT_ACCEPT);
    }
}

/* Whose counters those of a later configuration are must be known first; and a NEW-VIEW of an earlier one that comes late is built on. */
static void a_view_of_a_configuration_that_is_not_known_is_early(void **state)
{
    (void)state;
    struct slice configuration = orderers_configuration(o, 0, true);
    assert_verdict(orderers_leave(o, 1, NEXT), EARLY);
    leave_for_view_1();
    const struct orderers_frame *late = new_view_1();
    for (unsigned i = 0; i < o->frames; i++)
        o->sent[i].done = 7;
    assert_verdict(orderers_give(o, 1, configuration), ACCEPT);
    assert_verdict(orderers_leave(o, 1, NEXT), ACCEPT);
    struct slice suspect = orderers_slice(orderers_last(o, 1, FRAME_HYBSTER_SUSPECT));
    assert_verdict(orderers_give(o, 2, suspect), UNKNOWN_SENDER);
    assert_verdict(orderers_give(o, 2, configuration), ACCEPT);
    assert_verdict(orderers_give(o, 2, suspect), ACCEPT);
    assert_verdict(orderers_leave(o, 2, NEXT), ACCEPT);
    o->down = 1;
    orderers_run(o); /* replica 0 is gone, replica 1 builds on view 1, which replica 2 has not accepted */
    assert_int_equal(orderers_at(o, 1)->core.view, 1);
    assert_int_equal(orderers_at(o, 2)->core.view, 0);
    assert_int_equal(orderers_at(o, 2)->view, NEXT);
    assert_verdict(orderers_give(o, 2, orderers_slice(late)), ACCEPT);
    assert_int_equal(orderers_at(o, 2)->core.view, 1);
    orderers_run(o);
    for (replica_id r = 1; r < 3; r++)
        assert_true(orderers_at(o, r)->in_view && orderers_at(o, r)->core.view == NEXT);
}

/* With f = 2 a batch needs three. */
static void a_quorum_of_five_is_three(void **state)
{
    (void)state;
    orderers_free(o);
    o = orderers_new(5);
    o->down = 4 | 8 | 16;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    assert_false(orderers_committed(o, 0, 1) || orderers_committed(o, 1, 1));
    o->down = 8 | 16;
    orderers_run(o);
    for (replica_id r = 0; r < 3; r++)
        assert_true(orderers_committed(o, r, 1));
}

/* Fifty views fail; what is sent for the last is no larger than for the first. */
static void failed_views_leave_nothing_behind(void **state)
{
    (void)state;
    size_t first = 0;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    for (view_no view = 1; view <= 50; view++) {
        o->drop = drop_all;
        o->down = 0;
        assert_verdict(orderers_leave(o, 1, view), ACCEPT);
        assert_verdict(orderers_leave(o, 2, view), ACCEPT);
        exchange_suspects();
        size_t len = orderers_last(o, 2, FRAME_HYBSTER_VIEW_CHANGE)->len;
        first = first ? first : len;
        assert_int_equal(len, first);
    }
    assert_int_equal(orderers_at(o, 1)->view, 50);
    assert_int_equal(orderers_at(o, 1)->core.view, 0);
    o->drop = NULL;
    orderers_run(o);
    for (replica_id r = 0; r < 3; r++)
        assert_true(orderers_at(o, r)->in_view && orderers_at(o, r)->core.view == 50);
    assert_int_equal(orderers_at(o, 2)->core.count, 1);
}

/* --- while a counter has not answered yet ------------------------------------------------------------------------------- */

static struct slice with_another_mac(const struct orderers_frame *sent)
{
    struct slice bad = copy_of(sent);
    ((uint8_t *)(uintptr_t)bad.data)[sent->frame.auth.data - sent->data] ^= 1;
    return bad;
}

/* A NEW-VIEW that anybody made up does not keep the true one waiting. */
static void a_forged_new_view_takes_no_place(void **state)
{
    (void)state;
    leave_for_view_1();
    const struct orderers_frame *nv = new_view_1();
    o->hold = 4;
    assert_verdict(orderers_give(o, 2, with_another_mac(nv)), ACCEPT);
    assert_verdict(orderers_give(o, 2, with_another_mac(nv)), DUPLICATE);
    assert_verdict(orderers_give(o, 2, orderers_slice(nv)), ACCEPT);
    assert_verdict(orderers_give(o, 2, orderers_slice(nv)), DUPLICATE);
    orderers_answer(o, 2);
    assert_int_equal(orderers_at(o, 2)->core.view, 0);
    orderers_answer(o, 2);
    assert_int_equal(orderers_at(o, 2)->core.view, 1);
}

static void the_own_new_view_waits_for_no_other(void **state)
{
    (void)state;
    leave_for_view_1();
    for (unsigned i = 0; i < CANDIDATES; i++)
        orderers_at(o, 1)->candidate[i].busy = true;
    assert_non_null(new_view_1());
    assert_int_equal(orderers_at(o, 1)->core.view, 1);
}

/* One COMMIT of a replica, and one COMMITTED, is looked at at a time, for each slot. */
static void one_of_each_is_looked_at(void **state)
{
    (void)state;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    assert_verdict(orderers_give(o, 1, orderers_slice(orderers_last(o, 0, FRAME_HYBSTER_PREPARE))), ACCEPT);
    struct slice commit = orderers_slice(orderers_last(o, 1, FRAME_HYBSTER_COMMIT));
    struct slice committed = orderers_slice(orderers_last(o, 1, FRAME_HYBSTER_COMMITTED));
    o->hold = 1 | 4;
    assert_verdict(orderers_give(o, 0, with_another_mac(orderers_last(o, 1, FRAME_HYBSTER_COMMIT))), ACCEPT);
    assert_verdict(orderers_give(o, 0, commit), DUPLICATE);
    orderers_answer(o, 0);
    assert_verdict(orderers_give(o, 0, commit), ACCEPT);
    orderers_answer(o, 0);
    assert_true(orderers_committed(o, 0, 1));
    assert_verdict(orderers_give(o, 2, committed), ACCEPT);
    assert_verdict(orderers_give(o, 2, committed), DUPLICATE);
    orderers_answer(o, 2);
    assert_true(same(1, 1, 2));
}

/* Who leaves while its counter certifies a vote waits for that: the counter has it, and it must be shown. */
static void a_vote_under_way_is_shown(void **state)
{
    (void)state;
    struct hybster_view_change vc;
    assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
    assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
    o->hold = 1;
    assert_verdict(orderers_give(o, 0, orderers_slice(orderers_last(o, 1, FRAME_HYBSTER_SUSPECT))), ACCEPT);
    assert_verdict(orderers_give(o, 0, orderers_slice(orderers_last(o, 2, FRAME_HYBSTER_SUSPECT))), ACCEPT);
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_answer(o, 0);
    orderers_answer(o, 0);
    assert_int_equal(orderers_at(o, 0)->view, 1);
    assert_int_equal(o->at[0].held_count, 1); /* the PREPARE, and nothing else yet */
    orderers_answer(o, 0);
    assert_null(orderers_last(o, 0, FRAME_HYBSTER_VIEW_CHANGE));
    orderers_answer(o, 0);
    const struct orderers_frame *change = orderers_last(o, 0, FRAME_HYBSTER_VIEW_CHANGE);
    assert_true(change && hybster_view_change_decode(change->frame.body, &vc));
    assert_int_equal(hybster_shown_count(vc.prepares), 1);
}

/* --- what only a faulty replica does ---------------------------------------------------------------------------------- */

/* A PREPARE that was not voted for is not shown: nobody else may be able to have what it lists. */
static void what_was_not_voted_for_is_not_shown(void **state)
{
    (void)state;
    struct hybster_view_change vc;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    assert_verdict(orderers_give(o, 1, orderers_slice(orderers_last(o, 0, FRAME_HYBSTER_PREPARE))), ACCEPT);
    assert_true(orderers_at(o, 1)->slot[2].prepared);
    orderers_at(o, 1)->slot[1] = (struct hyb_slot){
        .slot = 1, .prepared = true, .batch = {{1}}, .list = orderers_at(o, 1)->slot[1].list};
    o->down = 1;
    assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
    assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
    orderers_run(o);
    const struct orderers_frame *change = orderers_last(o, 1, FRAME_HYBSTER_VIEW_CHANGE);
    assert_true(change && hybster_view_change_decode(change->frame.body, &vc));
    assert_int_equal(hybster_shown_count(vc.prepares), 0);
}

/* The new leader shows a PREPARE that the one before never certified. The twin shows none, and is followed. */
static void a_prepare_without_a_certificate_is_not_built_on(void **state)
{
    (void)state;
    for (int honest = 0; honest < 2; honest++) {
        if (honest) {
            orderers_free(o);
            o = orderers_new(3);
        }
        struct hyb_slot *s = orderer_slot(orderers_at(o, 1), 1);
        s->prepared = s->asked = !honest;
        s->batch = (struct digest){{9}};
        s->epoch = 1;
        o->down = 1 | 4;
        assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
        assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
        exchange_suspects();
        const struct orderers_frame *nv = new_view_1();
        assert_non_null(nv);
        assert_int_equal(orderers_at(o, 1)->core.count, !honest);
        assert_verdict(orderers_give(o, 2, orderers_slice(nv)), ACCEPT);
        assert_int_equal(orderers_at(o, 2)->core.view, honest);
    }
}

/* The same NEW-VIEW, said by a replica that does not lead there, with its own counter's word. */
static void who_does_not_lead_begins_no_view(void **state)
{
    (void)state;
    uint8_t bytes[8192];
    leave_for_view_1();
    const struct orderers_frame *nv = new_view_1();
    struct sender n = orderers_at(o, 0)->counter;
    struct counter_command command = {
        .kind = TRINX_INDEPENDENT, .counter = COUNTER_CORE, .view = 1, .order = 0};
    struct counter_made made;
    orderer_content(orderers_at(o, 0), FRAME_HYBSTER_NEW_VIEW, &n, nv->frame.body, &command.digest);
    assert_verdict(orderers_certify(o, 0, &command, &made), ACCEPT);
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_HYBSTER_NEW_VIEW, &n, AUTH_COUNTER, nv->frame.body,
                              (struct slice){made.mac.bytes, sizeof made.mac.bytes}, nv->frame.attachment);
    assert_true(len > 0);
    assert_verdict(orderers_give(o, 2, (struct slice){bytes, len}), UNEXPECTED);
    assert_int_equal(orderers_at(o, 2)->core.view, 0);
    assert_verdict(orderers_give(o, 2, orderers_slice(nv)), ACCEPT);
    assert_int_equal(orderers_at(o, 2)->core.view, 1);
}

/* A leader that takes its own VIEW-CHANGE for two. */
static void one_view_change_twice_is_no_quorum(void **state)
{
    (void)state;
    leave_for_view_1();
    change_take(&orderers_at(o, 1)->change[2], &orderers_at(o, 1)->change[1]);
    (void)orderers_give(o, 1, orderers_slice(orderers_last(o, 2, FRAME_HYBSTER_SUSPECT)));
    const struct orderers_frame *nv = orderers_last(o, 1, FRAME_HYBSTER_NEW_VIEW);
    assert_non_null(nv);
    assert_verdict(orderers_give(o, 2, orderers_slice(nv)), DUPLICATE);
    assert_int_equal(orderers_at(o, 2)->core.view, 0);
}

static void a_forged_view_change_is_not_kept(void **state)
{
    (void)state;
    leave_for_view_1();
    assert_verdict(orderers_give(o, 1, with_another_mac(orderers_last(o, 2, FRAME_HYBSTER_VIEW_CHANGE))),
                   ACCEPT); /* its counter is asked */
    assert_null(orderers_last(o, 1, FRAME_HYBSTER_NEW_VIEW));
    assert_int_equal(orderers_at(o, 1)->change[2].view, 0);
    assert_non_null(new_view_1());
}

/* --- pillars ---------------------------------------------------------------------------------------------------------- */

static int setup_pillars(void **state)
{
    (void)state;
    assert_int_equal(crypto_start(), 0);
    o = orderers_with_pillars(3, 2);
    return 0;
}

/* Slot 2 is of one pillar, 1 and 3 are of the other: no vote waits for what is not of its own. */
static void a_pillar_waits_for_itself_only(void **state)
{
    struct slice prepare[4];
    (void)state;
    for (slot_no slot = 1; slot <= 3; slot++) {
        assert_verdict(orderers_propose(o, 0), ACCEPT);
        prepare[slot] = orderers_slice(orderers_last(o, 0, FRAME_HYBSTER_PREPARE));
    }
    assert_verdict(orderers_give(o, 1, prepare[3]), ACCEPT);
    assert_null(orderers_last(o, 1, FRAME_HYBSTER_COMMIT));
    assert_verdict(orderers_give(o, 1, prepare[2]), ACCEPT);
    assert_true(orderers_committed(o, 1, 2) && !orderers_committed(o, 1, 3));
    assert_verdict(orderers_give(o, 1, prepare[1]), ACCEPT);
    assert_true(orderers_committed(o, 1, 1) && orderers_committed(o, 1, 3));
}

/* Replica 0 hides what it voted for in one of the pillars, or nothing. */
static void votes_of_no_pillar_can_be_left_out(void **state)
{
    (void)state;
    for (slot_no hidden = 0; hidden <= 2; hidden++) {
        orderers_free(o);
        o = orderers_with_pillars(3, 2);
        o->drop = only_replica_1;
        for (int i = 0; i < 2; i++)
            assert_verdict(orderers_propose(o, 0), ACCEPT);
        orderers_run(o);
        assert_true(orderers_committed(o, 1, 1) && orderers_committed(o, 1, 2));
        o->drop = NULL;
        o->down = 2; /* the only other one that knows of it */
        if (hidden)
            orderers_at(o, 0)->slot[hidden].prepared = false;
        assert_verdict(orderers_leave(o, 0, 2), ACCEPT);
        assert_verdict(orderers_leave(o, 2, 2), ACCEPT);
        orderers_run(o);
        assert_int_equal(orderers_at(o, 2)->in_view, hidden == 0);
        if (hidden == 0)
            assert_true(same(1, 1, 2) && same(2, 1, 2));
    }
}

/* The VIEW-CHANGE of replica 2 with other parts: those of the pillars named, or none where there is no such. */
static enum verdict with_parts(const uint32_t *pillar, unsigned count)
{
    static uint8_t bytes[65536];
    const struct frame *f = &orderers_last(o, 2, FRAME_HYBSTER_VIEW_CHANGE)->frame;
    uint8_t auth[4 * hybster_continuing_BYTES];
    for (unsigned i = 0; i < count; i++)
        memcpy(auth + i * hybster_continuing_BYTES, f->auth.data + pillar[i] * hybster_continuing_BYTES,
               hybster_continuing_BYTES);
    size_t len = frame_encode(bytes, sizeof bytes, f->type, &f->sender, AUTH_COUNTER, f->body,
                              (struct slice){auth, count * hybster_continuing_BYTES}, SLICE_NONE);
    assert_true(len > 0);
    return orderers_give(o, 1, (struct slice){bytes, len});
}

static void a_view_change_has_a_part_of_each_pillar(void **state)
{
    (void)state;
    leave_for_view_1();
    assert_verdict(with_parts((uint32_t[]){0}, 1), MALFORMED);       /* one is missing */
    assert_verdict(with_parts((uint32_t[]){0, 1, 1}, 3), MALFORMED); /* one too many */
    static const uint32_t wrong[][2] = {{0, 0}, {1, 1}, {1, 0}};     /* doubled, or of another pillar */
    for (unsigned i = 0; i < 3; i++) {
        (void)with_parts(wrong[i],
                         2); /* its counters are asked, or it says that it voted for more than it shows */
        assert_null(orderers_last(o, 1, FRAME_HYBSTER_NEW_VIEW));
        assert_int_equal(orderers_at(o, 1)->change[2].view, 0);
    }
    assert_verdict(with_parts((uint32_t[]){0, 1}, 2), ACCEPT);
    assert_non_null(orderers_last(o, 1, FRAME_HYBSTER_NEW_VIEW));
}

/* What the counter of one pillar says is no vote in another's slot. */
static void a_vote_of_another_pillar_does_not_count(void **state)
{
    (void)state;
    assert_verdict(orderers_propose(o, 0), ACCEPT);
    assert_verdict(orderers_give(o, 1, orderers_slice(orderers_last(o, 0, FRAME_HYBSTER_PREPARE))), ACCEPT);
    const struct orderers_frame *commit = orderers_last(o, 1, FRAME_HYBSTER_COMMIT);
    struct slice bad = copy_of(commit);
    struct counter_command command = {
        .kind = TRINX_INDEPENDENT, .pillar = 0, .counter = COUNTER_ORDER, .order = 1};
    struct counter_made made;
    orderer_content(orderers_at(o, 1), FRAME_HYBSTER_COMMIT, &commit->frame.sender, commit->frame.body,
                    &command.digest);
    assert_verdict(orderers_certify(o, 1, &command, &made), ACCEPT);
    memcpy((uint8_t *)(uintptr_t)bad.data + (commit->frame.auth.data - commit->data), made.mac.bytes,
           sizeof made.mac.bytes);
    (void)orderers_give(o, 0, bad);
    assert_false(orderers_committed(o, 0, 1));
    assert_verdict(orderers_give(o, 0, orderers_slice(commit)), ACCEPT);
    assert_true(orderers_committed(o, 0, 1));
}

/* 0 leads until so many slots are final, then 1 leads without it, and has them all in its core. */
static void second_view_with(uint32_t slots)
{
    for (uint32_t i = 0; i < slots; i++)
        assert_verdict(orderers_propose(o, 0), ACCEPT);
    orderers_run(o);
    for (slot_no slot = 1; slot <= slots; slot++)
        assert_true(orderers_committed(o, 1, slot) && orderers_committed(o, 2, slot));
    o->down = 1;
    assert_verdict(orderers_leave(o, 1, 1), ACCEPT);
    assert_verdict(orderers_leave(o, 2, 1), ACCEPT);
    orderers_run(o);
    assert_int_equal(orderers_at(o, 1)->core.count, slots);
}

/* What was decided goes first in each pillar, then the leader goes on where it ended; and across checkpoints. */
static void a_view_goes_on_in_all_pillars(void **state)
{
    (void)state;
    second_view_with(5);
    while (orderers_at(o, 1)->next_slot <= CHECKPOINT_INTERVAL + 3)
        assert_verdict(orderers_propose(o, 1), ACCEPT);
    orderers_run(o);
    orderers_checkpoint(o, 3, CHECKPOINT_INTERVAL);
    assert_verdict(orderers_propose(o, 1), ACCEPT);
    orderers_run(o);
    for (slot_no slot = 1; slot <= CHECKPOINT_INTERVAL + 4; slot++)
        assert_true(same(slot, 1, 2));
}

/* The time of a batch may run ahead a little, and lag by what a view can take. */
static void a_time_out_of_bounds_is_not_voted_for(void **state)
{
    (void)state;
    const int64_t skew[] = {TIME_AHEAD_MAX_US + 1, TIME_AHEAD_MAX_US, -1000001, -1000000};
    for (int i = 0; i < 4; i++) {
        orderers_free(o);
        o = orderers_new(3);
        o->now_us = 5000000;
        assert_verdict(orderers_propose(o, 0), ACCEPT);
        o->now_us = (uint64_t)(5000000 - skew[i]);
        assert_int_equal(orderers_give(o, 1, orderers_slice(orderers_last(o, 0, FRAME_HYBSTER_PREPARE))),
                         i % 2 ? VERDICT_ACCEPT : VERDICT_MISMATCH);
    }
}

/* Whoever leads does not propose past what the NEW-VIEW decided and has not been proposed anew. */
static void what_was_decided_goes_first(void **state)
{
    (void)state;
    second_view_with(5);
    memset(orderers_at(o, 1)->asked, 0, sizeof orderers_at(o, 1)->asked);
    assert_verdict(orderers_propose(o, 1), EARLY);
}

static void a_full_window_survives_a_view_change(void **state)
{
    (void)state;
    second_view_with(WINDOW);
    orderers_checkpoint(o, 3, CHECKPOINT_INTERVAL);
    for (unsigned i = 0; i < CHECKPOINT_INTERVAL; i++)
        assert_verdict(orderers_propose(o, 1), ACCEPT);
    orderers_run(o);
    for (slot_no slot = CHECKPOINT_INTERVAL + 1; slot <= WINDOW + CHECKPOINT_INTERVAL; slot++)
        assert_true(same(slot, 1, 2));
}

int main(void)
{
#define TEST(name)    cmocka_unit_test_setup_teardown(name, setup, teardown)
#define PILLARS(name) cmocka_unit_test_setup_teardown(name, setup_pillars, teardown)
    const struct CMUnitTest tests[] = {
        TEST(three_slots_are_final_everywhere),
        TEST(a_tampered_prepare_is_not_voted_for),
        TEST(a_tampered_commit_does_not_count),
        TEST(nobody_votes_across_a_gap),
        TEST(a_slot_beyond_the_window_is_early_until_a_checkpoint_is_stable),
        TEST(a_certificate_stands_for_the_votes),
        TEST(a_certificate_without_enough_votes_is_none),
        TEST(an_answer_that_was_not_asked_for_is_refused),
        TEST(one_alone_changes_no_view),
        TEST(what_is_final_anywhere_stays),
        TEST(votes_cannot_be_left_out),
        TEST(a_new_view_that_comes_late_is_the_base),
        TEST(a_tampered_new_view_is_refused),
        TEST(a_follower_votes_for_the_cores_batch_only),
        TEST(what_contradicts_the_core_is_not_voted_for_either),
        TEST(there_is_one_core_per_view),
        TEST(a_learner_learns),
        TEST(a_tampered_configuration_changes_nothing),
        TEST(fresh_counters_count_in_later_views_above_their_slot),
        TEST(votes_of_fresh_counters_elsewhere_are_refused),
        TEST(a_fresh_leader_needs_its_slot_to_be_stable),
        TEST(a_fresh_leader_may_not_leave_itself_out),
        TEST(a_counter_that_was_replaced_does_not_count_on),
        TEST(a_view_of_a_configuration_that_is_not_known_is_early),
        TEST(a_quorum_of_five_is_three),
        TEST(failed_views_leave_nothing_behind),
        TEST(a_forged_new_view_takes_no_place),
        TEST(the_own_new_view_waits_for_no_other),
        TEST(one_of_each_is_looked_at),
        TEST(a_vote_under_way_is_shown),
        TEST(what_was_not_voted_for_is_not_shown),
        TEST(a_prepare_without_a_certificate_is_not_built_on),
        TEST(who_does_not_lead_begins_no_view),
        TEST(one_view_change_twice_is_no_quorum),
        TEST(a_forged_view_change_is_not_kept),
        TEST(a_time_out_of_bounds_is_not_voted_for),
        PILLARS(three_slots_are_final_everywhere),
        PILLARS(a_tampered_prepare_is_not_voted_for),
        PILLARS(a_tampered_commit_does_not_count),
        PILLARS(a_slot_beyond_the_window_is_early_until_a_checkpoint_is_stable),
        PILLARS(what_is_final_anywhere_stays),
        PILLARS(a_new_view_that_comes_late_is_the_base),
        PILLARS(a_tampered_new_view_is_refused),
        PILLARS(there_is_one_core_per_view),
        PILLARS(fresh_counters_count_in_later_views_above_their_slot),
        PILLARS(a_forged_view_change_is_not_kept),
        PILLARS(a_pillar_waits_for_itself_only),
        PILLARS(votes_of_no_pillar_can_be_left_out),
        PILLARS(a_view_change_has_a_part_of_each_pillar),
        PILLARS(a_vote_of_another_pillar_does_not_count),
        PILLARS(a_view_goes_on_in_all_pillars),
        PILLARS(what_was_decided_goes_first),
        PILLARS(a_full_window_survives_a_view_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
