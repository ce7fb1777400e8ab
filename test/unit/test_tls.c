/* Links between hosts, without sockets: who gets in, who does not, and that bytes come through whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "certificate.h"
#include "tls.h"

static char dir[] = "/tmp/redoubt-tls.XXXXXX";
static SSL_CTX *context[3];
static struct tls_pins pins;

struct end {
    struct tls tls;
    struct buffer out, plain;
    int failed;
};

static int setup(void **state)
{
    (void)state;
    struct error error;
    if (!mkdtemp(dir))
        return -1;
    for (int i = 0; i < 3; i++) {
        char key[PATH_BYTES], certificate[PATH_BYTES];
        struct sign_key sign;
        path_make(key, "%s/%d.key", dir, i);
        path_make(certificate, "%s/%d.crt", dir, i);
        if (certificate_make(key, certificate, "test", false, &error) ||
            !(context[i] = tls_context_new(key, certificate, &error)) ||
            certificate_key_read(&sign, key, &error))
            return -1;
        memcpy(pins.key[i], sign.public, 32);
        unlink(key);
        unlink(certificate);
    }
    pins.count = 2; /* the third is a stranger */
    return rmdir(dir);
}

static int teardown(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        SSL_CTX_free(context[i]);
    return 0;
}

static void pass(struct end *from, struct end *to, size_t piece)
{
    while (from->out.len > 0 && !to->failed) {
        size_t n = from->out.len < piece ? from->out.len : piece;
        to->failed = tls_receive(&to->tls, buffer_data(&from->out), n, &to->plain);
        buffer_consume(&from->out, n);
    }
    if (to->failed && from->out.len)
        buffer_consume(&from->out, from->out.len);
}

static void meet(struct end *client, int client_id, replica_id wanted, struct end *server, int server_id,
                 size_t piece)
{
    static struct tls_pins client_pins, server_pins;
    client_pins = server_pins = pins;
    client_pins.self = (replica_id)client_id;
    server_pins.self = (replica_id)server_id;
    memset(client, 0, sizeof *client);
    memset(server, 0, sizeof *server);
    assert_int_equal(
        tls_open(&server->tls, context[server_id], true, &server_pins, TLS_ANY_PEER, &server->out), 0);
    assert_int_equal(tls_open(&client->tls, context[client_id], false, &client_pins, wanted, &client->out),
                     0);
    while (client->out.len || server->out.len) {
        pass(client, server, piece);
        pass(server, client, piece);
    }
}

static void part(struct end *end)
{
    tls_close(&end->tls);
    buffer_free(&end->out);
    buffer_free(&end->plain);
}

static void members_meet_and_talk(void **state)
{
    static uint8_t data[100000];
    struct end client, server;
    (void)state;
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7);
    for (size_t piece = 1; piece <= 20000; piece = piece * 7 + 1) {
        meet(&client, 0, 1, &server, 1, piece);
        assert_true(client.tls.established && server.tls.established);
        assert_int_equal(server.tls.peer, 0);
        assert_int_equal(client.tls.peer, 1);
        assert_int_equal(tls_send(&client.tls, data, sizeof data), 0);
        assert_int_equal(tls_send(&server.tls, data, 5), 0);
        pass(&client, &server, piece);
        pass(&server, &client, piece);
        assert_int_equal(server.plain.len, sizeof data);
        assert_memory_equal(buffer_data(&server.plain), data, sizeof data);
        assert_int_equal(client.plain.len, 5);
        part(&client);
        part(&server);
    }
}

static void a_stranger_stays_outside(void **state)
{
    struct end client, server;
    (void)state;
    meet(&client, 2, 1, &server, 1, 4096); /* a stranger calls */
    assert_false(server.tls.established);
    assert_true(server.tls.stranger);
    assert_int_equal(server.plain.len, 0);
    part(&client);
    part(&server);
    meet(&client, 0, 1, &server, 2, 4096); /* a stranger answers */
    assert_false(client.tls.established);
    assert_true(client.tls.stranger);
    part(&client);
    part(&server);
}

static void a_member_is_not_taken_for_another(void **state)
{
    struct end client, server;
    (void)state;
    pins.count = 3;                        /* now all three are members */
    meet(&client, 0, 1, &server, 2, 4096); /* wants 1, gets 2 */
    assert_false(client.tls.established);
    part(&client);
    part(&server);
    meet(&client, 1, 0, &server, 0, 4096);
    assert_true(client.tls.established && server.tls.established);
    part(&client);
    part(&server);
    meet(&client, 0, 0, &server, 0, 4096); /* nobody is his own peer */
    assert_false(client.tls.established || server.tls.established);
    part(&client);
    part(&server);
    pins.count = 2;
}

/* Member 0 is to show the key of 2, and shows its own still: until then that will do, when it is said so. */
static void a_key_of_before_does_only_for_a_rotation(void **state)
{
    struct end client, server;
    struct tls_pins usual = pins;
    (void)state;
    memcpy(pins.before[0], usual.key[0], 32);
    memcpy(pins.key[0], usual.key[2], 32);
    meet(&client, 0, 1, &server, 1, 4096);
    assert_false(server.tls.established);
    assert_true(server.tls.stranger);
    part(&client);
    part(&server);
    pins.has_before[0] = true;
    meet(&client, 0, 1, &server, 1, 4096);
    assert_true(server.tls.established);
    assert_int_equal(server.tls.peer, 0);
    assert_memory_equal(server.tls.key, usual.key[0], 32);
    part(&client);
    part(&server);
    meet(&client, 2, 1, &server, 1, 4096); /* the new one */
    assert_true(server.tls.established);
    assert_int_equal(server.tls.peer, 0);
    assert_memory_equal(server.tls.key, usual.key[2], 32);
    part(&client);
    part(&server);
    pins = usual;
}

static void garbage_ends_it(void **state)
{
    static const uint8_t garbage[] = "GET / HTTP/1.1\r\n\r\n";
    struct end server = {0};
    (void)state;
    assert_int_equal(tls_open(&server.tls, context[1], true, &pins, TLS_ANY_PEER, &server.out), 0);
    assert_int_equal(tls_receive(&server.tls, garbage, sizeof garbage - 1, &server.plain), -1);
    assert_non_null(tls_reason(&server.tls));
    part(&server);
}

static void tampering_ends_it(void **state)
{
    struct end client, server;
    (void)state;
    meet(&client, 0, 1, &server, 1, 4096);
    assert_int_equal(tls_send(&client.tls, (const uint8_t *)"hello", 5), 0);
    buffer_data(&client.out)[client.out.len - 1] ^= 1;
    pass(&client, &server, 4096);
    assert_int_equal(server.failed, -1);
    assert_int_equal(server.plain.len, 0);
    part(&client);
    part(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_meet_and_talk),
        cmocka_unit_test(a_stranger_stays_outside),
        cmocka_unit_test(a_member_is_not_taken_for_another),
        cmocka_unit_test(a_key_of_before_does_only_for_a_rotation),
        cmocka_unit_test(garbage_ends_it),
        cmocka_unit_test(tampering_ends_it),
    };
    return crypto_start() != 0 ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
