#include "troxy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "keys.h"
#include "log.h"
#include "troxy/troxy.h"

#define OVERFLOW_MAX     (64u * 1024u * 1024u)
#define PAUSE_BYTES      (4u * 1024u * 1024u)
#define BACKOFF_LEAST_MS 1000u
#define BACKOFF_MOST_MS  60000u
#define HANDSHAKE_MS     10000u
#define OUTPUT_MS        30000u
#define PEM_MAX          65536u

static const struct slice nothing = {NULL, 0};

/* ---------------------------------------------------------------- frames to it */

static void give(void *context, const struct slice *parts, unsigned count)
{
    struct troxy *t = context;
    uint32_t len = 0;
    if (!t->compartment)
        return;
    if (t->overflow.len == 0 && compartment_give(t->compartment, parts, count, false)) {
        t->given = true;
        return;
    }
    for (unsigned i = 0; i < count; i++)
        len += (uint32_t)parts[i].len;
    if (t->overflow.len + len > OVERFLOW_MAX) {
        t->dropped++; /* doors are paused long before that; what replicas say is said again */
        LOG_LIMITED(LOG_WARNING, "%s does not keep up: frames are dropped", kind_name(KIND_TROXY));
        return;
    }
    buffer_append(&t->overflow, &len, sizeof len);
    for (unsigned i = 0; i < count; i++)
        buffer_append(&t->overflow, parts[i].data, parts[i].len);
}

static bool overflow_drain(struct troxy *t)
{
    bool moved = false;
    while (t->overflow.len > 0) {
        uint32_t len;
        memcpy(&len, buffer_data(&t->overflow), sizeof len);
        struct slice frame = {buffer_data(&t->overflow) + sizeof len, len};
        if (!compartment_give(t->compartment, &frame, 1, false))
            break;
        buffer_consume(&t->overflow, sizeof len + len);
        t->given = moved = true;
    }
    return moved;
}

static void tell(struct troxy *t, enum frame_type type, struct slice body, struct slice attachment)
{
    uint8_t head[FRAME_HEADER_BYTES + 16];
    const struct frame frame = {
        .type = type, .sender = {.kind = KIND_HOST}, .auth_kind = AUTH_NONE, .body = body};
    size_t len = frame_head(head, sizeof head, &frame, attachment.len);
    const struct slice parts[] = {{head, len}, attachment};
    CHECK(len > 0);
    if (len + attachment.len <= FRAME_MAX)
        give(t, parts, attachment.len ? 2 : 1);
}

static void on_link(void *context, replica_id replica, bool up)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    local_link_put(&w, &(struct local_link){.replica = replica, .up = up});
    tell(context, FRAME_LOCAL_LINK, (struct slice){body, w.len}, nothing);
}

static void on_arrived(void *context, replica_id replica, struct slice frame)
{
    uint8_t body[4];
    struct writer w = writer_to(body, sizeof body);
    local_arrived_put(&w, &(struct local_arrived){.replica = replica});
    tell(context, FRAME_LOCAL_ARRIVED, (struct slice){body, w.len}, frame);
}

static void tick(struct troxy *t)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    local_tick_put(&w, &(struct local_tick){.at_us = 0});
    tell(t, FRAME_LOCAL_TICK, (struct slice){body, w.len}, nothing);
}

void troxy_poke(struct troxy *t)
{
    tick(t);
}

/* ---------------------------------------------------------------- frames from it */

static void on_wake(uv_timer_t *timer)
{
    tick(timer->data);
}

static void on_wish(struct troxy *t, const struct frame *frame, uint64_t now_us)
{
    struct local_tick m;
    if (local_tick_decode(frame->body, &m) && m.at_us < UINT64_MAX)
        uv_timer_start(&t->wake, on_wake, m.at_us > now_us ? (m.at_us - now_us + 999) / 1000 : 0, 0);
}

