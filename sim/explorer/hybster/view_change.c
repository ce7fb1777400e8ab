#include "view_change.h"

#include <string.h>

/* How far the part of this pillar must show PREPAREs of `from`: the order, 0: nothing. False: it cannot be from that view. */
static bool demanded(const struct model *m, unsigned to, const struct view_change *vc, unsigned pillar,
                     unsigned *order)
{
    struct place act = vc->act[pillar];
    *order = 0;
    if (model_is(m, MUTANT_ACT_IGNORED) || (model_is(m, MUTANT_ONE_PILLAR_ASKED) && pillar > 0))
        return true;
    /* It went through [to-1|0] if it could, so the last certificate moved from there. */
    if (model_is(m, MUTANT_LAST_PREVIOUS) && act.view + 1u < to)
        return true;
    if (act.view > vc->from)
        return model_is(m, MUTANT_ACT_VIEW_IGNORED);
    if (act.view == vc->from)
        *order = act.order;
    return true;
}

/* Are these orders of the pillar without a gap above there, and reach as far as they must? */
static bool reaches(const struct model *m, unsigned pillar, unsigned above, unsigned mine, unsigned order)
{
    if (mine != model_contiguous(m, pillar, above, mine) && !model_is(m, MUTANT_GAP_IN_PREPARES))
        return false;
    return order <= above || mine >> order & 1;
}

static bool shows_part(const struct model *m, unsigned to, const struct view_change *vc, unsigned pillar)
{
    unsigned order, mine = 0, certified = model_certified(m);
    const struct core *core = &m->core[vc->from][vc->base];
    bool disagrees = model_is(m, MUTANT_PARTS_DISAGREE) && pillar > 0;
    if (!demanded(m, to, vc, pillar, &order))
        return disagrees; /* that part is from where it voted last */
    for (unsigned o = 1; o <= m->bounds.orders; o++)
        mine |= (unsigned)(model_pillar(m, o) == pillar) << o;
    mine &= vc->shown;
    unsigned above = vc->checkpoint;
    if (model_is(m, MUTANT_REPROPOSALS_OMITTED) && core->top > above)
        above = core->top;
    if (reaches(m, pillar, above, mine, order))
        return true; /* else its checkpoint may be another */
    return disagrees && reaches(m, pillar, certified, mine & ~model_between(0, certified), order);
}

/* Counters that were replaced count for old views, fresh ones for later views, and only from their activation on. */
static bool in_configuration(const struct model *m, unsigned r, unsigned to, const struct view_change *vc)
{
    if (!m->bounds.renewal || model_identity(m, r) != m->renewed)
        return true;
    if (r < m->bounds.replicas)
        return !model_is_later(m, to) || model_is(m, MUTANT_OLD_EPOCH_COUNTS);
    return model_is_later(m, to) &&
           (vc->checkpoint >= model_activation(m) || model_is(m, MUTANT_FRESH_TOO_EARLY));
}

bool view_change_valid(const struct model *m, unsigned r, unsigned to, const struct view_change *vc)
{
    unsigned last = vc->checkpoint + m->bounds.window;
    if (vc->from >= to || (vc->from > 0 && !m->core[vc->from][vc->base].made))
        return false;
    if (vc->shown & ~model_prepared(m, vc->from) || vc->shown & model_between(0, vc->checkpoint))
        return false;
    if (last < m->bounds.orders && vc->shown >> (last + 1) && !model_is(m, MUTANT_WINDOW_IGNORED))
        return false;
    if (!in_configuration(m, r, to, vc))
        return false;
    for (unsigned p = 0; p < m->bounds.pillars; p++)
        if (!shows_part(m, to, vc, p))
            return false;
    return true;
}

