#include "troxy/troxy.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "troxy/replicated.h"

/* For conversations and what they keep, and for the access. The kernel gives it as it is touched. */
#define FRONT_ROOM_BYTES  ((size_t)512 << 20)
#define ACCESS_ROOM_BYTES ((size_t)6 << 30)
/* Left in the outbox when a frame for replicas is written to it; whoever finds less drops the frame, which is sent again. */
#define MARGIN_BYTES (64u * 1024u)

struct troxy {
    struct reception reception; /* first: an outcome's context is its front */
    struct access access;       /* closed_access until START */
    struct arena access_arena;
    struct replicated *replicated; /* NULL: START has not come, or does not list it */
    const struct redoubt_service *service;
    struct configuration configuration;
    uint8_t admin_public[32];
    struct sign_key sign;
    struct box_key box;
    epoch_no epoch; /* of the origin */
    bool started, listed;
    struct outbox *out; /* during a call */
};

static void send(void *context, uint32_t replica, const struct slice *parts, unsigned count)
{
    struct troxy *t = context;
    struct outbox *out = t->out;
    uint8_t body[4];
    struct writer w = writer_to(body, sizeof body);
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    size_t max = FRAME_HEADER_BYTES + sizeof body + len;
    if (max > FRAME_MAX || out->cap - out->len < max + MARGIN_BYTES)
        return;
    local_send_put(&w, &(struct local_send){.replica = replica});
    const struct frame frame = {.type = FRAME_LOCAL_SEND,
                                .sender = {.kind = KIND_HOST, .id = t->reception.front.config.replica},
                                .auth_kind = AUTH_NONE,
                                .body = {body, w.len}};
    uint8_t *to = outbox_reserve(out, max);
    size_t at = frame_head(to, max, &frame, len);
    CHECK(at == max - len);
    for (unsigned i = 0; i < count; i++) {
        if (parts[i].len)
            memcpy(to + at, parts[i].data, parts[i].len);
        at += parts[i].len;
    }
    outbox_commit(out, at);
}

/* ---------------------------------------------------------------- before START */

static int closed_submit(void *self, uint32_t connection, uint64_t ticket, const struct slice *parts,
                         unsigned count, uint64_t deadline_us, uint64_t now_us)
{
    (void)self, (void)connection, (void)ticket, (void)parts, (void)count, (void)deadline_us, (void)now_us;
    return -EAGAIN;
}

static void closed_forget(void *self, uint32_t connection)
{
    (void)self, (void)connection;
}

static bool closed_is_ready(const void *self, uint64_t now_us)
{
    (void)self, (void)now_us;
    return false;
}

static const struct access closed_access = {
    .submit = closed_submit, .forget = closed_forget, .is_ready = closed_is_ready};

/* ---------------------------------------------------------------- frames */

static void *troxy_init(struct arena *arena, const struct compartment_config *config, struct outbox *out)
{
    (void)out;
    const struct troxy_start *start = config->troxy;
    struct troxy *t = arena_take(arena, sizeof *t);
    memcpy(t->admin_public, config->admin_public, sizeof t->admin_public);
    t->sign = start->sign;
    t->box = start->box;
    t->epoch = start->settings.origin_epoch;
    t->service = start->front->service;
    t->access = closed_access;
    arena_init(&t->access_arena, arena_take(arena, ACCESS_ROOM_BYTES), ACCESS_ROOM_BYTES);
    return reception_init(&t->reception, arena, start, &t->access, config->replica) ? t : NULL;
}

/* Which origin has this Troxy's keys; `origins`: none. */
static origin_id origin_of(const struct troxy *t)
{
    const struct configuration *c = &t->configuration;
    origin_id origin = 0;
    for (; origin < c->origins; origin++) {
        const struct origin_keys *keys = &c->origin[origin];
        if (keys->present && memcmp(keys->sign_public, t->sign.public, sizeof keys->sign_public) == 0 &&
            memcmp(keys->box_public, t->box.public, sizeof keys->box_public) == 0)
            break;
    }
    return origin;
}

