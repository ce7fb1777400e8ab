/*
 * A backup: all leaves of the state at a checkpoint, encrypted for the administrator, in pieces that are asked for one by one. It
 * is the state that peers who lag are served (state_serve.c): kept as it was while the service goes on, for as long as
 * memory allows. When it had to be dropped a later checkpoint takes its place, and what changed since a leaf was given is
 * given again; so it comes to an end under load too.
 *
 * Nothing leaves without a request that the administrator signed, for the key named in it. A request that was kept and is
 * repeated later gives no state of a time after `until_us`: what 2f+1 P let this E execute says what time it is.
 */
#include "execution/execution.h"

void backup_touch(struct execution *e, uint64_t leaf)
{
    if (e->backup.active)
        e->backup.due[leaf / 64] |= 1ull << leaf % 64;
}

static void end(struct backup_giving *b)
{
    b->active = false;
    crypto_wipe(&b->key, sizeof b->key);
}

static void begin(struct execution *e, const struct ask_backup *ask)
{
    struct backup_giving *b = &e->backup;
    b->active = true;
    b->session = ask->session;
    b->backup_public = ask->backup_public;
    b->asked_us = ask->asked_us;
    b->begun = e->executed;
    b->transfers = e->fetch.transfers;
    b->number = 0;
    b->slot = 0;
    b->round = 0;
    crypto_random(b->key.bytes, sizeof b->key.bytes);
    memset(b->due, 0xff, LEAVES_MAX / 8);
    (void)serve_for_backup(e, b->begun);
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

/* The body that piece and encryption are about; without a digest of the attachment as long as there is none. */
static struct backup piece_of(const struct backup_giving *b, unsigned what)
{
    return (struct backup){.session = b->session,
                           .number = b->number + 1,
                           .what = (uint8_t)what,
                           .round = b->round,
                           .slot = b->slot};
}

static void send(struct execution *e, struct backup *piece, struct slice attachment, struct outbox *out)
{
    uint8_t body[96];
    struct writer w = writer_to(body, sizeof body);
    digest_of(&piece->digest, "backup", attachment.data, attachment.len);
    backup_put(&w, piece);
    CHECK(!w.bad);
    e->backup.number = piece->number;
    auth_emit_signed(&e->auth, out, FRAME_BACKUP, (struct slice){body, w.len}, attachment);
}

/* Encrypts under the content key; the nonce is the piece's number, which no other piece of this key has. */
static struct slice encrypt(struct execution *e, const struct backup *piece, struct slice plain, uint8_t *to)
{
    uint8_t ad[96], nonce[AEAD_NONCE_BYTES];
    struct writer w = writer_to(ad, sizeof ad);
    backup_put(&w, piece);
    reply_nonce(nonce, piece->number);
    aead_seal(to, &e->backup.key, nonce, ad, w.len, plain.data, plain.len);
    return (struct slice){to, plain.len + AEAD_TAG_BYTES};
}

static void send_key(struct execution *e, struct outbox *out)
{
    struct backup_giving *b = &e->backup;
    const char *name = e->service->name;
    uint8_t sealed[32 + SEAL_BYTES];
    struct backup piece = piece_of(b, BACKUP_KEY);
    struct backup_opening opening = {.service = {(const uint8_t *)name, strlen(name)}};
    struct writer w = writer_to(e->scratch, FRAME_MAX);
    box_seal(sealed, b->backup_public.bytes, b->key.bytes, sizeof b->key.bytes);
    memcpy(opening.half0.bytes, sealed, 32);
    memcpy(opening.half1.bytes, sealed + 32, 32);
    memcpy(opening.tail.bytes, sealed + 64, 16);
    backup_opening_put(&w, &opening);
    CHECK(!w.bad);
    send(e, &piece, (struct slice){e->scratch, w.len}, out);
}

static bool next_due(struct execution *e)
{
    struct backup_giving *b = &e->backup;
    while (b->leaf < e->serve.leaf_count) {
        uint64_t word = b->due[b->leaf / 64] >> (b->leaf % 64);
        if (word) {
            b->leaf += (unsigned)__builtin_ctzll(word);
            return b->leaf < e->serve.leaf_count;
        }
        b->leaf = (b->leaf / 64 + 1) * 64;
    }
    return false;
}

/* The rest of a leaf, or what of it fits. False: it is larger than any that can be moved. */
static bool put_part(struct execution *e, struct writer *w)
{
    struct backup_giving *b = &e->backup;
    size_t total = serve_leaf_length(e, b->leaf), len = total - b->leaf_at;
    if (total > LEAF_BYTES_MAX)
        return false;
    len = len < BACKUP_PIECE_BYTES ? len : BACKUP_PIECE_BYTES;
    put_u64(w, b->leaf);
    put_u32(w, (uint32_t)total);
    put_u32(w, (uint32_t)b->leaf_at);
    put_u32(w, (uint32_t)len);
    uint8_t *to = writer_take(w, len);
    CHECK(to != NULL);
    serve_leaf_copy(e, b->leaf, b->leaf_at, to, len);
    b->leaf_at += len;
    if (b->leaf_at < total)
        return true;
    /* What changed since the checkpoint stays due, for the next one. */
    if (!e->serve.saved[b->leaf])
        b->due[b->leaf / 64] &= ~(1ull << b->leaf % 64);
    b->leaf++;
    b->leaf_at = 0;
    return true;
}

static void send_head(struct execution *e, struct outbox *out)
{
    const struct serve *s = &e->serve;
    struct backup piece = piece_of(&e->backup, BACKUP_HEAD);
    struct digest root;
    uint8_t digests[2 * sizeof(struct digest)], sealed[sizeof digests + AEAD_TAG_BYTES];
    struct writer d = writer_to(digests, sizeof digests), w = writer_to(e->scratch, FRAME_MAX);
    checkpoint_root_of(e, s->slot, s->time_us, s->leaf_count, &s->leaves, &s->origins, &root);
    backup_digests_put(&d, &(struct backup_digests){.leaves = s->leaves, .origins = s->origins});
    backup_head_put(
        &w, &(struct backup_head){.root = root,
                                  .time_us = s->time_us,
                                  .leaf_count = s->leaf_count,
                                  .signers = certificate_signers(&s->certificate),
                                  .sealed = encrypt(e, &piece, (struct slice){digests, d.len}, sealed)});
    CHECK(!w.bad);
    send(e, &piece, (struct slice){e->scratch, w.len}, out);
}

static enum verdict send_next(struct execution *e, struct outbox *out)
{
    struct backup_giving *b = &e->backup;
    struct writer w = writer_to(e->scratch, FRAME_MAX);
    if (!serve_for_backup(e, b->begun))
        return VERDICT_EARLY;
    if (b->slot != e->serve.slot) {
        b->slot = e->serve.slot;
        b->round++;
        b->leaf = 0;
        b->leaf_at = 0;
    }
    while (w.len < BACKUP_PIECE_BYTES && next_due(e))
        if (!put_part(e, &w)) {
            end(b);
            return VERDICT_LIMIT;
        }
    if (w.len == 0) {
        send_head(e, out);
        end(b);
        return VERDICT_ACCEPT;
    }
    struct backup piece = piece_of(b, BACKUP_LEAVES);
    send(e, &piece, encrypt(e, &piece, (struct slice){e->scratch, w.len}, e->results), out);
    return VERDICT_ACCEPT;
}

enum verdict execution_on_ask_backup(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct ask_backup ask;
    struct backup_giving *b = &e->backup;
    enum verdict verdict = backup_request_check(frame, &e->auth.cluster, e->configuration.admin_public, &ask);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (ask.replica != e->config.replica)
        return VERDICT_UNEXPECTED;
    if (b->active && (state_unusable(e) || b->transfers != e->fetch.transfers))
        end(b); /* the state is another one, by another way than operations */
    if (state_unusable(e) || !execution_counts(e))
        return VERDICT_EARLY;
    if (e->time_us > ask.until_us)
        return VERDICT_STALE;
    bool same = b->active && memcmp(b->session.bytes, ask.session.bytes, sizeof ask.session.bytes) == 0;
    if (!same) {
        if (ask.number != 1 || ask.asked_us <= b->asked_us)
            return VERDICT_STALE;
        begin(e, &ask);
    }
    if (ask.number != b->number + 1)
        return VERDICT_DUPLICATE;
    if (ask.number == 1) {
        send_key(e, out);
        return VERDICT_ACCEPT;
    }
    return send_next(e, out);
}
