/*
 * Lies about state: what a faulty E sends to one that lags, opened with the key that it has, changed, and sealed again. So
 * they pass every check but those of the content.
 */
#include "world.h"

static struct secret_key key_between(struct auth *auth, bool whole, replica_id from, replica_id to)
{
    struct secret_key key;
    const struct secret_key *pair = auth_pair_key(auth, whole ? KIND_HOST : KIND_EXECUTION, to);
    CHECK(pair != NULL);
    key_derive(&key, pair, "redoubt state", &from, sizeof from);
    return key;
}

/* A byte turned over, mostly in what a leaf or record says rather than in its lengths; or an end that is missing. */
static size_t change(struct dice *d, uint8_t *plain, size_t len)
{
    if (dice_chance(d, 0.1))
        return dice_below(d, (uint32_t)len + 1);
    size_t at = dice_chance(d, 0.7) && len > 16 ? 16 + dice_below(d, (uint32_t)len - 16)
                                                : dice_below(d, (uint32_t)len);
    plain[at] ^= (uint8_t)(1u << dice_below(d, 8));
    return len;
}

static struct parcel *changed_state(struct world *w, replica_id r, const struct frame *frame)
{
    static uint8_t plain[FRAME_MAX], sealed[FRAME_MAX], bytes[FRAME_MAX];
    struct execution *e = w->replica[r].cell[CELL_E].state;
    struct dice *d = &w->liar_dice;
    struct state state;
    uint8_t nonce[12], body[64];
    if (!state_decode(frame->body, &state) || frame->attachment.len <= AEAD_TAG_BYTES)
        return NULL;
    if (state.what == STATE_HEAD && !dice_chance(d, 0.1))
        return NULL; /* who lies there is asked for nothing else */
    struct secret_key key = key_between(&e->auth, w->whole, r, state.replica);
    reply_nonce(nonce, state.nonce);
    CHECK(aead_open(plain, &key, nonce, frame->body.data, frame->body.len, frame->attachment.data,
                    frame->attachment.len));
    size_t len = change(d, plain, frame->attachment.len - AEAD_TAG_BYTES);
    if (dice_chance(d, 0.05))
        state.slot += CHECKPOINT_INTERVAL;
    state.nonce = ++e->state_counter;
    struct writer bw = writer_to(body, sizeof body);
    state_put(&bw, &state);
    reply_nonce(nonce, state.nonce);
    aead_seal(sealed, &key, nonce, body, bw.len, plain, len);
    size_t all = frame_encode(bytes, sizeof bytes, FRAME_STATE, &frame->sender, AUTH_NONE,
                              (struct slice){body, bw.len}, (struct slice){NULL, 0},
                              (struct slice){sealed, len + AEAD_TAG_BYTES});
    CHECK(all > 0);
    return parcel_of((struct slice){bytes, all});
}

/* --- attestations: of another time -------------------------------------------------------------------------------------- */

static struct cells {
    version_no cell[VERSION_CELLS];
    version_no whole, broad;
} earlier[REPLICAS_MAX], present;
static bool swapped;

static void take_cells(struct cells *c, const struct versions *v)
{
    memcpy(c->cell, v->cell, sizeof c->cell);
    c->whole = v->whole;
    c->broad = v->broad;
}

static void give_cells(struct versions *v, const struct cells *c)
{
    memcpy(v->cell, c->cell, sizeof c->cell);
    v->whole = c->whole;
    v->broad = c->broad;
}

void liar_init(void)
{
    memset(earlier, 0, sizeof earlier);
    swapped = false;
}

void liar_before_step(struct world *w, replica_id r, struct slice frame)
{
    struct execution *e = w->replica[r].cell[CELL_E].state;
    struct dice *d = &w->liar_dice;
    if (!w->troxies || frame.len < 2 || frame.data[1] != FRAME_ASK_ATTEST)
        return;
    const struct execution *model = plot_model(w);
    if (model) {
        swapped = true;
        take_cells(&present, &e->versions);
        take_cells(&earlier[r], &model->versions);
        give_cells(&e->versions, &earlier[r]);
        return;
    }
    if (dice_chance(d, 0.2) || earlier[r].whole > e->versions.whole)
        take_cells(&earlier[r], &e->versions);
    if (!dice_chance(d, 0.7))
        return;
    world_fault(w);
    swapped = true;
    take_cells(&present, &e->versions);
    if (dice_chance(d, 0.9))
        give_cells(&e->versions, &earlier[r]);
    else
        e->versions.broad = e->versions.whole + 1 + dice_below(d, 1u << 22); /* what nobody wrote yet */
}

