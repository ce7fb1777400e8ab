#include "origin/reads.h"

#include <errno.h>

#include "base/check.h"
#include "ordering/mutant.h"

#define FIRST_TYPICAL_US  50000u
#define LEAST_PATIENCE_US 2000u
#define MOST_PATIENCE_US  1000000u
#define FIRST_PAUSE_US    50000u
#define MOST_PAUSE_US     10000000u

static const char reason_closed_waiting[] = "the client was closed before it was answered";
static const char reason_full[] = "too many operations wait";

uint32_t client_read_quorum(const struct configuration *c, enum redoubt_read_mode mode)
{
    uint32_t quorum = 0;
    if (mode == REDOUBT_READ_PUBLISHED)
        return quorum_one_correct(c);
    if (mode == REDOUBT_READ_SOUND)
        quorum = c->certifies ? 0 /* what E show may not be certified yet, and fast reads be older */
                 : c->protocol == PROTOCOL_HYBSTER ? c->replicas
                                                   : c->read_quorum;
    return quorum - (quorum && mutant(MUTANT_SOUND_READ_ONE_SHORT) ? 1 : 0);
}

/* --- lifecycle ------------------------------------------------------------------------------------------------------------ */

void client_reads_init(struct client_reads *reads, struct client_core *core, enum redoubt_read_mode mode)
{
    memset(reads, 0, sizeof *reads);
    reads->core = core;
    reads->mode = mode;
    reads->typical_us = FIRST_TYPICAL_US;
    client_queue_init(&reads->queue, core->memory, READ_ROUND_OPS_MAX);
}

static size_t votes_bytes(const struct read_round *round)
{
    return (size_t)round->chunk->count * round->replicas * sizeof *round->vote;
}

static void round_free(struct client_reads *reads, struct read_round *round)
{
    const struct client_memory *memory = &reads->core->memory;
    memory_give(memory, round->vote, votes_bytes(round));
    for (uint32_t r = 0; r < round->replicas; r++)
        client_bytes_free(&round->plain[r], memory);
    client_queue_recycle(&reads->queue, round->chunk);
    memset(round, 0, sizeof *round);
    reads->rounds--;
}

static void op_tell(struct client_chunk *chunk, struct client_op *op, const struct redoubt_outcome *outcome)
{
    op->over = true;
    chunk->left--;
    if (op->done)
        op->done(op->context, outcome);
}

static void chunk_reject(struct client_chunk *chunk, const char *reason)
{
    const struct redoubt_outcome outcome = {.kind = REDOUBT_REJECTED, .reason = reason};
    for (uint32_t i = 0; i < chunk->count; i++)
        if (!chunk->ops[i].over)
            op_tell(chunk, &chunk->ops[i], &outcome);
}

void client_reads_close(struct client_reads *reads, uint64_t now_us)
{
    client_core_close(reads->core, now_us); /* from now on nothing is queued by a callback */
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++)
        if (reads->round[i].used) {
            chunk_reject(reads->round[i].chunk, reason_closed_waiting);
            round_free(reads, &reads->round[i]);
        }
    for (struct client_chunk *chunk; (chunk = client_queue_take(&reads->queue)) != NULL;) {
        chunk_reject(chunk, reason_closed_waiting);
        client_queue_recycle(&reads->queue, chunk);
    }
}

void client_reads_deinit(struct client_reads *reads)
{
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++)
        if (reads->round[i].used)
            round_free(reads, &reads->round[i]);
    client_queue_deinit(&reads->queue);
}

/* --- ordering after all --------------------------------------------------------------------------------------------------- */

static void op_order(struct client_reads *reads, struct client_chunk *chunk, struct client_op *op)
{
    int failed = client_core_submit(reads->core, chunk->data.data + op->at + 4, op->len, op->deadline_us,
                                    op->done, op->context, op->submitted_us);
    reads->counters.ordered++;
    if (failed) {
        op_tell(chunk, op, &(struct redoubt_outcome){.kind = REDOUBT_REJECTED, .reason = reason_full});
        return;
    }
    op->over = true;
    chunk->left--;
}

