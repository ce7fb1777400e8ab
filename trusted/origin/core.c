#include "origin/core.h"

#include <errno.h>

#include "base/check.h"
#include "ordering/mutant.h"
#include "ordering/versions.h"

#define RETRY_MAX_US       8000000u
#define SIGN_FIRST_BUNDLES 64u

static const char reason_deadline[] = "the deadline passed; it may yet be executed";
static const char reason_never_sent[] = "the deadline passed while it waited; it was never sent";
static const char reason_closed[] = "the client was closed; it may yet be executed";
static const char reason_closed_waiting[] = "the client was closed before it was sent";
static const char reason_stale[] = "the replicas no longer remember what became of it";
static const char reason_unreadable[] = "the replicas could not read its bundle; it was not executed";
const char client_asked_again[] = "the replicas want it in another bundle; it was not executed";
static const char reason_memory[] = "not executed, and no memory to send it again";

void client_core_options_init(struct client_core_options *options)
{
    *options = (struct client_core_options){
        .bundles_in_flight = 4,
        .bundle_ops_max = BUNDLE_OPS_MAX,
        .queue_max = 65536,
        .queue_max_bytes = 64u * 1024u * 1024u,
        .retry_us = 300000,
        .fetch_us = 10000,
    };
}

/* ------------------------------------------------------------------------------------------------ lifecycle */

static bool keys_make(struct client_core *core)
{
    const struct configuration *c = core->configuration;
    struct secret_key shared;
    if (!box_agree(&shared, &core->session, c->group_public))
        return false;
    key_derive(&core->content_key, &shared, "redoubt content", c->cluster.bytes, sizeof c->cluster.bytes);
    for (replica_id r = 0; r < c->replicas; r++) {
        const struct member_keys *member = &c->member[KIND_EXECUTION - KIND_HOST][r];
        core->reply_key_known[r] = member->present && box_agree(&shared, &core->session, member->box_public);
        if (!core->reply_key_known[r])
            continue;
        key_derive(&core->reply_key[r], &shared, "redoubt reply", c->cluster.bytes, sizeof c->cluster.bytes);
        key_derive(&core->attest_key[r], &shared, "redoubt attest", c->cluster.bytes,
                   sizeof c->cluster.bytes);
        key_derive(&core->read_key[r], &shared, "redoubt read", c->cluster.bytes, sizeof c->cluster.bytes);
    }
    for (replica_id r = 0; c->certifies && r < c->replicas; r++) {
        if (!box_agree(&shared, &core->auth.box, c->certifier[r]))
            return false;
        certifier_keys(&c->cluster, &shared, core->auth.self.epoch, &core->certify_key[r],
                       &core->floors_key[r]);
    }
    crypto_wipe(&shared, sizeof shared);
    return true;
}

static bool options_possible(const struct client_core_options *o)
{
    return o->bundles_in_flight >= 1 && o->bundles_in_flight <= BUNDLE_WINDOW && o->bundle_ops_max >= 1 &&
           o->bundle_ops_max <= BUNDLE_OPS_MAX && o->retry_us > 0 && o->fetch_us > 0;
}

bool client_core_init(struct client_core *core, const struct client_core_config *config)
{
    memset(core, 0, sizeof *core);
    CHECK(options_possible(&config->options));
    if (config->origin >= config->configuration->origins ||
        !config->configuration->origin[config->origin].present)
        return false;
    core->configuration = config->configuration;
    core->memory = config->memory;
    core->wire = config->wire;
    core->options = config->options;
    core->learn = config->learn;
    core->learner = config->learner;
    core->oldest = core->next = 1;
    struct sender self = {.kind = KIND_ORIGIN, .id = config->origin, .epoch = config->epoch};
    auth_init_with_keys(&core->auth, self, config->sign, config->box);
    auth_start(&core->auth, config->configuration);
    if (config->session)
        core->session = *config->session;
    else
        box_keypair(&core->session);
    client_queue_init(&core->queue, core->memory, config->options.bundle_ops_max);
    return keys_make(core);
}

static struct client_flight *flight_new(struct client_core *core)
{
    struct client_flight *flight = core->spare;
    core->spare = NULL;
    if (!flight)
        flight = memory_take(&core->memory, sizeof *flight);
    if (flight)
        memset(flight, 0, sizeof *flight);
    return flight;
}

/* Takes a flight out of the table; it is the caller's then. */
static void flight_land(struct client_core *core, struct client_flight *flight)
{
    core->flight[flight->bundle_no % BUNDLE_WINDOW] = NULL;
    core->flights--;
    while (core->oldest < core->next && !core->flight[core->oldest % BUNDLE_WINDOW])
        core->oldest++;
}

