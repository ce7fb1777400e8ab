/*
 * The replicated `access`: an origin with a cache in front of a real cluster of compartments. Orders, fast reads, what makes them fall
 * back, the order of each connection.
 */
#include "testing.h"

#include <errno.h>
#include <sys/mman.h>

#include "../../apps/kv/kv_codec.h"
#include "cluster.h"
#include "troxy/replicated.h"

#define E      KIND_EXECUTION
#define SECOND 1000000u

extern const struct redoubt_service redoubt_service_kv;

struct told {
    uint32_t connection;
    uint64_t ticket;
    enum redoubt_outcome_kind kind;
    unsigned status;
    size_t len;
    uint8_t result[64];
};

struct asked {
    replica_id replica;
    uint8_t data[2048];
    size_t len;
};

static struct {
    struct cluster *c;
    struct arena arena;
    void *memory;
    size_t memory_bytes;
    struct replicated *r;
    struct access access;
    struct told told[512];
    unsigned tolds;
    struct slice bundle[64]; /* not ordered yet */
    unsigned bundles;
    struct asked asked[64]; /* not answered yet */
    unsigned askeds;
    uint64_t all_asked;
    uint64_t now;
    size_t seen; /* frames of the cluster that came back */
    uint64_t writer_no;
    uint32_t silent; /* replicas that attest nothing, a bit each */
} t;

static void on_send(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    (void)context;
    for (unsigned i = 0; i < count; i++) {
        bytes = realloc(bytes, len + parts[i].len + 1);
        memcpy(bytes + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    struct frame frame;
    assert_true(frame_decode(bytes, len, &frame));
    if (frame.type == FRAME_BUNDLE) {
        assert_int_equal(replica, CLIENT_TO_ALL);
        assert_true(t.bundles < 64);
        t.bundle[t.bundles++] = cluster_copy(t.c, bytes, len);
    } else if (frame.type == FRAME_ASK_ATTEST) {
        assert_true(t.askeds < 64 && len <= sizeof t.asked->data && replica < 4);
        t.asked[t.askeds].replica = replica;
        t.asked[t.askeds].len = len;
        memcpy(t.asked[t.askeds++].data, bytes, len);
        t.all_asked++;
    }
    free(bytes);
}

static void on_done(void *context, uint32_t connection, uint64_t ticket,
                    const struct redoubt_outcome *outcome)
{
    (void)context;
    assert_true(t.tolds < 512);
    struct told *told = &t.told[t.tolds++];
    *told = (struct told){connection, ticket, outcome->kind, outcome->status, outcome->result_bytes, {0}};
    if (told->len)
        memcpy(told->result, outcome->result,
               told->len < sizeof told->result ? told->len : sizeof told->result);
}

static void open_with(const struct replicated_options *options, bool reads_ordered)
{
    memset(&t, 0, sizeof t);
    t.c = cluster_new(&(struct cluster_options){
        .service = &redoubt_service_kv, .service_options = "memory_mb=8", .reads_ordered = reads_ordered});
    t.now = 50 * SECOND;
    t.memory_bytes = replicated_arena_bytes(options);
    t.memory = mmap(NULL, t.memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    assert_true(t.memory != MAP_FAILED);
    arena_init(&t.arena, t.memory, t.memory_bytes);
    struct replicated_config config = {.configuration = &t.c->configuration,
                                       .origin = 0,
                                       .epoch = 7,
                                       .sign = &t.c->origin[0].auth.sign,
                                       .box = &t.c->origin[0].auth.box,
                                       .replica = options->attestors ? REPLICAS_MAX : 1,
                                       .service = &redoubt_service_kv,
                                       .wire = {NULL, on_send},
                                       .done = on_done,
                                       .options = *options};
    t.r = replicated_new(&t.arena, &config);
    assert_non_null(t.r);
    t.access = replicated_access(t.r);
    for (replica_id r = 0; r < 4; r++)
        replicated_on_connected(t.r, r, t.now);
}

static struct replicated_options small_options(void)
{
    struct replicated_options o;
    replicated_options_init(&o);
    o.connections_max = 8;
    o.operations_max = 256;
    o.connection_operations_max = 200;
    o.bytes_max = 256 * 1024;
    o.cache_bytes = 64 * 1024;
    o.core.queue_max_bytes = 256 * 1024;
    return o;
}

static int setup(void **state)
{
    struct replicated_options o = small_options();
    (void)state;
    open_with(&o, false);
    return 0;
}

static int setup_prophecy(void **state)
{
    struct replicated_options o = small_options();
    (void)state;
    o.attestors = 1;
    open_with(&o, false);
    return 0;
}

static int setup_reads_ordered(void **state)
{
    struct replicated_options o = small_options();
    (void)state;
    open_with(&o, true);
    return 0;
}

static int setup_off(void **state)
{
    struct replicated_options o = small_options();
    (void)state;
    o.fast_reads = false;
    open_with(&o, false);
    return 0;
}

static int setup_tiny(void **state)
{
    struct replicated_options o = small_options();
    (void)state;
    o.operations_max = 4;
    o.connection_operations_max = 3;
    o.bytes_max = 4 * 256;
    open_with(&o, false);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    replicated_close(t.r, t.now);
    munmap(t.memory, t.memory_bytes);
    cluster_free(t.c);
    return 0;
}

/* --- what happens in between ------------------------------------------------------------------------------------------------ */

static void flush(void)
{
    replicated_flush(t.r, t.now);
    replicated_validate(t.r);
}

/* Frames of E that are for this origin. */
static void bring_back(void)
{
    for (; t.seen < t.c->sent_count; t.seen++) {
        const struct sent *sent = &t.c->sent[t.seen];
        if (sent->frame.type != FRAME_REPLY && sent->frame.type != FRAME_ATTEST)
            continue;
        struct slice copy = cluster_copy(t.c, sent->data, sent->len);
        (void)replicated_on_frame(t.r, sent->replica, copy.data, copy.len, t.now);
        replicated_validate(t.r);
    }
}

/* What was sent is ordered, and the replies come. */
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

static void attest(void)
{
    unsigned count = t.askeds;
    t.askeds = 0;
    for (unsigned i = 0; i < count; i++)
        if (!(t.silent >> t.asked[i].replica & 1))
            (void)cluster_give(t.c, E, t.asked[i].replica, (struct slice){t.asked[i].data, t.asked[i].len});
    bring_back();
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
        attest();
    }
    fail();
}

static struct slice get(const char *key)
{
    static uint8_t bytes[100];
    return (struct slice){bytes, kv_get_encode(bytes, sizeof bytes, key, strlen(key))};
}

static struct slice put(const char *key, const char *value)
{
    static uint8_t bytes[100];
    return (struct slice){bytes, kv_put_encode(bytes, sizeof bytes, key, strlen(key), value, strlen(value))};
}

static void submit(uint32_t connection, uint64_t ticket, struct slice op)
{
    assert_int_equal(t.access.submit(t.access.self, connection, ticket, &op, 1, t.now + 5 * SECOND, t.now),
                     0);
}

/* Another origin writes, and all E execute it. */
static void another_writes(const char *key, const char *value)
{
    struct slice op = put(key, value);
    struct test_bundle *b = cluster_bundle(t.c, 3, ++t.writer_no, &op, 1, FORM_MACS);
    cluster_order(t.c, &b, 1);
    bring_back();
}

static const struct told *last_told(void)
{
    assert_true(t.tolds > 0);
    return &t.told[t.tolds - 1];
}

static void is_told(unsigned index, uint64_t ticket, const char *value)
{
    assert_true(index < t.tolds);
    assert_int_equal(t.told[index].ticket, ticket);
    assert_int_equal(t.told[index].kind, REDOUBT_COMMITTED);
    if (value) {
        assert_int_equal(t.told[index].len, strlen(value));
        assert_memory_equal(t.told[index].result, value, strlen(value));
    }
}

static struct replicated_counters counters(void)
{
    struct replicated_counters counters;
    replicated_counters(t.r, &counters);
    return counters;
}

/* "a" is "1", and known. */
static void know_a(void)
{
    submit(0, 1000, put("a", "1"));
    submit(0, 1001, get("a"));
    settle();
    is_told(0, 1000, NULL);
    is_told(1, 1001, "1");
    assert_int_equal(counters().inserted, 1);
    t.tolds = 0;
}

/* --- fast reads ---------------------------------------------------------------------------------------------------------------- */

static void a_read_that_is_known_is_asked_about(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, get("a"));
    assert_int_equal(t.tolds, 0); /* never within submit */
    flush();
    assert_int_equal(t.bundles, 0);
    assert_int_equal(t.askeds, 3); /* the read quorum, the local one among them */
    unsigned local = 0;
    for (unsigned i = 0; i < 3; i++)
        local += t.asked[i].replica == 1;
    assert_int_equal(local, 1);
    attest();
    is_told(0, 1, "1");
    assert_int_equal(counters().fast, 1);
    assert_int_equal(counters().conflicts, 0);
}

static void a_read_that_is_not_known_is_ordered(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, get("b"));
    flush();
    assert_int_equal(t.bundles, 1);
    assert_int_equal(t.askeds, 0);
    settle();
    assert_int_equal(last_told()->status, REDOUBT_NOT_FOUND);
    submit(1, 2, get("b")); /* that there is none is known too */
    settle();
    assert_int_equal(last_told()->status, REDOUBT_NOT_FOUND);
    assert_int_equal(counters().fast, 1);
}

