#include "ordering/admission.h"

#include "ordering/mutant.h"

void admission_init(struct admission *a, struct auth *auth, struct arena *arena)
{
    a->auth = auth;
    auth->origin = arena_take(arena, ORIGINS_MAX * sizeof *auth->origin);
    a->origin = arena_take(arena, ORIGINS_MAX * sizeof *a->origin);
}

void admission_start(struct admission *a)
{
    a->founded = configuration_ordered(a->auth->configuration);
}

static void tell_host(const struct admission *a, const struct local_admitted *admitted, struct outbox *out)
{
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    local_admitted_put(&w, admitted);
    auth_emit_plain(a->auth, out, FRAME_LOCAL_ADMITTED, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

/* --- bundles -------------------------------------------------------------------------------------------------------- */

/* The row of an epoch, which becomes the highest when it is; NULL when two higher ones were seen. */
static struct admitted_bundle *row_of(struct admitted_origin *origin, epoch_no epoch)
{
    if (epoch > origin->epoch[0]) {
        origin->epoch[1] = origin->epoch[0];
        memcpy(origin->bundle[1], origin->bundle[0], sizeof origin->bundle[1]);
        origin->epoch[0] = epoch;
        memset(origin->bundle[0], 0, sizeof origin->bundle[0]);
    }
    if (epoch == origin->epoch[0])
        return origin->bundle[0];
    if (epoch > origin->epoch[1]) {
        origin->epoch[1] = epoch;
        memset(origin->bundle[1], 0, sizeof origin->bundle[1]);
    }
    return epoch == origin->epoch[1] ? origin->bundle[1] : NULL;
}

/* Keeps an authentic bundle; one of a past epoch or below the window is refused, so that a replay pushes nothing out. */
static enum verdict keep(struct admission *a, const struct frame *frame, const struct batch_entry *entry)
{
    struct admitted_bundle *row = row_of(&a->origin[entry->origin], frame->sender.epoch);
    if (!row || row[entry->bundle_no % BUNDLE_WINDOW].bundle_no > entry->bundle_no)
        return VERDICT_STALE;
    row[entry->bundle_no % BUNDLE_WINDOW] =
        (struct admitted_bundle){.bundle_no = entry->bundle_no, .bundle = entry->bundle};
    a->more = true;
    return VERDICT_ACCEPT;
}

enum verdict admission_on_bundle(struct admission *a, const struct frame *frame, struct outbox *out)
{
    struct bundle bundle;
    enum verdict verdict = bundle_check(frame, &bundle);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct batch_entry entry = {
        .origin = frame->sender.id, .epoch = frame->sender.epoch, .bundle_no = bundle.bundle_no};
    auth_content(&a->auth->cluster, frame->type, &frame->sender, frame->body, &entry.bundle);
    bool is_signed = frame->auth_kind == AUTH_SIGNATURE;
    if (is_signed)
        verdict = auth_check_signature(a->auth->configuration, frame);
    else
        verdict = a->signed_only ? VERDICT_BAD_MAC : auth_check_mac(a->auth, frame);
    if (verdict == VERDICT_ACCEPT)
        verdict = keep(a, frame, &entry);
    if (is_signed || verdict != VERDICT_ACCEPT)
        tell_host(a,
                  &(struct local_admitted){.origin = entry.origin,
                                           .bundle_no = entry.bundle_no,
                                           .bundle = entry.bundle,
                                           .is_signed = is_signed,
                                           .verdict = (uint8_t)verdict},
                  out);
    return verdict;
}

/* --- RECONFIGs ------------------------------------------------------------------------------------------------------ */

static bool reconfig_is_kept(const struct admission *a, configuration_no number, const struct digest *digest)
{
    for (unsigned i = 0; i < REPLICAS_MAX + ADMIN_RECONFIGS; i++)
        if (a->reconfig[i].number && a->reconfig[i].number == number &&
            digest_equal(&a->reconfig[i].digest, digest))
            return true;
    return false;
}

static void reconfig_keep(struct admission *a, const struct reconfig *reconfig, const struct digest *digest)
{
    if (reconfig_is_kept(a, reconfig->configuration, digest))
        return;
    unsigned place =
        reconfig->signature.len ? REPLICAS_MAX + a->admin_reconfigs++ % ADMIN_RECONFIGS : reconfig->replica;
    a->reconfig[place] = (struct admitted_reconfig){.number = reconfig->configuration, .digest = *digest};
}

enum verdict admission_on_reconfig(struct admission *a, const struct frame *frame, struct outbox *out)
{
    const struct configuration *c = a->auth->configuration;
    struct reconfig reconfig;
    struct digest digest;
    enum verdict verdict = reconfig_check(frame, &reconfig);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    auth_content(&a->auth->cluster, frame->type, &frame->sender, frame->body, &digest);
    /* E may be ahead of what is known here, never behind it. */
    if (reconfig.configuration < configuration_ordered(c))
        verdict = VERDICT_STALE;
    bool many = configuration_ordered(c) - a->founded >= LAUNCHER_CHANGES_MAX;
    if (verdict == VERDICT_ACCEPT && many && reconfig.signature.len == 0)
        verdict = VERDICT_LIMIT;
    if (verdict == VERDICT_ACCEPT)
        verdict = reconfig_admissible(c, &reconfig);
    if (verdict == VERDICT_ACCEPT) {
        reconfig_keep(a, &reconfig, &digest);
        a->more = true;
    }
    tell_host(a,
              &(struct local_admitted){.origin = ORIGIN_RECONFIG,
                                       .bundle_no = RECONFIG_BUNDLE_NO,
                                       .bundle = digest,
                                       .is_signed = 1,
                                       .verdict = (uint8_t)verdict},
              out);
    return verdict;
}

/* --- what may be ordered -------------------------------------------------------------------------------------------- */

bool admission_has(const struct admission *a, const struct batch_entry *entry)
{
    if (mutant(MUTANT_ADMISSION_SKIPPED))
        return true;
    if (entry->origin == ORIGIN_RECONFIG)
        return entry->bundle_no == RECONFIG_BUNDLE_NO && reconfig_is_kept(a, entry->epoch, &entry->bundle);
    if (entry->origin >= ORIGINS_MAX)
        return false;
    const struct admitted_origin *origin = &a->origin[entry->origin];
    for (int i = 0; i < 2; i++) {
        const struct admitted_bundle *admitted = &origin->bundle[i][entry->bundle_no % BUNDLE_WINDOW];
        if (origin->epoch[i] == entry->epoch && admitted->bundle_no == entry->bundle_no &&
            digest_equal(&admitted->bundle, &entry->bundle))
            return true;
    }
    return false;
}

bool admission_has_all(const struct admission *a, struct slice entries)
{
    for (uint32_t i = 0; i < batch_entry_count(entries); i++) {
        struct batch_entry entry = batch_entry_at(entries, i);
        if (!admission_has(a, &entry))
            return false;
    }
    return true;
}
