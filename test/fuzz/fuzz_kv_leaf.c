/*
 * Leaves of the kv service from a lying peer. What is taken must be the canonical form: saved again, it is the same.
 */
#include <stdlib.h>
#include <string.h>

#include "../../apps/kv/kv.h"
#include "../../apps/kv/kv_store.h"
#include "fake_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition)
        abort();
}

static void check_saved(const struct kv_store *store, uint64_t leaf, const uint8_t *data, size_t bytes)
{
    struct fake_sink sink;
    uint8_t digest[REDOUBT_DIGEST_BYTES];
    fake_sink_init(&sink);
    redoubt_service_kv.leaf_save(store, leaf, &sink.sink);
    need(sink.bytes == bytes && memcmp(sink.data, data, bytes) == 0);
    uint8_t judged[REDOUBT_DIGEST_BYTES];
    redoubt_service_kv.leaf_digest(store, leaf, digest);
    need(redoubt_service_kv.saved_digest(store, leaf, data, bytes, judged));
    need(memcmp(digest, judged, sizeof digest) == 0);
    fake_sink_free(&sink);
}

/* Input: u8 leaf count, then (u16 length, leaf)*. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct redoubt_service *kv = &redoubt_service_kv;
    struct fake_env fake;
    if (size < 1)
        return 0;
    fake_env_init(&fake);
    struct kv_store *store = kv->create(&fake.env, "memory_mb=1");
    uint64_t leaves = data[0];
    (void)kv->reset(store, leaves, false);
    data++;
    size--;
    bool good = true;
    for (uint64_t leaf = 0; good && size >= 2; leaf++) {
        size_t bytes = (size_t)(data[0] | data[1] << 8);
        data += 2;
        size -= 2;
        bytes = bytes < size ? bytes : size;
        uint8_t *copy = malloc(bytes ? bytes : 1);
        need(copy != NULL);
        memcpy(copy, data, bytes);
        uint8_t digest[REDOUBT_DIGEST_BYTES];
        (void)kv->saved_digest(store, leaf, copy, bytes, digest); /* whatever it is */
        good = kv->leaf_load(store, leaf, copy, bytes);
        if (good)
            check_saved(store, leaf, copy, bytes);
        if (good && leaf + 1 == leaves && store->keys <= KV_KEYS_PER_LEAF * leaves &&
            store->used <= store->limit)
            kv_store_validate(store);
        free(copy);
        data += bytes;
        size -= bytes;
    }
    (void)kv->reset(store, 1, false);
    fake.env.release(&fake.env, store->page[0], KV_PAGE_LEAVES * sizeof(struct kv_leaf));
    fake.env.release(&fake.env, store, sizeof *store);
    need(fake.live_bytes == 0);
    return 0;
}
