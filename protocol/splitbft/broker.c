#include "splitbft/broker.h"

/* --- emitting ------------------------------------------------------------------------------------------------- */

void broker_emit(struct broker *b, const struct action *action)
{
    b->actions->emit(b->actions, action);
}

void broker_give(struct broker *b, enum kind kind, struct slice frame, bool local)
{
    if (kind == KIND_CONFIRMATION && broker_is_hybster(b))
        return; /* there is none */
    broker_emit(b, &(struct action){.kind = ACTION_GIVE, .to = kind, .local = local, .parts = {frame}});
}

void broker_give_stripped(struct broker *b, enum kind kind, const struct frame *frame, bool local)
{
    uint8_t head[FRAME_HEADER_BYTES];
    struct frame bare = *frame;
    /* The header again with an attachment of no length; body and authenticator lie behind it as they were. */
    memcpy(head, frame->whole.data, sizeof head);
    memset(head + 24, 0, 4);
    struct slice rest = {frame->whole.data + sizeof head, bare.body.len + bare.auth.len};
    if (kind == KIND_CONFIRMATION && broker_is_hybster(b))
        return;
    broker_emit(b,
                &(struct action){
                    .kind = ACTION_GIVE, .to = kind, .local = local, .parts = {{head, sizeof head}, rest}});
}

void broker_send(struct broker *b, uint32_t peer, struct slice frame)
{
    if (frame.len)
        broker_emit(b, &(struct action){.kind = ACTION_SEND_PEER, .to = peer, .parts = {frame}});
}

void broker_send_client(struct broker *b, uint32_t connection, struct slice frame)
{
    broker_emit(b, &(struct action){.kind = ACTION_SEND_CLIENT, .to = connection, .parts = {frame}});
}

/* To the connection by which the origin is known, and to the last that says it is it. */
void broker_send_origin(struct broker *b, origin_id origin, struct slice frame)
{
    const struct origin_links *links = &b->origin[origin];
    if (links->proven)
        broker_send_client(b, links->proven - 1, frame);
    if (links->claimed && links->claimed != links->proven)
        broker_send_client(b, links->claimed - 1, frame);
}

struct slice broker_frame(struct broker *b, enum frame_type type, struct slice body, struct slice attachment)
{
    struct sender self = {.kind = KIND_HOST, .id = b->config.replica, .epoch = 0};
    size_t len = frame_encode(b->scratch, FRAME_MAX, type, &self, AUTH_NONE, body, (struct slice){NULL, 0},
                              attachment);
    CHECK(len > 0);
    return (struct slice){b->scratch, len};
}

void blob_clear(struct broker *b, struct blob *blob)
{
    arena_free(b->arena, blob->data, blob->len);
    *blob = (struct blob){0};
}

void blob_set(struct broker *b, struct blob *blob, struct slice bytes)
{
    blob_clear(b, blob);
    blob->data = arena_alloc(b->arena, bytes.len);
    if (!blob->data)
        return; /* retransmission will lack it */
    memcpy(blob->data, bytes.data, bytes.len);
    blob->len = (uint32_t)bytes.len;
}

/* --- small handlers ------------------------------------------------------------------------------------------- */

static enum verdict on_reply(struct broker *b, const struct frame *frame)
{
    struct reply reply;
    if (!reply_decode(frame->body, &reply) || reply.origin >= ORIGINS_MAX)
        return VERDICT_MALFORMED;
    broker_send_origin(b, reply.origin, frame->whole);
    return VERDICT_ACCEPT;
}

static enum verdict on_attest(struct broker *b, const struct frame *frame)
{
    struct attest attest;
    if (!attest_decode(frame->body, &attest) || attest.origin >= ORIGINS_MAX)
        return VERDICT_MALFORMED;
    broker_send_origin(b, attest.origin, frame->whole);
    return VERDICT_ACCEPT;
}

