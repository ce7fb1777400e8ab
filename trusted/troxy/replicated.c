#include "troxy/replicated.h"

#include <errno.h>

#include "base/check.h"
#include "ordering/mutant.h"
#include "troxy/rounds.h"

#define NOBODY       UINT32_MAX
#define REQUEST_KEPT 4096u /* a read with a longer request is ordered */
#define STUCK_US     1000000u
#define UNANSWERED   3u /* operations in a row without an outcome, before the session is given up ... */
#define RENEW_US     10000000u /* ... not more often than this */
#define PIECE_LEAST  256u
#define PIECE_SIZES  14u /* powers of two from there to beyond OP_MAX */

static_assert(PIECE_LEAST << (PIECE_SIZES - 1) >= OP_MAX, "a largest request fits a piece");

static const char reason_gone[] =
    "an earlier operation of this connection has no known outcome; this one was never sent";

enum operation_state {
    STATE_WAITS,
    STATE_ASKS,    /* in a round */
    STATE_ORDERED, /* in the core */
    STATE_OVER     /* its outcome is known, and told when those before it are */
};

struct operation {
    struct operation *next; /* of the connection; or of the free ones */
    struct operation *before;
    struct replicated *owner;
    uint32_t connection; /* NOBODY: it is over, and only the core does not know it */
    enum operation_state state;
    uint64_t ticket;
    uint64_t deadline_us, submitted_us;
    uint8_t *request;
    uint32_t len;
    bool reads;      /* and nothing else: may be fast */
    bool must_order; /* it was asked about, in vain */
    bool learned;    /* its result was given to the cache */
    struct touched touched;
    struct round_place place;
    struct redoubt_outcome outcome;
    uint8_t *result; /* own memory, while it waits to be told */
};

struct connection {
    struct operation *head, *tail;
    uint32_t count;
    uint32_t ordered; /* operations in the core */
    bool broken;      /* one has no known outcome: nothing more is sent */
    bool queued;      /* among those to be looked at */
    uint32_t next_queued;
};

struct replicated {
    struct replicated_config config;
    struct client_core core;
    struct configuration *configuration; /* what a later session begins with */
    struct arena core_arena, piece_arena;
    struct cache cache;
    struct adaptive adaptive;
    struct rounds rounds;
    struct connection *connection;
    struct operation *operation, *free_operation;
    uint8_t *scratch; /* a result from the cache */
    version_no *written; /* of each version cell, and of the whole: where an own write was; 0: none */
    size_t bytes;
    uint32_t operations;
    uint32_t queue_head, queue_tail; /* connections to be looked at; index + 1 */
    uint32_t linked;                 /* replicas, a bit each */
    configuration_no number;         /* that the cache is of */
    uint64_t ordered_us;             /* when something was ordered last */
    uint32_t unanswered;             /* operations without an outcome since the last that has one */
    uint64_t renew_us;               /* the next session may be begun from here on */
    uint64_t now_us;
    struct replicated_counters counters;
    uint32_t hit_permille;
};

/* --- lifecycle ---------------------------------------------------------------------------------------------------------- */

void replicated_options_init(struct replicated_options *options)
{
    *options = (struct replicated_options){
        .connections_max = 4096,
        .operations_max = 65536,
        .connection_operations_max = 4096,
        .bytes_max = 64u * 1024u * 1024u,
        .cache_bytes = 64u * 1024u * 1024u,
        .fast_reads = true,
        .attest_us = 20000,
        .attest_max_us = 1000000,
        .sick_us = 1000000,
        .refresh_us = 5000000,
    };
    client_core_options_init(&options->core);
    adaptive_options_init(&options->adaptive);
}

/* Room for the budget in each size, so that gaps leave enough; it is address space. The core keeps bundles besides, and replies. */
static size_t piece_arena_bytes(const struct replicated_options *o)
{
    return PIECE_SIZES * (o->bytes_max + ((size_t)PIECE_LEAST << PIECE_SIZES));
}