static void on_told(struct troxy *t, const struct frame *frame)
{
    struct local_front before = t->told, m;
    if (!local_front_decode(frame->body, &m))
        return;
    t->told = m;
    if (m.listed && m.ready && !before.ready)
        LOG_LIMITED(LOG_INFO, "%s", "front: serving");
    if (m.listed && !m.ready && before.ready)
        LOG_LIMITED(LOG_WARNING, "%s", "front: no quorum is reached");
    if (!m.listed && t->config)
        LOG_LIMITED(LOG_ERROR, "front: the manifest lists no client with the keys of %s: it cannot serve",
                    t->options.origin_key);
    if (m.taken == 1 && before.taken != 1)
        LOG_LIMITED(LOG_INFO, "%s", "front: another certificate is in use");
    if (m.taken > 1 && m.taken != before.taken)
        LOG_LIMITED(LOG_ERROR, "%s", "front: the new certificate was refused");
}

static void on_send(struct troxy *t, const struct frame *frame)
{
    struct local_send m;
    if (local_send_decode(frame->body, &m))
        reach_send(&t->reach, m.replica, frame->attachment);
}

static void on_frame(struct troxy *t, struct slice bytes, uint64_t now_us)
{
    struct frame frame;
    if (!frame_decode(bytes.data, bytes.len, &frame) || (t->doors.open && doors_on_frame(&t->doors, &frame)))
        return;
    switch (frame.type) {
    case FRAME_LOCAL_SEND:
        on_send(t, &frame);
        break;
    case FRAME_LOCAL_TICK:
        on_wish(t, &frame, now_us);
        break;
    case FRAME_LOCAL_FRONT:
        on_told(t, &frame);
        break;
    default:
        break; /* it may have been taken over; then it says what it likes */
    }
}

/* ---------------------------------------------------------------- turns */

bool troxy_turn(struct troxy *t, uint64_t now_us)
{
    struct slice frame;
    bool any = false;
    if (!t->compartment)
        return false;
    overflow_drain(t);
    while (compartment_take(t->compartment, &frame)) {
        any = true;
        on_frame(t, frame, now_us);
    }
    if (t->given) {
        t->given = false;
        any = true;
        compartment_kick(t->compartment, now_us);
    }
    return any;
}

void troxy_flush(struct troxy *t)
{
    if (!t->doors.open)
        return;
    reach_flush(&t->reach);
    doors_flush(&t->doors);
    doors_pause(&t->doors, t->overflow.len > PAUSE_BYTES);
    if (t->reach.open)
        reach_pause(&t->reach, t->overflow.len > 2 * PAUSE_BYTES);
}

bool troxy_before_poll(struct troxy *t)
{
    return t->compartment && (compartment_before_poll(t->compartment) || t->given);
}

void troxy_after_poll(struct troxy *t)
{
    if (t->compartment)
        compartment_after_poll(t->compartment);
}

static void on_event(uv_poll_t *poll, int status, int events)
{
    /* That the loop turns is enough; whether it lives is looked at in troxy_second. */
    (void)poll, (void)status, (void)events;
}

static uv_poll_t *watch(struct troxy *t, int fd)
{
    uv_poll_t *poll = fd >= 0 ? calloc(1, sizeof *poll) : NULL;
    if (poll && uv_poll_init(t->loop, poll, fd) != 0) {
        free(poll);
        return NULL;
    }
    if (poll)
        uv_poll_start(poll, UV_READABLE, on_event);
    return poll;
}

static void on_unwatched(uv_handle_t *handle)
{
    free(handle);
}

static void unwatch(uv_poll_t **poll)
{
    if (*poll)
        uv_close((uv_handle_t *)*poll, on_unwatched);
    *poll = NULL;
}

/* ---------------------------------------------------------------- starting */

/* A Troxy that replicas have forgotten goes on under the next epoch, at most every ten seconds: so many may have been used since the last
 * one was written down, and a clock that was set back does not make up for them. */
#define EPOCHS_RENEWED (1u << 20)

