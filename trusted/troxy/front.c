#include "troxy/front.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"

/* The outbox has room for this before a connection is looked at: what one can leave in one turn, and more. */
#define ROOM_BYTES (512u * 1024u)
/* What the access did not take is offered again after so long. */
#define RETRY_US 5000u
/* Of the room for connections: when less than this part of it is left, whoever waits longest is cut off. */
#define ROOM_SPARE 8u

/* ---------------------------------------------------------------- lists */

void row_add(struct front *front, enum row_name name, struct row *row, uint32_t number)
{
    struct row_place *place = &front->at[number].place[name];
    CHECK(!place->in);
    *place = (struct row_place){.in = row, .before = row->last, .after = NO_CONNECTION};
    if (row->last == NO_CONNECTION)
        row->first = number;
    else
        front->at[row->last].place[name].after = number;
    row->last = number;
}

void row_leave(struct front *front, enum row_name name, uint32_t number)
{
    struct row_place *place = &front->at[number].place[name];
    struct row *row = place->in;
    if (!row)
        return;
    if (place->before == NO_CONNECTION)
        row->first = place->after;
    else
        front->at[place->before].place[name].after = place->after;
    if (place->after == NO_CONNECTION)
        row->last = place->before;
    else
        front->at[place->after].place[name].before = place->before;
    place->in = NULL;
}

void connection_touch(struct front *front, uint32_t number)
{
    if (!front->at[number].place[ROW_DIRTY].in)
        row_add(front, ROW_DIRTY, &front->dirty, number);
}

void connection_break(struct front *front, uint32_t number, enum front_end end)
{
    struct connection *c = &front->at[number];
    if (!c->broken)
        c->end = (uint8_t)end;
    c->broken = true;
    connection_touch(front, number);
}

/* ---------------------------------------------------------------- patience */

/* NULL: for nothing that has an end of its own. */
static struct row *waits_for(struct front *front, const struct connection *c)
{
    if (c->state == CONNECTION_FREE || c->state == CONNECTION_OVER)
        return NULL;
    if (c->state == CONNECTION_HANDSHAKE)
        return &front->patience[PATIENCE_HANDSHAKE];
    if (c->out.len)
        return &front->patience[PATIENCE_OUTPUT];
    if (c->operations)
        return NULL;
    return &front->patience[c->begun || c->in.len ? PATIENCE_REQUEST : PATIENCE_IDLE];
}

static void wait_anew(struct front *front, uint32_t number)
{
    struct connection *c = &front->at[number];
    struct row *row = waits_for(front, c), *before = c->place[ROW_PATIENCE].in;
    if (row == before && !(row == &front->patience[PATIENCE_OUTPUT] && c->written >= FRONT_CHUNK_BYTES))
        return;
    row_leave(front, ROW_PATIENCE, number);
    if (row)
        row_add(front, ROW_PATIENCE, row, number);
    c->since_us = front->shown.now_us;
    c->written = 0;
}

static uint64_t limit_of(const struct front *front, unsigned patience)
{
    const struct front_options *o = &front->config.options;
    const uint64_t limits[PATIENCES] = {o->handshake_us, o->request_us, o->output_us, o->idle_us};
    return limits[patience] ? limits[patience] : UINT64_MAX;
}

static uint64_t ends_at(const struct front *front, unsigned patience)
{
    uint32_t first = front->patience[patience].first;
    uint64_t limit = limit_of(front, patience);
    if (first == NO_CONNECTION || limit == UINT64_MAX)
        return UINT64_MAX;
    return front->at[first].since_us + limit;
}

uint64_t front_next_timer(const struct front *front)
{
    uint64_t at = front->retry_us;
    for (unsigned p = 0; p < PATIENCES; p++) {
        uint64_t end = ends_at(front, p);
        at = end < at ? end : at;
    }
    return at;
}

static void lose_patience(struct front *front, unsigned patience)
{
    uint32_t number = front->patience[patience].first;
    row_leave(front, ROW_PATIENCE, number);
    connection_break(front, number, patience == PATIENCE_IDLE ? END_IDLE : END_SLOW);
}

static void patience_check(struct front *front)
{
    for (unsigned p = 0; p < PATIENCES; p++)
        while (ends_at(front, p) <= front->shown.now_us)
            lose_patience(front, p);
    size_t live = front->config.arena->live, before = front->live_before,
           taken = live > before ? live - before : 0;
    bool short_of_memory = taken > front->room - front->room / ROOM_SPARE;
    if (short_of_memory && front->patience[PATIENCE_REQUEST].first != NO_CONNECTION)
        lose_patience(front, PATIENCE_REQUEST);
    if ((short_of_memory || front->out_total > FRONT_OUT_TOTAL) &&
        front->patience[PATIENCE_OUTPUT].first != NO_CONNECTION)
        lose_patience(front, PATIENCE_OUTPUT);
}