static void what_was_written_meanwhile_is_read(void **state)
{
    (void)state;
    know_a();
    another_writes("a", "2");
    submit(1, 1, get("a"));
    settle();
    is_told(0, 1, "2");
    assert_int_equal(counters().fast, 0);
    assert_int_equal(counters().conflicts, 1);
    submit(1, 2, get("a")); /* it is known anew */
    settle();
    is_told(1, 2, "2");
    assert_int_equal(counters().fast, 1);
}

/* Nobody has to be asked about what was written here: once, since what is read then is of after it. */
static void what_was_written_here_is_ordered_at_once(void **state)
{
    (void)state;
    know_a();
    submit(2, 0, put("a", "2"));
    settle();
    submit(1, 1, get("a"));
    flush();
    assert_int_equal(t.bundles, 1);
    assert_int_equal(t.askeds, 0);
    settle();
    is_told(1, 1, "2");
    submit(1, 2, get("a"));
    settle();
    is_told(2, 2, "2");
    assert_int_equal(counters().fast, 1);
    assert_int_equal(counters().conflicts, 0);
}

/* What had no effect makes nothing old. */
static void what_was_refused_wrote_nothing(void **state)
{
    static uint8_t bytes[100];
    (void)state;
    know_a();
    const struct kv_maybe other = {.present = true, .bytes = {(const uint8_t *)"9", 1}},
                          wanted = {.present = true, .bytes = {(const uint8_t *)"2", 1}};
    submit(2, 0, (struct slice){bytes, kv_cas_encode(bytes, sizeof bytes, "a", 1, other, wanted)});
    settle();
    assert_int_equal(last_told()->status, REDOUBT_CONFLICT);
    submit(1, 1, get("a"));
    settle();
    is_told(1, 1, "1");
    assert_int_equal(counters().fast, 1);
}

