/*
 * Fetching state, the answers. The head gave digests that can be believed; from there on nothing is taken that does not have
 * the digest which its node gives, so whoever lies is found out at the first piece, and what was taken stays good.
 */
#include "execution/execution.h"

static bool bit(const uint64_t *map, uint64_t i)
{
    return map[i / 64] >> (i % 64) & 1;
}

/* Is the digest of this node or leaf in the target known, and another than the own one? */
static bool differs(const struct execution *e, unsigned level, uint64_t index)
{
    return bit(e->spare.level[level].marked, index) &&
           !digest_equal(&e->spare.level[level].node[index], &e->leaves.level[level].node[index]);
}

static uint64_t next_bit(const uint64_t *map, uint64_t from, uint64_t end)
{
    while (from < end) {
        uint64_t word = map[from / 64] >> (from % 64);
        if (word) {
            from += (unsigned)__builtin_ctzll(word);
            return from < end ? from : UINT64_MAX;
        }
        from = (from / 64 + 1) * 64;
    }
    return UINT64_MAX;
}

uint64_t fetch_next(const struct execution *e, uint64_t from)
{
    const struct fetch_state *f = &e->fetch;
    if (f->phase == TRANSFER_ORIGINS && !f->digests_known)
        return from == 0 ? 0 : UINT64_MAX;
    if (f->phase == TRANSFER_ORIGINS)
        return next_bit(f->record_wanted, from, records_count(e));
    if (f->phase != TRANSFER_NODES && f->phase != TRANSFER_LEAVES)
        return UINT64_MAX;
    uint64_t end = merkle_width(f->target.leaf_count, f->level);
    do
        from = next_bit(e->spare.level[f->level].marked, from, end);
    while (from != UINT64_MAX && !differs(e, f->level, from) && ++from);
    return from;
}

/* The first number of a piece that is still wanted; UINT64_MAX: none. */
static uint64_t first_wanted(const struct fetch_piece *p)
{
    for (uint32_t i = 0; i < STATE_ASK_BITS; i++)
        if (p->wanted[i / 8] >> i % 8 & 1)
            return p->first + i;
    return UINT64_MAX;
}

static void have(struct fetch_piece *p, uint64_t number)
{
    uint64_t i = number - p->first;
    p->wanted[i / 8] &= (uint8_t) ~(1u << i % 8);
    p->left--;
}

/* --- nodes --------------------------------------------------------------------------------------------------------- */

/* Children that the answer leaves out are as the own ones; FETCH_AGAIN: the own ones only seem so, or it is a lie. */
static enum fetch_result take_node(struct execution *e, const struct fetch_piece *p, uint64_t index,
                                   struct reader *r)
{
    struct fetch_state *f = &e->fetch;
    struct digest children[MERKLE_ARITY], digest;
    uint32_t count = merkle_children(f->target.leaf_count, f->level, index);
    uint32_t sent = get_u16(r);
    if (sent >> count || (p->whole && sent + 1 != 1u << count))
        return FETCH_LIE;
    for (uint32_t i = 0; i < count; i++)
        children[i] =
            sent >> i & 1 ? get_digest(r) : e->leaves.level[f->level - 1].node[index * MERKLE_ARITY + i];
    if (r->bad)
        return FETCH_LIE;
    merkle_node(&digest, children, count);
    if (!digest_equal(&digest, &e->spare.level[f->level].node[index]))
        return sent + 1 != 1u << count ? FETCH_AGAIN : FETCH_LIE;
    struct merkle_level *below = &e->spare.level[f->level - 1];
    for (uint32_t i = 0; i < count; i++) {
        uint64_t child = index * MERKLE_ARITY + i;
        below->node[child] = children[i];
        below->marked[child / 64] |= 1ull << child % 64;
        f->leaves_wanted += f->level == 1 && differs(e, 0, child);
    }
    return FETCH_GOOD;
}

static enum fetch_result take_nodes(struct execution *e, struct fetch_piece *p, struct reader *r)
{
    while (reader_left(r)) {
        uint64_t index = p->left ? first_wanted(p) : UINT64_MAX;
        enum fetch_result result = index == UINT64_MAX ? FETCH_LIE : take_node(e, p, index, r);
        if (result == FETCH_AGAIN) {
            p->whole = true; /* what is left of the piece is asked for once more, without hints */
            return FETCH_GOOD;
        }
        if (result != FETCH_GOOD)
            return result;
        have(p, index);
    }
    return FETCH_GOOD;
}

/* --- leaves and records -------------------------------------------------------------------------------------------- */

