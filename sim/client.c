/*
 * Clients: the real client core, some operations outstanding at a time, now and then restarted with a new epoch.
 * Connection numbers count a client's incarnations, so that a broker sees a new connection each time.
 */
#include "world.h"

#define CONNECTION(client, incarnation) ((incarnation)*CLIENTS_MAX + (client))

static void *take(void *context, size_t bytes)
{
    (void)context;
    return malloc(bytes);
}

static void give_back(void *context, void *memory, size_t bytes)
{
    (void)context;
    (void)bytes;
    free(memory);
}

static void frame_to_host(struct world *w, uint32_t c, replica_id r, struct parcel *parcel)
{
    struct sim_client *client = &w->client[c];
    struct link *link = &w->client_link;
    struct dice *d = &w->network_dice;
    uint32_t connection = CONNECTION(c, client->incarnation);
    if (client->cut[r])
        return;
    if (link->loss > 0 && dice_chance(d, link->loss)) {
        world_fault(w);
        return;
    }
    uint64_t delay = link->delay_us + (link->jitter_us ? dice_below(d, (uint32_t)link->jitter_us) : 0);
    world_later(w, delay, DUE_FROM_CLIENT, r, connection, 0, parcel_hold(parcel));
    if (link->replay > 0 && dice_chance(d, link->replay)) {
        world_later(w, delay + dice_below(d, 3000000), DUE_FROM_CLIENT, r, connection, 0,
                    parcel_hold(parcel));
        world_fault(w);
    }
}

/* A faulty origin spoils the MAC vector for some replicas: what it sends verifies at some P only. */
static struct parcel *spoil(struct world *w, replica_id r, struct parcel *parcel)
{
    struct frame frame;
    if (!frame_decode(parcel->data, parcel->len, &frame) || frame.auth_kind != AUTH_MACS)
        return parcel_hold(parcel);
    struct parcel *bad = parcel_of(parcel_slice(parcel));
    size_t at = FRAME_HEADER_BYTES + frame.body.len;
    for (uint32_t i = 0; i < mac_entry_count(frame.auth); i++)
        if ((i + w->client[0].issued / 64) % 2 == 0)
            bad->data[at + i * mac_entry_BYTES + 4] ^= 1;
    (void)r;
    world_fault(w);
    return bad;
}

/* MACs for these replicas are wrong, whoever looks at them. */
static struct parcel *spoil_for(uint32_t replicas, struct parcel *parcel)
{
    struct frame frame;
    if (!replicas || !frame_decode(parcel->data, parcel->len, &frame) || frame.auth_kind != AUTH_MACS)
        return parcel;
    size_t at = FRAME_HEADER_BYTES + frame.body.len;
    for (uint32_t i = 0; i < mac_entry_count(frame.auth); i++)
        if (replicas >> mac_entry_at(frame.auth, i).replica & 1)
            parcel->data[at + i * mac_entry_BYTES + 4] ^= 1;
    return parcel;
}

static void core_send(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    struct sim_client *client = context;
    struct world *w = world_current;
    uint32_t c = (uint32_t)(client - w->client);
    struct parcel *parcel = spoil_for(client->bad_macs, parcel_new(parts, count));
    if (w->options.faults & FAULTS_BYZANTINE && w->old_bundles < 100000 && parcel->data[1] == FRAME_BUNDLE) {
        struct parcel **place = &w->old_bundle[w->old_bundles++ % 256];
        parcel_drop(*place);
        *place = parcel_hold(parcel);
    }
    for (replica_id r = 0; r < w->n; r++) {
        if (replica != CLIENT_TO_ALL && replica != r)
            continue;
        if (client->faulty && !w->options.plain_network) {
            struct parcel *bad = spoil(w, r, parcel);
            frame_to_host(w, c, r, bad);
            parcel_drop(bad);
        } else {
            frame_to_host(w, c, r, parcel);
        }
    }
    parcel_drop(parcel);
}

static void arm(struct world *w, uint32_t c)
{
    struct sim_client *client = &w->client[c];
    uint64_t at = client_core_next_timer(&client->core);
    if (at == client->timer_at_us)
        return;
    client->timer_at_us = at;
    client->timer_set++;
    if (at != UINT64_MAX)
        world_later(w, at > w->now_us ? at - w->now_us : 1, DUE_CLIENT_TIMER, c, 0, client->timer_set, NULL);
}

