/*
 * Saving a checkpoint: on its host's word, at the next checkpoint slot, E hands out all leaves that changed since it last
 * did, sealed, and the origin table, in pieces that the host asks for one by one. It goes on executing: a leaf that is due and about
 * to change is held as it was, until it is given. Where there is no room for that, or the service has a process of its own,
 * the next attempt stands still: nothing is executed while it lasts. Loading is the way back, believed only when the whole
 * gives the root that was sealed with it.
 */
#include "execution/execution.h"

#define LEAF_LOAD_MAX (64u * 1024u * 1024u)
#define HELD_PART     8u /* at most this part of the arena for leaves that are held */

/* A leaf as it was at the checkpoint that is being saved; bytes up to `at` were given. */
struct held_leaf {
    struct held_leaf *next;
    uint64_t leaf;
    size_t len, at;
    uint8_t data[];
};

static void held_drop(struct execution *e)
{
    struct save *s = &e->save;
    struct held_leaf *held = s->held;
    s->held = held->next;
    if (!s->held)
        s->held_last = NULL;
    s->held_bytes -= sizeof *held + held->len;
    arena_free(e->arena, held, sizeof *held + held->len);
}

/* What is no longer needed of a save that is through, or given up. */
static void forget(struct execution *e)
{
    struct save *s = &e->save;
    while (s->held)
        held_drop(e);
    arena_free(e->arena, s->origins, s->origins_cap);
    s->origins = NULL;
    s->origins_cap = 0;
    arena_free(e->arena, s->plain, s->plain_cap);
    s->plain = NULL;
    s->plain_cap = 0;
    s->active = false;
}

/* What was due, and was given to no purpose, is so again. */
static void give_up(struct execution *e)
{
    struct save *s = &e->save;
    forget(e);
    s->head_given = false;
    for (uint64_t word = 0; word <= s->leaf_count / 64 && word < LEAVES_MAX / 64; word++) {
        s->dirty[word] |= s->due[word];
        s->due[word] = 0;
    }
}

/* All of it is stored. */
static void settle(struct execution *e)
{
    struct save *s = &e->save;
    s->head_given = false;
    s->still = e->config.apart != NULL;
    memset(s->due, 0, (s->leaf_count / 64 + 1 < LEAVES_MAX / 64 ? s->leaf_count / 64 + 1 : LEAVES_MAX / 64) * 8);
}

static bool hold(struct execution *e, uint64_t leaf)
{
    struct save *s = &e->save;
    size_t len, total = execution_leaf_part(e, leaf, 0, NULL, 0, &len), bytes = sizeof(struct held_leaf) + total;
    if (s->held_bytes + bytes > e->arena->size / HELD_PART)
        return false;
    struct held_leaf *held = arena_alloc(e->arena, bytes);
    if (!held)
        return false;
    *held = (struct held_leaf){.leaf = leaf, .len = total};
    (void)execution_leaf_part(e, leaf, 0, held->data, total, &len);
    CHECK(len == total);
    if (leaf == s->leaf) {
        held->at = s->leaf_at; /* parts of one leaf come one behind the other */
        s->leaf_at = 0;
        held->next = held->at ? s->held : NULL;
    }
    if (held->at) {
        s->held = held;
    } else if (s->held_last) {
        s->held_last->next = held;
    } else {
        s->held = held;
    }
    if (!held->next)
        s->held_last = held;
    s->held_bytes += bytes;
    s->due[leaf / 64] &= ~(1ull << leaf % 64);
    return true;
}

void save_touch(struct execution *e, uint64_t leaf)
{
    struct save *s = &e->save;
    bool due = s->active && leaf < s->leaf_count && leaf >= s->leaf && s->due[leaf / 64] >> leaf % 64 & 1;
    if (due && !mutant(MUTANT_SAVED_UNHELD) && (s->still || !hold(e, leaf))) {
        give_up(e);
        s->wanted = s->still = true;
    }
    s->dirty[leaf / 64] |= 1ull << leaf % 64;
}

void save_touch_from(struct execution *e, uint64_t first, uint64_t end)
{
    for (; e->sealing.on && first < end; first++)
        save_touch(e, first);
}

void save_init(struct execution *e, struct arena *arena)
{
    e->save.dirty = arena_take(arena, LEAVES_MAX / 8);
    e->save.due = arena_take(arena, LEAVES_MAX / 8);
    e->save.still = e->config.apart != NULL;
    memset(e->save.dirty, 0xff, LEAVES_MAX / 8); /* nothing is saved yet */
}

bool save_stands_still(const struct execution *e)
{
    return e->save.active && e->save.still;
}

void save_interrupt(struct execution *e)
{
    if (!e->save.active && !e->save.head_given)
        return;
    give_up(e);
    e->save.wanted = true;
}

