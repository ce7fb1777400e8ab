/*
 * What all Troxies have, whatever lies behind their access: the front, its certificate, and what they tell their host.
 */
#ifndef TROXY_RECEPTION_H
#define TROXY_RECEPTION_H

#include "crypto/crypto.h"
#include "troxy/front.h"

/* What a Troxy starts with. `settings` points into memory that stays; the keys are the caller's to wipe. */
struct troxy_start {
    struct front_settings settings;
    struct tls_server *tls; /* NULL: no secure listeners */
    const struct service_front *front;
    const struct access_source *source; /* standalone_type: what lies behind it; NULL: the service */
    struct sign_key sign;               /* of its origin */
    struct box_key box;
};

struct reception {
    struct front front; /* first: an outcome's context */
    struct tls_server *tls;
    struct conversation_user users[FRONT_USERS_MAX];
    struct local_front told;
    uint64_t told_us;
    uint64_t wakes_us; /* the host was asked to wake it then */
    uint8_t taken;     /* what became of the last certificate */
};

/* False when the list of users is none. */
bool reception_init(struct reception *reception, struct arena *arena, const struct troxy_start *start,
                    const struct access *access, replica_id replica);
enum verdict reception_on_frame(struct reception *reception, const struct frame *frame, uint64_t now_us,
                                struct outbox *out);
/* Tells the host when to wake it (`next_us`: what the access wants), and how it is. */
void reception_tell(struct reception *reception, uint64_t now_us, uint64_t next_us, bool listed,
                    struct outbox *out);

#endif
