#include "backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

int backup_file_create(struct backup_file *f, const char *path, bool force, struct error *error)
{
    *f = (struct backup_file){.fd = -1};
    if (!path_make(f->path, "%s", path) || !path_make(f->temporary, "%s.%ld.tmp", path, (long)getpid()))
        return error_set(error, "%s: name too long", path);
    if (!force && file_exists(path))
        return error_set(error, "%s: it exists: nothing was changed (--force replaces it)", path);
    f->fd = open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    return f->fd < 0 ? error_set(error, "%s: %s", f->temporary, strerror(errno)) : 0;
}

int backup_file_put(struct backup_file *f, const void *data, size_t len, struct error *error)
{
    const uint8_t *at = data;
    for (size_t left = len; left > 0;) {
        ssize_t n = write(f->fd, at, left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(error, "%s: %s", f->temporary, strerror(errno));
        at += n;
        left -= (size_t)n;
    }
    f->bytes += len;
    return 0;
}

int backup_file_frame(struct backup_file *f, struct slice frame, struct error *error)
{
    uint8_t length[4];
    struct writer w = writer_to(length, sizeof length);
    put_u32(&w, (uint32_t)frame.len);
    return backup_file_put(f, length, sizeof length, error) ||
                   backup_file_put(f, frame.data, frame.len, error)
               ? -1
               : 0;
}

int backup_file_finish(struct backup_file *f, bool force, struct error *error)
{
    bool ok = fsync(f->fd) == 0;
    ok = close(f->fd) == 0 && ok;
    f->fd = -1;
    if (ok && renameat2(AT_FDCWD, f->temporary, AT_FDCWD, f->path, force ? 0 : RENAME_NOREPLACE) == 0)
        return 0;
    int result = error_set(error, "%s: %s", f->path, strerror(errno));
    unlink(f->temporary);
    return result;
}

void backup_file_drop(struct backup_file *f)
{
    if (f->fd < 0)
        return;
    close(f->fd);
    f->fd = -1;
    unlink(f->temporary);
}

/* --- reading ------------------------------------------------------------------------------------------------------------- */

struct reading {
    const char *path;
    FILE *in;
    uint8_t *frame; /* FRAME_MAX */
    uint64_t bytes, of;
    void (*progress)(uint64_t bytes, uint64_t of);
};

/* One frame; 0 at the end of the file. */
static int next_frame(struct reading *at, struct slice *frame, struct error *error)
{
    uint8_t length[4];
    size_t n = fread(length, 1, sizeof length, at->in);
    struct reader r = reader_of(length, sizeof length);
    frame->len = get_u32(&r);
    frame->data = at->frame;
    if (n == 0 && feof(at->in))
        return 0;
    if (n != sizeof length)
        return error_set(error, "%s: %s", at->path,
                         ferror(at->in) ? strerror(errno) : "refused: it is cut off");
    if (frame->len > FRAME_MAX)
        return error_set(error, "%s: refused: it is damaged (no frame is so long)", at->path);
    if (fread(at->frame, 1, frame->len, at->in) != frame->len)
        return error_set(error, "%s: %s", at->path,
                         ferror(at->in) ? strerror(errno) : "refused: it is cut off");
    at->bytes += sizeof length + frame->len;
    if (at->progress)
        at->progress(at->bytes, at->of);
    return 1;
}

static int read_frames(struct reading *at, struct backup_reader *reader, const uint8_t *admin_public,
                       struct error *error)
{
    uint8_t head[BACKUP_FILE_HEAD];
    struct slice frame;
    if (fread(head, 1, sizeof head, at->in) != sizeof head)
        return error_set(error, "%s: refused: it is cut off", at->path);
    enum backup_result result = backup_reader_head(reader, head, admin_public);
    int more = 1;
    while ((result == BACKUP_MORE || result == BACKUP_WHOLE) && (more = next_frame(at, &frame, error)) > 0)
        result = backup_reader_take(reader, frame);
    if (more < 0)
        return -1;
    if (result == BACKUP_BAD)
        return error_set(error, "%s: refused: %s", at->path, reader->problem);
    if (result == BACKUP_EARLY)
        return error_set(error, "%s: refused: a change of the members that its signatures need is missing",
                         at->path);
    return result == BACKUP_WHOLE ? 0 : error_set(error, "%s: refused: it is cut off", at->path);
}

int backup_file_read(struct backup_reader *reader, const char *path, const uint8_t *admin_public,
                     void (*progress)(uint64_t bytes, uint64_t of), struct error *error)
{
    struct reading at = {.path = path, .progress = progress};
    struct stat st;
    at.in = fopen(path, "rbe");
    if (!at.in || fstat(fileno(at.in), &st) != 0) {
        int result = error_set(error, "%s: %s", path, strerror(errno));
        if (at.in)
            fclose(at.in);
        return result;
    }
    at.of = (uint64_t)st.st_size;
    at.frame = malloc(FRAME_MAX);
    CHECK(at.frame && "out of memory");
    int result = read_frames(&at, reader, admin_public, error);
    free(at.frame);
    fclose(at.in);
    return result;
}
