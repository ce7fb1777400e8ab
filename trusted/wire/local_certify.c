#include "wire/local_certify.h"

#include "crypto/crypto.h"

WIRE_CODE(local_certify, LOCAL_CERTIFY_FIELDS)

/* A version has the slot above the index (ordering/versions.h). */
#define SLOT_MAX ((1ull << 43) - 1)

void raised_put(struct writer *w, const struct raised *raised)
{
    put_u16(w, (uint16_t)raised->op);
    put_u8(w, raised->all);
    put_u8(w, (uint8_t)raised->count);
    for (uint32_t i = 0; i < raised->count; i++)
        put_u32(w, raised->cell[i]);
}

bool raised_next(struct reader *r, struct raised *raised)
{
    if (!reader_left(r))
        return false;
    raised->op = get_u16(r);
    uint8_t all = get_u8(r);
    raised->all = all == 1;
    raised->count = get_u8(r);
    if (all > 1 || raised->op >= BUNDLE_OPS_MAX || raised->count > REDOUBT_KEYS_MAX)
        r->bad = true;
    for (uint32_t i = 0; i < raised->count && !r->bad; i++) {
        raised->cell[i] = get_u32(r);
        if (raised->cell[i] >= VERSION_CELLS)
            r->bad = true;
    }
    return !r->bad;
}

enum verdict local_certify_check(const struct frame *frame, struct local_certify *m)
{
    if (!local_certify_decode(frame->body, m) || frame->auth_kind != AUTH_NONE || frame->auth.len)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_EXECUTION)
        return VERDICT_WRONG_KIND;
    if (m->slot == 0 || m->slot > SLOT_MAX || m->index >= BATCH_BUNDLES_MAX || m->bundle_no == 0)
        return VERDICT_MALFORMED;
    return frame->attachment.len <= RAISED_BYTES_MAX ? VERDICT_ACCEPT : VERDICT_LIMIT;
}

void history_step(const struct local_certify *m, struct digest *head)
{
    uint8_t bytes[4 + 8 + 8 + 8 + 4 + 32 + 32];
    struct writer w = writer_to(bytes, sizeof bytes);
    local_certify_put(&w, m);
    digest_of(head, "history", bytes, w.len);
}
