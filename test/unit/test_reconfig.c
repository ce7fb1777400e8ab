/*
 * RECONFIG and the chain: who may renew what, from which slot on an epoch counts, and what it takes to believe that a RECONFIG
 * was executed.
 */
#include "testing.h"

#include "cluster.h"
#include "ordering/attest.h"
#include "ordering/hosts.h"
#include "ordering/stable.h"
#include "resume.h"

#define K CHECKPOINT_INTERVAL
#define L WINDOW

static struct cluster *cluster;
static struct configuration held;
static struct sign_key platform[4];

static int setup(void **state)
{
    (void)state;
    uint8_t list[4 * platform_BYTES];
    struct writer w = writer_to(list, sizeof list);
    cluster = cluster_new(&(struct cluster_options){.unstarted = true});
    for (replica_id r = 0; r < 4; r++) {
        struct platform p = {.replica = r};
        sign_keypair(&platform[r]);
        memcpy(p.public.bytes, platform[r].public, 32);
        platform_put(&w, &p);
    }
    struct start manifest = cluster_manifest(cluster);
    manifest.platforms = (struct slice){list, w.len};
    struct slice bytes = cluster_sign_start(cluster, &manifest, &cluster->admin);
    struct frame frame;
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    assert_verdict(configuration_load(&held, &frame, cluster->admin.public), ACCEPT);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(cluster);
    return 0;
}

/* What a RECONFIG is to say; what is left out is as a correct launcher has it. */
struct wish {
    replica_id replica;
    configuration_no number; /* 0: the one held */
    enum kind first, last;   /* 0: P to E */
    epoch_no epoch;          /* 0: one higher */
    const struct sign_key *by;
    const struct sign_key *admin;
    bool other_measurement;
    const char *peer, *client;
    const struct sign_key *link, *new_platform; /* with `first` = KIND_HOST; no new_platform: it stays */
};

static struct slice make(const struct wish *wish, uint8_t body[RECONFIG_BYTES_MAX])
{
    static uint8_t members[RENEWALS_MAX * renewal_BYTES], signature[64];
    uint8_t report_data[REPORT_BYTES];
    struct writer mw = writer_to(members, sizeof members), w = writer_to(body, RECONFIG_BYTES_MAX);
    struct reconfig m = {
        .configuration = wish->number ? wish->number : held.number, .replica = wish->replica, .attempt = 7};
    enum kind first = wish->first ? wish->first : KIND_PREPARATION;
    enum kind last = wish->last ? wish->last : KIND_EXECUTION;
    for (enum kind kind = first; kind <= last; kind++) {
        struct sign_key sign;
        struct box_key box;
        struct renewal renewal = {
            .kind = kind,
            .epoch = wish->epoch ? wish->epoch : held.member[kind - KIND_HOST][wish->replica].epoch + 1};
        sign_keypair(&sign);
        box_keypair(&box);
        if (kind == KIND_HOST) {
            renewal.epoch = wish->epoch ? wish->epoch : held.host[wish->replica].epoch + 1;
            memcpy(renewal.sign_public.bytes, wish->link ? wish->link->public : sign.public, 32);
            if (wish->new_platform)
                memcpy(renewal.box_public.bytes, wish->new_platform->public, 32);
            renewal_put(&mw, &renewal);
            continue;
        }
        memcpy(renewal.sign_public.bytes, sign.public, 32);
        memcpy(renewal.box_public.bytes, box.public, 32);
        renewal.measurement.bytes[0] = wish->other_measurement;
        attest_bound(&held.cluster, wish->replica, &renewal, m.configuration, m.attempt, report_data);
        attest_software(&renewal, wish->by ? wish->by : &platform[wish->replica], report_data);
        renewal_put(&mw, &renewal);
    }
    m.members = (struct slice){members, mw.len};
    if (wish->peer)
        m.peer = (struct slice){(const uint8_t *)wish->peer, strlen(wish->peer)};
    if (wish->client)
        m.client = (struct slice){(const uint8_t *)wish->client, strlen(wish->client)};
    if (wish->admin) {
        struct digest_state state;
        struct digest content;
        struct writer bare = writer_to(body, RECONFIG_BYTES_MAX);
        struct auth auth = {.sign = *wish->admin};
        reconfig_put(&bare, &m);
        digest_begin(&state, RECONFIG_TAG);
        digest_add(&state, held.cluster.bytes, sizeof held.cluster.bytes);
        digest_add(&state, body, bare.len);
        digest_end(&state, &content);
        auth_sign_content(&auth, &content, signature);
        m.signature = (struct slice){signature, sizeof signature};
    }
    reconfig_put(&w, &m);
    assert_false(w.bad || mw.bad);
    return (struct slice){body, w.len};
}

