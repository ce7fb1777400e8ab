/*
 * Admission: which bundles and RECONFIGs may be ordered. A bundle counts as sent by its origin when the MAC meant for this receiver
 * verifies, or the origin's signature does; a RECONFIG by its signature or evidence. Bundles are looked at without their
 * operations; their digest covers them. Kept by whoever numbers: P, and Hybster's orderer.
 *
 * Bounded: each origin has room for its last BUNDLE_WINDOW bundle numbers of two epochs, and can push out only its own.
 */
#ifndef ORDERING_ADMISSION_H
#define ORDERING_ADMISSION_H

#include "ordering/auth.h"

struct admitted_bundle {
    uint64_t bundle_no;
    struct digest bundle;
};

/* Of one origin: its two highest epochs, so that what is under way outlives a restart of the client, and replays of older
 * incarnations push nothing out. */
struct admitted_origin {
    epoch_no epoch[2]; /* highest first; 0: none */
    struct admitted_bundle bundle[2][BUNDLE_WINDOW];
};

/* The last admissible RECONFIG of each replica's launcher, and the administrator's last ones: no launcher displaces those. More than
 * one, for whoever tried again must not keep backups from the attempt that the primary proposes. */
#define ADMIN_RECONFIGS 64u /* a batch may list them all; he signs one every few seconds */
struct admitted_reconfig {
    configuration_no number; /* 0: none */
    struct digest digest;
};

/* A launcher's RECONFIG is admitted up to so many changes after START: whoever starts anew walks through all of them, and hosts keep
 * no more. Without it one launcher could fill what every other host keeps. The administrator's are always admitted. */
#define LAUNCHER_CHANGES_MAX 256u

struct admission {
    struct auth *auth;              /* with room for origins; its configuration is the one that counts */
    struct admitted_origin *origin; /* ORIGINS_MAX */
    struct admitted_reconfig reconfig[REPLICAS_MAX + ADMIN_RECONFIGS];
    unsigned admin_reconfigs; /* admitted so far */
    configuration_no founded; /* START's number, of the ordered state */
    bool more;                /* something was admitted; who retries what is parked clears it */
    bool signed_only;         /* what one receiver admits all of them must be able to: no MACs */
};

#define ADMISSION_ARENA_BYTES (ORIGINS_MAX * (sizeof(struct admitted_origin) + sizeof(struct pair_key)))

/* Takes its tables, and those of `auth` for origins, from the arena. */
void admission_init(struct admission *admission, struct auth *auth, struct arena *arena);
/* START was loaded. */
void admission_start(struct admission *admission);

/* Both tell the host: of refusals, and of what came signed (LOCAL-ADMITTED). */
enum verdict admission_on_bundle(struct admission *admission, const struct frame *frame, struct outbox *out);
enum verdict admission_on_reconfig(struct admission *admission, const struct frame *frame,
                                   struct outbox *out);

bool admission_has(const struct admission *admission, const struct batch_entry *entry);
bool admission_has_all(const struct admission *admission, struct slice entries);

#endif