static void chunk_order(struct client_reads *reads, struct client_chunk *chunk)
{
    for (uint32_t i = 0; i < chunk->count; i++)
        if (!chunk->ops[i].over)
            op_order(reads, chunk, &chunk->ops[i]);
}

static void queue_order(struct client_reads *reads)
{
    for (struct client_chunk *chunk; (chunk = client_queue_take(&reads->queue)) != NULL;) {
        chunk_order(reads, chunk);
        client_queue_recycle(&reads->queue, chunk);
    }
}

/* --- asking --------------------------------------------------------------------------------------------------------------- */

/* Without a session no E answers; the first bundle that is executed opens it. And one must have been that was first sent under the number
 * which is held: after a resume E come to what they had replied to again, and that bundle is ordered behind all of it. */
static bool may_ask(const struct client_reads *reads, uint64_t now_us)
{
    const struct client_core *core = reads->core;
    bool tries = reads->pause_us > 0; /* whether answers come again: one round at a time */
    return core->session_open && core->session_number == core->configuration->number &&
           client_read_quorum(core->configuration, reads->mode) > 0 && now_us >= reads->paused_until_us &&
           !(tries && reads->rounds > 0);
}

int client_reads_submit(struct client_reads *reads, const void *data, size_t len, uint64_t deadline_us,
                        redoubt_done done, void *context, uint64_t now_us)
{
    const struct client_core *core = reads->core;
    const struct client_op op = {
        .done = done, .context = context, .deadline_us = deadline_us, .submitted_us = now_us};
    if (core->closed || len > OP_MAX || !may_ask(reads, now_us)) {
        reads->counters.ordered += reads->mode != REDOUBT_READ_ORDERED;
        return client_core_submit(reads->core, data, len, deadline_us, done, context, now_us);
    }
    if (core->queue.ops + reads->queue.ops >= core->options.queue_max ||
        core->queue.bytes + reads->queue.bytes + len > core->options.queue_max_bytes)
        return -EAGAIN;
    return client_queue_add(&reads->queue, &op, data, len) ? 0 : -EAGAIN;
}

static uint64_t patience(const struct client_reads *reads)
{
    uint64_t us = 4 * reads->typical_us + LEAST_PATIENCE_US;
    return us < MOST_PATIENCE_US ? us : MOST_PATIENCE_US;
}

static struct read_round *round_unused(struct client_reads *reads)
{
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++)
        if (!reads->round[i].used)
            return &reads->round[i];
    return NULL;
}

/* Another one each time; not who kept us waiting, as long as there are others. */
static replica_id full_replier(const struct client_reads *reads, const struct read_round *round)
{
    for (uint32_t i = 0; i < round->replicas; i++) {
        replica_id r = (replica_id)((round->nonce + i) % round->replicas);
        if (!(reads->late >> r & 1))
            return r;
    }
    return (replica_id)(round->nonce % round->replicas);
}

static void question_send(struct client_reads *reads, const struct read_round *round, replica_id r)
{
    struct client_core *core = reads->core;
    uint8_t body[16];
    struct writer w = writer_to(body, sizeof body);
    struct slice question = {round->chunk->data.data, round->chunk->data.len};
    size_t cap = FRAME_HEADER_BYTES + sizeof body + question.len + AEAD_TAG_BYTES;
    if (!core->reply_key_known[r] || !client_bytes_reserve(&core->scratch, &core->memory, cap))
        return;
    ask_read_put(&w, &(struct ask_read){.replica = r, .nonce = round->nonce, .full = r == round->full});
    CHECK(!w.bad);
    size_t len = auth_encode_sealed(core->scratch.data, cap, FRAME_ASK_READ, &core->auth.self,
                                    &core->read_key[r], round->nonce, (struct slice){body, w.len}, question);
    CHECK(len > 0);
    core->wire.send(core->wire.context, r, &(struct slice){core->scratch.data, len}, 1);
}

