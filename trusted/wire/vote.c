#include "wire/vote.h"

WIRE_CODE(vote, VOTE_FIELDS)

static enum kind voter_kind(enum frame_type type)
{
    switch (type) {
    case FRAME_PRE_PREPARE:
    case FRAME_PREPARE:
        return KIND_PREPARATION;
    case FRAME_COMMIT:
        return KIND_CONFIRMATION;
    case FRAME_EXECUTED:
        return KIND_EXECUTION;
    default:
        return KIND_NONE;
    }
}

enum verdict vote_check(const struct frame *frame, struct vote *vote)
{
    if (!vote_decode(frame->body, vote) || vote->slot == 0)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != voter_kind(frame->type))
        return VERDICT_WRONG_KIND;
    return VERDICT_ACCEPT;
}
