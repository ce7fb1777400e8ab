/* cluster.yaml: what is accepted, and that every complaint names its place. The whole list is in test/e2e/cluster_file.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_edit.h"
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

#define SALT       "000102030405060708090a0b0c0d0e0F"
#define HASH       "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define USER(name) "  - {name: " name ", salt: " SALT ", hash: " HASH "}\n"

static void the_users(void **state)
{
    char text[2048];
    (void)state;
    assert_int_equal(parse(head, tail), 0);
    assert_int_equal(config.users, 0);
    snprintf(text, sizeof text, "%susers:\n%s%s", head, USER("ann"), USER("b.o_b@x+y-1"));
    assert_int_equal(parse(text, tail), 0);
    assert_int_equal(config.users, 2);
    assert_string_equal(config.user[0].name, "ann");
    assert_int_equal(config.user[0].salt[15], 15);
    assert_int_equal(config.user[1].hash[31], 255);
    assert_int_equal(config.user[1].line, 8);
    assert_int_equal(config_user_find(&config, "b.o_b@x+y-1"), 1);
    assert_int_equal(config_user_find(&config, "b"), -1);
}

static void users_that_are_wrong(void **state)
{
#define WITH(name, salt, hash) "users:\n  - {name: " name ", salt: " salt ", hash: " hash "}\n"
    static const struct {
        const char *extra, *message;
    } cases[] = {
        {"users:\n", "F:6:7: `users` must be a list"},
        {"users: {}\n", "F:6:8: `users` must be a list"},
        {"users: []\n", "F:6:8: `users` names nobody: leave it out where nobody has to say who he is"},
        {"users: [ann]\n", "F:6:9: a user must be a mapping (key: value)"},
        {"users:\n  - {name: ann, salt: " SALT "}\n", "F:7:5: missing key `hash` in a user"},
        {"users:\n  - {name: ann, password: secret}\n", "F:7:17: unknown key `password`"},
        {WITH("''", SALT, HASH),
         "F:7:12: bad name ``: must be letters, digits and ._@+-, and begin with none of . and -"},
        {WITH("'a:b'", SALT, HASH),
         "F:7:12: bad name `a:b`: must be letters, digits and ._@+-, and begin with none of . and -"},
        {WITH("\"a\\0b\"", SALT, HASH), "F:7:12: `name` is too long"},
        {WITH("12345678901234567890123456789012345678901234567890123456789012345", SALT, HASH),
         "F:7:12: `name` is too long"},
        {WITH("ann", "00", HASH), "F:7:23: `salt` must be 32 hexadecimal digits"},
        {WITH("ann", "0x0102030405060708090a0b0c0d0e0f", HASH),
         "F:7:23: `salt` must be 32 hexadecimal digits"},
        {WITH("ann", "[]", HASH), "F:7:23: `salt` must be 32 hexadecimal digits"},
        {WITH("ann", SALT, SALT), "F:7:63: `hash` must be 64 hexadecimal digits"},
        {WITH("ann", SALT, HASH "0"), "F:7:63: `hash` must be 64 hexadecimal digits"},
        {"users:\n" USER("ann") USER("bob") USER("ann"), "F:9:12: duplicate user `ann` (first at line 7)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[1024];
        snprintf(text, sizeof text, "%s%s", head, cases[i].extra);
        assert_int_equal(parse(text, tail), -1);
        assert_string_equal(error.text, cases[i].message);
    }
}

static void so_many_users_and_no_more(void **state)
{
    static char text[64 * 1024];
    (void)state;
    for (uint32_t count = FRONT_USERS_MAX; count <= FRONT_USERS_MAX + 1; count++) {
        size_t len = (size_t)snprintf(text, sizeof text, "%susers:\n", head);
        for (uint32_t i = 0; i < count; i++)
            len += (size_t)snprintf(text + len, sizeof text - len,
                                    "  - {name: u%u, salt: " SALT ", hash: " HASH "}\n", i);
        len += (size_t)snprintf(text + len, sizeof text - len, "%s", tail);
        memset(&config, 0, sizeof config);
        assert_int_equal(config_parse(&config, "F", text, len, &error), count == FRONT_USERS_MAX ? 0 : -1);
    }
    assert_string_equal(error.text, "F:263:5: too many users: 257 listed, at most 256");
}

/* ---------------------------------------------------------------- config_edit.h */

