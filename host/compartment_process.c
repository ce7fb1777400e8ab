/*
 * Isolation `process`: the compartment's own binary in a process that can do nothing but compute
 * (trusted/shell).
 *
 * This side makes the shared memory and the eventfd, starts the process with just those two descriptors, and
 * waits until it says that it is locked down. After that it talks to it through the rings only and believes
 * nothing that it finds there: a cursor or a length out of place ends the compartment, not the host. Frames
 * are read as they lie in the ring; only the rare one that runs over the ring's end is copied.
 *
 * Who dies is noticed through a pidfd and waited for by its id, so this does not meddle with other children.
 *
 * With `split_app` an Execution compartment is two processes: it and its application, which is started before it. The memory that
 * the two share is made here and handed to both; this side never maps it, and keeps no descriptor of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "compartment_ops.h"
#include "crypto/crypto.h"
#include "shell/bell.h"
#include "shell/link.h"
#include "shell/memory.h"

#define START_TIMEOUT_MS 20000
#define SPIN_LOOKS       400u /* some 10 microseconds */
/* Read frames are given back at the latest when they make up this part of the ring. */
#define RELEASE_AT (RING_BYTES / 8)
/* Inherited descriptors are first moved above those that they become. */
#define FD_OUT_OF_THE_WAY 10

struct process_compartment {
    struct compartment base;
    struct shared *shared;
    struct ring_writer in; /* of the compartment's in ring */
    struct ring_reader out;
    uint8_t *bounce;    /* for a frame that runs over the end of the ring */
    bool gave_up;       /* a give was refused: room is awaited */
    bool announced;     /* host_sleeps was set */
    bool event_pending; /* the compartment said that it writes the eventfd; not read yet */
    bool broken;
    bool orphaned; /* its application has ended */
    bool dead;
    int own_death_fd; /* when base.death_fd stands for two processes; else 0 */
    int status;       /* as from waitpid; -1: unknown */
    char obituary[2 * LAST_WORDS_MAX + 256];
};

static struct process_compartment *self_of(struct compartment *c)
{
    return (struct process_compartment *)(void *)c;
}

/* ------------------------------------------------------------ life and death */

static const char *process_obituary(struct compartment *c);

static void kill_and_reap(struct process_compartment *self)
{
    if (self->dead || self->base.pid <= 0)
        return;
    kill(self->base.pid, SIGKILL);
    pid_t pid;
    while ((pid = waitpid(self->base.pid, &self->status, 0)) < 0 && errno == EINTR)
        ;
    if (pid < 0)
        self->status = -1;
    self->dead = true;
}

static bool has_ended(struct process_compartment *self)
{
    int status;
    if (self->dead)
        return true;
    pid_t pid = waitpid(self->base.pid, &status, WNOHANG);
    if (pid == 0 || (pid < 0 && errno == EINTR))
        return false;
    self->dead = true;
    self->status = pid > 0 ? status : -1;
    return true;
}

/* Two processes of one compartment end together. */
static bool is_alive(struct process_compartment *self)
{
    if (self->dead || self->base.pid <= 0)
        return false;
    struct process_compartment *application = self->base.application ? self_of(self->base.application) : NULL;
    bool alive = !has_ended(self) && !self->broken;
    if (alive && application && !is_alive(application)) {
        self->orphaned = true;
        kill_and_reap(self);
        alive = false;
    }
    if (!alive && application)
        kill_and_reap(application);
    return alive;
}

/* Nothing that it writes is believed any more. */
static void break_off(struct process_compartment *self)
{
    self->broken = true;
    if (self->base.pid > 0 && !self->dead)
        kill(self->base.pid, SIGKILL);
}