static void flight_free(struct client_core *core, struct client_flight *flight)
{
    client_votes_clear(&flight->votes, &core->memory);
    client_queue_recycle(&core->queue, flight->chunk);
    if (core->spare)
        memory_give(&core->memory, flight, sizeof *flight);
    else
        core->spare = flight;
}

void client_core_deinit(struct client_core *core)
{
    for (uint32_t i = 0; i < BUNDLE_WINDOW; i++)
        if (core->flight[i])
            flight_free(core, core->flight[i]);
    memory_give(&core->memory, core->spare, sizeof *core->spare);
    memory_give(&core->memory, core->followed, sizeof *core->followed);
    client_queue_deinit(&core->queue);
    client_bytes_free(&core->opened, &core->memory);
    client_bytes_free(&core->scratch, &core->memory);
    crypto_wipe(core, sizeof *core);
}

/* ------------------------------------------------------------------------------------------------ outcomes */

static void op_end(struct client_chunk *chunk, struct client_op *op, const struct redoubt_outcome *outcome)
{
    op->over = true;
    chunk->left--;
    if (op->done)
        op->done(op->context, outcome);
}

static uint64_t latency(const struct client_op *op, uint64_t now_us)
{
    return now_us > op->submitted_us ? now_us - op->submitted_us : 0;
}

static void op_fail(struct client_chunk *chunk, struct client_op *op, enum redoubt_outcome_kind kind,
                    const char *reason, uint64_t now_us)
{
    struct redoubt_outcome outcome = {.kind = kind, .reason = reason, .latency_us = latency(op, now_us)};
    op_end(chunk, op, &outcome);
}

/* Ends the operations whose deadline is not after `until_us`. */
static void chunk_expire(struct client_chunk *chunk, uint64_t until_us, enum redoubt_outcome_kind kind,
                         const char *reason, uint64_t now_us)
{
    if (chunk->deadline_us > until_us)
        return;
    chunk->deadline_us = UINT64_MAX;
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct client_op *op = &chunk->ops[i];
        if (op->over)
            continue;
        if (op->deadline_us <= until_us)
            op_fail(chunk, op, kind, reason, now_us);
        else if (op->deadline_us < chunk->deadline_us)
            chunk->deadline_us = op->deadline_us;
    }
}

static void chunk_end(struct client_chunk *chunk, enum redoubt_outcome_kind kind, const char *reason,
                      uint64_t now_us)
{
    for (uint32_t i = 0; i < chunk->count; i++)
        if (!chunk->ops[i].over)
            op_fail(chunk, &chunk->ops[i], kind, reason, now_us);
}

/* Not executed, and known never to be in that bundle: it waits again. */
static void op_again(struct client_core *core, struct client_flight *flight, struct client_op *op,
                     bool *opened, uint64_t now_us)
{
    if (core->options.hand_back) {
        op_fail(flight->chunk, op, REDOUBT_REJECTED, client_asked_again, now_us);
        return;
    }
    if (!*opened) {
        client_flight_open(flight, &core->auth, &core->content_key);
        client_queue_part(&core->queue); /* what was in one bundle, in its order, stays in one */
    }
    *opened = true;
    if (!core->closed && client_queue_add(&core->queue, op, flight->chunk->data.data + op->at + 4, op->len)) {
        core->counters.retried_operations++;
        op->over = true;
        flight->chunk->left--;
        return;
    }
    op_fail(flight->chunk, op, REDOUBT_REJECTED, reason_memory, now_us);
}

/* What was answered before a resume, or to an earlier holder of a number, may lie above what the replicas of now have executed again;
 * a bundle that was sent under the present number is ordered behind all of that. */
