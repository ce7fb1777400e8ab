/*
 * The append log: what was durable comes back, a torn end is cut, damage before it is an error, failed syncs are final, a
 * full disk is not.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "store/journal.h"
#include "testing.h"

#define FILE_BYTES (64u * 1024u)

static char dir[64];
static struct error error;

/* Faults. */
static int sync_result;
static int64_t write_result;
static int writes_before_fault;

static int64_t faulty_write(int fd, const void *data, size_t len, uint64_t at)
{
    if (write_result && writes_before_fault-- <= 0)
        return write_result;
    return journal_files.write(fd, data, len, at);
}

static int faulty_sync(int fd)
{
    return sync_result ? sync_result : journal_files.sync(fd);
}

static const struct journal_files faulty = {faulty_write, faulty_sync, NULL, NULL};

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/redoubt-journal.XXXXXX");
    sync_result = 0;
    write_result = 0;
    return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
    char path[400];
    (void)state;
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
        if (entry->d_name[0] != '.' && snprintf(path, sizeof path, "%s/%s", dir, entry->d_name) > 0)
            unlink(path);
    closedir(d);
    return rmdir(dir);
}

static struct journal *open_with(const struct journal_files *files, uint64_t bytes_max)
{
    struct journal *j;
    static struct journal_files use;
    use = files ? *files : journal_files;
    use.allocate = journal_files.allocate;
    struct journal_options options = {
        .dir = dir, .file_bytes = FILE_BYTES, .bytes_max = bytes_max, .files = &use};
    return journal_open(&j, &options, &error) == 0 ? j : NULL;
}

static uint64_t append(struct journal *j, unsigned n, size_t len, bool full)
{
    static uint8_t bytes[FILE_BYTES];
    memset(bytes, (int)n, len);
    struct journal_record record = {.kind = (uint8_t)(n % 7), .full = full, .slot = n};
    struct slice parts[2] = {{bytes, len / 2}, {bytes, len - len / 2}};
    return journal_append(j, &record, parts, 2);
}

/* Pushes and waits until the state is as wanted, or all is durable. */
static enum journal_state settle(struct journal *j)
{
    for (int i = 0; i < 500 && journal_durable(j) < journal_next(j); i++) {
        journal_push(j);
        struct pollfd p = {journal_fd(j), POLLIN, 0};
        poll(&p, 1, 20);
        if (journal_poll(j) != JOURNAL_GOOD)
            break;
    }
    return journal_state(j);
}

static void fill(unsigned count, size_t len)
{
    struct journal *j = open_with(NULL, 1 << 22);
    assert_non_null(j);
    assert_int_equal(journal_begin(j, &error), 0);
    for (unsigned i = 0; i < count; i++) {
        append(j, i, len, i % 10 == 0);
        if (i % 3 == 0)
            assert_int_equal(settle(j), JOURNAL_GOOD);
    }
    assert_int_equal(settle(j), JOURNAL_GOOD);
    journal_close(j);
}

static void check(struct journal *j, unsigned count, size_t len)
{
    assert_non_null(j);
    assert_int_equal(journal_count(j), count);
    for (unsigned i = 0; i < count; i++) {
        const struct journal_record *record = journal_at(j, i);
        assert_int_equal(record->slot, i);
        assert_int_equal(record->kind, i % 7);
        assert_int_equal(record->full, i % 10 == 0);
        struct slice bytes = journal_read(j, i);
        assert_int_equal(bytes.len, len);
        for (size_t k = 0; k < len; k++)
            assert_int_equal(bytes.data[k], (uint8_t)i);
    }
}

static void what_was_durable_comes_back(void **state)
{
    (void)state;
    fill(200, 1000); /* over several files */
    struct journal *j = open_with(NULL, 1 << 22);
    check(j, 200, 1000);
    assert_int_equal(journal_begin(j, &error), 0);
    assert_int_equal(append(j, 200, 1000, true), 201);
    assert_int_equal(settle(j), JOURNAL_GOOD);
    journal_close(j);
    j = open_with(NULL, 1 << 22);
    check(j, 201, 1000);
    journal_close(j);
}

static int last_file(char path[400])
{
    int highest = 0;
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
        if (strstr(entry->d_name, ".log") && atoi(entry->d_name) > highest)
            highest = atoi(entry->d_name);
    closedir(d);
    snprintf(path, 400, "%s/%08d.log", dir, highest);
    return open(path, O_RDWR);
}

