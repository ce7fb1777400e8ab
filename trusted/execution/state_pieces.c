/*
 * Fetching state, the questions: what is still wanted in a phase is cut into pieces, each asked of one peer; pieces whose
 * peer is late or lied are asked of another. A few at a time, so that answers fit into little memory.
 */
#include "execution/execution.h"

#define PER_PIECE_MIN 8u /* leaves in a question */
#define RECORDS_MOST                                                                                         \
    64u /* records: those of versions are small, of the others an answer has as many as fit */
#define SLOW_MAX 32u

static_assert(STATE_HINT_CHILDREN == MERKLE_ARITY, "hints are of all children of a node");

/* --- buffers ------------------------------------------------------------------------------------------------------- */

bool fetch_buffer_take(struct fetch_state *f, struct fetch_piece *p, uint32_t total)
{
    for (unsigned i = 0; i < FETCH_BUFFERS && !p->buffer; i++)
        if (!f->buffer_used[i]) {
            f->buffer_used[i] = true;
            p->buffer = f->buffer[i];
            p->buffer_total = total;
            p->buffer_len = 0;
        }
    return p->buffer != NULL;
}

void fetch_buffer_drop(struct fetch_state *f, struct fetch_piece *p)
{
    for (unsigned i = 0; i < FETCH_BUFFERS; i++)
        if (p->buffer && f->buffer[i] == p->buffer)
            f->buffer_used[i] = false;
    p->buffer = NULL;
    p->buffer_len = 0;
    p->buffer_total = 0;
}

static bool buffer_free(const struct fetch_state *f)
{
    for (unsigned i = 0; i < FETCH_BUFFERS; i++)
        if (!f->buffer_used[i])
            return true;
    return false;
}

/* --- giving up ------------------------------------------------------------------------------------------------------ */

static void unask(struct fetch_state *f, struct fetch_piece *p)
{
    if (p->asked)
        f->peer[p->peer].asked--;
    p->asked = false;
    fetch_buffer_drop(f, p); /* whoever is asked next starts anew, so that a lie is one peer's */
}

void fetch_pieces_clear(struct execution *e)
{
    for (unsigned i = 0; i < FETCH_PIECES; i++) {
        unask(&e->fetch, &e->fetch.piece[i]);
        e->fetch.piece[i].used = false;
    }
}

void fetch_give_up(struct execution *e, replica_id peer)
{
    for (unsigned i = 0; i < FETCH_PIECES; i++)
        if (e->fetch.piece[i].used && e->fetch.piece[i].peer == peer)
            unask(&e->fetch, &e->fetch.piece[i]);
    e->fetch.peer[peer].serves.slot = 0; /* until it says again what it has */
}

void fetch_late(struct execution *e)
{
    struct fetch_state *f = &e->fetch;
    if (mutant(MUTANT_SILENT_PEER_KEPT) || f->patience_us == 0)
        return;
    for (unsigned i = 0; i < FETCH_PIECES; i++) {
        struct fetch_piece *p = &f->piece[i];
        struct fetch_peer *peer = &f->peer[p->peer];
        uint32_t times = peer->slow ? peer->slow : 1;
        if (!p->used || !p->asked || e->now_us < p->asked_us ||
            e->now_us - p->asked_us <= f->patience_us * times)
            continue;
        f->late++;
        f->news = true;
        peer->slow = 2 * times < SLOW_MAX ? 2 * times : SLOW_MAX;
        fetch_give_up(e, p->peer);
    }
}

/* --- making ----------------------------------------------------------------------------------------------------------- */

static uint64_t per_piece(const struct fetch_state *f)
{
    if (f->phase == TRANSFER_NODES)
        return STATE_ASK_NODES;
    if (f->phase != TRANSFER_LEAVES)
        return RECORDS_MOST;
    uint64_t share = (f->leaves_wanted - f->leaves_moved) / (2 * FETCH_PIECES);
    return share < PER_PIECE_MIN ? PER_PIECE_MIN : share;
}

/* Puts the next numbers that are wanted into a piece; false: there are none. */
static bool make(struct execution *e, struct fetch_piece *p)
{
    struct fetch_state *f = &e->fetch;
    uint64_t at = fetch_next(e, f->cursor), most = per_piece(f);
    if (at == UINT64_MAX)
        return false;
    /* Leaf 0 first and alone: it may say where everything belongs. */
    bool alone = f->phase == TRANSFER_LEAVES && at == 0;
    memset(p, 0, sizeof *p);
    p->used = true;
    p->first = at;
    while (at != UINT64_MAX && at - p->first < STATE_ASK_BITS && p->left < (alone ? 1 : most)) {
        p->wanted[(at - p->first) / 8] |= (uint8_t)(1u << (at - p->first) % 8);
        p->left++;
        f->cursor = at + 1;
        at = fetch_next(e, f->cursor);
    }
    return true;
}

