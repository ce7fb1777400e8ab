/*
 * What an E tells its own Troxy where Troxies certify (hybster with fast reads): every executed bundle, each on the digest of all before it.
 * What a Troxy makes of it is in test_witness.c.
 */
#include "testing.h"

#include "cluster.h"

#define E KIND_EXECUTION

static struct cluster *c;

static int setup(void **state)
{
    (void)state;
    c = cluster_new(NULL);
    for (replica_id r = 0; r < c->replicas; r++) {
        struct execution *e = cluster_e(c, r);
        e->configuration.certifies = e->versions.certifies = true; /* as a hybster manifest that lists Troxies makes it */
    }
    return 0;
}

static int setup_without(void **state)
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

struct told {
    struct local_certify step;
    struct slice raised;
};

/* What E_r told, the latest `max`; the count of all. */
static unsigned told_by(replica_id r, struct told *told, unsigned max)
{
    unsigned count = 0;
    for (size_t i = 0; i < c->sent_count; i++) {
        const struct sent *sent = &c->sent[i];
        if (sent->kind != E || sent->replica != r || sent->frame.type != FRAME_LOCAL_CERTIFY)
            continue;
        assert_true(count < max);
        assert_verdict(local_certify_check(&sent->frame, &told[count].step), ACCEPT);
        told[count++].raised = sent->frame.attachment;
    }
    return count;
}

static bool is_of(const struct told *told, const struct test_bundle *b)
{
    return told->step.origin == b->entry.origin && told->step.epoch == b->entry.epoch &&
           told->step.bundle_no == b->entry.bundle_no;
}

/* All fields alike. */
static bool is_same(const struct local_certify *a, const struct local_certify *b)
{
    struct digest of_a, of_b;
    history_step(a, &of_a);
    history_step(b, &of_b);
    return digest_equal(&of_a, &of_b);
}

static void each_bundle_is_a_step_on_the_one_before(void **state)
{
    (void)state;
    struct test_bundle *b[5];
    struct told told[8];
    struct digest head[4];
    for (unsigned i = 0; i < 5; i++)
        b[i] = cluster_incr(c, i % 2 ? 3 : 0, 1 + i / 2, 1);
    for (replica_id r = 0; r < 4; r++)
        head[r] = cluster_e(c, r)->versions.history;
    cluster_order(c, b, 2);
    cluster_order(c, b + 2, 3);
    for (replica_id r = 0; r < 4; r++) {
        assert_int_equal(told_by(r, told, 8), 5);
        for (unsigned i = 0; i < 5; i++) {
            struct digest raised;
            struct raised wrote;
            assert_true(is_of(&told[i], b[i]));
            assert_int_equal(told[i].step.slot, i < 2 ? 1 : 2);
            assert_int_equal(told[i].step.index, i < 2 ? i : (i - 2));
            assert_true(digest_equal(&told[i].step.before, &head[r]));
            digest_of(&raised, RAISED_TAG, told[i].raised.data, told[i].raised.len);
            assert_true(digest_equal(&told[i].step.raised, &raised));
            struct reader reader = reader_of(told[i].raised.data, told[i].raised.len);
            assert_true(raised_next(&reader, &wrote)); /* its one operation wrote, ... */
            assert_int_equal(wrote.op, 0);
            assert_false(raised_next(&reader, &wrote)); /* ... and no other bundle's is told with it */
            assert_false(reader.bad);
            history_step(&told[i].step, &head[r]);
        }
        assert_true(digest_equal(&cluster_e(c, r)->versions.history, &head[r]));
        assert_true(digest_equal(&head[r], &head[0]));
    }
}

static void a_repeat_tells_the_step_again_without_what_it_wrote(void **state)
{
    (void)state;
    struct test_bundle *b[2] = {cluster_incr(c, 0, 1, 1), cluster_incr(c, 0, 2, 1)};
    struct told told[4];
    cluster_order(c, b, 1);
    cluster_order(c, b + 1, 1);
    assert_int_equal(told_by(1, told, 4), 2);
    struct digest head = cluster_e(c, 1)->versions.history;
    const struct local_certify first = told[0].step;
    struct slice body = cluster_body(c, fetch_reply, &(struct fetch_reply){.bundle_no = 1});
    assert_verdict(cluster_give(c, E, 1, forge_plain(c, &c->origin[0].auth, FRAME_FETCH_REPLY, body, SLICE_NONE)), ACCEPT);
    assert_int_equal(told_by(1, told, 4), 3);
    assert_true(is_same(&told[2].step, &first));
    assert_int_equal(told[2].raised.len, 0);

    cluster_order(c, b, 1); /* ordered once more */
    assert_int_equal(told_by(1, told, 4), 4);
    assert_true(is_same(&told[3].step, &first));
    assert_int_equal(told[3].raised.len, 0);
    assert_true(digest_equal(&cluster_e(c, 1)->versions.history, &head)); /* which is nothing new */
}

/* State that came by transfer goes on from it, so a liar must not plant another. */
static void what_is_told_again_is_state(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest right, wrong;
    cluster_order(c, &b, 1);
    struct execution *e = cluster_e(c, 1);
    size_t size = origin_size(e, 0);
    uint8_t *saved = malloc(size);
    struct writer w = writer_to(saved, size);
    origin_save(e, 0, &w);
    assert_false(w.bad);
    assert_int_equal(w.len, size);
    assert_true(origin_saved_digest(e, (struct slice){saved, size}, &right));
    origins_refresh(e);
    assert_true(digest_equal(&right, &e->origin[0].digest));
    const struct kept_reply *kept = origin_kept(e, 0, 1);
    uint8_t *raised = memmem(saved, size, kept->raised.bytes, 32);
    assert_non_null(raised);
    for (uint8_t *at = raised - 32 - 4; at < raised + 32; at++) { /* the index and the digest before stand in front */
        *at ^= 1;
        assert_true(origin_saved_digest(e, (struct slice){saved, size}, &wrong));
        assert_false(digest_equal(&right, &wrong));
        *at ^= 1;
    }
    free(saved);
}

static void nobody_is_told_where_troxies_do_not_certify(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct told told[1];
    cluster_order(c, &b, 1);
    struct slice body = cluster_body(c, fetch_reply, &(struct fetch_reply){.bundle_no = 1});
    assert_verdict(cluster_give(c, E, 1, forge_plain(c, &c->origin[0].auth, FRAME_FETCH_REPLY, body, SLICE_NONE)), ACCEPT);
    cluster_order(c, &b, 1);
    for (replica_id r = 0; r < 4; r++)
        assert_int_equal(told_by(r, told, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_bundle_is_a_step_on_the_one_before, setup, teardown),
        cmocka_unit_test_setup_teardown(a_repeat_tells_the_step_again_without_what_it_wrote, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_told_again_is_state, setup, teardown),
        cmocka_unit_test_setup_teardown(nobody_is_told_where_troxies_do_not_certify, setup_without, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
