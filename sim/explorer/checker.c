/* Checker: agreement and claims that wait for ever. See checker.h. */
#include "checker.h"

void checker_on_commit(struct model *model, unsigned view, unsigned slot, enum digest digest)
{
    /* E's rule: COMMITs of 2f+1 distinct C. All faulty ones commit everything. */
    unsigned need = model_quorum(model) - model_is(model, MUTANT_QUORUM_ONE_SHORT);
    unsigned commits = 0;

    for (unsigned i = 0; i < model->bounds.replicas; i++) {
        const struct confirmation *c = &model->confirmation[i];

        commits += c->faulty || (c->commit[view][slot] >> digest & 1);
    }
    if (commits < need)
        return;
    if (model->committed[slot] == DIGEST_NONE) {
        model->committed[slot] = (uint8_t)digest;
        model->tally.commits++;
        model->tally.commits_above_view_0 += view > 0;
    } else if (model->committed[slot] != digest) {
        model->conflict = true;
    }
}

/* The highest view that P has parted from, plus one. */
static unsigned parted_views(const struct model *model, const struct preparation *p)
{
    unsigned v = model->bounds.views;

    while (v > 0 && !p->parting[v - 1].sent)
        v--;
    return v;
}

static bool carries_certificate(const struct model *model, const struct preparation *p, unsigned slot)
{
    for (unsigned v = 0; v < model->bounds.views; v++)
        if (p->parting[v].sent && p->parting[v].h >= slot)
            return true;
    return false;
}

/*
 * All correct P have parted from the claim's view, fewer than f+1 of them list it, and none of their PARTINGs carries
 * a certificate that would make the claim needless. Faulty P may stay silent, so they do not help here.
 */
static bool claim_is_stuck(const struct model *model, unsigned slot, struct claim claim)
{
    for (unsigned i = 0; i < model->bounds.replicas; i++) {
        const struct preparation *p = &model->preparation[i];

        if (p->faulty)
            continue;
        if (parted_views(model, p) <= claim.view || carries_certificate(model, p, slot))
            return false;
    }
    return model_support(model, slot, claim) < model->bounds.faults + 1;
}

enum checker_verdict checker_run(const struct model *model)
{
    if (model->conflict)
        return CHECKER_CONFLICT;
    for (unsigned i = 0; i < model->bounds.replicas; i++)
        for (unsigned s = 1; s <= model->bounds.slots; s++) {
            struct claim claim = model->confirmation[i].prepared[s];

            if (claim.digest != DIGEST_NONE && claim_is_stuck(model, s, claim))
                return CHECKER_STUCK_CLAIM;
        }
    return CHECKER_GREEN;
}

const char *checker_verdict_name(enum checker_verdict verdict)
{
    static const char *const names[] = {"green", "conflict", "stuck selection", "stuck claim"};

    return names[verdict];
}