static enum verdict on_read_answer(struct broker *b, const struct frame *frame)
{
    struct read_answer answer;
    if (!read_answer_decode(frame->body, &answer) || answer.origin >= ORIGINS_MAX)
        return VERDICT_MALFORMED;
    broker_send_origin(b, answer.origin, frame->whole);
    return VERDICT_ACCEPT;
}

/* Own E tells own Troxy what it executed, which vouches for it. */
static enum verdict on_local_certify(struct broker *b, const struct frame *frame)
{
    if (!b->configuration->certifies)
        return VERDICT_UNEXPECTED;
    broker_give(b, KIND_TROXY, frame->whole, false);
    return VERDICT_ACCEPT;
}

static enum verdict on_certified(struct broker *b, const struct frame *frame)
{
    struct certified certified;
    if (!certified_decode(frame->body, &certified) || certified.origin >= ORIGINS_MAX)
        return VERDICT_MALFORMED;
    broker_send_origin(b, certified.origin, frame->whole);
    return VERDICT_ACCEPT;
}

/* A question of an origin to own E, or own Troxy. */
static enum verdict on_question(struct broker *b, const struct frame *frame, enum kind to)
{
    if (frame->sender.kind != KIND_ORIGIN || frame->sender.id >= ORIGINS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    broker_give(b, to, frame->whole, false);
    return VERDICT_ACCEPT;
}

/* Frames from E to one E: the addressee stands in the body, or in the single MAC. */
static enum verdict on_to_execution(struct broker *b, const struct frame *frame, bool own)
{
    if (!own) {
        broker_give(b, KIND_EXECUTION, frame->whole, false);
        return VERDICT_ACCEPT;
    }
    struct reader r = reader_of(frame->body.data, frame->body.len);
    replica_id to = get_u32(&r);
    if (frame->type == FRAME_EXECUTED)
        to = frame->auth.len >= 2 ? frame->auth.data[1] : REPLICAS_MAX;
    if (r.bad || to >= b->configuration->replicas || to == b->config.replica)
        return VERDICT_MALFORMED;
    if (frame->type == FRAME_STATE)
        catch_up_sent(b, frame->whole.len);
    broker_send(b, to, frame->whole);
    return VERDICT_ACCEPT;
}

/* --- the table ------------------------------------------------------------------------------------------------ */

struct route {
    enum frame_type type;
    unsigned from;
};

/* Message, permitted from. What is not here is refused; the switch below says what becomes of the rest. */
static const struct route routes[] = {
    {FRAME_BUNDLE, FROM_CLIENT | FROM_PEER},
    {FRAME_RECONFIG, FROM_LAUNCHER | FROM_PEER | FROM_CLIENT},
    {FRAME_CONFIGURATION, FROM_E | FROM_PEER},
    {FRAME_ASK_CONFIGURATION, FROM_CLIENT | FROM_PEER},
    {FRAME_GROUP_KEY, FROM_E | FROM_PEER},
    {FRAME_LOCAL_RECONFIGURED, FROM_E},
    {FRAME_FETCH_REPLY, FROM_CLIENT},
    {FRAME_PRE_PREPARE, FROM_P | FROM_PEER},
    {FRAME_PREPARE, FROM_P | FROM_PEER},
    {FRAME_COMMIT, FROM_C | FROM_PEER},
    {FRAME_CHECKPOINT, FROM_E | FROM_PEER},
    {FRAME_PARTING, FROM_P | FROM_PEER},
    {FRAME_VIEW_CHANGE, FROM_C | FROM_PEER},
    {FRAME_NEW_VIEW, FROM_P | FROM_PEER},
    {FRAME_EXECUTED, FROM_E | FROM_PEER},
    {FRAME_ASK_EXECUTED, FROM_E | FROM_PEER},
    {FRAME_ASK_STATE, FROM_E | FROM_PEER},
    {FRAME_STATE, FROM_E | FROM_PEER},
    {FRAME_ASK_BACKUP, FROM_CLIENT},
    {FRAME_BACKUP, FROM_E},
    {FRAME_REPLY, FROM_E},
    {FRAME_ASK_ATTEST, FROM_CLIENT},
    {FRAME_ATTEST, FROM_E | FROM_T},
    {FRAME_CERTIFIED, FROM_T},
    {FRAME_LOCAL_CERTIFY, FROM_E},
    {FRAME_ASK_READ, FROM_CLIENT},
    {FRAME_READ_ANSWER, FROM_E},
    {FRAME_STATUS, FROM_PEER},
    {FRAME_FETCH, FROM_PEER},
    {FRAME_BATCH, FROM_PEER},
    {FRAME_HYBSTER_PREPARE, FROM_P | FROM_PEER},
    {FRAME_HYBSTER_COMMIT, FROM_P | FROM_PEER},
    {FRAME_HYBSTER_COMMITTED, FROM_P | FROM_PEER},
    {FRAME_HYBSTER_SUSPECT, FROM_P | FROM_PEER},
    {FRAME_HYBSTER_VIEW_CHANGE, FROM_P | FROM_PEER},
    {FRAME_HYBSTER_NEW_VIEW, FROM_P | FROM_PEER},
    {FRAME_LOCAL_COUNT, FROM_P},
    {FRAME_LOCAL_COUNTED, FROM_N},
    {FRAME_LOCAL_ADMITTED, FROM_P},
    {FRAME_LOCAL_VIEW, FROM_P | FROM_C},
    {FRAME_LOCAL_SETTLED, FROM_E},
    {FRAME_LOCAL_PROGRESS, FROM_E},
    {FRAME_LOCAL_NEED, FROM_E},
    {FRAME_LOCAL_TRANSFER, FROM_E},
    {FRAME_LOCAL_SEALED, FROM_P | FROM_C | FROM_E},
};

static bool permitted(enum frame_type type, unsigned from)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (routes[i].type == type)
            return routes[i].from & from;
    return false;
}

