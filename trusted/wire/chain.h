/*
 * CONFIGURATION: how whoever does not execute comes to know that RECONFIGs were executed, and where: the RECONFIGs with
 * their slots, and CHECKPOINT signatures of f+1 E that vouch for the chain digest over them. Needs no signature of its own.
 *
 * GROUP-KEY: an E that knows of a fresh E seals the Execution group key to it. Believed by what it opens to.
 */
#ifndef WIRE_CHAIN_H
#define WIRE_CHAIN_H

#include "base/limits.h"
#include "wire/frame.h"

/* `first`: number that the first step leads to. `steps`: for each u64 slot, u32 length, body of the RECONFIG. The signers of
 * (slot, root) all name the number that the last step leads to. */
#define CHAIN_FIELDS(F) F(u64, first) F(slice, steps) F(u64, slot) F(digest, root) F(slice, signers)
WIRE_STRUCT(chain, CHAIN_FIELDS)

#define CHAIN_STEPS_MAX                                                                                      \
    (4u * FAULTS_MAX) /* a certificate vouches for changes that are pending at its slot: so many at most */

struct chain_step {
    slot_no slot;
    struct slice body;
};
/* Walks the steps: *at starts at 0; false at the end or (with *at = SIZE_MAX) on an error. */
bool chain_step_next(struct slice steps, size_t *at, struct chain_step *step);

/* On the message alone. *count: how many steps. */
enum verdict chain_check(const struct frame *frame, struct chain *chain, uint32_t *count);

/* "I hold configuration `number`; what comes after it?" */
#define ASK_CHAIN_FIELDS(F) F(u64, number)
WIRE_STRUCT(ask_chain, ASK_CHAIN_FIELDS)

/* The 80 sealed bytes stand in the three last fields, as in START. */
#define GROUP_KEY_FIELDS(F) F(u32, replica) F(u64, epoch) F(key, half0) F(key, half1) F(tag16, tail)
WIRE_STRUCT(group_key, GROUP_KEY_FIELDS)

#endif
