/*
 * Selection: the objections, null and h, case by case; and against a second, literal reading of the rule on random sets.
 */
#include "testing.h"

#include "base/limits.h"
#include "crypto/crypto.h"
#include "ordering/selection.h"

#define K CHECKPOINT_INTERVAL

static struct slot_view claim_of(slot_no slot, view_no view, uint8_t batch)
{
    return (struct slot_view){.slot = slot, .view = view, .batch = {{batch}}};
}

static struct {
    struct selection_input input[REPLICAS_MAX];
    uint8_t bytes[REPLICAS_MAX][WINDOW * slot_view_BYTES];
    uint32_t count;
    struct selection out;
} set;

static void begin(void)
{
    memset(&set, 0, sizeof set);
}

/* A VIEW-CHANGE that claims nothing, so far. */
static void add(slot_no stable)
{
    set.input[set.count].stable_slot = stable;
    set.input[set.count].claims.data = set.bytes[set.count];
    set.count++;
}

static void claim(slot_no slot, view_no view, uint8_t batch)
{
    struct selection_input *input = &set.input[set.count - 1];
    struct writer w = writer_to(set.bytes[set.count - 1] + input->claims.len, slot_view_BYTES);
    struct slot_view c = claim_of(slot, view, batch);
    slot_view_put(&w, &c);
    input->claims.len += slot_view_BYTES;
}

static bool compute(uint32_t faults)
{
    return selection_compute(&set.out, set.input, set.count, 2 * faults + 1);
}

static void fewer_than_a_quorum_select_nothing(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(compute(1), i >= 3);
        add(0);
    }
    assert_int_equal(set.out.count, 0);
}

static void a_claim_without_objection_is_selected(void **state)
{
    (void)state;
    begin();
    add(0), claim(1, 0, 7);
    add(0);
    add(0);
    assert_true(compute(1)); /* silence is no objection */
    assert_int_equal(set.out.count, 1);
    assert_int_equal(set.out.batch[0].bytes[0], 7);
}

static void the_highest_view_goes_first(void **state)
{
    (void)state;
    begin();
    add(0), claim(1, 0, 7);
    add(0), claim(1, 2, 9);
    add(0), claim(1, 1, 8);
    assert_true(compute(1));
    assert_int_equal(set.out.batch[0].bytes[0], 9);
}

static void a_higher_view_objects_to_a_lower_one(void **state)
{
    (void)state;
    /* Two digests in the highest view object to each other; the lower view meets both objections. */
    begin();
    add(0), claim(1, 3, 1);
    add(0), claim(1, 3, 2);
    add(0), claim(1, 2, 3);
    assert_false(compute(1));
    /* One more that does not object to digest 1. */
    add(0), claim(1, 3, 1);
    assert_true(compute(1));
    assert_int_equal(set.out.batch[0].bytes[0], 1);
}

static void equal_views_go_by_lowest_digest(void **state)
{
    (void)state;
    begin();
    add(0), claim(1, 3, 2);
    add(0), claim(1, 3, 1);
    add(0);
    add(0);
    assert_true(compute(1)); /* three of four do not object to either */
    assert_int_equal(set.out.batch[0].bytes[0], 1);
}

static void the_same_batch_in_a_lower_view_does_not_object(void **state)
{
    (void)state;
    begin();
    add(0), claim(1, 4, 5);
    add(0), claim(1, 2, 5);
    add(0), claim(1, 3, 6);
    assert_true(compute(1));
    assert_int_equal(set.out.batch[0].bytes[0], 5);
}

static void null_needs_a_quorum_that_claims_nothing(void **state)
{
    (void)state;
    begin();
    add(0), claim(2, 0, 7);
    add(0), claim(2, 0, 7);
    add(0), claim(2, 0, 7);
    assert_true(compute(1)); /* slot 1: nobody claims it */
    assert_int_equal(set.out.count, 2);
    assert_true(memcmp(&set.out.batch[0], &(struct digest){{0}}, 32) == 0);
    assert_int_equal(set.out.batch[1].bytes[0], 7);
    /* f=1: two claims that object to each other, two silent ones: neither a claim nor null. */
    begin();
    add(0), claim(1, 3, 1);
    add(0), claim(1, 3, 2);
    add(0), claim(1, 3, 3);
    add(0);
    assert_false(compute(1));
}

static void h_is_the_highest_certificate_in_sight(void **state)
{
    (void)state;
    begin();
    add(0), claim(1, 0, 7), claim(K + 3, 0, 9);
    add(K);
    add(0);
    assert_true(compute(1));
    assert_int_equal(set.out.stable_slot, K);
    assert_int_equal(set.out.count, 3);
    assert_int_equal(set.out.batch[2].bytes[0], 9);
    /* A certificate inside a PARTING counts too, and settles what lies below. */
    set.input[2].parting_stable_slot = 2 * K;
    assert_true(compute(1));
    assert_int_equal(set.out.stable_slot, 2 * K);
    assert_int_equal(set.out.count, 0);
}

