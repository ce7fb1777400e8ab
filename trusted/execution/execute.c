/*
 * Executing committed batches in slot order, one bundle at a time so that output never piles up.
 */
#include "execution/execution.h"

void execution_need(struct execution *e, unsigned what, slot_no slot, const struct digest *digest,
                    struct outbox *out)
{
    uint8_t body[64];
    if (!e->started)
        return; /* executed again, from the records of an earlier life */
    struct writer w = writer_to(body, sizeof body);
    local_need_put(&w, &(struct local_need){.what = (uint8_t)what, .slot = slot, .digest = *digest});
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_NEED, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

void execution_tell_progress(struct execution *e, struct outbox *out)
{
    if (!e->started)
        return;
    struct local_progress progress = {
        .executed = e->executed,
        .stable = exec_stable_slot(e),
        .batch = e->remembered[e->executed % REMEMBERED_SLOTS],
        .root = e->root,
        .jumped = e->jumped,
        .digesting = e->freeze.active,
        .configuration = e->configuration.number,
    };
    e->jumped = false;
    uint8_t body[128];
    struct writer w = writer_to(body, sizeof body);
    local_progress_put(&w, &progress);
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_PROGRESS, (struct slice){body, w.len},
                    (struct slice){NULL, 0});
    e->progress = false;
}

bool results_have_room(const struct writer *w)
{
    return w->len <= RESULTS_SOFT_MAX;
}

void result_head_put(struct writer *w, unsigned status, unsigned form, size_t len)
{
    put_u8(w, (uint8_t)status);
    put_u8(w, (uint8_t)form);
    put_u32(w, (uint32_t)len);
}

static enum redoubt_status execute_one(struct execution *e, const struct redoubt_op *op,
                                       struct redoubt_result *result)
{
    uint32_t access = e->configuration.origin[op->origin].access;
    enum redoubt_status status = REDOUBT_DENIED;
    e->refused = false;
    if (access & ACCESS_WRITE) {
        status = e->service->execute(e->service_state, op, result);
    } else if (access & ACCESS_READ) {
        /* What would write is refused by the service's read. */
        status = e->service->read(e->service_state, op, result);
        status = status == REDOUBT_INVALID ? REDOUBT_DENIED : status;
    }
    /* Whether memory is there follows from what came and went, which is another story at a replica whose state came by transfer: an
     * answer, or a state, that hangs on it must not leave here. The replica comes back with memory that is whole. */
    CHECK(!e->refused && "memory ran out below the service's own limit");
    return status;
}

/* Runs the operations of a decrypted bundle and writes their results. False when the plaintext does not parse: then
 * nothing of it may run, so it is parsed once before. */
bool operations_parse(struct slice plaintext)
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

/* By what a service says of its statuses; one whose `keys` does not know an operation that it carries out may have written anything. */
static bool has_written(const struct execution *e, const struct redoubt_op *op, const struct touched *touched,
                        unsigned status)
{
    if (status != REDOUBT_OK && status != REDOUBT_NOT_FOUND)
        return false;
    return (touched->writes || !touched->known) && e->configuration.origin[op->origin].access & ACCESS_WRITE;
}

bool result_may_be_kept(const struct touched *touched, unsigned status)
{
    return touched->known && !touched->writes && status <= REDOUBT_CONFLICT &&
           (!touched->is_volatile || mutant(MUTANT_VOLATILE_KEPT));
}

/* What an operation did to the versions of cells. Returns the form of its result: with its version, or not. */
static unsigned versions_settle(struct execution *e, const struct redoubt_op *op,
                                const struct touched *touched, unsigned status, version_no *version)
{
    static const struct touched everything = {.writes_all = true};
    const uint32_t *cells;
    if (has_written(e, op, touched, status)) {
        const struct touched *written = touched->known ? touched : &everything;
        versions_raise(&e->versions, written, version_of(op->slot, op->index));
        certify_note(e, written, op->index % BUNDLE_OPS_MAX);
    }
    if (!e->versions_wanted || !result_may_be_kept(touched, status))
        return RESULT_FULL;
    uint32_t count = touched_cells(touched, &cells);
    *version = versions_highest(&e->versions, cells, count);
    return RESULT_FULL | RESULT_VERSION;
}

