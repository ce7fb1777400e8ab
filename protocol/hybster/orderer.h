/*
 * The orderer: what a Hybster replica thinks about the order. A step machine in the shape of a compartment, called by the host's thread and in
 * its fault domain; pure. Whatever it says to other orderers bears a certificate of the replica's counter compartment N.
 *
 *   bundle, reconfig     admit                                    -> ordering/admission.c
 *   propose              leader: next slot, PREPARE               -> prepare.c
 *   prepare              keep it; vote in order: COMMIT           -> prepare.c, commit.c
 *   commit               a quorum: the batch is final             -> commit.c
 *   committed            ... as somebody else shows               -> committed.c
 *   leave, suspect       f+1 would rather be elsewhere: leave     -> suspect.c
 *   view-change          leave, showing all; collect              -> view_change.c
 *   new-view             what follows from them                   -> new_view.c, core.c
 *   checkpoint           truncate                                 -> orderer.c
 *   configuration        which RECONFIGs were executed            -> configuration.c
 *   counted              N's answers: what was waiting goes on    -> calls.c
 *
 * Nothing is waited for: a step that needs N leaves a *job* and ends; N's answer goes on with it (`..._done`). All jobs of a run go to
 * N in one call; answers come in the order of calls. Between, the orderer may have left or entered views, so every job says of
 * which view it was.
 *
 * A view number says of which configuration the view is (ordering/configuration.h), and so which counter of a replica counts in it. An
 * orderer that started anew is a learner until a RECONFIG names it and its counter: it takes part in views of that configuration, for slots
 * above its activation slot, and before says nothing; what is final it tells its host all the same.
 *
 * Slot s belongs to pillar s mod P; each has its counter, and its votes are in order and without gaps by themselves, so that what one waits
 * for does not hold the others up. The leader gives out slots in turn, so that none is idle while another is busy.
 *
 * Bounded: slots of one window, one VIEW-CHANGE of each replica accepted and one being checked, CANDIDATES NEW-VIEWs, JOBS_MAX jobs.
 * What comes when there is no room is dropped; peers send again.
 */
#ifndef HYBSTER_ORDERER_H
#define HYBSTER_ORDERER_H

#include "base/check.h"
#include "base/compartment.h"
#include "hybster/core.h"
#include "ordering/admission.h"
#include "ordering/hello.h"
#include "ordering/mutant.h"
#include "ordering/stable.h"

extern const struct compartment_type orderer_type;

/* Counters of N, of each pillar. CORE is used of pillar 0. */
enum { COUNTER_ORDER = 0, COUNTER_CORE = 1 };

/* A counter, and its value. */
struct counted {
    uint32_t pillar, counter;
    view_no view;
    slot_no order;
};

#define JOBS_MAX 1024u
#define JOBS_RESERVED                                                                                        \
    320u /* for what is certified here: a window of PREPAREs, and the messages of a view change */

struct hyb_slot {
    slot_no slot; /* 0: unused */
    /* In the last view that was accepted. */
    bool checking; /* a PREPARE with this list waits for N's word */
    bool prepared; /* the leader's PREPARE is here */
    bool asked;    /* the own vote was asked of N */
    struct digest batch;
    epoch_no epoch; /* of the leader's N */
    struct tag16 mac;
    bool
        counting[REPLICAS_MAX]; /* a COMMIT waits for N's word; one of each, so that nobody fills the queue */
    bool voted[REPLICAS_MAX];   /* COMMITs that are here, the own among them */
    epoch_no vote_epoch[REPLICAS_MAX];
    struct digest vote[REPLICAS_MAX];
    struct tag16 vote_mac[REPLICAS_MAX];
    /* In whatever view. */
    bool settling; /* a COMMITTED waits for N's word */
    bool committed;
    struct digest committed_batch;
    uint32_t list_len; /* of `batch`; 0: not here */
    uint8_t *list;     /* BATCH_BYTES_MAX */
};

enum job_kind {
    JOB_CERTIFY_PREPARE, /* certified here */
    JOB_CERTIFY_COMMIT,
    JOB_CERTIFY_SUSPECT,
    JOB_CERTIFY_VIEW_CHANGE,
    JOB_CERTIFY_NEW_VIEW,
    JOB_CHECK_PREPARE, /* of others */
    JOB_CHECK_COMMIT,
    JOB_CHECK_COMMITTED,
    JOB_CHECK_SUSPECT,
    JOB_CHECK_VIEW_CHANGE,
    JOB_CHECK_NEW_VIEW,
};

/* What waits for an answer. */
struct job {
    enum job_kind kind;
    uint32_t commands, checks; /* so many results are for it */
    uint64_t call;             /* in which call they are asked for */
    view_no view;
    slot_no slot;
    replica_id replica;
    epoch_no epoch; /* of its N */
    struct digest batch;
    struct tag16 mac;
    bool all;        /* JOB_CHECK_VIEW_CHANGE: what it shows too, not only who says it */
    uint32_t place;  /* JOB_CHECK_NEW_VIEW: which candidate */
    uint32_t voters; /* JOB_CHECK_COMMITTED */
    struct hybster_voter voter[REPLICAS_MAX];
};

