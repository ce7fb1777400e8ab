/*
 * What waits for a replica's disk stays bounded, however slow the disk is and whatever peers ask for; and an Execution that does not
 * save is asked again.
 */
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

#include "compartment_ops.h"
#include "disk.h"
#include "replica.h"
#include "testing.h"

#define FRAME_BYTES  (1024u * 1024u)
#define WAITING_MOST (64u * 1024u * 1024u)

static char dir[64];
static struct disk disk;

static int setup(void **state)
{
    struct journal_options options = {.dir = dir, .file_bytes = 1u << 20, .bytes_max = 16u << 20};
    struct error error;
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/redoubt-disk.XXXXXX");
    disk = (struct disk){.on = true, .told = JOURNAL_GOOD};
    return mkdtemp(dir) && journal_open(&disk.journal, &options, &error) == 0 &&
                   journal_begin(disk.journal, &error) == 0
               ? 0
               : -1;
}

static int teardown(void **state)
{
    char path[400];
    (void)state;
    journal_close(disk.journal);
    buffer_free(&disk.waiting);
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
        if (entry->d_name[0] != '.' && snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) > 0)
            unlink(path);
    closedir(d);
    return rmdir(dir);
}

static void persist(void)
{
    struct journal_record record = {.kind = PERSIST_LIST};
    struct slice bytes = {(const uint8_t *)"x", 1};
    journal_append(disk.journal, &record, &bytes, 1); /* and is not on its way yet */
}

static void nothing_waits_for_nothing(void **state)
{
    struct action action = {.kind = ACTION_SEND_PEER, .to = 2, .parts = {{(const uint8_t *)"frame", 5}}};
    (void)state;
    assert_false(disk_holds(&disk, &action));
    persist();
    assert_true(disk_holds(&disk, &action));
    assert_true(disk.waiting.len > 5);
}

/* A peer may ask for bundles as fast as it can write, each answer a megabyte. */
static void what_peers_are_sent_does_not_pile_up(void **state)
{
    (void)state;
    uint8_t *frame = calloc(1, FRAME_BYTES);
    assert_non_null(frame);
    struct action answer = {.kind = ACTION_SEND_PEER, .to = 2, .parts = {{frame, FRAME_BYTES}}};
    persist();
    for (unsigned i = 0; i < 200; i++)
        assert_true(disk_holds(&disk, &answer)); /* it never goes out before the log is durable */
    assert_in_range(disk.waiting.len, WAITING_MOST / 2, WAITING_MOST + FRAME_BYTES);
    /* What an own compartment is to get later is kept in any case. */
    size_t before = disk.waiting.len;
    struct action commit = {.kind = ACTION_GIVE, .held = true, .to = KIND_EXECUTION, .parts = {{frame, 100}}};
    assert_true(disk_holds(&disk, &commit));
    assert_true(disk.waiting.len >= before + 100);
    free(frame);
}

/* At log_mb P and C promise nothing more; but what lets them write the log anew passes. */
static void at_its_length_p_and_c_get_checkpoints_only(void **state)
{
    (void)state;
    uint8_t frame[] = {1, FRAME_PREPARE, 0};
    struct action action = {.kind = ACTION_GIVE, .to = KIND_CONFIRMATION, .parts = {{frame, sizeof frame}}};
    assert_false(disk_starves(&disk, &action));
    disk.too_long = true;
    assert_true(disk_starves(&disk, &action));
    frame[1] = FRAME_CHECKPOINT;
    assert_false(disk_starves(&disk, &action));
    frame[1] = FRAME_COMMIT;
    action.to = KIND_EXECUTION;
    assert_false(disk_starves(&disk, &action));
    frame[1] = FRAME_CHECKPOINT;
    disk.chain_failed = true;
    assert_true(disk_starves(&disk, &action));
}

/* Execution, as far as the disk is concerned: counts how often it is asked to save. */
static unsigned asked;

static bool hear(struct compartment *c, const struct slice *parts, unsigned count, bool local)
{
    (void)c, (void)count, (void)local;
    asked += parts[0].len > 1 && parts[0].data[1] == FRAME_LOCAL_SAVE;
    return true;
}

/* E gives a save up when it fetches state, and need not say so: without being asked again it would never save, and the log grow up to
 * its limit. But one that is at it is not asked twice. */
static void who_does_not_save_is_asked_again(void **state)
{
    static const struct compartment_ops ops = {.give = hear};
    static struct compartment execution = {.ops = &ops, .fd = -1, .death_fd = -1};
    struct replica *r = calloc(1, sizeof *r);
    (void)state;
    assert_non_null(r);
    asked = 0;
    r->config.replicas = 4;
    r->config.log_mb = 64;
    r->seat[KIND_EXECUTION - KIND_PREPARATION].compartment = &execution;
    r->disk = disk;
    r->now_us = 1000000;
    disk_tick(r);
    assert_int_equal(asked, 0); /* nothing was written */
    r->disk.appended = 32u << 20;
    disk_tick(r);
    assert_int_equal(asked, 1);
    r->now_us += 2900000;
    disk_tick(r);
    assert_int_equal(asked, 1);
    r->now_us += 200000;
    disk_tick(r);
    assert_int_equal(asked, 2);
    r->now_us += 60000000;
    r->disk.saving_since_us = r->now_us - 59000000; /* a piece is on its way to a slow disk */
    disk_tick(r);
    assert_int_equal(asked, 2);
    disk = r->disk;
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_waits_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(what_peers_are_sent_does_not_pile_up, setup, teardown),
        cmocka_unit_test_setup_teardown(at_its_length_p_and_c_get_checkpoints_only, setup, teardown),
        cmocka_unit_test_setup_teardown(who_does_not_save_is_asked_again, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
