/*
 * The broker of replica 1, alone: its own compartments and the other hosts are played by the test. What it routes, what it
 * refuses, what it keeps, and when it asks, resends and leaves. Whatever it is sent, it stays within its memory.
 */
#include "testing.h"

#include <sys/mman.h>

#include "backups.h"
#include "cluster.h"
#include "engine.h"
#include "splitbft/broker.h"

#define TIMEOUT 100000u
#define P       KIND_PREPARATION
#define C       KIND_CONFIRMATION
#define E       KIND_EXECUTION

struct seen {
    enum action_kind kind;
    uint32_t to;
    bool local;
    uint8_t *data;
    size_t len;
    struct frame frame;
    slot_no slot; /* of what is to be written down, and its digest */
    struct digest digest;
};

static struct cluster *c;
static bool durable;
static void *broker;
static struct arena arena;
static void *memory;
static size_t memory_bytes;
static uint64_t now;
static uint64_t timer_at;
static struct seen *seen;
static size_t seen_count, seen_cap;

static void on_action(struct actions *actions, const struct action *action)
{
    (void)actions;
    if (action->kind == ACTION_TIMER)
        timer_at = action->at_us;
    if (action->kind == ACTION_TIMER || action->kind == ACTION_TRACE)
        return;
    if (seen_count == seen_cap) {
        seen_cap = 2 * seen_cap + 256;
        seen = realloc(seen, seen_cap * sizeof *seen);
        assert_non_null(seen);
    }
    struct seen *s = &seen[seen_count++];
    *s = (struct seen){.kind = action->kind,
                       .to = action->to,
                       .local = action->local,
                       .slot = action->slot,
                       .digest = action->digest};
    s->len = action->parts[0].len + action->parts[1].len;
    if (action->kind == ACTION_DROP_CLIENT)
        return;
    s->data = malloc(s->len);
    memcpy(s->data, action->parts[0].data, action->parts[0].len);
    if (action->parts[1].len)
        memcpy(s->data + action->parts[0].len, action->parts[1].data, action->parts[1].len);
    if (action->kind == ACTION_PERSIST)
        return;
    assert_true(frame_decode(s->data, s->len, &s->frame)); /* nothing else is passed on */
}

static struct actions actions = {.emit = on_action};

static void forget(void)
{
    for (size_t i = 0; i < seen_count; i++)
        free(seen[i].data);
    seen_count = 0;
}

static int setup_started(bool started)
{
    struct engine_config config = {
        .replica = 1, .request_timeout_us = TIMEOUT, .body_bytes_max = 4u << 20, .durable = durable};
    c = cluster_new(NULL);
    memory_bytes = splitbft_engine.arena_bytes(&config);
    memory =
        mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_true(memory != MAP_FAILED);
    arena_init(&arena, memory, memory_bytes);
    broker = splitbft_engine.init(&arena, &config);
    now = c->now_us;
    if (started)
        splitbft_engine.start(broker, &c->configuration, c->start, now, &actions);
    return 0;
}

static void event(enum event_kind kind, uint32_t from, struct slice frame)
{
    splitbft_engine.step(broker, &(struct event){.kind = kind, .from = from, .now_us = now, .frame = frame},
                         &actions);
    splitbft_engine.validate(broker);
}

static enum verdict verdict_of(enum event_kind kind, uint32_t from, struct slice frame)
{
    uint64_t before[VERDICT_COUNT];
    memcpy(before, splitbft_engine.verdicts(broker), sizeof before);
    event(kind, from, frame);
    const uint64_t *after = splitbft_engine.verdicts(broker);
    for (unsigned v = 0; v < VERDICT_COUNT; v++)
        if (after[v] != before[v])
            return (enum verdict)v;
    return VERDICT_COUNT;
}

static enum verdict peer(uint32_t from, struct slice frame)
{
    return verdict_of(EVENT_PEER, from, frame);
}

static enum verdict client(uint32_t connection, struct slice frame)
{
    return verdict_of(EVENT_CLIENT, connection, frame);
}

static enum verdict own(enum kind kind, struct slice frame)
{
    return verdict_of(EVENT_COMPARTMENT, kind, frame);
}

static unsigned count(enum action_kind kind, uint32_t to, enum frame_type type)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen_count; i++)
        n += seen[i].kind == kind && (to == REPLICAS_MAX || seen[i].to == to) && seen[i].len &&
             seen[i].frame.type == type;
    return n;
}

static unsigned dropped(uint32_t connection)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen_count; i++)
        n += seen[i].kind == ACTION_DROP_CLIENT && seen[i].to == connection;
    return n;
}

/* What own P, C or E would say. */
static void p_is_in(view_no view, slot_no next_slot, bool in_view)
{
    struct local_view m = {.view = view, .in_view = in_view, .next_slot = next_slot};
    assert_verdict(own(P, cluster_local(c, FRAME_LOCAL_VIEW, cluster_body(c, local_view, &m), SLICE_NONE)),
                   ACCEPT);
}

static void e_executed(slot_no slot, slot_no stable, const struct digest *batch)
{
    struct local_progress m = {.executed = slot, .stable = stable, .batch = *batch};
    assert_verdict(
        own(E, cluster_local(c, FRAME_LOCAL_PROGRESS, cluster_body(c, local_progress, &m), SLICE_NONE)),
        ACCEPT);
}

static void p_says(const struct test_bundle *b, bool is_signed, enum verdict verdict)
{
    struct local_admitted m = {.origin = b->entry.origin,
                               .bundle_no = b->entry.bundle_no,
                               .bundle = b->entry.bundle,
                               .is_signed = is_signed,
                               .verdict = (uint8_t)verdict};
    (void)own(P, cluster_local(c, FRAME_LOCAL_ADMITTED, cluster_body(c, local_admitted, &m), SLICE_NONE));
}

static void time_passes(uint64_t us)
{
    uint64_t end = now + us;
    while (timer_at <= end) {
        now = timer_at > now ? timer_at : now;
        event(EVENT_TIMER, 0, SLICE_NONE);
        if (timer_at <= now)
            break;
    }
    now = end;
}

static int setup(void **state)
{
    (void)state;
    setup_started(true);
    p_is_in(0, 1, true);
    forget();
    return 0;
}

static int setup_durable(void **state)
{
    durable = true;
    return setup(state);
}

static int setup_unstarted(void **state)
{
    (void)state;
    return setup_started(false);
}

static int teardown(void **state)
{
    (void)state;
    forget();
    munmap(memory, memory_bytes);
    cluster_free(c);
    durable = false;
    return 0;
}

/* As a client sends it. */
static struct slice bundle(struct test_bundle *b)
{
    return test_bundle_slice(b);
}