/* The rule of native clients: one holder of the key at a time, and an epoch above all that were used. */
static int epoch_take(struct troxy *t, uint64_t *epoch, struct error *error)
{
    char path[PATH_BYTES];
    struct timespec now;
    uint64_t last = 0;
    const char *key = t->options.origin_key;
    if (t->lock < 0) {
        t->lock = open(key, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (t->lock < 0)
            return error_set(error, "%s: %s", key, strerror(errno));
        if (flock(t->lock, LOCK_EX | LOCK_NB) != 0)
            return error_set(error, "%s: in use by another process", key);
    }
    if (!path_make(path, "%s.epoch", key))
        return error_set(error, "%s: name too long", key);
    if (file_read_number(&last, path, UINT64_MAX - EPOCHS_RENEWED - 1, error))
        return -1;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t clock_us = (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
    *epoch = clock_us > last + EPOCHS_RENEWED ? clock_us : last + EPOCHS_RENEWED;
    return file_write_number(path, *epoch, 0600, error);
}

static int read_optional(struct file *file, const char *path, struct error *error)
{
    file_free(file);
    *file = (struct file){NULL, 0};
    return *path ? file_read(file, path, PEM_MAX, error) : 0;
}

enum { USER_BYTES = 128 }; /* of one in the settings, at most */

/* Sets `users`, whose bytes are the caller's to free. */
static uint8_t *users_make(const struct troxy_options *o, struct slice *users)
{
    size_t max = (size_t)o->user_count * USER_BYTES;
    uint8_t *bytes = malloc(max + 1);
    CHECK(bytes && "out of memory");
    struct writer w = writer_to(bytes, max);
    for (uint32_t i = 0; i < o->user_count; i++) {
        const struct user_config *from = &o->users[i];
        struct front_user user = {.name = {(const uint8_t *)from->name, strlen(from->name)}};
        memcpy(user.salt.bytes, from->salt, sizeof from->salt);
        memcpy(user.hash.bytes, from->hash, sizeof from->hash);
        front_user_put(&w, &user);
    }
    CHECK(!w.bad);
    *users = (struct slice){bytes, w.len};
    return bytes;
}

static int settings_make(struct troxy *t, struct slice *bytes, struct error *error)
{
    const struct troxy_options *o = &t->options;
    struct front_settings s = {.handshake_ms = HANDSHAKE_MS,
                               .request_ms = o->request_ms,
                               .output_ms = OUTPUT_MS,
                               .idle_ms = o->idle_ms,
                               .operation_ms = o->operation_ms};
    if (read_optional(&t->certificate, o->tls_certificate, error) ||
        read_optional(&t->client_ca, o->client_ca, error) ||
        (*o->origin_key && epoch_take(t, &s.origin_epoch, error)))
        return -1;
    s.certificate = (struct slice){t->certificate.data, t->certificate.len};
    s.client_ca = (struct slice){t->client_ca.data, t->client_ca.len};
    uint8_t *users = users_make(o, &s.users);
    size_t max = 256 + s.certificate.len + s.client_ca.len + s.users.len;
    free(t->settings);
    t->settings = malloc(max);
    CHECK(t->settings && "out of memory");
    struct writer w = writer_to(t->settings, max);
    front_settings_put(&w, &s);
    CHECK(!w.bad);
    free(users);
    *bytes = (struct slice){t->settings, w.len};
    return 0;
}

/* Inline: what the compartment's process would do for itself. */
static int start_make(struct troxy *t, struct slice settings, struct error *error)
{
    const struct troxy_options *o = &t->options;
    struct file key = {NULL, 0};
    const char *why;
    CHECK(front_settings_decode(settings, &t->start.settings));
    t->start.front = o->front;
    t->start.source = o->source;
    if (*o->tls_key) {
        if (file_read_secret(&key, o->tls_key, PEM_MAX, error))
            return -1;
        t->start.tls = tls_server_new(t->start.settings.certificate, (struct slice){key.data, key.len},
                                      t->start.settings.client_ca, &why);
        file_free(&key);
        if (!t->start.tls)
            return error_set(error, "%s, %s: %s", o->tls_certificate, o->tls_key, why);
    }
    if (*o->origin_key) {
        if (file_read_secret(&key, o->origin_key, PEM_MAX, error))
            return -1;
        if (key.len != CLIENT_KEY_BYTES) {
            file_free(&key);
            return error_set(error, "%s: it does not have %u bytes", o->origin_key, CLIENT_KEY_BYTES);
        }
        sign_keypair_from(&t->start.sign, key.data);
        box_keypair_from(&t->start.box, key.data + 32);
        file_free(&key);
    }
    return 0;
}

static int settings_fd(struct slice settings)
{
    int fd = memfd_create("redoubt-settings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (write(fd, settings.data, settings.len) != (ssize_t)settings.len ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* A file of secrets, which is opened here and read there. */
static int secret_open(const char *path, struct error *error)
{
    struct stat st;
    int fd = open(*path ? path : "/dev/null", O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0)
        error_set(error, "%s: %s", path, strerror(errno));
    else if (*path && (st.st_mode & 077) != 0)
        error_set(error, "%s: readable by others (mode %03o): it holds a secret; run `chmod 600` on it", path,
                  (unsigned)(st.st_mode & 0777));
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int given_open(struct troxy *t, struct slice settings, int given[GIVEN_MAX], struct error *error)
{
    given[0] = settings_fd(settings);
    if (given[0] < 0)
        return error_set(error, "troxy: cannot make memory for its settings: %s", strerror(errno));
    given[1] = secret_open(t->options.tls_key, error);
    given[2] = given[1] < 0 ? -1 : secret_open(t->options.origin_key, error);
    return given[2] < 0 ? -1 : 0;
}

static int compartment_begin(struct troxy *t, struct error *error)
{
    const struct troxy_options *o = &t->options;
    struct slice settings;
    char why[512];
    int given[GIVEN_MAX] = {-1, -1, -1};
    struct compartment_spec spec = {.kind = KIND_TROXY,
                                    .isolation = o->isolation,
                                    .type = o->type,
                                    .binary = o->binary,
                                    .given = given,
                                    .config = {.kind = KIND_TROXY,
                                               .replica = o->replica,
                                               .service_options = o->service_options,
                                               .troxy = &t->start},
                                    .memory_bytes = o->type->arena_bytes + o->memory_bytes,
                                    .core = o->core,
                                    .spin = o->spin};
    memcpy(spec.config.admin_public, o->admin_public, 32);
    if (settings_make(t, &settings, error))
        return -1;
    int result = 0;
    if (o->isolation == ISOLATION_PROCESS) {
        spec.given_count = GIVEN_MAX;
        result = given_open(t, settings, given, error);
    } else {
        result = start_make(t, settings, error);
    }
    if (result == 0 && compartment_open(&t->compartment, &spec, why, sizeof why) < 0)
        result = error_set(error, "%s", why);
    for (unsigned i = 0; i < GIVEN_MAX; i++)
        if (given[i] >= 0)
            close(given[i]);
    if (result)
        return -1;
    t->poll = watch(t, compartment_fd(t->compartment));
    t->death = watch(t, compartment_death_fd(t->compartment));
    return 0;
}

int troxy_open(struct troxy *t, uv_loop_t *loop, const struct troxy_options *options,
               const struct config *config, struct error *error)
{
    memset(t, 0, sizeof *t);
    t->options = *options;
    t->loop = loop;
    t->config = config;
    t->lock = -1;
    t->open = true;
    uv_timer_init(loop, &t->wake);
    t->wake.data = t;
    return compartment_begin(t, error);
}

static void begin(struct troxy *t)
{
    if (t->manifest.len) {
        struct slice start = {buffer_data(&t->manifest), t->manifest.len};
        give(t, &start, 1);
        reach_tell(&t->reach);
    }
    tick(t);
}

void troxy_serve(struct troxy *t, struct slice start, const int fd[LISTENERS], const uint16_t port[LISTENERS])
{
    const struct doors_events door_events = {t, give};
    const struct reach_events reach_events = {t, on_arrived, on_link};
    buffer_append(&t->manifest, start.data, start.len);
    if (t->config)
        reach_open(&t->reach, t->loop, t->config, &reach_events);
    begin(t);
    doors_open(&t->doors, t->loop, fd, port, &door_events);
}

/* ---------------------------------------------------------------- death, and again */

static void compartment_end(struct troxy *t)
{
    unwatch(&t->poll);
    unwatch(&t->death);
    compartment_close(t->compartment);
    t->compartment = NULL;
    buffer_free(&t->overflow);
    t->given = false;
    memset(&t->told, 0, sizeof t->told);
    tls_server_free(t->start.tls);
    crypto_wipe(&t->start, sizeof t->start);
    uv_timer_stop(&t->wake);
}

static void died(struct troxy *t)
{
    snprintf(t->obituary, sizeof t->obituary, "%s", compartment_obituary(t->compartment));
    log_line(LOG_ERROR, "the troxy died: %s: its connections end; this replica goes on voting", t->obituary);
    t->deaths++;
    compartment_end(t);
    doors_forget(&t->doors);
    t->backoff_ms = t->backoff_ms ? t->backoff_ms * 2 : BACKOFF_LEAST_MS;
    t->backoff_ms = t->backoff_ms < BACKOFF_MOST_MS ? t->backoff_ms : BACKOFF_MOST_MS;
    t->start_again_ms = uv_now(t->loop) + t->backoff_ms;
}

static void start_again(struct troxy *t)
{
    struct error error;
    t->start_again_ms = 0;
    if (compartment_begin(t, &error) == 0) {
        log_line(LOG_INFO, "the troxy was started again");
        if (t->doors.open)
            begin(t);
        return;
    }
    LOG_LIMITED(LOG_ERROR, "front: %s", error.text);
    compartment_end(t);
    t->start_again_ms = uv_now(t->loop) + BACKOFF_MOST_MS;
}

void troxy_second(struct troxy *t, uint64_t now_us)
{
    (void)now_us;
    if (!t->open)
        return;
    if (t->compartment && !compartment_alive(t->compartment))
        died(t);
    if (!t->compartment && t->start_again_ms && uv_now(t->loop) >= t->start_again_ms)
        start_again(t);
    tick(t);
}

int troxy_reload(struct troxy *t, struct error *error)
{
    const struct troxy_options *o = &t->options;
    struct file key = {NULL, 0};
    if (!t->compartment || !*o->tls_key)
        return error_set(error, "front: there is no certificate in use");
    if (read_optional(&t->certificate, o->tls_certificate, error) ||
        read_optional(&t->client_ca, o->client_ca, error) ||
        file_read_secret(&key, o->tls_key, PEM_MAX, error))
        return -1;
    const struct local_certificate m = {.certificate = {t->certificate.data, t->certificate.len},
                                        .key = {key.data, key.len},
                                        .client_ca = {t->client_ca.data, t->client_ca.len}};
    size_t max = 64 + m.certificate.len + m.key.len + m.client_ca.len;
    uint8_t *frame = malloc(FRAME_HEADER_BYTES + max), *body = malloc(max);
    CHECK(frame && body && "out of memory");
    struct writer w = writer_to(body, max);
    const struct sender host = {.kind = KIND_HOST};
    local_certificate_put(&w, &m);
    size_t len = frame_encode(frame, FRAME_HEADER_BYTES + max, FRAME_LOCAL_CERTIFICATE, &host, AUTH_NONE,
                              (struct slice){body, w.len}, nothing, nothing);
    give(t, &(struct slice){frame, len}, 1);
    t->told.taken = 0;
    crypto_wipe(frame, len);
    crypto_wipe(body, w.len);
    free(frame);
    free(body);
    file_free(&key);
    return 0;
}

void troxy_close(struct troxy *t)
{
    if (!t->open)
        return;
    t->open = false;
    doors_close(&t->doors);
    reach_close(&t->reach);
    compartment_end(t);
    uv_close((uv_handle_t *)&t->wake, NULL);
    buffer_free(&t->manifest);
    file_free(&t->certificate);
    file_free(&t->client_ca);
    free(t->settings);
    t->settings = NULL;
    if (t->lock >= 0)
        close(t->lock);
    t->lock = -1;
}
