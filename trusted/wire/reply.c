#include "wire/reply.h"

WIRE_CODE(reply, REPLY_FIELDS)

enum verdict reply_check(const struct frame *frame, struct reply *reply)
{
    if (!reply_decode(frame->body, reply) || reply->outcome > REPLY_UNREADABLE)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= REPLICAS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    return frame->attachment.len <= REPLY_BODY_MAX ? VERDICT_ACCEPT : VERDICT_LIMIT;
}

void reply_nonce(uint8_t nonce[12], uint64_t counter)
{
    struct writer w = writer_to(nonce, 12);
    put_u64(&w, counter);
    put_u32(&w, 0);
}
