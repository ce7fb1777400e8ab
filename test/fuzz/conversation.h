/*
 * Random bytes into whole conversations, as far as the service and back. Input: u8 that says how the bytes are cut and how many
 * operations wait, then bytes of one client.
 */
#ifndef FUZZ_CONVERSATION_H
#define FUZZ_CONVERSATION_H

#include "fake_front.h"
#include "kv/kv_store.h"
#include "need.h"

static inline void fuzz_conversation(const struct service_front *service,
                                     const struct conversation_type *type, const uint8_t *data, size_t size)
{
    static struct fake_front front;
    if (size < 1)
        return;
    uint8_t how = *data++;
    size--;
    fake_front_init(&front, service->service, "memory_mb=1");
    front.most_waiting = 1 + how % 5;
    struct fake_connection *c = fake_connection_open(&front, type);
    size_t piece = how & 0x40 ? 1u + (how & 15u) : size;
    for (size_t at = 0; at < size && !c->closed; at += piece) {
        size_t len = size - at < piece ? size - at : piece;
        fake_connection_feed(&front, c, data + at, len);
        if (how & 0x20)
            fake_front_run(&front, 1);
        front.time_us += 1000;
    }
    if (how & 0x80)
        front.next_kind = how & 0x10 ? REDOUBT_UNKNOWN : REDOUBT_REJECTED;
    fake_front_run(&front, 10000);
    kv_store_validate(front.state);
    fake_front_free(&front);
}

#endif
