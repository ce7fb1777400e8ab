/*
 * The configuration: a START manifest, checked and unpacked for look-up, and what RECONFIGs made of it since. Whoever
 * holds one (compartment, host, client) got it by configuration_load, so it is signed by the administrator and consistent.
 *
 * Epochs have slots. A RECONFIG executed at slot r raises the configuration *number* and takes effect for slots above
 * a = the first checkpoint slot at or after r + L: for slots up to a only the earlier incarnation counts, above a only the
 * new one. Everything follows from START and the list of (RECONFIG, slot); the *chain digest* over that list is what
 * CHECKPOINTs carry, so 2f+1 of them vouch for a configuration with all its pending changes.
 *
 *   Why L: who votes at a slot s > a has a stable checkpoint h >= s - L > r, whose certificate names the new number, and nobody
 *   takes a certificate of a number that it does not hold (configuration_chain fails). So nobody counts the earlier
 *   incarnation above a, nor the new one up to a.
 *
 * A resume (durability sync, wire/start.h) raises the number too, but not what the ordered state knows: steps, RECONFIGs,
 * CHECKPOINTs and certificates name `number - resumed`. What a RECONFIG comes to depends on the ordered state alone (`ordered`,
 * `step`), so whoever executes it after a resume comes to what those came to who did so before; the keys that START names are later
 * than the ones that such a RECONFIG names, and stay.
 *
 * A CLOSE (wire/reconfig.h) is a RECONFIG too: above its activation slot nothing is proposed, voted for or executed, until a START goes
 * on from the checkpoint there with another number of replicas. While it is the last number, no other RECONFIG is ordered.
 *
 * Bounded: EPOCHS_KEPT earlier incarnations of a member (for certificates that old E signed), STEPS_KEPT numbers.
 */
#ifndef ORDERING_CONFIGURATION_H
#define ORDERING_CONFIGURATION_H

#include "base/limits.h"
#include "ordering/mutant.h"
#include "wire/messages.h"

enum { MEMBER_KINDS = 4 }; /* host, P, C, E; with hybster host, orderer (in P's row), counter, E */

/* The row of a kind. Hybster has no Confirmation; its counter compartment stands there. */
static inline unsigned member_row(enum kind kind)
{
    return kind == KIND_COUNTER ? (unsigned)(KIND_CONFIRMATION - KIND_HOST) : (unsigned)(kind - KIND_HOST);
}

#define EPOCHS_KEPT 3u
#define STEPS_KEPT  32u

/* So far may an epoch lie above the one before it, on a launcher's word: from 1 to the time in microseconds, for some centuries. Without
 * an end to it a host could take an epoch that nothing comes after, and its replica could never be replaced. */
#define EPOCH_STEP_MAX (1ull << 53)

struct member_keys {
    bool present;
    epoch_no epoch;
    slot_no after;          /* in force for slots above */
    configuration_no since; /* of the ordered state: its RECONFIG made that number; 0: named by START */
    uint8_t sign_public[32];
    uint8_t box_public[32];
    struct digest measurement;
    struct digest head; /* of its records, at a resume */
};

/* What the ordered state knows of a compartment: what the last RECONFIG named (or the founding). Of a host: in place of the
 * measurement its platform key. */
struct ordered_keys {
    epoch_no epoch;
    slot_no after; /* its activation slot */
    struct digest measurement;
};

/* An E of before the last resume; its signature counts in (after, until]. */
struct retired_keys {
    replica_id replica;
    epoch_no epoch;
    slot_no after, until;
    uint8_t sign_public[32];
};

struct origin_keys {
    bool present;
    uint32_t access;
    uint8_t sign_public[32];
    uint8_t box_public[32];
};

/* A replica's host: what its links and clients go by. Liveness only; but its platform key (below) renews compartments. */
struct host_keys {
    epoch_no epoch; /* one higher with each change */
    bool rotated;   /* the link key alone changed: until the new one is met, the one before will do */
    uint8_t link_public[32];
    uint8_t link_before[32];
    epoch_no before[MEMBER_KINDS]; /* epochs up to these ran on a machine that was replaced since; 0: none */
    char peer[ADDRESS_BYTES_MAX + 1]; /* "HOST:PORT"; empty: it never changed */
    char client[ADDRESS_BYTES_MAX + 1];
};

/* How a number came about. The first is START's, at slot 0. */
struct configuration_step {
    configuration_no number; /* of the ordered state; 0: unused */
    slot_no slot;            /* of the RECONFIG */
    slot_no activation;
    struct digest chain;
    uint32_t size; /* of a CLOSE; else 0 */
};

