/*
 * redoubt up: all replicas of a local cluster in the foreground. Starts `redoubt replica` for each, signs the manifest,
 * waits until all serve, forwards what they log, and ends them all when it is asked to end.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "commands.h"
#include "config.h"
#include "counter_key.h"
#include "founding.h"
#include "pages.h"

static const char help[] = "usage: redoubt up DIR [--seconds S] [--allow-faults]\n\n"
                           "Runs all replicas of the cluster in DIR on this machine, in the foreground. "
                           "Prints `ready` on standard output when\n"
                           "all of them serve, and what they log on standard error. Ctrl-C ends them all.\n\n"
                           "  --seconds S     end by itself after S seconds\n"
                           "  --allow-faults  let `redoubt fault` make replicas misbehave\n\n"
                           "example: redoubt up demo\n";

#define READY_MS        60000u
#define LOOK_MS         25
#define GRACE_MS        5000u
#define RESTART_MS      500u   /* then twice as long, up to 64 times ... */
#define RESTART_CALM_MS 60000u /* ... unless it lasted so long */

struct child {
    pid_t pid; /* 0: ended */
    int log_fd;
    struct buffer line;
    bool ready;
    bool rejoining;                  /* started again, and not a full member yet as far as is known */
    bool keyed, key_told;            /* hybster: ... and its counter was given its key; or why not was said */
    uint64_t started_ms, restart_ms; /* when; when it is to be started again (0: not) */
    unsigned restarts;               /* in a row, each soon after the one before */
    char first_error[512];           /* the last "redoubt: ..." line */
    ino_t folder;                    /* its replica-N, when it started */
    bool replaced;                   /* that is another one now: it is ended, and starts in the new one */
};

