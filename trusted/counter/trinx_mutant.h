/*
 * Seeded bugs of the trusted counters, compiled into test builds only: test/unit/sim_test_trinx_model.c must find each. Apart from
 * ordering/mutant.h, whose mutants the simulator must find by what replicas do.
 */
#ifndef COUNTER_TRINX_MUTANT_H
#define COUNTER_TRINX_MUTANT_H

#include "counter/trinx.h"

/* The first ten: the MAC does not cover that. */
#define TRINX_MUTANTS(M)                                                                                     \
    M(KIND_NOT_COVERED)                                                                                      \
    M(REPLICA_NOT_COVERED)                                                                                   \
    M(PILLAR_NOT_COVERED)                                                                                    \
    M(EPOCH_NOT_COVERED)                                                                                     \
    M(LIFE_NOT_COVERED)                                                                                      \
    M(COUNTER_NOT_COVERED)                                                                                   \
    M(VALUE_NOT_COVERED)                                                                                     \
    M(PREVIOUS_NOT_COVERED)                                                                                  \
    M(ACT_NOT_COVERED)                                                                                       \
    M(DIGEST_NOT_COVERED)                                                                                    \
    M(CLUSTER_NOT_COVERED)                                                                                   \
    M(EQUAL_VALUE_AGAIN) /* Independent takes the value that the counter has */                              \
    M(LOWER_VALUE)       /* ... any value */                                                                 \
    M(LOWER_VIEW)        /* values are compared by order alone */                                            \
    M(LOWER_ORDER)       /* ... by view, and orders count as rising */                                       \
    M(CONTINUING_BACK)   /* Continuing lowers the counter */                                                 \
    M(CONTINUING_STAYS)  /* Continuing leaves the counter where it was */                                    \
    M(INDEPENDENT_STAYS) /* Independent leaves the counter where it was */                                   \
    M(ACT_FORGOTTEN)     /* Continuing sets `act` too */                                                     \
    M(ACT_NOT_SET)       /* Independent does not set it */                                                   \
    M(PREVIOUS_IS_ACT)   /* Continuing shows the last Independent value as previous */                       \
    M(ONE_COUNTER)       /* all counters of a pillar are one: refuses what should be taken */                \
    M(OVERFLOW_TAKEN)    /* the last value is given */                                                       \
    M(REFUSED_BUT_MADE)  /* a refused command gets its certificate */                                        \
    M(REFUSED_BUT_MOVED) /* ... moves its counter */                                                         \
    M(BEGUN_AGAIN)       /* a second COUNTER-KEY begins the counters anew */                                 \
    M(ANY_INCARNATION)   /* a COUNTER-KEY for another epoch or box key is taken */                           \
    M(ANY_SIGNER)        /* ... one that the administrator did not sign */                                   \
    M(ANY_MAC)           /* verification takes anything */

enum trinx_mutant {
    TRINX_MUTANT_NONE,
#define M(name) TRINX_MUTANT_##name,
    TRINX_MUTANTS(M)
#undef M
        TRINX_MUTANT_COUNT
};

#ifdef REDOUBT_MUTANTS
extern enum trinx_mutant trinx_mutant_on;
static inline bool trinx_mutant(enum trinx_mutant which)
{
    return trinx_mutant_on == which;
}
/* Before it is encoded: takes out what the MAC is not to cover. */
static inline void trinx_mutant_drop(struct trinx_certificate *c, struct digest *digest)
{
    switch (trinx_mutant_on) {
    case TRINX_MUTANT_KIND_NOT_COVERED:
        c->kind = TRINX_MAC;
        break;
    case TRINX_MUTANT_REPLICA_NOT_COVERED:
        c->instance.replica = 0;
        break;
    case TRINX_MUTANT_PILLAR_NOT_COVERED:
        c->instance.pillar = 0;
        break;
    case TRINX_MUTANT_EPOCH_NOT_COVERED:
        c->instance.epoch = 0;
        break;
    case TRINX_MUTANT_LIFE_NOT_COVERED:
        memset(&c->instance.life, 0, sizeof c->instance.life);
        break;
    case TRINX_MUTANT_COUNTER_NOT_COVERED:
        c->counter = 0;
        break;
    case TRINX_MUTANT_VALUE_NOT_COVERED:
        c->value = (struct trinx_value){0, 0};
        break;
    case TRINX_MUTANT_PREVIOUS_NOT_COVERED:
        c->previous = (struct trinx_value){0, 0};
        break;
    case TRINX_MUTANT_ACT_NOT_COVERED:
        c->act = (struct trinx_value){0, 0};
        break;
    case TRINX_MUTANT_DIGEST_NOT_COVERED:
        memset(digest, 0, sizeof *digest);
        break;
    default:
        break;
    }
}
static inline bool trinx_mutant_low(const struct trinx_command *command, int above, bool low)
{
    if (command->kind == TRINX_CONTINUING)
        return low && !trinx_mutant(TRINX_MUTANT_CONTINUING_BACK);
    if (trinx_mutant(TRINX_MUTANT_EQUAL_VALUE_AGAIN))
        return above < 0;
    return low && !trinx_mutant(TRINX_MUTANT_LOWER_VALUE);
}
static inline void trinx_mutant_refused(struct trinx_counter *counter, const struct trinx_command *command)
{
    if (trinx_mutant(TRINX_MUTANT_REFUSED_BUT_MOVED))
        counter->value = command->value;
}
static inline void trinx_mutant_moved(struct trinx_counter *counter, const struct trinx_counter *before,
                                      const struct trinx_command *command, struct trinx_certificate *c)
{
    bool independent = command->kind == TRINX_INDEPENDENT;
    if (trinx_mutant(independent ? TRINX_MUTANT_INDEPENDENT_STAYS : TRINX_MUTANT_CONTINUING_STAYS))
        counter->value = before->value;
    if (independent && trinx_mutant(TRINX_MUTANT_ACT_NOT_SET))
        counter->act = before->act;
    if (!independent && trinx_mutant(TRINX_MUTANT_ACT_FORGOTTEN))
        counter->act = command->value;
    if (!independent && trinx_mutant(TRINX_MUTANT_PREVIOUS_IS_ACT))
        c->previous = before->act;
}
#else
#define trinx_mutant(which)                                       false /* a constant, so that no branch is left of it */
#define trinx_mutant_drop(certificate, digest)                    (void)0
#define trinx_mutant_low(command, above, low)                     (low)
#define trinx_mutant_refused(counter, command)                    (void)0
#define trinx_mutant_moved(counter, before, command, certificate) (void)0
#endif

#endif