static size_t core_arena_bytes(const struct replicated_options *o)
{
    return 16 * (o->bytes_max + o->core.queue_max_bytes) + 32 * (size_t)FRAME_MAX;
}

size_t replicated_arena_bytes(const struct replicated_options *o)
{
    return sizeof(struct replicated) + sizeof(struct configuration) +
           o->connections_max * sizeof(struct connection) + o->operations_max * sizeof(struct operation) +
           (VERSION_CELLS + 1) * sizeof(version_no) + ROUNDS_MAX * sizeof(struct round) + OP_MAX + cache_arena_bytes(o->cache_bytes) +
           piece_arena_bytes(o) + core_arena_bytes(o) + 65536;
}

static void learn(void *learner, void *op, enum redoubt_status status, uint64_t version, struct slice result);
static void settled(void *context, void *asker, enum round_answer answer, version_no version);

static void sub_arena(struct arena *sub, struct arena *arena, size_t bytes)
{
    arena_init(sub, arena_take(arena, bytes), bytes);
}

static bool core_init(struct replicated *r)
{
    const struct replicated_config *c = &r->config;
    struct client_core_config core = {.configuration = c->configuration,
                                      .origin = c->origin,
                                      .epoch = c->epoch,
                                      .sign = c->sign,
                                      .box = c->box,
                                      .memory = client_memory_of_arena(&r->core_arena),
                                      .wire = c->wire,
                                      .options = c->options.core,
                                      .learn = learn,
                                      .learner = r};
    core.options.versions = true;
    core.options.hand_back = true;
    return client_core_init(&r->core, &core);
}

struct replicated *replicated_new(struct arena *arena, const struct replicated_config *config)
{
    const struct replicated_options *o = &config->options;
    struct replicated *r = arena_take(arena, sizeof *r);
    r->config = *config;
    sub_arena(&r->core_arena, arena, core_arena_bytes(o));
    sub_arena(&r->piece_arena, arena, piece_arena_bytes(o));
    cache_init(&r->cache, arena, o->cache_bytes);
    adaptive_init(&r->adaptive, &o->adaptive);
    r->connection = arena_take(arena, o->connections_max * sizeof *r->connection);
    r->operation = arena_take(arena, o->operations_max * sizeof *r->operation);
    r->scratch = arena_take(arena, OP_MAX);
    r->written = arena_take(arena, (VERSION_CELLS + 1) * sizeof *r->written);
    r->configuration = arena_take(arena, sizeof *r->configuration);
    for (uint32_t i = o->operations_max; i-- > 0;) {
        r->operation[i].next = r->free_operation;
        r->free_operation = &r->operation[i];
    }
    if (!core_init(r))
        return NULL;
    bool floors = config->configuration->certifies && !o->attestors;
    struct attestor attestor = floors ? attestor_troxy(&r->core) : attestor_execution(&r->core);
    rounds_init(&r->rounds, arena_take(arena, ROUNDS_MAX * sizeof(struct round)), &attestor, o->attest_us);
    r->rounds.settled = settled;
    r->rounds.context = r;
    r->rounds.attestors = o->attestors;
    r->rounds.floors = floors;
    r->rounds.local = config->replica;
    r->rounds.attest_max_us = o->attest_max_us;
    r->rounds.sick_us = o->sick_us;
    r->rounds.configuration = r->core.configuration;
    r->number = r->core.configuration->number;
    return r;
}

/* --- memory of operations ------------------------------------------------------------------------------------------------ */

static size_t piece_size(size_t bytes)
{
    size_t size = PIECE_LEAST;
    while (size < bytes)
        size *= 2;
    return size;
}

static uint8_t *piece_take(struct replicated *r, size_t bytes)
{
    size_t size = piece_size(bytes);
    uint8_t *piece =
        r->bytes + size <= r->config.options.bytes_max ? arena_alloc(&r->piece_arena, size) : NULL;
    r->bytes += piece ? size : 0;
    return piece;
}

static void piece_give(struct replicated *r, uint8_t *piece, size_t bytes)
{
    if (!piece)
        return;
    arena_free(&r->piece_arena, piece, piece_size(bytes));
    r->bytes -= piece_size(bytes);
}

