/*
 * Troxies and stock clients. Each replica has a Troxy: the real access (trusted/troxy/replicated.c), an origin like any client, in the
 * middle of its replica's host, who may do to its frames what hosts do. Stock clients know no replicas: they connect to a Troxy, have
 * a few operations under way, and go to another when it fails them. Reads have no number before them, so that they are the same
 * request to whoever asks; what they are told must be right at some place since they asked, connections in their order.
 *
 * Connections to replicas count incarnations like those of clients, above the clients' indices.
 */
#include <sys/mman.h>

#include "world.h"

#define FIRST        (CLIENTS_MAX - REPLICAS_MAX)
#define LINK(t, inc) ((inc)*CLIENTS_MAX + FIRST + (t))
#define NOBODYS      STOCK_MAX /* a connection that a faulty Troxy made up */
#define LOOK_US      40000u
#define DEADLINE_US  2000000u

static_assert(FIRST > 12, "clients have the lower indices");

/* --- to and from replicas ------------------------------------------------------------------------------------------------ */

/* A host that does what it likes with its Troxy's frames; it has to stop when all heal. */
static bool host_is_evil(const struct world *w, uint32_t t)
{
    return w->replica[t].host_faulty && !w->healing && !w->options.plain_network;
}

static void deliver(struct world *w, uint32_t t, replica_id from, uint64_t delay_us, struct parcel *parcel)
{
    world_later(w, delay_us, DUE_TO_TROXY, t, from, w->troxy[t].incarnation, parcel_hold(parcel));
}

/* For long only one at a time: else nobody gets on. */
static uint64_t dawdling_us(struct world *w)
{
    bool alone = true;
    for (replica_id r = 0; r < w->n; r++)
        alone = alone && w->replica[r].dawdles_until_us <= w->now_us;
    if (alone && dice_chance(&w->troxy_dice, 0.2))
        return dice_between(&w->troxy_dice, 400000, 3000000);
    return dice_between(&w->troxy_dice, 20000, 400000);
}

bool troxy_host_dawdles(struct world *w, replica_id r, struct parcel *parcel, bool local)
{
    struct replica *replica = &w->replica[r];
    unsigned type = parcel->data[1];
    uint64_t kept_us = w->troxies ? plot_keeps_from_execution(w, r, type) : 0;
    if (w->troxies && !kept_us)
        kept_us = outlive_keeps_from_execution(w, r, parcel);
    if (kept_us) {
        world_later(w, kept_us, DUE_COMMIT, r, local, 0, parcel_hold(parcel));
        return true;
    }
    if (!w->troxies || !host_is_evil(w, r) ||
        (type != FRAME_COMMIT && type != FRAME_CHECKPOINT && type != FRAME_CONFIGURATION))
        return false;
    if (replica->dawdles_until_us <= w->now_us) {
        if (type != FRAME_COMMIT || !dice_chance(&w->troxy_dice, 0.02))
            return false;
        replica->dawdles_until_us = w->now_us + dawdling_us(w);
        world_fault(w);
    }
    world_later(w, replica->dawdles_until_us - w->now_us, DUE_COMMIT, r, local, 0, parcel_hold(parcel));
    return true;
}

/* Answers of earlier come again, from as many replicas as it takes. */
static void answers_of_before(struct world *w, uint32_t t)
{
    struct sim_troxy *troxy = &w->troxy[t];
    uint32_t kept = troxy->seens < SEEN_ATTESTS ? troxy->seens : SEEN_ATTESTS;
    for (uint32_t i = 0; i < kept; i++)
        deliver(w, t, troxy->seen_from[i], 50 + i, troxy->seen[i]);
    world_fault(w);
}

static uint64_t link_delay(struct world *w, uint32_t t, replica_id r)
{
    if (r == t)
        return 20;
    return w->client_link.delay_us +
           (w->client_link.jitter_us ? dice_below(&w->troxy_dice, (uint32_t)w->client_link.jitter_us) : 0);
}

