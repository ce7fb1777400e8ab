#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "log.h"

#define LINE_MAX_BYTES 128

/* Names of sockets are short; through /proc a folder may lie as deep as it likes. */
static int address_of(struct sockaddr_un *address, const char *dir, replica_id id, int *dir_fd)
{
    char path[PATH_BYTES];
    *dir_fd = path_make(path, "%s/replica-%u", dir, id) ? open(path, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (*dir_fd < 0)
        return -1;
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/control", *dir_fd);
    return 0;
}

static const char *obey(struct control *control, const char *line)
{
    if (strncmp(line, "fault ", 6) != 0)
        return "unknown request\n";
    int kind = fault_number(line + 6);
    if (kind < 0)
        return "no such fault\n";
    fault_set(control->fault, (enum fault_kind)kind);
    log_line(LOG_WARNING, "misbehaving on request: %s", fault_name((enum fault_kind)kind));
    return "ok\n";
}

struct visit {
    struct stream stream; /* first: a stream is its visit */
    struct control *control;
};

static void on_closed(struct stream *stream)
{
    free(stream);
}

static void leave(struct visit *visit)
{
    if (visit->control->visit == visit)
        visit->control->visit = NULL;
    stream_close(&visit->stream);
}

static void on_event(struct stream *stream, bool readable, bool writable)
{
    struct visit *visit = (struct visit *)(void *)stream;
    const uint8_t *data;
    (void)readable, (void)writable;
    ssize_t n = stream_read(stream, &data);
    if (n > 0)
        buffer_append(&stream->in, data, (size_t)n);
    if (n < 0 || stream->in.len > LINE_MAX_BYTES) {
        leave(visit);
        return;
    }
    char *line = (char *)buffer_data(&stream->in);
    char *end = stream->in.len ? memchr(line, '\n', stream->in.len) : NULL;
    if (!end)
        return;
    *end = 0;
    const char *answer = obey(visit->control, line);
    buffer_append(&stream->out, answer, strlen(answer));
    stream_flush(stream);
    leave(visit);
}

static void on_accept(struct listener *listener, int fd)
{
    struct control *control = listener->owner;
    struct visit *visit = control->visit ? NULL : calloc(1, sizeof *visit);
    if (!visit) { /* one at a time; a visitor who says nothing makes way for the next */
        if (control->visit)
            leave(control->visit);
        close(fd);
        return;
    }
    visit->control = control;
    stream_open(&visit->stream, control->loop, fd, on_event, on_closed);
    stream_watch(&visit->stream, UV_READABLE);
    control->visit = visit;
}

int control_open(struct control *control, uv_loop_t *loop, const char *dir, replica_id id,
                 struct fault *fault, struct error *error)
{
    struct sockaddr_un address;
    int dir_fd;
    memset(control, 0, sizeof *control);
    if (!path_make(control->path, "%s/replica-%u/control", dir, id) ||
        address_of(&address, dir, id, &dir_fd) != 0)
        return error_set(error, "%s/replica-%u: %s", dir, id, strerror(errno));
    unlink(control->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t mask = umask(0177);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 4) == 0;
    int failed = errno;
    umask(mask);
    close(dir_fd);
    if (!ok) {
        if (fd >= 0)
            close(fd);
        return error_set(error, "%s: %s", control->path, strerror(failed));
    }
    control->loop = loop;
    control->fault = fault;
    control->open = true;
    listener_open(&control->listener, loop, fd, control, on_accept);
    return 0;
}

void control_close(struct control *control)
{
    if (!control->open)
        return;
    control->open = false;
    if (control->visit)
        leave(control->visit);
    listener_close(&control->listener);
    unlink(control->path);
}

int control_ask(const char *dir, replica_id id, enum fault_kind kind, struct error *error)
{
    struct sockaddr_un address;
    struct timeval patience = {5, 0};
    char answer[LINE_MAX_BYTES] = "";
    int dir_fd, result;
    if (address_of(&address, dir, id, &dir_fd) != 0)
        return error_set(error, "%s/replica-%u: %s", dir, id, strerror(errno));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        if (errno == ENOENT || errno == ECONNREFUSED)
            result = error_set(error, "replica %u: not running, or not started with --allow-faults", id);
        else
            result = error_set(error, "%s/replica-%u/control: %s", dir, id, strerror(errno));
    } else {
        dprintf(fd, "fault %s\n", fault_name(kind));
        ssize_t n = read(fd, answer, sizeof answer - 1);
        answer[n > 0 ? n : 0] = 0;
        answer[strcspn(answer, "\n")] = 0;
        result = strcmp(answer, "ok") == 0
                     ? 0
                     : error_set(error, "replica %u: %s", id, n > 0 ? answer : "no answer");
    }
    if (fd >= 0)
        close(fd);
    close(dir_fd);
    return result;
}
