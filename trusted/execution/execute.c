/*
 * Executing committed batches in slot order, one bundle at a time so that output never piles up.
 */
#include "execution/execution.h"

void execution_need(struct execution *e, unsigned what, slot_no slot, const struct digest *digest, struct outbox *out)
{
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    local_need_put(&w, &(struct local_need){.what = (uint8_t)what, .slot = slot, .digest = *digest});
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_NEED, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

void execution_tell_progress(struct execution *e, struct outbox *out)
{
    struct local_progress progress = {
        .executed = e->executed,
        .stable = exec_stable_slot(e),
        .batch = e->remembered[e->executed % REMEMBERED_SLOTS],
        .root = e->root,
    };
    uint8_t body[96];
    struct writer w = writer_to(body, sizeof body);
    local_progress_put(&w, &progress);
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_PROGRESS, (struct slice){body, w.len}, (struct slice){NULL, 0});
    e->progress = false;
}

/* Room for one more result of the largest size? Else the rest of the bundle is to be asked again. */
static bool results_have_room(const struct writer *w)
{
    return w->len <= RESULTS_SOFT_MAX;
}

static void put_result_head(struct writer *w, unsigned status, size_t len)
{
    put_u8(w, (uint8_t)status);
    put_u8(w, RESULT_FULL);
    put_u32(w, (uint32_t)len);
}

static enum redoubt_status execute_one(struct execution *e, const struct redoubt_op *op, struct redoubt_result *result)
{
    uint32_t access = e->configuration.origin[op->origin].access;
    if (access & ACCESS_WRITE)
        return e->service->execute(e->service_state, op, result);
    if (!(access & ACCESS_READ))
        return REDOUBT_DENIED;
    /* An origin that may only read: what would write is refused by the service's read. */
    enum redoubt_status status = e->service->read(e->service_state, op, result);
    return status == REDOUBT_INVALID ? REDOUBT_DENIED : status;
}

/* Runs the operations of a decrypted bundle and writes their results. False when the plaintext does not parse: then
 * nothing of it may run, so it is parsed once before. */
static bool operations_parse(struct slice plaintext)
{
    struct reader r = reader_of(plaintext.data, plaintext.len);
    uint32_t count = 0;
    while (reader_left(&r)) {
        struct slice op = get_slice(&r);
        if (op.len > OP_MAX || ++count > BUNDLE_OPS_MAX)
            return false;
    }
    return !r.bad && count > 0;
}

static void operations_run(struct execution *e, origin_id origin, slot_no slot, uint32_t first_index,
                           const uint8_t seed[32], struct slice plaintext, struct writer *w)
{
    struct reader r = reader_of(plaintext.data, plaintext.len);
    for (uint32_t i = 0; reader_left(&r); i++) {
        struct slice data = get_slice(&r);
        if (!results_have_room(w)) {
            put_result_head(w, RESULT_RETRY, 0);
            continue;
        }
        struct redoubt_op op = {
            .data = data.data,
            .bytes = data.len,
            .origin = origin,
            .slot = slot,
            .index = first_index + i,
            .time_us = e->time_us,
            .seed = seed,
        };
        struct redoubt_result result = {.data = w->data + w->len + 6, .capacity = OP_MAX, .bytes = 0};
        enum redoubt_status status = execute_one(e, &op, &result);
        CHECK(result.bytes <= OP_MAX);
        put_result_head(w, status, result.bytes);
        CHECK(writer_take(w, result.bytes) != NULL || result.bytes == 0);
    }
}