static struct slice pre_prepare(replica_id primary, view_no view, slot_no slot,
                                struct test_bundle *const bundles[], uint32_t n, struct digest *digest)
{
    struct slice list = cluster_list(c, now, bundles, n, digest);
    struct vote vote = {.configuration = 1, .view = view, .slot = slot, .batch = *digest};
    return forge_macs(c, cluster_auth(c, P, primary), FRAME_PRE_PREPARE, cluster_body(c, vote, &vote),
                      TO_P | TO_C, list);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

static void nothing_before_the_start(void **state)
{
    (void)state;
    event(EVENT_CLIENT, 1, bundle(cluster_incr(c, 0, 1, 1)));
    event(EVENT_PEER, 0, forge_checkpoint(c, 0, CHECKPOINT_INTERVAL, &(struct digest){{1}}));
    event(EVENT_RUN_END, 0, SLICE_NONE);
    event(EVENT_TIMER, 0, SLICE_NONE);
    assert_int_equal(seen_count, 0);
}

static void only_what_is_permitted_passes(void **state)
{
    (void)state;
    static const struct {
        enum frame_type type;
        unsigned from; /* 1 client, 2 peer, 4 P, 8 C, 16 E */
    } table[] = {
        {FRAME_BUNDLE, 3},
        {FRAME_FETCH_REPLY, 1},
        {FRAME_PRE_PREPARE, 6},
        {FRAME_PREPARE, 6},
        {FRAME_COMMIT, 10},
        {FRAME_CHECKPOINT, 18},
        {FRAME_PARTING, 6},
        {FRAME_VIEW_CHANGE, 10},
        {FRAME_NEW_VIEW, 6},
        {FRAME_EXECUTED, 18},
        {FRAME_ASK_EXECUTED, 18},
        {FRAME_ASK_STATE, 18},
        {FRAME_STATE, 18},
        {FRAME_REPLY, 16},
        {FRAME_ASK_ATTEST, 1},
        {FRAME_ATTEST, 16},
        {FRAME_ASK_BACKUP, 1},
        {FRAME_BACKUP, 16},
        {FRAME_STATUS, 2},
        {FRAME_FETCH, 2},
        {FRAME_BATCH, 2},
        {FRAME_LOCAL_ADMITTED, 4},
        {FRAME_LOCAL_VIEW, 12},
        {FRAME_LOCAL_PROGRESS, 16},
        {FRAME_LOCAL_NEED, 16},
        {FRAME_LOCAL_SEALED, 28},
        {FRAME_LOCAL_SETTLED, 16},
        {FRAME_LOCAL_TRANSFER, 16},
        {FRAME_RECONFIG, 3},
        {FRAME_CONFIGURATION, 18},
        {FRAME_GROUP_KEY, 18},
        {FRAME_ASK_CONFIGURATION, 3},
        {FRAME_LOCAL_RECONFIGURED, 16},
    };
    static const struct {
        enum event_kind kind;
        uint32_t from;
    } sources[] = {{EVENT_CLIENT, 9},
                   {EVENT_PEER, 2},
                   {EVENT_COMPARTMENT, P},
                   {EVENT_COMPARTMENT, C},
                   {EVENT_COMPARTMENT, E}};
    for (unsigned type = 0; type < 256; type++) {
        unsigned permitted = 0;
        if (!frame_type_name((enum frame_type)type))
            continue;
        for (size_t i = 0; i < sizeof table / sizeof *table; i++)
            permitted |= table[i].type == type ? table[i].from : 0;
        for (unsigned s = 0; s < 5; s++) {
            if (permitted >> s & 1)
                continue;
            struct slice frame = cluster_local(c, (enum frame_type)type, SLICE_NONE, SLICE_NONE);
            forget();
            assert_verdict(verdict_of(sources[s].kind, sources[s].from, frame), UNEXPECTED);
            assert_int_equal(dropped(9), s == 0); /* a client that does this is cut off */
            assert_int_equal(seen_count, s == 0);
        }
    }
}

static void frames_that_are_none(void **state)
{
    (void)state;
    uint8_t garbage[64] = {1};
    for (size_t len = 0; len < sizeof garbage; len++) {
        assert_verdict(peer(0, (struct slice){garbage, len}), MALFORMED);
        assert_verdict(client(5, (struct slice){garbage, len}), MALFORMED);
    }
    assert_int_equal(dropped(5), sizeof garbage);
    assert_int_equal(seen_count, sizeof garbage);
    /* Links that cannot be. */
    struct slice good = forge_checkpoint(c, 0, CHECKPOINT_INTERVAL, &(struct digest){{1}});
    assert_int_equal(peer(1, good), VERDICT_COUNT);
    assert_int_equal(peer(4, good), VERDICT_COUNT);
    assert_int_equal(peer(UINT32_MAX, good), VERDICT_COUNT);
    assert_int_equal(own(KIND_ORIGIN, good), VERDICT_UNEXPECTED);
}

/* --- bundles -------------------------------------------------------------------------------------------------------- */

static void p_sees_a_bundle_without_its_operations(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
    assert_int_equal(seen[0].frame.attachment.len, 0);
    assert_memory_equal(seen[0].frame.body.data, b->frame.body.data, b->frame.body.len);
    assert_int_equal(seen_count, 1); /* nothing else happens: the client sends it to all by itself */
    assert_verdict(client(9, bundle(b)), DUPLICATE);
    assert_int_equal(seen_count, 1);
}

static void bundles_that_no_correct_client_sends(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct slice copy = cluster_copy(c, b->data, b->len);
    ((uint8_t *)(uintptr_t)copy.data)[copy.len - 1] ^= 1;
    assert_verdict(client(1, copy), MISMATCH);
    assert_verdict(client(2, test_bundle_stripped(c, b)), MALFORMED);
    assert_int_equal(dropped(1) + dropped(2), 2);
    copy = cluster_copy(c, b->data, b->len);
    ((uint8_t *)(uintptr_t)copy.data)[5] = 1; /* origin 256: nobody */
    assert_verdict(client(3, copy), UNKNOWN_SENDER);
    assert_int_equal(dropped(3), 0);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 0);
}

static void what_p_refuses_is_asked_for_signed(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1), *is_signed = cluster_bundle_again(c, b, FORM_SIGNED);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    p_says(b, false, VERDICT_BAD_MAC);
    assert_int_equal(count(ACTION_SEND_CLIENT, 9, FRAME_SIGN_WANTED), 1);
    forget();
    assert_verdict(client(9, bundle(is_signed)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
    p_says(b, true, VERDICT_ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 1); /* all others get that form */
    p_says(b, true, VERDICT_ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_BUNDLE), 1);
}

static void forged_bundles_do_not_crowd_out_an_origin(void **state)
{
    (void)state;
    /* A peer makes up bundles of origin 0; own P refuses each. */
    for (uint64_t n = 1; n <= 1000; n++) {
        struct test_bundle *b = cluster_incr(c, 0, n, n);
        assert_verdict(peer(3, bundle(b)), ACCEPT);
        p_says(b, false, VERDICT_BAD_MAC);
    }
    forget();
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 2000, 1))), ACCEPT);
}

