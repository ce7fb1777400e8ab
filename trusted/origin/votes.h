/*
 * Votes on one bundle: what each replica says became of it. Each replica has one vote, its latest valid one; two are
 * equal when outcome, slot and, per operation, status, result and version are. Results may come as digests, so replies are
 * compared in canonical form: every long result by its digest. A full result counts only where its digest does.
 *
 * Correct replicas send the same canonical form, so the usual cost of a vote is one comparison of memory.
 */
#ifndef ORIGIN_VOTES_H
#define ORIGIN_VOTES_H

#include "base/limits.h"
#include "origin/memory.h"
#include "wire/reply.h"

/* One opinion and who holds it. */
struct client_ballot {
    struct client_ballot *next;
    uint8_t outcome; /* enum reply_outcome */
    bool complete;   /* all results are at hand: in `full`, or in `canonical` where that is empty */
    slot_no slot;
    uint32_t voters; /* bit per replica */
    struct client_bytes canonical;
    struct client_bytes full;
};

/* What the Troxy of a replica vouches for (wire/certified.h). */
struct client_certificate {
    uint64_t counter; /* 0: none came */
    slot_no slot;
    uint32_t index;
    struct digest head;
};

struct client_votes {
    struct client_certificate certificate[REPLICAS_MAX];
    struct client_ballot *ballots;
    struct client_ballot *of[REPLICAS_MAX]; /* NULL: has not voted */
    uint64_t nonce[REPLICAS_MAX];
};

enum client_vote { VOTE_COUNTED, VOTE_REPEATED, VOTE_CHANGED, VOTE_MALFORMED, VOTE_NO_MEMORY };

/* Counts a decrypted reply (`plain` may be taken over: its data is exchanged then). `ops` operations are expected;
 * `scratch` is the caller's and keeps nothing. VOTE_CHANGED: this replica has said something else before. */
enum client_vote client_votes_add(struct client_votes *votes, const struct client_memory *memory,
                                  replica_id replica, const struct reply *reply, uint32_t ops,
                                  struct client_bytes *plain, struct client_bytes *scratch);

/* The ballot that at least `quorum` replicas hold, or NULL. */
struct client_ballot *client_votes_winner(const struct client_votes *votes, uint32_t quorum);
/* ... of which so many have a certificate for its slot, all of one history (hybster with fast reads); `index` is where in the slot. What
 * was not executed needs none: f+1 say so. */
struct client_ballot *client_votes_certified(const struct client_votes *votes, uint32_t quorum,
                                             uint32_t *index);
/* The plaintext with all results of a ballot that is complete. */
struct slice client_ballot_results(const struct client_ballot *ballot);
void client_votes_clear(struct client_votes *votes, const struct client_memory *memory);

/* The next operation's result in such a plaintext; the caller knows that it is well-formed. */
struct client_result {
    uint8_t status;
    uint8_t form;
    struct slice bytes;
    uint64_t version; /* with RESULT_VERSION in `form` */
};
bool client_result_next(struct reader *reader, struct client_result *result);

#endif
