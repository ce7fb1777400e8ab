/*
 * RECONFIGs: P admits them to the order by their signature or evidence, and learns from a CONFIGURATION which of them were
 * executed. What it signed while it had left its view it then signs again, with the new number.
 */
#include "preparation/preparation.h"

static void tell_host(const struct preparation *p, const struct digest *digest, enum verdict verdict,
                      struct outbox *out)
{
    struct local_admitted admitted = {.origin = ORIGIN_RECONFIG,
                                      .bundle_no = RECONFIG_BUNDLE_NO,
                                      .bundle = *digest,
                                      .is_signed = 1,
                                      .verdict = (uint8_t)verdict};
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    local_admitted_put(&w, &admitted);
    auth_emit_plain(&p->auth, out, FRAME_LOCAL_ADMITTED, (struct slice){body, w.len},
                    (struct slice){NULL, 0});
}

static bool is_kept(const struct preparation *p, configuration_no number, const struct digest *digest)
{
    for (unsigned i = 0; i < REPLICAS_MAX + ADMIN_RECONFIGS; i++)
        if (p->reconfig[i].number && p->reconfig[i].number == number &&
            digest_equal(&p->reconfig[i].digest, digest))
            return true;
    return false;
}

bool reconfig_is_admitted(const struct preparation *p, const struct batch_entry *entry)
{
    return entry->bundle_no == RECONFIG_BUNDLE_NO && is_kept(p, entry->epoch, &entry->bundle);
}

static void keep(struct preparation *p, const struct reconfig *reconfig, const struct digest *digest)
{
    if (is_kept(p, reconfig->configuration, digest))
        return;
    unsigned place =
        reconfig->signature.len ? REPLICAS_MAX + p->admin_reconfigs++ % ADMIN_RECONFIGS : reconfig->replica;
    p->reconfig[place] = (struct prep_reconfig){.number = reconfig->configuration, .digest = *digest};
}

enum verdict preparation_on_reconfig(struct preparation *p, const struct frame *frame, struct outbox *out)
{
    struct reconfig reconfig;
    struct digest digest;
    enum verdict verdict = reconfig_check(frame, &reconfig);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    auth_content(&p->auth.cluster, frame->type, &frame->sender, frame->body, &digest);
    /* E may be ahead of what this P knows, never behind it. */
    if (reconfig.configuration < configuration_ordered(&p->configuration))
        verdict = VERDICT_STALE;
    bool many = configuration_ordered(&p->configuration) - p->founded >= LAUNCHER_CHANGES_MAX;
    if (verdict == VERDICT_ACCEPT && many && reconfig.signature.len == 0)
        verdict = VERDICT_LIMIT;
    if (verdict == VERDICT_ACCEPT)
        verdict = reconfig_admissible(&p->configuration, &reconfig);
    if (verdict == VERDICT_ACCEPT) {
        keep(p, &reconfig, &digest);
        p->admitted_more = true;
    }
    tell_host(p, &digest, verdict, out);
    return verdict;
}

enum verdict preparation_on_configuration(struct preparation *p, const struct frame *frame,
                                          struct outbox *out)
{
    struct chain chain;
    enum verdict verdict = configuration_follow(&p->configuration, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    CHECK(chain_decode(frame->body, &chain));
    preparation_listed(p);
    if (certificate_check(&p->configuration, chain.slot, &chain.root, chain.signers) == VERDICT_ACCEPT &&
        stable_adopt(&p->stable, chain.slot, &chain.root, chain.signers))
        preparation_truncated(p);
    preparation_tell_view(p, out);
    if (!p->in_view && p->view)
        preparation_part(p, out);
    return VERDICT_ACCEPT;
}
