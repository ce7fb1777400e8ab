/*
 * What was sent and seen per slot, kept for retransmission: the primary's PRE-PREPARE, own votes, batch lists. A ring
 * over the last LOG_SLOTS slots.
 */
#include "splitbft/broker.h"

static void slot_clear(struct broker *b, struct slot_entry *s)
{
    for (unsigned i = 0; i < LISTS_PER_SLOT; i++)
        blob_clear(b, &s->list[i].bytes);
    blob_clear(b, &s->pre_prepare);
    blob_clear(b, &s->early);
    blob_clear(b, &s->own_pre_prepare);
    blob_clear(b, &s->prepare);
    blob_clear(b, &s->commit);
    *s = (struct slot_entry){0};
}

struct slot_entry *slots_at(struct broker *b, slot_no slot)
{
    slot_no top = (b->executed > b->stable ? b->executed : b->stable) + WINDOW;
    struct slot_entry *s = &b->slot[slot % LOG_SLOTS];
    if (slot == 0 || slot > top || slot + LOG_SLOTS <= top)
        return NULL;
    if (s->slot > slot)
        return NULL;
    if (s->slot != slot) {
        slot_clear(b, s);
        s->slot = slot;
    }
    return s;
}

struct slot_list *slots_list(struct broker *b, slot_no slot, const struct digest *batch)
{
    struct slot_entry *s = slots_at(b, slot);
    for (unsigned i = 0; s && i < LISTS_PER_SLOT; i++)
        if (s->list[i].bytes.data && digest_equal(&s->list[i].batch, batch))
            return &s->list[i];
    return NULL;
}

void slots_add_list(struct broker *b, slot_no slot, const struct digest *batch, struct slice bytes)
{
    struct slot_entry *s = slots_at(b, slot);
    if (!s || slots_list(b, slot, batch))
        return;
    struct slot_list *list = NULL;
    for (unsigned i = 0; i < LISTS_PER_SLOT && (!list || list->pinned); i++)
        list = &s->list[s->next_list++ % LISTS_PER_SLOT];
    list->batch = *batch;
    list->pinned = digest_equal(batch, &s->voted);
    blob_set(b, &list->bytes, bytes);
}

void slots_pin_list(struct broker *b, slot_no slot, const struct digest *batch)
{
    struct slot_list *list = slots_list(b, slot, batch);
    if (list)
        list->pinned = true;
}

void slots_resend(struct broker *b, replica_id to, slot_no after)
{
    for (slot_no slot = after + 1; slot <= after + RESEND_SLOTS; slot++) {
        struct slot_entry *s = &b->slot[slot % LOG_SLOTS];
        if (s->slot != slot)
            continue;
        broker_send(b, to, blob_slice(&s->own_pre_prepare));
        broker_send(b, to, blob_slice(&s->prepare));
        broker_send(b, to, blob_slice(&s->commit));
        b->counters.retransmissions++;
    }
}
