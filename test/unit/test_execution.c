/*
 * Execution: which batch a slot holds, exactly once, replies, sessions, checkpoints. State transfer is in test_state.c.
 */
#include "testing.h"

#include "../../apps/counter/counter.h"
#include "../../apps/counter/counter_codec.h"
#include "cluster.h"

#ifndef APART /* test_execution_apart.c does all of this with services apart */
#define APART 0
#endif

#define E KIND_EXECUTION
#define K CHECKPOINT_INTERVAL

static struct cluster *c;

static int setup(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.apart = APART});
    return 0;
}

static int setup_pbft(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.apart = APART, .protocol = PROTOCOL_PBFT});
    return 0;
}

static int setup_long_results(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.apart = APART, .service_options = "reply_bytes=100"});
    return 0;
}

static int setup_huge_results(void **state)
{
    (void)state;
    c = cluster_new(
        &(struct cluster_options){.apart = APART, .service_options = "reply_bytes=1000000", .origins = 60});
    return 0;
}

static int setup_many_origins(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.apart = APART, .origins = SESSIONS_MAX + 3});
    return 0;
}

/* A counter that notes the places of its operations. */
static struct redoubt_service noting;
static uint32_t noted[256];
static uint32_t notes;

static enum redoubt_status note(void *state, const struct redoubt_op *op, struct redoubt_result *result)
{
    assert_true(notes < 256);
    noted[notes++] = op->index;
    return redoubt_service_counter.execute(state, op, result);
}

static int setup_noting(void **state)
{
    (void)state;
    noting = redoubt_service_counter;
    noting.execute = note;
    notes = 0;
    c = cluster_new(&(struct cluster_options){.apart = APART, .service = &noting});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(c);
    return 0;
}

/* Every operation of a long bundle knows its place. At each of four E. */
static void operations_are_numbered_within_their_batch(void **state)
{
    (void)state;
    struct slice op[40]; /* more than a service is told of in advance */
    for (unsigned i = 0; i < 40; i++)
        op[i] = cluster_op_incr(c, i);
    struct test_bundle *b[2] = {cluster_bundle(c, 0, 1, op, 40, FORM_MACS), cluster_incr(c, 0, 2, 1)};
    cluster_order(c, b, 2);
    assert_int_equal(notes, 4 * 41);
    for (unsigned i = 0; i < notes; i++)
        assert_int_equal(noted[i], i % 41 < 40 ? i % 41 : BUNDLE_OPS_MAX);
}

/* --- to E_1, by hand --------------------------------------------------------------------------------------------- */

static struct slice commit_bytes(replica_id from, view_no view, slot_no slot, const struct digest *batch)
{
    return forge_vote(c, FRAME_COMMIT, from, (struct vote){.view = view, .slot = slot, .batch = *batch}, E, 1,
                      SLICE_NONE);
}

static enum verdict commit(replica_id from, view_no view, slot_no slot, const struct digest *batch)
{
    return cluster_give(c, E, 1, commit_bytes(from, view, slot, batch));
}

static enum verdict executed(replica_id from, slot_no slot, const struct digest *batch)
{
    return cluster_give(
        c, E, 1,
        forge_vote(c, FRAME_EXECUTED, from, (struct vote){.slot = slot, .batch = *batch}, E, 1, SLICE_NONE));
}

static enum verdict give_list(slot_no slot, const struct digest *batch, struct slice list)
{
    struct vote vote = {.slot = slot, .batch = *batch};
    return cluster_give(c, E, 1, cluster_local(c, FRAME_PRE_PREPARE, cluster_body(c, vote, &vote), list));
}

static slot_no at_slot(void)
{
    cluster_flush(c, E, 1);
    return cluster_e(c, 1)->executed;
}

static void commit_all(slot_no slot, const struct digest *batch)
{
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(commit(r, 0, slot, batch), ACCEPT);
}

/* A batch with these bundles, committed and listed at E_1, whose bodies are there. */
static void order_at_1(slot_no slot, struct test_bundle *const bundles[], uint32_t count)
{
    struct digest digest;
    struct slice list = cluster_list(c, c->now_us, bundles, count, &digest);
    for (uint32_t i = 0; i < count; i++)
        (void)cluster_give(c, E, 1, test_bundle_slice(bundles[i]));
    assert_verdict(give_list(slot, &digest, list), ACCEPT);
    commit_all(slot, &digest);
    assert_int_equal(at_slot(), slot);
}

static unsigned needs(unsigned what)
{
    unsigned count = 0;
    for (size_t i = 0; i < c->sent_count; i++) {
        struct local_need need;
        const struct sent *sent = &c->sent[i];
        if (sent->kind == E && sent->replica == 1 && sent->frame.type == FRAME_LOCAL_NEED &&
            local_need_decode(sent->frame.body, &need))
            count += need.what == what;
    }
    return count;
}

static struct opened_reply last_reply(replica_id r)
{
    struct opened_reply opened = {0};
    const struct sent *sent = cluster_last(c, E, r, FRAME_REPLY);
    assert_non_null(sent);
    assert_true(cluster_reply_open(c, sent, &opened));
    return opened;
}

/* --- which batch ------------------------------------------------------------------------------------------------- */

static void a_quorum_of_commits_and_not_one_less(void **state)
{
    (void)state;
    struct digest d;
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    assert_verdict(commit(0, 0, 1, &d), ACCEPT);
    assert_verdict(commit(0, 0, 1, &d), DUPLICATE);
    assert_verdict(commit(2, 0, 1, &d), ACCEPT);
    assert_int_equal(at_slot(), 0);
    assert_verdict(commit(3, 0, 1, &d), ACCEPT);
    assert_int_equal(at_slot(), 1);
    assert_verdict(commit(1, 0, 1, &d), STALE);
}

