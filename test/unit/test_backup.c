/*
 * Backups: who may ask for one, what an E gives, that nothing of the file can be changed, and the way into a new cluster.
 */
#include "testing.h"

#include "../../apps/kv/kv.h"
#include "../../apps/kv/kv_codec.h"
#include "backups.h"

#define E KIND_EXECUTION
#define K CHECKPOINT_INTERVAL

static struct cluster *c;
static struct backup_test t;
static struct backup_reader *r;
static uint64_t bundles;

static int setup(void **state)
{
    (void)state;
    c = cluster_new(
        &(struct cluster_options){.service = &redoubt_service_kv, .service_options = "memory_mb=32"});
    bundles = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    backup_test_free(&t);
    cluster_free(c);
    return 0;
}

static void put_in(struct cluster *cluster, uint64_t bundle, unsigned key, unsigned value, size_t value_len)
{
    uint8_t *op = malloc(value_len + 256), *bytes = malloc(value_len + 1);
    char name[32];
    memset(bytes, (int)(value & 255), value_len);
    int key_len = snprintf(name, sizeof name, "key-%u", key);
    struct slice slice = {op, kv_put_encode(op, value_len + 256, name, (size_t)key_len, bytes, value_len)};
    struct test_bundle *b = cluster_bundle(cluster, 0, bundle, &slice, 1, FORM_MACS);
    cluster_order(cluster, &b, 1);
    cluster_forget(cluster);
    free(op);
    free(bytes);
}

static void put(unsigned key, unsigned value, size_t value_len)
{
    put_in(c, ++bundles, key, value, value_len);
}

static void puts_some(unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put(i, i, 150);
}

static struct slice file_slice(void)
{
    return (struct slice){t.file, t.len};
}

static enum backup_result read_file(const struct box_key *key)
{
    return backup_test_read(&t, file_slice(), key, &r, NULL, NULL);
}

/* --- the file --------------------------------------------------------------------------------------------------------------- */

static void a_backup_is_what_2f_plus_1_signed(void **state)
{
    (void)state;
    puts_some(60);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    assert_int_equal(read_file(NULL), BACKUP_WHOLE);
    assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
    assert_int_equal(r->slot, K);
    assert_memory_equal(&r->root, &cluster_e(c, 0)->root, 32);
    assert_int_equal(r->leaf_count, c->cell[0][2].config.service->leaf_count(cluster_e(c, 0)->service_state));
    assert_string_equal(r->service_name, "kv");
    assert_int_equal(r->time_us, cluster_e(c, 0)->time_us);
    assert_int_equal(r->round, 1);
    /* Another key opens nothing, another administrator's is another cluster's. */
    struct box_key other;
    box_keypair(&other);
    assert_int_equal(read_file(&other), BACKUP_BAD);
    assert_string_equal(r->problem, "it is encrypted for another backup key");
    t.file[20] ^= 1;
    assert_int_equal(read_file(NULL), BACKUP_BAD);
    assert_string_equal(r->problem, "it is of another administrator's cluster");
}

static void every_bit_counts(void **state)
{
    (void)state;
    puts_some(12);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    for (size_t at = 0; at < t.len; at++) {
        t.file[at] ^= (uint8_t)(1u << at % 8);
        if (read_file(at % 4 ? NULL : &t.key) != BACKUP_BAD)
            fail_msg("byte %zu of %zu may be anything", at, t.len);
        t.file[at] ^= (uint8_t)(1u << at % 8);
    }
    assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
}

static void a_part_of_it_is_none(void **state)
{
    (void)state;
    puts_some(12);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    size_t whole = t.len;
    for (t.len = 0; t.len < whole; t.len += 1 + t.len % 3) {
        enum backup_result result = read_file(NULL);
        assert_true(result == BACKUP_BAD || result == BACKUP_MORE); /* MORE: cut between two pieces */
    }
    t.len = whole;
    backup_test_append(&t, (struct slice){t.file + 52, 40});
    assert_int_equal(read_file(NULL), BACKUP_BAD); /* and more is too much */
}

/* Frames of a file, to be put together in another way. */
static uint32_t frames_of(struct slice file, struct slice *frame, uint32_t max)
{
    struct reader in = reader_of(file.data + BACKUP_FILE_HEAD, file.len - BACKUP_FILE_HEAD);
    uint32_t count = 0;
    while (reader_left(&in) && count < max)
        frame[count++] = get_slice(&in);
    return count;
}

