#include "buffer.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#define KEEP_BYTES (256u * 1024u)

void buffer_free(struct buffer *buffer)
{
    free(buffer->memory);
    *buffer = (struct buffer){NULL, 0, 0, 0};
}

static void make_room(struct buffer *buffer, size_t len)
{
    if (buffer->start >= buffer->len && buffer->len + len <= buffer->cap) {
        memcpy(buffer->memory, buffer->memory + buffer->start, buffer->len);
        buffer->start = 0;
        return;
    }
    size_t cap = buffer->cap ? buffer->cap : 2048;
    while (cap < buffer->len + len + buffer->len / 2)
        cap *= 2;
    uint8_t *memory = malloc(cap);
    CHECK(memory && "out of memory");
    if (buffer->len)
        memcpy(memory, buffer->memory + buffer->start, buffer->len);
    free(buffer->memory);
    *buffer = (struct buffer){memory, 0, buffer->len, cap};
}

uint8_t *buffer_reserve(struct buffer *buffer, size_t len)
{
    if (buffer->start + buffer->len + len > buffer->cap)
        make_room(buffer, len);
    return buffer->memory + buffer->start + buffer->len;
}

void buffer_append(struct buffer *buffer, const void *data, size_t len)
{
    if (len == 0)
        return;
    memcpy(buffer_reserve(buffer, len), data, len);
    buffer->len += len;
}

void buffer_consume(struct buffer *buffer, size_t len)
{
    CHECK(len <= buffer->len);
    buffer->start += len;
    buffer->len -= len;
    if (buffer->len == 0) {
        buffer->start = 0;
        if (buffer->cap > KEEP_BYTES)
            buffer_free(buffer);
    }
}
