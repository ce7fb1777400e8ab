#include "stock.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "buffer.h"
#include "client/folder.h"
#include "client/loop.h"
#include "file.h"
#include "json.h"
#include "pages.h"

#define RETRY_US    50000u
#define GIVE_UP_US  20000000u /* nobody can be reached for so long */
#define READ_BYTES_ (64u * 1024u)
#define ANSWER_MAX  (4u * 1024u * 1024u)

struct stock;

struct stock_client {
    struct stock *stock;
    uint32_t number, tries;
    int fd; /* -1: none now */
    SSL *ssl;
    bool connected, waiting, over; /* waiting: for an answer */
    uint32_t watched;
    uint64_t sent_us, retry_us;
    struct buffer in, out;
};

struct stock {
    const struct stock_options *options;
    struct addrinfo *address[REPLICAS_MAX];
    uint32_t addresses;
    bool http;
    SSL_CTX *tls; /* NULL: plain */
    int epoll;
    struct stock_client *client;
    uint32_t left, away; /* clients that go on; and that have no connection */
    uint64_t reached_us;
};

/* ---------------------------------------------------------------- where to */

static int addresses_read(struct stock *s, struct error *error)
{
    char path[PATH_BYTES], text[512];
    struct file file;
    struct client_endpoint endpoint;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct json *json = malloc(sizeof *json);
    if (!json || !path_make(path, "%s/endpoints.json", s->options->dir) ||
        file_read(&file, path, 65536, error)) {
        free(json);
        return -1;
    }
    bool good = json_parse(json, (const char *)file.data, file.len);
    uint32_t list = good ? json_member(json, 0, "replicas") : 0;
    for (uint32_t i = 0; list && i < json->value[list].count && s->addresses < REPLICAS_MAX; i++) {
        uint32_t entry = json_member(json, json_element(json, list, i), s->options->via);
        if (endpoint_parse(&endpoint, json_string(json, entry, text, sizeof text)) &&
            getaddrinfo(endpoint.host, endpoint.port, &hints, &s->address[s->addresses]) == 0)
            s->addresses++;
    }
    file_free(&file);
    free(json);
    return s->addresses ? 0
                        : error_set(error, "%s: no replica lists an address for %s", path, s->options->via);
}

static int tls_prepare(struct stock *s, struct error *error)
{
    char path[PATH_BYTES];
    s->tls = SSL_CTX_new(TLS_client_method());
    if (!s->tls || !path_make(path, "%s/ca.pem", s->options->dir) ||
        SSL_CTX_load_verify_locations(s->tls, path, NULL) != 1)
        return error_set(error, "%s/ca.pem: no certificate that could be used", s->options->dir);
    SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(s->tls, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_ENABLE_PARTIAL_WRITE);
    return 0;
}

/* ---------------------------------------------------------------- requests and answers */

static void request_make(struct stock_client *c, const struct stock_request *q)
{
    const char *key = (const char *)q->key.data;
    int len = (int)q->key.len;
    if (c->stock->http && q->writes)
        buffer_print(&c->out, "PUT /kv/%.*s HTTP/1.1\r\nHost: redoubt\r\nContent-Length: %zu\r\n\r\n", len,
                     key, q->value.len);
    else if (c->stock->http)
        buffer_print(&c->out, "GET /kv/%.*s HTTP/1.1\r\nHost: redoubt\r\n\r\n", len, key);
    else if (q->writes)
        buffer_print(&c->out, "*3\r\n$3\r\nSET\r\n$%d\r\n%.*s\r\n$%zu\r\n", len, len, key, q->value.len);
    else
        buffer_print(&c->out, "*2\r\n$3\r\nGET\r\n$%d\r\n%.*s\r\n", len, len, key);
    if (q->writes)
        buffer_append(&c->out, q->value.data, q->value.len);
    if (q->writes && !c->stock->http)
        buffer_append(&c->out, "\r\n", 2);
}