static enum verdict execute_body(struct configuration *c, struct slice body, slot_no slot)
{
    struct reconfig m;
    enum verdict verdict = reconfig_body_check(body, &m);
    return verdict == VERDICT_ACCEPT ? configuration_reconfigure(c, &m, body, slot) : verdict;
}

static enum verdict execute(const struct wish *wish, slot_no slot)
{
    uint8_t body[RECONFIG_BYTES_MAX];
    return execute_body(&held, make(wish, body), slot);
}

static void an_epoch_counts_by_slot(void **state)
{
    (void)state;
    slot_no r = 3 * K + 5, a = 4 * K + L;
    struct sender old = {KIND_CONFIRMATION, 2, held.member[KIND_CONFIRMATION - KIND_HOST][2].epoch};
    struct sender fresh = old;
    fresh.epoch++;
    assert_verdict(execute(&(struct wish){.replica = 2}, r), ACCEPT);
    assert_int_equal(held.number, 2);
    assert_int_equal(configuration_activation(&held), a);
    assert_int_equal(configuration_number_at(&held, r - 1), 1);
    assert_int_equal(configuration_number_at(&held, r), 2);
    assert_non_null(configuration_member_at(&held, &old, a));
    assert_null(configuration_member_at(&held, &old, a + 1));
    assert_null(configuration_member_at(&held, &fresh, a));
    assert_non_null(configuration_member_at(&held, &fresh, a + 1));
    assert_null(configuration_member(&held, &old));
    assert_non_null(configuration_member(&held, &fresh));
    assert_non_null(configuration_member_ever(&held, &old));
    /* On a checkpoint slot: that one, and L. */
    assert_int_equal(activation_slot(3 * K), 3 * K + L);
    assert_int_equal(activation_slot(3 * K + 1), 4 * K + L);
}

static void a_repetition_is_a_no_op(void **state)
{
    (void)state;
    uint8_t body[RECONFIG_BYTES_MAX];
    struct slice bytes = make(&(struct wish){.replica = 2}, body);
    assert_verdict(execute_body(&held, bytes, 10), ACCEPT);
    struct digest chain = configuration_step(&held, 2)->chain;
    assert_verdict(execute_body(&held, bytes, 11), STALE);
    assert_verdict(execute_body(&held, bytes, 10 + 10 * L), STALE);
    assert_int_equal(held.number, 2);
    assert_memory_equal(&configuration_step(&held, 2)->chain, &chain, sizeof chain);
}

static void every_byte_counts(void **state)
{
    (void)state;
    uint8_t body[RECONFIG_BYTES_MAX];
    struct slice bytes = make(&(struct wish){.replica = 1}, body);
    struct configuration copy;
    for (size_t at = 0; at < bytes.len; at++) {
        copy = held;
        body[at] ^= (uint8_t)(1u << at % 8);
        assert_refused(execute_body(&copy, bytes, 10), at);
        body[at] ^= (uint8_t)(1u << at % 8);
    }
    for (size_t len = 0; len < bytes.len; len++)
        assert_refused(execute_body(&held, (struct slice){body, len}, 10), len);
    assert_verdict(execute_body(&held, bytes, 10), ACCEPT);
}

static void a_launcher_renews_its_own_and_the_same(void **state)
{
    (void)state;
    assert_verdict(execute(&(struct wish){.replica = 1, .by = &platform[0]}, 10), BAD_SIGNATURE);
    assert_verdict(execute(&(struct wish){.replica = 1, .other_measurement = true}, 10), MISMATCH);
    assert_verdict(execute(&(struct wish){.replica = 1, .number = 2}, 10), STALE);
    assert_verdict(execute(&(struct wish){.replica = 1, .epoch = 1}, 10), STALE);
    held.platform[1].present = false; /* a policy that does not name it */
    assert_verdict(execute(&(struct wish){.replica = 1}, 10), WRONG_KIND);
    assert_int_equal(held.number, 1);
}

/* Else its host could take one that nothing comes after, and nobody could ever put another machine in its place. */
static void a_launchers_epoch_rises_only_so_far(void **state)
{
    (void)state;
    epoch_no now = held.member[KIND_PREPARATION - KIND_HOST][1].epoch, far = now + EPOCH_STEP_MAX;
    assert_verdict(execute(&(struct wish){.replica = 1, .epoch = UINT64_MAX}, 10), LIMIT);
    assert_verdict(execute(&(struct wish){.replica = 1, .epoch = far + 1}, 10), LIMIT);
    assert_verdict(
        execute(&(struct wish){.replica = 1, .last = KIND_PREPARATION, .epoch = 1800000000000000u}, 10),
        ACCEPT); /* the time, in microseconds */
    assert_verdict(execute(&(struct wish){.replica = 1, .first = KIND_CONFIRMATION, .epoch = far}, 20),
                   ACCEPT);
    slot_no later = configuration_activation(&held) + 1;
    assert_verdict(execute(&(struct wish){.replica = 1, .epoch = far + 2, .admin = &cluster->admin}, later),
                   ACCEPT);
}

