/* Trace: see trace.h and docs/EXPLORER.md, which tells how to read one. */
#include "trace.h"

#include "checker.h"

#include <stdio.h>

static const char *const DIGESTS[DIGEST_END] = {"-", "a", "b", "null"};

static void print_claims(const struct model *model, const struct view_change *view_change)
{
    printf("h=%u claims", view_change->h);
    for (unsigned s = 1; s <= model->bounds.slots; s++) {
        struct claim claim = view_change->claim[s];

        if (claim.digest == DIGEST_NONE)
            printf(" -");
        else
            printf(" %s@%u", DIGESTS[claim.digest], claim.view);
    }
}

static void print_listed(const struct model *model, const struct parting *parting)
{
    printf("h=%u lists", parting->h);
    for (unsigned s = 1; s <= model->bounds.slots; s++)
        for (unsigned d = DIGEST_A; d < DIGEST_END; d++)
            if (parting->listed[s][d] != 0)
                printf(" slot=%u:%s@%u", s, DIGESTS[d], parting->listed[s][d] - 1u);
}

static void print_new_view(const struct model *model, const struct action *a)
{
    const struct new_view *entered = &model->preparation[a->replica].entered[a->view];

    printf("h=%u selects", entered->h);
    for (unsigned s = entered->h + 1u; s <= entered->top; s++)
        printf(" slot=%u:%s", s, DIGESTS[entered->selected[s]]);
}

static void print_evidence(const struct model *model, const struct action *a)
{
    printf("\n        from VIEW-CHANGEs of");
    for (unsigned i = 0; i < model->bounds.replicas; i++)
        if (a->evidence.correct >> i & 1)
            printf(" C%u", i);
    for (unsigned i = 0; i < a->evidence.forged_count; i++) {
        printf(", faulty: ");
        print_claims(model, &a->evidence.forged[i]);
    }
}

static void print_enter(const struct model *model, const struct action *a, bool made_before)
{
    printf("P%u enters view=%u ", a->replica, a->view);
    print_new_view(model, a);
    if (!made_before)
        print_evidence(model, a);
}

static void print_taken(const struct model *before, const struct model *model, const struct action *a)
{
    switch (a->kind) {
    case ACTION_VOTE:
        printf("P%u votes view=%u slot=%u %s", a->replica, a->view, a->slot, DIGESTS[a->digest]);
        break;
    case ACTION_COMMIT:
        printf("C%u commits view=%u slot=%u %s", a->replica, a->view, a->slot, DIGESTS[a->digest]);
        break;
    case ACTION_PART:
        printf("P%u parts view=%u ", a->replica, a->view);
        print_listed(model, &model->preparation[a->replica].parting[a->view]);
        break;
    case ACTION_VIEW_CHANGE:
        printf("C%u view-change view=%u ", a->replica, a->view);
        print_claims(model, &model->confirmation[a->replica].view_change[a->view]);
        break;
    case ACTION_ENTER:
        print_enter(model, a, before->made[a->view].made);
        break;
    case ACTION_LEARN_P:
    case ACTION_LEARN_C:
        printf("%c%u learns h=%u", a->kind == ACTION_LEARN_P ? 'P' : 'C', a->replica, a->slot);
        break;
    }
}

static void print_consequence(const struct model *before, const struct model *model, const struct action *a)
{
    if (model->conflict)
        printf("  -> CONFLICT, %s was committed", DIGESTS[model->committed[a->slot]]);
    else if (a->kind == ACTION_COMMIT && model->committed[a->slot] != before->committed[a->slot])
        printf("  -> committed");
}

static void print_faulty(const struct model *model)
{
    printf("faulty:");
    for (unsigned i = 0; i < model->bounds.replicas; i++) {
        if (model->preparation[i].faulty)
            printf(" P%u", i);
        if (model->confirmation[i].faulty)
            printf(" C%u", i);
    }
    printf("\n");
}

void trace_print(const struct model *start, const struct action *actions, size_t count)
{
    struct model model = *start;
    enum checker_verdict verdict;
    unsigned line = 0;

    print_faulty(start);
    for (size_t k = 0; k < count; k++) {
        struct model before = model;
        enum rules_outcome outcome = rules_apply(&model, &actions[k]);

        if (outcome == RULES_REFUSED)
            continue;
        printf("%5u   ", ++line);
        if (outcome == RULES_STUCK) {
            printf("primary of view=%u cannot select", actions[k].view);
            print_evidence(&model, &actions[k]);
            printf("  -> STUCK SELECTION\n");
            return;
        }
        print_taken(&before, &model, &actions[k]);
        print_consequence(&before, &model, &actions[k]);
        printf("\n");
    }
    verdict = checker_run(&model);
    if (verdict == CHECKER_STUCK_CLAIM)
        printf("        a claim waits for PARTINGs that will not come  -> STUCK CLAIM\n");
}