static bool may_make(const struct fetch_state *f)
{
    for (unsigned i = 0; i < FETCH_PIECES; i++)
        if (f->piece[i].used && f->phase == TRANSFER_LEAVES && f->piece[i].first == 0 && f->cursor == 1)
            return false; /* leaf 0 is awaited */
    return true;
}

/* --- asking ------------------------------------------------------------------------------------------------------------ */

static bool may_ask(const struct fetch_state *f, const struct fetch_peer *peer)
{
    return peer->named && !peer->liar && peer->serves.slot == f->target.slot && peer->asked < FETCH_PER_PEER;
}

/* Who has least to do, and of those who was late least. REPLICAS_MAX: nobody. */
static replica_id choose(const struct fetch_state *f, uint32_t from)
{
    replica_id best = REPLICAS_MAX;
    for (uint32_t i = 0; i < REPLICAS_MAX; i++) {
        replica_id r = (from + i) % REPLICAS_MAX;
        const struct fetch_peer *peer = &f->peer[r];
        if (!may_ask(f, peer))
            continue;
        const struct fetch_peer *other = &f->peer[best % REPLICAS_MAX];
        if (best == REPLICAS_MAX || peer->asked < other->asked ||
            (peer->asked == other->asked && peer->slow < other->slow))
            best = r;
    }
    return best;
}

uint8_t fetch_question(const struct fetch_state *f)
{
    if (f->phase == TRANSFER_NODES)
        return STATE_NODES;
    if (f->phase == TRANSFER_LEAVES)
        return STATE_LEAVES;
    return f->digests_known ? STATE_RECORDS : STATE_DIGESTS;
}

/* Bytes of `wanted` up to the last bit that is set. */
static size_t wanted_len(const struct fetch_piece *p)
{
    size_t len = STATE_ASK_BITS / 8;
    while (len > 1 && !p->wanted[len - 1])
        len--;
    return len;
}

/* How the own children of the nodes that are wanted begin. */
static void put_hints(const struct execution *e, const struct fetch_piece *p, struct writer *w)
{
    const struct merkle_level *below = &e->leaves.level[e->fetch.level - 1];
    for (uint64_t i = 0; i < STATE_ASK_BITS; i++)
        for (uint64_t c = 0; p->wanted[i / 8] >> i % 8 & 1 && c < MERKLE_ARITY; c++) {
            uint64_t child = (p->first + i) * MERKLE_ARITY + c;
            put_raw(w, below->node[child < below->cap ? child : 0].bytes, STATE_HINT_BYTES);
        }
}

static void ask(struct execution *e, struct fetch_piece *p, replica_id peer, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    p->asked = true;
    p->waits = false;
    p->peer = peer;
    p->number = ++f->number;
    p->asked_us = e->now_us;
    f->peer[peer].asked++;
    uint8_t hints[STATE_HINTS_MAX];
    struct writer h = writer_to(hints, sizeof hints);
    if (f->phase == TRANSFER_NODES && !p->whole)
        put_hints(e, p, &h);
    struct ask_state question = {.replica = peer,
                                 .slot = f->target.slot,
                                 .what = fetch_question(f),
                                 .number = p->number,
                                 .level = (uint8_t)f->level,
                                 .first = p->first,
                                 .offset = p->buffer_len,
                                 .wanted = {p->wanted, wanted_len(p)},
                                 .hints = {hints, h.len}};
    uint8_t body[STATE_ASK_BYTES_MAX];
    struct writer w = writer_to(body, sizeof body);
    ask_state_put(&w, &question);
    CHECK(!w.bad && !h.bad);
    f->bytes += w.len;
    auth_emit_mac(&e->auth, out, FRAME_ASK_STATE, (struct slice){body, w.len}, KIND_EXECUTION, peer,
                  (struct slice){NULL, 0});
}

static replica_id peer_for(const struct fetch_state *f, const struct fetch_piece *p)
{
    /* The rest of a large item comes from the peer that began it. */
    if (p->buffer && may_ask(f, &f->peer[p->peer]))
        return p->peer;
    return p->buffer ? REPLICAS_MAX : choose(f, (uint32_t)f->number);
}

bool fetch_pump(struct execution *e, struct outbox *out)
{
    struct fetch_state *f = &e->fetch;
    bool any = false;
    for (unsigned i = 0; i < FETCH_PIECES; i++) {
        struct fetch_piece *p = &f->piece[i];
        if (!p->used && (!may_make(f) || !make(e, p)))
            continue;
        any = true;
        if (p->asked || (p->waits && !buffer_free(f)))
            continue;
        replica_id peer = peer_for(f, p);
        if (peer < REPLICAS_MAX)
            ask(e, p, peer, out);
    }
    return any;
}
