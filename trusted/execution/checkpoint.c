/*
 * Checkpoints: every K slots the state's Merkle root is signed. It costs what changed since the last one, and the service
 * goes on during it: a leaf that is about to change again is digested just before ("copy on write" without the copy).
 */
#include "crypto/service.h"
#include "execution/execution.h"

#define DIGESTED_TOGETHER 8u

static bool bit(const uint64_t *map, uint64_t i)
{
    return map[i / 64] >> (i % 64) & 1;
}

static void leaf_digested(struct execution *e, uint64_t leaf, const uint8_t bytes[REDOUBT_DIGEST_BYTES])
{
    struct digest digest;
    memcpy(digest.bytes, bytes, sizeof digest.bytes);
    merkle_set(&e->leaves, leaf, &digest);
    e->pending[leaf / 64] &= ~(1ull << leaf % 64);
}

/* The next pending leaves at or above the scan, in ascending order; at most `max` of them. Moves the scan behind them. */
static size_t take_pending(struct execution *e, uint64_t *leaf, size_t max)
{
    struct freeze *f = &e->freeze;
    size_t count = 0;
    while (f->scan < f->leaf_count && count < max) {
        uint64_t word = e->pending[f->scan / 64] >> (f->scan % 64);
        if (!word) {
            f->scan = (f->scan / 64 + 1) * 64;
            continue;
        }
        f->scan += (unsigned)__builtin_ctzll(word);
        if (f->scan < f->leaf_count)
            leaf[count++] = f->scan++;
    }
    if (f->scan > f->leaf_count)
        f->scan = f->leaf_count;
    return count;
}

static void leaves_digest(struct execution *e, const uint64_t *leaf, size_t count)
{
    uint8_t digest[REDOUBT_EXPECT_MAX][REDOUBT_DIGEST_BYTES];
    service_leaf_digests(e->service, e->service_state, leaf, count, digest);
    for (size_t i = 0; i < count; i++)
        leaf_digested(e, leaf[i], digest[i]);
}

/* Before it changes. Others that are pending are digested with it, which costs little more (crypto/lanes.c): leaves that change
 * often are a good part of all. A service in another process can be asked for nothing now; its digest came with the touch. */
static void pending_touched(struct execution *e, uint64_t touched)
{
    uint64_t leaf[DIGESTED_TOGETHER] = {touched};
    size_t count = 1;
    e->pending[touched / 64] &= ~(1ull << touched % 64);
    if (!e->config.apart)
        count += take_pending(e, leaf + 1, DIGESTED_TOGETHER - 1);
    leaves_digest(e, leaf, count);
}

void checkpoint_touch(const struct redoubt_env *env, uint64_t leaf)
{
    struct execution *e = env->engine;
    CHECK(leaf < LEAVES_MAX);
    if (e->sealing.on)
        save_touch(e, leaf);
    if (leaf == e->fetch.loading)
        return; /* its digest is known before its content is here */
    e->fetch.others = true;
    if (e->freeze.active && leaf < e->freeze.leaf_count && bit(e->pending, leaf))
        pending_touched(e, leaf);
    serve_touch(e, leaf);
    backup_touch(e, leaf);
    e->dirty[leaf / 64] |= 1ull << leaf % 64;
}

static uint64_t count_pending(const struct execution *e)
{
    uint64_t count = 0;
    for (uint64_t word = 0; word <= e->freeze.leaf_count / 64 && word < LEAVES_MAX / 64; word++)
        count += (unsigned)__builtin_popcountll(e->pending[word]);
    return count;
}

void checkpoint_begin(struct execution *e)
{
    struct freeze *f = &e->freeze;
    f->active = true;
    f->slot = e->executed;
    f->leaf_count = e->service->leaf_count(e->service_state);
    f->scan = 0;
    f->time_us = e->time_us;
    CHECK(f->leaf_count <= LEAVES_MAX);
    records_digest(e, &f->origins);
    /* What was touched since the last freeze is to be digested now; new touches collect in the other bitmap, which is
     * empty: the last freeze was finished. */
    uint64_t *swap = e->pending;
    e->pending = e->dirty;
    e->dirty = swap;
    f->quota = count_pending(e) / (CHECKPOINT_INTERVAL / 2) + 1;
    if (e->config.apart)
        e->config.apart->freeze(e->service_state, e->pending, f->leaf_count);
    serve_at_checkpoint(e);
}