static char dir[] = "/tmp/redoubt-config.XXXXXX";

static void file_put(const char *text)
{
    char path[PATH_BYTES];
    assert_true(path_make(path, "%s/cluster.yaml", dir));
    assert_int_equal(file_write(path, text, strlen(text), 0640, &error), 0);
    assert_int_equal(config_read(&config, dir, &error), 0);
}

/* The file says this, and `config` what the file says. */
static void file_is(const char *text)
{
    static struct config again;
    char path[PATH_BYTES];
    struct file file;
    struct stat st;
    assert_true(path_make(path, "%s/cluster.yaml", dir));
    assert_int_equal(file_read(&file, path, 65536, &error), 0);
    assert_string_equal(file.data, text);
    file_free(&file);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(config_read(&again, dir, &error), 0);
    assert_memory_equal(&again, &config, sizeof config);
}

#define ZEROS     "00000000000000000000000000000000"
#define ONES      "01010101010101010101010101010101"
#define NEW(name) "  - {name: " name ", salt: " ONES ", hash: " ONES ONES "}\n"
#define ODD                                                                                                  \
    "# users: none\nusers: # who\n  # the first\n  - name: ann # Ann\n    hash: \"" ZEROS ZEROS              \
    "\"\n    salt:  " ZEROS "\n\n"

static struct user_config user_of(const char *name)
{
    struct user_config user = {.line = 7};
    strcpy(user.name, name);
    memset(user.salt, 1, sizeof user.salt);
    memset(user.hash, 1, sizeof user.hash);
    return user;
}

static const char *joined(const char *a, const char *b, const char *c)
{
    static char text[4096];
    snprintf(text, sizeof text, "%s%s%s", a, b, c);
    return text;
}

static void edits_users_and_nothing_else(void **state)
{
    struct user_config ann = user_of("ann"), bob = user_of("bob");
    (void)state;
    file_put(joined(head, tail, "# the end"));
    assert_int_equal(config_set_user(&config, &ann, &error), 0);
    file_is(joined(head, tail, "# the end\nusers:\n" NEW("ann")));
    assert_int_equal(config_set_user(&config, &bob, &error), 0);
    file_is(joined(head, tail, "# the end\nusers:\n" NEW("ann") NEW("bob")));
    assert_int_equal(config_remove_user(&config, "ann", &error), 0);
    file_is(joined(head, tail, "# the end\nusers:\n" NEW("bob")));
    assert_int_equal(config_remove_user(&config, "ann", &error), -1);
    assert_non_null(strstr(error.text, "there is no user `ann`"));
    assert_int_equal(config_remove_user(&config, "bob", &error), 0);
    file_is(joined(head, tail, "# the end\n"));
    assert_int_equal(config.users, 0);
}

static void edits_users_as_people_write_them(void **state)
{
    struct user_config ann = user_of("ann"), bob = user_of("bob");
    char text[2048];
    (void)state;
    file_put(joined(head, ODD, tail));
    assert_int_equal(config_set_user(&config, &bob, &error), 0);
    snprintf(text, sizeof text, "%s", ODD);
    strcpy(strrchr(text, '\n'), NEW("bob") "\n");
    file_is(joined(head, text, tail));
    assert_int_equal(config_set_user(&config, &ann, &error), 0);
    for (char *zeros; (zeros = strstr(text, ZEROS)) != NULL;)
        memcpy(zeros, ONES, sizeof ONES - 1);
    file_is(joined(head, text, tail));
    assert_int_equal(config_remove_user(&config, "bob", &error), 0);
    assert_int_equal(config_remove_user(&config, "ann", &error), 0);
    file_is(joined(head, "# users: none\n  # the first\n\n", tail));
}

