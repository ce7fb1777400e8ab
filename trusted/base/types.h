/*
 * Scalar ids and small fixed-size values that every layer shares.
 */
#ifndef BASE_TYPES_H
#define BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t slot_no;
typedef uint64_t view_no;
typedef uint64_t epoch_no;         /* counts incarnations of a compartment or of an origin */
typedef uint64_t configuration_no; /* rises with every RECONFIG */
typedef uint32_t replica_id;
typedef uint32_t origin_id;

/* Kinds of sender. The numbers are part of the wire format. */
enum kind {
    KIND_NONE = 0,
    KIND_HOST = 1,         /* a host's own key: links only */
    KIND_PREPARATION = 2,  /* P */
    KIND_CONFIRMATION = 3, /* C */
    KIND_EXECUTION = 4,    /* E */
    KIND_ORIGIN = 5,       /* native client, or a Troxy */
    KIND_ADMIN = 6,        /* the administrator, signs manifests */
    KIND_APPLICATION = 7,  /* the service's own process (split_app): sends no messages */
    KIND_TROXY = 8,        /* the front for stock clients; towards replicas it is a KIND_ORIGIN */
    KIND_COUNTER = 9,      /* N: trusted counters (hybster) */
};

struct digest {
    uint8_t bytes[32];
};

/* A span of bytes that somebody else owns. */
struct slice {
    const uint8_t *data;
    size_t len;
};

const char *kind_name(enum kind kind);

#endif
