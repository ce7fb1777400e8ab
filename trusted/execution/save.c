/*
 * Saving a checkpoint: on its host's word, at the next checkpoint slot, E hands out all leaves that changed since it last
 * did, sealed, and the origin table, in pieces that the host asks for one by one; it executes nothing meanwhile (the replicas
 * take turns, so the cluster goes on). Loading is the way back, believed only when the whole gives the root that was sealed with it.
 */
#include "execution/execution.h"

#define PART_BYTES    (256u * 1024u)
#define PIECE_BYTES   (512u * 1024u)
#define LEAF_LOAD_MAX (64u * 1024u * 1024u)

struct range {
    struct redoubt_sink sink;
    uint8_t *to;
    size_t skip, cap, len, total;
};

static void range_write(struct redoubt_sink *sink, const void *data, size_t bytes)
{
    struct range *r = sink->context;
    const uint8_t *from = data;
    r->total += bytes;
    size_t skip = r->skip < bytes ? r->skip : bytes;
    r->skip -= skip;
    bytes -= skip;
    if (bytes > r->cap - r->len)
        bytes = r->cap - r->len;
    if (bytes)
        memcpy(r->to + r->len, from + skip, bytes);
    r->len += bytes;
}

/* Bytes from `skip` on, at most `cap`; returns how long the leaf is. */
static size_t leaf_part(struct execution *e, uint64_t leaf, size_t skip, uint8_t *to, size_t cap, size_t *len)
{
    struct range r = {.to = to, .skip = skip, .cap = cap};
    r.sink = (struct redoubt_sink){.context = &r, .write = range_write};
    e->service->leaf_save(e->service_state, leaf, &r.sink);
    *len = r.len;
    return r.total;
}

void save_touch(struct execution *e, uint64_t leaf)
{
    e->save.dirty[leaf / 64] |= 1ull << leaf % 64;
}

void save_all_again(struct execution *e)
{
    memset(e->save.dirty, 0xff, LEAVES_MAX / 8);
}

static void forget(struct execution *e)
{
    struct save *s = &e->save;
    arena_free(e->arena, s->origins, s->origins_cap);
    s->origins = NULL;
    s->origins_cap = 0;
    s->active = false;
}

/* All origins' records, each behind its length. */
static size_t records_size(const struct execution *e)
{
    size_t size = 0;
    for (origin_id i = 0; i < e->configuration.origins; i++)
        size += 4 + origin_size(e, i);
    return size;
}

static void records_save(struct execution *e, struct writer *w)
{
    for (origin_id i = 0; i < e->configuration.origins; i++) {
        put_u32(w, (uint32_t)origin_size(e, i));
        origin_save(e, i, w);
    }
}

static bool records_load(struct execution *e, struct reader *r)
{
    for (origin_id i = 0; i < e->configuration.origins; i++) {
        struct slice record = get_slice(r);
        if (r->bad || !origin_load(e, i, record))
            return false;
    }
    return reader_done(r);
}

/* The checkpoint of this slot was just made; its root is known. */
void save_begin(struct execution *e, struct outbox *out)
{
    struct save *s = &e->save;
    forget(e); /* one under way is of a state that is gone */
    s->wanted = false;
    s->origins_cap = records_size(e);
    s->origins = arena_alloc(e->arena, s->origins_cap);
    if (!s->origins)
        return; /* the host asks again */
    struct writer w = writer_to(s->origins, s->origins_cap);
    records_save(e, &w);
    CHECK(!w.bad && w.len == s->origins_cap);
    s->active = true;
    s->slot = e->executed;
    s->number = 0;
    s->leaf = 0;
    s->leaf_at = 0;
    s->origins_at = 0;
    s->leaf_count = e->service->leaf_count(e->service_state);
    s->head_given = false;
    execution_write_base(e, out);
}

static void put_item(struct execution *e, struct writer *w, unsigned what, uint64_t number, unsigned kind,
                     struct slice plain)
{
    size_t len = plain.len + SEALING_OVERHEAD_BYTES;
    put_u8(w, (uint8_t)what);
    put_u64(w, number);
    put_u32(w, (uint32_t)len);
    uint8_t *to = writer_take(w, len);
    CHECK(to != NULL);
    sealing_put(&e->sealing, kind, plain, to);
}

/* A part names what it is a part of: u64 leaf (or zero), u32 total, u32 offset, bytes. */
static void put_part(struct execution *e, struct writer *w, unsigned what, unsigned kind, uint64_t number,
                     size_t total, size_t at, size_t len)
{
    struct writer head = writer_to(e->results, SAVE_PART_HEAD);
    put_u64(&head, number);
    put_u32(&head, (uint32_t)total);
    put_u32(&head, (uint32_t)at);
    put_item(e, w, what, number, kind, (struct slice){e->results, SAVE_PART_HEAD + len});
}

