/*
 * TrInX: the properties of the three certificates, each with its tampered twin, and the compartment around them.
 */
#include "testing.h"

#include "counter_world.h"

#define END UINT64_MAX

static struct counter_world world;
static struct counter_under_test c;
static struct digest d1, d2;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(crypto_start(), 0);
    counter_world_init(&world);
    counter_start(&c, &world, 1, 7);
    digest_of(&d1, "test", "one", 3);
    digest_of(&d2, "test", "two", 3);
    return 0;
}

static int setup_begun(void **state)
{
    setup(state);
    assert_verdict(counter_begin(&c, &world, 2), ACCEPT);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    counter_type.validate(c.state);
    counter_stop(&c);
    return 0;
}

static struct trinx_certificate made;

static enum verdict certify(enum trinx_kind kind, uint32_t pillar, uint32_t counter, view_no view,
                            slot_no order)
{
    return counter_certify(&c, &(struct trinx_command){kind, pillar, counter, {view, order}, d1}, &made);
}

static void assert_value(struct trinx_value value, view_no view, slot_no order)
{
    assert_int_equal(value.view, view);
    assert_int_equal(value.order, order);
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static void values_compare_as_numbers_of_128_bits(void **state)
{
    (void)state;
    static const struct trinx_value rising[] = {{0, 0}, {0, 1}, {0, END}, {1, 0},
                                                {1, 1}, {2, 0}, {END, 0}, {END, END}};
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 8; k++)
            assert_int_equal(trinx_compare(&rising[i], &rising[k]), (i > k) - (i < k));
}

static void independent_values_rise(void **state)
{
    (void)state;
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 0, 0), STALE); /* where it begins */
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 5), ACCEPT);
    assert_verdict(counter_verify(&c, &made, &d1), ACCEPT);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 5), STALE);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 4), STALE);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 0, 9), STALE);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 6), ACCEPT);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 2, 0), ACCEPT);
}

static void continuing_shows_where_it_came_from(void **state)
{
    (void)state;
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 5), ACCEPT);
    assert_verdict(certify(TRINX_CONTINUING, 0, 0, 1, 4), STALE);
    assert_verdict(certify(TRINX_CONTINUING, 0, 0, 3, 0), ACCEPT);
    assert_value(made.previous, 1, 5);
    assert_value(made.act, 1, 5);
    assert_verdict(certify(TRINX_CONTINUING, 0, 0, 3, 0), ACCEPT); /* again, where it is */
    assert_value(made.previous, 3, 0);
    assert_value(made.act, 1, 5);
    assert_verdict(certify(TRINX_CONTINUING, 0, 0, 6, 0), ACCEPT); /* however many hops */
    assert_value(made.previous, 3, 0);
    assert_value(made.act, 1, 5);
    assert_verdict(counter_verify(&c, &made, &d1), ACCEPT);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 6, 0), STALE);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 5, 9), STALE); /* no vote in a view that was left */
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 6, 1), ACCEPT);
    assert_verdict(certify(TRINX_CONTINUING, 0, 0, 7, 0), ACCEPT);
    assert_value(made.act, 6, 1);
}

static void counters_do_not_know_each_other(void **state)
{
    (void)state;
    for (uint32_t pillar = 0; pillar < 2; pillar++)
        for (uint32_t counter = 0; counter < PILLAR_COUNTERS; counter++) {
            assert_verdict(certify(TRINX_INDEPENDENT, pillar, counter, 1, 1), ACCEPT);
            assert_verdict(certify(TRINX_INDEPENDENT, pillar, counter, 1, 1), STALE);
        }
}

static void a_mac_has_no_value(void **state)
{
    (void)state;
    assert_verdict(certify(TRINX_MAC, 1, 0, 0, 0), ACCEPT);
    assert_verdict(counter_verify(&c, &made, &d1), ACCEPT);
    assert_verdict(certify(TRINX_MAC, 1, 0, 0, 0), ACCEPT);
    assert_verdict(certify(TRINX_MAC, 0, 1, 0, 0), MALFORMED);
    assert_verdict(certify(TRINX_MAC, 0, 0, 0, 1), MALFORMED);
    assert_verdict(certify(TRINX_MAC, 0, 0, 1, 0), MALFORMED);
}

static void the_last_values_are_refused(void **state)
{
    (void)state;
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, END, 0), LIMIT);
    assert_verdict(certify(TRINX_CONTINUING, 0, 0, END, 0), LIMIT);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, END), LIMIT);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 1), ACCEPT); /* nothing had moved */
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, END - 1, END - 1), ACCEPT);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, END, END), LIMIT);
    assert_verdict(certify(TRINX_CONTINUING, 0, 0, END - 1, END - 1), ACCEPT);
}

