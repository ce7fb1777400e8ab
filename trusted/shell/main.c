#include <string.h>

#include "crypto/crypto.h"
#include "shell/bell.h"
#include "shell/lockdown.h"
#include "shell/shell.h"
#include "shell/start.h"
#include "shell/words.h"

/* The whole process: one compartment, its copies of the shared memory's cursors, and its private buffers. */
struct shell {
    const struct compartment_type *type;
    void *state;
    struct shared *shared;
    struct ring_reader in;
    struct ring_writer out;
    struct arena arena;
    struct outbox outbox;
    uint8_t *frame; /* a frame is copied here before anybody looks at it */
    uint64_t now_us;
    uint64_t verdicts[VERDICT_COUNT];
    uint32_t spin;
};

static struct shell shell;
static struct shared_config config;

/* ------------------------------------------------------------ start */

static void memory_prepare(void)
{
    if (config.memory_bytes < shell.type->arena_bytes)
        shell_fail("cannot start", "less memory is configured than this compartment needs");
    arena_init(&shell.arena, start_memory(config.memory_bytes, "cannot reserve the configured memory"),
               config.memory_bytes);
    shell.outbox.cap = OUTBOX_MIN_BYTES + RUN_OUTPUT_MAX;
    shell.outbox.data = start_memory(shell.outbox.cap, "cannot reserve memory for output");
    shell.frame = start_memory(FRAME_MAX, "cannot reserve memory for input");
}

/* ------------------------------------------------------------ run */

static _Noreturn void ring_is_broken(const char *which)
{
    shell_fail("malformed ring", which);
}

static void out_publish(void)
{
    if (ring_publish(&shell.out))
        host_notify(shell.shared, EVENT_FD);
}

/* Has the host made room since the ring was found full? */
static bool room_appeared(uint64_t seen)
{
    return atomic_load_explicit(&shell.out.ring->tail, memory_order_seq_cst) != seen;
}

static void wait_for_room(void)
{
    uint64_t seen = shell.out.tail;
    out_publish();
    bell_announce(&shell.shared->bell, BELL_WANTS_ROOM);
    if (room_appeared(seen))
        bell_call_off(&shell.shared->bell);
    else
        bell_sleep(&shell.shared->bell, BELL_WANTS_ROOM);
}

static void out_drain(void)
{
    size_t at = 0;
    struct slice frame;
    while (outbox_next(&shell.outbox, &at, &frame)) {
        enum ring_status status;
        while ((status = ring_write(&shell.out, &frame, 1, 0)) == RING_NOTHING)
            wait_for_room();
        if (status == RING_BROKEN)
            ring_is_broken("out");
    }
    shell.outbox.len = 0;
    out_publish();
}

static void in_release(void)
{
    if (!ring_release(&shell.in))
        return;
    struct shared *shared = shell.shared;
    if (atomic_load_explicit(&shared->host_wants_room, memory_order_seq_cst) != 0 &&
        atomic_exchange_explicit(&shared->host_wants_room, 0, memory_order_seq_cst) != 0)
        host_notify(shared, EVENT_FD);
}

static void step(const struct ring_frame *frame)
{
    ring_copy(shell.frame, frame);
    const struct compartment_input input = {
        .frame = shell.frame,
        .len = frame->len,
        .local = (frame->flags & RING_LOCAL) != 0,
        .now_us = shell.now_us,
    };
    enum verdict verdict = shell.type->step(shell.state, &input, &shell.outbox);
    if ((unsigned)verdict < VERDICT_COUNT)
        atomic_store_explicit(&shell.shared->verdicts[verdict], ++shell.verdicts[verdict],
                              memory_order_relaxed);
}

