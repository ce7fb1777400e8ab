/* The broker and clients: whose replies go where, and what clients learn about the configuration. */
#include "broker_alone.h"

/* --- replies ---------------------------------------------------------------------------------------------------------- */

static void replies_go_to_whom_they_are_for(void **state)
{
    (void)state;
    struct test_bundle *mine = cluster_incr(c, 0, 1, 1), *other = cluster_incr(c, 3, 1, 1);
    assert_verdict(client(9, bundle(mine)), ACCEPT);
    assert_verdict(client(8, bundle(other)), ACCEPT);
    forget();
    struct reply reply = {.origin = 0, .epoch = 7, .bundle_no = 1};
    struct slice body = cluster_body(c, reply, &reply);
    assert_verdict(own(E, forge_plain(c, cluster_auth(c, E, 1), FRAME_REPLY, body, SLICE_NONE)), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, 9, FRAME_REPLY), 1);
    assert_int_equal(count(ACTION_SEND_CLIENT, 8, FRAME_REPLY), 0);
    event(EVENT_CLIENT_GONE, 9, SLICE_NONE);
    forget();
    (void)own(E, forge_plain(c, cluster_auth(c, E, 1), FRAME_REPLY, body, SLICE_NONE));
    assert_int_equal(seen_count, 0); /* nobody is there */
    reply.origin = UINT32_MAX;
    body = cluster_body(c, reply, &reply);
    assert_verdict(own(E, forge_plain(c, cluster_auth(c, E, 1), FRAME_REPLY, body, SLICE_NONE)), MALFORMED);
}

/* A RECONFIG of replica 2's host that `by` signed; NULL: nobody did. */
static struct slice reconfig_at(const struct sign_key *by, configuration_no number, uint64_t attempt)
{
    static uint8_t bytes[RECONFIG_BYTES_MAX + 64];
    uint8_t members[renewal_BYTES], body[RECONFIG_BYTES_MAX], signature[SIGNATURE_BYTES];
    struct sender admin = {.kind = KIND_ADMIN};
    struct writer mw = writer_to(members, sizeof members), bare = writer_to(body, sizeof body);
    struct renewal renewal = {.kind = by ? KIND_HOST : KIND_PREPARATION, .epoch = 1000};
    renewal_put(&mw, &renewal);
    struct reconfig m = {
        .configuration = number, .replica = 2, .attempt = attempt, .members = {members, mw.len}};
    reconfig_put(&bare, &m);
    if (by) {
        struct digest_state state;
        struct digest content;
        struct auth auth = {.sign = *by};
        digest_begin(&state, RECONFIG_TAG);
        digest_add(&state, c->configuration.cluster.bytes, sizeof c->configuration.cluster.bytes);
        digest_add(&state, body, bare.len);
        digest_end(&state, &content);
        auth_sign_content(&auth, &content, signature);
        m.signature = (struct slice){signature, sizeof signature};
    }
    struct writer w = writer_to(body, sizeof body);
    reconfig_put(&w, &m);
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_RECONFIG, &admin, AUTH_NONE,
                              (struct slice){body, w.len}, SLICE_NONE, SLICE_NONE);
    assert_true(len > 0);
    return (struct slice){bytes, len};
}

static struct slice reconfig(const struct sign_key *by, configuration_no number)
{
    return reconfig_at(by, number, 0);
}

static int setup_changeable(void **state)
{
    (void)state;
    setup_started(false);
    c->configuration.fixed = false;
    splitbft_engine.start(broker, &c->configuration, c->start, now, &actions);
    forget();
    return 0;
}

static void the_administrator_comes_as_a_client(void **state)
{
    (void)state;
    struct sign_key other;
    sign_keypair(&other);
    assert_verdict(client(9, reconfig(&c->admin, 1)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_RECONFIG), 1);
    assert_int_equal(count(ACTION_SEND_PEER, REPLICAS_MAX, FRAME_RECONFIG), 0);
    assert_verdict(client(9, reconfig(&c->admin, 1)), DUPLICATE);
    assert_verdict(client(9, reconfig(&c->admin, 0)), STALE);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_RECONFIG), 1);
    assert_int_equal(dropped(9), 0);
    /* Whoever makes one up reaches no compartment, and loses its connection. */
    assert_verdict(client(5, reconfig(&other, 1)), MISMATCH);
    assert_verdict(client(6, reconfig(NULL, 1)), MISMATCH);
    struct slice forged = reconfig(&c->admin, 1);
    ((uint8_t *)(uintptr_t)forged.data)[forged.len - 1] ^= 1;
    assert_verdict(client(7, forged), MISMATCH);
    assert_int_equal(dropped(5) + dropped(6) + dropped(7), 3);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_RECONFIG), 1);
}