struct up {
    struct config config;
    bool allow_faults, ending, interrupted;
    bool running; /* the cluster was ready: who dies now is started again */
    bool told;    /* why a replica ended has been said */
    uint64_t seconds;
    uint64_t looked_ms; /* at who is full again */
    uint64_t lost_ms;   /* with memory: since when more than f are out; 0: they are not */
    bool lost_told;
    ino_t cluster_file; /* cluster.yaml as it was read */
    struct config
        *resized; /* cluster.yaml lists another number of replicas, and the cluster was closed for it */
    int lock_fd;
    int signal_fd;
    struct child child[REPLICAS_MAX];
    uint32_t alive;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------- children */

/* 0: not there. */
static ino_t inode_of(const struct up *up, const char *format, uint32_t id)
{
    char name[64], path[PATH_BYTES];
    struct stat st;
    snprintf(name, sizeof name, format, id);
    return path_make(path, "%s/%s", up->config.dir, name) && stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Of an earlier start that ended by force: nobody has those keys any more. */
static void hello_forget(const struct up *up, uint32_t id)
{
    char path[PATH_BYTES];
    if (hello_path(path, up->config.dir, id))
        unlink(path);
}

static int child_start(struct up *up, uint32_t id, bool rejoin, struct error *error)
{
    unsigned restarts = up->child[id].restarts;
    int pipe_fd[2];
    char number[16], parent[16], self[PATH_BYTES];
    /* Its own name, so that `ps` and `top` show one; where that is gone (an upgrade), what runs is still there. */
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = 0;
    snprintf(number, sizeof number, "%u", id);
    snprintf(parent, sizeof parent, "%ld", (long)getpid());
    if (pipe2(pipe_fd, O_CLOEXEC) != 0)
        return error_set(error, "replica %u: %s", id, strerror(errno));
    hello_forget(up, id);
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        setpgid(0, 0); /* Ctrl-C is ours to pass on */
        dup2(pipe_fd[1], STDERR_FILENO);
        dup2(pipe_fd[1], STDOUT_FILENO);
        const char *args[10] = {"redoubt", "replica", up->config.dir, "--id", number, "--parent", parent};
        int count = 7;
        if (up->allow_faults)
            args[count++] = "--allow-faults";
        if (rejoin)
            args[count++] = "--rejoin";
        execv(access(self, X_OK) == 0 ? self : "/proc/self/exe", (char *const *)(uintptr_t)args);
        _exit(127);
    }
    close(pipe_fd[1]);
    if (pid < 0) {
        close(pipe_fd[0]);
        return error_set(error, "replica %u: %s", id, strerror(errno));
    }
    fcntl(pipe_fd[0], F_SETFL, O_NONBLOCK);
    struct buffer old = up->child[id].line;
    up->child[id] = (struct child){.pid = pid,
                                   .log_fd = pipe_fd[0],
                                   .rejoining = rejoin,
                                   .started_ms = now_ms(),
                                   .restarts = restarts,
                                   .folder = inode_of(up, "replica-%u", id)};
    buffer_free(&old);
    up->alive++;
    return 0;
}

static void say_line(struct up *up, uint32_t id, const char *line, size_t len)
{
    static const char prefix[] = "redoubt: ";
    if (len > sizeof prefix && strncmp(line, prefix, sizeof prefix - 1) == 0)
        snprintf(up->child[id].first_error, sizeof up->child[id].first_error, "%.*s",
                 (int)(len - sizeof prefix + 1), line + sizeof prefix - 1);
    else
        fprintf(stderr, "%.*s\n", (int)len, line);
}

/* Forwards whole lines; they name their replica themselves. */
static void child_read(struct up *up, uint32_t id)
{
    struct child *child = &up->child[id];
    char data[4096];
    ssize_t n;
    while (child->log_fd >= 0 && (n = read(child->log_fd, data, sizeof data)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        buffer_append(&child->line, data, (size_t)n);
        char *end;
        while (child->line.len && (end = memchr(buffer_data(&child->line), '\n', child->line.len)) != NULL) {
            size_t len = (size_t)(end - (char *)buffer_data(&child->line));
            say_line(up, id, (char *)buffer_data(&child->line), len);
            buffer_consume(&child->line, len + 1);
        }
        if (child->line.len > 65536)
            buffer_consume(&child->line, child->line.len);
    }
    if (child->log_fd >= 0)
        close(child->log_fd);
    child->log_fd = -1;
}

static void say_end(struct up *up, uint32_t id, int status)
{
    const char *why = up->child[id].first_error;
    if (up->ending || up->child[id].replaced)
        return;
    up->told = true;
    if (WIFSIGNALED(status))
        fprintf(stderr, "redoubt: replica %u ended: signal %d (%s)%s%s\n", id, WTERMSIG(status),
                strsignal(WTERMSIG(status)), *why ? ": " : "", why);
    else if (*why)
        fprintf(stderr, "redoubt: %s\n", why);
    else
        fprintf(stderr, "redoubt: replica %u ended: exit status %d\n", id, WEXITSTATUS(status));
}

/* A replica that died comes back by itself: soon, and less soon each time that it did not last. */
static void restart_plan(struct up *up, uint32_t id)
{
    struct child *child = &up->child[id];
    if (child->replaced && !up->ending) {
        child->restart_ms = now_ms();
        return;
    }
    if (!up->running || up->ending || !up->config.restart)
        return;
    if (now_ms() - child->started_ms > RESTART_CALM_MS)
        child->restarts = 0;
    uint64_t delay_ms = RESTART_MS << (child->restarts < 6 ? child->restarts : 6);
    child->restarts++;
    child->restart_ms = now_ms() + delay_ms;
}

/* Only one `up` at a time: a second one would take the first one's manifest away. */
static int lock_dir(struct up *up, struct error *error)
{
    const struct config *config = &up->config;
    char path[PATH_BYTES];
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!path_make(path, "%s/cluster.yaml", config->dir))
        return error_set(error, "%s: name too long", config->dir);
    up->lock_fd = open(path, O_RDWR | O_CLOEXEC);
    up->cluster_file = inode_of(up, "cluster.yaml", 0);
    if (up->lock_fd < 0) /* not ours to write: then there is nothing to lock either */
        return errno == EACCES || errno == EROFS ? 0 : error_set(error, "%s: %s", path, strerror(errno));
    if (fcntl(up->lock_fd, F_SETLK, &lock) != 0)
        return error_set(error, "%s: another `redoubt up` runs this cluster", config->dir);
    return 0; /* held until this process ends */
}

/* `redoubt replace` put another folder there: its replica is another one, and cluster.yaml may say where. */
static void replaced_look(struct up *up)
{
    for (uint32_t i = 0; i < up->config.replicas; i++) {
        struct child *child = &up->child[i];
        ino_t folder = inode_of(up, "replica-%u", i);
        if (!folder || folder == child->folder || child->replaced)
            continue;
        fprintf(stderr, "redoubt: replica %u was replaced\n", i);
        child->replaced = true;
        if (child->pid) /* by force: it may be stopped, and nobody listens to it any more */
            kill(child->pid, SIGKILL);
        else
            restart_plan(up, i);
    }
}

static void cluster_file_look(struct up *up)
{
    struct config *config;
    struct error error;
    ino_t now = inode_of(up, "cluster.yaml", 0);
    if (!now || now == up->cluster_file || !(config = malloc(sizeof *config)))
        return;
    up->cluster_file = now;
    bool good = config_read(config, up->config.dir, &error) == 0;
    if (good && config->replicas != up->config.replicas && inode_of(up, "closing", 0)) {
        free(up->resized);
        up->resized = config;
    } else {
        if (good && config->replicas == up->config.replicas)
            up->config = *config;
        free(config);
    }
    if (up->lock_fd >= 0)
        close(up->lock_fd);
    if (lock_dir(up, &error))
        fprintf(stderr, "redoubt: %s\n", error.text);
}

static void restart_due(struct up *up)
{
    for (uint32_t i = 0; i < up->config.replicas; i++) {
        struct child *child = &up->child[i];
        struct error error;
        if (child->pid || !child->restart_ms || now_ms() < child->restart_ms)
            continue;
        child->restart_ms = 0;
        fprintf(stderr, "redoubt: replica %u starts again\n", i);
        if (child_start(up, i, true, &error)) {
            fprintf(stderr, "redoubt: %s\n", error.text);
            restart_plan(up, i);
        }
    }
}

/* With hybster a counter that starts again waits for the administrator, who is whoever runs this. */
static void counters_key(struct up *up)
{
    char path[PATH_BYTES];
    for (uint32_t i = 0; i < up->config.replicas && up->config.protocol == PROTOCOL_HYBSTER; i++) {
        struct child *child = &up->child[i];
        struct error error;
        if (!child->pid || !child->rejoining || child->keyed || !hello_path(path, up->config.dir, i) ||
            !file_exists(path))
            continue;
        child->keyed = counter_key_renew(&up->config, i, NULL, &error) == 0;
        if (!child->keyed && !child->key_told)
            fprintf(stderr, "redoubt: %s\n", error.text);
        child->key_told = child->key_told || !child->keyed;
    }
}

/* Reports each replica that has ended, once. */
static void children_reap(struct up *up)
{
    for (uint32_t i = 0; i < up->config.replicas; i++) {
        struct child *child = &up->child[i];
        int status;
        if (child->pid == 0 || waitpid(child->pid, &status, WNOHANG) != child->pid)
            continue;
        child->pid = 0;
        up->alive--;
        child_read(up, i);
        say_end(up, i, status);
        restart_plan(up, i);
    }
}

static void children_signal(struct up *up, int number)
{
    for (uint32_t i = 0; i < up->config.replicas; i++)
        if (up->child[i].pid)
            kill(up->child[i].pid, number);
}

/* ---------------------------------------------------------------- waiting */

/* Logs, signals, deaths; returns after something happened or `ms`. */
static void attend(struct up *up, int ms)
{
    struct pollfd fds[REPLICAS_MAX + 1];
    uint32_t who[REPLICAS_MAX + 1];
    nfds_t count = 1;
    fds[0] = (struct pollfd){up->signal_fd, POLLIN, 0};
    for (uint32_t i = 0; i < up->config.replicas; i++) {
        if (up->child[i].log_fd < 0)
            continue;
        who[count] = i;
        fds[count++] = (struct pollfd){up->child[i].log_fd, POLLIN, 0};
    }
    if (poll(fds, count, ms) <= 0)
        return;
    for (nfds_t i = 1; i < count; i++)
        if (fds[i].revents)
            child_read(up, who[i]);
    struct signalfd_siginfo info;
    while (read(up->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            up->interrupted = true;
    children_reap(up);
}

static bool given_up(void *context)
{
    struct up *up = context;
    attend(up, 0);
    return up->interrupted || up->alive < up->config.replicas;
}

static int wait_until_ready(struct up *up, struct error *error)
{
    uint64_t deadline = now_ms() + READY_MS;
    for (;;) {
        uint32_t ready = 0;
        for (uint32_t i = 0; i < up->config.replicas; i++) {
            char *body = NULL;
            struct error ignored;
            char all[32];
            snprintf(all, sizeof all, "ok, %u links", up->config.replicas - 1);
            if (!up->child[i].ready &&
                page_fetch(&up->config.replica[i].metrics, "/healthz", 1000, &body, &ignored) == 200)
                up->child[i].ready = strncmp(body, all, strlen(all)) == 0;
            free(body);
            ready += up->child[i].ready;
        }
        if (ready == up->config.replicas)
            return 0;
        attend(up, LOOK_MS);
        if (up->interrupted)
            return error_set(error, "up: interrupted before the cluster was ready");
        if (up->alive < up->config.replicas)
            return error_set(error, "up: a replica ended before the cluster was ready");
        if (now_ms() > deadline)
            return error_set(error, "up: only %u of %u replicas are ready after %u s", ready,
                             up->config.replicas, READY_MS / 1000);
    }
}

static void end_all(struct up *up)
{
    uint64_t deadline = now_ms() + GRACE_MS;
    up->ending = true;
    children_signal(up, SIGTERM);
    while (up->alive > 0 && now_ms() < deadline)
        attend(up, LOOK_MS), children_reap(up);
    children_signal(up, SIGKILL);
    while (up->alive > 0)
        attend(up, LOOK_MS), children_reap(up);
    for (uint32_t i = 0; i < up->config.replicas; i++) {
        if (up->child[i].log_fd >= 0)
            close(up->child[i].log_fd);
        up->child[i].log_fd = -1;
        buffer_free(&up->child[i].line);
    }
}

/* ---------------------------------------------------------------- the whole */

/* What is durable is gone on from: then only what shows keys that are gone is forgotten. */
static void forget_earlier_start(const struct config *config, bool durable)
{
    char path[PATH_BYTES];
    if (!durable && path_make(path, "%s/manifest", config->dir))
        unlink(path);
    for (uint32_t i = 0; i < config->replicas; i++) {
        if (!durable && path_make(path, "%s/replica-%u/manifest", config->dir, i))
            unlink(path);
        if (!durable && counter_key_path(path, config->dir, i))
            unlink(path);
    }
}

/* ---------------------------------------------------------------- more than f at once */

#define FULL_LOOK_MS   1000u
#define START_OVER_MAX 5
#define LOST_MS        10000u

static void full_look(struct up *up)
{
    up->looked_ms = now_ms();
    for (uint32_t i = 0; i < up->config.replicas; i++) {
        char *body = NULL;
        struct error ignored;
        if (up->child[i].rejoining && up->child[i].pid &&
            page_fetch(&up->config.replica[i].metrics, "/status", 500, &body, &ignored) == 200 &&
            strstr(body, "\"full\":true"))
            up->child[i].rejoining = false;
        free(body);
    }
}

/* Who is not a full member cannot help to admit others; more than f of those, and nobody is ever admitted. */
static bool seem_out(const struct up *up)
{
    uint32_t out = 0;
    for (uint32_t i = 0; i < up->config.replicas; i++)
        out += !up->child[i].pid || up->child[i].rejoining;
    return out > up->config.faults;
}

/* One may have become full since it was looked at. */
static bool too_many_out(struct up *up)
{
    if (!up->config.restart || up->config.durability != DURABILITY_SYNC || !seem_out(up))
        return false;
    full_look(up);
    return seem_out(up);
}

/* Where nothing is on a disk. One that had been admitted may still get its state, so not at once. */
static void say_lost(struct up *up)
{
    if (up->config.durability == DURABILITY_SYNC || up->lost_told)
        return;
    if (!seem_out(up))
        up->lost_ms = 0;
    else if (up->lost_ms == 0)
        up->lost_ms = now_ms();
    if (up->lost_ms == 0 || now_ms() - up->lost_ms < LOST_MS)
        return;
    up->lost_told = true;
    fprintf(
        stderr,
        "redoubt: more than %u replicas are out, and nothing is on a disk (durability: memory): the state "
        "is gone; end this and start anew\n",
        up->config.faults);
}

static int all_start(struct up *up, struct error *error)
{
    forget_earlier_start(&up->config, up->config.durability == DURABILITY_SYNC);
    for (uint32_t i = 0; i < up->config.replicas; i++)
        if (child_start(up, i, false, error))
            return -1;
    if (founding_run(&up->config, 30000, given_up, up, error)) {
        if (up->alive < up->config.replicas)
            error_set(error, "up: a replica ended before the cluster was ready");
        return -1;
    }
    return wait_until_ready(up, error);
}

/* Nothing that was acknowledged is lost: it is on the disks. */
static int start_over(struct up *up, struct error *error)
{
    int result = -1;
    up->running = false;
    for (int i = 0; i < START_OVER_MAX && result && !up->interrupted; i++) {
        fprintf(stderr, "redoubt: more than %u replicas are out: all start again, from their disks\n",
                up->config.faults);
        end_all(up);
        up->ending = false;
        result = all_start(up, error);
    }
    up->running = result == 0;
    return result;
}

/* `redoubt add` or `redoubt remove` closed the cluster: all start again, as the new cluster.yaml lists them. */
static int start_resized(struct up *up, struct error *error)
{
    fprintf(stderr, "redoubt: %u replicas from now on: all start again\n", up->resized->replicas);
    up->running = false;
    end_all(up);
    up->ending = false;
    up->config = *up->resized;
    free(up->resized);
    up->resized = NULL;
    for (uint32_t i = 0; i < REPLICAS_MAX; i++)
        up->child[i].restarts = 0, up->child[i].restart_ms = 0;
    int result = all_start(up, error);
    up->running = result == 0;
    return result;
}

static int signals_take(struct up *up, struct error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    up->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return up->signal_fd >= 0 ? 0 : error_set(error, "up: %s", strerror(errno));
}

static int bring_up(struct up *up, struct error *error)
{
    for (uint32_t i = 0; i < up->config.replicas; i++)
        if (config_check_secrets(&up->config, i, error))
            return -1;
    if (lock_dir(up, error) || signals_take(up, error))
        return -1;
    return all_start(up, error);
}

/* Until it is asked to end; -1: it cannot go on. */
static int keep_up(struct up *up, struct error *error)
{
    uint64_t end = up->seconds ? now_ms() + up->seconds * 1000 : UINT64_MAX;
    up->running = true;
    while (!up->interrupted && now_ms() < end) {
        uint64_t left = end - now_ms();
        attend(up, left < 200 ? (int)left : 200);
        cluster_file_look(up);
        if (up->resized) {
            if (start_resized(up, error))
                return -1;
            continue;
        }
        replaced_look(up);
        if (now_ms() - up->looked_ms >= FULL_LOOK_MS)
            full_look(up);
        if (!up->interrupted && too_many_out(up)) {
            if (start_over(up, error))
                return -1;
            continue;
        }
        if (up->alive == 0) /* with nothing kept, nobody is left to rejoin */
            return error_set(error, "up: all replicas have ended");
        restart_due(up);
        counters_key(up);
        say_lost(up);
    }
    return 0;
}

int cmd_up(int argc, char **argv)
{
    static const struct option options[] = {{"seconds", required_argument, NULL, 's'},
                                            {"allow-faults", no_argument, NULL, 'f'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    static struct up up;
    struct error error;
    int c;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'h')
            return say_help(help);
        if (c == 'f')
            up.allow_faults = true;
        else if (c != 's')
            return say_usage("up", "%s: unknown option or no value", argv[optind - 1]);
        else if (!number_read(optarg, 1, 100000000, &up.seconds))
            return say_usage("up", "--seconds %s: must be at least 1", optarg);
    }
    if (optind + 1 != argc)
        return say_usage("up", "exactly one DIR is needed");
    if (config_read(&up.config, argv[optind], &error) || config_supported(&up.config, &error))
        return say_failed("%s", error.text);
    for (uint32_t i = 0; i < REPLICAS_MAX; i++)
        up.child[i].log_fd = -1;
    int result = bring_up(&up, &error);
    if (result == 0) {
        puts("ready");
        fflush(stdout);
        result = keep_up(&up, &error);
    }
    bool told = up.told && up.alive < up.config.replicas;
    end_all(&up);
    if (result && !told)
        return say_failed("%s", error.text);
    return result ? 1 : 0;
}