/* ---------------------------------------------------------------- what conversations call */

static struct front *front_of(struct conversation_front *shown)
{
    return (struct front *)(void *)shown;
}

static int submit(struct conversation_front *shown, const struct conversation *conversation, uint64_t ticket,
                  const struct slice *parts, unsigned count)
{
    struct front *front = front_of(shown);
    struct connection *c = &front->at[conversation->connection];
    const struct access *access = front->config.access;
    if (c->operations >= FRONT_OPS_MAX || c->out.len > FRONT_OUT_WINDOW)
        return -EAGAIN;
    int result = access->submit(access->self, conversation->connection, ticket, parts, count,
                                shown->now_us + front->config.options.operation_us, shown->now_us);
    if (result == -EAGAIN)
        c->starved = true;
    if (result != 0)
        return result;
    c->operations++;
    c->begun = false;
    front->counters.operations++;
    return 0;
}

static void finish(struct conversation_front *shown, const struct conversation *conversation)
{
    struct front *front = front_of(shown);
    struct connection *c = &front->at[conversation->connection];
    if (c->state == CONNECTION_OPEN)
        c->state = CONNECTION_CLOSING;
    connection_touch(front, conversation->connection);
}

static bool is_ready(const struct conversation_front *shown)
{
    const struct front *front = (const struct front *)(const void *)shown;
    const struct access *access = front->config.access;
    return access->is_ready(access->self, shown->now_us);
}

void front_on_outcome(void *context, uint32_t number, uint64_t ticket, const struct redoubt_outcome *outcome)
{
    struct front *front = context;
    struct connection *c = &front->at[number];
    CHECK(c->conversation && c->operations > 0);
    c->operations--;
    c->stuck = c->starved = false;
    front->counters.unknown += outcome->kind == REDOUBT_UNKNOWN;
    if (!c->broken)
        c->conversation->type->on_outcome(c->conversation, ticket, outcome);
    connection_touch(front, number);
}

/* ---------------------------------------------------------------- coming and going */

void front_init(struct front *front, const struct front_config *config)
{
    memset(front, 0, sizeof *front);
    front->config = *config;
    front->self = (struct sender){.kind = KIND_HOST, .id = config->replica};
    front->shown = (struct conversation_front){.arena = config->arena,
                                               .users = config->users,
                                               .user_count = config->user_count,
                                               .submit = submit,
                                               .write = connection_write,
                                               .close = finish,
                                               .is_ready = is_ready};
    front->at = arena_take(config->arena, FRONT_CONNECTIONS_MAX * sizeof *front->at);
    front->plain = arena_take(config->arena, FRONT_CHUNK_BYTES);
    front->sink.data = arena_take(config->arena, TLS_SINK_BYTES);
    /* What others took for ever, as a Troxy's access does, is no room. */
    front->room = config->arena->size - config->arena->used;
    front->live_before = config->arena->live;
    const struct row empty = {NO_CONNECTION, NO_CONNECTION};
    for (unsigned p = 0; p < PATIENCES; p++)
        front->patience[p] = empty;
    front->turns = front->dirty = empty;
    front->retry_us = UINT64_MAX;
}

static void conversation_end(struct front *front, uint32_t number)
{
    struct connection *c = &front->at[number];
    struct conversation *conversation = c->conversation;
    if (!conversation)
        return;
    const struct conversation_type *type = conversation->type;
    front->config.access->forget(front->config.access->self, number);
    type->on_close(conversation);
    arena_free(front->config.arena, conversation, type->bytes);
    c->conversation = NULL;
}

static void release(struct front *front, uint32_t number, enum connection_state state)
{
    struct connection *c = &front->at[number];
    conversation_end(front, number);
    tls_session_free(c->tls);
    front->out_total -= c->out.len;
    backlog_free(&c->in, front->config.arena);
    backlog_free(&c->out, front->config.arena);
    for (unsigned i = 0; i < ROWS; i++)
        row_leave(front, (enum row_name)i, number);
    *c = (struct connection){.state = state};
}

static void say_closed(struct front *front, uint32_t number, enum front_end end, struct outbox *out)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    local_closed_put(&w, &(struct local_closed){.connection = number, .reason = (uint8_t)end});
    front_emit(front, FRAME_LOCAL_CLOSED, (struct slice){body, w.len}, (struct slice){NULL, 0}, out);
}

