/*
 * The stable checkpoint of one compartment: collects CHECKPOINTs of distinct E and says when 2f+1 agree. Each
 * compartment keeps its own; nobody believes another's word for it.
 *
 * Bounded: the last few checkpoints of every E, by slot; a faulty E can push out only its own.
 */
#ifndef ORDERING_STABLE_H
#define ORDERING_STABLE_H

#include "ordering/auth.h"

#define STABLE_CANDIDATES                                                                                    \
    4u /* window / interval, and two ahead: what an E may sign before we see the first stable */

struct stable_candidate {
    slot_no slot; /* 0: none */
    struct digest root;
    configuration_no configuration;
    struct digest chain;
    epoch_no epoch;
    uint8_t signature[SIGNATURE_BYTES];
};

/* A certificate: the slot up to which everything is settled. Slot 0 (the beginning) needs no signers, nor does the
 * checkpoint that a cluster was closed at before it got another size. */
struct certificate {
    slot_no slot;
    struct digest root;
    configuration_no number;            /* of the configuration that its signers name */
    uint8_t signers[REPLICAS_MAX * 84]; /* list of struct signer */
    size_t signers_len;
};

struct stable {
    struct certificate certificate;
    struct stable_candidate candidate[REPLICAS_MAX][STABLE_CANDIDATES];
};

void stable_init(struct stable *stable);

/* Adds a CHECKPOINT frame (checks message and signature, by the epoch in force at its slot). One of a configuration that is
 * not held yet is EARLY. *advanced says whether the certificate rose. */
enum verdict stable_add(struct stable *stable, const struct auth *auth, const struct frame *frame,
                        bool *advanced);

/* Checks a certificate that came inside another message: 2f+1 E in force at its slot, all naming the same configuration,
 * which is held here (EARLY: not yet). */
enum verdict certificate_check(const struct configuration *configuration, slot_no slot,
                               const struct digest *root, struct slice signers);
/* Did `need` distinct E in force at `slot` sign this, naming `number` with that chain digest? */
enum verdict signers_check(const struct configuration *configuration, slot_no slot, const struct digest *root,
                           struct slice signers, configuration_no number, const struct digest *chain,
                           uint32_t need);
/* A CHECKPOINT signed by at least `need` E that names a higher number; false when there is none. f+1: a correct E executed
 * the RECONFIGs that led there. */
bool stable_shows_number(const struct stable *stable, configuration_no above, uint32_t need,
                         struct certificate *shown);
/* Takes over what START says the cluster was closed at, if it is higher; true when it was. */
bool stable_begin(struct stable *stable, const struct configuration *configuration);
/* Takes over a checked certificate if it is higher; true when it was. */
bool stable_adopt(struct stable *stable, slot_no slot, const struct digest *root, struct slice signers);

static inline struct slice certificate_signers(const struct certificate *c)
{
    return (struct slice){c->signers, c->signers_len};
}

/* The root that at least `need` E signed for a slot; false when there is none. f+1: a correct E has that state. */
bool stable_vouched(const struct stable *stable, slot_no slot, uint32_t need, struct digest *root);

/* Within (h, h+L]? Below: STALE, above: EARLY. */
enum verdict window_check(slot_no stable_slot, slot_no slot);

#endif
