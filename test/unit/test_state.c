/*
 * Catching up: EXECUTED of others for slots in the window, and state from one E to another, which may lie.
 */
#include "testing.h"

#include "../../apps/kv/kv.h"
#include "../../apps/kv/kv_codec.h"
#include "cluster.h"

#ifndef APART /* test_state_apart.c does all of this with services apart */
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

static int setup_kv(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){
        .service = &redoubt_service_kv, .service_options = "memory_mb=32", .apart = APART});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(c);
    return 0;
}

static enum verdict fetch_reply(replica_id r, origin_id origin, epoch_no epoch, uint64_t bundle_no)
{
    struct auth as = c->origin[origin].auth;
    as.self.epoch = epoch;
    struct slice body = cluster_body(c, fetch_reply, &(struct fetch_reply){.bundle_no = bundle_no});
    return cluster_give(c, E, r, forge_plain(c, &as, FRAME_FETCH_REPLY, body, SLICE_NONE));
}

/* --- catching up ----------------------------------------------------------------------------------------------------- */

static bool cut_off(const struct cluster *cluster, const struct sent *sent, enum kind to, replica_id replica)
{
    (void)sent;
    return replica == cluster->cut && to == E;
}

/* E_3 hears nothing while the others go to `slot`. */
static void leave_behind(slot_no slot)
{
    c->cut = 3;
    c->drop = cut_off;
    cluster_fill(c, slot);
    c->drop = NULL;
    assert_int_equal(cluster_e(c, 3)->executed, 0);
}

/* CHECKPOINTs of the others for E_3, as they are sent again. */
static void tell_certificate(slot_no slot)
{
    struct digest root = cluster_e(c, 0)->stable.certificate.root;
    assert_int_equal(exec_stable_slot(cluster_e(c, 0)), slot);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, E, 3, forge_checkpoint(c, r, slot, &root)), ACCEPT);
}

static void executed_of_others_are_enough_within_the_window(void **state)
{
    (void)state;
    c->cut = 3;
    c->drop = cut_off;
    for (uint64_t n = 1; n <= 10; n++) {
        struct test_bundle *b = cluster_incr(c, 0, n, 1);
        cluster_order(c, &b, 1);
    }
    cluster_bodies(c, cluster_incr(c, 0, 99, 1));
    c->drop = NULL;
    assert_verdict(cluster_catch_up(c, 3, 0, false), ACCEPT);
    cluster_run(c);
    assert_int_equal(cluster_e(c, 3)->executed, 0); /* one is not f+1 */
    assert_verdict(cluster_catch_up(c, 3, 1, false), ACCEPT);
    cluster_run(c);
    assert_int_equal(cluster_e(c, 3)->executed, 10);
    assert_int_equal(cluster_counter(c, 3), 10);
    assert_verdict(cluster_catch_up(c, 3, 3, false), UNEXPECTED); /* itself */
    assert_verdict(cluster_catch_up(c, 3, 4, false), UNEXPECTED);
}

static struct slice ask_executed(replica_id from, replica_id to, slot_no first, slot_no last)
{
    struct slice body =
        cluster_body(c, ask_executed, &(struct ask_executed){.replica = to, .first = first, .last = last});
    return forge_mac(c, cluster_auth(c, E, from), FRAME_ASK_EXECUTED, body, E, to, SLICE_NONE);
}