static void fewer_than_the_quorum_are_not_enough(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, get("a"));
    flush();
    t.silent = 1u << t.asked[0].replica;
    attest();
    assert_int_equal(t.tolds, 0);
    assert_true(replicated_next_timer(t.r) < t.now + SECOND);
    t.now = replicated_next_timer(t.r);
    replicated_on_timer(t.r, t.now);
    assert_int_equal(counters().timeouts, 1);
    settle();
    is_told(0, 1, "1");
    assert_int_equal(counters().fast, 0);
    /* Who is silent is not asked for a while. */
    submit(1, 2, get("a"));
    settle();
    assert_int_equal(counters().fast, 1);
}

/* As E with these keys would say it. */
/* --- Prophecy: one replica's word ------------------------------------------------------------------------------------------------- */

static void one_replica_is_enough_for_prophecy(void **state)
{
    (void)state;
    uint32_t drawn = 0;
    know_a();
    for (unsigned i = 0; i < 100; i++) {
        submit(1, i, get("a"));
        flush();
        assert_int_equal(t.bundles, 0);
        assert_int_equal(t.askeds, 1);
        drawn |= 1u << t.asked[0].replica;
        attest();
        is_told(i, i, "1");
    }
    assert_int_equal(drawn, 15); /* by lot: each of them */
    assert_int_equal(counters().fast, 100);
    another_writes("a", "2"); /* and what it says is compared */
    submit(1, 100, get("a"));
    settle();
    is_told(100, 100, "2");
    assert_int_equal(counters().fast, 100);
    assert_int_equal(counters().conflicts, 1);
}

static void prophecy_leaves_out_who_does_not_answer_for_a_while(void **state)
{
    (void)state;
    uint32_t drawn = 0;
    unsigned ticket = 0;
    know_a();
    t.silent = 1u << 2;
    for (; counters().timeouts == 0; ticket++) {
        assert_true(ticket < 200);
        submit(1, ticket, get("a"));
        flush();
        bool silent = t.asked[0].replica == 2;
        attest();
        if (silent) {
            t.now = replicated_next_timer(t.r);
            replicated_on_timer(t.r, t.now);
        }
        settle();
        is_told(ticket, ticket, "1"); /* by ordering it, then */
    }
    uint64_t until = t.now + SECOND;
    for (unsigned i = 0; i < 40; i++, ticket++) { /* it is not asked */
        submit(1, ticket, get("a"));
        flush();
        assert_int_equal(t.askeds, 1);
        assert_int_not_equal(t.asked[0].replica, 2);
        attest();
        is_told(ticket, ticket, "1");
    }
    t.silent = 0;
    t.now = until;
    for (unsigned i = 0; i < 100; i++, ticket++) { /* and then it is */
        submit(1, ticket, get("a"));
        flush();
        drawn |= t.askeds ? 1u << t.asked[0].replica : 0;
        settle();
        is_told(ticket, ticket, "1");
    }
    assert_true(drawn >> 2 & 1);
    assert_int_equal(counters().timeouts, 1);
}

static void forge_all(replica_id from, uint64_t nonce, configuration_no number, const uint64_t *versions,
                      unsigned count, const struct secret_key *other_key)
{
    static uint64_t counter = 1ull << 40;
    uint8_t bytes[512], body[64], plain[64];
    struct writer v = writer_to(plain, sizeof plain), w = writer_to(body, sizeof body);
    struct secret_key shared, key;
    for (unsigned i = 0; i < count; i++)
        put_u64(&v, versions[i]);
    attest_put(&w, &(struct attest){0, 7, nonce, number, ++counter});
    assert_true(box_agree(&shared, &replicated_core(t.r)->session, cluster_e(t.c, from)->auth.box.public));
    key_derive(&key, &shared, "redoubt attest", t.c->id.bytes, sizeof t.c->id.bytes);
    size_t len = auth_encode_sealed(bytes, sizeof bytes, FRAME_ATTEST, &cluster_e(t.c, from)->auth.self,
                                    other_key ? other_key : &key, counter, (struct slice){body, w.len},
                                    (struct slice){plain, v.len});
    assert_true(len > 0);
    (void)replicated_on_frame(t.r, from, bytes, len, t.now);
    replicated_validate(t.r);
}

static void forge(replica_id from, uint64_t nonce, configuration_no number, uint64_t version, unsigned count,
                  const struct secret_key *other_key)
{
    const uint64_t versions[] = {version, version};
    forge_all(from, nonce, number, versions, count, other_key);
}

static uint64_t nonce_asked(unsigned index)
{
    struct frame frame;
    struct ask_attest ask;
    assert_true(frame_decode(t.asked[index].data, t.asked[index].len, &frame));
    assert_true(ask_attest_decode(frame.body, &ask));
    return ask.nonce;
}

static void one_replica_counts_once(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, get("a"));
    flush();
    uint64_t nonce = nonce_asked(0);
    for (int i = 0; i < 5; i++)
        forge(t.asked[0].replica, nonce, 1, version_of(1, 0), 1, NULL);
    assert_int_equal(t.tolds, 0);
    forge(t.asked[1].replica, nonce, 1, version_of(1, 0), 1, NULL);
    assert_int_equal(t.tolds, 0);
    forge(t.asked[2].replica, nonce, 1, version_of(1, 0), 1, NULL);
    is_told(0, 1, "1");
}

