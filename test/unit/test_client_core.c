/* The client core against replicas made by hand. Each claim has its tampered twin. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "lib/fake_cluster.h"

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    print_error("%s:%d: %s\n", file, line, expression);
    abort();
}

#define SECOND 1000000u

static struct fake_cluster *one_op(void)
{
    struct fake_cluster *c = fake_cluster_open(NULL);
    assert_int_equal(fake_submit(c, "hello", 5, 5 * SECOND), 0);
    fake_flush(c);
    return c;
}

/* The full replier of the bundle that was sent first, and then the others. */
static void by_role(struct fake_cluster *c, replica_id role[FAKE_REPLICAS])
{
    struct fake_bundle b;
    fake_bundle_open(c, 0, &b);
    for (replica_id i = 0; i < FAKE_REPLICAS; i++)
        role[i] = (replica_id)((digest_prefix(&b.content) + i) % FAKE_REPLICAS);
    fake_bundle_close(&b);
}

/* ---------------------------------------------------------------------------------------------------- bundles */

static void a_lone_operation_leaves_at_once_in_a_bundle_that_every_p_admits(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    struct fake_bundle b;
    assert_int_equal(c->sent_count, 1);
    assert_int_equal(c->sent[0].replica, CLIENT_TO_ALL);
    fake_bundle_open(c, 0, &b);
    assert_int_equal(b.count, 1);
    assert_memory_equal(b.op[0].data, "hello", 5);
    assert_int_equal(b.bundle.bundle_no, 1);
    for (replica_id r = 0; r < FAKE_REPLICAS; r++)
        assert_int_equal(auth_check_mac(&c->preparation[r], &b.frame), VERDICT_ACCEPT);
    c->sent[0].data[FRAME_HEADER_BYTES] ^= 1; /* tampered twin: another bundle number */
    assert_int_equal(auth_check_mac(&c->preparation[0], &b.frame), VERDICT_BAD_MAC);
    c->sent[0].data[FRAME_HEADER_BYTES] ^= 1;
    fake_bundle_close(&b);
    fake_cluster_free(c);
}

static void what_waits_forms_the_next_bundle_and_few_are_in_flight(void **state)
{
    (void)state;
    struct fake_cluster *c = fake_cluster_open(NULL);
    struct fake_bundle b;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(fake_submit(c, &i, sizeof i, SECOND), 0);
        fake_flush(c);
    }
    for (unsigned i = 4; i < 10; i++) {
        assert_int_equal(fake_submit(c, &i, sizeof i, SECOND), 0);
        fake_flush(c);
    }
    assert_int_equal(c->sent_count, 4);
    assert_int_equal(client_core_waiting(&c->core), 6);
    for (replica_id r = 0; r < 3; r++)
        fake_answer(c, r, 2, 9, 1, "x");
    fake_flush(c);
    assert_int_equal(c->sent_count, 5);
    fake_bundle_open(c, 4, &b);
    assert_int_equal(b.count, 6);
    assert_int_equal(b.bundle.bundle_no, 5);
    fake_bundle_close(&b);
    fake_cluster_free(c);
}

static void a_bundle_keeps_to_its_limits(void **state)
{
    (void)state;
    struct client_core_options options;
    client_core_options_init(&options);
    options.bundle_ops_max = 3;
    struct fake_cluster *c = fake_cluster_open(&options);
    struct fake_bundle b;
    for (unsigned i = 0; i < 7; i++)
        assert_int_equal(fake_submit(c, &i, sizeof i, SECOND), 0);
    fake_flush(c);
    assert_int_equal(c->sent_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        fake_bundle_open(c, i, &b);
        assert_int_equal(b.count, i < 2 ? 3 : 1);
        fake_bundle_close(&b);
    }
    fake_cluster_free(c);

    c = fake_cluster_open(NULL);
    uint8_t *large = calloc(1, OP_MAX + 1);
    assert_int_equal(fake_submit(c, large, OP_MAX + 1, SECOND), -EMSGSIZE);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(fake_submit(c, large, OP_MAX, SECOND), 0);
    fake_flush(c);
    assert_int_equal(c->sent_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        fake_bundle_open(c, i, &b);
        assert_true(b.frame.attachment.len <= BUNDLE_BODY_MAX);
        fake_bundle_close(&b);
    }
    free(large);
    fake_cluster_free(c);
}

