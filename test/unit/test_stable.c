/*
 * Stable checkpoints: 2f+1 equal words of distinct E, and certificates that came inside other messages.
 */
#include "testing.h"

#include "cluster.h"

#define K CHECKPOINT_INTERVAL

static struct cluster *cluster;
static struct stable stable;
static struct digest root, other;

static int setup(void **state)
{
    (void)state;
    cluster = cluster_new(NULL);
    stable_init(&stable);
    root = test_digest(1);
    other = test_digest(2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(cluster);
    return 0;
}

static enum verdict add_bytes(struct slice bytes, bool *advanced)
{
    struct frame frame;
    if (!frame_decode(bytes.data, bytes.len, &frame))
        return VERDICT_MALFORMED;
    return stable_add(&stable, cluster_auth(cluster, KIND_PREPARATION, 0), &frame, advanced);
}

static enum verdict add(replica_id from, slot_no slot, const struct digest *of, bool *advanced)
{
    return add_bytes(forge_checkpoint(cluster, from, slot, of), advanced);
}

static enum verdict certificate(slot_no slot, const struct digest *of, struct slice signers)
{
    return certificate_check(&cluster->configuration, slot, of, signers);
}

static void a_quorum_and_not_one_less(void **state)
{
    (void)state;
    bool advanced = true;
    assert_verdict(add(0, K, &root, &advanced), ACCEPT);
    assert_false(advanced);
    assert_verdict(add(3, K, &root, &advanced), ACCEPT);
    assert_false(advanced);
    assert_int_equal(stable.certificate.slot, 0);
    assert_verdict(add(1, K, &root, &advanced), ACCEPT);
    assert_true(advanced);
    assert_int_equal(stable.certificate.slot, K);
    assert_memory_equal(&stable.certificate.root, &root, sizeof root);
    assert_verdict(certificate(K, &root, certificate_signers(&stable.certificate)), ACCEPT);
    assert_verdict(add(2, K, &root, &advanced), STALE);
    assert_false(advanced);
}

static void repeats_and_lies_do_not_count(void **state)
{
    (void)state;
    bool advanced = false;
    assert_verdict(add(0, K, &root, &advanced), ACCEPT);
    assert_verdict(add(1, K, &root, &advanced), ACCEPT);
    for (unsigned i = 0; i < 3; i++) {
        assert_verdict(add(1, K, &root, &advanced), DUPLICATE);
        assert_verdict(add(1, K, &other, &advanced), EQUIVOCATION);
        assert_false(advanced);
    }
    assert_verdict(add(2, K, &other, &advanced), ACCEPT); /* says something else */
    assert_false(advanced);
    assert_verdict(add(2, K, &root, &advanced), EQUIVOCATION); /* and cannot change its mind */
    assert_false(advanced);
    assert_verdict(add(3, K, &root, &advanced), ACCEPT);
    assert_true(advanced);
    assert_int_equal(stable.certificate.signers_len, 3 * signer_BYTES);
}

static void every_bit_of_a_checkpoint_counts(void **state)
{
    (void)state;
    struct slice good = forge_checkpoint(cluster, 0, K, &root);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    bool advanced = false;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(add_bytes(good, &advanced), bit);
        assert_false(advanced);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < good.len; len++)
        assert_refused(add_bytes((struct slice){good.data, len}, &advanced), len);
    struct slice by_p = forge_signed(
        cluster, cluster_auth(cluster, KIND_PREPARATION, 0), FRAME_CHECKPOINT,
        cluster_body(cluster, checkpoint,
                     &(struct checkpoint){1, configuration_step(&cluster->configuration, 1)->chain, K, root}),
        SLICE_NONE);
    assert_verdict(add_bytes(by_p, &advanced), WRONG_KIND);
    assert_verdict(add_bytes(good, &advanced), ACCEPT);
}

static void a_faulty_e_pushes_out_its_own_words_only(void **state)
{
    (void)state;
    bool advanced = false;
    assert_verdict(add(0, K, &root, &advanced), ACCEPT);
    assert_verdict(add(1, K, &root, &advanced), ACCEPT);
    for (slot_no i = 1; i < 50; i++)
        assert_verdict(add(3, i * STABLE_CANDIDATES * K + K, &other, &advanced), ACCEPT);
    assert_verdict(add(3, K, &root, &advanced), STALE); /* it has gone on, it says */
    assert_verdict(add(2, K, &root, &advanced), ACCEPT);
    assert_true(advanced);
}

static void checkpoints_may_come_ahead_and_in_any_order(void **state)
{
    (void)state;
    bool advanced = false;
    for (replica_id r = 0; r < 3; r++)
        for (slot_no i = STABLE_CANDIDATES; i >= 1; i--) {
            assert_int_equal(add(r, i * K, &root, &advanced),
                             r < 2 || i == STABLE_CANDIDATES ? VERDICT_ACCEPT : VERDICT_STALE);
            assert_int_equal(advanced, r == 2 && i == STABLE_CANDIDATES);
        }
    assert_int_equal(stable.certificate.slot, STABLE_CANDIDATES * K);
}

