/*
 * Forgery: frames made with the keys of faulty compartments, which the attacker holds.
 */
#include "takeover.h"

struct item *takeover_add_forged(struct takeover *t, struct parcel *parcel, replica_id by, uint32_t cell,
                                 uint64_t to);

static struct auth *auth_of(struct takeover *t, replica_id by, uint32_t cell)
{
    CHECK(takeover_faulty(t, by, cell));
    switch (cell) {
    case CELL_P:
        return &takeover_p(t, by)->auth;
    case CELL_C:
        return &takeover_c(t, by)->auth;
    default:
        return &takeover_e(t, by)->auth;
    }
}

/* Takes what was just emitted into the forger's outbox. */
static struct parcel *forged(struct takeover *t)
{
    size_t at = 0;
    struct slice frame;
    CHECK(outbox_next(&t->forge, &at, &frame));
    struct parcel *parcel = parcel_of(frame);
    t->forge.len = 0;
    return parcel;
}

static void enter(struct takeover *t, replica_id by, uint32_t cell, uint64_t to)
{
    struct parcel *parcel = forged(t);
    (void)takeover_add_forged(t, parcel, by, cell, to);
    parcel_drop(parcel);
}

void forge_vote(struct takeover *t, replica_id by, uint32_t cell, enum frame_type type, view_no view,
                slot_no slot, const struct digest *batch, struct slice list, uint64_t to)
{
    struct auth *auth = auth_of(t, by, cell);
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    vote_put(
        &w, &(struct vote){.configuration = t->w->known.number, .view = view, .slot = slot, .batch = *batch});
    auth_emit_macs(auth, &t->forge, type, (struct slice){body, w.len}, TO_P | TO_C | TO_E, list);
    enter(t, by, cell, to);
}

void forge_parting(struct takeover *t, replica_id by, view_no view, struct slice votes, uint64_t to)
{
    struct preparation *p = takeover_p(t, by);
    const struct certificate *c = &p->stable.certificate;
    static uint8_t body[PARTING_BYTES_MAX];
    struct parting m = {.configuration = t->w->known.number,
                        .view = view,
                        .stable_slot = c->slot,
                        .stable_root = c->root,
                        .signers = certificate_signers(c),
                        .votes = votes};
    struct writer w = writer_to(body, sizeof body);
    parting_put(&w, &m);
    if (w.bad)
        return;
    auth_emit_signed(auth_of(t, by, CELL_P), &t->forge, FRAME_PARTING, (struct slice){body, w.len},
                     (struct slice){NULL, 0});
    enter(t, by, CELL_P, to);
}

/* PARTINGs among the items that list the claim, at most one by each P. */
static struct slice supporting(struct takeover *t, const struct slot_view *claim, uint8_t *bytes, size_t cap)
{
    struct writer w = writer_to(bytes, cap);
    uint32_t seen = 0;
    for (uint32_t i = t->items; i-- > 0;) {
        struct parting parting;
        struct item *item = &t->item[i];
        if (item->frame.type != FRAME_PARTING || !parting_decode(item->frame.body, &parting) ||
            seen >> item->frame.sender.id & 1)
            continue;
        if (claim && !parting_lists(&parting, claim))
            continue;
        seen |= 1u << item->frame.sender.id;
        put_slice(&w, item->frame.whole);
    }
    return (struct slice){bytes, w.bad ? 0 : w.len};
}

void forge_view_change(struct takeover *t, replica_id by, view_no view, const struct slot_view *claim,
                       uint64_t to)
{
    static uint8_t partings[REPLICAS_MAX * (PARTING_BYTES_MAX + 8)], body[64 * 1024];
    struct confirmation *c = takeover_c(t, by);
    const struct certificate *certificate = &c->stable.certificate;
    uint8_t claims[slot_view_BYTES];
    struct writer cw = writer_to(claims, sizeof claims);
    if (claim)
        slot_view_put(&cw, claim);
    struct slice attachment =
        claim ? supporting(t, claim, partings, sizeof partings) : (struct slice){partings, 0};
    struct view_change m = {.configuration = t->w->known.number,
                            .view = view,
                            .stable_slot = certificate->slot,
                            .stable_root = certificate->root,
                            .signers = certificate_signers(certificate),
                            .claims = {claims, cw.len}};
    digest_of(&m.partings, VIEW_CHANGE_PARTINGS_TAG, attachment.data, attachment.len);
    struct writer w = writer_to(body, sizeof body);
    view_change_put(&w, &m);
    auth_emit_signed(auth_of(t, by, CELL_C), &t->forge, FRAME_VIEW_CHANGE, (struct slice){body, w.len},
                     attachment);
    enter(t, by, CELL_C, to);
}