static void commits_count_by_sender_and_view(void **state)
{
    (void)state;
    struct digest d, other = test_digest(2);
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    assert_verdict(commit(0, 0, 1, &d), ACCEPT);
    assert_verdict(commit(0, 0, 1, &other), EQUIVOCATION);
    assert_verdict(commit(1, 0, 1, &d), ACCEPT);
    assert_verdict(commit(2, 0, 1, &other), ACCEPT);
    assert_verdict(commit(3, 1, 1, &d), ACCEPT); /* of another view */
    assert_int_equal(at_slot(), 0);
    assert_verdict(commit(3, 0, 1, &d), STALE);
    assert_verdict(commit(0, 1, 1, &d), ACCEPT);
    assert_int_equal(at_slot(), 0);
    assert_verdict(commit(1, 1, 1, &d), ACCEPT);
    assert_int_equal(at_slot(), 1);
}

static void every_bit_of_a_commit_counts(void **state)
{
    (void)state;
    struct digest d;
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    assert_verdict(commit(0, 0, 1, &d), ACCEPT);
    assert_verdict(commit(2, 0, 1, &d), ACCEPT);
    struct slice good = commit_bytes(3, 0, 1, &d);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(cluster_give(c, E, 1, good), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < good.len; len++)
        assert_refused(cluster_give(c, E, 1, (struct slice){good.data, len}), len);
    assert_int_equal(at_slot(), 0);
    assert_verdict(cluster_give(c, E, 1, good), ACCEPT);
    assert_int_equal(at_slot(), 1);
}

static void votes_of_other_kinds_do_not_commit(void **state)
{
    (void)state;
    struct digest d;
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    struct vote vote = {.configuration = 1, .slot = 1, .batch = d};
    struct slice body = cluster_body(c, vote, &vote);
    for (replica_id r = 0; r < 4; r++) {
        struct auth *p = cluster_auth(c, KIND_PREPARATION, r);
        assert_verdict(cluster_give(c, E, 1, forge_mac(c, p, FRAME_COMMIT, body, E, 1, SLICE_NONE)),
                       WRONG_KIND);
        assert_verdict(cluster_give(c, E, 1, forge_mac(c, p, FRAME_PREPARE, body, E, 1, SLICE_NONE)),
                       UNEXPECTED);
        struct auth *e = cluster_auth(c, E, r == 1 ? 0 : r);
        assert_verdict(cluster_give(c, E, 1, forge_mac(c, e, FRAME_COMMIT, body, E, 1, SLICE_NONE)),
                       WRONG_KIND);
    }
    assert_int_equal(at_slot(), 0);
}

static void f_plus_1_executed_will_do(void **state)
{
    (void)state;
    struct digest d, other = test_digest(2);
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    assert_verdict(executed(0, 1, &d), ACCEPT);
    assert_verdict(executed(2, 1, &other), ACCEPT);
    assert_int_equal(at_slot(), 0);
    struct slice wrong =
        forge_vote(c, FRAME_EXECUTED, 3, (struct vote){.slot = 1, .batch = d}, E, 2, SLICE_NONE);
    assert_verdict(cluster_give(c, E, 1, wrong), BAD_MAC); /* said to E_2 */
    struct slice good =
        forge_vote(c, FRAME_EXECUTED, 3, (struct vote){.slot = 1, .batch = d}, E, 1, SLICE_NONE);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(cluster_give(c, E, 1, good), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(at_slot(), 0);
    assert_verdict(cluster_give(c, E, 1, good), ACCEPT);
    assert_int_equal(at_slot(), 1);
}

static void one_e_is_no_quorum_however_often_it_speaks(void **state)
{
    (void)state;
    struct digest d;
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    for (unsigned i = 0; i < 5; i++)
        (void)executed(3, 1, &d);
    assert_int_equal(at_slot(), 0);
}

static void slots_are_executed_in_order(void **state)
{
    (void)state;
    struct digest d[3];
    for (unsigned i = 0; i < 3; i++) {
        struct slice list = cluster_list(c, c->now_us + i, NULL, 0, &d[i]);
        assert_verdict(give_list(1 + i, &d[i], list), ACCEPT);
    }
    commit_all(3, &d[2]);
    assert_int_equal(at_slot(), 0);
    commit_all(2, &d[1]);
    assert_int_equal(at_slot(), 0);
    commit_all(1, &d[0]);
    assert_int_equal(at_slot(), 3);
}

static void the_window_has_two_edges(void **state)
{
    (void)state;
    struct digest d = test_digest(1);
    assert_verdict(commit(0, 0, 0, &d), MALFORMED);
    assert_verdict(commit(0, 0, WINDOW, &d), ACCEPT);
    assert_verdict(commit(0, 0, WINDOW + 1, &d), EARLY);
    assert_verdict(commit(0, 0, UINT64_MAX, &d), EARLY);
}

static void nothing_is_executed_beyond_the_window(void **state)
{
    (void)state;
    static struct digest zero;
    for (slot_no slot = 1; slot <= WINDOW; slot++)
        commit_all(slot, &zero);
    assert_int_equal(at_slot(), WINDOW);
    assert_verdict(commit(0, 0, WINDOW + 1, &zero), EARLY);
    struct digest root = test_digest(1); /* whatever it is: 2f+1 say so */
    for (replica_id r = 0; r < 4; r++)
        if (r != 1)
            (void)cluster_give(c, E, 1, forge_checkpoint(c, r, K, &root));
    commit_all(WINDOW + 1, &zero);
    assert_int_equal(at_slot(), WINDOW + 1);
}

static void in_one_domain_the_neighbour_is_believed(void **state)
{
    (void)state;
    struct digest d;
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    struct vote vote = {.configuration = 1, .slot = 1, .batch = d};
    struct slice own = forge_plain(c, cluster_auth(c, KIND_CONFIRMATION, 1), FRAME_COMMIT,
                                   cluster_body(c, vote, &vote), SLICE_NONE);
    struct slice other = forge_plain(c, cluster_auth(c, KIND_CONFIRMATION, 2), FRAME_COMMIT,
                                     cluster_body(c, vote, &vote), SLICE_NONE);
    assert_verdict(cluster_give(c, E, 1, own), BAD_MAC);
    assert_verdict(cluster_give_local(c, E, 1, other), BAD_MAC);
    assert_verdict(cluster_give_local(c, E, 1, own), ACCEPT);
    assert_verdict(commit(0, 0, 1, &d), ACCEPT);
    assert_int_equal(at_slot(), 0);
    assert_verdict(commit(3, 0, 1, &d), ACCEPT);
    assert_int_equal(at_slot(), 1);
}

/* --- lists and bodies -------------------------------------------------------------------------------------------- */

static void what_is_missing_is_asked_for(void **state)
{
    (void)state;
    struct test_bundle *b[2] = {cluster_incr(c, 0, 1, 5), cluster_incr(c, 3, 1, 7)};
    struct digest d;
    struct slice list = cluster_list(c, c->now_us, b, 2, &d);
    commit_all(1, &d);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(at_slot(), 0);
    assert_int_equal(needs(FETCH_BATCH), 1); /* said once */
    assert_int_equal(needs(FETCH_BUNDLE), 0);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(at_slot(), 0);
    assert_int_equal(needs(FETCH_BUNDLE), 2);
    assert_verdict(cluster_give(c, E, 1, test_bundle_slice(b[1])), ACCEPT);
    assert_int_equal(at_slot(), 0);
    assert_verdict(cluster_give(c, E, 1, test_bundle_slice(b[0])), ACCEPT);
    assert_int_equal(at_slot(), 1);
    assert_int_equal(cluster_counter(c, 1), 12);
}

static void a_list_is_believed_by_its_digest(void **state)
{
    (void)state;
    struct digest d, other;
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &d),
                 another = cluster_list(c, c->now_us + 1, NULL, 0, &other);
    assert_verdict(give_list(1, &d, another), MISMATCH);
    assert_verdict(give_list(1, &d, SLICE_NONE), UNEXPECTED);
    assert_verdict(give_list(1, &d, (struct slice){list.data, 7}), MALFORMED);
    assert_verdict(give_list(1, &other, another), ACCEPT); /* some list, but not the one that is committed */
    commit_all(1, &d);
    assert_int_equal(at_slot(), 0);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    assert_int_equal(at_slot(), 1);
    assert_int_equal(cluster_e(c, 1)->time_us, c->now_us);
}

