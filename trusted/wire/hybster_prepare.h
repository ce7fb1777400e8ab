/*
 * HYBSTER-PREPARE: the leader of `view` gives a slot to a batch. Certified Independent [view|slot] by its counter compartment N, which is
 * the sender: so there is one for each (view, slot). The list of the batch is attached, or was before; `batch` is its digest.
 *
 * Messages of Hybster have AUTH_COUNTER: the authenticator is the MAC of N's certificate over the content digest. What it certifies with,
 * counter and value, follows from type and body (docs/HYBSTER.md, Rules).
 */
#ifndef WIRE_HYBSTER_PREPARE_H
#define WIRE_HYBSTER_PREPARE_H

#include "base/limits.h"
#include "wire/frame.h"

#define HYBSTER_PREPARE_FIELDS(F) F(u64, view) F(u64, slot) F(digest, batch)
WIRE_STRUCT(hybster_prepare, HYBSTER_PREPARE_FIELDS)

/* On the message alone: from a counter compartment and with its MAC, a slot and view that exist. */
enum verdict hybster_prepare_check(const struct frame *frame, struct hybster_prepare *prepare);

/* Shared by the messages of Hybster: VERDICT_ACCEPT, or what is wrong with sender or authenticator of so many bytes. */
enum verdict hybster_sender_check(const struct frame *frame, size_t auth_bytes);

/* Values of counters end one short of UINT64_MAX in either half (counter/trinx.h); and windows are added to slots. */
#define HYBSTER_VIEW_MAX (UINT64_MAX - 2)
#define HYBSTER_SLOT_MAX (UINT64_MAX - 2 * (uint64_t)WINDOW)

#endif