static void replays_that_nobody_orders_expire(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (peer(3, bundle(cluster_incr(c, 0, n, n))) == VERDICT_ACCEPT)
        n++;
    assert_in_range(n, 64, 1000);                                        /* bounded per origin ... */
    assert_verdict(client(9, bundle(cluster_incr(c, 3, 1, 1))), ACCEPT); /* ... and no other is touched */
    time_passes(20 * TIMEOUT);
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 5000, 1))), ACCEPT);
}

static void large_bodies_stay_within_the_limit(void **state)
{
    (void)state;
    static uint8_t large[300000];
    struct engine_status status;
    for (uint64_t n = 1; n <= 60; n++) {
        large[0] = (uint8_t)n;
        struct slice op = {large, 100000 + 3000 * n};
        struct test_bundle *b = cluster_bundle(c, n % 2 ? 0 : 3, n, &op, 1, FORM_MACS);
        (void)client(9, bundle(b));
        splitbft_engine.status(broker, &status);
        assert_true(status.body_bytes <= 4u << 20);
        forget();
    }
    assert_in_range(status.bodies_held, 5, 40);
}

/* --- ordering ------------------------------------------------------------------------------------------------------- */

static void a_lone_bundle_is_proposed_at_once(void **state)
{
    (void)state;
    p_is_in(1, 1, true); /* replica 1 leads */
    forget();
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 0);
    event(EVENT_RUN_END, 0, SLICE_NONE);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 1);
    struct local_propose m;
    assert_true(local_propose_decode(seen[seen_count - 1].frame.body, &m));
    assert_int_equal(batch_entry_count(m.entries), 1);
    struct batch_entry entry = batch_entry_at(m.entries, 0);
    assert_memory_equal(&entry.bundle, &b->entry.bundle, 32);
    event(EVENT_RUN_END, 0, SLICE_NONE);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 1);
}

static void the_pipeline_is_bounded_and_what_waits_goes_together(void **state)
{
    (void)state;
    p_is_in(1, 1, true);
    forget();
    for (uint64_t n = 1; n <= 20; n++) {
        assert_verdict(client(9, bundle(cluster_incr(c, 0, n, 1))), ACCEPT);
        event(EVENT_RUN_END, 0, SLICE_NONE);
    }
    unsigned proposed = count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE);
    assert_in_range(proposed, 1, 8);
    for (slot_no slot = 1; slot <= proposed; slot++) { /* P's answers, and their execution */
        struct digest digest;
        assert_verdict(own(P, pre_prepare(1, 1, slot, NULL, 0, &digest)), ACCEPT);
        e_executed(slot, 0, &digest);
    }
    forget();
    event(EVENT_RUN_END, 0, SLICE_NONE);
    struct local_propose m;
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 1);
    assert_true(local_propose_decode(seen[seen_count - 1].frame.body, &m));
    assert_int_equal(batch_entry_count(m.entries), 20 - proposed);
}

static void a_backup_proposes_nothing(void **state)
{
    (void)state;
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 1, 1))), ACCEPT);
    event(EVENT_RUN_END, 0, SLICE_NONE);
    p_is_in(1, 1, false); /* its view, but not entered */
    event(EVENT_RUN_END, 0, SLICE_NONE);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_LOCAL_PROPOSE), 0);
}

static void a_pre_prepare_goes_to_all_three(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest digest;
    assert_verdict(client(9, bundle(b)), ACCEPT);
    forget();
    struct slice frame = pre_prepare(0, 0, 1, &b, 1, &digest);
    assert_verdict(peer(0, frame), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_PRE_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_PRE_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_PRE_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_BUNDLE), 1);
    for (size_t i = 0; i < seen_count; i++) /* C needs the vote only */
        assert_int_equal(seen[i].frame.attachment.len == 0, seen[i].to == C);
}

static void a_pre_prepare_comes_from_its_primary(void **state)
{
    (void)state;
    struct digest digest;
    struct slice frame = pre_prepare(0, 0, 1, NULL, 0, &digest);
    assert_verdict(peer(2, frame), UNEXPECTED);
    assert_verdict(peer(2, pre_prepare(2, 0, 1, NULL, 0, &digest)), UNEXPECTED);
    assert_int_equal(seen_count, 0);
    assert_verdict(peer(0, frame), ACCEPT);
}

/* What is kept per slot is bounded, whatever a primary sends. */
static void huge_pre_prepares_are_refused(void **state)
{
    (void)state;
    static uint8_t large[3000000];
    struct digest digest;
    struct vote vote = {.configuration = 1, .slot = 1};
    batch_digest(&vote.batch, (struct slice){large, sizeof large});
    struct slice body = cluster_body(c, vote, &vote);
    struct sender from = cluster_auth(c, P, 0)->self;
    uint8_t *frame = malloc(FRAME_MAX);
    size_t len = frame_encode(frame, FRAME_MAX, FRAME_PRE_PREPARE, &from, AUTH_MACS, body, SLICE_NONE,
                              (struct slice){large, sizeof large});
    assert_refused(peer(0, (struct slice){frame, len}), 0);
    struct slice list = cluster_list(c, now, NULL, 0, &digest);
    vote.batch = digest;
    body = cluster_body(c, vote, &vote);
    len = frame_encode(frame, FRAME_MAX, FRAME_PRE_PREPARE, &from, AUTH_MACS, body,
                       (struct slice){large, sizeof large}, list);
    assert_refused(peer(0, (struct slice){frame, len}), 1);
    free(frame);
}

static void missing_bodies_are_fetched(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest digest;
    assert_verdict(peer(0, pre_prepare(0, 0, 1, &b, 1, &digest)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_PRE_PREPARE), 0); /* P votes for what its host holds */
    time_passes(TIMEOUT / 2);
    assert_true(count(ACTION_SEND_PEER, PEER_ALL, FRAME_FETCH) >= 1);
    forget();
    assert_verdict(peer(2, bundle(b)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_BUNDLE), 1);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_PRE_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_BUNDLE), 1);
}

static void others_may_fetch(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest digest, unknown = test_digest(9);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    assert_verdict(peer(0, pre_prepare(0, 0, 1, &b, 1, &digest)), ACCEPT);
    forget();
    struct fetch wants[] = {{FETCH_BUNDLE, b->entry.bundle},
                            {FETCH_BATCH, digest},
                            {FETCH_BUNDLE, unknown},
                            {FETCH_BATCH, unknown}};
    for (size_t i = 0; i < 4; i++)
        assert_verdict(peer(3, cluster_local(c, FRAME_FETCH, cluster_body(c, fetch, &wants[i]), SLICE_NONE)),
                       ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_BUNDLE), 1);
    assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_BATCH), 1);
    assert_int_equal(seen_count, 2);
    /* What came that way is believed by its digest only. */
    struct batch_frame m = {1, digest};
    struct slice list = cluster_list(c, now + 1, NULL, 0, &unknown);
    assert_verdict(peer(3, cluster_local(c, FRAME_BATCH, cluster_body(c, batch_frame, &m), list)), MISMATCH);
    assert_verdict(peer(3, cluster_local(c, FRAME_BATCH, cluster_body(c, batch_frame, &m), SLICE_NONE)),
                   MALFORMED);
}