static void operation_run(struct execution *e, const struct redoubt_op *op, struct writer *w)
{
    if (!results_have_room(w)) {
        result_head_put(w, RESULT_RETRY, RESULT_FULL, 0);
        return;
    }
    struct touched touched = {.known = false};
    struct redoubt_result result = {.data = w->data + w->len + 6, .capacity = OP_MAX, .bytes = 0};
    enum redoubt_status status = execute_one(e, op, &result);
    CHECK(result.bytes <= OP_MAX);
    version_no version;
    if (status <= REDOUBT_CONFLICT) /* else nothing was done */
        touched_by(&touched, e->service, op);
    touched.is_volatile = result.is_volatile;
    unsigned form = versions_settle(e, op, &touched, status, &version);
    result_head_put(w, status, form, result.bytes);
    CHECK(writer_take(w, result.bytes) != NULL || result.bytes == 0);
    if (form & RESULT_VERSION)
        put_u64(w, version);
}

/* How this origin's operations are run by a service in another process; false: not at all. */
static bool run_of(const struct execution *e, const struct redoubt_op *like, struct call_run *run)
{
    uint32_t access = e->configuration.origin[like->origin].access;
    *run = (struct call_run){.mode = access & ACCESS_WRITE ? RUN_EXECUTE : RUN_READ_ONLY, .op = *like};
    return (access & (ACCESS_WRITE | ACCESS_READ)) != 0;
}

/* Results as they come from there, and what operations touched, to results as they are kept. */
static void settle_apart(struct execution *e, const struct redoubt_op *like, struct slice results,
                         struct slice touched, struct writer *w)
{
    struct reader r = reader_of(results.data, results.len), t = reader_of(touched.data, touched.len);
    struct redoubt_op op = *like;
    for (; reader_left(&r); op.index++) {
        struct touched touches;
        version_no version;
        uint8_t status = get_u8(&r);
        (void)get_u8(&r);
        struct slice result = get_slice(&r);
        CHECK(touched_get(&t, &touches)); /* looked at when it came */
        unsigned form = versions_settle(e, &op, &touches, status, &version);
        result_head_put(w, status, form, result.len);
        put_raw(w, result.data, result.len);
        if (form & RESULT_VERSION)
            put_u64(w, version);
    }
    CHECK(!w->bad);
}

static bool finish_apart(struct execution *e, const struct redoubt_op *like, struct slice plaintext,
                         struct writer *w)
{
    struct writer raw = writer_to(e->scratch, REPLY_BODY_MAX);
    struct slice touched;
    if (!e->config.apart->finish(e->service_state, plaintext, &raw, &touched))
        return false;
    settle_apart(e, like, (struct slice){raw.data, raw.len}, touched, w);
    return true;
}

/* By a service in another process: all of them at once. */
static bool operations_run_apart(struct execution *e, const struct redoubt_op *like, struct slice plaintext,
                                 struct writer *w)
{
    struct call_run run;
    if (!e->config.apart || !run_of(e, like, &run))
        return false;
    e->config.apart->begin(e->service_state, &run, plaintext);
    CHECK(finish_apart(e, like, plaintext, w)); /* the first of a group is */
    return true;
}

/* In groups, so that the service can have what all of a group need on its way from memory at once. `like` is what the
 * operations have in common. */
static void operations_run(struct execution *e, const struct redoubt_op *like, struct slice plaintext,
                           struct writer *w)
{
    struct reader r = reader_of(plaintext.data, plaintext.len);
    uint32_t index = like->index;
    if (operations_run_apart(e, like, plaintext, w))
        return;
    while (reader_left(&r)) {
        struct redoubt_op op[REDOUBT_EXPECT_MAX];
        size_t count = 0;
        for (; count < REDOUBT_EXPECT_MAX && reader_left(&r); count++) {
            struct slice data = get_slice(&r);
            op[count] = *like;
            op[count].data = data.data;
            op[count].bytes = data.len;
            op[count].index = index++;
        }
        if (e->service->expect && count > 1)
            e->service->expect(e->service_state, op, count);
        for (size_t i = 0; i < count; i++)
            operation_run(e, &op[i], w);
    }
}

static bool sends_in_full(const struct execution *e, const struct digest *bundle)
{
    return digest_prefix(bundle) % e->configuration.replicas == e->config.replica;
}

/* To e->plaintext, from `at` on. */
static bool decrypt(struct execution *e, const struct frame *frame, const struct bundle *bundle, size_t at,
                    struct slice *plaintext)
{
    uint8_t nonce[12], ad[20];
    if (frame->attachment.len <= AEAD_TAG_BYTES ||
        frame->attachment.len - AEAD_TAG_BYTES > BUNDLE_BODY_MAX - at)
        return false;
    bundle_nonce(nonce, bundle->bundle_no);
    bundle_ad(ad, frame->sender.id, frame->sender.epoch, bundle->bundle_no);
    *plaintext = (struct slice){e->plaintext + at, frame->attachment.len - AEAD_TAG_BYTES};
    return aead_open(e->plaintext + at, &e->origin[frame->sender.id].content_key, nonce, ad, sizeof ad,
                     frame->attachment.data, frame->attachment.len) &&
           operations_parse(*plaintext);
}

