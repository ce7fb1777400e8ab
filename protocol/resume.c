#include "resume.h"

#include <stdlib.h>

#include "base/check.h"

static const struct sender host = {.kind = KIND_HOST, .id = 0, .epoch = 0};

size_t resume_frame(uint8_t *out, size_t cap, unsigned what, uint64_t number, struct slice bytes)
{
    uint8_t body[16];
    struct writer w = writer_to(body, sizeof body);
    local_recall_put(&w, &(struct local_recall){.what = (uint8_t)what, .number = number});
    return frame_encode(out, cap, FRAME_LOCAL_RECALL, &host, AUTH_NONE, (struct slice){body, w.len},
                        (struct slice){NULL, 0}, bytes);
}

static void give(const struct resume_sink *sink, enum kind kind, unsigned what, struct slice bytes)
{
    size_t len = resume_frame(sink->scratch, FRAME_MAX, what, 0, bytes);
    if (len)
        sink->give(sink->context, kind, (struct slice){sink->scratch, len});
}

static void end(const struct resume_sink *sink, enum kind kind)
{
    give(sink, kind, RECALL_END, (struct slice){NULL, 0});
}

/* The last full record of this kind about a slot up to `most`; count: none. */
static uint32_t last_full(const struct resume_log *log, enum persist_kind kind, slot_no most)
{
    uint32_t found = log->count;
    for (uint32_t i = 0; i < log->count; i++)
        if (log->record[i].kind == kind && log->record[i].full && log->record[i].slot <= most)
            found = i;
    return found;
}

static void resume_promises(const struct resume_log *log, enum persist_kind kind,
                            const struct resume_sink *sink)
{
    for (uint32_t i = last_full(log, kind, UINT64_MAX); i < log->count; i++)
        if (log->record[i].kind == kind)
            give(sink, (enum kind)kind, RECALL_RECORD, log->read(log->context, i));
    end(sink, (enum kind)kind);
}

/* ------------------------------------------------------------------------------------------------ E */

struct lookup {
    const struct resume_log *log;
    const struct resume_sink *sink;
    uint32_t *bundle, bundles; /* ascending by digest */
    uint32_t *list, lists;     /* ascending by slot */
};

static const struct resume_record *sorting; /* qsort takes no context; not for two threads at once */

static int by_digest(const void *a, const void *b)
{
    return memcmp(sorting[*(const uint32_t *)a].digest.bytes, sorting[*(const uint32_t *)b].digest.bytes, 32);
}

static int by_slot(const void *a, const void *b)
{
    slot_no x = sorting[*(const uint32_t *)a].slot, y = sorting[*(const uint32_t *)b].slot;
    return x < y ? -1 : x > y;
}

static void index_make(struct lookup *l)
{
    const struct resume_log *log = l->log;
    l->bundle = l->sink->order;
    l->bundles = l->lists = 0;
    for (uint32_t i = 0; i < log->count; i++)
        if (log->record[i].kind == PERSIST_BUNDLE)
            l->bundle[l->bundles++] = i;
    l->list = l->bundle + l->bundles;
    for (uint32_t i = 0; i < log->count; i++)
        if (log->record[i].kind == PERSIST_LIST)
            l->list[l->lists++] = i;
    sorting = log->record;
    qsort(l->bundle, l->bundles, sizeof *l->bundle, by_digest);
    qsort(l->list, l->lists, sizeof *l->list, by_slot);
}

static void give_bundle(const struct lookup *l, const struct digest *digest)
{
    uint32_t low = 0, high = l->bundles;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (memcmp(l->log->record[l->bundle[middle]].digest.bytes, digest->bytes, 32) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == l->bundles || memcmp(l->log->record[l->bundle[low]].digest.bytes, digest->bytes, 32) != 0)
        return;
    struct slice frame = l->log->read(l->log->context, l->bundle[low]);
    if (frame.data)
        l->sink->give(l->sink->context, KIND_EXECUTION, frame);
}

static void give_list(const struct lookup *l, uint32_t index, struct slice list)
{
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    const struct resume_record *record = &l->log->record[index];
    vote_put(&w, &(struct vote){.slot = record->slot, .batch = record->digest});
    size_t len = frame_encode(l->sink->scratch, FRAME_MAX, FRAME_PRE_PREPARE, &host, AUTH_NONE,
                              (struct slice){body, w.len}, (struct slice){NULL, 0}, list);
    if (len)
        l->sink->give(l->sink->context, KIND_EXECUTION, (struct slice){l->sink->scratch, len});
}

/* Lists of the slots in (after, upto]: first the bundles that they name, later they themselves. */
static void give_slots(const struct lookup *l, slot_no after, slot_no upto, bool bundles)
{
    uint32_t low = 0, high = l->lists;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (l->log->record[l->list[middle]].slot <= after)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < l->lists && l->log->record[l->list[low]].slot <= upto; low++) {
        static uint8_t kept[BATCH_BYTES_MAX];
        struct slice list = l->log->read(l->log->context, l->list[low]);
        struct batch batch;
        if (!list.data || list.len > sizeof kept)
            continue;
        memcpy(kept, list.data, list.len); /* reading a bundle takes its place */
        list.data = kept;
        if (!bundles)
            give_list(l, l->list[low], list);
        else if (batch_decode(list, &batch))
            for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
                struct batch_entry entry = batch_entry_at(batch.entries, i);
                give_bundle(l, &entry.bundle);
            }
    }
}

