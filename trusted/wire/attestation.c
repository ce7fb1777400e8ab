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

enum verdict questions_check(struct slice questions)
{
    uint32_t cells[REDOUBT_KEYS_MAX], count, found = 0;
    struct reader r = reader_of(questions.data, questions.len);
    while (question_next(&r, cells, &count))
        if (++found > QUESTIONS_MAX)
            return VERDICT_LIMIT;
    return r.bad || found == 0 ? VERDICT_MALFORMED : VERDICT_ACCEPT;
}

static enum verdict shape_check(const struct frame *frame, size_t most)
{
    if (frame->auth_kind != AUTH_NONE || frame->auth.len != 0 || frame->attachment.len < ATTEST_TAG_BYTES)
        return VERDICT_MALFORMED;
    return frame->attachment.len <= most + ATTEST_TAG_BYTES ? VERDICT_ACCEPT : VERDICT_LIMIT;
}

enum verdict ask_attest_check(const struct frame *frame, struct ask_attest *ask)
{
    if (!ask_attest_decode(frame->body, ask))
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_ORIGIN)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= ORIGINS_MAX || ask->replica >= REPLICAS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    return shape_check(frame, QUESTIONS_BYTES_MAX);
}

enum verdict attest_check(const struct frame *frame, struct attest *attest)
{
    if (!attest_decode(frame->body, attest))
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION && frame->sender.kind != KIND_TROXY)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= REPLICAS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    return shape_check(frame, 8 * QUESTIONS_MAX);
}
