/*
 * Reads without an order: a client core with its reads around real compartments; what one E answers, how many equal answers it takes in each
 * mode, and why `published` may be stale where `sound` is not.
 */
#include "testing.h"

#include "../../apps/kv/kv_codec.h"
#include "cluster.h"
#include "origin/reads.h"

#ifndef APART
#define APART 0u
#endif

#define E      KIND_EXECUTION
#define SECOND 1000000u
#define LONG   300u /* bytes of a result that travels by digest */

extern const struct redoubt_service redoubt_service_kv;

struct asked {
    struct slice frame;
    replica_id replica;
};

struct told {
    unsigned times;
    struct redoubt_outcome outcome;
    uint8_t result[LONG];
};

static struct {
    struct cluster *c;
    struct redoubt_service service;
    struct client_core core;
    struct client_reads reads;
    struct slice bundle[64]; /* not ordered yet */
    unsigned bundles;
    struct asked asked[64]; /* not answered yet */
    unsigned askeds;
    struct told told[64];
    unsigned submitted;
    uint64_t now;
    size_t seen; /* frames of the cluster that came back */
    size_t memory;
    uint64_t writer_no;
} t;

/* --- around the core ------------------------------------------------------------------------------------------------------ */

static void *take(void *context, size_t bytes)
{
    (void)context;
    t.memory += bytes;
    return malloc(bytes);
}

static void give_back(void *context, void *memory, size_t bytes)
{
    (void)context;
    t.memory -= bytes;
    free(memory);
}

static void on_send(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    static uint8_t bytes[FRAME_MAX];
    struct frame frame;
    size_t len = 0;
    (void)context;
    for (unsigned i = 0; i < count; len += parts[i++].len)
        memcpy(bytes + len, parts[i].data, parts[i].len);
    assert_true(frame_decode(bytes, len, &frame));
    assert_true(t.bundles < 64 && t.askeds < 64);
    if (frame.type == FRAME_BUNDLE)
        t.bundle[t.bundles++] = cluster_copy(t.c, bytes, len);
    else if (frame.type == FRAME_ASK_READ)
        t.asked[t.askeds++] = (struct asked){cluster_copy(t.c, bytes, len), replica};
}

static void on_done(void *context, const struct redoubt_outcome *outcome)
{
    struct told *told = context;
    told->times++;
    told->outcome = *outcome;
    if (outcome->result_bytes)
        memcpy(told->result, outcome->result, outcome->result_bytes < LONG ? outcome->result_bytes : LONG);
}

/* What is read of the key "now" depends on time. */
static enum redoubt_status timed_read(const void *state, const struct redoubt_op *op,
                                      struct redoubt_result *result)
{
    enum redoubt_status status = redoubt_service_kv.read(state, op, result);
    result->is_volatile = memmem(op->data, op->bytes, "now", 3) != NULL;
    return status;
}

static void open_mode(enum redoubt_read_mode mode, origin_id origin, bool reads_ordered)
{
    memset(&t, 0, sizeof t);
    t.service = redoubt_service_kv;
    t.service.read = timed_read;
    t.c = cluster_new(&(struct cluster_options){.apart = APART,
                                                .service = &t.service,
                                                .service_options = "memory_mb=8",
                                                .reads_ordered = reads_ordered});
    t.now = 50 * SECOND;
    struct client_core_config config = {.configuration = &t.c->configuration,
                                        .origin = origin,
                                        .epoch = 7,
                                        .sign = &t.c->origin[origin].auth.sign,
                                        .box = &t.c->origin[origin].auth.box,
                                        .memory = {NULL, take, give_back},
                                        .wire = {NULL, on_send}};
    client_core_options_init(&config.options);
    assert_true(client_core_init(&t.core, &config));
    client_reads_init(&t.reads, &t.core, mode);
}