static void operation_free(struct replicated *r, struct operation *op)
{
    piece_give(r, op->request, op->len);
    piece_give(r, op->result, op->outcome.result_bytes);
    *op = (struct operation){.next = r->free_operation};
    r->free_operation = op;
    r->operations--;
}

/* --- connections: what is to be looked at ---------------------------------------------------------------------------------- */

static void look_later(struct replicated *r, uint32_t connection)
{
    struct connection *c = &r->connection[connection];
    if (c->queued)
        return;
    c->queued = true;
    c->next_queued = 0;
    *(r->queue_tail ? &r->connection[r->queue_tail - 1].next_queued : &r->queue_head) = connection + 1;
    r->queue_tail = connection + 1;
}

static void append(struct connection *c, struct operation *op)
{
    op->before = c->tail;
    *(c->tail ? &c->tail->next : &c->head) = op;
    c->tail = op;
    c->count++;
}

static void take_head(struct connection *c)
{
    c->head = c->head->next;
    *(c->head ? &c->head->before : &c->tail) = NULL;
    c->count--;
}

/* Tells what is over at the head. A callback may submit, to this connection too. */
static void tell_ready(struct replicated *r, uint32_t connection)
{
    struct connection *c = &r->connection[connection];
    while (c->head && c->head->state == STATE_OVER) {
        struct operation *op = c->head;
        take_head(c);
        op->outcome.result = op->result ? op->result : op->outcome.result;
        op->outcome.latency_us = r->now_us > op->submitted_us ? r->now_us - op->submitted_us : 0;
        r->config.done(r->config.context, connection, op->ticket, &op->outcome);
        operation_free(r, op);
    }
}

/* Nothing behind an operation without a known outcome may be sent: nobody could tell in which order they took effect. */
static void break_off(struct replicated *r, uint32_t connection)
{
    struct connection *c = &r->connection[connection];
    c->broken = true;
    for (struct operation *op = c->head; op; op = op->next) {
        if (op->state == STATE_ASKS)
            rounds_give_up(&r->rounds, &op->place, op);
        if (op->state == STATE_ASKS || op->state == STATE_WAITS) {
            op->state = STATE_OVER;
            op->outcome = (struct redoubt_outcome){.kind = REDOUBT_REJECTED, .reason = reason_gone};
        }
    }
}

/* The outcome of one: told now if it is the first, else kept. False: there is no memory to keep it. */
static bool finish(struct replicated *r, struct operation *op, const struct redoubt_outcome *outcome)
{
    uint32_t connection = op->connection;
    struct connection *c = &r->connection[connection];
    if (op != c->head && outcome->result_bytes) {
        op->result = piece_take(r, outcome->result_bytes);
        if (!op->result)
            return false;
        memcpy(op->result, outcome->result, outcome->result_bytes);
    }
    op->state = STATE_OVER;
    op->outcome = *outcome;
    if (outcome->kind == REDOUBT_UNKNOWN)
        break_off(r, connection);
    tell_ready(r, connection);
    look_later(r, connection);
    return true;
}

/* --- asked about ------------------------------------------------------------------------------------------------------------ */

/* Those behind one that has to be ordered are asked about anew, after it: else they could be of before it. */
static void reset_from(struct replicated *r, struct operation *first)
{
    for (struct operation *op = first; op; op = op->next) {
        if (op->state == STATE_ASKS)
            rounds_give_up(&r->rounds, &op->place, op);
        if (op->state != STATE_ASKS && op->state != STATE_OVER)
            continue;
        piece_give(r, op->result, op->outcome.result_bytes);
        op->result = NULL;
        op->outcome = (struct redoubt_outcome){0};
        op->state = STATE_WAITS;
    }
}

static void order_instead(struct replicated *r, struct operation *op)
{
    op->must_order = true;
    op->state = STATE_WAITS;
    if (!mutant(MUTANT_ANSWERS_BEHIND_KEPT))
        reset_from(r, op->next);
    look_later(r, op->connection);
}

