/*
 * RECONFIG: fresh keys for compartments of one replica, under higher epochs, and of its host: link key, platform key,
 * addresses. Ordered like a bundle (of the reserved origin
 * ORIGIN_RECONFIG, with the configuration number that it builds on as its epoch, number 1) and executed by E; it takes
 * effect above the activation slot. Naming the number that it builds on makes every repetition a no-op.
 *
 * Everything that its validity rests on stands in the body, so whoever has the same digest comes to the same verdict: the
 * administrator's signature, or (no signature) for every member evidence from the platform key of that replica. What is
 * about a host only the administrator may sign.
 */
#ifndef WIRE_RECONFIG_H
#define WIRE_RECONFIG_H

#include "base/limits.h"
#include "wire/frame.h"

/* `attempt`: one that was executed in vain (too many were pending) is not the next one. */
#define RECONFIG_FIELDS(F)                                                                                   \
    F(u64, configuration)                                                                                    \
    F(u32, replica)                                                                                          \
    F(u64, attempt) F(slice, members) F(slice, peer) F(slice, client) F(u32, size) F(slice, signature)
WIRE_STRUCT(reconfig, RECONFIG_FIELDS)

/*
 * Fresh keys of one compartment, and the evidence for them (see ordering/attest.h). Of a host: the link key, and in place of the
 * box key the platform key (all zero: it stays); `peer` and `client` are its new addresses, "HOST:PORT" (empty: they stay).
 */
#define RENEWAL_FIELDS(F)                                                                                    \
    F(u32, kind)                                                                                             \
    F(u64, epoch)                                                                                            \
    F(key, sign_public)                                                                                      \
    F(key, box_public)                                                                                       \
    F(u8, evidence)                                                                                          \
    F(u8, debug) F(u16, version) F(digest, measurement) F(signature, report_data) F(signature, proof)
WIRE_STRUCT(renewal, RENEWAL_FIELDS)
WIRE_LIST(renewal, RENEWAL_FIELDS)

#define RENEWALS_MAX       4u
#define ADDRESS_BYTES_MAX  100u
#define RECONFIG_BYTES_MAX 1280u /* of the body */
#define RECONFIG_BUNDLE_NO 1u

/* What the administrator signs: cluster and body up to the signature. */
#define RECONFIG_TAG "redoubt reconfig"

/*
 * A RECONFIG whose `size` is not 0 is a CLOSE: above its activation slot nothing is executed any more, so that a START can go on
 * from the checkpoint there with `size` replicas. It names nothing else, and only the administrator may sign one.
 */

/* On the message alone: host and compartments, one at least, each once and in this order; a host only with a signature; or
 * a size and nothing else. */
enum verdict reconfig_check(const struct frame *frame, struct reconfig *reconfig);
enum verdict reconfig_body_check(struct slice body, struct reconfig *reconfig);

#endif
