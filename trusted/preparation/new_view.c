/*
 * Entering a view: adopt its h, and vote for every selected slot. Selected slots are voted without the admission and time
 * tests: f+1 PARTINGs show that a correct P voted for them, so by induction a correct P admitted them; else one bad MAC or
 * a long view change would stall them for ever.
 */
#include "preparation/preparation.h"

void preparation_truncated(struct preparation *p)
{
    p->write_all = true;
    slot_no stable = prep_stable_slot(p);
    for (unsigned i = 0; i < WINDOW; i++) {
        struct prep_slot *s = &p->slot[i];
        if (s->slot == 0 || s->slot > stable)
            continue;
        if (s->parked)
            p->parked--;
        *s = (struct prep_slot){.parked_list = s->parked_list};
    }
    if (p->next_slot <= stable)
        p->next_slot = stable + 1;
}

static bool voted_before(const struct prep_slot *s, const struct digest *batch)
{
    for (uint32_t i = 0; i < s->votes; i++)
        if (digest_equal(&s->vote[i].batch, batch))
            return true;
    return false;
}

void preparation_enter(struct preparation *p, view_no view, const struct selection *selection,
                       const struct shown_certificate *certificate, struct outbox *out)
{
    p->view = view;
    p->in_view = true;
    for (unsigned i = 0; i < WINDOW; i++)
        p->slot[i].parked = false;
    p->parked = 0;
    if (!mutant(MUTANT_NEW_VIEW_H_NOT_ADOPTED) &&
        stable_adopt(&p->stable, certificate->slot, &certificate->root, certificate->signers))
        preparation_truncated(p);
    preparation_entered(p);
    slot_no top = selection->stable_slot + selection->count;
    p->next_slot = (top > prep_stable_slot(p) ? top : prep_stable_slot(p)) + 1;
    preparation_tell_view(p, out);
    for (uint32_t i = 0; i < selection->count; i++) {
        slot_no slot = selection->stable_slot + 1 + i;
        if (window_check(prep_stable_slot(p), slot) != VERDICT_ACCEPT ||
            slot > configuration_last_slot(&p->configuration))
            continue;
        if (mutant(MUTANT_ADMISSION_ON_SELECTED) &&
            !voted_before(prep_slot_at(p, slot), &selection->batch[i]))
            continue;
        preparation_vote(p, slot, &selection->batch[i], (struct slice){NULL, 0}, out);
    }
}

enum verdict preparation_on_new_view(struct preparation *p, const struct frame *frame, struct outbox *out)
{
    struct new_view nv;
    struct selection selection;
    struct shown_certificate highest;
    if (!new_view_decode(frame->body, &nv))
        return VERDICT_MALFORMED;
    if (nv.view < p->view)
        return VERDICT_STALE;
    if (nv.view == p->view && p->in_view)
        return VERDICT_DUPLICATE;
    if (auth_counts_above(&p->auth) == UINT64_MAX)
        return VERDICT_EARLY; /* a fresh epoch enters by a NEW-VIEW whose configuration lists it */
    enum verdict verdict = evidence_new_view(&p->configuration, frame, &nv, &selection, &highest);
    if (verdict == VERDICT_ACCEPT)
        preparation_enter(p, nv.view, &selection, &highest, out);
    return verdict;
}
