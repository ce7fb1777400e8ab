/*
 * What the trusted counter of Hybster costs inside its compartment: a call (LOCAL-COUNT) of so many commands, or of so many certificates to
 * verify, decoded, carried out and answered; in-line, so without the hop, which bench_ring measures. Processor time of this thread, and
 * the fastest of some rounds, so that what else runs here does not count. Prints figures and judges nothing.
 *
 *     cmake --build BUILD --target bench_counter && BUILD/bench_counter
 */
#include <stdio.h>
#include <time.h>

#include "counter_world.h"

enum { ROUNDS = 40, CALLS = 200, BATCH_MAX = 256 };

static struct counter_world world;
static struct counter_under_test maker, verifier;
static uint64_t order;
static uint8_t list[BATCH_MAX * counter_check_BYTES], body[1 << 18], frame[1 << 18];

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expression);
    abort();
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static size_t call_frame(const struct local_count *m)
{
    const struct sender host = {KIND_HOST, 0, 1};
    struct writer b = writer_to(body, sizeof body);
    local_count_put(&b, m);
    return frame_encode(frame, sizeof frame, FRAME_LOCAL_COUNT, &host, AUTH_NONE, (struct slice){body, b.len},
                        COUNTER_NOTHING, COUNTER_NOTHING);
}

static struct counter_command next_command(enum trinx_kind kind)
{
    struct counter_command m = {.kind = (uint8_t)kind, .digest = {{7}}};
    if (kind != TRINX_MAC) {
        m.view = 1;
        m.order = ++order;
    }
    return m;
}

static size_t commands_frame(enum trinx_kind kind, unsigned batch)
{
    struct writer w = writer_to(list, sizeof list);
    for (unsigned i = 0; i < batch; i++) {
        struct counter_command m = next_command(kind);
        counter_command_put(&w, &m);
    }
    return call_frame(&(struct local_count){.commands = {list, w.len}});
}

static size_t checks_frame(unsigned batch)
{
    struct trinx_command command = {TRINX_INDEPENDENT, 0, 0, {1, 0}, {{7}}};
    struct trinx_certificate made;
    struct writer w = writer_to(list, sizeof list);
    for (unsigned i = 0; i < batch; i++) {
        command.value.order = ++order;
        CHECK(counter_certify(&maker, &command, &made) == VERDICT_ACCEPT);
        struct counter_check m = counter_check_of(&made, &command.digest);
        counter_check_put(&w, &m);
    }
    return call_frame(&(struct local_count){.checks = {list, w.len}});
}

/* Microseconds for each of a batch. `kind` 0: verifications. */
static double round_of(enum trinx_kind kind, unsigned batch)
{
    double took = 0;
    size_t len = kind ? 0 : checks_frame(batch);
    for (unsigned i = 0; i < CALLS; i++) {
        if (kind) /* values rise, so each call is another one; making it is the host's work */
            len = commands_frame(kind, batch);
        double start = now_us();
        CHECK(counter_give(kind ? &maker : &verifier, frame, len) == VERDICT_ACCEPT);
        took += now_us() - start;
    }
    return took / CALLS / batch;
}

static void measure(const char *name, enum trinx_kind kind, unsigned batch)
{
    double best = 1e9, sum = 0;
    for (unsigned i = 0; i < ROUNDS; i++) {
        double took = round_of(kind, batch);
        sum += took;
        best = took < best ? took : best;
    }
    printf("%-24s %5u  %8.2f  %8.2f\n", name, batch, best, sum / ROUNDS);
}

int main(void)
{
    static const unsigned batches[] = {1, 8, 64, 256};
    CHECK(crypto_start() == 0);
    counter_world_init(&world);
    counter_start(&maker, &world, 0, 1);
    counter_start(&verifier, &world, 1, 1);
    CHECK(counter_begin(&maker, &world, 1) == VERDICT_ACCEPT &&
          counter_begin(&verifier, &world, 1) == VERDICT_ACCEPT);
    printf("%-24s %5s  %8s  %8s\n", "microseconds for each", "batch", "best", "mean");
    for (size_t i = 0; i < sizeof batches / sizeof batches[0]; i++) {
        measure("Independent certificate", TRINX_INDEPENDENT, batches[i]);
        measure("Continuing certificate", TRINX_CONTINUING, batches[i]);
        measure("MAC", TRINX_MAC, batches[i]);
        measure("verification", 0, batches[i]);
    }
    counter_stop(&maker);
    counter_stop(&verifier);
    return 0;
}
