/*
 * P learns from a CONFIGURATION which RECONFIGs were executed. What it signed while it had left its view it then signs again, with the new
 * number.
 */
#include "preparation/preparation.h"

enum verdict preparation_on_configuration(struct preparation *p, const struct frame *frame,
                                          struct outbox *out)
{
    struct chain chain;
    enum verdict verdict = configuration_follow(&p->configuration, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    CHECK(chain_decode(frame->body, &chain));
    preparation_listed(p);
    if (certificate_check(&p->configuration, chain.slot, &chain.root, chain.signers) == VERDICT_ACCEPT &&
        stable_adopt(&p->stable, chain.slot, &chain.root, chain.signers))
        preparation_truncated(p);
    preparation_tell_view(p, out);
    if (!p->in_view && p->view)
        preparation_part(p, out);
    return VERDICT_ACCEPT;
}
