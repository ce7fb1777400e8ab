/*
 * n replicas' compartments in one process, with real keys, and no host: P, C and E of every replica draw their keys,
 * a START signed by a test administrator names them, and from then on the test carries every frame by hand, or lets
 * cluster_run carry them all. x->validate runs after every step.
 *
 *   give      one frame to one compartment; what it leaves in its outbox is kept in `sent`
 *   run       routes everything in `sent` as correct hosts would, until nothing moves
 *   forge     frames made with a compartment's own keys: what a faulty one could send
 *
 * For tests only: errors of the test itself end the program (CHECK).
 */
#ifndef TEST_CLUSTER_H
#define TEST_CLUSTER_H

#include "application_pair.h"
#include "confirmation/confirmation.h"
#include "execution/execution.h"
#include "preparation/preparation.h"

struct cluster_options {
    unsigned protocol;                     /* 0: PROTOCOL_SPLITBFT */
    uint32_t faults;                       /* 0: 1 */
    uint32_t replicas;                     /* 0: 3f+1 */
    uint32_t origins;                      /* 0: 4 */
    const struct redoubt_service *service; /* NULL: counter */
    const char *service_options;           /* NULL: "" */
    uint32_t apart;     /* bits: replicas whose service is called through an application pair */
    bool unstarted;     /* HELLOs only */
    bool durable;       /* durability: sync; sealed records stay in `sent` */
    bool reads_ordered; /* no unordered reads: write quorum f+1 */
};

/* Numbers of origins whose access is less than everything. */
enum { ORIGIN_READER = 1, ORIGIN_NOBODY = 2 };

struct cell {
    const struct compartment_type *type;
    struct compartment_config config;
    struct arena arena;
    void *memory;
    size_t memory_bytes;
    struct application_pair *pair; /* of an E whose service is apart */
    void *state;
    struct outbox out;
};

/* A frame that a compartment left. */
struct sent {
    enum kind kind;
    replica_id replica;
    uint8_t *data;
    size_t len;
    struct frame frame;
};

struct test_origin {
    struct auth auth;
    struct box_key session;
    struct secret_key content_key;
};

struct test_bundle {
    uint8_t *data;
    size_t len;
    struct frame frame;
    struct batch_entry entry;
};

struct cluster {
    struct cluster_options options;
    uint32_t replicas;
    struct tag16 id;
    struct sign_key admin;
    struct box_key group;
    struct slice start; /* the START that was given to all */
    struct configuration configuration;
    struct cell cell[REPLICAS_MAX][3];
    struct test_origin *origin;
    uint64_t now_us;

    struct sent *sent;
    size_t sent_count, sent_cap;
    size_t routed; /* frames before this one were carried already */

    struct test_bundle **bundle;
    size_t bundles, bundles_cap;
    void **scratch;
    size_t scratches, scratch_cap;

    void (*seen)(const struct sent *sent); /* when set: told of every frame that a compartment leaves */
    bool no_nudges;                        /* no LOCAL-CHECKPOINT is said, as when slots follow each other */
    bool no_help;                          /* LOCAL-NEED stays unanswered */
    uint32_t bundle_flags;                 /* of bundles that are made from now on */
    /* When set, asked before a frame is carried: true keeps it from that compartment. */
    bool (*drop)(const struct cluster *cluster, const struct sent *sent, enum kind to, replica_id replica);
    replica_id cut; /* free for `drop` to use */
};

/* NULL: all defaults. */
struct cluster *cluster_new(const struct cluster_options *options);
void cluster_free(struct cluster *cluster);
/* From now on randomness follows from `seed` (for fuzz targets, whose keys must be the same in every run). */
void cluster_random_fixed(uint64_t seed);

/* A compartment as it was right after its START, with the keys that it has; everything else of it is forgotten. */
void cluster_reborn(struct cluster *cluster, enum kind kind, replica_id replica);

/* A compartment that was started anew: fresh keys, one epoch higher, its HELLO is in `sent`. It has had no START. */
void cluster_restarted(struct cluster *cluster, enum kind kind, replica_id replica);

struct preparation *cluster_p(struct cluster *cluster, replica_id replica);
struct confirmation *cluster_c(struct cluster *cluster, replica_id replica);
struct execution *cluster_e(struct cluster *cluster, replica_id replica);
struct auth *cluster_auth(struct cluster *cluster, enum kind kind, replica_id replica);

/* --- manifests */

/* The manifest that names the compartments as they are; lists live as long as the cluster. */
struct start cluster_manifest(struct cluster *cluster);
/* The START that the `resumed`-th restart of all gets (0: the founding's), before it is signed; its lists are static. */
struct start cluster_resumed(struct cluster *cluster, uint64_t resumed);
/* Signed by `admin`, with the group key sealed to each E. */
struct slice cluster_sign_start(struct cluster *cluster, const struct start *manifest,
                                const struct sign_key *admin);

/* --- carrying */

enum verdict cluster_give(struct cluster *cluster, enum kind kind, replica_id replica, struct slice frame);
enum verdict cluster_give_local(struct cluster *cluster, enum kind kind, replica_id replica,
                                struct slice frame);
void cluster_flush(struct cluster *cluster, enum kind kind, replica_id replica);
void cluster_run(struct cluster *cluster);
void cluster_forget(struct cluster *cluster); /* empties `sent` */
/* The newest such frame, NULL: none; FRAME type. */
const struct sent *cluster_last(const struct cluster *cluster, enum kind kind, replica_id replica,
                                enum frame_type type);
unsigned cluster_count(const struct cluster *cluster, enum kind kind, replica_id replica,
                       enum frame_type type);
static inline struct slice sent_slice(const struct sent *sent)
{
    return (struct slice){sent->data, sent->len};
}

