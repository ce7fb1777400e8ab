#include "execution/merkle.h"

#include <string.h>

#include "base/check.h"
#include "crypto/crypto.h"

#define NODE_TAG "node"

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

/* Up to 64 nodes, those in `todo` from `base` on. */
static void nodes_compute(struct merkle *tree, unsigned level, uint64_t base, uint64_t todo,
                          uint64_t children)
{
    struct slice in[64];
    struct digest out[64];
    size_t count = 0;
    for (uint64_t left = todo; left; left &= left - 1) {
        uint64_t first = (base + (unsigned)__builtin_ctzll(left)) * MERKLE_ARITY;
        uint64_t here = children - first < MERKLE_ARITY ? children - first : MERKLE_ARITY;
        in[count++] = (struct slice){tree->level[level - 1].node[first].bytes, here * sizeof(struct digest)};
    }
    if (!count)
        return;
    digest_many(out, NODE_TAG, in, count);
    count = 0;
    for (uint64_t left = todo; left; left &= left - 1)
        tree->level[level].node[base + (unsigned)__builtin_ctzll(left)] = out[count++];
}

/* Marked nodes from `first` on and below `nodes`. */
static void level_compute(struct merkle *tree, unsigned level, uint64_t first, uint64_t nodes,
                          uint64_t children)
{
    uint64_t *marked = tree->level[level].marked;
    for (uint64_t word = first / 64; word * 64 < nodes; word++) {
        uint64_t below = nodes - word * 64 < 64 ? (1ull << (nodes - word * 64)) - 1 : ~0ull;
        nodes_compute(tree, level, word * 64, marked[word] & below, children);
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
        /* Marks beyond the last node would outlive those above them, and then keep new ones from going up. */
        tree->level[level].marked[(nodes - 1) / 64] = 0;
        children = nodes;
    }
    *root = tree->level[level].node[0];
}

uint64_t merkle_width(uint64_t leaf_count, unsigned level)
{
    for (; level > 0; level--)
        leaf_count = (leaf_count + MERKLE_ARITY - 1) / MERKLE_ARITY;
    return leaf_count;
}

unsigned merkle_top(uint64_t leaf_count)
{
    unsigned level = 0;
    for (; leaf_count > 1; level++)
        leaf_count = (leaf_count + MERKLE_ARITY - 1) / MERKLE_ARITY;
    return level;
}

uint32_t merkle_children(uint64_t leaf_count, unsigned level, uint64_t index)
{
    uint64_t behind = merkle_width(leaf_count, level - 1) - index * MERKLE_ARITY;
    return behind < MERKLE_ARITY ? (uint32_t)behind : MERKLE_ARITY;
}

void merkle_node(struct digest *out, const struct digest *children, uint32_t count)
{
    digest_of(out, NODE_TAG, children, count * sizeof *children);
}

void merkle_copy(struct merkle *to, const struct merkle *from, uint64_t leaf_count)
{
    for (unsigned level = 0; level <= merkle_top(leaf_count); level++)
        memcpy(to->level[level].node, from->level[level].node,
               merkle_width(leaf_count, level) * sizeof(struct digest));
}
