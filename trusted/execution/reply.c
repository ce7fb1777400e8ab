/*
 * REPLY: one AEAD per bundle and origin. One replica sends results in full, the others digests of the long ones; short
 * ones always go in full.
 */
#include "execution/execution.h"

size_t results_digest(struct slice results, uint8_t *to, size_t cap)
{
    struct reader r = reader_of(results.data, results.len);
    struct writer w = writer_to(to, cap);
    while (reader_left(&r)) {
        uint8_t status = get_u8(&r), form = get_u8(&r);
        struct slice result = get_slice(&r);
        struct digest digest;
        if (result.len > RESULT_SHORT) {
            digest_of(&digest, RESULT_TAG, result.data, result.len);
            form |= RESULT_DIGEST;
            result = (struct slice){digest.bytes, sizeof digest.bytes};
        }
        put_u8(&w, status);
        put_u8(&w, form);
        put_slice(&w, result);
        if (form & RESULT_VERSION)
            put_u64(&w, get_u64(&r));
    }
    CHECK(!r.bad && !w.bad);
    return w.len;
}

configuration_no execution_told_number(const struct execution *e)
{
    return (exec_stable_slot(e) ? e->stable.certificate.number
                                : configuration_number_at(&e->configuration, 0)) +
           e->configuration.resumed;
}

static void emit(struct execution *e, origin_id origin, uint64_t bundle_no, enum reply_outcome outcome,
                 slot_no slot, struct slice results, struct outbox *out)
{
    const struct origin_record *record = &e->origin[origin];
    struct reply reply = {
        .origin = origin,
        .epoch = record->epoch,
        .bundle_no = bundle_no,
        .configuration = execution_told_number(e),
        .view = 0,
        .slot = slot,
        .nonce = ++e->reply_counter,
        .outcome = (uint8_t)outcome,
    };
    uint8_t ad[13 + 64], nonce[12];
    struct writer a = writer_to(ad, sizeof ad);
    put_u8(&a, (uint8_t)e->auth.self.kind);
    put_u32(&a, e->auth.self.id);
    put_u64(&a, e->auth.self.epoch);
    size_t body_at = a.len;
    reply_put(&a, &reply);
    CHECK(!a.bad);
    reply_nonce(nonce, reply.nonce);
    /* Encrypted straight into the outbox. */
    size_t max = FRAME_HEADER_BYTES + (a.len - body_at) + results.len + AEAD_TAG_BYTES;
    uint8_t *to = outbox_reserve(out, max);
    uint8_t *sealed = to + max - results.len - AEAD_TAG_BYTES;
    aead_seal(sealed, &record->reply_key, nonce, ad, a.len, results.data, results.len);
    struct slice attachment = {sealed, results.len + AEAD_TAG_BYTES};
    struct slice body = {ad + body_at, a.len - body_at};
    struct frame frame = {.type = FRAME_REPLY, .sender = e->auth.self, .body = body};
    CHECK(frame_head(to, max - attachment.len, &frame, attachment.len) == max - attachment.len);
    outbox_commit(out, max);
}

void reply_emit(struct execution *e, origin_id origin, uint64_t bundle_no, bool in_full, struct outbox *out)
{
    const struct kept_reply *kept = origin_kept(e, origin, bundle_no);
    struct slice none = {NULL, 0};
    if (!e->origin[origin].open || !e->started || !execution_counts(e))
        return;
    if (!kept || (kept->outcome == REPLY_EXECUTED && !kept->present)) {
        emit(e, origin, bundle_no, REPLY_STALE, 0, none, out);
        return;
    }
    struct slice results = {e->scratch, kept->present ? kept->len : 0};
    kept_copy(&e->kept, kept->chunk, results.len, e->scratch);
    if (!in_full) {
        results.len = results_digest(results, e->results, REPLY_BODY_MAX);
        results.data = e->results;
    }
    emit(e, origin, bundle_no, (enum reply_outcome)kept->outcome, kept->slot, results, out);
}

/* A host that missed an execution (state came by transfer) would else wait for it, and change views over it. */
static void tell_settled(struct execution *e, const struct frame *frame, uint64_t bundle_no,
                         struct outbox *out)
{
    struct local_settled settled = {
        .origin = frame->sender.id, .epoch = frame->sender.epoch, .bundle_no = bundle_no};
    uint8_t body[32];
    struct writer w = writer_to(body, sizeof body);
    local_settled_put(&w, &settled);
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_SETTLED, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

enum verdict execution_on_fetch_reply(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct fetch_reply fetch;
    if (!fetch_reply_decode(frame->body, &fetch))
        return VERDICT_MALFORMED;
    if (state_unusable(e))
        return VERDICT_EARLY; /* what a peer sent and nobody certified must not go out under this E's key */
    if (frame->sender.kind != KIND_ORIGIN || frame->sender.id >= e->configuration.origins)
        return VERDICT_UNKNOWN_SENDER;
    if (origin_settled(e, frame->sender.id, frame->sender.epoch, fetch.bundle_no))
        tell_settled(e, frame, fetch.bundle_no, out);
    const struct origin_record *record = &e->origin[frame->sender.id];
    if (!record->open || record->epoch != frame->sender.epoch ||
        !origin_kept(e, frame->sender.id, fetch.bundle_no))
        return VERDICT_STALE;
    certify_again(e, frame->sender.id, fetch.bundle_no, out);
    reply_emit(e, frame->sender.id, fetch.bundle_no, true, out);
    return VERDICT_ACCEPT;
}
