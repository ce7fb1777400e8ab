#include "fake_replicas.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "keys.h"

#define CONNECTIONS_MAX 1024
#define IN_BYTES        (FRAME_MAX + 65536u)

struct connection {
    int fd;
    replica_id replica;
    uint8_t *in;
    size_t in_len;
};

struct session {
    bool known;
    uint8_t public[32];
    struct secret_key content, reply[FAKE_N];
};

struct server {
    struct fake_replicas *replicas;
    struct connection connection[CONNECTIONS_MAX];
    int count;
    struct session session[ORIGINS_MAX];
    uint64_t nonce;
    uint8_t plain[FRAME_MAX], results[FRAME_MAX], out[FRAME_MAX + 4];
};

/* ------------------------------------------------------------------------------------------------ folder */

static void write_text(const char *dir, const char *name, const void *data, size_t len, mode_t mode)
{
    char path[256];
    struct error error;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    CHECK(file_write(path, data, len, mode, &error) == 0);
}

static void endpoints_write(struct fake_replicas *f)
{
    char text[1024];
    int len = snprintf(text, sizeof text, "{\"ca\":null,\"replicas\":[");
    for (unsigned r = 0; r < FAKE_N; r++)
        len += snprintf(text + len, sizeof text - (size_t)len,
                        "%s{\"id\":%u,\"peer\":null,\"client\":\"127.0.0.1:%u\"}", r ? ",\n" : "", r,
                        f->port[r]);
    len += snprintf(text + len, sizeof text - (size_t)len, "]}\n");
    write_text(f->dir, "endpoints.json", text, (size_t)len, 0644);
}

static void manifest_write(struct fake_replicas *f)
{
    static uint8_t members[4096], origins[256 * 1024], body[300 * 1024], out[320 * 1024];
    struct writer m = writer_to(members, sizeof members);
    struct writer o = writer_to(origins, sizeof origins);
    struct writer b = writer_to(body, sizeof body);
    for (uint32_t r = 0; r < FAKE_N; r++)
        for (uint32_t kind = KIND_HOST; kind <= KIND_EXECUTION; kind++) {
            struct member member = {.replica = r, .kind = kind, .epoch = 1};
            memcpy(member.box_public.bytes, f->execution[r].public, 32);
            member_put(&m, &member);
        }
    for (uint32_t i = 0; i < f->origins; i++) {
        struct client_keys keys;
        struct error error;
        struct origin_entry entry = {.id = i, .access = ACCESS_READ | ACCESS_WRITE};
        CHECK(client_keys_read(&keys, f->dir, i, &error) == 0);
        memcpy(entry.sign_public.bytes, keys.sign.public, 32);
        memcpy(entry.box_public.bytes, keys.box.public, 32);
        origin_entry_put(&o, &entry);
    }
    struct start start = {.cluster = f->cluster,
                          .protocol = PROTOCOL_SPLITBFT,
                          .pillars = 1,
                          .fast_reads = 1,
                          .faults = 1,
                          .configuration = 1,
                          .replicas = FAKE_N,
                          .write_quorum = 3,
                          .read_quorum = 3,
                          .view_timeout_us = 1000000,
                          .members = {members, m.len},
                          .origins = {origins, o.len}};
    memcpy(start.group_public.bytes, f->group.public, 32);
    start_put(&b, &start);
    CHECK(!m.bad && !o.bad && !b.bad);
    struct frame frame = {.type = FRAME_START, .sender = {.kind = KIND_ADMIN}, .body = {body, b.len}};
    struct auth auth = {.sign = f->admin};
    struct digest content;
    uint8_t signature[SIGNATURE_BYTES];
    configuration_content(&frame, &content);
    auth_sign_content(&auth, &content, signature);
    size_t len = frame_encode(out, sizeof out, FRAME_START, &frame.sender, AUTH_SIGNATURE, frame.body,
                              (struct slice){signature, sizeof signature}, (struct slice){NULL, 0});
    CHECK(len);
    write_text(f->dir, "manifest", out, len, 0644);
}

void fake_replicas_write(struct fake_replicas *f)
{
    endpoints_write(f);
    manifest_write(f);
}

/* ------------------------------------------------------------------------------------------------ replicas */

