#include "wire/hybster_commit.h"

WIRE_CODE(hybster_commit, HYBSTER_COMMIT_FIELDS)

enum verdict hybster_commit_check(const struct frame *frame, struct hybster_commit *commit)
{
    if (!hybster_commit_decode(frame->body, commit) || commit->slot == 0 || commit->slot > HYBSTER_SLOT_MAX ||
        commit->view > HYBSTER_VIEW_MAX)
        return VERDICT_MALFORMED;
    return hybster_sender_check(frame, sizeof(struct tag16));
}
