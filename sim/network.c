/*
 * Links between replicas: each direction loses, repeats, delays and reorders by itself, and can be cut by itself.
 */
#include "world.h"

void network_init(struct world *w)
{
    struct dice *d = &w->network_dice;
    struct link usual = {.delay_us = w->options.plain_network ? 100 : 50 + dice_below(d, 400),
                         .jitter_us = w->options.plain_network ? 0 : dice_below(d, 300)};
    for (replica_id a = 0; a < w->n; a++)
        for (replica_id b = 0; b < w->n; b++)
            w->link[a][b] = usual;
    w->client_link = usual;
}

void network_join(struct world *w, replica_id r)
{
    for (replica_id a = 0; a < w->n; a++) {
        w->link[a][r] = w->link[r][a] = w->link[0][1];
        w->link[a][r].cut = w->link[r][a].cut = false;
    }
}

void network_send(struct world *w, replica_id from, replica_id to, struct parcel *parcel)
{
    struct link *link = &w->link[from][to];
    struct dice *d = &w->network_dice;
    nemesis_sees(w, from, parcel_slice(parcel));
    if (link->cut || w->replica[to].crashed)
        return;
    if (link->loss > 0 && dice_chance(d, link->loss)) {
        world_fault(w);
        return;
    }
    uint64_t delay = link->delay_us + (link->jitter_us ? dice_below(d, (uint32_t)link->jitter_us) : 0);
    world_later(w, delay, DUE_PEER, to, from, 0, parcel_hold(parcel));
    if (link->replay > 0 && dice_chance(d, link->replay)) {
        /* Mostly soon, sometimes much later. */
        uint64_t later = dice_chance(d, 0.9) ? dice_below(d, 20000) : dice_below(d, 5000000);
        world_later(w, delay + later, DUE_PEER, to, from, 0, parcel_hold(parcel));
        world_fault(w);
    }
}

void network_heal(struct world *w)
{
    for (replica_id a = 0; a < w->n; a++)
        for (replica_id b = 0; b < w->n; b++) {
            struct link *link = &w->link[a][b];
            if (link->cut && a != b && replica_is_up(w, a))
                world_later(w, 1000, DUE_PEER_UP, a, b, 0, NULL);
            link->cut = false;
            link->loss = link->replay = 0;
            link->delay_us = w->options.plain_network ? 100 : 50 + dice_below(&w->network_dice, 400);
            link->jitter_us = w->options.plain_network ? 0 : dice_below(&w->network_dice, 300);
        }
    w->client_link.loss = w->client_link.replay = 0;
}