static void describe_status(char *text, size_t bytes, int status)
{
    if (status == -1)
        snprintf(text, bytes, "ended, reaped by somebody else");
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        snprintf(text, bytes, "killed by the sandbox: it made a forbidden system call");
    else if (WIFSIGNALED(status))
        snprintf(text, bytes, "killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(text, bytes, "exited with status %d", WEXITSTATUS(status));
}

/* Its words, copied once, cut to size and made printable. Returns false when there are none. */
static bool last_words(const struct process_compartment *self, char text[LAST_WORDS_MAX + 1])
{
    uint32_t len = atomic_load_explicit(&self->shared->last_words_len, memory_order_acquire);
    if (len > LAST_WORDS_MAX)
        len = LAST_WORDS_MAX;
    memcpy(text, self->shared->last_words, len);
    text[len] = '\0';
    for (uint32_t i = 0; i < len; i++)
        if (text[i] < ' ' || text[i] > '~')
            text[i] = '?';
    return len > 0;
}

static const char *process_obituary(struct compartment *c)
{
    struct process_compartment *self = self_of(c);
    if (is_alive(self))
        return "";
    if (self->obituary[0] && self->dead)
        return self->obituary;
    char how[LAST_WORDS_MAX + 192], words[LAST_WORDS_MAX + 1];
    if (self->orphaned)
        snprintf(how, sizeof how, "its application ended: %.640s", process_obituary(self->base.application));
    else if (self->broken)
        snprintf(how, sizeof how, "killed by the host: it wrote nonsense to its ring");
    else
        describe_status(how, sizeof how, self->status);
    if (last_words(self, words))
        snprintf(self->obituary, sizeof self->obituary, "%s; last words: %s", how, words);
    else
        snprintf(self->obituary, sizeof self->obituary, "%s", how);
    return self->obituary;
}

static bool process_alive(struct compartment *c)
{
    return is_alive(self_of(c));
}

static void process_close(struct compartment *c)
{
    struct process_compartment *self = self_of(c);
    kill_and_reap(self);
    compartment_close(c->application);
    if (self->shared)
        munmap(self->shared, SHARED_BYTES);
    memory_unmap(self->bounce, FRAME_MAX);
    if (c->fd >= 0)
        close(c->fd);
    if (c->death_fd >= 0)
        close(c->death_fd);
    if (self->own_death_fd > 0)
        close(self->own_death_fd);
    free(self);
}

/* ------------------------------------------------------------ frames */

static bool process_give(struct compartment *c, const struct slice *parts, unsigned count, bool local)
{
    struct process_compartment *self = self_of(c);
    if (self->dead || self->broken)
        return false;
    uint32_t flags = local ? (uint32_t)RING_LOCAL : 0u;
    enum ring_status status = ring_write(&self->in, parts, count, flags);
    if (status == RING_NOTHING) {
        self->gave_up = true;
        atomic_store_explicit(&self->shared->host_wants_room, 1, memory_order_seq_cst);
        status = ring_write(&self->in, parts, count, flags); /* once more, now that it knows */
    }
    if (status == RING_BROKEN)
        break_off(self);
    return status == RING_OK;
}

static void out_release(struct process_compartment *self)
{
    if (ring_release(&self->out))
        bell_ring(&self->shared->bell, BELL_WANTS_ROOM);
}

static void process_kick(struct compartment *c, uint64_t now_us)
{
    struct process_compartment *self = self_of(c);
    atomic_store_explicit(&self->shared->now_us, now_us, memory_order_relaxed);
    if (ring_publish(&self->in))
        bell_ring(&self->shared->bell, BELL_WANTS_INPUT);
    out_release(self);
}

static bool process_take(struct compartment *c, struct slice *frame)
{
    struct process_compartment *self = self_of(c);
    if (self->broken)
        return false;
    if (ring_unreleased(&self->out) >= RELEASE_AT)
        out_release(self);

    struct ring_frame found;
    enum ring_status status = ring_read(&self->out, &found);
    if (status == RING_NOTHING) {
        status = ring_refresh(&self->out);
        if (status == RING_OK)
            status = ring_read(&self->out, &found);
        if (status == RING_NOTHING)
            out_release(self);
    }
    if (status == RING_BROKEN || (status == RING_OK && found.flags != 0))
        break_off(self);
    if (status != RING_OK || self->broken)
        return false;
    *frame = found.part[0];
    if (found.part[1].len) {
        ring_copy(self->bounce, &found);
        *frame = (struct slice){.data = self->bounce, .len = found.len};
    }
    return true;
}

/* ------------------------------------------------------------ sleeping */

/* Who clears the flag writes the eventfd; so when it is still set there is nothing to read. */
static void call_off(struct process_compartment *self)
{
    if (self->announced && atomic_exchange_explicit(&self->shared->host_sleeps, 0, memory_order_seq_cst) == 0)
        self->event_pending = true;
    self->announced = false;
}

static bool process_before_poll(struct compartment *c)
{
    struct process_compartment *self = self_of(c);
    if (self->broken)
        return false;
    call_off(self); /* an earlier look of this turn: who has rung since then wrote the eventfd, and unread it would end every poll */
    self->announced = true;
    atomic_store_explicit(&self->shared->host_sleeps, 1, memory_order_seq_cst);
    if (ring_refresh(&self->out) != RING_OK) {
        break_off(self);
        return false;
    }
    bool waits = self->out.head != self->out.tail;
    if (self->gave_up && atomic_load_explicit(&self->shared->host_wants_room, memory_order_seq_cst) == 0) {
        self->gave_up = false;
        waits = true;
    }
    if (waits)
        call_off(self);
    return waits;
}

static void process_after_poll(struct compartment *c)
{
    struct process_compartment *self = self_of(c);
    call_off(self);
    uint64_t count;
    if (self->event_pending && read(c->fd, &count, sizeof count) == (ssize_t)sizeof count)
        self->event_pending = false;
}

/* ------------------------------------------------------------ figures */

static uint64_t process_verdicts(const struct compartment *c, enum verdict verdict)
{
    const struct process_compartment *self = (const struct process_compartment *)(const void *)c;
    if ((unsigned)verdict >= VERDICT_COUNT)
        return 0;
    return atomic_load_explicit(&self->shared->verdicts[verdict], memory_order_relaxed);
}

static size_t process_resident_bytes(const struct compartment *c)
{
    char path[48];
    unsigned long all = 0, resident = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)c->pid);
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int fields = fscanf(file, "%lu %lu", &all, &resident);
    fclose(file);
    return fields == 2 ? resident * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static void describe_sandbox(struct process_compartment *self)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {SANDBOX_SECCOMP, "seccomp"},
        {SANDBOX_LANDLOCK, "landlock"},
        {SANDBOX_NAMESPACES, "namespaces"},
        {SANDBOX_OWN_UID, "own uid"},
        {SANDBOX_SANITIZER, "widened for a sanitizer"},
    };
    uint32_t bits = atomic_load_explicit(&self->shared->sandbox, memory_order_relaxed);
    size_t at = 0, size = sizeof self->base.sandbox;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (bits & names[i].bit)
            at += (size_t)snprintf(self->base.sandbox + at, size - at, "%s%s", at ? ", " : "", names[i].name);
}

