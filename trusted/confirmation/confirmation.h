/*
 * Confirmation (C): sees that 2f+1 Preparation compartments vouch for the same batch at a slot, and commits to it.
 *
 *   pre-prepare, prepare   count votes; 2f+1 distinct P: COMMIT        -> prepare.c
 *   leave                  the host's word: leave lower views          -> leave.c
 *   parting                evidence for claims; VIEW-CHANGE when whole -> leave.c
 *   new-view               adopt its h                                 -> new_view.c
 *   checkpoint             truncate                                    -> checkpoint.c
 *   recall                 what an earlier life promised               -> recall.c
 *   configuration          RECONFIGs that were executed                -> configuration.c
 *
 * C's view only rises: committing in a view leaves all lower ones. Votes are counted by sender, one each: per slot and P the
 * vote of the highest view.
 */
#ifndef CONFIRMATION_CONFIRMATION_H
#define CONFIRMATION_CONFIRMATION_H

#include "base/check.h"
#include "base/compartment.h"
#include "ordering/auth.h"
#include "ordering/evidence.h"
#include "ordering/hello.h"
#include "ordering/mutant.h"
#include "ordering/sealing.h"
#include "ordering/stable.h"

#define PARTING_BYTES_MAX  (56u * 1024u)
#define CONF_SCRATCH_BYTES (REPLICAS_MAX * (PARTING_BYTES_MAX + 8))

struct conf_vote {
    bool present;
    view_no view;
    struct digest batch;
};

struct conf_slot {
    slot_no slot; /* 0: unused */
    struct conf_vote vote[REPLICAS_MAX];
    uint32_t messages; /* only a mutant counts these */
    bool prepared;     /* and so committed: in `view`, the highest in which it was */
    view_no view;
    struct digest batch;
};

struct conf_parting {
    bool present;
    struct sender sender;
    configuration_no configuration;
    view_no view;
    uint32_t len;
    uint8_t *frame;
};

struct confirmation {
    struct compartment_config config;
    struct configuration configuration;
    bool started;
    struct auth auth;
    struct stable stable;
    view_no view;            /* all lower views are left */
    view_no entered;         /* highest view whose NEW-VIEW was accepted */
    view_no view_change_due; /* a VIEW-CHANGE for this view waits for PARTINGs; 0: none */
    view_no
        view_change_out; /* one for this view was sent, and the view is neither entered nor committed in; 0: none */
    struct conf_slot slot[WINDOW];
    struct conf_parting parting[REPLICAS_MAX];
    uint8_t *scratch; /* CONF_SCRATCH_BYTES: VIEW-CHANGE attachment, a record */
    struct sealing sealing;
    bool write_all;      /* the checkpoint rose: before the next promise everything is written anew */
    slot_no whole_above; /* see struct promises */
    struct tag16 recalled_cluster;
    configuration_no recalled_configuration;
};

static inline slot_no conf_stable_slot(const struct confirmation *c)
{
    return c->stable.certificate.slot;
}

static inline struct conf_slot *conf_slot_at(struct confirmation *c, slot_no slot)
{
    struct conf_slot *s = &c->slot[slot % WINDOW];
    if (s->slot != slot)
        *s = (struct conf_slot){.slot = slot};
    return s;
}

enum verdict confirmation_on_vote(struct confirmation *c, const struct frame *frame, bool local,
                                  struct outbox *out);
enum verdict confirmation_on_leave(struct confirmation *c, const struct frame *frame, struct outbox *out);
enum verdict confirmation_on_parting(struct confirmation *c, const struct frame *frame, struct outbox *out);
enum verdict confirmation_on_new_view(struct confirmation *c, const struct frame *frame, struct outbox *out);
enum verdict confirmation_on_checkpoint(struct confirmation *c, const struct frame *frame,
                                        struct outbox *out);
enum verdict confirmation_on_configuration(struct confirmation *c, const struct frame *frame,
                                           struct outbox *out);

enum verdict confirmation_on_recall(struct confirmation *c, const struct frame *frame, struct outbox *out);

/* recall.c: sealed records, made before what they are about is sent. */
void confirmation_write_all(struct confirmation *c, struct outbox *out);
void confirmation_write_prepared(struct confirmation *c, const struct vote *vote, struct outbox *out);
void confirmation_write_view(struct confirmation *c, struct outbox *out);
struct hello_head confirmation_head(const struct confirmation *c);
/* A RECONFIG may list this incarnation; a NEW-VIEW was taken: what its log must hold to be whole may be known. */
void confirmation_listed(struct confirmation *c);
void confirmation_entered(struct confirmation *c);
/* START was loaded: begins, or goes on from what was recalled. */
enum verdict confirmation_resume(struct confirmation *c, struct outbox *out);

/* Sends the VIEW-CHANGE that is due once every claim has its f+1 PARTINGs. */
void confirmation_try_view_change(struct confirmation *c, struct outbox *out);
void confirmation_truncated(struct confirmation *c);
void confirmation_tell_view(const struct confirmation *c, struct outbox *out);

#endif
