/*
 * Serving state to peers that lag: the state as it was at a checkpoint. From that slot on, a leaf is saved before its
 * first change; all others are read live. Merkle tree and origins are copied: both are small beside the leaves. Starts at
 * the next checkpoint after somebody asked (at once when nothing was executed since the last one) and ends when nobody asks
 * any more. One state for all who ask: it is not replaced while somebody else is at it, but not kept for ever either,
 * so that no E can keep others from a state by asking. How fast it goes is the host's: it hands questions over one by one.
 *
 * With hybster f+1 replicas make a checkpoint stable, and f of them may be gone the moment after: then one correct replica alone has that
 * state, and nobody believes it another. So E keeps the state of its stable checkpoint, whoever asks or not, and beside it (`later`) that of the next
 * checkpoint, until that is stable. Two will do: the window ends two checkpoints above the stable one. When what changes since does not fit, the
 * later one goes first; then the stable one, and the next begins at a checkpoint, or when somebody asks and nothing was executed since.
 */
#include "execution/execution.h"

#define SERVE_MEMORY_PART 8u /* at most this part of the arena for saved leaves */
#define SERVE_IDLE_SLOTS  (8u * CHECKPOINT_INTERVAL)
#define SERVE_BUSY_SLOTS  (2u * CHECKPOINT_INTERVAL) /* asked so long ago: no longer at it */
#define SERVE_KEEP_SLOTS  (8u * CHECKPOINT_INTERVAL) /* older than this: replaced whoever is at it */

struct saved_leaf {
    struct saved_leaf *next;
    uint64_t leaf;
    uint32_t len;
    uint32_t cap;
    uint8_t data[];
};

static size_t leaf_length(struct execution *e, const struct serve *s, uint64_t leaf)
{
    if (s->saved[leaf])
        return s->saved[leaf]->len;
    size_t none;
    return execution_leaf_part(e, leaf, 0, NULL, 0, &none);
}

static void leaf_copy(struct execution *e, const struct serve *s, uint64_t leaf, size_t skip, uint8_t *to,
                      size_t len)
{
    const struct saved_leaf *saved = s->saved[leaf];
    if (saved) {
        memcpy(to, saved->data + skip, len);
        return;
    }
    size_t copied;
    (void)execution_leaf_part(e, leaf, skip, to, len, &copied);
    CHECK(copied == len);
}

static void stop(struct execution *e, struct serve *s)
{
    while (s->all) {
        struct saved_leaf *saved = s->all;
        s->all = saved->next;
        s->saved[saved->leaf] = NULL;
        arena_free(e->arena, saved, sizeof *saved + saved->cap);
    }
    if (s->active && e->config.apart)
        e->config.apart->serve(e->service_state, 0);
    arena_free(e->arena, s->records, s->records_len);
    s->records = NULL;
    s->records_len = 0;
    s->certificate.slot = 0;
    s->saved_bytes = 0;
    s->known = false;
    s->active = false;
}

void serve_stop(struct execution *e)
{
    stop(e, &e->serve);
    stop(e, &e->later);
}

static bool keeps_stable(const struct execution *e)
{
    return e->config.keeps_stable && !e->config.apart;
}

/* Where two are kept, the stable one may take the other's part too. */
static struct saved_leaf *leaf_room(struct execution *e, const struct serve *s, size_t bytes)
{
    size_t part = e->arena->size / SERVE_MEMORY_PART;
    size_t used = s->saved_bytes;
    if (keeps_stable(e) && s == &e->serve) {
        part *= 2;
        used += e->later.saved_bytes;
    }
    return used + bytes <= part ? arena_alloc(e->arena, bytes) : NULL;
}

static void touch(struct execution *e, struct serve *s, uint64_t leaf)
{
    if (!s->active || leaf >= s->leaf_count || s->saved[leaf])
        return;
    size_t len = leaf_length(e, s, leaf);
    struct saved_leaf *saved = leaf_room(e, s, sizeof(struct saved_leaf) + len);
    if (!saved && s == &e->serve && e->later.active) {
        stop(e,
             &e->later); /* the one that is stable counts for more; another is begun at the next checkpoint */
        saved = leaf_room(e, s, sizeof *saved + len);
    }
    if (!saved) {
        stop(e, s); /* the peer asks again and gets a later checkpoint */
        return;
    }
    saved->leaf = leaf;
    saved->cap = (uint32_t)len;
    saved->len = (uint32_t)len;
    leaf_copy(e, s, leaf, 0, saved->data, len);
    saved->next = s->all;
    s->all = saved;
    s->saved[leaf] = saved;
    s->saved_bytes += sizeof *saved + len;
}

void serve_touch(struct execution *e, uint64_t leaf)
{
    touch(e, &e->serve, leaf);
    touch(e, &e->later, leaf);
}

