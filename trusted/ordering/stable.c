#include "ordering/stable.h"

#include <assert.h>

#include "base/check.h"
#include "ordering/mutant.h"

static_assert(signer_BYTES == 84, "as the size of certificate.signers says");

void stable_init(struct stable *stable)
{
    memset(stable, 0, sizeof *stable);
}

static uint32_t quorum_stable(const struct configuration *c)
{
    return mutant(MUTANT_CHECKPOINT_AT_F) ? c->faults : quorum_vote(c);
}

enum verdict window_check(slot_no stable_slot, slot_no slot)
{
    if (slot <= stable_slot)
        return VERDICT_STALE;
    return slot - stable_slot > WINDOW ? VERDICT_EARLY : VERDICT_ACCEPT;
}

static void make_certificate(const struct stable *stable, const struct stable_candidate *like,
                             struct certificate *c)
{
    struct writer w = writer_to(c->signers, sizeof c->signers);
    for (replica_id r = 0; r < REPLICAS_MAX; r++) {
        const struct stable_candidate *k =
            &stable->candidate[r][like->slot / CHECKPOINT_INTERVAL % STABLE_CANDIDATES];
        if (k->slot != like->slot || !digest_equal(&k->root, &like->root) ||
            k->configuration != like->configuration || !digest_equal(&k->chain, &like->chain))
            continue;
        struct signer signer = {.replica = r, .epoch = k->epoch, .configuration = k->configuration};
        memcpy(signer.signature.bytes, k->signature, SIGNATURE_BYTES);
        signer_put(&w, &signer);
    }
    CHECK(!w.bad);
    c->slot = like->slot;
    c->root = like->root;
    c->number = like->configuration;
    c->signers_len = w.len;
}

static uint32_t count_equal(const struct stable *stable, const struct stable_candidate *like)
{
    uint32_t count = 0;
    for (replica_id r = 0; r < REPLICAS_MAX; r++) {
        const struct stable_candidate *k =
            &stable->candidate[r][like->slot / CHECKPOINT_INTERVAL % STABLE_CANDIDATES];
        count += k->slot == like->slot && digest_equal(&k->root, &like->root) &&
                 k->configuration == like->configuration && digest_equal(&k->chain, &like->chain);
    }
    return count;
}

bool stable_vouched(const struct stable *stable, slot_no slot, uint32_t need, struct digest *root)
{
    for (replica_id r = 0; r < REPLICAS_MAX; r++) {
        const struct stable_candidate *k =
            &stable->candidate[r][slot / CHECKPOINT_INTERVAL % STABLE_CANDIDATES];
        if (slot == 0 || k->slot != slot || count_equal(stable, k) < need)
            continue;
        *root = k->root;
        return true;
    }
    return false;
}

bool stable_shows_number(const struct stable *stable, configuration_no above, uint32_t need,
                         struct certificate *shown)
{
    for (replica_id r = 0; r < REPLICAS_MAX; r++)
        for (unsigned i = 0; i < STABLE_CANDIDATES; i++) {
            const struct stable_candidate *k = &stable->candidate[r][i];
            if (!k->slot || k->configuration <= above || count_equal(stable, k) < need)
                continue;
            make_certificate(stable, k, shown);
            return true;
        }
    return false;
}

