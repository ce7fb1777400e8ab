/*
 * The arena: alignment, bounds, reuse, splitting and merging, and that blocks handed out never overlap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"

static jmp_buf *check_expected;

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    if (check_expected)
        longjmp(*check_expected, 1);
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expression);
    abort();
}

#define SIZE (4u << 20)

static struct arena arena;
static uint8_t *region;

static int setup(void **state)
{
    (void)state;
    region = aligned_alloc(64, SIZE);
    assert_non_null(region);
    memset(region, 0, SIZE); /* as fresh pages are */
    arena_init(&arena, region, SIZE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(region);
    return 0;
}

static bool inside(const void *memory, size_t bytes)
{
    const uint8_t *at = memory;
    return at >= region && bytes <= SIZE && at + bytes <= region + SIZE;
}

/* Zero because the region was, and because nothing is ever handed out twice this way: also beside blocks in use. */
static void taken_memory_is_zero_and_aligned(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 300; bytes += 7) {
        uint8_t *memory = arena_take(&arena, bytes);
        uint8_t *block = arena_alloc(&arena, bytes + 1);
        assert_int_equal((uintptr_t)memory % 64, 0);
        assert_true(inside(memory, bytes));
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(memory[i], 0);
        memset(memory, 0xa5, bytes);
        assert_non_null(block);
        memset(block, 0x5a, bytes + 1);
        if (bytes % 2)
            arena_free(&arena, block, bytes + 1);
    }
}

static bool take_fails(size_t bytes)
{
    jmp_buf caught;
    check_expected = &caught;
    bool failed = setjmp(caught) != 0;
    if (!failed)
        arena_take(&arena, bytes);
    check_expected = NULL;
    return failed;
}

static void taking_too_much_fails_a_check(void **state)
{
    (void)state;
    assert_true(take_fails(SIZE + 1));
    assert_true(take_fails(SIZE_MAX));
    assert_true(take_fails(SIZE_MAX - 63));
    assert_false(take_fails(SIZE)); /* all of it is fine */
    assert_true(take_fails(1));
}

static void allocating_too_much_returns_null(void **state)
{
    (void)state;
    assert_null(arena_alloc(&arena, SIZE_MAX));
    assert_null(arena_alloc(&arena, SIZE + 1));
    assert_int_equal(arena.live, 0);
    unsigned count = 0;
    while (arena_alloc(&arena, 1000))
        count++;
    assert_true(count >= SIZE / 1250 && count <= SIZE / 1000);
    assert_null(arena_alloc(&arena, 1000));
}

static void a_block_is_reused(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < 20000; bytes += 13) {
        void *first = arena_alloc(&arena, bytes), *second = arena_alloc(&arena, bytes);
        assert_non_null(second);
        size_t used = arena.used;
        arena_free(&arena, first, bytes);
        arena_validate(&arena);
        assert_ptr_equal(arena_alloc(&arena, bytes), first);
        arena_free(&arena, second, bytes);
        arena_free(&arena, first, bytes);
        arena_validate(&arena);
        assert_int_equal(arena.live, 0);
        assert_int_equal(arena.used, used); /* whatever was there before was merged, and was enough */
    }
    arena_free(&arena, NULL, 5);
    assert_int_equal(arena.live, 0);
}

/* Waves of one size after the other: each has as many blocks as fit, whatever the sizes before it were. */
static void waves_of_other_sizes_find_the_memory_again(void **state)
{
    static void *block[SIZE / 16];
    (void)state;
    for (size_t bytes = 16; bytes <= SIZE / 8; bytes += 16 + bytes / 3) {
        size_t count = 0, rounded;
        while ((block[count] = arena_alloc(&arena, bytes)) != NULL)
            count++;
        rounded = arena.live / count;
        assert_true(rounded < bytes + bytes / 4 + 16);
        assert_true((count + 2) * rounded > arena.size); /* but for a kept block, and the end */
        for (size_t step = 0; step < 3; step++)          /* in another order than they came in */
            for (size_t i = step; i < count; i += 3)
                arena_free(&arena, block[i], bytes);
        arena_validate(&arena);
        assert_int_equal(arena.live, 0);
    }
}