static void a_claim_at_the_end_of_the_window(void **state)
{
    (void)state;
    begin();
    add(0), claim(WINDOW, 0, 7);
    add(0);
    add(0);
    assert_true(compute(1));
    assert_int_equal(set.out.count, WINDOW);
    assert_int_equal(set.out.batch[WINDOW - 1].bytes[0], 7);
}

/* --- the same rule, read again ---------------------------------------------------------------------------------- */

static bool find(uint32_t i, slot_no slot, struct slot_view *out)
{
    for (uint32_t k = 0; k < slot_view_count(set.input[i].claims); k++) {
        *out = slot_view_at(set.input[i].claims, k);
        if (out->slot == slot)
            return true;
    }
    return false;
}

/* 0: not yet; else the first byte of the digest, 255 for null. */
static unsigned literal(slot_no slot, uint32_t faults)
{
    for (int view = 3; view >= 0; view--)
        for (unsigned batch = 1; batch <= 2; batch++) {
            bool claimed = false;
            uint32_t fine = 0;
            for (uint32_t i = 0; i < set.count; i++) {
                struct slot_view c;
                bool claims = find(i, slot, &c);
                claimed |= claims && c.view == (view_no)view && c.batch.bytes[0] == batch;
                bool objects = claims && (c.view > (view_no)view ||
                                          (c.view == (view_no)view && c.batch.bytes[0] != batch));
                fine += !objects;
            }
            if (claimed && fine >= 2 * faults + 1)
                return batch;
        }
    uint32_t silent = 0;
    for (uint32_t i = 0; i < set.count; i++) {
        struct slot_view c;
        silent += !find(i, slot, &c);
    }
    return silent >= 2 * faults + 1 ? 255 : 0;
}

static void agrees_with_a_literal_reading(void **state)
{
    (void)state;
    uint64_t seed = 11;
    unsigned selected = 0, waited = 0, nulls = 0;
    for (unsigned run = 0; run < 3000; run++) {
        uint32_t faults = 1 + (uint32_t)(test_random(&seed) % 2);
        uint32_t voters = 2 * faults + 1 + (uint32_t)(test_random(&seed) % (faults + 1));
        unsigned density = (unsigned)(test_random(&seed) % 10),
                 views = 1 + (unsigned)(test_random(&seed) % 4);
        begin();
        for (uint32_t i = 0; i < voters; i++) {
            slot_no stable = test_random(&seed) % 4 ? 0 : K;
            add(stable);
            for (slot_no slot = stable + 1; slot <= K + 4; slot++) {
                if (slot > 4 && slot <= K)
                    continue;
                if (test_random(&seed) % 10 < density)
                    claim(slot, test_random(&seed) % views, (uint8_t)(1 + test_random(&seed) % 2));
            }
        }
        slot_no h = 0, top = 0;
        for (uint32_t i = 0; i < voters; i++) {
            h = set.input[i].stable_slot > h ? set.input[i].stable_slot : h;
            uint32_t n = slot_view_count(set.input[i].claims);
            if (n && slot_view_at(set.input[i].claims, n - 1).slot > top)
                top = slot_view_at(set.input[i].claims, n - 1).slot;
        }
        bool enough = true;
        for (slot_no slot = h + 1; slot <= top; slot++)
            enough = enough && literal(slot, faults) != 0;
        assert_int_equal(compute(faults), enough);
        if (!enough) {
            waited++;
            continue;
        }
        selected++;
        assert_int_equal(set.out.stable_slot, h);
        assert_int_equal(set.out.count, top > h ? top - h : 0);
        for (uint32_t i = 0; i < set.out.count; i++) {
            unsigned expected = literal(h + 1 + i, faults);
            nulls += expected == 255;
            assert_int_equal(set.out.batch[i].bytes[0], expected == 255 ? 0 : expected);
        }
    }
    assert_true(selected > 300 && waited > 300 && nulls > 300); /* all of it was met */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_than_a_quorum_select_nothing),
        cmocka_unit_test(a_claim_without_objection_is_selected),
        cmocka_unit_test(the_highest_view_goes_first),
        cmocka_unit_test(a_higher_view_objects_to_a_lower_one),
        cmocka_unit_test(equal_views_go_by_lowest_digest),
        cmocka_unit_test(the_same_batch_in_a_lower_view_does_not_object),
        cmocka_unit_test(null_needs_a_quorum_that_claims_nothing),
        cmocka_unit_test(h_is_the_highest_certificate_in_sight),
        cmocka_unit_test(a_claim_at_the_end_of_the_window),
        cmocka_unit_test(agrees_with_a_literal_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