static void the_administrator_may_do_more(void **state)
{
    (void)state;
    struct sign_key other;
    sign_keypair(&other);
    struct wish wish = {.replica = 1, .other_measurement = true, .admin = &other};
    assert_verdict(execute(&wish, 10), BAD_SIGNATURE);
    wish.admin = &cluster->admin;
    assert_verdict(execute(&wish, 10), ACCEPT);
}

/* Another machine for replica 1, under this link key and platform key. */
static struct wish replacement(const struct sign_key *link, const struct sign_key *new_platform)
{
    return (struct wish){.replica = 1,
                         .first = KIND_HOST,
                         .last = KIND_HOST,
                         .admin = &cluster->admin,
                         .link = link,
                         .new_platform = new_platform,
                         .peer = "10.0.0.9:7710",
                         .client = "spare.example:7711"};
}

static void a_host_is_replaced(void **state)
{
    (void)state;
    struct sign_key link, new_platform;
    sign_keypair(&link);
    sign_keypair(&new_platform);
    struct wish wish = replacement(&link, &new_platform);
    struct host_keys start = held.host[1];
    assert_verdict(execute(&wish, 10), ACCEPT);
    assert_int_equal(held.number, 2);
    assert_memory_equal(held.host[1].link_public, link.public, 32);
    assert_memory_equal(held.host[1].link_before, start.link_public, 32);
    assert_false(held.host[1].rotated);
    assert_string_equal(held.host[1].peer, "10.0.0.9:7710");
    assert_string_equal(held.host[1].client, "spare.example:7711");
    assert_int_equal(held.host[1].before[3], held.member[3][1].epoch);
    assert_memory_equal(held.host[2].link_public, held.member[0][2].sign_public, 32);
    /* The machine before renews nothing any more, the new one does. */
    assert_verdict(execute(&(struct wish){.replica = 1}, 20), BAD_SIGNATURE);
    assert_verdict(execute(&(struct wish){.replica = 1, .by = &new_platform}, 20), ACCEPT);
    assert_int_equal(held.number, 3);
}

static void a_link_key_is_rotated(void **state)
{
    (void)state;
    struct sign_key link;
    sign_keypair(&link);
    struct wish wish = replacement(&link, NULL);
    wish.peer = wish.client = NULL;
    assert_verdict(execute(&wish, 10), ACCEPT);
    assert_true(held.host[1].rotated);
    assert_memory_equal(held.host[1].link_public, link.public, 32);
    assert_string_equal(held.host[1].peer, "");
    assert_int_equal(held.host[1].before[1], 0);
    assert_verdict(execute(&(struct wish){.replica = 1}, 20), ACCEPT); /* the platform is what it was */
}

static void a_host_is_the_administrators_alone(void **state)
{
    (void)state;
    struct sign_key link, new_platform, other;
    sign_keypair(&link);
    sign_keypair(&new_platform);
    sign_keypair(&other);
    struct wish wish = replacement(&link, &new_platform);
    wish.admin = &other;
    assert_verdict(execute(&wish, 10), BAD_SIGNATURE);
    wish.admin = NULL; /* a launcher, of whatever replica */
    assert_verdict(execute(&wish, 10), MALFORMED);
    wish.by = &platform[0];
    assert_verdict(execute(&wish, 10), MALFORMED);
    wish = replacement(&link, &new_platform);
    wish.peer = "10.0.0.9:77 10";
    assert_verdict(execute(&wish, 10), MALFORMED);
    wish.peer = "a\n:1";
    assert_verdict(execute(&wish, 10), MALFORMED);
    char much[ADDRESS_BYTES_MAX + 2];
    memset(much, 'a', sizeof much - 1);
    much[sizeof much - 1] = 0;
    wish.peer = much;
    assert_verdict(execute(&wish, 10), MALFORMED);
    /* Addresses are a host's. */
    assert_verdict(
        execute(&(struct wish){.replica = 1, .peer = "10.0.0.9:7710", .admin = &cluster->admin}, 10),
        MALFORMED);
    assert_int_equal(held.number, 1);
    assert_memory_equal(held.host[1].link_public, held.member[0][1].sign_public, 32);
}

