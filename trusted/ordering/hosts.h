/*
 * Changes of a replica's host, by a RECONFIG that the administrator signed: another machine (link key, platform key, perhaps
 * addresses), or another link key of the same machine.
 *
 * A platform key counts from the slot at which the RECONFIG was executed: evidence by the one before renews nothing above it.
 * Compartments of the machine before have their say until the administrator, or the new machine, renews them.
 */
#ifndef ORDERING_HOSTS_H
#define ORDERING_HOSTS_H

#include "ordering/configuration.h"

/* What START says. */
void hosts_load(struct configuration *configuration);

/* By what is known; not whether its time has come. */
enum verdict host_admissible(const struct configuration *configuration, const struct reconfig *reconfig,
                             const struct renewal *renewal);
/* Is its time come? At most f hosts are pending, none twice: so what is pending fits one CONFIGURATION. */
enum verdict host_timely(const struct configuration *configuration, const struct reconfig *reconfig,
                         slot_no slot);
/* Has the replica this link key, and was this platform key ordered for it? (A resume names the links that it found, whoever
 * ordered them.) */
bool host_has(const struct configuration *configuration, replica_id replica, const uint8_t link_public[32],
              const uint8_t platform_public[32]);
void host_apply(struct configuration *configuration, const struct reconfig *reconfig,
                const struct renewal *renewal, slot_no activation);

#endif
