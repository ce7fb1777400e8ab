/*
 * Versions of cells and what E attests about them: in replies, asked for, over checkpoints and state transfer.
 */
#include "testing.h"

#include "../../apps/kv/kv_codec.h"
#include "cluster.h"
#include "wire/attestation.h"

#ifndef APART
#define APART 0u
#endif

#define E KIND_EXECUTION
#define K CHECKPOINT_INTERVAL

extern const struct redoubt_service redoubt_service_kv;

static struct cluster *c;
static struct redoubt_service timed;

/* What is read of the key "now" depends on time, and "all" is written as everything. */
static enum redoubt_status timed_execute(void *state, const struct redoubt_op *op,
                                         struct redoubt_result *result)
{
    enum redoubt_status status = redoubt_service_kv.execute(state, op, result);
    result->is_volatile = memmem(op->data, op->bytes, "now", 3) != NULL;
    return status;
}

static bool timed_keys(const struct redoubt_op *op, struct redoubt_keys *keys)
{
    if (!redoubt_service_kv.keys(op, keys))
        return false;
    if (memmem(op->data, op->bytes, "all", 3)) {
        keys->writes_all = keys->entry[0].write;
        keys->reads_all = !keys->entry[0].write;
        keys->count = 0;
    }
    return true;
}

static int setup(void **state)
{
    (void)state;
    timed = redoubt_service_kv;
    timed.execute = timed_execute;
    timed.keys = timed_keys;
    c = cluster_new(
        &(struct cluster_options){.apart = APART, .service = &timed, .service_options = "memory_mb=8"});
    c->bundle_flags = BUNDLE_VERSIONS;
    return 0;
}

static int setup_reads_ordered(void **state)
{
    setup(state);
    cluster_free(c);
    c = cluster_new(&(struct cluster_options){
        .apart = APART, .service = &timed, .service_options = "memory_mb=8", .reads_ordered = true});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_free(c);
    return 0;
}

/* --- operations -------------------------------------------------------------------------------------------------------- */

static struct slice op_get(const char *key)
{
    uint8_t bytes[200];
    size_t len = kv_get_encode(bytes, sizeof bytes, key, strlen(key));
    return cluster_copy(c, bytes, len);
}

static struct slice op_put(const char *key, const char *value)
{
    uint8_t bytes[300];
    size_t len = kv_put_encode(bytes, sizeof bytes, key, strlen(key), value, strlen(value));
    return cluster_copy(c, bytes, len);
}

static struct slice op_cas(const char *key, const char *expected)
{
    uint8_t bytes[300];
    struct kv_maybe was = {true, {(const uint8_t *)expected, strlen(expected)}}, none = {false, {NULL, 0}};
    size_t len = kv_cas_encode(bytes, sizeof bytes, key, strlen(key), was, none);
    return cluster_copy(c, bytes, len);
}

static uint64_t numbers[8];

/* One bundle of origin 0 by itself in the next slot. */
static void run(const struct slice *ops, unsigned count)
{
    struct test_bundle *b = cluster_bundle(c, 0, ++numbers[0], ops, count, FORM_MACS);
    cluster_order(c, &b, 1);
}

static void put(const char *key, const char *value)
{
    struct slice op = op_put(key, value);
    run(&op, 1);
}

static version_no now(uint32_t index)
{
    return version_of(cluster_e(c, 1)->executed, index);
}

static struct opened_reply reply_of(replica_id r)
{
    struct opened_reply opened;
    const struct sent *sent = cluster_last(c, E, r, FRAME_REPLY);
    assert_non_null(sent);
    assert_true(cluster_reply_open(c, sent, &opened));
    return opened;
}

static version_no read_version(const char *key)
{
    struct slice op = op_get(key);
    run(&op, 1);
    struct opened_reply opened = reply_of(2);
    assert_int_equal(opened.op[0].form & RESULT_VERSION, RESULT_VERSION);
    return opened.op[0].version;
}