static void pieces_of_other_backups_do_not_fit(void **state)
{
    (void)state;
    struct slice first[16], second[16];
    puts_some(30);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    struct slice copy = cluster_copy(c, t.file, t.len);
    uint32_t count = frames_of(copy, first, 16);
    assert_int_equal(count, 5); /* manifest, request, key, leaves, head */
    put(3, 200, 150);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    struct slice later = cluster_copy(c, t.file, t.len);
    assert_int_equal(frames_of(later, second, 16), 5);
    for (uint32_t i = 1; i < 5; i++) { /* each frame of the first in the place of one of the second */
        t.len = BACKUP_FILE_HEAD;
        for (uint32_t k = 0; k < 5; k++)
            backup_test_append(&t, k == i ? first[k] : second[k]);
        assert_int_equal(read_file(&t.key), BACKUP_BAD);
        assert_int_equal(read_file(NULL), BACKUP_BAD);
    }
    t.len = BACKUP_FILE_HEAD;
    for (uint32_t k = 0; k < 5; k++)
        backup_test_append(&t, second[k]);
    assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
    assert_int_equal(r->slot, 2 * K);
}

static void a_certificate_of_another_cluster_is_none(void **state)
{
    (void)state;
    struct slice frame[16];
    puts_some(5);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    assert_int_equal(frames_of(cluster_copy(c, t.file, t.len), frame, 16), 5);
    /* The same administrator, and a manifest of his with other members. */
    struct cluster *other = cluster_new(&(struct cluster_options){.service = &redoubt_service_kv});
    struct start manifest = cluster_manifest(other);
    manifest.cluster = c->id;
    struct slice signed_start = cluster_sign_start(other, &manifest, &c->admin);
    struct frame start;
    uint8_t bare[65536];
    assert_true(frame_decode(signed_start.data, signed_start.len, &start));
    t.len = BACKUP_FILE_HEAD;
    backup_test_append(&t, (struct slice){bare, frame_strip(bare, sizeof bare, &start)});
    for (uint32_t k = 1; k < 5; k++)
        backup_test_append(&t, frame[k]);
    assert_int_equal(read_file(&t.key), BACKUP_BAD);
    cluster_free(other);
}

/* --- a faulty E -------------------------------------------------------------------------------------------------------------- */

/* E_3 gives another leaf than it has, in all form: only who can open it finds out, and does. */
static void a_lying_e_is_found_out_with_the_key(void **state)
{
    (void)state;
    struct slice frame[16];
    struct frame piece;
    struct backup body = {0};
    puts_some(20);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
    struct secret_key content = r->content;
    assert_int_equal(frames_of(cluster_copy(c, t.file, t.len), frame, 16), 5);
    assert_true(frame_decode(frame[3].data, frame[3].len, &piece) && backup_decode(piece.body, &body));
    static uint8_t plain[BACKUP_PIECE_MAX];
    uint8_t ad[96], nonce[12];
    size_t len = piece.attachment.len - AEAD_TAG_BYTES;
    struct backup clear = body;
    memset(&clear.digest, 0, sizeof clear.digest);
    struct writer w = writer_to(ad, sizeof ad);
    backup_put(&w, &clear);
    reply_nonce(nonce, body.number);
    assert_true(aead_open(plain, &content, nonce, ad, w.len, piece.attachment.data, piece.attachment.len));
    for (size_t at = 0; at < len; at += 37) {
        static uint8_t sealed[BACKUP_PIECE_MAX];
        plain[at] ^= 1;
        aead_seal(sealed, &content, nonce, ad, w.len, plain, len);
        plain[at] ^= 1;
        digest_of(&body.digest, "backup", sealed, piece.attachment.len);
        struct slice lie =
            forge_signed(c, cluster_auth(c, E, 3), FRAME_BACKUP, cluster_body(c, backup, &body),
                         (struct slice){sealed, piece.attachment.len});
        t.len = BACKUP_FILE_HEAD;
        for (uint32_t k = 0; k < 5; k++)
            backup_test_append(&t, k == 3 ? lie : frame[k]);
        assert_int_equal(read_file(NULL), BACKUP_WHOLE);
        assert_int_equal(read_file(&t.key), BACKUP_BAD);
    }
}

