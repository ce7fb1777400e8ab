#include "wire/attestation.h"

WIRE_CODE(ask_attest, ASK_ATTEST_FIELDS)
WIRE_CODE(attest, ATTEST_FIELDS)

bool question_next(struct reader *r, uint32_t cells[REDOUBT_KEYS_MAX], uint32_t *count)
{
    if (!reader_left(r))
        return false;
    *count = get_u8(r);
    if (*count > REDOUBT_KEYS_MAX)
        r->bad = true;
    for (uint32_t i = 0; i < *count && !r->bad; i++) {
        cells[i] = get_u32(r);
        if (cells[i] > VERSION_WHOLE)
            r->bad = true;
    }
    return !r->bad;
}

void question_put(struct writer *w, const uint32_t *cells, uint32_t count)
{
    put_u8(w, (uint8_t)count);
    for (uint32_t i = 0; i < count; i++)
        put_u32(w, cells[i]);
}

static bool shape_ok(const struct frame *frame)
{
    return frame->auth_kind == AUTH_MACS && frame->auth.len == ATTEST_MAC_BYTES && frame->attachment.len == 0;
}

enum verdict ask_attest_check(const struct frame *frame, struct ask_attest *ask)
{
    uint32_t cells[REDOUBT_KEYS_MAX], count, questions = 0;
    if (!ask_attest_decode(frame->body, ask) || !shape_ok(frame))
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_ORIGIN)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= ORIGINS_MAX || ask->replica >= REPLICAS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    struct reader r = reader_of(ask->questions.data, ask->questions.len);
    while (question_next(&r, cells, &count))
        if (++questions > QUESTIONS_MAX)
            return VERDICT_LIMIT;
    return r.bad || questions == 0 ? VERDICT_MALFORMED : VERDICT_ACCEPT;
}

enum verdict attest_check(const struct frame *frame, struct attest *attest)
{
    if (!attest_decode(frame->body, attest) || !shape_ok(frame) || attest->versions.len % 8 != 0)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= REPLICAS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    return attest->versions.len <= 8 * QUESTIONS_MAX ? VERDICT_ACCEPT : VERDICT_LIMIT;
}
