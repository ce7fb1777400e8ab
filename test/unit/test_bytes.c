/*
 * Readers and writers: little-endian, sticky errors, nothing read or written beyond the end.
 */
#include "testing.h"

static void numbers_are_little_endian(void **state)
{
    (void)state;
    uint8_t bytes[15];
    static const uint8_t expected[15] = {0x01, 0x02, 0x01, 0x04, 0x03, 0x02, 0x01, 0x08,
                                         0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01};
    struct writer w = writer_to(bytes, sizeof bytes);
    put_u8(&w, 0x01);
    put_u16(&w, 0x0102);
    put_u32(&w, 0x01020304);
    put_u64(&w, 0x0102030405060708);
    assert_false(w.bad);
    assert_int_equal(w.len, sizeof bytes);
    assert_memory_equal(bytes, expected, sizeof bytes);
    struct reader r = reader_of(bytes, sizeof bytes);
    assert_int_equal(get_u8(&r), 0x01);
    assert_int_equal(get_u16(&r), 0x0102);
    assert_int_equal(get_u32(&r), 0x01020304);
    assert_int_equal(get_u64(&r), 0x0102030405060708);
    assert_true(reader_done(&r));
    assert_int_equal(reader_left(&r), 0);
}

static void an_overrun_sticks(void **state)
{
    (void)state;
    static const uint8_t bytes[6] = {1, 2, 3, 4, 5, 6};
    struct reader r = reader_of(bytes, sizeof bytes);
    assert_int_equal(get_u32(&r), 0x04030201);
    assert_int_equal(get_u32(&r), 0); /* two bytes are not four */
    assert_true(r.bad);
    assert_int_equal(get_u8(&r), 0); /* though one is left */
    assert_int_equal(reader_left(&r), 0);
    assert_false(reader_done(&r));

    uint8_t out[4] = {9, 9, 9, 9};
    struct writer w = writer_to(out, 3);
    put_u16(&w, 0x0201);
    put_u16(&w, 7);
    assert_true(w.bad);
    put_u8(&w, 7); /* though there is room for one */
    put_raw(&w, "", 0);
    assert_true(w.bad);
    assert_int_equal(w.len, 2);
    assert_int_equal(out[2], 9);
}

static void a_number_cut_in_half_is_an_error(void **state)
{
    (void)state;
    static const uint8_t bytes[8] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t len = 0; len < 8; len++) {
        struct reader r = reader_of(bytes, len);
        (void)get_u64(&r);
        assert_true(r.bad);
        uint8_t out[8];
        struct writer w = writer_to(out, len);
        put_u64(&w, 1);
        assert_true(w.bad);
    }
}

static void not_all_read_is_not_done(void **state)
{
    (void)state;
    static const uint8_t bytes[2];
    struct reader r = reader_of(bytes, sizeof bytes);
    (void)get_u8(&r);
    assert_false(r.bad);
    assert_false(reader_done(&r));
}

static void raw_bytes_that_are_missing_read_as_zero(void **state)
{
    (void)state;
    static const uint8_t bytes[3] = {1, 2, 3};
    uint8_t out[4] = {9, 9, 9, 9};
    struct reader r = reader_of(bytes, sizeof bytes);
    get_raw(&r, out, sizeof out);
    assert_true(r.bad);
    assert_memory_equal(out, "\0\0\0\0", 4);
    struct digest digest;
    memset(&digest, 0xff, sizeof digest);
    r = reader_of(bytes, sizeof bytes);
    digest = get_digest(&r);
    assert_true(digest_is_zero(&digest));
}

static void slices_say_their_length(void **state)
{
    (void)state;
    uint8_t bytes[32];
    struct writer w = writer_to(bytes, sizeof bytes);
    put_slice(&w, (struct slice){(const uint8_t *)"abc", 3});
    put_slice(&w, SLICE_NONE);
    for (size_t len = 0; len <= w.len; len++) {
        struct reader r = reader_of(bytes, len);
        struct slice first = get_slice(&r);
        struct slice second = get_slice(&r);
        assert_int_equal(reader_done(&r), len == w.len);
        if (len < w.len)
            continue;
        assert_int_equal(first.len, 3);
        assert_memory_equal(first.data, "abc", 3);
        assert_int_equal(second.len, 0);
    }
}

static void a_length_beyond_the_end_gives_nothing(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {5, 6, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        uint8_t bytes[8];
        struct writer w = writer_to(bytes, sizeof bytes);
        put_u32(&w, lengths[i]);
        put_u32(&w, 0);
        struct reader r = reader_of(bytes, sizeof bytes);
        struct slice slice = get_slice(&r);
        assert_true(r.bad);
        assert_null(slice.data);
        assert_int_equal(slice.len, 0);
    }
}

static void take_reaches_to_the_end_and_no_further(void **state)
{
    (void)state;
    static const uint8_t bytes[4];
    uint8_t out[4];
    for (size_t len = 0; len < 8; len++) {
        struct reader r = reader_of(bytes, sizeof bytes);
        struct writer w = writer_to(out, sizeof out);
        assert_int_equal(reader_take(&r, len) != NULL, len <= 4);
        assert_int_equal(writer_take(&w, len) != NULL, len <= 4);
    }
    struct reader r = reader_of(bytes, sizeof bytes);
    assert_null(reader_take(&r, SIZE_MAX));
    struct writer w = writer_to(out, sizeof out);
    assert_null(writer_take(&w, SIZE_MAX));
}

static void digests_compare_every_byte(void **state)
{
    (void)state;
    struct digest a = {{0}}, b;
    assert_true(digest_is_zero(&a));
    for (size_t i = 0; i < sizeof a.bytes; i++) {
        b = a;
        b.bytes[i] ^= 1;
        assert_false(digest_equal(&a, &b));
        assert_false(digest_is_zero(&b));
    }
    b = a;
    assert_true(digest_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(an_overrun_sticks),
        cmocka_unit_test(a_number_cut_in_half_is_an_error),
        cmocka_unit_test(not_all_read_is_not_done),
        cmocka_unit_test(raw_bytes_that_are_missing_read_as_zero),
        cmocka_unit_test(slices_say_their_length),
        cmocka_unit_test(a_length_beyond_the_end_gives_nothing),
        cmocka_unit_test(take_reaches_to_the_end_and_no_further),
        cmocka_unit_test(digests_compare_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