static void the_committed_list_is_not_replaced(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest d, other;
    struct slice list = cluster_list(c, c->now_us, &b, 1, &d),
                 another = cluster_list(c, c->now_us + 1, NULL, 0, &other);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    assert_verdict(give_list(1, &d, list), DUPLICATE);
    commit_all(1, &d);
    assert_verdict(give_list(1, &other, another), UNEXPECTED);
    assert_verdict(cluster_give(c, E, 1, test_bundle_slice(b)), ACCEPT);
    assert_int_equal(at_slot(), 1);
}

static void a_body_is_believed_by_its_digest(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 5);
    struct digest d;
    struct slice list = cluster_list(c, c->now_us, &b, 1, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    commit_all(1, &d);
    struct slice copy = cluster_copy(c, b->data, b->len);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    for (size_t at = 0; at < copy.len; at++) {
        bool is_mac = at >= FRAME_HEADER_BYTES + b->frame.body.len && at < copy.len - b->frame.attachment.len;
        if (is_mac)
            continue; /* no MAC in it is for E */
        bytes[at] ^= (uint8_t)(1u << at % 8);
        (void)cluster_give(c, E, 1, copy); /* it may be kept, as another bundle */
        assert_int_equal(at_slot(), 0);
        bytes[at] ^= (uint8_t)(1u << at % 8);
    }
    assert_verdict(cluster_give(c, E, 1, test_bundle_stripped(c, b)), UNEXPECTED);
    assert_verdict(cluster_give(c, E, 1, copy), ACCEPT);
    assert_int_equal(at_slot(), 1);
    assert_int_equal(cluster_counter(c, 1), 5);
}

/* Memory that was freed stays of its size: so each size has room for the whole budget, and bodies of all sizes, one after the other, leave
 * room for any. */
static void each_size_of_bodies_has_its_room(void **state)
{
    (void)state;
    struct execution *e = cluster_e(c, 1);
    struct digest digest = test_digest(77);
    static const uint8_t body[100000];
    size_t live = e->body_arena.live;
    assert_verdict(bodies_add(&e->bodies, &e->body_arena, &digest, (struct slice){body, sizeof body}),
                   ACCEPT);
    assert_int_equal(e->body_arena.live - live, 131072);
    bodies_remove(&e->bodies, &e->body_arena, &digest);
    assert_int_equal(e->body_arena.live, live);
    for (size_t size = BODY_BYTES_LEAST; size <= FRAME_MAX; size *= 2)
        for (size_t taken = 0; taken < BODIES_BYTES_MAX; taken += size)
            assert_non_null(arena_alloc(&e->body_arena, size));
    assert_non_null(arena_alloc(e->arena, 1u << 20)); /* and they are nobody else's */
}

static void bodies_are_bounded_and_the_oldest_go(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 5);
    assert_verdict(cluster_give(c, E, 1, test_bundle_slice(b)), ACCEPT);
    assert_verdict(cluster_give(c, E, 1, test_bundle_slice(b)), DUPLICATE);
    uint8_t attachment[32] = {0}, body[128], frame[256];
    struct bundle bundle = {0};
    digest_of(&bundle.operations, BUNDLE_OPERATIONS_TAG, attachment, sizeof attachment);
    struct compartment_input in = {.frame = frame, .now_us = c->now_us};
    const struct cell *cell = &c->cell[1][2];
    for (uint64_t n = 1; n <= BODIES_MAX + 5000; n++) {
        struct sender from = {.kind = KIND_ORIGIN, .id = 3, .epoch = 1};
        bundle.bundle_no = n;
        struct writer w = writer_to(body, sizeof body);
        bundle_put(&w, &bundle);
        in.len =
            frame_encode(frame, sizeof frame, FRAME_BUNDLE, &from, AUTH_NONE, (struct slice){body, w.len},
                         SLICE_NONE, (struct slice){attachment, sizeof attachment});
        assert_verdict(cell->type->step(cell->state, &in, &c->cell[1][2].out), ACCEPT);
    }
    cell->type->validate(cell->state);
    assert_true(cluster_e(c, 1)->bodies.count <= BODIES_MAX);
    assert_null(bodies_find(&cluster_e(c, 1)->bodies, &b->entry.bundle));
    /* It is asked for again when it is wanted. */
    struct digest d;
    struct slice list = cluster_list(c, c->now_us, &b, 1, &d);
    assert_verdict(give_list(1, &d, list), ACCEPT);
    commit_all(1, &d);
    assert_int_equal(at_slot(), 0);
    assert_int_equal(needs(FETCH_BUNDLE), 1);
    assert_verdict(cluster_give(c, E, 1, test_bundle_slice(b)), ACCEPT);
    assert_int_equal(at_slot(), 1);
}