static const struct compartment_ops process_ops = {
    .close = process_close,
    .give = process_give,
    .kick = process_kick,
    .take = process_take,
    .before_poll = process_before_poll,
    .after_poll = process_after_poll,
    .alive = process_alive,
    .obituary = process_obituary,
    .verdicts = process_verdicts,
    .resident_bytes = process_resident_bytes,
};

/* ------------------------------------------------------------ start */

/* Sealed, so that nobody who maps it can make another fault by cutting it short. A descriptor, or a negative errno value. */
static int make_memory(const char *name, size_t bytes)
{
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -errno;
    if (ftruncate(fd, (off_t)bytes) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        int result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

static int make_shared(struct process_compartment *self)
{
    int fd = make_memory("redoubt-compartment", SHARED_BYTES);
    if (fd < 0)
        return fd;
    void *memory = mmap(NULL, SHARED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        int result = -errno;
        close(fd);
        return result;
    }
    madvise(memory, SHARED_BYTES, MADV_DONTDUMP);
    self->shared = memory;
    ring_writer_init(&self->in, shared_in(self->shared), RING_BYTES);
    ring_reader_init(&self->out, shared_out(self->shared), RING_BYTES);
    return fd;
}

static void write_config(struct process_compartment *self, const struct compartment_spec *spec, bool linked)
{
    struct shared_config *config = &self->shared->config;
    *config = (struct shared_config){
        .magic = SHARED_MAGIC,
        .epoch = spec->config.epoch,
        .memory_bytes = spec->memory_bytes,
        .kind = (uint32_t)spec->kind,
        .replica = spec->config.replica,
        .core = spec->core,
        .host_pid = getpid(),
        .one_domain = spec->config.one_domain,
        .keeps_stable = spec->config.keeps_stable,
        .durable = spec->config.durable,
        .linked = linked,
        .spin = spec->spin ? SPIN_LOOKS : 0,
    };
    memcpy(config->sealing_secret, spec->config.sealing_secret, sizeof config->sealing_secret);
    memcpy(config->domain_seed, spec->config.domain_seed, sizeof config->domain_seed);
    memcpy(config->admin_public, spec->config.admin_public, sizeof config->admin_public);
    if (spec->config.service_options)
        strcpy(config->service_options, spec->config.service_options); /* its length was checked */

    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    atomic_store_explicit(&self->shared->now_us, now_us, memory_order_relaxed);
}

/* A compartment's environment is empty; a sanitizer's runtime is told what the host's was told. */
static char **child_environment(char *kept[4])
{
    static const char *const names[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS="};
    size_t count = 0;
    for (char **at = environ; at && *at; at++)
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (count < 3 && strncmp(*at, names[i], strlen(names[i])) == 0)
                kept[count++] = *at;
    kept[count] = NULL;
    return kept;
}

/* Descriptors that a compartment inherits, all at FD_OUT_OF_THE_WAY or above: they go to SHARED_FD, EVENT_FD, and from LINK_FD on. */
struct inherited {
    int fd[2 + GIVEN_MAX];
    int count;
};

static int inherit(posix_spawn_file_actions_t *files, const struct inherited *inherited)
{
    int result = 0;
    for (int i = 0; i < inherited->count && result == 0; i++)
        result = posix_spawn_file_actions_adddup2(files, inherited->fd[i], SHARED_FD + i);
    if (result == 0)
        result = posix_spawn_file_actions_addclosefrom_np(files, SHARED_FD + inherited->count);
    return result;
}

/* Its own session: a Ctrl-C is for the host alone. */
static int spawn(pid_t *pid, const struct compartment_spec *spec, const struct inherited *inherited)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);

    char role[64], *kept[4];
    snprintf(role, sizeof role, "%s of replica %u", kind_name(spec->kind), (unsigned)spec->config.replica);
    char *arguments[] = {(char *)(uintptr_t)spec->binary, (char[]){"compartment"}, role, NULL};

    int result = posix_spawn_file_actions_init(&files);
    if (result != 0)
        return -result;
    result = posix_spawnattr_init(&attributes);
    if (result == 0) {
        if ((result = inherit(&files, inherited)) == 0 &&
            (result = posix_spawnattr_setsigmask(&attributes, &none)) == 0 &&
            (result = posix_spawnattr_setsigdefault(&attributes, &all)) == 0 &&
            (result = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                                                POSIX_SPAWN_SETSID)) == 0)
            result = posix_spawn(pid, spec->binary, &files, &attributes, arguments, child_environment(kept));
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return -result;
}

/* The link, or what the spec gives, moved out of the way. */
static int inherited_add(struct inherited *inherited, int fd)
{
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FD_OUT_OF_THE_WAY);
    if (high < 0)
        return -errno;
    inherited->fd[inherited->count++] = high;
    return 0;
}

