/*
 * Which counter counts where: rules of docs/HYBSTER.md, "Configurations". And what is learnt of RECONFIGs that were executed.
 */
#include "hybster/orderer.h"

struct sender orderer_counter(const struct orderer *o, replica_id r, view_no view)
{
    slot_no until;
    const struct member_keys *keys = configuration_counter(&o->configuration, r, view, &until);
    return (struct sender){.kind = keys ? KIND_COUNTER : KIND_NONE, .id = r, .epoch = keys ? keys->epoch : 0};
}

/* The keys of that counter, if it counts in that view; and up to which slot. */
static const struct member_keys *counting(const struct orderer *o, const struct sender *sender, view_no view,
                                          slot_no *until)
{
    const struct configuration *c = &o->configuration;
    if (sender->kind != KIND_COUNTER || sender->id >= c->replicas ||
        view_configuration(view) > configuration_ordered(c))
        return NULL;
    const struct member_keys *keys = configuration_counter(c, sender->id, view, until);
    if (mutant(MUTANT_HYBSTER_FRESH_IN_OLD_VIEWS))
        keys = configuration_counter(c, sender->id, UINT64_MAX, until);
    if (mutant(MUTANT_HYBSTER_OLD_COUNTS_ON))
        keys = configuration_member_ever(c, sender);
    return keys && keys->epoch == sender->epoch ? keys : NULL;
}

bool orderer_counts(const struct orderer *o, const struct sender *sender, view_no view, slot_no slot)
{
    slot_no until = UINT64_MAX;
    const struct member_keys *keys = counting(o, sender, view, &until);
    return keys && (slot == 0 || (slot > keys->after && slot <= until));
}

bool orderer_counts_from(const struct orderer *o, const struct sender *sender, view_no view, slot_no stable)
{
    slot_no until = UINT64_MAX;
    const struct member_keys *keys = counting(o, sender, view, &until);
    return keys && (stable >= keys->after || mutant(MUTANT_HYBSTER_FRESH_TOO_EARLY));
}

bool orderer_takes_part(const struct orderer *o, view_no view)
{
    return auth_counts_above(&o->auth) != UINT64_MAX && orderer_counts(o, &o->counter, view, 0);
}

enum verdict orderer_on_configuration(struct orderer *o, const struct frame *frame, struct outbox *out)
{
    struct chain chain;
    enum verdict verdict = configuration_follow(&o->configuration, frame);
    if (verdict != VERDICT_ACCEPT)
        return verdict;
    CHECK(chain_decode(frame->body, &chain));
    if (certificate_check(&o->configuration, chain.slot, &chain.root, chain.signers) == VERDICT_ACCEPT &&
        stable_adopt(&o->stable, chain.slot, &chain.root, chain.signers))
        orderer_truncated(o);
    orderer_tell_view(o, out);
    return VERDICT_ACCEPT;
}