static int setup(void **state)
{
    (void)state;
    open_mode(REDOUBT_READ_SOUND, 0, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    client_reads_close(&t.reads, t.now);
    client_reads_deinit(&t.reads);
    client_core_deinit(&t.core);
    assert_int_equal(t.memory, 0);
    for (unsigned i = 0; i < t.submitted; i++)
        assert_int_equal(t.told[i].times, 1);
    cluster_free(t.c);
    return 0;
}

static void flush(void)
{
    client_reads_flush(&t.reads, t.now);
    client_reads_validate(&t.reads);
}

static enum verdict give(replica_id from, struct slice frame)
{
    enum verdict verdict = client_reads_on_frame(&t.reads, from, frame.data, frame.len, t.now);
    client_reads_validate(&t.reads);
    return verdict;
}

static void bring_back(void)
{
    for (; t.seen < t.c->sent_count; t.seen++) {
        const struct sent *sent = &t.c->sent[t.seen];
        if (sent->frame.type == FRAME_REPLY || sent->frame.type == FRAME_READ_ANSWER)
            (void)give(sent->replica, cluster_copy(t.c, sent->data, sent->len));
    }
}

static void order(void)
{
    unsigned count = t.bundles;
    t.bundles = 0;
    for (unsigned i = 0; i < count; i++) {
        struct test_bundle *b = cluster_bundle_of(t.c, t.bundle[i]);
        cluster_order(t.c, &b, 1);
    }
    bring_back();
}

/* What these replicas were asked, they answer; others say nothing. */
static void answer(uint32_t replicas)
{
    unsigned count = t.askeds;
    t.askeds = 0;
    for (unsigned i = 0; i < count; i++)
        if (replicas >> t.asked[i].replica & 1)
            (void)cluster_give(t.c, E, t.asked[i].replica, t.asked[i].frame);
    bring_back();
}

static void pass(uint64_t us)
{
    t.now += us;
    client_reads_on_timer(&t.reads, t.now);
    flush();
}

/* Until nothing is under way that anybody answers. */
static void settle(void)
{
    for (unsigned i = 0; i < 50; i++) {
        flush();
        if (!t.bundles && !t.askeds)
            return;
        t.now += 1000;
        order();
        answer(UINT32_MAX);
    }
    fail();
}

static struct slice op_get(const char *key)
{
    static uint8_t bytes[100];
    return (struct slice){bytes, kv_get_encode(bytes, sizeof bytes, key, strlen(key))};
}

static struct slice op_put(const char *key, const char *value, size_t len)
{
    static uint8_t bytes[1000];
    return (struct slice){bytes, kv_put_encode(bytes, sizeof bytes, key, strlen(key), value, len)};
}

static struct told *submit(struct slice op, bool reads)
{
    struct told *told = &t.told[t.submitted++];
    assert_true(t.submitted <= 64);
    assert_int_equal(
        (reads ? client_reads_submit(&t.reads, op.data, op.len, t.now + 5 * SECOND, on_done, told, t.now)
               : client_core_submit(&t.core, op.data, op.len, t.now + 5 * SECOND, on_done, told, t.now)),
        0);
    return told;
}

static void put(const char *key, const char *value)
{
    struct told *told = submit(op_put(key, value, strlen(value)), false);
    settle();
    assert_int_equal(told->outcome.kind, REDOUBT_COMMITTED);
}

static struct told *get(const char *key)
{
    struct told *told = submit(op_get(key), true);
    flush();
    return told;
}

static void is_told(const struct told *told, const char *value)
{
    assert_int_equal(told->times, 1);
    assert_int_equal(told->outcome.kind, REDOUBT_COMMITTED);
    assert_int_equal(told->outcome.result_bytes, strlen(value));
    assert_memory_equal(told->result, value, strlen(value));
}

/* --- answers that are made by hand ------------------------------------------------------------------------------------------ */

struct forged {
    struct read_answer answer;
    replica_id from;
    uint8_t plain[1024];
    size_t len;
};

static uint64_t forged_counter = 1000000;

/* As the E of this replica would say it, had it anything to say. */
static struct forged forge_begin(replica_id from)
{
    const struct read_round *round = NULL;
    struct forged f = {.from = from};
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++)
        round = t.reads.round[i].used ? &t.reads.round[i] : round;
    assert_non_null(round);
    f.answer = (struct read_answer){.origin = 0,
                                    .epoch = 7,
                                    .nonce = round->nonce,
                                    .configuration = t.core.configuration->number,
                                    .counter = ++forged_counter,
                                    .question = round->question};
    return f;
}

