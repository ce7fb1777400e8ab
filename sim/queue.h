/*
 * What is going to happen, in order of simulated time; what is due at the same time happens in the order of entry.
 */
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

#include "parcel.h"

enum due_kind {
    DUE_PEER,         /* frame at replica a's host, from replica b */
    DUE_FROM_CLIENT,  /* frame at replica a's host, from connection b */
    DUE_TO_CLIENT,    /* frame at client a, from replica b; x: its connection */
    DUE_WAKE,         /* compartment b of replica a looks at its input */
    DUE_ENGINE_TIMER, /* replica a; x: which setting of the timer */
    DUE_RUN_END,      /* replica a */
    DUE_PEER_UP,      /* replica a: link to b */
    DUE_CLIENT_TIMER, /* client a; x: which setting */
    DUE_CLIENT_WORK,  /* client a submits */
    DUE_CLIENT_GONE,  /* replica a: connection b */
    DUE_CONNECTED,    /* client a and replica b; x: connection */
    DUE_TO_TROXY,     /* frame at Troxy a, from replica b; x: its incarnation */
    DUE_TROXY_TIMER,  /* Troxy a; x: which setting */
    DUE_TROXY_LOOK,   /* is Troxy a as its replica is? */
    DUE_WITNESS,      /* frame at the witness of replica a */
    DUE_COMMIT,       /* COMMIT for the E of replica a, held by its host until now; b: local */
    DUE_STOCK,        /* stock client a does something */
    DUE_NEMESIS,      /* the next fault */
    DUE_DISK,         /* replica a: a sync of its disk ends; x: life of the disk */
    DUE_SAVE,         /* replica a: piece b of its checkpoint is stored; x: life of the disk */
    DUE_SCRIPT,       /* line a of a scenario */
    DUE_RESTART,      /* replica a comes back, with nothing */
    DUE_RESIZE,       /* the administrator looks how far a change of size is */
    DUE_REJOIN,       /* its launcher looks whether it is listed; x: incarnation */
};

struct due {
    uint64_t at_us;
    uint64_t order;
    enum due_kind kind;
    uint32_t a;
    uint32_t b;
    uint64_t x;
    struct parcel *parcel;
};

struct queue {
    struct due *heap;
    size_t count;
    size_t cap;
    uint64_t entered;
};

void queue_free(struct queue *queue);
/* Takes over the reference to the parcel. */
void queue_add(struct queue *queue, const struct due *due);
bool queue_take(struct queue *queue, struct due *due);

#endif