/* False when memory is lacking: the chunk is still the caller's. */
static bool round_begin(struct client_reads *reads, struct read_round *round, struct client_chunk *chunk,
                        uint64_t now_us)
{
    const struct client_core *core = reads->core;
    uint64_t due_us = now_us + patience(reads);
    *round = (struct read_round){.used = true,
                                 .nonce = reads->nonce + 1,
                                 .number = core->configuration->number,
                                 .replicas = core->configuration->replicas,
                                 .sent_us = now_us,
                                 .due_us = chunk->deadline_us < due_us ? chunk->deadline_us : due_us,
                                 .chunk = chunk};
    round->vote = memory_take(&core->memory, votes_bytes(round));
    if (!round->vote) {
        memset(round, 0, sizeof *round);
        return false;
    }
    memset(round->vote, 0, votes_bytes(round));
    reads->nonce++;
    reads->rounds++;
    reads->counters.rounds++;
    round->full = full_replier(reads, round);
    digest_of(&round->question, READING_TAG, chunk->data.data, chunk->data.len);
    for (replica_id r = 0; r < round->replicas; r++)
        question_send(reads, round, r);
    return true;
}

/* Who answers by another number is not counted; and keys may be others by now. */
static void rounds_follow(struct client_reads *reads)
{
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++) {
        struct read_round *round = &reads->round[i];
        if (!round->used || round->number == reads->core->configuration->number)
            continue;
        chunk_order(reads, round->chunk);
        round_free(reads, round);
    }
}

void client_reads_flush(struct client_reads *reads, uint64_t now_us)
{
    rounds_follow(reads);
    if (reads->queue.head && !may_ask(reads, now_us))
        queue_order(reads);
    while (!reads->core->closed && reads->queue.head &&
           reads->rounds < reads->core->options.bundles_in_flight) {
        struct read_round *round = round_unused(reads);
        struct client_chunk *chunk = round ? client_queue_take(&reads->queue) : NULL;
        if (!chunk)
            break;
        if (round_begin(reads, round, chunk, now_us))
            continue;
        chunk_order(reads, chunk);
        client_queue_recycle(&reads->queue, chunk);
    }
    client_core_flush(reads->core, now_us);
}

/* --- answers -------------------------------------------------------------------------------------------------------------- */

static struct read_round *round_of(struct client_reads *reads, uint64_t nonce)
{
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++)
        if (reads->round[i].used && reads->round[i].nonce == nonce)
            return &reads->round[i];
    return NULL;
}

static bool vote_read(struct reader *r, struct read_vote *vote)
{
    struct client_result result;
    if (!client_result_next(r, &result))
        return false;
    if (result.status == RESULT_RETRY) {
        vote->said = READ_SAID_RETRY;
        return result.form == RESULT_FULL && result.bytes.len == 0;
    }
    bool digested = result.form == (RESULT_DIGEST | RESULT_VERSION);
    if (result.status > REDOUBT_CONFLICT || (!digested && result.form != (RESULT_FULL | RESULT_VERSION)) ||
        (digested ? result.bytes.len != sizeof vote->digest : result.bytes.len > OP_MAX))
        return false;
    vote->said = READ_SAID_RESULT;
    vote->status = result.status;
    vote->version = result.version;
    if (digested)
        memcpy(vote->digest.bytes, result.bytes.data, sizeof vote->digest);
    else
        digest_of(&vote->digest, RESULT_TAG, result.bytes.data, result.bytes.len);
    vote->result = digested ? (struct slice){NULL, 0} : result.bytes;
    return true;
}

/* Takes over what was opened. False: malformed, and it says nothing then. */
static bool answer_take(struct client_reads *reads, struct read_round *round, replica_id from)
{
    struct client_bytes taken = reads->core->opened;
    reads->core->opened = round->plain[from];
    round->plain[from] = taken;
    struct reader r = reader_of(taken.data, taken.len);
    bool good = true;
    for (uint32_t i = 0; i < round->chunk->count && good; i++)
        good = vote_read(&r, &round->vote[i * round->replicas + from]);
    if (good && reader_done(&r))
        return true;
    for (uint32_t i = 0; i < round->chunk->count; i++)
        round->vote[i * round->replicas + from] = (struct read_vote){.said = READ_SAID_NOTHING};
    return false;
}