static void op_learn(const struct client_core *core, const struct client_flight *flight,
                     const struct client_op *op, const struct client_result *result, version_no version)
{
    bool fresh = flight->number == core->configuration->number || mutant(MUTANT_LEARNED_OVER_NUMBERS);
    if (core->learn && result->form == RESULT_VERSION && fresh)
        core->learn(core->learner, op->context, (enum redoubt_status)result->status, version, result->bytes);
}

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The flight left the table: callbacks may submit meanwhile. */
static void flight_deliver(struct client_core *core, struct client_flight *flight,
                           const struct client_ballot *ballot, uint32_t index, uint64_t now_us)
{
    struct slice results = client_ballot_results(ballot);
    struct reader reader = reader_of(results.data, results.len);
    struct client_chunk *chunk = flight->chunk;
    bool opened = false;
    core->session_open = true;
    core->session_number = later(core->session_number, flight->number);
    for (uint32_t i = 0; i < chunk->count; i++) {
        struct client_op *op = &chunk->ops[i];
        struct client_result result;
        bool ok = client_result_next(&reader, &result);
        CHECK(ok); /* it was checked when it was counted */
        if (op->over)
            continue;
        if (result.status == RESULT_RETRY) {
            op_again(core, flight, op, &opened, now_us);
            continue;
        }
        struct redoubt_outcome outcome = {
            .kind = REDOUBT_COMMITTED,
            .status = (enum redoubt_status)result.status,
            .result = result.bytes.data,
            .result_bytes = result.bytes.len,
            .slot = ballot->slot,
            .latency_us = latency(op, now_us),
        };
        /* Certified replies show at which place it was read. */
        op_learn(core, flight, op, &result,
                 core->configuration->certifies ? version_of(ballot->slot, index * BUNDLE_OPS_MAX + i)
                                                : result.version);
        op_end(chunk, op, &outcome);
    }
}

/* A seeded bug: what the first complete answer says is kept, voted for or not. */
static void learn_unvoted(const struct client_core *core, const struct client_flight *flight)
{
    const struct client_ballot *ballot = flight->votes.ballots;
    if (!mutant(MUTANT_KEPT_WITHOUT_VOTE) || ballot->outcome != REPLY_EXECUTED || !ballot->complete)
        return;
    struct slice results = client_ballot_results(ballot);
    struct reader reader = reader_of(results.data, results.len);
    struct client_result result;
    for (uint32_t i = 0; i < flight->chunk->count && client_result_next(&reader, &result); i++)
        if (!flight->chunk->ops[i].over)
            op_learn(core, flight, &flight->chunk->ops[i], &result, result.version);
}

/* ------------------------------------------------------------------------------------------------ sending */

static void wire_send(struct client_core *core, replica_id replica, const struct slice *parts, unsigned count)
{
    core->wire.send(core->wire.context, replica, parts, count);
}

static void flight_send_signed(struct client_core *core, struct client_flight *flight, replica_id replica)
{
    uint8_t head[FLIGHT_HEAD_MAX];
    struct slice parts[2];
    if (client_flight_parts_signed(flight, &core->auth, head, parts))
        core->counters.signed_bundles++;
    flight->went_signed |= replica == CLIENT_TO_ALL;
    wire_send(core, replica, parts, 2);
}

static void flight_send(struct client_core *core, struct client_flight *flight, replica_id replica)
{
    struct slice parts[2];
    if (flight->went_signed) {
        flight_send_signed(core, flight, replica);
        return;
    }
    client_flight_parts(flight, parts);
    wire_send(core, replica, parts, 2);
}

static bool may_fly(const struct client_core *core)
{
    /* E remembers BUNDLE_WINDOW bundles of us: one that is under way must not fall below. */
    return core->flights < core->options.bundles_in_flight && core->next - core->oldest < BUNDLE_WINDOW;
}

/* Hybster orders signed bundles only. */
static bool signs_first(const struct client_core *core)
{
    return core->sign_first || core->configuration->protocol == PROTOCOL_HYBSTER;
}

void client_core_flush(struct client_core *core, uint64_t now_us)
{
    while (!core->closed && core->queue.head && may_fly(core)) {
        struct client_flight *flight = flight_new(core);
        if (!flight)
            return; /* there will be memory when others have landed */
        flight->chunk = client_queue_take(&core->queue);
        if (!flight->chunk) {
            core->spare = flight;
            return;
        }
        flight->bundle_no = core->next++;
        flight->sent_us = now_us;
        flight->retry_after_us = core->options.retry_us;
        flight->retry_us = now_us + flight->retry_after_us;
        flight->fetch_us = UINT64_MAX;
        core->flight[flight->bundle_no % BUNDLE_WINDOW] = flight;
        core->flights++;
        core->counters.bundles++;
        flight->number = core->configuration->number;
        client_flight_seal(flight, &core->auth, &core->content_key, core->session.public,
                           (core->options.alone ? BUNDLE_ALONE : 0u) |
                               (core->options.versions ? BUNDLE_VERSIONS : 0u));
        if (signs_first(core)) {
            core->sign_first -= core->sign_first > 0;
            flight_send_signed(core, flight, CLIENT_TO_ALL);
        } else {
            flight_send(core, flight, CLIENT_TO_ALL);
        }
    }
}

