/*
 * What operators read over HTTP: GET /metrics (Prometheus), /status (JSON), /healthz. One request per connection, a strict
 * and bounded reader of the request line; headers are skipped. Not for stock clients of the service.
 */
#ifndef HOST_PAGES_H
#define HOST_PAGES_H

#include "sockets.h"

#define PAGES_CONNECTIONS_MAX 64u
#define PAGES_REQUEST_MAX     8192u
#define PAGES_DEADLINE_MS     5000u

struct page;

/* Writes the answer's body; returns the HTTP status and sets the content type. 404: no such page. */
typedef int (*pages_render)(void *context, const char *path, struct buffer *body, const char **type);

struct pages {
    uv_loop_t *loop;
    uint16_t port;
    void *context;
    pages_render render;
    struct listener listener;
    struct page *all;
    uint32_t count;
    uv_timer_t timer;
    bool open;
    uint64_t garbage;
};

void pages_open(struct pages *pages, uv_loop_t *loop, uint16_t port, int listen_fd, void *context,
                pages_render render);
void pages_close(struct pages *pages);

/* For the readers of such pages: asks HOST:PORT for a page, waits at most timeout_ms. Returns the HTTP status and the body
 * (NUL-terminated, the caller frees it), or -1 and the error. */
int page_fetch(const struct address *address, const char *path, unsigned timeout_ms, char **body,
               struct error *error);

void buffer_print(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