/* --- questions ---------------------------------------------------------------------------------------------------------- */

static uint64_t nonce = 5;

static struct slice question_of(const char *key)
{
    uint8_t bytes[8];
    struct writer w = writer_to(bytes, sizeof bytes);
    uint32_t cell = key ? version_cell(key, strlen(key)) : VERSION_WHOLE;
    question_put(&w, &cell, 1);
    return cluster_copy(c, bytes, w.len);
}

static struct slice ask_frame(origin_id origin, replica_id r, struct slice questions)
{
    uint8_t bytes[4096];
    struct secret_key key = cluster_attest_key(c, origin, r);
    struct slice body = cluster_body(c, ask_attest, &(struct ask_attest){r, ++nonce});
    size_t len = auth_encode_sealed(bytes, sizeof bytes, FRAME_ASK_ATTEST, &c->origin[origin].auth.self, &key,
                                    nonce, body, questions);
    assert_true(len > 0);
    return cluster_copy(c, bytes, len);
}

static enum verdict ask(replica_id r, const char *key)
{
    return cluster_give(c, E, r, ask_frame(0, r, question_of(key)));
}

static bool answer_open(const struct frame *frame, replica_id r, struct attest *attest, uint8_t *room,
                        struct slice *versions)
{
    struct secret_key key = cluster_attest_key(c, 0, r);
    return attest_check(frame, attest) == VERDICT_ACCEPT &&
           auth_open_sealed(frame, &key, attest->counter, room, versions);
}

static version_no attested(replica_id r, unsigned question)
{
    struct attest attest;
    struct slice versions;
    uint8_t room[8 * QUESTIONS_MAX];
    const struct sent *sent = cluster_last(c, E, r, FRAME_ATTEST);
    assert_non_null(sent);
    assert_true(answer_open(&sent->frame, r, &attest, room, &versions));
    assert_int_equal(attest.origin, 0);
    assert_int_equal(attest.nonce, nonce);
    assert_int_equal(attest.configuration, c->configuration.number);
    assert_true(question < versions.len / 8);
    struct reader reader = reader_of(versions.data + 8 * (size_t)question, 8);
    return get_u64(&reader);
}

/* --- versions ------------------------------------------------------------------------------------------------------------ */

static void a_read_is_as_old_as_the_last_write_of_its_keys(void **state)
{
    (void)state;
    put("a", "1");
    version_no first = now(0);
    put("b", "1");
    version_no second = now(0);
    assert_int_equal(read_version("a"), first);
    assert_int_equal(read_version("b"), second);
    assert_int_equal(read_version("nobody wrote this"), 0);
    put("a", "2");
    version_no third = now(0);
    assert_int_equal(read_version("a"), third);
    assert_int_equal(read_version("b"), second);
}

static void operations_of_one_bundle_have_places_of_their_own(void **state)
{
    (void)state;
    struct slice ops[] = {op_put("a", "1"), op_get("a"), op_put("a", "2"), op_get("a"), op_get("b")};
    run(ops, 5);
    struct opened_reply opened = reply_of(0);
    assert_int_equal(opened.count, 5);
    assert_int_equal(opened.op[0].form & RESULT_VERSION, 0); /* a write is at its place */
    assert_int_equal(opened.op[1].version, now(0));
    assert_int_equal(opened.op[3].version, now(2));
    assert_int_equal(opened.op[4].version, 0);
}

static void what_changed_nothing_raises_nothing(void **state)
{
    (void)state;
    put("a", "1");
    version_no first = now(0);
    struct slice ops[] = {op_cas("a", "other"), {(const uint8_t *)"\xff", 1}};
    run(ops, 2);
    struct opened_reply opened = reply_of(0);
    assert_int_equal(opened.op[0].status, REDOUBT_CONFLICT);
    assert_int_equal(opened.op[1].status, REDOUBT_INVALID);
    assert_int_equal(opened.op[1].form & RESULT_VERSION, 0);
    assert_int_equal(read_version("a"), first);
    struct slice good = op_cas("a", "1");
    run(&good, 1);
    version_no second = now(0);
    assert_int_equal(read_version("a"), second);
}

