#include "wire/view_change.h"

#include "crypto/crypto.h"
#include "wire/checkpoint.h"
#include "wire/parting.h"

WIRE_CODE(view_change, VIEW_CHANGE_FIELDS)

static bool claims_possible(const struct view_change *vc)
{
    slot_no last = vc->stable_slot;
    for (uint32_t i = 0; i < slot_view_count(vc->claims); i++) {
        struct slot_view claim = slot_view_at(vc->claims, i);
        if (claim.slot <= last || claim.slot > vc->stable_slot + WINDOW || claim.view >= vc->view)
            return false;
        last = claim.slot;
    }
    return true;
}

static bool partings_possible(struct slice list)
{
    size_t at = 0;
    unsigned count = 0;
    struct slice frame;
    while (frame_list_next(list, &at, &frame))
        count++;
    return at != SIZE_MAX && count <= REPLICAS_MAX;
}

enum verdict view_change_check(const struct frame *frame, struct view_change *vc)
{
    if (!view_change_decode(frame->body, vc) || vc->stable_slot > UINT64_MAX - WINDOW - 1 || vc->view == 0)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_CONFIRMATION)
        return VERDICT_WRONG_KIND;
    if (!slot_view_list_ok(vc->claims, WINDOW) || !signer_list_ok(vc->signers, REPLICAS_MAX))
        return VERDICT_LIMIT;
    if (!claims_possible(vc) || !partings_possible(frame->attachment))
        return VERDICT_MALFORMED;
    struct digest digest;
    digest_of(&digest, VIEW_CHANGE_PARTINGS_TAG, frame->attachment.data, frame->attachment.len);
    return digest_equal(&digest, &vc->partings) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}