static void session_open(struct server *s, const struct frame *frame, const struct bundle *bundle)
{
    struct session *session = &s->session[frame->sender.id];
    struct fake_replicas *f = s->replicas;
    struct secret_key shared;
    if (session->known && memcmp(session->public, bundle->session_public.bytes, 32) == 0)
        return;
    session->known = true;
    memcpy(session->public, bundle->session_public.bytes, 32);
    CHECK(box_agree(&shared, &f->group, session->public));
    key_derive(&session->content, &shared, "redoubt content", f->cluster.bytes, 16);
    for (unsigned r = 0; r < FAKE_N; r++) {
        CHECK(box_agree(&shared, &f->execution[r], session->public));
        key_derive(&session->reply[r], &shared, "redoubt reply", f->cluster.bytes, 16);
    }
}

static size_t echo(struct server *s, replica_id replica, const struct digest *bundle, size_t plain_len)
{
    bool full = digest_prefix(bundle) % FAKE_N == replica;
    bool lie = (atomic_load(&s->replicas->lying) >> replica & 1) != 0;
    struct reader r = reader_of(s->plain, plain_len);
    struct writer w = writer_to(s->results, sizeof s->results);
    while (reader_left(&r)) {
        struct slice op = get_slice(&r);
        struct digest digest;
        if (lie)
            op.len /= 2;
        bool digested = !full && op.len > RESULT_SHORT;
        if (digested)
            digest_of(&digest, RESULT_TAG, op.data, op.len);
        put_u8(&w, 0);
        put_u8(&w, digested ? RESULT_DIGEST : RESULT_FULL);
        put_slice(&w, digested ? (struct slice){digest.bytes, 32} : op);
    }
    CHECK(!r.bad && !w.bad);
    return w.len;
}

static void send_all(int fd, const uint8_t *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = send(fd, data + at, len - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return;
        at += n > 0 ? (size_t)n : 0;
    }
}

static void answer(struct server *s, struct connection *c, const struct frame *frame)
{
    struct bundle bundle;
    uint8_t nonce[12], ad[128];
    if (frame->type != FRAME_BUNDLE || atomic_load(&s->replicas->silent) >> c->replica & 1)
        return;
    CHECK(bundle_check(frame, &bundle) == VERDICT_ACCEPT);
    session_open(s, frame, &bundle);
    struct session *session = &s->session[frame->sender.id];
    bundle_nonce(nonce, bundle.bundle_no);
    bundle_ad(ad, frame->sender.id, frame->sender.epoch, bundle.bundle_no);
    CHECK(
        aead_open(s->plain, &session->content, nonce, ad, 20, frame->attachment.data, frame->attachment.len));
    struct digest digest;
    auth_content(&s->replicas->cluster, frame->type, &frame->sender, frame->body, &digest);
    size_t len = echo(s, c->replica, &digest, frame->attachment.len - AEAD_TAG_BYTES);
    struct sender self = {.kind = KIND_EXECUTION, .id = c->replica, .epoch = 1};
    struct reply reply = {.origin = frame->sender.id,
                          .epoch = frame->sender.epoch,
                          .bundle_no = bundle.bundle_no,
                          .configuration = 1,
                          .slot = bundle.bundle_no,
                          .nonce = ++s->nonce};
    struct writer w = writer_to(ad, sizeof ad);
    put_u8(&w, KIND_EXECUTION);
    put_u32(&w, c->replica);
    put_u64(&w, 1);
    reply_put(&w, &reply);
    reply_nonce(nonce, reply.nonce);
    aead_seal(s->results, &session->reply[c->replica], nonce, ad, w.len, s->results, len);
    size_t whole = frame_encode(s->out + 4, FRAME_MAX, FRAME_REPLY, &self, AUTH_NONE,
                                (struct slice){ad + 13, w.len - 13}, (struct slice){NULL, 0},
                                (struct slice){s->results, len + AEAD_TAG_BYTES});
    CHECK(whole);
    for (int i = 0; i < 4; i++)
        s->out[i] = (uint8_t)(whole >> (8 * i));
    send_all(c->fd, s->out, whole + 4);
}

/* What has arrived whole, from `at` on. Returns where the rest begins. */
static size_t answer_all(struct server *s, struct connection *c, size_t at)
{
    if (c->in_len - at < 4)
        return at;
    uint32_t len = (uint32_t)c->in[at] | (uint32_t)c->in[at + 1] << 8 | (uint32_t)c->in[at + 2] << 16 |
                   (uint32_t)c->in[at + 3] << 24;
    struct frame frame;
    if (c->in_len - at - 4 < len)
        return at;
    CHECK(frame_decode(c->in + at + 4, len, &frame));
    bool backwards = atomic_load(&s->replicas->backwards);
    size_t end = backwards ? answer_all(s, c, at + 4 + len) : 0;
    answer(s, c, &frame);
    return backwards ? end : answer_all(s, c, at + 4 + len);
}