static void questions_about_slots(void **state)
{
    (void)state;
    cluster_fill(c, 20);
    assert_verdict(cluster_give(c, E, 1, ask_executed(3, 1, 5, 9)), ACCEPT);
    assert_int_equal(cluster_count(c, E, 1, FRAME_EXECUTED), 5);
    assert_verdict(cluster_give(c, E, 1, ask_executed(3, 1, 19, UINT64_MAX)), ACCEPT);
    assert_int_equal(cluster_count(c, E, 1, FRAME_EXECUTED), 7);
    assert_verdict(cluster_give(c, E, 1, ask_executed(3, 1, 21, 30)), ACCEPT); /* not there yet */
    assert_int_equal(cluster_count(c, E, 1, FRAME_EXECUTED), 7);
    assert_verdict(cluster_give(c, E, 1, ask_executed(3, 1, 0, 3)), MALFORMED);
    assert_verdict(cluster_give(c, E, 1, ask_executed(3, 1, 4, 3)), MALFORMED);
    assert_verdict(cluster_give(c, E, 1, ask_executed(3, 2, 1, 3)), UNEXPECTED);
    struct slice good = ask_executed(3, 1, 1, 3);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(cluster_give(c, E, 1, good), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(cluster_count(c, E, 1, FRAME_EXECUTED), 7);
}

/* --- state transfer --------------------------------------------------------------------------------------------------- */

/* Without E_3. */
static void count_some(uint64_t up_to)
{
    c->cut = 3;
    c->drop = cut_off;
    for (uint64_t n = 1; n <= up_to; n++) {
        struct test_bundle *b[2] = {cluster_incr(c, 0, n, 1), cluster_incr(c, 3, n, 100)};
        cluster_order(c, b, 2);
    }
    cluster_forget(c);
}

static void same_as_0(replica_id r)
{
    const struct execution *a = cluster_e(c, 0), *b = cluster_e(c, r);
    assert_false(b->state_bad);
    assert_false(b->fetch.active);
    assert_int_equal(a->executed, b->executed);
    assert_memory_equal(&a->root, &b->root, 32);
}

static void state_goes_from_one_e_to_another(void **state)
{
    (void)state;
    count_some(10);
    leave_behind(2 * K);
    tell_certificate(2 * K);
    assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
    cluster_run(c);
    same_as_0(3);
    assert_int_equal(cluster_e(c, 3)->executed, 2 * K);
    /* It goes on as if nothing had been: executes, replies, signs the same root; and knows what was executed. */
    struct test_bundle *old = cluster_incr(c, 0, 5, 1), *new = cluster_incr(c, 0, 11, 1);
    cluster_order(c, &old, 1);
    cluster_order(c, &new, 1);
    assert_int_equal(cluster_counter(c, 3), 1011);
    assert_verdict(fetch_reply(3, 3, 7, 10), ACCEPT); /* even the replies of others */
    assert_int_equal(cluster_counter(c, 3), 1010);
    cluster_fill(c, 3 * K);
    cluster_run(c);
    same_as_0(3);
    assert_int_equal(exec_stable_slot(cluster_e(c, 3)), 3 * K);
}

static void nothing_is_taken_without_a_certificate(void **state)
{
    (void)state;
    count_some(1);
    leave_behind(K + 0);
    assert_verdict(cluster_catch_up(c, 3, 1, true), UNEXPECTED); /* it does not know of any */
    cluster_run(c);
    assert_int_equal(cluster_e(c, 3)->executed, 0);
}

/* The key under which E_from sends state to E_3. */
static struct secret_key state_key(replica_id from)
{
    struct secret_key key;
    key_derive(&key, auth_pair_key(cluster_auth(c, E, from), E, 3), "redoubt state", &from, sizeof from);
    return key;
}

struct opened_state {
    struct state state;
    uint8_t *plain;
    size_t len;
};

static void state_open(const struct sent *sent, struct opened_state *o)
{
    uint8_t nonce[12];
    struct secret_key key = state_key(sent->replica);
    assert_true(state_decode(sent->frame.body, &o->state));
    reply_nonce(nonce, o->state.nonce);
    struct slice copy = cluster_copy(c, sent->frame.attachment.data, sent->frame.attachment.len);
    o->plain = (uint8_t *)(uintptr_t)copy.data;
    o->len = copy.len - AEAD_TAG_BYTES;
    assert_true(
        aead_open(o->plain, &key, nonce, sent->frame.body.data, sent->frame.body.len, copy.data, copy.len));
}

static struct slice state_seal(replica_id from, const struct opened_state *o)
{
    uint8_t nonce[12];
    struct secret_key key = state_key(from);
    struct slice body = cluster_body(c, state, &o->state);
    uint8_t *sealed = malloc(o->len + AEAD_TAG_BYTES);
    reply_nonce(nonce, o->state.nonce);
    aead_seal(sealed, &key, nonce, body.data, body.len, o->plain, o->len);
    struct slice frame = forge_plain(c, cluster_auth(c, E, from), FRAME_STATE, body,
                                     (struct slice){sealed, o->len + AEAD_TAG_BYTES});
    free(sealed);
    return frame;
}

/* Asks E_1 by hand: carries one question there, returns the answer. Two may be under way: the newest goes first. */
static const struct sent *step_transfer(replica_id from)
{
    cluster_flush(c, E, 3);
    const struct sent *ask = cluster_last(c, E, 3, FRAME_ASK_STATE);
    if (!ask)
        return NULL;
    struct slice copy = cluster_copy(c, ask->data, ask->len);
    cluster_forget(c);
    (void)cluster_give(c, E, from, copy);
    return cluster_last(c, E, from, FRAME_STATE);
}

static void every_bit_of_a_piece_of_state_counts(void **state)
{
    (void)state;
    count_some(3);
    leave_behind(K);
    tell_certificate(K);
    assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
    for (const struct sent *answer; (answer = step_transfer(1)) != NULL;) {
        struct slice copy = cluster_copy(c, answer->data, answer->len);
        uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
        for (size_t at = 0; at<copy.len; at += copy.len> 500 && at > 100 ? 11 : 1) {
            bytes[at] ^= (uint8_t)(1u << at % 8);
            assert_refused(cluster_give(c, E, 3, copy), at);
            bytes[at] ^= (uint8_t)(1u << at % 8);
        }
        cluster_forget(c);
        assert_verdict(cluster_give(c, E, 3, copy), ACCEPT);
        assert_refused(cluster_give(c, E, 3, copy), 0); /* twice */
    }
    same_as_0(3);
}

/* E_1 lies in the byte `at` (modulo their number) of the first answer of the kind `what`. */
static void transfer_with_a_lie(unsigned what, size_t at, bool only_one)
{
    bool lied = false;
    if (!only_one)
        assert_verdict(cluster_catch_up(c, 3, 2, true), ACCEPT); /* that is not heard */
    cluster_forget(c);
    assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
    for (const struct sent *answer; (answer = step_transfer(1)) != NULL;) {
        struct opened_state o;
        state_open(answer, &o);
        if (o.state.what == what && (!lied || what == STATE_NODES)) { /* of nodes: without hints too */
            o.plain[at % o.len] ^= (uint8_t)(1u << at % 8);
            o.state.nonce += 1000000;
            lied = true;
        }
        struct slice frame = state_seal(1, &o);
        cluster_forget(c);
        (void)cluster_give(c, E, 3, frame);
        cluster_flush(c, E, 3);
        if (cluster_e(c, 3)->fetch.lies)
            break;
    }
    assert_true(lied);
}

/* E_3 as it was when it began, with what the others say of slot K. */
static void begin_anew(void)
{
    cluster_reborn(c, E, 3);
    tell_certificate(K);
}

/* Half a state is none, whatever the host brings. */
static void goes_not_on(void)
{
    static struct digest null;
    struct execution *e = cluster_e(c, 3);
    for (replica_id r = 0; r < 3; r++)
        (void)cluster_give(
            c, E, 3,
            forge_vote(c, FRAME_COMMIT, r, (struct vote){.slot = 1, .batch = null}, E, 3, SLICE_NONE));
    cluster_flush(c, E, 3);
    assert_int_equal(e->executed, 0);
    assert_null(cluster_last(c, E, 3, FRAME_CHECKPOINT));
}

/* At the very piece; and what was taken before it is kept. */
static void a_lying_e_is_found_out(void **state)
{
    (void)state;
    count_some(3);
    leave_behind(K);
    tell_certificate(K);
    static const unsigned parts[] = {STATE_HEAD, STATE_NODES, STATE_LEAVES, STATE_DIGESTS, STATE_RECORDS};
    for (unsigned i = 0; i < 5; i++)
        for (size_t at = 0; at < 400; at += 1 + i) {
            begin_anew();
            struct execution *e = cluster_e(c, 3);
            transfer_with_a_lie(parts[i], at, false);
            assert_int_equal(e->executed, 0);
            if (parts[i] == STATE_HEAD) {
                assert_false(e->fetch.active); /* not believed */
                continue;
            }
            assert_int_equal(e->fetch.lies, 1);
            assert_true(e->fetch.peer[1].liar);
            assert_null(step_transfer(1)); /* it is asked no more */
            if (e->state_bad)
                goes_not_on();
            uint64_t bytes = e->fetch.bytes;
            cluster_forget(c);
            assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
            assert_verdict(cluster_catch_up(c, 3, 2, true), ACCEPT); /* someone else */
            cluster_run(c);
            same_as_0(3);
            assert_int_equal(e->executed, K);
            assert_int_equal(e->fetch.lies, 1);
            if (parts[i] == STATE_RECORDS) /* the leaves were not fetched again */
                assert_true(e->fetch.bytes < 2 * bytes);
            cluster_forget(c);
        }
}

/* When everybody seems to lie, it is not left at that. */
static void all_are_asked_again_when_all_lied(void **state)
{
    (void)state;
    count_some(3);
    leave_behind(K);
    tell_certificate(K);
    struct execution *e = cluster_e(c, 3);
    transfer_with_a_lie(STATE_LEAVES, 9, true);
    assert_false(e->fetch.peer[1].liar); /* nobody else was named */
    cluster_forget(c);
    assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
    cluster_run(c);
    same_as_0(3);
}

static void a_transfer_given_up_half_way_is_not_a_state(void **state)
{
    (void)state;
    count_some(3);
    leave_behind(K);
    for (unsigned steps = 1; steps < 40; steps++) {
        begin_anew();
        struct execution *e = cluster_e(c, 3);
        assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
        for (unsigned i = 0; i < steps; i++) {
            const struct sent *answer = step_transfer(1);
            if (!answer)
                break;
            struct slice copy = cluster_copy(c, answer->data, answer->len);
            cluster_forget(c);
            assert_verdict(cluster_give(c, E, 3, copy), ACCEPT);
            cluster_flush(c, E, 3);
        }
        if (e->executed == K)
            return; /* all of it came */
        if (e->state_bad)
            goes_not_on();
        cluster_forget(c);
        assert_verdict(cluster_catch_up(c, 3, 2, true), ACCEPT);
        c->now_us += 3000000; /* E_1 is given up */
        assert_verdict(cluster_catch_up(c, 3, 2, true), ACCEPT);
        cluster_run(c);
        (void)cluster_catch_up(c, 3, 2, true);
        cluster_run(c);
        same_as_0(3);
        cluster_forget(c);
    }
    fail();
}

/* E_1 says what it has, and then nothing. */
static bool pieces_of_1(const struct cluster *cluster, const struct sent *sent, enum kind to,
                        replica_id replica)
{
    struct state what;
    (void)cluster, (void)to, (void)replica;
    return sent->replica == 1 && sent->frame.type == FRAME_STATE && state_decode(sent->frame.body, &what) &&
           what.what != STATE_HEAD;
}

/* Peers that are silent are given up; the others get what they were asked for. */
static void silent_peers_are_given_up(void **state)
{
    (void)state;
    count_some(3);
    leave_behind(K);
    tell_certificate(K);
    struct execution *e = cluster_e(c, 3);
    c->drop = pieces_of_1;
    for (replica_id r = 1; r <= 2; r++)
        assert_verdict(cluster_catch_up(c, 3, r, true), ACCEPT);
    for (unsigned i = 0; i < 4 && e->executed == 0; i++) {
        cluster_flush(c, E, 3);
        cluster_run(c);
        c->now_us += 1100000;
        (void)cluster_catch_up(c, 3, 2, true);
        cluster_run(c);
    }
    c->drop = NULL;
    same_as_0(3);
    assert_int_equal(e->executed, K);
    assert_true(e->fetch.late > 0);
    assert_int_equal(e->fetch.lies, 0);
}

static struct slice ask_state(struct ask_state ask)
{
    return forge_mac(c, cluster_auth(c, E, 3), FRAME_ASK_STATE, cluster_body(c, ask_state, &ask), E, 1,
                     SLICE_NONE);
}

static void questions_about_state(void **state)
{
    (void)state;
    static uint8_t ones[STATE_ASK_BITS / 8 + 1];
    memset(ones, 255, sizeof ones);
    count_some(1);
    leave_behind(K);
    struct ask_state head = {.replica = 1, .slot = 0, .what = STATE_HEAD};
    struct slice body = cluster_body(c, ask_state, &head);
    struct slice good = ask_state(head);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(cluster_give(c, E, 1, good), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_null(cluster_last(c, E, 1, FRAME_STATE));
    assert_verdict(cluster_give(c, E, 2, good), UNEXPECTED);
    struct slice of_c =
        forge_mac(c, cluster_auth(c, KIND_CONFIRMATION, 3), FRAME_ASK_STATE, body, E, 1, SLICE_NONE);
    assert_verdict(cluster_give(c, E, 1, of_c), UNEXPECTED);
    assert_verdict(cluster_give(c, E, 1, good), ACCEPT);
    assert_non_null(cluster_last(c, E, 1, FRAME_STATE));
    /* Places that are not there. */
    enum { NODE_HINTS = MERKLE_ARITY * STATE_HINT_BYTES };
    static const uint8_t first = 1, hints[NODE_HINTS + 1];
    struct slice some = {ones, 1}, one = {&first, 1}, much = {ones, sizeof ones}, none = {ones, 0};
    const struct ask_state odd[] = {
        {.slot = K, .what = STATE_LEAVES, .first = UINT64_MAX, .wanted = some},
        {.slot = K, .what = STATE_LEAVES, .first = 65, .wanted = some},
        {.slot = K, .what = STATE_LEAVES, .wanted = none},
        {.slot = K, .what = STATE_LEAVES, .wanted = much},
        {.slot = K, .what = STATE_LEAVES, .offset = UINT32_MAX, .wanted = some},
        {.slot = K, .what = STATE_NODES, .level = 0, .wanted = some},
        {.slot = K, .what = STATE_NODES, .level = 3, .wanted = some},
        {.slot = K, .what = STATE_NODES, .level = 255, .wanted = some},
        {.slot = K, .what = STATE_NODES, .level = 1, .first = 5, .wanted = some},
        {.slot = K, .what = STATE_NODES, .level = 1, .wanted = one, .hints = {ones, STATE_HINT_BYTES}},
        {.slot = K, .what = STATE_NODES, .level = 1, .wanted = some, .hints = {hints, NODE_HINTS}},
        {.slot = K, .what = STATE_NODES, .level = 1, .wanted = one, .hints = {hints, NODE_HINTS + 1}},
        {.slot = K, .what = STATE_LEAVES, .wanted = one, .hints = {hints, NODE_HINTS}},
        {.slot = K, .what = STATE_RECORDS, .first = 4 + VERSION_RECORDS, .wanted = some},
        {.slot = K, .what = STATE_RECORDS, .offset = UINT32_MAX, .wanted = some},
        {.slot = K, .what = 5, .wanted = some},
        {.slot = UINT64_MAX, .what = STATE_HEAD},
    };
    cluster_forget(c);
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct ask_state ask = odd[i];
        ask.replica = 1;
        assert_refused(cluster_give(c, E, 1, ask_state(ask)), i);
    }
    assert_null(cluster_last(c, E, 1, FRAME_STATE));
    /* Of another state: it learns which there is. */
    assert_verdict(
        cluster_give(c, E, 1, ask_state((struct ask_state){1, 2 * K, STATE_LEAVES, 1, 0, 0, 0, some, none})),
        ACCEPT);
    struct opened_state o;
    state_open(cluster_last(c, E, 1, FRAME_STATE), &o);
    assert_int_equal(o.state.what, STATE_HEAD);
    assert_int_equal(o.state.slot, K);
    /* Exactly what is wanted. */
    static const uint8_t two[] = {0x20, 0x01};
    assert_verdict(
        cluster_give(c, E, 1,
                     ask_state((struct ask_state){1, K, STATE_LEAVES, 77, 0, 2, 0, {two, 2}, none})),
        ACCEPT);
    state_open(cluster_last(c, E, 1, FRAME_STATE), &o);
    assert_int_equal(o.state.number, 77);
    assert_int_equal(o.len, 2 * (8 + 128)); /* leaves 7 and 10 of the counter */
    assert_verdict(cluster_give(c, E, 1, ask_state((struct ask_state){1, K, STATE_NODES, 78, 1, 0, 0, one, none})),
                   ACCEPT);
    state_open(cluster_last(c, E, 1, FRAME_STATE), &o);
    assert_int_equal(o.len, 2 + 32 * MERKLE_ARITY);
}

/* Nobody can have the state that others are fetching replaced all the time. */
static void a_state_in_use_is_not_replaced_at_once(void **state)
{
    (void)state;
    static const uint8_t one = 1;
    count_some(1);
    leave_behind(K);
    struct serve *s = &cluster_e(c, 1)->serve;
    assert_verdict(cluster_give(c, E, 1, ask_state((struct ask_state){.replica = 1})), ACCEPT);
    assert_int_equal(s->slot, K);
    assert_verdict(
        cluster_give(c, E, 1, ask_state((struct ask_state){1, K, STATE_LEAVES, 1, 0, 0, 0, {&one, 1}, {NULL, 0}})),
        ACCEPT);
    c->cut = 3;
    c->drop = cut_off;
    cluster_fill(c, 2 * K);
    /* E_2 says that it has that one, and wants the next. */
    struct ask_state ask = {.replica = 1, .slot = K};
    struct slice of_2 = forge_mac(c, cluster_auth(c, E, 2), FRAME_ASK_STATE, cluster_body(c, ask_state, &ask),
                                  E, 1, SLICE_NONE);
    assert_verdict(cluster_give(c, E, 1, of_2), EARLY);
    assert_int_equal(s->slot, K);
    assert_false(s->wanted);
    cluster_fill(c, 3 * K); /* E_3 asks no more */
    assert_verdict(cluster_give(c, E, 1, of_2), ACCEPT);
    assert_int_equal(s->slot, 3 * K);
    c->drop = NULL;
}

/* The service goes on while its state is handed out: what is sent is the state at the checkpoint all the same. */
static void the_state_is_frozen_while_it_is_sent(void **state)
{
    (void)state;
    count_some(3);
    leave_behind(K);
    tell_certificate(K);
    assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
    uint64_t number = 4;
    unsigned steps = 0;
    for (const struct sent *answer; (answer = step_transfer(1)) != NULL; steps++) {
        struct slice copy = cluster_copy(c, answer->data, answer->len);
        c->cut = 3;
        c->drop = cut_off;
        struct test_bundle *b[2] = {cluster_incr(c, 0, number, 1), cluster_incr(c, 3, number, 1)};
        number++;
        cluster_order(c, b, 2);
        c->drop = NULL;
        cluster_forget(c);
        assert_verdict(cluster_give(c, E, 3, copy), ACCEPT);
    }
    assert_true(steps >= 3);
    assert_int_equal(cluster_e(c, 3)->executed, K);
    assert_memory_equal(&cluster_e(c, 3)->root, &cluster_e(c, 0)->root, 32);
    assert_false(cluster_e(c, 3)->state_bad);
}

/* --- large leaves ------------------------------------------------------------------------------------------------------ */

static struct test_bundle *kv_put(uint64_t bundle_no, const char *key, const uint8_t *value, size_t len)
{
    uint8_t *op = malloc(len + 256);
    struct slice slice = {op, kv_put_encode(op, len + 256, key, strlen(key), value, len)};
    assert_true(slice.len > 0);
    struct test_bundle *b = cluster_bundle(c, 0, bundle_no, &slice, 1, FORM_MACS);
    free(op);
    return b;
}

static void a_large_value_goes_in_pieces(void **state)
{
    (void)state;
    uint8_t *value = malloc(KV_VALUE_MAX);
    uint64_t seed = 5;
    test_random_bytes(&seed, value, KV_VALUE_MAX);
    c->cut = 3;
    c->drop = cut_off;
    uint64_t number = 1;
    struct test_bundle *b;
    for (unsigned i = 0; i < 200; i++) {
        char key[32];
        snprintf(key, sizeof key, "key-%u", i);
        b = kv_put(number++, key, value + i, 20 + i);
        cluster_order(c, &b, 1);
    }
    b = kv_put(number++, "large", value, KV_VALUE_MAX);
    cluster_order(c, &b, 1);
    b = kv_put(number++, "also-large", value, 700000);
    cluster_order(c, &b, 1);
    cluster_forget(c);
    leave_behind(2 * K);
    tell_certificate(2 * K);
    assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
    cluster_run(c);
    assert_true(cluster_count(c, E, 1, FRAME_STATE) > 6);
    for (size_t i = 0; i < c->sent_count; i++)
        assert_true(c->sent[i].len < FRAME_MAX);
    same_as_0(3);
    assert_int_equal(cluster_e(c, 3)->executed, 2 * K);
    /* And so does a leaf that changed meanwhile. */
    b = kv_put(number++, "large", value + 7, KV_VALUE_MAX - 7);
    cluster_order(c, &b, 1);
    cluster_fill(c, 3 * K);
    same_as_0(3);
    free(value);
}

static void pieces_that_do_not_fit_together(void **state)
{
    (void)state;
    uint8_t *value = calloc(1, KV_VALUE_MAX);
    c->cut = 3;
    c->drop = cut_off;
    struct test_bundle *b = kv_put(1, "large", value, KV_VALUE_MAX);
    cluster_order(c, &b, 1);
    cluster_forget(c);
    leave_behind(K);
    for (unsigned lie = 0; lie < 6; lie++) {
        begin_anew();
        struct execution *e = cluster_e(c, 3);
        assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
        unsigned leaves = 0;
        for (const struct sent *answer; e->fetch.lies == 0 && (answer = step_transfer(1)) != NULL;) {
            struct opened_state o;
            state_open(answer, &o);
            if (o.state.what == STATE_LEAVES && leaves++ == 1) {
                struct writer w = writer_to(o.plain, 8);
                uint32_t total = (uint32_t)(o.plain[0] | o.plain[1] << 8 | o.plain[2] << 16);
                put_u32(&w, lie == 0 ? total + 1 : lie == 1 ? UINT32_MAX : lie == 2 ? 5 : total);
                put_u32(&w, lie == 3 ? 0 : lie == 4 ? UINT32_MAX : lie == 5 ? 1 : (uint32_t)o.len - 8);
                o.state.nonce += 1000000;
            }
            struct slice frame = state_seal(1, &o);
            cluster_forget(c);
            (void)cluster_give(c, E, 3, frame);
        }
        assert_int_equal(leaves, 2);
        assert_int_equal(e->fetch.lies, 1);
        assert_int_equal(e->executed, 0);
        for (unsigned i = 0; i < FETCH_BUFFERS; i++)
            assert_false(e->fetch.buffer_used[i]);
        cluster_forget(c);
        assert_verdict(cluster_catch_up(c, 3, 2, true), ACCEPT);
        cluster_run(c);
        same_as_0(3);
    }
    free(value);
}

/* --- only what differs --------------------------------------------------------------------------------------------------- */

static uint64_t kv_fill(uint64_t number, unsigned from, unsigned to, uint8_t byte)
{
    uint8_t value[200];
    memset(value, byte, sizeof value);
    for (unsigned i = from; i < to; i++) {
        char key[32];
        snprintf(key, sizeof key, "key-%u", i);
        struct test_bundle *b = kv_put(number++, key, value, sizeof value);
        cluster_order(c, &b, 1);
        cluster_forget(c);
    }
    return number;
}

static void only_what_differs_moves(void **state)
{
    (void)state;
    uint64_t number = kv_fill(1, 0, 4 * K - 1, 'a');
    cluster_fill(c, 4 * K);
    same_as_0(3);
    c->cut = 3;
    c->drop = cut_off;
    (void)kv_fill(number, 0, 3, 'b');
    cluster_fill(c, 6 * K);
    c->drop = NULL;
    struct digest root = cluster_e(c, 0)->stable.certificate.root;
    for (replica_id r = 0; r < 3; r++)
        (void)cluster_give(c, E, 3, forge_checkpoint(c, r, 6 * K, &root));
    struct execution *e = cluster_e(c, 3);
    assert_int_equal(e->executed, 4 * K);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_catch_up(c, 3, r, true), ACCEPT);
    cluster_run(c);
    same_as_0(3);
    assert_int_equal(e->executed, 6 * K);
    assert_true(e->fetch.leaves_moved <= 3);
    assert_int_equal(e->fetch.leaves_moved, e->fetch.leaves_wanted);
    /* Different peers gave different pieces. */
    unsigned gave = 0;
    for (replica_id r = 0; r < 3; r++)
        gave += cluster_count(c, E, r, FRAME_STATE) > 1;
    assert_true(gave > 1);
}