/* Every second one comes back: nothing can be merged. Then the others do, and everything is one block. */
static void neighbours_are_merged(void **state)
{
    enum { COUNT = 1000 };
    void *block[COUNT];
    (void)state;
    for (unsigned i = 0; i < COUNT; i++)
        block[i] = arena_alloc(&arena, 1024);
    size_t used = arena.used;
    for (unsigned i = 0; i < COUNT; i += 2)
        arena_free(&arena, block[i], 1024);
    arena_validate(&arena);
    assert_true((uint8_t *)arena_alloc(&arena, 2048) >= region + used); /* no hole is so large */
    for (unsigned i = 1; i < COUNT; i += 2)
        arena_free(&arena, block[i], 1024);
    arena_validate(&arena);
    assert_ptr_equal(arena_alloc(&arena, 512u * 1024u), region);
    assert_ptr_equal(arena_alloc(&arena, 16), region + 512u * 1024u); /* what was not needed of it */
    arena_validate(&arena);
}

/* The bits are its own: memory that is full of ones will do. */
static void the_region_may_be_dirty(void **state)
{
    (void)state;
    memset(region, 0xff, SIZE);
    arena_init(&arena, region, SIZE);
    arena_take(&arena, 77);
    void *block[100];
    for (unsigned i = 0; i < 100; i++)
        block[i] = arena_alloc(&arena, 100);
    for (unsigned i = 0; i < 100; i++)
        arena_free(&arena, block[i], 100);
    arena_validate(&arena);
    assert_ptr_equal(arena_alloc(&arena, 8000), block[0]);
}

/* At most a quarter is lost to rounding, beyond the smallest sizes. */
static void rounding_is_bounded(void **state)
{
    (void)state;
    for (size_t bytes = 64; bytes < SIZE / 2; bytes += 1 + bytes / 50) {
        arena_init(&arena, region, SIZE);
        assert_non_null(arena_alloc(&arena, bytes));
        assert_true(arena.live >= bytes);
        assert_true(arena.live * 4 <= bytes * 5 + 4);
    }
}

static void a_long_life_never_overlaps_nor_grows(void **state)
{
    (void)state;
    enum { BLOCKS = 200 };
    struct {
        uint8_t *memory;
        size_t bytes;
        uint8_t mark;
    } blocks[BLOCKS] = {0};
    uint32_t random = 12345;
    size_t used_half_way = 0;
    for (unsigned turn = 0; turn < 200000; turn++) {
        random = random * 1664525u + 1013904223u;
        unsigned i = (random >> 8) % BLOCKS;
        if (blocks[i].memory) {
            for (size_t at = 0; at < blocks[i].bytes; at += 1 + blocks[i].bytes / 8)
                assert_int_equal(blocks[i].memory[at], blocks[i].mark);
            arena_free(&arena, blocks[i].memory, blocks[i].bytes);
            blocks[i].memory = NULL;
        } else {
            blocks[i].bytes = 1 + (random >> 16) % 700;
            blocks[i].mark = (uint8_t)turn;
            blocks[i].memory = arena_alloc(&arena, blocks[i].bytes);
            assert_non_null(blocks[i].memory);
            assert_int_equal((uintptr_t)blocks[i].memory % 16, 0);
            assert_true(inside(blocks[i].memory, blocks[i].bytes));
            memset(blocks[i].memory, blocks[i].mark, blocks[i].bytes);
        }
        if (turn % 1000 == 0)
            arena_validate(&arena);
        if (turn == 100000)
            used_half_way = arena.used;
    }
    assert_true(arena.used <= used_half_way + used_half_way / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(taken_memory_is_zero_and_aligned, setup, teardown),
        cmocka_unit_test_setup_teardown(taking_too_much_fails_a_check, setup, teardown),
        cmocka_unit_test_setup_teardown(allocating_too_much_returns_null, setup, teardown),
        cmocka_unit_test_setup_teardown(a_block_is_reused, setup, teardown),
        cmocka_unit_test_setup_teardown(waves_of_other_sizes_find_the_memory_again, setup, teardown),
        cmocka_unit_test_setup_teardown(neighbours_are_merged, setup, teardown),
        cmocka_unit_test_setup_teardown(the_region_may_be_dirty, setup, teardown),
        cmocka_unit_test_setup_teardown(rounding_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_life_never_overlaps_nor_grows, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
