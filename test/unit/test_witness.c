/*
 * The witness: floors, the history and certificates; and the origin that counts them. Each claim has its tampered twin.
 */
#include "testing.h"

#include "base/check.h"
#include "execution/execution.h"
#include "fake_cluster.h"
#include "troxy/attestor.h"
#include "troxy/witness.h"

#define OWN   1u /* replica */
#define EPOCH 42u
#define MUCH  (1u << 20)

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    print_error("%s:%d: %s\n", file, line, expression);
    abort();
}

static struct fake_cluster *c;
static struct arena arena;
static struct witness *w[FAKE_REPLICAS];
static struct outbox out;
static struct digest history; /* as a correct E has it */
static uint8_t frame_bytes[4096];

static int setup(void **state)
{
    (void)state;
    size_t bytes = FAKE_REPLICAS * (witness_arena_bytes() + 64);
    c = fake_cluster_open(NULL);
    c->configuration.protocol = PROTOCOL_HYBSTER;
    c->configuration.write_quorum = c->configuration.read_quorum = 3;
    c->configuration.certifies = true;
    arena_init(&arena, calloc(1, bytes), bytes);
    out = (struct outbox){.data = malloc(MUCH), .cap = MUCH};
    history = (struct digest){{0}};
    for (replica_id r = 0; r < FAKE_REPLICAS; r++) {
        w[r] = witness_new(&arena, r);
        memcpy(c->configuration.certifier[r], w[r]->box.public, 32);
    }
    for (replica_id r = 0; r < FAKE_REPLICAS; r++)
        assert_true(witness_start(w[r], &c->configuration));
    assert_true(client_core_on_configuration(&c->core, &c->configuration));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_cluster_free(c);
    free(arena.base);
    free(out.data);
    return 0;
}

/* --- frames -------------------------------------------------------------------------------------------------------------- */

struct step {
    struct local_certify m;
    uint8_t raised[256];
    size_t raised_len;
};

/* What a correct E tells of the next bundle; `cells` that its first operation writes, ended by UINT32_MAX, or NULL: everything. */
static struct step step_next(slot_no slot, uint32_t index, const uint32_t *cells)
{
    struct step s = {.m = {.epoch = EPOCH, .bundle_no = 1, .slot = slot, .index = index, .before = history}};
    struct raised raised = {.op = 0, .all = cells == NULL};
    for (; cells && cells[raised.count] != UINT32_MAX; raised.count++)
        raised.cell[raised.count] = cells[raised.count];
    struct writer writer = writer_to(s.raised, sizeof s.raised);
    if (!cells || raised.count)
        raised_put(&writer, &raised);
    s.raised_len = writer.len;
    digest_of(&s.m.raised, RAISED_TAG, s.raised, s.raised_len);
    history_step(&s.m, &history);
    return s;
}

static struct frame frame_of(enum frame_type type, struct sender sender, struct slice body,
                             struct slice attachment)
{
    struct frame frame;
    size_t len =
        frame_encode(frame_bytes, sizeof frame_bytes, type, &sender, AUTH_NONE, body, SLICE_NONE, attachment);
    assert_true(len > 0);
    assert_true(frame_decode(frame_bytes, len, &frame));
    return frame;
}

static enum verdict tell_from(struct witness *to, const struct step *s, struct sender sender)
{
    uint8_t body[128];
    struct writer b = writer_to(body, sizeof body);
    local_certify_put(&b, &s->m);
    struct frame frame = frame_of(FRAME_LOCAL_CERTIFY, sender, (struct slice){body, b.len},
                                  (struct slice){s->raised, s->raised_len});
    enum verdict verdict = witness_on_certify(to, &frame, &out);
    witness_validate(to);
    return verdict;
}

static enum verdict tell(struct witness *to, const struct step *s)
{
    return tell_from(to, s, (struct sender){KIND_EXECUTION, OWN, 1});
}

static struct slice said(void)
{
    struct slice frame;
    size_t at = 0;
    assert_true(outbox_next(&out, &at, &frame));
    out.len = 0;
    return frame;
}