/* Where the n-th record of this length stands in a file. */
static off_t place(unsigned n, size_t len)
{
    return (off_t)(64 + n * (96 + (len + 7) / 8 * 8));
}

static int cannot_blank(int fd, uint64_t at, uint64_t len)
{
    (void)fd, (void)at, (void)len;
    return -EOPNOTSUPP;
}

static void torn_end(const struct journal_files *files)
{
    char path[400];
    struct journal *j = open_with(NULL, 1 << 22);
    assert_int_equal(journal_begin(j, &error), 0);
    for (unsigned i = 0; i < 8; i++) /* one group of four, and one of four */
        append(j, i, 100, i % 10 == 0), (void)(i == 3 && settle(j));
    assert_int_equal(settle(j), JOURNAL_GOOD);
    journal_close(j);
    int fd = last_file(path);
    uint8_t zero[64] = {0};
    assert_int_equal(pwrite(fd, zero, sizeof zero, place(5, 100) + 100), sizeof zero); /* in the last group */
    close(fd);
    j = open_with(files, 1 << 22);
    check(j, 5, 100); /* those of the last group that stand before the tear may be there */
    struct journal_stats stats;
    journal_stats(j, &stats);
    assert_true(stats.cut > 0);
    /* The rest of the torn group does not come back when its place is reached again. */
    assert_int_equal(journal_begin(j, &error), 0);
    append(j, 5, 100, false);
    assert_int_equal(settle(j), JOURNAL_GOOD);
    journal_close(j);
    j = open_with(NULL, 1 << 22);
    check(j, 6, 100);
    journal_close(j);
}

static void a_torn_end_is_cut(void **state)
{
    (void)state;
    torn_end(NULL);
}

static void a_torn_end_is_cut_where_files_must_be_written(void **state)
{
    struct journal_files files = journal_files;
    (void)state;
    files.blank = cannot_blank;
    torn_end(&files);
}

static void damage_before_the_last_group_is_an_error(void **state)
{
    char path[400];
    (void)state;
    fill(12, 100); /* groups of 1, 3, 3, 3, 2 */
    int fd = last_file(path);
    for (unsigned n = 0; n < 9; n++) {
        uint8_t byte;
        assert_int_equal(pread(fd, &byte, 1, place(n, 100) + 110), 1);
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, place(n, 100) + 110), 1);
        assert_null(open_with(NULL, 1 << 22));
        assert_non_null(strstr(error.text, path));
        char offset[40];
        snprintf(offset, sizeof offset, "offset %ld", (long)place(n, 100));
        assert_non_null(strstr(error.text, offset));
        byte ^= 4;
        assert_int_equal(pwrite(fd, &byte, 1, place(n, 100) + 110), 1);
    }
    close(fd);
    struct journal *j = open_with(NULL, 1 << 22);
    check(j, 12, 100);
    journal_close(j);
}

/* A record that stands where another should: written to the wrong place, or of the file's earlier use. */
static void a_record_in_the_wrong_place_is_none(void **state)
{
    char path[400];
    uint8_t record[200];
    (void)state;
    fill(12, 100);
    int fd = last_file(path);
    assert_int_equal(pread(fd, record, sizeof record, place(7, 100)), sizeof record);
    assert_int_equal(pwrite(fd, record, sizeof record, place(2, 100)), sizeof record);
    close(fd);
    assert_null(open_with(NULL, 1 << 22));
}

static void a_file_that_is_gone_is_an_error(void **state)
{
    char path[400];
    (void)state;
    fill(200, 1000);
    snprintf(path, sizeof path, "%s/00000002.log", dir);
    assert_int_equal(unlink(path), 0);
    assert_null(open_with(NULL, 1 << 22));
    assert_non_null(strstr(error.text, "lost"));
}

static void a_failed_sync_is_final(void **state)
{
    (void)state;
    struct journal *j = open_with(&faulty, 1 << 22);
    assert_int_equal(journal_begin(j, &error), 0);
    append(j, 0, 100, true);
    assert_int_equal(settle(j), JOURNAL_GOOD);
    sync_result = -EIO;
    append(j, 1, 100, false);
    assert_int_equal(settle(j), JOURNAL_FAILED);
    assert_non_null(strstr(journal_problem(j), "sync"));
    sync_result = 0; /* that the next one would succeed means nothing */
    append(j, 2, 100, false);
    assert_int_equal(settle(j), JOURNAL_FAILED);
    assert_int_equal(journal_durable(j), 2);
    journal_close(j);
}

