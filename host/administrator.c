#include "administrator.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "keys.h"
#include "ordering/auth.h"
#include "sockets.h"

#define ASK_MS   250u
#define RETRY_MS 500u

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---------------------------------------------------------------- lifecycle */

int administrator_lock(const char *dir, struct error *error)
{
    char path[PATH_BYTES];
    if (!path_make(path, "%s/admin.key", dir))
        return error_set(error, "%s: name too long", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_set(error, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    if (errno == EWOULDBLOCK)
        error_set(error, "%s: another command is changing the members of this cluster", dir);
    else
        error_set(error, "%s: %s", path, strerror(errno));
    close(fd);
    return -1;
}

static int known_read(struct administrator *a, bool any_size, struct error *error)
{
    char path[PATH_BYTES];
    struct frame start;
    if (!path_make(path, "%s/manifest", a->config.dir))
        return error_set(error, "%s: name too long", a->config.dir);
    if (!file_exists(path))
        return error_set(error, "%s: there is none: this is about a cluster that runs", path);
    if (manifest_read(a->held, &start, &a->manifest, path, a->key.public, error))
        return -1;
    if (a->held->replicas != a->config.replicas && !any_size)
        return error_set(error,
                         "%s: it has %u replicas, and cluster.yaml %u: run the `redoubt add` or `redoubt "
                         "remove` that was begun to its end",
                         path, a->held->replicas, a->config.replicas);
    members_follow(&a->members, a->held);
    return path_make(path, "%s/members", a->config.dir) ? members_read(&a->members, path, error) : -1;
}

int administrator_open(struct administrator *a, const char *dir, bool any_size, struct error *error)
{
    memset(a, 0, sizeof *a);
    a->lock = -1;
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        a->link[r].fd = -1;
    a->held = calloc(1, sizeof *a->held);
    CHECK(a->held && "out of memory");
    if (config_read(&a->config, dir, error))
        return -1;
    a->lock = administrator_lock(dir, error);
    return a->lock < 0 || admin_key_read(&a->key, dir, error) || known_read(a, any_size, error) ? -1 : 0;
}

static void link_drop(struct administrator *a, replica_id r)
{
    if (a->link[r].fd >= 0)
        close(a->link[r].fd);
    a->link[r].fd = -1;
    a->link[r].up = false;
    a->link[r].in.len = 0;
    a->link[r].retry_ms = now_ms() + RETRY_MS;
}

void administrator_close(struct administrator *a)
{
    for (replica_id r = 0; r < REPLICAS_MAX; r++) {
        link_drop(a, r);
        buffer_free(&a->link[r].in);
    }
    buffer_free(&a->closing);
    file_free(&a->manifest);
    free(a->held);
    if (a->lock >= 0)
        close(a->lock);
    crypto_wipe(&a->key, sizeof a->key);
}

/* ---------------------------------------------------------------- links */

/* Where it is by what is known best: the chain, then DIR/members, then cluster.yaml. */
static struct address client_of(const struct administrator *a, replica_id r)
{
    struct address address = a->config.replica[r].client;
    const struct host_keys *later = &a->members.host[r];
    if (a->held->host[r].epoch > later->epoch)
        later = &a->held->host[r];
    if (*later->client)
        (void)address_read(&address, later->client);
    return address;
}

static void link_connect(struct administrator *a, replica_id r)
{
    struct address address = client_of(a, r);
    struct socket_address at;
    a->link[r].retry_ms = now_ms() + RETRY_MS;
    if (socket_resolve(&at, &address, false) != 0)
        return;
    int fd = socket(at.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    a->link[r].fd = fd;
    if (connect(fd, (struct sockaddr *)&at.storage, at.len) != 0 && errno != EINPROGRESS)
        link_drop(a, r);
}

/* What does not fit the socket's buffer is lost with the connection: it is said again anyway. */
static void link_send(struct administrator *a, replica_id r, struct slice frame)
{
    struct buffer out = {0};
    if (a->link[r].fd < 0 || !a->link[r].up)
        return;
    frame_append(&out, &frame, 1);
    if (send(a->link[r].fd, buffer_data(&out), out.len, MSG_NOSIGNAL) != (ssize_t)out.len)
        link_drop(a, r);
    buffer_free(&out);
}

static void ask(struct administrator *a)
{
    uint8_t body[8], bytes[64];
    struct sender self = {.kind = KIND_ADMIN};
    struct writer w = writer_to(body, sizeof body);
    if (now_ms() < a->asked_ms + ASK_MS)
        return;
    a->asked_ms = now_ms();
    ask_chain_put(&w, &(struct ask_chain){.number = a->held->number});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_ASK_CONFIGURATION, &self, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    for (replica_id r = 0; r < a->held->replicas; r++)
        link_send(a, r, (struct slice){bytes, len});
}

static void take_configuration(struct administrator *a, const struct frame *frame)
{
    slot_no slot;
    struct digest root;
    (void)configuration_follow(a->held, frame);
    if (a->closing.len == 0 && configuration_closed(a->held, frame, &slot, &root))
        frame_append(&a->closing, &frame->whole, 1);
}

static void link_read(struct administrator *a, replica_id r)
{
    struct buffer *in = &a->link[r].in;
    struct slice bytes;
    struct frame frame;
    size_t at = 0;
    uint8_t *to = buffer_reserve(in, 65536);
    ssize_t n = recv(a->link[r].fd, to, 65536, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            link_drop(a, r);
        return;
    }
    buffer_commit(in, (size_t)n);
    enum split split;
    while ((split = frame_split(buffer_data(in), in->len, FRAME_MAX, &at, &bytes)) == SPLIT_FRAME)
        if (frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_CONFIGURATION)
            take_configuration(a, &frame);
    if (split == SPLIT_GARBAGE)
        link_drop(a, r);
    else if (at)
        buffer_consume(in, at);
}

static void link_event(struct administrator *a, replica_id r)
{
    int failed = 0;
    socklen_t len = sizeof failed;
    if (a->link[r].up) {
        link_read(a, r);
        return;
    }
    getsockopt(a->link[r].fd, SOL_SOCKET, SO_ERROR, &failed, &len);
    if (failed)
        link_drop(a, r);
    else
        a->link[r].up = true;
}

static void turn(struct administrator *a, int wait_ms)
{
    struct pollfd fds[REPLICAS_MAX];
    replica_id who[REPLICAS_MAX];
    nfds_t count = 0;
    for (replica_id r = 0; r < a->held->replicas; r++) {
        if (a->link[r].fd < 0 && now_ms() >= a->link[r].retry_ms)
            link_connect(a, r);
        if (a->link[r].fd < 0)
            continue;
        who[count] = r;
        fds[count++] = (struct pollfd){a->link[r].fd, a->link[r].up ? POLLIN : POLLOUT, 0};
    }
    ask(a);
    if (poll(fds, count, wait_ms) <= 0)
        return;
    for (nfds_t i = 0; i < count; i++)
        if (fds[i].revents && a->link[who[i]].fd == fds[i].fd)
            link_event(a, who[i]);
}

void administrator_attend(struct administrator *a, unsigned ms)
{
    uint64_t end = now_ms() + ms;
    configuration_no before = a->held->number;
    while (a->held->number == before && now_ms() < end)
        turn(a, 20);
}

uint32_t administrator_reached(const struct administrator *a)
{
    uint32_t bits = 0;
    for (replica_id r = 0; r < a->held->replicas; r++)
        bits |= a->link[r].up ? 1u << r : 0;
    return bits;
}

/* ---------------------------------------------------------------- acting */

static void reconfig_sign(const struct administrator *a, struct slice bare,
                          uint8_t signature[SIGNATURE_BYTES])
{
    struct digest_state state;
    struct digest content;
    struct auth *auth = calloc(1, sizeof *auth);
    CHECK(auth && "out of memory");
    digest_begin(&state, RECONFIG_TAG);
    digest_add(&state, a->held->cluster.bytes, sizeof a->held->cluster.bytes);
    digest_add(&state, bare.data, bare.len);
    digest_end(&state, &content);
    auth->sign = a->key;
    auth_sign_content(auth, &content, signature);
    crypto_wipe(auth, sizeof *auth);
    free(auth);
}

static struct slice text_slice(const char *text)
{
    return (struct slice){(const uint8_t *)text, strlen(text)};
}

/* Signs it and shows it to every replica that can be reached. */
static void order(struct administrator *a, struct reconfig *reconfig)
{
    uint8_t body[RECONFIG_BYTES_MAX], bytes[RECONFIG_BYTES_MAX + 64], signature[SIGNATURE_BYTES];
    struct sender admin = {.kind = KIND_ADMIN};
    reconfig->configuration = configuration_ordered(a->held);
    struct writer bare = writer_to(body, sizeof body);
    reconfig_put(&bare, reconfig);
    reconfig_sign(a, (struct slice){body, bare.len}, signature);
    reconfig->signature = (struct slice){signature, sizeof signature};
    struct writer w = writer_to(body, sizeof body);
    reconfig_put(&w, reconfig);
    CHECK(!w.bad);
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_RECONFIG, &admin, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    CHECK(len > 0);
    for (replica_id r = 0; r < a->held->replicas; r++)
        link_send(a, r, (struct slice){bytes, len});
}

void administrator_reconfigure(struct administrator *a, replica_id replica, uint64_t attempt,
                               struct slice members, const char *peer, const char *client)
{
    order(a, &(struct reconfig){.replica = replica,
                                .attempt = attempt,
                                .members = members,
                                .peer = text_slice(peer),
                                .client = text_slice(client)});
}

void administrator_close_for(struct administrator *a, uint32_t size, uint64_t attempt)
{
    order(a, &(struct reconfig){.attempt = attempt, .size = size});
}

int administrator_save(struct administrator *a, struct error *error)
{
    char path[PATH_BYTES];
    members_follow(&a->members, a->held);
    return path_make(path, "%s/members", a->config.dir)
               ? members_write(&a->members, path, error)
               : error_set(error, "%s: name too long", a->config.dir);
}
