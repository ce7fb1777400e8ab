/*
 * Every limit of the trusted code in one place, each with its reason. Nothing that a peer or client sends makes
 * memory grow beyond what follows from these numbers.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <assert.h>

#define FAULTS_MAX           3 /* a NEW-VIEW at its largest still fits a frame */
#define REPLICAS_MAX         (3 * FAULTS_MAX + 1)
#define REPLICAS_MIN         4
#define HYBSTER_REPLICAS_MIN 3

#ifdef REDOUBT_MUTANTS
/* The simulator's build: small windows and tables, so that their ends are met in every run. */
#define CHECKPOINT_INTERVAL 16u
#define WINDOW              32u
#define ORIGINS_MAX         64u
#define BATCH_BUNDLES_MAX   32u
#define LEAVES_MAX          4096u /* every run clears these tables */
#define LEAF_BYTES_MAX      (64u * 1024u)
#define SAVE_PIECE_BYTES    1024u /* so that much happens between two */
#define SAVE_PART_BYTES     512u
#define VERSION_CELLS       64u
#define VERSION_LEAF_CELLS  16u
#else
#define CHECKPOINT_INTERVAL 128u /* K: slots between checkpoints */
#define WINDOW              256u /* L: slots above the stable checkpoint that may be voted on; a multiple of K */
#define ORIGINS_MAX         1024u                 /* clients in the manifest */
#define BATCH_BUNDLES_MAX   256u                  /* bundles in one batch (slot) */
#define LEAVES_MAX          (4u * 1024u * 1024u)  /* of a service's state */
#define LEAF_BYTES_MAX      (64u * 1024u * 1024u) /* a leaf that is larger cannot be moved */
#define SAVE_PIECE_BYTES    (512u * 1024u) /* of a checkpoint that is saved; a piece is full from here on */
#define SAVE_PART_BYTES     (256u * 1024u) /* of a leaf or table that is saved */
#define VERSION_CELLS                                                                                        \
    65536u /* 512 KiB: with 5,000 writes a second to other keys a read stays valid for some 13 s */
#define VERSION_LEAF_CELLS 128u /* in one record of the state */
#endif

#define VERSION_WHOLE VERSION_CELLS /* the cell of the whole key space, see ordering/versions.h */

#define ORIGIN_RECONFIG ORIGINS_MAX /* the reserved origin: RECONFIGs, which nobody's table has a row for */

#define BUNDLE_WINDOW  64u   /* bundles of one origin that E remembers; more cannot be in flight */
#define BUNDLE_OPS_MAX 1024u /* operations in one bundle */
#define OP_MAX         (1024u * 1024u + 4096u) /* one operation: a 1 MiB value and its key */
#define BUNDLE_BODY_MAX                                                                                      \
    (OP_MAX + 64u * 1024u) /* ciphertext of one bundle: one largest operation and some small ones */
#define RESULTS_SOFT_MAX                                                                                     \
    (1024u * 1024u) /* results of one bundle beyond which its further operations must be retried */
#define REPLY_BODY_MAX    (RESULTS_SOFT_MAX + OP_MAX + 64u * 1024u)
#define REPLY_CACHE_BYTES (4u * 1024u * 1024u)  /* results kept for retransmission, per origin ... */
#define KEPT_BYTES_MAX    (32u * 1024u * 1024u) /* ... and of all origins */

/* Largest frame: a reply, or a NEW-VIEW with 2f+1 VIEW-CHANGEs at f = FAULTS_MAX. */
#define FRAME_MAX  (4u * 1024u * 1024u)
#define RING_BYTES (8u * 1024u * 1024u) /* holds two frames of the largest size */

/* Keys of E that are gone, in the manifest: those of the last 32 STARTs. A resumed cluster goes on to its next checkpoint by itself,
 * so certificates do not grow older than that. */
#define RETIRED_MAX (32 * REPLICAS_MAX)