static void there_are_only_so_many_places(void **state)
{
    (void)state;
    static const uint32_t kinds[] = {0, 4, 255};
    for (int i = 0; i < 3; i++)
        assert_verdict(certify((enum trinx_kind)kinds[i], 0, 0, 0, 0), MALFORMED);
    assert_verdict(certify(TRINX_INDEPENDENT, 2, 0, 1, 1), MALFORMED);
    assert_verdict(certify(TRINX_CONTINUING, 256, 0, 1, 1), MALFORMED); /* not pillar 0 */
    assert_verdict(certify(TRINX_INDEPENDENT, 0, PILLAR_COUNTERS, 1, 1), MALFORMED);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 256, 1, 1), MALFORMED);
    static const uint8_t zero[MAC_BYTES];
    assert_memory_equal(made.mac, zero, sizeof zero); /* what is refused gets nothing */
}

/* --- verification ------------------------------------------------------------------------------------------------ */

/* Every byte of the check as the host gives it: nothing else verifies. */
static void every_byte_is_covered(enum trinx_kind kind)
{
    uint8_t bytes[counter_check_BYTES], list[counter_check_BYTES];
    struct writer w = writer_to(bytes, sizeof bytes);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 2, 3), ACCEPT);
    assert_verdict(certify(kind, 0, 0, kind == TRINX_MAC ? 0 : 4, 0), ACCEPT);
    struct counter_check m = counter_check_of(&made, &d1);
    counter_check_put(&w, &m);
    for (size_t i = 0; i <= sizeof bytes; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct frame frame;
            struct local_counted answer;
            memcpy(list, bytes, sizeof list);
            if (i < sizeof bytes)
                list[i] ^= (uint8_t)(1u << bit);
            assert_verdict(counter_ask(&c, &(struct local_count){.checks = {list, sizeof list}}), ACCEPT);
            assert_true(counter_said(&c, &frame) && local_counted_decode(frame.body, &answer));
            if (i == sizeof bytes)
                assert_verdict(answer.verdicts.data[0], ACCEPT);
            else
                assert_refused(answer.verdicts.data[0], i);
        }
}

static void every_byte_of_an_independent(void **state)
{
    (void)state;
    every_byte_is_covered(TRINX_INDEPENDENT);
}
static void every_byte_of_a_continuing(void **state)
{
    (void)state;
    every_byte_is_covered(TRINX_CONTINUING);
}
static void every_byte_of_a_mac(void **state)
{
    (void)state;
    every_byte_is_covered(TRINX_MAC);
}

static void what_nobody_makes_is_malformed(void **state)
{
    (void)state;
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 5), ACCEPT);
    assert_verdict(certify(TRINX_CONTINUING, 0, 0, 3, 0), ACCEPT);
    struct trinx_certificate right = made;
#define TWIN(change)                                                                                         \
    made = right;                                                                                            \
    change;                                                                                                  \
    assert_verdict(counter_verify(&c, &made, &d1), MALFORMED);
    TWIN(made.kind = 0)
    TWIN(made.kind = 4)
    TWIN(made.kind = TRINX_INDEPENDENT)
    TWIN(made.kind = TRINX_MAC)
    TWIN(made.instance.pillar = PILLARS_MAX)
    TWIN(made.counter = PILLAR_COUNTERS)
    TWIN(made.value.view = END)
    TWIN(made.value.order = END)
    TWIN(made.act.view = 2)
    TWIN(made.previous.view = 4)
    TWIN(made.kind = TRINX_INDEPENDENT; memset(&made.previous, 0, sizeof made.previous))
#undef TWIN
    assert_verdict(counter_verify(&c, &right, &d1), ACCEPT);
    assert_verdict(counter_verify(&c, &right, &d2), BAD_MAC);
}

static void all_counters_of_a_cluster_verify(void **state)
{
    (void)state;
    struct counter_under_test other, stranger;
    struct counter_world elsewhere = world; /* its secret even, but another cluster */
    elsewhere.cluster.bytes[3] ^= 1;
    counter_start(&other, &world, 2, 9);
    counter_start(&stranger, &elsewhere, 2, 9);
    assert_verdict(certify(TRINX_INDEPENDENT, 1, 1, 1, 5), ACCEPT);
    assert_verdict(counter_verify(&other, &made, &d1), EARLY);
    assert_verdict(counter_begin(&other, &world, 1), ACCEPT); /* itself with fewer pillars */
    assert_verdict(counter_begin(&stranger, &elsewhere, 2), ACCEPT);
    assert_verdict(counter_verify(&other, &made, &d1), ACCEPT);
    assert_verdict(counter_verify(&stranger, &made, &d1), BAD_MAC);
    counter_stop(&other);
    counter_stop(&stranger);
}

