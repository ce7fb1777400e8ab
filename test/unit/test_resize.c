/*
 * Changes of size: quorums of any number of replicas, the CLOSE that ends a configuration, and the START that goes on from there with
 * more or fewer.
 */
#include "testing.h"

#include <stdlib.h>

#include "origin/core.h"
#include "cluster.h"
#include "ordering/stable.h"
#include "resume.h"

#define K CHECKPOINT_INTERVAL
#define L WINDOW
#define P KIND_PREPARATION
#define C KIND_CONFIRMATION
#define E KIND_EXECUTION

static struct cluster *c;
static struct configuration held;

static int setup(void **state)
{
    (void)state;
    c = cluster_new(&(struct cluster_options){.replicas = 5});
    held = c->configuration;
    held.fixed = false; /* as if START named platforms */
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(c);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ quorums */

static void quorums_share_a_correct_one(void **state)
{
    (void)state;
    for (uint32_t n = REPLICAS_MIN; n <= REPLICAS_MAX; n++) {
        uint32_t f = faults_of(n), q = quorum_of(n);
        assert_true(3 * f + 1 <= n && 3 * (f + 1) + 1 > n);
        assert_true(2 * q >= n + f + 1);           /* two share f+1 */
        assert_true(2 * (q - 1) < n + f + 1);      /* and one less would not do */
        assert_true(q <= n - f && q >= 2 * f + 1); /* there are so many correct ones; f+1 of them in each */
        if (n == 3 * f + 1)
            assert_int_equal(q, 2 * f + 1);
    }
}

static uint32_t silent; /* replicas that say nothing; a bit each */

static bool drop(const struct cluster *cluster, const struct sent *sent, enum kind to, replica_id replica)
{
    (void)cluster, (void)to;
    return (silent >> sent->replica & 1) || (silent >> replica & 1);
}

static void five_decide_with_four_and_not_with_three(void **state)
{
    (void)state;
    struct test_bundle *one[] = {cluster_incr(c, 0, 1, 1)}, *two[] = {cluster_incr(c, 0, 2, 1)};
    c->drop = drop;
    silent = 1u << 4;
    cluster_order(c, one, 1);
    assert_int_equal(cluster_e(c, 0)->executed, 1);
    silent = 3u << 3;
    cluster_order(c, two, 1);
    assert_int_equal(cluster_e(c, 0)->executed, 1);
    silent = 0;
}

/* ------------------------------------------------------------------------------------------------ CLOSE */

static struct slice close_made(uint8_t body[RECONFIG_BYTES_MAX], struct reconfig m, const struct sign_key *by)
{
    static uint8_t signature[SIGNATURE_BYTES];
    struct digest_state state;
    struct digest content;
    struct auth auth = {.sign = *by};
    struct writer w = writer_to(body, RECONFIG_BYTES_MAX);
    reconfig_put(&w, &m);
    digest_begin(&state, RECONFIG_TAG);
    digest_add(&state, held.cluster.bytes, sizeof held.cluster.bytes);
    digest_add(&state, body, w.len);
    digest_end(&state, &content);
    auth_sign_content(&auth, &content, signature);
    m.signature = (struct slice){signature, sizeof signature};
    w = writer_to(body, RECONFIG_BYTES_MAX);
    reconfig_put(&w, &m);
    assert_false(w.bad);
    return (struct slice){body, w.len};
}

static enum verdict execute(struct configuration *configuration, struct slice body, slot_no slot)
{
    struct reconfig m;
    enum verdict verdict = reconfig_body_check(body, &m);
    return verdict == VERDICT_ACCEPT ? configuration_reconfigure(configuration, &m, body, slot) : verdict;
}

static void a_close_names_a_size_and_nothing_else(void **state)
{
    (void)state;
    static const uint8_t member[renewal_BYTES] = {KIND_HOST};
    const struct slice here = {(const uint8_t *)"a:1", 3};
    uint8_t body[RECONFIG_BYTES_MAX];
    struct reconfig m;
    for (uint32_t size = 0; size < 16; size++) {
        bool good = size >= REPLICAS_MIN && size <= REPLICAS_MAX;
        assert_int_equal(
            reconfig_body_check(
                close_made(body, (struct reconfig){.configuration = 1, .size = size}, &c->admin), &m),
            good ? VERDICT_ACCEPT : VERDICT_MALFORMED);
    }
    const struct reconfig wrong[] = {
        {.configuration = 1, .size = 6, .replica = 1},
        {.configuration = 1, .size = 6, .members = {member, sizeof member}},
        {.configuration = 1, .size = 6, .peer = here},
        {.configuration = 1, .size = 6, .client = here},
        {.configuration = UINT64_MAX, .size = 6},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_verdict(reconfig_body_check(close_made(body, wrong[i], &c->admin), &m), MALFORMED);
    struct writer w = writer_to(body, sizeof body);
    reconfig_put(&w, &(struct reconfig){.configuration = 1, .size = 6}); /* unsigned */
    assert_verdict(reconfig_body_check((struct slice){body, w.len}, &m), MALFORMED);
}

static void only_the_administrator_closes_and_once(void **state)
{
    (void)state;
    uint8_t body[RECONFIG_BYTES_MAX];
    struct sign_key other;
    sign_keypair(&other);
    const struct reconfig six = {.configuration = 1, .size = 6};
    assert_verdict(execute(&held, close_made(body, six, &other), 7), BAD_SIGNATURE);
    struct slice good = close_made(body, six, &c->admin);
    for (size_t at = 0; at < good.len; at++) { /* every byte counts */
        body[at] ^= 1;
        assert_true(execute(&held, good, 7) != VERDICT_ACCEPT);
        body[at] ^= 1;
    }
    /* As many as there are is no change, and another number is stale. */
    assert_verdict(
        execute(&held, close_made(body, (struct reconfig){.configuration = 1, .size = 5}, &c->admin), 7),
        MALFORMED);
    assert_verdict(
        execute(&held, close_made(body, (struct reconfig){.configuration = 2, .size = 6}, &c->admin), 7),
        STALE);
    assert_true(configuration_closes(&held) == UINT64_MAX);
    assert_verdict(execute(&held, close_made(body, six, &c->admin), 7), ACCEPT);
    assert_int_equal(configuration_closes(&held), activation_slot(7));
    assert_int_equal(held.number, 2);
    /* The next one is of another size: nothing else is ordered here any more. */
    assert_verdict(
        execute(&held, close_made(body, (struct reconfig){.configuration = 2, .size = 4}, &c->admin), 8),
        STALE);
    assert_int_equal(held.number, 2);
}

/* A CONFIGURATION with the CLOSE, and these signers of the checkpoint at `slot`. */
static struct slice shown(struct slice body, slot_no at, slot_no slot, uint32_t signers)
{
    static uint8_t steps[RECONFIG_BYTES_MAX + 12];
    struct writer w = writer_to(steps, sizeof steps);
    struct digest root = test_digest(4);
    put_u64(&w, at);
    put_slice(&w, body);
    c->configuration = held; /* what is signed names its number and chain */
    struct chain chain = {.first = 2,
                          .steps = {steps, w.len},
                          .slot = slot,
                          .root = root,
                          .signers = forge_signers(c, slot, &root, signers)};
    return forge_plain(c, cluster_auth(c, E, 0), FRAME_CONFIGURATION, cluster_body(c, chain, &chain),
                       SLICE_NONE);
}

static bool closed(const struct configuration *configuration, struct slice bytes)
{
    struct frame frame;
    slot_no slot;
    struct digest root, expected = test_digest(4);
    if (!frame_decode(bytes.data, bytes.len, &frame) ||
        !configuration_closed(configuration, &frame, &slot, &root))
        return false;
    assert_int_equal(slot, configuration_closes(configuration));
    assert_memory_equal(&root, &expected, sizeof root);
    return true;
}

static void f_plus_one_show_that_it_is_closed(void **state)
{
    (void)state;
    uint8_t body[RECONFIG_BYTES_MAX], other_body[RECONFIG_BYTES_MAX];
    const struct configuration before = held;
    struct slice close = close_made(body, (struct reconfig){.configuration = 1, .size = 6}, &c->admin);
    assert_verdict(execute(&held, close, 7), ACCEPT);
    slot_no a = configuration_closes(&held);
    struct slice good = shown(close, 7, a, 2);
    assert_true(closed(&held, good));
    assert_false(closed(&held, shown(close, 7, a, 1)));
    assert_false(closed(&held, shown(close, 7, a - K, 2)));
    assert_false(closed(&held, shown(close, 7, a + K, 2)));
    assert_false(closed(&before, good)); /* who does not hold the CLOSE follows it first */
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t at = good.len - 2 * signer_BYTES; at < good.len; at += 3) {
        bytes[at] ^= 4;
        assert_false(closed(&held, good));
        bytes[at] ^= 4;
    }
    /* Another one's CLOSE. */
    struct configuration other = before;
    struct slice seven = close_made(other_body, (struct reconfig){.configuration = 1, .size = 7}, &c->admin);
    assert_verdict(execute(&other, seven, 7), ACCEPT);
    assert_false(closed(&other, good));
    /* And the list of them that a host keeps. */
    uint8_t list[8192];
    struct writer w = writer_to(list, sizeof list);
    slot_no slot;
    struct digest root;
    put_slice(&w, shown(close, 7, a - K, 2));
    assert_false(resume_closed(&held, (struct slice){list, w.len}, &slot, &root));
    put_slice(&w, good);
    assert_true(resume_closed(&held, (struct slice){list, w.len}, &slot, &root));
    assert_int_equal(slot, a);
}

/* ------------------------------------------------------------------------------------------------ nothing above */

/* All hold a CLOSE that was executed so long ago that the next slot is the last. */
static slot_no close_everywhere(void)
{
    uint8_t body[RECONFIG_BYTES_MAX];
    struct slice close = close_made(body, (struct reconfig){.configuration = 1, .size = 6}, &c->admin);
    struct configuration *of[3 * 5];
    for (replica_id r = 0; r < 5; r++) {
        of[3 * r] = &cluster_p(c, r)->configuration;
        of[3 * r + 1] = &cluster_c(c, r)->configuration;
        of[3 * r + 2] = &cluster_e(c, r)->configuration;
    }
    for (unsigned i = 0; i < 15; i++) {
        of[i]->fixed = false;
        assert_verdict(execute(of[i], close, 1), ACCEPT);
    }
    return configuration_closes(of[0]);
}

static void nothing_lies_above_it(void **state)
{
    (void)state;
    slot_no a = close_everywhere();
    assert_int_equal(a, K + L);
    cluster_fill(c, a);
    assert_int_equal(cluster_e(c, 0)->executed, a);
    assert_int_equal(exec_stable_slot(cluster_e(c, 0)), a);
    /* The primary proposes nothing, backups and C vote for nothing, whoever asks them. */
    cluster_forget(c);
    assert_verdict(cluster_propose(c, 0, NULL, 0), EARLY);
    struct digest batch;
    struct slice list = cluster_list(c, c->now_us, NULL, 0, &batch);
    struct vote vote = {
        .configuration = cluster_p(c, 0)->configuration.number, .slot = a + 1, .batch = batch};
    assert_verdict(cluster_give(c, P, 1, forge_vote(c, FRAME_PRE_PREPARE, 0, vote, P, 1, list)), EARLY);
    assert_verdict(cluster_give(c, C, 1, forge_vote(c, FRAME_PRE_PREPARE, 0, vote, C, 1, SLICE_NONE)), EARLY);
    /* And E executes nothing, though a quorum of C should commit to it. */
    for (replica_id r = 0; r < 5; r++)
        (void)cluster_give(c, E, 1, forge_vote(c, FRAME_COMMIT, r, vote, E, 1, SLICE_NONE));
    (void)cluster_give(c, E, 1, cluster_local(c, FRAME_PRE_PREPARE, cluster_body(c, vote, &vote), list));
    cluster_flush(c, E, 1);
    assert_true(cluster_e(c, 1)->slot[(a + 1) % WINDOW].committed);
    assert_int_equal(cluster_e(c, 1)->executed, a);
    /* Its twin, which knows of no CLOSE, does. */
    cluster_e(c, 1)->configuration.step[2 % STEPS_KEPT].size = 0;
    cluster_flush(c, E, 1);
    assert_int_equal(cluster_e(c, 1)->executed, a + 1);
}

/* ------------------------------------------------------------------------------------------------ the START after it */

static uint8_t steps[CONFIGURATION_STEPS_BYTES], ordered[CONFIGURATION_ORDERED_BYTES];

static struct start resizing(void)
{
    struct start start = cluster_manifest(c);
    struct writer sw = writer_to(steps, sizeof steps), ow = writer_to(ordered, sizeof ordered);
    configuration_put_ordered(&c->configuration, &sw, &ow);
    known_step_put(&sw, &(struct known_step){.number = 2, .slot = 7, .chain = test_digest(2), .size = 5});
    start.resumed = start.closed_life = 1;
    start.configuration = 3;
    start.view = 3;
    start.steps = (struct slice){steps, sw.len};
    start.ordered = (struct slice){ordered, ow.len};
    start.closed_slot = activation_slot(7);
    start.closed_root = test_digest(4);
    return start;
}

static enum verdict load(const struct start *start)
{
    struct slice bytes = cluster_sign_start(c, start, &c->admin);
    struct frame frame;
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    return configuration_load(&held, &frame, c->admin.public);
}

static void a_start_goes_on_from_where_it_was_closed(void **state)
{
    (void)state;
    struct start good = resizing(), m = good;
    struct digest root = test_digest(4), other = test_digest(5);
    assert_verdict(load(&good), ACCEPT);
    assert_true(configuration_resizes(&held));
    assert_true(configuration_closes(&held) == UINT64_MAX);
    assert_verdict(certificate_check(&held, good.closed_slot, &root, SLICE_NONE), ACCEPT);
    assert_verdict(certificate_check(&held, good.closed_slot, &other, SLICE_NONE), MISMATCH);
    assert_verdict(certificate_check(&held, good.closed_slot - K, &root, SLICE_NONE), MISMATCH);
    m.closed_slot -= K;
    assert_verdict(load(&m), MALFORMED);
    m = good;
    m.closed_slot += 1;
    assert_verdict(load(&m), MALFORMED);
    m = good;
    m.closed_life = 0;
    assert_verdict(load(&m), MALFORMED);
    m = good;
    m.closed_life = 2;
    assert_verdict(load(&m), MALFORMED);
    m = good;
    m.steps.len -= known_step_BYTES; /* without the CLOSE */
    m.configuration = 2;
    assert_verdict(load(&m), MALFORMED);
    m = good;
    steps[known_step_BYTES * 2 - 4] = 6; /* it named another size */
    assert_verdict(load(&m), MALFORMED);
    steps[known_step_BYTES * 2 - 4] = 3; /* one that there is not */
    assert_verdict(load(&m), MALFORMED);
    steps[known_step_BYTES * 2 - 4] = 5;
    uint8_t keys[retired_BYTES];
    struct writer w = writer_to(keys, sizeof keys);
    retired_put(&w, &(struct retired){.replica = 1, .epoch = 90, .until = UINT64_MAX});
    m.retired = (struct slice){keys, w.len};
    assert_verdict(load(&m), MALFORMED);
    m = good;
    m.resumed = 0;
    assert_verdict(load(&m), MALFORMED);
    assert_verdict(load(&good), ACCEPT);
    /* A later one keeps where that was, and lists keys again. */
    m = good;
    m.resumed = 2;
    m.configuration = 4;
    m.retired = (struct slice){keys, w.len};
    assert_verdict(load(&m), ACCEPT);
    assert_false(configuration_resizes(&held));
    assert_verdict(certificate_check(&held, good.closed_slot, &root, SLICE_NONE), ACCEPT);
}

static void all_vote_from_there_on(void **state)
{
    (void)state;
    cluster_free(c);
    c = cluster_new(&(struct cluster_options){.replicas = 5, .unstarted = true});
    struct start founding = cluster_manifest(c), start;
    assert_verdict(load(&founding), ACCEPT);
    c->configuration = held;
    start = resizing();
    assert_verdict(load(&start), ACCEPT);
    c->configuration = held;
    c->start = cluster_sign_start(c, &start, &c->admin);
    for (replica_id r = 0; r < 5; r++)
        for (enum kind kind = P; kind <= E; kind++)
            assert_verdict(cluster_give(c, kind, r, c->start), ACCEPT);
    struct parting parting;
    const struct sent *sent = cluster_last(c, P, 2, FRAME_PARTING);
    assert_true(sent && parting_decode(sent->frame.body, &parting));
    assert_int_equal(parting.stable_slot, start.closed_slot);
    assert_int_equal(slot_view_count(parting.votes), 0);
    cluster_run(c);
    for (replica_id r = 0; r < 5; r++) {
        assert_true(cluster_p(c, r)->in_view && cluster_p(c, r)->view == 3);
        assert_int_equal(prep_stable_slot(cluster_p(c, r)), start.closed_slot);
        assert_int_equal(conf_stable_slot(cluster_c(c, r)), start.closed_slot);
        assert_int_equal(exec_stable_slot(cluster_e(c, r)), start.closed_slot);
        assert_int_equal(cluster_e(c, r)->executed, 0); /* its state is to come */
    }
    assert_verdict(cluster_propose(c, 3, NULL, 0), ACCEPT);
    cluster_run(c);
    struct vote vote;
    sent = cluster_last(c, C, 1, FRAME_COMMIT);
    assert_true(sent && vote_decode(sent->frame.body, &vote));
    assert_int_equal(vote.slot, start.closed_slot + 1);
}

/* By what E knows: the START to be, and what it recalled. */
static void e_goes_on_from_its_own_end_only(void **state)
{
    (void)state;
    struct execution *e = cluster_e(c, 0);
    struct configuration recalled = e->configuration;
    struct digest root = test_digest(4);
    e->configuration.closed_slot = 3 * K;
    e->configuration.closed_root = root;
    e->executed = e->checkpoint_slot = 3 * K;
    e->root = root;
    assert_true(execution_resizes(e, &recalled));
    e->root.bytes[0] ^= 1; /* another state */
    assert_false(execution_resizes(e, &recalled));
    e->root = root;
    e->executed++; /* beyond the end */
    assert_false(execution_resizes(e, &recalled));
    e->executed = 3 * K - 1; /* it lags */
    assert_true(execution_resizes(e, &recalled));
    recalled.closed_slot = 4 * K; /* an end before the one that it knows */
    assert_false(execution_resizes(e, &recalled));
    recalled.closed_slot = 3 * K; /* the same: then nothing changes */
    recalled.closed_root = root;
    assert_true(execution_resizes(e, &recalled));
    recalled.replicas = 4;
    assert_false(execution_resizes(e, &recalled));
    e->executed = 0;
}

/* Of those that stay it is what it was, of new ones what START lists; the platform key stands in place of the box key. */
static void what_is_ordered_of_new_replicas_is_what_start_lists(void **state)
{
    (void)state;
    struct start manifest = cluster_manifest(c);
    struct configuration four = c->configuration;
    four.replicas = 4;
    four.ordered[1][2].epoch = 77;
    resume_resize(&four, 5, manifest.members);
    assert_int_equal(four.replicas, 5);
    assert_int_equal(four.faults, 1);
    assert_int_equal(four.ordered[1][2].epoch, 77);
    for (unsigned k = 0; k < MEMBER_KINDS; k++)
        assert_int_equal(four.ordered[k][4].epoch, c->configuration.member[k][4].epoch);
    assert_memory_equal(four.ordered[0][4].measurement.bytes, c->configuration.member[0][4].box_public, 32);
}

/* ------------------------------------------------------------------------------------------------ clients */

static void *take(void *context, size_t bytes)
{
    (void)context;
    return malloc(bytes);
}

static void give_back(void *context, void *memory, size_t bytes)
{
    (void)context, (void)bytes;
    free(memory);
}

static void sends_nothing(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    (void)context, (void)replica, (void)parts, (void)count;
}

static enum verdict tell(struct client_core *core, const struct start *start, const struct sign_key *by)
{
    struct slice bytes = cluster_sign_start(c, start, by);
    return client_core_on_frame(core, 2, bytes.data, bytes.len, 1000);
}

static void an_open_client_takes_a_later_start_of_its_cluster(void **state)
{
    (void)state;
    struct start good = resizing(), m;
    struct sign_key other;
    struct client_core core;
    struct client_core_config config = {.configuration = &c->configuration,
                                        .epoch = 9,
                                        .sign = &c->origin[0].auth.sign,
                                        .box = &c->origin[0].auth.box,
                                        .memory = {NULL, take, give_back},
                                        .wire = {NULL, sends_nothing}};
    sign_keypair(&other);
    client_core_options_init(&config.options);
    assert_true(client_core_init(&core, &config));
    assert_verdict(tell(&core, &good, &c->admin), UNEXPECTED); /* it did not ask */
    core.configuration_asked_us[2] = 1;
    assert_verdict(tell(&core, &good, &other), BAD_SIGNATURE);
    m = good;
    m.cluster.bytes[0] ^= 1;
    assert_verdict(tell(&core, &m, &c->admin), STALE);
    m = good;
    m.group_public.bytes[0] ^= 1;
    assert_verdict(tell(&core, &m, &c->admin), STALE);
    m = good;
    m.origins.len -= m.origins.len; /* it is no client of that one */
    assert_verdict(tell(&core, &m, &c->admin), STALE);
    m = cluster_manifest(c); /* the founding's again */
    assert_verdict(tell(&core, &m, &c->admin), STALE);
    assert_ptr_equal(core.configuration, &c->configuration);
    assert_verdict(tell(&core, &good, &c->admin), ACCEPT);
    assert_int_equal(core.configuration->number, 3);
    assert_int_equal(core.configuration->resumed, 1);
    core.configuration_asked_us[2] = 1;
    assert_verdict(tell(&core, &good, &c->admin), STALE);
    client_core_validate(&core);
    client_core_close(&core, 1000);
    client_core_deinit(&core);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quorums_share_a_correct_one),
        T(five_decide_with_four_and_not_with_three),
        T(a_close_names_a_size_and_nothing_else),
        T(only_the_administrator_closes_and_once),
        T(f_plus_one_show_that_it_is_closed),
        T(nothing_lies_above_it),
        T(a_start_goes_on_from_where_it_was_closed),
        T(all_vote_from_there_on),
        T(e_goes_on_from_its_own_end_only),
        T(an_open_client_takes_a_later_start_of_its_cluster),
        T(what_is_ordered_of_new_replicas_is_what_start_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