/* Bytes of the answer at the front of `in`, 0: not whole yet; *why when it is no good one. */
static size_t resp_answer(const char *text, size_t len, const char **why)
{
    const char *end = memmem(text, len, "\r\n", 2);
    if (!end)
        return 0;
    size_t head = (size_t)(end - text) + 2;
    long bulk = text[0] == '$' ? strtol(text + 1, NULL, 10) : -1;
    if (text[0] == '-' || (text[0] == '$' && bulk < 0))
        *why = text[0] == '-' ? "an error reply" : "no such key";
    if (bulk < 0)
        return head;
    return len >= head + (size_t)bulk + 2 ? head + (size_t)bulk + 2 : 0;
}

static size_t http_answer(const char *text, size_t len, const char **why)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4);
    size_t body = 0;
    if (!end)
        return 0;
    size_t head = (size_t)(end - text) + 4;
    for (const char *line = text; line < end;) {
        if (strncasecmp(line, "content-length:", 15) == 0)
            body = (size_t)strtoull(line + 15, NULL, 10);
        // There is always one: `end` is where the last line's CRLF stands.
        line = (const char *)memmem(line, (size_t)(end + 2 - line), "\r\n", 2) + 2;
    }
    if (len < 12 || text[9] != '2')
        *why = "a status that is not 2xx";
    return len >= head + body ? head + body : 0;
}

/* ---------------------------------------------------------------- connections */

static void watch(struct stock_client *c, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (events != c->watched)
        epoll_ctl(c->stock->epoll, c->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &event);
    c->watched = events;
}

static void drop(struct stock_client *c)
{
    SSL_free(c->ssl);
    c->ssl = NULL;
    if (c->fd >= 0) {
        close(c->fd);
        c->stock->away++;
    }
    c->fd = -1;
    c->watched = 0;
    c->connected = false;
    buffer_free(&c->in);
    buffer_free(&c->out);
}

static void finish(struct stock_client *c)
{
    c->over = true;
    c->stock->left--;
    drop(c);
}

static void lost(struct stock_client *c, const char *why)
{
    uint64_t now = client_clock_us();
    bool waited = c->waiting;
    c->waiting = false;
    drop(c);
    c->tries++;
    c->retry_us = now + RETRY_US;
    if (waited)
        c->stock->options->done(c->stock->options->context, c->number, now - c->sent_us, now, why);
}

