/*
 * Small files read and written whole: keys, manifests, the cluster file. Writing is atomic (a temporary file beside it, then
 * rename), so that a reader sees the old file, the new one or none, and durable
 * once it returns.
 */
#ifndef HOST_FILE_H
#define HOST_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define PATH_BYTES 4096

struct file {
    uint8_t *data; /* NUL-terminated for convenience, the NUL is not counted */
    size_t len;
};

/* Reads at most `max` bytes; a longer file is an error. `file_free` wipes what was read. */
int file_read(struct file *file, const char *path, size_t max, struct error *error);
/* The same, and refuses a file that group or others may read. */
int file_read_secret(struct file *file, const char *path, size_t max, struct error *error);
void file_free(struct file *file);

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct error *error);

/* A file that holds one decimal number of at most `most`, and perhaps a newline; anything else is an error. No file: 0, and *number stays. */
int file_read_number(uint64_t *number, const char *path, uint64_t most, struct error *error);
int file_write_number(const char *path, uint64_t number, mode_t mode, struct error *error);
bool file_exists(const char *path);

/* "DIR/NAME" into a buffer of PATH_BYTES; false when it does not fit. */
bool path_make(char *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
