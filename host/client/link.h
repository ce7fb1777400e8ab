/*
 * The connection to one replica: connects again and again with back-off, cuts the stream into frames (u32 length, frame),
 * and gathers what is to be sent so that a run of the loop costs one write.
 */
#ifndef HOST_CLIENT_LINK_H
#define HOST_CLIENT_LINK_H

#include <netdb.h>

#include "client/delay.h"
#include "client/instance.h"

/* Sends one frame; without a connection it is dropped (whoever connects is sent what is under way). */
void link_send(struct client_link *link, const struct slice *parts, unsigned count);
/* Writes what was gathered. */
void link_flush(struct client_link *link);

/* 0, or -1 with `error` when the address does not resolve. */
int link_init(struct client_link *link, struct client_hub *hub, replica_id replica,
              const struct client_endpoint *endpoint, struct error *error);
void link_deinit(struct client_link *link);
/* To another address, if it is another one: soon, by link_go from the loop. */
void link_move(struct client_link *link, const struct client_endpoint *endpoint);
void link_go(struct client_link *link);
void link_connect(struct client_link *link);
void link_on_event(struct client_link *link, uint32_t events);
/* What was held back is due. */
void link_on_delayed(struct client_link *link, const struct delayed *item);

#endif
