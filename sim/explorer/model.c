/* Model: lifecycle, lemmas and the counts that several rules need. See model.h. */
#include "model.h"

#include <assert.h>
#include <string.h>

void model_init(struct model *model, const struct bounds *bounds, unsigned faulty_p, unsigned faulty_c)
{
    assert(bounds->faults <= FAULTS_MAX && bounds->replicas <= REPLICAS_MAX);
    assert((bounds->replicas - 1) / 3 == bounds->faults);
    assert(bounds->slots <= SLOTS_MAX && bounds->views <= VIEWS_MAX);

    memset(model, 0, sizeof *model);
    model->bounds = *bounds;
    for (unsigned i = 0; i < bounds->replicas; i++) {
        model->preparation[i].faulty = faulty_p >> i & 1;
        model->confirmation[i].faulty = faulty_c >> i & 1;
    }
}

unsigned model_certified(const struct model *model)
{
    unsigned slot = 0;

    while (slot < model->bounds.slots && model->committed[slot + 1] != DIGEST_NONE)
        slot++;
    return slot;
}

unsigned model_votes(const struct model *model, unsigned view, unsigned slot, enum digest digest)
{
    unsigned votes = 0;

    for (unsigned i = 0; i < model->bounds.replicas; i++) {
        const struct preparation *p = &model->preparation[i];

        votes += p->faulty || (p->vote[view][slot] >> digest & 1);
    }
    return votes;
}

static bool listed_view_supports(const struct model *model, unsigned listed, unsigned view)
{
    if (listed == 0)
        return false;
    if (model_is(model, MUTANT_CLAIMS_FOR_ANY_VIEW))
        return true;
    if (model_is(model, MUTANT_CLAIMS_FOR_EXACT_VIEW))
        return listed - 1 == view;
    return listed - 1 >= view;
}

static bool preparation_supports(const struct model *model, const struct preparation *p, unsigned slot,
                                 struct claim claim)
{
    for (unsigned v = 0; v < model->bounds.views; v++) {
        const struct parting *parting = &p->parting[v];

        if (parting->sent && listed_view_supports(model, parting->listed[slot][claim.digest], claim.view))
            return true;
    }
    return false;
}

unsigned model_support(const struct model *model, unsigned slot, struct claim claim)
{
    unsigned support = 0;

    for (unsigned i = 0; i < model->bounds.replicas; i++) {
        const struct preparation *p = &model->preparation[i];

        support += !p->faulty && preparation_supports(model, p, slot, claim);
    }
    return support;
}

static bool is_one_or_none(unsigned set)
{
    return (set & (set - 1)) == 0;
}

void model_validate(const struct model *model)
{
    if (model->bounds.mutant != MUTANT_NONE)
        return;
    for (unsigned v = 0; v < model->bounds.views; v++) {
        for (unsigned s = 1; s <= model->bounds.slots; s++) {
            unsigned prepared = 0;

            for (unsigned i = 0; i < model->bounds.replicas; i++) {
                assert(is_one_or_none(model->preparation[i].vote[v][s]));
                prepared |= model->confirmation[i].commit[v][s];
            }
            /* Two correct C never prepare different digests in one view. */
            assert(is_one_or_none(prepared));
        }
    }
    for (unsigned i = 0; i < model->bounds.replicas; i++) {
        assert(model->preparation[i].h <= model_certified(model));
        assert(model->confirmation[i].h <= model_certified(model));
    }
}
