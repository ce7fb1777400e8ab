/*
 * Model: the state of the SplitBFT view change, alone. The project's essay on it is in main.c.
 *
 * What is kept is what correct compartments have said, because on an adversarial network that is what anybody may
 * have seen. Faulty compartments keep no state: a faulty P is counted for every vote and in every PARTING that would
 * help the adversary, and a faulty C's VIEW-CHANGE is made up when a NEW-VIEW needs it. Plain data: a model is copied
 * by assignment.
 */
#ifndef EXPLORER_MODEL_H
#define EXPLORER_MODEL_H

#include "mutant.h"

#include <stdbool.h>
#include <stdint.h>

/* Enough for n = 7; the encoding of states and the odds of a random walk both want small bounds. */
enum { FAULTS_MAX = 2, REPLICAS_MAX = 3 * FAULTS_MAX + 1, SLOTS_MAX = 3, VIEWS_MAX = 6 };

/* Two proposals suffice for a disagreement; NULL is what a NEW-VIEW selects for an unclaimed slot. */
enum digest { DIGEST_NONE, DIGEST_A, DIGEST_B, DIGEST_NULL, DIGEST_END };

struct bounds {
    unsigned faults;
    unsigned replicas; /* 3 * faults + 1, or up to two more */
    unsigned slots;    /* slots are 1..slots, all within one window */
    unsigned views;    /* views are 0..views-1 */
    enum mutant mutant;
};

/* (s,d,v) of a VIEW-CHANGE; s is the place where it stands. digest is DIGEST_NONE where nothing is claimed. */
struct claim {
    uint8_t digest;
    uint8_t view;
};

struct view_change {
    bool sent;
    uint8_t h;
    struct claim claim[SLOTS_MAX + 1];
};

/* selected[s] is set for h < s <= top; slots above top are free for the primary. */
struct new_view {
    bool made;
    uint8_t h;
    uint8_t top;
    uint8_t selected[SLOTS_MAX + 1];
};

/* listed[s][d] is 1 + the latest view in which P voted for d at s, or 0. */
struct parting {
    bool sent;
    uint8_t h;
    uint8_t listed[SLOTS_MAX + 1][DIGEST_END];
};

/* Votes and commits are sets of digests (bit 1 << d), so that a mutant may hold two. */
struct preparation {
    bool faulty;
    uint8_t floor; /* views below are left */
    uint8_t h;
    uint8_t vote[VIEWS_MAX][SLOTS_MAX + 1];
    struct new_view entered[VIEWS_MAX];
    struct parting parting[VIEWS_MAX];
};

struct confirmation {
    bool faulty;
    uint8_t floor;
    uint8_t h;
    uint8_t commit[VIEWS_MAX][SLOTS_MAX + 1];
    struct claim prepared[SLOTS_MAX + 1]; /* of the highest view */
    struct view_change view_change[VIEWS_MAX];
};

/* For the report only: no rule reads it. */
struct tally {
    uint64_t commits;
    uint64_t commits_above_view_0;
    uint64_t new_views;
};

struct model {
    struct bounds bounds;
    struct preparation preparation[REPLICAS_MAX];
    struct confirmation confirmation[REPLICAS_MAX];
    struct new_view made[VIEWS_MAX];  /* by correct primaries, who make one a view */
    uint8_t committed[SLOTS_MAX + 1]; /* the digest that 2f+1 C committed first, or DIGEST_NONE */
    bool conflict;                    /* 2f+1 C committed another one too */
    struct tally tally;
};

/* faulty_p and faulty_c are sets of replicas (bit 1 << i) of `faults` members each. */
void model_init(struct model *model, const struct bounds *bounds, unsigned faulty_p, unsigned faulty_c);

/* Asserts the lemmas that the argument for safety rests on; only the unbroken rules are held to them. */
void model_validate(const struct model *model);

/* The highest slot that may have a checkpoint certificate: all slots up to it are committed. */
unsigned model_certified(const struct model *model);

/* The number of P that voted (view, slot, digest), all faulty ones included. */
unsigned model_votes(const struct model *model, unsigned view, unsigned slot, enum digest digest);

/* The number of correct P with a PARTING that supports the claim. */
unsigned model_support(const struct model *model, unsigned slot, struct claim claim);

static inline unsigned model_primary(const struct model *model, unsigned view)
{
    return view % model->bounds.replicas;
}

static inline unsigned model_quorum(const struct model *model)
{
    return (model->bounds.replicas + model->bounds.faults + 2) / 2; /* two share f+1 */
}

static inline bool model_is(const struct model *model, enum mutant mutant)
{
    return model->bounds.mutant == mutant;
}

#endif
