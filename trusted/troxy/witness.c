#include "troxy/witness.h"

#include "base/check.h"
#include "ordering/auth.h"
#include "ordering/mutant.h"

size_t witness_arena_bytes(void)
{
    return sizeof(struct witness) + VERSION_CELLS * sizeof(version_no) +
           ORIGINS_MAX * sizeof(struct witness_peer) + QUESTIONS_BYTES_MAX + 4096;
}

struct witness *witness_new(struct arena *arena, replica_id replica)
{
    struct witness *w = arena_take(arena, sizeof *w);
    w->cell = arena_take(arena, VERSION_CELLS * sizeof *w->cell);
    w->peer = arena_take(arena, ORIGINS_MAX * sizeof *w->peer);
    w->room = arena_take(arena, QUESTIONS_BYTES_MAX + ATTEST_TAG_BYTES);
    w->self = (struct sender){.kind = KIND_TROXY, .id = replica};
    box_keypair(&w->box);
    return w;
}

bool witness_start(struct witness *w, const struct configuration *c)
{
    bool listed =
        c->certifies && w->self.id < c->replicas && memcmp(c->certifier[w->self.id], w->box.public, 32) == 0;
    w->configuration = listed ? c : NULL;
    return listed;
}

/* --- keys ------------------------------------------------------------------------------------------------------------------ */

/* The agreement is made once; another epoch costs two derivations. */
static const struct witness_peer *peer_of(struct witness *w, origin_id origin, epoch_no epoch)
{
    struct witness_peer *peer = origin < w->configuration->origins ? &w->peer[origin] : NULL;
    if (!peer || !w->configuration->origin[origin].present)
        return NULL;
    if (peer->known && peer->epoch == epoch)
        return peer;
    if (!peer->known && !box_agree(&peer->shared, &w->box, w->configuration->origin[origin].box_public))
        return NULL;
    peer->known = true;
    peer->epoch = epoch;
    certifier_keys(&w->configuration->cluster, &peer->shared, epoch, &peer->certify, &peer->attest);
    return peer;
}

/* --- floors ------------------------------------------------------------------------------------------------------------------ */

static void rise(version_no *floor, version_no to)
{
    *floor = to > *floor ? to : *floor;
}

static void raise_one(struct witness *w, const struct raised *raised, version_no to)
{
    if (mutant(MUTANT_FLOORS_FORGOTTEN))
        return;
    rise(&w->whole, to);
    if (raised->all)
        rise(&w->broad, to);
    for (uint32_t i = 0; i < raised->count; i++)
        rise(&w->cell[raised->cell[i]], to);
}

static void raise_all(struct witness *w, version_no to)
{
    if (mutant(MUTANT_GAP_RAISES_NOTHING) || mutant(MUTANT_FLOORS_FORGOTTEN))
        return;
    rise(&w->whole, to);
    rise(&w->broad, to);
}

static version_no floor_of(const struct witness *w, const uint32_t *cells, uint32_t count)
{
    version_no floor = w->broad;
    for (uint32_t i = 0; i < count; i++)
        rise(&floor, cells[i] == VERSION_WHOLE ? w->whole : w->cell[cells[i]]);
    /* A step is of one piece: what certifying first would come to is that the last one has not raised anything yet. */
    if (mutant(MUTANT_CERTIFIED_BEFORE_RAISING) && floor >= w->place)
        return 0;
    return mutant(MUTANT_FLOORS_WITHOUT_INDEX) ? floor >> VERSION_INDEX_BITS << VERSION_INDEX_BITS : floor;
}

/* --- the history ---------------------------------------------------------------------------------------------------------------- */

static bool is_own(const struct witness *w, const struct digest *head)
{
    for (uint64_t i = 0; i < HEADS_KEPT && i < w->heads; i++)
        if (digest_equal(&w->kept[i], head))
            return true;
    return false;
}

static bool raised_good(struct slice raised)
{
    struct reader r = reader_of(raised.data, raised.len);
    struct raised one;
    while (raised_next(&r, &one))
        ;
    return !r.bad;
}

