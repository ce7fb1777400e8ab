/*
 * What the platform of a replica keeps for it, as far as software can: one secret, from which two keys come.
 *
 *   DIR/replica-N/platform.key   0600, 32 bytes; drawn at the first start
 *
 *   attestation   vouches for the replica's compartments when they start anew; its public half stands in the manifest. Who has
 *                 it can renew the compartments of that replica, and nothing else.
 *   sealing       what the compartments' sealing keys are made from, handed over before the lock-down
 */
#ifndef HOST_PLATFORM_H
#define HOST_PLATFORM_H

#include "base/types.h"
#include "crypto/crypto.h"
#include "error.h"

struct platform_keys {
    struct sign_key attestation;
    struct secret_key sealing;
};

/* The keys of a secret as it stands in the file; false when it is none. */
bool platform_keys_of(struct platform_keys *keys, const uint8_t *secret, size_t len);

/* Reads the secret and makes the keys. When there is none it is drawn; or, when a log is `sealed` with it, that is an error. */
int platform_keys_open(struct platform_keys *keys, const char *dir, replica_id replica, bool sealed,
                       struct error *error);

#endif
