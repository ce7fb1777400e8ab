/*
 * From what a conversation wrote to what the host writes; and credit, the other way.
 */
#include <string.h>

#include "base/check.h"
#include "troxy/front.h"

/* Credit is given in pieces, or it would be a frame for each that came. */
#define CREDIT_BYTES (FRONT_IN_WINDOW / 4)

static_assert(FRONT_CHUNK_BYTES <= TLS_WRITE_MAX, "a turn's output is one write");

void front_emit(struct front *front, enum frame_type type, struct slice body, struct slice attachment,
                struct outbox *out)
{
    size_t max = FRAME_HEADER_BYTES + body.len + attachment.len;
    uint8_t *to = outbox_reserve(out, max);
    size_t len =
        frame_encode(to, max, type, &front->self, AUTH_NONE, body, (struct slice){NULL, 0}, attachment);
    CHECK(len == max);
    outbox_commit(out, len);
}

static void send(struct front *front, uint32_t number, struct slice bytes, struct outbox *out)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    local_bytes_put(&w, &(struct local_bytes){.connection = number});
    front_emit(front, FRAME_LOCAL_BYTES, (struct slice){body, w.len}, bytes, out);
    front->at[number].unwritten += (uint32_t)bytes.len;
}

void connection_send_sink(struct front *front, uint32_t number, struct outbox *out)
{
    if (front->sink.len)
        send(front, number, (struct slice){front->sink.data, front->sink.len}, out);
    front->sink.len = 0;
}

void connection_write(struct conversation_front *shown, const struct conversation *conversation,
                      const struct slice *parts, unsigned count)
{
    struct front *front = (struct front *)(void *)shown;
    uint32_t number = conversation->connection;
    struct connection *c = &front->at[number];
    size_t len = 0;
    if (c->broken)
        return;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    if (len > FRONT_OUT_MAX - c->out.len) {
        connection_break(front, number, END_SLOW);
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!backlog_append(&c->out, front->config.arena, parts[i].data, parts[i].len)) {
            connection_break(front, number, END_LIMIT);
            return;
        }
        front->out_total += parts[i].len;
    }
    c->begun = false;
    connection_touch(front, number);
}

bool connection_pump(struct front *front, uint32_t number, struct outbox *out)
{
    struct connection *c = &front->at[number];
    size_t room = c->unwritten < FRONT_OUT_WINDOW ? FRONT_OUT_WINDOW - c->unwritten : 0;
    size_t len = c->out.len < room ? c->out.len : room;
    len = len < FRONT_CHUNK_BYTES ? len : FRONT_CHUNK_BYTES;
    if (len == 0)
        return false;
    struct slice bytes = {backlog_data(&c->out), len};
    if (!c->tls)
        send(front, number, bytes, out);
    else if (tls_write(c->tls, bytes.data, bytes.len))
        connection_send_sink(front, number, out);
    else {
        front->sink.len = 0;
        connection_break(front, number, END_GARBAGE);
        return false;
    }
    bool held_back = c->out.len > FRONT_OUT_WINDOW;
    backlog_take(&c->out, front->config.arena, len);
    front->out_total -= len;
    if (held_back && c->out.len <= FRONT_OUT_WINDOW)
        c->stuck = false; /* it may go on, in the next turn */
    return c->out.len > 0 ? c->unwritten < FRONT_OUT_WINDOW : held_back;
}

void connection_give_credit(struct front *front, uint32_t number, struct outbox *out)
{
    struct connection *c = &front->at[number];
    uint8_t body[8];
    /* Somebody who has enough under way is not read from. What waits with nothing under way lacks its end. */
    bool enough =
        c->in.len > 0 && (c->operations > 0 || c->starved || c->out.len > FRONT_OUT_WINDOW ||
                          c->state == CONNECTION_HANDSHAKE || (c->state == CONNECTION_OPEN && !c->stuck));
    /* So much waits at the host only when the TLS library answers a client who does not read, as it does to key updates. */
    bool deaf = c->unwritten > 2 * FRONT_OUT_WINDOW;
    bool due = c->received >= CREDIT_BYTES;
    if (enough || deaf || !due || c->state == CONNECTION_CLOSING)
        return;
    struct writer w = writer_to(body, sizeof body);
    local_credit_put(&w, &(struct local_credit){.connection = number, .bytes = c->received});
    front_emit(front, FRAME_LOCAL_CREDIT, (struct slice){body, w.len}, (struct slice){NULL, 0}, out);
    c->received = 0;
}
