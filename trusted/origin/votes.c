#include "origin/votes.h"

#include <string.h>

#include "base/bytes.h"
#include "crypto/crypto.h"
#include "ordering/mutant.h"
#include "redoubt/app.h"

#define ENTRY_BYTES        (6u + 8u)
#define CANONICAL_MAX(ops) ((size_t)(ops) * (ENTRY_BYTES + RESULT_SHORT))

bool client_result_next(struct reader *reader, struct client_result *result)
{
    result->status = get_u8(reader);
    result->form = get_u8(reader);
    result->bytes = get_slice(reader);
    result->version = result->form & RESULT_VERSION ? get_u64(reader) : 0;
    return !reader->bad;
}

static bool result_possible(const struct client_result *result)
{
    if (result->status > REDOUBT_FULL && result->status != RESULT_RETRY)
        return false;
    if (result->form & ~(unsigned)(RESULT_DIGEST | RESULT_VERSION) ||
        (result->form & RESULT_VERSION && result->status > REDOUBT_CONFLICT))
        return false;
    return result->form & RESULT_DIGEST ? result->bytes.len == sizeof(struct digest)
                                        : result->bytes.len <= OP_MAX;
}

/* Writes the canonical form; false when `plain` is not `ops` results and nothing more. */
static bool canonical_form(struct slice plain, uint32_t ops, struct client_bytes *out, bool *complete)
{
    struct reader r = reader_of(plain.data, plain.len);
    struct writer w = writer_to(out->data, out->cap);
    *complete = true;
    for (uint32_t i = 0; i < ops; i++) {
        struct client_result result;
        struct digest digest;
        if (!client_result_next(&r, &result) || !result_possible(&result))
            return false;
        if (result.form & RESULT_DIGEST) {
            *complete = false;
        } else if (result.bytes.len > RESULT_SHORT) {
            digest_of(&digest, RESULT_TAG, result.bytes.data, result.bytes.len);
            result.form |= RESULT_DIGEST;
            result.bytes = (struct slice){digest.bytes, sizeof digest.bytes};
        }
        put_u8(&w, result.status);
        put_u8(&w, result.form);
        put_slice(&w, result.bytes);
        if (result.form & RESULT_VERSION)
            put_u64(&w, mutant(MUTANT_VERSION_NOT_VOTED) ? 0 : result.version);
    }
    out->len = w.len;
    return reader_done(&r) && !w.bad;
}

