/*
 * VIEW-CHANGEs: what makes one valid, all valid ones that a faulty replica can issue, and the core that a NEW-VIEW makes of some.
 *
 * A faulty replica may have issued VIEW-CHANGE(w) with any content, as often as it liked, while its counters stood at [w|0]. What
 * binds it is `act`, which is what it was when they came there. So instead of keeping its messages, all contents that would be valid
 * are tried when a NEW-VIEW is made; that it may show PREPAREs made after it left is more than it could, and does no harm.
 */
#ifndef EXPLORER_HYBSTER_VIEW_CHANGE_H
#define EXPLORER_HYBSTER_VIEW_CHANGE_H

#include "model.h"

enum { VARIANTS_MAX = 512 };

bool view_change_valid(const struct model *model, unsigned replica, unsigned to,
                       const struct view_change *view_change);

/* What this correct replica would issue for its v_cur now. */
struct view_change view_change_of(const struct model *model, unsigned replica);

/* Valid ones of a faulty replica, from this core of this view; the number of them. */
unsigned view_change_variants(const struct model *model, unsigned replica, unsigned to, unsigned from,
                              unsigned base, struct view_change variants[VARIANTS_MAX]);

/* The core of a NEW-VIEW from these, unanimous in `from` and base. */
struct core core_of(const struct model *model, const struct view_change *const *set, unsigned count);

#endif
