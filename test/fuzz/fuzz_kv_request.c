/*
 * kv requests from anywhere: a stream of operations, executed one after the other on one store. Whatever the bytes are,
 * the store stays valid and every result is one that the client's decoders take.
 */
#include <stdlib.h>
#include <string.h>

#include "../../apps/kv/kv.h"
#include "../../apps/kv/kv_codec.h"
#include "../../apps/kv/kv_store.h"
#include "fake_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition)
        abort();
}

static void check_result(enum kv_opcode opcode, enum redoubt_status status,
                         const struct redoubt_result *result)
{
    struct kv_items items;
    struct kv_conflict conflict;
    bool replaced;
    int64_t number;
    if (status == REDOUBT_CONFLICT)
        need(kv_conflict_decode(result->data, result->bytes, &conflict));
    else if (status != REDOUBT_OK)
        need(result->bytes == 0);
    else if (opcode == KV_PUT)
        need(kv_put_result_decode(result->data, result->bytes, &replaced));
    else if (opcode == KV_INCREMENT)
        need(kv_increment_result_decode(result->data, result->bytes, &number));
    else if (opcode == KV_MULTI_GET)
        need(kv_multi_get_result_open(&items, result->data, result->bytes));
    else if (opcode == KV_BATCH)
        need(kv_batch_result_open(&items, result->data, result->bytes));
    else if (opcode == KV_LIST)
        need(kv_list_result_open(&items, result->data, result->bytes));
}

/* Input: (u16 length, request)*. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seed[32];
    static uint8_t space[REDOUBT_OP_MAX_BYTES];
    static struct redoubt_keys keys;
    const struct redoubt_service *kv = &redoubt_service_kv;
    struct redoubt_result result = {.data = space, .capacity = sizeof space};
    struct fake_env fake;
    fake_env_init(&fake);
    struct kv_store *store = kv->create(&fake.env, "memory_mb=1");
    while (size >= 2) {
        size_t bytes = (size_t)(data[0] | data[1] << 8);
        data += 2;
        size -= 2;
        bytes = bytes < size ? bytes : size;
        uint8_t *request = malloc(bytes ? bytes : 1); /* exactly as long as it says */
        need(request != NULL);
        memcpy(request, data, bytes);
        struct redoubt_op op = {.data = request, .bytes = bytes, .seed = seed};
        bool good = kv->keys(&op, &keys);
        enum redoubt_status status = kv->execute(store, &op, &result);
        need(good == (status != REDOUBT_INVALID));
        if (good)
            check_result((enum kv_opcode)request[0], status, &result);
        free(request);
        data += bytes;
        size -= bytes;
    }
    kv_store_validate(store);
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    for (uint64_t i = 0; i < store->leaves; i++)
        kv->leaf_digest(store, i, digest);
    (void)kv->reset(store, 1, false);
    fake.env.release(&fake.env, store->page[0], KV_PAGE_LEAVES * sizeof(struct kv_leaf));
    fake.env.release(&fake.env, store, sizeof *store);
    need(fake.live_bytes == 0);
    return 0;
}
