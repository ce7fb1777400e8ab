/*
 * A replica: the real engine between simulated links and its three compartments.
 */
#include "world.h"

void sim_arena_init(struct arena *arena, size_t bytes);
void sim_arena_free(struct arena *arena);

struct replica_actions {
    struct actions actions;
    struct world *w;
    replica_id r;
};

bool replica_is_up(const struct world *w, replica_id r)
{
    return !w->replica[r].crashed && w->replica[r].paused_until_us <= w->now_us;
}

static void send_peers(struct world *w, replica_id r, uint32_t to, struct parcel *parcel)
{
    if (w->replica[r].host_faulty && host_meddles_send(w, r, to, parcel))
        return;
    for (replica_id peer = 0; peer < w->n; peer++)
        if (peer != r && (to == PEER_ALL || to == peer))
            network_send(w, r, peer, parcel);
}

static void give(struct world *w, replica_id r, uint32_t kind, struct parcel *parcel, bool local)
{
    if (kind == KIND_TROXY) {
        witness_give(w, r, parcel);
        return;
    }
    CHECK(kind == KIND_COUNTER || (kind >= KIND_PREPARATION && kind <= KIND_EXECUTION));
    uint32_t cell = cell_of_kind(kind);
    if (cell == CELL_E && troxy_host_dawdles(w, r, parcel, local))
        return;
    if (w->replica[r].host_faulty && host_meddles_give(w, r, cell, parcel, local))
        return;
    cell_give(w, r, cell, parcel, local);
}

void replica_carry_out(struct world *w, replica_id r, const struct disk_waiting *a)
{
    if (a->kind == ACTION_SEND_PEER)
        send_peers(w, r, a->to, a->parcel);
    else if (a->kind == ACTION_SEND_CLIENT)
        client_send_to(w, r, a->to, a->parcel);
    else if (a->kind == ACTION_GIVE)
        give(w, r, a->to, a->parcel, a->local);
    else
        world_violation(w, "replica %u: an action that does not exist", r);
}

static void emit(struct actions *actions, const struct action *action)
{
    struct replica_actions *self = (struct replica_actions *)(void *)actions;
    struct world *w = self->w;
    struct replica *replica = &w->replica[self->r];
    if (action->kind == ACTION_TIMER) {
        uint64_t delay = action->at_us > w->now_us ? action->at_us - w->now_us : 0;
        world_later(w, delay, DUE_ENGINE_TIMER, self->r, 0, ++replica->timer_set, NULL);
        return;
    }
    if (action->kind == ACTION_PERSIST) {
        if (!w->durable)
            world_violation(w, "replica %u: something to persist with durability memory", self->r);
        disk_append(w, self->r, action);
        return;
    }
    if (action->kind == ACTION_TRACE) {
        world_trace(w, "r%u %.*s", self->r, (int)action->parts[0].len, (const char *)action->parts[0].data);
        return;
    }
    if (action->kind == ACTION_DROP_CLIENT) {
        client_dropped(w, self->r, action->to);
        return;
    }
    CHECK(w->in_hands < sizeof w->in_hand / sizeof *w->in_hand);
    struct parcel *parcel = w->in_hand[w->in_hands++] = parcel_new(action->parts, 2);
    struct disk_waiting now = {
        .kind = action->kind, .to = action->to, .local = action->local, .parcel = parcel};
    bool waits = action->kind == ACTION_SEND_PEER || (action->kind == ACTION_GIVE && action->held);
    if (!waits || !disk_holds(w, self->r, &now))
        replica_carry_out(w, self->r, &now);
    w->in_hands--;
    parcel_drop(parcel);
}

void replica_init(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    replica->id = r;
    struct engine_config config = {
        .replica = r,
        .request_timeout_us = w->request_timeout_us,
        .pipeline = 4, /* more slots under way than the default: more interleavings */
        .body_bytes_max = 2u * 1024u * 1024u,
        .state_rate = 1024u * 1024u, /* pieces are small, too */
        .trace = w->options.trace != NULL,
        .durable = w->durable,
    };
    sim_arena_init(&replica->arena, splitbft_engine.arena_bytes(&config));
    replica->engine = splitbft_engine.init(&replica->arena, &config);
    for (uint32_t k = 0; k < CELLS; k++)
        cell_init(w, r, k);
}

void replica_free(struct replica *replica)
{
    for (uint32_t k = 0; k < CELLS; k++) {
        cell_free(&replica->cell[k]);
        if (replica->ghost[k].state)
            cell_free(&replica->ghost[k]);
    }
    for (size_t i = 0; i < replica->helds; i++)
        parcel_drop(replica->held[i].parcel);
    free(replica->held);
    disk_free(&replica->disk);
    storage_free(replica);
    sim_arena_free(&replica->arena);
    memset(replica, 0, sizeof *replica);
}

