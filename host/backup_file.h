/*
 * A backup's file (protocol/backup.h says what is in it): written beside its name and renamed at the end, 0600; read piece by
 * piece, so that memory does not grow with the state.
 */
#ifndef HOST_BACKUP_FILE_H
#define HOST_BACKUP_FILE_H

#include "backup.h"
#include "error.h"
#include "file.h"

struct backup_file {
    char path[PATH_BYTES], temporary[PATH_BYTES];
    int fd;
    uint64_t bytes;
};

/* `force`: an older file of this name is replaced when the new one is complete. */
int backup_file_create(struct backup_file *file, const char *path, bool force, struct error *error);
int backup_file_put(struct backup_file *file, const void *data, size_t len, struct error *error);
/* A u32 length and the bytes. */
int backup_file_frame(struct backup_file *file, struct slice frame, struct error *error);
int backup_file_finish(struct backup_file *file, bool force, struct error *error);
/* What was begun is removed. */
void backup_file_drop(struct backup_file *file);

/* Reads all of it into `reader`, which was initialised. 0: it is whole and right; -1: and why. `progress` may be NULL. */
int backup_file_read(struct backup_reader *reader, const char *path, const uint8_t *admin_public,
                     void (*progress)(uint64_t bytes, uint64_t of), struct error *error);

#endif
