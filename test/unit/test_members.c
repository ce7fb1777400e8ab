/* What is remembered of hosts over a restart, and the one change that a command makes in cluster.yaml. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_edit.h"
#include "members.h"

static struct configuration *start;
static struct error error;

static int setup(void **state)
{
    (void)state;
    start = calloc(1, sizeof *start);
    start->replicas = 4;
    memset(start->cluster.bytes, 0xc1, sizeof start->cluster.bytes);
    for (replica_id r = 0; r < 4; r++) {
        start->host[r].epoch = 1;
        memset(start->host[r].link_public, (int)r + 1, 32);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(start);
    return 0;
}

static void moved(struct host_keys *host, epoch_no epoch, uint8_t key, const char *peer, const char *client)
{
    host->epoch = epoch;
    memcpy(host->link_before, host->link_public, 32);
    memset(host->link_public, key, 32);
    strcpy(host->peer, peer);
    strcpy(host->client, client);
}

static void only_what_is_later_is_taken(void **state)
{
    (void)state;
    struct members m = {0};
    assert_int_equal(members_follow(&m, start), 15);
    assert_int_equal(members_follow(&m, start), 0);
    moved(&start->host[2], 5, 0x55, "10.0.0.9:7720", "10.0.0.9:7721");
    assert_int_equal(members_follow(&m, start), 4);
    start->host[2].epoch = 4;
    memset(start->host[2].link_public, 0x44, 32);
    assert_int_equal(members_follow(&m, start), 0);
    assert_int_equal(m.host[2].link_public[0], 0x55);
    start->cluster.bytes[0]++; /* another cluster: all of it */
    assert_int_equal(members_follow(&m, start), 15);
    assert_int_equal(m.host[2].link_public[0], 0x44);
}

static void a_file_says_it_again(void **state)
{
    (void)state;
    char path[] = "/tmp/redoubt-members.XXXXXX";
    struct members m = {0}, again = {0}, other = {0};
    close(mkstemp(path));
    members_follow(&m, start);
    members_follow(&again, start);
    moved(&m.host[3], 9, 0x99, "[::1]:7730", "spare.example:7731");
    m.host[3].rotated = true;
    memset(m.platform[3], 0xab, 32);
    assert_int_equal(members_write(&m, path, &error), 0);
    assert_int_equal(members_read(&again, path, &error), 0);
    assert_memory_equal(&again.host[3], &m.host[3], sizeof m.host[3]);
    assert_memory_equal(again.platform[3], m.platform[3], 32);
    again.host[3].epoch = 10;
    strcpy(again.host[3].peer, "later:1");
    assert_int_equal(members_read(&again, path, &error), 0);
    assert_string_equal(again.host[3].peer, "later:1");
    start->cluster.bytes[3]++;
    members_follow(&other, start);
    assert_int_equal(members_read(&other, path, &error), 0);
    assert_int_equal(other.host[3].epoch, 1); /* of another cluster: nothing */
    FILE *file = fopen(path, "a");
    fputs("replica 3 epoch x\n", file);
    fclose(file);
    assert_int_equal(members_read(&again, path, &error), -1);
    unlink(path);
    assert_int_equal(members_read(&again, path, &error), 0);
}

static void addresses_both_ways(void **state)
{
    (void)state;
    static const char *const good[] = {"10.0.0.1:1", "a.example:65535", "[::1]:7700", "[fe80::1]:80"};
    static const char *const bad[] = {"", ":1", "a", "a:", "a:0", "a:65536", "a:1x", "[]:1", "a:-1", "a: 1"};
    struct address address;
    char text[ADDRESS_BYTES_MAX + 1];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(address_read(&address, good[i]));
        assert_true(address_print(text, &address));
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(address_read(&address, bad[i]));
}

/* ---------------------------------------------------------------- cluster.yaml */

static const char head[] = "# ours\nprotocol: splitbft\nfaults: 1\nservice: kv\nisolation: process\n"
                           "durability: memory\nreplicas:\n";
static struct config config;

enum what { SET_HOST, ADD, REMOVE };

static int edit_list(enum what what, const char *list, replica_id id, const char *host, char *after,
                     size_t cap)
{
    char dir[] = "/tmp/redoubt-edit.XXXXXX", path[64], text[4096];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/cluster.yaml", dir);
    int len = snprintf(text, sizeof text, "%s%s", head, list);
    assert_int_equal(file_write(path, text, (size_t)len, 0644, &error), 0);
    assert_int_equal(config_read(&config, dir, &error), 0);
    int result = what == SET_HOST ? config_set_host(&config, id, host, &error)
                 : what == ADD    ? config_add_replica(&config, host, &error)
                                  : config_remove_replica(&config, &error);
    struct file file;
    assert_int_equal(file_read(&file, path, 4096, &error), 0);
    snprintf(after, cap, "%s", (const char *)file.data + sizeof head - 1);
    file_free(&file);
    unlink(path);
    rmdir(dir);
    return result;
}

static int edit(const char *list, replica_id id, const char *host, char *after, size_t cap)
{
    return edit_list(SET_HOST, list, id, host, after, cap);
}

