#include "compartment.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "compartment_ops.h"
#include "crypto/crypto.h"

const char *isolation_name(enum isolation isolation)
{
    switch (isolation) {
    case ISOLATION_INLINE:
        return "inline";
    case ISOLATION_PROCESS:
        return "process";
    }
    return "unknown";
}

int compartment_open(struct compartment **out, const struct compartment_spec *spec, char *error,
                     size_t error_bytes)
{
    *out = NULL;
    switch (spec->isolation) {
    case ISOLATION_INLINE:
        return compartment_inline_open(out, spec, error, error_bytes);
    case ISOLATION_PROCESS:
        return compartment_process_open(out, spec, error, error_bytes);
    }
    snprintf(error, error_bytes, "unknown isolation %d", (int)spec->isolation);
    return -EINVAL;
}

void compartment_close(struct compartment *c)
{
    if (c)
        c->ops->close(c);
}

bool compartment_give(struct compartment *c, const struct slice *parts, unsigned count, bool local)
{
    return c->ops->give(c, parts, count, local);
}

void compartment_kick(struct compartment *c, uint64_t now_us)
{
    c->ops->kick(c, now_us);
}

bool compartment_take(struct compartment *c, struct slice *frame)
{
    return c->ops->take(c, frame);
}

int compartment_fd(const struct compartment *c)
{
    return c->fd;
}

int compartment_death_fd(const struct compartment *c)
{
    return c->death_fd;
}

bool compartment_before_poll(struct compartment *c)
{
    return c->ops->before_poll(c);
}

void compartment_after_poll(struct compartment *c)
{
    c->ops->after_poll(c);
}

bool compartment_alive(struct compartment *c)
{
    return c->ops->alive(c);
}

const char *compartment_obituary(struct compartment *c)
{
    return c->ops->obituary(c);
}

const struct compartment *compartment_application(const struct compartment *c)
{
    return c->application;
}

pid_t compartment_pid(const struct compartment *c)
{
    return c->pid;
}

const char *compartment_sandbox(const struct compartment *c)
{
    return c->sandbox;
}

uint64_t compartment_verdicts(const struct compartment *c, enum verdict verdict)
{
    return c->ops->verdicts(c, verdict);
}

size_t compartment_resident_bytes(const struct compartment *c)
{
    return c->ops->resident_bytes(c);
}

const struct digest *compartment_measurement(const struct compartment *c)
{
    return &c->measurement;
}

int measure_file(struct digest *out, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct digest_state state;
    uint8_t buffer[65536];
    ssize_t got;
    digest_begin(&state, "measurement");
    while ((got = read(fd, buffer, sizeof buffer)) > 0 || (got < 0 && errno == EINTR))
        if (got > 0)
            digest_add(&state, buffer, (size_t)got);
    int result = got < 0 ? -errno : 0;
    digest_end(&state, out);
    close(fd);
    return result;
}
