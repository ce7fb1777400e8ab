#include "origin/queue.h"

#include <string.h>

#include "base/bytes.h"
#include "crypto/crypto.h"

#define SPARES_MAX      16u
#define SPARE_BYTES_MAX (256u * 1024u) /* larger buffers are given back at once */
#define FIRST_OPS       8u

void client_queue_init(struct client_queue *queue, struct client_memory memory, uint32_t chunk_ops_max)
{
    memset(queue, 0, sizeof *queue);
    queue->memory = memory;
    queue->chunk_ops_max = chunk_ops_max;
    queue->deadline_us = UINT64_MAX;
}

static void chunk_free(struct client_queue *queue, struct client_chunk *chunk)
{
    memory_give(&queue->memory, chunk->ops, chunk->cap * sizeof *chunk->ops);
    client_bytes_free(&chunk->data, &queue->memory);
    memory_give(&queue->memory, chunk, sizeof *chunk);
}

void client_queue_recycle(struct client_queue *queue, struct client_chunk *chunk)
{
    if (queue->spares == SPARES_MAX || chunk->data.cap > SPARE_BYTES_MAX) {
        chunk_free(queue, chunk);
        return;
    }
    chunk->next = queue->spare;
    queue->spare = chunk;
    queue->spares++;
}

void client_queue_deinit(struct client_queue *queue)
{
    struct client_chunk *lists[2] = {queue->head, queue->spare};
    for (int i = 0; i < 2; i++)
        for (struct client_chunk *chunk = lists[i], *next; chunk; chunk = next) {
            next = chunk->next;
            chunk_free(queue, chunk);
        }
    memset(queue, 0, sizeof *queue);
}

static struct client_chunk *chunk_new(struct client_queue *queue)
{
    struct client_chunk *chunk = queue->spare;
    if (chunk) {
        queue->spare = chunk->next;
        queue->spares--;
        chunk->next = NULL;
        chunk->count = chunk->left = 0;
        chunk->data.len = 0;
    } else {
        chunk = memory_take(&queue->memory, sizeof *chunk);
        if (!chunk)
            return NULL;
        memset(chunk, 0, sizeof *chunk);
    }
    chunk->deadline_us = UINT64_MAX;
    return chunk;
}

static bool chunk_make_room(struct client_queue *queue, struct client_chunk *chunk, size_t len)
{
    if (chunk->count == chunk->cap) {
        uint32_t cap = chunk->cap ? 2 * chunk->cap : FIRST_OPS;
        cap = cap > queue->chunk_ops_max ? queue->chunk_ops_max : cap;
        struct client_op *ops = memory_take(&queue->memory, cap * sizeof *ops);
        if (!ops)
            return false;
        if (chunk->count)
            memcpy(ops, chunk->ops, chunk->count * sizeof *ops);
        memory_give(&queue->memory, chunk->ops, chunk->cap * sizeof *ops);
        chunk->ops = ops;
        chunk->cap = cap;
    }
    /* The ciphertext is made in place: its tag needs room too. */
    return client_bytes_reserve(&chunk->data, &queue->memory, chunk->data.len + 4 + len + AEAD_TAG_BYTES);
}

bool client_queue_joins(const struct client_queue *queue, size_t len)
{
    const struct client_chunk *chunk = queue->tail;
    return chunk && !queue->apart && chunk->count < queue->chunk_ops_max &&
           chunk->data.len + 4 + len + AEAD_TAG_BYTES <= BUNDLE_BODY_MAX;
}

void client_queue_part(struct client_queue *queue)
{
    queue->apart = true;
}

static struct client_chunk *chunk_with_room(struct client_queue *queue, size_t len)
{
    struct client_chunk *chunk = queue->tail;
    if (client_queue_joins(queue, len))
        return chunk_make_room(queue, chunk, len) ? chunk : NULL;
    chunk = chunk_new(queue);
    if (!chunk)
        return NULL;
    if (!chunk_make_room(queue, chunk, len)) {
        chunk_free(queue, chunk);
        return NULL;
    }
    if (queue->tail)
        queue->tail->next = chunk;
    else
        queue->head = chunk;
    queue->tail = chunk;
    queue->apart = false;
    return chunk;
}

bool client_queue_add(struct client_queue *queue, const struct client_op *op, const void *data, size_t len)
{
    struct client_chunk *chunk = chunk_with_room(queue, len);
    if (!chunk)
        return false;
    struct client_op *mine = &chunk->ops[chunk->count++];
    *mine = *op;
    mine->at = (uint32_t)chunk->data.len;
    mine->len = (uint32_t)len;
    mine->over = false;
    struct writer w = writer_to(chunk->data.data + chunk->data.len, 4 + len);
    put_slice(&w, (struct slice){data, len});
    chunk->data.len += 4 + len;
    chunk->left++;
    if (op->deadline_us < chunk->deadline_us)
        chunk->deadline_us = op->deadline_us;
    if (op->deadline_us < queue->deadline_us)
        queue->deadline_us = op->deadline_us;
    queue->ops++;
    queue->bytes += len;
    return true;
}

/* Leaves out what ended while it waited: it was told as never sent, so it must not be. */
static void chunk_compact(struct client_chunk *chunk)
{
    uint32_t kept = 0;
    size_t len = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct client_op op = chunk->ops[i];
        if (op.over)
            continue;
        memmove(chunk->data.data + len, chunk->data.data + op.at, 4 + (size_t)op.len);
        op.at = (uint32_t)len;
        len += 4 + (size_t)op.len;
        chunk->ops[kept++] = op;
    }
    chunk->count = kept;
    chunk->data.len = len;
}

struct client_chunk *client_queue_take(struct client_queue *queue)
{
    for (;;) {
        struct client_chunk *chunk = queue->head;
        if (!chunk)
            return NULL;
        queue->head = chunk->next;
        if (!queue->head) {
            queue->tail = NULL;
            queue->deadline_us = UINT64_MAX;
        }
        chunk->next = NULL;
        queue->ops -= chunk->count;
        queue->bytes -= chunk->data.len - 4 * (size_t)chunk->count;
        if (chunk->left < chunk->count)
            chunk_compact(chunk);
        if (chunk->count)
            return chunk;
        client_queue_recycle(queue, chunk);
    }
}
