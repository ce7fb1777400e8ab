/*
 * Backups of a test cluster: the administrator's requests, what an E answers, the file that they make, and reading it; and a
 * cluster that begins with one.
 */
#ifndef TEST_BACKUPS_H
#define TEST_BACKUPS_H

#include "backup.h"
#include "cluster.h"

struct backup_test {
    struct cluster *cluster;
    struct box_key key;
    struct ask_backup ask; /* the next request */
    uint8_t *file;         /* grows */
    size_t len, cap;
};

/* A new session with E of `from`. */
void backup_test_begin(struct backup_test *t, struct cluster *cluster, replica_id from);
/* The file anew: head, manifest, request. */
void backup_test_file(struct backup_test *t);
void backup_test_append(struct backup_test *t, struct slice frame); /* behind its length ... */
void backup_test_raw(struct backup_test *t, struct slice bytes);    /* ... and as they are */
/* `ask` signed by `admin`. */
struct slice backup_test_request(struct backup_test *t, const struct ask_backup *ask,
                                 const struct sign_key *admin);
/* Asks for the next piece; NULL when none came. */
const struct sent *backup_test_next(struct backup_test *t);
/* All of it, into the file: the cluster fills up to checkpoints as it has to. */
void backup_test_take(struct backup_test *t);
void backup_test_free(struct backup_test *t);

/* Reads a file: with `key` all of it. `on_part` may be NULL. The reader lives until the next call. */
enum backup_result backup_test_read(struct backup_test *t, struct slice file, const struct box_key *key,
                                    struct backup_reader **reader,
                                    void (*on_part)(void *, uint64_t, const struct leaf_part *),
                                    void *context);

#endif
