/*
 * Fetching state. Peers say which states they have (heads). One whose root can be believed becomes the target; the own state is
 * regrouped to as many leaves and compared with it from the root down, and what differs is asked for:
 *
 *   head -> prepare -> nodes, level by level -> leaves -> origins -> the own root is that of the target
 *
 * All peers that have the target are asked, different ones for different pieces. Every piece is checked by itself as it
 * comes, and taken over into the living state. So from the first leaf on the state is neither the old one nor the new:
 * it is bad, and nothing is executed, answered or served from it until all is there. What was taken stays when another target
 * has to be chosen: it is found equal then.
 */
#include "execution/execution.h"

#define PREPARE_LEAVES 2048u /* in one call */

static void go_on(struct execution *e, struct outbox *out);

/* --- targets -------------------------------------------------------------------------------------------------------- */

/* A root that can be believed: certified in the head, stable here, or vouched for by f+1 E, so by a correct one (others may
 * be stuck at the end of their window until this E signs too). */
static bool root_believed(struct execution *e, const struct fetch_target *target, struct slice signers)
{
    struct digest root;
    if (mutant(MUTANT_STATE_ROOT_NOT_CHECKED))
        return true;
    if (signers.len) {
        if (certificate_check(&e->configuration, target->slot, &target->root, signers) != VERDICT_ACCEPT)
            return false;
        if (stable_adopt(&e->stable, target->slot, &target->root, signers))
            execution_truncated(e);
        return true;
    }
    if (target->slot == exec_stable_slot(e))
        return digest_equal(&target->root, &e->stable.certificate.root);
    return target->slot <=
               exec_stable_slot(e) + WINDOW && /* further ahead there is a certificate, which will come */
           stable_vouched(&e->stable, target->slot, quorum_one_correct(&e->configuration), &root) &&
           digest_equal(&root, &target->root);
}

static uint32_t serving(const struct fetch_state *f, slot_no slot)
{
    uint32_t count = 0;
    for (replica_id r = 0; slot && r < REPLICAS_MAX; r++)
        count += f->peer[r].serves.slot == slot && f->peer[r].named && !f->peer[r].liar;
    return count;
}

/* The state that most peers have; of those the latest. */
static const struct fetch_target *best_target(const struct fetch_state *f)
{
    const struct fetch_target *best = NULL;
    uint32_t most = 0;
    for (replica_id r = 0; r < REPLICAS_MAX; r++) {
        const struct fetch_target *target = &f->peer[r].serves;
        uint32_t count = serving(f, target->slot);
        if (count > most || (count && count == most && target->slot > best->slot)) {
            best = target;
            most = count;
        }
    }
    return best;
}

static void start_over(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    fetch_pieces_clear(e);
    f->phase = TRANSFER_PREPARE;
    f->regrouped = false;
    f->digests_known = false;
    f->cursor = 0;
    f->level = 0;
    f->leaves_wanted = 0;
    f->leaves_moved = 0;
    f->news = true;
}

/* The own state is frozen from here on, whatever it is. */
static void aim(struct execution *e, const struct fetch_target *target, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    if (e->freeze.active)
        checkpoint_advance(e, UINT64_MAX, out);
    f->target = *target;
    f->active = true;
    f->empty = f->emptied = false;
    serve_stop(e);
    save_interrupt(e);
    e->serve.wanted = false;
    e->in_slot = false;
    start_over(e);
}

static void stop(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    fetch_pieces_clear(e);
    f->active = false;
    f->phase = e->state_bad ? TRANSFER_HEAD : TRANSFER_NONE;
    f->news = true;
}

/* Nobody has the target any more, or more have a later one. */
static void choose_target(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    const struct fetch_target *best = best_target(f);
    uint32_t now = f->active ? serving(f, f->target.slot) : 0;
    if (best && (now == 0 || (best->slot > f->target.slot && serving(f, best->slot) > now)))
        aim(e, best, out);
    else if (f->active && now == 0 && !e->state_bad)
        stop(e); /* nothing was changed yet: votes may be quicker */
}

static enum verdict on_head(struct execution *e, replica_id peer, slot_no slot, struct slice plain,
                            struct outbox *out)
{
    struct state_head head;
    struct fetch_target target = {.slot = slot};
    struct fetch_target *serves = &e->fetch.peer[peer].serves;
    if (!state_head_decode(plain, &head) || head.leaf_count == 0 || head.leaf_count > LEAVES_MAX ||
        slot == 0 || slot % CHECKPOINT_INTERVAL != 0)
        return VERDICT_MALFORMED;
    if (slot <= e->executed && !e->state_bad)
        return VERDICT_STALE;
    target.time_us = head.time_us;
    target.leaf_count = head.leaf_count;
    target.leaves = head.leaves;
    target.origins = head.origins;
    checkpoint_root_of(e, slot, head.time_us, head.leaf_count, &head.leaves, &head.origins, &target.root);
    if (!root_believed(e, &target, head.signers))
        return VERDICT_EARLY;
    if (serves->slot == slot && digest_equal(&serves->root, &target.root))
        return VERDICT_DUPLICATE;
    if (serves->slot != slot)
        fetch_give_up(e, peer); /* what it was asked for of another state it no longer has */
    *serves = target;
    choose_target(e, out);
    return VERDICT_ACCEPT;
}

