#include "hybster/core.h"

#include "base/check.h"
#include "crypto/crypto.h"
#include "ordering/mutant.h"

void core_seal(struct core *core)
{
    uint8_t head[20];
    struct digest_state state;
    struct writer w = writer_to(head, sizeof head);
    put_u64(&w, core->view);
    put_u64(&w, core->base);
    put_u32(&w, core->count);
    digest_begin(&state, "hybster core");
    digest_add(&state, head, w.len);
    digest_add(&state, core->batch, core->count * sizeof core->batch[0]);
    digest_end(&state, &core->digest);
}

void core_begin(struct core *core)
{
    memset(core, 0, sizeof *core);
    core_seal(core);
}

const struct digest *core_at(const struct core *core, slot_no slot)
{
    return slot > core->base && slot - core->base <= core->count ? &core->batch[slot - core->base - 1] : NULL;
}

bool core_agrees(const struct core *core, slot_no slot, const struct digest *batch)
{
    const struct digest *decided = core_at(core, slot);
    return !decided || digest_equal(decided, batch) || mutant(MUTANT_HYBSTER_CORE_NOT_CHECKED);
}

void core_load(struct core *core, view_no view, slot_no base, struct slice commands)
{
    core->view = view;
    core->base = base;
    core->count = hybster_command_count(commands);
    CHECK(core->count <= WINDOW);
    for (uint32_t i = 0; i < core->count; i++)
        core->batch[i] = hybster_command_at(commands, i).batch;
    core_seal(core);
}

bool change_of(const struct frame *frame, uint32_t pillars, struct change *change)
{
    if (hybster_view_change_check(frame, &change->vc) != VERDICT_ACCEPT ||
        hybster_continuing_count(frame->auth) != pillars)
        return false;
    change->pillars = pillars;
    for (uint32_t p = 0; p < pillars; p++)
        change->part[p] = hybster_continuing_at(frame->auth, p);
    return true;
}

/* Of two cores of one view there is one only, so what it decided is what its leader may propose for those slots. */
static bool follows_core(const struct change *change, const struct core *from)
{
    for (uint32_t i = 0; i < hybster_shown_count(change->vc.prepares); i++) {
        struct digest shown = hybster_shown_at(change->vc.prepares, i).batch;
        if (!core_agrees(from, change_slot(change, i), &shown))
            return false;
    }
    return true;
}

/* How far it shows each pillar's PREPAREs, from the checkpoint on; false: not without a gap. */
static bool reaches(const struct change *change, slot_no reach[PILLARS_MAX])
{
    for (uint32_t p = 0; p < change->pillars; p++)
        reach[p] = change->vc.stable_slot;
    for (uint32_t i = 0; i < hybster_shown_count(change->vc.prepares); i++) {
        slot_no slot = change_slot(change, i);
        uint32_t p = slot_pillar(slot, change->pillars);
        if (slot != pillar_next(p, change->pillars, reach[p]) && !mutant(MUTANT_HYBSTER_PILLAR_GAP))
            return false;
        reach[p] = slot;
    }
    return true;
}

/* Each pillar's counter says how far it voted in that view; its votes have no gaps, so all up to there must be shown, or settled. */
static bool shows_votes(const struct change *change)
{
    slot_no reach[PILLARS_MAX];
    if (mutant(MUTANT_HYBSTER_ACT_IGNORED))
        return true;
    if (!reaches(change, reach))
        return false;
    for (uint32_t p = 0; p < change->pillars && !(p && mutant(MUTANT_HYBSTER_PILLAR_PART_MISSING)); p++) {
        const struct hybster_continuing *part = &change->part[p];
        if (part->act_view > change->vc.from ||
            (part->act_view == change->vc.from && part->act_order > reach[p]))
            return false;
    }
    return true;
}

bool change_possible(const struct change *change, const struct core *from)
{
    const struct hybster_view_change *vc = &change->vc;
    if (vc->from != from->view || !digest_equal(&vc->core, &from->digest))
        return mutant(MUTANT_HYBSTER_MIXED_FROM) && shows_votes(change);
    return vc->stable_slot >= from->base && follows_core(change, from) && shows_votes(change);
}

static slot_no highest_stable(const struct change *changes, uint32_t count)
{
    slot_no base = 0;
    for (uint32_t i = 0; i < count; i++)
        base = changes[i].vc.stable_slot > base ? changes[i].vc.stable_slot : base;
    return base;
}

static void add(struct core *core, slot_no slot, const struct digest *batch)
{
    if (slot <= core->base || (mutant(MUTANT_HYBSTER_MIXED_FROM) && slot - core->base > WINDOW))
        return;
    CHECK(slot - core->base <=
          WINDOW); /* windows of VIEW-CHANGEs, and that of `from`, begin at the base or below */
    uint32_t at = (uint32_t)(slot - core->base);
    core->batch[at - 1] = *batch;
    core->count = at > core->count ? at : core->count;
}

void core_select(struct core *core, view_no view, const struct core *from, const struct change *changes,
                 uint32_t count)
{
    memset(core, 0, sizeof *core); /* what nobody shows is null */
    core->view = view;
    core->base = highest_stable(changes, count);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < hybster_shown_count(changes[i].vc.prepares); k++) {
            struct digest batch = hybster_shown_at(changes[i].vc.prepares, k).batch;
            add(core, change_slot(&changes[i], k), &batch);
        }
    /* Last, so that it counts whatever was shown beside it. */
    for (uint32_t i = 0; i < from->count && !mutant(MUTANT_HYBSTER_CORE_NOT_SHOWN); i++)
        add(core, from->base + 1 + i, &from->batch[i]);
    core_seal(core);
}
