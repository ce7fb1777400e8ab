#include "disk.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "chain_file.h"
#include "crypto/crypto.h"
#include "keys.h"
#include "log.h"
#include "replica.h"
#include "resume.h"

#define FILE_BYTES       (16u * 1024u * 1024u)
#define SAVE_PERIOD_S    20u             /* replicas take turns in it */
#define SAVE_SILENCE_US  3000000u
#define SAVE_LEAST_BYTES (1024u * 1024u) /* of log since the last time, else it is not worth it */
#define INTERVAL_MB                                                                                          \
    640u /* what is logged between two checkpoints, at most: batches of 4 MiB, lists, records */
#define RECALL_WAIT_MS 600000
#define WAITING_MAX                                                                                          \
    (64u * 1024u * 1024u) /* for peers, until the log is durable; they ask again for what is beyond */

struct waiting_head {
    uint64_t after; /* sequence number up to which all must be durable */
    uint32_t kind, to, len;
    uint32_t local;
};

/* ---------------------------------------------------------------- opening */

int disk_open(struct replica *r, struct error *error)
{
    struct disk *d = &r->disk;
    char log[PATH_BYTES], saved[PATH_BYTES];
    d->on = r->config.durability == DURABILITY_SYNC;
    if (!d->on)
        return 0;
    if (!path_make(log, "%s/replica-%u/log", r->config.dir, r->options.id) ||
        !path_make(saved, "%s/replica-%u/checkpoint", r->config.dir, r->options.id))
        return error_set(error, "%s: name too long", r->config.dir);
    /* Voting stops at log_mb; what leads to the checkpoint that is to be saved then, and what E still executes, comes on top. */
    uint32_t more = r->config.log_mb > INTERVAL_MB ? r->config.log_mb : INTERVAL_MB;
    struct journal_options options = {
        .dir = log, .file_bytes = FILE_BYTES, .bytes_max = ((uint64_t)r->config.log_mb + more) << 20};
    /* Leaves that are replaced take new pages until the transaction is through: twice the state, and room. */
    uint64_t bytes_max = (uint64_t)r->config.memory_mb * 3 << 20;
    if (journal_open(&d->journal, &options, error) || saved_open(&d->saved, saved, bytes_max, error))
        return -1;
    if (chain_file_read(&d->chain, r->config.dir, r->options.id, error))
        return -1;
    struct journal_stats stats;
    journal_stats(d->journal, &stats);
    if (stats.cut)
        log_line(LOG_INFO, "the log's last group was not complete (power was lost): it is left out");
    d->found = journal_count(d->journal) > 0;
    return 0;
}

/* ---------------------------------------------------------------- giving it back */

struct recalling {
    struct replica *r;
    struct slice *frames;
    uint8_t (*kept)[65536];
    bool answered[COMPARTMENTS];
    struct error *error;
    bool failed;
};

static struct slice read_record(void *context, uint32_t index)
{
    struct replica *r = context;
    return journal_read(r->disk.journal, index);
}

/* Takes what it has to say: a HELLO. */
static void hear(struct recalling *at, int i, int wait_ms)
{
    struct compartment *c = at->r->seat[i].compartment;
    struct slice frame;
    compartment_kick(c, at->r->now_us);
    bool busy = compartment_before_poll(c);
    struct pollfd fds[2] = {{.fd = compartment_fd(c), .events = POLLIN},
                            {.fd = compartment_death_fd(c), .events = POLLIN}};
    if (!busy && fds[0].fd >= 0)
        poll(fds, 2, wait_ms);
    compartment_after_poll(c);
    while (compartment_take(c, &frame)) {
        if (frame.len > sizeof at->kept[0] || frame.len < 2 || frame.data[1] != FRAME_HELLO)
            continue;
        memcpy(at->kept[i + 1], frame.data, frame.len);
        at->frames[i + 1] = (struct slice){at->kept[i + 1], frame.len};
        at->answered[i] = true;
    }
    if (!compartment_alive(c))
        at->failed = true;
}

static void recall_give(void *context, enum kind kind, struct slice frame)
{
    struct recalling *at = context;
    int i = (int)kind - KIND_PREPARATION;
    while (!at->failed && !compartment_give(at->r->seat[i].compartment, &frame, 1, false))
        hear(at, i, 20);
}

