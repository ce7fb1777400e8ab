/*
 * PARTING, of which E has use for the certificate only: after a resume the CHECKPOINTs of before are signed by keys that are gone
 * and are not sent again, so an E that had not heard of the last stable checkpoint learns of it from those who had.
 */
#include "execution/execution.h"
#include "ordering/evidence.h"

enum verdict execution_on_parting(struct execution *e, const struct frame *frame)
{
    struct parting parting;
    if (!parting_decode(frame->body, &parting))
        return VERDICT_MALFORMED;
    if (parting.stable_slot <= exec_stable_slot(e))
        return VERDICT_STALE;
    enum verdict verdict = evidence_parting(&e->configuration, frame, &parting);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (stable_adopt(&e->stable, parting.stable_slot, &parting.stable_root, parting.signers))
        execution_truncated(e);
    return VERDICT_ACCEPT;
}
