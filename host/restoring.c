#include "restoring.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "log.h"
#include "replica.h"

#define FRAME_BYTES (BACKUP_PIECE_MAX + 256u)

static bool path_of(const struct replica *r, char *path)
{
    return path_make(path, "%s/replica-%u/restore", r->config.dir, r->options.id);
}

bool restoring_there(const struct replica *r)
{
    char path[PATH_BYTES];
    return path_of(r, path) && access(path, F_OK) == 0;
}

static bool file_open(struct replica *r)
{
    struct restoring *s = &r->restoring;
    char path[PATH_BYTES], magic[sizeof RESTORE_MAGIC - 1];
    if (s->opened)
        return s->file != NULL;
    s->opened = true;
    s->piece = malloc(BACKUP_PIECE_MAX);
    s->frame = malloc(FRAME_BYTES);
    CHECK(s->piece && s->frame && "out of memory");
    if (!path_of(r, path))
        return false;
    s->file = fopen(path, "rbe");
    if (!s->file || fread(magic, 1, sizeof magic, s->file) != sizeof magic ||
        memcmp(magic, RESTORE_MAGIC, sizeof magic) != 0)
        log_line(LOG_WARNING,
                 "%s: %s: the state that the cluster begins with has to come from the other replicas", path,
                 s->file ? "not what `redoubt restore` made" : "it cannot be read");
    else
        return true;
    restoring_close(s);
    s->opened = true;
    return false;
}

bool restoring_next(struct replica *r, struct slice *frame)
{
    struct restoring *s = &r->restoring;
    const struct sender self = {.kind = KIND_HOST, .id = r->options.id, .epoch = 0};
    uint8_t length[4], body[8];
    struct writer w = writer_to(body, sizeof body);
    if (!file_open(r) || fread(length, 1, sizeof length, s->file) != sizeof length)
        return false;
    struct reader l = reader_of(length, sizeof length);
    uint32_t len = get_u32(&l);
    if (len > BACKUP_PIECE_MAX || fread(s->piece, 1, len, s->file) != len)
        return false;
    local_restore_put(&w, &(struct local_restore){.number = s->number++});
    frame->data = s->frame;
    frame->len =
        frame_encode(s->frame, FRAME_BYTES, FRAME_LOCAL_RESTORE, &self, AUTH_NONE,
                     (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){s->piece, len});
    return frame->len > 0;
}

static void give(struct replica *r, uint64_t number)
{
    struct slice frame;
    if (r->restoring.opened && number != r->restoring.number)
        return; /* it was given already */
    if (restoring_next(r, &frame))
        replica_carry_out(r, &(struct action){.kind = ACTION_GIVE, .to = KIND_EXECUTION, .parts = {frame}});
    else if (r->restoring.file)
        log_line(LOG_ERROR,
                 "replica-%u/restore: it ends early: the state that the cluster begins with has to come from "
                 "the other replicas",
                 r->options.id);
}

bool restoring_takes(struct replica *r, struct slice bytes)
{
    struct frame frame;
    struct local_restored m;
    if (bytes.len < 2 || bytes.data[1] != FRAME_LOCAL_RESTORED)
        return false;
    if (!frame_decode(bytes.data, bytes.len, &frame) || !local_restored_decode(frame.body, &m))
        return true;
    if (m.state == RESTORE_WANTED) {
        give(r, m.number);
        return true;
    }
    if (m.state == RESTORE_DONE)
        log_line(LOG_INFO, "restored: the state of the backup is here, and is what the manifest names");
    else
        log_line(LOG_ERROR,
                 "replica-%u/restore: not used: it is not what the manifest names, or a later state was here "
                 "first; it "
                 "has to come from the other replicas",
                 r->options.id);
    restoring_close(&r->restoring);
    r->restoring.opened = true;
    return true;
}

void restoring_close(struct restoring *s)
{
    if (s->file)
        fclose(s->file);
    free(s->piece);
    free(s->frame);
    *s = (struct restoring){0};
}
