#include "backup_taking.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "sockets.h"

#define CONNECT_MS   3000
#define AGAIN_MS     300   /* nothing came: the question is put again, ... */
#define TELL_ALL_MS  1000  /* ... and to all, so that the cluster fills up to a checkpoint */
#define PATIENCE_MS  30000 /* without any piece */
#define FRESH_US     (6ull * 3600 * 1000000) /* how long a request is good */
#define IN_BYTES_MAX (FRAME_MAX + 65536u)
#define LINKS        REPLICAS_MAX

struct link {
    int fd; /* -1: none */
    struct buffer in;
};

struct session {
    struct backup_taking *t;
    struct sign_key admin;
    struct file manifest; /* without its attachment */
    struct link link[LINKS];
    struct ask_backup ask;
    struct backup_file file;
    struct slice held; /* a piece that a CONFIGURATION has to come before; allocated */
    uint64_t asked_ms, told_ms, heard_ms;
    bool done;
};

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* --- connections --------------------------------------------------------------------------------------------------- */

static void link_close(struct link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    buffer_free(&l->in);
}

static void link_open(struct link *l, const struct address *address)
{
    struct socket_address at;
    int problem = 0;
    socklen_t len = sizeof problem;
    *l = (struct link){.fd = -1};
    if (socket_resolve(&at, address, false) != 0)
        return;
    l->fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return;
    struct pollfd poll_fd = {.fd = l->fd, .events = POLLOUT};
    bool good = connect(l->fd, (struct sockaddr *)&at.storage, at.len) == 0 || errno == EINPROGRESS;
    good = good && poll(&poll_fd, 1, CONNECT_MS) == 1 &&
           getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &problem, &len) == 0 && problem == 0;
    if (good)
        socket_no_delay(l->fd);
    else
        link_close(l);
}

/* Requests are small: what does not go out at once is a broken connection. */
static void link_send(struct link *l, struct slice frame)
{
    uint8_t bytes[1024];
    struct writer w = writer_to(bytes, sizeof bytes);
    if (l->fd < 0)
        return;
    put_slice(&w, frame);
    CHECK(!w.bad);
    if (send(l->fd, bytes, w.len, MSG_NOSIGNAL) != (ssize_t)w.len)
        link_close(l);
}

/* --- requests -------------------------------------------------------------------------------------------------------- */

static struct slice request_make(const struct session *s, uint8_t *out, size_t cap)
{
    static const struct sender sender = {KIND_ADMIN, 0, 0};
    uint8_t body[128], signature[SIGNATURE_BYTES];
    struct writer w = writer_to(body, sizeof body);
    struct digest content;
    ask_backup_put(&w, &s->ask);
    auth_content(&s->t->reader.configuration.cluster, FRAME_ASK_BACKUP, &sender, (struct slice){body, w.len},
                 &content);
    struct auth *auth = calloc(1, sizeof *auth);
    CHECK(auth && "out of memory");
    auth->sign = s->admin;
    auth_sign_content(auth, &content, signature);
    crypto_wipe(auth, sizeof *auth);
    free(auth);
    return (struct slice){
        out, frame_encode(out, cap, FRAME_ASK_BACKUP, &sender, AUTH_SIGNATURE, (struct slice){body, w.len},
                          (struct slice){signature, sizeof signature}, (struct slice){NULL, 0})};
}

static void ask(struct session *s, bool all)
{
    uint8_t bytes[512];
    struct slice frame = request_make(s, bytes, sizeof bytes);
    for (replica_id r = 0; r < s->t->config->replicas; r++)
        if (all || r == s->ask.replica)
            link_send(&s->link[r], frame);
    s->asked_ms = clock_ms(CLOCK_MONOTONIC);
    if (all)
        s->told_ms = s->asked_ms;
}

static void ask_configuration(struct session *s)
{
    static const struct sender nobody = {KIND_ADMIN, 0, 0};
    uint8_t body[8], bytes[128];
    struct writer w = writer_to(body, sizeof body);
    ask_chain_put(&w, &(struct ask_chain){.number = s->t->reader.configuration.number});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_ASK_CONFIGURATION, &nobody, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    link_send(&s->link[s->ask.replica], (struct slice){bytes, len});
}

/* A state several times over, for what changed comes again: a faulty E fills no disk. */
static uint64_t bytes_max(const struct config *config)
{
    return (uint64_t)config->memory_mb * 4 * 1048576 + 64 * 1048576;
}

/* --- what comes ------------------------------------------------------------------------------------------------------- */

static int take_piece(struct session *s, struct slice bytes, struct error *error);