static void give_row(void *context, unsigned what, uint64_t number, struct slice bytes)
{
    struct recalling *at = context;
    static uint8_t frame[FRAME_MAX];
    size_t len = resume_frame(frame, sizeof frame, what, number, bytes);
    if (len)
        recall_give(at, KIND_EXECUTION, (struct slice){frame, len});
}

static void give_saved(void *context)
{
    struct recalling *at = context;
    if (saved_each(at->r->disk.saved, give_row, at, at->error))
        at->failed = true;
}

static void give_genesis(void *context)
{
    struct recalling *at = context;
    struct slice frame;
    while (!at->failed && restoring_there(at->r) && restoring_next(at->r, &frame))
        recall_give(at, KIND_EXECUTION, frame);
}

static struct resume_record *records_list(const struct disk *d, uint32_t count)
{
    struct resume_record *records = calloc(count + 1, sizeof *records);
    CHECK(records && "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        const struct journal_record *record = journal_at(d->journal, i);
        records[i] = (struct resume_record){.kind = (enum persist_kind)record->kind,
                                            .full = record->full,
                                            .slot = record->slot,
                                            .digest = record->digest};
    }
    return records;
}

static void wait_for_answers(struct recalling *at)
{
    for (int i = 0; i < COMPARTMENTS; i++)
        for (int ms = 0; !at->failed && !at->answered[i]; ms += 20) {
            hear(at, i, 20);
            at->failed = at->failed || ms > RECALL_WAIT_MS;
        }
}

int disk_recall(struct replica *r, struct slice frames[], uint8_t kept[][65536], struct error *error)
{
    struct disk *d = &r->disk;
    struct recalling at = {.r = r, .frames = frames, .kept = kept, .error = error};
    if (!d->on || !d->found)
        return 0;
    uint32_t count = journal_count(d->journal);
    struct resume_record *records = records_list(d, count);
    struct resume_log log = {records, count, read_record, r};
    struct resume_sink sink = {.give = recall_give,
                               .give_saved = give_saved,
                               .give_genesis = give_genesis,
                               .context = &at,
                               .scratch = malloc(FRAME_MAX)};
    sink.order = calloc(count + 1, sizeof *sink.order);
    CHECK(sink.scratch && sink.order && "out of memory");
    error->text[0] = 0;
    for (int i = 0; i < COMPARTMENTS; i++) /* P and C are given nothing: what they said first stands */
        at.answered[i] = r->options.rejoin && i != KIND_EXECUTION - KIND_PREPARATION;
    resume_compartments(&log, saved_slot(d->saved), r->options.rejoin, &sink);
    wait_for_answers(&at);
    free(sink.order);
    free(sink.scratch);
    free(records);
    if (at.failed && error->text[0])
        return -1;
    return at.failed
               ? error_set(error, "replica %u: its compartments could not be given their log", r->options.id)
               : 0;
}

static void on_journal(uv_poll_t *poll, int status, int events);
static void on_saved(uv_poll_t *poll, int status, int events);

/* What this replica knew of changes since the manifest. */
static void chain_recall(struct replica *r)
{
    struct slice list = {buffer_data(&r->disk.chain), r->disk.chain.len}, frame;
    for (size_t at = 0; frame_list_next(list, &at, &frame);)
        r->engine_type->recall(r->engine, PERSIST_CONFIGURATION, 0, frame);
}