/* --- exactly once ------------------------------------------------------------------------------------------------ */

static void a_bundle_executes_once(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 5), *twice[2] = {b, b};
    order_at_1(1, twice, 2); /* twice in one batch */
    assert_int_equal(cluster_counter(c, 1), 5);
    assert_int_equal(cluster_count(c, E, 1, FRAME_REPLY), 2); /* the second time the old reply */
    order_at_1(2, &b, 1);
    assert_int_equal(cluster_counter(c, 1), 5);
    struct test_bundle *next = cluster_incr(c, 0, 2, 1);
    order_at_1(3, &next, 1);
    assert_int_equal(cluster_counter(c, 1), 6);
}

static void the_signed_form_is_the_same_bundle(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 5), *again = cluster_bundle_again(c, b, FORM_SIGNED);
    order_at_1(1, &b, 1);
    order_at_1(2, &again, 1);
    assert_int_equal(cluster_counter(c, 1), 5);
}

static void another_bundle_of_the_same_number_does_not_execute(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 5), *rival = cluster_incr(c, 0, 1, 100);
    order_at_1(1, &b, 1);
    order_at_1(2, &rival, 1);
    struct test_bundle *next = cluster_incr(c, 0, 2, 1);
    order_at_1(3, &next, 1);
    assert_int_equal(cluster_counter(c, 1), 6);
}

static void numbers_may_come_in_any_order_within_the_window(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {3, 1, 2, 66, 4, 3, 5, BUNDLE_WINDOW + 10};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        struct test_bundle *b = cluster_incr(c, 0, numbers[i], 1);
        sum += i != 5; /* the second 3 is a repeat */
        order_at_1(1 + i, &b, 1);
        assert_int_equal(cluster_e(c, 1)->origin[0].highest, i < 1   ? 3
                                                             : i < 3 ? 3
                                                             : i < 7 ? 66
                                                                     : BUNDLE_WINDOW + 10);
        if (i != 5)
            assert_int_equal(cluster_counter(c, 1), sum);
    }
}

static void a_number_below_the_window_is_stale(void **state)
{
    (void)state;
    struct test_bundle *high = cluster_incr(c, 0, BUNDLE_WINDOW + 1, 1), *low = cluster_incr(c, 0, 1, 1);
    order_at_1(1, &high, 1);
    order_at_1(2, &low, 1);
    struct opened_reply reply = last_reply(1);
    assert_int_equal(reply.reply.outcome, REPLY_STALE);
    assert_int_equal(reply.reply.bundle_no, 1);
    assert_int_equal(reply.count, 0);
    struct test_bundle *edge = cluster_incr(c, 0, 2, 1);
    order_at_1(3, &edge, 1);
    assert_int_equal(last_reply(1).reply.outcome, REPLY_EXECUTED);
    assert_int_equal(cluster_counter(c, 1), 2);
}

/* --- what a bundle may be ----------------------------------------------------------------------------------------- */

/* Operations that are sealed as given, right or wrong. */
static struct test_bundle *sealed_as(origin_id origin, uint64_t bundle_no, struct slice plain,
                                     const struct secret_key *key)
{
    struct test_bundle *b;
    struct secret_key kept = c->origin[origin].content_key;
    if (key)
        c->origin[origin].content_key = *key;
    /* One "operation" whose length field is not ours to set: so build the plaintext by hand. */
    uint8_t nonce[12], ad[20];
    uint8_t *bytes = malloc(plain.len + AEAD_TAG_BYTES);
    bundle_nonce(nonce, bundle_no);
    bundle_ad(ad, origin, c->origin[origin].auth.self.epoch, bundle_no);
    aead_seal(bytes, &c->origin[origin].content_key, nonce, ad, sizeof ad, plain.data, plain.len);
    struct slice attachment = {bytes, plain.len + AEAD_TAG_BYTES};
    struct bundle bundle = {.bundle_no = bundle_no};
    memcpy(bundle.session_public.bytes, c->origin[origin].session.public, 32);
    digest_of(&bundle.operations, BUNDLE_OPERATIONS_TAG, attachment.data, attachment.len);
    struct slice frame = forge_macs(c, &c->origin[origin].auth, FRAME_BUNDLE,
                                    cluster_body(c, bundle, &bundle), TO_P, attachment);
    b = calloc(1, sizeof *b);
    b->data = malloc(frame.len);
    b->len = frame.len;
    memcpy(b->data, frame.data, frame.len);
    assert_true(frame_decode(b->data, b->len, &b->frame));
    b->entry = (struct batch_entry){
        .origin = origin, .epoch = c->origin[origin].auth.self.epoch, .bundle_no = bundle_no};
    auth_content(&c->id, FRAME_BUNDLE, &b->frame.sender, b->frame.body, &b->entry.bundle);
    free(bytes);
    c->origin[origin].content_key = kept;
    return b;
}

static void unreadable(uint64_t bundle_no, struct slice plain, const struct secret_key *key)
{
    struct test_bundle *b = sealed_as(0, bundle_no, plain, key);
    slot_no slot = cluster_e(c, 1)->executed + 1;
    order_at_1(slot, &b, 1);
    struct opened_reply reply = last_reply(1);
    assert_int_equal(reply.reply.outcome, REPLY_UNREADABLE);
    assert_int_equal(reply.reply.bundle_no, bundle_no);
    assert_int_equal(reply.count, 0);
    order_at_1(slot + 1, &b, 1); /* and its number is used up */
    assert_int_equal(last_reply(1).reply.outcome, REPLY_UNREADABLE);
    free(b->data);
    free(b);
}

