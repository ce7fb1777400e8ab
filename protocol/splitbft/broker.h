/*
 * The broker: how one replica is put together from its compartments. Untrusted: whatever it does wrong can delay or drop,
 * never make a wrong answer. Serves splitbft and pbft alike (same steps, one fault domain), and hybster, where the orderer stands in
 * P's place (protocol/hybster/; routes.c there belongs to the broker) and nobody in C's.
 *
 *   broker.c     the routing table, which is the policy: message, permitted from, handler
 *   bundles.c    bundles by digest: queued, proposed, executed
 *   ordering.c   proposing, and handing lists and bodies to E
 *   checkpoints.c  CHECKPOINTs, kept and handed on without haste
 *   slots.c      what was sent and seen per slot, for retransmission
 *   durable.c    what must be on the disk before votes leave, and what comes back from there
 *   chain.c      configurations: RECONFIGs, what came of them, and showing it around
 *   liveness.c   timers: signed forms, leaving a view, joining, slow primaries, status
 *   catch_up.c   a replica that lags, and the pace at which others give it their state
 *   backup.c     the administrator, who is given it too
 */
#ifndef SPLITBFT_BROKER_H
#define SPLITBFT_BROKER_H

#include "base/check.h"
#include "engine.h"
#include "hybster/core.h"
#include "ordering/auth.h"
#include "ordering/mutant.h"

#define BUNDLES_MAX          16384u        /* entries known at once */
#define BUNDLES_PER_ORIGIN   128u          /* not executed yet */
#define HANDED_ON_MAX        512u          /* in a tick */
#define LOG_SLOTS            (2u * WINDOW) /* slots kept for retransmission and for peers that fetch */
#define LISTS_PER_SLOT       6u /* candidate batches of one slot: what P may have voted for, and two more */
#define WANTED_MAX           4096u /* bundles listed by a primary whose bodies are not here */
#define LISTING_TICKS        2u    /* at most until own P lists what was put forward: a whole tick at least */
#define EXPIRY_TIMEOUTS      8u    /* unsigned bundles that nobody orders go after so many request timeouts */
#define BODY_CLASSES         16u   /* sizes of bodies: powers of two */
#define ALONE_PIPELINE       4u    /* times as many slots under way for bundles that want one each */
#define BATCH_BODY_BYTES_MAX (4u * 1024u * 1024u)
#define CHECKPOINTS_KEPT     4u
#define CHECKPOINTS_QUEUED   32u /* of one link, waiting to be checked */
#define BACK_OFF_MAX         64u
#define RESEND_SLOTS         32u /* per status of a peer that stands still */
#define TICKS_PER_TIMEOUT    8u
#define NEW_VIEWS_PER_TICK   4u                           /* that a peer hands on: it resends one at most */
#define ASKS_KEPT            8u                           /* questions for state, per peer */
#define ASK_BYTES_MAX        (STATE_ASK_BYTES_MAX + 448u) /* with header and MACs */
#define STATE_RATE           (64u * 1024u * 1024u) /* bytes of state that may leave in a second; by default ... */
#define STATE_BUSY_PART      8u                    /* ... and a part of it while clients are served */
#define LAG_PATIENCE         8u   /* times as patient when what is awaited may be no fault of the view's */
#define OVERDUE_LEAVES_MAX   10u  /* doublings */
#define CONFIGURATIONS_KEPT  256u /* who is further behind needs a later START */
#define CONFIGURATIONS_SENT  8u   /* at a time */

/* Where a frame may come from, as bits. */
enum {
    FROM_CLIENT = 1,
    FROM_PEER = 2,
    FROM_P = 4,
    FROM_C = 8,
    FROM_E = 16,
    FROM_LAUNCHER = 32,
    FROM_N = 64,
    FROM_T = 128,
};

/* Bytes that the broker keeps. */
struct blob {
    uint8_t *data;
    uint32_t len;
};

enum bundle_state {
    BUNDLE_UNUSED = 0,
    BUNDLE_WANTED, /* only its digest is known: listed in a batch, body not here */
    BUNDLE_QUEUED, /* body here, not proposed by this replica in this view */
    BUNDLE_PROPOSED,
    BUNDLE_EXECUTED,
};