int disk_start(struct replica *r, struct error *error)
{
    struct disk *d = &r->disk;
    if (!d->on)
        return 0;
    const struct hello *e = &r->hellos.member[KIND_EXECUTION - KIND_HOST].hello;
    if (!r->options.rejoin && chain_file_clear(&d->chain, r->config.dir, r->options.id, error))
        return -1;
    chain_recall(r);
    if (d->found) {
        uint32_t count = journal_count(d->journal);
        struct resume_record *records = records_list(d, count);
        struct resume_log log = {records, count, read_record, r};
        resume_engine(&log, r->engine_type, r->engine, e->slot, e->stable);
        free(records);
        log_line(LOG_INFO, "resumed: executed up to slot %llu, stable %llu", (unsigned long long)e->slot,
                 (unsigned long long)e->stable);
    }
    if (journal_begin(d->journal, error))
        return -1;
    d->base_slot = UINT64_MAX;
    d->saved_us = r->now_us;
    if (uv_poll_init(&r->loop, &d->journal_poll, journal_fd(d->journal)) != 0 ||
        uv_poll_init(&r->loop, &d->saved_poll, saved_fd(d->saved)) != 0)
        return error_set(error, "replica %u: cannot watch its disk", r->options.id);
    d->journal_poll.data = d->saved_poll.data = r;
    uv_poll_start(&d->journal_poll, UV_READABLE, on_journal);
    uv_poll_start(&d->saved_poll, UV_READABLE, on_saved);
    return 0;
}

void disk_close(struct replica *r)
{
    journal_close(r->disk.journal);
    saved_close(r->disk.saved);
    buffer_free(&r->disk.waiting);
    buffer_free(&r->disk.chain);
}

/* ---------------------------------------------------------------- the log */

void disk_step(struct disk *d)
{
    if (d->on)
        d->step_first = journal_next(d->journal);
}

/* Rare, so it is done at once. */
static void keep_configuration(struct replica *r, struct slice frame)
{
    struct disk *d = &r->disk;
    struct error error;
    if (d->chain_failed || chain_file_add(&d->chain, frame, r->config.dir, r->options.id, &error) == 0)
        return;
    d->chain_failed = true; /* what builds on it could not be resumed */
    log_line(LOG_ERROR, "%s: this replica stops voting for good", error.text);
}

void disk_persist(struct replica *r, const struct action *action)
{
    struct disk *d = &r->disk;
    struct journal_record record = {
        .kind = (uint8_t)action->to, .full = action->full, .slot = action->slot, .digest = action->digest};
    if (action->to == PERSIST_CONFIGURATION) {
        keep_configuration(r, action->parts[0]);
        return;
    }
    if (d->told == JOURNAL_FAILED)
        return;
    uint64_t sequence = journal_append(d->journal, &record, action->parts, action->parts[1].len ? 2 : 1);
    d->appended += action->parts[0].len + action->parts[1].len + 96;
    if (action->full && action->to == PERSIST_EXECUTION) {
        d->base_slot = action->slot;
        d->base_at = d->step_first;
        d->base_sequence = sequence;
    } else if (action->full) {
        d->full_at[action->to - PERSIST_PREPARATION] = sequence;
    }
}

bool disk_holds(struct disk *d, const struct action *action)
{
    if (!d->on)
        return false;
    uint64_t next = journal_next(d->journal);
    if (d->told == JOURNAL_FAILED || d->chain_failed)
        return true; /* what it would say cannot be kept: it says nothing any more */
    if (d->told == JOURNAL_FULL)
        return true; /* peers ask again; else what waits would grow as long as the disk is full */
    if (d->waiting.len == 0 && journal_durable(d->journal) >= next)
        return false;
    struct waiting_head head = {.after = next,
                                .kind = (uint32_t)action->kind,
                                .to = action->to,
                                .len = (uint32_t)(action->parts[0].len + action->parts[1].len),
                                .local = action->local};
    if (action->kind == ACTION_SEND_PEER && d->waiting.len + head.len > WAITING_MAX) {
        LOG_LIMITED(LOG_WARNING, "the disk does not keep up: frames for replica %u are dropped", action->to);
        return true;
    }
    buffer_append(&d->waiting, &head, sizeof head);
    buffer_append(&d->waiting, action->parts[0].data, action->parts[0].len);
    buffer_append(&d->waiting, action->parts[1].data, action->parts[1].len);
    return true;
}

void disk_push(struct disk *d)
{
    if (d->on)
        journal_push(d->journal);
}

