/*
 * The link between two hosts: TLS 1.3, both sides with a certificate, over buffers (no sockets here). A certificate counts
 * by its Ed25519 public key alone, which must be the one that the manifest names for that host; names, dates and issuers
 * are not looked at.
 *
 * What is at stake is liveness and traffic analysis only: everything inside is authenticated from compartment to
 * compartment.
 */
#ifndef HOST_TLS_H
#define HOST_TLS_H

#include <openssl/ssl.h>

#include "base/limits.h"
#include "base/types.h"
#include "buffer.h"
#include "error.h"

/* Keys that the other side may have; `any` tells which replica it turned out to be. */
struct tls_pins {
    uint32_t count;
    uint8_t key[REPLICAS_MAX][32];
    uint8_t before[REPLICAS_MAX][32]; /* of a host that may not have gone over to `key` yet */
    bool has_before[REPLICAS_MAX];
    replica_id self; /* never accepted */
};

#define TLS_ANY_PEER UINT32_MAX

struct tls {
    SSL *ssl;
    const struct tls_pins *pins;
    replica_id peer; /* who it must be, or TLS_ANY_PEER until known */
    uint8_t key[32]; /* that it showed, once established */
    bool established;
    bool stranger;     /* it showed a key that is not in the manifest */
    const uint8_t *in; /* ciphertext at hand */
    size_t in_len;
    struct buffer *out; /* ciphertext to be sent */
};

/* NULL and the error when key and certificate cannot be used. */
SSL_CTX *tls_context_new(const char *key_path, const char *certificate_path, struct error *error);

/* `out` receives what has to be sent, from the first byte of the handshake on; it stays the caller's. The struct must not
 * move until tls_close. */
int tls_open(struct tls *tls, SSL_CTX *context, bool server, const struct tls_pins *pins, replica_id peer,
             struct buffer *out);
void tls_close(struct tls *tls);

/* Takes ciphertext, appends plaintext. 0, or -1 when the link is at its end (tls_reason says why). */
int tls_receive(struct tls *tls, const uint8_t *data, size_t len, struct buffer *plain);
/* Encrypts; only when established. */
int tls_send(struct tls *tls, const uint8_t *data, size_t len);
const char *tls_reason(const struct tls *tls);

#endif