static bool bytes_equal(const struct client_bytes *a, const struct client_bytes *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* A stale reply names no slot: nothing was executed. */
static bool ballot_is(const struct client_ballot *ballot, const struct reply *reply,
                      const struct client_bytes *canonical)
{
    return ballot->outcome == reply->outcome &&
           (reply->outcome == REPLY_STALE || ballot->slot == reply->slot) &&
           bytes_equal(&ballot->canonical, canonical);
}

static struct client_ballot *ballot_find(const struct client_votes *votes, const struct reply *reply,
                                         const struct client_bytes *canonical)
{
    for (struct client_ballot *ballot = votes->ballots; ballot; ballot = ballot->next)
        if (ballot_is(ballot, reply, canonical))
            return ballot;
    return NULL;
}

static void ballot_free(struct client_ballot *ballot, const struct client_memory *memory)
{
    client_bytes_free(&ballot->canonical, memory);
    client_bytes_free(&ballot->full, memory);
    memory_give(memory, ballot, sizeof *ballot);
}

static struct client_ballot *ballot_new(struct client_votes *votes, const struct client_memory *memory,
                                        const struct reply *reply, const struct client_bytes *canonical)
{
    struct client_ballot *ballot = memory_take(memory, sizeof *ballot);
    if (!ballot)
        return NULL;
    memset(ballot, 0, sizeof *ballot);
    if (!client_bytes_reserve(&ballot->canonical, memory, canonical->len)) {
        ballot_free(ballot, memory);
        return NULL;
    }
    if (canonical->len)
        memcpy(ballot->canonical.data, canonical->data, canonical->len);
    ballot->canonical.len = canonical->len;
    ballot->outcome = reply->outcome;
    ballot->slot = reply->slot;
    ballot->next = votes->ballots;
    votes->ballots = ballot;
    return ballot;
}

static void ballot_leave(struct client_votes *votes, const struct client_memory *memory, replica_id replica)
{
    struct client_ballot *ballot = votes->of[replica];
    votes->of[replica] = NULL;
    if (!ballot)
        return;
    ballot->voters &= ~(1u << replica);
    if (ballot->voters)
        return;
    struct client_ballot **link = &votes->ballots;
    while (*link != ballot)
        link = &(*link)->next;
    *link = ballot->next;
    ballot_free(ballot, memory);
}

/* The ballot that this reply is for, made when it is the first of its kind. */
static enum client_vote ballot_for(struct client_votes *votes, const struct client_memory *memory,
                                   const struct reply *reply, uint32_t ops, struct client_bytes *plain,
                                   struct client_bytes *scratch, struct client_ballot **ballot)
{
    bool complete = false;
    *ballot = ballot_find(votes, reply, plain); /* well-formed, since it equals what was */
    if (*ballot)
        return VOTE_COUNTED;
    scratch->len = 0;
    if (reply->outcome != REPLY_EXECUTED) {
        if (plain->len != 0)
            return VOTE_MALFORMED;
        *ballot = ballot_new(votes, memory, reply, scratch);
        return *ballot ? VOTE_COUNTED : VOTE_NO_MEMORY;
    }
    if (!client_bytes_reserve(scratch, memory, CANONICAL_MAX(ops)))
        return VOTE_NO_MEMORY;
    if (!canonical_form((struct slice){plain->data, plain->len}, ops, scratch, &complete))
        return VOTE_MALFORMED;
    *ballot = ballot_find(votes, reply, scratch);
    if (!*ballot)
        *ballot = ballot_new(votes, memory, reply, scratch);
    if (!*ballot)
        return VOTE_NO_MEMORY;
    if (complete && !(*ballot)->complete) {
        (*ballot)->complete = true;
        if (!bytes_equal(plain, scratch)) {
            struct client_bytes taken = *plain;
            *plain = (*ballot)->full;
            (*ballot)->full = taken;
        }
    }
    return VOTE_COUNTED;
}

enum client_vote client_votes_add(struct client_votes *votes, const struct client_memory *memory,
                                  replica_id replica, const struct reply *reply, uint32_t ops,
                                  struct client_bytes *plain, struct client_bytes *scratch)
{
    struct client_ballot *before = votes->of[replica];
    /* Whoever executed a bundle may have forgotten it since: that takes nothing back. */
    if (before && before->outcome != REPLY_STALE && reply->outcome == REPLY_STALE)
        return VOTE_REPEATED;
    if (before && (before->outcome == REPLY_STALE) == (reply->outcome == REPLY_STALE) &&
        reply->nonce <= votes->nonce[replica])
        return VOTE_REPEATED;
    struct client_ballot *ballot;
    enum client_vote vote = ballot_for(votes, memory, reply, ops, plain, scratch, &ballot);
    if (vote != VOTE_COUNTED)
        return vote;
    if (reply->nonce > votes->nonce[replica])
        votes->nonce[replica] = reply->nonce;
    if (ballot == before)
        return VOTE_REPEATED;
    bool changed = before && before->outcome != REPLY_STALE;
    ballot_leave(votes, memory, replica);
    ballot->voters |= 1u << replica;
    votes->of[replica] = ballot;
    return changed ? VOTE_CHANGED : VOTE_COUNTED;
}

struct client_ballot *client_votes_winner(const struct client_votes *votes, uint32_t quorum)
{
    for (struct client_ballot *ballot = votes->ballots; ballot; ballot = ballot->next)
        if ((uint32_t)__builtin_popcount(ballot->voters) >= quorum)
            return ballot;
    return NULL;
}

/* Voters for this ballot whose certificates say the same as that of `like`. */
static uint32_t certified_like(const struct client_votes *votes, const struct client_ballot *ballot,
                               replica_id like)
{
    const struct client_certificate *one = &votes->certificate[like];
    uint32_t count = 0;
    if (!one->counter || one->slot != ballot->slot)
        return 0;
    for (replica_id r = 0; r < REPLICAS_MAX; r++) {
        const struct client_certificate *other = &votes->certificate[r];
        bool same = other->slot == one->slot && other->index == one->index &&
                    (digest_equal(&other->head, &one->head) || mutant(MUTANT_HEADS_NOT_COMPARED));
        count += ballot->voters >> r & 1 && other->counter && same;
    }
    return count;
}

struct client_ballot *client_votes_certified(const struct client_votes *votes, uint32_t quorum,
                                             uint32_t *index)
{
    for (struct client_ballot *ballot = votes->ballots; ballot; ballot = ballot->next) {
        if (ballot->outcome != REPLY_EXECUTED) {
            if ((uint32_t)__builtin_popcount(ballot->voters) >= quorum)
                return ballot;
            continue;
        }
        for (replica_id r = 0; r < REPLICAS_MAX; r++)
            if (ballot->voters >> r & 1 && certified_like(votes, ballot, r) >= quorum) {
                *index = votes->certificate[r].index;
                return ballot;
            }
    }
    return NULL;
}

struct slice client_ballot_results(const struct client_ballot *ballot)
{
    const struct client_bytes *from = ballot->full.len ? &ballot->full : &ballot->canonical;
    return (struct slice){from->data, from->len};
}

void client_votes_clear(struct client_votes *votes, const struct client_memory *memory)
{
    for (struct client_ballot *ballot = votes->ballots, *next; ballot; ballot = next) {
        next = ballot->next;
        ballot_free(ballot, memory);
    }
    memset(votes, 0, sizeof *votes);
}
