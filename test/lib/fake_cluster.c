#include "fake_cluster.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

static struct sender execution_sender(replica_id replica)
{
    return (struct sender){.kind = KIND_EXECUTION, .id = replica, .epoch = 7};
}

static void *limited_take(void *context, size_t bytes)
{
    struct fake_cluster *cluster = context;
    if (cluster->memory_limit && cluster->memory_used + bytes > cluster->memory_limit)
        return NULL;
    cluster->memory_used += bytes;
    if (cluster->memory_used > cluster->memory_peak)
        cluster->memory_peak = cluster->memory_used;
    return malloc(bytes);
}

static void limited_give(void *context, void *memory, size_t bytes)
{
    struct fake_cluster *cluster = context;
    CHECK(cluster->memory_used >= bytes);
    cluster->memory_used -= bytes;
    free(memory);
}

static void on_send(void *context, replica_id replica, const struct slice *parts, unsigned count)
{
    struct fake_cluster *cluster = context;
    CHECK(cluster->sent_count < FAKE_SENT_MAX);
    struct fake_sent *sent = &cluster->sent[cluster->sent_count++];
    *sent = (struct fake_sent){.replica = replica};
    for (unsigned i = 0; i < count; i++)
        sent->len += parts[i].len;
    sent->data = malloc(sent->len);
    for (size_t i = 0, at = 0; i < count; at += parts[i++].len)
        memcpy(sent->data + at, parts[i].data, parts[i].len);
}

static void member_set(struct fake_cluster *cluster, enum kind kind, replica_id r, const struct box_key *box)
{
    struct member_keys *keys = &cluster->configuration.member[kind - KIND_HOST][r];
    keys->present = true;
    keys->epoch = 7;
    memcpy(keys->box_public, box->public, 32);
}

struct fake_cluster *fake_cluster_new(void)
{
    struct fake_cluster *cluster = calloc(1, sizeof *cluster);
    struct configuration *c = &cluster->configuration;
    CHECK(crypto_start() == 0);
    memset(c->cluster.bytes, 0x5c, sizeof c->cluster.bytes);
    c->number = 3;
    c->protocol = PROTOCOL_SPLITBFT;
    c->pillars = 1;
    c->faults = 1;
    c->replicas = FAKE_REPLICAS;
    c->write_quorum = c->read_quorum = 3;
    c->origins = 1;
    box_keypair(&cluster->group);
    memcpy(c->group_public, cluster->group.public, 32);
    sign_keypair(&cluster->origin_sign);
    box_keypair(&cluster->origin_box);
    c->origin[0].present = true;
    memcpy(c->origin[0].sign_public, cluster->origin_sign.public, 32);
    memcpy(c->origin[0].box_public, cluster->origin_box.public, 32);
    for (replica_id r = 0; r < FAKE_REPLICAS; r++) {
        struct sender p = {.kind = KIND_PREPARATION, .id = r, .epoch = 7};
        auth_init(&cluster->preparation[r], p, NULL);
        member_set(cluster, KIND_PREPARATION, r, &cluster->preparation[r].box);
        box_keypair(&cluster->execution_box[r]);
        member_set(cluster, KIND_EXECUTION, r, &cluster->execution_box[r]);
        cluster->origin_pairs[r] = calloc(ORIGINS_MAX, sizeof(struct pair_key));
        cluster->preparation[r].origin = cluster->origin_pairs[r];
    }
    for (replica_id r = 0; r < FAKE_REPLICAS; r++)
        auth_start(&cluster->preparation[r], c);
    cluster->now = 1000000;
    return cluster;
}

