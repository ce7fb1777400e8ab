#include "doors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "log.h"

/* The Troxy hears that its bytes are out when they make up so much. */
#define CREDIT_BYTES (FRONT_OUT_WINDOW / 4)

static const char *const listener_names[LISTENERS] = {"https", "rediss", "http", "redis"};

struct door {
    struct stream stream; /* first: a stream is its door */
    struct doors *doors;
    uint32_t number;
    uint32_t with_troxy; /* bytes that came, and no credit yet */
    uint32_t untold;     /* bytes that are out, and the Troxy does not know */
    bool dirty;
    bool ended;        /* the client sends nothing more */
    bool troxy_said;   /* LOCAL-CLOSED: ends once `out` is written */
    bool lingers;      /* all is written: waits for the client to close */
    uint64_t since_ms; /* something waits to be written, or it lingers; 0: neither */
};

static struct door *door_of(struct stream *stream)
{
    return (struct door *)(void *)stream;
}

static void on_stream_closed(struct stream *stream)
{
    free(door_of(stream));
}

/* ---------------------------------------------------------------- towards the Troxy */

static void tell(struct doors *doors, enum frame_type type, struct slice body, struct slice attachment)
{
    uint8_t head[FRAME_HEADER_BYTES + 16];
    const struct frame frame = {
        .type = type, .sender = {.kind = KIND_HOST}, .auth_kind = AUTH_NONE, .body = body};
    size_t len = frame_head(head, sizeof head, &frame, attachment.len);
    const struct slice parts[] = {{head, len}, attachment};
    CHECK(len > 0);
    doors->events.give(doors->events.context, parts, attachment.len ? 2 : 1);
}

#define TELL(doors, TYPE, name, attachment, ...)                                                             \
    do {                                                                                                     \
        uint8_t body_bytes[16];                                                                              \
        struct writer body_writer = writer_to(body_bytes, sizeof body_bytes);                                \
        name##_put(&body_writer, &(struct name){__VA_ARGS__});                                               \
        tell(doors, FRAME_##TYPE, (struct slice){body_bytes, body_writer.len}, attachment);                  \
    } while (0)

static const struct slice nothing = {NULL, 0};

/* ---------------------------------------------------------------- ends */

static void door_close(struct door *door)
{
    struct doors *doors = door->doors;
    uint32_t number = door->number;
    if (!door->stream.open)
        return;
    doors->count--;
    doors->at[number] = NULL;
    doors->awaited[number] = !door->troxy_said;
    if (door->troxy_said)
        doors->free[doors->free_count++] = number; /* both have said that it is over */
    stream_close(&door->stream);
    TELL(doors, LOCAL_CLOSED, local_closed, nothing, .connection = number);
}

/* What the Troxy wanted out is out. */
static void finish(struct door *door)
{
    if (door->ended) {
        door_close(door);
        return;
    }
    shutdown(door->stream.fd, SHUT_WR);
    door->lingers = true;
    door->since_ms = uv_now(door->doors->loop);
    stream_pause(&door->stream, false);
}

/* ---------------------------------------------------------------- sockets */

static void read_again(struct door *door)
{
    bool full = door->with_troxy >= FRONT_IN_WINDOW;
    stream_pause(&door->stream,
                 !door->lingers && (full || door->ended || door->troxy_said || door->doors->paused));
}

static void receive(struct door *door)
{
    static uint8_t scratch[FRONT_IN_WINDOW];
    struct doors *doors = door->doors;
    size_t room = door->lingers ? sizeof scratch : FRONT_IN_WINDOW - door->with_troxy;
    ssize_t n = recv(door->stream.fd, scratch, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n < 0 || (n == 0 && door->lingers)) {
        door_close(door);
        return;
    }
    if (door->lingers)
        return;
    door->ended = n == 0;
    door->with_troxy += (uint32_t)n;
    doors->bytes_in += (uint64_t)n;
    TELL(doors, LOCAL_BYTES, local_bytes, ((struct slice){scratch, (size_t)n}), .connection = door->number,
         .last = door->ended);
    read_again(door);
}

static void written(struct door *door, size_t len)
{
    struct doors *doors = door->doors;
    uint64_t now = uv_now(doors->loop);
    doors->bytes_out += len;
    door->untold += (uint32_t)len;
    if (door->stream.out.len == 0)
        door->since_ms = 0;
    else if (len || !door->since_ms)
        door->since_ms = now;
    if (door->untold >= CREDIT_BYTES && !door->troxy_said) {
        TELL(doors, LOCAL_CREDIT, local_credit, nothing, .connection = door->number, .bytes = door->untold);
        door->untold = 0;
    }
    if (door->troxy_said && door->stream.out.len == 0 && !door->lingers)
        finish(door);
}

static void flush(struct door *door)
{
    size_t before = door->stream.out.len;
    if (stream_flush(&door->stream) != 0)
        door_close(door);
    else
        written(door, before - door->stream.out.len);
}

static void on_event(struct stream *stream, bool readable, bool writable)
{
    struct door *door = door_of(stream);
    if (readable && !stream->paused)
        receive(door);
    else if (readable && stream->watched == 0) /* an error, while it is not read */
        door_close(door);
    if (writable && stream->open)
        flush(door);
}

static void on_accept(struct listener *listener, int fd)
{
    struct doors *doors = listener->owner;
    const struct doors_listener *at = (const struct doors_listener *)(const void *)listener;
    if (doors->free_count == 0) {
        doors->refused++;
        LOG_LIMITED(LOG_WARNING, "%s port %u: more than %u connections", listener_names[at->kind], at->port,
                    FRONT_CONNECTIONS_MAX);
        close(fd);
        return;
    }
    struct door *door = calloc(1, sizeof *door);
    CHECK(door && "out of memory");
    socket_no_delay(fd);
    stream_open(&door->stream, doors->loop, fd, on_event, on_stream_closed);
    door->doors = doors;
    door->number = doors->free[--doors->free_count];
    doors->at[door->number] = door;
    doors->count++;
    doors->accepted++;
    TELL(doors, LOCAL_OPENED, local_opened, nothing, .connection = door->number,
         .listener = (uint8_t)at->kind);
    read_again(door);
}

/* ---------------------------------------------------------------- from the Troxy */

static struct door *door_at(struct doors *doors, uint32_t number)
{
    return number < FRONT_CONNECTIONS_MAX ? doors->at[number] : NULL;
}

static void touch(struct door *door)
{
    struct doors *doors = door->doors;
    if (door->dirty)
        return;
    door->dirty = true;
    doors->dirty[doors->dirty_count++] = door->number;
}

static void on_bytes(struct doors *doors, const struct frame *frame)
{
    struct local_bytes m;
    struct door *door = local_bytes_decode(frame->body, &m) ? door_at(doors, m.connection) : NULL;
    if (!door || door->troxy_said)
        return;
    buffer_append(&door->stream.out, frame->attachment.data, frame->attachment.len);
    touch(door);
}

static void on_credit(struct doors *doors, const struct frame *frame)
{
    struct local_credit m;
    struct door *door = local_credit_decode(frame->body, &m) ? door_at(doors, m.connection) : NULL;
    if (!door)
        return;
    door->with_troxy -= m.bytes < door->with_troxy ? m.bytes : door->with_troxy;
    read_again(door);
}

static void on_closed(struct doors *doors, const struct frame *frame)
{
    struct local_closed m;
    if (!local_closed_decode(frame->body, &m) || m.connection >= FRONT_CONNECTIONS_MAX ||
        m.reason >= FRONT_ENDS)
        return;
    struct door *door = doors->at[m.connection];
    if (!door && doors->awaited[m.connection]) {
        doors->awaited[m.connection] = false;
        doors->free[doors->free_count++] = m.connection;
        doors->ended[m.reason]++;
    }
    if (!door || door->troxy_said)
        return;
    door->troxy_said = true;
    doors->ended[m.reason]++;
    read_again(door);
    if (m.reason == END_SLOW || m.reason == END_LIMIT)
        door_close(door);
    else
        touch(door);
}

bool doors_on_frame(struct doors *doors, const struct frame *frame)
{
    switch (frame->type) {
    case FRAME_LOCAL_BYTES:
        on_bytes(doors, frame);
        return true;
    case FRAME_LOCAL_CREDIT:
        on_credit(doors, frame);
        return true;
    case FRAME_LOCAL_CLOSED:
        on_closed(doors, frame);
        return true;
    default:
        return false;
    }
}

void doors_flush(struct doors *doors)
{
    uint32_t count = doors->dirty_count;
    doors->dirty_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct door *door = doors->at[doors->dirty[i]];
        if (!door || !door->dirty)
            continue;
        door->dirty = false;
        flush(door);
    }
}

