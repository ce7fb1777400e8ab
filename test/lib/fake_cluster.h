/*
 * A client core and, around it, replicas made by hand: it can be shown to have sent the right bundles, and be told any reply,
 * true or not. Real or simulated cryptography, whichever the test is linked with.
 */
#ifndef TEST_FAKE_CLUSTER_H
#define TEST_FAKE_CLUSTER_H

#include "origin/core.h"

#define FAKE_REPLICAS 4u
#define FAKE_SENT_MAX 4096u
#define FAKE_OPS_MAX  8192u

struct fake_sent {
    replica_id replica; /* or CLIENT_TO_ALL */
    uint8_t *data;
    size_t len;
};

/* What became of an operation; `context` of the n-th one submitted is &outcome[n]. */
struct fake_outcome {
    struct fake_cluster *cluster;
    unsigned told;
    struct redoubt_outcome outcome;
    uint8_t result[128]; /* its beginning */
};

struct fake_cluster {
    struct configuration configuration;
    struct auth preparation[FAKE_REPLICAS]; /* as P_i would check a bundle */
    struct pair_key *origin_pairs[FAKE_REPLICAS];
    struct sign_key origin_sign;
    struct box_key origin_box;
    struct box_key execution_box[FAKE_REPLICAS];
    struct box_key group;
    struct client_core core;
    uint64_t now;
    uint64_t nonce;
    struct fake_sent sent[FAKE_SENT_MAX];
    unsigned sent_count;
    struct fake_outcome outcome[FAKE_OPS_MAX];
    unsigned submitted;
    size_t memory_used, memory_peak, memory_limit; /* 0: none */
};

struct fake_cluster *fake_cluster_new(void);
/* The same and the core, with these options (NULL: defaults). */
struct fake_cluster *fake_cluster_open(const struct client_core_options *options);
void fake_cluster_free(struct fake_cluster *cluster);

/* Queues text (or bytes) and returns what submit did; flush is the test's. */
int fake_submit(struct fake_cluster *cluster, const void *op, size_t len, uint64_t timeout_us);
void fake_flush(struct fake_cluster *cluster);
void fake_run_until(struct fake_cluster *cluster, uint64_t now);

/* The `index`-th frame sent, decoded; all of it must hold together. */
struct fake_bundle {
    struct frame frame;
    struct bundle bundle;
    struct digest content;
    unsigned count;
    struct slice op[BUNDLE_OPS_MAX];
    uint8_t *plain;
};
void fake_bundle_open(struct fake_cluster *cluster, unsigned index, struct fake_bundle *bundle);
void fake_bundle_close(struct fake_bundle *bundle);

/* A reply of E_replica. Start from fake_reply_of; whatever is changed afterwards goes out as it is. */
struct fake_reply {
    replica_id replica;
    struct sender sender;
    struct reply reply;
    uint8_t plain[65536];
    size_t plain_len;
};
void fake_reply_of(struct fake_cluster *cluster, struct fake_reply *reply, replica_id replica,
                   uint64_t bundle_no, slot_no slot);
/* Appends a result, in full or (when longer than RESULT_SHORT and not `full`) by digest. */
void fake_reply_add(struct fake_reply *reply, uint8_t status, const void *result, size_t len, bool full);
/* Encrypts it; returns the length. */
size_t fake_reply_encode(struct fake_cluster *cluster, struct fake_reply *reply, uint8_t *out, size_t cap);
enum verdict fake_reply_send(struct fake_cluster *cluster, struct fake_reply *reply);

/* Each given E replies "ok" with this result to all operations of a bundle. */
enum verdict fake_answer(struct fake_cluster *cluster, replica_id replica, uint64_t bundle_no, slot_no slot,
                         unsigned ops, const char *result);

#endif
