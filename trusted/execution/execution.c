#include "crypto/service.h"
#include "execution/execution.h"

static void *env_alloc(const struct redoubt_env *env, size_t bytes)
{
    struct execution *e = env->engine;
    void *memory = arena_alloc(&e->service_arena, bytes);
    e->refused |= memory == NULL;
    return memory;
}

static void env_release(const struct redoubt_env *env, void *memory, size_t bytes)
{
    struct execution *e = env->engine;
    arena_free(&e->service_arena, memory, bytes);
}

static void serve_init(struct serve *s, struct merkle *tree, struct arena *arena)
{
    s->tree = tree;
    s->saved = arena_take(arena, LEAVES_MAX * sizeof *s->saved);
    s->record_at = arena_take(arena, (RECORDS_MAX + 1) * sizeof *s->record_at);
    s->record_digest = arena_take(arena, RECORDS_MAX * sizeof *s->record_digest);
}

static void *execution_init(struct arena *arena, const struct compartment_config *config, struct outbox *out)
{
    /* What is beyond the engine's part is for bodies, and the service's. */
    size_t engine_bytes = ENGINE_BYTES + (config->keeps_stable ? KEEP_STABLE_BYTES : 0);
    CHECK(arena->used == 0 && arena->size > engine_bytes + BODY_ARENA_BYTES);
    size_t service_bytes = arena->size - engine_bytes - BODY_ARENA_BYTES;
    arena->size = engine_bytes;
    struct execution *e = arena_take(arena, sizeof *e);
    arena_init(&e->body_arena, arena->base + engine_bytes, BODY_ARENA_BYTES);
    arena_init(&e->service_arena, arena->base + engine_bytes + BODY_ARENA_BYTES, service_bytes);
    e->arena = arena;
    e->config = *config;
    struct sender self = {.kind = KIND_EXECUTION, .id = config->replica, .epoch = config->epoch};
    auth_init(&e->auth, self, config->one_domain ? config->domain_seed : NULL);
    stable_init(&e->stable);
    for (unsigned i = 0; i < WINDOW; i++)
        e->slot[i].list = arena_take(arena, BATCH_BYTES_MAX);
    e->origin = arena_take(arena, ORIGINS_MAX * sizeof *e->origin);
    versions_init(&e->versions, arena);
    e->kept_row = arena_take(arena, SESSIONS_MAX * sizeof *e->kept_row);
    e->kept_row_used = arena_take(arena, SESSIONS_MAX * sizeof *e->kept_row_used);
    kept_init(&e->kept, arena, SESSIONS_MAX * BUNDLE_WINDOW);
    e->results = arena_take(arena, REPLY_BODY_MAX + OP_MAX);
    e->plaintext = arena_take(arena, BUNDLE_BODY_MAX);
    e->raised = arena_take(arena, RAISED_BYTES_MAX);
    e->scratch = arena_take(arena, FRAME_MAX);
    e->dirty = arena_take(arena, LEAVES_MAX / 8);
    e->backup.due = arena_take(arena, LEAVES_MAX / 8);
    e->pending = arena_take(arena, LEAVES_MAX / 8);
    serve_init(&e->serve, &e->spare, arena);
    if (config->keeps_stable) {
        serve_init(&e->later, &e->later_tree, arena);
        merkle_init(&e->later_tree, arena, LEAVES_MAX);
    }
    e->fetch.record_digest = arena_take(arena, RECORDS_MAX * sizeof *e->fetch.record_digest);
    e->fetch.record_wanted = arena_take(arena, (RECORDS_MAX / 64 + 1) * sizeof *e->fetch.record_wanted);
    for (unsigned i = 0; i < FETCH_BUFFERS; i++)
        e->fetch.buffer[i] = arena_take(arena, LEAF_BYTES_MAX);
    e->fetch.loading = UINT64_MAX;
    bodies_init(&e->bodies, arena);
    merkle_init(&e->leaves, arena, LEAVES_MAX);
    merkle_init(&e->spare, arena, LEAVES_MAX);
    e->service = config->service;
    e->env = (struct redoubt_env){.engine = e,
                                  .alloc = env_alloc,
                                  .release = env_release,
                                  .touch = checkpoint_touch,
                                  .digest = service_digest,
                                  .digests = service_digests};
    CHECK(e->service && e->service->abi == REDOUBT_APP_ABI);
    e->service_state = e->service->create(&e->env, config->service_options);
    CHECK(e->service_state != NULL); /* wrong service_options, see the cluster file */
    /* Every leaf has its digest from the first checkpoint on: a state that was transferred must give the same root. */
    for (uint64_t leaf = 0; leaf < e->service->leaf_count(e->service_state); leaf++)
        e->dirty[leaf / 64] |= 1ull << leaf % 64;
    sealing_init(&e->sealing, config);
    if (e->sealing.on)
        save_init(e, arena);
    struct hello_head head = {0};
    hello_emit(&e->auth, config, &head, out);
    return e;
}

