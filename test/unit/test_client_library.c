/* The public client library, over real sockets and files, against replicas that are played by one thread. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "client/loop.h"
#include "lib/fake_replicas.h"
#include "redoubt/client.h"

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    print_error("%s:%d: %s\n", file, line, expression);
    abort();
}

static int start(void **state)
{
    *state = fake_replicas_new(3);
    return 0;
}

static int stop(void **state)
{
    fake_replicas_free(*state);
    return 0;
}

static struct redoubt_client *open_one(struct fake_replicas *f)
{
    struct redoubt_client *client;
    int failed = redoubt_client_open(&client, f->dir, NULL);
    if (failed)
        print_error("%s\n", redoubt_client_error(NULL));
    assert_int_equal(failed, 0);
    return client;
}

static void expect(struct redoubt_client *client, const void *op, size_t len, enum redoubt_outcome_kind kind,
                   unsigned ms)
{
    struct redoubt_outcome outcome;
    assert_int_equal(redoubt_call(client, op, len, ms, &outcome), 0);
    if (outcome.kind != kind)
        print_error("%s\n", outcome.reason ? outcome.reason : "committed");
    assert_int_equal(outcome.kind, kind);
    if (kind == REDOUBT_COMMITTED) {
        assert_int_equal(outcome.result_bytes, len);
        if (len)
            assert_memory_equal(outcome.result, op, len);
        assert_true(outcome.slot > 0);
    } else {
        assert_non_null(outcome.reason);
    }
    redoubt_outcome_clear(&outcome);
}

static void calls_of_all_sizes_come_back(void **state)
{
    struct redoubt_client *client = open_one(*state);
    static uint8_t op[REDOUBT_OP_MAX_BYTES + 1];
    const size_t sizes[] = {0, 1, 63, 64, 65, 66, 1000, 70000, 262144, 1048576, REDOUBT_OP_MAX_BYTES};
    struct redoubt_client_counters counters = {.struct_bytes = sizeof counters};
    crypto_random(op, sizeof op);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        expect(client, op, sizes[i], REDOUBT_COMMITTED, 5000);
    expect(client, op, REDOUBT_OP_MAX_BYTES + 1, REDOUBT_REJECTED, 5000);
    redoubt_client_counters(client, &counters);
    assert_int_equal(counters.replicas, 4);
    assert_int_equal(counters.replicas_connected, 4);
    assert_int_equal(counters.bundles, sizeof sizes / sizeof sizes[0]);
    assert_int_equal(counters.bad_replies, 0);
    redoubt_client_close(client);
}

static void one_silent_or_lying_replica_is_outvoted_and_two_are_not(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client *client = open_one(f);
    struct redoubt_client_counters counters = {.struct_bytes = sizeof counters};
    expect(client, "warm", 4, REDOUBT_COMMITTED, 5000);
    for (unsigned r = 0; r < FAKE_N; r++) {
        atomic_store(&f->silent, 1u << r);
        expect(client, "one is silent", 13, REDOUBT_COMMITTED, 5000);
    }
    atomic_store(&f->silent, 3);
    expect(client, "two are", 7, REDOUBT_UNKNOWN, 100);
    atomic_store(&f->silent, 0);
    for (unsigned r = 0; r < FAKE_N; r++) {
        atomic_store(&f->lying, 1u << r);
        for (int i = 0; i < 5; i++)
            expect(client, "one lies", 8, REDOUBT_COMMITTED, 5000);
    }
    atomic_store(&f->lying, 3);
    expect(client, "two do", 6, REDOUBT_UNKNOWN, 100);
    redoubt_client_counters(client, &counters);
    assert_true(counters.replies > 0);
    redoubt_client_close(client);
}

static void connections_come_back(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client *client = open_one(f);
    expect(client, "before", 6, REDOUBT_COMMITTED, 5000);
    for (int i = 0; i < 3; i++) {
        atomic_store(&f->hang_up, true);
        while (atomic_load(&f->hang_up))
            usleep(1000);
        expect(client, "after", 5, REDOUBT_COMMITTED, 5000);
    }
    atomic_store(&f->garbage, 4); /* one sends what is no frame */
    for (int i = 0; i < 10; i++)
        expect(client, "beside garbage", 14, REDOUBT_COMMITTED, 5000);
    assert_string_not_equal(redoubt_client_error(client), "");
    redoubt_client_close(client);
}

/* ------------------------------------------------------------------------------------------------ many threads */

#define THREADS 4
#define CALLS   300

static void *caller(void *argument)
{
    struct redoubt_client *client = argument;
    for (unsigned i = 0; i < CALLS; i++)
        expect(client, &i, sizeof i, REDOUBT_COMMITTED, 10000);
    return NULL;
}

static void all_functions_may_be_called_from_any_thread(void **state)
{
    struct redoubt_client *client = open_one(*state);
    struct redoubt_client_counters counters = {.struct_bytes = sizeof counters};
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, caller, client);
    for (int i = 0; i < 100; i++)
        redoubt_client_counters(client, &counters);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    redoubt_client_close(client);
}