/* A NEW-VIEW from the VIEW-CHANGEs seen, whose selection for the slot under attack is replaced. */
bool forge_new_view(struct takeover *t, replica_id by, view_no view, const struct digest *instead,
                    uint64_t to)
{
    static uint8_t list[512 * 1024], body[64 * 1024], selected[WINDOW * selected_BYTES];
    struct writer lw = writer_to(list, sizeof list), sw = writer_to(selected, sizeof selected);
    struct selection_input input[REPLICAS_MAX];
    struct selection selection;
    uint32_t count = 0, seen = 0;
    for (uint32_t i = t->items; i-- > 0 && count < quorum_of(t->w->n);) {
        struct view_change vc;
        struct shown_certificate shown;
        struct item *item = &t->item[i];
        if (item->frame.type != FRAME_VIEW_CHANGE || seen >> item->frame.sender.id & 1 ||
            evidence_view_change(&t->w->known, &item->frame, &vc, &shown) != VERDICT_ACCEPT ||
            vc.view != view)
            continue;
        seen |= 1u << item->frame.sender.id;
        put_slice(&lw, item->frame.whole);
        input[count++] = (struct selection_input){vc.stable_slot, shown.slot, vc.claims};
    }
    if (lw.bad || !selection_compute(&selection, input, count, quorum_of(t->w->n)))
        return false;
    if (t->slot <= selection.stable_slot || t->slot > selection.stable_slot + WINDOW)
        return false;
    uint32_t at = (uint32_t)(t->slot - selection.stable_slot - 1);
    for (; selection.count <= at; selection.count++)
        memset(&selection.batch[selection.count], 0, 32);
    selection.batch[at] = *instead;
    for (uint32_t i = 0; i < selection.count; i++)
        selected_put(&sw, &(struct selected){.batch = selection.batch[i]});
    struct new_view m = {.configuration = t->w->known.number,
                         .view = view,
                         .stable_slot = selection.stable_slot,
                         .selection = {selected, sw.len}};
    digest_of(&m.view_changes, NEW_VIEW_VIEW_CHANGES_TAG, list, lw.len);
    struct writer w = writer_to(body, sizeof body);
    new_view_put(&w, &m);
    auth_emit_signed(auth_of(t, by, CELL_P), &t->forge, FRAME_NEW_VIEW, (struct slice){body, w.len},
                     (struct slice){list, lw.len});
    enter(t, by, CELL_P, to);
    for (uint32_t i = 0; i < selection.count; i++)
        forge_vote(t, by, CELL_P, FRAME_PRE_PREPARE, view, selection.stable_slot + 1 + i, &selection.batch[i],
                   (struct slice){NULL, 0}, to);
    return true;
}

void forge_checkpoint(struct takeover *t, replica_id by, slot_no slot, const struct digest *root, uint64_t to)
{
    uint8_t body[80];
    struct writer w = writer_to(body, sizeof body);
    configuration_no number = configuration_number_at(&t->w->known, slot);
    checkpoint_put(&w, &(struct checkpoint){.configuration = number,
                                            .chain = configuration_step(&t->w->known, number)->chain,
                                            .slot = slot,
                                            .root = *root});
    auth_emit_signed(auth_of(t, by, CELL_E), &t->forge, FRAME_CHECKPOINT, (struct slice){body, w.len},
                     (struct slice){NULL, 0});
    enter(t, by, CELL_E, to);
}

void forge_batches(struct takeover *t)
{
    for (int i = 0; i < 2; i++) {
        struct writer w = writer_to(t->list_bytes[i], BATCH_BYTES_MAX);
        put_u64(&w, t->w->now_us + (uint64_t)i + dice_below(t->dice, 1000) * 2);
        t->list[i] = (struct slice){t->list_bytes[i], w.len};
        batch_digest(&t->batch[i], t->list[i]);
    }
}

/* A bundle that its origin never sent: a session of the attacker's own, sealed to the group. Nothing authenticates it. */
struct parcel *forge_bundle(struct takeover *t, origin_id origin)
{
    struct world *w = t->w;
    struct box_key session;
    struct secret_key shared, content;
    uint8_t plain[64] = {0}, sealed[80], nonce[12], ad[20], body[128], bytes[512];
    struct writer pw = writer_to(plain, sizeof plain), bw = writer_to(body, sizeof body);
    put_u32(&pw, 20);
    put_u64(&pw, 0x7777777777ull);
    pw.len = 24;
    box_keypair(&session);
    if (!box_agree(&shared, &session, w->configuration.group_public))
        return NULL;
    key_derive(&content, &shared, "redoubt content", w->configuration.cluster.bytes, 16);
    struct sender self = {KIND_ORIGIN, origin, 1000000 + dice_below(t->dice, 1000)};
    bundle_nonce(nonce, 1);
    bundle_ad(ad, origin, self.epoch, 1);
    aead_seal(sealed, &content, nonce, ad, sizeof ad, plain, pw.len);
    struct slice attachment = {sealed, pw.len + AEAD_TAG_BYTES};
    struct bundle m = {.bundle_no = 1};
    memcpy(m.session_public.bytes, session.public, 32);
    digest_of(&m.operations, BUNDLE_OPERATIONS_TAG, attachment.data, attachment.len);
    bundle_put(&bw, &m);
    uint8_t macs[mac_entry_BYTES] = {0};
    size_t len = frame_encode(bytes, sizeof bytes, FRAME_BUNDLE, &self, AUTH_MACS,
                              (struct slice){body, bw.len}, (struct slice){macs, sizeof macs}, attachment);
    CHECK(len > 0);
    return parcel_of((struct slice){bytes, len});
}