int client_core_submit(struct client_core *core, const void *data, size_t len, uint64_t deadline_us,
                       redoubt_done done, void *context, uint64_t now_us)
{
    if (core->closed)
        return -ECANCELED;
    if (len > OP_MAX)
        return -EMSGSIZE;
    if (core->queue.ops >= core->options.queue_max || core->queue.bytes + len > core->options.queue_max_bytes)
        return -EAGAIN;
    struct client_op op = {
        .done = done, .context = context, .deadline_us = deadline_us, .submitted_us = now_us};
    return client_queue_add(&core->queue, &op, data, len) ? 0 : -EAGAIN;
}

bool client_core_joins(const struct client_core *core, size_t len)
{
    return client_queue_joins(&core->queue, len);
}

/* A FETCH-REPLY to the next of those who hold the winning ballot; from the second time on to all of them. */
static void flight_fetch(struct client_core *core, struct client_flight *flight,
                         const struct client_ballot *winner, uint64_t now_us)
{
    uint8_t body[8];
    uint8_t frame[FRAME_HEADER_BYTES + sizeof body];
    struct fetch_reply fetch = {.bundle_no = flight->bundle_no};
    struct writer w = writer_to(body, sizeof body);
    fetch_reply_put(&w, &fetch);
    size_t len =
        frame_encode(frame, sizeof frame, FRAME_FETCH_REPLY, &core->auth.self, AUTH_NONE,
                     (struct slice){body, sizeof body}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    CHECK(len == sizeof frame);
    struct slice part = {frame, len};
    uint32_t n = core->configuration->replicas;
    for (uint32_t i = 0; i < n; i++) {
        replica_id r = (replica_id)((flight->bundle_no + i) % n);
        if (!(winner->voters & 1u << r))
            continue;
        wire_send(core, r, &part, 1);
        if (flight->fetches == 0)
            break;
    }
    if (flight->fetches == 0)
        core->counters.fetched_results++;
    uint64_t wait = core->options.fetch_us << (flight->fetches < 8 ? flight->fetches : 8);
    flight->fetches++;
    flight->fetch_us = now_us + wait;
}

/* ------------------------------------------------------------------------------------------------ replies */

/* Who sends full results. */
static replica_id full_replier(const struct client_core *core, const struct client_flight *flight)
{
    return (replica_id)(flight->pick % core->configuration->replicas);
}

static void count_minority(struct client_core *core, const struct client_flight *flight,
                           const struct client_ballot *winner)
{
    for (const struct client_ballot *b = flight->votes.ballots; b; b = b->next)
        if (b != winner && b->outcome != REPLY_STALE)
            core->counters.conflicting_replies += (uint64_t)__builtin_popcount(b->voters);
}

static uint32_t write_quorum(const struct client_core *core)
{
    bool short_by_one = mutant(MUTANT_REPLY_QUORUM_ONE_SHORT) || mutant(MUTANT_WRITE_QUORUM_ONE_SHORT);
    return core->configuration->write_quorum - (short_by_one ? 1 : 0);
}

/* What the vote came to, if it is over. */
static struct client_ballot *flight_winner(const struct client_core *core, const struct client_flight *flight,
                                           uint32_t *index)
{
    *index = 0;
    return core->configuration->certifies && !mutant(MUTANT_REPLIES_UNCERTIFIED)
               ? client_votes_certified(&flight->votes, write_quorum(core), index)
               : client_votes_winner(&flight->votes, write_quorum(core));
}

static void flight_decide(struct client_core *core, struct client_flight *flight, uint64_t now_us)
{
    uint32_t index;
    struct client_ballot *winner = flight_winner(core, flight, &index);
    if (!winner) {
        learn_unvoted(core, flight);
        return;
    }
    replica_id full = full_replier(core, flight);
    if (winner->outcome == REPLY_EXECUTED && !winner->complete) {
        if (flight->fetch_us != UINT64_MAX)
            return;
        /* Whoever let us wait last time, or has shown that it will not be the one, is not waited for. */
        if (core->slow_results[full] || flight->votes.of[full])
            flight_fetch(core, flight, winner, now_us);
        else /* over long distances replies lie further apart */
            flight->fetch_us = now_us + later(core->options.fetch_us, (now_us - flight->sent_us) / 2);
        return;
    }
    count_minority(core, flight, winner);
    flight_land(core, flight);
    if (winner->outcome == REPLY_EXECUTED)
        flight_deliver(core, flight, winner, index, now_us);
    else if (winner->outcome == REPLY_UNREADABLE)
        chunk_end(flight->chunk, REDOUBT_REJECTED, reason_unreadable, now_us);
    else
        chunk_end(flight->chunk, REDOUBT_UNKNOWN, reason_stale, now_us);
    flight_free(core, flight);
}

static struct client_flight *flight_of(const struct client_core *core, uint64_t bundle_no)
{
    struct client_flight *flight = core->flight[bundle_no % BUNDLE_WINDOW];
    return flight && flight->bundle_no == bundle_no ? flight : NULL;
}

/* Decrypts a reply into `opened`. */
static bool reply_open(struct client_core *core, const struct frame *frame, const struct reply *reply)
{
    uint8_t ad[13 + 64];
    uint8_t nonce[AEAD_NONCE_BYTES];
    struct writer w = writer_to(ad, sizeof ad);
    put_u8(&w, (uint8_t)frame->sender.kind);
    put_u32(&w, frame->sender.id);
    put_u64(&w, frame->sender.epoch);
    put_raw(&w, frame->body.data, frame->body.len);
    reply_nonce(nonce, reply->nonce);
    if (w.bad || frame->attachment.len < AEAD_TAG_BYTES ||
        !client_bytes_reserve(&core->opened, &core->memory, frame->attachment.len))
        return false;
    core->opened.len = frame->attachment.len - AEAD_TAG_BYTES;
    return aead_open(core->opened.data, &core->reply_key[frame->sender.id], nonce, ad, w.len,
                     frame->attachment.data, frame->attachment.len);
}

static enum verdict reply_count(struct client_core *core, struct client_flight *flight, replica_id from,
                                const struct reply *reply, uint64_t now_us)
{
    enum client_vote vote = client_votes_add(&flight->votes, &core->memory, from, reply, flight->chunk->count,
                                             &core->opened, &core->scratch);
    switch (vote) {
    case VOTE_MALFORMED:
        core->counters.bad_replies++;
        return VERDICT_MALFORMED;
    case VOTE_NO_MEMORY:
        return VERDICT_LIMIT;
    case VOTE_CHANGED:
        core->counters.conflicting_replies++;
        break;
    case VOTE_COUNTED:
        core->counters.replies++;
        break;
    case VOTE_REPEATED:
        break;
    }
    if (from == full_replier(core, flight))
        core->slow_results[from] = false;
    flight_decide(core, flight, now_us);
    return vote == VOTE_COUNTED   ? VERDICT_ACCEPT
           : vote == VOTE_CHANGED ? VERDICT_EQUIVOCATION
                                  : VERDICT_DUPLICATE;
}

/* Bounded: a liar makes us ask it once per retransmission interval. */
void client_core_ask_configuration(struct client_core *core, replica_id replica, uint64_t now_us)
{
    uint8_t body[8], bytes[FRAME_HEADER_BYTES + 8];
    struct writer w = writer_to(body, sizeof body);
    uint64_t *asked_us = &core->configuration_asked_us[replica];
    if (*asked_us && now_us - *asked_us < core->options.retry_us)
        return;
    *asked_us = now_us;
    ask_chain_put(&w, &(struct ask_chain){.number = core->configuration->number});
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_ASK_CONFIGURATION, &core->auth.self, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, (struct slice){NULL, 0});
    wire_send(core, replica, &(struct slice){bytes, len}, 1);
}

