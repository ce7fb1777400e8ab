/* Lanes of the client library: operations that keep their order, against replicas that are played by one thread. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "lib/fake_replicas.h"
#include "redoubt/client.h"

#define LANES     20u
#define OPS       300u
#define TIMEOUT   20000u
#define WAIT_MS   10u
#define PATIENCE_ 3000u /* of WAIT_MS */

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    print_error("%s:%d: %s\n", file, line, expression);
    abort();
}

static int start(void **state)
{
    *state = fake_replicas_new(1);
    return 0;
}

static int stop(void **state)
{
    fake_replicas_free(*state);
    return 0;
}

/* What a lane's callbacks saw. */
struct story {
    struct redoubt_lane *lane;
    struct redoubt_client *client;
    unsigned submitted; /* by callbacks */
    atomic_uint told, committed, rejected, unknown;
    atomic_uint disorder; /* told before an earlier one, or executed before it */
    uint64_t slot;
};

struct step {
    struct story *story;
    unsigned number;
};

static void on_done(void *context, const struct redoubt_outcome *outcome)
{
    struct step *step = context;
    struct story *story = step->story;
    unsigned told = atomic_load(&story->told);
    bool executed = outcome->kind == REDOUBT_COMMITTED;
    atomic_fetch_add(&story->disorder, told != step->number || (executed && outcome->slot < story->slot));
    atomic_fetch_add(&story->committed, executed);
    atomic_fetch_add(&story->rejected, outcome->kind == REDOUBT_REJECTED);
    atomic_fetch_add(&story->unknown, outcome->kind == REDOUBT_UNKNOWN);
    story->slot = executed ? outcome->slot : story->slot;
    free(step);
    atomic_store(&story->told, told + 1); /* who waits for the last may free the story */
}

static int tell(struct story *story, unsigned number, unsigned timeout_ms)
{
    struct step *step = malloc(sizeof *step);
    *step = (struct step){story, number};
    int result = story->lane
                     ? redoubt_lane_submit(story->lane, &number, sizeof number, timeout_ms, on_done, step)
                     : redoubt_submit(story->client, &number, sizeof number, timeout_ms, on_done, step);
    if (result)
        free(step);
    return result;
}

static void wait_told(struct story *story, unsigned count)
{
    for (unsigned i = 0; i < PATIENCE_ && atomic_load(&story->told) < count; i++)
        usleep(WAIT_MS * 1000);
    assert_int_equal(atomic_load(&story->told), count);
}

static struct redoubt_client *open_small(struct fake_replicas *f)
{
    struct redoubt_client_options options;
    struct redoubt_client *client;
    redoubt_client_options_init(&options);
    options.bundle_ops_max = 7;
    options.retry_ms = 10000; /* one that is slow here is sent again elsewhere */
    assert_int_equal(redoubt_client_open(&client, f->dir, &options), 0);
    return client;
}

/* All lanes at once, in turns; what was seen out of order. */
static unsigned run(struct redoubt_client *client, bool in_lanes)
{
    struct story *story = calloc(LANES, sizeof *story);
    unsigned disorder = 0;
    for (unsigned l = 0; l < LANES; l++) {
        story[l].client = client;
        story[l].lane = in_lanes ? redoubt_lane_open(client) : NULL;
    }
    for (unsigned i = 0; i < OPS; i++)
        for (unsigned l = 0; l < LANES; l++)
            assert_int_equal(tell(&story[l], i, TIMEOUT), 0);
    for (unsigned l = 0; l < LANES; l++) {
        wait_told(&story[l], OPS);
        assert_int_equal(atomic_load(&story[l].committed), OPS);
        disorder += atomic_load(&story[l].disorder);
        if (in_lanes)
            redoubt_lane_close(story[l].lane);
    }
    free(story);
    return disorder;
}

static void a_lane_keeps_its_order_and_a_client_does_not(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client *client = open_small(f);
    struct redoubt_client_counters counters = {.struct_bytes = sizeof counters};
    atomic_store(&f->backwards, true);
    assert_true(run(client, false) > 0);
    assert_int_equal(run(client, true), 0);
    redoubt_client_counters(client, &counters);
    assert_int_equal(counters.quorum, 3);
    assert_true(counters.bundles < 2 * LANES * OPS); /* what waits together travels together */
    redoubt_client_close(client);
}