struct configuration {
    struct tag16 cluster;
    configuration_no number; /* the highest known: START's, and what RECONFIGs added */
    uint64_t resumed; /* STARTs since the founding; `number - resumed` is what the ordered state knows */
    view_no view;     /* first one, entered by NEW-VIEW; 0: at the founding */
    bool fixed;       /* no RECONFIG can be ordered: START names no platform */
    unsigned protocol;
    uint32_t faults;
    uint32_t replicas;
    uint32_t write_quorum; /* equal replies that complete an operation */
    uint32_t read_quorum;  /* equal answers that complete an unordered read; 0: not allowed */
    bool
        certifies; /* hybster with fast reads: replies count with the certificate of their Troxy, whose key is here */
    uint8_t certifier[REPLICAS_MAX][32];
    uint64_t view_timeout_us; /* P refuses batch times that lag its clock by more */
    uint8_t admin_public[32];
    uint8_t group_public[32];
    struct member_keys member[MEMBER_KINDS][REPLICAS_MAX]; /* the latest known ... */
    struct member_keys earlier[MEMBER_KINDS][REPLICAS_MAX]
                              [EPOCHS_KEPT]; /* ... and those before it, latest first */
    struct ordered_keys ordered[MEMBER_KINDS][REPLICAS_MAX];
    struct configuration_step step[STEPS_KEPT]; /* by number modulo */
    struct host_keys host[REPLICAS_MAX];
    struct {
        bool present;
        uint8_t public[32];
    } platform[REPLICAS_MAX];
    struct origin_keys origin[ORIGINS_MAX];
    uint32_t origins;                         /* numbers below this may be present */
    struct retired_keys retired[RETIRED_MAX]; /* E of earlier STARTs */
    uint32_t retired_count;
    slot_no
        closed_slot; /* of the last change of size: what was before ended with this checkpoint; 0: there was none */
    struct digest closed_root;
    uint64_t closed_life; /* value of `resumed` in the START that made it */
    bool restored;        /* the cluster began with the state that `genesis` names */
    struct genesis genesis;
};

/* Checks signature, sizes, quorums and completeness. On anything but VERDICT_ACCEPT the configuration is unusable. */
enum verdict configuration_load(struct configuration *configuration, const struct frame *start,
                                const uint8_t admin_public[32]);

/* Content digest of a START (it names the cluster itself, so it is made with an all-zero cluster id). */
void configuration_content(const struct frame *start, struct digest *content);

/* The keys of a sender that is the latest known incarnation; NULL otherwise. */
const struct member_keys *configuration_member(const struct configuration *configuration,
                                               const struct sender *sender);
/* The keys of a sender whose epoch is the one in force at `slot`; NULL otherwise. */
const struct member_keys *configuration_member_at(const struct configuration *configuration,
                                                  const struct sender *sender, slot_no slot);
/* ... of any incarnation that is still listed. */
const struct member_keys *configuration_member_ever(const struct configuration *configuration,
                                                    const struct sender *sender);

/*
 * Views of Hybster are of one configuration each: those of number c are (c - 1) * 2^32 and above, so that all views of a later configuration
 * are above those of an earlier one. (There is no room for the number beyond 2^32; there are not so many changes.)
 */
static inline configuration_no view_configuration(view_no view)
{
    return (view >> 32) + 1;
}
/* The first view of the highest number known. */
view_no configuration_view(const struct configuration *configuration);
/*
 * The counter compartment of a replica that counts in a view: fresh ones do in views of the configuration that named them and later ones,
 * for slots above their activation slot; those that they replace in earlier views, for slots up to there. NULL: it is not listed
 * any more. *until: the last slot that it counts for.
 */
const struct member_keys *configuration_counter(const struct configuration *configuration, replica_id replica,
                                                view_no view, slot_no *until);

/* The number that an E that executed `slot` and nothing above has reached. */
configuration_no configuration_number_at(const struct configuration *configuration, slot_no slot);
/* What the ordered state knows: without resumes. */
static inline configuration_no configuration_ordered(const struct configuration *c)
{
    return c->number - c->resumed;
}

/* How a number came about; NULL when it is not known (yet, or any more). */
const struct configuration_step *configuration_step(const struct configuration *configuration,
                                                    configuration_no number);

/* The activation slot of a RECONFIG executed at `slot`. */
slot_no activation_slot(slot_no slot);

/* The highest activation slot of changes known: pending while nothing at or above it is stable. 0: there never was one. */
slot_no configuration_activation(const struct configuration *configuration);

