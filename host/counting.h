/*
 * What a replica's counter compartment (hybster) has done since its start, read off its answers as they pass the host. Like everything
 * that a host shows, its word.
 */
#ifndef HOST_COUNTING_H
#define HOST_COUNTING_H

#include "base/types.h"

struct counting {
    uint64_t calls;     /* answered */
    uint64_t certified; /* certificates made */
    uint64_t refused;   /* ... that own host asked for and may not have */
    uint64_t verified;  /* certificates of others that were good */
    uint64_t forged;    /* ... and that were not */
};

/* A frame from the counter; what is no answer counts nothing. */
void counting_note(struct counting *counting, struct slice frame);

#endif
