/*
 * The configuration in force: a START manifest, checked and unpacked for look-up. Whoever holds one (compartment, host,
 * client) got it by configuration_load, so it is signed by the administrator and consistent.
 */
#ifndef ORDERING_CONFIGURATION_H
#define ORDERING_CONFIGURATION_H

#include "base/limits.h"
#include "wire/messages.h"

enum { MEMBER_KINDS = 4 }; /* host, P, C, E */

struct member_keys {
    bool present;
    epoch_no epoch;
    uint8_t sign_public[32];
    uint8_t box_public[32];
    struct digest head; /* of its records, at a resume */
};

struct retired_keys {
    replica_id replica;
    epoch_no epoch;
    uint8_t sign_public[32];
};

struct origin_keys {
    bool present;
    uint32_t access;
    uint8_t sign_public[32];
    uint8_t box_public[32];
};

struct configuration {
    struct tag16 cluster;
    configuration_no number;
    configuration_no base; /* of the ordered state: what CHECKPOINTs name; resumes do not raise it */
    uint64_t resumed;      /* STARTs since the founding */
    view_no view;          /* first one, entered by NEW-VIEW; 0: at the founding */
    unsigned protocol;
    uint32_t faults;
    uint32_t replicas;
    uint32_t write_quorum;    /* equal replies that complete an operation */
    uint32_t read_quorum;     /* equal answers that complete an unordered read; 0: not allowed */
    uint64_t view_timeout_us; /* P refuses batch times that lag its clock by more */
    uint8_t group_public[32];
    struct member_keys member[MEMBER_KINDS][REPLICAS_MAX];
    struct origin_keys origin[ORIGINS_MAX];
    uint32_t origins;                         /* numbers below this may be present */
    struct retired_keys retired[RETIRED_MAX]; /* E of earlier STARTs */
    uint32_t retired_count;
};

/* Checks signature, sizes, quorums and completeness. On anything but VERDICT_ACCEPT the configuration is unusable. */
enum verdict configuration_load(struct configuration *configuration, const struct frame *start,
                                const uint8_t admin_public[32]);

/* Content digest of a START (it names the cluster itself, so it is made with an all-zero cluster id). */
void configuration_content(const struct frame *start, struct digest *content);

/* The keys of a sender whose epoch is the one in force; NULL otherwise. */
const struct member_keys *configuration_member(const struct configuration *configuration,
                                               const struct sender *sender);

/* The signing key of an Execution compartment, of this START or of an earlier one; NULL when there is none. */
const uint8_t *configuration_execution_key(const struct configuration *configuration, replica_id replica,
                                           epoch_no epoch);

static inline uint32_t quorum_vote(const struct configuration *c)
{
    return 2 * c->faults + 1;
}
static inline uint32_t quorum_one_correct(const struct configuration *c)
{
    return c->faults + 1;
}
static inline replica_id primary_of(const struct configuration *c, view_no view)
{
    return (replica_id)(view % c->replicas);
}

#endif
