/*
 * What the front of a replica needs in DIR/replica-N, for a machine that comes later than the cluster's founding:
 *
 *   tls.key, tls.crt   drawn, and signed by the cluster's CA (DIR/ca.key)
 *   troxy.key          taken from DIR/fronts: keys of origins that START lists as Troxies, and that nobody has yet
 *
 * A machine that goes leaves the key of its Troxy behind, which START goes on to list. `front_retire` opens the last session that there
 * can be with it, under the highest epoch, and forgets it: every replica refuses what comes under a lower one from then on. The secret of
 * that session lies in DIR/clients/NNN.closing until replicas have answered: whoever gives up waiting cannot know whether they have opened
 * it, and they would answer no other; so a later run asks by the same one. Once they have answered, DIR/clients/NNN.closed has the id of their
 * cluster. Replicas that keep nothing on disks forget that session when all start anew, as another cluster: so the origin's access is
 * taken away in DIR/clients.pub, too, and no later founding lists it.
 */
#ifndef CMD_FRONT_FILES_H
#define CMD_FRONT_FILES_H

#include "config.h"

#define FRONT_SPARES 16u /* keys in DIR/fronts, at most */

/* DIR/fronts/NNN.key, NNN being the number of the origin. */
bool front_spare_path(char *out, const char *dir, uint32_t origin);

/* tls.key and tls.crt in `folder`, for whoever calls the replica by `host` or from its own machine. */
int front_certify(const char *dir, const char *folder, uint32_t id, const char *host, struct error *error);

/* The three files in DIR/replica-N`suffix`; those that are there stay. 0; 1: no key is left in DIR/fronts, or there is no DIR/ca.key (said
 * on standard error): the replica gets no front; -1 and the error. */
int front_give(const char *dir, const char *folder, uint32_t id, const char *host, struct error *error);

/* Closes the origin whose key is in `folder`, for good; needs the cluster. Says what came of it on standard error: whether it could is
 * nothing that a change of members may hang on; a later run tries again. The key goes when it is closed. */
void front_retire(const char *dir, const char *folder, uint32_t id);

#endif
