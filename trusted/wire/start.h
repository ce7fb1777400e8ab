/*
 * START: the manifest, signed by the administrator. Names the cluster, its quorums, every compartment with its fresh
 * keys, and the clients. The sealed group keys are attached; they are authenticated by what they decrypt to (the public
 * half stands in the manifest).
 */
#ifndef WIRE_START_H
#define WIRE_START_H

#include "base/limits.h"
#include "wire/frame.h"

#define START_FIELDS(F)                                                                                      \
    F(tag16, cluster)                                                                                        \
    F(u8, protocol)                                                                                          \
    F(u8, fast_reads)                                                                                        \
    F(u16, faults) F(u64, configuration) F(u32, replicas) F(u32, write_quorum) F(u32, read_quorum)           \
        F(u64, view_timeout_us) F(key, group_public) F(slice, members) F(slice, origins) F(slice, platforms)
WIRE_STRUCT(start, START_FIELDS)

/* One incarnation of a compartment (or a host): in force for slots above `after`, until a later one of the same compartment
 * is. Several of one compartment stand in rising order of epoch and `after`. */
#define MEMBER_FIELDS(F)                                                                                     \
    F(u32, replica)                                                                                          \
    F(u32, kind) F(u64, epoch) F(u64, after) F(key, sign_public) F(key, box_public) F(digest, measurement)
WIRE_STRUCT(member, MEMBER_FIELDS)
WIRE_LIST(member, MEMBER_FIELDS)

/* Key with which the launcher of a replica vouches for that replica's compartments when they start anew. */
#define PLATFORM_FIELDS(F) F(u32, replica) F(key, public)
WIRE_STRUCT(platform, PLATFORM_FIELDS)
WIRE_LIST(platform, PLATFORM_FIELDS)

/* One native client. `access` bit 0: may write; bit 1: may read. */
#define ORIGIN_ENTRY_FIELDS(F) F(u32, id) F(u32, access) F(key, sign_public) F(key, box_public)
WIRE_STRUCT(origin_entry, ORIGIN_ENTRY_FIELDS)
WIRE_LIST(origin_entry, ORIGIN_ENTRY_FIELDS)

/* Attachment: the Execution group key (struct box_key secret), sealed to each E. */
#define SEALED_FIELDS(F) F(u32, replica) F(key, half0) F(key, half1) F(tag16, tail)
WIRE_STRUCT(sealed, SEALED_FIELDS)
WIRE_LIST(sealed, SEALED_FIELDS)

enum { PROTOCOL_SPLITBFT = 1, PROTOCOL_PBFT = 2, PROTOCOL_HYBSTER = 3 };
enum { ACCESS_WRITE = 1, ACCESS_READ = 2 };

#endif
