#include "sockets.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "log.h"
#include "wire/frame.h"

#define ACCEPTS_PER_TURN 64
#define BACKLOG          1024

int socket_resolve(struct socket_address *out, const struct address *address, bool numeric_only)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    if (numeric_only)
        hints.ai_flags |= AI_NUMERICHOST;
    snprintf(port, sizeof port, "%u", address->port);
    if (getaddrinfo(address->host, port, &hints, &found) != 0)
        return -1;
    memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
    out->len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int socket_listen(const struct address *address, const char *what, struct error *error)
{
    struct socket_address at;
    int one = 1;
    if (socket_resolve(&at, address, false))
        return error_set(error, "%s:%u (%s): no such host", address->host, address->port, what);
    int fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(error, "%s:%u (%s): %s", address->host, address->port, what, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&at.storage, at.len) != 0 || listen(fd, BACKLOG) != 0) {
        error_set(error, "%s:%u (%s): %s", address->host, address->port, what,
                  errno == EADDRINUSE ? "the port is in use by another program" : strerror(errno));
        close(fd);
        return -1;
    }
    return fd;
}

void socket_peer_name(int fd, char out[SOCKET_NAME_BYTES])
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof storage;
    char host[64] = "?", port[8] = "?";
    if (getpeername(fd, (struct sockaddr *)&storage, &len) == 0)
        getnameinfo((struct sockaddr *)&storage, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(out, SOCKET_NAME_BYTES, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

void socket_no_delay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* ---------------------------------------------------------------- streams */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct stream *stream = poll->data;
    if (!stream->open)
        return;
    /* An error on the descriptor shows as readable: the read says which, though bytes that came before it are read first. libuv
     * does not watch it any more then; the next flush or pause watches it again. */
    if (status < 0)
        stream->watched = 0;
    bool readable = status < 0 || (events & (UV_READABLE | UV_DISCONNECT));
    stream->on_event(stream, readable, (events & UV_WRITABLE) != 0);
}

static void on_close(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    close(stream->fd);
    stream->fd = -1;
    if (stream->on_closed)
        stream->on_closed(stream);
}

void stream_watch(struct stream *stream, int events)
{
    if (events == stream->watched || !stream->open)
        return;
    stream->watched = events;
    if (events)
        uv_poll_start(&stream->poll, events, on_poll);
    else
        uv_poll_stop(&stream->poll);
}

void stream_open(struct stream *stream, uv_loop_t *loop, int fd,
                 void (*on_event)(struct stream *, bool readable, bool writable),
                 void (*on_closed)(struct stream *))
{
    memset(stream, 0, sizeof *stream);
    stream->fd = fd;
    stream->open = true;
    stream->on_event = on_event;
    stream->on_closed = on_closed;
    CHECK(uv_poll_init(loop, &stream->poll, fd) == 0);
    stream->poll.data = stream;
}

void stream_close(struct stream *stream)
{
    if (!stream->open)
        return;
    stream->open = false;
    buffer_free(&stream->in);
    buffer_free(&stream->out);
    uv_close((uv_handle_t *)&stream->poll, on_close);
}

ssize_t stream_read(struct stream *stream, const uint8_t **data)
{
    static uint8_t scratch[READ_BYTES];
    *data = scratch;
    ssize_t n;
    do
        n = recv(stream->fd, scratch, sizeof scratch, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return 0;
    if (n == 0)
        errno = 0;
    return n > 0 ? n : -1;
}

static void watch_again(struct stream *stream)
{
    int readable = stream->paused ? 0 : UV_READABLE;
    stream_watch(stream, readable | (stream->out.len ? UV_WRITABLE : 0));
}

int stream_flush(struct stream *stream)
{
    while (stream->out.len) {
        ssize_t n = send(stream->fd, buffer_data(&stream->out), stream->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0)
            return -1;
        buffer_consume(&stream->out, (size_t)n);
    }
    watch_again(stream);
    return 0;
}

void stream_pause(struct stream *stream, bool paused)
{
    stream->paused = paused;
    watch_again(stream);
}

/* ---------------------------------------------------------------- frames */

enum split frame_split(const uint8_t *data, size_t len, size_t max, size_t *at, struct slice *frame)
{
    size_t left = len - *at;
    const uint8_t *p = data + *at;
    if (left < 4)
        return SPLIT_MORE;
    size_t frame_len = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (frame_len < FRAME_HEADER_BYTES || frame_len > max || (left > 4 && p[4] != WIRE_VERSION))
        return SPLIT_GARBAGE;
    if (left - 4 < frame_len)
        return SPLIT_MORE;
    *frame = (struct slice){p + 4, frame_len};
    *at += 4 + frame_len;
    return SPLIT_FRAME;
}

void frame_append(struct buffer *out, const struct slice *parts, unsigned count)
{
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    uint8_t *to = buffer_reserve(out, 4 + len);
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(len >> (8 * i));
    to += 4;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(to, parts[i].data, parts[i].len);
        to += parts[i].len;
    }
    buffer_commit(out, 4 + len);
}

/* ---------------------------------------------------------------- listeners */

static void on_listener(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    (void)status, (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->on_accept(listener, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK) {
            LOG_LIMITED(LOG_WARNING, "cannot accept a connection: %s: waiting a second", strerror(errno));
            uv_poll_stop(&listener->poll);
            listener->waiting = true;
        }
        return;
    }
}

void listener_open(struct listener *listener, uv_loop_t *loop, int fd, void *owner,
                   void (*on_accept)(struct listener *, int))
{
    *listener = (struct listener){.fd = fd, .owner = owner, .on_accept = on_accept};
    CHECK(uv_poll_init(loop, &listener->poll, fd) == 0);
    listener->poll.data = listener;
    uv_poll_start(&listener->poll, UV_READABLE, on_listener);
}

void listener_retry(struct listener *listener)
{
    if (!listener->waiting)
        return;
    listener->waiting = false;
    uv_poll_start(&listener->poll, UV_READABLE, on_listener);
}

static void on_listener_closed(uv_handle_t *handle)
{
    close(((struct listener *)handle->data)->fd);
}

void listener_close(struct listener *listener)
{
    if (!uv_is_closing((uv_handle_t *)&listener->poll))
        uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
}

void descriptors_raise(unsigned wanted)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}