/* --- the host's word */

struct slice cluster_local(struct cluster *cluster, enum frame_type type, struct slice body,
                           struct slice attachment);
enum verdict cluster_propose(struct cluster *cluster, replica_id replica, struct test_bundle *const bundles[],
                             uint32_t count);
enum verdict cluster_leave(struct cluster *cluster, enum kind kind, replica_id replica, view_no view);
enum verdict cluster_catch_up(struct cluster *cluster, replica_id replica, replica_id peer, bool state);

/* --- bundles */

enum form { FORM_MACS, FORM_SIGNED };
struct test_bundle *cluster_bundle(struct cluster *cluster, origin_id origin, uint64_t bundle_no,
                                   const struct slice *ops, unsigned count, enum form form);
/* One that an origin core made. */
struct test_bundle *cluster_bundle_of(struct cluster *cluster, struct slice frame);
/* The same bundle authenticated in the other way. */
struct test_bundle *cluster_bundle_again(struct cluster *cluster, const struct test_bundle *bundle,
                                         enum form form);
/* One increment of the counter service. */
struct test_bundle *cluster_incr(struct cluster *cluster, origin_id origin, uint64_t bundle_no,
                                 uint64_t amount);
struct slice cluster_op_incr(struct cluster *cluster, uint64_t amount);
struct slice test_bundle_stripped(struct cluster *cluster, const struct test_bundle *bundle);
static inline struct slice test_bundle_slice(const struct test_bundle *b)
{
    return (struct slice){b->data, b->len};
}
/* A client starts again: next epoch, new session. */
void cluster_origin_renew(struct cluster *cluster, origin_id origin, epoch_no epoch);

/* To every P, without operations. */
void cluster_admit(struct cluster *cluster, const struct test_bundle *bundle);
/* To every E. */
void cluster_bodies(struct cluster *cluster, const struct test_bundle *bundle);
/* All of it: admitted, proposed by the primary of `view` 0, voted, executed. */
void cluster_order(struct cluster *cluster, struct test_bundle *const bundles[], uint32_t count);
/* Empty batches until replica 0 executed `slot`. */
void cluster_fill(struct cluster *cluster, slot_no slot);
/* The attachment of a PRE-PREPARE with these bundles. */
struct slice cluster_list(struct cluster *cluster, uint64_t time_us, struct test_bundle *const bundles[],
                          uint32_t count, struct digest *digest);

/* Frames and bodies made by hand live until the cluster is freed, or until this: those made since `mark` go. */
size_t cluster_mark(const struct cluster *cluster);
void cluster_release(struct cluster *cluster, size_t mark);

/* --- forging */

struct slice cluster_copy(struct cluster *cluster, const void *data, size_t len);
struct slice forge_macs(struct cluster *cluster, struct auth *as, enum frame_type type, struct slice body,
                        unsigned to, struct slice attachment);
struct slice forge_mac(struct cluster *cluster, struct auth *as, enum frame_type type, struct slice body,
                       enum kind kind, replica_id replica, struct slice attachment);
struct slice forge_signed(struct cluster *cluster, struct auth *as, enum frame_type type, struct slice body,
                          struct slice attachment);
struct slice forge_plain(struct cluster *cluster, struct auth *as, enum frame_type type, struct slice body,
                         struct slice attachment);
/* A vote of compartment `from` for one receiver. */
struct slice forge_vote(struct cluster *cluster, enum frame_type type, replica_id from, struct vote vote,
                        enum kind to, replica_id receiver, struct slice attachment);
struct slice forge_checkpoint(struct cluster *cluster, replica_id from, slot_no slot,
                              const struct digest *root);
/* Signed by as many E as are named, from replica 0 on. */
struct slice forge_signers(struct cluster *cluster, slot_no slot, const struct digest *root, uint32_t count);
/* The messages of a view change, with contents as given; certificates come from `stable` (slot 0: none). */
struct stable_claim {
    slot_no slot;
    struct digest root;
    struct slice signers;
};
struct slice forge_parting(struct cluster *cluster, replica_id from, view_no view,
                           const struct stable_claim *stable, const struct slot_view *votes, uint32_t count);
struct slice forge_view_change(struct cluster *cluster, replica_id from, view_no view,
                               const struct stable_claim *stable, const struct slot_view *claims,
                               uint32_t count, const struct slice *partings, uint32_t parting_count);
struct slice forge_new_view(struct cluster *cluster, replica_id from, view_no view, slot_no stable_slot,
                            const struct digest *selected, uint32_t count, const struct slice *view_changes,
                            uint32_t view_change_count);
struct digest test_digest(unsigned n);

/* Body of any message: cluster_body(cluster, vote, &vote). */
#define cluster_body(cluster, name, ...)                                                                     \
    (name##_put(cluster_body_begin(), __VA_ARGS__), cluster_body_end(cluster))
struct writer *cluster_body_begin(void);
struct slice cluster_body_end(struct cluster *cluster);

/* --- replies */

struct opened_reply {
    struct reply reply;
    unsigned count;
    struct {
        unsigned status, form;
        struct slice bytes;
        uint64_t version; /* with RESULT_VERSION */
    } op[16]; /* the first ones */
};
/* Decrypts as the origin would; false when it does not verify. */
bool cluster_reply_open(struct cluster *cluster, const struct sent *sent, struct opened_reply *opened);
/* The key under which an origin and E_replica ask and attest. */
struct secret_key cluster_attest_key(struct cluster *cluster, origin_id origin, replica_id replica);
/* The counter's value in the first result of that E's newest reply. */
uint64_t cluster_counter(struct cluster *cluster, replica_id replica);

#endif
