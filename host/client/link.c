#include "client/link.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/hub.h"

#define BACKOFF_FIRST_US 10000u
#define BACKOFF_MAX_US   1000000u
#define OUT_MAX          (16u * 1024u * 1024u) /* gathered for a replica that does not read; more is dropped */
#define KEPT_MAX         (1024u * 1024u)       /* larger buffers are given back when empty */

static int look_up(const struct client_endpoint *endpoint, struct addrinfo **addresses)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    return getaddrinfo(endpoint->host, endpoint->port, &hints, addresses);
}

int link_init(struct client_link *link, struct client_hub *hub, replica_id replica,
              const struct client_endpoint *endpoint, struct error *error)
{
    *link = (struct client_link){.hub = hub, .loop = hub->loop, .replica = replica, .endpoint = *endpoint};
    link->fd = -1;
    link->retry_us = UINT64_MAX;
    link->backoff_us = BACKOFF_FIRST_US;
    int failed = look_up(endpoint, &link->addresses);
    if (failed)
        return error_set(error, "replica %u at %s:%s: %s", replica, endpoint->host, endpoint->port,
                         gai_strerror(failed));
    link->address = link->addresses;
    return 0;
}

static void link_close(struct client_link *link)
{
    if (link->fd >= 0)
        close(link->fd); /* leaves the epoll set by itself */
    link->fd = -1;
    link->up = false;
    link->wants_write = false;
    link->in.len = link->out.len = link->out_at = 0;
}

void link_deinit(struct client_link *link)
{
    link_close(link);
    delay_forget(&link->loop->delay, link);
    client_bytes_free(&link->in, &client_heap);
    client_bytes_free(&link->out, &client_heap);
    if (link->addresses)
        freeaddrinfo(link->addresses);
    link->addresses = NULL;
    link->loop = NULL;
}

static void link_fail(struct client_link *link, const char *why)
{
    link_close(link);
    link->address = link->address->ai_next ? link->address->ai_next : link->addresses;
    link->retry_us = link->loop->now_us + link->backoff_us;
    link->backoff_us = 2 * link->backoff_us < BACKOFF_MAX_US ? 2 * link->backoff_us : BACKOFF_MAX_US;
    loop_timer(link->loop, link->retry_us);
    hub_on_down(link->hub, link, why);
}

void link_move(struct client_link *link, const struct client_endpoint *endpoint)
{
    link->next = *endpoint;
    link->moves =
        strcmp(link->endpoint.host, endpoint->host) != 0 || strcmp(link->endpoint.port, endpoint->port) != 0;
    if (link->moves)
        loop_timer(link->loop, 0);
}

/* A name is looked up in the loop: a replica moves seldom. Where there is none, everything stays. */
void link_go(struct client_link *link)
{
    struct addrinfo *addresses;
    link->moves = false;
    if (look_up(&link->next, &addresses) != 0)
        return;
    freeaddrinfo(link->addresses);
    link->endpoint = link->next;
    link->addresses = link->address = addresses;
    link->backoff_us = BACKOFF_FIRST_US;
    link_fail(link, "it moved"); /* and connects again soon */
}

static void link_watch(struct client_link *link, int operation, bool write)
{
    struct epoll_event event = {.events = EPOLLIN | (write ? EPOLLOUT : 0u), .data.ptr = link};
    link->wants_write = write;
    if (epoll_ctl(link->loop->epoll, operation, link->fd, &event) != 0)
        link_fail(link, strerror(errno));
}

void link_connect(struct client_link *link)
{
    int one = 1;
    link->retry_us = UINT64_MAX;
    link->connection++;
    link->fd = socket(link->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (link->fd < 0) {
        link_fail(link, strerror(errno));
        return;
    }
    (void)setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(link->fd, link->address->ai_addr, link->address->ai_addrlen) != 0 && errno != EINPROGRESS) {
        link_fail(link, strerror(errno));
        return;
    }
    link_watch(link, EPOLL_CTL_ADD, true);
}

static void link_connected(struct client_link *link)
{
    int reason = 0;
    socklen_t len = sizeof reason;
    if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &reason, &len) != 0)
        reason = errno;
    if (reason) {
        link_fail(link, strerror(reason));
        return;
    }
    link->up = true;
    link_watch(link, EPOLL_CTL_MOD, false);
    if (link->up)
        hub_on_up(link->hub, link->replica);
}

/* ------------------------------------------------------------------------------------------------ writing */

static bool bytes_append(struct client_bytes *bytes, const void *data, size_t len)
{
    if (!client_bytes_reserve(bytes, &client_heap, bytes->len + len))
        return false;
    if (len)
        memcpy(bytes->data + bytes->len, data, len);
    bytes->len += len;
    return true;
}

