#include "wire/new_view.h"

#include "crypto/crypto.h"

WIRE_CODE(new_view, NEW_VIEW_FIELDS)
WIRE_CODE(selected, SELECTED_FIELDS)

enum verdict new_view_check(const struct frame *frame, struct new_view *nv)
{
    if (!new_view_decode(frame->body, nv) || nv->view == 0 || nv->stable_slot > UINT64_MAX - WINDOW - 1)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_PREPARATION)
        return VERDICT_WRONG_KIND;
    if (!selected_list_ok(nv->selection, WINDOW))
        return VERDICT_LIMIT;
    struct digest digest;
    digest_of(&digest, NEW_VIEW_VIEW_CHANGES_TAG, frame->attachment.data, frame->attachment.len);
    return digest_equal(&digest, &nv->view_changes) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}