static enum verdict dispatch(struct broker *b, const struct frame *frame, unsigned from, uint32_t id)
{
    bool own = from & (FROM_P | FROM_C | FROM_E | FROM_N | FROM_T);
    switch (frame->type) {
    case FRAME_BUNDLE:
        return broker_on_bundle(b, frame, id, from == FROM_CLIENT);
    case FRAME_RECONFIG:
        return broker_on_reconfig(b, frame, from);
    case FRAME_CONFIGURATION:
        return broker_on_configuration(b, frame, own);
    case FRAME_ASK_CONFIGURATION:
        return broker_on_ask_configuration(b, frame, id, from == FROM_CLIENT);
    case FRAME_GROUP_KEY:
        return broker_on_group_key(b, frame, own);
    case FRAME_LOCAL_RECONFIGURED:
        return broker_on_reconfigured(b, frame);
    case FRAME_ASK_ATTEST:
        return on_question(b, frame, b->configuration->certifies ? KIND_TROXY : KIND_EXECUTION);
    case FRAME_FETCH_REPLY:
    case FRAME_ASK_READ:
        return on_question(b, frame, KIND_EXECUTION);
    case FRAME_LOCAL_CERTIFY:
        return on_local_certify(b, frame);
    case FRAME_CERTIFIED:
        return on_certified(b, frame);
    case FRAME_PRE_PREPARE:
        return broker_on_pre_prepare(b, frame, id, own);
    case FRAME_PREPARE:
    case FRAME_COMMIT:
        return broker_on_vote(b, frame, own);
    case FRAME_CHECKPOINT:
        return broker_on_checkpoint(b, frame, id, own);
    case FRAME_PARTING:
        return broker_on_parting(b, frame, id, own);
    case FRAME_VIEW_CHANGE:
        return broker_on_view_change(b, frame, own);
    case FRAME_NEW_VIEW:
        return broker_on_new_view(b, frame, own);
    case FRAME_ASK_STATE:
        return own ? on_to_execution(b, frame, true) : broker_on_ask_state(b, frame, id);
    case FRAME_EXECUTED:
    case FRAME_ASK_EXECUTED:
    case FRAME_STATE:
        return on_to_execution(b, frame, own);
    case FRAME_ASK_BACKUP:
        return broker_on_ask_backup(b, frame, id);
    case FRAME_BACKUP:
        return broker_on_backup(b, frame);
    case FRAME_REPLY:
        return on_reply(b, frame);
    case FRAME_ATTEST:
        return on_attest(b, frame);
    case FRAME_READ_ANSWER:
        return on_read_answer(b, frame);
    case FRAME_STATUS:
        return broker_on_status(b, frame, id);
    case FRAME_FETCH:
        return broker_on_fetch(b, frame, id);
    case FRAME_BATCH:
        return broker_on_batch(b, frame);
    case FRAME_HYBSTER_PREPARE:
    case FRAME_HYBSTER_COMMIT:
    case FRAME_HYBSTER_COMMITTED:
    case FRAME_HYBSTER_SUSPECT:
    case FRAME_HYBSTER_VIEW_CHANGE:
    case FRAME_HYBSTER_NEW_VIEW:
    case FRAME_LOCAL_COUNT:
    case FRAME_LOCAL_COUNTED:
        return broker_on_hybster(b, frame, id, own);
    case FRAME_LOCAL_ADMITTED:
        return broker_on_admitted(b, frame);
    case FRAME_LOCAL_SETTLED:
        return broker_on_settled(b, frame);
    case FRAME_LOCAL_VIEW:
        return broker_on_view(b, frame, from == FROM_P ? KIND_PREPARATION : KIND_CONFIRMATION);
    case FRAME_LOCAL_PROGRESS:
        return broker_on_progress(b, frame);
    case FRAME_LOCAL_NEED:
        return broker_on_need(b, frame);
    case FRAME_LOCAL_TRANSFER:
        return broker_on_transfer(b, frame);
    case FRAME_LOCAL_SEALED:
        return broker_on_sealed(b, frame, (enum kind)id);
    default:
        return VERDICT_UNEXPECTED;
    }
}