static void forge_add(struct forged *f, unsigned status, const void *data, size_t len, version_no version)
{
    struct writer w = writer_to(f->plain + f->len, sizeof f->plain - f->len);
    put_u8(&w, (uint8_t)status);
    put_u8(&w, status == RESULT_RETRY ? RESULT_FULL : RESULT_FULL | RESULT_VERSION);
    put_slice(&w, (struct slice){data, len});
    if (status != RESULT_RETRY)
        put_u64(&w, version);
    assert_false(w.bad);
    f->len += w.len;
}

static struct slice forge_end(const struct forged *f)
{
    uint8_t bytes[2048];
    struct slice body = cluster_body(t.c, read_answer, &f->answer);
    size_t len = auth_encode_sealed(bytes, sizeof bytes, FRAME_READ_ANSWER,
                                    &cluster_auth(t.c, E, f->from)->self, &t.core.read_key[f->from],
                                    f->answer.counter, body, (struct slice){f->plain, f->len});
    assert_true(len > 0);
    return cluster_copy(t.c, bytes, len);
}

/* The version that correct replicas name for "a" now. */
static version_no version_at(replica_id r)
{
    uint32_t cell = version_cell("a", 1);
    return versions_highest(&cluster_e(t.c, r)->versions, &cell, 1);
}

static enum verdict say(replica_id from, const char *value, version_no version)
{
    struct forged f = forge_begin(from);
    forge_add(&f, REDOUBT_OK, value, strlen(value), version);
    return give(from, forge_end(&f));
}

/* --- what is answered -------------------------------------------------------------------------------------------------------- */

static void a_read_needs_no_order_once_there_is_a_session(void **state)
{
    (void)state;
    struct told *first = get("a"); /* no E knows the session */
    assert_int_equal(t.askeds, 0);
    assert_int_equal(t.bundles, 1);
    settle();
    assert_int_equal(first->outcome.status, REDOUBT_NOT_FOUND);
    put("a", "1");
    slot_no executed = cluster_e(t.c, 0)->executed;
    struct told *told = get("a");
    assert_int_equal(t.askeds, 4);
    assert_int_equal(t.bundles, 0);
    t.now += 300;
    answer(0x3);
    assert_int_equal(told->times, 0); /* two of four */
    assert_int_equal(t.reads.rounds, 1);
    told = get("b");
    answer(UINT32_MAX);
    assert_int_equal(told->outcome.status, REDOUBT_NOT_FOUND);
    assert_int_equal(told->outcome.slot, 0);
    pass(2 * SECOND); /* those that were asked only once */
    settle();
    is_told(&t.told[2], "1");
    assert_int_equal(cluster_e(t.c, 0)->executed, executed + 1);
    assert_int_equal(t.reads.counters.unordered, 1);
    assert_int_equal(t.reads.counters.ordered, 2);
}

static void many_reads_travel_together(void **state)
{
    (void)state;
    put("a", "1");
    struct told *of[10];
    for (unsigned i = 0; i < 10; i++)
        of[i] = submit(op_get(i % 2 ? "a" : "b"), true);
    flush();
    assert_int_equal(t.askeds, 4);
    answer(0x7);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(of[i]->outcome.status, i % 2 ? REDOUBT_OK : REDOUBT_NOT_FOUND);
    assert_int_equal(t.reads.counters.rounds, 1);
    assert_int_equal(t.reads.rounds, 0);
}