static void to_replica(struct world *w, uint32_t t, replica_id r, struct parcel *parcel)
{
    struct dice *d = &w->troxy_dice;
    uint64_t delay = link_delay(w, t, r);
    if (r != t && w->client_link.loss > 0 && dice_chance(d, w->client_link.loss)) {
        world_fault(w);
        return;
    }
    if (host_is_evil(w, t) && dice_chance(d, 0.1)) {
        world_fault(w);
        if (dice_chance(d, 0.3))
            return;
        delay += dice_below(d, 300000);
    }
    world_later(w, delay, DUE_FROM_CLIENT, r, LINK(t, w->troxy[t].incarnation), 0, parcel_hold(parcel));
}

/* One that is faulty itself: bundles that not all can verify. */
static void spoil(struct world *w, struct sim_troxy *troxy, struct parcel *parcel)
{
    struct frame frame;
    if (!troxy->faulty || !dice_chance(&w->troxy_dice, 0.1) ||
        !frame_decode(parcel->data, parcel->len, &frame) || frame.auth.len == 0)
        return;
    parcel
        ->data[FRAME_HEADER_BYTES + frame.body.len + dice_below(&w->troxy_dice, (uint32_t)frame.auth.len)] ^=
        1;
    world_fault(w);
}

static void on_send(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    struct sim_troxy *troxy = context;
    struct world *w = world_current;
    uint32_t t = (uint32_t)(troxy - w->troxy);
    struct parcel *parcel = parcel_new(parts, count);
    bool asks = parcel->data[1] == FRAME_ASK_ATTEST;
    spoil(w, troxy, parcel);
    troxy->said++;
    if (w->options.story && asks)
        world_story(w, "troxy %u asks r%u", t, replica);
    if (asks && host_is_evil(w, t) && dice_chance(&w->troxy_dice, 0.3))
        answers_of_before(w, t);
    for (replica_id r = 0; r < w->n; r++)
        if (replica == CLIENT_TO_ALL || replica == r)
            to_replica(w, t, r, parcel);
    parcel_drop(parcel);
}

bool troxy_owns(const struct world *w, uint32_t connection)
{
    return w->troxies && connection != ADMIN_CONNECTION && connection % CLIENTS_MAX >= FIRST;
}

static void note(struct sim_troxy *troxy, replica_id from, struct parcel *parcel)
{
    uint32_t at = troxy->seens++ % SEEN_ATTESTS;
    parcel_drop(troxy->seen[at]);
    troxy->seen[at] = parcel_hold(parcel);
    troxy->seen_from[at] = from;
}

/* A Troxy whose host lets no CONFIGURATION through goes on by the number that it holds. */
static bool keeps_news_back(struct world *w, uint32_t t)
{
    struct sim_troxy *troxy = &w->troxy[t];
    if (!host_is_evil(w, t))
        return false;
    if (plot_keeps_news(w, t))
        return true;
    if (outlive_spares(w, t))
        return false;
    if (troxy->deaf_until_us <= w->now_us) {
        if (!dice_chance(&w->troxy_dice, 0.1))
            return false;
        troxy->deaf_until_us = w->now_us + dice_between(&w->troxy_dice, 100000, 3000000);
        world_fault(w);
    }
    return true;
}

