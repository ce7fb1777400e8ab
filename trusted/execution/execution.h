/*
 * Execution (E): applies committed batches in slot order, answers origins, signs checkpoints. The only compartment that
 * sees plaintext and state.
 *
 *   commit, executed    2f+1 distinct C (or f+1 distinct E) say which batch    -> commit.c
 *   local-committed     ... or, with hybster, the own host                     -> commit.c
 *   batch, bundle       lists and bodies, believed only by their digests       -> batch.c, body.c
 *   (flush)             execute what is committed and complete                 -> execute.c, origin.c, reply.c
 *   checkpoint          every K slots: Merkle root over leaves and origins     -> checkpoint.c, merkle.c
 *   ask-state, state    leaf-wise transfer between E compartments              -> state_serve.c, state_fetch.c
 *   ask-attest          an origin asks which versions cells have               -> attest.c, versions.c
 *   local-certify       own Troxy is told what was executed (hybster)          -> certify.c
 *   ask-read            an origin reads without ordering                       -> read.c
 *   fetch-reply, ...    the host's and origins' questions                      -> reply.c, catch_up.c
 *   ask-backup          leaves for the administrator, encrypted                -> backup.c
 *   (restore)           the state that a restored cluster begins with          -> genesis.c
 *   reconfig, ...       fresh keys of members; the group key for a fresh E     -> reconfig.c
 *
 * E needs no view: a batch is named by its digest, and a digest is executed because 2f+1 C committed to it in one view.
 */
#ifndef EXECUTION_EXECUTION_H
#define EXECUTION_EXECUTION_H

#include <redoubt/app.h>

#include "application/call.h"
#include "base/check.h"
#include "base/compartment.h"
#include "execution/kept.h"
#include "execution/merkle.h"
#include "ordering/auth.h"
#include "ordering/backup_request.h"
#include "ordering/hello.h"
#include "ordering/mutant.h"
#include "ordering/sealing.h"
#include "ordering/stable.h"
#include "ordering/versions.h"

#ifdef REDOUBT_MUTANTS
#define BODIES_MAX 1024u
#else
#define BODIES_MAX 16384u /* bundle bodies held before they are executed */
#endif
#define BODIES_BYTES_MAX (64u * 1024u * 1024u)
#define REMEMBERED_SLOTS (2u * WINDOW) /* for EXECUTED */
#define LEAVES_PER_NUDGE 512u          /* digests at the host's word, so that operations pass in between */
#ifdef REDOUBT_MUTANTS
#define SESSIONS_MAX 8u /* small in the simulator, so that eviction is seen */
#else
#define SESSIONS_MAX 512u /* origins with replies kept; more evict the one that was idle longest */
#endif

#define FETCH_PIECES   6u /* questions under way: so many answers, of 1 MiB, fit the ring and a little memory */
#define FETCH_PER_PEER 2u
#define FETCH_BUFFERS  3u /* large leaves under way */

/* Address space for what is not the service's; what is touched is far less. Two Merkle trees, bitmaps and saved leaves
 * by number of leaves; bodies, a transfer and chunks of kept results beside them. */
#define ENGINE_BYTES (LEAVES_MAX * 84ull + 640ull * 1024u * 1024u + FETCH_BUFFERS * (uint64_t)LEAF_BYTES_MAX)
/* On top of them with keeps_stable: one state more that is served, with its tree. */
#define KEEP_STABLE_BYTES (LEAVES_MAX * 48ull + RECORDS_MAX * 40ull + 4096u)
/* Bodies have an arena of their own, and are stored in powers of two from BODY_BYTES_LEAST to FRAME_MAX. What one size left is found
 * again by the others (base/arena.h), and there is address space for the whole budget in each size, so that gaps leave room too. A body that
 * finds none all the same is asked for again. */
#define BODY_BYTES_LEAST  256u
#define BODY_SIZES        15u
#define BODY_ARENA_BYTES  (BODY_SIZES * ((uint64_t)BODIES_BYTES_MAX + FRAME_MAX))
#define SERVICE_BYTES_MIN (64u * 1024u * 1024u)

static_assert(BODY_BYTES_LEAST << (BODY_SIZES - 1) == FRAME_MAX, "the largest body fits");

