/*
 * Moves. See moves.h.
 *
 * Most candidates are simply all values of all fields; the rules sort them out. Only a NEW-VIEW's evidence is built
 * with care: every S that one faulty C can contribute to, and of those S one for each different outcome.
 */
#include "moves.h"

#include <assert.h>
#include <string.h>

enum { OUTCOMES_MAX = 256, FORGED_CHOICES_MAX = 512 };

struct outcomes {
    struct action enter[OUTCOMES_MAX]; /* replica is left open */
    struct new_view new_view[OUTCOMES_MAX];
    unsigned count;
};

void moves_votes(const struct model *model, unsigned replica, unsigned view, moves_visit *visit,
                 void *context)
{
    struct action a = {.kind = ACTION_VOTE, .replica = (uint8_t)replica, .view = (uint8_t)view};

    for (unsigned s = 1; s <= model->bounds.slots; s++) {
        for (unsigned d = DIGEST_A; d < DIGEST_END; d++) {
            a.slot = (uint8_t)s;
            a.digest = (uint8_t)d;
            visit(context, &a);
        }
    }
}

static void moves_commits(const struct model *model, unsigned replica, unsigned view, moves_visit *visit,
                          void *context)
{
    struct action a = {.kind = ACTION_COMMIT, .replica = (uint8_t)replica, .view = (uint8_t)view};

    for (unsigned s = 1; s <= model->bounds.slots; s++) {
        for (unsigned d = DIGEST_A; d < DIGEST_END; d++) {
            a.slot = (uint8_t)s;
            a.digest = (uint8_t)d;
            visit(context, &a);
        }
    }
}

static void moves_learns(const struct model *model, unsigned replica, moves_visit *visit, void *context)
{
    struct action a = {.replica = (uint8_t)replica};

    for (unsigned s = 1; s <= model_certified(model); s++) {
        a.slot = (uint8_t)s;
        a.kind = ACTION_LEARN_P;
        visit(context, &a);
        a.kind = ACTION_LEARN_C;
        visit(context, &a);
    }
}

static bool outcomes_has(const struct outcomes *outcomes, const struct new_view *new_view)
{
    for (unsigned i = 0; i < outcomes->count; i++)
        if (memcmp(&outcomes->new_view[i], new_view, sizeof *new_view) == 0)
            return true;
    return false;
}

/* An S that does not do is kept once if the rules would call it stuck; it is told from the others by !made. */
static void outcomes_add(struct outcomes *outcomes, const struct model *model, unsigned view,
                         const struct evidence *evidence)
{
    struct new_view new_view = {.made = false};

    switch (selection_run(model, view, evidence, &new_view)) {
    case SELECTION_INVALID:
        return;
    case SELECTION_WAIT:
        if (selection_correct_count(evidence) < model_quorum(model))
            return;
        break;
    case SELECTION_DONE:
        break;
    }
    if (outcomes_has(outcomes, &new_view))
        return;
    assert(outcomes->count < OUTCOMES_MAX);
    outcomes->new_view[outcomes->count] = new_view;
    outcomes->enter[outcomes->count++] =
        (struct action){.kind = ACTION_ENTER, .view = (uint8_t)view, .evidence = *evidence};
}

/* Each list entry with no claim at s grows one copy for each claim at s that would pass. */
static unsigned forged_grow(const struct model *model, unsigned view, unsigned slot, struct view_change *list,
                            unsigned count)
{
    unsigned grown = count;

    for (unsigned v = 0; v < view; v++) {
        for (unsigned d = DIGEST_A; d < DIGEST_END; d++) {
            struct claim claim = {.digest = (uint8_t)d, .view = (uint8_t)v};

            if (!selection_claim_is_valid(model, view, slot, claim))
                continue;
            for (unsigned i = 0; i < count; i++) {
                if (list[i].h >= slot)
                    continue;
                assert(grown < FORGED_CHOICES_MAX);
                list[grown] = list[i];
                list[grown++].claim[slot] = claim;
            }
        }
    }
    return grown;
}

/* Every VIEW-CHANGE that a faulty C can get past the receivers. */
static unsigned forged_list(const struct model *model, unsigned view, struct view_change *list)
{
    unsigned count = 0;

    for (unsigned h = 0; h <= model_certified(model); h++)
        list[count++] = (struct view_change){.sent = true, .h = (uint8_t)h};
    for (unsigned s = 1; s <= model->bounds.slots; s++)
        count = forged_grow(model, view, s, list, count);
    return count;
}

static unsigned view_changes_sent(const struct model *model, unsigned view)
{
    unsigned sent = 0;

    for (unsigned i = 0; i < model->bounds.replicas; i++)
        if (model->confirmation[i].view_change[view].sent)
            sent |= 1u << i;
    return sent;
}

static void outcomes_of_members(struct outcomes *outcomes, const struct model *model, unsigned view,
                                unsigned correct, const struct view_change *forged, unsigned forged_count)
{
    struct evidence evidence = {.correct = (uint8_t)correct};

    for (unsigned tie = 0; tie < 2; tie++) {
        evidence.b_first = tie;
        evidence.forged_count = 0;
        outcomes_add(outcomes, model, view, &evidence);
        evidence.forged_count = 1;
        for (unsigned k = 0; k < forged_count; k++) {
            evidence.forged[0] = forged[k];
            outcomes_add(outcomes, model, view, &evidence);
        }
    }
}

static void outcomes_collect(struct outcomes *outcomes, const struct model *model, unsigned view)
{
    unsigned sent = view_changes_sent(model, view);
    struct view_change forged[FORGED_CHOICES_MAX];
    unsigned forged_count;

    outcomes->count = 0;
    /* One faulty C alone is no S under any mutant that the exhaustive mode is for. */
    if (sent == 0)
        return;
    forged_count = forged_list(model, view, forged);
    for (unsigned members = sent; members != 0; members = (members - 1) & sent)
        outcomes_of_members(outcomes, model, view, members, forged, forged_count);
}

static void moves_enters(const struct model *model, unsigned view, moves_visit *visit, void *context)
{
    struct outcomes outcomes;
    unsigned primary = model_primary(model, view);
    bool many = model->preparation[primary].faulty || model->made[view].made;

    if (model->made[view].made) {
        outcomes.count = 1;
        outcomes.enter[0] = (struct action){.kind = ACTION_ENTER, .view = (uint8_t)view};
    } else {
        outcomes_collect(&outcomes, model, view);
    }
    for (unsigned k = 0; k < outcomes.count; k++) {
        for (unsigned i = many ? 0 : primary; i < (many ? model->bounds.replicas : primary + 1); i++) {
            outcomes.enter[k].replica = (uint8_t)i;
            visit(context, &outcomes.enter[k]);
        }
    }
}

void moves_each(const struct model *model, moves_visit *visit, void *context)
{
    for (unsigned i = 0; i < model->bounds.replicas; i++) {
        for (unsigned v = 0; v < model->bounds.views; v++) {
            struct action a = {.replica = (uint8_t)i, .view = (uint8_t)v};

            moves_votes(model, i, v, visit, context);
            moves_commits(model, i, v, visit, context);
            a.kind = ACTION_VIEW_CHANGE;
            visit(context, &a);
            /* Nobody can use a PARTING from the last view. */
            a.kind = ACTION_PART;
            if (v + 1 < model->bounds.views)
                visit(context, &a);
        }
        moves_learns(model, i, visit, context);
    }
    for (unsigned v = 1; v < model->bounds.views; v++)
        moves_enters(model, v, visit, context);
}