static void execute_bundle(struct execution *e, const struct frame *frame, const struct bundle *bundle, uint32_t index,
                           struct outbox *out)
{
    origin_id origin = frame->sender.id;
    enum admit admit = origin_admit(e, origin, frame->sender.epoch, bundle);
    if (admit == ADMIT_IGNORE)
        return;
    if (admit == ADMIT_EXECUTE) {
        struct origin_record *record = &e->origin[origin];
        struct writer w = writer_to(e->results, REPLY_BODY_MAX);
        uint8_t nonce[12], ad[20], seed[32];
        enum reply_outcome outcome = REPLY_UNREADABLE;
        bundle_nonce(nonce, bundle->bundle_no);
        bundle_ad(ad, origin, frame->sender.epoch, bundle->bundle_no);
        struct slice plaintext = {e->plaintext, frame->attachment.len - AEAD_TAG_BYTES};
        if (frame->attachment.len > AEAD_TAG_BYTES &&
            aead_open(e->plaintext, &record->content_key, nonce, ad, sizeof ad, frame->attachment.data,
                      frame->attachment.len) &&
            operations_parse(plaintext)) {
            struct secret_key drawn;
            uint8_t place[12];
            struct writer p = writer_to(place, sizeof place);
            put_u64(&p, e->executed + 1);
            put_u32(&p, index);
            key_derive(&drawn, &e->seed_key, "redoubt seed", place, sizeof place);
            memcpy(seed, drawn.bytes, sizeof seed);
            operations_run(e, origin, e->executed + 1, index * BUNDLE_OPS_MAX, seed, plaintext, &w);
            outcome = REPLY_EXECUTED;
        }
        record->last_slot = e->executed + 1;
        record->last_index = index;
        origin_keep(e, origin, bundle->bundle_no, outcome, e->results, outcome == REPLY_EXECUTED ? w.len : 0);
    }
    bool in_full = digest_prefix(&bundle->operations) % e->configuration.replicas == e->config.replica;
    reply_emit(e, origin, bundle->bundle_no, in_full, out);
}

static void slot_finish(struct execution *e, const struct exec_slot *s, struct outbox *out)
{
    e->executed++;
    e->in_slot = false;
    e->remembered[e->executed % REMEMBERED_SLOTS] = s->batch;
    execution_tell_progress(e, out); /* for every slot: the host marks its bundles by it */
    if (e->executed % CHECKPOINT_INTERVAL == 0) {
        if (e->freeze.active)
            checkpoint_advance(e, true, out);
        checkpoint_begin(e);
    }
}

/* Makes the next slot's list ready; false when it is not committed or its list is missing. */
static bool slot_ready(struct execution *e, struct exec_slot *s, struct batch *batch, struct outbox *out)
{
    if (s->slot != e->executed + 1 || !s->committed)
        return false;
    if (digest_is_zero(&s->batch)) { /* null, selected by a NEW-VIEW: the time stands still */
        *batch = (struct batch){.time_us = 0};
        return true;
    }
    if (!s->listed || !digest_equal(&s->listed_batch, &s->batch)) {
        if (!s->need_told)
            execution_need(e, FETCH_BATCH, s->slot, &s->batch, out);
        s->need_told = true;
        return false;
    }
    return batch_decode((struct slice){s->list, s->list_len}, batch);
}

static bool body_ready(struct execution *e, const struct digest *digest, struct frame *frame, struct bundle *bundle)
{
    const struct body_entry *body = bodies_find(&e->bodies, digest);
    return body && frame_decode(body->frame, body->len, frame) && bundle_decode(frame->body, bundle);
}

bool execution_advance(struct execution *e, struct outbox *out)
{
    if (e->state_bad || e->fetch.active || e->executed >= exec_stable_slot(e) + WINDOW)
        return false;
    struct exec_slot *s = &e->slot[(e->executed + 1) % WINDOW];
    struct batch batch;
    if (!slot_ready(e, s, &batch, out))
        return false;
    if (!e->in_slot) {
        /* Ask for everything that is missing at once. */
        uint32_t missing = 0;
        for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
            struct batch_entry entry = batch_entry_at(batch.entries, i);
            if (bodies_find(&e->bodies, &entry.bundle))
                continue;
            missing++;
            if (!s->need_told)
                execution_need(e, FETCH_BUNDLE, s->slot, &entry.bundle, out);
        }
        if (missing) {
            s->need_told = true;
            return false;
        }
        e->in_slot = true;
        e->next_entry = 0;
        if (batch.time_us > e->time_us || mutant(MUTANT_TIME_FALLS))
            e->time_us = batch.time_us ? batch.time_us : e->time_us;
    }
    if (e->next_entry < batch_entry_count(batch.entries)) {
        struct batch_entry entry = batch_entry_at(batch.entries, e->next_entry);
        struct frame frame;
        struct bundle bundle;
        if (!body_ready(e, &entry.bundle, &frame, &bundle)) {
            /* Pushed out, or listed twice in this batch: the second time is a repeat that needs its body again. */
            if (!s->need_told)
                execution_need(e, FETCH_BUNDLE, s->slot, &entry.bundle, out);
            s->need_told = true;
            return false;
        }
        s->need_told = false;
        execute_bundle(e, &frame, &bundle, e->next_entry, out);
        bodies_remove(&e->bodies, e->arena, &entry.bundle);
        e->next_entry++;
    }
    if (e->next_entry >= batch_entry_count(batch.entries))
        slot_finish(e, s, out);
    return true;
}