struct exec_vote {
    bool present;
    view_no view;
    struct digest batch;
};

struct exec_slot {
    slot_no slot; /* 0: unused */
    struct exec_vote commit[REPLICAS_MAX];
    struct exec_vote executed[REPLICAS_MAX];
    uint32_t messages; /* only a mutant counts these */
    bool committed;
    bool need_told; /* the host knows that list or body is missing */
    struct digest batch;
    bool listed; /* `list` is the batch of digest `listed_batch` */
    struct digest listed_batch;
    uint32_t list_len;
    uint8_t *list;
};

/* What E remembers of one executed bundle. */
struct kept_reply {
    uint64_t bundle_no; /* 0: none */
    slot_no slot;
    uint8_t outcome;
    bool present; /* results are kept, in full */
    uint32_t len;
    uint32_t chunk; /* where, see kept.h */
    bool digested;
    struct digest digest; /* of results, made when a checkpoint wants it */
    /* Where Troxies certify: what own T is told of the bundle again. */
    uint32_t index;
    struct digest before, raised;
};

struct origin_record {
    epoch_no epoch; /* highest opened */
    bool open;      /* false: closed for good, or never opened */
    struct key session_public;
    struct secret_key content_key;
    struct secret_key reply_key;
    struct secret_key attest_key;
    struct secret_key read_key;
    uint64_t highest;  /* bundle number */
    uint64_t window;   /* bit i: highest - i was executed */
    slot_no last_slot; /* for eviction */
    uint32_t last_index;
    size_t kept_bytes;
    struct kept_reply *kept; /* BUNDLE_WINDOW, by number modulo the window; NULL while closed */
    uint32_t kept_row;       /* which of the rows that is */
    bool dirty;
    struct digest digest;
};

/* The last write of every cell, and the history, see versions.c. */
#define VERSION_RECORDS (VERSION_CELLS / VERSION_LEAF_CELLS + 1) /* the last: `whole` and `broad` */
#define RECORDS_MAX     (ORIGINS_MAX + VERSION_RECORDS)
struct versions {
    version_no *cell;      /* VERSION_CELLS */
    version_no whole;      /* the last write */
    version_no broad;      /* the last that touched every cell */
    struct digest history; /* of all bundles executed; where Troxies certify, else it is not there */
    bool certifies;
    uint64_t dirty[VERSION_RECORDS / 64 + 1];
    struct digest *digest; /* VERSION_RECORDS */
};

struct body_entry {
    struct digest bundle;
    uint8_t *frame; /* NULL: unused */
    uint32_t len;
    uint32_t next; /* in the hash chain, or the free list; index + 1 */
    uint64_t age;
};

struct body_store {
    struct body_entry *entry; /* BODIES_MAX */
    uint32_t *bucket;         /* BODIES_MAX, index + 1 */
    uint32_t free;
    uint32_t count;
    uint64_t age;
    uint32_t oldest; /* scan position for making room */
    size_t bytes;
};

/* RECONFIGs that this E knows, for the CONFIGURATION that it makes when a certificate vouches for them. With its log an E walks from
 * START to where it was, through all of them: as many as launchers may bring about after one START (LAUNCHER_CHANGES_MAX). */
#define STEP_BODIES 256u
struct step_body {
    configuration_no number;
    slot_no slot;
    uint32_t len;
    uint8_t body[RECONFIG_BYTES_MAX];
};
static_assert(STEP_BODIES > CHAIN_STEPS_MAX, "all that can be pending");

/* A checkpoint under way: the state is frozen by digesting (or saving) a leaf before it changes again. */
struct freeze {
    bool active;
    slot_no slot;
    uint64_t leaf_count;
    uint64_t scan;  /* leaves below are digested */
    uint64_t quota; /* leaves to digest per slot */
    struct digest origins;
    uint64_t time_us;
};

/* Who asks for state: replicas by number, and the administrator. */
#define SERVE_ADMINISTRATOR REPLICAS_MAX
#define SERVE_ASKERS        (REPLICAS_MAX + 1u)

