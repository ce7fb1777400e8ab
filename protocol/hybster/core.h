/*
 * core(v): what NEW-VIEW(v) decided, a base and the batch of each slot above it. How it follows from VIEW-CHANGEs, and which of those are
 * valid; rules 3 and 4 of docs/HYBSTER.md. Pure, and without certificates: whoever calls has had those checked.
 */
#ifndef HYBSTER_CORE_H
#define HYBSTER_CORE_H

#include "wire/hybster_new_view.h"

/* Of view 0 it is empty, with base 0. */
struct core {
    view_no view;
    slot_no base;
    uint32_t count;
    struct digest batch[WINDOW]; /* of base + 1 on; zero: null */
    struct digest digest;        /* over all of that */
};

void core_begin(struct core *core);
/* Makes the digest, once the rest is there. */
void core_seal(struct core *core);
/* The batch that it has for a slot; NULL: it says nothing about it. */
const struct digest *core_at(const struct core *core, slot_no slot);
/* It says nothing about that slot, or just this: a PREPARE of the view's leader with anything else is a lie, whoever shows it. */
bool core_agrees(const struct core *core, slot_no slot, const struct digest *batch);
/* As NEW-VIEW states that of `from`. The list is one. */
void core_load(struct core *core, view_no view, slot_no base, struct slice commands);

/* Slot s belongs to pillar s mod P. */
static inline uint32_t slot_pillar(slot_no slot, uint32_t pillars)
{
    return (uint32_t)(slot % pillars);
}
/* The first slot of a pillar above that one. */
static inline slot_no pillar_next(uint32_t pillar, uint32_t pillars, slot_no above)
{
    return above + 1 + (pillar + pillars - slot_pillar(above + 1, pillars)) % pillars;
}

/* A VIEW-CHANGE and how far its sender's counters voted: a part for each pillar. */
struct change {
    struct hybster_view_change vc;
    uint32_t pillars;
    struct hybster_continuing part[PILLARS_MAX];
};
/* Frame to change; the message has been checked. False: it has not a part of each pillar. */
bool change_of(const struct frame *frame, uint32_t pillars, struct change *change);
static inline slot_no change_slot(const struct change *change, uint32_t i)
{
    return change->vc.stable_slot + hybster_shown_at(change->vc.prepares, i).above;
}

/*
 * Rule 3, as far as it is not about certificates: it builds on `from` and contradicts it nowhere, and of each pillar shows all that
 * its sender voted for in that view.
 */
bool change_possible(const struct change *change, const struct core *from);

/* Rule 4: core(view) from VIEW-CHANGEs that are possible with `from`, unanimous, and of distinct replicas. */
void core_select(struct core *core, view_no view, const struct core *from, const struct change *changes,
                 uint32_t count);

#endif
