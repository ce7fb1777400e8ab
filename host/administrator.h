/*
 * The administrator's view of a running cluster, for commands that change its membership: walks the chain of configurations
 * over the replicas' client ports, from DIR/manifest on, and shows RECONFIGs to all of them.
 *
 * What it believes rests on START and on f+1 Execution compartments for each step, as with every client; who answers does
 * not matter. Nothing is kept but DIR/members, so that whoever runs a command again finds out where things stand.
 */
#ifndef HOST_ADMINISTRATOR_H
#define HOST_ADMINISTRATOR_H

#include "buffer.h"
#include "config.h"
#include "crypto/crypto.h"
#include "file.h"
#include "members.h"
#include "ordering/configuration.h"

struct administrator {
    struct config config; /* with the addresses that changed since */
    struct sign_key key;
    struct configuration *held; /* the highest that was vouched for */
    struct members members;
    struct file manifest;
    struct {
        int fd; /* -1: none */
        bool up;
        struct buffer in;
        uint64_t retry_ms;
    } link[REPLICAS_MAX];
    struct buffer
        closing; /* the CONFIGURATION that shows that the cluster is closed, behind its length; empty: none */
    uint64_t asked_ms;
    int lock;
};

/* One command at a time that changes the members of a cluster or signs for them: a lock, held until the descriptor is closed. -1 and the
 * error. */
int administrator_lock(const char *dir, struct error *error);

/* Reads keys, manifest and members, and takes the lock: one such command at a time. -1 and the error. `any_size`: cluster.yaml may list
 * more or fewer replicas than the manifest. */
int administrator_open(struct administrator *a, const char *dir, bool any_size, struct error *error);
void administrator_close(struct administrator *a);

/* Connects, asks, reads; returns after `ms`, or before when the configuration rose. */
void administrator_attend(struct administrator *a, unsigned ms);
/* Bits of the replicas whose client port can be reached. */
uint32_t administrator_reached(const struct administrator *a);

/* Signs a RECONFIG on the number held and shows it to every replica that can be reached. `members`: renewals. */
void administrator_reconfigure(struct administrator *a, replica_id replica, uint64_t attempt,
                               struct slice members, const char *peer, const char *client);

/* The same with a CLOSE: the cluster goes on with `size` replicas. */
void administrator_close_for(struct administrator *a, uint32_t size, uint64_t attempt);

/* Takes what is held into DIR/members. */
int administrator_save(struct administrator *a, struct error *error);

#endif