struct bundle_entry {
    enum bundle_state state;
    struct digest digest;
    origin_id origin;
    epoch_no epoch;
    uint64_t bundle_no;
    struct blob frame;
    bool is_signed; /* the form held carries a signature */
    bool signed_ok; /* and own P verified it: the view-change timer runs */
    bool refused;   /* own P could not admit the form held */
    bool authentic; /* hybster: own orderer found its origin's signature good, be it too old to be admitted */
    bool kept_from_p; /* it was in no view */
    bool alone;
    bool from_client;    /* came here directly: its latency says something about the primary */
    bool handed_on;      /* to the others, as it came from its origin and waits long */
    bool wanted_by_e;    /* E lacks it: give it on arrival */
    bool needed;         /* E said so itself: its slot is committed */
    bool persisted;      /* in the log */
    bool unsure;         /* executed, if the list that a log has of its slot is the one that was */
    bool charged;        /* counts against its origin's budget */
    uint32_t connection; /* the client connection that it came by, id + 1 */
    uint64_t known_us;
    uint64_t signed_us;
    uint64_t asked_us;               /* last time its signed form, or its body, was asked for */
    uint64_t listed_until;           /* put forward: own P may list it until this tick; 0: never was */
    slot_no slot;                    /* where listed (WANTED) or executed */
    uint32_t next;                   /* hash chain or free list, index + 1 */
    uint32_t queue_next, queue_prev; /* in one of the two lists; index + 1 */
};

struct bundle_list {
    uint32_t head, tail; /* index + 1 */
};

struct slot_list {
    struct digest batch;
    bool pinned; /* own P voted for it, or E executed it: it may be committed, so somebody may need it */
    struct blob bytes; /* the attachment */
};

/* A batch that this peer handed on in a view change, whose list was not here. Each has a place of its own, so that nobody who makes some up
 * pushes out what a correct one shows. */
struct shown {
    struct digest batch;
    uint64_t asked_us; /* its list was asked for; 0: never one */
};

struct slot_entry {
    slot_no slot; /* 0: unused */
    struct slot_list list[LISTS_PER_SLOT];
    unsigned next_list;
    struct digest voted;              /* own P's latest vote */
    struct digest needed;             /* committed, says own E, which lacks the list */
    struct shown shown[REPLICAS_MAX]; /* hybster */
    view_no pre_prepare_view;
    struct blob pre_prepare; /* the primary's, of the view that this replica is or was in */
    bool handed;             /* ... and own P, or the orderer, was given it */
    view_no early_view;
    struct blob early; /* a higher view's, until P enters it */
    struct blob own_pre_prepare;
    struct blob prepare; /* own P's latest */
    struct blob commit;  /* own C's latest */
};

struct peer {
    bool known;
    view_no view;
    bool in_view;
    slot_no executed;
    slot_no stable;
    slot_no newest;
    slot_no executed_before; /* at its status before: standing still? */
    uint64_t heard_us;       /* last status: is it there at all? */
    slot_no filled_for;      /* checkpoint up to which null batches were made for it */
    slot_no resent;          /* hybster: PREPAREs up to here were sent again */
    uint32_t new_views;      /* hybster: that own orderer was given of it since the last tick */
    view_no parting;         /* highest view + 1 that it parted from, 0: none */
    bool alone;              /* it waits in a view that the others have not come to ... */
    uint64_t alone_since_us; /* ... or it does not, since then */
    uint8_t followed;        /* times, as far as they still count */
};

/* A CONFIGURATION that led from number `first - 1` or higher to `last`. */
struct chain_link {
    configuration_no first, last;
    struct blob frame;
};

/* CHECKPOINTs of one link (own compartments count as one), the oldest in front. */
struct checkpoint_queue {
    struct blob frame[CHECKPOINTS_QUEUED];
    uint32_t first, count;
    unsigned step; /* of the one in front */
};

struct origin_links {
    uint32_t proven;  /* connection by which something came that was executed; id + 1 */
    uint32_t claimed; /* the last that claimed to be this origin */
    uint32_t pending;
    uint64_t on_signatures_until_us;
};

/* Who asks for state: peers by number, and the administrator. */
#define ADMINISTRATOR REPLICAS_MAX
#define ASKERS        (REPLICAS_MAX + 1u)

/* A peer's questions for state that own E has not been given yet. */
struct asks {
    uint32_t count;
    uint32_t len[ASKS_KEPT];
    uint8_t frame[ASKS_KEPT][ASK_BYTES_MAX];
};