static void a_replacement_is_for_one_cluster(void **state)
{
    (void)state;
    struct sign_key link, new_platform;
    uint8_t body[RECONFIG_BYTES_MAX];
    sign_keypair(&link);
    sign_keypair(&new_platform);
    struct wish wish = replacement(&link, &new_platform);
    struct configuration other = held;
    struct slice bytes = make(&wish, body);
    other.cluster.bytes[0] ^= 1;
    assert_verdict(execute_body(&other, bytes, 10), BAD_SIGNATURE);
    assert_verdict(execute_body(&held, bytes, 10), ACCEPT);
    assert_verdict(execute_body(&held, bytes, 11), STALE);
    /* The keys of the machine before, once more: their epoch is over. */
    wish.epoch = held.host[1].epoch;
    assert_verdict(execute(&wish, 5 * L), STALE);
    wish.epoch = 0;
    for (size_t at = 0; at < bytes.len; at++) {
        struct configuration copy = held;
        copy.number = 1;
        copy.step[1].slot = 0;
        body[at] ^= (uint8_t)(1u << at % 8);
        assert_refused(execute_body(&copy, bytes, 10 * L), at);
        body[at] ^= (uint8_t)(1u << at % 8);
    }
}

static void at_most_f_hosts_are_pending(void **state)
{
    (void)state;
    struct wish wish = replacement(NULL, NULL);
    assert_verdict(execute(&wish, 10), ACCEPT);
    slot_no a = configuration_activation(&held);
    assert_verdict(execute(&wish, 20), EARLY);
    wish.replica = 2;
    assert_verdict(execute(&wish, a), LIMIT);
    /* Compartments have their own. */
    assert_verdict(execute(&(struct wish){.replica = 2}, 20), ACCEPT);
    assert_verdict(execute(&wish, a + 1), ACCEPT);
}

/* Host and compartments in one: what the administrator locks out has no say above the activation slot. */
static void the_administrator_locks_out(void **state)
{
    (void)state;
    struct sign_key link, new_platform;
    sign_keypair(&link);
    sign_keypair(&new_platform);
    struct wish wish = replacement(&link, &new_platform);
    struct sender old = {KIND_PREPARATION, 1, held.member[KIND_PREPARATION - KIND_HOST][1].epoch};
    wish.last = KIND_EXECUTION;
    wish.epoch = 1000;
    assert_verdict(execute(&wish, 10), ACCEPT);
    slot_no a = configuration_activation(&held);
    assert_non_null(configuration_member_at(&held, &old, a));
    assert_null(configuration_member_at(&held, &old, a + 1));
    assert_null(configuration_member(&held, &old));
    assert_verdict(execute(&(struct wish){.replica = 1}, a + 1), BAD_SIGNATURE);
    assert_verdict(execute(&(struct wish){.replica = 1, .by = &new_platform}, a + 1), ACCEPT);
}

static void at_most_f_of_a_kind_are_pending(void **state)
{
    (void)state;
    assert_verdict(execute(&(struct wish){.replica = 1, .last = KIND_CONFIRMATION}, 10), ACCEPT);
    slot_no a = configuration_activation(&held);
    assert_verdict(execute(&(struct wish){.replica = 1}, 20), EARLY);
    assert_verdict(execute(&(struct wish){.replica = 2}, 20), LIMIT);
    assert_verdict(execute(&(struct wish){.replica = 2}, a), LIMIT);
    /* Another kind has its own f. */
    assert_verdict(execute(&(struct wish){.replica = 2, .first = KIND_EXECUTION}, 20), ACCEPT);
    assert_verdict(execute(&(struct wish){.replica = 2, .last = KIND_CONFIRMATION}, a + 1), ACCEPT);
}

/* --- the chain ---------------------------------------------------------------------------------------------------- */

/* A CONFIGURATION over `steps` bodies, signed at `slot` by E 0 .. count-1, who hold `as`. */
static struct slice follow_frame(const struct configuration *as, configuration_no first, const slot_no *slots,
                                 const struct slice *bodies, uint32_t steps, slot_no slot, uint32_t count)
{
    static uint8_t frame[8192];
    uint8_t list[4096], signers[4 * signer_BYTES], body[8192];
    struct writer lw = writer_to(list, sizeof list), sw = writer_to(signers, sizeof signers);
    struct writer w = writer_to(body, sizeof body);
    struct digest root = {{9}}, content;
    for (uint32_t i = 0; i < steps; i++) {
        put_u64(&lw, slots[i]);
        put_slice(&lw, bodies[i]);
    }
    for (replica_id r = 0; r < count; r++) {
        uint8_t said[80];
        struct writer c = writer_to(said, sizeof said);
        struct auth *e = cluster_auth(cluster, KIND_EXECUTION, r);
        struct signer signer = {.replica = r, .epoch = e->self.epoch, .configuration = as->number};
        checkpoint_put(&c, &(struct checkpoint){.configuration = as->number,
                                                .chain = configuration_step(as, as->number)->chain,
                                                .slot = slot,
                                                .root = root});
        auth_content(&held.cluster, FRAME_CHECKPOINT, &e->self, (struct slice){said, c.len}, &content);
        auth_sign_content(e, &content, signer.signature.bytes);
        signer_put(&sw, &signer);
    }
    chain_put(&w, &(struct chain){.first = first,
                                  .steps = {list, lw.len},
                                  .slot = slot,
                                  .root = root,
                                  .signers = {signers, sw.len}});
    assert_false(lw.bad || sw.bad || w.bad);
    struct sender self = {.kind = KIND_EXECUTION};
    size_t len = frame_encode(frame, sizeof frame, FRAME_CONFIGURATION, &self, AUTH_NONE,
                              (struct slice){body, w.len}, SLICE_NONE, SLICE_NONE);
    return (struct slice){frame, len};
}

