/*
 * Restarts with amnesia (durability memory): a replica loses everything, comes back with fresh keys under a new epoch, and its launcher
 * brings a RECONFIG until it is full again. A Byzantine host keeps P, C and E of the incarnation before running beside it: they are
 * fed all that the new ones are fed, and what they say goes to everybody, and to clients. With hybster that is the orderer of before with
 * the counter of before, which nobody has stopped.
 *
 * With durability sync a replica that restarts has its log, or lost its disk as well; and now and then more than f are killed at
 * once, which only a resume helps with: until then their launchers must not have cost them what is in their logs.
 *
 * Not more than f replicas are restarting, crashed or faulty at a time: else the others, who must order the RECONFIG and have
 * the state, could not.
 */
#include "world.h"

#include "ordering/attest.h"

void sim_arena_free(struct arena *arena);

static void ghosts_free(struct replica *replica)
{
    for (uint32_t k = 0; k < CELLS; k++)
        if (replica->ghost[k].state)
            cell_free(&replica->ghost[k]);
}

static epoch_no epoch_of(const struct world *w, replica_id r)
{
    return w->life + w->replica[r].incarnation;
}

void rejoin_kill(struct world *w, replica_id r, uint64_t down_us, bool clone)
{
    struct replica *replica = &w->replica[r];
    replica->crashed = true;
    replica->rejoining = true;
    world_fault(w);
    world_trace(w, "fault: replica %u loses everything%s", r, clone ? ", a clone goes on" : "");
    world_story(w, "r%u is killed, and loses everything", r);
    world_later(w, down_us, DUE_RESTART, r, clone, epoch_of(w, r), NULL);
}

/* What the ledger compares this E with begins anew. */
static void forget(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    replica->seen_executed = replica->seen_checkpoint = 0;
    replica->seen_transfers = 0;
    w->ledger.time_us[r] = 0;
    for (uint64_t s = 0; s < w->ledger.slots; s++)
        w->ledger.slot[s].done[r] = 0;
}

static void restart(struct world *w, replica_id r, bool clone)
{
    struct replica *replica = &w->replica[r];
    ghosts_free(replica);
    for (uint32_t k = 0; k < CELLS; k++) {
        if (clone)
            replica->ghost[k] = replica->cell[k];
        else
            cell_free(&replica->cell[k]);
        replica->cell[k] = (struct cell){0};
    }
    for (size_t i = 0; i < replica->helds; i++)
        parcel_drop(replica->held[i].parcel);
    replica->helds = 0;
    sim_arena_free(&replica->arena);
    bool moved = !w->massacre && replace_begin(w, r);
    /* The administrator's lock-out takes an epoch that nobody has, between that one and this. */
    replica->incarnation += moved ? 2 : 1;
    replica->crashed = false;
    replica->run_ending = false;
    replica->timer_set++;
    forget(w, r);
    if (w->durable)
        disk_power_loss(&replica->disk);
    if (w->durable && !w->massacre && (dice_chance(&w->rejoin_dice, 0.3) || moved))
        disk_wipe(&replica->disk);
    replica_init(w, r);
    if (w->durable)
        disk_recall(w, r, true);
    replica_start(w, r);
    world_trace(w, "r%u starts anew, incarnation %u", r, replica->incarnation);
    if (clone)
        plot_begin(w, r);
    world_story(w, "r%u starts anew", r);
    for (replica_id peer = 0; peer < w->n; peer++) {
        if (peer == r)
            continue;
        world_later(w, 1000, DUE_PEER_UP, r, peer, 0, NULL);
        world_later(w, 1000, DUE_PEER_UP, peer, r, 0, NULL);
    }
    for (uint32_t c = 0; c < w->clients; c++)
        if (w->client[c].alive)
            world_later(w, 5000, DUE_CONNECTED, c, r, w->client[c].incarnation * CLIENTS_MAX + c, NULL);
    world_later(w, w->request_timeout_us, DUE_REJOIN, r, 0, epoch_of(w, r), NULL);
}

