#include "shell/ring.h"

#include <string.h>

#include "base/check.h"

#define HEADER_BYTES 8u
#define FLAGS_SHIFT  32
/* Starting over: from this place on, unless the consumer is further behind than this, for records up to this
 * size. */
#define REWIND_AT(capacity)      ((capacity) / 8)
#define REWIND_BACKLOG(capacity) ((capacity) / 64)
#define REWIND_RECORD(capacity)  ((capacity) / 32)

static uint64_t record_bytes(uint64_t len)
{
    return HEADER_BYTES + ((len + 7) & ~(uint64_t)7);
}

static uint64_t place(uint64_t cursor, uint64_t capacity)
{
    return cursor & (capacity - 1);
}

static uint8_t *bytes_of(struct ring *ring)
{
    return (uint8_t *)ring->data;
}

/* Headers are aligned, so they never run over the end. */
static _Atomic uint64_t *header_at(struct ring *ring, uint64_t cursor, uint64_t capacity)
{
    return &ring->data[place(cursor, capacity) / 8];
}

/* ------------------------------------------------------------ producer */

void ring_writer_init(struct ring_writer *writer, struct ring *ring, size_t capacity)
{
    CHECK(capacity >= 64 && (capacity & (capacity - 1)) == 0);
    *writer = (struct ring_writer){.ring = ring, .capacity = capacity};
}

static uint64_t writer_room(const struct ring_writer *writer)
{
    return writer->capacity - (writer->head - writer->tail);
}

static enum ring_status writer_refresh(struct ring_writer *writer)
{
    uint64_t tail = atomic_load_explicit(&writer->ring->tail, memory_order_seq_cst);
    /* It moves forward only, over whole records that were shown to it. */
    if (tail - writer->tail > writer->published - writer->tail || tail % 8 != 0)
        return RING_BROKEN;
    writer->tail = tail;
    return RING_OK;
}

/* Is it time to start over, and will the record fit then? */
static bool writer_rewinds(const struct ring_writer *writer, uint64_t record)
{
    uint64_t at = place(writer->head, writer->capacity);
    uint64_t backlog = writer->head - writer->tail;
    return at >= REWIND_AT(writer->capacity) && backlog <= REWIND_BACKLOG(writer->capacity) &&
           record <= REWIND_RECORD(writer->capacity);
}

static void writer_skip(struct ring_writer *writer)
{
    atomic_store_explicit(header_at(writer->ring, writer->head, writer->capacity),
                          (uint64_t)RING_SKIP << FLAGS_SHIFT, memory_order_relaxed);
    writer->head += writer->capacity - place(writer->head, writer->capacity);
}

static void writer_put(struct ring_writer *writer, uint64_t cursor, struct slice part)
{
    uint64_t at = place(cursor, writer->capacity);
    uint64_t first = writer->capacity - at < part.len ? writer->capacity - at : part.len;
    if (first)
        memcpy(bytes_of(writer->ring) + at, part.data, first);
    if (part.len > first)
        memcpy(bytes_of(writer->ring), part.data + first, part.len - first);
}

enum ring_status ring_write(struct ring_writer *writer, const struct slice *parts, unsigned count,
                            uint32_t flags)
{
    uint64_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    CHECK(len <= FRAME_MAX && (flags & ~(uint32_t)RING_LOCAL) == 0);
    uint64_t record = record_bytes(len);
    if (record > writer->capacity)
        return RING_NOTHING;

    bool late = place(writer->head, writer->capacity) >= REWIND_AT(writer->capacity);
    if ((late || writer_room(writer) < record) && writer_refresh(writer) != RING_OK)
        return RING_BROKEN;
    if (late && writer_rewinds(writer, record))
        writer_skip(writer);
    if (writer_room(writer) < record)
        return RING_NOTHING;

    atomic_store_explicit(header_at(writer->ring, writer->head, writer->capacity),
                          len | (uint64_t)flags << FLAGS_SHIFT, memory_order_relaxed);
    uint64_t at = writer->head + HEADER_BYTES;
    for (unsigned i = 0; i < count; i++) {
        writer_put(writer, at, parts[i]);
        at += parts[i].len;
    }
    writer->head += record;
    return RING_OK;
}

bool ring_publish(struct ring_writer *writer)
{
    if (writer->published == writer->head)
        return false;
    writer->published = writer->head;
    atomic_store_explicit(&writer->ring->head, writer->head, memory_order_seq_cst);
    return true;
}

/* ------------------------------------------------------------ consumer */

void ring_reader_init(struct ring_reader *reader, struct ring *ring, size_t capacity)
{
    CHECK(capacity >= 64 && (capacity & (capacity - 1)) == 0);
    *reader = (struct ring_reader){.ring = ring, .capacity = capacity};
}

enum ring_status ring_refresh(struct ring_reader *reader)
{
    uint64_t head = atomic_load_explicit(&reader->ring->head, memory_order_seq_cst);
    /* It moves forward only, and never further ahead of what was released than the ring is long. */
    if (head - reader->released > reader->capacity ||
        head - reader->released < reader->head - reader->released || head % 8 != 0)
        return RING_BROKEN;
    reader->head = head;
    return RING_OK;
}

enum ring_status ring_read(struct ring_reader *reader, struct ring_frame *frame)
{
    uint64_t capacity = reader->capacity, header;
    for (;;) {
        if (reader->tail == reader->head)
            return RING_NOTHING;
        header = atomic_load_explicit(header_at(reader->ring, reader->tail, capacity), memory_order_relaxed);
        if (header != (uint64_t)RING_SKIP << FLAGS_SHIFT)
            break;
        uint64_t rest = capacity - place(reader->tail, capacity);
        if (rest > reader->head - reader->tail)
            return RING_BROKEN;
        reader->tail += rest;
    }

    uint64_t len = (uint32_t)header;
    uint32_t flags = (uint32_t)(header >> FLAGS_SHIFT);
    if (len > FRAME_MAX || (flags & ~(uint32_t)RING_LOCAL) != 0 ||
        record_bytes(len) > reader->head - reader->tail)
        return RING_BROKEN;

    uint64_t at = place(reader->tail + HEADER_BYTES, capacity);
    uint64_t first = capacity - at < len ? capacity - at : len;
    *frame = (struct ring_frame){
        .part = {{.data = bytes_of(reader->ring) + at, .len = first},
                 {.data = bytes_of(reader->ring), .len = len - first}},
        .len = len,
        .flags = flags,
    };
    reader->tail += record_bytes(len);
    return RING_OK;
}

bool ring_release(struct ring_reader *reader)
{
    if (reader->released == reader->tail)
        return false;
    reader->released = reader->tail;
    atomic_store_explicit(&reader->ring->tail, reader->tail, memory_order_seq_cst);
    return true;
}

void ring_copy(uint8_t *out, const struct ring_frame *frame)
{
    if (frame->part[0].len)
        memcpy(out, frame->part[0].data, frame->part[0].len);
    if (frame->part[1].len)
        memcpy(out + frame->part[0].len, frame->part[1].data, frame->part[1].len);
}
