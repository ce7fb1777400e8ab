/*
 * Model: what the correct replicas have said, what the faulty ones' counters show, and nothing else.
 *
 *      prepare[v][o]      what leader(v) certified at [v|o]: one value, its counter sees to that, faulty or not
 *      core[w]            what NEW-VIEW(w) says the view begins with: one, for a counter of its own sees to it
 *      replica, correct   its views, its best checkpoint, what it voted, the VIEW-CHANGEs it issued
 *      replica, faulty    its counters. It may have certified what it liked in that order, so what it can show is worked out
 *                         when somebody asks for it (view_change.h), and no message of it is kept
 *
 * There are no messages in flight: what a replica has said, anybody may have seen at any time, or never. Orders count from 1, views
 * from 0 (which all have entered), leader(v) is v mod n. Order o belongs to pillar o mod p, and each pillar has its counter.
 */
#ifndef EXPLORER_HYBSTER_MODEL_H
#define EXPLORER_HYBSTER_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "mutant.h"

enum { REPLICAS_MAX = 5, VIEWS_MAX = 6, ORDERS_MAX = 4, PILLARS_MAX = 2, CORES = 2 };

/* What is ordered: NONE, two proposals that no rule tells apart, and null. */
enum command { COMMAND_NONE, COMMAND_A, COMMAND_B, COMMAND_NULL, COMMAND_END };

struct bounds {
    unsigned replicas;
    unsigned faults;
    unsigned views;
    unsigned orders;
    unsigned pillars;
    unsigned window; /* L */
    unsigned
        renewal;   /* the order whose execution gives a faulty replica fresh counters, a RECONFIG; 0: none */
    bool suspects; /* SUSPECT is modelled; else any correct replica may leave at any time */
    bool nulls;    /* leaders propose null, too */
    enum mutant mutant;
};

struct place { /* a counter's value */
    uint8_t view, order;
};

static inline bool place_below(struct place a, struct place b)
{
    return a.view != b.view ? a.view < b.view : a.order < b.order;
}

/* A VIEW-CHANGE of all pillars, all parts of which agree. */
struct view_change {
    uint8_t made;
    uint8_t from;
    uint8_t base;                  /* which core of it: there is but one, unless by a mutant */
    uint8_t checkpoint;            /* o_C */
    uint8_t shown;                 /* orders whose PREPAREs of `from` it shows, as bits */
    struct place act[PILLARS_MAX]; /* of the certificate of each part */
};

struct core {
    uint8_t made;
    uint8_t from;
    uint8_t least; /* o_min */
    uint8_t top;   /* commands for the orders in (least, top] */
    uint8_t command[ORDERS_MAX + 1];
};

struct replica {
    bool faulty;
    /* correct */
    uint8_t view;                                         /* v_cur */
    uint8_t stable;                                       /* v_stb */
    uint8_t base;                                         /* which core of it */
    uint8_t checkpoint;                                   /* its best */
    uint8_t suspects;                                     /* the highest view that its timer asked for */
    struct view_change view_change[VIEWS_MAX][VIEWS_MAX]; /* [to][from] */
    /* both; of a faulty one: that it voted is known, what for is taken to be the PREPARE */
    uint8_t voted[VIEWS_MAX]; /* orders as bits */
    struct place value[PILLARS_MAX];
    struct place act[PILLARS_MAX];
    struct place act_at[PILLARS_MAX][VIEWS_MAX]; /* when [w|0] was reached or passed */
};

struct model {
    struct bounds bounds;
    uint8_t prepare[VIEWS_MAX][ORDERS_MAX + 1];
    struct core core[VIEWS_MAX][CORES];
    struct replica replica[REPLICAS_MAX + 1]; /* after the last: the faulty one with its fresh counters */
    uint8_t renewed;                          /* whose that is */
};

void model_init(struct model *model, const struct bounds *bounds, unsigned faulty /* bits */);

/* Votes for prepare[view][order]: replicas, and whether a correct one is among them. */
unsigned model_votes(const struct model *model, unsigned view, unsigned order, bool *correct);
/* A command that f+1 voted for at this order, in the lowest such view; NONE. */
enum command model_committed(const struct model *model, unsigned order);
/* The highest checkpoint that somebody can have a certificate of: all orders up to it are committed. */
unsigned model_certified(const struct model *model);

/* Orders in (above, window's end] of one pillar without a gap, as far as `among` has them: bits. */
unsigned model_contiguous(const struct model *model, unsigned pillar, unsigned above, unsigned among);
/* All orders with a PREPARE in this view, as bits. */
unsigned model_prepared(const struct model *model, unsigned view);

/* Replicas, and the incarnation that a RECONFIG named. */
static inline unsigned model_members(const struct model *m)
{
    return m->bounds.replicas + (m->bounds.renewal != 0);
}
static inline unsigned model_identity(const struct model *m, unsigned member)
{
    return member < m->bounds.replicas ? member : m->renewed;
}
/* The last order for which the old counters count: a. */
static inline unsigned model_activation(const struct model *m)
{
    return m->bounds.renewal + m->bounds.window;
}
/* A view is of one configuration: those of the later one are above all of the earlier. */
static inline bool model_is_later(const struct model *m, unsigned view)
{
    return m->bounds.renewal && view >= m->bounds.views - m->bounds.views / 2;
}
/* Does a vote of this member count there? Old counters: in the old views, up to a. Fresh ones: in the later views, above a. */
static inline bool model_counts(const struct model *m, unsigned member, unsigned view, unsigned order)
{
    if (!m->bounds.renewal || model_identity(m, member) != m->renewed)
        return true;
    bool fresh = member == m->bounds.replicas;
    return (order > model_activation(m)) == fresh && model_is_later(m, view) == fresh;
}
static inline bool model_knows(const struct model *m, const struct replica *correct)
{
    return correct->checkpoint >= m->bounds.renewal;
}
static inline unsigned model_leader(const struct model *m, unsigned view)
{
    return view % m->bounds.replicas;
}
static inline unsigned model_quorum(const struct model *m)
{
    return m->bounds.faults + 1;
}
static inline bool model_is(const struct model *m, enum mutant mutant)
{
    return m->bounds.mutant == mutant;
}
static inline unsigned model_pillar(const struct model *m, unsigned order)
{
    return order % m->bounds.pillars;
}
static inline unsigned model_highest(unsigned bits)
{
    unsigned highest = 0;
    for (; bits > 1; bits >>= 1)
        highest++;
    return highest;
}
/* Bits of the orders in (above, upto]. */
static inline unsigned model_between(unsigned above, unsigned upto)
{
    return above >= upto ? 0 : ((2u << upto) - 1) & ~((2u << above) - 1);
}

#endif