struct broker {
    struct arena *arena;
    struct arena body_arena; /* of its own, so that bodies and votes do not take each other's room */
    struct engine_config config;
    const struct configuration *configuration; /* &held, once started */
    struct configuration held;
    struct blob manifest; /* START, and the number that it begins with */
    configuration_no started_number;
    struct blob closing; /* the CONFIGURATION that shows that the cluster is closed */
    struct chain_link chain[CONFIGURATIONS_KEPT]; /* a ring */
    configuration_no own_number[3];               /* that P, C and E say they hold */
    uint32_t links;                               /* that were added, ever */
    slot_no activation;                  /* of the latest change that own E executed, or that is known */
    configuration_no helped;             /* whose fresh P was followed into its view, once */
    uint64_t pending_us;                 /* the change that is pending, if any, became known */
    uint64_t entered_us;                 /* own P entered its view; 0: never one */
    configuration_no view_number;        /* that the NEW-VIEW of this view names */
    struct blob group_key[REPLICAS_MAX]; /* own E's, for a fresh E there */
    struct tag16 cluster;
    uint64_t now_us;
    bool voting;
    bool recalling; /* what comes in is in the log already */

    /* Own compartments, as they said. */
    view_no view; /* of P */
    bool in_view;
    view_no leaving;   /* highest view asked for by LOCAL_LEAVE */
    view_no suspected; /* hybster: that, while the view goes on until f+1 would leave */
    slot_no executed;
    slot_no stable;
    slot_no proposed; /* highest slot proposed by own P in this view */
    slot_no newest;   /* highest slot heard of in a PRE-PREPARE */
    uint32_t awaiting_p;
    slot_no fill_until; /* null batches up to here, so that a lagging peer can be served */
    uint64_t fill_since_us;

    struct bundle_entry *bundle; /* BUNDLES_MAX */
    uint32_t *bucket;
    uint32_t bundle_free;
    struct bundle_list queue; /* not executed, by age */
    struct bundle_list done;  /* executed, by when */
    uint32_t unproposed;
    uint32_t wanted;
    uint64_t body_bytes;
    uint32_t bodies;
    struct origin_links *origin; /* ORIGINS_MAX */

    struct slot_entry *slot; /* LOG_SLOTS */
    struct blob checkpoint[REPLICAS_MAX][CHECKPOINTS_KEPT];
    slot_no checkpoint_slot[REPLICAS_MAX][CHECKPOINTS_KEPT];
    struct checkpoint_queue checkpoint_queue[REPLICAS_MAX];
    uint32_t checkpoint_turn; /* whose queue is next */
    uint32_t checkpoints_waiting;
    bool digesting;       /* own E has a checkpoint under way */
    uint64_t nudge_at_us; /* when it is told to go on with it; 0: not, or it was told and has not answered */
    struct blob parting, view_change, new_view;
    struct core core;          /* hybster: what `new_view` decided */
    struct blob new_view_seen; /* becomes new_view when own P enters it */
    view_no view_change_view, new_view_view, new_view_seen_view;
    struct peer peer[REPLICAS_MAX];

    /* Liveness. */
    uint64_t timeout_us;
    uint32_t back_off;
    uint64_t next_tick_us;
    uint64_t timer_at_us; /* as the driver knows it */
    uint64_t tick;
    uint64_t new_view_since_us; /* 2f+1 have left: a NEW-VIEW is due from here on */
    slot_no overdue;            /* the checkpoint that is counted for */
    view_no overdue_view;
    slot_no overdue_executed;
    uint64_t overdue_since_us; /* neither view nor slot has changed */
    uint32_t overdue_leaves;   /* views left for this one */
    slot_no executed_at_tick;
    uint32_t stalled_ticks;
    slot_no catch_up_until;         /* EXECUTED was asked for up to here */
    struct local_transfer transfer; /* of own E */
    uint64_t latency_us;            /* moving average over bundles that clients sent here */
    uint32_t latency_samples;
    uint64_t progress_us;

    /* State for peers that lag. */
    struct asks ask[ASKERS];
    uint32_t backup_link;     /* client connection of the administrator; id + 1 */
    uint64_t backup_asked_us; /* of the last session */
    uint32_t backup_fills;    /* checkpoints that were filled up to for it */
    uint32_t ask_turn;
    int64_t credit; /* bytes that may leave; negative: that left too many */
    uint64_t credit_us;
    uint64_t worked_us;   /* when a bundle was executed last */
    uint64_t serve_at_us; /* when more may leave; UINT64_MAX: nothing waits */

    struct engine_status counters;
    uint64_t verdict[VERDICT_COUNT];
    uint8_t *scratch;        /* FRAME_MAX */
    struct actions *actions; /* of the step under way */
};

void broker_emit(struct broker *b, const struct action *action);
slot_no broker_executed_elsewhere(const struct broker *b);