static void what_would_write_or_depends_on_time_is_ordered(void **state)
{
    (void)state;
    put("a", "1");
    struct told *wrote = submit(op_put("a", "2", 1), true), *timed = submit(op_get("now"), true);
    flush();
    assert_int_equal(t.askeds, 4);
    answer(0x7); /* the fourth could make no quorum */
    assert_int_equal(wrote->times + timed->times, 0);
    flush();
    assert_int_equal(t.bundles, 1);
    settle();
    assert_int_equal(wrote->outcome.kind, REDOUBT_COMMITTED);
    assert_true(wrote->outcome.slot > 0 && timed->outcome.slot > 0);
    struct told *told = get("a");
    answer(0x7);
    is_told(told, "2");
}

static void a_long_result_comes_from_one(void **state)
{
    (void)state;
    static char value[LONG];
    memset(value, 'x', sizeof value);
    struct told *wrote = submit(op_put("a", value, LONG), false);
    settle();
    assert_int_equal(wrote->outcome.kind, REDOUBT_COMMITTED);
    for (unsigned i = 0; i < 8; i++) {
        struct told *told = get("a");
        replica_id full = t.reads.round[0].full;
        assert_int_equal(full, t.reads.nonce % 4); /* another one each time */
        if (i < 7) {
            answer(UINT32_MAX);
            assert_int_equal(told->outcome.result_bytes, LONG);
            assert_memory_equal(told->result, value, LONG);
            continue;
        }
        answer(~(1u << full)); /* a quorum of digests, and nobody to say of what */
        assert_int_equal(told->times, 0);
        pass(2 * SECOND);
        settle();
        assert_int_equal(told->outcome.result_bytes, LONG);
        assert_true(told->outcome.slot > 0);
        assert_true(t.reads.late >> full & 1);
    }
}

/* --- how many ---------------------------------------------------------------------------------------------------------------- */

static void the_quorum_is_that_of_protocol_and_mode(void **state)
{
    (void)state;
    struct configuration *c = malloc(sizeof *c);
    *c = t.c->configuration;
    assert_int_equal(client_read_quorum(c, REDOUBT_READ_ORDERED), 0);
    assert_int_equal(client_read_quorum(c, REDOUBT_READ_SOUND), 3);
    assert_int_equal(client_read_quorum(c, REDOUBT_READ_PUBLISHED), 2);
    c->read_quorum = 0; /* a write is complete with f+1 */
    assert_int_equal(client_read_quorum(c, REDOUBT_READ_SOUND), 0);
    c->protocol = PROTOCOL_HYBSTER;
    c->replicas = 3;
    assert_int_equal(client_read_quorum(c, REDOUBT_READ_SOUND), 3);
    assert_int_equal(client_read_quorum(c, REDOUBT_READ_PUBLISHED), 2);
    c->replicas = 4;
    assert_int_equal(client_read_quorum(c, REDOUBT_READ_SOUND), 4);
    free(c);
}

static void answers_that_differ_are_ordered_at_once(void **state)
{
    (void)state;
    put("a", "1");
    version_no version = version_at(0);
    static const struct {
        const char *value;
        uint64_t add;
        bool equal;
    } second[] = {{"1", 0, true}, {"2", 0, false}, {"1", 1, false}};
    for (unsigned i = 0; i < 3; i++) {
        struct told *told = get("a");
        assert_int_equal(say(0, "1", version), VERDICT_ACCEPT);
        assert_int_equal(say(1, second[i].value, version + second[i].add), VERDICT_ACCEPT);
        assert_int_equal(told->times, 0);
        assert_int_equal(say(2, "1", version), VERDICT_ACCEPT);
        assert_int_equal(told->times, second[i].equal ? 1 : 0);
        if (!second[i].equal)
            assert_int_equal(say(3, "3", version), VERDICT_ACCEPT);
        t.askeds = 0;
        flush();
        assert_int_equal(t.bundles, second[i].equal ? 0 : 1);
        settle();
        is_told(told, "1");
        assert_int_equal(t.reads.pause_us, 0);
    }
}