static void own_votes_go_to_all_and_are_sent_again(void **state)
{
    (void)state;
    struct digest digest = test_digest(1);
    struct vote vote = {.configuration = 1, .slot = 1, .batch = digest};
    struct slice body = cluster_body(c, vote, &vote);
    struct slice prepare = forge_macs(c, cluster_auth(c, P, 1), FRAME_PREPARE, body, TO_C, SLICE_NONE);
    struct slice commit = forge_macs(c, cluster_auth(c, C, 1), FRAME_COMMIT, body, TO_E, SLICE_NONE);
    assert_verdict(own(P, prepare), ACCEPT);
    assert_verdict(own(C, commit), ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_PREPARE), 1);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_COMMIT), 1);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_PREPARE), 1);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_COMMIT), 1);
    for (size_t i = 0; i < seen_count; i++)
        assert_int_equal(seen[i].local, seen[i].kind == ACTION_GIVE);
    forget();
    struct status status = {.view = 0, .in_view = 1};
    struct slice still = cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE);
    assert_verdict(peer(3, still), ACCEPT);
    assert_verdict(peer(3, still), ACCEPT); /* it has not moved since */
    assert_true(count(ACTION_SEND_PEER, 3, FRAME_PREPARE) >= 1);
    assert_true(count(ACTION_SEND_PEER, 3, FRAME_COMMIT) >= 1);
    assert_int_equal(count(ACTION_SEND_PEER, 2, FRAME_COMMIT), 0);
}

static void odd_statuses_do_no_harm(void **state)
{
    (void)state;
    static const uint64_t odd[] = {0, 1, WINDOW, UINT64_MAX - 40, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < 6; k++)
            for (unsigned twice = 0; twice < 2; twice++) {
                struct status status = {odd[k], 1, odd[i], odd[k], odd[i], 1};
                assert_verdict(
                    peer(2, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE)),
                    ACCEPT);
                time_passes(TIMEOUT / 4);
                forget();
            }
}

/* --- the log ---------------------------------------------------------------------------------------------------------- */

static unsigned persisted(uint32_t what, slot_no slot, const struct digest *digest)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen_count; i++)
        n += seen[i].kind == ACTION_PERSIST && seen[i].to == what && seen[i].slot == slot &&
             (!digest || digest_equal(&seen[i].digest, digest));
    return n;
}

static unsigned persisted_any(uint32_t what)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen_count; i++)
        n += seen[i].kind == ACTION_PERSIST && seen[i].to == what;
    return n;
}

static void sealed(enum kind kind, bool full, slot_no slot)
{
    struct local_sealed m = {.full = full, .slot = slot};
    assert_verdict(own(kind, forge_plain(c, cluster_auth(c, kind, 1), FRAME_LOCAL_SEALED,
                                         cluster_body(c, local_sealed, &m),
                                         (struct slice){(const uint8_t *)"sealed", 6})),
                   ACCEPT);
    assert_int_equal(persisted(kind, slot, NULL), 1);
}

/* The log is cut where E's base record stands: what is listed above its slot is written once more, and a bundle that was listed
 * below it is so when a later batch lists it again. */
static void what_is_listed_behind_a_cut_is_written_again(void **state)
{
    (void)state;
    struct test_bundle *below = cluster_incr(c, 0, 1, 1), *above = cluster_incr(c, 0, 2, 1);
    struct digest one, two, again;
    assert_verdict(client(9, bundle(below)), ACCEPT);
    assert_verdict(client(9, bundle(above)), ACCEPT);
    assert_int_equal(persisted_any(PERSIST_BUNDLE), 0); /* nobody lists them */
    assert_verdict(peer(0, pre_prepare(0, 0, 1, &below, 1, &one)), ACCEPT);
    assert_verdict(peer(0, pre_prepare(0, 0, 2, &above, 1, &two)), ACCEPT);
    assert_int_equal(persisted(PERSIST_LIST, 1, &one) + persisted(PERSIST_LIST, 2, &two), 2);
    assert_int_equal(persisted_any(PERSIST_BUNDLE), 2);
    e_executed(1, 0, &one);
    forget();
    sealed(P, true, 1);
    sealed(E, false, 1);
    assert_int_equal(persisted_any(PERSIST_LIST) + persisted_any(PERSIST_BUNDLE), 0);
    forget();
    sealed(E, true, 1);
    assert_int_equal(persisted(PERSIST_LIST, 2, &two), 1);
    assert_int_equal(persisted(PERSIST_BUNDLE, 0, &above->entry.bundle), 1);
    assert_int_equal(persisted_any(PERSIST_LIST) + persisted_any(PERSIST_BUNDLE), 2);
    assert_int_equal(seen[seen_count - 1].to, E); /* the record comes behind what it would cut off */
    forget();
    now++;
    assert_verdict(peer(0, pre_prepare(0, 0, 3, &below, 1, &again)), ACCEPT);
    assert_int_equal(persisted(PERSIST_LIST, 3, &again), 1);
    assert_int_equal(persisted(PERSIST_BUNDLE, 0, &below->entry.bundle), 1);
    assert_verdict(peer(0, pre_prepare(0, 0, 4, &below, 1, &again)),
                   ACCEPT); /* behind the cut it is there now */
    assert_int_equal(persisted_any(PERSIST_BUNDLE), 1);
}

/* A primary has one batch for a slot of its view. Every other one would be another list on the disks of all. */
static void a_primary_that_shows_many_batches_fills_no_disk(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_incr(c, 0, 1, 1);
    struct digest first, other;
    assert_verdict(client(9, bundle(b)), ACCEPT);
    struct slice good = pre_prepare(0, 0, 1, &b, 1, &first);
    struct slice spoilt = cluster_copy(c, good.data, good.len);
    ((uint8_t *)(uintptr_t)spoilt.data)[FRAME_HEADER_BYTES + 30] ^= 1; /* its list is not its batch */
    assert_verdict(peer(0, spoilt), ACCEPT);
    assert_int_equal(persisted_any(PERSIST_LIST), 0);
    assert_verdict(peer(0, good), ACCEPT);
    for (unsigned i = 0; i < 100; i++) {
        now++;
        assert_verdict(peer(0, pre_prepare(0, 0, 1, &b, 1, &other)), EQUIVOCATION);
    }
    assert_int_equal(persisted_any(PERSIST_LIST), 1);
    forget();
    assert_verdict(peer(0, good), ACCEPT); /* sent again */
    assert_int_equal(count(ACTION_GIVE, P, FRAME_PRE_PREPARE), 1);
    assert_int_equal(persisted_any(PERSIST_LIST), 0);
    p_is_in(2, 1, true);
    assert_verdict(peer(2, pre_prepare(2, 2, 1, &b, 1, &other)),
                   ACCEPT); /* the next view's is another matter */
    assert_int_equal(persisted(PERSIST_LIST, 1, &other), 1);
}

