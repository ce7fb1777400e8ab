/*
 * Rounds: questions that wait together travel together, under one nonce, to as many attestors as the read quorum has (or to fewer,
 * when whoever asks wants no more: see replicated.h). Each attestor
 * counts once in a round; a question is settled when so many have said the same version, when two said different ones, or when time
 * is up. Which are asked is drawn by lot among those that answered of late, the replica's own first: it is nearest. Pure.
 */
#ifndef TROXY_ROUNDS_H
#define TROXY_ROUNDS_H

#include "ordering/versions.h"
#include "troxy/attestor.h"

#define ROUNDS_MAX 8u /* under way, and the one that collects */

enum round_answer {
    ROUND_AGREED, /* read_quorum of them say this version; with floors: none above it */
    ROUND_DIFFER,
    ROUND_SILENT /* not enough answers in time */
};

/* Called inside rounds_on_frame, rounds_on_timer and rounds_drop; may give others up, and adds none. */
typedef void (*rounds_settled)(void *context, void *asker, enum round_answer answer, version_no version);

struct round_question {
    void *asker; /* NULL: settled, or given up */
    version_no version;
    uint32_t answers;
};

struct round {
    bool used, sent;
    uint64_t nonce;
    uint64_t sent_us, due_us;
    uint32_t asked, answered; /* a bit for each replica */
    uint32_t count, left;     /* questions; not settled yet */
    size_t len;
    struct round_question question[QUESTIONS_MAX];
    uint8_t bytes[QUESTIONS_BYTES_MAX];
};

struct rounds {
    struct attestor attestor;
    rounds_settled settled;
    void *context;
    const struct configuration *configuration;
    uint32_t attestors; /* so many are asked, and have to agree; 0: as many as the read quorum has */
    bool floors;        /* they name floors, which may be lower than the version that a question is about */
    replica_id local;   /* REPLICAS_MAX: there is none */
    uint64_t nonce;
    uint64_t typical_us; /* how long a round takes */
    uint64_t attest_max_us, sick_us;
    uint64_t well_us[REPLICAS_MAX];    /* not asked before, if others are there */
    struct round *round;               /* ROUNDS_MAX */
    uint64_t rounds, questions, stale; /* counters */
};

/* Where a question stands, so that it can be given up. */
struct round_place {
    uint32_t round, question;
};

/* `round` is memory for ROUNDS_MAX of them, zeroed. */
void rounds_init(struct rounds *rounds, struct round *round, const struct attestor *attestor,
                 uint64_t attest_us);
/* Puts a question to those that wait; false: no more fit now. `version`: with floors, what they are compared with. */
bool rounds_add(struct rounds *rounds, void *asker, const uint32_t *cells, uint32_t count, version_no version,
                struct round_place *place);
void rounds_give_up(struct rounds *rounds, const struct round_place *place, const void *asker);
/* Sends what waits. */
void rounds_flush(struct rounds *rounds, uint64_t now_us);
enum verdict rounds_on_frame(struct rounds *rounds, const struct frame *frame, uint64_t now_us);
void rounds_on_timer(struct rounds *rounds, uint64_t now_us);
uint64_t rounds_next_timer(const struct rounds *rounds);
/* Everything is settled as silent: another configuration. */
void rounds_drop(struct rounds *rounds, const struct configuration *configuration);
void rounds_validate(const struct rounds *rounds);

#endif
