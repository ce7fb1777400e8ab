/*
 * What an isolation provides to compartment.c, which does the rest.
 */
#ifndef HOST_COMPARTMENT_OPS_H
#define HOST_COMPARTMENT_OPS_H

#include "compartment.h"

struct compartment_ops {
    void (*close)(struct compartment *c);
    bool (*give)(struct compartment *c, const struct slice *parts, unsigned count, bool local);
    void (*kick)(struct compartment *c, uint64_t now_us);
    bool (*take)(struct compartment *c, struct slice *frame);
    bool (*before_poll)(struct compartment *c);
    void (*after_poll)(struct compartment *c);
    bool (*alive)(struct compartment *c);
    const char *(*obituary)(struct compartment *c);
    uint64_t (*verdicts)(const struct compartment *c, enum verdict verdict);
    size_t (*resident_bytes)(const struct compartment *c);
};

/* The first member of each isolation's own struct. */
struct compartment {
    const struct compartment_ops *ops;
    struct digest measurement;
    pid_t pid;                       /* 0: none */
    int fd;                          /* -1: none */
    int death_fd;                    /* -1: none */
    struct compartment *application; /* NULL: none */
    char sandbox[96];
};

int compartment_inline_open(struct compartment **out, const struct compartment_spec *spec, char *error,
                            size_t error_bytes);
int compartment_process_open(struct compartment **out, const struct compartment_spec *spec, char *error,
                             size_t error_bytes);

#endif