static bool votes_equal(const struct client_reads *reads, const struct read_vote *a,
                        const struct read_vote *b)
{
    return a->said == READ_SAID_RESULT && b->said == READ_SAID_RESULT && a->status == b->status &&
           digest_equal(&a->digest, &b->digest) &&
           (reads->mode == REDOUBT_READ_PUBLISHED || a->version == b->version);
}

/* The largest group of equal votes; `with` is one of them that has the result in full, if any has. */
static uint32_t votes_most(const struct client_reads *reads, const struct read_round *round,
                           const struct read_vote *row, const struct read_vote **with)
{
    uint32_t most = 0;
    *with = NULL;
    for (uint32_t a = 0; a < round->replicas; a++) {
        const struct read_vote *full = NULL;
        uint32_t count = 0;
        for (uint32_t b = 0; b < round->replicas; b++) {
            if (!votes_equal(reads, &row[a], &row[b]))
                continue;
            count++;
            full = row[b].result.data ? &row[b] : full;
        }
        if (count > most) {
            most = count;
            *with = full;
        }
    }
    return most;
}

static void op_answer(struct client_reads *reads, struct client_chunk *chunk, struct client_op *op,
                      const struct read_vote *vote, uint64_t now_us)
{
    const struct redoubt_outcome outcome = {
        .kind = REDOUBT_COMMITTED,
        .status = (enum redoubt_status)vote->status,
        .result = vote->result.data,
        .result_bytes = vote->result.len,
        .latency_us = now_us > op->submitted_us ? now_us - op->submitted_us : 0,
    };
    reads->counters.unordered++;
    op_tell(chunk, op, &outcome);
}

static void op_decide(struct client_reads *reads, struct read_round *round, uint32_t i, uint64_t now_us)
{
    uint32_t quorum = client_read_quorum(reads->core->configuration, reads->mode);
    uint32_t open = round->replicas - (uint32_t)__builtin_popcount(round->answered);
    const struct read_vote *with;
    struct client_op *op = &round->chunk->ops[i];
    uint32_t most = votes_most(reads, round, &round->vote[i * round->replicas], &with);
    if (most >= quorum && with)
        op_answer(reads, round->chunk, op, with, now_us);
    else if (most + open < quorum || (most >= quorum && round->answered >> round->full & 1))
        op_order(reads, round->chunk, op);
}

static void round_over(struct client_reads *reads, struct read_round *round, uint64_t now_us)
{
    uint64_t took = now_us > round->sent_us ? now_us - round->sent_us : 0;
    reads->typical_us = (7 * reads->typical_us + took) / 8 + 1;
    reads->pause_us = 0;
    round_free(reads, round);
}

static void round_decide(struct client_reads *reads, struct read_round *round, uint64_t now_us)
{
    for (uint32_t i = 0; i < round->chunk->count; i++)
        if (!round->chunk->ops[i].over)
            op_decide(reads, round, i, now_us);
    if (round->chunk->left == 0)
        round_over(reads, round, now_us);
}

/* Before it is opened: is it from somebody who counts, and for us? */
static enum verdict answer_check(struct client_reads *reads, replica_id host, const struct frame *frame,
                                 struct read_answer *answer, uint64_t now_us)
{
    struct client_core *core = reads->core;
    enum verdict verdict = read_answer_check(frame, answer);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (!configuration_member(core->configuration, &frame->sender) ||
        !core->reply_key_known[frame->sender.id])
        return VERDICT_UNKNOWN_SENDER;
    if (answer->origin != core->auth.self.id || answer->epoch != core->auth.self.epoch)
        return VERDICT_STALE;
    if (answer->configuration > core->configuration->number) {
        client_core_ask_configuration(core, host, now_us);
        return VERDICT_EARLY;
    }
    return answer->configuration == core->configuration->number ? VERDICT_ACCEPT : VERDICT_STALE;
}

/* Into the core's `opened`. */
static bool answer_open(struct client_core *core, const struct frame *frame, const struct read_answer *answer)
{
    struct slice plain;
    if (!client_bytes_reserve(&core->opened, &core->memory, frame->attachment.len) ||
        !auth_open_sealed(frame, &core->read_key[frame->sender.id], answer->counter, core->opened.data,
                          &plain))
        return false;
    core->opened.len = plain.len;
    return true;
}