static void two_copies_are_two_instances(void **state)
{
    (void)state;
    struct counter_under_test copy;
    struct trinx_certificate theirs;
    counter_start(&copy, &world, c.replica, c.epoch);
    assert_verdict(counter_begin(&copy, &world, 2), ACCEPT); /* whoever sealed it the key was careless */
    struct trinx_command command = {TRINX_INDEPENDENT, 0, 0, {1, 1}, d2};
    assert_verdict(counter_certify(&copy, &command, &theirs), ACCEPT);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 1), ACCEPT);
    assert_verdict(counter_verify(&c, &theirs, &d2), ACCEPT);
    theirs.instance.life = made.instance.life; /* not as the one that the configuration lists */
    assert_verdict(counter_verify(&c, &theirs, &d2), BAD_MAC);
    counter_stop(&copy);
}

/* --- beginning --------------------------------------------------------------------------------------------------- */

static void nothing_before_the_key(void **state)
{
    (void)state;
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 1), EARLY);
    struct trinx none = {.begun = false};
    struct trinx_command command = {TRINX_MAC, 0, 0, {0, 0}, d1};
    assert_verdict(trinx_certify(&none, &command, &made), EARLY);
    assert_verdict(trinx_verify(&none, &made, &d1), EARLY);
}

static void counters_begin_once(void **state)
{
    (void)state;
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 1), ACCEPT);
    assert_verdict(counter_begin(&c, &world, 2), DUPLICATE);
    assert_verdict(certify(TRINX_INDEPENDENT, 0, 0, 1, 1), STALE);
    struct trinx t = {.begun = false};
    struct trinx_instance self = {.replica = 1};
    assert_verdict(trinx_begin(&t, &self, 0, &world.cluster, world.group), LIMIT);
    assert_verdict(trinx_begin(&t, &self, PILLARS_MAX + 1, &world.cluster, world.group), LIMIT);
    assert_verdict(trinx_begin(&t, &self, PILLARS_MAX, &world.cluster, world.group), ACCEPT);
    assert_verdict(trinx_begin(&t, &self, PILLARS_MAX, &world.cluster, world.group), DUPLICATE);
}

static enum verdict give_key(const struct counter_key *m, const struct sign_key *signer)
{
    uint8_t frame[512];
    return counter_give(&c, frame, counter_key_frame(&world, m, signer, frame));
}

static void only_its_own_key_begins_it(void **state)
{
    (void)state;
    struct counter_key right = counter_key_for(&world, &c, 2), m;
    struct sign_key other;
    sign_keypair(&other);
    assert_verdict(give_key(&right, &other), BAD_SIGNATURE);
#define TWIN(change, verdict)                                                                                \
    m = right;                                                                                               \
    change;                                                                                                  \
    assert_verdict(give_key(&m, NULL), verdict);
    TWIN(m.replica++, UNKNOWN_SENDER)
    TWIN(m.epoch++, UNKNOWN_SENDER)
    TWIN(m.box_public.bytes[0] ^= 1, UNKNOWN_SENDER)
    TWIN(m.half0.bytes[0] ^= 1, MISMATCH)
    TWIN(m.half1.bytes[0] ^= 1, MISMATCH)
    TWIN(m.tail.bytes[0] ^= 1, MISMATCH)
    TWIN(m.pillars = 0, MALFORMED)
    TWIN(m.pillars = PILLARS_MAX + 1, MALFORMED)
#undef TWIN
    assert_verdict(give_key(&right, NULL), ACCEPT);
}