static void release(struct replica *r)
{
    struct disk *d = &r->disk;
    uint64_t durable = journal_durable(d->journal);
    struct waiting_head head;
    while (d->waiting.len >= sizeof head) {
        memcpy(&head, buffer_data(&d->waiting), sizeof head);
        if (head.after > durable)
            return;
        struct action action = {.kind = (enum action_kind)head.kind, .to = head.to, .local = head.local != 0};
        action.parts[0] = (struct slice){buffer_data(&d->waiting) + sizeof head, head.len};
        replica_carry_out(r, &action);
        buffer_consume(&d->waiting, sizeof head + head.len);
    }
}

static bool seats_alive(const struct replica *r)
{
    for (int i = 0; i < COMPARTMENTS; i++)
        if (r->seat[i].dead)
            return false;
    return true;
}

static void tell_state(struct replica *r, enum journal_state state)
{
    struct disk *d = &r->disk;
    if (state == d->told)
        return;
    d->told = state;
    if (state == JOURNAL_GOOD) {
        log_line(LOG_INFO, "the disk has room again: this replica votes again");
        if (seats_alive(r) && !d->saved_failed && !d->too_long)
            replica_step(r, EVENT_VOTE_AGAIN);
        return;
    }
    log_line(LOG_ERROR, "%s: this replica stops voting%s", journal_problem(d->journal),
             state == JOURNAL_FULL ? " until there is room"
                                   : " for good; see to its disk, then restart the cluster");
    if (state == JOURNAL_FAILED)
        buffer_free(&d->waiting);
    replica_step(r, EVENT_STOP_VOTING);
}

/* E was asked to save, and has not come to the checkpoint at which it does: without votes it never would. */
static bool on_the_way(const struct disk *d)
{
    return d->save_asked && !d->save_begun && !d->save_refused;
}

/* At log_mb P and C are given nothing until a checkpoint is saved and the log is shorter. */
static void watch_length(struct replica *r, uint64_t bytes)
{
    struct disk *d = &r->disk;
    bool long_now = bytes >= (uint64_t)r->config.log_mb << 20 && !on_the_way(d);
    if (long_now == d->too_long)
        return;
    d->too_long = long_now;
    if (long_now)
        log_line(LOG_ERROR,
                 "the log has reached log_mb (%u): this replica stops voting until a checkpoint is saved",
                 r->config.log_mb);
    else
        log_line(LOG_INFO, "the log is shorter again: this replica votes again");
    if (long_now)
        replica_step(r, EVENT_STOP_VOTING);
    else if (seats_alive(r) && !d->saved_failed && d->told == JOURNAL_GOOD)
        replica_step(r, EVENT_VOTE_AGAIN);
}

bool disk_is_deaf(const struct disk *d)
{
    return d->on && d->told != JOURNAL_GOOD;
}

