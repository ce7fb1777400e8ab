/*
 * Changes of size: the administrator has the cluster closed (a CLOSE, shown to whoever is there, again and again), and when a disk shows
 * the CONFIGURATION that says where it ended, all replicas begin again under a START with one replica more or less. It may come
 * at any moment, with everything else that goes wrong; a loss of power in between is a resume of the old size.
 *
 * Others try to close it too, with a signature that is none.
 */
#include "world.h"

#define SIZE_MAX_HERE 8u       /* larger ones only take longer */
#define ANEW_US       5000000u /* shown in vain for so long, the CLOSE is signed anew */

void resize_init(struct world *w)
{
    w->size_dice = dice_from(w->options.seed, 11);
    w->resizes =
        w->durable && (w->options.resizes > 0 || (w->options.resizes < 0 && dice_chance(&w->size_dice, 0.4)));
}

bool resize_is_fragile(const struct world *w)
{
    uint32_t out = 0, newcomers = 0;
    for (replica_id r = 0; r < w->n; r++) {
        out += w->replica[r].rejoining;
        newcomers += w->replica[r].newcomer;
    }
    return newcomers && out > w->f;
}

bool resize_done(const struct world *w)
{
    return w->wanted == 0;
}

/* ------------------------------------------------------------------------------------------------ the CLOSE */

