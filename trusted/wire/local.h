/*
 * What passes between a host and its own compartments only. Unauthenticated: a host can cost liveness, nothing else.
 */
#ifndef WIRE_LOCAL_H
#define WIRE_LOCAL_H

#include "base/limits.h"
#include "wire/frame.h"

/* Bundles for the next slot; entries are batch_entry. time_us is the host clock; P never lets it fall. */
#define LOCAL_PROPOSE_FIELDS(F) F(u64, time_us) F(slice, entries)
WIRE_STRUCT(local_propose, LOCAL_PROPOSE_FIELDS)

#define LOCAL_LEAVE_FIELDS(F) F(u64, view)
WIRE_STRUCT(local_leave, LOCAL_LEAVE_FIELDS)

/* Said of bundles that came signed, and of those that were refused; verdict is an enum verdict. */
#define LOCAL_ADMITTED_FIELDS(F)                                                                             \
    F(u32, origin) F(u64, bundle_no) F(digest, bundle) F(u8, is_signed) F(u8, verdict)
WIRE_STRUCT(local_admitted, LOCAL_ADMITTED_FIELDS)

/* After every slot. jumped 1: by a state transfer, not by execution. digesting 1: a checkpoint is under way. */
#define LOCAL_PROGRESS_FIELDS(F)                                                                             \
    F(u64, executed)                                                                                         \
    F(u64, stable)                                                                                           \
    F(digest, batch) F(digest, root) F(u8, jumped) F(u8, digesting) F(u64, configuration)
WIRE_STRUCT(local_progress, LOCAL_PROGRESS_FIELDS)

/* How a state transfer goes: phase is an enum transfer_phase; towards the state at `slot`; bytes that were asked for and
 * came, since the start; leaves that differ as far as known, and those of them that are here; questions that were not answered in
 * time, and answers that were wrong; which replicas gave such (bits). */
#define LOCAL_TRANSFER_FIELDS(F)                                                                             \
    F(u8, phase)                                                                                             \
    F(u64, slot)                                                                                             \
    F(u64, bytes) F(u64, leaves_wanted) F(u64, leaves_moved) F(u64, late) F(u64, lies) F(u32, liars)
WIRE_STRUCT(local_transfer, LOCAL_TRANSFER_FIELDS)
enum transfer_phase {
    TRANSFER_NONE = 0,
    TRANSFER_HEAD = 1,    /* asking who has which state */
    TRANSFER_PREPARE = 2, /* regrouping and digesting the own one */
    TRANSFER_NODES = 3,   /* comparing: which leaves differ? */
    TRANSFER_LEAVES = 4,
    TRANSFER_ORIGINS = 5, /* what is remembered of clients */
    TRANSFER_PHASES = 6
};
/* "none", "head", "prepare", "nodes", "leaves", "origins"; "unknown". */
const char *transfer_phase_name(unsigned phase);

#define LOCAL_NEED_FIELDS(F) F(u8, what) F(u64, slot) F(digest, digest)
WIRE_STRUCT(local_need, LOCAL_NEED_FIELDS)

/* E asks that peer: for EXECUTED of the slots that it lacks, or (state 1) for its state, as one among those named so. What
 * was asked `patience_us` ago and has not come is asked of another peer. */
#define LOCAL_CATCH_UP_FIELDS(F) F(u32, peer) F(u8, state) F(u64, patience_us)
WIRE_STRUCT(local_catch_up, LOCAL_CATCH_UP_FIELDS)

/* in_view 0: parted, waiting for a NEW-VIEW of `view`. */
#define LOCAL_VIEW_FIELDS(F) F(u64, view) F(u8, in_view) F(u64, next_slot) F(u64, configuration)
WIRE_STRUCT(local_view, LOCAL_VIEW_FIELDS)

/* Said when a FETCH-REPLY asks about such a bundle: it was executed, or its epoch is closed, or it is below the window. */
#define LOCAL_SETTLED_FIELDS(F) F(u32, origin) F(u64, epoch) F(u64, bundle_no)
WIRE_STRUCT(local_settled, LOCAL_SETTLED_FIELDS)

/* E goes on with the checkpoint under way, by so many leaves: nothing is executed that it could go along with. */
#define LOCAL_CHECKPOINT_FIELDS(F) F(u64, leaves)
WIRE_STRUCT(local_checkpoint, LOCAL_CHECKPOINT_FIELDS)

/* Hybster: the slot is final, and this is its batch. E believes it: host and E are one fault domain there. */
#define LOCAL_COMMITTED_FIELDS(F) F(u64, slot) F(digest, batch)
WIRE_STRUCT(local_committed, LOCAL_COMMITTED_FIELDS)

/* Configuration `number` holds from now on, its change is in force above slot `activation`: an idle primary fills up to there. */
#define LOCAL_RECONFIGURED_FIELDS(F) F(u64, number) F(u64, activation)
WIRE_STRUCT(local_reconfigured, LOCAL_RECONFIGURED_FIELDS)

#endif
