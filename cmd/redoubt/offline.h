/*
 * What `verify` and `restore` share: a backup file read without a cluster, and the question whether it is too old.
 *
 * A backup cannot say of itself that there is no later one. Stale means: not newer than what the administrator knows of, by a slot, a
 * time, or the list of backups taken (DIR/backups).
 */
#ifndef CMD_OFFLINE_H
#define CMD_OFFLINE_H

#include "backup_file.h"
#include "keys.h"

struct offline {
    const char *path;
    const char *key_path;    /* NULL: signatures only */
    const char *admin_path;  /* NULL: the key's, or the one that the file names */
    const char *newer_than;  /* NULL, a slot, or a time */
    const char *ledger_path; /* NULL, or DIR/backups */
    bool progress;

    struct backup_key key;
    bool has_key, admin_known;
    struct backup_reader reader;
    struct arena arena;
    void *memory;
    struct arena service_arena;
    void *service_memory;
    struct redoubt_env env;
    uint64_t bytes;
};

/* Reads keys, and the whole file; 0: right, and not stale. `on_part` as in struct backup_reader, may be NULL. */
int offline_open(struct offline *offline, struct error *error);
int offline_read(struct offline *offline,
                 void (*on_part)(void *context, uint64_t number, const struct leaf_part *part), void *context,
                 struct error *error);
void offline_close(struct offline *offline);

#define TIME_TEXT_BYTES 40
/* "2026-11-21T07:00:00Z" */
const char *time_text(char out[TIME_TEXT_BYTES], uint64_t time_us);
const char *hex_text(char *out, const uint8_t *bytes, size_t len);

/* A line of DIR/backups. */
int ledger_add(const char *dir, const struct backup_reader *reader, const char *file, struct error *error);

#endif