static bool answer_from(struct replicated *r, struct operation *op, struct cache_entry *entry)
{
    cache_result(&r->cache, entry, r->scratch);
    entry->attested = true;
    const struct redoubt_outcome outcome = {.kind = REDOUBT_COMMITTED,
                                            .status = (enum redoubt_status)entry->status,
                                            .result = r->scratch,
                                            .result_bytes = entry->result_len,
                                            .slot = entry->version >> VERSION_INDEX_BITS};
    return finish(r, op, &outcome);
}

static void settled(void *context, void *asker, enum round_answer answer, version_no version)
{
    struct replicated *r = context;
    struct operation *op = asker;
    CHECK(op->state == STATE_ASKS);
    struct cache_entry *entry =
        answer == ROUND_AGREED ? cache_find(&r->cache, (struct slice){op->request, op->len}) : NULL;
    bool holds = entry && (entry->version == version || mutant(MUTANT_SKETCH_NOT_COMPARED));
    r->counters.fast += holds;
    r->counters.conflicts += answer == ROUND_DIFFER || (answer == ROUND_AGREED && !holds);
    r->counters.timeouts += answer == ROUND_SILENT;
    adaptive_learn(&r->adaptive, !holds);
    if (!holds || !answer_from(r, op, entry))
        order_instead(r, op);
}

/* --- which way a read goes -------------------------------------------------------------------------------------------------- */

static bool fast_allowed(const struct replicated *r)
{
    return r->config.options.fast_reads && r->core.configuration->read_quorum > 0;
}

static void count_hit(struct replicated *r, bool hit)
{
    r->counters.hits += hit;
    r->counters.misses += !hit;
    r->hit_permille = (63 * r->hit_permille + (hit ? 1000u : 0) + 32) / 64; /* of about the last 64 */
}

static bool could_be_fast(const struct replicated *r, const struct operation *op)
{
    return op->reads && !op->must_order && fast_allowed(r) && op->len <= REQUEST_KEPT;
}

/* Of before a write of one's own clients: attestors would say so, and it would have to be ordered after they did. The place of that write was voted on,
 * and a read behind it has at least that version. */
static bool is_outdated(const struct replicated *r, const struct operation *op, const struct cache_entry *entry)
{
    const uint32_t *cells;
    uint32_t count = touched_cells(&op->touched, &cells);
    for (uint32_t i = 0; i < count; i++)
        if (entry->version < r->written[cells[i]])
            return true;
    return false;
}

static void note_written(struct replicated *r, const struct operation *op, const struct redoubt_outcome *outcome)
{
    const struct touched *t = &op->touched;
    bool wrote = t->known && t->writes && (outcome->status == REDOUBT_OK || outcome->status == REDOUBT_NOT_FOUND);
    if (!wrote || !fast_allowed(r) || r->config.options.attestors)
        return; /* Prophecy's writes do not touch what it keeps */
    version_no place = version_of(outcome->slot, 0); /* it was there or, by its index, behind */
    r->written[VERSION_WHOLE] = place;
    for (uint64_t left = t->written; left; left &= left - 1)
        r->written[t->cell[__builtin_ctzll(left)]] = place;
}

static bool is_known(struct replicated *r, const struct operation *op)
{
    const struct cache_entry *entry = cache_find(&r->cache, (struct slice){op->request, op->len});
    return entry && !is_outdated(r, op, entry);
}

/* Is it to be asked about? Decides, and counts. */
static bool goes_fast(struct replicated *r, struct operation *op)
{
    if (!could_be_fast(r, op))
        return false;
    bool hit = is_known(r, op);
    count_hit(r, hit);
    if (hit && adaptive_asks(&r->adaptive) && r->now_us - r->ordered_us < r->config.options.refresh_us)
        return true;
    r->counters.passed += hit;
    op->must_order = true; /* decided, and counted once */
    return false;
}

/* A seeded bug: what was attested once is believed again. */
static bool believed_again(struct replicated *r, struct operation *op)
{
    struct cache_entry *entry = cache_find(&r->cache, (struct slice){op->request, op->len});
    return mutant(MUTANT_ATTESTED_BEFORE) && entry && entry->attested && answer_from(r, op, entry);
}

