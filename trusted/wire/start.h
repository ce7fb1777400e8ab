/*
 * START: the manifest, signed by the administrator. Names the cluster, its quorums, every compartment with its fresh
 * keys, and the clients. The sealed group keys are attached; they are authenticated by what they decrypt to (the public
 * half stands in the manifest).
 *
 * A START that resumes a cluster all of whose replicas were down has cluster id, origins and platforms of the one before it,
 * and names log heads. `resumed` counts such STARTs: what the ordered state knows is `configuration - resumed`, which a resume does
 * not change (replicas that executed a slot before it and others that do so after it must get the same root). `steps` and
 * `ordered` say what that state knows of RECONFIGs: how the last numbers came about, and the epochs that were ordered. The
 * keys in `members` are later than all of those, and in force everywhere. `view` is the first to be entered, by NEW-VIEW.
 * A START that changes how many replicas there are resumes too, but from `closed_slot` and `closed_root`: the checkpoint at which a
 * CLOSE (wire/reconfig.h) ended what was before. That checkpoint needs no certificate from then on, like slot 0 at a founding; no vote
 * of before goes over, since nothing above it was executed, and `retired` is empty. `closed_life` is its `resumed`; later
 * STARTs keep the three.
 *
 * `retired` are the signing keys of E of before, so that certificates made of their CHECKPOINTs still count. No group keys
 * are attached: who has its log has its own sealed, and gives it to who has not.
 */
#ifndef WIRE_START_H
#define WIRE_START_H

#include "base/limits.h"
#include "wire/frame.h"

#define START_FIELDS(F)                                                                                      \
    F(tag16, cluster)                                                                                        \
    F(u8, protocol)                                                                                          \
    F(u8, fast_reads)                                                                                        \
    F(u16, faults)                                                                                           \
    F(u64, configuration)                                                                                    \
    F(u32, replicas)                                                                                         \
    F(u32, write_quorum)                                                                                     \
    F(u32, read_quorum)                                                                                      \
    F(u64, view_timeout_us)                                                                                  \
    F(key, group_public)                                                                                     \
    F(slice, members)                                                                                        \
    F(slice, origins)                                                                                        \
    F(u64, resumed)                                                                                          \
    F(u64, view)                                                                                             \
    F(slice, retired)                                                                                        \
    F(slice, platforms)                                                                                      \
    F(slice, steps)                                                                                          \
    F(slice, ordered)                                                                                        \
    F(slice, genesis) F(u64, closed_slot) F(digest, closed_root) F(u64, closed_life) F(slice, troxies)
WIRE_STRUCT(start, START_FIELDS)

/* With hybster and fast reads: the keys of the Troxies that certify and attest, one of each replica; else none. */
#define CERTIFIER_FIELDS(F) F(u32, replica) F(key, box_public)
WIRE_STRUCT(certifier, CERTIFIER_FIELDS)
WIRE_LIST(certifier, CERTIFIER_FIELDS)

/* One incarnation of a compartment (or a host): in force for slots above `after`, until a later one of the same compartment
 * is. Several of one compartment stand in rising order of epoch and `after`. */
#define MEMBER_FIELDS(F)                                                                                     \
    F(u32, replica)                                                                                          \
    F(u32, kind)                                                                                             \
    F(u64, epoch) F(u64, after) F(key, sign_public) F(key, box_public) F(digest, measurement) F(digest, head)
WIRE_STRUCT(member, MEMBER_FIELDS)
WIRE_LIST(member, MEMBER_FIELDS)

/* An E of before: its signature counts for slots above `after`, up to `until`. */
#define RETIRED_FIELDS(F) F(u32, replica) F(u64, epoch) F(key, sign_public) F(u64, after) F(u64, until)
WIRE_STRUCT(retired, RETIRED_FIELDS)
WIRE_LIST(retired, RETIRED_FIELDS)

/* A number that RECONFIGs led to (or the founding's, at slot 0), at which slot, the chain digest, and the size that a CLOSE named
 * (else 0). Ascending, without gaps. */
#define KNOWN_STEP_FIELDS(F) F(u64, number) F(u64, slot) F(digest, chain) F(u32, size)
WIRE_STRUCT(known_step, KNOWN_STEP_FIELDS)
WIRE_LIST(known_step, KNOWN_STEP_FIELDS)

/* What the ordered state knows of a compartment: the last epoch that a RECONFIG named (or the founding), its activation slot (0)
 * and measurement. */
#define ORDERED_MEMBER_FIELDS(F)                                                                             \
    F(u32, replica) F(u32, kind) F(u64, epoch) F(u64, after) F(digest, measurement)
WIRE_STRUCT(ordered_member, ORDERED_MEMBER_FIELDS)
WIRE_LIST(ordered_member, ORDERED_MEMBER_FIELDS)

/* Key with which the launcher of a replica vouches for that replica's compartments when they start anew. None of any replica: no
 * compartment can be renewed, and the configuration changes by a later START only. */
#define PLATFORM_FIELDS(F) F(u32, replica) F(key, public)
WIRE_STRUCT(platform, PLATFORM_FIELDS)
WIRE_LIST(platform, PLATFORM_FIELDS)

/* One native client, or (bit 2) a replica's Troxy. `access` bit 0: may write; bit 1: may read. */
#define ORIGIN_ENTRY_FIELDS(F) F(u32, id) F(u32, access) F(key, sign_public) F(key, box_public)
WIRE_STRUCT(origin_entry, ORIGIN_ENTRY_FIELDS)
WIRE_LIST(origin_entry, ORIGIN_ENTRY_FIELDS)

/* Attachment: the Execution group key (struct box_key secret), sealed to each E. */
#define SEALED_FIELDS(F) F(u32, replica) F(key, half0) F(key, half1) F(tag16, tail)
WIRE_STRUCT(sealed, SEALED_FIELDS)
WIRE_LIST(sealed, SEALED_FIELDS)

/*
 * The state that a cluster begins with, at slot 0, when it was restored from a backup; else `genesis` is empty. `leaves`: what its
 * `leaf_count` leaves give; time goes on from `time_us`. The last three fields are the key of the pieces (LOCAL-RESTORE), sealed
 * to the Execution group's key. Cluster, slot and root say of which checkpoint it is; nobody computes with them.
 */
#define GENESIS_FIELDS(F)                                                                                    \
    F(u64, leaf_count)                                                                                       \
    F(digest, leaves)                                                                                        \
    F(u64, time_us)                                                                                          \
    F(tag16, from_cluster)                                                                                   \
    F(u64, from_slot) F(digest, from_root) F(key, half0) F(key, half1) F(tag16, tail)
WIRE_STRUCT(genesis, GENESIS_FIELDS)

enum { PROTOCOL_SPLITBFT = 1, PROTOCOL_PBFT = 2, PROTOCOL_HYBSTER = 3 };
enum { ACCESS_WRITE = 1, ACCESS_READ = 2, ACCESS_TROXY = 4 /* changes nothing; says whose it is */ };

#endif
