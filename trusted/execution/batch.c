/*
 * The list of bundles of a batch, from a PRE-PREPARE or from any host that has it. It needs no signature: it is believed
 * because its digest is the one that was committed to. One list per slot is kept; a later one replaces it unless the
 * present one is the committed one.
 */
#include "execution/execution.h"

enum verdict execution_on_batch(struct execution *e, const struct frame *frame)
{
    struct vote vote;
    if (!vote_decode(frame->body, &vote))
        return VERDICT_MALFORMED;
    enum verdict verdict = exec_place_check(e, vote.slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (frame->attachment.len == 0)
        return VERDICT_UNEXPECTED;
    struct exec_slot *s = exec_slot_at(e, vote.slot);
    if (s->listed && digest_equal(&s->listed_batch, &vote.batch))
        return VERDICT_DUPLICATE;
    if (s->listed && s->committed && digest_equal(&s->listed_batch, &s->batch))
        return VERDICT_UNEXPECTED;
    if (vote.slot == e->executed + 1 && e->in_slot)
        return VERDICT_UNEXPECTED; /* its list is in use */
    struct batch batch;
    struct digest digest;
    if (!batch_decode(frame->attachment, &batch))
        return VERDICT_MALFORMED;
    batch_digest(&digest, frame->attachment);
    if (!digest_equal(&digest, &vote.batch) && !mutant(MUTANT_BATCH_NOT_CHECKED))
        return VERDICT_MISMATCH;
    s->listed = true;
    s->listed_batch = vote.batch;
    s->list_len = (uint32_t)frame->attachment.len;
    memcpy(s->list, frame->attachment.data, frame->attachment.len);
    s->need_told = false;
    return VERDICT_ACCEPT;
}
