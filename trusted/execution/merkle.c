#include "execution/merkle.h"

#include <string.h>

#include "base/check.h"
#include "crypto/crypto.h"

void merkle_init(struct merkle *tree, struct arena *arena, uint64_t leaves_max)
{
    uint64_t cap = leaves_max;
    memset(tree, 0, sizeof *tree);
    for (;;) {
        CHECK(tree->levels < MERKLE_LEVELS);
        struct merkle_level *level = &tree->level[tree->levels++];
        level->cap = cap;
        level->node = arena_take(arena, cap * sizeof *level->node);
        level->marked = arena_take(arena, (cap / 64 + 1) * sizeof *level->marked);
        if (cap == 1)
            return;
        cap = (cap + MERKLE_ARITY - 1) / MERKLE_ARITY;
    }
}

static void mark(struct merkle *tree, unsigned level, uint64_t index)
{
    for (; level < tree->levels; level++) {
        uint64_t *word = &tree->level[level].marked[index / 64];
        uint64_t bit = 1ull << index % 64;
        if (*word & bit)
            return; /* and so is everything above */
        *word |= bit;
        index /= MERKLE_ARITY;
    }
}

void merkle_reset(struct merkle *tree, uint64_t leaf_count)
{
    /* Marks of the old contents would stop new ones half-way up. */
    for (unsigned level = 1; level < tree->levels; level++)
        memset(tree->level[level].marked, 0,
               (tree->level[level].cap / 64 + 1) * sizeof *tree->level[level].marked);
    tree->count = 0;
    for (uint64_t i = 0; i < leaf_count; i++)
        mark(tree, 1, i / MERKLE_ARITY);
}

void merkle_set(struct merkle *tree, uint64_t leaf, const struct digest *digest)
{
    CHECK(leaf < tree->level[0].cap);
    tree->level[0].node[leaf] = *digest;
    mark(tree, 1, leaf / MERKLE_ARITY);
}

static void node_compute(struct merkle *tree, unsigned level, uint64_t index, uint64_t children)
{
    uint64_t first = index * MERKLE_ARITY;
    uint64_t count = children - first < MERKLE_ARITY ? children - first : MERKLE_ARITY;
    digest_of(&tree->level[level].node[index], "node", &tree->level[level - 1].node[first],
              count * sizeof(struct digest));
}

/* Marked nodes from `first` on and below `nodes`. */
static void level_compute(struct merkle *tree, unsigned level, uint64_t first, uint64_t nodes,
                          uint64_t children)
{
    uint64_t *marked = tree->level[level].marked;
    for (uint64_t word = first / 64; word * 64 < nodes; word++) {
        uint64_t below = nodes - word * 64 < 64 ? (1ull << (nodes - word * 64)) - 1 : ~0ull;
        for (uint64_t todo = marked[word] & below; todo; todo &= todo - 1)
            node_compute(tree, level, word * 64 + (unsigned)__builtin_ctzll(todo), children);
        marked[word] &= ~below;
    }
}

void merkle_settle(struct merkle *tree, uint64_t leaf_count, uint64_t upto)
{
    uint64_t nodes = upto / MERKLE_ARITY;
    CHECK(upto <= leaf_count && leaf_count <= tree->level[0].cap);
    if (tree->levels > 1 && nodes > tree->settled)
        level_compute(tree, 1, tree->settled, nodes, leaf_count);
    tree->settled = nodes;
}

void merkle_root(struct merkle *tree, uint64_t leaf_count, struct digest *root)
{
    CHECK(leaf_count <= tree->level[0].cap);
    memset(root, 0, sizeof *root);
    if (leaf_count == 0)
        return;
    if (leaf_count != tree->count)
        mark(tree, 1, (leaf_count - 1) / MERKLE_ARITY); /* fewer: its last nodes have lost children */
    tree->count = leaf_count;
    tree->settled = 0;
    uint64_t children = leaf_count;
    unsigned level = 0;
    while (children > 1) {
        uint64_t nodes = (children + MERKLE_ARITY - 1) / MERKLE_ARITY;
        level_compute(tree, ++level, 0, nodes, children);
        children = nodes;
    }
    *root = tree->level[level].node[0];
}
