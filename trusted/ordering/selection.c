#include "ordering/selection.h"

#include "base/check.h"
#include "ordering/mutant.h"

/* Where each VIEW-CHANGE's claims are read; claims ascend by slot, so one pass over the slots reads each once. */
struct cursors {
    uint32_t at[REPLICAS_MAX];
};

struct slot_claims {
    struct slot_view claim[REPLICAS_MAX];
    uint32_t count;  /* VIEW-CHANGEs that claim this slot */
    uint32_t voters; /* VIEW-CHANGEs in all */
};

static void collect(struct slot_claims *claims, struct cursors *cursors, const struct selection_input *inputs,
                    uint32_t count, slot_no slot)
{
    claims->count = 0;
    claims->voters = count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t total = slot_view_count(inputs[i].claims);
        while (cursors->at[i] < total && slot_view_at(inputs[i].claims, cursors->at[i]).slot < slot)
            cursors->at[i]++;
        if (cursors->at[i] < total) {
            struct slot_view claim = slot_view_at(inputs[i].claims, cursors->at[i]);
            if (claim.slot == slot)
                claims->claim[claims->count++] = claim;
        }
    }
}

/* Falling view, then lowest digest first. */
static bool goes_before(const struct slot_view *a, const struct slot_view *b)
{
    if (a->view != b->view)
        return a->view > b->view;
    return memcmp(a->batch.bytes, b->batch.bytes, sizeof a->batch.bytes) < 0;
}

static void sort(struct slot_claims *claims)
{
    for (uint32_t i = 1; i < claims->count; i++)
        for (uint32_t j = i; j > 0 && goes_before(&claims->claim[j], &claims->claim[j - 1]); j--) {
            struct slot_view swap = claims->claim[j];
            claims->claim[j] = claims->claim[j - 1];
            claims->claim[j - 1] = swap;
        }
}

static uint32_t objections(const struct slot_claims *claims, const struct slot_view *to)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < claims->count; i++) {
        const struct slot_view *claim = &claims->claim[i];
        count +=
            claim->view > to->view || (claim->view == to->view && !digest_equal(&claim->batch, &to->batch));
    }
    return count;
}

static bool select_slot(struct slot_claims *claims, uint32_t need, struct digest *batch)
{
    sort(claims);
    for (uint32_t i = 0; i < claims->count; i++) {
        if (claims->voters - objections(claims, &claims->claim[i]) >= need || mutant(MUTANT_NO_OBJECTIONS)) {
            *batch = claims->claim[i].batch;
            return true;
        }
    }
    memset(batch, 0, sizeof *batch);
    uint32_t silent = claims->voters - claims->count;
    return silent >= (mutant(MUTANT_NULL_AT_F) ? (need - 1) / 2 : need);
}

bool selection_compute(struct selection *selection, const struct selection_input *inputs, uint32_t count,
                       uint32_t quorum)
{
    CHECK(count <= REPLICAS_MAX);
    if (count < quorum)
        return false;
    slot_no top = 0;
    selection->stable_slot = 0;
    for (uint32_t i = 0; i < count; i++) {
        slot_no stable = inputs[i].stable_slot;
        if (inputs[i].parting_stable_slot > stable)
            stable = inputs[i].parting_stable_slot;
        if (stable > selection->stable_slot)
            selection->stable_slot = stable;
        uint32_t claims = slot_view_count(inputs[i].claims);
        if (claims && slot_view_at(inputs[i].claims, claims - 1).slot > top)
            top = slot_view_at(inputs[i].claims, claims - 1).slot;
    }
    /* A claim lies within its own VIEW-CHANGE's window, and no certificate is higher than h: so top <= h + L. */
    selection->count = top > selection->stable_slot ? (uint32_t)(top - selection->stable_slot) : 0;
    CHECK(selection->count <= WINDOW);
    struct cursors cursors = {{0}};
    for (uint32_t i = 0; i < selection->count; i++) {
        struct slot_claims claims;
        collect(&claims, &cursors, inputs, count, selection->stable_slot + 1 + i);
        if (!select_slot(&claims, quorum, &selection->batch[i]))
            return false;
    }
    return true;
}