void fetch_from(struct execution *e, replica_id peer, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    f->peer[peer].named = true;
    if (f->phase == TRANSFER_NONE)
        f->phase = TRANSFER_HEAD;
    fetch_late(e);
    choose_target(e, out);
    go_on(e, out);
    if (f->active && f->peer[peer].serves.slot == f->target.slot)
        return;
    struct ask_state ask = {.replica = peer, .slot = e->state_bad ? 0 : e->executed, .what = STATE_HEAD};
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    ask_state_put(&w, &ask);
    auth_emit_mac(&e->auth, out, FRAME_ASK_STATE, (struct slice){body, w.len}, KIND_EXECUTION, peer,
                  (struct slice){NULL, 0});
}

/* --- preparing ------------------------------------------------------------------------------------------------------- */

/* As many leaves as the target has; true when there are. */
static bool regroup(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    uint64_t wanted = f->target.leaf_count, now = e->service->leaf_count(e->service_state);
    uint64_t next = now < wanted && wanted - now > PREPARE_LEAVES ? now + PREPARE_LEAVES : wanted;
    if (next != now)
        e->state_bad = true;
    save_touch_from(e, next < now ? next : now, next < now ? now : next); /* what is gone, or new */
    if (f->empty || !e->service->reset(e->service_state, next, true)) {
        next = wanted;
        e->state_bad = true;
        f->regrouped = e->service->reset(e->service_state, wanted, false);
        if (!f->regrouped)
            stop(e); /* no state has so many leaves, or there is no memory for them */
        merkle_reset(&e->leaves, wanted);
        for (uint64_t leaf = 0; f->regrouped && leaf < wanted; leaf++)
            e->dirty[leaf / 64] |= 1ull << leaf % 64;
        save_touch_from(e, 0, wanted);
        f->empty = false;
        f->emptied = true;
        return f->regrouped;
    }
    return next == wanted;
}

/* Digests of what was touched since the last checkpoint, and since. True when all are there. */
static bool digest_touched(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    uint64_t words = (f->target.leaf_count + 63) / 64;
    uint32_t budget = PREPARE_LEAVES;
    for (; f->cursor < words && budget; f->cursor++) {
        uint64_t todo = e->dirty[f->cursor] | e->pending[f->cursor];
        for (; todo; todo &= todo - 1, budget -= budget > 0) {
            struct digest digest;
            uint64_t leaf = f->cursor * 64 + (unsigned)__builtin_ctzll(todo);
            if (leaf >= f->target.leaf_count)
                break;
            e->service->leaf_digest(e->service_state, leaf, digest.bytes);
            merkle_set(&e->leaves, leaf, &digest);
        }
        e->dirty[f->cursor] = e->pending[f->cursor] = 0;
    }
    return f->cursor == words;
}

static void compare(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    struct digest own;
    unsigned top = merkle_top(f->target.leaf_count);
    merkle_root(&e->leaves, f->target.leaf_count, &own);
    for (unsigned level = 0; level <= top; level++)
        memset(e->spare.level[level].marked, 0,
               (merkle_width(f->target.leaf_count, level) / 64 + 1) * sizeof(uint64_t));
    e->spare.level[top].node[0] = f->target.leaves;
    e->spare.level[top].marked[0] = 1;
    f->level = top;
    f->phase = top ? TRANSFER_NODES : TRANSFER_LEAVES;
    f->leaves_wanted = !top && !digest_equal(&own, &f->target.leaves);
    f->cursor = 0;
    f->news = true;
}

bool fetch_flush(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    if (f->active && f->phase == TRANSFER_PREPARE) {
        if (!f->regrouped) {
            f->regrouped = regroup(e);
            f->cursor = 0;
        } else if (digest_touched(e)) {
            compare(e);
            go_on(e, out);
        }
    }
    if (f->news)
        fetch_tell(e, out);
    return f->active && f->phase == TRANSFER_PREPARE;
}

/* --- going through the phases ------------------------------------------------------------------------------------------ */

/* All is here: is it the state that 2f+1 signed? */
static void complete(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    struct digest origins, root;
    records_digest(e, &origins);
    checkpoint_root(e, f->target.slot, f->target.time_us, f->target.leaf_count, &origins, &root);
    if (!digest_equal(&root, &f->target.root)) {
        stop(e);
        return;
    }
    e->state_bad = false;
    e->time_us = f->target.time_us;
    e->executed = f->target.slot;
    e->jumped = true;
    e->checkpoint_slot = f->target.slot;
    e->root = root;
    e->freeze.time_us = e->time_us;
    e->remembered_from = e->executed + 1;
    f->transfers++;
    stop(e);
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        f->peer[r].serves.slot = 0;
    execution_truncated(e);
    if (e->executed > exec_stable_slot(e))
        checkpoint_sign(e, out);
}

