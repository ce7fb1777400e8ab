#include "search.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fingerprint_of.h"
#include "visited.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void found(struct search_report *report, enum finding finding, unsigned faulty,
                  const struct move *path, unsigned length)
{
    report->finding = finding;
    report->faulty = faulty;
    report->path_length = length;
    memcpy(report->path, path, length * sizeof *path);
}

/* ------------------------------------------------------------ exhaustive */

struct node {
    struct model model;
    struct move move; /* that led here */
    unsigned depth;
};

struct exhaustive {
    const struct search_options *options;
    struct search_report *report;
    struct visited visited;
    struct node *stack;
    size_t count, capacity;
    struct move path[PATH_MAX_LENGTH];
    struct move moves[MOVES_MAX];
    unsigned faulty;
    double deadline;
    bool no_memory, incomplete;
};

static bool push(struct exhaustive *x, const struct node *node)
{
    if (x->count == x->capacity) {
        size_t capacity = x->capacity ? 2 * x->capacity : 1024;
        struct node *stack = realloc(x->stack, capacity * sizeof *stack);
        if (!stack) {
            x->no_memory = true;
            return false;
        }
        x->stack = stack;
        x->capacity = capacity;
    }
    x->stack[x->count++] = *node;
    return true;
}

static void expand(struct exhaustive *x, const struct node *node)
{
    struct search_report *report = x->report;
    unsigned count = moves_list(&node->model, x->moves);
    for (unsigned i = 0; i < count && report->finding == FINDING_NONE; i++) {
        struct node next = {.model = node->model, .move = x->moves[i], .depth = node->depth + 1};
        moves_apply(&next.model, &next.move);
        report->transitions++;
        enum visited_add added = visited_add(&x->visited, fingerprint_of(&next.model));
        if (added == VISITED_KNOWN)
            continue;
        x->incomplete |= added == VISITED_FULL || next.depth >= PATH_MAX_LENGTH;
        if (x->incomplete)
            return;
        report->states++;
        enum finding finding = checker_look(&next.model, &next.move);
        if (finding != FINDING_NONE) {
            x->path[node->depth] = next.move;
            found(report, finding, x->faulty, x->path, next.depth);
        } else if (!push(x, &next)) {
            return;
        }
    }
}

static void search_from(struct exhaustive *x)
{
    struct node node = {.depth = 0};
    model_init(&node.model, &x->options->bounds, x->faulty);
    if (!push(x, &node))
        return;
    for (uint64_t turn = 0; x->count && !x->no_memory && !x->incomplete; turn++) {
        node = x->stack[--x->count];
        if (node.depth)
            x->path[node.depth - 1] = node.move;
        expand(x, &node);
        if (x->report->finding != FINDING_NONE)
            return;
        x->incomplete |= x->deadline > 0 && turn % 1024 == 0 && now() > x->deadline;
    }
}

/* Each set of f faulty replicas by itself: leaders are not interchangeable. */
int search_exhaustive(const struct search_options *options, struct search_report *report)
{
    static struct exhaustive x;
    double start = now();
    memset(report, 0, sizeof *report);
    x = (struct exhaustive){.options = options, .report = report};
    x.deadline = options->seconds > 0 ? start + options->seconds : 0;
    for (x.faulty = 0; x.faulty < 1u << options->bounds.replicas && report->finding == FINDING_NONE;
         x.faulty++) {
        if ((unsigned)__builtin_popcount(x.faulty) != options->bounds.faults)
            continue;
        x.count = 0;
        if (visited_init(&x.visited, options->memory_bytes) < 0)
            return -1;
        search_from(&x);
        visited_deinit(&x.visited);
        report->runs++;
    }
    free(x.stack);
    report->exhausted = !x.incomplete && !x.no_memory && report->finding == FINDING_NONE;
    report->seconds = now() - start;
    return x.no_memory ? -1 : 0;
}

/* ------------------------------------------------------------ random */

struct walk {
    const struct search_options *options;
    struct search_report *report;
    struct model model;
    uint64_t dice;
    unsigned faulty;
    unsigned weight[MOVE_KINDS]; /* of each kind, drawn anew for each run */
    struct move moves[MOVES_MAX];
    struct move path[PATH_MAX_LENGTH];
};