/* The records as they are now; false when there is no room. */
static bool records_copy(struct execution *e, struct serve *s)
{
    size_t size = 0;
    for (uint32_t i = 0; i < records_count(e); i++)
        size += record_size(e, i);
    s->records = arena_alloc(e->arena, size);
    if (!s->records)
        return false;
    s->records_len = size;
    struct writer w = writer_to(s->records, size);
    records_digest(e, &s->origins);
    for (uint32_t i = 0; i < records_count(e); i++) {
        s->record_at[i] = (uint32_t)w.len;
        s->record_digest[i] = *record_digest(e, i);
        record_save(e, i, &w);
    }
    s->record_at[records_count(e)] = (uint32_t)w.len;
    CHECK(!w.bad && w.len == size);
    return true;
}

static void serve_begin(struct execution *e, struct serve *s, slot_no slot)
{
    stop(e, s);
    s->wanted = false;
    s->slot = slot;
    s->time_us = e->time_us;
    s->leaf_count = e->service->leaf_count(e->service_state);
    if (!records_copy(e, s))
        return;
    s->active = true;
    if (e->config.apart)
        e->config.apart->serve(e->service_state, s->leaf_count);
    for (unsigned r = 0; r < SERVE_ASKERS; r++)
        s->asked[r] = 0;
}

static slot_no last_asked(const struct serve *s)
{
    slot_no last = s->slot;
    for (unsigned r = 0; r < SERVE_ASKERS; r++)
        last = s->asked[r] > last ? s->asked[r] : last;
    return last;
}

/* The checkpoint that is served has its root now ... */
static void root_known(struct execution *e, struct serve *s)
{
    if (!s->active || s->known || s->slot != e->checkpoint_slot || e->freeze.active)
        return;
    merkle_copy(s->tree, &e->leaves, s->leaf_count);
    s->leaves = s->tree->level[merkle_top(s->leaf_count)].node[0];
    s->known = true;
}

void serve_root_known(struct execution *e)
{
    root_known(e, &e->serve);
    root_known(e, &e->later);
}

static void promote(struct execution *e)
{
    if (!e->later.active || e->later.slot > exec_stable_slot(e))
        return;
    struct serve before = e->serve;
    e->serve = e->later;
    e->later = before;
    stop(e, &e->later);
    memcpy(e->serve.asked, before.asked, sizeof before.asked);
    memcpy(e->serve.awaited, before.awaited, sizeof before.awaited);
}

/* At a checkpoint, or when one became stable. The next is begun before anything above it is executed. */
static void keep_stable(struct execution *e)
{
    promote(e);
    bool at_checkpoint = e->executed && e->executed % CHECKPOINT_INTERVAL == 0 && !e->in_slot;
    slot_no newest = e->later.active ? e->later.slot : e->serve.active ? e->serve.slot : 0;
    if (at_checkpoint && newest < e->executed && !e->later.active && !state_unusable(e)) {
        serve_begin(e, &e->later, e->executed);
        serve_root_known(e);
        promote(e);
    }
}

/* ... and its certificate. */
void serve_certificate_known(struct execution *e)
{
    if (keeps_stable(e))
        keep_stable(e);
    if (e->serve.active && e->serve.slot == exec_stable_slot(e))
        e->serve.certificate = e->stable.certificate;
}

void serve_at_checkpoint(struct execution *e)
{
    struct serve *s = &e->serve;
    if (keeps_stable(e))
        keep_stable(e);
    else if (s->wanted)
        serve_begin(e, s, e->executed);
    else if (s->active && e->executed - last_asked(s) > SERVE_IDLE_SLOTS) /* nobody asks any more */
        serve_stop(e);
}

static void send_state(struct execution *e, replica_id to, struct state *state, struct slice plain,
                       struct outbox *out)
{
    const struct secret_key *pair =
        auth_pair_key(&e->auth, e->auth.one_domain ? KIND_HOST : KIND_EXECUTION, to);
    struct secret_key key;
    uint8_t nonce[12];
    uint32_t self = e->config.replica;
    if (!pair)
        return;
    key_derive(&key, pair, "redoubt state", &self, sizeof self); /* one key for each direction */
    state->nonce = ++e->state_counter;
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    state_put(&w, state);
    reply_nonce(nonce, state->nonce);
    uint8_t *sealed = e->results; /* free between bundles */
    aead_seal(sealed, &key, nonce, body, w.len, plain.data, plain.len);
    crypto_wipe(&key, sizeof key);
    auth_emit_plain(&e->auth, out, FRAME_STATE, (struct slice){body, w.len},
                    (struct slice){sealed, plain.len + AEAD_TAG_BYTES});
}

/* --- what a piece consists of ------------------------------------------------------------------------------------ */

