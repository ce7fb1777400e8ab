/*
 * What a compartment writes down of itself before it says it to others: the plaintext of sealed records (see
 * ordering/sealing.h), and the two local frames that carry them out and back.
 *
 * RECORD_PROMISES and RECORD_BASE are full: with one of them everything earlier of that compartment is needed no more.
 */
#ifndef WIRE_RECORD_H
#define WIRE_RECORD_H

#include "base/limits.h"
#include "wire/frame.h"
#include "wire/parting.h"

enum record_kind {
    RECORD_PROMISES = 1,  /* P, C: struct promises, full */
    RECORD_VOTE = 2,      /* P, C: struct slot_view: voted for (P), prepared and so committed to (C) */
    RECORD_VIEW = 3,      /* P, C: struct left_view */
    RECORD_BASE = 11,     /* E: struct base, full */
    RECORD_EXECUTED = 12, /* E: struct executed_slots */
    RECORD_STABLE = 13,   /* E: struct promises without votes: its stable certificate */
    RECORD_LEARNED = 17,  /* E: struct chain: RECONFIGs that it learned of instead of executing them */
    RECORD_LEAF = 14,     /* E: one leaf of a saved checkpoint; outside the row of records */
    RECORD_ORIGINS = 15,  /* E: a piece of the origin table of a saved checkpoint; likewise */
    RECORD_SAVED = 16,    /* E: struct saved_head, the head of a saved checkpoint; likewise */
};

static inline bool record_is_full(unsigned kind)
{
    return kind == RECORD_PROMISES || kind == RECORD_BASE;
}

/* All that P or C is bound by. `view`: the highest that it voted in, or left for. `votes`: struct slot_view, ascending.
 * `whole_above`: who has this is bound by nothing else, once its stable checkpoint is there: up to that slot an earlier incarnation
 * voted, or one that lost its log (UINT64_MAX: who knows up to where; E: any value but 0 says so). */
#define PROMISES_FIELDS(F)                                                                                   \
    F(tag16, cluster)                                                                                        \
    F(u64, configuration)                                                                                    \
    F(u64, whole_above)                                                                                      \
    F(u64, view) F(u64, stable_slot) F(digest, stable_root) F(slice, signers) F(slice, votes)
WIRE_STRUCT(promises, PROMISES_FIELDS)

/* All views below this one are left. */
#define LEFT_VIEW_FIELDS(F) F(u64, view)
WIRE_STRUCT(left_view, LEFT_VIEW_FIELDS)

/* Where E's following records start: after `slot`, under this START and what the ordered state knew beside it (`steps` and
 * `ordered` as in START; `bodies`: a list of struct known_body, the RECONFIGs that it can show), with the Execution group's secret.
 * `whole` 1: its log leads to every state that it vouched for. */
#define BASE_FIELDS(F)                                                                                       \
    F(u64, slot)                                                                                             \
    F(u8, whole) F(key, group_secret) F(slice, start) F(slice, steps) F(slice, ordered) F(slice, bodies)
WIRE_STRUCT(base, BASE_FIELDS)

/* A RECONFIG that led to `number`. */
#define KNOWN_BODY_FIELDS(F) F(u64, number) F(u64, slot) F(slice, body)
WIRE_STRUCT(known_body, KNOWN_BODY_FIELDS)

/* Batches of the slots from `first` on, 32 bytes each. */
#define EXECUTED_SLOTS_FIELDS(F) F(u64, first) F(slice, batches)
WIRE_STRUCT(executed_slots, EXECUTED_SLOTS_FIELDS)

/* A saved checkpoint: of which cluster, what leaves and origins must give; and, since the log may lack the records of that time, E's
 * stable certificate, and what the ordered state knew (as in struct base). */
#define SAVED_HEAD_FIELDS(F)                                                                                 \
    F(tag16, cluster)                                                                                        \
    F(u64, slot)                                                                                             \
    F(digest, root)                                                                                          \
    F(u64, time_us)                                                                                          \
    F(u64, leaf_count)                                                                                       \
    F(u64, origins_len)                                                                                      \
    F(u64, stable_slot) F(digest, stable_root) F(slice, signers) F(slice, steps) F(slice, ordered)           \
        F(slice, bodies)
WIRE_STRUCT(saved_head, SAVED_HEAD_FIELDS)

/* Compartment -> host: the attachment, a sealed record, must be durable before anything that follows it leaves the
 * replica. full 1: earlier records of this compartment are needed no more; for E: once the checkpoint at `slot` is. */
#define LOCAL_SEALED_FIELDS(F) F(u8, full) F(u64, slot)
WIRE_STRUCT(local_sealed, LOCAL_SEALED_FIELDS)

/* Host -> compartment, before START: a record of an earlier life, in order; then RECALL_END. */
enum { RECALL_RECORD = 0, RECALL_END = 1, RECALL_LEAF = 2, RECALL_ORIGINS = 3, RECALL_SAVED = 4 };
#define LOCAL_RECALL_FIELDS(F) F(u8, what) F(u64, number)
WIRE_STRUCT(local_recall, LOCAL_RECALL_FIELDS)

/* Host -> E: save (number 0: at the next checkpoint, begin; else: the piece after this one). */
#define LOCAL_SAVE_FIELDS(F) F(u64, number)
WIRE_STRUCT(local_save, LOCAL_SAVE_FIELDS)

/* E -> host: piece `number` (from 1) of the checkpoint at `slot`; the attachment is a list of struct saved_item. last 1: with
 * this piece it is whole. leaf_count: leaves from there on are gone. */
#define LOCAL_SAVED_FIELDS(F) F(u64, slot) F(u64, number) F(u8, last) F(u64, leaf_count)
WIRE_STRUCT(local_saved, LOCAL_SAVED_FIELDS)

/* What to store: what is one of RECALL_LEAF, RECALL_ORIGINS, RECALL_SAVED; number: of the leaf, or of the piece. */
#define SAVED_ITEM_FIELDS(F) F(u8, what) F(u64, number) F(slice, bytes)
WIRE_STRUCT(saved_item, SAVED_ITEM_FIELDS)

#endif