static enum verdict follow(struct configuration *c, struct slice bytes)
{
    struct frame frame;
    return frame_decode(bytes.data, bytes.len, &frame) ? configuration_follow(c, &frame) : VERDICT_MALFORMED;
}

static void a_correct_e_must_have_executed_it(void **state)
{
    (void)state;
    uint8_t body[RECONFIG_BYTES_MAX];
    struct slice bytes = make(&(struct wish){.replica = 3}, body);
    slot_no r = 10, a = activation_slot(r);
    struct configuration e = held, behind = held;
    assert_verdict(execute_body(&e, bytes, r), ACCEPT);
    assert_verdict(follow(&behind, follow_frame(&e, 2, &r, &bytes, 1, K, 1)), MISMATCH); /* f only */
    assert_verdict(follow(&behind, follow_frame(&e, 2, &r, &bytes, 1, a + K, 3)), MALFORMED);
    slot_no elsewhere = r + 1; /* where it was executed is what they signed */
    assert_verdict(follow(&behind, follow_frame(&e, 2, &elsewhere, &bytes, 1, K, 3)), BAD_SIGNATURE);
    assert_verdict(follow(&behind, follow_frame(&held, 2, &r, &bytes, 1, K, 3)), BAD_SIGNATURE);
    assert_int_equal(behind.number, 1);
    struct slice good = follow_frame(&e, 2, &r, &bytes, 1, K, 2);
    uint8_t *tampered = (uint8_t *)(uintptr_t)good.data;
    for (size_t at = FRAME_HEADER_BYTES; at < good.len; at++) {
        struct configuration copy = behind;
        tampered[at] ^= (uint8_t)(1u << at % 8);
        assert_refused(follow(&copy, good), at);
        tampered[at] ^= (uint8_t)(1u << at % 8);
    }
    assert_verdict(follow(&behind, good), ACCEPT);
    assert_memory_equal(configuration_step(&behind, 2), configuration_step(&e, 2),
                        sizeof(struct configuration_step));
    assert_verdict(follow(&behind, good), DUPLICATE);
}

static void steps_are_walked_in_order(void **state)
{
    (void)state;
    uint8_t body[2][RECONFIG_BYTES_MAX];
    slot_no slots[2] = {10, 20};
    struct slice bodies[2];
    struct configuration start = held;
    bodies[0] = make(&(struct wish){.replica = 3, .last = KIND_PREPARATION}, body[0]);
    assert_verdict(execute_body(&held, bodies[0], slots[0]), ACCEPT);
    bodies[1] =
        make(&(struct wish){.replica = 2, .first = KIND_CONFIRMATION, .last = KIND_CONFIRMATION}, body[1]);
    assert_verdict(execute_body(&held, bodies[1], slots[1]), ACCEPT);
    struct configuration behind = start;
    assert_verdict(follow(&behind, follow_frame(&held, 3, &slots[1], &bodies[1], 1, K, 3)), EARLY);
    assert_verdict(follow(&behind, follow_frame(&held, 2, slots, bodies, 2, K, 3)), ACCEPT);
    assert_int_equal(behind.number, 3);
    for (unsigned kind = 0; kind < MEMBER_KINDS; kind++)
        for (replica_id r = 0; r < held.replicas; r++) {
            const struct member_keys *a = &behind.member[kind][r], *b = &held.member[kind][r];
            assert_true(a->present && a->epoch == b->epoch && a->after == b->after);
            assert_memory_equal(a->sign_public, b->sign_public, sizeof a->sign_public);
            assert_memory_equal(a->box_public, b->box_public, sizeof a->box_public);
            assert_true(digest_equal(&a->measurement, &b->measurement));
        }
}