static struct certified certified_of(struct slice bytes)
{
    struct frame frame;
    struct certified certified;
    assert_true(frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_CERTIFIED);
    assert_verdict(certified_check(&frame, &certified), ACCEPT);
    return certified;
}

static bool says_true_head(void)
{
    const struct certified certified = certified_of(said());
    return digest_equal(&certified.head, &history);
}

static version_no floor_of(struct witness *of, uint32_t cell)
{
    version_no floor = cell == VERSION_WHOLE ? of->whole : of->cell[cell];
    return floor > of->broad ? floor : of->broad;
}

static version_no place(slot_no slot, uint32_t index)
{
    return version_of(slot, index * BUNDLE_OPS_MAX);
}

static const uint32_t A[] = {5, UINT32_MAX}, B[] = {9, UINT32_MAX}, NOTHING[] = {UINT32_MAX};

/* --- floors and the history ------------------------------------------------------------------------------------------------ */

static void it_certifies_the_head_and_floors_rise_to_the_place(void **state)
{
    (void)state;
    struct step a = step_next(3, 2, A);
    assert_verdict(tell(w[OWN], &a), ACCEPT);
    struct certified certified = certified_of(said());
    assert_true(digest_equal(&certified.head, &history));
    assert_int_equal(certified.slot, 3);
    assert_int_equal(certified.index, 2);
    assert_int_equal(floor_of(w[OWN], 5), place(3, 2));
    assert_int_equal(floor_of(w[OWN], VERSION_WHOLE), place(3, 2));
    assert_int_equal(floor_of(w[OWN], 9), 0); /* and no others */
    struct step all = step_next(4, 0, NULL);
    assert_verdict(tell(w[OWN], &all), ACCEPT);
    assert_true(says_true_head());
    assert_int_equal(floor_of(w[OWN], 9), place(4, 0));
    struct step nothing = step_next(5, 0, NOTHING);
    assert_verdict(tell(w[OWN], &nothing), ACCEPT);
    assert_int_equal(floor_of(w[OWN], 9), place(4, 0));
    assert_int_equal(w[OWN]->counters.gaps, 0);
}

static void whatever_is_changed_in_a_step_gives_another_head(void **state)
{
    (void)state;
    struct step a = step_next(3, 2, A);
    const struct digest right = history;
    for (int what = 0; what < 9; what++) {
        struct step other = a;
        struct digest head;
        switch (what) {
        case 0:
            other.m.origin++;
            break;
        case 1:
            other.m.epoch++;
            break;
        case 2:
            other.m.bundle_no++;
            break;
        case 3:
            other.m.slot++;
            break;
        case 4:
            other.m.index++;
            break;
        case 5:
            other.m.before.bytes[31] ^= 1;
            break;
        case 6:
            other.m.raised.bytes[0] ^= 1;
            break;
        case 7: /* another cell */
            other.raised[4] ^= 1;
            digest_of(&other.m.raised, RAISED_TAG, other.raised, other.raised_len);
            break;
        default: /* nothing at all */
            other.raised_len = 0;
            digest_of(&other.m.raised, RAISED_TAG, NULL, 0);
        }
        history_step(&other.m, &head);
        assert_false(digest_equal(&head, &right));
    }
    struct digest head;
    history_step(&a.m, &head);
    assert_true(digest_equal(&head, &right));
}

static void a_gap_raises_everything_to_where_it_ends(void **state)
{
    (void)state;
    struct step a = step_next(3, 0, A), b = step_next(3, 1, B), last = step_next(4, 0, A);
    assert_verdict(tell(w[OWN], &a), ACCEPT);
    assert_verdict(tell(w[OWN], &last), ACCEPT); /* b was not shown */
    assert_true(floor_of(w[OWN], 9) >= place(3, 1));
    assert_int_equal(floor_of(w[OWN], 17), place(4, 0));
    assert_int_equal(w[OWN]->counters.gaps, 1);
    out.len = 0;
    /* Shown late it changes nothing about where T is, and is certified all the same. */
    assert_verdict(tell(w[OWN], &b), ACCEPT);
    struct certified certified = certified_of(said());
    struct digest head;
    history_step(&b.m, &head);
    assert_true(digest_equal(&certified.head, &head));
    assert_true(digest_equal(&w[OWN]->head, &history));
    /* Level again: the next one is no gap. */
    struct step next = step_next(5, 0, B);
    uint64_t gaps = w[OWN]->counters.gaps;
    assert_verdict(tell(w[OWN], &next), ACCEPT);
    assert_int_equal(w[OWN]->counters.gaps, gaps);
    assert_int_equal(floor_of(w[OWN], 17), place(4, 0));
}