static void what_cannot_be_read_is_a_no_op(void **state)
{
    (void)state;
    struct slice op = cluster_op_incr(c, 5);
    uint8_t plain[64];
    struct writer w = writer_to(plain, sizeof plain);
    put_slice(&w, op);
    struct secret_key wrong = {{1}};
    unreadable(1, (struct slice){plain, w.len}, &wrong);
    unreadable(2, (struct slice){plain, w.len - 1}, NULL); /* an operation cut short */
    unreadable(3, (struct slice){plain, 3}, NULL);
    unreadable(4, SLICE_NONE, NULL); /* none at all */
    put_u8(&w, 0);
    unreadable(5, (struct slice){plain, w.len},
               NULL); /* whole, and something behind it: nothing of it runs */
    struct test_bundle *b = cluster_incr(c, 0, 6, 1);
    order_at_1(cluster_e(c, 1)->executed + 1, &b, 1);
    assert_int_equal(cluster_counter(c, 1), 1);
}

static void too_many_or_too_long_operations(void **state)
{
    (void)state;
    static uint8_t many[(BUNDLE_OPS_MAX + 1) * 4];
    unreadable(1, (struct slice){many, sizeof many}, NULL);
    static uint8_t large[OP_MAX + 5];
    struct writer w = writer_to(large, sizeof large);
    put_u32(&w, OP_MAX + 1);
    unreadable(2, (struct slice){large, sizeof large}, NULL);
    struct test_bundle *b = sealed_as(0, 3, (struct slice){many, BUNDLE_OPS_MAX * 4}, NULL);
    order_at_1(cluster_e(c, 1)->executed + 1, &b, 1);
    assert_int_equal(last_reply(1).reply.outcome, REPLY_EXECUTED);
    assert_int_equal(last_reply(1).count, BUNDLE_OPS_MAX); /* empty ones: each is refused by the service */
    assert_int_equal(last_reply(1).op[0].status, REDOUBT_INVALID);
    free(b->data);
    free(b);
}

static void entries_that_name_another_bundle_are_no_ops(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 5), lie = *b;
    static const struct batch_entry lies[] = {{.origin = 3, .epoch = 7, .bundle_no = 1},
                                              {.origin = 0, .epoch = 8, .bundle_no = 1},
                                              {.origin = 0, .epoch = 7, .bundle_no = 2},
                                              {.origin = 900, .epoch = 7, .bundle_no = 1},
                                              {.origin = UINT32_MAX, .epoch = 7, .bundle_no = 1}};
    struct test_bundle *p = &lie;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        lie.entry = lies[i];
        lie.entry.bundle = b->entry.bundle;
        order_at_1(1 + i, &p, 1);
        assert_int_equal(cluster_count(c, E, 1, FRAME_REPLY), 0);
    }
    order_at_1(6, &b, 1); /* and it is not taken for executed */
    assert_int_equal(cluster_counter(c, 1), 5);
}

/* --- who may do what ----------------------------------------------------------------------------------------------- */

static unsigned status_of(origin_id origin, enum counter_opcode opcode)
{
    static uint64_t number = 1;
    uint8_t op[COUNTER_REQUEST_BYTES];
    struct counter_request request = {.opcode = opcode, .amount = opcode == COUNTER_INCR ? 1 : 0};
    struct slice slice = {op, counter_request_encode(op, sizeof op, &request)};
    struct test_bundle *b = cluster_bundle(c, origin, number++, &slice, 1, FORM_MACS);
    order_at_1(cluster_e(c, 1)->executed + 1, &b, 1);
    return last_reply(1).op[0].status;
}

static void origins_may_do_what_the_manifest_says(void **state)
{
    (void)state;
    assert_int_equal(status_of(0, COUNTER_INCR), REDOUBT_OK);
    assert_int_equal(status_of(0, COUNTER_GET), REDOUBT_OK);
    assert_int_equal(status_of(ORIGIN_READER, COUNTER_GET), REDOUBT_OK);
    assert_int_equal(status_of(ORIGIN_READER, COUNTER_INCR), REDOUBT_DENIED);
    assert_int_equal(status_of(ORIGIN_NOBODY, COUNTER_GET), REDOUBT_DENIED);
    assert_int_equal(status_of(ORIGIN_NOBODY, COUNTER_INCR), REDOUBT_DENIED);
    assert_int_equal(status_of(0, COUNTER_GET), REDOUBT_OK);
    assert_int_equal(cluster_counter(c, 1), 1);
}

/* --- sessions ------------------------------------------------------------------------------------------------------ */

static void a_new_epoch_closes_the_old_one(void **state)
{
    (void)state;
    struct test_bundle *old[2] = {cluster_incr(c, 0, 1, 1), cluster_incr(c, 0, 2, 1)};
    order_at_1(1, &old[0], 1);
    cluster_origin_renew(c, 0, 9);
    struct test_bundle *new = cluster_incr(c, 0, 1, 10);
    order_at_1(2, &new, 1);
    assert_int_equal(cluster_counter(c, 1), 11);
    cluster_forget(c);
    order_at_1(3, &old[1], 1);
    order_at_1(4, &old[0], 1);
    assert_null(cluster_last(c, E, 1, FRAME_REPLY)); /* nobody to reply to */
    struct test_bundle *next = cluster_incr(c, 0, 2, 10);
    order_at_1(5, &next, 1);
    assert_int_equal(cluster_counter(c, 1), 21);
}

static void eviction_closes_an_epoch_for_ever(void **state)
{
    (void)state;
    struct test_bundle *first = cluster_incr(c, 0, 1, 1), *late = cluster_incr(c, 0, 2, 1000);
    slot_no slot = 1;
    order_at_1(slot++, &first, 1);
    for (origin_id i = 3; cluster_e(c, 1)->sessions < SESSIONS_MAX; i++) {
        struct test_bundle *b = cluster_incr(c, i, 1, 1);
        if (slot % K == 0) { /* let the window move */
            struct digest root = test_digest((unsigned)slot);
            for (replica_id r = 0; r < 4; r++)
                if (r != 1)
                    (void)cluster_give(c, E, 1, forge_checkpoint(c, r, slot - slot % K, &root));
        }
        order_at_1(slot++, &b, 1);
        cluster_forget(c);
    }
    assert_true(cluster_e(c, 1)->origin[0].open);
    struct test_bundle *one_more = cluster_incr(c, SESSIONS_MAX + 2, 1, 1);
    order_at_1(slot++, &one_more, 1);
    assert_false(cluster_e(c, 1)->origin[0].open); /* idle longest */
    assert_true(cluster_e(c, 1)->origin[3].open);
    uint64_t sum = cluster_counter(c, 1);
    cluster_forget(c);
    order_at_1(slot++, &first, 1); /* neither a repeat nor anything new */
    order_at_1(slot++, &late, 1);
    assert_null(cluster_last(c, E, 1, FRAME_REPLY));
    cluster_origin_renew(c, 0, 8);
    struct test_bundle *again = cluster_incr(c, 0, 1, 1);
    order_at_1(slot++, &again, 1);
    assert_int_equal(cluster_counter(c, 1), sum + 1);
}