struct tally {
    atomic_uint told, committed;
};

static void tally_done(void *context, const struct redoubt_outcome *outcome)
{
    struct tally *tally = context;
    atomic_fetch_add(&tally->told, 1);
    atomic_fetch_add(&tally->committed, outcome->kind == REDOUBT_COMMITTED);
}

static void closing_tells_every_outcome(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client *client = open_one(f);
    struct tally tally = {0};
    unsigned accepted = 0;
    atomic_store(&f->silent, 15);
    for (unsigned i = 0; i < 5000; i++)
        accepted += redoubt_submit(client, &i, sizeof i, 60000, tally_done, &tally) == 0;
    redoubt_client_close(client);
    assert_int_equal(accepted, 5000);
    assert_int_equal(atomic_load(&tally.told), 5000);
    assert_int_equal(atomic_load(&tally.committed), 0);
}

static void a_full_queue_says_so(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client_options options;
    struct redoubt_client *client;
    struct tally tally = {0};
    unsigned accepted = 0;
    redoubt_client_options_init(&options);
    options.queue_max = 100;
    options.bundle_ops_max = 1;
    atomic_store(&f->silent, 15);
    assert_int_equal(redoubt_client_open(&client, f->dir, &options), 0);
    for (unsigned i = 0; i < 1000; i++) {
        int result = redoubt_submit(client, &i, sizeof i, 60000, tally_done, &tally);
        assert_true(result == 0 || result == -EAGAIN);
        accepted += result == 0;
        if (i % 100 == 0)
            usleep(2000);
    }
    assert_true(accepted >= 100 && accepted <= 204);
    redoubt_client_close(client);
    assert_int_equal(atomic_load(&tally.told), accepted);
}

/* ------------------------------------------------------------------------------------------------ the folder */

static void each_process_takes_a_key_of_its_own(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client *client[4];
    struct redoubt_client_options options;
    for (int i = 0; i < 3; i++)
        client[i] = open_one(f);
    assert_int_equal(redoubt_client_open(&client[3], f->dir, NULL), -EWOULDBLOCK);
    assert_non_null(strstr(redoubt_client_error(NULL), "in use"));
    redoubt_client_close(client[1]);
    redoubt_client_options_init(&options);
    options.origin = 1;
    assert_int_equal(redoubt_client_open(&client[1], f->dir, &options), 0);
    options.origin = 7;
    assert_int_equal(redoubt_client_open(&client[3], f->dir, &options), -EINVAL);
    for (int i = 0; i < 3; i++)
        redoubt_client_close(client[i]);
}

static void epochs_rise_even_when_the_clock_does_not(void **state)
{
    struct fake_replicas *f = *state;
    struct client_folder *folder = malloc(sizeof *folder);
    struct error error;
    char path[128];
    struct file file = {NULL, 0};
    assert_int_equal(client_folder_open(folder, f->dir, 0, &error), 0);
    epoch_no first = folder->epoch;
    client_folder_close(folder);
    snprintf(path, sizeof path, "%s/clients/000.epoch", f->dir);
    assert_int_equal(file_write(path, "9000000000000000000\n", 20, 0600, &error), 0);
    assert_int_equal(client_folder_open(folder, f->dir, 0, &error), 0);
    assert_true(first < 9000000000000000000u && folder->epoch == 9000000000000000001u);
    client_folder_close(folder);
    assert_int_equal(file_write(path, "soon\n", 5, 0600, &error), 0);
    assert_int_equal(client_folder_open(folder, f->dir, 0, &error), -EINVAL);
    assert_non_null(strstr(error.text, "000.epoch"));
    file_free(&file);
    free(folder);
}

static void refuses(struct fake_replicas *f, const char *name, const void *data, size_t len, mode_t mode,
                    const char *says)
{
    char path[128];
    struct file before;
    struct error error;
    struct redoubt_client *client;
    snprintf(path, sizeof path, "%s/%s", f->dir, name);
    assert_int_equal(file_read(&before, path, 1 << 20, &error), 0);
    if (data)
        assert_int_equal(file_write(path, data, len, mode, &error), 0);
    else
        assert_int_equal(unlink(path), 0);
    assert_int_not_equal(redoubt_client_open(&client, f->dir, NULL), 0);
    assert_null(client);
    if (!strstr(redoubt_client_error(NULL), says) || !strstr(redoubt_client_error(NULL), name))
        fail_msg("%s: says \"%s\"", name, redoubt_client_error(NULL));
    assert_int_equal(file_write(path, before.data, before.len, 0600, &error), 0);
    file_free(&before);
    redoubt_client_close(open_one(f)); /* untampered twin */
}

