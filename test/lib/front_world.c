#include "front_world.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "shell/memory.h"

void front_world_open(struct front_world *w, struct tls_server *tls)
{
    front_world_open_beside(w, tls, 0);
}

void front_world_open_beside(struct front_world *w, struct tls_server *tls, size_t taken)
{
    memset(w, 0, sizeof *w);
    w->memory_bytes = WORLD_ARENA + taken;
    w->memory = memory_map(w->memory_bytes);
    w->out = (struct outbox){.data = memory_map(OUTBOX_MIN_BYTES), .cap = OUTBOX_MIN_BYTES};
    CHECK(w->memory && w->out.data);
    arena_init(&w->arena, w->memory, w->memory_bytes);
    if (taken)
        (void)arena_take(&w->arena, taken);
    w->now_us = 1000000000;
    w->wakes_us = UINT64_MAX;
    w->start = (struct troxy_start){.settings = {.handshake_ms = 10000,
                                                 .request_ms = 20000,
                                                 .output_ms = 30000,
                                                 .idle_ms = 300000,
                                                 .operation_ms = 5000},
                                    .tls = tls,
                                    .front = &echo_front};
    struct compartment_config config = {.kind = KIND_TROXY, .service_options = "", .troxy = &w->start};
    w->state = standalone_type.init(&w->arena, &config, &w->out);
    CHECK(w->state);
}

void front_world_close(struct front_world *w)
{
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i++)
        free(w->socket[i].data);
    memory_unmap(w->memory, w->memory_bytes);
    memory_unmap(w->out.data, OUTBOX_MIN_BYTES);
}

static void socket_append(struct front_socket *s, struct slice bytes)
{
    if (s->len + bytes.len > s->cap) {
        s->cap = 2 * (s->len + bytes.len);
        s->data = realloc(s->data, s->cap);
        CHECK(s->data);
    }
    if (bytes.len)
        memcpy(s->data + s->len, bytes.data, bytes.len);
    s->len += bytes.len;
    s->written += bytes.len;
}

static void take(struct front_world *w, struct slice bytes)
{
    struct frame frame;
    struct local_bytes data;
    struct local_credit credit;
    struct local_closed closed;
    struct local_tick tick;
    CHECK(frame_decode(bytes.data, bytes.len, &frame));
    switch (frame.type) {
    case FRAME_LOCAL_BYTES:
        CHECK(local_bytes_decode(frame.body, &data) && !w->socket[data.connection].closed);
        socket_append(&w->socket[data.connection], frame.attachment);
        break;
    case FRAME_LOCAL_CREDIT:
        CHECK(local_credit_decode(frame.body, &credit) && !w->socket[credit.connection].closed);
        w->socket[credit.connection].credit += credit.bytes;
        break;
    case FRAME_LOCAL_CLOSED:
        CHECK(local_closed_decode(frame.body, &closed) && !w->socket[closed.connection].closed);
        w->socket[closed.connection].closed = true;
        w->socket[closed.connection].reason = closed.reason;
        break;
    case FRAME_LOCAL_TICK:
        CHECK(local_tick_decode(frame.body, &tick));
        w->wakes_us = tick.at_us;
        break;
    default:
        CHECK(frame.type == FRAME_LOCAL_FRONT && local_front_decode(frame.body, &w->told));
    }
}

static void take_all(struct front_world *w)
{
    struct slice frame;
    for (size_t at = 0; outbox_next(&w->out, &at, &frame);)
        take(w, frame);
    w->out.len = 0;
}

static enum verdict give(struct front_world *w, enum frame_type type, struct slice body,
                         struct slice attachment)
{
    size_t max = FRAME_HEADER_BYTES + body.len + attachment.len;
    uint8_t *bytes = malloc(max);
    struct sender host = {.kind = KIND_HOST};
    CHECK(bytes);
    size_t len = frame_encode(bytes, max, type, &host, AUTH_NONE, body, (struct slice){NULL, 0}, attachment);
    CHECK(len == max);
    struct compartment_input in = {.frame = bytes, .len = len, .now_us = w->now_us};
    enum verdict verdict = standalone_type.step(w->state, &in, &w->out);
    take_all(w);
    free(bytes);
    return verdict;
}

enum verdict front_world_give(struct front_world *w, enum frame_type type, struct slice body,
                              struct slice attachment)
{
    enum verdict verdict = give(w, type, body, attachment);
    standalone_type.validate(w->state);
    return verdict;
}

#define BODY(name, ...)                                                                                      \
    uint8_t body_bytes[64];                                                                                  \
    struct writer writer = writer_to(body_bytes, sizeof body_bytes);                                         \
    name##_put(&writer, &(struct name){__VA_ARGS__});                                                        \
    struct slice body = {body_bytes, writer.len}, none = {NULL, 0};                                          \
    (void)none

enum verdict front_world_opened(struct front_world *w, uint32_t connection, unsigned listener)
{
    BODY(local_opened, .connection = connection, .listener = (uint8_t)listener);
    return front_world_give(w, FRAME_LOCAL_OPENED, body, none);
}

enum verdict front_world_bytes(struct front_world *w, uint32_t connection, const void *data, size_t len,
                               bool last)
{
    BODY(local_bytes, .connection = connection, .last = last);
    return front_world_give(w, FRAME_LOCAL_BYTES, body, (struct slice){data, len});
}

enum verdict front_world_credit(struct front_world *w, uint32_t connection, size_t bytes)
{
    BODY(local_credit, .connection = connection, .bytes = (uint32_t)bytes);
    return front_world_give(w, FRAME_LOCAL_CREDIT, body, none);
}

enum verdict front_world_closed(struct front_world *w, uint32_t connection)
{
    BODY(local_closed, .connection = connection);
    enum verdict verdict = front_world_give(w, FRAME_LOCAL_CLOSED, body, none);
    if (verdict == VERDICT_ACCEPT)
        w->socket[connection].closed = false; /* the number is free again */
    return verdict;
}

void front_world_close_all(struct front_world *w)
{
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i++) {
        BODY(local_closed, .connection = i);
        give(w, FRAME_LOCAL_CLOSED, body, none);
    }
    standalone_type.validate(w->state);
}

void front_world_run(struct front_world *w)
{
    bool more = true;
    for (int i = 0; i < 1000 && more; i++) {
        more = standalone_type.flush(w->state, w->now_us, &w->out);
        standalone_type.validate(w->state);
        take_all(w);
    }
    CHECK(!more);
}

void front_world_wait(struct front_world *w, uint64_t us)
{
    w->now_us += us;
    front_world_run(w);
}