static int start_process(struct process_compartment *self, const struct compartment_spec *spec, int link_fd)
{
    struct inherited inherited = {.count = 0};
    int shared_fd = make_shared(self);
    if (shared_fd < 0)
        return shared_fd;
    write_config(self, spec, link_fd >= 0);
    int event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int result = event_fd < 0 ? -errno : inherited_add(&inherited, shared_fd);
    if (result == 0)
        result = inherited_add(&inherited, event_fd);
    if (result == 0 && link_fd >= 0)
        result = inherited_add(&inherited, link_fd);
    CHECK(spec->given_count <= GIVEN_MAX && (link_fd < 0 || spec->given_count == 0));
    for (unsigned i = 0; i < spec->given_count && result == 0; i++)
        result = inherited_add(&inherited, spec->given[i]);
    if (result == 0)
        result = spawn(&self->base.pid, spec, &inherited);
    if (result < 0)
        self->base.pid = 0;
    else
        self->base.death_fd = (int)syscall(SYS_pidfd_open, self->base.pid, 0u);
    for (int i = 0; i < inherited.count; i++)
        close(inherited.fd[i]);
    close(shared_fd);
    self->base.fd = event_fd;
    return result;
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Until it is locked down and initialised, has died, or took too long. */
static bool wait_until_ready(struct process_compartment *self)
{
    int64_t deadline = monotonic_ms() + START_TIMEOUT_MS;
    while (monotonic_ms() < deadline) {
        compartment_before_poll(&self->base);
        if (atomic_load_explicit(&self->shared->ready, memory_order_seq_cst))
            break;
        if (!is_alive(self))
            return false;
        struct pollfd fds[2] = {{.fd = self->base.fd, .events = POLLIN},
                                {.fd = self->base.death_fd, .events = POLLIN}};
        poll(fds, 2, 50);
        compartment_after_poll(&self->base);
    }
    compartment_after_poll(&self->base);
    return atomic_load_explicit(&self->shared->ready, memory_order_seq_cst) != 0;
}

static int start(struct process_compartment *self, const struct compartment_spec *spec, int link_fd,
                 char *error, size_t error_bytes)
{
    const char *name = kind_name(spec->kind);
    int result = measure_file(&self->base.measurement, spec->binary);
    if (result < 0) {
        snprintf(error, error_bytes, "%s: cannot read its binary %s: %s", name, spec->binary,
                 strerror(-result));
        return result;
    }
    if (spec->config.service_options && strlen(spec->config.service_options) >= SERVICE_OPTIONS_MAX) {
        snprintf(error, error_bytes, "%s: service_options are longer than %u bytes", name,
                 SERVICE_OPTIONS_MAX - 1);
        return -E2BIG;
    }
    self->bounce = memory_map(FRAME_MAX);
    result = self->bounce ? start_process(self, spec, link_fd) : -ENOMEM;
    if (result < 0) {
        snprintf(error, error_bytes, "%s: cannot start %s: %s", name, spec->binary, strerror(-result));
        return result;
    }
    if (!wait_until_ready(self)) {
        if (is_alive(self))
            snprintf(error, error_bytes, "%s: %s did not start within %d seconds", name, spec->binary,
                     START_TIMEOUT_MS / 1000);
        else
            snprintf(error, error_bytes, "%s: %s did not start: %s", name, spec->binary,
                     process_obituary(&self->base));
        return -EIO;
    }
    describe_sandbox(self);
    return 0;
}

/* A process of either kind; spec->application is not looked at. */
static int open_one(struct process_compartment **out, const struct compartment_spec *spec, int link_fd,
                    struct compartment *application, char *error, size_t error_bytes)
{
    struct process_compartment *self = calloc(1, sizeof *self);
    if (!self) {
        snprintf(error, error_bytes, "%s: out of memory", kind_name(spec->kind));
        compartment_close(application);
        return -ENOMEM;
    }
    self->base =
        (struct compartment){.ops = &process_ops, .fd = -1, .death_fd = -1, .application = application};
    int result = start(self, spec, link_fd, error, error_bytes);
    if (result < 0) {
        process_close(&self->base);
        return result;
    }
    *out = self;
    return 0;
}

/* Nothing secret is handed to it. */
static int open_application(struct process_compartment **out, const struct compartment_spec *spec,
                            int link_fd, char *error, size_t error_bytes)
{
    struct compartment_spec application = {
        .kind = KIND_APPLICATION,
        .isolation = spec->isolation,
        .binary = spec->application,
        .config = {.kind = KIND_APPLICATION, .replica = spec->config.replica, .epoch = spec->config.epoch},
        .memory_bytes = spec->application_bytes,
        .core = spec->core,
        .spin = spec->spin,
    };
    return open_one(out, &application, link_fd, NULL, error, error_bytes);
}

/* One descriptor that is readable when either has died, and one measurement that covers both. */
static void join(struct process_compartment *self)
{
    struct process_compartment *application = self_of(self->base.application);
    struct digest measured[2] = {self->base.measurement, application->base.measurement};
    digest_of(&self->base.measurement, "measurement", measured, sizeof measured);
    int both = epoll_create1(EPOLL_CLOEXEC), own = self->base.death_fd;
    struct epoll_event event = {.events = EPOLLIN};
    if (both < 0 || own < 0 || application->base.death_fd < 0 ||
        epoll_ctl(both, EPOLL_CTL_ADD, own, &event) != 0 ||
        epoll_ctl(both, EPOLL_CTL_ADD, application->base.death_fd, &event) != 0) {
        if (both >= 0)
            close(both);
        return; /* deaths are asked for at times, too */
    }
    self->own_death_fd = own;
    self->base.death_fd = both;
}

static int open_split(struct compartment **out, const struct compartment_spec *spec, char *error,
                      size_t error_bytes)
{
    struct process_compartment *self, *application;
    int made = make_memory("redoubt-link", LINK_BYTES);
    int link_fd = made < 0 ? -1 : fcntl(made, F_DUPFD_CLOEXEC, FD_OUT_OF_THE_WAY);
    int result = made < 0 ? made : link_fd < 0 ? -errno : 0;
    if (made >= 0)
        close(made);
    if (result < 0) {
        snprintf(error, error_bytes, "%s: cannot make memory to share with the application: %s",
                 kind_name(spec->kind), strerror(-result));
        return result;
    }
    result = open_application(&application, spec, link_fd, error, error_bytes);
    if (result == 0)
        result = open_one(&self, spec, link_fd, &application->base, error, error_bytes);
    close(link_fd);
    if (result < 0)
        return result;
    join(self);
    *out = &self->base;
    return 0;
}

int compartment_process_open(struct compartment **out, const struct compartment_spec *spec, char *error,
                             size_t error_bytes)
{
    if (!spec->binary) {
        snprintf(error, error_bytes, "%s: no binary was given", kind_name(spec->kind));
        return -EINVAL;
    }
    if (spec->application)
        return open_split(out, spec, error, error_bytes);
    struct process_compartment *self;
    int result = open_one(&self, spec, -1, NULL, error, error_bytes);
    if (result == 0)
        *out = &self->base;
    return result;
}
