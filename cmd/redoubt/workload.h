/*
 * What the benchmark asks for: which operation on which key. Keys of the ycsb workloads follow YCSB: zipfian with constant
 * 0.99, the popular ones scattered by a hash; those of get and set are uniform. Values are cut from random text.
 */
#ifndef CMD_WORKLOAD_H
#define CMD_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum workload_kind {
    WORKLOAD_COUNTER,
    WORKLOAD_YCSB_A,
    WORKLOAD_YCSB_B,
    WORKLOAD_YCSB_C,
    WORKLOAD_YCSB_F,
    WORKLOAD_GET,
    WORKLOAD_SET,
    WORKLOAD_NONE
};

/* A draw that falls on this place: below the threshold the place itself, else another. */
struct alias {
    uint32_t threshold, other;
};

/* The table of a million keys is not in the cache. So draws are made this many in advance, and their places fetched: what is
 * measured is the cluster. */
#define WORKLOAD_AHEAD 16u

#define WORKLOAD_KEY_BYTES 16u

struct workload {
    enum workload_kind kind;
    uint64_t keys;
    uint32_t value_bytes;
    uint32_t padding_bytes;         /* counter: of the request */
    uint32_t reply_bytes;           /* counter; 0: as the service is set */
    uint8_t *text;                  /* values are cut from here */
    struct alias *alias;            /* table of the zipfian distribution; NULL: uniform */
    uint64_t ahead[WORKLOAD_AHEAD]; /* draws to come */
    uint32_t drawn;
    uint64_t random;
    uint8_t *op; /* the operation made last */
    size_t op_cap;
    /* The same for who makes requests of his own of it (kv only). */
    uint8_t key[WORKLOAD_KEY_BYTES];
    const uint8_t *value; /* value_bytes of them; NULL: it reads */
};

/* One caller's state. */
struct workload_caller {
    uint64_t random;
    uint64_t key;
    bool writes_next; /* second half of a read-modify-write */
};

enum workload_kind workload_kind_of(const char *name);
const char *workload_service(enum workload_kind kind);

/* False when memory is lacking. */
bool workload_init(struct workload *workload);
void workload_deinit(struct workload *workload);

/* Makes the next operation of a caller in workload->op; returns its length. */
size_t workload_next(struct workload *workload, struct workload_caller *caller);
/* After its outcome: true when the caller's logical operation is complete. */
bool workload_complete(const struct workload *workload, struct workload_caller *caller);

/* An operation that writes keys `*at` and on, as many as go well together; moves *at. */
size_t workload_load(struct workload *workload, uint64_t *at, struct workload_caller *caller);

#endif
