/*
 * The client library as what lies behind a front: each connection of a stock client is a lane, so that its operations are executed
 * in the order in which it sent them, and outcomes are told on the front's thread.
 *
 *     the front's thread                      the library's thread
 *     access.submit --> lane of the connection --> bundles, votes
 *     run           <-- list of what is told  <-- callback          (one lock; `wake` once for all that wait)
 *
 * What waits is bounded: operations by the library's queue, results that the front has not taken by LIBRARY_TOLD_BYTES; beyond that
 * their outcomes are unknown to the front, which then ends the connection.
 */
#ifndef HOST_GATEWAY_LIBRARY_H
#define HOST_GATEWAY_LIBRARY_H

#include "error.h"
#include "redoubt/client.h"
#include "troxy/access.h"

#define LIBRARY_TOLD_BYTES (256u * 1024u * 1024u)

struct library;

/* `client` stays the caller's, and is closed after the library. NULL: out of memory. */
struct library *library_new(struct redoubt_client *client);
/* `wake` is called on the library's thread; NULL: no more, from the return on. */
void library_wakes(struct library *library, void (*wake)(void *waker), void *waker);
struct access_source library_source(struct library *library);
/* Looks whether a quorum of replicas is connected; the front says so to those who ask. */
bool library_look(struct library *library);
/* After the client was closed: no callback runs any more. */
void library_free(struct library *library);

#endif
