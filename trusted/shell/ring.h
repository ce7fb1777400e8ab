/*
 * A ring of frames in shared memory: one producer, one consumer, and neither believes the other.
 *
 *      tail                     head                cursors count bytes since the start and never wrap; the
 *       v                        v                  place in `data` is cursor & (capacity - 1)
 *   ----+--------+---------+-----+--------------
 *       | record | record  | ... |  free            record = u64 header, payload, padding to 8 bytes
 *   ----+--------+---------+-----+--------------    header = length (low 32 bits), flags (high 32 bits)
 *
 * Each side works on private copies of both cursors. It reads the other's cursor once per batch and checks
 * it, writes its own once per batch, and loads a record's header once. So whatever the other side does to the
 * memory, this side never leaves its bounds; what it reads may be nonsense, which is for the reader of the
 * frame to find out. The compartment copies a frame out (ring_copy) before anybody looks at it; the host may
 * read in place.
 *
 * While the consumer keeps up, the producer starts over from the beginning of `data` long before its end
 * (RING_SKIP), so that a quiet ring of 8 MiB touches, and keeps in the cache, one eighth of it.
 *
 * Sleeping and waking are not here: see bell.h.
 */
#ifndef SHELL_RING_H
#define SHELL_RING_H

#include <stdatomic.h>

#include "base/limits.h"
#include "base/types.h"

enum ring_flag {
    RING_LOCAL = 1u, /* handed over by a co-located compartment */
    RING_SKIP = 2u,  /* the ring's own: no frame, go on at the beginning of `data` */
};

enum ring_status {
    RING_OK,
    RING_NOTHING, /* no room for the record, or no record */
    RING_BROKEN,  /* the other side wrote nonsense; the ring is of no more use */
};

/* In shared memory. Zeroed memory is an empty ring. */
struct ring {
    _Alignas(64) _Atomic uint64_t head; /* written by the producer */
    _Alignas(64) _Atomic uint64_t tail; /* written by the consumer */
    _Alignas(64) _Atomic uint64_t data[];
};

struct ring_writer {
    struct ring *ring;
    uint64_t capacity; /* bytes, a power of two */
    uint64_t head;     /* with what is not published yet */
    uint64_t published;
    uint64_t tail; /* as last seen */
};

struct ring_reader {
    struct ring *ring;
    uint64_t capacity;
    uint64_t tail; /* with what is not released yet */
    uint64_t released;
    uint64_t head; /* as last seen */
};

/* A frame as it lies in the ring: in two parts when it runs over the end, else the second is empty. */
struct ring_frame {
    struct slice part[2];
    size_t len;
    uint32_t flags;
};

/* Both sides start on a fresh ring; the capacity comes from the reader's own code, never from the shared
 * memory. */
void ring_writer_init(struct ring_writer *writer, struct ring *ring, size_t capacity);
void ring_reader_init(struct ring_reader *reader, struct ring *ring, size_t capacity);

/* Appends one frame, gathered from `count` parts, at most FRAME_MAX bytes in all. The consumer sees it after
 * the next publish. RING_NOTHING: no room, nothing was written. */
enum ring_status ring_write(struct ring_writer *writer, const struct slice *parts, unsigned count,
                            uint32_t flags);
/* Shows what was written; true when there was anything. A sequentially consistent store: bell.h relies on it.
 * */
bool ring_publish(struct ring_writer *writer);

/* Looks for new records; call it once per batch. Broken, or OK whether or not there are any. */
enum ring_status ring_refresh(struct ring_reader *reader);
/* The next frame among those that the last refresh saw; it stays in the ring until the next release. */
enum ring_status ring_read(struct ring_reader *reader, struct ring_frame *frame);
/* Gives the room of everything read back; true when there was anything. Sequentially consistent as well. */
bool ring_release(struct ring_reader *reader);

/* Copies a frame into private memory of at least `frame->len` bytes. */
void ring_copy(uint8_t *out, const struct ring_frame *frame);

/* Bytes read or seen but not released; for deciding when to release. */
static inline uint64_t ring_unreleased(const struct ring_reader *reader)
{
    return reader->tail - reader->released;
}

static inline size_t ring_bytes(size_t capacity)
{
    return sizeof(struct ring) + capacity;
}

#endif
