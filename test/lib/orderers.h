/*
 * Hybster's orderers of n replicas, each with a real counter compartment and real keys, and no hosts: the test carries every frame by
 * hand, or lets orderers_run carry them all. x->validate runs after every step. Batches are empty: their times tell them apart.
 */
#ifndef TEST_ORDERERS_H
#define TEST_ORDERERS_H

#include "hybster/orderer.h"

#define ORDERERS_FRAMES 4096u
#define ORDERERS_SLOTS  600u

/* The slot in which a RECONFIG is executed, and the last one that the counters count for which it replaces. */
#define ORDERERS_RECONFIG 1u
#define ORDERERS_ACTIVE   (WINDOW + CHECKPOINT_INTERVAL)

struct orderers_frame {
    replica_id from;
    uint8_t *data;
    size_t len;
    struct frame frame;
    uint32_t done; /* replicas that have it; a bit each */
};

struct orderers {
    uint32_t n;
    uint32_t pillars;
    struct sign_key admin;
    struct tag16 cluster;
    uint8_t group[32];
    struct {
        const struct compartment_type *type[2]; /* orderer, counter */
        struct arena arena[2];
        void *memory[2];
        void *state[2];
        struct outbox out;
        epoch_no epoch;
        uint8_t *held[16]; /* calls to its counter that wait */
        size_t held_len[16];
        unsigned held_count;
        struct digest committed[ORDERERS_SLOTS]; /* what it told its host to be final; all 0xff: nothing */
    } at[7];
    struct orderers_frame sent[ORDERERS_FRAMES]; /* to other orderers */
    unsigned frames;
    uint64_t now_us;
    uint32_t down; /* bits: nothing reaches them, nothing comes from them */
    uint32_t hold; /* bits: what they ask of their counters waits for orderers_answer */
    /* When set, asked before a frame is carried: true keeps it from that replica for good. */
    bool (*drop)(const struct orderers_frame *sent, replica_id to);
};

struct orderers *orderers_new(uint32_t n);
struct orderers *orderers_with_pillars(uint32_t n, uint32_t pillars);
void orderers_free(struct orderers *o);
static inline struct orderer *orderers_at(struct orderers *o, replica_id r)
{
    return o->at[r].state[0];
}

/* One frame to one orderer, its flush, and N's answers to what it asks. */
enum verdict orderers_give(struct orderers *o, replica_id r, struct slice frame);
/* A counter answers the first call that waits. */
void orderers_answer(struct orderers *o, replica_id r);
/* Carries everything until nothing moves. */
void orderers_run(struct orderers *o);

/* What a malicious host may do: asks that replica's counter for one certificate, with no orderer between. */
enum verdict orderers_certify(struct orderers *o, replica_id r, const struct counter_command *command,
                              struct counter_made *made);

enum verdict orderers_propose(struct orderers *o, replica_id r);
enum verdict orderers_leave(struct orderers *o, replica_id r, view_no view);
/* Its orderer and its counter are lost; fresh ones begin with the manifest, which does not name them. */
void orderers_restart(struct orderers *o, replica_id r);
/* A CONFIGURATION: the others' E say that a RECONFIG was executed which names what runs at replica r (or `nobodys`: keys that
 * nobody has). Valid until the next call. */
struct slice orderers_configuration(struct orderers *o, replica_id r, bool nobodys);

/* CHECKPOINTs at a slot, by E of these replicas, to everybody that is up. */
void orderers_checkpoint(struct orderers *o, uint32_t by, slot_no slot);
bool orderers_committed(const struct orderers *o, replica_id r, slot_no slot);
/* The newest such frame from that replica; NULL: none. */
const struct orderers_frame *orderers_last(const struct orderers *o, replica_id from, enum frame_type type);
static inline struct slice orderers_slice(const struct orderers_frame *sent)
{
    return (struct slice){sent->data, sent->len};
}

#endif
