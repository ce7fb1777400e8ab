/*
 * Serving state to a peer that lags: the state as it was at a checkpoint. From that slot on, a leaf is saved before its
 * first change; all others are read live. Starts at the next checkpoint after somebody asked (at once when nothing was
 * executed since the last one) and ends when nobody asks any more.
 */
#include "execution/execution.h"

#define CHUNK_BYTES       (256u * 1024u)
#define SERVE_MEMORY_PART 8u /* at most this part of the arena for saved leaves */
#define SERVE_IDLE_SLOTS  (8u * CHECKPOINT_INTERVAL)

struct saved_leaf {
    struct saved_leaf *next;
    uint64_t leaf;
    uint32_t len;
    uint32_t cap;
    uint8_t data[];
};

/* Sinks: one counts, one copies a range. */
struct counting {
    struct redoubt_sink sink;
    size_t len;
};

static void count_write(struct redoubt_sink *sink, const void *data, size_t bytes)
{
    struct counting *c = sink->context;
    (void)data;
    c->len += bytes;
}

struct copying {
    struct redoubt_sink sink;
    uint8_t *to;
    size_t skip; /* bytes of the leaf to leave out in front */
    size_t cap;
    size_t len;
};

static void copy_write(struct redoubt_sink *sink, const void *data, size_t bytes)
{
    struct copying *c = sink->context;
    const uint8_t *from = data;
    if (c->skip >= bytes) {
        c->skip -= bytes;
        return;
    }
    from += c->skip;
    bytes -= c->skip;
    c->skip = 0;
    if (bytes > c->cap - c->len)
        bytes = c->cap - c->len;
    memcpy(c->to + c->len, from, bytes);
    c->len += bytes;
}

static size_t leaf_length(struct execution *e, uint64_t leaf)
{
    if (e->serve.saved[leaf])
        return e->serve.saved[leaf]->len;
    struct counting c = {.len = 0};
    c.sink = (struct redoubt_sink){.context = &c, .write = count_write};
    e->service->leaf_save(e->service_state, leaf, &c.sink);
    return c.len;
}

static void leaf_copy(struct execution *e, uint64_t leaf, size_t skip, uint8_t *to, size_t len)
{
    const struct saved_leaf *saved = e->serve.saved[leaf];
    if (saved) {
        memcpy(to, saved->data + skip, len);
        return;
    }
    struct copying c = {.to = to, .skip = skip, .cap = len};
    c.sink = (struct redoubt_sink){.context = &c, .write = copy_write};
    e->service->leaf_save(e->service_state, leaf, &c.sink);
    CHECK(c.len == len);
}

void serve_stop(struct execution *e)
{
    struct serve *s = &e->serve;
    while (s->all) {
        struct saved_leaf *saved = s->all;
        s->all = saved->next;
        s->saved[saved->leaf] = NULL;
        arena_free(e->arena, saved, sizeof *saved + saved->cap);
    }
    arena_free(e->arena, s->origins, s->origins_len);
    s->origins = NULL;
    s->origins_len = 0;
    s->certificate.slot = 0;
    s->saved_bytes = 0;
    memset(&s->root, 0, sizeof s->root);
    s->active = false;
}

void serve_touch(struct execution *e, uint64_t leaf)
{
    struct serve *s = &e->serve;
    if (!s->active || leaf >= s->leaf_count || s->saved[leaf])
        return;
    size_t len = leaf_length(e, leaf);
    size_t bytes = sizeof(struct saved_leaf) + len;
    struct saved_leaf *saved = NULL;
    if (s->saved_bytes + bytes <= e->arena->size / SERVE_MEMORY_PART)
        saved = arena_alloc(e->arena, bytes);
    if (!saved) {
        serve_stop(e); /* the peer asks again and gets a later checkpoint */
        return;
    }
    saved->leaf = leaf;
    saved->cap = (uint32_t)len;
    saved->len = (uint32_t)len;
    leaf_copy(e, leaf, 0, saved->data, len);
    saved->next = s->all;
    s->all = saved;
    s->saved[leaf] = saved;
    s->saved_bytes += bytes;
}

static void serve_begin(struct execution *e, slot_no slot)
{
    struct serve *s = &e->serve;
    serve_stop(e);
    s->wanted = false;
    s->slot = slot;
    s->time_us = e->time_us;
    s->leaf_count = e->service->leaf_count(e->service_state);
    size_t size = origins_size(e);
    s->origins = arena_alloc(e->arena, size);
    if (!s->origins)
        return;
    struct writer w = writer_to(s->origins, size);
    origins_save(e, &w);
    CHECK(!w.bad && w.len == size);
    s->origins_len = size;
    s->active = true;
    s->last_asked = e->executed;
}

