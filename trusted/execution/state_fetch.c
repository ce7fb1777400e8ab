/*
 * Fetching state: head first, then leaves in order, from one peer at a time. Nothing is believed until the whole gives the
 * root of the certificate that 2f+1 E signed; if it does not, the state is dropped and another peer is asked.
 */
#include "execution/execution.h"

#define LEAF_BYTES_MAX    (64u * 1024u * 1024u)
#define ORIGINS_SAVED_MAX (KEPT_BYTES_MAX + SESSIONS_MAX * (BUNDLE_WINDOW * 22u + 64u) + ORIGINS_MAX * 9u)

void fetch_ask(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    struct ask_state ask = {.replica = f->peer, .slot = e->state_bad ? 0 : e->executed, .what = STATE_HEAD};
    if (f->active) {
        ask.slot = f->slot;
        ask.what = f->origins_done ? STATE_LEAVES : STATE_ORIGINS;
        ask.leaf = f->next_leaf;
        ask.offset = f->origins_done ? f->partial_len : f->origins_len;
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

static void drop_origins(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    arena_free(e->arena, f->origins, f->origins_total);
    f->origins = NULL;
    f->origins_total = 0;
    f->origins_len = 0;
}

/* Once origins or leaves were replaced the state is unusable until a transfer succeeds. */
static enum verdict fail(struct execution *e, enum verdict verdict)
{
    struct fetch_state *f = &e->fetch;
    if (f->active && f->origins_done)
        e->state_bad = true;
    drop_partial(e);
    drop_origins(e);
    f->active = false;
    f->origins_done = false;
    return verdict;
}

void fetch_abandon(struct execution *e)
{
    (void)fail(e, VERDICT_STALE);
}

/* A root that can be believed: certified in the head, stable here, or vouched for by f+1 E, so by a correct one (others may
 * be stuck at the end of their window until this E signs too). */
static bool root_believed(struct execution *e, slot_no slot, const struct state_head *head)
{
    struct digest root;
    if (mutant(MUTANT_STATE_ROOT_NOT_CHECKED))
        return true;
    if (head->signers.len) {
        if (certificate_check(&e->configuration, slot, &head->root, head->signers) != VERDICT_ACCEPT)
            return false;
        if (stable_adopt(&e->stable, slot, &head->root, head->signers))
            execution_truncated(e);
        return true;
    }
    if (slot == exec_stable_slot(e))
        return digest_equal(&head->root, &e->stable.certificate.root);
    return slot <= exec_stable_slot(e) + WINDOW && /* further ahead there is a certificate, which will come */
           stable_vouched(&e->stable, slot, quorum_one_correct(&e->configuration), &root) &&
           digest_equal(&root, &head->root);
}

static enum verdict on_head(struct execution *e, const struct state *state, struct slice plain)
{
    struct fetch_state *f = &e->fetch;
    struct state_head head;
    if (f->active)
        return VERDICT_DUPLICATE;
    if (state->slot <= e->executed && !e->state_bad)
        return VERDICT_STALE;
    if (!state_head_decode(plain, &head) || state->leaf_count == 0 || state->leaf_count > LEAVES_MAX ||
        state->slot == 0 || state->slot % CHECKPOINT_INTERVAL != 0 || head.origins_len == 0 ||
        head.origins_len > ORIGINS_SAVED_MAX)
        return VERDICT_MALFORMED;
    if (!root_believed(e, state->slot, &head))
        return VERDICT_EARLY;
    drop_partial(e);
    drop_origins(e);
    f->origins = arena_alloc(e->arena, head.origins_len);
    if (!f->origins)
        return VERDICT_LIMIT;
    f->origins_total = head.origins_len;
    f->origins_done = false;
    f->active = true;
    f->slot = state->slot;
    f->root = head.root;
    f->leaf_count = state->leaf_count;
    f->next_leaf = 0;
    f->time_us = head.time_us;
    return VERDICT_ACCEPT;
}

/* From here on this E's own state is gone. */
static enum verdict origins_complete(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    struct reader r = reader_of(f->origins, f->origins_len);
    serve_stop(e);
    e->serve.wanted = false;
    e->freeze.active = false;
    e->in_slot = false;
    memset(e->pending, 0, LEAVES_MAX / 8);
    memset(e->dirty, 0, LEAVES_MAX / 8);
    f->origins_done = true;
    e->time_us = f->time_us;
    bool loaded = origins_load(e, &r) && reader_done(&r);
    drop_origins(e);
    if (!loaded)
        return fail(e, VERDICT_MALFORMED);
    e->service->reset(e->service_state, f->leaf_count);
    return VERDICT_ACCEPT;
}

static enum verdict on_origins(struct execution *e, const struct state *state, struct slice plain,
                               struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    if (!f->active || f->origins_done || state->slot != f->slot || state->offset != f->origins_len)
        return VERDICT_STALE;
    if (plain.len == 0 || plain.len > f->origins_total - f->origins_len)
        return fail(e, VERDICT_MALFORMED);
    memcpy(f->origins + f->origins_len, plain.data, plain.len);
    f->origins_len += (uint32_t)plain.len;
    enum verdict verdict = f->origins_len == f->origins_total ? origins_complete(e) : VERDICT_ACCEPT;
    if (verdict == VERDICT_ACCEPT)
        fetch_ask(e, out);
    return verdict;
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
    f->origins_done = false;
    f->transfers++;
    e->state_bad = false;
    e->executed = f->slot;
    e->jumped = true;
    e->checkpoint_slot = f->slot;
    e->root = root;
    e->freeze.time_us = e->time_us;
    e->remembered_from = f->slot + 1;
    execution_truncated(e);
    if (f->slot > exec_stable_slot(e))
        checkpoint_sign(e, out);
    return VERDICT_ACCEPT;
}

static enum verdict on_leaves(struct execution *e, const struct state *state, struct slice plain,
                              struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    if (!f->active || !f->origins_done || state->slot != f->slot || state->leaf != f->next_leaf ||
        state->offset != f->partial_len)
        return VERDICT_STALE;
    if (plain.len == 0)
        return fail(e, VERDICT_MALFORMED);
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
    bool opened = aead_open(e->scratch, &key, nonce, frame->body.data, frame->body.len,
                            frame->attachment.data, frame->attachment.len);
    crypto_wipe(&key, sizeof key);
    if (!opened)
        return VERDICT_BAD_MAC;
    struct slice plain = {e->scratch, frame->attachment.len - AEAD_TAG_BYTES};
    enum verdict verdict = VERDICT_MALFORMED;
    switch (state.what) {
    case STATE_ORIGINS:
        verdict = on_origins(e, &state, plain, out);
        break;
    case STATE_LEAVES:
        verdict = on_leaves(e, &state, plain, out);
        break;
    case STATE_HEAD:
        verdict = on_head(e, &state, plain);
        if (verdict == VERDICT_ACCEPT)
            fetch_ask(e, out);
        break;
    default:
        break;
    }
    if (verdict == VERDICT_ACCEPT) {
        e->fetch.moved += plain.len;
        e->progress = true; /* so that the host keeps asking this peer */
    }
    return verdict;
}
