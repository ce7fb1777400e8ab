/* Rules: guards and effects, one function a message. See rules.h. */
#include "rules.h"

#include "checker.h"

#include <assert.h>

static bool is_bound_by_selection(const struct new_view *entered, unsigned slot)
{
    return entered->made && slot > entered->h && slot <= entered->top;
}

/* Slots above the selection: the primary proposes what it likes, the backups follow it. */
static bool is_proposed(const struct model *model, const struct action *a)
{
    unsigned primary = model_primary(model, a->view);
    const struct preparation *p = &model->preparation[primary];

    if (a->replica == primary || p->faulty)
        return a->digest != DIGEST_NULL;
    return p->vote[a->view][a->slot] >> a->digest & 1;
}

static bool vote_is_first(const struct model *model, const struct action *a)
{
    unsigned votes = model->preparation[a->replica].vote[a->view][a->slot];

    if (model_is(model, MUTANT_P_VOTES_TWICE))
        return !(votes >> a->digest & 1);
    return votes == 0;
}

static bool may_vote(const struct model *model, const struct action *a)
{
    const struct preparation *p = &model->preparation[a->replica];
    const struct new_view *entered = &p->entered[a->view];

    if (p->faulty || a->view < p->floor || a->slot <= p->h || !vote_is_first(model, a))
        return false;
    if (a->view > 0 && !entered->made && !model_is(model, MUTANT_P_WITHOUT_NEW_VIEW))
        return false;
    if (is_bound_by_selection(entered, a->slot) && !model_is(model, MUTANT_SELECTION_NOT_BINDING))
        return a->digest == entered->selected[a->slot];
    return is_proposed(model, a);
}

static enum rules_outcome preparation_vote(struct model *model, const struct action *a)
{
    struct preparation *p = &model->preparation[a->replica];

    if (!may_vote(model, a))
        return RULES_REFUSED;
    p->vote[a->view][a->slot] |= (uint8_t)(1u << a->digest);
    if (!model_is(model, MUTANT_VIEWS_FALL))
        p->floor = a->view;
    return RULES_TAKEN;
}

static void parting_list(const struct model *model, const struct preparation *p, unsigned view,
                         struct parting *parting)
{
    bool lists_first = model_is(model, MUTANT_PARTING_LISTS_FIRST_VIEW);
    unsigned v = model_is(model, MUTANT_PARTING_OMITS_VOTES) ? view : 0;

    for (; v < model->bounds.views; v++)
        for (unsigned s = p->h + 1u; s <= model->bounds.slots; s++)
            for (unsigned d = DIGEST_A; d < DIGEST_END; d++)
                if ((p->vote[v][s] >> d & 1) && !(lists_first && parting->listed[s][d] != 0))
                    parting->listed[s][d] = (uint8_t)(v + 1);
}

static enum rules_outcome preparation_part(struct model *model, const struct action *a)
{
    struct preparation *p = &model->preparation[a->replica];
    struct parting *parting = &p->parting[a->view];

    if (p->faulty || a->view < p->floor || parting->sent)
        return RULES_REFUSED;
    parting->sent = true;
    parting->h = p->h;
    parting_list(model, p, a->view, parting);
    if (!model_is(model, MUTANT_VOTE_AFTER_PARTING))
        p->floor = (uint8_t)(a->view + 1);
    return RULES_TAKEN;
}

/*
 * A correct primary makes one NEW-VIEW and enters with it; a faulty one makes another for everybody whom it can
 * convince. Entering is no vote, so it leaves no view.
 */
static enum rules_outcome preparation_enter(struct model *model, const struct action *a)
{
    unsigned primary = model_primary(model, a->view);
    struct preparation *p = &model->preparation[a->replica];
    struct new_view new_view = model->made[a->view];

    if (p->faulty || a->view == 0 || a->view < p->floor || p->entered[a->view].made)
        return RULES_REFUSED;
    if (!new_view.made) {
        if (a->replica != primary && !model->preparation[primary].faulty)
            return RULES_REFUSED;
        switch (selection_run(model, a->view, &a->evidence, &new_view)) {
        case SELECTION_DONE:
            break;
        case SELECTION_WAIT:
            return selection_correct_count(&a->evidence) >= model_quorum(model) ? RULES_STUCK : RULES_REFUSED;
        case SELECTION_INVALID:
            return RULES_REFUSED;
        }
        model->tally.new_views++;
    }
    if (a->replica == primary)
        model->made[a->view] = new_view;
    p->entered[a->view] = new_view;
    if (new_view.h > p->h && !model_is(model, MUTANT_NEW_VIEW_H_NOT_ADOPTED))
        p->h = new_view.h;
    return RULES_TAKEN;
}

