#include "wire/reconfig.h"

#include <assert.h>

WIRE_CODE(reconfig, RECONFIG_FIELDS)
WIRE_CODE(renewal, RENEWAL_FIELDS)

static_assert(8 + 4 + 8 + 4 + RENEWALS_MAX * renewal_BYTES + 4 + 64 <= RECONFIG_BYTES_MAX,
              "the largest fits");

enum verdict reconfig_body_check(struct slice body, struct reconfig *reconfig)
{
    if (body.len > RECONFIG_BYTES_MAX || !reconfig_decode(body, reconfig))
        return VERDICT_MALFORMED;
    if (!renewal_list_ok(reconfig->members, RENEWALS_MAX) || renewal_count(reconfig->members) == 0 ||
        reconfig->replica >= REPLICAS_MAX || reconfig->configuration == UINT64_MAX ||
        (reconfig->signature.len != 0 && reconfig->signature.len != 64))
        return VERDICT_MALFORMED;
    uint32_t last = KIND_HOST;
    for (uint32_t i = 0; i < renewal_count(reconfig->members); i++) {
        uint32_t kind = renewal_at(reconfig->members, i).kind;
        if (kind <= last || kind > KIND_EXECUTION)
            return VERDICT_MALFORMED;
        last = kind;
    }
    return VERDICT_ACCEPT;
}

enum verdict reconfig_check(const struct frame *frame, struct reconfig *reconfig)
{
    /* Its digest covers the sender: there is one form only. */
    if (frame->sender.kind != KIND_ADMIN || frame->sender.id != 0 || frame->sender.epoch != 0 ||
        frame->auth_kind != AUTH_NONE || frame->auth.len || frame->attachment.len)
        return VERDICT_MALFORMED;
    return reconfig_body_check(frame->body, reconfig);
}