/* --- ordering ------------------------------------------------------------------------------------------------------------------ */

static void ordered(void *context, const struct redoubt_outcome *outcome)
{
    struct operation *op = context;
    struct replicated *r = op->owner;
    if (outcome->kind == REDOUBT_COMMITTED)
        r->unanswered = 0;
    else
        r->unanswered += outcome->kind == REDOUBT_UNKNOWN;
    if (op->connection == NOBODY) {
        operation_free(r, op);
        return;
    }
    struct connection *c = &r->connection[op->connection];
    c->ordered--;
    if (outcome->kind == REDOUBT_REJECTED && outcome->reason == client_asked_again && !c->broken) {
        op->state = STATE_WAITS; /* and so is everything behind it in its bundle */
        op->must_order = true;
        look_later(r, op->connection);
        return;
    }
    if (outcome->kind == REDOUBT_COMMITTED)
        note_written(r, op, outcome);
    /* Nothing older than what is told now must be kept: who takes one replica's word (Prophecy) would go back. */
    if (outcome->kind == REDOUBT_COMMITTED && op->reads && !op->learned)
        cache_forget(&r->cache, (struct slice){op->request, op->len});
    struct redoubt_outcome mine = *outcome;
    if (!finish(r, op, &mine)) { /* executed, and nowhere to put its result */
        mine = (struct redoubt_outcome){.kind = REDOUBT_UNKNOWN, .reason = outcome->reason};
        (void)finish(r, op, &mine);
    }
}

static void learn(void *learner, void *op_of_core, enum redoubt_status status, uint64_t version,
                  struct slice result)
{
    struct replicated *r = learner;
    struct operation *op = op_of_core;
    if (!op->reads || op->len > REQUEST_KEPT || !fast_allowed(r))
        return;
    cache_put(&r->cache, (struct slice){op->request, op->len}, status, version, result);
    r->counters.inserted++;
    op->learned = true;
}

/* How far the run goes: to the last that cannot be fast. Those behind it, if any, are asked about after it. */
static struct operation *run_end(struct replicated *r, struct operation *first)
{
    struct operation *last = first;
    uint32_t count = 0;
    for (struct operation *op = first;
         op && op->state == STATE_WAITS && count < r->config.options.core.bundle_ops_max;
         op = op->next, count++)
        if (!could_be_fast(r, op) || r->adaptive.off || !is_known(r, op))
            last = op;
    return last;
}

/* As much of it as goes into one bundle. False: nothing, there is no room now. */
static bool run_submit(struct replicated *r, struct connection *c, struct operation *first)
{
    const struct operation *last = run_end(r, first);
    for (struct operation *op = first; op && op->state == STATE_WAITS; op = op->next) {
        if (op != first && !client_core_joins(&r->core, op->len))
            break;
        if (client_core_submit(&r->core, op->request, op->len, op->deadline_us, ordered, op, r->now_us) != 0)
            break;
        op->state = STATE_ORDERED;
        c->ordered++;
        r->ordered_us = r->now_us;
        if (op == last)
            break;
    }
    return c->ordered > 0;
}

/* Goes on with a connection as far as it may. False: it is to be looked at again. */
static bool go_on(struct replicated *r, uint32_t connection)
{
    struct connection *c = &r->connection[connection];
    tell_ready(r, connection); /* what was refused when it was submitted */
    struct operation *op = c->head;
    if (c->ordered && !mutant(MUTANT_TWO_BUNDLES_OF_ONE))
        return true; /* nothing beside it: neither a bundle, nor a read of before it */
    for (; op && op->state != STATE_WAITS; op = op->next)
        if (op->state == STATE_ASKS && !mutant(MUTANT_TWO_BUNDLES_OF_ONE))
            return true; /* in a round that was sent: what is asked in another could be of before it */
    for (struct operation *next; op && goes_fast(r, op); op = next) {
        const uint32_t *cells;
        uint32_t count = touched_cells(&op->touched, &cells);
        count = mutant(MUTANT_FIRST_CELL_ALONE) ? 1 : count;
        next = op->next;
        if (believed_again(r, op))
            continue;
        const struct cache_entry *entry = cache_find(&r->cache, (struct slice){op->request, op->len});
        if (!rounds_add(&r->rounds, op, cells, count, entry ? entry->version : 0, &op->place))
            return false;
        op->state = STATE_ASKS;
    }
    if (!op)
        return true;
    /* It has to be ordered, when those before it are through. */
    if (op != c->head && !mutant(MUTANT_TWO_BUNDLES_OF_ONE))
        return true;
    return run_submit(r, c, op);
}

