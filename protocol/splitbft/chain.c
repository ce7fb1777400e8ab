/*
 * Configurations at the host: it passes CONFIGURATIONs on to its compartments, keeps them for peers and origins that are
 * behind, lets an idle primary fill with null batches up to the activation slot, and, once that is stable, changes the
 * view once, so that fresh epochs enter by a NEW-VIEW that names their configuration.
 */
#include "splitbft/broker.h"

/* What is new in it, and nothing of what its sender may have put around that: an authenticator that nobody looks at, steps that were
 * known. It is kept in memory and on the disk, for as long as this START lasts. In `b->scratch`. */
static struct slice essence(struct broker *b, const struct frame *frame, configuration_no before)
{
    uint8_t body[CHAIN_STEPS_MAX * (RECONFIG_BYTES_MAX + 12) + REPLICAS_MAX * signer_BYTES + 128];
    struct writer w = writer_to(body, sizeof body);
    struct chain chain;
    struct chain_step step;
    size_t at = 0;
    CHECK(chain_decode(frame->body, &chain));
    while (chain.first <= before && chain_step_next(chain.steps, &at, &step))
        chain.first++;
    chain.steps = (struct slice){chain.steps.data + at, chain.steps.len - at};
    chain_put(&w, &chain);
    CHECK(!w.bad);
    return broker_frame(b, FRAME_CONFIGURATION, (struct slice){body, w.len}, (struct slice){NULL, 0});
}

static void keep(struct broker *b, struct slice frame, configuration_no first)
{
    struct chain_link *link = &b->chain[b->links % CONFIGURATIONS_KEPT];
    blob_set(b, &link->frame, frame);
    link->first = first;
    link->last = configuration_ordered(&b->held);
    b->links++;
}

/* The next few CONFIGURATIONs after a number (resumes included), for whoever holds it. */
static unsigned collect(const struct broker *b, configuration_no number, const struct chain_link **found)
{
    unsigned count = 0;
    uint32_t from = b->links > CONFIGURATIONS_KEPT ? b->links - CONFIGURATIONS_KEPT : 0;
    if (number <= b->held.resumed)
        return 0; /* it needs a later START */
    number -= b->held.resumed;
    for (uint32_t i = from; i < b->links && count < CONFIGURATIONS_SENT; i++) {
        const struct chain_link *link = &b->chain[i % CONFIGURATIONS_KEPT];
        if (link->last > number && link->first <= number + 1 && link->frame.data) {
            found[count++] = link;
            number = link->last;
        }
    }
    return count;
}

static void activation_known(struct broker *b, slot_no activation)
{
    if (activation <= b->activation)
        return;
    b->activation = activation;
    b->pending_us = b->now_us;
}

/* The one that shows that the cluster is closed says nothing new to whoever holds the CLOSE; the next START is made from it. */
static enum verdict on_closing(struct broker *b, const struct frame *frame, bool own)
{
    slot_no slot;
    struct digest root;
    if (b->closing.data || !configuration_closed(&b->held, frame, &slot, &root))
        return VERDICT_DUPLICATE;
    blob_set(b, &b->closing, frame->whole);
    durable_configuration(b, frame->whole);
    if (own)
        broker_send(b, PEER_ALL, frame->whole);
    return VERDICT_ACCEPT;
}

enum verdict broker_on_configuration(struct broker *b, const struct frame *frame, bool own)
{
    configuration_no before = configuration_ordered(&b->held);
    enum verdict verdict = configuration_follow(&b->held, frame);
    if (verdict == VERDICT_ACCEPT) {
        struct slice bare = essence(b, frame, before);
        keep(b, bare, before + 1);
        durable_configuration(b, bare);
        activation_known(b, configuration_activation(&b->held));
        liveness_send_status(b, PEER_ALL); /* is there more? */
    }
    if (verdict != VERDICT_ACCEPT && verdict != VERDICT_DUPLICATE)
        return verdict;
    if (on_closing(b, frame, own && verdict == VERDICT_DUPLICATE) == VERDICT_ACCEPT)
        verdict = VERDICT_ACCEPT;
    if (own && verdict == VERDICT_ACCEPT)
        broker_send(b, PEER_ALL, frame->whole);
    broker_give(b, KIND_PREPARATION, frame->whole, false);
    broker_give(b, KIND_CONFIRMATION, frame->whole, false);
    if (!own)
        broker_give(b, KIND_EXECUTION, frame->whole, false);
    return verdict;
}

enum verdict broker_on_ask_configuration(struct broker *b, const struct frame *frame, uint32_t from,
                                         bool from_client)
{
    struct ask_chain ask;
    const struct chain_link *found[CONFIGURATIONS_SENT];
    if (!ask_chain_decode(frame->body, &ask) || ask.number > UINT64_MAX / 2)
        return VERDICT_MALFORMED;
    if (from_client && ask.number < b->started_number) {
        broker_send_client(b, from, blob_slice(&b->manifest)); /* keys of before are gone, all of them */
        return VERDICT_ACCEPT;
    }
    unsigned count = collect(b, ask.number, found);
    for (unsigned i = 0; i < count; i++)
        if (from_client)
            broker_send_client(b, from, blob_slice(&found[i]->frame));
        else
            broker_send(b, from, blob_slice(&found[i]->frame));
    if (count == 0 && from_client && ask.number == b->held.number && b->closing.data)
        broker_send_client(b, from, blob_slice(&b->closing));
    return VERDICT_ACCEPT;
}

