/*
 * A compartment behind both isolations: frames pass in order, and under `process` everything that the sandbox
 * forbids ends the compartment and is noticed, with its reason. This program is also the compartment's
 * binary.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "compartment.h"
#include "echo_compartment.h"
#include "shell/shared.h"
#include "shell/shell.h"
#include "shell/words.h"

static bool is_compartment;

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    if (is_compartment)
        shell_check_failed(expression, file, line);
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expression);
    abort();
}

/* ------------------------------------------------------------ helpers */

static char self_path[4096];

static struct compartment_spec spec_for(enum isolation isolation)
{
    return (struct compartment_spec){
        .kind = KIND_PREPARATION,
        .isolation = isolation,
        .type = &echo_type,
        .binary = self_path,
        .config = {.replica = 2, .epoch = 77, .service_options = "size=9"},
        .memory_bytes = 4u << 20,
        .core = -1,
    };
}

static struct compartment *open_one(const struct compartment_spec *spec)
{
    struct compartment *c;
    char error[512] = "";
    if (compartment_open(&c, spec, error, sizeof error) < 0)
        fail_msg("%s", error);
    return c;
}

/* Waits as a loop would, through the descriptors and flags. */
static void poll_once(struct compartment *c, int timeout_ms)
{
    struct pollfd fds[2] = {{.fd = compartment_fd(c), .events = POLLIN},
                            {.fd = compartment_death_fd(c), .events = POLLIN}};
    poll(fds, 2, compartment_before_poll(c) ? 0 : timeout_ms);
    compartment_after_poll(c);
}

/* The next frame, or false when it died or nothing came for five seconds. */
static bool await(struct compartment *c, struct slice *frame)
{
    for (int i = 0; i < 50; i++) {
        if (compartment_take(c, frame))
            return true;
        if (!compartment_alive(c))
            return compartment_take(c, frame);
        poll_once(c, 100);
    }
    return false;
}

static void give(struct compartment *c, const void *data, size_t len)
{
    struct slice part = {data, len};
    assert_true(compartment_give(c, &part, 1, false));
}

static void expect_frame(struct compartment *c, const void *data, size_t len)
{
    struct slice frame;
    assert_true(await(c, &frame));
    assert_int_equal(frame.len, len);
    assert_memory_equal(frame.data, data, len);
}

static void expect_hello(struct compartment *c)
{
    expect_frame(c, "hello", 5);
}

/* Gives a command that must kill; returns what is said about the dead. */
static const char *dies_of(struct compartment *c, const void *data, size_t len)
{
    struct slice frame;
    expect_hello(c);
    give(c, data, len);
    compartment_kick(c, 1);
    while (await(c, &frame))
        fail_msg("it lived on and answered %zu bytes", frame.len);
    assert_false(compartment_alive(c));
    return compartment_obituary(c);
}

static void assert_contains(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" does not contain \"%s\"", text, part);
}

static bool widened(const struct compartment *c)
{
    return strstr(compartment_sandbox(c), "sanitizer") != NULL;
}

/* ------------------------------------------------------------ both isolations */

static void for_both(void (*test)(enum isolation isolation))
{
    test(ISOLATION_INLINE);
    test(ISOLATION_PROCESS);
}

static void basics(enum isolation isolation)
{
    struct compartment_spec spec = spec_for(isolation);
    struct compartment *c = open_one(&spec);
    struct slice frame;
    expect_hello(c);
    assert_false(compartment_take(c, &frame));

    give(c, "early", 5);
    assert_false(compartment_take(c, &frame)); /* not kicked */
    struct slice parts[] = {{(const uint8_t *)"e", 1}, {(const uint8_t *)"cho", 3}};
    assert_true(compartment_give(c, parts, 2, true));
    compartment_kick(c, 5);
    expect_frame(c, "early", 5);
    expect_frame(c, "echo", 4);

    struct echo_info info;
    for (int local = 0; local < 2; local++) {
        struct slice command = {(const uint8_t *)"i", 1};
        assert_true(compartment_give(c, &command, 1, local != 0));
        compartment_kick(c, UINT64_MAX - 10 + (uint64_t)local);
        assert_true(await(c, &frame));
        assert_int_equal(frame.len, sizeof info);
        memcpy(&info, frame.data, sizeof info);
        assert_int_equal(info.local, local);
        assert_int_equal(info.now_us, UINT64_MAX - 10 + (uint64_t)local);
        assert_int_equal(info.replica, 2);
        assert_int_equal(info.epoch, 77);
        assert_string_equal(info.options, "size=9");
    }
    give(c, "i", 1);
    compartment_kick(c, 3); /* time never runs backwards */
    assert_true(await(c, &frame));
    memcpy(&info, frame.data, sizeof info);
    assert_int_equal(info.now_us, UINT64_MAX - 9);

    give(c, "v", 1);
    give(c, "", 0);
    give(c, "e", 1);
    compartment_kick(c, 4);
    expect_frame(c, "e", 1);
    assert_int_equal(compartment_verdicts(c, VERDICT_ACCEPT), 6);
    assert_int_equal(compartment_verdicts(c, VERDICT_BAD_MAC), 1);
    assert_int_equal(compartment_verdicts(c, VERDICT_MALFORMED), 1);
    assert_true(compartment_alive(c));
    assert_string_equal(compartment_obituary(c), "");
    assert_true(compartment_resident_bytes(c) > 0);
    struct digest measured;
    assert_int_equal(measure_file(&measured, self_path), 0);
    assert_memory_equal(compartment_measurement(c), &measured, sizeof measured);
    compartment_close(c);
}