/* State at a checkpoint, kept for peers that lag: leaves that changed since are saved, others are read live. */
struct serve {
    bool wanted; /* somebody asked; starts at the next checkpoint */
    bool active;
    bool known; /* that checkpoint is finished: `spare` is its Merkle tree, `leaves` the root of it */
    slot_no slot;
    struct digest leaves;
    struct digest origins;
    struct certificate certificate; /* for that slot, once it is stable here */
    uint64_t time_us;
    uint64_t leaf_count;
    uint8_t *records; /* as they were */
    size_t records_len;
    struct merkle *tree;          /* of that state */
    uint32_t *record_at;          /* RECORDS_MAX + 1: where each begins */
    struct digest *record_digest; /* RECORDS_MAX */
    struct saved_leaf **saved;    /* LEAVES_MAX pointers, lazily touched */
    struct saved_leaf *all;
    size_t saved_bytes;
    slot_no asked[SERVE_ASKERS]; /* value of `executed` when last asked */
    bool awaited[REPLICAS_MAX];  /* is to be told what there is as soon as it can be believed */
};

/* A question under way, or one that waits for a peer: numbers first + i of the phase's level. */
struct fetch_piece {
    bool used;
    bool asked;
    bool waits; /* for a buffer, since its next item is a large one */
    bool whole; /* nodes: without hints, which did not do */
    replica_id peer;
    uint64_t number;
    uint64_t asked_us;
    uint64_t first;
    uint32_t left; /* bits set in `wanted` */
    uint8_t wanted[STATE_ASK_BITS / 8];
    uint8_t *buffer; /* of an item that comes in pieces, all from one peer; NULL: none */
    uint32_t buffer_len;
    uint32_t buffer_total;
};

/* A state that can be believed. */
struct fetch_target {
    slot_no slot; /* 0: none */
    uint64_t time_us;
    uint64_t leaf_count;
    struct digest leaves;
    struct digest origins;
    struct digest root;
};

struct fetch_peer {
    bool named;                 /* by the host: may be asked */
    bool liar;                  /* gave something wrong: is asked no more, as long as there are others */
    uint32_t slow;              /* times the usual patience; doubles when it is late */
    uint32_t asked;             /* pieces */
    struct fetch_target serves; /* what it has, as it said last and as can be believed */
};

struct fetch_state {
    bool active;
    enum transfer_phase phase;
    struct fetch_target target;
    struct fetch_peer peer[REPLICAS_MAX];
    struct fetch_piece piece[FETCH_PIECES];
    uint8_t *buffer[FETCH_BUFFERS]; /* LEAF_BYTES_MAX each, for large items */
    bool buffer_used[FETCH_BUFFERS];
    uint64_t patience_us;
    uint64_t number;  /* of the last question */
    bool regrouped;   /* the own state has the target's number of leaves */
    bool empty;       /* memory was lacking: the own state is to be dropped ... */
    bool emptied;     /* ... and was, for this target */
    unsigned level;   /* of the nodes or leaves being compared */
    uint64_t cursor;  /* numbers below are equal, asked for or here */
    uint64_t loading; /* leaf that is being replaced; UINT64_MAX: none */
    bool others;      /* leaves beside it changed */
    bool digests_known;
    struct digest *record_digest; /* RECORDS_MAX: of the target */
    uint64_t *record_wanted;      /* bitmap */
    uint64_t leaves_wanted, leaves_moved;
    uint64_t bytes, late, lies; /* since the start */
    uint32_t liars;             /* bits */
    uint64_t transfers;
    bool news; /* something to tell the host */
};

#define SAVE_PART_HEAD  16u
#define SAVE_GIVEN_UP   UINT64_MAX
#define START_BYTES_MAX (512u * 1024u)

/* A checkpoint that is handed to the host for its disk (save.c), or comes back from there. */
struct save {
    bool wanted; /* at the next checkpoint slot */
    bool active; /* pieces are being given */
    bool still;  /* ... and nothing is executed meanwhile */
    bool behind; /* state came by transfer: until it is saved, no CHECKPOINT is signed */
    slot_no slot;
    uint64_t number; /* of the last piece given */
    uint64_t leaf_count, leaf;
    size_t leaf_at;
    uint8_t *origins;
    size_t origins_cap, origins_at;
    uint8_t *plain; /* the head, as of the slot */
    size_t plain_cap;
    bool head_given;
    bool owed; /* a piece, perhaps of a save before this one, is not acknowledged: the host takes no other */
    uint64_t *dirty; /* bitmap: not saved as it is, nor due */
    uint64_t
        *due; /* bitmap: of the save under way, until all of it is stored; what is held is not among it */
    struct held_leaf *held, *held_last; /* changed since the slot, and not given yet */
    size_t held_bytes;
    bool loading, origins_loaded, failed;
    struct saved_head head;
    uint8_t *part;
    uint32_t part_total, part_len;
};

