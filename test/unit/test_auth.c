/*
 * Who says so: vectors of MACs and signatures, under splitbft (every compartment its own keys) and pbft (one fault domain).
 * Every acceptance has its tampered twin: each bit of the frame, another type, epoch, cluster or receiver.
 */
#include "testing.h"

#include "cluster.h"

static struct cluster *splitbft, *pbft;

static int setup(void **state)
{
    (void)state;
    splitbft = cluster_new(NULL);
    pbft = cluster_new(&(struct cluster_options){.protocol = PROTOCOL_PBFT});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(splitbft);
    cluster_free(pbft);
    return 0;
}

static struct slice vote_body(struct cluster *c)
{
    struct vote vote = {.configuration = 1, .view = 2, .slot = 3, .batch = test_digest(1)};
    return cluster_body(c, vote, &vote);
}

static enum verdict check(struct auth *at, struct slice bytes)
{
    struct frame frame;
    return frame_decode(bytes.data, bytes.len, &frame) ? auth_check_mac(at, &frame) : VERDICT_MALFORMED;
}

static enum verdict check_signed(struct cluster *c, struct slice bytes)
{
    struct frame frame;
    return frame_decode(bytes.data, bytes.len, &frame) ? auth_check_signature(&c->configuration, &frame)
                                                       : VERDICT_MALFORMED;
}

/* P_1 to C_2. */
static struct slice one_mac(struct cluster *c)
{
    return forge_mac(c, cluster_auth(c, KIND_PREPARATION, 1), FRAME_PREPARE, vote_body(c), KIND_CONFIRMATION,
                     2, SLICE_NONE);
}

static void a_mac_convinces_its_receiver_and_no_other(void **state)
{
    (void)state;
    struct slice bytes = one_mac(splitbft);
    for (replica_id r = 0; r < splitbft->replicas; r++)
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
            if (r == 2 && kind == KIND_CONFIRMATION)
                assert_verdict(check(cluster_auth(splitbft, kind, r), bytes), ACCEPT);
            else
                assert_verdict(check(cluster_auth(splitbft, kind, r), bytes), BAD_MAC);
}

static void in_one_domain_a_mac_convinces_its_replica(void **state)
{
    (void)state;
    struct slice bytes = one_mac(pbft);
    for (replica_id r = 0; r < pbft->replicas; r++)
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
            if (r == 2)
                assert_verdict(check(cluster_auth(pbft, kind, r), bytes), ACCEPT);
            else
                assert_verdict(check(cluster_auth(pbft, kind, r), bytes), BAD_MAC);
}