static void frames_pass_and_are_counted(void **state)
{
    (void)state;
    for_both(basics);
}

/* Numbered frames of changing size; the reader checks that each comes once and in order. */
static void million(enum isolation isolation)
{
    struct compartment_spec spec = spec_for(isolation);
    struct compartment *c = open_one(&spec);
    const uint32_t total = 1000000;
    uint32_t given = 0, taken = 0;
    uint8_t data[256] = {ECHO_BACK};
    struct slice frame;
    expect_hello(c);
    while (taken < total) {
        for (uint32_t i = 0; i < 1 + given % 700 && given < total; i++) {
            struct slice part = {data, 8 + given % 200};
            memcpy(data + 4, &given, sizeof given);
            if (!compartment_give(c, &part, 1, false))
                break;
            given++;
        }
        compartment_kick(c, given);
        if (taken % 7 == 0 || given == total)
            poll_once(c, 1000);
        while (compartment_take(c, &frame)) {
            uint32_t number;
            memcpy(&number, frame.data + 4, sizeof number);
            assert_int_equal(number, taken);
            assert_int_equal(frame.len, 8 + taken % 200);
            taken++;
        }
        assert_true(compartment_alive(c));
    }
    assert_int_equal(compartment_verdicts(c, VERDICT_ACCEPT), total);
    assert_false(compartment_take(c, &frame));
    compartment_close(c);
}

static void a_million_frames_pass_in_order(void **state)
{
    (void)state;
    for_both(million);
}

/* More output than the ring holds: the compartment waits for the host, the host never for it. */
static void burst(enum isolation isolation)
{
    struct compartment_spec spec = spec_for(isolation);
    struct compartment *c = open_one(&spec);
    static const struct echo_burst bursts[] = {{.command = ECHO_BURST, .count = 20, .len = FRAME_MAX},
                                               {.command = ECHO_BURST, .count = 200000, .len = 300},
                                               {.command = ECHO_BURST, .count = 50, .len = 1000001}};
    struct slice frame;
    expect_hello(c);
    for (size_t b = 0; b < sizeof bursts / sizeof bursts[0]; b++) {
        give(c, &bursts[b], sizeof bursts[b]);
        compartment_kick(c, 1);
        for (uint32_t i = 0; i < bursts[b].count; i++) {
            uint32_t number;
            assert_true(await(c, &frame));
            assert_int_equal(frame.len, bursts[b].len);
            memcpy(&number, frame.data, sizeof number);
            assert_int_equal(number, i);
            assert_int_equal(frame.data[frame.len - 1], i & 0xff);
        }
        assert_false(compartment_take(c, &frame));
    }
    compartment_close(c);
}

static void more_output_than_the_ring_holds(void **state)
{
    (void)state;
    for_both(burst);
}

/* Input that does not fit is refused whole, and the host hears when there is room again. */
static void full(enum isolation isolation)
{
    struct compartment_spec spec = spec_for(isolation);
    struct compartment *c = open_one(&spec);
    uint8_t *big = calloc(1, FRAME_MAX);
    struct slice part = {big, FRAME_MAX - 8}, frame;
    big[0] = ECHO_SINK;
    expect_hello(c);
    for (int round = 0; round < 5; round++) {
        unsigned given = 0;
        while (compartment_give(c, &part, 1, false))
            given++;
        assert_true(given >= 1 && given <= 2);
        compartment_kick(c, 1);
        bool again = false;
        for (int i = 0; i < 50 && !again; i++) {
            poll_once(c, 100);
            again = compartment_give(c, &part, 1, false);
        }
        assert_true(again);
        give(c, "e", 1);
        compartment_kick(c, 2);
        assert_true(await(c, &frame));
        assert_int_equal(frame.len, 1);
    }
    free(big);
    compartment_close(c);
}

