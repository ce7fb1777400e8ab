/*
 * The server's end of TLS 1.3 over memory: bytes of a connection in, plaintext out, and the other way round. No sockets, no files.
 *
 *   tls_input(session, ...)     what has arrived; used up by the calls that follow
 *   tls_handshake               until it says TLS_GOOD
 *   tls_read / tls_write        plaintext
 *   what has to be sent is in the sink after each call; the caller empties it
 *
 * Sessions are not resumed: nothing of a session is kept outside it, and a restart leaves nothing that opens old traffic.
 * A session that waits keeps some 15 KB; its record buffers are given back when they are empty.
 *
 * The library behind it (OpenSSL) takes its memory from one arena and its randomness from crypto_random once tls_alone was called,
 * and then makes no system call. Without tls_alone (tests, isolation `inline`) it is what it is in any program.
 */
#ifndef TROXY_TLS_H
#define TROXY_TLS_H

#include "base/arena.h"
#include "base/types.h"

/* Room in a sink for all that one call can leave: a handshake's flight with a long chain of certificates, or a write. */
#define TLS_SINK_BYTES (160u * 1024u)
/* At most so much plaintext in one tls_write. */
#define TLS_WRITE_MAX (128u * 1024u)

struct tls_sink {
    uint8_t *data; /* TLS_SINK_BYTES */
    size_t len;
};

struct tls_server;
struct tls_session;

enum tls_result {
    TLS_GOOD,
    TLS_MORE,      /* input is used up */
    TLS_ENDED,     /* the client said that it will send no more */
    TLS_FAILED,    /* not TLS, or against its rules; an alert may be in the sink */
    TLS_UNTRUSTED, /* the client showed no certificate that is trusted here */
};

/* Before anything else in the process that uses the library, and before a sandbox closes. 0, or -1 when it was used already. */
int tls_alone(struct arena *memory);

/* PEM in memory: a chain of certificates, its key, and who signs certificates of clients (empty: none is asked for). NULL and a
 * reason (static) when they do not go together. Makes handshakes in memory with itself, so that what the library does only once is
 * done. */
struct tls_server *tls_server_new(struct slice certificate, struct slice key, struct slice client_ca,
                                  const char **why);
void tls_server_free(struct tls_server *server);
/* Others in their place, for handshakes from now on. False and a reason: everything stays. */
bool tls_server_change(struct tls_server *server, struct slice certificate, struct slice key,
                       struct slice client_ca, const char **why);

/* NULL: no memory. `only_http`: a client that offers protocols (ALPN) must offer http/1.1. The sink may be shared by all sessions and
 * must stay. */
struct tls_session *tls_session_new(struct tls_server *server, struct tls_sink *sink, bool only_http);
void tls_session_free(struct tls_session *session);

void tls_input(struct tls_session *session, const uint8_t *data, size_t len);
enum tls_result tls_handshake(struct tls_session *session, uint64_t now_us);
/* One record or less; TLS_GOOD with its length. */
enum tls_result tls_read(struct tls_session *session, uint8_t *out, size_t cap, size_t *len);
bool tls_write(struct tls_session *session, const uint8_t *data, size_t len);
/* Says that nothing more comes. */
void tls_finish(struct tls_session *session);

#endif
