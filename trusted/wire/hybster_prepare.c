#include "wire/hybster_prepare.h"

#include "wire/batch.h"

WIRE_CODE(hybster_prepare, HYBSTER_PREPARE_FIELDS)

enum verdict hybster_sender_check(const struct frame *frame, size_t auth_bytes)
{
    if (frame->sender.kind != KIND_COUNTER)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= REPLICAS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    return frame->auth_kind == AUTH_COUNTER && frame->auth.len == auth_bytes ? VERDICT_ACCEPT
                                                                             : VERDICT_BAD_MAC;
}

enum verdict hybster_prepare_check(const struct frame *frame, struct hybster_prepare *prepare)
{
    if (!hybster_prepare_decode(frame->body, prepare) || prepare->slot == 0 ||
        prepare->slot > HYBSTER_SLOT_MAX || prepare->view > HYBSTER_VIEW_MAX ||
        frame->attachment.len > BATCH_BYTES_MAX)
        return VERDICT_MALFORMED;
    return hybster_sender_check(frame, sizeof(struct tag16));
}