/* All records, each behind its length. */
static size_t records_size(const struct execution *e)
{
    size_t size = 0;
    for (uint32_t i = 0; i < records_count(e); i++)
        size += 4 + record_size(e, i);
    return size;
}

static void records_save(struct execution *e, struct writer *w)
{
    for (uint32_t i = 0; i < records_count(e); i++) {
        put_u32(w, (uint32_t)record_size(e, i));
        record_save(e, i, w);
    }
}

static bool records_load(struct execution *e, struct reader *r)
{
    for (uint32_t i = 0; i < records_count(e); i++) {
        struct slice record = get_slice(r);
        if (r->bad || !record_load(e, i, record))
            return false;
    }
    return reader_done(r);
}

static void put_certificate(const struct execution *e, struct saved_head *head)
{
    head->stable_slot = e->stable.certificate.slot;
    head->stable_root = e->stable.certificate.root;
    head->signers = certificate_signers(&e->stable.certificate);
}

/* As it is now; the certificate may be a later one when it is given. */
static bool head_keep(struct execution *e)
{
    struct save *s = &e->save;
    struct ordered_lists lists;
    uint8_t plain[sizeof e->stable.certificate.signers + sizeof lists + 160];
    execution_put_ordered(e, &lists);
    struct saved_head head = {.cluster = e->auth.cluster,
                              .slot = e->executed,
                              .root = e->root,
                              .time_us = e->time_us,
                              .leaf_count = e->service->leaf_count(e->service_state),
                              .origins_len = s->origins_cap,
                              .steps = lists.steps,
                              .ordered = lists.ordered,
                              .bodies = lists.bodies};
    put_certificate(e, &head);
    struct writer w = writer_to(plain, sizeof plain);
    saved_head_put(&w, &head);
    CHECK(!w.bad);
    s->plain = arena_alloc(e->arena, w.len);
    s->plain_cap = s->plain ? w.len : 0;
    if (s->plain)
        memcpy(s->plain, plain, w.len);
    return s->plain != NULL;
}

static bool origins_keep(struct execution *e)
{
    struct save *s = &e->save;
    s->origins_cap = records_size(e);
    s->origins = arena_alloc(e->arena, s->origins_cap);
    if (!s->origins)
        return false;
    struct writer w = writer_to(s->origins, s->origins_cap);
    records_save(e, &w);
    CHECK(!w.bad && w.len == s->origins_cap);
    return true;
}

/* What changed up to now is due; leaves from the count on stay marked until they are there. */
static void leaves_due(struct save *s)
{
    for (uint64_t word = 0; word <= s->leaf_count / 64 && word < LEAVES_MAX / 64; word++) {
        uint64_t left = s->leaf_count - word * 64, there = left < 64 ? (1ull << left) - 1 : ~0ull;
        s->due[word] = s->dirty[word] & there;
        s->dirty[word] &= ~there;
    }
}

/* The checkpoint of this slot was just made; its root is known. */
void save_begin(struct execution *e, struct outbox *out)
{
    struct save *s = &e->save;
    give_up(e); /* one under way is of a state that is gone */
    s->wanted = false;
    if (!origins_keep(e) || !head_keep(e)) {
        forget(e);
        return; /* the host asks again */
    }
    s->active = true;
    s->slot = e->executed;
    s->number = 0;
    s->leaf = 0;
    s->leaf_at = 0;
    s->origins_at = 0;
    s->leaf_count = e->service->leaf_count(e->service_state);
    leaves_due(s);
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
    while (s->origins_at < s->origins_cap && w->len < SAVE_PIECE_BYTES) {
        size_t left = s->origins_cap - s->origins_at, len = left < SAVE_PART_BYTES ? left : SAVE_PART_BYTES;
        memcpy(e->results + SAVE_PART_HEAD, s->origins + s->origins_at, len);
        put_part(e, w, RECALL_ORIGINS, RECORD_ORIGINS, 0, s->origins_cap, s->origins_at, len);
        s->origins_at += len;
    }
}

static bool next_due(struct save *s)
{
    while (s->leaf < s->leaf_count) {
        uint64_t word = s->due[s->leaf / 64] >> (s->leaf % 64);
        if (word) {
            s->leaf += (unsigned)__builtin_ctzll(word);
            return s->leaf < s->leaf_count;
        }
        s->leaf = (s->leaf / 64 + 1) * 64;
    }
    return false;
}

/* The next part of the leaf at which it is. */
static void put_due(struct execution *e, struct writer *w)
{
    struct save *s = &e->save;
    size_t len, total = execution_leaf_part(e, s->leaf, s->leaf_at, e->results + SAVE_PART_HEAD, SAVE_PART_BYTES, &len);
    put_part(e, w, RECALL_LEAF, RECORD_LEAF, s->leaf, total, s->leaf_at, len);
    s->leaf_at += len;
    if (s->leaf_at < total)
        return;
    s->leaf++;
    s->leaf_at = 0;
}

