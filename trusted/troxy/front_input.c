/*
 * From what a socket gave to what a conversation is offered.
 */
#include <string.h>

#include "base/check.h"
#include "troxy/front.h"

/* What does not fit in so much is no request. */
#define REQUEST_MAX RESP_COMMAND_MAX

static bool may_offer(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && !c->broken && !c->stuck && !c->starved &&
           c->out.len <= FRONT_OUT_WINDOW;
}

static size_t offer(struct connection *c, uint8_t *data, size_t len)
{
    c->begun = c->operations == 0;
    size_t taken = c->conversation->type->on_bytes(c->conversation, data, len);
    CHECK(taken <= len);
    c->stuck = taken < len;
    return taken;
}

void connection_offer(struct front *front, uint32_t number)
{
    struct connection *c = &front->at[number];
    if (c->in.len == 0 || !may_offer(c))
        return;
    size_t taken = offer(c, backlog_data(&c->in), c->in.len);
    backlog_take(&c->in, front->config.arena, taken);
    bool waits = c->operations > 0 || c->starved || c->out.len > FRONT_OUT_WINDOW;
    if (c->stuck && !waits && c->in.len >= REQUEST_MAX)
        connection_break(front, number, END_LIMIT);
}

/* Plaintext: what its conversation does not take at once is kept. */
static void take_plain(struct front *front, uint32_t number, uint8_t *data, size_t len)
{
    struct connection *c = &front->at[number];
    if (c->state != CONNECTION_OPEN || c->broken)
        return;
    size_t taken = 0;
    c->stuck = false;
    if (c->in.len == 0 && may_offer(c))
        taken = offer(c, data, len);
    if (c->in.len + len - taken > FRONT_IN_MAX ||
        !backlog_append(&c->in, front->config.arena, data + taken, len - taken))
        connection_break(front, number, END_LIMIT);
}

/* Whatever the session's input holds. */
static void decrypt(struct front *front, uint32_t number)
{
    struct connection *c = &front->at[number];
    enum tls_result result;
    size_t len;
    while ((result = tls_read(c->tls, front->plain, FRONT_CHUNK_BYTES, &len)) == TLS_GOOD)
        take_plain(front, number, front->plain, len);
    if (result == TLS_ENDED)
        c->ended = true;
    else if (result != TLS_MORE)
        connection_break(front, number, END_GARBAGE);
}

static bool conversation_begin(struct front *front, uint32_t number)
{
    struct connection *c = &front->at[number];
    bool http = c->listener == LISTENER_HTTPS || c->listener == LISTENER_HTTP;
    const struct conversation_type *type = http ? front->config.service->http : front->config.service->resp;
    struct conversation *conversation = arena_alloc(front->config.arena, type->bytes);
    if (!conversation)
        return false;
    memset(conversation, 0, type->bytes);
    *conversation = (struct conversation){
        .type = type, .front = &front->shown, .connection = number, .is_secure = c->tls != NULL};
    c->conversation = conversation;
    c->state = CONNECTION_OPEN;
    type->open(conversation);
    return true;
}

/* The first bytes make the session, so that who only connects costs nothing. */
static enum tls_result go_on(struct front *front, struct connection *c, struct slice bytes)
{
    if (!c->tls)
        c->tls = tls_session_new(front->config.tls, &front->sink, c->listener == LISTENER_HTTPS);
    if (!c->tls)
        return TLS_FAILED;
    tls_input(c->tls, bytes.data, bytes.len);
    return tls_handshake(c->tls, front->shown.now_us);
}

void connection_shake_hands(struct front *front, uint32_t number, struct outbox *out)
{
    struct connection *c = &front->at[number];
    bool secure = c->listener == LISTENER_HTTPS || c->listener == LISTENER_REDISS;
    struct backlog cipher = c->in;
    c->in = (struct backlog){NULL, 0, 0, 0};
    enum tls_result result =
        secure ? go_on(front, c, (struct slice){backlog_data(&cipher), cipher.len}) : TLS_GOOD;
    connection_send_sink(front, number, out);
    if (result == TLS_GOOD && !conversation_begin(front, number))
        connection_break(front, number, END_LIMIT);
    else if (result == TLS_GOOD && secure) {
        front->counters.handshakes++;
        decrypt(front, number);
        connection_send_sink(front, number, out);
    } else if (result == TLS_UNTRUSTED) {
        connection_break(front, number, END_UNTRUSTED);
    } else if (result == TLS_FAILED) {
        connection_break(front, number, c->tls ? END_GARBAGE : END_LIMIT);
    }
    if (c->tls)
        tls_input(c->tls, NULL, 0);
    backlog_free(&cipher, front->config.arena);
    connection_touch(front, number);
}

void connection_receive(struct front *front, uint32_t number, struct slice bytes, struct outbox *out)
{
    struct connection *c = &front->at[number];
    if (c->state == CONNECTION_HANDSHAKE) {
        if (!backlog_append(&c->in, front->config.arena, bytes.data, bytes.len))
            connection_break(front, number, END_LIMIT);
        else if (bytes.len && !c->place[ROW_TURN].in)
            row_add(front, ROW_TURN, &front->turns, number);
        return;
    }
    if (c->tls) {
        tls_input(c->tls, bytes.data, bytes.len);
        decrypt(front, number);
        tls_input(c->tls, NULL, 0);
        connection_send_sink(front, number, out);
        return;
    }
    if (bytes.len)
        memcpy(front->plain, bytes.data, bytes.len); /* a conversation may change it */
    take_plain(front, number, front->plain, bytes.len);
}
