#include "chain_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>


static int chain_path(char *path, const char *dir, replica_id replica, struct error *error)
{
    return path_make(path, "%s/replica-%u/chain", dir, replica) ? 0
                                                                : error_set(error, "%s: name too long", dir);
}

int chain_file_read(struct buffer *chain, const char *dir, replica_id replica, struct error *error)
{
    char path[PATH_BYTES];
    struct file file;
    if (chain_path(path, dir, replica, error))
        return -1;
    if (!file_exists(path))
        return 0;
    if (file_read(&file, path, CHAIN_FILE_MAX, error))
        return -1;
    buffer_append(chain, file.data, file.len);
    file_free(&file);
    return 0;
}

int chain_file_add(struct buffer *chain, struct slice frame, const char *dir, replica_id replica,
                   struct error *error)
{
    char path[PATH_BYTES];
    uint8_t length[4];
    for (int b = 0; b < 4; b++)
        length[b] = (uint8_t)(frame.len >> (8 * b));
    if (chain_path(path, dir, replica, error))
        return -1;
    if (chain->len + frame.len + sizeof length > CHAIN_FILE_MAX)
        return error_set(error,
                         "%s: too many changes since the last start of the cluster: stop all replicas "
                         "and start it again",
                         path);
    buffer_append(chain, length, sizeof length);
    buffer_append(chain, frame.data, frame.len);
    return file_write(path, buffer_data(chain), chain->len, 0644, error);
}

int chain_file_clear(struct buffer *chain, const char *dir, replica_id replica, struct error *error)
{
    char path[PATH_BYTES];
    buffer_consume(chain, chain->len);
    if (chain_path(path, dir, replica, error))
        return -1;
    if (unlink(path) == 0 || errno == ENOENT)
        return 0;
    return error_set(error, "%s: %s", path, strerror(errno));
}

static int epoch_path(char *path, const char *dir, replica_id replica, struct error *error)
{
    return path_make(path, "%s/replica-%u/epoch", dir, replica) ? 0 : error_set(error, "%s: name too long", dir);
}

int epoch_outdo(epoch_no epoch, const char *dir, replica_id replica, struct error *error)
{
    char path[PATH_BYTES];
    return epoch_path(path, dir, replica, error) ? -1 : file_write_number(path, epoch, 0644, error);
}

int epoch_draw(epoch_no *epoch, epoch_no least, const char *dir, replica_id replica, struct error *error)
{
    char path[PATH_BYTES];
    struct timespec now;
    uint64_t last = 0;
    if (epoch_path(path, dir, replica, error) || file_read_number(&last, path, UINT64_MAX - 1, error))
        return -1;
    least = last > least ? last : least;
    clock_gettime(CLOCK_REALTIME, &now);
    *epoch = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (*epoch <= least)
        *epoch = least + 1;
    return file_write_number(path, *epoch, 0644, error);
}