/* What somebody made up says nothing about which attempt is the latest: only what own P admitted does. */
static void made_up_attempts_keep_no_true_one_out(void **state)
{
    (void)state;
    struct sign_key other;
    struct frame frame;
    struct test_bundle says = {.entry = {.origin = ORIGIN_RECONFIG, .bundle_no = RECONFIG_BUNDLE_NO}};
    sign_keypair(&other);
    assert_verdict(peer(3, reconfig_at(&other, 1, UINT64_MAX)), ACCEPT); /* own P will refuse it */
    struct slice good = reconfig_at(&c->admin, 1, 5);
    assert_verdict(client(9, good), ACCEPT);
    assert_true(frame_decode(good.data, good.len, &frame));
    auth_content(&c->configuration.cluster, FRAME_RECONFIG, &frame.sender, frame.body, &says.entry.bundle);
    p_says(&says, true, VERDICT_ACCEPT);
    assert_verdict(client(9, reconfig_at(&c->admin, 1, 4)), STALE);
    assert_verdict(client(9, reconfig_at(&c->admin, 1, 6)), ACCEPT);
}

/* `count` RECONFIGs that lead on from `first`, as a CONFIGURATION that E 0 to 2 sign after `last`; its sender put `padding` bytes in the
 * place of an authenticator. `as` has executed them. */
static struct slice configuration_of(const struct configuration *as, configuration_no first, unsigned steps,
                                     size_t padding)
{
    struct writer lw = writer_to(malloc(65536), 65536), w = writer_to(malloc(65536), 65536);
    uint8_t signers[3 * signer_BYTES];
    struct writer sw = writer_to(signers, sizeof signers);
    struct digest root = test_digest(1);
    configuration_no ordered = configuration_ordered(as);
    for (unsigned i = 0; i < steps; i++) {
        struct slice frame = reconfig(&c->admin, first - 1 + i);
        struct frame decoded;
        assert_true(frame_decode(frame.data, frame.len, &decoded));
        put_u64(&lw, 10 * (first + i));
        put_slice(&lw, decoded.body);
    }
    for (replica_id r = 0; r < 3; r++) {
        uint8_t said[80];
        struct digest content;
        struct auth *e = cluster_auth(c, E, r);
        struct writer s = writer_to(said, sizeof said);
        struct signer signer = {.replica = r, .epoch = e->self.epoch, .configuration = ordered};
        checkpoint_put(&s, &(struct checkpoint){.configuration = ordered,
                                                .chain = configuration_step(as, ordered)->chain,
                                                .slot = CHECKPOINT_INTERVAL,
                                                .root = root});
        auth_content(&as->cluster, FRAME_CHECKPOINT, &e->self, (struct slice){said, s.len}, &content);
        auth_sign_content(e, &content, signer.signature.bytes);
        signer_put(&sw, &signer);
    }
    chain_put(&w, &(struct chain){.first = first,
                                  .steps = {lw.data, lw.len},
                                  .slot = CHECKPOINT_INTERVAL,
                                  .root = root,
                                  .signers = {signers, sw.len}});
    assert_false(lw.bad || sw.bad || w.bad);
    uint8_t *junk = calloc(1, padding + 1), *bytes = malloc(FRAME_MAX);
    struct sender self = {.kind = KIND_EXECUTION};
    size_t len =
        frame_encode(bytes, FRAME_MAX, FRAME_CONFIGURATION, &self, padding ? AUTH_SIGNATURE : AUTH_NONE,
                     (struct slice){w.data, w.len}, (struct slice){junk, padding}, SLICE_NONE);
    struct slice copy = cluster_copy(c, bytes, len);
    free(junk);
    free(bytes);
    free(lw.data);
    free(w.data);
    return copy;
}

static void executed(struct configuration *as, configuration_no number)
{
    struct slice bytes = reconfig(&c->admin, number - 1);
    struct frame frame;
    struct reconfig m;
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    assert_verdict(reconfig_body_check(frame.body, &m), ACCEPT);
    uint8_t list[RECONFIG_BYTES_MAX + 12];
    struct writer w = writer_to(list, sizeof list);
    put_u64(&w, 10 * number);
    put_slice(&w, frame.body);
    configuration_walk(as, &(struct chain){.first = number, .steps = {list, w.len}});
    assert_int_equal(configuration_ordered(as), number);
}

