/*
 * What a client needs of a cluster's folder: where the replicas listen, the signed manifest, a key of its own.
 *
 *   DIR/endpoints.json         addresses; nothing secret, nothing trusted: a wrong one costs liveness only
 *   DIR/manifest, admin.pub    who the replicas are, by their keys
 *   DIR/clients/NNN.key        the key of origin NNN, locked (flock) as long as a process uses it
 *   DIR/clients/NNN.epoch      the last epoch that was used with it; the next one is max(clock in us, last + 1)
 */
#ifndef HOST_CLIENT_FOLDER_H
#define HOST_CLIENT_FOLDER_H

#include "keys.h"

struct client_endpoint {
    char host[256];
    char port[8];
};

struct client_folder {
    char dir[PATH_BYTES];
    struct configuration configuration;
    struct client_endpoint endpoint[REPLICAS_MAX];
    struct client_keys keys;
    origin_id origin;
    epoch_no epoch;
    int lock; /* descriptor; the lock ends when it is closed */
};

/* "HOST:PORT", or "[IPV6]:PORT". */
bool endpoint_parse(struct client_endpoint *endpoint, const char *text);

/* Reads and checks everything and takes a key: that of `origin`, or (-1) the first that is free. 0 or a negative errno
 * value with the text in `error`. */
int client_folder_open(struct client_folder *folder, const char *dir, int origin, struct error *error);
/* DIR/endpoints.json for so many replicas; those that it does not list have an empty host. */
int client_endpoints_read(struct client_endpoint endpoint[REPLICAS_MAX], uint32_t replicas, const char *dir,
                          struct error *error);
/* Wipes the keys and gives the lock back. */
void client_folder_close(struct client_folder *folder);

#endif