static void no_bundle_falls_below_the_window_of_another(void **state)
{
    (void)state;
    struct fake_cluster *c = fake_cluster_open(NULL);
    unsigned i = 0;
    for (; i < 200; i++) {
        assert_int_equal(fake_submit(c, &i, sizeof i, 100 * SECOND), 0);
        fake_flush(c);
        uint64_t last = c->core.next - 1;
        if (last > 1 && c->core.flight[last % BUNDLE_WINDOW]) /* never the first */
            for (replica_id r = 0; r < 3; r++)
                fake_answer(c, r, last, last,
                            c->core.flight[last % BUNDLE_WINDOW]
                                ? c->core.flight[last % BUNDLE_WINDOW]->chunk->count
                                : 1,
                            "x");
    }
    assert_int_equal(c->core.next, 1 + BUNDLE_WINDOW);
    for (replica_id r = 0; r < 3; r++)
        fake_answer(c, r, 1, 1, 1, "x");
    fake_flush(c);
    assert_true(c->core.next > 1 + BUNDLE_WINDOW);
    fake_cluster_free(c);
}

/* ---------------------------------------------------------------------------------------------------- votes */

static void a_quorum_completes_and_one_short_does_not(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    assert_int_equal(fake_answer(c, 0, 1, 5, 1, "world"), VERDICT_ACCEPT);
    assert_int_equal(fake_answer(c, 2, 1, 5, 1, "world"), VERDICT_ACCEPT);
    assert_int_equal(c->outcome[0].told, 0);
    c->now += 250;
    assert_int_equal(fake_answer(c, 3, 1, 5, 1, "world"), VERDICT_ACCEPT);
    assert_int_equal(c->outcome[0].told, 1);
    assert_int_equal(c->outcome[0].outcome.kind, REDOUBT_COMMITTED);
    assert_int_equal(c->outcome[0].outcome.status, REDOUBT_OK);
    assert_int_equal(c->outcome[0].outcome.slot, 5);
    assert_int_equal(c->outcome[0].outcome.latency_us, 250);
    assert_int_equal(c->outcome[0].outcome.result_bytes, 5);
    assert_memory_equal(c->outcome[0].result, "world", 5);
    assert_int_equal(fake_answer(c, 1, 1, 5, 1, "world"), VERDICT_STALE);
    assert_int_equal(c->outcome[0].told, 1);
    fake_cluster_free(c);
}

static void a_replica_has_one_vote(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    for (int i = 0; i < 5; i++)
        fake_answer(c, 0, 1, 5, 1, "x");
    fake_answer(c, 1, 1, 5, 1, "x");
    assert_int_equal(c->outcome[0].told, 0);
    assert_int_equal(c->core.counters.replies, 2);
    fake_answer(c, 2, 1, 5, 1, "x");
    assert_int_equal(c->outcome[0].told, 1);
    fake_cluster_free(c);
}

static void votes_differ_by_result_status_slot_and_outcome(void **state)
{
    (void)state;
    struct fake_reply *reply = malloc(sizeof *reply);
    for (int what = 0; what < 5; what++) {
        struct fake_cluster *c = one_op();
        fake_answer(c, 0, 1, 5, 1, "x");
        fake_answer(c, 1, 1, 5, 1, "x");
        fake_reply_of(c, reply, 2, 1, what == 1 ? 6 : 5);
        if (what != 3)
            fake_reply_add(reply, what == 2 ? REDOUBT_NOT_FOUND : REDOUBT_OK, what == 0 ? "y" : "x", 1, true);
        else
            reply->reply.outcome = REPLY_UNREADABLE;
        fake_reply_send(c, reply);
        assert_int_equal(c->outcome[0].told, what == 4 ? 1 : 0); /* 4: nothing differs */
        fake_answer(c, 3, 1, 5, 1, "x");
        assert_int_equal(c->outcome[0].told, 1);
        assert_memory_equal(c->outcome[0].result, "x", 1);
        assert_int_equal(c->core.counters.conflicting_replies, what == 4 ? 0 : 1);
        fake_cluster_free(c);
    }
    free(reply);
}

static void a_replica_that_changes_its_mind_is_counted_and_its_latest_word_stands(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    fake_answer(c, 0, 1, 5, 1, "lie");
    fake_answer(c, 1, 1, 5, 1, "x");
    fake_answer(c, 2, 1, 5, 1, "x");
    assert_int_equal(fake_answer(c, 0, 1, 5, 1, "x"), VERDICT_EQUIVOCATION);
    assert_int_equal(c->core.counters.conflicting_replies, 1);
    assert_int_equal(c->outcome[0].told, 1);
    fake_cluster_free(c);
}

