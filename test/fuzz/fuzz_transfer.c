/*
 * State from a peer with true keys that lies: an E fetches, and what the other sends is changed before it is sealed. Nothing
 * that differs from what 2f+1 signed is taken; a transfer that comes to its end has the certified root.
 */
#include <stdlib.h>
#include <string.h>

#include "../../apps/kv/kv.h"
#include "../../apps/kv/kv_codec.h"
#include "cluster.h"
#include "need.h"

#define FROM 1u
#define TO   3u
#define E    KIND_EXECUTION

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cluster *c;
static struct digest root;
static size_t mark;

static bool cut_off(const struct cluster *cluster, const struct sent *sent, enum kind to, replica_id replica)
{
    (void)cluster, (void)sent;
    return replica == TO && to == E;
}

static void put(uint64_t number)
{
    uint8_t op[400], value[200];
    char key[32];
    memset(value, (int)number, sizeof value);
    int key_len = snprintf(key, sizeof key, "key-%u", (unsigned)number);
    struct slice slice = {op, kv_put_encode(op, sizeof op, key, (size_t)key_len, value, sizeof value)};
    struct test_bundle *b = cluster_bundle(c, 0, number, &slice, 1, FORM_MACS);
    cluster_order(c, &b, 1);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    cluster_random_fixed(11);
    c = cluster_new(
        &(struct cluster_options){.service = &redoubt_service_kv, .service_options = "memory_mb=4"});
    c->drop = cut_off;
    for (uint64_t n = 1; n <= 60; n++)
        put(n);
    cluster_fill(c, CHECKPOINT_INTERVAL);
    cluster_forget(c);
    c->drop = NULL;
    root = cluster_e(c, FROM)->stable.certificate.root;
    mark = cluster_mark(c);
    return 0;
}

/* Input: u8 pairs: where, in an answer's plaintext, and what is turned over; 0: nothing in this answer. */
static void lie(uint8_t *plain, size_t len, const uint8_t **data, size_t *size)
{
    if (*size < 3)
        return;
    size_t at = (size_t)((*data)[0] | (*data)[1] << 8);
    plain[at % len] ^= (*data)[2];
    *data += 3;
    *size -= 3;
}

static struct slice answer_of(const struct sent *sent, const uint8_t **data, size_t *size)
{
    static uint8_t plain[FRAME_MAX], sealed[FRAME_MAX];
    struct secret_key key;
    struct state state;
    uint8_t nonce[12];
    replica_id from = FROM;
    size_t len = sent->frame.attachment.len - AEAD_TAG_BYTES;
    key_derive(&key, auth_pair_key(cluster_auth(c, E, FROM), E, TO), "redoubt state", &from, sizeof from);
    need(state_decode(sent->frame.body, &state));
    reply_nonce(nonce, state.nonce);
    need(aead_open(plain, &key, nonce, sent->frame.body.data, sent->frame.body.len,
                   sent->frame.attachment.data, sent->frame.attachment.len));
    lie(plain, len, data, size);
    aead_seal(sealed, &key, nonce, sent->frame.body.data, sent->frame.body.len, plain, len);
    return forge_plain(c, cluster_auth(c, E, FROM), FRAME_STATE,
                       cluster_copy(c, sent->frame.body.data, sent->frame.body.len),
                       (struct slice){sealed, len + AEAD_TAG_BYTES});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cluster_reborn(c, E, TO);
    struct execution *e = cluster_e(c, TO);
    for (replica_id r = 0; r < 3; r++)
        (void)cluster_give(c, E, TO, forge_checkpoint(c, r, CHECKPOINT_INTERVAL, &root));
    for (unsigned step = 0; step < 60 && e->executed == 0; step++) {
        (void)cluster_catch_up(c, TO, FROM, true);
        cluster_flush(c, E, TO);
        const struct sent *ask = cluster_last(c, E, TO, FRAME_ASK_STATE);
        if (!ask)
            break;
        struct slice question = cluster_copy(c, ask->data, ask->len);
        cluster_forget(c);
        (void)cluster_give(c, E, FROM, question);
        const struct sent *sent = cluster_last(c, E, FROM, FRAME_STATE);
        struct slice answer = sent ? answer_of(sent, &data, &size) : (struct slice){NULL, 0};
        cluster_forget(c);
        if (sent)
            (void)cluster_give(c, E, TO, answer);
        cluster_flush(c, E, TO);
    }
    need(e->executed == 0 || (memcmp(&e->root, &root, sizeof root) == 0 && !e->state_bad));
    cluster_forget(c);
    cluster_release(c, mark);
    return 0;
}