/* ---------------------------------------------------------------- life */

static void all_free(struct doors *doors)
{
    memset(doors->at, 0, sizeof doors->at);
    memset(doors->awaited, 0, sizeof doors->awaited);
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i++)
        doors->free[i] = FRONT_CONNECTIONS_MAX - 1 - i;
    doors->free_count = FRONT_CONNECTIONS_MAX;
    doors->dirty_count = 0;
    doors->count = 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct doors *doors = timer->data;
    uint64_t now = uv_now(doors->loop);
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i++) {
        struct door *door = doors->at[i];
        if (door && door->since_ms &&
            now - door->since_ms > (door->lingers ? DOOR_LINGER_MS : DOOR_STALLED_MS))
            door_close(door);
    }
    for (int i = 0; i < LISTENERS; i++)
        if (doors->listener[i].open)
            listener_retry(&doors->listener[i].listener);
}

void doors_open(struct doors *doors, uv_loop_t *loop, const int fd[LISTENERS], const uint16_t port[LISTENERS],
                const struct doors_events *events)
{
    memset(doors, 0, sizeof *doors);
    doors->loop = loop;
    doors->events = *events;
    doors->open = true;
    all_free(doors);
    for (int i = 0; i < LISTENERS; i++) {
        if (fd[i] < 0)
            continue;
        doors->listener[i] =
            (struct doors_listener){.kind = (enum front_listener)i, .port = port[i], .open = true};
        listener_open(&doors->listener[i].listener, loop, fd[i], doors, on_accept);
    }
    uv_timer_init(loop, &doors->timer);
    doors->timer.data = doors;
    uv_timer_start(&doors->timer, on_tick, 500, 500);
}

void doors_forget(struct doors *doors)
{
    if (!doors->open)
        return;
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i++)
        if (doors->at[i])
            stream_close(&doors->at[i]->stream);
    all_free(doors);
}

void doors_close(struct doors *doors)
{
    if (!doors->open)
        return;
    doors_forget(doors);
    doors->open = false;
    for (int i = 0; i < LISTENERS; i++)
        if (doors->listener[i].open)
            listener_close(&doors->listener[i].listener);
    uv_close((uv_handle_t *)&doors->timer, NULL);
}

void doors_pause(struct doors *doors, bool paused)
{
    if (!doors->open || doors->paused == paused)
        return;
    doors->paused = paused;
    for (uint32_t i = 0; i < FRONT_CONNECTIONS_MAX; i++)
        if (doors->at[i])
            read_again(doors->at[i]);
}