void replica_event(struct world *w, replica_id r, enum event_kind kind, uint32_t from, struct slice frame)
{
    struct replica *replica = &w->replica[r];
    struct replica_actions actions = {.actions = {emit}, .w = w, .r = r};
    struct event event = {.kind = kind, .from = from, .now_us = w->now_us, .frame = frame};
    disk_step(&replica->disk);
    splitbft_engine.step(replica->engine, &event, &actions.actions);
    w->result->events++;
    if (w->result->events % 64 == 0)
        splitbft_engine.validate(replica->engine);
    if (kind != EVENT_RUN_END && !replica->run_ending) {
        replica->run_ending = true;
        world_later(w, 1 + dice_below(&w->host_dice, 10), DUE_RUN_END, r, 0, 0, NULL);
    }
}

void replica_start(struct world *w, replica_id r)
{
    struct replica_actions actions = {.actions = {emit}, .w = w, .r = r};
    for (uint32_t k = 0; k < CELLS; k++) {
        struct parcel *begin = w->hybster && k == CELL_N ? founding_counter_key(w, r) : parcel_hold(w->start);
        cell_give(w, r, k, begin, false);
        parcel_drop(begin);
    }
    splitbft_engine.start(w->replica[r].engine, &w->configuration, parcel_slice(w->start), w->now_us,
                          &actions.actions);
    if (w->durable && w->replica[r].disk.count && !w->replica[r].disk.damaged)
        disk_resume_engine(w, r);
}

void replica_reborn(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    struct replica old = *replica;
    memset(&replica->disk, 0, sizeof replica->disk); /* it stays */
    replica->earlier = NULL;
    if (old.lives_on)
        memset(replica->cell, 0, sizeof replica->cell);
    replica_free(replica);
    replica->disk = old.disk;
    replica->earlier = old.earlier;
    replica->host_faulty = old.host_faulty;
    replica->mischief = old.mischief;
    replica->timer_set = old.timer_set + 1;
    replica->incarnation = old.incarnation;
    replica->attempts = old.attempts;
    replica->rejoining = old.rejoining;
    replica->newcomer = old.newcomer;
    replica->drawn = old.drawn;
    replica->replacing = old.replacing;
    memcpy(replica->link_key, old.link_key, sizeof replica->link_key);
    replica_init(w, r);
    for (uint32_t k = 0; k < CELLS; k++) {
        replica->cell[k].faulty = old.cell[k].faulty;
        replica->cell[k].omits = old.cell[k].omits;
        if (old.lives_on)
            replica->ghost[k] = old.cell[k];
    }
    if (!replica->disk.damaged)
        disk_recall(w, r, false);
}

static void remember(struct world *w, struct parcel *parcel)
{
    struct parcel **place = &w->memory[w->remembered++ % MEMORY_FRAMES];
    parcel_drop(*place);
    *place = parcel_hold(parcel);
}

static void tell_views(struct world *w, replica_id r, uint32_t cell, const struct parcel *parcel)
{
    struct frame frame;
    struct local_view view;
    if (!w->options.story || cell != CELL_P || !frame_decode(parcel->data, parcel->len, &frame) ||
        frame.type != FRAME_LOCAL_VIEW || !local_view_decode(frame.body, &view) ||
        (view.in_view && view.view == 0))
        return;
    world_story(w, "r%u %s view %llu", r, view.in_view ? "enters" : "leaves for",
                (unsigned long long)view.view);
}

void replica_check_secret(struct world *w, replica_id r, uint32_t cell, const struct parcel *parcel)
{
    static const char secret[] = "CONFIDENTIAL";
    if (cell == CELL_E && memmem(parcel->data, parcel->len, secret, sizeof secret - 1))
        world_violation(w, "replica %u: a plaintext left its Execution compartment", r);
}

void replica_on_output(struct world *w, replica_id r, uint32_t cell, struct parcel *said)
{
    struct parcel *parcel = liar_output(w, r, cell, said);
    if (w->options.trace)
        world_trace_frame(w, kind_name(w->replica[r].cell[cell].type->kind), r, parcel_slice(parcel), NULL);
    if (w->options.faults & FAULTS_BYZANTINE)
        remember(w, parcel);
    replica_check_secret(w, r, cell, parcel);
    rejoin_check_output(w, r, cell, parcel_slice(parcel));
    tell_views(w, r, cell, parcel);
    if (w->in_takeover)
        w->takeover_output(w, r, cell, parcel);
    if (disk_takes_piece(w, r, parcel)) {
        parcel_drop(parcel);
        return;
    }
    struct parcel *out = parcel_hold(parcel);
    bool drop = false;
    if (w->replica[r].cell[cell].faulty)
        nemesis_mistreat_output(w, r, cell, &out, &drop);
    if (!drop)
        replica_event(w, r, EVENT_COMPARTMENT, cell_kind(w, cell), parcel_slice(out));
    parcel_drop(out);
    parcel_drop(parcel);
}