struct view_change view_change_of(const struct model *m, unsigned r)
{
    const struct replica *self = &m->replica[r];
    struct view_change vc = {
        .made = 1, .from = self->stable, .base = self->base, .checkpoint = self->checkpoint};
    const struct core *core = &m->core[vc.from][vc.base];
    vc.shown = (uint8_t)(self->voted[self->stable] & ~model_between(0, self->checkpoint));
    if (model_is(m, MUTANT_REPROPOSALS_OMITTED))
        vc.shown = (uint8_t)(vc.shown & ~model_between(0, core->top));
    memcpy(vc.act, self->act, sizeof vc.act);
    return vc;
}

/* The act of each part when the counters came to [to|0], or come there now. */
static void acts_of(const struct model *m, const struct replica *self, unsigned to, unsigned from,
                    struct view_change *vc)
{
    for (unsigned p = 0; p < m->bounds.pillars; p++) {
        vc->act[p] = self->value[p].view >= to ? self->act_at[p][to] : self->act[p];
        if (!model_is(m, MUTANT_GAP_BETWEEN_HOPS) || vc->act[p].view <= from)
            continue;
        /* What counts there is what it voted in `from`. */
        vc->act[p] = (struct place){(uint8_t)from, 0};
        for (unsigned o = 1; o <= m->bounds.orders; o++)
            if (model_pillar(m, o) == p && self->voted[from] >> o & 1)
                vc->act[p].order = (uint8_t)o;
    }
}

unsigned view_change_variants(const struct model *m, unsigned r, unsigned to, unsigned from, unsigned base,
                              struct view_change variants[VARIANTS_MAX])
{
    unsigned count = 0, certified = model_certified(m);
    struct view_change vc = {.made = 1, .from = (uint8_t)from, .base = (uint8_t)base};
    acts_of(m, &m->replica[r], to, from, &vc);
    unsigned prepared = model_prepared(m, from);
    for (unsigned checkpoint = 0; checkpoint <= certified; checkpoint++) {
        vc.checkpoint = (uint8_t)checkpoint;
        unsigned shown = 0;
        do { /* every subset */
            vc.shown = (uint8_t)shown;
            if (count < VARIANTS_MAX && view_change_valid(m, r, to, &vc))
                variants[count++] = vc;
            shown = (shown - prepared) & prepared;
        } while (shown);
    }
    return count;
}

struct core core_of(const struct model *m, const struct view_change *const *set, unsigned count)
{
    struct core core = {.made = 1, .from = set[0]->from};
    unsigned shown = 0, least = set[0]->checkpoint, from = set[0]->from, base = set[0]->base;
    for (unsigned i = 0; i < count; i++) {
        bool better = set[i]->checkpoint > least;
        if (better != model_is(m, MUTANT_LEAST_CHECKPOINT) && set[i]->checkpoint != least)
            least = set[i]->checkpoint;
        if (set[i]->from > from) { /* by a mutant only */
            from = set[i]->from;
            base = set[i]->base;
        }
    }
    for (unsigned i = 0; i < count; i++)
        shown |= set[i]->from == from ? set[i]->shown : 0u;
    shown &= ~model_between(0, least);
    const struct core *before = &m->core[from][base];
    bool core_counts =
        before->made && !model_is(m, MUTANT_CORE_NOT_SHOWN) && !model_is(m, MUTANT_REPROPOSALS_OMITTED);
    core.from = (uint8_t)from;
    core.least = (uint8_t)least;
    core.top = (uint8_t)(shown ? model_highest(shown) : least);
    if (core_counts && before->top > core.top)
        core.top = before->top;
    for (unsigned o = least + 1; o <= core.top; o++) {
        bool in_core = core_counts && o > before->least && o <= before->top;
        bool is_shown = shown >> o & 1;
        if (in_core && !(is_shown && model_is(m, MUTANT_PREPARE_OVER_CORE)))
            core.command[o] = before->command[o];
        else if (is_shown)
            core.command[o] = m->prepare[from][o];
        else
            core.command[o] = COMMAND_NULL;
    }
    return core;
}
