#include "clients.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "log.h"

struct client {
    struct stream stream; /* first: a stream is its client */
    struct clients *clients;
    uint32_t number;
    bool dirty;
    uint64_t begun_ms; /* since when an incomplete frame lies here; 0: none */
};

static struct client *client_of(struct stream *stream)
{
    return (struct client *)(void *)stream;
}

static void on_closed(struct stream *stream)
{
    free(client_of(stream));
}

static void client_close(struct client *client)
{
    struct clients *clients = client->clients;
    if (!client->stream.open)
        return;
    clients->in_total -= client->stream.in.len;
    clients->at[client->number] = NULL;
    clients->free[clients->free_count++] = client->number;
    clients->count--;
    stream_close(&client->stream);
    if (clients->open)
        clients->events.on_gone(clients->events.context, client->number);
}

static void garbage(struct client *client)
{
    client->clients->garbage++;
    LOG_LIMITED(LOG_WARNING, "garbage on the client port %u from %s: connection closed",
                client->clients->port, client->stream.name);
    client_close(client);
}

/* ---------------------------------------------------------------- receiving */

/* Delivers the whole frames in `data`; returns how much was used, or SIZE_MAX when the connection is gone. */
static size_t deliver(struct client *client, const uint8_t *data, size_t len)
{
    struct clients *clients = client->clients;
    struct slice frame;
    size_t at = 0;
    enum split split;
    while ((split = frame_split(data, len, CLIENT_FRAME_MAX, &at, &frame)) == SPLIT_FRAME) {
        clients->events.on_frame(clients->events.context, client->number, frame);
        if (!client->stream.open)
            return SIZE_MAX;
    }
    if (split == SPLIT_MORE)
        return at;
    garbage(client);
    return SIZE_MAX;
}

static void keep_rest(struct client *client, const uint8_t *data, size_t len)
{
    struct clients *clients = client->clients;
    if (len == 0)
        return;
    if (clients->in_total + len > CLIENT_IN_TOTAL_MAX) {
        LOG_LIMITED(LOG_WARNING, "client port %u: too many incomplete frames: %s closed", clients->port,
                    client->stream.name);
        client_close(client);
        return;
    }
    buffer_append(&client->stream.in, data, len);
    clients->in_total += len;
}

static void receive(struct client *client)
{
    struct clients *clients = client->clients;
    struct buffer *in = &client->stream.in;
    const uint8_t *data;
    ssize_t n = stream_read(&client->stream, &data);
    if (n < 0)
        client_close(client);
    if (n <= 0)
        return;
    clients->bytes_in += (uint64_t)n;
    if (in->len == 0) {
        size_t used = deliver(client, data, (size_t)n);
        if (used != SIZE_MAX)
            keep_rest(client, data + used, (size_t)n - used);
    } else {
        keep_rest(client, data, (size_t)n);
        size_t used = client->stream.open ? deliver(client, buffer_data(in), in->len) : SIZE_MAX;
        if (used != SIZE_MAX) {
            buffer_consume(in, used);
            clients->in_total -= used;
            if (used)
                client->begun_ms = 0;
        }
    }
    if (client->stream.open && in->len == 0)
        client->begun_ms = 0;
    else if (client->stream.open && client->begun_ms == 0)
        client->begun_ms = uv_now(clients->loop);
}

static void on_event(struct stream *stream, bool readable, bool writable)
{
    struct client *client = client_of(stream);
    if (readable && !stream->paused)
        receive(client);
    if (writable && stream->open && stream_flush(stream) != 0)
        client_close(client);
}

/* ---------------------------------------------------------------- coming and going */

static void on_accept(struct listener *listener, int fd)
{
    struct clients *clients = listener->owner;
    if (clients->free_count == 0) {
        clients->refused++;
        LOG_LIMITED(LOG_WARNING, "client port %u: more than %u connections", clients->port, CLIENTS_MAX);
        close(fd);
        return;
    }
    struct client *client = calloc(1, sizeof *client);
    CHECK(client && "out of memory");
    socket_no_delay(fd);
    stream_open(&client->stream, clients->loop, fd, on_event, on_closed);
    socket_peer_name(fd, client->stream.name);
    client->clients = clients;
    client->number = clients->free[--clients->free_count];
    clients->at[client->number] = client;
    clients->count++;
    stream_pause(&client->stream, clients->paused);
}

static void on_tick(uv_timer_t *timer)
{
    struct clients *clients = timer->data;
    uint64_t now = uv_now(clients->loop);
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = clients->at[i];
        if (client && client->begun_ms && !clients->paused && now - client->begun_ms > CLIENT_FRAME_MS) {
            LOG_LIMITED(LOG_WARNING, "client port %u: %s did not finish its frame: connection closed",
                        clients->port, client->stream.name);
            client_close(client);
        }
    }
    listener_retry(&clients->listener);
}

void clients_open(struct clients *clients, uv_loop_t *loop, uint16_t port, int listen_fd,
                  const struct clients_events *events)
{
    memset(clients, 0, sizeof *clients);
    clients->loop = loop;
    clients->port = port;
    clients->events = *events;
    clients->open = true;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        clients->free[i] = CLIENTS_MAX - 1 - i;
    clients->free_count = CLIENTS_MAX;
    listener_open(&clients->listener, loop, listen_fd, clients, on_accept);
    uv_timer_init(loop, &clients->timer);
    clients->timer.data = clients;
    uv_timer_start(&clients->timer, on_tick, 1000, 1000);
}

void clients_close(struct clients *clients)
{
    if (!clients->open)
        return;
    clients->open = false;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        if (clients->at[i])
            client_close(clients->at[i]);
    listener_close(&clients->listener);
    uv_close((uv_handle_t *)&clients->timer, NULL);
}

void clients_drop(struct clients *clients, uint32_t connection, const char *why)
{
    struct client *client = connection < CLIENTS_MAX ? clients->at[connection] : NULL;
    if (!client)
        return;
    LOG_LIMITED(LOG_WARNING, "client port %u: %s: %s: connection closed", clients->port, client->stream.name,
                why);
    client_close(client);
}

/* ---------------------------------------------------------------- sending */

void clients_send(struct clients *clients, uint32_t connection, const struct slice *parts, unsigned count)
{
    struct client *client = connection < CLIENTS_MAX ? clients->at[connection] : NULL;
    if (!client)
        return;
    if (client->stream.out.len > CLIENT_OUT_MAX) {
        clients_drop(clients, connection, "it does not read what we send");
        return;
    }
    frame_append(&client->stream.out, parts, count);
    if (!client->dirty && clients->dirty_count < CLIENTS_MAX) {
        client->dirty = true;
        clients->dirty[clients->dirty_count++] = connection;
    }
}

void clients_flush(struct clients *clients)
{
    uint32_t count = clients->dirty_count;
    clients->dirty_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct client *client = clients->at[clients->dirty[i]];
        if (!client || !client->dirty)
            continue;
        client->dirty = false;
        size_t before = client->stream.out.len;
        if (stream_flush(&client->stream) != 0)
            client_close(client);
        else
            clients->bytes_out += before - client->stream.out.len;
    }
}

void clients_pause(struct clients *clients, bool paused)
{
    if (clients->paused == paused || !clients->open)
        return;
    clients->paused = paused;
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        if (clients->at[i])
            stream_pause(&clients->at[i]->stream, paused);
}
