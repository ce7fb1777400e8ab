#include "echo_compartment.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "crypto/crypto.h"

#define BURST_PER_FLUSH_BYTES (5u * 1024u * 1024u)

struct echo {
    struct arena *arena;
    struct compartment_config config;
    struct echo_burst burst;
    uint32_t burst_done;
};

static void emit(struct outbox *out, const void *data, size_t len)
{
    memcpy(outbox_reserve(out, len), data, len);
    outbox_commit(out, len);
}

static void *echo_init(struct arena *arena, const struct compartment_config *config, struct outbox *out)
{
    if (config->epoch == 666) /* for the test of a refused configuration */
        return NULL;
    struct echo *echo = arena_take(arena, sizeof *echo);
    echo->arena = arena;
    echo->config = *config;
    struct sign_key key;
    sign_keypair(&key); /* needs randomness inside the sandbox */
    emit(out, "hello", 5);
    return echo;
}

static void tell(const struct echo *echo, const struct compartment_input *in, struct outbox *out)
{
    struct echo_info info = {.now_us = in->now_us,
                             .local = in->local,
                             .replica = echo->config.replica,
                             .epoch = echo->config.epoch};
    strncpy(info.options, echo->config.service_options, sizeof info.options - 1);
    emit(out, &info, sizeof info);
}

static void make_syscall(const struct compartment_input *in, struct outbox *out)
{
    struct echo_syscall call;
    CHECK(in->len == sizeof call);
    memcpy(&call, in->frame, sizeof call);
    long result =
        syscall(call.number, call.argument[0], call.argument[1], call.argument[2], call.argument[3]);
    (void)result;
    emit(out, in->frame, in->len);
}

static enum verdict echo_step(void *state, const struct compartment_input *in, struct outbox *out)
{
    struct echo *echo = state;
    uint8_t bytes[4096];
    if (in->len == 0)
        return VERDICT_MALFORMED;
    switch ((enum echo_command)in->frame[0]) {
    case ECHO_BACK:
        emit(out, in->frame, in->len);
        return VERDICT_ACCEPT;
    case ECHO_INFO:
        tell(echo, in, out);
        return VERDICT_ACCEPT;
    case ECHO_SINK:
        return VERDICT_ACCEPT;
    case ECHO_VERDICT:
        return VERDICT_BAD_MAC;
    case ECHO_RANDOM:
        crypto_random(bytes, sizeof bytes);
        emit(out, bytes, sizeof bytes);
        return VERDICT_ACCEPT;
    case ECHO_BURST:
        CHECK(in->len == sizeof echo->burst);
        memcpy(&echo->burst, in->frame, sizeof echo->burst);
        echo->burst_done = 0;
        return VERDICT_ACCEPT;
    case ECHO_CHECK:
        CHECK(in->len == 0);
        return VERDICT_ACCEPT;
    case ECHO_ARENA:
        while (arena_alloc(echo->arena, 65536))
            ;
        CHECK(arena_alloc(echo->arena, 65536) != NULL);
        return VERDICT_ACCEPT;
    case ECHO_SYSCALL:
        make_syscall(in, out);
        return VERDICT_ACCEPT;
    case ECHO_MALLOC:
        for (void *volatile memory; (memory = malloc(1 << 20)) != NULL;)
            memset(memory, 1, 1 << 20);
        return VERDICT_ACCEPT;
    case ECHO_NULL:
        *(volatile int *)(uintptr_t)(in->len - 1) = 1;
        return VERDICT_ACCEPT;
    case ECHO_LOOP:
        for (volatile int on = 1; on;)
            ;
        return VERDICT_ACCEPT;
    case ECHO_EXIT:
        _exit(3);
    }
    return VERDICT_MALFORMED;
}

static bool echo_flush(void *state, uint64_t now_us, struct outbox *out)
{
    struct echo *echo = state;
    (void)now_us;
    size_t sent = 0;
    while (echo->burst_done < echo->burst.count && sent + echo->burst.len + 8 <= BURST_PER_FLUSH_BYTES) {
        uint8_t *frame = outbox_reserve(out, echo->burst.len);
        memset(frame, (int)(echo->burst_done & 0xff), echo->burst.len);
        if (echo->burst.len >= sizeof echo->burst_done)
            memcpy(frame, &echo->burst_done, sizeof echo->burst_done);
        outbox_commit(out, echo->burst.len);
        echo->burst_done++;
        sent += echo->burst.len + 8;
    }
    return echo->burst_done < echo->burst.count;
}

static void echo_validate(const void *state)
{
    CHECK(state != NULL);
}

const struct compartment_type echo_type = {
    .kind = KIND_PREPARATION,
    .arena_bytes = 65536,
    .init = echo_init,
    .step = echo_step,
    .flush = echo_flush,
    .validate = echo_validate,
};
