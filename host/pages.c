#include "pages.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "log.h"

struct page {
    struct stream stream; /* first: a stream is its page */
    struct pages *pages;
    struct page *next, **back;
    bool answered;
    uint64_t since_ms;
};

void buffer_print(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    char line[1024];
    va_start(arguments, format);
    int n = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (n > 0)
        buffer_append(buffer, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

static struct page *page_of(struct stream *stream)
{
    return (struct page *)(void *)stream;
}

static void on_closed(struct stream *stream)
{
    free(page_of(stream));
}

static void page_close(struct page *page)
{
    if (!page->stream.open)
        return;
    *page->back = page->next;
    if (page->next)
        page->next->back = page->back;
    page->pages->count--;
    stream_close(&page->stream);
}

/* ---------------------------------------------------------------- a request */

enum request { REQUEST_MORE, REQUEST_GET, REQUEST_HEAD, REQUEST_OTHER, REQUEST_BAD };

static enum request request_read(const struct buffer *in, char *path, size_t cap)
{
    const char *text = (const char *)buffer_data(in);
    const char *line_end = memchr(text, '\n', in->len);
    for (size_t i = 0; i < in->len && (!line_end || text + i < line_end); i++)
        if ((unsigned char)text[i] < 0x20 && text[i] != '\r')
            return REQUEST_BAD;
    if (!line_end)
        return in->len >= PAGES_REQUEST_MAX ? REQUEST_BAD : REQUEST_MORE;
    char method[8], version[12], line[512];
    size_t len = (size_t)(line_end - text);
    if (len == 0 || len >= sizeof line || line_end[-1] != '\r')
        return REQUEST_BAD;
    memcpy(line, text, len - 1);
    line[len - 1] = 0;
    char *first = strchr(line, ' '), *last = strrchr(line, ' ');
    if (!first || last == first || memchr(first + 1, ' ', (size_t)(last - first - 1)))
        return REQUEST_BAD;
    *first = *last = 0;
    if (strlen(line) >= sizeof method || strlen(last + 1) >= sizeof version || strlen(first + 1) >= cap)
        return REQUEST_BAD;
    if ((strcmp(last + 1, "HTTP/1.1") != 0 && strcmp(last + 1, "HTTP/1.0") != 0) || first[1] != '/')
        return REQUEST_BAD;
    strcpy(path, first + 1);
    if (!memmem(text, in->len, "\r\n\r\n", 4))
        return in->len >= PAGES_REQUEST_MAX ? REQUEST_BAD : REQUEST_MORE;
    return strcmp(line, "GET") == 0 ? REQUEST_GET : strcmp(line, "HEAD") == 0 ? REQUEST_HEAD : REQUEST_OTHER;
}

static const char *reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    default:
        return "Service Unavailable";
    }
}