static void go_on(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    while (f->active && f->phase != TRANSFER_PREPARE && !fetch_pump(e, out)) {
        f->cursor = 0;
        f->news = true;
        if (f->phase == TRANSFER_NODES)
            f->phase = --f->level ? TRANSFER_NODES : TRANSFER_LEAVES;
        else if (f->phase == TRANSFER_LEAVES)
            f->phase = TRANSFER_ORIGINS;
        else
            complete(e, out);
    }
}

/* --- answers ---------------------------------------------------------------------------------------------------------- */

static void found_lying(struct execution *e, replica_id peer)
{
    struct fetch_state *f = &e->fetch;
    bool others = false;
    f->lies++;
    f->liars |= 1u << peer;
    f->peer[peer].liar = true;
    fetch_give_up(e, peer);
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        others = others || (f->peer[r].named && !f->peer[r].liar);
    for (replica_id r = 0; r < REPLICAS_MAX && !others; r++)
        f->peer[r].liar = false; /* it cannot be all of them */
}

static struct fetch_piece *piece_of(struct fetch_state *f, replica_id peer, uint64_t number)
{
    for (unsigned i = 0; i < FETCH_PIECES; i++)
        if (f->piece[i].used && f->piece[i].asked && f->piece[i].peer == peer && f->piece[i].number == number)
            return &f->piece[i];
    return NULL;
}

static enum verdict on_piece(struct execution *e, replica_id peer, const struct state *state,
                             struct slice plain, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    struct fetch_piece *p = f->active ? piece_of(f, peer, state->number) : NULL;
    if (!p || state->slot != f->target.slot || state->what != fetch_question(f))
        return VERDICT_STALE;
    p->asked = false;
    f->peer[peer].asked--;
    if (4 * (e->now_us - p->asked_us) < f->patience_us * f->peer[peer].slow)
        f->peer[peer].slow /= 2;
    f->news = true;
    f->bytes += plain.len;
    enum fetch_result result = fetch_take(e, p, plain);
    if (result == FETCH_LIE) {
        found_lying(e, peer);
        choose_target(e, out);
    } else if (result == FETCH_NO_ROOM && f->emptied) {
        stop(e); /* not even alone is there room for it */
    } else if (result == FETCH_NO_ROOM || result == FETCH_AGAIN) {
        start_over(e);
        f->empty = result == FETCH_NO_ROOM;
    } else if (p->left == 0) {
        p->used = false;
    }
    go_on(e, out);
    return result == FETCH_LIE ? VERDICT_MISMATCH : VERDICT_ACCEPT;
}

/* Opens the attachment into `scratch`. */
static bool state_open(struct execution *e, const struct frame *frame, const struct state *state)
{
    const struct secret_key *pair =
        auth_pair_key(&e->auth, e->auth.one_domain ? KIND_HOST : KIND_EXECUTION, frame->sender.id);
    struct secret_key key;
    uint8_t nonce[12];
    uint32_t from = frame->sender.id;
    if (!pair)
        return false;
    key_derive(&key, pair, "redoubt state", &from, sizeof from);
    reply_nonce(nonce, state->nonce);
    bool opened = aead_open(e->scratch, &key, nonce, frame->body.data, frame->body.len,
                            frame->attachment.data, frame->attachment.len);
    crypto_wipe(&key, sizeof key);
    return opened;
}

enum verdict execution_on_state(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct state state;
    if (!state_decode(frame->body, &state) || frame->attachment.len < AEAD_TAG_BYTES ||
        frame->attachment.len > FRAME_MAX || state.what > STATE_LEAVES)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION || state.replica != e->config.replica ||
        frame->sender.id == e->config.replica)
        return VERDICT_UNEXPECTED;
    if (!configuration_member(&e->configuration, &frame->sender))
        return VERDICT_UNKNOWN_SENDER;
    if (!e->fetch.peer[frame->sender.id].named)
        return VERDICT_UNEXPECTED;
    if (!state_open(e, frame, &state))
        return VERDICT_BAD_MAC;
    struct slice plain = {e->scratch, frame->attachment.len - AEAD_TAG_BYTES};
    if (state.what != STATE_HEAD)
        return on_piece(e, frame->sender.id, &state, plain, out);
    enum verdict verdict = on_head(e, frame->sender.id, state.slot, plain, out);
    if (verdict == VERDICT_ACCEPT)
        go_on(e, out);
    return verdict;
}

void fetch_tell(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    struct local_transfer transfer = {.phase = (uint8_t)f->phase,
                                      .slot = f->target.slot,
                                      .bytes = f->bytes,
                                      .leaves_wanted = f->leaves_wanted,
                                      .leaves_moved = f->leaves_moved,
                                      .late = f->late,
                                      .lies = f->lies,
                                      .liars = f->liars};
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    local_transfer_put(&w, &transfer);
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_TRANSFER, (struct slice){body, w.len},
                    (struct slice){NULL, 0});
    f->news = false;
}
