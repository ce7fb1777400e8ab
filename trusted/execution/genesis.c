/*
 * The state that a restored cluster begins with. START names what its leaves must give; the host brings them, encrypted
 * under a key that START seals to the Execution group, so the host can neither read nor make one. They are loaded into the empty
 * state at slot 0, and nothing is executed, answered or served before the whole gives what START names. One that does not
 * get it, or gets something else, has no state, and waits for that of its peers (state_fetch.c).
 *
 * What a cluster remembers of its clients is not restored: sessions end with the cluster that they were made with.
 */
#include "execution/execution.h"

void genesis_expect(struct execution *e)
{
    e->genesis.wanted = true;
    e->genesis.news = true;
    e->state_bad = true;
}

static bool key_open(struct execution *e)
{
    const struct genesis *g = &e->configuration.genesis;
    uint8_t sealed[32 + SEAL_BYTES];
    memcpy(sealed, g->half0.bytes, 32);
    memcpy(sealed + 32, g->half1.bytes, 32);
    memcpy(sealed + 64, g->tail.bytes, 16);
    return box_open(e->genesis.key.bytes, &e->group, sealed, sizeof sealed);
}

static bool begin(struct execution *e)
{
    uint64_t leaves = e->configuration.genesis.leaf_count;
    e->genesis.begun = true;
    if (leaves > LEAVES_MAX || !key_open(e) || !e->service->reset(e->service_state, leaves, false))
        return false;
    merkle_reset(&e->leaves, leaves);
    return true;
}

static bool load_leaf(struct execution *e, uint64_t leaf, struct slice bytes)
{
    struct digest digest;
    if (!e->service->leaf_load(e->service_state, leaf, bytes.data, bytes.len))
        return false;
    e->service->leaf_digest(e->service_state, leaf, digest.bytes);
    merkle_set(&e->leaves, leaf, &digest);
    e->genesis.leaves++;
    return true;
}

static void part_free(struct execution *e)
{
    struct genesis_loading *g = &e->genesis;
    arena_free(e->arena, g->part, g->part_total);
    g->part = NULL;
    g->part_len = g->part_total = 0;
}

/* Leaves come one after the other, so the parts of one do. */
static bool take_part(struct execution *e, const struct leaf_part *p)
{
    struct genesis_loading *g = &e->genesis;
    if (p->leaf >= e->configuration.genesis.leaf_count || p->total > LEAF_BYTES_MAX ||
        (g->leaves == 0 && p->leaf != 0))
        return false;
    if (!g->part && p->at == 0 && p->bytes.len == p->total)
        return load_leaf(e, p->leaf, p->bytes);
    if (!g->part && p->at == 0) {
        g->part = arena_alloc(e->arena, p->total);
        g->part_total = p->total;
        g->leaf = p->leaf;
    }
    if (!g->part || p->leaf != g->leaf || p->total != g->part_total || p->at != g->part_len ||
        p->bytes.len == 0 || p->bytes.len > p->total - p->at)
        return false;
    memcpy(g->part + p->at, p->bytes.data, p->bytes.len);
    g->part_len += (uint32_t)p->bytes.len;
    if (g->part_len < g->part_total)
        return true;
    bool loaded = load_leaf(e, g->leaf, (struct slice){g->part, g->part_total});
    part_free(e);
    return loaded;
}

/* All leaves are here: are they what START names? */
static bool complete(struct execution *e)
{
    const struct genesis *named = &e->configuration.genesis;
    struct digest leaves;
    if (e->service->leaf_count(e->service_state) != named->leaf_count)
        return false;
    merkle_root(&e->leaves, named->leaf_count, &leaves);
    if (!digest_equal(&leaves, &named->leaves))
        return false;
    memset(e->dirty, 0, LEAVES_MAX / 8); /* their digests are known */
    e->time_us = named->time_us;
    e->state_bad = false;
    e->genesis.wanted = false;
    crypto_wipe(&e->genesis.key, sizeof e->genesis.key);
    return true;
}

static bool take(struct execution *e, uint64_t number, struct slice sealed)
{
    struct genesis_loading *g = &e->genesis;
    uint8_t ad[8], nonce[AEAD_NONCE_BYTES];
    struct writer w = writer_to(ad, sizeof ad);
    struct leaf_part part;
    put_u64(&w, number);
    reply_nonce(nonce, number);
    if (sealed.len < AEAD_TAG_BYTES || sealed.len > BACKUP_PIECE_MAX ||
        !aead_open(e->scratch, &g->key, nonce, ad, w.len, sealed.data, sealed.len))
        return false;
    struct reader r = reader_of(e->scratch, sealed.len - AEAD_TAG_BYTES);
    while (reader_left(&r)) {
        leaf_part_get(&r, &part);
        if (r.bad || !take_part(e, &part))
            return false;
    }
    g->number = number + 1;
    return g->leaves < e->configuration.genesis.leaf_count || (!g->part && complete(e));
}

/* Nothing of it is used: another state than this comes from peers, or none. */
static void refuse(struct execution *e)
{
    part_free(e);
    e->genesis.wanted = false;
    e->genesis.refused = true;
    crypto_wipe(&e->genesis.key, sizeof e->genesis.key);
}

enum verdict execution_on_restore(struct execution *e, const struct frame *frame)
{
    struct local_restore restore;
    struct genesis_loading *g = &e->genesis;
    if (!local_restore_decode(frame->body, &restore))
        return VERDICT_MALFORMED;
    if (!g->wanted || !e->group_known)
        return VERDICT_UNEXPECTED;
    if (restore.number != g->number)
        return VERDICT_STALE;
    g->news = true;
    /* Something newer is coming in. */
    if (e->fetch.active || e->save.loading || e->executed) {
        refuse(e);
        return VERDICT_STALE;
    }
    if ((!g->begun && !begin(e)) || !take(e, restore.number, frame->attachment)) {
        refuse(e);
        return VERDICT_MISMATCH;
    }
    return VERDICT_ACCEPT;
}

static void tell(struct execution *e, struct outbox *out)
{
    struct genesis_loading *g = &e->genesis;
    uint8_t body[16];
    struct writer w = writer_to(body, sizeof body);
    g->news = false;
    local_restored_put(&w, &(struct local_restored){.state = g->refused  ? RESTORE_REFUSED
                                                             : g->wanted ? RESTORE_WANTED
                                                                         : RESTORE_DONE,
                                                    .number = g->number});
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_RESTORED, (struct slice){body, w.len},
                    (struct slice){NULL, 0});
}

void genesis_flush(struct execution *e, struct outbox *out)
{
    struct genesis_loading *g = &e->genesis;
    if (g->wanted && !e->state_bad)
        g->wanted = false; /* a later state was here first: a saved one, or that of peers */
    else if (g->news && e->group_known && e->started)
        tell(e, out);
}
