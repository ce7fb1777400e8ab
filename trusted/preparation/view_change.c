/*
 * The primary of a new view collects VIEW-CHANGEs and, as soon as a set of them gives a selection, signs NEW-VIEW.
 */
#include "preparation/preparation.h"

static enum verdict store(struct preparation *p, const struct frame *frame, const struct view_change *vc,
                          slot_no shown_slot)
{
    struct prep_view_change *stored = &p->view_change[frame->sender.id];
    if (frame->whole.len > VIEW_CHANGE_BYTES_MAX)
        return VERDICT_LIMIT;
    stored->view = vc->view;
    stored->configuration = vc->configuration;
    stored->len = (uint32_t)frame->whole.len;
    stored->stable_slot = vc->stable_slot;
    stored->shown_slot = shown_slot;
    memcpy(stored->frame, frame->whole.data, frame->whole.len);
    return VERDICT_ACCEPT;
}

struct chosen {
    struct selection_input input[REPLICAS_MAX];
    uint32_t count;
    struct writer list; /* the VIEW-CHANGE frames, for the attachment */
    struct shown_certificate highest;
};

/* The shortest VIEW-CHANGE for this view that was not taken yet, so that long ones of faulty C crowd nobody out; NULL: none. */
static struct prep_view_change *next_shortest(struct preparation *p, view_no view, bool taken[REPLICAS_MAX])
{
    struct prep_view_change *best = NULL;
    for (replica_id r = 0; r < p->configuration.replicas; r++) {
        struct prep_view_change *stored = &p->view_change[r];
        bool fits = stored->view == view && !taken[r] &&
                    evidence_number(&p->configuration, stored->configuration) == VERDICT_ACCEPT;
        if (fits && (!best || stored->len < best->len))
            best = stored;
    }
    if (best)
        taken[best - p->view_change] = true;
    return best;
}

static void choose(struct preparation *p, view_no view, struct chosen *chosen)
{
    bool taken[REPLICAS_MAX] = {false};
    struct prep_view_change *stored;
    chosen->count = 0;
    chosen->highest = (struct shown_certificate){0};
    chosen->list = writer_to(p->scratch, FRAME_MAX - 64 * 1024);
    while ((stored = next_shortest(p, view, taken)) != NULL) {
        struct frame frame;
        struct view_change vc;
        if (chosen->list.cap - chosen->list.len < stored->len + 4)
            return;
        CHECK(frame_decode(stored->frame, stored->len, &frame) && view_change_decode(frame.body, &vc));
        put_slice(&chosen->list, frame.whole);
        chosen->input[chosen->count++] = (struct selection_input){
            .stable_slot = vc.stable_slot, .parting_stable_slot = stored->shown_slot, .claims = vc.claims};
    }
}

static void emit_new_view(struct preparation *p, view_no view, const struct selection *selection,
                          const struct chosen *chosen, struct outbox *out)
{
    uint8_t list[WINDOW * selected_BYTES];
    struct writer selected = writer_to(list, sizeof list);
    for (uint32_t i = 0; i < selection->count; i++)
        selected_put(&selected, &(struct selected){.batch = selection->batch[i]});
    struct new_view nv = {
        .configuration = p->configuration.number,
        .view = view,
        .stable_slot = selection->stable_slot,
        .selection = {list, selected.len},
    };
    digest_of(&nv.view_changes, NEW_VIEW_VIEW_CHANGES_TAG, p->scratch, chosen->list.len);
    uint8_t body[sizeof list + 128];
    struct writer w = writer_to(body, sizeof body);
    new_view_put(&w, &nv);
    CHECK(!w.bad);
    auth_emit_signed(&p->auth, out, FRAME_NEW_VIEW, (struct slice){body, w.len},
                     (struct slice){p->scratch, chosen->list.len});
}

/* Takes the highest certificate from the VIEW-CHANGE that shows it; evidence_view_change checked it on arrival. */
static void find_certificate(struct preparation *p, view_no view, slot_no slot,
                             struct shown_certificate *highest)
{
    for (replica_id r = 0; r < p->configuration.replicas; r++) {
        struct prep_view_change *stored = &p->view_change[r];
        struct frame frame;
        struct view_change vc;
        if (stored->view == view && stored->shown_slot == slot && slot > highest->slot &&
            frame_decode(stored->frame, stored->len, &frame))
            (void)evidence_view_change(&p->configuration, &frame, &vc, highest);
    }
}

static void try_new_view(struct preparation *p, view_no view, struct outbox *out)
{
    struct chosen chosen;
    struct selection selection;
    choose(p, view, &chosen);
    if (!selection_compute(&selection, chosen.input, chosen.count, quorum_vote(&p->configuration)))
        return;
    emit_new_view(p, view, &selection, &chosen, out);
    p->new_view_made = view;
    if (selection.stable_slot > prep_stable_slot(p))
        find_certificate(p, view, selection.stable_slot, &chosen.highest);
    preparation_enter(p, view, &selection, &chosen.highest, out);
}

enum verdict preparation_on_view_change(struct preparation *p, const struct frame *frame, struct outbox *out)
{
    struct view_change vc;
    struct shown_certificate shown;
    if (!view_change_decode(frame->body, &vc))
        return VERDICT_MALFORMED;
    if (primary_of(&p->configuration, vc.view) != p->config.replica)
        return VERDICT_UNEXPECTED;
    if (vc.view < p->view || (vc.view == p->view && p->in_view) || vc.view <= p->new_view_made)
        return VERDICT_STALE;
    if (auth_counts_above(&p->auth) == UINT64_MAX)
        return VERDICT_EARLY; /* nobody would follow; they come again with the number that lists it */
    if (!configuration_member_ever(&p->configuration, &frame->sender))
        return VERDICT_UNKNOWN_SENDER;
    const struct prep_view_change *stored = &p->view_change[frame->sender.id];
    if (stored->view > vc.view || (stored->view == vc.view && stored->configuration >= vc.configuration))
        return VERDICT_DUPLICATE;
    enum verdict verdict = evidence_view_change(&p->configuration, frame, &vc, &shown);
    if (verdict == VERDICT_ACCEPT)
        verdict = store(p, frame, &vc, shown.slot);
    if (verdict == VERDICT_ACCEPT)
        try_new_view(p, vc.view, out);
    return verdict;
}