static void settle(struct world *w, uint32_t c)
{
    struct sim_client *client = &w->client[c];
    if (!client->alive)
        return;
    client_core_flush(&client->core, w->now_us);
    client_core_validate(&client->core);
    arm(w, c);
}

void client_start(struct world *w, uint32_t c)
{
    struct sim_client *client = &w->client[c];
    client->configuration = w->configuration;
    struct client_core_config config = {
        .configuration = &client->configuration,
        .origin = client->number,
        .epoch = client->epoch++,
        .sign = &client->sign,
        .box = &client->box,
        .memory = {NULL, take, give_back},
        .wire = {client, core_send},
    };
    client_core_options_init(&config.options);
    config.options.retry_us = w->request_timeout_us / 2;
    config.options.bundle_ops_max = 16;
    CHECK(client_core_init(&client->core, &config));
    client->alive = true;
    client->incarnation++;
    client->outstanding = 0;
    client->timer_at_us = UINT64_MAX;
    world_later(w, 1 + dice_below(&w->client_dice, 20000), DUE_CLIENT_WORK, c, 0, client->incarnation, NULL);
}

void client_stop(struct world *w, uint32_t c)
{
    struct sim_client *client = &w->client[c];
    if (!client->alive)
        return;
    client_core_close(&client->core, w->now_us);
    client_core_deinit(&client->core);
    client->alive = false;
    for (replica_id r = 0; r < w->n; r++)
        world_later(w, 500, DUE_CLIENT_GONE, r, CONNECTION(c, client->incarnation), 0, NULL);
}

void client_reconnect(struct world *w, uint32_t c)
{
    struct sim_client *client = &w->client[c];
    for (replica_id r = 0; client->alive && r < w->n; r++)
        world_later(w, 5000, DUE_CONNECTED, c, r, CONNECTION(c, client->incarnation), NULL);
}

void clients_init(struct world *w)
{
    struct dice *d = &w->client_dice;
    for (uint32_t c = 0; c < w->clients; c++) {
        struct sim_client *client = &w->client[c];
        client->number = c + 1;
        client->epoch = 1 + dice_below(d, 100);
        client->window = 1 + dice_below(d, 6);
        client->think_us = 20000 + dice_below(d, 300000);
        sign_keypair(&client->sign);
        box_keypair(&client->box);
    }
}

void clients_free(struct world *w)
{
    for (uint32_t c = 0; c < w->clients; c++)
        if (w->client[c].alive) {
            w->client[c].faulty = true; /* the ledger is closed */
            client_core_close(&w->client[c].core, w->now_us);
            client_core_deinit(&w->client[c].core);
            w->client[c].alive = false;
        }
}

struct issued {
    uint64_t op;
    uint32_t client;
    uint32_t incarnation;
};

static void on_done(void *context, const struct redoubt_outcome *outcome)
{
    struct issued *issued = context;
    struct world *w = world_current;
    struct sim_client *client = &w->client[issued->client];
    struct issued mine = *issued;
    free(issued);
    client->outstanding--;
    if (w->options.trace && outcome->kind == REDOUBT_COMMITTED)
        world_trace(w, "client %u operation %llu committed in slot %llu", mine.client,
                    (unsigned long long)mine.op, (unsigned long long)outcome->slot);
    else if (w->options.trace)
        world_trace(w, "client %u operation %llu %s", mine.client, (unsigned long long)mine.op,
                    outcome->kind == REDOUBT_REJECTED ? "rejected" : "unknown");
    if (outcome->kind == REDOUBT_COMMITTED)
        world_story(w, "client %u: operation %llu committed in slot %llu", mine.client,
                    (unsigned long long)mine.op, (unsigned long long)outcome->slot);
    else
        world_story(w, "client %u: operation %llu %s", mine.client, (unsigned long long)mine.op,
                    outcome->kind == REDOUBT_REJECTED ? "rejected" : "unknown");
    if (!client->faulty)
        ledger_outcome(w, mine.op, outcome);
}

void client_submit(struct world *w, uint32_t c, const uint8_t *request, size_t len, uint64_t deadline_us)
{
    struct sim_client *client = &w->client[c];
    uint8_t bytes[8 + OP_BYTES_MAX];
    struct issued *issued = malloc(sizeof *issued);
    CHECK(issued != NULL);
    *issued = (struct issued){.client = c, .incarnation = client->incarnation};
    client->issued++;
    issued->op = ledger_issue(w, c, request, len, !client->faulty && deadline_us == UINT64_MAX);
    memcpy(bytes, &issued->op, 8);
    memcpy(bytes + 8, request, len);
    client->outstanding++;
    int error = client_core_submit(&client->core, bytes, len + 8, deadline_us, on_done, issued, w->now_us);
    CHECK(error == 0);
    if (w->on_script)
        settle(w, c);
}

