/*
 * Counter requests from anywhere: what is taken has one encoding (but for its padding) and a result that decodes.
 */
#include <stdlib.h>
#include <string.h>

#include "../../apps/counter/counter.h"
#include "../../apps/counter/counter_codec.h"
#include "fake_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t space[REDOUBT_OP_MAX_BYTES];
    const struct redoubt_service *counter = &redoubt_service_counter;
    struct redoubt_result result = {.data = space, .capacity = sizeof space};
    struct redoubt_op op = {.data = data, .bytes = size, .origin = 3};
    struct counter_request request;
    struct counter_result numbers;
    struct fake_env fake;
    fake_env_init(&fake);
    void *state = counter->create(&fake.env, "");
    enum redoubt_status status = counter->execute(state, &op, &result);
    if (counter_request_decode(&request, data, size)) {
        size_t bytes = counter_request_encode(space, sizeof space, &request);
        need(bytes == size && memcmp(space, data, COUNTER_REQUEST_BYTES) == 0);
        status = counter->execute(state, &op, &result);
        need(status != REDOUBT_OK || counter_result_decode(&numbers, result.data, result.bytes));
    } else {
        need(status == REDOUBT_INVALID);
    }
    fake.env.release(&fake.env, state, fake.live_bytes);
    return 0;
}
