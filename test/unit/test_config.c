/* cluster.yaml: what is accepted, and that every complaint names its place. The whole list is in test/e2e/cluster_file.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "wire/start.h"

static const char head[] =
    "protocol: splitbft\nfaults: 1\nservice: kv\nisolation: process\ndurability: memory\n";
static const char tail[] =
    "replicas:\n"
    "  - {id: 0, host: 10.0.0.1, peer: 1000, client: 1001, metrics: 1006}\n"
    "  - {id: 1, host: 10.0.0.2, peer: 1000, client: 1001, metrics: 1006}\n"
    "  - {id: 2, host: b, peer: 1000, client: '[::1]:1001', metrics: 0.0.0.0:1006, core: 3}\n"
    "  - {id: 3, host: a, peer: 1000, client: 1001, metrics: 1006}\n";

static struct config config;
static struct error error;

static int parse(const char *first, const char *second)
{
    char text[4096];
    int len = snprintf(text, sizeof text, "%s%s", first, second);
    memset(&config, 0, sizeof config);
    memset(&error, 0, sizeof error);
    return config_parse(&config, "F", text, (size_t)len, &error);
}

static void reads_what_is_there(void **state)
{
    (void)state;
    assert_int_equal(parse(head, tail), 0);
    assert_int_equal(config.protocol, PROTOCOL_SPLITBFT);
    assert_int_equal(config.replicas, 4);
    assert_int_equal(config.request_timeout_ms, 1000);
    assert_int_equal(config.memory_mb, 4096);
    assert_false(config.fast_reads);
    assert_string_equal(config.service_options, "");
    assert_string_equal(config.replica[0].metrics.host, "127.0.0.1");
    assert_string_equal(config.replica[1].peer.host, "10.0.0.2");
    assert_int_equal(config.replica[1].core, -1);
    assert_string_equal(config.replica[2].client.host, "::1");
    assert_int_equal(config.replica[2].client.port, 1001);
    assert_string_equal(config.replica[2].metrics.host, "0.0.0.0");
    assert_int_equal(config.replica[2].core, 3);
}

static void the_front(void **state)
{
    char with[sizeof tail + 256];
    (void)state;
    assert_int_equal(parse(head, tail), 0);
    assert_false(config.front);
    assert_int_equal(config.replica[0].front[0].port, 0);
    strcpy(with, tail);
    strcpy(strrchr(with, '}'), ", https: 1002, rediss: '0.0.0.0:1003', redis: 1005}\n");
    assert_int_equal(
        parse("front: on\nclient_ca: ca.pem\nfront_idle_s: 0\nfront_operation_ms: 100\n"
              "protocol: splitbft\nfaults: 1\nservice: kv\nisolation: process\ndurability: memory\n",
              with),
        0);
    assert_true(config.front);
    assert_string_equal(config.client_ca, "ca.pem");
    assert_int_equal(config.front_idle_s, 0);
    assert_int_equal(config.front_request_s, 30);
    assert_int_equal(config.front_operation_ms, 100);
    assert_string_equal(config.replica[3].front[0].host, "a");
    assert_string_equal(config.replica[3].front[1].host, "0.0.0.0");
    assert_int_equal(config.replica[3].front[2].port, 0);
    assert_string_equal(config.replica[3].front[3].host, "127.0.0.1");
    assert_int_equal(config.replica[3].front[3].port, 1005);
    strcpy(strstr(with, ", https"), ", http: '0.0.0.0:1004'}\n");
    assert_int_equal(parse(head, with), -1);
    assert_non_null(strstr(error.text, "F:10:69: `http` is without TLS: it may listen on loopback only"));
    strcpy(strstr(with, ", http"), ", rediss: 1000}\n");
    assert_int_equal(parse(head, with), -1);
    assert_non_null(strstr(error.text, "port 1000 of a is used twice"));
    assert_int_equal(parse("front: perhaps\n", tail), -1);
    assert_int_equal(parse("front_idle_s: 100000\n", tail), -1);
    assert_int_equal(parse("front: on\nprotocol: splitbft\nfaults: 1\nservice: counter\nisolation: process\n"
                           "durability: memory\n",
                           tail),
                     -1);
    assert_non_null(strstr(error.text, "F:1:8: `front` is on, but service counter has no front"));
}

/* Metrics on loopback of different hosts may have one port; on one host they may not. */
static void ports_are_per_host(void **state)
{
    char same[sizeof tail];
    (void)state;
    strcpy(same, tail);
    memcpy(strstr(same, "10.0.0.2"), "10.0.0.1", 8);
    assert_int_equal(parse(head, same), -1);
    assert_string_equal(error.text, "F:8:5: port 1000 of 10.0.0.1 is used twice (by replica 0, too)");
}

