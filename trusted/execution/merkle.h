/*
 * Merkle tree of leaf digests, sixteen children a node, over a number of leaves that changes. Setting a digest marks its
 * path; the root is then computed again over marked nodes only, so it costs what changed. Nodes beyond the last leaf
 * do not count: the root covers the number of leaves.
 */
#ifndef EXECUTION_MERKLE_H
#define EXECUTION_MERKLE_H

#include "base/arena.h"
#include "base/types.h"

#define MERKLE_ARITY  16u
#define MERKLE_LEVELS 7u

struct merkle_level {
    struct digest *node;
    uint64_t *marked; /* bitmap: some child changed */
    uint64_t cap;
};

struct merkle {
    struct merkle_level level[MERKLE_LEVELS]; /* 0: leaves */
    unsigned levels;
    uint64_t count;   /* leaves under the last root */
    uint64_t settled; /* nodes of level 1 computed since */
};

void merkle_init(struct merkle *tree, struct arena *arena, uint64_t leaves_max);
/* Forgets everything (state replaced). */
void merkle_reset(struct merkle *tree, uint64_t leaf_count);
void merkle_set(struct merkle *tree, uint64_t leaf, const struct digest *digest);
/* Computes the nodes above leaves below `upto`, which are final, while they are in the cache: less is left for the root. */
void merkle_settle(struct merkle *tree, uint64_t leaf_count, uint64_t upto);
void merkle_root(struct merkle *tree, uint64_t leaf_count, struct digest *root);

#endif
