/*
 * Backups: ASK-BACKUP of the administrator, BACKUP of the Execution compartment that gives one, and the way back into a new
 * cluster, LOCAL-RESTORE and LOCAL-RESTORED.
 *
 * A request is signed by the administrator and names the key that the backup is for; so no host chooses who can read it. A
 * piece is signed by E, and covers the attachment by a digest; so no host changes one. What is in them is right when all
 * leaves together give the root that 2f+1 E signed.
 */
#ifndef WIRE_BACKUP_H
#define WIRE_BACKUP_H

#include "base/limits.h"
#include "wire/frame.h"

/*
 * "Replica `replica`: piece `number` (from 1) of the backup `session`." Piece 1 begins it. `asked_us`: when the administrator
 * asked; an E goes from one session to a later one only. `until_us`: no state of a later time is given for this request,
 * whoever repeats it.
 */
#define ASK_BACKUP_FIELDS(F)                                                                                 \
    F(u32, replica) F(tag16, session) F(u64, number) F(key, backup_public) F(u64, asked_us) F(u64, until_us)
WIRE_STRUCT(ask_backup, ASK_BACKUP_FIELDS)

/*
 * Piece `number` of `session`; `digest` is that of the attachment:
 *
 *   BACKUP_KEY     the first: struct backup_opening: the content key, sealed to `backup_public`, and which service it is
 *   BACKUP_LEAVES  leaf parts, encrypted under the content key (nonce: the number; the body is covered)
 *   BACKUP_HEAD    the last: struct backup_head in clear
 *
 * `round` rises when the state as of `slot` could not be kept any longer and a later one was taken: what changed comes again, and the
 * last that came of a leaf counts.
 */
enum { BACKUP_KEY = 0, BACKUP_LEAVES = 1, BACKUP_HEAD = 2 };
#define BACKUP_FIELDS(F)                                                                                     \
    F(tag16, session) F(u64, number) F(u8, what) F(u32, round) F(u64, slot) F(digest, digest)
WIRE_STRUCT(backup, BACKUP_FIELDS)

/* The 80 sealed bytes stand in the first three fields. The service is named as it names itself. */
#define BACKUP_OPENING_FIELDS(F) F(key, half0) F(key, half1) F(tag16, tail) F(slice, service)
WIRE_STRUCT(backup_opening, BACKUP_OPENING_FIELDS)

/* What the leaves must give: `root` at `slot` (of the piece), certified by `signers`. `sealed`: struct backup_digests, encrypted
 * as the piece would be. */
#define BACKUP_HEAD_FIELDS(F)                                                                                \
    F(digest, root) F(u64, time_us) F(u64, leaf_count) F(slice, signers) F(slice, sealed)
WIRE_STRUCT(backup_head, BACKUP_HEAD_FIELDS)

#define BACKUP_DIGESTS_FIELDS(F) F(digest, leaves) F(digest, origins)
WIRE_STRUCT(backup_digests, BACKUP_DIGESTS_FIELDS)

/* A part of a leaf: `total` is the whole leaf's length, `at` where this part stands in it. */
#define LEAF_PART_FIELDS(F) F(u64, leaf) F(u32, total) F(u32, at) F(slice, bytes)
WIRE_STRUCT(leaf_part, LEAF_PART_FIELDS)
#define LEAF_PART_HEAD_BYTES 20u

/* A piece holds parts up to about this; what one part adds comes on top. */
#ifdef REDOUBT_MUTANTS
#define BACKUP_PIECE_BYTES 300u
#else
#define BACKUP_PIECE_BYTES (512u * 1024u)
#endif
#define BACKUP_PIECE_MAX (2u * BACKUP_PIECE_BYTES + 4096u) /* of the attachment */

/* Host -> E: piece `number` (from 0) of the state that START names; the attachment is leaf parts, encrypted under the key that START
 * seals to the Execution group (nonce: the number). Leaf 0 first, every leaf once and as a whole. */
#define LOCAL_RESTORE_FIELDS(F) F(u64, number)
WIRE_STRUCT(local_restore, LOCAL_RESTORE_FIELDS)

/* E -> host: that piece next, please; or that was all, or it was not what START names. */
enum { RESTORE_WANTED = 0, RESTORE_DONE = 1, RESTORE_REFUSED = 2 };
#define LOCAL_RESTORED_FIELDS(F) F(u8, state) F(u64, number)
WIRE_STRUCT(local_restored, LOCAL_RESTORED_FIELDS)

#endif
