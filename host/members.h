/*
 * What a host or the administrator knows of the replicas' hosts: link keys, platform keys, and addresses that changed since cluster.yaml was written.
 * START says how it began, the chain of configurations how it went on; a small text file keeps it over a restart, so that
 * hosts find each other before they have walked the chain again.
 *
 *   DIR/replica-N/members   kept by replica N's host
 *   DIR/members             kept by the administrator's commands
 *
 * The files are for whoever wrote them, and believed as the keys beside them are. What is at stake is liveness only.
 */
#ifndef HOST_MEMBERS_H
#define HOST_MEMBERS_H

#include "config.h"
#include "file.h"
#include "ordering/configuration.h"

struct members {
    struct tag16 cluster;
    uint32_t count;
    struct host_keys host[REPLICAS_MAX];
    uint8_t platform[REPLICAS_MAX][32]; /* each one's platform key; zeros: not known */
};

/* Takes from a configuration what is later than what is known (all of it when this is of another cluster, or empty). Returns a bit
 * for each replica of which something changed. */
uint32_t members_follow(struct members *members, const struct configuration *configuration);

/* Takes what is later from a file; one that is not there, or is of another cluster, says nothing. */
int members_read(struct members *members, const char *path, struct error *error);
/* The same from text that is there; false: it is no such list, and `members` may be half changed. */
bool members_parse(struct members *members, const char *text);
int members_write(const struct members *members, const char *path, struct error *error);

/* The addresses that changed, put into `config`. */
void members_address(const struct members *members, struct config *config);

/* "HOST:PORT" or "[IPV6]:PORT". */
bool address_read(struct address *address, const char *text);
/* The other way; false when it does not fit. */
bool address_print(char out[ADDRESS_BYTES_MAX + 1], const struct address *address);

#endif