/* A backup under way. */
struct backup_giving {
    bool active;
    struct tag16 session;
    struct key backup_public;
    uint64_t asked_us; /* of the last session begun */
    slot_no begun;     /* executed then: the state is of a later checkpoint */
    uint64_t transfers;
    struct secret_key key;
    uint64_t number; /* of the last piece given */
    slot_no slot;    /* of the state that is being given; 0: none yet */
    uint32_t round;
    uint64_t leaf; /* the next that may be due ... */
    size_t leaf_at;
    uint64_t *due; /* bitmap: not given as it is */
};

/* The state that START names, as it comes from the host. */
struct genesis_loading {
    bool wanted; /* it is not here yet, and nothing else either */
    bool begun, refused;
    bool news; /* something to tell the host */
    struct secret_key key;
    uint64_t number; /* of the next piece */
    uint64_t leaves; /* loaded */
    uint64_t leaf;   /* that is coming in parts */
    uint8_t *part;
    uint32_t part_len, part_total;
};

struct execution {
    struct arena *arena; /* the engine's: saved leaves, what is in transfer */
    struct arena body_arena;
    struct arena
        service_arena; /* the service's alone, so that its allocations depend on nothing but its history */
    bool refused;      /* it had less memory than the service asked for */
    struct compartment_config config;
    struct configuration configuration;
    bool started;
    struct auth auth;
    bool group_known; /* a fresh E waits for another's GROUP-KEY, and until then for everything else */
    struct box_key group;
    struct secret_key seed_key; /* randomness for services: the same at every E, unknown to P and hosts */
    struct stable stable;
    struct step_body step_body[STEP_BODIES]; /* by number modulo */
    configuration_no announced;              /* a CONFIGURATION up to this number was made, or came */
    slot_no closing_shown;                   /* the CONFIGURATION that shows the closed checkpoint was made */
    bool counted;                            /* what it says counted when last looked at */
    struct redoubt_env env;
    const struct redoubt_service *service;
    void *service_state;
    bool state_bad; /* a transfer failed half-way: nothing is executed until one succeeds */

    slot_no executed;
    uint64_t time_us;
    bool in_slot;        /* slot executed+1 is being executed ... */
    uint32_t next_entry; /* ... and this is its next bundle */
    uint64_t slot_time_us;
    struct exec_slot slot[WINDOW];
    struct digest remembered[REMEMBERED_SLOTS];
    slot_no remembered_from; /* lower slots came by state transfer: their batches are not known here */
    struct body_store bodies;
    struct origin_record *origin; /* ORIGINS_MAX */
    struct versions versions;
    bool versions_wanted; /* by the bundle under execution */
    uint32_t sessions;
    struct kept_reply (*kept_row)[BUNDLE_WINDOW]; /* SESSIONS_MAX rows */
    bool *kept_row_used;
    struct kept_pool kept;
    size_t kept_bytes; /* of all origins */
    uint64_t reply_counter;
    uint64_t state_counter;

    uint64_t now_us; /* the host's word */
    struct merkle leaves;
    struct merkle
        spare; /* of the state that is served, or of the one that is fetched (`marked`: digests that are known) */
    uint64_t *dirty;   /* bitmap: touched since the last freeze */
    uint64_t *pending; /* bitmap: to be digested for the freeze under way */
    struct freeze freeze;
    struct digest root; /* of the last checkpoint made */
    slot_no checkpoint_slot;
    struct serve serve;
    struct serve later; /* with keeps_stable: of a checkpoint that is not stable yet */
    struct merkle later_tree;
    struct backup_giving backup;
    struct genesis_loading genesis;
    struct fetch_state fetch;
    struct sealing sealing;
    struct save save;
    slot_no written; /* slots up to here are in records */
    bool write_stable;
    uint8_t *start; /* START_BYTES_MAX: the frame, for records */
    size_t start_len;
    bool based, recall_ended;
    uint64_t recalled_resumes; /* of the START that the records are of */
    bool whole;                /* the log leads to every state that this E vouched for, in all its lives */
    bool progress;             /* something to tell the host */
    bool jumped;               /* `executed` rose by a state transfer since the host was told */