static void a_full_ring_is_no_deadlock(void **state)
{
    (void)state;
    for_both(full);
}

static void too_little_memory(enum isolation isolation)
{
    struct compartment *c;
    char error[512];
    struct compartment_spec spec = spec_for(isolation);
    spec.memory_bytes = 4096;
    assert_true(compartment_open(&c, &spec, error, sizeof error) < 0);
    assert_contains(error, "memory");
    assert_null(c);
    spec = spec_for(isolation);
    spec.config.epoch = 666;
    assert_true(compartment_open(&c, &spec, error, sizeof error) < 0);
    assert_contains(error, "refused its configuration");
}

static void a_wrong_start_is_one_clear_line(void **state)
{
    (void)state;
    for_both(too_little_memory);

    struct compartment *c;
    char error[512], long_options[SERVICE_OPTIONS_MAX + 1];
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    spec.binary = "/nowhere/redoubt-preparation";
    assert_int_equal(compartment_open(&c, &spec, error, sizeof error), -ENOENT);
    assert_contains(error, "/nowhere/redoubt-preparation: No such file");
    spec.binary = "/etc/passwd";
    assert_int_equal(compartment_open(&c, &spec, error, sizeof error), -EACCES);
    assert_contains(error, "cannot start /etc/passwd");
    spec.binary = "/bin/true"; /* no compartment */
    assert_true(compartment_open(&c, &spec, error, sizeof error) < 0);
    assert_contains(error, "/bin/true did not start: exited with status 0");
    spec = spec_for(ISOLATION_PROCESS);
    spec.kind = KIND_EXECUTION;
    assert_true(compartment_open(&c, &spec, error, sizeof error) < 0);
    assert_contains(error, "last words: wrong binary: preparation");
    spec = spec_for(ISOLATION_PROCESS);
    spec.core = 1000;
    assert_true(compartment_open(&c, &spec, error, sizeof error) < 0);
    assert_contains(error, "cannot run on the core asked for");
    spec = spec_for(ISOLATION_PROCESS);
    memset(long_options, 'x', sizeof long_options - 1);
    long_options[sizeof long_options - 1] = '\0';
    spec.config.service_options = long_options;
    assert_true(compartment_open(&c, &spec, error, sizeof error) < 0);
    assert_contains(error, "service_options");
    spec = spec_for(ISOLATION_INLINE);
    spec.kind = KIND_EXECUTION;
    assert_true(compartment_open(&c, &spec, error, sizeof error) < 0);
    assert_contains(error, "execution: no such compartment");
}

static void started_by_hand_it_says_what_it_is(void **state)
{
    (void)state;
    char command[8192], text[512];
    snprintf(command, sizeof command, "'%s' compartment 2>&1 </dev/null", self_path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t got = fread(text, 1, sizeof text - 1, pipe);
    text[got] = '\0';
    int status = pclose(pipe);
    assert_int_equal(WEXITSTATUS(status), 2);
    assert_contains(text, "this is a compartment (preparation) of a Redoubt replica");
}

/* ------------------------------------------------------------ process */

static void its_sandbox_is_as_it_says(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    spec.core = 0;
    spec.spin = true;
    struct compartment *c = open_one(&spec);
    char path[64], line[256];
    unsigned seen = 0;
    assert_contains(compartment_sandbox(c), "seccomp");
    snprintf(path, sizeof path, "/proc/%d/status", (int)compartment_pid(c));
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char name[64];
        unsigned long long value;
        if (sscanf(line, "%63[^:]: %llx", name, &value) != 2)
            continue;
        if (strcmp(name, "CapEff") == 0 || strcmp(name, "CapPrm") == 0)
            assert_true(value == 0 && ++seen);
        if (strcmp(name, "NoNewPrivs") == 0)
            assert_true(value == 1 && ++seen);
        if (strcmp(name, "Seccomp") == 0)
            assert_true(value == 2 && ++seen);
        if (strcmp(name, "Cpus_allowed") == 0)
            assert_true(value == 1 && ++seen);
        if (strcmp(name, "Uid") == 0 && geteuid() == 0 && strstr(compartment_sandbox(c), "own uid"))
            assert_true(value != 0 && ++seen);
    }
    fclose(file);
    assert_true(seen >= 5);
    compartment_close(c);
}