static enum verdict on_reply(struct client_core *core, replica_id from, const struct frame *frame,
                             uint64_t now_us)
{
    struct reply reply;
    enum verdict verdict = reply_check(frame, &reply);
    /* Of a number that is not held: from nobody who could be counted. What it says is learned from certificates alone. */
    if (verdict == VERDICT_ACCEPT && reply.configuration > core->configuration->number) {
        core->counters.newer_configuration++;
        client_core_ask_configuration(core, from, now_us);
        return VERDICT_EARLY;
    }
    if (verdict == VERDICT_ACCEPT && (!configuration_member(core->configuration, &frame->sender) ||
                                      !core->reply_key_known[frame->sender.id]))
        verdict = VERDICT_UNKNOWN_SENDER;
    if (verdict == VERDICT_ACCEPT &&
        (reply.origin != core->auth.self.id || reply.epoch != core->auth.self.epoch))
        verdict = VERDICT_STALE; /* of an earlier holder of this key: no lie, and no use */
    if (verdict == VERDICT_STALE)
        return verdict;
    if (verdict != VERDICT_ACCEPT) {
        core->counters.bad_replies++;
        return verdict;
    }
    struct client_flight *flight = flight_of(core, reply.bundle_no);
    if (!flight)
        return reply.bundle_no < core->next ? VERDICT_STALE : VERDICT_UNEXPECTED;
    if (!reply_open(core, frame, &reply)) {
        core->counters.bad_replies++;
        return VERDICT_BAD_MAC;
    }
    if (reply.configuration < core->configuration->number) {
        core->counters.bad_replies++;
        return VERDICT_STALE;
    }
    return reply_count(core, flight, frame->sender.id, &reply, now_us);
}

