#include "wire/hybster_new_view.h"

#include "crypto/crypto.h"

WIRE_CODE(hybster_new_view, HYBSTER_NEW_VIEW_FIELDS)
WIRE_CODE(hybster_command, HYBSTER_COMMAND_FIELDS)

static_assert(HYBSTER_NEW_VIEW_BYTES_MAX <= FRAME_MAX, "a NEW-VIEW fits a frame");

static bool list_possible(struct slice list)
{
    size_t at = 0;
    unsigned count = 0;
    struct slice frame;
    while (frame_list_next(list, &at, &frame))
        count++;
    return at != SIZE_MAX && count <= REPLICAS_MAX;
}

enum verdict hybster_new_view_check(const struct frame *frame, struct hybster_new_view *nv)
{
    if (!hybster_new_view_decode(frame->body, nv) || nv->from >= nv->view || nv->view > HYBSTER_VIEW_MAX ||
        nv->base > HYBSTER_SLOT_MAX || nv->base % CHECKPOINT_INTERVAL != 0 ||
        !list_possible(frame->attachment))
        return VERDICT_MALFORMED;
    if (!hybster_command_list_ok(nv->commands, WINDOW) || frame->whole.len > HYBSTER_NEW_VIEW_BYTES_MAX)
        return VERDICT_LIMIT;
    enum verdict verdict = hybster_sender_check(frame, sizeof(struct tag16));
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct digest digest;
    digest_of(&digest, HYBSTER_VIEW_CHANGES_TAG, frame->attachment.data, frame->attachment.len);
    return digest_equal(&digest, &nv->view_changes) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}
