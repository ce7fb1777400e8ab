#include "ordering/evidence.h"

#include "ordering/mutant.h"

enum verdict evidence_parting(const struct configuration *c, const struct frame *frame,
                              struct parting *parting)
{
    enum verdict verdict = parting_check(frame, parting);
    if (verdict == VERDICT_ACCEPT)
        verdict = auth_check_signature_ever(c, frame);
    if (verdict == VERDICT_ACCEPT)
        verdict = certificate_check(c, parting->stable_slot, &parting->stable_root, parting->signers);
    return verdict;
}

bool parting_lists(const struct parting *parting, const struct slot_view *claim)
{
    /* Ascending by slot: find its first entry, then look at the few that a slot has. */
    uint32_t low = 0, high = slot_view_count(parting->votes);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (slot_view_at(parting->votes, middle).slot < claim->slot)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < slot_view_count(parting->votes); low++) {
        struct slot_view vote = slot_view_at(parting->votes, low);
        if (vote.slot != claim->slot)
            return false;
        if (digest_equal(&vote.batch, &claim->batch) && vote.view >= claim->view)
            return true;
    }
    return false;
}

bool parting_supports(const struct configuration *c, const struct sender *sender,
                      const struct parting *parting, const struct slot_view *claim)
{
    return configuration_member_at(c, sender, claim->slot) && parting_lists(parting, claim);
}

enum verdict evidence_number(const struct configuration *c, configuration_no number)
{
    if (number == c->number || mutant(MUTANT_CONFIGURATION_IGNORED))
        return VERDICT_ACCEPT;
    return number > c->number ? VERDICT_EARLY : VERDICT_STALE;
}

static void show(struct shown_certificate *highest, slot_no slot, const struct digest *root,
                 struct slice signers)
{
    if (slot > highest->slot)
        *highest = (struct shown_certificate){.slot = slot, .root = *root, .signers = signers};
}

struct loaded_parting {
    struct sender sender;
    struct parting parting;
};

/* Decodes and checks all PARTINGs of a VIEW-CHANGE; senders must be distinct. */
static enum verdict partings_load(const struct configuration *c, struct slice list,
                                  struct loaded_parting *partings, uint32_t *count,
                                  struct shown_certificate *highest)
{
    bool seen[REPLICAS_MAX] = {false};
    size_t at = 0;
    struct slice bytes;
    *count = 0;
    while (frame_list_next(list, &at, &bytes)) {
        struct frame frame;
        if (*count >= REPLICAS_MAX || !frame_decode(bytes.data, bytes.len, &frame) ||
            frame.type != FRAME_PARTING)
            return VERDICT_MALFORMED;
        struct parting *parting = &partings[*count].parting;
        partings[*count].sender = frame.sender;
        enum verdict verdict = evidence_parting(c, &frame, parting);
        if (verdict != VERDICT_ACCEPT)
            return verdict;
        if (seen[frame.sender.id])
            return VERDICT_MALFORMED;
        seen[frame.sender.id] = true;
        show(highest, parting->stable_slot, &parting->stable_root, parting->signers);
        (*count)++;
    }
    return at == SIZE_MAX ? VERDICT_MALFORMED : VERDICT_ACCEPT;
}

static bool claims_supported(const struct configuration *c, const struct view_change *vc,
                             const struct loaded_parting *partings, uint32_t count, uint32_t need)
{
    for (uint32_t i = 0; i < slot_view_count(vc->claims); i++) {
        struct slot_view claim = slot_view_at(vc->claims, i);
        uint32_t support = 0;
        for (uint32_t k = 0; k < count; k++)
            support += parting_supports(c, &partings[k].sender, &partings[k].parting, &claim);
        if (support < need)
            return false;
    }
    return true;
}

/*
 * Once a RECONFIG is known the earlier epoch's VIEW-CHANGEs are ignored, and the new epoch's count only with a certificate at
 * or above the slot from which it is in force: in between that C is one of the f. What an epoch has not seen prepared
 * it says nothing about; so the earlier one, which cannot have voted above that slot, must not be silent about what lies
 * above, nor the new one about what lies below.
 */
static enum verdict signed_by_epoch(const struct configuration *c, const struct frame *frame,
                                    const struct view_change *vc)
{
    if (mutant(MUTANT_OLD_EPOCH_VIEW_CHANGE))
        return auth_check_signature_ever(c, frame);
    enum verdict verdict = auth_check_signature(c, frame);
    if (verdict == VERDICT_ACCEPT && configuration_member(c, &frame->sender)->after > vc->stable_slot)
        verdict = VERDICT_EARLY;
    return verdict;
}

