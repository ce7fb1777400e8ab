/*
 * Catching up, both sides. A replica that stands still while others go on has its E ask: first for EXECUTED of the others
 * and then, beyond what they remember, for their state, from all of them. And questions for state go to own E no faster
 * than the answers may leave, so that clients are served meanwhile.
 */
#include "splitbft/broker.h"

/* --- lagging ------------------------------------------------------------------------------------------------------- */

bool catch_up_behind(const struct broker *b)
{
    for (replica_id r = 0; r < b->configuration->replicas; r++)
        if (b->peer[r].known && (b->peer[r].newest > b->executed || b->peer[r].view > liveness_heading(b)))
            return true;
    return false;
}

static void give_catch_up(struct broker *b, replica_id peer, bool state)
{
    uint8_t body[16];
    struct writer w = writer_to(body, sizeof body);
    local_catch_up_put(&w,
                       &(struct local_catch_up){.peer = peer, .state = state, .patience_us = b->timeout_us});
    broker_give(b, KIND_EXECUTION,
                broker_frame(b, FRAME_LOCAL_CATCH_UP, (struct slice){body, w.len}, (struct slice){NULL, 0}),
                false);
}

static void ask_executed_of_all(struct broker *b)
{
    b->catch_up_until = b->executed + CHECKPOINT_INTERVAL;
    for (replica_id r = 0; r < b->configuration->replicas; r++)
        if (r != b->config.replica && b->peer[r].executed > b->executed)
            give_catch_up(b, r, false);
}

/* Of everybody: E asks those who have what most have, in turns, and does without those who do not answer. */
static void ask_state_of_all(struct broker *b)
{
    for (uint32_t i = 1; i < b->configuration->replicas; i++)
        give_catch_up(b, (replica_id)((b->config.replica + i) % b->configuration->replicas), true);
}

/* Catching up by EXECUTED: the next ones are asked for before the last have been worked off. */
void catch_up_executed(struct broker *b)
{
    if (b->catch_up_until && b->executed + CHECKPOINT_INTERVAL / 2 >= b->catch_up_until) {
        b->catch_up_until = 0;
        if (catch_up_behind(b))
            ask_executed_of_all(b);
    }
}

/* A state was taken over: what follows it, at once, before the others forget it. */
void catch_up_jumped(struct broker *b)
{
    if (b->stable > b->executed)
        ask_state_of_all(b);
    ask_executed_of_all(b);
}

/* E stands still while others go on. */
void catch_up_tick(struct broker *b)
{
    bool still = b->executed == b->executed_at_tick;
    b->executed_at_tick = b->executed;
    b->stalled_ticks = still ? b->stalled_ticks + 1 : 0;
    if (b->transfer.phase > TRANSFER_HEAD) {
        ask_state_of_all(b);
        return;
    }
    if (b->stalled_ticks < 2 || (!catch_up_behind(b) && b->stable <= b->executed))
        return;
    ask_executed_of_all(b);
    if (broker_is_hybster(b))
        hybster_tell_again(b);
    /* Behind a stable checkpoint; or, for long, behind what others no longer keep lists of (their next checkpoint may need
     * this replica's word to become stable). */
    if (b->stalled_ticks >= (b->stable > b->executed ? 3 : 4 * TICKS_PER_TIMEOUT))
        ask_state_of_all(b);
}

enum verdict broker_on_transfer(struct broker *b, const struct frame *frame)
{
    struct local_transfer transfer;
    if (!local_transfer_decode(frame->body, &transfer) || transfer.phase >= TRANSFER_PHASES)
        return VERDICT_MALFORMED;
    b->transfer = transfer;
    return VERDICT_ACCEPT;
}

/* --- serving ------------------------------------------------------------------------------------------------------- */

#define BUSY_US   500000u /* clients were served not longer ago than this: the smaller budget */
#define BURST_MAX (2u * STATE_PIECE_BYTES) /* what may have been saved up */

static uint64_t rate(const struct broker *b)
{
    bool busy = b->worked_us && b->now_us - b->worked_us < BUSY_US;
    return busy ? b->config.state_rate / STATE_BUSY_PART : b->config.state_rate;
}

static void earn(struct broker *b)
{
    uint64_t passed = b->now_us > b->credit_us ? b->now_us - b->credit_us : 0;
    b->credit_us = b->now_us;
    b->credit += (int64_t)((passed < 1000000 ? passed : 1000000) * rate(b) / 1000000);
    if (b->credit > (int64_t)BURST_MAX)
        b->credit = BURST_MAX;
}

static bool asks_wait(const struct broker *b)
{
    for (unsigned r = 0; r < ASKERS; r++)
        if (b->ask[r].count)
            return true;
    return false;
}

/* One question of the peer whose turn it is. */
static void hand_over(struct broker *b)
{
    while (b->ask[b->ask_turn].count == 0)
        b->ask_turn = (b->ask_turn + 1) % ASKERS;
    struct asks *asks = &b->ask[b->ask_turn];
    broker_give(b, KIND_EXECUTION, (struct slice){asks->frame[0], asks->len[0]}, false);
    asks->count--;
    memmove(asks->frame[0], asks->frame[1], asks->count * sizeof asks->frame[0]);
    memmove(&asks->len[0], &asks->len[1], asks->count * sizeof asks->len[0]);
    b->credit -= ASK_BYTES_MAX;
    b->ask_turn = (b->ask_turn + 1) % ASKERS;
}

void catch_up_serve(struct broker *b)
{
    earn(b);
    while (b->credit > 0 && asks_wait(b))
        hand_over(b);
    b->serve_at_us = asks_wait(b) ? b->now_us + 1000 + (uint64_t)-b->credit * 1000000 / rate(b) : UINT64_MAX;
}

/* A piece of state leaves. */
void catch_up_sent(struct broker *b, size_t len)
{
    earn(b);
    b->credit -= (int64_t)len;
    b->counters.state_bytes_served += len;
}

enum verdict catch_up_queue(struct broker *b, uint32_t asker, struct slice frame)
{
    struct asks *asks = &b->ask[asker];
    if (frame.len > ASK_BYTES_MAX)
        return VERDICT_MALFORMED;
    if (asks->count == ASKS_KEPT)
        return VERDICT_LIMIT; /* it asks again */
    memcpy(asks->frame[asks->count], frame.data, frame.len);
    asks->len[asks->count++] = (uint32_t)frame.len;
    return VERDICT_ACCEPT;
}

enum verdict broker_on_ask_state(struct broker *b, const struct frame *frame, uint32_t from)
{
    return catch_up_queue(b, from, frame->whole);
}