void liar_after_step(struct world *w, replica_id r)
{
    struct execution *e = w->replica[r].cell[CELL_E].state;
    if (swapped)
        give_cells(&e->versions, &present);
    swapped = false;
}

/* --- replies to Troxies: another result, as old as the right one; or the right one, as if a write to come had been before it --- */

static void change_version(struct world *w, const struct execution *e, uint8_t *at, slot_no slot)
{
    struct dice *d = &w->liar_dice;
    struct writer later = writer_to(at, 8);
    version_no last = e->versions.whole; /* it may have executed more since: mostly the same batch */
    put_u64(&later,
            last >= version_of(slot, 0) ? last : version_of(slot + 1 + dice_below(d, 2), dice_below(d, 2)));
}

static struct parcel *changed_reply(struct world *w, replica_id r, const struct frame *frame)
{
    static uint8_t plain[FRAME_MAX], sealed[FRAME_MAX], bytes[FRAME_MAX];
    struct execution *e = w->replica[r].cell[CELL_E].state;
    struct reply reply;
    uint8_t nonce[12], ad[128];
    bool faulty;
    if (!reply_decode(frame->body, &reply) || !troxy_is_origin(w, reply.origin, &faulty) ||
        frame->attachment.len <= AEAD_TAG_BYTES)
        return NULL;
    struct writer a = writer_to(ad, sizeof ad);
    put_u8(&a, (uint8_t)frame->sender.kind);
    put_u32(&a, frame->sender.id);
    put_u64(&a, frame->sender.epoch);
    size_t head = a.len;
    put_raw(&a, frame->body.data, frame->body.len);
    reply_nonce(nonce, reply.nonce);
    const struct secret_key *key = &e->origin[reply.origin].reply_key;
    if (!aead_open(plain, key, nonce, ad, a.len, frame->attachment.data, frame->attachment.len))
        return NULL;
    size_t len = frame->attachment.len - AEAD_TAG_BYTES;
    bool of_version = dice_chance(&w->liar_dice, 0.5);
    struct reader reader = reader_of(plain, len);
    struct slice result = {NULL, 0};
    while (reader_left(&reader)) {
        (void)get_u8(&reader);
        uint8_t form = get_u8(&reader);
        result = get_slice(&reader);
        uint8_t *version = plain + (len - reader_left(&reader));
        if (form & RESULT_VERSION && get_u64(&reader) && of_version)
            change_version(w, e, version, reply.slot);
        if (result.len && !of_version)
            plain[result.data - plain] ^= 1;
    }
    reply.nonce = ++e->reply_counter;
    a.len = head;
    reply_put(&a, &reply);
    reply_nonce(nonce, reply.nonce);
    aead_seal(sealed, key, nonce, ad, a.len, plain, len);
    size_t all = frame_encode(bytes, sizeof bytes, FRAME_REPLY, &frame->sender, AUTH_NONE,
                              (struct slice){ad + head, a.len - head}, (struct slice){NULL, 0},
                              (struct slice){sealed, len + AEAD_TAG_BYTES});
    CHECK(all > 0);
    return parcel_of((struct slice){bytes, all});
}

struct parcel *liar_output(struct world *w, replica_id r, uint32_t k, struct parcel *parcel)
{
    const struct cell *cell = &w->replica[r].cell[k];
    struct frame frame;
    struct parcel *lie = NULL;
    if (k == CELL_E && cell->faulty && cell->lies > 0 && frame_decode(parcel->data, parcel->len, &frame) &&
        frame.type == FRAME_STATE && dice_chance(&w->liar_dice, cell->lies))
        lie = changed_state(w, r, &frame);
    if (!lie && w->troxies && k == CELL_E && cell->faulty && parcel->data[1] == FRAME_REPLY &&
        !plot_model(w) && cell->lies > 0 && frame_decode(parcel->data, parcel->len, &frame) &&
        dice_chance(&w->liar_dice, cell->lies / 2))
        lie = changed_reply(w, r, &frame);
    if (lie)
        world_fault(w);
    return lie ? lie : parcel_hold(parcel);
}
