#include "link/relay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"

#define RETRY_MS 1000u

struct end {
    struct stream stream;
    struct pair *pair;
    unsigned side;
    bool opened;     /* the stream is libuv's, until it says it is done */
    bool connecting; /* side 1 */
    bool read_ended; /* nothing more comes from it */
    bool finish;     /* nothing more goes to it, once what waits is written */
    bool finished;   /* ... and it was told so */
    bool failed;
};

struct pair {
    struct relay *relay;
    struct end end[2];
    struct way way[2]; /* from the end of the same number to the other */
    bool closing;
    struct pair *previous, *next;
};

static uint64_t clock_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* ---------------------------------------------------------------- one connection */

static void on_event(struct stream *stream, bool readable, bool writable);

static void pair_free(struct pair *pair)
{
    struct relay *relay = pair->relay;
    if (pair->next)
        pair->next->previous = pair->previous;
    if (pair->previous)
        pair->previous->next = pair->next;
    else
        relay->pairs = pair->next;
    relay->now_open--;
    free(pair);
}

static void on_closed(struct stream *stream)
{
    struct end *end = (struct end *)stream;
    struct pair *pair = end->pair;
    end->opened = false;
    if (!pair->end[0].opened && !pair->end[1].opened)
        pair_free(pair);
}

/* Both ends go; the ways are empty from now on, so nothing calls for this pair any more. */
static void pair_close(struct pair *pair, bool reset)
{
    const struct linger hard = {.l_onoff = 1, .l_linger = 0};
    if (pair->closing)
        return;
    pair->closing = true;
    emulation_leave(&pair->relay->emulation, pair->way);
    for (unsigned i = 0; i < 2; i++) {
        if (!pair->end[i].opened)
            continue;
        if (reset)
            setsockopt(pair->end[i].stream.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
        stream_close(&pair->end[i].stream);
    }
}

static void send_way(struct pair *pair, unsigned side, enum held_kind kind, const void *data, size_t len)
{
    if (!emulation_send(&pair->relay->emulation, &pair->way[side], kind, data, len, clock_us()))
        pair_close(pair, true); /* out of memory: this connection is the one that pays */
}

/* One end is gone: the other hears of it when the news arrives. `counter` is of the reason. */
static void end_gone(struct end *end, uint64_t *counter)
{
    struct pair *pair = end->pair;
    struct way *towards = &pair->way[!end->side];
    if (end->failed || pair->closing)
        return;
    end->failed = true;
    *counter += 1;
    if (pair->end[!end->side].failed) {
        pair_close(pair, true);
        return;
    }
    buffer_free(&end->stream.out);
    if (end->opened)
        stream_pause(&end->stream, true);
    emulation_drop(&pair->relay->emulation, towards);
    emulation_taken(&pair->relay->emulation, towards, towards->bytes);
    send_way(pair, end->side, HELD_RESET, NULL, 0);
}

static void end_failed(struct end *end)
{
    end_gone(end, &end->pair->relay->broken);
}

/* Reads on or not, as there is room for what it sends. */
static void end_throttle(struct end *end)
{
    bool full = emulation_room(&end->pair->relay->emulation, &end->pair->way[end->side]) == 0;
    bool pause = full || end->read_ended || end->failed;
    if (end->opened && !end->connecting && pause != end->stream.paused)
        stream_pause(&end->stream, pause);
}

/* Writes what waits, and after the last of it says that there is no more. */
static void end_flush(struct end *end)
{
    struct pair *pair = end->pair;
    size_t before = end->stream.out.len;
    if (end->failed || pair->closing)
        return;
    if (stream_flush(&end->stream) != 0) {
        end_failed(end);
        return;
    }
    emulation_taken(&pair->relay->emulation, &pair->way[!end->side], before - end->stream.out.len);
    end_throttle(&pair->end[!end->side]);
    if (!end->finish || end->finished || end->stream.out.len)
        return;
    end->finished = true;
    if (shutdown(end->stream.fd, SHUT_WR) != 0)
        end_failed(end);
    else if (pair->end[!end->side].finished)
        pair_close(pair, false);
}

static void end_read(struct end *end)
{
    static uint8_t piece[EMULATION_READ_MAX];
    struct pair *pair = end->pair;
    size_t room = emulation_room(&pair->relay->emulation, &pair->way[end->side]);
    if (end->read_ended) { /* it is not watched for reading: this is an error */
        end_failed(end);
        return;
    }
    ssize_t n = recv(end->stream.fd, piece, room ? room : 1, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n < 0) {
        end_failed(end);
        return;
    }
    pair->relay->bytes[end->side] += (uint64_t)n;
    end->read_ended = n == 0;
    send_way(pair, end->side, n ? HELD_BYTES : HELD_END, piece, (size_t)n);
    if (!pair->closing)
        end_throttle(end);
}

/* ---------------------------------------------------------------- the service's end */

static void call_failed(struct end *end)
{
    end->connecting = false;
    end_gone(end, &end->pair->relay->unreachable);
}

/* The call has arrived there. */
static void call(struct end *end)
{
    const struct socket_address *to = &end->pair->relay->to;
    int fd = socket(to->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        call_failed(end);
        return;
    }
    socket_no_delay(fd);
    bool failed = connect(fd, (const struct sockaddr *)&to->storage, to->len) != 0 && errno != EINPROGRESS;
    stream_open(&end->stream, end->pair->relay->loop, fd, on_event, on_closed);
    end->opened = true;
    if (failed) {
        call_failed(end);
        return;
    }
    end->connecting = true;
    emulation_stop(&end->pair->relay->emulation, &end->pair->way[0], true);
    stream_watch(&end->stream, UV_WRITABLE);
}

static void call_answered(struct end *end)
{
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(end->stream.fd, SOL_SOCKET, SO_ERROR, &error, &len);
    emulation_stop(&end->pair->relay->emulation, &end->pair->way[0], false);
    if (error) {
        call_failed(end);
        return;
    }
    end->connecting = false;
    stream_pause(&end->stream, false);
}

/* ---------------------------------------------------------------- what arrives */

static void arrive(struct pair *pair, struct end *to, const struct held *held)
{
    switch (held->kind) {
    case HELD_CALL:
        call(to);
        break;
    case HELD_BYTES:
        if (to->failed) /* its sender has not heard of that yet */
            emulation_taken(&pair->relay->emulation, &pair->way[!to->side], held->len);
        else
            buffer_append(&to->stream.out, held->data, held->len);
        break;
    case HELD_END:
        to->finish = true;
        break;
    case HELD_RESET:
        pair_close(pair, true);
        break;
    }
}

/* All that is due of one way, with one write. */
static void deliver_way(struct relay *relay, struct way *way, uint64_t now)
{
    struct pair *pair = way->owner;
    struct end *to = &pair->end[!way->direction];
    while (!pair->closing && !way->stopped && way->first && way->first->due_us <= now) {
        struct held *held = emulation_take(&relay->emulation, way);
        relay->on_late(relay, now - held->due_us);
        arrive(pair, to, held);
        free(held);
    }
    if (!pair->closing && to->opened && !to->connecting)
        end_flush(to);
}

static void deliver(struct relay *relay)
{
    struct way *way;
    uint64_t now = clock_us();
    while ((way = emulation_due(&relay->emulation, now))) {
        deliver_way(relay, way, now);
        now = clock_us();
    }
}

static void on_event(struct stream *stream, bool readable, bool writable)
{
    struct end *end = (struct end *)stream;
    struct relay *relay = end->pair->relay;
    if (end->connecting) {
        call_answered(end);
    } else if (!end->failed) { /* libuv may have had more events of it at hand */
        if (readable)
            end_read(end);
        if (writable || stream->watched == 0) /* 0: there was an error, but perhaps bytes before it */
            end_flush(end);
    }
    deliver(relay); /* many may be ready to be read: what is due does not wait for them */
}

/* ---------------------------------------------------------------- the loop */

static void on_accept(struct listener *listener, int fd)
{
    struct relay *relay = listener->owner;
    struct pair *pair = relay->now_open < RELAY_CONNECTIONS_MAX ? calloc(1, sizeof *pair) : NULL;
    if (!pair || !emulation_join(&relay->emulation, pair->way)) {
        relay->turned_away++;
        free(pair);
        close(fd);
        return;
    }
    pair->relay = relay;
    pair->next = relay->pairs;
    if (pair->next)
        pair->next->previous = pair;
    relay->pairs = pair;
    relay->now_open++;
    relay->opened++;
    for (unsigned i = 0; i < 2; i++) {
        pair->end[i].pair = pair;
        pair->end[i].side = i;
        pair->way[i].owner = pair;
    }
    socket_no_delay(fd);
    stream_open(&pair->end[0].stream, relay->loop, fd, on_event, on_closed);
    pair->end[0].opened = true;
    send_way(pair, 0, HELD_CALL, NULL, 0);
    if (!pair->closing)
        stream_pause(&pair->end[0].stream, false);
}

static void on_alarm(uv_poll_t *alarm, int status, int events)
{
    struct relay *relay = alarm->data;
    uint64_t times;
    (void)status, (void)events;
    if (read(relay->alarm_fd, &times, sizeof times) == (ssize_t)sizeof times)
        relay->alarm_us = UINT64_MAX;
}

/* Before the loop sleeps: what is due goes, and the alarm is set for the next. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct relay *relay = prepare->data;
    deliver(relay);
    uint64_t next = emulation_next(&relay->emulation);
    if (next == relay->alarm_us || next == UINT64_MAX)
        return;
    const struct itimerspec at = {
        .it_value = {.tv_sec = (time_t)(next / 1000000u), .tv_nsec = (long)(next % 1000000u) * 1000}};
    CHECK(timerfd_settime(relay->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL) == 0);
    relay->alarm_us = next;
}

static void on_retry(uv_timer_t *timer)
{
    listener_retry(&((struct relay *)timer->data)->listener);
}

int relay_open(struct relay *relay, uv_loop_t *loop, const struct address *listen, const struct address *to,
               const struct emulation_rules *rules, struct error *error)
{
    if (socket_resolve(&relay->to, to, false))
        return error_set(error, "%s:%u: no such host", to->host, to->port);
    int alarm_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (alarm_fd < 0)
        return error_set(error, "timerfd: %s", strerror(errno));
    int fd = socket_listen(listen, "--listen", error);
    if (fd < 0) {
        close(alarm_fd);
        return -1;
    }
    relay->loop = loop;
    relay->alarm_fd = alarm_fd;
    relay->alarm_us = UINT64_MAX;
    emulation_init(&relay->emulation, rules);
    listener_open(&relay->listener, loop, fd, relay, on_accept);
    CHECK(uv_poll_init(loop, &relay->alarm, alarm_fd) == 0);
    uv_prepare_init(loop, &relay->prepare);
    uv_timer_init(loop, &relay->retry);
    relay->alarm.data = relay->prepare.data = relay->retry.data = relay;
    uv_poll_start(&relay->alarm, UV_READABLE, on_alarm);
    uv_prepare_start(&relay->prepare, on_prepare);
    uv_timer_start(&relay->retry, on_retry, RETRY_MS, RETRY_MS);
    return 0;
}

void relay_close(struct relay *relay)
{
    for (struct pair *pair = relay->pairs; pair; pair = pair->next)
        pair_close(pair, true);
    listener_close(&relay->listener);
    uv_close((uv_handle_t *)&relay->alarm, NULL);
    uv_close((uv_handle_t *)&relay->prepare, NULL);
    uv_close((uv_handle_t *)&relay->retry, NULL);
}

void relay_deinit(struct relay *relay)
{
    close(relay->alarm_fd);
    emulation_deinit(&relay->emulation);
}