static void the_whole_is_raised_by_every_write_and_raises_everything(void **state)
{
    (void)state;
    put("a", "1");
    assert_int_equal(read_version("all"), version_of(1, 0));
    put("b", "1");
    assert_int_equal(read_version("all"), version_of(3, 0));
    assert_int_equal(read_version("a"), version_of(1, 0));
    put("all", "1"); /* slot 6 */
    assert_int_equal(read_version("a"), version_of(6, 0));
    assert_int_equal(read_version("nobody wrote this"), version_of(6, 0));
    put("a", "2"); /* slot 9 */
    assert_int_equal(read_version("a"), version_of(9, 0));
    assert_int_equal(read_version("b"), version_of(6, 0));
}

static void what_is_volatile_has_no_version(void **state)
{
    (void)state;
    struct slice ops[] = {op_get("now"), op_get("a")};
    run(ops, 2);
    struct opened_reply opened = reply_of(0);
    assert_int_equal(opened.op[0].form & RESULT_VERSION, 0);
    assert_int_equal(opened.op[1].form & RESULT_VERSION, RESULT_VERSION);
}

/* And replies are, byte for byte, what they were. */
static void who_does_not_ask_is_told_no_versions(void **state)
{
    (void)state;
    c->bundle_flags = 0;
    put("a", "1");
    struct slice op = op_get("a");
    run(&op, 1);
    struct opened_reply opened = reply_of(0);
    assert_int_equal(opened.op[0].form, RESULT_FULL);
    const struct sent *sent = cluster_last(c, E, 0, FRAME_REPLY);
    assert_int_equal(sent->frame.attachment.len, 6 + 1 + AEAD_TAG_BYTES);
}

static void digests_of_long_results_have_versions_too(void **state)
{
    (void)state;
    char value[200];
    memset(value, 'x', sizeof value);
    value[199] = 0;
    put("a", value);
    struct slice op = op_get("a");
    cluster_forget(c);
    run(&op, 1);
    unsigned full = 0;
    for (replica_id r = 0; r < 4; r++) {
        struct opened_reply opened = reply_of(r);
        full += !(opened.op[0].form & RESULT_DIGEST);
        assert_int_equal(opened.op[0].form & RESULT_VERSION, RESULT_VERSION);
        assert_int_equal(opened.op[0].version, version_of(1, 0));
    }
    assert_int_equal(full, 1);
}

/* One that may only read changes nothing, whatever it asks for. */
static void a_reader_raises_nothing(void **state)
{
    (void)state;
    put("a", "1");
    struct slice op = op_put("a", "2");
    struct test_bundle *b = cluster_bundle(c, ORIGIN_READER, 1, &op, 1, FORM_MACS);
    cluster_order(c, &b, 1);
    assert_int_equal(read_version("a"), version_of(1, 0));
}

/* --- part of the state ----------------------------------------------------------------------------------------------------- */

static void versions_are_part_of_the_root(void **state)
{
    (void)state;
    put("a", "1");
    cluster_e(c, 3)->versions.cell[version_cell("z", 1)] ^= 1; /* its memory is not what it was */
    cluster_e(c, 3)->versions.dirty[version_cell("z", 1) / VERSION_LEAF_CELLS / 64] |=
        1ull << version_cell("z", 1) / VERSION_LEAF_CELLS % 64;
    cluster_fill(c, K);
    cluster_run(c);
    assert_true(digest_equal(&cluster_e(c, 0)->root, &cluster_e(c, 1)->root));
    assert_false(digest_equal(&cluster_e(c, 0)->root, &cluster_e(c, 3)->root));
}

static bool cut(const struct cluster *cluster, const struct sent *sent, enum kind to, replica_id replica)
{
    (void)sent, (void)to;
    return replica == cluster->cut;
}