static unsigned draw(struct walk *w, unsigned below)
{
    w->dice += UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)((fingerprint_mix(w->dice) >> 32) * below >> 32);
}

static void begin(struct walk *w, uint64_t seed)
{
    const struct bounds *bounds = &w->options->bounds;
    w->dice = fingerprint_mix(seed + 1);
    w->faulty = 0;
    for (unsigned have = 0; have < bounds->faults;) {
        unsigned r = draw(w, bounds->replicas);
        have += !(w->faulty >> r & 1);
        w->faulty |= 1u << r;
    }
    for (unsigned k = 0; k < MOVE_KINDS; k++)
        w->weight[k] = 1 + draw(w, 8);
    w->weight[MOVE_VOTE] += 6;
    model_init(&w->model, bounds, w->faulty);
}

/* A kind by its weight, then one of it. */
static unsigned pick(struct walk *w, unsigned count)
{
    unsigned of_kind[MOVE_KINDS] = {0}, total = 0, kind = 0;
    for (unsigned i = 0; i < count; i++)
        of_kind[w->moves[i].kind]++;
    for (unsigned k = 0; k < MOVE_KINDS; k++)
        total += of_kind[k] ? w->weight[k] : 0;
    for (unsigned at = draw(w, total);; kind++) {
        unsigned weight = of_kind[kind] ? w->weight[kind] : 0;
        if (at < weight)
            break;
        at -= weight;
    }
    unsigned nth = draw(w, of_kind[kind]);
    for (unsigned i = 0;; i++)
        if (w->moves[i].kind == kind && nth-- == 0)
            return i;
}

static void run(struct walk *w, uint64_t seed)
{
    struct search_report *report = w->report;
    begin(w, seed);
    for (unsigned step = 0; step < w->options->steps; step++) {
        unsigned count = moves_list(&w->model, w->moves);
        if (!count)
            break;
        w->path[step] = w->moves[pick(w, count)];
        moves_apply(&w->model, &w->path[step]);
        report->transitions++;
        report->new_views += w->path[step].kind == MOVE_NEW_VIEW;
        enum finding finding = checker_look(&w->model, &w->path[step]);
        if (finding != FINDING_NONE) {
            report->red_seed = seed;
            found(report, finding, w->faulty, w->path, step + 1);
            return;
        }
    }
}

static bool committed_later(const struct model *m)
{
    bool correct;
    for (unsigned v = 1; v < m->bounds.views; v++)
        for (unsigned o = 1; o <= m->bounds.orders; o++)
            if (model_votes(m, v, o, &correct) >= model_quorum(m))
                return true;
    return false;
}

void search_random(const struct search_options *options, struct search_report *report)
{
    static struct walk w;
    double start = now();
    memset(report, 0, sizeof *report);
    w = (struct walk){.options = options, .report = report};
    for (uint64_t seed = options->seed; report->finding == FINDING_NONE; seed++) {
        if (options->runs && report->runs == options->runs)
            break;
        if (options->seconds > 0 && report->runs % 64 == 0 && now() - start > options->seconds)
            break;
        run(&w, seed);
        report->runs++;
        report->commits += committed_later(&w.model);
    }
    report->seconds = now() - start;
}

/* ------------------------------------------------------------ shrinking */

/* Is this path, without the move at `without`, still possible and red? Then it is what remains of it. */
static bool red_without(const struct search_options *options, struct search_report *report, unsigned without)
{
    struct model model;
    struct move path[PATH_MAX_LENGTH];
    unsigned length = 0;
    model_init(&model, &options->bounds, report->faulty);
    for (unsigned i = 0; i < report->path_length; i++) {
        if (i == without)
            continue;
        if (!moves_possible(&model, &report->path[i]))
            return false;
        path[length++] = report->path[i];
        moves_apply(&model, &report->path[i]);
        enum finding finding = checker_look(&model, &report->path[i]);
        if (finding != FINDING_NONE) {
            found(report, finding, report->faulty, path, length);
            return true;
        }
    }
    return false;
}

void search_shrink(const struct search_options *options, struct search_report *report)
{
    bool shorter = report->finding != FINDING_NONE;
    while (shorter) {
        shorter = false;
        for (unsigned i = report->path_length; i > 0; i--)
            shorter |= i <= report->path_length && red_without(options, report, i - 1);
    }
}
