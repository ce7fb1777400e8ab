/*
 * HYBSTER-COMMIT: a replica that is not the leader votes for the leader's PREPARE. Certified Independent [view|slot] by its own counter
 * compartment, in order and without gaps. With the PREPARE, those of f others make a batch final.
 */
#ifndef WIRE_HYBSTER_COMMIT_H
#define WIRE_HYBSTER_COMMIT_H

#include "wire/hybster_prepare.h"

#define HYBSTER_COMMIT_FIELDS(F) F(u64, view) F(u64, slot) F(digest, batch)
WIRE_STRUCT(hybster_commit, HYBSTER_COMMIT_FIELDS)

enum verdict hybster_commit_check(const struct frame *frame, struct hybster_commit *commit);

#endif
