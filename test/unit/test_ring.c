/*
 * The ring: order and content under two threads, at every size and place; and what a hostile other side can
 * do to it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "shell/ring.h"

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expression);
    abort();
}

struct fixture {
    struct ring *ring;
    size_t capacity;
    struct ring_writer writer;
    struct ring_reader reader;
};

static void fixture_init(struct fixture *f, size_t capacity)
{
    f->capacity = capacity;
    f->ring = aligned_alloc(64, (ring_bytes(capacity) + 63) / 64 * 64);
    assert_non_null(f->ring);
    memset(f->ring, 0, ring_bytes(capacity));
    ring_writer_init(&f->writer, f->ring, capacity);
    ring_reader_init(&f->reader, f->ring, capacity);
}

static void fixture_deinit(struct fixture *f)
{
    free(f->ring);
}

static enum ring_status put(struct fixture *f, const void *data, size_t len, uint32_t flags)
{
    struct slice part = {.data = data, .len = len};
    return ring_write(&f->writer, &part, 1, flags);
}

static enum ring_status get(struct fixture *f, struct ring_frame *frame)
{
    enum ring_status status = ring_refresh(&f->reader);
    return status == RING_OK ? ring_read(&f->reader, frame) : status;
}

static void frames_come_as_they_were_given(void **state)
{
    (void)state;
    struct fixture f;
    struct ring_frame frame;
    uint8_t copy[64];
    fixture_init(&f, 4096);
    struct slice parts[3] = {
        {(const uint8_t *)"abc", 3}, {(const uint8_t *)"", 0}, {(const uint8_t *)"defghi", 6}};
    assert_int_equal(ring_write(&f.writer, parts, 3, RING_LOCAL), RING_OK);
    assert_int_equal(get(&f, &frame), RING_NOTHING); /* not published */
    assert_true(ring_publish(&f.writer));
    assert_false(ring_publish(&f.writer));
    assert_int_equal(put(&f, NULL, 0, 0), RING_OK); /* an empty frame is one */
    ring_publish(&f.writer);

    assert_int_equal(get(&f, &frame), RING_OK);
    assert_int_equal(frame.len, 9);
    assert_int_equal(frame.flags, RING_LOCAL);
    ring_copy(copy, &frame);
    assert_memory_equal(copy, "abcdefghi", 9);
    assert_int_equal(ring_read(&f.reader, &frame), RING_OK);
    assert_int_equal(frame.len, 0);
    assert_int_equal(frame.flags, 0);
    assert_int_equal(ring_read(&f.reader, &frame), RING_NOTHING);
    assert_true(ring_release(&f.reader));
    assert_false(ring_release(&f.reader));
    fixture_deinit(&f);
}

static void a_full_ring_refuses_and_recovers(void **state)
{
    (void)state;
    struct fixture f;
    struct ring_frame frame;
    uint8_t data[200];
    memset(data, 7, sizeof data);
    fixture_init(&f, 256); /* four records of 64 bytes */
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 4; i++)
            assert_int_equal(put(&f, data, 56, 0), RING_OK);
        assert_int_equal(put(&f, data, 0, 0), RING_NOTHING);
        ring_publish(&f.writer);
        for (int i = 0; i < 4; i++)
            assert_int_equal(get(&f, &frame), RING_OK);
        assert_int_equal(put(&f, data, 0, 0), RING_NOTHING); /* read, but not released */
        ring_release(&f.reader);
    }
    assert_int_equal(put(&f, data, 200, 0), RING_OK);
    fixture_deinit(&f);
    fixture_init(&f, 64);
    assert_int_equal(put(&f, data, 56, 0), RING_OK);
    fixture_deinit(&f);
    fixture_init(&f, 64);
    assert_int_equal(put(&f, data, 57, 0), RING_NOTHING); /* never fits */
    fixture_deinit(&f);
}

/* A quiet ring stays in its first part; a largest frame fits an empty ring at every place. */
static void largest_frames_and_starting_over(void **state)
{
    (void)state;
    struct fixture f;
    struct ring_frame frame;
    uint8_t *data = calloc(1, FRAME_MAX), *copy = malloc(FRAME_MAX);
    fixture_init(&f, RING_BYTES);
    const uint8_t *highest = NULL;
    for (int i = 0; i < 100000; i++) {
        assert_int_equal(put(&f, data, 1000, 0), RING_OK);
        ring_publish(&f.writer);
        assert_int_equal(get(&f, &frame), RING_OK);
        assert_int_equal(frame.len, 1000);
        if (frame.part[0].data > highest)
            highest = frame.part[0].data;
        ring_release(&f.reader);
    }
    assert_true(highest < (uint8_t *)f.ring->data + RING_BYTES / 8 + 1008);

    unsigned wrapped = 0;
    for (unsigned i = 0; i < 40; i++) {
        size_t len = FRAME_MAX - (i % 3) * 8;
        data[0] = (uint8_t)i;
        data[len - 1] = (uint8_t)~i;
        assert_int_equal(put(&f, data, len, 0), RING_OK);
        ring_publish(&f.writer);
        assert_int_equal(get(&f, &frame), RING_OK);
        wrapped += frame.part[1].len != 0;
        ring_copy(copy, &frame);
        assert_memory_equal(copy, data, len);
        ring_release(&f.reader);
    }
    assert_true(wrapped >= 5);
    free(data);
    free(copy);
    fixture_deinit(&f);
}