static void complains_with_its_place(void **state)
{
    static const struct {
        const char *extra, *message;
    } cases[] = {
        {"foo: 1\n", "F:6:1: unknown key `foo`"},
        {"faults: 1\n", "F:6:1: duplicate key `faults` (first at line 2)"},
        {"[a]: 1\n", "F:6:1: unknown key `(not a name)`"},
        {"memory_mb: 010\n", "F:6:12: `memory_mb` must be a whole number"},
        {"memory_mb: \"100\"\n", "F:6:12: `memory_mb` must be a whole number"},
        {"memory_mb: 99999999999999999999\n", "F:6:12: `memory_mb` must be a whole number"},
        {"memory_mb: 1\n", "F:6:12: `memory_mb` is 1, but must be from 64 to 1048576"},
        {"spin: {}\n", "F:6:7: `spin` must be on or off"},
        {"split_app: yes\n", "F:6:12: `split_app` must be on or off"},
        {"log: xml\n", "F:6:6: `log` is `xml`, but must be one of: text, json"},
        {"service_options: [a]\n", "F:6:18: `service_options` must be a string"},
        {"service_options: \"a\\0b\"\n", "F:6:18: `service_options` is too long"},
        {"\tspin: on\n", "F:6:1: found a tab character that violates indentation"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s%s", head, cases[i].extra);
        assert_int_equal(parse(text, tail), -1);
        assert_string_equal(error.text, cases[i].message);
    }
}

static void a_split_application_needs_processes(void **state)
{
    static const char inline_head[] =
        "protocol: pbft\nfaults: 1\nservice: kv\nisolation: inline\ndurability: memory\n";
    char text[1024];
    (void)state;
    assert_int_equal(parse(head, tail), 0);
    assert_false(config.split_app);
    snprintf(text, sizeof text, "%ssplit_app: true\n", head);
    assert_int_equal(parse(text, tail), 0);
    assert_true(config.split_app);
    snprintf(text, sizeof text, "%ssplit_app: false\n", inline_head);
    assert_int_equal(parse(text, tail), 0);
    snprintf(text, sizeof text, "%ssplit_app: true\n", inline_head);
    assert_int_equal(parse(text, tail), -1);
    assert_string_equal(
        error.text, "F:6:12: `split_app` is on, but isolation is inline: a service in a process of its own "
                    "needs isolation: process, which pbft does not know");
}

static void survives_odd_documents(void **state)
{
    static const char *const odd[] = {"",
                                      "a",
                                      "[]",
                                      "- 1",
                                      "&a [*a]",
                                      "{}",
                                      "replicas: &r [*r]",
                                      "\xff\xfe",
                                      "%YAML 9.9\n---\n",
                                      "protocol: *nothing",
                                      "? {a: b}\n: c"};
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        assert_int_equal(parse(odd[i], ""), -1);
        assert_int_equal(strncmp(error.text, "F:", 2), 0);
    }
}

static void says_what_is_not_built(void **state)
{
    char text[1024];
    (void)state;
    assert_int_equal(parse(head, tail), 0);
    assert_int_equal(config_supported(&config, &error), 0);
    strcpy(text, head);
    memcpy(strstr(text, "memory"), "sync  ", 6);
    assert_int_equal(parse(text, tail), 0);
    assert_int_equal(config_supported(&config, &error), 0);
    assert_int_equal(config.durability, DURABILITY_SYNC);
    memcpy(strstr(text, "process"), "kvm    ", 7);
    assert_int_equal(parse(text, tail), 0);
    assert_int_equal(config_supported(&config, &error), -1);
    assert_non_null(strstr(error.text, "not built yet"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_is_there),
        cmocka_unit_test(the_front),
        cmocka_unit_test(ports_are_per_host),
        cmocka_unit_test(complains_with_its_place),
        cmocka_unit_test(a_split_application_needs_processes),
        cmocka_unit_test(survives_odd_documents),
        cmocka_unit_test(says_what_is_not_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