static int take_configuration(struct session *s, struct slice bytes, struct error *error)
{
    struct backup_reader *r = &s->t->reader;
    configuration_no before = r->configuration.number;
    if (backup_reader_take(r, bytes) == BACKUP_BAD)
        return error_set(error, "replica %u: %s", s->ask.replica, r->problem);
    if (r->configuration.number == before)
        return 0;
    if (backup_file_frame(&s->file, bytes, error))
        return -1;
    ask_configuration(s); /* is there more? */
    struct slice held = s->held;
    s->held = (struct slice){NULL, 0};
    int result = held.data ? take_piece(s, held, error) : 0;
    free((void *)(uintptr_t)held.data);
    return result;
}

static int hold(struct session *s, struct slice bytes)
{
    uint8_t *copy = malloc(bytes.len);
    CHECK(copy && "out of memory");
    memcpy(copy, bytes.data, bytes.len);
    free((void *)(uintptr_t)s->held.data);
    s->held = (struct slice){copy, bytes.len};
    ask_configuration(s);
    return 0;
}

static int take_piece(struct session *s, struct slice bytes, struct error *error)
{
    struct backup_reader *r = &s->t->reader;
    enum backup_result result = backup_reader_take(r, bytes);
    if (result == BACKUP_EARLY)
        return hold(s, bytes);
    if (result == BACKUP_BAD)
        return error_set(error, "replica %u: %s", s->ask.replica, r->problem);
    s->heard_ms = clock_ms(CLOCK_MONOTONIC);
    if (backup_file_frame(&s->file, bytes, error))
        return -1;
    if (s->file.bytes > bytes_max(s->t->config))
        return error_set(error, "replica %u: it gives more than %llu MiB, and memory_mb is %u", s->ask.replica,
                         (unsigned long long)(bytes_max(s->t->config) >> 20), s->t->config->memory_mb);
    s->done = result == BACKUP_WHOLE;
    s->ask.number = r->number + 1;
    if (!s->done)
        ask(s, r->number == 1);
    if (s->t->progress)
        s->t->progress(r, s->file.bytes);
    return 0;
}

static int take_frame(struct session *s, replica_id from, struct slice bytes, struct error *error)
{
    struct frame frame;
    struct backup piece;
    if (from != s->ask.replica || !frame_decode(bytes.data, bytes.len, &frame))
        return 0;
    if (frame.type == FRAME_CONFIGURATION)
        return take_configuration(s, bytes, error);
    if (frame.type != FRAME_BACKUP || s->held.data || !backup_decode(frame.body, &piece) ||
        memcmp(piece.session.bytes, s->ask.session.bytes, sizeof piece.session.bytes) != 0 ||
        piece.number <= s->t->reader.number)
        return 0; /* of an earlier attempt, or again */
    return take_piece(s, bytes, error);
}

static int link_read(struct session *s, replica_id from, struct error *error)
{
    static uint8_t bytes[262144];
    struct link *l = &s->link[from];
    ssize_t n = recv(l->fd, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        link_close(l);
        return 0;
    }
    buffer_append(&l->in, bytes, (size_t)n);
    while (l->fd >= 0 && l->in.len >= 4) {
        struct reader r = reader_of(buffer_data(&l->in), l->in.len);
        uint32_t len = get_u32(&r);
        if (len > FRAME_MAX) {
            link_close(l);
            return 0;
        }
        if (l->in.len < 4 + (size_t)len)
            break;
        int result = take_frame(s, from, (struct slice){buffer_data(&l->in) + 4, len}, error);
        if (result)
            return result;
        if (l->fd >= 0)
            buffer_consume(&l->in, 4 + (size_t)len);
    }
    return 0;
}

/* --- an attempt with one replica ------------------------------------------------------------------------------------------ */

static int turn(struct session *s, struct error *error)
{
    struct pollfd fds[LINKS];
    uint32_t replicas = s->t->config->replicas;
    for (replica_id r = 0; r < replicas; r++)
        fds[r] = (struct pollfd){.fd = s->link[r].fd, .events = POLLIN};
    poll(fds, replicas, 50);
    for (replica_id r = 0; r < replicas; r++)
        if (s->link[r].fd >= 0 && fds[r].revents && link_read(s, r, error))
            return -1;
    uint64_t now = clock_ms(CLOCK_MONOTONIC);
    if (s->link[s->ask.replica].fd < 0)
        return error_set(error, "replica %u: it closed the connection", s->ask.replica);
    if (now - s->heard_ms > PATIENCE_MS)
        return error_set(error, "replica %u: it gave nothing for %u s", s->ask.replica, PATIENCE_MS / 1000);
    if (s->held.data && now - s->asked_ms > AGAIN_MS)
        ask_configuration(s);
    if (!s->done && now - s->asked_ms > AGAIN_MS)
        ask(s, now - s->told_ms > TELL_ALL_MS);
    return 0;
}