static void a_degenerate_session_key_opens_nothing(void **state)
{
    (void)state;
    struct box_key session = c->origin[0].session;
    memset(c->origin[0].session.public, 0, 32);
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    order_at_1(1, &b, 1);
    assert_null(cluster_last(c, E, 1, FRAME_REPLY));
    assert_false(cluster_e(c, 1)->origin[0].open);
    c->origin[0].session = session;
    b = cluster_incr(c, 0, 2, 1); /* the epoch is closed by it */
    order_at_1(2, &b, 1);
    assert_null(cluster_last(c, E, 1, FRAME_REPLY));
    cluster_origin_renew(c, 0, 8);
    b = cluster_incr(c, 0, 1, 1);
    order_at_1(3, &b, 1);
    assert_int_equal(cluster_counter(c, 1), 1);
}

/* --- replies ------------------------------------------------------------------------------------------------------- */

static enum verdict fetch_reply(replica_id r, origin_id origin, epoch_no epoch, uint64_t bundle_no)
{
    struct auth as = c->origin[origin].auth;
    as.self.epoch = epoch;
    struct slice body = cluster_body(c, fetch_reply, &(struct fetch_reply){.bundle_no = bundle_no});
    return cluster_give(c, E, r, forge_plain(c, &as, FRAME_FETCH_REPLY, body, SLICE_NONE));
}

static void one_replica_sends_in_full_the_others_digests(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 8; n++) {
        struct test_bundle *b = cluster_incr(c, 0, n, 1);
        cluster_order(c, &b, 1);
        struct slice full = {0};
        struct digest digest;
        unsigned fulls = 0;
        for (replica_id r = 0; r < 4; r++) {
            struct opened_reply reply = last_reply(r);
            assert_int_equal(reply.reply.outcome, REPLY_EXECUTED);
            assert_int_equal(reply.reply.slot, n);
            assert_int_equal(reply.reply.configuration, 1);
            assert_int_equal(reply.count, 1);
            if (reply.op[0].form != RESULT_FULL)
                continue;
            fulls++;
            full = reply.op[0].bytes;
            assert_int_equal(full.len, 100);
        }
        assert_int_equal(fulls, 1);
        digest_of(&digest, RESULT_TAG, full.data, full.len);
        for (replica_id r = 0; r < 4; r++) {
            struct opened_reply reply = last_reply(r);
            if (reply.op[0].form == RESULT_DIGEST)
                assert_memory_equal(reply.op[0].bytes.data, digest.bytes, 32);
            assert_verdict(fetch_reply(r, 0, 7, n), ACCEPT); /* whoever is asked sends it in full */
            reply = last_reply(r);
            assert_int_equal(reply.op[0].form, RESULT_FULL);
            assert_memory_equal(reply.op[0].bytes.data, full.data, full.len);
        }
        cluster_forget(c);
    }
    assert_verdict(fetch_reply(0, 0, 7, 9), STALE); /* not executed */
    assert_verdict(fetch_reply(0, 0, 6, 8), STALE); /* not its epoch */
    assert_verdict(fetch_reply(0, 3, 7, 1), STALE); /* no session */
    struct auth stranger = c->origin[3].auth;
    stranger.self.id = 900;
    struct slice body = cluster_body(c, fetch_reply, &(struct fetch_reply){.bundle_no = 1});
    assert_verdict(cluster_give(c, E, 0, forge_plain(c, &stranger, FRAME_FETCH_REPLY, body, SLICE_NONE)),
                   UNKNOWN_SENDER);
    assert_verdict(
        cluster_give(c, E, 0, forge_plain(c, cluster_auth(c, E, 1), FRAME_FETCH_REPLY, body, SLICE_NONE)),
        UNKNOWN_SENDER);
}

