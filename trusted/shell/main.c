#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "crypto/random.h"
#include "shell/bell.h"
#include "shell/lockdown.h"
#include "shell/memory.h"
#include "shell/shell.h"
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

/* NULL when this is not how a host starts us. */
static struct shared *shared_open(void)
{
    int seals = fcntl(SHARED_FD, F_GET_SEALS);
    struct stat stat;
    if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
        return NULL;
    if (fstat(SHARED_FD, &stat) != 0 || stat.st_size != (off_t)SHARED_BYTES)
        return NULL;
    struct shared *shared = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED_FD, 0);
    return shared == MAP_FAILED ? NULL : shared;
}

static int say_what_this_is(const struct compartment_type *type)
{
    static const char *const text[] = {
        "this is a compartment (",
        NULL,
        ") of a Redoubt replica; `redoubt replica` starts it, it does not run alone\n",
    };
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        const char *part = text[i] ? text[i] : kind_name(type->kind);
        ssize_t written = write(STDERR_FILENO, part, strlen(part));
        (void)written;
    }
    return 2;
}

/* One copy; after this the shared one is not looked at again. */
static void config_read(struct shared *shared)
{
    memcpy(&config, &shared->config, sizeof config);
    crypto_wipe(shared->config.sealing_secret, sizeof shared->config.sealing_secret);
    config.service_options[SERVICE_OPTIONS_MAX - 1] = '\0';
    if (config.magic != SHARED_MAGIC)
        shell_fail("host and compartment are not of the same build", NULL);
}

static void pin_to_core(int core)
{
    cpu_set_t set;
    if (core < 0)
        return;
    CPU_ZERO(&set);
    if (core < CPU_SETSIZE)
        CPU_SET((unsigned)core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        shell_fail("cannot run on the core asked for", strerror(errno));
}

static void *map_or_fail(size_t bytes, const char *what)
{
    void *memory = memory_map(bytes);
    if (!memory)
        shell_fail(what, strerror(errno));
    return memory;
}

static void memory_prepare(void)
{
    if (config.memory_bytes < shell.type->arena_bytes)
        shell_fail("cannot start", "less memory is configured than this compartment needs");
    arena_init(&shell.arena, map_or_fail(config.memory_bytes, "cannot reserve the configured memory"),
               config.memory_bytes);
    shell.outbox.cap = OUTBOX_MIN_BYTES + RUN_OUTPUT_MAX;
    shell.outbox.data = map_or_fail(shell.outbox.cap, "cannot reserve memory for output");
    shell.frame = map_or_fail(FRAME_MAX, "cannot reserve memory for input");
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
    bell_announce(shell.shared, BELL_WANTS_ROOM);
    if (room_appeared(seen))
        bell_call_off(shell.shared);
    else
        bell_sleep(shell.shared, BELL_WANTS_ROOM);
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

static void pause_a_little(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void wait_for_input(void)
{
    for (uint32_t i = 0; i < shell.spin; i++) {
        if (input_waits())
            return;
        pause_a_little();
    }
    bell_announce(shell.shared, BELL_WANTS_INPUT);
    if (input_waits())
        bell_call_off(shell.shared);
    else
        bell_sleep(shell.shared, BELL_WANTS_INPUT);
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

static void init(const struct redoubt_service *service)
{
    struct compartment_config given = {
        .kind = shell.type->kind,
        .replica = config.replica,
        .epoch = config.epoch,
        .one_domain = config.one_domain != 0,
        .durable = config.durable != 0,
        .service = service,
        .service_options = config.service_options,
    };
    memcpy(given.admin_public, config.admin_public, sizeof given.admin_public);
    memcpy(given.sealing_secret, config.sealing_secret, sizeof given.sealing_secret);
    shell.now_us = atomic_load_explicit(&shell.shared->now_us, memory_order_relaxed);
    shell.state = shell.type->init(&shell.arena, &given, &shell.outbox);
    crypto_wipe(given.sealing_secret, sizeof given.sealing_secret);
    crypto_wipe(config.sealing_secret, sizeof config.sealing_secret);
    if (!shell.state)
        shell_fail("cannot start", "the compartment refused its configuration");
    out_drain();
    atomic_store_explicit(&shell.shared->ready, 1, memory_order_seq_cst);
    host_notify(shell.shared, EVENT_FD);
}

int shell_main(const struct compartment_type *type, const struct redoubt_service *service)
{
    struct shared *shared = shared_open();
    if (!shared)
        return say_what_this_is(type);
    words_open(shared);
    config_read(shared);
    if (config.kind != (uint32_t)type->kind)
        shell_fail("wrong binary", kind_name(type->kind));
    pin_to_core(config.core);
    if (crypto_start() != 0 || crypto_random_alone() != 0)
        shell_fail("cannot start", "the cryptographic library does not work on this machine");

    shell.type = type;
    shell.shared = shared;
    shell.spin = config.spin;
    ring_reader_init(&shell.in, shared_in(shared), RING_BYTES);
    ring_writer_init(&shell.out, shared_out(shared), RING_BYTES);
    memory_prepare();
    const struct lockdown_doors doors = {
        .event_fd = EVENT_FD,
        .event_value = &host_notify_value,
        .futex_word = (const void *)&shared->bell,
        .host_pid = config.host_pid,
    };
    atomic_store_explicit(&shared->sandbox, lockdown(&doors), memory_order_relaxed);
    init(service);
    serve();
}