struct fake_cluster *fake_cluster_open(const struct client_core_options *options)
{
    struct fake_cluster *cluster = fake_cluster_new();
    struct client_core_config config = {
        .configuration = &cluster->configuration,
        .origin = 0,
        .epoch = 42,
        .sign = &cluster->origin_sign,
        .box = &cluster->origin_box,
        .memory = {cluster, limited_take, limited_give},
        .wire = {cluster, on_send},
    };
    client_core_options_init(&config.options);
    if (options)
        config.options = *options;
    CHECK(client_core_init(&cluster->core, &config));
    return cluster;
}

void fake_cluster_free(struct fake_cluster *cluster)
{
    if (cluster->core.configuration) {
        client_core_close(&cluster->core, cluster->now);
        client_core_deinit(&cluster->core);
    }
    CHECK(cluster->memory_used == 0);
    for (unsigned i = 0; i < cluster->sent_count; i++)
        free(cluster->sent[i].data);
    for (replica_id r = 0; r < FAKE_REPLICAS; r++)
        free(cluster->origin_pairs[r]);
    free(cluster);
}

static void on_done(void *context, const struct redoubt_outcome *outcome)
{
    struct fake_outcome *mine = context;
    mine->told++;
    mine->outcome = *outcome;
    if (outcome->result_bytes)
        memcpy(mine->result, outcome->result,
               outcome->result_bytes < sizeof mine->result ? outcome->result_bytes : sizeof mine->result);
}

int fake_submit(struct fake_cluster *cluster, const void *op, size_t len, uint64_t timeout_us)
{
    CHECK(cluster->submitted < FAKE_OPS_MAX);
    struct fake_outcome *outcome = &cluster->outcome[cluster->submitted];
    *outcome = (struct fake_outcome){.cluster = cluster};
    int result = client_core_submit(&cluster->core, op, len, cluster->now + timeout_us, on_done, outcome,
                                    cluster->now);
    if (result == 0)
        cluster->submitted++;
    client_core_validate(&cluster->core);
    return result;
}

void fake_flush(struct fake_cluster *cluster)
{
    client_core_flush(&cluster->core, cluster->now);
    client_core_validate(&cluster->core);
}

void fake_run_until(struct fake_cluster *cluster, uint64_t now)
{
    while (client_core_next_timer(&cluster->core) <= now) {
        if (client_core_next_timer(&cluster->core) > cluster->now)
            cluster->now = client_core_next_timer(&cluster->core);
        client_core_on_timer(&cluster->core, cluster->now);
        client_core_validate(&cluster->core);
        fake_flush(cluster);
    }
    cluster->now = now;
}

void fake_bundle_open(struct fake_cluster *cluster, unsigned index, struct fake_bundle *b)
{
    struct secret_key key;
    uint8_t nonce[AEAD_NONCE_BYTES];
    uint8_t ad[20];
    CHECK(index < cluster->sent_count);
    CHECK(frame_decode(cluster->sent[index].data, cluster->sent[index].len, &b->frame));
    CHECK(b->frame.type == FRAME_BUNDLE && bundle_check(&b->frame, &b->bundle) == VERDICT_ACCEPT);
    auth_content(&cluster->configuration.cluster, FRAME_BUNDLE, &b->frame.sender, b->frame.body, &b->content);
    CHECK(box_agree(&key, &cluster->group, b->bundle.session_public.bytes));
    key_derive(&key, &key, "redoubt content", cluster->configuration.cluster.bytes, 16);
    bundle_nonce(nonce, b->bundle.bundle_no);
    bundle_ad(ad, b->frame.sender.id, b->frame.sender.epoch, b->bundle.bundle_no);
    b->plain = malloc(b->frame.attachment.len);
    CHECK(aead_open(b->plain, &key, nonce, ad, sizeof ad, b->frame.attachment.data, b->frame.attachment.len));
    struct reader r = reader_of(b->plain, b->frame.attachment.len - AEAD_TAG_BYTES);
    for (b->count = 0; reader_left(&r); b->count++) {
        CHECK(b->count < BUNDLE_OPS_MAX);
        b->op[b->count] = get_slice(&r);
    }
    CHECK(reader_done(&r));
}

