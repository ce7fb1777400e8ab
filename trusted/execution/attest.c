/*
 * ATTEST: what versions cells have, for an origin that keeps results and wants to know whether they still hold. From executed state
 * alone, so that it says no less than what this E has replied to: of 2f+1 that vouched for a write and 2f+1 that are asked later,
 * one is correct and has executed it.
 *
 * Nobody is told anything while state is fetched, nor before this E has *executed* the stable checkpoint: an E that came in by a
 * RECONFIG may know that the checkpoint at its activation slot is stable before its own state is that far, and the incarnation before it
 * has replied up to there.
 */
#include "execution/execution.h"
#include "wire/attestation.h"

bool execution_may_attest(const struct execution *e)
{
    return execution_counts(e) && !state_unusable(e) && e->executed >= exec_stable_slot(e);
}

enum verdict execution_session_asks(const struct execution *e, const struct frame *frame, replica_id asked)
{
    if (frame->sender.id >= e->configuration.origins)
        return VERDICT_UNKNOWN_SENDER;
    const struct origin_record *record = &e->origin[frame->sender.id];
    if (!record->open || record->epoch != frame->sender.epoch)
        return VERDICT_STALE;
    return asked == e->config.replica ? VERDICT_ACCEPT : VERDICT_UNEXPECTED;
}

/* The number that it counts for: that of replies, which the stable checkpoint names, or of the checkpoint that this E came to itself, if that
 * is higher. Nobody replies by a number before 2f+1 have signed a checkpoint that names it. Of these f+1 are correct, and must not be
 * counted any more by who has not heard of it: an incarnation that is replaced, its clone at the host, would make up for one of them. */
configuration_no execution_attested_number(const struct execution *e)
{
    configuration_no told = execution_told_number(e);
    configuration_no reached =
        configuration_number_at(&e->configuration, e->checkpoint_slot) + e->configuration.resumed;
    return reached > told ? reached : told;
}

static void emit(struct execution *e, origin_id origin, const struct ask_attest *ask, struct slice questions,
                 struct outbox *out)
{
    const struct origin_record *record = &e->origin[origin];
    struct reader r = reader_of(questions.data, questions.len);
    uint8_t versions[8 * QUESTIONS_MAX], body[64];
    struct writer v = writer_to(versions, sizeof versions), w = writer_to(body, sizeof body);
    uint32_t cells[REDOUBT_KEYS_MAX], count;
    while (question_next(&r, cells, &count))
        put_u64(&v, versions_highest(&e->versions, cells, count));
    attest_put(&w, &(struct attest){.origin = origin,
                                    .epoch = record->epoch,
                                    .nonce = ask->nonce,
                                    .configuration = execution_attested_number(e),
                                    .counter = ++e->reply_counter});
    CHECK(!v.bad && !w.bad);
    size_t cap = FRAME_HEADER_BYTES + w.len + v.len + AEAD_TAG_BYTES;
    uint8_t *to = outbox_reserve(out, cap);
    size_t len =
        auth_encode_sealed(to, cap, FRAME_ATTEST, &e->auth.self, &record->attest_key, e->reply_counter,
                           (struct slice){body, w.len}, (struct slice){versions, v.len});
    CHECK(len == cap);
    outbox_commit(out, len);
}

enum verdict execution_on_ask_attest(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct ask_attest ask;
    struct slice questions;
    enum verdict verdict = ask_attest_check(frame, &ask);
    if (verdict == VERDICT_ACCEPT)
        verdict = execution_session_asks(e, frame, ask.replica);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    const struct secret_key *key = &e->origin[frame->sender.id].attest_key;
    if (!auth_open_sealed(frame, key, ask.nonce, e->scratch, &questions))
        return VERDICT_BAD_MAC;
    verdict = questions_check(questions);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (e->configuration.certifies)
        return VERDICT_UNEXPECTED; /* that is for the Troxies: of f+1 that reply and f+1 that attest the one in common may lie */
    if (e->configuration.read_quorum == 0 || !execution_may_attest(e))
        return VERDICT_EARLY;
    emit(e, frame->sender.id, &ask, questions, out);
    return VERDICT_ACCEPT;
}
