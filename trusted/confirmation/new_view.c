/*
 * C checks NEW-VIEW too and adopts its h: nobody votes at or below it.
 */
#include "confirmation/confirmation.h"

enum verdict confirmation_on_new_view(struct confirmation *c, const struct frame *frame, struct outbox *out)
{
    struct new_view nv;
    struct selection selection;
    struct shown_certificate highest;
    if (!new_view_decode(frame->body, &nv))
        return VERDICT_MALFORMED;
    if (nv.view < c->view)
        return VERDICT_STALE;
    if (nv.view == c->entered)
        return VERDICT_DUPLICATE;
    enum verdict verdict = evidence_new_view(&c->configuration, frame, &nv, &selection, &highest);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    c->view = nv.view;
    c->entered = nv.view;
    if (c->view_change_due && c->view_change_due <= nv.view)
        c->view_change_due = 0;
    c->view_change_out = 0;
    if (!mutant(MUTANT_NEW_VIEW_H_NOT_ADOPTED) &&
        stable_adopt(&c->stable, highest.slot, &highest.root, highest.signers))
        confirmation_truncated(c);
    confirmation_entered(c);
    confirmation_tell_view(c, out);
    return VERDICT_ACCEPT;
}
