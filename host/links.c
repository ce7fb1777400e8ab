#include "links.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "log.h"

#define BACKOFF_LEAST_MS 50u
#define BACKOFF_MOST_MS  2000u
#define TICK_MS          25u
#define UNANSWERED_MS    10000u

struct link {
    struct stream stream; /* first: a stream is its link */
    struct links *links;
    struct link *next, **back;
    struct tls tls;
    struct buffer plain_in, plain_out;
    bool outgoing, connecting, guest;
    replica_id peer; /* whom it goes to, or TLS_ANY_PEER */
    uint64_t since_ms;
};

static void link_close(struct link *link, const char *why);

static struct link *link_of(struct stream *stream)
{
    return (struct link *)(void *)stream;
}

static void on_closed(struct stream *stream)
{
    struct link *link = link_of(stream);
    buffer_free(&link->plain_in);
    buffer_free(&link->plain_out);
    free(link);
}

static void forget(struct link *link)
{
    struct links *links = link->links;
    *link->back = link->next;
    if (link->next)
        link->next->back = link->back;
    if (link->guest) {
        links->guests--;
        link->guest = false;
    }
    if (link->peer == TLS_ANY_PEER)
        return;
    if (links->trying[link->peer] == link)
        links->trying[link->peer] = NULL;
    if (links->peer[link->peer] == link)
        links->peer[link->peer] = NULL;
}

static void retry_later(struct links *links, replica_id peer)
{
    uint32_t *backoff = &links->backoff_ms[peer];
    *backoff = *backoff ? *backoff * 2 : BACKOFF_LEAST_MS;
    if (*backoff > BACKOFF_MOST_MS)
        *backoff = BACKOFF_MOST_MS;
    links->retry_at_ms[peer] = uv_now(links->loop) + *backoff + (uint64_t)(rand() % 16);
}

static void link_close(struct link *link, const char *why)
{
    if (!link->stream.open)
        return;
    bool established = link->tls.established && link->peer != TLS_ANY_PEER;
    if (established && link->links->open)
        log_line(LOG_INFO, "link to replica %u is down: %s", link->peer, why);
    replica_id peer = link->peer;
    bool outgoing = link->outgoing;
    struct links *links = link->links;
    forget(link);
    tls_close(&link->tls);
    stream_close(&link->stream);
    if (outgoing && links->open)
        retry_later(links, peer);
}

/* ---------------------------------------------------------------- established */

static void link_is_up(struct link *link)
{
    struct links *links = link->links;
    link->peer = link->tls.peer;
    if (link->guest) {
        link->guest = false;
        links->guests--;
    }
    if (memcmp(link->tls.key, links->pins.key[link->peer], 32) == 0)
        links->pins.has_before[link->peer] = false;
    struct link *older = links->peer[link->peer];
    if (links->trying[link->peer] == link)
        links->trying[link->peer] = NULL;
    links->peer[link->peer] = link;
    if (older && older != link)
        link_close(older, "replaced by a newer one");
    links->peer[link->peer] = link;
    log_line(LOG_INFO, "link to replica %u is up (%s)", link->peer, link->stream.name);
    links->events.on_up(links->events.context, link->peer);
}

static void garbage(struct link *link)
{
    struct links *links = link->links;
    links->garbage++;
    LOG_LIMITED(LOG_WARNING, "garbage on the peer port %u from %s: connection closed",
                links->config->replica[links->self].peer.port, link->stream.name);
    link_close(link, "it sent garbage");
}

static void deliver(struct link *link)
{
    struct links *links = link->links;
    struct slice frame;
    size_t at = 0;
    enum split split = SPLIT_MORE;
    while (link->stream.open && (split = frame_split(buffer_data(&link->plain_in), link->plain_in.len,
                                                     FRAME_MAX, &at, &frame)) == SPLIT_FRAME)
        links->events.on_frame(links->events.context, link->peer, frame);
    if (!link->stream.open)
        return;
    if (split == SPLIT_GARBAGE)
        garbage(link);
    else if (at)
        buffer_consume(&link->plain_in, at);
}

