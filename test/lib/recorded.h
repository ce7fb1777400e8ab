/*
 * A cluster with keys that are the same in every run, and frames that it sent in a script of everything that can happen:
 * ordering, a checkpoint, two view changes, catching up by votes and by state. Fuzz targets of whole compartments change
 * them here and there, and may put them under a faulty sender's own keys again.
 */
#ifndef FUZZ_RECORDED_H
#define FUZZ_RECORDED_H

#include "cluster.h"

struct recorded {
    uint8_t *data;
    size_t len;
    struct frame frame;
    replica_id from; /* the host that it comes from */
};

struct recording {
    struct recorded *frame;
    size_t count;
};

extern struct cluster *recorded_cluster;

/* Runs the script; afterwards `out` has what reached that compartment of replica 1; KIND_HOST: what its host was sent;
 * KIND_NONE: some of everything that compartments sent. */
void recorded_make(enum kind kind, struct recording *out);

/*
 * An input is a list of commands, u8 each and what belongs to it:
 *
 *   0   u16 index, u8 count                       so many frames of the recording, as they were
 *   1   u16 index, u8 n, n * (u16 place, u8 byte)  one frame, bytes changed
 *   2   the same, and then authenticated by its sender again: the sender is faulty
 *   3   u16 length, bytes                          whatever this is
 */
struct input {
    const uint8_t *data;
    size_t len;
    size_t run_at, run_left;
    enum kind to; /* who is to believe what is authenticated again */
};

static inline struct input input_of(const uint8_t *data, size_t len, enum kind to)
{
    return (struct input){.data = data, .len = len, .to = to};
}

/* The next frame; false at the end. It lives until cluster_release. */
bool recorded_next(const struct recording *recording, struct input *input, struct recorded *out);

#endif
