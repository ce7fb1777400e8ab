/*
 * A replica's log: records appended in order, durable in groups, cut off at the beginning. Preallocated files of one size
 * (`dir`/00000001.log, ...), written and synced by a thread of their own so that the loop goes on.
 * The format is protocol/log_format.h's.
 *
 * A checksum covers head, payload, and the place where the record stands, so what was written elsewhere by mistake, or lies there from an
 * earlier use of the file, does not pass for it. What does not pass is the torn end of the log if it can belong to the last
 * group, which was not synced; if a later record shows that it had been synced, the disk lost it: that is an error, never skipped.
 *
 * A write for which there is no room is tried again (JOURNAL_FULL meanwhile). Any other error, and every failed sync, is final: what a
 * disk says after that means nothing (JOURNAL_FAILED).
 *
 * One thread calls all functions; only the file operations run in the other one.
 */
#ifndef HOST_STORE_JOURNAL_H
#define HOST_STORE_JOURNAL_H

#include "base/types.h"
#include "error.h"

struct journal;

struct journal_record {
    uint8_t kind;
    bool full;
    slot_no slot;
    struct digest digest;
};

/* The operations that can fail, so that tests can make them. The real ones: journal_files. */
struct journal_files {
    int64_t (*write)(int fd, const void *data, size_t len, uint64_t at);
    int (*sync)(int fd);
    int (*allocate)(int fd, uint64_t len);
    int (*blank)(int fd, uint64_t at, uint64_t len); /* zeroes, without writing them; may be missing (NULL) or fail */
};
extern const struct journal_files journal_files;

struct journal_options {
    const char *dir;                   /* made when it is not there */
    uint64_t file_bytes;               /* of each file */
    uint64_t bytes_max;                /* of all of them: at least four files' */
    const struct journal_files *files; /* NULL: the real ones */
};

enum journal_state { JOURNAL_GOOD, JOURNAL_FULL, JOURNAL_FAILED };

struct journal_stats {
    uint64_t bytes, bytes_max; /* on the disk */
    uint64_t records, syncs;
    uint64_t cut;     /* bytes of a torn end that were found at opening */
    uint64_t sync_us; /* the last group commit */
};

/* Opens or creates; -1 and the error when it cannot be, or when something in it is damaged. */
int journal_open(struct journal **journal, const struct journal_options *options, struct error *error);
/* Finishes what is under way. */
void journal_close(struct journal *journal);

/* What was found, in order; until journal_begin. The bytes are valid until the next read; NULL: they cannot be read. */
uint32_t journal_count(const struct journal *journal);
const struct journal_record *journal_at(const struct journal *journal, uint32_t index);
struct slice journal_read(struct journal *journal, uint32_t index);

/* From now on: appending. */
int journal_begin(struct journal *journal, struct error *error);
/* Returns the record's sequence number. It is not on its way to the disk before journal_push. */
uint64_t journal_append(struct journal *journal, const struct journal_record *record,
                        const struct slice *parts, unsigned count);
uint64_t journal_next(const struct journal *journal);
/* Starts a group commit of what was appended, if none is under way. */
void journal_push(struct journal *journal);
/* Readable when a group commit has ended, or its state changed. */
int journal_fd(const struct journal *journal);
/* Takes note of it. */
enum journal_state journal_poll(struct journal *journal);
enum journal_state journal_state(const struct journal *journal);
/* What is the matter when it is not GOOD. */
const char *journal_problem(const struct journal *journal);
/* Records below this sequence number are durable. */
uint64_t journal_durable(const struct journal *journal);
/* Records below are needed no more; their files are used again. */
void journal_forget(struct journal *journal, uint64_t below);
void journal_stats(const struct journal *journal, struct journal_stats *stats);

#endif