/* 32 bytes for services, unpredictable before the slot was ordered: to those who lack the group key. */
static void draw_seed(const struct execution *e, uint32_t index, struct secret_key *seed)
{
    uint8_t place[12];
    struct writer w = writer_to(place, sizeof place);
    put_u64(&w, e->executed + 1);
    put_u32(&w, index);
    key_derive(seed, &e->seed_key, "redoubt seed", place, sizeof place);
}

static struct redoubt_op op_like(const struct execution *e, origin_id origin, uint32_t index,
                                 const struct secret_key *seed)
{
    return (struct redoubt_op){.origin = origin,
                               .slot = e->executed + 1,
                               .index = index * BUNDLE_OPS_MAX,
                               .time_us = e->time_us,
                               .seed = seed ? seed->bytes : NULL};
}

static void bundle_settle(struct execution *e, const struct batch_entry *entry, uint32_t index,
                          enum reply_outcome outcome, size_t len, struct outbox *out)
{
    origin_id origin = entry->origin;
    e->origin[origin].last_slot = e->executed + 1;
    e->origin[origin].last_index = index;
    origin_keep(e, origin, entry->bundle_no, outcome, e->results, len);
    if (outcome == REPLY_EXECUTED)
        certify_bundle(e, origin, entry->bundle_no, index, out);
    reply_emit(e, origin, entry->bundle_no, sends_in_full(e, &entry->bundle), out);
}

static void execute_bundle(struct execution *e, const struct batch_entry *entry, const struct frame *frame,
                           const struct bundle *bundle, uint32_t index, struct outbox *out)
{
    origin_id origin = frame->sender.id;
    /* A list that names a bundle by another origin, epoch or number passed f+1 faulty P: the same no-op everywhere. */
    if (origin != entry->origin || frame->sender.epoch != entry->epoch ||
        bundle->bundle_no != entry->bundle_no)
        return;
    if (origin_admit(e, origin, frame->sender.epoch, bundle) != ADMIT_EXECUTE)
        return;
    struct writer w = writer_to(e->results, REPLY_BODY_MAX);
    struct slice plaintext;
    enum reply_outcome outcome = REPLY_UNREADABLE;
    if (decrypt(e, frame, bundle, 0, &plaintext)) {
        struct secret_key seed;
        draw_seed(e, index, &seed);
        struct redoubt_op like = op_like(e, origin, index, &seed);
        e->versions_wanted = bundle->flags & BUNDLE_VERSIONS;
        operations_run(e, &like, plaintext, &w);
        outcome = REPLY_EXECUTED;
    }
    bundle_settle(e, entry, index, outcome, outcome == REPLY_EXECUTED ? w.len : 0, out);
}

static void slot_finish(struct execution *e, const struct exec_slot *s, struct outbox *out)
{
    e->executed++;
    e->in_slot = false;
    e->remembered[e->executed % REMEMBERED_SLOTS] = s->batch;
    checkpoint_advance_slot(e, out);
    if (e->executed % CHECKPOINT_INTERVAL == 0) {
        checkpoint_advance(e, UINT64_MAX, out); /* long done */
        checkpoint_begin(e);
    }
    execution_tell_progress(e, out); /* for every slot: the host marks its bundles by it */
    if (e->save.wanted && e->executed % CHECKPOINT_INTERVAL == 0) {
        checkpoint_advance(e, UINT64_MAX, out);
        save_begin(e, out);
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

static bool body_ready(struct execution *e, const struct batch_entry *entry, struct frame *frame,
                       struct bundle *bundle)
{
    const struct body_entry *body = bodies_find(&e->bodies, &entry->bundle);
    return body && frame_decode(body->frame, body->len, frame) && bundle_decode(frame->body, bundle);
}

/* --- a group: bundles that a service in another process runs one after the other while this side waits once -------------------- */

#define GROUP_BUNDLES 32u

struct group {
    uint32_t count;
    size_t plaintext; /* bytes */
    struct group_bundle {
        struct batch_entry entry;
        struct bundle bundle;
        struct slice plaintext;
    } bundle[GROUP_BUNDLES];
};

static bool group_has(const struct group *g, origin_id origin)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->bundle[i].entry.origin == origin)
            return true;
    return false;
}

/* May it run before those ahead of it in the group are settled? Only when that changes nothing for it: it is another origin's, in
 * a session that is open, and was not executed. So admitting it later is sure, opens nothing and pushes nobody out. */