static void one_host_is_changed_and_nothing_else(void **state)
{
    (void)state;
    char after[4096];
    assert_int_equal(
        edit("  - id: 0\n    host: a   # host: here\n    peer: 1\n    client: 2\n    metrics: 3\n"
             "  - {id: 1, host: b, peer: 1, client: 2, metrics: 3}\n"
             "  - {id: 2, host: c, peer: 1, client: 'other:2', metrics: 3}\n"
             "  - {id: 3, host: d, peer: 1, client: 2, metrics: 3}\n",
             1, "10.0.0.77", after, sizeof after),
        0);
    assert_non_null(strstr(after, "host: a   # host: here\n"));
    assert_non_null(strstr(after, "{id: 1, host: 10.0.0.77, peer: 1, client: 2, metrics: 3}"));
    assert_string_equal(config.replica[1].peer.host, "10.0.0.77");
    assert_int_equal(
        edit("  - id: 0\n    host: a   # host: here\n    peer: 1\n    client: 2\n    metrics: 3\n"
             "  - {id: 1, host: b, peer: 1, client: 2, metrics: 3}\n"
             "  - {id: 2, host: c, peer: 1, client: 2, metrics: 3}\n"
             "  - {id: 3, host: d, peer: 1, client: 2, metrics: 3}\n",
             0, "z", after, sizeof after),
        0);
    assert_non_null(strstr(after, "host: z   # host: here\n"));
}

static void what_cannot_be_changed_safely_is_left_alone(void **state)
{
    (void)state;
    char after[4096];
    static const char list[] = "  - {id: 0, host: \"a\", peer: 1, client: 2, metrics: 3}\n"
                               "  - {id: 1, host: b, peer: 1, client: 2, metrics: 3}\n"
                               "  - {id: 2, host: c, peer: 1, client: 2, metrics: 3}\n"
                               "  - {id: 3, host: d, peer: 1, client: 2, metrics: 3}\n";
    assert_int_equal(edit(list, 0, "z", after, sizeof after), -1);
    assert_string_equal(after, list);
    assert_int_equal(edit(list, 1, "c", after, sizeof after), -1); /* ports would be used twice */
    assert_string_equal(after, list);
}

/* With the last replica's ports, ten higher; what comes behind the list stays behind it, and coming and going leaves what was there. */
static void the_list_grows_and_shrinks_at_its_end(void **state)
{
    (void)state;
    char after[4096], again[4096];
    static const char list[] = "  - id: 0\n    host: a\n    peer: 1\n    client: 2\n    metrics: 3\n"
                               "  - {id: 1, host: b, peer: 1, client: 2, metrics: 3}\n"
                               "  - {id: 2, host: c, peer: 1, client: 2, metrics: 3}\n"
                               "  - id: 3   # the third\n    host: d\n    peer: 11\n    client: 'e:12'\n"
                               "    # where pages are\n    metrics: 13\n\nspin: off # last\n";
    assert_int_equal(edit_list(ADD, list, 0, "z", after, sizeof after), 0);
    assert_int_equal(config.replicas, 5);
    assert_int_equal(config.faults, 1);
    assert_string_equal(config.replica[4].peer.host, "z");
    assert_int_equal(config.replica[4].peer.port, 21);
    assert_string_equal(config.replica[4].client.host, "e"); /* as the last one has it */
    assert_int_equal(config.replica[4].client.port, 22);
    assert_string_equal(config.replica[4].metrics.host, "127.0.0.1");
    assert_non_null(strstr(after, "    metrics: 13\n  - id: 4\n    host: z\n    peer: 21\n    client: e:22\n"
                                  "    metrics: 23\n\nspin: off # last\n"));
    assert_int_equal(edit_list(REMOVE, after, 0, NULL, again, sizeof again), 0);
    assert_int_equal(config.replicas, 4);
    assert_string_equal(again, list);
    /* Six are the last that tolerate one. */
    assert_int_equal(edit_list(ADD, after, 0, "y", again, sizeof again), 0);
    assert_int_equal(edit_list(ADD, again, 0, "x", after, sizeof after), 0);
    assert_int_equal(config.replicas, 7);
    assert_int_equal(config.faults, 2);
}

static void a_list_that_cannot_be_changed_is_left_alone(void **state)
{
    (void)state;
    char after[4096];
    static const char flow[] = "  [{id: 0, host: a, peer: 1, client: 2, metrics: 3},\n"
                               "   {id: 1, host: b, peer: 1, client: 2, metrics: 3},\n"
                               "   {id: 2, host: c, peer: 1, client: 2, metrics: 3},\n"
                               "   {id: 3, host: d, peer: 1, client: 2, metrics: 3}]\n";
    static const char four[] = "  - {id: 0, host: a, peer: 1, client: 2, metrics: 3}\n"
                               "  - {id: 1, host: b, peer: 1, client: 2, metrics: 3}\n"
                               "  - {id: 2, host: c, peer: 1, client: 2, metrics: 3}\n"
                               "  - {id: 3, host: d, peer: 1, client: 2, metrics: 3}\n";
    assert_int_equal(edit_list(ADD, flow, 0, "z", after, sizeof after), -1);
    assert_string_equal(after, flow);
    assert_int_equal(edit_list(REMOVE, four, 0, NULL, after, sizeof after), -1); /* too few */
    assert_string_equal(after, four);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(only_what_is_later_is_taken),
        T(a_file_says_it_again),
        T(addresses_both_ways),
        T(one_host_is_changed_and_nothing_else),
        T(what_cannot_be_changed_safely_is_left_alone),
        T(the_list_grows_and_shrinks_at_its_end),
        T(a_list_that_cannot_be_changed_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