/* The checkpoint that is served has its root now ... */
void serve_root_known(struct execution *e)
{
    if (e->serve.active && e->serve.slot == e->checkpoint_slot)
        e->serve.root = e->root;
}

/* ... and its certificate. */
void serve_certificate_known(struct execution *e)
{
    if (e->serve.active && e->serve.slot == exec_stable_slot(e))
        e->serve.certificate = e->stable.certificate;
}

void serve_at_checkpoint(struct execution *e)
{
    struct serve *s = &e->serve;
    if (s->wanted)
        serve_begin(e, e->executed);
    else if (s->active && e->executed - s->last_asked > SERVE_IDLE_SLOTS) /* nobody asks any more */
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

/* Leaves from `leaf` (its first `offset` bytes left out) as u32 total, u32 length, bytes. */
static uint64_t pack_leaves(struct execution *e, uint64_t leaf, uint32_t offset, struct writer *w)
{
    uint64_t count = 0;
    for (; leaf < e->serve.leaf_count && w->len + 64 < CHUNK_BYTES; leaf++, count++, offset = 0) {
        size_t total = leaf_length(e, leaf);
        if (offset > total)
            break;
        size_t len = total - offset;
        if (len > CHUNK_BYTES)
            len = CHUNK_BYTES;
        put_u32(w, (uint32_t)total);
        put_u32(w, (uint32_t)len);
        uint8_t *to = writer_take(w, len);
        CHECK(to != NULL);
        leaf_copy(e, leaf, offset, to, len);
        if (offset + len < total) {
            count++;
            break;
        }
    }
    return count;
}

/* A snapshot is taken at the next checkpoint when there is none that helps the asker, or only one that is so old that
 * what follows it can no longer be had by votes. Nothing was executed since the last checkpoint: at once. */
static void want_snapshot(struct execution *e, const struct ask_state *ask)
{
    struct serve *s = &e->serve;
    bool old =
        s->active && e->executed - s->slot > WINDOW && e->executed - s->last_asked > CHECKPOINT_INTERVAL;
    if (s->active && s->slot > ask->slot && !old)
        return;
    s->wanted = true;
    if (e->executed && e->checkpoint_slot == e->executed && !e->in_slot && !e->freeze.active) {
        serve_begin(e, e->executed);
        serve_root_known(e);
        serve_certificate_known(e);
    }
}

static enum verdict send_head(struct execution *e, struct state *state, replica_id to, struct outbox *out)
{
    struct serve *s = &e->serve;
    struct slice signers = {NULL, 0};
    if (digest_is_zero(&s->root))
        return VERDICT_EARLY; /* still being computed */
    if (s->certificate.slot == s->slot)
        signers = certificate_signers(&s->certificate);
    struct writer w = writer_to(e->scratch, FRAME_MAX);
    state_head_put(&w, &(struct state_head){.time_us = s->time_us,
                                            .root = s->root,
                                            .signers = signers,
                                            .origins_len = (uint32_t)s->origins_len});
    send_state(e, to, state, (struct slice){e->scratch, w.len}, out);
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
    if (ask.what == STATE_HEAD)
        want_snapshot(e, &ask);
    if (!s->active || (ask.what == STATE_HEAD && s->slot <= ask.slot))
        return VERDICT_EARLY;
    struct state state = {.replica = frame->sender.id,
                          .slot = s->slot,
                          .what = ask.what,
                          .leaf = ask.leaf,
                          .offset = ask.offset,
                          .leaf_count = s->leaf_count};
    if (ask.what == STATE_HEAD)
        return send_head(e, &state, frame->sender.id, out);
    if (ask.slot != s->slot)
        return VERDICT_STALE;
    s->last_asked = e->executed;
    if (ask.what == STATE_ORIGINS) {
        if (ask.offset >= s->origins_len)
            return VERDICT_STALE;
        size_t len = s->origins_len - ask.offset < CHUNK_BYTES ? s->origins_len - ask.offset : CHUNK_BYTES;
        send_state(e, frame->sender.id, &state, (struct slice){s->origins + ask.offset, len}, out);
        return VERDICT_ACCEPT;
    }
    if (ask.leaf >= s->leaf_count)
        return VERDICT_STALE;
    struct writer w = writer_to(e->scratch, 2 * CHUNK_BYTES + 64);
    state.count = pack_leaves(e, ask.leaf, ask.offset, &w);
    send_state(e, frame->sender.id, &state, (struct slice){e->scratch, w.len}, out);
    return VERDICT_ACCEPT;
}