    uint8_t *results;   /* scratch: results of the bundle under execution */
    uint8_t *plaintext; /* scratch: its operations */
    uint8_t *raised;    /* RAISED_BYTES_MAX: what it writes */
    size_t raised_len;
    uint8_t *scratch; /* FRAME_MAX */
};

static inline slot_no exec_stable_slot(const struct execution *e)
{
    return e->stable.certificate.slot;
}

/*
 * Slots that may be worked on: above what is executed, within a window above the stable checkpoint, or, for an E that
 * lags behind it, above its own position.
 */
static inline enum verdict exec_place_check(const struct execution *e, slot_no slot)
{
    slot_no base = e->executed < exec_stable_slot(e) ? e->executed : exec_stable_slot(e);
    return slot <= e->executed ? VERDICT_STALE : window_check(base, slot);
}

static inline struct exec_slot *exec_slot_at(struct execution *e, slot_no slot)
{
    struct exec_slot *s = &e->slot[slot % WINDOW];
    if (s->slot != slot) {
        uint8_t *list = s->list;
        memset(s, 0, sizeof *s);
        s->list = list;
        s->slot = slot;
    }
    return s;
}

/* commit.c, batch.c, body.c */
enum verdict execution_on_commit(struct execution *e, const struct frame *frame, bool local);
enum verdict execution_on_local_committed(struct execution *e, const struct frame *frame);
enum verdict execution_on_executed(struct execution *e, const struct frame *frame);
enum verdict execution_on_batch(struct execution *e, const struct frame *frame);
enum verdict execution_on_bundle(struct execution *e, const struct frame *frame);
void bodies_init(struct body_store *store, struct arena *arena);
enum verdict bodies_add(struct body_store *store, struct arena *arena, const struct digest *bundle,
                        struct slice frame);
const struct body_entry *bodies_find(const struct body_store *store, const struct digest *bundle);
void bodies_remove(struct body_store *store, struct arena *arena, const struct digest *bundle);

/* execute.c: does a piece of work; true when there is more to do at once. */
bool execution_advance(struct execution *e, struct outbox *out);
/* Are these operations, (u32 length, bytes)*, and not too many? */
bool operations_parse(struct slice plaintext);
/* Room for one more result of the largest size? Else the rest is to be asked again. */
bool results_have_room(const struct writer *w);
/* May whoever asked keep this result until one of the cells has another version? */
bool result_may_be_kept(const struct touched *touched, unsigned status);
void result_head_put(struct writer *w, unsigned status, unsigned form, size_t len);
void execution_tell_progress(struct execution *e, struct outbox *out);
void execution_need(struct execution *e, unsigned what, slot_no slot, const struct digest *digest,
                    struct outbox *out);

/* origin.c: who may have a bundle executed, and what is remembered of it. */
enum admit { ADMIT_EXECUTE, ADMIT_REPEAT, ADMIT_STALE, ADMIT_IGNORE };
bool origin_needs_body(const struct execution *e, const struct batch_entry *entry);
enum admit origin_admit(struct execution *e, origin_id origin, epoch_no epoch, const struct bundle *bundle);
void origin_keep(struct execution *e, origin_id origin, uint64_t bundle_no, enum reply_outcome outcome,
                 const uint8_t *results, size_t len);
struct kept_reply *origin_kept(struct execution *e, origin_id origin, uint64_t bundle_no);
/* Executed, or never to be: of a closed epoch, or below the window. */
bool origin_settled(const struct execution *e, origin_id origin, epoch_no epoch, uint64_t bundle_no);
void origin_close(struct execution *e, origin_id origin);
/* Brings the digests of their records up to date. */
void origins_refresh(struct execution *e);
/* One record's bytes: exactly origin_size. The digest that a record has which was saved like this; false: none is. */
size_t origin_size(const struct execution *e, origin_id origin);
void origin_save(const struct execution *e, origin_id origin, struct writer *w);
bool origin_saved_digest(const struct execution *e, struct slice saved, struct digest *out);
/* Replaces a record; false when it does not fit the memory there is (it is to be cleared then). */
bool origin_load(struct execution *e, origin_id origin, struct slice saved);
void origin_clear(struct execution *e, origin_id origin);