/* The file with its head signed anew by E_3: for another root, or with other signers. */
static enum backup_result read_with_head(const struct slice *frame, const struct backup_head *head)
{
    struct frame piece;
    struct backup body = {0};
    assert_true(frame_decode(frame[4].data, frame[4].len, &piece));
    assert_true(backup_decode(piece.body, &body));
    struct slice bytes = cluster_body(c, backup_head, head);
    digest_of(&body.digest, "backup", bytes.data, bytes.len);
    struct slice lie =
        forge_signed(c, cluster_auth(c, E, 3), FRAME_BACKUP, cluster_body(c, backup, &body), bytes);
    t.len = BACKUP_FILE_HEAD;
    for (uint32_t k = 0; k < 5; k++)
        backup_test_append(&t, k == 4 ? lie : frame[k]);
    return read_file(NULL);
}

/* Which state it is is not for E_3 alone to say, nor for it and one friend. */
static void no_e_certifies_alone(void **state)
{
    (void)state;
    struct slice frame[16];
    struct frame piece;
    struct backup_head head = {0};
    puts_some(20);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    assert_int_equal(frames_of(cluster_copy(c, t.file, t.len), frame, 16), 5);
    assert_true(frame_decode(frame[4].data, frame[4].len, &piece));
    assert_true(backup_head_decode(piece.attachment, &head));
    for (uint32_t count = 0; count <= 3; count++) {
        head.signers = forge_signers(c, K, &head.root, count);
        assert_int_equal(read_with_head(frame, &head), count == 3 ? BACKUP_WHOLE : BACKUP_BAD);
    }
    struct slice good = head.signers;
    struct digest other = test_digest(7);
    head.signers = forge_signers(c, K, &other, 3); /* they signed something else */
    assert_int_equal(read_with_head(frame, &head), BACKUP_BAD);
    head.signers = good;
    head.root = other;
    assert_int_equal(read_with_head(frame, &head), BACKUP_BAD);
}

/* --- requests ---------------------------------------------------------------------------------------------------------------- */

static void only_the_administrator_gets_one(void **state)
{
    (void)state;
    puts_some(3);
    backup_test_begin(&t, c, 3);
    struct sign_key stranger;
    sign_keypair(&stranger);
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &t.ask, &stranger)), BAD_SIGNATURE);
    assert_verdict(cluster_give(c, E, 2, backup_test_request(&t, &t.ask, &c->admin)), UNEXPECTED);
    struct slice good = backup_test_request(&t, &t.ask, &c->admin);
    uint8_t *bytes = (uint8_t *)(uintptr_t)good.data;
    for (size_t bit = 0; bit < 8 * good.len; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_refused(cluster_give(c, E, 3, good), bit);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_null(cluster_last(c, E, 3, FRAME_BACKUP));
    assert_verdict(cluster_give(c, E, 3, good), ACCEPT);
    assert_non_null(cluster_last(c, E, 3, FRAME_BACKUP));
    assert_verdict(cluster_give(c, E, 3, good), DUPLICATE);
}

static void a_request_is_good_for_a_while_and_once(void **state)
{
    (void)state;
    puts_some(3);
    backup_test_begin(&t, c, 3);
    struct ask_backup ask = t.ask;
    ask.until_us = cluster_e(c, 3)->time_us - 1;
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &ask, &c->admin)), STALE);
    ask.until_us++;
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &ask, &c->admin)), ACCEPT);
    struct ask_backup kept = ask;
    ask.session.bytes[0] ^= 1; /* another session of the same time, or before it */
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &ask, &c->admin)), STALE);
    ask.asked_us--;
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &ask, &c->admin)), STALE);
    ask.asked_us += 2;
    ask.number = 2; /* begins with 1 */
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &ask, &c->admin)), STALE);
    ask.number = 0;
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &ask, &c->admin)), MALFORMED);
    ask.number = 1;
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &ask, &c->admin)), ACCEPT);
    assert_verdict(cluster_give(c, E, 3, backup_test_request(&t, &kept, &c->admin)), STALE);
}

/* What was asked for while slot 10 was the last is of a later checkpoint: slots 1 to 10 are in it. */
static void the_state_is_later_than_the_request(void **state)
{
    (void)state;
    puts_some(3);
    cluster_fill(c, K);
    cluster_run(c);
    backup_test_begin(&t, c, 3);
    assert_non_null(backup_test_next(&t)); /* the key */
    for (int i = 0; i < 5; i++)
        assert_null(backup_test_next(&t));
    cluster_fill(c, 2 * K - 1);
    assert_null(backup_test_next(&t));
    cluster_fill(c, 2 * K);
    cluster_run(c);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
    assert_int_equal(r->slot, 3 * K);
}

/* --- under load ---------------------------------------------------------------------------------------------------------------- */

