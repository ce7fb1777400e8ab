#include "troxy/adaptive.h"

#include "base/check.h"

void adaptive_options_init(struct adaptive_options *options)
{
    *options =
        (struct adaptive_options){.off_percent = 40, .on_percent = 15, .probe_every = 16, .least_known = 32};
}

void adaptive_init(struct adaptive *a, const struct adaptive_options *options)
{
    CHECK(options->on_percent < options->off_percent && options->off_percent <= 100);
    CHECK(options->probe_every > 0 && options->least_known > 0 && options->least_known <= ADAPTIVE_WINDOW);
    *a = (struct adaptive){.options = *options};
}

bool adaptive_asks(struct adaptive *a)
{
    if (!a->off)
        return true;
    if (++a->passed < a->options.probe_every)
        return false;
    a->passed = 0;
    return true;
}

static uint32_t last_conflicts(const struct adaptive *a)
{
    uint64_t last = a->known < ADAPTIVE_WINDOW ? a->conflicts & ((1ull << a->known) - 1) : a->conflicts;
    return (uint32_t)__builtin_popcountll(last);
}

uint32_t adaptive_permille(const struct adaptive *a)
{
    return a->known ? 1000 * last_conflicts(a) / a->known : 0;
}

void adaptive_learn(struct adaptive *a, bool conflict)
{
    a->conflicts = a->conflicts << 1 | conflict;
    a->known += a->known < ADAPTIVE_WINDOW;
    if (a->known < a->options.least_known)
        return;
    uint32_t percent = adaptive_permille(a) / 10;
    if (a->off ? percent >= a->options.on_percent : percent <= a->options.off_percent)
        return;
    a->off = !a->off;
    a->known = a->passed = 0; /* what was before the switch says nothing about what comes after it */
    a->switches++;
}
