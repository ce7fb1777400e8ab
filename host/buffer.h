/*
 * A growing queue of bytes: appended at the end, consumed at the front. Memory is given back once it is empty, so that an idle
 * connection costs nothing.
 */
#ifndef HOST_BUFFER_H
#define HOST_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *memory;
    size_t start;
    size_t len;
    size_t cap;
};

void buffer_free(struct buffer *buffer);
/* Room for `len` more bytes at the end; buffer_commit makes them count. Never NULL: lack of memory ends the process. */
uint8_t *buffer_reserve(struct buffer *buffer, size_t len);
void buffer_append(struct buffer *buffer, const void *data, size_t len);
void buffer_consume(struct buffer *buffer, size_t len);

static inline void buffer_commit(struct buffer *buffer, size_t len)
{
    buffer->len += len;
}

static inline uint8_t *buffer_data(const struct buffer *buffer)
{
    return buffer->memory ? buffer->memory + buffer->start
                          : buffer->memory; /* one that never held anything */
}

#endif
