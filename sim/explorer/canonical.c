/* Canonical: encode under each renaming of proposals, sort what is interchangeable, take the least. See canonical.h. */
#include "canonical.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { RECORD_BYTES = 128, ENCODING_BYTES = (2 * REPLICAS_MAX + 1) * RECORD_BYTES };

struct record {
    unsigned length;
    uint8_t bytes[RECORD_BYTES];
};

/* swapped: the set of slots (bit s) where A and B change names. */
struct encoder {
    const struct bounds *bounds;
    unsigned swapped;
    struct record *out;
};

static void put(struct encoder *encoder, unsigned byte)
{
    assert(encoder->out->length < RECORD_BYTES);
    encoder->out->bytes[encoder->out->length++] = (uint8_t)byte;
}

static unsigned rename_digest(const struct encoder *encoder, unsigned slot, unsigned digest)
{
    if (!(encoder->swapped >> slot & 1) || (digest != DIGEST_A && digest != DIGEST_B))
        return digest;
    return DIGEST_A + DIGEST_B - digest;
}

static unsigned rename_set(const struct encoder *encoder, unsigned slot, unsigned set)
{
    unsigned renamed = 0;

    for (unsigned d = DIGEST_A; d < DIGEST_END; d++)
        if (set >> d & 1)
            renamed |= 1u << rename_digest(encoder, slot, d);
    return renamed;
}

static void put_claim(struct encoder *encoder, unsigned slot, struct claim claim)
{
    put(encoder, rename_digest(encoder, slot, claim.digest));
    put(encoder, claim.view);
}

static void put_new_view(struct encoder *encoder, const struct new_view *new_view)
{
    put(encoder, new_view->made);
    put(encoder, new_view->h);
    put(encoder, new_view->top);
    for (unsigned s = 1; s <= encoder->bounds->slots; s++)
        put(encoder, rename_digest(encoder, s, new_view->selected[s]));
}

static void put_parting(struct encoder *encoder, const struct parting *parting)
{
    put(encoder, parting->sent);
    put(encoder, parting->h);
    for (unsigned s = 1; s <= encoder->bounds->slots; s++)
        for (unsigned d = DIGEST_A; d < DIGEST_END; d++)
            put(encoder, parting->listed[s][rename_digest(encoder, s, d)]);
}

static void put_view_change(struct encoder *encoder, const struct view_change *view_change)
{
    put(encoder, view_change->sent);
    put(encoder, view_change->h);
    for (unsigned s = 1; s <= encoder->bounds->slots; s++)
        put_claim(encoder, s, view_change->claim[s]);
}

static void put_preparation(struct encoder *encoder, const struct preparation *p)
{
    put(encoder, p->floor);
    put(encoder, p->h);
    for (unsigned v = 0; v < encoder->bounds->views; v++) {
        for (unsigned s = 1; s <= encoder->bounds->slots; s++)
            put(encoder, rename_set(encoder, s, p->vote[v][s]));
        put_new_view(encoder, &p->entered[v]);
        put_parting(encoder, &p->parting[v]);
    }
}

static void put_confirmation(struct encoder *encoder, const struct confirmation *c)
{
    put(encoder, c->floor);
    put(encoder, c->h);
    for (unsigned s = 1; s <= encoder->bounds->slots; s++)
        put_claim(encoder, s, c->prepared[s]);
    for (unsigned v = 0; v < encoder->bounds->views; v++) {
        for (unsigned s = 1; s <= encoder->bounds->slots; s++)
            put(encoder, rename_set(encoder, s, c->commit[v][s]));
        put_view_change(encoder, &c->view_change[v]);
    }
}

static int record_compare(const void *left, const void *right)
{
    return memcmp(left, right, sizeof(struct record));
}

/* What was committed follows from the commits, and which compartments are faulty is fixed while one search lasts. */
static void encode(const struct model *model, unsigned swapped, struct record *records)
{
    unsigned n = model->bounds.replicas;
    unsigned plain_p = 0;
    unsigned plain_c = 0;
    struct encoder encoder = {.bounds = &model->bounds, .swapped = swapped, .out = records};
    struct record plain[2][REPLICAS_MAX] = {0};

    memset(records, 0, (2 * n + 1) * sizeof *records);
    for (unsigned v = 0; v < model->bounds.views; v++)
        put_new_view(&encoder, &model->made[v]);
    for (unsigned i = 0; i < n; i++) {
        bool is_plain = !model->preparation[i].faulty && i >= model->bounds.views;

        encoder.out = is_plain ? &plain[0][plain_p++] : &records[1 + i - plain_p];
        put_preparation(&encoder, &model->preparation[i]);
        encoder.out = &plain[1][plain_c++];
        put_confirmation(&encoder, &model->confirmation[i]);
    }
    qsort(plain[0], plain_p, sizeof(struct record), record_compare);
    qsort(plain[1], plain_c, sizeof(struct record), record_compare);
    memcpy(&records[1 + n - plain_p], plain[0], plain_p * sizeof(struct record));
    memcpy(&records[1 + n], plain[1], plain_c * sizeof(struct record));
}

static void fingerprint_add(struct fingerprint *fingerprint, const struct record *record)
{
    for (unsigned at = 0; at < record->length; at += 8) {
        uint64_t word;

        memcpy(&word, &record->bytes[at], sizeof word);
        fingerprint_word(fingerprint, word);
    }
}

struct fingerprint canonical_fingerprint(const struct model *model)
{
    struct record records[2][2 * REPLICAS_MAX + 1];
    unsigned count = 2 * model->bounds.replicas + 1;
    unsigned best = 0;
    struct fingerprint fingerprint = {.high = 1, .low = 2};

    encode(model, 0, records[best]);
    for (unsigned swapped = 1; swapped < 1u << model->bounds.slots; swapped++) {
        encode(model, swapped << 1, records[1 - best]);
        if (memcmp(records[1 - best], records[best], count * sizeof(struct record)) < 0)
            best = 1 - best;
    }
    for (unsigned i = 0; i < count; i++)
        fingerprint_add(&fingerprint, &records[best][i]);
    return fingerprint;
}
