/*
 * RECONFIGs at E: executed like a bundle, in slot order, so every E comes to the same configuration. When f+1 E
 * vouch for a number that was not announced, E shows host, P and C the RECONFIGs and their signatures. To a fresh E it seals
 * the group key.
 */
#include "execution/execution.h"

bool execution_counts(const struct execution *e)
{
    return exec_stable_slot(e) >= auth_counts_above(&e->auth) || mutant(MUTANT_REPLY_BEFORE_ACTIVATION);
}

enum verdict execution_on_reconfig(struct execution *e, const struct frame *frame)
{
    struct reconfig reconfig;
    struct digest digest;
    enum verdict verdict = reconfig_check(frame, &reconfig);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    auth_content(&e->auth.cluster, frame->type, &frame->sender, frame->body, &digest);
    return bodies_add(&e->bodies, &e->body_arena, &digest, frame->whole);
}

/* Not one that builds on another number than was reached; nor any, when it is known already what came above. */
bool reconfig_needs_body(const struct execution *e, const struct batch_entry *entry)
{
    return entry->bundle_no == RECONFIG_BUNDLE_NO &&
           entry->epoch == configuration_ordered(&e->configuration) &&
           configuration_number_at(&e->configuration, e->executed) == entry->epoch;
}

static void tell_host(struct execution *e, struct outbox *out)
{
    uint8_t body[16];
    struct writer w = writer_to(body, sizeof body);
    local_reconfigured_put(
        &w, &(struct local_reconfigured){.number = e->configuration.number,
                                         .activation = configuration_activation(&e->configuration)});
    auth_emit_plain(&e->auth, out, FRAME_LOCAL_RECONFIGURED, (struct slice){body, w.len},
                    (struct slice){NULL, 0});
}