/* A VIEW-CHANGE or NEW-VIEW, whole. */
struct kept {
    view_no view; /* 0: none */
    view_no from;
    uint32_t len;
    uint8_t *frame;
};

/* A NEW-VIEW that is being checked, or certified, and what follows from it. */
struct candidate {
    bool busy;
    struct kept new_view;
    struct core core;
    struct certificate stable; /* its base */
};

/* Of others: one that is forged does not keep the true one waiting. */
#define CANDIDATES 3u

struct suspicion {
    view_no view; /* 0: none */
    bool shown;   /* there is a SUSPECT for it; else a VIEW-CHANGE */
    struct tag16 mac;
};

struct orderer {
    struct compartment_config config;
    struct configuration configuration;
    struct sender counter; /* own N: of the same epoch */
    bool started;
    struct auth auth;
    struct admission admission;
    struct stable stable;
    uint32_t quorum;

    view_no view;               /* in it, or heading for it */
    bool in_view;               /* it was accepted, and this replica's counter counts in it */
    struct core core;           /* of the last view whose NEW-VIEW was accepted; `core.view` is that view */
    slot_no asked[PILLARS_MAX]; /* up to here own votes were asked for in that view; 0: none */
    slot_no next_slot;          /* leader */
    uint64_t last_time_us;
    struct hyb_slot slot[WINDOW];

    view_no suspected; /* the own SUSPECT */
    struct suspicion suspicion[REPLICAS_MAX];
    bool change_due;                  /* a VIEW-CHANGE is to be made as soon as no certificate is under way */
    struct kept own_change;           /* its body, while N certifies it */
    struct kept change[REPLICAS_MAX]; /* accepted */
    struct kept changing[REPLICAS_MAX]; /* being checked; view 0: none */
    struct candidate own_candidate;
    struct candidate candidate[CANDIDATES];
    struct core from_core; /* what the one that is looked at builds on */

    /* Jobs, a ring; and the call that is being put together. */
    struct job job[JOBS_MAX];
    uint32_t first_job, jobs;
    uint32_t certifying; /* of COUNTER_ORDER, under way */
    uint64_t calls;      /* sent */
    uint64_t answered;
    struct writer commands, checks;
    uint8_t *scratch; /* FRAME_MAX */
};

static inline slot_no orderer_stable(const struct orderer *o)
{
    return o->stable.certificate.slot;
}
static inline uint32_t orderer_pillars(const struct orderer *o)
{
    return o->configuration.pillars;
}
/* The slot of a pillar that comes after the own votes. */
static inline slot_no orderer_next_vote(const struct orderer *o, uint32_t pillar)
{
    slot_no voted = o->asked[pillar] > orderer_stable(o) ? o->asked[pillar] : orderer_stable(o);
    return pillar_next(pillar, orderer_pillars(o), voted);
}
/* What says PREPARE or COMMIT of a slot; what leaves for a view; what begins one. */
static inline struct counted counted_slot(const struct orderer *o, view_no view, slot_no slot)
{
    return (struct counted){slot_pillar(slot, orderer_pillars(o)), COUNTER_ORDER, view, slot};
}
static inline struct counted counted_change(view_no view, uint32_t pillar)
{
    return (struct counted){pillar, COUNTER_ORDER, view, 0};
}
static inline struct counted counted_core(view_no view)
{
    return (struct counted){0, COUNTER_CORE, view, 0};
}
static inline bool orderer_leads(const struct orderer *o, view_no view)
{
    return primary_of(&o->configuration, view) == o->config.replica;
}

/* orderer.c */
struct hyb_slot *orderer_slot(struct orderer *o, slot_no slot);
/* A frame of this replica's, in the name of its N; `auth` is empty for what is not certified as a whole. */
struct slice orderer_frame(struct orderer *o, enum frame_type type, struct slice body, struct slice auth,
                           struct slice attachment);
void orderer_emit(struct outbox *out, struct slice frame);
void orderer_content(const struct orderer *o, enum frame_type type, const struct sender *sender,
                     struct slice body, struct digest *content);
/* N of a replica, as it counts in a view; KIND_NONE: not listed any more. */
struct sender orderer_counter(const struct orderer *o, replica_id replica, view_no view);
/* Does this counter count in that view, for that slot? Slot 0: for any. Not in a view of a configuration that is not known. */
bool orderer_counts(const struct orderer *o, const struct sender *sender, view_no view, slot_no slot);
/* Does its word count with that checkpoint stable: is it above the activation slot of the sender? */
bool orderer_counts_from(const struct orderer *o, const struct sender *sender, view_no view, slot_no stable);
/* Do the own ones, orderer and counter? */
bool orderer_takes_part(const struct orderer *o, view_no view);
void orderer_tell_view(const struct orderer *o, struct outbox *out);
void orderer_truncated(struct orderer *o);