void troxy_send_to(struct world *w, replica_id from, uint32_t connection, struct parcel *parcel)
{
    uint32_t t = connection % CLIENTS_MAX - FIRST;
    struct dice *d = &w->troxy_dice;
    uint64_t delay = link_delay(w, t, from);
    bool attest = parcel->data[1] == FRAME_ATTEST;
    if (t >= w->n || connection != LINK(t, w->troxy[t].incarnation))
        return;
    if (from != t && w->client_link.loss > 0 && dice_chance(d, w->client_link.loss)) {
        world_fault(w);
        return;
    }
    if ((attest && plot_keeps_answer(w, t, from)) || outlive_keeps_reply(w, t, from, parcel))
        return;
    if (attest)
        note(&w->troxy[t], from, parcel);
    if (parcel->data[1] == FRAME_CONFIGURATION && keeps_news_back(w, t))
        return;
    if (host_is_evil(w, t) && dice_chance(d, attest ? 0.4 : 0.1)) {
        world_fault(w);
        uint32_t what = dice_below(d, 4);
        if (what == 0)
            return;
        if (what == 1)
            delay += dice_below(d, 300000);
        for (uint32_t i = 0; what == 2 && i < 3; i++)
            deliver(w, t, from, delay + i, parcel);
        if (what == 3) {
            struct parcel *bad = parcel_of(parcel_slice(parcel));
            bad->data[dice_below(d, (uint32_t)bad->len)] ^= (uint8_t)(1u << dice_below(d, 8));
            deliver(w, t, from, delay, bad);
            parcel_drop(bad);
        }
    }
    deliver(w, t, from, delay, parcel);
}

void troxy_hears_ghost(struct world *w, replica_id r, uint32_t origin, struct parcel *parcel)
{
    for (uint32_t t = 0; w->troxies && t < w->n; t++)
        if (w->troxy[t].number == origin && w->troxy[t].access)
            troxy_send_to(w, r, LINK(t, w->troxy[t].incarnation), parcel);
}

bool troxy_is_origin(const struct world *w, uint32_t origin, bool *faulty)
{
    for (uint32_t t = 0; w->troxies && t < REPLICAS_MAX; t++)
        if (w->troxy[t].number == origin) {
            *faulty = w->troxy[t].faulty;
            return true;
        }
    return false;
}

/* --- stock clients -------------------------------------------------------------------------------------------------------- */

static void stock_connect(struct world *w, uint32_t s)
{
    struct stock *stock = &w->stock[s];
    uint32_t first = plot_invites(w, dice_below(&w->troxy_dice, w->n));
    if (w->outlive.resumed)
        first = w->outlive.reader;
    stock->life++;
    stock->connected = false;
    for (uint32_t i = 0; i < w->n && !stock->connected; i++) {
        stock->troxy = (first + i) % w->n;
        stock->connected = w->troxy[stock->troxy].access != NULL;
    }
    memset(stock->op, 0, sizeof stock->op);
    stock->next = stock->told = 0;
    stock->place = 0;
}

/* Whatever it waits for is lost to it. */
static void stock_leave(struct world *w, uint32_t s)
{
    struct stock *stock = &w->stock[s];
    struct replicated *access = w->troxy[stock->troxy].access;
    if (!stock->connected)
        return;
    stock->connected = false;
    if (access)
        replicated_access(access).forget(access, s);
    for (uint32_t i = 0; i < STOCK_OPS; i++) {
        struct stock_op *op = &stock->op[i];
        if (!op->open)
            continue;
        op->open = false;
        w->ledger.must_finish -= op->must_finish && !op->number;
        if (op->number)
            ledger_outcome(w, op->number, &(struct redoubt_outcome){.kind = REDOUBT_UNKNOWN});
    }
}

static uint64_t later_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Checked against the order, and against what the same connection was told before. */
static void told_committed(struct world *w, uint32_t s, struct stock_op *op,
                           const struct redoubt_outcome *outcome)
{
    struct stock *stock = &w->stock[s];
    if (!op->number && w->options.prophecy) {
        prophecy_told(w, s, &w->troxy[stock->troxy], op, outcome);
        return;
    }
    if (!op->number) {
        stock->place = ledger_read(w, "stock client", s, later_of(op->after, stock->place), op->request,
                                   op->len, outcome);
        return;
    }
    ledger_outcome(w, op->number, outcome);
    outlive_acknowledged(w, stock->troxy);
    uint64_t place = ledger_place(w, op->number);
    if (place <= stock->place)
        world_violation(w, "stock client %u: operation %llu took effect before one before it", s,
                        (unsigned long long)op->number);
    stock->place = place;
}