void fake_bundle_close(struct fake_bundle *bundle)
{
    free(bundle->plain);
    bundle->plain = NULL;
}

void fake_reply_of(struct fake_cluster *cluster, struct fake_reply *reply, replica_id replica,
                   uint64_t bundle_no, slot_no slot)
{
    reply->replica = replica;
    reply->sender = execution_sender(replica);
    reply->plain_len = 0;
    reply->reply = (struct reply){
        .origin = 0,
        .epoch = 42,
        .bundle_no = bundle_no,
        .configuration = cluster->configuration.number,
        .slot = slot,
        .nonce = ++cluster->nonce,
        .outcome = REPLY_EXECUTED,
    };
}

void fake_reply_add(struct fake_reply *reply, uint8_t status, const void *result, size_t len, bool full)
{
    struct writer w = writer_to(reply->plain + reply->plain_len, sizeof reply->plain - reply->plain_len);
    struct digest digest;
    bool short_one = full || len <= RESULT_SHORT;
    if (!short_one)
        digest_of(&digest, RESULT_TAG, result, len);
    put_u8(&w, status);
    put_u8(&w, short_one ? RESULT_FULL : RESULT_DIGEST);
    put_slice(&w,
              short_one ? (struct slice){result, len} : (struct slice){digest.bytes, sizeof digest.bytes});
    CHECK(!w.bad);
    reply->plain_len += w.len;
}

size_t fake_reply_encode(struct fake_cluster *cluster, struct fake_reply *reply, uint8_t *out, size_t cap)
{
    struct secret_key key;
    struct box_key session = {.secret = {0}};
    uint8_t nonce[AEAD_NONCE_BYTES];
    uint8_t ad[128];
    memcpy(session.public, cluster->core.session.public, 32);
    CHECK(box_agree(&key, &cluster->execution_box[reply->replica], session.public));
    key_derive(&key, &key, "redoubt reply", cluster->configuration.cluster.bytes, 16);
    struct writer w = writer_to(ad, sizeof ad);
    put_u8(&w, (uint8_t)reply->sender.kind);
    put_u32(&w, reply->sender.id);
    put_u64(&w, reply->sender.epoch);
    size_t at = w.len;
    reply_put(&w, &reply->reply);
    reply_nonce(nonce, reply->reply.nonce);
    uint8_t *sealed = malloc(reply->plain_len + AEAD_TAG_BYTES);
    aead_seal(sealed, &key, nonce, ad, w.len, reply->plain, reply->plain_len);
    size_t len =
        frame_encode(out, cap, FRAME_REPLY, &reply->sender, AUTH_NONE, (struct slice){ad + at, w.len - at},
                     (struct slice){NULL, 0}, (struct slice){sealed, reply->plain_len + AEAD_TAG_BYTES});
    free(sealed);
    CHECK(len != 0);
    return len;
}

enum verdict fake_reply_send(struct fake_cluster *cluster, struct fake_reply *reply)
{
    size_t cap = reply->plain_len + 4096;
    uint8_t *frame = malloc(cap);
    size_t len = fake_reply_encode(cluster, reply, frame, cap);
    enum verdict verdict = client_core_on_frame(&cluster->core, reply->replica, frame, len, cluster->now);
    client_core_validate(&cluster->core);
    free(frame);
    return verdict;
}

enum verdict fake_answer(struct fake_cluster *cluster, replica_id replica, uint64_t bundle_no, slot_no slot,
                         unsigned ops, const char *result)
{
    struct fake_reply *reply = malloc(sizeof *reply);
    fake_reply_of(cluster, reply, replica, bundle_no, slot);
    for (unsigned i = 0; i < ops; i++)
        fake_reply_add(reply, REDOUBT_OK, result, strlen(result), true);
    enum verdict verdict = fake_reply_send(cluster, reply);
    free(reply);
    return verdict;
}
