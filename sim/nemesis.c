/*
 * The nemesis: which faults there are, and when. During the safety phase anything may happen; when healing begins, the network
 * is whole, the paused go on, Byzantine hosts carry faithfully what they held back, and at most f of each kind stay faulty or
 * crashed.
 */
#include "world.h"

static void draw_faulty(struct world *w)
{
    struct dice *d = &w->fault_dice;
    bool byzantine = w->options.faults & FAULTS_BYZANTINE;
    bool crash = w->options.faults & (FAULTS_CRASH | FAULTS_STORAGE);
    /* Of the f that may fail in each kind, some crash with their whole replica. */
    w->crashes_left = crash ? (byzantine ? dice_below(d, w->f + 1) : w->f) : 0;
    uint32_t left = w->f - (w->options.faulty[0] < 0 ? w->crashes_left : 0);
    if (!byzantine)
        return;
    if (w->options.faulty[0] >= 0 || w->options.faulty_replicas >= 0)
        w->crashes_left = 0;
    if (w->whole) {
        uint32_t count = w->options.faulty_replicas >= 0 ? (uint32_t)w->options.faulty_replicas : left;
        for (uint32_t i = 0; i < count; i++) {
            replica_id r = dice_below(d, w->n);
            while (w->replica[r].host_faulty)
                r = (r + 1) % w->n;
            w->replica[r].host_faulty = true;
            for (uint32_t k = 0; k < CELLS; k++)
                w->replica[r].cell[k].faulty = !w->hybster || k != CELL_N;
        }
        return;
    }
    replica_id first = dice_below(d, w->n);
    uint32_t used = 0;
    for (uint32_t k = 0; k < CELLS; k++) {
        uint32_t count = w->options.faulty[k] >= 0 ? (uint32_t)w->options.faulty[k] : left;
        /* On different hosts, one after the other. */
        for (uint32_t i = 0; i < count; i++)
            w->replica[(first + used++) % w->n].cell[k].faulty = true;
    }
    uint32_t hosts = w->options.hosts >= 0 ? (uint32_t)w->options.hosts
                     : dice_chance(d, 0.6) ? w->n
                                           : dice_below(d, w->n + 1);
    replica_id host = dice_below(d, w->n);
    for (uint32_t i = 0; i < hosts; i++)
        w->replica[(host + i) % w->n].host_faulty = true;
}

static void next(struct world *w)
{
    world_later(w, dice_between(&w->fault_dice, 20000, 1000000), DUE_NEMESIS, 0, 0, 0, NULL);
}

void nemesis_init(struct world *w)
{
    struct dice *d = &w->fault_dice;
    draw_faulty(w);
    bool byzantine = w->options.faults & FAULTS_BYZANTINE;
    w->liar_dice = dice_from(w->options.seed, 2000);
    for (replica_id r = 0; r < w->n; r++) {
        w->replica[r].cell[CELL_E].lies =
            dice_chance(&w->liar_dice, 0.5) ? 0 : (double)dice_below(&w->liar_dice, 100) / 100;
        w->replica[r].mischief = dice_chance(d, 0.5) ? 0 : (double)dice_below(d, 100) / 1000;
        for (uint32_t k = 0; k < CELLS; k++)
            w->replica[r].cell[k].omits = dice_chance(d, 0.5) ? 0 : (double)dice_below(d, 100) / 100;
    }
    if (byzantine && w->clients > 3 && dice_chance(d, 0.5) && !w->options.plain_network)
        w->client[w->clients - 1].faulty = true;
    /* Of those that may crash for good, some come back with nothing instead; with nobody faulty any may. */
    if (w->options.faults & FAULTS_RESTART && (!w->durable || dice_chance(d, 0.7))) {
        w->restarts_left = w->crashes_left;
        bool nobody = !byzantine ||
                      (w->options.faulty[0] == 0 && w->options.faulty[1] == 0 && w->options.faulty[2] == 0);
        if (!(w->options.faults & FAULTS_CRASH) && nobody)
            w->restarts_left = w->f;
        w->crashes_left = 0;
    }
    for (replica_id r = 0; w->options.plots > 0 && r < w->n; r++) {
        w->restarts_left = w->f; /* what a faulty E does beside that costs no safety */
        w->replica[r].cell[CELL_E].lies = 1;
        w->replica[r].cell[CELL_E].omits = 0;
    }
    storage_init(w);
    double drawn = dice_chance(d, 0.3) ? 0 : (double)dice_below(d, 1000) / 300;
    w->attacks_per_s = w->options.attacks_per_s >= 0 ? w->options.attacks_per_s : drawn;
    if (w->options.faults && !w->options.plain_network)
        next(w);
}