/* After a power loss nobody sends the CHECKPOINTs of before again: E learns of a stable one by a PARTING. */
static void a_parting_that_shows_a_later_checkpoint_goes_to_own_e(void **state)
{
    (void)state;
    struct stable_claim stable = {.slot = CHECKPOINT_INTERVAL, .root = test_digest(1)};
    stable.signers = forge_signers(c, stable.slot, &stable.root, 3);
    assert_verdict(peer(2, forge_parting(c, 2, 0, NULL, NULL, 0)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_PARTING), 0);
    assert_verdict(peer(2, forge_parting(c, 2, 1, &stable, NULL, 0)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_PARTING), 1);
    e_executed(CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL, &stable.root);
    assert_verdict(peer(2, forge_parting(c, 2, 2, &stable, NULL, 0)), ACCEPT); /* E knows it */
    assert_int_equal(count(ACTION_GIVE, E, FRAME_PARTING), 1);
}

/* A resumed cluster goes on to its next checkpoint by itself; to where a log that begins now is whole, if one was lost. */
static void a_resumed_cluster_fills_to_where_its_logs_are_whole(void **state)
{
    (void)state;
    struct broker *b = broker;
    b->held.resumed = 1;
    for (unsigned k = 0; k < MEMBER_KINDS; k++)
        for (replica_id r = 0; r < 4; r++)
            b->held.member[k][r].head = test_digest(1 + r);
    splitbft_engine.resume(broker, 5, 0);
    assert_int_equal(b->fill_until, CHECKPOINT_INTERVAL);
    memset(&b->held.member[C - KIND_HOST][3].head, 0, sizeof(struct digest));
    splitbft_engine.resume(broker, 5, 0);
    assert_int_equal(b->fill_until, CHECKPOINT_INTERVAL + WINDOW);
    b->held.member[C - KIND_HOST][3].after = 7; /* that one came by a RECONFIG: it is another matter */
    splitbft_engine.resume(broker, 5, 0);
    assert_int_equal(b->fill_until, CHECKPOINT_INTERVAL);
}

/* --- checkpoints ------------------------------------------------------------------------------------------------------ */

static void turns(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        event(EVENT_RUN_END, 0, SLICE_NONE);
}

static unsigned checkpoints_given(void)
{
    return count(ACTION_GIVE, P, FRAME_CHECKPOINT) + count(ACTION_GIVE, C, FRAME_CHECKPOINT) +
           count(ACTION_GIVE, E, FRAME_CHECKPOINT);
}

/* The others' CHECKPOINTs of a slot. */
static void hear_checkpoints(slot_no slot)
{
    struct digest root = test_digest(1);
    for (replica_id r = 0; r < 4; r++)
        if (r != 1)
            assert_verdict(peer(r, forge_checkpoint(c, r, slot, &root)), ACCEPT);
}

static void checkpoints_are_handed_on_without_haste(void **state)
{
    (void)state;
    hear_checkpoints(CHECKPOINT_INTERVAL);
    assert_int_equal(checkpoints_given(), 0);
    for (unsigned i = 0; i < 100; i++) {
        unsigned before = checkpoints_given();
        turns(1);
        assert_true(checkpoints_given() <= before + 1);
    }
    assert_int_equal(checkpoints_given(), 9);
}

static void near_the_end_of_the_window_they_are_handed_on_at_once(void **state)
{
    (void)state;
    struct digest digest = test_digest(1);
    e_executed(WINDOW - 1, 0, &digest);
    hear_checkpoints(CHECKPOINT_INTERVAL);
    turns(1);
    assert_int_equal(checkpoints_given(), 9);
}

/* Own E may have learned it with its state, while own P and C have not. */
static void what_is_stable_for_own_e_still_goes_to_own_p_and_c(void **state)
{
    (void)state;
    struct digest digest = test_digest(1);
    hear_checkpoints(CHECKPOINT_INTERVAL);
    e_executed(CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL, &digest);
    turns(100);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_CHECKPOINT), 3);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_CHECKPOINT), 3);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_CHECKPOINT), 0);
}

/* The last one that is stable, when own E knows that it is: P and C that learned wrote nothing of it, and nothing later comes to them
 * as long as they have no window. */
static void the_last_checkpoint_goes_to_own_p_and_c(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    e_executed(2 * CHECKPOINT_INTERVAL, 2 * CHECKPOINT_INTERVAL, &root);
    assert_verdict(peer(0, forge_checkpoint(c, 0, CHECKPOINT_INTERVAL, &root)), STALE);
    assert_verdict(peer(0, forge_checkpoint(c, 0, 2 * CHECKPOINT_INTERVAL, &root)), ACCEPT);
    assert_verdict(own(E, forge_checkpoint(c, 1, 2 * CHECKPOINT_INTERVAL, &root)), ACCEPT);
    turns(100);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_CHECKPOINT), 2);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_CHECKPOINT), 2);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_CHECKPOINT), 0);
}

/* And to a peer that is in no view, whose P and C may lack it; to others it is of no use. */
static void the_last_checkpoint_is_sent_again_to_who_is_in_no_view(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    const slot_no last = 2 * CHECKPOINT_INTERVAL;
    e_executed(last, last, &root);
    assert_verdict(own(E, forge_checkpoint(c, 1, last, &root)), ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, PEER_ALL, FRAME_CHECKPOINT), 1);
    turns(100);
    forget();
    for (unsigned in_view = 0; in_view < 2; in_view++) {
        struct status status = {.view = 0, .in_view = (uint8_t)in_view, .executed = last, .stable = last};
        struct slice still = cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE);
        assert_verdict(peer(3, still), ACCEPT);
        forget();
        assert_verdict(peer(3, still), ACCEPT);
        assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_CHECKPOINT), !in_view);
    }
    e_executed(last + CHECKPOINT_INTERVAL, last + CHECKPOINT_INTERVAL,
               &root); /* it is not the last any more */
    struct status status = {.view = 0, .in_view = 0, .executed = last, .stable = last};
    forget();
    assert_verdict(peer(3, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE)),
                   ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_CHECKPOINT), 0);
}

static void without_other_work_a_timer_hands_them_on(void **state)
{
    (void)state;
    hear_checkpoints(CHECKPOINT_INTERVAL);
    turns(1);
    time_passes(TIMEOUT / 8);
    assert_int_equal(checkpoints_given(), 9);
}

