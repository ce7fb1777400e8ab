#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NUMBER_BYTES 32u

static int read_all(struct file *file, int fd, size_t max)
{
    size_t cap = 4096;
    file->len = 0;
    file->data = malloc(cap + 1);
    while (file->data) {
        ssize_t n = read(fd, file->data + file->len, cap - file->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        file->len += (size_t)n;
        file->data[file->len] = 0;
        if (n == 0)
            return 0;
        if (file->len > max)
            return -EFBIG;
        if (file->len == cap) {
            uint8_t *more = malloc(2 * cap + 1);
            if (more) {
                memcpy(more, file->data, file->len);
                explicit_bzero(file->data, file->len);
            }
            free(file->data);
            file->data = more;
            cap *= 2;
        }
    }
    return -ENOMEM;
}

static int read_with(struct file *file, const char *path, size_t max, bool secret, struct error *error)
{
    *file = (struct file){NULL, 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_set(error, "%s: %s", path, strerror(errno));
    struct stat st;
    int result = 0;
    if (fstat(fd, &st) != 0)
        result = error_set(error, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        result = error_set(error, "%s: not a regular file", path);
    else if (secret && (st.st_mode & 077) != 0)
        result = error_set(error, "%s: a secret that others may read (mode %04o): chmod 600 it", path,
                           (unsigned)(st.st_mode & 07777));
    else {
        int failed = read_all(file, fd, max);
        if (failed == -EFBIG)
            result = error_set(error, "%s: longer than %zu bytes", path, max);
        else if (failed)
            result = error_set(error, "%s: %s", path, strerror(-failed));
    }
    close(fd);
    if (result)
        file_free(file);
    return result;
}

int file_read(struct file *file, const char *path, size_t max, struct error *error)
{
    return read_with(file, path, max, false, error);
}

int file_read_secret(struct file *file, const char *path, size_t max, struct error *error)
{
    return read_with(file, path, max, true, error);
}

void file_free(struct file *file)
{
    if (file->data)
        explicit_bzero(file->data, file->len);
    free(file->data);
    *file = (struct file){NULL, 0};
}

static bool number_parse(uint64_t *number, const struct file *file)
{
    const char *text = (const char *)file->data;
    char *end;
    errno = 0;
    uint64_t found = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (text[0] < '0' || text[0] > '9' || errno != 0)
        return false;
    end += *end == '\n';
    if (end != text + file->len)
        return false;
    *number = found;
    return true;
}

int file_read_number(uint64_t *number, const char *path, uint64_t most, struct error *error)
{
    struct file file;
    uint64_t found = 0;
    if (!file_exists(path))
        return 0;
    if (file_read(&file, path, NUMBER_BYTES, error))
        return -1;
    bool good = number_parse(&found, &file) && found <= most;
    file_free(&file);
    if (!good)
        return error_set(error, "%s: not a number of at most %" PRIu64, path, most);
    *number = found;
    return 0;
}

static int write_all(int fd, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = write(fd, data + at, len - at);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0)
            at += (size_t)n;
    }
    return 0;
}

/* The directory that a file lies in, so that its name outlives a power loss too. */
static int dir_sync(const char *path)
{
    char dir[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int result = fsync(fd);
    close(fd);
    return result;
}

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct error *error)
{
    char temporary[PATH_BYTES + 32];
    snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return error_set(error, "%s: %s", path, strerror(errno));
    bool ok = fchmod(fd, mode) == 0 && write_all(fd, data, len) == 0 && fsync(fd) == 0;
    ok = close(fd) == 0 && ok;
    if (!ok || rename(temporary, path) != 0 || dir_sync(path) != 0) {
        int result = error_set(error, "%s: %s", path, strerror(errno));
        unlink(temporary);
        return result;
    }
    return 0;
}

bool file_exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

bool path_make(char *out, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(out, PATH_BYTES, format, arguments);
    va_end(arguments);
    return n >= 0 && n < PATH_BYTES;
}

int file_write_number(const char *path, uint64_t number, mode_t mode, struct error *error)
{
    char text[NUMBER_BYTES];
    int len = snprintf(text, sizeof text, "%" PRIu64 "\n", number);
    return file_write(path, text, (size_t)len, mode, error);
}
