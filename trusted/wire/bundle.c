#include "wire/bundle.h"

#include "crypto/crypto.h"

WIRE_CODE(bundle, BUNDLE_FIELDS)

enum verdict bundle_check(const struct frame *frame, struct bundle *bundle)
{
    if (!bundle_decode(frame->body, bundle) || bundle->flags & ~(uint32_t)(BUNDLE_ALONE | BUNDLE_VERSIONS) ||
        bundle->bundle_no == 0)
        return VERDICT_MALFORMED;
    if (frame->sender.kind != KIND_ORIGIN)
        return VERDICT_WRONG_KIND;
    if (frame->sender.id >= ORIGINS_MAX)
        return VERDICT_UNKNOWN_SENDER;
    if (frame->attachment.len == 0)
        return VERDICT_ACCEPT;
    if (frame->attachment.len > BUNDLE_BODY_MAX)
        return VERDICT_LIMIT;
    struct digest digest;
    digest_of(&digest, BUNDLE_OPERATIONS_TAG, frame->attachment.data, frame->attachment.len);
    return digest_equal(&digest, &bundle->operations) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}

void bundle_nonce(uint8_t nonce[12], uint64_t bundle_no)
{
    struct writer w = writer_to(nonce, 12);
    put_u64(&w, bundle_no);
    put_u32(&w, 0);
}

void bundle_ad(uint8_t ad[20], origin_id origin, epoch_no epoch, uint64_t bundle_no)
{
    struct writer w = writer_to(ad, 20);
    put_u32(&w, origin);
    put_u64(&w, epoch);
    put_u64(&w, bundle_no);
}