/* ------------------------------------------------------------ two threads */

struct traffic {
    struct fixture f;
    uint32_t frames;
    size_t max_len;
};

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static size_t length_of(const struct traffic *t, uint32_t number)
{
    uint32_t random = mix(number);
    return random % 97 == 0 ? t->max_len - random % 7 : 4 + random % (random % 11 == 0 ? 3000 : 120);
}

static void fill(uint8_t *data, size_t len, uint32_t number)
{
    memset(data, (int)(mix(number) >> 8 & 0xff), len);
    memcpy(data, &number, sizeof number);
    if (len >= 8)
        data[len - 1] = (uint8_t)number;
}

static void *produce(void *argument)
{
    struct traffic *t = argument;
    uint8_t *data = malloc(t->max_len);
    for (uint32_t i = 0; i < t->frames; i++) {
        size_t len = length_of(t, i);
        fill(data, len, i);
        struct slice parts[2] = {{data, len / 3}, {data + len / 3, len - len / 3}};
        enum ring_status status;
        while ((status = ring_write(&t->f.writer, parts, 2, i % 2)) == RING_NOTHING) {
            ring_publish(&t->f.writer);
            sched_yield();
        }
        if (status != RING_OK)
            abort();
        if (mix(i) % 5 == 0)
            ring_publish(&t->f.writer);
    }
    ring_publish(&t->f.writer);
    free(data);
    return NULL;
}

static void consume(struct traffic *t)
{
    uint8_t *data = malloc(t->max_len), *expected = malloc(t->max_len);
    for (uint32_t i = 0; i < t->frames;) {
        struct ring_frame frame;
        assert_int_equal(ring_refresh(&t->f.reader), RING_OK);
        uint32_t before = i;
        enum ring_status status;
        while ((status = ring_read(&t->f.reader, &frame)) == RING_OK) {
            size_t len = length_of(t, i);
            assert_int_equal(frame.len, len);
            assert_int_equal(frame.flags, i % 2);
            ring_copy(data, &frame);
            fill(expected, len, i);
            assert_memory_equal(data, expected, len);
            i++;
        }
        assert_int_equal(status, RING_NOTHING);
        ring_release(&t->f.reader);
        if (i == before)
            sched_yield();
    }
    free(data);
    free(expected);
}

static void run_traffic(size_t capacity, uint32_t frames, size_t max_len)
{
    struct traffic t = {.frames = frames, .max_len = max_len};
    pthread_t producer;
    fixture_init(&t.f, capacity);
    assert_int_equal(pthread_create(&producer, NULL, produce, &t), 0);
    consume(&t);
    pthread_join(producer, NULL);
    assert_int_equal(t.f.ring->head, t.f.ring->tail);
    fixture_deinit(&t.f);
}

static void two_threads_small_ring(void **state)
{
    (void)state;
    run_traffic(8192, 100000, 8184); /* the largest fills the whole ring */
}

static void two_threads_with_largest_frames(void **state)
{
    (void)state;
    run_traffic(RING_BYTES, 5000, FRAME_MAX);
}

static void two_threads_full_size(void **state)
{
    (void)state;
    run_traffic(RING_BYTES, 200000, 20000);
}

/* ------------------------------------------------------------ hostile */

static void hostile_producer_cursor(void **state)
{
    (void)state;
    struct fixture f;
    const uint64_t bad[] = {4, 1, 4096 + 8, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture_init(&f, 4096);
        f.ring->head = bad[i];
        assert_int_equal(ring_refresh(&f.reader), RING_BROKEN);
        fixture_deinit(&f);
    }
    /* Backwards. */
    struct ring_frame frame;
    fixture_init(&f, 4096);
    put(&f, "12345678", 8, 0);
    put(&f, "12345678", 8, 0);
    ring_publish(&f.writer);
    assert_int_equal(get(&f, &frame), RING_OK);
    f.ring->head = 16;
    assert_int_equal(ring_refresh(&f.reader), RING_BROKEN);
    f.ring->head = 0;
    assert_int_equal(ring_refresh(&f.reader), RING_BROKEN);
    fixture_deinit(&f);
}