static void link_hold_back(struct client_link *link, uint64_t *last_us, bool inward,
                           const struct slice *parts, unsigned count, size_t len)
{
    struct delay *delay = &link->loop->delay;
    uint8_t *copy = malloc(len ? len : 1);
    size_t at = 0;
    if (!copy)
        return;
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(copy + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    struct delayed item = {.due_us = delay_due(delay, client_clock_us(), last_us),
                           .link = link,
                           .connection = link->connection,
                           .inward = inward,
                           .len = len,
                           .data = copy};
    if (!delay_push(delay, item))
        free(copy);
}

static void link_gather(struct client_link *link, const struct slice *parts, unsigned count, size_t len)
{
    uint8_t prefix[4] = {(uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16), (uint8_t)(len >> 24)};
    if (link->out.len - link->out_at + len > OUT_MAX ||
        !client_bytes_reserve(&link->out, &client_heap, link->out.len + sizeof prefix + len))
        return;
    bytes_append(&link->out, prefix, sizeof prefix);
    for (unsigned i = 0; i < count; i++)
        bytes_append(&link->out, parts[i].data, parts[i].len);
    loop_touch_link(link->loop, link);
}

void link_send(struct client_link *link, const struct slice *parts, unsigned count)
{
    size_t len = 0;
    if (!link->up)
        return;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    if (delay_on(&link->loop->delay))
        link_hold_back(link, &link->last_out_us, false, parts, count, len);
    else
        link_gather(link, parts, count, len);
}

static void out_empty(struct client_link *link)
{
    link->out.len = link->out_at = 0;
    if (link->out.cap > KEPT_MAX)
        client_bytes_free(&link->out, &client_heap);
}

void link_flush(struct client_link *link)
{
    while (link->up && link->out_at < link->out.len) {
        ssize_t n = send(link->fd, link->out.data + link->out_at, link->out.len - link->out_at, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (n < 0) {
            link_fail(link, strerror(errno));
            return;
        }
        link->out_at += (size_t)n;
    }
    bool left = link->out_at < link->out.len;
    if (!left) {
        out_empty(link);
    } else if (link->out_at > link->out.len / 2) {
        memmove(link->out.data, link->out.data + link->out_at, link->out.len - link->out_at);
        link->out.len -= link->out_at;
        link->out_at = 0;
    }
    if (link->up && left != link->wants_write)
        link_watch(link, EPOLL_CTL_MOD, left);
}

/* ------------------------------------------------------------------------------------------------ reading */

static uint32_t length_at(const uint8_t *data)
{
    return (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
}

/* Hands over the whole frames; returns how many bytes they took, SIZE_MAX when the stream is not one of frames. */
static size_t link_frames(struct client_link *link, const uint8_t *data, size_t len)
{
    size_t at = 0;
    while (len - at >= 4) {
        uint32_t frame = length_at(data + at);
        if (frame < FRAME_HEADER_BYTES || frame > FRAME_MAX)
            return SIZE_MAX;
        if (len - at - 4 < frame)
            break;
        struct slice part = {data + at + 4, frame};
        if (delay_on(&link->loop->delay))
            link_hold_back(link, &link->last_in_us, true, &part, 1, part.len);
        else
            hub_on_frame(link->hub, link->replica, part.data, part.len);
        at += 4 + (size_t)frame;
    }
    return at;
}

static void link_read(struct client_link *link)
{
    struct client_bytes *in = &link->in;
    bool begun = in->len != 0;
    uint8_t *to = link->loop->inbox;
    size_t room = LOOP_INBOX_BYTES;
    if (begun) {
        size_t wanted = in->len >= 4 ? 4 + (size_t)length_at(in->data) : 0;
        wanted = wanted > in->len + 4096 ? wanted : in->len + 4096;
        if (!client_bytes_reserve(in, &client_heap, wanted)) {
            link_fail(link, "out of memory");
            return;
        }
        to = in->data + in->len;
        room = in->cap - in->len;
    }
    ssize_t n = recv(link->fd, to, room, 0);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return;
    if (n <= 0) {
        link_fail(link, n < 0 ? strerror(errno) : "closed by the replica");
        return;
    }
    link->backoff_us = BACKOFF_FIRST_US;
    if (begun)
        in->len += (size_t)n;
    const uint8_t *data = begun ? in->data : to;
    size_t len = begun ? in->len : (size_t)n;
    size_t used = link_frames(link, data, len);
    if (used == SIZE_MAX) {
        link_fail(link, "sent something that is not a frame");
        return;
    }
    if (begun) {
        memmove(in->data, in->data + used, in->len - used);
        in->len -= used;
        if (in->len == 0 && in->cap > KEPT_MAX)
            client_bytes_free(in, &client_heap);
    } else if (used < len && !bytes_append(in, data + used, len - used)) {
        link_fail(link, "out of memory");
    }
}

void link_on_event(struct client_link *link, uint32_t events)
{
    if (link->fd < 0)
        return; /* closed earlier in this run */
    if (!link->up) {
        link_connected(link);
        return;
    }
    if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
        link_read(link);
    if (link->up && events & EPOLLOUT)
        link_flush(link);
}

void link_on_delayed(struct client_link *link, const struct delayed *item)
{
    struct slice part = {item->data, item->len};
    if (!link->up || item->connection != link->connection)
        return;
    if (item->inward)
        hub_on_frame(link->hub, link->replica, item->data, item->len);
    else
        link_gather(link, &part, 1, item->len);
}