static bool connection_read(struct server *s, struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_len, IN_BYTES - c->in_len, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    if (n == 0)
        return false;
    if (atomic_load(&s->replicas->garbage) >> c->replica & 1) {
        send_all(c->fd, (const uint8_t *)"HTTP/1.1 400 Bad Request\r\n\r\n", 28);
        return false;
    }
    c->in_len += (size_t)n;
    size_t at = answer_all(s, c, 0);
    memmove(c->in, c->in + at, c->in_len - at);
    c->in_len -= at;
    return true;
}

static void connection_drop(struct server *s, int i)
{
    close(s->connection[i].fd);
    free(s->connection[i].in);
    s->connection[i] = s->connection[--s->count];
}

static void *serve(void *argument)
{
    struct server *s = argument;
    struct fake_replicas *f = s->replicas;
    while (!atomic_load(&f->stopping)) {
        struct pollfd fds[FAKE_N + CONNECTIONS_MAX];
        int count = s->count;
        for (unsigned r = 0; r < FAKE_N; r++)
            fds[r] = (struct pollfd){.fd = f->listener[r], .events = POLLIN};
        for (int i = 0; i < count; i++)
            fds[FAKE_N + (unsigned)i] = (struct pollfd){.fd = s->connection[i].fd, .events = POLLIN};
        poll(fds, FAKE_N + (nfds_t)count, 20);
        for (int i = count; i-- > 0;)
            if (fds[FAKE_N + (unsigned)i].revents && !connection_read(s, &s->connection[i]))
                connection_drop(s, i);
        if (atomic_exchange(&f->hang_up, false))
            while (s->count)
                connection_drop(s, 0);
        for (unsigned r = 0; r < FAKE_N; r++) {
            int one = 1;
            int fd = fds[r].revents ? accept(f->listener[r], NULL, NULL) : -1;
            if (fd < 0)
                continue;
            CHECK(s->count < CONNECTIONS_MAX);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            s->connection[s->count++] = (struct connection){.fd = fd, .replica = r, .in = malloc(IN_BYTES)};
        }
    }
    while (s->count)
        connection_drop(s, 0);
    free(s);
    return NULL;
}

static void listen_on(struct fake_replicas *f, unsigned r)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    f->listener[r] = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(f->listener[r], (struct sockaddr *)&address, len) == 0 && listen(f->listener[r], 512) == 0);
    CHECK(getsockname(f->listener[r], (struct sockaddr *)&address, &len) == 0);
    f->port[r] = ntohs(address.sin_port);
}

struct fake_replicas *fake_replicas_new(uint32_t origins)
{
    struct fake_replicas *f = calloc(1, sizeof *f);
    char path[128];
    CHECK(crypto_start() == 0);
    f->origins = origins;
    snprintf(f->dir, sizeof f->dir, "/tmp/redoubt-client-XXXXXX");
    CHECK(mkdtemp(f->dir) != NULL);
    snprintf(path, sizeof path, "%s/clients", f->dir);
    CHECK(mkdir(path, 0700) == 0);
    sign_keypair(&f->admin);
    box_keypair(&f->group);
    crypto_random(f->cluster.bytes, 16);
    write_text(f->dir, "admin.pub", f->admin.public, 32, 0644);
    for (unsigned r = 0; r < FAKE_N; r++) {
        box_keypair(&f->execution[r]);
        listen_on(f, r);
    }
    for (uint32_t i = 0; i < origins; i++) {
        struct client_keys keys;
        struct error error;
        CHECK(client_keys_make(&keys, f->dir, i, &error) == 0);
    }
    fake_replicas_write(f);
    struct server *server = calloc(1, sizeof *server);
    server->replicas = f;
    CHECK(pthread_create(&f->thread, NULL, serve, server) == 0);
    return f;
}

void fake_replicas_free(struct fake_replicas *f)
{
    char command[128];
    atomic_store(&f->stopping, true);
    pthread_join(f->thread, NULL);
    for (unsigned r = 0; r < FAKE_N; r++)
        close(f->listener[r]);
    snprintf(command, sizeof command, "rm -rf %s", f->dir);
    CHECK(system(command) == 0);
    free(f);
}
