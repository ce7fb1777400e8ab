/*
 * DIR/replica-N/counter-key: what begins a Hybster replica's counters at a start (wire/counter_key.h). The administrator makes it together
 * with the manifest; it lies beside it and travels with it. Nothing in it is secret from whoever carries it: the secret that all counters
 * of the cluster share is sealed to the box key that this replica's counter compartment showed in its HELLO.
 *
 * That secret stands in no file. It is made of the administrator's secret key and the cluster's id, which is drawn anew at each start of the
 * cluster; so whoever has admin.key can make it again, for a replica that starts again in a cluster that runs, and nobody else can.
 */
#ifndef HOST_COUNTER_KEY_H
#define HOST_COUNTER_KEY_H

#include "config.h"
#include "hello_file.h"

bool counter_key_path(char *out, const char *dir, replica_id replica);

/* Makes the shared secret, seals it to every replica's counter, and wipes it. */
int counter_keys_write(const struct config *config, const struct tag16 *cluster, const struct hellos hellos[],
                       const struct sign_key *admin, struct error *error);

/* For people to compare: the first 16 bytes of a counter's box key. */
#define FINGERPRINT_BYTES 40
void counter_fingerprint(char out[FINGERPRINT_BYTES], const uint8_t box_public[32]);

/* The same for one replica that was started again, in the cluster of DIR/manifest, by the keys in DIR/replica-N/hello, which is used up by
 * it. Only for the host that the administrator knows: its link key and platform key are those of DIR/members, else of the manifest. Its
 * counter counts for nothing until a RECONFIG admits it; `made`, when not NULL, is what it shows. -1 and the error: nothing was written. */
int counter_key_renew(const struct config *config, replica_id replica, struct member_hello *made,
                      struct error *error);

/* 1: read, and made for this very counter (`mine`) of this cluster; `file` is to be freed with file_free. 0: there is none, it is of
 * another start, or not whole. -1 and the error: the administrator has not signed it. */
int counter_key_read(struct file *file, const char *dir, const struct tag16 *cluster,
                     const struct member_hello *mine, const uint8_t admin_public[32], struct error *error);

#endif
