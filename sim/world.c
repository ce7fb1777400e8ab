#include "world.h"

#include <setjmp.h>
#include <stdarg.h>

#include "crypto/crypto_sim.h"

struct world *world_current;

/* How much longer than asked a run may take to finish every request before it counts as stuck. */
#define PATIENCE_US 90000000u

/* ------------------------------------------------------------------------------------------------ verdicts */

_Noreturn void world_violation(struct world *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(w->result->text, sizeof w->result->text, format, args);
    va_end(args);
    w->result->violation = true;
    if (w->options.trace)
        fprintf(w->options.trace, "%10llu VIOLATION %s\n", (unsigned long long)w->now_us, w->result->text);
    world_story(w, "VIOLATION: %s", w->result->text);
    longjmp(w->failed, 1);
}

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    if (world_current)
        world_violation(world_current, "an invariant failed: %s (%s:%d)", expression, file, line);
    fprintf(stderr, "redoubt-sim: %s:%d: %s\n", file, line, expression);
    abort();
}

static void hash_line(struct world *w, const char *line)
{
    uint64_t h = w->result->trace_hash;
    for (; *line; line++)
        h = (h ^ (uint8_t)*line) * 0x100000001b3ull;
    w->result->trace_hash = h;
}

void world_trace(struct world *w, const char *format, ...)
{
    char line[600];
    va_list args;
    if (!w->options.trace)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    hash_line(w, line);
    fprintf(w->options.trace, "%10llu %s\n", (unsigned long long)w->now_us, line);
}

void world_story(struct world *w, const char *format, ...)
{
    va_list args;
    if (!w->options.story)
        return;
    fprintf(w->options.story, "%8.1f ms  ", (double)(w->now_us - 1000000) / 1000);
    va_start(args, format);
    vfprintf(w->options.story, format, args);
    va_end(args);
    fputc('\n', w->options.story);
}

void world_trace_frame(struct world *w, const char *where, replica_id r, struct slice bytes, const char *what)
{
    char line[500];
    struct text text = {line, sizeof line, 0};
    struct frame frame = {0};
    if (frame_decode(bytes.data, bytes.len, &frame))
        frame_print(&text, &frame);
    else
        text_add(&text, "garbage");
    struct batch batch;
    if (frame.type == FRAME_PRE_PREPARE && !what && batch_decode(frame.attachment, &batch))
        for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
            struct batch_entry entry = batch_entry_at(batch.entries, i);
            text_add(&text, i ? "," : " bundles=");
            text_add_u64(&text, entry.origin);
            text_add(&text, "/");
            text_add_u64(&text, entry.bundle_no);
        }
    world_trace(w, "r%u %s %s %s%s%s", r, where, what ? "refuses" : "sends", line, what ? ": " : "",
                what ? what : "");
}

void world_fault(struct world *w)
{
    w->result->faults++;
}

void world_later(struct world *w, uint64_t delay_us, enum due_kind kind, uint32_t a, uint32_t b, uint64_t x,
                 struct parcel *parcel)
{
    queue_add(
        &w->queue,
        &(struct due){.at_us = w->now_us + delay_us, .kind = kind, .a = a, .b = b, .x = x, .parcel = parcel});
}

/* ------------------------------------------------------------------------------------------------ lifecycle */

static void draw_options(struct world *w)
{
    struct dice d = dice_from(w->options.seed, 1);
    struct sim_options *o = &w->options;
    uint64_t draws[6];
    for (int i = 0; i < 6; i++)
        draws[i] = dice_u64(&d);
    if (o->tolerated < 0)
        o->tolerated = draws[0] % 10 == 0 ? 2 : 1;
    if (o->service <= 0)
        o->service = draws[1] % 3 == 0 ? SERVICE_COUNTER : SERVICE_KV;
    if (o->fast_reads < 0)
        o->fast_reads = draws[2] % 2;
    if (o->clients < 0)
        o->clients = (int)(3 + draws[3] % 10);
    w->f = (uint32_t)o->tolerated;
    w->hybster = o->protocol == PROTOCOL_HYBSTER;
    w->n = o->replicas > 0 ? (uint32_t)o->replicas : (w->hybster ? 2 : 3) * w->f + 1;
    w->f = faults_with(o->protocol, w->n);
    if (o->replicas < 0 && !o->plain_network && draws[5] % 3 == 0)
        w->n += 1 + (w->hybster ? 0 : (uint32_t)(draws[5] / 3 % 2));
    if (w->hybster) { /* what there is of it so far */
        o->faults &= FAULTS_CRASH | FAULTS_NETWORK | FAULTS_BYZANTINE | FAULTS_RESTART;
        o->resizes = 0;
    }
    w->troxies = o->troxies > 0 || (o->troxies < 0 && !o->plain_network && draws[4] / 240000 % 2);
    if (w->troxies) {
        o->service = SERVICE_KV;
        o->fast_reads = !w->hybster || o->fast_reads; /* what they are there for */
        o->clients = o->clients > 3 ? 3 : o->clients; /* sessions are few */
    }
    w->certifies = w->hybster && w->troxies && o->fast_reads;
    o->fast_reads = w->hybster ? w->certifies : o->fast_reads;
    if (w->certifies)
        o->faults &= ~(unsigned)FAULTS_RESTART; /* a Troxy has one life */
    if (o->reads < 0)
        o->reads = draws[1] / 3 % 2 ? REDOUBT_READ_SOUND : REDOUBT_READ_ORDERED;
    w->read_mode = (enum redoubt_read_mode)o->reads;
    w->whole = one_domain_with(o->protocol);
    w->clients = (uint32_t)o->clients;
    w->request_timeout_us = o->plain_network ? 100000 : 60000 + draws[4] % 240000;
}

