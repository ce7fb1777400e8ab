#include "model.h"

#include <string.h>

void model_init(struct model *m, const struct bounds *bounds, unsigned faulty)
{
    memset(m, 0, sizeof *m);
    m->bounds = *bounds;
    for (unsigned r = 0; r < bounds->replicas; r++)
        m->replica[r].faulty = faulty >> r & 1;
    if (bounds->renewal) {
        m->replica[bounds->replicas].faulty = true;
        while (!(faulty >> m->renewed & 1))
            m->renewed++;
    }
}

unsigned model_votes(const struct model *m, unsigned view, unsigned order, bool *correct)
{
    unsigned votes = 0;
    *correct = false;
    for (unsigned r = 0; r < model_members(m); r++) {
        bool voted = model_counts(m, r, view, order) && m->replica[r].voted[view] >> order & 1;
        votes += voted;
        *correct |= voted && !m->replica[r].faulty;
    }
    return votes;
}

static bool committed_in(const struct model *m, unsigned view, unsigned order)
{
    bool correct;
    unsigned quorum = model_quorum(m) - model_is(m, MUTANT_COMMIT_BY_F);
    return m->prepare[view][order] != COMMAND_NONE && model_votes(m, view, order, &correct) >= quorum &&
           correct;
}

enum command model_committed(const struct model *m, unsigned order)
{
    for (unsigned v = 0; v < m->bounds.views; v++)
        if (committed_in(m, v, order))
            return m->prepare[v][order];
    return COMMAND_NONE;
}

unsigned model_certified(const struct model *m)
{
    unsigned certified = 0;
    if (model_is(m, MUTANT_CHECKPOINT_BY_F))
        return m->bounds.orders;
    while (certified < m->bounds.orders && model_committed(m, certified + 1) != COMMAND_NONE)
        certified++;
    return certified;
}

unsigned model_contiguous(const struct model *m, unsigned pillar, unsigned above, unsigned among)
{
    unsigned bits = 0;
    for (unsigned o = above + 1; o <= m->bounds.orders; o++) {
        if (model_pillar(m, o) != pillar)
            continue;
        if (!(among >> o & 1))
            break;
        bits |= 1u << o;
    }
    return bits;
}

unsigned model_prepared(const struct model *m, unsigned view)
{
    unsigned bits = 0;
    for (unsigned o = 1; o <= m->bounds.orders; o++)
        bits |= (unsigned)(m->prepare[view][o] != COMMAND_NONE) << o;
    return bits;
}
