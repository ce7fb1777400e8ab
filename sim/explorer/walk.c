/*
 * Walk: random runs beyond what can be searched exhaustively. Each run is drawn from its own seed alone.
 *
 * Uniform choices hardly ever get through a view change: most of the time nothing of interest is enabled. So one step
 * of a run is an action and a set of replicas that take it in turn, and a run is cut into as many periods as there are
 * views, each with a focus view v, and each period into three phases:
 *
 *      ordering    P vote and C commit in v
 *      changing    P part from v, C send VIEW-CHANGE(v+1)
 *      entering    P accept NEW-VIEW(v+1)
 *
 * One step in seven ignores the phase and one view in eight the focus, so that every order of actions keeps some
 * chance. The bounds given are maxima: a run draws its own, as small ones are where the short counterexamples are.
 */
#include "search.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum phase { PHASE_ORDERING, PHASE_CHANGING, PHASE_ENTERING };

enum { CLOCK_EVERY_RUNS = 64 };

struct walk {
    const struct search_options *options;
    uint64_t state; /* of the random numbers */
    unsigned focus;
    enum phase phase;
    struct model model;
    struct search_run run;
};

/* splitmix64: a seed of any quality gives a good sequence. */
static uint64_t random_next(struct walk *walk)
{
    uint64_t x = walk->state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static unsigned draw(struct walk *walk, unsigned count)
{
    return (unsigned)((random_next(walk) >> 32) * count >> 32);
}

static bool draw_one_in(struct walk *walk, unsigned count)
{
    return draw(walk, count) == 0;
}

static unsigned draw_view(struct walk *walk)
{
    return draw_one_in(walk, 8) ? draw(walk, walk->model.bounds.views) : walk->focus;
}

/* A view to change to: mostly the one after the focus. */
static unsigned draw_next_view(struct walk *walk)
{
    unsigned views = walk->model.bounds.views;

    if (draw_one_in(walk, 8) || walk->focus + 1 == views)
        return views == 1 ? 0 : 1 + draw(walk, views - 1);
    return walk->focus + 1;
}

static enum action_kind draw_kind_ordering(struct walk *walk)
{
    return draw_one_in(walk, 2) ? ACTION_VOTE : ACTION_COMMIT;
}

static enum action_kind draw_kind_any(struct walk *walk)
{
    static const enum action_kind rare[] = {ACTION_VIEW_CHANGE, ACTION_VIEW_CHANGE, ACTION_VIEW_CHANGE,
                                            ACTION_PART,        ACTION_PART,        ACTION_ENTER,
                                            ACTION_ENTER,       ACTION_LEARN_P,     ACTION_LEARN_C};

    if (draw(walk, 20) < 11)
        return draw_kind_ordering(walk);
    return rare[draw(walk, sizeof rare / sizeof rare[0])];
}

static enum action_kind draw_kind(struct walk *walk)
{
    if (draw_one_in(walk, 7))
        return draw_kind_any(walk);
    switch (walk->phase) {
    case PHASE_ORDERING:
        return draw_kind_ordering(walk);
    case PHASE_CHANGING:
        return draw_one_in(walk, 2) ? ACTION_VIEW_CHANGE : ACTION_PART;
    case PHASE_ENTERING:
        break;
    }
    return ACTION_ENTER;
}

/* One of the claims for slot that would pass, or none. */
static struct claim draw_claim(struct walk *walk, unsigned view, unsigned slot)
{
    struct claim chosen = {.digest = DIGEST_NONE};
    unsigned valid = 0;

    for (unsigned v = 0; v < view; v++) {
        for (unsigned d = DIGEST_A; d < DIGEST_END; d++) {
            struct claim claim = {.digest = (uint8_t)d, .view = (uint8_t)v};

            if (selection_claim_is_valid(&walk->model, view, slot, claim) && draw_one_in(walk, ++valid))
                chosen = claim;
        }
    }
    return chosen;
}

static void draw_forged(struct walk *walk, unsigned view, struct view_change *forged)
{
    *forged = (struct view_change){.sent = true, .h = (uint8_t)draw(walk, model_certified(&walk->model) + 1)};
    for (unsigned s = forged->h + 1u; s <= walk->model.bounds.slots; s++)
        if (!draw_one_in(walk, 4))
            forged->claim[s] = draw_claim(walk, view, s);
}

/* Any set will do, those that just make the quorum are the dangerous ones. */
static void draw_evidence(struct walk *walk, unsigned view, struct evidence *evidence)
{
    const struct model *model = &walk->model;
    unsigned first = draw(walk, model->bounds.replicas);
    unsigned forged = draw(walk, model->bounds.faults + 1);
    unsigned count;

    if (model_is(model, MUTANT_VIEW_CHANGES_COUNTED_TWICE) && draw_one_in(walk, 2))
        forged *= 2;
    evidence->b_first = draw(walk, 2);
    evidence->forged_count = (uint8_t)forged;
    for (unsigned k = 0; k < forged; k++)
        draw_forged(walk, view, &evidence->forged[k]);
    count = forged;
    for (unsigned k = 0; k < model->bounds.replicas; k++) {
        unsigned i = (first + k) % model->bounds.replicas;

        if (count >= model_quorum(model) && draw_one_in(walk, 2))
            break;
        if (!model->confirmation[i].view_change[view].sent || draw_one_in(walk, 5))
            continue;
        evidence->correct |= (uint8_t)(1u << i);
        count++;
    }
}

/* One action, to be taken by several replicas; who takes it is left open. */
static void draw_action(struct walk *walk, struct action *a)
{
    memset(a, 0, sizeof *a);
    a->kind = draw_kind(walk);
    switch (a->kind) {
    case ACTION_VOTE:
    case ACTION_COMMIT:
        a->view = (uint8_t)draw_view(walk);
        a->slot = (uint8_t)(1 + draw(walk, walk->model.bounds.slots));
        a->digest = (uint8_t)(DIGEST_A + draw(walk, 3));
        break;
    case ACTION_PART:
        a->view = (uint8_t)draw_view(walk);
        break;
    case ACTION_VIEW_CHANGE:
        a->view = (uint8_t)draw_next_view(walk);
        break;
    case ACTION_ENTER:
        a->view = (uint8_t)draw_next_view(walk);
        if (!walk->model.made[a->view].made)
            draw_evidence(walk, a->view, &a->evidence);
        break;
    case ACTION_LEARN_P:
    case ACTION_LEARN_C:
        a->slot = (uint8_t)draw(walk, walk->model.bounds.slots + 1);
        break;
    }
}

/* Everybody, one, or any set: what is rare is one compartment that has seen what the others have not. */
static unsigned draw_members(struct walk *walk)
{
    unsigned n = walk->model.bounds.replicas;

    switch (draw(walk, 4)) {
    case 0:
        return (1u << n) - 1;
    case 1:
        return 1u << draw(walk, n);
    default:
        return draw(walk, 1u << n);
    }
}

/* Different hosts for the faulty P and the faulty C: the first f and the next f of a random order. */
static void draw_start(struct walk *walk)
{
    struct bounds bounds = walk->options->bounds;
    unsigned n = walk->options->bounds.replicas;
    unsigned faults = walk->options->bounds.faults;
    unsigned order[REPLICAS_MAX];
    unsigned faulty[2] = {0, 0};

    bounds.slots = 1 + draw(walk, bounds.slots);
    if (bounds.views > 2)
        bounds.views -= draw(walk, bounds.views - 1);
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = 0; i < 2 * faults; i++) {
        unsigned j = i + draw(walk, n - i);
        unsigned taken = order[j];

        order[j] = order[i];
        order[i] = taken;
        faulty[i / faults] |= 1u << taken;
    }
    model_init(&walk->run.start, &bounds, faulty[0], faulty[1]);
    walk->model = walk->run.start;
}