/* What cannot be changed in one place stays as it is. */
static void leaves_alone_what_it_cannot_edit(void **state)
{
    static const char *const lists[] = {
        "users: [{name: ann, salt: " ZEROS ", hash: " ZEROS ZEROS "}]\n",
        "users:\n  -\n    name: ann\n    salt: " ZEROS "\n    hash: " ZEROS ZEROS "\n",
        "\"users\":\n  - {name: ann, salt: " ZEROS ", hash: " ZEROS ZEROS "} # salt: " ONES "\n",
        "users:\n  - {hash: " ZEROS ZEROS ", # salt: " ONES "\n     salt: " ZEROS ", name: ann}\n",
    };
    struct user_config ann = user_of("ann");
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        file_put(joined(head, lists[i], tail));
        int result =
            i == 2 ? config_remove_user(&config, "ann", &error) : config_set_user(&config, &ann, &error);
        assert_int_equal(result, -1);
        assert_non_null(
            strstr(error.text, "/cluster.yaml: the list of users cannot be changed in it: do it by hand"));
        file_is(joined(head, lists[i], tail));
    }
    file_put(joined(head, tail, "...\n"));
    assert_int_equal(config_set_user(&config, &ann, &error), -1);
    file_is(joined(head, tail, "...\n"));
}

static void no_user_beyond_the_last(void **state)
{
    static char text[64 * 1024];
    struct user_config ann = user_of("ann"), last = user_of("u255");
    size_t len = (size_t)snprintf(text, sizeof text, "%s%susers:\n", head, tail);
    (void)state;
    for (uint32_t i = 0; i < FRONT_USERS_MAX; i++)
        len += (size_t)snprintf(text + len, sizeof text - len,
                                "- {name: u%u, salt: " SALT ", hash: " HASH "}\n", i);
    file_put(text);
    assert_int_equal(config_set_user(&config, &ann, &error), -1);
    assert_non_null(strstr(error.text, "it lists 256 users, which is the most"));
    assert_int_equal(config_set_user(&config, &last, &error), 0);
    assert_int_equal(config_remove_user(&config, "u0", &error), 0);
    assert_int_equal(config_set_user(&config, &ann, &error), 0);
    assert_int_equal(config_user_find(&config, "ann"), FRONT_USERS_MAX - 1);
}

static int folder_make(void **state)
{
    (void)state;
    return mkdtemp(dir) ? 0 : -1;
}

static int folder_drop(void **state)
{
    char path[PATH_BYTES];
    (void)state;
    return path_make(path, "%s/cluster.yaml", dir) && unlink(path) == 0 ? rmdir(dir) : -1;
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

static void hybster_says_what_it_cannot(void **state)
{
    static const char three[] = "replicas:\n"
                                "  - {id: 0, host: a, peer: 1000, client: 1001, metrics: 1006}\n"
                                "  - {id: 1, host: b, peer: 1000, client: 1001, metrics: 1006}\n"
                                "  - {id: 2, host: c, peer: 1000, client: 1001, metrics: 1006}\n";
    static const char good[] =
        "protocol: hybster\nfaults: 1\nservice: kv\nisolation: process\ndurability: memory\n";
    static const struct {
        const char *instead_of, *text, *extra, *message;
    } cases[] = {
        {"process", "inline ", "", "F:4:12: `isolation` is inline, but with hybster"},
        {"memory", "sync  ", "",
         "F:5:13: `durability` is sync, but hybster keeps nothing on a disk yet: use memory"},
        {"", "", "fast_reads: on\n", "F:6:13: `fast_reads` is on, but hybster has none yet"},
        {"", "", "split_app: on\n", "F:6:12: `split_app` is on, but hybster"},
        {"", "", "pillars: 0\n", "F:6:10: `pillars` is 0, but must be from 1 to 8"},
        {"", "", "pillars: 9\n", "F:6:10: `pillars` is 9, but must be from 1 to 8"},
        {"", "", "pillars: two\n", "F:6:10: `pillars` must be a whole number"},
    };
    char text[1024];
    (void)state;
    assert_int_equal(parse(good, three), 0);
    assert_int_equal(config_supported(&config, &error), 0);
    assert_int_equal(config.replicas, 3);
    assert_int_equal(config.pillars, 1);
    assert_true(config.restart);
    assert_int_equal(parse(good, tail), 0); /* one more does no harm */
    snprintf(text, sizeof text, "%srestart: never\nfront: off\nsplit_app: off\nfast_reads: off\n", good);
    assert_int_equal(parse(text, three), 0);
    assert_false(config.restart);
    snprintf(text, sizeof text, "%spillars: 8\n", good);
    assert_int_equal(parse(text, three), 0);
    assert_int_equal(config.pillars, 8);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        snprintf(text, sizeof text, "%s%s", good, cases[i].extra);
        memcpy(strstr(text, cases[i].instead_of), cases[i].text, strlen(cases[i].text));
        assert_int_equal(parse(text, three), -1);
        if (strncmp(error.text, cases[i].message, strlen(cases[i].message)) != 0)
            fail_msg("said: %s", error.text);
    }
    assert_int_equal(parse(head, three), -1); /* splitbft needs four */
    snprintf(text, sizeof text, "%spillars: 2\n", head);
    assert_int_equal(parse(text, tail), -1);
    assert_string_equal(error.text, "F:6:10: `pillars` is 2, but splitbft has none: it is for hybster");
    snprintf(text, sizeof text, "%spillars: 1\n", head); /* says nothing else */
    assert_int_equal(parse(text, tail), 0);
}