void replicated_flush(struct replicated *r, uint64_t now_us)
{
    r->now_us = now_us;
    const uint32_t last = r->queue_tail; /* what is put behind it has its turn next time */
    for (uint32_t at = 0; r->queue_head && at != last;) {
        at = r->queue_head;
        struct connection *c = &r->connection[at - 1];
        r->queue_head = c->next_queued;
        r->queue_tail = r->queue_head ? r->queue_tail : 0;
        c->queued = false;
        if (!go_on(r, at - 1))
            look_later(r, at - 1);
    }
    client_core_flush(&r->core, now_us);
    rounds_flush(&r->rounds, now_us);
}

/* --- access ---------------------------------------------------------------------------------------------------------------------- */

static bool gather(struct operation *op, struct replicated *r, const struct slice *parts, unsigned count)
{
    size_t at = 0;
    op->request = piece_take(r, op->len);
    if (!op->request)
        return false;
    for (unsigned i = 0; i < count; at += parts[i++].len)
        if (parts[i].len)
            memcpy(op->request + at, parts[i].data, parts[i].len);
    return true;
}

static void look_at(struct replicated *r, struct operation *op)
{
    const struct redoubt_op like = {.data = op->request, .bytes = op->len, .origin = r->config.origin};
    touched_by(&op->touched, r->config.service, &like);
    op->reads = op->touched.known && !op->touched.writes;
    r->counters.reads += op->reads;
    r->counters.writes += !op->reads;
}

static int submit(void *self, uint32_t connection, uint64_t ticket, const struct slice *parts, unsigned count,
                  uint64_t deadline_us, uint64_t now_us)
{
    struct replicated *r = self;
    const struct replicated_options *o = &r->config.options;
    size_t len = 0;
    for (unsigned i = 0; i < count; i++)
        len += parts[i].len;
    if (len > OP_MAX)
        return -EMSGSIZE;
    CHECK(connection < o->connections_max);
    struct connection *c = &r->connection[connection];
    struct operation *op = r->free_operation;
    if (!op || c->count >= o->connection_operations_max)
        return -EAGAIN;
    struct operation *next_free = op->next;
    *op = (struct operation){.owner = r,
                             .connection = connection,
                             .ticket = ticket,
                             .deadline_us = deadline_us,
                             .submitted_us = now_us,
                             .len = (uint32_t)len,
                             .next = next_free};
    if (!gather(op, r, parts, count))
        return -EAGAIN;
    r->free_operation = next_free;
    op->next = NULL;
    r->operations++;
    look_at(r, op);
    append(c, op);
    if (c->broken) {
        op->state = STATE_OVER; /* told in the next step */
        op->outcome = (struct redoubt_outcome){.kind = REDOUBT_REJECTED, .reason = reason_gone};
    }
    look_later(r, connection);
    return 0;
}

static void forget(void *self, uint32_t connection)
{
    struct replicated *r = self;
    struct connection *c = &r->connection[connection];
    while (c->head) {
        struct operation *op = c->head;
        take_head(c);
        if (op->state == STATE_ASKS)
            rounds_give_up(&r->rounds, &op->place, op);
        op->connection = NOBODY;
        if (op->state != STATE_ORDERED)
            operation_free(r, op);
    }
    c->ordered = 0;
    c->broken = false;
}