static size_t item_length(struct execution *e, unsigned what, uint64_t index)
{
    const struct serve *s = &e->serve;
    return what == STATE_LEAVES ? leaf_length(e, s, index) : s->record_at[index + 1] - s->record_at[index];
}

static void item_copy(struct execution *e, unsigned what, uint64_t index, size_t skip, uint8_t *to,
                      size_t len)
{
    if (what == STATE_LEAVES)
        leaf_copy(e, &e->serve, index, skip, to, len);
    else
        memcpy(to, e->serve.records + e->serve.record_at[index] + skip, len);
}

/* A leaf or record, if it fits; the first may be a part of it. False: no more after this one. */
static bool pack_item(struct execution *e, unsigned what, uint64_t index, size_t offset, struct writer *w)
{
    size_t total = item_length(e, what, index);
    if (offset > total || total > UINT32_MAX)
        return false;
    size_t len = total - offset;
    if (w->len && w->len + 8 + len > STATE_PIECE_BYTES)
        return false;
    if (len > STATE_PIECE_BYTES)
        len = STATE_PIECE_BYTES;
    put_u32(w, (uint32_t)total);
    put_u32(w, (uint32_t)len);
    uint8_t *to = writer_take(w, len);
    CHECK(to != NULL);
    item_copy(e, what, index, offset, to, len);
    return offset + len == total;
}

/* The digests of those children of a node that do not begin as the asker's (hints; NULL: all). */
static bool pack_node(const struct execution *e, unsigned level, uint64_t index, const uint8_t *hints,
                      struct writer *w)
{
    const struct digest *child = &e->serve.tree->level[level - 1].node[index * MERKLE_ARITY];
    uint32_t count = merkle_children(e->serve.leaf_count, level, index);
    uint16_t sent = 0;
    if (w->len && w->len + sizeof sent + count * sizeof *child > STATE_PIECE_BYTES)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!hints || memcmp(child[i].bytes, hints + i * STATE_HINT_BYTES, STATE_HINT_BYTES) != 0)
            sent |= (uint16_t)(1u << i);
    put_u16(w, sent);
    for (uint32_t i = 0; i < count; i++)
        if (sent >> i & 1)
            put_raw(w, child[i].bytes, sizeof *child);
    return true;
}

/* How many numbers there are to ask for. */
static uint64_t numbers(const struct execution *e, const struct ask_state *ask)
{
    if (ask->what == STATE_RECORDS)
        return records_count(e);
    return merkle_width(e->serve.leaf_count, ask->what == STATE_NODES ? ask->level : 0);
}

static void pack(struct execution *e, const struct ask_state *ask, struct writer *w)
{
    uint64_t end = numbers(e, ask);
    const uint8_t *hints = ask->hints.len ? ask->hints.data : NULL;
    bool more = true;
    for (uint32_t i = 0; more && i < 8 * ask->wanted.len && i < end - ask->first; i++) {
        if (!(ask->wanted.data[i / 8] >> i % 8 & 1))
            continue;
        if (ask->what == STATE_NODES) {
            more = pack_node(e, ask->level, ask->first + i, hints, w);
            hints = hints ? hints + STATE_HINT_BYTES * MERKLE_ARITY : NULL;
        } else
            more = pack_item(e, ask->what, ask->first + i, w->len ? 0 : ask->offset, w);
    }
}

static size_t hints_wanted(struct slice wanted)
{
    size_t nodes = 0;
    for (size_t i = 0; i < wanted.len; i++)
        nodes += (unsigned)__builtin_popcount(wanted.data[i]);
    return nodes * STATE_HINT_BYTES * MERKLE_ARITY;
}

static bool ask_fits(const struct execution *e, const struct ask_state *ask)
{
    if (ask->what == STATE_DIGESTS)
        return true;
    if (ask->what == STATE_NODES && (ask->level == 0 || ask->level > merkle_top(e->serve.leaf_count)))
        return false;
    if (ask->hints.len && (ask->what != STATE_NODES || ask->hints.len != hints_wanted(ask->wanted)))
        return false;
    return ask->wanted.len > 0 && ask->wanted.len <= STATE_ASK_BITS / 8 && ask->first < numbers(e, ask);
}

/* --- questions --------------------------------------------------------------------------------------------------- */

/* May the state that is served be replaced for this peer? */
static bool replaceable(const struct execution *e, replica_id by)
{
    const struct serve *s = &e->serve;
    if (e->executed - s->slot > SERVE_KEEP_SLOTS)
        return true;
    for (unsigned r = 0; r < SERVE_ASKERS; r++)
        if (r != by && s->asked[r] && e->executed - s->asked[r] < SERVE_BUSY_SLOTS)
            return false;
    return true;
}

/* A snapshot is taken at the next checkpoint when there is none that helps the asker, or only one that is so old that
 * what follows it can no longer be had by votes. Nothing was executed since the last checkpoint: at once. */