static void nothing_is_sent_behind_an_unknown_outcome(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client *client = open_small(f);
    struct story story = {.client = client}, other = {.client = client};
    story.lane = redoubt_lane_open(client);
    other.lane = redoubt_lane_open(client);
    assert_int_equal(tell(&story, 0, TIMEOUT), 0);
    wait_told(&story, 1);
    atomic_store(&f->silent, 15);
    assert_int_equal(tell(&story, 1, 200), 0);
    usleep(50000); /* it is under way by itself */
    for (unsigned i = 2; i < 30; i++)
        assert_int_equal(tell(&story, i, 1), 0); /* their deadline is not before its own */
    wait_told(&story, 30);
    assert_int_equal(atomic_load(&story.disorder), 0);
    assert_int_equal(atomic_load(&story.unknown), 1);
    assert_int_equal(atomic_load(&story.rejected), 28);
    atomic_store(&f->silent, 0);
    if (tell(&story, 30, TIMEOUT) == 0)
        wait_told(&story, 31);
    assert_int_equal(atomic_load(&story.committed), 1);
    assert_int_equal(tell(&other, 0, TIMEOUT), 0); /* its twin, in a lane of its own */
    wait_told(&other, 1);
    assert_int_equal(atomic_load(&other.committed), 1);
    redoubt_lane_close(story.lane);
    redoubt_lane_close(other.lane);
    redoubt_client_close(client);
}

/* A callback submits the next one, and the last one's closes the lane. */
static void chain(void *context, const struct redoubt_outcome *outcome)
{
    struct story *story = context;
    struct redoubt_lane *lane = story->lane;
    assert_int_equal(outcome->kind, REDOUBT_COMMITTED);
    if (++story->submitted < 50) {
        assert_int_equal(redoubt_lane_submit(lane, "x", 1, TIMEOUT, chain, story), 0);
        return;
    }
    redoubt_lane_close(lane);
    atomic_fetch_add(&story->told, 1);
}

static void callbacks_may_submit_to_a_lane_and_close_it(void **state)
{
    struct redoubt_client *client = open_small(*state);
    struct story story = {.client = client, .lane = redoubt_lane_open(client)};
    assert_int_equal(redoubt_lane_submit(story.lane, "x", 1, TIMEOUT, chain, &story), 0);
    wait_told(&story, 1);
    redoubt_client_close(client);
}

static void closing_tells_every_outcome_of_every_lane(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client *client = open_small(f);
    struct story story[LANES] = {0};
    atomic_store(&f->silent, 15);
    for (unsigned l = 0; l < LANES; l++) {
        story[l].lane = redoubt_lane_open(client);
        for (unsigned i = 0; i < 30; i++)
            assert_int_equal(tell(&story[l], i, TIMEOUT), 0);
        if (l % 2)
            redoubt_lane_close(story[l].lane); /* what was submitted goes on */
    }
    redoubt_client_close(client);
    for (unsigned l = 0; l < LANES; l++) {
        assert_int_equal(atomic_load(&story[l].told), 30);
        assert_int_equal(atomic_load(&story[l].committed), 0);
        assert_int_equal(atomic_load(&story[l].disorder), 0);
    }
}

static void lanes_together_hold_no_more_than_the_queue(void **state)
{
    struct fake_replicas *f = *state;
    struct redoubt_client_options options;
    struct redoubt_client *client;
    struct story story[4] = {0};
    unsigned accepted[4] = {0}, all = 0;
    redoubt_client_options_init(&options);
    options.queue_max = 100;
    atomic_store(&f->silent, 15);
    assert_int_equal(redoubt_client_open(&client, f->dir, &options), 0);
    for (unsigned l = 0; l < 4; l++)
        story[l].lane = redoubt_lane_open(client);
    for (unsigned i = 0; i < 1000; i++) {
        int result = tell(&story[i % 4], accepted[i % 4], TIMEOUT);
        assert_true(result == 0 || result == -EAGAIN);
        accepted[i % 4] += result == 0;
        all += result == 0;
        if (i % 50 == 0)
            usleep(2000);
    }
    assert_true(all >= 100 && all <= 500);
    redoubt_client_close(client);
    for (unsigned l = 0; l < 4; l++)
        assert_int_equal(atomic_load(&story[l].told), accepted[l]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_lane_keeps_its_order_and_a_client_does_not), TEST(nothing_is_sent_behind_an_unknown_outcome),
        TEST(callbacks_may_submit_to_a_lane_and_close_it),  TEST(closing_tells_every_outcome_of_every_lane),
        TEST(lanes_together_hold_no_more_than_the_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