static void each_replica_counts_once_and_for_itself(void **state)
{
    (void)state;
    put("a", "1");
    version_no version = version_at(0);
    struct told *told = get("a");
    assert_int_equal(say(0, "lie", version), VERDICT_ACCEPT);
    assert_int_equal(say(0, "lie", version), VERDICT_DUPLICATE);
    assert_int_equal(say(0, "lie", version), VERDICT_DUPLICATE);
    struct forged f = forge_begin(0);
    forge_add(&f, REDOUBT_OK, "lie", 3, version);
    struct slice good = forge_end(&f);
    for (size_t at = 0; at < good.len; at++) { /* tampered twins: of another sender, question, content */
        uint8_t *bad = malloc(good.len);
        memcpy(bad, good.data, good.len);
        bad[at] ^= 1;
        (void)give(1, (struct slice){bad, good.len});
        free(bad);
        assert_int_equal(told->times, 0);
        assert_int_equal(t.reads.round[0].answered, 1);
    }
    answer(0xe);
    is_told(told, "1");
}

static void an_answer_is_to_its_question_alone(void **state)
{
    (void)state;
    put("a", "1");
    version_no version = version_at(0);
    struct told *told = get("a");
    struct forged f = forge_begin(1);
    forge_add(&f, REDOUBT_OK, "lie", 3, version);
#define WITH(field, value, expected)                                                                         \
    do {                                                                                                     \
        struct forged twin = f;                                                                              \
        twin.answer.field = value;                                                                           \
        twin.answer.counter = ++forged_counter;                                                              \
        assert_int_equal(give(1, forge_end(&twin)), expected);                                               \
    } while (0)
    WITH(origin, 1, VERDICT_STALE);
    WITH(epoch, 6, VERDICT_STALE);
    WITH(nonce, f.answer.nonce - 1, VERDICT_STALE);
    WITH(nonce, f.answer.nonce + 1, VERDICT_STALE);
    WITH(configuration, f.answer.configuration + 1, VERDICT_EARLY);
    WITH(configuration, f.answer.configuration - 1, VERDICT_STALE);
    struct digest other = f.answer.question;
    other.bytes[5] ^= 1;
    WITH(question, other, VERDICT_MISMATCH);
    struct forged twice = f;
    forge_add(&twice, REDOUBT_OK, "lie", 3, version); /* more results than operations */
    assert_int_equal(t.reads.round[0].answered, 0);
    assert_int_equal(give(1, forge_end(&twice)), VERDICT_MALFORMED);
    assert_int_equal(t.reads.round[0].vote[1].said, READ_SAID_NOTHING);
    /* And an answer to the question before does not do for the next one. */
    answer(0xd);
    is_told(told, "1");
    struct slice old = forge_end(&f);
    (void)get("a");
    assert_int_equal(give(1, old), VERDICT_STALE);
    settle();
}

static void who_says_nothing_is_waited_for_a_while_only(void **state)
{
    (void)state;
    put("a", "1");
    struct told *told = get("a");
    answer(0x3);
    assert_true(client_reads_next_timer(&t.reads) < t.now + SECOND);
    pass(SECOND);
    assert_int_equal(t.bundles, 1);
    settle();
    is_told(told, "1");
    assert_true(told->outcome.latency_us >= SECOND); /* since it was asked for */
    told = get("a");                                 /* for a while nobody is asked */
    assert_int_equal(t.askeds, 0);
    settle();
    is_told(told, "1");
    pass(SECOND);
    told = get("a"); /* then one tries */
    assert_int_equal(t.askeds, 4);
    struct told *other = get("a");
    assert_int_equal(t.askeds, 4);
    assert_int_equal(t.bundles, 1);
    answer(UINT32_MAX);
    is_told(told, "1");
    settle();
    is_told(other, "1");
    told = get("a"), other = get("a"); /* all is well again */
    assert_int_equal(t.askeds, 8);
    settle();
    is_told(told, "1");
    is_told(other, "1");
}

static void another_configuration_orders_what_is_under_way(void **state)
{
    (void)state;
    put("a", "1");
    struct told *told = get("a");
    struct configuration *next = malloc(sizeof *next);
    *next = t.c->configuration;
    next->number++;
    assert_true(client_core_on_configuration(&t.core, next));
    flush();
    assert_int_equal(t.reads.rounds, 0);
    assert_int_equal(t.bundles, 1);
    assert_int_equal(told->times, 0);
    next->number--;
    assert_true(client_core_on_configuration(&t.core, &t.c->configuration));
    free(next);
    settle();
}