static void configurations_do_not_mix(void **state)
{
    (void)state;
    bool advanced = false;
    assert_verdict(add(0, K, &root, &advanced), ACCEPT);
    assert_verdict(add(1, K, &root, &advanced), ACCEPT);
    struct slice body = cluster_body(cluster, checkpoint, &(struct checkpoint){2, {{0}}, K, root});
    assert_verdict(add_bytes(forge_signed(cluster, cluster_auth(cluster, KIND_EXECUTION, 2), FRAME_CHECKPOINT,
                                          body, SLICE_NONE),
                             &advanced),
                   EARLY); /* of one that is not held here */
    assert_false(advanced);
    body = cluster_body(cluster, checkpoint, &(struct checkpoint){1, {{0}}, K, root});
    assert_verdict(add_bytes(forge_signed(cluster, cluster_auth(cluster, KIND_EXECUTION, 2), FRAME_CHECKPOINT,
                                          body, SLICE_NONE),
                             &advanced),
                   MISMATCH); /* of one with the same number and another history */
    assert_false(advanced);
}

/* --- certificates ----------------------------------------------------------------------------------------------- */

static void a_certificate_needs_a_quorum_of_distinct_signers(void **state)
{
    (void)state;
    struct slice signers = forge_signers(cluster, K, &root, 4);
    for (uint32_t count = 0; count <= 4; count++)
        assert_int_equal(certificate(K, &root, (struct slice){signers.data, count * (size_t)signer_BYTES}),
                         count >= 3 ? VERDICT_ACCEPT : VERDICT_MISMATCH);
    uint8_t list[3 * signer_BYTES];
    memcpy(list, signers.data, sizeof list);
    memcpy(list + 2 * signer_BYTES, list, signer_BYTES); /* one of them twice */
    assert_verdict(certificate(K, &root, (struct slice){list, sizeof list}), MALFORMED);
    assert_verdict(certificate(K, &root, (struct slice){signers.data, 3 * signer_BYTES - 1}), MALFORMED);
    static uint8_t many[(REPLICAS_MAX + 1) * signer_BYTES];
    assert_verdict(certificate(K, &root, (struct slice){many, sizeof many}), MALFORMED);
}

static void every_bit_of_a_certificate_counts(void **state)
{
    (void)state;
    struct slice signers = forge_signers(cluster, K, &root, 3);
    uint8_t *bytes = (uint8_t *)(uintptr_t)signers.data;
    for (size_t bit = 0; bit < 8 * signers.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(certificate(K, &root, signers), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_verdict(certificate(K, &root, signers), ACCEPT);
    assert_verdict(certificate(K, &other, signers), BAD_SIGNATURE);
    assert_verdict(certificate(2 * K, &root, signers), BAD_SIGNATURE);
    assert_verdict(certificate(K + 1, &root, signers), MALFORMED);
    assert_verdict(certificate(0, &root, SLICE_NONE), ACCEPT); /* the beginning needs none */
}

static void adopting_only_rises(void **state)
{
    (void)state;
    struct slice signers = forge_signers(cluster, 2 * K, &root, 3);
    assert_false(stable_adopt(&stable, 0, &root, SLICE_NONE));
    assert_true(stable_adopt(&stable, 2 * K, &root, signers));
    assert_false(stable_adopt(&stable, 2 * K, &other, signers));
    assert_false(stable_adopt(&stable, K, &other, signers));
    assert_memory_equal(&stable.certificate.root, &root, sizeof root);
    static uint8_t many[sizeof stable.certificate.signers + 1];
    assert_false(stable_adopt(&stable, 3 * K, &root, (struct slice){many, sizeof many}));
}

static void the_window_has_two_edges(void **state)
{
    (void)state;
    assert_verdict(window_check(K, 0), STALE);
    assert_verdict(window_check(K, K), STALE);
    assert_verdict(window_check(K, K + 1), ACCEPT);
    assert_verdict(window_check(K, K + WINDOW), ACCEPT);
    assert_verdict(window_check(K, K + WINDOW + 1), EARLY);
    assert_verdict(window_check(K, UINT64_MAX), EARLY);
    assert_verdict(window_check(UINT64_MAX, 1), STALE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_quorum_and_not_one_less),
        T(repeats_and_lies_do_not_count),
        T(every_bit_of_a_checkpoint_counts),
        T(a_faulty_e_pushes_out_its_own_words_only),
        T(checkpoints_may_come_ahead_and_in_any_order),
        T(configurations_do_not_mix),
        T(a_certificate_needs_a_quorum_of_distinct_signers),
        T(every_bit_of_a_certificate_counts),
        T(adopting_only_rises),
        T(the_window_has_two_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
