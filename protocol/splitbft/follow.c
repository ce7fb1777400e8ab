/*
 * Who left a view alone is followed. Views only rise, so a replica whose timer alone expired (it was slow, or cut off) votes no more until
 * the others come to its view, and nothing else would make them: for as long, one fault more stops the service. So when a peer says for
 * a while that it waits in a later view, and its P's signature shows that it left, hosts leave for there; f of them, and the others join.
 *
 * Its host may lie, and leave again and again: each time that it is followed it waits twice as long, and what was doubled is halved only
 * after four times as long in the view. It is not followed further than a few views at once, and not when it lags so far that it
 * could not vote anyway.
 */
#include "splitbft/broker.h"

#define FOLLOWED_MAX     10u /* doublings */
#define FOLLOW_VIEWS_MAX 16u

static uint64_t wait_of(const struct broker *b, const struct peer *peer)
{
    return (LAG_PATIENCE * b->timeout_us) << peer->followed;
}

static bool is_alone(const struct broker *b, const struct peer *peer)
{
    return !peer->in_view && peer->view > b->view && peer->parting > b->view &&
           peer->executed + WINDOW > b->executed;
}

/* True when it is to be followed now. */
static bool watch(const struct broker *b, struct peer *peer)
{
    bool there = peer->known && b->now_us - peer->heard_us < 4 * b->timeout_us;
    bool alone = there && b->in_view && is_alone(b, peer);
    if (alone != peer->alone || !there) {
        peer->alone = alone;
        peer->alone_since_us = b->now_us;
    }
    uint64_t since = b->now_us - peer->alone_since_us;
    if (!alone && peer->followed && since > 4 * wait_of(b, peer)) {
        peer->followed--;
        peer->alone_since_us = b->now_us;
    }
    return alone && since > wait_of(b, peer);
}

/* Seeded bugs that leave a replica alone for good would only make it wait a while. */
static bool hides_bugs(void)
{
    return mutant(MUTANT_NO_JOINING) || mutant(MUTANT_EXECUTION_ON_COMMITS_ALONE);
}

void follow_tick(struct broker *b)
{
    if (hides_bugs())
        return;
    for (replica_id r = 0; r < b->configuration->replicas; r++) {
        struct peer *peer = &b->peer[r];
        if (r == b->config.replica || !watch(b, peer))
            continue;
        if (peer->followed < FOLLOWED_MAX)
            peer->followed++;
        peer->alone_since_us = b->now_us;
        view_no most = b->view + FOLLOW_VIEWS_MAX;
        liveness_leave(b, peer->parting < most ? peer->parting : most);
    }
}
