/*
 * `durability: sync`: what must be on this replica's disk before its votes leave. Sealed records of the compartments go there
 * as they come, which is before the votes that they are about. Lists and bodies are the host's own duty: a PREPARE
 * says that the batch can be executed, after a power loss too, so every batch that P is shown is written down first,
 * with the bundles that it lists. Bundles that nobody lists are not: their origins send them again.
 */
#include "splitbft/broker.h"

void durable_bundle(struct broker *b, struct bundle_entry *entry)
{
    if (!b->config.durable || entry->persisted || !entry->frame.data || b->recalling)
        return;
    entry->persisted = true;
    broker_emit(b, &(struct action){.kind = ACTION_PERSIST,
                                    .to = PERSIST_BUNDLE,
                                    .digest = entry->digest,
                                    .parts = {blob_slice(&entry->frame)}});
}

static void bundles_of(struct broker *b, struct slice list, bool again)
{
    struct batch batch;
    if (!batch_decode(list, &batch))
        return;
    for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
        struct batch_entry listed = batch_entry_at(batch.entries, i);
        struct bundle_entry *entry = bundles_find(b, &listed.bundle);
        if (!entry)
            continue;
        entry->persisted = entry->persisted && !again;
        durable_bundle(b, entry);
    }
}

void durable_list(struct broker *b, slot_no slot, const struct digest *batch, struct slice list)
{
    if (!b->config.durable || b->recalling)
        return;
    bundles_of(b, list, false);
    broker_emit(
        b, &(struct action){
               .kind = ACTION_PERSIST, .to = PERSIST_LIST, .slot = slot, .digest = *batch, .parts = {list}});
}

/* With this record E is about to save the checkpoint at `slot`; what is below it will be dropped from the log. So lists above
 * it, and the bundles that they name, are written once more. */
static void carry_over(struct broker *b, slot_no slot)
{
    for (uint32_t i = 0; i < BUNDLES_MAX; i++)
        b->bundle[i].persisted = false; /* a batch to come may list it; one that was listed before, too */
    for (unsigned i = 0; i < LOG_SLOTS; i++)
        for (unsigned k = 0; b->slot[i].slot > slot && k < LISTS_PER_SLOT; k++) {
            struct slot_list *list = &b->slot[i].list[k];
            if (!list->bytes.data)
                continue;
            bundles_of(b, blob_slice(&list->bytes), true);
            durable_list(b, b->slot[i].slot, &list->batch, blob_slice(&list->bytes));
        }
}

enum verdict broker_on_sealed(struct broker *b, const struct frame *frame, enum kind from)
{
    struct local_sealed sealed;
    if (!local_sealed_decode(frame->body, &sealed) || frame->attachment.len == 0)
        return VERDICT_MALFORMED;
    if (!b->config.durable)
        return VERDICT_UNEXPECTED;
    if (from == KIND_EXECUTION && sealed.full)
        carry_over(b, sealed.slot);
    broker_emit(b, &(struct action){.kind = ACTION_PERSIST,
                                    .to = from,
                                    .full = sealed.full != 0,
                                    .slot = sealed.slot,
                                    .parts = {frame->attachment}});
    return VERDICT_ACCEPT;
}

/* Before own P and C are told: what they say afterwards builds on it, and the next START must too. */
void durable_configuration(struct broker *b, struct slice frame)
{
    if (!b->config.durable || b->recalling || mutant(MUTANT_CHAIN_NOT_KEPT))
        return;
    broker_emit(b, &(struct action){.kind = ACTION_PERSIST, .to = PERSIST_CONFIGURATION, .parts = {frame}});
}

/* ------------------------------------------------------------------------------------------------ coming back */

static bool log_lost(const struct configuration *c)
{
    for (unsigned k = 1; k < MEMBER_KINDS; k++)
        for (replica_id r = 0; r < c->replicas; r++)
            if (c->resumed && c->member[k][r].after == 0 && digest_is_zero(&c->member[k][r].head))
                return true;
    return false;
}

void durable_resume(void *engine, slot_no executed, slot_no stable)
{
    struct broker *b = engine;
    b->executed = executed;
    b->stable = stable;
    /* On to the next checkpoint, whose certificate the new keys sign; or to where a log that begins now holds all that matters. */
    b->fill_until = log_lost(b->configuration) ? activation_slot(executed)
                                               : (executed / CHECKPOINT_INTERVAL + 1) * CHECKPOINT_INTERVAL;
    b->fill_since_us = b->now_us;
}

static void recall_list(struct broker *b, slot_no slot, struct slice bytes)
{
    struct digest digest;
    struct batch batch;
    struct slot_entry *s = slots_at(b, slot);
    if (!s || !batch_decode(bytes, &batch))
        return;
    batch_digest(&digest, bytes);
    bool only = s->next_list == 0; /* else nobody knows which of them it was */
    slots_add_list(b, slot, &digest, bytes);
    slots_pin_list(b, slot, &digest);
    for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
        struct batch_entry listed = batch_entry_at(batch.entries, i);
        (void)bundles_want(b, &listed, slot);
    }
    if (slot > b->executed || !only)
        return;
    ordering_slot_executed(b, slot, &digest);
    for (uint32_t i = 0; i < batch_entry_count(batch.entries); i++) {
        struct batch_entry listed = batch_entry_at(batch.entries, i);
        struct bundle_entry *entry = bundles_find(b, &listed.bundle);
        if (entry)
            entry->unsure = true;
    }
}

void durable_recall(void *engine, enum persist_kind kind, slot_no slot, struct slice bytes)
{
    struct broker *b = engine;
    struct frame frame;
    b->recalling = true;
    if (kind == PERSIST_CONFIGURATION && frame_decode(bytes.data, bytes.len, &frame) &&
        frame.type == FRAME_CONFIGURATION)
        (void)broker_on_configuration(b, &frame, false);
    if (kind == PERSIST_BUNDLE)
        bundles_recall(b, bytes);
    else if (kind == PERSIST_LIST)
        recall_list(b, slot, bytes);
    b->recalling = false;
}