static void what_changes_meanwhile_is_not_in_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++)
        put(i, i, 100000); /* pieces enough */
    backup_test_begin(&t, c, 3);
    backup_test_append(&t, sent_slice(backup_test_next(&t)));
    cluster_fill(c, K);
    cluster_run(c);
    struct digest root = cluster_e(c, 0)->root;
    for (unsigned i = 0; i < 20; i++) {
        put(i, i + 1, 70000);
        const struct sent *sent = backup_test_next(&t);
        if (!sent)
            break;
        backup_test_append(&t, sent_slice(sent));
    }
    assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
    assert_memory_equal(&r->root, &root, 32);
    assert_int_equal(r->slot, K);
    assert_int_equal(r->round, 1);
}

static void to_the_next_checkpoint(void)
{
    cluster_fill(c, (cluster_e(c, 0)->executed / K + 1) * K);
    cluster_run(c);
}

/* Everything changes after piece `change_at`, and after piece `stop_at` the state can no longer be kept. Returns how many pieces had
 * leaves that had come before. */
static unsigned backup_in_rounds(uint64_t change_at, uint64_t stop_at)
{
    unsigned again = 0;
    backup_test_begin(&t, c, 3);
    for (unsigned i = 0; i < 100; i++) {
        const struct sent *sent = backup_test_next(&t);
        struct backup piece;
        if (!sent) {
            to_the_next_checkpoint();
            continue;
        }
        backup_test_append(&t, sent_slice(sent));
        assert_true(backup_decode(sent->frame.body, &piece));
        if (piece.what == BACKUP_HEAD)
            return again;
        again += piece.round > 1;
        for (unsigned k = 0; piece.number == change_at && k < 40; k++)
            put(k, (unsigned)(change_at + 10 * stop_at + k), 90000);
        if (piece.number == stop_at)
            serve_stop(cluster_e(c, 3));
    }
    fail_msg("no end of it");
    return 0;
}

/* A later checkpoint takes the place of one that could not be kept, and what changed comes again: whether it changed before or after
 * it was given. */
static void a_later_checkpoint_takes_the_place_of_one_that_was_lost(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++)
        put(i, i, 90000);
    for (uint64_t stop = 2; stop <= 4; stop++)
        for (uint64_t change = 2; change <= stop; change++) {
            unsigned again = backup_in_rounds(change, stop);
            assert_true(again > 0);
            assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
            assert_int_equal(r->round, 2);
            assert_memory_equal(&r->root, &cluster_e(c, 0)->stable.certificate.root, 32);
        }
    /* By leaves, for how many pieces there are depends on where the drawn hash key puts the keys: what changed comes twice ... */
    (void)backup_in_rounds(4, 4);
    assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
    assert_true(r->leaves > r->leaf_count);
    /* ... and what did not change does not. */
    (void)backup_in_rounds(0, 4);
    assert_int_equal(read_file(&t.key), BACKUP_WHOLE);
    assert_int_equal(r->leaves, r->leaf_count);
}

/* State that came in from peers is not what the leaves that were given belong to. */
static void a_transfer_ends_a_backup(void **state)
{
    (void)state;
    puts_some(3);
    backup_test_begin(&t, c, 3);
    assert_non_null(backup_test_next(&t));
    cluster_e(c, 3)->fetch.transfers++;
    cluster_fill(c, K);
    cluster_run(c);
    assert_null(backup_test_next(&t));
    assert_false(cluster_e(c, 3)->backup.active);
}

/* --- into a new cluster ---------------------------------------------------------------------------------------------------------- */

struct genesis_test {
    struct genesis genesis;
    struct secret_key key;
    uint8_t part[64][16384]; /* where keys fall is drawn anew in each run */
    struct leaf_part leaf[64];
    unsigned count;
};

static void keep_part(void *context, uint64_t number, const struct leaf_part *part)
{
    struct genesis_test *g = context;
    (void)number;
    assert_true(g->count < 64 && part->bytes.len <= sizeof g->part[0]);
    memcpy(g->part[g->count], part->bytes.data, part->bytes.len);
    g->leaf[g->count] = *part;
    g->leaf[g->count].bytes.data = g->part[g->count];
    g->count++;
}

