/*
 * Taking a backup from a running cluster: the administrator's side. One replica's Execution compartment gives it, piece by piece; all
 * replicas are told that it is wanted, so that the cluster comes to a checkpoint soon. Every piece is checked as it comes.
 */
#ifndef HOST_BACKUP_TAKING_H
#define HOST_BACKUP_TAKING_H

#include "backup_file.h"
#include "config.h"
#include "keys.h"

/* A backup's time may lie so far before the request: clocks differ, and a faulty primary may lag. */
#define BACKUP_SLACK_US (300u * 1000000ull)

struct backup_taking {
    const struct config *config;
    replica_id from; /* REPLICAS_MAX: whichever gives one */
    const char *path;
    bool force;
    void (*progress)(const struct backup_reader *reader, uint64_t bytes);
    void (*warn)(const char *text); /* a replica gave none: another is tried */
    struct backup_reader reader;    /* afterwards: what was taken */
    replica_id gave;
    uint64_t bytes;
};

int backup_take(struct backup_taking *taking, struct error *error);

#endif