enum verdict broker_on_group_key(struct broker *b, const struct frame *frame, bool own)
{
    struct group_key m;
    if (!group_key_decode(frame->body, &m) || frame->attachment.len || frame->auth.len)
        return VERDICT_MALFORMED;
    if (!own) {
        broker_give(b, KIND_EXECUTION, frame->whole, false);
        return VERDICT_ACCEPT;
    }
    if (m.replica >= b->configuration->replicas || m.replica == b->config.replica)
        return VERDICT_UNEXPECTED;
    blob_set(b, &b->group_key[m.replica], frame->whole);
    broker_send(b, m.replica, frame->whole);
    return VERDICT_ACCEPT;
}

enum verdict broker_on_reconfigured(struct broker *b, const struct frame *frame)
{
    struct local_reconfigured m;
    if (!local_reconfigured_decode(frame->body, &m))
        return VERDICT_MALFORMED;
    activation_known(b, m.activation);
    chain_tick(b);
    return VERDICT_ACCEPT;
}

void chain_help(struct broker *b, replica_id peer, const struct status *status)
{
    const struct chain_link *found[CONFIGURATIONS_SENT];
    unsigned count = status->configuration < b->held.number && status->configuration
                         ? collect(b, status->configuration, found)
                         : 0;
    for (unsigned i = 0; i < count; i++)
        broker_send(b, peer, blob_slice(&found[i]->frame));
    slot_no after = b->held.member[KIND_EXECUTION - KIND_HOST][peer].after;
    if (status->executed == 0 || status->executed < after)
        broker_send(b, peer, blob_slice(&b->group_key[peer]));
}

void chain_entered(struct broker *b)
{
    struct frame frame;
    struct new_view nv;
    b->entered_us = b->now_us;
    if (broker_is_hybster(b))
        b->view_number = b->held.resumed + view_configuration(b->view);
    else if (b->new_view.data && b->new_view_view == b->view &&
             frame_decode(b->new_view.data, b->new_view.len, &frame) && new_view_decode(frame.body, &nv))
        b->view_number = nv.configuration;
}

/* Nothing moves though something must: the primary does not fill. */
static bool fills_not(const struct broker *b)
{
    uint64_t since_us = b->progress_us > b->entered_us ? b->progress_us : b->entered_us;
    if (b->pending_us > since_us)
        since_us = b->pending_us;
    return b->now_us - since_us > 2 * b->timeout_us * b->back_off;
}

/*
 * A fresh P that left for a view before it ever entered one would wait until the others leave theirs, which they may never
 * have a reason to. They follow it, once for each configuration (so a faulty one gains one view change by it).
 */
static void follow_fresh(struct broker *b)
{
    for (replica_id r = 0; r < b->configuration->replicas; r++) {
        view_no view = b->peer[r].parting;
        bool fresh = b->held.member[KIND_PREPARATION - KIND_HOST][r].after == b->activation;
        bool ahead = view > liveness_heading(b) && view - liveness_heading(b) <= 64;
        if (b->activation && fresh && ahead && !b->peer[r].in_view && b->helped < b->held.number) {
            b->helped = b->held.number;
            liveness_leave(b, view);
        }
    }
}

/* CHECKPOINTs that name a number are refused until it is held; now they may be of use. */
void chain_own(struct broker *b, enum kind kind, configuration_no number)
{
    configuration_no *known = &b->own_number[kind - KIND_PREPARATION];
    bool rose = number > *known;
    *known = number;
    if (!rose)
        return;
    for (replica_id r = 0; r < b->configuration->replicas; r++)
        for (unsigned i = 0; i < CHECKPOINTS_KEPT; i++)
            if (b->checkpoint[r][i].data)
                broker_give(b, kind, blob_slice(&b->checkpoint[r][i]), false);
}

/* What an own compartment did not get, or was not ready for. */
static void give_again(struct broker *b)
{
    for (unsigned k = 0; k < 3; k++) {
        const struct chain_link *found[CONFIGURATIONS_SENT];
        bool behind = b->own_number[k] < b->held.number;
        unsigned count = behind ? collect(b, b->own_number[k], found) : 0;
        for (unsigned i = 0; i < count; i++)
            broker_give(b, (enum kind)(KIND_PREPARATION + k), blob_slice(&found[i]->frame), false);
    }
}

void chain_tick(struct broker *b)
{
    give_again(b);
    if (chain_pending(b) && !mutant(MUTANT_IDLE_NEVER_ACTIVATES)) {
        if (b->fill_until < b->activation)
            b->fill_until = b->activation;
        if (b->in_view && fills_not(b))
            liveness_leave(b, liveness_heading(b) + 1);
    }
    if (chain_pending(b) || !b->in_view)
        return;
    if (b->view_number < b->held.number) /* with hybster nothing is wrong with the leader */
        liveness_leave(b, liveness_heading(b) + !broker_is_hybster(b));
    else
        follow_fresh(b);
}