static void on_done(void *context, uint32_t connection, uint64_t ticket,
                    const struct redoubt_outcome *outcome)
{
    struct sim_troxy *troxy = context;
    struct world *w = world_current;
    if (connection == NOBODYS)
        return;
    struct stock *stock = &w->stock[connection];
    struct stock_op *op = &stock->op[ticket % STOCK_OPS];
    if (!stock->connected || &w->troxy[stock->troxy] != troxy || !op->open)
        world_violation(w, "an outcome for stock client %u that it does not wait for", connection);
    if (ticket != stock->told)
        world_violation(w, "stock client %u was told outcome %llu, not the next", connection,
                        (unsigned long long)ticket);
    stock->told++;
    op->open = false;
    w->ledger.must_finish -= op->must_finish && !op->number;
    world_story(w, "stock %u: %s%s", connection, op->number ? "write" : "read",
                outcome->kind == REDOUBT_COMMITTED ? "" : " lost");
    if (troxy->faulty) {
        if (op->number)
            ledger_outcome(w, op->number, &(struct redoubt_outcome){.kind = REDOUBT_UNKNOWN});
        return;
    }
    if (outcome->kind == REDOUBT_COMMITTED)
        told_committed(w, connection, op, outcome);
    else if (op->number)
        ledger_outcome(w, op->number, outcome);
    if (outcome->kind != REDOUBT_COMMITTED) /* its front closes such a connection: it goes to another */
        world_later(w, 1, DUE_STOCK, connection, 1, stock->life, NULL);
}

static void arm(struct world *w, uint32_t t)
{
    struct sim_troxy *troxy = &w->troxy[t];
    uint64_t at = replicated_next_timer(troxy->access);
    if (at == troxy->timer_at_us)
        return;
    troxy->timer_at_us = at;
    troxy->timer_set++;
    if (at != UINT64_MAX)
        world_later(w, at > w->now_us ? at - w->now_us : 1, DUE_TROXY_TIMER, t, 0, troxy->timer_set, NULL);
}

static void settle(struct world *w, uint32_t t)
{
    struct sim_troxy *troxy = &w->troxy[t];
    if (!troxy->access)
        return;
    replicated_flush(troxy->access, w->now_us);
    replicated_validate(troxy->access);
    arm(w, t);
}

void troxy_submit(struct world *w, uint32_t s, const uint8_t *request, size_t len)
{
    struct stock *stock = &w->stock[s];
    struct sim_troxy *troxy = &w->troxy[stock->troxy];
    struct stock_op *op = &stock->op[stock->next % STOCK_OPS];
    bool reads = model_reads(request, len);
    uint8_t other[OP_BYTES_MAX];
    CHECK(stock->connected && !op->open && len <= OP_BYTES_MAX);
    *op = (struct stock_op){.open = true,
                            .after = w->ledger.acknowledged_place,
                            .must_finish = w->healing && !troxy->faulty,
                            .len = (uint16_t)len};
    memcpy(op->request, request, len);
    if (w->options.prophecy)
        prophecy_issue(w, troxy, op);
    if (!reads)
        op->number = ledger_issue_as(w, 100 + s, troxy->number, request, len, op->must_finish);
    else
        w->ledger.must_finish += op->must_finish;
    uint64_t prefix = troxy->faulty ? 0 : op->number;
    struct slice parts[2] = {{(const uint8_t *)&prefix, 8}, {request, len}};
    if (troxy->faulty && dice_chance(&w->troxy_dice, 0.2)) { /* something else in its client's name */
        world_fault(w);
        parts[1] = (struct slice){other, request_draw(w, s, other, sizeof other)};
    }
    uint64_t patience_us = w->on_script ? DEADLINE_US : dice_between(&w->troxy_dice, 100000, DEADLINE_US);
    uint64_t deadline = op->must_finish ? UINT64_MAX : w->now_us + patience_us;
    struct access access = replicated_access(troxy->access);
    CHECK(access.submit(access.self, s, stock->next++, parts, 2, deadline, w->now_us) == 0);
    if (w->on_script)
        settle(w, stock->troxy);
}

