/*
 * Votes of Preparation compartments. The primary's PRE-PREPARE is its PREPARE, and a PREPARE from the primary of that
 * view does not count again.
 */
#include "confirmation/confirmation.h"

static enum verdict place_check(const struct confirmation *c, const struct frame *frame,
                                const struct vote *vote)
{
    if (vote->view < c->view && !mutant(MUTANT_C_COMMITS_AFTER_LEAVING))
        return VERDICT_STALE;
    bool from_primary = frame->sender.id == primary_of(&c->configuration, vote->view);
    if (from_primary != (frame->type == FRAME_PRE_PREPARE))
        return VERDICT_UNEXPECTED;
    if (frame->sender.id >= c->configuration.replicas)
        return VERDICT_UNKNOWN_SENDER;
    if (vote->slot > configuration_last_slot(&c->configuration))
        return VERDICT_EARLY;
    return window_check(conf_stable_slot(c), vote->slot);
}

static uint32_t count_votes(const struct confirmation *c, const struct conf_slot *s, const struct vote *vote)
{
    uint32_t count = 0;
    for (replica_id r = 0; r < c->configuration.replicas; r++) {
        const struct conf_vote *v = &s->vote[r];
        count += v->present && v->view == vote->view && digest_equal(&v->batch, &vote->batch);
    }
    return count;
}

static void commit(struct confirmation *c, struct conf_slot *s, const struct vote *vote, struct outbox *out)
{
    s->prepared = true;
    if (vote->view >= s->view) {
        s->view = vote->view;
        s->batch = vote->batch;
    }
    if (vote->view > c->view)
        c->view = vote->view;
    /* Prepared in that view already: a VIEW-CHANGE for it would have to claim its own view. */
    if (c->view_change_due <= vote->view)
        c->view_change_due = 0;
    if (c->view_change_out <= vote->view)
        c->view_change_out = 0;
    confirmation_write_prepared(c, vote, out);
    struct vote mine = *vote;
    mine.configuration = c->configuration.number;
    uint8_t body[64];
    struct writer w = writer_to(body, sizeof body);
    vote_put(&w, &mine);
    auth_emit_macs(&c->auth, out, FRAME_COMMIT, (struct slice){body, w.len}, TO_E, (struct slice){NULL, 0});
}

enum verdict confirmation_on_vote(struct confirmation *c, const struct frame *frame, bool local,
                                  struct outbox *out)
{
    struct vote vote;
    enum verdict verdict = vote_check(frame, &vote);
    if (verdict == VERDICT_ACCEPT)
        verdict = place_check(c, frame, &vote);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    struct conf_slot *s = conf_slot_at(c, vote.slot);
    struct conf_vote *known = &s->vote[frame->sender.id];
    bool known_view = known->present && known->view >= vote.view;
    if (known_view && known->view > vote.view)
        return VERDICT_STALE;
    if (known_view && digest_equal(&known->batch, &vote.batch) && !mutant(MUTANT_VOTES_BY_MESSAGE))
        return VERDICT_DUPLICATE;
    bool co_located = local && c->config.one_domain && frame->sender.id == c->config.replica;
    if (!co_located)
        verdict = auth_check_mac_at(&c->auth, frame, vote.slot);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    if (known_view && !mutant(MUTANT_VOTES_BY_MESSAGE))
        return VERDICT_EQUIVOCATION;
    *known = (struct conf_vote){.present = true, .view = vote.view, .batch = vote.batch};
    s->messages++;
    bool committed = s->prepared && s->view == vote.view;
    uint32_t need = quorum_vote(&c->configuration) - (mutant(MUTANT_QUORUM_ONE_SHORT_C) ? 1 : 0);
    uint32_t have = mutant(MUTANT_VOTES_BY_MESSAGE) ? s->messages : count_votes(c, s, &vote);
    if (!committed && have >= need)
        commit(c, s, &vote, out);
    return VERDICT_ACCEPT;
}