/* Too many sessions: the replicas closed this one for good, so this client has to begin anew, as its user would. */
static bool evicted(const struct world *w, const struct sim_client *client)
{
    for (replica_id r = 0; r < w->n; r++) {
        const struct execution *e = w->replica[r].cell[CELL_E].state;
        const struct origin_record *record = &e->origin[client->number];
        if (!world_is_faulty(w, r, CELL_E) && !record->open && record->epoch >= client->core.auth.self.epoch)
            return true;
    }
    return false;
}

static void work(struct world *w, uint32_t c, uint64_t incarnation)
{
    struct sim_client *client = &w->client[c];
    struct dice *d = &w->client_dice;
    if (!client->alive || incarnation != client->incarnation || w->on_script)
        return;
    if (evicted(w, client)) {
        client_stop(w, c);
        client_start(w, c);
        return;
    }
    if (w->now_us >= w->end_at_us || plot_is_quiet(w) || (w->options.idle && w->now_us > w->heal_at_us / 8)) {
        world_later(w, client->think_us, DUE_CLIENT_WORK, c, 0, incarnation, NULL);
        return;
    }
    while (client->outstanding < client->window) {
        uint8_t request[OP_BYTES_MAX];
        size_t len = workload_draw(w, c, request, sizeof request);
        CHECK(len > 0);
        uint64_t deadline = dice_chance(d, 0.1) ? w->now_us + dice_between(d, 1000, 3000000) : UINT64_MAX;
        client_submit(w, c, request, len, deadline);
    }
    world_later(w, 1 + dice_u64(d) % (2 * client->think_us), DUE_CLIENT_WORK, c, 0, incarnation, NULL);
    settle(w, c);
}

void client_send_to(struct world *w, replica_id from, uint32_t connection, struct parcel *parcel)
{
    uint32_t c = connection % CLIENTS_MAX;
    struct dice *d = &w->network_dice;
    if (troxy_owns(w, connection)) {
        troxy_send_to(w, from, connection, parcel);
        return;
    }
    if (c >= w->clients || w->client[c].cut[from])
        return;
    if (w->client_link.loss > 0 && dice_chance(d, w->client_link.loss)) {
        world_fault(w);
        return;
    }
    uint64_t delay = w->client_link.delay_us +
                     (w->client_link.jitter_us ? dice_below(d, (uint32_t)w->client_link.jitter_us) : 0);
    world_later(w, delay, DUE_TO_CLIENT, c, from, connection, parcel_hold(parcel));
}

void client_dropped(struct world *w, replica_id by, uint32_t connection)
{
    uint32_t c = connection % CLIENTS_MAX;
    if (c >= w->clients || connection == ADMIN_CONNECTION) /* a Troxy goes on sending by the same number */
        return;
    world_trace(w, "r%u drops client %u", by, c);
    if (!w->client[c].faulty && !(w->options.faults & FAULTS_BYZANTINE))
        world_violation(w, "replica %u dropped a correct client", by);
    world_later(w, 1000, DUE_CLIENT_GONE, by, connection, 0, NULL);
    world_later(w, 5000, DUE_CONNECTED, c, by, connection, NULL);
}

void client_on_due(struct world *w, const struct due *due)
{
    struct sim_client *client = &w->client[due->a];
    switch (due->kind) {
    case DUE_CLIENT_WORK:
        work(w, due->a, due->x);
        return;
    case DUE_CLIENT_TIMER:
        if (!client->alive || due->x != client->timer_set)
            return;
        client->timer_at_us = UINT64_MAX;
        client_core_on_timer(&client->core, w->now_us);
        break;
    case DUE_TO_CLIENT:
        if (!client->alive || due->x != CONNECTION(due->a, client->incarnation))
            return;
        (void)client_core_on_frame(&client->core, due->b, due->parcel->data, due->parcel->len, w->now_us);
        break;
    case DUE_CONNECTED:
        if (!client->alive || due->x != CONNECTION(due->a, client->incarnation))
            return;
        client_core_on_connected(&client->core, due->b, w->now_us);
        break;
    default:
        break;
    }
    settle(w, due->a);
}

bool clients_done(const struct world *w)
{
    return w->ledger.must_finish == 0;
}
