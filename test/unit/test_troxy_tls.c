/*
 * The front's TLS, with OpenSSL's client over memory at the other end.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "front_world.h"
#include "testing.h"

struct pair {
    EVP_PKEY *key;
    X509 *certificate;
    char key_pem[4096], certificate_pem[4096];
};

static struct pair authority, server, other, client_pair;
static struct front_world world;
static struct tls_server *tls;

/* ---------------------------------------------------------------- certificates */

static void pem(struct pair *p)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_true(PEM_write_bio_PrivateKey(bio, p->key, NULL, NULL, 0, NULL, NULL));
    int len = BIO_read(bio, p->key_pem, sizeof p->key_pem - 1);
    p->key_pem[len] = 0;
    assert_true(PEM_write_bio_X509(bio, p->certificate));
    len = BIO_read(bio, p->certificate_pem, sizeof p->certificate_pem - 1);
    p->certificate_pem[len] = 0;
    BIO_free(bio);
}

/* `issuer` NULL: signs itself. */
static void pair_make(struct pair *p, EVP_PKEY *key, const char *name, const struct pair *issuer)
{
    p->key = key;
    p->certificate = X509_new();
    X509_set_version(p->certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(p->certificate), 1 + (long)(uintptr_t)p % 100000);
    X509_gmtime_adj(X509_getm_notBefore(p->certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(p->certificate), 86400);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(p->certificate), "CN", MBSTRING_UTF8,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(p->certificate,
                         X509_get_subject_name(issuer ? issuer->certificate : p->certificate));
    X509_set_pubkey(p->certificate, p->key);
    if (!issuer) {
        X509_EXTENSION *extension =
            X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(p->certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    EVP_PKEY *by = issuer ? issuer->key : key;
    bool plain = EVP_PKEY_get_id(by) == EVP_PKEY_ED25519;
    assert_true(X509_sign(p->certificate, by, plain ? NULL : EVP_sha256()));
    pem(p);
}

static struct slice slice_of(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* ---------------------------------------------------------------- a client */

struct stock {
    SSL_CTX *context;
    SSL *ssl;
    uint32_t connection;
    bool done;
};

static void stock_open(struct stock *s, uint32_t connection, unsigned listener)
{
    s->context = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(s->context, SSL_VERIFY_PEER, NULL);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(s->context), authority.certificate);
    s->ssl = SSL_new(s->context);
    SSL_set_bio(s->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(s->ssl);
    SSL_set_tlsext_host_name(s->ssl, "whatever.example");
    s->connection = connection;
    s->done = false;
    assert_verdict(front_world_opened(&world, connection, listener), ACCEPT);
}

static void stock_close(struct stock *s)
{
    SSL_free(s->ssl);
    SSL_CTX_free(s->context);
    front_world_closed(&world, s->connection);
    world.socket[s->connection].len = 0;
    ERR_clear_error();
}

/* What the client has to send goes, `piece` bytes at a time; what came goes to it. */
static void exchange(struct stock *s, size_t piece)
{
    static uint8_t bytes[1 << 20];
    struct front_socket *socket = &world.socket[s->connection];
    int len = BIO_read(SSL_get_wbio(s->ssl), bytes, sizeof bytes);
    for (size_t at = 0; len > 0 && at < (size_t)len && !socket->closed;) {
        size_t here = (size_t)len - at < piece ? (size_t)len - at : piece;
        front_world_bytes(&world, s->connection, bytes + at, here, false);
        front_world_run(&world);
        at += here;
    }
    front_world_run(&world);
    for (size_t at = 0; at < socket->len; at += piece)
        BIO_write(SSL_get_rbio(s->ssl), socket->data + at,
                  (int)(socket->len - at < piece ? socket->len - at : piece));
    if (socket->len && !socket->closed)
        front_world_credit(&world, s->connection, socket->len);
    socket->len = 0;
}

static bool shake(struct stock *s, size_t piece)
{
    for (int i = 0; i < 6 && !s->done; i++) {
        s->done = SSL_do_handshake(s->ssl) == 1;
        exchange(s, piece);
    }
    return s->done && !world.socket[s->connection].closed;
}

static void says(struct stock *s, const char *text, size_t piece)
{
    assert_int_equal(SSL_write(s->ssl, text, (int)strlen(text)), strlen(text));
    exchange(s, piece);
}

static void hears(struct stock *s, const char *text)
{
    char heard[4096];
    int n = SSL_read(s->ssl, heard, sizeof heard);
    assert_int_equal(n, strlen(text));
    assert_memory_equal(heard, text, (size_t)n);
}

static int setup(void **state)
{
    const char *why = "";
    (void)state;
    tls = tls_server_new(slice_of(server.certificate_pem), slice_of(server.key_pem), SLICE_NONE, &why);
    assert_string_equal(why ? why : "", "");
    front_world_open(&world, tls);
    world.now_us = (uint64_t)time(NULL) * 1000000;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    front_world_close_all(&world);
    assert_int_equal(echo_open, 0);
    front_world_close(&world);
    tls_server_free(tls);
    return 0;
}

/* ---------------------------------------------------------------- tests */

static void in_pieces_of(size_t piece)
{
    struct stock s;
    stock_open(&s, 5, LISTENER_REDISS);
    assert_true(shake(&s, piece));
    assert_string_equal(SSL_get_version(s.ssl), "TLSv1.3");
    says(&s, "hello\nPING\n", piece);
    exchange(&s, piece);
    char heard[64];
    int n = SSL_read(s.ssl, heard, sizeof heard - 1);
    assert_true(n > 0);
    heard[n] = 0;
    assert_non_null(strstr(heard, "PONG\n"));
    stock_close(&s);
}

static void whole_and_byte_by_byte(void **state)
{
    (void)state;
    in_pieces_of(65536);
    in_pieces_of(1);
    in_pieces_of(7);
}

/* Credit and windows count ciphertext; much of it, both ways. */
static void much_of_it(void **state)
{
    (void)state;
    struct stock s;
    static char heard[65536];
    stock_open(&s, 1, LISTENER_REDISS);
    assert_true(shake(&s, 16384));
    says(&s, "FILL 900000\n", 16384);
    size_t len = 0;
    for (int i = 0; i < 2000 && len < 900001; i++) {
        int n = SSL_read(s.ssl, heard, sizeof heard);
        if (n > 0)
            len += (size_t)n;
        else
            exchange(&s, 16384);
    }
    assert_int_equal(len, 900001);
    stock_close(&s);
}

/* Data in the same flight as the end of the handshake. */
static void first_words_with_the_handshake(void **state)
{
    (void)state;
    struct stock s;
    stock_open(&s, 1, LISTENER_REDISS);
    SSL_do_handshake(s.ssl);
    exchange(&s, 65536);
    assert_int_equal(SSL_do_handshake(s.ssl), 1);
    says(&s, "PING\n", 65536);
    hears(&s, "PONG\n");
    stock_close(&s);
}

static void says_good_bye(void **state)
{
    (void)state;
    struct stock s;
    stock_open(&s, 1, LISTENER_REDISS);
    assert_true(shake(&s, 65536));
    says(&s, "QUIT\n", 65536);
    hears(&s, "BYE\n");
    char byte;
    assert_int_equal(SSL_get_error(s.ssl, SSL_read(s.ssl, &byte, 1)), SSL_ERROR_ZERO_RETURN);
    assert_true(world.socket[1].closed);
    assert_int_equal(world.socket[1].reason, END_DONE);
    stock_close(&s);
    stock_open(&s, 1, LISTENER_REDISS); /* the client's turn */
    assert_true(shake(&s, 65536));
    SSL_shutdown(s.ssl);
    exchange(&s, 65536);
    assert_true(world.socket[1].closed);
    stock_close(&s);
}

static void older_versions_are_refused(void **state)
{
    (void)state;
    struct stock s;
    stock_open(&s, 1, LISTENER_REDISS);
    SSL_set_max_proto_version(s.ssl, TLS1_2_VERSION);
    assert_false(shake(&s, 65536));
    assert_true(world.socket[1].closed);
    assert_int_equal(world.socket[1].reason, END_GARBAGE);
    stock_close(&s);
}

static bool shakes_with_protocols(const char *list, unsigned listener)
{
    struct stock s;
    stock_open(&s, 1, listener);
    SSL_set_alpn_protos(s.ssl, (const unsigned char *)list, (unsigned)strlen(list));
    bool good = shake(&s, 65536);
    stock_close(&s);
    return good;
}

static void protocols(void **state)
{
    (void)state;
    assert_true(shakes_with_protocols("\x08http/1.1", LISTENER_HTTPS));
    assert_true(shakes_with_protocols("\x02h2\x08http/1.1", LISTENER_HTTPS));
    assert_false(shakes_with_protocols("\x02h2", LISTENER_HTTPS));
    assert_true(shakes_with_protocols("\x02h2", LISTENER_REDISS)); /* nobody asks there */
}

static void garbage_instead_of_tls(void **state)
{
    (void)state;
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "*1\r\n$4\r\nPING\r\n",
                                        "\x16\x03\x01\x00\x05hello", "\x15\x03\x03\x00\x02\x01\x00"};
    for (unsigned i = 0; i < 4; i++) {
        size_t len = i < 2 ? strlen(texts[i]) : i == 2 ? 10 : 7;
        assert_verdict(front_world_opened(&world, i, LISTENER_HTTPS), ACCEPT);
        assert_verdict(front_world_bytes(&world, i, texts[i], len, false), ACCEPT);
        front_world_run(&world);
        assert_true(world.socket[i].closed);
        assert_int_equal(world.socket[i].reason, END_GARBAGE);
    }
}

/* One bit of the client's flight, or of its data, is another: nothing but a closed connection comes of it. */
static void tampered(void **state)
{
    (void)state;
    static uint8_t bytes[65536];
    for (unsigned byte = 0; byte < 600; byte += 7) {
        struct stock s;
        stock_open(&s, 1, LISTENER_REDISS);
        bool data = byte % 2 != 0;
        if (data) {
            assert_true(shake(&s, 65536));
            SSL_write(s.ssl, "a word that is rather long\n", 27);
        } else {
            SSL_do_handshake(s.ssl);
        }
        int len = BIO_read(SSL_get_wbio(s.ssl), bytes, sizeof bytes);
        bytes[byte % (unsigned)len] ^= 1;
        front_world_bytes(&world, 1, bytes, (size_t)len, true);
        front_world_run(&world);
        if (data)
            assert_true(world.socket[1].closed && world.told.operations == 0);
        stock_close(&s);
    }
}

static void handshake_takes_too_long(void **state)
{
    (void)state;
    struct stock s;
    static uint8_t bytes[4096];
    stock_open(&s, 1, LISTENER_REDISS);
    SSL_do_handshake(s.ssl);
    int len = BIO_read(SSL_get_wbio(s.ssl), bytes, sizeof bytes);
    for (int i = 0; i < 9; i++) {
        front_world_bytes(&world, 1, bytes + i, 1, false);
        front_world_wait(&world, 1000000);
    }
    assert_true(len > 100);
    assert_false(world.socket[1].closed);
    front_world_wait(&world, 1000000);
    assert_true(world.socket[1].closed);
    assert_int_equal(world.socket[1].reason, END_SLOW);
    stock_close(&s);
}

/* At most so many handshakes in a turn; others are served between them. */
static void handshakes_take_turns(void **state)
{
    (void)state;
    static struct stock s[40];
    static uint8_t bytes[4096];
    for (uint32_t i = 0; i < 40; i++) {
        stock_open(&s[i], i, LISTENER_REDISS);
        SSL_do_handshake(s[i].ssl);
        int len = BIO_read(SSL_get_wbio(s[i].ssl), bytes, sizeof bytes);
        front_world_bytes(&world, i, bytes, (size_t)len, false);
    }
    for (unsigned turn = 1; turn <= 5; turn++) {
        bool more = standalone_type.flush(world.state, world.now_us, &world.out);
        unsigned answered = 0;
        size_t at = 0;
        struct slice frame;
        struct frame f;
        while (outbox_next(&world.out, &at, &frame))
            answered += frame_decode(frame.data, frame.len, &f) && f.type == FRAME_LOCAL_BYTES;
        world.out.len = 0;
        assert_int_equal(answered, FRONT_HANDSHAKES_PER_RUN);
        assert_true(more == (turn < 5));
    }
    for (uint32_t i = 0; i < 40; i++)
        stock_close(&s[i]);
}

/* A client that wants new keys again and again, and reads none of the answers, which the library makes by itself. */
static void answers_of_the_library_have_an_end(void **state)
{
    (void)state;
    struct stock s;
    static uint8_t bytes[4096];
    struct front_socket *socket = &world.socket[1];
    uint64_t sent = 0, before;
    stock_open(&s, 1, LISTENER_REDISS);
    assert_true(shake(&s, 65536));
    before = socket->credit;
    int len = 0;
    for (unsigned i = 0; i < 40000 && sent + (size_t)len <= FRONT_IN_WINDOW / 2 + socket->credit - before;
         i++) {
        front_world_bytes(&world, 1, bytes, (size_t)len, false);
        sent += (size_t)len;
        if (i % 256 == 0)
            front_world_run(&world);
        assert_int_equal(SSL_key_update(s.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(s.ssl), 1);
        len = BIO_read(SSL_get_wbio(s.ssl), bytes, sizeof bytes);
        assert_true(len > 0);
    }
    front_world_run(&world);
    assert_false(socket->closed);
    assert_true(socket->len > FRONT_IN_WINDOW && socket->len <= 2 * FRONT_OUT_WINDOW + 2 * FRONT_IN_WINDOW);
    before = socket->credit;
    front_world_bytes(&world, 1, bytes, (size_t)len, false);
    exchange(&s, 65536); /* it reads, and is read from again */
    front_world_run(&world);
    assert_true(socket->credit > before);
    stock_close(&s);
}

static void change(const struct pair *to, struct slice client_ca, enum verdict expected)
{
    static uint8_t body[16384];
    struct writer w = writer_to(body, sizeof body);
    struct local_certificate m = {slice_of(to->certificate_pem), slice_of(to->key_pem), client_ca};
    local_certificate_put(&w, &m);
    assert_int_equal(
        front_world_give(&world, FRAME_LOCAL_CERTIFICATE, (struct slice){body, w.len}, SLICE_NONE), expected);
    front_world_run(&world);
    assert_int_equal(world.told.taken, expected == VERDICT_ACCEPT ? 1 : 2);
}

static void another_certificate(void **state)
{
    (void)state;
    struct stock s, later;
    struct pair mixed = server;
    stock_open(&s, 1, LISTENER_REDISS);
    assert_true(shake(&s, 65536));
    change(&other, SLICE_NONE, VERDICT_ACCEPT);
    stock_open(&later, 2, LISTENER_REDISS);
    assert_true(shake(&later, 65536));
    X509 *shown = SSL_get1_peer_certificate(later.ssl);
    assert_int_equal(X509_cmp(shown, other.certificate), 0);
    X509_free(shown);
    says(&s, "PING\n", 65536); /* what goes on goes on */
    hears(&s, "PONG\n");
    strcpy(mixed.key_pem, other.key_pem); /* not its key: everything stays */
    change(&mixed, SLICE_NONE, VERDICT_MISMATCH);
    stock_close(&later);
    stock_open(&later, 2, LISTENER_REDISS);
    assert_true(shake(&later, 65536));
    stock_close(&later);
    stock_close(&s);
}

static bool shakes_as(const struct pair *who)
{
    struct stock s;
    stock_open(&s, 1, LISTENER_REDISS);
    if (who) {
        SSL_use_certificate(s.ssl, who->certificate);
        SSL_use_PrivateKey(s.ssl, who->key);
    }
    bool good = shake(&s, 65536);
    if (!good)
        assert_int_equal(world.socket[1].reason, END_UNTRUSTED);
    stock_close(&s);
    return good;
}

static void clients_with_certificates(void **state)
{
    (void)state;
    struct pair stranger;
    change(&server, slice_of(authority.certificate_pem), VERDICT_ACCEPT);
    assert_false(shakes_as(NULL));
    assert_true(shakes_as(&client_pair));
    pair_make(&stranger, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "stranger", NULL);
    assert_false(shakes_as(&stranger));
    world.now_us += 3 * 86400000000ull; /* expired, by the time that the host gives */
    assert_false(shakes_as(&client_pair));
    X509_free(stranger.certificate);
    EVP_PKEY_free(stranger.key);
}

static void what_is_no_certificate(void **state)
{
    (void)state;
    const char *why;
    struct slice good = slice_of(server.certificate_pem), key = slice_of(server.key_pem);
    assert_null(tls_server_new(SLICE_NONE, key, SLICE_NONE, &why));
    assert_null(tls_server_new(good, SLICE_NONE, SLICE_NONE, &why));
    assert_null(tls_server_new(good, good, SLICE_NONE, &why));
    assert_null(tls_server_new(good, slice_of(other.key_pem), SLICE_NONE, &why));
    assert_null(tls_server_new(good, key, key, &why));
    assert_string_equal(why, "client_ca holds no certificate in PEM");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(whole_and_byte_by_byte),
        T(much_of_it),
        T(first_words_with_the_handshake),
        T(says_good_bye),
        T(older_versions_are_refused),
        T(protocols),
        T(garbage_instead_of_tls),
        T(tampered),
        T(handshake_takes_too_long),
        T(handshakes_take_turns),
        T(answers_of_the_library_have_an_end),
        T(another_certificate),
        T(clients_with_certificates),
        T(what_is_no_certificate),
    };
    pair_make(&authority, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "authority", NULL);
    pair_make(&server, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"), "server", &authority);
    pair_make(&other, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048), "other", &authority);
    pair_make(&client_pair, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), "client", &authority);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