/* configuration.c */
enum verdict orderer_on_configuration(struct orderer *o, const struct frame *frame, struct outbox *out);

/* calls.c. A job; NULL: no room. `own`: may take the room that is reserved. Commands and checks follow it at once. */
struct job *calls_begin(struct orderer *o, enum job_kind kind, bool own);
/* May so many checks be asked for in one more job? */
bool calls_have_room(const struct orderer *o, uint32_t checks);
void calls_certify(struct orderer *o, struct job *job, unsigned kind, struct counted value,
                   const struct digest *content);
/* The own word on a slot's batch in the present view, PREPARE or COMMIT, which moves the counter there; false: no room. */
bool calls_certify_slot(struct orderer *o, enum job_kind kind, struct hyb_slot *slot,
                        const struct digest *content);
/* A certificate of another's N. `certificate` has previous and act of a Continuing one; for others NULL and `mac`. */
void calls_check(struct orderer *o, struct job *job, unsigned kind, const struct sender *by,
                 struct counted value, const struct hybster_continuing *certificate, const struct tag16 *mac,
                 const struct digest *content);
void calls_flush(struct orderer *o, struct outbox *out);
enum verdict orderer_on_counted(struct orderer *o, const struct frame *frame, struct outbox *out);

/* prepare.c */
enum verdict orderer_on_propose(struct orderer *o, const struct frame *frame, uint64_t now_us,
                                struct outbox *out);
enum verdict orderer_on_prepare(struct orderer *o, const struct frame *frame, uint64_t now_us);
/* Leader: what core(view) has for this slot; false: no room now. */
bool prepare_again(struct orderer *o, slot_no slot);
void prepare_certified(struct orderer *o, const struct job *job, const struct tag16 *mac, struct outbox *out);
void prepare_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out);
/* Content digest of the PREPARE of that view's leader, whose N has this epoch. */
void prepare_content(const struct orderer *o, view_no view, slot_no slot, const struct digest *batch,
                     epoch_no epoch, struct digest *content);

/* commit.c */
enum verdict orderer_on_commit(struct orderer *o, const struct frame *frame);
/* Votes for all PREPAREs that can be voted for, in order. */
void commit_vote(struct orderer *o);
void commit_certified(struct orderer *o, const struct job *job, const struct tag16 *mac, struct outbox *out);
void commit_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out);
/* Is the slot final now? Then the host is told. */
void commit_try(struct orderer *o, struct hyb_slot *s, struct outbox *out);

/* committed.c */
enum verdict orderer_on_committed(struct orderer *o, const struct frame *frame);
void committed_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out);
void committed_tell(struct orderer *o, view_no view, slot_no slot, const struct digest *batch, epoch_no epoch,
                    const struct tag16 *prepare, const struct hybster_voter *voters, uint32_t count,
                    struct outbox *out);

/* suspect.c */
enum verdict orderer_on_leave(struct orderer *o, const struct frame *frame, struct outbox *out);
enum verdict orderer_on_suspect(struct orderer *o, const struct frame *frame);
void suspect_certified(struct orderer *o, const struct job *job, const struct tag16 *mac, struct outbox *out);
void suspect_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out);
/* That replica would be in `view`; perhaps it is time to leave. */
void suspect_note(struct orderer *o, replica_id replica, view_no view, const struct tag16 *mac,
                  struct outbox *out);

/* view_change.c */
enum verdict orderer_on_view_change(struct orderer *o, const struct frame *frame);
void view_change_leave(struct orderer *o, view_no view, struct outbox *out);
/* Makes the VIEW-CHANGE that is due, when nothing is under way that it would have to show. */
void view_change_make(struct orderer *o);
void view_change_certified(struct orderer *o, const struct job *job,
                           const struct hybster_continuing part[PILLARS_MAX], struct outbox *out);
void view_change_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out);
/* What its sender's host shows of it is in order: it builds on `from`, the checkpoint holds, and everything is of counters that are listed. */
enum verdict change_in_order(const struct orderer *o, const struct frame *frame, const struct change *change,
                             const struct core *from);
/* Asks N about all certificates of a VIEW-CHANGE, or only about its own. */
void change_ask(struct orderer *o, struct job *job, const struct frame *frame, const struct change *change,
                bool all);

/* new_view.c */
enum verdict orderer_on_new_view(struct orderer *o, const struct frame *frame);
void new_view_try(struct orderer *o);
void new_view_certified(struct orderer *o, const struct job *job, bool good, const struct tag16 *mac,
                        struct outbox *out);
void new_view_checked(struct orderer *o, const struct job *job, bool good, struct outbox *out);

#endif
