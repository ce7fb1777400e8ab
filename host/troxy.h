/*
 * A Troxy's host: starts the compartment, carries bytes of stock clients and frames of replicas to it and from it, notices its death.
 *
 *   stock clients <-> doors.h <-> frames <-> compartment <-> frames <-> reach.h <-> client ports of all replicas
 *
 * When the compartment dies its connections end, and another one is started after a while; whoever votes here goes on.
 * For a replica (replica.c), and for `redoubt standalone` and `redoubt gateway`, which reach no replicas in this way.
 */
#ifndef HOST_TROXY_H
#define HOST_TROXY_H

#include "compartment.h"
#include "doors.h"
#include "reach.h"
#include "troxy/reception.h"

struct troxy_options {
    enum isolation isolation;
    const struct compartment_type *type; /* inline: troxy_type or standalone_type */
    const struct service_front *front;   /* inline */
    const struct access_source *source;  /* inline, standalone_type: stays the caller's; NULL: the service */
    char binary[PATH_BYTES];             /* process */
    int core;
    bool spin;
    size_t memory_bytes; /* beyond what the type needs */
    const char *service_options;
    replica_id replica;
    uint8_t admin_public[32];
    char tls_key[PATH_BYTES], tls_certificate[PATH_BYTES]; /* empty: no secure listeners */
    char client_ca[PATH_BYTES];                            /* empty: nobody needs a certificate */
    char origin_key[PATH_BYTES];                           /* empty: standalone */
    const struct user_config *users;                       /* stay the caller's */
    uint32_t user_count;                                   /* 0: nobody has to say who he is */
    uint32_t idle_ms, request_ms, operation_ms;
};

struct troxy {
    struct troxy_options options;
    uv_loop_t *loop;
    const struct config *config;     /* NULL: standalone */
    struct compartment *compartment; /* NULL: none now */
    struct troxy_start start;        /* inline: keeps what its compartment was given */
    struct file certificate, client_ca;
    uint8_t *settings;
    uv_poll_t *poll, *death;
    uv_timer_t wake;
    struct buffer overflow; /* what its ring had no room for: u32 length, frame */
    struct buffer manifest; /* START */
    struct doors doors;
    struct reach reach;
    struct local_front told;
    int lock; /* of the origin's key; -1: none */
    bool open, given;
    uint64_t start_again_ms; /* 0: it lives */
    uint32_t backoff_ms;
    uint32_t deaths;
    uint64_t dropped;
    char obituary[1360];
};

/* Starts the compartment. -1 and the error: it could not be started, or keys are missing or wrong. */
int troxy_open(struct troxy *troxy, uv_loop_t *loop, const struct troxy_options *options,
               const struct config *config, struct error *error);
/* From the manifest on: opens the doors. Takes the descriptors over (-1: no such listener). `start` is empty for standalone. */
void troxy_serve(struct troxy *troxy, struct slice start, const int fd[LISTENERS],
                 const uint16_t port[LISTENERS]);
void troxy_close(struct troxy *troxy);

/* One round: takes what it has to say, gives it what came, wakes it. True when there may be more to do right away. */
bool troxy_turn(struct troxy *troxy, uint64_t now_us);
void troxy_flush(struct troxy *troxy);
bool troxy_before_poll(struct troxy *troxy);
void troxy_after_poll(struct troxy *troxy);
/* Its source has outcomes: there is to be a turn. */
void troxy_poke(struct troxy *troxy);
/* Once a second: looks whether it lives, starts it again, tells it the time. */
void troxy_second(struct troxy *troxy, uint64_t now_us);

/* Reads certificate and key again and gives them to it; connections that are there go on. */
int troxy_reload(struct troxy *troxy, struct error *error);

#endif