/* versions.c: cells, and their records */
void versions_init(struct versions *versions, struct arena *arena);
/* A write was executed at this place. */
void versions_raise(struct versions *versions, const struct touched *touched, version_no to);
/* Of these cells (VERSION_WHOLE is one). */
version_no versions_highest(const struct versions *versions, const uint32_t *cells, uint32_t count);
void versions_refresh(struct versions *versions);
size_t versions_size(const struct versions *versions, uint32_t record);
void versions_save(const struct versions *versions, uint32_t record, struct writer *w);
bool versions_saved_digest(const struct versions *versions, uint32_t record, struct slice saved,
                           struct digest *out);
/* A bundle was executed. */
void versions_set_history(struct versions *versions, const struct digest *head);
bool versions_load(struct versions *versions, uint32_t record, struct slice saved);

/* records.c: what the state holds beside leaves: origins, then versions. Digest over all of them, from their digests; the first
 * brings these up to date. */
uint32_t records_count(const struct execution *e);
void records_refresh(struct execution *e);
const struct digest *record_digest(const struct execution *e, uint32_t record);
void records_combine(const struct digest *digests, uint32_t count, struct digest *out);
void records_digest(struct execution *e, struct digest *out);
/* Exactly as many bytes as record_save writes. */
size_t record_size(const struct execution *e, uint32_t record);
void record_save(const struct execution *e, uint32_t record, struct writer *w);
/* The digest that a record has which was saved like this; false: none is. */
bool record_saved_digest(const struct execution *e, uint32_t record, struct slice saved, struct digest *out);
/* Replaces a record; false when it does not fit the memory there is (it is to be cleared then). */
bool record_load(struct execution *e, uint32_t record, struct slice saved);
void record_clear(struct execution *e, uint32_t record);

/* reconfig.c */
enum verdict execution_on_reconfig(struct execution *e, const struct frame *frame);
enum verdict execution_on_configuration(struct execution *e, const struct frame *frame, struct outbox *out);
enum verdict execution_on_group_key(struct execution *e, const struct frame *frame, struct outbox *out);
/* After a resume: to those that have not their log. */
void group_key_hand_on(struct execution *e, struct outbox *out);
void execution_learn(struct execution *e, const struct chain *chain);
void step_body_keep(struct execution *e, configuration_no number, slot_no slot, struct slice body);
/* `group` is right: what is made from it. */
void group_key_known(struct execution *e);
bool group_key_set(struct execution *e, const uint8_t sealed[32 + SEAL_BYTES]);
bool reconfig_needs_body(const struct execution *e, const struct batch_entry *entry);
/* Executes what lies at this place of the slot under way; false when its body is not here. */
bool reconfig_execute(struct execution *e, const struct batch_entry *entry, struct outbox *out);
/* After the stable checkpoint may have risen: makes the CONFIGURATION that is due, and signs what waited for it. */
void reconfig_after_stable(struct execution *e, struct outbox *out);
/* A fresh E answers and signs only once a checkpoint at or above the slot from which it is in force is stable; as it signs
 * none before, without its own vote. */
bool execution_counts(const struct execution *e);

/* reply.c: copies results, long ones replaced by their digests; returns the length. */
size_t results_digest(struct slice results, uint8_t *to, size_t cap);
void reply_emit(struct execution *e, origin_id origin, uint64_t bundle_no, bool in_full, struct outbox *out);
enum verdict execution_on_fetch_reply(struct execution *e, const struct frame *frame, struct outbox *out);

/* certify.c: with `certifies` own T is told of each bundle that was executed, in order, and again when a reply is repeated. `note`: what an
 * operation of the bundle under execution writes. */
void certify_note(struct execution *e, const struct touched *touched, uint32_t op);
void certify_bundle(struct execution *e, origin_id origin, uint64_t bundle_no, uint32_t index,
                    struct outbox *out);
void certify_again(struct execution *e, origin_id origin, uint64_t bundle_no, struct outbox *out);