/* A child that begins as the other's is left out of the answer. When only its beginning is the same, the piece is asked for
 * once more, and nobody has lied. */
static void a_child_that_only_seems_alike_is_found(void **state)
{
    (void)state;
    uint64_t number = kv_fill(1, 0, 4 * K - 1, 'a');
    cluster_fill(c, 4 * K);
    struct execution *e = cluster_e(c, 3);
    c->cut = 3;
    c->drop = cut_off;
    (void)kv_fill(number, 0, 1, 'b');
    cluster_fill(c, 6 * K);
    c->drop = NULL;
    /* Beside the leaf that changed is one whose digest is lost but for its first bytes. */
    uint64_t changed = 0;
    while (digest_equal(&e->leaves.level[0].node[changed], &cluster_e(c, 0)->leaves.level[0].node[changed]))
        changed++;
    struct digest beside = e->leaves.level[0].node[changed ^ 1];
    beside.bytes[STATE_HINT_BYTES] ^= 1;
    merkle_set(&e->leaves, changed ^ 1, &beside);
    tell_certificate(6 * K);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_catch_up(c, 3, r, true), ACCEPT);
    cluster_run(c);
    same_as_0(3);
    assert_int_equal(e->executed, 6 * K);
    assert_int_equal(e->fetch.leaves_moved, 2);
    assert_int_equal(e->fetch.lies, 0);
}