static void only_whom_it_asked_counts_and_only_as_asked(void **state)
{
    (void)state;
    static const struct secret_key nobodys = {{9}};
    know_a();
    submit(1, 1, get("a"));
    flush();
    uint64_t nonce = nonce_asked(0), good = version_of(1, 0);
    replica_id not_asked = 0;
    for (unsigned i = 0; i < 3; i++)
        not_asked += t.asked[i].replica == not_asked ? 1 : 0;
    forge(t.asked[0].replica, nonce, 1, good, 1, NULL);
    forge(t.asked[1].replica, nonce, 1, good, 1, NULL);
    replica_id third = t.asked[2].replica;
    forge(third, nonce - 1, 1, good, 1, NULL); /* an old question */
    forge(third, nonce + 1, 1, good, 1, NULL); /* one that was not put yet */
    forge(third, nonce, 0, good, 1, NULL);     /* another configuration */
    forge(third, nonce, 2, good, 1, NULL);
    forge(third, nonce, 1, good, 2, NULL); /* answers to other questions */
    forge(third, nonce, 1, good, 0, NULL);
    forge(third, nonce, 1, good, 1, &nobodys);
    assert_int_equal(t.tolds, 0);
    assert_true(counters().bad_attestations >= 3);
    forge(third, nonce, 1, good, 1, NULL);
    is_told(0, 1, "1");
}

static void who_was_not_asked_does_not_count(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, get("a"));
    flush();
    uint32_t asked = 0;
    for (unsigned i = 0; i < 3; i++)
        asked |= 1u << t.asked[i].replica;
    uint64_t nonce = nonce_asked(0), good = version_of(1, 0);
    forge((replica_id)__builtin_ctz(~asked), nonce, 1, good, 1, NULL);
    forge(t.asked[0].replica, nonce, 1, good, 1, NULL);
    forge(t.asked[1].replica, nonce, 1, good, 1, NULL);
    assert_int_equal(t.tolds, 0);
}

static void a_liar_makes_a_read_slow_never_wrong(void **state)
{
    (void)state;
    static const uint64_t lies[] = {0, 1, 1ull << 50, UINT64_MAX};
    know_a();
    for (unsigned i = 0; i < 4; i++) {
        t.tolds = 0;
        submit(1, i, get("a"));
        flush();
        forge(t.asked[0].replica, nonce_asked(0), 1, lies[i], 1, NULL);
        settle();
        is_told(0, i, "1");
    }
    assert_int_equal(counters().fast, 0);
}

/* All agree, and on something else than what is known: so what is known is old. */
static void agreement_on_another_version_is_a_conflict(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, get("a"));
    flush();
    for (unsigned i = 0; i < 3; i++)
        forge(t.asked[i].replica, nonce_asked(0), 1, version_of(9, 0), 1, NULL);
    assert_int_equal(t.tolds, 0);
    assert_int_equal(counters().conflicts, 1);
    t.askeds = 0;
    settle();
    is_told(0, 1, "1");
}

static void questions_travel_together_under_fresh_nonces(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, get("a"));
    submit(2, 2, get("a"));
    submit(3, 3, get("a"));
    flush();
    assert_int_equal(t.askeds, 3);
    uint64_t nonce = nonce_asked(0);
    submit(4, 4, get("a")); /* comes later: is asked about by itself */
    flush();
    assert_int_equal(t.askeds, 6);
    assert_int_not_equal(nonce_asked(3), nonce);
    attest();
    assert_int_equal(t.tolds, 4);
    assert_int_equal(counters().rounds, 2);
    assert_int_equal(counters().questions, 4);
}

static void nothing_is_kept_where_reads_are_ordered(void **state)
{
    (void)state;
    submit(0, 1, put("a", "1"));
    submit(0, 2, get("a"));
    settle();
    submit(0, 3, get("a"));
    settle();
    is_told(2, 3, "1");
    assert_int_equal(t.all_asked, 0);
    assert_int_equal(counters().inserted, 0);
}

static void another_configuration_is_a_new_beginning(void **state)
{
    (void)state;
    know_a();
    struct configuration next = t.c->configuration;
    submit(1, 1, get("a"));
    flush();
    assert_int_equal(t.askeds, 3);
    next.number++;
    assert_true(client_core_on_configuration((struct client_core *)(uintptr_t)replicated_core(t.r), &next));
    uint8_t nothing[1] = {0};
    (void)replicated_on_frame(t.r, 0, nothing, 1, t.now); /* any frame */
    assert_int_equal(counters().cache_entries, 0);
    flush();
    assert_int_equal(t.bundles, 1); /* it is ordered */
    t.askeds = 0;
    t.bundles = 0; /* the cluster itself did not change: nobody answers by that number */
    t.access.forget(t.access.self, 1);
}

/* What was sent under an earlier number may have been answered from the middle of what is executed again. */
static void what_was_sent_under_an_earlier_number_is_not_kept(void **state)
{
    (void)state;
    struct client_core *core = (struct client_core *)(uintptr_t)replicated_core(t.r);
    struct configuration earlier = t.c->configuration;
    uint8_t nothing[1] = {0};
    know_a();
    earlier.number--;
    core->configuration = &earlier;
    (void)replicated_on_frame(t.r, 0, nothing, 1, t.now);
    submit(1, 1, get("a"));
    flush();
    assert_int_equal(t.bundles, 1);
    assert_true(client_core_on_configuration(core, &t.c->configuration));
    (void)replicated_on_frame(t.r, 0, nothing, 1, t.now);
    settle();
    is_told(0, 1, "1");
    assert_int_equal(counters().inserted, 1); /* what know_a brought, and nothing else */
    assert_int_equal(counters().cache_entries, 0);
    submit(1, 2, get("a"));
    settle();
    assert_int_equal(counters().cache_entries, 1);
}

