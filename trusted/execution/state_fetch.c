/*
 * Fetching state: head first, then leaves in order, from one peer at a time. Nothing is believed until the whole gives the
 * root of the certificate that 2f+1 E signed; if it does not, the state is dropped and another peer is asked.
 */
#include "execution/execution.h"

#define LEAF_BYTES_MAX (64u * 1024u * 1024u)

void fetch_ask(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    struct ask_state ask = {.replica = f->peer, .slot = exec_stable_slot(e), .what = 0};
    if (f->active) {
        ask.slot = f->slot;
        ask.what = 1;
        ask.leaf = f->next_leaf;
        ask.offset = f->partial_len;
    }
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    ask_state_put(&w, &ask);
    auth_emit_mac(&e->auth, out, FRAME_ASK_STATE, (struct slice){body, w.len}, KIND_EXECUTION, f->peer,
                  (struct slice){NULL, 0});
}

static void drop_partial(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    arena_free(e->arena, f->partial, f->partial_total);
    f->partial = NULL;
    f->partial_total = 0;
    f->partial_len = 0;
}

/* The state is unusable until a transfer succeeds. */
static enum verdict fail(struct execution *e, enum verdict verdict)
{
    drop_partial(e);
    e->fetch.active = false;
    e->state_bad = true;
    return verdict;
}

static enum verdict on_head(struct execution *e, const struct state *state, struct slice plain)
{
    struct fetch_state *f = &e->fetch;
    struct reader r = reader_of(plain.data, plain.len);
    if (f->active)
        return VERDICT_DUPLICATE;
    if (state->slot <= e->executed && !e->state_bad)
        return VERDICT_STALE;
    /* Only a root that a correct E vouches for can be verified at the end: the stable one, or a later one that f+1 signed
     * (others may be stuck at the end of their window until this E signs it too). */
    struct digest root = e->stable.certificate.root;
    if (state->slot < exec_stable_slot(e))
        return VERDICT_STALE;
    if (state->slot != exec_stable_slot(e) &&
        !stable_vouched(&e->stable, state->slot, quorum_one_correct(&e->configuration), &root))
        return VERDICT_EARLY;
    uint64_t time_us = get_u64(&r);
    uint64_t leaf_count = get_u64(&r);
    if (r.bad || leaf_count == 0 || leaf_count > LEAVES_MAX)
        return VERDICT_MALFORMED;
    serve_stop(e);
    e->serve.wanted = false;
    e->freeze.active = false;
    e->in_slot = false;
    memset(e->pending, 0, LEAVES_MAX / 8);
    memset(e->dirty, 0, LEAVES_MAX / 8);
    f->active = true;
    f->slot = state->slot;
    f->root = root;
    f->leaf_count = leaf_count;
    f->next_leaf = 0;
    e->time_us = time_us;
    if (!origins_load(e, &r) || !reader_done(&r))
        return fail(e, VERDICT_MALFORMED);
    e->service->reset(e->service_state, leaf_count);
    return VERDICT_ACCEPT;
}

static bool load_leaf(struct execution *e, const uint8_t *data, size_t len)
{
    struct digest digest;
    if (!e->service->leaf_load(e->service_state, e->fetch.next_leaf, data, len))
        return false;
    e->service->leaf_digest(e->service_state, e->fetch.next_leaf, digest.bytes);
    merkle_set(&e->leaves, e->fetch.next_leaf, &digest);
    e->fetch.next_leaf++;
    return true;
}

/* One element of a chunk: a leaf, or a piece of a large one. */
static enum verdict load_piece(struct execution *e, uint32_t total, struct slice piece)
{
    struct fetch_state *f = &e->fetch;
    if (total > LEAF_BYTES_MAX || piece.len > total || (piece.len == 0 && total != 0))
        return VERDICT_MALFORMED;
    if (!f->partial && piece.len == total)
        return load_leaf(e, piece.data, piece.len) ? VERDICT_ACCEPT : VERDICT_MALFORMED;
    if (!f->partial) {
        f->partial = arena_alloc(e->arena, total);
        if (!f->partial)
            return VERDICT_LIMIT;
        f->partial_total = total;
    }
    if (total != f->partial_total || piece.len > total - f->partial_len)
        return VERDICT_MALFORMED;
    memcpy(f->partial + f->partial_len, piece.data, piece.len);
    f->partial_len += (uint32_t)piece.len;
    if (f->partial_len < total)
        return VERDICT_ACCEPT;
    bool loaded = load_leaf(e, f->partial, total);
    drop_partial(e);
    return loaded ? VERDICT_ACCEPT : VERDICT_MALFORMED;
}

