#include "wire/counter_key.h"

#include "base/limits.h"

WIRE_CODE(counter_key, COUNTER_KEY_FIELDS)

enum verdict counter_key_check(const struct frame *frame, struct counter_key *key)
{
    if (!counter_key_decode(frame->body, key) || key->pillars < 1 || key->pillars > PILLARS_MAX)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_ADMIN)
        return VERDICT_WRONG_KIND;
    return frame->auth_kind == AUTH_SIGNATURE ? VERDICT_ACCEPT : VERDICT_BAD_SIGNATURE;
}