static void build(struct world *w)
{
    crypto_sim_reset(w->options.seed);
    draw_options(w);
    uint64_t seed = w->options.seed;
    w->network_dice = dice_from(seed, 2);
    w->fault_dice = dice_from(seed, 3);
    w->client_dice = dice_from(seed, 4);
    w->attack_dice = dice_from(seed, 5);
    w->host_dice = dice_from(seed, 6);
    w->disk_dice = dice_from(seed, 7);
    w->durable =
        w->options.faults & FAULTS_STORAGE && (dice_chance(&w->disk_dice, 0.6) || w->options.restless);
    w->life = 1;
    w->impose_dice = dice_from(seed, 3001);
    w->rejoin_dice = dice_from(seed, w->durable ? 8 : 7);
    w->members_dice = dice_from(seed, 9);
    w->replaces = w->options.replaces > 0 || (w->options.replaces < 0 && dice_chance(&w->members_dice, 0.4));
    resize_init(w);
    w->now_us = 1000000;
    w->heal_at_us = w->now_us + (uint64_t)w->options.seconds * 600000;
    w->end_at_us = w->now_us + (uint64_t)w->options.seconds * 1000000;
    sign_keypair(&w->admin);
    service_wrap(w);
    w->plot_dice = dice_from(seed, 11);
    w->plots = w->options.plots > 0 || (w->options.plots < 0 && dice_chance(&w->plot_dice, 0.3));
    network_init(w);
    clients_init(w);
    troxies_init(w);
    witnesses_init(w);
    liar_init();
    nemesis_init(w);
    for (replica_id r = 0; r < w->n; r++)
        replica_init(w, r);
    founding_start(w);
    witnesses_start(w);
    for (replica_id r = 0; r < w->n; r++)
        replica_start(w, r);
    for (uint32_t c = 0; c < w->clients; c++)
        client_start(w, c);
    troxies_start(w);
}

static void put_off(struct world *w, const struct due *due)
{
    struct due later = *due;
    later.at_us = w->replica[due->a].paused_until_us + 1;
    parcel_hold(later.parcel);
    queue_add(&w->queue, &later);
}

/* Events of a replica: nothing when it crashed, later when it is paused. */
static void on_replica_due(struct world *w, const struct due *due)
{
    struct replica *replica = &w->replica[due->a];
    if (replica->crashed || due->a >= w->n)
        return;
    if (due->kind == DUE_PEER && w->replica[due->b].unreached >> due->a & 1)
        return;
    if (replica->paused_until_us > w->now_us) {
        put_off(w, due);
        return;
    }
    struct slice frame = due->parcel ? parcel_slice(due->parcel) : (struct slice){NULL, 0};
    switch (due->kind) {
    case DUE_PEER:
        replica_event(w, due->a, EVENT_PEER, due->b, frame);
        break;
    case DUE_FROM_CLIENT:
        replica_event(w, due->a, EVENT_CLIENT, due->b, frame);
        break;
    case DUE_CLIENT_GONE:
        replica_event(w, due->a, EVENT_CLIENT_GONE, due->b, frame);
        break;
    case DUE_PEER_UP:
        replica_event(w, due->a, EVENT_PEER_UP, due->b, frame);
        break;
    case DUE_WITNESS:
        witness_on_due(w, due->a, due->parcel);
        break;
    case DUE_COMMIT:
        cell_give(w, due->a, CELL_E, due->parcel, due->b);
        break;
    case DUE_WAKE:
        cell_wake(w, due->a, due->b);
        break;
    case DUE_ENGINE_TIMER:
        if (due->x == replica->timer_set)
            replica_event(w, due->a, EVENT_TIMER, 0, frame);
        break;
    case DUE_DISK:
        disk_on_due(w, due->a, due->x);
        break;
    case DUE_SAVE:
        disk_on_stored(w, due->a, due->b, due->x);
        break;
    case DUE_RUN_END:
        replica->run_ending = false;
        replica_event(w, due->a, EVENT_RUN_END, 0, frame);
        break;
    default:
        break;
    }
}