static void a_checkpoint_of_a_number_not_held_is_early(void **state)
{
    (void)state;
    uint8_t body[RECONFIG_BYTES_MAX];
    slot_no r = 10;
    struct slice bytes = make(&(struct wish){.replica = 3}, body);
    struct configuration e = held;
    assert_verdict(execute_body(&e, bytes, r), ACCEPT);
    struct slice frame_bytes = follow_frame(&e, 2, &r, &bytes, 1, K, 3);
    struct frame frame;
    struct chain chain;
    assert_true(frame_decode(frame_bytes.data, frame_bytes.len, &frame) && chain_decode(frame.body, &chain));
    assert_verdict(certificate_check(&held, K, &chain.root, chain.signers), EARLY);
    assert_verdict(configuration_follow(&held, &frame), ACCEPT);
    assert_verdict(certificate_check(&held, K, &chain.root, chain.signers), ACCEPT);
}

/* No platform is named: not even the administrator renews anything; nor does a chain lead on. */
static void without_platforms_nothing_is_renewed(void **state)
{
    (void)state;
    uint8_t body[RECONFIG_BYTES_MAX];
    slot_no r = 10;
    struct slice bytes = make(&(struct wish){.replica = 3}, body);
    struct configuration e = held;
    assert_verdict(execute_body(&e, bytes, r), ACCEPT);
    struct slice chain = follow_frame(&e, 2, &r, &bytes, 1, K, 3);
    struct frame frame;
    assert_true(frame_decode(chain.data, chain.len, &frame));
    held.fixed = true;
    assert_verdict(configuration_follow(&held, &frame), UNEXPECTED);
    assert_verdict(execute(&(struct wish){.replica = 1}, 10), UNEXPECTED);
    assert_verdict(execute(&(struct wish){.replica = 1, .admin = &cluster->admin}, 10), UNEXPECTED);
}

#define EPOCH 100u /* plus the number of the replica: the cluster's founding */

/* --- resumes ------------------------------------------------------------------------------------------------------ */

struct resume_wish {
    uint64_t resumed;
    bool no_steps, no_ordered, gap, higher;
};

/* A START that resumes from `before`, with the epochs of `held` raised by ten for every member. */
static enum verdict resume(struct configuration *c, const struct configuration *before,
                           const struct resume_wish *wish)
{
    static uint8_t members[MEMBER_KINDS * 4 * member_BYTES], platforms[4 * platform_BYTES];
    uint8_t steps[CONFIGURATION_STEPS_BYTES], ordered[CONFIGURATION_ORDERED_BYTES];
    struct start manifest = cluster_manifest(cluster);
    struct writer mw = writer_to(members, sizeof members), pw = writer_to(platforms, sizeof platforms);
    struct writer sw = writer_to(steps, sizeof steps), ow = writer_to(ordered, sizeof ordered);
    struct frame frame;
    for (uint32_t i = 0; i < member_count(manifest.members); i++) {
        struct member m = member_at(manifest.members, i);
        m.epoch += 10;
        member_put(&mw, &m);
    }
    for (replica_id r = 0; r < 4; r++) {
        struct platform m = {.replica = r};
        memcpy(m.public.bytes, platform[r].public, 32);
        platform_put(&pw, &m);
    }
    configuration_put_ordered(before, &sw, &ow);
    size_t skip = wish->gap ? known_step_BYTES : 0;
    manifest.members = (struct slice){members, mw.len};
    manifest.platforms = (struct slice){platforms, pw.len};
    manifest.resumed = wish->resumed;
    manifest.configuration = configuration_ordered(before) + wish->resumed + wish->higher;
    manifest.view = 9;
    manifest.steps = (struct slice){steps, wish->no_steps ? 0 : sw.len - skip};
    manifest.ordered = (struct slice){ordered, wish->no_ordered ? ow.len - ordered_member_BYTES : ow.len};
    struct slice bytes = cluster_sign_start(cluster, &manifest, &cluster->admin);
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    return configuration_load(c, &frame, cluster->admin.public);
}