static int setup_changeable_durable(void **state)
{
    durable = true;
    return setup_changeable(state);
}

/* Kept in memory and on every disk until the next START: so no more of it than is new, whatever its sender puts around that. */
static void of_a_configuration_only_what_is_new_is_kept(void **state)
{
    (void)state;
    struct configuration *as = malloc(sizeof *as);
    struct frame frame;
    struct chain chain;
    uint32_t steps;
    assert_non_null(as);
    *as = c->configuration;
    executed(as, 2);
    assert_verdict(peer(3, configuration_of(as, 2, 1, 3u << 20)), ACCEPT);
    executed(as, 3);
    assert_verdict(peer(3, configuration_of(as, 2, 2, 0)), ACCEPT); /* shows again what is known */
    assert_int_equal(persisted_any(PERSIST_CONFIGURATION), 2);
    configuration_no number = 2;
    struct configuration *again = malloc(sizeof *again);
    assert_non_null(again);
    *again = c->configuration;
    for (size_t i = 0; i < seen_count; i++) {
        if (seen[i].kind != ACTION_PERSIST || seen[i].to != PERSIST_CONFIGURATION)
            continue;
        assert_true(seen[i].len < 2048);
        assert_true(frame_decode(seen[i].data, seen[i].len, &frame));
        assert_verdict(chain_check(&frame, &chain, &steps), ACCEPT);
        assert_int_equal(steps, 1);
        assert_int_equal(chain.first, number++);
        assert_verdict(configuration_follow(again, &frame), ACCEPT); /* and it leads on */
    }
    forget();
    struct status behind = {.configuration = 1};
    assert_verdict(peer(2, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &behind), SLICE_NONE)),
                   ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 2, FRAME_CONFIGURATION), 2);
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i].frame.type == FRAME_CONFIGURATION)
            assert_true(seen[i].len < 2048);
    free(again);
    free(as);
}

/* --- clients over a resume --------------------------------------------------------------------------------------------- */

static struct slice asks_after(configuration_no number)
{
    return cluster_local(c, FRAME_ASK_CONFIGURATION,
                         cluster_body(c, ask_chain, &(struct ask_chain){.number = number}), SLICE_NONE);
}

static void who_knows_an_earlier_start_is_sent_the_present_one(void **state)
{
    (void)state;
    assert_verdict(client(9, asks_after(0)), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, 9, FRAME_START), 1);
    assert_verdict(client(9, asks_after(1)), ACCEPT); /* it has that one */
    assert_verdict(peer(2, asks_after(0)), ACCEPT);   /* hosts have theirs from the administrator */
    assert_int_equal(count(ACTION_SEND_CLIENT, REPLICAS_MAX, FRAME_START), 1);
    assert_int_equal(count(ACTION_SEND_PEER, REPLICAS_MAX, FRAME_START), 0);
}

/* The log has a list of slot 1; that it is the one that was executed nobody knows. */
static void what_a_log_takes_for_executed_is_taken_again_when_its_origin_waits(void **state)
{
    (void)state;
    struct test_bundle *bundle = cluster_incr(c, 0, 1, 1);
    struct digest batch;
    struct slice list = cluster_list(c, c->now_us, &bundle, 1, &batch);
    splitbft_engine.resume(broker, 1, 0);
    splitbft_engine.recall(broker, PERSIST_LIST, 1, list);
    splitbft_engine.recall(broker, PERSIST_BUNDLE, 0, test_bundle_slice(bundle));
    forget();
    assert_verdict(client(9, test_bundle_slice(bundle)), DUPLICATE);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 0);
    struct slice again = test_bundle_slice(cluster_bundle_again(c, bundle, FORM_SIGNED));
    assert_verdict(client(9, again), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
    assert_verdict(client(9, again), DUPLICATE); /* once */
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(who_knows_an_earlier_start_is_sent_the_present_one),
        T(what_a_log_takes_for_executed_is_taken_again_when_its_origin_waits),
        cmocka_unit_test_setup_teardown(the_administrator_comes_as_a_client, setup_changeable, teardown),
        cmocka_unit_test_setup_teardown(made_up_attempts_keep_no_true_one_out, setup_changeable, teardown),
        cmocka_unit_test_setup_teardown(of_a_configuration_only_what_is_new_is_kept, setup_changeable_durable,
                                        teardown),
        T(replies_go_to_whom_they_are_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
