/*
 * What a compartment costs without its work: the hop to an echo and back, by isolation, placement and batch.
 * Prints figures and judges nothing. This program is also the compartment's binary.
 */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "compartment.h"
#include "echo_compartment.h"
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

static double now_us(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((unsigned)core, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0)
        perror("sched_setaffinity");
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

enum waiting { POLLS, LOOKS };

/* Sends `batch` frames, takes as many; waits in poll, or looks again and again. */
static void round_trip(struct compartment *c, const uint8_t *data, size_t len, unsigned batch,
                       enum waiting waiting)
{
    struct slice part = {data, len}, frame;
    for (unsigned i = 0; i < batch; i++)
        CHECK(compartment_give(c, &part, 1, false));
    compartment_kick(c, 1);
    for (unsigned taken = 0; taken < batch;) {
        if (compartment_take(c, &frame)) {
            taken++;
            continue;
        }
        if (waiting == POLLS && compartment_fd(c) >= 0) {
            struct pollfd fd = {.fd = compartment_fd(c), .events = POLLIN};
            poll(&fd, 1, compartment_before_poll(c) ? 0 : 1000);
            compartment_after_poll(c);
        }
    }
}

static double cpu_of(pid_t pid)
{
    clockid_t clock;
    return pid > 0 && clock_getcpuclockid(pid, &clock) == 0 ? now_us(clock) : 0;
}

static void measure(const char *name, struct compartment_spec spec, unsigned batch, size_t len,
                    enum waiting waiting)
{
    struct compartment *c;
    char error[512];
    if (compartment_open(&c, &spec, error, sizeof error) < 0) {
        printf("%-46s %s\n", name, error);
        return;
    }
    enum { ROUNDS = 20000 };
    static double took[ROUNDS];
    uint8_t *data = calloc(1, len);
    unsigned rounds = batch > 16 ? ROUNDS / 8 : ROUNDS;
    struct slice frame;
    data[0] = ECHO_BACK;
    while (!compartment_take(c, &frame))
        ;
    for (unsigned i = 0; i < rounds / 10; i++)
        round_trip(c, data, len, batch, waiting);
    double cpu = now_us(CLOCK_PROCESS_CPUTIME_ID) + cpu_of(compartment_pid(c));
    for (unsigned i = 0; i < rounds; i++) {
        double start = now_us(CLOCK_MONOTONIC);
        round_trip(c, data, len, batch, waiting);
        took[i] = now_us(CLOCK_MONOTONIC) - start;
    }
    cpu = now_us(CLOCK_PROCESS_CPUTIME_ID) + cpu_of(compartment_pid(c)) - cpu;
    qsort(took, rounds, sizeof took[0], compare);
    printf("%-46s %5u %6zu  %8.2f %8.2f %8.2f  %8.2f %8.3f\n", name, batch, len, took[rounds / 2],
           took[rounds * 9 / 10], took[rounds * 99 / 100], cpu / rounds, took[rounds / 2] / batch);
    fflush(stdout);
    free(data);
    compartment_close(c);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "compartment") == 0) {
        is_compartment = true;
        return shell_main(&echo_type, NULL);
    }
    static char path[4096];
    if (readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        return 1;
    struct compartment_spec called = {.kind = KIND_PREPARATION,
                                      .isolation = ISOLATION_INLINE,
                                      .type = &echo_type,
                                      .binary = path,
                                      .memory_bytes = 4u << 20,
                                      .core = -1,
                                      .config = {.service_options = ""}};
    struct compartment_spec same = called, other = called, spinning = called;
    same.isolation = other.isolation = spinning.isolation = ISOLATION_PROCESS;
    same.core = 0;
    other.core = spinning.core = 1;
    spinning.spin = true;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    pin(0);

    double start = now_us(CLOCK_MONOTONIC);
    char error[512];
    for (int i = 0; i < 10; i++) {
        struct compartment *c;
        if (compartment_open(&c, &same, error, sizeof error) < 0) {
            printf("%s\n", error);
            return 1;
        }
        if (i == 0)
            printf("sandbox: %s; resident at start: %zu KiB\n", compartment_sandbox(c),
                   compartment_resident_bytes(c) / 1024);
        compartment_close(c);
    }
    printf("start and end of a compartment: %.1f ms\n\n", (now_us(CLOCK_MONOTONIC) - start) / 1e4);

    printf("%-46s %5s %6s  %8s %8s %8s  %8s %8s\n", "round trip, microseconds", "batch", "bytes", "p50",
           "p90", "p99", "cpu", "p50/frm");
    static const unsigned batches[] = {1, 8, 64, 256};
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        measure("inline", called, batches[i], 200, LOOKS);
        measure("process, same core", same, batches[i], 200, POLLS);
        if (cores > 1) {
            measure("process, other core, both sleep", other, batches[i], 200, POLLS);
            measure("process, other core, spins; host sleeps", spinning, batches[i], 200, POLLS);
            measure("process, other core, both spin", spinning, batches[i], 200, LOOKS);
        }
    }
    measure("inline", called, 8, 65536, LOOKS);
    measure("process, same core", same, 8, 65536, POLLS);
    measure("process, same core", same, 1, 1u << 20, POLLS);
    return 0;
}
