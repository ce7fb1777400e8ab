/* Shrink: one action at a time, from the end, until none can go. Runs are short, so nothing cleverer is needed. */
#include "shrink.h"

#include <string.h>

enum checker_verdict shrink_replay(const struct model *start, const struct action *actions, size_t count)
{
    struct model model = *start;

    for (size_t k = 0; k < count && !model.conflict; k++)
        if (rules_apply(&model, &actions[k]) == RULES_STUCK)
            return CHECKER_STUCK_SELECTION;
    return checker_run(&model);
}

static void remove_at(struct action *actions, size_t count, size_t at)
{
    memmove(&actions[at], &actions[at + 1], (count - at - 1) * sizeof *actions);
}

static size_t shrink_pass(const struct model *start, struct action *actions, size_t count,
                          enum checker_verdict verdict)
{
    for (size_t at = count; at-- > 0;) {
        struct action removed = actions[at];

        remove_at(actions, count, at);
        if (shrink_replay(start, actions, count - 1) == verdict) {
            count--;
            continue;
        }
        memmove(&actions[at + 1], &actions[at], (count - at - 1) * sizeof *actions);
        actions[at] = removed;
    }
    return count;
}

size_t shrink_run(const struct model *start, struct action *actions, size_t count,
                  enum checker_verdict verdict)
{
    size_t before;

    do {
        before = count;
        count = shrink_pass(start, actions, count, verdict);
    } while (count < before);
    return count;
}