/* The launcher's part: evidence for fresh keys, on the number that its host knows. `bogus`: keys that nobody has. */
static void submit(struct world *w, replica_id r, configuration_no number, bool bogus)
{
    uint8_t members[RENEWALS_MAX * renewal_BYTES], body[RECONFIG_BYTES_MAX], frame[RECONFIG_BYTES_MAX + 64];
    uint8_t report_data[REPORT_BYTES];
    struct writer mw = writer_to(members, sizeof members), bw = writer_to(body, sizeof body);
    for (uint32_t k = 0; k < CELLS; k++) {
        const struct member *m = founding_member(r, k);
        struct renewal renewal = {
            .kind = m->kind, .epoch = m->epoch, .sign_public = m->sign_public, .box_public = m->box_public};
        if (bogus) {
            struct box_key box;
            box_keypair(&box);
            renewal.epoch += w->replica[r].attempts + 1;
            memcpy(renewal.box_public.bytes, box.public, 32);
        }
        attest_bound(&w->configuration.cluster, r, &renewal, number, w->replica[r].attempts + 1, report_data);
        attest_software(&renewal, &w->platform[r], report_data);
        renewal_put(&mw, &renewal);
    }
    struct reconfig reconfig = {.configuration = number,
                                .replica = r,
                                .attempt = ++w->replica[r].attempts,
                                .members = {members, mw.len}};
    reconfig_put(&bw, &reconfig);
    CHECK(!mw.bad && !bw.bad);
    struct sender admin = {.kind = KIND_ADMIN};
    size_t len = frame_encode(frame, sizeof frame, FRAME_RECONFIG, &admin, AUTH_NONE,
                              (struct slice){body, bw.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    CHECK(len > 0);
    world_trace(w, "r%u launcher: %sRECONFIG on %llu", r, bogus ? "bogus " : "", (unsigned long long)number);
    replica_event(w, r, EVENT_RECONFIG, 0, (struct slice){frame, len});
}

/* All that its logs must hold to be whole is on the disk. */
static bool log_is_whole(const struct world *w, replica_id r)
{
    const struct replica *replica = &w->replica[r];
    const struct preparation *p = replica->cell[CELL_P].state;
    const struct confirmation *c = replica->cell[CELL_C].state;
    const struct execution *e = replica->cell[CELL_E].state;
    if (!w->durable)
        return true;
    return prep_stable_slot(p) >= p->whole_above && !p->write_all && conf_stable_slot(c) >= c->whole_above &&
           !c->write_all && e->whole && !e->write_stable &&
           replica->disk.durable == replica->disk.first + replica->disk.count;
}

static void launcher(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    struct engine_status status = {0};
    splitbft_engine.status(replica->engine, &status);
    replace_tick(w, r);
    if (status.epoch[0] < epoch_of(w, r) && replica_is_up(w, r))
        submit(w, r, status.configuration - w->configuration.resumed, false);
    if (status.epoch[0] == epoch_of(w, r) && status.full && replica->rejoining && log_is_whole(w, r)) {
        replica->rejoining = replica->replacing = replica->newcomer = false;
        w->restarts_left += replica->drawn;
        replica->drawn = false;
        w->result->rejoins++;
        world_trace(w, "r%u is full again", r);
        world_story(w, "r%u is full again", r);
        return;
    }
    world_later(w, 2 * w->request_timeout_us, DUE_REJOIN, r, 0, epoch_of(w, r), NULL);
}

void rejoin_on_due(struct world *w, const struct due *due)
{
    if (due->kind == DUE_RESTART && due->a == REPLICAS_MAX) {
        if (due->x == w->life)
            power_loss(w); /* their operator starts all of them again */
        return;
    }
    bool current = due->a < w->n && due->x == epoch_of(w, due->a);
    if (current && due->kind == DUE_RESTART && w->replica[due->a].crashed)
        restart(w, due->a, due->b);
    else if (current && due->kind == DUE_REJOIN && !w->replica[due->a].crashed)
        launcher(w, due->a);
}

static bool usable(const struct world *w, replica_id r)
{
    bool used = w->replica[r].crashed || w->replica[r].rejoining;
    for (uint32_t k = 0; k < CELLS; k++)
        used = used || w->replica[r].cell[k].faulty;
    return !used;
}

/* Launchers that renew what runs: it is locked out by it. As many at once as the dice want. */
static void evil_launchers(struct world *w)
{
    for (replica_id r = 0; r < w->n; r++)
        if (replica_is_up(w, r) && dice_chance(&w->rejoin_dice, 0.3))
            submit(w, r, configuration_ordered(&w->known), true);
}

/* More than f at once: nobody can admit them any more. */
static void massacre(struct world *w)
{
    struct dice *d = &w->rejoin_dice;
    uint32_t killed = 0;
    w->massacre = true;
    for (replica_id r = 0; r < w->n; r++) {
        bool used = w->replica[r].crashed;
        for (uint32_t k = 0; k < CELLS; k++)
            used = used || w->replica[r].cell[k].faulty;
        if (used || (killed > w->f && dice_chance(d, 0.5)))
            continue;
        bool rejoining = w->replica[r].rejoining;
        rejoin_kill(w, r, dice_between(d, 1000, 1000000), false);
        w->replica[r].rejoining = rejoining;
        killed++;
    }
    world_later(w, dice_between(d, 1000000, 6000000), DUE_RESTART, REPLICAS_MAX, 0, w->life, NULL);
}

void rejoin_fault(struct world *w)
{
    struct dice *d = &w->rejoin_dice;
    replace_fault(w);
    if (w->options.evil_launchers)
        evil_launchers(w);
    replica_id r = dice_below(d, w->n);
    bool clone = w->options.faults & FAULTS_BYZANTINE && dice_chance(d, 0.5) && (!w->whole || w->hybster);
    uint64_t down_us = dice_between(d, 1000, 3000000);
    bool now = dice_chance(d, 0.2) || w->options.restless;
    if (w->options.restless)
        down_us = 1 + down_us / 100;
    if (w->massacre || w->plot.on)
        return;
    clone = clone || w->options.plots > 0;
    if (w->durable && dice_chance(d, 0.03) && !resize_is_fragile(w)) {
        massacre(w);
        return;
    }
    if (!w->restarts_left || !usable(w, r) || !now)
        return;
    w->restarts_left--;
    w->replica[r].drawn = true;
    rejoin_kill(w, r, down_us, clone);
}

static void ghost_reply(struct world *w, replica_id r, const struct frame *frame, struct parcel *parcel)
{
    struct reply reply;
    if (!reply_decode(frame->body, &reply))
        return;
    for (uint32_t c = 0; c < w->clients; c++)
        if (w->client[c].number == reply.origin && w->client[c].alive)
            client_send_to(w, r, w->client[c].incarnation * CLIENTS_MAX + c, parcel);
    troxy_hears_ghost(w, r, reply.origin, parcel);
}

static void ghost_attest(struct world *w, replica_id r, const struct frame *frame, struct parcel *parcel)
{
    struct attest attest;
    if (attest_decode(frame->body, &attest))
        troxy_hears_ghost(w, r, attest.origin, parcel);
}

void rejoin_ghost_output(struct world *w, replica_id r, uint32_t cell, struct parcel *parcel)
{
    struct frame frame;
    replica_check_secret(w, r, cell, parcel);
    if (!frame_decode(parcel->data, parcel->len, &frame))
        return;
    if (frame.type == FRAME_LOCAL_COUNT || frame.type == FRAME_LOCAL_COUNTED) {
        cell_ghost_step(w, r, frame.type == FRAME_LOCAL_COUNT ? CELL_N : CELL_P, parcel_slice(parcel));
        return;
    }
    if (w->healing && !w->replica[r].host_faulty && dice_chance(&w->rejoin_dice, 0.5))
        return;
    if (frame.type >= FRAME_LOCAL_PROPOSE)
        return;
    if (frame.type == FRAME_REPLY) {
        ghost_reply(w, r, &frame, parcel);
        return;
    }
    if (frame.type == FRAME_ATTEST) {
        ghost_attest(w, r, &frame, parcel);
        return;
    }
    for (replica_id peer = 0; peer < w->n; peer++)
        if (peer != r)
            network_send(w, r, peer, parcel);
}

/* ------------------------------------------------------------------------------------------------ rules */

/* Whoever votes above an activation slot knows the configuration that it belongs to: that is what L is for. */
void rejoin_check_slot(struct world *w, replica_id r, slot_no slot, const struct configuration *held)
{
    for (configuration_no n = configuration_ordered(held) + 1; n <= configuration_ordered(&w->known); n++) {
        const struct configuration_step *step = configuration_step(&w->known, n);
        if (step && slot > step->activation)
            world_violation(w, "replica %u votes in slot %llu by configuration %llu, where %llu is in force",
                            r, (unsigned long long)slot, (unsigned long long)configuration_ordered(held),
                            (unsigned long long)n);
    }
}

static void check_vote(struct world *w, replica_id r, const struct frame *frame,
                       const struct configuration *held)
{
    struct vote vote;
    if (vote_decode(frame->body, &vote))
        rejoin_check_slot(w, r, vote.slot, held);
}

/* A correct primary builds a NEW-VIEW on VIEW-CHANGEs of its own number, by the epochs that it knows to be the latest. */
static void check_new_view(struct world *w, replica_id r, const struct frame *frame,
                           const struct configuration *held)
{
    size_t at = 0;
    struct slice bytes;
    while (frame_list_next(frame->attachment, &at, &bytes)) {
        struct frame inner;
        struct view_change vc;
        CHECK(frame_decode(bytes.data, bytes.len, &inner) && view_change_decode(inner.body, &vc));
        const struct member_keys *keys = configuration_member(held, &inner.sender);
        if (vc.configuration != held->number)
            world_violation(w, "replica %u builds a NEW-VIEW on configuration %llu, and knows %llu", r,
                            (unsigned long long)vc.configuration, (unsigned long long)held->number);
        if (!keys || keys->after > vc.stable_slot)
            world_violation(w, "replica %u builds a NEW-VIEW on a VIEW-CHANGE of an epoch that has no say",
                            r);
    }
}

/* A correct fresh E says nothing to anybody before a checkpoint at or above its activation slot is stable. */
static void check_execution(struct world *w, replica_id r, const struct frame *frame,
                            const struct execution *e)
{
    bool speaks = frame->type == FRAME_REPLY || frame->type == FRAME_CHECKPOINT;
    if (speaks && exec_stable_slot(e) < auth_counts_above(&e->auth))
        world_violation(
            w, "replica %u: a fresh Execution compartment speaks before its activation slot is stable", r);
    uint32_t pending[MEMBER_KINDS] = {0};
    for (unsigned k = 0; k < MEMBER_KINDS; k++)
        for (replica_id m = 0; m < w->n; m++)
            pending[k] += e->configuration.ordered[k][m].after > e->executed;
    for (unsigned k = 1; k < MEMBER_KINDS; k++)
        if (pending[k] > w->f && configuration_number_at(&e->configuration, e->executed) ==
                                     configuration_ordered(&e->configuration))
            world_violation(w, "%u members of a kind are pending at once", pending[k]);
}

/* What START names is later than whatever was ordered before it. */
static void check_keys(struct world *w, replica_id r, const struct configuration *held)
{
    for (unsigned k = 1; k < MEMBER_KINDS; k++)
        for (replica_id m = 0; m < w->n; m++)
            if (held->member[k][m].epoch < w->configuration.member[k][m].epoch)
                world_violation(w, "replica %u holds keys for replica %u that the last START replaced", r, m);
}

/* The rules of PROTOCOL.md that no wrong answer shows at once are looked at where they are kept or broken. */
void rejoin_check_output(struct world *w, replica_id r, uint32_t cell, struct slice bytes)
{
    struct frame frame;
    if (w->replica[r].cell[cell].faulty || !frame_decode(bytes.data, bytes.len, &frame))
        return;
    const struct preparation *p = w->replica[r].cell[CELL_P].state;
    const struct confirmation *c = w->replica[r].cell[CELL_C].state;
    const struct execution *e = w->replica[r].cell[CELL_E].state;
    if (!p || !c || !e)
        return; /* being born */
    if (cell == CELL_E && frame.type == FRAME_CONFIGURATION) {
        (void)configuration_follow(&w->known, &frame);
        replace_check(w);
    }
    if (w->options.rules_unchecked)
        return;
    if (w->hybster && cell == CELL_P)
        hybster_check_output(w, r, &frame);
    if (cell == CELL_E && e->started)
        check_execution(w, r, &frame, e);
    if (frame.type == FRAME_CHECKPOINT && e->started)
        check_keys(w, r, &e->configuration);
    bool votes = frame.type == FRAME_COMMIT || frame.type == FRAME_PREPARE || frame.type == FRAME_PRE_PREPARE;
    if (votes && frame.sender.epoch != epoch_of(w, r))
        world_violation(w, "replica %u votes with the keys of an earlier life", r);
    if (frame.type == FRAME_COMMIT)
        check_vote(w, r, &frame, &c->configuration);
    if (frame.type == FRAME_PREPARE || frame.type == FRAME_PRE_PREPARE)
        check_vote(w, r, &frame, &p->configuration);
    if (frame.type == FRAME_NEW_VIEW)
        check_new_view(w, r, &frame, &p->configuration);
}

bool rejoin_done(const struct world *w)
{
    for (replica_id r = 0; r < w->n; r++)
        if (w->replica[r].rejoining && !w->replica[r].disk.damaged && !w->replica[r].cell[CELL_P].faulty &&
            !w->replica[r].cell[CELL_E].faulty)
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------------ power losses */

static bool learns[REPLICAS_MAX][2];

/* By the rule itself: up to the activation slot an earlier incarnation voted, and what it promised is not in this one's log. */
void rejoin_note_learners(struct world *w)
{
    for (replica_id r = 0; r < w->n; r++) {
        const struct preparation *p = w->replica[r].cell[CELL_P].state;
        const struct confirmation *c = w->replica[r].cell[CELL_C].state;
        slot_no p_above = p->started ? auth_counts_above(&p->auth) : 0;
        slot_no c_above = c->started ? auth_counts_above(&c->auth) : 0;
        /* Who is not listed left the log of the one before as it was. */
        learns[r][0] = p_above != UINT64_MAX && prep_stable_slot(p) < p_above;
        learns[r][1] = c_above != UINT64_MAX && conf_stable_slot(c) < c_above;
    }
}

void rejoin_check_heads(struct world *w)
{
    uint32_t lost = 0;
    for (replica_id r = 0; r < w->n; r++) {
        bool whole = true;
        for (uint32_t k = 0; k < CELLS; k++) {
            bool head = !digest_is_zero(&founding_member(r, k)->head);
            whole = whole && head;
            if (!head)
                world_trace(w, "r%u %s shows no log head", r, kind_name(KIND_PREPARATION + k));
            /* (A disk that is what it was earlier shows what it held then: that replica is one of the f.) */
            if (k < 2 && learns[r][k] && head && !w->replica[r].cell[k].faulty && !storage_is_forgetful(w, r))
                world_violation(w, "replica %u shows a log that lacks what was promised in its name", r);
        }
        lost += !whole;
        if (!whole && !w->replica[r].rejoining && w->restarts_left)
            w->restarts_left--;
        w->replica[r].rejoining = w->replica[r].rejoining || !whole;
    }
    if (lost > w->f && !w->options.rot_everywhere)
        world_violation(w, "%u replicas have lost their logs: nobody can resume", lost);
}

void rejoin_after_power_loss(struct world *w)
{
    w->massacre = false;
    for (replica_id r = 0; r < w->n; r++)
        if (w->replica[r].rejoining)
            world_later(w, w->request_timeout_us, DUE_REJOIN, r, 0, epoch_of(w, r), NULL);
}
