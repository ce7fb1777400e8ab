/*
 * A take-over: for a moment of simulated time the attacker is the scheduler of every compartment. It decides which frame
 * reaches which compartment and in what order, it forges with the keys of faulty compartments, and it tells compartments to
 * leave views. That is what Byzantine hosts and an asynchronous network may do, so nothing that happens here may break
 * safety. (pbft: what a correct replica's steps tell each other is not tampered with, only scheduled.)
 *
 * The engines hear whatever their compartments say, so that afterwards they can carry on.
 */
#ifndef SIM_TAKEOVER_H
#define SIM_TAKEOVER_H

#include "world.h"

#define ITEMS_MAX 8192u

struct item {
    struct parcel *parcel;
    struct frame frame;
    replica_id from; /* the replica whose compartment sent it, or whose key it was forged with */
    uint32_t cell;   /* of the sender */
    bool forged;
    bool has_vote;
    struct vote vote;
    uint64_t to;   /* where it goes: bit 3 * replica + cell */
    uint64_t done; /* where it has arrived */
};

struct takeover;
/* May this item reach this compartment now? */
typedef bool (*takeover_rule)(struct takeover *t, const struct item *item, replica_id to, uint32_t cell);

struct takeover {
    struct world *w;
    struct dice *dice;
    struct item *item;
    uint32_t items;
    uint32_t up; /* replicas that take part */
    struct outbox forge;
    uint8_t *forge_memory;
    takeover_rule rule;
    /* What rules look at. */
    view_no view;
    slot_no slot;
    struct digest batch[2];
    struct slice list[2];
    uint8_t list_bytes[2][BATCH_BYTES_MAX];
    uint32_t side[2];            /* replicas told batch 0 or 1 */
    uint32_t blocked_vc;         /* C whose VIEW-CHANGE does not arrive */
    uint64_t gate[REPLICAS_MAX]; /* random per sender: bits of receivers */
    unsigned steps;
};

static inline uint64_t takeover_bit(replica_id r, uint32_t cell)
{
    return 1ull << (CELLS * r + cell);
}

static inline bool takeover_up(const struct takeover *t, replica_id r)
{
    return t->up >> r & 1;
}

static inline struct preparation *takeover_p(const struct takeover *t, replica_id r)
{
    return t->w->replica[r].cell[CELL_P].state;
}

static inline struct confirmation *takeover_c(const struct takeover *t, replica_id r)
{
    return t->w->replica[r].cell[CELL_C].state;
}

static inline struct execution *takeover_e(const struct takeover *t, replica_id r)
{
    return t->w->replica[r].cell[CELL_E].state;
}

static inline bool takeover_faulty(const struct takeover *t, replica_id r, uint32_t cell)
{
    return world_is_faulty(t->w, r, cell);
}

void takeover_run(struct world *w);
/* With a script of one's own instead of one of the attacks. */
void takeover_with(struct world *w, void (*run)(struct takeover *t), const char *name);

/* Delivers whatever the rule lets through, until nothing moves any more. */
void takeover_settle(struct takeover *t, takeover_rule rule);
bool takeover_all(struct takeover *t, const struct item *item, replica_id to, uint32_t cell);
/* One frame of the attacker's (a host's), at once. */
void takeover_deliver(struct takeover *t, replica_id to, uint32_t cell, struct slice frame);
void takeover_leave(struct takeover *t, replica_id r, uint32_t cell, view_no view);
/* Brings every P and C into `view` and lets all E execute what is under way; false when that does not work out. */
bool takeover_gather(struct takeover *t, view_no view);

/* forge.c: `cell` of replica `by` must be faulty. A forged frame becomes an item for `to`. */
void forge_vote(struct takeover *t, replica_id by, uint32_t cell, enum frame_type type, view_no view,
                slot_no slot, const struct digest *batch, struct slice list, uint64_t to);
void forge_parting(struct takeover *t, replica_id by, view_no view, struct slice votes, uint64_t to);
void forge_view_change(struct takeover *t, replica_id by, view_no view, const struct slot_view *claim,
                       uint64_t to);
bool forge_new_view(struct takeover *t, replica_id by, view_no view, const struct digest *instead,
                    uint64_t to);
void forge_checkpoint(struct takeover *t, replica_id by, slot_no slot, const struct digest *root,
                      uint64_t to);
/* Two batches for the same slot, without operations, told apart by their time. */
void forge_batches(struct takeover *t);
struct parcel *forge_bundle(struct takeover *t, origin_id origin);

/* attack.c */
struct attack {
    const char *name;
    unsigned protocols; /* bits: 1 splitbft, 2 pbft, 4 hybster */
    void (*run)(struct takeover *t);
};
extern const struct attack attacks[];
extern const unsigned attack_count;

#endif
