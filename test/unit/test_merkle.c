/*
 * The Merkle tree against a naive recomputation, while leaves change and their number grows.
 */
#include "testing.h"

#include "crypto/crypto.h"
#include "execution/merkle.h"

#define LEAVES 5000u
#define MEMORY (4u << 20)

static struct arena arena;
static void *memory;
static struct merkle tree;
static struct digest leaf[LEAVES];
static uint64_t seed;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(crypto_start(), 0);
    memory = aligned_alloc(64, MEMORY);
    memset(memory, 0, MEMORY);
    arena_init(&arena, memory, MEMORY);
    merkle_init(&tree, &arena, LEAVES);
    memset(leaf, 0, sizeof leaf);
    seed = 3;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(memory);
    return 0;
}

static struct digest naive(uint64_t count)
{
    static struct digest node[LEAVES];
    memcpy(node, leaf, count * sizeof *leaf);
    while (count > 1) {
        uint64_t nodes = 0;
        for (uint64_t first = 0; first < count; first += MERKLE_ARITY) {
            uint64_t children = count - first < MERKLE_ARITY ? count - first : MERKLE_ARITY;
            struct digest parent;
            digest_of(&parent, "node", &node[first], children * sizeof *node);
            node[nodes++] = parent;
        }
        count = nodes;
    }
    return node[0];
}

static void set(uint64_t index)
{
    test_random_bytes(&seed, &leaf[index], sizeof *leaf);
    merkle_set(&tree, index, &leaf[index]);
}

static void check(uint64_t count)
{
    struct digest root, expected = naive(count);
    merkle_root(&tree, count, &root);
    assert_memory_equal(&root, &expected, sizeof root);
    merkle_root(&tree, count, &root); /* asking again changes nothing */
    assert_memory_equal(&root, &expected, sizeof root);
}

static void every_number_of_leaves(void **state)
{
    (void)state;
    struct digest root;
    merkle_root(&tree, 0, &root);
    assert_true(memcmp(&root, &(struct digest){{0}}, sizeof root) == 0);
    for (uint64_t count = 1; count <= 600; count++) {
        set(count - 1);
        check(count);
    }
}

static void random_growth(void **state)
{
    (void)state;
    uint64_t count = 1;
    set(0);
    while (count < LEAVES) {
        uint64_t before = count;
        uint64_t grown = count + test_random(&seed) % (count / 2 + 2);
        count = grown < LEAVES ? grown : LEAVES;
        for (uint64_t i = before; i < count; i++)
            set(i);
        for (unsigned i = 0; i < 10; i++)
            set(test_random(&seed) % count);
        if (test_random(&seed) % 4)
            check(count); /* at times several growths between two roots */
        for (unsigned i = 0; i < 3; i++) {
            set(test_random(&seed) % count);
            check(count);
        }
    }
    check(LEAVES);
}

static void every_leaf_counts(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 300; i++)
        set(i);
    struct digest root, other;
    merkle_root(&tree, 300, &root);
    for (uint64_t i = 0; i < 300; i++) {
        struct digest changed = leaf[i];
        changed.bytes[31] ^= 1;
        merkle_set(&tree, i, &changed);
        merkle_root(&tree, 300, &other);
        assert_memory_not_equal(&root, &other, sizeof root);
        merkle_set(&tree, i, &leaf[i]);
    }
    merkle_root(&tree, 300, &other);
    assert_memory_equal(&root, &other, sizeof root);
}

static void leaves_may_vanish_again(void **state)
{
    (void)state;
    uint64_t count = 2000;
    for (uint64_t i = 0; i < count; i++)
        set(i);
    for (unsigned turn = 0; turn < 200; turn++) {
        uint64_t r = test_random(&seed) % 100, before = count;
        count = turn % 3 ? count - (count > r ? r : count - 1) : count + r;
        for (uint64_t i = before; i < count; i++)
            set(i);
        if (turn % 5 == 0)
            set(test_random(&seed) % count);
        check(count);
    }
}

/* State replaced by another with fewer or more leaves: what was there before must not shine through. */
static void a_replaced_state_forgets_the_old_one(void **state)
{
    (void)state;
    static const uint64_t counts[] = {4000, 17, 5000, 1, 256, 4096, 16};
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        for (uint64_t i = 0; i < counts[k]; i++)
            set(i);
        merkle_reset(&tree, counts[k]);
        check(counts[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_number_of_leaves, setup, teardown),
        cmocka_unit_test_setup_teardown(random_growth, setup, teardown),
        cmocka_unit_test_setup_teardown(every_leaf_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(leaves_may_vanish_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_replaced_state_forgets_the_old_one, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
