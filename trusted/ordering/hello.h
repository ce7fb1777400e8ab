/*
 * What every compartment does at birth: HELLO with its fresh public keys, then START.
 */
#ifndef ORDERING_HELLO_H
#define ORDERING_HELLO_H

#include "ordering/auth.h"

/* What a compartment shows of its earlier life; all zero: it has none. */
struct hello_head {
    view_no view;
    slot_no slot;
    slot_no stable;
    struct digest head;
};

void hello_say(struct outbox *out, const struct sender *self, const struct sign_key *sign,
               const uint8_t box_public[32], const uint8_t admin_public[32], const struct hello_head *head);
static inline void hello_emit(const struct auth *auth, const struct compartment_config *config,
                              const struct hello_head *head, struct outbox *out)
{
    hello_say(out, &auth->self, &auth->sign, auth->box.public, config->admin_public, head);
}

/* Loads a START and checks that it names this very compartment with these keys, and the log head that it showed; or an
 * earlier epoch of it: then this one learns, and has no vote, until a RECONFIG lists it. */
enum verdict start_load(struct configuration *configuration, const struct auth *auth,
                        const struct compartment_config *config, const struct digest *head,
                        const struct frame *frame);

#endif
