/*
 * DIR/replica-N/restore: the state that a restored cluster begins with, as `redoubt restore` left it: pieces for the Execution
 * compartment, encrypted, each behind its u32 length. The host hands them over one by one, as E asks; it can read none.
 */
#ifndef HOST_RESTORING_H
#define HOST_RESTORING_H

#include <stdio.h>

#include "base/types.h"
#include "wire/backup.h"

#define RESTORE_MAGIC "redoubt restore\n" /* without the NUL */

struct replica;

struct restoring {
    FILE *file;
    bool opened;
    uint64_t number; /* of the next piece */
    uint8_t *piece;  /* BACKUP_PIECE_MAX */
    uint8_t *frame;
};

/* Is there a file with the state that the cluster begins with? */
bool restoring_there(const struct replica *r);
/* The next piece as LOCAL-RESTORE, valid until the next call; false: there is none. */
bool restoring_next(struct replica *r, struct slice *frame);
/* A LOCAL-RESTORED of own E; true when the frame was one. */
bool restoring_takes(struct replica *r, struct slice frame);
void restoring_close(struct restoring *restoring);

#endif