/* A Troxy vouches for what led to a bundle of ours. It may come before the reply that it goes with. */
static enum verdict on_certified(struct client_core *core, const struct frame *frame, uint64_t now_us)
{
    struct certified c;
    struct slice nothing;
    uint8_t room[AEAD_TAG_BYTES];
    enum verdict verdict = certified_check(frame, &c);
    if (verdict == VERDICT_ACCEPT && (!core->configuration->certifies || frame->sender.epoch != 0 ||
                                      frame->sender.id >= core->configuration->replicas))
        verdict = VERDICT_UNKNOWN_SENDER;
    if (verdict == VERDICT_ACCEPT && (c.origin != core->auth.self.id || c.epoch != core->auth.self.epoch))
        return VERDICT_STALE;
    if (verdict == VERDICT_ACCEPT && (frame->attachment.len != AEAD_TAG_BYTES || c.counter == 0))
        verdict = VERDICT_MALFORMED;
    if (verdict == VERDICT_ACCEPT &&
        !auth_open_sealed(frame, &core->certify_key[frame->sender.id], c.counter, room, &nothing))
        verdict = VERDICT_BAD_MAC;
    if (verdict != VERDICT_ACCEPT) {
        core->counters.bad_replies++;
        return verdict;
    }
    struct client_flight *flight = flight_of(core, c.bundle_no);
    if (mutant(MUTANT_CERTIFICATE_OF_ANOTHER) && core->flights)
        flight = core->flight[core->oldest % BUNDLE_WINDOW];
    if (!flight)
        return c.bundle_no < core->next ? VERDICT_STALE : VERDICT_UNEXPECTED;
    struct client_certificate *known = &flight->votes.certificate[frame->sender.id];
    if (c.counter <= known->counter)
        return VERDICT_DUPLICATE;
    *known =
        (struct client_certificate){.counter = c.counter, .slot = c.slot, .index = c.index, .head = c.head};
    flight_decide(core, flight, now_us);
    return VERDICT_ACCEPT;
}

/* Unauthenticated, so it costs at most one signature per bundle and one frame per bundle and host. */
static enum verdict on_sign_wanted(struct client_core *core, replica_id replica, const struct frame *frame)
{
    struct sign_wanted wanted;
    if (!sign_wanted_decode(frame->body, &wanted))
        return VERDICT_MALFORMED;
    if (wanted.origin != core->auth.self.id)
        return VERDICT_UNEXPECTED;
    struct client_flight *flight = flight_of(core, wanted.bundle_no);
    if (!flight)
        return VERDICT_STALE;
    if (flight->asked & 1u << replica)
        return VERDICT_DUPLICATE;
    flight->asked |= 1u << replica;
    flight_send_signed(core, flight, replica);
    /* One correct host among them: our bundles are wanted signed there, and asking each time takes longer. */
    if ((uint32_t)__builtin_popcount(flight->asked) >= quorum_one_correct(core->configuration))
        core->sign_first = SIGN_FIRST_BUNDLES;
    return VERDICT_ACCEPT;
}

static void send_again(struct client_core *core)
{
    memset(core->configuration_asked_us, 0, sizeof core->configuration_asked_us);
    for (uint64_t no = core->oldest; no < core->next; no++)
        if (flight_of(core, no))
            flight_send(core, flight_of(core, no), CLIENT_TO_ALL);
}

/* Walks on along the chain, in a copy: the caller's may be shared. What is under way goes out again, for who voted may not count
 * any more. */
