/*
 * Which batch a slot holds: COMMIT (v,s,d) of 2f+1 distinct C, or EXECUTED(s,d) of f+1 distinct E. With hybster the own host's word
 * stands in place of COMMITs: it is in the same fault domain, and orders.
 */
#include "execution/execution.h"

static void decide(struct exec_slot *s, const struct digest *batch)
{
    s->committed = true;
    s->batch = *batch;
}

static uint32_t count_votes(const struct exec_vote *votes, uint32_t replicas, const struct exec_vote *like)
{
    uint32_t count = 0;
    for (replica_id r = 0; r < replicas; r++)
        count +=
            votes[r].present && votes[r].view == like->view && digest_equal(&votes[r].batch, &like->batch);
    return count;
}

enum verdict execution_on_commit(struct execution *e, const struct frame *frame, bool local)
{
    struct vote vote;
    enum verdict verdict = vote_check(frame, &vote);
    if (verdict == VERDICT_ACCEPT)
        verdict = exec_place_check(e, vote.slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (e->configuration.protocol == PROTOCOL_HYBSTER)
        return VERDICT_UNEXPECTED;
    if (frame->sender.id >= e->configuration.replicas)
        return VERDICT_UNKNOWN_SENDER;
    struct exec_slot *s = exec_slot_at(e, vote.slot);
    if (s->committed)
        return VERDICT_DUPLICATE;
    struct exec_vote *known = &s->commit[frame->sender.id];
    bool known_view = known->present && known->view >= vote.view;
    if (known_view && known->view > vote.view)
        return VERDICT_STALE;
    if (known_view && digest_equal(&known->batch, &vote.batch) && !mutant(MUTANT_VOTES_BY_MESSAGE))
        return VERDICT_DUPLICATE;
    bool co_located = local && e->config.one_domain && frame->sender.id == e->config.replica;
    if (!co_located)
        verdict = auth_check_mac_at(&e->auth, frame, vote.slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (known_view && !mutant(MUTANT_VOTES_BY_MESSAGE))
        return VERDICT_EQUIVOCATION;
    *known = (struct exec_vote){.present = true, .view = vote.view, .batch = vote.batch};
    s->messages++;
    uint32_t need = quorum_vote(&e->configuration) - (mutant(MUTANT_QUORUM_ONE_SHORT_E) ? 1 : 0);
    uint32_t have = mutant(MUTANT_VOTES_BY_MESSAGE)
                        ? s->messages
                        : count_votes(s->commit, e->configuration.replicas, known);
    if (have >= need)
        decide(s, &vote.batch);
    return VERDICT_ACCEPT;
}

enum verdict execution_on_local_committed(struct execution *e, const struct frame *frame)
{
    struct local_committed committed;
    if (!local_committed_decode(frame->body, &committed))
        return VERDICT_MALFORMED;
    if (e->configuration.protocol != PROTOCOL_HYBSTER)
        return VERDICT_UNEXPECTED;
    enum verdict verdict = exec_place_check(e, committed.slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct exec_slot *s = exec_slot_at(e, committed.slot);
    if (s->committed)
        return VERDICT_DUPLICATE;
    decide(s, &committed.batch);
    return VERDICT_ACCEPT;
}

/* f+1 E say they executed it, so a correct one did. The view does not matter. */
enum verdict execution_on_executed(struct execution *e, const struct frame *frame)
{
    struct vote vote;
    enum verdict verdict = vote_check(frame, &vote);
    if (verdict == VERDICT_ACCEPT)
        verdict = exec_place_check(e, vote.slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (frame->sender.id >= e->configuration.replicas || frame->sender.id == e->config.replica)
        return VERDICT_UNKNOWN_SENDER;
    struct exec_slot *s = exec_slot_at(e, vote.slot);
    if (s->committed || s->executed[frame->sender.id].present)
        return VERDICT_DUPLICATE;
    verdict = auth_check_mac(&e->auth, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (mutant(MUTANT_EXECUTION_ON_COMMITS_ALONE))
        return VERDICT_UNEXPECTED;
    struct exec_vote *mine = &s->executed[frame->sender.id];
    *mine = (struct exec_vote){.present = true, .view = 0, .batch = vote.batch};
    if (count_votes(s->executed, e->configuration.replicas, mine) >= quorum_one_correct(&e->configuration))
        decide(s, &vote.batch);
    return VERDICT_ACCEPT;
}