void connection_end(struct front *front, uint32_t number, enum front_end end, struct outbox *out)
{
    struct connection *c = &front->at[number];
    if (c->tls && (end == END_DONE || end == END_IDLE)) {
        tls_finish(c->tls);
        connection_send_sink(front, number, out);
    }
    release(front, number, CONNECTION_OVER);
    front->counters.ended[end]++;
    say_closed(front, number, end, out);
}

static enum verdict on_opened(struct front *front, const struct frame *frame, struct outbox *out)
{
    struct local_opened m;
    if (!local_opened_decode(frame->body, &m) || m.connection >= FRONT_CONNECTIONS_MAX ||
        m.listener >= LISTENERS)
        return VERDICT_MALFORMED;
    struct connection *c = &front->at[m.connection];
    if (c->state != CONNECTION_FREE)
        return VERDICT_UNEXPECTED;
    const struct service_front *service = front->config.service;
    bool secure = m.listener == LISTENER_HTTPS || m.listener == LISTENER_REDISS;
    bool http = m.listener == LISTENER_HTTPS || m.listener == LISTENER_HTTP;
    c->state = CONNECTION_HANDSHAKE;
    c->listener = m.listener;
    front->count++;
    front->counters.opened++;
    if (!(http ? service->http : service->resp) || (secure && !front->config.tls)) {
        connection_end(front, m.connection, END_LIMIT, out);
        return VERDICT_LIMIT;
    }
    wait_anew(front, m.connection);
    if (!secure)
        connection_shake_hands(front, m.connection, out);
    return VERDICT_ACCEPT;
}

static enum verdict on_bytes(struct front *front, const struct frame *frame, struct outbox *out)
{
    struct local_bytes m;
    if (!local_bytes_decode(frame->body, &m) || m.connection >= FRONT_CONNECTIONS_MAX || m.last > 1)
        return VERDICT_MALFORMED;
    struct connection *c = &front->at[m.connection];
    if (c->state == CONNECTION_FREE)
        return VERDICT_UNEXPECTED;
    if (frame->attachment.len > FRONT_IN_WINDOW - c->received)
        return VERDICT_LIMIT;
    if (c->state == CONNECTION_OVER || c->state == CONNECTION_CLOSING || c->broken || c->ended)
        return VERDICT_STALE;
    c->received += (uint32_t)frame->attachment.len;
    connection_receive(front, m.connection, frame->attachment, out);
    c->ended = c->ended || m.last != 0;
    connection_touch(front, m.connection);
    return VERDICT_ACCEPT;
}

static enum verdict on_credit(struct front *front, const struct frame *frame)
{
    struct local_credit m;
    if (!local_credit_decode(frame->body, &m) || m.connection >= FRONT_CONNECTIONS_MAX)
        return VERDICT_MALFORMED;
    struct connection *c = &front->at[m.connection];
    if (c->state == CONNECTION_FREE || c->state == CONNECTION_OVER)
        return VERDICT_STALE;
    if (m.bytes > c->unwritten)
        return VERDICT_UNEXPECTED;
    c->unwritten -= m.bytes;
    c->written += m.bytes;
    connection_touch(front, m.connection);
    return VERDICT_ACCEPT;
}

static enum verdict on_closed(struct front *front, const struct frame *frame, struct outbox *out)
{
    struct local_closed m;
    if (!local_closed_decode(frame->body, &m) || m.connection >= FRONT_CONNECTIONS_MAX)
        return VERDICT_MALFORMED;
    struct connection *c = &front->at[m.connection];
    if (c->state == CONNECTION_FREE)
        return VERDICT_UNEXPECTED;
    if (c->state != CONNECTION_OVER) {
        front->counters.ended[END_DONE]++;
        say_closed(front, m.connection, END_DONE, out);
    }
    release(front, m.connection, CONNECTION_FREE);
    front->count--;
    return VERDICT_ACCEPT;
}

enum verdict front_on_frame(struct front *front, const struct frame *frame, uint64_t now_us,
                            struct outbox *out)
{
    front->shown.now_us = now_us;
    switch (frame->type) {
    case FRAME_LOCAL_OPENED:
        return on_opened(front, frame, out);
    case FRAME_LOCAL_BYTES:
        return on_bytes(front, frame, out);
    case FRAME_LOCAL_CREDIT:
        return on_credit(front, frame);
    case FRAME_LOCAL_CLOSED:
        return on_closed(front, frame, out);
    default:
        return VERDICT_UNEXPECTED;
    }
}

/* ---------------------------------------------------------------- turns */

static bool has_room(const struct outbox *out)
{
    return out->cap - out->len >= ROOM_BYTES;
}