static struct replicated *replicated_begin(struct troxy *t)
{
    struct replicated_config config = {.configuration = &t->configuration,
                                       .origin = origin_of(t),
                                       .epoch = t->epoch,
                                       .sign = &t->sign,
                                       .box = &t->box,
                                       .replica = t->reception.front.config.replica,
                                       .service = t->service,
                                       .wire = {.context = t, .send = send},
                                       .done = front_on_outcome,
                                       .context = &t->reception.front};
    replicated_options_init(&config.options);
    config.options.connections_max = FRONT_CONNECTIONS_MAX;
    config.options.connection_operations_max = FRONT_OPS_MAX;
    CHECK(replicated_arena_bytes(&config.options) <= ACCESS_ROOM_BYTES);
    return config.origin < t->configuration.origins ? replicated_new(&t->access_arena, &config) : NULL;
}

static enum verdict on_start(struct troxy *t, const struct frame *frame)
{
    if (t->started)
        return VERDICT_DUPLICATE;
    enum verdict verdict = configuration_load(&t->configuration, frame, t->admin_public);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    t->started = true;
    t->replicated = replicated_begin(t);
    if (t->replicated)
        t->access = replicated_access(t->replicated);
    crypto_wipe(&t->sign, sizeof t->sign);
    crypto_wipe(&t->box, sizeof t->box);
    return t->replicated ? VERDICT_ACCEPT : VERDICT_UNKNOWN_SENDER;
}

static enum verdict on_link(struct troxy *t, const struct frame *frame, uint64_t now_us)
{
    struct local_link m;
    if (!local_link_decode(frame->body, &m) || m.replica >= REPLICAS_MAX || m.up > 1)
        return VERDICT_MALFORMED;
    if (!t->replicated)
        return VERDICT_EARLY;
    if (m.up)
        replicated_on_connected(t->replicated, m.replica, now_us);
    else
        replicated_on_disconnected(t->replicated, m.replica);
    return VERDICT_ACCEPT;
}

static enum verdict on_arrived(struct troxy *t, const struct frame *frame, uint64_t now_us)
{
    struct local_arrived m;
    if (!local_arrived_decode(frame->body, &m))
        return VERDICT_MALFORMED;
    if (!t->replicated || m.replica >= REPLICAS_MAX)
        return t->replicated ? VERDICT_MALFORMED : VERDICT_EARLY;
    return replicated_on_frame(t->replicated, m.replica, frame->attachment.data, frame->attachment.len,
                               now_us);
}

static enum verdict troxy_step(void *state, const struct compartment_input *in, struct outbox *out)
{
    struct troxy *t = state;
    struct frame frame;
    if (!frame_decode(in->frame, in->len, &frame))
        return VERDICT_MALFORMED;
    t->out = out;
    t->reception.front.shown.now_us = in->now_us;
    switch (frame.type) {
    case FRAME_START:
        return on_start(t, &frame);
    case FRAME_LOCAL_LINK:
        return on_link(t, &frame, in->now_us);
    case FRAME_LOCAL_ARRIVED:
        return on_arrived(t, &frame, in->now_us);
    default:
        return t->started ? reception_on_frame(&t->reception, &frame, in->now_us, out) : VERDICT_EARLY;
    }
}

static bool troxy_flush(void *state, uint64_t now_us, struct outbox *out)
{
    struct troxy *t = state;
    t->out = out;
    if (!t->started)
        return false;
    bool more = front_take_in(&t->reception.front, now_us, out);
    uint64_t next_us = UINT64_MAX;
    if (t->replicated) {
        if (replicated_next_timer(t->replicated) <= now_us)
            replicated_on_timer(t->replicated, now_us);
        replicated_flush(t->replicated, now_us);
        next_us = replicated_next_timer(t->replicated);
    }
    more = front_give_out(&t->reception.front, now_us, out) || more;
    reception_tell(&t->reception, now_us, next_us, t->replicated != NULL, out);
    return more;
}

static void troxy_validate(const void *state)
{
    const struct troxy *t = state;
    front_validate(&t->reception.front);
    if (t->replicated)
        replicated_validate(t->replicated);
}

const struct compartment_type troxy_type = {
    .kind = KIND_TROXY,
    .arena_bytes = FRONT_BYTES + sizeof(struct troxy) + FRONT_ROOM_BYTES + ACCESS_ROOM_BYTES,
    .init = troxy_init,
    .step = troxy_step,
    .flush = troxy_flush,
    .validate = troxy_validate,
};
