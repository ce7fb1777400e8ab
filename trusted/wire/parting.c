#include "wire/parting.h"

#include "wire/checkpoint.h"

WIRE_CODE(parting, PARTING_FIELDS)
WIRE_CODE(slot_view, SLOT_VIEW_FIELDS)

static bool votes_possible(const struct parting *parting)
{
    slot_no last = parting->stable_slot + 1;
    for (uint32_t i = 0; i < slot_view_count(parting->votes); i++) {
        struct slot_view vote = slot_view_at(parting->votes, i);
        if (vote.slot < last || vote.slot > parting->stable_slot + WINDOW || vote.view > parting->view)
            return false;
        last = vote.slot;
    }
    return true;
}

enum verdict parting_check(const struct frame *frame, struct parting *parting)
{
    if (!parting_decode(frame->body, parting) || parting->stable_slot > UINT64_MAX - WINDOW - 1)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_PREPARATION)
        return VERDICT_WRONG_KIND;
    if (!slot_view_list_ok(parting->votes, PARTING_VOTES_MAX) ||
        !signer_list_ok(parting->signers, REPLICAS_MAX))
        return VERDICT_LIMIT;
    return votes_possible(parting) ? VERDICT_ACCEPT : VERDICT_MALFORMED;
}
