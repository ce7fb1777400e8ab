/*
 * Reads without an order: an operation that only reads is asked of every replica's E at once, and its outcome told when enough of them say
 * the same. Wraps a client core, to which everything goes that cannot be answered like this: it is ordered then, by the same deadline, and
 * only its latency shows it. Pure, as the core is; its functions take the place of the core's of the same name.
 *
 * How many is enough depends on the mode:
 *
 *   sound      splitbft, pbft: the read quorum, 2f+1; hybster: all n. With the same result *and* the same version. Whoever saw a write, or an earlier
 *              read, complete had it from so many replicas that a correct one is among those asked now, and has executed it. (2f+1 of 3f+1
 *              and 2f+1 share f+1; f+1 of n and all n share f+1.) It says what its state holds, so what all of them agree on is not older.
 *              Versions make it linearizable between reads, too: equal versions name one stretch of the order in which nothing
 *              read was changed, and the correct replica that two reads share does not go back.
 *   published  f+1 with the same result. One of them is correct, so it was true at *some* time: a correct replica that lags, and a liar that
 *              says what it says, are f+1. Reads may be stale and go back; for comparison with what is published, not for use.
 *
 * Sound reads are not possible where replies of f+1 complete a write and the protocol has 3f+1 replicas (`fast_reads: off`): all are
 * ordered.
 *
 * When answers differ a read is ordered at once; when they do not come, after a multiple of the time that they take. Then reads are
 * ordered for a while, and one tries again: with hybster a single silent replica is enough for that.
 */
#ifndef ORIGIN_READS_H
#define ORIGIN_READS_H

#include "ordering/versions.h"
#include "origin/core.h"
#include "wire/reading.h"

#define READ_ROUNDS_MAX    8u   /* questions under way */
#define READ_ROUND_OPS_MAX 256u /* operations in one */

enum read_said { READ_SAID_NOTHING, READ_SAID_RETRY, READ_SAID_RESULT };

/* What one replica says about one operation. */
struct read_vote {
    uint8_t said; /* enum read_said */
    uint8_t status;
    version_no version;
    struct digest digest; /* of the result */
    struct slice result;  /* data NULL: only its digest came */
};

struct read_round {
    bool used;
    uint64_t nonce;
    configuration_no number;
    uint32_t replicas;
    uint32_t answered; /* bit per replica */
    replica_id full;   /* sends results in full */
    struct digest question;
    uint64_t sent_us, due_us;
    struct client_chunk *chunk; /* plaintext of the question, and who asks */
    struct read_vote *vote;     /* chunk->count rows of `replicas` */
    struct client_bytes plain[REPLICAS_MAX];
};

struct client_reads_counters {
    uint64_t unordered; /* reads that were answered without an order */
    uint64_t ordered;   /* ... that had to be ordered */
    uint64_t rounds, silent_rounds;
    uint64_t bad_answers;
};

struct client_reads {
    struct client_core *core; /* kept */
    enum redoubt_read_mode mode;
    struct client_queue queue;
    struct read_round round[READ_ROUNDS_MAX];
    uint32_t rounds;
    uint64_t nonce;
    uint32_t late; /* bit per replica: did not answer in time */
    uint64_t typical_us;
    uint64_t pause_us; /* 0: answers come; else this long nobody is asked after a round in vain */
    uint64_t paused_until_us;
    struct client_reads_counters counters;
};

/* Equal answers that complete a read; 0: reads of this mode are ordered. */
uint32_t client_read_quorum(const struct configuration *configuration, enum redoubt_read_mode mode);

void client_reads_init(struct client_reads *reads, struct client_core *core, enum redoubt_read_mode mode);
/* Ends what is under way, here and in the core; then only deinit may follow, which leaves the core to its owner. */
void client_reads_close(struct client_reads *reads, uint64_t now_us);
void client_reads_deinit(struct client_reads *reads);

/* An operation that its caller says only reads (one that would write is ordered). As client_core_submit. */
int client_reads_submit(struct client_reads *reads, const void *op, size_t len, uint64_t deadline_us,
                        redoubt_done done, void *context, uint64_t now_us);
/* These do what the core's do, too. */
void client_reads_flush(struct client_reads *reads, uint64_t now_us);
enum verdict client_reads_on_frame(struct client_reads *reads, replica_id replica, const uint8_t *data,
                                   size_t len, uint64_t now_us);
void client_reads_on_timer(struct client_reads *reads, uint64_t now_us);
uint64_t client_reads_next_timer(const struct client_reads *reads);
void client_reads_validate(const struct client_reads *reads);

#endif
