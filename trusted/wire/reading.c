#include "wire/reading.h"

WIRE_CODE(ask_read, ASK_READ_FIELDS)
WIRE_CODE(read_answer, READ_ANSWER_FIELDS)

static enum verdict shape_check(const struct frame *frame, size_t most)
{
    if (frame->auth_kind != AUTH_NONE || frame->auth.len != 0 || frame->attachment.len < READING_TAG_BYTES)
        return VERDICT_MALFORMED;
    return frame->attachment.len <= most + READING_TAG_BYTES ? VERDICT_ACCEPT : VERDICT_LIMIT;
}

enum verdict ask_read_check(const struct frame *frame, struct ask_read *ask)
{
    if (!ask_read_decode(frame->body, ask) || ask->full > 1)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_ORIGIN)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= ORIGINS_MAX || ask->replica >= REPLICAS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    return shape_check(frame, BUNDLE_BODY_MAX);
}

enum verdict read_answer_check(const struct frame *frame, struct read_answer *answer)
{
    if (!read_answer_decode(frame->body, answer))
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= REPLICAS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    return shape_check(frame, REPLY_BODY_MAX);
}
