/*
 * What a client and its loop are made of; shared by loop.c, link.c and client.c only. All fields belong to the loop's
 * thread unless they are said to be under its lock.
 */
#ifndef HOST_CLIENT_INSTANCE_H
#define HOST_CLIENT_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "origin/reads.h"
#include "client/delay.h"
#include "client/folder.h"
#include "client/loop.h"

struct addrinfo;

struct client_hub;

struct client_link {
    struct client_hub *hub;
    struct client_loop *loop;
    replica_id replica;
    struct client_endpoint endpoint;
    struct client_endpoint next; /* to go to, once nothing of this link is in use */
    bool moves;
    struct addrinfo *addresses;
    struct addrinfo *address; /* tried now or next */
    int fd;                   /* -1: none */
    bool up;
    bool wants_write;
    bool dirty;
    struct client_link *next_dirty;
    uint64_t connection; /* counts connections */
    uint64_t retry_us;   /* when to connect again; UINT64_MAX while there is a connection */
    uint64_t backoff_us;
    struct client_bytes in; /* the beginning of a frame */
    struct client_bytes out;
    size_t out_at;       /* written so far */
    uint64_t last_in_us; /* emulated delays keep order */
    uint64_t last_out_us;
};

struct client_hub {
    struct client_loop *loop;
    struct tag16 cluster;
    uint32_t replicas;
    uint32_t users;
    char dir[PATH_BYTES];    /* where endpoints.json is */
    configuration_no number; /* whose addresses the links go to */
    struct client_link link[REPLICAS_MAX];
    struct redoubt_client *of_origin[ORIGINS_MAX];
    struct client_hub *next; /* on the loop */
};

struct redoubt_client {
    struct client_loop *loop;
    bool owns_loop;
    struct client_folder folder;
    struct client_core core;
    struct client_reads reads; /* around it: what is not about ordering alone goes through here */
    size_t queue_max;
    struct client_hub *hub;      /* its connections */
    struct redoubt_client *next; /* on the loop */
    bool dirty;
    struct redoubt_client *next_dirty;
    struct redoubt_lane *lanes;       /* all that are not freed */
    struct redoubt_lane *ready_lanes; /* with operations for the core, and none in it */
    size_t lane_ops, lane_bytes;      /* that wait in lanes */
    atomic_size_t waiting; /* operations there and in the core's queue, for other threads to look at */
    atomic_size_t waiting_bytes;

    /* Under the loop's lock. */
    bool closing;
    bool woken;
    struct redoubt_client *next_woken;
    struct client_bytes inbox; /* struct client_submission and the operation, padded to 8 */
    size_t inbox_ops;
    struct error error;
};

struct client_submission {
    struct redoubt_lane *lane; /* NULL: in none */
    bool closes;               /* the lane, and nothing else */
    redoubt_done done;
    void *context;
    uint64_t deadline_us;
    uint64_t submitted_us;
    uint64_t len;
    bool reads; /* by redoubt_submit_read */
};

struct client_task {
    void (*run)(void *context);
    void *context;
    bool done;
    struct client_task *next;
};

#define LOOP_INBOX_BYTES (256u * 1024u)

struct client_loop {
    pthread_t thread;
    int epoll;
    int wake; /* eventfd */
    uint64_t now_us;
    uint64_t timer_us; /* nothing is due before */
    struct delay delay;
    struct redoubt_client *clients;
    struct client_hub *hubs;
    struct redoubt_client *dirty;
    struct client_link *dirty_links;
    struct client_bytes draining;
    uint8_t *inbox; /* LOOP_INBOX_BYTES: what was just read */

    pthread_mutex_t lock;
    pthread_cond_t task_done;
    bool waking; /* the eventfd was written to */
    bool stopping;
    struct redoubt_client *woken;
    struct client_task *tasks;
};

extern const struct client_memory client_heap;

void loop_touch(struct client_loop *loop, struct redoubt_client *client);
void loop_touch_link(struct client_loop *loop, struct client_link *link);
void loop_timer(struct client_loop *loop, uint64_t at_us);
/* Under the lock. */
void loop_wake(struct client_loop *loop);
bool loop_is_mine(const struct client_loop *loop);

/* Called by the loop and its links. */
void client_on_inbox(struct redoubt_client *client, const struct client_bytes *inbox);
void client_on_frame(struct redoubt_client *client, replica_id replica, const uint8_t *data, size_t len);
void client_on_up(struct redoubt_client *client, replica_id replica);
void client_on_down(struct redoubt_client *client, const struct client_link *link, const char *why);

#endif