static void whoever_comes_by_state_transfer_has_them(void **state)
{
    (void)state;
    c->drop = cut;
    c->cut = 3;
    put("a", "1");
    put("all", "1");
    put("b", "1");
    cluster_fill(c, 2 * K);
    c->drop = NULL;
    struct execution *e3 = cluster_e(c, 3);
    struct digest root = cluster_e(c, 0)->stable.certificate.root;
    assert_int_equal(e3->executed, 0);
    for (replica_id r = 0; r < 3; r++)
        assert_verdict(cluster_give(c, E, 3, forge_checkpoint(c, r, 2 * K, &root)), ACCEPT);
    assert_verdict(cluster_catch_up(c, 3, 1, true), ACCEPT);
    cluster_run(c);
    assert_int_equal(e3->executed, 2 * K);
    assert_true(e3->fetch.transfers > 0);
    assert_int_equal(e3->versions.broad, version_of(2, 0));
    assert_int_equal(e3->versions.whole, version_of(3, 0));
    assert_int_equal(e3->versions.cell[version_cell("a", 1)], version_of(1, 0));
    assert_int_equal(e3->versions.cell[version_cell("b", 1)], version_of(3, 0));
}

/* --- attestations ------------------------------------------------------------------------------------------------------------ */

static void what_was_executed_is_attested(void **state)
{
    (void)state;
    put("a", "1");
    for (replica_id r = 0; r < 4; r++) {
        assert_verdict(ask(r, "a"), ACCEPT);
        assert_int_equal(attested(r, 0), version_of(1, 0));
        assert_verdict(ask(r, "b"), ACCEPT);
        assert_int_equal(attested(r, 0), 0);
        assert_verdict(ask(r, NULL), ACCEPT);
        assert_int_equal(attested(r, 0), version_of(1, 0));
    }
    put("a", "2");
    assert_verdict(ask(1, "a"), ACCEPT);
    assert_int_equal(attested(1, 0), version_of(2, 0));
}

/* Questions travel together; of several cells the highest counts. */
static void many_questions_are_answered_in_their_order(void **state)
{
    (void)state;
    uint8_t bytes[256];
    struct writer w = writer_to(bytes, sizeof bytes);
    uint32_t ab[] = {version_cell("a", 1), version_cell("b", 1)};
    put("b", "1");
    put("a", "1");
    question_put(&w, &ab[1], 1);
    question_put(&w, ab, 2);
    question_put(&w, ab, 0);
    assert_verdict(cluster_give(c, E, 2, ask_frame(0, 2, (struct slice){bytes, w.len})), ACCEPT);
    assert_int_equal(attested(2, 0), version_of(1, 0));
    assert_int_equal(attested(2, 1), version_of(2, 0));
    assert_int_equal(attested(2, 2), 0);
}

static void nobody_without_a_session_is_told(void **state)
{
    (void)state;
    assert_verdict(ask(1, "a"), STALE);
    put("a", "1");
    assert_verdict(ask(1, "a"), ACCEPT);
    assert_verdict(cluster_give(c, E, 1, ask_frame(3, 1, question_of("a"))), STALE);
    struct slice old = ask_frame(0, 1, question_of("a"));
    cluster_origin_renew(c, 0, c->origin[0].auth.self.epoch + 1);
    numbers[0] = 0;
    put("a", "2");
    assert_verdict(cluster_give(c, E, 1, old), STALE); /* of the session before */
    assert_verdict(ask(1, "a"), ACCEPT);
}

static void every_byte_of_a_question_is_authenticated(void **state)
{
    (void)state;
    put("a", "1");
    struct slice frame = ask_frame(0, 1, question_of("a"));
    for (size_t i = 0; i < frame.len; i++) {
        uint8_t *changed = malloc(frame.len);
        memcpy(changed, frame.data, frame.len);
        changed[i] ^= 1;
        cluster_forget(c);
        assert_refused(cluster_give(c, E, 1, (struct slice){changed, frame.len}), i);
        assert_int_equal(cluster_count(c, E, 1, FRAME_ATTEST), 0);
        free(changed);
    }
    for (size_t len = 0; len < frame.len; len++)
        assert_refused(cluster_give(c, E, 1, (struct slice){frame.data, len}), len);
    assert_verdict(cluster_give(c, E, 2, frame), UNEXPECTED); /* for another */
    assert_verdict(cluster_give(c, E, 1, frame), ACCEPT);
}