/* --- the order of a connection ---------------------------------------------------------------------------------------------------- */

static void two_bundles_of_one_connection_are_never_in_flight(void **state)
{
    (void)state;
    submit(0, 1, put("a", "1"));
    flush();
    assert_int_equal(t.bundles, 1);
    submit(0, 2, put("a", "2"));
    submit(0, 3, get("a"));
    submit(1, 4, put("b", "1")); /* another connection need not wait */
    flush();
    assert_int_equal(t.bundles, 2);
    order();
    flush();
    assert_int_equal(t.bundles, 1);
    settle();
    is_told(0, 1, NULL);
    is_told(1, 4, NULL);
    is_told(2, 2, NULL);
    is_told(3, 3, "2");
}

static void a_run_is_one_bundle(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20; i++)
        submit(0, i, put("a", "x"));
    flush();
    assert_int_equal(t.bundles, 1);
    settle();
    assert_int_equal(t.tolds, 20);
    for (unsigned i = 0; i < 20; i++)
        is_told(i, i, NULL);
}

static void a_run_that_does_not_fit_a_bundle_waits(void **state)
{
    (void)state;
    static uint8_t value[60000], op[61000];
    struct slice large = {op, kv_put_encode(op, sizeof op, "large", 5, value, sizeof value)};
    /* The core's chunk is nearly full already. */
    for (uint64_t i = 0; i < 3; i++)
        submit(0, i, large);
    flush();
    unsigned first = t.bundles;
    assert_int_equal(first, 1);
    settle();
    assert_int_equal(t.tolds, 3);
}

static void a_write_behind_fast_reads_waits_for_them(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, get("a"));
    submit(1, 2, put("a", "2"));
    submit(1, 3, get("a"));
    flush();
    assert_int_equal(t.bundles, 0);
    assert_int_equal(t.askeds, 3);
    attest();
    is_told(0, 1, "1");
    flush();
    assert_int_equal(t.bundles, 1);
    assert_int_equal(t.askeds, 0); /* what is read behind a write is asked about when that is through */
    settle();
    is_told(1, 2, NULL);
    is_told(2, 3, "2");
}

static void reads_behind_one_that_falls_back_are_asked_anew(void **state)
{
    (void)state;
    know_a();
    submit(0, 1, put("b", "1"));
    submit(0, 2, get("b"));
    settle();
    t.tolds = 0;
    submit(1, 1, get("a"));
    submit(1, 2, get("b"));
    flush();
    another_writes("a", "2");
    another_writes("b", "2");
    /* The first round's answers about b are forged: as if all three had answered before b was written. */
    uint64_t nonce = nonce_asked(0);
    const uint64_t versions[] = {77, version_of(3, 0)};
    for (unsigned i = 0; i < 3; i++)
        forge_all(t.asked[i].replica, nonce, 1, versions, 2, NULL);
    t.askeds = 0;
    assert_int_equal(t.tolds, 0);
    settle();
    is_told(0, 1, "2");
    is_told(1, 2, "2"); /* not what it was before the first took effect */
}

/* Hands over what was asked from `first` on, and what comes back. */
static void attest_from(unsigned first)
{
    for (unsigned i = first; i < t.askeds; i++)
        (void)cluster_give(t.c, E, t.asked[i].replica, (struct slice){t.asked[i].data, t.asked[i].len});
    t.askeds = first;
    bring_back();
}

/* Its question must not be answered before that of the read ahead of it: another client writes both in between. */
static void a_read_that_comes_later_shows_nothing_earlier(void **state)
{
    (void)state;
    know_a();
    submit(0, 1, put("b", "1"));
    submit(0, 2, get("b"));
    settle();
    t.tolds = 0;
    submit(1, 1, get("a"));
    flush();
    assert_int_equal(t.askeds, 3); /* on their way for long */
    submit(1, 2, get("b"));
    flush();
    attest_from(3);
    another_writes("b", "2");
    another_writes("a", "2");
    submit(2, 3, get("a")); /* so that it is known as it is now */
    flush();
    attest_from(3);
    flush();
    order();
    is_told(0, 3, "2");
    attest_from(0);
    settle();
    is_told(1, 1, "2");
    is_told(2, 2, "2");
}

static void answers_wait_for_those_before_them(void **state)
{
    (void)state;
    know_a();
    submit(0, 1, put("b", "1"));
    submit(0, 2, get("b"));
    settle();
    t.tolds = 0;
    another_writes("a", "2");
    submit(1, 1, get("b"));
    submit(1, 2, get("a"));
    submit(1, 3, get("b"));
    settle();
    is_told(0, 1, "1");
    is_told(1, 2, "2");
    is_told(2, 3, "1");
}

static void nothing_is_told_of_a_connection_that_is_over(void **state)
{
    (void)state;
    know_a();
    submit(1, 1, put("b", "1"));
    submit(2, 2, get("a"));
    flush();
    t.access.forget(t.access.self, 1);
    t.access.forget(t.access.self, 2);
    replicated_validate(t.r);
    submit(1, 3, get("a")); /* somebody else by that number */
    flush();
    assert_int_equal(t.askeds, 6); /* it need not wait for what another began */
    settle();
    assert_int_equal(t.tolds, 1);
    is_told(0, 3, "1");
    submit(2, 4, get("b"));
    settle();
    is_told(1, 4, "1"); /* it was executed all the same */
}