static void answer(struct page *page, enum request request, const char *path)
{
    struct pages *pages = page->pages;
    struct buffer body = {0};
    const char *type = "text/plain; charset=utf-8";
    int status = 400;
    if (request == REQUEST_OTHER)
        status = 405;
    else if (request != REQUEST_BAD)
        status = pages->render(pages->context, path, &body, &type);
    if (status == 400 || status == 404 || status == 405)
        buffer_print(&body, "%s: there are /metrics, /status and /healthz\n", reason(status));
    struct buffer *out = &page->stream.out;
    buffer_print(out,
                 "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%sCache-Control: no-store\r\n"
                 "Connection: close\r\n\r\n",
                 status, reason(status), type, body.len, status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (request != REQUEST_HEAD)
        buffer_append(out, body.len ? buffer_data(&body) : NULL, body.len);
    buffer_free(&body);
    page->answered = true;
}

static void receive(struct page *page)
{
    const uint8_t *data;
    char path[256];
    ssize_t n = stream_read(&page->stream, &data);
    if (n < 0)
        page_close(page);
    if (n <= 0 || page->answered)
        return;
    size_t room = PAGES_REQUEST_MAX - page->stream.in.len;
    buffer_append(&page->stream.in, data, (size_t)n < room ? (size_t)n : room);
    enum request request = request_read(&page->stream.in, path, sizeof path);
    if (request == REQUEST_MORE)
        return;
    if (request == REQUEST_BAD) {
        page->pages->garbage++;
        LOG_LIMITED(LOG_WARNING, "garbage on the metrics port %u from %s: connection closed",
                    page->pages->port, page->stream.name);
    }
    answer(page, request, path);
}

static void on_event(struct stream *stream, bool readable, bool writable)
{
    struct page *page = page_of(stream);
    (void)writable;
    if (readable)
        receive(page);
    if (!stream->open)
        return;
    if (stream_flush(stream) != 0) {
        page_close(page);
    } else if (page->answered && stream->out.len == 0) {
        /* The reader closes after us; what it still sends must not turn our close into a reset. */
        shutdown(stream->fd, SHUT_WR);
    }
}

static void on_accept(struct listener *listener, int fd)
{
    struct pages *pages = listener->owner;
    struct page *page = pages->count < PAGES_CONNECTIONS_MAX ? calloc(1, sizeof *page) : NULL;
    if (!page) {
        LOG_LIMITED(LOG_WARNING, "metrics port %u: more than %u connections", pages->port,
                    PAGES_CONNECTIONS_MAX);
        close(fd);
        return;
    }
    stream_open(&page->stream, pages->loop, fd, on_event, on_closed);
    socket_peer_name(fd, page->stream.name);
    page->pages = pages;
    page->since_ms = uv_now(pages->loop);
    page->next = pages->all;
    page->back = &pages->all;
    if (pages->all)
        pages->all->back = &page->next;
    pages->all = page;
    pages->count++;
    stream_watch(&page->stream, UV_READABLE);
}

static void on_tick(uv_timer_t *timer)
{
    struct pages *pages = timer->data;
    for (struct page *page = pages->all, *next; page; page = next) {
        next = page->next;
        if (uv_now(pages->loop) - page->since_ms > PAGES_DEADLINE_MS)
            page_close(page);
    }
    listener_retry(&pages->listener);
}

void pages_open(struct pages *pages, uv_loop_t *loop, uint16_t port, int listen_fd, void *context,
                pages_render render)
{
    memset(pages, 0, sizeof *pages);
    pages->loop = loop;
    pages->port = port;
    pages->context = context;
    pages->render = render;
    pages->open = true;
    listener_open(&pages->listener, loop, listen_fd, pages, on_accept);
    uv_timer_init(loop, &pages->timer);
    pages->timer.data = pages;
    uv_timer_start(&pages->timer, on_tick, 1000, 1000);
}

void pages_close(struct pages *pages)
{
    if (!pages->open)
        return;
    pages->open = false;
    while (pages->all)
        page_close(pages->all);
    listener_close(&pages->listener);
    uv_close((uv_handle_t *)&pages->timer, NULL);
}

/* ---------------------------------------------------------------- the reader's side */

#define ANSWER_MAX (4u * 1024u * 1024u)

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* False when the deadline has passed. */
static bool wait_for(int fd, short events, uint64_t deadline)
{
    for (;;) {
        uint64_t now = now_ms();
        struct pollfd entry = {fd, events, 0};
        int n = now < deadline ? poll(&entry, 1, (int)(deadline - now)) : 0;
        if (n > 0 || (n < 0 && errno != EINTR))
            return true;
        if (n == 0)
            return false;
    }
}

/* 0, or what went wrong. */
static const char *exchange(int fd, const struct socket_address *at, const char *request,
                            struct buffer *answer, uint64_t deadline)
{
    int failed = 0;
    socklen_t len = sizeof failed;
    if (connect(fd, (const struct sockaddr *)&at->storage, at->len) != 0 && errno != EINPROGRESS)
        return strerror(errno);
    if (!wait_for(fd, POLLOUT, deadline))
        return "no answer in time";
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len);
    if (failed)
        return strerror(failed);
    if (send(fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t)strlen(request))
        return "cannot send";
    for (;;) {
        if (!wait_for(fd, POLLIN, deadline))
            return "no answer in time";
        ssize_t n = recv(fd, buffer_reserve(answer, 65536), 65536, 0);
        if (n == 0)
            return NULL;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return strerror(errno);
        if (n > 0)
            buffer_commit(answer, (size_t)n);
        if (answer->len > ANSWER_MAX)
            return "the answer is too long";
    }
}

int page_fetch(const struct address *address, const char *path, unsigned timeout_ms, char **body,
               struct error *error)
{
    struct socket_address at;
    struct buffer answer = {0};
    char request[512];
    int status = -1;
    *body = NULL;
    if (socket_resolve(&at, address, false) != 0)
        return error_set(error, "%s:%u: no such host", address->host, address->port);
    int fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return error_set(error, "%s:%u: %s", address->host, address->port, strerror(errno));
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: %s:%u\r\n\r\n", path, address->host,
             address->port);
    const char *failed = exchange(fd, &at, request, &answer, now_ms() + timeout_ms);
    close(fd);
    buffer_append(&answer, "", 1);
    const char *text = (const char *)buffer_data(&answer);
    const char *start = strstr(text, "\r\n\r\n");
    if (!failed && (sscanf(text, "HTTP/1.1 %3d", &status) != 1 || !start))
        failed = "not an answer of a Redoubt replica";
    if (failed)
        status = error_set(error, "%s:%u: %s", address->host, address->port, failed);
    else
        *body = strdup(start + 4);
    buffer_free(&answer);
    return status;
}
