/*
 * What follows from VIEW-CHANGEs, and which of them are possible: rules 3 and 4 of docs/HYBSTER.md by themselves.
 */
#include "testing.h"

#include "crypto/crypto.h"
#include "hybster/core.h"

#define K CHECKPOINT_INTERVAL

static struct core from;
static uint8_t lists[4][WINDOW * hybster_shown_BYTES];

static struct digest batch_of(unsigned n)
{
    return (struct digest){{(uint8_t)n, 77}};
}

static int setup(void **state)
{
    (void)state;
    core_begin(&from);
    return 0;
}

/* A VIEW-CHANGE from `from` that shows `count` batches, numbered from `first` on. */
static struct change change(unsigned place, slot_no stable, uint32_t count, unsigned first)
{
    struct writer w = writer_to(lists[place], sizeof lists[place]);
    for (uint32_t i = 0; i < count; i++)
        hybster_shown_put(&w, &(struct hybster_shown){.above = i + 1, .batch = batch_of(first + i)});
    struct change c = {
        .vc = {.view = from.view + 1, .from = from.view, .core = from.digest, .stable_slot = stable},
        .pillars = 1};
    c.vc.prepares = (struct slice){lists[place], w.len};
    c.part[0].act_view = from.view;
    c.part[0].act_order = stable + count;
    return c;
}

static void what_anybody_shows_stays_and_the_rest_is_null(void **state)
{
    (void)state;
    struct core core;
    struct change changes[2] = {change(0, K, 2, 3), change(1, 0, 1, 1)};
    core_select(&core, 1, &from, changes, 2);
    assert_int_equal(core.base, K);
    assert_int_equal(core.count, 2);
    assert_true(core_at(&core, K) == NULL && core_at(&core, K + 3) == NULL);
    struct digest third = batch_of(3);
    assert_true(digest_equal(core_at(&core, K + 1), &third));
}

/* Whoever comes last in the list need not have seen the most. */
static void it_ends_with_the_highest_that_is_shown(void **state)
{
    (void)state;
    struct core core;
    struct change changes[2] = {change(0, 0, 3, 1), change(1, 0, 1, 1)};
    core_select(&core, 1, &from, changes, 2);
    assert_int_equal(core.count, 3);
    struct digest third = batch_of(3);
    assert_true(digest_equal(core_at(&core, 3), &third));
}

static void a_slot_between_is_null(void **state)
{
    (void)state;
    struct core core, next;
    struct change changes[2] = {change(0, 0, 0, 0), change(1, 0, 0, 0)};
    from.base = K;
    from.count = 3;
    from.batch[2] = batch_of(9);
    core_seal(&from);
    for (int i = 0; i < 2; i++) {
        changes[i].vc.stable_slot = K;
        changes[i].vc.core = from.digest;
    }
    core_select(&core, 1, &from, changes, 2);
    assert_int_equal(core.count, 3); /* what was decided counts as shown, though nobody shows it */
    assert_true(digest_is_zero(core_at(&core, K + 1)));
    struct digest ninth = batch_of(9);
    assert_true(digest_equal(core_at(&core, K + 3), &ninth));
    changes[1].vc.stable_slot = 2 * K;
    core_select(&next, 1, &from, changes, 2);
    assert_int_equal(next.count, 0);
    assert_false(digest_equal(&next.digest, &core.digest));
}

static void all_votes_are_shown(void **state)
{
    (void)state;
    struct change c = change(0, 0, 2, 1);
    assert_true(change_possible(&c, &from));
    c.part[0].act_order = 3; /* it voted for one more */
    assert_false(change_possible(&c, &from));
    c.vc.stable_slot = K; /* ... which is settled */
    assert_true(change_possible(&c, &from));
    c.part[0].act_view = 1; /* it voted in a later view than it builds on */
    assert_false(change_possible(&c, &from));
}

/* Two pillars: 2 and 4 are of one, 1, 3 and 5 of the other. */
static struct change spread(const uint32_t *slots, unsigned count, slot_no even, slot_no odd)
{
    struct change c = change(0, 0, 0, 0);
    struct writer w = writer_to(lists[0], sizeof lists[0]);
    for (unsigned i = 0; i < count; i++)
        hybster_shown_put(&w, &(struct hybster_shown){.above = slots[i], .batch = batch_of(slots[i])});
    c.vc.prepares.len = w.len;
    c.pillars = 2;
    c.part[0] = (struct hybster_continuing){.act_order = even};
    c.part[1] = (struct hybster_continuing){.act_order = odd};
    return c;
}