static void behind_an_unknown_outcome_nothing_is_sent(void **state)
{
    (void)state;
    submit(0, 1, put("a", "1"));
    flush();
    submit(0, 2, put("a", "2"));
    submit(0, 3, get("a"));
    flush();
    t.bundles = 0; /* lost */
    while (t.tolds == 0) {
        t.now = replicated_next_timer(t.r);
        replicated_on_timer(t.r, t.now);
        replicated_flush(t.r, t.now);
        replicated_validate(t.r);
        t.bundles = 0;
    }
    assert_int_equal(t.tolds, 3);
    assert_int_equal(t.told[0].kind, REDOUBT_UNKNOWN);
    assert_int_equal(t.told[1].kind, REDOUBT_REJECTED);
    assert_int_equal(t.told[2].kind, REDOUBT_REJECTED);
    submit(0, 4, get("a"));
    flush();
    assert_int_equal(t.tolds, 4);
    assert_int_equal(t.told[3].kind, REDOUBT_REJECTED);
    t.access.forget(t.access.self, 0);
    submit(0, 5, get("a"));
    settle();
    assert_int_equal(last_told()->status, REDOUBT_NOT_FOUND);
}

static void what_waits_is_bounded(void **state)
{
    (void)state;
    static const uint8_t large[OP_MAX + 1];
    struct slice op = put("a", "1"), too_large = {large, sizeof large},
                 parts[2] = {{op.data, 3}, {op.data + 3, op.len - 3}};
    assert_int_equal(t.access.submit(t.access.self, 0, 1, &too_large, 1, t.now + SECOND, t.now), -EMSGSIZE);
    for (uint64_t i = 0; i < 3; i++)
        assert_int_equal(t.access.submit(t.access.self, 0, i, parts, 2, t.now + SECOND, t.now), 0);
    assert_int_equal(t.access.submit(t.access.self, 0, 3, &op, 1, t.now + SECOND, t.now), -EAGAIN);
    assert_int_equal(t.access.submit(t.access.self, 1, 4, &op, 1, t.now + SECOND, t.now), 0);
    assert_int_equal(t.access.submit(t.access.self, 2, 5, &op, 1, t.now + SECOND, t.now), -EAGAIN);
    settle();
    assert_int_equal(t.tolds, 4);
    submit(2, 6, op);
    settle();
    assert_int_equal(t.tolds, 5);
}

/* --- how ready it is ------------------------------------------------------------------------------------------------------------------ */

static void it_says_when_it_reaches_no_quorum(void **state)
{
    (void)state;
    assert_true(t.access.is_ready(t.access.self, t.now));
    replicated_on_disconnected(t.r, 0);
    assert_true(t.access.is_ready(t.access.self, t.now));
    replicated_on_disconnected(t.r, 2);
    assert_false(t.access.is_ready(t.access.self, t.now));
    replicated_on_connected(t.r, 2, t.now);
    assert_true(t.access.is_ready(t.access.self, t.now));
    submit(0, 1, put("a", "1"));
    flush();
    assert_false(t.access.is_ready(t.access.self, t.now + 2 * SECOND)); /* nobody answers */
    settle();
    assert_true(t.access.is_ready(t.access.self, t.now));
}

/* --- the switch -------------------------------------------------------------------------------------------------------------------------- */

static void conflicts_switch_fast_reads_off_and_their_absence_on(void **state)
{
    (void)state;
    struct adaptive_options o;
    struct adaptive a;
    adaptive_options_init(&o);
    adaptive_init(&a, &o);
    for (uint32_t i = 0; i < o.least_known; i++) {
        assert_true(adaptive_asks(&a));
        adaptive_learn(&a, true);
    }
    assert_true(a.off);
    unsigned probes = 0;
    for (int i = 0; i < 1600; i++)
        probes += adaptive_asks(&a);
    assert_int_equal(probes, 1600 / o.probe_every);
    /* Between the two thresholds nothing changes. */
    for (int i = 0; i < 300; i++)
        adaptive_learn(&a, i % 4 == 0);
    assert_true(a.off);
    for (uint32_t i = 0; i < ADAPTIVE_WINDOW; i++)
        adaptive_learn(&a, false);
    assert_false(a.off);
    for (int i = 0; i < 300; i++)
        adaptive_learn(&a, i % 4 == 0);
    assert_false(a.off);
    assert_int_equal(a.switches, 2);
    assert_int_equal(adaptive_permille(&a), 250);
}

static void reads_that_always_conflict_are_ordered_at_once(void **state)
{
    (void)state;
    know_a();
    for (uint64_t i = 0; i < 100; i++) {
        t.tolds = 0;
        another_writes("a", i % 2 ? "x" : "y");
        submit(1, i, get("a"));
        settle();
        is_told(0, i, i % 2 ? "x" : "y");
    }
    assert_true(counters().fast_off);
    uint64_t rounds = counters().rounds;
    assert_true(rounds < 50);
    for (uint64_t i = 0; i < 1600; i++) { /* they no longer do */
        t.tolds = 0;
        submit(1, i, get("a"));
        settle();
        is_told(0, i, "x");
        cluster_forget(t.c);
        t.seen = 0;
    }
    assert_false(counters().fast_off);
    assert_int_equal(counters().switches, 2);
}

/* --- the cache ------------------------------------------------------------------------------------------------------------------------------ */

static struct cache cache;
static struct arena cache_arena;

static int setup_cache(void **state)
{
    (void)state;
    size_t bytes = cache_arena_bytes(40000);
    void *memory;
    assert_int_equal(posix_memalign(&memory, 64, bytes), 0);
    memset(memory, 0, bytes);
    arena_init(&cache_arena, memory, bytes);
    cache_init(&cache, &cache_arena, 40000);
    return 0;
}