static void want_snapshot(struct execution *e, const struct ask_state *ask, replica_id by)
{
    struct serve *s = &e->serve;
    if (keeps_stable(e) && (s->active || e->later.active))
        return; /* else there was no room for what changed since, and it begins anew like the others */
    bool old =
        s->active && e->executed - s->slot > WINDOW && e->executed - last_asked(s) > CHECKPOINT_INTERVAL;
    if (s->slot <= ask->slot)
        s->asked[by] =
            0; /* it is through with this one; else two who wait for the next would each keep it for the other */
    if (s->active && ((s->slot > ask->slot && !old) || !replaceable(e, by)))
        return;
    s->wanted = true;
    if (e->executed && e->checkpoint_slot == e->executed && !e->in_slot && !e->freeze.active) {
        serve_begin(e, s, e->executed);
        serve_root_known(e);
        serve_certificate_known(e);
    }
}

static enum verdict send_head(struct execution *e, replica_id to, struct outbox *out)
{
    struct serve *s = &e->serve;
    struct slice signers = {NULL, 0};
    if (s->certificate.slot == s->slot)
        signers = certificate_signers(&s->certificate);
    struct state state = {.replica = to, .slot = s->slot, .what = STATE_HEAD};
    struct writer w = writer_to(e->scratch, FRAME_MAX);
    state_head_put(&w, &(struct state_head){.time_us = s->time_us,
                                            .leaf_count = s->leaf_count,
                                            .leaves = s->leaves,
                                            .origins = s->origins,
                                            .signers = signers});
    send_state(e, to, &state, (struct slice){e->scratch, w.len}, out);
    return VERDICT_ACCEPT;
}

void serve_flush(struct execution *e, struct outbox *out)
{
    struct serve *s = &e->serve;
    if (!s->active || !s->known || s->wanted || s->certificate.slot != s->slot)
        return;
    for (replica_id r = 0; r < e->configuration.replicas; r++)
        if (s->awaited[r]) {
            s->awaited[r] = false;
            (void)send_head(e, r, out);
        }
}

static enum verdict send_piece(struct execution *e, const struct ask_state *ask, replica_id to,
                               struct outbox *out)
{
    struct state state = {.replica = to, .slot = ask->slot, .what = ask->what, .number = ask->number};
    struct writer w = writer_to(e->scratch, FRAME_MAX);
    if (ask->what == STATE_DIGESTS)
        put_raw(&w, e->serve.record_digest->bytes, records_count(e) * sizeof(struct digest));
    else
        pack(e, ask, &w);
    if (w.len == 0)
        return VERDICT_STALE; /* an offset beyond the end */
    send_state(e, to, &state, (struct slice){e->scratch, w.len}, out);
    return VERDICT_ACCEPT;
}

enum verdict execution_on_ask_state(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct ask_state ask;
    struct serve *s = &e->serve;
    if (!ask_state_decode(frame->body, &ask) || ask.what > STATE_LEAVES)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION || ask.replica != e->config.replica)
        return VERDICT_UNEXPECTED;
    enum verdict verdict = auth_check_mac(&e->auth, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (state_unusable(e))
        return VERDICT_EARLY;
    if (ask.what == STATE_HEAD) {
        want_snapshot(e, &ask, frame->sender.id);
        s->awaited[frame->sender.id] = s->wanted || !s->known;
    }
    if (!s->active || !s->known || (ask.what == STATE_HEAD && s->slot <= ask.slot))
        return VERDICT_EARLY;
    if (ask.what == STATE_HEAD || ask.slot != s->slot)
        return send_head(e, frame->sender.id, out); /* asked about another: it learns what there is */
    s->asked[frame->sender.id] = e->executed;
    return ask_fits(e, &ask) ? send_piece(e, &ask, frame->sender.id, out) : VERDICT_STALE;
}

/* --- for a backup -------------------------------------------------------------------------------------------------- */

size_t serve_leaf_length(struct execution *e, uint64_t leaf)
{
    return leaf_length(e, &e->serve, leaf);
}

void serve_leaf_copy(struct execution *e, uint64_t leaf, size_t skip, uint8_t *to, size_t len)
{
    leaf_copy(e, &e->serve, leaf, skip, to, len);
}

bool serve_for_backup(struct execution *e, slot_no above)
{
    struct serve *s = &e->serve;
    bool there = s->active && s->slot > above;
    s->asked[SERVE_ADMINISTRATOR] = e->executed;
    if (there && s->known && s->certificate.slot == s->slot)
        return true;
    if (keeps_stable(e))
        return false;
    /* The next one: there is none, or an older one, or one whose certificate was passed over. */
    if (!s->active || (!there && replaceable(e, SERVE_ADMINISTRATOR)) ||
        (there && s->known && exec_stable_slot(e) > s->slot))
        s->wanted = true;
    return false;
}
