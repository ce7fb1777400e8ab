/*
 * HYBSTER-NEW-VIEW: the leader of `view` shows VIEW-CHANGEs of a quorum (the attachment), all from `from`, and what NEW-VIEW(from) had
 * decided (`base`, `commands`). What follows from them is core(view), whose digest is `core`; receivers compute it again. Certified
 * Independent [view|0] on a counter of its own, so there is one for each view.
 */
#ifndef WIRE_HYBSTER_NEW_VIEW_H
#define WIRE_HYBSTER_NEW_VIEW_H

#include "wire/hybster_view_change.h"

/* `commands` are hybster_command: batches for base + 1 on; the zero digest is the null batch. `view_changes`: digest of the attachment. */
#define HYBSTER_NEW_VIEW_FIELDS(F)                                                                           \
    F(u64, view) F(u64, from) F(u64, base) F(slice, commands) F(digest, core) F(digest, view_changes)
WIRE_STRUCT(hybster_new_view, HYBSTER_NEW_VIEW_FIELDS)

#define HYBSTER_COMMAND_FIELDS(F) F(digest, batch)
WIRE_STRUCT(hybster_command, HYBSTER_COMMAND_FIELDS)
WIRE_LIST(hybster_command, HYBSTER_COMMAND_FIELDS)

#define HYBSTER_VIEW_CHANGES_TAG "hybster changes"

/* On the message alone: from < view, the attachment has the digest named and is a list of at most REPLICAS_MAX frames. */
enum verdict hybster_new_view_check(const struct frame *frame, struct hybster_new_view *nv);

#define HYBSTER_NEW_VIEW_BYTES_MAX (REPLICAS_MAX * (HYBSTER_VIEW_CHANGE_BYTES_MAX + 4u) + WINDOW * 32u + 512u)

#endif
