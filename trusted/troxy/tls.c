#include "troxy/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>

#include "base/check.h"

#define CIPHERS "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS  "X25519:P-256"

struct tls_server {
    SSL_CTX *context;
};

struct tls_session {
    SSL *ssl;
    struct tls_sink *sink;
    const uint8_t *in;
    size_t in_len;
    bool only_http;
};

/* ---------------------------------------------------------------- bytes, without copies of the library's own */

static int bio_read(BIO *bio, char *out, int len)
{
    struct tls_session *session = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (session->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = (size_t)len < session->in_len ? (size_t)len : session->in_len;
    memcpy(out, session->in, n);
    session->in += n;
    session->in_len -= n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct tls_session *session = BIO_get_data(bio);
    struct tls_sink *sink = session->sink;
    BIO_clear_retry_flags(bio);
    if (len < 0 || (size_t)len > TLS_SINK_BYTES - sink->len)
        return -1;
    memcpy(sink->data + sink->len, data, (size_t)len);
    sink->len += (size_t)len;
    return len;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP ? 1 : 0;
}

static BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method;
    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "redoubt front");
        CHECK(method && BIO_meth_set_read(method, bio_read) && BIO_meth_set_write(method, bio_write) &&
              BIO_meth_set_ctrl(method, bio_ctrl));
    }
    return method;
}

/* ---------------------------------------------------------------- what a server shows */

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *unused)
{
    static const unsigned char http[] = "http/1.1";
    const struct tls_session *session = SSL_get_app_data(ssl);
    (void)unused;
    if (!session || !session->only_http)
        return SSL_TLSEXT_ERR_NOACK;
    for (unsigned at = 0; at < in_len && in[at] <= in_len - at - 1; at += 1u + in[at])
        if (in[at] == sizeof http - 1 && memcmp(in + at + 1, http, sizeof http - 1) == 0) {
            *out = in + at + 1;
            *out_len = in[at];
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static BIO *reading(struct slice pem)
{
    return pem.len && pem.len < 1u << 20 ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
}

/* A key that needs a password is none: nobody is there to be asked for it. */
static int no_password(char *out, int size, int writing, void *unused)
{
    (void)out, (void)size, (void)writing, (void)unused;
    return -1;
}

static bool use_chain(SSL_CTX *context, struct slice pem)
{
    BIO *bio = reading(pem);
    X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    bool good = certificate && SSL_CTX_use_certificate(context, certificate) == 1;
    X509_free(certificate);
    while (good && (certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        good = SSL_CTX_add1_chain_cert(context, certificate) == 1;
        X509_free(certificate);
    }
    BIO_free(bio);
    return good;
}

static bool use_key(SSL_CTX *context, struct slice pem)
{
    BIO *bio = reading(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    bool good = key && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    return good;
}

static bool use_client_ca(SSL_CTX *context, struct slice pem)
{
    BIO *bio = reading(pem);
    X509 *certificate;
    unsigned count = 0;
    while (bio && (certificate = PEM_read_bio_X509(bio, NULL, no_password, NULL)) != NULL) {
        if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate) == 1 &&
            SSL_CTX_add_client_CA(context, certificate) == 1)
            count++;
        X509_free(certificate);
    }
    BIO_free(bio);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    return count > 0;
}

static SSL_CTX *context_new(struct slice certificate, struct slice key, struct slice client_ca,
                            const char **why)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    *why = NULL;
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, CIPHERS) || !SSL_CTX_set1_groups_list(context, GROUPS))
        *why = "the TLS library cannot do TLS 1.3";
    else if (!use_chain(context, certificate))
        *why = "the certificate is not PEM, or not fit for TLS 1.3";
    else if (!use_key(context, key))
        *why = "the key is not PEM, needs a password, or is not that of the certificate";
    else if (client_ca.len && !use_client_ca(context, client_ca))
        *why = "client_ca holds no certificate in PEM";
    ERR_clear_error();
    if (*why) {
        SSL_CTX_free(context);
        return NULL;
    }
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_max_early_data(context, 0);
    SSL_CTX_set_max_cert_list(context, 32 * 1024);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    return context;
}

/* ---------------------------------------------------------------- sessions */

struct tls_session *tls_session_new(struct tls_server *server, struct tls_sink *sink, bool only_http)
{
    struct tls_session *session = OPENSSL_zalloc(sizeof *session);
    BIO *bio = session ? BIO_new(bio_method()) : NULL;
    if (session)
        session->ssl = SSL_new(server->context);
    if (!bio || !session->ssl) {
        BIO_free(bio);
        tls_session_free(session);
        ERR_clear_error();
        return NULL;
    }
    session->sink = sink;
    session->only_http = only_http;
    BIO_set_data(bio, session);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, session);
    SSL_set_accept_state(session->ssl);
    return session;
}

void tls_session_free(struct tls_session *session)
{
    if (!session)
        return;
    SSL_free(session->ssl);
    OPENSSL_free(session);
}

void tls_input(struct tls_session *session, const uint8_t *data, size_t len)
{
    session->in = data;
    session->in_len = len;
}