static void take_step(struct witness *w, const struct local_certify *m, const struct digest *head,
                      struct slice raised)
{
    struct digest digest;
    struct raised one;
    version_no first = version_of(m->slot, m->index * BUNDLE_OPS_MAX), last = first + BUNDLE_OPS_MAX - 1;
    digest_of(&digest, RAISED_TAG, raised.data, raised.len);
    bool shown = digest_equal(&digest, &m->raised),
         follows = digest_equal(&m->before, &w->head) && first > w->place;
    if (!shown || !follows) {
        raise_all(w, shown ? first : last);
        w->counters.gaps++;
    }
    struct reader r = reader_of(raised.data, shown ? raised.len : 0);
    while (raised_next(&r, &one))
        raise_one(w, &one, first + one.op);
    if (first <= w->place)
        return; /* of before: it changes nothing about where T is */
    w->place = first;
    w->head = *head;
    w->kept[w->heads++ % HEADS_KEPT] = *head;
}

static void certify(struct witness *w, const struct witness_peer *peer, const struct local_certify *m,
                    const struct digest *head, struct outbox *out)
{
    uint8_t body[128];
    struct writer b = writer_to(body, sizeof body);
    certified_put(&b, &(struct certified){.origin = m->origin,
                                          .epoch = m->epoch,
                                          .bundle_no = m->bundle_no,
                                          .slot = m->slot,
                                          .index = m->index,
                                          .head = *head,
                                          .counter = ++w->counter});
    size_t cap = FRAME_HEADER_BYTES + b.len + AEAD_TAG_BYTES;
    uint8_t *to = outbox_reserve(out, cap);
    size_t len = auth_encode_sealed(to, cap, FRAME_CERTIFIED, &w->self, &peer->certify, w->counter,
                                    (struct slice){body, b.len}, (struct slice){NULL, 0});
    CHECK(!b.bad && len == cap);
    outbox_commit(out, len);
    w->counters.certified++;
}

enum verdict witness_on_certify(struct witness *w, const struct frame *frame, struct outbox *out)
{
    struct local_certify m;
    struct digest head;
    enum verdict verdict = local_certify_check(frame, &m);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (!w->configuration)
        return VERDICT_EARLY;
    const struct witness_peer *peer = peer_of(w, m.origin, m.epoch);
    if (!peer)
        return VERDICT_UNKNOWN_SENDER;
    if (!raised_good(frame->attachment))
        return VERDICT_MALFORMED;
    history_step(&m, &head);
    if (is_own(w, &head))
        w->counters.again++;
    else
        take_step(w, &m, &head, frame->attachment);
    certify(w, peer, &m, &head, out);
    return VERDICT_ACCEPT;
}

/* --- attesting ---------------------------------------------------------------------------------------------------------------- */

enum verdict witness_on_ask(struct witness *w, const struct frame *frame, struct outbox *out)
{
    struct ask_attest ask;
    struct slice questions;
    enum verdict verdict = ask_attest_check(frame, &ask);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (!w->configuration)
        return VERDICT_EARLY;
    if (ask.replica != w->self.id)
        return VERDICT_UNEXPECTED;
    const struct witness_peer *peer = peer_of(w, frame->sender.id, frame->sender.epoch);
    if (!peer)
        return VERDICT_UNKNOWN_SENDER;
    if (!auth_open_sealed(frame, &peer->attest, ask.nonce, w->room, &questions))
        return VERDICT_BAD_MAC;
    verdict = questions_check(questions);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    uint8_t floors[8 * QUESTIONS_MAX], body[64];
    struct writer f = writer_to(floors, sizeof floors), b = writer_to(body, sizeof body);
    struct reader r = reader_of(questions.data, questions.len);
    uint32_t cells[REDOUBT_KEYS_MAX], count;
    while (question_next(&r, cells, &count))
        put_u64(&f, floor_of(w, cells, count));
    attest_put(&b, &(struct attest){.origin = frame->sender.id,
                                    .epoch = frame->sender.epoch,
                                    .nonce = ask.nonce,
                                    .configuration = w->configuration->number,
                                    .counter = ++w->counter});
    size_t cap = FRAME_HEADER_BYTES + b.len + f.len + AEAD_TAG_BYTES;
    uint8_t *to = outbox_reserve(out, cap);
    size_t len = auth_encode_sealed(to, cap, FRAME_ATTEST, &w->self, &peer->attest, w->counter,
                                    (struct slice){body, b.len}, (struct slice){floors, f.len});
    CHECK(!f.bad && !b.bad && len == cap);
    outbox_commit(out, len);
    w->counters.attested++;
    return VERDICT_ACCEPT;
}

void witness_validate(const struct witness *w)
{
    CHECK(w->broad <= w->whole);
    for (uint32_t i = 0; i < VERSION_CELLS; i++)
        CHECK(w->cell[i] <= w->whole);
}
