/*
 * Links to the other replicas' hosts: one TLS connection per pair, opened by the host with the lower number, again and
 * again with a back-off when it breaks. What is sent while a link is down is dropped: the protocol retransmits.
 */
#ifndef HOST_LINKS_H
#define HOST_LINKS_H

#include "sockets.h"
#include "tls.h"

#define LINK_OUT_MAX      (64u * 1024u * 1024u) /* waiting to be sent to one peer; beyond it the link is closed */
#define LINK_GUESTS_MAX   64u                   /* accepted connections that have not shown who they are */
#define LINK_HANDSHAKE_MS 5000u

struct link;

struct links_events {
    void *context;
    void (*on_frame)(void *context, replica_id from, struct slice frame);
    void (*on_up)(void *context, replica_id peer);
};

struct links {
    uv_loop_t *loop;
    const struct config *config;
    SSL_CTX *tls;
    struct tls_pins pins;
    replica_id self;
    struct links_events events;
    struct listener listener;
    struct link *peer[REPLICAS_MAX];   /* established */
    struct link *trying[REPLICAS_MAX]; /* outgoing, not yet established */
    uint64_t retry_at_ms[REPLICAS_MAX];
    uint32_t backoff_ms[REPLICAS_MAX];
    uint32_t guests;
    struct link *all;
    uv_timer_t timer;
    bool open, paused;
    uint64_t bytes_in, bytes_out, strangers, garbage;
};

/* `listen_fd` comes from socket_listen. Connects at once. */
void links_open(struct links *links, uv_loop_t *loop, const struct config *config, replica_id self,
                SSL_CTX *tls, const struct tls_pins *pins, int listen_fd, const struct links_events *events);
void links_close(struct links *links);

/* Queues a frame; it leaves at the next flush. */
void links_send(struct links *links, replica_id to, const struct slice *parts, unsigned count);
void links_flush(struct links *links);
/* Stops or resumes reading. */
void links_pause(struct links *links, bool paused);
uint32_t links_up(const struct links *links);

/* That replica's host has another key, or another address (in `config`, which was changed already): a link that it has no part
 * in any more is closed. `before`: a key that will do as well until the new one is met; or NULL. */
void links_pin(struct links *links, replica_id peer, const uint8_t key[32], const uint8_t *before);
/* Shows this certificate from now on; all links are made anew. */
void links_use(struct links *links, SSL_CTX *tls);

#endif