bool front_take_in(struct front *front, uint64_t now_us, struct outbox *out)
{
    front->shown.now_us = now_us;
    bool retry = front->retry_us <= now_us;
    if (retry)
        front->retry_us = UINT64_MAX;
    patience_check(front);
    for (unsigned i = 0; i < FRONT_HANDSHAKES_PER_RUN && front->turns.first != NO_CONNECTION && has_room(out);
         i++) {
        uint32_t number = front->turns.first;
        row_leave(front, ROW_TURN, number);
        connection_shake_hands(front, number, out);
        connection_touch(front, number);
    }
    for (uint32_t number = front->dirty.first; number != NO_CONNECTION;
         number = front->at[number].place[ROW_DIRTY].after) {
        if (retry && front->at[number].starved)
            front->at[number].stuck = front->at[number].starved = false;
        connection_offer(front, number);
    }
    return front->turns.first != NO_CONNECTION;
}

/* What is to be done for one connection; true: once more in the next turn. */
static bool settle(struct front *front, uint32_t number, struct outbox *out)
{
    struct connection *c = &front->at[number];
    bool more = false;
    if (c->ended && c->state == CONNECTION_HANDSHAKE && !c->place[ROW_TURN].in)
        connection_break(front, number, END_GARBAGE);
    if (!c->broken)
        more = connection_pump(front, number, out);
    if (c->broken) {
        connection_end(front, number, (enum front_end)c->end, out);
        return false;
    }
    bool worked_off = c->in.len == 0 || (c->stuck && !c->starved);
    if (c->ended && c->state == CONNECTION_OPEN && c->operations == 0 && worked_off)
        c->state = CONNECTION_CLOSING;
    if (c->state == CONNECTION_CLOSING && c->out.len == 0) {
        connection_end(front, number, END_DONE, out);
        return false;
    }
    connection_give_credit(front, number, out);
    wait_anew(front, number);
    bool goes_on = c->state == CONNECTION_OPEN && !c->stuck && !c->starved && c->out.len <= FRONT_OUT_WINDOW;
    return more || (goes_on && c->in.len > 0);
}

bool front_give_out(struct front *front, uint64_t now_us, struct outbox *out)
{
    bool more = false;
    front->shown.now_us = now_us;
    const uint32_t last = front->dirty.last;
    for (uint32_t number = NO_CONNECTION; number != last;) {
        if (!has_room(out))
            return true;
        number = front->dirty.first;
        row_leave(front, ROW_DIRTY, number);
        if (settle(front, number, out)) {
            connection_touch(front, number);
            more = true;
        } else if (front->at[number].starved) {
            connection_touch(front, number);
            front->retry_us = front->retry_us < now_us + RETRY_US ? front->retry_us : now_us + RETRY_US;
        }
    }
    return more;
}

/* ---------------------------------------------------------------- invariants */

static uint32_t row_count(const struct front *front, enum row_name name, const struct row *row)
{
    uint32_t count = 0, before = NO_CONNECTION;
    for (uint32_t number = row->first; number != NO_CONNECTION;
         number = front->at[number].place[name].after) {
        CHECK(number < FRONT_CONNECTIONS_MAX && ++count <= FRONT_CONNECTIONS_MAX);
        CHECK(front->at[number].place[name].in == row && front->at[number].place[name].before == before);
        before = number;
    }
    CHECK(row->last == before);
    return count;
}

static void connection_validate(const struct connection *c)
{
    bool talks = c->state == CONNECTION_OPEN || c->state == CONNECTION_CLOSING;
    CHECK(talks == (c->conversation != NULL));
    CHECK(c->operations <= FRONT_OPS_MAX && (talks || c->operations == 0));
    CHECK(c->received <= FRONT_IN_WINDOW && c->in.len <= FRONT_IN_MAX && c->out.len <= FRONT_OUT_MAX);
    CHECK(!c->place[ROW_TURN].in || c->state == CONNECTION_HANDSHAKE);
    if (c->state == CONNECTION_FREE || c->state == CONNECTION_OVER)
        CHECK(!c->tls && !c->in.memory && !c->out.memory && !c->place[ROW_DIRTY].in &&
              !c->place[ROW_PATIENCE].in);
    if (c->conversation)
        c->conversation->type->validate(c->conversation);
}

void front_validate(const struct front *front)
{
    size_t out_total = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i++) {
        connection_validate(&front->at[i]);
        out_total += front->at[i].out.len;
        count += front->at[i].state != CONNECTION_FREE;
    }
    CHECK(out_total == front->out_total && count == front->count && front->sink.len == 0);
    row_count(front, ROW_TURN, &front->turns);
    row_count(front, ROW_DIRTY, &front->dirty);
    for (unsigned p = 0; p < PATIENCES; p++)
        row_count(front, ROW_PATIENCE, &front->patience[p]);
}