/* An answer is not taken for a question, nor one E's for another's; and one to a question that comes twice is another one. */
static void every_byte_of_an_answer_is_authenticated(void **state)
{
    (void)state;
    struct attest attest, again;
    struct slice versions;
    uint8_t room[64];
    put("a", "1");
    struct slice question = ask_frame(0, 1, question_of("a"));
    assert_verdict(cluster_give(c, E, 1, question), ACCEPT);
    const struct sent *sent = cluster_last(c, E, 1, FRAME_ATTEST);
    assert_false(answer_open(&sent->frame, 2, &attest, room, &versions));
    assert_true(answer_open(&sent->frame, 1, &attest, room, &versions));
    struct slice whole = cluster_copy(c, sent->data, sent->len);
    for (size_t i = 0; i < whole.len; i++) {
        struct frame frame;
        struct attest m;
        uint8_t *changed = malloc(whole.len);
        memcpy(changed, whole.data, whole.len);
        changed[i] ^= 1;
        bool good = frame_decode(changed, whole.len, &frame) && frame.type == FRAME_ATTEST &&
                    answer_open(&frame, 1, &m, room, &versions);
        free(changed);
        assert_false(good);
    }
    assert_verdict(cluster_give(c, E, 1, question), ACCEPT);
    assert_true(answer_open(&cluster_last(c, E, 1, FRAME_ATTEST)->frame, 1, &again, room, &versions));
    assert_int_not_equal(attest.counter, again.counter);
}

/* Which cells are asked about, and how they are, is in no frame that a host sees. */
static void hosts_do_not_see_what_is_read(void **state)
{
    (void)state;
    put("a", "1");
    struct slice question = question_of("a"), frame = ask_frame(0, 1, question);
    version_no version = now(0);
    assert_verdict(cluster_give(c, E, 1, frame), ACCEPT);
    const struct sent *sent = cluster_last(c, E, 1, FRAME_ATTEST);
    assert_null(memmem(frame.data, frame.len, question.data + 1, 4));
    assert_null(memmem(sent->data, sent->len, &version, sizeof version));
}

static void malformed_questions_are_refused(void **state)
{
    (void)state;
    uint8_t bytes[8 * QUESTIONS_MAX];
    struct writer w = writer_to(bytes, sizeof bytes);
    put("a", "1");
    assert_verdict(cluster_give(c, E, 1, ask_frame(0, 1, SLICE_NONE)), MALFORMED);
    uint32_t beyond = VERSION_WHOLE + 1;
    question_put(&w, &beyond, 1);
    assert_verdict(cluster_give(c, E, 1, ask_frame(0, 1, (struct slice){bytes, w.len})), MALFORMED);
    bytes[0] = REDOUBT_KEYS_MAX + 1;
    assert_verdict(cluster_give(c, E, 1, ask_frame(0, 1, (struct slice){bytes, w.len})), MALFORMED);
    memset(bytes, 0, sizeof bytes);
    assert_verdict(cluster_give(c, E, 1, ask_frame(0, 1, (struct slice){bytes, QUESTIONS_MAX})), ACCEPT);
    assert_verdict(cluster_give(c, E, 1, ask_frame(0, 1, (struct slice){bytes, QUESTIONS_MAX + 1})), LIMIT);
}

