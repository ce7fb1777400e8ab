/*
 * The simulator's disk keeps the journal's rules: whatever is done to its files, what is read back is the beginning of what was
 * written, or damage that is named. A sound disk keeps what was synced.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "disk_image.h"
#include "world.h"

#define GROUP 4u

static struct world world;

/* Made by hand: what checks in here would bring another check_failed than the simulator's. */
static struct parcel *parcel_made(const uint8_t *bytes, size_t len)
{
    struct parcel *parcel = malloc(sizeof *parcel + len + 1);
    assert_non_null(parcel);
    parcel->refs = 1;
    parcel->len = (uint32_t)len;
    memcpy(parcel->data, bytes, len);
    return parcel;
}

/* `count` records in groups of four; those below `durable` are synced, the rest is one group under way. */
static void write_log(struct disk *d, uint64_t count, uint64_t durable)
{
    *d = (struct disk){.first = 17};
    for (uint64_t i = 0; i < count; i++) {
        uint8_t bytes[3000];
        size_t len = 40 + i * 37 % 2000;
        memset(bytes, (int)(i + 1), len);
        struct resume_record record = {.kind = PERSIST_LIST, .full = i % 8 == 0, .slot = i};
        uint64_t group = i < durable ? i / GROUP * GROUP : durable;
        disk_keep(d, &record, d->first + group, parcel_made(bytes, len));
    }
    d->durable = d->first + durable;
}

static void assert_beginning(const struct disk *d, uint64_t count)
{
    assert_true(d->count <= count);
    for (uint64_t i = 0; i < d->count; i++) {
        assert_int_equal(d->record[i].slot, i);
        assert_int_equal(d->record[i].full, i % 8 == 0);
        assert_int_equal(d->bytes[i]->len, 40 + i * 37 % 2000);
        assert_int_equal(d->bytes[i]->data[d->bytes[i]->len - 1], (uint8_t)(i + 1));
    }
    if (d->count)
        assert_int_equal(d->first, 17);
}

struct seen {
    unsigned whole, cut, damaged;
};

static struct seen harm(enum disk_fault fault)
{
    struct seen seen = {0};
    for (unsigned i = 0; i < 300; i++) {
        struct disk d;
        uint64_t count = 20 + i, durable = count / GROUP * GROUP - (i % 2 ? GROUP : 0);
        world.disk_dice = dice_from(i, 1);
        write_log(&d, count, durable);
        if (!disk_image_survives(&world, &d, fault)) {
            seen.damaged++;
            assert_int_equal(d.count, count); /* as it was */
        } else {
            assert_beginning(&d, count);
            seen.whole += d.count >= durable;
            seen.cut += d.count < durable;
        }
        disk_free(&d);
    }
    return seen;
}

static void a_sound_disk_keeps_what_was_synced(void **state)
{
    (void)state;
    struct seen seen = harm(DISK_SOUND);
    assert_int_equal(seen.whole, 300);
}

static void bit_rot_is_seen(void **state)
{
    (void)state;
    struct seen seen = harm(DISK_ROT);
    assert_true(seen.damaged > 200); /* the others: in the last group, or in padding */
    assert_true(seen.cut > 0);
}

static void bit_rot_below_a_later_group_is_damage(void **state)
{
    (void)state;
    struct seen seen = harm(DISK_OLD_ROT);
    assert_int_equal(seen.cut, 0);
    assert_true(seen.damaged > 200);
}

static void a_seeded_bug_takes_it_for_the_end(void **state)
{
    (void)state;
    mutant_on = MUTANT_DAMAGE_TAKEN_FOR_END;
    struct seen seen = harm(DISK_OLD_ROT);
    mutant_on = MUTANT_NONE;
    assert_true(seen.cut > 100);
}

static void a_lost_write_is_damage_or_the_end(void **state)
{
    (void)state;
    struct seen seen = harm(DISK_LOST_WRITE);
    assert_true(seen.damaged > 200 && seen.cut > 0);
}

static void a_misdirected_write_is_no_record(void **state)
{
    (void)state;
    struct seen seen = harm(DISK_MISDIRECTED_WRITE);
    assert_true(seen.damaged > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_disk_keeps_what_was_synced),
        cmocka_unit_test(bit_rot_is_seen),
        cmocka_unit_test(bit_rot_below_a_later_group_is_damage),
        cmocka_unit_test(a_seeded_bug_takes_it_for_the_end),
        cmocka_unit_test(a_lost_write_is_damage_or_the_end),
        cmocka_unit_test(a_misdirected_write_is_no_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