static void every_bit_of_a_reply_counts(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    cluster_order(c, &b, 1);
    struct sent sent = *cluster_last(c, E, 2, FRAME_REPLY);
    struct slice copy = cluster_copy(c, sent.data, sent.len);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    struct opened_reply opened;
    sent.data = bytes;
    for (size_t bit = 0; bit < 8 * sent.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        bool taken = frame_decode(bytes, sent.len, &sent.frame) && sent.frame.type == FRAME_REPLY &&
                     sent.frame.auth_kind == AUTH_NONE && sent.frame.sender.id < 4 &&
                     cluster_reply_open(c, &sent, &opened);
        assert_false(taken);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(frame_decode(bytes, sent.len, &sent.frame) && cluster_reply_open(c, &sent, &opened));
}

static void a_reply_is_never_encrypted_twice_alike(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    order_at_1(1, &b, 1);
    uint64_t nonce = last_reply(1).reply.nonce;
    for (unsigned i = 0; i < 5; i++) {
        assert_verdict(fetch_reply(1, 0, 7, 1), ACCEPT);
        assert_true(last_reply(1).reply.nonce > nonce);
        nonce = last_reply(1).reply.nonce;
    }
}

static void results_beyond_the_limit_are_to_be_asked_again(void **state)
{
    (void)state;
    struct slice ops[5];
    for (unsigned i = 0; i < 5; i++)
        ops[i] = cluster_op_incr(c, 1);
    struct test_bundle *b = cluster_bundle(c, 0, 1, ops, 5, FORM_MACS);
    order_at_1(1, &b, 1);
    struct opened_reply reply = last_reply(1);
    assert_int_equal(reply.count, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_int_equal(reply.op[i].status, i < 2 ? REDOUBT_OK : RESULT_RETRY);
    b = cluster_bundle(c, 0, 2, ops, 1, FORM_MACS);
    order_at_1(2, &b, 1);
    assert_verdict(fetch_reply(1, 0, 7, 2), ACCEPT);
    assert_int_equal(cluster_counter(c, 1),
                     3); /* the three were not executed, which is what they were told */
}

/* Many clients with large results: what is kept for them is bounded, and what is dropped is the same everywhere. */
static void kept_results_are_bounded(void **state)
{
    (void)state;
    slot_no slot = 0;
    for (uint64_t n = 1; n <= 2; n++)
        for (origin_id i = 3; i < c->options.origins; i++) {
            struct test_bundle *b = cluster_incr(c, i, n, 1);
            cluster_order(c, &b, 1);
            slot++;
            assert_int_equal(cluster_e(c, 2)->executed, slot);
            cluster_forget(c);
        }
    for (origin_id i = 3; i < c->options.origins; i++)
        for (replica_id r = 1; r < 4; r++)
            for (unsigned k = 0; k < BUNDLE_WINDOW; k++)
                assert_int_equal(cluster_e(c, r)->origin[i].kept[k].present,
                                 cluster_e(c, 0)->origin[i].kept[k].present);
    assert_verdict(fetch_reply(1, 3, 7, 1), ACCEPT); /* dropped long ago, and says so */
    assert_int_equal(last_reply(1).reply.outcome, REPLY_STALE);
    assert_verdict(fetch_reply(1, c->options.origins - 1, 7, 2), ACCEPT);
    assert_int_equal(last_reply(1).reply.outcome, REPLY_EXECUTED);
    assert_int_equal(last_reply(1).op[0].bytes.len, 1000000);
    cluster_fill(c, K);
    for (replica_id r = 1; r < 4; r++)
        assert_memory_equal(&cluster_e(c, r)->root, &cluster_e(c, 0)->root, 32);
    assert_int_equal(exec_stable_slot(cluster_e(c, 3)), K);
}

/* One that has the table by transfer computes all digests anew; what was digested and then dropped must not be in them. */
static void the_table_has_no_digest_of_what_was_dropped(void **state)
{
    (void)state;
    struct execution *e = cluster_e(c, 1);
    struct digest before, after;
    for (uint64_t n = 1; n <= 8; n++) {
        struct test_bundle *b = cluster_incr(c, 3, n, 1);
        cluster_order(c, &b, 1);
        cluster_forget(c);
        records_digest(e, &before); /* all that is kept now is digested */
    }
    unsigned dropped = 0;
    for (unsigned k = 0; k < BUNDLE_WINDOW; k++) {
        struct kept_reply *kept = &e->origin[3].kept[k];
        dropped += kept->bundle_no != 0 && !kept->present;
        kept->digested = false;
    }
    assert_true(dropped > 0);
    e->origin[3].dirty = true;
    records_digest(e, &after);
    assert_memory_equal(&after, &before, 32);
}

static void one_clients_results_are_bounded(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 10; n++) {
        struct test_bundle *b = cluster_incr(c, 3, n, 1);
        order_at_1(n, &b, 1);
    }
    assert_true(cluster_e(c, 1)->origin[3].kept_bytes <= REPLY_CACHE_BYTES);
    assert_verdict(fetch_reply(1, 3, 7, 10), ACCEPT);
    assert_int_equal(last_reply(1).reply.outcome, REPLY_EXECUTED);
    assert_verdict(fetch_reply(1, 3, 7, 1), ACCEPT);
    assert_int_equal(last_reply(1).reply.outcome, REPLY_STALE);
}

/* --- time ---------------------------------------------------------------------------------------------------------- */

static void time_never_falls_and_null_keeps_it(void **state)
{
    (void)state;
    static const int64_t offsets[] = {0, 50, 20, -1000, 60};
    static struct digest null;
    int64_t highest = 0;
    slot_no slot = 1;
    for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
        struct digest d;
        struct slice list = cluster_list(c, c->now_us + (uint64_t)offsets[i], NULL, 0, &d);
        assert_verdict(give_list(slot, &d, list), ACCEPT);
        commit_all(slot, &d);
        assert_int_equal(at_slot(), slot++);
        highest = offsets[i] > highest ? offsets[i] : highest;
        assert_int_equal(cluster_e(c, 1)->time_us, c->now_us + (uint64_t)highest);
        commit_all(slot, &null);
        assert_int_equal(at_slot(), slot++); /* a null batch has no list */
        assert_int_equal(cluster_e(c, 1)->time_us, c->now_us + (uint64_t)highest);
    }
    assert_int_equal(needs(FETCH_BATCH), 0);
}

/* --- checkpoints ---------------------------------------------------------------------------------------------------- */

static struct checkpoint last_checkpoint(replica_id r)
{
    struct checkpoint checkpoint = {0};
    const struct sent *sent = cluster_last(c, E, r, FRAME_CHECKPOINT);
    assert_non_null(sent);
    assert_verdict(auth_check_signature(&c->configuration, &sent->frame), ACCEPT);
    assert_verdict(checkpoint_check(&sent->frame, &checkpoint), ACCEPT);
    return checkpoint;
}

/* Null batches up to a slot, keeping `sent` of the last. */
static void fill_and_keep(slot_no slot)
{
    cluster_fill(c, slot - 1);
    cluster_order(c, NULL, 0);
    assert_int_equal(cluster_e(c, 0)->executed, slot);
}

static void all_sign_the_same_root(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 20; n++) {
        struct test_bundle *b[2] = {cluster_incr(c, 0, n, n), cluster_incr(c, 3, n, 2 * n)};
        cluster_order(c, b, 2);
    }
    fill_and_keep(K);
    struct digest first = last_checkpoint(0).root;
    for (replica_id r = 0; r < 4; r++) {
        assert_int_equal(last_checkpoint(r).slot, K);
        assert_memory_equal(last_checkpoint(r).root.bytes, first.bytes, 32);
        assert_int_equal(exec_stable_slot(cluster_e(c, r)), K);
        assert_int_equal(prep_stable_slot(cluster_p(c, r)), K);
        assert_int_equal(conf_stable_slot(cluster_c(c, r)), K);
    }
    cluster_forget(c);
    struct test_bundle *b = cluster_incr(c, 0, 21, 1);
    cluster_order(c, &b, 1);
    fill_and_keep(2 * K);
    for (replica_id r = 0; r < 4; r++)
        assert_memory_equal(last_checkpoint(r).root.bytes, last_checkpoint(0).root.bytes, 32);
    struct digest second = last_checkpoint(0).root;
    assert_memory_not_equal(&first, &second, 32);
}