/* Something was sent long ago, and nobody answers. */
static bool is_stuck(const struct replicated *r, uint64_t now_us)
{
    for (uint64_t no = r->core.oldest; no < r->core.next; no++) {
        const struct client_flight *flight = r->core.flight[no % BUNDLE_WINDOW];
        if (flight)
            return now_us > flight->sent_us + STUCK_US;
    }
    return false;
}

static bool is_ready(const void *self, uint64_t now_us)
{
    const struct replicated *r = self;
    return (uint32_t)__builtin_popcount(r->linked) >= r->core.configuration->write_quorum &&
           !is_stuck(r, now_us);
}

static void reads_told(const void *self, struct access_reads *reads)
{
    const struct replicated *r = self;
    *reads = (struct access_reads){.hits = r->counters.hits,
                                   .misses = r->counters.misses,
                                   .passed = r->counters.passed,
                                   .fast = r->counters.fast,
                                   .conflicts = r->counters.conflicts,
                                   .timeouts = r->counters.timeouts,
                                   .cache_bytes = cache_bytes_used(&r->cache),
                                   .hit_permille = r->hit_permille,
                                   .conflict_permille = adaptive_permille(&r->adaptive),
                                   .off_permille = 10 * r->adaptive.options.off_percent,
                                   .on_permille = 10 * r->adaptive.options.on_percent,
                                   .fast_off = r->adaptive.off};
}

struct access replicated_access(struct replicated *r)
{
    return (struct access){.self = r, .submit = submit, .forget = forget, .is_ready = is_ready, .reads = reads_told};
}

/* --- events ------------------------------------------------------------------------------------------------------------------------ */

/* Results of another configuration may be of before what this one's replicas have executed again. */
static void follow(struct replicated *r)
{
    if (r->core.configuration == r->rounds.configuration && r->core.configuration->number == r->number)
        return;
    r->number = r->core.configuration->number;
    if (!mutant(MUTANT_KEPT_OVER_NUMBERS))
        cache_clear(&r->cache);
    rounds_drop(&r->rounds, r->core.configuration);
}

static enum verdict on_attest(struct replicated *r, const struct frame *frame)
{
    enum verdict verdict = rounds_on_frame(&r->rounds, frame, r->now_us);
    if (verdict == VERDICT_EARLY)
        client_core_ask_configuration(&r->core, frame->sender.id, r->now_us);
    r->counters.bad_attestations += verdict == VERDICT_MALFORMED || verdict == VERDICT_BAD_MAC ||
                                    verdict == VERDICT_UNKNOWN_SENDER || verdict == VERDICT_UNEXPECTED ||
                                    verdict == VERDICT_WRONG_KIND || verdict == VERDICT_LIMIT;
    return verdict;
}

enum verdict replicated_on_frame(struct replicated *r, replica_id replica, const uint8_t *data, size_t len,
                                 uint64_t now_us)
{
    struct frame frame;
    r->now_us = now_us;
    if (frame_decode(data, len, &frame) && frame.type == FRAME_ATTEST)
        return on_attest(r, &frame);
    enum verdict verdict = client_core_on_frame(&r->core, replica, data, len, now_us);
    follow(r);
    return verdict;
}

void replicated_on_connected(struct replicated *r, replica_id replica, uint64_t now_us)
{
    CHECK(replica < REPLICAS_MAX);
    r->now_us = now_us;
    r->linked |= 1u << replica;
    client_core_on_connected(&r->core, replica, now_us);
}

void replicated_on_disconnected(struct replicated *r, replica_id replica)
{
    CHECK(replica < REPLICAS_MAX);
    r->linked &= ~(1u << replica);
}

/*
 * Replicas that keep too many sessions close the one that was idle longest, for good and without a word: nothing that is sent under it
 * is answered. So when a quorum is connected and one operation after the other comes to no outcome, a session is begun under the next
 * epoch, as a Troxy that is started again would. When the cluster was merely slow that costs one key agreement at each replica: what was
 * under way has no known outcome already, or gets none now.
 */