static void two_draw_different_randomness(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    uint8_t drawn[4][4096];
    for (int i = 0; i < 2; i++) {
        struct compartment *c = open_one(&spec);
        struct slice frame;
        expect_hello(c);
        for (int j = 0; j < 2; j++) {
            give(c, "r", 1);
            compartment_kick(c, 1);
            assert_true(await(c, &frame));
            assert_int_equal(frame.len, sizeof drawn[0]);
            memcpy(drawn[i * 2 + j], frame.data, frame.len);
        }
        compartment_close(c);
    }
    unsigned bits = 0;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_memory_not_equal(drawn[i], drawn[j], sizeof drawn[0]);
    for (size_t i = 0; i < sizeof drawn[0]; i++)
        bits += (unsigned)__builtin_popcount(drawn[0][i]);
    assert_true(bits > 15800 && bits < 16968); /* 32768 fair coins, six standard deviations */
}

struct forbidden {
    const char *name;
    int64_t call[5];
};

static void forbidden_system_calls_kill(void **state)
{
    (void)state;
    static const char path[] = "/etc/passwd";
    static const uint32_t word = 0;
    const struct forbidden calls[] = {
        {"open", {SYS_openat, AT_FDCWD, (int64_t)(uintptr_t)path, O_RDONLY, 0}},
        {"socket", {SYS_socket, 2, 1, 0, 0}},
        {"clone", {SYS_clone, SIGCHLD, 0, 0, 0}},
        {"execve", {SYS_execve, (int64_t)(uintptr_t)path, 0, 0, 0}},
        {"kill the host", {SYS_kill, getpid(), 0, 0, 0}},
        {"ptrace", {SYS_ptrace, 0, 0, 0, 0}},
        {"getrandom", {SYS_getrandom, 0, 0, 0, 0}},
        {"memfd_create", {SYS_memfd_create, (int64_t)(uintptr_t)path, 0, 0, 0}},
        {"prctl", {SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0}},
        {"read", {SYS_read, EVENT_FD, 0, 0, 0}},
        {"process_vm_readv", {SYS_process_vm_readv, 1, 0, 0, 0}},
        {"io_uring_setup", {425, 1, 0, 0, 0}},
        {"32-bit number space", {0x40000000 | SYS_getpid, 0, 0, 0, 0}},
    };
    const struct forbidden unless_sanitized[] = {
        {"write elsewhere", {SYS_write, 2, (int64_t)(uintptr_t)path, 1, 0}},
        {"write something else", {SYS_write, EVENT_FD, (int64_t)(uintptr_t)path, 8, 0}},
        {"futex wake", {SYS_futex, (int64_t)(uintptr_t)&word, 1, 1, 0}},
        {"mmap", {SYS_mmap, 0, 4096, 3, 0x22}},
        {"mprotect", {SYS_mprotect, 0, 4096, 7, 0}},
        {"getpid", {SYS_getpid, 0, 0, 0, 0}},
        {"clock_gettime", {SYS_clock_gettime, 0, 0, 0, 0}},
    };
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    bool wide = false;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0] + sizeof unless_sanitized / sizeof calls[0]; i++) {
        size_t first = sizeof calls / sizeof calls[0];
        const struct forbidden *call = i < first ? &calls[i] : &unless_sanitized[i - first];
        if (i >= first && wide)
            break;
        struct compartment *c = open_one(&spec);
        wide = widened(c);
        struct echo_syscall command = {.command = ECHO_SYSCALL, .number = call->call[0]};
        memcpy(command.argument, call->call + 1, sizeof command.argument);
        const char *obituary = dies_of(c, &command, sizeof command);
        if (!strstr(obituary, "forbidden system call"))
            fail_msg("%s: %s", call->name, obituary);
        compartment_close(c);
    }
}

static void its_own_bugs_leave_last_words(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    struct compartment *c = open_one(&spec);
    const char *obituary = dies_of(c, "c", 1);
    assert_contains(obituary, "exited with status 70; last words: check failed: in->len == 0 (");
    assert_contains(obituary, "echo_compartment.c:");
    compartment_close(c);

    c = open_one(&spec);
    assert_contains(dies_of(c, "a", 1), "check failed: arena_alloc"); /* infinite memory, from the arena */
    compartment_close(c);
    c = open_one(&spec);
    bool wide = widened(c);
    assert_contains(dies_of(c, "x", 1), "exited with status 3");
    compartment_close(c);
    if (wide)
        return;
    c = open_one(&spec);
    assert_contains(dies_of(c, "m", 1), "forbidden system call"); /* infinite memory, from the kernel */
    compartment_close(c);
    c = open_one(&spec);
    assert_contains(dies_of(c, "n", 1), "signal 11");
    compartment_close(c);
}

