#include "reach.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "log.h"
#include "wire/front.h"

#define BACKOFF_LEAST_MS 20u
#define BACKOFF_MOST_MS  1000u
#define TICK_MS          20u
#define UNANSWERED_MS    10000u

struct reach_link {
    struct stream stream; /* first: a stream is its link */
    struct reach *reach;
    replica_id replica;
    bool connecting;
};

static struct reach_link *link_of(struct stream *stream)
{
    return (struct reach_link *)(void *)stream;
}

static void on_closed(struct stream *stream)
{
    free(link_of(stream));
}

static void retry_later(struct reach *reach, replica_id replica)
{
    uint32_t *backoff = &reach->backoff_ms[replica];
    *backoff = *backoff ? *backoff * 2 : BACKOFF_LEAST_MS;
    *backoff = *backoff < BACKOFF_MOST_MS ? *backoff : BACKOFF_MOST_MS;
    reach->retry_at_ms[replica] = uv_now(reach->loop) + *backoff;
}

static void link_close(struct reach_link *link)
{
    struct reach *reach = link->reach;
    if (!link->stream.open)
        return;
    reach->link[link->replica] = NULL;
    stream_close(&link->stream);
    if (!reach->open)
        return;
    retry_later(reach, link->replica);
    if (!link->connecting)
        reach->events.on_link(reach->events.context, link->replica, false);
}

static void receive(struct reach_link *link)
{
    struct reach *reach = link->reach;
    struct buffer *in = &link->stream.in;
    struct slice frame;
    const uint8_t *data;
    size_t at = 0;
    enum split split = SPLIT_MORE;
    ssize_t n = stream_read(&link->stream, &data);
    if (n < 0)
        link_close(link);
    if (n <= 0)
        return;
    reach->backoff_ms[link->replica] = 0;
    bool begun = in->len > 0;
    if (begun)
        buffer_append(in, data, (size_t)n);
    const uint8_t *all = begun ? buffer_data(in) : data;
    size_t len = begun ? in->len : (size_t)n;
    while ((split = frame_split(all, len, FRAME_MAX, &at, &frame)) == SPLIT_FRAME)
        reach->events.on_frame(reach->events.context, link->replica, frame);
    if (split == SPLIT_GARBAGE) {
        LOG_LIMITED(LOG_WARNING, "front: garbage from the client port of replica %u", link->replica);
        link_close(link);
    } else if (begun) {
        buffer_consume(in, at);
    } else if (at < len) {
        buffer_append(in, data + at, len - at);
    }
}

static void connected(struct reach_link *link)
{
    int failed = 0;
    socklen_t len = sizeof failed;
    getsockopt(link->stream.fd, SOL_SOCKET, SO_ERROR, &failed, &len);
    if (failed) {
        link_close(link);
        return;
    }
    link->connecting = false;
    stream_pause(&link->stream, link->reach->paused);
    link->reach->events.on_link(link->reach->events.context, link->replica, true);
}

static void on_event(struct stream *stream, bool readable, bool writable)
{
    struct reach_link *link = link_of(stream);
    if (link->connecting) {
        connected(link);
        return;
    }
    if (readable && !stream->paused)
        receive(link);
    if (writable && stream->open && stream_flush(stream) != 0)
        link_close(link);
}

static void connect_to(struct reach *reach, replica_id replica)
{
    struct socket_address at;
    unsigned unanswered = UNANSWERED_MS;
    int fd = -1;
    if (socket_resolve(&at, &reach->config->replica[replica].client, false) == 0)
        fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || (connect(fd, (struct sockaddr *)&at.storage, at.len) != 0 && errno != EINPROGRESS)) {
        if (fd >= 0)
            close(fd);
        retry_later(reach, replica);
        return;
    }
    struct reach_link *link = calloc(1, sizeof *link);
    CHECK(link && "out of memory");
    socket_no_delay(fd);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
    stream_open(&link->stream, reach->loop, fd, on_event, on_closed);
    link->reach = reach;
    link->replica = replica;
    link->connecting = true;
    reach->link[replica] = link;
    stream_watch(&link->stream, UV_WRITABLE);
}

static void on_tick(uv_timer_t *timer)
{
    struct reach *reach = timer->data;
    uint64_t now = uv_now(reach->loop);
    for (replica_id r = 0; r < reach->config->replicas; r++)
        if (!reach->link[r] && now >= reach->retry_at_ms[r])
            connect_to(reach, r);
}

void reach_open(struct reach *reach, uv_loop_t *loop, const struct config *config,
                const struct reach_events *events)
{
    memset(reach, 0, sizeof *reach);
    reach->loop = loop;
    reach->config = config;
    reach->events = *events;
    reach->open = true;
    uv_timer_init(loop, &reach->timer);
    reach->timer.data = reach;
    uv_timer_start(&reach->timer, on_tick, 0, TICK_MS);
}

void reach_close(struct reach *reach)
{
    if (!reach->open)
        return;
    reach->open = false;
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        if (reach->link[r])
            link_close(reach->link[r]);
    uv_close((uv_handle_t *)&reach->timer, NULL);
}

static void send_to(struct reach *reach, replica_id replica, struct slice frame)
{
    struct reach_link *link = reach->link[replica];
    if (link && !link->connecting && link->stream.out.len < REACH_OUT_MAX)
        frame_append(&link->stream.out, &frame, 1);
}

void reach_send(struct reach *reach, uint32_t replica, struct slice frame)
{
    if (!reach->open)
        return;
    if (replica < REPLICAS_MAX)
        send_to(reach, replica, frame);
    for (replica_id r = 0; replica == FRONT_TO_ALL && r < REPLICAS_MAX; r++)
        send_to(reach, r, frame);
}

void reach_flush(struct reach *reach)
{
    for (replica_id r = 0; r < REPLICAS_MAX; r++) {
        struct reach_link *link = reach->link[r];
        if (link && !link->connecting && link->stream.out.len && !(link->stream.watched & UV_WRITABLE) &&
            stream_flush(&link->stream) != 0)
            link_close(link);
    }
}

void reach_pause(struct reach *reach, bool paused)
{
    if (!reach->open || reach->paused == paused)
        return;
    reach->paused = paused;
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        if (reach->link[r] && !reach->link[r]->connecting)
            stream_pause(&reach->link[r]->stream, paused);
}

void reach_tell(struct reach *reach)
{
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        if (reach->link[r] && !reach->link[r]->connecting)
            reach->events.on_link(reach->events.context, r, true);
}
