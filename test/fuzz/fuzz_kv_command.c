/*
 * Redis commands from anywhere as operations of kv, executed one after the other on one store, while time passes. Whatever the bytes are,
 * the store stays valid, keys and execute agree on what is malformed, and every result is a well-formed reply.
 */
#include <stdlib.h>
#include <string.h>

#include "fake_env.h"
#include "kv/kv.h"
#include "kv/kv_command.h"
#include "need.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Input: (u16 length, u8 seconds that pass, the request behind its opcode)*. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t space[REDOUBT_OP_MAX_BYTES];
    static struct redoubt_keys keys;
    const struct redoubt_service *kv = &redoubt_service_kv;
    struct redoubt_result result = {.data = space, .capacity = sizeof space};
    uint8_t seed[32] = {0};
    uint64_t time_us = 1000000;
    struct fake_env fake;
    fake_env_init(&fake);
    struct kv_store *store = kv->create(&fake.env, "memory_mb=1");
    while (size >= 3) {
        size_t bytes = (size_t)(data[0] | data[1] << 8);
        time_us += data[2] * 1000000u;
        seed[7]++;
        data += 3;
        size -= 3;
        bytes = bytes < size ? bytes : size;
        uint8_t *request = malloc(bytes + 1);
        need(request != NULL);
        request[0] = KV_COMMAND;
        memcpy(request + 1, data, bytes);
        struct redoubt_op op = {.data = request, .bytes = bytes + 1, .seed = seed, .time_us = time_us};
        bool good = kv->keys(&op, &keys);
        kv->expect(store, &op, 1);
        enum redoubt_status status = kv->execute(store, &op, &result);
        need(status == (good ? REDOUBT_OK : REDOUBT_INVALID));
        need(!good || kv_reply_is_well_formed(result.data, result.bytes));
        status = kv->read(store, &op, &result);
        need(good || status == REDOUBT_INVALID);
        free(request);
        data += bytes;
        size -= bytes;
    }
    kv_store_validate(store);
    (void)kv->reset(store, 1, false);
    fake.env.release(&fake.env, store->page[0], KV_PAGE_LEAVES * sizeof(struct kv_leaf));
    fake.env.release(&fake.env, store, sizeof *store);
    need(fake.live_bytes == 0);
    return 0;
}
