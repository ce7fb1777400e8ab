#include "wire/hybster_view_change.h"

#include "wire/checkpoint.h"

WIRE_CODE(hybster_view_change, HYBSTER_VIEW_CHANGE_FIELDS)
WIRE_CODE(hybster_shown, HYBSTER_SHOWN_FIELDS)
WIRE_CODE(hybster_continuing, HYBSTER_CONTINUING_FIELDS)

static_assert(hybster_shown_BYTES == 52 && signer_BYTES == 84 && hybster_continuing_BYTES == 48,
              "as HYBSTER_VIEW_CHANGE_BYTES_MAX says");

static bool prepares_possible(struct slice prepares)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < hybster_shown_count(prepares); i++) {
        uint32_t above = hybster_shown_at(prepares, i).above;
        if (above <= last || above > WINDOW)
            return false;
        last = above;
    }
    return true;
}

enum verdict hybster_view_change_check(const struct frame *frame, struct hybster_view_change *vc)
{
    if (!hybster_view_change_decode(frame->body, vc) || vc->from >= vc->view || vc->view > HYBSTER_VIEW_MAX ||
        vc->stable_slot > HYBSTER_SLOT_MAX || vc->stable_slot % CHECKPOINT_INTERVAL != 0 ||
        frame->attachment.len)
        return VERDICT_MALFORMED;
    if (!hybster_shown_list_ok(vc->prepares, WINDOW) || !signer_list_ok(vc->signers, REPLICAS_MAX))
        return VERDICT_LIMIT;
    if (!prepares_possible(vc->prepares))
        return VERDICT_MALFORMED;
    uint32_t parts =
        hybster_continuing_list_ok(frame->auth, PILLARS_MAX) ? hybster_continuing_count(frame->auth) : 0;
    return hybster_sender_check(frame, (parts ? parts : 1) * hybster_continuing_BYTES);
}