static void an_older_word_does_not_come_back(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    struct fake_reply *old = malloc(sizeof *old);
    fake_reply_of(c, old, 0, 1, 5);
    fake_reply_add(old, REDOUBT_OK, "old", 3, true);
    fake_answer(c, 0, 1, 5, 1, "new");
    assert_int_equal(fake_reply_send(c, old), VERDICT_DUPLICATE);
    fake_answer(c, 1, 1, 5, 1, "new");
    fake_answer(c, 2, 1, 5, 1, "new");
    assert_int_equal(c->outcome[0].told, 1);
    assert_memory_equal(c->outcome[0].result, "new", 3);
    free(old);
    fake_cluster_free(c);
}

enum forgery {
    NONE,
    FLIPPED,
    TRUNCATED,
    OTHER_SENDER,
    OTHER_EPOCH,
    NOT_E,
    NO_MEMBER,
    OTHER_ORIGIN,
    OTHER_ORIGIN_EPOCH,
    OTHER_BUNDLE,
    OLD_CONFIGURATION,
    NEW_CONFIGURATION,
    TOO_FEW,
    TOO_MANY,
    TAIL,
    ODD_FORM,
    ODD_STATUS,
    FORGERIES
};

static void forge_before(struct fake_reply *r, enum forgery forgery)
{
    switch (forgery) {
    case OTHER_SENDER:
        r->sender.id = 3;
        break;
    case OTHER_EPOCH:
        r->sender.epoch++;
        break;
    case NOT_E:
        r->sender.kind = KIND_PREPARATION;
        break;
    case NO_MEMBER:
        r->sender.id = 9;
        break;
    case OTHER_ORIGIN:
        r->reply.origin = 1;
        break;
    case OTHER_ORIGIN_EPOCH:
        r->reply.epoch--;
        break;
    case OTHER_BUNDLE:
        r->reply.bundle_no = 2;
        break;
    case OLD_CONFIGURATION:
        r->reply.configuration--;
        break;
    case NEW_CONFIGURATION:
        r->reply.configuration++;
        break;
    case TOO_FEW:
        r->plain_len = 0;
        break;
    case TOO_MANY:
        fake_reply_add(r, REDOUBT_OK, "x", 1, true);
        break;
    case TAIL:
        r->plain[r->plain_len++] = 0;
        break;
    case ODD_FORM:
        r->plain[1] = RESULT_DIGEST;
        break;
    case ODD_STATUS:
        r->plain[0] = 17;
        break;
    default:
        break;
    }
}

static void forged_replies_are_counted_and_never_complete_anything(void **state)
{
    (void)state;
    struct fake_reply *r = malloc(sizeof *r);
    for (int f = NONE; f < FORGERIES; f++) {
        struct fake_cluster *c = one_op();
        uint8_t frame[4096];
        fake_answer(c, 0, 1, 5, 1, "x");
        fake_answer(c, 1, 1, 5, 1, "x");
        fake_reply_of(c, r, 2, 1, 5);
        fake_reply_add(r, REDOUBT_OK, "x", 1, true);
        forge_before(r, (enum forgery)f);
        size_t len = fake_reply_encode(c, r, frame, sizeof frame);
        if (f == FLIPPED)
            frame[len - 1] ^= 1;
        if (f == TRUNCATED)
            len--;
        enum verdict verdict = client_core_on_frame(&c->core, 2, frame, len, c->now);
        client_core_validate(&c->core);
        assert_int_equal(verdict == VERDICT_ACCEPT, f == NONE);
        assert_int_equal(c->outcome[0].told, f == NONE ? 1 : 0);
        bool harmless = f == NONE || f == OTHER_ORIGIN || f == OTHER_ORIGIN_EPOCH || f == OTHER_BUNDLE ||
                        f == NEW_CONFIGURATION;
        assert_int_equal(c->core.counters.bad_replies, harmless ? 0 : 1);
        if (f != NONE) { /* the true one still counts */
            fake_answer(c, 2, 1, 5, 1, "x");
            assert_int_equal(c->outcome[0].told, 1);
        }
        fake_cluster_free(c);
    }
    free(r);
}