static void hybster_has_a_front(void **state)
{
    static const char good[] =
        "protocol: hybster\nfaults: 1\nservice: %s\nisolation: process\ndurability: memory\nfront: on\n%s";
    static const char three[] =
        "replicas:\n"
        "  - {id: 0, host: a, peer: 1000, client: 1001, metrics: 1006}\n"
        "  - {id: 1, host: b, peer: 1000, client: 1001, metrics: 1006, rediss: 1003}\n"
        "  - {id: 2, host: c, peer: 1000, client: 1001, metrics: 1006, https: 1002}\n";
    char text[1024];
    (void)state;
    snprintf(text, sizeof text, good, "kv", "");
    assert_int_equal(parse(text, three), 0);
    assert_int_equal(config_supported(&config, &error), 0);
    assert_true(config.front);
    assert_false(config.fast_reads);
    assert_int_equal(config.replica[0].front[0].port, 0);
    assert_int_equal(config.replica[2].front[0].port, 1002);
    snprintf(text, sizeof text, good, "counter", "");
    assert_int_equal(parse(text, three), -1);
    assert_non_null(strstr(error.text, "F:6:8: `front` is on, but service counter has no front"));
    snprintf(text, sizeof text, good, "kv", "fast_reads: on\n");
    assert_int_equal(parse(text, three), -1);
    assert_non_null(strstr(error.text, "F:7:13: `fast_reads` is on, but hybster has none yet"));
}

/* A service that may hold more than its compartment has would end every replica at once. */
static void memory_must_do_for_the_service(void **state)
{
    (void)state;
    assert_int_equal(parse(head, tail), 0);
    config.memory_mb = 2048; /* kv holds 1024 when nothing is said */
    assert_int_equal(config_supported(&config, &error), 0);
    config.memory_mb = 2047;
    assert_int_equal(config_supported(&config, &error), -1);
    assert_non_null(strstr(error.text, "memory_mb is 2047, but service kv may hold 1024 MiB"));
    snprintf(config.service_options, sizeof config.service_options, "memory_mb=64");
    assert_int_equal(config_supported(&config, &error), 0);
    snprintf(config.service_options, sizeof config.service_options, "memory_mb=1048576");
    assert_int_equal(config_supported(&config, &error), -1);
    static const char *const odd[] = {"memory_mb=", "memory_mb=-1", "memory_mb=nonsense",
                                      "memory_mb=99999999999999999999"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) { /* the service refuses them */
        snprintf(config.service_options, sizeof config.service_options, "%s", odd[i]);
        assert_int_equal(config_supported(&config, &error), 0);
    }
    snprintf(config.service, sizeof config.service, "counter");
    config.memory_mb = 64;
    config.service_options[0] = 0;
    assert_int_equal(config_supported(&config, &error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_must_do_for_the_service),
        cmocka_unit_test(hybster_says_what_it_cannot),
        cmocka_unit_test(hybster_has_a_front),
        cmocka_unit_test(reads_what_is_there),
        cmocka_unit_test(the_front),
        cmocka_unit_test(the_users),
        cmocka_unit_test(users_that_are_wrong),
        cmocka_unit_test(so_many_users_and_no_more),
        cmocka_unit_test(edits_users_and_nothing_else),
        cmocka_unit_test(edits_users_as_people_write_them),
        cmocka_unit_test(leaves_alone_what_it_cannot_edit),
        cmocka_unit_test(no_user_beyond_the_last),
        cmocka_unit_test(ports_are_per_host),
        cmocka_unit_test(complains_with_its_place),
        cmocka_unit_test(a_split_application_needs_processes),
        cmocka_unit_test(survives_odd_documents),
        cmocka_unit_test(says_what_is_not_built),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_drop);
}
