/*
 * Selection. See selection.h.
 *
 * Why it is safe: if d committed at (v,s), any 2f+1 of S include a correct C that committed it and claims it in v or
 * later. To keep d out, another digest must be claimed in a later view with f+1 PARTINGs, so with the vote of a correct
 * P, and a correct P votes in a later view only for what the NEW-VIEW of that view selected: by induction, d.
 * Why it is live: the highest claim of a correct C meets no objection from the 2f+1 correct C.
 */
#include "selection.h"

#include <assert.h>
#include <string.h>

enum { MEMBERS_MAX = REPLICAS_MAX + FORGED_MAX };

struct members {
    const struct view_change *at[MEMBERS_MAX];
    unsigned count;
};

unsigned selection_correct_count(const struct evidence *evidence)
{
    unsigned count = 0;

    for (unsigned i = 0; i < REPLICAS_MAX; i++)
        count += evidence->correct >> i & 1;
    return count;
}

bool selection_claim_is_valid(const struct model *model, unsigned view, unsigned slot, struct claim claim)
{
    unsigned need = model->bounds.faults + 1;

    if (model_is(model, MUTANT_CLAIMS_WITH_F_PARTINGS))
        need = model->bounds.faults;
    /* Faulty P put into their PARTINGs whatever is claimed. */
    return claim.view < view && model_support(model, slot, claim) + model->bounds.faults >= need;
}

static bool forged_is_valid(const struct model *model, unsigned view, const struct view_change *forged)
{
    if (forged->h > model_certified(model))
        return false;
    for (unsigned s = 1; s <= model->bounds.slots; s++) {
        if (forged->claim[s].digest == DIGEST_NONE)
            continue;
        if (s <= forged->h || !selection_claim_is_valid(model, view, s, forged->claim[s]))
            return false;
    }
    return true;
}

static bool members_collect(struct members *members, const struct model *model, unsigned view,
                            const struct evidence *evidence)
{
    unsigned forged_max = model->bounds.faults;

    if (model_is(model, MUTANT_VIEW_CHANGES_COUNTED_TWICE))
        forged_max *= 2;
    if (evidence->forged_count > forged_max)
        return false;

    members->count = 0;
    for (unsigned i = 0; i < model->bounds.replicas; i++) {
        if (!(evidence->correct >> i & 1))
            continue;
        if (!model->confirmation[i].view_change[view].sent)
            return false;
        members->at[members->count++] = &model->confirmation[i].view_change[view];
    }
    for (unsigned i = 0; i < evidence->forged_count; i++) {
        if (!forged_is_valid(model, view, &evidence->forged[i]))
            return false;
        members->at[members->count++] = &evidence->forged[i];
    }
    return true;
}

static unsigned members_h(const struct members *members, bool lowest)
{
    unsigned h = members->at[0]->h;

    for (unsigned i = 1; i < members->count; i++)
        if (lowest ? members->at[i]->h < h : members->at[i]->h > h)
            h = members->at[i]->h;
    return h;
}

static unsigned members_top(const struct members *members, unsigned h, unsigned slots)
{
    for (unsigned s = slots; s > h; s--)
        for (unsigned i = 0; i < members->count; i++)
            if (members->at[i]->claim[s].digest != DIGEST_NONE)
                return s;
    return h;
}

static bool objects(const struct model *model, struct claim theirs, struct claim claim)
{
    if (theirs.digest == DIGEST_NONE || model_is(model, MUTANT_NO_OBJECTIONS))
        return false;
    if (theirs.view > claim.view)
        return true;
    return theirs.view == claim.view && theirs.digest != claim.digest &&
           !model_is(model, MUTANT_OBJECTIONS_IGNORE_EQUAL_VIEWS);
}

static bool claim_stands(const struct model *model, const struct members *members, unsigned slot,
                         struct claim claim)
{
    unsigned claimed = 0;
    unsigned content = 0;

    for (unsigned i = 0; i < members->count; i++) {
        struct claim theirs = members->at[i]->claim[slot];

        claimed += theirs.digest == claim.digest && theirs.view == claim.view;
        content += !objects(model, theirs, claim);
    }
    /* A NEW-VIEW from one VIEW-CHANGE too few must be content with as few, or it would never select. */
    return claimed > 0 && content >= model_quorum(model) - model_is(model, MUTANT_NEW_VIEW_FROM_2F);
}

static bool null_stands(const struct model *model, const struct members *members, unsigned slot)
{
    unsigned need = model_quorum(model) - model_is(model, MUTANT_NEW_VIEW_FROM_2F);
    unsigned silent = 0;

    if (model_is(model, MUTANT_NULL_AT_F))
        need = model->bounds.faults;
    for (unsigned i = 0; i < members->count; i++)
        silent += members->at[i]->claim[slot].digest == DIGEST_NONE;
    return silent >= need;
}

static enum digest select_slot(const struct model *model, const struct members *members, unsigned slot,
                               bool b_first)
{
    static const uint8_t orders[2][3] = {{DIGEST_A, DIGEST_B, DIGEST_NULL},
                                         {DIGEST_B, DIGEST_A, DIGEST_NULL}};

    for (unsigned v = model->bounds.views; v-- > 0;) {
        for (unsigned k = 0; k < 3; k++) {
            struct claim claim = {.digest = orders[b_first][k], .view = (uint8_t)v};

            if (claim_stands(model, members, slot, claim))
                return claim.digest;
        }
    }
    return null_stands(model, members, slot) ? DIGEST_NULL : DIGEST_NONE;
}

enum selection_verdict selection_run(const struct model *model, unsigned view,
                                     const struct evidence *evidence, struct new_view *out)
{
    struct members members;
    struct new_view result = {.made = true};

    if (!members_collect(&members, model, view, evidence))
        return SELECTION_INVALID;
    if (members.count < model_quorum(model) - model_is(model, MUTANT_NEW_VIEW_FROM_2F))
        return SELECTION_INVALID;

    result.h = (uint8_t)members_h(&members, model_is(model, MUTANT_SELECTION_FROM_LOWEST_H));
    result.top = (uint8_t)members_top(&members, result.h, model->bounds.slots);
    for (unsigned s = result.h + 1u; s <= result.top; s++) {
        result.selected[s] = (uint8_t)select_slot(model, &members, s, evidence->b_first);
        if (result.selected[s] == DIGEST_NONE)
            return SELECTION_WAIT;
    }
    *out = result;
    return SELECTION_DONE;
}