static void no_more_than_what_counts_is_attested(void **state)
{
    (void)state;
    put("a", "1");
    struct execution *e = cluster_e(c, 1);
    e->state_bad = true; /* as while state is fetched */
    assert_verdict(ask(1, "a"), EARLY);
    e->state_bad = false;
    struct certificate kept = e->stable.certificate;
    e->stable.certificate.slot = K; /* it knows of a checkpoint that it has not come to */
    assert_verdict(ask(1, "a"), EARLY);
    e->stable.certificate = kept;
    assert_verdict(ask(1, "a"), ACCEPT);
}

/* Its host keeps from E 1 what is ordered, and lets it hear how far the others are. */
static bool is_commit_for_1(const struct cluster *cluster, const struct sent *sent, enum kind to,
                            replica_id replica)
{
    (void)cluster;
    return to == E && replica == 1 && sent->frame.type == FRAME_COMMIT;
}

/* The incarnation before it may have replied to all that lies below that checkpoint. */
static void who_knows_of_a_checkpoint_and_has_not_come_to_it_attests_nothing(void **state)
{
    (void)state;
    struct execution *e = cluster_e(c, 1);
    put("a", "1");
    c->drop = is_commit_for_1;
    put("a", "2");
    assert_verdict(ask(1, "a"), ACCEPT); /* the twin: it lags, but knows of no checkpoint behind it */
    assert_int_equal(attested(1, 0), version_of(1, 0));
    cluster_fill(c, K);
    cluster_run(c);
    assert_int_equal(exec_stable_slot(e), K);
    assert_int_equal(e->executed, 1);
    assert_false(state_unusable(e));
    assert_verdict(ask(1, "a"), EARLY);
    c->drop = NULL;
    assert_verdict(cluster_catch_up(c, 1, 2, true), ACCEPT);
    cluster_run(c);
    assert_int_equal(e->executed, K);
    assert_verdict(ask(1, "a"), ACCEPT);
    assert_int_equal(attested(1, 0), version_of(2, 0));
}

static bool is_checkpoint(const struct cluster *cluster, const struct sent *sent, enum kind to,
                          replica_id replica)
{
    (void)cluster, (void)to, (void)replica;
    return sent->frame.type == FRAME_CHECKPOINT;
}

/* As if a RECONFIG had been executed in slot K. */
static configuration_no number_attested(replica_id r)
{
    struct execution *e = cluster_e(c, r);
    struct configuration_step *step = &e->configuration.step[(e->configuration.number + 1) % STEPS_KEPT];
    struct configuration_step kept = *step;
    struct attest attest;
    struct slice versions;
    uint8_t room[8 * QUESTIONS_MAX];
    *step = (struct configuration_step){.number = ++e->configuration.number, .slot = K, .activation = 3 * K};
    assert_verdict(ask(r, "a"), ACCEPT);
    *step = kept;
    e->configuration.number--;
    assert_true(answer_open(&cluster_last(c, E, r, FRAME_ATTEST)->frame, r, &attest, room, &versions));
    return attest.configuration;
}

/* Others may have replied by that number already: whoever was replaced by it must not be counted together with this E. */
static void a_checkpoint_that_names_a_number_is_the_end_of_those_below(void **state)
{
    (void)state;
    c->drop = is_checkpoint;
    put("a", "1");
    cluster_fill(c, K - 1);
    cluster_run(c);
    configuration_no before = c->configuration.number;
    assert_int_equal(cluster_e(c, 1)->checkpoint_slot, 0);
    assert_int_equal(number_attested(1), before);
    cluster_fill(c, K);
    cluster_run(c);
    assert_int_equal(cluster_e(c, 1)->checkpoint_slot, K);
    assert_int_equal(exec_stable_slot(cluster_e(c, 1)), 0); /* it has not heard the others */
    assert_int_equal(number_attested(1), before + 1);
}

static void nothing_is_attested_where_reads_are_ordered(void **state)
{
    (void)state;
    put("a", "1");
    assert_verdict(ask(1, "a"), EARLY);
}

/* --- what operations touch --------------------------------------------------------------------------------------------------- */

