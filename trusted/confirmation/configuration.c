/*
 * C learns that RECONFIGs were executed. A VIEW-CHANGE that is out with a lower number counts for nobody any more: it is signed
 * again. (Nothing changes about what C promised by it: the view was left then.)
 */
#include "confirmation/confirmation.h"

enum verdict confirmation_on_configuration(struct confirmation *c, const struct frame *frame,
                                           struct outbox *out)
{
    struct chain chain;
    enum verdict verdict = configuration_follow(&c->configuration, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    CHECK(chain_decode(frame->body, &chain));
    confirmation_listed(c);
    if (certificate_check(&c->configuration, chain.slot, &chain.root, chain.signers) == VERDICT_ACCEPT &&
        stable_adopt(&c->stable, chain.slot, &chain.root, chain.signers))
        confirmation_truncated(c);
    confirmation_tell_view(c, out);
    if (c->view_change_out && !c->view_change_due)
        c->view_change_due = c->view_change_out;
    confirmation_try_view_change(c, out);
    return VERDICT_ACCEPT;
}
