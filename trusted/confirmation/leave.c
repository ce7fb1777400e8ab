/*
 * Leaving a view: C first leaves, then claims, per slot above its checkpoint that it saw prepared, the batch of the highest
 * view, with PARTINGs of f+1 distinct P that list it for that view or a later one. A claim whose PARTINGs have not come
 * yet is waited for: f+1 of its 2f+1 votes came from correct P, which all part.
 */
#include "confirmation/confirmation.h"

enum verdict confirmation_on_leave(struct confirmation *c, const struct frame *frame, struct outbox *out)
{
    struct local_leave leave;
    if (!local_leave_decode(frame->body, &leave))
        return VERDICT_MALFORMED;
    if (leave.view <= c->view && !mutant(MUTANT_VIEWS_FALL))
        return VERDICT_STALE;
    c->view = leave.view;
    c->view_change_due = leave.view;
    c->view_change_out = 0;
    confirmation_write_view(c, out);
    confirmation_tell_view(c, out);
    confirmation_try_view_change(c, out);
    return VERDICT_ACCEPT;
}

/* A later epoch's, so that the earlier one, kept running, pushes nothing out; of a higher view; or signed again. */
static bool supersedes(const struct conf_parting *stored, const struct frame *frame,
                       const struct parting *parting)
{
    if (frame->sender.epoch != stored->sender.epoch)
        return frame->sender.epoch > stored->sender.epoch;
    if (parting->view != stored->view)
        return parting->view > stored->view;
    return parting->configuration > stored->configuration;
}

enum verdict confirmation_on_parting(struct confirmation *c, const struct frame *frame, struct outbox *out)
{
    struct parting parting;
    if (!parting_decode(frame->body, &parting))
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_PREPARATION ||
        !configuration_member_ever(&c->configuration, &frame->sender))
        return VERDICT_UNKNOWN_SENDER;
    if (frame->whole.len > PARTING_BYTES_MAX)
        return VERDICT_LIMIT;
    struct conf_parting *stored = &c->parting[frame->sender.id];
    if (stored->present && !supersedes(stored, frame, &parting))
        return VERDICT_DUPLICATE;
    enum verdict verdict = evidence_parting(&c->configuration, frame, &parting);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    stored->present = true;
    stored->sender = frame->sender;
    stored->configuration = parting.configuration;
    stored->view = parting.view;
    stored->len = (uint32_t)frame->whole.len;
    memcpy(stored->frame, frame->whole.data, frame->whole.len);
    /* A P that is ahead no longer lists what its certificate covers: with the certificate the claim is not needed. */
    if (!mutant(MUTANT_PARTING_WITHOUT_CERTIFICATE) &&
        stable_adopt(&c->stable, parting.stable_slot, &parting.stable_root, parting.signers))
        confirmation_truncated(c);
    confirmation_try_view_change(c, out);
    return VERDICT_ACCEPT;
}

struct stored_partings {
    struct parting parting[REPLICAS_MAX];
    bool usable[REPLICAS_MAX];
    bool wanted[REPLICAS_MAX];
};

static void load_partings(const struct confirmation *c, struct stored_partings *stored)
{
    memset(stored, 0, sizeof *stored);
    for (replica_id r = 0; r < c->configuration.replicas; r++) {
        struct frame frame;
        if (!c->parting[r].present)
            continue;
        CHECK(frame_decode(c->parting[r].frame, c->parting[r].len, &frame));
        stored->usable[r] = parting_decode(frame.body, &stored->parting[r]);
    }
}

/* Marks the PARTINGs that prove the claim; false when there are fewer than f+1. */
static bool support(const struct confirmation *c, struct stored_partings *stored,
                    const struct slot_view *claim)
{
    uint32_t need = quorum_one_correct(&c->configuration) - (mutant(MUTANT_CLAIMS_WITH_F_PARTINGS) ? 1 : 0);
    uint32_t have = 0;
    bool listing[REPLICAS_MAX] = {false};
    for (replica_id r = 0; r < c->configuration.replicas && have < need; r++) {
        listing[r] = stored->usable[r] &&
                     parting_supports(&c->configuration, &c->parting[r].sender, &stored->parting[r], claim);
        have += listing[r];
    }
    if (have < need)
        return false;
    for (replica_id r = 0; r < c->configuration.replicas; r++)
        stored->wanted[r] = stored->wanted[r] || listing[r];
    return true;
}

static bool make_claims(const struct confirmation *c, struct stored_partings *stored, struct writer *claims)
{
    for (slot_no slot = conf_stable_slot(c) + 1; slot <= conf_stable_slot(c) + WINDOW; slot++) {
        const struct conf_slot *s = &c->slot[slot % WINDOW];
        if (s->slot != slot || !s->prepared)
            continue;
        struct slot_view claim = {.slot = slot, .view = s->view, .batch = s->batch};
        if (!support(c, stored, &claim))
            return false;
        slot_view_put(claims, &claim);
    }
    return true;
}

static struct slice attach_partings(const struct confirmation *c, const struct stored_partings *stored)
{
    struct writer w = writer_to(c->scratch, CONF_SCRATCH_BYTES);
    for (replica_id r = 0; r < c->configuration.replicas; r++)
        if (stored->wanted[r])
            put_slice(&w, (struct slice){c->parting[r].frame, c->parting[r].len});
    CHECK(!w.bad);
    return (struct slice){c->scratch, w.len};
}

void confirmation_try_view_change(struct confirmation *c, struct outbox *out)
{
    if (c->view_change_due == 0)
        return;
    /* It could not say anything about what lies below: nobody would count it. */
    slot_no above = auth_counts_above(&c->auth);
    if (conf_stable_slot(c) < above && !mutant(MUTANT_OLD_EPOCH_VIEW_CHANGE))
        return;
    struct stored_partings stored;
    uint8_t claims[WINDOW * slot_view_BYTES];
    struct writer claims_writer = writer_to(claims, sizeof claims);
    load_partings(c, &stored);
    if (!make_claims(c, &stored, &claims_writer))
        return;
    const struct certificate *certificate = &c->stable.certificate;
    struct slice attachment = attach_partings(c, &stored);
    struct view_change vc = {
        .configuration = c->configuration.number,
        .view = c->view_change_due,
        .stable_slot = certificate->slot,
        .stable_root = certificate->root,
        .signers = certificate_signers(certificate),
        .claims = {claims, claims_writer.len},
    };
    digest_of(&vc.partings, VIEW_CHANGE_PARTINGS_TAG, attachment.data, attachment.len);
    uint8_t body[sizeof claims + sizeof certificate->signers + 256];
    struct writer w = writer_to(body, sizeof body);
    view_change_put(&w, &vc);
    CHECK(!w.bad);
    c->view_change_out = c->view_change_due;
    c->view_change_due = 0;
    auth_emit_signed(&c->auth, out, FRAME_VIEW_CHANGE, (struct slice){body, w.len}, attachment);
}
