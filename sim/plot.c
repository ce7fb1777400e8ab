/*
 * A plot against fast reads over a renewal: what it takes is a liar, the clone of an E that was renewed, one that lags, and a Troxy
 * that has not heard of the renewal, all at the right moment. Chance does not come to that; hosts that work together do.
 *
 * A replica is renewed, and its host keeps its E of before. From then on another host keeps CONFIGURATIONs from its Troxy. As soon
 * as the victim, a correct E, has come to the activation slot, it is given nothing more to execute, nor is the clone; the faulty E attests
 * what the victim would; and the Troxy's host lets no attestation through but those of these three. Everybody else goes on: writes
 * are acknowledged under the new number, and if attestations counted that are not of the number which that Troxy holds, its clients
 * would read what was before.
 */
#include "world.h"

#define LEARNS_US 5000000u /* for the renewal to be ordered, and the victim to come to its activation slot */
#define LAGS_US   2500000u

static bool hosts_it(const struct world *w, replica_id r)
{
    return w->replica[r].host_faulty && !w->replica[r].crashed;
}

/* A Troxy with fewer links than a quorum does not begin another session when nobody answers it any more, by the number that it holds. */
static void link_reader(struct world *w, uint32_t t, bool linked)
{
    for (replica_id r = 0; w->troxy[t].access && r < w->n; r++)
        if (linked)
            replicated_on_connected(w->troxy[t].access, r, w->now_us);
        else
            replicated_on_disconnected(w->troxy[t].access, r);
}

static bool ends(struct world *w)
{
    if (w->plot.on && (w->healing || w->now_us >= w->plot.until_us)) {
        uint32_t reader = w->plot.reader;
        w->plot = (struct plot){0};
        link_reader(w, reader, true);
    }
    return !w->plot.on;
}

void plot_begin(struct world *w, replica_id renewed)
{
    struct dice *d = &w->plot_dice;
    if (!w->plots || !ends(w) || w->healing)
        return;
    replica_id victim = (renewed + 1 + dice_below(d, w->n - 1)) % w->n;
    replica_id reader = (renewed + 1 + dice_below(d, w->n - 1)) % w->n;
    if (world_is_faulty(w, victim, CELL_E))
        victim = (renewed + 1 + (victim + w->n - renewed) % (w->n - 1)) % w->n;
    if (!hosts_it(w, victim) || !hosts_it(w, reader) || world_is_faulty(w, victim, CELL_E) ||
        w->replica[victim].rejoining)
        return;
    world_fault(w);
    world_trace(w, "fault: plot: r%u is renewed, r%u will lag, troxy %u reads", renewed, victim, reader);
    w->plot = (struct plot){.on = true,
                            .renewed = renewed,
                            .victim = victim,
                            .reader = reader,
                            .until_us = w->now_us + LEARNS_US};
    link_reader(w, reader, false);
}

bool plot_keeps_news(struct world *w, uint32_t troxy)
{
    return !ends(w) && w->plot.reader == troxy;
}

/* It knows of the renewal, and has signed the checkpoint from which on that is in force. */
static bool has_come(const struct world *w)
{
    const struct execution *e = w->replica[w->plot.victim].cell[CELL_E].state;
    const struct ordered_keys *keys = &e->configuration.ordered[KIND_EXECUTION - KIND_HOST][w->plot.renewed];
    return keys->epoch >= founding_member(w->plot.renewed, CELL_E)->epoch &&
           e->checkpoint_slot >= keys->after;
}

/* From what an E learns that others are further: it attests nothing when it knows of a stable checkpoint that it has not executed. */
static bool tells_progress(unsigned type)
{
    return type == FRAME_CHECKPOINT || type == FRAME_CONFIGURATION || type == FRAME_PARTING ||
           type == FRAME_STATE || type == FRAME_LOCAL_CHECKPOINT || type == FRAME_LOCAL_CATCH_UP;
}

static bool brings_on(unsigned type)
{
    return type == FRAME_COMMIT || type == FRAME_EXECUTED || tells_progress(type);
}

uint64_t plot_keeps_from_execution(struct world *w, replica_id r, unsigned type)
{
    if (ends(w) || w->plot.victim != r || !brings_on(type))
        return 0;
    if (!w->plot.lags && has_come(w)) {
        world_trace(w, "fault: plot: r%u lags from now on", r);
        w->plot.lags = true;
        w->plot.until_us = w->now_us + LAGS_US;
    }
    return w->plot.lags ? w->plot.until_us - w->now_us : 0;
}

bool plot_keeps_from_clone(struct world *w, replica_id r, uint32_t cell, unsigned type)
{
    if (ends(w) || w->plot.renewed != r || cell != CELL_E)
        return false;
    return w->plot.lags ? brings_on(type) : tells_progress(type);
}

bool plot_is_quiet(struct world *w)
{
    return !ends(w) && !w->plot.lags;
}

bool plot_reads_only(struct world *w, uint32_t troxy)
{
    return plot_is_quiet(w) || plot_keeps_news(w, troxy);
}

uint32_t plot_invites(struct world *w, uint32_t troxy)
{
    return !ends(w) && w->plot.lags && dice_chance(&w->plot_dice, 0.5) ? w->plot.reader : troxy;
}

bool plot_keeps_answer(struct world *w, uint32_t troxy, replica_id from)
{
    if (ends(w) || !w->plot.lags || w->plot.reader != troxy)
        return false;
    return from != w->plot.renewed && from != w->plot.victim && !world_is_faulty(w, from, CELL_E);
}

const struct execution *plot_model(struct world *w)
{
    return !ends(w) && w->plot.lags ? w->replica[w->plot.victim].cell[CELL_E].state : NULL;
}