/* A CHECKPOINT makes P and C promise nothing, and write the full record without which what is before it cannot be cut off. */
bool disk_starves(const struct disk *d, const struct action *action)
{
    const struct slice *frame = &action->parts[0];
    bool checkpoint = frame->len > 1 && frame->data[1] == FRAME_CHECKPOINT;
    return d->on && (d->told == JOURNAL_FAILED || d->chain_failed ||
                     (d->too_long && action->to != KIND_EXECUTION && !checkpoint));
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The log begins at what is still needed: the base of the checkpoint that is saved and stable, and the last full records. */
static void forget(struct replica *r)
{
    struct disk *d = &r->disk;
    struct engine_status status;
    slot_no slot = saved_slot(d->saved);
    uint64_t durable = journal_durable(d->journal);
    if (!slot || d->base_slot != slot || d->base_sequence >= durable)
        return;
    if (d->full_at[0] >= durable || d->full_at[1] >= durable)
        return; /* without them the full records before them are still needed */
    r->engine_type->status(r->engine, &status);
    if (status.stable >= slot)
        journal_forget(d->journal, least(d->base_at, least(d->full_at[0], d->full_at[1])));
}

static void on_journal(uv_poll_t *poll, int status, int events)
{
    struct replica *r = poll->data;
    (void)status, (void)events;
    if (r->ending)
        return;
    enum journal_state state = journal_poll(r->disk.journal);
    release(r);
    disk_push(&r->disk); /* what came meanwhile is the next group */
    tell_state(r, state);
    forget(r);
}

/* ---------------------------------------------------------------- the checkpoint */

static void give_save(struct replica *r, uint64_t number)
{
    uint8_t body[8], bytes[64];
    struct sender self = {KIND_HOST, r->options.id, 0};
    struct writer b = writer_to(body, sizeof body);
    local_save_put(&b, &(struct local_save){.number = number});
    struct slice frame = {bytes, frame_encode(bytes, sizeof bytes, FRAME_LOCAL_SAVE, &self, AUTH_NONE,
                                              (struct slice){body, b.len}, (struct slice){NULL, 0},
                                              (struct slice){NULL, 0})};
    replica_carry_out(r, &(struct action){.kind = ACTION_GIVE, .to = KIND_EXECUTION, .parts = {frame}});
}

bool disk_takes_piece(struct replica *r, struct slice bytes)
{
    struct disk *d = &r->disk;
    struct frame frame;
    struct local_saved piece;
    if (bytes.len < 2 || bytes.data[1] != FRAME_LOCAL_SAVED)
        return false;
    if (!d->on || d->saved_failed || !frame_decode(bytes.data, bytes.len, &frame) ||
        !local_saved_decode(frame.body, &piece) || d->saving_since_us)
        return true;
    d->saving_since_us = d->save_heard_us = r->now_us;
    d->save_begun = true;
    d->piece = piece.number;
    d->last_piece = piece.last != 0;
    saved_put(d->saved, piece.slot, piece.number, piece.last != 0, piece.leaf_count, frame.attachment);
    return true;
}

static void on_saved(uv_poll_t *poll, int status, int events)
{
    struct replica *r = poll->data;
    struct disk *d = &r->disk;
    (void)status, (void)events;
    if (r->ending)
        return;
    enum saved_state state = saved_poll(d->saved);
    if (state == SAVED_IDLE || state == SAVED_BUSY)
        return;
    d->saving_since_us = 0;
    d->save_heard_us = r->now_us;
    if (state == SAVED_STORED && !d->last_piece) {
        give_save(r, d->piece);
    } else if (state == SAVED_STORED) {
        d->save_asked = false;
        d->saved_us = r->now_us;
        d->appended_at_save = d->appended;
        d->saves++;
        d->save_refused = false;
        give_save(r, d->piece);
        forget(r);
    } else {
        log_line(LOG_ERROR, "%s", saved_problem(d->saved));
        d->save_asked = false;
        d->save_refused = true;
        d->saved_us = r->now_us; /* tried again later; the log grows up to its limit meanwhile */
        give_save(r, UINT64_MAX);
        d->saved_failed = state == SAVED_FAILED;
        if (d->saved_failed)
            replica_step(r, EVENT_STOP_VOTING);
    }
}

static void save_ask(struct replica *r)
{
    r->disk.save_asked = true;
    r->disk.save_begun = false;
    r->disk.save_heard_us = r->now_us;
    give_save(r, 0);
}

/* Nothing comes: E gave a save up (for a transfer, or it lacked memory) and begins another at the next checkpoint; or it could not even
 * begin. It is asked again, and votes may lead there. */
static bool is_silent(const struct replica *r)
{
    const struct disk *d = &r->disk;
    return d->save_asked && !d->saving_since_us && r->now_us - d->save_heard_us > SAVE_SILENCE_US;
}

/* E may stand still while it saves, so the replicas do it one after the other. */
void disk_tick(struct replica *r)
{
    struct disk *d = &r->disk;
    struct journal_stats stats;
    if (!d->on)
        return;
    journal_stats(d->journal, &stats);
    uint64_t second = r->now_us / 1000000 % SAVE_PERIOD_S, limit = (uint64_t)r->config.log_mb << 20;
    uint64_t since = d->appended - d->appended_at_save;
    bool worth = since > SAVE_LEAST_BYTES;
    bool turn = second == (uint64_t)r->options.id * SAVE_PERIOD_S / r->config.replicas;
    /* A life may begin with a log that is long already. */
    bool pressed = since > limit / 4 || (stats.bytes >= limit / 2 && (worth || d->saves == 0));
    if (!d->saved_failed && (d->save_asked ? is_silent(r) : pressed || (turn && worth)))
        save_ask(r);
    watch_length(r, stats.bytes);
}