static void route(struct broker *b, struct slice bytes, unsigned from, uint32_t id)
{
    struct frame frame;
    enum verdict verdict = VERDICT_MALFORMED;
    if (frame_decode(bytes.data, bytes.len, &frame))
        verdict = permitted(frame.type, from) ? dispatch(b, &frame, from, id) : VERDICT_UNEXPECTED;
    b->verdict[verdict]++;
    /* What no correct client sends costs it its connection. */
    bool garbage = verdict == VERDICT_MALFORMED || verdict == VERDICT_UNEXPECTED ||
                   verdict == VERDICT_WRONG_KIND || verdict == VERDICT_MISMATCH;
    if (from == FROM_CLIENT && garbage)
        broker_emit(b, &(struct action){.kind = ACTION_DROP_CLIENT, .to = id});
}

static unsigned from_compartment(uint32_t kind)
{
    switch (kind) {
    case KIND_PREPARATION:
        return FROM_P;
    case KIND_CONFIRMATION:
        return FROM_C;
    case KIND_EXECUTION:
        return FROM_E;
    case KIND_COUNTER:
        return FROM_N;
    case KIND_TROXY:
        return FROM_T;
    default:
        return 0;
    }
}

static void on_client_gone(struct broker *b, uint32_t connection)
{
    b->backup_link = b->backup_link == connection + 1 ? 0 : b->backup_link;
    for (origin_id i = 0; i < b->configuration->origins; i++) {
        struct origin_links *links = &b->origin[i];
        links->proven = links->proven == connection + 1 ? 0 : links->proven;
        links->claimed = links->claimed == connection + 1 ? 0 : links->claimed;
    }
    for (uint32_t at = b->queue.head; at; at = b->bundle[at - 1].queue_next)
        if (b->bundle[at - 1].connection == connection + 1)
            b->bundle[at - 1].connection = 0; /* the number may be given to somebody else */
}

