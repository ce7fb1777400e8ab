/*
 * Connections to one cluster, shared by all clients of a loop: however many origins a process has, it holds one
 * connection to each replica. What comes in is handed to the client whose origin it names.
 */
#ifndef HOST_CLIENT_HUB_H
#define HOST_CLIENT_HUB_H

#include "client/instance.h"

/* All on the loop's thread. */

/* Joins the loop's hub for this cluster, or makes one and starts to connect. 0, or -1 with `error`. */
int hub_join(struct redoubt_client *client, struct error *error);
/* The last one to leave closes the connections. */
void hub_leave(struct redoubt_client *client);
/* Replicas may have moved. */
void hub_follow(struct client_hub *hub, const struct configuration *configuration);
/* Called by links. */
void hub_on_frame(struct client_hub *hub, replica_id replica, const uint8_t *data, size_t len);
void hub_on_up(struct client_hub *hub, replica_id replica);
void hub_on_down(struct client_hub *hub, const struct client_link *link, const char *why);

#endif
