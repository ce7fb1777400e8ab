#include "troxy/reception.h"

#include <string.h>

#include "base/check.h"

#define MS           1000u
#define TELL_US      1000000u /* how it is, at most so often */
#define NOTHING_LESS ((struct slice){NULL, 0})

static bool users_read(struct reception *reception, struct slice list, uint32_t *count)
{
    struct reader r = reader_of(list.data, list.len);
    for (*count = 0; reader_left(&r) > 0; ++*count) {
        struct front_user user;
        if (*count == FRONT_USERS_MAX)
            return false;
        front_user_get(&r, &user);
        struct conversation_user *to = &reception->users[*count];
        to->name = user.name;
        memcpy(to->salt, user.salt.bytes, sizeof to->salt);
        memcpy(to->hash, user.hash.bytes, sizeof to->hash);
    }
    return reader_done(&r);
}

bool reception_init(struct reception *reception, struct arena *arena, const struct troxy_start *start,
                    const struct access *access, replica_id replica)
{
    const struct front_settings *s = &start->settings;
    struct front_config config = {
        .arena = arena,
        .service = start->front,
        .access = access,
        .tls = start->tls,
        .options = {.handshake_us = (uint64_t)s->handshake_ms * MS,
                    .request_us = (uint64_t)s->request_ms * MS,
                    .output_us = (uint64_t)s->output_ms * MS,
                    .idle_us = (uint64_t)s->idle_ms * MS,
                    .operation_us = (uint64_t)s->operation_ms * MS},
        .users = reception->users,
        .replica = replica,
    };
    memset(reception, 0, sizeof *reception);
    reception->tls = start->tls;
    reception->wakes_us = UINT64_MAX;
    if (!users_read(reception, s->users, &config.user_count))
        return false;
    front_init(&reception->front, &config);
    return true;
}

static enum verdict on_certificate(struct reception *reception, const struct frame *frame)
{
    struct local_certificate m;
    const char *why;
    if (!local_certificate_decode(frame->body, &m))
        return VERDICT_MALFORMED;
    bool taken = reception->tls && tls_server_change(reception->tls, m.certificate, m.key, m.client_ca, &why);
    reception->taken = taken ? 1 : 2;
    return taken ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}

enum verdict reception_on_frame(struct reception *reception, const struct frame *frame, uint64_t now_us,
                                struct outbox *out)
{
    struct local_tick tick;
    switch (frame->type) {
    case FRAME_LOCAL_TICK: /* that there is a turn is enough */
        return local_tick_decode(frame->body, &tick) ? VERDICT_ACCEPT : VERDICT_MALFORMED;
    case FRAME_LOCAL_CERTIFICATE:
        return on_certificate(reception, frame);
    default:
        return front_on_frame(&reception->front, frame, now_us, out);
    }
}

static void tell_wish(struct reception *reception, uint64_t now_us, uint64_t next_us, struct outbox *out)
{
    uint8_t body[8];
    struct writer w = writer_to(body, sizeof body);
    uint64_t at = front_next_timer(&reception->front);
    at = next_us < at ? next_us : at;
    if (reception->wakes_us <= now_us)
        reception->wakes_us = UINT64_MAX;
    if (at >= reception->wakes_us)
        return; /* it wakes us before that anyway */
    reception->wakes_us = at;
    local_tick_put(&w, &(struct local_tick){.at_us = at});
    front_emit(&reception->front, FRAME_LOCAL_TICK, (struct slice){body, w.len}, NOTHING_LESS, out);
}

void reception_tell(struct reception *reception, uint64_t now_us, uint64_t next_us, bool listed,
                    struct outbox *out)
{
    const struct front *front = &reception->front;
    const struct access *access = front->config.access;
    struct access_reads reads = {0};
    if (access->reads)
        access->reads(access->self, &reads);
    uint8_t body[160];
    struct writer w = writer_to(body, sizeof body);
    struct local_front now = {.listed = listed,
                              .ready = access->is_ready(access->self, now_us),
                              .taken = reception->taken,
                              .connections = front->count,
                              .handshakes = front->counters.handshakes,
                              .operations = front->counters.operations,
                              .unknown = front->counters.unknown,
                              .hits = reads.hits,
                              .misses = reads.misses,
                              .passed = reads.passed,
                              .fast = reads.fast,
                              .conflicts = reads.conflicts,
                              .timeouts = reads.timeouts,
                              .cache_bytes = reads.cache_bytes,
                              .hit_permille = reads.hit_permille,
                              .conflict_permille = reads.conflict_permille,
                              .off_permille = reads.off_permille,
                              .on_permille = reads.on_permille,
                              .fast_off = reads.fast_off};
    const struct local_front *told = &reception->told;
    bool news = now.listed != told->listed || now.ready != told->ready || now.taken != told->taken;
    tell_wish(reception, now_us, next_us, out);
    if (!news && now_us - reception->told_us < TELL_US)
        return;
    reception->told = now;
    reception->told_us = now_us;
    local_front_put(&w, &now);
    CHECK(!w.bad);
    front_emit(&reception->front, FRAME_LOCAL_FRONT, (struct slice){body, w.len}, NOTHING_LESS, out);
}
