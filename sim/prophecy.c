/*
 * Prophecy: Troxies that take one replica's word for it that what they know of a request still holds. A read may then be stale, as a
 * replica can lag behind, or lie. What holds all the same, and is looked at here:
 *
 *   never wrong        it is what the request gave at some place in the order: what is kept comes from a full vote
 *   never going back   not at a place before one at which the same Prophecy had told an answer to the same request when this one began
 *   once caught up     when every replica had executed, as the read began, what was acknowledged by then, it is no older than that:
 *                      whichever is asked knows. (If all Execution compartments are correct.)
 */
#include "world.h"

static struct prophecy_told *told_of(struct sim_troxy *troxy, const struct stock_op *op)
{
    uint32_t hash = 2166136261u;
    for (uint16_t i = 0; i < op->len; i++)
        hash = (hash ^ op->request[i]) * 16777619u;
    return &troxy->prophecy.told[hash % PROPHECY_TOLD];
}

static bool is_same(const struct prophecy_told *told, const struct stock_op *op)
{
    return told->len == op->len && memcmp(told->request, op->request, op->len) == 0;
}

static bool all_caught_up(const struct world *w, uint64_t place)
{
    for (replica_id r = 0; r < w->n; r++) {
        const struct execution *e = w->replica[r].cell[CELL_E].state;
        if (world_is_faulty(w, r, CELL_E) || w->replica[r].crashed || e->executed < place >> 20)
            return false;
    }
    return true;
}

void prophecy_issue(struct world *w, struct sim_troxy *troxy, struct stock_op *op)
{
    const struct prophecy_told *told = told_of(troxy, op);
    op->floor = is_same(told, op) ? told->place : 0;
    op->caught_up = all_caught_up(w, op->after);
}

void prophecy_told(struct world *w, uint32_t s, struct sim_troxy *troxy, const struct stock_op *op,
                   const struct redoubt_outcome *outcome)
{
    struct prophecy_told *told = told_of(troxy, op);
    uint64_t from = op->after > op->floor ? op->after : op->floor, place;
    if (!ledger_could_read(w, from, op->request, op->len, outcome, &place)) {
        w->result->stale_reads++;
        if (op->caught_up)
            world_violation(w, "stock client %u read what was stale, though every replica knew better", s);
        if (!ledger_could_read(w, op->floor, op->request, op->len, outcome, &place))
            world_violation(
                w, "stock client %u read what never was, or what was before an answer already told", s);
    }
    if (is_same(told, op) && told->place >= place)
        return;
    told->place = place;
    told->len = op->len;
    memcpy(told->request, op->request, op->len);
}
