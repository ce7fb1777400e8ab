/*
 * NEW-VIEW: the primary of `view` shows VIEW-CHANGEs of 2f+1 C (the attachment) and what follows from them. Receivers
 * compute the selection again.
 */
#ifndef WIRE_NEW_VIEW_H
#define WIRE_NEW_VIEW_H

#include "base/limits.h"
#include "wire/frame.h"

#define NEW_VIEW_FIELDS(F)                                                                                   \
    F(u64, configuration) F(u64, view) F(u64, stable_slot) F(slice, selection) F(digest, view_changes)
WIRE_STRUCT(new_view, NEW_VIEW_FIELDS)

/* Batch selected for stable_slot + 1 + i; the zero digest is the null batch. */
#define SELECTED_FIELDS(F) F(digest, batch)
WIRE_STRUCT(selected, SELECTED_FIELDS)
WIRE_LIST(selected, SELECTED_FIELDS)

#define NEW_VIEW_VIEW_CHANGES_TAG "view changes"

enum verdict new_view_check(const struct frame *frame, struct new_view *new_view);

#endif
