/*
 * DIR/replica-N/counter-key: what begins a Hybster replica's counters at a start (wire/counter_key.h). The administrator makes it together
 * with the manifest; it lies beside it and travels with it. Nothing in it is secret from whoever carries it: the secret that all counters
 * of the cluster share is sealed to the box key that this replica's counter compartment showed in its HELLO.
 */
#ifndef HOST_COUNTER_KEY_H
#define HOST_COUNTER_KEY_H

#include "config.h"
#include "hello_file.h"

bool counter_key_path(char *out, const char *dir, replica_id replica);

/* Draws the shared secret, seals it to every replica's counter, and forgets it: each start has another. */
int counter_keys_write(const struct config *config, const struct tag16 *cluster, const struct hellos hellos[],
                       const struct sign_key *admin, struct error *error);

/* 1: read, and made for this very counter (`mine`) of this cluster; `file` is to be freed with file_free. 0: there is none, it is of
 * another start, or not whole. -1 and the error: the administrator has not signed it. */
int counter_key_read(struct file *file, const char *dir, const struct tag16 *cluster,
                     const struct member_hello *mine, const uint8_t admin_public[32], struct error *error);

#endif