/* All leaves are here: is it the state that 2f+1 signed? */
static enum verdict complete(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    struct digest origins, root;
    /* The touches of loading mean nothing: every digest was just set. */
    memset(e->dirty, 0, LEAVES_MAX / 8);
    if (e->service->leaf_count(e->service_state) != f->leaf_count)
        return fail(e, VERDICT_MISMATCH);
    merkle_reset(&e->leaves, f->leaf_count);
    origins_digest(e, &origins);
    checkpoint_root(e, f->slot, e->time_us, f->leaf_count, &origins, &root);
    if (!digest_equal(&root, &f->root) && !mutant(MUTANT_STATE_ROOT_NOT_CHECKED))
        return fail(e, VERDICT_MISMATCH);
    f->active = false;
    f->transfers++;
    e->state_bad = false;
    e->executed = f->slot;
    e->checkpoint_slot = f->slot;
    e->root = root;
    e->freeze.time_us = e->time_us;
    e->remembered_from = f->slot + 1;
    execution_truncated(e);
    if (f->slot > exec_stable_slot(e))
        checkpoint_sign(e, out);
    return VERDICT_ACCEPT;
}

static enum verdict on_leaves(struct execution *e, const struct state *state, struct slice plain, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    if (!f->active || state->slot != f->slot || state->leaf != f->next_leaf || state->offset != f->partial_len)
        return VERDICT_STALE;
    struct reader r = reader_of(plain.data, plain.len);
    while (reader_left(&r)) {
        uint32_t total = get_u32(&r);
        struct slice piece = get_slice(&r);
        if (r.bad || f->next_leaf >= f->leaf_count)
            return fail(e, VERDICT_MALFORMED);
        enum verdict verdict = load_piece(e, total, piece);
        if (verdict != VERDICT_ACCEPT)
            return fail(e, verdict);
    }
    if (f->next_leaf == f->leaf_count)
        return complete(e, out);
    fetch_ask(e, out);
    return VERDICT_ACCEPT;
}

enum verdict execution_on_state(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct state state;
    uint8_t nonce[12];
    if (!state_decode(frame->body, &state) || frame->attachment.len < AEAD_TAG_BYTES ||
        frame->attachment.len > FRAME_MAX)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION || state.replica != e->config.replica ||
        frame->sender.id != e->fetch.peer || frame->sender.id == e->config.replica)
        return VERDICT_UNEXPECTED;
    if (!configuration_member(&e->configuration, &frame->sender))
        return VERDICT_UNKNOWN_SENDER;
    const struct secret_key *pair =
        auth_pair_key(&e->auth, e->auth.one_domain ? KIND_HOST : KIND_EXECUTION, frame->sender.id);
    struct secret_key key;
    uint32_t from = frame->sender.id;
    if (!pair)
        return VERDICT_UNKNOWN_SENDER;
    key_derive(&key, pair, "redoubt state", &from, sizeof from);
    reply_nonce(nonce, state.nonce);
    bool opened = aead_open(e->scratch, &key, nonce, frame->body.data, frame->body.len, frame->attachment.data,
                            frame->attachment.len);
    crypto_wipe(&key, sizeof key);
    if (!opened)
        return VERDICT_BAD_MAC;
    struct slice plain = {e->scratch, frame->attachment.len - AEAD_TAG_BYTES};
    if (state.what != 0)
        return on_leaves(e, &state, plain, out);
    enum verdict verdict = on_head(e, &state, plain);
    if (verdict == VERDICT_ACCEPT)
        fetch_ask(e, out);
    return verdict;
}