/* Sealed to the latest E of that replica; whoever else gets it can do nothing with it. */
static void seal_group_key(struct execution *e, replica_id replica, struct outbox *out)
{
    const struct member_keys *keys = &e->configuration.member[KIND_EXECUTION - KIND_HOST][replica];
    struct group_key m = {.replica = replica, .epoch = keys->epoch};
    uint8_t sealed[32 + SEAL_BYTES], body[128];
    if (!e->group_known || replica == e->config.replica)
        return;
    box_seal(sealed, keys->box_public, e->group.secret, 32);
    memcpy(m.half0.bytes, sealed, 32);
    memcpy(m.half1.bytes, sealed + 32, 32);
    memcpy(m.tail.bytes, sealed + 64, 16);
    struct writer w = writer_to(body, sizeof body);
    group_key_put(&w, &m);
    auth_emit_plain(&e->auth, out, FRAME_GROUP_KEY, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

void group_key_hand_on(struct execution *e, struct outbox *out)
{
    for (replica_id r = 0; r < e->configuration.replicas; r++)
        if (digest_is_zero(&e->configuration.member[KIND_EXECUTION - KIND_HOST][r].head))
            seal_group_key(e, r, out);
}

void step_body_keep(struct execution *e, configuration_no number, slot_no slot, struct slice body)
{
    struct step_body *step = &e->step_body[number % STEP_BODIES];
    step->number = number;
    step->slot = slot;
    step->len = (uint32_t)body.len;
    memcpy(step->body, body.data, body.len);
}

static void reconfigured(struct execution *e, const struct reconfig *reconfig, struct outbox *out)
{
    for (uint32_t i = 0; i < renewal_count(reconfig->members); i++)
        if (renewal_at(reconfig->members, i).kind == KIND_EXECUTION)
            seal_group_key(e, reconfig->replica, out);
    tell_host(e, out);
}

bool reconfig_execute(struct execution *e, const struct batch_entry *entry, struct outbox *out)
{
    const struct body_entry *found = bodies_find(&e->bodies, &entry->bundle);
    struct frame frame;
    struct reconfig reconfig;
    if (!found)
        return false;
    /* Something else under this digest, or one that names another number than the list: the same no-op everywhere. */
    if (!frame_decode(found->frame, found->len, &frame) || frame.type != FRAME_RECONFIG ||
        reconfig_check(&frame, &reconfig) != VERDICT_ACCEPT || reconfig.configuration != entry->epoch)
        return true;
    if (configuration_reconfigure(&e->configuration, &reconfig, frame.body, e->executed + 1) !=
        VERDICT_ACCEPT)
        return true;
    step_body_keep(e, configuration_ordered(&e->configuration), e->executed + 1, frame.body);
    reconfigured(e, &reconfig, out);
    return true;
}

/* The steps from `first` on, if they are here and the certificate can vouch for them. */
static bool put_steps(const struct execution *e, configuration_no first, const struct certificate *shown,
                      struct writer *w)
{
    for (configuration_no n = first; n <= shown->number; n++) {
        const struct step_body *step = &e->step_body[n % STEP_BODIES];
        if (step->number != n || shown->slot > activation_slot(step->slot))
            return false; /* others have it: 2f+1 C were at a certificate below the activation slot */
        put_u64(w, step->slot);
        put_slice(w, (struct slice){step->body, step->len});
    }
    return !w->bad;
}

static void announce(struct execution *e, configuration_no first, const struct certificate *certificate,
                     struct outbox *out)
{
    uint8_t steps[CHAIN_STEPS_MAX * (RECONFIG_BYTES_MAX + 12)];
    uint8_t body[sizeof steps + sizeof certificate->signers + 128];
    struct writer list = writer_to(steps, sizeof steps), w = writer_to(body, sizeof body);
    bool whole = put_steps(e, first, certificate, &list);
    struct chain chain = {.first = first,
                          .steps = {steps, list.len},
                          .slot = certificate->slot,
                          .root = certificate->root,
                          .signers = certificate_signers(certificate)};
    if (e->announced + 1 >= first)
        e->announced = certificate->number;
    chain_put(&w, &chain);
    if (whole && !w.bad)
        auth_emit_plain(&e->auth, out, FRAME_CONFIGURATION, (struct slice){body, w.len},
                        (struct slice){NULL, 0});
}

/* Hosts keep it: it is what the START that changes the size is made from. */
static void announce_closed(struct execution *e, struct outbox *out)
{
    slot_no closes = configuration_closes(&e->configuration);
    if (exec_stable_slot(e) != closes || e->closing_shown == closes)
        return;
    e->closing_shown = closes;
    announce(e, configuration_ordered(&e->configuration), &e->stable.certificate, out);
}

void reconfig_after_stable(struct execution *e, struct outbox *out)
{
    struct certificate shown;
    announce_closed(e, out);
    if (e->stable.certificate.number > e->announced) /* of before a resume, in which nobody announced it */
        announce(e, e->announced + 1, &e->stable.certificate, out);
    if (configuration_ordered(&e->configuration) > e->announced &&
        stable_shows_number(&e->stable, e->announced, quorum_one_correct(&e->configuration), &shown))
        announce(e, e->announced + 1, &shown, out);
    if (execution_counts(e) == e->counted)
        return;
    e->counted = !e->counted;
    if (e->counted && e->checkpoint_slot > exec_stable_slot(e) && !state_unusable(e))
        checkpoint_sign(e, out);
}

/* Who learns of RECONFIGs must know them after a power loss too: by then nobody may have the bodies that it did not need. */
void execution_learn(struct execution *e, const struct chain *chain)
{
    size_t at = 0;
    struct chain_step step;
    for (configuration_no n = chain->first; chain_step_next(chain->steps, &at, &step); n++)
        if (n > configuration_ordered(&e->configuration))
            step_body_keep(e, n, step.slot, step.body);
    configuration_walk(&e->configuration, chain);
}

enum verdict execution_on_configuration(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct chain chain;
    size_t at = 0;
    struct chain_step step;
    configuration_no before = configuration_ordered(&e->configuration);
    enum verdict verdict = configuration_follow(&e->configuration, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    CHECK(chain_decode(frame->body, &chain));
    e->progress = true;
    e->announced = configuration_ordered(&e->configuration); /* whoever made it shows it around */
    execution_write_learned(e, &chain, out);
    for (configuration_no n = chain.first; chain_step_next(chain.steps, &at, &step); n++) {
        struct reconfig reconfig;
        if (n <= before || reconfig_body_check(step.body, &reconfig) != VERDICT_ACCEPT)
            continue;
        step_body_keep(e, n, step.slot, step.body);
        reconfigured(e, &reconfig, out);
    }
    if (certificate_check(&e->configuration, chain.slot, &chain.root, chain.signers) == VERDICT_ACCEPT &&
        stable_adopt(&e->stable, chain.slot, &chain.root, chain.signers))
        execution_truncated(e);
    return VERDICT_ACCEPT;
}

bool group_key_set(struct execution *e, const uint8_t sealed[32 + SEAL_BYTES])
{
    uint8_t secret[32];
    struct box_key group;
    if (!box_open(secret, &e->auth.box, sealed, 32 + SEAL_BYTES))
        return false;
    box_keypair_from(&group, secret);
    crypto_wipe(secret, sizeof secret);
    if (memcmp(group.public, e->configuration.group_public, 32) != 0)
        return false;
    e->group = group;
    group_key_known(e);
    crypto_wipe(&group, sizeof group);
    return true;
}

/* Right when its public half is the one in the signed manifest, whoever sent it. */
enum verdict execution_on_group_key(struct execution *e, const struct frame *frame, struct outbox *out)
{
    struct group_key m;
    uint8_t sealed[32 + SEAL_BYTES];
    if (!group_key_decode(frame->body, &m))
        return VERDICT_MALFORMED;
    if (m.replica != e->config.replica || m.epoch != e->auth.self.epoch)
        return VERDICT_UNEXPECTED;
    if (e->group_known)
        return VERDICT_DUPLICATE;
    memcpy(sealed, m.half0.bytes, 32);
    memcpy(sealed + 32, m.half1.bytes, 32);
    memcpy(sealed + 64, m.tail.bytes, 16);
    if (!group_key_set(e, sealed))
        return VERDICT_MISMATCH;
    execution_write_base(e, out);
    return VERDICT_ACCEPT;
}