static void focus_on(struct walk *walk, unsigned step)
{
    unsigned period = walk->options->steps / walk->model.bounds.views + 1;
    unsigned at = step % period;

    walk->focus = step / period;
    if (at < period * 2 / 5)
        walk->phase = PHASE_ORDERING;
    else
        walk->phase = at < period * 4 / 5 ? PHASE_CHANGING : PHASE_ENTERING;
}

/* A vote or a commit that is refused may be allowed for another digest. */
static enum rules_outcome apply(struct walk *walk, struct action *a)
{
    enum rules_outcome outcome = rules_apply(&walk->model, a);

    if (a->kind != ACTION_VOTE && a->kind != ACTION_COMMIT)
        return outcome;
    for (unsigned tries = 0; tries < 2 && outcome == RULES_REFUSED; tries++) {
        a->digest = (uint8_t)(a->digest % DIGEST_NULL + 1);
        outcome = rules_apply(&walk->model, a);
    }
    return outcome;
}

/* The members take the action in turn, the first of them drawn; false when the selection is stuck. */
static bool walk_step(struct walk *walk)
{
    unsigned n = walk->model.bounds.replicas;
    unsigned members = draw_members(walk);
    unsigned first = draw(walk, n);
    struct action drawn;

    draw_action(walk, &drawn);
    for (unsigned k = 0; k < n && !walk->model.conflict; k++) {
        struct action *a = &walk->run.actions[walk->run.count];
        enum rules_outcome outcome;

        *a = drawn;
        a->replica = (uint8_t)((first + k) % n);
        if (!(members >> a->replica & 1))
            continue;
        outcome = apply(walk, a);
        walk->run.count += outcome != RULES_REFUSED;
        if (outcome == RULES_STUCK)
            return false;
    }
    return true;
}