/* Half-way through, the others have gone on and that state is nowhere any more: what was moved stays. */
static void a_later_target_keeps_what_is_here(void **state)
{
    (void)state;
    c->cut = 3;
    c->drop = cut_off;
    uint64_t number = kv_fill(1, 0, 600, 'a');
    cluster_fill(c, 6 * K);
    tell_certificate(6 * K);
    struct execution *e = cluster_e(c, 3);
    assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
    while (e->fetch.leaves_moved < e->fetch.leaves_wanted / 2 || e->fetch.leaves_moved == 0) {
        const struct sent *answer = step_transfer(1);
        assert_non_null(answer);
        struct slice copy = cluster_copy(c, answer->data, answer->len);
        cluster_forget(c);
        assert_verdict(cluster_give(c, E, 3, copy), ACCEPT);
    }
    uint64_t moved = e->fetch.leaves_moved, wanted = e->fetch.leaves_wanted;
    assert_true(moved < wanted);
    cluster_forget(c);
    (void)kv_fill(number, 0, 2, 'b');
    cluster_fill(c, 18 * K);
    c->drop = NULL;
    tell_certificate(18 * K);
    serve_stop(cluster_e(c, 1));
    for (unsigned i = 0; i < 8 && e->executed == 0; i++) {
        c->now_us += 4000000;
        for (replica_id r = 0; r < 3; r++)
            (void)cluster_catch_up(c, 3, r, true);
        cluster_run(c);
    }
    same_as_0(3);
    assert_int_equal(e->executed, 18 * K);
    assert_true(e->fetch.leaves_moved <= wanted - moved + 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(executed_of_others_are_enough_within_the_window),
        T(questions_about_slots),
        T(state_goes_from_one_e_to_another),
        T(nothing_is_taken_without_a_certificate),
        T(every_bit_of_a_piece_of_state_counts),
        T(a_lying_e_is_found_out),
        T(all_are_asked_again_when_all_lied),
        T(a_transfer_given_up_half_way_is_not_a_state),
        T(silent_peers_are_given_up),
        T(questions_about_state),
        T(a_state_in_use_is_not_replaced_at_once),
        T(the_state_is_frozen_while_it_is_sent),
        cmocka_unit_test_setup_teardown(a_large_value_goes_in_pieces, setup_kv, teardown),
        cmocka_unit_test_setup_teardown(pieces_that_do_not_fit_together, setup_kv, teardown),
        cmocka_unit_test_setup_teardown(only_what_differs_moves, setup_kv, teardown),
        cmocka_unit_test_setup_teardown(a_child_that_only_seems_alike_is_found, setup_kv, teardown),
        cmocka_unit_test_setup_teardown(a_later_target_keeps_what_is_here, setup_kv, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