/* ------------------------------------------------------------------------------------------------ network */

static void cut(struct world *w, uint32_t from_set, uint32_t to_set)
{
    for (replica_id a = 0; a < w->n; a++)
        for (replica_id b = 0; b < w->n; b++)
            if (from_set >> a & 1 && to_set >> b & 1)
                w->link[a][b].cut = true;
}

static void weather(struct world *w)
{
    struct dice *d = &w->fault_dice;
    double loss = dice_chance(d, 0.5) ? 0 : (double)dice_below(d, 300) / 1000;
    double replay = dice_chance(d, 0.5) ? 0 : (double)dice_below(d, 500) / 1000;
    uint64_t delay = 50 + (dice_chance(d, 0.3) ? dice_below(d, 50000) : dice_below(d, 1000));
    uint64_t jitter = dice_chance(d, 0.5) ? dice_below(d, 1000) : dice_below(d, 30000);
    for (replica_id a = 0; a < w->n; a++)
        for (replica_id b = 0; b < w->n; b++) {
            w->link[a][b].loss = loss;
            w->link[a][b].replay = replay;
            w->link[a][b].delay_us = delay;
            w->link[a][b].jitter_us = jitter;
        }
    w->client_link.loss = loss / 2;
    w->client_link.replay = replay / 2;
    w->client_link.jitter_us = jitter;
    world_trace(w, "fault: loss %.2f replay %.2f delay %llu", loss, replay, (unsigned long long)delay);
}

static void partition(struct world *w)
{
    struct dice *d = &w->fault_dice;
    uint32_t all = (1u << w->n) - 1;
    uint32_t set = 1 + dice_below(d, all - 1);
    if (dice_chance(d, 0.4))
        set = 1u << dice_below(d, w->n);
    bool one_way = dice_chance(d, 0.4);
    cut(w, set, all & ~set);
    if (!one_way)
        cut(w, all & ~set, set);
    if (dice_chance(d, 0.3)) {
        uint32_t c = dice_below(d, w->clients);
        w->client[c].cut[dice_below(d, w->n)] = true;
    }
    world_trace(w, "fault: replicas %x cut off%s", set, one_way ? ", one way" : "");
}

/* It leaves the view alone, and the others go on without it. */
static void leave_one_out(struct world *w)
{
    uint32_t one = 1u << dice_below(&w->fault_dice, w->n), all = (1u << w->n) - 1;
    w->left_out = one;
    network_heal(w);
    cut(w, one, all & ~one);
    cut(w, all & ~one, one);
    world_fault(w);
    world_trace(w, "fault: replicas %x left out", one);
}

static void network_fault(struct world *w)
{
    world_fault(w);
    switch (dice_below(&w->fault_dice, 3)) {
    case 0:
        weather(w);
        break;
    case 1:
        partition(w);
        break;
    default:
        network_heal(w);
        for (uint32_t c = 0; c < w->clients; c++)
            memset(w->client[c].cut, 0, sizeof w->client[c].cut);
        world_trace(w, "fault: links healed");
    }
}

/* ------------------------------------------------------------------------------------------------ crashes */

static bool may_crash(const struct world *w, replica_id r)
{
    bool used = w->replica[r].crashed;
    for (uint32_t k = 0; k < CELLS; k++)
        used = used || w->replica[r].cell[k].faulty;
    return w->crashes_left && !used;
}