static void a_step_without_what_it_wrote_raises_everything_to_its_end(void **state)
{
    (void)state;
    struct step a = step_next(3, 0, A);
    a.raised_len = 0;
    assert_verdict(tell(w[OWN], &a), ACCEPT);
    assert_true(says_true_head());
    assert_int_equal(floor_of(w[OWN], 17), place(3, 1) - 1);
    struct step b = step_next(4, 0, A);
    b.raised[4] ^= 1; /* what it is told is not what the digest is of: not believed */
    assert_verdict(tell(w[OWN], &b), ACCEPT);
    assert_int_equal(w[OWN]->cell[5], 0);
    assert_int_equal(w[OWN]->cell[4], 0);
    assert_int_equal(floor_of(w[OWN], 5), place(4, 1) - 1);
}

static void what_is_its_own_is_certified_again_and_raises_nothing(void **state)
{
    (void)state;
    struct step a = step_next(3, 0, A), b = step_next(4, 0, B);
    assert_verdict(tell(w[OWN], &a), ACCEPT);
    struct certified first = certified_of(said());
    assert_verdict(tell(w[OWN], &b), ACCEPT);
    out.len = 0;
    a.raised_len = 0;
    assert_verdict(tell(w[OWN], &a), ACCEPT);
    struct certified again = certified_of(said());
    assert_true(digest_equal(&first.head, &again.head) && again.counter > first.counter);
    assert_int_equal(floor_of(w[OWN], 17), 0);
    assert_true(digest_equal(&w[OWN]->head, &history));
}

static void a_head_that_was_left_out_of_is_another_one(void **state)
{
    (void)state;
    struct step a = step_next(3, 0, A), b = step_next(4, 0, B);
    (void)a;
    b.m.before = w[OWN]->head; /* its host pretends that there was no a */
    assert_verdict(tell(w[OWN], &b), ACCEPT);
    assert_false(says_true_head());
    assert_int_equal(w[OWN]->counters.gaps, 0);
    /* Shown the truth from there on, it knows that it missed something. */
    struct step next = step_next(5, 0, A);
    assert_verdict(tell(w[OWN], &next), ACCEPT);
    assert_true(says_true_head());
    assert_int_equal(w[OWN]->counters.gaps, 1);
    assert_int_equal(floor_of(w[OWN], 17), place(5, 0));
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    struct step good = step_next(3, 0, A), bad;
    for (int what = 0; what < 7; what++) {
        bad = good;
        enum verdict expected = VERDICT_MALFORMED;
        switch (what) {
        case 0:
            bad.m.slot = 0;
            break;
        case 1:
            bad.m.slot = UINT64_MAX;
            break;
        case 2:
            bad.m.index = BATCH_BUNDLES_MAX;
            break;
        case 3:
            bad.m.bundle_no = 0;
            break;
        case 4:
            bad.m.origin = c->configuration.origins;
            expected = VERDICT_UNKNOWN_SENDER;
            break;
        case 5: /* a cell that there is not */
            bad.raised[7] = 0xff;
            digest_of(&bad.m.raised, RAISED_TAG, bad.raised, bad.raised_len);
            break;
        default:
            bad.raised_len--;
            digest_of(&bad.m.raised, RAISED_TAG, bad.raised, bad.raised_len);
        }
        assert_int_equal(tell(w[OWN], &bad), expected);
        assert_int_equal(out.len, 0);
        assert_int_equal(w[OWN]->place, 0);
    }
    assert_verdict(tell_from(w[OWN], &good, (struct sender){KIND_PREPARATION, OWN, 1}), WRONG_KIND);
    assert_verdict(tell(w[OWN], &good), ACCEPT);
}