static void begin(struct stock_client *c)
{
    const struct addrinfo *to = c->stock->address[(c->number + c->tries) % c->stock->addresses];
    int one = 1;
    c->fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->stock->away--;
    if (c->fd < 0 || (connect(c->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)) {
        lost(c, strerror(errno));
        return;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (c->stock->tls) {
        c->ssl = SSL_new(c->stock->tls);
        SSL_set_fd(c->ssl, c->fd);
        SSL_set_connect_state(c->ssl);
    }
    watch(c, EPOLLIN | EPOLLOUT);
}

/* Bytes; 0: not now; -1: it is over. */
static ssize_t outcome(struct stock_client *c, ssize_t n)
{
    if (n > 0)
        return n;
    if (c->ssl) {
        int reason = SSL_get_error(c->ssl, (int)n);
        ERR_clear_error();
        return reason == SSL_ERROR_WANT_READ || reason == SSL_ERROR_WANT_WRITE ? 0 : -1;
    }
    return n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) ? 0 : -1;
}

static bool send_out(struct stock_client *c)
{
    while (c->out.len) {
        int part = c->out.len < 1u << 20 ? (int)c->out.len : 1 << 20;
        ssize_t n = outcome(c, c->ssl ? SSL_write(c->ssl, buffer_data(&c->out), part)
                                      : send(c->fd, buffer_data(&c->out), (size_t)part, MSG_NOSIGNAL));
        if (n < 0)
            return false;
        if (n == 0)
            break;
        buffer_consume(&c->out, (size_t)n);
    }
    watch(c, c->out.len ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return true;
}

static void ask(struct stock_client *c)
{
    struct stock_request request;
    if (!c->stock->options->next(c->stock->options->context, c->number, &request)) {
        finish(c);
        return;
    }
    request_make(c, &request);
    c->waiting = true;
    c->sent_us = client_clock_us();
    if (!send_out(c))
        lost(c, "the connection was closed");
}

static bool take_in(struct stock_client *c)
{
    for (;;) {
        uint8_t *to = buffer_reserve(&c->in, READ_BYTES_);
        ssize_t n = outcome(c, c->ssl ? SSL_read(c->ssl, to, READ_BYTES_) : recv(c->fd, to, READ_BYTES_, 0));
        if (n <= 0)
            return n == 0;
        buffer_commit(&c->in, (size_t)n);
        if (c->in.len > ANSWER_MAX)
            return false;
    }
}

static void on_answer(struct stock_client *c)
{
    const char *why = NULL, *text = (const char *)buffer_data(&c->in);
    if (c->in.len == 0)
        return;
    size_t len = c->stock->http ? http_answer(text, c->in.len, &why) : resp_answer(text, c->in.len, &why);
    if (len == 0)
        return;
    if (!c->waiting) {
        lost(c, "an answer that nobody asked for");
        return;
    }
    uint64_t now = client_clock_us();
    c->waiting = false;
    buffer_consume(&c->in, len);
    c->stock->options->done(c->stock->options->context, c->number, now - c->sent_us, now, why);
    ask(c);
}

static bool shaken(struct stock_client *c)
{
    int failed = 0;
    socklen_t len = sizeof failed;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0 || failed) {
        lost(c, strerror(failed));
        return false;
    }
    int result = c->ssl ? SSL_do_handshake(c->ssl) : 1;
    if (result == 1)
        return true;
    int reason = SSL_get_error(c->ssl, result);
    ERR_clear_error();
    if (reason != SSL_ERROR_WANT_READ && reason != SSL_ERROR_WANT_WRITE)
        lost(c, "no TLS handshake");
    else
        watch(c, reason == SSL_ERROR_WANT_WRITE ? EPOLLIN | EPOLLOUT : EPOLLIN);
    return false;
}

static void on_event(struct stock_client *c)
{
    if (c->fd < 0)
        return;
    if (!c->connected) {
        if (!shaken(c))
            return;
        c->connected = true;
        c->stock->reached_us = client_clock_us();
        ask(c);
        return;
    }
    bool open = send_out(c) && take_in(c);
    on_answer(c);
    if (!open && c->fd >= 0)
        lost(c, "the connection was closed");
}

/* ---------------------------------------------------------------- the loop */

static bool connect_again(struct stock *s, uint64_t now)
{
    for (uint32_t i = 0; s->away && i < s->options->clients; i++) {
        struct stock_client *c = &s->client[i];
        if (!c->over && c->fd < 0 && c->retry_us <= now)
            begin(c);
    }
    return now < s->reached_us + GIVE_UP_US || s->away < s->left;
}

static int loop(struct stock *s, struct error *error)
{
    struct epoll_event events[256];
    while (s->left) {
        if (!connect_again(s, client_clock_us()))
            return error_set(error, "bench: no front can be reached through %s", s->options->via);
        int count = epoll_wait(s->epoll, events, 256, s->away ? 10 : 1000);
        for (int i = 0; i < count; i++)
            on_event(events[i].data.ptr);
    }
    return 0;
}

int stock_run(const struct stock_options *options, struct error *error)
{
    struct stock s = {.options = options,
                      .http = strncmp(options->via, "http", 4) == 0,
                      .epoll = epoll_create1(EPOLL_CLOEXEC),
                      .left = options->clients,
                      .away = options->clients,
                      .reached_us = client_clock_us()};
    signal(SIGPIPE, SIG_IGN); /* the TLS library writes by itself */
    bool tls = strcmp(options->via, "https") == 0 || strcmp(options->via, "rediss") == 0;
    int result = addresses_read(&s, error);
    if (result == 0 && tls)
        result = tls_prepare(&s, error);
    s.client = calloc(options->clients, sizeof *s.client);
    if (result == 0 && (!s.client || s.epoll < 0))
        result = error_set(error, "bench: out of memory");
    for (uint32_t i = 0; s.client && i < options->clients; i++)
        s.client[i] = (struct stock_client){.stock = &s, .number = i, .fd = -1};
    if (result == 0)
        result = loop(&s, error);
    for (uint32_t i = 0; s.client && i < options->clients; i++)
        drop(&s.client[i]);
    for (uint32_t i = 0; i < s.addresses; i++)
        freeaddrinfo(s.address[i]);
    SSL_CTX_free(s.tls);
    free(s.client);
    if (s.epoll >= 0)
        close(s.epoll);
    return result;
}