/* When it is due before the one that the driver knows. */
static void arm_timer(struct broker *b)
{
    uint64_t due = checkpoints_due(b) < b->next_tick_us ? checkpoints_due(b) : b->next_tick_us;
    due = b->serve_at_us < due ? b->serve_at_us : due;
    if (due >= b->timer_at_us)
        return;
    b->timer_at_us = due;
    broker_emit(b, &(struct action){.kind = ACTION_TIMER, .at_us = due});
}

static void broker_step(void *engine, const struct event *event, struct actions *actions)
{
    struct broker *b = engine;
    b->actions = actions;
    b->now_us = event->now_us;
    if (!b->configuration)
        return;
    switch (event->kind) {
    case EVENT_PEER:
        if (event->from < b->configuration->replicas && event->from != b->config.replica)
            route(b, event->frame, FROM_PEER, event->from);
        break;
    case EVENT_CLIENT:
        route(b, event->frame, FROM_CLIENT, event->from);
        break;
    case EVENT_CLIENT_GONE:
        on_client_gone(b, event->from);
        break;
    case EVENT_COMPARTMENT:
        route(b, event->frame, from_compartment(event->from), event->from);
        break;
    case EVENT_PEER_UP:
        liveness_send_status(b, event->from);
        break;
    case EVENT_TIMER:
        b->timer_at_us = UINT64_MAX;
        if (b->now_us >= b->next_tick_us)
            liveness_tick(b);
        checkpoints_turn(b);
        checkpoints_nudge(b);
        catch_up_serve(b);
        arm_timer(b);
        break;
    case EVENT_RUN_END:
        ordering_propose(b);
        checkpoints_turn(b);
        catch_up_serve(b);
        arm_timer(b);
        break;
    case EVENT_RECONFIG:
        route(b, event->frame, FROM_LAUNCHER, b->config.replica);
        break;
    case EVENT_STOP_VOTING:
        b->voting = false;
        break;
    case EVENT_VOTE_AGAIN:
        b->voting = true;
        break;
    }
}

/* --- lifecycle ------------------------------------------------------------------------------------------------ */

static uint64_t body_bytes_max(const struct engine_config *config)
{
    return config->body_bytes_max ? config->body_bytes_max : 64u * 1024u * 1024u;
}

static size_t broker_arena_bytes(const struct engine_config *config)
{
    /* Address space; what is touched is far less. Bodies: every class of sizes could take the whole budget. Slots: lists and
     * PRE-PREPAREs of all lengths, in a dozen classes. */
    return sizeof(struct broker) + BUNDLES_MAX * (sizeof(struct bundle_entry) + 4) +
           (ORIGINS_MAX + 1) * sizeof(struct origin_links) + BODY_CLASSES * body_bytes_max(config) +
           LOG_SLOTS * (sizeof(struct slot_entry) + 12 * (LISTS_PER_SLOT + 3) * BATCH_BYTES_MAX) +
           32 * FRAME_MAX;
}

static void *broker_init(struct arena *arena, const struct engine_config *config)
{
    struct broker *b = arena_take(arena, sizeof *b);
    b->arena = arena;
    b->config = *config;
    b->config.body_bytes_max = body_bytes_max(config);
    if (!b->config.pipeline)
        b->config.pipeline =
            2; /* more under way only makes smaller batches: what waits goes into the next one */
    if (!b->config.state_rate)
        b->config.state_rate = STATE_RATE;
    b->timeout_us = config->request_timeout_us ? config->request_timeout_us : 1000000;
    b->back_off = 1;
    b->voting = true;
    size_t body_bytes = BODY_CLASSES * b->config.body_bytes_max;
    arena_init(&b->body_arena, arena_take(arena, body_bytes), body_bytes);
    b->origin = arena_take(arena, (ORIGIN_RECONFIG + 1) * sizeof *b->origin);
    b->slot = arena_take(arena, LOG_SLOTS * sizeof *b->slot);
    b->scratch = arena_take(arena, FRAME_MAX);
    bundles_init(b);
    return b;
}

