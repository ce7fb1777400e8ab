#include "preparation/preparation.h"

static void *preparation_init(struct arena *arena, const struct compartment_config *config,
                              struct outbox *out)
{
    struct preparation *p = arena_take(arena, sizeof *p);
    p->arena = arena;
    p->config = *config;
    struct sender self = {.kind = KIND_PREPARATION, .id = config->replica, .epoch = config->epoch};
    auth_init(&p->auth, self, config->one_domain ? config->domain_seed : NULL);
    admission_init(&p->admission, &p->auth, arena);
    p->scratch = arena_take(arena, FRAME_MAX);
    for (unsigned i = 0; i < WINDOW; i++)
        p->slot[i].parked_list = arena_take(arena, BATCH_BYTES_MAX);
    for (unsigned i = 0; i < REPLICAS_MAX; i++)
        p->view_change[i].frame = arena_take(arena, VIEW_CHANGE_BYTES_MAX);
    stable_init(&p->stable);
    p->next_slot = 1;
    sealing_init(&p->sealing, config);
    struct hello_head head = {0};
    hello_emit(&p->auth, config, &head, out);
    return p;
}

enum verdict preparation_on_start(struct preparation *p, const struct frame *frame, struct outbox *out)
{
    if (p->started)
        return VERDICT_DUPLICATE;
    struct hello_head head = preparation_head(p);
    enum verdict verdict = start_load(&p->configuration, &p->auth, &p->config, &head.head, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    auth_start(&p->auth, &p->configuration);
    admission_start(&p->admission);
    return preparation_resume(p, out);
}

void preparation_tell_view(const struct preparation *p, struct outbox *out)
{
    uint8_t body[25];
    struct writer w = writer_to(body, sizeof body);
    local_view_put(&w, &(struct local_view){.view = p->view,
                                            .in_view = p->in_view,
                                            .next_slot = p->next_slot,
                                            .configuration = p->configuration.number});
    auth_emit_plain(&p->auth, out, FRAME_LOCAL_VIEW, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

static enum verdict preparation_step(void *state, const struct compartment_input *in, struct outbox *out)
{
    struct preparation *p = state;
    struct frame frame;
    if (!frame_decode(in->frame, in->len, &frame))
        return VERDICT_MALFORMED;
    if (frame.type == FRAME_START)
        return preparation_on_start(p, &frame, out);
    if (frame.type == FRAME_LOCAL_RECALL)
        return preparation_on_recall(p, &frame, out);
    if (!p->started)
        return VERDICT_EARLY;
    switch (frame.type) {
    case FRAME_BUNDLE:
        return admission_on_bundle(&p->admission, &frame, out);
    case FRAME_LOCAL_PROPOSE:
        return preparation_on_propose(p, &frame, in->now_us, out);
    case FRAME_PRE_PREPARE:
        return preparation_on_pre_prepare(p, &frame, in->local, in->now_us, out);
    case FRAME_LOCAL_LEAVE:
        return preparation_on_leave(p, &frame, out);
    case FRAME_VIEW_CHANGE:
        return preparation_on_view_change(p, &frame, out);
    case FRAME_NEW_VIEW:
        return preparation_on_new_view(p, &frame, out);
    case FRAME_CHECKPOINT:
        return preparation_on_checkpoint(p, &frame);
    case FRAME_RECONFIG:
        return admission_on_reconfig(&p->admission, &frame, out);
    case FRAME_CONFIGURATION:
        return preparation_on_configuration(p, &frame, out);
    default:
        return VERDICT_UNEXPECTED;
    }
}

static bool preparation_flush(void *state, uint64_t now_us, struct outbox *out)
{
    struct preparation *p = state;
    (void)now_us;
    if (p->write_all && p->started)
        preparation_write_all(p, out);
    if (p->admission.more && p->parked)
        preparation_retry_parked(p, out);
    p->admission.more = false;
    return false;
}

static void preparation_validate(const void *state)
{
    const struct preparation *p = state;
    uint32_t parked = 0;
    for (unsigned i = 0; i < WINDOW; i++) {
        const struct prep_slot *s = &p->slot[i];
        CHECK(s->slot == 0 || s->slot % WINDOW == i);
        CHECK(s->votes <= PARTING_DIGESTS_PER_SLOT);
        CHECK(!s->voted || s->voted_view <= p->view);
        parked += s->parked;
        for (uint32_t k = 0; k < s->votes; k++)
            CHECK(s->vote[k].view <= p->view);
    }
    CHECK(parked == p->parked);
    CHECK(p->next_slot > prep_stable_slot(p));
}

const struct compartment_type preparation_type = {
    .kind = KIND_PREPARATION,
    .arena_bytes = sizeof(struct preparation) + ADMISSION_ARENA_BYTES + FRAME_MAX +
                   WINDOW * (BATCH_BYTES_MAX + 64) + REPLICAS_MAX * VIEW_CHANGE_BYTES_MAX + 65536,
    .init = preparation_init,
    .step = preparation_step,
    .flush = preparation_flush,
    .validate = preparation_validate,
};