static enum fetch_result take_leaf(struct execution *e, uint64_t leaf, struct slice data)
{
    struct fetch_state *f = &e->fetch;
    const struct digest *wanted = &e->spare.level[0].node[leaf];
    struct digest digest;
    bool good = e->service->saved_digest(e->service_state, leaf, data.data, data.len, digest.bytes) &&
                digest_equal(&digest, wanted);
    if (!good && !mutant(MUTANT_LEAF_UNCHECKED))
        return FETCH_LIE;
    digest = *wanted;
    e->state_bad = true; /* until all of it is here */
    save_touch_from(e, leaf, leaf + 1);
    f->others = false;
    f->loading = leaf;
    bool loaded = e->service->leaf_load(e->service_state, leaf, data.data, data.len);
    f->loading = UINT64_MAX;
    if (!loaded)
        return FETCH_NO_ROOM;
    merkle_set(&e->leaves, leaf, &digest);
    f->leaves_moved++;
    return f->others ? FETCH_AGAIN : FETCH_GOOD;
}

static enum fetch_result take_record(struct execution *e, uint32_t record, struct slice data)
{
    struct fetch_state *f = &e->fetch;
    struct digest digest;
    if (!record_saved_digest(e, record, data, &digest) || !digest_equal(&digest, &f->record_digest[record]))
        return FETCH_LIE;
    if (!record_load(e, record, data))
        return FETCH_NO_ROOM;
    f->record_wanted[record / 64] &= ~(1ull << record % 64);
    return FETCH_GOOD;
}

static enum fetch_result take_item(struct execution *e, struct fetch_piece *p, struct slice data)
{
    uint64_t number = first_wanted(p);
    bool leaf = e->fetch.phase == TRANSFER_LEAVES;
    enum fetch_result result = leaf ? take_leaf(e, number, data) : take_record(e, (uint32_t)number, data);
    if (result == FETCH_GOOD || result == FETCH_AGAIN)
        have(p, number);
    return result;
}

/* A part of a large item. */
static enum fetch_result take_part(struct execution *e, struct fetch_piece *p, uint32_t total,
                                   struct slice part)
{
    struct fetch_state *f = &e->fetch;
    if (!p->buffer && !fetch_buffer_take(f, p, total)) {
        p->waits = true; /* asked for again when there is a buffer */
        return FETCH_GOOD;
    }
    if (total != p->buffer_total || part.len > total - p->buffer_len)
        return FETCH_LIE;
    memcpy(p->buffer + p->buffer_len, part.data, part.len);
    p->buffer_len += (uint32_t)part.len;
    if (p->buffer_len < total)
        return FETCH_GOOD;
    enum fetch_result result = take_item(e, p, (struct slice){p->buffer, total});
    fetch_buffer_drop(f, p);
    return result;
}

static enum fetch_result take_items(struct execution *e, struct fetch_piece *p, struct reader *r)
{
    while (reader_left(r)) {
        uint32_t total = get_u32(r);
        struct slice part = get_slice(r);
        if (r->bad || p->left == 0 || total > LEAF_BYTES_MAX || part.len > total || (!part.len && total))
            return FETCH_LIE;
        enum fetch_result result =
            !p->buffer && part.len == total ? take_item(e, p, part) : take_part(e, p, total, part);
        if (result != FETCH_GOOD)
            return result;
    }
    return FETCH_GOOD;
}

/* Records that differ are emptied before any is loaded: old and new ones together might be too many. */
static enum fetch_result take_digests(struct execution *e, struct fetch_piece *p, struct reader *r)
{
    struct fetch_state *f = &e->fetch;
    struct digest all;
    for (uint32_t i = 0; i < records_count(e); i++)
        f->record_digest[i] = get_digest(r);
    records_combine(f->record_digest, records_count(e), &all);
    if (!reader_done(r) || !digest_equal(&all, &f->target.origins))
        return FETCH_LIE;
    records_refresh(e);
    memset(f->record_wanted, 0, (RECORDS_MAX / 64 + 1) * sizeof *f->record_wanted);
    for (uint32_t i = 0; i < records_count(e); i++) {
        if (digest_equal(record_digest(e, i), &f->record_digest[i]))
            continue;
        e->state_bad = true;
        record_clear(e, i);
        f->record_wanted[i / 64] |= 1ull << i % 64;
    }
    f->digests_known = true;
    f->cursor = 0;
    have(p, 0);
    return FETCH_GOOD;
}

enum fetch_result fetch_take(struct execution *e, struct fetch_piece *p, struct slice plain)
{
    struct reader r = reader_of(plain.data, plain.len);
    if (plain.len == 0)
        return FETCH_LIE;
    if (e->fetch.phase == TRANSFER_NODES)
        return take_nodes(e, p, &r);
    if (e->fetch.phase == TRANSFER_ORIGINS && !e->fetch.digests_known)
        return take_digests(e, p, &r);
    return take_items(e, p, &r);
}
