/*
 * A slow, thin or bad line between two ends, emulated for the bytes of TCP connections: says when what was sent arrives, and
 * holds it until then. Pure: time is handed in, and chance comes from a seed. cmd/redoubt/link.c is its sockets.
 *
 *   delay, jitter   every piece takes delay, give or take up to jitter (uniform), and never overtakes one before it: a late piece
 *                   holds up those behind it, as within a TCP connection
 *   rate            a token bucket per direction, shared by all connections
 *   loss            TCP loses nothing, it repeats: a piece with a lost segment comes a retransmission timeout later (a round
 *                   trip and 200 ms, doubled for every repetition that is lost, too, as Linux has it), and so does what is behind it
 *   opening         a connection takes a round trip before it carries anything
 *
 * Memory is bounded: emulation_room says how much of a connection may be read, so that the rest waits with its sender.
 */
#ifndef HOST_LINK_EMULATION_H
#define HOST_LINK_EMULATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EMULATION_WAY_MAX                                                                                    \
    (1u << 20) /* bytes under way in one direction of one connection: as a large TCP window */
#define EMULATION_TOTAL_MAX                                                                                  \
    (128u << 20) /* in one direction of all; twice that when every connection has its least share */
#define EMULATION_READ_MAX (64u << 10)
#define EMULATION_SEGMENT  1448u /* of Ethernet; loss is per segment */

struct emulation_rules {
    uint64_t delay_us;   /* in each direction */
    uint64_t jitter_us;  /* at most delay_us */
    uint64_t bits_per_s; /* in each direction; 0: no limit */
    uint64_t loss_ppm;   /* of segments, below a million */
    uint64_t seed;
};

enum held_kind {
    HELD_CALL, /* the connection is opened at the other end */
    HELD_BYTES,
    HELD_END,   /* the sender is done, but may go on receiving */
    HELD_RESET, /* the connection broke off */
};

struct held {
    struct held *next;
    uint64_t due_us;
    enum held_kind kind;
    size_t len;
    uint8_t data[];
};

/* One direction of one connection. */
struct way {
    struct held *first, *last;
    uint64_t not_before_us; /* when the last one is due */
    size_t bytes;           /* held, or not yet taken by the receiver */
    size_t place;           /* in the heap, from 1; 0: nothing is held, or it is stopped */
    unsigned direction;     /* 0 or 1 */
    bool stopped;
    void *owner; /* the caller's, set after emulation_join */
};

struct emulation {
    struct emulation_rules rules;
    uint64_t random;
    uint64_t bucket_ns[2]; /* when all that was sent so far would have left, at an even rate */
    size_t limit;          /* of bytes in a direction */
    size_t piece;          /* most that is sent at once */
    size_t bytes[2];
    size_t most; /* that bytes[0] + bytes[1] ever were */
    size_t connections;
    uint64_t lost;     /* segments */
    struct way **heap; /* by due time of the first that they hold */
    size_t count, cap;
};

void emulation_init(struct emulation *emulation, const struct emulation_rules *rules);
/* All connections have left. */
void emulation_deinit(struct emulation *emulation);

/* A connection with its two ways. False: no memory. */
bool emulation_join(struct emulation *emulation, struct way ways[2]);
/* Drops what it holds. */
void emulation_leave(struct emulation *emulation, struct way ways[2]);

/* Sends; false: no memory. `data` is copied. */
bool emulation_send(struct emulation *emulation, struct way *way, enum held_kind kind, const void *data,
                    size_t len, uint64_t now_us);
/* When the next one is due; UINT64_MAX: nothing is held. */
uint64_t emulation_next(const struct emulation *emulation);
/* A way whose first is due; NULL: none. */
struct way *emulation_due(const struct emulation *emulation, uint64_t now_us);
/* The first of a way, for free(). Its bytes count as under way until emulation_taken. */
struct held *emulation_take(struct emulation *emulation, struct way *way);
/* The receiver has taken (or will never take) so many bytes. */
void emulation_taken(struct emulation *emulation, struct way *way, size_t len);
/* Drops all that is held; nobody is there to take it. */
void emulation_drop(struct emulation *emulation, struct way *way);
/* A stopped way holds what is due, too: its other end is not there yet. */
void emulation_stop(struct emulation *emulation, struct way *way, bool stopped);

/* How many bytes may be read now for a way; 0: none, ask again when some were taken. Something is always under way then. */
size_t emulation_room(const struct emulation *emulation, const struct way *way);

#endif