static void where_two_replies_complete_a_write_all_reads_are_ordered(void **state)
{
    (void)state;
    teardown(state);
    open_mode(REDOUBT_READ_SOUND, 0, true);
    put("a", "1");
    struct told *told = get("a");
    assert_int_equal(t.askeds, 0);
    settle();
    is_told(told, "1");
    assert_true(told->outcome.slot > 0);
}

/* --- the published rule ------------------------------------------------------------------------------------------------------- */

static bool keep_from_slow(const struct cluster *c, const struct sent *sent, enum kind to, replica_id r)
{
    return to == E && r == c->cut && sent->frame.type == FRAME_COMMIT;
}

/*
 * f = 1. Replica 3 is correct and slow: it has not executed x=1 yet, which 0, 1 and 2 have executed and replied to, so that the write is
 * complete. Replica 2 is faulty: it voted for the write like the others, and answers a read as if it had never seen it. Then 2 and 3 are
 * f+1 that say the same; and the first that answer. The read began after the write was complete.
 */
static struct told *read_from_a_liar_and_a_laggard(enum redoubt_read_mode mode)
{
    void *none = NULL;
    teardown(&none);
    open_mode(mode, 0, false);
    put("a", "0");
    version_no old = version_at(3);
    t.c->drop = keep_from_slow;
    t.c->cut = 3;
    put("a", "1");
    assert_int_equal(version_at(3), old);
    assert_true(version_at(2) > old);
    struct told *told = get("a");
    answer(1u << 3);
    assert_int_equal(say(2, "0", old), VERDICT_ACCEPT);
    return told;
}

static void published_reads_what_is_over(void **state)
{
    (void)state;
    struct told *told = read_from_a_liar_and_a_laggard(REDOUBT_READ_PUBLISHED);
    is_told(told, "0"); /* a correct one and a liar said so: stale */
    /* And it goes back: the same client reads once more, from two correct ones, and once again from those. */
    told = get("a");
    answer(0x3);
    is_told(told, "1");
    told = get("a");
    version_no old = version_at(3);
    answer(1u << 3);
    assert_int_equal(say(2, "0", old), VERDICT_ACCEPT);
    is_told(told, "0");
}

static void sound_does_not_in_the_same_place(void **state)
{
    (void)state;
    struct told *told = read_from_a_liar_and_a_laggard(REDOUBT_READ_SOUND);
    assert_int_equal(told->times, 0); /* two are not enough */
    unsigned rounds = t.reads.rounds;
    assert_int_equal(rounds, 1);
    say(0, "1", version_at(0));
    say(1, "1", version_at(1)); /* nor are these, now that there are no others */
    flush();
    assert_int_equal(t.bundles, 1);
    t.c->drop = NULL;
    settle();
    is_told(told, "1");
    assert_true(told->outcome.slot > 0);
}

/* --- what E refuses ----------------------------------------------------------------------------------------------------------- */

static struct slice ask_frame(replica_id to, uint32_t named, uint8_t full, const struct secret_key *key,
                              epoch_no epoch, struct slice plain)
{
    static uint64_t nonce = 1000;
    uint8_t bytes[2048];
    struct sender self = t.core.auth.self;
    self.epoch = epoch;
    struct slice body =
        cluster_body(t.c, ask_read, &(struct ask_read){.replica = named, .nonce = ++nonce, .full = full});
    (void)to;
    size_t len = auth_encode_sealed(bytes, sizeof bytes, FRAME_ASK_READ, &self, key, nonce, body, plain);
    assert_true(len > 0);
    return cluster_copy(t.c, bytes, len);
}

