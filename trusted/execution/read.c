/*
 * ASK-READ: an origin reads from the state that this E has executed, without an order. Nothing changes by it but a counter, and nothing of it
 * is kept: what one question costs is bounded as a bundle is.
 *
 * What one E says is worth nothing by itself; how many have to say the same is the origin's rule (origin/reads.h). It rests on two
 * things here. An answer is of one state, that after the last operation executed, which E's replies have not gone beyond; so an E that has vouched
 * for a write never answers as if it had not seen it. And versions come with results, so that equal answers are of one stretch
 * of the order in which nothing that was read changed, and not of two that look alike. As with ATTEST, an E that fetches state, or has
 * not executed the stable checkpoint, says nothing.
 */
#include "execution/execution.h"
#include "wire/reading.h"

/* The result lies behind the head that is written here, where the service put it, or elsewhere. */
static void result_put(const struct execution *e, struct writer *w, const struct touched *touched,
                       unsigned status, struct slice result)
{
    const uint32_t *cells;
    if (status > REDOUBT_CONFLICT || !result_may_be_kept(touched, status)) {
        result_head_put(w, RESULT_RETRY, RESULT_FULL, 0);
        return;
    }
    result_head_put(w, status, RESULT_FULL | RESULT_VERSION, result.len);
    if (result.data == w->data + w->len)
        CHECK(writer_take(w, result.len) != NULL || result.len == 0);
    else
        put_raw(w, result.data, result.len);
    uint32_t count = touched_cells(touched, &cells);
    put_u64(w, versions_highest(&e->versions, cells, count));
}

static void read_one(struct execution *e, const struct redoubt_op *op, struct writer *w)
{
    struct touched touched = {.known = false};
    struct redoubt_result result = {.data = w->data + w->len + 6, .capacity = OP_MAX, .bytes = 0};
    if (!results_have_room(w)) {
        result_head_put(w, RESULT_RETRY, RESULT_FULL, 0);
        return;
    }
    e->refused = false;
    enum redoubt_status status = e->service->read(e->service_state, op, &result);
    CHECK(result.bytes <= OP_MAX && !e->refused);
    if (status <= REDOUBT_CONFLICT)
        touched_by(&touched, e->service, op);
    touched.is_volatile = result.is_volatile;
    result_put(e, w, &touched, status, (struct slice){result.data, result.bytes});
}

/* By a service in another process: all of them at once. */
static void read_apart(struct execution *e, const struct redoubt_op *like, struct slice operations,
                       struct writer *w)
{
    const struct call_run run = {.mode = RUN_READ, .op = *like};
    struct writer raw = writer_to(e->scratch, REPLY_BODY_MAX);
    struct slice touched;
    e->config.apart->begin(e->service_state, &run, operations);
    CHECK(
        e->config.apart->finish(e->service_state, operations, &raw, &touched)); /* the first of a group is */
    struct reader r = reader_of(raw.data, raw.len), t = reader_of(touched.data, touched.len);
    while (reader_left(&r)) {
        struct touched touches;
        uint8_t status = get_u8(&r);
        (void)get_u8(&r);
        struct slice result = get_slice(&r);
        CHECK(touched_get(&t, &touches)); /* looked at when it came */
        result_put(e, w, &touches, status, result);
    }
    CHECK(!r.bad);
}

static void read_all(struct execution *e, origin_id origin, struct slice operations, struct writer *w)
{
    static const uint8_t no_seed[32]; /* what is drawn from it is volatile, and not answered */
    struct redoubt_op op = {.origin = origin, .slot = e->executed, .time_us = e->time_us, .seed = no_seed};
    bool allowed = e->configuration.origin[origin].access & (ACCESS_READ | ACCESS_WRITE);
    struct reader r = reader_of(operations.data, operations.len);
    if (allowed && e->config.apart) {
        read_apart(e, &op, operations, w);
        return;
    }
    for (; reader_left(&r); op.index++) {
        struct slice data = get_slice(&r);
        op.data = data.data;
        op.bytes = data.len;
        if (allowed)
            read_one(e, &op, w);
        else /* in its place in the order it is refused */
            result_head_put(w, RESULT_RETRY, RESULT_FULL, 0);
    }
}

static void emit(struct execution *e, origin_id origin, const struct ask_read *ask, struct slice question,
                 struct slice results, struct outbox *out)
{
    const struct origin_record *record = &e->origin[origin];
    struct read_answer answer = {.origin = origin,
                                 .epoch = record->epoch,
                                 .nonce = ask->nonce,
                                 .configuration = execution_attested_number(e),
                                 .counter = ++e->reply_counter};
    uint8_t body[96];
    struct writer w = writer_to(body, sizeof body);
    digest_of(&answer.question, READING_TAG, question.data, question.len);
    read_answer_put(&w, &answer);
    CHECK(!w.bad);
    size_t cap = FRAME_HEADER_BYTES + w.len + results.len + AEAD_TAG_BYTES;
    uint8_t *to = outbox_reserve(out, cap);
    size_t len = auth_encode_sealed(to, cap, FRAME_READ_ANSWER, &e->auth.self, &record->read_key,
                                    answer.counter, (struct slice){body, w.len}, results);
    CHECK(len == cap);
    outbox_commit(out, len);
}

static void answer(struct execution *e, origin_id origin, const struct ask_read *ask, struct slice question,
                   struct outbox *out)
{
    struct writer w = writer_to(e->results, REPLY_BODY_MAX);
    read_all(e, origin, question, &w);
    CHECK(!w.bad);
    struct slice results = {e->results, w.len};
    if (!ask->full)
        results = (struct slice){e->scratch, results_digest(results, e->scratch, REPLY_BODY_MAX)};
    emit(e, origin, ask, question, results, out);
}

enum verdict execution_on_ask_read(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct ask_read ask;
    struct slice question;
    enum verdict verdict = ask_read_check(frame, &ask);
    if (verdict == VERDICT_ACCEPT)
        verdict = execution_session_asks(e, frame, ask.replica);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    const struct secret_key *key = &e->origin[frame->sender.id].read_key;
    if (!auth_open_sealed(frame, key, ask.nonce, e->plaintext, &question))
        return VERDICT_BAD_MAC;
    if (!operations_parse(question))
        return VERDICT_MALFORMED;
    if (!execution_may_attest(e))
        return VERDICT_EARLY;
    answer(e, frame->sender.id, &ask, question, out);
    return VERDICT_ACCEPT;
}