static void put_held(struct execution *e, struct writer *w)
{
    struct held_leaf *held = e->save.held;
    size_t left = held->len - held->at, len = left < SAVE_PART_BYTES ? left : SAVE_PART_BYTES;
    memcpy(e->results + SAVE_PART_HEAD, held->data + held->at, len);
    put_part(e, w, RECALL_LEAF, RECORD_LEAF, held->leaf, held->len, held->at, len);
    held->at += len;
    if (held->at == held->len)
        held_drop(e);
}

/* One leaf after the other, and those that are held first: they take up memory. */
static void put_leaves(struct execution *e, struct writer *w)
{
    struct save *s = &e->save;
    while (w->len < SAVE_PIECE_BYTES) {
        if (s->held && s->leaf_at == 0)
            put_held(e, w);
        else if (next_due(s))
            put_due(e, w);
        else
            return;
    }
}

static void put_head(struct execution *e, struct writer *w)
{
    struct save *s = &e->save;
    struct saved_head head;
    CHECK(saved_head_decode((struct slice){s->plain, s->plain_cap}, &head));
    put_certificate(e, &head);
    struct writer plain = writer_to(e->results, REPLY_BODY_MAX);
    saved_head_put(&plain, &head);
    CHECK(!plain.bad);
    put_item(e, w, RECALL_SAVED, 0, RECORD_SAVED, (struct slice){e->results, plain.len});
    s->head_given = true;
}

static void give_piece(struct execution *e, struct outbox *out)
{
    struct save *s = &e->save;
    uint8_t body[32];
    struct writer w = writer_to(e->scratch, FRAME_MAX - 4096), b = writer_to(body, sizeof body);
    put_origins(e, &w);
    put_leaves(e, &w);
    if (w.len < SAVE_PIECE_BYTES)
        put_head(e, &w);
    CHECK(!w.bad);
    local_saved_put(
        &b, &(struct local_saved){
                .slot = s->slot, .number = ++s->number, .last = s->head_given, .leaf_count = s->leaf_count});
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_SAVED, (struct slice){body, b.len},
                    (struct slice){e->scratch, w.len});
    s->owed = true;
    if (s->head_given)
        forget(e);
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
    s->owed = false;
    if (s->active && s->number == 0) { /* it was begun while a piece of another was under way */
        give_piece(e, out);
        return VERDICT_ACCEPT;
    }
    if (save.number == SAVE_GIVEN_UP) {
        give_up(e);
        return VERDICT_ACCEPT;
    }
    if (save.number != s->number)
        return VERDICT_STALE;
    if (s->active) {
        give_piece(e, out);
        return VERDICT_ACCEPT;
    }
    if (!s->head_given)
        return VERDICT_STALE;
    settle(e);
    if (s->behind) {
        s->behind = false;
        if (e->checkpoint_slot > exec_stable_slot(e) && !e->freeze.active)
            checkpoint_sign(e, out);
    }
    return VERDICT_ACCEPT;
}

void save_first_piece(struct execution *e, struct outbox *out)
{
    if (e->save.active && e->save.number == 0 && !e->save.owed)
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
    if (e->service->leaf_count(e->service_state) != s->head.leaf_count)
        return false;
    merkle_reset(&e->leaves, s->head.leaf_count);
    records_digest(e, &origins);
    checkpoint_root(e, s->head.slot, e->time_us, s->head.leaf_count, &origins, &root);
    if (!digest_equal(&root, &s->head.root))
        return false;
    e->executed = s->head.slot;
    e->checkpoint_slot = s->head.slot;
    e->root = root;
    e->remembered_from = s->head.slot + 1;
    s->loading = false;
    e->state_bad = false;
    for (uint64_t word = 0; word <= s->head.leaf_count / 64 && word < LEAVES_MAX / 64; word++)
        s->dirty[word] = 0; /* leaves beyond are not there: they stay marked */
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

/* The sealing key is the platform's, who may have been a member of other clusters: what is not of this one's is none. */
static bool take_head(struct execution *e, struct slice plain)
{
    struct save *s = &e->save;
    if (s->loading || !e->based || e->executed || !saved_head_decode(plain, &s->head) ||
        memcmp(&s->head.cluster, &e->auth.cluster, sizeof s->head.cluster) != 0 || s->head.leaf_count == 0 ||
        s->head.leaf_count > LEAVES_MAX || s->head.slot % CHECKPOINT_INTERVAL != 0 ||
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
    bool good = record.len <= BUNDLE_BODY_MAX &&
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