static void renew(struct replicated *r)
{
    uint32_t linked = (uint32_t)__builtin_popcount(r->linked);
    if (r->unanswered < UNANSWERED || linked < r->core.configuration->write_quorum || r->now_us < r->renew_us)
        return;
    r->renew_us = r->now_us + RENEW_US;
    r->counters.renewed++;
    client_core_close(&r->core, r->now_us);
    r->unanswered = 0; /* what that ended was not sent in the session that begins */
    if (r->core.configuration != r->configuration)
        *r->configuration = *r->core.configuration;
    client_core_deinit(&r->core);
    r->config.configuration = r->configuration;
    r->config.epoch++;
    CHECK(core_init(r)); /* the same origin and keys as before */
    rounds_drop(&r->rounds, r->core.configuration);
}

void replicated_on_timer(struct replicated *r, uint64_t now_us)
{
    r->now_us = now_us;
    client_core_on_timer(&r->core, now_us);
    renew(r);
    rounds_on_timer(&r->rounds, now_us);
}

uint64_t replicated_next_timer(const struct replicated *r)
{
    uint64_t core = client_core_next_timer(&r->core), rounds = rounds_next_timer(&r->rounds);
    return core < rounds ? core : rounds;
}

void replicated_close(struct replicated *r, uint64_t now_us)
{
    r->now_us = now_us;
    client_core_close(&r->core, now_us);
    for (uint32_t i = 0; i < r->config.options.connections_max; i++) {
        break_off(r, i);
        tell_ready(r, i);
    }
    client_core_deinit(&r->core);
    crypto_wipe(&r->cache.key, sizeof r->cache.key);
}

void replicated_counters(const struct replicated *r, struct replicated_counters *counters)
{
    *counters = r->counters;
    counters->rounds = r->rounds.rounds;
    counters->questions = r->rounds.questions;
    counters->stale_attestations = r->rounds.stale;
    counters->switches = r->adaptive.switches;
    counters->conflict_permille = adaptive_permille(&r->adaptive);
    counters->hit_permille = r->hit_permille;
    counters->fast_off = r->adaptive.off;
    counters->cache_entries = r->cache.entries_used;
    counters->cache_bytes = cache_bytes_used(&r->cache);
}

const struct client_core *replicated_core(const struct replicated *r)
{
    return &r->core;
}

/* --- invariants ------------------------------------------------------------------------------------------------------------------- */

static void connection_validate(const struct replicated *r, uint32_t connection, uint32_t *operations)
{
    const struct connection *c = &r->connection[connection];
    uint32_t count = 0, orders = 0;
    bool waits = false, loosely = mutant(MUTANT_TWO_BUNDLES_OF_ONE) || mutant(MUTANT_ANSWERS_BEHIND_KEPT);
    const struct operation *asks = NULL;
    for (const struct operation *op = c->head; op; op = op->next, count++) {
        CHECK(op->connection == connection && op->owner == r);
        CHECK(op->next ? op->next->before == op : c->tail == op);
        /* What is under way or over has nothing before it that was not begun. */
        CHECK(!waits || op->state == STATE_WAITS || op->state == STATE_OVER || loosely);
        CHECK(op->state != STATE_ASKS || (op->reads && (orders == 0 || loosely)));
        if (op->state == STATE_ASKS) {
            CHECK(!asks || asks->place.round == op->place.round || loosely);
            asks = op;
        }
        waits |= op->state == STATE_WAITS;
        orders += op->state == STATE_ORDERED;
    }
    CHECK(count == c->count && orders == c->ordered);
    *operations += count;
}

void replicated_validate(const struct replicated *r)
{
    uint32_t operations = 0;
    client_core_validate(&r->core);
    cache_validate(&r->cache);
    rounds_validate(&r->rounds);
    for (uint32_t i = 0; i < r->config.options.connections_max; i++)
        connection_validate(r, i, &operations);
    CHECK(operations <= r->operations && r->operations <= r->config.options.operations_max);
    CHECK(r->bytes <= r->config.options.bytes_max);
    CHECK(r->rounds.configuration == r->core.configuration);
}
