#include "wire/certified.h"

WIRE_CODE(certified, CERTIFIED_FIELDS)

enum verdict certified_check(const struct frame *frame, struct certified *certified)
{
    if (!certified_decode(frame->body, certified) || frame->auth_kind != AUTH_NONE || frame->auth.len ||
        certified->index >= BATCH_BUNDLES_MAX)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_TROXY)
        return VERDICT_WRONG_KIND;
    return frame->sender.id < REPLICAS_MAX ? VERDICT_ACCEPT : VERDICT_UNKNOWN_SENDER;
}