static enum verdict on_answer(struct client_reads *reads, replica_id host, const struct frame *frame,
                              uint64_t now_us)
{
    struct read_answer answer;
    replica_id from = frame->sender.id;
    enum verdict verdict = answer_check(reads, host, frame, &answer, now_us);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct read_round *round = round_of(reads, answer.nonce);
    if (!round || round->number != answer.configuration)
        return VERDICT_STALE;
    if (round->answered >> from & 1)
        return VERDICT_DUPLICATE;
    if (!answer_open(reads->core, frame, &answer))
        return VERDICT_BAD_MAC;
    if (!digest_equal(&answer.question, &round->question))
        return VERDICT_MISMATCH;
    bool good = answer_take(reads, round, from);
    round->answered |= 1u << from;
    reads->late &= ~(1u << from);
    round_decide(reads, round, now_us);
    return good ? VERDICT_ACCEPT : VERDICT_MALFORMED;
}

enum verdict client_reads_on_frame(struct client_reads *reads, replica_id replica, const uint8_t *data,
                                   size_t len, uint64_t now_us)
{
    struct frame frame;
    if (reads->core->closed || !frame_decode(data, len, &frame) || frame.type != FRAME_READ_ANSWER ||
        replica >= reads->core->configuration->replicas)
        return client_core_on_frame(reads->core, replica, data, len, now_us);
    enum verdict verdict = on_answer(reads, replica, &frame, now_us);
    if (verdict != VERDICT_ACCEPT && verdict != VERDICT_STALE && verdict != VERDICT_EARLY &&
        verdict != VERDICT_DUPLICATE)
        reads->counters.bad_answers++;
    return verdict;
}

/* --- time ----------------------------------------------------------------------------------------------------------------- */

/* Answers are missing: they may be slower than was thought, or will not come. */
static void note_silence(struct client_reads *reads, const struct read_round *round, uint64_t now_us)
{
    reads->counters.silent_rounds++;
    reads->late |= (uint32_t)((1ull << round->replicas) - 1) & ~round->answered;
    if (4 * reads->typical_us < MOST_PATIENCE_US)
        reads->typical_us *= 2;
    reads->pause_us = reads->pause_us == 0                  ? FIRST_PAUSE_US
                      : reads->pause_us < MOST_PAUSE_US / 2 ? 2 * reads->pause_us
                                                            : MOST_PAUSE_US;
    reads->paused_until_us = now_us + reads->pause_us;
}

static void round_due(struct client_reads *reads, struct read_round *round, uint64_t now_us)
{
    if (round->due_us < round->chunk->deadline_us) /* else it was somebody's deadline that came early */
        note_silence(reads, round, now_us);
    chunk_order(reads, round->chunk);
    round_free(reads, round);
}

void client_reads_on_timer(struct client_reads *reads, uint64_t now_us)
{
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++)
        if (reads->round[i].used && reads->round[i].due_us <= now_us)
            round_due(reads, &reads->round[i], now_us);
    if (reads->queue.deadline_us <= now_us)
        queue_order(reads); /* whose deadline is over is told so there */
    client_core_on_timer(reads->core, now_us);
}

uint64_t client_reads_next_timer(const struct client_reads *reads)
{
    uint64_t at = client_core_next_timer(reads->core);
    at = reads->queue.deadline_us < at ? reads->queue.deadline_us : at;
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++)
        if (reads->round[i].used && reads->round[i].due_us < at)
            at = reads->round[i].due_us;
    return at;
}

/* --- invariants ----------------------------------------------------------------------------------------------------------- */

void client_reads_validate(const struct client_reads *reads)
{
    uint32_t rounds = 0;
    for (uint32_t i = 0; i < READ_ROUNDS_MAX; i++) {
        const struct read_round *round = &reads->round[i];
        if (!round->used)
            continue;
        rounds++;
        CHECK(round->nonce <= reads->nonce && round->answered >> round->replicas == 0);
        CHECK(round->chunk->left > 0 && round->chunk->count <= READ_ROUND_OPS_MAX);
    }
    CHECK(rounds == reads->rounds);
    client_core_validate(reads->core);
}
