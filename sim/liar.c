/*
 * Lies about state: what a faulty E sends to one that lags, opened with the key that it has, changed, and sealed again. So
 * they pass every check but those of the content.
 */
#include "world.h"

static struct secret_key key_between(struct auth *auth, bool pbft, replica_id from, replica_id to)
{
    struct secret_key key;
    const struct secret_key *pair = auth_pair_key(auth, pbft ? KIND_HOST : KIND_EXECUTION, to);
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
    struct secret_key key = key_between(&e->auth, w->pbft, r, state.replica);
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

struct parcel *liar_output(struct world *w, replica_id r, uint32_t k, struct parcel *parcel)
{
    const struct cell *cell = &w->replica[r].cell[k];
    struct frame frame;
    struct parcel *lie = NULL;
    if (k == CELL_E && cell->faulty && cell->lies > 0 && frame_decode(parcel->data, parcel->len, &frame) &&
        frame.type == FRAME_STATE && dice_chance(&w->liar_dice, cell->lies))
        lie = changed_state(w, r, &frame);
    if (lie)
        world_fault(w);
    return lie ? lie : parcel_hold(parcel);
}