static void on_due(struct world *w, const struct due *due)
{
    w->now_us = due->at_us;
    switch (due->kind) {
    case DUE_TO_CLIENT:
    case DUE_CLIENT_TIMER:
    case DUE_CLIENT_WORK:
    case DUE_CONNECTED:
        client_on_due(w, due);
        w->result->events++;
        break;
    case DUE_TO_TROXY:
    case DUE_TROXY_TIMER:
    case DUE_TROXY_LOOK:
    case DUE_STOCK:
        troxy_on_due(w, due);
        w->result->events++;
        break;
    case DUE_NEMESIS:
        nemesis_on_due(w);
        break;
    case DUE_RESTART:
    case DUE_REJOIN:
        rejoin_on_due(w, due);
        break;
    case DUE_RESIZE:
        resize_on_due(w);
        break;
    case DUE_SCRIPT:
        w->on_script(w, due->a);
        break;
    default:
        on_replica_due(w, due);
    }
}

bool world_open(struct world *w, const struct sim_options *options, struct sim_result *result)
{
    memset(w, 0, sizeof *w);
    memset(result, 0, sizeof *result);
    w->options = *options;
    w->result = result;
    world_current = w;
    mutant_on = options->mutant;
    w->outbox.cap = 24u << 20;
    static uint8_t *outbox;
    if (!outbox)
        outbox = malloc(w->outbox.cap);
    w->outbox.data = outbox;
    if (setjmp(w->failed))
        return false;
    build(w);
    return true;
}

bool world_advance(struct world *w, uint64_t until_us)
{
    struct due due = {0};
    if (w->result->violation)
        return false;
    if (setjmp(w->failed))
        return false;
    while (w->queue.count && w->queue.heap[0].at_us <= until_us) {
        bool healing = !w->healing && w->queue.heap[0].at_us >= w->heal_at_us;
        if (healing) {
            w->now_us = w->heal_at_us;
            w->healing = true;
            nemesis_heal(w);
        }
        queue_take(&w->queue, &due);
        w->taken = due.parcel;
        on_due(w, &due);
        w->taken = NULL;
        parcel_drop(due.parcel);
        if (w->now_us >= w->end_at_us && clients_done(w) && rejoin_done(w) && resize_done(w))
            break;
    }
    return true;
}

void world_close(struct world *w)
{
    struct sim_result *result = w->result;
    result->ops = w->ledger.committed;
    result->slots = w->ledger.top;
    result->simulated_us = w->now_us;
    result->attacks = w->attacks;
    for (replica_id r = 0; r < w->n; r++) {
        struct engine_status status = {0};
        if (w->replica[r].engine)
            splitbft_engine.status(w->replica[r].engine, &status);
        if (status.view_changes > result->view_changes)
            result->view_changes = status.view_changes;
    }
    clients_free(w);
    troxies_free(w);
    witnesses_free(w);
    queue_free(&w->queue);
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        replica_free(&w->replica[r]);
    for (size_t i = 0; i < MEMORY_FRAMES; i++)
        parcel_drop(w->memory[i]);
    for (size_t i = 0; i < 256; i++)
        parcel_drop(w->old_bundle[i]);
    parcel_drop(w->imposed);
    replace_free(w);
    parcel_drop(w->start);
    parcel_drop(w->taken);
    while (w->in_hands)
        parcel_drop(w->in_hand[--w->in_hands]);
    ledger_free(&w->ledger);
    world_current = NULL;
}

static bool finish(struct world *w)
{
    if (setjmp(w->failed))
        return false;
    ledger_finish(w);
    return true;
}

static void stuck(struct world *w)
{
    struct engine_status s[REPLICAS_MAX];
    size_t len = 0;
    w->result->stuck = true;
    len += (size_t)snprintf(w->result->text, sizeof w->result->text, "%llu requests did not finish;",
                            (unsigned long long)w->ledger.must_finish);
    for (replica_id r = 0; r < w->n && len < sizeof w->result->text - 60; r++) {
        splitbft_engine.status(w->replica[r].engine, &s[r]);
        len += (size_t)snprintf(
            w->result->text + len, sizeof w->result->text - len, " r%u%s v%llu%s s%llu/%llu c%llu", r,
            w->replica[r].crashed     ? "(crashed)"
            : w->replica[r].rejoining ? "(rejoining)"
                                      : "",
            (unsigned long long)s[r].view, s[r].in_view ? "" : "?", (unsigned long long)s[r].executed,
            (unsigned long long)s[r].stable, (unsigned long long)s[r].configuration);
    }
}

void world_run(const struct sim_options *options, struct sim_result *result)
{
    static struct world world;
    struct world *w = &world;
    bool alive = world_open(w, options, result) && world_advance(w, w->end_at_us);
    if (alive && options->safety_only)
        (void)finish(w);
    else if (alive && world_advance(w, w->end_at_us + PATIENCE_US) && finish(w) &&
             !(clients_done(w) && rejoin_done(w) && resize_done(w)))
        stuck(w);
    world_close(w);
}