static void genesis_make(struct genesis_test *g)
{
    memset(g, 0, sizeof *g);
    puts_some(60);
    backup_test_begin(&t, c, 3);
    backup_test_take(&t);
    assert_int_equal(backup_test_read(&t, file_slice(), &t.key, &r, keep_part, g), BACKUP_WHOLE);
    assert_true(g->count > 2);
    g->genesis = (struct genesis){.leaf_count = r->leaf_count,
                                  .leaves = r->digests.leaves,
                                  .time_us = r->time_us,
                                  .from_cluster = c->id,
                                  .from_slot = r->slot,
                                  .from_root = r->root};
    crypto_random(g->key.bytes, 32);
}

/* A cluster whose START names that state. */
static struct cluster *cluster_restored(struct genesis_test *g)
{
    struct cluster *n = cluster_new(&(struct cluster_options){
        .service = &redoubt_service_kv, .service_options = "memory_mb=32", .unstarted = true});
    struct start manifest = cluster_manifest(n);
    uint8_t sealed[32 + SEAL_BYTES];
    struct frame frame;
    box_seal(sealed, n->group.public, g->key.bytes, 32);
    memcpy(g->genesis.half0.bytes, sealed, 32);
    memcpy(g->genesis.half1.bytes, sealed + 32, 32);
    memcpy(g->genesis.tail.bytes, sealed + 64, 16);
    manifest.genesis = cluster_body(n, genesis, &g->genesis);
    n->start = cluster_sign_start(n, &manifest, &n->admin);
    assert_true(frame_decode(n->start.data, n->start.len, &frame));
    assert_verdict(configuration_load(&n->configuration, &frame, n->admin.public), ACCEPT);
    for (replica_id i = 0; i < n->replicas; i++)
        for (enum kind kind = KIND_PREPARATION; kind <= KIND_EXECUTION; kind++)
            assert_verdict(cluster_give(n, kind, i, n->start), ACCEPT);
    for (origin_id i = 0; i < n->options.origins; i++)
        auth_start(&n->origin[i].auth, &n->configuration);
    for (replica_id i = 0; i < n->replicas; i++)
        cluster_flush(n, E, i);
    return n;
}

/* Piece `number` of so many leaves. */
static struct slice piece(struct cluster *n, const struct genesis_test *g, uint64_t number, unsigned from,
                          unsigned upto)
{
    static uint8_t plain[BACKUP_PIECE_MAX], sealed[BACKUP_PIECE_MAX];
    uint8_t ad[8], nonce[12];
    struct writer w = writer_to(plain, sizeof plain - 16), a = writer_to(ad, sizeof ad);
    for (unsigned i = from; i < upto; i++)
        leaf_part_put(&w, &g->leaf[i]);
    put_u64(&a, number);
    reply_nonce(nonce, number);
    aead_seal(sealed, &g->key, nonce, ad, a.len, plain, w.len);
    struct slice body = cluster_body(n, local_restore, &(struct local_restore){.number = number});
    return cluster_local(n, FRAME_LOCAL_RESTORE, body, (struct slice){sealed, w.len + AEAD_TAG_BYTES});
}

static unsigned told_state(struct cluster *n, replica_id from)
{
    struct local_restored m;
    const struct sent *sent = cluster_last(n, E, from, FRAME_LOCAL_RESTORED);
    assert_non_null(sent);
    assert_true(local_restored_decode(sent->frame.body, &m));
    return m.state;
}

static void a_new_cluster_begins_with_it(void **state)
{
    (void)state;
    static struct genesis_test g;
    genesis_make(&g);
    struct cluster *n = cluster_restored(&g);
    for (replica_id i = 0; i < n->replicas; i++) {
        assert_int_equal(told_state(n, i), RESTORE_WANTED);
        assert_true(cluster_e(n, i)->state_bad);
        assert_verdict(cluster_give(n, E, i, piece(n, &g, 0, 0, 1)), ACCEPT);
        assert_verdict(cluster_give(n, E, i, piece(n, &g, 0, 0, 1)), STALE);
        assert_verdict(cluster_give(n, E, i, piece(n, &g, 1, 1, g.count)), ACCEPT);
        cluster_flush(n, E, i);
        assert_int_equal(told_state(n, i), RESTORE_DONE);
        assert_false(cluster_e(n, i)->state_bad);
        assert_int_equal(cluster_e(n, i)->time_us, g.genesis.time_us);
        assert_verdict(cluster_give(n, E, i, piece(n, &g, 2, 0, 1)), UNEXPECTED);
    }
    /* It goes on from there, and all are at one; and its own backup has old and new. */
    put_in(n, 1, 1000, 5, 150);
    cluster_fill(n, K);
    cluster_run(n);
    for (replica_id i = 1; i < n->replicas; i++)
        assert_memory_equal(&cluster_e(n, i)->root, &cluster_e(n, 0)->root, 32);
    assert_int_equal(exec_stable_slot(cluster_e(n, 3)), K);
    struct backup_test again = {0};
    backup_test_begin(&again, n, 2);
    backup_test_take(&again);
    assert_int_equal(
        backup_test_read(&again, (struct slice){again.file, again.len}, &again.key, &r, NULL, NULL),
        BACKUP_WHOLE);
    backup_test_free(&again);
    cluster_free(n);
}