/* What a plot has no use for now. */
static bool is_unwanted(struct world *w, uint32_t t, bool reads)
{
    return reads ? outlive_wants_writes(w, t) : plot_reads_only(w, t) || outlive_spares(w, t);
}

/* Nothing was told since it was here last, by a Troxy that cannot get anything ordered. */
static bool is_kept_waiting(struct world *w, struct stock *stock)
{
    bool waits = stock->next != stock->told && stock->told == stock->told_before;
    stock->told_before = stock->told;
    return waits &&
           (plot_keeps_news(w, stock->troxy) || (outlive_spares(w, stock->troxy) && w->outlive.resumed));
}

static void stock_work(struct world *w, uint32_t s)
{
    struct stock *stock = &w->stock[s];
    struct dice *d = &w->troxy_dice;
    if (!stock->connected)
        stock_connect(w, s);
    else if (!w->healing && (dice_chance(d, 0.01) || is_kept_waiting(w, stock)))
        stock_leave(w, s); /* as clients do */
    while (stock->connected && w->now_us < w->end_at_us && stock->next - stock->told < stock->window) {
        uint8_t request[OP_BYTES_MAX];
        size_t len = request_draw(w, s, request, sizeof request);
        for (unsigned i = 0; i < 8 && is_unwanted(w, stock->troxy, model_reads(request, len)); i++)
            len = request_draw(w, s, request, sizeof request);
        CHECK(len > 0);
        troxy_submit(w, s, request, len);
    }
    world_later(w, 1 + dice_u64(d) % (2 * stock->think_us), DUE_STOCK, s, 0, 0, NULL);
    if (stock->connected)
        settle(w, stock->troxy);
}

/* --- Troxies come and go with their replicas ------------------------------------------------------------------------------- */