static void every_bit_counts(void **state)
{
    (void)state;
    struct cluster *both[2] = {splitbft, pbft};
    for (unsigned i = 0; i < 2; i++) {
        struct slice good = one_mac(both[i]);
        struct slice copy = cluster_copy(both[i], good.data, good.len);
        uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
        struct auth *at = cluster_auth(both[i], KIND_CONFIRMATION, 2);
        for (size_t bit = 0; bit < 8 * good.len; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_refused(check(at, copy), bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t len = 0; len < good.len; len++)
            assert_refused(check(at, (struct slice){good.data, len}), len);
        assert_verdict(check(at, copy), ACCEPT);
    }
}

static void every_bit_of_a_signed_frame_counts(void **state)
{
    (void)state;
    struct slice good = forge_checkpoint(splitbft, 1, CHECKPOINT_INTERVAL, &(struct digest){{1}});
    struct slice copy = cluster_copy(splitbft, good.data, good.len);
    uint8_t *bytes = (uint8_t *)(uintptr_t)copy.data;
    assert_verdict(check_signed(splitbft, good), ACCEPT);
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(check_signed(splitbft, copy), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void a_vector_has_a_mac_for_all_others(void **state)
{
    (void)state;
    struct frame frame;
    struct slice bytes = forge_macs(splitbft, cluster_auth(splitbft, KIND_PREPARATION, 1), FRAME_PRE_PREPARE,
                                    vote_body(splitbft), TO_P | TO_C, SLICE_NONE);
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    assert_int_equal(mac_entry_count(frame.auth), 2 * 4 - 1); /* its own C too, not itself */
    for (replica_id r = 0; r < 4; r++) {
        assert_int_equal(check(cluster_auth(splitbft, KIND_PREPARATION, r), bytes) == VERDICT_ACCEPT, r != 1);
        assert_verdict(check(cluster_auth(splitbft, KIND_CONFIRMATION, r), bytes), ACCEPT);
        assert_verdict(check(cluster_auth(splitbft, KIND_EXECUTION, r), bytes), BAD_MAC);
    }
    bytes = forge_macs(pbft, cluster_auth(pbft, KIND_PREPARATION, 1), FRAME_PRE_PREPARE, vote_body(pbft),
                       TO_P | TO_C, SLICE_NONE);
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    assert_int_equal(mac_entry_count(frame.auth), 3);
    for (replica_id r = 0; r < 4; r++)
        assert_int_equal(check(cluster_auth(pbft, KIND_CONFIRMATION, r), bytes) == VERDICT_ACCEPT, r != 1);
}

static void nothing_verifies_as_another_type(void **state)
{
    (void)state;
    struct cluster *both[2] = {splitbft, pbft};
    for (unsigned i = 0; i < 2; i++) {
        struct slice mac = one_mac(both[i]);
        struct slice sign = forge_checkpoint(both[i], 1, CHECKPOINT_INTERVAL, &(struct digest){{1}});
        struct slice mac_copy = cluster_copy(both[i], mac.data, mac.len);
        struct slice sign_copy = cluster_copy(both[i], sign.data, sign.len);
        for (unsigned type = 0; type < 256; type++) {
            ((uint8_t *)(uintptr_t)mac_copy.data)[1] = (uint8_t)type;
            ((uint8_t *)(uintptr_t)sign_copy.data)[1] = (uint8_t)type;
            enum verdict a = check(cluster_auth(both[i], KIND_CONFIRMATION, 2), mac_copy);
            enum verdict b = check_signed(both[i], sign_copy);
            assert_int_equal(a == VERDICT_ACCEPT, type == FRAME_PREPARE);
            assert_int_equal(b == VERDICT_ACCEPT, type == FRAME_CHECKPOINT);
        }
    }
}

/* The MAC for one receiver, relabelled for another. */
static void a_mac_cannot_be_passed_on(void **state)
{
    (void)state;
    for (replica_id r = 0; r < 4; r++)
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++) {
            struct slice bytes = one_mac(splitbft);
            struct frame frame;
            assert_true(frame_decode(bytes.data, bytes.len, &frame));
            uint8_t *entry = (uint8_t *)(uintptr_t)frame.auth.data;
            entry[0] = (uint8_t)kind;
            entry[1] = (uint8_t)r;
            bool right = r == 2 && kind == KIND_CONFIRMATION;
            assert_int_equal(check(cluster_auth(splitbft, kind, r), bytes) == VERDICT_ACCEPT, right);
        }
}

static void a_frame_cannot_be_reflected(void **state)
{
    (void)state;
    /* P_1's own words for P_2 come back to P_1, as if from P_2. */
    struct slice bytes = forge_mac(splitbft, cluster_auth(splitbft, KIND_PREPARATION, 1), FRAME_PRE_PREPARE,
                                   vote_body(splitbft), KIND_PREPARATION, 2, SLICE_NONE);
    struct frame frame;
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    assert_verdict(auth_check_mac(cluster_auth(splitbft, KIND_PREPARATION, 1), &frame), BAD_MAC);
    frame.sender = cluster_auth(splitbft, KIND_PREPARATION, 2)->self;
    ((uint8_t *)(uintptr_t)frame.auth.data)[1] = 1;
    assert_verdict(auth_check_mac(cluster_auth(splitbft, KIND_PREPARATION, 1), &frame), BAD_MAC);
}

static void another_epoch_or_cluster_is_refused(void **state)
{
    (void)state;
    struct cluster *both[2] = {splitbft, pbft};
    for (unsigned i = 0; i < 2; i++) {
        struct cluster *c = both[i];
        struct auth *p = cluster_auth(c, KIND_PREPARATION, 1), *at = cluster_auth(c, KIND_CONFIRMATION, 2);
        struct auth old = *p;
        old.self.epoch--;
        memset(old.member, 0, sizeof old.member);
        assert_verdict(
            check(at, forge_mac(c, &old, FRAME_PREPARE, vote_body(c), KIND_CONFIRMATION, 2, SLICE_NONE)),
            UNKNOWN_SENDER);
        assert_verdict(check_signed(c, forge_signed(c, &old, FRAME_PARTING, vote_body(c), SLICE_NONE)),
                       UNKNOWN_SENDER);
        struct auth elsewhere = *p;
        elsewhere.cluster.bytes[15] ^= 1;
        assert_verdict(check(at, forge_mac(c, &elsewhere, FRAME_PREPARE, vote_body(c), KIND_CONFIRMATION, 2,
                                           SLICE_NONE)),
                       BAD_MAC);
        assert_verdict(check_signed(c, forge_signed(c, &elsewhere, FRAME_PARTING, vote_body(c), SLICE_NONE)),
                       BAD_SIGNATURE);
        memset(elsewhere.member, 0, sizeof elsewhere.member); /* with keys of the other cluster as well */
        assert_verdict(check(at, forge_mac(c, &elsewhere, FRAME_PREPARE, vote_body(c), KIND_CONFIRMATION, 2,
                                           SLICE_NONE)),
                       BAD_MAC);
    }
}

static void senders_that_nobody_knows(void **state)
{
    (void)state;
    struct auth *at = cluster_auth(splitbft, KIND_CONFIRMATION, 2);
    struct slice bytes = one_mac(splitbft);
    struct frame frame;
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    struct sender wrong[] = {{KIND_PREPARATION, 4, 104},
                             {KIND_PREPARATION, UINT32_MAX, 101},
                             {KIND_NONE, 1, 101},
                             {KIND_ADMIN, 1, 101},
                             {KIND_ORIGIN, 0, 7}}; /* origins have no MACs for C */
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        frame.sender = wrong[i];
        assert_verdict(auth_check_mac(at, &frame), UNKNOWN_SENDER);
    }
    frame.sender = (struct sender){KIND_ORIGIN, splitbft->options.origins, 7};
    assert_verdict(auth_check_mac(at, &frame), UNKNOWN_SENDER);
    frame.auth_kind = AUTH_SIGNATURE;
    assert_verdict(auth_check_signature(&splitbft->configuration, &frame),
                   BAD_SIGNATURE); /* not of that length */
    uint8_t signature[SIGNATURE_BYTES] = {0};
    frame.auth = (struct slice){signature, sizeof signature};
    assert_verdict(auth_check_signature(&splitbft->configuration, &frame), UNKNOWN_SENDER);
    frame.sender.id = ORIGINS_MAX;
    assert_verdict(auth_check_signature(&splitbft->configuration, &frame), UNKNOWN_SENDER);
}

static void odd_authenticators(void **state)
{
    (void)state;
    struct auth *at = cluster_auth(splitbft, KIND_CONFIRMATION, 2);
    struct slice bytes = one_mac(splitbft);
    struct frame frame;
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    static uint8_t vector[(MAC_VECTOR_MAX + 1) * mac_entry_BYTES];
    struct slice entry = frame.auth;
    memcpy(vector + (MAC_VECTOR_MAX - 1) * mac_entry_BYTES, entry.data, mac_entry_BYTES);
    frame.auth = (struct slice){vector, MAC_VECTOR_MAX * mac_entry_BYTES};
    assert_verdict(auth_check_mac(at, &frame), ACCEPT); /* the last of the longest vector */
    frame.auth.len += mac_entry_BYTES;
    assert_verdict(auth_check_mac(at, &frame), BAD_MAC);
    frame.auth = (struct slice){entry.data, entry.len - 1};
    assert_verdict(auth_check_mac(at, &frame), BAD_MAC);
    frame.auth = SLICE_NONE;
    assert_verdict(auth_check_mac(at, &frame), BAD_MAC);
    frame.auth = entry;
    frame.auth_kind = AUTH_NONE;
    assert_verdict(auth_check_mac(at, &frame), BAD_MAC);
    assert_verdict(auth_check_signature(&splitbft->configuration, &frame), BAD_SIGNATURE);
}

static void an_origin_may_return_with_a_new_epoch(void **state)
{
    (void)state;
    struct auth *at = cluster_auth(splitbft, KIND_PREPARATION, 3);
    struct test_bundle *old = cluster_incr(splitbft, 0, 1, 1);
    cluster_origin_renew(splitbft, 0, 8);
    struct test_bundle *new = cluster_incr(splitbft, 0, 1, 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_verdict(auth_check_mac(at, &old->frame), ACCEPT);
        assert_verdict(auth_check_mac(at, &new->frame), ACCEPT);
    }
    new->frame.sender.epoch++;
    assert_verdict(auth_check_mac(at, &new->frame), BAD_MAC);
}

static void a_degenerate_key_makes_no_pair(void **state)
{
    (void)state;
    struct configuration configuration = splitbft->configuration;
    struct auth at = *cluster_auth(splitbft, KIND_CONFIRMATION, 2);
    struct slice bytes = one_mac(splitbft);
    struct frame frame;
    memset(configuration.member[KIND_PREPARATION - KIND_HOST][1].box_public, 0, 32);
    auth_start(&at, &configuration);
    at.origin = NULL;
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    assert_verdict(auth_check_mac(&at, &frame), UNKNOWN_SENDER);
    assert_null(auth_pair_key(&at, KIND_PREPARATION, 1));
}

static void pair_keys_exist_for_members_only(void **state)
{
    (void)state;
    struct auth *at = cluster_auth(splitbft, KIND_EXECUTION, 0);
    assert_non_null(auth_pair_key(at, KIND_EXECUTION, 3));
    assert_null(auth_pair_key(at, KIND_EXECUTION, 4));
    assert_null(auth_pair_key(at, KIND_ORIGIN, 0));
    assert_null(auth_pair_key(at, KIND_NONE, 0));
    assert_memory_equal(auth_pair_key(at, KIND_EXECUTION, 3),
                        auth_pair_key(cluster_auth(splitbft, KIND_EXECUTION, 3), KIND_EXECUTION, 0), 32);
    assert_memory_not_equal(auth_pair_key(at, KIND_EXECUTION, 3), auth_pair_key(at, KIND_EXECUTION, 2), 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mac_convinces_its_receiver_and_no_other),
        cmocka_unit_test(in_one_domain_a_mac_convinces_its_replica),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(every_bit_of_a_signed_frame_counts),
        cmocka_unit_test(a_vector_has_a_mac_for_all_others),
        cmocka_unit_test(nothing_verifies_as_another_type),
        cmocka_unit_test(a_mac_cannot_be_passed_on),
        cmocka_unit_test(a_frame_cannot_be_reflected),
        cmocka_unit_test(another_epoch_or_cluster_is_refused),
        cmocka_unit_test(senders_that_nobody_knows),
        cmocka_unit_test(odd_authenticators),
        cmocka_unit_test(an_origin_may_return_with_a_new_epoch),
        cmocka_unit_test(a_degenerate_key_makes_no_pair),
        cmocka_unit_test(pair_keys_exist_for_members_only),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
