#include "confirmation/confirmation.h"

static void *confirmation_init(struct arena *arena, const struct compartment_config *config,
                               struct outbox *out)
{
    struct confirmation *c = arena_take(arena, sizeof *c);
    c->config = *config;
    struct sender self = {.kind = KIND_CONFIRMATION, .id = config->replica, .epoch = config->epoch};
    auth_init(&c->auth, self, config->one_domain ? config->domain_seed : NULL);
    c->scratch = arena_take(arena, CONF_SCRATCH_BYTES);
    for (unsigned i = 0; i < REPLICAS_MAX; i++)
        c->parting[i].frame = arena_take(arena, PARTING_BYTES_MAX);
    stable_init(&c->stable);
    sealing_init(&c->sealing, config);
    struct hello_head head = {0};
    hello_emit(&c->auth, config, &head, out);
    return c;
}

static enum verdict confirmation_on_start(struct confirmation *c, const struct frame *frame,
                                          struct outbox *out)
{
    if (c->started)
        return VERDICT_DUPLICATE;
    struct hello_head head = confirmation_head(c);
    enum verdict verdict = start_load(&c->configuration, &c->auth, &c->config, &head.head, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    auth_start(&c->auth, &c->configuration);
    return confirmation_resume(c, out);
}

void confirmation_tell_view(const struct confirmation *c, struct outbox *out)
{
    uint8_t body[25];
    struct writer w = writer_to(body, sizeof body);
    local_view_put(&w, &(struct local_view){.view = c->view,
                                            .in_view = c->entered == c->view,
                                            .configuration = c->configuration.number});
    auth_emit_plain(&c->auth, out, FRAME_LOCAL_VIEW, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

void confirmation_truncated(struct confirmation *c)
{
    c->write_all = true;
    for (unsigned i = 0; i < WINDOW; i++)
        if (c->slot[i].slot <= conf_stable_slot(c))
            c->slot[i] = (struct conf_slot){0};
}

static enum verdict confirmation_step(void *state, const struct compartment_input *in, struct outbox *out)
{
    struct confirmation *c = state;
    struct frame frame;
    if (!frame_decode(in->frame, in->len, &frame))
        return VERDICT_MALFORMED;
    if (frame.type == FRAME_START)
        return confirmation_on_start(c, &frame, out);
    if (frame.type == FRAME_LOCAL_RECALL)
        return confirmation_on_recall(c, &frame, out);
    if (!c->started)
        return VERDICT_EARLY;
    switch (frame.type) {
    case FRAME_PRE_PREPARE:
    case FRAME_PREPARE:
        return confirmation_on_vote(c, &frame, in->local, out);
    case FRAME_LOCAL_LEAVE:
        return confirmation_on_leave(c, &frame, out);
    case FRAME_PARTING:
        return confirmation_on_parting(c, &frame, out);
    case FRAME_NEW_VIEW:
        return confirmation_on_new_view(c, &frame, out);
    case FRAME_CHECKPOINT:
        return confirmation_on_checkpoint(c, &frame, out);
    case FRAME_CONFIGURATION:
        return confirmation_on_configuration(c, &frame, out);
    default:
        return VERDICT_UNEXPECTED;
    }
}

static bool confirmation_flush(void *state, uint64_t now_us, struct outbox *out)
{
    struct confirmation *c = state;
    (void)now_us;
    if (c->write_all && c->started)
        confirmation_write_all(c, out);
    return false;
}

static void confirmation_validate(const void *state)
{
    const struct confirmation *c = state;
    for (unsigned i = 0; i < WINDOW; i++) {
        const struct conf_slot *s = &c->slot[i];
        CHECK(s->slot == 0 || (s->slot % WINDOW == i && s->slot > conf_stable_slot(c)));
        CHECK(!s->prepared || s->view <= c->view);
    }
    CHECK(c->view_change_due <= c->view && c->view_change_out <= c->view && c->entered <= c->view);
}

const struct compartment_type confirmation_type = {
    .kind = KIND_CONFIRMATION,
    .arena_bytes = sizeof(struct confirmation) + 2 * REPLICAS_MAX * (PARTING_BYTES_MAX + 128) + 65536,
    .init = confirmation_init,
    .step = confirmation_step,
    .flush = confirmation_flush,
    .validate = confirmation_validate,
};