static void start(struct world *w, uint32_t t)
{
    struct sim_troxy *troxy = &w->troxy[t];
    troxy->configuration = w->configuration;
    struct replicated_config config = {.configuration = &troxy->configuration,
                                       .origin = troxy->number,
                                       .epoch = troxy->epoch++,
                                       .sign = &troxy->sign,
                                       .box = &troxy->box,
                                       .replica = t,
                                       .service = &w->service,
                                       .wire = {troxy, on_send},
                                       .done = on_done,
                                       .context = troxy};
    replicated_options_init(&config.options);
    config.options.connections_max = STOCK_MAX + 1;
    config.options.operations_max = 4096; /* connections come and go, and nobody may be answering */
    config.options.connection_operations_max = STOCK_OPS;
    config.options.bytes_max = 4096 * 256;
    config.options.cache_bytes = 16 * 1024;
    config.options.attest_us = 4 * w->client_link.delay_us + 4000;
    config.options.sick_us = 300000;
    config.options.core.retry_us = w->request_timeout_us / 2;
    config.options.core.bundle_ops_max = 16;
    config.options.core.queue_max_bytes = 64 * 1024;
    config.options.adaptive.off_percent = 90; /* so that there are fast reads in spite of conflicts */
    config.options.adaptive.on_percent = 60;
    config.options.adaptive.probe_every = 4;
    if (w->options.prophecy) {
        config.replica = REPLICAS_MAX;
        config.options.attestors = 1;
        config.options.cache_bytes = 256 * 1024; /* nothing is pushed out */
    }
    troxy->memory_bytes = replicated_arena_bytes(&config.options);
    troxy->memory = mmap(NULL, troxy->memory_bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(troxy->memory != MAP_FAILED);
    arena_init(&troxy->arena, troxy->memory, troxy->memory_bytes);
    troxy->incarnation++;
    troxy->timer_at_us = UINT64_MAX;
    troxy->replica_incarnation = w->replica[t].incarnation;
    troxy->life = w->life;
    troxy->access = replicated_new(&troxy->arena, &config);
    CHECK(troxy->access != NULL);
    for (replica_id r = 0; r < w->n; r++)
        replicated_on_connected(troxy->access, r, w->now_us);
}

static void stop(struct world *w, uint32_t t)
{
    struct sim_troxy *troxy = &w->troxy[t];
    struct replicated_counters counters;
    if (!troxy->access)
        return;
    for (uint32_t s = 0; s < w->stocks; s++)
        if (w->stock[s].connected && w->stock[s].troxy == t)
            stock_leave(w, s);
    replicated_counters(troxy->access, &counters);
    w->result->fast_reads += counters.fast;
    w->result->read_conflicts += counters.conflicts;
    epoch_no used = replicated_core(troxy->access)->auth.self.epoch;
    troxy->epoch = troxy->epoch > used ? troxy->epoch : used + 1;
    replicated_close(troxy->access, w->now_us);
    munmap(troxy->memory, troxy->memory_bytes);
    troxy->access = NULL;
    for (replica_id r = 0; r < w->n; r++)
        world_later(w, 500, DUE_CLIENT_GONE, r, LINK(t, troxy->incarnation), 0, NULL);
}

/* Too many sessions: replicas closed this one for good. */
static bool evicted(const struct world *w, uint32_t t)
{
    const struct sim_troxy *troxy = &w->troxy[t];
    for (replica_id r = 0; r < w->n; r++) {
        const struct execution *e = w->replica[r].cell[CELL_E].state;
        const struct origin_record *record = &e->origin[troxy->number];
        if (!world_is_faulty(w, r, CELL_E) && !record->open &&
            record->epoch >= replicated_core(troxy->access)->auth.self.epoch)
            return true;
    }
    return false;
}

static bool is_paused(const struct world *w, uint32_t t)
{
    return t < w->n && w->replica[t].paused_until_us > w->now_us;
}

/* What nobody asked it for. Its origin may do it, so it takes effect like anything else. */
static void make_up(struct world *w, uint32_t t)
{
    struct access access = replicated_access(w->troxy[t].access);
    uint64_t prefix = 0;
    uint8_t request[OP_BYTES_MAX];
    if (w->now_us >= w->end_at_us || !dice_chance(&w->troxy_dice, 0.3))
        return;
    const struct slice parts[2] = {{(const uint8_t *)&prefix, 8},
                                   {request, request_draw(w, STOCK_MAX, request, sizeof request)}};
    world_fault(w);
    (void)access.submit(access.self, NOBODYS, 0, parts, 2, w->now_us + DEADLINE_US, w->now_us);
    settle(w, t);
}

void troxies_live_on(struct world *w)
{
    for (uint32_t t = 0; w->troxies && t < w->n; t++) {
        struct sim_troxy *troxy = &w->troxy[t];
        if (!troxy->access || !host_is_evil(w, t) ||
            !(outlive_spares(w, t) || dice_chance(&w->troxy_dice, 0.5)))
            continue;
        world_fault(w);
        troxy->replica_incarnation = w->replica[t].incarnation;
        troxy->life = w->life;
        for (replica_id r = 0; r < w->n; r++)
            replicated_on_connected(troxy->access, r, w->now_us);
        settle(w, t);
    }
}

static void look(struct world *w, uint32_t t)
{
    struct sim_troxy *troxy = &w->troxy[t];
    bool up = t < w->n && !w->replica[t].crashed;
    bool same = troxy->replica_incarnation == w->replica[t].incarnation && troxy->life == w->life;
    if (troxy->access && (!up || !same || evicted(w, t)))
        stop(w, t);
    else if (!troxy->access && up)
        start(w, t);
    if (troxy->access && troxy->faulty && !is_paused(w, t))
        make_up(w, t);
    world_later(w, LOOK_US, DUE_TROXY_LOOK, t, 0, 0, NULL);
}

void troxies_init(struct world *w)
{
    w->troxy_dice = dice_from(w->options.seed, 10);
    if (!w->troxies)
        return;
    for (uint32_t t = 0; t < REPLICAS_MAX; t++) {
        struct sim_troxy *troxy = &w->troxy[t];
        troxy->number = w->clients + 1 + t;
        troxy->epoch = 1 + dice_below(&w->troxy_dice, 100);
        sign_keypair(&troxy->sign);
        box_keypair(&troxy->box);
    }
    bool byzantine = w->options.faults & FAULTS_BYZANTINE && !w->options.plain_network;
    for (uint32_t i = 0; byzantine && i < w->f && dice_chance(&w->troxy_dice, 0.4); i++)
        w->troxy[dice_below(&w->troxy_dice, w->n)].faulty = true;
    w->stocks = w->options.plain_network ? 2 : 3 + dice_below(&w->troxy_dice, STOCK_MAX - 2);
    for (uint32_t s = 0; s < w->stocks; s++) {
        w->stock[s].window = 1 + dice_below(&w->troxy_dice, STOCK_OPS);
        w->stock[s].think_us = 5000 + dice_below(&w->troxy_dice, 100000);
        w->stock[s].reads = dice_chance(&w->troxy_dice, 0.5) ? 0.97 : 0.75;
    }
}

void troxies_start(struct world *w)
{
    for (uint32_t t = 0; w->troxies && t < REPLICAS_MAX; t++) {
        if (t < w->n)
            start(w, t);
        if (!w->options.plain_network)
            world_later(w, LOOK_US + t, DUE_TROXY_LOOK, t, 0, 0, NULL);
    }
    for (uint32_t s = 0; s < w->stocks; s++) {
        if (!w->options.plain_network) {
            world_later(w, 1 + dice_below(&w->troxy_dice, 20000), DUE_STOCK, s, 0, 0, NULL);
            continue;
        }
        stock_connect(w, s); /* a story: it says what happens */
        w->stock[s].troxy = s;
        w->stock[s].window = STOCK_OPS;
    }
}

void troxies_free(struct world *w)
{
    for (uint32_t t = 0; t < REPLICAS_MAX; t++) {
        struct sim_troxy *troxy = &w->troxy[t];
        for (uint32_t i = 0; i < SEEN_ATTESTS; i++)
            parcel_drop(troxy->seen[i]);
        if (!troxy->access)
            continue;
        struct replicated_counters counters;
        replicated_counters(troxy->access, &counters);
        w->result->fast_reads += counters.fast;
        w->result->read_conflicts += counters.conflicts;
        for (uint32_t s = 0; s < w->stocks; s++) /* the ledger is closed */
            replicated_access(troxy->access).forget(troxy->access, s);
        replicated_close(troxy->access, w->now_us);
        munmap(troxy->memory, troxy->memory_bytes);
        troxy->access = NULL;
    }
}

void troxy_on_due(struct world *w, const struct due *due)
{
    uint32_t i = due->a;
    if (due->kind == DUE_STOCK && due->b == 1) {
        if (due->x == w->stock[i].life)
            stock_leave(w, i);
        return;
    }
    if (due->kind == DUE_STOCK) {
        stock_work(w, i);
        return;
    }
    if (due->kind == DUE_TROXY_LOOK) {
        look(w, i);
        return;
    }
    struct sim_troxy *troxy = &w->troxy[i];
    if (is_paused(w, i)) {
        struct due later = *due;
        later.at_us = w->replica[i].paused_until_us + 1;
        if (due->parcel)
            parcel_hold(due->parcel);
        queue_add(&w->queue, &later);
        return;
    }
    if (!troxy->access || w->replica[i].crashed)
        return;
    if (due->kind == DUE_TO_TROXY && due->x == troxy->incarnation) {
        (void)replicated_on_frame(troxy->access, due->b, due->parcel->data, due->parcel->len, w->now_us);
        settle(w, i);
    } else if (due->kind == DUE_TROXY_TIMER && due->x == troxy->timer_set) {
        troxy->timer_at_us = UINT64_MAX;
        replicated_on_timer(troxy->access, w->now_us);
        settle(w, i);
    }
}