static void every_bit_of_a_reply_matters(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    struct fake_reply *r = malloc(sizeof *r);
    uint8_t frame[4096];
    fake_answer(c, 0, 1, 5, 1, "x");
    fake_answer(c, 1, 1, 5, 1, "x");
    fake_reply_of(c, r, 2, 1, 5);
    fake_reply_add(r, REDOUBT_OK, "x", 1, true);
    size_t len = fake_reply_encode(c, r, frame, sizeof frame);
    for (size_t bit = 0; bit < 8 * len; bit++) {
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        /* The authenticator kind of a reply says nothing and is not looked at. */
        if (bit / 8 != 3)
            client_core_on_frame(&c->core, 2, frame, len, c->now);
        frame[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(c->outcome[0].told, 0);
    }
    client_core_on_frame(&c->core, 2, frame, len, c->now);
    assert_int_equal(c->outcome[0].told, 1);
    free(r);
    fake_cluster_free(c);
}

static void garbage_is_a_verdict(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    uint8_t garbage[300];
    for (unsigned i = 0; i < 20000; i++) {
        crypto_random(garbage, sizeof garbage);
        garbage[0] = WIRE_VERSION;
        garbage[1] = i & 1 ? FRAME_REPLY : FRAME_SIGN_WANTED;
        garbage[2] = KIND_EXECUTION;
        memset(garbage + 4, 0, 28);
        garbage[16] = 53;
        garbage[24] = (uint8_t)(sizeof garbage - 32 - 53);
        client_core_on_frame(&c->core, i % 6, garbage, i % sizeof garbage, c->now);
    }
    client_core_validate(&c->core);
    assert_int_equal(c->outcome[0].told, 0);
    fake_cluster_free(c);
}

/* ---------------------------------------------------------------------------------------------------- full results */

static const char long_text[] =
    "a result that is longer than what is always sent in full, so that three of the four send its digest";

static enum verdict answer_long(struct fake_cluster *c, replica_id replica, bool full, const char *text)
{
    struct fake_reply *r = malloc(sizeof *r);
    fake_reply_of(c, r, replica, 1, 5);
    fake_reply_add(r, REDOUBT_OK, text, strlen(text), full);
    enum verdict verdict = fake_reply_send(c, r);
    free(r);
    return verdict;
}

static void digests_count_as_votes_and_the_full_result_must_match_them(void **state)
{
    (void)state;
    for (int order = 0; order < 3; order++) {
        struct fake_cluster *c = one_op();
        replica_id role[FAKE_REPLICAS];
        by_role(c, role);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(c->outcome[0].told, 0);
            assert_int_equal(answer_long(c,
                                         role[i == order  ? 0
                                              : i < order ? i + 1
                                                          : i],
                                         i == order, long_text),
                             VERDICT_ACCEPT);
        }
        assert_int_equal(c->outcome[0].told, 1);
        assert_int_equal(c->outcome[0].outcome.result_bytes, strlen(long_text));
        assert_int_equal(c->core.counters.fetched_results, 0);
        fake_cluster_free(c);
    }
}

static void a_wrong_full_result_is_not_taken_and_the_right_one_is_fetched(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    replica_id role[FAKE_REPLICAS];
    struct frame frame;
    struct fetch_reply fetch;
    char lie[sizeof long_text];
    memcpy(lie, long_text, sizeof lie);
    lie[90] ^= 1;
    by_role(c, role);
    answer_long(c, role[0], true, lie);
    answer_long(c, role[1], false, long_text);
    answer_long(c, role[2], false, long_text);
    assert_int_equal(c->sent_count, 1);
    answer_long(c, role[3], false, long_text);
    assert_int_equal(c->outcome[0].told, 0);
    assert_int_equal(c->sent_count, 2); /* the one who would send it has spoken: nothing to wait for */
    assert_true(frame_decode(c->sent[1].data, c->sent[1].len, &frame));
    assert_int_equal(frame.type, FRAME_FETCH_REPLY);
    assert_int_equal(frame.sender.kind, KIND_ORIGIN);
    assert_int_equal(frame.sender.epoch, 42);
    assert_true(fetch_reply_decode(frame.body, &fetch));
    assert_int_equal(fetch.bundle_no, 1);
    assert_int_not_equal(c->sent[1].replica, role[0]);
    assert_int_equal(c->core.counters.fetched_results, 1);
    answer_long(c, c->sent[1].replica, true, lie); /* it changes its mind, and lies */
    assert_int_equal(c->outcome[0].told, 0);
    answer_long(c, c->sent[1].replica, true, long_text);
    assert_int_equal(c->outcome[0].told, 1);
    assert_memory_equal(c->outcome[0].result, long_text, strlen(long_text));
    fake_cluster_free(c);
}

static void a_full_result_that_does_not_come_is_fetched_after_a_while_then_from_all(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    replica_id role[FAKE_REPLICAS];
    by_role(c, role);
    for (int i = 1; i < 4; i++)
        answer_long(c, role[i], false, long_text);
    assert_int_equal(c->sent_count, 1);
    fake_run_until(c, c->now + 10000);
    assert_int_equal(c->sent_count, 2);
    fake_run_until(c, c->now + 20000);
    assert_int_equal(c->sent_count, 5);
    answer_long(c, role[2], true, long_text);
    assert_int_equal(c->outcome[0].told, 1);
    fake_cluster_free(c);
}