/* Emitting actions. */
void broker_send_origin(struct broker *b, origin_id origin, struct slice frame);
void broker_give(struct broker *b, enum kind kind, struct slice frame, bool local);
void broker_give_stripped(struct broker *b, enum kind kind, const struct frame *frame, bool local);
void broker_send(struct broker *b, uint32_t peer, struct slice frame);
void broker_send_client(struct broker *b, uint32_t connection, struct slice frame);
/* A frame of the host itself. */
struct slice broker_frame(struct broker *b, enum frame_type type, struct slice body, struct slice attachment);
void blob_set(struct broker *b, struct blob *blob, struct slice bytes);
void blob_clear(struct broker *b, struct blob *blob);
static inline struct slice blob_slice(const struct blob *blob)
{
    return (struct slice){blob->data, blob->len};
}

/* bundles.c */
void bundles_init(struct broker *b);
struct bundle_entry *bundles_find(struct broker *b, const struct digest *digest);
struct bundle_entry *bundles_want(struct broker *b, const struct batch_entry *entry, slot_no slot);
/* What a primary of a left view listed and nobody needs. */
void bundles_drop_wanted(struct broker *b);
void bundles_expire(struct broker *b);
/* Hybster: shows the others what came from its origin and is not listed after a quarter of the timeout. */
void bundles_hand_on(struct broker *b);
void bundles_requeue_unlisted(struct broker *b);
void bundles_executed(struct broker *b, const struct batch_entry *entry, slot_no slot);
/* From the log of an earlier life. */
void bundles_recall(struct broker *b, struct slice frame);
void bundles_drop(struct broker *b, struct bundle_entry *entry);
void bundles_drop_waiting(struct broker *b);
void bundles_requeue(struct broker *b);
/* Own P entered a view: it gets what was kept from it meanwhile. */
void bundles_give_kept(struct broker *b);
/* Hybster: something is built on it, so own orderer is to look at its signature. What is here without one is asked for again. */
void bundles_authenticate(struct broker *b, struct bundle_entry *entry);
void bundles_forget_old(struct broker *b);
enum verdict broker_on_bundle(struct broker *b, const struct frame *frame, uint32_t from, bool from_client);
enum verdict broker_on_admitted(struct broker *b, const struct frame *frame);
void broker_ask_signed(struct broker *b, struct bundle_entry *entry);
/* Asks E for its reply to a bundle: it goes to the origin, or E says that the bundle is settled. */
void broker_ask_reply(struct broker *b, origin_id origin, epoch_no epoch, uint64_t bundle_no);
enum verdict broker_on_settled(struct broker *b, const struct frame *frame);
bool origin_on_signatures(const struct broker *b, origin_id origin);

enum verdict broker_on_reconfig(struct broker *b, const struct frame *frame, unsigned from);

/* chain.c */
enum verdict broker_on_configuration(struct broker *b, const struct frame *frame, bool own);
enum verdict broker_on_ask_configuration(struct broker *b, const struct frame *frame, uint32_t from,
                                         bool from_client);
enum verdict broker_on_group_key(struct broker *b, const struct frame *frame, bool own);
enum verdict broker_on_reconfigured(struct broker *b, const struct frame *frame);
/* What a peer that is at this number and slot lacks. */
void chain_help(struct broker *b, replica_id peer, const struct status *status);
void chain_entered(struct broker *b);
/* An own compartment says which number it holds. */
void chain_own(struct broker *b, enum kind kind, configuration_no number);
void chain_tick(struct broker *b);
/* Nothing lies above what is stable here, and nothing will: the next START has another size. */
static inline bool chain_closed(const struct broker *b)
{
    return b->stable >= configuration_closes(&b->held);
}
static inline bool chain_pending(const struct broker *b)
{
    return b->activation > b->stable;
}

/* slots.c */
struct slot_entry *slots_at(struct broker *b, slot_no slot); /* NULL: not kept */
struct slot_list *slots_list(struct broker *b, slot_no slot, const struct digest *batch);
void slots_add_list(struct broker *b, slot_no slot, const struct digest *batch, struct slice list);
void slots_pin_list(struct broker *b, slot_no slot, const struct digest *batch);
void slots_resend(struct broker *b, replica_id to, slot_no after);

/* checkpoints.c */
enum verdict broker_on_checkpoint(struct broker *b, const struct frame *frame, uint32_t from, bool own);
/* One step of what waits; everything near the end of the window. */
void checkpoints_turn(struct broker *b);
/* When the next turn or nudge is due; UINT64_MAX: never. */
uint64_t checkpoints_due(const struct broker *b);
/* Own E's word: is a checkpoint under way, and has it executed something since its last word? */
void checkpoints_progress(struct broker *b, bool digesting, bool executing);
void checkpoints_tick(struct broker *b);
/* Own E goes on with its checkpoint though nothing is executed. */
void checkpoints_nudge(struct broker *b);
void checkpoints_resend(struct broker *b, replica_id to, slot_no above);