static int teardown_cache(void **state)
{
    (void)state;
    free(cache_arena.base);
    return 0;
}

static struct slice text(const char *s)
{
    return (struct slice){(const uint8_t *)s, strlen(s)};
}

static void an_entry_is_its_latest_result(void **state)
{
    (void)state;
    uint8_t out[16];
    assert_null(cache_find(&cache, text("a")));
    cache_put(&cache, text("a"), REDOUBT_OK, 5, text("five"));
    cache_put(&cache, text("a"), REDOUBT_OK, 4, text("four")); /* a vote that took longer */
    struct cache_entry *e = cache_find(&cache, text("a"));
    assert_int_equal(e->version, 5);
    cache_result(&cache, e, out);
    assert_memory_equal(out, "five", 4);
    cache_put(&cache, text("a"), REDOUBT_NOT_FOUND, 6, SLICE_NONE);
    e = cache_find(&cache, text("a"));
    assert_true(e->version == 6 && e->status == REDOUBT_NOT_FOUND && e->result_len == 0);
    assert_null(cache_find(&cache, text("aa")));
    assert_int_equal(cache.entries_used, 1);
    cache_validate(&cache);
    cache_clear(&cache);
    assert_null(cache_find(&cache, text("a")));
    cache_validate(&cache);
}

static void who_was_not_asked_for_longest_makes_room(void **state)
{
    (void)state;
    char key[16];
    for (unsigned i = 0; i < cache.size; i++) {
        snprintf(key, sizeof key, "%u", i);
        cache_put(&cache, text(key), REDOUBT_OK, i + 1, text("v"));
    }
    assert_int_equal(cache.entries_used, cache.size);
    assert_non_null(cache_find(&cache, text("0")));
    cache_put(&cache, text("new"), REDOUBT_OK, 1, text("v"));
    assert_non_null(cache_find(&cache, text("0")));
    assert_null(cache_find(&cache, text("1")));
    assert_non_null(cache_find(&cache, text("2")));
    cache_validate(&cache);
}

/* Against a table of all that was put: what is found is right, and the bound holds. */
static void it_is_bounded_and_right_whatever_comes(void **state)
{
    (void)state;
    static uint8_t value[64 * 1024], out[sizeof value];
    static struct {
        uint64_t version;
        size_t len;
        uint8_t fill;
    } known[64];
    uint64_t random = 11, found = 0;
    memset(known, 0, sizeof known);
    for (unsigned i = 1; i < 6000; i++) {
        uint8_t request[700];
        unsigned k = (unsigned)(test_random(&random) % 64);
        memset(request, (int)k, sizeof request);
        struct slice key = {request, 1 + k * 10}, result = {value, 0};
        if (test_random(&random) % 2) {
            result.len = test_random(&random) % (i % 50 ? 3000 : sizeof value);
            uint8_t fill = (uint8_t)test_random(&random);
            memset(value, fill, result.len);
            cache_put(&cache, key, REDOUBT_OK, i, result);
            known[k].version = i;
            known[k].len = result.len;
            known[k].fill = fill;
        }
        struct cache_entry *e = cache_find(&cache, key);
        if (e) {
            found++;
            assert_int_equal(e->version, known[k].version);
            assert_int_equal(e->result_len, known[k].len);
            cache_result(&cache, e, out);
            for (size_t b = 0; b < known[k].len; b++)
                assert_int_equal(out[b], known[k].fill);
        }
        assert_true(cache_bytes_used(&cache) <= 40000);
        cache_validate(&cache);
    }
    assert_true(found > 500);
}

/* --- sessions -------------------------------------------------------------------------------------------------------------------- */

/* As when too many others have come since. */
static void sessions_are_closed(void)
{
    for (replica_id r = 0; r < 4; r++)
        origin_close(cluster_e(t.c, r), 0);
}

/* One that is sent, and comes to no outcome in its time. */
static void put_in_vain(uint64_t ticket)
{
    unsigned before = t.tolds;
    submit(2, ticket, put("b", "lost"));
    flush();
    order();
    assert_int_equal(t.tolds, before);
    t.now += 6 * SECOND;
    replicated_on_timer(t.r, t.now);
    t.bundles = 0; /* and what was sent again */
    replicated_validate(t.r);
    assert_int_equal(last_told()->kind, REDOUBT_UNKNOWN);
    t.access.forget(t.access.self, 2); /* as the front does */
}

static void a_session_that_was_closed_is_begun_anew(void **state)
{
    (void)state;
    know_a();
    sessions_are_closed();
    put_in_vain(1);
    put_in_vain(2);
    assert_int_equal(counters().renewed, 0);
    put_in_vain(3);
    assert_int_equal(counters().renewed, 1);
    assert_int_equal(replicated_core(t.r)->auth.self.epoch, 8);
    submit(1, 4, put("a", "2"));
    settle();
    assert_int_equal(last_told()->kind, REDOUBT_COMMITTED);
    submit(1, 5, get("a"));
    settle();
    is_told(t.tolds - 1, 5, "2");
    uint64_t fast = counters().fast;
    submit(1, 6, get("a")); /* under its own keys */
    settle();
    is_told(t.tolds - 1, 6, "2");
    assert_int_equal(counters().fast, fast + 1);
    assert_int_equal(counters().renewed, 1);
    /* Nothing of before is executed any more. */
    submit(1, 7, get("b"));
    settle();
    assert_int_equal(last_told()->status, REDOUBT_NOT_FOUND);
}