static void one_of_another_life_is_silent(void **state)
{
    (void)state;
    struct witness *second = w[OWN];
    struct step a = step_next(3, 0, A);
    box_keypair(&second->box);
    assert_false(witness_start(second, &c->configuration));
    assert_verdict(tell(second, &a), EARLY);
    memcpy(c->configuration.certifier[OWN], second->box.public, 32); /* tampered twin: it is listed */
    assert_true(witness_start(second, &c->configuration));
    assert_verdict(tell(second, &a), ACCEPT);
    c->configuration.certifies = false;
    assert_false(witness_start(second, &c->configuration));
}

/* --- attesting ----------------------------------------------------------------------------------------------------------------- */

/* The question that the core sent last. */
static struct frame asked(void)
{
    struct frame frame;
    const struct fake_sent *sent = &c->sent[c->sent_count - 1];
    assert_true(frame_decode(sent->data, sent->len, &frame) && frame.type == FRAME_ASK_ATTEST);
    return frame;
}

static void it_attests_the_highest_floor_of_each_question(void **state)
{
    (void)state;
    struct attestor attestor = attestor_troxy(&c->core);
    struct attestation answer;
    uint8_t questions[64];
    struct writer q = writer_to(questions, sizeof questions);
    question_put(&q, (uint32_t[]){5, 9}, 2);
    question_put(&q, (uint32_t[]){17}, 1);
    question_put(&q, (uint32_t[]){VERSION_WHOLE}, 1);
    struct step a = step_next(3, 0, A), b = step_next(4, 1, B);
    assert_verdict(tell(w[OWN], &a), ACCEPT);
    assert_verdict(tell(w[OWN], &b), ACCEPT);
    struct slice certificate = said();
    attestor.ask(attestor.self, OWN, 7, (struct slice){questions, q.len});
    struct frame ask = asked(), frame;
    assert_verdict(witness_on_ask(w[OWN + 1], &ask, &out), UNEXPECTED);
    assert_verdict(witness_on_ask(w[OWN], &ask, &out), ACCEPT);
    struct slice bytes = said();
    assert_true(frame_decode(bytes.data, bytes.len, &frame));
    assert_verdict(attestor.open(attestor.self, &frame, &answer), ACCEPT);
    assert_int_equal(answer.from, OWN);
    assert_int_equal(answer.nonce, 7);
    struct reader r = reader_of(answer.versions.data, answer.versions.len);
    assert_int_equal(get_u64(&r), place(4, 1));
    assert_int_equal(get_u64(&r), 0);
    assert_int_equal(get_u64(&r), place(4, 1));
    assert_true(reader_done(&r));
    /* No byte of either may be another one. */
    uint8_t *at = (uint8_t *)(uintptr_t)ask.whole.data;
    for (size_t i = 0; i < ask.whole.len; i++) {
        struct frame bad;
        at[i] ^= 1;
        if (frame_decode(at, ask.whole.len, &bad) && bad.type == FRAME_ASK_ATTEST)
            assert_refused(witness_on_ask(w[OWN], &bad, &out), i);
        at[i] ^= 1;
    }
    at = (uint8_t *)(uintptr_t)bytes.data;
    for (size_t i = 0; i < bytes.len; i++) {
        struct frame bad;
        at[i] ^= 1;
        if (frame_decode(at, bytes.len, &bad) && bad.type == FRAME_ATTEST)
            assert_refused(attestor.open(attestor.self, &bad, &answer), i);
        at[i] ^= 1;
    }
    (void)certificate;
    /* An Execution compartment has no say in it. */
    struct attestor of_execution = attestor_execution(&c->core);
    assert_verdict(of_execution.open(of_execution.self, &frame, &answer), WRONG_KIND);
}

/* --- the origin counts them ------------------------------------------------------------------------------------------------------ */

static enum verdict hand(struct slice bytes)
{
    return client_core_on_frame(&c->core, 0, bytes.data, bytes.len, c->now);
}

static enum verdict certify(replica_id r, const struct step *s)
{
    assert_verdict(tell(w[r], s), ACCEPT);
    return hand(said());
}

