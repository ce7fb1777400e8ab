/*
 * All replicas lose power at once, come back with new keys and what is on their disks, and a START resumes the cluster. Frames on
 * their way stay on their way: they are of keys that are gone.
 */
#include "world.h"

void power_loss(struct world *w)
{
    world_trace(w, "fault: power loss");
    world_story(w, "all replicas lose power");
    world_fault(w);
    w->result->power_losses++;
    bool was_alive[CLIENTS_MAX];
    for (uint32_t c = 0; c < w->clients; c++) {
        was_alive[c] = w->client[c].alive;
        client_stop(w, c);
    }
    rejoin_note_learners(w);
    founding_follow(w);
    w->life++;
    for (replica_id r = 0; r < w->n; r++) {
        storage_power_loss(w, r);
        ledger_forget_replica(w, r);
        replica_reborn(w, r);
    }
    rejoin_check_heads(w);
    founding_start(w);
    for (replica_id r = 0; r < w->n; r++) {
        disk_chain_cut(&w->replica[r].disk);
        replica_start(w, r);
        w->replica[r].crashed = w->replica[r].disk.damaged;
    }
    for (uint32_t c = 0; c < w->clients; c++)
        if (was_alive[c])
            client_start(w, c);
    troxies_live_on(w);
    outlive_resumed(w);
    rejoin_after_power_loss(w);
}
