/*
 * A replica that comes back: the launcher's platform key, and the RECONFIG by which its fresh compartments are admitted again.
 *
 *   DIR/replica-N/platform.key   0600, 32 bytes: Ed25519 seed; drawn at the first start. Its public half stands in the manifest.
 *                                Who has it can renew the compartments of that replica, and nothing else.
 */
#ifndef HOST_REJOIN_H
#define HOST_REJOIN_H

#include "replica.h"

/* Reads the platform key; draws it when there is none. */
int platform_key_open(struct sign_key *key, const char *dir, replica_id replica, struct error *error);

/* The RECONFIG that is due now (a frame in `out`, of RECONFIG_BYTES_MAX + 64 bytes); 0: none. To be asked every second. */
size_t rejoin_due(struct replica *r, uint8_t *out);

#endif
