/*
 * Versions: how whoever keeps a result knows later whether it still holds.
 *
 * The key space is hashed into a fixed number of cells. A cell's version is the place of the last write that touched it. What an
 * operation touches follows from the service's `keys` alone, so an Execution compartment and an origin, which both have the
 * operation, name the same cells. Collisions only make more things seem changed than were.
 *
 * The version of a *read* is the highest of its cells. That one number is enough: places only rise, so whatever is written to one of
 * the cells later has a higher one than all of them had, and two reads of the same cells with equal versions have nothing between
 * them that touched any of these.
 *
 * A prefix, a listing, or more keys than fit is one cell for the whole key space, which every write raises; a write of that kind
 * raises all cells. Pure.
 */
#ifndef ORDERING_VERSIONS_H
#define ORDERING_VERSIONS_H

#include <redoubt/app.h>

#include "base/bytes.h"
#include "base/limits.h"

typedef uint64_t version_no; /* place of a write; 0: none yet */

/* Places are distinct: index counts the operations that a slot could hold. */
#define VERSION_INDEX_BITS 20u
static_assert(BATCH_BUNDLES_MAX * BUNDLE_OPS_MAX <= 1u << VERSION_INDEX_BITS, "an index fits");

static inline version_no version_of(slot_no slot, uint32_t index)
{
    return slot << VERSION_INDEX_BITS | index;
}

/* What one operation touches. */
struct touched {
    bool known;           /* false: malformed, as the service says */
    bool all;             /* reads or writes more than is listed: the whole */
    bool writes;          /* anything at all */
    bool writes_all;      /* every cell */
    bool is_volatile; /* its result may become another one without a write */
    uint32_t count;
    uint32_t cell[REDOUBT_KEYS_MAX];
    uint64_t written; /* bit i: cell[i] is written */
};
static_assert(REDOUBT_KEYS_MAX <= 64, "a bit for each key");

uint32_t version_cell(const void *key, size_t len);
void touched_by(struct touched *touched, const struct redoubt_service *service, const struct redoubt_op *op);

/* The cells that a read's version is the highest of, as a question has them: VERSION_WHOLE, or each key's. */
static inline uint32_t touched_cells(const struct touched *touched, const uint32_t **cells)
{
    static const uint32_t whole = VERSION_WHOLE;
    *cells = touched->all ? &whole : touched->cell;
    return touched->all ? 1 : touched->count;
}

/* Between Execution and an application in another process. Get: false when it is none. */
#define TOUCHED_BYTES_MAX (2u + 4u * REDOUBT_KEYS_MAX)
void touched_put(struct writer *w, const struct touched *touched);
bool touched_get(struct reader *r, struct touched *touched);

#endif
