/*
 * What every compartment does at birth: HELLO with its fresh public keys, then START.
 */
#ifndef ORDERING_HELLO_H
#define ORDERING_HELLO_H

#include "ordering/auth.h"

void hello_emit(struct auth *auth, const struct compartment_config *config, struct outbox *out);

/* Loads a START and checks that it names this very compartment with these keys, or an earlier epoch of it: then this one
 * learns, and has no vote, until a RECONFIG lists it. */
enum verdict start_load(struct configuration *configuration, const struct auth *auth,
                        const struct compartment_config *config, const struct frame *frame);

#endif