static void keys_are_signed_by_the_administrator(void **state)
{
    (void)state;
    uint8_t frame[512];
    struct counter_key right = counter_key_for(&world, &c, 2);
    size_t len = counter_key_frame(&world, &right, NULL, frame);
    frame[2] = KIND_HOST;
    assert_verdict(counter_give(&c, frame, len), WRONG_KIND);
    frame[2] = KIND_ADMIN;
    frame[3] = AUTH_NONE;
    assert_verdict(counter_give(&c, frame, len), BAD_SIGNATURE);
    frame[3] = AUTH_SIGNATURE;
    for (size_t i = FRAME_HEADER_BYTES; i < len; i++) {
        frame[i] ^= 1;
        assert_refused(counter_give(&c, frame, len), i);
        frame[i] ^= 1;
    }
    struct frame whole;
    uint8_t cut[512];
    assert_true(frame_decode(frame, len, &whole));
    whole.auth.len--;
    size_t cut_len = frame_encode(cut, sizeof cut, whole.type, &whole.sender, AUTH_SIGNATURE, whole.body,
                                  whole.auth, SLICE_NONE);
    assert_verdict(counter_give(&c, cut, cut_len), BAD_SIGNATURE);
    whole.body.len--;
    cut_len = frame_encode(cut, sizeof cut, whole.type, &whole.sender, AUTH_SIGNATURE, whole.body, whole.auth,
                           SLICE_NONE);
    assert_verdict(counter_give(&c, cut, cut_len), MALFORMED);
    assert_verdict(counter_give(&c, frame, len), ACCEPT);
}

/* --- calls ------------------------------------------------------------------------------------------------------- */

static void a_call_carries_a_batch(void **state)
{
    (void)state;
    static uint8_t commands[COUNTER_COMMANDS_MAX * counter_command_BYTES],
        checks[COUNTER_CHECKS_MAX * counter_check_BYTES];
    static uint8_t signs[COUNTER_SIGNS_MAX * counter_sign_BYTES];
    struct writer w = writer_to(commands, sizeof commands);
    struct frame frame;
    struct local_counted answer;
    for (unsigned i = 0; i < COUNTER_COMMANDS_MAX; i++) /* every other one is refused */
        counter_command_put(&w, &(struct counter_command){
                                    .kind = TRINX_INDEPENDENT, .view = 1, .order = 1 + i / 2, .digest = d1});
    assert_verdict(certify(TRINX_MAC, 0, 0, 0, 0), ACCEPT);
    struct counter_check check = counter_check_of(&made, &d1);
    w = writer_to(checks, sizeof checks);
    for (unsigned i = 0; i < COUNTER_CHECKS_MAX; i++) {
        check.epoch = i % 3 ? c.epoch : 1;
        counter_check_put(&w, &check);
    }
    struct local_count all = {.number = 99,
                              .commands = {commands, sizeof commands},
                              .checks = {checks, sizeof checks},
                              .signs = {signs, sizeof signs}};
    assert_verdict(counter_ask(&c, &all), ACCEPT);
    assert_true(counter_said(&c, &frame));
    assert_int_equal(frame.type, FRAME_LOCAL_COUNTED);
    assert_verdict(local_counted_check(&frame, &answer), ACCEPT);
    assert_int_equal(answer.number, 99);
    assert_int_equal(counter_made_count(answer.made), COUNTER_COMMANDS_MAX);
    assert_int_equal(answer.verdicts.len, COUNTER_CHECKS_MAX);
    assert_int_equal(counter_signature_count(answer.signatures), COUNTER_SIGNS_MAX);
    for (unsigned i = 0; i < COUNTER_COMMANDS_MAX; i++)
        assert_int_equal(counter_made_at(answer.made, i).verdict, i % 2 ? VERDICT_STALE : VERDICT_ACCEPT);
    for (unsigned i = 0; i < COUNTER_CHECKS_MAX; i++)
        assert_int_equal(answer.verdicts.data[i], i % 3 ? VERDICT_ACCEPT : VERDICT_BAD_MAC);
}

static void calls_are_bounded(void **state)
{
    (void)state;
    static uint8_t many[(COUNTER_CHECKS_MAX + 1) * counter_check_BYTES];
    struct slice commands = {many, (COUNTER_COMMANDS_MAX + 1) * counter_command_BYTES};
    struct slice checks = {many, sizeof many}, signs = {many, (COUNTER_SIGNS_MAX + 1) * counter_sign_BYTES};
    assert_verdict(counter_ask(&c, &(struct local_count){.commands = commands}), MALFORMED);
    assert_verdict(counter_ask(&c, &(struct local_count){.checks = checks}), MALFORMED);
    assert_verdict(counter_ask(&c, &(struct local_count){.signs = signs}), MALFORMED);
    assert_verdict(counter_ask(&c, &(struct local_count){.signs = {many, 31}}), MALFORMED);
    assert_verdict(counter_ask(&c, &(struct local_count){.number = 1}), ACCEPT);
    const struct sender host = {KIND_HOST, 1, 1};
    uint8_t frame[64];
    size_t len = frame_encode(frame, sizeof frame, FRAME_LOCAL_COUNT, &host, AUTH_NONE, SLICE_NONE,
                              SLICE_NONE, SLICE_NONE);
    assert_verdict(counter_give(&c, frame, len), MALFORMED);
    len =
        frame_encode(frame, sizeof frame, FRAME_START, &host, AUTH_NONE, SLICE_NONE, SLICE_NONE, SLICE_NONE);
    assert_verdict(counter_give(&c, frame, len), UNEXPECTED);
    assert_verdict(counter_give(&c, frame, 5), MALFORMED);
    assert_false(counter_type.flush(c.state, 1, &c.out));
}