/* What was under way reaches some only: they may have executed what nobody else can decide any more. */
static void crash(struct world *w, replica_id r, uint32_t unreached)
{
    w->replica[r].crashed = true;
    w->replica[r].unreached = unreached;
    world_fault(w);
    world_trace(w, "fault: replica %u crashed, unreached %x", r, w->replica[r].unreached);
}

/* Of the others one alone gets it, and not the one left out: that one may be unable to vote for the slot any more. */
static void crash_over_commit(struct world *w, replica_id r)
{
    uint32_t reached = dice_below(&w->fault_dice, w->n);
    while (reached == r || w->left_out >> reached & 1)
        reached = (reached + 1) % w->n;
    w->replica[r].doomed = false;
    crash(w, r, ~(1u << reached));
}

void nemesis_sees(struct world *w, replica_id from, struct slice bytes)
{
    struct frame frame;
    struct vote vote;
    bool commit = w->replica[from].doomed && frame_decode(bytes.data, bytes.len, &frame) &&
                  frame.type == FRAME_COMMIT && vote_decode(frame.body, &vote);
    if (commit && vote.slot > w->ledger.top)
        crash_over_commit(w, from);
}

static void crash_fault(struct world *w)
{
    struct dice *d = &w->fault_dice;
    replica_id r = dice_below(d, w->n);
    if (may_crash(w, r) && !w->options.end && dice_chance(d, 0.1)) {
        w->crashes_left--;
        crash(w, r, dice_below(d, 1u << w->n));
        return;
    }
    if (dice_chance(d, 0.5)) {
        w->replica[r].paused_until_us = w->now_us + dice_between(d, 1000, 1500000);
        world_fault(w);
        world_trace(w, "fault: replica %u paused", r);
        return;
    }
    if (dice_chance(d, 0.4)) {
        uint32_t c = dice_below(d, w->clients);
        client_stop(w, c);
        client_start(w, c);
        world_fault(w);
        world_trace(w, "fault: client %u restarted", c);
    }
}

/* ------------------------------------------------------------------------------------------------ Byzantine */

void takeover_run(struct world *w);

/* A faulty compartment keeps frames back, spoils MACs for some, or repeats itself. Forgery is in attack.c. */
void nemesis_mistreat_output(struct world *w, replica_id r, uint32_t k, struct parcel **parcel, bool *drop)
{
    struct cell *cell = &w->replica[r].cell[k];
    struct dice *d = &w->fault_dice;
    struct frame frame;
    if (cell->omits == 0 || !frame_decode((*parcel)->data, (*parcel)->len, &frame) ||
        frame.type >= FRAME_LOCAL_PROPOSE)
        return;
    if (dice_chance(d, cell->omits)) {
        world_fault(w);
        *drop = true;
        return;
    }
    if (frame.auth_kind == AUTH_MACS && dice_chance(d, 0.5)) {
        struct parcel *bad = parcel_of(parcel_slice(*parcel));
        size_t at = FRAME_HEADER_BYTES + frame.body.len;
        for (uint32_t i = 0; i < mac_entry_count(frame.auth); i++)
            if (dice_chance(d, 0.3))
                bad->data[at + i * mac_entry_BYTES + 4] ^= 0x55;
        parcel_drop(*parcel);
        *parcel = bad;
        world_fault(w);
    }
}

static void byzantine_fault(struct world *w)
{
    struct dice *d = &w->fault_dice;
    for (replica_id r = 0; r < w->n; r++)
        if (w->replica[r].host_faulty && dice_chance(d, 0.4))
            host_acts_up(w, r);
    if (w->hybster)
        hybster_fault(w);
}

