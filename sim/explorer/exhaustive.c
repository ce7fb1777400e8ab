/*
 * Exhaustive: depth first over every order of every action within the bound, each canonical state once.
 *
 * Two reductions beside the canonical states. Compartments are faulty at fixed places: f = 1, the faulty P is tried as
 * each primary and as nobody's, and the faulty C is placed once, for all C are alike. And P enters a view only right
 * before its first vote there: entering enables nothing else, except the NEW-VIEW of a correct primary, which enters
 * at any time; what could be accepted earlier can still be accepted then, and the certificate that comes along can be
 * learned by itself.
 *
 *      stack:  [s0] -> pop s0, push its new successors -> [s1 s2 s3] -> pop s3, ...
 *      path:   path[k] is the action that led to the state of depth k being looked at
 */
#include "canonical.h"
#include "moves.h"
#include "search.h"
#include "visited.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_LENGTH = 1024, CLOCK_EVERY = 4096 };

struct node {
    struct model model;
    struct action action; /* that led here */
    unsigned depth;
    bool must_vote; /* has just entered a view */
};

struct exhaustive {
    const struct search_options *options;
    struct search_report *report;
    struct visited visited;
    struct node *stack;
    size_t stack_count;
    size_t stack_capacity;
    struct action path[PATH_MAX_LENGTH];
    struct node at;   /* whose successors are being pushed */
    struct node next; /* the successor being made */
    uint64_t expanded;
    double deadline;
    bool incomplete; /* memory or time ran out */
    bool out_of_memory;
    bool red;
};

static int stack_push(struct exhaustive *x, const struct node *node)
{
    if (x->stack_count == x->stack_capacity) {
        size_t capacity = x->stack_capacity == 0 ? 256 : x->stack_capacity * 2;
        struct node *stack = realloc(x->stack, capacity * sizeof *stack);

        if (stack == NULL)
            return -1;
        x->stack = stack;
        x->stack_capacity = capacity;
    }
    x->stack[x->stack_count++] = *node;
    return 0;
}

static void found(struct exhaustive *x, const struct action *last, enum checker_verdict verdict)
{
    struct search_run run = {.actions = x->path, .count = x->at.depth + 1};

    if (x->red)
        return;
    x->red = true;
    search_report_count(x->report, verdict);
    x->path[x->at.depth] = *last;
    model_init(&run.start, &x->options->bounds, 0, 0);
    for (unsigned i = 0; i < x->options->bounds.replicas; i++) {
        run.start.preparation[i].faulty = x->at.model.preparation[i].faulty;
        run.start.confirmation[i].faulty = x->at.model.confirmation[i].faulty;
    }
    if (search_report_keep(x->report, &run, verdict) < 0)
        x->out_of_memory = true;
}

/* A state where P has just entered is on its way to the one with the vote and is not counted by itself. */
static bool is_new(struct exhaustive *x, const struct node *node)
{
    if (node->must_vote)
        return true;
    switch (visited_add(&x->visited, canonical_fingerprint(&node->model))) {
    case VISITED_NEW:
        return true;
    case VISITED_FULL:
        x->incomplete = true;
        return false;
    case VISITED_KNOWN:
        break;
    }
    return false;
}

/* The rules have taken action on next; keeps it if it is worth looking at. */
static void on_taken(struct exhaustive *x, const struct action *action)
{
    struct node *next = &x->next;
    enum checker_verdict verdict = checker_run(&next->model);

    x->report->transitions++;
    if (verdict != CHECKER_GREEN) {
        found(x, action, verdict);
        return;
    }
    next->action = *action;
    next->depth = x->at.depth + 1;
    next->must_vote =
        action->kind == ACTION_ENTER && action->replica != model_primary(&next->model, action->view);
    if (is_new(x, next) && stack_push(x, next) < 0)
        x->out_of_memory = true;
}

/* Most moves are refused and leave next as it is: a copy of the node that is being looked at. */
static void on_move(void *context, const struct action *action)
{
    struct exhaustive *x = context;

    switch (rules_apply(&x->next.model, action)) {
    case RULES_REFUSED:
        break;
    case RULES_STUCK:
        found(x, action, CHECKER_STUCK_SELECTION);
        break;
    case RULES_TAKEN:
        on_taken(x, action);
        x->next.model = x->at.model;
        break;
    }
}

static void expand(struct exhaustive *x)
{
    const struct action *last = &x->at.action;

    x->at = x->stack[--x->stack_count];
    x->next.model = x->at.model;
    x->expanded++;
    if (x->at.depth > 0)
        x->path[x->at.depth - 1] = *last;
    assert(x->at.depth < PATH_MAX_LENGTH - 1);
    model_validate(&x->at.model);
    if (x->at.must_vote)
        moves_votes(&x->at.model, last->replica, last->view, on_move, x);
    else
        moves_each(&x->at.model, on_move, x);
}

static bool is_stopped(struct exhaustive *x)
{
    if (x->options->seconds > 0 && x->expanded % CLOCK_EVERY == 0 && search_clock() > x->deadline)
        x->incomplete = true;
    return x->incomplete || x->out_of_memory || x->red;
}

static void search_placement(struct exhaustive *x, unsigned faulty_p, unsigned faulty_c)
{
    struct node root = {.depth = 0};

    model_init(&root.model, &x->options->bounds, 1u << faulty_p, 1u << faulty_c);
    if (stack_push(x, &root) < 0)
        x->out_of_memory = true;
    while (x->stack_count > 0 && !is_stopped(x))
        expand(x);
    x->stack_count = 0;
}

int exhaustive_run(const struct search_options *options, struct search_report *report)
{
    struct exhaustive *x = calloc(1, sizeof *x);
    unsigned n = options->bounds.replicas;
    double begin = search_clock();

    memset(report, 0, sizeof *report);
    if (x == NULL)
        return -1;
    x->options = options;
    x->report = report;
    x->deadline = begin + options->seconds;
    /* Views at or above n would have primaries over again; index `views`, where it exists, is nobody's primary. */
    for (unsigned p = 0; p < n && p <= options->bounds.views && !is_stopped(x); p++) {
        if (visited_init(&x->visited, options->memory_max_bytes) < 0) {
            x->out_of_memory = true;
            break;
        }
        report->runs++;
        search_placement(x, p, (p + 1) % n);
        report->states += x->visited.count;
        visited_deinit(&x->visited);
    }
    report->exhausted = !x->incomplete && !x->red && !x->out_of_memory;
    report->seconds = search_clock() - begin;
    int result = x->out_of_memory ? -1 : 0;
    free(x->stack);
    free(x);
    return result;
}