static void put_origins(struct execution *e, struct writer *w)
{
    struct save *s = &e->save;
    while (s->origins_at < s->origins_cap && w->len < PIECE_BYTES) {
        size_t left = s->origins_cap - s->origins_at, len = left < PART_BYTES ? left : PART_BYTES;
        memcpy(e->results + SAVE_PART_HEAD, s->origins + s->origins_at, len);
        put_part(e, w, RECALL_ORIGINS, RECORD_ORIGINS, 0, s->origins_cap, s->origins_at, len);
        s->origins_at += len;
    }
}

static bool next_dirty(struct save *s)
{
    while (s->leaf < s->leaf_count) {
        uint64_t word = s->dirty[s->leaf / 64] >> (s->leaf % 64);
        if (word) {
            s->leaf += (unsigned)__builtin_ctzll(word);
            return s->leaf < s->leaf_count;
        }
        s->leaf = (s->leaf / 64 + 1) * 64;
    }
    return false;
}

static void put_leaves(struct execution *e, struct writer *w)
{
    struct save *s = &e->save;
    while (w->len < PIECE_BYTES && next_dirty(s)) {
        size_t len, total = leaf_part(e, s->leaf, s->leaf_at, e->results + SAVE_PART_HEAD, PART_BYTES, &len);
        put_part(e, w, RECALL_LEAF, RECORD_LEAF, s->leaf, total, s->leaf_at, len);
        s->leaf_at += len;
        if (s->leaf_at < total)
            continue;
        s->dirty[s->leaf / 64] &= ~(1ull << s->leaf % 64);
        s->leaf++;
        s->leaf_at = 0;
    }
}

static void put_head(struct execution *e, struct writer *w)
{
    struct save *s = &e->save;
    struct ordered_lists lists;
    uint8_t plain[sizeof e->stable.certificate.signers + sizeof lists + 160];
    struct writer head = writer_to(plain, sizeof plain);
    execution_put_ordered(e, &lists);
    saved_head_put(&head, &(struct saved_head){.slot = s->slot,
                                               .root = e->root,
                                               .time_us = e->time_us,
                                               .leaf_count = s->leaf_count,
                                               .origins_len = s->origins_cap,
                                               .stable_slot = e->stable.certificate.slot,
                                               .stable_root = e->stable.certificate.root,
                                               .signers = certificate_signers(&e->stable.certificate),
                                               .steps = lists.steps,
                                               .ordered = lists.ordered,
                                               .bodies = lists.bodies});
    CHECK(!head.bad);
    put_item(e, w, RECALL_SAVED, 0, RECORD_SAVED, (struct slice){plain, head.len});
    s->head_given = true;
}

static void give_piece(struct execution *e, struct outbox *out)
{
    struct save *s = &e->save;
    uint8_t body[32];
    struct writer w = writer_to(e->scratch, FRAME_MAX - 4096), b = writer_to(body, sizeof body);
    put_origins(e, &w);
    put_leaves(e, &w);
    if (w.len < PIECE_BYTES)
        put_head(e, &w);
    CHECK(!w.bad);
    local_saved_put(
        &b, &(struct local_saved){
                .slot = s->slot, .number = ++s->number, .last = s->head_given, .leaf_count = s->leaf_count});
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_SAVED, (struct slice){body, b.len},
                    (struct slice){e->scratch, w.len});
    if (s->head_given)
        forget(e); /* the state may change again */
}

enum verdict execution_on_save(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct local_save save;
    struct save *s = &e->save;
    if (!local_save_decode(frame->body, &save))
        return VERDICT_MALFORMED;
    if (!e->sealing.on)
        return VERDICT_UNEXPECTED;
    if (save.number == 0) {
        s->wanted = !s->active;
        return s->wanted ? VERDICT_ACCEPT : VERDICT_DUPLICATE;
    }
    if (save.number == SAVE_GIVEN_UP) {
        forget(e);
        save_all_again(e);
        return VERDICT_ACCEPT;
    }
    if (save.number != s->number)
        return VERDICT_STALE;
    if (s->active && state_unusable(e)) {
        forget(e); /* another state is coming in */
        s->wanted = true;
        return VERDICT_UNEXPECTED;
    }
    if (s->active) {
        give_piece(e, out);
        return VERDICT_ACCEPT;
    }
    if (!s->head_given)
        return VERDICT_STALE;
    /* All of it is stored. */
    s->head_given = false;
    if (s->behind) {
        s->behind = false;
        if (e->checkpoint_slot > exec_stable_slot(e) && !e->freeze.active)
            checkpoint_sign(e, out);
    }
    return VERDICT_ACCEPT;
}

void save_first_piece(struct execution *e, struct outbox *out)
{
    if (e->save.active && e->save.number == 0)
        give_piece(e, out);
}

/* ------------------------------------------------------------------------------------------------ coming back */