static void storage_fault(struct world *w)
{
    struct dice *d = &w->disk_dice;
    replica_id r = dice_below(d, w->n);
    bool used = w->replica[r].crashed || w->replica[r].disk.failed;
    for (uint32_t k = 0; k < CELLS; k++)
        used = used || w->replica[r].cell[k].faulty;
    if (dice_chance(d, 0.3)) {
        if (!resize_is_fragile(w) && !outlive_begin(w))
            power_loss(w);
    } else if (mutant(MUTANT_FSYNC_ERROR_IGNORED)) {
        disk_fail(w, r); /* of more than f replicas: those would fall silent, these go on and have no log */
    } else if (w->crashes_left && !used && dice_chance(d, 0.1)) {
        w->crashes_left--;
        world_fault(w);
        world_trace(w, "fault: a sync of replica %u fails", r);
        disk_fail(w, r);
    } else if (!used && dice_chance(d, 0.3)) {
        world_fault(w);
        world_trace(w, "fault: the disk of replica %u is full", r);
        disk_fill(w, r, dice_between(d, 1000, 1000000));
    }
}

void nemesis_on_due(struct world *w)
{
    if (w->healing)
        return;
    if (w->options.end && w->now_us + 8 * w->request_timeout_us >= w->heal_at_us) {
        leave_one_out(w);
        return;
    }
    if (w->durable && dice_chance(&w->disk_dice, w->options.restless ? 0.6 : 0.25)) {
        storage_fault(w);
        next(w);
        return;
    }
    unsigned kinds[3], count = 0;
    resize_fault(w);
    if (w->options.faults & FAULTS_RESTART)
        rejoin_fault(w);
    if (w->options.faults & FAULTS_CRASH)
        kinds[count++] = FAULTS_CRASH;
    if (w->options.faults & FAULTS_NETWORK)
        kinds[count++] = FAULTS_NETWORK;
    if (w->options.faults & FAULTS_BYZANTINE)
        kinds[count++] = FAULTS_BYZANTINE;
    switch (count ? kinds[dice_below(&w->fault_dice, count)] : 0u) {
    case 0:
        break;
    case FAULTS_CRASH:
        crash_fault(w);
        break;
    case FAULTS_NETWORK:
        network_fault(w);
        break;
    default:
        byzantine_fault(w);
    }
    if (w->options.faults & FAULTS_BYZANTINE && w->attacks_per_s > 0 &&
        dice_chance(&w->fault_dice, w->attacks_per_s / 2))
        takeover_run(w);
    next(w);
}

void nemesis_heal(struct world *w)
{
    struct dice *d = &w->fault_dice;
    world_trace(w, "healing");
    for (uint32_t i = 0; w->options.end && i < w->n; i++) {
        replica_id r = dice_below(d, w->n);
        if (!may_crash(w, r) || w->left_out >> r & 1)
            continue;
        w->crashes_left--;
        if (w->options.end == END_CRASH)
            crash(w, r, dice_below(d, 1u << w->n));
        else
            w->replica[r].doomed = true;
    }
    network_heal(w);
    for (replica_id r = 0; r < w->n; r++) {
        w->replica[r].paused_until_us = 0;
        w->replica[r].mischief = 0;
        host_releases(w, r);
        /* Those who may stay faulty mostly fall silent, which is worst for liveness. */
        for (uint32_t k = 0; k < CELLS; k++)
            if (w->replica[r].cell[k].faulty)
                w->replica[r].cell[k].omits = dice_chance(d, 0.7) ? 1.0 : (double)dice_below(d, 100) / 100;
        if (!w->whole)
            w->replica[r].host_faulty = false;
    }
    for (uint32_t c = 0; c < w->clients; c++)
        memset(w->client[c].cut, 0, sizeof w->client[c].cut);
    if (dice_chance(d, 0.3)) {
        /* A slow network: only timers that back off get anywhere. (Not slower than the view timeout: that is how far a
         * batch's time may lie behind a backup's clock.) */
        uint64_t delay = w->request_timeout_us * (30 + dice_below(d, 45)) / 100;
        for (replica_id a = 0; a < w->n; a++)
            for (replica_id b = 0; b < w->n; b++)
                w->link[a][b].delay_us = delay;
    }
}