static void receive(struct link *link)
{
    struct links *links = link->links;
    const uint8_t *data;
    ssize_t n = stream_read(&link->stream, &data);
    if (n < 0) {
        link_close(link, errno ? strerror(errno) : "the other side closed it");
        return;
    }
    if (n == 0)
        return;
    links->bytes_in += (uint64_t)n;
    bool was = link->tls.established;
    int failed = tls_receive(&link->tls, data, (size_t)n, &link->plain_in);
    if (link->tls.established && !was)
        link_is_up(link);
    if (link->tls.established && link->plain_in.len)
        deliver(link);
    if (!link->stream.open)
        return;
    if (stream_flush(&link->stream) != 0) /* the handshake's answer, or an alert */
        failed = failed ? failed : -1;
    if (!failed)
        return;
    if (link->tls.stranger) {
        links->strangers++;
        LOG_LIMITED(LOG_WARNING, "peer port %u: %s refused: %s",
                    links->config->replica[links->self].peer.port, link->stream.name, tls_reason(&link->tls));
    } else if (!was && !link->outgoing) {
        links->garbage++;
        LOG_LIMITED(LOG_WARNING, "garbage on the peer port %u from %s (%s): connection closed",
                    links->config->replica[links->self].peer.port, link->stream.name, tls_reason(&link->tls));
    } else if (!was) {
        LOG_LIMITED(LOG_WARNING, "link to replica %u (%s): %s", link->peer, link->stream.name,
                    tls_reason(&link->tls));
    }
    link_close(link, tls_reason(&link->tls));
}

/* ---------------------------------------------------------------- coming and going */

static void connected(struct link *link)
{
    int failed = 0;
    socklen_t len = sizeof failed;
    getsockopt(link->stream.fd, SOL_SOCKET, SO_ERROR, &failed, &len);
    if (failed) {
        link_close(link, strerror(failed));
        return;
    }
    link->connecting = false;
    socket_peer_name(link->stream.fd, link->stream.name);
    if (tls_open(&link->tls, link->links->tls, false, &link->links->pins, link->peer, &link->stream.out) !=
            0 ||
        stream_flush(&link->stream) != 0)
        link_close(link, "no handshake");
}

static void on_event(struct stream *stream, bool readable, bool writable)
{
    struct link *link = link_of(stream);
    if (link->connecting) {
        connected(link);
        return;
    }
    if (readable && !stream->paused)
        receive(link);
    if (writable && stream->open && stream_flush(stream) != 0)
        link_close(link, strerror(errno));
}

static struct link *link_new(struct links *links, int fd)
{
    struct link *link = calloc(1, sizeof *link);
    unsigned unanswered = UNANSWERED_MS;
    int one = 1;
    CHECK(link && "out of memory");
    socket_no_delay(fd);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    stream_open(&link->stream, links->loop, fd, on_event, on_closed);
    link->links = links;
    link->peer = TLS_ANY_PEER;
    link->since_ms = uv_now(links->loop);
    link->next = links->all;
    link->back = &links->all;
    if (links->all)
        links->all->back = &link->next;
    links->all = link;
    return link;
}

static void on_accept(struct listener *listener, int fd)
{
    struct links *links = listener->owner;
    if (links->guests >= LINK_GUESTS_MAX) {
        LOG_LIMITED(LOG_WARNING, "peer port %u: more than %u connections that do not say who they are",
                    links->config->replica[links->self].peer.port, LINK_GUESTS_MAX);
        close(fd);
        return;
    }
    struct link *link = link_new(links, fd);
    socket_peer_name(fd, link->stream.name);
    link->guest = true;
    links->guests++;
    if (tls_open(&link->tls, links->tls, true, &links->pins, TLS_ANY_PEER, &link->stream.out) != 0)
        link_close(link, "no handshake");
    else
        stream_watch(&link->stream, UV_READABLE);
}

static void connect_to(struct links *links, replica_id peer)
{
    struct socket_address at;
    /* A name is looked up here, in the loop: it costs this replica time, at most every two seconds, while the link is down. */
    if (socket_resolve(&at, &links->config->replica[peer].peer, false) != 0) {
        LOG_LIMITED(LOG_WARNING, "replica %u: %s: no such host", peer,
                    links->config->replica[peer].peer.host);
        retry_later(links, peer);
        return;
    }
    int fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || (connect(fd, (struct sockaddr *)&at.storage, at.len) != 0 && errno != EINPROGRESS)) {
        if (fd >= 0)
            close(fd);
        retry_later(links, peer);
        return;
    }
    struct link *link = link_new(links, fd);
    link->outgoing = true;
    link->connecting = true;
    link->peer = peer;
    links->trying[peer] = link;
    stream_watch(&link->stream, UV_WRITABLE);
}