/* ---------------------------------------------------------------------------------------------------- sent again */

static void a_retransmission_is_the_same_bundle_signed_and_doubles(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    struct fake_bundle first;
    struct fake_bundle again;
    uint64_t start = c->now;
    fake_run_until(c, start + 299999);
    assert_int_equal(c->sent_count, 1);
    fake_run_until(c, start + 300000);
    assert_int_equal(c->sent_count, 2);
    fake_bundle_open(c, 0, &first);
    fake_bundle_open(c, 1, &again);
    assert_int_equal(again.frame.auth_kind, AUTH_SIGNATURE);
    assert_int_equal(auth_check_signature(&c->configuration, &again.frame), VERDICT_ACCEPT);
    assert_memory_equal(&first.content, &again.content, sizeof first.content);
    c->sent[1].data[FRAME_HEADER_BYTES] ^= 1; /* tampered twin */
    assert_int_equal(auth_check_signature(&c->configuration, &again.frame), VERDICT_BAD_SIGNATURE);
    fake_bundle_close(&first);
    fake_bundle_close(&again);
    fake_run_until(c, start + 899999);
    assert_int_equal(c->sent_count, 2);
    fake_run_until(c, start + 900000);
    assert_int_equal(c->sent_count, 3);
    assert_int_equal(c->core.counters.retransmissions, 2);
    assert_int_equal(c->core.counters.signed_bundles, 1);
    fake_cluster_free(c);
}

