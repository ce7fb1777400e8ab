/*
 * BLAKE2b (RFC 7693) of eight messages at once, for processors with vectors of 512 bits: one message in each lane. Bit for bit what
 * the library computes; it is here because the library has one lane only, and digests of a large state are most of what a
 * checkpoint costs (docs/PERFORMANCE.md).
 */
#ifndef CRYPTO_LANES_H
#define CRYPTO_LANES_H

#include "base/types.h"

#define LANES     8u
#define LANES_PAY 3u /* so many messages cost less together than one after the other */

/* Whether this processor can. */
bool lanes_supported(void);
/* Digests of 32 bytes without a key, `salt` and `personal` of 16 bytes. Only where lanes_supported(). */
void lanes_digest(struct digest out[LANES], const struct slice in[LANES], const uint8_t salt[16],
                  const uint8_t personal[16]);

#endif