static void broker_start(void *engine, const struct configuration *configuration, struct slice manifest,
                         uint64_t now_us, struct actions *actions)
{
    struct broker *b = engine;
    b->started_number = configuration->number;
    blob_set(b, &b->manifest, manifest);
    b->held = *configuration;
    b->configuration = &b->held;
    b->activation = configuration_activation(b->configuration);
    b->view_number = configuration->number;
    for (unsigned k = 0; k < 3; k++)
        b->own_number[k] = configuration->number;
    b->cluster = configuration->cluster;
    b->now_us = now_us;
    b->actions = actions;
    b->progress_us = now_us;
    b->view = configuration->view; /* 0, or to be entered by NEW-VIEW */
    b->next_tick_us = now_us + b->timeout_us / TICKS_PER_TIMEOUT;
    b->credit_us = now_us;
    b->serve_at_us = UINT64_MAX;
    b->timer_at_us = UINT64_MAX;
    arm_timer(b);
}

/* The f+1-st highest of the others: one of those who are at least there is correct. */
slot_no broker_executed_elsewhere(const struct broker *b)
{
    slot_no executed[REPLICAS_MAX] = {0};
    uint32_t count = 0;
    for (replica_id r = 0; b->configuration && r < b->configuration->replicas; r++) {
        if (!b->peer[r].known)
            continue;
        uint32_t at = count++;
        for (; at > 0 && executed[at - 1] < b->peer[r].executed; at--)
            executed[at] = executed[at - 1];
        executed[at] = b->peer[r].executed;
    }
    return count && count > b->configuration->faults ? executed[b->configuration->faults] : 0;
}

static slot_no lag_of(const struct broker *b)
{
    slot_no other = broker_executed_elsewhere(b);
    return other > b->executed ? other - b->executed : 0;
}

static void broker_status(const void *engine, struct engine_status *status)
{
    const struct broker *b = engine;
    *status = b->counters;
    status->view = b->view;
    status->in_view = b->in_view;
    status->voting = b->voting;
    status->executed = b->executed;
    status->stable = b->stable;
    status->newest = b->newest;
    status->lag = lag_of(b);
    if (b->configuration) {
        bool in_force = true;
        for (int i = 0; i < 3; i++) {
            const struct member_keys *keys =
                &b->held.member[KIND_PREPARATION - KIND_HOST + i][b->config.replica];
            status->epoch[i] = keys->epoch;
            in_force = in_force && keys->after <= b->stable;
        }
        status->configuration = b->held.number;
        status->activation = b->activation;
        status->full = in_force && b->entered_us;
    }
    status->bodies_held = b->bodies;
    status->body_bytes = b->body_bytes;
    status->transfer = b->transfer;
}

static const struct configuration *broker_configuration(const void *engine)
{
    const struct broker *b = engine;
    return b->configuration;
}

static const uint64_t *broker_verdicts(const void *engine)
{
    const struct broker *b = engine;
    return b->verdict;
}

static void broker_validate(const void *engine)
{
    const struct broker *b = engine;
    CHECK(b->body_bytes <= b->config.body_bytes_max + FRAME_MAX);
    CHECK(b->bodies <= BUNDLES_MAX && b->unproposed <= BUNDLES_MAX);
    CHECK(b->arena->live <= b->arena->size);
    for (unsigned i = 0; i < LOG_SLOTS; i++)
        CHECK(b->slot[i].slot == 0 || b->slot[i].slot % LOG_SLOTS == i);
}

const struct engine_type splitbft_engine = {
    .name = "splitbft",
    .arena_bytes = broker_arena_bytes,
    .init = broker_init,
    .start = broker_start,
    .recall = durable_recall,
    .resume = durable_resume,
    .step = broker_step,
    .status = broker_status,
    .verdicts = broker_verdicts,
    .configuration = broker_configuration,
    .validate = broker_validate,
};