static int begin(struct session *s, replica_id from, struct error *error)
{
    struct backup_taking *t = s->t;
    uint8_t head[BACKUP_FILE_HEAD], bytes[512];
    memcpy(head, BACKUP_MAGIC, sizeof BACKUP_MAGIC - 1);
    memcpy(head + sizeof BACKUP_MAGIC - 1, s->admin.public, 32);
    backup_reader_init(&t->reader, NULL, NULL);
    if (backup_reader_head(&t->reader, head, s->admin.public) != BACKUP_MORE ||
        backup_reader_take(&t->reader, (struct slice){s->manifest.data, s->manifest.len}) != BACKUP_MORE)
        return error_set(error, "%s/manifest: %s", t->config->dir, t->reader.problem);
    s->ask.replica = from;
    s->ask.number = 1;
    crypto_random(s->ask.session.bytes, sizeof s->ask.session.bytes);
    s->ask.asked_us = clock_ms(CLOCK_REALTIME) * 1000;
    s->ask.until_us = s->ask.asked_us + FRESH_US;
    struct slice request = request_make(s, bytes, sizeof bytes);
    if (backup_reader_take(&t->reader, request) != BACKUP_MORE)
        return error_set(error, "%s/admin.key: %s", t->config->dir, t->reader.problem);
    return backup_file_put(&s->file, head, sizeof head, error) ||
                   backup_file_frame(&s->file, (struct slice){s->manifest.data, s->manifest.len}, error) ||
                   backup_file_frame(&s->file, request, error)
               ? -1
               : 0;
}

static int attempt(struct session *s, replica_id from, struct error *error)
{
    struct backup_taking *t = s->t;
    for (replica_id r = 0; r < t->config->replicas; r++)
        link_open(&s->link[r], &t->config->replica[r].client);
    int result = s->link[from].fd >= 0 ? backup_file_create(&s->file, t->path, t->force, error)
                                       : error_set(error, "replica %u: it does not answer", from);
    if (result == 0) {
        result = begin(s, from, error);
        s->done = false;
        s->heard_ms = clock_ms(CLOCK_MONOTONIC);
        if (result == 0) {
            ask_configuration(s);
            ask(s, true);
        }
        while (result == 0 && !s->done)
            result = turn(s, error);
        if (result == 0 && t->reader.time_us + BACKUP_SLACK_US < s->ask.asked_us)
            result =
                error_set(error,
                          "replica %u: its state is stale: of %llu s before the request; it may be cut off "
                          "from the others",
                          from, (unsigned long long)((s->ask.asked_us - t->reader.time_us) / 1000000));
        if (result == 0)
            result = backup_file_finish(&s->file, t->force, error);
        else
            backup_file_drop(&s->file);
    }
    for (replica_id r = 0; r < t->config->replicas; r++)
        link_close(&s->link[r]);
    free((void *)(uintptr_t)s->held.data);
    s->held = (struct slice){NULL, 0};
    t->bytes = s->file.bytes;
    t->gave = from;
    return result;
}

/* The group keys that are attached are nobody's business here, and no signature covers them. */
static int manifest_strip(struct file *manifest, const char *path, struct error *error)
{
    struct frame frame;
    if (!frame_decode(manifest->data, manifest->len, &frame))
        return error_set(error, "%s: not a manifest", path);
    uint8_t *bare = malloc(manifest->len);
    CHECK(bare && "out of memory");
    size_t len = frame_strip(bare, manifest->len, &frame);
    file_free(manifest);
    *manifest = (struct file){bare, len};
    return 0;
}

/* Failing of the local file is nothing that another replica mends. */
static bool local_failure(const struct backup_taking *t, const struct error *error)
{
    return strncmp(error->text, t->path, strlen(t->path)) == 0;
}

int backup_take(struct backup_taking *t, struct error *error)
{
    struct session *s = calloc(1, sizeof *s);
    char path[PATH_BYTES];
    CHECK(s && "out of memory");
    s->t = t;
    s->file.fd = -1;
    int result = admin_key_read(&s->admin, t->config->dir, error);
    if (result == 0)
        result = backup_public_read(s->ask.backup_public.bytes, t->config->dir, error);
    if (result == 0 && !path_make(path, "%s/manifest", t->config->dir))
        result = error_set(error, "%s: name too long", t->config->dir);
    if (result == 0)
        result = file_read(&s->manifest, path, FRAME_MAX, error);
    if (result == 0)
        result = manifest_strip(&s->manifest, path, error);
    if (result == 0 && !t->force && file_exists(t->path))
        result = error_set(error, "%s: it exists: nothing was changed (--force replaces it)", t->path);
    replica_id last = t->config->replicas - 1;
    for (replica_id i = 0; result == 0; i++) {
        result = attempt(s, t->from < REPLICAS_MAX ? t->from : last - i, error);
        if (result == 0 || t->from < REPLICAS_MAX || i == last || local_failure(t, error))
            break;
        if (t->warn)
            t->warn(error->text);
        result = 0;
    }
    file_free(&s->manifest);
    crypto_wipe(s, sizeof *s);
    free(s);
    return result;
}