static void a_folder_that_is_wrong_is_named(void **state)
{
    struct fake_replicas *f = *state;
    char zeros[64] = {0};
    char path[128];
    struct file manifest;
    struct error error;
    const char *endpoints[][2] = {
        {"", "not a JSON"},
        {"[]", "no list"},
        {"{\"replicas\":[]}", "0 replicas"},
        {"{\"replicas\":[{\"id\":0,\"client\":\"a:1\"},{\"id\":0,\"client\":\"a:1\"},{\"id\":2,\"client\":"
         "\"a:1\"},{\"id\":3,\"client\":\"a:1\"}]}",
         "twice"},
        {"{\"replicas\":[{\"id\":4,\"client\":\"a:1\"},1,2,3]}", "\"id\""},
        {"{\"replicas\":[{\"id\":0,\"client\":null},1,2,3]}", "HOST:PORT"},
        {"{\"replicas\":[{\"id\":0,\"client\":\"a:0\"},1,2,3]}", "HOST:PORT"},
        {"{\"replicas\":[{\"id\":0,\"client\":\"a:65536\"},1,2,3]}", "HOST:PORT"},
        {"{\"replicas\":[{\"id\":0,\"client\":\":1\"},1,2,3]}", "HOST:PORT"},
    };
    for (size_t i = 0; i < sizeof endpoints / sizeof endpoints[0]; i++)
        refuses(f, "endpoints.json", endpoints[i][0], strlen(endpoints[i][0]), 0644, endpoints[i][1]);
    refuses(f, "endpoints.json", NULL, 0, 0, "No such file");
    refuses(f, "manifest", NULL, 0, 0, "start the cluster");
    refuses(f, "manifest", "garbage", 7, 0644, "not a manifest");
    snprintf(path, sizeof path, "%s/manifest", f->dir);
    assert_int_equal(file_read(&manifest, path, 1 << 20, &error), 0);
    manifest.data[manifest.len / 2] ^= 1;
    refuses(f, "manifest", manifest.data, manifest.len, 0644, "forged");
    file_free(&manifest);
    refuses(f, "admin.pub", zeros, 31, 0644, "32");
    refuses(f, "clients/000.key", zeros, 64, 0600, "not the key");
    refuses(f, "clients/000.key", zeros, 64, 0644, "others may read");
    refuses(f, "clients/000.key", zeros, 63, 0600, "64");
}

static void options_out_of_range_are_refused(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client *client;
    for (int what = 0; what < 7; what++) {
        struct redoubt_client_options o;
        redoubt_client_options_init(&o);
        if (what == 1)
            o.bundles_in_flight = 65;
        if (what == 2)
            o.bundle_ops_max = 0;
        if (what == 3)
            o.struct_bytes++;
        if (what == 4)
            o.retry_ms = 0;
        if (what == 5)
            o.origin = -2;
        if (what == 6)
            o.queue_max = 0;
        int failed = redoubt_client_open(&client, f->dir, &o);
        assert_int_equal(failed, what ? -EINVAL : 0);
        redoubt_client_close(client);
    }
}

/* ------------------------------------------------------------------------------------------------ one loop, many clients */

struct chained {
    struct redoubt_client *client;
    atomic_uint *left;
    unsigned todo;
};

static void chain_done(void *context, const struct redoubt_outcome *outcome)
{
    struct chained *chain = context;
    assert_int_equal(outcome->kind, REDOUBT_COMMITTED);
    if (--chain->todo)
        redoubt_submit(chain->client, &chain->todo, sizeof chain->todo, 10000, chain_done, chain);
    else
        atomic_fetch_sub(chain->left, 1);
}

static void callbacks_may_submit_and_clients_share_a_loop(void **state)
{
    struct fake_replicas *f = *state;
    for (unsigned delayed = 0; delayed < 2; delayed++) {
        struct client_loop_options options = {
            .core = -1, .delay_us = delayed * 3000u, .jitter_us = delayed * 1000u};
        struct client_loop *loop;
        struct error error;
        struct redoubt_client *client[3];
        struct chained chain[30];
        atomic_uint left = 30;
        assert_int_equal(client_loop_new(&loop, &options, &error), 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(client_open_on(&client[i], loop, f->dir, NULL), 0);
        uint64_t begin = client_clock_us();
        for (int i = 0; i < 30; i++) {
            chain[i] = (struct chained){client[i % 3], &left, delayed ? 5 : 100};
            chain_done(&chain[i], &(struct redoubt_outcome){.kind = REDOUBT_COMMITTED});
        }
        while (atomic_load(&left))
            usleep(1000);
        if (delayed)
            assert_true(client_clock_us() - begin >= 4 * 2 * 2000u);
        for (int i = 0; i < 3; i++)
            redoubt_client_close(client[i]);
        client_loop_free(loop);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(calls_of_all_sizes_come_back),
        TEST(one_silent_or_lying_replica_is_outvoted_and_two_are_not),
        TEST(connections_come_back),
        TEST(all_functions_may_be_called_from_any_thread),
        TEST(closing_tells_every_outcome),
        TEST(a_full_queue_says_so),
        TEST(each_process_takes_a_key_of_its_own),
        TEST(epochs_rise_even_when_the_clock_does_not),
        TEST(a_folder_that_is_wrong_is_named),
        TEST(options_out_of_range_are_refused),
        TEST(callbacks_may_submit_and_clients_share_a_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