/* Slots follow each other without a pause, so nobody tells E to go on: every slot pays its share, and half an interval later
 * the checkpoint is there. */
static void slots_pay_for_the_checkpoint_before_them(void **state)
{
    (void)state;
    for (uint64_t n = 1; n <= 20; n++) {
        struct test_bundle *b[2] = {cluster_incr(c, 0, n, n), cluster_incr(c, 3, n, 2 * n)};
        cluster_order(c, b, 2);
    }
    c->no_nudges = true;
    cluster_fill(c, K);
    fill_and_keep(K + K / 2 + 1);
    for (replica_id r = 0; r < 4; r++) {
        assert_false(cluster_e(c, r)->freeze.active);
        assert_int_equal(cluster_e(c, r)->checkpoint_slot, K);
        assert_int_equal(exec_stable_slot(cluster_e(c, r)), K);
    }
}

/* The root after slot K when the first slot held one increment, or this other thing. */
static struct digest root_with(uint64_t amount, origin_id origin, uint64_t bundle_no, uint64_t later_us)
{
    uint64_t now = c->now_us;
    struct test_bundle *b = amount ? cluster_incr(c, origin, bundle_no, amount) : NULL;
    struct digest d, root;
    struct slice list = cluster_list(c, now + later_us, &b, amount != 0, &d);
    if (b)
        assert_verdict(cluster_give(c, E, 1, test_bundle_slice(b)), ACCEPT);
    static struct digest null;
    assert_verdict(give_list(1, &d, list), ACCEPT);
    commit_all(1, &d);
    for (slot_no slot = 2; slot <= K; slot++)
        commit_all(slot, &null);
    assert_int_equal(at_slot(), K);
    root = last_checkpoint(1).root;
    return root;
}

static void the_root_covers_state_origins_and_time(void **state)
{
    (void)state;
    cluster_free(c);
    struct digest roots[6];
    static const struct {
        uint64_t amount;
        origin_id origin;
        uint64_t number;
        uint64_t later_us;
    } cases[6] = {{5, 0, 1, 0}, {5, 0, 1, 0}, {6, 0, 1, 0}, {5, 3, 1, 0}, {5, 0, 2, 0}, {5, 0, 1, 1}};
    for (unsigned i = 0; i < 6; i++) {
        cluster_random_fixed(1); /* the same cluster every time */
        c = cluster_new(&(struct cluster_options){.apart = APART});
        roots[i] = root_with(cases[i].amount, cases[i].origin, cases[i].number, cases[i].later_us);
        for (unsigned k = 0; k < i; k++)
            assert_int_equal(digest_equal(&roots[i], &roots[k]), i == 1);
        if (i < 5)
            cluster_free(c);
    }
}

/* --- other frames -------------------------------------------------------------------------------------------------------- */

static void what_is_not_for_e_is_unexpected(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++)
        if (frame_type_name((enum frame_type)type))
            assert_refused(
                cluster_give(c, E, 1, cluster_local(c, (enum frame_type)type, SLICE_NONE, SLICE_NONE)), type);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_quorum_of_commits_and_not_one_less),
        T(commits_count_by_sender_and_view),
        T(every_bit_of_a_commit_counts),
        T(votes_of_other_kinds_do_not_commit),
        T(f_plus_1_executed_will_do),
        T(one_e_is_no_quorum_however_often_it_speaks),
        T(slots_are_executed_in_order),
        T(the_window_has_two_edges),
        T(nothing_is_executed_beyond_the_window),
        cmocka_unit_test_setup_teardown(in_one_domain_the_neighbour_is_believed, setup_pbft, teardown),
        T(what_is_missing_is_asked_for),
        T(a_list_is_believed_by_its_digest),
        T(the_committed_list_is_not_replaced),
        T(a_body_is_believed_by_its_digest),
        T(bodies_are_bounded_and_the_oldest_go),
        T(each_size_of_bodies_has_its_room),
        T(a_bundle_executes_once),
        T(the_signed_form_is_the_same_bundle),
        T(another_bundle_of_the_same_number_does_not_execute),
        T(numbers_may_come_in_any_order_within_the_window),
        T(a_number_below_the_window_is_stale),
        T(what_cannot_be_read_is_a_no_op),
        T(too_many_or_too_long_operations),
        T(entries_that_name_another_bundle_are_no_ops),
        T(origins_may_do_what_the_manifest_says),
        T(a_new_epoch_closes_the_old_one),
        cmocka_unit_test_setup_teardown(eviction_closes_an_epoch_for_ever, setup_many_origins, teardown),
        T(a_degenerate_session_key_opens_nothing),
        cmocka_unit_test_setup_teardown(one_replica_sends_in_full_the_others_digests, setup_long_results,
                                        teardown),
        T(every_bit_of_a_reply_counts),
        T(a_reply_is_never_encrypted_twice_alike),
        cmocka_unit_test_setup_teardown(results_beyond_the_limit_are_to_be_asked_again, setup_huge_results,
                                        teardown),
        cmocka_unit_test_setup_teardown(kept_results_are_bounded, setup_huge_results, teardown),
        cmocka_unit_test_setup_teardown(the_table_has_no_digest_of_what_was_dropped, setup_huge_results,
                                        teardown),
        cmocka_unit_test_setup_teardown(slots_pay_for_the_checkpoint_before_them, setup, teardown),
        cmocka_unit_test_setup_teardown(one_clients_results_are_bounded, setup_huge_results, teardown),
        T(time_never_falls_and_null_keeps_it),
        cmocka_unit_test_setup_teardown(operations_are_numbered_within_their_batch, setup_noting, teardown),
        T(all_sign_the_same_root),
        T(the_root_covers_state_origins_and_time),
        T(what_is_not_for_e_is_unexpected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