static void e_answers_its_sessions_and_nobody_else(void **state)
{
    (void)state;
    put("a", "1");
    uint8_t room[128];
    struct writer w = writer_to(room, sizeof room);
    put_slice(&w, op_get("a"));
    struct slice plain = {room, w.len}, cut = {room, w.len - 1}, none = {room, 0};
    const struct secret_key *key = &t.core.read_key[1];
    epoch_no epoch = t.core.auth.self.epoch;
#define GIVES(expected, ...) assert_int_equal(cluster_give(t.c, E, 1, ask_frame(1, __VA_ARGS__)), expected)
    GIVES(VERDICT_ACCEPT, 1, 1, key, epoch, plain);
    GIVES(VERDICT_UNEXPECTED, 2, 1, key, epoch, plain);
    GIVES(VERDICT_MALFORMED, 1, 2, key, epoch, plain);
    GIVES(VERDICT_STALE, 1, 1, key, epoch + 1, plain);
    GIVES(VERDICT_BAD_MAC, 1, 1, &t.core.read_key[2], epoch, plain);
    GIVES(VERDICT_BAD_MAC, 1, 1, &t.core.attest_key[1], epoch, plain); /* a key for each purpose */
    GIVES(VERDICT_MALFORMED, 1, 1, key, epoch, cut);
    GIVES(VERDICT_MALFORMED, 1, 1, key, epoch, none);
    struct execution *e = cluster_e(t.c, 1);
    e->fetch.active = true; /* what is here now nobody certified */
    GIVES(VERDICT_EARLY, 1, 1, key, epoch, plain);
    e->fetch.active = false;
    slot_no executed = e->executed;
    e->stable.certificate.slot = executed + 1; /* others have gone further for sure */
    GIVES(VERDICT_EARLY, 1, 1, key, epoch, plain);
    e->stable.certificate.slot = 0;
    GIVES(VERDICT_ACCEPT, 1, 0, key, epoch, plain);
    assert_int_equal(e->executed, executed);
}

static void who_may_not_read_gets_nothing_without_an_order(void **state)
{
    (void)state;
    static const origin_id origins[] = {ORIGIN_READER, ORIGIN_NOBODY};
    for (unsigned i = 0; i < 2; i++) {
        teardown(state);
        open_mode(REDOUBT_READ_SOUND, origins[i], false);
        struct told *first = get("a");
        settle();
        assert_int_equal(first->outcome.status, i == 0 ? REDOUBT_NOT_FOUND : REDOUBT_DENIED);
        struct told *told = get("a");
        answer(0x7);
        assert_int_equal(told->times, i == 0 ? 1 : 0);
        settle();
        assert_int_equal(told->outcome.status, i == 0 ? REDOUBT_NOT_FOUND : REDOUBT_DENIED);
    }
}

static void what_waits_is_told_when_the_client_closes(void **state)
{
    (void)state;
    put("a", "1");
    for (unsigned i = 0; i < 6; i++)
        (void)get("a");
    assert_int_equal(t.reads.rounds, 4);
    assert_true(t.reads.queue.ops == 2);
    client_reads_close(&t.reads, t.now);
    for (unsigned i = 1; i < 7; i++)
        assert_int_equal(t.told[i].outcome.kind, REDOUBT_REJECTED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_read_needs_no_order_once_there_is_a_session),
        TEST(many_reads_travel_together),
        TEST(what_would_write_or_depends_on_time_is_ordered),
        TEST(a_long_result_comes_from_one),
        TEST(the_quorum_is_that_of_protocol_and_mode),
        TEST(answers_that_differ_are_ordered_at_once),
        TEST(each_replica_counts_once_and_for_itself),
        TEST(an_answer_is_to_its_question_alone),
        TEST(who_says_nothing_is_waited_for_a_while_only),
        TEST(another_configuration_orders_what_is_under_way),
        TEST(where_two_replies_complete_a_write_all_reads_are_ordered),
        TEST(published_reads_what_is_over),
        TEST(sound_does_not_in_the_same_place),
        TEST(e_answers_its_sessions_and_nobody_else),
        TEST(who_may_not_read_gets_nothing_without_an_order),
        TEST(what_waits_is_told_when_the_client_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