static bool group_takes(const struct execution *e, const struct group *g, const struct batch_entry *entry)
{
    return entry->origin < e->configuration.origins && !group_has(g, entry->origin) &&
           origin_needs_body(e, entry) && e->origin[entry->origin].open &&
           e->origin[entry->origin].epoch == entry->epoch;
}

static bool group_add(struct execution *e, struct group *g, const struct batch_entry *entry, uint32_t index)
{
    struct group_bundle *b = &g->bundle[g->count];
    struct frame frame;
    struct secret_key seed;
    struct call_run run;
    if (!group_takes(e, g, entry) || !body_ready(e, entry, &frame, &b->bundle) ||
        frame.sender.id != entry->origin || frame.sender.epoch != entry->epoch ||
        b->bundle.bundle_no != entry->bundle_no)
        return false;
    draw_seed(e, index, &seed);
    const struct redoubt_op like = op_like(e, entry->origin, index, &seed);
    if (!run_of(e, &like, &run) || !decrypt(e, &frame, &b->bundle, g->plaintext, &b->plaintext))
        return false;
    run.follows = g->count > 0;
    b->entry = *entry;
    g->plaintext += b->plaintext.len;
    g->count++;
    e->config.apart->begin(e->service_state, &run, b->plaintext);
    return true;
}

/* Runs what may be run together from the slot's next entry on; false when that is none. */
static bool group_run(struct execution *e, const struct batch *batch, struct outbox *out)
{
    struct group g = {.count = 0};
    uint32_t first = e->next_entry, entries = batch_entry_count(batch->entries);
    while (g.count < GROUP_BUNDLES && first + g.count < entries) {
        struct batch_entry entry = batch_entry_at(batch->entries, first + g.count);
        if (!group_add(e, &g, &entry, first + g.count))
            break;
    }
    for (uint32_t i = 0; i < g.count; i++) {
        const struct group_bundle *b = &g.bundle[i];
        struct writer w = writer_to(e->results, REPLY_BODY_MAX);
        const struct redoubt_op like = op_like(e, b->entry.origin, first + i, NULL);
        e->versions_wanted = b->bundle.flags & BUNDLE_VERSIONS;
        if (!finish_apart(e, &like, b->plaintext, &w))
            continue; /* nor those after it */
        CHECK(origin_admit(e, b->entry.origin, b->entry.epoch, &b->bundle) == ADMIT_EXECUTE);
        bundle_settle(e, &b->entry, first + i, REPLY_EXECUTED, w.len, out);
        bodies_remove(&e->bodies, &e->body_arena, &b->entry.bundle);
        e->next_entry++;
    }
    return g.count > 0;
}

/* Executed before, too old, or of a closed epoch: nothing happens, but its origin may still wait for the reply. */
static void repeat(struct execution *e, const struct batch_entry *entry, struct outbox *out)
{
    if (entry->origin < e->configuration.origins && e->origin[entry->origin].open &&
        e->origin[entry->origin].epoch == entry->epoch) {
        certify_again(e, entry->origin, entry->bundle_no, out);
        reply_emit(e, entry->origin, entry->bundle_no, sends_in_full(e, &entry->bundle), out);
    }
}

bool execution_advance(struct execution *e, struct outbox *out)
{
    if (state_unusable(e) || save_stands_still(e) || e->executed >= exec_stable_slot(e) + WINDOW)
        return false;
    /* What is above goes on with another number of replicas, from the checkpoint here. */
    if (e->executed >= configuration_last_slot(&e->configuration))
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
            if (!origin_needs_body(e, &entry) || bodies_find(&e->bodies, &entry.bundle))
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
    if (e->config.apart && group_run(e, &batch, out)) {
        s->need_told = false;
    } else if (e->next_entry < batch_entry_count(batch.entries)) {
        struct batch_entry entry = batch_entry_at(batch.entries, e->next_entry);
        struct frame frame;
        struct bundle bundle;
        if (!origin_needs_body(e, &entry)) {
            repeat(e, &entry, out);
        } else if (entry.origin == ORIGIN_RECONFIG && reconfig_execute(e, &entry, out)) {
            s->need_told = false;
        } else if (!body_ready(e, &entry, &frame, &bundle)) {
            /* Pushed out since. */
            if (!s->need_told)
                execution_need(e, FETCH_BUNDLE, s->slot, &entry.bundle, out);
            s->need_told = true;
            return false;
        } else {
            s->need_told = false;
            execute_bundle(e, &entry, &frame, &bundle, e->next_entry, out);
        }
        bodies_remove(&e->bodies, &e->body_arena, &entry.bundle);
        e->next_entry++;
    }
    if (e->next_entry >= batch_entry_count(batch.entries))
        slot_finish(e, s, out);
    return true;
}