/* A resume raises the number, not what CHECKPOINTs name, and changes nothing of the chain. */
static void a_resume_keeps_the_chain(void **state)
{
    (void)state;
    static struct configuration resumed;
    struct configuration founding = held;
    assert_verdict(execute(&(struct wish){.replica = 2}, 10), ACCEPT);
    assert_verdict(resume(&resumed, &held, &(struct resume_wish){.resumed = 5}), ACCEPT);
    assert_int_equal(resumed.number, 2 + 5);
    assert_int_equal(configuration_number_at(&resumed, 9), 1);
    assert_int_equal(configuration_number_at(&resumed, 1000), 2);
    assert_int_equal(configuration_activation(&resumed), activation_slot(10));
    assert_true(configuration_agrees(&held, &resumed) && configuration_agrees(&founding, &resumed));
    assert_true(digest_equal(&configuration_step(&resumed, 2)->chain, &configuration_step(&held, 2)->chain));
    assert_verdict(resume(&resumed, &held, &(struct resume_wish){.resumed = 5, .no_steps = true}), MALFORMED);
    assert_verdict(resume(&resumed, &held, &(struct resume_wish){.resumed = 5, .gap = true}), MALFORMED);
    assert_verdict(resume(&resumed, &held, &(struct resume_wish){.resumed = 5, .no_ordered = true}),
                   MALFORMED);
    assert_verdict(resume(&resumed, &held, &(struct resume_wish){.resumed = 5, .higher = true}), MALFORMED);
    assert_verdict(resume(&resumed, &held, &(struct resume_wish){.resumed = 0}), MALFORMED);
}

/* One E executed it before the power was lost, another does so after: number, chain and what is pending are the same; but the keys
 * that the RECONFIG names are gone, and START's stay. */
static void executed_after_a_resume_it_comes_to_the_same(void **state)
{
    (void)state;
    static struct configuration after;
    uint8_t body[RECONFIG_BYTES_MAX], next[RECONFIG_BYTES_MAX];
    struct slice bytes = make(&(struct wish){.replica = 2, .epoch = EPOCH + 4}, body);
    assert_verdict(resume(&after, &held, &(struct resume_wish){.resumed = 1}), ACCEPT);
    struct sender dead = {KIND_CONFIRMATION, 2, EPOCH + 4};
    struct member_keys of_start = after.member[KIND_CONFIRMATION - KIND_HOST][2];
    assert_verdict(execute_body(&held, bytes, 10), ACCEPT);
    assert_verdict(execute_body(&after, bytes, 10), ACCEPT);
    assert_non_null(configuration_member(&held, &dead));
    assert_null(configuration_member_ever(&after, &dead));
    assert_memory_equal(&after.member[KIND_CONFIRMATION - KIND_HOST][2], &of_start, sizeof of_start);
    assert_int_equal(configuration_ordered(&after), configuration_ordered(&held));
    assert_true(configuration_agrees(&held, &after));
    assert_memory_equal(configuration_step(&after, 2), configuration_step(&held, 2),
                        sizeof(struct configuration_step));
    /* What comes behind it: that one is pending, whoever's keys are in force. */
    struct slice second = make(&(struct wish){.replica = 1, .epoch = EPOCH + 20}, next);
    assert_verdict(execute_body(&held, second, 20), LIMIT);
    assert_verdict(execute_body(&after, second, 20), LIMIT);
    slot_no a = configuration_activation(&held);
    assert_verdict(execute_body(&held, second, a + 1), ACCEPT);
    assert_verdict(execute_body(&after, second, a + 1), ACCEPT);
    assert_true(configuration_agrees(&held, &after));
    /* Fresh keys are later than START's, and are taken. */
    assert_int_equal(after.member[KIND_CONFIRMATION - KIND_HOST][1].epoch, EPOCH + 20);
}

/* Likewise of a host: its platform key is what was ordered last, its link what START found. */
static void a_host_of_before_a_resume_stays_what_start_names(void **state)
{
    (void)state;
    static struct configuration after;
    struct sign_key link, new_platform;
    uint8_t body[RECONFIG_BYTES_MAX];
    sign_keypair(&link);
    sign_keypair(&new_platform);
    struct wish wish = replacement(&link, &new_platform);
    wish.epoch = held.host[1].epoch + 2; /* START's is ten higher */
    struct slice bytes = make(&wish, body);
    assert_verdict(resume(&after, &held, &(struct resume_wish){.resumed = 1}), ACCEPT);
    struct host_keys of_start = after.host[1];
    assert_verdict(execute_body(&after, bytes, 10), ACCEPT);
    assert_memory_equal(&after.host[1], &of_start, sizeof of_start);
    assert_memory_equal(after.ordered[0][1].measurement.bytes, new_platform.public, 32);
    assert_false(host_has(&after, 1, link.public, new_platform.public));
}

/* The next change must be later than what was ordered, though START names an earlier epoch (the machine's, by its clock). */
static void a_hosts_epoch_goes_on_over_a_resume(void **state)
{
    (void)state;
    static struct configuration after;
    struct sign_key link;
    sign_keypair(&link);
    struct wish wish = replacement(&link, NULL);
    wish.epoch = 50;
    assert_verdict(execute(&wish, 10), ACCEPT);
    assert_verdict(resume(&after, &held, &(struct resume_wish){.resumed = 1}), ACCEPT);
    assert_true(after.member[0][1].epoch < 50);
    assert_int_equal(after.host[1].epoch, 50);
    assert_int_equal(after.host[2].epoch, after.member[0][2].epoch);
}