static enum checker_verdict walk_once(struct walk *walk, uint64_t seed)
{
    walk->state = seed;
    walk->run.seed = seed;
    walk->run.count = 0;
    draw_start(walk);
    for (unsigned step = 0; step < walk->options->steps && !walk->model.conflict; step++) {
        focus_on(walk, step);
        if (!walk_step(walk))
            return CHECKER_STUCK_SELECTION;
    }
    model_validate(&walk->model);
    return checker_run(&walk->model);
}

static void count_run(struct search_report *report, const struct walk *walk)
{
    report->runs++;
    report->transitions += walk->run.count;
    report->tally.commits += walk->model.tally.commits;
    report->tally.commits_above_view_0 += walk->model.tally.commits_above_view_0;
    report->tally.new_views += walk->model.tally.new_views;
}

/* Whether the limits of runs and time allow one more. */
static bool may_go_on(const struct search_options *options, const struct search_report *report, double begin)
{
    if (options->runs > 0 && report->runs >= options->runs)
        return false;
    return options->seconds <= 0 || report->runs % CLOCK_EVERY_RUNS != 0 ||
           search_clock() - begin < options->seconds;
}

static int walk_all(struct walk *walk, struct search_report *report)
{
    const struct search_options *options = walk->options;
    double begin = search_clock();
    bool red = false;

    do {
        enum checker_verdict verdict = walk_once(walk, options->seed + report->runs);
        bool is_first_red = search_report_count(report, verdict) && search_report_red(report) == 1;

        count_run(report, walk);
        red = red || is_first_red;
        if ((is_first_red || (options->wants_run && !red)) &&
            search_report_keep(report, &walk->run, verdict) < 0)
            return -1;
    } while (may_go_on(options, report, begin) && !(red && options->bounds.mutant != MUTANT_NONE));
    report->seconds = search_clock() - begin;
    return 0;
}

int walk_run(const struct search_options *options, struct search_report *report)
{
    struct walk *walk = calloc(1, sizeof *walk);
    int result = -1;

    memset(report, 0, sizeof *report);
    if (walk == NULL)
        return -1;
    assert(options->steps <= RUN_STEPS_MAX);
    walk->options = options;
    walk->run.actions = calloc((size_t)RUN_STEPS_MAX * REPLICAS_MAX, sizeof *walk->run.actions);
    if (walk->run.actions != NULL)
        result = walk_all(walk, report);
    free(walk->run.actions);
    free(walk);
    return result;
}
