/*
 * Frames: what was encoded decodes to the same, every length but the right one is refused, and so is a header that no
 * frame can have. Lists of frames, stripping, and printing into buffers that are too small.
 */
#include "testing.h"

#include "base/limits.h"
#include "wire/messages.h"

static const uint8_t body_bytes[] = "the body", auth_bytes[] = "authenticator",
                     attachment_bytes[] = "attached";
static const struct slice body = {body_bytes, 8}, auth = {auth_bytes, 13}, attachment = {attachment_bytes, 8};
static const struct sender sender = {
    .kind = KIND_CONFIRMATION, .id = 0x01020304, .epoch = 0x1112131415161718};

static size_t make(uint8_t *out, size_t cap)
{
    return frame_encode(out, cap, FRAME_COMMIT, &sender, AUTH_MACS, body, auth, attachment);
}

static void a_frame_decodes_to_what_it_was(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct frame frame;
    size_t len = make(bytes, sizeof bytes);
    assert_int_equal(len, FRAME_HEADER_BYTES + 8 + 13 + 8);
    assert_true(frame_decode(bytes, len, &frame));
    assert_int_equal(frame.type, FRAME_COMMIT);
    assert_int_equal(frame.sender.kind, KIND_CONFIRMATION);
    assert_int_equal(frame.sender.id, 0x01020304);
    assert_int_equal(frame.sender.epoch, 0x1112131415161718);
    assert_int_equal(frame.auth_kind, AUTH_MACS);
    assert_memory_equal(frame.body.data, body_bytes, frame.body.len);
    assert_memory_equal(frame.auth.data, auth_bytes, frame.auth.len);
    assert_memory_equal(frame.attachment.data, attachment_bytes, frame.attachment.len);
    assert_int_equal(frame.body.len + frame.auth.len + frame.attachment.len, 29);
    assert_ptr_equal(frame.whole.data, bytes);
    assert_int_equal(frame.whole.len, len);
}

static void every_other_length_is_refused(void **state)
{
    (void)state;
    uint8_t bytes[160] = {0};
    struct frame frame;
    size_t len = make(bytes, sizeof bytes);
    for (size_t cut = 0; cut < sizeof bytes; cut++) {
        uint8_t *copy = malloc(cut ? cut : 1);
        memcpy(copy, bytes, cut);
        assert_int_equal(frame_decode(copy, cut, &frame), cut == len);
        free(copy);
    }
    for (size_t cap = 0; cap < len; cap++)
        assert_int_equal(make(bytes, cap), 0);
}

static void every_byte_of_the_header_is_looked_at(void **state)
{
    (void)state;
    uint8_t good[128], bytes[128];
    struct frame frame, first;
    size_t len = make(good, sizeof good);
    assert_true(frame_decode(good, len, &first));
    for (size_t at = 0; at < FRAME_HEADER_BYTES; at++)
        for (unsigned value = 0; value < 256; value++) {
            memcpy(bytes, good, len);
            bytes[at] = (uint8_t)value;
            if (bytes[at] == good[at] || !frame_decode(bytes, len, &frame))
                continue;
            /* Taken: then it is another frame, not the same one in other bytes. */
            bool differs = frame.type != first.type || frame.sender.kind != first.sender.kind ||
                           frame.auth_kind != first.auth_kind || frame.sender.id != first.sender.id ||
                           frame.sender.epoch != first.sender.epoch;
            assert_true(differs);
            assert_true(at >= 1 && at < 16);
        }
}

static void impossible_headers_are_refused(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } wrong[] = {{0, 0},   {0, 2}, {1, 0},  {1, 7}, {1, 255}, {2, KIND_ADMIN + 1},
                 {2, 255}, {3, 4}, {28, 1}, {31, 1}};
    uint8_t bytes[128];
    struct frame frame;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        size_t len = make(bytes, sizeof bytes);
        bytes[wrong[i].at] = wrong[i].value;
        assert_false(frame_decode(bytes, len, &frame));
    }
}

static void lengths_that_wrap_around_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[128];
    struct frame frame;
    static const uint32_t huge[] = {0xffffffff, 0xfffffff8, 0x80000000, FRAME_MAX};
    for (size_t field = 16; field < 28; field += 4)
        for (size_t i = 0; i < 4; i++) {
            size_t len = make(bytes, sizeof bytes);
            struct writer w = writer_to(bytes + field, 4);
            put_u32(&w, huge[i]);
            assert_false(frame_decode(bytes, len, &frame));
        }
}

static void the_largest_frame_and_one_more(void **state)
{
    (void)state;
    struct frame frame;
    uint8_t *bytes = calloc(1, FRAME_MAX + 1);
    uint8_t *large = calloc(1, FRAME_MAX);
    size_t room = FRAME_MAX - FRAME_HEADER_BYTES;
    struct slice fits = {large, room}, too_long = {large, room + 1};
    assert_int_equal(
        frame_encode(bytes, FRAME_MAX + 1, FRAME_STATE, &sender, AUTH_NONE, SLICE_NONE, SLICE_NONE, fits),
        FRAME_MAX);
    assert_true(frame_decode(bytes, FRAME_MAX, &frame));
    assert_int_equal(frame.attachment.len, room);
    assert_int_equal(
        frame_encode(bytes, FRAME_MAX + 1, FRAME_STATE, &sender, AUTH_NONE, SLICE_NONE, SLICE_NONE, too_long),
        0);
    /* As it would look if somebody sent it all the same. */
    struct writer w = writer_to(bytes + 24, 4);
    put_u32(&w, (uint32_t)room + 1);
    assert_false(frame_decode(bytes, FRAME_MAX + 1, &frame));
    free(large);
    free(bytes);
}

