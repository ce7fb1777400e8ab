#include "fingerprint_of.h"

#include <string.h>

struct encoder {
    struct fingerprint fingerprint;
    uint64_t word;
    unsigned bytes;
    uint8_t name[ORDERS_MAX + 1][COMMAND_END]; /* of a command at an order */
};

static void put(struct encoder *e, unsigned byte)
{
    e->word = e->word << 8 | (byte & 255);
    if (++e->bytes % 8 == 0) {
        fingerprint_word(&e->fingerprint, e->word);
        e->word = 0;
    }
}

/* A proposal is called A if it is the first that was PREPAREd at its order. */
static void name_commands(struct encoder *e, const struct model *m)
{
    for (unsigned o = 1; o <= m->bounds.orders; o++) {
        bool swap = false, named = false;
        for (unsigned v = 0; v < m->bounds.views && !named; v++) {
            swap = m->prepare[v][o] == COMMAND_B;
            named = swap || m->prepare[v][o] == COMMAND_A;
        }
        for (unsigned c = 0; c < COMMAND_END; c++)
            e->name[o][c] =
                (uint8_t)(swap && (c == COMMAND_A || c == COMMAND_B) ? COMMAND_A + COMMAND_B - c : c);
    }
}

static void put_place(struct encoder *e, struct place place)
{
    put(e, (unsigned)place.view << 4 | place.order);
}

/* Is what was issued for this view of no use any more? */
static bool is_past(const struct model *m, unsigned view)
{
    return m->core[view][0].made && !model_is(m, MUTANT_CORE_TWICE);
}

static void put_correct(struct encoder *e, const struct model *m, const struct replica *r)
{
    put(e, (unsigned)r->view << 4 | r->stable);
    put(e, (unsigned)r->checkpoint << 4 | r->base);
    if (m->bounds.suspects)
        put(e, r->suspects);
    for (unsigned to = 1; to < m->bounds.views; to++)
        for (unsigned from = 0; from < to && !is_past(m, to); from++) {
            const struct view_change *vc = &r->view_change[to][from];
            put(e, (unsigned)vc->made << 4 | vc->base);
            put(e, (unsigned)vc->checkpoint << 5 | vc->shown);
        }
}

static void put_faulty(struct encoder *e, const struct model *m, const struct replica *r)
{
    for (unsigned p = 0; p < m->bounds.pillars; p++) {
        put_place(e, r->value[p]);
        put_place(e, r->act[p]);
        for (unsigned w = 1; w < m->bounds.views; w++)
            if (!is_past(m, w))
                put_place(e, r->act_at[p][w]);
    }
}

static void put_core(struct encoder *e, const struct model *m, const struct core *core)
{
    put(e, (unsigned)core->made << 4 | core->from);
    put(e, (unsigned)core->least << 4 | core->top);
    for (unsigned o = 1; o <= m->bounds.orders; o++)
        put(e, e->name[o][core->command[o]]);
}

struct fingerprint fingerprint_of(const struct model *m)
{
    struct encoder e = {.fingerprint = {1, 2}};
    name_commands(&e, m);
    for (unsigned v = 0; v < m->bounds.views; v++) {
        for (unsigned o = 1; o <= m->bounds.orders; o++)
            put(&e, e.name[o][m->prepare[v][o]]);
        for (unsigned base = 0; v && base <= model_is(m, MUTANT_CORE_TWICE); base++)
            put_core(&e, m, &m->core[v][base]);
    }
    for (unsigned r = 0; r < model_members(m); r++) {
        const struct replica *replica = &m->replica[r];
        for (unsigned v = 0; v < m->bounds.views; v++)
            put(&e, replica->voted[v]);
        if (replica->faulty)
            put_faulty(&e, m, replica);
        else
            put_correct(&e, m, replica);
    }
    while (e.bytes % 8)
        put(&e, 0);
    return e.fingerprint;
}