#define PILLARS_MAX          8u    /* hybster: counters and logs that the order is spread over; at most CHECKPOINT_INTERVAL, so that none skips one */
#define PILLAR_COUNTERS      2u    /* of each: one for the order, one for what begins a view */
#define COUNTER_COMMANDS_MAX 256u  /* certificates in one call */
#define COUNTER_CHECKS_MAX   4096u /* verifications in one call, some 2 ms: VIEW-CHANGEs with full windows */
#define COUNTER_SIGNS_MAX    16u   /* signatures in one call, 15 us each */

#define PARTING_DIGESTS_PER_SLOT                                                                             \
    4u /* different digests of one slot that a PARTING lists (the latest views win) */

#define TIME_AHEAD_MAX_US 1000000u /* a batch's time may run ahead of a backup's clock by this */

/* What a stock client may send. One request holds one largest value at most, so that it makes one operation. */
#define HTTP_REQUEST_LINE_MAX     8192u           /* RFC 9112 asks for 8000 at least */
#define HTTP_HEAD_MAX             (16u * 1024u)   /* request line and headers; browsers send 1 to 4 KiB */
#define HTTP_FIELDS_MAX           64u             /* header lines; browsers send some 20 */
#define HTTP_BODY_MAX             (1024u * 1024u) /* a largest value */
#define HTTP_CHUNK_DIGITS_MAX     8u              /* of a chunk's size; more than the body's limit needs */
#define HTTP_CHUNK_EXTENSIONS_MAX 1024u           /* bytes, in one body; nobody uses them */
#define HTTP_TRAILERS_MAX         4096u           /* bytes; they are dropped */
#define RESP_ARGS_MAX             4096u           /* of one command: MSET of 2000 keys fits */
#define RESP_ARG_MAX              (1024u * 1024u) /* a largest value */
#define RESP_COMMAND_MAX          (OP_MAX + 64u * 1024u) /* all arguments and the lengths before them */
#define RESP_INLINE_MAX           (64u * 1024u) /* a line typed by a person; as redis-server has it */

/* The front: connections of stock clients, and what each and all may cost. */
#define FRONT_CONNECTIONS_MAX    4096u /* of one replica; the host's descriptors are for others, too */
#define FRONT_IN_WINDOW          (64u * 1024u)  /* the host hands over so much before it has credit again */
#define FRONT_OUT_WINDOW         (256u * 1024u) /* so much waits at the host; the rest here */
#define FRONT_CHUNK_BYTES        (64u * 1024u) /* of one connection in one turn, so that none starves the others */
#define FRONT_IN_MAX             (RESP_COMMAND_MAX + FRONT_IN_WINDOW) /* not worked off: a command whose end is missing */
#define FRONT_OUT_MAX            (16u * 1024u * 1024u)  /* not read by the client: some largest values */
#define FRONT_OUT_TOTAL          (128u * 1024u * 1024u) /* ... by all clients */
#define FRONT_OPS_MAX            256u /* operations of one connection under way: it may pipeline so many */
#define FRONT_USERS_MAX          256u
#define FRONT_USER_NAME_MAX      64u
#define FRONT_PASSWORD_MAX       256u /* with the name it must fit what HTTP takes of both */
#define FRONT_HANDSHAKES_PER_RUN 8u   /* each takes some 0.3 ms, and others wait meanwhile */

static_assert(WINDOW % CHECKPOINT_INTERVAL == 0, "the window ends on a checkpoint");
static_assert(RING_BYTES >= 2 * FRAME_MAX, "a ring holds two largest frames");
static_assert(REPLY_BODY_MAX + 65536 <= FRAME_MAX, "a reply fits a frame");
static_assert(HTTP_REQUEST_LINE_MAX < HTTP_HEAD_MAX, "headers have room behind the longest request line");
static_assert(HTTP_BODY_MAX < OP_MAX && RESP_ARG_MAX < OP_MAX, "a value and its key make an operation");
static_assert(HTTP_BODY_MAX < (1ull << (4 * HTTP_CHUNK_DIGITS_MAX)), "a chunk can be as large as a body");
static_assert(BUNDLE_BODY_MAX + 65536 <= FRAME_MAX, "a bundle fits a frame");

#endif