/* One run. Returns true when there is more to do. */
static bool run(void)
{
    if (ring_refresh(&shell.in) != RING_OK)
        ring_is_broken("in");
    uint64_t now_us = atomic_load_explicit(&shell.shared->now_us, memory_order_relaxed);
    if (now_us > shell.now_us)
        shell.now_us = now_us;

    struct ring_frame frame;
    enum ring_status status = RING_OK;
    for (unsigned i = 0; i < RUN_FRAMES_MAX && shell.outbox.len < RUN_OUTPUT_MAX; i++) {
        status = ring_read(&shell.in, &frame);
        if (status != RING_OK)
            break;
        step(&frame);
    }
    if (status == RING_BROKEN)
        ring_is_broken("in");
    in_release();
    /* flush wants as much room as a step. */
    if (shell.outbox.len > RUN_OUTPUT_MAX)
        out_drain();
    bool more = shell.type->flush(shell.state, shell.now_us, &shell.outbox);
    out_drain();
    return more || shell.in.tail != shell.in.head;
}

static bool input_waits(void)
{
    return atomic_load_explicit(&shell.in.ring->head, memory_order_seq_cst) != shell.in.head;
}

static void wait_for_input(void)
{
    for (uint32_t i = 0; i < shell.spin; i++) {
        if (input_waits())
            return;
        bell_pause();
    }
    bell_announce(&shell.shared->bell, BELL_WANTS_INPUT);
    if (input_waits())
        bell_call_off(&shell.shared->bell);
    else
        bell_sleep(&shell.shared->bell, BELL_WANTS_INPUT);
}

static _Noreturn void serve(void)
{
    for (;;) {
        while (run())
            ;
        wait_for_input();
    }
}

/* ------------------------------------------------------------ entry */

static void init(const struct shell_service *service)
{
    struct compartment_config given = {
        .kind = shell.type->kind,
        .replica = config.replica,
        .epoch = config.epoch,
        .one_domain = config.one_domain != 0,
        .keeps_stable = config.keeps_stable != 0,
        .durable = config.durable != 0,
        .service = service->service,
        .apart = service->apart,
        .service_options = config.service_options,
        .troxy = service->troxy,
    };
    memcpy(given.admin_public, config.admin_public, sizeof given.admin_public);
    memcpy(given.sealing_secret, config.sealing_secret, sizeof given.sealing_secret);
    memcpy(given.domain_seed, config.domain_seed, sizeof given.domain_seed);
    shell.now_us = atomic_load_explicit(&shell.shared->now_us, memory_order_relaxed);
    shell.state = shell.type->init(&shell.arena, &given, &shell.outbox);
    crypto_wipe(given.sealing_secret, sizeof given.sealing_secret);
    crypto_wipe(config.sealing_secret, sizeof config.sealing_secret);
    crypto_wipe(given.domain_seed, sizeof given.domain_seed);
    crypto_wipe(config.domain_seed, sizeof config.domain_seed);
    if (!shell.state)
        shell_fail("cannot start", "the compartment refused its configuration");
    out_drain();
    atomic_store_explicit(&shell.shared->ready, 1, memory_order_seq_cst);
    host_notify(shell.shared, EVENT_FD);
}

int shell_run(const struct compartment_type *type, const struct shell_service *service)
{
    struct shared *shared = start_process(&config, type->kind);
    if (!shared)
        return start_say(type->kind);
    shell.type = type;
    shell.shared = shared;
    shell.spin = config.spin;
    ring_reader_init(&shell.in, shared_in(shared), RING_BYTES);
    ring_writer_init(&shell.out, shared_out(shared), RING_BYTES);
    memory_prepare();
    struct lockdown_doors doors = {
        .event_fd = EVENT_FD,
        .event_value = &host_notify_value,
        .futex_word = (const void *)&shared->bell,
        .host_pid = config.host_pid,
    };
    if (service->connect)
        service->connect(&doors, config.spin);
    atomic_store_explicit(&shared->sandbox, lockdown(&doors), memory_order_relaxed);
    init(service);
    serve();
}

int shell_main(const struct compartment_type *type, const struct redoubt_service *service)
{
    return shell_run(type, &(struct shell_service){.service = service});
}
