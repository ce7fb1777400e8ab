#include "hybster/orderer.h"

void orderer_content(const struct orderer *o, enum frame_type type, const struct sender *sender,
                     struct slice body, struct digest *content)
{
    auth_content(&o->auth.cluster, type, sender, body, content);
}

struct slice orderer_frame(struct orderer *o, enum frame_type type, struct slice body, struct slice auth,
                           struct slice attachment)
{
    size_t len = frame_encode(o->scratch, FRAME_MAX, type, &o->counter, auth.len ? AUTH_COUNTER : AUTH_NONE,
                              body, auth, attachment);
    CHECK(len > 0);
    return (struct slice){o->scratch, len};
}

void orderer_emit(struct outbox *out, struct slice frame)
{
    uint8_t *to = outbox_reserve(out, frame.len);
    memcpy(to, frame.data, frame.len);
    outbox_commit(out, frame.len);
}

struct hyb_slot *orderer_slot(struct orderer *o, slot_no slot)
{
    struct hyb_slot *s = &o->slot[slot % WINDOW];
    CHECK(window_check(orderer_stable(o), slot) == VERDICT_ACCEPT);
    if (s->slot != slot)
        *s = (struct hyb_slot){.slot = slot, .list = s->list};
    return s;
}

void orderer_tell_view(const struct orderer *o, struct outbox *out)
{
    uint8_t body[25];
    struct writer w = writer_to(body, sizeof body);
    local_view_put(&w, &(struct local_view){.view = o->view,
                                            .in_view = o->in_view,
                                            .next_slot = o->next_slot,
                                            .configuration = o->configuration.number});
    auth_emit_plain(&o->auth, out, FRAME_LOCAL_VIEW, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

/* Slots at or below the stable checkpoint are settled; their places are taken by those a window above. */
void orderer_truncated(struct orderer *o)
{
    slot_no stable = orderer_stable(o);
    for (unsigned i = 0; i < WINDOW; i++)
        if (o->slot[i].slot <= stable)
            o->slot[i] = (struct hyb_slot){.list = o->slot[i].list};
    if (o->next_slot <= stable)
        o->next_slot = stable + 1;
}

/* --- lifecycle ------------------------------------------------------------------------------------------------ */

static void *orderer_init(struct arena *arena, const struct compartment_config *config, struct outbox *out)
{
    struct orderer *o = arena_take(arena, sizeof *o);
    o->config = *config;
    struct sender self = {.kind = KIND_PREPARATION, .id = config->replica, .epoch = config->epoch};
    o->counter = (struct sender){.kind = KIND_COUNTER, .id = config->replica, .epoch = config->epoch};
    auth_init(&o->auth, self, config->domain_seed);
    admission_init(&o->admission, &o->auth, arena);
    o->admission.signed_only =
        true; /* or a vote might have to be shown whose bundles nobody else can admit */
    o->scratch = arena_take(arena, FRAME_MAX);
    for (unsigned i = 0; i < WINDOW; i++)
        o->slot[i].list = arena_take(arena, BATCH_BYTES_MAX);
    for (unsigned i = 0; i < REPLICAS_MAX; i++) {
        o->change[i].frame = arena_take(arena, HYBSTER_VIEW_CHANGE_BYTES_MAX);
        o->changing[i].frame = arena_take(arena, HYBSTER_VIEW_CHANGE_BYTES_MAX);
    }
    o->own_change.frame = arena_take(arena, HYBSTER_VIEW_CHANGE_BYTES_MAX);
    o->own_candidate.new_view.frame = arena_take(arena, HYBSTER_NEW_VIEW_BYTES_MAX);
    for (unsigned i = 0; i < CANDIDATES; i++)
        o->candidate[i].new_view.frame = arena_take(arena, HYBSTER_NEW_VIEW_BYTES_MAX);
    size_t commands = COUNTER_COMMANDS_MAX * counter_command_BYTES,
           checks = COUNTER_CHECKS_MAX * counter_check_BYTES;
    o->commands = writer_to(arena_take(arena, commands), commands);
    o->checks = writer_to(arena_take(arena, checks), checks);
    stable_init(&o->stable);
    o->next_slot = 1;
    struct hello_head head = {0};
    hello_emit(&o->auth, config, &head, out);
    return o;
}

static enum verdict orderer_on_start(struct orderer *o, const struct frame *frame, struct outbox *out)
{
    static const struct digest none;
    if (o->started)
        return VERDICT_DUPLICATE;
    enum verdict verdict = start_load(&o->configuration, &o->auth, &o->config, &none, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    auth_start(&o->auth, &o->configuration);
    admission_start(&o->admission);
    o->quorum = quorum_vote(&o->configuration);
    core_begin(&o->core);
    o->in_view = orderer_takes_part(o, 0);
    o->started = true;
    orderer_tell_view(o, out);
    return VERDICT_ACCEPT;
}

static enum verdict orderer_on_checkpoint(struct orderer *o, const struct frame *frame)
{
    bool advanced;
    enum verdict verdict = stable_add(&o->stable, &o->auth, frame, &advanced);
    if (advanced)
        orderer_truncated(o);
    return verdict;
}

static enum verdict orderer_step(void *state, const struct compartment_input *in, struct outbox *out)
{
    struct orderer *o = state;
    struct frame frame;
    if (!frame_decode(in->frame, in->len, &frame))
        return VERDICT_MALFORMED;
    if (frame.type == FRAME_START)
        return orderer_on_start(o, &frame, out);
    if (!o->started)
        return VERDICT_EARLY;
    switch (frame.type) {
    case FRAME_BUNDLE:
        return admission_on_bundle(&o->admission, &frame, out);
    case FRAME_RECONFIG:
        return admission_on_reconfig(&o->admission, &frame, out);
    case FRAME_LOCAL_PROPOSE:
        return orderer_on_propose(o, &frame, in->now_us, out);
    case FRAME_HYBSTER_PREPARE:
        return orderer_on_prepare(o, &frame, in->now_us);
    case FRAME_HYBSTER_COMMIT:
        return orderer_on_commit(o, &frame);
    case FRAME_HYBSTER_COMMITTED:
        return orderer_on_committed(o, &frame);
    case FRAME_LOCAL_LEAVE:
        return orderer_on_leave(o, &frame, out);
    case FRAME_HYBSTER_SUSPECT:
        return orderer_on_suspect(o, &frame);
    case FRAME_HYBSTER_VIEW_CHANGE:
        return orderer_on_view_change(o, &frame);
    case FRAME_HYBSTER_NEW_VIEW:
        return orderer_on_new_view(o, &frame);
    case FRAME_CHECKPOINT:
        return orderer_on_checkpoint(o, &frame);
    case FRAME_CONFIGURATION:
        return orderer_on_configuration(o, &frame, out);
    case FRAME_LOCAL_COUNTED:
        return orderer_on_counted(o, &frame, out);
    default:
        return VERDICT_UNEXPECTED;
    }
}

/* What a run made possible is asked of N once, at its end. */
static bool orderer_flush(void *state, uint64_t now_us, struct outbox *out)
{
    struct orderer *o = state;
    (void)now_us;
    if (!o->started)
        return false;
    commit_vote(o);
    view_change_make(o);
    new_view_try(o);
    o->admission.more = false;
    calls_flush(o, out);
    return false;
}

static void orderer_validate(const void *state)
{
    const struct orderer *o = state;
    uint32_t certifying = 0;
    for (unsigned i = 0; i < WINDOW; i++) {
        const struct hyb_slot *s = &o->slot[i];
        CHECK(s->slot == 0 || s->slot % WINDOW == i);
        CHECK(!s->asked || s->prepared || orderer_leads(o, o->core.view) || s->committed);
    }
    for (uint32_t i = 0; i < o->jobs; i++) {
        enum job_kind kind = o->job[(o->first_job + i) % JOBS_MAX].kind;
        certifying +=
            kind == JOB_CERTIFY_PREPARE || kind == JOB_CERTIFY_COMMIT || kind == JOB_CERTIFY_VIEW_CHANGE;
    }
    CHECK(certifying == o->certifying);
    CHECK(o->view >= o->core.view && (!o->in_view || o->view == o->core.view));
    CHECK(o->answered <= o->calls && o->jobs <= JOBS_MAX);
    CHECK(!o->started || o->next_slot > orderer_stable(o));
}

const struct compartment_type orderer_type = {
    .kind = KIND_PREPARATION,
    .arena_bytes =
        sizeof(struct orderer) + ADMISSION_ARENA_BYTES + FRAME_MAX + WINDOW * (BATCH_BYTES_MAX + 64) +
        (2 * REPLICAS_MAX + 1) * (HYBSTER_VIEW_CHANGE_BYTES_MAX + 64) +
        (CANDIDATES + 1) * (HYBSTER_NEW_VIEW_BYTES_MAX + 64) + COUNTER_COMMANDS_MAX * counter_command_BYTES +
        COUNTER_CHECKS_MAX * counter_check_BYTES + 65536,
    .init = orderer_init,
    .step = orderer_step,
    .flush = orderer_flush,
    .validate = orderer_validate,
};