static bool load_leaf(struct execution *e)
{
    struct save *s = &e->save;
    struct digest digest;
    if (!e->service->leaf_load(e->service_state, s->leaf, s->part, s->part_total))
        return false;
    e->service->leaf_digest(e->service_state, s->leaf, digest.bytes);
    merkle_set(&e->leaves, s->leaf++, &digest);
    return true;
}

static bool loaded_all(struct execution *e)
{
    struct save *s = &e->save;
    struct digest origins, root;
    memset(e->dirty, 0, LEAVES_MAX / 8);
    memset(s->dirty, 0, LEAVES_MAX / 8);
    if (e->service->leaf_count(e->service_state) != s->head.leaf_count)
        return false;
    merkle_reset(&e->leaves, s->head.leaf_count);
    origins_digest(e, &origins);
    checkpoint_root(e, s->head.slot, e->time_us, s->head.leaf_count, &origins, &root);
    if (!digest_equal(&root, &s->head.root))
        return false;
    e->executed = s->head.slot;
    e->checkpoint_slot = s->head.slot;
    e->root = root;
    e->remembered_from = s->head.slot + 1;
    s->loading = false;
    e->state_bad = false;
    return true;
}

static bool load_origins(struct execution *e)
{
    struct save *s = &e->save;
    struct reader r = reader_of(s->part, s->part_total);
    s->origins_loaded = true;
    return records_load(e, &r) && e->service->reset(e->service_state, s->head.leaf_count, false);
}

static bool take_part(struct execution *e, struct slice plain)
{
    struct save *s = &e->save;
    struct reader r = reader_of(plain.data, plain.len);
    uint64_t number = get_u64(&r);
    uint32_t total = get_u32(&r), at = get_u32(&r);
    if (r.bad || number != (s->origins_loaded ? s->leaf : 0) || at != s->part_len || total > LEAF_LOAD_MAX)
        return false;
    if (at == 0) {
        s->part = arena_alloc(e->arena, total + 1u);
        s->part_total = total;
    }
    size_t len = plain.len - SAVE_PART_HEAD;
    if (!s->part || total != s->part_total || len > total - at)
        return false;
    if (len)
        memcpy(s->part + at, plain.data + SAVE_PART_HEAD, len);
    s->part_len += (uint32_t)len;
    if (s->part_len < total)
        return len > 0;
    bool loaded = s->origins_loaded ? load_leaf(e) : load_origins(e);
    arena_free(e->arena, s->part, total + 1u);
    s->part = NULL;
    s->part_len = 0;
    s->part_total = 0;
    return loaded && (s->leaf < s->head.leaf_count || !s->origins_loaded || loaded_all(e));
}

/* Saved before the cluster got its present size: the base, made under the START that says so, knows all that it knew. */
static bool head_is_of_before(const struct execution *e)
{
    return e->configuration.closed_slot >= e->save.head.slot;
}

static bool take_head(struct execution *e, struct slice plain)
{
    struct save *s = &e->save;
    if (s->loading || !e->based || e->executed || !saved_head_decode(plain, &s->head) ||
        s->head.leaf_count == 0 || s->head.leaf_count > LEAVES_MAX ||
        s->head.slot % CHECKPOINT_INTERVAL != 0 ||
        (!head_is_of_before(e) && !execution_set_ordered(e, s->head.steps, s->head.ordered, s->head.bodies)))
        return false;
    (void)stable_adopt(&e->stable, s->head.stable_slot, &s->head.stable_root, s->head.signers);
    s->head.signers = s->head.steps = s->head.ordered = s->head.bodies =
        (struct slice){NULL, 0}; /* of a buffer */
    s->loading = true;
    s->origins_loaded = false;
    s->leaf = 0;
    e->state_bad = true;
    e->time_us = s->head.time_us;
    return true;
}

/* Head, origins, leaves, in this order. */
enum verdict save_on_recall(struct execution *e, const struct local_recall *recall, struct slice record)
{
    unsigned kind = recall->what == RECALL_LEAF      ? RECORD_LEAF
                    : recall->what == RECALL_ORIGINS ? RECORD_ORIGINS
                                                     : RECORD_SAVED;
    struct save *s = &e->save;
    size_t len;
    bool good = record.len <= PART_BYTES + SAVE_PART_HEAD + SEALING_OVERHEAD_BYTES &&
                sealing_get(&e->sealing, kind, record, e->plaintext, &len) && !s->failed;
    struct slice plain = {e->plaintext, good ? len : 0};
    if (good && kind == RECORD_SAVED)
        good = take_head(e, plain);
    else if (good)
        good = s->loading && s->origins_loaded == (kind == RECORD_LEAF) && plain.len >= SAVE_PART_HEAD &&
               take_part(e, plain);
    if (good)
        return VERDICT_ACCEPT;
    s->failed = true; /* and what came is lost with this life */
    return VERDICT_MISMATCH;
}