static enum verdict on_configuration(struct client_core *core, const struct frame *frame)
{
    if (!core->followed) {
        core->followed = memory_take(&core->memory, sizeof *core->followed);
        if (!core->followed)
            return VERDICT_LIMIT;
        *core->followed = *core->configuration;
    }
    enum verdict verdict = configuration_follow(core->followed, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (!client_core_on_configuration(core, core->followed))
        return VERDICT_MISMATCH;
    send_again(core);
    return VERDICT_ACCEPT;
}

/* A later START of the same cluster, which this client is still in. The administrator signed it; sessions go on under it. */
static bool start_follows(const struct client_core *core, const struct configuration *next)
{
    const struct configuration *held = core->configuration;
    const struct origin_keys *mine = &next->origin[core->auth.self.id];
    return next->resumed > held->resumed && next->number >= held->number &&
           memcmp(next->cluster.bytes, held->cluster.bytes, sizeof held->cluster.bytes) == 0 &&
           memcmp(next->group_public, held->group_public, 32) == 0 && mine->present &&
           memcmp(mine->sign_public, core->auth.sign.public, 32) == 0 &&
           memcmp(mine->box_public, core->auth.box.public, 32) == 0;
}

/* All started again, perhaps as more or fewer: every key is another one. */
static enum verdict on_start(struct client_core *core, replica_id replica, const struct frame *frame)
{
    if (!core->configuration_asked_us[replica])
        return VERDICT_UNEXPECTED; /* each look costs memory and a signature */
    struct configuration *next = memory_take(&core->memory, sizeof *next);
    if (!next)
        return VERDICT_LIMIT;
    enum verdict verdict = configuration_load(next, frame, core->configuration->admin_public);
    if (verdict == VERDICT_ACCEPT && !start_follows(core, next))
        verdict = VERDICT_STALE;
    if (verdict != VERDICT_ACCEPT) {
        memory_give(&core->memory, next, sizeof *next);
        return verdict;
    }
    struct configuration *before = core->followed;
    core->followed = next;
    bool taken = client_core_on_configuration(core, next);
    memory_give(&core->memory, before, sizeof *before);
    if (!taken)
        return VERDICT_MISMATCH;
    send_again(core);
    return VERDICT_ACCEPT;
}

enum verdict client_core_on_frame(struct client_core *core, replica_id replica, const uint8_t *data,
                                  size_t len, uint64_t now_us)
{
    struct frame frame;
    if (core->closed)
        return VERDICT_UNEXPECTED;
    if (!frame_decode(data, len, &frame) || replica >= core->configuration->replicas) {
        core->counters.bad_replies++;
        return VERDICT_MALFORMED;
    }
    if (frame.type == FRAME_REPLY)
        return on_reply(core, replica, &frame, now_us);
    if (frame.type == FRAME_CERTIFIED)
        return on_certified(core, &frame, now_us);
    if (frame.type == FRAME_CONFIGURATION)
        return on_configuration(core, &frame);
    if (frame.type == FRAME_START)
        return on_start(core, replica, &frame);
    if (frame.type == FRAME_SIGN_WANTED)
        return on_sign_wanted(core, replica, &frame);
    return VERDICT_UNEXPECTED;
}

void client_core_on_connected(struct client_core *core, replica_id replica, uint64_t now_us)
{
    (void)now_us;
    for (uint64_t no = core->oldest; no < core->next; no++) {
        struct client_flight *flight = flight_of(core, no);
        if (flight)
            flight_send(core, flight, replica);
    }
}

bool client_core_on_configuration(struct client_core *core, const struct configuration *configuration)
{
    if (configuration->number < core->configuration->number ||
        memcmp(configuration->cluster.bytes, core->configuration->cluster.bytes,
               sizeof configuration->cluster.bytes) != 0)
        return false;
    core->configuration = configuration;
    auth_start(&core->auth, configuration);
    for (uint64_t no = core->oldest; no < core->next; no++)
        if (flight_of(core, no)) {
            client_votes_clear(&flight_of(core, no)->votes, &core->memory);
            flight_of(core, no)->fetch_us = UINT64_MAX;
        }
    return keys_make(core);
}

/* ------------------------------------------------------------------------------------------------ time */

static void flight_on_timer(struct client_core *core, struct client_flight *flight, uint64_t now_us)
{
    chunk_expire(flight->chunk, now_us, REDOUBT_UNKNOWN, reason_deadline, now_us);
    if (flight->chunk->left == 0) {
        flight_land(core, flight);
        flight_free(core, flight);
        return;
    }
    if (flight->fetch_us <= now_us) {
        uint32_t index;
        struct client_ballot *winner = flight_winner(core, flight, &index);
        replica_id full = full_replier(core, flight);
        if (!flight->votes.of[full])
            core->slow_results[full] = true;
        flight->fetch_us = UINT64_MAX; /* a voter may have changed its mind since */
        if (winner)
            flight_fetch(core, flight, winner, now_us);
    }
    if (flight->retry_us <= now_us) {
        flight_send_signed(core, flight, CLIENT_TO_ALL);
        core->counters.retransmissions++;
        flight->retry_after_us =
            flight->retry_after_us < RETRY_MAX_US / 2 ? 2 * flight->retry_after_us : RETRY_MAX_US;
        flight->retry_us = now_us + flight->retry_after_us;
    }
}

static void queue_on_timer(struct client_core *core, uint64_t now_us)
{
    struct client_queue *queue = &core->queue;
    if (queue->deadline_us > now_us)
        return;
    /* A callback may submit, which lowers this again. */
    queue->deadline_us = UINT64_MAX;
    uint64_t deadline_us = UINT64_MAX;
    for (struct client_chunk *chunk = queue->head; chunk; chunk = chunk->next) {
        chunk_expire(chunk, now_us, REDOUBT_REJECTED, reason_never_sent, now_us);
        deadline_us = chunk->deadline_us < deadline_us ? chunk->deadline_us : deadline_us;
    }
    if (deadline_us < queue->deadline_us)
        queue->deadline_us = deadline_us;
}

void client_core_on_timer(struct client_core *core, uint64_t now_us)
{
    uint64_t end = core->next;
    for (uint64_t no = core->oldest; no < end; no++) {
        struct client_flight *flight = flight_of(core, no);
        if (flight)
            flight_on_timer(core, flight, now_us);
    }
    queue_on_timer(core, now_us);
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t client_core_next_timer(const struct client_core *core)
{
    uint64_t at = core->queue.deadline_us;
    for (uint64_t no = core->oldest; no < core->next; no++) {
        const struct client_flight *flight = flight_of(core, no);
        if (flight)
            at =
                earlier(at, earlier(flight->chunk->deadline_us, earlier(flight->retry_us, flight->fetch_us)));
    }
    return at;
}

void client_core_close(struct client_core *core, uint64_t now_us)
{
    core->closed = true;
    for (uint64_t no = core->oldest; no < core->next; no++) {
        struct client_flight *flight = flight_of(core, no);
        if (!flight)
            continue;
        core->flight[no % BUNDLE_WINDOW] = NULL;
        core->flights--;
        chunk_end(flight->chunk, REDOUBT_UNKNOWN, reason_closed, now_us);
        flight_free(core, flight);
    }
    core->oldest = core->next;
    for (struct client_chunk *chunk; (chunk = client_queue_take(&core->queue)) != NULL;) {
        chunk_end(chunk, REDOUBT_REJECTED, reason_closed_waiting, now_us);
        client_queue_recycle(&core->queue, chunk);
    }
}

/* ------------------------------------------------------------------------------------------------ invariants */

static void chunk_validate(const struct client_chunk *chunk, const struct client_core *core)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < chunk->count; i++) {
        left += !chunk->ops[i].over;
        CHECK(chunk->ops[i].over || chunk->ops[i].deadline_us >= chunk->deadline_us);
        CHECK((size_t)chunk->ops[i].at + 4 + chunk->ops[i].len <= chunk->data.len);
    }
    CHECK(left == chunk->left && chunk->count <= core->options.bundle_ops_max);
    CHECK(chunk->data.len <= BUNDLE_BODY_MAX && chunk->data.len <= chunk->data.cap);
}

