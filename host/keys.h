/*
 * Key files of a cluster's folder. Used by hosts, by `start` and by the client library, so nothing here needs a loop.
 *
 *   DIR/admin.key            0600, 32 bytes: Ed25519 seed of the administrator
 *   DIR/admin.pub            32 bytes
 *   DIR/backup.key           0600, 64 bytes: X25519 secret that opens backups; the administrator's public key, to check them
 *   DIR/backup.pub           32 bytes: what backups are encrypted for
 *   DIR/clients/NNN.key      0600, 64 bytes: Ed25519 seed, X25519 secret of client NNN
 *   DIR/clients.pub          public keys of all clients, as they stand in the manifest (struct origin_entry)
 *   DIR/replica-N/host.key   PEM, see certificate.h
 *   DIR/replica-N/troxy.key  0600, 64 bytes, as a client's: of the replica's Troxy
 */
#ifndef HOST_KEYS_H
#define HOST_KEYS_H

#include "crypto/crypto.h"
#include "file.h"
#include "ordering/configuration.h"

#define CLIENT_KEY_BYTES 64

struct client_keys {
    struct sign_key sign;
    struct box_key box;
};

bool client_key_path(char *out, const char *dir, origin_id origin);
int client_keys_read(struct client_keys *keys, const char *dir, origin_id origin, struct error *error);
/* Draws the keys of a client and writes them; refuses nothing: the caller made the folder. */
int client_keys_make(struct client_keys *keys, const char *dir, origin_id origin, struct error *error);
/* The same at a path of the caller's choice. */
int client_keys_make_at(struct client_keys *keys, const char *path, struct error *error);
void client_keys_wipe(struct client_keys *keys);

/* One that DIR/clients.pub goes on to list, so that it says whose the key was, and that no founding takes into a manifest any more. */
static inline bool origin_is_withdrawn(const struct origin_entry *entry)
{
    return (entry->access & (ACCESS_WRITE | ACCESS_READ)) == 0;
}

int admin_key_read(struct sign_key *key, const char *dir, struct error *error);
int admin_key_make(struct sign_key *key, const char *dir, struct error *error);
int admin_public_read(uint8_t public[32], const char *dir, struct error *error);

/* The key that opens backups, and whose signatures they bear. */
struct backup_key {
    struct box_key box;
    uint8_t admin_public[32];
};

int backup_key_read(struct backup_key *key, const char *path, struct error *error);
int backup_key_make(const char *dir, const uint8_t admin_public[32], struct error *error);
int backup_public_read(uint8_t public[32], const char *dir, struct error *error);

/* Reads and checks a manifest (a START frame) under the administrator's key; 1 and the error: it is none, or not all of one. `file` keeps the bytes that `start` points
 * into. */
int manifest_read(struct configuration *configuration, struct frame *start, struct file *file,
                  const char *path, const uint8_t admin_public[32], struct error *error);

#endif