static bool may_commit(const struct model *model, const struct action *a)
{
    const struct confirmation *c = &model->confirmation[a->replica];
    unsigned need = model_quorum(model) - model_is(model, MUTANT_C_COMMITS_AT_2F);

    if (c->faulty || a->slot <= c->h || c->commit[a->view][a->slot] != 0)
        return false;
    if (a->view < c->floor && !model_is(model, MUTANT_C_COMMITS_AFTER_LEAVING) &&
        !model_is(model, MUTANT_VIEWS_FALL))
        return false;
    return model_votes(model, a->view, a->slot, a->digest) >= need;
}

static enum rules_outcome confirmation_commit(struct model *model, const struct action *a)
{
    struct confirmation *c = &model->confirmation[a->replica];
    struct claim *prepared = &c->prepared[a->slot];

    if (!may_commit(model, a))
        return RULES_REFUSED;
    c->commit[a->view][a->slot] = (uint8_t)(1u << a->digest);
    if (model_is(model, MUTANT_VIEWS_FALL) || a->view >= prepared->view)
        *prepared = (struct claim){.digest = a->digest, .view = a->view};
    if (a->view > c->floor && !model_is(model, MUTANT_VIEWS_FALL))
        c->floor = a->view;
    checker_on_commit(model, a->view, a->slot, a->digest);
    return RULES_TAKEN;
}

/*
 * False while a prepared slot waits for its PARTINGs. C counts PARTINGs as the others will, so faulty P may help it.
 * A slot prepared in view or above means that C takes part in it already and has nothing to change to.
 */
static bool claims_collect(const struct model *model, const struct confirmation *c, unsigned view,
                           struct view_change *out)
{
    for (unsigned s = c->h + 1u; s <= model->bounds.slots; s++) {
        if (c->prepared[s].digest == DIGEST_NONE)
            continue;
        if (c->prepared[s].view >= view)
            return false;
        if (selection_claim_is_valid(model, view, s, c->prepared[s]))
            out->claim[s] = c->prepared[s];
        else if (!model_is(model, MUTANT_CLAIMS_NOT_WAITED_FOR))
            return false;
    }
    return true;
}

/* Leaving without sending is not modelled: such a C does nothing that one which has not left yet might not do. */
static enum rules_outcome confirmation_view_change(struct model *model, const struct action *a)
{
    struct confirmation *c = &model->confirmation[a->replica];
    struct view_change view_change = {.sent = true, .h = c->h};

    if (c->faulty || a->view <= c->floor || !claims_collect(model, c, a->view, &view_change))
        return RULES_REFUSED;
    c->view_change[a->view] = view_change;
    c->floor = a->view;
    return RULES_TAKEN;
}

static enum rules_outcome preparation_learn(struct model *model, const struct action *a)
{
    struct preparation *p = &model->preparation[a->replica];

    if (p->faulty || a->slot <= p->h || a->slot > model_certified(model))
        return RULES_REFUSED;
    p->h = a->slot;
    return RULES_TAKEN;
}

/* From E, from a PARTING or from a NEW-VIEW: a certificate is the same wherever it comes from. */
static enum rules_outcome confirmation_learn(struct model *model, const struct action *a)
{
    struct confirmation *c = &model->confirmation[a->replica];

    if (c->faulty || a->slot <= c->h || a->slot > model_certified(model))
        return RULES_REFUSED;
    c->h = a->slot;
    for (unsigned s = 1; s <= a->slot; s++)
        c->prepared[s] = (struct claim){.digest = DIGEST_NONE};
    return RULES_TAKEN;
}

enum rules_outcome rules_apply(struct model *model, const struct action *action)
{
    assert(action->replica < model->bounds.replicas && action->view < model->bounds.views);
    assert(action->slot <= model->bounds.slots && action->digest < DIGEST_END);

    switch (action->kind) {
    case ACTION_VOTE:
        return preparation_vote(model, action);
    case ACTION_COMMIT:
        return confirmation_commit(model, action);
    case ACTION_PART:
        return preparation_part(model, action);
    case ACTION_VIEW_CHANGE:
        return confirmation_view_change(model, action);
    case ACTION_ENTER:
        return preparation_enter(model, action);
    case ACTION_LEARN_P:
        return preparation_learn(model, action);
    case ACTION_LEARN_C:
        return confirmation_learn(model, action);
    }
    return RULES_REFUSED;
}