static void a_kill_is_noticed(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    struct compartment *c = open_one(&spec);
    struct slice frame;
    expect_hello(c);
    pid_t pid = compartment_pid(c);
    struct pollfd death = {.fd = compartment_death_fd(c), .events = POLLIN};
    assert_int_equal(poll(&death, 1, 0), 0);
    kill(pid, SIGKILL);
    assert_int_equal(poll(&death, 1, 5000), 1);
    assert_false(compartment_alive(c));
    assert_contains(compartment_obituary(c), "killed by signal 9");
    assert_false(compartment_take(c, &frame));
    struct slice part = {(const uint8_t *)"e", 1};
    assert_false(compartment_give(c, &part, 1, false));
    compartment_kick(c, 1);
    compartment_before_poll(c);
    compartment_after_poll(c);
    compartment_close(c);
    assert_int_equal(kill(pid, 0), -1); /* reaped */
}

/* A stop and a continue restart the futex call; that must not need another system call. */
static void a_stop_is_survived(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    struct compartment *c = open_one(&spec);
    expect_hello(c);
    for (int i = 0; i < 20; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* it sleeps by now */
        kill(compartment_pid(c), SIGSTOP);
        if (i % 2)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        kill(compartment_pid(c), SIGCONT);
        give(c, "e", 1);
        compartment_kick(c, 1);
        expect_frame(c, "e", 1);
    }
    compartment_close(c);
}

/* A host looks several times before it polls. What was rung for between two looks must not leave the eventfd readable, or it never sleeps again. */
static void it_can_sleep_after_several_looks(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    struct compartment *c = open_one(&spec);
    struct slice frame;
    expect_hello(c);
    poll_once(c, 0);
    assert_false(compartment_before_poll(c));
    give(c, "e", 1);
    compartment_kick(c, 1);
    struct pollfd rung = {.fd = compartment_fd(c), .events = POLLIN};
    assert_int_equal(poll(&rung, 1, 5000), 1); /* the answer is there, and it was rung for */
    assert_true(compartment_before_poll(c));
    assert_true(await(c, &frame));
    poll_once(c, 0);
    assert_int_equal(poll(&rung, 1, 0), 0);
    compartment_close(c);
}

static void an_endless_loop_blocks_nobody(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    struct compartment *c = open_one(&spec);
    expect_hello(c);
    give(c, "l", 1);
    struct slice part = {(const uint8_t *)"eeeeeeee", 8}, frame;
    while (compartment_give(c, &part, 1, false))
        compartment_kick(c, 1);
    assert_true(compartment_alive(c));
    assert_false(compartment_take(c, &frame));
    compartment_close(c);
}

/* It ends when its host does: a host in a child process opens one and is killed. */
static void it_does_not_outlive_its_host(void **state)
{
    (void)state;
    int channel[2];
    assert_int_equal(pipe(channel), 0);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    pid_t host = fork();
    if (host == 0) {
        struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
        struct compartment *c;
        char error[512];
        pid_t pid = compartment_open(&c, &spec, error, sizeof error) == 0 ? compartment_pid(c) : -1;
        ssize_t written = write(channel[1], &pid, sizeof pid);
        (void)written;
        for (;;)
            pause();
    }
    pid_t pid = -1;
    assert_int_equal(read(channel[0], &pid, sizeof pid), sizeof pid);
    assert_true(pid > 0);
    kill(host, SIGKILL);
    int status = 0;
    assert_int_equal(waitpid(host, &status, 0), host);
    assert_int_equal(waitpid(pid, &status, 0), pid); /* ours now; would hang if it lived on */
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    close(channel[0]);
    close(channel[1]);
}

/* ------------------------------------------------------------ hostile memory */

/* The shared memory of the only compartment, found as an attacker of this process would. */
static struct shared *find_shared(void)
{
    char line[512];
    unsigned long long start = 0;
    FILE *file = fopen("/proc/self/maps", "r");
    assert_non_null(file);
    while (start == 0 && fgets(line, sizeof line, file))
        if (strstr(line, "redoubt-compartment"))
            assert_int_equal(sscanf(line, "%llx", &start), 1);
    fclose(file);
    assert_true(start != 0);
    return (struct shared *)(uintptr_t)start;
}