static enum verdict sign_wanted(struct fake_cluster *c, replica_id replica, origin_id origin,
                                uint64_t bundle_no)
{
    uint8_t body[12];
    uint8_t frame[64];
    struct sign_wanted wanted = {.origin = origin, .bundle_no = bundle_no};
    struct sender host = {.kind = KIND_HOST, .id = replica, .epoch = 7};
    struct writer w = writer_to(body, sizeof body);
    sign_wanted_put(&w, &wanted);
    size_t len =
        frame_encode(frame, sizeof frame, FRAME_SIGN_WANTED, &host, AUTH_NONE,
                     (struct slice){body, sizeof body}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    return client_core_on_frame(&c->core, replica, frame, len, c->now);
}

static void a_host_is_sent_the_signed_form_once(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    struct fake_bundle b;
    assert_int_equal(sign_wanted(c, 2, 0, 1), VERDICT_ACCEPT);
    assert_int_equal(c->sent_count, 2);
    assert_int_equal(c->sent[1].replica, 2);
    fake_bundle_open(c, 1, &b);
    assert_int_equal(auth_check_signature(&c->configuration, &b.frame), VERDICT_ACCEPT);
    fake_bundle_close(&b);
    assert_int_equal(sign_wanted(c, 2, 0, 1), VERDICT_DUPLICATE);
    assert_int_equal(sign_wanted(c, 3, 1, 1), VERDICT_UNEXPECTED);
    assert_int_equal(sign_wanted(c, 3, 0, 2), VERDICT_STALE);
    assert_int_equal(c->sent_count, 2);
    assert_int_equal(c->core.sign_first, 0);
    assert_int_equal(sign_wanted(c, 0, 0, 1), VERDICT_ACCEPT); /* f+1 of them: a correct one is among them */
    fake_submit(c, "next", 4, SECOND);
    fake_flush(c);
    fake_bundle_open(c, c->sent_count - 1, &b);
    assert_int_equal(b.frame.auth_kind, AUTH_SIGNATURE);
    fake_bundle_close(&b);
    fake_cluster_free(c);
}

static void who_connects_is_sent_what_is_under_way(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    client_core_on_connected(&c->core, 1, c->now);
    assert_int_equal(c->sent_count, 2);
    assert_int_equal(c->sent[1].replica, 1);
    assert_int_equal(c->sent[1].len, c->sent[0].len);
    assert_memory_equal(c->sent[1].data, c->sent[0].data, c->sent[0].len);
    fake_cluster_free(c);
}

static void an_operation_to_be_retried_goes_into_another_bundle(void **state)
{
    (void)state;
    struct fake_cluster *c = fake_cluster_open(NULL);
    struct fake_reply *r = malloc(sizeof *r);
    struct fake_bundle b;
    fake_submit(c, "one", 3, SECOND);
    fake_submit(c, "second", 6, SECOND);
    fake_flush(c);
    for (replica_id i = 0; i < 3; i++) {
        fake_reply_of(c, r, i, 1, 5);
        fake_reply_add(r, REDOUBT_OK, "a", 1, true);
        fake_reply_add(r, RESULT_RETRY, "", 0, true);
        fake_reply_send(c, r);
    }
    assert_int_equal(c->outcome[0].told, 1);
    assert_int_equal(c->outcome[1].told, 0);
    fake_flush(c);
    assert_int_equal(c->sent_count, 2);
    fake_bundle_open(c, 1, &b);
    assert_int_equal(b.bundle.bundle_no, 2);
    assert_int_equal(b.count, 1);
    assert_memory_equal(b.op[0].data, "second", 6);
    fake_bundle_close(&b);
    for (replica_id i = 0; i < 3; i++)
        fake_answer(c, i, 2, 6, 1, "b");
    assert_int_equal(c->outcome[1].told, 1);
    assert_int_equal(c->outcome[1].outcome.kind, REDOUBT_COMMITTED);
    assert_int_equal(c->outcome[1].outcome.slot, 6);
    free(r);
    fake_cluster_free(c);
}

static void those_to_be_retried_stay_in_one_bundle_in_their_order(void **state)
{
    (void)state;
    struct client_core_options options;
    client_core_options_init(&options);
    options.bundles_in_flight = 1;
    options.bundle_ops_max = 3;
    struct fake_cluster *c = fake_cluster_open(&options);
    struct fake_reply *r = malloc(sizeof *r);
    struct fake_bundle b;
    fake_submit(c, "one", 3, SECOND);
    fake_submit(c, "second", 6, SECOND);
    fake_submit(c, "third", 5, SECOND);
    fake_flush(c);
    fake_submit(c, "waits", 5, SECOND); /* in a bundle that has room for two more */
    for (replica_id i = 0; i < 3; i++) {
        fake_reply_of(c, r, i, 1, 5);
        fake_reply_add(r, REDOUBT_OK, "a", 1, true);
        fake_reply_add(r, RESULT_RETRY, "", 0, true);
        fake_reply_add(r, RESULT_RETRY, "", 0, true);
        fake_reply_send(c, r);
    }
    fake_submit(c, "joins", 5, SECOND);
    fake_flush(c);
    fake_bundle_open(c, 1, &b);
    assert_int_equal(b.count, 1);
    assert_memory_equal(b.op[0].data, "waits", 5);
    fake_bundle_close(&b);
    for (replica_id i = 0; i < 3; i++)
        fake_answer(c, i, 2, 6, 1, "b");
    fake_flush(c);
    fake_bundle_open(c, 2, &b);
    assert_int_equal(b.count, 3);
    assert_memory_equal(b.op[0].data, "second", 6);
    assert_memory_equal(b.op[1].data, "third", 5);
    assert_memory_equal(b.op[2].data, "joins", 5);
    fake_bundle_close(&b);
    free(r);
    fake_cluster_free(c);
}

/* ---------------------------------------------------------------------------------------------------- ends */

static void after_its_deadline_an_operation_is_unknown_or_was_never_sent(void **state)
{
    (void)state;
    struct client_core_options options;
    client_core_options_init(&options);
    options.bundles_in_flight = 1;
    struct fake_cluster *c = fake_cluster_open(&options);
    struct fake_bundle b;
    uint64_t start = c->now;
    fake_submit(c, "sent", 4, 20000);
    fake_flush(c);
    fake_submit(c, "waits", 5, 10000);
    fake_submit(c, "waits longer", 12, SECOND);
    fake_flush(c);
    fake_run_until(c, start + 9999);
    assert_int_equal(c->outcome[1].told, 0);
    fake_run_until(c, start + 10000);
    assert_int_equal(c->outcome[1].told, 1);
    assert_int_equal(c->outcome[1].outcome.kind, REDOUBT_REJECTED);
    assert_int_equal(c->outcome[0].told, 0);
    fake_run_until(c, start + 20000);
    assert_int_equal(c->outcome[0].told, 1);
    assert_int_equal(c->outcome[0].outcome.kind, REDOUBT_UNKNOWN);
    assert_int_equal(c->sent_count, 2); /* it makes room; what was given up is not sent after all */
    fake_bundle_open(c, 1, &b);
    assert_int_equal(b.count, 1);
    assert_memory_equal(b.op[0].data, "waits longer", 12);
    fake_bundle_close(&b);
    for (replica_id r = 0; r < 3; r++) {
        fake_answer(c, r, 1, 5, 1, "late");
        fake_answer(c, r, 2, 6, 1, "x");
    }
    assert_int_equal(c->outcome[0].told, 1);
    assert_int_equal(c->outcome[2].outcome.kind, REDOUBT_COMMITTED);
    fake_cluster_free(c);
}

static void what_replicas_forgot_is_unknown_and_what_they_cannot_read_is_rejected(void **state)
{
    (void)state;
    struct fake_reply *r = malloc(sizeof *r);
    for (int stale = 0; stale < 2; stale++) {
        struct fake_cluster *c = one_op();
        for (replica_id i = 0; i < 3; i++) {
            assert_int_equal(c->outcome[0].told, 0);
            fake_reply_of(c, r, i, 1, stale ? i : 5);
            r->reply.outcome = stale ? REPLY_STALE : REPLY_UNREADABLE;
            fake_reply_send(c, r);
        }
        assert_int_equal(c->outcome[0].told, 1);
        assert_int_equal(c->outcome[0].outcome.kind, stale ? REDOUBT_UNKNOWN : REDOUBT_REJECTED);
        assert_non_null(c->outcome[0].outcome.reason);
        fake_cluster_free(c);
    }
    free(r);
}

static void forgetting_takes_no_vote_back(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    struct fake_reply *r = malloc(sizeof *r);
    fake_answer(c, 0, 1, 5, 1, "x");
    fake_reply_of(c, r, 0, 1, 0);
    r->reply.outcome = REPLY_STALE;
    fake_reply_send(c, r);
    fake_answer(c, 1, 1, 5, 1, "x");
    fake_answer(c, 2, 1, 5, 1, "x");
    assert_int_equal(c->outcome[0].outcome.kind, REDOUBT_COMMITTED);
    assert_int_equal(c->outcome[0].told, 1);
    assert_int_equal(c->core.counters.conflicting_replies, 0);
    free(r);
    fake_cluster_free(c);
}

static void closing_ends_everything_once(void **state)
{
    (void)state;
    struct client_core_options options;
    client_core_options_init(&options);
    options.bundles_in_flight = 1;
    struct fake_cluster *c = fake_cluster_open(&options);
    fake_submit(c, "sent", 4, SECOND);
    fake_flush(c);
    fake_submit(c, "waits", 5, SECOND);
    client_core_close(&c->core, c->now);
    assert_int_equal(c->outcome[0].told + c->outcome[1].told, 2);
    assert_int_equal(c->outcome[0].outcome.kind, REDOUBT_UNKNOWN);
    assert_int_equal(c->outcome[1].outcome.kind, REDOUBT_REJECTED);
    assert_int_equal(fake_submit(c, "late", 4, SECOND), -ECANCELED);
    assert_int_equal(client_core_next_timer(&c->core), UINT64_MAX);
    fake_cluster_free(c);
}

static void a_lower_configuration_is_refused_and_a_higher_one_drops_votes(void **state)
{
    (void)state;
    struct fake_cluster *c = one_op();
    struct configuration *other = malloc(sizeof *other);
    *other = c->configuration;
    other->number--;
    assert_false(client_core_on_configuration(&c->core, other));
    fake_answer(c, 0, 1, 5, 1, "x");
    fake_answer(c, 1, 1, 5, 1, "x");
    other->number = c->configuration.number + 1;
    assert_true(client_core_on_configuration(&c->core, other));
    fake_answer(c, 2, 1, 5, 1, "x"); /* names the old number */
    assert_int_equal(c->outcome[0].told, 0);
    c->configuration.number++;
    for (replica_id r = 0; r < 3; r++)
        fake_answer(c, r, 1, 5, 1, "x");
    assert_int_equal(c->outcome[0].told, 1);
    fake_cluster_free(c);
    free(other);
}

static void memory_is_bounded_and_lack_of_it_loses_nothing(void **state)
{
    (void)state;
    struct client_core_options options;
    client_core_options_init(&options);
    options.queue_max = 100;
    options.bundle_ops_max = 8;
    struct fake_cluster *c = fake_cluster_open(&options);
    unsigned accepted = 0;
    while (fake_submit(c, "0123456789", 10, SECOND) == 0)
        accepted++;
    assert_int_equal(accepted, 100);
    fake_flush(c);
    fake_run_until(c, c->now + 2 * SECOND);
    for (unsigned i = 0; i < accepted; i++)
        assert_int_equal(c->outcome[i].told, 1);
    size_t peak = c->memory_peak;
    for (unsigned round = 0; round < 20; round++) {
        c->submitted = 0;
        while (fake_submit(c, "0123456789", 10, SECOND) == 0)
            fake_flush(c);
        fake_run_until(c, c->now + 2 * SECOND);
    }
    assert_true(c->memory_peak <= peak + peak / 2);

    c->memory_limit = c->memory_used + 20000; /* and then there is little */
    c->submitted = 0;
    for (unsigned i = 0; i < 60; i++) {
        fake_submit(c, "0123456789", 10, SECOND);
        fake_flush(c);
        uint64_t last = c->core.next - 1;
        for (replica_id r = 0; r < 3; r++)
            fake_answer(c, r, last, last, 1, "x");
    }
    fake_run_until(c, c->now + 2 * SECOND);
    for (unsigned i = 0; i < c->submitted; i++)
        assert_int_equal(c->outcome[i].told, 1);
    fake_cluster_free(c);
}

/* A closed loop of callers whose replicas lose, repeat and reorder: every operation ends exactly once. */
static void a_long_run_ends_every_operation_once(void **state)
{
    (void)state;
    struct fake_cluster *c = fake_cluster_open(NULL);
    struct fake_reply *r = malloc(sizeof *r);
    uint64_t random = 88172645463325252u;
    for (unsigned step = 0; step < 6000; step++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        fake_submit(c, &step, 1 + step % 4, (random >> 20) % 400000);
        if (random & 1)
            fake_flush(c);
        for (uint64_t no = c->core.oldest; no < c->core.next && c->sent_count + 8 < FAKE_SENT_MAX; no++) {
            struct client_flight *flight = c->core.flight[no % BUNDLE_WINDOW];
            replica_id from = (replica_id)((random >> 8) + no) % FAKE_REPLICAS;
            if (!flight || flight->bundle_no != no || (random >> 16) % 3 == 0)
                continue;
            unsigned ops = flight->chunk->count;
            fake_reply_of(c, r, from, no, no + 100);
            for (unsigned i = 0; i < ops; i++)
                fake_reply_add(r, i % 7 == 6 ? RESULT_RETRY : REDOUBT_OK, long_text,
                               i % 7 == 6 ? 0 : 60 + i % 30, from == flight->pick % FAKE_REPLICAS);
            fake_reply_send(c, r);
        }
        fake_run_until(c, c->now + random % 3000);
    }
    fake_run_until(c, c->now + SECOND);
    unsigned committed = 0;
    for (unsigned i = 0; i < c->submitted; i++) {
        assert_int_equal(c->outcome[i].told, 1);
        committed += c->outcome[i].outcome.kind == REDOUBT_COMMITTED;
    }
    assert_true(committed > 1000);
    free(r);
    fake_cluster_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_operation_leaves_at_once_in_a_bundle_that_every_p_admits),
        cmocka_unit_test(what_waits_forms_the_next_bundle_and_few_are_in_flight),
        cmocka_unit_test(a_bundle_keeps_to_its_limits),
        cmocka_unit_test(no_bundle_falls_below_the_window_of_another),
        cmocka_unit_test(a_quorum_completes_and_one_short_does_not),
        cmocka_unit_test(a_replica_has_one_vote),
        cmocka_unit_test(votes_differ_by_result_status_slot_and_outcome),
        cmocka_unit_test(a_replica_that_changes_its_mind_is_counted_and_its_latest_word_stands),
        cmocka_unit_test(an_older_word_does_not_come_back),
        cmocka_unit_test(forged_replies_are_counted_and_never_complete_anything),
        cmocka_unit_test(every_bit_of_a_reply_matters),
        cmocka_unit_test(garbage_is_a_verdict),
        cmocka_unit_test(digests_count_as_votes_and_the_full_result_must_match_them),
        cmocka_unit_test(a_wrong_full_result_is_not_taken_and_the_right_one_is_fetched),
        cmocka_unit_test(a_full_result_that_does_not_come_is_fetched_after_a_while_then_from_all),
        cmocka_unit_test(a_retransmission_is_the_same_bundle_signed_and_doubles),
        cmocka_unit_test(a_host_is_sent_the_signed_form_once),
        cmocka_unit_test(who_connects_is_sent_what_is_under_way),
        cmocka_unit_test(an_operation_to_be_retried_goes_into_another_bundle),
        cmocka_unit_test(those_to_be_retried_stay_in_one_bundle_in_their_order),
        cmocka_unit_test(after_its_deadline_an_operation_is_unknown_or_was_never_sent),
        cmocka_unit_test(what_replicas_forgot_is_unknown_and_what_they_cannot_read_is_rejected),
        cmocka_unit_test(forgetting_takes_no_vote_back),
        cmocka_unit_test(closing_ends_everything_once),
        cmocka_unit_test(a_lower_configuration_is_refused_and_a_higher_one_drops_votes),
        cmocka_unit_test(memory_is_bounded_and_lack_of_it_loses_nothing),
        cmocka_unit_test(a_long_run_ends_every_operation_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