/* The number that replies and attestations name: that of the stable checkpoint. */
configuration_no execution_told_number(const struct execution *e);

/* attest.c */
enum verdict execution_on_ask_attest(struct execution *e, const struct frame *frame, struct outbox *out);
/* Is a question that is for `asked` this E's, and by the session that its origin has open here? It is to be opened with that session's keys. */
enum verdict execution_session_asks(const struct execution *e, const struct frame *frame, replica_id asked);
/* May this E say what its executed state holds, and the configuration number that this counts for. */
bool execution_may_attest(const struct execution *e);
configuration_no execution_attested_number(const struct execution *e);

/* read.c */
enum verdict execution_on_ask_read(struct execution *e, const struct frame *frame, struct outbox *out);

/* checkpoint.c */
void checkpoint_begin(struct execution *e);
/* Digests up to so many leaves of the checkpoint under way, and signs it when that was all. */
void checkpoint_advance(struct execution *e, uint64_t leaves, struct outbox *out);
void checkpoint_advance_slot(struct execution *e, struct outbox *out);
enum verdict execution_on_local_checkpoint(struct execution *e, const struct frame *frame,
                                           struct outbox *out);
/* Signs and sends the last one made. */
void checkpoint_sign(struct execution *e, struct outbox *out);
void checkpoint_touch(const struct redoubt_env *env, uint64_t leaf);
void checkpoint_root(struct execution *e, slot_no slot, uint64_t time_us, uint64_t leaf_count,
                     const struct digest *origins, struct digest *root);
/* From its parts alone, for whoever is no E. */
void checkpoint_root_make(slot_no slot, configuration_no number, uint64_t time_us, uint64_t leaf_count,
                          const struct digest *leaves, const struct digest *origins, struct digest *root);
/* From the digest over the leaves, for a state that is not here. */
void checkpoint_root_of(const struct execution *e, slot_no slot, uint64_t time_us, uint64_t leaf_count,
                        const struct digest *leaves, const struct digest *origins, struct digest *root);
enum verdict execution_on_checkpoint(struct execution *e, const struct frame *frame);
void execution_truncated(struct execution *e);

/* recall.c: sealed records, and what they say */
void execution_write_base(struct execution *e, struct outbox *out);
/* All that was executed and not written yet. */
void execution_write_executed(struct execution *e, struct outbox *out);
/* For the next base; also makes the seed key. False: too long. */
bool execution_keep_start(struct execution *e, struct slice start);
struct hello_head execution_head(const struct execution *e);
bool execution_start_follows(const struct execution *e, const struct configuration *c,
                             const struct tag16 *cluster);
/* The ordered state's part of the configuration, and the RECONFIGs that this E can show, for records. */
struct ordered_lists {
    struct slice steps, ordered, bodies;
    uint8_t steps_bytes[CONFIGURATION_STEPS_BYTES], ordered_bytes[CONFIGURATION_ORDERED_BYTES];
    uint8_t bodies_bytes[STEP_BODIES * (RECONFIG_BYTES_MAX + 20u)];
};
void execution_put_ordered(const struct execution *e, struct ordered_lists *lists);
bool execution_set_ordered(struct execution *e, struct slice steps, struct slice ordered,
                           struct slice bodies);
/* Does this START go on from the state that is here, if it changes the size (or one did that this E has not seen)? */
bool execution_resizes(const struct execution *e, const struct configuration *recalled);
/* What the recalled E knew of RECONFIGs, and START does not know yet. False: they contradict each other. */
bool execution_walk_again(struct execution *e, const struct configuration *recalled);
void execution_write_learned(struct execution *e, const struct chain *chain, struct outbox *out);
/* Is the log whole by now? Looked at after records were written. */
void execution_watch_whole(struct execution *e);
enum verdict execution_on_recall(struct execution *e, const struct frame *frame, struct outbox *out);

/* parting.c */
enum verdict execution_on_parting(struct execution *e, const struct frame *frame);

/* leaf.c: `len` bytes from `skip` on, at most `cap`, to `to` (NULL when `cap` is 0); returns how long the leaf is. */
size_t execution_leaf_part(struct execution *e, uint64_t leaf, size_t skip, uint8_t *to, size_t cap,
                           size_t *len);

