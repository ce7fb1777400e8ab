/* A running host and changes of membership: it follows them in its links, and goes over to a new link key of its own. */
#ifndef HOST_MEMBERSHIP_H
#define HOST_MEMBERSHIP_H

#include "replica.h"

/* Before serving: what START and DIR/replica-N/members say, as pins and addresses. */
int membership_open(struct replica *r, struct tls_pins *pins, struct error *error);
/* Often: costs a comparison while nothing has changed. */
void membership_follow(struct replica *r);
/* Every second. */
void membership_tick(struct replica *r);

/* At a start: a change of keys that was interrupted between its two files is brought to its end. */
void membership_mend(const char *dir, replica_id id);

#endif
