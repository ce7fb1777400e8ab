/*
 * Sockets: listening, connecting, and one non-blocking stream in a libuv loop with buffers on both sides.
 *
 * Reading and writing are ours rather than libuv's streams: a turn of the loop appends to `out` as often as it likes and
 * pays one system call per connection at its end.
 */
#ifndef HOST_SOCKETS_H
#define HOST_SOCKETS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include "base/types.h"
#include "buffer.h"
#include "config.h"

#define SOCKET_NAME_BYTES 80
/* A turn reads at most this much from one connection, so that none starves the others. */
#define READ_BYTES (256u * 1024u)

struct socket_address {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* Looks a name up (may take long: for start-up and numeric addresses). 0, or -1. */
int socket_resolve(struct socket_address *out, const struct address *address, bool numeric_only);
/* A listening socket, non-blocking; -1 and the error, which names the port and what it was for. */
int socket_listen(const struct address *address, const char *what, struct error *error);
/* "1.2.3.4:567" of the other side. */
void socket_peer_name(int fd, char out[SOCKET_NAME_BYTES]);
void socket_no_delay(int fd);

struct stream {
    uv_poll_t poll;
    int fd;
    int watched; /* UV_READABLE, UV_WRITABLE */
    bool open;
    bool paused;      /* does not read for now */
    struct buffer in; /* an incomplete rest */
    struct buffer out;
    char name[SOCKET_NAME_BYTES];
    void (*on_event)(struct stream *stream, bool readable, bool writable);
    void (*on_closed)(struct stream *stream); /* libuv is done with it: its memory may go */
};

/* Takes the descriptor over. */
void stream_open(struct stream *stream, uv_loop_t *loop, int fd,
                 void (*on_event)(struct stream *, bool readable, bool writable),
                 void (*on_closed)(struct stream *));
void stream_close(struct stream *stream);
/* Reads once into a buffer that all streams share. Bytes, 0 for none now, -1 for the end or an error (errno, 0 for end). */
ssize_t stream_read(struct stream *stream, const uint8_t **data);
/* Writes what waits in `out`; -1 when the connection is broken. */
int stream_flush(struct stream *stream);
void stream_pause(struct stream *stream, bool paused);
/* Waits for an outgoing connection. */
void stream_watch(struct stream *stream, int events);

/* Frames in a stream of bytes: u32 length (little-endian), frame. */
enum split { SPLIT_MORE, SPLIT_FRAME, SPLIT_GARBAGE };
enum split frame_split(const uint8_t *data, size_t len, size_t max, size_t *at, struct slice *frame);
void frame_append(struct buffer *out, const struct slice *parts, unsigned count);

/* A listener that hands out accepted sockets. */
struct listener {
    uv_poll_t poll;
    int fd;
    bool waiting; /* out of descriptors: look again later */
    void *owner;
    void (*on_accept)(struct listener *listener, int fd);
};
void listener_open(struct listener *listener, uv_loop_t *loop, int fd, void *owner,
                   void (*on_accept)(struct listener *listener, int fd));
void listener_retry(struct listener *listener);
void listener_close(struct listener *listener);

/* So many descriptors for this process, as far as the system allows. */
void descriptors_raise(unsigned wanted);

#endif
