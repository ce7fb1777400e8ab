#include "checker.h"

#include "view_change.h"

static const char *const texts[] = {
#define F(name, text) text,
    FINDINGS(F)
#undef F
};

const char *finding_text(enum finding finding)
{
    return texts[finding];
}

static bool conflict(const struct model *m)
{
    bool correct;
    unsigned quorum = model_quorum(m) - model_is(m, MUTANT_COMMIT_BY_F);
    for (unsigned o = 1; o <= m->bounds.orders; o++) {
        unsigned seen = 0;
        for (unsigned v = 0; v < m->bounds.views; v++)
            if (m->prepare[v][o] != COMMAND_NONE && model_votes(m, v, o, &correct) >= quorum && correct)
                seen |= 1u << m->prepare[v][o];
        if (seen & (seen - 1))
            return true;
    }
    return false;
}

static bool invented(const struct model *m)
{
    unsigned prefix = 0;
    while (prefix < m->bounds.orders && model_committed(m, prefix + 1) != COMMAND_NONE)
        prefix++;
    for (unsigned r = 0; r < m->bounds.replicas; r++)
        if (m->replica[r].checkpoint > prefix)
            return true;
    return false;
}

static bool forced(const struct model *m, const struct move *move)
{
    if (move->kind != MOVE_LEAVE || !m->bounds.suspects)
        return false;
    for (unsigned r = 0; r < m->bounds.replicas; r++)
        if (!m->replica[r].faulty && m->replica[r].suspects >= move->view)
            return false;
    return true;
}

static bool refused(const struct model *m, const struct move *move)
{
    const struct replica *self = &m->replica[move->replica];
    if (self->faulty || (move->kind != MOVE_LEAVE && move->kind != MOVE_ENTER))
        return false;
    const struct view_change *vc = &self->view_change[self->view][self->stable];
    return vc->made && !view_change_valid(m, move->replica, self->view, vc);
}

/* All correct replicas are in one view without its NEW-VIEW, have accepted what one of them accepted, and its leader is correct:
 * then their VIEW-CHANGEs do. */
static bool stuck(const struct model *m)
{
    unsigned view = VIEWS_MAX, stable = 0, base = 0, alike = 0;
    for (unsigned r = 0; r < m->bounds.replicas; r++) {
        const struct replica *self = &m->replica[r];
        if (self->faulty)
            continue;
        if (view != VIEWS_MAX && self->view != view)
            return false;
        if (m->bounds.renewal && self->checkpoint < model_certified(m))
            return false; /* it will learn what others know */
        view = self->view;
        if (self->stable > stable || (self->stable == stable && self->base > base)) {
            stable = self->stable;
            base = self->base;
        }
    }
    if (view == 0 || m->core[view][0].made || m->replica[model_leader(m, view)].faulty)
        return false;
    for (unsigned r = 0; r < m->bounds.replicas; r++) {
        const struct replica *self = &m->replica[r];
        const struct view_change *vc = &self->view_change[view][stable];
        if (self->faulty)
            continue;
        if (moves_may_enter(m, r, stable, base))
            return false; /* it will accept it yet */
        alike += vc->made && vc->base == base;
    }
    return alike < model_quorum(m);
}

enum finding checker_look(const struct model *m, const struct move *move)
{
    if (conflict(m))
        return FINDING_CONFLICT;
    if (move->kind == MOVE_CHECKPOINT && invented(m))
        return FINDING_INVENTED;
    if (move->kind == MOVE_NEW_VIEW && move->core.top > move->core.least + m->bounds.window)
        return FINDING_OUTSIDE;
    if (forced(m, move))
        return FINDING_FORCED;
    if (refused(m, move))
        return FINDING_REFUSED;
    return stuck(m) ? FINDING_STUCK : FINDING_NONE;
}