static void a_link_queues_only_so_many_checkpoints(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    struct slice frame = forge_checkpoint(c, 3, CHECKPOINT_INTERVAL, &root);
    for (unsigned i = 0; i < 32; i++)
        assert_verdict(peer(3, frame), ACCEPT);
    assert_verdict(peer(3, frame), LIMIT);
    assert_verdict(peer(2, forge_checkpoint(c, 2, CHECKPOINT_INTERVAL, &root)), ACCEPT);
    turns(1000);
    assert_verdict(peer(3, frame), ACCEPT);
}

static void own_e_is_told_to_go_on_with_its_checkpoint_only_when_idle(void **state)
{
    (void)state;
    struct local_progress progress = {.digesting = 1};
    struct slice frame = SLICE_NONE;
    for (unsigned i = 0; i < 10; i++) { /* slots are executed all the time */
        progress.executed = CHECKPOINT_INTERVAL + i;
        frame =
            cluster_local(c, FRAME_LOCAL_PROGRESS, cluster_body(c, local_progress, &progress), SLICE_NONE);
        assert_verdict(own(E, frame), ACCEPT);
        time_passes(2000);
    }
    assert_int_equal(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT), 0);
    time_passes(20000);
    /* No more before it answers, but for one a tick, as the word may have been lost. */
    assert_in_range(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT), 1, 1 + 20000 / (TIMEOUT / 8) + 1);
    forget();
    assert_verdict(own(E, frame), ACCEPT);
    turns(1);
    time_passes(1000);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT), 1);
    progress.digesting = 0;
    assert_verdict(own(E, cluster_local(c, FRAME_LOCAL_PROGRESS, cluster_body(c, local_progress, &progress),
                                        SLICE_NONE)),
                   ACCEPT);
    forget();
    time_passes(20000);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT), 0);
}

static void a_word_to_own_e_that_was_lost_is_said_again(void **state)
{
    (void)state;
    struct local_progress progress = {.digesting = 1, .executed = CHECKPOINT_INTERVAL};
    assert_verdict(own(E, cluster_local(c, FRAME_LOCAL_PROGRESS, cluster_body(c, local_progress, &progress),
                                        SLICE_NONE)),
                   ACCEPT);
    time_passes(20000);
    assert_true(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT) > 0);
    for (unsigned i = 0; i < 3; i++) {
        forget();
        time_passes(TIMEOUT);
        assert_true(count(ACTION_GIVE, E, FRAME_LOCAL_CHECKPOINT) > 0);
    }
}

static void checkpoints_that_were_handed_on_leave_no_memory_behind(void **state)
{
    (void)state;
    size_t live = 0;
    for (unsigned round = 0; round < 5; round++) { /* the first ones are kept for others */
        hear_checkpoints(CHECKPOINT_INTERVAL);
        if (round > 0)
            assert_true(arena.live > live);
        turns(100);
        assert_int_equal(checkpoints_given(), 9 * (round + 1));
        if (round > 0)
            assert_int_equal(arena.live, live);
        live = arena.live;
    }
}

static void forged_checkpoints_do_not_keep_true_ones_out(void **state)
{
    (void)state;
    struct digest root = test_digest(1);
    for (replica_id r = 0; r < 4; r++) { /* one host makes words up for all E, for a slot far away */
        struct slice forged = forge_checkpoint(c, r, (slot_no)CHECKPOINT_INTERVAL << 40, &root);
        ((uint8_t *)(uintptr_t)forged.data)[forged.len - 1] ^= 1;
        assert_verdict(peer(3, forged), ACCEPT); /* is looked at later */
    }
    turns(100);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_CHECKPOINT), 0);
    assert_int_equal(splitbft_engine.verdicts(broker)[VERDICT_BAD_SIGNATURE], 4);
    for (replica_id r = 0; r < 3; r++)
        if (r != 1)
            assert_verdict(peer(r, forge_checkpoint(c, r, CHECKPOINT_INTERVAL, &root)), ACCEPT);
    assert_verdict(own(E, forge_checkpoint(c, 1, CHECKPOINT_INTERVAL, &root)), ACCEPT);
    turns(100);
    e_executed(CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL, &root);
    forget();
    struct status behind = {.view = 0, .in_view = 1};
    assert_verdict(peer(3, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &behind), SLICE_NONE)),
                   ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 3, FRAME_CHECKPOINT), 3);
}

/* --- leaving ---------------------------------------------------------------------------------------------------------- */

static unsigned leaves(void)
{
    return count(ACTION_GIVE, P, FRAME_LOCAL_LEAVE);
}

static void unsigned_bundles_change_no_view(void **state)
{
    (void)state;
    assert_verdict(client(9, bundle(cluster_incr(c, 0, 1, 1))), ACCEPT);
    time_passes(10 * TIMEOUT);
    assert_int_equal(leaves(), 0);
    assert_true(count(ACTION_SEND_CLIENT, 9, FRAME_SIGN_WANTED) >= 1);
}

static void a_signed_bundle_that_waits_changes_the_view(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_bundle_again(c, cluster_incr(c, 0, 1, 1), FORM_SIGNED);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    time_passes(3 * TIMEOUT);
    assert_int_equal(leaves(), 0); /* own P has not confirmed it yet */
    assert_verdict(client(9, bundle(b)), DUPLICATE);
    p_says(b, true, VERDICT_ACCEPT);
    time_passes(TIMEOUT / 2);
    assert_int_equal(leaves(), 0);
    time_passes(TIMEOUT);
    assert_int_equal(leaves(), 1);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_LOCAL_LEAVE), 1);
    time_passes(5 * TIMEOUT); /* nobody else left: no reason to go on to the next view */
    assert_int_equal(leaves(), 1);
}

static void a_bundle_that_was_executed_changes_nothing(void **state)
{
    (void)state;
    struct test_bundle *b = cluster_bundle_again(c, cluster_incr(c, 0, 1, 1), FORM_SIGNED);
    struct digest digest;
    assert_verdict(client(9, bundle(b)), ACCEPT);
    p_says(b, true, VERDICT_ACCEPT);
    assert_verdict(peer(0, pre_prepare(0, 0, 1, &b, 1, &digest)), ACCEPT);
    e_executed(1, 0, &digest);
    time_passes(10 * TIMEOUT);
    assert_int_equal(leaves(), 0);
    forget();
    assert_verdict(client(9, bundle(b)), DUPLICATE); /* asked again: E has the reply */
    assert_int_equal(count(ACTION_GIVE, E, FRAME_FETCH_REPLY), 1);
}

static void f_plus_1_partings_are_joined(void **state)
{
    (void)state;
    assert_verdict(peer(2, forge_parting(c, 2, 4, NULL, NULL, 0)), ACCEPT);
    assert_int_equal(leaves(), 0); /* one may lie */
    assert_verdict(peer(2, forge_parting(c, 3, 4, NULL, NULL, 0)),
                   ACCEPT); /* passed on by the same host: no other voice */
    assert_int_equal(leaves(), 0);
    assert_verdict(peer(3, forge_parting(c, 3, 2, NULL, NULL, 0)), ACCEPT);
    assert_int_equal(leaves(), 1);
    struct local_leave m;
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i].frame.type == FRAME_LOCAL_LEAVE) {
            assert_true(local_leave_decode(seen[i].frame.body, &m));
            assert_int_equal(m.view, 3); /* where f+1 are, not where one says it is */
        }
    assert_int_equal(count(ACTION_GIVE, C, FRAME_PARTING), 3);
}