static void a_stripped_frame_has_all_but_its_attachment(void **state)
{
    (void)state;
    uint8_t bytes[128], stripped[128];
    struct frame frame, bare;
    size_t len = make(bytes, sizeof bytes);
    assert_true(frame_decode(bytes, len, &frame));
    size_t bare_len = frame_strip(stripped, sizeof stripped, &frame);
    assert_int_equal(bare_len, len - attachment.len);
    assert_true(frame_decode(stripped, bare_len, &bare));
    assert_int_equal(bare.attachment.len, 0);
    assert_int_equal(bare.type, frame.type);
    assert_memory_equal(bare.body.data, body_bytes, body.len);
    assert_memory_equal(bare.auth.data, auth_bytes, auth.len);
    for (size_t cap = 0; cap < bare_len; cap++)
        assert_int_equal(frame_strip(stripped, cap, &frame), 0);
    /* A head announces what the caller puts behind it. */
    assert_int_equal(frame_head(stripped, sizeof stripped, &frame, attachment.len), bare_len);
    memcpy(stripped + bare_len, attachment_bytes, attachment.len);
    assert_memory_equal(stripped, bytes, len);
    assert_int_equal(frame_head(stripped, sizeof stripped, &frame, FRAME_MAX), 0);
}

static unsigned walk(const uint8_t *bytes, size_t len, bool *good)
{
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    struct slice frame;
    size_t at = 0;
    unsigned count = 0;
    while (frame_list_next((struct slice){copy, len}, &at, &frame))
        count++;
    *good = at != SIZE_MAX;
    assert_true(!*good || at == len);
    assert_false(frame_list_next((struct slice){copy, len}, &at, &frame)); /* the end stays the end */
    free(copy);
    return count;
}

static void lists_of_frames_end_where_they_should(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct writer w = writer_to(bytes, sizeof bytes);
    size_t ends[4] = {0};
    for (size_t i = 0; i < 3; i++) {
        put_slice(&w, (struct slice){body_bytes, 3 * i});
        ends[i + 1] = w.len;
    }
    for (size_t len = 0, whole = 0; len <= w.len; len++) {
        bool good;
        if (whole < 3 && len == ends[whole + 1])
            whole++;
        assert_int_equal(walk(bytes, len, &good), whole);
        assert_int_equal(good, len == ends[whole]);
    }
    memset(bytes, 0xff, 4);
    bool good;
    assert_int_equal(walk(bytes, w.len, &good), 0);
    assert_false(good);
}

static void every_type_has_a_name_of_its_own(void **state)
{
    (void)state;
    unsigned known = 0;
    for (unsigned i = 0; i < 256; i++) {
        const char *name = frame_type_name((enum frame_type)i);
        known += name != NULL;
        for (unsigned k = 0; name && k < i; k++)
            if (frame_type_name((enum frame_type)k))
                assert_string_not_equal(name, frame_type_name((enum frame_type)k));
    }
    unsigned bodies = 0;
#define B(NAME, name) bodies++;
    FRAME_BODIES(B)
#undef B
    assert_int_equal(known, bodies); /* each type has its body */
}

static void printing_is_cut_and_never_overruns(void **state)
{
    (void)state;
    uint8_t bytes[256], vote_bytes[64];
    struct vote vote = {.configuration = 1, .view = 2, .slot = UINT64_MAX};
    memset(vote.batch.bytes, 0xab, sizeof vote.batch.bytes);
    struct writer w = writer_to(vote_bytes, sizeof vote_bytes);
    vote_put(&w, &vote);
    struct frame frame;
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_COMMIT, &sender, AUTH_NONE,
                              (struct slice){vote_bytes, w.len}, SLICE_NONE, SLICE_NONE);
    assert_true(frame_decode(bytes, len, &frame));
    char full[256];
    struct text text = {.data = full, .cap = sizeof full};
    frame_print(&text, &frame);
    assert_string_equal(full,
                        "commit from=confirmation/16909060 configuration=1 view=2 slot=18446744073709551615 "
                        "batch=abababab");
    for (size_t cap = 0; cap <= text.len + 1; cap++) {
        char *small = malloc(cap + 1);
        memset(small, 'x', cap + 1);
        struct text cut = {.data = small, .cap = cap};
        frame_print(&cut, &frame);
        assert_int_equal(small[cap], 'x');
        if (cap) {
            assert_int_equal(strlen(small), cap - 1 < text.len ? cap - 1 : text.len);
            assert_memory_equal(small, full, strlen(small));
        }
        free(small);
    }
    /* A body that is none says so. */
    frame.body.len--;
    text.len = 0;
    frame_print(&text, &frame);
    assert_string_equal(full, "commit from=confirmation/16909060 malformed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_decodes_to_what_it_was),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(every_byte_of_the_header_is_looked_at),
        cmocka_unit_test(impossible_headers_are_refused),
        cmocka_unit_test(lengths_that_wrap_around_are_refused),
        cmocka_unit_test(the_largest_frame_and_one_more),
        cmocka_unit_test(a_stripped_frame_has_all_but_its_attachment),
        cmocka_unit_test(lists_of_frames_end_where_they_should),
        cmocka_unit_test(every_type_has_a_name_of_its_own),
        cmocka_unit_test(printing_is_cut_and_never_overruns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