/* What was ordered decides, not what START names: else who executes later would come to another verdict. */
static void epochs_are_compared_with_ordered_ones(void **state)
{
    (void)state;
    static struct configuration after;
    uint8_t body[RECONFIG_BYTES_MAX];
    assert_verdict(execute(&(struct wish){.replica = 2, .epoch = EPOCH + 4}, 10), ACCEPT);
    slot_no later = activation_slot(10) + 1;
    assert_verdict(resume(&after, &held, &(struct resume_wish){.resumed = 1}), ACCEPT);
    struct slice bytes = make(&(struct wish){.replica = 2, .epoch = EPOCH + 4}, body);
    assert_verdict(execute_body(&after, bytes, later), STALE);
    bytes = make(&(struct wish){.replica = 2, .epoch = EPOCH + 5}, body); /* below START's */
    assert_verdict(execute_body(&held, bytes, later), ACCEPT);
    assert_verdict(execute_body(&after, bytes, later), ACCEPT);
    assert_int_equal(after.member[KIND_CONFIRMATION - KIND_HOST][2].epoch, EPOCH + 12);
    assert_true(configuration_agrees(&held, &after));
}

/* A key of before a resume counts in the slots in which it was in force. */
static void retired_keys_have_their_slots(void **state)
{
    (void)state;
    assert_verdict(execute(&(struct wish){.replica = 2, .epoch = EPOCH + 4}, 10), ACCEPT);
    slot_no a = activation_slot(10);
    uint8_t list[RETIRED_MAX * retired_BYTES];
    size_t len = resume_retired(&held, list, sizeof list);
    assert_int_equal(len / retired_BYTES, 5); /* four, and the one that was renewed */
    struct start manifest = cluster_manifest(cluster);
    uint8_t steps[CONFIGURATION_STEPS_BYTES], ordered[CONFIGURATION_ORDERED_BYTES];
    struct writer sw = writer_to(steps, sizeof steps), ow = writer_to(ordered, sizeof ordered);
    static uint8_t members[MEMBER_KINDS * 4 * member_BYTES];
    struct writer mw = writer_to(members, sizeof members);
    for (uint32_t i = 0; i < member_count(manifest.members); i++) {
        struct member m = member_at(manifest.members, i);
        m.epoch += 10;
        member_put(&mw, &m);
    }
    configuration_put_ordered(&held, &sw, &ow);
    manifest.members = (struct slice){members, mw.len};
    manifest.steps = (struct slice){steps, sw.len};
    manifest.ordered = (struct slice){ordered, ow.len};
    manifest.retired = (struct slice){list, len};
    manifest.configuration = 3;
    manifest.resumed = 1;
    manifest.view = 1;
    static struct configuration after;
    struct slice bytes = cluster_sign_start(cluster, &manifest, &cluster->admin);
    struct frame frame;
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    assert_verdict(configuration_load(&after, &frame, cluster->admin.public), ACCEPT);
    assert_non_null(configuration_retired_key(&after, 2, EPOCH + 2, a));
    assert_null(configuration_retired_key(&after, 2, EPOCH + 2, a + 1));
    assert_null(configuration_retired_key(&after, 2, EPOCH + 4, a));
    assert_non_null(configuration_retired_key(&after, 2, EPOCH + 4, a + 1));
    assert_non_null(configuration_retired_key(&after, 1, EPOCH + 1, a + 1));
    assert_null(configuration_retired_key(&after, 1, EPOCH + 2, a));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(an_epoch_counts_by_slot),
        T(a_repetition_is_a_no_op),
        T(every_byte_counts),
        T(a_launcher_renews_its_own_and_the_same),
        T(a_launchers_epoch_rises_only_so_far),
        T(the_administrator_may_do_more),
        T(a_host_is_replaced),
        T(a_link_key_is_rotated),
        T(a_host_is_the_administrators_alone),
        T(a_replacement_is_for_one_cluster),
        T(at_most_f_hosts_are_pending),
        T(the_administrator_locks_out),
        T(at_most_f_of_a_kind_are_pending),
        T(a_correct_e_must_have_executed_it),
        T(steps_are_walked_in_order),
        T(a_checkpoint_of_a_number_not_held_is_early),
        T(without_platforms_nothing_is_renewed),
        T(a_resume_keeps_the_chain),
        T(executed_after_a_resume_it_comes_to_the_same),
        T(a_host_of_before_a_resume_stays_what_start_names),
        T(a_hosts_epoch_goes_on_over_a_resume),
        T(epochs_are_compared_with_ordered_ones),
        T(retired_keys_have_their_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
