/*
 * Admission: a bundle counts as sent by its origin when the MAC meant for this P verifies, or the origin's signature
 * does. P sees the bundle without its operations; its digest covers them.
 *
 * Bounded: each origin has room for its last BUNDLE_WINDOW bundle numbers of two epochs, and can push out only its own.
 */
#include "preparation/preparation.h"

static void tell_host(const struct preparation *p, const struct frame *frame, const struct bundle *bundle,
                      const struct digest *digest, enum verdict verdict, struct outbox *out)
{
    struct local_admitted admitted = {
        .origin = frame->sender.id,
        .bundle_no = bundle->bundle_no,
        .bundle = *digest,
        .is_signed = frame->auth_kind == AUTH_SIGNATURE,
        .verdict = (uint8_t)verdict,
    };
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    local_admitted_put(&w, &admitted);
    auth_emit_plain(&p->auth, out, FRAME_LOCAL_ADMITTED, (struct slice){body, w.len},
                    (struct slice){NULL, 0});
}

bool preparation_is_admitted(const struct preparation *p, const struct batch_entry *entry)
{
    if (mutant(MUTANT_ADMISSION_SKIPPED))
        return true;
    if (entry->origin == ORIGIN_RECONFIG)
        return reconfig_is_admitted(p, entry);
    if (entry->origin >= ORIGINS_MAX)
        return false;
    const struct prep_origin *origin = &p->origin[entry->origin];
    for (int i = 0; i < 2; i++) {
        const struct prep_admitted *admitted = &origin->admitted[i][entry->bundle_no % BUNDLE_WINDOW];
        if (origin->epoch[i] == entry->epoch && admitted->bundle_no == entry->bundle_no &&
            digest_equal(&admitted->bundle, &entry->bundle))
            return true;
    }
    return false;
}

/* The row of an epoch, which becomes the highest when it is; NULL when two higher ones were seen. */
static struct prep_admitted *row_of(struct prep_origin *origin, epoch_no epoch)
{
    if (epoch > origin->epoch[0]) {
        origin->epoch[1] = origin->epoch[0];
        memcpy(origin->admitted[1], origin->admitted[0], sizeof origin->admitted[1]);
        origin->epoch[0] = epoch;
        memset(origin->admitted[0], 0, sizeof origin->admitted[0]);
    }
    if (epoch == origin->epoch[0])
        return origin->admitted[0];
    if (epoch > origin->epoch[1]) {
        origin->epoch[1] = epoch;
        memset(origin->admitted[1], 0, sizeof origin->admitted[1]);
    }
    return epoch == origin->epoch[1] ? origin->admitted[1] : NULL;
}

/* Keeps an authentic bundle; one of a past epoch or below the window is refused, so that a replay pushes nothing out. */
static enum verdict keep(struct preparation *p, const struct frame *frame, const struct batch_entry *entry)
{
    struct prep_admitted *row = row_of(&p->origin[entry->origin], frame->sender.epoch);
    if (!row || row[entry->bundle_no % BUNDLE_WINDOW].bundle_no > entry->bundle_no)
        return VERDICT_STALE;
    row[entry->bundle_no % BUNDLE_WINDOW] =
        (struct prep_admitted){.bundle_no = entry->bundle_no, .bundle = entry->bundle};
    p->admitted_more = true;
    return VERDICT_ACCEPT;
}

bool preparation_all_admitted(const struct preparation *p, struct slice entries)
{
    for (uint32_t i = 0; i < batch_entry_count(entries); i++) {
        struct batch_entry entry = batch_entry_at(entries, i);
        if (!preparation_is_admitted(p, &entry))
            return false;
    }
    return true;
}

enum verdict preparation_on_bundle(struct preparation *p, const struct frame *frame, struct outbox *out)
{
    struct bundle bundle;
    enum verdict verdict = bundle_check(frame, &bundle);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct batch_entry entry = {
        .origin = frame->sender.id, .epoch = frame->sender.epoch, .bundle_no = bundle.bundle_no};
    auth_content(&p->auth.cluster, frame->type, &frame->sender, frame->body, &entry.bundle);
    bool is_signed = frame->auth_kind == AUTH_SIGNATURE;
    verdict = is_signed ? auth_check_signature(&p->configuration, frame) : auth_check_mac(&p->auth, frame);
    if (verdict == VERDICT_ACCEPT)
        verdict = keep(p, frame, &entry);
    if (is_signed || verdict != VERDICT_ACCEPT)
        tell_host(p, frame, &bundle, &entry.bundle, verdict, out);
    return verdict;
}