static void a_failed_write_is_final(void **state)
{
    (void)state;
    struct journal *j = open_with(&faulty, 1 << 22);
    assert_int_equal(journal_begin(j, &error), 0);
    write_result = -EIO;
    writes_before_fault = 1; /* the file's header */
    append(j, 0, 100, true);
    assert_int_equal(settle(j), JOURNAL_FAILED);
    assert_int_equal(journal_durable(j), 1);
    journal_close(j);
}

static void a_full_disk_is_waited_for(void **state)
{
    (void)state;
    struct journal *j = open_with(&faulty, 1 << 22);
    assert_int_equal(journal_begin(j, &error), 0);
    append(j, 0, 100, true);
    assert_int_equal(settle(j), JOURNAL_GOOD);
    write_result = -ENOSPC;
    writes_before_fault = 0;
    append(j, 1, 100, false);
    assert_int_equal(settle(j), JOURNAL_FULL);
    assert_int_equal(journal_durable(j), 2);
    write_result = 0;
    for (int i = 0; i < 100 && settle(j) != JOURNAL_GOOD; i++)
        usleep(20000);
    assert_int_equal(journal_state(j), JOURNAL_GOOD);
    assert_int_equal(journal_durable(j), 3);
    journal_close(j);
    j = open_with(NULL, 1 << 22);
    check(j, 2, 100);
    journal_close(j);
}

static void the_limit_holds_and_forgetting_makes_room(void **state)
{
    (void)state;
    struct journal *j = open_with(NULL, 4 * FILE_BYTES);
    struct journal_stats stats;
    assert_int_equal(journal_begin(j, &error), 0);
    unsigned n = 0;
    while (settle(j) == JOURNAL_GOOD && n < 1000)
        append(j, n, 2000, n % 10 == 0), n++;
    assert_int_equal(journal_state(j), JOURNAL_FULL);
    assert_non_null(strstr(journal_problem(j), "log_mb"));
    journal_stats(j, &stats);
    assert_true(stats.bytes <= 4 * FILE_BYTES);
    journal_forget(j, journal_durable(j));
    for (int i = 0; i < 100 && settle(j) != JOURNAL_GOOD; i++)
        usleep(20000);
    for (unsigned i = 0; i < 2000; i++) { /* files go round */
        append(j, n++, 2000, true);
        assert_int_equal(settle(j), JOURNAL_GOOD);
        journal_forget(j, journal_durable(j));
        journal_stats(j, &stats);
        assert_true(stats.bytes <= 4 * FILE_BYTES);
    }
    journal_close(j);
    j = open_with(NULL, 4 * FILE_BYTES);
    assert_non_null(j);
    assert_true(journal_count(j) > 0);
    assert_int_equal(journal_at(j, journal_count(j) - 1)->slot, n - 1);
    journal_close(j);
}

/* A replica that waits for its log to be shorter writes nothing. */
static void files_go_though_nothing_is_written(void **state)
{
    (void)state;
    struct journal *j = open_with(NULL, 64 * FILE_BYTES);
    struct journal_stats before, stats;
    assert_int_equal(journal_begin(j, &error), 0);
    for (unsigned n = 0; n < 500; n++)
        append(j, n, 2000, false);
    assert_int_equal(settle(j), JOURNAL_GOOD);
    journal_stats(j, &before);
    assert_true(before.bytes > 8 * FILE_BYTES);
    journal_forget(j, journal_durable(j));
    stats = before;
    for (int i = 0; i < 500 && stats.bytes > 4 * FILE_BYTES; i++) {
        usleep(10000);
        journal_stats(j, &stats);
    }
    assert_true(stats.bytes <= 4 * FILE_BYTES);
    append(j, 500, 2000, true);
    assert_int_equal(settle(j), JOURNAL_GOOD);
    journal_close(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_durable_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(files_go_though_nothing_is_written, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_end_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_end_is_cut_where_files_must_be_written, setup, teardown),
        cmocka_unit_test_setup_teardown(damage_before_the_last_group_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_in_the_wrong_place_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_gone_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_sync_is_final, setup, teardown),
        cmocka_unit_test_setup_teardown(a_failed_write_is_final, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_waited_for, setup, teardown),
        cmocka_unit_test_setup_teardown(the_limit_holds_and_forgetting_makes_room, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
