/*
 * LOCAL-CERTIFY: E tells its own Troxy of a bundle that it executed, so that T vouches for having been shown it (troxy/witness.h). For every
 * executed bundle, in order; and again, without attachment, when a reply is repeated.
 *
 * `before`: digest of all that was executed before; `raised`: of the attachment, which says what the bundle wrote: for each operation that
 * wrote u16 its number in the bundle, u8 1 when every cell is written, u8 count, count times u32 cell.
 */
#ifndef WIRE_LOCAL_CERTIFY_H
#define WIRE_LOCAL_CERTIFY_H

#include <redoubt/app.h>

#include "base/limits.h"
#include "wire/frame.h"

#define LOCAL_CERTIFY_FIELDS(F)                                                                              \
    F(u32, origin)                                                                                           \
    F(u64, epoch) F(u64, bundle_no) F(u64, slot) F(u32, index) F(digest, before) F(digest, raised)
WIRE_STRUCT(local_certify, LOCAL_CERTIFY_FIELDS)

#define RAISED_TAG       "raised"
#define RAISED_BYTES_MAX (BUNDLE_OPS_MAX * (4u + 4u * REDOUBT_KEYS_MAX))

/* One operation that wrote. */
struct raised {
    uint32_t op;
    bool all;
    uint32_t count;
    uint32_t cell[REDOUBT_KEYS_MAX];
};
void raised_put(struct writer *w, const struct raised *raised);
/* The next; false at the end, or (r->bad) when it is none. */
bool raised_next(struct reader *r, struct raised *raised);

/* Places and counts that are possible; the attachment is not looked at. */
enum verdict local_certify_check(const struct frame *frame, struct local_certify *m);
/* The digest of everything up to and with this bundle: covers all fields. */
void history_step(const struct local_certify *m, struct digest *head);

#endif
