#include "echo_conversation.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define LINE_MAX_BYTES 100000u

struct echo {
    struct conversation base;
    uint64_t submitted, told;
    bool closed;
};

unsigned echo_open;

static struct echo *echo_of(struct conversation *conversation)
{
    return (struct echo *)(void *)conversation;
}

static void say(struct conversation *c, const char *text, size_t len)
{
    const struct slice parts[] = {{(const uint8_t *)text, len}, {(const uint8_t *)"\n", 1}};
    c->front->write(c->front, c, parts, 2);
}

static void on_open(struct conversation *conversation)
{
    (void)conversation;
    echo_open++;
}

static void fill(struct conversation *c, size_t len)
{
    static char bytes[65536];
    memset(bytes, 'x', sizeof bytes);
    for (size_t here; len > sizeof bytes; len -= here) {
        const struct slice part = {(const uint8_t *)bytes, here = sizeof bytes};
        c->front->write(c->front, c, &part, 1);
    }
    say(c, bytes, len);
}

/* False: it is not taken now. */
static bool on_line(struct echo *echo, const char *line, size_t len)
{
    struct conversation *c = &echo->base;
    if (len == 4 && memcmp(line, "PING", 4) == 0) {
        say(c, "PONG", 4);
    } else if (len == 4 && memcmp(line, "QUIT", 4) == 0) {
        say(c, "BYE", 3);
        echo->closed = true;
        c->front->close(c->front, c);
    } else if (len == 5 && memcmp(line, "READY", 5) == 0) {
        bool ready = c->front->is_ready(c->front);
        say(c, ready ? "YES" : "NO", ready ? 3 : 2);
    } else if (len > 5 && len < 20 && memcmp(line, "FILL ", 5) == 0) {
        fill(c, (size_t)strtoul(line + 5, NULL, 10));
    } else {
        const struct slice parts[] = {{(const uint8_t *)line, len / 2},
                                      {(const uint8_t *)line + len / 2, len - len / 2}};
        int result = c->front->submit(c->front, c, ++echo->submitted, parts, 2);
        if (result == 0)
            return true;
        echo->submitted--;
        if (result == -EAGAIN)
            return false;
        say(c, "!size", 5);
    }
    return true;
}

static size_t on_bytes(struct conversation *conversation, uint8_t *data, size_t len)
{
    struct echo *echo = echo_of(conversation);
    size_t at = 0;
    while (!echo->closed && at < len) {
        uint8_t *end = memchr(data + at, '\n', len - at);
        if (!end && len - at > LINE_MAX_BYTES) {
            echo->closed = true;
            conversation->front->close(conversation->front, conversation);
        }
        if (!end || !on_line(echo, (const char *)data + at, (size_t)(end - data) - at))
            break;
        at = (size_t)(end - data) + 1;
    }
    return at;
}

static void on_outcome(struct conversation *conversation, uint64_t ticket,
                       const struct redoubt_outcome *outcome)
{
    struct echo *echo = echo_of(conversation);
    CHECK(ticket == ++echo->told);
    if (outcome->kind == REDOUBT_COMMITTED)
        say(conversation, (const char *)outcome->result, outcome->result_bytes);
    else
        say(conversation, outcome->kind == REDOUBT_UNKNOWN ? "!unknown" : "!rejected",
            outcome->kind == REDOUBT_UNKNOWN ? 8 : 9);
}

static void on_close(struct conversation *conversation)
{
    (void)conversation;
    CHECK(echo_open-- > 0);
}

static void validate(const struct conversation *conversation)
{
    const struct echo *echo = (const struct echo *)(const void *)conversation;
    CHECK(echo->told <= echo->submitted);
}

const struct conversation_type echo_conversation = {.name = "echo",
                                                    .bytes = sizeof(struct echo),
                                                    .open = on_open,
                                                    .on_bytes = on_bytes,
                                                    .on_outcome = on_outcome,
                                                    .on_close = on_close,
                                                    .validate = validate};

/* ---------------------------------------------------------------- the service */

struct counted {
    uint64_t number;
};

static void *create(const struct redoubt_env *env, const char *options)
{
    (void)options;
    struct counted *state = env->alloc(env, sizeof *state);
    if (state)
        state->number = 0;
    return state;
}

static enum redoubt_status execute(void *state, const struct redoubt_op *op, struct redoubt_result *result)
{
    struct counted *counted = state;
    int head =
        snprintf((char *)result->data, result->capacity, "%llu:", (unsigned long long)++counted->number);
    memcpy(result->data + head, op->data, op->bytes);
    result->bytes = (size_t)head + op->bytes;
    return REDOUBT_OK;
}

const struct redoubt_service echo_service = {
    .abi = REDOUBT_APP_ABI, .name = "echo", .create = create, .execute = execute};
const struct service_front echo_front = {
    .service = &echo_service, .http = &echo_conversation, .resp = &echo_conversation};
