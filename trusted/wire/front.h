/*
 * What passes between a host and its Troxy: sockets that the host has and the Troxy does not, and frames to and from replicas.
 * Unauthenticated: a host can cost liveness, nothing else. What clients say is under TLS.
 *
 *   host                                            Troxy
 *   LOCAL-OPENED   a client connected      ------>
 *   LOCAL-BYTES    what came               ------>
 *                                          <------  LOCAL-CREDIT   so much of it is worked off
 *                                          <------  LOCAL-BYTES    to be written
 *   LOCAL-CREDIT   so much of it is out    ------>
 *   LOCAL-CLOSED   the last about it       <----->  LOCAL-CLOSED   the last about it, once all before is written
 *
 * Either side may say LOCAL-CLOSED first; a connection's number is used again when both have. A side never has more than a
 * window (FRONT_IN_WINDOW, FRONT_OUT_WINDOW) of bytes out that the other gave no credit for.
 */
#ifndef WIRE_FRONT_H
#define WIRE_FRONT_H

#include "base/limits.h"
#include "wire/frame.h"

enum front_listener { LISTENER_HTTPS, LISTENER_REDISS, LISTENER_HTTP, LISTENER_REDIS, LISTENERS };

/* Why the Troxy closed it, for the host's counters. */
enum front_end {
    END_DONE,      /* as the protocol has it */
    END_GARBAGE,   /* no TLS, or not as it must be */
    END_SLOW,      /* a handshake or request that was not finished in time, or output that nobody read */
    END_IDLE,      /* nothing happened for long */
    END_LIMIT,     /* no room for it */
    END_UNTRUSTED, /* the client has no certificate that `client_ca` signed */
    FRONT_ENDS
};

#define LOCAL_OPENED_FIELDS(F) F(u32, connection) F(u8, listener)
WIRE_STRUCT(local_opened, LOCAL_OPENED_FIELDS)

/* The attachment. last 1: nothing more comes from there, but it may still read. */
#define LOCAL_BYTES_FIELDS(F) F(u32, connection) F(u8, last)
WIRE_STRUCT(local_bytes, LOCAL_BYTES_FIELDS)

#define LOCAL_CREDIT_FIELDS(F) F(u32, connection) F(u32, bytes)
WIRE_STRUCT(local_credit, LOCAL_CREDIT_FIELDS)

/* reason: an enum front_end; 0 from the host. */
#define LOCAL_CLOSED_FIELDS(F) F(u32, connection) F(u8, reason)
WIRE_STRUCT(local_closed, LOCAL_CLOSED_FIELDS)

/* Troxy -> host: wake me then, at the latest (and forget what I said before). Host -> Troxy: now it is. */
#define LOCAL_TICK_FIELDS(F) F(u64, at_us)
WIRE_STRUCT(local_tick, LOCAL_TICK_FIELDS)

/* The connection to the client port of a replica came up, or went down. */
#define LOCAL_LINK_FIELDS(F) F(u32, replica) F(u8, up)
WIRE_STRUCT(local_link, LOCAL_LINK_FIELDS)

/* The attachment is a frame that came from that client port. */
#define LOCAL_ARRIVED_FIELDS(F) F(u32, replica)
WIRE_STRUCT(local_arrived, LOCAL_ARRIVED_FIELDS)

/* The attachment is a frame for that client port, or (FRONT_TO_ALL) for each. */
#define FRONT_TO_ALL         UINT32_MAX
#define LOCAL_SEND_FIELDS(F) F(u32, replica)
WIRE_STRUCT(local_send, LOCAL_SEND_FIELDS)

/* Another certificate and its key, and who signs certificates of clients (empty: nobody has to have one); PEM. */
#define LOCAL_CERTIFICATE_FIELDS(F) F(slice, certificate) F(slice, key) F(slice, client_ca)
WIRE_STRUCT(local_certificate, LOCAL_CERTIFICATE_FIELDS)

/* Troxy -> host, when something changed: is the origin's key in the manifest, and are enough replicas reached? taken: what became
 * of the last LOCAL-CERTIFICATE (1 good, 2 refused; 0 there was none). From hits on: what became of reads, see access_reads. */
#define LOCAL_FRONT_FIELDS(F)                                                                                \
    F(u8, listed)                                                                                            \
    F(u8, ready)                                                                                             \
    F(u8, taken)                                                                                             \
    F(u32, connections)                                                                                      \
    F(u64, handshakes)                                                                                       \
    F(u64, operations)                                                                                       \
    F(u64, unknown) F(u64, hits) F(u64, misses) F(u64, passed) F(u64, fast) F(u64, conflicts)                \
        F(u64, timeouts) F(u64, cache_bytes) F(u32, hit_permille) F(u32, conflict_permille)                  \
            F(u32, off_permille) F(u32, on_permille) F(u8, fast_off)
WIRE_STRUCT(local_front, LOCAL_FRONT_FIELDS)

/*
 * What a Troxy is told at its start. Not a frame: it comes in memory that the host made; the secrets come beside it (see
 * shell/troxy/main.c). Times in milliseconds.
 */
#define FRONT_SETTINGS_FIELDS(F)                                                                             \
    F(u64, origin_epoch)                                                                                     \
    F(u32, handshake_ms)                                                                                     \
    F(u32, request_ms)                                                                                       \
    F(u32, output_ms)                                                                                        \
    F(u32, idle_ms) F(u32, operation_ms) F(slice, certificate) F(slice, client_ca) F(slice, users)
WIRE_STRUCT(front_settings, FRONT_SETTINGS_FIELDS)

/* One of `users`, one after the other. hash: keyed BLAKE2b of the password under the salt. */
#define FRONT_USER_FIELDS(F) F(slice, name) F(tag16, salt) F(key, hash)
WIRE_STRUCT(front_user, FRONT_USER_FIELDS)

#endif