/* ordering.c */
void ordering_propose(struct broker *b);
enum verdict broker_on_pre_prepare(struct broker *b, const struct frame *frame, uint32_t from, bool own);
enum verdict broker_on_vote(struct broker *b, const struct frame *frame, bool own);
enum verdict broker_on_progress(struct broker *b, const struct frame *frame);
enum verdict broker_on_need(struct broker *b, const struct frame *frame);
enum verdict broker_on_fetch(struct broker *b, const struct frame *frame, uint32_t from);
enum verdict broker_on_batch(struct broker *b, const struct frame *frame);
/* Own E executed this batch. */
void ordering_slot_executed(struct broker *b, slot_no slot, const struct digest *batch);
void ordering_hand_over(struct broker *b, slot_no slot, const struct digest *batch, struct slice list);
/* Hands P the PRE-PREPAREs of this view that waited for bodies (or for the view), as far as they are complete now. */
void ordering_retry(struct broker *b);
/* P entered a view: what came early for it is used now. */
void ordering_entered(struct broker *b);
void ordering_fetch(struct broker *b, unsigned what, const struct digest *digest);

/* The bodies of all bundles that this list names; what is missing is wanted from now on. */
bool ordering_bodies_held(struct broker *b, slot_no slot, struct slice list);
/* A PRE-PREPARE, or Hybster's PREPARE, that was checked by itself. */
enum verdict ordering_on_proposal(struct broker *b, const struct frame *frame, uint32_t from, bool own);

/* protocol/hybster/routes.c */
static inline bool broker_is_hybster(const struct broker *b)
{
    return b->configuration && b->configuration->protocol == PROTOCOL_HYBSTER;
}
enum verdict broker_on_hybster(struct broker *b, const struct frame *frame, uint32_t from, bool own);
/* Own E stands still: what is final above it is said again. */
void hybster_tell_again(struct broker *b);
void hybster_suspect(struct broker *b, view_no view);
/* A peer that stands still: it may lack any PREPARE above its checkpoint. */
void hybster_resend(struct broker *b, replica_id to, const struct status *status);

/* durable.c */
enum verdict broker_on_sealed(struct broker *b, const struct frame *frame, enum kind from);
void durable_list(struct broker *b, slot_no slot, const struct digest *batch, struct slice list);
void durable_configuration(struct broker *b, struct slice frame);
void durable_bundle(struct broker *b, struct bundle_entry *entry);
void durable_recall(void *engine, enum persist_kind kind, slot_no slot, struct slice bytes);
void durable_resume(void *engine, slot_no executed, slot_no stable);

/* liveness.c */
void liveness_tick(struct broker *b);
void liveness_leave(struct broker *b, view_no view);
enum verdict broker_on_view(struct broker *b, const struct frame *frame, enum kind from);
enum verdict broker_on_parting(struct broker *b, const struct frame *frame, uint32_t from, bool own);
enum verdict broker_on_view_change(struct broker *b, const struct frame *frame, bool own);
enum verdict broker_on_new_view(struct broker *b, const struct frame *frame, bool own);
enum verdict broker_on_status(struct broker *b, const struct frame *frame, uint32_t from);
void liveness_send_status(struct broker *b, uint32_t to);
view_no liveness_heading(const struct broker *b);
void follow_tick(struct broker *b);

/* catch_up.c */
void catch_up_tick(struct broker *b);
void catch_up_executed(struct broker *b);
void catch_up_jumped(struct broker *b);
bool catch_up_behind(const struct broker *b); /* is anybody ahead? */
/* Hands over questions as the budget allows; `serve_at_us` says when to be called again. */
void catch_up_serve(struct broker *b);
void catch_up_sent(struct broker *b, size_t len);
enum verdict broker_on_transfer(struct broker *b, const struct frame *frame);
enum verdict broker_on_ask_state(struct broker *b, const struct frame *frame, uint32_t from);
/* A question that waits for its turn. */
enum verdict catch_up_queue(struct broker *b, uint32_t asker, struct slice frame);

/* backup.c */
enum verdict broker_on_ask_backup(struct broker *b, const struct frame *frame, uint32_t connection);
enum verdict broker_on_backup(struct broker *b, const struct frame *frame);

#endif