static void a_replica_that_lost_a_compartment_leaves_no_view(void **state)
{
    (void)state;
    event(EVENT_STOP_VOTING, 0, SLICE_NONE);
    assert_verdict(peer(2, forge_parting(c, 2, 4, NULL, NULL, 0)), ACCEPT);
    assert_verdict(peer(3, forge_parting(c, 3, 4, NULL, NULL, 0)), ACCEPT);
    assert_int_equal(leaves(), 0);
    struct engine_status status;
    splitbft_engine.status(broker, &status);
    assert_false(status.voting);
}

static void the_next_view_is_tried_with_more_patience(void **state)
{
    (void)state;
    assert_verdict(peer(2, forge_parting(c, 2, 0, NULL, NULL, 0)), ACCEPT);
    assert_verdict(peer(3, forge_parting(c, 3, 0, NULL, NULL, 0)), ACCEPT);
    p_is_in(1, 1, false);
    assert_int_equal(leaves(), 1);
    uint64_t waited[4] = {0};
    for (unsigned i = 0; i < 4; i++) { /* 2f others follow each time, and no NEW-VIEW comes */
        for (replica_id r = 2; r < 4; r++)
            (void)peer(r, forge_parting(c, r, i, NULL, NULL, 0));
        uint64_t since = now;
        while (leaves() == 1 + i && now - since < 100 * TIMEOUT)
            time_passes(TIMEOUT / 8);
        waited[i] = now - since;
        p_is_in(2 + i, 1, false);
    }
    assert_in_range(waited[0], TIMEOUT, 5 * TIMEOUT);
    for (unsigned i = 1; i < 4; i++)
        assert_true(waited[i] > waited[i - 1] + waited[i - 1] / 2);
}

/* Replica 3 says again and again where it stands. Returns how long until a view is left, at most 200 timeouts. */
static uint64_t left_for_a_laggard(slot_no stands_at)
{
    unsigned before = leaves();
    uint64_t since = now;
    while (leaves() == before && now - since < 200 * TIMEOUT) {
        struct status status = {.view = 0, .in_view = 1, .executed = stands_at};
        (void)peer(3, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &status), SLICE_NONE));
        time_passes(TIMEOUT / 2);
    }
    return now - since;
}

static void a_checkpoint_that_does_not_come_changes_the_view_ever_more_rarely(void **state)
{
    (void)state;
    struct digest digest = {{1}};
    uint64_t waited[4];
    for (unsigned i = 0; i < 4;
         i++) { /* something is executed between: what is doubled is not the back-off */
        e_executed(CHECKPOINT_INTERVAL + 1 + i, CHECKPOINT_INTERVAL, &digest);
        waited[i] = left_for_a_laggard(0);
        assert_int_equal(leaves(), i + 1);
        p_is_in(i + 1, CHECKPOINT_INTERVAL + 2 + i, true);
    }
    assert_in_range(waited[0], LAG_PATIENCE * TIMEOUT, (LAG_PATIENCE + 2) * TIMEOUT);
    for (unsigned i = 1; i < 4; i++)
        assert_true(waited[i] > waited[i - 1] + waited[i - 1] / 2);
}

static void no_view_is_left_for_who_lags_when_that_helps_nobody(void **state)
{
    (void)state;
    struct digest digest = {{1}};
    e_executed(CHECKPOINT_INTERVAL, CHECKPOINT_INTERVAL, &digest); /* the checkpoint is there: it may fetch */
    (void)left_for_a_laggard(0);
    assert_int_equal(leaves(), 0);
    e_executed(CHECKPOINT_INTERVAL + 1, CHECKPOINT_INTERVAL, &digest);
    (void)left_for_a_laggard(CHECKPOINT_INTERVAL); /* that one needs no state */
    assert_int_equal(leaves(), 0);
    time_passes(200 * TIMEOUT); /* and this one is not heard of any more */
    assert_int_equal(leaves(), 0);
}

static void behind_a_stable_checkpoint_bundles_wait_longer(void **state)
{
    (void)state;
    struct digest digest = {{1}};
    struct test_bundle *b = cluster_bundle_again(c, cluster_incr(c, 0, 1, 1), FORM_SIGNED);
    e_executed(1, CHECKPOINT_INTERVAL, &digest);
    assert_verdict(client(9, bundle(b)), ACCEPT);
    p_says(b, true, VERDICT_ACCEPT);
    time_passes((LAG_PATIENCE - 1) * TIMEOUT);
    assert_int_equal(leaves(), 0);
    time_passes(3 * TIMEOUT);
    assert_int_equal(leaves(), 1);
}

static void a_new_view_is_shown_to_those_who_lack_it(void **state)
{
    (void)state;
    struct slice vcs[3];
    for (replica_id r = 0; r < 3; r++)
        vcs[r] = forge_view_change(c, r, 2, NULL, NULL, 0, NULL, 0);
    struct slice good = forge_new_view(c, 2, 2, 0, NULL, 0, vcs, 3);
    struct slice far_away = forge_new_view(c, 3, 7, 0, NULL, 0, vcs, 3); /* of no view that was changed to */
    assert_verdict(peer(2, good), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_NEW_VIEW), 1);
    assert_int_equal(count(ACTION_GIVE, C, FRAME_NEW_VIEW), 1);
    p_is_in(2, 1, true);
    (void)peer(3, far_away);
    forget();
    struct status behind = {.view = 1, .in_view = 0};
    assert_verdict(peer(0, cluster_local(c, FRAME_STATUS, cluster_body(c, status, &behind), SLICE_NONE)),
                   ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 0, FRAME_NEW_VIEW), 1);
    for (size_t i = 0; i < seen_count; i++)
        if (seen[i].frame.type == FRAME_NEW_VIEW)
            assert_int_equal(seen[i].len, good.len);
}

static void view_changes_go_to_the_next_primary(void **state)
{
    (void)state;
    assert_verdict(own(C, forge_view_change(c, 1, 2, NULL, NULL, 0, NULL, 0)), ACCEPT);
    assert_int_equal(count(ACTION_SEND_PEER, 2, FRAME_VIEW_CHANGE), 1);
    assert_int_equal(seen_count, 1);
    forget();
    assert_verdict(own(C, forge_view_change(c, 1, 5, NULL, NULL, 0, NULL, 0)), ACCEPT); /* its own view */
    assert_int_equal(count(ACTION_GIVE, P, FRAME_VIEW_CHANGE), 1);
    assert_verdict(peer(0, forge_view_change(c, 0, 5, NULL, NULL, 0, NULL, 0)), ACCEPT);
    assert_int_equal(count(ACTION_GIVE, P, FRAME_VIEW_CHANGE), 2);
}

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

