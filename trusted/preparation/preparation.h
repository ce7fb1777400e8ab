/*
 * Preparation (P): numbers bundles as primary, vouches for the primary's numbering as backup.
 *
 *   bundle        admit: this origin really sent it            -> ordering/admission.c
 *   propose       primary: next slot, PRE-PREPARE              -> propose.c
 *   pre-prepare   backup: everything admitted? PREPARE         -> pre_prepare.c
 *   leave         the host's word: PARTING                     -> leave.c
 *   view-change   primary of the new view: collect, NEW-VIEW   -> view_change.c
 *   new-view      enter it, vote for what it selects           -> new_view.c
 *   checkpoint    truncate                                     -> checkpoint.c
 *   recall        what an earlier life promised                -> recall.c
 *   reconfig, configuration   fresh keys; what was executed    -> ordering/admission.c, configuration.c
 *
 * P trusts nobody else's view: it votes in a view only after a valid NEW-VIEW (view 0 excepted), never again in a view it
 * parted from, and its view only rises. It keeps, per slot above its stable checkpoint, every (batch, latest view) that it
 * voted for, because a PARTING must list them.
 */
#ifndef PREPARATION_PREPARATION_H
#define PREPARATION_PREPARATION_H

#include "base/check.h"
#include "base/compartment.h"
#include "ordering/admission.h"
#include "ordering/auth.h"
#include "ordering/evidence.h"
#include "ordering/hello.h"
#include "ordering/mutant.h"
#include "ordering/sealing.h"
#include "ordering/stable.h"

/* A VIEW-CHANGE with PARTINGs of all replicas at their largest. */
#define VIEW_CHANGE_BYTES_MAX (560u * 1024u)

struct prep_vote {
    struct digest batch;
    view_no view;
};

struct prep_slot {
    slot_no slot; /* 0: unused */
    uint32_t votes;
    struct prep_vote vote[PARTING_DIGESTS_PER_SLOT];
    bool voted; /* in `voted_view`, for `voted_batch` */
    view_no voted_view;
    struct digest voted_batch;
    bool parked; /* a PRE-PREPARE of the current view waits for bundles to be admitted */
    struct digest parked_batch;
    uint32_t parked_len;
    uint8_t *parked_list; /* BATCH_BYTES_MAX */
};

struct prep_view_change {
    view_no view; /* 0: none */
    configuration_no configuration;
    uint32_t len;
    uint8_t *frame;
    slot_no stable_slot;
    slot_no shown_slot; /* highest certificate inside, its PARTINGs included */
};

struct preparation {
    struct arena *arena;
    struct compartment_config config;
    struct configuration configuration;
    bool started;
    struct auth auth;
    struct stable stable;
    view_no view;
    bool in_view; /* false: parted, waiting for a NEW-VIEW of `view` */
    view_no new_view_made;
    slot_no next_slot;
    uint64_t last_time_us;
    struct prep_slot slot[WINDOW];
    uint32_t parked;
    struct admission admission;
    struct prep_view_change view_change[REPLICAS_MAX];
    uint8_t *scratch; /* FRAME_MAX, for NEW-VIEW */
    struct sealing sealing;
    bool write_all;      /* the checkpoint rose: before the next vote everything is written anew */
    slot_no whole_above; /* see struct promises */
    struct tag16 recalled_cluster;
    configuration_no recalled_configuration;
};

static inline slot_no prep_stable_slot(const struct preparation *p)
{
    return p->stable.certificate.slot;
}

static inline struct prep_slot *prep_slot_at(struct preparation *p, slot_no slot)
{
    struct prep_slot *s = &p->slot[slot % WINDOW];
    if (s->slot != slot) {
        uint8_t *list = s->parked_list;
        if (s->parked)
            p->parked--;
        *s = (struct prep_slot){.slot = slot, .parked_list = list};
    }
    return s;
}

static inline bool prep_is_primary(const struct preparation *p)
{
    return primary_of(&p->configuration, p->view) == p->config.replica;
}

/* Handlers. */
enum verdict preparation_on_start(struct preparation *p, const struct frame *frame, struct outbox *out);
enum verdict preparation_on_propose(struct preparation *p, const struct frame *frame, uint64_t now_us,
                                    struct outbox *out);
enum verdict preparation_on_pre_prepare(struct preparation *p, const struct frame *frame, bool local,
                                        uint64_t now_us, struct outbox *out);
enum verdict preparation_on_leave(struct preparation *p, const struct frame *frame, struct outbox *out);
enum verdict preparation_on_view_change(struct preparation *p, const struct frame *frame, struct outbox *out);
enum verdict preparation_on_new_view(struct preparation *p, const struct frame *frame, struct outbox *out);
enum verdict preparation_on_checkpoint(struct preparation *p, const struct frame *frame);
enum verdict preparation_on_configuration(struct preparation *p, const struct frame *frame,
                                          struct outbox *out);

enum verdict preparation_on_recall(struct preparation *p, const struct frame *frame, struct outbox *out);

/* recall.c: sealed records, made before what they are about is sent. */
void preparation_write_all(struct preparation *p, struct outbox *out);
void preparation_write_vote(struct preparation *p, slot_no slot, const struct digest *batch,
                            struct outbox *out);
void preparation_write_view(struct preparation *p, struct outbox *out);
struct hello_head preparation_head(const struct preparation *p);
/* A RECONFIG may list this incarnation; a view was entered: what its log must hold to be whole may be known. */
void preparation_listed(struct preparation *p);
void preparation_entered(struct preparation *p);
/* START was loaded: begins, or goes on from what was recalled. */
enum verdict preparation_resume(struct preparation *p, struct outbox *out);

/* Shared pieces. */
void preparation_add_vote(struct prep_slot *s, const struct digest *batch, view_no view);
struct slice preparation_list_votes(const struct preparation *p, uint8_t *to, size_t cap);
void preparation_part(struct preparation *p, struct outbox *out);
void preparation_retry_parked(struct preparation *p, struct outbox *out);
/* Records the vote and sends it: PREPARE as a backup, PRE-PREPARE (with `list`, which may be empty) as primary. */
void preparation_vote(struct preparation *p, slot_no slot, const struct digest *batch, struct slice list,
                      struct outbox *out);
void preparation_enter(struct preparation *p, view_no view, const struct selection *selection,
                       const struct shown_certificate *certificate, struct outbox *out);
void preparation_truncated(struct preparation *p);
void preparation_tell_view(const struct preparation *p, struct outbox *out);

#endif