static enum verdict answer_check(size_t of_made, size_t verdicts, size_t signatures)
{
    static uint8_t body[1 << 16], many[1 << 15];
    struct writer w = writer_to(body, sizeof body);
    struct local_counted m = {1, {many, of_made}, {many, verdicts}, {many, signatures}};
    local_counted_put(&w, &m);
    struct frame frame = {.type = FRAME_LOCAL_COUNTED, .body = {body, w.len}};
    return local_counted_check(&frame, &m);
}

static void answers_are_bounded(void **state)
{
    (void)state;
    assert_verdict(answer_check(COUNTER_COMMANDS_MAX * counter_made_BYTES, COUNTER_CHECKS_MAX,
                                COUNTER_SIGNS_MAX * counter_signature_BYTES),
                   ACCEPT);
    assert_verdict(answer_check((COUNTER_COMMANDS_MAX + 1) * counter_made_BYTES, 0, 0), MALFORMED);
    assert_verdict(answer_check(counter_made_BYTES - 1, 0, 0), MALFORMED);
    assert_verdict(answer_check(0, COUNTER_CHECKS_MAX + 1, 0), MALFORMED);
    assert_verdict(answer_check(0, 0, (COUNTER_SIGNS_MAX + 1) * counter_signature_BYTES), MALFORMED);
    assert_verdict(answer_check(0, 0, counter_signature_BYTES + 1), MALFORMED);
    struct frame cut = {.type = FRAME_LOCAL_COUNTED, .body = {d1.bytes, 19}};
    struct local_counted m;
    assert_verdict(local_counted_check(&cut, &m), MALFORMED);
}

static void what_it_signs_others_verify(void **state)
{
    (void)state;
    struct frame frame;
    struct local_counted answer;
    struct digest content;
    assert_verdict(counter_ask(&c, &(struct local_count){.signs = {d1.bytes, 32}}), ACCEPT);
    assert_true(counter_said(&c, &frame) && local_counted_decode(frame.body, &answer));
    struct counter_signature s = counter_signature_at(answer.signatures, 0);
    counter_signed_content(&world.cluster, 1, 7, &d1, &content);
    assert_true(auth_signature_ok(s.signature.bytes, c.sign_public, &content));
    counter_signed_content(&world.cluster, 1, 8, &d1, &content);
    assert_false(auth_signature_ok(s.signature.bytes, c.sign_public, &content));
    counter_signed_content(&world.cluster, 2, 7, &d1, &content);
    assert_false(auth_signature_ok(s.signature.bytes, c.sign_public, &content));
    counter_signed_content(&world.cluster, 1, 7, &d2, &content);
    assert_false(auth_signature_ok(s.signature.bytes, c.sign_public, &content));
}

#define BEGUN(test) cmocka_unit_test_setup_teardown(test, setup_begun, teardown)
#define FRESH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BEGUN(values_compare_as_numbers_of_128_bits),
        BEGUN(independent_values_rise),
        BEGUN(continuing_shows_where_it_came_from),
        BEGUN(counters_do_not_know_each_other),
        BEGUN(a_mac_has_no_value),
        BEGUN(the_last_values_are_refused),
        BEGUN(there_are_only_so_many_places),
        BEGUN(every_byte_of_an_independent),
        BEGUN(every_byte_of_a_continuing),
        BEGUN(every_byte_of_a_mac),
        BEGUN(what_nobody_makes_is_malformed),
        BEGUN(all_counters_of_a_cluster_verify),
        BEGUN(two_copies_are_two_instances),
        FRESH(nothing_before_the_key),
        BEGUN(counters_begin_once),
        FRESH(only_its_own_key_begins_it),
        FRESH(keys_are_signed_by_the_administrator),
        BEGUN(a_call_carries_a_batch),
        BEGUN(calls_are_bounded),
        BEGUN(answers_are_bounded),
        BEGUN(what_it_signs_others_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