enum verdict stable_add(struct stable *stable, const struct auth *auth, const struct frame *frame,
                        bool *advanced)
{
    struct checkpoint checkpoint;
    *advanced = false;
    enum verdict verdict = checkpoint_check(frame, &checkpoint);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (checkpoint.slot <= stable->certificate.slot)
        return VERDICT_STALE;
    if (checkpoint.configuration > configuration_ordered(auth->configuration))
        return VERDICT_EARLY; /* who could not tell who votes above must not go on */
    const struct configuration_step *step = configuration_step(auth->configuration, checkpoint.configuration);
    if (!step || !digest_equal(&step->chain, &checkpoint.chain))
        return VERDICT_MISMATCH;
    if (!configuration_member_at(auth->configuration, &frame->sender, checkpoint.slot))
        return VERDICT_UNKNOWN_SENDER;
    struct stable_candidate *candidate =
        &stable->candidate[frame->sender.id][checkpoint.slot / CHECKPOINT_INTERVAL % STABLE_CANDIDATES];
    if (candidate->slot == checkpoint.slot && digest_equal(&candidate->root, &checkpoint.root))
        return VERDICT_DUPLICATE;
    verdict = auth_check_signature_at(auth->configuration, frame, checkpoint.slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (candidate->slot == checkpoint.slot)
        return VERDICT_EQUIVOCATION;
    if (candidate->slot > checkpoint.slot)
        return VERDICT_STALE;
    candidate->slot = checkpoint.slot;
    candidate->root = checkpoint.root;
    candidate->configuration = checkpoint.configuration;
    candidate->chain = checkpoint.chain;
    candidate->epoch = frame->sender.epoch;
    memcpy(candidate->signature, frame->auth.data, SIGNATURE_BYTES);
    if (count_equal(stable, candidate) >= quorum_stable(auth->configuration)) {
        make_certificate(stable, candidate, &stable->certificate);
        *advanced = true;
    }
    return VERDICT_ACCEPT;
}

/* The signer may be of an earlier START: a resumed cluster goes on from certificates of before. */
static bool checkpoint_signed(const struct configuration *c, const struct frame *frame, slot_no slot)
{
    const uint8_t *key = configuration_retired_key(c, frame->sender.id, frame->sender.epoch, slot);
    struct digest content;
    if (!key)
        return auth_check_signature_at(c, frame, slot) == VERDICT_ACCEPT;
    auth_content(&c->cluster, frame->type, &frame->sender, frame->body, &content);
    return auth_signature_ok(frame->auth.data, key, &content);
}

enum verdict signers_check(const struct configuration *c, slot_no slot, const struct digest *root,
                           struct slice signers, configuration_no number, const struct digest *chain,
                           uint32_t need)
{
    if (slot == 0)
        return VERDICT_MALFORMED;
    if (slot % CHECKPOINT_INTERVAL != 0 || !signer_list_ok(signers, REPLICAS_MAX))
        return VERDICT_MALFORMED;
    bool seen[REPLICAS_MAX] = {false};
    uint32_t valid = 0;
    for (uint32_t i = 0; i < signer_count(signers); i++) {
        struct signer signer = signer_at(signers, i);
        if (signer.replica >= c->replicas || seen[signer.replica])
            return VERDICT_MALFORMED;
        seen[signer.replica] = true;
        uint8_t body[80];
        struct writer w = writer_to(body, sizeof body);
        checkpoint_put(
            &w, &(struct checkpoint){
                    .configuration = signer.configuration, .chain = *chain, .slot = slot, .root = *root});
        struct frame frame = {
            .type = FRAME_CHECKPOINT,
            .sender = {.kind = KIND_EXECUTION, .id = signer.replica, .epoch = signer.epoch},
            .auth_kind = AUTH_SIGNATURE,
            .body = {body, w.len},
            .auth = {signer.signature.bytes, SIGNATURE_BYTES},
        };
        CHECK(!w.bad);
        if (signer.configuration != number || !checkpoint_signed(c, &frame, slot))
            return VERDICT_BAD_SIGNATURE;
        if (++valid >= need)
            return VERDICT_ACCEPT;
    }
    return VERDICT_MISMATCH;
}

enum verdict certificate_check(const struct configuration *c, slot_no slot, const struct digest *root,
                               struct slice signers)
{
    if (configuration_begins(c, slot, root))
        return VERDICT_ACCEPT;
    if (!signer_list_ok(signers, REPLICAS_MAX))
        return VERDICT_MALFORMED;
    if (signer_count(signers) == 0)
        return VERDICT_MISMATCH;
    configuration_no number = signer_at(signers, 0).configuration;
    const struct configuration_step *step = configuration_step(c, number);
    if (!step)
        return number > configuration_ordered(c) ? VERDICT_EARLY : VERDICT_STALE;
    return signers_check(c, slot, root, signers, number, &step->chain, quorum_stable(c));
}

bool stable_begin(struct stable *stable, const struct configuration *c)
{
    bool risen = stable_adopt(stable, c->closed_slot, &c->closed_root, (struct slice){NULL, 0});
    if (c->closed_slot && stable->certificate.slot == c->closed_slot)
        stable->certificate.number = configuration_number_at(c, c->closed_slot);
    return risen;
}

bool stable_adopt(struct stable *stable, slot_no slot, const struct digest *root, struct slice signers)
{
    struct certificate *c = &stable->certificate;
    if (slot <= c->slot || signers.len > sizeof c->signers)
        return false;
    c->slot = slot;
    c->root = *root;
    c->number = signer_count(signers) ? signer_at(signers, 0).configuration : 0;
    if (signers.len)
        memcpy(c->signers, signers.data, signers.len);
    c->signers_len = signers.len;
    return true;
}
