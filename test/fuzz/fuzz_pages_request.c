/*
 * Requests of the pages service from anywhere, executed one after the other on one store. Whatever the bytes are, the store stays valid,
 * and keys, read and execute agree on what is malformed.
 */
#include "fake_env.h"
#include "kv/kv_store.h"
#include "need.h"
#include "pages/pages.h"
#include "pages/pages_codec.h"

/* Input: (u16 length, u8 quarters of a second since the one before, request)*. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t space[REDOUBT_OP_MAX_BYTES];
    static struct redoubt_keys keys;
    const struct redoubt_service *pages = &redoubt_service_pages;
    struct redoubt_result result = {.data = space, .capacity = sizeof space};
    uint8_t seed[32] = {0};
    uint64_t time_us = 1000000;
    struct fake_env fake;
    fake_env_init(&fake);
    struct kv_store *store = pages->create(&fake.env, "memory_mb=1");
    while (size >= 3) {
        size_t bytes = (size_t)(data[0] | data[1] << 8);
        time_us += data[2] * 250000u;
        data += 3;
        size -= 3;
        bytes = bytes < size ? bytes : size;
        uint8_t *request = malloc(bytes ? bytes : 1);
        need(request != NULL);
        memcpy(request, data, bytes);
        seed[0]++;
        struct redoubt_op op = {.data = request, .bytes = bytes, .seed = seed, .time_us = time_us};
        bool good = pages->keys(&op, &keys);
        pages->expect(store, &op, 1);
        enum redoubt_status status = pages->execute(store, &op, &result);
        need(good || status == REDOUBT_INVALID); /* conditions are looked at by execute alone */
        struct pages_page page;
        if (status == REDOUBT_OK && request[0] == PAGES_FETCH)
            need(pages_page_decode(&page, (struct slice){result.data, result.bytes}) &&
                 page.changed_us <= time_us);
        status = pages->read(store, &op, &result);
        need(good || status == REDOUBT_INVALID);
        free(request);
        data += bytes;
        size -= bytes;
    }
    kv_store_validate(store);
    (void)pages->reset(store, 1, false);
    fake.env.release(&fake.env, store->page[0], KV_PAGE_LEAVES * sizeof(struct kv_leaf));
    fake.env.release(&fake.env, store, sizeof *store);
    need(fake.live_bytes == 0);
    return 0;
}