static void show_close(struct world *w, uint32_t size, const struct sign_key *by)
{
    uint8_t body[RECONFIG_BYTES_MAX], frame[RECONFIG_BYTES_MAX + 64], signature[SIGNATURE_BYTES];
    struct sender admin = {.kind = KIND_ADMIN};
    struct reconfig close = {
        .configuration = configuration_ordered(&w->known), .attempt = 1 + w->now_us / ANEW_US, .size = size};
    struct digest_state state;
    struct digest content;
    struct auth auth = {.sign = *by};
    struct writer bw = writer_to(body, sizeof body);
    reconfig_put(&bw, &close);
    digest_begin(&state, RECONFIG_TAG);
    digest_add(&state, w->configuration.cluster.bytes, sizeof w->configuration.cluster.bytes);
    digest_add(&state, body, bw.len);
    digest_end(&state, &content);
    auth_sign_content(&auth, &content, signature);
    close.signature = (struct slice){signature, sizeof signature};
    bw = writer_to(body, sizeof body);
    reconfig_put(&bw, &close);
    CHECK(!bw.bad);
    size_t len = frame_encode(frame, sizeof frame, FRAME_RECONFIG, &admin, AUTH_NONE,
                              (struct slice){body, bw.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    CHECK(len > 0);
    world_trace(w, "administrator: closes for %u replicas, on %llu", size,
                (unsigned long long)close.configuration);
    replace_show(w, frame, len);
}

/* What is known of the cluster, from all disks. */
static const struct configuration *follow_disks(const struct world *w)
{
    static struct configuration c;
    bool risen = true;
    c = w->configuration;
    while (risen) {
        risen = false;
        for (replica_id r = 0; r < w->n; r++) {
            const struct writer *chain = &w->replica[r].disk.chain;
            risen = resume_follow(&c, (struct slice){chain->data, chain->len}) || risen;
        }
    }
    return &c;
}

bool resize_closed(struct world *w, slot_no *slot, struct digest *root)
{
    const struct configuration *c = follow_disks(w);
    for (replica_id r = 0; r < w->n; r++) {
        const struct writer *chain = &w->replica[r].disk.chain;
        if (resume_closed(c, (struct slice){chain->data, chain->len}, slot, root))
            return true;
    }
    return false;
}

/* The mutant's administrator does not wait for the end, but takes what is stable anywhere. */
static bool take_any(struct world *w, slot_no *slot, struct digest *root)
{
    for (replica_id r = 0; r < w->n; r++) {
        const struct execution *e = w->replica[r].cell[CELL_E].state;
        if (exec_stable_slot(e) == 0)
            continue;
        *slot = exec_stable_slot(e);
        *root = e->stable.certificate.root;
        return true;
    }
    return false;
}

/* f+1 of those that stay have it on their disks, so a correct one has. */
static bool state_is_there(const struct world *w, slot_no slot)
{
    uint32_t there = 0;
    for (replica_id r = 0; r < w->n && r < w->wanted; r++) {
        const struct execution *e = w->replica[r].cell[CELL_E].state;
        there += !w->replica[r].crashed && !w->replica[r].rejoining && e->started &&
                 e->checkpoint_slot >= slot && !state_unusable(e) && e->written >= slot;
    }
    return there > w->f;
}

/* ------------------------------------------------------------------------------------------------ the change */

static void leave(struct world *w, replica_id r)
{
    struct replica *replica = &w->replica[r];
    uint32_t incarnation = replica->incarnation;
    uint64_t timer_set = replica->timer_set, disk_life = replica->disk.life;
    replica_free(replica);
    replica->disk.life = disk_life + 1;
    replica->incarnation = incarnation; /* it may be added again */
    replica->timer_set = timer_set + 1;
}

static void join(struct world *w, replica_id r)
{
    w->replica[r].host_faulty = w->options.faults & FAULTS_BYZANTINE && !w->whole && !w->healing &&
                                w->options.hosts != 0 && dice_chance(&w->size_dice, 0.3);
    network_join(w, r);
    replica_init(w, r);
    /* Until it has a state it is one of the f that may lack their logs. */
    w->replica[r].newcomer = w->replica[r].rejoining = true;
    w->replica[r].drawn = w->restarts_left > 0;
    w->restarts_left -= w->replica[r].drawn;
}

/* A faulty E whose state is another one refuses the START, and its host learns nothing any more; its operator removes what it has. */
static bool has_another_state(const struct world *w, replica_id r, slot_no slot, const struct digest *root)
{
    const struct execution *e = w->replica[r].cell[CELL_E].state;
    return w->replica[r].cell[CELL_E].faulty && e->checkpoint_slot == slot && !digest_equal(&e->root, root);
}

/* Now and then all stop again before everybody has the START: then those that are new count as having lost their logs, so nobody else may
 * have. */
static bool half_way(struct world *w)
{
    bool sound = !w->forgetful && dice_chance(&w->size_dice, 0.2);
    for (replica_id r = 0; r < w->n; r++)
        sound = sound && (w->replica[r].newcomer || !w->replica[r].rejoining) && !w->replica[r].crashed &&
                !w->replica[r].disk.damaged;
    return sound;
}

/* P and C of all begin anew; an E that lost its log, or lags, is out until it has a state. */
static void note_learners(struct world *w, uint32_t before)
{
    for (replica_id r = 0; r < w->n && r < before; r++) {
        bool whole = !digest_is_zero(&founding_member(r, CELL_E)->head);
        if (!whole && !w->replica[r].rejoining && w->restarts_left)
            w->restarts_left--;
        w->replica[r].rejoining = w->replica[r].rejoining || !whole;
    }
}

static void change(struct world *w, slot_no slot, const struct digest *root)
{
    uint32_t before = w->n;
    bool was_alive[CLIENTS_MAX];
    world_trace(w, "%u replicas from slot %llu on", w->wanted, (unsigned long long)slot);
    world_story(w, "closed after slot %llu; %u replicas from now on", (unsigned long long)slot, w->wanted);
    w->result->resizes++;
    /* Some are opened again, as after a power loss; the others learn of the new START by themselves. */
    for (uint32_t c = 0; c < w->clients; c++) {
        was_alive[c] = w->client[c].alive;
        if (dice_chance(&w->size_dice, 0.5))
            client_stop(w, c);
    }
    founding_follow(w);
    w->life++;
    for (replica_id r = 0; r < before; r++) {
        w->replica[r].lives_on =
            w->replica[r].host_faulty && !w->whole && r < w->wanted && dice_chance(&w->size_dice, 0.7);
        bool wrong = has_another_state(w, r, slot, root);
        storage_power_loss(w, r);
        if (wrong) {
            disk_wipe(&w->replica[r].disk);
            disk_reopened(&w->replica[r].disk);
        }
        ledger_forget_replica(w, r);
    }
    for (replica_id r = w->wanted; r < before; r++)
        leave(w, r);
    w->n = w->wanted;
    w->f = faults_of(w->n);
    for (replica_id r = 0; r < w->n; r++)
        if (r < before)
            replica_reborn(w, r);
        else
            join(w, r);
    note_learners(w, before);
    w->closed_slot = slot;
    w->closed_root = *root;
    w->resizing = true;
    founding_start(w);
    w->resizing = false;
    w->wanted = 0;
    bool half = half_way(w);
    for (replica_id r = 0; r < w->n; r++) {
        w->replica[r].crashed = w->replica[r].disk.damaged;
        if (half && dice_chance(&w->size_dice, 0.5))
            continue;
        disk_chain_cut(&w->replica[r].disk);
        replica_start(w, r);
    }
    for (uint32_t c = 0; c < w->clients; c++)
        if (was_alive[c] && !w->client[c].alive)
            client_start(w, c);
        else
            client_reconnect(w, c);
    rejoin_after_power_loss(w);
    if (half)
        power_loss(w);
}

/* ------------------------------------------------------------------------------------------------ when */

static void check(struct world *w)
{
    const struct configuration_step *last = configuration_step(&w->known, configuration_ordered(&w->known));
    if (configuration_closes(&w->known) != UINT64_MAX && last->size != w->wanted)
        world_violation(w, "the cluster was closed by somebody else than the administrator");
}

void resize_on_due(struct world *w)
{
    slot_no slot;
    struct digest root;
    check(w);
    if (!w->wanted)
        return;
    bool ordered = configuration_closes(&w->known) != UINT64_MAX;
    if (!ordered)
        show_close(w, w->wanted, &w->admin);
    else if ((mutant(MUTANT_CLOSED_ELSEWHERE) ? take_any(w, &slot, &root) : resize_closed(w, &slot, &root)) &&
             state_is_there(w, slot)) {
        change(w, slot, &root);
        return;
    }
    world_later(w, w->request_timeout_us, DUE_RESIZE, 0, 0, 0, NULL);
}

/* Who is faulty stays so: the new size must tolerate as many. */
void resize_fault(struct world *w)
{
    struct dice *d = &w->size_dice;
    if (!w->resizes)
        return;
    check(w);
    if (dice_chance(d, 0.1)) {
        struct sign_key nobody;
        sign_keypair(&nobody);
        show_close(w, REPLICAS_MIN + dice_below(d, REPLICAS_MAX - REPLICAS_MIN), &nobody);
    }
    if (w->wanted || w->massacre || !dice_chance(d, 0.1))
        return;
    uint32_t size = dice_chance(d, 0.5) ? w->n + 1 : w->n - 1;
    if (size < REPLICAS_MIN || size > SIZE_MAX_HERE || faults_of(size) < w->f)
        return;
    w->wanted = size;
    world_fault(w);
    world_later(w, 1, DUE_RESIZE, 0, 0, 0, NULL);
}
