/*
 * PARTING: on its host's word P leaves all views below `view` for good and signs what it voted for. C proves its
 * claims with f+1 of these.
 */
#include "preparation/preparation.h"

static struct slice list_votes(struct preparation *p, uint8_t *to, size_t cap)
{
    struct writer w = writer_to(to, cap);
    slot_no stable = prep_stable_slot(p);
    for (slot_no slot = stable + 1; slot <= stable + WINDOW; slot++) {
        const struct prep_slot *s = &p->slot[slot % WINDOW];
        if (s->slot != slot)
            continue;
        for (uint32_t i = 0; i < s->votes; i++)
            slot_view_put(
                &w, &(struct slot_view){.slot = slot, .view = s->vote[i].view, .batch = s->vote[i].batch});
    }
    CHECK(!w.bad);
    return (struct slice){to, w.len};
}

static void unpark_all(struct preparation *p)
{
    for (unsigned i = 0; i < WINDOW; i++)
        p->slot[i].parked = false;
    p->parked = 0;
}

void preparation_emit_parting(struct preparation *p, struct outbox *out)
{
    uint8_t votes[PARTING_VOTES_MAX * slot_view_BYTES];
    uint8_t body[sizeof votes + sizeof p->stable.certificate.signers + 128];
    const struct certificate *certificate = &p->stable.certificate;
    struct parting parting = {
        .configuration = p->configuration.number,
        .view = p->view - 1,
        .stable_slot = certificate->slot,
        .stable_root = certificate->root,
        .signers = certificate_signers(certificate),
        .votes = list_votes(p, votes, sizeof votes),
    };
    struct writer w = writer_to(body, sizeof body);
    parting_put(&w, &parting);
    CHECK(!w.bad);
    auth_emit_signed(&p->auth, out, FRAME_PARTING, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

enum verdict preparation_on_leave(struct preparation *p, const struct frame *frame, struct outbox *out)
{
    struct local_leave leave;
    if (!local_leave_decode(frame->body, &leave))
        return VERDICT_MALFORMED;
    if (leave.view <= p->view)
        return VERDICT_STALE;
    p->view = leave.view;
    p->in_view = false;
    unpark_all(p);
    preparation_emit_parting(p, out);
    preparation_tell_view(p, out);
    return VERDICT_ACCEPT;
}