static void submit(void)
{
    assert_int_equal(fake_submit(c, "x", 1, 5000000), 0);
    fake_flush(c);
}

static void replies_complete_with_certificates_of_one_history(void **state)
{
    (void)state;
    struct step a = step_next(5, 0, A);
    submit();
    for (replica_id r = 0; r < FAKE_REPLICAS; r++)
        assert_int_equal(fake_answer(c, r, 1, 5, 1, "y"), VERDICT_ACCEPT);
    assert_int_equal(c->outcome[0].told, 0); /* all say so, and no Troxy */
    assert_verdict(certify(0, &a), ACCEPT);
    assert_verdict(certify(0, &a), ACCEPT); /* told again: still one */
    assert_verdict(certify(1, &a), ACCEPT);
    assert_int_equal(c->outcome[0].told, 0);
    assert_verdict(certify(2, &a), ACCEPT);
    assert_int_equal(c->outcome[0].told, 1);
    assert_int_equal(c->outcome[0].outcome.slot, 5);
}

static void certificates_may_come_first(void **state)
{
    (void)state;
    struct step a = step_next(5, 0, A);
    submit();
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(certify(r, &a), ACCEPT);
    for (replica_id r = 0; r < 3; r++) {
        assert_int_equal(c->outcome[0].told, 0);
        fake_answer(c, r, 1, 5, 1, "y");
    }
    assert_int_equal(c->outcome[0].told, 1);
}

static void a_certificate_of_something_else_does_not_count(void **state)
{
    (void)state;
    for (int what = 0; what < 7; what++) {
        struct step a = step_next(5, 0, A), other = a;
        submit();
        replica_id third = what == 6 ? 3 : 2;
        for (replica_id r = 0; r < 3; r++)
            fake_answer(c, r, 1 + (uint64_t)what, 5, 1, "y");
        a.m.bundle_no = other.m.bundle_no = 1 + (uint64_t)what;
        switch (what) {
        case 0: /* another history */
            other.m.before.bytes[0] ^= 1;
            break;
        case 1:
            other.m.slot = 6;
            break;
        case 2:
            other.m.index = 1;
            break;
        case 3:
            other.m.bundle_no = 1;
            break;
        case 4:
            other.m.epoch++;
            break;
        case 5:
            other.raised_len = 0; /* other writes */
            digest_of(&other.m.raised, RAISED_TAG, NULL, 0);
            break;
        default: /* of one that said nothing */
            break;
        }
        assert_verdict(certify(0, &a), ACCEPT);
        assert_verdict(certify(1, &a), ACCEPT);
        (void)certify(third, &other);
        assert_int_equal(c->outcome[what].told, 0);
        assert_verdict(certify(2, &a), ACCEPT); /* the later one counts */
        assert_int_equal(c->outcome[what].told, 1);
    }
}

static void a_certificate_with_a_byte_changed_is_refused(void **state)
{
    (void)state;
    struct step a = step_next(5, 0, A);
    submit();
    assert_verdict(tell(w[OWN], &a), ACCEPT);
    struct slice good = said();
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t i = 0; i < good.len; i++) {
        bytes[i] ^= 1;
        assert_refused(hand(good), i);
        bytes[i] ^= 1;
    }
    for (size_t len = 0; len < good.len; len++)
        assert_refused(hand((struct slice){good.data, len}), len);
    assert_verdict(hand(good), ACCEPT);
    assert_verdict(hand(good), DUPLICATE);
    c->configuration.certifies = false;
    assert_verdict(hand(good), UNKNOWN_SENDER);
}

static void an_earlier_certificate_does_not_displace_a_later_one(void **state)
{
    (void)state;
    struct step a = step_next(5, 0, A), lie = a;
    lie.m.before.bytes[0] ^= 1;
    submit();
    assert_verdict(tell(w[0], &lie), ACCEPT);
    struct slice first = said();
    uint8_t kept[512];
    memcpy(kept, first.data, first.len);
    assert_verdict(certify(0, &a), ACCEPT);
    assert_verdict(hand((struct slice){kept, first.len}), DUPLICATE);
    for (replica_id r = 0; r < 3; r++)
        fake_answer(c, r, 1, 5, 1, "y");
    assert_verdict(certify(1, &a), ACCEPT);
    assert_verdict(certify(2, &a), ACCEPT);
    assert_int_equal(c->outcome[0].told, 1);
}