static void nothing_else_is_loaded(void **state)
{
    (void)state;
    static struct genesis_test g, other;
    genesis_make(&g);
    struct cluster *n = cluster_restored(&g);
    other = g;
    /* A byte of the sealed piece; a piece under another key; one without its beginning; a leaf twice; another leaf. */
    struct slice bad = piece(n, &g, 0, 0, g.count);
    ((uint8_t *)(uintptr_t)bad.data)[bad.len / 2] ^= 1;
    assert_verdict(cluster_give(n, E, 0, bad), MISMATCH);
    crypto_random(other.key.bytes, 32);
    assert_verdict(cluster_give(n, E, 1, piece(n, &other, 0, 0, g.count)), MISMATCH);
    assert_verdict(cluster_give(n, E, 2, piece(n, &g, 0, 1, g.count)), MISMATCH);
    other = g;
    other.leaf[g.count - 1] = g.leaf[g.count - 2];
    assert_verdict(cluster_give(n, E, 3, piece(n, &other, 0, 0, g.count)), MISMATCH);
    for (replica_id i = 0; i < 4; i++) {
        cluster_flush(n, E, i);
        assert_int_equal(told_state(n, i), RESTORE_REFUSED);
        assert_true(cluster_e(n, i)->state_bad);
        assert_verdict(cluster_give(n, E, i, piece(n, &g, 0, 0, g.count)), UNEXPECTED);
    }
    /* And without it nothing is executed. */
    put_in(n, 1, 1, 1, 10);
    assert_int_equal(cluster_e(n, 0)->executed, 0);
    cluster_free(n);
    /* A START that names something else than the pieces give. */
    other = g;
    other.genesis.leaves.bytes[0] ^= 1;
    n = cluster_restored(&other);
    assert_verdict(cluster_give(n, E, 0, piece(n, &other, 0, 0, g.count)), MISMATCH);
    assert_true(cluster_e(n, 0)->state_bad);
    cluster_free(n);
}

/* A replica whose file is not there gets the state of the others, at a checkpoint. */
static void who_lacks_it_gets_the_state_of_its_peers(void **state)
{
    (void)state;
    static struct genesis_test g;
    genesis_make(&g);
    struct cluster *n = cluster_restored(&g);
    for (replica_id i = 0; i < 3; i++)
        assert_verdict(cluster_give(n, E, i, piece(n, &g, 0, 0, g.count)), ACCEPT);
    put_in(n, 1, 1000, 5, 150);
    cluster_fill(n, K);
    cluster_run(n);
    assert_int_equal(cluster_e(n, 3)->executed, 0);
    assert_int_equal(cluster_e(n, 0)->executed, K);
    assert_verdict(cluster_catch_up(n, 3, 1, true), ACCEPT);
    cluster_run(n);
    assert_int_equal(cluster_e(n, 3)->executed, K);
    assert_false(cluster_e(n, 3)->state_bad);
    assert_verdict(cluster_give(n, E, 3, piece(n, &g, 0, 0, g.count)), UNEXPECTED);
    assert_memory_equal(&cluster_e(n, 3)->root, &cluster_e(n, 0)->root, 32);
    cluster_free(n);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_backup_is_what_2f_plus_1_signed),
        T(every_bit_counts),
        T(a_part_of_it_is_none),
        T(pieces_of_other_backups_do_not_fit),
        T(a_certificate_of_another_cluster_is_none),
        T(a_lying_e_is_found_out_with_the_key),
        T(no_e_certifies_alone),
        T(only_the_administrator_gets_one),
        T(a_request_is_good_for_a_while_and_once),
        T(the_state_is_later_than_the_request),
        T(what_changes_meanwhile_is_not_in_it),
        T(a_later_checkpoint_takes_the_place_of_one_that_was_lost),
        T(a_transfer_ends_a_backup),
        T(a_new_cluster_begins_with_it),
        T(nothing_else_is_loaded),
        T(who_lacks_it_gets_the_state_of_its_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
