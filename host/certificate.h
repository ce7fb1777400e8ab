/*
 * Certificates by OpenSSL: the cluster's CA and what it signs (P-256, for the front that stock clients talk to), and one self-signed
 * Ed25519 certificate per host. Hosts do not check chains: links pin the other side's public key, which stands in the manifest.
 */
#ifndef HOST_CERTIFICATE_H
#define HOST_CERTIFICATE_H

#include "crypto/crypto.h"
#include "file.h"

/* Draws a key and makes a self-signed certificate; both are written as PEM. The key file gets mode 0600. */
int certificate_make(const char *key_path, const char *certificate_path, const char *name, bool authority,
                     struct error *error);

/* Draws a key, and makes a certificate for a server that goes by `hosts` (names and addresses; NULL at the end), signed by an
 * authority that certificate_make made. */
int certificate_issue(const char *key_path, const char *certificate_path, const char *name,
                      const char *const *hosts, const char *authority_key, const char *authority_certificate,
                      struct error *error);

/* The Ed25519 key of a PEM file, for signing outside TLS. Refuses a file that others may read. */
int certificate_key_read(struct sign_key *key, const char *path, struct error *error);

#endif
