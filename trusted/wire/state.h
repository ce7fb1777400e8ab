/*
 * State transfer between E compartments: ASK-EXECUTED, ASK-STATE and STATE. `replica` is the addressee. What is sent is
 * encrypted pairwise (STATE: the attachment). A head is believed when its root is, and every piece when it has the
 * digest that the head, or a node above it, gives.
 */
#ifndef WIRE_STATE_H
#define WIRE_STATE_H

#include "base/limits.h"
#include "wire/frame.h"

#define ASK_EXECUTED_FIELDS(F) F(u32, replica) F(u64, first) F(u64, last)
WIRE_STRUCT(ask_executed, ASK_EXECUTED_FIELDS)

/*
 * What is asked, and what the attachment of the answer is in clear:
 *
 *   STATE_HEAD     of a checkpoint above `slot`            state_head
 *   STATE_DIGESTS  of the records                          32 bytes for every origin of the configuration, then for the version cells'
 *   STATE_RECORDS  of origins, and version cells           items
 *   STATE_NODES    of level `level` (1: above leaves)      of each: u16, which children follow (bit 0: the first), and
 *                                                          their digests, 32 bytes a child
 *   STATE_LEAVES                                           items
 *
 * All but the first are of the state at slot `slot`. `first` and `wanted` say which: bit i of byte i/8 stands for number
 * first + i. An answer has them in order, as far as they fit; the asker sees how many there are. Items are: u32 length of
 * the whole, u32 length, bytes. One that does not fit an answer comes in pieces, alone; `offset` says how much of it is there.
 * `number` is the question's, returned in its answer.
 *
 * A question for nodes may have hints: STATE_HINT_BYTES of the asker's own digest of every child of every node asked for,
 * MERKLE_ARITY of them a node. Children that begin so are left out of the answer: few differ, and with small leaves their
 * digests would be a good part of what is moved. No hints: all children follow. A hint is no evidence: the node's digest
 * says whether the children are right, and when they are not, the asker asks again without hints.
 */
#define STATE_HINT_BYTES    2u  /* two unlike digests seem alike once in 65,536 */
#define STATE_HINT_CHILDREN 16u /* of a node: MERKLE_ARITY */

enum { STATE_HEAD = 0, STATE_DIGESTS = 1, STATE_RECORDS = 2, STATE_NODES = 3, STATE_LEAVES = 4 };

/* One question is about so many numbers at most, or nodes, and an answer (but for one item) of so many bytes. */
#ifdef REDOUBT_MUTANTS
#define STATE_ASK_BITS    16u
#define STATE_ASK_NODES   16u
#define STATE_PIECE_BYTES 1200u
#else
#define STATE_ASK_BITS    8192u
#define STATE_ASK_NODES   128u
#define STATE_PIECE_BYTES (1024u * 1024u)
#endif
#define STATE_HINTS_MAX     (STATE_ASK_NODES * STATE_HINT_CHILDREN * STATE_HINT_BYTES)
#define STATE_ASK_BYTES_MAX (64u + STATE_ASK_BITS / 8 + STATE_HINTS_MAX) /* the body of a question */

#define ASK_STATE_FIELDS(F)                                                                                  \
    F(u32, replica)                                                                                          \
    F(u64, slot) F(u8, what) F(u64, number) F(u8, level) F(u64, first) F(u32, offset) F(slice, wanted)  \
        F(slice, hints)
WIRE_STRUCT(ask_state, ASK_STATE_FIELDS)

#define STATE_FIELDS(F) F(u32, replica) F(u64, slot) F(u8, what) F(u64, number) F(u64, nonce)
WIRE_STRUCT(state, STATE_FIELDS)

/* What the root at a slot is made of, and who signed it (no signers: the asker has to know the root from CHECKPOINTs of
 * its own). */
#define STATE_HEAD_FIELDS(F)                                                                                 \
    F(u64, time_us) F(u64, leaf_count) F(digest, leaves) F(digest, origins) F(slice, signers)
WIRE_STRUCT(state_head, STATE_HEAD_FIELDS)

#endif
