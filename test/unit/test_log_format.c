/* Reading a log's file back: what is no record costs what a head costs, whatever it claims. */
#include "testing.h"

#include "base/bytes.h"
#include "log_format.h"

#define FILE_BYTES (4u << 20)
#define NUMBER     3u

static uint8_t *file;
static uint64_t size = 16384; /* of it, that are used */

static int setup(void **state)
{
    (void)state;
    file = calloc(1, FILE_BYTES);
    return file ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    free(file);
    size = 16384;
    return 0;
}

static void count(void *context, const struct log_head *head, uint64_t at)
{
    (void)head, (void)at;
    ++*(unsigned *)context;
}

static enum log_verdict scan(struct log_scan *out, unsigned *records)
{
    struct log_file bytes = {NUMBER, file, size, true, true};
    *records = 0;
    *out = (struct log_scan){.found = count, .context = records};
    return log_scan(&bytes, out);
}

/* A header and `records` records of 1,000 bytes, each a group of its own; returns where they end. */
static uint64_t write_records(unsigned records)
{
    uint64_t at = LOG_HEADER_BYTES;
    log_header_put(file, NUMBER, 1);
    for (unsigned i = 1; i <= records; i++) {
        struct log_head head = {.len = 1000, .kind = 1, .sequence = i, .group = i};
        log_head_put(file + at, &head);
        memset(file + at + LOG_HEAD_BYTES, (int)i, head.len);
        log_seal(file + at, NUMBER, at);
        at += log_record_bytes(head.len);
    }
    return at;
}

/* As a client could put them into its requests: each says that megabytes follow. To look at those takes minutes. */
static void heads_that_are_none_are_passed_over(void **state)
{
    struct log_scan out;
    unsigned records;
    (void)state;
    size = FILE_BYTES;
    uint64_t end = write_records(5);
    for (uint64_t at = end + 8; at + LOG_HEAD_BYTES <= FILE_BYTES; at += LOG_HEAD_BYTES) {
        struct log_head head = {.kind = 1, .sequence = 7, .group = 7};
        head.len = (uint32_t)(FILE_BYTES - at - LOG_HEAD_BYTES);
        log_head_put(file + at, &head);
    }
    assert_int_equal(scan(&out, &records), LOG_GOOD);
    assert_int_equal(records, 5);
    assert_int_equal(out.at, end);
    assert_int_equal(out.torn, FILE_BYTES - end);
}

static void every_byte_counts(void **state)
{
    struct log_scan out;
    unsigned records;
    (void)state;
    uint64_t end = write_records(3), third = end - log_record_bytes(1000);
    for (uint64_t at = third; at < end; at++) {
        file[at] ^= 1;
        assert_int_equal(scan(&out, &records), LOG_GOOD); /* nothing after it: writing stopped there */
        assert_int_equal(records, 2);
        file[at] ^= 1;
    }
    for (uint64_t at = LOG_HEADER_BYTES; at < third; at++) {
        file[at] ^= 1;
        assert_int_equal(scan(&out, &records), LOG_DAMAGED);
        file[at] ^= 1;
    }
    assert_int_equal(scan(&out, &records), LOG_GOOD);
    assert_int_equal(records, 3);
}

/* Head or payload of another record, whole, in a place where it was not written. */
static void a_record_counts_in_its_place_only(void **state)
{
    struct log_scan out;
    unsigned records;
    (void)state;
    uint64_t end = write_records(4), bytes = log_record_bytes(1000), last = end - bytes;
    memcpy(file + last, file + last - bytes, bytes);
    assert_int_equal(scan(&out, &records), LOG_GOOD);
    assert_int_equal(records, 3);
    write_records(4);
    memcpy(file + last + LOG_HEAD_BYTES, file + last - bytes + LOG_HEAD_BYTES, 1000);
    assert_int_equal(scan(&out, &records), LOG_GOOD);
    assert_int_equal(records, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(heads_that_are_none_are_passed_over, setup, teardown),
        cmocka_unit_test_setup_teardown(every_byte_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_counts_in_its_place_only, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