/* Not for one that was answered between, nor when too few replicas are there, nor again at once. */
static void a_session_is_kept_while_it_may_be_good(void **state)
{
    (void)state;
    know_a();
    for (unsigned i = 0; i < 4; i++) { /* slow now and then */
        submit(2, i, put("c", "slow"));
        flush();
        t.now += 6 * SECOND;
        replicated_on_timer(t.r, t.now);
        assert_int_equal(last_told()->kind, REDOUBT_UNKNOWN);
        t.access.forget(t.access.self, 2);
        settle();
        submit(1, 10 + i, put("c", "good"));
        settle();
        assert_int_equal(last_told()->kind, REDOUBT_COMMITTED);
    }
    assert_int_equal(counters().renewed, 0);
    sessions_are_closed();
    replicated_on_disconnected(t.r, 0);
    replicated_on_disconnected(t.r, 3);
    for (unsigned i = 0; i < 5; i++)
        put_in_vain(20 + i);
    assert_int_equal(counters().renewed, 0);
    replicated_on_connected(t.r, 0, t.now);
    replicated_on_connected(t.r, 3, t.now);
    replicated_on_timer(t.r, t.now);
    assert_int_equal(counters().renewed, 1);
    for (unsigned i = 0; i < 4; i++)
        submit(3 + i, 30 + i, put("c", "lost"));
    flush();
    t.now += 6 * SECOND;
    replicated_on_timer(t.r, t.now);
    assert_int_equal(counters().renewed, 1);
}

/* What ends because its session is given up says nothing of the next one, which has its time, too. */
static void a_session_begun_anew_is_not_given_up_for_what_the_one_before_lost(void **state)
{
    (void)state;
    know_a();
    sessions_are_closed();
    put_in_vain(1);
    put_in_vain(2);
    submit(2, 3, put("b", "lost"));
    flush();
    t.now += 3 * SECOND;
    for (unsigned i = 0; i < 3; i++)
        submit(3 + i, 4 + i, put("b", "lost"));
    flush();
    t.now += 3 * SECOND;
    replicated_on_timer(t.r, t.now); /* the third is over, and three are under way */
    assert_int_equal(counters().renewed, 1);
    for (unsigned i = 2; i < 6; i++)
        t.access.forget(t.access.self, i);
    t.bundles = 0;
    t.now += 11 * SECOND;
    submit(1, 7, put("a", "2"));
    flush();
    t.now += 1000;
    replicated_on_timer(t.r, t.now);
    assert_int_equal(counters().renewed, 1);
    settle();
    is_told(t.tolds - 1, 7, NULL);
}

int main(void)
{
    crypto_start();
#define WITH(test, setup_it) cmocka_unit_test_setup_teardown(test, setup_it, teardown)
#define CACHED(test)         cmocka_unit_test_setup_teardown(test, setup_cache, teardown_cache)
    const struct CMUnitTest tests[] = {
        WITH(a_read_that_is_known_is_asked_about, setup),
        WITH(a_read_that_is_not_known_is_ordered, setup),
        WITH(what_was_written_meanwhile_is_read, setup),
        WITH(what_was_written_here_is_ordered_at_once, setup),
        WITH(what_was_refused_wrote_nothing, setup),
        WITH(fewer_than_the_quorum_are_not_enough, setup),
        WITH(one_replica_counts_once, setup),
        WITH(one_replica_is_enough_for_prophecy, setup_prophecy),
        WITH(prophecy_leaves_out_who_does_not_answer_for_a_while, setup_prophecy),
        WITH(only_whom_it_asked_counts_and_only_as_asked, setup),
        WITH(who_was_not_asked_does_not_count, setup),
        WITH(a_liar_makes_a_read_slow_never_wrong, setup),
        WITH(agreement_on_another_version_is_a_conflict, setup),
        WITH(questions_travel_together_under_fresh_nonces, setup),
        WITH(nothing_is_kept_where_reads_are_ordered, setup_reads_ordered),
        WITH(nothing_is_kept_where_reads_are_ordered, setup_off),
        WITH(another_configuration_is_a_new_beginning, setup),
        WITH(what_was_sent_under_an_earlier_number_is_not_kept, setup),
        WITH(two_bundles_of_one_connection_are_never_in_flight, setup),
        WITH(a_run_is_one_bundle, setup),
        WITH(a_run_that_does_not_fit_a_bundle_waits, setup),
        WITH(a_write_behind_fast_reads_waits_for_them, setup),
        WITH(reads_behind_one_that_falls_back_are_asked_anew, setup),
        WITH(a_read_that_comes_later_shows_nothing_earlier, setup),
        WITH(answers_wait_for_those_before_them, setup),
        WITH(nothing_is_told_of_a_connection_that_is_over, setup),
        WITH(behind_an_unknown_outcome_nothing_is_sent, setup),
        WITH(what_waits_is_bounded, setup_tiny),
        WITH(it_says_when_it_reaches_no_quorum, setup),
        WITH(a_session_that_was_closed_is_begun_anew, setup),
        WITH(a_session_is_kept_while_it_may_be_good, setup),
        WITH(a_session_begun_anew_is_not_given_up_for_what_the_one_before_lost, setup),
        cmocka_unit_test(conflicts_switch_fast_reads_off_and_their_absence_on),
        WITH(reads_that_always_conflict_are_ordered_at_once, setup),
        CACHED(an_entry_is_its_latest_result),
        CACHED(who_was_not_asked_for_longest_makes_room),
        CACHED(it_is_bounded_and_right_whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
