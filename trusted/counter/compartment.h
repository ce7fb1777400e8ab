/*
 * The compartment around TrInX (counter/trinx.h): KIND_COUNTER, N for short. Process `redoubt-counter`; in-line in the simulator.
 *
 *   init   draws its keys: HELLO, as every compartment
 *   COUNTER-KEY (wire/counter_key.h)   from the administrator: begins the counters, once
 *   LOCAL-COUNT (wire/counter_ask.h)   from its host: certificates, verifications, signatures; answered by LOCAL-COUNTED
 *
 * It knows no configuration, no view and no quorum. What a host does with it can only be liveness.
 */
#ifndef COUNTER_COMPARTMENT_H
#define COUNTER_COMPARTMENT_H

#include "base/compartment.h"
#include "counter/trinx.h"
#include "ordering/content.h"
#include "wire/frame.h"

/* What N signs when its host asks for a digest signed: the content of a frame of type COUNTER-SIGNED from it, whose body is that
 * digest. Who has its signing key from the configuration checks with auth_signature_ok. */
void counter_signed_content(const struct tag16 *cluster, replica_id replica, epoch_no epoch,
                            const struct digest *digest, struct digest *content);

#endif