/* --- backups ---------------------------------------------------------------------------------------------------------- */

static struct backup_test t;

static struct slice request(const struct sign_key *admin)
{
    return backup_test_request(&t, &t.ask, admin);
}

static struct slice piece_of_e(void)
{
    struct slice body = cluster_body(c, backup, &(struct backup){.session = t.ask.session, .number = 1});
    return forge_signed(c, cluster_auth(c, E, 1), FRAME_BACKUP, body, SLICE_NONE);
}

static void backups_are_the_administrator_s(void **state)
{
    (void)state;
    struct sign_key stranger;
    sign_keypair(&stranger);
    backup_test_begin(&t, c, 1);
    assert_verdict(client(9, request(&stranger)), BAD_SIGNATURE);
    assert_int_equal(dropped(9), 1);
    assert_verdict(own(E, piece_of_e()), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, REPLICAS_MAX, FRAME_BACKUP), 0); /* nobody asked */
    assert_verdict(client(7, request(&c->admin)), ACCEPT);
    time_passes(1000); /* the budget for state */
    event(EVENT_RUN_END, 0, SLICE_NONE);
    assert_int_equal(count(ACTION_GIVE, E, FRAME_ASK_BACKUP), 1);
    assert_verdict(own(E, piece_of_e()), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, 7, FRAME_BACKUP), 1);
    /* Who heard the request and repeats it gets nothing, as long as the administrator is there. */
    assert_verdict(client(8, request(&c->admin)), DUPLICATE);
    assert_verdict(own(E, piece_of_e()), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, 8, FRAME_BACKUP), 0);
    event(EVENT_CLIENT_GONE, 7, SLICE_NONE);
    assert_verdict(own(E, piece_of_e()), ACCEPT);
    assert_int_equal(count(ACTION_SEND_CLIENT, REPLICAS_MAX, FRAME_BACKUP), 2);
    /* A later session ends it; what is too old is refused. */
    struct slice kept = request(&c->admin);
    backup_test_begin(&t, c, 1);
    assert_verdict(client(8, request(&c->admin)), ACCEPT);
    assert_verdict(client(8, kept), STALE);
    t.ask.asked_us++;
    t.ask.until_us = now - 1;
    assert_verdict(client(8, request(&c->admin)), STALE);
    backup_test_free(&t);
}

/* Asked for at another replica: this one, the primary's backup, only knows that a checkpoint is wanted; not for ever. */
static void a_request_fills_up_to_checkpoints_so_many_times(void **state)
{
    (void)state;
    static struct digest null;
    struct broker *b = broker;
    backup_test_begin(&t, c, 3);
    for (unsigned i = 1; i <= 70; i++) {
        assert_verdict(client(7, request(&c->admin)), ACCEPT);
        assert_verdict(client(7, request(&c->admin)), ACCEPT);
        assert_int_equal(b->fill_until, (i < 64 ? i : 64) * CHECKPOINT_INTERVAL);
        e_executed(i * CHECKPOINT_INTERVAL, 0, &null);
    }
    assert_int_equal(count(ACTION_GIVE, E, FRAME_ASK_BACKUP), 0);
    backup_test_begin(&t, c, 3);
    assert_verdict(client(7, request(&c->admin)), ACCEPT);
    assert_int_equal(b->fill_until, 71 * CHECKPOINT_INTERVAL);
    backup_test_free(&t);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_before_the_start, setup_unstarted, teardown),
        T(who_knows_an_earlier_start_is_sent_the_present_one),
        T(what_a_log_takes_for_executed_is_taken_again_when_its_origin_waits),
        cmocka_unit_test_setup_teardown(the_administrator_comes_as_a_client, setup_changeable, teardown),
        cmocka_unit_test_setup_teardown(made_up_attempts_keep_no_true_one_out, setup_changeable, teardown),
        cmocka_unit_test_setup_teardown(of_a_configuration_only_what_is_new_is_kept, setup_changeable_durable,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_listed_behind_a_cut_is_written_again, setup_durable,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_primary_that_shows_many_batches_fills_no_disk, setup_durable,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_parting_that_shows_a_later_checkpoint_goes_to_own_e, setup_durable,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_resumed_cluster_fills_to_where_its_logs_are_whole, setup_durable,
                                        teardown),
        T(the_last_checkpoint_goes_to_own_p_and_c),
        T(the_last_checkpoint_is_sent_again_to_who_is_in_no_view),
        T(only_what_is_permitted_passes),
        T(frames_that_are_none),
        T(backups_are_the_administrator_s),
        T(a_request_fills_up_to_checkpoints_so_many_times),
        T(p_sees_a_bundle_without_its_operations),
        T(bundles_that_no_correct_client_sends),
        T(what_p_refuses_is_asked_for_signed),
        T(forged_bundles_do_not_crowd_out_an_origin),
        T(replays_that_nobody_orders_expire),
        T(large_bodies_stay_within_the_limit),
        T(a_lone_bundle_is_proposed_at_once),
        T(the_pipeline_is_bounded_and_what_waits_goes_together),
        T(a_backup_proposes_nothing),
        T(a_pre_prepare_goes_to_all_three),
        T(a_pre_prepare_comes_from_its_primary),
        T(huge_pre_prepares_are_refused),
        T(missing_bodies_are_fetched),
        T(others_may_fetch),
        T(own_votes_go_to_all_and_are_sent_again),
        T(odd_statuses_do_no_harm),
        T(checkpoints_are_handed_on_without_haste),
        T(near_the_end_of_the_window_they_are_handed_on_at_once),
        T(without_other_work_a_timer_hands_them_on),
        T(what_is_stable_for_own_e_still_goes_to_own_p_and_c),
        T(a_link_queues_only_so_many_checkpoints),
        T(own_e_is_told_to_go_on_with_its_checkpoint_only_when_idle),
        T(a_word_to_own_e_that_was_lost_is_said_again),
        T(checkpoints_that_were_handed_on_leave_no_memory_behind),
        T(forged_checkpoints_do_not_keep_true_ones_out),
        T(unsigned_bundles_change_no_view),
        T(a_signed_bundle_that_waits_changes_the_view),
        T(a_bundle_that_was_executed_changes_nothing),
        T(f_plus_1_partings_are_joined),
        T(a_replica_that_lost_a_compartment_leaves_no_view),
        T(the_next_view_is_tried_with_more_patience),
        T(a_checkpoint_that_does_not_come_changes_the_view_ever_more_rarely),
        T(no_view_is_left_for_who_lags_when_that_helps_nobody),
        T(behind_a_stable_checkpoint_bundles_wait_longer),
        T(a_new_view_is_shown_to_those_who_lack_it),
        T(view_changes_go_to_the_next_primary),
        T(replies_go_to_whom_they_are_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
