#include "tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "base/check.h"
#include "crypto/crypto.h"

/* ---------------------------------------------------------------- a BIO over our buffers, without copies */

static int bio_read(BIO *bio, char *out, int len)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (tls->in_len == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    size_t n = (size_t)len < tls->in_len ? (size_t)len : tls->in_len;
    memcpy(out, tls->in, n);
    tls->in += n;
    tls->in_len -= n;
    return (int)n;
}

static int bio_write(BIO *bio, const char *data, int len)
{
    struct tls *tls = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (len > 0)
        buffer_append(tls->out, data, (size_t)len);
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
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "redoubt buffers");
        CHECK(method && BIO_meth_set_read(method, bio_read) && BIO_meth_set_write(method, bio_write) &&
              BIO_meth_set_ctrl(method, bio_ctrl));
    }
    return method;
}

/* ---------------------------------------------------------------- whom we talk to */

static bool certificate_key(X509 *certificate, uint8_t key[32])
{
    EVP_PKEY *public = certificate ? X509_get0_pubkey(certificate) : NULL;
    size_t len = 32;
    return public && EVP_PKEY_get_id(public) == EVP_PKEY_ED25519 &&
           EVP_PKEY_get_raw_public_key(public, key, &len) == 1 && len == 32;
}

static bool pin_matches(struct tls *tls, const uint8_t key[32])
{
    for (replica_id i = 0; i < tls->pins->count; i++) {
        if (i == tls->pins->self || (tls->peer != TLS_ANY_PEER && tls->peer != i))
            continue;
        bool before = tls->pins->has_before[i] && crypto_equal(tls->pins->before[i], key, 32);
        if (before || crypto_equal(tls->pins->key[i], key, 32)) {
            tls->peer = i;
            memcpy(tls->key, key, 32);
            return true;
        }
    }
    return false;
}

static int verify(X509_STORE_CTX *store, void *unused)
{
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    uint8_t key[32];
    if (certificate_key(X509_STORE_CTX_get0_cert(store), key) && pin_matches(tls, key))
        return 1;
    tls->stranger = true;
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

SSL_CTX *tls_context_new(const char *key_path, const char *certificate_path, struct error *error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    ERR_clear_error();
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256")) {
        error_set(error, "TLS: the library cannot do TLS 1.3");
        goto fail;
    }
    if (SSL_CTX_use_certificate_file(context, certificate_path, SSL_FILETYPE_PEM) != 1) {
        error_set(error, "%s: not a certificate in PEM", certificate_path);
        goto fail;
    }
    if (SSL_CTX_use_PrivateKey_file(context, key_path, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1) {
        error_set(error, "%s: not the key of %s", key_path, certificate_path);
        goto fail;
    }
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(context, SSL_MODE_AUTO_RETRY | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(context, verify, NULL);
    return context;
fail:
    ERR_clear_error();
    SSL_CTX_free(context);
    return NULL;
}

/* ---------------------------------------------------------------- one link */

static int handshake(struct tls *tls)
{
    ERR_clear_error();
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        tls->established = true;
        return 0;
    }
    return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ ? 0 : -1;
}

int tls_open(struct tls *tls, SSL_CTX *context, bool server, const struct tls_pins *pins, replica_id peer,
             struct buffer *out)
{
    BIO *bio = BIO_new(bio_method());
    *tls = (struct tls){.ssl = SSL_new(context), .pins = pins, .peer = peer, .out = out};
    if (!tls->ssl || !bio) {
        BIO_free(bio);
        tls_close(tls);
        return -1;
    }
    BIO_set_data(bio, tls);
    BIO_set_init(bio, 1);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    if (server) {
        SSL_set_accept_state(tls->ssl);
        return 0;
    }
    SSL_set_connect_state(tls->ssl);
    return handshake(tls);
}

void tls_close(struct tls *tls)
{
    SSL_free(tls->ssl);
    tls->ssl = NULL;
    tls->established = false;
}

static int decrypt(struct tls *tls, struct buffer *plain)
{
    for (;;) {
        uint8_t *to = buffer_reserve(plain, SSL3_RT_MAX_PLAIN_LENGTH);
        ERR_clear_error();
        int n = SSL_read(tls->ssl, to, SSL3_RT_MAX_PLAIN_LENGTH);
        if (n <= 0)
            return SSL_get_error(tls->ssl, n) == SSL_ERROR_WANT_READ ? 0 : -1;
        buffer_commit(plain, (size_t)n);
    }
}

int tls_receive(struct tls *tls, const uint8_t *data, size_t len, struct buffer *plain)
{
    tls->in = data;
    tls->in_len = len;
    int result = tls->established ? 0 : handshake(tls);
    if (result == 0 && tls->established)
        result = decrypt(tls, plain);
    /* On an error the library may leave input behind; it is of no use. */
    tls->in = NULL;
    tls->in_len = 0;
    return result;
}

int tls_send(struct tls *tls, const uint8_t *data, size_t len)
{
    while (len > 0) {
        int part = len > 1u << 30 ? 1 << 30 : (int)len;
        ERR_clear_error();
        int n = SSL_write(tls->ssl, data, part);
        if (n <= 0)
            return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

const char *tls_reason(const struct tls *tls)
{
    if (tls->stranger)
        return "it has a key that is not in the manifest";
    unsigned long code = ERR_peek_error();
    const char *reason = code ? ERR_reason_error_string(code) : NULL;
    return reason ? reason : "it closed the link";
}
