/*
 * What a Byzantine replica does to Hybster with its counter intact: it courts one correct replica while the others hear nothing, then
 * another, and in between forgets what it voted for, or makes up a checkpoint; and as a leader it proposes against its own core. Its orderer is the real one, with something else
 * in its head; so everything that it says bears a certificate that its counter really made.
 */
#include "world.h"

static replica_id pick_faulty(struct world *w)
{
    replica_id first = dice_below(&w->attack_dice, w->n);
    for (uint32_t i = 0; i < w->n; i++) {
        replica_id r = (first + i) % w->n;
        if (w->replica[r].host_faulty && replica_is_up(w, r))
            return r;
    }
    return w->n;
}

/* The faulty one and as many as make a quorum with it are by themselves; the rest are cut off from everybody. */
static void court(struct world *w, replica_id faulty)
{
    uint32_t set = 1u << faulty;
    network_heal(w);
    while ((uint32_t)__builtin_popcount(set) < w->n / 2 + 1)
        set |= 1u << dice_below(&w->attack_dice, w->n);
    for (replica_id a = 0; a < w->n; a++)
        for (replica_id b = 0; b < w->n; b++)
            w->link[a][b].cut = a != b && !(set >> a & set >> b & 1);
    world_trace(w, "attack: replica %u courts %x", faulty, set & ~(1u << faulty));
}

/* Votes from some slot on never happened. */
static void forget(struct world *w, replica_id faulty)
{
    struct orderer *o = w->replica[faulty].cell[CELL_P].state;
    slot_no from = orderer_stable(o) + 1 + dice_below(&w->attack_dice, WINDOW / 4);
    for (unsigned i = 0; i < WINDOW; i++) {
        struct hyb_slot *s = &o->slot[i];
        if (s->slot >= from)
            *s = (struct hyb_slot){.slot = s->slot, .list = s->list};
    }
    world_trace(w, "attack: replica %u forgets from slot %llu on", faulty, (unsigned long long)from);
}

/* A stable checkpoint that nobody signed. */
static void invent(struct world *w, replica_id faulty)
{
    struct orderer *o = w->replica[faulty].cell[CELL_P].state;
    o->stable.certificate.slot += CHECKPOINT_INTERVAL * (1 + dice_below(&w->attack_dice, 2));
    o->stable.certificate.root.bytes[0] ^= 1;
    orderer_truncated(o);
    world_trace(w, "attack: replica %u makes up checkpoint %llu", faulty,
                (unsigned long long)orderer_stable(o));
}

void hybster_after_step(struct world *w, replica_id r)
{
    struct orderer *o = w->replica[r].cell[CELL_P].state;
    if (!o->started || !o->in_view || o->asked || !o->core.count || !orderer_leads(o, o->view) ||
        !dice_chance(&w->attack_dice, 0.3))
        return;
    world_fault(w);
    world_trace(w, "attack: replica %u denies the core of view %llu", r, (unsigned long long)o->view);
    o->core.count = 0;
    o->next_slot = 1 + (o->core.base > orderer_stable(o) ? o->core.base : orderer_stable(o));
}

void hybster_fault(struct world *w)
{
    replica_id faulty = pick_faulty(w);
    if (faulty == w->n)
        return;
    world_fault(w);
    switch (dice_below(&w->attack_dice, 8)) {
    case 0:
    case 1:
    case 2:
        court(w, faulty);
        break;
    case 3:
    case 4:
    case 5:
        forget(w, faulty);
        if (dice_chance(&w->attack_dice, 0.7))
            court(w, faulty);
        break;
    case 6:
        if (dice_chance(&w->attack_dice, 0.1))
            invent(w, faulty);
        break;
    default:
        network_heal(w);
    }
}