static void resume_execution(const struct resume_log *log, slot_no saved, const struct resume_sink *sink)
{
    struct lookup l = {.log = log, .sink = sink};
    uint32_t first = last_full(log, PERSIST_EXECUTION, saved);
    slot_no done = saved;
    if (first < log->count) {
        index_make(&l);
        give(sink, KIND_EXECUTION, RECALL_RECORD, log->read(log->context, first));
        if (saved)
            sink->give_saved(sink->context);
        else if (sink->give_genesis)
            sink->give_genesis(sink->context);
    }
    for (uint32_t i = first < log->count ? first + 1 : log->count; i < log->count; i++) {
        const struct resume_record *record = &log->record[i];
        if (record->kind != PERSIST_EXECUTION)
            continue;
        slot_no upto = !record->full && record->slot > done ? record->slot : done;
        give_slots(&l, done, upto, true);
        give(sink, KIND_EXECUTION, RECALL_RECORD, log->read(log->context, i));
        give_slots(&l, done, upto, false);
        done = upto;
    }
    end(sink, KIND_EXECUTION);
}

void resume_compartments(const struct resume_log *log, slot_no saved, bool rejoins,
                         const struct resume_sink *sink)
{
    if (!rejoins) {
        resume_promises(log, PERSIST_PREPARATION, sink);
        resume_promises(log, PERSIST_CONFIRMATION, sink);
    }
    resume_execution(log, saved, sink);
}

bool resume_follow(struct configuration *configuration, struct slice list)
{
    size_t at = 0;
    struct slice bytes;
    struct frame frame;
    bool risen = false;
    while (frame_list_next(list, &at, &bytes))
        if (frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_CONFIGURATION &&
            configuration_follow(configuration, &frame) == VERDICT_ACCEPT)
            risen = true;
    return risen;
}

bool resume_closed(const struct configuration *c, struct slice list, slot_no *slot, struct digest *root)
{
    size_t at = 0;
    struct slice bytes;
    struct frame frame;
    while (frame_list_next(list, &at, &bytes))
        if (frame_decode(bytes.data, bytes.len, &frame) && frame.type == FRAME_CONFIGURATION &&
            configuration_closed(c, &frame, slot, root))
            return true;
    return false;
}

void resume_resize(struct configuration *c, uint32_t replicas, struct slice members)
{
    for (uint32_t i = 0; i < member_count(members); i++) {
        struct member m = member_at(members, i);
        CHECK(m.replica < replicas && m.kind >= KIND_HOST && m.kind <= KIND_EXECUTION);
        if (m.replica < c->replicas)
            continue;
        struct ordered_keys *ordered = &c->ordered[m.kind - KIND_HOST][m.replica];
        *ordered = (struct ordered_keys){.epoch = m.epoch, .measurement = m.measurement};
        if (m.kind == KIND_HOST) /* a host shows its platform key where a compartment shows its box key */
            memcpy(ordered->measurement.bytes, m.box_public.bytes, 32);
    }
    c->replicas = replicas;
    c->faults = faults_of(replicas);
}

static void retire(struct writer *w, replica_id r, const struct member_keys *keys, slot_no until)
{
    struct retired entry = {.replica = r, .epoch = keys->epoch, .after = keys->after, .until = until};
    memcpy(entry.sign_public.bytes, keys->sign_public, 32);
    if (w->cap - w->len >= retired_BYTES)
        retired_put(w, &entry);
}

size_t resume_retired(const struct configuration *before, uint8_t *out, size_t cap)
{
    const unsigned kind = KIND_EXECUTION - KIND_HOST;
    struct writer w = writer_to(out, cap);
    for (replica_id r = 0; r < before->replicas; r++) {
        slot_no until = UINT64_MAX;
        retire(&w, r, &before->member[kind][r], until);
        until = before->member[kind][r].after;
        for (unsigned i = 0; i < EPOCHS_KEPT && before->earlier[kind][r][i].present; i++) {
            retire(&w, r, &before->earlier[kind][r][i], until);
            until = before->earlier[kind][r][i].after;
        }
    }
    for (uint32_t i = 0; i < before->retired_count && w.cap - w.len >= retired_BYTES; i++) {
        const struct retired_keys *keys = &before->retired[i];
        struct retired entry = {
            .replica = keys->replica, .epoch = keys->epoch, .after = keys->after, .until = keys->until};
        memcpy(entry.sign_public.bytes, keys->sign_public, 32);
        retired_put(&w, &entry);
    }
    return w.len;
}

static void recall(const struct resume_log *log, uint32_t i, const struct engine_type *type, void *engine)
{
    struct slice bytes = log->read(log->context, i);
    if (bytes.data)
        type->recall(engine, log->record[i].kind, log->record[i].slot, bytes);
}

void resume_engine(const struct resume_log *log, const struct engine_type *type, void *engine,
                   slot_no executed, slot_no stable)
{
    type->resume(engine, executed, stable);
    /* Lists first, the latest of a slot before its earlier ones, then the bundles that they name. */
    for (uint32_t i = log->count; i-- > 0;)
        if (log->record[i].kind == PERSIST_LIST && log->record[i].slot + WINDOW > executed)
            recall(log, i, type, engine);
    for (uint32_t i = 0; i < log->count; i++)
        if (log->record[i].kind == PERSIST_BUNDLE)
            recall(log, i, type, engine);
}
