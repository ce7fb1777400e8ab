/*
 * DIR/replica-N/chain: the CONFIGURATIONs that led from this replica's manifest to what it knows, each behind its length; with
 * `durability: sync` only. Durable before P and C are told of one, and shown with the replica's keys when the cluster is resumed:
 * the START to come goes on from there. Who reads it believes the signatures inside.
 *
 * And DIR/replica-N/epoch: the last epoch that was drawn.
 */
#ifndef HOST_CHAIN_FILE_H
#define HOST_CHAIN_FILE_H

#include "base/types.h"
#include "buffer.h"
#include "file.h"

#define CHAIN_FILE_MAX (1024u * 1024u) /* more than a START allows to come after it (256 changes) */

/* What is there, or nothing. */
int chain_file_read(struct buffer *chain, const char *dir, replica_id replica, struct error *error);
/* Adds one frame, and writes all of it. */
int chain_file_add(struct buffer *chain, struct slice frame, const char *dir, replica_id replica,
                   struct error *error);
/* A manifest that knows all of it was taken. */
int chain_file_clear(struct buffer *chain, const char *dir, replica_id replica, struct error *error);

/* An epoch above all that were drawn before, and above `least`: the time in microseconds, if the clock allows. Durable once it
 * returns. */
int epoch_draw(epoch_no *epoch, epoch_no least, const char *dir, replica_id replica, struct error *error);
/* From now on epochs are drawn above this one. */
int epoch_outdo(epoch_no epoch, const char *dir, replica_id replica, struct error *error);

#endif
