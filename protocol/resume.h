/*
 * How a replica is given back what its log holds: which records go to whom, in which order. Pure; the log is its caller's
 * (host/store, or the simulator's disk).
 *
 *   resume_compartments   before START: P and C from their last full record on; E from the base of the checkpoint that is saved (slot
 *                         0: none), the saved checkpoint, and then record by record: the bundles of its slots, the record, their lists
 *   resume_engine         after START: lists and bundles that peers may still need
 *
 * A replica that rejoins gives back E's part only: what P and C promised is of an epoch that is over.
 *
 *   resume_follow, resume_retired   for whoever makes the START that resumes: the configuration that it goes on from
 *   resume_closed, resume_resize    ... with another number of replicas
 */
#ifndef PROTOCOL_RESUME_H
#define PROTOCOL_RESUME_H

#include "engine.h"

struct resume_record {
    enum persist_kind kind;
    bool full;
    slot_no slot;
    struct digest digest;
};

struct resume_log {
    const struct resume_record *record; /* in order */
    uint32_t count;
    /* Bytes of a record, valid until the next call; NULL data when they cannot be read. */
    struct slice (*read)(void *context, uint32_t index);
    void *context;
};

struct resume_sink {
    void (*give)(void *context, enum kind kind, struct slice frame); /* to a compartment */
    void (*give_saved)(void *context); /* its part of E's: all rows of the saved checkpoint as LOCAL-RECALL */
    void (*give_genesis)(
        void *context); /* where nothing is saved: what the cluster began with; NULL: nothing */
    void *context;
    uint8_t *scratch; /* FRAME_MAX */
    uint32_t *order;  /* room for `count` numbers */
};

void resume_compartments(const struct resume_log *log, slot_no saved, bool rejoins,
                         const struct resume_sink *sink);
void resume_engine(const struct resume_log *log, const struct engine_type *type, void *engine,
                   slot_no executed, slot_no stable);

/* Follows the CONFIGURATIONs of a list (u32 length and frame each) as far as they lead on; true when it was anywhere. */
bool resume_follow(struct configuration *configuration, struct slice list);
/* The keys of E that were ever listed, the latest first, as a list of struct retired; returns its length. */
size_t resume_retired(const struct configuration *before, uint8_t *out, size_t cap);

/* Does one of these CONFIGURATIONs show that the cluster is closed, and where? */
bool resume_closed(const struct configuration *configuration, struct slice list, slot_no *slot,
                   struct digest *root);
/* The configuration from then on, as far as the ordered state knows it: of new replicas that is what START is going to list. */
void resume_resize(struct configuration *configuration, uint32_t replicas, struct slice members);

/* A LOCAL-RECALL frame; returns its length. */
size_t resume_frame(uint8_t *out, size_t cap, unsigned what, uint64_t number, struct slice bytes);

#endif
