/*
 * A batch: the bundles of one slot, in order, and the slot time. Its digest is what is voted on; it does not cover the
 * view. The zero digest stands for the null batch that a NEW-VIEW selects; it has no bundles and keeps the time.
 */
#ifndef WIRE_BATCH_H
#define WIRE_BATCH_H

#include "base/limits.h"
#include "wire/frame.h"

#define BATCH_FIELDS(F) F(u64, slot) F(digest, batch)
WIRE_STRUCT(batch_frame, BATCH_FIELDS)

/* One bundle of a batch. Origin, epoch and number are those of the digest (P vouches for that by admitting it), so that E
 * can pass over what was executed already without having the body. */
#define BATCH_ENTRY_FIELDS(F) F(u32, origin) F(u64, epoch) F(u64, bundle_no) F(digest, bundle)
WIRE_STRUCT(batch_entry, BATCH_ENTRY_FIELDS)
WIRE_LIST(batch_entry, BATCH_ENTRY_FIELDS)

/* The attachment: u64 time in microseconds, then entries. */
struct batch {
    uint64_t time_us;
    struct slice entries;
};

/* False when it is no batch. At most BATCH_BUNDLES_MAX entries; none is allowed (a null batch with a time). */
bool batch_decode(struct slice attachment, struct batch *batch);
void batch_digest(struct digest *out, struct slice attachment);
#define BATCH_BYTES_MAX (8u + BATCH_BUNDLES_MAX * 52u)

#endif
