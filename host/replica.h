/*
 * One replica's host: the loop that carries frames between compartments, peers, clients and the engine.
 *
 *   sockets, rings, clock                      each turn:
 *        |                                       read what is there        -> engine.step per frame
 *   +---------+   events   +--------+            engine says RUN_END       -> batching decisions
 *   | replica | ---------> | engine |            kick every compartment that was given something, once
 *   |         | <--------- |        |            take their output         -> engine.step per frame
 *   +---------+   actions  +--------+            write once per connection
 *        |                                       sleep until there is more
 *   three compartments (compartment.h); with hybster the first is the orderer, in this very thread
 *
 * Nothing here is trusted with more than liveness.
 */
#ifndef HOST_REPLICA_H
#define HOST_REPLICA_H

#include "clients.h"
#include "compartment.h"
#include "config.h"
#include "control.h"
#include "counting.h"
#include "disk.h"
#include "engine.h"
#include "hello_file.h"
#include "links.h"
#include "members.h"
#include "platform.h"
#include "pages.h"
#include "restoring.h"
#include "troxy.h"

enum { COMPARTMENTS = 3 }; /* P, C, E; with hybster the orderer, the counter, E */

struct replica_options {
    const char *dir;
    replica_id id;
    bool allow_faults;
    bool rejoin;      /* a cluster whose manifest is there runs already: come back into it */
    bool attended;    /* by `redoubt up`, which knows how the others are */
    unsigned wait_ms; /* for the manifest */
    const struct redoubt_service *service; /* inline only */
    const struct service_front *front;     /* inline only */
    const char *bin_dir;                   /* where the compartments' executables are */
};

struct seat {
    struct compartment *compartment;
    uv_poll_t poll, death;
    struct buffer overflow; /* what its ring had no room for: u32 length, u32 local, frame */
    bool polled, watched;
    bool given; /* since the last kick */
    bool dead;
    char obituary[1360];
    uint64_t dropped;
};

struct replica {
    struct replica_options options;
    struct config config;
    uint8_t admin_public[32];
    uv_loop_t loop;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle;
    uv_timer_t engine_timer, second_timer, manifest_timer;
    uv_signal_t on_term, on_int, on_hup;
    struct seat seat[COMPARTMENTS];
    struct hellos hellos;     /* its own members */
    struct counting counting; /* hybster: what own counter has done */
    bool counter_key_told, manifest_told, hope_told;
    epoch_no epoch; /* of its compartments */
    struct platform_keys platform;
    bool rejoined;
    unsigned rejoin_seconds;
    struct disk disk;
    struct restoring restoring;

    const struct engine_type *engine_type;
    struct arena engine_arena; /* the engine keeps it */
    void *engine;
    struct actions actions;
    uint64_t timer_at_us, timer_set_us;
    uint64_t view_logged; /* what the log said last */
    bool view_left_logged;
    bool dirty; /* frames were given to the engine since the last RUN_END */
    bool stepping;
    uint32_t gone[CLIENTS_MAX]; /* clients whose end the engine has not heard of */
    uint32_t gone_count;

    struct configuration configuration; /* START's */
    struct members members;             /* ... and what became of the hosts since */
    configuration_no members_number;    /* looked at last */
    epoch_no members_told;
    int listen_fd[3];
    int front_fd[LISTENERS];
    int core; /* -1: any */
    SSL_CTX *tls;
    struct links links;
    struct clients clients;
    struct pages pages;
    struct control control;
    struct fault fault;
    struct troxy troxy; /* serves stock clients; not open: there is no front */

    uint64_t now_us;
    int64_t clock_offset_us;
    uint64_t started_us, waiting_since_ms;
    struct timespec manifest_seen;
    bool started, ending, paused;
    int exit_code;
    struct error failure;
    uint64_t turns, frames_in, frames_out;
    /* Of the last line that said how catching up goes. */
    uint64_t told_transfers;
    uint8_t told_phase;
    uint32_t told_liars; /* bits */
    unsigned told_ago;   /* seconds */
};

/* Runs until SIGTERM or SIGINT. 0; -1 and the error; or that nobody admitted a replica that was to rejoin. */
enum { REPLICA_NOT_ADMITTED = 1 };
int replica_run(const struct replica_options *options, struct error *error);

/* Carries an action out at once; a step of the engine without a frame. For disk.c. */
void replica_carry_out(struct replica *r, const struct action *action);
void replica_step(struct replica *r, enum event_kind kind);

/* seats.c: opens the compartments and leaves their keys in DIR/replica-N/hello. */
int seats_open(struct replica *r, struct error *error);

/* ... which of them sits at this index, and what people call it ... */
enum kind seat_kind(const struct replica *r, int index);
const char *seat_name(const struct replica *r, int index);
static inline int seat_index(uint32_t kind)
{
    return kind == KIND_COUNTER ? KIND_CONFIRMATION - KIND_PREPARATION : (int)kind - KIND_PREPARATION;
}

/* ... and starts the Troxy, if there is to be one. */
int seats_open_troxy(struct replica *r, struct error *error);

/* report.c: what the pages show. */
int report_render(void *replica, const char *path, struct buffer *body, const char **type);

#endif