static void an_attestation_is_no_certificate(void **state)
{
    (void)state;
    for (replica_id r = 0; r < FAKE_REPLICAS; r++)
        assert_memory_not_equal(&c->core.certify_key[r], &c->core.floors_key[r],
                                sizeof c->core.certify_key[r]);
    struct attestor attestor = attestor_troxy(&c->core);
    struct attestation answer;
    struct step a = step_next(5, 0, A);
    struct frame frame;
    submit();
    assert_verdict(tell(w[OWN], &a), ACCEPT);
    struct slice certificate = said();
    assert_true(frame_decode(certificate.data, certificate.len, &frame));
    frame.type = FRAME_ATTEST;
    assert_refused(attestor.open(attestor.self, &frame, &answer), 0);
}

/* --- the history in E's state ------------------------------------------------------------------------------------------------------ */

static void the_history_is_state_only_where_troxies_certify(void **state)
{
    (void)state;
    static struct versions versions, other;
    size_t bytes = VERSION_CELLS * sizeof(version_no) + VERSION_RECORDS * sizeof(struct digest) + 256;
    struct arena both;
    arena_init(&both, calloc(2, bytes), 2 * bytes);
    versions_init(&versions, &both);
    versions_init(&other, &both);
    uint8_t saved[64];
    struct digest before, after;
    const struct digest head = {{9}};
    const uint32_t last = VERSION_RECORDS - 1;
    assert_int_equal(versions_size(&versions, last), 16);
    versions.certifies = other.certifies = true;
    assert_int_equal(versions_size(&versions, last), 48);
    versions_refresh(&versions);
    before = versions.digest[last];
    versions_set_history(&versions, &head);
    versions_refresh(&versions);
    after = versions.digest[last];
    assert_false(digest_equal(&before, &after));
    struct writer writer = writer_to(saved, sizeof saved);
    versions_save(&versions, last, &writer);
    assert_int_equal(writer.len, 48);
    assert_true(versions_saved_digest(&other, last, (struct slice){saved, 48}, &before));
    assert_true(digest_equal(&before, &after));
    assert_true(versions_load(&other, last, (struct slice){saved, 48}));
    assert_true(digest_equal(&other.history, &head));
    assert_false(versions_load(&other, last, (struct slice){saved, 16})); /* of a cluster where none does */
    saved[47] ^= 1;
    assert_true(versions_saved_digest(&other, last, (struct slice){saved, 48}, &before));
    assert_false(digest_equal(&before, &after));
    free(both.base);
}

/* --- what a manifest says of it --------------------------------------------------------------------------------------------------- */

#define LISTED 3u

