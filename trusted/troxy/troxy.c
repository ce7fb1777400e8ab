#include "troxy/troxy.h"

#include <string.h>

#include "base/check.h"
#include "troxy/ordered.h"

/* For operations that wait, conversations and what they keep. The kernel gives it as it is touched. */
#define ROOM_BYTES ((size_t)512 << 20)
/* Left in the outbox when a frame for replicas is written to it; whoever finds less drops the frame, which is sent again. */
#define MARGIN_BYTES (64u * 1024u)

struct troxy {
    struct reception reception; /* first: an outcome's context is its front */
    struct access access;
    struct ordered *ordered;
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

static void *troxy_init(struct arena *arena, const struct compartment_config *config, struct outbox *out)
{
    (void)out;
    const struct troxy_start *start = config->troxy;
    struct troxy *t = arena_take(arena, sizeof *t);
    const struct ordered_wire wire = {.context = t, .send = send};
    memcpy(t->admin_public, config->admin_public, sizeof t->admin_public);
    t->sign = start->sign;
    t->box = start->box;
    t->epoch = start->settings.origin_epoch;
    t->ordered = ordered_new(arena, &wire, front_on_outcome, t);
    ordered_access(t->ordered, &t->access);
    return reception_init(&t->reception, arena, start, &t->access, config->replica) ? t : NULL;
}

static enum verdict on_start(struct troxy *t, const struct frame *frame)
{
    if (t->started)
        return VERDICT_DUPLICATE;
    enum verdict verdict = configuration_load(&t->configuration, frame, t->admin_public);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    t->started = true;
    t->listed = ordered_begin(t->ordered, &t->configuration, &t->sign, &t->box, t->epoch);
    crypto_wipe(&t->sign, sizeof t->sign);
    crypto_wipe(&t->box, sizeof t->box);
    return t->listed ? VERDICT_ACCEPT : VERDICT_UNKNOWN_SENDER;
}

static enum verdict on_link(struct troxy *t, const struct frame *frame, uint64_t now_us)
{
    struct local_link m;
    if (!local_link_decode(frame->body, &m) || m.replica >= REPLICAS_MAX || m.up > 1)
        return VERDICT_MALFORMED;
    ordered_on_link(t->ordered, m.replica, m.up != 0, now_us);
    return VERDICT_ACCEPT;
}

static enum verdict on_arrived(struct troxy *t, const struct frame *frame, uint64_t now_us)
{
    struct local_arrived m;
    if (!local_arrived_decode(frame->body, &m))
        return VERDICT_MALFORMED;
    return ordered_on_frame(t->ordered, m.replica, frame->attachment.data, frame->attachment.len, now_us);
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
    ordered_run(t->ordered, now_us);
    more = front_give_out(&t->reception.front, now_us, out) || more;
    reception_tell(&t->reception, now_us, ordered_next_timer(t->ordered), t->listed, out);
    return more;
}

static void troxy_validate(const void *state)
{
    const struct troxy *t = state;
    front_validate(&t->reception.front);
    ordered_validate(t->ordered);
}

const struct compartment_type troxy_type = {
    .kind = KIND_TROXY,
    .arena_bytes = FRONT_BYTES + sizeof(struct troxy) + ROOM_BYTES,
    .init = troxy_init,
    .step = troxy_step,
    .flush = troxy_flush,
    .validate = troxy_validate,
};