static void what_was_touched_survives_the_way(void **state)
{
    (void)state;
    uint64_t random = 3;
    for (int i = 0; i < 500; i++) {
        uint8_t bytes[TOUCHED_BYTES_MAX];
        struct touched t = {.known = test_random(&random) % 8 > 0}, back;
        t.writes_all = test_random(&random) % 4 == 0;
        t.all = t.writes_all || test_random(&random) % 4 == 0;
        t.is_volatile = test_random(&random) % 2;
        t.count = t.known ? (uint32_t)(test_random(&random) % (REDOUBT_KEYS_MAX + 1)) : 0;
        for (uint32_t k = 0; k < t.count; k++) {
            t.cell[k] = (uint32_t)(test_random(&random) % VERSION_CELLS);
            t.written |= (test_random(&random) & 1) << k;
        }
        t.writes = t.writes_all || t.written;
        struct writer w = writer_to(bytes, sizeof bytes);
        touched_put(&w, &t);
        assert_false(w.bad);
        struct reader r = reader_of(bytes, w.len);
        assert_true(touched_get(&r, &back) && reader_done(&r));
        assert_true(t.known == back.known && t.all == back.all && t.writes == back.writes &&
                    t.writes_all == back.writes_all && t.is_volatile == back.is_volatile &&
                    t.count == back.count && t.written == back.written);
        assert_memory_equal(t.cell, back.cell, t.count * sizeof *t.cell);
        for (size_t len = 0; len < w.len; len++) {
            struct reader cut_off = reader_of(bytes, len);
            assert_false(touched_get(&cut_off, &back));
        }
    }
}

static void cells_are_spread(void **state)
{
    (void)state;
    static uint16_t hits[VERSION_CELLS];
    uint16_t most = 0;
    char key[16];
    memset(hits, 0, sizeof hits);
    for (unsigned i = 0; i < 4 * VERSION_CELLS; i++) {
        size_t len = (size_t)snprintf(key, sizeof key, "key:%u", i);
        uint16_t n = ++hits[version_cell(key, len)];
        most = n > most ? n : most;
    }
    assert_true(most < 24);
    assert_true(version_cell("", 0) < VERSION_CELLS);
    assert_int_not_equal(version_cell("a", 1), version_cell("a\0", 2));
}

int main(void)
{
    crypto_start();
#define WITH(test, setup_it) cmocka_unit_test_setup_teardown(test, setup_it, teardown)
    const struct CMUnitTest tests[] = {
        WITH(a_read_is_as_old_as_the_last_write_of_its_keys, setup),
        WITH(operations_of_one_bundle_have_places_of_their_own, setup),
        WITH(what_changed_nothing_raises_nothing, setup),
        WITH(the_whole_is_raised_by_every_write_and_raises_everything, setup),
        WITH(what_is_volatile_has_no_version, setup),
        WITH(who_does_not_ask_is_told_no_versions, setup),
        WITH(digests_of_long_results_have_versions_too, setup),
        WITH(a_reader_raises_nothing, setup),
        WITH(versions_are_part_of_the_root, setup),
        WITH(whoever_comes_by_state_transfer_has_them, setup),
        WITH(what_was_executed_is_attested, setup),
        WITH(many_questions_are_answered_in_their_order, setup),
        WITH(nobody_without_a_session_is_told, setup),
        WITH(every_byte_of_a_question_is_authenticated, setup),
        WITH(every_byte_of_an_answer_is_authenticated, setup),
        WITH(hosts_do_not_see_what_is_read, setup),
        WITH(malformed_questions_are_refused, setup),
        WITH(no_more_than_what_counts_is_attested, setup),
        WITH(who_knows_of_a_checkpoint_and_has_not_come_to_it_attests_nothing, setup),
        WITH(a_checkpoint_that_names_a_number_is_the_end_of_those_below, setup),
        WITH(nothing_is_attested_where_reads_are_ordered, setup_reads_ordered),
        cmocka_unit_test(what_was_touched_survives_the_way),
        cmocka_unit_test(cells_are_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
