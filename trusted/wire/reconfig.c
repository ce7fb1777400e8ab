#include "wire/reconfig.h"

#include <assert.h>

WIRE_CODE(reconfig, RECONFIG_FIELDS)
WIRE_CODE(renewal, RENEWAL_FIELDS)

static_assert(8 + 4 + 8 + 4 + 4 + RENEWALS_MAX * renewal_BYTES + 2 * (4 + ADDRESS_BYTES_MAX) + 4 + 64 <=
                  RECONFIG_BYTES_MAX,
              "the largest fits");

/* It goes into logs, files and look-ups of names: nothing but what such a text is made of. */
static bool address_ok(struct slice text)
{
    if (text.len > ADDRESS_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '-' && c != '_' && c != ':' && c != '[' && c != ']')
            return false;
    }
    return true;
}

/* It names a size, and nothing beside it. */
static bool close_ok(const struct reconfig *m)
{
    return m->size >= REPLICAS_MIN && m->size <= REPLICAS_MAX && m->replica == 0 && m->members.len == 0 &&
           m->peer.len + m->client.len == 0 && m->signature.len == 64;
}

/* Where a kind stands in the list; 0: nowhere. Hybster's counter stands where the others have a Confirmation. */
static uint32_t place_of(uint32_t kind)
{
    if (kind == KIND_COUNTER)
        return KIND_CONFIRMATION;
    return kind >= KIND_HOST && kind <= KIND_EXECUTION ? kind : 0;
}

enum verdict reconfig_body_check(struct slice body, struct reconfig *reconfig)
{
    if (body.len > RECONFIG_BYTES_MAX || !reconfig_decode(body, reconfig))
        return VERDICT_MALFORMED;
    if (reconfig->size)
        return close_ok(reconfig) && reconfig->configuration != UINT64_MAX ? VERDICT_ACCEPT
                                                                           : VERDICT_MALFORMED;
    if (!renewal_list_ok(reconfig->members, RENEWALS_MAX) || renewal_count(reconfig->members) == 0 ||
        reconfig->replica >= REPLICAS_MAX || reconfig->configuration == UINT64_MAX ||
        (reconfig->signature.len != 0 && reconfig->signature.len != 64))
        return VERDICT_MALFORMED;
    uint32_t last = 0;
    for (uint32_t i = 0; i < renewal_count(reconfig->members); i++) {
        uint32_t place = place_of(renewal_at(reconfig->members, i).kind);
        if (place <= last)
            return VERDICT_MALFORMED;
        last = place;
    }
    bool host = renewal_at(reconfig->members, 0).kind == KIND_HOST;
    if (host && reconfig->signature.len == 0)
        return VERDICT_MALFORMED;
    if (!host && reconfig->peer.len + reconfig->client.len > 0)
        return VERDICT_MALFORMED;
    return address_ok(reconfig->peer) && address_ok(reconfig->client) ? VERDICT_ACCEPT : VERDICT_MALFORMED;
}

enum verdict reconfig_check(const struct frame *frame, struct reconfig *reconfig)
{
    /* Its digest covers the sender: there is one form only. */
    if (frame->sender.kind != KIND_ADMIN || frame->sender.id != 0 || frame->sender.epoch != 0 ||
        frame->auth_kind != AUTH_NONE || frame->auth.len || frame->attachment.len)
        return VERDICT_MALFORMED;
    return reconfig_body_check(frame->body, reconfig);
}