enum verdict evidence_view_change(const struct configuration *c, const struct frame *frame,
                                  struct view_change *vc, struct shown_certificate *highest)
{
    struct loaded_parting partings[REPLICAS_MAX];
    uint32_t count;
    *highest = (struct shown_certificate){0};
    enum verdict verdict = view_change_check(frame, vc);
    if (verdict == VERDICT_ACCEPT)
        verdict = evidence_number(c, vc->configuration);
    if (verdict == VERDICT_ACCEPT)
        verdict = signed_by_epoch(c, frame, vc);
    if (verdict == VERDICT_ACCEPT)
        verdict = certificate_check(c, vc->stable_slot, &vc->stable_root, vc->signers);
    if (verdict == VERDICT_ACCEPT)
        verdict = partings_load(c, frame->attachment, partings, &count, highest);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    show(highest, vc->stable_slot, &vc->stable_root, vc->signers);
    uint32_t need = quorum_one_correct(c) - (mutant(MUTANT_CLAIMS_WITH_F_PARTINGS) ? 1 : 0);
    return claims_supported(c, vc, partings, count, need) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}

struct new_view_set {
    struct selection_input input[REPLICAS_MAX];
    uint32_t count;
    bool seen[REPLICAS_MAX];
};

static enum verdict new_view_add(const struct configuration *c, const struct new_view *nv, struct slice bytes,
                                 struct new_view_set *set, struct shown_certificate *highest)
{
    struct frame frame;
    struct view_change vc;
    struct shown_certificate shown;
    if (set->count >= REPLICAS_MAX || !frame_decode(bytes.data, bytes.len, &frame) ||
        frame.type != FRAME_VIEW_CHANGE)
        return VERDICT_MALFORMED;
    enum verdict verdict = evidence_view_change(c, &frame, &vc, &shown);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (set->seen[frame.sender.id] || vc.view != nv->view ||
        (vc.configuration != nv->configuration && !mutant(MUTANT_CONFIGURATION_IGNORED)))
        return VERDICT_MISMATCH;
    set->seen[frame.sender.id] = true;
    show(highest, shown.slot, &shown.root, shown.signers);
    set->input[set->count++] = (struct selection_input){
        .stable_slot = vc.stable_slot, .parting_stable_slot = shown.slot, .claims = vc.claims};
    return VERDICT_ACCEPT;
}

static bool selection_matches(const struct new_view *nv, const struct selection *selection)
{
    if (nv->stable_slot != selection->stable_slot || selected_count(nv->selection) != selection->count)
        return false;
    for (uint32_t i = 0; i < selection->count; i++) {
        struct selected selected = selected_at(nv->selection, i);
        if (!digest_equal(&selected.batch, &selection->batch[i]))
            return false;
    }
    return true;
}

static void selection_as_sent(struct selection *selection, const struct new_view *nv)
{
    selection->stable_slot = nv->stable_slot;
    selection->count = selected_count(nv->selection);
    for (uint32_t i = 0; i < selection->count; i++)
        selection->batch[i] = selected_at(nv->selection, i).batch;
}

enum verdict evidence_new_view(const struct configuration *c, const struct frame *frame, struct new_view *nv,
                               struct selection *selection, struct shown_certificate *highest)
{
    struct new_view_set set = {.count = 0};
    *highest = (struct shown_certificate){0};
    enum verdict verdict = new_view_check(frame, nv);
    if (verdict == VERDICT_ACCEPT)
        verdict = evidence_number(c, nv->configuration);
    if (verdict == VERDICT_ACCEPT)
        verdict = auth_check_signature(c, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (frame->sender.id != primary_of(c, nv->view))
        return VERDICT_UNEXPECTED;
    size_t at = 0;
    struct slice bytes;
    while (frame_list_next(frame->attachment, &at, &bytes)) {
        verdict = new_view_add(c, nv, bytes, &set, highest);
        if (verdict != VERDICT_ACCEPT)
            return verdict;
    }
    if (at == SIZE_MAX)
        return VERDICT_MALFORMED;
    if (mutant(MUTANT_SELECTION_NOT_CHECKED)) {
        selection_as_sent(selection, nv);
        return VERDICT_ACCEPT;
    }
    if (!selection_compute(selection, set.input, set.count, quorum_vote(c)))
        return VERDICT_MISMATCH;
    return selection_matches(nv, selection) ? VERDICT_ACCEPT : VERDICT_MISMATCH;
}
