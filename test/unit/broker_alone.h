/*
 * The broker of replica 1, alone: its own compartments and the other hosts are played by the test. What it does is in `seen`.
 */
#ifndef BROKER_ALONE_H
#define BROKER_ALONE_H

#include "testing.h"

#include <sys/mman.h>

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

static inline void on_action(struct actions *actions, const struct action *action)
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

static inline void forget(void)
{
    for (size_t i = 0; i < seen_count; i++)
        free(seen[i].data);
    seen_count = 0;
}

static inline int setup_started(bool started)
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

static inline void event(enum event_kind kind, uint32_t from, struct slice frame)
{
    splitbft_engine.step(broker, &(struct event){.kind = kind, .from = from, .now_us = now, .frame = frame},
                         &actions);
    splitbft_engine.validate(broker);
}

static inline enum verdict verdict_of(enum event_kind kind, uint32_t from, struct slice frame)
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

static inline enum verdict peer(uint32_t from, struct slice frame)
{
    return verdict_of(EVENT_PEER, from, frame);
}

static inline enum verdict client(uint32_t connection, struct slice frame)
{
    return verdict_of(EVENT_CLIENT, connection, frame);
}

static inline enum verdict own(enum kind kind, struct slice frame)
{
    return verdict_of(EVENT_COMPARTMENT, kind, frame);
}

static inline unsigned count(enum action_kind kind, uint32_t to, enum frame_type type)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen_count; i++)
        n += seen[i].kind == kind && (to == REPLICAS_MAX || seen[i].to == to) && seen[i].len &&
             seen[i].frame.type == type;
    return n;
}

static inline unsigned persisted_any(uint32_t what)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen_count; i++)
        n += seen[i].kind == ACTION_PERSIST && seen[i].to == what;
    return n;
}

static inline unsigned dropped(uint32_t connection)
{
    unsigned n = 0;
    for (size_t i = 0; i < seen_count; i++)
        n += seen[i].kind == ACTION_DROP_CLIENT && seen[i].to == connection;
    return n;
}

/* What own P, C or E would say. */
static inline void p_is_in(view_no view, slot_no next_slot, bool in_view)
{
    struct local_view m = {.view = view, .in_view = in_view, .next_slot = next_slot};
    assert_verdict(own(P, cluster_local(c, FRAME_LOCAL_VIEW, cluster_body(c, local_view, &m), SLICE_NONE)),
                   ACCEPT);
}

static inline void e_executed(slot_no slot, slot_no stable, const struct digest *batch)
{
    struct local_progress m = {.executed = slot, .stable = stable, .batch = *batch};
    assert_verdict(
        own(E, cluster_local(c, FRAME_LOCAL_PROGRESS, cluster_body(c, local_progress, &m), SLICE_NONE)),
        ACCEPT);
}

static inline void p_says(const struct test_bundle *b, bool is_signed, enum verdict verdict)
{
    struct local_admitted m = {.origin = b->entry.origin,
                               .bundle_no = b->entry.bundle_no,
                               .bundle = b->entry.bundle,
                               .is_signed = is_signed,
                               .verdict = (uint8_t)verdict};
    (void)own(P, cluster_local(c, FRAME_LOCAL_ADMITTED, cluster_body(c, local_admitted, &m), SLICE_NONE));
}

static inline void time_passes(uint64_t us)
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

static inline int setup(void **state)
{
    (void)state;
    setup_started(true);
    p_is_in(0, 1, true);
    forget();
    return 0;
}

static inline int setup_durable(void **state)
{
    durable = true;
    return setup(state);
}

static inline int setup_unstarted(void **state)
{
    (void)state;
    return setup_started(false);
}

static inline int teardown(void **state)
{
    (void)state;
    forget();
    munmap(memory, memory_bytes);
    cluster_free(c);
    durable = false;
    return 0;
}

/* As a client sends it. */
static inline struct slice bundle(struct test_bundle *b)
{
    return test_bundle_slice(b);
}

static inline struct slice pre_prepare(replica_id primary, view_no view, slot_no slot,
                                       struct test_bundle *const bundles[], uint32_t n, struct digest *digest)
{
    struct slice list = cluster_list(c, now, bundles, n, digest);
    struct vote vote = {.configuration = 1, .view = view, .slot = slot, .batch = *digest};
    return forge_macs(c, cluster_auth(c, P, primary), FRAME_PRE_PREPARE, cluster_body(c, vote, &vote),
                      TO_P | TO_C, list);
}

#endif