/* The slot at which the cluster closes, to go on with another size: nothing lies above it. UINT64_MAX: it does not close. */
static inline slot_no configuration_closes(const struct configuration *c)
{
    const struct configuration_step *last = configuration_step(c, configuration_ordered(c));
    return last && last->size && last->activation > c->closed_slot ? last->activation : UINT64_MAX;
}
/* What P, C and E go by. */
static inline slot_no configuration_last_slot(const struct configuration *c)
{
    return mutant(MUTANT_CLOSE_IGNORED) ? UINT64_MAX : configuration_closes(c);
}
/* Does this START change the size? */
static inline bool configuration_resizes(const struct configuration *c)
{
    return c->closed_slot && c->closed_life == c->resumed;
}
/* Where no certificate is needed: slot 0, and the checkpoint that START says the cluster was closed at. */
static inline bool configuration_begins(const struct configuration *c, slot_no slot,
                                        const struct digest *root)
{
    return slot == 0 || (slot == c->closed_slot && digest_equal(root, &c->closed_root));
}

/* May this RECONFIG be ordered? Authority, evidence and epochs, by what the ordered state knows; not whether its time has come. */
enum verdict reconfig_admissible(const struct configuration *configuration, const struct reconfig *reconfig);

/*
 * Executes a RECONFIG at `slot`, whose number builds on the one reached just below: ACCEPT when the number rose. Not more than
 * f members of a kind are pending (their activation slot not passed yet), no member twice, one RECONFIG a slot.
 */
enum verdict configuration_reconfigure(struct configuration *configuration, const struct reconfig *reconfig,
                                       struct slice body, slot_no slot);

/*
 * Walks on along a CONFIGURATION: DUPLICATE when it says nothing new, EARLY when something between is missing. f+1 E
 * vouch for it, so a correct one executed those RECONFIGs; that is final. (2f+1 would be a stable checkpoint, and could be
 * out of reach: the E that is missing may lag, and be unable to believe any later state before it knows the configuration.)
 */
enum verdict configuration_follow(struct configuration *configuration, const struct frame *frame);

/*
 * Does this CONFIGURATION show that the cluster is closed: its last step is the CLOSE that is held, and f+1 E signed the checkpoint
 * at the slot where it closes? Says which; f+1, for then a correct E has that state, and it cannot be another one's.
 */
bool configuration_closed(const struct configuration *configuration, const struct frame *frame, slot_no *slot,
                          struct digest *root);

/* Walks on along steps that are known to be right: executed, or vouched for. `known`: as configuration_follow makes it. */
void configuration_walk(struct configuration *configuration, const struct chain *known);

/* The ordered state as START lists it, and back: false when it is inconsistent. Room: CONFIGURATION_STEPS_BYTES and _ORDERED_BYTES. */
#define CONFIGURATION_STEPS_BYTES   (STEPS_KEPT * known_step_BYTES)
#define CONFIGURATION_ORDERED_BYTES (MEMBER_KINDS * REPLICAS_MAX * ordered_member_BYTES)
void configuration_put_ordered(const struct configuration *configuration, struct writer *steps,
                               struct writer *ordered);
bool configuration_set_ordered(struct configuration *configuration, struct slice steps, struct slice ordered);

/* Do both know the same of the numbers that both know? */
bool configuration_agrees(const struct configuration *a, const struct configuration *b);

/* The signing key of an Execution compartment of before the last resume, if it counts at this slot; NULL when there is none. */
const uint8_t *configuration_retired_key(const struct configuration *configuration, replica_id replica,
                                         epoch_no epoch, slot_no slot);

/* f of n: the most that n replicas tolerate. */
static inline uint32_t faults_of(uint32_t replicas)
{
    return (replicas - 1) / 3;
}
/* Any two sets of so many share f+1, so a correct one; and n - f are so many. With n = 3f+1 it is 2f+1. */
static inline uint32_t quorum_of(uint32_t replicas)
{
    return (replicas + faults_of(replicas) + 2) / 2;
}
/* With hybster: of n replicas fewer than half, and any two quorums share one; which may be faulty, but its counter is not. */
static inline uint32_t faults_with(unsigned protocol, uint32_t replicas)
{
    return protocol == PROTOCOL_HYBSTER ? (replicas - 1) / 2 : faults_of(replicas);
}
static inline uint32_t quorum_with(unsigned protocol, uint32_t replicas)
{
    return protocol == PROTOCOL_HYBSTER ? replicas / 2 + 1 : quorum_of(replicas);
}
static inline uint32_t quorum_vote(const struct configuration *c)
{
    return quorum_with(c->protocol, c->replicas);
}
/* Are those compartments of a replica that decide and execute one fault domain, with one pair of keys? */
static inline bool one_domain_with(unsigned protocol)
{
    return protocol != PROTOCOL_SPLITBFT;
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
