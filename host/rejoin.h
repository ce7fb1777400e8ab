/* A replica that comes back: the RECONFIG by which its fresh compartments are admitted again. */
#ifndef HOST_REJOIN_H
#define HOST_REJOIN_H

#include "replica.h"

/* The RECONFIG that is due now (a frame in `out`, of RECONFIG_BYTES_MAX + 64 bytes); 0: none. To be asked every second. */
size_t rejoin_due(struct replica *r, uint8_t *out);

/* The cluster knows a later epoch of this replica than the one that it came with (another clock, another machine): nobody will admit
 * it. Draws its next epoch above that one, and sets the error with which this life is to end. */
bool rejoin_overtaken(struct replica *r, struct error *error);

/* A replica that nobody admits: perhaps no cluster runs that could, and a START is to come. Never with
 * hybster, where its counter has the administrator's key already: it goes on asking. */
bool rejoin_hopeless(struct replica *r);

#endif