/* With the first `count` of these certifiers, or another protocol or quorum. */
static enum verdict load(const struct certifier *certifiers, uint32_t count, unsigned protocol,
                         uint32_t quorum, bool platform)
{
    static uint8_t members[4 * LISTED * member_BYTES], list[5 * certifier_BYTES], body[8192], bytes[16384];
    static struct configuration loaded;
    static struct auth admin;
    static const uint32_t kinds[] = {KIND_HOST, KIND_PREPARATION, KIND_COUNTER, KIND_EXECUTION};
    struct writer m = writer_to(members, sizeof members), l = writer_to(list, sizeof list),
                  b = writer_to(body, sizeof body);
    uint8_t platforms[platform_BYTES], signature[SIGNATURE_BYTES];
    struct writer p = writer_to(platforms, sizeof platforms);
    for (replica_id r = 0; r < LISTED; r++)
        for (unsigned k = 0; k < 4; k++) {
            struct member member = {.replica = r, .kind = kinds[k], .epoch = 1};
            memset(member.sign_public.bytes, (int)(1 + 4 * r + k % 2), 32);
            memset(member.box_public.bytes, (int)(1 + 4 * r + k % 2), 32);
            member_put(&m, &member);
        }
    for (uint32_t i = 0; i < count; i++)
        certifier_put(&l, &certifiers[i]);
    platform_put(&p, &(struct platform){.replica = 0, .public = {{1}}});
    struct start start = {.protocol = (uint8_t)protocol,
                          .faults = 1,
                          .configuration = 1,
                          .replicas = LISTED,
                          .write_quorum = quorum,
                          .read_quorum = count ? quorum : 0,
                          .view_timeout_us = 1,
                          .pillars = 1,
                          .members = {members, m.len},
                          .platforms = {platforms, platform ? p.len : 0},
                          .troxies = {list, l.len}};
    start_put(&b, &start);
    struct frame frame = {.type = FRAME_START,
                          .sender = {KIND_ADMIN, 0, 0},
                          .auth_kind = AUTH_SIGNATURE,
                          .body = {body, b.len}};
    struct digest content;
    sign_keypair(&admin.sign);
    configuration_content(&frame, &content);
    auth_sign_content(&admin, &content, signature);
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_START, &frame.sender, AUTH_SIGNATURE, frame.body,
                              (struct slice){signature, sizeof signature}, SLICE_NONE);
    assert_true(len && frame_decode(bytes, len, &frame));
    enum verdict verdict = configuration_load(&loaded, &frame, admin.sign.public);
    if (verdict == VERDICT_ACCEPT)
        assert_true(loaded.certifies == (count > 0));
    return verdict;
}

static void a_manifest_lists_one_key_of_each_troxy_or_none(void **state)
{
    (void)state;
    struct certifier k[4];
    for (replica_id r = 0; r < 4; r++) {
        k[r].replica = r;
        memset(k[r].box_public.bytes, (int)(100 + r), 32);
    }
    assert_verdict(load(k, 3, PROTOCOL_HYBSTER, 2, false), ACCEPT);
    assert_verdict(load(k, 0, PROTOCOL_HYBSTER, 2, false), ACCEPT);
    assert_verdict(load(k, 0, PROTOCOL_HYBSTER, 2, true), ACCEPT);
    assert_verdict(load(k, 3, PROTOCOL_HYBSTER, 2, true), MALFORMED); /* somebody could start again */
    assert_verdict(load(k, 2, PROTOCOL_HYBSTER, 2, false), MALFORMED);
    assert_verdict(load(k, 4, PROTOCOL_HYBSTER, 2, false), MALFORMED);
    assert_verdict(load(k, 3, PROTOCOL_HYBSTER, 1, false), MALFORMED);
    assert_verdict(load(k, 3, PROTOCOL_HYBSTER, 3, false), MALFORMED);
    assert_verdict(load(k, 3, PROTOCOL_SPLITBFT, 2, false), MALFORMED);
    k[2].replica = 1; /* twice the same */
    assert_verdict(load(k, 3, PROTOCOL_HYBSTER, 2, false), MALFORMED);
    k[2].replica = 2;
    memset(k[1].box_public.bytes, 0, 32);
    assert_verdict(load(k, 3, PROTOCOL_HYBSTER, 2, false), MALFORMED);
}

int main(void)
{
#define WITH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        WITH(it_certifies_the_head_and_floors_rise_to_the_place),
        WITH(whatever_is_changed_in_a_step_gives_another_head),
        WITH(a_gap_raises_everything_to_where_it_ends),
        WITH(a_step_without_what_it_wrote_raises_everything_to_its_end),
        WITH(what_is_its_own_is_certified_again_and_raises_nothing),
        WITH(a_head_that_was_left_out_of_is_another_one),
        WITH(nonsense_is_refused),
        WITH(one_of_another_life_is_silent),
        WITH(it_attests_the_highest_floor_of_each_question),
        WITH(replies_complete_with_certificates_of_one_history),
        WITH(certificates_may_come_first),
        WITH(a_certificate_of_something_else_does_not_count),
        WITH(a_certificate_with_a_byte_changed_is_refused),
        WITH(an_earlier_certificate_does_not_displace_a_later_one),
        WITH(an_attestation_is_no_certificate),
        WITH(the_history_is_state_only_where_troxies_certify),
        WITH(a_manifest_lists_one_key_of_each_troxy_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
