/*
 * Operations that wait. They are written where they will be sent from: the queue is a list of chunks, each the plaintext
 * of a bundle to come, so an operation is copied once and costs no allocation of its own. The chunk at the head is the
 * next bundle; while earlier bundles are under way the one at the tail fills up.
 */
#ifndef ORIGIN_QUEUE_H
#define ORIGIN_QUEUE_H

#include "base/limits.h"
#include "origin/memory.h"
#include "redoubt/client.h"

struct client_op {
    redoubt_done done;
    void *context;
    uint64_t deadline_us;
    uint64_t submitted_us;
    uint32_t at; /* its length and bytes in the chunk's data */
    uint32_t len;
    bool over; /* its outcome was told */
};

struct client_chunk {
    struct client_chunk *next;
    struct client_op *ops;
    uint32_t count;
    uint32_t cap;
    uint32_t left;            /* not over */
    uint64_t deadline_us;     /* no operation ends before */
    struct client_bytes data; /* per operation u32 length and bytes; later the ciphertext */
};

struct client_queue {
    struct client_memory memory;
    struct client_chunk *head;
    struct client_chunk *tail;
    struct client_chunk *spare; /* emptied ones, with their memory */
    uint32_t spares;
    uint32_t chunk_ops_max;
    size_t ops; /* waiting, over or not */
    size_t bytes;
    uint64_t deadline_us; /* no waiting operation ends before */
    bool apart;           /* the next operation begins a chunk */
};

void client_queue_init(struct client_queue *queue, struct client_memory memory, uint32_t chunk_ops_max);
void client_queue_deinit(struct client_queue *queue);

/* Copies an operation in; false when memory is lacking. Its length was checked. */
bool client_queue_add(struct client_queue *queue, const struct client_op *op, const void *data, size_t len);

/* Would an operation of this length be in the same chunk as the last one? */
bool client_queue_joins(const struct client_queue *queue, size_t len);

/* What is added from here on is in other chunks than what was: as many as came out of one chunk fit into another. */
void client_queue_part(struct client_queue *queue);

/* Takes the chunk at the head, without operations that are over; NULL when nothing waits. It is the caller's
 * until client_queue_recycle. */
struct client_chunk *client_queue_take(struct client_queue *queue);
void client_queue_recycle(struct client_queue *queue, struct client_chunk *chunk);

#endif
