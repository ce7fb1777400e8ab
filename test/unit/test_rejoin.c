/* A replica that comes back with an epoch that the cluster does not take: it notices, and comes with a later one. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chain_file.h"
#include "rejoin.h"
#include "testing.h"

static struct replica *r;
static epoch_no known; /* of this replica, to the cluster */

static void status_of(const void *engine, struct engine_status *status)
{
    (void)engine;
    memset(status, 0, sizeof *status);
    for (int i = 0; i < 3; i++)
        status->epoch[i] = known;
}

static const struct engine_type engine = {.name = "test", .status = status_of};

static int setup(void **state)
{
    char path[PATH_BYTES];
    (void)state;
    r = calloc(1, sizeof *r);
    assert_non_null(r);
    strcpy(r->config.dir, "/tmp/redoubt-rejoin.XXXXXX");
    assert_non_null(mkdtemp(r->config.dir));
    assert_true(path_make(path, "%s/replica-0", r->config.dir));
    r->engine_type = &engine;
    r->options.rejoin = r->started = true;
    r->epoch = 1000;
    return mkdir(path, 0700);
}

static int teardown(void **state)
{
    char path[PATH_BYTES];
    (void)state;
    assert_true(path_make(path, "%s/replica-0/epoch", r->config.dir));
    unlink(path);
    assert_true(path_make(path, "%s/replica-0", r->config.dir));
    rmdir(path);
    rmdir(r->config.dir);
    free(r);
    return 0;
}

static void who_is_overtaken_comes_with_a_later_epoch(void **state)
{
    struct error error = {.text = ""};
    epoch_no next;
    (void)state;
    known = 900; /* not admitted yet */
    assert_false(rejoin_overtaken(r, &error));
    known = 1000; /* admitted */
    assert_false(rejoin_overtaken(r, &error));
    known = 1ull << 60; /* of another machine, by another clock */
    assert_true(rejoin_overtaken(r, &error));
    assert_non_null(strstr(error.text, "later"));
    assert_int_equal(epoch_draw(&next, 0, r->config.dir, 0, &error), 0);
    assert_int_equal(next, known + 1);
}

/* Once it is a member, or when it waits for a START, that is nothing that concerns it. */
static void only_who_comes_back_looks(void **state)
{
    struct error error;
    (void)state;
    known = 2000;
    r->rejoined = true;
    assert_false(rejoin_overtaken(r, &error));
    r->rejoined = false;
    r->options.rejoin = false;
    assert_false(rejoin_overtaken(r, &error));
    r->options.rejoin = true;
    r->started = false;
    assert_false(rejoin_overtaken(r, &error));
    r->started = true;
    assert_true(rejoin_overtaken(r, &error));
}

/* Whom nobody admits waits for a START in the end; but with hybster that would throw its counter away, for which it was given a key. */
static void a_counter_that_has_its_key_goes_on_asking(void **state)
{
    (void)state;
    known = 900;
    r->started_us = 1000000;
    r->now_us = r->started_us + 59000000;
    assert_false(rejoin_hopeless(r));
    r->now_us = r->started_us + 61000000;
    assert_true(rejoin_hopeless(r));
    r->config.protocol = PROTOCOL_HYBSTER;
    assert_false(rejoin_hopeless(r));
    assert_true(r->hope_told);
    r->now_us += 3600000000ull;
    assert_false(rejoin_hopeless(r));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_is_overtaken_comes_with_a_later_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(only_who_comes_back_looks, setup, teardown),
        cmocka_unit_test_setup_teardown(a_counter_that_has_its_key_goes_on_asking, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