static void hostile_header(void **state)
{
    (void)state;
    struct fixture f;
    struct ring_frame frame;
    const uint64_t skip = (uint64_t)RING_SKIP << 32;
    const uint64_t bad[] = {
        17, /* longer than what is there */
        UINT32_MAX,
        FRAME_MAX + 1,
        (uint64_t)4 << 32 | 8,
        (uint64_t)UINT32_MAX << 32 | 8,
        skip | 8, /* a skip has no length */
        skip,     /* and may not skip more than is there */
        skip | (uint64_t)RING_LOCAL << 32,
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture_init(&f, 4096);
        put(&f, "1234567890123456", 16, 0);
        ring_publish(&f.writer);
        f.ring->data[0] = bad[i];
        assert_int_equal(get(&f, &frame), RING_BROKEN);
        fixture_deinit(&f);
    }
    /* A ring full of skips ends. */
    fixture_init(&f, 4096);
    f.ring->data[0] = skip;
    f.ring->head = 4096;
    assert_int_equal(get(&f, &frame), RING_NOTHING);
    fixture_deinit(&f);
    /* A record of the whole ring and one byte more, at every place: never read beyond. */
    for (uint64_t at = 0; at < 256; at += 8) {
        fixture_init(&f, 256);
        f.reader.tail = f.reader.released = f.reader.head = at;
        f.ring->head = at + 256;
        f.ring->data[at / 8] = 249;
        assert_int_equal(get(&f, &frame), RING_BROKEN);
        f.ring->data[at / 8] = 248;
        assert_int_equal(get(&f, &frame), RING_OK);
        uint8_t copy[248];
        ring_copy(copy, &frame);
        fixture_deinit(&f);
    }
}

static void hostile_consumer_cursor(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t data[120] = {0};
    const uint64_t bad[] = {4, 136 /* not published */, 512, UINT64_MAX, UINT64_MAX - 7};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fixture_init(&f, 256);
        put(&f, data, sizeof data, 0);
        ring_publish(&f.writer);
        put(&f, data, sizeof data - 8, 0);
        f.ring->tail = bad[i];
        assert_int_equal(put(&f, data, sizeof data, 0), RING_BROKEN);
        fixture_deinit(&f);
    }
    /* Backwards. */
    fixture_init(&f, 256);
    struct ring_frame frame;
    put(&f, data, sizeof data, 0);
    put(&f, data, sizeof data, 0);
    ring_publish(&f.writer);
    get(&f, &frame);
    ring_release(&f.reader);
    assert_int_equal(put(&f, data, sizeof data, 0), RING_OK);
    f.ring->tail = 0;
    assert_int_equal(put(&f, data, sizeof data, 0), RING_BROKEN);
    fixture_deinit(&f);
}

/* Random nonsense in the whole ring, over and over: only bounds count here, for a sanitizer to see. */
static void hostile_noise(void **state)
{
    (void)state;
    uint8_t copy[512];
    uint32_t seed = 1;
    for (int round = 0; round < 20000; round++) {
        struct fixture f;
        fixture_init(&f, 256);
        for (size_t i = 0; i < 32; i++) {
            seed = mix(seed + 1);
            f.ring->data[i] =
                seed % 4 == 0 ? (uint64_t)RING_SKIP << 32 : seed % 64 | (uint64_t)(seed >> 12 & 1) << 32;
        }
        struct ring_frame frame;
        for (int turn = 0; turn < 4; turn++) {
            seed = mix(seed + 1);
            f.ring->head = f.reader.head + (seed % 33) * 8;
            if (ring_refresh(&f.reader) != RING_OK)
                break;
            while (ring_read(&f.reader, &frame) == RING_OK) {
                assert_true(frame.len <= 256);
                ring_copy(copy, &frame);
            }
            ring_release(&f.reader);
        }
        fixture_deinit(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_as_they_were_given),
        cmocka_unit_test(a_full_ring_refuses_and_recovers),
        cmocka_unit_test(largest_frames_and_starting_over),
        cmocka_unit_test(two_threads_small_ring),
        cmocka_unit_test(two_threads_with_largest_frames),
        cmocka_unit_test(two_threads_full_size),
        cmocka_unit_test(hostile_producer_cursor),
        cmocka_unit_test(hostile_header),
        cmocka_unit_test(hostile_consumer_cursor),
        cmocka_unit_test(hostile_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