static void on_tick(uv_timer_t *timer)
{
    struct links *links = timer->data;
    uint64_t now = uv_now(links->loop);
    for (replica_id i = links->self + 1; i < links->config->replicas; i++)
        if (!links->peer[i] && !links->trying[i] && now >= links->retry_at_ms[i])
            connect_to(links, i);
    for (struct link *link = links->all, *next; link; link = next) {
        next = link->next;
        if (!link->tls.established && now - link->since_ms > LINK_HANDSHAKE_MS)
            link_close(link, "no handshake in time");
        else if (link->tls.established && link->outgoing && now - link->since_ms > 2 * BACKOFF_MOST_MS)
            links->backoff_ms[link->peer] = 0;
    }
    listener_retry(&links->listener);
}

void links_open(struct links *links, uv_loop_t *loop, const struct config *config, replica_id self,
                SSL_CTX *tls, const struct tls_pins *pins, int listen_fd, const struct links_events *events)
{
    memset(links, 0, sizeof *links);
    links->loop = loop;
    links->config = config;
    links->self = self;
    links->tls = tls;
    links->pins = *pins;
    links->events = *events;
    links->open = true;
    listener_open(&links->listener, loop, listen_fd, links, on_accept);
    uv_timer_init(loop, &links->timer);
    links->timer.data = links;
    uv_timer_start(&links->timer, on_tick, 0, TICK_MS);
}

void links_close(struct links *links)
{
    if (!links->open)
        return;
    links->open = false;
    while (links->all)
        link_close(links->all, "ending");
    listener_close(&links->listener);
    uv_close((uv_handle_t *)&links->timer, NULL);
}

void links_pin(struct links *links, replica_id peer, const uint8_t key[32], const uint8_t *before)
{
    struct tls_pins *pins = &links->pins;
    if (!links->open || peer >= pins->count || peer == links->self)
        return;
    memcpy(pins->key[peer], key, 32);
    pins->has_before[peer] = before != NULL;
    if (before)
        memcpy(pins->before[peer], before, 32);
    struct link *link = links->peer[peer];
    bool kept =
        link && (memcmp(link->tls.key, key, 32) == 0 || (before && memcmp(link->tls.key, before, 32) == 0));
    if (link && !kept)
        link_close(link, "its key is one of before");
    if (!kept && links->trying[peer])
        link_close(links->trying[peer], "it is elsewhere now");
    links->backoff_ms[peer] = 0;
    links->retry_at_ms[peer] = 0;
}

void links_use(struct links *links, SSL_CTX *tls)
{
    if (!links->open)
        return;
    links->tls = tls;
    while (links->all)
        link_close(links->all, "this host has a new key");
    memset(links->backoff_ms, 0, sizeof links->backoff_ms);
    memset(links->retry_at_ms, 0, sizeof links->retry_at_ms);
}

/* ---------------------------------------------------------------- sending */

void links_send(struct links *links, replica_id to, const struct slice *parts, unsigned count)
{
    struct link *link = links->open && to < REPLICAS_MAX ? links->peer[to] : NULL;
    if (!link)
        return;
    if (link->plain_out.len + link->stream.out.len > LINK_OUT_MAX) {
        link_close(link, "it does not read what we send");
        return;
    }
    frame_append(&link->plain_out, parts, count);
}

void links_flush(struct links *links)
{
    for (replica_id i = 0; i < REPLICAS_MAX; i++) {
        struct link *link = links->peer[i];
        if (!link || !link->plain_out.len)
            continue;
        links->bytes_out += link->plain_out.len;
        int failed = tls_send(&link->tls, buffer_data(&link->plain_out), link->plain_out.len);
        buffer_consume(&link->plain_out, link->plain_out.len);
        if (failed || stream_flush(&link->stream) != 0)
            link_close(link, failed ? tls_reason(&link->tls) : strerror(errno));
    }
}

void links_pause(struct links *links, bool paused)
{
    if (links->paused == paused || !links->open)
        return;
    links->paused = paused;
    for (replica_id i = 0; i < REPLICAS_MAX; i++)
        if (links->peer[i])
            stream_pause(&links->peer[i]->stream, paused);
}

uint32_t links_up(const struct links *links)
{
    uint32_t count = 0;
    for (replica_id i = 0; i < REPLICAS_MAX; i++)
        count += links->peer[i] != NULL;
    return count;
}
