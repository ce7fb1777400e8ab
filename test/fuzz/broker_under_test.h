/*
 * A broker alone, for fuzz targets: its actions are looked at and go nowhere. Frames that it passes on must be frames.
 */
#ifndef FUZZ_BROKER_UNDER_TEST_H
#define FUZZ_BROKER_UNDER_TEST_H

#include <sys/mman.h>

#include "engine.h"
#include "need.h"
#include "recorded.h"

static struct recording recording;
static size_t mark;
static void *broker;
static struct arena arena;
static void *memory;
static size_t memory_bytes;
static uint64_t now_us;

static void on_action(struct actions *actions, const struct action *action)
{
    static uint8_t whole[FRAME_MAX];
    struct frame frame;
    (void)actions;
    if (action->kind != ACTION_SEND_PEER && action->kind != ACTION_SEND_CLIENT && action->kind != ACTION_GIVE)
        return;
    size_t len = action->parts[0].len + action->parts[1].len;
    need(len <= sizeof whole);
    if (action->parts[0].len)
        memcpy(whole, action->parts[0].data, action->parts[0].len);
    if (action->parts[1].len)
        memcpy(whole + action->parts[0].len, action->parts[1].data, action->parts[1].len);
    need(frame_decode(whole, len, &frame));
    need(action->kind != ACTION_SEND_PEER || action->to == PEER_ALL ||
         action->to < recorded_cluster->replicas);
    need(action->kind != ACTION_GIVE || (action->to >= KIND_PREPARATION && action->to <= KIND_EXECUTION));
}

static struct actions actions = {.emit = on_action};

static void broker_new(void)
{
    struct engine_config config = {.replica = 1, .request_timeout_us = 100000, .body_bytes_max = 1u << 20};
    if (!memory) {
        memory_bytes = splitbft_engine.arena_bytes(&config);
        memory = mmap(NULL, memory_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                      -1, 0);
    } else {
        memory = mmap(memory, memory_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    }
    need(memory != MAP_FAILED);
    arena_init(&arena, memory, memory_bytes);
    broker = splitbft_engine.init(&arena, &config);
    now_us = recorded_cluster->now_us;
    splitbft_engine.start(broker, &recorded_cluster->configuration, recorded_cluster->start, now_us,
                          &actions);
}

static void broker_event(enum event_kind kind, uint32_t from, struct slice frame)
{
    struct event event = {.kind = kind, .from = from, .now_us = now_us, .frame = frame};
    splitbft_engine.step(broker, &event, &actions);
    splitbft_engine.validate(broker);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    recorded_make(KIND_HOST, &recording);
    mark = cluster_mark(recorded_cluster);
    return 0;
}

/* EVENT_COMPARTMENT: what is by replica 1's own compartments comes from them, all else from peers. */
static void deliver(enum event_kind kind, const struct recorded *next)
{
    struct slice bytes = {next->data, next->len};
    struct frame frame;
    bool own = frame_decode(next->data, next->len, &frame) && frame.sender.id == 1;
    if (kind == EVENT_CLIENT)
        broker_event(kind, next->from % 3, bytes);
    else if (kind == EVENT_COMPARTMENT && own)
        broker_event(kind, frame.sender.kind, bytes);
    else
        broker_event(EVENT_PEER, next->from, bytes);
}

/* Every frame comes as this kind of event; time passes in between, and the host's own duties are done. */
static void broker_run(const uint8_t *data, size_t size, enum event_kind kind)
{
    struct input input = input_of(data, size, KIND_EXECUTION);
    struct recorded next;
    broker_new();
    for (unsigned i = 0; i < 300 && recorded_next(&recording, &input, &next); i++) {
        deliver(kind, &next);
        now_us += i % 8 == 7 ? 20000 : 100;
        broker_event(i % 8 == 7 ? EVENT_TIMER : EVENT_RUN_END, 0, (struct slice){NULL, 0});
    }
    if (kind == EVENT_CLIENT)
        for (uint32_t k = 0; k < 3; k++)
            broker_event(EVENT_CLIENT_GONE, k, (struct slice){NULL, 0});
    struct engine_status status;
    splitbft_engine.status(broker, &status);
    cluster_release(recorded_cluster, mark);
}

#endif