enum tls_result tls_handshake(struct tls_session *session, uint64_t now_us)
{
    X509_VERIFY_PARAM_set_time(SSL_get0_param(session->ssl), (time_t)(now_us / 1000000));
    ERR_clear_error();
    int result = SSL_do_handshake(session->ssl);
    if (result == 1)
        return TLS_GOOD;
    if (SSL_get_error(session->ssl, result) == SSL_ERROR_WANT_READ)
        return TLS_MORE;
    unsigned long reason = ERR_peek_error();
    bool untrusted = ERR_GET_LIB(reason) == ERR_LIB_SSL &&
                     (ERR_GET_REASON(reason) == SSL_R_CERTIFICATE_VERIFY_FAILED ||
                      ERR_GET_REASON(reason) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE);
    ERR_clear_error();
    return untrusted ? TLS_UNTRUSTED : TLS_FAILED;
}

enum tls_result tls_read(struct tls_session *session, uint8_t *out, size_t cap, size_t *len)
{
    ERR_clear_error();
    int result = SSL_read_ex(session->ssl, out, cap, len);
    if (result == 1)
        return TLS_GOOD;
    int reason = SSL_get_error(session->ssl, result);
    ERR_clear_error();
    return reason == SSL_ERROR_WANT_READ     ? TLS_MORE
           : reason == SSL_ERROR_ZERO_RETURN ? TLS_ENDED
                                             : TLS_FAILED;
}

bool tls_write(struct tls_session *session, const uint8_t *data, size_t len)
{
    size_t written = 0;
    CHECK(len <= TLS_WRITE_MAX);
    ERR_clear_error();
    bool good = len == 0 || (SSL_write_ex(session->ssl, data, len, &written) == 1 && written == len);
    ERR_clear_error();
    return good;
}

void tls_finish(struct tls_session *session)
{
    ERR_clear_error();
    if (SSL_is_init_finished(session->ssl))
        (void)SSL_shutdown(session->ssl);
    ERR_clear_error();
}

/* ---------------------------------------------------------------- a first handshake */

static bool shake_hands(struct tls_server *server, const char *cipher, const char *group)
{
    uint8_t to_client[TLS_SINK_BYTES / 4], out[64];
    struct tls_sink sink = {.data = OPENSSL_malloc(TLS_SINK_BYTES)};
    struct tls_session *session = sink.data ? tls_session_new(server, &sink, true) : NULL;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *client = context ? SSL_new(context) : NULL;
    BIO *in = BIO_new(BIO_s_mem()), *from = BIO_new(BIO_s_mem());
    bool done = false;
    if (session && client && in && from && SSL_set_ciphersuites(client, cipher) == 1 &&
        SSL_set1_groups_list(client, group) == 1) {
        SSL_set_bio(client, in, from);
        in = from = NULL;
        SSL_set_connect_state(client);
        for (int turn = 0; turn < 4 && !done; turn++) {
            (void)SSL_do_handshake(client);
            int len = BIO_read(SSL_get_wbio(client), to_client, sizeof to_client);
            tls_input(session, to_client, len > 0 ? (size_t)len : 0);
            enum tls_result result = tls_handshake(session, 0);
            done = result == TLS_GOOD || result == TLS_UNTRUSTED; /* it was asked for a certificate */
            (void)BIO_write(SSL_get_rbio(client), sink.data, (int)sink.len);
            sink.len = 0;
        }
        if (done) {
            size_t len;
            (void)tls_write(session, out, 1);
            (void)tls_read(session, out, sizeof out, &len);
            tls_finish(session);
        }
    }
    BIO_free(in);
    BIO_free(from);
    SSL_free(client);
    SSL_CTX_free(context);
    tls_session_free(session);
    OPENSSL_free(sink.data);
    ERR_clear_error();
    return done;
}

struct tls_server *tls_server_new(struct slice certificate, struct slice key, struct slice client_ca,
                                  const char **why)
{
    static const struct {
        const char *cipher, *group;
    } first[] = {{"TLS_AES_128_GCM_SHA256", "X25519"},
                 {"TLS_AES_256_GCM_SHA384", "P-256"},
                 {"TLS_CHACHA20_POLY1305_SHA256", "X25519"}};
    struct tls_server *server = OPENSSL_zalloc(sizeof *server);
    if (!server || !(server->context = context_new(certificate, key, client_ca, why))) {
        tls_server_free(server);
        return NULL;
    }
    for (size_t i = 0; i < sizeof first / sizeof first[0]; i++)
        if (!shake_hands(server, first[i].cipher, first[i].group)) {
            *why = "a handshake of the TLS library with itself does not work";
            tls_server_free(server);
            return NULL;
        }
    return server;
}

void tls_server_free(struct tls_server *server)
{
    if (!server)
        return;
    SSL_CTX_free(server->context);
    OPENSSL_free(server);
}

bool tls_server_change(struct tls_server *server, struct slice certificate, struct slice key,
                       struct slice client_ca, const char **why)
{
    SSL_CTX *context = context_new(certificate, key, client_ca, why);
    if (!context)
        return false;
    SSL_CTX_free(server->context); /* sessions that go on hold it */
    server->context = context;
    return true;
}
