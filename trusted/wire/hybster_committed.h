/*
 * HYBSTER-COMMITTED: a commit certificate, the MACs of one PREPARE and of COMMITs that together are a quorum. What it shows is final,
 * whatever view its receiver is in. Anybody may hand it on: nobody signs the frame around.
 */
#ifndef WIRE_HYBSTER_COMMITTED_H
#define WIRE_HYBSTER_COMMITTED_H

#include "wire/hybster_prepare.h"

/* `epoch` is that of the leader's N, `prepare` the MAC of its PREPARE. */
#define HYBSTER_COMMITTED_FIELDS(F)                                                                          \
    F(u64, view) F(u64, slot) F(digest, batch) F(u64, epoch) F(tag16, prepare) F(slice, commits)
WIRE_STRUCT(hybster_committed, HYBSTER_COMMITTED_FIELDS)

/* One COMMIT, of N of that replica and epoch. */
#define HYBSTER_VOTER_FIELDS(F) F(u32, replica) F(u64, epoch) F(tag16, mac)
WIRE_STRUCT(hybster_voter, HYBSTER_VOTER_FIELDS)
WIRE_LIST(hybster_voter, HYBSTER_VOTER_FIELDS)

/* On the message alone: voters strictly ascend by replica, so each is there once. */
enum verdict hybster_committed_check(const struct frame *frame, struct hybster_committed *committed);

#endif