void checkpoint_root_make(slot_no slot, configuration_no number, uint64_t time_us, uint64_t leaf_count,
                          const struct digest *leaves, const struct digest *origins, struct digest *root)
{
    uint8_t input[32 + 4 * 8 + 32];
    struct writer w = writer_to(input, sizeof input);
    put_u64(&w, slot);
    put_u64(&w, number);
    put_u64(&w, time_us);
    put_u64(&w, leaf_count);
    put_digest(&w, leaves);
    put_digest(&w, origins);
    digest_of(root, "root", input, w.len);
}

void checkpoint_root_of(const struct execution *e, slot_no slot, uint64_t time_us, uint64_t leaf_count,
                        const struct digest *leaves, const struct digest *origins, struct digest *root)
{
    checkpoint_root_make(slot, configuration_number_at(&e->configuration, slot), time_us, leaf_count, leaves,
                         origins, root);
}

void checkpoint_root(struct execution *e, slot_no slot, uint64_t time_us, uint64_t leaf_count,
                     const struct digest *origins, struct digest *root)
{
    struct digest leaves;
    merkle_root(&e->leaves, leaf_count, &leaves);
    checkpoint_root_of(e, slot, time_us, leaf_count, &leaves, origins, root);
}

void checkpoint_sign(struct execution *e, struct outbox *out)
{
    execution_write_executed(e, out);
    if (!e->started || e->save.behind || !execution_counts(e))
        return;
    configuration_no number = configuration_number_at(&e->configuration, e->checkpoint_slot);
    struct checkpoint checkpoint = {.configuration = number,
                                    .chain = configuration_step(&e->configuration, number)->chain,
                                    .slot = e->checkpoint_slot,
                                    .root = e->root};
    uint8_t body[80];
    struct writer w = writer_to(body, sizeof body);
    checkpoint_put(&w, &checkpoint);
    auth_emit_signed(&e->auth, out, FRAME_CHECKPOINT, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

static void finish(struct execution *e, struct outbox *out)
{
    struct freeze *f = &e->freeze;
    /* Leaves that vanished by the freeze keep their bits; they are nobody's now. */
    memset(e->pending, 0, (LEAVES_MAX / 64 < f->scan / 64 + 1 ? LEAVES_MAX / 64 : f->scan / 64 + 1) * 8);
    checkpoint_root(e, f->slot, f->time_us, f->leaf_count, &f->origins, &e->root);
    e->checkpoint_slot = f->slot;
    f->active = false;
    e->progress = true;
    serve_root_known(e);
    checkpoint_sign(e, out);
}

void checkpoint_advance(struct execution *e, uint64_t leaves, struct outbox *out)
{
    struct freeze *f = &e->freeze;
    uint64_t leaf[REDOUBT_EXPECT_MAX];
    if (!f->active)
        return;
    while (f->scan < f->leaf_count && leaves) {
        size_t count =
            take_pending(e, leaf, leaves < REDOUBT_EXPECT_MAX ? (size_t)leaves : REDOUBT_EXPECT_MAX);
        leaves_digest(e, leaf, count);
        leaves -= count;
    }
    merkle_settle(&e->leaves, f->leaf_count, f->scan);
    if (f->scan >= f->leaf_count)
        finish(e, out);
}

/* The share of one slot: the state is digested evenly over half the slots to the next checkpoint, so that no operation waits
 * for all of it. */
void checkpoint_advance_slot(struct execution *e, struct outbox *out)
{
    checkpoint_advance(e, e->freeze.quota, out);
}

enum verdict execution_on_local_checkpoint(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct local_checkpoint go_on;
    if (!local_checkpoint_decode(frame->body, &go_on))
        return VERDICT_MALFORMED;
    e->progress = true; /* the host waits for this before it says so again */
    if (!e->freeze.active)
        return VERDICT_STALE;
    checkpoint_advance(e, go_on.leaves < LEAVES_PER_NUDGE ? go_on.leaves : LEAVES_PER_NUDGE, out);
    return VERDICT_ACCEPT;
}

void execution_truncated(struct execution *e)
{
    slot_no stable = exec_stable_slot(e);
    e->progress = true;
    e->write_stable = true;
    serve_certificate_known(e);
    for (unsigned i = 0; i < WINDOW; i++) {
        struct exec_slot *s = &e->slot[i];
        /* Slots that are settled but not executed here yet stay: they may still be executed by votes. */
        if (s->slot && s->slot <= stable && s->slot <= e->executed) {
            uint8_t *list = s->list;
            memset(s, 0, sizeof *s);
            s->list = list;
        }
    }
}

enum verdict execution_on_checkpoint(struct execution *e, const struct frame *frame)
{
    bool advanced;
    enum verdict verdict = stable_add(&e->stable, &e->auth, frame, &advanced);
    if (advanced)
        execution_truncated(e);
    return verdict;
}