/* The group key comes sealed to this E; it is right when its public half is the one in the signed manifest. */
static bool group_key_open(struct execution *e, const struct frame *start)
{
    if (!sealed_list_ok(start->attachment, REPLICAS_MAX))
        return false;
    for (uint32_t i = 0; i < sealed_count(start->attachment); i++) {
        const uint8_t *at = start->attachment.data + (size_t)i * sealed_BYTES;
        struct sealed sealed = sealed_at(start->attachment, i);
        if (sealed.replica == e->config.replica)
            return group_key_set(e, at + 4);
    }
    return false;
}

/* Does this START go on from what was recalled? `vouched`: the number that it knows, of the ordered state. */
static enum verdict start_take(struct execution *e, const struct frame *frame,
                               const struct configuration *recalled, configuration_no *vouched)
{
    struct hello_head head = execution_head(e);
    const struct tag16 cluster = e->auth.cluster;
    enum verdict verdict = start_load(&e->configuration, &e->auth, &e->config, &head.head, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    *vouched = configuration_ordered(&e->configuration);
    e->auth.configuration = &e->configuration;
    return execution_start_follows(e, &e->configuration, &cluster) &&
                   (!e->based || (execution_walk_again(e, recalled) && execution_resizes(e, recalled)))
               ? VERDICT_ACCEPT
               : VERDICT_MISMATCH;
}

static enum verdict execution_on_start(struct execution *e, const struct frame *frame, struct outbox *out)
{
    if (e->started)
        return VERDICT_DUPLICATE;
    struct configuration *recalled = (struct configuration *)(void *)e->scratch;
    configuration_no vouched = 0;
    *recalled = e->configuration;
    enum verdict verdict = start_take(e, frame, recalled, &vouched);
    if (verdict != VERDICT_ACCEPT) {
        e->configuration = *recalled; /* a later START must still find what this E knows */
        return verdict;
    }
    auth_start(&e->auth, &e->configuration);
    e->versions.certifies = e->configuration.certifies;
    /* One that has its log has the key; to who has not, or is not listed yet, another E gives it. */
    bool founded = e->configuration.resumed == 0 && auth_counts_above(&e->auth) != UINT64_MAX;
    if (!e->based && founded && !group_key_open(e, frame))
        return VERDICT_MISMATCH;
    if (!execution_keep_start(e, frame->whole))
        return VERDICT_LIMIT;
    e->whole = e->based ? e->whole : founded;
    if (e->configuration.restored && !e->based && e->executed == 0)
        genesis_expect(e);
    if (stable_begin(&e->stable, &e->configuration))
        execution_truncated(e);
    e->announced = vouched;
    e->counted = execution_counts(e);
    for (origin_id i = 0; !e->based && i < ORIGINS_MAX; i++)
        e->origin[i].dirty = true;
    e->started = true;
    execution_write_base(e, out);
    if (e->configuration.resumed)
        group_key_hand_on(e, out);
    execution_tell_progress(e, out);
    /* Signed before, by a key that is gone; that it is stable already, P and C may have forgotten, who write nothing while they
     * are learners. */
    if (e->checkpoint_slot && e->checkpoint_slot >= exec_stable_slot(e))
        checkpoint_sign(e, out);
    return VERDICT_ACCEPT;
}

static enum verdict execution_step(void *state, const struct compartment_input *in, struct outbox *out)
{
    struct execution *e = state;
    struct frame frame;
    if (!frame_decode(in->frame, in->len, &frame))
        return VERDICT_MALFORMED;
    if (frame.type == FRAME_START)
        return execution_on_start(e, &frame, out);
    if (frame.type == FRAME_LOCAL_RECALL)
        return execution_on_recall(e, &frame, out);
    bool again = e->based && (frame.type == FRAME_BUNDLE || frame.type == FRAME_PRE_PREPARE ||
                              frame.type == FRAME_RECONFIG || frame.type == FRAME_LOCAL_RESTORE);
    if (!e->started && !again) /* lists and bodies for what is executed again */
        return VERDICT_EARLY;
    e->now_us = in->now_us;
    switch (frame.type) {
    case FRAME_COMMIT:
        return execution_on_commit(e, &frame, in->local);
    case FRAME_LOCAL_COMMITTED:
        return execution_on_local_committed(e, &frame);
    case FRAME_EXECUTED:
        return execution_on_executed(e, &frame);
    case FRAME_PRE_PREPARE:
        return execution_on_batch(e, &frame);
    case FRAME_BUNDLE:
        return execution_on_bundle(e, &frame);
    case FRAME_CHECKPOINT:
        return execution_on_checkpoint(e, &frame);
    case FRAME_RECONFIG:
        return execution_on_reconfig(e, &frame);
    case FRAME_CONFIGURATION:
        return execution_on_configuration(e, &frame, out);
    case FRAME_GROUP_KEY:
        return execution_on_group_key(e, &frame, out);
    case FRAME_FETCH_REPLY:
        return execution_on_fetch_reply(e, &frame, out);
    case FRAME_ASK_ATTEST:
        return execution_on_ask_attest(e, &frame, out);
    case FRAME_ASK_READ:
        return execution_on_ask_read(e, &frame, out);
    case FRAME_LOCAL_CHECKPOINT:
        return execution_on_local_checkpoint(e, &frame, out);
    case FRAME_PARTING:
        return execution_on_parting(e, &frame);
    case FRAME_LOCAL_SAVE:
        return execution_on_save(e, &frame, out);
    case FRAME_LOCAL_CATCH_UP:
        return execution_on_catch_up(e, &frame, out);
    case FRAME_ASK_EXECUTED:
        return execution_on_ask_executed(e, &frame, out);
    case FRAME_ASK_STATE:
        return execution_on_ask_state(e, &frame, out);
    case FRAME_STATE:
        return execution_on_state(e, &frame, out);
    case FRAME_ASK_BACKUP:
        return execution_on_ask_backup(e, &frame, out);
    case FRAME_LOCAL_RESTORE:
        return execution_on_restore(e, &frame);
    default:
        return VERDICT_UNEXPECTED;
    }
}

static bool execution_flush(void *state, uint64_t now_us, struct outbox *out)
{
    struct execution *e = state;
    if (!e->started)
        return false;
    e->now_us = now_us;
    bool more = true;
    size_t before = out->len;
    if (e->write_stable)
        execution_write_executed(e, out);
    while (more && out->len - before < 64 * 1024 && out->cap - out->len >= FRAME_MAX)
        more = execution_advance(e, out);
    execution_write_executed(e, out);
    execution_watch_whole(e);
    if (e->write_stable)
        execution_write_executed(e, out);
    reconfig_after_stable(e, out);
    save_first_piece(e, out);
    serve_flush(e, out);
    genesis_flush(e, out);
    bool preparing = fetch_flush(e, out);
    if (e->progress)
        execution_tell_progress(e, out);
    return more || preparing;
}

static void execution_validate(const void *state)
{
    const struct execution *e = state;
    CHECK(e->executed <= exec_stable_slot(e) + WINDOW || exec_stable_slot(e) > e->executed);
    uint32_t sessions = 0;
    for (origin_id i = 0; i < ORIGINS_MAX; i++) {
        const struct origin_record *record = &e->origin[i];
        sessions += record->open;
        CHECK(record->open == (record->kept != NULL));
        CHECK(record->kept_bytes <= REPLY_CACHE_BYTES + REPLY_BODY_MAX);
    }
    CHECK(sessions == e->sessions && sessions <= SESSIONS_MAX);
    CHECK(e->bodies.count <= BODIES_MAX && e->bodies.bytes <= BODIES_BYTES_MAX + FRAME_MAX);
    for (unsigned i = 0; i < WINDOW; i++)
        CHECK(e->slot[i].slot == 0 || e->slot[i].slot % WINDOW == i);
}

const struct compartment_type execution_type = {
    .kind = KIND_EXECUTION,
    .arena_bytes = ENGINE_BYTES + BODY_ARENA_BYTES + SERVICE_BYTES_MIN,
    .init = execution_init,
    .step = execution_step,
    .flush = execution_flush,
    .validate = execution_validate,
};