static void votes_validate(const struct client_votes *votes, uint32_t replicas)
{
    uint32_t seen = 0;
    uint32_t ballots = 0;
    for (const struct client_ballot *b = votes->ballots; b; b = b->next, ballots++) {
        CHECK(b->voters != 0 && (seen & b->voters) == 0 && b->voters >> replicas == 0);
        seen |= b->voters;
        for (replica_id r = 0; r < replicas; r++)
            CHECK((votes->of[r] == b) == ((b->voters >> r & 1) != 0));
    }
    CHECK(ballots <= replicas);
}

void client_core_validate(const struct client_core *core)
{
    uint32_t flights = 0;
    size_t ops = 0;
    CHECK(!core->options.versions == !core->learn);
    CHECK(core->oldest <= core->next && core->next - core->oldest <= BUNDLE_WINDOW);
    for (uint32_t i = 0; i < BUNDLE_WINDOW; i++) {
        const struct client_flight *flight = core->flight[i];
        if (!flight)
            continue;
        flights++;
        CHECK(flight->bundle_no % BUNDLE_WINDOW == i);
        CHECK(flight->bundle_no >= core->oldest && flight->bundle_no < core->next);
        CHECK(flight->chunk->count > 0 && flight->chunk->left > 0);
        chunk_validate(flight->chunk, core);
        votes_validate(&flight->votes, core->configuration->replicas);
    }
    CHECK(flights == core->flights && flights <= core->options.bundles_in_flight);
    for (const struct client_chunk *chunk = core->queue.head; chunk; chunk = chunk->next) {
        ops += chunk->count;
        chunk_validate(chunk, core);
        CHECK(chunk->deadline_us >= core->queue.deadline_us);
        CHECK(chunk->next || chunk == core->queue.tail);
    }
    CHECK(ops == core->queue.ops);
}
