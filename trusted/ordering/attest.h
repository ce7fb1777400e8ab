/*
 * Evidence of what runs where: one call for every kind. Now `software`: a platform key held by the launcher signs measurement
 * and report data; it says no more than that the launcher of that replica says so, and is refused unless the policy
 * names the key.
 */
#ifndef ORDERING_ATTEST_H
#define ORDERING_ATTEST_H

#include "crypto/crypto.h"
#include "wire/messages.h"

enum { EVIDENCE_NONE = 0, EVIDENCE_SOFTWARE = 1 };

#define REPORT_BYTES 64u

struct evidence {
    uint8_t kind;
    uint8_t debug;
    uint16_t version;
    struct digest measurement;
    uint8_t report_data[REPORT_BYTES]; /* digest of what is bound, then the nonce */
    uint8_t proof[SIGNATURE_BYTES];
};

struct attest_policy {
    const uint8_t *software_key;      /* platform key that may vouch; NULL: `software` is refused */
    const struct digest *measurement; /* that it must have */
    bool allow_debug;
};

struct evidence evidence_of(const struct renewal *renewal);

/* What the report data of a compartment's fresh keys must begin with, and the nonce behind it: the number that the
 * RECONFIG builds on, so that old evidence renews nothing, and which attempt it is. */
void attest_bound(const struct tag16 *cluster, replica_id replica, const struct renewal *renewal,
                  configuration_no number, uint64_t attempt, uint8_t report_data[REPORT_BYTES]);

/* ACCEPT, or why not: WRONG_KIND (of evidence), MISMATCH (measurement, debug, report data), BAD_SIGNATURE. */
enum verdict attest_verify(const struct evidence *evidence, const struct attest_policy *policy,
                           const uint8_t report_data[REPORT_BYTES]);

/* The launcher's part: fills evidence fields in. */
void attest_software(struct renewal *renewal, const struct sign_key *platform,
                     const uint8_t report_data[REPORT_BYTES]);

#endif