/* save.c */
void save_init(struct execution *e, struct arena *arena);
/* This leaf, or those from `first` to below `end`, are about to change. */
void save_touch(struct execution *e, uint64_t leaf);
void save_touch_from(struct execution *e, uint64_t first, uint64_t end);
/* Nothing is to be executed now. */
bool save_stands_still(const struct execution *e);
/* Another state comes in: a save under way begins anew after it. */
void save_interrupt(struct execution *e);
void save_begin(struct execution *e, struct outbox *out);
void save_first_piece(struct execution *e, struct outbox *out);
enum verdict execution_on_save(struct execution *e, const struct frame *frame, struct outbox *out);
enum verdict save_on_recall(struct execution *e, const struct local_recall *recall, struct slice record);

/* backup.c */
void backup_touch(struct execution *e, uint64_t leaf);
enum verdict execution_on_ask_backup(struct execution *e, const struct frame *frame, struct outbox *out);

/* genesis.c: `genesis_expect` when START names a state to begin with, and none is here. */
void genesis_expect(struct execution *e);
void genesis_flush(struct execution *e, struct outbox *out);
enum verdict execution_on_restore(struct execution *e, const struct frame *frame);

/* state_serve.c, state_fetch.c, state_pieces.c, state_take.c, catch_up.c */
void serve_touch(struct execution *e, uint64_t leaf);
void serve_at_checkpoint(struct execution *e);
/* The checkpoint's root was made; a certificate became stable. */
void serve_root_known(struct execution *e);
void serve_certificate_known(struct execution *e);
void serve_stop(struct execution *e);
/* A leaf of the state that is served. */
size_t serve_leaf_length(struct execution *e, uint64_t leaf);
void serve_leaf_copy(struct execution *e, uint64_t leaf, size_t skip, uint8_t *to, size_t len);
/* Is the state of a checkpoint above this slot served, with its certificate? Else it will be, from the next one on. */
bool serve_for_backup(struct execution *e, slot_no above);
/* Tells those who asked too early. */
void serve_flush(struct execution *e, struct outbox *out);
enum verdict execution_on_ask_state(struct execution *e, const struct frame *frame, struct outbox *out);
enum verdict execution_on_state(struct execution *e, const struct frame *frame, struct outbox *out);
enum verdict execution_on_catch_up(struct execution *e, const struct frame *frame, struct outbox *out);
enum verdict execution_on_ask_executed(struct execution *e, const struct frame *frame, struct outbox *out);
/* The host names a peer that may be asked for state. */
void fetch_from(struct execution *e, replica_id peer, struct outbox *out);
/* Prepares the own state for comparing, piece by piece; true when there is more to do at once. */
bool fetch_flush(struct execution *e, struct outbox *out);
void fetch_tell(struct execution *e, struct outbox *out);

/* state_pieces.c: which questions there are, and who is asked. `fetch_give_up` takes back what is asked of a peer. */
void fetch_pieces_clear(struct execution *e);
uint8_t fetch_question(const struct fetch_state *f); /* STATE_...: what is asked for in this phase */
bool fetch_buffer_take(struct fetch_state *f, struct fetch_piece *piece, uint32_t total);
void fetch_buffer_drop(struct fetch_state *f, struct fetch_piece *piece);
void fetch_give_up(struct execution *e, replica_id peer);
void fetch_late(struct execution *e);
/* Makes questions of what is still wanted in this phase, and asks them; false: everything of the phase is here. */
bool fetch_pump(struct execution *e, struct outbox *out);

/* state_take.c: what an answer brings. FETCH_LIE: the peer lied; FETCH_NO_ROOM: memory was lacking; FETCH_AGAIN: other leaves
 * than the one loaded changed. */
enum fetch_result { FETCH_GOOD, FETCH_LIE, FETCH_NO_ROOM, FETCH_AGAIN };
enum fetch_result fetch_take(struct execution *e, struct fetch_piece *piece, struct slice plain);
/* The next number from `from` on of the phase's level that differs; UINT64_MAX: none. */
uint64_t fetch_next(const struct execution *e, uint64_t from);
/* Half-loaded, or refused: nothing is executed, answered or served from it. */
static inline bool state_unusable(const struct execution *e)
{
    return e->state_bad || e->fetch.active || !e->group_known;
}

#endif