static void a_hostile_host_costs_the_compartment(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    struct slice frame;
    for (int kind = 0; kind < 3; kind++) {
        struct compartment *c = open_one(&spec);
        expect_hello(c);
        struct shared *shared = find_shared();
        if (kind == 0) /* cursor beyond the ring */
            shared_in(shared)->head += RING_BYTES + 8;
        if (kind == 1) { /* length beyond the cursor */
            give(c, "eeeeeeee", 8);
            shared_in(shared)->data[0] = 4000;
        }
        struct slice part = {(const uint8_t *)"e", 1};
        if (kind == 1)
            compartment_give(c, &part, 1, false);
        compartment_kick(c, 1);
        if (kind == 0) { /* nothing was published, so it is woken by hand */
            shared->bell = 0;
            syscall(SYS_futex, &shared->bell, 1L /* FUTEX_WAKE */, 1L, NULL, NULL, 0L);
        }
        if (kind == 2) { /* pretends to have read what was never written; seen when it next looks for room */
            shared_out(shared)->tail += 1u << 30;
            static const struct echo_burst burst_command = {
                .command = ECHO_BURST, .count = 100, .len = 1000000};
            give(c, &burst_command, sizeof burst_command);
            compartment_kick(c, 1);
        }
        while (await(c, &frame))
            ;
        assert_contains(compartment_obituary(c), "last words: malformed ring");
        compartment_close(c);
    }
}

static void a_hostile_compartment_costs_itself(void **state)
{
    (void)state;
    struct compartment_spec spec = spec_for(ISOLATION_PROCESS);
    struct slice frame;
    for (int kind = 0; kind < 4; kind++) {
        struct compartment *c = open_one(&spec);
        expect_hello(c);
        assert_false(compartment_take(c, &frame));
        struct shared *shared = find_shared();
        struct ring *out = shared_out(shared);
        uint64_t at = out->head;
        if (kind == 0)
            out->head += RING_BYTES + 8;
        if (kind == 1) {
            out->data[at / 8] = 100000;
            out->head += 64;
        }
        if (kind == 2) { /* flags are not its to set */
            out->data[at / 8] = (uint64_t)RING_LOCAL << 32 | 8;
            out->head += 16;
        }
        if (kind == 3)
            shared_in(shared)->tail += 8;
        shared->last_words_len = UINT32_MAX;
        memset(shared->last_words, '\n', sizeof shared->last_words);
        if (kind == 3) {
            uint8_t *big = calloc(1, FRAME_MAX);
            struct slice part = {big, FRAME_MAX};
            assert_true(compartment_give(c, &part, 1, false));
            assert_false(compartment_give(c, &part, 1, false)); /* looks at the cursor, as there is no room */
            free(big);
        }
        if (kind < 3 && kind % 2)
            compartment_before_poll(c);
        assert_false(compartment_take(c, &frame));
        assert_false(compartment_alive(c));
        const char *obituary = compartment_obituary(c);
        assert_contains(obituary, "wrote nonsense to its ring; last words: ????");
        assert_null(strchr(obituary, '\n'));
        compartment_close(c);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "compartment") == 0) {
        is_compartment = true;
        return shell_main(&echo_type, NULL);
    }
    ssize_t len = readlink("/proc/self/exe", self_path, sizeof self_path - 1);
    if (len < 0)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_pass_and_are_counted),
        cmocka_unit_test(a_million_frames_pass_in_order),
        cmocka_unit_test(more_output_than_the_ring_holds),
        cmocka_unit_test(a_full_ring_is_no_deadlock),
        cmocka_unit_test(a_wrong_start_is_one_clear_line),
        cmocka_unit_test(started_by_hand_it_says_what_it_is),
        cmocka_unit_test(its_sandbox_is_as_it_says),
        cmocka_unit_test(two_draw_different_randomness),
        cmocka_unit_test(forbidden_system_calls_kill),
        cmocka_unit_test(its_own_bugs_leave_last_words),
        cmocka_unit_test(a_kill_is_noticed),
        cmocka_unit_test(a_stop_is_survived),
        cmocka_unit_test(it_can_sleep_after_several_looks),
        cmocka_unit_test(an_endless_loop_blocks_nobody),
        cmocka_unit_test(it_does_not_outlive_its_host),
        cmocka_unit_test(a_hostile_host_costs_the_compartment),
        cmocka_unit_test(a_hostile_compartment_costs_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
