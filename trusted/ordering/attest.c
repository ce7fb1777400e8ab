#include "ordering/attest.h"

struct evidence evidence_of(const struct renewal *renewal)
{
    struct evidence e = {.kind = renewal->evidence,
                         .debug = renewal->debug,
                         .version = renewal->version,
                         .measurement = renewal->measurement};
    memcpy(e.report_data, renewal->report_data.bytes, sizeof e.report_data);
    memcpy(e.proof, renewal->proof.bytes, sizeof e.proof);
    return e;
}

void attest_bound(const struct tag16 *cluster, replica_id replica, const struct renewal *renewal,
                  configuration_no number, uint64_t attempt, uint8_t report_data[REPORT_BYTES])
{
    uint8_t input[16 + 4 + 4 + 8 + 64];
    struct writer w = writer_to(input, sizeof input);
    struct digest bound;
    put_raw(&w, cluster->bytes, sizeof cluster->bytes);
    put_u32(&w, replica);
    put_u32(&w, renewal->kind);
    put_u64(&w, renewal->epoch);
    put_raw(&w, renewal->sign_public.bytes, 32);
    put_raw(&w, renewal->box_public.bytes, 32);
    digest_of(&bound, "redoubt fresh", input, w.len);
    memset(report_data, 0, REPORT_BYTES);
    memcpy(report_data, bound.bytes, 32);
    struct writer nonce = writer_to(report_data + 32, 16);
    put_u64(&nonce, number);
    put_u64(&nonce, attempt);
}

/* Under a prefix of its own, so that no other use of the key can produce it. */
static void platform_input(const struct evidence *e, uint8_t input[48])
{
    static const char prefix[16] = "redoubt platform";
    uint8_t said[4 + 32 + REPORT_BYTES];
    struct writer w = writer_to(said, sizeof said);
    struct digest digest;
    put_u8(&w, e->kind);
    put_u8(&w, e->debug);
    put_u8(&w, (uint8_t)(e->version & 0xff));
    put_u8(&w, (uint8_t)(e->version >> 8));
    put_digest(&w, &e->measurement);
    put_raw(&w, e->report_data, sizeof e->report_data);
    digest_of(&digest, "redoubt evidence", said, w.len);
    memcpy(input, prefix, 16);
    memcpy(input + 16, digest.bytes, 32);
}

enum verdict attest_verify(const struct evidence *evidence, const struct attest_policy *policy,
                           const uint8_t report_data[REPORT_BYTES])
{
    uint8_t input[48];
    if (evidence->kind != EVIDENCE_SOFTWARE || !policy->software_key)
        return VERDICT_WRONG_KIND;
    if (!digest_equal(&evidence->measurement, policy->measurement) ||
        (evidence->debug && !policy->allow_debug) ||
        memcmp(evidence->report_data, report_data, REPORT_BYTES) != 0)
        return VERDICT_MISMATCH;
    platform_input(evidence, input);
    return sign_check(evidence->proof, policy->software_key, input, sizeof input) ? VERDICT_ACCEPT
                                                                                  : VERDICT_BAD_SIGNATURE;
}

void attest_software(struct renewal *renewal, const struct sign_key *platform,
                     const uint8_t report_data[REPORT_BYTES])
{
    uint8_t input[48];
    renewal->evidence = EVIDENCE_SOFTWARE;
    memcpy(renewal->report_data.bytes, report_data, REPORT_BYTES);
    struct evidence e = evidence_of(renewal);
    platform_input(&e, input);
    sign_make(renewal->proof.bytes, platform, input, sizeof input);
}