static void all_votes_of_each_pillar_are_shown(void **state)
{
    (void)state;
    struct core core;
    struct change c = spread((uint32_t[]){1, 2, 3, 5}, 4, 2, 5);
    assert_true(change_possible(&c, &from));
    core_select(&core, 1, &from, &c, 1);
    assert_int_equal(core.count, 5);
    assert_true(digest_is_zero(core_at(&core, 4)) && !digest_is_zero(core_at(&core, 5)));
    c = spread((uint32_t[]){1, 2, 3, 5}, 4, 4, 5); /* each voted for one more */
    assert_false(change_possible(&c, &from));
    c = spread((uint32_t[]){1, 2, 3}, 3, 2, 5);
    assert_false(change_possible(&c, &from));
    c = spread((uint32_t[]){1, 2, 5}, 3, 2, 5); /* a gap */
    assert_false(change_possible(&c, &from));
    c = spread((uint32_t[]){2, 3, 5}, 3, 2, 5); /* the first of a pillar is left out */
    assert_false(change_possible(&c, &from));
    c = spread((uint32_t[]){1, 2, 3, 5}, 4, 2, 5);
    c.part[1].act_view = 1; /* voted in a later view, in one of them */
    assert_false(change_possible(&c, &from));
    c = spread(NULL, 0, 2, 5);
    c.vc.stable_slot = K; /* which is settled */
    assert_true(change_possible(&c, &from));
}

static void slots_belong_to_pillars(void **state)
{
    (void)state;
    for (uint32_t pillars = 1; pillars <= PILLARS_MAX; pillars++)
        for (slot_no above = 0; above < 3 * pillars; above++)
            for (uint32_t p = 0; p < pillars; p++) {
                slot_no next = pillar_next(p, pillars, above);
                assert_true(next > above && next <= above + pillars && slot_pillar(next, pillars) == p);
            }
}

static void it_builds_on_that_core(void **state)
{
    (void)state;
    struct change c = change(0, 0, 1, 1);
    c.vc.core.bytes[0] ^= 1;
    assert_false(change_possible(&c, &from));
    c = change(0, 0, 1, 1);
    c.vc.from = 1;
    c.part[0].act_view = 0;
    assert_false(change_possible(&c, &from));
}

static void it_contradicts_the_core_nowhere(void **state)
{
    (void)state;
    from.count = 2;
    from.batch[0] = batch_of(1);
    from.batch[1] = batch_of(2);
    core_seal(&from);
    struct change c = change(0, 0, 3, 1);
    assert_true(change_possible(&c, &from));
    c = change(0, 0, 3, 2);
    assert_false(change_possible(&c, &from));
    from.base = K;
    core_seal(&from);
    c = change(0, 0, 0, 0); /* below the base */
    assert_false(change_possible(&c, &from));
    c = change(0, K, 0, 0);
    assert_true(change_possible(&c, &from));
}

/* A PREPARE of that view's leader that the core contradicts: it is no vote, and were it shown, the core counts. */
static void the_core_counts_beside_a_contradicting_prepare(void **state)
{
    (void)state;
    struct core core;
    from.count = 2;
    from.batch[0] = batch_of(1);
    from.batch[1] = batch_of(2);
    core_seal(&from);
    struct change changes[2] = {change(0, 0, 1, 1), change(1, 0, 3, 2)}; /* 1; and 2, 3, 4 for 1, 2, 3 */
    assert_true(change_possible(&changes[0], &from));
    assert_false(change_possible(&changes[1], &from));
    core_select(&core, 1, &from, changes, 2);
    assert_int_equal(core.count, 3);
    for (slot_no slot = 1; slot <= 2; slot++)
        assert_true(digest_equal(core_at(&core, slot), core_at(&from, slot)));
    struct digest fourth = batch_of(4);
    assert_true(digest_equal(core_at(&core, 3), &fourth)); /* of which the core says nothing */
}

static void a_core_agrees_with_itself_and_beyond(void **state)
{
    (void)state;
    struct digest first = batch_of(1), second = batch_of(2);
    from.base = K;
    from.count = 2;
    from.batch[0] = first; /* the next is null */
    core_seal(&from);
    assert_true(core_agrees(&from, K + 1, &first));
    assert_false(core_agrees(&from, K + 1, &second));
    assert_false(core_agrees(&from, K + 2, &second));
    assert_true(core_agrees(&from, K + 3, &second) && core_agrees(&from, K, &second));
}

static void the_digest_covers_everything(void **state)
{
    (void)state;
    struct core other = from;
    other.base = K;
    core_seal(&other);
    assert_false(digest_equal(&other.digest, &from.digest));
    other = from;
    other.view = 1;
    core_seal(&other);
    assert_false(digest_equal(&other.digest, &from.digest));
    other = from;
    other.count = 1; /* a null batch more */
    core_seal(&other);
    assert_false(digest_equal(&other.digest, &from.digest));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, setup)
    const struct CMUnitTest tests[] = {
        TEST(what_anybody_shows_stays_and_the_rest_is_null),
        TEST(it_ends_with_the_highest_that_is_shown),
        TEST(a_slot_between_is_null),
        TEST(all_votes_are_shown),
        TEST(all_votes_of_each_pillar_are_shown),
        TEST(slots_belong_to_pillars),
        TEST(it_builds_on_that_core),
        TEST(it_contradicts_the_core_nowhere),
        TEST(the_core_counts_beside_a_contradicting_prepare),
        TEST(a_core_agrees_with_itself_and_beyond),
        TEST(the_digest_covers_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
