/*
 * HYBSTER-VIEW-CHANGE: a replica leaves all views below `view`. `from` is the last view whose NEW-VIEW it accepted (0: none was needed) and
 * `core` the digest of what that decided; then its stable checkpoint, and the PREPAREs of `from` for the slots above it, of each pillar
 * without a gap. Certified Continuing [view|0] by each pillar: the authenticator shows how far that counter ever voted (`act`), so that nothing
 * can be left out. All pillars certify the same content, so their parts cannot say different things.
 */
#ifndef WIRE_HYBSTER_VIEW_CHANGE_H
#define WIRE_HYBSTER_VIEW_CHANGE_H

#include "wire/hybster_prepare.h"

/* `epoch`: of the N of the leader of `from`, which certified the PREPAREs. `prepares` are hybster_shown. */
#define HYBSTER_VIEW_CHANGE_FIELDS(F)                                                                        \
    F(u64, view)                                                                                             \
    F(u64, from)                                                                                             \
    F(digest, core)                                                                                          \
    F(u64, stable_slot) F(digest, stable_root) F(slice, signers) F(u64, epoch) F(slice, prepares)
WIRE_STRUCT(hybster_view_change, HYBSTER_VIEW_CHANGE_FIELDS)

/* A PREPARE: its slot is stable_slot + `above`; its batch, and the MAC of its certificate. */
#define HYBSTER_SHOWN_FIELDS(F) F(u32, above) F(digest, batch) F(tag16, mac)
WIRE_STRUCT(hybster_shown, HYBSTER_SHOWN_FIELDS)
WIRE_LIST(hybster_shown, HYBSTER_SHOWN_FIELDS)

/* The authenticator: one for each pillar, in their order. */
#define HYBSTER_CONTINUING_FIELDS(F)                                                                         \
    F(u64, previous_view) F(u64, previous_order) F(u64, act_view) F(u64, act_order) F(tag16, mac)
WIRE_STRUCT(hybster_continuing, HYBSTER_CONTINUING_FIELDS)
WIRE_LIST(hybster_continuing, HYBSTER_CONTINUING_FIELDS)

/* On the message alone: from < view; a checkpoint that can exist, PREPAREs within a window of it, slots ascending; a part of 1 to PILLARS_MAX
 * pillars. */
enum verdict hybster_view_change_check(const struct frame *frame, struct hybster_view_change *vc);

/* One with a full window, all signers and all pillars fits. */
#define HYBSTER_VIEW_CHANGE_BYTES_MAX (WINDOW * 52u + REPLICAS_MAX * 84u + PILLARS_MAX * 48u + 512u)

#endif
